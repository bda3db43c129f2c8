/* http_server: real sockets, a server on its own thread, and clients that behave and misbehave. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/prng.h>
#include <breakwater/net/http_server.h>

#include "punctual.h"
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
    uint64_t clock_reads;
    SSL_CTX *agent;
    SSL_CTX *operator_;
    SSL_CTX *viewer;
    SSL_CTX *stranger;
};

/* ---- handlers, on the loop's thread ---- */

static void handle_health(struct bw_http_request *request, void *user)
{
    (void)user;
    bw_http_respond(request, 200, "text/plain", "ok\n", 3);
}

static void handle_echo(struct bw_http_request *request, void *user)
{
    struct house *house = user;

    house->handled_count++;
    bw_http_respond(request, 200, "application/octet-stream", request->body, request->body_size);
}

static void handle_group(struct bw_http_request *request, void *user)
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

static void on_gone(struct bw_http_request *request, void *user)
{
    struct house *house = user;

    assert_true(house->waiting == request);
    house->waiting = NULL;
    house->gone_count++;
}

static void on_deadline(struct bw_http_request *request, void *user)
{
    struct house *house = user;

    house->waiting = NULL;
    bw_http_respond(request, 200, "text/plain", "nothing new", 11);
}

static const struct bw_http_later later = {.on_gone = on_gone, .on_deadline = on_deadline};

static void handle_wait(struct bw_http_request *request, void *user)
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

static void handle_receipt(struct bw_http_request *request, void *user)
{
    char body[32];
    int size = snprintf(body, sizeof body, "%llu", (unsigned long long)request->received.boot_ns);

    (void)user;
    bw_http_respond(request, 200, "text/plain", body, (size_t)size);
}

#define BIG_BYTES (3 * 1000 * 1000)

static void handle_big(struct bw_http_request *request, void *user)
{
    char *body = calloc(1, BIG_BYTES);

    (void)user;
    bw_http_respond(request, 200, "text/plain", body, BIG_BYTES);
    free(body);
}

static void handle_events(struct bw_http_request *request, void *user)
{
    struct house *house = user;

    house->waiting = request;
    bw_http_defer(request, 0, &later, house);
    bw_http_stream_begin(request, "text/event-stream");
    assert_int_equal(bw_http_stream_send(request, "data: 1\n\n", 9), BW_OK);
    house->wait_count++;
}

static void handle_error(struct bw_http_request *request, void *user)
{
    (void)user;
    bw_http_respond_error(request, 409, "a \"quoted\" \n word", "try \\ again");
}

#define ALL BW_ROLES_ANY
static const struct bw_http_route routes[] = {
    {"GET", "/healthz", BW_HTTP_OPEN, handle_health},
    {"POST", "/v1/echo", BW_ROLE_BIT(BW_ROLE_AGENT), handle_echo},
    {"POST", "/v1/receipt", BW_ROLE_BIT(BW_ROLE_AGENT), handle_receipt},
    {"GET", "/v1/groups/{name}", ALL, handle_group},
    {"GET", "/v1/groups/{name}/history", ALL, handle_group},
    {"POST", "/v1/groups/{name}/mode", BW_ROLE_BIT(BW_ROLE_OPERATOR), handle_error},
    {"GET", "/v1/wait", BW_ROLE_BIT(BW_ROLE_AGENT), handle_wait},
    {"GET", "/v1/big", ALL, handle_big},
    {"GET", "/v1/events", ALL, handle_events},
};

static struct bw_instant read_clock(void *user)
{
    struct house *house = user;

    house->clock_reads++;
    return (struct bw_instant){house->clock_reads, house->clock_reads};
}

static void on_answered(const struct bw_http_request *request, int status, void *user)
{
    struct house *house = user;

    assert_true(status >= 200 && request->remote != NULL);
    house->answered_count++;
}

static void on_handshake_failed(const char *remote, enum bw_err why, const char *text, void *user)
{
    struct house *house = user;

    assert_true(remote != NULL && why != BW_OK && text[0] != '\0');
    house->handshake_failed_count++;
}

/* ---- the house ---- */

static void on_wake(uv_async_t *async)
{
    struct house *house = async->data;

    if (house->order != NULL)
        house->order(house);
    house->order = NULL;
    uv_sem_post(&house->done);
}

/* Runs `order` on the loop's thread, and waits for it. */
static void order(struct house *house, void (*function)(struct house *house))
{
    house->order = function;
    assert_int_equal(uv_async_send(&house->wake), 0);
    uv_sem_wait(&house->done);
}

static void run_loop(void *user)
{
    struct house *house = user;

    (void)uv_run(&house->loop, UV_RUN_DEFAULT);
}

static void count_connections(struct house *house)
{
    house->connection_count = bw_http_server_connections(house->server);
    house->counters = bw_http_server_counters(house->server);
}

static SSL_CTX *client_for(struct house *house, const char *file, const char *uri)
{
    char path[TEST_PKI_PATH_BYTES];

    test_pki_issue_uri(&house->pki, file, uri, path);
    return test_pki_client(house->pki.ca_path, path);
}

static struct ssl_ctx_st *server_context(struct house *house, const char *uri)
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
static int prepare(void **state)
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
        .on_answered = on_answered,
        .on_handshake_failed = on_handshake_failed,
        .user = house,
    };
    assert_int_equal(uv_loop_init(&house->loop), 0);
    assert_int_equal(uv_async_init(&house->loop, &house->wake, on_wake), 0);
    assert_int_equal(uv_sem_init(&house->done, 0), 0);
    house->wake.data = house;
    *state = house;
    return 0;
}

static struct house *open_house(void **state)
{
    struct house *house = *state;
    struct bw_diag diag = {0};

    assert_int_equal(bw_http_server_open(&house->loop, &house->config, &house->server, &diag),
                     BW_OK);
    house->port = bw_http_server_port(house->server);
    assert_int_equal(uv_thread_create(&house->thread, run_loop, house), 0);
    return house;
}

static void on_server_closed(void *user)
{
    struct house *house = user;

    house->server = NULL;
    uv_close((uv_handle_t *)&house->wake, NULL);
}

static void close_server(struct house *house)
{
    bw_http_server_close(house->server, on_server_closed, house);
}

static int tear_down(void **state)
{
    struct house *house = *state;

    assert_non_null(house->server); /* every test opens */
    order(house, close_server);
    assert_int_equal(uv_thread_join(&house->thread), 0);
    assert_null(house->server);
    assert_null(house->waiting);
    assert_int_equal(uv_loop_close(&house->loop), 0); /* no handle is left */
    uv_sem_destroy(&house->done);
    bw_tls_context_free(house->context);
    SSL_CTX_free(house->agent);
    SSL_CTX_free(house->operator_);
    SSL_CTX_free(house->viewer);
    SSL_CTX_free(house->stranger);
    test_pki_deinit(&house->pki);
    free(house);
    return 0;
}

/* Asks until `value` is `wanted`; the bound is generous. */
static void wait_for(struct house *house, atomic_uint *value, unsigned wanted)
{
    const struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};

    for (int i = 0; i < 30000; i++) {
        order(house, count_connections);
        if (*value == wanted)
            return;
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(*value, wanted);
}

/* Says `text` on a new connection and returns the answer; asserts that the server closes after an
 * error. */
static struct test_answer ask(struct house *house, SSL_CTX *context, const char *text)
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

static int status_of(struct house *house, SSL_CTX *context, const char *text)
{
    return ask(house, context, text).status;
}

/* ---- good requests ---- */

static void request_reaches_its_handler_with_everything(void **state)
{
    struct house *house = open_house(state);
    struct test_answer answer = ask(house, house->viewer,
                                    GET("/v1/groups/har%62or?x=1&after=%34+2"));

    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "/v1/groups/{name} harbor 4 2 bob fresh");
    assert_false(answer.closes);
    answer = ask(house, house->agent, GET("/v1/groups/harbor/history"));
    assert_string_equal(answer.body, "/v1/groups/{name}/history harbor NONE agent-1 fresh");
    answer = ask(house, house->agent, GET("/v1/groups/g?after=1&after=2"));
    assert_non_null(strstr(answer.body, "INVALID"));
    answer = ask(house, house->agent, GET("/v1/groups/g?after=12345678901234567890"));
    assert_non_null(strstr(answer.body, "INVALID"));
    answer = ask(house, house->agent, GET("/v1/groups/g?after=%zz"));
    assert_non_null(strstr(answer.body, "INVALID"));
    answer = ask(house, house->agent, GET("/v1/groups/g?after=%00"));
    assert_non_null(strstr(answer.body, "INVALID"));
}

static void keep_alive_serves_one_request_after_another(void **state)
{
    struct house *house = open_house(state);
    struct test_https client;
    struct test_answer answer;

    assert_true(test_https_open(&client, house->port, house->agent));
    for (int i = 0; i < 20; i++) {
        assert_true(test_https_say(&client, POST("/v1/echo", "5") "hello"));
        test_https_hear(&client, false, &answer);
        assert_int_equal(answer.status, 200);
        assert_string_equal(answer.body, "hello");
    }
    assert_true(
        test_https_say(&client, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    test_https_hear(&client, false, &answer);
    assert_true(answer.closes);
    assert_true(test_https_is_at_end(&client));
    test_https_close(&client);
    wait_for(house, &house->connection_count, 0);
    assert_int_equal(house->counters.accepted, 1);
}

static void body_up_to_the_limit_comes_back_whole(void **state)
{
    struct house *house = open_house(state);
    struct test_https client;
    struct test_answer answer;
    char *body = malloc(BW_BODY_BYTES_MAX);

    memset(body, 'x', BW_BODY_BYTES_MAX);
    assert_true(test_https_open(&client, house->port, house->agent));
    assert_true(test_https_say(&client, POST("/v1/echo", "262144")));
    assert_true(test_https_send(&client, body, BW_BODY_BYTES_MAX));
    test_https_hear(&client, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.body_size, BW_BODY_BYTES_MAX);
    test_https_close(&client);
    free(body);
}

static void request_in_single_bytes_is_the_same_request(void **state)
{
    struct house *house = open_house(state);
    const char text[] = POST("/v1/echo", "3") "abc";
    struct test_https client;
    struct test_answer answer;

    assert_true(test_https_open(&client, house->port, house->agent));
    for (size_t i = 0; i < sizeof text - 1; i++)
        assert_true(test_https_send(&client, text + i, 1));
    test_https_hear(&client, false, &answer);
    assert_string_equal(answer.body, "abc");
    test_https_close(&client);
}

static void answer_larger_than_the_queue_arrives_whole(void **state)
{
    struct house *house = open_house(state);
    struct test_answer answer = ask(house, house->viewer, GET("/v1/big"));

    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.body_size, BIG_BYTES);
}

static void head_is_get_without_the_body(void **state)
{
    struct house *house = open_house(state);
    struct test_https client;
    struct test_answer answer;

    assert_true(test_https_open(&client, house->port, house->agent));
    assert_true(
        test_https_say(&client, "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n" GET("/healthz")));
    test_https_hear(&client, true, &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.head, "Content-Length: 3\r\n"));
    test_https_hear(&client, false, &answer); /* the next one begins right after the head */
    assert_int_equal(answer.status, 200);
    test_https_close(&client);
}

static void expectation_is_answered_before_the_body(void **state)
{
    struct house *house = open_house(state);
    struct test_https client;
    struct test_answer answer;

    assert_true(test_https_open(&client, house->port, house->agent));
    assert_true(test_https_say(&client, "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                                        "Expect: 100-continue\r\n\r\n"));
    test_https_hear(&client, true, &answer);
    assert_int_equal(answer.status, 100);
    assert_true(test_https_say(&client, "hi"));
    test_https_hear(&client, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "hi");
    test_https_close(&client);
}

static void let_time_pass(struct house *house)
{
    house->clock_reads = 1000;
}

/* Design 1: receipt is read after the bytes were read. An earlier instant would end a lease's wait
 * too soon (3.3). */
static void receipt_is_read_after_the_last_byte(void **state)
{
    struct house *house = open_house(state);
    struct test_https client;
    struct test_answer answer;

    assert_true(test_https_open(&client, house->port, house->agent));
    assert_true(test_https_say(&client, "POST /v1/receipt HTTP/1.1\r\nHost: a\r\n"
                                        "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
    test_https_hear(&client, true, &answer);
    assert_int_equal(answer.status, 100); /* the head has been read */
    order(house, let_time_pass);
    assert_true(test_https_say(&client, "hi"));
    test_https_hear(&client, false, &answer);
    assert_string_equal(answer.body, "1001");
    test_https_close(&client);
}

static void error_texts_are_escaped_json(void **state)
{
    struct house *house = open_house(state);
    struct test_answer answer = ask(house, house->operator_, POST("/v1/groups/g/mode", "0"));

    assert_int_equal(answer.status, 409);
    assert_string_equal(
        answer.body, "{\"error\":\"a \\\"quoted\\\" \\u000a word\",\"hint\":\"try \\\\ again\"}\n");
}

/* ---- rights: design 5.3, "401 without a certificate, 403 with the wrong role, before anything
 * else" ---- */

static void rights_are_judged_before_anything_else(void **state)
{
    struct house *house = open_house(state);
    struct test_answer answer;

    assert_int_equal(status_of(house, house->stranger, GET("/healthz")), 200);
    assert_int_equal(status_of(house, house->stranger, GET("/v1/groups/g")), 401);
    assert_int_equal(status_of(house, house->stranger, GET("/no/such/path")), 401);
    assert_int_equal(status_of(house, house->viewer, POST("/v1/echo", "0")), 403);
    assert_int_equal(status_of(house, house->viewer, GET("/v1/nothing")), 404);
    assert_int_equal(status_of(house, house->viewer, GET("/v1/groups/")), 404);
    assert_int_equal(status_of(house, house->viewer, GET("/v1/groups/g/")), 404);
    assert_int_equal(status_of(house, house->viewer, GET("/v1/groups/a%2")), 404);
    answer = ask(house, house->viewer, "DELETE /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(answer.status, 405);
    assert_non_null(strstr(answer.head, "\r\nAllow: POST\r\n"));
    /* A body that nobody will accept is never read, nor asked for. */
    assert_int_equal(status_of(house, house->stranger, POST("/v1/echo", "99999999")), 401);
    assert_int_equal(status_of(house, house->viewer,
                               "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                               "Expect: 100-continue\r\n\r\n"),
                     403);
    assert_int_equal(house->handled_count, 0);
}

static void identity_of_another_cluster_is_none(void **state)
{
    struct house *house = open_house(state);
    SSL_CTX *other = client_for(house, "other.pem", "breakwater://test/agent/dc-a/agent-1");
    struct test_answer answer = ask(house, other, POST("/v1/echo", "0"));

    assert_int_equal(answer.status, 401);
    assert_non_null(strstr(answer.body, "this cluster"));
    SSL_CTX_free(other);
}

static void two_uris_are_no_identity(void **state)
{
    struct house *house = open_house(state);
    const struct test_leaf leaf = {.uris = {AGENT, OPERATOR}};
    char path[TEST_PKI_PATH_BYTES];
    SSL_CTX *both;

    test_pki_issue(&house->pki, "both.pem", &leaf, path);
    both = test_pki_client(house->pki.ca_path, path);
    assert_int_equal(status_of(house, both, POST("/v1/echo", "0")), 401);
    assert_int_equal(status_of(house, both, GET("/healthz")), 200);
    SSL_CTX_free(both);
}

/* A TLS 1.3 client ends its handshake before the server has judged it: the refusal is read. */
static void assert_turned_away(struct house *house, SSL_CTX *context)
{
    unsigned before = house->handshake_failed_count;
    struct test_https client;

    if (test_https_open(&client, house->port, context)) {
        struct test_answer answer;

        (void)test_https_say(&client, GET("/healthz"));
        test_https_hear(&client, false, &answer);
        assert_int_equal(answer.status, 0);
    }
    test_https_close(&client);
    wait_for(house, &house->handshake_failed_count, before + 1);
}

static void foreign_expired_and_early_certificates_are_turned_away(void **state)
{
    struct house *house = open_house(state);
    const struct test_leaf expired = {.uris = {AGENT}, .begins_s = -7200, .ends_s = -3600};
    const struct test_leaf early = {.uris = {AGENT}, .begins_s = 3600, .ends_s = 7200};
    struct test_pki foreign;
    char path[TEST_PKI_PATH_BYTES];
    SSL_CTX *context;

    test_pki_init(&foreign);
    test_pki_issue_uri(&foreign, "agent.pem", AGENT, path);
    context = test_pki_client(house->pki.ca_path, path);
    assert_turned_away(house, context);
    SSL_CTX_free(context);
    test_pki_deinit(&foreign);

    test_pki_issue(&house->pki, "expired.pem", &expired, path);
    context = test_pki_client(house->pki.ca_path, path);
    assert_turned_away(house, context);
    SSL_CTX_free(context);

    test_pki_issue(&house->pki, "early.pem", &early, path);
    context = test_pki_client(house->pki.ca_path, path);
    assert_turned_away(house, context);
    SSL_CTX_free(context);
}

static void older_tls_is_turned_away(void **state)
{
    struct house *house = open_house(state);
    struct test_https client;

    assert_int_equal(SSL_CTX_set_max_proto_version(house->agent, TLS1_2_VERSION), 1);
    assert_false(test_https_open(&client, house->port, house->agent));
    test_https_close(&client);
}

/* ---- requests that are wrong ---- */

static void each_broken_rule_has_its_status(void **state)
{
    struct house *house = open_house(state);
    static const struct {
        int status;
        const char *text;
    } cases[] = {
        {400, "GET /healthz HTTP/1.1\r\n\r\n"},
        {400, "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
        {400, "GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n"},
        {400, "GET /healthz HTTP/1.1\nHost: a\n\n"},
        {400, "GET http://w1/healthz HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "CONNECT w1:80 HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "G\x01T /healthz HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400,
         "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"},
        {400, "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"},
        {400, "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"},
        {411, "POST /v1/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {411, "POST /v1/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"},
        {413, "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 262145\r\n\r\n"},
        {413, "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"},
        {417, "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: more\r\n\r\nx"},
        {505, "GET /healthz HTTP/1.0\r\nHost: a\r\n\r\n"},
        {505, "GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = status_of(house, house->agent, cases[i].text);

        if (status != cases[i].status)
            fail_msg("%d instead of %d: %s", status, cases[i].status, cases[i].text);
    }
    assert_int_equal(house->handled_count, 0);
    /* An upgrade that nobody wants is not taken up. */
    assert_int_equal(status_of(house, house->agent,
                               "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                               "Upgrade: h2c\r\n\r\n"),
                     200);
}

/* A request with a piece repeated until it has `size` bytes of it. */
static char *repeat(const char *before, const char *piece, size_t size, const char *after)
{
    char *text = malloc(strlen(before) + size + strlen(piece) + strlen(after) + 1);
    size_t used = strlen(before);

    strcpy(text, before);
    for (size_t end = used + size; used < end; used += strlen(piece))
        strcpy(text + used, piece);
    strcpy(text + used, after);
    return text;
}

static void limits_of_the_head_have_their_status(void **state)
{
    struct house *house = open_house(state);
    char *text;

    text = repeat("GET /", "a", 1024, " HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(status_of(house, house->agent, text), 414);
    free(text);
    text = repeat("GET /", "a", 1023, " HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(status_of(house, house->agent, text), 404);
    free(text);
    text = repeat("GET /healthz HTTP/1.1\r\nHost: a\r\n", "X: 1\r\n", 64 * 6, "\r\n");
    assert_int_equal(status_of(house, house->agent, text), 431);
    free(text);
    text = repeat("GET /healthz HTTP/1.1\r\nHost: a\r\n", "X: 1\r\n", 63 * 6, "\r\n");
    assert_int_equal(status_of(house, house->agent, text), 200);
    free(text);
    text = repeat("GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", "x", 8192, "\r\n\r\n");
    assert_int_equal(status_of(house, house->agent, text), 431);
    free(text);
    /* Blanks that a parser skips without a word count too. */
    text = repeat("GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", " ", 8192, "x\r\n\r\n");
    assert_int_equal(status_of(house, house->agent, text), 431);
    free(text);
    text = repeat("GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", "x", 8000, "\r\n\r\n");
    assert_int_equal(status_of(house, house->agent, text), 200);
    free(text);
}

static void garbage_in_any_amount_leaves_the_server_working(void **state)
{
    struct house *house = open_house(state);
    const char *seeds[] = {GET("/v1/groups/g?after=1"), POST("/v1/echo", "12") "hello, world",
                           "HEAD /healthz HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"};
    struct bw_prng prng;

    bw_prng_init(&prng, 20240229);
    for (int i = 0; i < 300; i++) {
        struct test_https client;
        char text[512];
        const char *seed = seeds[i % 3];
        size_t size = strlen(seed);
        bool tls = i % 4 != 0;

        memcpy(text, seed, size);
        if (i % 4 <= 1) { /* noise, in TLS or instead of it */
            size = 1 + bw_prng_below(&prng, sizeof text - 1);
            for (size_t k = 0; k < size; k++)
                text[k] = (char)bw_prng_next(&prng);
        } else { /* a request with some bytes changed, perhaps cut */
            for (int k = 0; k < 3; k++)
                text[bw_prng_below(&prng, size)] = (char)bw_prng_next(&prng);
            if (i % 8 == 3)
                size = 1 + bw_prng_below(&prng, size);
        }
        if (tls)
            assert_true(test_https_open(&client, house->port, house->agent));
        else
            test_https_dial(&client, house->port);
        (void)test_https_send(&client, text, size);
        if (i % 2 == 0)
            test_https_reset(&client);
        else
            test_https_close(&client);
    }
    assert_int_equal(status_of(house, house->agent, GET("/healthz")), 200);
    wait_for(house, &house->connection_count, 0);
}

/* ---- time ---- */

static void slow_request_is_ended_by_its_deadline(void **state)
{
    struct house *house = *state;
    struct test_https client;
    struct test_answer answer;

    house->config.request_ms = 1500;
    (void)open_house(state);
    assert_true(test_https_open(&client, house->port, house->agent));
    /* Drips for longer than the deadline: progress buys no time. */
    for (int i = 0; i < 400; i++) {
        const struct timespec drip = {.tv_nsec = 10 * 1000 * 1000};

        if (!test_https_say(&client, i == 0 ? "GET /healthz HTTP/1.1\r\nX: " : "x"))
            break;
        (void)nanosleep(&drip, NULL);
    }
    test_https_hear(&client, false, &answer);
    assert_int_equal(answer.status, 408);
    assert_true(test_https_is_at_end(&client));
    test_https_close(&client);
}

static void silence_is_ended_in_every_phase(void **state)
{
    struct house *house = *state;
    struct test_https client;
    struct test_answer answer;

    house->config.handshake_ms = 5000; /* and who means it is well within these */
    house->config.request_ms = 3000;
    house->config.idle_ms = 3000;
    (void)open_house(state);

    test_https_dial(&client, house->port); /* half open: no handshake */
    assert_true(test_https_is_at_end(&client));
    test_https_close(&client);
    wait_for(house, &house->handshake_failed_count, 1);

    assert_true(test_https_open(&client, house->port, house->agent)); /* no request */
    assert_true(test_https_is_at_end(&client));
    test_https_close(&client);

    assert_true(test_https_open(&client, house->port, house->agent)); /* no second request */
    assert_true(test_https_say(&client, GET("/healthz")));
    test_https_hear(&client, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(test_https_is_at_end(&client));
    test_https_close(&client);

    assert_true(test_https_open(&client, house->port, house->agent)); /* half a body */
    assert_true(test_https_say(&client, POST("/v1/echo", "10") "half"));
    test_https_hear(&client, false, &answer);
    assert_int_equal(answer.status, 408);
    test_https_close(&client);
    wait_for(house, &house->connection_count, 0);
}

static void reader_that_stops_reading_is_dropped(void **state)
{
    struct house *house = *state;
    struct test_https client;

    house->config.answer_ms = 200;
    (void)open_house(state);
    assert_true(test_https_open(&client, house->port, house->agent));
    for (int i = 0; i < 4; i++) /* more than any socket buffer takes */
        (void)test_https_say(&client, GET("/v1/big"));
    wait_for(house, &house->connection_count, 0);
    test_https_close(&client);
}

/* ---- answers that come later ---- */

static void answer_now(struct house *house)
{
    struct bw_http_request *request = house->waiting;

    assert_non_null(request);
    house->waiting = NULL;
    bw_http_respond(request, 200, "text/plain", "an order", 8);
}

static void long_poll_is_answered_the_moment_there_is_something(void **state)
{
    struct house *house = open_house(state);
    struct test_https client;
    struct test_answer answer;

    assert_true(test_https_open(&client, house->port, house->agent));
    assert_true(test_https_say(&client, GET("/v1/wait?ms=20000")));
    wait_for(house, &house->wait_count, 1);
    order(house, answer_now);
    test_https_hear(&client, false, &answer);
    assert_string_equal(answer.body, "an order");
    assert_false(answer.closes);

    assert_true(test_https_say(&client, GET("/v1/wait?ms=50"))); /* and by its deadline */
    test_https_hear(&client, false, &answer);
    assert_string_equal(answer.body, "nothing new");
    test_https_close(&client);
    assert_int_equal(house->gone_count, 0);
}

static void client_that_leaves_is_reported_gone_once(void **state)
{
    struct house *house = open_house(state);
    struct test_https client;

    assert_true(test_https_open(&client, house->port, house->agent));
    assert_true(test_https_say(&client, GET("/v1/wait")));
    wait_for(house, &house->wait_count, 1);
    test_https_close(&client);
    wait_for(house, &house->gone_count, 1);

    assert_true(test_https_open(&client, house->port, house->agent));
    assert_true(test_https_say(&client, GET("/v1/wait")));
    wait_for(house, &house->wait_count, 2);
    test_https_reset(&client);
    wait_for(house, &house->gone_count, 2);
    wait_for(house, &house->connection_count, 0);
}

static void server_that_closes_reports_its_waiting_requests_gone(void **state)
{
    struct house *house = open_house(state);
    struct test_https client;

    assert_true(test_https_open(&client, house->port, house->agent));
    assert_true(test_https_say(&client, GET("/v1/wait")));
    wait_for(house, &house->wait_count, 1);
    assert_int_equal(tear_down(state), 0); /* asserts that nothing waits any more */
    assert_true(test_https_is_at_end(&client));
    test_https_close(&client);
    assert_int_equal(prepare(state), 0); /* for the tear-down that follows */
    (void)open_house(state);
}

/* What comes before its turn is thrown away, and the connection closes after the answer. */
static void request_behind_a_waiting_one_is_not_answered(void **state)
{
    struct house *house = open_house(state);
    struct test_https client;
    struct test_answer answer;

    assert_true(test_https_open(&client, house->port, house->agent));
    assert_true(test_https_say(&client, GET("/v1/wait") POST("/v1/echo", "2") "xx"));
    wait_for(house, &house->wait_count, 1);
    order(house, answer_now);
    test_https_hear(&client, false, &answer);
    assert_string_equal(answer.body, "an order");
    assert_true(answer.closes);
    assert_true(test_https_is_at_end(&client));
    test_https_close(&client);
    assert_int_equal(house->handled_count, 0);
}

static void send_event(struct house *house)
{
    assert_int_equal(bw_http_stream_send(house->waiting, "data: 2\n\n", 9), BW_OK);
}

static void end_events(struct house *house)
{
    struct bw_http_request *request = house->waiting;

    house->waiting = NULL;
    bw_http_stream_end(request);
}

static void event_stream_goes_on_until_it_is_ended(void **state)
{
    struct house *house = open_house(state);
    struct test_https client;
    struct test_answer answer;
    char text[64];

    assert_true(test_https_open(&client, house->port, house->viewer));
    assert_true(test_https_say(&client, GET("/v1/events")));
    test_https_hear(&client, true, &answer);
    assert_int_equal(answer.status, 200);
    assert_null(strstr(answer.head, "Content-Length"));
    assert_int_equal(test_https_read(&client, text, sizeof text), 9);
    wait_for(house, &house->wait_count, 1);
    order(house, send_event);
    assert_int_equal(test_https_read(&client, text, sizeof text), 9);
    assert_string_equal(text, "data: 2\n\n");
    order(house, end_events);
    assert_true(test_https_is_at_end(&client));
    test_https_close(&client);
    assert_int_equal(house->gone_count, 0);

    assert_true(test_https_open(&client, house->port, house->viewer));
    assert_true(test_https_say(&client, GET("/v1/events")));
    wait_for(house, &house->wait_count, 2);
    test_https_close(&client);
    wait_for(house, &house->gone_count, 1);
}

/* ---- the house is full ---- */

static void strangers_and_idle_peers_make_room_for_others(void **state)
{
    struct house *house = *state;
    struct test_https strangers[4];
    struct test_https idle;
    struct test_https client;
    struct test_answer answer;

    house->config.connections_max = 3;
    house->config.handshake_ms = 60000; /* nobody leaves by himself */
    (void)open_house(state);
    assert_true(test_https_open(&idle, house->port, house->agent));
    assert_true(test_https_say(&idle, GET("/healthz")));
    test_https_hear(&idle, false, &answer);
    for (int i = 0; i < 4; i++)
        test_https_dial(&strangers[i], house->port);
    assert_true(test_https_open(&client, house->port, house->agent));
    assert_true(test_https_say(&client, GET("/v1/groups/g")));
    test_https_hear(&client, false, &answer);
    assert_int_equal(answer.status, 200);

    /* Strangers went, the idle agent stayed. */
    assert_true(test_https_say(&idle, GET("/healthz")));
    test_https_hear(&idle, false, &answer);
    assert_int_equal(answer.status, 200);
    order(house, count_connections);
    assert_true(house->counters.evicted >= 3);
    assert_true(house->connection_count <= 6);
    for (int i = 0; i < 4; i++)
        test_https_close(&strangers[i]);
    test_https_close(&idle);
    test_https_close(&client);
}

static void peers_that_wait_for_an_answer_are_never_evicted(void **state)
{
    struct house *house = *state;
    struct test_https waiting;
    struct test_https client;
    struct test_answer answer;

    house->config.connections_max = 1;
    (void)open_house(state);
    assert_true(test_https_open(&waiting, house->port, house->agent));
    assert_true(test_https_say(&waiting, GET("/v1/wait")));
    wait_for(house, &house->wait_count, 1);
    test_https_dial(&client, house->port);
    assert_true(test_https_is_at_end(&client));
    test_https_close(&client);
    order(house, count_connections);
    assert_int_equal(house->counters.refused, 1);
    order(house, answer_now);
    test_https_hear(&waiting, false, &answer);
    assert_int_equal(answer.status, 200);
    test_https_close(&waiting);
}

/* ---- certificates that change ---- */

static void give_context(struct house *house)
{
    bw_http_server_set_context(house->server, house->context);
}

static long serial_shown(struct house *house, struct test_https *client)
{
    X509 *certificate;
    uint64_t serial[3] = {0};
    BIGNUM *number;

    assert_true(test_https_open(client, house->port, house->agent));
    certificate = SSL_get1_peer_certificate(client->ssl);
    assert_non_null(certificate);
    number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    assert_true(BN_bn2lebinpad(number, (unsigned char *)serial, sizeof serial) > 0);
    BN_free(number);
    X509_free(certificate);
    return (long)(serial[0] >> 1);
}

static void new_certificate_serves_new_connections_and_old_ones_age_out(void **state)
{
    struct house *house = *state;
    struct test_https old;
    struct test_https fresh;
    struct test_answer answer;
    long old_serial;

    house->config.old_connection_ms = 8000;
    (void)open_house(state);
    old_serial = serial_shown(house, &old);
    bw_tls_context_free(house->context);
    house->context = server_context(house, "breakwater://prod/witness/w1");
    order(house, give_context);

    assert_int_not_equal(serial_shown(house, &fresh), old_serial);
    assert_true(test_https_say(&old, GET("/healthz"))); /* a live lease is not dropped */
    test_https_hear(&old, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(test_https_is_at_end(&old)); /* well before the 30 s of idling: it is too old */
    assert_true(test_https_say(&fresh, GET("/healthz")));
    test_https_hear(&fresh, false, &answer);
    assert_int_equal(answer.status, 200);
    test_https_close(&old);
    test_https_close(&fresh);
}

static void drop_all(struct house *house)
{
    bw_http_server_drop_connections(house->server);
}

static void revocation_drops_every_connection(void **state)
{
    struct house *house = open_house(state);
    struct test_https client;

    assert_true(test_https_open(&client, house->port, house->agent));
    assert_true(test_https_say(&client, GET("/v1/wait")));
    wait_for(house, &house->wait_count, 1);
    order(house, drop_all);
    assert_true(test_https_is_at_end(&client));
    test_https_close(&client);
    wait_for(house, &house->gone_count, 1);
}

/* ---- without TLS ---- */

static void plain_port_serves_open_routes_only(void **state)
{
    struct house *house = *state;
    struct test_https client;
    struct test_answer answer;

    house->config.plain = true;
    house->config.context = NULL;
    (void)open_house(state);
    test_https_dial(&client, house->port);
    assert_true(test_https_say(&client, "GET /healthz HTTP/1.0\r\n\r\n"));
    test_https_hear(&client, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(answer.closes);
    test_https_close(&client);
    test_https_dial(&client, house->port);
    assert_true(test_https_say(&client, GET("/v1/groups/g")));
    test_https_hear(&client, false, &answer);
    assert_int_equal(answer.status, 403);
    test_https_close(&client);
}

static void taken_port_is_an_error_in_words(void **state)
{
    struct house *house = open_house(state);
    struct bw_http_server_config config = house->config;
    struct bw_http_server *second = NULL;
    struct bw_diag diag = {0};
    uv_loop_t loop;
    char listen[32];

    assert_int_equal(uv_loop_init(&loop), 0);
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", house->port);
    config.listen = listen;
    assert_int_equal(bw_http_server_open(&loop, &config, &second, &diag), BW_ERR_IO);
    assert_non_null(strstr(diag.text, "address already in use"));
    config.listen = "localhost:0";
    assert_int_equal(bw_http_server_open(&loop, &config, &second, &diag), BW_ERR_INVALID);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_null(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, tear_down)
        TEST(request_reaches_its_handler_with_everything),
        TEST(keep_alive_serves_one_request_after_another),
        TEST(body_up_to_the_limit_comes_back_whole),
        TEST(request_in_single_bytes_is_the_same_request),
        TEST(answer_larger_than_the_queue_arrives_whole),
        TEST(head_is_get_without_the_body),
        TEST(expectation_is_answered_before_the_body),
        TEST(receipt_is_read_after_the_last_byte),
        TEST(error_texts_are_escaped_json),
        TEST(rights_are_judged_before_anything_else),
        TEST(identity_of_another_cluster_is_none),
        TEST(two_uris_are_no_identity),
        TEST(foreign_expired_and_early_certificates_are_turned_away),
        TEST(older_tls_is_turned_away),
        TEST(each_broken_rule_has_its_status),
        TEST(limits_of_the_head_have_their_status),
        TEST(garbage_in_any_amount_leaves_the_server_working),
        TEST(slow_request_is_ended_by_its_deadline),
        TEST(silence_is_ended_in_every_phase),
        TEST(reader_that_stops_reading_is_dropped),
        TEST(long_poll_is_answered_the_moment_there_is_something),
        TEST(client_that_leaves_is_reported_gone_once),
        TEST(server_that_closes_reports_its_waiting_requests_gone),
        TEST(request_behind_a_waiting_one_is_not_answered),
        TEST(event_stream_goes_on_until_it_is_ended),
        TEST(strangers_and_idle_peers_make_room_for_others),
        TEST(peers_that_wait_for_an_answer_are_never_evicted),
        TEST(new_certificate_serves_new_connections_and_old_ones_age_out),
        TEST(revocation_drops_every_connection),
        TEST(plain_port_serves_open_routes_only),
        TEST(taken_port_is_an_error_in_words),
#undef TEST
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    punctual_child(); /* its threads, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
