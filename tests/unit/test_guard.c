/* guard: deadlines, the fence window, one action at a time (design 3.2.4, 3.4). */
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
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_EPOCH_ENDED);
    run(&world, 1, BW_ACTION_START, 2);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_EPOCH_ENDED);
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

    assert_int_equal(world.guard.memory.ended_epoch, 0);
    assert_true(world.guard.mirror.armed_epoch == 1);
}

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
    struct bw_guard_event killed = {.kind = BW_GUARD_EVENT_REACH_KILLED, .ok = true};

    (void)state;
    begin_armed(&world);
    tick_at(&world, 108000);
    tick_at(&world, 109800);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");
    step(&world, &killed);
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
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_EPOCH_ENDED);
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
        cmocka_unit_test(stop_that_leaves_the_service_running_has_failed),
        cmocka_unit_test(ended_is_refused_while_a_start_runs_or_nothing_was_seen_stopped),
        cmocka_unit_test(after_ended_every_arm_and_start_of_the_epoch_is_refused_durably),
        cmocka_unit_test(ended_that_is_not_durable_is_refused),
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
        cmocka_unit_test(look_begun_beside_a_start_does_not_end_the_epoch),
        cmocka_unit_test(look_beside_a_start_does_not_end_the_epoch),
        cmocka_unit_test(fence_does_not_succeed_before_what_it_killed_is_gone),
        cmocka_unit_test(stopped_seen_before_a_start_does_not_end_the_epoch),
        cmocka_unit_test(stop_and_status_wait_for_the_end_of_the_fence),
        cmocka_unit_test(let_go_disarms_without_touching_and_the_epoch_is_never_armed_again),
        cmocka_unit_test(what_let_go_an_earlier_epoch_disarms_no_later_one),
        cmocka_unit_test(a_start_is_let_go_once_it_was_seen_to_serve),
        cmocka_unit_test(a_start_that_is_not_seen_to_serve_is_fenced_before_it_is_let_go),
        cmocka_unit_test(a_start_whose_epoch_has_ended_is_let_go_at_once),
        cmocka_unit_test(what_was_stopped_after_its_start_is_let_go_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
