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

/* The guard's fence was well, and the agent's own beside it was not: no stop makes that good. */
static void what_no_stop_makes_good_is_fenced_again(void **state)
{
    const struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    const struct bw_guard_message over = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    const struct bw_guard_message well = {
        .kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1, .fence = {.ok = true}};
    struct world world;

    (void)state;
    begin_serving(&world);
    from_guard(&world, &begun);
    from_guard(&world, &well);
    assert_int_equal(world.site.tenure, BW_TENURE_ENDING);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1});
    from_guard(&world, &over);
    assert_false(world.site.memory.given_back);

    tick_at(&world, world.now_ms + 1000);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    if (world.site.observation[BW_ACTION_READINESS].running)
        ended(&world, &world.sent_look, BW_RUN_OK, "position=7");
    from_guard(&world, &over);
    assert_true(world.site.memory.given_back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_site_that_learns_it_fences_whatever_it_has_seen_before),
        cmocka_unit_test(again_until_one_has_seen_the_end),
        cmocka_unit_test(a_fence_that_had_begun_before_answers_nothing),
        cmocka_unit_test(a_fence_of_the_guards_own_answers_nothing),
        cmocka_unit_test(what_serves_again_has_to_be_ended_again),
        cmocka_unit_test(an_end_of_an_epoch_whose_fence_failed_is_not_believed),
        cmocka_unit_test(what_no_stop_makes_good_is_fenced_again),
        cmocka_unit_test(a_restart_forgets_neither_the_answer_nor_that_one_is_owed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
