/* A witness's machine before those who call it: what a renewal waits for, who is heard, what is passed on, and
 * which poll is answered when. Design 3.2, 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "witness_rig.h"

/* ---- syncs ------------------------------------------------------------------------------------ */

static void a_renewal_is_confirmed_after_the_proof_that_it_waited_for(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_with_sync(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    assert_asks(&rig, "heard:0");
    assert_asks(&rig, "PROVE:");
    assert_asks_not(&rig, "ANSWER:");
    end_request(&rig, BW_OK);
    assert_asks(&rig, "confirmed:1");
    assert_ptr_equal(rig.answered, &caller.call);
    assert_true(rig.answer.is_leader);
    assert_int_equal(rig.answered_groups[0].confirmed_epoch, 1);
    assert_int_equal(rig.answer.number, 7);
    assert_true(bw_id_equal(rig.answer.session, caller.sync.session)); /* by both it is known again */
    assert_string_equal(rig.answer.leader, "w1");
    assert_int_equal(rig.answer.member_count, 3);
    assert_string_equal(rig.answer.members[2].address, "w3:7400");
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
    begin_with_sync(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    happen(&rig, BW_WITNESS_EVENT_NOT_LEADING);
    assert_ptr_equal(rig.answered, &caller.call); /* as a follower */
    assert_false(rig.answer.is_leader);
    assert_int_equal(rig.answered_groups[0].confirmed_epoch, 0);
    lead(&rig, 5);
    settle(&rig);
    make_sync(&rig, &caller);
    caller.sync.number = 8;
    forget(&rig);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    end_request(&rig, BW_OK); /* that of term 2 */
    assert_asks_not(&rig, "ANSWER:");
    end_request(&rig, BW_OK);
    assert_int_equal(rig.answered_groups[0].confirmed_epoch, 1);
}

struct proof_asked {
    struct bw_proposer proposer;
    int count;
    enum bw_err err;
};

static void on_proof(struct bw_witness_machine *machine, struct bw_proposer *proposer,
                     enum bw_err err, uint64_t index, const struct bw_applied *applied)
{
    struct proof_asked *asked = (struct proof_asked *)proposer;

    (void)machine;
    assert_int_equal(index, 0);
    assert_null(applied);
    asked->count++;
    asked->err = err;
}

/* 3.2.2, 3.9: a state that is handed out is the state only of who led after it was asked. */
static void who_asks_for_a_proof_hears_of_a_barrier_of_its_own(void **state)
{
    struct proof_asked asked = {.proposer = {.on_done = on_proof}};
    struct caller caller;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    assert_int_equal(bw_witness_machine_prove(&rig.machine, &asked.proposer), BW_ERR_NOT_LEADER);
    begin_with_sync(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller); /* whose proof is on its way and proves nothing of it */
    assert_int_equal(bw_witness_machine_prove(&rig.machine, &asked.proposer), BW_OK);
    assert_int_equal(rig.request_count, 2);
    assert_true(rig.requests[1].by_log);
    end_request(&rig, BW_OK);
    assert_int_equal(asked.count, 0);
    end_request(&rig, BW_OK);
    assert_int_equal(asked.count, 1);
    assert_int_equal(asked.err, BW_OK);
    rig.err = BW_ERR_LIMIT;
    assert_int_equal(bw_witness_machine_prove(&rig.machine, &asked.proposer), BW_ERR_LIMIT);
    assert_int_equal(asked.count, 1);
}

static void a_proof_that_failed_or_is_of_another_term_is_none(void **state)
{
    struct proof_asked asked = {.proposer = {.on_done = on_proof}};
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    assert_int_equal(bw_witness_machine_prove(&rig.machine, &asked.proposer), BW_OK);
    end_request(&rig, BW_ERR_UNKNOWN);
    assert_int_equal(asked.err, BW_ERR_UNKNOWN);
    assert_int_equal(bw_witness_machine_prove(&rig.machine, &asked.proposer), BW_OK);
    happen(&rig, BW_WITNESS_EVENT_NOT_LEADING);
    lead(&rig, 5);
    settle(&rig);
    end_request(&rig, BW_OK); /* that of term 2 */
    assert_int_equal(asked.err, BW_ERR_NOT_LEADER);
    assert_int_equal(bw_witness_machine_prove(&rig.machine, &asked.proposer), BW_OK);
    bw_witness_machine_close(&rig.machine);
    end_request(&rig, BW_ERR_CANCELED);
    assert_int_equal(asked.count, 3);
    assert_int_equal(asked.err, BW_ERR_CANCELED);
    assert_int_equal(bw_witness_machine_prove(&rig.machine, &asked.proposer), BW_ERR_NOT_LEADER);
}

static void who_has_waited_in_vain_is_not_told_that_this_witness_leads(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_with_sync(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    live_until(&rig, rig.now_ms + BW_WITNESS_PROOF_MS - 1);
    assert_asks_not(&rig, "ANSWER:");
    live_until(&rig, rig.now_ms + 1);
    assert_ptr_equal(rig.answered, &caller.call);
    assert_false(rig.answer.is_leader);
    assert_int_equal(rig.answered_groups[0].confirmed_epoch, 0);
    forget(&rig);
    end_request(&rig, BW_OK); /* nobody waits any more */
    assert_asks_not(&rig, "ANSWER:");
}

/* What holds nothing waits for no proof. */
static bool is_told_that_it_leads(struct rig *rig)
{
    struct caller caller;

    make_sync(rig, &caller);
    caller.group.renew_epoch = 0;
    give(rig, BW_WITNESS_EVENT_SYNC, &caller);
    assert_ptr_equal(rig->answered, &caller.call);
    assert_int_equal(bw_witness_machine_is_ready(&rig->machine), rig->answer.is_leader); /* nor do people hear of another */
    return rig->answer.is_leader;
}

/* 3.8: whom it tells that it leads may not override, and everything else that they could ask of it rests on the log. */
static void who_leads_a_log_that_takes_nothing_says_that_nobody_does(void **state)
{
    static const enum bw_err refused[] = {BW_ERR_LIMIT, BW_OK}; /* at once; or there is no answer */
    struct caller caller;
    struct rig rig;

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        begin_leading(&rig);
        assert_true(is_told_that_it_leads(&rig)); /* nothing was asked of it */
        rig.err = refused[i];
        make_sync(&rig, &caller);
        give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
        live_until(&rig, rig.now_ms + BW_WITNESS_PROOF_MS);
        assert_true(is_told_that_it_leads(&rig)); /* a moment of a slow disk */
        live_until(&rig, rig.now_ms + 5000 - BW_WITNESS_PROOF_MS);
        assert_false(is_told_that_it_leads(&rig));

        rig.err = BW_OK;
        if (rig.request_count == 0) /* one that was refused: it tries again, whoever asks */
            assert_false(is_told_that_it_leads(&rig));
        end_request(&rig, BW_OK);
        assert_true(is_told_that_it_leads(&rig));
    }
}

/* Asserts what the machine asks for when a renewal comes; BARRIER: it has to be one. */
static void assert_proves_by(struct rig *rig, const char *word)
{
    struct caller caller;

    make_sync(rig, &caller);
    forget(rig);
    give(rig, BW_WITNESS_EVENT_SYNC, &caller);
    assert_asks(rig, word);
    end_request(rig, BW_OK);
    assert_asks(rig, "ANSWER:1 ");
}

/* 3.2.2: a log at rest is left alone, but once a minute: a disk that takes nothing is found by that. */
static void a_log_at_rest_is_asked_for_a_proof_once_a_minute(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig); /* nothing is granted, so nothing is to be decided meanwhile */
    lead(&rig, 2);
    settle(&rig);
    for (int minute = 0; minute < 2; minute++) {
        assert_proves_by(&rig, "PROVE:");
        live_until(&rig, rig.now_ms + BW_WITNESS_LOG_REST_MS - 1000);
        assert_proves_by(&rig, "PROVE:"); /* a proof without an entry has not moved it */
        live_until(&rig, rig.now_ms + 1000);
        assert_proves_by(&rig, "BARRIER:");
    }
}

/* A leader whose log takes nothing is found by it (3.8), whatever the others report of their terms. */
static void while_the_log_is_awaited_a_proof_is_a_barrier(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    rig.err = BW_ERR_NO_ROOM;
    make_sync(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller); /* refused: nobody knows what it takes now */
    rig.err = BW_OK;
    live_until(&rig, rig.now_ms + BW_WITNESS_PROOF_MS);
    assert_proves_by(&rig, "BARRIER:");
    assert_proves_by(&rig, "PROVE:");
}

/* Another term's log has refused nothing yet. */
static void what_a_log_did_not_take_says_nothing_of_the_next_term(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_with_sync(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    happen(&rig, BW_WITNESS_EVENT_NOT_LEADING);
    live_until(&rig, rig.now_ms + 60000);
    lead(&rig, 5);
    settle(&rig);
    assert_true(is_told_that_it_leads(&rig));
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

/* Else nobody would be confirmed any more in this term. */
static void a_barrier_that_fails_is_followed_by_another(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_with_sync(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    forget(&rig);
    end_request(&rig, BW_ERR_LIMIT);
    assert_asks(&rig, "BARRIER:"); /* by the log, this time */
    assert_asks_not(&rig, "ANSWER:");
    end_request(&rig, BW_OK);
    assert_int_equal(rig.answered_groups[0].confirmed_epoch, 1);
}

static void who_is_gone_is_not_confirmed(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_with_sync(&rig, &caller);
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
    begin_with_sync(&rig, &caller);
    (void)strcpy(caller.group.name, "gone");
    caller.group.renew_epoch = 0;
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    assert_asks_not(&rig, "ANSWER:");
    end_request(&rig, BW_OK);
    assert_asks(&rig, "ANSWER:1 ");
    assert_string_equal(rig.answered_groups[0].name, "gone");

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

    begin_with_sync(&rig, &caller);
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
    rig.machine.cluster.feature_level = 3;
    make_sync(&rig, &caller);
    caller.sync.feature_level = caller.sync.guard_level = 2;
    assert_refused(&rig, &caller, BW_WITNESS_REFUSES_AGENT_LEVEL);
    caller.sync.feature_level = 3;
    assert_refused(&rig, &caller, BW_WITNESS_REFUSES_GUARD_LEVEL);
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

/* 3.9: one that is answered before its proof hears nothing of a group that this witness does not know. */
static void a_leader_without_a_proof_lets_nothing_go(void **state)
{
    static struct caller waiting[BW_WITNESS_SYNCS_MAX];
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_with_sync(&rig, &caller);
    for (int i = 0; i < BW_WITNESS_SYNCS_MAX; i++) {
        make_sync(&rig, &waiting[i]);
        waiting[i].sync.number = 100 + (uint64_t)i;
        give(&rig, BW_WITNESS_EVENT_SYNC, &waiting[i]);
    }
    assert_int_equal(rig.machine.sync_count, BW_WITNESS_SYNCS_MAX);
    make_sync(&rig, &caller);
    (void)strcpy(caller.group.name, "gone");
    caller.group.renew_epoch = 0;
    caller.sync.number = 1000;
    forget(&rig);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);

    assert_ptr_equal(rig.answered, &caller.call);
    assert_true(rig.answer.is_leader);
    assert_int_equal(rig.answer.group_count, 0);
}

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
    (void)strcpy(caller.call.site, "dc-c"); /* in no group */
    forget(&rig);
    caller.call.wait_ms = 0;
    give(&rig, BW_WITNESS_EVENT_POLL, &caller);
    assert_asks(&rig, "ANSWER:0 ");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_renewal_is_confirmed_after_the_proof_that_it_waited_for),
        cmocka_unit_test(who_comes_while_a_barrier_is_on_its_way_waits_for_the_next),
        cmocka_unit_test(a_barrier_of_an_earlier_term_proves_nothing),
        cmocka_unit_test(who_asks_for_a_proof_hears_of_a_barrier_of_its_own),
        cmocka_unit_test(a_proof_that_failed_or_is_of_another_term_is_none),
        cmocka_unit_test(who_has_waited_in_vain_is_not_told_that_this_witness_leads),
        cmocka_unit_test(a_proof_that_the_log_refuses_is_asked_for_by_the_next_sync),
        cmocka_unit_test(who_leads_a_log_that_takes_nothing_says_that_nobody_does),
        cmocka_unit_test(a_log_at_rest_is_asked_for_a_proof_once_a_minute),
        cmocka_unit_test(while_the_log_is_awaited_a_proof_is_a_barrier),
        cmocka_unit_test(what_a_log_did_not_take_says_nothing_of_the_next_term),
        cmocka_unit_test(a_barrier_that_fails_is_followed_by_another),
        cmocka_unit_test(who_is_gone_is_not_confirmed),
        cmocka_unit_test(a_group_that_is_not_there_is_let_go_by_a_proved_leader_alone),
        cmocka_unit_test(nobody_is_heard_who_may_not_speak),
        cmocka_unit_test(a_follower_passes_on_what_asks_for_it),
        cmocka_unit_test(a_relay_that_fails_or_lasts_is_answered_as_a_followers),
        cmocka_unit_test(what_was_passed_on_goes_no_further),
        cmocka_unit_test(nobody_is_asked_whom_the_log_does_not_name),
        cmocka_unit_test(more_syncs_than_may_wait_are_answered_at_once),
        cmocka_unit_test(a_leader_without_a_proof_lets_nothing_go),
        cmocka_unit_test(a_poll_is_answered_the_moment_an_order_changes),
        cmocka_unit_test(a_poll_without_news_ends_with_none),
        cmocka_unit_test(a_poll_is_refused_before_the_cluster_is_known_and_beyond_its_limits),
    };

    return cmocka_run_group_tests_name("witness_machine", tests, NULL, NULL);
}
