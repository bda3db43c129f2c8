/* machine/witness: what is decided, proposed, proved and answered, before any of it has a socket, a log or a
 * disk (3.1-3.3, 3.9, 5.3). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "witness_rig.h"

/* ---- which cluster this is -------------------------------------------------------------------- */

static void a_leader_without_an_id_offers_one_and_one_alone(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    lead(&rig, 2);
    assert_asks(&rig, "SUBMIT:");
    assert_int_equal(rig.commands[0].kind, BW_COMMAND_FOUND);
    assert_true(bw_id_equal(rig.commands[0].cluster_id, rig_cluster));
    assert_string_equal(rig.commands[0].by, "witness/w1");
    assert_int_equal(rig.commands[0].unix_ms, 1700000000000);
    live_until(&rig, rig.now_ms + 2 * BW_WITNESS_FOUND_MS);
    assert_int_equal(rig.request_count, 1);

    end_request(&rig, BW_ERR_UNKNOWN);
    live_until(&rig, rig.now_ms + BW_WITNESS_FOUND_MS);
    assert_int_equal(rig.request_count, 1); /* again, once nobody knows what became of it */
    end_request(&rig, BW_OK);
    assert_true(bw_witness_machine_knows_cluster(&rig.machine));
    forget(&rig);
    live_until(&rig, rig.now_ms + 2 * BW_WITNESS_FOUND_MS);
    assert_asks_not(&rig, "SUBMIT:");
}

static void a_log_of_another_cluster_is_not_applied(void **state)
{
    struct bw_command found = rig_found();
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    rig_open(&rig);
    found.cluster_id.bytes[0] = 1;
    assert_int_equal(bw_witness_machine_admit(&rig.machine, &found, &diag), BW_ERR_REFUSED);
    found = rig_found();
    found.election_timeout_ms = 2000;
    assert_int_equal(bw_witness_machine_admit(&rig.machine, &found, &diag), BW_ERR_REFUSED);
    found = rig_found();
    assert_int_equal(bw_witness_machine_admit(&rig.machine, &found, &diag), BW_OK);
}

static void what_only_a_newer_witness_can_apply_stops_this_one(void **state)
{
    const struct bw_command raise = {.kind = BW_COMMAND_RAISE_LEVEL, .feature_level = 1000};
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    assert_int_equal(bw_witness_machine_admit(&rig.machine, &raise, &diag), BW_ERR_VERSION);
    rig.machine.cluster.feature_level = 1000; /* as a snapshot has it */
    assert_int_equal(bw_witness_machine_restored(&rig.machine, &diag), BW_ERR_VERSION);
}

/* ---- proposals -------------------------------------------------------------------------------- */

static void nobody_proposes_but_a_leader(void **state)
{
    const struct bw_command raise = {.kind = BW_COMMAND_RAISE_LEVEL, .feature_level = 2};
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    assert_int_equal(bw_witness_machine_propose(&rig.machine, &raise, NULL, &diag),
                     BW_ERR_NOT_LEADER);
    lead(&rig, 2);
    assert_int_equal(bw_witness_machine_propose(&rig.machine, &raise, &diag, &diag), BW_OK);
    assert_ptr_equal(rig.requests[0].ticket, &diag);
    happen(&rig, BW_WITNESS_EVENT_NOT_LEADING);
    assert_int_equal(bw_witness_machine_propose(&rig.machine, &raise, NULL, &diag),
                     BW_ERR_NOT_LEADER);
    bw_witness_machine_close(&rig.machine);
    lead(&rig, 3);
    assert_int_equal(bw_witness_machine_propose(&rig.machine, &raise, NULL, &diag),
                     BW_ERR_NOT_LEADER);
}

/* The lease of epoch 1 that nobody renews: its end is proposed once, whatever becomes of the proposal. */
static void lead_until_its_end_is_proposed(struct rig *rig)
{
    rig_begin(rig);
    rig_grant(rig);
    lead(rig, 2);
    settle(rig);
    assert_asks_not(rig, "SUBMIT:");
    live_until(rig, rig->now_ms + 120000);
    assert_int_equal(rig->request_count, 1);
    assert_int_equal(rig->commands[0].kind, BW_COMMAND_CLOSE); /* it never said that it armed */
}

static void one_proposal_of_a_group_is_on_its_way_at_most(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    lead_until_its_end_is_proposed(&rig);
    forget(&rig);
    make_sync(&rig, &caller);
    caller.group.renew_epoch = 0;
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    settle(&rig);
    live_until(&rig, rig.now_ms + 60000);
    assert_asks_not(&rig, "SUBMIT:");
}

static void what_the_log_refuses_is_proposed_again_in_a_moment(void **state)
{
    struct rig rig;

    (void)state;
    lead_until_its_end_is_proposed(&rig);
    rig.err = BW_ERR_LIMIT;
    forget(&rig);
    end_request(&rig, BW_ERR_LIMIT);
    assert_asks_not(&rig, "SUBMIT:");
    live_until(&rig, rig.now_ms + BW_PROPOSAL_RETRY_MS);
    assert_asks(&rig, "SUBMIT:");
    assert_asks(&rig, "not_taken:0");
    rig.err = BW_OK;
    live_until(&rig, rig.now_ms + BW_PROPOSAL_RETRY_MS);
    assert_int_equal(rig.request_count, 1);
}

static void what_was_applied_is_followed_by_a_barrier(void **state)
{
    struct rig rig;

    (void)state;
    lead_until_its_end_is_proposed(&rig);
    forget(&rig);
    end_request(&rig, BW_OK);
    assert_asks(&rig, "BARRIER:"); /* the followers learn of it now */
    assert_int_equal(rig.groups[0].phase, BW_PHASE_CLOSING);
}

static void a_fate_of_another_term_changes_nothing(void **state)
{
    struct rig rig;

    (void)state;
    lead_until_its_end_is_proposed(&rig);
    happen(&rig, BW_WITNESS_EVENT_NOT_LEADING);
    lead(&rig, 5);
    settle(&rig);
    forget(&rig);
    end_request(&rig, BW_ERR_UNKNOWN);
    assert_string_equal(rig.log, "");
}

/* ---- syncs ------------------------------------------------------------------------------------ */

static void begin_leading(struct rig *rig)
{
    rig_begin(rig);
    rig_grant(rig);
    lead(rig, 2);
    settle(rig);
    rig->now_ms += 100;
    forget(rig);
}

static void a_renewal_is_confirmed_after_the_proof_that_it_waited_for(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    make_sync(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    assert_asks(&rig, "heard:0");
    assert_asks(&rig, "BARRIER:");
    assert_asks_not(&rig, "ANSWER:");
    end_request(&rig, BW_OK);
    assert_asks(&rig, "confirmed:1");
    assert_ptr_equal(rig.answered, &caller.call);
    assert_true(rig.answer.is_leader);
    assert_int_equal(rig.told[0].confirmed_epoch, 1);
    assert_int_equal(rig.answer.number, 7);
    assert_string_equal(rig.answer.leader, "w1");
    assert_int_equal(rig.answer.member_count, 3);
}

static void who_comes_while_a_barrier_is_on_its_way_waits_for_the_next(void **state)
{
    struct caller first;
    struct caller second;
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    make_sync(&rig, &first);
    give(&rig, BW_WITNESS_EVENT_SYNC, &first);
    make_sync(&rig, &second);
    second.sync.number = 8;
    give(&rig, BW_WITNESS_EVENT_SYNC, &second);
    assert_int_equal(rig.request_count, 1);
    end_request(&rig, BW_OK);
    assert_ptr_equal(rig.answered, &first.call);
    assert_int_equal(rig.request_count, 1);
    end_request(&rig, BW_OK);
    assert_ptr_equal(rig.answered, &second.call);
}

static void a_barrier_of_an_earlier_term_proves_nothing(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    make_sync(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    happen(&rig, BW_WITNESS_EVENT_NOT_LEADING);
    assert_ptr_equal(rig.answered, &caller.call); /* as a follower */
    assert_false(rig.answer.is_leader);
    assert_int_equal(rig.told[0].confirmed_epoch, 0);
    lead(&rig, 5);
    settle(&rig);
    make_sync(&rig, &caller);
    caller.sync.number = 8;
    forget(&rig);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    end_request(&rig, BW_OK); /* that of term 2 */
    assert_asks_not(&rig, "ANSWER:");
    end_request(&rig, BW_OK);
    assert_int_equal(rig.told[0].confirmed_epoch, 1);
}

static void who_has_waited_in_vain_is_not_told_that_this_witness_leads(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    make_sync(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    live_until(&rig, rig.now_ms + BW_WITNESS_PROOF_MS - 1);
    assert_asks_not(&rig, "ANSWER:");
    live_until(&rig, rig.now_ms + 1);
    assert_ptr_equal(rig.answered, &caller.call);
    assert_false(rig.answer.is_leader);
    assert_int_equal(rig.told[0].confirmed_epoch, 0);
    forget(&rig);
    end_request(&rig, BW_OK); /* nobody waits any more */
    assert_asks_not(&rig, "ANSWER:");
}

static void a_proof_that_the_log_refuses_is_asked_for_by_the_next_sync(void **state)
{
    struct caller first;
    struct caller second;
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    rig.err = BW_ERR_NOMEM;
    make_sync(&rig, &first);
    give(&rig, BW_WITNESS_EVENT_SYNC, &first);
    assert_int_equal(rig.request_count, 0);
    rig.err = BW_OK;
    make_sync(&rig, &second);
    second.sync.number = 8;
    give(&rig, BW_WITNESS_EVENT_SYNC, &second);
    assert_int_equal(rig.request_count, 1);
    forget(&rig);
    end_request(&rig, BW_OK);
    assert_asks(&rig, "ANSWER:1 ");
    assert_null(rig.machine.syncs); /* both */
}

static void who_is_gone_is_not_confirmed(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    make_sync(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    give(&rig, BW_WITNESS_EVENT_GONE, &caller);
    forget(&rig);
    end_request(&rig, BW_OK);
    assert_string_equal(rig.log, "");
    assert_int_equal(rig.watches[0].confirmed_epoch, 0);
}

static void a_group_that_is_not_there_is_let_go_by_a_proved_leader_alone(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    make_sync(&rig, &caller);
    (void)strcpy(caller.group.name, "gone");
    caller.group.renew_epoch = 0;
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    assert_asks_not(&rig, "ANSWER:");
    end_request(&rig, BW_OK);
    assert_asks(&rig, "ANSWER:1 ");
    assert_string_equal(rig.told[0].name, "gone");

    happen(&rig, BW_WITNESS_EVENT_NOT_LEADING);
    forget(&rig);
    caller.sync.number = 8;
    caller.call.proof = 0;
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    assert_asks(&rig, "ANSWER:0 "); /* it may just not have heard of it yet */
}

static void assert_refused(struct rig *rig, struct caller *caller, enum bw_witness_refusal why)
{
    forget(rig);
    give(rig, BW_WITNESS_EVENT_SYNC, caller);
    assert_ptr_equal(rig->answered, &caller->call);
    assert_asks(rig, "REFUSE:");
    assert_asks_not(rig, "heard:");
    assert_int_equal(rig->refusal, why);
}

static void nobody_is_heard_who_may_not_speak(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    rig_open(&rig);
    make_sync(&rig, &caller);
    assert_refused(&rig, &caller, BW_WITNESS_REFUSES_TOO_EARLY);

    begin_leading(&rig);
    make_sync(&rig, &caller);
    (void)strcpy(caller.call.site, "dc-b");
    assert_refused(&rig, &caller, BW_WITNESS_REFUSES_NAME);
    make_sync(&rig, &caller);
    (void)strcpy(caller.call.agent, "a2");
    assert_refused(&rig, &caller, BW_WITNESS_REFUSES_NAME);
    make_sync(&rig, &caller);
    caller.sync.cluster_id.bytes[0] = 1;
    assert_refused(&rig, &caller, BW_WITNESS_REFUSES_CLUSTER);
    make_sync(&rig, &caller);
    caller.sync.generation = 2;
    assert_refused(&rig, &caller, BW_WITNESS_REFUSES_GENERATION);
    make_sync(&rig, &caller);
    (void)strcpy(caller.call.relayer, "w9");
    assert_refused(&rig, &caller, BW_WITNESS_REFUSES_NO_MEMBER);
    make_sync(&rig, &caller);
    caller.call.sync = NULL;
    assert_refused(&rig, &caller, BW_WITNESS_REFUSES_UNREADABLE);
}

/* ---- through a follower ----------------------------------------------------------------------- */

static void begin_following(struct rig *rig, struct caller *caller)
{
    rig_begin(rig);
    rig_grant(rig);
    rig->leader = 3;
    make_sync(rig, caller);
    caller->sync.wants_relay = true;
}

static void a_follower_passes_on_what_asks_for_it(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_following(&rig, &caller);
    caller.sync.wants_relay = false;
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    assert_asks(&rig, "ANSWER:1 "); /* an agent that reaches the leader: no detour */
    assert_string_equal(rig.answer.leader, "w3");

    forget(&rig);
    caller.sync.wants_relay = true;
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    assert_asks(&rig, "RELAY:3");
    assert_asks_not(&rig, "ANSWER:");
    relayed(&rig, &caller, true);
    assert_asks(&rig, "PASS_ON:");
    assert_null(rig.machine.syncs);
}

static void a_relay_that_fails_or_lasts_is_answered_as_a_followers(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_following(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    relayed(&rig, &caller, false);
    assert_ptr_equal(rig.answered, &caller.call);
    assert_false(rig.answer.is_leader);

    begin_following(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    live_until(&rig, rig.now_ms + BW_WITNESS_RELAY_MS - 1);
    assert_null(rig.answered);
    live_until(&rig, rig.now_ms + 1);
    assert_ptr_equal(rig.answered, &caller.call);

    begin_following(&rig, &caller);
    rig.err = BW_ERR_NOMEM;
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    assert_ptr_equal(rig.answered, &caller.call);
}

static void what_was_passed_on_goes_no_further(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_following(&rig, &caller);
    (void)strcpy(caller.call.relayer, "w2");
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    assert_asks(&rig, "heard:2");
    assert_asks_not(&rig, "RELAY:");
    assert_false(rig.answer.is_leader);
}

static void nobody_is_asked_whom_the_log_does_not_name(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_following(&rig, &caller);
    rig.leader = 0;
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    assert_asks(&rig, "ANSWER:1 ");
    assert_string_equal(rig.answer.leader, "");

    begin_following(&rig, &caller);
    rig.leader = 1; /* itself, before it may act */
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    assert_asks(&rig, "ANSWER:1 ");
    assert_string_equal(rig.answer.leader, "");
}

static void more_syncs_than_may_wait_are_answered_at_once(void **state)
{
    static struct caller waiting[BW_WITNESS_SYNCS_MAX];
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_following(&rig, &caller);
    for (int i = 0; i < BW_WITNESS_SYNCS_MAX; i++) {
        make_sync(&rig, &waiting[i]);
        waiting[i].sync.wants_relay = true;
        forget(&rig);
        give(&rig, BW_WITNESS_EVENT_SYNC, &waiting[i]);
        assert_asks_not(&rig, "ANSWER:");
    }
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    assert_ptr_equal(rig.answered, &caller.call);
    assert_int_equal(rig.machine.sync_count, BW_WITNESS_SYNCS_MAX);
}

/* ---- polls ------------------------------------------------------------------------------------ */

static void a_poll_is_answered_the_moment_an_order_changes(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    make_poll(&rig, rig.index, 20000, &caller);
    give(&rig, BW_WITNESS_EVENT_POLL, &caller);
    assert_null(rig.answered);
    {
        struct bw_command grant = {.kind = BW_COMMAND_GRANT, .group = "harbor", .site = "dc-b",
                                   .instance = {{1}}, .boot_id = {{2}}, .epoch = 1,
                                   .reason = BW_REASON_FIRST_GRANT};

        grant.spec_version = rig.groups[0].spec_version;
        grant.terms = bw_terms_of_spec(&rig.groups[0].spec);
        assert_non_null(apply(&rig, &grant).rule);
    }
    assert_null(rig.answered); /* not from within Raft's step */
    settle(&rig);
    assert_ptr_equal(rig.answered, &caller.call);
    assert_int_equal(rig.answer.group_count, 1);
    assert_null(rig.machine.polls);
}

static void a_poll_without_news_ends_with_none(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    make_poll(&rig, rig.index, 0, &caller);
    give(&rig, BW_WITNESS_EVENT_POLL, &caller);
    assert_asks(&rig, "ANSWER:0 ");
    make_poll(&rig, rig.index, 500, &caller);
    forget(&rig);
    give(&rig, BW_WITNESS_EVENT_POLL, &caller);
    live_until(&rig, rig.now_ms + 499);
    assert_null(rig.answered);
    live_until(&rig, rig.now_ms + 1);
    assert_asks(&rig, "ANSWER:0 ");
    make_poll(&rig, 0, 500, &caller);
    forget(&rig);
    give(&rig, BW_WITNESS_EVENT_POLL, &caller);
    assert_asks(&rig, "ANSWER:1 ");
}

static void a_poll_is_refused_before_the_cluster_is_known_and_beyond_its_limits(void **state)
{
    static struct caller waiting[BW_WITNESS_POLLS_MAX];
    struct caller caller;
    struct rig rig;

    (void)state;
    rig_open(&rig);
    make_poll(&rig, 0, 0, &caller);
    give(&rig, BW_WITNESS_EVENT_POLL, &caller);
    assert_int_equal(rig.refusal, BW_WITNESS_REFUSES_TOO_EARLY);
    rig_begin(&rig);
    make_poll(&rig, rig.index, BW_WITNESS_POLL_MS_MAX + 1, &caller);
    give(&rig, BW_WITNESS_EVENT_POLL, &caller);
    assert_int_equal(rig.refusal, BW_WITNESS_REFUSES_WAIT);
    for (int i = 0; i < BW_WITNESS_POLLS_MAX; i++) {
        make_poll(&rig, rig.index, 500, &waiting[i]);
        give(&rig, BW_WITNESS_EVENT_POLL, &waiting[i]);
    }
    make_poll(&rig, rig.index, 500, &caller);
    give(&rig, BW_WITNESS_EVENT_POLL, &caller);
    assert_int_equal(rig.refusal, BW_WITNESS_REFUSES_POLLS);
}

/* ---- the end ---------------------------------------------------------------------------------- */

static void a_closed_machine_asks_for_nothing(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    make_sync(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    bw_witness_machine_close(&rig.machine);
    forget(&rig);
    end_request(&rig, BW_OK);
    happen(&rig, BW_WITNESS_EVENT_WAKE);
    assert_string_equal(rig.log, "");
    assert_true(bw_instant_is_never(bw_witness_machine_wake_at(&rig.machine)));
    give(&rig, BW_WITNESS_EVENT_GONE, &caller);
    assert_null(rig.machine.syncs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_without_an_id_offers_one_and_one_alone),
        cmocka_unit_test(a_log_of_another_cluster_is_not_applied),
        cmocka_unit_test(what_only_a_newer_witness_can_apply_stops_this_one),
        cmocka_unit_test(nobody_proposes_but_a_leader),
        cmocka_unit_test(one_proposal_of_a_group_is_on_its_way_at_most),
        cmocka_unit_test(what_the_log_refuses_is_proposed_again_in_a_moment),
        cmocka_unit_test(what_was_applied_is_followed_by_a_barrier),
        cmocka_unit_test(a_fate_of_another_term_changes_nothing),
        cmocka_unit_test(a_renewal_is_confirmed_after_the_proof_that_it_waited_for),
        cmocka_unit_test(who_comes_while_a_barrier_is_on_its_way_waits_for_the_next),
        cmocka_unit_test(a_barrier_of_an_earlier_term_proves_nothing),
        cmocka_unit_test(who_has_waited_in_vain_is_not_told_that_this_witness_leads),
        cmocka_unit_test(a_proof_that_the_log_refuses_is_asked_for_by_the_next_sync),
        cmocka_unit_test(who_is_gone_is_not_confirmed),
        cmocka_unit_test(a_group_that_is_not_there_is_let_go_by_a_proved_leader_alone),
        cmocka_unit_test(nobody_is_heard_who_may_not_speak),
        cmocka_unit_test(a_follower_passes_on_what_asks_for_it),
        cmocka_unit_test(a_relay_that_fails_or_lasts_is_answered_as_a_followers),
        cmocka_unit_test(what_was_passed_on_goes_no_further),
        cmocka_unit_test(nobody_is_asked_whom_the_log_does_not_name),
        cmocka_unit_test(more_syncs_than_may_wait_are_answered_at_once),
        cmocka_unit_test(a_poll_is_answered_the_moment_an_order_changes),
        cmocka_unit_test(a_poll_without_news_ends_with_none),
        cmocka_unit_test(a_poll_is_refused_before_the_cluster_is_known_and_beyond_its_limits),
        cmocka_unit_test(a_closed_machine_asks_for_nothing),
    };

    return cmocka_run_group_tests_name("witness_machine", tests, NULL, NULL);
}
