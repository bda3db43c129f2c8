#include "raft_node.h"

#include <stdlib.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/feature_level.h>

#include "check.h"
#include "witness.h"

/* Hidden in the shared library: who drives the classic calls without libuv must call it. */
void LegacyFireCompletedRequests(struct raft *raft);

/* ---- the vote file: consensus/vote_store.c over the simulated disk ---- */

static enum bw_err load_vote(void *user, struct bw_vote *out_vote, struct bw_diag *diag)
{
    struct sim_node *node = user;
    const struct sim_file *file = sim_file_load(node->backend->process->host, BW_VOTE_FILE);

    if (file == NULL)
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "there is no vote file");
    return bw_vote_decode(file->bytes, file->size, out_vote, diag);
}

static enum bw_err save_vote(void *user, struct bw_vote vote, struct bw_diag *diag)
{
    struct sim_node *node = user;
    struct sim_process *process = node->backend->process;
    uint8_t bytes[BW_VOTE_BYTES];
    enum bw_err err;

    bw_vote_encode(vote, bytes);
    err = sim_file_save(process, BW_VOTE_FILE, false, bytes, sizeof bytes);
    if (err == BW_OK && sim_is_doomed(process))
        err = BW_ERR_CANCELED; /* it is durable, and nobody is there to go on */
    return err == BW_OK ? BW_OK : bw_diag_set(diag, err, "save the vote: %s", bw_err_text(err));
}

/* ---- the mark: file `committed` of the same directory (L33) ---- */

static void note_commit(void *user, struct bw_commit_mark mark)
{
    struct sim_node *node = user;
    struct sim_process *process = node->backend->process;

    if (sim_is_doomed(process))
        return;
    sim_check_marks(process, node->backend->disk, mark);
    node->backend->disk->mark = mark;
    sim_count(sim_world_of(process), "mark:written");
}

static struct bw_commit_mark load_commit(void *user)
{
    const struct sim_node *node = user;

    if (node->backend->disk->mark.index != 0)
        sim_count(sim_world_of(node->backend->process), "mark:read");
    return node->backend->disk->mark;
}

/* ---- what happens in libraft ---- */

/* In the middle of a step, before anything leaves: no leader, however short, escapes the check. */
static void on_step(struct raft *raft)
{
    struct sim_node *node = raft->data;
    uint64_t term = raft_current_term(raft);

    if (raft_state(raft) != RAFT_LEADER || term == node->leader_term || node->voter.safe.stopped ||
        sim_is_doomed(node->backend->process))
        return;
    node->leader_term = term;
    sim_check_leader(node->backend->process, term);
}

static void count_growth(struct sim_node *node, const char *rule, uint64_t now, uint64_t *counted)
{
    for (; *counted < now; (*counted)++)
        sim_count(sim_world_of(node->backend->process), rule);
}

static bool has_room(void *user)
{
    const struct sim_node *node = user;

    return !node->backend->process->disk.is_full;
}

/* ---- questions for a term, and answers (3.2.2) ---- */

/* On its way. */
struct word {
    struct bw_hello hello; /* of the connection */
    struct bw_id to;       /* the directory that this ends at */
    struct bw_term_word term;
};

static void *copy_word(const void *payload)
{
    struct word *copy = malloc(sizeof *copy);

    BW_ASSERT(copy != NULL);
    *copy = *(const struct word *)payload;
    return copy;
}

static void on_word(struct sim_process *process, void *payload)
{
    struct sim_raft_io *backend = process->state;
    struct bw_voter *voter = ((struct bw_safe_io *)backend->io)->config.user;
    const struct word word = *(const struct word *)payload;

    free(payload);
    if (backend->on_receive == NULL || !bw_id_equal(word.to, voter->roll.incarnation) ||
        !sim_raft_welcomes(backend, &word.hello))
        return;
    bw_voter_hear_term(voter, word.hello.from, &word.term);
    backend->on_event(process);
}

/* It crosses where a message of Raft would. */
static bool say_term(void *user, uint64_t to, const struct bw_term_word *term)
{
    struct sim_node *node = user;
    struct sim_process *process = node->backend->process;
    struct sim_process *peer = sim_witness_of_id(sim_world_of(process), to);
    struct word word = {.term = *term};

    if (!sim_world_of(process)->setting.has_questions || sim_is_doomed(process) || peer == NULL ||
        peer->health == SIM_DEAD || !sim_witness_knows(process, to) || peer->level < BW_QUESTION_LEVEL ||
        process->level < BW_QUESTION_LEVEL)
        return false;
    word.to = sim_witness_incarnation(peer);
    if (!sim_raft_is_answered(node->backend, to, word.to))
        return false;
    word.hello = sim_raft_hello(node->backend, BW_HELLO_JOIN, to);
    sim_net_post(process, peer, on_word, copy_word(&word), copy_word, free);
    return true;
}

static void count_rules(struct sim_node *node)
{
    const struct bw_safe_io_counts *now = &node->voter.safe.counts;
    struct bw_safe_io_counts *counted = &node->counted;

    count_growth(node, "L2", now->writes_skipped, &counted->writes_skipped);
    count_growth(node, "L4", now->installs_dropped, &counted->installs_dropped);
    count_growth(node, "L5", now->terms_patched, &counted->terms_patched);
    count_growth(node, "L6", now->reads_failed, &counted->reads_failed);
    count_growth(node, "L7", now->batches_cut, &counted->batches_cut);
    count_growth(node, "L8", now->snapshots_refused, &counted->snapshots_refused);
    count_growth(node, "L10", now->votes_repaired, &counted->votes_repaired);
    count_growth(node, "L28", now->terms_begun, &counted->terms_begun);
    count_growth(node, "L12", now->terms_shown, &counted->terms_shown);
    count_growth(node, "L14", now->commits_kept, &counted->commits_kept);
    count_growth(node, "L15", now->refusals_filled, &counted->refusals_filled);
    count_growth(node, "L16", now->terms_hidden, &counted->terms_hidden);
    count_growth(node, "L20", now->votes_refused, &counted->votes_refused);
    count_growth(node, "L21", now->votes_held + now->stands_refused, &counted->votes_held);
    count_growth(node, "L25", now->votes_lent, &counted->votes_lent);
    count_growth(node, "L26", now->haste_ignored, &counted->haste_ignored);
    count_growth(node, "L22", now->strangers_dropped, &counted->strangers_dropped);
    count_growth(node, "L32", now->entries_copied, &counted->entries_copied);
    count_growth(node, "L34", now->entries_hurried, &counted->entries_hurried);
}

void sim_node_turn(struct sim_node *node)
{
    if (sim_is_doomed(node->backend->process) || !bw_voter_is_running(&node->voter))
        return;
    sim_raft_io_turn(node->backend);
    LegacyFireCompletedRequests(&node->voter.raft);
    bw_voter_turn(&node->voter);
    LegacyFireCompletedRequests(&node->voter.raft);
    sim_check_configuration_committed(node->backend->process);
    count_rules(node);
}

/* ---- submitting ---- */

enum bw_err sim_node_apply(struct sim_node *node, const uint8_t *data, size_t size,
                           bw_node_done_fn on_done, void *user)
{
    if (sim_is_doomed(node->backend->process))
        return BW_ERR_NOT_LEADER;
    return bw_voter_apply(&node->voter, data, size, on_done, user);
}

enum bw_err sim_node_barrier(struct sim_node *node, bw_node_done_fn on_done, void *user)
{
    if (sim_is_doomed(node->backend->process))
        return BW_ERR_NOT_LEADER;
    return bw_voter_barrier(&node->voter, on_done, user);
}

enum bw_err sim_node_prove(struct sim_node *node, bw_node_done_fn on_done, void *user)
{
    if (sim_is_doomed(node->backend->process))
        return BW_ERR_NOT_LEADER;
    return bw_voter_prove(&node->voter, on_done, user);
}

enum bw_err sim_node_transfer(struct sim_node *node, uint64_t id)
{
    if (sim_is_doomed(node->backend->process))
        return BW_ERR_NOT_LEADER;
    return bw_voter_transfer(&node->voter, id);
}

/* ---- life ---- */

static void set_up(struct sim_node *node)
{
    struct sim_process *process = node->backend->process;
    const struct sim_setting *setting = &sim_world_of(process)->setting;
    const struct bw_voter_settings settings = {.election_timeout_ms = setting->election_timeout_ms,
                                               .heartbeat_ms = setting->heartbeat_ms,
                                               .snapshot_threshold = setting->snapshot_threshold,
                                               .snapshot_trailing = setting->snapshot_trailing,
                                               .seed = (unsigned)sim_witness_id(process) ^
                                                       (unsigned)bw_prng_next(&process->chance)};

    bw_voter_set_up(&node->voter, &settings);
    node->voter.raft.data = node;
    node->voter.raft.legacy.step_cb = on_step;
    if (getenv("LIBRAFT_TRACE") == NULL)
        node->voter.raft.tracer = NULL; /* it would write each line, and throw it away */
}

void sim_node_open(struct sim_node *node, struct sim_raft_io *backend, struct sim_process *process,
                   struct sim_raft_disk *disk, void (*on_event)(struct sim_process *process),
                   const struct sim_node_owner *owner)
{
    char address[SIM_RAFT_ADDRESS_BYTES];
    const struct bw_voter_config config = {
        .id = owner->id,
        .incarnation = owner->incarnation,
        .origin = owner->origin,
        .address = sim_raft_address(owner->id, address),
        .store = {.user = node,
                  .load = load_vote,
                  .save = save_vote,
                  .note_commit = note_commit,
                  .load_commit = load_commit},
        .fsm = owner->fsm,
        .events = owner->events,
        .stop = owner->stop,
        .user = owner->user,
        .has_room = has_room,
        .say_term = say_term,
        .room_user = node};
    struct bw_diag diag = {0};

    node->backend = backend;
    sim_raft_io_init(backend, &node->voter.safe.io, process, disk, on_event);
    BW_ASSERT(bw_voter_open(&node->voter, &config, &diag) == BW_OK);
    set_up(node);
}

void sim_node_bootstrap(struct sim_node *node, uint32_t founder_count)
{
    struct raft_configuration configuration;
    char address[SIM_RAFT_ADDRESS_BYTES];

    raft_configuration_init(&configuration);
    for (raft_id id = 1; id <= founder_count; id++)
        BW_ASSERT(raft_configuration_add(&configuration, id, sim_raft_address(id, address),
                                         RAFT_VOTER) == 0);
    BW_ASSERT(raft_bootstrap(&node->voter.raft, &configuration) == 0);
    raft_configuration_close(&configuration);
}

static void on_closed(void *user)
{
    struct sim_node *node = user;

    BW_ASSERT(node->voter.requests == 0); /* each was told that its fate is unknown */
    bw_voter_deinit(&node->voter);
}

void sim_node_close(struct sim_node *node)
{
    sim_raft_io_crash(node->backend);
    bw_voter_close(&node->voter, on_closed, node); /* the backend closes at once */
}
