/* machine/witness_operator: what operators order: who may change something, plans that leave nothing behind,
 * specs judged together and committed one after the other (3.9, 4); the feature level: test_witness_level. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "witness_orders.h"

/* ---- who may ---------------------------------------------------------------------------------- */

static void only_a_leader_of_a_known_cluster_changes_anything(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    assert_int_equal(bw_witness_machine_standing(&rig.machine), BW_WITNESS_TOO_EARLY);
    lead(&rig, 2); /* not even then */
    assert_int_equal(bw_witness_machine_standing(&rig.machine), BW_WITNESS_TOO_EARLY);
    rig_begin(&rig);
    assert_int_equal(bw_witness_machine_standing(&rig.machine), BW_WITNESS_LEADERLESS);
    rig.leader = 2;
    assert_int_equal(bw_witness_machine_standing(&rig.machine), BW_WITNESS_FOLLOWS);
    rig.leader = 1; /* itself, and it may not act yet */
    assert_int_equal(bw_witness_machine_standing(&rig.machine), BW_WITNESS_LEADERLESS);
    lead(&rig, 2);
    assert_int_equal(bw_witness_machine_standing(&rig.machine), BW_WITNESS_MAY_CHANGE);
}

/* ---- moves ------------------------------------------------------------------------------------ */

static void a_plan_leaves_nothing_behind(void **state)
{
    const struct bw_wish asked = {.kind = BW_WISH_SWITCHOVER, .to = "dc-a", .timeout_ms = 20000};
    const struct bw_wish planned = {
        .kind = BW_WISH_FORCE_RELEASE, .to = "dc-a", .epoch = 1, .holder_is_off = true};
    static struct bw_wish_plan plan;
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig_grant(&rig);
    lead(&rig, 2);
    settle(&rig);
    rig.watches[0].wish = asked;
    rig.watches[0].wish_since = rig_now(&rig);
    rig.now_ms += 100;
    if (bw_witness_machine_plan(&rig.machine, 0, &planned, &plan, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    assert_true(plan.decision.gate_count > 0);
    assert_string_equal(rig.watches[0].wish.to, "dc-a");
    assert_int_equal(rig.watches[0].wish.timeout_ms, 20000);
    assert_int_equal(rig.watches[0].wish_since.boot_ns, (rig.now_ms - 100) * MS);
    assert_false(bw_witness_machine_is_unsettled(&rig.machine));
    assert_asks_not(&rig, "SUBMIT:");
}

static void what_is_asked_for_is_decided_about_at_once(void **state)
{
    const struct bw_wish asked = {
        .kind = BW_WISH_FORCE_RELEASE, .to = "dc-a", .epoch = 1, .holder_is_off = true};
    const struct bw_wish stale = {
        .kind = BW_WISH_FORCE_RELEASE, .to = "dc-a", .epoch = 9, .holder_is_off = true};
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig_grant(&rig);
    lead(&rig, 2);
    settle(&rig);
    assert_int_not_equal(bw_witness_machine_ask(&rig.machine, 0, &stale, NULL, &diag), BW_OK);
    assert_false(bw_witness_machine_is_unsettled(&rig.machine));
    if (bw_witness_machine_ask(&rig.machine, 0, &asked, NULL, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    settle(&rig);
}

static void a_plan_says_what_would_be_refused(void **state)
{
    const struct bw_wish wish = {.kind = BW_WISH_SWITCHOVER, .to = "nowhere", .timeout_ms = 5000};
    static struct bw_wish_plan plan;
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    begin(&rig);
    assert_int_not_equal(bw_witness_machine_plan(&rig.machine, 0, &wish, &plan, &diag), BW_OK);
    assert_string_not_equal(diag.text, "");
    assert_int_equal(rig.watches[0].wish.kind, BW_WISH_NONE);
}

/* ---- specs: what is judged -------------------------------------------------------------------- */

static void what_is_as_wanted_is_not_proposed(void **state)
{
    const char *const names[] = {"harbor", NULL};
    struct order order;
    struct rig rig;

    (void)state;
    begin(&rig);
    order_begin(&rig, &order, names);
    order_give(&rig, &order);
    assert_string_equal(rig.log, "APPLIED:0 ");
    assert_ptr_equal(rig.applied, &order.apply);
    assert_int_equal(order.items[0].outcome, BW_APPLY_UNCHANGED);
    assert_int_equal(order.items[0].index, 0);
    assert_int_equal(bw_apply_result(&order.apply), BW_OK);
}

/* 3.9: what was looked at is what is changed. */
static void a_spec_that_was_made_from_another_version_is_refused(void **state)
{
    const char *const names[] = {"harbor", "registry", NULL};
    struct order order;
    struct rig rig;

    (void)state;
    begin(&rig);
    order_begin(&rig, &order, names);
    order.items[0].has_made_from = order.items[1].has_made_from = true;
    order.items[0].made_from = rig.groups[0].spec_version;
    order.items[1].made_from = 0; /* not there */
    assert_int_equal(judge(&rig, &order), 0);
    order.items[0].made_from = rig.groups[0].spec_version + 1;
    assert_int_equal(judge(&rig, &order), 0); /* it is as wanted: nothing is undone, and what is left goes on */
    assert_int_equal(order.items[0].outcome, BW_APPLY_UNCHANGED);
    order.items[0].spec.max_lag_ms = 7000;
    assert_refuses(&rig, &order, "groups[0]: harbor has changed: it is at version ");
    order.items[0].made_from = 0;
    assert_refuses(&rig, &order, "groups[0]: another operator has created harbor");
    order.items[0].has_made_from = false;
    order.items[1].made_from = 7;
    assert_refuses(&rig, &order, "groups[1]: registry was deleted, and this is from its version");
}

static void a_mode_that_is_not_named_stays(void **state)
{
    const char *const names[] = {"harbor", "registry", NULL};
    struct order order;
    struct rig rig;

    (void)state;
    begin(&rig);
    order_begin(&rig, &order, names);
    order.items[0].keeps_mode = order.items[1].keeps_mode = true;
    order.items[0].spec.mode = order.items[1].spec.mode = BW_MODE_AUTO;
    rig.groups[0].spec.mode = BW_MODE_PAUSED;
    assert_int_equal(judge(&rig, &order), 0);
    assert_int_equal(order.items[0].spec.mode, BW_MODE_PAUSED);
    assert_int_equal(order.items[0].outcome, BW_APPLY_UNCHANGED);
    assert_int_equal(order.items[1].spec.mode, BW_MODE_AUTO); /* a new one */
}

static void one_after_the_other_is_committed_and_signed(void **state)
{
    const char *const names[] = {"harbor", "registry", "mail", NULL};
    struct order order;
    struct rig rig;

    (void)state;
    begin(&rig);
    order_begin(&rig, &order, names);
    order.items[2].spec.max_lag_ms = 7000;
    order_give(&rig, &order);
    assert_int_equal(rig.request_count, 1); /* harbor stays, mail waits */
    assert_string_equal(rig.commands[0].group, "registry");
    assert_string_equal(rig.commands[0].by, "operator/anna");
    assert_asks_not(&rig, "APPLIED:");
    end_request(&rig, BW_OK);
    assert_int_equal(order.items[1].index, rig.index);
    while (rig.request_count > 0)
        end_request(&rig, BW_OK);
    assert_ptr_equal(rig.applied, &order.apply);
    assert_int_equal(order.items[0].outcome, BW_APPLY_UNCHANGED);
    assert_int_equal(order.items[1].outcome, BW_APPLY_CREATED);
    assert_int_equal(order.items[2].outcome, BW_APPLY_CREATED);
    assert_true(order.items[2].index > order.items[1].index);
    assert_int_equal(rig.groups[2].spec.max_lag_ms, 7000);
    assert_int_equal(bw_apply_result(&order.apply), BW_OK);
}

/* It is told what stands in its way, and not what it has not changed. */
static void the_target_of_a_move_stays_a_candidate(void **state)
{
    const char *const names[] = {"harbor", "registry", NULL};
    struct order order;
    struct rig rig;

    (void)state;
    begin_move(&rig, BW_REASON_SWITCHOVER);
    order_begin(&rig, &order, names);
    order.items[0].spec.sites[1].never_candidate = true;
    assert_refuses(&rig, &order,
                   "groups[0]: harbor is being moved to dc-b, which has to stay a candidate until the end of the move. "
                   "To cancel the move: breakwater cancel harbor\n");
}

static void what_the_log_would_refuse_is_said_before_anything_is_proposed(void **state)
{
    const char *const names[] = {"harbor", "registry", NULL};
    struct order order;
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_grant(&rig);
    order_begin(&rig, &order, names);
    (void)strcpy(order.items[0].spec.sites[0].name, "dc-c"); /* dc-a holds it */
    assert_refuses(&rig, &order,
                   "groups[0]: dc-a is primary of harbor, and cannot leave it; move the group first (breakwater switchover)\n");
    order_begin(&rig, &order, names);
    order.items[0].spec.max_lag_ms = 1;
    (void)strcpy(order.items[0].initial_primary, "dc-b");
    assert_refuses(&rig, &order, "initial_primary: harbor has had a primary");
    order_begin(&rig, &order, names);
    order.items[0].spec.renew_interval_ms = 4000; /* longer than the open epoch bears */
    order.items[0].spec.lease_ttl_ms = 60000;
    assert_refuses(&rig, &order, "groups[0]: the new timings do not fit the terms of the open "
                                 "epoch 1 (lease_ttl 15000 ms, fence_window 5000 ms)");
    assert_asks_not(&rig, "SUBMIT:");
}

/* 3.9: said of a file of which some were granted, or again after an answer that was lost. */
static void a_first_primary_is_nothing_to_choose_where_one_was_granted(void **state)
{
    const char *const names[] = {"harbor", NULL};
    struct order order;
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_grant(&rig);
    order_begin(&rig, &order, names);
    (void)strcpy(order.items[0].initial_primary, "dc-b");
    assert_int_equal(judge(&rig, &order), 0);
    assert_int_equal(order.items[0].outcome, BW_APPLY_UNCHANGED);
    assert_true(order.items[0].is_named_late);
    assert_string_equal(order.items[0].initial_primary, "");
}

static void nobody_is_named_first_primary_while_another_site_runs_it(void **state)
{
    const char *const names[] = {"harbor", NULL};
    struct order order;
    struct rig rig;

    (void)state;
    begin(&rig);
    order_begin(&rig, &order, names);
    (void)strcpy(order.items[0].initial_primary, "dc-a");
    assert_int_equal(judge(&rig, &order), 0);
    report(&rig, "dc-b", BW_SERVICE_STARTED);
    assert_refuses(&rig, &order, "initial_primary: dc-b reports that harbor runs there already\n");
    report(&rig, "dc-b", BW_SERVICE_STOPPED);
    report(&rig, "dc-a", BW_SERVICE_STARTED); /* it is the one */
    assert_int_equal(judge(&rig, &order), 0);
    assert_int_equal(order.items[0].outcome, BW_APPLY_CHANGED);
}

static void end_all(struct rig *rig)
{
    while (rig->request_count > 0)
        end_request(rig, BW_OK);
}

/* harbor waits for dc-b, whom a person has named. */
static void begin_named(struct rig *rig, struct order *order)
{
    const char *const names[] = {"harbor", NULL};

    begin(rig);
    order_begin(rig, order, names);
    (void)strcpy(order->items[0].initial_primary, "dc-b");
    order_give(rig, order);
    end_all(rig);
    assert_string_equal(rig->groups[0].initial_primary, "dc-b");
    order_begin(rig, order, names);
}

static const char *name_after(struct rig *rig, struct order *order)
{
    order_give(rig, order);
    assert_string_equal(bw_apply_first_primary(&rig->groups[0], &order->items[0]), rig->commands[0].site);
    end_all(rig);
    assert_int_equal(order->items[0].outcome, BW_APPLY_CHANGED);
    return rig->groups[0].initial_primary;
}

/* 3.9: else whoever changes one other key takes it back without a word, and nobody ever begins. */
static void who_was_named_to_begin_is_named_after_another_change_too(void **state)
{
    struct order order;
    struct rig rig;

    (void)state;
    begin_named(&rig, &order);
    order.items[0].spec.max_lag_ms = 7000;
    assert_string_equal(name_after(&rig, &order), "dc-b");
    order.items[0].spec.max_lag_ms = 8000;
    (void)strcpy(order.items[0].initial_primary, "dc-a"); /* another word */
    assert_string_equal(name_after(&rig, &order), "dc-a");
    assert_int_equal(rig.groups[0].spec.max_lag_ms, 8000);
}

/* 3.9: of a site that comes later nobody has said that it serves nowhere there. */
static void who_was_named_to_begin_is_not_beside_a_site_that_is_new(void **state)
{
    struct order order;
    struct rig rig;

    (void)state;
    begin_named(&rig, &order);
    order.items[0].spec.sites[order.items[0].spec.site_count] = order.items[0].spec.sites[0];
    (void)strcpy(order.items[0].spec.sites[order.items[0].spec.site_count++].name, "dc-n");
    assert_string_equal(name_after(&rig, &order), "");
}

static void who_was_named_to_begin_is_not_where_he_is_no_candidate(void **state)
{
    struct order order;
    struct rig rig;

    (void)state;
    begin_named(&rig, &order);
    order.items[0].spec.sites[1].never_candidate = true;
    assert_string_equal(name_after(&rig, &order), "");
}

/* 3.9: what served since may serve on. */
static void who_was_named_to_begin_is_not_after_a_let_go(void **state)
{
    struct order order;
    struct rig rig;

    (void)state;
    begin_named(&rig, &order);
    order.items[0].spec.mode = BW_MODE_OBSERVE;
    assert_string_equal(name_after(&rig, &order), "");
    order.items[0].spec.max_lag_ms = 7000;
    (void)strcpy(order.items[0].initial_primary, "dc-b");
    assert_string_equal(name_after(&rig, &order), "dc-b");
    order.items[0].initial_primary[0] = '\0';
    order.items[0].spec.max_lag_ms = 8000; /* it is only observed still */
    assert_string_equal(name_after(&rig, &order), "dc-b");
}

/* It begins while what comes before it in the file is on its way. */
static void who_has_begun_is_named_no_more(void **state)
{
    const char *const names[] = {"registry", "harbor", NULL};
    struct order order;
    struct rig rig;

    (void)state;
    begin_named(&rig, &order);
    order_begin(&rig, &order, names);
    order.items[1].spec.max_lag_ms = 7000;
    order_give(&rig, &order);
    rig_grant(&rig);
    end_all(&rig);
    assert_int_equal(order.items[1].outcome, BW_APPLY_CHANGED);
    assert_string_equal(rig.groups[0].initial_primary, "");
}

static void more_groups_than_there_is_room_for_are_refused_together(void **state)
{
    const char *const names[] = {"a", "b", "c", "d", NULL};
    struct order order;
    struct rig rig;

    (void)state;
    begin(&rig);
    order_begin(&rig, &order, names);
    assert_refuses(&rig, &order, "groups: 5 groups would be more than 4\n");
    order.apply.count--; /* and harbor: as many as there is room for */
    assert_int_equal(judge(&rig, &order), 0);
}

/* ---- specs: what becomes of them -------------------------------------------------------------- */

/* Two changes; the first is on its way. */
static void change_two(struct rig *rig, struct order *order)
{
    const char *const names[] = {"harbor", "registry", NULL};

    begin(rig);
    order_begin(rig, order, names);
    order->items[0].spec.max_lag_ms = 7000;
    order_give(rig, order);
    assert_int_equal(rig->request_count, 1);
}

static void a_group_that_somebody_else_has_changed_meanwhile_stays_as_it_is(void **state)
{
    struct bw_command other = {.kind = BW_COMMAND_SET_MODE, .group = "harbor", .mode = BW_MODE_PAUSED};
    struct order order;
    struct rig rig;

    (void)state;
    change_two(&rig, &order);
    assert_non_null(apply(&rig, &other).rule); /* it came first */
    end_request(&rig, BW_OK);
    assert_int_equal(order.items[0].outcome, BW_APPLY_FAILED);
    assert_int_equal(order.items[0].err, BW_ERR_STALE);
    assert_int_not_equal(rig.groups[0].spec.max_lag_ms, 7000);
    while (rig.request_count > 0)
        end_request(&rig, BW_OK); /* the rest goes on */
    assert_int_equal(order.items[1].outcome, BW_APPLY_CREATED);
    assert_int_equal(bw_apply_result(&order.apply), BW_ERR_STALE);
}

/* Created by somebody else while what came before it was on its way: it is not written over. */
static void a_group_that_has_come_meanwhile_is_not_created_again(void **state)
{
    struct bw_command other = {.kind = BW_COMMAND_SET_SPEC, .group = "registry"};
    struct order order;
    struct rig rig;

    (void)state;
    change_two(&rig, &order);
    other.spec = order.items[1].spec;
    other.spec.max_lag_ms = 9000;
    assert_non_null(apply(&rig, &other).rule);
    end_request(&rig, BW_OK);
    assert_ptr_equal(rig.applied, &order.apply);
    assert_int_equal(order.items[0].outcome, BW_APPLY_CHANGED);
    assert_int_equal(order.items[1].outcome, BW_APPLY_FAILED);
    assert_int_equal(order.items[1].err, BW_ERR_STALE);
    assert_int_equal(rig.groups[1].spec.max_lag_ms, 9000);
    assert_int_equal(bw_apply_result(&order.apply), BW_ERR_STALE);
}

static void a_leader_that_is_none_any_more_sends_the_rest_to_nobody(void **state)
{
    struct order order;
    struct rig rig;

    (void)state;
    change_two(&rig, &order);
    happen(&rig, BW_WITNESS_EVENT_NOT_LEADING);
    assert_asks_not(&rig, "APPLIED:");
    end_request(&rig, BW_ERR_UNKNOWN);
    assert_ptr_equal(rig.applied, &order.apply);
    assert_int_equal(order.items[0].outcome, BW_APPLY_UNKNOWN); /* it may commit yet */
    assert_int_equal(order.items[1].outcome, BW_APPLY_NOT_SENT);
    assert_int_equal(order.items[1].err, BW_ERR_NOT_LEADER);
    assert_int_equal(bw_apply_result(&order.apply), BW_ERR_UNKNOWN);
}

static void what_was_committed_is_known_although_the_rest_is_not(void **state)
{
    struct order order;
    struct rig rig;

    (void)state;
    change_two(&rig, &order);
    rig.err = BW_ERR_LIMIT; /* the log takes no more */
    end_request(&rig, BW_OK);
    assert_int_equal(order.items[0].outcome, BW_APPLY_CHANGED);
    assert_true(order.items[0].index > 0);
    assert_int_equal(order.items[1].outcome, BW_APPLY_NOT_SENT);
    assert_int_equal(bw_apply_result(&order.apply), BW_ERR_UNKNOWN);
}

static void applied_again_only_what_is_missing_is_proposed(void **state)
{
    struct order order;
    struct rig rig;

    (void)state;
    change_two(&rig, &order);
    rig.err = BW_ERR_LIMIT;
    end_request(&rig, BW_OK);
    rig.err = BW_OK;
    rig.request_count = 0;
    order_give(&rig, &order);
    assert_int_equal(order.items[0].outcome, BW_APPLY_UNCHANGED);
    assert_int_equal(rig.request_count, 1);
    assert_string_equal(rig.commands[0].group, "registry");
}

static void who_closes_ends_what_was_begun(void **state)
{
    struct order order;
    struct rig rig;

    (void)state;
    change_two(&rig, &order);
    bw_witness_machine_close(&rig.machine);
    forget(&rig);
    end_request(&rig, BW_ERR_CANCELED);
    assert_string_equal(rig.log, "APPLIED:0 ");
    assert_int_equal(order.items[0].outcome, BW_APPLY_UNKNOWN);
    assert_int_equal(order.items[1].outcome, BW_APPLY_NOT_SENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_leader_of_a_known_cluster_changes_anything),
        cmocka_unit_test(a_plan_leaves_nothing_behind),
        cmocka_unit_test(what_is_asked_for_is_decided_about_at_once),
        cmocka_unit_test(a_plan_says_what_would_be_refused),
        cmocka_unit_test(what_is_as_wanted_is_not_proposed),
        cmocka_unit_test(a_spec_that_was_made_from_another_version_is_refused),
        cmocka_unit_test(a_mode_that_is_not_named_stays),
        cmocka_unit_test(one_after_the_other_is_committed_and_signed),
        cmocka_unit_test(the_target_of_a_move_stays_a_candidate),
        cmocka_unit_test(what_the_log_would_refuse_is_said_before_anything_is_proposed),
        cmocka_unit_test(a_first_primary_is_nothing_to_choose_where_one_was_granted),
        cmocka_unit_test(nobody_is_named_first_primary_while_another_site_runs_it),
        cmocka_unit_test(who_was_named_to_begin_is_named_after_another_change_too),
        cmocka_unit_test(who_was_named_to_begin_is_not_beside_a_site_that_is_new),
        cmocka_unit_test(who_was_named_to_begin_is_not_where_he_is_no_candidate),
        cmocka_unit_test(who_was_named_to_begin_is_not_after_a_let_go),
        cmocka_unit_test(who_has_begun_is_named_no_more),
        cmocka_unit_test(more_groups_than_there_is_room_for_are_refused_together),
        cmocka_unit_test(a_group_that_somebody_else_has_changed_meanwhile_stays_as_it_is),
        cmocka_unit_test(a_group_that_has_come_meanwhile_is_not_created_again),
        cmocka_unit_test(a_leader_that_is_none_any_more_sends_the_rest_to_nobody),
        cmocka_unit_test(what_was_committed_is_known_although_the_rest_is_not),
        cmocka_unit_test(applied_again_only_what_is_missing_is_proposed),
        cmocka_unit_test(who_closes_ends_what_was_begun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
