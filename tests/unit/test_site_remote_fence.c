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
    begin_with_script(&world);
    stand_by(&world, EPOCH, true);
    world.site.order.kind = BW_ORDER_LET_GO; /* what was let go is nobody's to end (3.9) */
    ask(&world, &first);
    assert_ran_nothing(&world);
    world.site.order.kind = BW_ORDER_STAND_BY;
    world.site.order.others_epoch = false; /* its own */
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

    begin(&world); /* nor one whose site names none */
    greet(&world);
    assert_int_equal(reported(&world).remote_fence.limit_ms, 0);
    stand_by(&world, EPOCH, true);
    ask(&world, &first);
    assert_not_asked(&world, "RUN:remote_fence");
}

/* Of one epoch by its term, of one term by its number: a word that comes late is no new ask. */
static void only_a_newer_ask_is_another_one(void **state)
{
    static const struct {
        struct bw_remote_fence_ask ask;
        bool is_newer;
    } cases[] = {
        {{.epoch = EPOCH, .term = 3, .number = 4, .site = "dc-a"}, false},
        {{.epoch = EPOCH, .term = 2, .number = 9, .site = "dc-a"}, false},
        {{.epoch = EPOCH - 1, .term = 9, .number = 9, .site = "dc-a"}, false},
        {{.epoch = EPOCH, .term = 3, .number = 6, .site = "dc-a"}, true},
        {{.epoch = EPOCH, .term = 4, .number = 1, .site = "dc-a"}, true},
        {{.epoch = EPOCH + 1, .term = 1, .number = 1, .site = "dc-a"}, true},
    };
    const struct bw_remote_fence_ask before = {
        .epoch = EPOCH, .term = 3, .number = 5, .site = "dc-a"};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bw_remote_fence_report report;
        struct world world;

        begin_with_script(&world);
        stand_by(&world, EPOCH, true);
        ask(&world, &before);
        ended(&world, &world.sent_run, BW_RUN_FAILED, "");
        assert_asked(&world, "SYNC");
        ask(&world, &cases[i].ask);
        report = reported(&world).remote_fence;
        assert_int_equal(bw_remote_fence_ask_is_same(&report.ask, &cases[i].ask),
                         cases[i].is_newer);
        assert_int_equal(report.state == BW_REMOTE_FENCE_FAILED, !cases[i].is_newer);
    }
}

/* What a leader says no more for the freshness window is not begun, however long ago it came first. */
static void an_ask_is_begun_while_it_is_fresh(void **state)
{
    struct world world;

    (void)state;
    for (uint64_t age_ms = 2999; age_ms <= 3000; age_ms++) {
        begin_with_script(&world);
        stand_by(&world, EPOCH, true);
        guard_lost(&world);
        ask(&world, &first);
        world.now_ms += 2000;
        ask(&world, &first); /* said again */
        world.now_ms += age_ms;
        greet(&world);
        if (age_ms < 3000)
            assert_asked(&world, "RUN:remote_fence");
        else
            assert_not_asked(&world, "RUN:remote_fence");
    }
}

/* Only that one keeps it fresh: what was asked before it, and comes late, is no word of who leads. */
static void a_late_word_of_an_older_ask_keeps_the_newest_no_fresher(void **state)
{
    struct bw_remote_fence_ask newest = first;
    struct world world;

    (void)state;
    newest.number++;
    begin_with_script(&world);
    stand_by(&world, EPOCH, true);
    guard_lost(&world);
    ask(&world, &newest);
    world.now_ms += 2000;
    ask(&world, &first);
    world.now_ms += 1000;
    greet(&world);
    assert_not_asked(&world, "RUN:remote_fence");
}

/* 3.4: one action of a group at a time, which its guard may be at by itself. */
static void while_its_guard_runs_another_action_it_waits(void **state)
{
    struct world world;

    (void)state;
    begin_with_script(&world);
    stand_by(&world, EPOCH, true);
    world.site.running = BW_ACTION_REJOIN;
    ask(&world, &first);
    assert_not_asked(&world, "RUN:remote_fence");
    world.site.running = BW_ACTION_NONE;
    ask(&world, &first);
    assert_asked(&world, "RUN:remote_fence");
    assert_asked(&world, "SYNC"); /* who asked waits for a begin */
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
        cmocka_unit_test(only_a_newer_ask_is_another_one),
        cmocka_unit_test(an_ask_is_begun_while_it_is_fresh),
        cmocka_unit_test(a_late_word_of_an_older_ask_keeps_the_newest_no_fresher),
        cmocka_unit_test(while_its_guard_runs_another_action_it_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
