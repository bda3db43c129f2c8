/* leave: what a site and its guard still keep of a group that their file is to name no more. Design 3.2.4, 5.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/leave.h>

#include "guard_world.h"

/* ---- the guard ---------------------------------------------------------------------------------- */

static void a_guard_keeps_what_is_armed_until_it_was_ended(void **state) /* I1, 3.2.4 */
{
    struct world world;

    (void)state;
    begin_armed(&world);
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_EPOCH);

    run(&world, 1, BW_ACTION_STOP, 7);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_EPOCH); /* its D may still come */
    assert_true(end(&world, 1));
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_NOTHING);
}

static void a_guard_keeps_what_a_fence_has_not_ended(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.fence = BW_FENCE_FAILED;
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_FENCE);
    world.guard.fence = BW_FENCE_NONE;
    world.guard.slots[BW_GUARD_SLOT_FENCE].state = BW_SLOT_RUNNING;
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_FENCE);
    world.guard.slots[BW_GUARD_SLOT_FENCE].state = BW_SLOT_FREE;
    world.guard.fence = BW_FENCE_CHECK; /* its script has ended, and its end was not seen yet */
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_FENCE);
}

static void a_guard_keeps_an_action_and_no_look(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.slots[BW_GUARD_SLOT_OBSERVATION].state = BW_SLOT_RUNNING;
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_NOTHING);
    world.guard.slots[BW_GUARD_SLOT_ACTION].state = BW_SLOT_RUNNING;
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_RUN);
}

/* 3.4: an enforced group that nobody has looked at may serve. */
static void a_guard_keeps_what_it_has_yet_to_look_at(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.check_at_start = true;
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_NOTHING); /* it has, and could not see it */
    world.guard.slots[BW_GUARD_SLOT_OBSERVATION].state = BW_SLOT_RUNNING;
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_RUN);
    world.guard.slots[BW_GUARD_SLOT_OBSERVATION].state = BW_SLOT_FREE;
    world.guard.check_at_start = false;
    world.guard.end_looking = true;
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_RUN);
    world.guard.end_looking = false;
    world.guard.stop = BW_GUARD_STOP_CHECKING;
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_RUN);
}

static void a_guard_keeps_what_it_has_not_seen_to_end(void **state) /* 3.4 */
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.check_at_start = true;
    world.guard.memory.epoch_seen = 2;
    world.guard.memory.ended_epoch = 1;
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_UNSEEN);
    world.guard.memory.ended_epoch = 2;
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_NOTHING);
}

/* 3.4: that look would fence what a person starts of it by hand. */
static void what_is_left_is_looked_at_no_more(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.check_at_start = true;
    bw_guard_leave(&world.guard);
    world.log[0] = '\0';
    tick_at(&world, world.now_ms + 60000);
    assert_not_asked(&world, "SPAWN");
}

static void a_guard_keeps_what_a_person_overrides(void **state) /* 3.8 */
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.mirror.armed_serial = 1;
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_OVERRIDE);
}

static void a_guard_keeps_what_waits_for_the_disk(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.wants = BW_GUARD_WANTS_ARM;
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_SAVE);
    world.guard.wants = BW_GUARD_WANTS_NOTHING;
    world.guard.waits[BW_GUARD_WAIT_ARM] = 1;
    assert_int_equal(bw_guard_keeps(&world.guard), BW_KEEPS_SAVE);
}

/* ---- the site ----------------------------------------------------------------------------------- */

static struct bw_site site_of(uint64_t epoch, bool given_back)
{
    const struct bw_site_memory memory = {.epoch = epoch,
                                          .boot_id = {{7}},
                                          .given_back = given_back,
                                          .terms = {.ttl_ms = 10000, .fence_ms = 2000}};
    const struct bw_site_limits site_limits = {.check_interval_ns = 1000 * MS, .failure_threshold = 3};
    struct bw_site site;

    bw_site_init(&site, "g", (struct bw_id){{1}}, (struct bw_id){{7}}, &site_limits, &memory,
                 at_ms(BEGIN_MS));
    return site;
}

static void a_site_keeps_an_epoch_until_it_is_given_back(void **state) /* I1, 3.5 */
{
    struct bw_site site = site_of(4, false);

    (void)state;
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_EPOCH);
    site = site_of(4, true);
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_NOTHING);
    site = site_of(0, false);
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_NOTHING);
}

static void a_site_keeps_a_grant_that_it_has_not_accepted_yet(void **state)
{
    struct bw_site site = site_of(4, true);

    (void)state;
    site.order = (struct bw_order){.kind = BW_ORDER_RUN, .epoch = 5};
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_GRANT);
    site.order.kind = BW_ORDER_STOP; /* what it was told to stop it was granted before */
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_GRANT);
    site.order.epoch = 4; /* older than its give-back */
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_NOTHING);
    site.order = (struct bw_order){.kind = BW_ORDER_STAND_BY, .epoch = 5};
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_NOTHING);
}

/* 3.4: while there is no guard, what another instance of the site has armed is its to end. */
static void a_site_keeps_what_it_has_to_fence_without_its_guard(void **state)
{
    struct bw_site site = site_of(4, true);

    (void)state;
    site.old_epoch = 3;
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_FENCE);
    site.link = BW_SITE_LINK_GREETED;
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_NOTHING);
    site.own_fence = BW_SITE_OWN_FENCE_RUNNING;
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_FENCE);
}

static void a_site_keeps_what_it_has_begun(void **state)
{
    struct bw_site site = site_of(4, true);

    (void)state;
    site.running = BW_ACTION_REJOIN;
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_RUN);
    site.running = BW_ACTION_NONE;
    site.remote_fenced = BW_REMOTE_FENCE_RUNNING; /* of another site's service (3.3) */
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_RUN);
    site.remote_fenced = BW_REMOTE_FENCE_FAILED;
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_NOTHING);
    site.save = BW_SITE_SAVE_PENDING;
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_SAVE);
    site.memory.override = BW_OVERRIDE_WAITING; /* 3.8 */
    assert_int_equal(bw_site_keeps(&site), BW_KEEPS_OVERRIDE);
}

static void each_says_what_to_do_first(void **state)
{
    (void)state;
    for (int keeps = BW_KEEPS_NOTHING + 1; keeps < BW_KEEPS_COUNT; keeps++)
        assert_non_null(strstr(bw_keeps_sentence((enum bw_keeps)keeps), "SIGHUP"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guard_keeps_what_is_armed_until_it_was_ended),
        cmocka_unit_test(a_guard_keeps_what_a_fence_has_not_ended),
        cmocka_unit_test(a_guard_keeps_an_action_and_no_look),
        cmocka_unit_test(a_guard_keeps_what_it_has_yet_to_look_at),
        cmocka_unit_test(a_guard_keeps_what_it_has_not_seen_to_end),
        cmocka_unit_test(what_is_left_is_looked_at_no_more),
        cmocka_unit_test(a_guard_keeps_what_a_person_overrides),
        cmocka_unit_test(a_guard_keeps_what_waits_for_the_disk),
        cmocka_unit_test(a_site_keeps_an_epoch_until_it_is_given_back),
        cmocka_unit_test(a_site_keeps_a_grant_that_it_has_not_accepted_yet),
        cmocka_unit_test(a_site_keeps_what_it_has_to_fence_without_its_guard),
        cmocka_unit_test(a_site_keeps_what_it_has_begun),
        cmocka_unit_test(each_says_what_to_do_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
