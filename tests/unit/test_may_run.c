/* may_run: whether a site may run, as its guard shows it (design 3.4): for gate, condition, status
 * --site. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/may_run.h>

#include "guard_world.h"

static const struct bw_id boot = {{7}};
#define TIME_NAMESPACE 11

/* Enforced, seen stopped, with an agent of instance A. */
static void begin_enforced(struct world *world)
{
    const struct bw_guard_memory memory = {
        .epoch_seen = 1, .enforced = true, .sight = {.seen = BW_REACH_INSIDE, .digest = 1}};

    memset(world, 0, sizeof *world);
    world->now_ms = BEGIN_MS;
    bw_guard_init(&world->guard, "g", &limits, &memory, NULL, at_ms(world->now_ms));
    world->mirrored = world->guard.mirror;
    world->mirror = world->guard.mirror;
    tick_at(world, world->now_ms);
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    hello(world, instance_a);
}

static struct bw_guard_shown shown_of(const struct world *world)
{
    struct bw_guard_shown shown;

    bw_guard_shown_get(&world->guard, &shown);
    shown.boot_id = boot;
    shown.time_namespace = TIME_NAMESPACE;
    return shown;
}

static enum bw_may_run judge(const struct bw_guard_shown *shown, uint64_t now_ms)
{
    return bw_may_run(true, shown, boot, TIME_NAMESPACE, at_ms(now_ms));
}

static enum bw_may_run may_run(const struct world *world)
{
    const struct bw_guard_shown shown = shown_of(world);

    return judge(&shown, world->now_ms);
}

static void a_lease_may_run_until_its_fence_window(void **state) /* I1, 3.4: like a start */
{
    struct world world;
    struct bw_guard_shown shown;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    shown = shown_of(&world);

    assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_LEASE);
    assert_int_equal(judge(&shown, BEGIN_MS + TTL_MS - FENCE_MS - 1), BW_MAY_RUN_LEASE);
    assert_int_equal(judge(&shown, BEGIN_MS + TTL_MS - FENCE_MS), BW_MAY_RUN_FENCE_WINDOW);
    assert_int_equal(judge(&shown, BEGIN_MS + TTL_MS - 1), BW_MAY_RUN_FENCE_WINDOW);
}

/* A guard that hangs, or an answer that comes late: the clocks of who asks say that it is over. */
static void an_old_answer_is_judged_by_the_clocks_of_now(void **state) /* I1 */
{
    struct world world;
    struct bw_guard_shown shown;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    shown = shown_of(&world);

    assert_int_equal(judge(&shown, BEGIN_MS + TTL_MS), BW_MAY_RUN_NO_LEASE);
    assert_int_equal(judge(&shown, BEGIN_MS + 60000), BW_MAY_RUN_NO_LEASE);
}

static void either_clock_ends_it(void **state) /* I1, 1 */
{
    struct world world;
    struct bw_guard_shown shown;
    struct bw_instant now = at_ms(BEGIN_MS);

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    shown = shown_of(&world);

    now.boot_ns += TTL_MS * MS;
    assert_int_equal(bw_may_run(true, &shown, boot, TIME_NAMESPACE, now), BW_MAY_RUN_NO_LEASE);
    now = at_ms(BEGIN_MS);
    now.raw_ns += TTL_MS * MS;
    assert_int_equal(bw_may_run(true, &shown, boot, TIME_NAMESPACE, now), BW_MAY_RUN_NO_LEASE);
}

static void instants_of_another_boot_or_time_namespace_say_nothing(void **state) /* I1, 1 */
{
    struct world world;
    struct bw_guard_shown shown;
    const struct bw_instant now = at_ms(BEGIN_MS);

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    shown = shown_of(&world);

    assert_int_equal(bw_may_run(true, &shown, (struct bw_id){{8}}, TIME_NAMESPACE, now),
                     BW_MAY_RUN_OTHER_CLOCKS);
    assert_int_equal(bw_may_run(true, &shown, boot, TIME_NAMESPACE + 1, now),
                     BW_MAY_RUN_OTHER_CLOCKS);
    shown.boot_id = (struct bw_id){{0}};
    assert_int_equal(bw_may_run(true, &shown, shown.boot_id, TIME_NAMESPACE, now),
                     BW_MAY_RUN_OTHER_CLOCKS);
}

/* 3.4: for who reads what is shown beside whether it may run. */
static void where_the_service_is_shows_too(void **state)
{
    struct world world;

    (void)state;
    begin_enforced(&world);
    assert_true(shown_of(&world).enforced);
    assert_int_equal(shown_of(&world).reach, BW_REACH_CGROUP);
    assert_true(shown_of(&world).reach_works);
    assert_int_equal(shown_of(&world).sight.seen, BW_REACH_INSIDE);

    world.guard.limits.reach = BW_REACH_REMOTE;
    world.guard.limits.reach_works = false;

    assert_int_equal(shown_of(&world).reach, BW_REACH_REMOTE);
    assert_false(shown_of(&world).reach_works);
}

/* By its guard of before, or by this one: until the epoch has ended it may not run again. */
static void a_fence_of_the_armed_epoch_shows_for_as_long_as_that_is_armed(void **state) /* I1, 3.2.4 */
{
    struct world world;

    (void)state;
    begin_enforced(&world);
    assert_false(shown_of(&world).fence_begun);
    world.guard.mirror.fence_begun = true; /* of what is over */
    assert_false(shown_of(&world).fence_begun);
    world.guard.mirror.fence_begun = false;
    assert_int_equal(shown_of(&world).armed_end.boot_ns, 0);

    assert_true(arm(&world, 2, BEGIN_MS));
    assert_false(shown_of(&world).fence_begun);
    world.guard.mirror.fence_begun = true;
    assert_int_equal(may_run(&world), BW_MAY_RUN_FENCING);
    world.guard.mirror.fence_begun = false;
    world.guard.fence_epoch = 2;
    assert_false(shown_of(&world).fence_begun); /* of none that was begun */
    world.guard.fence = BW_FENCE_DONE;
    assert_int_equal(may_run(&world), BW_MAY_RUN_FENCING);
    world.guard.fence_epoch = 1;
    assert_false(shown_of(&world).fence_begun);
}

static void without_a_group_or_a_lease_it_may_not(void **state) /* I1 */
{
    struct world world;
    struct bw_guard_shown shown;

    (void)state;
    begin_enforced(&world);
    shown = shown_of(&world);
    assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_NO_LEASE);
    assert_int_equal(bw_may_run(false, &shown, boot, TIME_NAMESPACE, at_ms(BEGIN_MS)),
                     BW_MAY_RUN_NO_GROUP);
    shown.enforced = false;
    assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_NOT_ENFORCED);
    shown.nobodys = true;
    assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_NOBODYS);
}

/* The lease is what was acknowledged: mirror and enforcer have it (3.4). */
static void an_arm_that_is_not_acknowledged_is_no_lease(void **state) /* I1, 3.4 */
{
    struct world world;

    (void)state;
    begin_enforced(&world);
    world.mirror_hangs = true;
    assert_false(arm(&world, 2, BEGIN_MS));

    assert_int_equal(may_run(&world), BW_MAY_RUN_NO_LEASE);
}

static void until_a_later_end_is_acknowledged_the_earlier_counts(void **state) /* I1, 3.4 */
{
    struct world world;
    struct bw_guard_shown shown;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    world.mirror_hangs = true;
    world.now_ms += 1000;
    assert_false(arm(&world, 2, BEGIN_MS + 1000));
    shown = shown_of(&world);

    assert_int_equal(shown.armed_epoch, 2);
    assert_int_equal(judge(&shown, BEGIN_MS + TTL_MS), BW_MAY_RUN_NO_LEASE);
}

static void a_fence_that_has_begun_lets_nothing_run(void **state) /* I1, 3.2.4 */
{
    struct world world;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    run(&world, 2, BW_ACTION_FENCE, 7);
    assert_int_equal(may_run(&world), BW_MAY_RUN_FENCING);

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
    assert_int_equal(may_run(&world), BW_MAY_RUN_FENCING);
}

static void what_a_failed_fence_left_may_not_run(void **state) /* I1, 3.3 */
{
    struct world world;
    struct bw_guard_shown shown;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    shown = shown_of(&world);
    shown.fence_failed = true;
    assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_FENCE_FAILED);
    shown.armed_serial = 1;
    assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_FENCE_FAILED);
}

static void a_fence_that_fails_shows_until_it_is_tried_again(void **state) /* 3.3 */
{
    struct world world;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    fence_by_kill(&world, true);
    assert_false(shown_of(&world).fence_failed);

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");

    assert_true(shown_of(&world).fence_failed);
    assert_int_equal(may_run(&world), BW_MAY_RUN_FENCE_FAILED);
    tick_at(&world, world.now_ms + 1000);
    assert_false(shown_of(&world).fence_failed);
}

/* What counts of a renewal that no mirror has yet is what was acknowledged before. */
static void a_fence_shows_before_the_mirror_of_a_renewal_knows_of_it(void **state) /* I1, 3.2.4 */
{
    struct world world;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    world.mirror_hangs = true;
    world.now_ms += 1000;
    assert_false(arm(&world, 2, BEGIN_MS + 1000));
    run(&world, 2, BW_ACTION_FENCE, 7);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);

    assert_int_equal(may_run(&world), BW_MAY_RUN_FENCING);
}

static void
while_it_is_stopped_nothing_may_run(void **state) /* 3.6: else it comes again behind the stop */
{
    struct world world;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    run(&world, 2, BW_ACTION_START, 7);
    assert_int_equal(may_run(&world), BW_MAY_RUN_LEASE);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");

    run(&world, 2, BW_ACTION_STOP, 8);
    assert_int_equal(may_run(&world), BW_MAY_RUN_STOPPING);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_int_equal(may_run(&world), BW_MAY_RUN_STOPPING); /* until status has said so */

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(world.guard.mirror.stop_seen);
    assert_int_equal(may_run(&world), BW_MAY_RUN_STOPPED); /* the epoch may end beside it */
    run(&world, 2, BW_ACTION_START, 9);
    assert_int_equal(may_run(&world), BW_MAY_RUN_LEASE);
}

static void what_serves_after_its_stop_is_stopped_no_more(void **state)
{
    struct world world;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    run(&world, 2, BW_ACTION_STOP, 8);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(may_run(&world), BW_MAY_RUN_STOPPED);

    run(&world, 2, BW_ACTION_STATUS, 9);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");

    assert_int_equal(may_run(&world), BW_MAY_RUN_LEASE);
}

static void of_what_has_ended_no_window_shows(void **state)
{
    struct world world;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    assert_int_equal(shown_of(&world).fence_ms, FENCE_MS);
    run(&world, 2, BW_ACTION_STATUS, 7);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(end(&world, 2));

    assert_int_equal(shown_of(&world).armed_epoch, 0);
    assert_int_equal(shown_of(&world).ended_epoch, 2);
    assert_int_equal(shown_of(&world).fence_ms, 0);
}

static void
what_has_crashed_may_run_again(void **state) /* its supervisor asks: no stop was ordered */
{
    struct world world;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    run(&world, 2, BW_ACTION_START, 7);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    run(&world, 2, BW_ACTION_STATUS, 8);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(world.guard.mirror.stop_seen);
    assert_int_equal(may_run(&world), BW_MAY_RUN_LEASE);
}

/* 3.4: whatever ends it, and whatever would let it run else: also a loop that has its start yet to come. */
static void what_is_being_ended_starts_nothing(void **state)
{
    static const enum bw_action_kind ending[] = {BW_ACTION_STOP, BW_ACTION_FENCE, BW_ACTION_REJOIN};
    struct world world;
    struct bw_guard_shown shown;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++) {
        shown = shown_of(&world);
        shown.running = ending[i];
        assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_STOPPING);
        shown.loop_delay_ms = 1000;
        assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_STOPPING);
        shown.armed_epoch = 0; /* nothing of which is told where it may not run anyway */
        assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_NO_LEASE);
    }
    shown = shown_of(&world);
    shown.loop_delay_ms = 1000;
    assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_LOOP_WAITS);
    shown.loop_may = true;
    assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_LEASE);
    assert_int_equal(judge(&shown, BEGIN_MS + TTL_MS - FENCE_MS - 1001), BW_MAY_RUN_LEASE);
    assert_int_equal(judge(&shown, BEGIN_MS + TTL_MS - FENCE_MS - 1000), BW_MAY_RUN_FENCE_WINDOW);
}

/* I1, 3.4: a loop may look for long between its yes and its start. Where no delay is counted on the
 * epoch may have ended meanwhile. */
static void only_a_loop_that_its_guard_counts_on_may_start_it(void **state)
{
    struct world world;
    struct bw_guard_shown shown;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    shown = shown_of(&world);
    assert_false(bw_may_run_by_loop(BW_MAY_RUN_LEASE, &shown));
    assert_false(bw_may_run_by_loop(BW_MAY_RUN_OVERRIDE, &shown));
    shown.loop_delay_ms = 1000;
    for (int i = 0; i < BW_MAY_RUN_COUNT; i++)
        assert_int_equal(bw_may_run_by_loop((enum bw_may_run)i, &shown),
                         bw_may_run_is_yes((enum bw_may_run)i));
}

/* 3.6: that a stop was seen to end it says something of a lease only. */
static void only_a_lease_is_held_up_by_a_stop_that_was_seen(void **state)
{
    struct world world;
    struct bw_guard_shown shown;

    (void)state;
    begin_enforced(&world);
    shown = shown_of(&world);
    shown.is_stopped = true;
    assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_NO_LEASE);
}

static void an_epoch_that_ends_may_not_run(void **state) /* I1, 3.4, ended */
{
    struct world world;
    struct bw_guard_shown shown;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    run(&world, 2, BW_ACTION_STATUS, 7);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(may_run(&world), BW_MAY_RUN_LEASE);
    world.save_hangs = true;
    assert_false(end(&world, 2));
    assert_int_equal(may_run(&world), BW_MAY_RUN_ENDING); /* refused is written down, or soon */

    shown = shown_of(&world);
    shown.ended_epoch = 1;
    shown.epoch_seen = 3;
    assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_ENDING);
}

/* Ordered here, so granted somewhere: what is armed is none that would be renewed. */
static void below_an_epoch_that_was_seen_nothing_may_run(void **state) /* I1, 3.4 */
{
    struct world world;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));

    run(&world, 3, BW_ACTION_STOP, 7);

    assert_int_equal(world.guard.mirror.armed_epoch, 2);
    assert_int_equal(may_run(&world), BW_MAY_RUN_ENDING);
}

/* Like any other, but that the epoch which it names may be over. */
static void a_manual_lease_may_run_until_its_fence_window(void **state) /* 3.8 */
{
    struct world world;
    struct bw_guard_shown shown;

    (void)state;
    begin_enforced(&world);
    world.mirror_hangs = true;
    assert_false(manual_for(&world, 1, 1, TTL_MS));
    assert_int_equal(may_run(&world), BW_MAY_RUN_NO_LEASE);

    begin_enforced(&world);
    assert_true(manual_for(&world, 1, 1, TTL_MS));
    shown = shown_of(&world);
    shown.ended_epoch = 1;
    assert_int_equal(judge(&shown, BEGIN_MS + TTL_MS - FENCE_MS - 1), BW_MAY_RUN_OVERRIDE);
    assert_int_equal(judge(&shown, BEGIN_MS + TTL_MS - FENCE_MS), BW_MAY_RUN_FENCE_WINDOW);
    shown.loop_delay_ms = 1;
    assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_LOOP_WAITS);
    shown.loop_delay_ms = 0;
    shown.running = BW_ACTION_STOP;
    assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_STOPPING);
    shown.running = BW_ACTION_NONE;
    shown.is_stopped = true;
    assert_int_equal(judge(&shown, BEGIN_MS), BW_MAY_RUN_STOPPED);
}

static void a_lease_without_a_fence_window_is_none(void **state) /* 3.1: no terms are like that */
{
    struct world world;
    struct bw_guard_shown shown;

    (void)state;
    begin_enforced(&world);
    assert_true(arm(&world, 2, BEGIN_MS));
    shown = shown_of(&world);
    shown.fence_ms = 0;
    assert_false(bw_may_run_is_yes(judge(&shown, BEGIN_MS)));
}

static void only_a_lease_and_an_override_are_yes(void **state)
{
    uint32_t yes = 0;

    (void)state;
    for (int i = 0; i < BW_MAY_RUN_COUNT; i++) {
        yes += bw_may_run_is_yes((enum bw_may_run)i);
        assert_true(bw_may_run_sentence((enum bw_may_run)i)[0] != '\0');
    }
    assert_int_equal(yes, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_may_run_until_its_fence_window),
        cmocka_unit_test(an_old_answer_is_judged_by_the_clocks_of_now),
        cmocka_unit_test(either_clock_ends_it),
        cmocka_unit_test(instants_of_another_boot_or_time_namespace_say_nothing),
        cmocka_unit_test(a_fence_of_the_armed_epoch_shows_for_as_long_as_that_is_armed),
        cmocka_unit_test(without_a_group_or_a_lease_it_may_not),
        cmocka_unit_test(an_arm_that_is_not_acknowledged_is_no_lease),
        cmocka_unit_test(until_a_later_end_is_acknowledged_the_earlier_counts),
        cmocka_unit_test(a_fence_that_has_begun_lets_nothing_run),
        cmocka_unit_test(what_a_failed_fence_left_may_not_run),
        cmocka_unit_test(while_it_is_stopped_nothing_may_run),
        cmocka_unit_test(what_has_crashed_may_run_again),
        cmocka_unit_test(what_is_being_ended_starts_nothing),
        cmocka_unit_test(only_a_loop_that_its_guard_counts_on_may_start_it),
        cmocka_unit_test(only_a_lease_is_held_up_by_a_stop_that_was_seen),
        cmocka_unit_test(an_epoch_that_ends_may_not_run),
        cmocka_unit_test(below_an_epoch_that_was_seen_nothing_may_run),
        cmocka_unit_test(where_the_service_is_shows_too),
        cmocka_unit_test(what_serves_after_its_stop_is_stopped_no_more),
        cmocka_unit_test(of_what_has_ended_no_window_shows),
        cmocka_unit_test(a_fence_that_fails_shows_until_it_is_tried_again),
        cmocka_unit_test(a_fence_shows_before_the_mirror_of_a_renewal_knows_of_it),
        cmocka_unit_test(a_manual_lease_may_run_until_its_fence_window),
        cmocka_unit_test(a_lease_without_a_fence_window_is_none),
        cmocka_unit_test(only_a_lease_and_an_override_are_yes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
