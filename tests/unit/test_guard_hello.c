/* guard: a new hello voids what was read before it (3.4), also what waits for the disk. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_world.h"

static struct bw_guard_state reported(const struct world *world)
{
    return world->last[BW_GUARD_MESSAGE_GROUP_STATE].state;
}

static void an_arm_that_waits_for_the_disk_is_void_for_the_next_agent(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_hangs = true;
    assert_false(arm(&world, 1, 100000));
    hello(&world, instance_a);
    assert_int_equal(reported(&world).armed_epoch, 0);
    saved(&world, true);

    assert_int_equal(world.guard.mirror.armed_epoch, 0);
    assert_int_equal(world.guard.memory.epoch_seen, 1); /* it may be on the disk */
    assert_true(arm(&world, 1, 100000));
}

static void the_next_agents_own_arm_is_what_counts(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_hangs = true;
    assert_false(arm(&world, 1, 100000));
    hello(&world, instance_a);
    assert_false(arm(&world, 1, 100000));
    saved(&world, true);

    assert_int_equal(world.guard.mirror.armed_epoch, 1);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_ARMED], 1);
}

static void a_run_that_waits_for_the_disk_is_void_for_the_next_agent(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
    world.save_hangs = true;
    run(&world, 3, BW_ACTION_REJOIN, 2);
    assert_asked(&world, "SAVE");
    hello(&world, instance_a);
    saved(&world, true);

    assert_not_asked(&world, "SPAWN:rejoin");
    run(&world, 3, BW_ACTION_REJOIN, 1);
    assert_asked(&world, "SPAWN:rejoin");
}

/* What was asked for before a hello is over with it: the next save is nobody else's. */
static void what_is_asked_for_after_the_hello_stands(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_hangs = true;
    assert_false(arm(&world, 1, 100000));
    hello(&world, instance_a);
    saved(&world, true);
    world.save_hangs = true;
    assert_false(arm(&world, 2, 100000));
    saved(&world, true);
    assert_int_equal(world.guard.mirror.armed_epoch, 2);
}

static void an_arm_whose_mirror_is_not_written_is_told_as_pending(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.mirror_hangs = true;
    assert_false(arm(&world, 1, 100000));
    hello(&world, instance_a);
    assert_int_equal(reported(&world).armed_epoch, 1);
    assert_true(reported(&world).arm_pending);

    const struct bw_guard_event mirrored = {
        .kind = BW_GUARD_EVENT_MIRRORED, .number = world.guard.mirror_number, .ok = true};

    step(&world, &mirrored);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_ARMED], 1);
    hello(&world, instance_a);
    assert_false(reported(&world).arm_pending);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arm_that_waits_for_the_disk_is_void_for_the_next_agent),
        cmocka_unit_test(the_next_agents_own_arm_is_what_counts),
        cmocka_unit_test(a_run_that_waits_for_the_disk_is_void_for_the_next_agent),
        cmocka_unit_test(what_is_asked_for_after_the_hello_stands),
        cmocka_unit_test(an_arm_whose_mirror_is_not_written_is_told_as_pending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
