/* guard: what a restarted guard and an agent are told of a fence and of a run, field by field (3.2.4, 3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include <breakwater/core/may_run.h>

#include "guard_world.h"

static void a_fence_that_has_begun_is_mirrored_as_begun(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    assert_false(world.guard.mirror.fence_begun);

    tick_at(&world, 108000);

    assert_true(world.guard.mirror.fence_begun);
    assert_true(world.mirrored.fence_begun);
}

static void a_fence_that_failed_wakes_to_be_tried_again(void **state)
{
    struct world world;

    (void)state;
    begin_failed_fence(&world);

    tick_at(&world, 110000);

    assert_int_equal(world.wake_at.boot_ns, at_ms(110800).boot_ns);
}

static void a_run_that_has_ended_is_told_with_its_epoch_and_is_no_child_any_more(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);
    assert_int_equal(world.guard.mirror.children[BW_GUARD_SLOT_ACTION].action, BW_ACTION_START);

    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");

    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.epoch, 1);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 1);
    assert_int_equal(world.guard.mirror.children[BW_GUARD_SLOT_ACTION].action, BW_ACTION_NONE);
}

/* Who asks whether it may run hears no where a newer epoch is known than the one that is armed (3.4). */
static void what_is_shown_says_which_epochs_are_armed_known_and_over(void **state)
{
    struct bw_guard_shown shown;
    struct world world;

    (void)state;
    begin(&world);
    assert_true(arm(&world, 5, 100000));
    world.guard.memory.epoch_seen = 7;
    world.guard.memory.ended_epoch = 4;
    bw_guard_shown_get(&world.guard, &shown);

    assert_int_equal(shown.armed_epoch, 5);
    assert_int_equal(shown.epoch_seen, 7);
    assert_int_equal(shown.ended_epoch, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fence_that_has_begun_is_mirrored_as_begun),
        cmocka_unit_test(a_fence_that_failed_wakes_to_be_tried_again),
        cmocka_unit_test(a_run_that_has_ended_is_told_with_its_epoch_and_is_no_child_any_more),
        cmocka_unit_test(what_is_shown_says_which_epochs_are_armed_known_and_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
