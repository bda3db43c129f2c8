/* guard: the fence window, restarts, letting go (design 3.2.4, 3.4, 3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "guard_world.h"

/* ---- the fence (3.2.4) ----------------------------------------------------------------------- */

static void fence_begins_at_d_minus_f_and_kills_what_runs(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);
    tick_at(&world, 107999);
    assert_not_asked(&world, "SPAWN:fence");

    tick_at(&world, 108000);

    assert_asked(&world, "KILL_RUN");
    assert_asked(&world, "SPAWN:fence GO");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_FENCE_BEGUN], 1);
}

/* Design 1: a right has ended when either clock has reached its end. */
static void fence_begins_when_either_clock_reaches_the_window(void **state)
{
    struct world world;
    struct bw_guard_actions out;
    const struct bw_guard_event event = {.kind = BW_GUARD_EVENT_TICK};

    (void)state;
    begin_armed(&world);

    bw_guard_step(&world.guard, &event, (struct bw_instant){101000 * MS, 108000 * MS}, &out);

    assert_int_equal(world.guard.fence, BW_FENCE_SCRIPT);
}

static void guard_that_lost_its_agent_fences_at_the_deadline(void **state)
{
    const struct bw_guard_event gone = {.kind = BW_GUARD_EVENT_AGENT_GONE};
    struct world world;

    (void)state;
    begin_armed(&world);
    step(&world, &gone);

    tick_at(&world, 108000);

    assert_asked(&world, "SPAWN:fence GO");
    assert_true(world.guard.memory.enforced); /* 3.9: silence takes nothing back */
}

static void fence_that_is_seen_to_succeed_is_followed_by_the_stop(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    assert_asked(&world, "SPAWN:status");

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_true(world.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
    assert_asked(&world, "SPAWN:stop");
    assert_not_asked(&world, "KILL_REACH");
}

static void fence_whose_status_is_not_stopped_escalates_to_term_and_kill(void **state)
{
    struct world world;
    struct bw_guard_event killed = {.kind = BW_GUARD_EVENT_REACH_KILLED, .ok = true};

    (void)state;
    begin_armed(&world);
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "unknown"); /* not seen: not a success */
    assert_asked(&world, "TERM_REACH");
    tick_at(&world, 108334); /* as far behind the TERM as at the deadline: F/6 */
    assert_asked(&world, "KILL_REACH");
    world.log[0] = '\0';
    step(&world, &killed);
    assert_asked(&world, "SPAWN:status");

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, ""); /* unknown: nobody has seen the end */

    assert_false(world.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
}

static void hanging_fence_script_is_overtaken_before_d(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    tick_at(&world, 108000);

    tick_at(&world, 109333);
    assert_not_asked(&world, "TERM_REACH");
    tick_at(&world, 109334); /* F is 2 s: TERM at D - F/3 */
    assert_asked(&world, "TERM_REACH");
    assert_true(world.wake_at.boot_ns < at_ms(109700).boot_ns);
    tick_at(&world, 109666);
    assert_not_asked(&world, "KILL_REACH");
    tick_at(&world, 109667);

    assert_asked(&world, "KILL_REACH"); /* at D - F/6, so that all is gone by D */
}

static void fence_after_which_the_service_is_started_has_failed_and_is_tried_again(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    fence_by_kill(&world, true);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
    assert_false(world.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
    assert_false(end(&world, 1));

    tick_at(&world, 112000);

    assert_asked(&world, "SPAWN:fence");
}

static void nothing_starts_once_the_fence_has_begun(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    tick_at(&world, 108000);

    run(&world, 1, BW_ACTION_START, 1);

    assert_int_equal(run_refusal(&world), BW_REFUSAL_FENCING);
    assert_not_asked(&world, "SPAWN:start");
}

/* 3.7: an agent that lost its state cannot end the old instance's epoch; once that was fenced and D
 * has come, it is no reason to refuse what follows. */
static void other_instance_may_act_once_the_old_lease_is_over_and_fenced(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
    hello(&world, instance_b);
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, ""); /* the stop that cleans up */
    tick_at(&world, 109999);
    run(&world, 2, BW_ACTION_REJOIN, 1);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_WRONG_INSTANCE);

    tick_at(&world, 110000);
    run(&world, 2, BW_ACTION_REJOIN, 2);

    assert_asked(&world, "SPAWN:rejoin");
}

/* ---- restarts (3.4, 3.7) ---------------------------------------------------------------------- */

static void restarted_guard_resumes_the_mirrored_deadline(void **state)
{
    struct world world;
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    (void)state;
    begin_armed(&world);
    memory = world.guard.memory;
    mirror = world.guard.mirror;

    bw_guard_init(&world.guard, "g", &limits, &memory, &mirror, at_ms(103000));
    tick_at(&world, 107999);
    assert_not_asked(&world, "SPAWN");
    tick_at(&world, 108000);

    assert_asked(&world, "SPAWN:fence");
}

static void enforced_group_that_serves_without_a_deadline_is_fenced_at_start(void **state)
{
    struct world world;
    const struct bw_guard_memory memory = {.epoch_seen = 3, .ended_epoch = 3, .enforced = true};

    (void)state;
    begin(&world);
    bw_guard_init(&world.guard, "g", &limits, &memory, NULL, at_ms(100000));
    tick_at(&world, 100000);
    assert_asked(&world, "SPAWN:status");

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");

    assert_asked(&world, "SPAWN:fence");
}

/* 3.9: enforced by its own first arm, so that no restart after the epoch's end forgets it. */
static void guard_that_armed_once_is_enforced_when_it_starts_again(void **state)
{
    struct world world;
    struct bw_guard_memory memory;

    (void)state;
    begin_armed(&world);
    memory = world.guard.memory;

    bw_guard_init(&world.guard, "g", &limits, &memory, NULL, at_ms(120000));
    tick_at(&world, 120000);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");

    assert_asked(&world, "SPAWN:fence");
}

static void interrupted_run_is_reported_to_the_next_agent(void **state)
{
    struct world world;
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 77);
    memory = world.guard.memory;
    mirror = world.guard.mirror;

    bw_guard_init(&world.guard, "g", &limits, &memory, &mirror, at_ms(101000));
    hello(&world, instance_a);

    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_INTERRUPTED);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 77);
}

/* ---- letting go (3.1, 3.9) -------------------------------------------------------------------- */

static void let_go_disarms_without_touching_and_the_epoch_is_never_armed_again(void **state)
{
    struct world world;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 1, .let_go_index = 9};

    (void)state;
    begin_armed(&world);

    message(&world, &of);

    assert_not_asked(&world, "SPAWN");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 1);
    tick_at(&world, 200000);
    assert_not_asked(&world, "SPAWN");
    assert_false(arm(&world, 1, 199900)); /* H17: a late confirmation */
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_EPOCH_ENDING);
}

static void what_was_let_go_is_not_armed_by_a_guard_that_begins_again_either(void **state)
{
    struct bw_guard_memory memory;
    struct world world;

    (void)state;
    begin_armed(&world);
    message(&world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 1, .let_go_index = 9});
    memory = world.guard.memory;

    bw_guard_init(&world.guard, "g", &limits, &memory, NULL, at_ms(101000));
    hello(&world, instance_a);

    assert_false(arm(&world, 1, 109000));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_EPOCH_ENDING);
}

/* 3.9: its arm was on its way when the group was let go. Found by the simulator. */
static void an_epoch_that_was_let_go_before_it_was_seen_is_not_armed(void **state)
{
    struct world world;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 2, .let_go_index = 9};

    (void)state;
    begin_armed(&world);

    message(&world, &of);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 1);
    assert_false(arm(&world, 2, 109000));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_EPOCH_ENDING);
    (void)arm(&world, 3, 109000);
    assert_int_not_equal(arm_refusal(&world), BW_REFUSAL_EPOCH_ENDING);
}

/* 3.9: it came late, over a new connection; since then the group was granted again. */
static void what_let_go_an_earlier_epoch_disarms_no_later_one(void **state)
{
    struct world world;
    struct bw_guard_message of = {
        .kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 0, .let_go_index = 9};

    (void)state;
    begin_armed(&world);

    message(&world, &of);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 0);
    tick_at(&world, 108000);
    assert_asked(&world, "SPAWN:fence");
}

/* That follows a fence: its script has ended, and a look has seen it. */
static void end_stop(struct world *world)
{
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(world->guard.stop, BW_GUARD_STOP_NONE);
}

/* The disk keeps the order waiting until the window has come: what that has begun ends the service yet. One that has
 * failed is not tried again: what serves is left as it is. */
static void a_let_go_that_waited_into_a_fence_is_confirmed_once_that_is_over(void **state) /* 3.9 */
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 1, .let_go_index = 9};
    struct world world;

    (void)state;
    for (int ends_well = 0; ends_well < 2; ends_well++) {
        begin_armed(&world);
        world.save_hangs = true;
        message(&world, &of);
        fence_by_kill(&world, true);

        saved(&world, true);
        message(&world, &of);
        assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 0);

        ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, ends_well ? "stopped" : "started");
        assert_false(bw_guard_is_fencing(&world.guard));
        if (ends_well) {
            message(&world, &of);
            assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 0); /* its stop runs yet */
            end_stop(&world);
        }
        message(&world, &of);
        assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 1);
        tick_at(&world, 300000);
        assert_not_asked(&world, "SPAWN:fence");
    }
}

static void begin_let_go_within_a_start(struct world *world, struct bw_guard_message *of)
{
    *of = (struct bw_guard_message){.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 1, .let_go_index = 9};
    begin_armed(world);
    run(world, 1, BW_ACTION_START, 5);
    message(world, of);
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    run(world, 1, BW_ACTION_STATUS, 6);
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped"); /* a unit that is activating */
    message(world, of);
    assert_int_equal(world->sent[BW_GUARD_MESSAGE_LET_GO_DONE], 0);
}

static void a_start_is_let_go_once_it_was_seen_to_serve(void **state)
{
    struct bw_guard_message of;
    struct world world;

    (void)state;
    begin_let_go_within_a_start(&world, &of);
    run(&world, 1, BW_ACTION_STATUS, 7);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");

    message(&world, &of);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 1);
    tick_at(&world, 200000);
    assert_not_asked(&world, "SPAWN");
}

static void a_start_that_is_not_seen_to_serve_is_fenced_before_it_is_let_go(void **state)
{
    struct bw_guard_message of;
    struct world world;

    (void)state;
    begin_let_go_within_a_start(&world, &of);

    tick_at(&world, 108000);

    assert_asked(&world, "SPAWN:fence");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    end_stop(&world);
    message(&world, &of);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 1);
}

/* It never served, and its epoch has ended: nothing is armed that could end it later. */
static void a_start_whose_epoch_has_ended_is_let_go_at_once(void **state)
{
    struct bw_guard_message of;
    struct world world;

    (void)state;
    begin_let_go_within_a_start(&world, &of);
    assert_true(end(&world, 1));

    message(&world, &of);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 1);
}

static void what_was_stopped_after_its_start_is_let_go_at_once(void **state)
{
    struct bw_guard_message of;
    struct world world;

    (void)state;
    begin_let_go_within_a_start(&world, &of);
    run(&world, 1, BW_ACTION_STOP, 7);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    message(&world, &of);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 1);
}

/* A fence that has begun is finished, and nothing runs beside it. */
static void stop_and_status_wait_for_the_end_of_the_fence(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    tick_at(&world, 108000);

    run(&world, 1, BW_ACTION_STOP, 1);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_FENCING);
    run(&world, 1, BW_ACTION_STATUS, 2);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_FENCING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fence_begins_at_d_minus_f_and_kills_what_runs),
        cmocka_unit_test(fence_begins_when_either_clock_reaches_the_window),
        cmocka_unit_test(guard_that_lost_its_agent_fences_at_the_deadline),
        cmocka_unit_test(fence_that_is_seen_to_succeed_is_followed_by_the_stop),
        cmocka_unit_test(fence_whose_status_is_not_stopped_escalates_to_term_and_kill),
        cmocka_unit_test(hanging_fence_script_is_overtaken_before_d),
        cmocka_unit_test(fence_after_which_the_service_is_started_has_failed_and_is_tried_again),
        cmocka_unit_test(nothing_starts_once_the_fence_has_begun),
        cmocka_unit_test(other_instance_may_act_once_the_old_lease_is_over_and_fenced),
        cmocka_unit_test(restarted_guard_resumes_the_mirrored_deadline),
        cmocka_unit_test(enforced_group_that_serves_without_a_deadline_is_fenced_at_start),
        cmocka_unit_test(guard_that_armed_once_is_enforced_when_it_starts_again),
        cmocka_unit_test(interrupted_run_is_reported_to_the_next_agent),
        cmocka_unit_test(let_go_disarms_without_touching_and_the_epoch_is_never_armed_again),
        cmocka_unit_test(what_was_let_go_is_not_armed_by_a_guard_that_begins_again_either),
        cmocka_unit_test(an_epoch_that_was_let_go_before_it_was_seen_is_not_armed),
        cmocka_unit_test(what_let_go_an_earlier_epoch_disarms_no_later_one),
        cmocka_unit_test(a_let_go_that_waited_into_a_fence_is_confirmed_once_that_is_over),
        cmocka_unit_test(a_start_is_let_go_once_it_was_seen_to_serve),
        cmocka_unit_test(a_start_that_is_not_seen_to_serve_is_fenced_before_it_is_let_go),
        cmocka_unit_test(a_start_whose_epoch_has_ended_is_let_go_at_once),
        cmocka_unit_test(what_was_stopped_after_its_start_is_let_go_at_once),
        cmocka_unit_test(stop_and_status_wait_for_the_end_of_the_fence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
