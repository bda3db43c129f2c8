/* http_server: how long a connection lives: its time is over, it waits for an answer, the house is
 * full, the certificate changes. Over real sockets. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "http_house.h"

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
    assert_true(house->counters.evicted[BW_HTTP_EVICTION_ROOM] >= 3);
    assert_true(house->connection_count <= 6);
    for (int i = 0; i < 4; i++)
        test_https_close(&strangers[i]);
    test_https_close(&idle);
    test_https_close(&client);
}

/* It says who it is only after many have come from elsewhere. */
static void a_slow_handshake_is_not_ended_by_a_crowd_from_elsewhere(void **state)
{
    struct house *house = *state;
    struct test_https crowd[8];
    struct test_https slow;
    struct test_answer answer;

    house->config.connections_max = 3;
    house->config.handshake_ms = 60000; /* nobody leaves by himself */
    (void)open_house(state);
    test_https_dial(&slow, house->port);
    for (int i = 0; i < 8; i++)
        test_https_dial_from_elsewhere(&crowd[i], house->port);
    for (int i = 0; i < 8 - 3; i++)
        assert_true(test_https_is_at_end(&crowd[i]));

    assert_true(test_https_shake(&slow, house->agent));
    assert_true(test_https_say(&slow, GET("/healthz")));
    test_https_hear(&slow, false, &answer);
    assert_int_equal(answer.status, 200);
    for (int i = 0; i < 8; i++)
        test_https_close(&crowd[i]);
    test_https_close(&slow);
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

/* Each of them waits for an answer: nobody is idle, and the newest gets in all the same. */
static void one_identity_has_its_share_and_no_more(void **state)
{
    struct house *house = *state;
    struct test_https clients[5];
    struct test_https other;
    struct test_answer answer;

    house->config.identity_connections_max = 4;
    (void)open_house(state);
    assert_true(test_https_open(&other, house->port, house->operator_));
    for (int i = 0; i < 5; i++) {
        assert_true(test_https_open(&clients[i], house->port, house->viewer));
        assert_true(test_https_say(&clients[i], "G")); /* a request that takes its time */
    }
    assert_true(test_https_is_at_end(&clients[0]));
    order(house, count_connections);
    assert_int_equal(house->counters.evicted[BW_HTTP_EVICTION_IDENTITY], 1);
    assert_int_equal(house->evicted_count, 1);

    assert_true(test_https_say(&clients[4], "ET /healthz HTTP/1.1\r\nHost: w1\r\n\r\n"));
    test_https_hear(&clients[4], false, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(test_https_say(&other, GET("/healthz")));
    test_https_hear(&other, false, &answer);
    assert_int_equal(answer.status, 200);
    for (int i = 0; i < 5; i++)
        test_https_close(&clients[i]);
    test_https_close(&other);
}

static void operators_leave_room_for_programs(void **state)
{
    struct house *house = *state;
    struct test_https operator[3];
    struct test_https agents[2];

    house->config.people_connections_max = 2;
    (void)open_house(state);
    for (int i = 0; i < 2; i++)
        assert_true(test_https_open(&agents[i], house->port, house->agent));
    assert_true(test_https_open(&operator[0], house->port, house->viewer));
    assert_true(test_https_open(&operator[1], house->port, house->viewer));
    assert_true(test_https_open(&operator[2], house->port, house->operator_));
    assert_true(test_https_is_at_end(&operator[0]));
    order(house, count_connections);
    assert_int_equal(house->counters.evicted[BW_HTTP_EVICTION_PEOPLE], 1);
    for (int i = 0; i < 3; i++)
        test_https_close(&operator[i]);
    for (int i = 0; i < 2; i++)
        test_https_close(&agents[i]);
}

/* ---- bodies that are shared ---- */

static void drop_readers(struct house *house)
{
    bw_http_server_drop_readers(house->server, house->shared);
}

static void a_shared_body_is_sent_whole_and_its_slow_readers_can_be_dropped(void **state)
{
    struct house *house = open_house(state);
    struct test_https reader;
    struct test_https slow;
    struct test_answer answer;

    assert_true(test_https_open(&reader, house->port, house->viewer));
    assert_true(test_https_say(&reader, GET("/v1/shared")));
    test_https_hear(&reader, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.body_size, SHARED_BYTES);
    assert_true(test_https_say(&reader, "HEAD /v1/shared HTTP/1.1\r\nHost: w1\r\n\r\n"));
    test_https_hear(&reader, true, &answer);
    assert_int_equal(answer.status, 200);

    assert_true(test_https_open(&slow, house->port, house->viewer));
    assert_true(test_https_say(&slow, GET("/v1/shared")));
    wait_for(house, &house->keeper_count, 2); /* ours, and what it has not read */
    order(house, drop_readers);
    wait_for(house, &house->keeper_count, 1);
    assert_int_equal(house->counters.evicted[BW_HTTP_EVICTION_SLOW], 1);
    test_https_close(&slow);
    test_https_close(&reader);
}

/* ---- what a connection leaves behind ---- */

#define OPENED 40

static unsigned count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    assert_int_equal(closedir(folder), 0);
    return count;
}

static void a_connection_leaves_no_descriptor_behind(void **state)
{
    struct house *house = open_house(state);
    unsigned before;

    assert_int_equal(status_of(house, house->agent, GET("/healthz")), 200);
    wait_for(house, &house->connection_count, 0);
    before = count_descriptors();
    for (int i = 0; i < OPENED; i++)
        assert_int_equal(status_of(house, house->agent, GET("/healthz")), 200);
    wait_for(house, &house->connection_count, 0);
    assert_in_range(count_descriptors(), 0, before + OPENED / 2); /* libuv opens a few, once */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, tear_down)
        TEST(slow_request_is_ended_by_its_deadline),
        TEST(silence_is_ended_in_every_phase),
        TEST(reader_that_stops_reading_is_dropped),
        TEST(long_poll_is_answered_the_moment_there_is_something),
        TEST(client_that_leaves_is_reported_gone_once),
        TEST(server_that_closes_reports_its_waiting_requests_gone),
        TEST(request_behind_a_waiting_one_is_not_answered),
        TEST(strangers_and_idle_peers_make_room_for_others),
        TEST(a_slow_handshake_is_not_ended_by_a_crowd_from_elsewhere),
        TEST(peers_that_wait_for_an_answer_are_never_evicted),
        TEST(one_identity_has_its_share_and_no_more),
        TEST(operators_leave_room_for_programs),
        TEST(a_shared_body_is_sent_whole_and_its_slow_readers_can_be_dropped),
        TEST(a_connection_leaves_no_descriptor_behind),
        TEST(new_certificate_serves_new_connections_and_old_ones_age_out),
#undef TEST
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
