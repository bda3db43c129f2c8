#include <breakwater/consensus/transport.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <raft.h>
#include <raft/uv.h>

#include <breakwater/base/assert.h>

#define READ_BYTES 65536
/* A link is paused so early that what it may still say before it stops fits below the bound. */
#define PAUSE_BYTES  (BW_TRANSPORT_QUEUE_BYTES_MAX - READ_BYTES)
#define RESUME_BYTES (BW_TRANSPORT_QUEUE_BYTES_MAX / 4)

/* One link and the socket pair that libraft sees instead of it. */
struct pump {
    struct bw_transport *transport;
    struct pump *next;
    struct pump **previous;
    uint64_t peer;
    struct bw_link *link;            /* NULL after on_closed */
    struct raft_uv_connect *request; /* a dial that libraft still waits for */
    uv_pipe_t end;                   /* ours of the pair; libraft has the other */
    uv_timer_t dial_timer;
    unsigned handles; /* not yet closed */
    bool is_dialed;
    bool has_end;
    bool is_reading; /* from the end */
    bool is_paused;  /* the link */
    bool is_closing;
};

struct bw_transport {
    struct raft_uv_transport raft;
    uv_loop_t *loop;
    const struct bw_link_ops *ops;
    void *ops_user;
    struct pump *pumps;
    raft_uv_accept_cb on_accept; /* NULL: not listening */
    raft_uv_transport_close_cb on_closed;
    bool is_closing;
    uint8_t buffer[READ_BYTES]; /* between an alloc and its read callback, never longer */
};

struct late_write {
    uv_write_t request;
    struct pump *pump;
    char data[];
};

/* ---- the end of a pump ---------------------------------------------------------------------- */

static void finish_close(struct bw_transport *transport)
{
    raft_uv_transport_close_cb done = transport->on_closed;

    if (!transport->is_closing || transport->pumps != NULL || done == NULL)
        return;
    transport->on_closed = NULL;
    done(&transport->raft);
}

static void free_if_done(struct pump *pump)
{
    struct bw_transport *transport = pump->transport;
    struct raft_uv_connect *request = pump->request;

    if (!pump->is_closing || pump->link != NULL || pump->handles > 0)
        return;
    *pump->previous = pump->next;
    if (pump->next != NULL)
        pump->next->previous = pump->previous;
    free(pump);
    if (request != NULL)
        request->cb(request, NULL, transport->is_closing ? RAFT_CANCELED : RAFT_NOCONNECTION);
    finish_close(transport);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct pump *pump = handle->data;

    pump->handles--;
    free_if_done(pump);
}

/* Ends everything; the pump goes when link, pipe and timer have said that they are gone. */
static void close_pump(struct pump *pump)
{
    if (pump->is_closing)
        return;
    pump->is_closing = true;
    uv_close((uv_handle_t *)&pump->dial_timer, on_handle_closed);
    if (pump->has_end)
        uv_close((uv_handle_t *)&pump->end, on_handle_closed);
    if (pump->link != NULL)
        pump->transport->ops->close(pump->link);
}

/* ---- libraft -> link ------------------------------------------------------------------------ */

static void on_end_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buffer)
{
    struct pump *pump = handle->data;
    size_t room = pump->transport->ops->writable_bytes(pump->link);

    (void)suggested;
    *out_buffer = uv_buf_init((char *)pump->transport->buffer,
                              (unsigned)(room < READ_BYTES ? room : READ_BYTES));
}

static void on_end_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void stop_reading(struct pump *pump)
{
    pump->is_reading = false;
    (void)uv_read_stop((uv_stream_t *)&pump->end); /* always 0 */
}

/* Reads only while the link has room, so that the read never has to be refused. */
static void start_reading(struct pump *pump)
{
    if (pump->is_reading || pump->transport->ops->writable_bytes(pump->link) == 0)
        return;
    pump->is_reading = true;
    if (uv_read_start((uv_stream_t *)&pump->end, on_end_alloc, on_end_read) != 0)
        close_pump(pump);
}

static void on_end_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct pump *pump = stream->data;
    const struct bw_link_ops *ops = pump->transport->ops;

    if (size == 0)
        return;
    if (size < 0 || ops->write(pump->link, (const uint8_t *)buffer->base, (size_t)size) != BW_OK) {
        close_pump(pump); /* libraft has closed its end, or the link is lost */
        return;
    }
    if (!pump->is_closing && ops->writable_bytes(pump->link) == 0)
        stop_reading(pump);
}

static void on_link_drained(void *user)
{
    struct pump *pump = user;

    if (!pump->is_closing && pump->has_end)
        start_reading(pump);
}

/* ---- link -> libraft ------------------------------------------------------------------------ */

static void on_late_write(uv_write_t *request, int status)
{
    struct late_write *late = (struct late_write *)request;
    struct pump *pump = late->pump;

    free(late);
    if (pump->is_closing)
        return;
    if (status != 0) {
        close_pump(pump);
        return;
    }
    if (pump->is_paused &&
        uv_stream_get_write_queue_size((uv_stream_t *)&pump->end) <= RESUME_BYTES) {
        pump->is_paused = false;
        pump->transport->ops->resume(pump->link);
    }
}

/* Writes what the pair takes now, and queues a copy of the rest. */
static int write_to_end(struct pump *pump, const uint8_t *data, size_t size)
{
    uv_stream_t *end = (uv_stream_t *)&pump->end;
    uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)data, (unsigned)size);
    struct late_write *late;
    int written = 0;

    if (uv_stream_get_write_queue_size(end) == 0)
        written = uv_try_write(end, &buffer, 1);
    if (written == UV_EAGAIN)
        written = 0;
    if (written < 0 || (size_t)written == size)
        return written < 0 ? written : 0;
    late = malloc(sizeof *late + size - (size_t)written);
    if (late == NULL)
        return UV_ENOMEM;
    late->pump = pump;
    memcpy(late->data, data + written, size - (size_t)written);
    buffer = uv_buf_init(late->data, (unsigned)(size - (size_t)written));
    written = uv_write(&late->request, end, &buffer, 1, on_late_write);
    if (written != 0)
        free(late);
    return written;
}

static void on_link_data(void *user, const uint8_t *data, size_t size)
{
    struct pump *pump = user;

    if (pump->is_closing)
        return;
    /* Nobody reads what comes in over a dialed link: a peer that speaks there is not ours. */
    if (pump->is_dialed || write_to_end(pump, data, size) != 0) {
        close_pump(pump);
        return;
    }
    if (!pump->is_paused &&
        uv_stream_get_write_queue_size((uv_stream_t *)&pump->end) >= PAUSE_BYTES) {
        pump->is_paused = true;
        pump->transport->ops->pause(pump->link);
    }
}

/* ---- beginnings ----------------------------------------------------------------------------- */

/* Makes the pair; *out_theirs is libraft's to close and raft_free. */
static enum bw_err open_ends(struct pump *pump, uv_stream_t **out_theirs)
{
    uv_pipe_t *theirs = raft_malloc(sizeof *theirs);
    uv_os_sock_t pair[2];
    int rv;

    if (theirs == NULL)
        return BW_ERR_NOMEM;
    if (uv_socketpair(SOCK_STREAM, 0, pair, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE) != 0) {
        raft_free(theirs);
        return BW_ERR_LIMIT;
    }
    /* These fail for arguments that cannot occur here. */
    rv = uv_pipe_init(pump->transport->loop, theirs, 0);
    BW_ASSERT(rv == 0);
    rv = uv_pipe_open(theirs, pair[0]);
    BW_ASSERT(rv == 0);
    rv = uv_pipe_init(pump->transport->loop, &pump->end, 0);
    BW_ASSERT(rv == 0);
    rv = uv_pipe_open(&pump->end, pair[1]);
    BW_ASSERT(rv == 0);
    pump->end.data = pump;
    pump->has_end = true;
    pump->handles++;
    *out_theirs = (uv_stream_t *)theirs;
    return BW_OK;
}

static struct pump *new_pump(struct bw_transport *transport, uint64_t peer)
{
    struct pump *pump = calloc(1, sizeof *pump);
    int rv;

    if (pump == NULL)
        return NULL;
    pump->transport = transport;
    pump->peer = peer;
    rv = uv_timer_init(transport->loop, &pump->dial_timer);
    BW_ASSERT(rv == 0);
    pump->dial_timer.data = pump;
    pump->handles = 1;
    pump->next = transport->pumps;
    pump->previous = &transport->pumps;
    if (pump->next != NULL)
        pump->next->previous = &pump->next;
    transport->pumps = pump;
    return pump;
}

static void on_link_ready(void *user)
{
    struct pump *pump = user;
    struct raft_uv_connect *request = pump->request;
    uv_stream_t *theirs;

    if (pump->is_closing)
        return;
    BW_ASSERT(pump->is_dialed && request != NULL);
    (void)uv_timer_stop(&pump->dial_timer); /* always 0 */
    if (open_ends(pump, &theirs) != BW_OK) {
        close_pump(pump);
        return;
    }
    pump->request = NULL;
    start_reading(pump);
    request->cb(request, theirs, 0);
}

static void on_link_closed(void *user)
{
    struct pump *pump = user;

    pump->link = NULL;
    close_pump(pump);
    free_if_done(pump);
}

static void on_dial_timeout(uv_timer_t *timer)
{
    close_pump(timer->data);
}

static const struct bw_link_events link_events = {.on_ready = on_link_ready,
                                                  .on_data = on_link_data,
                                                  .on_drained = on_link_drained,
                                                  .on_closed = on_link_closed};

enum bw_err bw_transport_accept(struct bw_transport *transport, uint64_t peer, struct bw_link *link,
                                struct bw_link_sink *out_sink)
{
    char address[BW_TRANSPORT_ADDRESS_BYTES];
    struct pump *pump;
    uv_stream_t *theirs;
    enum bw_err err;

    if (transport->on_accept == NULL || transport->is_closing)
        return BW_ERR_REFUSED;
    for (struct pump *old = transport->pumps; old != NULL; old = old->next) {
        if (old->peer == peer && !old->is_dialed)
            close_pump(old); /* the peer has given it up; one is enough */
    }
    pump = new_pump(transport, peer);
    if (pump == NULL)
        return BW_ERR_NOMEM;
    err = open_ends(pump, &theirs);
    if (err != BW_OK) {
        close_pump(pump);
        return err;
    }
    pump->link = link;
    *out_sink = (struct bw_link_sink){&link_events, pump};
    start_reading(pump);
    bw_transport_format_address(peer, address);
    transport->on_accept(&transport->raft, peer, address, theirs);
    return BW_OK;
}

/* ---- what libraft calls --------------------------------------------------------------------- */

static struct bw_transport *transport_of(struct raft_uv_transport *raft)
{
    return raft->impl;
}

static int raft_side_init(struct raft_uv_transport *raft, raft_id id, const char *address)
{
    (void)raft, (void)id, (void)address;
    return 0;
}

static int raft_side_listen(struct raft_uv_transport *raft, raft_uv_accept_cb on_accept)
{
    transport_of(raft)->on_accept = on_accept;
    return 0;
}

/* Once this has returned 0, only the callback may say that it failed. */
static int raft_side_connect(struct raft_uv_transport *raft, struct raft_uv_connect *request,
                             raft_id id, const char *address, raft_uv_connect_cb done)
{
    struct bw_transport *transport = transport_of(raft);
    struct pump *pump = transport->is_closing ? NULL : new_pump(transport, id);
    int rv;

    (void)address; /* links are known by id */
    if (pump == NULL)
        return RAFT_NOCONNECTION;
    pump->is_dialed = true;
    pump->link = transport->ops->dial(transport->ops_user, id,
                                      (struct bw_link_sink){&link_events, pump});
    if (pump->link == NULL) {
        close_pump(pump);
        return RAFT_NOCONNECTION;
    }
    request->cb = done;
    pump->request = request;
    rv = uv_timer_start(&pump->dial_timer, on_dial_timeout, BW_TRANSPORT_DIAL_MS, 0);
    BW_ASSERT(rv == 0);
    return 0;
}

static void raft_side_close(struct raft_uv_transport *raft, raft_uv_transport_close_cb done)
{
    struct bw_transport *transport = transport_of(raft);
    struct pump *next;

    transport->is_closing = true;
    transport->on_accept = NULL;
    transport->on_closed = done;
    for (struct pump *pump = transport->pumps; pump != NULL; pump = next) {
        next = pump->next;
        close_pump(pump);
    }
    finish_close(transport);
}

/* Between the ends of its pair. */
static size_t paired_bytes(const struct pump *pump)
{
    uv_os_fd_t fd;
    int bytes = 0;

    if (!pump->has_end || uv_fileno((const uv_handle_t *)&pump->end, &fd) != 0 || ioctl(fd, FIONREAD, &bytes) != 0)
        return 0;
    return (size_t)bytes;
}

size_t bw_transport_waiting_bytes(const struct bw_transport *transport, uint64_t peer)
{
    size_t bytes = 0;

    for (const struct pump *pump = transport->pumps; pump != NULL; pump = pump->next) {
        if (pump->peer != peer || !pump->is_dialed || pump->is_closing || pump->link == NULL)
            continue;
        bytes += paired_bytes(pump);
        if (transport->ops->waiting_bytes != NULL)
            bytes += transport->ops->waiting_bytes(pump->link);
    }
    return bytes;
}

struct raft_uv_transport *bw_transport_raft(struct bw_transport *transport)
{
    return &transport->raft;
}

void bw_transport_format_address(uint64_t id, char out_text[BW_TRANSPORT_ADDRESS_BYTES])
{
    (void)snprintf(out_text, BW_TRANSPORT_ADDRESS_BYTES, "%" PRIu64, id); /* 20 digits fit */
}

struct bw_transport *bw_transport_new(uv_loop_t *loop, const struct bw_link_ops *ops,
                                      void *ops_user)
{
    struct bw_transport *transport = calloc(1, sizeof *transport);

    if (transport == NULL)
        return NULL;
    transport->loop = loop;
    transport->ops = ops;
    transport->ops_user = ops_user;
    transport->raft = (struct raft_uv_transport){.version = 1,
                                                 .impl = transport,
                                                 .init = raft_side_init,
                                                 .listen = raft_side_listen,
                                                 .connect = raft_side_connect,
                                                 .close = raft_side_close};
    return transport;
}

void bw_transport_free(struct bw_transport *transport)
{
    if (transport == NULL)
        return;
    BW_ASSERT(transport->pumps == NULL);
    free(transport);
}
