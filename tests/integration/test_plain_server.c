/* plain_server: what load balancers ask, and what the rude and the slow get. Design 5.3, over real
 * sockets. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include <breakwater/net/plain_server.h>

#include "plain_client.h"
#include "test_port.h"

#define LIMIT_MS  2000
#define ANSWER_MS 1000  /* of what is never answered */
#define LONG_MS   60000 /* no test takes that long */

/* A server on a thread of its own; /never is not answered, /later once somebody has asked for /now.
 */
static struct house {
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t ending;
    struct test_port port;
    struct bw_plain_server *server;
    struct bw_plain_request *later;
    _Atomic unsigned asked;
    _Atomic unsigned gone;
} house;

static void on_request(struct bw_plain_request *request, const char *path, void *user)
{
    (void)user;
    house.asked++;
    if (strcmp(path, "/later") == 0) {
        house.later = request;
    } else if (strcmp(path, "/now") == 0) {
        if (house.later != NULL)
            bw_plain_respond(house.later, 200, "later");
        house.later = NULL;
        bw_plain_respond(request, 200, "now");
    } else if (strcmp(path, "/never") != 0) {
        bw_plain_respond(request, strcmp(path, "/no") == 0 ? 503 : 404, path);
    }
}

static void on_gone(struct bw_plain_request *request, void *user)
{
    (void)user;
    house.gone++;
    if (house.later == request)
        house.later = NULL;
}

static void on_ending(uv_async_t *async)
{
    bw_plain_server_close(house.server);
    uv_close((uv_handle_t *)async, NULL);
}

static void *turn(void *user)
{
    (void)user;
    (void)uv_run(&house.loop, UV_RUN_DEFAULT); /* 0: nothing is left */
    return NULL;
}

static int set_up_with(uint32_t answer_ms)
{
    char listen[32];
    const struct bw_plain_server_config config = {.listen = listen,
                                                  .on_request = on_request,
                                                  .on_gone = on_gone,
                                                  .request_ms = LIMIT_MS,
                                                  .answer_ms = answer_ms};

    memset(&house, 0, sizeof house);
    test_port_take(&house.port);
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", house.port.number);
    assert_int_equal(uv_loop_init(&house.loop), 0);
    assert_int_equal(uv_async_init(&house.loop, &house.ending, on_ending), 0);
    assert_int_equal(bw_plain_server_open(&house.loop, &config, &house.server, NULL), BW_OK);
    assert_int_equal(pthread_create(&house.thread, NULL, turn, NULL), 0);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(LONG_MS);
}

static int set_up_hasty(void **state)
{
    (void)state;
    return set_up_with(ANSWER_MS);
}

/* Whatever was left open is closed, and freed: the sanitizer looks. */
static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(uv_async_send(&house.ending), 0);
    assert_int_equal(pthread_join(house.thread, NULL), 0);
    assert_int_equal(uv_loop_close(&house.loop), 0);
    test_port_release(&house.port);
    return 0;
}

static struct plain_answer get(const char *request)
{
    return plain_ask(house.port.number, request);
}

static void load_balancers_of_each_kind_are_answered(void **state)
{
    struct plain_answer answer;

    (void)state;
    answer = get("GET /now HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.text, "\r\nContent-Length: 4\r\n"));
    assert_non_null(strstr(answer.text, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(answer.text, "\r\n\r\nnow\n"));
    answer = get("GET /now?x=1 HTTP/1.0\r\n\r\n"); /* HAProxy asks so */
    assert_int_equal(answer.status, 200);
    answer = get("HEAD /now HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.text, "\r\nContent-Length: 4\r\n"));
    assert_string_equal(answer.text + strlen(answer.text) - 4, "\r\n\r\n");
    assert_int_equal(get("GET /no HTTP/1.1\r\n\r\n").status, 503);
    assert_int_equal(get("GET /x HTTP/1.1\r\n\r\n").status, 404);
}

static void what_is_no_such_request_is_refused(void **state)
{
    struct plain_answer answer;
    char *large = malloc(20000);

    (void)state;
    assert_non_null(large);
    answer = get("POST /now HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
    assert_int_equal(answer.status, 405);
    assert_non_null(strstr(answer.text, "\r\nAllow: GET, HEAD\r\n"));
    assert_int_equal(get("OPTIONS * HTTP/1.1\r\n\r\n").status, 405);
    assert_int_equal(get("GET /now HTTP/2.0\r\n\r\n").status, 400);
    assert_int_equal(get("GET now HTTP/1.1\r\n\r\n").status, 400);
    assert_int_equal(get("\x16\x03\x01\x02").status, 400); /* TLS */

    (void)snprintf(large, 20000, "GET /%01100d HTTP/1.1\r\n\r\n", 0);
    assert_int_equal(get(large).status, 414);
    (void)snprintf(large, 20000, "GET /now HTTP/1.1\r\nX: %08190d", 0);
    assert_int_equal(get(large).status, 431);
    assert_int_equal(house.asked, 0);
    free(large);
}

/* Progress buys no time. */
static void who_drips_is_ended_by_the_limit(void **state)
{
    const int fd = plain_dial(house.port.number);
    const struct timespec drip = {.tv_nsec = 10 * 1000 * 1000};

    (void)state;
    assert_true(plain_say(fd, "GET /now HTTP/1.1\r\nX: "));
    for (int i = 0; i < LIMIT_MS / 10 + 100 && plain_say(fd, "x"); i++)
        (void)nanosleep(&drip, NULL);
    (void)plain_hear(fd); /* 408, or what a closed connection has left of it */
    assert_int_equal(house.asked, 0);
    assert_int_equal(get("GET /now HTTP/1.1\r\n\r\n").status, 200);
}

static void who_says_nothing_is_told_that_it_took_too_long(void **state)
{
    (void)state;
    assert_int_equal(get("GET /now").status, 408);
}

static void who_asks_may_close_that_half(void **state)
{
    const int fd = plain_dial(house.port.number);

    (void)state;
    assert_true(plain_say(fd, "GET /later HTTP/1.1\r\n\r\n"));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    while (house.asked < 1)
        (void)sched_yield();
    assert_int_equal(get("GET /now HTTP/1.1\r\n\r\n").status, 200);
    assert_int_equal(plain_hear(fd).status, 200);
    assert_int_equal(house.gone, 0);
}

/* What nobody answers is no. */
static void a_request_that_is_not_answered_is_told_503(void **state)
{
    struct plain_answer answer;

    (void)state;
    answer = get("GET /never HTTP/1.1\r\n\r\n");
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.text, "nobody has answered in time"));
    assert_int_equal(house.gone, 1);
}

static void who_floods_behind_his_request_is_hung_up_on(void **state)
{
    const int fd = plain_dial(house.port.number);
    char *more = calloc(1, 4097);

    (void)state;
    assert_non_null(more);
    memset(more, 'x', 4096);
    assert_true(plain_say(fd, "GET /never HTTP/1.1\r\n\r\n"));
    for (int i = 0; i < 100000 && house.gone == 0 && plain_say(fd, more); i++)
        ;
    while (house.gone == 0)
        (void)sched_yield();
    (void)plain_hear(fd);
    assert_int_equal(house.gone, 1);
    free(more);
}

/* The oldest that has said nothing goes; who has asked stays. */
static void a_full_house_has_room_for_who_speaks(void **state)
{
    int slow[3 * BW_PLAIN_CONNECTIONS_MAX];
    const int waits = plain_dial(house.port.number);

    (void)state;
    assert_true(plain_say(waits, "GET /later HTTP/1.1\r\n\r\n"));
    while (house.asked < 1)
        (void)sched_yield();
    for (int i = 0; i < 3 * BW_PLAIN_CONNECTIONS_MAX; i++) {
        slow[i] = plain_dial(house.port.number);
        assert_true(slow[i] >= 0);
        (void)plain_say(slow[i], "GET /n");
    }
    assert_int_equal(get("GET /now HTTP/1.1\r\n\r\n").status, 200);
    assert_int_equal(plain_hear(waits).status, 200);
    for (int i = 0; i < 3 * BW_PLAIN_CONNECTIONS_MAX; i++)
        (void)plain_hear(slow[i]);
    assert_int_equal(house.asked, 2);
}

/* As on the witnesses' port (5.3). */
static void who_dials_again_and_again_takes_no_place_from_others(void **state)
{
    int many[3 * BW_PLAIN_CONNECTIONS_MAX];
    const int far = plain_dial_from(INADDR_LOOPBACK + 1, house.port.number);

    (void)state;
    assert_true(plain_say(far, "GET /no"));
    for (int i = 0; i < 3 * BW_PLAIN_CONNECTIONS_MAX; i++)
        many[i] = plain_dial(house.port.number);
    assert_int_equal(plain_hear(many[0]).status, 0); /* there was no room for all of them */
    assert_true(plain_say(far, " HTTP/1.1\r\n\r\n"));
    assert_int_equal(plain_hear(far).status, 503);
    for (int i = 1; i < 3 * BW_PLAIN_CONNECTIONS_MAX; i++)
        (void)plain_hear(many[i]);
}

static void a_port_that_is_taken_is_named(void **state)
{
    struct bw_plain_server *server;
    struct bw_diag diag = {0};
    char listen[32];
    uv_loop_t loop;

    (void)state;
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", house.port.number);
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(bw_plain_server_open(&loop, &(struct bw_plain_server_config){.listen = listen},
                                          &server, &diag),
                     BW_ERR_IO);
    assert_non_null(strstr(diag.text, listen));
    assert_non_null(strstr(diag.text, "address already in use"));
    assert_int_equal(bw_plain_server_open(
                         &loop, &(struct bw_plain_server_config){.listen = "lb.example.net:7480"},
                         &server, &diag),
                     BW_ERR_INVALID);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(load_balancers_of_each_kind_are_answered),
        TEST(what_is_no_such_request_is_refused),
        TEST(who_drips_is_ended_by_the_limit),
        TEST(who_says_nothing_is_told_that_it_took_too_long),
        TEST(who_asks_may_close_that_half),
        cmocka_unit_test_setup_teardown(a_request_that_is_not_answered_is_told_503, set_up_hasty,
                                        tear_down),
        TEST(who_floods_behind_his_request_is_hung_up_on),
        TEST(a_full_house_has_room_for_who_speaks),
        TEST(who_dials_again_and_again_takes_no_place_from_others),
        TEST(a_port_that_is_taken_is_named),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
