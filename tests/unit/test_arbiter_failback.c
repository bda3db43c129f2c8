/* arbiter: failback, and how long a maintenance lasts (design 3.9, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "arbiter_world.h"

/* dc-a was lost, and dc-b serves in its place. */
static void begin_failed_over(void)
{
    struct bw_spec spec = changed_spec();

    spec.failback_ms = 60000;
    world_begin_with(&world, 2, &spec);
    silence_until_before_lapse(0);
    assert_acts("A3");
    assert_acts("A9");
    world_serve(&world, B);
}

static void failback_waits_for_its_time_and_a_site_that_stayed(void **state)
{
    (void)state;
    begin_failed_over();
    world_pass_ms(&world, 50000);
    world.sites[A].is_mute = false;
    world_stop(&world, A);
    world.sites[A].report.has_lag = true;
    world_pass_ms(&world, 20000);
    assert_held("failback", A);

    world_pass_ms(&world, 39000);
    assert_held("failback", A);
    world_pass_ms(&world, 2000);
    assert_rule("A12");
    assert_string_equal(world.decision.command.target, "dc-a");
    assert_int_equal(world.decision.command.reason, BW_REASON_FAILBACK);
}

/* 3.6: nobody has accepted that perhaps nobody sees the end. What its guard has proved to end is seen without a status. */
static void a_failback_waits_for_a_holder_whose_end_can_be_seen(void **state)
{
    (void)state;
    begin_failed_over();
    world.sites[A].is_mute = false;
    world_stop(&world, A);
    world.sites[A].report.has_lag = true;
    world.sites[A].report.joined_epoch = world_group(&world)->epoch;
    world_pass_ms(&world, 63000);
    world.sites[B].report.service = BW_SERVICE_UNKNOWN;
    world.sites[B].report.sight.proved = world_group(&world)->sight.proved = false;
    world_sync_all(&world);
    assert_held("stop_seen", -1);

    world.sites[B].report.sight.proved = true;
    world_sync_all(&world);
    assert_rule("A12");
}

/* A failback that is over, by the log: to dc-a, whose start failed; then dc-b served again. */
static void fail_back_in_vain(void)
{
    struct bw_group *group = world_group(&world);

    for (int epoch = 0; epoch < 2; epoch++) {
        struct bw_history_entry *entry = &group->history[(group->history_first + group->history_count++) % BW_HISTORY_MAX];

        *entry = (struct bw_history_entry){.epoch = ++group->epoch,
                                           .ended_index = epoch == 0 ? 1 : 0,
                                           .planned = true,
                                           .why_granted = epoch == 0 ? BW_REASON_FAILBACK : BW_REASON_ROLLBACK,
                                           .why_ended = epoch == 0 ? BW_REASON_START_FAILED : BW_REASON_NONE};
        (void)strcpy(entry->site, epoch == 0 ? "dc-a" : "dc-b");
        (void)strcpy(entry->previous_site, epoch == 0 ? "dc-b" : "dc-a");
    }
}

/* 4: each is an outage, and what made its start fail may well be there still. */
static void a_failback_that_failed_is_tried_again_after_twice_the_time(void **state)
{
    uint64_t waited_ms = 60000;
    (void)state;
    for (int failed = 0; failed < 3; failed++, waited_ms *= 2) {
        begin_failed_over();
        for (int i = 0; i < failed; i++)
            fail_back_in_vain();
        world_watch(&world)->phase_applied = world.now;
        world_watch(&world)->seen_epoch = world_group(&world)->epoch;
        world_serve(&world, B);
        world.sites[A].is_mute = false;
        world_stop(&world, A);
        world.sites[A].report.has_lag = true;
        world.sites[A].report.joined_epoch = world_group(&world)->epoch;
        world_pass_ms(&world, waited_ms - 3000);
        assert_held(failed == 0 ? "failback" : "backoff", A);
        world_pass_ms(&world, 6000);
        assert_rule("A12");
        assert_string_equal(world.decision.command.target, "dc-a");
    }
}

/* dc-b serves, of lower priority than dc-a, which is well again. */
static void begin_at_b(void)
{
    begin_failed_over();
    world.sites[A].is_mute = false;
    world_stop(&world, A);
    world.sites[A].report.has_lag = true;
    world.sites[A].report.joined_epoch = UINT64_MAX;
    world_sync_all(&world);
}

/* A failback to dc-a, once `waited_ms` have passed and not before, ends where it began: dc-b is granted again, and serves. */
static void come_back_after(uint64_t waited_ms, enum bw_reason why)
{
    world_pass_ms(&world, waited_ms - 3000);
    assert_rule("A0");
    world_pass_ms(&world, 6000);
    assert_acts("A12");
    world_give_back(&world, B, BW_REASON_FAILBACK, true, why == BW_REASON_NO_POSITION ? "" : "4711");
    world.sites[A].report.guard_alive = why != BW_REASON_TARGET_LOST;
    world.sites[A].report.ready = why != BW_REASON_ROLLBACK;
    world_sync_all(&world);
    assert_acts("A1");
    if (why == BW_REASON_ROLLBACK)
        world_pass_ms(&world, world_group(&world)->spec.switchover_timeout_ms);
    assert_acts("A8");
    assert_int_equal(bw_group_history_at(world_group(&world), 0)->why_granted, why);
    world_serve(&world, B);
    world.sites[A].report.guard_alive = true;
    world.sites[A].report.ready = true;
    world_sync_all(&world);
}

/* 4: nobody served meanwhile, and what kept dc-a from the grant may well be there still. */
static void a_failback_that_came_back_is_tried_again_after_twice_the_time(void **state)
{
    static const enum bw_reason whys[] = {BW_REASON_NO_POSITION, BW_REASON_TARGET_LOST, BW_REASON_ROLLBACK};

    (void)state;
    for (size_t i = 0; i < sizeof whys / sizeof whys[0]; i++) {
        begin_at_b();
        come_back_after(60000, whys[i]);
        assert_held("backoff", A);
        come_back_after(120000, whys[i]);
        world_pass_ms(&world, 200000);
        assert_held("backoff", A);
        come_back_after(40000, whys[i]);
    }
}

/* Its service goes down for good, and the other site, which follows it then, is granted and serves. */
static void go_down_at(size_t from, size_t to, const char *to_name)
{
    world_pass_ms(&world, 5000);
    world_give_back(&world, from, BW_REASON_SERVICE_DOWN, true, "");
    assert_acts("A1");
    assert_acts("A9");
    assert_string_equal(world_group(&world)->holder_site, to_name);
    world_serve(&world, to);
    world.sites[from].report.has_lag = true;
    world.sites[from].report.joined_epoch = UINT64_MAX;
}

/* It served there since: what was is no news of it any more. */
static void a_failback_that_came_back_counts_until_its_site_serves(void **state)
{
    (void)state;
    begin_at_b();
    come_back_after(60000, BW_REASON_NO_POSITION);
    go_down_at(B, A, "dc-a");
    go_down_at(A, B, "dc-b");
    come_back_after(60000, BW_REASON_NO_POSITION);
}

static void failback_never_goes_to_a_site_of_lower_priority(void **state)
{
    struct bw_spec spec = changed_spec();
    (void)state;
    spec.failback_ms = 60000;
    world_begin_with(&world, 2, &spec);
    world.sites[B].report.joined_epoch = world_group(&world)->epoch;
    world_pass_ms(&world, 120000);

    assert_rule("A0");
    assert_null(world_gate(&world, "failback", B));
}

static void without_failback_the_group_stays_where_it_is(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_acts("A1");
    assert_acts("A9");
    world_serve(&world, B);
    world_pass_ms(&world, 600000);

    assert_rule("A0");
}

/* dc-c serves; both others could, and have been connected for long. */
static void begin_at_the_last(void)
{
    struct bw_spec spec;

    world_init(&world, 3);
    spec = world_group(&world)->spec;
    spec.failback_ms = 60000;
    world_begin_with(&world, 3, &spec);
    world.sites[B].report.condition = BW_CONDITION_STOP;
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    world_sync_all(&world);
    assert_acts("A1");
    assert_acts("A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-c");
    world_serve(&world, C);
    world.sites[A].report.has_lag = true;
    world.sites[A].report.joined_epoch = UINT64_MAX;
    world.sites[B].report.condition = BW_CONDITION_START;
    world_pass_ms(&world, 120000);
}

static void failback_goes_to_the_site_of_the_highest_priority(void **state)
{
    (void)state;
    begin_at_the_last();

    assert_rule("A12");
    assert_string_equal(world.decision.command.target, "dc-a");
}

static int64_t time_of_the_move_ms(void)
{
    const struct bw_gate *gate;

    assert_rule("A0");
    gate = world_gate(&world, "switchover_timeout", -1);
    assert_non_null(gate);
    return gate->threshold;
}

/* 3.6, 4: a move that a person asked for waits, and a failback begins without it. That has the group's time, until its
 * stop begins and while nobody serves, whichever site it goes to. */
static void a_failback_has_no_time_of_a_wish_that_waits(void **state)
{
    const struct bw_spec *spec = &world_group(&world)->spec;
    struct bw_wish wish = {.kind = BW_WISH_SWITCHOVER, .to = "dc-b", .timeout_ms = 3600000};

    (void)state;
    begin_at_the_last();
    assert_int_equal(bw_witness_ask(&world.witness, 0, &wish, world.now, NULL), BW_OK);
    world.sites[B].report.ready = false; /* the moment after */
    world_sync_all(&world);
    assert_acts("A12");
    assert_int_equal(time_of_the_move_ms(), spec->switchover_timeout_ms);

    world_give_back(&world, C, BW_REASON_FAILBACK, true, "4711");
    world.sites[A].report.ready = false;
    world_sync_all(&world);
    assert_acts("A1");
    assert_int_equal(time_of_the_move_ms(), spec->switchover_timeout_ms);
    (void)strcpy(world_watch(&world)->wish.to, "dc-a");
    assert_int_equal(time_of_the_move_ms(), spec->switchover_timeout_ms);

    world_pass_ms(&world, spec->switchover_timeout_ms + 500);
    assert_acts("A8");
    assert_string_equal(world_group(&world)->holder_site, "dc-c");
}

/* 3.9: nobody asked for it. */
static void maintenance_of_the_group_holds_a_failback(void **state)
{
    struct bw_command command = {
        .kind = BW_COMMAND_MAINTENANCE, .group = "harbor", .duration_ms = 60000};

    (void)state;
    begin_at_the_last();
    (void)world_apply(&world, &command);
    world_know_spec(&world);
    world_sync_all(&world);

    assert_held("group_maintenance", -1);
}

static bool may_restart(const char *site)
{
    struct bw_order order;

    bw_order_derive(world_group(&world), site, world.index, &order);
    return order.restart_allowed;
}

/* 3.9: maintenance always has an end, also in what the orders say: a service that fails after it is
 * restarted. */
static void a_maintenance_that_is_over_is_ended_in_the_log(void **state)
{
    struct bw_command maintain = {
        .kind = BW_COMMAND_MAINTENANCE, .group = "harbor", .site = "dc-a", .duration_ms = 10000};
    (void)state;
    world_begin(&world, 2);
    assert_true(may_restart("dc-a"));
    assert_string_not_equal(world_apply(&world, &maintain), "-");
    world_know_spec(&world);
    assert_false(may_restart("dc-a"));
    world_pass_ms(&world, 9000);
    assert_rule("A0");
    world_pass_ms(&world, 1000);
    assert_string_equal(world_act(&world), "A13");
    assert_true(may_restart("dc-a"));
    assert_rule("A0");

    maintain.site[0] = '\0'; /* of the group */
    assert_string_not_equal(world_apply(&world, &maintain), "-");
    assert_false(may_restart("dc-a"));
    world_pass_ms(&world, 10000);
    assert_string_equal(world_act(&world), "A13");
    assert_true(may_restart("dc-a"));
}

/* 3.9: one that is longer than any clock counts is not over before it began to count. */
static void a_maintenance_of_any_length_is_not_cut_short(void **state)
{
    struct bw_command command = {.kind = BW_COMMAND_MAINTENANCE,
                                 .group = "harbor",
                                 .site = "dc-b",
                                 .duration_ms = UINT64_MAX / BW_NS_PER_MS + 1};

    (void)state;
    world_begin(&world, 2);
    assert_string_not_equal(world_apply(&world, &command), "-");
    world_know_spec(&world);
    world_pass_ms(&world, 60000);

    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_group(&world)->maintenance_ms[B] != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failback_waits_for_its_time_and_a_site_that_stayed),
        cmocka_unit_test(a_failback_waits_for_a_holder_whose_end_can_be_seen),
        cmocka_unit_test(a_failback_that_failed_is_tried_again_after_twice_the_time),
        cmocka_unit_test(a_failback_that_came_back_is_tried_again_after_twice_the_time),
        cmocka_unit_test(a_failback_that_came_back_counts_until_its_site_serves),
        cmocka_unit_test(failback_never_goes_to_a_site_of_lower_priority),
        cmocka_unit_test(without_failback_the_group_stays_where_it_is),
        cmocka_unit_test(failback_goes_to_the_site_of_the_highest_priority),
        cmocka_unit_test(a_failback_has_no_time_of_a_wish_that_waits),
        cmocka_unit_test(maintenance_of_the_group_holds_a_failback),
        cmocka_unit_test(a_maintenance_that_is_over_is_ended_in_the_log),
        cmocka_unit_test(a_maintenance_of_any_length_is_not_cut_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
