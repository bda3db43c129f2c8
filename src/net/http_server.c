#include "http_private.h"

#include <stdlib.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/words.h>
#include <breakwater/net/address.h>

#define LISTEN_BACKLOG  256
#define SWEEPS_PER_AGE  60 /* a connection is at most 1/60 of the allowed age too old */
#define ACCEPT_RETRY_MS 1000

/* ---- connections ---- */

static struct connection *connection_of(struct bw_http_seat *seat)
{
    return (struct connection *)seat; /* its first member */
}

void bw_http_connection_enter(struct connection *connection, enum phase phase)
{
    connection->phase = phase;
    connection->seat.is_idle = phase == PHASE_WAITING || phase == PHASE_ENDING;
    connection->seat.is_served = phase == PHASE_HANDLING || phase == PHASE_ANSWERING;
}

/* Closes without last words; its place is free for another at once. */
static void drop(struct connection *connection, const char *why)
{
    bw_http_seats_leave(&connection->server->seats, &connection->seat);
    bw_tls_stream_close(connection->stream, BW_ERR_CANCELED, why);
}

static const char *const eviction_texts[] = {
#define X(name, word, text) [BW_HTTP_EVICTION_##name] = (text),
    BW_HTTP_EVICTION_LIST(X)
#undef X
};

BW_WORDS(bw_http_eviction_word, enum bw_http_eviction, BW_HTTP_EVICTION_LIST, "unlisted")

static void note_eviction(struct connection *connection, enum bw_http_eviction why)
{
    struct bw_http_server *server = connection->server;

    server->counters.evicted[why]++;
    if (server->config.on_evicted != NULL)
        server->config.on_evicted(bw_tls_stream_remote(connection->stream),
                                  connection->seat.identity, why, server->config.user);
}

/* Closes one that takes the place of others, and says so. */
static void evict(struct connection *connection, enum bw_http_eviction why)
{
    note_eviction(connection, why);
    drop(connection, eviction_texts[why]);
}

void bw_http_connection_wait(struct connection *connection)
{
    bw_http_connection_enter(connection, PHASE_WAITING);
    bw_tls_stream_set_deadline(connection->stream, connection->server->config.idle_ms);
}

void bw_http_connection_end(struct connection *connection)
{
    bw_http_connection_enter(connection, PHASE_ENDING);
    bw_tls_stream_finish(connection->stream);
}

/* ---- the end of the server ---- */

static void free_if_ended(struct bw_http_server *server)
{
    void (*on_closed)(void *user) = server->on_closed;
    void *user = server->closed_user;

    if (!server->closing || server->handles_open > 0 || server->seats.count > 0)
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

/* Who has nothing to ask here takes no seat of those who have, however slowly he would ask. */
static bool is_welcome(const struct connection *connection)
{
    const struct bw_http_server_config *config = &connection->server->config;
    const struct bw_identity *peer = bw_http_peer_of(connection);

    return config->welcomes == NULL || (peer != NULL && config->welcomes(peer, config->user));
}

/* It was never ready: that is told as a handshake that has failed. */
static void turn_away(struct connection *connection)
{
    const struct bw_identity *named = bw_tls_stream_peer(connection->stream);
    char name[BW_IDENTITY_TEXT_BYTES] = "its certificate names nobody, who";
    char text[BW_IDENTITY_TEXT_BYTES + 24];

    if (named != NULL)
        bw_identity_format(named, name);
    (void)snprintf(text, sizeof text, "%s may not ask here", name);
    bw_http_seats_leave(&connection->server->seats, &connection->seat);
    bw_tls_stream_close(connection->stream, BW_ERR_AUTH, text);
}

static void on_ready(struct bw_tls_stream *stream, void *user)
{
    struct connection *connection = user;
    struct bw_http_seat *victim = NULL;

    if (!is_welcome(connection)) {
        turn_away(connection);
        return;
    }
    connection->ready = true;
    connection->seat.identity = bw_http_peer_of(connection);
    bw_http_connection_enter(connection, PHASE_WAITING);
    bw_tls_stream_set_deadline(stream, connection->server->config.request_ms);
    switch (bw_http_seats_excess(&connection->server->seats, &connection->seat, &victim)) {
    case BW_HTTP_EXCESS_IDENTITY:
        evict(connection_of(victim), BW_HTTP_EVICTION_IDENTITY);
        break;
    case BW_HTTP_EXCESS_PEOPLE:
        evict(connection_of(victim), BW_HTTP_EVICTION_PEOPLE);
        break;
    case BW_HTTP_EXCESS_NONE:
        break;
    }
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

    bw_http_connection_enter(connection, PHASE_ENDING);
    if (!connection->ready && why != BW_ERR_CANCELED) {
        server->counters.handshakes_failed++;
        if (server->config.on_handshake_failed != NULL)
            server->config.on_handshake_failed(bw_tls_stream_remote(stream), why, text,
                                               server->config.user);
    }
    if (connection->ready && why == BW_ERR_AUTH)
        note_eviction(connection, BW_HTTP_EVICTION_UNTRUSTED);
    if (exchange != NULL && exchange->later != NULL)
        exchange->later->on_gone(&exchange->request, exchange->later_user);
    bw_http_exchange_free(connection);
    bw_http_rest_free(connection);
    bw_http_seats_remove(&server->seats, &connection->seat);
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

/* True: there is room for one more. */
static bool make_room(struct bw_http_server *server)
{
    struct bw_http_seat *victim;

    if (!bw_http_seats_is_full(&server->seats))
        return true;
    victim = bw_http_seats_victim(&server->seats);
    if (victim == NULL)
        return false;
    evict(connection_of(victim), BW_HTTP_EVICTION_ROOM);
    return true;
}

/* Takes the connection that waits at the listener. */
static void accept_one(struct bw_http_server *server)
{
    struct bw_tls_stream_config config = {
        .context = server->config.context,
        .events = &stream_events,
        .handshake_ms = server->config.handshake_ms,
        .user_timeout_ms = server->config.answer_ms,
    };
    struct connection *connection = NULL;
    bool room;

    /* Those that leave still hold memory: beyond as many again, wait until some have left. */
    if (server->seats.count >= 2 * server->config.connections_max)
        goto later;
    connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        goto later;
    room = make_room(server);
    connection->server = server;
    bw_http_connection_enter(connection, PHASE_WAITING);
    connection->born_ms = uv_now(server->listener.loop);
    connection->generation = server->generation;
    bw_http_connection_init_parser(connection);
    config.user = connection;
    if (bw_tls_stream_accept((uv_stream_t *)&server->listener, &config, &connection->stream,
                             NULL) != BW_OK)
        goto later;
    connection->seat.origin = bw_tls_stream_origin(connection->stream);
    bw_http_seats_add(&server->seats, &connection->seat);
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
    for (struct bw_http_seat *seat = server->seats.first; seat != NULL; seat = seat->next) {
        struct connection *c = connection_of(seat);

        if (c->generation == server->generation || seat->is_leaving)
            continue;
        left = true;
        if (now_ms - c->born_ms < server->config.old_connection_ms)
            continue;
        c->close_after = true;
        if (c->phase == PHASE_WAITING)
            bw_http_connection_end(c);
    }
    if (!left)
        (void)uv_timer_stop(timer); /* always 0 */
}

void bw_http_server_set_context(struct bw_http_server *server, struct ssl_ctx_st *context)
{
    bw_tls_context_free(server->config.context);
    server->config.context = bw_tls_context_keep(context);
    server->generation++;
    for (struct bw_http_seat *seat = server->seats.first; seat != NULL; seat = seat->next)
        bw_tls_stream_judge(connection_of(seat)->stream, context);
    start_sweep(server, server->config.old_connection_ms / SWEEPS_PER_AGE);
}

/* ---- open and close ---- */

static void fill_defaults(struct bw_http_server_config *config)
{
    if (config->connections_max == 0)
        config->connections_max = BW_CONNECTIONS_MAX;
    if (config->identity_connections_max == 0)
        config->identity_connections_max = BW_CONNECTIONS_PER_IDENTITY_MAX;
    if (config->people_connections_max == 0)
        config->people_connections_max = BW_CONNECTIONS_PEOPLE_MAX;
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

static enum bw_err start_listening(struct bw_http_server *server, struct bw_diag *diag)
{
    const char *text = server->config.listen;
    struct sockaddr_storage bound;
    int size = sizeof bound;
    int result;
    const enum bw_err err = bw_listen(&server->listener, "listen on", text, " (like 0.0.0.0:7400)",
                                      LISTEN_BACKLOG, on_connection, diag);

    if (err != BW_OK)
        return err;
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
    struct bw_http_server *server;
    enum bw_err err;

    BW_ASSERT(config->context != NULL && config->clock != NULL && config->cluster != NULL);
    for (size_t i = 0; i < config->route_count; i++)
        BW_ASSERT(config->routes[i].about != BW_HTTP_ABOUT_UNSET);
    server = calloc(1, sizeof *server);
    if (server == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "listen on %s: out of memory", config->listen);
    server->config = *config;
    (void)snprintf(server->cluster, sizeof server->cluster, "%s", config->cluster);
    server->config.cluster =
        server->cluster; /* a daemon that reads its file again frees the old one */
    fill_defaults(&server->config);
    server->seats.seats_max = server->config.connections_max;
    server->seats.identity_max = server->config.identity_connections_max;
    server->seats.people_max = server->config.people_connections_max;
    server->config.context = bw_tls_context_keep(config->context);
    BW_ASSERT(uv_tcp_init(loop, &server->listener) == 0); /* makes no socket yet: cannot fail */
    BW_ASSERT(uv_timer_init(loop, &server->sweep) == 0);
    server->listener.data = server;
    server->sweep.data = server;
    server->handles_open = 2;
    err = start_listening(server, diag);
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
    for (struct bw_http_seat *seat = server->seats.first; seat != NULL; seat = seat->next)
        drop(connection_of(seat), "the server closes");
}

uint16_t bw_http_server_port(const struct bw_http_server *server)
{
    return server->port;
}

unsigned bw_http_server_connections(const struct bw_http_server *server)
{
    return server->seats.count;
}

void bw_http_server_drop_readers(struct bw_http_server *server, const struct bw_http_body *body)
{
    for (struct bw_http_seat *seat = server->seats.first; seat != NULL; seat = seat->next) {
        struct connection *c = connection_of(seat);

        if (!seat->is_leaving && c->rest != NULL && c->rest->body == body)
            evict(c, BW_HTTP_EVICTION_SLOW);
    }
}

struct bw_http_counters bw_http_server_counters(const struct bw_http_server *server)
{
    return server->counters;
}
