/* members: what people may order, and what an order is refused for. Design 3.9. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "members_world.h"

/* w1 to w3 vote, and w4 has been added and has no vote yet. */
static void begin_joining(void)
{
    const struct bw_roster_member joining = witness(4);
    struct bw_roster wanted;

    begin(3);
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_OK);
    roster = wanted;
    fact(4)->role = BW_MEMBER_STANDBY;
}

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
    assert_non_null(strstr(diag.text, "w3 has this address: give w5 another one. If w3 has moved, write "));
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
    assert_non_null(strstr(diag.text, "without w3, only 1 of 2 voters would be connected"));
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
    assert_non_null(strstr(diag.text, "breakwater members add w3 cancels it"));
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

/* An id keeps its name. */
static void no_member_comes_again_under_another_name(void **state)
{
    struct bw_roster_member renamed = witness(2);

    (void)state;
    begin(3);
    (void)strcpy(renamed.name, "w9");
    assert_int_equal(bw_members_judge(&roster, &renamed, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "id 2 is used (the highest one is 3)"));
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
    begin_joining();
    fact(4)->is_live = false;
    assert_int_equal(bw_members_add(&roster, &facts, &other, &wanted, &diag), BW_ERR_BUSY);
    assert_string_equal(diag.text,
                        "another change is under way: w4 is joining, and w4 is not connected: is it "
                        "running?; one at a time (breakwater members remove w4 cancels it, and "
                        "its id is never used again)");
    begin(3);
    roster.members[1].is_leaving = true;
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_ERR_BUSY);
    assert_string_equal(diag.text, "another change is under way: w2 is leaving; one at a time "
                                   "(breakwater members add w2 cancels it)");
    begin(3);
    roster.members[0].is_leaving = true;
    assert_int_equal(bw_members_add(&roster, &facts, &joining, &wanted, &diag), BW_ERR_BUSY);
    assert_non_null(strstr(diag.text, "w1 is leaving"));
}

/* Its vote may be what is under way. */
static void nobody_is_withdrawn_while_who_votes_changes(void **state)
{
    struct bw_roster wanted;

    (void)state;
    begin_joining();
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
    assert_string_equal(diag.text, "w4 is a member already");
    fact(4)->is_live = false;
    assert_int_equal(bw_members_replace(&roster, &facts, "w2", &joining, &wanted, &diag),
                     BW_ERR_EXISTS);
    assert_string_equal(diag.text, "w2 is leaving");
    drop_fact(2); /* it has left, and is not forgotten yet */
    assert_int_equal(bw_members_replace(&roster, &facts, "w2", &joining, &wanted, &diag),
                     BW_ERR_EXISTS);
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
    assert_non_null(strstr(diag.text, "cannot replace itself"));
    assert_int_equal(bw_members_replace(&roster, &facts, "gone", &third, &after, &diag),
                     BW_ERR_NOT_FOUND); /* typed wrong, for all that is known: not "done" */
    assert_non_null(strstr(diag.text, "(it was removed, or the name is wrong), and w3 is a member already"));
    fact(3)->is_live = false; /* swapped: the dead one is not what took a place */
    assert_int_equal(bw_members_replace(&roster, &facts, "gone", &third, &after, &diag),
                     BW_ERR_NOT_FOUND);
}

/* It would be withdrawn by that, and its id be lost, which nobody has asked for. */
static void who_has_no_vote_yet_is_not_replaced_by_a_member(void **state)
{
    const struct bw_roster_member other = witness(5);
    struct bw_roster wanted;

    (void)state;
    begin_joining();
    assert_int_equal(bw_members_replace(&roster, &facts, "w4", &roster.members[1], &wanted, &diag),
                     BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text,
                           "w4 has no vote yet, so w2 cannot replace it. To cancel its addition (id 4 is then "
                           "never used again): breakwater members remove w4"));
    assert_int_equal(bw_members_replace(&roster, &facts, "w4", &other, &wanted, &diag),
                     BW_ERR_BUSY);
    assert_non_null(
        strstr(diag.text, "members remove w4 cancels it, and its id is never used again"));
    assert_int_equal(bw_members_remove(&roster, &facts, "w4", &wanted, &diag), BW_OK);
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
        cmocka_unit_test(an_id_is_given_once_and_a_name_is_ones_own),
        cmocka_unit_test(there_is_one_change_at_a_time_and_what_has_no_vote_is_withdrawn),
        cmocka_unit_test(members_change_from_the_level_on_that_knows_it),
        cmocka_unit_test(nobody_is_ordered_to_go_whom_the_others_cannot_spare),
        cmocka_unit_test(a_removal_that_cannot_be_done_is_taken_back),
        cmocka_unit_test(a_cluster_of_several_keeps_two_and_has_at_most_seven),
        cmocka_unit_test(no_member_comes_again_under_another_name),
        cmocka_unit_test(who_was_added_by_itself_takes_a_place_as_well),
        cmocka_unit_test(no_member_has_an_address_of_another),
        cmocka_unit_test(who_joins_is_not_leaving_whatever_it_says),
        cmocka_unit_test(who_is_busy_says_with_what),
        cmocka_unit_test(nobody_is_withdrawn_while_who_votes_changes),
        cmocka_unit_test(whom_a_withdrawn_one_was_to_replace_stays),
        cmocka_unit_test(a_place_is_taken_by_who_is_heard),
        cmocka_unit_test(nobody_takes_the_own_place_and_one_that_is_not_heard_took_none),
        cmocka_unit_test(who_has_no_vote_yet_is_not_replaced_by_a_member),
        cmocka_unit_test(an_id_far_above_the_highest_is_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
