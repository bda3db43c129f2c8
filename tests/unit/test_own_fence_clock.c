/* own_fence: by the clock; TERM and KILL wait for nobody (design 3.2.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "own_fence_world.h"

/* ---- by the clock (3.2.4) ---------------------------------------------------------------------- */

static void term_comes_at_its_instant_and_what_then_has_stopped_is_not_killed(void **state)
{
    struct world world;

    (void)state;
    begin_script(&world);
    assert_wakes_at(&world, TERM_MS);

    turn_at(&world, TERM_MS - 1, "");
    turn_at(&world, TERM_MS, "TERM:F3");
    assert_wakes_at(&world, KILL_MS);
    turn_at(&world, TERM_MS + 1, "");

    run_ended(&world, false, "");
    turn(&world, "RUN:status:F2");
    run_ended(&world, true, "stopped");
    starts_seen(&world, true);
    turn_at(&world, END_MS, "ENDED:3:ok:F11"); /* it was seen; a turn that comes late kills nothing */
}

/* Either clock (1). */
static void term_and_kill_come_with_the_faster_clock(void **state)
{
    struct bw_own_fence_actions actions;
    struct world world;

    (void)state;
    for (int is_raw = 0; is_raw < 2; is_raw++) {
        struct bw_instant now = at_ms(BEGIN_MS);
        uint64_t *fast = is_raw ? &now.raw_ns : &now.boot_ns;

        begin_script(&world);
        *fast = is_raw ? at_ms(TERM_MS).raw_ns : at_ms(TERM_MS).boot_ns;
        bw_own_fence_step(&world.fence,
                          &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_TICK}, now,
                          &actions);
        assert_int_equal(actions.list[0].kind, BW_OWN_FENCE_ACTION_TERM_REACH);
        *fast = is_raw ? at_ms(KILL_MS).raw_ns : at_ms(KILL_MS).boot_ns;
        bw_own_fence_step(&world.fence,
                          &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_TICK}, now,
                          &actions);
        assert_int_equal(actions.list[0].kind, BW_OWN_FENCE_ACTION_KILL_REACH);
    }
}

static void a_script_that_does_not_end_delays_no_kill(void **state)
{
    struct world world;

    (void)state;
    begin_script(&world);
    turn_at(&world, TERM_MS, "TERM:F3");

    turn_at(&world, KILL_MS - 1, "");
    turn_at(&world, KILL_MS, "KILL:0:F4 KILL_RUN:F4");
    assert_true(bw_instant_is_never(world.actions.wake_at));
}

static void a_look_that_does_not_end_delays_no_kill(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);

    turn_at(&world, KILL_MS, "KILL:0:F4 KILL_RUN:F4");
}

static void starts_that_are_not_seen_in_time_delay_no_kill(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);
    run_ended(&world, true, "stopped");
    assert_wakes_at(&world, TERM_MS);

    turn_at(&world, TERM_MS, "TERM:F3");
    turn_at(&world, KILL_MS, "KILL:0:F4");
    starts_seen(&world, true);
    assert_string_equal(world.asked, "");
    reach_killed(&world, false);
    turn(&world, "");
    turn(&world, "RUN:status:F10");
    run_ended(&world, true, "stopped");
    turn(&world, "ENDED:3:failed:F12");
}

static void once_the_kill_has_begun_the_clock_asks_for_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);
    run_ended(&world, true, "started");
    turn(&world, "KILL:0:F5");
    assert_true(bw_instant_is_never(world.actions.wake_at));

    turn_at(&world, TERM_MS, "");
    turn_at(&world, KILL_MS, "");
    reach_killed(&world, true);
    turn_at(&world, END_MS, "");
    turn(&world, "RUN:status:F10");
    assert_int_equal(world.actions.list[0].limit_ns, STATUS_LIMIT_MS * MS);
    assert_true(bw_instant_is_never(world.actions.wake_at));
}

/* One that is to be over already: a restarted agent without guard and mirror (H10). */
static void where_no_time_is_left_the_kill_comes_first_and_the_script_late(void **state)
{
    struct world world;

    (void)state;
    begin_by(&world, 1);
    world.now_ms = END_MS + 5;
    start(&world, 3, END_MS);

    turn(&world, "KILL:0:F4");
    reach_killed(&world, true);
    assert_next_turn(&world);
    turn(&world, "RUN:fence:F9");
    assert_int_equal(world.actions.list[0].limit_ns, FENCE_LIMIT_MS * MS);
    run_ended(&world, false, "");
    assert_next_turn(&world);
    turn(&world, "RUN:status:F10");
    run_ended(&world, true, "stopped");
    turn(&world, "ENDED:3:ok:F11");
}

static void a_late_script_that_cannot_be_begun_is_left_out(void **state)
{
    struct world world;

    (void)state;
    begin_by(&world, 1);
    world.now_ms = END_MS;
    start(&world, 3, END_MS);
    turn(&world, "KILL:0:F4");
    reach_killed(&world, true);
    turn(&world, "RUN:fence:F9");

    run_unbegun(&world);
    assert_next_turn(&world);
    turn(&world, "RUN:status:F10");
}

static void between_term_and_kill_a_look_comes_before_any_script(void **state)
{
    struct world world;

    (void)state;
    begin_by(&world, 1);
    world.now_ms = TERM_MS;
    start(&world, 3, END_MS);

    turn(&world, "TERM:F3");
    turn(&world, "RUN:status:F2");
    assert_int_equal(world.actions.list[0].limit_ns, (KILL_MS - TERM_MS) * MS);
    run_ended(&world, true, "started");
    turn(&world, "KILL:0:F5");
    reach_killed(&world, true);
    turn(&world, "RUN:fence:F9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(term_comes_at_its_instant_and_what_then_has_stopped_is_not_killed),
        cmocka_unit_test(term_and_kill_come_with_the_faster_clock),
        cmocka_unit_test(a_script_that_does_not_end_delays_no_kill),
        cmocka_unit_test(a_look_that_does_not_end_delays_no_kill),
        cmocka_unit_test(starts_that_are_not_seen_in_time_delay_no_kill),
        cmocka_unit_test(once_the_kill_has_begun_the_clock_asks_for_nothing),
        cmocka_unit_test(where_no_time_is_left_the_kill_comes_first_and_the_script_late),
        cmocka_unit_test(a_late_script_that_cannot_be_begun_is_left_out),
        cmocka_unit_test(between_term_and_kill_a_look_comes_before_any_script),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
