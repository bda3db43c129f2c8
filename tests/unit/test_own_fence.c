/* own_fence: the fence that the agent runs when it cannot rely on its guard, step by step, and what of it is a
 * success (design 3.4, 3.2.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "own_fence_world.h"

/* ---- step after step (3.4) --------------------------------------------------------------------- */

static void what_the_script_has_stopped_is_looked_at_and_nothing_is_killed(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);

    run_ended(&world, true, "stopped");
    assert_string_equal(world.asked, "SEE_STARTS:F6");
    starts_seen(&world, true);
    assert_next_turn(&world);

    turn(&world, "ENDED:3:ok:F11");
    assert_false(bw_own_fence_is_running(&world.fence));
    assert_true(bw_instant_is_never(world.actions.wake_at));
    turn_at(&world, END_MS, "");
}

static void without_a_fence_script_the_stop_script_runs(void **state)
{
    struct world world;

    (void)state;
    begin_by(&world, 1);
    world.limits.has_script[BW_ACTION_FENCE] = false;
    start(&world, 3, END_MS);

    turn(&world, "RUN:stop:F1");
    assert_int_equal(world.actions.list[0].limit_ns, STOP_LIMIT_MS * MS);
}

/* 3.2.4: seen, not believed, and not despaired of either. */
static void the_word_of_the_script_counts_for_nothing(void **state)
{
    struct world world;

    (void)state;
    for (int ok = 0; ok < 2; ok++) {
        begin_script(&world);
        run_ended(&world, ok != 0, "stopped");
        assert_next_turn(&world);
        turn(&world, "RUN:status:F2");
    }
}

static void a_script_has_until_the_term_and_a_look_until_the_kill(void **state)
{
    struct world world;

    (void)state;
    begin_script(&world);
    assert_int_equal(world.actions.list[0].limit_ns, FENCE_LIMIT_MS * MS);
    begin_by(&world, 1);
    world.now_ms = 8000;
    start(&world, 3, END_MS);

    turn(&world, "RUN:fence:F1");
    assert_int_equal(world.actions.list[0].limit_ns, (TERM_MS - 8000) * MS);
    world.now_ms = 8900;
    run_ended(&world, true, "");
    turn(&world, "RUN:status:F2");
    assert_int_equal(world.actions.list[0].limit_ns, (KILL_MS - 8900) * MS);
}

/* The limits are the shell's, which may load others while a fence runs. */
static void limits_that_changed_since_are_those_of_the_next_script(void **state)
{
    struct world world;

    (void)state;
    begin_script(&world);
    world.limits.timeout_ns[BW_ACTION_STATUS] = 30 * MS;
    run_ended(&world, true, "");

    turn(&world, "RUN:status:F2");
    assert_int_equal(world.actions.list[0].limit_ns, 30 * MS);
}

/* ---- what is not seen to have stopped is killed at once (3.2.4) -------------------------------- */

static void what_is_not_seen_to_have_stopped_is_killed_before_its_instant(void **state)
{
    static const struct {
        bool ok;
        const char *line;
    } looks[] = {{true, "started"}, {true, ""}, {true, "stopped?"}, {false, "stopped"}};
    struct world world;

    (void)state;
    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        begin_look(&world);
        run_ended(&world, looks[i].ok, looks[i].line);
        assert_next_turn(&world);
        turn(&world, "KILL:0:F5");
    }
}

static void a_look_that_cannot_be_begun_is_followed_by_the_kill(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);

    run_unbegun(&world);
    assert_next_turn(&world);
    turn(&world, "KILL:0:F5");
}

static void a_script_that_cannot_be_begun_is_followed_by_the_kill_and_not_tried_again(void **state)
{
    struct world world;

    (void)state;
    begin_script(&world);

    run_unbegun(&world);
    assert_next_turn(&world);
    turn(&world, "KILL:0:F5");
    reach_killed(&world, true);
    turn(&world, "");
    turn(&world, "RUN:status:F10");
}

/* 3.2.4: a start that its guard can end no more goes on by itself. */
static void stopped_means_nothing_while_a_start_may_go_on(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);
    run_ended(&world, true, "stopped");

    starts_seen(&world, false);
    assert_next_turn(&world);
    turn(&world, "KILL:0:F7");
    reach_killed(&world, false);
    turn(&world, "RUN:fence:F31");
    run_ended(&world, true, "");
    assert_next_turn(&world);
    turn(&world, "RUN:status:F10");
    run_ended(&world, true, "stopped");
    turn(&world, "ENDED:3:failed:F12");
}

/* What a start left could order the service again when the script was over. */
static void after_the_kill_of_what_was_left_the_script_runs_once_more(void **state)
{
    struct world world;

    (void)state;
    for (int ok = 0; ok < 2; ok++) {
        begin_look(&world);
        run_ended(&world, true, "stopped");
        starts_seen(&world, false);
        turn(&world, "KILL:0:F7");
        reach_killed(&world, true);
        turn(&world, "RUN:fence:F31");
        run_ended(&world, ok != 0, "");
        turn(&world, "RUN:status:F10");
        run_ended(&world, true, "stopped");
        turn(&world, ok != 0 ? "ENDED:3:ok:F11" : "ENDED:3:failed:F12");
    }
}

/* 3.4: where a kill of this reach alone has ended the service once before, nothing but the kill is needed. */
static void where_the_reach_is_proved_the_script_does_not_run_again_after_the_kill_of_what_was_left(void **state)
{
    struct world world;

    (void)state;
    begin_by(&world, 1);
    start_seen(&world, true, true);
    turn(&world, "RUN:fence:F1");
    run_ended(&world, true, "");
    turn(&world, "RUN:status:F2");
    run_ended(&world, true, "stopped");
    starts_seen(&world, false);
    turn(&world, "KILL:0:F7");
    reach_killed(&world, true);
    turn(&world, "");
    turn(&world, "RUN:status:F10");
    run_ended(&world, true, "stopped");
    turn(&world, "ENDED:3:ok:F11");
}

/* ---- what is a success (3.2.4, 3.3) ------------------------------------------------------------ */

static void after_a_kill_it_succeeds_where_nothing_is_left_and_nothing_serves(void **state)
{
    static const struct {
        bool is_empty, ok;
        const char *line, *asked;
    } ends[] = {
        {true, true, "stopped", "ENDED:3:ok:F11"},
        {true, true, "", "ENDED:3:failed:F12"}, /* nobody has seen that nothing serves */
        {true, false, "stopped", "ENDED:3:failed:F12"},
        {false, true, "stopped", "ENDED:3:failed:F12"}, /* and may begin to serve again */
        {false, true, "", "ENDED:3:failed:F12"},
    };
    struct world world;

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        begin_look_again(&world, ends[i].is_empty);
        run_ended(&world, ends[i].ok, ends[i].line);
        assert_next_turn(&world);
        turn(&world, ends[i].asked);
    }
}

/* 3.4: a kill of this reach alone has ended the service once before. */
static void where_the_reach_is_proved_and_empty_a_look_need_not_say_stopped(void **state)
{
    struct world world;

    (void)state;
    for (int left = 0; left < 2; left++) {
        begin_by(&world, 1);
        start_seen(&world, true, true);
        turn(&world, "RUN:fence:F1");
        run_ended(&world, false, "");
        turn(&world, "RUN:status:F2");
        run_ended(&world, false, "");
        turn(&world, "KILL:0:F5");
        reach_killed(&world, left == 0);
        turn(&world, "");
        turn(&world, "RUN:status:F10");
        run_ended(&world, false, "");
        turn(&world, left == 0 ? "ENDED:3:ok:F11" : "ENDED:3:failed:F12");
    }
}

/* What was ordered elsewhere dies with no process here: `stopped` may be said of what yet comes. */
static void of_a_service_outside_stopped_counts_after_a_script_that_ended_well(void **state)
{
    struct world world;

    (void)state;
    for (int is_well = 0; is_well < 2; is_well++) {
        begin_by(&world, 1);
        start_seen(&world, false, false);
        turn(&world, "RUN:fence:F1");
        run_ended(&world, is_well != 0, "");
        turn(&world, "RUN:status:F2");
        run_ended(&world, true, "stopped");
        if (is_well != 0) {
            starts_seen(&world, true);
            turn(&world, "ENDED:3:ok:F11");
            continue;
        }
        turn(&world, "KILL:0:F5");
        reach_killed(&world, true);
        turn(&world, "");
        turn(&world, "RUN:status:F10");
        run_ended(&world, true, "stopped");
        turn(&world, "ENDED:3:failed:F12");
    }
}

/* TERM and KILL of the reach take nothing from it; its own script may be about to end it. */
static void the_script_of_a_service_outside_runs_on_to_the_end(void **state)
{
    struct world world;

    (void)state;
    for (int is_in_time = 0; is_in_time < 2; is_in_time++) {
        begin_by(&world, 1);
        start_seen(&world, false, false);
        turn(&world, "RUN:fence:F1");
        assert_int_equal(world.actions.list[0].limit_ns, FENCE_LIMIT_MS * MS); /* its own */
        turn_at(&world, TERM_MS, "TERM:F3");
        turn_at(&world, KILL_MS, "KILL:0:F4");
        assert_wakes_at(&world, END_MS);
        reach_killed(&world, true);
        turn(&world, "");
        if (is_in_time == 0) {
            turn_at(&world, END_MS, "KILL_RUN:F30");
            run_ended(&world, false, "");
            turn(&world, "");
        } else {
            run_ended(&world, true, "");
        }
        turn(&world, "RUN:status:F10");
        run_ended(&world, true, "stopped");
        turn(&world, is_in_time != 0 ? "ENDED:3:ok:F11" : "ENDED:3:failed:F12");
    }
}

/* An agent that was held up until the end: nothing is waited for any more. */
static void at_the_end_the_script_of_a_service_outside_is_cut_off_with_the_kill(void **state)
{
    struct world world;

    (void)state;
    begin_by(&world, 1);
    start_seen(&world, false, false);
    turn(&world, "RUN:fence:F1");
    turn_at(&world, END_MS - 1, "KILL:0:F4");

    begin_by(&world, 1);
    start_seen(&world, false, false);
    turn(&world, "RUN:fence:F1");
    turn_at(&world, END_MS, "KILL:0:F4 KILL_RUN:F4");
}

/* 3.2.4: what has to run once more after D has its own limit, and not what is left of none. */
static void a_script_that_runs_once_more_after_the_end_has_its_own_time(void **state)
{
    static const struct {
        uint64_t at_ms;
        const char *asked;
        uint64_t limit_ms;
    } kills[] = {{END_MS - 100, "RUN:fence:F31", 100}, {END_MS, "RUN:fence:F9", FENCE_LIMIT_MS}};
    struct world world;

    (void)state;
    for (size_t i = 0; i < sizeof kills / sizeof kills[0]; i++) {
        begin_look(&world);
        run_ended(&world, true, "stopped");
        starts_seen(&world, false);
        turn(&world, "KILL:0:F7");
        world.now_ms = kills[i].at_ms;
        reach_killed(&world, true);
        turn(&world, kills[i].asked);
        assert_int_equal(world.actions.list[0].limit_ns, kills[i].limit_ms * MS);
    }
}

static void look_is_ended_by_a_signal(struct world *world)
{
    happen(world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_RUN_ENDED,
                                               .was_signaled = true,
                                               .line = ""});
}

static void a_look_that_somebody_has_ended_is_repeated(void **state)
{
    struct world world;

    (void)state;
    begin_script(&world);
    run_ended(&world, true, "");
    turn(&world, "RUN:status:F2");
    look_is_ended_by_a_signal(&world);
    assert_next_turn(&world);
    turn(&world, "RUN:status:F2");
    run_ended(&world, true, "stopped");
    starts_seen(&world, true);
    turn(&world, "ENDED:3:ok:F11");

    begin_look_again(&world, true);
    look_is_ended_by_a_signal(&world);
    turn(&world, "RUN:status:F10");
    for (int i = 0; i < 100 && world.fence.state == BW_OWN_FENCE_LOOK_AGAIN; i++) {
        look_is_ended_by_a_signal(&world);
        happen(&world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_TICK});
    }
    assert_string_equal(world.asked, "ENDED:3:failed:F12"); /* there is an end to it */

    begin_look(&world); /* ... of each look for itself */
    for (int i = 0; i < 100 && world.fence.state == BW_OWN_FENCE_LOOK; i++) {
        look_is_ended_by_a_signal(&world);
        happen(&world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_TICK});
    }
    assert_int_equal(world.fence.state, BW_OWN_FENCE_KILL);
    reach_killed(&world, true);
    turn(&world, "");
    turn(&world, "RUN:status:F10");
    look_is_ended_by_a_signal(&world);
    turn(&world, "RUN:status:F10");
}

/* 3.2.4: Docker that hangs holds up no end, and what its containers are is not known then. systemd has to answer. */
static void what_docker_does_not_say_its_processes_and_a_script_do(void **state)
{
    static const struct {
        struct bw_own_fence_units units;
        bool is_script_well;
        bool are_down;
    } rows[] = {
        {{.is_told = true, .are_down = true}, false, true},
        {{.is_told = true, .is_any = true}, true, false},
        {{.are_down = true}, true, false}, /* as a look before had it */
        {{.are_containers = true, .is_told = true, .are_down = true}, false, true},
        {{.are_containers = true, .is_told = true}, true, false}, /* what has no process yet */
        {{.are_containers = true}, true, true},
        {{.are_containers = true}, false, false},
        {{.are_containers = true, .is_any = true}, true, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct bw_own_fence fence = {.is_script_well = rows[i].is_script_well};

        assert_int_equal(bw_own_fence_are_units_down(&fence, &rows[i].units), rows[i].are_down);
    }
}

static void what_still_serves_is_no_success_whatever_was_killed(void **state)
{
    struct world world;

    (void)state;
    begin_look_again(&world, true);
    run_ended(&world, true, "started");

    turn(&world, "ENDED:3:failed:F12");
}

static void a_last_look_that_cannot_be_begun_has_seen_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_look_again(&world, true);
    run_unbegun(&world);
    assert_next_turn(&world);
    turn(&world, "ENDED:3:failed:F12");
}

/* What one cannot see another may: only together do they say that nothing is left. */
static void each_of_the_means_kills_and_each_must_have_left_nothing(void **state)
{
    struct world world;

    (void)state;
    for (uint32_t left_by = 0; left_by < 4; left_by++) {
        begin_by(&world, 3);
        start(&world, 3, END_MS);
        turn(&world, "RUN:fence:F1");
        run_unbegun(&world);
        turn(&world, "KILL:0:F5");
        reach_killed(&world, left_by != 0);
        assert_next_turn(&world);
        turn(&world, "KILL:1:F8");
        reach_killed(&world, left_by != 1);
        turn(&world, "KILL:2:F8");
        reach_killed(&world, left_by != 2);
        turn(&world, "");
        turn(&world, "RUN:status:F10");
        run_ended(&world, true, "stopped");
        turn(&world, left_by == 3 ? "ENDED:3:ok:F11" : "ENDED:3:failed:F12");
    }
}

/* ---- what holds between its steps -------------------------------------------------------------- */

/* `change` breaks a copy of the fence, and `fact` is what is then said not to hold. */
#define BREAKS(of, change, fact)                                                                  \
    do {                                                                                          \
        struct bw_own_fence broken = (of);                                                        \
        const char *wrong;                                                                        \
                                                                                                  \
        assert_null(bw_own_fence_unsound(&broken));                                               \
        change;                                                                                   \
        wrong = bw_own_fence_unsound(&broken);                                                    \
        assert_non_null(wrong);                                                                   \
        assert_string_equal(wrong, fact);                                                         \
    } while (0)

static void each_fact_of_a_fence_that_does_not_hold_is_named(void **state)
{
    struct world world;
    struct bw_own_fence none;

    (void)state;
    begin_by(&world, 1);
    none = world.fence;
    BREAKS(none, broken.next_epoch = 3, "the own fence: what waits for its end has one to wait for");
    BREAKS(none, broken.is_due = true, "the own fence: nothing is due of one that is over");
    BREAKS(none, broken.run = BW_OWN_FENCE_RUN_UNDER_WAY,
           "the own fence: nothing runs of one that is over");
    BREAKS(none, broken.means = 1, "the own fence: it kills by a means that is there");
    begin_script(&world);
    assert_int_equal(world.fence.run, BW_OWN_FENCE_RUN_UNDER_WAY);
    BREAKS(world.fence, broken.epoch = 0, "the own fence: one that runs is of an epoch");
    BREAKS(world.fence, broken.state = BW_OWN_FENCE_STARTS,
           "the own fence: no script runs while it looks where starts run");
    BREAKS(world.fence, broken.state = BW_OWN_FENCE_END, "the own fence: no script runs at its end");
    BREAKS(world.fence, broken.runs_on = true; broken.run = BW_OWN_FENCE_RUN_CUT_OFF,
           "the own fence: what runs on is under way");
    BREAKS(world.fence, broken.runs_on = true,
           "the own fence: only beside the KILL a script runs on");
    BREAKS(world.fence, broken.is_reach_empty = true,
           "the own fence: its reach is empty only after its KILL");
    world.fence.was_killed = true;
    world.fence.is_reach_empty = true;
    world.fence.runs_on = true;
    world.fence.next_epoch = 4;
    assert_null(bw_own_fence_unsound(&world.fence));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_script_has_stopped_is_looked_at_and_nothing_is_killed),
        cmocka_unit_test(without_a_fence_script_the_stop_script_runs),
        cmocka_unit_test(the_word_of_the_script_counts_for_nothing),
        cmocka_unit_test(a_script_has_until_the_term_and_a_look_until_the_kill),
        cmocka_unit_test(limits_that_changed_since_are_those_of_the_next_script),
        cmocka_unit_test(what_is_not_seen_to_have_stopped_is_killed_before_its_instant),
        cmocka_unit_test(a_look_that_cannot_be_begun_is_followed_by_the_kill),
        cmocka_unit_test(a_script_that_cannot_be_begun_is_followed_by_the_kill_and_not_tried_again),
        cmocka_unit_test(stopped_means_nothing_while_a_start_may_go_on),
        cmocka_unit_test(after_the_kill_of_what_was_left_the_script_runs_once_more),
        cmocka_unit_test(where_the_reach_is_proved_the_script_does_not_run_again_after_the_kill_of_what_was_left),
        cmocka_unit_test(after_a_kill_it_succeeds_where_nothing_is_left_and_nothing_serves),
        cmocka_unit_test(where_the_reach_is_proved_and_empty_a_look_need_not_say_stopped),
        cmocka_unit_test(of_a_service_outside_stopped_counts_after_a_script_that_ended_well),
        cmocka_unit_test(the_script_of_a_service_outside_runs_on_to_the_end),
        cmocka_unit_test(at_the_end_the_script_of_a_service_outside_is_cut_off_with_the_kill),
        cmocka_unit_test(a_look_that_somebody_has_ended_is_repeated),
        cmocka_unit_test(what_docker_does_not_say_its_processes_and_a_script_do),
        cmocka_unit_test(what_still_serves_is_no_success_whatever_was_killed),
        cmocka_unit_test(a_last_look_that_cannot_be_begun_has_seen_nothing),
        cmocka_unit_test(each_of_the_means_kills_and_each_must_have_left_nothing),
        cmocka_unit_test(each_fact_of_a_fence_that_does_not_hold_is_named),
        cmocka_unit_test(a_script_that_runs_once_more_after_the_end_has_its_own_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
