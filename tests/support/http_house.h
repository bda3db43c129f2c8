/* http_house.h - an http_server on a thread of its own, with a route for everything that it can do,
 * and clients that say what a test wants. For the tests of the server; include it after cmocka.h.
 */
#ifndef BW_TEST_HTTP_HOUSE_H
#define BW_TEST_HTTP_HOUSE_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <breakwater/net/http_server.h>

#include "patience.h"
#include "test_https.h"
#include "test_pki.h"

#define AGENT    "breakwater://prod/agent/dc-a/agent-1"
#define OPERATOR "breakwater://prod/operator/anna"
#define VIEWER   "breakwater://prod/viewer/bob"

#define GET(path)        "GET " path " HTTP/1.1\r\nHost: w1\r\n\r\n"
#define POST(path, size) "POST " path " HTTP/1.1\r\nHost: w1\r\nContent-Length: " size "\r\n\r\n"

/* The server's side. What the loop's thread writes and a test reads is atomic. */
struct house {
    struct test_pki pki;
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t wake;
    uv_sem_t done;
    void (*order)(struct house *house);
    struct bw_http_server *server;
    struct bw_http_server_config config;
    struct ssl_ctx_st *context; /* the next one to give to the server */
    uint16_t port;
    struct bw_http_request *waiting;
    struct bw_http_counters counters;
    atomic_uint wait_count;
    atomic_uint gone_count;
    atomic_uint handled_count;
    atomic_uint answered_count;
    atomic_uint handshake_failed_count;
    atomic_uint connection_count;
    atomic_uint evicted_count;
    atomic_uint keeper_count;    /* of `shared` */
    struct bw_http_body *shared; /* made when it is first asked for */
    uint64_t clock_reads;
    SSL_CTX *agent;
    SSL_CTX *operator_;
    SSL_CTX *viewer;
    SSL_CTX *stranger;
};

/* ---- handlers, on the loop's thread ---- */

static inline void handle_health(struct bw_http_request *request, void *user)
{
    (void)user;
    bw_http_respond(request, 200, "text/plain", "ok\n", 3);
}

static inline void handle_echo(struct bw_http_request *request, void *user)
{
    struct house *house = user;

    house->handled_count++;
    bw_http_respond(request, 200, "application/octet-stream", request->body, request->body_size);
}

static inline void handle_group(struct bw_http_request *request, void *user)
{
    struct house *house = user;
    char value[16];
    char body[256];
    enum bw_err err = bw_http_query(request, "after", value, sizeof value);
    int size = snprintf(
        body, sizeof body, "%s %s %s %s %s", request->route->pattern, request->segments[0],
        err == BW_OK            ? value
        : err == BW_ERR_INVALID ? "INVALID"
                                : "NONE",
        request->peer->name, request->received.boot_ns == house->clock_reads ? "fresh" : "stale");

    house->handled_count++;
    bw_http_respond(request, 200, "text/plain", body, (size_t)size);
}

static inline void on_gone(struct bw_http_request *request, void *user)
{
    struct house *house = user;

    assert_true(house->waiting == request);
    house->waiting = NULL;
    house->gone_count++;
}

static inline void on_deadline(struct bw_http_request *request, void *user)
{
    struct house *house = user;

    house->waiting = NULL;
    bw_http_respond(request, 200, "text/plain", "nothing new", 11);
}

static const struct bw_http_later later = {.on_gone = on_gone, .on_deadline = on_deadline};

static inline void handle_wait(struct bw_http_request *request, void *user)
{
    struct house *house = user;
    char value[16];
    unsigned ms = 0;

    if (bw_http_query(request, "ms", value, sizeof value) == BW_OK)
        ms = (unsigned)strtoul(value, NULL, 10);
    house->waiting = request;
    bw_http_defer(request, ms, &later, house);
    house->wait_count++;
}

static inline void handle_receipt(struct bw_http_request *request, void *user)
{
    char body[32];
    int size = snprintf(body, sizeof body, "%llu", (unsigned long long)request->received.boot_ns);

    (void)user;
    bw_http_respond(request, 200, "text/plain", body, (size_t)size);
}

#define BIG_BYTES (3 * 1000 * 1000)

static inline void handle_big(struct bw_http_request *request, void *user)
{
    char *body = calloc(1, BIG_BYTES);

    (void)user;
    bw_http_respond(request, 200, "text/plain", body, BIG_BYTES);
    free(body);
}

#define SHARED_BYTES (16 * 1000 * 1000) /* more than any socket buffer takes */

static inline void handle_shared(struct bw_http_request *request, void *user)
{
    struct house *house = user;

    if (house->shared == NULL)
        house->shared = bw_http_body_new(calloc(1, SHARED_BYTES), SHARED_BYTES);
    bw_http_respond_body(request, 200, "", "text/plain", house->shared);
}

static inline void handle_error(struct bw_http_request *request, void *user)
{
    (void)user;
    bw_http_respond_error(request, 409, "a \"quoted\" \n word", "try \\ again");
}

#define ALL BW_ROLES_ANY
static const struct bw_http_route routes[] = {
    {"GET", "/healthz", BW_HTTP_OPEN, BW_HTTP_ABOUT_NOTHING, handle_health},
    {"POST", "/v1/echo", BW_ROLE_BIT(BW_ROLE_AGENT), BW_HTTP_ABOUT_NOTHING, handle_echo},
    {"POST", "/v1/receipt", BW_ROLE_BIT(BW_ROLE_AGENT), BW_HTTP_ABOUT_NOTHING, handle_receipt},
    {"GET", "/v1/groups/{name}", ALL, BW_HTTP_ABOUT_GROUP, handle_group},
    {"GET", "/v1/groups/{name}/history", ALL, BW_HTTP_ABOUT_GROUP, handle_group},
    {"POST", "/v1/groups/{name}/mode", BW_ROLE_BIT(BW_ROLE_OPERATOR), BW_HTTP_ABOUT_GROUP,
     handle_error},
    {"GET", "/v1/wait", BW_ROLE_BIT(BW_ROLE_AGENT), BW_HTTP_ABOUT_NOTHING, handle_wait},
    {"GET", "/v1/big", ALL, BW_HTTP_ABOUT_NOTHING, handle_big},
    {"GET", "/v1/shared", ALL, BW_HTTP_ABOUT_NOTHING, handle_shared},
};

static inline struct bw_instant read_clock(void *user)
{
    struct house *house = user;

    house->clock_reads++;
    return (struct bw_instant){house->clock_reads, house->clock_reads};
}

/* Nobody may what is about this group. */
#define FORBIDDEN_GROUP "forbidden"

static inline bool may(const struct bw_http_request *request, struct bw_http_refused *out_refused,
                       void *user)
{
    (void)user;
    if (request->route->about != BW_HTTP_ABOUT_GROUP ||
        strcmp(request->segments[0], FORBIDDEN_GROUP) != 0)
        return true;
    (void)snprintf(out_refused->error, sizeof out_refused->error, "%s may not", request->peer->name);
    (void)snprintf(out_refused->hint, sizeof out_refused->hint, "ask another");
    return false;
}

static inline void on_answered(const struct bw_http_request *request, int status, void *user)
{
    struct house *house = user;

    assert_true(status >= 200 && request->remote != NULL);
    house->answered_count++;
}

static inline void on_handshake_failed(const char *remote, enum bw_err why, const char *text,
                                       void *user)
{
    struct house *house = user;

    assert_true(remote != NULL && why != BW_OK && text[0] != '\0');
    house->handshake_failed_count++;
}

static inline void on_evicted(const char *remote, const struct bw_identity *identity,
                              enum bw_http_eviction why, void *user)
{
    struct house *house = user;

    assert_true(remote != NULL && bw_http_eviction_word(why)[0] != '\0');
    house->evicted_count += identity != NULL;
}

/* ---- the house ---- */

static inline void on_wake(uv_async_t *async)
{
    struct house *house = async->data;

    if (house->order != NULL)
        house->order(house);
    house->order = NULL;
    uv_sem_post(&house->done);
}

/* Runs `order` on the loop's thread, and waits for it. */
static inline void order(struct house *house, void (*function)(struct house *house))
{
    house->order = function;
    assert_int_equal(uv_async_send(&house->wake), 0);
    uv_sem_wait(&house->done);
}

static inline void run_loop(void *user)
{
    struct house *house = user;

    (void)uv_run(&house->loop, UV_RUN_DEFAULT);
}

static inline void count_connections(struct house *house)
{
    house->connection_count = bw_http_server_connections(house->server);
    house->counters = bw_http_server_counters(house->server);
    house->keeper_count = house->shared != NULL ? house->shared->keeper_count : 0;
}

static inline SSL_CTX *client_for(struct house *house, const char *file, const char *uri)
{
    char path[TEST_PKI_PATH_BYTES];

    test_pki_issue_uri(&house->pki, file, uri, path);
    return test_pki_client(house->pki.ca_path, path);
}

static inline struct ssl_ctx_st *server_context(struct house *house, const char *uri)
{
    struct bw_credentials *credentials;
    struct ssl_ctx_st *context;
    char path[TEST_PKI_PATH_BYTES];

    test_pki_issue_uri(&house->pki, "server.pem", uri, path);
    assert_int_equal(bw_credentials_load(house->pki.ca_path, path, &credentials, NULL), BW_OK);
    assert_int_equal(bw_tls_context_new(credentials, BW_TLS_SERVER_OPTIONAL, &context, NULL),
                     BW_OK);
    bw_credentials_free(credentials);
    return context;
}

/* Prepares a house that a test may still change, and opens. */
static inline int prepare(void **state)
{
    struct house *house = calloc(1, sizeof *house);

    test_pki_init(&house->pki);
    house->context = server_context(house, "breakwater://prod/witness/w1");
    house->agent = client_for(house, "agent.pem", AGENT);
    house->operator_ = client_for(house, "operator.pem", OPERATOR);
    house->viewer = client_for(house, "viewer.pem", VIEWER);
    house->stranger = test_pki_client(house->pki.ca_path, NULL);
    house->config = (struct bw_http_server_config){
        .listen = "127.0.0.1:0",
        .context = house->context,
        .cluster = "prod",
        .routes = routes,
        .route_count = sizeof routes / sizeof routes[0],
        .clock = read_clock,
        .may = may,
        .on_answered = on_answered,
        .on_handshake_failed = on_handshake_failed,
        .on_evicted = on_evicted,
        .user = house,
    };
    assert_int_equal(uv_loop_init(&house->loop), 0);
    assert_int_equal(uv_async_init(&house->loop, &house->wake, on_wake), 0);
    assert_int_equal(uv_sem_init(&house->done, 0), 0);
    house->wake.data = house;
    *state = house;
    return 0;
}

static inline struct house *open_house(void **state)
{
    struct house *house = *state;
    struct bw_diag diag = {0};
    char cluster[] = "prod";

    house->config.cluster = cluster;
    assert_int_equal(bw_http_server_open(&house->loop, &house->config, &house->server, &diag),
                     BW_OK);
    memset(cluster, 'x',
           sizeof cluster - 1); /* a file that is read again is freed: a server outlives it */
    house->config.cluster = "prod";
    house->port = bw_http_server_port(house->server);
    assert_int_equal(uv_thread_create(&house->thread, run_loop, house), 0);
    return house;
}

static inline void on_server_closed(void *user)
{
    struct house *house = user;

    house->server = NULL;
    uv_close((uv_handle_t *)&house->wake, NULL);
}

static inline void close_server(struct house *house)
{
    bw_http_server_close(house->server, on_server_closed, house);
}

static inline int tear_down(void **state)
{
    struct house *house = *state;

    assert_non_null(house->server); /* every test opens */
    order(house, close_server);
    assert_int_equal(uv_thread_join(&house->thread), 0);
    assert_null(house->server);
    assert_null(house->waiting);
    assert_int_equal(uv_loop_close(&house->loop), 0); /* no handle is left */
    uv_sem_destroy(&house->done);
    bw_http_body_free(house->shared); /* the last keeper: leak checks see to that */
    bw_tls_context_free(house->context);
    SSL_CTX_free(house->agent);
    SSL_CTX_free(house->operator_);
    SSL_CTX_free(house->viewer);
    SSL_CTX_free(house->stranger);
    test_pki_deinit(&house->pki);
    free(house);
    return 0;
}

/* Asks until `value` is `wanted`. */
static inline void wait_for(struct house *house, atomic_uint *value, unsigned wanted)
{
    const struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};
    struct patience patience = patience_begin(20000);

    for (;;) {
        order(house, count_connections);
        if (*value == wanted)
            return;
        if (patience_is_over(&patience))
            patience_fail("the count is %u: it is %u", wanted, *value);
        (void)nanosleep(&pause, NULL);
    }
}

/* Says `text` on a new connection and returns the answer; asserts that the server closes after an
 * error. */
static inline struct test_answer ask(struct house *house, SSL_CTX *context, const char *text)
{
    struct test_https client;
    struct test_answer answer;

    assert_true(test_https_open(&client, house->port, context));
    (void)test_https_say(&client, text); /* an answer may come before all was sent */
    test_https_hear(&client, false, &answer);
    if (answer.status >= 400 && answer.status != 409) {
        assert_true(answer.closes);
        assert_true(test_https_is_at_end(&client));
        assert_non_null(strstr(answer.body, "{\"error\":\""));
    }
    test_https_close(&client);
    return answer;
}

static inline int status_of(struct house *house, SSL_CTX *context, const char *text)
{
    return ask(house, context, text).status;
}

#endif
