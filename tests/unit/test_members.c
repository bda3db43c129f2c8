/* members: the one step from who votes to who is to vote, and what people may order. Design 3.9. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/core/members.h>

static struct bw_roster roster;
static struct bw_members_facts facts;
static struct bw_members_step step;
static struct bw_diag diag;

static struct bw_roster_member witness(uint64_t id)
{
    struct bw_roster_member member = {.id = id, .incarnation = {{1, (uint8_t)id}}};

    (void)snprintf(member.name, sizeof member.name, "w%d", (int)id);
    (void)snprintf(member.address, sizeof member.address, "h%d:7400", (int)id);
    (void)snprintf(member.raft, sizeof member.raft, "h%d:7401", (int)id);
    return member;
}

static struct bw_member_fact *fact(uint64_t id)
{
    for (unsigned i = 0; i < facts.count; i++)
        if (facts.list[i].id == id)
            return &facts.list[i];
    facts.list[facts.count] = (struct bw_member_fact){.id = id, .is_live = true, .has_settled = true};
    return &facts.list[facts.count++];
}

/* w1 to w`count` vote, live; w1 leads. */
static void begin(unsigned count)
{
    roster = (struct bw_roster){.count = count, .id_max = count};
    facts = (struct bw_members_facts){.self = 1, .has_marker = true};
    diag = (struct bw_diag){0};
    for (unsigned i = 0; i < count; i++) {
        roster.members[i] = witness(i + 1);
        fact(i + 1)->role = BW_MEMBER_VOTER;
    }
}

static void drop_fact(uint64_t id)
{
    *fact(id) = facts.list[facts.count - 1];
    facts.count--;
}

static void look(void)
{
    bw_members_next(&roster, &facts, &step);
}

static void expect(enum bw_members_step_kind kind, const char *rule, uint64_t id)
{
    look();
    assert_int_equal(step.kind, kind);
    assert_string_equal(step.rule, rule);
    assert_int_equal(step.id, id);
}

static void expect_nothing(void)
{
    look();
    assert_int_equal(step.kind, BW_MEMBERS_NOTHING);
}

/* ---- the steps ---- */

static void nothing_is_done_where_fact_and_wish_agree(void **state)
{
    (void)state;
    begin(3);
    expect_nothing();
    roster.id_max = 0; /* of the first form nothing is wished */
    roster.members[1].is_leaving = true;
    expect_nothing();
}

static void one_joins_without_a_vote_and_votes_once_it_has_caught_up(void **state)
{
    (void)state;
    begin(3);
    roster.members[roster.count++] = witness(4);
    roster.id_max = 4;
    expect(BW_MEMBERS_ADD, "M3", 4);
    fact(4)->role = BW_MEMBER_SPARE;
    expect(BW_MEMBERS_FEED, "M4", 4);
    fact(4)->role = BW_MEMBER_STANDBY;
    fact(4)->has_settled = false;
    expect(BW_MEMBERS_WAIT, "M5", 4);
    assert_non_null(strstr(step.why, "w4 has not caught up"));
    fact(4)->has_settled = true;
    fact(4)->is_live = false;
    expect(BW_MEMBERS_WAIT, "M5", 4);
    assert_non_null(strstr(step.why, "w4 is not heard"));
    fact(4)->is_live = true;
    expect(BW_MEMBERS_PROMOTE, "M5", 4);
    fact(4)->role = BW_MEMBER_VOTER;
    expect_nothing();
}

static void one_change_is_waited_for_before_the_next(void **state)
{
    (void)state;
    begin(3);
    roster.members[roster.count++] = witness(4);
    facts.is_changing = true;
    expect(BW_MEMBERS_WAIT, "M1", 0);
    assert_string_equal(step.why, "a change of who votes is under way");
}

/* L9: one that was away may else refuse its vote. Who is not heard is not waited for. */
static void each_live_voter_has_an_entry_from_after_the_last_change(void **state)
{
    (void)state;
    begin(3);
    roster.members[roster.count++] = witness(4);
    facts.has_marker = false;
    expect(BW_MEMBERS_MARK, "M2", 0);
    facts.has_marker = true;
    fact(3)->has_settled = false;
    expect(BW_MEMBERS_WAIT, "M2", 3);
    assert_non_null(strstr(step.why, "w3 has not heard of the last change"));
    fact(3)->is_live = false;
    expect(BW_MEMBERS_ADD, "M3", 4);
}

static void nobody_gets_a_vote_that_would_leave_no_live_majority(void **state)
{
    (void)state;
    begin(3);
    roster.members[roster.count++] = witness(4);
    fact(4)->role = BW_MEMBER_STANDBY;
    fact(2)->is_live = fact(3)->is_live = false;
    expect(BW_MEMBERS_WAIT, "M5", 4);
    assert_non_null(strstr(step.why, "w4 would vote beside too many that are not heard"));
    fact(3)->is_live = true; /* three of four */
    expect(BW_MEMBERS_PROMOTE, "M5", 4);
    begin(2);
    roster.members[roster.count++] = witness(3);
    fact(3)->role = BW_MEMBER_STANDBY;
    fact(2)->is_live = false; /* two of three */
    expect(BW_MEMBERS_PROMOTE, "M5", 3);
}

/* L9: it settles by an entry from after the last change, which has to be there first. */
static void who_is_to_vote_gets_its_entry_before_it_is_waited_for(void **state)
{
    (void)state;
    begin(3);
    roster.members[roster.count++] = witness(4);
    fact(4)->role = BW_MEMBER_STANDBY;
    fact(4)->has_settled = false;
    facts.has_marker = false;
    expect(BW_MEMBERS_MARK, "M2", 0);
}

/* What one of them waits for the next does not wait for, or needs no vote. */
static void while_one_comes_nobody_goes(void **state)
{
    (void)state;
    begin(3);
    roster.members[roster.count++] = witness(4);
    roster.members[1].is_leaving = true;
    expect(BW_MEMBERS_ADD, "M3", 4);
    fact(4)->role = BW_MEMBER_SPARE;
    expect(BW_MEMBERS_FEED, "M4", 4);
    fact(4)->role = BW_MEMBER_STANDBY;
    fact(4)->has_settled = false;
    expect(BW_MEMBERS_WAIT, "M5", 4);
    fact(4)->is_live = false;
    expect(BW_MEMBERS_WAIT, "M5", 4);
    begin(3);
    roster.members[roster.count++] = witness(4);
    roster.members[1].is_leaving = true;
    drop_fact(2);
    fact(3)->has_settled = false;
    expect(BW_MEMBERS_WAIT, "M2", 3);
    facts.has_marker = false;
    expect(BW_MEMBERS_MARK, "M2", 0);
    facts.has_marker = true;
    fact(3)->is_live = false;
    fact(4)->role = BW_MEMBER_STANDBY;
    fact(5)->role = BW_MEMBER_VOTER;
    fact(5)->is_live = false; /* of a roster that this one has not applied yet */
    expect(BW_MEMBERS_WAIT, "M5", 4);
}

static void who_goes_first_is_waited_for(void **state)
{
    (void)state;
    begin(5);
    roster.members[0].is_leaving = roster.members[1].is_leaving = true;
    expect(BW_MEMBERS_HAND_OVER, "M6", 1);
    facts.self = 3;
    expect(BW_MEMBERS_REMOVE, "M7", 1);
    fact(3)->is_live = fact(4)->is_live = false;
    drop_fact(2);
    expect(BW_MEMBERS_WAIT, "M7", 1);
    begin(5);
    roster.members[2].is_leaving = roster.members[3].is_leaving = true;
    fact(3)->role = BW_MEMBER_STANDBY;
    expect(BW_MEMBERS_REMOVE, "M7", 3);
}

static void whichever_of_them_it_is_gets_its_step(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= 3; id++) {
        begin(3);
        fact(id)->role = BW_MEMBER_SPARE;
        expect(BW_MEMBERS_FEED, "M4", id);
        begin(3);
        roster.members[roster.count++] = witness(4);
        fact(id)->has_settled = false;
        expect(BW_MEMBERS_WAIT, "M2", id);
    }
}

static void the_old_one_goes_once_the_new_one_votes(void **state)
{
    struct bw_roster rest;

    (void)state;
    begin(3);
    fact(2)->is_live = false;
    roster.members[1].is_leaving = true;
    roster.members[roster.count++] = witness(4);
    fact(4)->role = BW_MEMBER_STANDBY;
    expect(BW_MEMBERS_PROMOTE, "M5", 4);
    fact(4)->role = BW_MEMBER_VOTER;
    expect(BW_MEMBERS_REMOVE, "M7", 2);
    drop_fact(2);
    expect(BW_MEMBERS_FORGET, "M8", 2);
    bw_members_forget(&roster, 2, &rest);
    roster = rest;
    assert_int_equal(roster.count, 3);
    assert_null(bw_roster_find(&roster, 2));
    expect_nothing();
}

static void nobody_goes_without_whom_no_two_live_ones_are_a_majority(void **state)
{
    (void)state;
    begin(3);
    roster.members[1].is_leaving = true;
    fact(3)->is_live = false;
    expect(BW_MEMBERS_WAIT, "M7", 2);
    fact(3)->is_live = true;
    expect(BW_MEMBERS_REMOVE, "M7", 2);
    begin(5);
    roster.members[1].is_leaving = true;
    fact(4)->is_live = fact(5)->is_live = false; /* two of four are live */
    expect(BW_MEMBERS_WAIT, "M7", 2);
    begin(2);
    roster.members[1].is_leaving = true;
    expect(BW_MEMBERS_WAIT, "M7", 2); /* one alone is a majority of one */
    begin(1);
    roster.members[0].is_leaving = true;
    expect(BW_MEMBERS_WAIT, "M7", 1);
}

static void a_leader_that_is_to_go_hands_over_first(void **state)
{
    (void)state;
    begin(4);
    roster.members[0].is_leaving = true;
    expect(BW_MEMBERS_HAND_OVER, "M6", 1);
    facts.self = 3;
    expect(BW_MEMBERS_REMOVE, "M7", 1);
}

/* Of no voter nothing is waited for. */
static void who_has_no_vote_goes_at_once(void **state)
{
    static const enum bw_member_role roles[] = {BW_MEMBER_SPARE, BW_MEMBER_STANDBY};
    struct bw_roster rest;

    (void)state;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        begin(4);
        roster.members[3].is_leaving = true;
        fact(4)->role = roles[i];
        fact(4)->has_settled = false;
        fact(2)->is_live = fact(3)->is_live = false;
        expect(BW_MEMBERS_REMOVE, "M7", 4);
        drop_fact(4);
        expect(BW_MEMBERS_FORGET, "M8", 4);
        bw_members_forget(&roster, 4, &rest);
        assert_int_equal(rest.count, 3);
        assert_int_equal(rest.id_max, 4); /* and is given to nobody */
    }
}

/* L9: neither touches who votes. */
static void who_hands_over_or_is_forgotten_waits_for_no_entry(void **state)
{
    (void)state;
    begin(4);
    facts.has_marker = false;
    fact(3)->has_settled = false;
    roster.members[0].is_leaving = true;
    expect(BW_MEMBERS_HAND_OVER, "M6", 1);
    roster.members[0].is_leaving = false;
    roster.members[1].is_leaving = true;
    drop_fact(2);
    expect(BW_MEMBERS_FORGET, "M8", 2);
}

/* ---- orders ---- */

static void an_id_is_given_once_and_a_name_is_ones_own(void **state)
{
    struct bw_roster_member joining = witness(4);
    struct bw_roster wanted;

    (void)state;
    begin(3);
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_OK);
    assert_int_equal(wanted.count, 4);
    assert_int_equal(wanted.id_max, 4);
    roster.id_max = 4; /* 4 was removed */
    assert_true(bw_roster_has_removed(&roster, 4));
    assert_false(bw_roster_has_removed(&roster, 5));
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "give w4 the id 5"));
    joining = witness(2);
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_ERR_EXISTS);
    joining.incarnation.bytes[5] = 9;
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_ERR_REFUSED);
    joining = witness(5);
    (void)strcpy(joining.raft, "h3:7401");
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "w3 has this address"));
    joining = witness(5);
    memcpy(joining.address, roster.members[1].address, sizeof joining.address);
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "w2 has this address"));
}

static void there_is_one_change_at_a_time_and_what_has_no_vote_is_withdrawn(void **state)
{
    const struct bw_roster_member joining = witness(4);
    const struct bw_roster_member other = witness(5);
    struct bw_roster wanted;

    (void)state;
    begin(3);
    assert_int_equal(bw_members_replace(&roster, &facts, "w2", &joining, &wanted, &diag), BW_OK);
    assert_true(wanted.members[1].is_leaving);
    roster = wanted;
    assert_int_equal(bw_members_replace(&roster, &facts, "w2", &joining, &wanted, &diag),
                     BW_ERR_EXISTS); /* gone on with */
    assert_int_equal(bw_members_add(&roster, &facts, &other, &wanted, &diag), BW_ERR_BUSY);
    assert_int_equal(bw_members_remove(&roster, &facts, "w3", &wanted, &diag), BW_ERR_BUSY);
    assert_non_null(strstr(diag.text, "w2 is leaving"));
    assert_int_equal(bw_members_remove(&roster, &facts, "w4", &wanted, &diag), BW_OK);
    assert_false(wanted.members[1].is_leaving);
    assert_true(wanted.members[3].is_leaving);
    fact(4)->role = BW_MEMBER_VOTER; /* too late to withdraw it */
    assert_int_equal(bw_members_remove(&roster, &facts, "w4", &wanted, &diag), BW_ERR_BUSY);
}

/* 5.3: who is older reads no roster of the second form. */
static void members_change_from_the_level_on_that_knows_it(void **state)
{
    (void)state;
    assert_int_equal(bw_members_admit(BW_MEMBERS_LEVEL, &diag), BW_OK);
    assert_int_equal(bw_members_admit(BW_MEMBERS_LEVEL + 1, &diag), BW_OK);
    assert_int_equal(bw_members_admit(BW_MEMBERS_LEVEL - 1, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "breakwater feature-level raise"));
}

/* It would wait for one that may never come back, and nothing else could be ordered. */
static void nobody_is_ordered_to_go_whom_the_others_cannot_spare(void **state)
{
    struct bw_roster wanted;

    (void)state;
    begin(3);
    fact(2)->is_live = false;
    assert_int_equal(bw_members_remove(&roster, &facts, "w3", &wanted, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "without w3 only 1 of 2 are heard"));
    assert_int_equal(bw_members_remove(&roster, &facts, "w2", &wanted, &diag), BW_OK);
    begin(5);
    fact(2)->is_live = fact(3)->is_live = false;
    assert_int_equal(bw_members_remove(&roster, &facts, "w4", &wanted, &diag), BW_ERR_REFUSED);
    memset(&wanted, 0, sizeof wanted);
    assert_int_equal(bw_members_remove(&roster, &facts, "w3", &wanted, &diag), BW_OK);
    assert_int_equal(wanted.count, 5); /* and all else is as it was */
    for (unsigned i = 0; i < wanted.count; i++) {
        assert_int_equal(wanted.members[i].id, roster.members[i].id);
        assert_int_equal(wanted.members[i].is_leaving, i == 2);
    }
}

/* It was ordered, and then another one died. */
static void a_removal_that_cannot_be_done_is_taken_back(void **state)
{
    const struct bw_roster_member joining = witness(4);
    struct bw_roster_member own;
    struct bw_roster wanted;

    (void)state;
    begin(3);
    assert_int_equal(bw_members_remove(&roster, &facts, "w3", &roster, &diag), BW_OK);
    fact(2)->is_live = false;
    expect(BW_MEMBERS_WAIT, "M7", 3);
    assert_int_equal(bw_members_replace(&roster, &facts, "w2", &joining, &wanted, &diag),
                     BW_ERR_BUSY);
    assert_non_null(strstr(diag.text, "breakwater members add w3 takes it back"));
    own = roster.members[2];
    facts.is_changing = true; /* it may be its removal */
    assert_int_equal(bw_members_add(&roster, &facts, &own, &wanted, &diag), BW_ERR_REFUSED);
    facts.is_changing = false;
    assert_int_equal(bw_members_add(&roster, &facts, &own, &wanted, &diag), BW_OK);
    assert_false(wanted.members[2].is_leaving);
    assert_int_equal(wanted.count, 3);
    roster = wanted;
    expect_nothing();
    assert_int_equal(bw_members_replace(&roster, &facts, "w2", &joining, &wanted, &diag), BW_OK);
    begin(3);
    roster.members[2].is_leaving = true;
    drop_fact(3); /* it has left */
    assert_int_equal(bw_members_add(&roster, &facts, &own, &wanted, &diag), BW_ERR_REFUSED);
}

static void a_cluster_of_several_keeps_two_and_has_at_most_seven(void **state)
{
    struct bw_roster_member joining = witness(8);
    struct bw_roster wanted;

    (void)state;
    begin(2);
    assert_int_equal(bw_members_remove(&roster, &facts, "w2", &wanted, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "at least two"));
    assert_int_equal(bw_members_remove(&roster, &facts, "w9", &wanted, &diag), BW_ERR_NOT_FOUND);
    begin(1);
    joining = witness(2);
    assert_int_equal(bw_members_replace(&roster, &facts, "w1", &joining, &wanted, &diag),
                     BW_ERR_REFUSED);
    begin(BW_WITNESSES_MAX);
    joining = witness(8);
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "remove one first"));
}

static void how_many_may_fail_is_counted_before_halfway_and_after(void **state)
{
    const struct bw_roster_member joining = witness(4);
    struct bw_members_count count;
    struct bw_roster wanted;

    (void)state;
    begin(3);
    fact(2)->is_live = false;
    count = bw_members_count(&facts);
    assert_int_equal(count.voters, 3);
    assert_int_equal(count.live, 2);
    assert_int_equal(count.may_fail, 0);
    assert_int_equal(bw_members_replace(&roster, &facts, "w2", &joining, &wanted, &diag), BW_OK);
    count = bw_members_count_after(&wanted, &facts, true);
    assert_int_equal(count.voters, 4);
    assert_int_equal(count.may_fail, 0);
    count = bw_members_count_after(&wanted, &facts, false);
    assert_int_equal(count.voters, 3);
    assert_int_equal(count.may_fail, 1);
}

/* An id keeps its name. */
static void no_member_comes_again_under_another_name(void **state)
{
    struct bw_roster_member renamed = witness(2);

    (void)state;
    begin(3);
    (void)strcpy(renamed.name, "w9");
    assert_int_equal(bw_members_judge(&roster, &renamed, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "id 2 was given before, and the highest is 3"));
}

static void who_was_added_by_itself_takes_a_place_as_well(void **state)
{
    const struct bw_roster_member joining = witness(5);
    struct bw_roster wanted;

    (void)state;
    begin(4);
    assert_int_equal(bw_members_replace(&roster, &facts, "w2", &roster.members[3], &wanted, &diag),
                     BW_OK);
    assert_int_equal(wanted.count, 4);
    for (unsigned i = 0; i < wanted.count; i++)
        assert_int_equal(wanted.members[i].is_leaving, i == 1);
    assert_int_equal(bw_members_replace(&roster, &facts, "gone", &joining, &wanted, &diag),
                     BW_ERR_NOT_FOUND);
    assert_string_equal(diag.text, "no witness is called \"gone\"");
}

static void who_is_forgotten_leaves_all_others(void **state)
{
    struct bw_roster rest;

    (void)state;
    begin(3);
    bw_members_forget(&roster, 1, &rest);
    assert_int_equal(rest.count, 2);
    assert_int_equal(rest.members[0].id, 2);
    assert_int_equal(rest.members[1].id, 3);
    assert_int_equal(rest.id_max, 3);
}

static void of_less_than_a_majority_none_may_fail(void **state)
{
    (void)state;
    begin(3);
    fact(2)->is_live = fact(3)->is_live = false;
    assert_int_equal(bw_members_count(&facts).live, 1);
    assert_int_equal(bw_members_count(&facts).may_fail, 0);
    begin(5);
    assert_int_equal(bw_members_count(&facts).may_fail, 2);
}

/* Who joins is taken to be there; one that is, and is not heard, is not. Who has left votes no more. */
static void who_is_counted_after_a_change_is_who_votes_then(void **state)
{
    (void)state;
    begin(3);
    roster.members[roster.count++] = witness(4);
    assert_int_equal(bw_members_count_after(&roster, &facts, false).live, 4);
    fact(4)->role = BW_MEMBER_STANDBY;
    fact(4)->is_live = false;
    assert_int_equal(bw_members_count_after(&roster, &facts, false).live, 3);
    roster.members[3].is_leaving = true;
    assert_int_equal(bw_members_count_after(&roster, &facts, true).voters, 3);
    fact(4)->role = BW_MEMBER_VOTER;
    assert_int_equal(bw_members_count_after(&roster, &facts, true).voters, 4);
    assert_int_equal(bw_members_count_after(&roster, &facts, false).voters, 3);
}

static void who_begins_anew_is_alone_and_no_id_is_given_twice(void **state)
{
    const struct bw_roster none = {.count = 0};
    const struct bw_roster_member self = witness(2);
    struct bw_roster alone;

    (void)state;
    begin(3);
    bw_members_alone(&roster, &self, 0, &alone);
    assert_int_equal(alone.count, 1);
    assert_int_equal(alone.members[0].id, 2);
    assert_string_equal(alone.members[0].name, "w2");
    assert_int_equal(alone.id_max, 3);
    assert_true(bw_roster_has_removed(&alone, 3));
    roster.id_max = 9; /* others came and went */
    bw_members_alone(&roster, &self, 0, &alone);
    assert_int_equal(alone.id_max, 9);
    roster.id_max = 0; /* of the first form: nobody ever came later */
    bw_members_alone(&roster, &self, 0, &alone);
    assert_int_equal(alone.id_max, 3);
    roster.members[0].id = 8; /* whichever of them has it */
    bw_members_alone(&roster, &self, 0, &alone);
    assert_int_equal(alone.id_max, 8);
    bw_members_alone(&none, &self, 0, &alone);
    assert_int_equal(alone.id_max, 2);
    bw_members_alone(&none, &self, 5, &alone);
    assert_int_equal(alone.id_max, 5);
}

/* Each of them, by either of its addresses. */
static void no_member_has_an_address_of_another(void **state)
{
    (void)state;
    begin(3);
    for (unsigned i = 0; i < roster.count; i++) {
        struct bw_roster_member by_address = witness(4);
        struct bw_roster_member by_raft = witness(4);

        memcpy(by_address.address, roster.members[i].address, sizeof by_address.address);
        memcpy(by_raft.raft, roster.members[i].raft, sizeof by_raft.raft);
        assert_int_equal(bw_members_judge(&roster, &by_address, &diag), BW_ERR_REFUSED);
        assert_int_equal(bw_members_judge(&roster, &by_raft, &diag), BW_ERR_REFUSED);
        assert_non_null(strstr(diag.text, roster.members[i].name));
    }
}

static void who_joins_is_not_leaving_whatever_it_says(void **state)
{
    struct bw_roster_member joining = witness(4);
    struct bw_roster wanted;

    (void)state;
    begin(3);
    joining.is_leaving = true;
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_OK);
    assert_false(wanted.members[3].is_leaving);
}

/* What an order is refused for names the change, what that waits for, and the way out. */
static void who_is_busy_says_with_what(void **state)
{
    const struct bw_roster_member joining = witness(4);
    const struct bw_roster_member other = witness(5);
    struct bw_roster wanted;

    (void)state;
    begin(3);
    facts.is_changing = true;
    assert_int_equal(bw_members_remove(&roster, &facts, "w3", &wanted, &diag), BW_ERR_BUSY);
    assert_string_equal(diag.text, "another change is under way; one at a time");
    facts.is_changing = false;
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_OK);
    roster = wanted;
    fact(4)->role = BW_MEMBER_STANDBY;
    fact(4)->is_live = false;
    assert_int_equal(bw_members_add(&roster, &facts, &other, &wanted, &diag), BW_ERR_BUSY);
    assert_string_equal(diag.text,
                        "another change is under way: w4 is joining, and w4 is not heard: is it "
                        "running?; one at a time (breakwater members remove w4 gives it up, and "
                        "its id is never used again)");
    begin(3);
    roster.members[1].is_leaving = true;
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_ERR_BUSY);
    assert_string_equal(diag.text, "another change is under way: w2 is leaving; one at a time "
                                   "(breakwater members add w2 takes it back)");
    begin(3);
    roster.members[0].is_leaving = true;
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_ERR_BUSY);
    assert_non_null(strstr(diag.text, "w1 is leaving"));
}

/* Its vote may be what is under way. */
static void nobody_is_withdrawn_while_who_votes_changes(void **state)
{
    const struct bw_roster_member joining = witness(4);
    struct bw_roster wanted;

    (void)state;
    begin(3);
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_OK);
    roster = wanted;
    fact(4)->role = BW_MEMBER_STANDBY;
    facts.is_changing = true;

    assert_int_equal(bw_members_remove(&roster, &facts, "w4", &wanted, &diag), BW_ERR_BUSY);
    facts.is_changing = false;
    memset(&wanted, 0, sizeof wanted);
    assert_int_equal(bw_members_remove(&roster, &facts, "w4", &wanted, &diag), BW_OK);
    assert_int_equal(wanted.count, 4); /* and all else is as it was */
    for (unsigned i = 0; i < wanted.count; i++)
        assert_int_equal(wanted.members[i].id, i + 1);
}

/* Whichever it is, and of as many as there may be. */
static void whom_a_withdrawn_one_was_to_replace_stays(void **state)
{
    const struct bw_roster_member joining = witness(BW_WITNESSES_MAX);
    struct bw_roster wanted;

    (void)state;
    begin(BW_WITNESSES_MAX - 1);
    assert_int_equal(bw_members_replace(&roster, &facts, "w1", &joining, &wanted, &diag), BW_OK);
    assert_true(wanted.members[0].is_leaving);
    roster = wanted;
    assert_int_equal(bw_members_remove(&roster, &facts, joining.name, &wanted, &diag), BW_OK);
    for (unsigned i = 0; i < wanted.count; i++)
        assert_int_equal(wanted.members[i].is_leaving, i == BW_WITNESSES_MAX - 1);
}

static void what_lies_behind_the_lists_is_nobody(void **state)
{
    const struct bw_roster_member self = witness(2);
    struct bw_roster alone;

    (void)state;
    begin(3);
    fact(4)->role = BW_MEMBER_VOTER;
    fact(4)->has_settled = false;
    facts.count = 3;
    assert_int_equal(bw_members_count(&facts).voters, 3);
    roster.members[roster.count++] = witness(5);
    expect(BW_MEMBERS_ADD, "M3", 5);
    roster.count = 3;
    assert_null(bw_roster_find(&roster, 5));
    assert_null(bw_roster_find_name(&roster, "w5"));
    bw_members_alone(&roster, &self, 0, &alone);
    assert_int_equal(alone.id_max, 3);
}

/* One that is not heard is not said to have taken it. */
static void a_place_is_taken_by_who_is_heard(void **state)
{
    const struct bw_roster_member joining = witness(4);
    const struct bw_roster_member other = witness(5);
    struct bw_roster wanted;

    (void)state;
    begin(2);
    roster.id_max = 3;
    assert_int_equal(bw_members_replace(&roster, &facts, "w2", &joining, &wanted, &diag), BW_OK);
    roster = wanted;
    fact(4)->role = BW_MEMBER_STANDBY;
    assert_int_equal(bw_members_replace(&roster, &facts, "w2", &other, &wanted, &diag), BW_ERR_BUSY);
    assert_int_equal(bw_members_replace(&roster, &facts, "w2", &joining, &wanted, &diag),
                     BW_ERR_EXISTS);
    assert_string_equal(diag.text, "w4 is a member");
    fact(4)->is_live = false;
    assert_int_equal(bw_members_replace(&roster, &facts, "w2", &joining, &wanted, &diag),
                     BW_ERR_EXISTS);
    assert_string_equal(diag.text, "w2 is leaving");
    drop_fact(2); /* it has left, and is not forgotten yet */
    assert_int_equal(bw_members_replace(&roster, &facts, "w2", &joining, &wanted, &diag),
                     BW_ERR_EXISTS);
}


/* ---- one that was removed ---- */

static const struct bw_id cluster = {{7}};

/* What a witness says whose newest applied roster has w1, w2, w4 and w5: w3 was removed. */
static struct bw_members_removal removal_of(uint64_t id)
{
    return (struct bw_members_removal){
        .cluster_id = cluster, .generation = 2, .id = id, .id_max = 5};
}

static void who_was_removed_is_told_and_nobody_who_is_merely_unknown(void **state)
{
    (void)state;
    begin(5);
    roster.members[2] = roster.members[3];
    roster.members[3] = roster.members[4];
    roster.count = 4;
    assert_true(bw_roster_has_removed(&roster, 3));
    assert_false(bw_roster_has_removed(&roster, 4));
    assert_false(bw_roster_has_removed(&roster, 6)); /* added since, and this one lags */
    roster.id_max = 0; /* of the first form: nobody was ever removed */
    assert_false(bw_roster_has_removed(&roster, 3));
}

/* It knows of none yet. */
static void a_roster_of_nobody_has_removed_nobody(void **state)
{
    const struct bw_roster nobody = {.id_max = 3};

    (void)state;
    assert_false(bw_roster_has_removed(&nobody, 3));
}

/* By witness 3, which knows no leader. */
static bool believes(const struct bw_members_removal *removal, struct bw_id of, uint64_t generation)
{
    const struct bw_members_hearer hearer = {
        .cluster_id = of, .id = 3, .generation = generation, .applied = &roster};

    return bw_members_believes_removal(removal, &hearer);
}

/* The lie of one member, or a cluster that was begun anew by mistake, would end a majority for
 * good. */
static void who_leads_or_follows_another_does_not_believe_that_it_was_removed(void **state)
{
    struct bw_members_hearer hearer = {
        .cluster_id = cluster, .id = 3, .generation = 2, .applied = &roster};
    struct bw_members_removal removal;

    (void)state;
    begin(3);
    removal = removal_of(3);
    removal.from = 1;
    assert_true(bw_members_believes_removal(&removal, &hearer));
    hearer.leader = 3;
    assert_false(bw_members_believes_removal(&removal, &hearer));
    hearer.leader = 2;
    assert_false(bw_members_believes_removal(&removal, &hearer));
    removal.generation++;
    assert_false(bw_members_believes_removal(&removal, &hearer));
    hearer.leader = 1;
    assert_true(bw_members_believes_removal(&removal, &hearer));
}

/* Ids need not be given in order: below the highest may be one that nobody has had. */
static void who_has_an_empty_log_was_never_a_member(void **state)
{
    struct bw_members_hearer hearer = {
        .cluster_id = cluster, .id = 3, .is_bare = true, .applied = &roster};
    const struct bw_members_removal removal = removal_of(3);

    (void)state;
    begin(3);
    assert_false(bw_members_believes_removal(&removal, &hearer));
    hearer.is_bare = false;
    assert_true(bw_members_believes_removal(&removal, &hearer));
}

static void a_removal_is_believed_of_this_cluster_and_generation_or_a_newer_one(void **state)
{
    struct bw_members_removal removal = removal_of(3);

    (void)state;
    begin(3);
    assert_true(believes(&removal, cluster, 2));
    assert_true(believes(&removal, cluster, 1));
    assert_true(believes(&removal, cluster, 0)); /* nothing applied yet */
    removal.cluster_id = (struct bw_id){{8}};
    assert_false(believes(&removal, cluster, 2));
    removal.cluster_id = (struct bw_id){{0}};
    assert_false(believes(&removal, removal.cluster_id, 2));
    removal = removal_of(2); /* meant for another one */
    assert_false(believes(&removal, cluster, 2));
}

/* Before the recovery id 3 was somebody else's, who was removed. */
static void what_an_older_generation_has_removed_is_another(void **state)
{
    struct bw_members_removal removal = removal_of(3);

    (void)state;
    begin(3);
    assert_false(believes(&removal, cluster, 3));
    removal.generation = 0;
    assert_false(believes(&removal, cluster, 0));
}

/* Typed by a tired person: the live one would be removed, and nobody comes. */
static void nobody_takes_the_own_place_and_one_that_is_not_heard_took_none(void **state)
{
    struct bw_roster after;
    struct bw_roster_member third;

    (void)state;
    begin(3);
    third = roster.members[2];
    assert_int_equal(bw_members_replace(&roster, &facts, third.name, &third, &after, &diag),
                     BW_ERR_INVALID);
    assert_non_null(strstr(diag.text, "cannot take its own place"));
    assert_int_equal(bw_members_replace(&roster, &facts, "gone", &third, &after, &diag),
                     BW_ERR_NOT_FOUND); /* typed wrong, for all that is known: not "done" */
    assert_non_null(strstr(diag.text, "it was removed, or never was one; w3 is a member already"));
    fact(3)->is_live = false; /* swapped: the dead one is not what took a place */
    assert_int_equal(bw_members_replace(&roster, &facts, "gone", &third, &after, &diag),
                     BW_ERR_NOT_FOUND);
}

/* It would be withdrawn by that, and its id be lost, which nobody has asked for. */
static void who_has_no_vote_yet_is_not_replaced_by_a_member(void **state)
{
    const struct bw_roster_member joining = witness(4);
    const struct bw_roster_member other = witness(5);
    struct bw_roster wanted;

    (void)state;
    begin(3);
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_OK);
    roster = wanted;
    fact(4)->role = BW_MEMBER_STANDBY;
    assert_int_equal(bw_members_replace(&roster, &facts, "w4", &roster.members[1], &wanted, &diag),
                     BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text,
                           "w4 has no vote yet that w2 could take over; to give it up, and its "
                           "id 4 for ever: breakwater members remove w4"));
    assert_int_equal(bw_members_replace(&roster, &facts, "w4", &other, &wanted, &diag),
                     BW_ERR_BUSY);
    assert_non_null(
        strstr(diag.text, "members remove w4 gives it up, and its id is never used again"));
    assert_int_equal(bw_members_remove(&roster, &facts, "w4", &wanted, &diag), BW_OK);
}

/* It would have come before one that names this witness. */
static void a_removal_that_contradicts_the_own_roster_is_not_believed(void **state)
{
    struct bw_members_removal removal = removal_of(3);

    (void)state;
    begin(6);
    assert_false(believes(&removal, cluster, 2));
    assert_true(believes(&removal, cluster, 1));
    removal.id_max = 2; /* an id that it does not know of was removed by nobody */
    begin(2);
    assert_false(believes(&removal, cluster, 2));
}

/* The newest id that was given may be the one that was removed, too. */
static void a_removal_by_a_roster_as_old_as_the_own_is_believed(void **state)
{
    struct bw_members_removal removal = removal_of(3);

    (void)state;
    begin(5);
    assert_true(believes(&removal, cluster, 2));
    begin(3);
    removal.id_max = 3;
    assert_true(believes(&removal, cluster, 2));
}

/* None is given twice, so that the last one that there can be would leave none to anybody. */
static void an_id_far_above_the_highest_is_not_taken(void **state)
{
    struct bw_roster wanted;
    struct bw_roster_member joining = witness(UINT32_MAX);

    (void)state;
    begin(3);
    assert_int_equal(bw_members_judge(&roster, &joining, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "give w-1 the id 4"));
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_ERR_REFUSED);
    assert_int_equal(bw_members_replace(&roster, &facts, "w2", &joining, &wanted, &diag),
                     BW_ERR_REFUSED);
    joining = witness(3 + BW_MEMBERS_ID_STEP_MAX + 1);
    assert_int_equal(bw_members_judge(&roster, &joining, &diag), BW_ERR_REFUSED);
    joining = witness(3 + BW_MEMBERS_ID_STEP_MAX);
    assert_int_equal(bw_members_judge(&roster, &joining, &diag), BW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_far_above_the_highest_is_not_taken),
        cmocka_unit_test(nothing_is_done_where_fact_and_wish_agree),
        cmocka_unit_test(one_joins_without_a_vote_and_votes_once_it_has_caught_up),
        cmocka_unit_test(one_change_is_waited_for_before_the_next),
        cmocka_unit_test(each_live_voter_has_an_entry_from_after_the_last_change),
        cmocka_unit_test(nobody_gets_a_vote_that_would_leave_no_live_majority),
        cmocka_unit_test(the_old_one_goes_once_the_new_one_votes),
        cmocka_unit_test(nobody_goes_without_whom_no_two_live_ones_are_a_majority),
        cmocka_unit_test(a_leader_that_is_to_go_hands_over_first),
        cmocka_unit_test(who_has_no_vote_goes_at_once),
        cmocka_unit_test(an_id_is_given_once_and_a_name_is_ones_own),
        cmocka_unit_test(there_is_one_change_at_a_time_and_what_has_no_vote_is_withdrawn),
        cmocka_unit_test(members_change_from_the_level_on_that_knows_it),
        cmocka_unit_test(nobody_is_ordered_to_go_whom_the_others_cannot_spare),
        cmocka_unit_test(a_removal_that_cannot_be_done_is_taken_back),
        cmocka_unit_test(a_cluster_of_several_keeps_two_and_has_at_most_seven),
        cmocka_unit_test(how_many_may_fail_is_counted_before_halfway_and_after),
        cmocka_unit_test(who_was_removed_is_told_and_nobody_who_is_merely_unknown),
        cmocka_unit_test(a_removal_is_believed_of_this_cluster_and_generation_or_a_newer_one),
        cmocka_unit_test(what_an_older_generation_has_removed_is_another),
        cmocka_unit_test(who_has_no_vote_yet_is_not_replaced_by_a_member),
        cmocka_unit_test(a_removal_that_contradicts_the_own_roster_is_not_believed),
        cmocka_unit_test(who_begins_anew_is_alone_and_no_id_is_given_twice),
        cmocka_unit_test(who_leads_or_follows_another_does_not_believe_that_it_was_removed),
        cmocka_unit_test(who_has_an_empty_log_was_never_a_member),
        cmocka_unit_test(nobody_takes_the_own_place_and_one_that_is_not_heard_took_none),
        cmocka_unit_test(who_hands_over_or_is_forgotten_waits_for_no_entry),
        cmocka_unit_test(no_member_has_an_address_of_another),
        cmocka_unit_test(who_joins_is_not_leaving_whatever_it_says),
        cmocka_unit_test(who_is_busy_says_with_what),
        cmocka_unit_test(nobody_is_withdrawn_while_who_votes_changes),
        cmocka_unit_test(whom_a_withdrawn_one_was_to_replace_stays),
        cmocka_unit_test(what_lies_behind_the_lists_is_nobody),
        cmocka_unit_test(a_place_is_taken_by_who_is_heard),
        cmocka_unit_test(of_less_than_a_majority_none_may_fail),
        cmocka_unit_test(who_is_counted_after_a_change_is_who_votes_then),
        cmocka_unit_test(a_roster_of_nobody_has_removed_nobody),
        cmocka_unit_test(who_is_to_vote_gets_its_entry_before_it_is_waited_for),
        cmocka_unit_test(whichever_of_them_it_is_gets_its_step),
        cmocka_unit_test(while_one_comes_nobody_goes),
        cmocka_unit_test(who_goes_first_is_waited_for),
        cmocka_unit_test(a_removal_by_a_roster_as_old_as_the_own_is_believed),
        cmocka_unit_test(no_member_comes_again_under_another_name),
        cmocka_unit_test(who_was_added_by_itself_takes_a_place_as_well),
        cmocka_unit_test(who_is_forgotten_leaves_all_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
