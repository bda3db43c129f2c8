/* guard: looks that say nothing of where a service is, or of how it ended (design 3.2.4, 3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_serving.h"

/* The fence kills without that any script has run; the look before has said `word`. */
static void kill_alone(struct world *world, const char *word)
{
    world->spawn_hangs = true;
    tick_at(world, 108000);
    world->spawn_hangs = false;
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_NOT_STARTED, "");
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, word);
    tick_at(world, 109900);
    reach_killed(world, true);
    assert_int_equal(world->guard.fence, BW_FENCE_RECHECK);
}

/* 3.2.4: a script has yet to end what that one had left; of what this one starts the reach is enough. */
static void what_an_earlier_start_had_left_keeps_no_look_after_the_next_from_counting(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.memory.sight.seen = BW_REACH_INSIDE;
    world.guard.mirror.script_due = world.guard.mirror.left_due = true;
    look(&world, BW_RUN_OK, "stopped");
    assert_false(world.guard.mirror.stop_seen);
    run(&world, 1, BW_ACTION_START, 1);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    look(&world, BW_RUN_OK, "stopped");
    assert_true(world.guard.mirror.stop_seen);
}

/* ---- where it is ------------------------------------------------------------------------------ */

/* What it saw populated may have been the start's own script, which has ended since. */
static void a_look_begun_beside_a_start_says_nothing_of_where_its_service_is(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.memory.sight.seen = BW_REACH_OUTSIDE;
    run(&world, 1, BW_ACTION_START, 1);
    world.populated = BW_POPULATED_YES;
    run(&world, 1, BW_ACTION_STATUS, 2);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");

    assert_int_equal(bw_guard_sight(&world.guard).seen, BW_REACH_OUTSIDE);
}

static void a_look_that_was_killed_and_one_at_something_else_say_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.guard.limits.has_script[BW_ACTION_READINESS] = true;
    world.populated = BW_POPULATED_NO;
    look(&world, BW_RUN_KILLED, "stopped");
    assert_false(world.guard.mirror.stop_seen);
    assert_int_equal(bw_guard_sight(&world.guard).seen, BW_REACH_INSIDE);

    run(&world, 1, BW_ACTION_READINESS, 3);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_false(world.guard.mirror.stop_seen);
    assert_int_equal(bw_guard_sight(&world.guard).seen, BW_REACH_INSIDE);
}

/* With other scripts it is as if it had never been seen, also where it had not been. */
static void what_starts_it_last_is_written_down_with_its_scripts(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.memory.sight = (struct bw_reach_sight){.seen = BW_REACH_UNSEEN, .digest = 1};
    world.guard.limits.digest = 2;

    run(&world, 1, BW_ACTION_START, 1);

    assert_asked(&world, "SAVE");
    assert_int_equal(world.guard.memory.sight.digest, 2);
}

/* ---- how it ended ------------------------------------------------------------------------------ */

/* A service that had gone by itself is no proof of a kill; nor one of which an older epoch's looks tell. */
static void only_a_kill_of_what_was_just_seen_to_serve_is_a_proof(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    look(&world, BW_RUN_OK, "stopped");
    assert_true(world.guard.mirror.stop_seen);
    kill_alone(&world, "unknown");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
    assert_false(bw_guard_sight(&world.guard).proved);

    begin_serving(&world);
    world.guard.memory.sight.epoch = 0;
    kill_alone(&world, "unknown");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
    assert_false(bw_guard_sight(&world.guard).proved);
}

/* Nobody has seen the reach empty, and what was there when the look began may have begun to serve. */
static void a_last_look_beside_what_was_left_is_repeated(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.guard.memory.sight.proved = true;
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
    tick_at(&world, 109900);
    world.is_left = true;
    reach_killed(&world, false);
    world.is_left = false;

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_asked(&world, "SPAWN:status");
    assert_int_equal(world.guard.fence, BW_FENCE_RECHECK);
}

static void a_last_look_that_was_killed_is_repeated(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    kill_alone(&world, "started");

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_KILLED, "");

    assert_asked(&world, "SPAWN:status");
    assert_int_equal(world.guard.fence, BW_FENCE_RECHECK);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
}

/* 4: who ended it saw no end; it may have served. */
static void a_start_whose_end_nobody_saw_may_have_served(void **state)
{
    struct bw_guard_state reported;
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_INTERRUPTED, "");
    look(&world, BW_RUN_OK, "stopped");

    bw_guard_state_get(&world.guard, &reported);
    assert_int_equal(reported.start_epoch, 1);
    assert_int_equal(reported.served, BW_SERVED_MAYBE);
}

/* A guard that knows of no epoch has no stop of it that ran into its limit. */
static void a_fence_before_any_epoch_may_use_the_stop_script(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.limits.has_script[BW_ACTION_FENCE] = false;

    run(&world, 0, BW_ACTION_FENCE, 1);

    assert_asked(&world, "SPAWN:stop");
}

/* 3.2.4: killed itself, it may order more until it has ended. */
static void a_rejoin_that_a_restart_ended_needs_a_script_too(void **state)
{
    struct bw_guard_mirror mirror;
    struct bw_guard_memory memory;
    struct world world;

    (void)state;
    begin(&world);
    world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
    run(&world, 1, BW_ACTION_REJOIN, 1);
    mirror = world.guard.mirror;
    memory = world.guard.memory;
    assert_int_equal(mirror.children[BW_GUARD_SLOT_ACTION].action, BW_ACTION_REJOIN);
    mirror.script_due = false; /* a fence's script had ended meanwhile */

    bw_guard_init(&world.guard, "g", &limits, &memory, &mirror, at_ms(world.now_ms));

    assert_true(world.guard.mirror.script_due);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_look_begun_beside_a_start_says_nothing_of_where_its_service_is),
        cmocka_unit_test(what_an_earlier_start_had_left_keeps_no_look_after_the_next_from_counting),
        cmocka_unit_test(a_look_that_was_killed_and_one_at_something_else_say_nothing),
        cmocka_unit_test(what_starts_it_last_is_written_down_with_its_scripts),
        cmocka_unit_test(a_last_look_beside_what_was_left_is_repeated),
        cmocka_unit_test(only_a_kill_of_what_was_just_seen_to_serve_is_a_proof),
        cmocka_unit_test(a_last_look_that_was_killed_is_repeated),
        cmocka_unit_test(a_start_whose_end_nobody_saw_may_have_served),
        cmocka_unit_test(a_fence_before_any_epoch_may_use_the_stop_script),
        cmocka_unit_test(a_rejoin_that_a_restart_ended_needs_a_script_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
