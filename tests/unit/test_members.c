/* members: the one step from who votes to who is to vote, and who counts. Design 3.9. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "members_world.h"

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
    assert_non_null(strstr(step.why, "w4 is not connected"));
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
    assert_string_equal(step.why, "a change of the voters is under way");
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
    assert_non_null(strstr(step.why, "w3 has not received the last change"));
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
    assert_non_null(strstr(step.why, "w4 would get a vote, but too many witnesses are not connected"));
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

/* ---- who counts ---- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_done_where_fact_and_wish_agree),
        cmocka_unit_test(one_joins_without_a_vote_and_votes_once_it_has_caught_up),
        cmocka_unit_test(one_change_is_waited_for_before_the_next),
        cmocka_unit_test(each_live_voter_has_an_entry_from_after_the_last_change),
        cmocka_unit_test(nobody_gets_a_vote_that_would_leave_no_live_majority),
        cmocka_unit_test(who_is_to_vote_gets_its_entry_before_it_is_waited_for),
        cmocka_unit_test(while_one_comes_nobody_goes),
        cmocka_unit_test(who_goes_first_is_waited_for),
        cmocka_unit_test(whichever_of_them_it_is_gets_its_step),
        cmocka_unit_test(the_old_one_goes_once_the_new_one_votes),
        cmocka_unit_test(nobody_goes_without_whom_no_two_live_ones_are_a_majority),
        cmocka_unit_test(a_leader_that_is_to_go_hands_over_first),
        cmocka_unit_test(who_has_no_vote_goes_at_once),
        cmocka_unit_test(who_hands_over_or_is_forgotten_waits_for_no_entry),
        cmocka_unit_test(how_many_may_fail_is_counted_before_halfway_and_after),
        cmocka_unit_test(of_less_than_a_majority_none_may_fail),
        cmocka_unit_test(who_is_counted_after_a_change_is_who_votes_then),
        cmocka_unit_test(what_lies_behind_the_lists_is_nobody),
        cmocka_unit_test(who_is_forgotten_leaves_all_others),
        cmocka_unit_test(who_begins_anew_is_alone_and_no_id_is_given_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
