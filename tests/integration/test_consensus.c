/* consensus: three real members in one process: libraft, its uv backend, safe_io, transport. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/consensus/vote_store.h>

#include "janitor.h"
#include "test_witness.h"

#define THIN_S  15 /* which a snapshot takes over a thin line: longer than BW_SAFE_IO_BEHIND_MS */
#define WAIT_MS 30000 /* for what must happen, on an idle machine: patience.h */

static struct test_cluster cluster;
static struct test_witness witnesses[TEST_WITNESSES];
static uv_loop_t loop;

/* ---- helpers --------------------------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    test_witnesses_found(witnesses, &cluster, &loop);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_witnesses_end(witnesses, &cluster, &loop);
    return 0;
}

static void start(uint64_t id)
{
    struct bw_diag diag = {0};

    if (test_witness_start(&witnesses[id - 1], &cluster, id, &loop, &diag) != BW_OK)
        fail_msg("witness %d: %s", (int)id, diag.text);
}

static void start_all(void)
{
    for (uint64_t id = 1; id <= TEST_WITNESSES; id++)
        start(id);
}

static struct test_witness *leader(void)
{
    for (int i = 0; i < TEST_WITNESSES; i++) {
        if (witnesses[i].node != NULL && bw_node_is_ready(witnesses[i].node) &&
            witnesses[i].ready_term == test_witness_term(witnesses[i].node))
            return &witnesses[i];
    }
    return NULL;
}

static bool has_leader(void *user)
{
    (void)user;
    return leader() != NULL;
}

static struct test_witness *wait_for_leader(void)
{
    test_run_until(&loop, has_leader, NULL, WAIT_MS, "has leader");
    return leader();
}

static struct test_witness *follower(void)
{
    for (int i = 0; i < TEST_WITNESSES; i++) {
        if (witnesses[i].node != NULL && &witnesses[i] != leader())
            return &witnesses[i];
    }
    return NULL;
}

struct outcome {
    unsigned done, ok, unknown;
    uint64_t index;
    uint64_t count_at_done; /* how many the submitter had applied when it was told */
};

static void on_done(void *user, enum bw_err err, uint64_t index)
{
    struct outcome *outcome = user;
    struct test_witness *first = leader();

    outcome->done++;
    outcome->ok += err == BW_OK;
    outcome->unknown += err == BW_ERR_UNKNOWN;
    outcome->index = index;
    outcome->count_at_done = first != NULL ? first->state.count : 0;
}

struct goal {
    struct outcome *outcome;
    unsigned done;
    struct test_witness *witness;
    uint64_t count;
};

static bool is_done(void *user)
{
    const struct goal *goal = user;

    return goal->outcome->done >= goal->done;
}

static bool has_count(void *user)
{
    const struct goal *goal = user;

    return goal->witness->state.count >= goal->count;
}

/* Submits commands [first, first + count) at the leader, 64 at a time, and waits for their ends. */
static void submit(uint64_t first, unsigned count)
{
    struct outcome outcome = {0};
    unsigned sent = 0;

    while (outcome.done < count) {
        while (sent < count && sent < outcome.done + 64) {
            assert_int_equal(test_witness_submit(leader(), first + sent, on_done, &outcome), BW_OK);
            sent++;
        }
        test_run_until(&loop, is_done, &(struct goal){.outcome = &outcome, .done = outcome.done + 1},
                       WAIT_MS, "is done");
    }
    assert_int_equal(outcome.ok, count);
}

static void wait_for_count(struct test_witness *witness, uint64_t count)
{
    test_run_until(&loop, has_count, &(struct goal){.witness = witness, .count = count}, WAIT_MS, "has count");
}

static bool is_stopped(void *user)
{
    return ((struct test_witness *)user)->stops > 0;
}

/* ---- the claims ------------------------------------------------------------------------------ */

static void one_leader_is_elected_and_commits_a_barrier_of_its_term(void **state)
{
    struct test_witness *first;
    struct bw_node_status status;
    unsigned ready = 0;

    (void)state;
    start_all();
    first = wait_for_leader();

    for (int i = 0; i < TEST_WITNESSES; i++)
        ready += witnesses[i].ready_count;
    assert_int_equal(ready, 1);
    bw_node_get_status(first->node, &status);
    assert_int_equal(status.role, BW_NODE_LEADER);
    assert_int_equal(status.leader_id, first->id);
    assert_int_equal(status.voter_count, 3);
    assert_int_equal(status.peer_count, 2);
    assert_true(status.is_ready && status.is_voter && !status.is_capacity_low);
    assert_true(status.commit_index >= 2);
}

static void a_command_is_applied_everywhere_before_it_is_acknowledged_here(void **state)
{
    struct test_witness *first;
    struct outcome outcome = {0};

    (void)state;
    start_all();
    first = wait_for_leader();
    assert_int_equal(test_witness_submit(first, 7, on_done, &outcome), BW_OK);
    assert_int_equal(outcome.done, 0);
    test_run_until(&loop, is_done, &(struct goal){.outcome = &outcome, .done = 1}, WAIT_MS, "is done");

    assert_int_equal(outcome.ok, 1);
    assert_int_equal(outcome.count_at_done, 1);
    assert_int_equal(outcome.index, first->state.last_index);
    assert_int_equal(first->state.last_term, first->term);
    for (int i = 0; i < TEST_WITNESSES; i++) {
        wait_for_count(&witnesses[i], 1);
        assert_true(test_state_has(&witnesses[i].state, 7));
        assert_int_equal(witnesses[i].state.hash, first->state.hash);
    }
}

static void a_barrier_comes_after_what_was_submitted_before_it(void **state)
{
    struct test_witness *first;
    struct outcome commands = {0}, barrier = {0};

    (void)state;
    start_all();
    first = wait_for_leader();
    for (uint64_t i = 0; i < 20; i++)
        assert_int_equal(test_witness_submit(first, i, on_done, &commands), BW_OK);
    assert_int_equal(bw_node_barrier(first->node, on_done, &barrier), BW_OK);
    test_run_until(&loop, is_done, &(struct goal){.outcome = &barrier, .done = 1}, WAIT_MS, "is done");

    assert_int_equal(barrier.ok, 1);
    assert_int_equal(barrier.count_at_done, 20);
}

static void a_follower_takes_nothing(void **state)
{
    struct outcome outcome = {0};

    (void)state;
    start_all();
    (void)wait_for_leader();

    assert_int_equal(test_witness_submit(follower(), 1, on_done, &outcome), BW_ERR_NOT_LEADER);
    assert_int_equal(bw_node_barrier(follower()->node, on_done, &outcome), BW_ERR_NOT_LEADER);
    assert_int_equal(bw_node_transfer(follower()->node, 0), BW_ERR_NOT_LEADER);
    assert_int_equal(outcome.done, 0);
}

static void limits_are_errors(void **state)
{
    static uint8_t large[BW_COMMAND_BYTES_MAX + 1];
    struct test_witness *first;
    struct outcome outcome = {0};

    (void)state;
    start_all();
    first = wait_for_leader();
    bw_put_u64le(large, 5);

    assert_int_equal(bw_node_apply(first->node, large, sizeof large, on_done, &outcome),
                     BW_ERR_LIMIT);
    assert_int_equal(bw_node_apply(first->node, large, sizeof large - 1, on_done, &outcome), BW_OK);
    for (unsigned i = 1; i < BW_NODE_REQUESTS_MAX; i++)
        assert_int_equal(test_witness_submit(first, i, on_done, &outcome), BW_OK);
    assert_int_equal(test_witness_submit(first, 1, on_done, &outcome), BW_ERR_LIMIT);
    test_run_until(&loop, is_done,
                   &(struct goal){.outcome = &outcome, .done = BW_NODE_REQUESTS_MAX}, WAIT_MS,
                   "is done");
    assert_int_equal(outcome.ok, BW_NODE_REQUESTS_MAX);
}

static bool has_lost_quorum(void *user)
{
    return ((struct test_witness *)user)->role != BW_NODE_LEADER;
}

static void a_leader_without_a_majority_steps_down_and_says_unknown(void **state)
{
    struct test_witness *first;
    struct outcome outcome = {0};

    (void)state;
    start_all();
    first = wait_for_leader();
    for (int i = 0; i < TEST_WITNESSES; i++) {
        if (&witnesses[i] != first)
            test_witness_stop(&witnesses[i]);
    }
    assert_int_equal(test_witness_submit(first, 3, on_done, &outcome), BW_OK);
    test_run_until(&loop, has_lost_quorum, first, WAIT_MS, "has lost quorum");
    test_run_until(&loop, is_done, &(struct goal){.outcome = &outcome, .done = 1}, WAIT_MS, "is done");

    assert_int_equal(outcome.unknown, 1);
    assert_false(bw_node_is_ready(first->node));
}

static void what_is_unanswered_at_close_is_unknown(void **state)
{
    struct test_witness *first;
    struct outcome outcome = {0};

    (void)state;
    start_all();
    first = wait_for_leader();
    assert_int_equal(test_witness_submit(first, 3, on_done, &outcome), BW_OK);
    assert_int_equal(bw_node_barrier(first->node, on_done, &outcome), BW_OK);
    test_witness_stop(first);

    assert_int_equal(outcome.done, 2);
    assert_int_equal(outcome.unknown, 2);
}

/* Soon there is a snapshot. */
static void start_with_short_log(void)
{
    cluster.snapshot_threshold = 50;
    cluster.snapshot_trailing = 10;
    start_all();
    (void)wait_for_leader();
}

static void state_survives_a_restart_of_all(void **state)
{
    uint64_t hash;
    uint64_t term;

    (void)state;
    start_with_short_log();
    submit(0, 333);
    hash = leader()->state.hash;
    term = leader()->term;
    for (int i = 0; i < TEST_WITNESSES; i++)
        test_witness_stop(&witnesses[i]);
    start_all();
    (void)wait_for_leader();

    assert_true(leader()->term > term);
    assert_int_equal(leader()->restores, 1);
    assert_int_equal(leader()->state.count, 333);
    assert_int_equal(leader()->state.hash, hash);
}

static bool is_led_by_another(void *user)
{
    return leader() != NULL && leader() != user;
}

struct hand_over {
    struct test_witness *first;
    unsigned tries;
};

/* One that was not taken up within an election timeout is over (libraft): a busy machine has that,
 * and it is asked again. */
static bool leads_elsewhere(void *user)
{
    struct hand_over *of = user;

    if (leader() == of->first)
        of->tries += bw_node_transfer(of->first->node, follower()->id) == BW_OK;
    return leader() != NULL && leader() != of->first;
}

/* Who leads next is told so once an entry of its own term is committed, behind all of the term
 * before. */
static void leadership_can_be_handed_over(void **state)
{
    struct hand_over of = {.tries = 1};
    struct test_witness *first;
    struct bw_node_status before, during, after;
    uint64_t term;

    (void)state;
    start_all();
    first = wait_for_leader();
    of.first = first;
    term = first->term;
    bw_node_get_status(first->node, &before);
    assert_int_equal(bw_node_transfer(first->node, first->id), BW_ERR_NOT_FOUND);
    assert_int_equal(bw_node_transfer(first->node, follower()->id), BW_OK);
    assert_int_equal(bw_node_transfer(first->node, 0), BW_ERR_BUSY);
    bw_node_get_status(first->node, &during);
    assert_true(!before.is_handing_over && during.is_handing_over);
    test_run_until(&loop, leads_elsewhere, &of, WAIT_MS, "leads elsewhere");

    bw_node_get_status(first->node, &after);
    assert_false(after.is_handing_over);
    assert_true(leader()->term > term);
    assert_true(leader()->ready_commit > before.last_index);
    if (of.tries > 1)
        return; /* the first may have led once more in between */
    assert_int_equal(leader()->term, term + 1);
    assert_int_equal(first->ready_count, 1);
}

/* As on SIGTERM. An entry is on its way, as there nearly always is: nobody has all of the log just then, and libraft
 * would choose the last voter of its configuration, which is dead. */
static void leadership_goes_to_a_voter_that_is_there(void **state)
{
    struct test_witness *first, *dead;
    struct outcome outcome = {0};

    (void)state;
    start_all();
    first = wait_for_leader();
    submit(0, 10);
    dead = first == &witnesses[TEST_WITNESSES - 1] ? first - 1 : &witnesses[TEST_WITNESSES - 1];
    test_witness_stop(dead);
    submit(10, 10);
    first = wait_for_leader();
    assert_int_equal(test_witness_submit(first, 20, on_done, &outcome), BW_OK);
    assert_int_equal(bw_node_transfer(first->node, 0), BW_OK);

    test_run_until(&loop, is_led_by_another, first, WAIT_MS, "is led by another");
}

static void a_member_that_was_away_for_100000_entries_catches_up(void **state)
{
    struct test_witness *away;
    uint64_t hash;

    (void)state;
    start_all();
    (void)wait_for_leader();
    submit(0, 10);
    away = follower();
    test_witness_stop(away);
    submit(10, 100000);
    hash = leader()->state.hash;
    assert_true(leader()->snapshots > 50);
    start(away->id);
    wait_for_count(away, 100010);

    assert_int_equal(away->state.hash, hash);
    assert_true(away->restores >= 1);
    submit(200000, 10);
    wait_for_count(away, 100020);
    assert_int_equal(away->state.hash, leader()->state.hash);
}

static bool is_behind_reported(void *user)
{
    (void)user;
    return leader() != NULL && leader()->behind != 0;
}

static void copy_directory(const char *from, const char *to)
{
    char command[400];

    (void)snprintf(command, sizeof command, "rm -rf %s && cp -a %s %s", to, from, to);
    assert_int_equal(system(command), 0);
}

static bool is_led_by_one_of_the_others(void *user)
{
    (void)user;
    return leader() != NULL && leader() != &witnesses[2];
}

/* L11: while it receives a snapshot it asks for votes, and its log is known no further: it has lost nothing. */
static void a_peer_on_a_thin_line_catches_up_and_nobody_hands_over(void **state)
{
    struct test_witness *slow = &witnesses[2];
    struct test_witness *first;
    uint64_t term;

    (void)state;
    start_with_short_log();
    if (leader() == slow)
        assert_int_equal(bw_node_transfer(slow->node, 1), BW_OK);
    test_run_until(&loop, is_led_by_one_of_the_others, NULL, WAIT_MS, "is led by one of the others");
    submit(0, 10);
    wait_for_count(slow, 10);
    test_witness_stop(slow);
    submit(10, 200);
    first = leader();
    term = first->term;
    cluster.thin_bytes_s = sizeof slow->state / THIN_S;
    start(slow->id);
    wait_for_count(slow, 210);

    assert_ptr_equal(leader(), first);
    assert_int_equal(first->term, term);
    assert_int_equal(first->behind, 0);
    assert_in_range(slow->restores, 1, 2); /* the end of it may be on its way yet when it is sent again */
    assert_int_equal(slow->state.hash, first->state.hash);
}

/* L11: its disk has lost an entry that it had acknowledged. The leader believes that it is there
 * and sends what follows, for ever; a new leader asks anew. */
static void a_peer_that_forgot_an_entry_is_reported_and_repaired_by_a_new_leader(void **state)
{
    struct test_witness *victim;
    char path[128], kept[128];

    (void)state;
    start_all();
    (void)wait_for_leader();
    submit(0, 10);
    victim = follower();
    wait_for_count(victim, 10);
    test_cluster_path(&cluster, victim->id, path);
    (void)snprintf(kept, sizeof kept, "%s/kept", cluster.dir);
    copy_directory(path, kept);
    submit(10, 1);
    wait_for_count(victim, 11);
    test_witness_stop(victim);
    copy_directory(kept, path);
    start(victim->id);
    submit(11, 5);

    test_run_until(&loop, is_behind_reported, NULL, WAIT_MS, "is behind reported");
    assert_int_equal(leader()->behind, victim->id);
    assert_true(victim->state.count < 16);
    assert_int_equal(bw_node_transfer(leader()->node, 0), BW_OK);
    wait_for_count(victim, 16);
    (void)wait_for_leader();
    assert_int_equal(victim->state.hash, leader()->state.hash);
}

static void a_command_from_tomorrow_stops_the_witness_before_it(void **state)
{
    struct test_witness *old;
    struct outcome outcome = {0};

    (void)state;
    start_all();
    (void)wait_for_leader();
    submit(0, 5);
    old = follower();
    wait_for_count(old, 5);
    old->apply_answer = BW_ERR_VERSION;
    assert_int_equal(test_witness_submit(leader(), 5, on_done, &outcome), BW_OK);
    test_run_until(&loop, is_stopped, old, WAIT_MS, "is stopped");

    assert_int_equal(old->why, BW_STOP_PERSON);
    assert_non_null(strstr(old->message, "upgrade this witness"));
    old->apply_answer = BW_OK;
    submit(6, 20);
    assert_int_equal(old->state.count, 5);
    assert_int_equal(leader()->state.count, 26);
}

/* ---- the directory --------------------------------------------------------------------------- */

static enum bw_err open_as(const char *name, uint64_t id, unsigned election_ms,
                           struct bw_diag *diag)
{
    struct test_cluster other = cluster;
    struct bw_raft_node *node;
    struct bw_transport *transport = bw_transport_new(&loop, NULL, NULL);
    struct bw_node_config config = {.loop = &loop,
                                    .cluster = name,
                                    .witness_id = id,
                                    .election_timeout_ms = election_ms,
                                    .transport = transport};
    char path[128];
    enum bw_err err;

    test_cluster_path(&other, 1, path);
    config.data_dir = path;
    config.stop = (bw_stop_fn)(uintptr_t)on_done; /* never called */
    config.events.on_role = (void (*)(void *, enum bw_node_role, uint64_t))(uintptr_t)on_done;
    config.events.on_ready_to_lead = (void (*)(void *, uint64_t))(uintptr_t)on_done;
    err = bw_node_open(&config, &node, diag);
    assert_int_not_equal(err, BW_OK);
    bw_transport_free(transport);
    return err;
}

static void another_witness_s_directory_is_refused(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    assert_int_equal(open_as("other", 1, cluster.election_ms, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "belongs to cluster test"));
    assert_int_equal(open_as("test", 2, cluster.election_ms, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "belongs to witness 1"));
    assert_int_equal(open_as("test", 1, 1000, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "witness init"));
    assert_int_equal(open_as("test", 1, 10, &diag), BW_ERR_INVALID);
}

static void one_process_at_a_time_and_the_other_is_named(void **state)
{
    struct bw_diag diag = {0};
    char wanted[64];

    (void)state;
    start(1);

    assert_int_equal(open_as("test", 1, cluster.election_ms, &diag), BW_ERR_BUSY);
    (void)snprintf(wanted, sizeof wanted, "in use by process %d;", (int)getpid());
    assert_non_null(strstr(diag.text, wanted));
}

/* I3: entries that two of three have taken; one of the two is down, the other has lost its disk and
 * was made anew under its id, the third never had them. It may not lead: what was decided would be
 * decided again. */
static void a_voter_that_was_wiped_helps_nobody_to_forget(void **state)
{
    (void)state;
    start_all();
    (void)wait_for_leader();
    test_witness_stop(&witnesses[0]);
    (void)wait_for_leader();
    submit(0, 5);
    test_witness_stop(&witnesses[1]);
    test_witness_stop(&witnesses[2]);
    test_cluster_wipe(&cluster, 2);
    start(1);
    start(2);

    assert_false(test_run_for(&loop, has_leader, NULL, 4 * cluster.election_ms));

    start(3);
    (void)wait_for_leader();
    submit(5, 1);
    assert_int_equal(leader()->state.count, 6);
    wait_for_count(&witnesses[0], 6);
    assert_int_equal(witnesses[1].state.count, 0); /* it is heard by nobody, and told nothing */
    assert_int_equal(witnesses[1].stops, 0);
}

/* A majority may be without anybody who remembers, so the first leader has the votes of all. */
static void a_cluster_begins_once_all_its_witnesses_are_up(void **state)
{
    (void)state;
    start(1);
    start(2);
    assert_false(test_run_for(&loop, has_leader, NULL, 3 * cluster.election_ms));
    assert_true(bw_node_is_bare(witnesses[0].node));

    start(3);
    assert_ptr_equal(wait_for_leader(), &witnesses[0]); /* the founder */
    assert_false(bw_node_is_bare(witnesses[0].node));
    submit(0, 1);
    wait_for_count(&witnesses[2], 1);
    test_witness_stop(&witnesses[0]); /* from now on a majority is enough */
    (void)wait_for_leader();
}

static void a_witness_is_made_once(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    assert_int_equal(test_cluster_found(&cluster, 1, &diag), BW_ERR_EXISTS);
    assert_non_null(strstr(diag.text, "made once"));
    start_all(); /* and nothing was harmed */
    (void)wait_for_leader();
}

static void rename_in(uint64_t id, const char *from, const char *to)
{
    char path[128], old[192], new[192];

    test_cluster_path(&cluster, id, path);
    (void)snprintf(old, sizeof old, "%s/%s", path, from);
    (void)snprintf(new, sizeof new, "%s/%s", path, to);
    assert_int_equal(rename(old, new), 0);
}

static void start_is_refused_without(const char *name, const char *why)
{
    struct bw_diag diag = {0};
    enum bw_err err;

    rename_in(1, name, "aside");
    err = test_witness_start(&witnesses[0], &cluster, 1, &loop, &diag);
    if (err == BW_OK)
        fail_msg("started without %s", name);
    if (strstr(diag.text, why) == NULL)
        fail_msg("without %s: %s", name, diag.text);
    rename_in(1, "aside", name);
}

static void a_witness_that_lost_a_part_does_not_start(void **state)
{
    char path[128], metadata[192], kept[192];

    (void)state;
    start_all();
    (void)wait_for_leader();
    submit(0, 5);
    test_witness_stop(&witnesses[0]);

    start_is_refused_without("identity", "witness init");
    start_is_refused_without("vote", "vote file is missing");
    start_is_refused_without("raft", "");
    test_cluster_path(&cluster, 1, path);
    for (int i = 1; i <= 2; i++) {
        (void)snprintf(metadata, sizeof metadata, "%s/raft/metadata%d", path, i);
        (void)snprintf(kept, sizeof kept, "%s/kept%d", path, i);
        (void)rename(metadata, kept); /* perhaps only one was written so far */
    }
    start_is_refused_without("lock", "metadata1 and metadata2 are missing");
    for (int i = 1; i <= 2; i++) {
        (void)snprintf(metadata, sizeof metadata, "%s/raft/metadata%d", path, i);
        (void)snprintf(kept, sizeof kept, "%s/kept%d", path, i);
        (void)rename(kept, metadata);
    }
    start(1);
    wait_for_count(&witnesses[0], 5);
}

static enum bw_err start_joiner(struct bw_node_status *out_status, struct bw_diag *diag)
{
    static struct test_witness joiner;
    enum bw_err err;

    memset(&joiner, 0, sizeof joiner);
    *diag = (struct bw_diag){0};
    err = test_witness_start(&joiner, &cluster, 1, &loop, diag);
    if (err == BW_OK)
        bw_node_get_status(joiner.node, out_status);
    test_witness_stop(&joiner);
    return err;
}

/* A leader's first word tells it a term, and a stop before the first entry leaves it no log: it has lost
 * nothing. Once an entry came, no log is a lost one. */
static void a_joiner_that_has_only_heard_of_a_term_starts_again(void **state)
{
    char path[128];
    struct bw_node_founding founding = {.data_dir = path,
                                        .identity = {.cluster_id = {{1, 2, 3}},
                                                     .cluster = "test",
                                                     .witness_id = 1,
                                                     .election_timeout_ms = cluster.election_ms,
                                                     .incarnation = {{7}},
                                                     .origin = BW_ROLL_JOINING}};
    struct bw_node_status status;
    struct bw_diag diag;
    struct bw_vote_store store;
    int dir;

    (void)state;
    test_cluster_path(&cluster, 1, path);
    janitor_remove_dir(path);
    assert_int_equal(bw_node_prepare(&founding, NULL), BW_OK);
    assert_int_equal(start_joiner(&status, &diag), BW_OK);
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    store = bw_vote_file(&dir);
    assert_int_equal(store.save(store.user, (struct bw_vote){.term = 7}, NULL), BW_OK);

    for (int i = 0; i < 2; i++) {
        if (start_joiner(&status, &diag) != BW_OK)
            fail_msg("%s", diag.text);
        assert_int_equal(status.term, 7);
    }

    assert_int_equal(store.begin_log(store.user, NULL), BW_OK);
    assert_int_equal(start_joiner(&status, &diag), BW_ERR_CORRUPT);
    assert_non_null(strstr(diag.text, "holds no log, but this witness had one"));
    (void)close(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_leader_is_elected_and_commits_a_barrier_of_its_term),
        TEST(a_command_is_applied_everywhere_before_it_is_acknowledged_here),
        TEST(a_barrier_comes_after_what_was_submitted_before_it),
        TEST(a_follower_takes_nothing),
        TEST(limits_are_errors),
        TEST(a_leader_without_a_majority_steps_down_and_says_unknown),
        TEST(what_is_unanswered_at_close_is_unknown),
        TEST(state_survives_a_restart_of_all),
        TEST(leadership_can_be_handed_over),
        TEST(leadership_goes_to_a_voter_that_is_there),
        TEST(a_member_that_was_away_for_100000_entries_catches_up),
        TEST(a_peer_on_a_thin_line_catches_up_and_nobody_hands_over),
        TEST(a_peer_that_forgot_an_entry_is_reported_and_repaired_by_a_new_leader),
        TEST(a_command_from_tomorrow_stops_the_witness_before_it),
        TEST(another_witness_s_directory_is_refused),
        TEST(one_process_at_a_time_and_the_other_is_named),
        TEST(a_voter_that_was_wiped_helps_nobody_to_forget),
        TEST(a_cluster_begins_once_all_its_witnesses_are_up),
        TEST(a_witness_is_made_once),
        TEST(a_witness_that_lost_a_part_does_not_start),
        TEST(a_joiner_that_has_only_heard_of_a_term_starts_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
