/* guard: the fence of another site's service makes way for all that is done with this one's (3.3).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_world.h"

#define EPOCH 7

static void begin_with_script(struct world *world)
{
    begin(world);
    world->guard.limits.has_script[BW_ACTION_REMOTE_FENCE] = true;
    world->guard.limits.timeout_ns[BW_ACTION_REMOTE_FENCE] = 30000 * MS;
}

static void begin_fencing(struct world *world)
{
    begin_with_script(world);
    run(world, EPOCH, BW_ACTION_REMOTE_FENCE, 5);
    assert_asked(world, "SPAWN:remote_fence GO");
}

static void its_epoch_is_durable_and_its_child_mirrored_before_it_goes(void **state)
{
    struct bw_guard_state reported;
    struct world world;

    (void)state;
    begin_with_script(&world);
    bw_guard_state_get(&world.guard, &reported);
    assert_int_equal(reported.remote_fence_ms, 30000);
    assert_false(reported.has_script[BW_ACTION_REMOTE_FENCE]);
    world.mirror_hangs = true;
    run(&world, EPOCH, BW_ACTION_REMOTE_FENCE, 5);
    assert_asked(&world, "SAVE SPAWN:remote_fence");
    assert_not_asked(&world, "GO");
    assert_int_equal(world.guard.memory.epoch_seen, EPOCH);
    assert_int_equal(world.guard.mirror.children[BW_GUARD_SLOT_ACTION].action,
                     BW_ACTION_REMOTE_FENCE);
}

static void it_is_refused_beside_a_lease_and_below_an_epoch_seen(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.limits.has_script[BW_ACTION_REMOTE_FENCE] = true;
    run(&world, EPOCH, BW_ACTION_REMOTE_FENCE, 5);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
    begin_with_script(&world);
    world.guard.memory.epoch_seen = EPOCH + 1;
    run(&world, EPOCH, BW_ACTION_REMOTE_FENCE, 6);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_OLD_EPOCH);
    begin(&world);
    run(&world, EPOCH, BW_ACTION_REMOTE_FENCE, 7);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_NO_SCRIPT);
    assert_not_asked(&world, "SPAWN:remote_fence");
}

static void an_arm_ends_it_and_comes_again(void **state)
{
    struct world world;

    (void)state;
    begin_fencing(&world);
    assert_false(arm(&world, EPOCH + 1, world.now_ms));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_BUSY);
    assert_asked(&world, "KILL_RUN");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_KILLED, "");

    assert_true(arm(&world, EPOCH + 1, world.now_ms));
}

static void a_stop_and_a_fence_end_it(void **state)
{
    struct world world;

    (void)state;
    begin_fencing(&world);
    run(&world, EPOCH, BW_ACTION_STOP, 6);
    assert_asked(&world, "KILL_RUN");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_KILLED, "");
    assert_asked(&world, "SPAWN:stop GO");
    begin_fencing(&world);
    run(&world, EPOCH, BW_ACTION_FENCE, 6);
    assert_asked(&world, "KILL_RUN");
}

static void a_manual_lease_and_an_end_end_it(void **state)
{
    struct world world;

    (void)state;
    begin_fencing(&world);
    assert_false(manual_for(&world, EPOCH, 1, 60000));
    assert_asked(&world, "KILL_RUN");
    begin_fencing(&world);
    world.guard.mirror.stop_seen = true;
    assert_false(end(&world, EPOCH));
    assert_asked(&world, "KILL_RUN");
}

/* What is refused anyway needs no slot. */
static void what_is_of_an_older_epoch_does_not_end_it(void **state)
{
    struct world world;

    (void)state;
    begin_fencing(&world);
    assert_false(manual_for(&world, EPOCH - 1, 1, 60000));

    assert_int_equal(arm_refusal(&world), BW_REFUSAL_OLD_EPOCH);
    assert_not_asked(&world, "KILL_RUN");
    assert_false(arm(&world, EPOCH - 1, world.now_ms));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_OLD_EPOCH);
    assert_not_asked(&world, "KILL_RUN");
}

/* It may be configured for more than it has. */
static void without_its_script_there_is_no_time_for_it(void **state)
{
    struct bw_guard_state reported;
    struct world world;

    (void)state;
    begin_with_script(&world);
    world.guard.limits.has_script[BW_ACTION_REMOTE_FENCE] = false;
    bw_guard_state_get(&world.guard, &reported);
    assert_int_equal(reported.remote_fence_ms, 0);
}

static void it_says_nothing_of_this_sites_service(void **state)
{
    struct world world;

    (void)state;
    begin_with_script(&world);
    world.guard.mirror.stop_seen = true;
    world.guard.mirror.script_due = false;
    world.guard.end_start_time = 77; /* of a stop before it */
    world.guard.has_left = true;
    run(&world, EPOCH, BW_ACTION_REMOTE_FENCE, 5);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");

    assert_true(world.guard.mirror.stop_seen);
    assert_false(world.guard.mirror.script_due);
    assert_false(world.guard.mirror.script_begun);
    assert_int_equal(world.guard.end_start_time, 77);
    assert_true(world.guard.has_left);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 5);
}

static void a_restarted_guard_reports_it_interrupted(void **state)
{
    struct world world;
    struct bw_guard_mirror mirror;
    struct bw_guard_memory memory;

    (void)state;
    begin_fencing(&world);
    mirror = world.mirrored;
    memory = world.guard.memory;
    assert_int_equal(mirror.children[BW_GUARD_SLOT_ACTION].action, BW_ACTION_REMOTE_FENCE);
    const struct bw_guard_limits with_script = world.guard.limits;

    bw_guard_init(&world.guard, "g", &with_script, &memory, &mirror, at_ms(world.now_ms));
    hello(&world, instance_a);

    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_INTERRUPTED);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.exit_status, -1);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_epoch_is_durable_and_its_child_mirrored_before_it_goes),
        cmocka_unit_test(it_is_refused_beside_a_lease_and_below_an_epoch_seen),
        cmocka_unit_test(an_arm_ends_it_and_comes_again),
        cmocka_unit_test(a_stop_and_a_fence_end_it),
        cmocka_unit_test(a_manual_lease_and_an_end_end_it),
        cmocka_unit_test(what_is_of_an_older_epoch_does_not_end_it),
        cmocka_unit_test(without_its_script_there_is_no_time_for_it),
        cmocka_unit_test(it_says_nothing_of_this_sites_service),
        cmocka_unit_test(a_restarted_guard_reports_it_interrupted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
