/* site: an epoch that is held ends by a fence that began when that was known (3.3). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

#define HELD_INDEX 77

/* The witnesses hold epoch 1 for a fence of it that failed. */
static void order_held(struct world *world)
{
    struct bw_order of = {.kind = BW_ORDER_STOP,
                          .index = world->index += HELD_INDEX,
                          .epoch = 1,
                          .spec_version = 1,
                          .instance = instance_a,
                          .held_index = HELD_INDEX,
                          .closed = true,
                          .terms = {.ttl_ms = TTL_MS,
                                    .fence_ms = FENCE_MS,
                                    .request_timeout_ms = 1000,
                                    .renew_interval_ms = 1000}};

    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
}

/* Epoch 1 was given back, and nobody knew yet that it is held. */
static void begin_given_back(struct world *world)
{
    struct bw_site_memory memory = held;

    memory.given_back = true;
    memory.reason = BW_REASON_LEASE_LOST;
    begin_with(world, &memory);
    guard_state(world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP,
                                                .reach_works = true,
                                                .epoch_seen = 1,
                                                .ended_epoch = 1,
                                                .stop_seen = true});
    status(world, "stopped");
}

static void a_site_that_learns_it_fences_whatever_it_has_seen_before(void **state)
{
    struct world world;

    (void)state;
    begin_given_back(&world);
    order_held(&world);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    assert_int_equal(released(&world).epoch, 1);
    assert_int_equal(released(&world).held_index, 0);

    ended(&world, &world.sent_run, BW_RUN_OK, "");

    assert_asked(&world, "SAVE");
    assert_int_equal(released(&world).held_index, HELD_INDEX);
}

static void again_until_one_has_seen_the_end(void **state)
{
    struct world world;

    (void)state;
    begin_given_back(&world);
    order_held(&world);
    const uint64_t first = world.sent_run.run.run_id;

    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    assert_int_equal(released(&world).held_index, 0);
    for (int i = 0; i < 30 && world.sent_run.run.run_id == first; i++) {
        if (world.site.observation[BW_ACTION_STATUS].running)
            ended(&world, &world.sent_look, BW_RUN_OK, "stopped");
        tick_at(&world, world.now_ms + 100);
    }
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    assert_true(world.sent_run.run.run_id != first);
    ended(&world, &world.sent_run, BW_RUN_OK, "");

    assert_int_equal(released(&world).held_index, HELD_INDEX);
}

static void a_fence_that_had_begun_before_answers_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_given_back(&world);
    status(&world, "started");
    status(&world, "started"); /* a rogue: fenced */
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    const struct bw_guard_message before = world.sent_run;
    order_held(&world);

    ended(&world, &before, BW_RUN_OK, "");

    assert_int_equal(released(&world).held_index, 0);
    assert_true(world.sent_run.run.run_id != before.run.run_id); /* one more is asked for */
}

/* 5.1: the plan of the epoch that follows is none of the one that it ends. */
static void an_order_about_a_newer_epoch_is_no_reason_for_the_end_of_this_one(void **state)
{
    struct bw_order of = order_to(BW_ORDER_STOP, 2);
    struct world world;

    (void)state;
    begin_serving(&world);
    of.reason = BW_REASON_SWITCHOVER;
    of.planned = true;
    tell_order(&world, of);
    assert_asked(&world, "RUN:stop");
    assert_int_equal(world.sent_run.run.facts.reason, BW_REASON_LEASE_LOST);
    assert_false(world.sent_run.run.facts.planned);
}

/* H10: what another instance is asked for this one does not answer, nor fence. */
static void what_another_instance_owes_is_not_fenced_here(void **state)
{
    struct bw_order of = order_to(BW_ORDER_STOP, 1);
    struct world world;

    (void)state;
    begin_given_back(&world);
    of.held_index = HELD_INDEX;
    of.instance = instance_b;
    tell_order(&world, of);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    of.instance = instance_a;
    tell_order(&world, of);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
}

/* The guard repeats a fence that has failed, unasked: that one began who knows when. */
static void a_fence_of_the_guards_own_answers_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_given_back(&world);
    order_held(&world);
    struct bw_guard_message own = world.sent_run;

    own.run.run_id = 0;
    ended(&world, &own, BW_RUN_OK, "");
    assert_int_equal(released(&world).held_index, 0);

    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(released(&world).held_index, HELD_INDEX);
}

static void what_serves_again_has_to_be_ended_again(void **state)
{
    struct world world;

    (void)state;
    begin_given_back(&world);
    order_held(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(released(&world).held_index, HELD_INDEX);

    status(&world, "started");

    assert_int_equal(released(&world).held_index, 0);
}

static void a_restart_forgets_neither_the_answer_nor_that_one_is_owed(void **state)
{
    struct bw_site_memory memory;
    struct world world;

    (void)state;
    begin_given_back(&world);
    order_held(&world);
    memory = world.site.memory;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP,
                                                 .reach_works = true,
                                                 .epoch_seen = 1,
                                                 .ended_epoch = 1});
    order_held(&world);
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    memory = world.site.memory;

    begin_with(&world, &memory);

    assert_int_equal(released(&world).held_index, HELD_INDEX);
}

/* Its disk was long in coming, or its answer. */
static void an_end_of_an_epoch_whose_fence_failed_is_not_believed(void **state)
{
    const struct bw_guard_message failed = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};
    const struct bw_guard_message over = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    from_guard(&world, &failed);
    from_guard(&world, &over);
    assert_false(world.site.memory.given_back);

    struct bw_guard_message well = failed;

    well.fence.ok = true;
    from_guard(&world, &well);
    from_guard(&world, &over);
    assert_true(world.site.memory.given_back);
}

static const struct bw_guard_message over = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};

/* The guard's fence was well, and the agent's own beside it was not: another fence is asked for, and is well. */
static void fence_again(struct world *world)
{
    const struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    const struct bw_guard_message well = {
        .kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1, .fence = {.ok = true}};

    begin_serving(world);
    from_guard(world, &begun);
    from_guard(world, &well);
    assert_int_equal(world->site.tenure, BW_TENURE_ENDING);
    assert_asked(world, "END");
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1});
    from_guard(world, &over);
    assert_false(world->site.memory.given_back);

    tick_at(world, world->now_ms + 1000);
    assert_asked(world, "RUN:fence");
    assert_int_equal(world->sent_run.run.action, BW_ACTION_FENCE);
    ended(world, &world->sent_run, BW_RUN_OK, "");
    if (world->site.observation[BW_ACTION_READINESS].running)
        ended(world, &world->sent_look, BW_RUN_OK, "position=7");
}

/* No stop makes that good. */
static void what_no_stop_makes_good_is_fenced_again(void **state)
{
    struct world world;

    (void)state;
    fence_again(&world);
    from_guard(&world, &over);
    assert_true(world.site.memory.given_back);
}

/* An end that was not believed is asked for once more: what was answered awaits no answer. */
static void after_that_fence_its_guard_is_asked_again_for_the_end(void **state)
{
    struct world world;

    (void)state;
    fence_again(&world);
    assert_asked(&world, "END");
}

static void own_fence_ended(struct world *world, bool ok)
{
    happen(world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = ok});
}

/* A guard that stands still, or is gone for good, is no reason to hold the group for as long. */
static void without_its_guard_the_agent_answers_by_its_own_fence(void **state)
{
    struct world world;

    (void)state;
    begin_given_back(&world);
    guard_lost(&world);
    assert_not_asked(&world, "OWN_FENCE");
    order_held(&world);
    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, world.now_ms + FENCE_MS); /* no deadline hastens it */
    assert_int_equal(world.site.own_fence_index, HELD_INDEX);

    own_fence_ended(&world, false);
    assert_int_equal(released(&world).held_index, 0);
    assert_true(world.site.fence_failed);
    assert_not_asked(&world, "OWN_FENCE");
    tick_at(&world, world.now_ms + 200);
    assert_asked(&world, "OWN_FENCE");
    own_fence_ended(&world, true);

    assert_asked(&world, "SAVE");
    assert_false(world.site.fence_failed);
    assert_int_equal(released(&world).held_index, HELD_INDEX);
    tick_at(&world, world.now_ms + 1000);
    assert_not_asked(&world, "OWN_FENCE"); /* none is owed any more */
}

static void a_silent_guard_is_as_good_as_none(void **state)
{
    struct world world;

    (void)state;
    begin_given_back(&world);
    world.site.arm_open = true; /* asked while it had the lease, and never answered */
    world.site.arm_open_since = (struct bw_instant){world.now_ms * MS, world.now_ms * MS};
    world.site.memory.terms.request_timeout_ms = 1000;
    tick_at(&world, world.now_ms + 1000);
    world.sent_run.run.action = BW_ACTION_NONE;
    order_held(&world);

    assert_asked(&world, "OWN_FENCE");
    assert_int_not_equal(world.sent_run.run.action, BW_ACTION_FENCE);
}

/* One after the other: what the guard ran would be cut off by the agent's KILL, or the other way
 * round. */
static void a_guard_that_comes_back_waits_for_the_agents_fence(void **state)
{
    struct world world;

    (void)state;
    begin_given_back(&world);
    guard_lost(&world);
    order_held(&world);
    world.sent_run.run.action = BW_ACTION_NONE;
    guard_state(&world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP,
                                                 .reach_works = true,
                                                 .epoch_seen = 1,
                                                 .ended_epoch = 1});
    assert_int_not_equal(world.sent_run.run.action, BW_ACTION_FENCE);

    own_fence_ended(&world, false);
    tick_at(&world, world.now_ms + 200);
    assert_not_asked(&world, "OWN_FENCE");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
}

/* Its guard's fence has seen the end, and the epoch was given back: how the agent's own one beside
 * it ended says nothing more, nor does one that had begun before the epoch was held. */
static void an_own_fence_that_had_begun_before_answers_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        const bool is_held = i % 2 == 1;
        const bool ok = i / 2 == 1;
        struct world world;

        begin_given_back(&world);
        world.site.own_fence = BW_SITE_OWN_FENCE_RUNNING;
        world.site.own_end = BW_SITE_OWN_END_LOOKED;
        world.site.own_fence_index = 0;
        if (is_held) {
            guard_lost(&world);
            order_held(&world);
            assert_not_asked(&world, "OWN_FENCE"); /* one at a time */
        }
        own_fence_ended(&world, ok);

        assert_false(world.site.fence_failed);
        assert_int_equal(released(&world).held_index, 0);
    }
}

/* A person has vouched for the end meanwhile, and this very site is granted the next epoch. */
static void a_new_epoch_waits_for_the_end_of_the_agents_fence(void **state)
{
    struct world world;

    (void)state;
    begin_given_back(&world);
    guard_lost(&world);
    order_held(&world);
    order(&world, BW_ORDER_RUN, 2);
    assert_int_equal(world.site.memory.epoch, 1);

    own_fence_ended(&world, false);

    assert_false(world.site.fence_failed); /* nobody asks for an answer any more */
    assert_int_equal(world.site.memory.epoch, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_site_that_learns_it_fences_whatever_it_has_seen_before),
        cmocka_unit_test(again_until_one_has_seen_the_end),
        cmocka_unit_test(a_fence_that_had_begun_before_answers_nothing),
        cmocka_unit_test(an_order_about_a_newer_epoch_is_no_reason_for_the_end_of_this_one),
        cmocka_unit_test(what_another_instance_owes_is_not_fenced_here),
        cmocka_unit_test(a_fence_of_the_guards_own_answers_nothing),
        cmocka_unit_test(what_serves_again_has_to_be_ended_again),
        cmocka_unit_test(an_end_of_an_epoch_whose_fence_failed_is_not_believed),
        cmocka_unit_test(what_no_stop_makes_good_is_fenced_again),
        cmocka_unit_test(after_that_fence_its_guard_is_asked_again_for_the_end),
        cmocka_unit_test(a_restart_forgets_neither_the_answer_nor_that_one_is_owed),
        cmocka_unit_test(without_its_guard_the_agent_answers_by_its_own_fence),
        cmocka_unit_test(a_silent_guard_is_as_good_as_none),
        cmocka_unit_test(a_guard_that_comes_back_waits_for_the_agents_fence),
        cmocka_unit_test(an_own_fence_that_had_begun_before_answers_nothing),
        cmocka_unit_test(a_new_epoch_waits_for_the_end_of_the_agents_fence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
