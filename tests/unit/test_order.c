/* order: what each site is told of committed state (design 5.3, 3.6, 3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/order.h>

#include "core_fixture.h"

static struct bw_group group;
static uint64_t log_index;

static void apply(struct bw_command command)
{
    assert_non_null(bw_group_apply(&group, ++log_index, &command));
}

static void begin(void)
{
    const struct bw_spec spec = fixture_spec();

    log_index = 10;
    bw_group_init(&group, &spec, 0, log_index);
}

static struct bw_order order_for(const char *site)
{
    struct bw_order order;

    bw_order_derive(&group, site, 99, &order);
    return order;
}

static void a_vacant_group_is_stood_by_and_enforces_nobody_yet(void **state) /* 3.9 */
{
    struct bw_order order;

    (void)state;
    begin();
    order = order_for("dc-a");

    assert_int_equal(order.kind, BW_ORDER_STAND_BY);
    assert_int_equal(order.index, 10);
    assert_int_equal(order.spec_version, group.spec_version);
    assert_false(order.others_epoch);
    assert_false(order.newest_is_open);
    assert_int_equal(order.terms.ttl_ms, 1000);
}

static void the_holder_runs_and_the_others_stand_by_enforced(void **state) /* I1, 3.9 */
{
    struct bw_order holder;
    struct bw_order other;

    (void)state;
    begin();
    apply(fixture_grant(&group, "dc-a"));
    holder = order_for("dc-a");
    other = order_for("dc-b");

    assert_int_equal(holder.kind, BW_ORDER_RUN);
    assert_int_equal(holder.epoch, 1);
    assert_int_equal(holder.index, log_index);
    assert_true(bw_id_equal(holder.instance, fixture_instance("dc-a")));
    assert_int_equal(holder.terms.reach, BW_REACH_UNITS);
    assert_int_equal(holder.reach_digest, group.sight.digest);
    assert_int_not_equal(holder.reach_digest, 0);
    assert_false(holder.adopt);
    assert_int_equal(other.kind, BW_ORDER_STAND_BY);
    assert_true(other.others_epoch);
    assert_true(other.newest_is_open);
}

static void an_adoption_says_so_until_it_ends(void **state) /* 3.9, H14 */
{
    (void)state;
    begin();
    apply(fixture_adopt(&group, "dc-a"));
    assert_true(order_for("dc-a").adopt);
    assert_true(order_for("dc-a").adopting);
    apply(fixture_command(&group, BW_COMMAND_ADOPTED));

    assert_true(order_for("dc-a").adopt);
    assert_false(order_for("dc-a").adopting);
}

static void a_switchover_stops_one_and_prepares_the_other(void **state) /* 3.6 */
{
    struct bw_order order;

    (void)state;
    begin();
    apply(fixture_grant(&group, "dc-a"));
    apply(fixture_revoke(&group, "dc-b"));

    order = order_for("dc-a");
    assert_int_equal(order.kind, BW_ORDER_STOP);
    assert_false(order.closed);
    assert_int_equal(order.reason, BW_REASON_SWITCHOVER);
    assert_true(order.planned);
    assert_true(order_for("dc-b").prepare);
    assert_true(order_for("dc-b").planned);
    assert_int_equal(order_for("dc-b").reason, BW_REASON_SWITCHOVER);
    assert_false(order_for("dc-c").prepare);

    apply(fixture_released(&group, BW_REASON_SWITCHOVER, true, "0/16"));
    order = order_for("dc-b");
    assert_true(order.prepare);
    assert_string_equal(order.position, "0/16");
    assert_string_equal(order.previous_site, "dc-a");
    assert_string_equal(order_for("dc-c").previous_site, "dc-a");

    apply(fixture_grant(&group, "dc-b"));
    order = order_for("dc-b");
    assert_int_equal(order.kind, BW_ORDER_RUN);
    assert_string_equal(order.position, "0/16");
    assert_string_equal(order.previous_site, "dc-a");
    assert_int_equal(order.previous_grade, BW_GRADE_CONFIRMED);
}

static void a_closed_epoch_is_stopped_as_closed(void **state) /* I1, 3.2.3, H3 */
{
    struct bw_command close;
    struct bw_order order;

    (void)state;
    begin();
    apply(fixture_grant(&group, "dc-a"));
    close = fixture_command(&group, BW_COMMAND_CLOSE);
    close.reason = BW_REASON_SITE_LOST;
    apply(close);
    order = order_for("dc-a");

    assert_int_equal(order.kind, BW_ORDER_STOP);
    assert_true(order.closed);
    assert_int_equal(order.reason, BW_REASON_SITE_LOST);
    assert_int_equal(order_for("dc-b").kind, BW_ORDER_STAND_BY);
}

/* How it began says nothing of how it ends. */
static void the_close_of_a_planned_grant_is_no_planned_stop(void **state) /* 3.2.3 */
{
    struct bw_command grant;

    (void)state;
    begin();
    grant = fixture_grant(&group, "dc-a");
    grant.planned = true;
    apply(grant);
    assert_true(order_for("dc-a").planned);

    apply(fixture_command(&group, BW_COMMAND_CLOSE));

    assert_int_equal(order_for("dc-a").kind, BW_ORDER_STOP);
    assert_false(order_for("dc-a").planned);
}

static void an_ended_holder_stands_by_and_is_not_its_own_stranger(void **state) /* 3.9 */
{
    struct bw_order order;

    (void)state;
    begin();
    apply(fixture_grant(&group, "dc-a"));
    apply(fixture_command(&group, BW_COMMAND_EXPIRED));
    order = order_for("dc-a");

    assert_int_equal(order.kind, BW_ORDER_STAND_BY);
    assert_int_equal(order.epoch, 1);
    assert_false(order.others_epoch);
    assert_false(order.newest_is_open);
    assert_true(order_for("dc-b").others_epoch);
}

static void observe_lets_everyone_go_and_disarms_one_epoch_only(void **state) /* I1, 3.9 */
{
    (void)state;
    begin();
    apply(fixture_grant(&group, "dc-a"));
    apply(fixture_set_mode(&group, BW_MODE_OBSERVE));

    assert_int_equal(order_for("dc-a").kind, BW_ORDER_LET_GO);
    assert_int_equal(order_for("dc-a").let_go_index, log_index);
    assert_int_equal(order_for("dc-a").let_go_epoch, 1);
    assert_int_equal(order_for("dc-b").kind, BW_ORDER_LET_GO);
    assert_int_equal(order_for("dc-b").let_go_epoch, 0);

    apply(fixture_set_spec(&group, ""));
    assert_int_equal(order_for("dc-a").let_go_index, log_index - 1);
    assert_int_equal(order_for("dc-a").index, log_index);
}

/* By these it speaks (3.2), and by the same a witness judges how fresh that is. */
static void who_only_looks_on_is_told_the_terms_of_the_spec(void **state) /* 3.9 */
{
    (void)state;
    begin();
    apply(fixture_grant(&group, "dc-a"));
    apply(fixture_set_mode(&group, BW_MODE_OBSERVE));

    assert_int_equal(order_for("dc-a").terms.renew_interval_ms, group.spec.renew_interval_ms);
    assert_int_equal(order_for("dc-b").terms.renew_interval_ms, group.spec.renew_interval_ms);
    assert_int_equal(order_for("dc-b").terms.request_timeout_ms, group.spec.request_timeout_ms);
}

static void what_was_started_under_observe_is_nobodys_stranger_after_it(void **state) /* 3.9 */
{
    (void)state;
    begin();
    apply(fixture_grant(&group, "dc-a"));
    apply(fixture_set_mode(&group, BW_MODE_OBSERVE));
    apply(fixture_set_mode(&group, BW_MODE_AUTO));

    assert_int_equal(order_for("dc-b").kind, BW_ORDER_STAND_BY);
    assert_false(order_for("dc-b").others_epoch);
}

/* Whatever ended before the let-go: a service that a person starts under observe is not fenced for
 * it once the mode is auto again. */
static void an_epoch_that_ended_before_the_let_go_enforces_nobody(void **state) /* 3.9 */
{
    (void)state;
    begin();
    apply(fixture_grant(&group, "dc-a"));
    apply(fixture_command(&group, BW_COMMAND_EXPIRED));
    assert_true(order_for("dc-b").others_epoch);
    apply(fixture_set_mode(&group, BW_MODE_OBSERVE));
    apply(fixture_set_mode(&group, BW_MODE_AUTO));

    assert_int_equal(order_for("dc-b").kind, BW_ORDER_STAND_BY);
    assert_false(order_for("dc-b").others_epoch);

    apply(fixture_grant(&group, "dc-a"));
    assert_true(order_for("dc-b").others_epoch);
}

static void a_forced_site_is_let_go_without_its_lease(void **state) /* I1, 3.1 Forced */
{
    (void)state;
    begin();
    apply(fixture_grant(&group, "dc-a"));
    apply(fixture_command(&group, BW_COMMAND_CLOSE));
    apply(fixture_command(&group, BW_COMMAND_FORCED));
    apply(fixture_set_spec(&group, "dc-a"));

    assert_int_equal(order_for("dc-a").kind, BW_ORDER_LET_GO);
    assert_int_equal(order_for("dc-a").let_go_index, log_index);
    assert_int_equal(order_for("dc-a").let_go_epoch, 0);
}

/* As it was deleted, that is: whoever overrode and was away hears of it from the group that has its name now. */
static void a_group_that_was_made_anew_is_let_go_until_it_is_granted(void **state) /* 3.8, 3.9 */
{
    const struct bw_spec spec = fixture_spec();

    (void)state;
    begin();
    assert_int_equal(order_for("dc-a").let_go_index, 0); /* the first of a cluster: nobody served before */
    bw_group_init(&group, &spec, 7, 30);
    log_index = 30;
    assert_int_equal(order_for("dc-a").kind, BW_ORDER_STAND_BY);
    assert_int_equal(order_for("dc-a").let_go_index, 30);
    apply(fixture_grant(&group, "dc-b"));
    assert_int_equal(order_for("dc-a").let_go_index, 0);
    assert_true(order_for("dc-a").others_epoch); /* from here on that ends it (S87) */
}

static void a_group_that_is_not_there_is_let_go(void **state) /* 3.9 */
{
    struct bw_order order;

    (void)state;
    bw_order_derive(NULL, "dc-a", 42, &order);

    assert_int_equal(order.kind, BW_ORDER_LET_GO);
    assert_int_equal(order.index, 42);
    assert_int_equal(order.let_go_index, 42);
    assert_int_equal(order.let_go_epoch, 0);
}

/* 3.9: paused and observed, nothing is restarted; why its epoch began the holder is told. */
static void a_holder_restarts_by_itself_in_auto_and_manual_alone(void **state)
{
    static const enum bw_mode modes[] = {BW_MODE_AUTO, BW_MODE_MANUAL, BW_MODE_PAUSED};

    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct bw_command grant;

        begin();
        grant = fixture_grant(&group, "dc-a");
        grant.reason = BW_REASON_SITE_LOST;
        apply(grant);
        group.spec.mode = modes[i];

        assert_int_equal(order_for("dc-a").restart_allowed, modes[i] != BW_MODE_PAUSED);
        assert_int_equal(order_for("dc-a").reason, BW_REASON_SITE_LOST);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vacant_group_is_stood_by_and_enforces_nobody_yet),
        cmocka_unit_test(the_holder_runs_and_the_others_stand_by_enforced),
        cmocka_unit_test(an_adoption_says_so_until_it_ends),
        cmocka_unit_test(a_switchover_stops_one_and_prepares_the_other),
        cmocka_unit_test(a_closed_epoch_is_stopped_as_closed),
        cmocka_unit_test(the_close_of_a_planned_grant_is_no_planned_stop),
        cmocka_unit_test(an_ended_holder_stands_by_and_is_not_its_own_stranger),
        cmocka_unit_test(observe_lets_everyone_go_and_disarms_one_epoch_only),
        cmocka_unit_test(who_only_looks_on_is_told_the_terms_of_the_spec),
        cmocka_unit_test(what_was_started_under_observe_is_nobodys_stranger_after_it),
        cmocka_unit_test(an_epoch_that_ended_before_the_let_go_enforces_nobody),
        cmocka_unit_test(a_forced_site_is_let_go_without_its_lease),
        cmocka_unit_test(a_group_that_was_made_anew_is_let_go_until_it_is_granted),
        cmocka_unit_test(a_group_that_is_not_there_is_let_go),
        cmocka_unit_test(a_holder_restarts_by_itself_in_auto_and_manual_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
