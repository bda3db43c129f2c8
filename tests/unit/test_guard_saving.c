/* guard: what comes while something is being written down is judged by it, or has to come again (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_world.h"

static void mirrored(struct world *world, bool ok)
{
    const struct bw_guard_event event = {
        .kind = BW_GUARD_EVENT_MIRRORED, .number = world->guard.mirror_number, .ok = ok};

    step(world, &event);
}

static void let_go(struct world *world, uint64_t index)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 100, .let_go_index = index};

    message(world, &of);
}

static uint32_t count(const struct world *world, enum bw_guard_message_kind kind)
{
    return world->sent[kind];
}

static enum bw_refusal end_refusal(const struct world *world)
{
    return world->last[BW_GUARD_MESSAGE_END_REFUSED].refused.why;
}

/* Epoch 1 is armed and was stopped in order; that it is over is being written down. */
static void begin_ending(struct world *world)
{
    begin_armed(world);
    world->guard.mirror.stop_seen = true;
    world->save_hangs = true;
    assert_false(end(world, 1));
    assert_asked(world, "SAVE");
}

/* Nothing is armed, and a rejoin of epoch 2 waits until that is written down. */
static void begin_rejoining(struct world *world)
{
    begin(world);
    world->guard.limits.has_script[BW_ACTION_REJOIN] = true;
    world->save_hangs = true;
    run(world, 2, BW_ACTION_REJOIN, 7);
    assert_asked(world, "SAVE");
    assert_not_asked(world, "SPAWN");
}

/* ---- an end ---------------------------------------------------------------------------------- */

static void an_end_that_is_asked_for_again_is_answered_once(void **state)
{
    struct world world;

    (void)state;
    begin_ending(&world);

    assert_false(end(&world, 1));
    assert_int_equal(count(&world, BW_GUARD_MESSAGE_END_REFUSED), 0);
    saved(&world, true);

    assert_int_equal(count(&world, BW_GUARD_MESSAGE_EPOCH_ENDED), 1);
}

static void beside_an_end_nothing_is_armed_run_ended_or_let_go(void **state)
{
    struct world world;

    (void)state;
    begin_ending(&world);

    assert_false(arm(&world, 1, 100000));
    assert_int_equal(count(&world, BW_GUARD_MESSAGE_ARM_REFUSED), 1);
    assert_false(end(&world, 2));
    assert_int_equal(end_refusal(&world), BW_REFUSAL_BUSY);
    run(&world, 1, BW_ACTION_STOP, 3);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
    let_go(&world, 50);
    assert_not_asked(&world, "SAVE");
    assert_int_equal(count(&world, BW_GUARD_MESSAGE_LET_GO_DONE), 0);
    saved(&world, true);

    assert_int_equal(count(&world, BW_GUARD_MESSAGE_EPOCH_ENDED), 1);
    assert_int_equal(world.guard.mirror.armed_epoch, 0);
}

static void a_fence_is_run_beside_an_end_which_is_then_none(void **state)
{
    struct world world;

    (void)state;
    begin_ending(&world);

    run(&world, 1, BW_ACTION_FENCE, 3);
    assert_true(bw_guard_is_fencing(&world.guard));
    saved(&world, true);

    assert_int_equal(count(&world, BW_GUARD_MESSAGE_EPOCH_ENDED), 0);
    assert_int_equal(end_refusal(&world), BW_REFUSAL_FENCING);
}

/* Its agent has gone: the next one is told by the state that it gets. */
static void an_end_whose_agent_has_gone_is_kept_all_the_same(void **state)
{
    const struct bw_guard_event gone = {.kind = BW_GUARD_EVENT_AGENT_GONE};
    struct bw_guard_state reported;
    struct world world;

    (void)state;
    begin_ending(&world);
    step(&world, &gone);
    saved(&world, true);

    assert_int_equal(count(&world, BW_GUARD_MESSAGE_EPOCH_ENDED), 0);
    bw_guard_state_get(&world.guard, &reported);
    assert_int_equal(reported.ended_epoch, 1);
    assert_int_equal(reported.armed_epoch, 0);
}

static void an_end_is_for_the_agent_that_has_said_hello_and_for_no_older_epoch(void **state)
{
    const struct bw_guard_event gone = {.kind = BW_GUARD_EVENT_AGENT_GONE};
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.mirror.stop_seen = true;
    world.guard.memory.epoch_seen = 2;
    assert_false(end(&world, 1));
    assert_int_equal(end_refusal(&world), BW_REFUSAL_OLD_EPOCH);

    begin_armed(&world);
    world.guard.mirror.stop_seen = true;
    step(&world, &gone);
    assert_false(end(&world, 1));
    assert_int_equal(world.guard.memory.ended_epoch, 0);
}

/* ---- an arm ---------------------------------------------------------------------------------- */

static void beside_a_first_arm_no_other_epoch_is_armed(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_hangs = true;
    assert_false(arm(&world, 1, 100000));

    assert_false(arm(&world, 2, 100000));

    assert_int_equal(arm_refusal(&world), BW_REFUSAL_BUSY);
    saved(&world, true);
    assert_int_equal(world.guard.mirror.armed_epoch, 1);
}

/* A sight is no reason to hold up the lease that goes on, and no leave for one that is not durable. */
static void beside_a_sight_only_what_is_durable_is_armed(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.wants = BW_GUARD_WANTS_SIGHT;
    world.guard.memory_before = world.guard.memory;
    world.now_ms = 100200;
    assert_true(arm(&world, 1, 100100));

    begin(&world);
    world.guard.wants = BW_GUARD_WANTS_SIGHT;
    world.guard.memory_before = world.guard.memory;
    assert_false(arm(&world, 1, 100000));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_BUSY);
}

/* A stop of a higher epoch has named it, for no instance yet: whoever is the first to arm it has it. */
static void what_a_stop_has_named_is_bound_to_its_instance_before_it_is_armed(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.mirror.stop_seen = true;
    assert_true(end(&world, 1));
    run(&world, 2, BW_ACTION_STOP, 1);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");
    assert_true(world.guard.memory.enforced);
    assert_true(bw_id_is_none(world.guard.memory.instance));

    assert_true(arm(&world, 2, 100000));

    assert_asked(&world, "SAVE");
    assert_true(bw_id_equal(world.guard.memory.instance, instance_a));
}

/* The disk that the stop did not wait for has not answered yet. */
static void beside_the_save_of_a_stop_nothing_new_is_armed(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_hangs = true;
    run(&world, 2, BW_ACTION_STOP, 1);
    assert_asked(&world, "SPAWN:stop");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");

    assert_false(arm(&world, 2, 100000));

    assert_int_equal(arm_refusal(&world), BW_REFUSAL_BUSY);
}

/* It was let go meanwhile: there is nothing to go back to. */
static void an_arm_that_no_mirror_took_arms_nothing_that_was_let_go(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.mirror_hangs = true;
    world.now_ms = 100500;
    assert_false(arm(&world, 1, 100500));
    world.guard.mirror.armed_epoch = 0; /* disarmed otherwise than by an end that waits for its arms */

    mirrored(&world, false);

    assert_int_equal(world.guard.mirror.armed_epoch, 0);
}

/* The fence goes by the later deadline, though nobody was told of it: it has killed already. */
static void a_deadline_that_no_mirror_took_stays_that_of_a_fence_that_has_begun(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.mirror_hangs = true;
    world.now_ms = 100500;
    assert_false(arm(&world, 1, 100500));
    tick_at(&world, 108500);
    assert_true(bw_guard_is_fencing(&world.guard));

    mirrored(&world, false);

    assert_int_equal(world.guard.mirror.armed_end.boot_ns, 110500 * MS);
    assert_int_equal(count(&world, BW_GUARD_MESSAGE_ARMED), 1);
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void beside_a_run_of_a_new_epoch_none_of_a_newer_one_begins(void **state)
{
    struct world world;

    (void)state;
    begin_rejoining(&world);

    run(&world, 3, BW_ACTION_REJOIN, 8);

    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
    saved(&world, true);
    assert_asked(&world, "SPAWN:rejoin");
    assert_int_equal(world.guard.memory.epoch_seen, 2);
}

/* What was right when it was asked for may not be so any more. */
static void a_run_is_judged_again_when_its_epoch_is_durable(void **state)
{
    struct world world;

    (void)state;
    begin_rejoining(&world);
    run(&world, 2, BW_ACTION_STOP, 8);
    assert_asked(&world, "SPAWN:stop");
    saved(&world, true);
    assert_not_asked(&world, "SPAWN:rejoin");
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);

    begin_rejoining(&world);
    run(&world, 2, BW_ACTION_FENCE, 8);
    assert_true(bw_guard_is_fencing(&world.guard));
    saved(&world, true);
    assert_not_asked(&world, "SPAWN:rejoin");
    assert_int_equal(run_refusal(&world), BW_REFUSAL_FENCING);
}

/* What ends a service waits for nobody's disk. */
static void a_stop_of_a_newer_epoch_runs_beside_any_save(void **state)
{
    struct world world;

    (void)state;
    begin_rejoining(&world);

    run(&world, 3, BW_ACTION_STOP, 8);

    assert_asked(&world, "SPAWN:stop");
}

/* An older mirror does not know the child. */
static void a_start_waits_for_the_mirror_that_knows_it(void **state)
{
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_MIRRORED, .ok = true};
    struct world world;

    (void)state;
    begin_armed(&world);
    world.mirror_hangs = true;
    run(&world, 1, BW_ACTION_START, 5);
    event.number = world.guard.mirror_number - 1;
    world.log[0] = '\0';
    step(&world, &event);
    assert_not_asked(&world, "GO");

    mirrored(&world, true);

    assert_asked(&world, "GO");
}

/* ---- a let-go -------------------------------------------------------------------------------- */

static void a_fence_that_begins_beside_a_let_go_is_finished(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.save_hangs = true;
    let_go(&world, 50);
    assert_asked(&world, "SAVE");
    run(&world, 1, BW_ACTION_FENCE, 8);

    saved(&world, true);

    assert_true(bw_guard_is_fencing(&world.guard));
    assert_int_equal(count(&world, BW_GUARD_MESSAGE_LET_GO_DONE), 0);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, ""); /* the stop that follows it */
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    let_go(&world, 50);
    assert_int_equal(count(&world, BW_GUARD_MESSAGE_LET_GO_DONE), 1);
}

/* A lease that is over is nobody's any more, whoever asks. */
static void an_old_let_go_disarms_a_later_epoch_once_its_deadline_is_over(void **state)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 1, .let_go_index = 50};
    struct world world;

    (void)state;
    begin(&world);
    assert_true(arm(&world, 2, 100000));
    message(&world, &of);
    assert_int_equal(world.guard.mirror.armed_epoch, 2);
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    message(&world, &of);
    assert_int_equal(world.guard.mirror.armed_epoch, 2);
    world.now_ms = 110001;

    message(&world, &of);

    assert_int_equal(world.guard.mirror.armed_epoch, 0);
    assert_int_equal(count(&world, BW_GUARD_MESSAGE_LET_GO_DONE), 1);
}

/* ---- what an agent is told that connects meanwhile --------------------------------------------- */

static void a_stop_that_is_looked_at_still_runs(void **state)
{
    struct bw_guard_state reported;
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STOP, 8);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_int_equal(world.guard.stop, BW_GUARD_STOP_CHECKING);

    bw_guard_state_get(&world.guard, &reported);

    assert_int_equal(reported.running, BW_ACTION_STOP);
    assert_int_equal(reported.running_epoch, 1);
    assert_int_equal(reported.running_run_id, 8);
    assert_false(reported.stop_seen);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    bw_guard_state_get(&world.guard, &reported);
    assert_int_equal(reported.running, BW_ACTION_NONE);
    assert_int_equal(reported.epoch_seen, 1);
    assert_true(reported.stop_seen);
}

static void a_run_that_was_saved_does_not_begin_beside_the_look_after_a_stop(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
    world.save_hangs = true;
    run(&world, 5, BW_ACTION_REJOIN, 7);
    run(&world, 5, BW_ACTION_STOP, 8);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_int_equal(world.guard.stop, BW_GUARD_STOP_CHECKING);

    saved(&world, true);

    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
    assert_int_equal(world.guard.slots[BW_GUARD_SLOT_ACTION].state, BW_SLOT_FREE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_that_is_asked_for_again_is_answered_once),
        cmocka_unit_test(beside_an_end_nothing_is_armed_run_ended_or_let_go),
        cmocka_unit_test(a_fence_is_run_beside_an_end_which_is_then_none),
        cmocka_unit_test(an_end_whose_agent_has_gone_is_kept_all_the_same),
        cmocka_unit_test(an_end_is_for_the_agent_that_has_said_hello_and_for_no_older_epoch),
        cmocka_unit_test(beside_a_first_arm_no_other_epoch_is_armed),
        cmocka_unit_test(beside_a_sight_only_what_is_durable_is_armed),
        cmocka_unit_test(what_a_stop_has_named_is_bound_to_its_instance_before_it_is_armed),
        cmocka_unit_test(beside_the_save_of_a_stop_nothing_new_is_armed),
        cmocka_unit_test(an_arm_that_no_mirror_took_arms_nothing_that_was_let_go),
        cmocka_unit_test(a_deadline_that_no_mirror_took_stays_that_of_a_fence_that_has_begun),
        cmocka_unit_test(beside_a_run_of_a_new_epoch_none_of_a_newer_one_begins),
        cmocka_unit_test(a_run_is_judged_again_when_its_epoch_is_durable),
        cmocka_unit_test(a_stop_of_a_newer_epoch_runs_beside_any_save),
        cmocka_unit_test(a_start_waits_for_the_mirror_that_knows_it),
        cmocka_unit_test(an_old_let_go_disarms_a_later_epoch_once_its_deadline_is_over),
        cmocka_unit_test(a_fence_that_begins_beside_a_let_go_is_finished),
        cmocka_unit_test(a_stop_that_is_looked_at_still_runs),
        cmocka_unit_test(a_run_that_was_saved_does_not_begin_beside_the_look_after_a_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
