/* machine/witness_members: what one that asks to join is answered, who is meant by the one that
 * joins, and what an order of people about the members comes to (3.9, 5.3). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/machine/witness_members.h>

#define NOW_MS 100000

static struct bw_witness_members members;
static struct bw_cluster cluster;
static struct bw_roster roster;
static struct bw_members_facts facts;
static struct bw_members_sight sight;
static struct bw_members_outcome outcome;

static struct bw_id incarnation_of(uint64_t number)
{
    return (struct bw_id){.bytes = {(uint8_t)number, 1}};
}

static struct bw_roster_member member_of(uint64_t id)
{
    struct bw_roster_member member = {.id = id, .incarnation = incarnation_of(id)};

    (void)snprintf(member.name, sizeof member.name, "w%d", (int)id);
    (void)snprintf(member.address, sizeof member.address, "w%d:7400", (int)id);
    (void)snprintf(member.raft, sizeof member.raft, "w%d:7401", (int)id);
    return member;
}

/* Three vote and are heard, and the first leads. */
static int begin(void **state)
{
    (void)state;
    memset(&members, 0, sizeof members);
    cluster = (struct bw_cluster){
        .id = {.bytes = {7}}, .feature_level = BW_MEMBERS_LEVEL, .election_timeout_ms = 1000};
    roster = (struct bw_roster){.count = 3, .id_max = 3};
    facts = (struct bw_members_facts){.self = 1, .has_marker = true, .count = 3};
    for (unsigned i = 0; i < 3; i++) {
        roster.members[i] = member_of(i + 1);
        facts.list[i] = (struct bw_member_fact){
            .id = i + 1, .role = BW_MEMBER_VOTER, .is_live = true, .has_settled = true};
    }
    sight = (struct bw_members_sight){
        .now_ms = NOW_MS, .cluster = &cluster, .applied = &roster, .roster = &roster, .lacks = ""};
    return 0;
}

/* One that may be added. */
static struct bw_applicant *put_applicant(uint64_t id)
{
    struct bw_applicant *applicant = &members.applicants[0];

    *applicant = (struct bw_applicant){
        .member = member_of(id), .contact_ms = NOW_MS, .look = BW_LOOK_DONE};
    return applicant;
}

static enum bw_err order(enum bw_members_order_kind kind, const char *name, const char *old)
{
    struct bw_members_order what = {.kind = kind};

    (void)snprintf(what.name, sizeof what.name, "%s", name);
    (void)snprintf(what.old, sizeof what.old, "%s", old);
    bw_witness_members_judge_order(&members, &sight, &facts, &what, &outcome);
    return outcome.err;
}

static void assert_says(const char *text)
{
    if (strstr(outcome.diag.text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", outcome.diag.text, text);
}

/* ---- who asks ---- */

static struct bw_join_answer answer;

/* As one asks that may be let in. */
static struct bw_applicant asking_of(uint64_t id)
{
    return (struct bw_applicant){.member = member_of(id),
                                 .version = "0.3.0",
                                 .level = BW_MEMBERS_LEVEL,
                                 .election_timeout_ms = 1000};
}

static enum bw_join_standing ask(const struct bw_applicant *joiner)
{
    bw_witness_members_on_join(&members, &sight, joiner, cluster.id, &answer);
    return answer.standing;
}

static void assert_answers(const char *text)
{
    if (strstr(answer.words.text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", answer.words.text, text);
}

/* Silence at its address is no reason: that may be out of reach from here alone. */
static void who_asks_is_looked_at_before_people_may_add_it(void **state)
{
    const struct bw_applicant joiner = asking_of(4);

    (void)state;
    assert_int_equal(ask(&joiner), BW_JOIN_LOOKED_AT);
    assert_true(answer.looks);
    assert_true(answer.is_news);
    assert_false(answer.names_members);
    assert_int_equal(ask(&joiner), BW_JOIN_LOOKED_AT);
    assert_false(answer.looks); /* it has begun */
    assert_false(answer.is_news);

    bw_applicant_on_looked(answer.noted, &joiner.member, NULL);

    assert_int_equal(ask(&joiner), BW_JOIN_APPLICANT);
    assert_false(answer.looks);
    assert_true(answer.names_members);
    assert_answers("an operator has to run: breakwater members add w4");
    assert_ptr_equal(answer.noted, bw_applicant_find(&members, "w4", NOW_MS));
}

static void who_answers_wrongly_is_refused_until_it_was_seen_to_answer(void **state)
{
    const struct bw_applicant joiner = asking_of(4);

    (void)state;
    assert_int_equal(ask(&joiner), BW_JOIN_LOOKED_AT);
    bw_applicant_on_looked(answer.noted, &joiner.member, "it speaks no HTTP");
    sight.now_ms += BW_LOOK_AGAIN_MS;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask(&joiner), BW_JOIN_REFUSED);
        assert_true(answer.looks);
        assert_answers("it speaks no HTTP");
        bw_applicant_on_not_looked(answer.noted); /* says nothing */
    }
    assert_true(bw_applicant_cannot_join(answer.noted));
    bw_applicant_on_looked(answer.noted, &joiner.member, NULL);

    assert_int_equal(ask(&joiner), BW_JOIN_APPLICANT);
}

/* However often it asks: each look is an exchange of which this witness has few. */
static void who_answered_wrongly_is_looked_at_again_after_a_pause(void **state)
{
    const struct bw_applicant joiner = asking_of(4);

    (void)state;
    assert_int_equal(ask(&joiner), BW_JOIN_LOOKED_AT);
    bw_applicant_on_looked(answer.noted, &joiner.member, "it speaks no HTTP");
    sight.now_ms += BW_LOOK_AGAIN_MS - 1;
    assert_int_equal(ask(&joiner), BW_JOIN_REFUSED);
    assert_false(answer.looks);

    sight.now_ms++;
    assert_int_equal(ask(&joiner), BW_JOIN_REFUSED);

    assert_true(answer.looks);
    assert_int_equal(ask(&joiner), BW_JOIN_REFUSED);
    assert_false(answer.looks); /* it has begun */
}

static void a_look_that_was_not_begun_is_asked_for_again(void **state)
{
    const struct bw_applicant joiner = asking_of(4);

    (void)state;
    assert_int_equal(ask(&joiner), BW_JOIN_LOOKED_AT);
    bw_applicant_on_not_looked(answer.noted);

    assert_int_equal(ask(&joiner), BW_JOIN_LOOKED_AT);

    assert_true(answer.looks);
}

static void a_look_at_one_says_nothing_of_another_in_its_slot(void **state)
{
    const struct bw_applicant joiner = asking_of(4);
    struct bw_applicant other = joiner;

    (void)state;
    assert_int_equal(ask(&joiner), BW_JOIN_LOOKED_AT);
    other.member.incarnation = incarnation_of(9);
    assert_int_equal(ask(&other), BW_JOIN_LOOKED_AT);
    assert_true(answer.is_news);

    bw_applicant_on_looked(answer.noted, &joiner.member, NULL);

    assert_int_equal(ask(&other), BW_JOIN_LOOKED_AT);
    assert_true(answer.looks);
}

/* Whoever holds a certificate of a witness could say that its directory is another one each time. */
static void one_slot_begins_no_look_beside_another(void **state)
{
    const struct bw_applicant joiner = asking_of(4);
    struct bw_applicant other = joiner;

    (void)state;
    assert_int_equal(ask(&joiner), BW_JOIN_LOOKED_AT);
    assert_true(answer.looks);
    for (unsigned i = 10; i < 20; i++) {
        other.member.incarnation = incarnation_of(i);
        assert_int_equal(ask(&other), BW_JOIN_LOOKED_AT);
        assert_false(answer.looks);
    }
    sight.now_ms += 30000; /* they all are gone, and the look is not over */
    other = asking_of(5);
    assert_int_equal(ask(&other), BW_JOIN_LOOKED_AT);
    assert_ptr_equal(answer.noted, &members.applicants[0]);
    assert_false(answer.looks);

    bw_applicant_on_looked(answer.noted, &joiner.member, NULL);

    assert_int_equal(ask(&other), BW_JOIN_LOOKED_AT);
    assert_true(answer.looks);
}

static void a_member_is_one_and_takes_no_slot(void **state)
{
    const struct bw_applicant joiner = asking_of(3);

    (void)state;
    assert_int_equal(ask(&joiner), BW_JOIN_MEMBER);
    assert_true(answer.names_members);
    assert_null(answer.noted);
    assert_null(bw_applicant_find(&members, "w3", NOW_MS));
}

static void who_was_removed_is_told_so_by_what_was_applied(void **state)
{
    const struct bw_applicant joiner = asking_of(3);
    struct bw_roster applied = roster;

    (void)state;
    applied.count = 2;
    sight.applied = &applied;
    assert_int_equal(ask(&joiner), BW_JOIN_REMOVED);
    assert_answers("id 3 was removed from the cluster");
    assert_answers("the id 4 and an empty data_dir");
    assert_false(answer.names_members);
}

static void what_stands_in_the_way_is_told_and_kept_for_people(void **state)
{
    struct bw_applicant joiner = asking_of(4);

    (void)state;
    joiner.election_timeout_ms = 1500;
    assert_int_equal(ask(&joiner), BW_JOIN_REFUSED);
    assert_answers("the cluster has election_timeout 1s, and w4 was made with 1s500ms");
    assert_true(answer.noted->is_refused);
    assert_string_equal(answer.noted->why, answer.words.text);
    joiner.election_timeout_ms = 0; /* of a release that does not say */
    joiner.level = BW_MEMBERS_LEVEL - 1;
    assert_int_equal(ask(&joiner), BW_JOIN_REFUSED);
    assert_answers("upgrade w4");
    cluster.feature_level = BW_MEMBERS_LEVEL - 1;
    assert_int_equal(ask(&joiner), BW_JOIN_REFUSED);
    assert_answers("breakwater feature-level raise");
    cluster.feature_level = BW_MEMBERS_LEVEL;
    sight.roster = NULL;
    assert_int_equal(ask(&joiner), BW_JOIN_REFUSED);
    assert_answers("the list of witnesses is not known yet");
    sight.lacks = "the file of w1 does not name the witness of id 2";
    assert_int_equal(ask(&joiner), BW_JOIN_REFUSED);
    assert_answers("the file of w1 does not name the witness of id 2");
    assert_false(answer.names_members);
}

static void who_was_made_for_another_cluster_is_turned_away(void **state)
{
    const struct bw_applicant joiner = asking_of(4);

    (void)state;
    bw_witness_members_on_join(&members, &sight, &joiner, (struct bw_id){.bytes = {8}}, &answer);

    assert_int_equal(answer.standing, BW_JOIN_REFUSED);
    assert_answers("it was made for another cluster, 08");
    assert_true(answer.noted->is_refused);
    assert_false(answer.looks);
}

/* Whoever holds certificates of witnesses could fill them all: the first one that may be added is
 * heard still. */
static void who_may_be_added_takes_the_slot_of_one_that_is_refused(void **state)
{
    struct bw_applicant joiner;

    (void)state;
    for (uint64_t id = 10; id < 10 + BW_APPLICANTS_MAX; id++) {
        joiner = asking_of(id);
        joiner.level = BW_MEMBERS_LEVEL - 1;
        assert_int_equal(ask(&joiner), BW_JOIN_REFUSED);
        assert_non_null(answer.noted);
    }
    joiner = asking_of(30);
    joiner.level = BW_MEMBERS_LEVEL - 1;
    assert_int_equal(ask(&joiner), BW_JOIN_REFUSED);
    assert_null(answer.noted);

    joiner = asking_of(4);
    assert_int_equal(ask(&joiner), BW_JOIN_LOOKED_AT);

    assert_ptr_equal(answer.noted, &members.applicants[0]);
    sight.now_ms += 30000; /* all are gone */
    joiner = asking_of(5);
    assert_int_equal(ask(&joiner), BW_JOIN_LOOKED_AT);
    assert_ptr_equal(answer.noted, &members.applicants[0]);
    assert_null(bw_applicant_find(&members, "w4", sight.now_ms));
}

static void each_standing_has_the_word_of_the_protocol(void **state)
{
    (void)state;
    assert_string_equal(bw_join_standing_word(BW_JOIN_REFUSED), "refused");
    assert_string_equal(bw_join_standing_word(BW_JOIN_APPLICANT), "applicant");
    assert_string_equal(bw_join_standing_word(BW_JOIN_MEMBER), "member");
    assert_string_equal(bw_join_standing_word(BW_JOIN_REMOVED), "removed");
    assert_string_equal(bw_join_standing_word(BW_JOIN_LOOKED_AT), "looked_at");
}

/* ---- who joins ---- */

static void who_asks_is_added_as_it_says_of_itself(void **state)
{
    (void)state;
    put_applicant(4);

    assert_int_equal(order(BW_MEMBERS_ORDER_ADD, "w4", ""), BW_OK);

    assert_int_equal(outcome.wanted.count, 4);
    assert_int_equal(outcome.wanted.id_max, 4);
    assert_true(bw_id_equal(outcome.wanted.members[3].incarnation, incarnation_of(4)));
}

static void nobody_is_added_who_does_not_ask(void **state)
{
    (void)state;
    assert_int_equal(order(BW_MEMBERS_ORDER_ADD, "w4", ""), BW_ERR_REFUSED);
    assert_says("no witness called w4 asks to join. Its file needs a new name, the id 4 ");
    put_applicant(4)->contact_ms = NOW_MS - 30000; /* gone */

    assert_int_equal(order(BW_MEMBERS_ORDER_ADD, "w4", ""), BW_ERR_REFUSED);
    members.applicants[0].contact_ms++;
    assert_int_equal(order(BW_MEMBERS_ORDER_ADD, "w4", ""), BW_OK);
}

static void who_asks_in_vain_is_not_added_and_the_reason_is_told(void **state)
{
    struct bw_applicant *applicant = put_applicant(4);

    (void)state;
    (void)snprintf(applicant->why, sizeof applicant->why, "it speaks no HTTP");
    applicant->look = BW_LOOK_FAILED;
    assert_int_equal(order(BW_MEMBERS_ORDER_ADD, "w4", ""), BW_ERR_REFUSED);
    assert_says("w4 asks to join, and cannot: it speaks no HTTP");
    applicant->look = BW_LOOK_DONE;
    applicant->is_refused = true;

    assert_int_equal(order(BW_MEMBERS_ORDER_ADD, "w4", ""), BW_ERR_REFUSED);
    assert_says("w4 asks to join, and cannot: it speaks no HTTP");
}

static void who_is_looked_at_is_not_added_before_that_is_over(void **state)
{
    (void)state;
    put_applicant(4)->look = BW_LOOK_NONE;

    assert_int_equal(order(BW_MEMBERS_ORDER_ADD, "w4", ""), BW_ERR_BUSY);

    assert_true(outcome.is_looking);
    assert_says("the leader checks whether a witness answers at its address");
}

/* The one that is meant is there, and does not vote: "it is a member" would be said of another. */
static void another_directory_under_a_members_name_is_no_member(void **state)
{
    struct bw_applicant *applicant = put_applicant(3);

    (void)state;
    assert_int_equal(order(BW_MEMBERS_ORDER_ADD, "w3", ""), BW_ERR_EXISTS);
    applicant->member.incarnation = incarnation_of(9);

    assert_int_equal(order(BW_MEMBERS_ORDER_ADD, "w3", ""), BW_ERR_REFUSED);

    assert_says("a member with another data directory is called w3");
}

static void who_is_leaving_and_still_votes_is_taken_back_by_its_name(void **state)
{
    (void)state;
    roster.members[2].is_leaving = true;

    assert_int_equal(order(BW_MEMBERS_ORDER_ADD, "w3", ""), BW_OK); /* it votes still */

    assert_false(outcome.wanted.members[2].is_leaving);
}

/* ---- orders ---- */

static void only_one_that_votes_and_is_heard_is_given_the_lead(void **state)
{
    (void)state;
    assert_int_equal(order(BW_MEMBERS_ORDER_LEAD, "w2", ""), BW_OK);
    assert_int_equal(outcome.id, 2);
    assert_int_equal(order(BW_MEMBERS_ORDER_LEAD, "w1", ""), BW_ERR_EXISTS);
    assert_says("w1 is the leader");
    assert_int_equal(order(BW_MEMBERS_ORDER_LEAD, "w9", ""), BW_ERR_NOT_FOUND);
    assert_says("no witness is called \"w9\"");
    facts.list[1].is_live = false;
    assert_int_equal(order(BW_MEMBERS_ORDER_LEAD, "w2", ""), BW_ERR_REFUSED);
    assert_says("w2 is not connected");
    facts.list[1] = (struct bw_member_fact){
        .id = 2, .role = BW_MEMBER_STANDBY, .is_live = true, .has_settled = true};
    assert_int_equal(order(BW_MEMBERS_ORDER_LEAD, "w2", ""), BW_ERR_REFUSED);
    assert_says("w2 does not vote");
    facts.count = 1; /* Raft does not know it */
    assert_int_equal(order(BW_MEMBERS_ORDER_LEAD, "w2", ""), BW_ERR_REFUSED);
    assert_says("w2 does not vote");
    assert_int_equal(outcome.id, 0);
}

static void one_goes_and_another_takes_its_place(void **state)
{
    (void)state;
    assert_int_equal(order(BW_MEMBERS_ORDER_REMOVE, "w3", ""), BW_OK);
    assert_true(outcome.wanted.members[2].is_leaving);
    put_applicant(4);

    assert_int_equal(order(BW_MEMBERS_ORDER_REPLACE, "w4", "w2"), BW_OK);

    assert_int_equal(outcome.wanted.count, 4);
    assert_true(outcome.wanted.members[1].is_leaving);
    assert_false(outcome.wanted.members[2].is_leaving);
}

static void members_change_only_from_the_level_on_but_anybody_may_lead_before(void **state)
{
    (void)state;
    cluster.feature_level = BW_MEMBERS_LEVEL - 1;
    put_applicant(4);

    assert_int_equal(order(BW_MEMBERS_ORDER_ADD, "w4", ""), BW_ERR_REFUSED);
    assert_says("breakwater feature-level raise");
    assert_int_equal(order(BW_MEMBERS_ORDER_REMOVE, "w3", ""), BW_ERR_REFUSED);
    assert_int_equal(order(BW_MEMBERS_ORDER_LEAD, "w3", ""), BW_OK);
}

static void nothing_is_taken_while_a_roster_is_on_its_way(void **state)
{
    (void)state;
    members.is_submitting = true;

    assert_int_equal(order(BW_MEMBERS_ORDER_REMOVE, "w3", ""), BW_ERR_BUSY);
    assert_says("another change is under way; one at a time");
    assert_int_equal(order(BW_MEMBERS_ORDER_LEAD, "w2", ""), BW_ERR_BUSY);
    assert_int_equal(order(BW_MEMBERS_ORDER_LEAD, "w9", ""), BW_ERR_NOT_FOUND); /* as ever */
}

static void without_a_roster_nothing_is_judged_and_what_is_known_is_said(void **state)
{
    (void)state;
    sight.roster = NULL;

    assert_int_equal(order(BW_MEMBERS_ORDER_LEAD, "w2", ""), BW_ERR_REFUSED);
    assert_string_equal(outcome.diag.text, "");
    sight.lacks = "the file of w1 does not name the witness of id 2";
    assert_int_equal(order(BW_MEMBERS_ORDER_REMOVE, "w2", ""), BW_ERR_REFUSED);
    assert_says("the file of w1 does not name the witness of id 2");
}

static void each_order_has_its_word(void **state)
{
    (void)state;
    assert_string_equal(bw_members_order_word(BW_MEMBERS_ORDER_ADD), "add");
    assert_string_equal(bw_members_order_word(BW_MEMBERS_ORDER_REMOVE), "remove");
    assert_string_equal(bw_members_order_word(BW_MEMBERS_ORDER_REPLACE), "replace");
    assert_string_equal(bw_members_order_word(BW_MEMBERS_ORDER_LEAD), "lead");
}

/* ---- steps ---- */

static struct bw_members_action action;

/* A tick of whoever leads. */
static bool tick(void)
{
    return bw_witness_members_lead(&members, &roster, &facts, sight.now_ms, &action);
}

static void assert_step(enum bw_members_action_kind kind, enum bw_members_step_kind step,
                        uint64_t id)
{
    assert_int_equal(action.kind, kind);
    assert_int_equal(action.step.kind, step);
    assert_int_equal(action.step.id, id);
}

static void nothing_is_done_by_whoever_may_not_submit_or_has_nothing_to_do(void **state)
{
    (void)state;
    assert_false(tick());
    assert_step(BW_MEMBERS_ACTION_NONE, BW_MEMBERS_NOTHING, 0);
    roster.members[2].is_leaving = true;
    assert_false(bw_witness_members_lead(&members, &roster, NULL, NOW_MS, &action));
    assert_int_equal(action.kind, BW_MEMBERS_ACTION_NONE);
    assert_false(action.is_news);
    members.is_submitting = true; /* busy, whoever leads */
    assert_true(bw_witness_members_lead(&members, &roster, NULL, NOW_MS, &action));
    assert_true(tick());
    assert_int_equal(action.kind, BW_MEMBERS_ACTION_NONE);
    members.is_submitting = false;
    roster.id_max = 0; /* of the first form: nothing is wished */
    assert_false(tick());
}

static void each_step_is_carried_out_as_what_it_is(void **state)
{
    (void)state;
    roster.members[2].is_leaving = true;
    assert_true(tick());
    assert_step(BW_MEMBERS_ACTION_CHANGE, BW_MEMBERS_REMOVE, 3);
    facts.has_marker = false;
    assert_true(tick());
    assert_step(BW_MEMBERS_ACTION_CHANGE, BW_MEMBERS_MARK, 0);
    facts.has_marker = true;
    facts.self = 3;
    assert_true(tick());
    assert_step(BW_MEMBERS_ACTION_HAND_OVER, BW_MEMBERS_HAND_OVER, 3);
    facts.self = 1;
    facts.count = 2; /* it has left */
    assert_true(tick());
    assert_step(BW_MEMBERS_ACTION_SUBMIT, BW_MEMBERS_FORGET, 3);
    assert_int_equal(action.roster.count, 2);
    assert_null(bw_roster_find(&action.roster, 3));
    assert_int_equal(action.roster.id_max, 3);
}

static void who_comes_is_added_fed_and_made_a_voter(void **state)
{
    (void)state;
    roster.members[roster.count++] = member_of(4);
    roster.id_max = 4;
    assert_true(tick());
    assert_step(BW_MEMBERS_ACTION_CHANGE, BW_MEMBERS_ADD, 4);
    facts.list[facts.count++] = (struct bw_member_fact){
        .id = 4, .role = BW_MEMBER_SPARE, .is_live = true};
    assert_true(tick());
    assert_step(BW_MEMBERS_ACTION_CHANGE, BW_MEMBERS_FEED, 4);
    facts.list[3].role = BW_MEMBER_STANDBY;
    assert_true(tick());
    assert_step(BW_MEMBERS_ACTION_NONE, BW_MEMBERS_WAIT, 4); /* it has not caught up */
    facts.list[3].has_settled = true;
    assert_true(tick());
    assert_step(BW_MEMBERS_ACTION_CHANGE, BW_MEMBERS_PROMOTE, 4);
}

static void a_step_is_told_once_and_again_after_nothing_was_under_way(void **state)
{
    (void)state;
    roster.members[2].is_leaving = true;
    assert_true(tick());
    assert_true(action.is_news);
    assert_true(tick());
    assert_false(action.is_news);
    facts.is_changing = true;
    assert_true(tick());
    assert_true(action.is_news); /* another one */
    facts.is_changing = false;
    roster.members[2].is_leaving = false;
    assert_false(tick());
    assert_false(action.is_news);
    facts.is_changing = true;

    assert_true(tick());

    assert_true(action.is_news);
}

static void a_step_that_was_not_taken_is_tried_again_later(void **state)
{
    (void)state;
    roster.members[2].is_leaving = true;
    assert_true(tick());
    bw_witness_members_on_taken(&members, BW_ERR_BUSY, sight.now_ms);
    sight.now_ms += 499;
    assert_true(tick());
    assert_int_equal(action.kind, BW_MEMBERS_ACTION_NONE);
    sight.now_ms += 1;
    assert_true(tick());
    assert_int_equal(action.kind, BW_MEMBERS_ACTION_CHANGE);
    bw_witness_members_on_taken(&members, BW_OK, sight.now_ms);
    assert_true(tick());
    assert_int_equal(action.kind, BW_MEMBERS_ACTION_CHANGE);
}

static void it_looks_more_often_while_something_is_under_way(void **state)
{
    (void)state;
    assert_int_equal(bw_witness_members_tick_ms(true), 50);
    assert_int_equal(bw_witness_members_tick_ms(false), 500);
    assert_int_equal(bw_members_live_ms(1000), 2000);
}

/* ---- asking the others ---- */

static struct bw_join_reason reason;

static bool asks(uint64_t now_ms)
{
    reason.now_ms = now_ms;
    return bw_witness_members_asks(&members, &reason);
}

static int begin_asking(void **state)
{
    reason = (struct bw_join_reason){
        .election_timeout_ms = 1000, .has_leader = true, .is_named = true};
    return begin(state);
}

static void a_member_that_hears_a_leader_asks_nobody(void **state)
{
    (void)state;
    assert_false(asks(NOW_MS));
    reason.is_named = false; /* no more, or not yet */
    assert_true(asks(NOW_MS));
}

static void who_joins_with_an_empty_log_asks_and_a_founding_member_waits(void **state)
{
    (void)state;
    reason = (struct bw_join_reason){.election_timeout_ms = 1000, .is_bare = true};
    assert_false(asks(NOW_MS));
    assert_false(asks(NOW_MS + 1000000)); /* however long nobody leads */
    reason.is_joining = true;
    assert_true(asks(NOW_MS + 1000000));
}

static void it_asks_every_two_seconds_and_at_once_while_it_is_looked_at(void **state)
{
    (void)state;
    reason.is_named = false;
    assert_true(asks(NOW_MS));
    assert_false(asks(NOW_MS + 1999));
    assert_true(asks(NOW_MS + 2000));
    bw_witness_members_ask_again(&members);
    assert_true(asks(NOW_MS + 2001));
    assert_false(asks(NOW_MS + 2002));
}

static void a_member_without_a_leader_asks_after_ten_elections_and_five_seconds(void **state)
{
    (void)state;
    reason.has_leader = false;
    assert_false(asks(NOW_MS));
    assert_false(asks(NOW_MS + 9999));
    assert_true(asks(NOW_MS + 10000));
    reason.has_leader = true; /* one is heard: it counts anew */
    assert_false(asks(NOW_MS + 20000));
    reason.has_leader = false;
    reason.election_timeout_ms = 100;
    assert_false(asks(NOW_MS + 30000));
    assert_false(asks(NOW_MS + 34999));
    assert_true(asks(NOW_MS + 35000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_asks_is_looked_at_before_people_may_add_it, begin),
        cmocka_unit_test_setup(who_answers_wrongly_is_refused_until_it_was_seen_to_answer, begin),
        cmocka_unit_test_setup(a_look_that_was_not_begun_is_asked_for_again, begin),
        cmocka_unit_test_setup(a_look_at_one_says_nothing_of_another_in_its_slot, begin),
        cmocka_unit_test_setup(who_answered_wrongly_is_looked_at_again_after_a_pause, begin),
        cmocka_unit_test_setup(one_slot_begins_no_look_beside_another, begin),
        cmocka_unit_test_setup(a_member_is_one_and_takes_no_slot, begin),
        cmocka_unit_test_setup(who_was_removed_is_told_so_by_what_was_applied, begin),
        cmocka_unit_test_setup(what_stands_in_the_way_is_told_and_kept_for_people, begin),
        cmocka_unit_test_setup(who_was_made_for_another_cluster_is_turned_away, begin),
        cmocka_unit_test_setup(who_may_be_added_takes_the_slot_of_one_that_is_refused, begin),
        cmocka_unit_test_setup(each_standing_has_the_word_of_the_protocol, begin),
        cmocka_unit_test_setup(who_asks_is_added_as_it_says_of_itself, begin),
        cmocka_unit_test_setup(nobody_is_added_who_does_not_ask, begin),
        cmocka_unit_test_setup(who_asks_in_vain_is_not_added_and_the_reason_is_told, begin),
        cmocka_unit_test_setup(who_is_looked_at_is_not_added_before_that_is_over, begin),
        cmocka_unit_test_setup(another_directory_under_a_members_name_is_no_member, begin),
        cmocka_unit_test_setup(who_is_leaving_and_still_votes_is_taken_back_by_its_name, begin),
        cmocka_unit_test_setup(only_one_that_votes_and_is_heard_is_given_the_lead, begin),
        cmocka_unit_test_setup(one_goes_and_another_takes_its_place, begin),
        cmocka_unit_test_setup(members_change_only_from_the_level_on_but_anybody_may_lead_before,
                               begin),
        cmocka_unit_test_setup(nothing_is_taken_while_a_roster_is_on_its_way, begin),
        cmocka_unit_test_setup(without_a_roster_nothing_is_judged_and_what_is_known_is_said, begin),
        cmocka_unit_test_setup(each_order_has_its_word, begin),
        cmocka_unit_test_setup(nothing_is_done_by_whoever_may_not_submit_or_has_nothing_to_do,
                               begin),
        cmocka_unit_test_setup(each_step_is_carried_out_as_what_it_is, begin),
        cmocka_unit_test_setup(who_comes_is_added_fed_and_made_a_voter, begin),
        cmocka_unit_test_setup(a_step_is_told_once_and_again_after_nothing_was_under_way, begin),
        cmocka_unit_test_setup(a_step_that_was_not_taken_is_tried_again_later, begin),
        cmocka_unit_test_setup(it_looks_more_often_while_something_is_under_way, begin),
        cmocka_unit_test_setup(a_member_that_hears_a_leader_asks_nobody, begin_asking),
        cmocka_unit_test_setup(who_joins_with_an_empty_log_asks_and_a_founding_member_waits,
                               begin_asking),
        cmocka_unit_test_setup(it_asks_every_two_seconds_and_at_once_while_it_is_looked_at,
                               begin_asking),
        cmocka_unit_test_setup(a_member_without_a_leader_asks_after_ten_elections_and_five_seconds,
                               begin_asking),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
