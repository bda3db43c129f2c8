/* breakwater guard: what steps leave running, and what of it ends with whom. The real program. Design 5.1, steps. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <signal.h>
#include <cmocka.h>

#include "guard_rig.h"
#include "lacking.h"
#include "steps_world.h"

/* A daemon far from its step, that shows an environment of its own alone. */
#define LEAVES_BARE(file)                                                                          \
    "(setsid env -i sh -c 'echo $$ >" file ".new; mv " file ".new " file "; exec sleep 600' "      \
    "</dev/null >/dev/null 2>&1 &)\nawait " file "\n"

/* As after a start script: it may go on writing. */
static void what_a_step_leaves_writes_on_without_it(void **state)
{
    struct rig *rig = *state;

    rig_put(
        rig, "service.sh", 0755,
        "#!/bin/sh\n" RIG_TELL_PID "while :; do echo I serve; cut -d' ' -f1 /proc/uptime >>beats; "
        "sleep 0.02; done\n");
    rig_put(rig, "a.sh", 0755,
            HEAD "setsid sh service.sh </dev/null &\nwhile [ ! -s beats ]; do sleep 0.01; done\n");
    put_steps(rig, "start_steps", "      - {name: a, script: a.sh}\n");
    begin_armed(rig, LONG_MS);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);

    rig_wait_beat(rig, rig_now_ms());
    rig_wait_beat(rig, rig_now_ms());
}

/* What shows no mark is told by who was there: no step that is done loses what it has left. */
static void what_a_try_left_without_a_mark_ends_with_it_and_nothing_else_does(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0755, HEAD AWAIT LEAVES_BARE("kept.pid"));
    rig_put(rig, "b.sh", 0755,
            HEAD AWAIT "[ $BREAKWATER_STEP_RUN = 2 ] && exec ./start.sh\n" LEAVES_BARE("bare.pid")
                       "exit 5\n");
    put_steps(rig, "start_steps",
              "      - {name: a, script: a.sh}\n"
              "      - {name: b, script: b.sh, needs: [a], retries: 1}\n");
    begin_armed(rig, LONG_MS);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);

    assert_false(is_alive(rig, "bare.pid"));
    assert_true(is_alive(rig, "kept.pid"));
}

/* Nor in a stop: it may have begun the server that follows another site. */
static void what_a_step_of_a_stop_has_left_outlives_a_try_that_fails(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0755, HEAD AWAIT LEAVES_BARE("kept.pid"));
    rig_put(rig, "b.sh", 0755,
            HEAD "[ $BREAKWATER_STEP_RUN = 2 ] || exit 5\n"
                 "read -r pid <kept.pid && kill -0 \"$pid\" && say alive\nexec ./stop.sh\n");
    put_steps(rig, "stop_steps",
              "      - {name: a, script: a.sh}\n"
              "      - {name: b, script: b.sh, needs: [a], retries: 1}\n");
    begin_armed(rig, LONG_MS);

    (void)rig_run(&rig->agent, 1, BW_ACTION_STOP); /* whether what was left is in its way is another matter */

    assert_true(rig_has(rig, "steps", "b alive"));
}

/* Whose it is cannot be told: the one that runs beside it must not lose its own. */
static void what_runs_beside_a_try_that_fails_is_not_ended_with_it(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0755, HEAD AWAIT LEAVES_BARE("kept.pid") "await again\n");
    rig_put(rig, "b.sh", 0755,
            HEAD AWAIT "[ $BREAKWATER_STEP_RUN = 2 ] && : >again && exec ./start.sh\n"
                       "await kept.pid\nexit 5\n");
    put_steps(rig, "start_steps",
              "      - {name: a, script: a.sh}\n"
              "      - {name: b, script: b.sh, retries: 1}\n");
    begin_armed(rig, LONG_MS);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);

    assert_true(is_alive(rig, "kept.pid"));
}

/* The guard that begins has ended it with the rest. */
static void what_had_left_a_process_is_run_again(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0755,
            HEAD "say begun\nsetsid sleep 600 </dev/null >/dev/null 2>&1 &\nsay ended\n");
    interrupt(rig);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);

    assert_int_equal(count_texts(rig, "steps", "a begun"), 2);
}

/* As one does that writes its title over its environment. */
static void what_had_left_a_process_without_a_mark_is_run_again(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0755, HEAD AWAIT "say begun\n" LEAVES_BARE("bare.pid") "say ended\n");
    interrupt(rig);
    if (rig_has(rig, "log", "event=reach.by_scan"))
        skip_lacking("cgroups");
    assert_false(is_alive(rig, "bare.pid")); /* the guard that began has ended it */

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);

    assert_int_equal(count_texts(rig, "steps", "a begun"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_step_leaves_writes_on_without_it),
        TEST(what_a_try_left_without_a_mark_ends_with_it_and_nothing_else_does),
        TEST(what_a_step_of_a_stop_has_left_outlives_a_try_that_fails),
        TEST(what_runs_beside_a_try_that_fails_is_not_ended_with_it),
        TEST(what_had_left_a_process_is_run_again),
        TEST(what_had_left_a_process_without_a_mark_is_run_again),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
