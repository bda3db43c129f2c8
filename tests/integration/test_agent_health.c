/* What the agent makes of its guard's answers for load balancers: a guard that the test plays says
 * it when the test likes. Design 5.3, on the real agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent_life.h"
#include "plain_client.h"
#include "shown_guard.h"

#define PRIMARY "GET /v1/groups/harbor/primary HTTP/1.1\r\nHost: lb\r\n\r\n"

static int unanswered = -1; /* whose answer must not come before the guard is asked again */

static bool is_asked_again(const struct agent_world *world)
{
    char byte;

    if (recv(unanswered, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
        fail_msg("it was answered from what was asked before it came");
    return is_asked(world);
}

static bool listens(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=health.listening");
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
    const struct plain_answer answer = plain_hear(fd);

    if (answer.status != status || strstr(answer.text, text) == NULL)
        fail_msg("\"%s\" is not %d with \"%s\"", answer.text, status, text);
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

    begin_listening(world, "health_listen", listens);
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
    assert_hears(second, 503, "this site has no lease");
}

/* A guard that hung: what it says at last is nobody's. */
static void a_late_answer_is_nobodys(void **state) /* 3.4 */
{
    struct agent_world *world = *state;
    int later;

    begin_listening(world, "health_listen", listens);
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

    begin_listening(world, "health_listen", listens);
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
