/* What the agent makes of its guard's answers for load balancers: a guard that the test plays says
 * it when the test likes. Design 5.3, on the real agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include <breakwater/sys/clock.h>
#include <breakwater/wire/guard_message.h>

#include "agent_life.h"
#include "plain_client.h"

#define PRIMARY "GET /v1/groups/harbor/primary HTTP/1.1\r\nHost: lb\r\n\r\n"
#define TTL_NS  (UINT64_C(60) * 1000 * BW_NS_PER_MS) /* no test takes that long */

/* It answers no hello. */
static struct played {
    struct agent_world *world;
    struct test_port port;
    struct bw_unix_listener listener;
    struct bw_unix_connection *asking; /* that has sent the newest question; NULL: it has gone */
    unsigned questions;
} guard;

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct bw_guard_message message;

    (void)user;
    assert_int_equal(bw_guard_message_decode(data, size, &message, NULL), BW_OK);
    if (message.kind != BW_GUARD_MESSAGE_SHOW)
        return;
    assert_string_equal(message.group, "harbor");
    guard.asking = connection;
    guard.questions++;
}

static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    (void)err, (void)diag, (void)user;
    if (guard.asking == connection)
        guard.asking = NULL;
}

static const struct bw_unix_events *on_accepted(struct bw_unix_listener *listener,
                                                struct bw_unix_connection *connection, void *user,
                                                void **out_user)
{
    static const struct bw_unix_events events = {.on_message = on_message, .on_closed = on_closed};

    (void)listener, (void)connection;
    *out_user = user;
    return &events;
}

/* Of `group`, armed until `left_ns` from now, and seen to serve. */
static void answer(const char *group, uint64_t left_ns)
{
    struct bw_guard_message shown = {.kind = BW_GUARD_MESSAGE_SHOWN,
                                     .shown = {.enforced = true,
                                               .epoch_seen = 1,
                                               .armed_epoch = 1,
                                               .armed_end = bw_instant_add(bw_clock_now(), left_ns),
                                               .fence_ms = 100,
                                               .service = BW_SERVICE_STARTED,
                                               .service_at = bw_clock_now(),
                                               .reach = BW_REACH_CGROUP}};
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    size_t size;

    (void)snprintf(shown.group, sizeof shown.group, "%s", group);
    (void)snprintf(shown.shown.site, sizeof shown.shown.site, "%s", guard.world->site);
    assert_int_equal(bw_clock_boot_id(&shown.shown.boot_id, NULL), BW_OK);
    assert_int_equal(bw_clock_time_namespace(&shown.shown.time_namespace, NULL), BW_OK);
    assert_int_equal(bw_guard_message_encode(&shown, bytes, sizeof bytes, &size, NULL), BW_OK);
    assert_non_null(guard.asking);
    assert_int_equal(bw_unix_send(guard.asking, bytes, size, NULL), BW_OK);
}

static bool is_asked(const struct agent_world *world)
{
    (void)world;
    return guard.asking != NULL;
}

static int unanswered = -1; /* whose answer must not come before the guard is asked again */

static bool is_asked_again(const struct agent_world *world)
{
    char byte;

    if (recv(unanswered, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
        fail_msg("it was answered from what was asked before it came");
    return is_asked(world);
}

static bool has_gone(const struct agent_world *world)
{
    (void)world;
    return guard.asking == NULL;
}

static bool listens(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=health.listening");
}

/* The agent listens, and nobody has asked it yet. */
static void begin(struct agent_world *world)
{
    char text[96];

    memset(&guard, 0, sizeof guard);
    test_port_take(&guard.port);
    agent_world_guard_listen(world, false);
    (void)snprintf(text, sizeof text, "%s/guard.sock", world->dir);
    assert_int_equal(bw_unix_listen(&guard.listener, &world->loop, text, on_accepted, NULL, NULL),
                     BW_OK);
    guard.world = world;
    (void)snprintf(text, sizeof text, "health_listen: 127.0.0.1:%u\n", guard.port.number);
    agent_world_configure(world, text);
    agent_world_start_agent(world);
    agent_world_until(world, listens, "it listens");
}

/* Also of a test that has failed: what is left open would keep the loop for ever. */
static int end(void **state)
{
    if (guard.world != NULL)
        bw_unix_listener_close(&guard.listener, NULL);
    test_port_release(&guard.port);
    return tear_down(state);
}

static int ask(void)
{
    const int fd = plain_dial(guard.port.number);

    assert_true(fd >= 0);
    assert_true(plain_say(fd, PRIMARY));
    return fd;
}

static void assert_hears(int fd, int status, const char *text)
{
    const struct plain_answer heard = plain_hear(fd);

    if (heard.status != status || strstr(heard.text, text) == NULL)
        fail_msg("\"%s\" is not %d with \"%s\"", heard.text, status, text);
}

/* The agent has read all that was said before: it answers this without its guard. */
static void pass_by(void)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(plain_ask(guard.port.number, "GET /x HTTP/1.0\r\n\r\n").status, 404);
}

static void no_answer_is_older_than_its_request(void **state) /* 5.3 */
{
    struct agent_world *world = *state;
    int first, second;

    begin(world);
    first = ask();
    agent_world_until(world, is_asked, "the guard is asked");
    second = ask();
    pass_by();
    answer("harbor", TTL_NS);
    assert_hears(first, 200, "yes: harbor at ");

    agent_world_until(world, has_gone, "that question is over");
    unanswered = second;
    agent_world_until(world, is_asked_again, "it is asked for the second request");
    assert_int_equal(guard.questions, 2);
    answer("harbor", 0);
    assert_hears(second, 503, "no lease lives here");
}

/* A guard that hung: what it says at last is nobody's. */
static void a_late_answer_is_nobodys(void **state) /* 3.4 */
{
    struct agent_world *world = *state;
    int later;

    begin(world);
    later = ask();
    agent_world_until(world, is_asked, "the guard is asked");
    assert_hears(later, 503, "it has not answered for 1.0 s\n");
    assert_hears(ask(), 503, "it has not answered for 1.0 s and more\n");
    assert_int_equal(guard.questions, 1); /* it owes an answer: nobody asks it more */

    answer("harbor", TTL_NS);
    agent_world_until(world, has_gone, "it was heard");
    later = ask();
    agent_world_until(world, is_asked, "the guard is asked again");
    assert_int_equal(guard.questions, 2);
    answer("harbor", TTL_NS);
    assert_hears(later, 200, "yes: harbor at ");
}

static void what_is_of_another_group_is_no_answer(void **state)
{
    struct agent_world *world = *state;
    int fd;

    begin(world);
    fd = ask();
    agent_world_until(world, is_asked, "the guard is asked");
    answer("shop", TTL_NS);
    assert_hears(fd, 503, "what it says is no answer");
    agent_world_until(world, has_gone, "that question is over");
    fd = ask();
    agent_world_until(world, is_asked, "the guard is asked");
    answer("", TTL_NS); /* it knows of none */
    assert_hears(fd, 503, "knows no such group");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_answer_is_older_than_its_request),
        TEST(a_late_answer_is_nobodys),
        TEST(what_is_of_another_group_is_no_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
