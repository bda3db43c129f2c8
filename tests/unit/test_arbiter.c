/* arbiter: the steps of design 4 in their order, and what each of them waits for. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "arbiter_world.h"

static void who_does_not_lead_decides_nothing(void **state)
{
    (void)state;
    world_init(&world, 2);
    assert_rule("A6");

    bw_witness_on_not_leading(&world.witness);

    assert_rule("A0");
    assert_int_equal(world.decision.wake_in_ns, UINT64_MAX);
    assert_int_equal(world.decision.gate_count, 1);
}

/* ---- Released ---- */

static void a_give_back_of_the_holder_is_committed(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "42");

    assert_rule("A1");
    assert_int_equal(world.decision.command.kind, BW_COMMAND_RELEASED);
    assert_int_equal(world.decision.command.reason, BW_REASON_SERVICE_DOWN);
    assert_string_equal(world.decision.command.position, "42");
    assert_true(world.decision.command.past_no_return);
}

/* 3.5: a give-back is final; the report that tells of it may be old. */
static void a_give_back_counts_when_it_is_old(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_give_back(&world, A, BW_REASON_LEASE_LOST, true, "");
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 8000);

    assert_rule("A1");
}

/* 3.4: another instance may neither arm nor end an epoch of the old one. */
static void a_give_back_of_another_instance_or_epoch_is_none(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].released.epoch = world_group(&world)->epoch - 1;
    world_sync_all(&world);
    assert_held("released", -1);

    world_begin(&world, 2);
    world.sites[A].instance.bytes[5] = 1;
    world_give_back(&world, A, BW_REASON_LEASE_LOST, true, "");
    assert_held("released", -1);
}

static void ends_are_committed_while_paused_and_in_manual(void **state)
{
    static const enum bw_mode modes[] = {BW_MODE_PAUSED, BW_MODE_MANUAL};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        world_begin(&world, 2);
        world_set_mode(&world, modes[i]);
        world_give_back(&world, A, BW_REASON_LEASE_LOST, true, "");
        assert_rule("A1");

        world_begin(&world, 2);
        world_set_mode(&world, modes[i]);
        silence_until_before_lapse(0);
        assert_rule("A3");
    }
}

/* ---- FenceFailed ---- */

/* I1, 3.3: a failed fence is a fact, and any instance of the site may report it. */
static void a_failed_fence_reported_by_any_instance_holds_the_epoch(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].instance.bytes[5] = 1;
    world.sites[A].report.fence_failed = true;
    world.sites[A].report.fence_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_acts("A2");
    assert_true(world_group(&world)->held);

    world.sites[A].is_mute = true;
    world_pass_ms(&world, 60000);
    assert_held("held", -1);
}

static void a_failed_fence_of_an_older_epoch_is_none_of_this_one(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.fence_failed = true;
    world.sites[A].report.fence_epoch = world_group(&world)->epoch - 1;
    world_sync_all(&world);

    (void)world_decide(&world);
    assert_null(world_gate(&world, "fence_failed", -1));
}

/* I1, 3.3: `started`, observed after the lease was surely over, by an agent that lost its state. */
static void started_after_the_lease_is_a_failed_fence(void **state)
{
    (void)state;
    world_begin(&world, 2);
    silence_until_before_lapse(0);
    world.sites[A].is_mute = false;
    world.sites[A].instance.bytes[5] = 1;
    world.sites[A].renew_epoch = 0;
    world.sites[A].report.armed_epoch = 0;
    world.sites[A].report.service_age_ms = 5000;
    world_wait_ms(&world, 3000);
    world_sync_all(&world);
    (void)world_decide(&world);
    assert_null(world_gate(&world, "fence_failed", -1)); /* seen before the end of the lease */
    assert_true(world_holds(&world, "contradiction", -1));

    world.sites[A].report.service_age_ms = 100;
    world_sync_all(&world);
    assert_rule("A2");
}

/* Sent while the lease lived, stuck behind a cut, and received after it: says nothing about after. */
static void started_in_a_sync_that_was_long_on_its_way_is_no_failed_fence(void **state)
{
    (void)state;
    world_begin(&world, 2);
    silence_until_before_lapse(0);
    world_pass_ms(&world, 3000);
    world.sites[A].renew_epoch = 0;
    world.sites[A].report.service_age_ms = 0;
    (void)world_sync(&world, A); /* what it says it heard is of before the silence */

    (void)world_decide(&world);
    assert_null(world_gate(&world, "fence_failed", -1));
}

/* ---- Expired ---- */

/* I1, 3.3: not one millisecond before the wait is over, and at once then. */
static void expired_is_proposed_exactly_when_the_wait_is_over(void **state)
{
    (void)state;
    world_begin(&world, 2);
    silence_until_before_lapse(1);
    assert_held("lapse", -1);
    assert_in_range(world.decision.wake_in_ns, 1, BW_NS_PER_MS);

    world.now = bw_instant_add(world.now, world.decision.wake_in_ns - 1);
    assert_held("lapse", -1);
    world.now = bw_instant_add(world.now, 1);
    assert_rule("A3");
    assert_int_equal(world.decision.command.reason, BW_REASON_SITE_LOST);
    assert_true(world.decision.command.past_no_return);
}

/* I1, 1: a wait is over when both clocks have counted it. */
static void expired_waits_for_both_clocks(void **state)
{
    (void)state;
    world_begin(&world, 2);
    silence_until_before_lapse(1);
    world.now.boot_ns += 100 * BW_NS_PER_S;
    assert_held("lapse", -1);
    world.now.raw_ns += BW_NS_PER_MS;
    assert_rule("A3");
}

/* I1, 3.3: nothing of an earlier term counts; the new leader waits from its own beginning. */
static void a_new_leader_waits_from_its_own_beginning(void **state)
{
    (void)state;
    world_begin(&world, 2);
    silence_until_before_lapse(1);
    world_lead_anew(&world);
    uint64_t wait_ms = world_wait_of_terms_ms(&world);

    world_pass_ms(&world, wait_ms - 1);
    assert_held("lapse", -1);
    world_pass_ms(&world, 1);
    assert_rule("A3");
}

/* I1, 3.4: reach none is never enough, remote only with a second enforcer or a person's word. Such
 * an epoch is closed instead. */
static void time_alone_ends_only_what_the_guard_can_end(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_group(&world)->terms.reach = BW_REACH_NONE;
    silence_until_before_lapse(0);
    assert_acts("A4");
    assert_held("end_reach", -1);

    world_begin(&world, 2);
    world_group(&world)->terms.reach = BW_REACH_REMOTE;
    silence_until_before_lapse(1);
    assert_held("lapse", -1);
    world_wait_ms(&world, 1);
    assert_acts("A4");
    assert_held("end_reach", -1);

    world_group(&world)->terms.second_enforcer = true;
    assert_rule("A3");
    world_group(&world)->terms.second_enforcer = false;
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_ALWAYS;
    assert_rule("A3");
    world_group(&world)->terms.reach = BW_REACH_NONE;
    assert_held("end_reach", -1);
}

/* 3.3: `never` goes Close and never proposes Expired. */
static void what_time_never_hands_over_is_closed_and_never_expires(void **state)
{
    struct bw_spec spec = changed_spec();
    (void)state;
    spec.handover_by_time = BW_HANDOVER_NEVER;
    world_begin_with(&world, 2, &spec);
    silence_until_before_lapse(0);
    assert_acts("A4");
    assert_int_equal(world_group(&world)->phase, BW_PHASE_CLOSING);

    world_pass_ms(&world, 100000);
    assert_held("end_reach", -1);
}

/* I1, 3.3: a fresh report of the holder's site that does not say stopped delays Expired. */
static void a_fresh_contradiction_delays_expired_until_it_is_stale(void **state)
{
    static const enum bw_service services[] = {BW_SERVICE_STARTED, BW_SERVICE_UNKNOWN};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        world_begin(&world, 2);
        world.sites[A].relayed_by = i / 2 * 2; /* by a follower's word, too (3.4) */
        world.sites[A].renew_epoch = 0;
        world.sites[A].report.service = services[i % 2];
        world.sites[A].report.service_age_ms = 60000;
        world_pass_ms(&world, 20000);
        assert_held("contradiction", -1);
        assert_true(world.decision.wake_in_ns <= 3000 * BW_NS_PER_MS);

        world.sites[A].is_mute = true;
        world.now = bw_instant_add(world.now, world.decision.wake_in_ns - 1);
        assert_held("contradiction", -1);
        world.now = bw_instant_add(world.now, 1);
        assert_rule("A3");
    }
}

static void unknown_after_a_fence_that_succeeded_counts_as_stopped(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].renew_epoch = 0;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world.sites[A].report.has_fence_or_stop_succeeded = true;
    world_pass_ms(&world, 20000);

    assert_rule("A3");
}

/* 3.3, 3.1: a Close whose fence did not come about still ends by time. */
static void a_closed_epoch_that_is_not_held_expires_too(void **state)
{
    struct bw_command close = {.kind = BW_COMMAND_CLOSE, .group = "harbor"};
    (void)state;
    world_begin(&world, 2);
    close.epoch = world_group(&world)->epoch;
    (void)world_apply(&world, &close);
    silence_until_before_lapse(0);

    assert_acts("A3");
    assert_int_equal(world_group(&world)->phase, BW_PHASE_VACANT);
}

/* 4: a grant never renewed is tried elsewhere, and the data stays where it was. */
static void a_grant_never_renewed_counts_as_never_started(void **state)
{
    (void)state;
    world_begin(&world, 3);
    silence_until_before_lapse(0);
    assert_acts("A3");
    assert_acts("A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    world.sites[B].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world));

    assert_acts("A3");
    assert_int_equal(world_group(&world)->last_end.reason, BW_REASON_NEVER_STARTED);
    assert_string_equal(world_group(&world)->data_site, "dc-a");
    world.sites[B].is_mute = false;
    world_sync_all(&world);
    assert_acts("A9");
    assert_true(world_holds(&world, "backoff", B));
    assert_string_equal(world_group(&world)->holder_site, "dc-c");
}

/* ---- the best candidate ---- */

static void the_best_candidate_takes_over(void **state)
{
    (void)state;
    world_begin(&world, 3);
    silence_until_before_lapse(0);
    assert_acts("A3");

    assert_rule("A9");
    assert_string_equal(world.decision.command.site, "dc-b");
    assert_int_equal(world.decision.command.epoch, world_group(&world)->epoch + 1);
    assert_int_equal(world.decision.command.reason, BW_REASON_SITE_LOST);
    assert_false(world.decision.command.planned);
    assert_false(world.decision.command.adopt);
    assert_int_equal(world.decision.command.terms.reach, BW_REACH_UNITS);
    assert_in_range(world.decision.command.silent_ms, 15000, 16000);
}

/* 4: a new leader chooses among sites after one freshness window, or when all have reported. */
static void a_new_leader_lets_every_site_speak_first(void **state)
{
    (void)state;
    world_begin(&world, 3);
    silence_until_before_lapse(0);
    assert_acts("A3");
    world_lead_anew(&world);
    assert_held("reports", -1);

    world_pass_ms(&world, 2999);
    assert_held("reports", -1);
    world_pass_ms(&world, 1);
    assert_rule("A9");

    world_lead_anew(&world); /* ... and no longer than until all have spoken */
    world.sites[A].is_mute = false;
    world_stop(&world, A);
    world_sync_all(&world);
    assert_rule("A9");
}

/* 4: all links were cut, and one is back a moment before the others. */
static void who_is_heard_first_again_is_not_alone(void **state)
{
    (void)state;
    world_begin(&world, 3);
    silence_until_before_lapse(0);
    assert_acts("A3");
    world.sites[B].is_mute = true;
    world.sites[C].is_mute = true;
    world_wait_ms(&world, 60000);
    world.sites[B].is_mute = false;
    world_sync_all(&world);
    assert_held("reports", -1);

    world_pass_ms(&world, 2000);
    assert_held("reports", -1);
    world_pass_ms(&world, 1000);
    assert_rule("A9");
}

/* Whose clock is slow, or whose messages get lost, is connected now and then only: not each time
 * anew. */
static void who_is_heard_seldom_does_not_wait_for_ever(void **state)
{
    const char *rule = "";

    (void)state;
    world_begin(&world, 3);
    world.sites[A].is_mute = true;
    world.sites[C].is_mute = true;
    for (int ms = 0; strcmp(rule, "A9") != 0 && ms < 60000; ms += 2000) {
        world_wait_ms(&world, 2000);
        (void)world_sync(&world, B); /* whether it renewed, which it does not */
        rule = world_act(&world);
    }
    assert_string_equal(rule, "A9");
}

/* The agent that is left was restarted a moment ago: it was not away for two windows. */
static void who_is_heard_anew_by_a_new_session_does_not_wait(void **state)
{
    (void)state;
    world_begin(&world, 3);
    world.sites[C].is_mute = true;
    silence_until_before_lapse(0);
    assert_acts("A3");
    world.sites[B].session.bytes[0]++;
    world.sites[B].exchanges[0] = world.sites[B].exchanges[1] = (struct bw_exchange){0};
    world_sync_all(&world);
    assert_rule("A9");
}

static void a_service_that_its_site_cannot_keep_up_goes_elsewhere(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_acts("A1");

    assert_acts("A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
}

/* ---- modes ---- */

static void paused_grants_and_revokes_nothing(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    world_set_mode(&world, BW_MODE_PAUSED);
    world_sync_all(&world);
    assert_held("mode", -1);

    silence_until_before_lapse(0);
    assert_acts("A3");
    assert_held("mode", -1);
}

/* 3.9: a grant to another site needs a person; back to the site whose data is the newest does not.
 */
static void manual_asks_a_person_before_another_site(void **state)
{
    struct bw_diag diag = {0};
    (void)state;
    world_begin(&world, 2);
    world_set_mode(&world, BW_MODE_MANUAL);
    silence_until_before_lapse(0);
    assert_acts("A3");
    assert_held("approval", B);

    world.sites[A].is_mute = false;
    world_stop(&world, A);
    world_sync_all(&world);
    assert_rule("A9");
    assert_string_equal(world.decision.command.site, "dc-a");

    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, &diag), BW_OK);
    (void)strcpy(world_watch(&world)->wish.text, "dc-a burns");
    assert_rule("A9");
    assert_string_equal(world.decision.command.site, "dc-b");
    assert_int_equal(world.decision.command.reason, BW_REASON_FAILOVER);
    assert_string_equal(world.decision.command.by, "operator/anna");
    assert_string_equal(world.decision.command.text, "dc-a burns");
}

/* 3.9: everything is evaluated and explained, nothing is executed. */
static void observe_evaluates_and_does_nothing(void **state)
{
    (void)state;
    world_init(&world, 2);
    world_set_mode(&world, BW_MODE_OBSERVE);
    world_sync_all(&world);

    assert_rule("A0");
    assert_false(world.decision.acts);
    assert_true(world_holds(&world, "observe", -1));
    assert_int_equal(world.decision.command.kind, BW_COMMAND_GRANT);
}

/* 4: one grant past lag, damping and mode; it never shortens a wait. */
static void a_failover_waits_like_everybody(void **state)
{
    struct bw_diag diag = {0};
    (void)state;
    world_begin(&world, 2);
    world_set_mode(&world, BW_MODE_PAUSED);
    silence_until_before_lapse(1);
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "", false, &diag), BW_OK);
    assert_held("lapse", -1);

    world_wait_ms(&world, 1);
    assert_acts("A3");
    assert_acts("A9");
    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_NONE);
}

static void a_wish_does_not_outlive_its_time(void **state)
{
    struct bw_diag diag = {0};
    (void)state;
    world_begin(&world, 2);
    world_set_mode(&world, BW_MODE_PAUSED);
    silence_until_before_lapse(0);
    assert_acts("A3");
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 5000);
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, &diag), BW_OK);
    world_pass_ms(&world, 151000);
    world.sites[B].is_mute = false;
    world_sync_all(&world);

    assert_held("mode", -1);
}

static void in_a_calm_hour_nothing_is_due_before_the_lease(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_rule("A0");

    assert_true(world.decision.wake_in_ns > 14 * BW_NS_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_lead_decides_nothing),
        cmocka_unit_test(a_give_back_of_the_holder_is_committed),
        cmocka_unit_test(a_give_back_counts_when_it_is_old),
        cmocka_unit_test(a_give_back_of_another_instance_or_epoch_is_none),
        cmocka_unit_test(ends_are_committed_while_paused_and_in_manual),
        cmocka_unit_test(a_failed_fence_reported_by_any_instance_holds_the_epoch),
        cmocka_unit_test(a_failed_fence_of_an_older_epoch_is_none_of_this_one),
        cmocka_unit_test(started_after_the_lease_is_a_failed_fence),
        cmocka_unit_test(started_in_a_sync_that_was_long_on_its_way_is_no_failed_fence),
        cmocka_unit_test(expired_is_proposed_exactly_when_the_wait_is_over),
        cmocka_unit_test(expired_waits_for_both_clocks),
        cmocka_unit_test(a_new_leader_waits_from_its_own_beginning),
        cmocka_unit_test(time_alone_ends_only_what_the_guard_can_end),
        cmocka_unit_test(what_time_never_hands_over_is_closed_and_never_expires),
        cmocka_unit_test(a_fresh_contradiction_delays_expired_until_it_is_stale),
        cmocka_unit_test(unknown_after_a_fence_that_succeeded_counts_as_stopped),
        cmocka_unit_test(a_closed_epoch_that_is_not_held_expires_too),
        cmocka_unit_test(a_grant_never_renewed_counts_as_never_started),
        cmocka_unit_test(the_best_candidate_takes_over),
        cmocka_unit_test(a_new_leader_lets_every_site_speak_first),
        cmocka_unit_test(who_is_heard_first_again_is_not_alone),
        cmocka_unit_test(who_is_heard_seldom_does_not_wait_for_ever),
        cmocka_unit_test(who_is_heard_anew_by_a_new_session_does_not_wait),
        cmocka_unit_test(a_service_that_its_site_cannot_keep_up_goes_elsewhere),
        cmocka_unit_test(paused_grants_and_revokes_nothing),
        cmocka_unit_test(manual_asks_a_person_before_another_site),
        cmocka_unit_test(observe_evaluates_and_does_nothing),
        cmocka_unit_test(a_failover_waits_like_everybody),
        cmocka_unit_test(a_wish_does_not_outlive_its_time),
        cmocka_unit_test(in_a_calm_hour_nothing_is_due_before_the_lease),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
