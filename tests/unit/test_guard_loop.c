/* guard_loop: a service that its own loop starts, which asks whether it may (design 3.4, driver). What a new
 * guard, an arm and a person make of it: test_guard_loop_kept.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_loop_world.h"

/* ---- the guard starts nothing ---------------------------------------------------------------- */

static void a_start_runs_nothing_and_lets_who_asks_begin(void **state)
{
    struct world world;

    (void)state;
    begin_loop(&world);
    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_LOOP_WAITS);

    run(&world, 1, BW_ACTION_START, 7);

    assert_not_asked(&world, "SPAWN");
    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_LEASE);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_BEGUN].begun.action, BW_ACTION_START);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 7);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
    assert_int_equal(world.guard.mirror.served, BW_SERVED_MAYBE); /* nobody sees it end */
}

static void nobody_hears_yes_before_the_mirror_knows(void **state) /* I1, H11 */
{
    struct world world;

    (void)state;
    begin_loop(&world);
    world.mirror_hangs = true;

    run(&world, 1, BW_ACTION_START, 7);

    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_LOOP_WAITS);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], 0);
    run(&world, 1, BW_ACTION_START, 8);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
}

static void a_start_that_cannot_be_mirrored_is_refused(void **state) /* I1, H11 */
{
    struct world world;

    (void)state;
    for (int has_yes = 0; has_yes <= 1; has_yes++) {
        begin_loop(&world);
        if (has_yes)
            run(&world, 1, BW_ACTION_START, 6);
        world.mirror_fails = true;

        run(&world, 1, BW_ACTION_START, 7);

        assert_int_equal(run_refusal(&world), BW_REFUSAL_NOT_DURABLE);
        assert_int_equal(may_run(&world, BEGIN_MS),
                         has_yes ? BW_MAY_RUN_LEASE : BW_MAY_RUN_LOOP_WAITS);
    }
}

/* 3.8: a guard that stood still lets begin nothing that it was told long before, and no mirror that comes late does. */
static void a_start_that_is_told_too_late_lets_nobody_begin(void **state)
{
    struct world world;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN, .epoch = 1};
    enum bw_served served;

    (void)state;
    for (int is_mirror_late = 0; is_mirror_late <= 1; is_mirror_late++) {
        begin_loop(&world);
        served = world.guard.mirror.served;
        world.mirror_hangs = is_mirror_late;
        of.run = (struct bw_guard_run){.epoch = 1, .action = BW_ACTION_START, .run_id = 7};
        of.run.not_after = at_ms(is_mirror_late ? world.now_ms + 1000 : world.now_ms - 1);

        message(&world, &of);
        if (is_mirror_late) {
            const struct bw_guard_event mirrored = {
                .kind = BW_GUARD_EVENT_MIRRORED, .ok = true, .number = world.guard.mirror_number};

            world.now_ms += 2000;
            step(&world, &mirrored);
        }

        assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 7);
        assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_TOO_LATE);
        assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], 1);
        assert_int_equal(may_run(&world, world.now_ms), BW_MAY_RUN_LOOP_WAITS);
        assert_int_equal(world.guard.mirror.served, served);
    }
}

/* Of a service that is down its loop goes on to hear yes: it may have started it just now. */
static void a_start_that_is_ordered_again_is_no_moment_without_a_yes(void **state)
{
    struct world world;

    (void)state;
    begin_started(&world);
    world.mirror_hangs = true;

    run(&world, 1, BW_ACTION_START, 8);

    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_LEASE);
}

/* Nor is it one more for what serves: who ordered it hears of it. */
static void a_look_beside_a_start_that_is_mirrored_is_no_yes(void **state) /* I1, H11 */
{
    struct world world;
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_MIRRORED, .ok = true};

    (void)state;
    begin_loop(&world);
    world.mirror_hangs = true;
    run(&world, 1, BW_ACTION_START, 7);

    look(&world, "started");

    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_LOOP_WAITS);
    event.number = world.guard.mirror_number;
    step(&world, &event);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 7);
    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_LEASE);
}

static void a_start_that_is_taken_back_while_it_is_mirrored_was_killed(void **state)
{
    struct world world;
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_MIRRORED, .ok = true};

    (void)state;
    begin_loop(&world);
    world.mirror_hangs = true;
    run(&world, 1, BW_ACTION_START, 7);
    run(&world, 1, BW_ACTION_STOP, 8);
    world.mirror_hangs = false;

    event.number = world.guard.waits[BW_GUARD_WAIT_LOOP] - 1;
    step(&world, &event);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], 0); /* of a mirror before */
    event.number = world.guard.mirror_number;
    step(&world, &event);

    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 7);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_KILLED);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.exit_status, -1); /* it had none */
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_BEGUN], 0);
}

static void who_has_gone_is_told_of_no_start(void **state)
{
    struct world world;
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_AGENT_GONE};

    (void)state;
    begin_loop(&world);
    world.mirror_hangs = true;
    run(&world, 1, BW_ACTION_START, 7);
    step(&world, &event);
    event = (struct bw_guard_event){
        .kind = BW_GUARD_EVENT_MIRRORED, .ok = true, .number = world.guard.mirror_number};

    step(&world, &event);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_BEGUN], 0);
    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_LEASE);
}

static void its_agent_is_told_of_the_loop(void **state)
{
    struct world world;

    (void)state;
    begin_loop(&world);
    hello(&world, instance_a);

    assert_int_equal(world.last[BW_GUARD_MESSAGE_GROUP_STATE].state.loop_delay_ms, LOOP_MS);
}

static void without_a_loop_a_start_needs_a_script(void **state)
{
    struct world world;

    (void)state;
    begin_loop(&world);
    world.guard.limits.loop_delay_ns = 0;

    run(&world, 1, BW_ACTION_START, 7);

    assert_int_equal(run_refusal(&world), BW_REFUSAL_NO_SCRIPT);
}

static void without_a_loop_a_stop_takes_nothing_back(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STOP, 8);

    assert_int_equal(world.guard.mirror.loop_taken_epoch, 0);
}

/* 3.9: an adopted service, or one that was begun before its guard was told of a loop. */
static void what_serves_under_its_lease_may_be_kept_up(void **state)
{
    struct world world;

    (void)state;
    begin_loop(&world);

    look(&world, "started");

    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_LEASE);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_BEGUN].begun.action, BW_ACTION_STATUS);
}

static void what_serves_after_its_stop_is_no_yes(void **state) /* I1 */
{
    struct world world;

    (void)state;
    begin_started(&world);
    a_stop_at(&world, 101000);
    tick_at(&world, 101000 + LOOP_MS);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(world.guard.mirror.stop_seen);

    look(&world, "started");

    assert_int_equal(may_run(&world, world.now_ms), BW_MAY_RUN_LOOP_WAITS);
    assert_false(end(&world, 1));
}

/* ---- no start is under way when an end is seen ----------------------------------------------- */

/* Who asked in the last moment in which it heard yes has begun by D - F, when the fence looks. */
static void yes_ends_its_delay_before_the_fence_window(void **state) /* I1, 3.4 driver */
{
    struct world world;

    (void)state;
    begin_started(&world);

    assert_int_equal(may_run(&world, 108000 - LOOP_MS - 1), BW_MAY_RUN_LEASE);
    assert_int_equal(may_run(&world, 108000 - LOOP_MS), BW_MAY_RUN_FENCE_WINDOW);
    tick_at(&world, 108000);
    assert_asked(&world, "SPAWN:fence");
    assert_false(world.guard.slots[BW_GUARD_SLOT_FENCE].beside_loop);
}

static void a_stop_begins_when_no_start_can_be_under_way(void **state) /* I1, 3.4 driver */
{
    struct world world;

    (void)state;
    begin_started(&world);
    a_stop_at(&world, 101000);

    assert_not_asked(&world, "SPAWN");
    assert_int_equal(may_run(&world, 101000), BW_MAY_RUN_STOPPING);
    tick_at(&world, 101000 + LOOP_MS - 1);
    assert_not_asked(&world, "SPAWN");
    assert_int_equal(world.wake_at.boot_ns, at_ms(101000 + LOOP_MS).boot_ns);
    tick_at(&world, 101000 + LOOP_MS);
    assert_asked(&world, "SPAWN:stop GO");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 8);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
    assert_true(end(&world, 1));
}

static void a_stop_waits_no_longer_than_to_the_fence_window(void **state)
{
    struct world world;

    (void)state;
    begin_started(&world);

    a_stop_at(&world, 107900);

    assert_int_equal(world.wake_at.boot_ns, at_ms(108000).boot_ns);
    tick_at(&world, 108000);
    assert_asked(&world, "SPAWN:fence");
    assert_int_equal(world.guard.stop, BW_GUARD_STOP_NONE);
}

static void beside_a_stop_that_waits_no_other_action_begins(void **state)
{
    struct world world;

    (void)state;
    begin_started(&world);
    a_stop_at(&world, 101000);

    run(&world, 1, BW_ACTION_STOP, 9);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
    run(&world, 1, BW_ACTION_START, 10);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
    assert_false(end(&world, 1));
    hello(&world, instance_a);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_GROUP_STATE].state.running, BW_ACTION_STOP);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_GROUP_STATE].state.running_run_id, 8);
}

/* It may have looked before the loop began. */
static void while_it_may_start_stopped_is_no_end(void **state) /* I1, 3.4 ended */
{
    struct world world;

    (void)state;
    begin_started(&world);

    look(&world, "stopped");

    assert_false(world.guard.mirror.stop_seen);
    assert_false(end(&world, 1));
    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why, BW_REFUSAL_BUSY);
    assert_int_equal(may_run(&world, world.now_ms),
                     BW_MAY_RUN_LOOP_WAITS); /* who ends, starts nothing */
    tick_at(&world, BEGIN_MS + LOOP_MS);
    look(&world, "stopped");
    assert_true(end(&world, 1));
}

static void a_look_that_began_before_a_yes_sees_no_end(void **state) /* I1, 3.3 */
{
    struct world world;

    (void)state;
    begin_loop(&world);
    run(&world, 1, BW_ACTION_STATUS, 90);
    run(&world, 1, BW_ACTION_START, 7);

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_false(world.guard.mirror.stop_seen);
}

/* Both clocks have to say so that no start is under way, and one that no yes is left. */
static void clocks_that_part_wait_for_the_slower_and_say_yes_by_the_faster(void **state) /* I1 */
{
    struct world world;

    (void)state;
    begin_started(&world);
    raw_slow_permille = 100;
    assert_int_equal(may_run(&world, 108000 - LOOP_MS), BW_MAY_RUN_FENCE_WINDOW);
    assert_false(end(&world, 1)); /* who ends, starts nothing */

    a_stop_at(&world, BEGIN_MS + LOOP_MS);

    assert_not_asked(&world, "SPAWN");
    tick_at(&world, BEGIN_MS + LOOP_MS + 200);
    assert_asked(&world, "SPAWN:stop");
}

static void an_ordered_fence_sees_no_end_beside_a_start(void **state) /* I1, 3.2.4 */
{
    struct world world;

    (void)state;
    begin_started(&world);
    world.now_ms = 101000;
    run(&world, 1, BW_ACTION_FENCE, 8);
    assert_asked(&world, "SPAWN:fence");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_CHECK);

    tick_at(&world, 101000 + LOOP_MS); /* a look that began before it ends now */
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_CHECK);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
}

/* What is ordered elsewhere only a script ends that has begun after the last start. */
static void of_what_is_elsewhere_the_script_runs_once_more(void **state) /* I1, 3.2.4 */
{
    struct world world;

    (void)state;
    begin_started(&world);
    world.guard.limits.reach = BW_REACH_REMOTE;
    world.now_ms = 101000;
    run(&world, 1, BW_ACTION_FENCE, 8);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    tick_at(&world, 101000 + LOOP_MS);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_asked(&world, "SPAWN:fence");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
}

/* After its KILL too. */
static void a_look_after_the_kill_counts_only_beside_no_start(void **state) /* I1, 3.2.4 */
{
    struct world world;

    (void)state;
    begin_started(&world);
    world.now_ms = 101000;
    run(&world, 1, BW_ACTION_FENCE, 8);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
    tick_at(&world, 101500);
    reach_killed(&world, true);
    assert_int_equal(world.guard.fence, BW_FENCE_RECHECK);
    assert_true(world.guard.mirror.loop_until.boot_ns > at_ms(101500).boot_ns);

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_RECHECK);
    tick_at(&world, 101000 + LOOP_MS);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
    assert_false(world.guard.memory.sight.proved); /* its loop may have ended it */
}

/* 3.9: who leaves observe would see `stopped` here. */
static void a_let_go_is_confirmed_when_no_start_can_be_under_way(void **state) /* I1, 3.9 */
{
    struct world world;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 1, .let_go_index = 5};

    (void)state;
    begin_started(&world);
    look(&world, "started");

    message(&world, &of);
    message(&world, &of);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 0);
    assert_int_equal(may_run(&world, world.now_ms), BW_MAY_RUN_NOT_ENFORCED);
    tick_at(&world, BEGIN_MS + LOOP_MS);
    message(&world, &of);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 1);
}

/* Ordered before, or while it is written down. */
static void what_is_let_go_no_stop_that_waits_touches(void **state) /* 3.9 */
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 1, .let_go_index = 5};
    struct world world;

    (void)state;
    for (int is_before = 0; is_before <= 1; is_before++) {
        begin_started(&world);
        look(&world, "started");
        world.save_hangs = true;
        if (!is_before)
            message(&world, &of);
        a_stop_at(&world, 101000);
        if (is_before)
            message(&world, &of);

        saved(&world, true);

        assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 8);
        assert_int_equal(run_refusal(&world), BW_REFUSAL_NOT_ARMED);
        tick_at(&world, 101000 + LOOP_MS);
        assert_not_asked(&world, "SPAWN");
        message(&world, &of);
        assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 1);
    }
}

/* It was answered as it ended: nobody is told of it again. */
static void of_a_stop_that_has_waited_and_ended_a_let_go_says_nothing(void **state) /* 3.9 */
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 1, .let_go_index = 5};
    struct world world;
    uint32_t told;

    (void)state;
    begin_started(&world);
    look(&world, "started");
    a_stop_at(&world, 101000);
    tick_at(&world, 101000 + LOOP_MS);
    assert_asked(&world, "SPAWN:stop");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_FAILED);
    told = world.sent[BW_GUARD_MESSAGE_RUN_ENDED];

    message(&world, &of);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], told);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 1);
}

/* Beside a rejoin of another site's epoch, which the stop ends first. */
static void a_stop_waits_for_what_it_ends_and_for_the_loop(void **state) /* 3.4 */
{
    struct world world;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 1, .let_go_index = 5};

    (void)state;
    begin_started(&world);
    world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
    look(&world, "started");
    message(&world, &of);
    run(&world, 2, BW_ACTION_REJOIN, 8);
    run(&world, 2, BW_ACTION_STOP, 9);
    assert_asked(&world, "KILL_RUN");

    tick_at(&world, BEGIN_MS + LOOP_MS);
    assert_not_asked(&world, "SPAWN");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_KILLED, "");

    assert_asked(&world, "SPAWN:stop");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_runs_nothing_and_lets_who_asks_begin),
        cmocka_unit_test(a_start_that_is_told_too_late_lets_nobody_begin),
        cmocka_unit_test(nobody_hears_yes_before_the_mirror_knows),
        cmocka_unit_test(a_start_that_cannot_be_mirrored_is_refused),
        cmocka_unit_test(a_start_that_is_ordered_again_is_no_moment_without_a_yes),
        cmocka_unit_test(a_look_beside_a_start_that_is_mirrored_is_no_yes),
        cmocka_unit_test(a_start_that_is_taken_back_while_it_is_mirrored_was_killed),
        cmocka_unit_test(who_has_gone_is_told_of_no_start),
        cmocka_unit_test(without_a_loop_a_start_needs_a_script),
        cmocka_unit_test(without_a_loop_a_stop_takes_nothing_back),
        cmocka_unit_test(what_serves_under_its_lease_may_be_kept_up),
        cmocka_unit_test(what_serves_after_its_stop_is_no_yes),
        cmocka_unit_test(yes_ends_its_delay_before_the_fence_window),
        cmocka_unit_test(a_stop_begins_when_no_start_can_be_under_way),
        cmocka_unit_test(a_stop_waits_no_longer_than_to_the_fence_window),
        cmocka_unit_test(beside_a_stop_that_waits_no_other_action_begins),
        cmocka_unit_test(while_it_may_start_stopped_is_no_end),
        cmocka_unit_test(a_look_that_began_before_a_yes_sees_no_end),
        cmocka_unit_test_teardown(clocks_that_part_wait_for_the_slower_and_say_yes_by_the_faster,
                                  two_clocks_as_one),
        cmocka_unit_test(an_ordered_fence_sees_no_end_beside_a_start),
        cmocka_unit_test(of_what_is_elsewhere_the_script_runs_once_more),
        cmocka_unit_test(a_look_after_the_kill_counts_only_beside_no_start),
        cmocka_unit_test(a_let_go_is_confirmed_when_no_start_can_be_under_way),
        cmocka_unit_test(what_is_let_go_no_stop_that_waits_touches),
        cmocka_unit_test(of_a_stop_that_has_waited_and_ended_a_let_go_says_nothing),
        cmocka_unit_test(a_stop_waits_for_what_it_ends_and_for_the_loop),
        cmocka_unit_test(its_agent_is_told_of_the_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
