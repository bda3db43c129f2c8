/* safe_io: what a witness sends and takes, L5-L7, L11-L14, L16, L25, L26 and L32, each against
 * a scripted backend. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../src/consensus/safe_internal.h"
#include "safe_io_world.h"

/* ---- L5, L6 ---------------------------------------------------------------------------------- */

static void a_newer_snapshot_is_sent_under_its_own_term(void **state)
{
    static struct raft_io_snapshot_get get;
    static struct raft_io_send send;
    struct raft_snapshot snapshot = {.index = 482, .term = 9};
    struct raft_message message = {.type = RAFT_INSTALL_SNAPSHOT, .server_id = 2};

    (void)state;
    assert_int_equal(io()->snapshot_get(io(), &get, on_get), 0);
    world->get->cb(world->get, &snapshot, 0);
    message.install_snapshot.last_index = 482;
    message.install_snapshot.last_term = 8;
    assert_int_equal(io()->send(io(), &send, &message, on_sent), 0);

    assert_int_equal(world->sent.install_snapshot.last_term, 9);
    assert_int_equal(world->safe.counts.terms_patched, 1);
}

/* What libraft does with a snapshot it got, see legacyLoadSnapshotCb. */
static void send_what_was_got(struct raft_message *message, struct raft_io_send *send)
{
    message->install_snapshot.last_index = world->got->index;
    message->install_snapshot.data = world->got->bufs[0];
    message->install_snapshot.conf = world->got->configuration;
    raft_free(world->got->bufs);
    raft_free(world->got);
    assert_int_equal(io()->send(io(), send, message, on_sent), 0);
    raft_configuration_close(&message->install_snapshot.conf);
    raft_free(message->install_snapshot.data.base);
}

static void a_snapshot_that_cannot_be_read_is_never_sent(void **state)
{
    static struct raft_io_snapshot_get get;
    static struct raft_io_send send;
    struct raft_message message = {.type = RAFT_INSTALL_SNAPSHOT, .server_id = 2};

    (void)state;
    assert_int_equal(io()->snapshot_get(io(), &get, on_get), 0);
    world->get->cb(world->get, NULL, RAFT_IOERR);
    assert_int_equal(world->got_status, 0);
    send_what_was_got(&message, &send);
    world->fail = RAFT_NOMEM;
    assert_int_equal(io()->snapshot_get(io(), &get, on_get), 0);
    send_what_was_got(&message, &send);

    assert_int_equal(world->sent_count, 0);
    assert_int_equal(world->send_done, 2);
    assert_int_equal(world->safe.counts.reads_failed, 2);
}

/* ---- L7 -------------------------------------------------------------------------------------- */

static void a_batch_is_cut_before_a_configuration_that_is_not_first(void **state)
{
    static const enum raft_entry_type types[] = {RAFT_CHANGE, RAFT_COMMAND, RAFT_CHANGE,
                                                 RAFT_CHANGE};
    struct raft_entry *entries = entries_of(types, 4);
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES, .server_id = 2};

    (void)state;
    message.append_entries.entries = entries;
    message.append_entries.n_entries = 4;
    world->receive(io(), &message);

    assert_int_equal(world->last_received.append_entries.n_entries, 2);
    raft_free(entries[0].batch);
    raft_free(entries);
}

/* ---- L12, L13, L14, L16 ---------------------------------------------------------------------- */

static raft_term term_answered(struct raft_request_vote_result result)
{
    static struct raft_io_send send;
    struct raft_message message = {
        .type = RAFT_REQUEST_VOTE_RESULT, .server_id = 2, .request_vote_result = result};

    assert_int_equal(io()->send(io(), &send, &message, on_sent), 0);
    world->sending->cb(world->sending, 0);
    world->sending = NULL;
    return world->sent.request_vote_result.term;
}

/* I3: without it three witnesses that hear each other may never elect a leader again (seen in the
 * simulator: the longest log at term 127, its pre-votes refused by terms 141 and 147). */
static void a_refused_pre_vote_tells_the_term_that_refused_it(void **state)
{
    (void)state;
    assert_int_equal(term_answered((struct raft_request_vote_result){.term = 3, .pre_vote = true}),
                     4);
    assert_int_equal(world->safe.counts.terms_shown, 1);
    /* What is granted, or refused for another reason, keeps the term that was asked for. */
    assert_int_equal(term_answered((struct raft_request_vote_result){.term = 5, .pre_vote = true}),
                     5);
    assert_int_equal(term_answered((struct raft_request_vote_result){
                         .term = 5, .pre_vote = true, .vote_granted = true}),
                     5);
    assert_int_equal(term_answered((struct raft_request_vote_result){.term = 4}), 4);
    assert_int_equal(world->safe.counts.terms_shown, 1);
}

/* I3: else what is submitted to that leader is acknowledged by another leader's entry (seen in the
 * simulator). */
static void a_vote_tells_no_capacity(void **state)
{
    struct raft_message message = {
        .type = RAFT_REQUEST_VOTE_RESULT,
        .server_id = 2,
        .request_vote_result = {.term = 4, .vote_granted = true, .features = 1, .capacity = 3}};

    (void)state;
    world->receive(io(), &message);

    assert_int_equal(world->received, 1);
    assert_true(world->last_received.request_vote_result.vote_granted);
    assert_int_equal(world->last_received.request_vote_result.features, 0);
}

/* L16: no byte of a pointer decides whether a follower takes the term of a vote that comes late. */
static void a_vote_tells_a_term_to_a_candidate_and_not_to_a_follower(void **state)
{
    static const struct {
        unsigned short role;
        raft_term returned, contact;
    } votes[] = {{RAFT_FOLLOWER, 4, 3},
                 {RAFT_FOLLOWER, 2, 2},
                 {RAFT_CANDIDATE, 4, 4},
                 {RAFT_LEADER, 4, 4}};

    (void)state;
    for (size_t i = 0; i < sizeof votes / sizeof votes[0]; i++) {
        struct raft raft = {.state = votes[i].role, .current_term = 3};
        struct raft_message message = {
            .type = RAFT_REQUEST_VOTE_RESULT,
            .server_id = 2,
            .request_vote_result = {.version = 2, .term = votes[i].returned, .pre_vote = true}};

        world->safe.io.data = &raft;
        world->receive(io(), &message);
        world->safe.io.data = NULL;
        assert_int_equal(world->last_received.request_vote_result.term, votes[i].contact);
    }
    assert_int_equal(world->safe.counts.terms_hidden, 1);
}

static raft_index commit_after(raft_index prev, unsigned count, raft_index commit)
{
    static const enum raft_entry_type types[2] = {RAFT_COMMAND, RAFT_COMMAND};
    struct raft_entry *entries = count > 0 ? entries_of(types, count) : NULL;
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES,
                                   .server_id = 2,
                                   .append_entries = {.term = 4,
                                                      .prev_log_index = prev,
                                                      .leader_commit = commit,
                                                      .entries = entries,
                                                      .n_entries = count}};

    world->receive(io(), &message);
    if (count > 0)
        raft_free(entries[0].batch);
    raft_free(entries);
    return world->last_received.append_entries.leader_commit;
}

/* I3: else entries are applied twice after a restart (seen in the simulator: a follower at 12795
 * was probed at 12763 by a leader at 12809, and took a snapshot of 12795 under the index 12763). */
static void a_leaders_commit_counts_up_to_what_its_message_vouches_for(void **state)
{
    (void)state;
    assert_int_equal(commit_after(12763, 0, 12809), 12763);
    assert_int_equal(commit_after(12763, 2, 12809), 12765);
    assert_int_equal(commit_after(12763, 2, 12764), 12764);
}

/* ---- L11 and sending ------------------------------------------------------------------------- */

static void contact(raft_id peer)
{
    struct raft_message message = {.type = RAFT_REQUEST_VOTE_RESULT, .server_id = peer};

    world->receive(io(), &message);
}

/* raft_match_index reads libraft's own progress array, so a real leader plays this in
 * tests/integration; here: what was heard when. */
static void a_peer_is_heard_when_it_speaks(void **state)
{
    (void)state;
    assert_int_equal(bw_safe_io_last_contact_ms(&world->safe, 2), 0);
    world->now_ms = 5000;
    contact(2);
    assert_int_equal(bw_safe_io_last_contact_ms(&world->safe, 2), 5000);
    assert_int_equal(bw_safe_io_last_contact_ms(&world->safe, 3), 0);
}

/* Over a thin line it asks for votes meanwhile: what the leader sends waits behind the snapshot. */
static void a_peer_that_receives_a_snapshot_does_not_stand_still(void **state)
{
    struct raft_message result = {.type = RAFT_APPEND_ENTRIES_RESULT, .server_id = 2};
    struct bw_safe_io_peer *peer;

    (void)state;
    world->now_ms = 5000;
    contact(2);
    peer = bw_safe_peers_find(&world->safe, 2);
    assert_false(bw_safe_peer_answers(peer, world->now_ms));
    world->receive(io(), &result);
    assert_true(bw_safe_peer_answers(peer, world->now_ms + 2000));
    assert_false(bw_safe_peer_answers(peer, world->now_ms + 2001));
    world->now_ms += 3000;
    contact(2);
    assert_false(bw_safe_peer_answers(peer, world->now_ms));
}

static bool is_told(struct bw_safe_io_peer *peer, uint64_t match, uint64_t ms)
{
    bool is_told = false;

    for (; ms > 0; ms -= 100)
        is_told |= bw_safe_peer_count(peer, match, 10, true, 100);
    return is_told;
}

static void a_peer_that_stands_still_is_told_once(void **state)
{
    struct bw_safe_io_peer peer = {.id = 2};

    (void)state;
    (void)bw_safe_peer_count(&peer, 7, 10, true, 100);
    assert_false(is_told(&peer, 7, BW_SAFE_IO_BEHIND_MS - 100));
    assert_false(bw_safe_peer_count(&peer, 7, 10, false, 100)); /* it is away, or still receives */
    assert_true(is_told(&peer, 7, 100));
    assert_false(is_told(&peer, 7, 10 * BW_SAFE_IO_BEHIND_AGAIN_MS));
    assert_false(is_told(&peer, 8, 100));
    assert_true(is_told(&peer, 8, BW_SAFE_IO_BEHIND_MS));
}

/* Nobody has taken leadership: what was to repair it has not been done. */
static void a_peer_that_stands_still_after_a_transfer_in_vain_is_told_again(void **state)
{
    struct bw_safe_io_peer *peer = bw_safe_peers_want(&world->safe, 2);

    (void)state;
    (void)bw_safe_peer_count(peer, 7, 10, true, 100);
    assert_true(is_told(peer, 7, BW_SAFE_IO_BEHIND_MS));
    assert_true(bw_safe_io_is_behind(&world->safe, 2));
    bw_safe_io_tell_again(&world->safe);
    assert_true(bw_safe_io_is_behind(&world->safe, 2)); /* and is no heir */
    assert_false(is_told(peer, 7, BW_SAFE_IO_BEHIND_AGAIN_MS - 100));
    assert_true(is_told(peer, 7, 100));
    assert_false(is_told(peer, 7, 10 * BW_SAFE_IO_BEHIND_AGAIN_MS));
    (void)bw_safe_peer_count(peer, 10, 10, true, 100);
    assert_false(bw_safe_io_is_behind(&world->safe, 2));
}

static void a_failed_send_is_a_lost_message(void **state)
{
    static struct raft_io_send send;
    struct raft_message message = {.type = RAFT_REQUEST_VOTE, .server_id = 2};

    (void)state;
    world->fail = RAFT_NOMEM;

    assert_int_equal(io()->send(io(), &send, &message, on_sent), 0);

    assert_int_equal(world->send_done, 1);
    assert_int_equal(world->send_status, RAFT_CANCELED);
}

static void a_peer_that_takes_nothing_lets_nothing_pile_up(void **state)
{
    struct raft_io_send sends[BW_SAFE_IO_SENDS_MAX + 1] = {0};
    struct raft_io_send *inner[BW_SAFE_IO_SENDS_MAX + 1];
    struct raft_message message = {.type = RAFT_REQUEST_VOTE, .server_id = 2};

    (void)state;
    for (unsigned i = 0; i <= BW_SAFE_IO_SENDS_MAX; i++) {
        assert_int_equal(io()->send(io(), &sends[i], &message, on_sent), 0);
        inner[i] = world->sending;
    }
    assert_int_equal(world->sent_count, BW_SAFE_IO_SENDS_MAX);
    assert_int_equal(world->send_done, 1);
    for (unsigned i = 0; i < BW_SAFE_IO_SENDS_MAX; i++)
        inner[i]->cb(inner[i], 0);
    world->sending = NULL;
    assert_int_equal(world->send_done, BW_SAFE_IO_SENDS_MAX + 1);
}

static void one_snapshot_at_a_time_goes_to_a_peer(void **state)
{
    static struct raft_io_send first, second;
    struct raft_message message = {.type = RAFT_INSTALL_SNAPSHOT, .server_id = 2};

    (void)state;
    assert_int_equal(io()->send(io(), &first, &message, on_sent), 0);
    assert_int_equal(io()->send(io(), &second, &message, on_sent), 0);
    assert_int_equal(world->sent_count, 1);
    world->sending->cb(world->sending, 0);
    assert_int_equal(io()->send(io(), &second, &message, on_sent), 0);
    assert_int_equal(world->sent_count, 2);
}

/* ---- L25 ------------------------------------------------------------------------------------- */

static struct raft raft;
static struct raft_server servers[2];
static struct bw_roll roll;
static int role_read;

static void on_asked(struct raft_io *asked, struct raft_message *message)
{
    (void)asked, (void)message;
    role_read = servers[1].role;
}

/* This one is witness 3, which has no vote yet as it knows, and has heard of leader 2. */
static void stand_by(bool is_in_roster)
{
    const struct bw_id ours = {{3}}, theirs = {{2}};

    servers[0] = (struct raft_server){.id = 2, .role = RAFT_VOTER};
    servers[1] = (struct raft_server){.id = 3, .role = RAFT_STANDBY};
    raft = (struct raft){.id = 3, .state = RAFT_FOLLOWER, .election_timeout = 1000};
    raft.configuration.servers = servers;
    raft.configuration.n = 2;
    raft.follower_state.current_leader.id = 2;
    roll = (struct bw_roll){.self = 3, .incarnation = ours};
    assert_int_equal(bw_roll_meet(&roll, 2, theirs, NULL), BW_OK);
    if (is_in_roster)
        roll.roster = (struct bw_roster){
            .count = 2,
            .members = {{.id = 2, .incarnation = theirs}, {.id = 3, .incarnation = ours}}};
    world->safe.config.roll = &roll;
    world->safe.io.data = &raft;
    world->safe.on_receive = on_asked;
}

static void ask_for_vote(void)
{
    struct raft_message message = {.type = RAFT_REQUEST_VOTE, .server_id = 2};

    message.request_vote.candidate_id = 2;
    role_read = -1;
    world->receive(io(), &message);
}

/* Liveness: a leader that gave it a vote may have gone before anybody heard of that; the newest log cannot do
 * without this vote any more, and no other is elected (seen in the simulator). */
static void who_has_no_vote_yet_is_taken_for_a_voter_while_it_is_asked(void **state)
{
    (void)state;
    stand_by(true);

    ask_for_vote();

    assert_int_equal(role_read, RAFT_VOTER);
    assert_int_equal(servers[1].role, RAFT_STANDBY);
    assert_int_equal(world->safe.counts.votes_lent, 1);
    world->safe.io.data = NULL;
}

/* I3, L20: it may have been a voter in a life that it knows nothing of. */
static void who_is_in_no_roster_is_not_taken_for_a_voter(void **state)
{
    (void)state;
    stand_by(false);

    ask_for_vote();

    assert_int_not_equal(role_read, RAFT_VOTER);
    assert_int_equal(world->safe.counts.votes_lent, 0);
    world->safe.io.data = NULL;
}

/* libraft's own timer is for voters only, and who knows a leader votes for nobody else. */
static void who_has_no_vote_forgets_a_leader_that_is_not_heard(void **state)
{
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES, .server_id = 2};

    (void)state;
    stand_by(true);
    world->receive(io(), &message);

    pass(9, 100);
    assert_int_equal(raft.follower_state.current_leader.id, 2);
    pass(1, 100);
    assert_int_equal(raft.follower_state.current_leader.id, 0);
    world->safe.io.data = NULL;
}

static void a_voter_forgets_its_leader_by_libraft_alone(void **state)
{
    (void)state;
    stand_by(true);
    servers[1].role = RAFT_VOTER;

    pass(20, 100);

    assert_int_equal(raft.follower_state.current_leader.id, 2);
    world->safe.io.data = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- L26 ------------------------------------------------------------------------------------- */

/* Liveness: whoever has a witness's key and no vote would end each leader as soon as it is elected.
 */
static void who_has_no_vote_asks_for_none_past_a_leader(void **state)
{
    struct raft_message message = {.type = RAFT_REQUEST_VOTE, .server_id = 3};

    (void)state;
    stand_by(true);
    world->safe.config.roll = NULL; /* who is heard is not the question */
    world->safe.on_receive = on_receive;
    for (unsigned i = 0; i < 2; i++) {
        servers[1].role = i == 0 ? RAFT_STANDBY : RAFT_VOTER;
        message.request_vote.candidate_id = 3;
        message.request_vote.disrupt_leader = true;
        world->receive(io(), &message);
        assert_int_equal(world->last_received.request_vote.disrupt_leader, i == 1);
    }
    assert_int_equal(world->received, 2); /* not unheard: where no leader is it may be needed */
    assert_int_equal(world->safe.counts.haste_ignored, 1);
    world->safe.io.data = NULL;
}

/* ---- L32 ------------------------------------------------------------------------------------- */

static void send_entries(struct raft_entry *entries, unsigned count)
{
    static struct raft_io_send send;
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES, .server_id = 2};

    message.append_entries.entries = entries;
    message.append_entries.n_entries = count;
    assert_int_equal(io()->send(io(), &send, &message, on_sent), 0);
}

static size_t all_that_waits(void *user, uint64_t peer)
{
    (void)user, (void)peer;
    return BW_SAFE_IO_LINE_BYTES_MAX + 1;
}

/* L11: libraft sends entries again with each heartbeat until the first are answered: copies would fill the line, and
 * their answers would tell of a peer that stands still. */
static void entries_wait_while_a_thin_line_is_full(void **state)
{
    static const enum raft_entry_type types[] = {RAFT_COMMAND};
    struct raft_entry *entries = entries_of(types, 1);

    (void)state;
    send_entries(entries, 1);
    assert_int_equal(world->sent_count, 1);
    world->sending->cb(world->sending, 0);
    world->safe.config.waiting_bytes = all_that_waits;
    send_entries(entries, 1);
    assert_int_equal(world->sent_count, 1);
    assert_int_equal(world->send_status, RAFT_CANCELED);
    send_entries(entries, 0);
    assert_int_equal(world->sent_count, 2); /* a heartbeat */
    world->sending->cb(world->sending, 0);
    world->safe.config.waiting_bytes = NULL;
    send_entries(entries, 1);
    assert_int_equal(world->sent_count, 3);
    world->sending->cb(world->sending, 0);
    world->sending = NULL;
    raft_free(entries[0].batch);
    raft_free(entries);
}

/* libraft frees them, and what they hold, as soon as they are sent and behind a snapshot. */
static void what_a_message_sends_outlives_the_log(void **state)
{
    static const enum raft_entry_type types[] = {RAFT_COMMAND, RAFT_BARRIER, RAFT_COMMAND};
    struct raft_entry *entries = entries_of(types, 3);
    const struct raft_entry *sent;

    (void)state;
    memcpy(entries[0].batch, "as it was", 8);
    entries[1].buf = (struct raft_buffer){NULL, 0};
    send_entries(entries, 3);
    assert_int_equal(world->send_done, 1);
    assert_int_equal(world->send_status, 0);
    raft_free(entries[0].batch);
    raft_free(entries);

    assert_int_equal(world->sent.append_entries.n_entries, 3);
    sent = world->sent.append_entries.entries;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(sent[i].type, types[i]);
        assert_int_equal(sent[i].term, 4);
        assert_int_equal(sent[i].buf.len, i == 1 ? 0 : 8);
        assert_memory_equal(sent[i].buf.base, "as it was", sent[i].buf.len);
    }
    world->sending->cb(world->sending, 0);
    world->sending = NULL;
    assert_int_equal(world->send_done, 1);
}

static void copies_of_entries_do_not_pile_up(void **state)
{
    const size_t half = BW_SAFE_IO_COPIES_BYTES / 2;
    struct raft_entry entry = {.term = 4, .type = RAFT_COMMAND, .buf = {calloc(3, half), 3 * half}};
    struct raft_io_send *first;

    (void)state;
    send_entries(&entry, 1); /* too large, and yet it has to arrive some day */
    assert_int_equal(world->sent_count, 1);
    first = world->sending;
    entry.buf.len = 1;
    send_entries(&entry, 1);
    assert_int_equal(world->sent_count, 1);
    assert_int_equal(world->send_status, RAFT_CANCELED);
    send_entries(NULL, 0); /* a heartbeat */
    assert_int_equal(world->sent_count, 2);
    world->sending->cb(world->sending, 0);

    first->cb(first, 0);
    entry.buf.len = half - sizeof entry;
    send_entries(&entry, 1);
    first = world->sending;
    send_entries(&entry, 1);
    assert_int_equal(world->sent_count, 4);
    first->cb(first, 0);
    world->sending->cb(world->sending, 0);
    world->sending = NULL;
    free(entry.buf.base);
}

static void a_copy_that_fails_to_leave_is_forgotten(void **state)
{
    struct raft_entry entry = {.term = 4, .type = RAFT_COMMAND, .buf = {"8 bytes", 8}};

    (void)state;
    world->fail = RAFT_NOCONNECTION;
    send_entries(&entry, 1);
    assert_int_equal(world->send_status, RAFT_CANCELED);
    assert_int_equal(world->safe.peers[0].copied, 0);
    assert_int_equal(world->safe.peers[0].sends, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_newer_snapshot_is_sent_under_its_own_term),
        TEST(a_snapshot_that_cannot_be_read_is_never_sent),
        TEST(a_batch_is_cut_before_a_configuration_that_is_not_first),
        TEST(a_refused_pre_vote_tells_the_term_that_refused_it),
        TEST(a_vote_tells_no_capacity),
        TEST(a_vote_tells_a_term_to_a_candidate_and_not_to_a_follower),
        TEST(a_leaders_commit_counts_up_to_what_its_message_vouches_for),
        TEST(a_peer_is_heard_when_it_speaks),
        TEST(a_peer_that_receives_a_snapshot_does_not_stand_still),
        TEST(a_peer_that_stands_still_is_told_once),
        TEST(a_peer_that_stands_still_after_a_transfer_in_vain_is_told_again),
        TEST(a_failed_send_is_a_lost_message),
        TEST(a_peer_that_takes_nothing_lets_nothing_pile_up),
        TEST(one_snapshot_at_a_time_goes_to_a_peer),
        TEST(who_has_no_vote_yet_is_taken_for_a_voter_while_it_is_asked),
        TEST(who_is_in_no_roster_is_not_taken_for_a_voter),
        TEST(who_has_no_vote_forgets_a_leader_that_is_not_heard),
        TEST(who_has_no_vote_asks_for_none_past_a_leader),
        TEST(a_voter_forgets_its_leader_by_libraft_alone),
        TEST(entries_wait_while_a_thin_line_is_full),
        TEST(what_a_message_sends_outlives_the_log),
        TEST(copies_of_entries_do_not_pile_up),
        TEST(a_copy_that_fails_to_leave_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
