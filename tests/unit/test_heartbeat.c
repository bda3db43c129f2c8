/* heartbeat: the service manager hears that the loop turns, as often as it wants. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include <breakwater/sys/heartbeat.h>

static int manager = -1;

static int listen_as_manager(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];

    (void)state;
    (void)snprintf(name, sizeof name, "@breakwater-heartbeat-%ld", (long)getpid());
    memcpy(address.sun_path, name, strlen(name));
    address.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return bind(manager, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) |
           setenv("NOTIFY_SOCKET", name, 1);
}

static int leave(void **state)
{
    (void)state;
    return close(manager);
}

static bool hears_a_beat(void)
{
    char contact[64] = "";

    if (recv(manager, contact, sizeof contact - 1, 0) <= 0)
        return false;
    assert_string_equal(contact, "WATCHDOG=1");
    return true;
}

static uint64_t period_of(const char *usec, const char *pid)
{
    uint64_t period_ms;

    assert_int_equal(setenv("WATCHDOG_USEC", usec, 1), 0);
    assert_int_equal(pid == NULL ? unsetenv("WATCHDOG_PID") : setenv("WATCHDOG_PID", pid, 1), 0);
    period_ms = bw_heartbeat_take_period_ms();
    assert_null(getenv("WATCHDOG_USEC")); /* no script beats for us */
    assert_null(getenv("WATCHDOG_PID"));
    return period_ms;
}

static void the_period_is_read_once_and_only_if_it_is_ours(void **state)
{
    char self[32];

    (void)state;
    (void)snprintf(self, sizeof self, "%ld", (long)getpid());
    assert_int_equal(period_of("10000000", self), 10000);
    assert_int_equal(bw_heartbeat_take_period_ms(), 0); /* it was taken */
    assert_int_equal(period_of("7200000000", NULL), 7200000); /* more than 32 bits of it */
    assert_int_equal(period_of("10000000", "1"), 0);
    assert_int_equal(period_of("10000000", "me"), 0);
    assert_int_equal(period_of("10s", self), 0);
    assert_int_equal(period_of("-5", self), 0);
    assert_int_equal(period_of("", self), 0);
    assert_int_equal(period_of("99999999999999999999999", self), 0);
}

struct life {
    uv_loop_t loop;
    struct bw_heartbeat heartbeat;
    int asked;
    int asked_max;
    bool is_well;
};

static bool is_well(void *user)
{
    struct life *life = user;

    if (++life->asked == life->asked_max)
        bw_heartbeat_close(&life->heartbeat);
    return life->is_well;
}

/* Turns until it was asked so often. */
static void live(struct life *life, const char *usec)
{
    assert_int_equal(setenv("WATCHDOG_USEC", usec, 1), 0);
    assert_int_equal(uv_loop_init(&life->loop), 0);
    bw_heartbeat_open(&life->heartbeat, &life->loop, is_well, life);
    assert_int_equal(uv_run(&life->loop, UV_RUN_DEFAULT), 0);
    bw_heartbeat_close(&life->heartbeat); /* in any state */
    assert_int_equal(uv_loop_close(&life->loop), 0);
}

static void it_beats_while_the_loop_turns_and_all_is_well(void **state)
{
    struct life well = {.asked_max = 3, .is_well = true};
    struct life ill = {.asked_max = 3, .is_well = false};
    uint64_t begun;

    (void)state;
    begun = uv_hrtime();
    live(&well, "40000");
    assert_true(uv_hrtime() - begun >= 15000000); /* two pauses of a quarter of it, more or less */
    for (int i = 0; i < 3; i++)
        assert_true(hears_a_beat());
    assert_false(hears_a_beat());
    live(&ill, "40000");
    assert_int_equal(ill.asked, 3);
    assert_false(hears_a_beat());
}

static void without_a_manager_that_wants_it_nothing_is_on_the_loop(void **state)
{
    struct life life = {.asked_max = 1, .is_well = true};

    (void)state;
    live(&life, "0");
    assert_int_equal(life.asked, 0);
    assert_false(hears_a_beat());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_period_is_read_once_and_only_if_it_is_ours),
        cmocka_unit_test(it_beats_while_the_loop_turns_and_all_is_well),
        cmocka_unit_test(without_a_manager_that_wants_it_nothing_is_on_the_loop),
    };

    return cmocka_run_group_tests(tests, listen_as_manager, leave);
}
