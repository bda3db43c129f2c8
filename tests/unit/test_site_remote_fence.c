/* site: another site's service is fenced from here, because a leader asks for it (3.3). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

#define EPOCH 7

static const struct bw_remote_fence_ask first = {
    .epoch = EPOCH, .term = 3, .number = 1, .site = "dc-a"};

static void ask(struct world *world, const struct bw_remote_fence_ask *of)
{
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_REMOTE_FENCE, .ask = of});
}

/* Another site holds `epoch`, or did. */
static void stand_by(struct world *world, uint64_t epoch, bool is_open)
{
    const struct bw_order of = {.kind = BW_ORDER_STAND_BY,
                                .index = world->index += 10,
                                .epoch = epoch,
                                .spec_version = 1,
                                .others_epoch = true,
                                .newest_is_open = is_open,
                                .terms = {.ttl_ms = TTL_MS,
                                          .fence_ms = FENCE_MS,
                                          .request_timeout_ms = 1000,
                                          .renew_interval_ms = 1000}};

    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
}

static void greet(struct world *world)
{
    guard_state(world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP,
                                                .reach_works = true,
                                                .remote_fence_ms = 30000});
}

static void begin_with_script(struct world *world)
{
    begin(world);
    world->site.limits.has_script[BW_ACTION_REMOTE_FENCE] = true;
    greet(world);
    status(world, "stopped");
}

static enum bw_remote_fence_state reported_state(struct world *world)
{
    return reported(world).remote_fence.state;
}

static void what_is_asked_for_is_run_once_and_its_end_is_told(void **state)
{
    struct world world;

    (void)state;
    begin_with_script(&world);
    assert_int_equal(reported(&world).remote_fence.limit_ms, 30000);
    stand_by(&world, EPOCH, true);
    ask(&world, &first);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_REMOTE_FENCE);
    assert_int_equal(world.sent_run.run.epoch, EPOCH);
    assert_string_equal(world.sent_run.run.facts.previous_site, "dc-a");
    assert_int_equal(reported_state(&world), BW_REMOTE_FENCE_RUNNING);
    const uint64_t run_id = world.sent_run.run.run_id;

    ask(&world, &first); /* said again with each answer */
    tick_at(&world, world.now_ms + 500);
    assert_int_equal(world.sent_run.run.run_id, run_id);
    ended(&world, &world.sent_run, BW_RUN_OK, "");

    assert_int_equal(reported_state(&world), BW_REMOTE_FENCE_SEEN);
    assert_int_equal(reported(&world).remote_fence.ask.number, 1);
    assert_int_equal(reported(&world).remote_fence.ask.term, 3);
    ask(&world, &first);
    assert_int_equal(world.sent_run.run.run_id, run_id);
}

static void whatever_is_no_success_is_a_failure(void **state)
{
    static const enum bw_run_result results[] = {BW_RUN_FAILED,      BW_RUN_TIMED_OUT,
                                                 BW_RUN_KILLED,      BW_RUN_NOT_STARTED,
                                                 BW_RUN_INTERRUPTED, BW_RUN_REFUSED};
    struct world world;

    (void)state;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        begin_with_script(&world);
        stand_by(&world, EPOCH, true);
        ask(&world, &first);
        ended(&world, &world.sent_run, results[i], "");
        assert_int_equal(reported_state(&world), BW_REMOTE_FENCE_FAILED);
    }
}

static void only_the_run_that_was_begun_for_it_counts(void **state)
{
    struct world world;
    struct bw_guard_message other;

    (void)state;
    begin_with_script(&world);
    stand_by(&world, EPOCH, true);
    ask(&world, &first);
    other = world.sent_run;
    other.run.run_id--;
    ended(&world, &other, BW_RUN_OK, "");
    assert_int_equal(reported_state(&world), BW_REMOTE_FENCE_RUNNING);
    other = world.sent_run;
    other.run.epoch--;
    ended(&world, &other, BW_RUN_OK, "");
    assert_int_equal(reported_state(&world), BW_REMOTE_FENCE_RUNNING);

    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(reported_state(&world), BW_REMOTE_FENCE_SEEN);
    ended(&world, &world.sent_run, BW_RUN_FAILED, ""); /* late, once more */
    assert_int_equal(reported_state(&world), BW_REMOTE_FENCE_SEEN);
}

static void another_ask_is_another_run(void **state)
{
    struct bw_remote_fence_ask second = first;
    struct world world;

    (void)state;
    begin_with_script(&world);
    stand_by(&world, EPOCH, true);
    ask(&world, &first);
    second.term = 4;
    ask(&world, &second); /* of a new leader, while it runs */
    assert_int_equal(reported(&world).remote_fence.ask.term, 3);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    const uint64_t run_id = world.sent_run.run.run_id;

    ask(&world, &second);
    assert_true(world.sent_run.run.run_id != run_id);
    assert_int_equal(reported_state(&world), BW_REMOTE_FENCE_RUNNING);
    assert_int_equal(reported(&world).remote_fence.ask.term, 4);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");

    ask(&world, &first); /* the old leader's, late */
    assert_int_equal(reported(&world).remote_fence.ask.term, 4);
    assert_int_equal(reported_state(&world), BW_REMOTE_FENCE_FAILED);
}

static void assert_ran_nothing(const struct world *world)
{
    assert_int_not_equal(world->sent_run.run.action, BW_ACTION_REMOTE_FENCE);
}

/* As this site knows it, the epoch is over, or not the newest, or its own. */
static void nothing_is_run_for_an_epoch_that_is_not_open_elsewhere(void **state)
{
    struct world world;

    (void)state;
    begin_with_script(&world);
    ask(&world, &first);
    assert_ran_nothing(&world);
    stand_by(&world, EPOCH + 1, true);
    ask(&world, &first);
    assert_ran_nothing(&world);
    begin_with_script(&world);
    stand_by(&world, EPOCH, false);
    ask(&world, &first);
    assert_ran_nothing(&world);
    begin_leased(&world);
    world.site.limits.has_script[BW_ACTION_REMOTE_FENCE] = true;
    world.site.guard.remote_fence_ms = 30000;
    ask(&world, &first);
    assert_ran_nothing(&world);
}

static void what_was_asked_for_long_ago_is_not_begun(void **state)
{
    struct world world;

    (void)state;
    begin_with_script(&world);
    guard_lost(&world);
    stand_by(&world, EPOCH, true);
    ask(&world, &first);
    tick_at(&world, world.now_ms + 5000);
    greet(&world);
    assert_not_asked(&world, "RUN:remote_fence");

    ask(&world, &first);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_REMOTE_FENCE);
}

static void without_its_guard_it_has_failed(void **state)
{
    struct world world;

    (void)state;
    begin_with_script(&world);
    stand_by(&world, EPOCH, true);
    ask(&world, &first);
    guard_lost(&world);
    assert_int_equal(reported_state(&world), BW_REMOTE_FENCE_FAILED);
    assert_int_equal(reported(&world).remote_fence.limit_ms, 0);
    greet(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, ""); /* of before its hello */
    assert_int_equal(reported_state(&world), BW_REMOTE_FENCE_FAILED);
}

/* It is in the way of nothing of its own: the guard has it make way. */
static void a_grant_is_accepted_and_armed_beside_it(void **state)
{
    struct world world;

    (void)state;
    begin_with_script(&world);
    stand_by(&world, EPOCH, true);
    ask(&world, &first);
    world.index += 10;
    order(&world, BW_ORDER_RUN, EPOCH + 1);
    confirm(&world, EPOCH + 1, world.now_ms);
    assert_asked(&world, "ARM");
    armed(&world);

    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
}

static void a_guard_without_the_script_is_not_asked(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_REMOTE_FENCE] = true;
    assert_int_equal(reported(&world).remote_fence.limit_ms, 0);
    stand_by(&world, EPOCH, true);
    ask(&world, &first);
    assert_not_asked(&world, "RUN:remote_fence");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_for_is_run_once_and_its_end_is_told),
        cmocka_unit_test(whatever_is_no_success_is_a_failure),
        cmocka_unit_test(only_the_run_that_was_begun_for_it_counts),
        cmocka_unit_test(another_ask_is_another_run),
        cmocka_unit_test(nothing_is_run_for_an_epoch_that_is_not_open_elsewhere),
        cmocka_unit_test(what_was_asked_for_long_ago_is_not_begun),
        cmocka_unit_test(without_its_guard_it_has_failed),
        cmocka_unit_test(a_grant_is_accepted_and_armed_beside_it),
        cmocka_unit_test(a_guard_without_the_script_is_not_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
