/* guard: arms, starts, stops, ends; one action at a time (design 3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "guard_world.h"

/* ---- arms (3.4) ---------------------------------------------------------------------------- */

static void first_arm_is_durable_before_it_is_acknowledged(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_fails = true;

    assert_false(arm(&world, 1, 100000));

    assert_int_equal(arm_refusal(&world), BW_REFUSAL_NOT_DURABLE);
    assert_int_equal(world.guard.memory.epoch_seen, 0);
    assert_false(bw_instant_is_later(world.guard.mirror.armed_end, at_ms(0)));
}

static void arm_that_is_not_mirrored_is_refused_and_moves_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.now_ms = 101000;
    world.mirror_fails = true;

    assert_false(arm(&world, 1, 101000));

    assert_int_equal(world.guard.mirror.armed_end.boot_ns, at_ms(110000).boot_ns);
}

/* 3.4: what ends a service rests on nothing durable. What rests on the epoch still waits for it. */
static void stop_and_fence_of_an_epoch_that_cannot_be_kept_run_all_the_same(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
    world.save_fails = true;

    run(&world, 3, BW_ACTION_STOP, 1);

    assert_asked(&world, "SPAWN:stop GO");
    assert_int_equal(world.guard.memory.epoch_seen, 0);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
    assert_false(end(&world, 3));
    run(&world, 3, BW_ACTION_REJOIN, 2);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_NOT_DURABLE);
    assert_false(arm(&world, 3, 100000));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_NOT_DURABLE);
    run(&world, 4, BW_ACTION_FENCE, 3);
    assert_asked(&world, "SPAWN:fence GO");
    assert_int_equal(world.guard.memory.epoch_seen, 0);
}

static void lower_epoch_than_one_seen_is_refused(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    assert_true(arm(&world, 5, 100000));

    assert_false(arm(&world, 4, 100000));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_OLD_EPOCH);
    run(&world, 4, BW_ACTION_STOP, 1);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_OLD_EPOCH);
}

static void armed_deadline_only_moves_later(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.now_ms = 102000;
    assert_true(arm(&world, 1, 101000));

    assert_false(arm(&world, 1, 100500));

    assert_int_equal(arm_refusal(&world), BW_REFUSAL_END_NOT_LATER);
    assert_int_equal(world.guard.mirror.armed_end.boot_ns, at_ms(111000).boot_ns);
}

static void deadline_beyond_now_plus_ttl_is_refused(void **state)
{
    struct world world;

    (void)state;
    begin(&world);

    assert_false(arm(&world, 1, 100001)); /* "sent" in the future */

    assert_int_equal(arm_refusal(&world), BW_REFUSAL_END_TOO_FAR);
}

/* H8: the fence's timer has not been served yet, the arm is read first. */
static void arm_handled_in_the_fence_window_is_refused_and_the_fence_begins(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.now_ms = 108000; /* D - F */

    assert_false(arm(&world, 1, 107900));

    assert_int_equal(arm_refusal(&world), BW_REFUSAL_FENCING);
    assert_asked(&world, "SPAWN:fence");
}

static void other_instance_may_neither_arm_nor_end_nor_stop(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    hello(&world, instance_b);

    assert_false(arm(&world, 1, 100000));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_WRONG_INSTANCE);
    assert_false(end(&world, 1));
    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why,
                     BW_REFUSAL_WRONG_INSTANCE);
    run(&world, 1, BW_ACTION_STOP, 1);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_WRONG_INSTANCE);
}

static void higher_epoch_is_not_armed_while_the_old_lease_lives(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);

    assert_false(arm(&world, 2, 100000));

    assert_int_equal(arm_refusal(&world), BW_REFUSAL_BUSY);
}

/* ---- starts (3.4) -------------------------------------------------------------------------- */

static void start_is_refused_without_an_armed_lease(void **state)
{
    struct world world;

    (void)state;
    begin(&world);

    run(&world, 1, BW_ACTION_START, 1);

    assert_int_equal(run_refusal(&world), BW_REFUSAL_NOT_ARMED);
    assert_not_asked(&world, "SPAWN");
}

static void start_gets_its_go_ahead_only_before_the_fence_window(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);

    run(&world, 1, BW_ACTION_START, 1);

    assert_asked(&world, "SPAWN:start GO");
    assert_int_equal(world.go_not_after.boot_ns, at_ms(108000).boot_ns); /* H7: D - F, not D */
}

/* H11: a child that no mirror knows of gets no go-ahead. */
static void start_that_is_not_mirrored_is_killed(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.mirror_fails = true;

    run(&world, 1, BW_ACTION_START, 1);

    assert_not_asked(&world, "GO");
    assert_asked(&world, "KILL_RUN");
}

static void two_actions_never_run_at_once(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);

    run(&world, 1, BW_ACTION_START, 2);

    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
    assert_not_asked(&world, "SPAWN");
}

static void stop_ends_the_start_that_runs_and_follows_it(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);

    run(&world, 1, BW_ACTION_STOP, 2);
    assert_asked(&world, "KILL_RUN");
    assert_not_asked(&world, "SPAWN:stop");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");

    assert_asked(&world, "SPAWN:stop GO");
}

/* ---- stops are believed when status says so (4) ---------------------------------------------- */

static void stop_succeeds_only_when_status_says_stopped(void **state)
{
    struct world world;
    uint32_t answers;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    run(&world, 1, BW_ACTION_STOP, 2);
    answers = world.sent[BW_GUARD_MESSAGE_RUN_ENDED];
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, ""); /* exit 0 alone proves nothing */
    assert_asked(&world, "SPAWN:status");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], answers);
    assert_false(end(&world, 1));

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    tick_at(&world, world.now_ms + 200);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], answers + 1);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
    assert_true(end(&world, 1));
}

/* The slot is for its own, on which the answer to the stop waits. */
static void look_is_refused_between_the_looks_after_a_stop(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    assert_true(arm(&world, 1, BEGIN_MS));
    run(&world, 1, BW_ACTION_STOP, 7);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_asked(&world, "SPAWN:status");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    run(&world, 1, BW_ACTION_STATUS, 8);
    assert_not_asked(&world, "SPAWN");
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 8);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
}

/* 3.5: what the agent looked at before says nothing of the end, whatever it is, and takes as long as its script. */
static void look_that_began_before_makes_way_for_that_of_the_stop(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    run(&world, 1, BW_ACTION_STATUS, 7);
    run(&world, 1, BW_ACTION_STOP, 2);
    assert_not_asked(&world, "KILL_RUN"); /* the stop may take longer than the look */
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_asked(&world, "KILL_RUN");

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_KILLED, "");

    assert_asked(&world, "SPAWN:status");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 2);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
}

/* One that was asked for between the end's way to the disk and its answer. */
static void look_that_began_before_makes_way_for_that_of_an_end(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    run(&world, 1, BW_ACTION_STOP, 2);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    run(&world, 1, BW_ACTION_STATUS, 7);
    world.end_look_hangs = true;
    assert_false(end(&world, 1));
    assert_asked(&world, "KILL_RUN");

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_KILLED, "");
    assert_asked(&world, "SPAWN:status");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 1);
}

/* 4: whether that start came to serve nobody knows yet, and this look may say so. */
static void look_that_may_tell_of_a_start_is_waited_for(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");
    assert_int_equal(world.guard.mirror.served, BW_SERVED_NEVER);
    run(&world, 1, BW_ACTION_STATUS, 7);
    run(&world, 1, BW_ACTION_STOP, 2);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_not_asked(&world, "KILL_RUN");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.mirror.served, BW_SERVED_NEVER);
    assert_asked(&world, "SPAWN:status");
}

static void stop_that_leaves_the_service_running_has_failed(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STOP, 1);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    assert_true(arm(&world, 1, 100000 + 0) == false); /* same end: not later */
    tick_at(&world, 105100);

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");

    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_FAILED);
}

/* 3.5: a look that hangs tells nothing, nor does any behind it. A stop whose end nobody can see has failed, as one that
 * is seen to serve on: the fence follows, where silence would hold the epoch for as long as the look hangs. */
static void stop_behind_a_look_that_hangs_has_failed(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STATUS, 7); /* KILL reaches nothing of it */
    run(&world, 1, BW_ACTION_STOP, 1);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_int_equal(world.guard.stop, BW_GUARD_STOP_CHECKING);

    tick_at(&world, 106199); /* its own limit, the grace, and what an answer may take: longer than the stop's limit */
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], 0);
    assert_true(arm(&world, 1, 106000));
    tick_at(&world, 106200);

    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_FAILED);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 1);
    assert_false(world.guard.mirror.stop_seen);
    run(&world, 1, BW_ACTION_FENCE, 2);
    assert_asked(&world, "SPAWN");
    assert_int_equal(world.guard.fence, BW_FENCE_SCRIPT);
}

/* 3.5: likewise of the look that a stop has begun itself. */
static void stop_whose_own_look_hangs_has_failed(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STOP, 1);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    tick_at(&world, 104900); /* a look begins that may take longer than the limit of the stop */
    tick_at(&world, 105100);
    assert_true(arm(&world, 1, 105100));
    tick_at(&world, 111099);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], 0);
    assert_true(arm(&world, 1, 111000));

    tick_at(&world, 111100);

    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_FAILED);
}

/* ---- ended(e) (3.4, 3.5) --------------------------------------------------------------------- */

static void ended_is_refused_while_a_start_runs_or_nothing_was_seen_stopped(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);
    assert_false(end(&world, 1));
    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why, BW_REFUSAL_BUSY);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");

    assert_false(end(&world, 1));

    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why,
                     BW_REFUSAL_NOT_STOPPED);
}

/* What status said before a start proves nothing about what the start has begun. */
static void stopped_seen_before_a_start_does_not_end_the_epoch(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STATUS, 1);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    run(&world, 1, BW_ACTION_START, 2);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");

    assert_false(end(&world, 1));

    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why,
                     BW_REFUSAL_NOT_STOPPED);
}

/* A status that looked before the start began, and spoke after it had ended. */
static void look_begun_beside_a_start_does_not_end_the_epoch(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);
    run(&world, 1, BW_ACTION_STATUS, 2);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_false(end(&world, 1));

    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why,
                     BW_REFUSAL_NOT_STOPPED);
}

static void look_beside_a_start_does_not_end_the_epoch(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STATUS, 1);
    run(&world, 1, BW_ACTION_START, 2);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_false(end(&world, 1));

    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why,
                     BW_REFUSAL_NOT_STOPPED);
}

static void fence_does_not_succeed_before_what_it_killed_is_gone(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_FENCE_ENDED], 0);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_true(world.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
}

static void after_ended_every_arm_and_start_of_the_epoch_is_refused_durably(void **state)
{
    struct world world;
    struct bw_guard restarted;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STATUS, 1);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(end(&world, 1));

    assert_false(arm(&world, 1, 100000));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_EPOCH_ENDING);
    run(&world, 1, BW_ACTION_START, 2);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_EPOCH_ENDING);
    bw_guard_init(&restarted, "g", &limits, &world.guard.memory, &world.guard.mirror,
                  at_ms(world.now_ms));
    assert_int_equal(restarted.memory.ended_epoch, 1);
    assert_int_equal(restarted.mirror.armed_epoch, 0);
}

static void ended_that_is_not_durable_is_refused(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STATUS, 1);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    world.save_fails = true;

    assert_false(end(&world, 1));

    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why, BW_REFUSAL_NOT_DURABLE);
    assert_int_equal(world.guard.memory.ended_epoch, 0);
    assert_true(world.guard.mirror.armed_epoch == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_arm_is_durable_before_it_is_acknowledged),
        cmocka_unit_test(arm_that_is_not_mirrored_is_refused_and_moves_nothing),
        cmocka_unit_test(stop_and_fence_of_an_epoch_that_cannot_be_kept_run_all_the_same),
        cmocka_unit_test(lower_epoch_than_one_seen_is_refused),
        cmocka_unit_test(armed_deadline_only_moves_later),
        cmocka_unit_test(deadline_beyond_now_plus_ttl_is_refused),
        cmocka_unit_test(arm_handled_in_the_fence_window_is_refused_and_the_fence_begins),
        cmocka_unit_test(other_instance_may_neither_arm_nor_end_nor_stop),
        cmocka_unit_test(higher_epoch_is_not_armed_while_the_old_lease_lives),
        cmocka_unit_test(start_is_refused_without_an_armed_lease),
        cmocka_unit_test(start_gets_its_go_ahead_only_before_the_fence_window),
        cmocka_unit_test(start_that_is_not_mirrored_is_killed),
        cmocka_unit_test(two_actions_never_run_at_once),
        cmocka_unit_test(stop_ends_the_start_that_runs_and_follows_it),
        cmocka_unit_test(stop_succeeds_only_when_status_says_stopped),
        cmocka_unit_test(look_is_refused_between_the_looks_after_a_stop),
        cmocka_unit_test(look_that_began_before_makes_way_for_that_of_the_stop),
        cmocka_unit_test(look_that_began_before_makes_way_for_that_of_an_end),
        cmocka_unit_test(look_that_may_tell_of_a_start_is_waited_for),
        cmocka_unit_test(stop_that_leaves_the_service_running_has_failed),
        cmocka_unit_test(stop_behind_a_look_that_hangs_has_failed),
        cmocka_unit_test(stop_whose_own_look_hangs_has_failed),
        cmocka_unit_test(ended_is_refused_while_a_start_runs_or_nothing_was_seen_stopped),
        cmocka_unit_test(stopped_seen_before_a_start_does_not_end_the_epoch),
        cmocka_unit_test(look_begun_beside_a_start_does_not_end_the_epoch),
        cmocka_unit_test(look_beside_a_start_does_not_end_the_epoch),
        cmocka_unit_test(fence_does_not_succeed_before_what_it_killed_is_gone),
        cmocka_unit_test(after_ended_every_arm_and_start_of_the_epoch_is_refused_durably),
        cmocka_unit_test(ended_that_is_not_durable_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
