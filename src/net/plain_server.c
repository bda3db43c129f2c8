#include <breakwater/net/plain_server.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llhttp.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/limits.h>
#include <breakwater/net/address.h>
#include <breakwater/net/http_server.h>

#define BACKLOG          128
#define TICK_MS          50
#define ACCEPTS_PER_TICK 32
#define LINGER_MS        500  /* for the peer to read its answer and close */
#define AFTER_BYTES_MAX  8192 /* behind its request; who says more is hung up on */
#define TARGET_BYTES_MAX 1024
#define READ_BYTES       4096
#define HEAD_BYTES       512

enum phase {
    PHASE_READING,
    PHASE_ASKING, /* the program has it */
    PHASE_ENDING, /* it was answered */
};

/* A connection, which has one request. */
struct bw_plain_request {
    struct bw_plain_server *server;
    struct bw_plain_request *next; /* the next younger */
    uv_tcp_t tcp;
    uv_shutdown_t shutdown;
    llhttp_t parser;
    enum phase phase;
    uint64_t deadline_ms; /* of its phase; the loop's time */
    uint64_t origin;
    bool is_closing;
    bool peer_ended; /* it says nothing more; it may still listen */
    bool is_whole;   /* the head was read to its end */
    size_t read_bytes;
    char target[TARGET_BYTES_MAX + 1];
    size_t target_size;
    bool is_too_long; /* the target */
};

struct bw_plain_server {
    struct bw_plain_server_config config; /* defaults filled in; without `listen` */
    uv_tcp_t listener;
    uv_timer_t tick; /* runs while there is a connection, or one waits for room */
    unsigned handles_open;
    struct bw_plain_request *first; /* oldest first */
    unsigned count;                 /* in the list */
    unsigned closing_count;         /* of them: their place is free for another */
    unsigned accepts_left;          /* until the next tick */
    bool accept_waits;              /* a connection waits in the kernel */
    bool is_closing;
};

static void start_tick(struct bw_plain_server *server);
static void accept_one(struct bw_plain_server *server);

/* One loop, one thread: libuv hands the buffer back before it asks for it again. */
static _Thread_local char read_buffer[READ_BYTES];

/* ---- the end ---- */

static void free_if_ended(struct bw_plain_server *server)
{
    if (server->is_closing && server->handles_open == 0 && server->count == 0)
        free(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct bw_plain_server *server = handle->data;

    server->handles_open--;
    free_if_ended(server);
}

static void on_connection_closed(uv_handle_t *handle)
{
    struct bw_plain_request *connection = handle->data;
    struct bw_plain_server *server = connection->server;
    struct bw_plain_request **link = &server->first;

    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    server->count--;
    server->closing_count--;
    free(connection);
    free_if_ended(server);
}

static void hang_up(struct bw_plain_request *connection)
{
    struct bw_plain_server *server = connection->server;
    const bool was_asking = connection->phase == PHASE_ASKING;

    if (connection->is_closing)
        return;
    connection->is_closing = true;
    connection->phase = PHASE_ENDING;
    server->closing_count++;
    uv_close((uv_handle_t *)&connection->tcp, on_connection_closed);
    if (was_asking)
        server->config.on_gone(connection, server->config.user);
}

/* ---- answers ---- */

static void on_shut_down(uv_shutdown_t *shutdown, int status)
{
    struct bw_plain_request *connection = shutdown->data;

    if (status != 0 || connection->peer_ended)
        hang_up(connection);
}

/* All of it at once: a connection on which nothing was sent before has room for it, or is not worth
 * waiting for. */
static void send_answer(struct bw_plain_request *connection, int status, const char *text)
{
    char bytes[HEAD_BYTES + BW_PLAIN_TEXT_BYTES_MAX];
    const int body = (int)strnlen(text, BW_PLAIN_TEXT_BYTES_MAX - 1);
    const bool has_body = connection->parser.method != HTTP_HEAD;
    const int size = snprintf(bytes, sizeof bytes,
                              "HTTP/1.1 %d %s\r\n%sContent-Type: text/plain; charset=utf-8\r\n"
                              "Content-Length: %d\r\nCache-Control: no-store\r\n"
                              "Connection: close\r\n\r\n%.*s%s",
                              status, bw_http_reason(status),
                              status == 405 ? "Allow: GET, HEAD\r\n" : "", body + 1, has_body ? body : 0, text,
                              has_body ? "\n" : "");
    const uv_buf_t buffer = uv_buf_init(bytes, (unsigned)size);

    BW_ASSERT(size > 0 && (size_t)size < sizeof bytes);
    connection->phase = PHASE_ENDING;
    connection->deadline_ms = uv_now(connection->tcp.loop) + LINGER_MS;
    connection->shutdown.data = connection;
    if (uv_try_write((uv_stream_t *)&connection->tcp, &buffer, 1) != size ||
        uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->tcp, on_shut_down) != 0)
        hang_up(connection);
}

void bw_plain_respond(struct bw_plain_request *request, int status, const char *text)
{
    BW_ASSERT(request->phase == PHASE_ASKING && !request->is_closing);
    send_answer(request, status, text);
}

/* ---- requests ---- */

static int on_url(llhttp_t *parser, const char *text, size_t size)
{
    struct bw_plain_request *connection = parser->data;

    connection->is_too_long = size > TARGET_BYTES_MAX - connection->target_size;
    if (connection->is_too_long)
        return -1;
    memcpy(connection->target + connection->target_size, text, size);
    connection->target_size += size;
    return 0;
}

/* A body, if there is one, is nobody's business: the connection ends with this answer. */
static int on_headers_complete(llhttp_t *parser)
{
    struct bw_plain_request *connection = parser->data;

    connection->is_whole = true;
    return -1;
}

static const llhttp_settings_t settings = {.on_url = on_url,
                                           .on_headers_complete = on_headers_complete};

static void ask(struct bw_plain_request *connection)
{
    struct bw_plain_server *server = connection->server;
    const llhttp_t *parser = &connection->parser;

    connection->target[strcspn(connection->target, "?")] = '\0';
    if (parser->http_major != 1)
        send_answer(connection, 400, "HTTP/1.0 or HTTP/1.1");
    else if (parser->method != HTTP_GET && parser->method != HTTP_HEAD)
        send_answer(connection, 405, "GET and HEAD only");
    else if (connection->target[0] != '/')
        send_answer(connection, 400, "the target is no path");
    else {
        connection->phase = PHASE_ASKING;
        connection->deadline_ms = uv_now(connection->tcp.loop) + server->config.answer_ms;
        server->config.on_request(connection, connection->target, server->config.user);
    }
}

static void take(struct bw_plain_request *connection, size_t size)
{
    const size_t room = BW_HTTP_HEAD_BYTES_MAX - connection->read_bytes;
    const llhttp_errno_t error = llhttp_execute(&connection->parser, read_buffer,
                                                size < room ? size : room);

    connection->read_bytes += size < room ? size : room;
    if (connection->is_whole)
        ask(connection);
    else if (connection->is_too_long)
        send_answer(connection, 414, "the target is longer than 1024 bytes");
    else if (error != HPE_OK)
        send_answer(connection, 400, "this is no HTTP/1.1");
    else if (connection->read_bytes == BW_HTTP_HEAD_BYTES_MAX)
        send_answer(connection, 431, "the head is larger than 8 KiB");
    if (connection->phase != PHASE_READING)
        connection->read_bytes = 0; /* from here on of what comes behind */
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct bw_plain_request *connection = stream->data;

    (void)buffer;
    if (size == UV_EOF && connection->phase == PHASE_ASKING) {
        connection->peer_ended = true; /* who has asked may close that half */
        (void)uv_read_stop(stream);    /* always 0 */
    } else if (size < 0) {
        hang_up(connection);
    } else if (connection->phase == PHASE_READING) {
        take(connection, (size_t)size);
    } else {
        connection->read_bytes += (size_t)size;
        if (connection->read_bytes > AFTER_BYTES_MAX)
            hang_up(connection);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buffer)
{
    (void)handle;
    (void)suggested;
    *out_buffer = uv_buf_init(read_buffer, sizeof read_buffer);
}

/* ---- connections ---- */

/* Of those that have not said what they want: whoever comes again and again from one place takes none from others. */
static struct bw_plain_request *find_victim(const struct bw_plain_server *server)
{
    struct bw_plain_request *quiet[BW_PLAIN_CONNECTIONS_MAX];
    uint64_t origins[BW_PLAIN_CONNECTIONS_MAX];
    size_t count = 0;

    for (struct bw_plain_request *c = server->first; c != NULL && count < BW_PLAIN_CONNECTIONS_MAX; c = c->next) {
        if (c->phase != PHASE_READING || c->is_closing)
            continue;
        quiet[count] = c;
        origins[count++] = c->origin;
    }
    return count > 0 ? quiet[bw_origin_victim(origins, count)] : NULL;
}

static bool make_room(struct bw_plain_server *server)
{
    struct bw_plain_request *victim;

    if (server->count >= 2 * BW_PLAIN_CONNECTIONS_MAX) /* those that leave still hold memory */
        return false;
    if (server->count - server->closing_count < BW_PLAIN_CONNECTIONS_MAX)
        return true;
    victim = find_victim(server);
    if (victim != NULL)
        hang_up(victim);
    return victim != NULL;
}

/* 0 of who has gone already. */
static uint64_t origin_of(const uv_tcp_t *tcp)
{
    struct sockaddr_storage peer;
    int size = sizeof peer;

    return uv_tcp_getpeername(tcp, (struct sockaddr *)&peer, &size) == 0 ? bw_origin_of((const struct sockaddr *)&peer)
                                                                         : 0;
}

static void append(struct bw_plain_server *server, struct bw_plain_request *connection)
{
    struct bw_plain_request **link = &server->first;

    while (*link != NULL)
        link = &(*link)->next;
    *link = connection;
    server->count++;
}

static void accept_one(struct bw_plain_server *server)
{
    struct bw_plain_request *connection = NULL;

    start_tick(server);
    if (server->accepts_left > 0 && make_room(server))
        connection = calloc(1, sizeof *connection);
    server->accept_waits = connection == NULL; /* libuv asks no more: the tick tries again */
    if (connection == NULL)
        return;
    server->accepts_left--;
    connection->server = server;
    connection->tcp.data = connection;
    connection->deadline_ms = uv_now(server->listener.loop) + server->config.request_ms;
    llhttp_init(&connection->parser, HTTP_REQUEST, &settings);
    connection->parser.data = connection;
    BW_ASSERT(uv_tcp_init(server->listener.loop, &connection->tcp) == 0); /* makes no socket yet */
    append(server, connection);
    if (uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)&connection->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read) != 0)
        hang_up(connection);
    else
        connection->origin = origin_of(&connection->tcp);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct bw_plain_server *server = listener->data;

    if (status == 0 && !server->is_closing)
        accept_one(server);
}

/* ---- time ---- */

static void on_late(struct bw_plain_request *connection)
{
    struct bw_plain_server *server = connection->server;

    switch (connection->phase) {
    case PHASE_READING:
        send_answer(connection, 408, "the request took too long");
        break;
    case PHASE_ASKING:
        send_answer(connection, 503, "nobody has answered in time");
        server->config.on_gone(connection, server->config.user);
        break;
    case PHASE_ENDING:
        hang_up(connection);
        break;
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct bw_plain_server *server = timer->data;
    const uint64_t now_ms = uv_now(timer->loop);

    server->accepts_left = ACCEPTS_PER_TICK;
    for (struct bw_plain_request *c = server->first; c != NULL; c = c->next)
        if (!c->is_closing && now_ms >= c->deadline_ms)
            on_late(c);
    if (server->accept_waits)
        accept_one(server);
    else if (server->count == 0)
        (void)uv_timer_stop(timer); /* always 0 */
}

static void start_tick(struct bw_plain_server *server)
{
    if (uv_is_active((uv_handle_t *)&server->tick))
        return;
    server->accepts_left = ACCEPTS_PER_TICK;
    (void)uv_timer_start(&server->tick, on_tick, TICK_MS, TICK_MS); /* has a callback */
}

/* ---- open and close ---- */

enum bw_err bw_plain_server_open(uv_loop_t *loop, const struct bw_plain_server_config *config,
                                 struct bw_plain_server **out_server, struct bw_diag *diag)
{
    struct bw_plain_server *server = calloc(1, sizeof *server);
    enum bw_err err;

    if (server == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "listen on %s: out of memory", config->listen);
    server->config = *config;
    server->config.listen = NULL; /* borrowed until here only */
    if (server->config.request_ms == 0)
        server->config.request_ms = 2000;
    if (server->config.answer_ms == 0)
        server->config.answer_ms = 5000;
    BW_ASSERT(uv_tcp_init(loop, &server->listener) == 0); /* makes no socket yet: cannot fail */
    BW_ASSERT(uv_timer_init(loop, &server->tick) == 0);
    server->listener.data = server;
    server->tick.data = server;
    server->handles_open = 2;
    err = bw_listen(&server->listener, "listen on", config->listen, "", BACKLOG, on_connection,
                    diag);
    if (err == BW_OK)
        *out_server = server;
    else
        bw_plain_server_close(server);
    return err;
}

void bw_plain_server_close(struct bw_plain_server *server)
{
    BW_ASSERT(!server->is_closing);
    server->is_closing = true;
    uv_close((uv_handle_t *)&server->listener, on_handle_closed);
    uv_close((uv_handle_t *)&server->tick, on_handle_closed);
    for (struct bw_plain_request *c = server->first; c != NULL; c = c->next)
        hang_up(c);
}
