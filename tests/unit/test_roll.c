/* roll, hello: who may vote, stand and be heard; and that a voter that was wiped is none. 3.9, I3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/consensus/hello.h>
#include <breakwater/consensus/roll.h>

static const uint64_t voters[] = {1, 2, 3};
#define VOTERS 3

static struct bw_id inc(uint8_t life, uint64_t id)
{
    return (struct bw_id){{life, (uint8_t)id}};
}

/* Of the first directories. */
static struct bw_roster first_roster(void)
{
    return (struct bw_roster){
        .count = 3,
        .members = {{.id = 1, .incarnation = inc(1, 1)},
                    {.id = 2, .incarnation = inc(1, 2)},
                    {.id = 3, .incarnation = inc(1, 3)}}};
}

static struct bw_roll member(uint64_t id, uint8_t life, bool is_founder)
{
    struct bw_roll roll;

    bw_roll_init(&roll, id, inc(life, id), is_founder ? BW_ROLL_FOUNDER : BW_ROLL_FOUNDING);
    return roll;
}

static void take(struct bw_roll *roll, uint64_t index)
{
    const struct bw_roster roster = first_roster();

    assert_int_equal(bw_roll_take(roll, &roster, index, NULL), BW_OK);
}

/* ---- the roster ---- */

static void a_roster_is_read_as_it_was_written_and_nothing_else_is(void **state)
{
    const struct bw_roster roster = first_roster();
    struct bw_roster read;
    uint8_t bytes[BW_ROSTER_BYTES_MAX];
    const size_t size = bw_roster_encode(&roster, bytes);

    (void)state;
    assert_int_equal(size, 8 + 24 * 3);
    assert_true(bw_roster_decode(bytes, size, &read));
    assert_int_equal(read.count, 3);
    assert_memory_equal(read.members, roster.members, 3 * sizeof roster.members[0]);
    for (size_t cut = 0; cut < size; cut++)
        assert_false(bw_roster_decode(bytes, cut, &read));
    bytes[8 + 24] = 1; /* the same id twice */
    assert_false(bw_roster_decode(bytes, size, &read));
    bytes[8 + 24] = 2;
    memset(bytes + 16, 0, BW_ID_BYTES); /* no incarnation */
    assert_false(bw_roster_decode(bytes, size, &read));
    memset(bytes, 0, sizeof bytes);
    assert_false(bw_roster_decode(bytes, 8, &read));
}

static void a_directory_that_the_roster_does_not_name_for_its_id_must_end(void **state)
{
    struct bw_roll roll = member(2, 2, false);
    const struct bw_roster roster = first_roster();
    struct bw_diag diag = {0};

    (void)state;
    assert_int_equal(bw_roll_take(&roll, &roster, 2, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "knows witness 2 by a data directory 0102"));
    assert_true(bw_roll_is_bare(&roll));
}

static void a_roster_goes_with_the_end_of_the_log_and_stays_in_a_snapshot(void **state)
{
    struct bw_roll roll = member(2, 1, false);

    (void)state;
    take(&roll, 2);
    bw_roll_cut(&roll, 3);
    assert_false(bw_roll_is_bare(&roll));
    bw_roll_cut(&roll, 2);
    assert_true(bw_roll_is_bare(&roll));
    take(&roll, 0);
    bw_roll_cut(&roll, 1);
    assert_false(bw_roll_is_bare(&roll));
}

static struct bw_roster second_roster(void)
{
    struct bw_roster roster = first_roster();

    roster.id_max = 4;
    for (unsigned i = 0; i < roster.count; i++) {
        struct bw_roster_member *member = &roster.members[i];

        (void)snprintf(member->name, sizeof member->name, "w%u", i + 1);
        (void)snprintf(member->address, sizeof member->address, "h%u:7400", i + 1);
        (void)snprintf(member->raft, sizeof member->raft, "h%u:7401", i + 1);
        (void)snprintf(member->failure_domain, sizeof member->failure_domain, "zone-%u", i + 1);
    }
    roster.members[1].is_leaving = true;
    return roster;
}

static void a_roster_with_names_is_read_as_it_was_written(void **state)
{
    struct bw_roster roster = second_roster();
    struct bw_roster read;
    uint8_t bytes[BW_ROSTER_BYTES_MAX];
    const size_t size = bw_roster_encode(&roster, bytes);

    (void)state;
    assert_int_equal(size, 16 + 3 * BW_ROSTER_MEMBER_BYTES);
    assert_true(bw_roster_decode(bytes, size, &read));
    assert_int_equal(read.id_max, 4);
    assert_true(read.members[1].is_leaving);
    assert_string_equal(read.members[2].name, "w3");
    assert_string_equal(read.members[2].raft, "h3:7401");
    for (size_t cut = 0; cut < size; cut += 7)
        assert_false(bw_roster_decode(bytes, cut, &read));
    bytes[size - 1] = 1; /* behind the end of a text */
    assert_false(bw_roster_decode(bytes, size, &read));
    roster.id_max = 2; /* less than an id that is given */
    assert_false(bw_roster_decode(bytes, bw_roster_encode(&roster, bytes), &read));
    roster = second_roster();
    (void)strcpy(roster.members[2].name, "w1"); /* twice */
    assert_false(bw_roster_decode(bytes, bw_roster_encode(&roster, bytes), &read));
}

/* A leader writes one only once the one before is committed: so that is what counts again. */
static void a_roster_that_is_cut_off_gives_way_to_the_one_before(void **state)
{
    struct bw_roll roll = member(3, 1, false);
    const struct bw_roster second = second_roster();

    (void)state;
    take(&roll, 2);
    assert_int_equal(bw_roll_take(&roll, &second, 30, NULL), BW_OK);
    assert_int_equal(roll.roster.id_max, 4);
    bw_roll_cut(&roll, 31);
    assert_int_equal(roll.roster.id_max, 4);
    bw_roll_cut(&roll, 30);
    assert_int_equal(roll.roster.count, 3);
    assert_int_equal(roll.roster.id_max, 0);
    assert_true(bw_roll_may_stand(&roll));
    assert_int_equal(bw_roll_take(&roll, &second, 0, NULL), BW_OK); /* a snapshot replaces all */
    bw_roll_cut(&roll, 1);
    assert_int_equal(roll.roster.id_max, 4);
}

/* Only what was applied counts for the end: it never comes back. */
static void one_is_removed_by_what_was_applied(void **state)
{
    struct bw_roll roll = member(3, 1, false);
    struct bw_roll newer = member(5, 1, false);
    struct bw_roster rest = second_roster();

    (void)state;
    rest.count = 2;
    take(&roll, 2);
    assert_int_equal(bw_roll_take(&roll, &rest, 30, NULL), BW_OK);
    assert_false(bw_roll_is_removed(&roll));
    assert_false(bw_roll_may_vote(&roll, 100));
    bw_roll_apply(&roll, &rest);
    assert_true(bw_roll_is_removed(&roll));
    bw_roll_apply(&newer, &rest); /* id 5 was not given by then */
    assert_false(bw_roll_is_removed(&newer));
}

static void who_joins_neither_votes_nor_stands_until_a_roster_names_it(void **state)
{
    struct bw_roll roll;
    struct bw_roster roster = second_roster();

    (void)state;
    bw_roll_init(&roll, 4, inc(1, 4), BW_ROLL_JOINING);
    assert_false(bw_roll_may_vote(&roll, 0));
    assert_false(bw_roll_may_vote(&roll, 100));
    assert_false(bw_roll_may_stand(&roll));
    take(&roll, 2);
    assert_false(bw_roll_may_vote(&roll, 100));
    roster.members[roster.count] = roster.members[2];
    roster.members[roster.count].id = 4;
    roster.members[roster.count++].incarnation = inc(1, 4);
    assert_int_equal(bw_roll_take(&roll, &roster, 30, NULL), BW_OK);
    assert_true(bw_roll_may_vote(&roll, 100));
    assert_true(bw_roll_may_stand(&roll));
}

/* It was added while this one was away, and leads by now. */
static void an_id_above_all_that_are_known_is_heard(void **state)
{
    struct bw_roll roll = member(3, 1, false);
    const struct bw_roster second = second_roster();

    (void)state;
    take(&roll, 2);
    assert_int_equal(bw_roll_meet(&roll, 4, inc(1, 4), NULL), BW_OK);
    assert_true(bw_roll_hears(&roll, 4));
    assert_int_equal(bw_roll_take(&roll, &second, 30, NULL), BW_OK); /* 4 was removed */
    assert_false(bw_roll_hears(&roll, 4));
    assert_int_equal(bw_roll_meet(&roll, 4, inc(1, 4), NULL), BW_ERR_REFUSED);
    assert_int_equal(bw_roll_meet(&roll, 5, inc(1, 5), NULL), BW_OK);
}

/* ---- L20, L21: votes ---- */

static void a_member_votes_if_the_roster_names_its_own_directory(void **state)
{
    struct bw_roll roll = member(2, 1, false);
    struct bw_roster without = first_roster();

    (void)state;
    take(&roll, 2);
    assert_true(bw_roll_may_vote(&roll, 100));
    assert_true(bw_roll_may_stand(&roll));

    without.members[1] = without.members[2];
    without.count = 2;
    assert_int_equal(bw_roll_take(&roll, &without, 7, NULL), BW_OK);
    assert_false(bw_roll_may_vote(&roll, 100));
    assert_false(bw_roll_may_stand(&roll));
}

/* What asks for its vote knows entries, or only says so: it does not, and cannot compare. */
static void with_a_bare_log_only_who_has_a_young_one_gets_a_vote(void **state)
{
    const struct bw_roll wiped = member(2, 2, false);

    (void)state;
    assert_true(bw_roll_may_vote(&wiped, BW_ROLL_BARE_INDEX));
    assert_true(bw_roll_may_vote(&wiped, BW_ROLL_ROSTER_INDEX)); /* its founder crashed just then */
    assert_true(bw_roll_may_vote(&wiped, BW_ROLL_YOUNG_INDEX_MAX)); /* and was elected in vain */
    assert_false(bw_roll_may_vote(&wiped, BW_ROLL_YOUNG_INDEX_MAX + 1));
    assert_false(bw_roll_may_vote(&wiped, 1000));
}

/* I3: of two votes one may be that of a directory which was made anew. */
static void who_has_a_young_log_needs_the_votes_of_all(void **state)
{
    const struct bw_roll founder = member(1, 1, true);
    struct bw_roll roll = member(2, 1, false);

    (void)state;
    assert_true(bw_roll_needs_all(&founder, BW_ROLL_BARE_INDEX));
    assert_true(bw_roll_needs_all(&founder, 1000)); /* it has lost what it was founded with */
    take(&roll, BW_ROLL_ROSTER_INDEX);
    assert_true(bw_roll_needs_all(&roll, BW_ROLL_ROSTER_INDEX));
    assert_true(bw_roll_needs_all(&roll, BW_ROLL_YOUNG_INDEX_MAX));
    assert_false(bw_roll_needs_all(&roll, BW_ROLL_YOUNG_INDEX_MAX + 1));
}

static void with_a_bare_log_only_the_founder_stands_and_it_votes_for_all(void **state)
{
    const struct bw_roll founder = member(1, 1, true);
    const struct bw_roll other = member(2, 1, false);

    (void)state;
    assert_true(bw_roll_may_stand(&founder));
    assert_true(bw_roll_may_vote(&founder, 1000)); /* one that heard of its first entry before it */
    assert_false(bw_roll_may_stand(&other));
}

static void a_log_grows_out_of_its_youth_once_all_have_its_roster(void **state)
{
    struct bw_roll roll = member(1, 1, true);

    (void)state;
    assert_int_equal(bw_roll_lacks(&roll, BW_ROLL_BARE_INDEX, BW_ROLL_BARE_INDEX), 0);
    take(&roll, BW_ROLL_ROSTER_INDEX);
    assert_int_equal(bw_roll_lacks(&roll, BW_ROLL_BARE_INDEX, BW_ROLL_ROSTER_INDEX), 0);
    assert_int_equal(bw_roll_lacks(&roll, BW_ROLL_ROSTER_INDEX, BW_ROLL_ROSTER_INDEX),
                     BW_ROLL_YOUNG_INDEX_MAX + 1 - BW_ROLL_ROSTER_INDEX);
    assert_int_equal(bw_roll_lacks(&roll, BW_ROLL_ROSTER_INDEX, BW_ROLL_YOUNG_INDEX_MAX), 1);
    assert_int_equal(bw_roll_lacks(&roll, BW_ROLL_ROSTER_INDEX, BW_ROLL_YOUNG_INDEX_MAX + 1), 0);
}

static void a_founder_is_elected_by_all(void **state)
{
    struct bw_roll founder = member(1, 1, true);

    (void)state;
    assert_false(bw_roll_count_vote(&founder, 2, 5, true, voters, VOTERS));
    assert_false(bw_roll_count_vote(&founder, 2, 5, true, voters, VOTERS)); /* said twice */
    assert_false(bw_roll_count_vote(&founder, 3, 5, false, voters, VOTERS)); /* another question */
    assert_false(bw_roll_count_vote(&founder, 3, 6, false, voters, VOTERS)); /* another term */
    assert_true(bw_roll_count_vote(&founder, 2, 6, false, voters, VOTERS));
    assert_int_equal(founder.granted_count, 2);
}

static void a_vote_of_a_directory_that_is_gone_does_not_count(void **state)
{
    struct bw_roll founder = member(1, 1, true);

    (void)state;
    assert_int_equal(bw_roll_meet(&founder, 2, inc(1, 2), NULL), BW_OK);
    assert_false(bw_roll_count_vote(&founder, 2, 6, false, voters, VOTERS));
    assert_int_equal(bw_roll_meet(&founder, 2, inc(2, 2), NULL), BW_OK); /* made anew meanwhile */
    assert_false(bw_roll_count_vote(&founder, 3, 6, false, voters, VOTERS));
    assert_true(bw_roll_count_vote(&founder, 2, 6, false, voters, VOTERS));
}

static void the_roster_is_of_those_who_were_met(void **state)
{
    struct bw_roll founder = member(2, 1, true);
    struct bw_roster roster;

    (void)state;
    assert_int_equal(bw_roll_meet(&founder, 3, inc(1, 3), NULL), BW_OK);
    assert_false(bw_roll_draft(&founder, voters, VOTERS, &roster));
    assert_int_equal(bw_roll_meet(&founder, 1, inc(1, 1), NULL), BW_OK);
    assert_true(bw_roll_draft(&founder, voters, VOTERS, &roster));
    assert_int_equal(roster.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(roster.members[i].id, i + 1);
        assert_true(bw_id_equal(roster.members[i].incarnation, inc(1, i + 1)));
    }
}

/* ---- L22: who is heard ---- */

static void another_directory_of_a_known_id_is_refused(void **state)
{
    struct bw_roll roll = member(1, 1, true);
    struct bw_diag diag = {0};

    (void)state;
    take(&roll, 2);
    assert_false(bw_roll_hears(&roll, 2)); /* it has not said who it is */
    assert_int_equal(bw_roll_meet(&roll, 2, inc(2, 2), &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "made anew"));
    assert_non_null(strstr(diag.text, "members replace OLD NEW"));
    assert_false(bw_roll_hears(&roll, 2));
    assert_int_equal(bw_roll_meet(&roll, 2, inc(1, 2), NULL), BW_OK);
    assert_true(bw_roll_hears(&roll, 2));
    assert_int_equal(bw_roll_meet(&roll, 1, inc(1, 1), NULL), BW_ERR_INVALID);
    assert_int_equal(bw_roll_meet(&roll, 2, (struct bw_id){{0}}, NULL), BW_ERR_INVALID);
}

/* Its connection may be older than the roster that says who it is. */
static void who_was_met_before_the_roster_is_judged_by_it(void **state)
{
    struct bw_roll roll = member(1, 1, false);

    (void)state;
    assert_int_equal(bw_roll_meet(&roll, 2, inc(2, 2), NULL), BW_OK);
    assert_int_equal(bw_roll_meet(&roll, 3, inc(1, 3), NULL), BW_OK);
    assert_true(bw_roll_hears(&roll, 2));
    take(&roll, 2);
    assert_false(bw_roll_hears(&roll, 2));
    assert_true(bw_roll_hears(&roll, 3));
}

/* ---- hello ---- */

static struct bw_hello hello(enum bw_hello_word word, uint64_t from, uint8_t life, uint64_t to)
{
    return (struct bw_hello){.word = word,
                             .cluster_id = {{7}},
                             .incarnation = inc(life, from),
                             .from = from,
                             .to = to};
}

static void first_words_are_read_as_they_were_written(void **state)
{
    const struct bw_hello sent = hello(BW_HELLO_JOIN, 2, 1, 1);
    struct bw_hello contact;
    uint8_t bytes[BW_HELLO_BYTES];

    (void)state;
    bw_hello_encode(&sent, bytes);
    assert_true(bw_hello_decode(bytes, &contact));
    assert_memory_equal(&contact.incarnation, &sent.incarnation, sizeof sent.incarnation);
    assert_int_equal(contact.from, 2);
    assert_int_equal(contact.to, 1);
    bytes[8] = 10;
    assert_false(bw_hello_decode(bytes, &contact));
    bytes[8] = 1;
    bytes[7] ^= 1;
    assert_false(bw_hello_decode(bytes, &contact));
}

static enum bw_hello_word judged(struct bw_roll *roll, const struct bw_hello *theirs,
                                 const char *why)
{
    const struct bw_hello self = hello(BW_HELLO_WELCOME, 1, 1, 2);
    struct bw_diag diag = {0};
    const enum bw_hello_word word = bw_hello_judge(&self, roll, 2, theirs, &diag);

    if (strstr(diag.text, why) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", why, diag.text);
    return word;
}

static void a_hello_is_answered_with_what_is_wrong(void **state)
{
    struct bw_roll roll = member(1, 1, true);
    struct bw_hello theirs = hello(BW_HELLO_JOIN, 2, 1, 1);

    (void)state;
    theirs.cluster_id.bytes[0] = 8;
    assert_int_equal(judged(&roll, &theirs, "without the --cluster-id"), BW_HELLO_OTHER_CLUSTER);
    theirs = hello(BW_HELLO_JOIN, 3, 1, 1); /* the certificate says 2 */
    assert_int_equal(judged(&roll, &theirs, "says that it is witness 3"), BW_HELLO_OTHER_ID);
    theirs = hello(BW_HELLO_JOIN, 2, 1, 3); /* it takes us for another */
    assert_int_equal(judged(&roll, &theirs, "speaks to witness 3"), BW_HELLO_OTHER_ID);
    theirs = hello(BW_HELLO_ASK, 2, 2, 1);
    assert_int_equal(judged(&roll, &theirs, ""), BW_HELLO_WELCOME);
    assert_false(bw_roll_has_met(&roll, 2)); /* who asks is not there yet */
    theirs = hello(BW_HELLO_JOIN, 2, 1, 1);
    assert_int_equal(judged(&roll, &theirs, ""), BW_HELLO_WELCOME);
    assert_true(bw_roll_has_met(&roll, 2));

    theirs.expected = inc(9, 1); /* we are the one that was made anew */
    assert_int_equal(judged(&roll, &theirs, "knows this witness, 1, by another"),
                     BW_HELLO_OTHER_INCARNATION);

    take(&roll, 2);
    assert_true(bw_id_equal(bw_roll_expects(&roll, 3), inc(1, 3)));
    theirs = hello(BW_HELLO_ASK, 2, 2, 1);
    assert_int_equal(judged(&roll, &theirs, "known"), BW_HELLO_OTHER_INCARNATION);
    theirs = hello(BW_HELLO_JOIN, 2, 2, 1);
    assert_int_equal(judged(&roll, &theirs, "made anew"), BW_HELLO_OTHER_INCARNATION);
}

/* w3 was removed: ids 1, 2 and 4 are left. Applied: committed, so for ever. */
static struct bw_roster without_3(void)
{
    struct bw_roster roster = {.count = 3, .id_max = 4};
    static const uint64_t ids[] = {1, 2, 4};

    for (unsigned i = 0; i < roster.count; i++) {
        struct bw_roster_member *own = &roster.members[i];

        own->id = ids[i];
        own->incarnation = inc(1, ids[i]);
        (void)snprintf(own->name, sizeof own->name, "w%d", (int)ids[i]);
        (void)snprintf(own->address, sizeof own->address, "h%d:7400", (int)ids[i]);
        (void)snprintf(own->raft, sizeof own->raft, "h%d:7401", (int)ids[i]);
    }
    return roster;
}

static void who_was_removed_hears_so_by_what_is_applied_only(void **state)
{
    const struct bw_hello self = hello(BW_HELLO_WELCOME, 1, 1, 3);
    struct bw_hello theirs = hello(BW_HELLO_JOIN, 3, 1, 1);
    struct bw_roll roll = member(1, 1, true);
    const struct bw_roster rest = without_3();
    struct bw_diag diag = {0};

    (void)state;
    assert_int_equal(bw_roll_take(&roll, &rest, 20, &diag), BW_OK);
    assert_int_equal(bw_hello_judge(&self, &roll, 3, &theirs, &diag), BW_HELLO_OTHER_INCARNATION);
    bw_roll_apply(&roll, &rest);
    assert_int_equal(bw_hello_judge(&self, &roll, 3, &theirs, &diag), BW_HELLO_REMOVED);
    /* its name is no member's any more, or another's by now */
    assert_int_equal(bw_hello_judge(&self, &roll, 0, &theirs, &diag), BW_HELLO_REMOVED);
    assert_int_equal(bw_hello_judge(&self, &roll, 4, &theirs, &diag), BW_HELLO_REMOVED);
    theirs.to = 2; /* it takes us for another */
    assert_int_equal(bw_hello_judge(&self, &roll, 3, &theirs, &diag), BW_HELLO_OTHER_ID);
    theirs = hello(BW_HELLO_JOIN, 5, 1, 1); /* has come since, and we lag */
    assert_int_equal(bw_hello_judge(&self, &roll, 5, &theirs, &diag), BW_HELLO_WELCOME);
    theirs = hello(BW_HELLO_JOIN, 3, 1, 1);
    theirs.cluster_id.bytes[0] = 8;
    assert_int_equal(bw_hello_judge(&self, &roll, 3, &theirs, &diag), BW_HELLO_OTHER_CLUSTER);
}

static void a_removal_is_read_as_it_was_written_and_believed_of_who_was_dialed(void **state)
{
    struct bw_hello sent = hello(BW_HELLO_REMOVED, 1, 1, 3);
    struct bw_roll roll = member(3, 1, false);
    struct bw_members_hearer hearer = {
        .cluster_id = sent.cluster_id, .id = 3, .generation = 2, .applied = &roll.applied};
    struct bw_hello received;
    uint8_t bytes[BW_HELLO_BYTES];

    (void)state;
    sent.generation = 2;
    sent.id_max = 4;
    bw_hello_encode(&sent, bytes);
    assert_true(bw_hello_decode(bytes, &received));
    assert_int_equal(received.generation, 2);
    assert_int_equal(received.id_max, 4);
    assert_true(bw_id_is_none(received.expected));
    assert_true(bw_hello_is_removal(1, &received, &hearer));
    assert_false(bw_hello_is_removal(2, &received, &hearer)); /* another was dialed */
    hearer.generation = 3;
    assert_false(bw_hello_is_removal(1, &received, &hearer)); /* of an older generation */
    hearer.generation = 2;
    received.word = BW_HELLO_WELCOME;
    assert_false(bw_hello_is_removal(1, &received, &hearer));
}

static void a_certificate_is_said_in_seconds_within_reason(void **state)
{
    struct bw_hello sent = hello(BW_HELLO_CERTIFICATE, 1, 1, 3);
    struct bw_hello received;
    uint8_t bytes[BW_HELLO_BYTES];

    (void)state;
    sent.certificate_left_s = 7776000;
    bw_hello_encode(&sent, bytes);
    assert_true(bw_hello_decode(bytes, &received));
    assert_int_equal(received.word, BW_HELLO_CERTIFICATE);
    assert_int_equal(received.certificate_left_s, 7776000);
    bytes[56] = 1;
    assert_false(bw_hello_decode(bytes, &received));
    sent.certificate_left_s = BW_HELLO_CERTIFICATE_S_MAX + 1;
    bw_hello_encode(&sent, bytes);
    assert_false(bw_hello_decode(bytes, &received));
}

static void what_a_witness_knows_to_be_decided_is_told_after_its_welcome(void **state)
{
    struct bw_hello sent = hello(BW_HELLO_COMMITTED, 1, 1, 3);
    struct bw_hello received;
    uint8_t bytes[BW_HELLO_BYTES];

    (void)state;
    sent.committed = (struct bw_commit_mark){.index = 4711, .term = 8};
    bw_hello_encode(&sent, bytes);
    assert_true(bw_hello_decode(bytes, &received));
    assert_int_equal(received.word, BW_HELLO_COMMITTED);
    assert_int_equal(received.committed.index, 4711);
    assert_int_equal(received.committed.term, 8);
    sent.committed.term = 0;
    bw_hello_encode(&sent, bytes);
    assert_false(bw_hello_decode(bytes, &received));
}

static void a_question_for_a_term_and_its_answer_are_told_after_the_welcome(void **state)
{
    struct bw_hello sent = hello(BW_HELLO_TERM, 1, 1, 3);
    struct bw_hello received;
    uint8_t bytes[BW_HELLO_BYTES];

    (void)state;
    sent.term = (struct bw_term_word){.number = 4711, .asked = 8, .term = 9};
    bw_hello_encode(&sent, bytes);
    assert_true(bw_hello_decode(bytes, &received));
    assert_int_equal(received.word, BW_HELLO_TERM);
    assert_int_equal(received.from, 1);
    assert_int_equal(received.term.number, 4711);
    assert_int_equal(received.term.asked, 8);
    assert_int_equal(received.term.term, 9);
    bytes[56] = 1;
    assert_false(bw_hello_decode(bytes, &received));
    sent.term = (struct bw_term_word){.number = 4711, .asked = 8}; /* a question */
    bw_hello_encode(&sent, bytes);
    assert_true(bw_hello_decode(bytes, &received));
    sent.term.asked = 0;
    bw_hello_encode(&sent, bytes);
    assert_false(bw_hello_decode(bytes, &received));
    sent.term = (struct bw_term_word){.asked = 8, .term = 8};
    bw_hello_encode(&sent, bytes);
    assert_false(bw_hello_decode(bytes, &received));
}

static void a_release_is_text_that_can_be_shown(void **state)
{
    struct bw_hello sent = hello(BW_HELLO_RELEASE, 1, 1, 3);
    struct bw_hello received;
    uint8_t bytes[BW_HELLO_BYTES];

    (void)state;
    (void)snprintf(sent.release, sizeof sent.release, "0.3.0~rc1+deb12");
    bw_hello_encode(&sent, bytes);
    assert_true(bw_hello_decode(bytes, &received));
    assert_string_equal(received.release, "0.3.0~rc1+deb12");
    bytes[32] = '\033';
    assert_false(bw_hello_decode(bytes, &received));
    bytes[32] = '\0';
    assert_false(bw_hello_decode(bytes, &received));
    memset(bytes + 32, '1', BW_HELLO_RELEASE_BYTES); /* no end */
    assert_false(bw_hello_decode(bytes, &received));
}

static void who_dialed_judges_the_answer(void **state)
{
    struct bw_roll roll = member(2, 2, false);
    const struct bw_hello self = hello(BW_HELLO_JOIN, 2, 2, 1);
    struct bw_hello answer = hello(BW_HELLO_OTHER_INCARNATION, 1, 1, 2);
    struct bw_diag diag = {0};

    (void)state;
    answer.expected = inc(1, 2);
    assert_int_equal(bw_hello_take_answer(&self, &roll, 1, &answer, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "knows this witness, 2, by another data directory"));
    assert_non_null(strstr(diag.text, "members replace OLD NEW"));
    answer = hello(BW_HELLO_WELCOME, 3, 1, 2);
    assert_int_equal(bw_hello_take_answer(&self, &roll, 1, &answer, &diag), BW_ERR_REFUSED);
    answer = hello(BW_HELLO_WELCOME, 1, 1, 2);
    assert_int_equal(bw_hello_take_answer(&self, &roll, 1, &answer, &diag), BW_OK);
    assert_true(bw_roll_hears(&roll, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_roster_with_names_is_read_as_it_was_written),
        cmocka_unit_test(a_roster_that_is_cut_off_gives_way_to_the_one_before),
        cmocka_unit_test(one_is_removed_by_what_was_applied),
        cmocka_unit_test(who_joins_neither_votes_nor_stands_until_a_roster_names_it),
        cmocka_unit_test(an_id_above_all_that_are_known_is_heard),
        cmocka_unit_test(a_roster_is_read_as_it_was_written_and_nothing_else_is),
        cmocka_unit_test(a_directory_that_the_roster_does_not_name_for_its_id_must_end),
        cmocka_unit_test(a_roster_goes_with_the_end_of_the_log_and_stays_in_a_snapshot),
        cmocka_unit_test(a_member_votes_if_the_roster_names_its_own_directory),
        cmocka_unit_test(with_a_bare_log_only_who_has_a_young_one_gets_a_vote),
        cmocka_unit_test(who_has_a_young_log_needs_the_votes_of_all),
        cmocka_unit_test(with_a_bare_log_only_the_founder_stands_and_it_votes_for_all),
        cmocka_unit_test(a_log_grows_out_of_its_youth_once_all_have_its_roster),
        cmocka_unit_test(a_founder_is_elected_by_all),
        cmocka_unit_test(a_vote_of_a_directory_that_is_gone_does_not_count),
        cmocka_unit_test(the_roster_is_of_those_who_were_met),
        cmocka_unit_test(another_directory_of_a_known_id_is_refused),
        cmocka_unit_test(who_was_met_before_the_roster_is_judged_by_it),
        cmocka_unit_test(first_words_are_read_as_they_were_written),
        cmocka_unit_test(a_hello_is_answered_with_what_is_wrong),
        cmocka_unit_test(who_was_removed_hears_so_by_what_is_applied_only),
        cmocka_unit_test(a_removal_is_read_as_it_was_written_and_believed_of_who_was_dialed),
        cmocka_unit_test(a_question_for_a_term_and_its_answer_are_told_after_the_welcome),
        cmocka_unit_test(a_release_is_text_that_can_be_shown),
        cmocka_unit_test(a_certificate_is_said_in_seconds_within_reason),
        cmocka_unit_test(what_a_witness_knows_to_be_decided_is_told_after_its_welcome),
        cmocka_unit_test(who_dialed_judges_the_answer),
    };

    return cmocka_run_group_tests_name("roll", tests, NULL, NULL);
}
