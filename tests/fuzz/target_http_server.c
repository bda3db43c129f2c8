/* HTTP as our server sees it: the real server over a stream that is played here. Records: 1 bytes
 * that arrive, 2 everything written has left, 3 the deadline has passed, 4 the peer closes, 5 who
 * the peer is (before its first byte), 6 how large the pieces are, 7 a deferred request is answered,
 * 8 how much the stream takes. Afterwards the same bytes come one by one: the answers are the
 * same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include <breakwater/net/http_server.h>
#include <breakwater/net/tls_stream.h>

#include "fuzz.h"

#define SENT_MAX (4 * 1024 * 1024)

/* ---- what is played ---- */

struct bw_tls_stream {
    struct bw_tls_stream_config config;
    bool is_finished;
    bool is_closed; /* its owner asked, or the peer went */
    size_t room;
    uint64_t written;
};

static struct {
    uv_loop_t loop;
    uv_stream_t *listener;
    uv_connection_cb on_connection;
    struct bw_http_server *server;
    struct bw_tls_stream stream;
    bool is_open;
    unsigned peer;  /* 0 a stranger, 1 an operator, 2 a witness, 3 an operator of another cluster */
    bool was_read;  /* something has arrived */
    char *sent;
    size_t sent_size;
    unsigned answers;  /* counted by on_answered */
    unsigned handled;  /* requests that a handler was given */
    unsigned gone;
    struct bw_http_request *deferred;
    bool was_narrow; /* the stream did not take all at once: what was sent may be half a head */
} world;

int __wrap_uv_tcp_bind(uv_tcp_t *handle, const struct sockaddr *address, unsigned flags);
int __wrap_uv_listen(uv_stream_t *stream, int backlog, uv_connection_cb on_connection);
int __wrap_uv_tcp_getsockname(const uv_tcp_t *handle, struct sockaddr *name, int *size);

int __wrap_uv_tcp_bind(uv_tcp_t *handle, const struct sockaddr *address, unsigned flags)
{
    (void)handle;
    (void)address;
    (void)flags;
    return 0;
}

int __wrap_uv_listen(uv_stream_t *stream, int backlog, uv_connection_cb on_connection)
{
    (void)backlog;
    world.listener = stream;
    world.on_connection = on_connection;
    return 0;
}

int __wrap_uv_tcp_getsockname(const uv_tcp_t *handle, struct sockaddr *name, int *size)
{
    (void)handle;
    memset(name, 0, (size_t)*size);
    return 0;
}

enum bw_err bw_tls_stream_accept(uv_stream_t *listener, const struct bw_tls_stream_config *config,
                                 struct bw_tls_stream **out_stream, struct bw_diag *diag)
{
    (void)listener;
    (void)diag;
    world.stream = (struct bw_tls_stream){.config = *config, .room = SIZE_MAX};
    world.is_open = true;
    *out_stream = &world.stream;
    config->events->on_ready(&world.stream, config->user);
    return BW_OK;
}

size_t bw_tls_stream_writable_bytes(const struct bw_tls_stream *stream)
{
    return stream->is_finished || stream->is_closed ? 0
           : stream->room < BW_STREAM_QUEUE_BYTES_MAX ? stream->room
                                                      : BW_STREAM_QUEUE_BYTES_MAX;
}

/* What is written has left at once. */
bool bw_tls_stream_is_drained(const struct bw_tls_stream *stream)
{
    (void)stream;
    return true;
}

enum bw_err bw_tls_stream_write(struct bw_tls_stream *stream, const void *data, size_t size)
{
    if (stream->is_finished || stream->is_closed)
        return BW_ERR_CANCELED;
    if (size > bw_tls_stream_writable_bytes(stream))
        return BW_ERR_LIMIT;
    if (stream->room != SIZE_MAX)
        stream->room -= size;
    stream->written += size;
    if (world.sent_size + size <= SENT_MAX) {
        memcpy(world.sent + world.sent_size, data, size);
        world.sent_size += size;
    }
    return BW_OK;
}

void bw_tls_stream_set_deadline(struct bw_tls_stream *stream, uint32_t ms)
{
    (void)stream;
    (void)ms;
}

void bw_tls_stream_pause(struct bw_tls_stream *stream)
{
    (void)stream;
}

void bw_tls_stream_resume(struct bw_tls_stream *stream)
{
    (void)stream;
}

void bw_tls_stream_finish(struct bw_tls_stream *stream)
{
    stream->is_finished = true;
}

void bw_tls_stream_close(struct bw_tls_stream *stream, enum bw_err why, const char *text)
{
    FUZZ_CHECK(why <= BW_ERR_VERSION && text != NULL);
    stream->is_closed = true;
}

/* Nobody's trust changes here. */
void bw_tls_stream_judge(struct bw_tls_stream *stream, struct ssl_ctx_st *context)
{
    (void)stream, (void)context;
}

const struct bw_identity *bw_tls_stream_peer(const struct bw_tls_stream *stream)
{
    static const struct bw_identity peers[] = {
        {.cluster = "prod", .role = BW_ROLE_OPERATOR, .name = "anna"},
        {.cluster = "prod", .role = BW_ROLE_WITNESS, .name = "w1"},
        {.cluster = "test", .role = BW_ROLE_OPERATOR, .name = "anna"},
    };

    (void)stream;
    return world.peer == 0 ? NULL : &peers[world.peer - 1];
}

const struct x509_st *bw_tls_stream_peer_certificate(const struct bw_tls_stream *stream)
{
    (void)stream;
    return NULL;
}

bool bw_tls_stream_has_certificate(const struct bw_tls_stream *stream)
{
    (void)stream;
    return world.peer != 0;
}

const char *bw_tls_stream_remote(const struct bw_tls_stream *stream)
{
    (void)stream;
    return "192.0.2.1:40000";
}

uint64_t bw_tls_stream_origin(const struct bw_tls_stream *stream)
{
    (void)stream;
    return 1;
}

/* ---- handlers ---- */

static void check_request(const struct bw_http_request *request)
{
    world.handled++;
    FUZZ_CHECK(strlen(request->path) + strlen(request->query) <= BW_HTTP_TARGET_BYTES_MAX);
    FUZZ_CHECK(request->body_size <= BW_BODY_BYTES_MAX);
    FUZZ_CHECK(request->body_size == 0 || request->body != NULL);
    for (int i = 0; i < BW_HTTP_SEGMENTS_MAX; i++)
        FUZZ_CHECK(fuzz_is_text(request->segments[i], sizeof request->segments[i]));
    FUZZ_CHECK(request->peer != NULL || request->route->roles == BW_HTTP_OPEN);
    FUZZ_CHECK(request->peer == NULL || strcmp(request->peer->cluster, "prod") == 0);
    FUZZ_CHECK(request->route->roles == BW_HTTP_OPEN ||
               (request->route->roles & BW_ROLE_BIT(request->peer->role)) != 0);
    FUZZ_CHECK(!request->is_head || strcmp(request->route->method, "GET") == 0);
}

static void on_echo(struct bw_http_request *request, void *user)
{
    char value[32];
    const enum bw_err err = bw_http_query(request, "n", value, sizeof value);

    (void)user;
    check_request(request);
    FUZZ_CHECK(err == BW_OK || err == BW_ERR_NOT_FOUND || err == BW_ERR_INVALID);
    FUZZ_CHECK(err != BW_OK || fuzz_is_text(value, sizeof value));
    if (err == BW_ERR_INVALID)
        bw_http_respond_error(request, 400, request->query, request->path);
    else
        bw_http_respond(request, 200, "text/plain", request->body, request->body_size);
}

static void on_gone(struct bw_http_request *request, void *user)
{
    (void)user;
    FUZZ_CHECK(request == world.deferred);
    world.gone++;
    world.deferred = NULL;
}

static void on_late(struct bw_http_request *request, void *user)
{
    (void)user;
    FUZZ_CHECK(request == world.deferred);
    world.deferred = NULL;
    bw_http_respond_error(request, 504, "late", NULL);
}

static const struct bw_http_later later = {.on_gone = on_gone, .on_deadline = on_late};

static void on_defer(struct bw_http_request *request, void *user)
{
    check_request(request);
    FUZZ_CHECK(world.deferred == NULL);
    world.deferred = request;
    bw_http_defer(request, 1000, &later, user);
}

static const struct bw_http_route routes[] = {
    {"GET", "/v1/status", BW_ROLES_ANY, BW_HTTP_ABOUT_NOTHING, on_echo},
    {"GET", "/v1/groups/{name}/history", BW_ROLE_BIT(BW_ROLE_OPERATOR), BW_HTTP_ABOUT_GROUP,
     on_echo},
    {"PUT", "/v1/groups", BW_ROLE_BIT(BW_ROLE_OPERATOR), BW_HTTP_ABOUT_NOTHING, on_echo},
    {"POST", "/v1/groups/{name}/{verb}", BW_ROLE_BIT(BW_ROLE_OPERATOR), BW_HTTP_ABOUT_GROUP,
     on_defer},
    {"GET", "/healthz", BW_HTTP_OPEN, BW_HTTP_ABOUT_NOTHING, on_echo},
};

static struct bw_instant clock_of(void *user)
{
    (void)user;
    return fuzz_instant_ms(1000);
}

static void on_answered(const struct bw_http_request *request, int status, void *user)
{
    (void)request;
    (void)user;
    FUZZ_CHECK(status >= 200 && status < 600);
    world.answers++;
}

/* ---- one life of a connection ---- */

static void open_server(void)
{
    const struct bw_http_server_config config = {.listen = "127.0.0.1:0",
                                                 .context = SSL_CTX_new(TLS_server_method()),
                                                 .cluster = "prod",
                                                 .routes = routes,
                                                 .route_count = sizeof routes / sizeof routes[0],
                                                 .clock = clock_of,
                                                 .on_answered = on_answered};
    struct bw_diag diag = {0};

    world.sent = malloc(SENT_MAX);
    FUZZ_CHECK(world.sent != NULL && config.context != NULL && uv_loop_init(&world.loop) == 0);
    FUZZ_CHECK(bw_http_server_open(&world.loop, &config, &world.server, &diag) == BW_OK);
}

static void close_stream(enum bw_err why)
{
    struct bw_tls_stream *stream = &world.stream;

    if (!world.is_open)
        return;
    world.is_open = false;
    stream->config.events->on_closed(stream, why, "", stream->config.user);
    FUZZ_CHECK(world.deferred == NULL && bw_http_server_connections(world.server) == 0);
}

static bool is_readable(void)
{
    return world.is_open && !world.stream.is_finished && !world.stream.is_closed;
}

static void deliver(const uint8_t *data, size_t size, size_t piece_max)
{
    struct bw_tls_stream *stream = &world.stream;

    world.was_read = true;
    while (size > 0 && is_readable()) {
        const size_t piece = size < piece_max ? size : piece_max;

        stream->config.events->on_data(stream, data, piece, stream->config.user);
        data += piece;
        size -= piece;
    }
}

static void answer_deferred(uint64_t how)
{
    struct bw_http_request *request = world.deferred;

    if (request == NULL)
        return;
    world.deferred = NULL;
    if (how % 2 == 0)
        bw_http_respond_with(request, 202, "Retry-After: 1\r\n", "text/plain", "later", 5);
    else
        bw_http_respond_error(request, 409, "no", "later");
}

static void step(const struct fuzz_record *record, size_t *piece_max)
{
    struct bw_tls_stream *stream = &world.stream;

    switch (record->number) {
    case 1:
        if (record->data != NULL)
            deliver(record->data, record->size, *piece_max);
        break;
    case 2:
        stream->room = SIZE_MAX;
        if (!stream->is_closed)
            stream->config.events->on_drained(stream, stream->config.user);
        break;
    case 3:
        if (!stream->is_closed && !stream->is_finished)
            stream->config.events->on_deadline(stream, stream->config.user);
        break;
    case 4:
        close_stream(BW_OK);
        break;
    case 5:
        if (!world.was_read)
            world.peer = record->value % 4;
        break;
    case 6:
        if (*piece_max != 1)
            *piece_max = 1 + record->value % 64;
        break;
    case 7:
        answer_deferred(record->value);
        break;
    case 8:
        stream->room = record->value % 1024;
        world.was_narrow = true;
        break;
    default:
        break;
    }
}

static size_t run(const uint8_t *data, size_t size, size_t piece_max)
{
    struct fuzz_records records = {data, size};
    struct fuzz_record record;

    world.peer = 1;
    world.was_read = world.was_narrow = false;
    world.sent_size = 0;
    world.answers = world.handled = world.gone = 0;
    world.on_connection(world.listener, 0);
    FUZZ_CHECK(world.is_open);
    while (world.is_open && fuzz_record_next(&records, &record)) {
        step(&record, &piece_max);
        if (world.is_open && world.stream.is_closed)
            close_stream(BW_ERR_IO);
    }
    close_stream(BW_ERR_IO);
    FUZZ_CHECK(world.sent_size < 9 || memcmp(world.sent, "HTTP/1.1 ", 9) == 0);
    return world.sent_size;
}

/* Nothing that a peer wrote makes a head field of ours. */
static void check_heads(void)
{
    const char *end = memmem(world.sent, world.sent_size, "\r\n\r\n", 4);

    FUZZ_CHECK(world.sent_size == 0 || world.was_narrow || end != NULL);
    for (const char *at = world.sent; end != NULL && at < end; at++)
        FUZZ_CHECK((unsigned char)*at >= 0x20 || *at == '\r' || *at == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *first;
    size_t first_size;
    unsigned answers;

    if (world.server == NULL) {
        open_server();
        first = malloc(SENT_MAX);
        FUZZ_CHECK(first != NULL);
    }
    if (size == 0)
        return 0;
    first_size = run(data + 1, size - 1, SIZE_MAX);
    check_heads();
    memcpy(first, world.sent, first_size);
    answers = world.answers;
    FUZZ_CHECK(run(data + 1, size - 1, 1) <= SENT_MAX);
    /* Bytes behind a request are thrown away with the piece that they came in, so that more may be
     * answered now; of one answer each both are the same. */
    FUZZ_CHECK(answers <= world.answers || world.was_narrow);
    if (answers == 1 && world.answers == 1 && !world.was_narrow)
        FUZZ_CHECK(world.sent_size == first_size && memcmp(world.sent, first, first_size) == 0);
    return 0;
}
