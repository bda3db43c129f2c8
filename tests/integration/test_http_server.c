/* http_server: requests, good and wrong, and whose they are, over real sockets. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/prng.h>

#include "http_house.h"

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
    assert_true(test_https_say(&client, "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n"));
    test_https_hear(&client, true, &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.head, "Content-Length: 3\r\n"));
    assert_true(test_https_say(&client, GET("/healthz")));
    test_https_hear(&client, false, &answer); /* the next one begins right after the head */
    assert_int_equal(answer.status, 200);
    test_https_close(&client);
}

/* Hundreds of them would be handled in one turn of the loop, which renews leases. */
static void what_is_asked_before_the_answer_has_left_is_thrown_away(void **state)
{
    struct house *house = open_house(state);
    struct test_https client;
    struct test_answer answer;

    assert_true(test_https_open(&client, house->port, house->agent));
    assert_true(test_https_say(&client, GET("/healthz") GET("/healthz") GET("/healthz")));
    test_https_hear(&client, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(test_https_is_at_end(&client));
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

/* After the role, and before a body is looked at. */
static void what_a_route_is_about_is_judged_after_the_role(void **state)
{
    struct house *house = open_house(state);
    struct test_answer answer = ask(house, house->viewer, GET("/v1/groups/" FORBIDDEN_GROUP));

    assert_int_equal(answer.status, 403);
    assert_string_equal(answer.body, "{\"error\":\"bob may not\",\"hint\":\"ask another\"}\n");
    assert_true(answer.closes);
    assert_int_equal(status_of(house, house->operator_,
                               POST("/v1/groups/" FORBIDDEN_GROUP "/mode", "99999999")),
                     403);
    answer = ask(house, house->viewer, POST("/v1/groups/" FORBIDDEN_GROUP "/mode", "0"));
    assert_int_equal(answer.status, 403);
    assert_non_null(strstr(answer.body, "your certificate's role"));
    assert_int_equal(house->handled_count, 0);
    assert_int_equal(status_of(house, house->viewer, GET("/v1/groups/forbidde")), 200);
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
        TEST(what_is_asked_before_the_answer_has_left_is_thrown_away),
        TEST(expectation_is_answered_before_the_body),
        TEST(receipt_is_read_after_the_last_byte),
        TEST(error_texts_are_escaped_json),
        TEST(rights_are_judged_before_anything_else),
        TEST(what_a_route_is_about_is_judged_after_the_role),
        TEST(identity_of_another_cluster_is_none),
        TEST(two_uris_are_no_identity),
        TEST(foreign_expired_and_early_certificates_are_turned_away),
        TEST(older_tls_is_turned_away),
        TEST(each_broken_rule_has_its_status),
        TEST(limits_of_the_head_have_their_status),
        TEST(garbage_in_any_amount_leaves_the_server_working),
        TEST(taken_port_is_an_error_in_words),
#undef TEST
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
