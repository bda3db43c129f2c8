/* guard_loop: what a guard that begins anew, an arm that is not mirrored and a person's word make of a yes that
 * was given (design 3.4, driver; 3.8). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_loop_world.h"

/* ---- a guard that begins anew ---------------------------------------------------------------- */

static void begin_again(struct world *world, uint64_t loop_delay_ns, bool has_mirror)
{
    struct bw_guard_limits now = limits;
    const struct bw_guard_memory memory = world->guard.memory;
    const struct bw_guard_mirror mirror = world->guard.mirror;

    now.loop_delay_ns = loop_delay_ns;
    bw_guard_init(&world->guard, "g", &now, &memory, has_mirror ? &mirror : NULL,
                  at_ms(world->now_ms));
    world->mirrored = world->guard.mirror;
    world->mirror = world->guard.mirror;
    hello(world, instance_a);
}

static void a_new_guard_goes_on_saying_yes(void **state)
{
    struct world world;

    (void)state;
    begin_started(&world);

    begin_again(&world, LOOP_MS * MS, true);

    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_LEASE);
}

static void a_new_guard_that_starts_it_itself_waits_for_the_loop_of_before(void **state) /* I1 */
{
    struct world world;

    (void)state;
    begin_started(&world);
    begin_again(&world, 0, true);

    a_stop_at(&world, BEGIN_MS);

    assert_not_asked(&world, "SPAWN");
    tick_at(&world, BEGIN_MS + LOOP_MS);
    assert_asked(&world, "SPAWN:stop");
}

/* From then on nobody hears yes of it. */
static void it_waits_from_its_beginning_on(void **state)
{
    struct world world;

    (void)state;
    begin_started(&world);
    begin_again(&world, 0, true);

    a_stop_at(&world, BEGIN_MS + 1000);

    tick_at(&world, BEGIN_MS + LOOP_MS);
    assert_asked(&world, "SPAWN:stop");
}

/* Its site file says less than the one of before. */
static void who_asked_under_a_longer_delay_has_it(void **state) /* I1 */
{
    struct world world;

    (void)state;
    begin_loop(&world);
    world.guard.limits.loop_delay_ns = 5000 * MS;
    run(&world, 1, BW_ACTION_START, 7);
    begin_again(&world, LOOP_MS * MS, true);
    run(&world, 1, BW_ACTION_START, 9);
    assert_int_equal(may_run(&world, 108000 - LOOP_MS - 1), BW_MAY_RUN_LEASE);

    a_stop_at(&world, 101000);

    tick_at(&world, BEGIN_MS + 5000 - 1);
    assert_not_asked(&world, "SPAWN");
    tick_at(&world, BEGIN_MS + 5000);
    assert_asked(&world, "SPAWN:stop");
}

/* It has heard no from D - F less the longer delay on. */
static void a_longer_delay_of_before_ends_with_the_fence_window_too(void **state)
{
    struct world world;

    (void)state;
    begin_loop(&world);
    world.guard.limits.loop_delay_ns = 5000 * MS;
    run(&world, 1, BW_ACTION_START, 7);
    world.guard.limits.loop_delay_ns = LOOP_MS * MS;
    world.now_ms = 104000;
    run(&world, 1, BW_ACTION_START, 9);

    a_stop_at(&world, 107900);

    assert_int_equal(world.wake_at.boot_ns, at_ms(108000).boot_ns);
}

static void a_guard_without_a_mirror_takes_a_start_to_be_under_way(void **state) /* I1 */
{
    struct world world;

    (void)state;
    begin_started(&world);
    begin_again(&world, LOOP_MS * MS, false);

    a_stop_at(&world, BEGIN_MS);

    assert_not_asked(&world, "SPAWN:stop");
    tick_at(&world, BEGIN_MS + LOOP_MS);
    assert_asked(&world, "SPAWN:stop");
}

/* The stop of before was over; what it waited for is in the mirror. */
static void a_new_guard_goes_on_waiting(void **state) /* I1 */
{
    struct world world;

    (void)state;
    begin_started(&world);
    a_stop_at(&world, 101000);
    begin_again(&world, LOOP_MS * MS, true);
    assert_int_equal(may_run(&world, 101000), BW_MAY_RUN_LOOP_WAITS);

    a_stop_at(&world, 101200);

    assert_not_asked(&world, "SPAWN");
    tick_at(&world, 101000 + LOOP_MS);
    assert_asked(&world, "SPAWN:stop");
}

/* It had ended; its mirror could not be written any more. */
static void what_has_ended_is_no_yes_of_a_new_guard(void **state) /* I1 */
{
    struct world world;

    (void)state;
    begin_started(&world);
    world.guard.memory.ended_epoch = 1;
    world.guard.mirror.stop_seen = true;

    begin_again(&world, LOOP_MS * MS, true);

    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_NO_LEASE);
    assert_true(bw_instant_is_later(world.guard.mirror.loop_until, at_ms(BEGIN_MS)));
}

/* It had ended before any start was ordered. */
static void where_nobody_heard_yes_a_new_guard_waits_for_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_loop(&world);
    world.guard.memory.ended_epoch = 1;
    world.guard.mirror.stop_seen = true;
    begin_again(&world, LOOP_MS * MS, true);

    a_stop_at(&world, BEGIN_MS);

    assert_asked(&world, "SPAWN:stop");
}

/* ---- arms, and a person's word --------------------------------------------------------------- */

/* And a start is ordered, which no agent of ours does. */
static void begin_unmirrored_arm(struct world *world)
{
    begin(world);
    world->guard.limits.loop_delay_ns = LOOP_MS * MS;
    world->mirror_hangs = true;
    assert_false(arm(world, 1, BEGIN_MS));
    run(world, 1, BW_ACTION_START, 7);
}

static void an_arm_that_is_not_mirrored_takes_its_yes_with_it(void **state)
{
    struct world world;
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_MIRRORED};

    (void)state;
    begin_unmirrored_arm(&world);
    event.number = world.guard.mirror_number;

    step(&world, &event);

    assert_int_equal(world.guard.mirror.armed_epoch, 0);
    assert_int_equal(world.guard.mirror.loop_delay_ns, 0);
    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_NO_LEASE);
}

/* What was acknowledged still holds, and with it the yes. */
static void a_renewal_that_is_not_mirrored_takes_no_yes_with_it(void **state)
{
    struct world world;

    (void)state;
    begin_started(&world);
    world.mirror_fails = true;
    world.now_ms += 1000;
    assert_false(arm(&world, 1, world.now_ms));

    assert_int_equal(may_run(&world, world.now_ms), BW_MAY_RUN_LEASE);
}

/* The mirror that failed is that of the arm alone: the next one has the yes, and no lease. */
static void an_arm_whose_mirror_alone_failed_takes_its_yes_with_it(void **state) /* I1, H11 */
{
    struct world world;
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_MIRRORED};

    (void)state;
    begin_unmirrored_arm(&world);
    assert_true(world.guard.mirror.loop_delay_ns != 0);
    event.number = world.guard.waits[BW_GUARD_WAIT_ARM];

    step(&world, &event);

    assert_int_equal(world.guard.mirror.armed_epoch, 0);
    assert_int_equal(world.guard.mirror.loop_delay_ns, 0);
    event.number = world.guard.mirror_number;
    event.ok = true;
    step(&world, &event);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_KILLED);
}

/* 3.8: the lease bounds what its own yes lets begin, and no older one. */
static void what_an_override_let_begin_is_not_bounded_by_the_lease_that_follows(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.limits.loop_delay_ns = 9000 * MS;
    assert_true(manual_for(&world, 1, 1, 60000));
    run(&world, 1, BW_ACTION_START, 7);
    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_OVERRIDE);
    assert_true(arm(&world, 2, BEGIN_MS));

    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_int_equal(world.guard.fence, BW_FENCE_CHECK); /* a start may be under way until 109 s */
}

/* What it bounds already a renewal does not make longer. */
static void a_renewal_is_no_start_of_before_the_lease(void **state)
{
    struct world world;

    (void)state;
    begin_started(&world);
    world.now_ms = 107900;
    assert_true(arm(&world, 1, 100500));

    tick_at(&world, 108500);

    assert_asked(&world, "SPAWN:fence");
    assert_false(world.guard.slots[BW_GUARD_SLOT_FENCE].beside_loop);
}

static void what_an_override_has_not_started_is_a_start_of_the_lease_that_follows(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.limits.loop_delay_ns = LOOP_MS * MS;
    assert_true(manual_for(&world, 1, 1, 60000));
    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_LOOP_WAITS);
    assert_true(arm(&world, 2, BEGIN_MS));
    assert_int_equal(world.guard.mirror.loop_until.boot_ns, 0); /* and nobody waits for one of before */

    run(&world, 2, BW_ACTION_START, 7);

    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_LEASE);
}

/* 3.4, driver: what a fence was to end it is not to keep up. */
static void what_was_taken_back_of_an_epoch_stays_so_under_an_override(void **state)
{
    struct world world;

    (void)state;
    begin_started(&world);
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    tick_at(&world, 110000);
    assert_true(manual_for(&world, 1, 1, 60000));

    a_stop_at(&world, 111000);

    assert_int_equal(world.guard.mirror.armed_serial, 1);
    assert_int_equal(world.guard.mirror.loop_taken_epoch, 1);
}

/* 3.8: fenced, because it is over, long before its deadline: nothing bounds what a yes let begin but its delay. */
static void the_fence_of_an_override_looks_when_no_start_can_be_under_way(void **state) /* I1 */
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.limits.loop_delay_ns = LOOP_MS * MS;
    assert_true(manual_for(&world, 1, 1, 60000));
    run(&world, 1, BW_ACTION_START, 7);
    run(&world, 1, BW_ACTION_FENCE, 8);
    assert_int_equal(may_run(&world, BEGIN_MS), BW_MAY_RUN_FENCING);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_CHECK);

    tick_at(&world, BEGIN_MS + LOOP_MS);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_guard_goes_on_saying_yes),
        cmocka_unit_test(a_new_guard_that_starts_it_itself_waits_for_the_loop_of_before),
        cmocka_unit_test(it_waits_from_its_beginning_on),
        cmocka_unit_test(who_asked_under_a_longer_delay_has_it),
        cmocka_unit_test(a_longer_delay_of_before_ends_with_the_fence_window_too),
        cmocka_unit_test(a_guard_without_a_mirror_takes_a_start_to_be_under_way),
        cmocka_unit_test(a_new_guard_goes_on_waiting),
        cmocka_unit_test(what_has_ended_is_no_yes_of_a_new_guard),
        cmocka_unit_test(an_arm_that_is_not_mirrored_takes_its_yes_with_it),
        cmocka_unit_test(a_renewal_that_is_not_mirrored_takes_no_yes_with_it),
        cmocka_unit_test(an_arm_whose_mirror_alone_failed_takes_its_yes_with_it),
        cmocka_unit_test(a_renewal_is_no_start_of_before_the_lease),
        cmocka_unit_test(what_an_override_has_not_started_is_a_start_of_the_lease_that_follows),
        cmocka_unit_test(what_was_taken_back_of_an_epoch_stays_so_under_an_override),
        cmocka_unit_test(the_fence_of_an_override_looks_when_no_start_can_be_under_way),
        cmocka_unit_test(what_an_override_let_begin_is_not_bounded_by_the_lease_that_follows),
        cmocka_unit_test(where_nobody_heard_yes_a_new_guard_waits_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
