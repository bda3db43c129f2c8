/* Unit tests of the guard's machine: what the starts of an epoch came to, as it says when the epoch ends;
 * what follows a stop that ran into its limit. Design 3.2.4, 4 (data safety). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_world.h"

static struct world world;
static uint64_t run_id;

static void act(enum bw_action_kind action, enum bw_run_result result)
{
    run(&world, 1, action, ++run_id);
    ended(&world, BW_GUARD_SLOT_ACTION, result, "");
}

static void look(enum bw_run_result result, const char *word)
{
    run(&world, 1, BW_ACTION_STATUS, ++run_id);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, result, word);
}

/* The stop ends well, and the look that follows it says `stopped`. */
static void stop(void)
{
    act(BW_ACTION_STOP, BW_RUN_OK);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
}

static enum bw_served served(void)
{
    assert_true(end(&world, 1));
    return world.last[BW_GUARD_MESSAGE_EPOCH_ENDED].epoch_ended.served;
}

static void a_start_that_failed_and_was_never_seen_to_serve_never_did(void **state)
{
    (void)state;
    begin_armed(&world);
    look(BW_RUN_FAILED, ""); /* before the start began: about nothing of it */
    act(BW_ACTION_START, BW_RUN_FAILED);
    look(BW_RUN_OK, "stopped");
    stop();

    assert_int_equal(served(), BW_SERVED_NEVER);
}

static void a_start_that_ended_well_may_have_served(void **state)
{
    (void)state;
    begin_armed(&world);
    act(BW_ACTION_START, BW_RUN_OK);
    stop();

    assert_int_equal(served(), BW_SERVED_MAYBE);
}

/* An earlier start of the epoch counts, whatever the last one came to. */
static void a_restart_that_failed_does_not_hide_what_had_served(void **state)
{
    (void)state;
    begin_armed(&world);
    act(BW_ACTION_START, BW_RUN_OK);
    look(BW_RUN_OK, "stopped");
    act(BW_ACTION_START, BW_RUN_FAILED);
    stop();

    assert_int_equal(served(), BW_SERVED_MAYBE);
}

static void what_was_seen_to_serve_has_served(void **state)
{
    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, ++run_id);
    look(BW_RUN_OK, "started");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");
    stop();

    assert_int_equal(served(), BW_SERVED_MAYBE);
}

static void a_look_that_was_not_clear_leaves_it_open(void **state)
{
    static const struct {
        enum bw_run_result result;
        const char *word;
    } looks[] = {{BW_RUN_OK, "unknown"}, {BW_RUN_FAILED, ""}, {BW_RUN_TIMED_OUT, "stopped"}};

    (void)state;
    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        begin_armed(&world);
        act(BW_ACTION_START, BW_RUN_FAILED);
        look(looks[i].result, looks[i].word);
        stop();

        assert_int_equal(served(), BW_SERVED_NOT_SEEN);
    }
}

/* It waited for its turn among many groups, and made way for an action: it has looked at nothing. */
static void a_look_that_never_began_leaves_nothing_open(void **state)
{
    (void)state;
    begin_armed(&world);
    world.spawn_hangs = true;
    run(&world, 1, BW_ACTION_STATUS, ++run_id);
    world.spawn_hangs = false;
    run(&world, 1, BW_ACTION_START, ++run_id);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_KILLED, "");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");
    look(BW_RUN_OK, "stopped");
    stop();

    assert_int_equal(served(), BW_SERVED_NEVER);
}

/* The same wait, and then it begins: as any other look. */
static void a_look_that_began_late_is_a_look(void **state)
{
    const struct bw_guard_run late = {.epoch = 1, .action = BW_ACTION_STATUS, .run_id = 77};

    (void)state;
    begin_armed(&world);
    act(BW_ACTION_START, BW_RUN_FAILED);
    world.spawn_hangs = true;
    run(&world, 1, BW_ACTION_STATUS, late.run_id);
    assert_asked(&world, "SPAWN:status");
    assert_not_asked(&world, "GO");
    world.spawn_hangs = false;
    spawned(&world, BW_GUARD_SLOT_OBSERVATION, &late);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");

    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, late.run_id);
    stop();
    assert_int_equal(served(), BW_SERVED_MAYBE);
}

/* Begun beside the start: what it saw may be older than what the start did last. */
static void only_a_look_that_began_after_the_start_had_ended_tells(void **state)
{
    struct bw_guard_state reported;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, ++run_id);
    look(BW_RUN_OK, "stopped");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");
    bw_guard_state_get(&world.guard, &reported);
    assert_int_equal(reported.served, BW_SERVED_NOT_SEEN);
}

/* A guard that was restarted in the middle does not know how the start ended. */
static void an_interrupted_start_may_have_served(void **state)
{
    struct bw_guard_mirror mirror;
    struct bw_guard_memory memory;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, ++run_id);
    mirror = world.guard.mirror;
    memory = world.guard.memory;
    assert_int_equal(mirror.children[BW_GUARD_SLOT_ACTION].action, BW_ACTION_START);
    bw_guard_init(&world.guard, "g", &limits, &memory, &mirror, at_ms(world.now_ms));
    hello(&world, instance_a);
    stop();

    assert_int_equal(served(), BW_SERVED_MAYBE);
}

static void nobody_knows_of_an_epoch_without_a_mirror(void **state)
{
    struct bw_guard_memory memory;

    (void)state;
    begin_armed(&world);
    act(BW_ACTION_START, BW_RUN_FAILED);
    memory = world.guard.memory;
    bw_guard_init(&world.guard, "g", &limits, &memory, NULL, at_ms(world.now_ms));
    hello(&world, instance_a);
    stop(); /* the look at the start says that it is: begun before the stop, it proves nothing */
    tick_at(&world, world.now_ms + 100);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_int_equal(served(), BW_SERVED_MAYBE);
}

/* ---- a stop that ran into its limit (3.2.4) ---- */

static void run_out_of_stop(void)
{
    begin_armed(&world);
    act(BW_ACTION_START, BW_RUN_OK);
    act(BW_ACTION_STOP, BW_RUN_TIMED_OUT);
    run(&world, 1, BW_ACTION_FENCE, ++run_id);
}

/* It would hang again, and the end of the epoch would wait for it. */
static void a_stop_that_ran_into_its_limit_does_not_follow_the_fence(void **state)
{
    (void)state;
    run_out_of_stop();
    assert_asked(&world, "SPAWN:fence");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_not_asked(&world, "SPAWN:stop");
    assert_true(end(&world, 1));

    begin_armed(&world); /* one that failed by itself cleans up */
    act(BW_ACTION_START, BW_RUN_OK);
    act(BW_ACTION_STOP, BW_RUN_FAILED);
    run(&world, 1, BW_ACTION_FENCE, ++run_id);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_asked(&world, "SPAWN:stop");
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_BEGUN].begun.run_id, 0); /* the agent is told */
    assert_false(end(&world, 1));
    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why, BW_REFUSAL_BUSY);
}

/* Without a fence script it would be the fence: what is inside is ended without it. */
static void a_stop_that_ran_into_its_limit_is_not_the_fence(void **state)
{
    (void)state;
    begin_armed(&world);
    world.guard.limits.has_script[BW_ACTION_FENCE] = false;
    act(BW_ACTION_START, BW_RUN_OK);
    act(BW_ACTION_STOP, BW_RUN_TIMED_OUT);
    run(&world, 1, BW_ACTION_FENCE, ++run_id);
    assert_not_asked(&world, "SPAWN:stop");
    assert_asked(&world, "SPAWN:status");

    begin_armed(&world); /* outside nothing else ends it */
    world.guard.limits.has_script[BW_ACTION_FENCE] = false;
    act(BW_ACTION_START, BW_RUN_OK);
    act(BW_ACTION_STOP, BW_RUN_TIMED_OUT);
    world.guard.memory.sight.seen = BW_REACH_OUTSIDE;
    run(&world, 1, BW_ACTION_FENCE, ++run_id);
    assert_asked(&world, "SPAWN:stop");

    begin_armed(&world); /* nor is it seen to end, where a script has to end first what something had left */
    world.guard.limits.has_script[BW_ACTION_FENCE] = false;
    act(BW_ACTION_START, BW_RUN_OK);
    act(BW_ACTION_STOP, BW_RUN_TIMED_OUT);
    world.guard.mirror.left_due = true;
    run(&world, 1, BW_ACTION_FENCE, ++run_id);
    assert_asked(&world, "SPAWN:stop");
}

/* A look that could not be begun has seen nothing: that is not `stopped`. */
static void a_look_that_could_not_be_begun_leaves_it_open_whether_it_serves(void **state)
{
    (void)state;
    for (int is_killed = 0; is_killed < 2; is_killed++) {
        begin_armed(&world);
        world.guard.mirror.served = BW_SERVED_NEVER;
        world.spawn_hangs = true;
        run(&world, 1, BW_ACTION_STATUS, 3);
        assert_int_equal(world.guard.slots[BW_GUARD_SLOT_OBSERVATION].state, BW_SLOT_SPAWNING);

        ended(&world, BW_GUARD_SLOT_OBSERVATION, is_killed ? BW_RUN_KILLED : BW_RUN_FAILED, "");

        assert_int_equal(world.guard.mirror.served,
                         is_killed ? BW_SERVED_NEVER : BW_SERVED_NOT_SEEN);
    }
}

/* What was seen to be stopped before says nothing of the next start. */
static void each_start_is_seen_to_be_stopped_by_itself(void **state)
{
    struct bw_guard_state reported;

    (void)state;
    begin_armed(&world);
    act(BW_ACTION_START, BW_RUN_FAILED);
    look(BW_RUN_OK, "stopped");
    bw_guard_state_get(&world.guard, &reported);
    assert_int_equal(reported.served, BW_SERVED_NEVER);

    act(BW_ACTION_START, BW_RUN_FAILED);

    bw_guard_state_get(&world.guard, &reported);
    assert_int_equal(reported.served, BW_SERVED_NOT_SEEN);
}

/* What it tells an agent that comes while it serves: not that nobody has seen it. */
static void a_service_that_was_started_and_runs_on_may_have_served(void **state)
{
    struct bw_guard_state reported;

    (void)state;
    begin_armed(&world);
    act(BW_ACTION_START, BW_RUN_OK);
    bw_guard_state_get(&world.guard, &reported);

    assert_int_equal(reported.start_epoch, 1);
    assert_int_equal(reported.served, BW_SERVED_MAYBE);
}

/* 3.2.4: what was owed for a start before this one is owed for this one, once it is to end. */
static void a_new_start_owes_no_script_for_the_one_before(void **state)
{
    (void)state;
    begin_armed(&world);
    act(BW_ACTION_START, BW_RUN_FAILED);
    world.guard.script_again = true;
    run(&world, 1, BW_ACTION_START, ++run_id);
    assert_asked(&world, "SPAWN:start");

    assert_false(world.guard.script_again);
    assert_true(world.guard.mirror.script_due);
}

/* 4: what was adopted was never started here. */
static void what_another_epoch_came_to_says_nothing_of_one_without_a_start(void **state)
{
    (void)state;
    begin(&world);
    world.guard.mirror.start_epoch = 1;
    world.guard.mirror.served = BW_SERVED_NEVER;
    world.guard.mirror.stopped_after_start = true;
    assert_true(arm(&world, 2, world.now_ms));
    run(&world, 2, BW_ACTION_STATUS, 5);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_true(end(&world, 2));

    assert_int_equal(world.last[BW_GUARD_MESSAGE_EPOCH_ENDED].epoch_ended.served, BW_SERVED_MAYBE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_that_failed_and_was_never_seen_to_serve_never_did),
        cmocka_unit_test(a_start_that_ended_well_may_have_served),
        cmocka_unit_test(a_restart_that_failed_does_not_hide_what_had_served),
        cmocka_unit_test(what_was_seen_to_serve_has_served),
        cmocka_unit_test(a_look_that_was_not_clear_leaves_it_open),
        cmocka_unit_test(a_look_that_never_began_leaves_nothing_open),
        cmocka_unit_test(a_look_that_began_late_is_a_look),
        cmocka_unit_test(only_a_look_that_began_after_the_start_had_ended_tells),
        cmocka_unit_test(an_interrupted_start_may_have_served),
        cmocka_unit_test(nobody_knows_of_an_epoch_without_a_mirror),
        cmocka_unit_test(a_stop_that_ran_into_its_limit_does_not_follow_the_fence),
        cmocka_unit_test(a_stop_that_ran_into_its_limit_is_not_the_fence),
        cmocka_unit_test(a_look_that_could_not_be_begun_leaves_it_open_whether_it_serves),
        cmocka_unit_test(each_start_is_seen_to_be_stopped_by_itself),
        cmocka_unit_test(a_service_that_was_started_and_runs_on_may_have_served),
        cmocka_unit_test(a_new_start_owes_no_script_for_the_one_before),
        cmocka_unit_test(what_another_epoch_came_to_says_nothing_of_one_without_a_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
