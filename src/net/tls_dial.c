/* tls_dial.c - from HOST:PORT to a connection. Addresses are tried side by side, each a little after the one before
 * (RFC 8305), beginning with the one that was good last, while the name is looked up anew (names.h). */
#include "names_private.h"
#include "tls_stream_private.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

#define ATTEMPT_MS 250 /* RFC 8305, 5: the next address is tried though the one before has not failed yet */

_Static_assert(BW_NAME_ADDRESSES_MAX > 1, "a name that has moved has an address of before and one of now");

/* One address. Its handle becomes the stream's by its file descriptor. */
struct attempt {
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct dial *dial;
    bool is_open; /* the handle; it was begun and has not failed */
};

/* Outlives the stream until the last handle is closed; `stream` is NULL then. */
struct dial {
    struct bw_names_wait wait; /* first */
    struct bw_tls_stream *stream;
    uv_loop_t *loop;
    uint16_t port;
    struct sockaddr_storage addresses[BW_NAME_ADDRESSES_MAX];
    size_t count;
    size_t next;
    struct attempt attempts[BW_NAME_ADDRESSES_MAX]; /* of the address with the same index */
    unsigned open;    /* attempts */
    unsigned closing; /* handles that are not closed yet */
    uint32_t dial_ms; /* from the first address on; 0: end_ms stands */
    uint64_t end_ms;  /* on the loop's clock */
    uint64_t next_ms; /* when the next address is tried */
    char why[160];    /* the attempt that failed last */
};

static void go_on(struct dial *dial);

/* ---- the end of a dial ----------------------------------------------------------------------- */

static void free_if_done(struct dial *dial)
{
    if (dial->stream == NULL && dial->closing == 0)
        free(dial);
}

static void on_attempt_closed(uv_handle_t *handle)
{
    struct attempt *attempt = handle->data;

    attempt->dial->closing--;
    free_if_done(attempt->dial);
}

static void close_attempt(struct attempt *attempt)
{
    if (!attempt->is_open)
        return;
    attempt->is_open = false;
    attempt->dial->open--;
    attempt->dial->closing++;
    uv_close((uv_handle_t *)&attempt->tcp, on_attempt_closed);
}

void bw_tls_dial_abandon(struct bw_tls_stream *stream)
{
    struct dial *dial = stream->dial;

    if (dial == NULL)
        return;
    stream->dial = NULL;
    dial->stream = NULL;
    bw_names_give_up(&dial->wait);
    for (size_t i = 0; i < dial->next; i++)
        close_attempt(&dial->attempts[i]);
    free_if_done(dial);
}

/* ---- one address ----------------------------------------------------------------------------- */

static struct sockaddr *address_of(struct attempt *attempt)
{
    return (struct sockaddr *)&attempt->dial->addresses[attempt - attempt->dial->attempts];
}

static void fail_attempt(struct attempt *attempt, int uv_error)
{
    struct dial *dial = attempt->dial;

    (void)snprintf(dial->why, sizeof dial->why, "%s%s", uv_strerror(uv_error),
                   uv_error == UV_ECONNREFUSED ? " (nobody listens there)"
                   : uv_error == UV_ETIMEDOUT  ? " (partition, or a firewall that drops)"
                                               : "");
    bw_names_note(dial->stream->names, dial->stream->host, address_of(attempt), false);
    close_attempt(attempt);
}

/* Its connection becomes the stream's. */
static int hand_over(struct attempt *attempt, struct bw_tls_stream *stream)
{
    int from;
    int fd;
    int result = uv_fileno((uv_handle_t *)&attempt->tcp, &from);

    if (result != 0)
        return result;
    fd = fcntl(from, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return UV_EMFILE;
    result = uv_tcp_open(&stream->tcp, fd);
    if (result != 0)
        (void)close(fd); /* nothing was said over it */
    return result;
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct attempt *attempt = connect->data;
    struct dial *dial = attempt->dial;
    struct bw_tls_stream *stream = dial->stream;

    if (!attempt->is_open)
        return; /* it was closed */
    if (status == 0)
        status = hand_over(attempt, stream);
    if (status != 0) {
        fail_attempt(attempt, status);
        dial->next_ms = uv_now(dial->loop); /* at once */
        go_on(dial);
        return;
    }
    (void)uv_timer_stop(&stream->timer); /* always 0 */
    bw_tls_dial_abandon(stream);
    bw_tls_stream_begin(stream);
}

static void begin_attempt(struct dial *dial)
{
    struct attempt *attempt = &dial->attempts[dial->next];
    struct sockaddr_storage *address = &dial->addresses[dial->next++];
    int result;

    if (address->ss_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons(dial->port);
    else
        ((struct sockaddr_in6 *)address)->sin6_port = htons(dial->port);
    attempt->dial = dial;
    BW_ASSERT(uv_tcp_init(dial->loop, &attempt->tcp) == 0); /* makes no socket yet: cannot fail */
    attempt->tcp.data = attempt;
    attempt->connect.data = attempt;
    attempt->is_open = true;
    dial->open++;
    dial->next_ms = uv_now(dial->loop) + ATTEMPT_MS;
    result = uv_tcp_connect(&attempt->connect, &attempt->tcp, (const struct sockaddr *)address, on_connected);
    if (result != 0)
        fail_attempt(attempt, result);
}

/* ---- one after another ----------------------------------------------------------------------- */

static const char *describe_end(const struct dial *dial)
{
    if (dial->next == 0)
        return "its name was not resolved in time";
    return dial->open > 0 ? "connection timed out (partition, or a firewall that drops)" : dial->why;
}

static void on_timer(uv_timer_t *timer)
{
    struct bw_tls_stream *stream = timer->data;

    go_on(stream->dial);
}

/* Begins what is due, and sets the timer to what comes next. May close the stream. */
static void go_on(struct dial *dial)
{
    struct bw_tls_stream *stream = dial->stream;
    const uint64_t now_ms = uv_now(dial->loop);
    uint64_t wake_ms = dial->end_ms;

    while (dial->next < dial->count && now_ms < dial->end_ms && (dial->open == 0 || now_ms >= dial->next_ms))
        begin_attempt(dial);
    if (now_ms >= dial->end_ms || (dial->open == 0 && dial->wait.previous == NULL)) {
        bw_tls_stream_close(stream, BW_ERR_UNREACHABLE, describe_end(dial));
        return;
    }
    if (dial->next < dial->count && dial->next_ms < wake_ms)
        wake_ms = dial->next_ms;
    (void)uv_timer_start(&stream->timer, on_timer, wake_ms - now_ms, 0); /* has a callback */
}

/* Those of the newest answer that are not being tried. */
static void take_addresses(struct dial *dial)
{
    struct sockaddr_storage known[BW_NAME_ADDRESSES_MAX];
    const size_t count = bw_names_get(dial->stream->names, dial->stream->host, known);

    if (dial->count == 0 && count > 0 && dial->dial_ms > 0)
        dial->end_ms = uv_now(dial->loop) + dial->dial_ms;
    for (size_t i = 0; i < count && dial->count < BW_NAME_ADDRESSES_MAX; i++)
        if (!bw_names_has(dial->addresses, dial->count, &known[i]))
            dial->addresses[dial->count++] = known[i];
}

static void on_looked_up(struct bw_names_wait *wait, const char *failure)
{
    struct dial *dial = (struct dial *)wait;

    if (failure != NULL && dial->next == 0)
        (void)snprintf(dial->why, sizeof dial->why, "its name cannot be resolved: %s", failure);
    take_addresses(dial);
    if (failure != NULL && dial->count == 0) {
        bw_tls_stream_close(dial->stream, BW_ERR_UNREACHABLE, dial->why);
        return;
    }
    go_on(dial);
}

/* From the loop: nothing is told before connect has returned. */
static void on_first_turn(uv_timer_t *timer)
{
    struct bw_tls_stream *stream = timer->data;
    struct dial *dial = stream->dial;

    take_addresses(dial);
    if (dial->count == 0 && dial->wait.previous == NULL)
        bw_tls_stream_close(stream, BW_ERR_UNREACHABLE, "its name cannot be resolved: no thread is left for it");
    else
        go_on(dial);
}

enum bw_err bw_tls_stream_connect(uv_loop_t *loop, const char *address_text,
                                  const struct bw_tls_stream_config *config,
                                  struct bw_tls_stream **out_stream, struct bw_diag *diag)
{
    struct bw_tls_stream *stream;
    struct bw_address address;
    struct dial *dial;
    enum bw_err err = bw_address_parse(address_text, &address, diag);

    BW_ASSERT(config->dial_ms > 0 && config->names != NULL);
    if (err != BW_OK)
        return err;
    stream = bw_tls_stream_new(config, false);
    dial = calloc(1, sizeof *dial);
    if (stream == NULL || dial == NULL) {
        if (stream != NULL)
            bw_tls_stream_free_unborn(stream);
        free(dial);
        return bw_diag_set(diag, BW_ERR_NOMEM, "dial %s: out of memory", address_text);
    }
    memcpy(stream->host, address.host, sizeof stream->host);
    stream->names = config->names;
    stream->dial = dial;
    dial->stream = stream;
    dial->loop = loop;
    dial->port = address.port;
    dial->dial_ms = config->lookup_ms > 0 ? config->dial_ms : 0;
    dial->end_ms = uv_now(loop) + (config->lookup_ms > 0 ? config->lookup_ms : config->dial_ms);
    dial->wait.on_end = on_looked_up;
    bw_tls_stream_init_handles(stream, loop);
    stream->state = STATE_DIALLING;
    *out_stream = stream;
    (void)bw_names_look(config->names, stream->host, &dial->wait); /* false: what is known is new, or will have to do */
    (void)uv_timer_start(&stream->timer, on_first_turn, 0, 0); /* has a callback */
    return BW_OK;
}
