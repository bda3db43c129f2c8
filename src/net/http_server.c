#include "http_private.h"

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/net/address.h>

#define LISTEN_BACKLOG  256
#define SWEEPS_PER_AGE  60 /* a connection is at most 1/60 of the allowed age too old */
#define ACCEPT_RETRY_MS 1000

/* ---- the list of connections ---- */

static void link_connection(struct bw_http_server *server, struct connection *connection)
{
    connection->prev = server->last;
    if (server->last != NULL)
        server->last->next = connection;
    else
        server->first = connection;
    server->last = connection;
    server->connection_count++;
}

static void unlink_connection(struct bw_http_server *server, struct connection *connection)
{
    if (connection->prev != NULL)
        connection->prev->next = connection->next;
    else
        server->first = connection->next;
    if (connection->next != NULL)
        connection->next->prev = connection->prev;
    else
        server->last = connection->prev;
    server->connection_count--;
    if (connection->leaving)
        server->leaving_count--;
}

/* Closes without last words; its place is free for another at once. */
static void drop(struct connection *connection, const char *why)
{
    if (!connection->leaving) {
        connection->leaving = true;
        connection->server->leaving_count++;
    }
    bw_tls_stream_close(connection->stream, BW_ERR_CANCELED, why);
}

void bw_http_connection_wait(struct connection *connection)
{
    connection->phase = PHASE_WAITING;
    bw_tls_stream_set_deadline(connection->stream, connection->server->config.idle_ms);
}

void bw_http_connection_end(struct connection *connection)
{
    connection->phase = PHASE_ENDING;
    bw_tls_stream_finish(connection->stream);
}

/* ---- the end of the server ---- */

static void free_if_ended(struct bw_http_server *server)
{
    void (*on_closed)(void *user) = server->on_closed;
    void *user = server->closed_user;

    if (!server->closing || server->handles_open > 0 || server->connection_count > 0)
        return;
    bw_tls_context_free(server->config.context);
    free(server);
    if (on_closed != NULL)
        on_closed(user);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct bw_http_server *server = handle->data;

    server->handles_open--;
    free_if_ended(server);
}

/* ---- events of a stream ---- */

static void accept_one(struct bw_http_server *server);
static void accept_waiting_one(struct bw_http_server *server);

static void on_ready(struct bw_tls_stream *stream, void *user)
{
    struct connection *connection = user;

    connection->ready = true;
    connection->phase = PHASE_WAITING;
    bw_tls_stream_set_deadline(stream, connection->server->config.request_ms);
}

static void on_data(struct bw_tls_stream *stream, const uint8_t *data, size_t size, void *user)
{
    (void)stream;
    bw_http_connection_take(user, data, size);
}

static void on_drained(struct bw_tls_stream *stream, void *user)
{
    struct connection *connection = user;

    (void)stream;
    if (connection->phase == PHASE_ANSWERING)
        bw_http_answer_go_on(connection);
}

static void on_deadline(struct bw_tls_stream *stream, void *user)
{
    struct connection *connection = user;
    struct exchange *exchange = connection->exchange;

    switch (connection->phase) {
    case PHASE_WAITING:
        bw_http_connection_end(connection);
        break;
    case PHASE_READING:
        (void)bw_http_refuse(&connection->refusal, 408, "the request took too long", NULL);
        bw_http_answer_refusal(connection);
        break;
    case PHASE_HANDLING:
    case PHASE_STREAMING:
        exchange->later->on_deadline(&exchange->request, exchange->later_user);
        break;
    case PHASE_ANSWERING:
        bw_tls_stream_close(stream, BW_ERR_TIMEOUT, "the peer reads too slowly");
        break;
    case PHASE_ENDING:
        break;
    }
}

static void on_stream_closed(struct bw_tls_stream *stream, enum bw_err why, const char *text,
                             void *user)
{
    struct connection *connection = user;
    struct bw_http_server *server = connection->server;
    struct exchange *exchange = connection->exchange;

    connection->phase = PHASE_ENDING;
    if (!connection->ready && why != BW_ERR_CANCELED) {
        server->counters.handshakes_failed++;
        if (server->config.on_handshake_failed != NULL)
            server->config.on_handshake_failed(bw_tls_stream_remote(stream), why, text,
                                               server->config.user);
    }
    if (exchange != NULL && exchange->later != NULL)
        exchange->later->on_gone(&exchange->request, exchange->later_user);
    bw_http_exchange_free(connection);
    free(connection->rest);
    unlink_connection(server, connection);
    free(connection);
    accept_waiting_one(server);
    free_if_ended(server);
}

static const struct bw_tls_stream_events stream_events = {
    .on_ready = on_ready,
    .on_data = on_data,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_closed = on_stream_closed,
};

/* ---- accepting ---- */

static void on_sweep(uv_timer_t *timer);
static void start_sweep(struct bw_http_server *server, uint64_t period_ms);

/* Who goes when the house is full: first strangers (in the handshake, or without an identity) that
 * are not being served, oldest first; then known peers that wait idle. So a flood of strangers
 * cannot keep an agent from renewing its lease. */
static struct connection *find_victim(const struct bw_http_server *server)
{
    struct connection *idle = NULL;

    for (struct connection *c = server->first; c != NULL; c = c->next) {
        bool stranger = !c->ready || bw_tls_stream_peer(c->stream) == NULL;

        if (c->leaving)
            continue;
        if (stranger &&
            (c->phase == PHASE_WAITING || c->phase == PHASE_READING || c->phase == PHASE_ENDING))
            return c;
        if (idle == NULL && (c->phase == PHASE_WAITING || c->phase == PHASE_ENDING))
            idle = c;
    }
    return idle;
}

/* True: there is room for one more. */
static bool make_room(struct bw_http_server *server)
{
    struct connection *victim;

    if (server->connection_count - server->leaving_count < server->config.connections_max)
        return true;
    victim = find_victim(server);
    if (victim == NULL)
        return false;
    server->counters.evicted++;
    drop(victim, "closed to make room for another connection");
    return true;
}

/* Takes the connection that waits at the listener. */
static void accept_one(struct bw_http_server *server)
{
    struct bw_tls_stream_config config = {
        .context = server->config.context,
        .plain = server->config.plain,
        .events = &stream_events,
        .handshake_ms = server->config.handshake_ms,
        .user_timeout_ms = server->config.answer_ms,
    };
    struct connection *connection = NULL;
    bool room;

    /* Those that leave still hold memory: beyond as many again, wait until some have left. */
    if (server->connection_count >= 2 * server->config.connections_max)
        goto later;
    connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        goto later;
    room = make_room(server);
    connection->server = server;
    connection->born_ms = uv_now(server->listener.loop);
    connection->generation = server->generation;
    bw_http_connection_init_parser(connection);
    config.user = connection;
    if (bw_tls_stream_accept((uv_stream_t *)&server->listener, &config, &connection->stream,
                             NULL) != BW_OK)
        goto later;
    link_connection(server, connection);
    server->counters.accepted++;
    if (!room) {
        server->counters.refused++;
        drop(connection, "too many connections");
    }
    return;

later:
    free(connection);
    server->accept_waiting = true; /* libuv asks no more: the next one that leaves, or the timer */
    start_sweep(server, ACCEPT_RETRY_MS);
}

static void accept_waiting_one(struct bw_http_server *server)
{
    if (!server->accept_waiting || server->closing)
        return;
    server->accept_waiting = false;
    accept_one(server);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct bw_http_server *server = listener->data;

    if (status == 0 && !server->closing)
        accept_one(server);
}

/* ---- certificates that change, and the timer ---- */

static void start_sweep(struct bw_http_server *server, uint64_t period_ms)
{
    if (server->closing || (uv_is_active((uv_handle_t *)&server->sweep) &&
                            uv_timer_get_repeat(&server->sweep) <= period_ms))
        return;
    if (period_ms == 0)
        period_ms = 1;
    (void)uv_timer_start(&server->sweep, on_sweep, period_ms, period_ms); /* has a callback */
}

static void on_sweep(uv_timer_t *timer)
{
    struct bw_http_server *server = timer->data;
    uint64_t now_ms = uv_now(timer->loop);
    bool left;

    accept_waiting_one(server);
    left = server->accept_waiting;
    for (struct connection *c = server->first; c != NULL; c = c->next) {
        if (c->generation == server->generation || c->leaving)
            continue;
        left = true;
        if (now_ms - c->born_ms < server->config.old_connection_ms)
            continue;
        c->close_after = true;
        if (c->phase == PHASE_WAITING)
            bw_http_connection_end(c);
        else if (c->phase == PHASE_STREAMING)
            drop(c, "older than the certificate");
    }
    if (!left)
        (void)uv_timer_stop(timer); /* always 0 */
}

void bw_http_server_set_context(struct bw_http_server *server, struct ssl_ctx_st *context)
{
    BW_ASSERT(!server->config.plain);
    bw_tls_context_free(server->config.context);
    server->config.context = bw_tls_context_keep(context);
    server->generation++;
    start_sweep(server, server->config.old_connection_ms / SWEEPS_PER_AGE);
}

void bw_http_server_drop_connections(struct bw_http_server *server)
{
    for (struct connection *c = server->first; c != NULL; c = c->next)
        drop(c, "every connection is closed by order");
}

/* ---- open and close ---- */

static void fill_defaults(struct bw_http_server_config *config)
{
    if (config->connections_max == 0)
        config->connections_max = BW_CONNECTIONS_MAX;
    if (config->body_bytes_max == 0)
        config->body_bytes_max = BW_BODY_BYTES_MAX;
    if (config->handshake_ms == 0)
        config->handshake_ms = 3000;
    if (config->request_ms == 0)
        config->request_ms = 10000;
    if (config->idle_ms == 0)
        config->idle_ms = 30000;
    if (config->answer_ms == 0)
        config->answer_ms = 10000;
    if (config->old_connection_ms == 0)
        config->old_connection_ms = 3600 * 1000;
}

static enum bw_err start_listening(struct bw_http_server *server,
                                   const struct sockaddr_storage *address, struct bw_diag *diag)
{
    const char *text = server->config.listen;
    struct sockaddr_storage bound;
    int size = sizeof bound;
    int result = uv_tcp_bind(&server->listener, (const struct sockaddr *)address, 0);

    if (result == 0)
        result = uv_listen((uv_stream_t *)&server->listener, LISTEN_BACKLOG, on_connection);
    if (result == 0)
        result = uv_tcp_getsockname(&server->listener, (struct sockaddr *)&bound, &size);
    if (result != 0)
        return bw_diag_set(diag, BW_ERR_IO, "listen on %s: %s", text, uv_strerror(result));
    /* The port has the same place in both families. */
    server->port = ntohs(((const struct sockaddr_in *)&bound)->sin_port);
    return BW_OK;
}

enum bw_err bw_http_server_open(uv_loop_t *loop, const struct bw_http_server_config *config,
                                struct bw_http_server **out_server, struct bw_diag *diag)
{
    struct sockaddr_storage socket_address = {0};
    struct bw_address address;
    struct bw_http_server *server;
    enum bw_err err = bw_address_parse(config->listen, &address, diag);

    BW_ASSERT(config->plain == (config->context == NULL));
    BW_ASSERT(config->clock != NULL && config->cluster != NULL);
    if (err != BW_OK)
        return err;
    if (!bw_address_is_numeric(&address, &socket_address))
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "listen on %s: needs a numeric address (like 0.0.0.0:7400)",
                           config->listen);
    server = calloc(1, sizeof *server);
    if (server == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "listen on %s: out of memory", config->listen);
    server->config = *config;
    fill_defaults(&server->config);
    if (!config->plain)
        server->config.context = bw_tls_context_keep(config->context);
    BW_ASSERT(uv_tcp_init(loop, &server->listener) == 0); /* makes no socket yet: cannot fail */
    BW_ASSERT(uv_timer_init(loop, &server->sweep) == 0);
    server->listener.data = server;
    server->sweep.data = server;
    server->handles_open = 2;
    err = start_listening(server, &socket_address, diag);
    if (err != BW_OK) {
        bw_http_server_close(server, NULL, NULL);
        return err;
    }
    server->config.listen = NULL; /* borrowed until here only */
    *out_server = server;
    return BW_OK;
}

void bw_http_server_close(struct bw_http_server *server, void (*on_closed)(void *user), void *user)
{
    if (server->closing)
        return;
    server->closing = true;
    server->on_closed = on_closed;
    server->closed_user = user;
    uv_close((uv_handle_t *)&server->listener, on_handle_closed);
    uv_close((uv_handle_t *)&server->sweep, on_handle_closed);
    for (struct connection *c = server->first; c != NULL; c = c->next)
        drop(c, "the server closes");
}

uint16_t bw_http_server_port(const struct bw_http_server *server)
{
    return server->port;
}

unsigned bw_http_server_connections(const struct bw_http_server *server)
{
    return server->connection_count;
}

struct bw_http_counters bw_http_server_counters(const struct bw_http_server *server)
{
    return server->counters;
}
