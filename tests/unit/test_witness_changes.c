/* witness: what an operator changes of a group beside its spec, and what it keeps of that until somebody changes it
 * again; specs and moves: test_witness_operator. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "witness_orders.h"

static enum bw_err judge_change(const struct rig *rig, const struct bw_command *command,
                                const char *says)
{
    static struct bw_group_change change;
    struct bw_diag diag = {0};
    enum bw_err err;

    change.command = *command;
    err = bw_witness_machine_judge_change(&rig->machine, 0, &change, &diag);
    if (err != BW_OK && strstr(diag.text, says) == NULL)
        fail_msg("%s", diag.text);
    return err;
}

/* 3.9: whoever holds it is let go first; the same judgement as the log's, in words. */
static void a_change_that_the_state_would_not_take_is_refused_in_words(void **state)
{
    const struct bw_command pause = {.kind = BW_COMMAND_SET_MODE, .mode = BW_MODE_PAUSED};
    const struct bw_command watch = {.kind = BW_COMMAND_SET_MODE, .mode = BW_MODE_OBSERVE};
    const struct bw_command delete = {.kind = BW_COMMAND_DELETE};
    const struct bw_command close = {.kind = BW_COMMAND_CLOSE, .group = "harbor", .epoch = 1};
    struct bw_command of = {.kind = BW_COMMAND_MAINTENANCE, .duration_ms = BW_MAINTENANCE_MS_MAX};
    struct rig rig;

    (void)state;
    begin(&rig);
    assert_int_equal(judge_change(&rig, &delete, ""), BW_OK);
    rig_grant(&rig);
    assert_int_equal(judge_change(&rig, &pause, ""), BW_OK);
    assert_int_equal(judge_change(&rig, &watch, ""), BW_OK);
    assert_int_equal(judge_change(&rig, &delete, "breakwater mode harbor unmanaged"),
                     BW_ERR_REFUSED);
    assert_int_equal(judge_change(&rig, &of, ""), BW_OK);
    rig.groups[0].terms.reach = BW_REACH_CGROUP; /* what time alone ends */
    rig.groups[0].spec.handover_by_time = BW_HANDOVER_ALWAYS;
    assert_non_null(apply(&rig, &close).rule);
    assert_int_equal(judge_change(&rig, &watch, "is being closed; wait for its end"),
                     BW_ERR_REFUSED);
    assert_int_equal(judge_change(&rig, &delete, "is being closed; wait for its end"),
                     BW_ERR_REFUSED); /* nor by the mode that is refused */

    rig.groups[0].spec.mode = BW_MODE_PAUSED;
    assert_int_equal(judge_change(&rig, &pause, "is paused already"), BW_ERR_EXISTS);
    of.duration_ms++;
    assert_int_equal(judge_change(&rig, &of, "720h (30 days) at most"), BW_ERR_INVALID);
    of.duration_ms = 0;
    assert_int_equal(judge_change(&rig, &of, "harbor is not in maintenance"), BW_ERR_EXISTS);
    rig.groups[0].group_maintenance_ms = 1;
    assert_int_equal(judge_change(&rig, &of, ""), BW_OK);
    (void)strcpy(of.site, "dc-a");
    assert_int_equal(judge_change(&rig, &of, "dc-a is not in maintenance for harbor"),
                     BW_ERR_EXISTS);
    (void)strcpy(of.site, "nosuch");
    assert_int_equal(judge_change(&rig, &of, "nosuch is not a site of harbor"), BW_ERR_NOT_FOUND);
    assert_int_equal(rig.request_count, 0);
}

/* 3.1: nobody waits for an end that no time brings, nor is sent to what is refused. */
static void what_waits_for_a_person_names_the_command_that_ends_it(void **state)
{
    static const char way[] = "If dc-a is off: breakwater confirm-fenced harbor --site dc-a";
    const struct bw_command watch = {.kind = BW_COMMAND_SET_MODE, .mode = BW_MODE_OBSERVE};
    const struct bw_command delete = {.kind = BW_COMMAND_DELETE};
    const struct bw_command close = {.kind = BW_COMMAND_CLOSE, .group = "harbor", .epoch = 1};
    const char *const names[] = {"harbor", NULL};
    struct order order;
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_grant(&rig);
    assert_non_null(apply(&rig, &close).rule);
    rig.groups[0].held = true;
    assert_int_equal(judge_change(&rig, &watch, way), BW_ERR_REFUSED);
    assert_int_equal(judge_change(&rig, &delete, way), BW_ERR_REFUSED);
    order_begin(&rig, &order, names);
    (void)strcpy(order.items[0].spec.sites[0].name, "dc-c"); /* its holder leaves it */
    assert_refuses(&rig, &order,
                   "groups[0]: epoch 1 of harbor at dc-a does not expire automatically (fence_unconfirmed: a fence "
                   "failed, so the stop is not confirmed). It ends when dc-a releases it. If dc-a is off: "
                   "breakwater confirm-fenced harbor --site dc-a\n");
    order_begin(&rig, &order, names);
    order.items[0].spec.mode = BW_MODE_OBSERVE;
    assert_refuses(&rig, &order,
                   "groups[0]: epoch 1 of harbor at dc-a does not expire automatically (fence_unconfirmed: a fence "
                   "failed, so the stop is not confirmed). It ends when dc-a releases it. If dc-a is off: "
                   "breakwater confirm-fenced harbor --site dc-a\n");
}

/* 4: what keeps the policy from moving it again lets a person take the move back. */
static void a_failback_is_taken_back_where_it_would_not_begin_anew(void **state)
{
    static const char stop[] = "dc-a has begun to stop harbor, or may have"; /* nobody reports here */
    static const char policy[] = "and would start the move again. First: breakwater maintenance harbor --for DURATION; then cancel again";
    const struct bw_command cancel = {.kind = BW_COMMAND_UNREVOKE};
    struct rig rig;

    (void)state;
    begin_move(&rig, BW_REASON_FAILBACK);
    rig.groups[0].spec.failback_ms = 1000;
    assert_int_equal(judge_change(&rig, &cancel, policy), BW_ERR_REFUSED);
    rig.groups[0].group_maintenance_ms = 1;
    assert_int_equal(judge_change(&rig, &cancel, stop), BW_ERR_REFUSED);
    rig.groups[0].group_maintenance_ms = 0;
    for (int site = 0; site < 2; site++) { /* of the one that holds it, and of its target */
        rig.groups[0].maintenance_ms[site] = 1;
        assert_int_equal(judge_change(&rig, &cancel, stop), BW_ERR_REFUSED);
        rig.groups[0].maintenance_ms[site] = 0;
    }
    rig.groups[0].spec.mode = BW_MODE_PAUSED;
    assert_int_equal(judge_change(&rig, &cancel, stop), BW_ERR_REFUSED);
}

/* 3.9: nobody reports here, so its holder may have begun. By no way is it let go then: it would stay down. */
static void what_is_being_stopped_is_not_let_go(void **state)
{
    const struct bw_command watch = {.kind = BW_COMMAND_SET_MODE, .mode = BW_MODE_OBSERVE};
    struct order order;
    struct rig rig;

    (void)state;
    begin_move(&rig, BW_REASON_SWITCHOVER);
    assert_int_equal(judge_change(&rig, &watch, "and it would not be started again. Try again after the stop"), BW_ERR_BUSY);
    order_begin(&rig, &order, (const char *const[]){"harbor", NULL});
    order.items[0].spec.mode = BW_MODE_OBSERVE;
    assert_refuses(&rig, &order, "groups[0]: dc-a is stopping harbor, or may have begun to");
}

/* 3.9: nor in the gap between that end and the next grant, nor while one is being committed: nobody would start
 * it. What only looks on is let go already. */
static void what_is_on_its_way_by_a_move_is_not_let_go(void **state)
{
    const struct bw_command watch = {.kind = BW_COMMAND_SET_MODE, .mode = BW_MODE_OBSERVE};
    const struct bw_command released = {.kind = BW_COMMAND_RELEASED,
                                        .group = "harbor",
                                        .epoch = 1,
                                        .instance = {{1}},
                                        .reason = BW_REASON_SWITCHOVER,
                                        .past_no_return = true};
    struct order order;
    struct rig rig;

    (void)state;
    begin_move(&rig, BW_REASON_SWITCHOVER);
    assert_non_null(apply(&rig, &released).rule);
    assert_int_equal(judge_change(&rig, &watch, "a move of harbor to dc-b is in progress: the service does not run there yet"),
                     BW_ERR_BUSY);
    order_begin(&rig, &order, (const char *const[]){"harbor", NULL});
    order.items[0].spec.mode = BW_MODE_OBSERVE;
    assert_refuses(&rig, &order, "groups[0]: a move of harbor to dc-b is in progress: the service does not run there yet");
    rig.now_ms += rig.groups[0].spec.switchover_timeout_ms;
    assert_int_equal(judge_change(&rig, &watch, ""), BW_OK);
    rig.watches[0].proposing_count = 1;
    assert_int_equal(judge_change(&rig, &watch, "a decision about harbor is being committed"), BW_ERR_BUSY);
    rig.groups[0].spec.mode = BW_MODE_OBSERVE;
    order.items[0].spec.switchover_timeout_ms++;
    assert_int_equal(judge(&rig, &order), 0);
}

/* 3.5: what was given back for a move is granted to its target, whoever still wants it (A7). */
static void a_move_whose_site_has_given_it_back_is_cancelled_no_more(void **state)
{
    const struct bw_command cancel = {.kind = BW_COMMAND_UNREVOKE};
    struct rig rig;

    (void)state;
    begin(&rig);
    assert_int_equal(judge_change(&rig, &cancel, "no switchover is in progress"), BW_ERR_EXISTS);
    (void)strcpy(rig.groups[0].target, "dc-b");
    assert_int_equal(judge_change(&rig, &cancel, "the switchover to dc-b continues. "), BW_ERR_REFUSED);
    rig.groups[0].spec.mode = BW_MODE_PAUSED;
    assert_int_equal(judge_change(&rig, &cancel, "the switchover to dc-b continues after the pause"), BW_ERR_REFUSED);
    rig.groups[0].rolling_back = true;
    assert_int_equal(judge_change(&rig, &cancel, "dc-b becomes primary again after the pause"), BW_ERR_REFUSED);
    rig.groups[0].spec.mode = BW_MODE_AUTO;
    assert_int_equal(judge_change(&rig, &cancel, "has failed, and dc-b becomes primary again; "), BW_ERR_REFUSED);
}

static enum bw_err change_of(struct rig *rig, const struct bw_command *command)
{
    static struct bw_group_change change;
    struct bw_diag diag = {0};

    change.command = *command;
    return bw_witness_machine_change(&rig->machine, 0, &change, NULL, &diag);
}

/* 4: what is asked for counts once it is committed, once for each request; what is taken back is
 * exactly that. */
static void from_its_level_on_a_wish_and_its_end_are_in_the_log(void **state)
{
    const struct bw_wish asked = {
        .kind = BW_WISH_FAILOVER, .to = "dc-b", .by = "operator/anna", .id = {{5}}};
    struct bw_command cancel = {.kind = BW_COMMAND_UNREVOKE, .by = "operator/bob"};
    struct bw_command newest;
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_grant(&rig);
    rig.groups[0].terms.reach = BW_REACH_UNITS; /* time ends what it holds */
    rig.groups[0].sight = (struct bw_reach_sight){.seen = BW_REACH_INSIDE, .proved = true};
    rig.machine.cluster.feature_level = BW_WISH_LEVEL;
    rig.now_ms += 60000;
    lead(&rig, 3);
    assert_false(bw_witness_machine_keeps_wish(&rig.machine, BW_WISH_FORCE_RELEASE));
    assert_true(bw_witness_machine_keeps_wish(&rig.machine, BW_WISH_SWITCHOVER));
    if (bw_witness_machine_ask(&rig.machine, 0, &asked, NULL, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    assert_int_equal(rig.watches[0].wish.kind, BW_WISH_NONE);
    assert_int_equal(rig.commands[0].kind, BW_COMMAND_WISH);
    assert_int_equal(judge_change(&rig, &cancel, "is being committed"), BW_ERR_BUSY);
    end_request(&rig, BW_OK);
    assert_int_equal(rig.watches[0].wish.kind, BW_WISH_FAILOVER);
    assert_int_equal(rig.watches[0].wish.index, rig.index);
    assert_int_equal(bw_witness_machine_ask(&rig.machine, 0, &asked, NULL, &diag), BW_ERR_EXISTS);

    cancel.wish_index = rig.index + 1;
    assert_int_equal(judge_change(&rig, &cancel, "is not the one that the plan has shown"), BW_ERR_STALE);
    cancel.wish_index = rig.index;
    assert_int_equal(judge_change(&rig, &cancel, ""), BW_OK);
    assert_false(bw_witness_machine_forget_wish(&rig.machine, 0));
    cancel.wish_index = 0; /* whatever waits: the log has exactly that */
    assert_int_equal(change_of(&rig, &cancel), BW_OK);
    newest = rig.commands[rig.request_count - 1];
    assert_int_equal(newest.kind, BW_COMMAND_WISH_OVER);
    assert_int_equal(newest.wish_index, rig.index);
    assert_non_null(apply(&rig, &newest).rule);
    assert_int_equal(rig.watches[0].wish.kind, BW_WISH_NONE);
    assert_string_equal(bw_group_wish_over(&rig.groups[0])->words, "operator/bob");
    assert_int_equal(bw_witness_machine_ask(&rig.machine, 0, &asked, NULL, &diag), BW_ERR_EXISTS);
}

/* 3.6, 4: below that level a wish is its leader's memory, a move is in the log. */
static void what_was_asked_for_is_taken_back(void **state)
{
    const struct bw_command cancel = {.kind = BW_COMMAND_UNREVOKE};
    struct bw_command revoke = {.kind = BW_COMMAND_REVOKE,
                                .group = "harbor",
                                .target = "dc-b",
                                .epoch = 1,
                                .reason = BW_REASON_SWITCHOVER,
                                .planned = true};
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig_grant(&rig);
    lead(&rig, 2);
    settle(&rig);
    assert_int_equal(judge_change(&rig, &cancel, "harbor has no pending request"),
                     BW_ERR_EXISTS);
    rig.watches[0].wish = (struct bw_wish){.kind = BW_WISH_SWITCHOVER, .to = "dc-b", .epoch = 1};
    rig.watches[0].wish_since = rig_now(&rig);
    assert_int_equal(judge_change(&rig, &cancel, ""), BW_OK);
    assert_true(bw_witness_machine_forget_wish(&rig.machine, 0));
    assert_int_equal(rig.watches[0].wish.kind, BW_WISH_NONE);
    assert_true(bw_witness_machine_is_unsettled(&rig.machine));

    revoke.spec_version = rig.groups[0].spec_version;
    assert_non_null(apply(&rig, &revoke).rule);
    assert_false(bw_witness_machine_forget_wish(&rig.machine, 0));
    assert_int_equal(
        judge_change(&rig, &cancel, "dc-a has begun to stop harbor, or may have"),
        BW_ERR_REFUSED);
}

static void a_change_is_bound_to_the_version_that_was_looked_at(void **state)
{
    static struct bw_group_change change;
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    begin(&rig);
    change = (struct bw_group_change){
        .command = {.kind = BW_COMMAND_SET_MODE, .mode = BW_MODE_PAUSED}};
    change.command.spec_version = rig.groups[0].spec_version + 1;
    assert_int_equal(bw_witness_machine_change(&rig.machine, 0, &change, NULL, &diag),
                     BW_ERR_STALE);
    assert_int_equal(rig.request_count, 0);
    change.command.spec_version = rig.groups[0].spec_version;
    assert_int_equal(bw_witness_machine_change(&rig.machine, 0, &change, NULL, &diag), BW_OK);
    assert_int_equal(rig.request_count, 1);
    end_request(&rig, BW_OK);
    assert_int_equal(rig.groups[0].spec.mode, BW_MODE_PAUSED);
}

/* Granted to dc-a, and let go. */
static void begin_let_go(struct rig *rig)
{
    const struct bw_command observe = {
        .kind = BW_COMMAND_SET_MODE, .group = "harbor", .mode = BW_MODE_OBSERVE};

    begin(rig);
    rig_grant(rig);
    assert_non_null(apply(rig, &observe).rule);
    forget(rig);
}

/* 3.9: an order that no longer speaks of the let-go would have the service stopped at a site that
 * has not heard of it yet: until that has said so, or no lease of its epoch can live. */
static void nothing_follows_a_let_go_before_its_site_has_let_go(void **state)
{
    const struct bw_command delete = {.kind = BW_COMMAND_DELETE};
    const struct bw_command automatic = {.kind = BW_COMMAND_SET_MODE, .mode = BW_MODE_AUTO};
    const char *const names[] = {"harbor", NULL};
    struct order order;
    struct rig rig;

    (void)state;
    begin_let_go(&rig);
    assert_int_equal(judge_change(&rig, &delete, "dc-a has not released harbor to manual control yet"), BW_ERR_BUSY);
    assert_int_equal(judge_change(&rig, &automatic, "dc-a has not released harbor to manual control yet"), BW_ERR_BUSY);
    order_begin(&rig, &order, names);
    order.items[0].spec.mode = BW_MODE_AUTO;
    assert_refuses(&rig, &order, "groups[0]: dc-a has not released harbor to manual control yet");

    rig.now_ms += 24u * 3600 * 1000; /* no lease lives so long */
    assert_int_equal(judge_change(&rig, &delete, ""), BW_OK);
    assert_int_equal(judge_change(&rig, &automatic, ""), BW_OK);
    assert_int_equal(judge(&rig, &order), 0);
}

/* Whoever held an epoch of before it was deleted is known to nobody by now: it is said to be a
 * wait, and how long. */
static void what_is_made_anew_waits_for_nobody_by_name(void **state)
{
    const struct bw_command delete = {.kind = BW_COMMAND_DELETE};
    const struct bw_command automatic = {.kind = BW_COMMAND_SET_MODE, .mode = BW_MODE_AUTO};
    const char *const names[] = {"harbor", NULL};
    const char *const wanted =
        "a site may still have a lease from before harbor was re-created, and would stop the service there. "
        "Every such lease has expired in 1";
    struct order order;
    struct rig rig;

    (void)state;
    begin_let_go(&rig);
    order_begin(&rig, &order, names);
    order.items[0].spec.mode = BW_MODE_AUTO;
    rig.groups[0].let_go_site[0] = '\0'; /* as bw_group_init and a recovery leave it */
    assert_int_equal(judge_change(&rig, &delete, wanted), BW_ERR_BUSY);
    assert_int_equal(judge_change(&rig, &automatic, wanted), BW_ERR_BUSY);
    assert_refuses(&rig, &order,
                   "groups[0]: a site may still have a lease from before harbor was re-created");
    rig.groups[0].recovered_index = 1;
    assert_int_equal(judge_change(&rig, &automatic,
                                  "a site may still have a lease from before harbor was recovered"),
                     BW_ERR_BUSY);
}

/* I1: nobody speaks for a site that has left the spec. What serves there would serve beside the
 * next grant. */
static void a_site_that_may_serve_what_was_let_go_does_not_leave_in_silence(void **state)
{
    const char *const names[] = {"harbor", NULL};
    struct order order;
    struct rig rig;

    (void)state;
    begin_let_go(&rig);
    order_begin(&rig, &order, names);
    (void)strcpy(order.items[0].spec.sites[1].name, "dc-c"); /* in place of dc-b */
    assert_refuses(
        &rig, &order,
        "groups[0]: dc-b leaves harbor, and its stop there is not confirmed"); /* silent */
    report(&rig, "dc-b", BW_SERVICE_STARTED);
    assert_refuses(&rig, &order,
                   "groups[0]: dc-b leaves harbor, and its stop there is not confirmed");
    report(&rig, "dc-b", BW_SERVICE_UNKNOWN);
    assert_refuses(&rig, &order,
                   "groups[0]: dc-b leaves harbor, and its stop there is not confirmed");
    (void)strcpy(order.items[0].initial_primary,
                 "dc-a"); /* a person's word, unless it says otherwise */
    assert_int_equal(judge(&rig, &order), 0);
    report(&rig, "dc-b", BW_SERVICE_STARTED);
    assert_refuses(&rig, &order, "initial_primary: dc-b reports that harbor runs there already");
    order.items[0].initial_primary[0] = '\0';
    report(&rig, "dc-b", BW_SERVICE_STOPPED);
    assert_int_equal(judge(&rig, &order), 0);
}

/* A name that was misspelt in a new group is nobody's. */
static void a_site_that_was_never_heard_leaves_a_group_that_was_never_granted(void **state)
{
    const char *const names[] = {"harbor", NULL};
    struct order order;
    struct rig rig;

    (void)state;
    begin(&rig);
    order_begin(&rig, &order, names);
    (void)strcpy(order.items[0].spec.sites[1].name, "dc-c");
    assert_int_equal(judge(&rig, &order), 0);
    report(&rig, "dc-b", BW_SERVICE_STARTED);
    assert_refuses(&rig, &order,
                   "groups[0]: dc-b leaves harbor, and its stop there is not confirmed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_that_the_state_would_not_take_is_refused_in_words),
        cmocka_unit_test(what_waits_for_a_person_names_the_command_that_ends_it),
        cmocka_unit_test(a_failback_is_taken_back_where_it_would_not_begin_anew),
        cmocka_unit_test(what_is_being_stopped_is_not_let_go),
        cmocka_unit_test(what_is_on_its_way_by_a_move_is_not_let_go),
        cmocka_unit_test(a_move_whose_site_has_given_it_back_is_cancelled_no_more),
        cmocka_unit_test(from_its_level_on_a_wish_and_its_end_are_in_the_log),
        cmocka_unit_test(what_was_asked_for_is_taken_back),
        cmocka_unit_test(a_change_is_bound_to_the_version_that_was_looked_at),
        cmocka_unit_test(nothing_follows_a_let_go_before_its_site_has_let_go),
        cmocka_unit_test(what_is_made_anew_waits_for_nobody_by_name),
        cmocka_unit_test(a_site_that_may_serve_what_was_let_go_does_not_leave_in_silence),
        cmocka_unit_test(a_site_that_was_never_heard_leaves_a_group_that_was_never_granted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
