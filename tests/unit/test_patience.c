/* patience: bounds of waits scale with the machine, bounds of promises never (tests/support/patience.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lacking.h"
#include "patience.h"

#define LIMIT_MS 60000u
#define HOG_MS   100u

/* ---- waits ---- */

static uint64_t now_ms(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A wait that has lasted for `ms`. */
static struct patience begun_before(uint64_t ms)
{
    struct patience patience = patience_begin(LIMIT_MS);

    patience.begin_ns -= ms * 1000000;
    return patience;
}

static int forget_hooks(void **state)
{
    (void)state;
    patience_hooks = (struct patience_hooks){0};
    return 0;
}

static void nothing_is_measured_within_the_bound(void **state)
{
    struct patience patience = patience_begin(60000);

    (void)state;
    patience_hooks.slowness = 1;

    assert_false(patience_is_over(&patience));
    assert_int_equal(patience_hooks.measured, 0);
}

static void an_idle_machine_gets_the_bound_alone(void **state)
{
    struct patience patience = begun_before(LIMIT_MS);

    (void)state;
    patience_hooks.slowness = 0.1;

    assert_true(patience_is_over(&patience));
    assert_int_equal(patience_hooks.measured, 1);
}

static void a_slow_machine_gets_more(void **state)
{
    struct patience patience = begun_before(2 * LIMIT_MS);
    struct patience later = begun_before(3 * LIMIT_MS);

    (void)state;
    patience_hooks.slowness = 3;

    assert_false(patience_is_over(&patience));
    assert_true(patience_is_over(&later));
}

static void no_machine_gets_more_than_eightfold(void **state)
{
    struct patience patience = begun_before(7 * LIMIT_MS);
    struct patience later = begun_before(PATIENCE_SLOWEST * LIMIT_MS);

    (void)state;
    patience_hooks.slowness = 1000;

    assert_false(patience_is_over(&patience));
    assert_int_equal(patience.slowness, PATIENCE_SLOWEST);
    assert_true(patience_is_over(&later));
    assert_int_equal(patience_hooks.measured, 1); /* nothing of the later one: it could change nothing */
}

static void the_largest_slowness_counts(void **state)
{
    struct patience patience = begun_before(LIMIT_MS);

    (void)state;
    patience_hooks.slowness = 6;
    assert_false(patience_is_over(&patience));
    patience_hooks.slowness = 1;
    patience.begin_ns -= (uint64_t)LIMIT_MS * 1000000;
    patience.measured_ns -= (uint64_t)LIMIT_MS * 1000000; /* again, then */

    assert_false(patience_is_over(&patience));
    assert_int_equal(patience_hooks.measured, 2);
    assert_int_equal(patience.slowness, 6);
}

static void an_eighth_of_the_bound_lies_between_two_measurements(void **state)
{
    struct patience patience = patience_begin(60000);

    (void)state;
    patience_hooks.slowness = 6;
    patience.begin_ns -= UINT64_C(61000) * 1000000;

    for (int i = 0; i < 100; i++)
        assert_false(patience_is_over(&patience));
    assert_int_equal(patience_hooks.measured, 1);
}

/* How much is not asserted: other work of this machine is measured, too. */
static void the_machine_is_measured(void **state)
{
    (void)state;
    assert_true(patience_measure() > 0.05);
}

/* ---- the exit status ---- */

static int wait_in_vain(void **state)
{
    struct patience patience = begun_before(PATIENCE_SLOWEST * LIMIT_MS);

    (void)state;
    while (!patience_is_over(&patience))
        ;
    patience_fail("%s", "it never comes");
}

static int fail_at_once(void **state)
{
    (void)state;
    fail_msg("wrong");
    return 0;
}

static int refuse(void **state)
{
    (void)state;
    return -1;
}

static void passes(void **state)
{
    (void)state;
}

static void waits(void **state)
{
    (void)wait_in_vain(state);
}

static void fails(void **state)
{
    (void)fail_at_once(state);
}

static bool never_holds(void *user)
{
    ++*(int *)user;
    return false;
}

static void stalls(void **state)
{
    static const unsigned stalls_ms[] = {50, 50, 50};
    int runs = 0;

    (void)state;
    patience_hooks.stalls_ms = stalls_ms;
    claim_in_time(10, never_holds, &runs);
}

static void is_late(void **state)
{
    static const unsigned stalls_ms[] = {10, 10, 10};
    int runs = 0;

    (void)state;
    patience_hooks.stalls_ms = stalls_ms;
    claim_in_time(10, never_holds, &runs);
}

/* A child of a test that ends with the number of its parent's failures. */
static void has_a_child(void **state)
{
    int status = 0;
    pid_t pid;

    (void)state;
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0)
        exit(1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

/* What was waited for has crashed. */
static void waits_for_a_failed_child(void **state)
{
    siginfo_t info = {0};
    pid_t pid;

    (void)fflush(NULL);
    pid = fork();
    if (pid == 0)
        _exit(1);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    (void)wait_in_vain(state);
}

static void aborts(void **state)
{
    (void)state;
    abort();
}

static int run_some(const char *what)
{
    const struct CMUnitTest some[] = {
        cmocka_unit_test(passes),
        cmocka_unit_test(waits),
        cmocka_unit_test_setup(passes, wait_in_vain),
        cmocka_unit_test_teardown(passes, wait_in_vain),
        cmocka_unit_test_teardown(waits, wait_in_vain),
        cmocka_unit_test(stalls),
        cmocka_unit_test(has_a_child),
        cmocka_unit_test(fails),
        cmocka_unit_test_setup(passes, refuse),
        cmocka_unit_test_teardown(waits, fail_at_once),
        cmocka_unit_test_teardown(fails, wait_in_vain),
        cmocka_unit_test(is_late),
        cmocka_unit_test(aborts),
        cmocka_unit_test(waits_for_a_failed_child),
    };
    const size_t count = sizeof some / sizeof some[0];
    struct CMUnitTest chosen[16];
    size_t chosen_count = 0;

    for (const char *at = what; *at >= 'a' && (size_t)(*at - 'a') < count && chosen_count < 16; at++)
        chosen[chosen_count++] = some[*at - 'a'];
    return _cmocka_run_group_tests("some", chosen, chosen_count, NULL, NULL);
}

/* Letters are tests of a group; a comma begins a second one; ! is a setup of a group that waits in vain. */
static int run_words(const char *what)
{
    const char *comma = strchr(what, ',');
    const struct CMUnitTest one[] = {cmocka_unit_test(passes)};

    if (strcmp(what, "!") == 0)
        return cmocka_run_group_tests(one, wait_in_vain, NULL);
    if (strcmp(what, "75") == 0)
        return PATIENCE_STATUS;
    return run_some(what) + (comma != NULL ? run_some(comma + 1) : 0);
}

static const char *program;

/* This program with those tests: what waitpid says of its end. */
static int end_of(const char *what)
{
    int status = 0;
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)unsetenv("TEST_FILTER");
        (void)!freopen("/dev/null", "w", stdout);
        (void)dup2(STDOUT_FILENO, STDERR_FILENO);
        (void)execl(program, program, what, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void assert_ends_with(const char *what, int expected)
{
    const int status = end_of(what);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
        fail_msg("%s: status %#x, expected exit %d", what, (unsigned)status, expected);
}

static void a_program_that_passes_ends_with_0(void **state)
{
    (void)state;
    assert_ends_with("a", 0);
    assert_ends_with("aag", 0);
}

static void a_program_in_which_only_waits_failed_says_so(void **state)
{
    (void)state;
    assert_ends_with("ab", PATIENCE_STATUS);
    assert_ends_with("bcd", PATIENCE_STATUS);
    assert_ends_with("e", PATIENCE_STATUS);
    assert_ends_with("aef", PATIENCE_STATUS);
    assert_ends_with("bg", PATIENCE_STATUS);
    assert_ends_with("b,ac", PATIENCE_STATUS);
    assert_ends_with("b,g", PATIENCE_STATUS);
    assert_ends_with("!", PATIENCE_STATUS);
}

/* Leaks of a test that was left are found, too, where leaks are looked for: any status but 0 and that of a wait. */
static void assert_ends_ordinarily(const char *what)
{
    const int status = end_of(what);

    if (!WIFEXITED(status) || WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == PATIENCE_STATUS)
        fail_msg("%s: status %#x", what, (unsigned)status);
}

static void any_other_failure_beside_them_is_an_ordinary_one(void **state)
{
    (void)state;
    assert_ends_ordinarily("h");
    assert_ends_ordinarily("bh");
    assert_ends_ordinarily("eh");
    assert_ends_ordinarily("ei");
    assert_ends_ordinarily("j");
    assert_ends_ordinarily("k");
    assert_ends_ordinarily("l");
    assert_ends_ordinarily("bl");
    assert_ends_ordinarily("b,h");
    assert_ends_ordinarily("75");
    assert_ends_ordinarily("n");
}

static void a_crash_keeps_its_status(void **state)
{
    const int status = end_of("bm");

    (void)state;
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == PATIENCE_STATUS);
    assert_int_not_equal(status, 0);
}

/* ---- claims about time ---- */

static bool holds_at_last(void *user)
{
    int *left = user;

    return --*left == 0;
}

static void a_claim_that_holds_is_run_once(void **state)
{
    static const unsigned stalls_ms[] = {5000};
    int runs = 1;

    (void)state;
    patience_hooks.stalls_ms = stalls_ms;
    claim_in_time(10, holds_at_last, &runs);
    assert_int_equal(runs, 0);
}

static void a_claim_is_run_again_where_the_machine_stalled(void **state)
{
    static const unsigned stalls_ms[] = {11, 11, 0};
    int runs = 3;

    (void)state;
    patience_hooks.stalls_ms = stalls_ms;
    claim_in_time(10, holds_at_last, &runs);
    assert_int_equal(runs, 0);
    assert_ptr_equal(patience_hooks.stalls_ms, stalls_ms + 3);
}

/* In a real-time process for each core: what sleeps there is not woken. */
static void hog(unsigned core)
{
    const struct sched_param lowest = {.sched_priority = 1};
    const uint64_t end_ms = now_ms() + HOG_MS;
    cpu_set_t cores;

    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    if (sched_setaffinity(0, sizeof cores, &cores) != 0 || sched_setscheduler(0, SCHED_FIFO, &lowest) != 0)
        _exit(1);
    while (now_ms() < end_ms)
        ;
    _exit(0);
}

static void the_probe_sees_a_stall(void **state)
{
    cpu_set_t cores;
    int status = 0;
    bool are_real_time = true;
    unsigned stall_ms;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof cores, &cores), 0);
    stall_probe_begin();
    for (unsigned core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, &cores)) {
            const pid_t pid = fork();

            assert_true(pid >= 0);
            if (pid == 0)
                hog(core);
        }
    while (waitpid(-1, &status, 0) > 0)
        are_real_time = are_real_time && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    stall_ms = stall_probe_end();
    if (!are_real_time)
        skip_lacking("realtime");
    assert_true(stall_ms >= HOG_MS / 2);
}

/* Of one that asserts inside, the probe is left running. */
static void a_probe_that_was_left_is_ended_by_the_next(void **state)
{
    (void)state;
    stall_probe_begin();
    stall_probe_begin();
    (void)stall_probe_end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_measured_within_the_bound, forget_hooks),
        cmocka_unit_test_setup(an_idle_machine_gets_the_bound_alone, forget_hooks),
        cmocka_unit_test_setup(a_slow_machine_gets_more, forget_hooks),
        cmocka_unit_test_setup(no_machine_gets_more_than_eightfold, forget_hooks),
        cmocka_unit_test_setup(the_largest_slowness_counts, forget_hooks),
        cmocka_unit_test_setup(an_eighth_of_the_bound_lies_between_two_measurements, forget_hooks),
        cmocka_unit_test_setup(the_machine_is_measured, forget_hooks),
        cmocka_unit_test(a_program_that_passes_ends_with_0),
        cmocka_unit_test(a_program_in_which_only_waits_failed_says_so),
        cmocka_unit_test(any_other_failure_beside_them_is_an_ordinary_one),
        cmocka_unit_test(a_crash_keeps_its_status),
        cmocka_unit_test_setup_teardown(a_claim_that_holds_is_run_once, forget_hooks, forget_hooks),
        cmocka_unit_test_setup_teardown(a_claim_is_run_again_where_the_machine_stalled, forget_hooks, forget_hooks),
        cmocka_unit_test_setup(the_probe_sees_a_stall, forget_hooks),
        cmocka_unit_test(a_probe_that_was_left_is_ended_by_the_next),
    };

    program = argv[0];
    if (argc > 1)
        return run_words(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
