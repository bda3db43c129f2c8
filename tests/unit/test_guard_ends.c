/* guard: an end that was seen is none once something serves, or may, again (3.3, 3.4 "ended"). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_world.h"

/* Its service was seen to end; that it has is being written down, and the disk hangs. */
static void begin_ending(struct world *world)
{
    begin_armed(world);
    run(world, 1, BW_ACTION_STATUS, 3);
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(world->guard.mirror.stop_seen);
    world->save_hangs = true;
    assert_false(end(world, 1));
}

/* What the fence at D - F sees first, and last. */
static void fence_sees(struct world *world, const char *first, const char *last)
{
    tick_at(world, 108000);
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, first);
    tick_at(world, 109900);
    reach_killed(world, true);
    assert_int_equal(world->guard.fence, BW_FENCE_RECHECK);
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, last);
}

static void assert_not_ended(const struct world *world, enum bw_refusal why)
{
    assert_int_equal(world->sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 0);
    assert_int_equal(world->last[BW_GUARD_MESSAGE_END_REFUSED].refused.why, why);
    assert_int_equal(world->last[BW_GUARD_MESSAGE_END_REFUSED].refused.number, 0); /* of no renewal */
    assert_int_equal(world->guard.mirror.armed_epoch, 1); /* its deadline stands */
}

static void an_end_that_is_saved_while_a_fence_runs_or_failed_is_refused(void **state)
{
    struct world world;

    (void)state;
    begin_ending(&world);
    tick_at(&world, 108000);
    saved(&world, true);
    assert_not_ended(&world, BW_REFUSAL_FENCING);

    begin_ending(&world);
    fence_sees(&world, "unknown", "unknown");
    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);
    saved(&world, true);
    assert_not_ended(&world, BW_REFUSAL_FENCING);
}

static void what_a_fence_saw_serve_has_not_ended_before(void **state)
{
    struct world world;

    (void)state;
    begin_ending(&world);
    fence_sees(&world, "unknown", "started");

    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);
    assert_false(world.guard.mirror.stop_seen);
    saved(&world, true);
    assert_not_ended(&world, BW_REFUSAL_FENCING);
}

static void an_end_is_said_once_a_fence_has_seen_it(void **state)
{
    struct world world;

    (void)state;
    begin_ending(&world);
    fence_sees(&world, "started", "stopped");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, ""); /* the stop script that cleans up */
    saved(&world, true);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 1);
}

/* What it ordered elsewhere after the fence script had ended is not taken back by that one. */
static void a_start_that_ends_after_the_fence_script_needs_another(void **state)
{
    static const enum bw_action_kind actions[] = {BW_ACTION_START, BW_ACTION_REJOIN};

    (void)state;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        struct world world;

        begin_armed(&world);
        world.guard.memory.sight.seen = BW_REACH_OUTSIDE;
        /* A rejoin is refused beside a lease: as if one had been begun before it. */
        run(&world, 1, BW_ACTION_START, 9);
        world.guard.slots[BW_GUARD_SLOT_ACTION].run.action = actions[i];
        tick_at(&world, 108000);
        world.guard.slots[BW_GUARD_SLOT_FENCE].beside_start = false; /* its end alone is looked at */
        ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
        ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_KILLED, "");
        ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
        assert_int_equal(world.guard.fence, BW_FENCE_SCRIPT);
        assert_asked(&world, "SPAWN:fence");
        ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
        ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
        assert_int_equal(world.guard.fence, BW_FENCE_DONE);
    }
}

/* It ends last, but what it ended may have been ordered since. */
static void a_fence_script_that_began_beside_a_start_is_needed_once_more(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.memory.sight.seen = BW_REACH_OUTSIDE;
    run(&world, 1, BW_ACTION_START, 9);
    tick_at(&world, 108000);
    assert_asked(&world, "SPAWN:fence");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_KILLED, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_SCRIPT);
    assert_asked(&world, "SPAWN:fence");

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
}

/* A stop that dies beside it orders nothing. */
static void one_that_began_beside_a_stop_is_not(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.memory.sight.seen = BW_REACH_OUTSIDE;
    run(&world, 1, BW_ACTION_STOP, 9);
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_KILLED, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
}

/* An instance that was wiped cannot end the epoch of the one before: it stays armed, seen to have ended. */
static void what_is_over_and_seen_to_be_has_no_deadline_to_come(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    assert_false(bw_guard_has_deadline(&world.guard, at_ms(100000)));
    begin_armed(&world);
    world.guard.mirror.stop_seen = true;
    assert_true(bw_guard_has_deadline(&world.guard, at_ms(109999)));
    assert_false(bw_guard_has_deadline(&world.guard, at_ms(110000)));

    world.guard.mirror.stop_seen = false;

    assert_true(bw_guard_has_deadline(&world.guard, at_ms(120000)));
}

/* ---- what a restart of the guard does not forget ----------------------------------------------- */

static void begin_anew(struct world *world)
{
    const struct bw_guard_memory memory = world->guard.memory;
    const struct bw_guard_mirror mirror = world->guard.mirror;
    const uint64_t now_ms = world->now_ms;

    memset(world, 0, sizeof *world);
    world->now_ms = now_ms;
    bw_guard_init(&world->guard, "g", &limits, &memory, &mirror, at_ms(now_ms));
    hello(world, instance_a);
}

static void an_end_that_was_refused_is_none_after_a_restart(void **state)
{
    struct world world;

    (void)state;
    begin_ending(&world);
    fence_sees(&world, "unknown", "started");
    saved(&world, true);
    begin_anew(&world);
    assert_int_equal(world.guard.mirror.armed_epoch, 1);
    assert_false(end(&world, 1));

    assert_true(bw_guard_is_fencing(&world.guard)); /* its window has begun long ago */
}

/* The disk had it, the mirror had not. */
static void one_that_was_not_is_one_after_a_restart(void **state)
{
    struct world world;

    (void)state;
    begin_ending(&world);
    begin_anew(&world);
    assert_int_equal(world.guard.mirror.armed_epoch, 0);

    assert_false(end(&world, 1)); /* the look at the start goes on */
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 1);
}

static void a_start_that_died_with_its_guard_may_have_ordered_more(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.memory.sight.seen = BW_REACH_OUTSIDE;
    run(&world, 1, BW_ACTION_START, 9);
    tick_at(&world, 108000);
    world.guard.mirror.script_due = false; /* as a script leaves it that ends while the start dies */
    begin_anew(&world);
    assert_true(world.guard.mirror.script_due);
}

/* ---- ending is one thing, ended another (3.4) --------------------------------------------------- */

static void look(struct world *world, const char *word)
{
    run(world, world->guard.memory.epoch_seen, BW_ACTION_STATUS, 50);
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, word);
}

static uint64_t reported_ended_epoch(const struct world *world)
{
    struct bw_guard_state reported;

    bw_guard_state_get(&world->guard, &reported);
    return reported.ended_epoch;
}

/* As after a boot: no epoch is armed. */
static void begin_ending_unarmed(struct world *world)
{
    struct bw_guard_memory memory;

    begin_armed(world);
    memory = world->guard.memory;
    memset(world, 0, sizeof *world);
    world->now_ms = 100000;
    bw_guard_init(&world->guard, "g", &limits, &memory, NULL, at_ms(world->now_ms));
    hello(world, instance_a);
    run(world, 1, BW_ACTION_STOP, 40);
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped"); /* that at the start: begun before the stop */
    assert_false(world->guard.mirror.stop_seen);
    tick_at(world, world->now_ms + 100);
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(world->guard.mirror.stop_seen);
    assert_int_equal(world->guard.slots[BW_GUARD_SLOT_OBSERVATION].state, BW_SLOT_FREE);
    world->save_hangs = true;
    assert_false(end(world, 1));
}

/* ... which is looked for, and a newer epoch is armed meanwhile. */
static void begin_looked_for_beside_newer(struct world *world)
{
    begin_ending_unarmed(world);
    world->end_look_hangs = true;
    saved(world, true);
    assert_true(arm(world, 2, world->now_ms));
}

static void what_was_refused_as_an_end_is_refused_again(void **state)
{
    struct world world;

    (void)state;
    begin_ending(&world);
    look(&world, "started");
    saved(&world, true);
    assert_not_ended(&world, BW_REFUSAL_NOT_STOPPED);
    assert_false(end(&world, 1));
    assert_int_equal(reported_ended_epoch(&world), 0);

    begin_ending_unarmed(&world);
    look(&world, "started");
    saved(&world, true);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why, BW_REFUSAL_NOT_STOPPED);
    assert_false(end(&world, 1));
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_END_REFUSED], 2);
    assert_int_equal(reported_ended_epoch(&world), 0);

    look(&world, "stopped");
    assert_true(end(&world, 1));
    assert_int_equal(reported_ended_epoch(&world), 1);
}

/* Nobody has looked since it was asked for: the disk may have taken long. */
static void what_serves_once_the_end_is_durable_has_not_ended(void **state)
{
    struct world world;

    (void)state;
    begin_ending(&world);
    world.end_look_hangs = true;
    saved(&world, true);
    assert_asked(&world, "SPAWN:status");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 0);
    assert_int_equal(reported_ended_epoch(&world), 0);
    assert_false(end(&world, 1)); /* its answer is on its way */
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_END_REFUSED], 0);

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");

    assert_not_ended(&world, BW_REFUSAL_NOT_STOPPED);
}

/* Who heard yes right before it was refused may be beginning, and serves only later. */
static void what_has_begun_beside_the_end_ends_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_ending(&world);
    world.end_look_hangs = true;
    saved(&world, true);
    world.is_left = true;
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_not_ended(&world, BW_REFUSAL_NOT_STOPPED);

    begin_ending(&world);
    world.end_look_hangs = true;
    world.is_left = true;
    saved(&world, true);
    world.is_left = false; /* gone, but what did it order before? */
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 0);
    tick_at(&world, world.now_ms + 100);
    assert_asked(&world, "SPAWN:status");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 1);
}

/* What keeps an epoch from its end is named, and nothing is said of what the look saw beside it. */
static void a_newer_stop_beside_the_end_is_what_it_waits_for(void **state)
{
    struct world world;

    (void)state;
    begin_looked_for_beside_newer(&world);
    run(&world, 2, BW_ACTION_STOP, 7);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    world.is_left = true;
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why, BW_REFUSAL_BUSY);
}

/* It is one question, whatever has come since: its answer follows with the look. */
static void an_end_that_is_asked_for_again_while_it_is_looked_for_waits_for_its_answer(void **state)
{
    struct world world;

    (void)state;
    begin_looked_for_beside_newer(&world);
    assert_false(end(&world, 1));
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_END_REFUSED], 0);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 1);
}

/* 3.4: no action is left, and a stop is none that has ended before its end was seen. */
static void beside_a_stop_that_is_looked_for_nothing_ends(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STOP, 3);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_asked(&world, "SPAWN:status");
    assert_false(end(&world, 1));
    assert_not_ended(&world, BW_REFUSAL_BUSY);
}

static void a_look_that_began_before_it_was_durable_tells_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_ending(&world);
    world.end_look_hangs = true;
    run(&world, 1, BW_ACTION_STATUS, 51);
    saved(&world, true);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 0);
    assert_asked(&world, "SPAWN:status");

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 1);
    assert_int_equal(reported_ended_epoch(&world), 1);

    run(&world, 1, BW_ACTION_STATUS, 52); /* somebody has started it since */
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    assert_int_equal(reported_ended_epoch(&world), 0);
}

/* 3.4: what ends is the old epoch; the deadline of a newer one is nobody's to take. */
static void the_end_of_an_epoch_leaves_the_deadline_of_a_newer_one(void **state)
{
    struct world world;

    (void)state;
    begin_looked_for_beside_newer(&world);

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_int_equal(world.last[BW_GUARD_MESSAGE_EPOCH_ENDED].epoch, 1);
    assert_int_equal(world.guard.mirror.armed_epoch, 2);
    tick_at(&world, world.now_ms + TTL_MS - FENCE_MS);
    assert_int_equal(world.guard.fence, BW_FENCE_SCRIPT);
}

/* Asked for again while what was refused is durable already. */
static void a_repeated_end_is_looked_for_anew(void **state)
{
    struct world world;

    (void)state;
    begin_ending(&world);
    look(&world, "started");
    saved(&world, true);
    assert_not_ended(&world, BW_REFUSAL_NOT_STOPPED);
    look(&world, "stopped");
    world.end_look_hangs = true;
    assert_false(end(&world, 1));
    assert_asked(&world, "SPAWN:status");

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 1);
    assert_int_equal(world.guard.mirror.armed_epoch, 0);
    assert_true(end(&world, 1)); /* its answer was lost */
}

/* It saw nothing. Nor is an epoch held for ever by a status script that tells nothing. */
static void a_look_that_was_ended_is_repeated_and_one_that_is_unclear_takes_nothing_back(void **state)
{
    struct world world;

    (void)state;
    begin_ending(&world);
    world.end_look_hangs = true;
    saved(&world, true);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_KILLED, "");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 0);
    assert_not_asked(&world, "SPAWN:status");
    tick_at(&world, world.now_ms + 100);
    assert_asked(&world, "SPAWN:status");

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_TIMED_OUT, "");

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 1);
}

/* What it ended serves again: an agent that connects now hears of no fence that was well. */
static void a_fence_after_which_it_serves_again_is_told_as_none_that_was_well(void **state)
{
    struct bw_guard_state reported;
    struct world world;

    (void)state;
    begin_armed(&world);
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    bw_guard_state_get(&world.guard, &reported);
    assert_true(reported.fence_ok);
    look(&world, "started");

    bw_guard_state_get(&world.guard, &reported);

    assert_true(reported.fence_ended);
    assert_false(reported.fence_ok);
}

/* An agent that connects anew is told the same as the one that had asked. */
static void what_was_refused_as_an_end_is_told_to_no_agent(void **state)
{
    struct bw_guard_state reported;
    struct world world;

    (void)state;
    begin_ending(&world);
    fence_sees(&world, "unknown", "started");
    saved(&world, true);
    bw_guard_state_get(&world.guard, &reported);
    assert_int_equal(reported.ended_epoch, 0);
    assert_true(reported.fence_ended);
    assert_false(reported.fence_ok);
}

/* 3.4: an epoch is ended by an agent that the guard has heard. */
static void without_an_agent_nothing_is_ended(void **state)
{
    const struct bw_guard_event gone = {.kind = BW_GUARD_EVENT_AGENT_GONE};
    struct world world;

    (void)state;
    begin(&world);
    run(&world, 2, BW_ACTION_STOP, 3); /* the first that is heard of the epoch: no instance holds it */
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(world.guard.mirror.stop_seen);
    step(&world, &gone);

    assert_false(end(&world, 2));

    assert_int_equal(world.guard.memory.ended_epoch, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_that_is_saved_while_a_fence_runs_or_failed_is_refused),
        cmocka_unit_test(what_a_fence_saw_serve_has_not_ended_before),
        cmocka_unit_test(an_end_is_said_once_a_fence_has_seen_it),
        cmocka_unit_test(what_was_refused_as_an_end_is_told_to_no_agent),
        cmocka_unit_test(a_start_that_ends_after_the_fence_script_needs_another),
        cmocka_unit_test(a_fence_script_that_began_beside_a_start_is_needed_once_more),
        cmocka_unit_test(one_that_began_beside_a_stop_is_not),
        cmocka_unit_test(what_is_over_and_seen_to_be_has_no_deadline_to_come),
        cmocka_unit_test(an_end_that_was_refused_is_none_after_a_restart),
        cmocka_unit_test(one_that_was_not_is_one_after_a_restart),
        cmocka_unit_test(what_was_refused_as_an_end_is_refused_again),
        cmocka_unit_test(what_serves_once_the_end_is_durable_has_not_ended),
        cmocka_unit_test(what_has_begun_beside_the_end_ends_nothing),
        cmocka_unit_test(a_newer_stop_beside_the_end_is_what_it_waits_for),
        cmocka_unit_test(an_end_that_is_asked_for_again_while_it_is_looked_for_waits_for_its_answer),
        cmocka_unit_test(beside_a_stop_that_is_looked_for_nothing_ends),
        cmocka_unit_test(a_look_that_began_before_it_was_durable_tells_nothing),
        cmocka_unit_test(the_end_of_an_epoch_leaves_the_deadline_of_a_newer_one),
        cmocka_unit_test(a_repeated_end_is_looked_for_anew),
        cmocka_unit_test(
            a_look_that_was_ended_is_repeated_and_one_that_is_unclear_takes_nothing_back),
        cmocka_unit_test(a_fence_after_which_it_serves_again_is_told_as_none_that_was_well),
        cmocka_unit_test(a_start_that_died_with_its_guard_may_have_ordered_more),
        cmocka_unit_test(without_an_agent_nothing_is_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
