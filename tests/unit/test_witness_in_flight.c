/* machine/witness_operator: what people are told while a command about the group is being committed,
 * and what is decided meanwhile: nothing; and while an apply is (3.2.2, 3.9, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "witness_orders.h"

static const struct bw_command cancel = {.kind = BW_COMMAND_UNREVOKE, .by = "operator/bob"};

static enum bw_err change(struct rig *rig, const struct bw_command *command, const char *words)
{
    static struct bw_group_change order;
    struct bw_diag diag = {0};
    enum bw_err err;

    order = (struct bw_group_change){.command = *command};
    err = bw_witness_machine_change(&rig->machine, 0, &order, NULL, &diag);
    if (strstr(diag.text, words) == NULL)
        fail_msg("%s", diag.text);
    return err;
}

static void propose(struct rig *rig, const struct bw_command *command)
{
    struct bw_diag diag = {0};

    if (bw_witness_machine_propose(&rig->machine, command, NULL, &diag) != BW_OK)
        fail_msg("%s", diag.text);
}

static struct bw_command revoke_harbor(const struct rig *rig)
{
    return (struct bw_command){.kind = BW_COMMAND_REVOKE,
                               .group = "harbor",
                               .epoch = 1,
                               .spec_version = rig->groups[0].spec_version,
                               .target = "dc-b",
                               .reason = BW_REASON_SWITCHOVER,
                               .planned = true};
}

/* What has asked for it is in the log, and the move is about to be. */
static void begin_moving(struct rig *rig)
{
    struct bw_command wish = {.kind = BW_COMMAND_WISH,
                              .group = "harbor",
                              .epoch = 1,
                              .wish = BW_WISH_SWITCHOVER,
                              .target = "dc-b",
                              .by = "operator/anna",
                              .request_id = {{5}},
                              .duration_ms = 60000};
    struct bw_command revoke;

    begin(rig);
    rig_grant(rig);
    rig->machine.cluster.feature_level = BW_WISH_LEVEL;
    wish.spec_version = rig->groups[0].spec_version;
    revoke = revoke_harbor(rig);
    assert_non_null(apply(rig, &wish).rule);
    forget(rig);
    propose(rig, &revoke);
}

/* 4: else both commit, the one who cancels is told "done", and the move goes on without its wish. */
static void a_cancel_waits_for_a_move_that_is_on_its_way_to_the_log(void **state)
{
    struct rig rig;

    (void)state;
    begin_moving(&rig);
    assert_int_equal(change(&rig, &cancel, "a decision about harbor is being committed"),
                     BW_ERR_BUSY);
    assert_int_equal(rig.request_count, 1);
    end_request(&rig, BW_OK);
    assert_int_equal(rig.groups[0].phase, BW_PHASE_REVOKING);
    assert_non_null(bw_group_wish(&rig.groups[0]));
    assert_int_equal(change(&rig, &cancel, "dc-a has begun to stop harbor, or may have"),
                     BW_ERR_REFUSED); /* by what is so now */
}

/* And one that does not come true: its wish is taken back as ever. */
static void a_cancel_is_taken_once_nothing_is_on_its_way(void **state)
{
    struct rig rig;

    (void)state;
    begin_moving(&rig);
    assert_int_equal(change(&rig, &cancel, ""), BW_ERR_BUSY);
    end_request(&rig, BW_ERR_LIMIT);
    assert_int_equal(rig.groups[0].phase, BW_PHASE_GRANTED);
    assert_int_equal(change(&rig, &cancel, ""), BW_OK);
    end_request(&rig, BW_OK);
    assert_null(bw_group_wish(&rig.groups[0]));
}

/* 3.1, 4: its word is in the leader's memory, and Forced is on its way. */
static void a_force_release_that_is_on_its_way_is_not_forgotten(void **state)
{
    const struct bw_command close = {.kind = BW_COMMAND_CLOSE, .group = "harbor", .epoch = 1};
    const struct bw_command forced = {.kind = BW_COMMAND_FORCED,
                                      .group = "harbor",
                                      .epoch = 1,
                                      .reason = BW_REASON_OPERATOR};
    struct bw_group_change order = {.command = cancel};
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_grant(&rig);
    assert_non_null(apply(&rig, &close).rule);
    rig.watches[0].wish = (struct bw_wish){
        .kind = BW_WISH_FORCE_RELEASE, .to = "dc-a", .epoch = 1, .by = "operator/anna"};
    rig.watches[0].wish_since = rig_now(&rig);
    propose(&rig, &forced);
    assert_int_equal(bw_witness_machine_judge_change(&rig.machine, 0, &order, &diag), BW_ERR_BUSY);
    end_request(&rig, BW_OK);
    assert_int_equal(rig.groups[0].phase, BW_PHASE_VACANT);
    assert_int_equal(bw_witness_machine_judge_change(&rig.machine, 0, &order, &diag),
                     BW_ERR_EXISTS);
}

/* The end of one says nothing of the other: what is decided in between may be what it forbids. */
static void nothing_is_decided_before_the_last_has_ended(void **state)
{
    struct bw_command maintenance = {
        .kind = BW_COMMAND_MAINTENANCE, .site = "dc-b", .duration_ms = 1000};
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_grant(&rig);
    assert_int_equal(change(&rig, &maintenance, ""), BW_OK);
    maintenance.duration_ms = 2000;
    assert_int_equal(change(&rig, &maintenance, ""), BW_OK);
    rig.now_ms += 60000; /* its lease is long over */
    forget(&rig);
    end_request(&rig, BW_OK);
    assert_asks_not(&rig, "SUBMIT:");
    happen(&rig, BW_WITNESS_EVENT_SETTLE);
    assert_asks_not(&rig, "SUBMIT:");
    end_request(&rig, BW_OK);
    assert_asks(&rig, "SUBMIT:");
}

/* 3.9: who said it before, and was told nothing, would be told that it is so, and then it is not. */
static void what_is_so_is_not_said_to_stay_while_its_change_is_on_its_way(void **state)
{
    struct bw_command paused = {.kind = BW_COMMAND_SET_MODE, .mode = BW_MODE_PAUSED};
    struct bw_command before = {.kind = BW_COMMAND_SET_MODE};
    struct rig rig;

    (void)state;
    begin(&rig);
    before.mode = rig.groups[0].spec.mode;
    assert_int_equal(change(&rig, &before, "is auto already"), BW_ERR_EXISTS);
    assert_int_equal(change(&rig, &paused, ""), BW_OK);
    assert_int_equal(change(&rig, &before, "is being committed"), BW_ERR_BUSY);
    end_request(&rig, BW_OK);
    assert_int_equal(change(&rig, &paused, "is paused already"), BW_ERR_EXISTS);
    assert_int_equal(change(&rig, &before, ""), BW_OK);
}

/* A proposal is of its group's place, whatever group that is when it ends. */
static void what_is_on_its_way_ends_after_its_group_too(void **state)
{
    const struct bw_command delete = {.kind = BW_COMMAND_DELETE, .group = "harbor"};
    const struct bw_command maintenance = {.kind = BW_COMMAND_MAINTENANCE, .duration_ms = 1000};
    struct bw_command create = {.kind = BW_COMMAND_SET_SPEC, .group = "registry"};
    struct rig rig;

    (void)state;
    begin(&rig);
    create.spec = rig.groups[0].spec;
    (void)strcpy(create.spec.name, "registry");
    assert_int_equal(change(&rig, &maintenance, ""), BW_OK);
    assert_non_null(apply(&rig, &delete).rule);
    assert_int_equal(apply(&rig, &create).group, 0);
    assert_int_equal(change(&rig, &cancel, "about registry is being committed"), BW_ERR_BUSY);
    end_request(&rig, BW_ERR_LIMIT);
    assert_int_equal(change(&rig, &cancel, "has no pending request"), BW_ERR_EXISTS);
}

/* Nor does it keep anything waiting in the next term, which hears nothing of it. */
static void what_is_on_its_way_is_of_its_own_term(void **state)
{
    const struct bw_command delete = {.kind = BW_COMMAND_DELETE, .group = "harbor"};
    const struct bw_command maintenance = {.kind = BW_COMMAND_MAINTENANCE, .duration_ms = 1000};
    struct bw_command create = {.kind = BW_COMMAND_SET_SPEC, .group = "harbor"};
    struct rig rig;

    (void)state;
    begin(&rig);
    create.spec = rig.groups[0].spec;
    assert_int_equal(change(&rig, &maintenance, ""), BW_OK);
    assert_non_null(apply(&rig, &delete).rule);
    happen(&rig, BW_WITNESS_EVENT_NOT_LEADING);
    assert_non_null(apply(&rig, &create).rule);
    lead(&rig, 3);
    assert_int_equal(change(&rig, &cancel, "has no pending request"), BW_ERR_EXISTS);
    assert_int_equal(change(&rig, &maintenance, ""), BW_OK);
    end_request(&rig, BW_ERR_UNKNOWN); /* that of the term before */
    assert_int_equal(change(&rig, &cancel, "is being committed"), BW_ERR_BUSY);
}

/* ---- specs ------------------------------------------------------------------------------------ */

/* Both would look for it in what is applied, the second would write over the first, and both be told
 * "created". PROTOCOL: `versions` 0 is refused if it is there. */
static void one_apply_is_committed_at_a_time(void **state)
{
    const char *const names[] = {"registry", NULL};
    struct order first, second;
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    begin(&rig);
    order_begin(&rig, &first, names);
    order_begin(&rig, &second, names);
    (void)strcpy(first.items[0].initial_primary, "dc-a");
    second.items[0].spec.max_lag_ms = 7000;
    second.items[0].has_made_from = true; /* it is not there */
    assert_int_equal(bw_apply_may_begin(&rig.machine, &diag), BW_OK);
    order_give(&rig, &first);
    assert_int_equal(bw_apply_may_begin(&rig.machine, &diag), BW_ERR_BUSY);
    assert_non_null(strstr(diag.text, "another apply is being committed"));
    end_request(&rig, BW_OK);
    assert_int_equal(first.items[0].outcome, BW_APPLY_CREATED);
    assert_string_equal(rig.groups[1].initial_primary, "dc-a");
    assert_int_equal(bw_apply_may_begin(&rig.machine, &diag), BW_OK);
    assert_refuses(&rig, &second, "groups[0]: another operator has created registry");
}

/* Also of an apply that changed nothing, whose leader was none any more, or that the log did not take. */
static void an_apply_that_is_over_keeps_no_other_waiting(void **state)
{
    const char *const as_it_is[] = {"harbor", NULL}, *const two[] = {"registry", "mail", NULL};
    struct order order;
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    begin(&rig);
    order_begin(&rig, &order, as_it_is);
    order_give(&rig, &order);
    assert_int_equal(bw_apply_may_begin(&rig.machine, &diag), BW_OK);
    order_begin(&rig, &order, two);
    rig.err = BW_ERR_LIMIT;
    order_give(&rig, &order);
    assert_int_equal(bw_apply_may_begin(&rig.machine, &diag), BW_OK);
    rig.err = BW_OK;
    order_give(&rig, &order);
    happen(&rig, BW_WITNESS_EVENT_NOT_LEADING);
    lead(&rig, 3); /* the fate of what was sent is as open as before */
    assert_int_equal(bw_apply_may_begin(&rig.machine, &diag), BW_ERR_BUSY);
    end_request(&rig, BW_ERR_UNKNOWN);
    while (bw_apply_may_begin(&rig.machine, &diag) != BW_OK && rig.request_count > 0)
        end_request(&rig, BW_OK);
    assert_ptr_equal(rig.applied, &order.apply);
    assert_int_equal(bw_apply_may_begin(&rig.machine, &diag), BW_OK);
}

/* Registry is on its way, and harbor comes after it. */
static void give_two(struct rig *rig, struct order *order, void (*want)(struct bw_apply_item *harbor))
{
    const char *const names[] = {"registry", "harbor", NULL};

    order_begin(rig, order, names);
    want(&order->items[1]);
    order_give(rig, order);
    assert_int_equal(rig->request_count, 1);
}

static void assert_leaves_harbor(const struct rig *rig, const struct order *order)
{
    assert_ptr_equal(rig->applied, &order->apply);
    assert_int_equal(order->items[0].outcome, BW_APPLY_CREATED);
    assert_int_equal(order->items[1].outcome, BW_APPLY_FAILED);
    assert_int_equal(order->items[1].err, BW_ERR_STALE);
    assert_int_equal(bw_apply_result(&order->apply), BW_ERR_STALE);
}

static void let_go(struct bw_apply_item *harbor)
{
    harbor->spec.mode = BW_MODE_OBSERVE;
}

static void begin_at_dc_a(struct bw_apply_item *harbor)
{
    (void)strcpy(harbor->initial_primary, "dc-a");
}

static void replace_dc_b(struct bw_apply_item *harbor)
{
    (void)strcpy(harbor->spec.sites[1].name, "dc-c");
}

/* A move has begun since it was judged: it would be stopped to its end, and nobody would start it again. */
static void what_has_begun_to_be_stopped_meanwhile_is_not_let_go(void **state)
{
    struct bw_command revoke;
    struct order order;
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_grant(&rig);
    give_two(&rig, &order, let_go);
    revoke = revoke_harbor(&rig);
    assert_non_null(apply(&rig, &revoke).rule);
    end_request(&rig, BW_OK);
    assert_leaves_harbor(&rig, &order);
    assert_int_equal(rig.groups[0].phase, BW_PHASE_REVOKING);
    assert_string_equal(rig.groups[0].target, "dc-b");
}

static void what_is_decided_about_meanwhile_is_not_let_go(void **state)
{
    struct bw_command revoke;
    struct order order;
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_grant(&rig);
    give_two(&rig, &order, let_go);
    revoke = revoke_harbor(&rig);
    propose(&rig, &revoke);
    end_request(&rig, BW_OK); /* that of registry */
    assert_leaves_harbor(&rig, &order);
    end_request(&rig, BW_OK);
    assert_int_equal(rig.groups[0].phase, BW_PHASE_REVOKING);
}

static void assert_leaves_harbor_once_dc_b_serves(struct rig *rig, void (*want)(struct bw_apply_item *harbor))
{
    struct order order;

    begin(rig);
    give_two(rig, &order, want);
    report(rig, "dc-b", BW_SERVICE_STARTED);
    end_request(rig, BW_OK);
    assert_leaves_harbor(rig, &order);
}

/* Two sites serve where what was heard since does not count. */
static void nobody_begins_where_another_has_been_heard_to_serve_meanwhile(void **state)
{
    struct rig rig;

    (void)state;
    assert_leaves_harbor_once_dc_b_serves(&rig, begin_at_dc_a);
    assert_string_equal(rig.groups[0].initial_primary, "");
}

static void nobody_leaves_who_has_been_heard_to_serve_meanwhile(void **state)
{
    struct rig rig;

    (void)state;
    assert_leaves_harbor_once_dc_b_serves(&rig, replace_dc_b);
    assert_string_equal(rig.groups[0].spec.sites[1].name, "dc-b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cancel_waits_for_a_move_that_is_on_its_way_to_the_log),
        cmocka_unit_test(a_cancel_is_taken_once_nothing_is_on_its_way),
        cmocka_unit_test(a_force_release_that_is_on_its_way_is_not_forgotten),
        cmocka_unit_test(nothing_is_decided_before_the_last_has_ended),
        cmocka_unit_test(what_is_so_is_not_said_to_stay_while_its_change_is_on_its_way),
        cmocka_unit_test(what_is_on_its_way_ends_after_its_group_too),
        cmocka_unit_test(what_is_on_its_way_is_of_its_own_term),
        cmocka_unit_test(one_apply_is_committed_at_a_time),
        cmocka_unit_test(an_apply_that_is_over_keeps_no_other_waiting),
        cmocka_unit_test(what_has_begun_to_be_stopped_meanwhile_is_not_let_go),
        cmocka_unit_test(what_is_decided_about_meanwhile_is_not_let_go),
        cmocka_unit_test(nobody_begins_where_another_has_been_heard_to_serve_meanwhile),
        cmocka_unit_test(nobody_leaves_who_has_been_heard_to_serve_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
