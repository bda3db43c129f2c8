#include "raft_node.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#include "check.h"

/* As in consensus/node.c. */
#define CAPACITY_KIB_MIN   256
#define INSTALL_TIMEOUT_MS 3000

/* Hidden in the shared library: who drives the classic calls without libuv must call it. */
void LegacyFireCompletedRequests(struct raft *raft);

struct request {
    union {
        struct raft_apply apply;
        struct raft_barrier barrier;
    };
    struct sim_node *node;
    sim_node_done_fn on_done;
    void *user;
};

/* ---- the vote file: consensus/vote_store.c over the simulated disk ---- */

#define VOTE_FILE  "vote"
#define VOTE_BYTES 20

static enum bw_err load_vote(void *user, struct bw_vote *out_vote, struct bw_diag *diag)
{
    struct sim_node *node = user;
    const struct sim_file *file = sim_file_load(node->backend->process->host, VOTE_FILE);

    if (file == NULL)
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "there is no vote file");
    if (file->size != VOTE_BYTES || bw_get_u32le(file->bytes + 16) != bw_crc32c(0, file->bytes, 16))
        return bw_diag_set(diag, BW_ERR_CORRUPT, "the vote file is damaged");
    out_vote->term = bw_get_u64le(file->bytes);
    out_vote->vote = bw_get_u64le(file->bytes + 8);
    return BW_OK;
}

static enum bw_err save_vote(void *user, struct bw_vote vote, struct bw_diag *diag)
{
    struct sim_node *node = user;
    struct sim_process *process = node->backend->process;
    uint8_t bytes[VOTE_BYTES];
    enum bw_err err;

    bw_put_u64le(bytes, vote.term);
    bw_put_u64le(bytes + 8, vote.vote);
    bw_put_u32le(bytes + 16, bw_crc32c(0, bytes, 16));
    err = sim_file_save(process, VOTE_FILE, false, bytes, sizeof bytes);
    if (err == BW_OK && sim_is_doomed(process))
        err = BW_ERR_CANCELED; /* it is durable, and nobody is there to go on */
    return err == BW_OK ? BW_OK : bw_diag_set(diag, err, "save the vote: %s", bw_err_text(err));
}

/* ---- what happens in libraft ---- */

static void on_role(void *user, enum bw_node_role role, uint64_t term)
{
    struct sim_node *node = user;

    node->events.on_role(node->user, role, term);
}

static void on_ready_to_lead(void *user, uint64_t term)
{
    struct sim_node *node = user;

    node->events.on_ready_to_lead(node->user, term);
}

/* In the middle of a step, before anything leaves: no leader, however short, escapes the check. */
static void on_step(struct raft *raft)
{
    struct sim_node *node = raft->data;
    uint64_t term = raft_current_term(raft);

    if (raft_state(raft) != RAFT_LEADER || term == node->leader_term || node->safe.stopped ||
        sim_is_doomed(node->backend->process))
        return;
    node->leader_term = term;
    sim_check_leader(node->backend->process, term);
}

/* From within a tick: only noted. */
static void on_peer_behind(void *user, uint64_t peer, uint64_t match, uint64_t commit)
{
    struct sim_node *node = user;

    node->behind.is_due = true;
    node->behind.peer = peer;
    node->behind.match = match;
    node->behind.commit = commit;
}

/* The counts show which rule stopped it: a write that stood still, or one that failed. */
static void on_stop(void *user, enum bw_stop why, const char *message)
{
    struct sim_node *node = user;
    struct sim_process *process = node->backend->process;

    if (sim_is_doomed(process))
        return;
    sim_count(sim_world_of(process),
              bw_safe_io_stalled_ms(&node->safe) >= BW_SAFE_IO_STALL_MS ? "L3" : "L1");
    node->events.on_stop(node->user, why, message);
}

static void count_growth(struct sim_node *node, const char *rule, uint64_t now, uint64_t *counted)
{
    for (; *counted < now; (*counted)++)
        sim_count(sim_world_of(node->backend->process), rule);
}

static void count_rules(struct sim_node *node)
{
    const struct bw_safe_io_counts *now = &node->safe.counts;
    struct bw_safe_io_counts *counted = &node->counted;

    count_growth(node, "L2", now->writes_skipped, &counted->writes_skipped);
    count_growth(node, "L4", now->installs_dropped, &counted->installs_dropped);
    count_growth(node, "L5", now->terms_patched, &counted->terms_patched);
    count_growth(node, "L6", now->reads_failed, &counted->reads_failed);
    count_growth(node, "L7", now->batches_cut, &counted->batches_cut);
    count_growth(node, "L8", now->snapshots_refused, &counted->snapshots_refused);
    count_growth(node, "L10", now->votes_repaired, &counted->votes_repaired);
    count_growth(node, "L12", now->terms_told, &counted->terms_told);
    count_growth(node, "L14", now->commits_kept, &counted->commits_kept);
    count_growth(node, "L15", now->refusals_filled, &counted->refusals_filled);
}

void sim_node_turn(struct sim_node *node)
{
    if (sim_is_doomed(node->backend->process) || !node->is_started || node->is_closing)
        return;
    sim_raft_io_turn(node->backend);
    LegacyFireCompletedRequests(&node->raft);
    bw_term_watch_turn(&node->watch);
    LegacyFireCompletedRequests(&node->raft);
    count_rules(node);
    if (!node->behind.is_due || node->safe.stopped)
        return;
    node->behind.is_due = false;
    sim_count(sim_world_of(node->backend->process), "L11");
    node->events.on_peer_behind(node->user, node->behind.peer, node->behind.match,
                                node->behind.commit);
}

/* ---- submitting: as in consensus/node.c ---- */

static void finish_request(struct request *request, int status, uint64_t index)
{
    struct sim_node *node = request->node;
    sim_node_done_fn on_done = request->on_done;
    void *user = request->user;
    enum bw_err err = BW_ERR_UNKNOWN;

    if (status == 0 && !node->safe.stopped)
        err = BW_OK;
    else if (status == RAFT_NOSPACE)
        err = BW_ERR_LIMIT;
    node->requests--;
    free(request);
    on_done(user, err, index);
}

static void on_applied(struct raft_apply *apply, int status, void *result)
{
    (void)result;
    finish_request(apply->data, status, apply->index);
}

static void on_barrier(struct raft_barrier *barrier, int status)
{
    finish_request(barrier->data, status, barrier->index);
}

static enum bw_err new_request(struct sim_node *node, sim_node_done_fn on_done, void *user,
                               struct request **out_request)
{
    struct request *request;

    if (!node->is_started || node->is_closing || node->safe.stopped ||
        sim_is_doomed(node->backend->process) ||
        bw_term_watch_role_of(&node->raft) != BW_NODE_LEADER)
        return BW_ERR_NOT_LEADER;
    if (node->requests >= SIM_NODE_REQUESTS_MAX)
        return BW_ERR_LIMIT;
    request = calloc(1, sizeof *request);
    BW_ASSERT(request != NULL);
    request->node = node;
    request->on_done = on_done;
    request->user = user;
    *out_request = request;
    return BW_OK;
}

static enum bw_err judge_submission(struct sim_node *node, struct request *request, int rv)
{
    if (rv == 0) {
        node->requests++;
        return BW_OK;
    }
    free(request);
    if (bw_term_watch_is_refusal(rv))
        return rv == RAFT_NOTLEADER ? BW_ERR_NOT_LEADER : BW_ERR_LIMIT;
    bw_term_watch_stop_for(&node->safe, &node->raft, rv);
    return BW_ERR_UNKNOWN;
}

enum bw_err sim_node_apply(struct sim_node *node, const uint8_t *data, size_t size,
                           sim_node_done_fn on_done, void *user)
{
    struct request *request;
    struct raft_buffer buffer;
    enum bw_err err = new_request(node, on_done, user, &request);
    int rv;

    if (err != BW_OK)
        return err;
    err = bw_fsm_encode(raft_current_term(&node->raft), data, size, &buffer);
    if (err != BW_OK) {
        free(request);
        return err;
    }
    request->apply.data = request;
    rv = raft_apply(&node->raft, &request->apply, &buffer, 1, on_applied);
    if (bw_term_watch_is_refusal(rv))
        raft_free(buffer.base); /* after any other failure nobody knows whose it is */
    return judge_submission(node, request, rv);
}

enum bw_err sim_node_barrier(struct sim_node *node, sim_node_done_fn on_done, void *user)
{
    struct request *request;
    enum bw_err err = new_request(node, on_done, user, &request);

    if (err != BW_OK)
        return err;
    request->barrier.data = request;
    return judge_submission(node, request,
                            raft_barrier(&node->raft, &request->barrier, on_barrier));
}

static void on_transferred(struct raft_transfer *transfer)
{
    struct sim_node *node = transfer->data;

    node->is_transferring = false;
}

enum bw_err sim_node_transfer(struct sim_node *node, uint64_t id)
{
    int rv;

    if (!node->is_started || node->is_closing || node->safe.stopped ||
        sim_is_doomed(node->backend->process) ||
        bw_term_watch_role_of(&node->raft) != BW_NODE_LEADER)
        return BW_ERR_NOT_LEADER;
    if (node->is_transferring)
        return BW_ERR_BUSY;
    node->transfer = (struct raft_transfer){.data = node};
    rv = raft_transfer(&node->raft, &node->transfer, id, on_transferred);
    if (rv == 0) {
        node->is_transferring = true;
        return BW_OK;
    }
    if (rv == RAFT_NOTLEADER)
        return BW_ERR_BUSY;
    return rv == RAFT_NOTFOUND || rv == RAFT_BADID ? BW_ERR_NOT_FOUND : BW_ERR_IO;
}

/* ---- looking ---- */

uint64_t sim_node_leader(const struct sim_node *node)
{
    raft_id id = 0;
    const char *address = NULL;

    if (node->is_started && !node->is_closing) /* nothing is changed */
        raft_leader((struct raft *)(uintptr_t)&node->raft, &id, &address);
    return id;
}

bool sim_node_is_ready(const struct sim_node *node)
{
    return bw_term_watch_is_ready(&node->watch);
}

/* ---- life ---- */

static void set_up_raft(struct sim_node *node)
{
    struct sim_process *process = node->backend->process;
    const struct sim_setting *setting = &sim_world_of(process)->setting;
    struct raft *raft = &node->raft;

    raft_seed(raft,
              (unsigned)(process->host->number + 1) ^ (unsigned)bw_prng_next(&process->chance));
    raft_set_election_timeout(raft, setting->election_timeout_ms);
    raft_set_heartbeat_timeout(raft, setting->heartbeat_ms);
    raft_set_install_snapshot_timeout(raft, INSTALL_TIMEOUT_MS);
    raft_set_pre_vote(raft, true);
    raft_set_capacity_threshold(raft, CAPACITY_KIB_MIN);
    raft_set_snapshot_threshold(raft, setting->snapshot_threshold);
    raft_set_snapshot_trailing(raft, setting->snapshot_trailing);
}

void sim_node_open(struct sim_node *node, struct sim_raft_io *backend, struct sim_process *process,
                   struct sim_raft_disk *disk, void (*on_event)(struct sim_process *process),
                   const struct bw_fsm_ops *fsm, const struct sim_node_events *events, void *user)
{
    const struct bw_safe_io_config safe = {
        .store = {.user = node, .load = load_vote, .save = save_vote},
        .stop = on_stop,
        .on_peer_behind = on_peer_behind,
        .user = node};
    raft_id id = process->host->number + 1;

    node->backend = backend;
    node->events = *events;
    node->user = user;
    sim_raft_io_init(backend, &node->safe.io, process, disk, on_event);
    bw_safe_io_wrap(&node->safe, &safe);
    node->fsm = bw_fsm_new(&node->raft, &node->safe, fsm, user);
    BW_ASSERT(node->fsm != NULL);
    BW_ASSERT(raft_init(&node->raft, &node->safe.io, bw_fsm_raft(node->fsm), id,
                        sim_raft_address(id)) == 0);
    node->raft.data = node;
    node->raft.legacy.step_cb = on_step;
    if (getenv("LIBRAFT_TRACE") == NULL)
        node->raft.tracer = NULL; /* it would write each line, and throw it away */
    set_up_raft(node);
}

void sim_node_bootstrap(struct sim_node *node)
{
    struct raft_configuration configuration;

    raft_configuration_init(&configuration);
    for (raft_id id = 1; id <= SIM_WITNESSES; id++)
        BW_ASSERT(raft_configuration_add(&configuration, id, sim_raft_address(id), RAFT_VOTER) ==
                  0);
    BW_ASSERT(raft_bootstrap(&node->raft, &configuration) == 0);
    raft_configuration_close(&configuration);
}

enum bw_err sim_node_start(struct sim_node *node, struct bw_diag *diag)
{
    static const struct bw_term_watch_events watch_events = {.on_role = on_role,
                                                             .on_ready_to_lead = on_ready_to_lead};
    int rv = raft_start(&node->raft);

    if (rv != 0 && bw_fsm_diag(node->fsm)->err != BW_OK)
        return bw_diag_set(diag, bw_fsm_diag(node->fsm)->err, "%s", bw_fsm_diag(node->fsm)->text);
    if (rv != 0)
        return bw_diag_set(diag,
                           rv == RAFT_CORRUPT || rv == RAFT_MALFORMED ? BW_ERR_CORRUPT : BW_ERR_IO,
                           "%s", raft_errmsg(&node->raft));
    bw_fsm_started(node->fsm);
    node->is_started = true;
    bw_term_watch_start(&node->watch, &node->raft, &node->safe, &watch_events, node);
    return BW_OK;
}

static void on_raft_closed(struct raft *raft)
{
    (void)raft;
}

void sim_node_close(struct sim_node *node)
{
    node->is_closing = true;
    bw_term_watch_stop(&node->watch);
    sim_raft_io_crash(node->backend);
    raft_close(&node->raft, on_raft_closed);
    BW_ASSERT(node->requests == 0); /* each was told that its fate is unknown */
    bw_fsm_free(node->fsm);
    node->fsm = NULL;
}
