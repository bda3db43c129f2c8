/* guard: what one fence, stop or look says of the next, by which clock they have their time, and what of a
 * guard that does nothing is told (design 3.2.4, 3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "guard_world.h"

static int by_one_clock(void **state)
{
    (void)state;
    raw_slow_permille = 0;
    return 0;
}

/* CLOCK_MONOTONIC_RAW is late: a wait ends by it, a right by the other. */
static int by_two_clocks(void **state)
{
    (void)state;
    raw_slow_permille = 50;
    return 0;
}

static struct bw_guard_state state_of(const struct world *world)
{
    struct bw_guard_state of;

    memset(&of, 0xa5, sizeof of);
    bw_guard_state_get(&world->guard, &of);
    return of;
}

/* ---- fences ---- */

/* 3.4: a fence that an agent ordered of an epoch that nothing had armed is over with its answer, and stands
 * for no deadline of that epoch. */
static void an_ordered_fence_stands_for_no_deadline_that_is_armed_later(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    run(&world, 1, BW_ACTION_FENCE, 5);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.exit_status, 0);
    assert_asked(&world, "SPAWN:stop");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_NONE);
    assert_true(arm(&world, 1, world.now_ms));
    tick_at(&world, 108000);
    assert_asked(&world, "SPAWN:fence");
}

/* 3.4: what an agent reads of the fence is that of the epoch that is armed, from its begin on. */
static void a_fence_is_told_from_its_begin_on(void **state)
{
    struct bw_guard_state of;
    struct world world;

    (void)state;
    begin_armed(&world);
    of = state_of(&world);
    assert_int_equal(of.armed_epoch, 1);
    assert_false(of.fence_begun || of.fence_ended || of.fence_ok);
    tick_at(&world, 108000);
    of = state_of(&world);
    assert_true(of.fence_begun);
    assert_false(of.fence_ended || of.fence_ok);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    of = state_of(&world);
    assert_true(of.fence_begun && of.fence_ended && of.fence_ok);

    begin(&world);
    world.now_ms = 100000;
    assert_true(arm(&world, 2, 100000));
    run(&world, 2, BW_ACTION_FENCE, 5);
    world.guard.fence_epoch = 1; /* of an earlier one */
    of = state_of(&world);
    assert_false(of.fence_begun || of.fence_ended || of.fence_ok);
    world.guard.fence = BW_FENCE_DONE;
    world.guard.mirror.stop_seen = true;
    of = state_of(&world);
    assert_false(of.fence_begun || of.fence_ended || of.fence_ok);
}

/* 3.3: that it was down when the fence began is no end that this one has seen. */
static void a_fence_is_not_told_to_have_seen_what_was_seen_before_it(void **state)
{
    struct bw_guard_state of;
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STATUS, 4);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(world.guard.mirror.stop_seen);
    run(&world, 1, BW_ACTION_FENCE, 5);
    of = state_of(&world);
    assert_true(of.fence_begun);
    assert_false(of.fence_ok);
}

/* What a script of an earlier one had said is no word of this one's. */
static void a_fence_begins_without_the_outcome_of_the_one_before(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.fence_outcome = (struct bw_script_outcome){.exited = true, .exit_status = 3};
    tick_at(&world, 108000);
    assert_asked(&world, "SPAWN:fence");
    assert_false(world.guard.fence_outcome.exited);
    assert_int_equal(world.guard.fence_outcome.exit_status, 0);
}

/* 3.2.4: a guard that was held up does what is due, and leaves nothing running beside it. */
static void with_the_kill_the_script_that_runs_is_killed(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    tick_at(&world, 108000);
    assert_asked(&world, "SPAWN:fence");
    tick_at(&world, 109900);
    assert_asked(&world, "KILL_RUN KILL_REACH");
    begin_armed(&world);
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    assert_asked(&world, "SPAWN:status");
    tick_at(&world, 109900);
    assert_asked(&world, "KILL_RUN KILL_REACH");
}

/* 3.2.4: the last look has all of its time, by both clocks. */
static void the_last_look_has_its_time_by_both_clocks(void **state)
{
    const uint64_t limit_ms = 1200;
    uint64_t begun_ms;
    struct world world;

    (void)state;
    begin_armed(&world);
    fence_by_kill(&world, true);
    assert_int_equal(world.guard.fence, BW_FENCE_RECHECK);
    begun_ms = world.now_ms;
    tick_at(&world, begun_ms + limit_ms - 1);
    assert_int_equal(world.guard.fence, BW_FENCE_RECHECK);
    tick_at(&world, begun_ms + limit_ms);
    assert_int_equal(world.guard.fence, raw_slow_permille != 0 ? BW_FENCE_RECHECK : BW_FENCE_FAILED);
    tick_at(&world, begun_ms + limit_ms + limit_ms / 10);
    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);
}

/* 3.2.4: that a kill ended the service is seen by a look that says `stopped`, and by no other. */
static void no_fence_is_a_proof(void **state)
{
    static const char *const words[] = {"unknown", "started", "stopped"};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct world world;

        begin_armed(&world);
        world.populated = BW_POPULATED_YES;
        run(&world, 1, BW_ACTION_START, 1);
        ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
        run(&world, 1, BW_ACTION_STATUS, 2);
        ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
        world.spawn_hangs = true;
        tick_at(&world, 108000);
        world.spawn_hangs = false;
        ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_NOT_STARTED, "");
        ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
        tick_at(&world, 109900);
        reach_killed(&world, true);
        ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, words[i]);
        assert_false(bw_guard_sight(&world.guard).proved); /* somebody else may have ended it meanwhile */
    }
}

/* 3.4: what a kill has proved of other scripts is no proof of those that there are now. */
static void what_was_proved_of_other_scripts_is_not_proved_of_these(void **state)
{
    (void)state;
    for (uint64_t digest = 1; digest <= 2; digest++) {
        struct world world;

        begin(&world);
        world.guard.memory.sight = (struct bw_reach_sight){
            .seen = BW_REACH_INSIDE, .proved = true, .digest = digest};
        assert_true(arm(&world, 1, 100000));
        world.populated = BW_POPULATED_YES;
        run(&world, 1, BW_ACTION_START, 1);
        ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
        run(&world, 1, BW_ACTION_STATUS, 2);
        ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
        assert_int_equal(bw_guard_sight(&world.guard).seen, BW_REACH_INSIDE);
        assert_int_equal(bw_guard_sight(&world.guard).proved, digest == limits.digest);
    }
}

/* 3.4: with the epoch that it was of a fence is over, and the next one has its own. */
static void a_fence_is_over_with_its_epoch(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 5);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(end(&world, 1));
    assert_int_equal(world.guard.fence, BW_FENCE_NONE);
    assert_false(state_of(&world).fence_begun);
    assert_true(arm(&world, 2, world.now_ms));
    tick_at(&world, 116000);
    assert_asked(&world, "SPAWN:fence");
}

/* 3.4: the epoch that is armed after one that was fenced has no fence begun. */
static void a_newer_epoch_is_armed_without_the_fence_before(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(world.guard.mirror.fence_begun);
    world.now_ms = 110100;
    assert_true(arm(&world, 2, 110000));
    assert_int_equal(world.guard.fence, BW_FENCE_NONE);
    assert_false(world.guard.mirror.fence_begun);
    assert_false(state_of(&world).fence_begun);
}

/* ---- stops ---- */

static void begin_stop_check(struct world *world)
{
    begin_armed(world);
    run(world, 1, BW_ACTION_START, 5);
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    run(world, 1, BW_ACTION_STOP, 6);
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_asked(world, "SPAWN:status");
}

/* 3.2.4: each stop that leaves something of a start tells that to end, once. */
static void what_is_left_gets_term_from_each_stop(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    world.is_left = true;
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_asked(&world, "TERM_STARTED");
    tick_at(&world, world.now_ms + 5100);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_not_asked(&world, "TERM_STARTED");
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 6);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_FAILED);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.exit_status, -1);

    run(&world, 1, BW_ACTION_STOP, 7);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_asked(&world, "TERM_STARTED");
}

/* 3.2.4: what was left and is gone makes the script run once more, and no oftener. */
static void a_stop_runs_again_once(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    world.is_left = true;
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    tick_at(&world, world.now_ms + 100);
    world.is_left = false;
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    tick_at(&world, world.now_ms + 100);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_asked(&world, "SPAWN:stop");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    for (int i = 0; i < 5; i++) {
        ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "unknown");
        assert_not_asked(&world, "SPAWN:stop");
        tick_at(&world, world.now_ms + 100);
        assert_not_asked(&world, "SPAWN:stop");
        assert_asked(&world, "SPAWN:status");
    }
}

/* 3.2.4: a look comes when both clocks have come to it. */
static void a_stop_is_looked_at_again_by_both_clocks(void **state)
{
    uint64_t looked_ms;
    struct world world;

    (void)state;
    begin_stop_check(&world);
    world.now_ms += 1000; /* the clocks have gone apart */
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    looked_ms = world.now_ms;
    tick_at(&world, looked_ms + 100);
    if (raw_slow_permille != 0)
        assert_not_asked(&world, "SPAWN");
    else
        assert_asked(&world, "SPAWN:status");
    tick_at(&world, looked_ms + 110);
    assert_int_equal(world.guard.slots[BW_GUARD_SLOT_OBSERVATION].state, BW_SLOT_RUNNING);
}

/* 3.2.4: nor is it over before both have come to its limit. */
static void a_stop_has_failed_once_both_clocks_say_that_its_time_is_over(void **state)
{
    uint64_t limit_ms;
    struct world world;

    (void)state;
    begin_stop_check(&world);
    limit_ms = world.now_ms + 5000;
    world.now_ms = limit_ms;
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    assert_int_equal(world.guard.stop, raw_slow_permille != 0 ? BW_GUARD_STOP_CHECKING : BW_GUARD_STOP_NONE);
    if (raw_slow_permille != 0) {
        tick_at(&world, limit_ms + 300);
        ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    }
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 6);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_FAILED);
}

/* 3.2.4: only a stop that ran into its limit spares the next fence its script. */
static void only_a_stop_that_ran_out_is_spared(void **state)
{
    static const enum bw_action_kind actions[] = {BW_ACTION_START, BW_ACTION_STOP};

    (void)state;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        struct world world;

        begin_armed(&world);
        run(&world, 1, actions[i], 5);
        ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_TIMED_OUT, "");
        assert_int_equal(world.guard.mirror.stop_ran_out_epoch, actions[i] == BW_ACTION_STOP ? 1 : 0);
    }
}

/* ---- what is due of a script ---- */

/* 3.2.4: what serves has to be ended by a script, whoever started it. */
static void what_is_seen_to_serve_has_its_script_due(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    assert_false(world.guard.mirror.script_due);
    run(&world, 1, BW_ACTION_STATUS, 5);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    assert_true(world.guard.mirror.script_due);

    begin_stop_check(&world); /* its script has ended well: it is what ends the service */
    assert_false(world.guard.mirror.script_due);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    assert_false(world.guard.mirror.script_due);
}

static void a_start_or_a_rejoin_has_its_script_due(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STOP, 5);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(world.guard.mirror.script_begun);
    run(&world, 1, BW_ACTION_START, 6);
    assert_true(world.guard.mirror.script_due);
    assert_false(world.guard.mirror.script_begun);
    assert_false(world.guard.mirror.left_due);

    begin(&world);
    world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
    world.guard.limits.timeout_ns[BW_ACTION_REJOIN] = 5000 * MS;
    run(&world, 2, BW_ACTION_REJOIN, 5);
    assert_asked(&world, "SPAWN:rejoin");
    assert_true(world.guard.mirror.script_due);
}

/* 4: a guard that stood still reads it when it goes on, and what it rested on may be no more. */
static void what_destroys_is_not_begun_after_its_instant(void **state)
{
    struct world world;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN, .epoch = 2};

    (void)state;
    begin(&world);
    world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
    world.guard.limits.timeout_ns[BW_ACTION_REJOIN] = 5000 * MS;
    of.run = (struct bw_guard_run){
        .epoch = 2, .action = BW_ACTION_REJOIN, .run_id = 5, .not_after = {7777 * MS, 8888 * MS}};
    message(&world, &of);
    assert_asked(&world, "SPAWN:rejoin");
    assert_int_equal(world.go_not_after.boot_ns, 7777 * MS); /* the child reads the clocks just before it */
    assert_int_equal(world.go_not_after.raw_ns, 8888 * MS);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    run(&world, 2, BW_ACTION_REJOIN, 6); /* of an agent that does not say */
    assert_int_equal(world.go_not_after.boot_ns, BW_INSTANT_NEVER.boot_ns);
}

/* 4: a look that ran and was killed has seen nothing, and leaves unclear what came of the start; one that made
 * way before it began leaves all as it was. */
static void a_look_that_was_killed_leaves_unclear_what_served(void **state)
{
    (void)state;
    for (int has_begun = 0; has_begun < 2; has_begun++) {
        struct world world;

        begin_armed(&world);
        run(&world, 1, BW_ACTION_START, 5);
        ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
        world.guard.mirror.served = BW_SERVED_NEVER;
        world.spawn_hangs = has_begun == 0;
        run(&world, 1, BW_ACTION_STATUS, 6);
        assert_int_equal(world.guard.slots[BW_GUARD_SLOT_OBSERVATION].state,
                         has_begun != 0 ? BW_SLOT_RUNNING : BW_SLOT_SPAWNING);
        ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_KILLED, "");
        assert_int_equal(world.guard.mirror.served,
                         has_begun != 0 ? BW_SERVED_NOT_SEEN : BW_SERVED_NEVER);
    }
}

/* ---- ends ---- */

/* 3.4: who asks again while it is looked for gets the one answer. */
static void an_end_that_is_asked_for_twice_is_looked_for_once(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 5);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    run(&world, 1, BW_ACTION_STOP, 6);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    world.end_look_hangs = true;
    assert_false(end(&world, 1));
    assert_true(world.guard.end_looking);
    for (int i = 0; i < 3; i++) {
        world.now_ms += 10;
        assert_false(end(&world, 1));
        assert_string_equal(world.log, "");
    }
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 1);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_END_REFUSED], 0);
}

/* 3.4: of what is not armed no deadline cuts an ordered fence short. */
static void an_ordered_fence_has_its_own_time_where_nothing_is_armed(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    run(&world, 1, BW_ACTION_FENCE, 5);
    assert_true(bw_instant_is_later(world.guard.fence_term_at, at_ms(world.now_ms)));
    assert_false(bw_instant_is_beyond(at_ms(world.now_ms + 1000), world.guard.fence_term_at));
}

/* ---- what an agent was told ---- */

/* 4: whether a start may be ordered to hold. */
static void an_agent_is_told_whether_a_start_can_hold(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    assert_false(state_of(&world).has_point);
    world.guard.limits.has_point = true;
    assert_true(state_of(&world).has_point);
}

/* 3.9: whatever of it is configured otherwise, the agent has to hear of it. */
static void it_is_otherwise_by_each_script_and_each_time(void **state)
{
    struct bw_guard_limits now = limits;

    (void)state;
    assert_false(bw_guard_says_otherwise(&limits, &now));
    for (int i = 0; i < BW_ACTION_COUNT; i++) {
        now = limits;
        now.has_script[i] = !now.has_script[i];
        assert_true(bw_guard_says_otherwise(&limits, &now));
        now = limits;
        now.timeout_ns[i]++;
        assert_true(bw_guard_says_otherwise(&limits, &now));
    }
    now = limits;
    now.has_point = !now.has_point;
    assert_true(bw_guard_says_otherwise(&limits, &now));
    now = limits;
    now.loop_delay_ns++;
    assert_true(bw_guard_says_otherwise(&limits, &now));
}

/* ---- by one of two clocks ---- */

/* The end of what is armed, to which one clock has come and the other has not. */
static struct bw_instant part_the_clocks(struct world *world)
{
    const struct bw_instant end = world->guard.mirror.armed_end;

    world->guard.mirror.armed_end.raw_ns += 200 * MS;
    return end;
}

/* 1: a right ends with the first clock. */
static void no_arm_is_taken_when_one_clock_has_come_to_its_window(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.now_ms = 107950; /* of what would be armed CLOCK_MONOTONIC_RAW is there already */

    assert_false(arm(&world, 1, 100000));

    assert_int_equal(arm_refusal(&world), BW_REFUSAL_FENCE_WINDOW);
}

/* 3.3: a lease has left no time to a fence once one clock has come to its end. */
static void a_fence_that_is_ordered_after_the_lease_has_its_own_time(void **state)
{
    struct world world;

    (void)state;
    begin_failed_fence(&world);
    (void)part_the_clocks(&world);
    world.now_ms = 110100;

    run(&world, 1, BW_ACTION_FENCE, 5);

    assert_asked(&world, "SPAWN:fence");
    assert_true(bw_instant_is_later(world.guard.fence_end, world.guard.mirror.armed_end));
}

/* 3.2.4: what is in the way of D comes with the first clock, too. */
static void term_and_kill_come_with_whichever_clock_is_first(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    tick_at(&world, 108000);
    world.guard.fence_term_at.raw_ns += 100 * MS;
    world.guard.fence_kill_at.raw_ns += 100 * MS;
    tick_at(&world, 109334);
    assert_asked(&world, "TERM_REACH");
    tick_at(&world, 109667);
    assert_asked(&world, "KILL_REACH");
}

/* 1: a wait ends with the last clock. */
static void a_deadline_of_what_was_stopped_is_over_by_both_clocks(void **state)
{
    struct bw_instant now;
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.mirror.stop_seen = true;
    now = part_the_clocks(&world);
    assert_true(bw_guard_has_deadline(&world.guard, now));
    assert_false(bw_guard_has_deadline(&world.guard, world.guard.mirror.armed_end));
}

static void what_let_go_an_earlier_epoch_waits_for_both_clocks(void **state) /* 3.9 */
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 1, .let_go_index = 5};
    struct world world;

    (void)state;
    begin(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    (void)part_the_clocks(&world);

    world.now_ms = 110000;
    message(&world, &of);
    assert_int_equal(world.guard.mirror.armed_epoch, 2);
    world.now_ms = 110200;
    message(&world, &of);
    assert_int_equal(world.guard.mirror.armed_epoch, 0);
}

#define EDGE(name)           cmocka_unit_test_setup(name, by_one_clock)
#define EDGE_OF_CLOCKS(name) EDGE(name), cmocka_unit_test_setup(name, by_two_clocks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EDGE(an_ordered_fence_stands_for_no_deadline_that_is_armed_later),
        EDGE(a_fence_is_told_from_its_begin_on),
        EDGE(with_the_kill_the_script_that_runs_is_killed),
        EDGE_OF_CLOCKS(the_last_look_has_its_time_by_both_clocks),
        EDGE(no_fence_is_a_proof),
        EDGE(what_was_proved_of_other_scripts_is_not_proved_of_these),
        EDGE(what_is_left_gets_term_from_each_stop),
        EDGE(a_stop_runs_again_once),
        EDGE_OF_CLOCKS(a_stop_is_looked_at_again_by_both_clocks),
        EDGE_OF_CLOCKS(a_stop_has_failed_once_both_clocks_say_that_its_time_is_over),
        EDGE(only_a_stop_that_ran_out_is_spared),
        EDGE(what_is_seen_to_serve_has_its_script_due),
        EDGE(a_start_or_a_rejoin_has_its_script_due),
        EDGE(an_end_that_is_asked_for_twice_is_looked_for_once),
        EDGE(an_ordered_fence_has_its_own_time_where_nothing_is_armed),
        EDGE(a_fence_is_over_with_its_epoch),
        EDGE(what_destroys_is_not_begun_after_its_instant),
        EDGE(a_look_that_was_killed_leaves_unclear_what_served),
        EDGE(a_newer_epoch_is_armed_without_the_fence_before),
        cmocka_unit_test_setup(no_arm_is_taken_when_one_clock_has_come_to_its_window, by_two_clocks),
        EDGE(a_fence_that_is_ordered_after_the_lease_has_its_own_time),
        EDGE(a_deadline_of_what_was_stopped_is_over_by_both_clocks),
        EDGE(term_and_kill_come_with_whichever_clock_is_first),
        EDGE(an_agent_is_told_whether_a_start_can_hold),
        EDGE(it_is_otherwise_by_each_script_and_each_time),
        EDGE(a_fence_is_not_told_to_have_seen_what_was_seen_before_it),
        EDGE(a_fence_begins_without_the_outcome_of_the_one_before),
        EDGE(what_let_go_an_earlier_epoch_waits_for_both_clocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
