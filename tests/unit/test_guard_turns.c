/* guard: what fails, comes late, twice, or in another order than hoped for (design 3.2.4, 3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_world.h"

/* One event, whose actions nobody carries out: what follows is up to the test. */
static void step_alone(struct world *world, const struct bw_guard_event *event,
                       struct bw_guard_actions *out)
{
    bw_guard_step(&world->guard, event, at_ms(world->now_ms), out);
}

static void let_go(struct world *world, uint64_t index)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 100, .let_go_index = index};

    message(world, &of);
}

/* A guard that was restarted, enforced, with nothing armed. */
static void begin_restarted(struct world *world)
{
    const struct bw_guard_memory memory = {.epoch_seen = 1, .enforced = true};

    memset(world, 0, sizeof *world);
    world->now_ms = 100000;
    bw_guard_init(&world->guard, "g", &limits, &memory, NULL, at_ms(world->now_ms));
    hello(world, instance_a);
}

/* ---- what could not be written, and answers without a question ---- */

static void what_could_not_be_let_go_durably_is_not_let_go(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.save_fails = true;

    let_go(&world, 7);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 0);
    assert_true(world.guard.memory.enforced);
    assert_int_equal(world.guard.memory.let_go_index, 0);
    assert_int_equal(world.guard.mirror.armed_epoch, 1);
    world.save_fails = false;
    let_go(&world, 7); /* the agent asks again */
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 1);
}

static void a_saved_that_nobody_waits_for_changes_nothing(void **state)
{
    struct bw_guard_event saved = {.kind = BW_GUARD_EVENT_SAVED};
    struct world world;
    struct bw_guard_memory memory;

    (void)state;
    begin(&world);
    assert_true(arm(&world, 1, 100000));
    world.guard.memory_before = world.guard.memory;
    memory = world.guard.memory;
    for (int ok = 0; ok <= 1; ok++) {
        saved.ok = ok != 0;
        world.log[0] = '\0';
        step(&world, &saved);

        assert_memory_equal(&world.guard.memory, &memory, sizeof memory);
        assert_int_equal(world.guard.mirror.armed_epoch, 1);
        assert_string_equal(world.log, "");
    }
}

static void a_rejoin_that_is_not_mirrored_is_killed(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
    world.mirror_fails = true;

    run(&world, 0, BW_ACTION_STATUS, 1);
    assert_asked(&world, "GO");
    world.mirror_fails = false;
    run(&world, 1, BW_ACTION_STOP, 2);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");
    world.mirror_fails = true;
    run(&world, 1, BW_ACTION_REJOIN, 3);

    assert_asked(&world, "SPAWN:rejoin KILL_RUN");
    assert_not_asked(&world, "GO");
}

/* ---- mirrors that are long in coming ---- */

static void mirrored(struct world *world, uint64_t number, bool ok)
{
    const struct bw_guard_event event = {
        .kind = BW_GUARD_EVENT_MIRRORED, .number = number, .ok = ok};

    step(world, &event);
}

/* 3.4: armed only once mirror and enforcer have this very deadline. */
static void an_arm_waits_for_its_own_mirror(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.now_ms = 101000;
    world.mirror_hangs = true;
    const uint64_t before = world.guard.mirror_number;
    const uint32_t armed = world.sent[BW_GUARD_MESSAGE_ARMED];

    (void)arm(&world, 1, 101000);
    mirrored(&world, before, true);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_ARMED], armed);
    mirrored(&world, world.guard.mirror_number, true);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_ARMED], armed + 1);
}

/* Of several deadlines on their way none counts when they cannot be kept. */
static void arms_that_nobody_could_keep_leave_the_deadline_that_was_acknowledged(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    const struct bw_instant end = world.guard.mirror.armed_end;

    world.now_ms = 101200;
    world.mirror_hangs = true;
    (void)arm(&world, 1, 101000);
    (void)arm(&world, 1, 101100);
    mirrored(&world, world.guard.mirror_number, false);

    assert_int_equal(world.last[BW_GUARD_MESSAGE_ARM_REFUSED].refused.why, BW_REFUSAL_NOT_DURABLE);
    assert_true(world.guard.mirror.armed_end.boot_ns == end.boot_ns);
}

/* What was let go while its mirror was written is not armed by that. */
static void an_arm_whose_epoch_is_over_before_its_mirror_is_not_acknowledged(void **state)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 1, .let_go_index = 9};
    struct world world;

    (void)state;
    begin_armed(&world);
    world.now_ms = 101000;
    world.mirror_hangs = true;
    const uint32_t armed = world.sent[BW_GUARD_MESSAGE_ARMED];

    (void)arm(&world, 1, 101000);
    message(&world, &of);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 1);
    mirrored(&world, world.guard.mirror_number, true);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_ARMED], armed);
}

/* 3.4: a mirror that hangs costs the lease, never the deadline. */
static void a_fence_waits_for_no_mirror(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.mirror_hangs = true;
    tick_at(&world, world.guard.mirror.armed_end.boot_ns / MS - FENCE_MS);

    assert_true(bw_guard_is_fencing(&world.guard));
    assert_non_null(strstr(world.log, "GO"));
}

/* H11. */
static void a_start_waits_for_its_mirror(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.mirror_hangs = true;
    run(&world, 1, BW_ACTION_START, 5);
    assert_null(strstr(world.log, "GO"));
    world.log[0] = '\0';
    mirrored(&world, world.guard.mirror_number, true);
    assert_non_null(strstr(world.log, "GO"));
}

/* ---- saves that are long in coming: the lease may be lost by it, never the deadline (3.4) ---- */

static void a_first_arm_is_judged_again_when_it_is_durable(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_hangs = true;
    world.now_ms = 100000;
    (void)arm(&world, 1, 100000);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_ARMED], 0);
    world.now_ms = 100000 + TTL_MS - FENCE_MS; /* D - F has come meanwhile */
    saved(&world, true);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_ARMED], 0);
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_FENCE_WINDOW);
    assert_int_equal(world.guard.mirror.armed_epoch, 0);
}

static void the_newest_arm_of_the_epoch_is_what_a_save_arms(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_hangs = true;
    world.now_ms = 100000;
    (void)arm(&world, 1, 100000);
    world.now_ms = 101000;
    (void)arm(&world, 1, 101000);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_ARMED], 0); /* nothing of it is durable */
    saved(&world, true);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_ARMED], 1);
    assert_true(world.guard.mirror.armed_end.boot_ns == at_ms(101000 + TTL_MS).boot_ns);
}

static void what_is_not_durable_is_told_to_no_agent(void **state)
{
    struct world world;
    struct bw_guard_state reported;

    (void)state;
    begin(&world);
    world.save_hangs = true;
    assert_false(arm(&world, 1, 100000));
    bw_guard_state_get(&world.guard, &reported);
    assert_false(reported.enforced);
    /* But below this one nothing is taken any more, nor is any other word of it said: with an older one the fence of
     * what somebody starts here would be refused for ever. */
    assert_int_equal(reported.epoch_seen, 1);

    begin_armed(&world);
    world.guard.mirror.stop_seen = true;
    world.save_hangs = true;
    assert_false(end(&world, 1));
    bw_guard_state_get(&world.guard, &reported);

    assert_int_equal(reported.ended_epoch, 0);
    saved(&world, true);
    bw_guard_state_get(&world.guard, &reported);
    assert_int_equal(reported.ended_epoch, 1);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 1);
}

static void an_epoch_in_which_something_served_meanwhile_is_not_said_to_have_ended(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.mirror.stop_seen = true;
    world.save_hangs = true;
    assert_false(end(&world, 1));
    world.guard.mirror.stop_seen = false; /* a look said `started` */
    saved(&world, true);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 0);
    assert_int_equal(world.guard.mirror.armed_epoch, 1); /* its deadline stands */
    assert_false(end(&world, 1));
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 0);
}

static void a_fence_begins_and_a_stop_runs_while_the_disk_hangs(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.save_hangs = true;
    run(&world, 2, BW_ACTION_STOP, 5); /* a higher epoch: it would be written down */
    assert_asked(&world, "SPAWN:stop GO");
    tick_at(&world, world.guard.mirror.armed_end.boot_ns / MS - FENCE_MS);
    assert_true(bw_guard_is_fencing(&world.guard));
}

static void a_deadline_of_a_durable_epoch_moves_while_a_sight_is_written_down(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.wants = BW_GUARD_WANTS_SIGHT;
    world.guard.memory_before = world.guard.memory;
    world.now_ms = 101000;
    assert_true(arm(&world, 1, 101000));
}

/* ---- an agent that has gone, and children of their own time ---- */

static void what_is_answered_to_an_agent_that_has_gone_goes_nowhere(void **state)
{
    const struct bw_guard_event gone = {.kind = BW_GUARD_EVENT_AGENT_GONE};
    const struct bw_guard_event mirrored = {.kind = BW_GUARD_EVENT_MIRRORED, .number = UINT64_MAX, .ok = true};
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_ARM, .epoch = 1};
    const struct bw_guard_event event = {.kind = BW_GUARD_EVENT_MESSAGE, .message = &of};
    struct bw_guard_actions out;
    struct world world;

    (void)state;
    begin_armed(&world);
    world.now_ms = 101000;
    of.arm.epoch = 1;
    of.arm.terms.ttl_ms = TTL_MS;
    of.arm.terms.fence_ms = FENCE_MS;
    of.arm.end = at_ms(111000);
    step_alone(&world, &event, &out);
    step_alone(&world, &gone, &out);

    step_alone(&world, &mirrored, &out);

    assert_int_equal(out.count, 0);
    assert_int_equal(world.guard.mirror.armed_end.boot_ns, at_ms(111000).boot_ns);
}

static void what_is_let_go_without_an_agent_is_told_to_nobody(void **state)
{
    const struct bw_guard_event gone = {.kind = BW_GUARD_EVENT_AGENT_GONE};
    struct world world;

    (void)state;
    begin_armed(&world);
    step(&world, &gone);

    let_go(&world, 7);
    let_go(&world, 7);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 0);
    assert_int_equal(world.guard.memory.let_go_index, 7);
    assert_false(world.guard.memory.enforced);
}

static void a_child_whose_agent_has_gone_gets_its_go_ahead(void **state)
{
    const struct bw_guard_event gone = {.kind = BW_GUARD_EVENT_AGENT_GONE};
    struct bw_guard_run stop = {.epoch = 1, .action = BW_ACTION_STOP, .run_id = 1};
    struct world world;

    (void)state;
    begin_armed(&world);
    world.spawn_hangs = true;
    run(&world, 1, BW_ACTION_STOP, 1);
    step(&world, &gone);
    world.spawn_hangs = false;
    world.log[0] = '\0';

    spawned(&world, BW_GUARD_SLOT_ACTION, &stop);

    assert_asked(&world, "GO");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_BEGUN], 0);
}

static void a_child_that_does_not_exist_gets_no_go_ahead(void **state)
{
    const struct bw_guard_event failed = {.kind = BW_GUARD_EVENT_SPAWNED,
                                          .slot = BW_GUARD_SLOT_ACTION};
    struct world world;

    (void)state;
    begin_armed(&world);
    world.spawn_hangs = true;
    run(&world, 1, BW_ACTION_START, 1);
    world.log[0] = '\0';

    step(&world, &failed);

    assert_string_equal(world.log, "");
    assert_int_equal(world.guard.mirror.children[BW_GUARD_SLOT_ACTION].action, BW_ACTION_NONE);
}

/* H11: the fence comes between the child's SPAWNED and the result of its mirror. */
static void a_child_killed_before_its_mirror_was_written_gets_no_go_ahead(void **state)
{
    const struct bw_guard_event mirrored = {.kind = BW_GUARD_EVENT_MIRRORED, .number = UINT64_MAX, .ok = true};
    const struct bw_guard_event tick = {.kind = BW_GUARD_EVENT_TICK};
    struct bw_guard_event child = {.kind = BW_GUARD_EVENT_SPAWNED,
                                   .slot = BW_GUARD_SLOT_ACTION,
                                   .ok = true,
                                   .child = {.action = BW_ACTION_START, .pid = 4242}};
    struct bw_guard_actions out;
    struct world world;

    (void)state;
    begin_armed(&world);
    world.spawn_hangs = true;
    run(&world, 1, BW_ACTION_START, 1);
    step_alone(&world, &child, &out);
    world.now_ms = 108000;
    step_alone(&world, &tick, &out);

    step_alone(&world, &mirrored, &out);

    for (uint32_t i = 0; i < out.count; i++)
        assert_int_not_equal(out.list[i].kind, BW_GUARD_ACTION_GO);
    assert_int_equal(world.guard.slots[BW_GUARD_SLOT_ACTION].state, BW_SLOT_ENDING);
}

static void a_run_that_is_over_does_not_end_once_more(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STATUS, 1);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "unknown");

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_false(world.guard.mirror.stop_seen);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], 1);
}

/* Its mirror was still on its way to the disk: it has not begun. */
static void a_start_that_dies_before_its_go_ahead_is_told_as_killed(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.mirror_hangs = true;
    run(&world, 1, BW_ACTION_START, 1);
    assert_int_equal(world.guard.slots[BW_GUARD_SLOT_ACTION].state, BW_SLOT_MIRRORING);

    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_KILLED, "");

    assert_int_equal(world.guard.slots[BW_GUARD_SLOT_ACTION].state, BW_SLOT_FREE);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_KILLED);
}

/* What the look saw may be older than what the stop beside it has left behind. */
static void a_look_that_ends_while_a_stop_runs_proves_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STATUS, 1);
    run(&world, 1, BW_ACTION_STOP, 2);

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_false(world.guard.mirror.stop_seen);
}

/* ---- the look at the start (3.4) ---- */

static void a_group_let_go_during_the_look_at_the_start_is_not_fenced(void **state)
{
    struct world world;

    (void)state;
    begin_restarted(&world);
    tick_at(&world, 100001);
    let_go(&world, 7);

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");

    assert_not_asked(&world, "SPAWN");
    assert_int_equal(world.guard.fence, BW_FENCE_NONE);
}

static void a_look_at_the_start_that_was_killed_is_repeated(void **state)
{
    struct world world;

    (void)state;
    begin_restarted(&world);
    tick_at(&world, 100001);

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_KILLED, "");

    tick_at(&world, world.now_ms + 5000);
    assert_asked(&world, "SPAWN:status");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    assert_asked(&world, "SPAWN:fence");
}

/* ---- fences ---- */

static void a_fence_of_another_epoch_does_not_stand_in_for_the_armed_one(void **state)
{
    struct bw_guard_state reported;
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 2, BW_ACTION_FENCE, 1);
    bw_guard_state_get(&world.guard, &reported);
    assert_false(reported.fence_begun);

    tick_at(&world, 108000);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_FENCE_BEGUN], 1);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_FENCE_BEGUN].epoch, 1);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 1);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_KILLED);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.exit_status, -1);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, ""); /* the one before, killed */
    assert_asked(&world, "SPAWN:fence GO");
}

static void a_stop_of_a_higher_epoch_is_seen_durably_before_it_runs_also_when_it_waited(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 5);
    run(&world, 2, BW_ACTION_STOP, 6);
    assert_asked(&world, "KILL_RUN");
    assert_int_equal(world.guard.memory.epoch_seen, 1);

    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_KILLED, "");

    assert_asked(&world, "SAVE SPAWN:stop GO");
    assert_int_equal(world.guard.memory.epoch_seen, 2);
}

static void a_guard_without_a_fence_script_fences_with_the_stop_script_alone(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.limits.has_script[BW_ACTION_FENCE] = false;
    run(&world, 2, BW_ACTION_FENCE, 1);
    assert_asked(&world, "SPAWN:stop GO");
    tick_at(&world, 108000); /* of another epoch: begun again */
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");
    assert_asked(&world, "SPAWN:stop GO");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_true(world.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
    assert_not_asked(&world, "SPAWN"); /* the stop was the fence: none has to follow */
}

static void a_fence_that_was_ordered_and_failed_is_answered_as_failed(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    run(&world, 1, BW_ACTION_FENCE, 5);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
    tick_at(&world, 100250); /* a sixth of the 1.5 s that a limit of 1 s needs */
    assert_asked(&world, "KILL_REACH");
    reach_killed(&world, true);

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");

    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 5);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_FAILED);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.exit_status, -1);
    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);
}

/* 3.2.4: `unknown` is no success, however well the reach is proved, while something may be left. */
static void unknown_is_no_success_while_something_may_be_left_in_reach(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.memory.sight.proved = true;
    fence_by_kill(&world, false);

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "unknown");

    assert_false(world.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);
}

/* 3.8: what is gone from the reach serves no more, however long the look at it takes. */
static void a_fence_took_until_its_reach_was_empty(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    fence_by_kill(&world, true);
    tick_at(&world, 110300);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_true(world.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.duration_ms, 1800);
}

static void the_last_look_comes_after_the_killed_fence_script(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    tick_at(&world, 108000);
    tick_at(&world, 109800);
    reach_killed(&world, true); /* the script is dying still */
    assert_not_asked(&world, "SPAWN");

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");

    assert_asked(&world, "SPAWN:status");
    assert_int_equal(world.guard.fence, BW_FENCE_RECHECK);
}

/* 3.2.4: as long as something may be left in reach, what was killed can still begin to serve. */
static void the_last_look_waits_for_what_is_dying_where_the_reach_was_not_emptied(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);
    fence_by_kill(&world, false);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_RECHECK);
    assert_asked(&world, "SPAWN:status");

    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_true(world.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
}

static void what_never_dies_makes_the_fence_fail_at_its_limit(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);
    fence_by_kill(&world, false);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    tick_at(&world, 120000);

    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);
}

static void the_stop_after_a_fence_waits_for_what_the_fence_killed(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);
    fence_by_kill(&world, true);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_true(world.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
    assert_not_asked(&world, "SPAWN:stop"); /* never two actions of a group at once */

    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");

    assert_asked(&world, "SPAWN:stop GO");
}

static void a_fence_bound_beyond_32_bits_is_the_largest(void **state)
{
    struct bw_guard_limits slow = limits;

    (void)state;
    assert_int_equal(bw_guard_fence_bound_ms(&slow), 1000);

    slow.timeout_ns[BW_ACTION_FENCE] = ((uint64_t)UINT32_MAX + 1) * MS;

    assert_int_equal(bw_guard_fence_bound_ms(&slow), UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_could_not_be_let_go_durably_is_not_let_go),
        cmocka_unit_test(a_saved_that_nobody_waits_for_changes_nothing),
        cmocka_unit_test(a_first_arm_is_judged_again_when_it_is_durable),
        cmocka_unit_test(the_newest_arm_of_the_epoch_is_what_a_save_arms),
        cmocka_unit_test(what_is_not_durable_is_told_to_no_agent),
        cmocka_unit_test(an_epoch_in_which_something_served_meanwhile_is_not_said_to_have_ended),
        cmocka_unit_test(a_fence_begins_and_a_stop_runs_while_the_disk_hangs),
        cmocka_unit_test(a_deadline_of_a_durable_epoch_moves_while_a_sight_is_written_down),
        cmocka_unit_test(an_arm_waits_for_its_own_mirror),
        cmocka_unit_test(an_arm_whose_epoch_is_over_before_its_mirror_is_not_acknowledged),
        cmocka_unit_test(arms_that_nobody_could_keep_leave_the_deadline_that_was_acknowledged),
        cmocka_unit_test(a_fence_waits_for_no_mirror),
        cmocka_unit_test(a_start_waits_for_its_mirror),
        cmocka_unit_test(a_rejoin_that_is_not_mirrored_is_killed),
        cmocka_unit_test(what_is_answered_to_an_agent_that_has_gone_goes_nowhere),
        cmocka_unit_test(what_is_let_go_without_an_agent_is_told_to_nobody),
        cmocka_unit_test(a_child_whose_agent_has_gone_gets_its_go_ahead),
        cmocka_unit_test(a_child_that_does_not_exist_gets_no_go_ahead),
        cmocka_unit_test(a_child_killed_before_its_mirror_was_written_gets_no_go_ahead),
        cmocka_unit_test(a_run_that_is_over_does_not_end_once_more),
        cmocka_unit_test(a_start_that_dies_before_its_go_ahead_is_told_as_killed),
        cmocka_unit_test(a_look_that_ends_while_a_stop_runs_proves_nothing),
        cmocka_unit_test(a_group_let_go_during_the_look_at_the_start_is_not_fenced),
        cmocka_unit_test(a_look_at_the_start_that_was_killed_is_repeated),
        cmocka_unit_test(a_fence_of_another_epoch_does_not_stand_in_for_the_armed_one),
        cmocka_unit_test(
            a_stop_of_a_higher_epoch_is_seen_durably_before_it_runs_also_when_it_waited),
        cmocka_unit_test(a_guard_without_a_fence_script_fences_with_the_stop_script_alone),
        cmocka_unit_test(a_fence_that_was_ordered_and_failed_is_answered_as_failed),
        cmocka_unit_test(unknown_is_no_success_while_something_may_be_left_in_reach),
        cmocka_unit_test(a_fence_took_until_its_reach_was_empty),
        cmocka_unit_test(the_last_look_comes_after_the_killed_fence_script),
        cmocka_unit_test(the_last_look_waits_for_what_is_dying_where_the_reach_was_not_emptied),
        cmocka_unit_test(what_never_dies_makes_the_fence_fail_at_its_limit),
        cmocka_unit_test(the_stop_after_a_fence_waits_for_what_the_fence_killed),
        cmocka_unit_test(a_fence_bound_beyond_32_bits_is_the_largest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
