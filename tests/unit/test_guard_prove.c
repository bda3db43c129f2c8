/* guard: a stop whose script is a KILL of everything in reach, the proof that an operator asks for (design 3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_serving.h"

static void prove(struct world *world)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN, .epoch = 1};

    of.run = (struct bw_guard_run){.epoch = 1, .action = BW_ACTION_STOP, .run_id = 7, .by_kill = true};
    message(world, &of);
}

static void assert_answered(const struct world *world, enum bw_run_result result, enum bw_refusal why)
{
    const struct bw_guard_run_ended *ended = &world->last[BW_GUARD_MESSAGE_RUN_ENDED].ended;

    assert_int_equal(ended->run_id, 7);
    assert_int_equal(ended->result, result);
    assert_int_equal(ended->refusal, why);
    assert_int_equal(world->guard.stop, BW_GUARD_STOP_NONE);
}

static void assert_refused(struct world *world, enum bw_refusal why)
{
    world->log[0] = '\0';
    prove(world);
    assert_not_asked(world, "KILL_REACH");
    assert_answered(world, BW_RUN_REFUSED, why);
}

static void the_kill_and_the_first_look_after_it_are_the_proof(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    prove(&world);
    assert_asked(&world, "KILL_REACH");
    assert_not_asked(&world, "SPAWN");
    world.populated = BW_POPULATED_NO;
    reach_killed(&world, true);
    assert_asked(&world, "SPAWN:status");
    assert_false(bw_guard_sight(&world.guard).proved);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_asked(&world, "SAVE");
    assert_answered(&world, BW_RUN_OK, BW_REFUSAL_NONE);
    assert_true(world.guard.memory.sight.proved);
    run(&world, 1, BW_ACTION_START, 8); /* under the same epoch */
    assert_asked(&world, "SPAWN:start");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    world.populated = BW_POPULATED_YES;
    look(&world, BW_RUN_OK, "started");
    assert_true(bw_guard_sight(&world.guard).proved);
}

/* A helper of it was inside. What the look after the KILL says counts, and its own word of the place does. */
static void what_serves_on_is_not_proved_and_is_outside(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    prove(&world);
    world.populated = BW_POPULATED_NO;
    reach_killed(&world, true);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");

    assert_answered(&world, BW_RUN_REFUSED, BW_REFUSAL_NOT_STOPPED);
    assert_int_equal(bw_guard_sight(&world.guard).seen, BW_REACH_OUTSIDE);
    assert_false(bw_guard_sight(&world.guard).proved);
    assert_int_equal(world.guard.fence, BW_FENCE_NONE);
}

static void unknown_and_what_is_left_are_no_proof(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    prove(&world);
    reach_killed(&world, true);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "unknown");
    assert_answered(&world, BW_RUN_REFUSED, BW_REFUSAL_NOT_STOPPED);
    assert_false(bw_guard_sight(&world.guard).proved);

    begin_serving(&world);
    prove(&world);
    reach_killed(&world, true);
    world.is_left = true;
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_answered(&world, BW_RUN_REFUSED, BW_REFUSAL_NOT_STOPPED);
    assert_false(bw_guard_sight(&world.guard).proved);
    world.is_left = false;
}

static void a_kill_that_fails_proves_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    prove(&world);
    reach_killed(&world, false);

    assert_answered(&world, BW_RUN_REFUSED, BW_REFUSAL_NOT_STOPPED);
    assert_not_asked(&world, "SPAWN");
}

/* 3.2.4: a look that somebody's signal has ended is repeated; one that hangs is given up. */
static void a_look_that_saw_nothing_is_repeated_until_its_limit(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    prove(&world);
    reach_killed(&world, true);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_KILLED, "");
    assert_int_equal(world.guard.stop, BW_GUARD_STOP_CHECKING);
    tick_at(&world, world.now_ms + 200);
    assert_asked(&world, "SPAWN:status");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], 2); /* the start, and the look before */

    assert_true(arm(&world, 1, world.now_ms)); /* its lease goes on */
    tick_at(&world, world.now_ms + 7000);
    assert_answered(&world, BW_RUN_REFUSED, BW_REFUSAL_NOT_STOPPED);
}

static void what_it_could_prove_nothing_of_it_does_not_kill(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world); /* nobody has seen anything serve */
    assert_refused(&world, BW_REFUSAL_NOT_INSIDE);

    begin_serving(&world);
    world.guard.memory.sight.epoch = 0;
    assert_refused(&world, BW_REFUSAL_NOT_INSIDE);

    begin_serving(&world);
    world.guard.limits.digest++; /* other scripts */
    assert_refused(&world, BW_REFUSAL_NOT_INSIDE);

    begin_serving(&world);
    world.guard.mirror.script_begun = true; /* which may end it, or has ended half of it */
    assert_refused(&world, BW_REFUSAL_NOT_INSIDE);

    begin_serving(&world);
    look(&world, BW_RUN_OK, "stopped"); /* it is gone already */
    assert_refused(&world, BW_REFUSAL_NOT_INSIDE);

    begin_serving(&world);
    world.guard.limits.loop_delay_ns = 1; /* its own loop starts and stops it */
    assert_refused(&world, BW_REFUSAL_NOT_INSIDE);
}

static void without_its_lease_or_beside_another_action_it_kills_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    tick_at(&world, 108000);
    assert_refused(&world, BW_REFUSAL_FENCING);

    begin_serving(&world);
    run(&world, 1, BW_ACTION_STOP, 5);
    prove(&world); /* one action at a time */
    assert_not_asked(&world, "KILL_REACH");
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);

    begin_serving(&world);
    prove(&world);
    prove(&world);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
    run(&world, 1, BW_ACTION_START, 9); /* nor does one begin beside it */
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
    run(&world, 1, BW_ACTION_STATUS, 10);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
}

/* 3.2.4: the fence window ends whatever runs, and the answer of an earlier KILL says nothing of the fence's. */
static void a_fence_takes_its_place(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    prove(&world);
    tick_at(&world, 108000);
    assert_int_equal(world.guard.fence, BW_FENCE_SCRIPT);
    assert_int_equal(world.guard.stop, BW_GUARD_STOP_NONE);
    reach_killed(&world, true);
    assert_int_equal(world.guard.fence, BW_FENCE_SCRIPT);
    assert_false(bw_guard_sight(&world.guard).proved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kill_and_the_first_look_after_it_are_the_proof),
        cmocka_unit_test(what_serves_on_is_not_proved_and_is_outside),
        cmocka_unit_test(unknown_and_what_is_left_are_no_proof),
        cmocka_unit_test(a_kill_that_fails_proves_nothing),
        cmocka_unit_test(a_look_that_saw_nothing_is_repeated_until_its_limit),
        cmocka_unit_test(what_it_could_prove_nothing_of_it_does_not_kill),
        cmocka_unit_test(without_its_lease_or_beside_another_action_it_kills_nothing),
        cmocka_unit_test(a_fence_takes_its_place),
    };

    return cmocka_run_group_tests_name("guard_prove", tests, NULL, NULL);
}
