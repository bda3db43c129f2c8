#include <breakwater/consensus/node.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <raft.h>
#include <raft/uv.h>

#include <breakwater/base/assert.h>
#include <breakwater/consensus/safe_io.h>
#include <breakwater/consensus/term_watch.h>
#include <breakwater/consensus/vote_store.h>

#include "segment.h"

/* libraft keeps two open segments ready; three of them are the disk that an idle witness takes. */
#define SEGMENT_BYTES (1024 * 1024)
/* A leader takes no entries while a majority has less disk reserved; room for the largest ones. */
#define CAPACITY_KIB_MIN   256
#define INSTALL_TIMEOUT_MS 3000
#define DISK_RETRY_MS      600000 /* L3: never in practice, the watchdog is long before */

struct bw_raft_node {
    struct raft raft;
    struct bw_safe_io safe;
    struct bw_fsm *fsm;
    struct bw_data_dir dir;
    struct bw_data_dir_identity identity;
    struct bw_log *log;
    struct bw_node_events events;
    bw_stop_fn stop;
    void *user;
    uv_prepare_t prepare;
    uv_check_t check;
    unsigned handles; /* not yet closed */
    bool is_started, is_closing;
    void (*on_closed)(void *user);
    void *on_closed_user;
    struct bw_term_watch watch;
    struct raft_transfer transfer;
    bool is_transferring;
    unsigned requests;
    struct {
        bool is_due;
        uint64_t peer, match, commit;
    } behind;
};

struct request {
    union {
        struct raft_apply apply;
        struct raft_barrier barrier;
    };
    struct bw_raft_node *node;
    bw_node_done_fn on_done;
    void *user;
};

static enum bw_err err_of_raft(int status)
{
    switch (status) {
    case RAFT_NOMEM:
        return BW_ERR_NOMEM;
    case RAFT_CORRUPT:
    case RAFT_MALFORMED:
        return BW_ERR_CORRUPT;
    case RAFT_NOSPACE:
    case RAFT_NAMETOOLONG:
    case RAFT_TOOBIG:
    case RAFT_TOOMANY:
        return BW_ERR_LIMIT;
    case RAFT_CANTBOOTSTRAP:
        return BW_ERR_EXISTS;
    default:
        return BW_ERR_IO;
    }
}

/* libraft calls a file that ends too early an I/O error; no new start makes it longer. */
static enum bw_err err_of_load(int status, const char *text)
{
    return status == RAFT_IOERR && strstr(text, "short read") != NULL ? BW_ERR_CORRUPT
                                                                      : err_of_raft(status);
}

/* ---- each turn of the loop ------------------------------------------------------------------ */

static void on_role(void *user, enum bw_node_role role, uint64_t term)
{
    struct bw_raft_node *node = user;

    bw_log_info(node->log, "raft.role_changed", "role=%s term=%" PRIu64, bw_node_role_text(role),
                term);
    node->events.on_role(node->user, role, term);
}

static void on_ready_to_lead(void *user, uint64_t term)
{
    struct bw_raft_node *node = user;

    bw_log_info(node->log, "raft.leads", "term=%" PRIu64, term);
    node->events.on_ready_to_lead(node->user, term);
}

static void turn(struct bw_raft_node *node)
{
    bw_term_watch_turn(&node->watch);
    if (node->is_closing || node->safe.stopped || !node->behind.is_due)
        return;
    node->behind.is_due = false;
    if (node->events.on_peer_behind != NULL)
        node->events.on_peer_behind(node->user, node->behind.peer, node->behind.match,
                                    node->behind.commit);
}

static void on_prepare(uv_prepare_t *handle)
{
    turn(handle->data);
}

static void on_check(uv_check_t *handle)
{
    turn(handle->data);
}

/* From within a tick: only noted. */
static void on_peer_behind(void *user, uint64_t peer, uint64_t match, uint64_t commit)
{
    struct bw_raft_node *node = user;

    bw_log_warn(node->log, "raft.peer_behind",
                "peer=%" PRIu64 " match=%" PRIu64 " commit=%" PRIu64
                " for_ms=%d next=\"transfer leadership\"",
                peer, match, commit, BW_SAFE_IO_BEHIND_MS);
    node->behind.is_due = true;
    node->behind.peer = peer;
    node->behind.match = match;
    node->behind.commit = commit;
}

static void on_stop(void *user, enum bw_stop why, const char *message)
{
    struct bw_raft_node *node = user;

    node->stop(node->user, why, message);
}

/* ---- submitting ----------------------------------------------------------------------------- */

static void finish_request(struct request *request, int status, uint64_t index)
{
    struct bw_raft_node *node = request->node;
    bw_node_done_fn on_done = request->on_done;
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

static enum bw_err new_request(struct bw_raft_node *node, bw_node_done_fn on_done, void *user,
                               struct request **out_request)
{
    struct request *request;

    if (!node->is_started || node->is_closing || node->safe.stopped ||
        bw_term_watch_role_of(&node->raft) != BW_NODE_LEADER)
        return BW_ERR_NOT_LEADER;
    if (node->requests >= BW_NODE_REQUESTS_MAX)
        return BW_ERR_LIMIT;
    request = calloc(1, sizeof *request);
    if (request == NULL)
        return BW_ERR_NOMEM;
    request->node = node;
    request->on_done = on_done;
    request->user = user;
    *out_request = request;
    return BW_OK;
}

/* libraft has answered a submission; `request` is freed unless it was taken. */
static enum bw_err judge_submission(struct bw_raft_node *node, struct request *request, int rv)
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

enum bw_err bw_node_apply(struct bw_raft_node *node, const uint8_t *data, size_t size,
                          bw_node_done_fn on_done, void *user)
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

enum bw_err bw_node_barrier(struct bw_raft_node *node, bw_node_done_fn on_done, void *user)
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
    struct bw_raft_node *node = transfer->data;

    node->is_transferring = false;
}

enum bw_err bw_node_transfer(struct bw_raft_node *node, uint64_t id)
{
    int rv;

    if (!node->is_started || node->is_closing || node->safe.stopped ||
        bw_term_watch_role_of(&node->raft) != BW_NODE_LEADER)
        return BW_ERR_NOT_LEADER;
    if (node->is_transferring)
        return BW_ERR_BUSY;
    node->transfer = (struct raft_transfer){.data = node};
    rv = raft_transfer(&node->raft, &node->transfer, id, on_transferred);
    if (rv == 0) {
        node->is_transferring = true;
        bw_log_info(node->log, "raft.transfer_begun", "term=%" PRIu64 " to=%" PRIu64,
                    (uint64_t)raft_current_term(&node->raft), (uint64_t)node->transfer.id);
        return BW_OK;
    }
    if (rv == RAFT_NOTLEADER)
        return BW_ERR_BUSY;
    return rv == RAFT_NOTFOUND || rv == RAFT_BADID ? BW_ERR_NOT_FOUND : err_of_raft(rv);
}

/* ---- looking -------------------------------------------------------------------------------- */

uint64_t bw_node_term(const struct bw_raft_node *node)
{
    return raft_current_term(&node->raft);
}

bool bw_node_is_ready(const struct bw_raft_node *node)
{
    return bw_term_watch_is_ready(&node->watch);
}

static void look_at_peer(const struct bw_raft_node *node, const struct raft_server *server,
                         struct bw_node_peer *out_peer)
{
    raft_time heard_ms = bw_safe_io_heard_ms(&node->safe, server->id);
    raft_time now_ms = uv_now(node->prepare.loop);
    raft_index match;

    *out_peer = (struct bw_node_peer){
        .id = server->id, .is_voter = server->role == RAFT_VOTER, .is_heard = heard_ms != 0};
    if (heard_ms != 0 && now_ms > heard_ms)
        out_peer->heard_ms = now_ms - heard_ms;
    if (raft_match_index(&node->raft, server->id, &match) == 0) {
        out_peer->has_match = true;
        out_peer->match_index = match;
    }
}

void bw_node_get_status(const struct bw_raft_node *node, struct bw_node_status *out_status)
{
    struct raft *raft = (struct raft *)(uintptr_t)&node->raft; /* nothing below changes it */
    const struct raft_configuration *configuration = &raft->configuration;
    raft_id leader = 0;
    const char *address = NULL;

    *out_status = (struct bw_node_status){.role = BW_NODE_FOLLOWER};
    if (!node->is_started || node->is_closing)
        return;
    raft_leader(raft, &leader, &address);
    out_status->role = bw_term_watch_role_of(&node->raft);
    out_status->term = raft_current_term(raft);
    out_status->leader_id = leader;
    out_status->is_ready = bw_node_is_ready(node);
    out_status->commit_index = raft_commit_index(raft);
    out_status->applied_index = raft_last_applied(raft);
    out_status->last_index = raft_last_index(raft);
    out_status->stalled_ms = bw_safe_io_stalled_ms(&node->safe);
    out_status->capacity_kib = node->safe.io.capacity;
    out_status->is_capacity_low = node->safe.io.capacity < CAPACITY_KIB_MIN;
    for (unsigned i = 0; i < configuration->n; i++) {
        const struct raft_server *server = &configuration->servers[i];

        out_status->voter_count += server->role == RAFT_VOTER;
        if (server->id == raft->id)
            out_status->is_voter = server->role == RAFT_VOTER;
        else if (out_status->peer_count < BW_NODE_PEERS_MAX)
            look_at_peer(node, server, &out_status->peers[out_status->peer_count++]);
    }
}

const struct bw_data_dir_identity *bw_node_identity(const struct bw_raft_node *node)
{
    return &node->identity;
}

/* ---- opening -------------------------------------------------------------------------------- */

static enum bw_err check_config(const struct bw_node_config *config, struct bw_diag *diag)
{
    BW_ASSERT(config->loop != NULL && config->transport != NULL && config->stop != NULL);
    BW_ASSERT(config->events.on_role != NULL && config->events.on_ready_to_lead != NULL);
    if (config->election_timeout_ms < BW_NODE_ELECTION_MS_MIN ||
        config->election_timeout_ms > BW_NODE_ELECTION_MS_MAX)
        return bw_diag_set(diag, BW_ERR_INVALID, "election_timeout %u ms is not in %d..%d ms",
                           config->election_timeout_ms, BW_NODE_ELECTION_MS_MIN,
                           BW_NODE_ELECTION_MS_MAX);
    if (config->heartbeat_ms * 2 >= config->election_timeout_ms)
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "a heartbeat of %u ms is not less than half of the election timeout",
                           config->heartbeat_ms);
    return BW_OK;
}

static enum bw_err check_identity(const struct bw_node_config *config,
                                  const struct bw_data_dir_identity *identity, struct bw_diag *diag)
{
    if (strcmp(identity->cluster, config->cluster) != 0)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "data_dir %s belongs to cluster %s, not to %s; nothing was started",
                           config->data_dir, identity->cluster, config->cluster);
    if (identity->witness_id != config->witness_id)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "data_dir %s belongs to witness %" PRIu64 ", not to %" PRIu64
                           "; nothing was started",
                           config->data_dir, identity->witness_id, config->witness_id);
    if (identity->election_timeout_ms != config->election_timeout_ms)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "election_timeout is %u ms, but `witness init` has set %u ms for the "
                           "whole cluster; put that into the file; nothing was started",
                           config->election_timeout_ms, identity->election_timeout_ms);
    return BW_OK;
}

/* Everything that can be undone without the loop. Leaves the backend open on BW_OK. */
static enum bw_err open_raft(struct bw_raft_node *node, uv_loop_t *loop,
                             struct raft_uv_transport *transport, uint64_t id, struct bw_diag *diag)
{
    const struct bw_safe_io_config safe = {.store = bw_vote_file(&node->dir.fd),
                                           .stop = on_stop,
                                           .on_peer_behind = on_peer_behind,
                                           .user = node};
    char address[BW_TRANSPORT_ADDRESS_BYTES];
    int rv = raft_uv_init(&node->safe.io, loop, node->dir.raft_path, transport);

    if (rv != 0)
        return bw_diag_set(diag, err_of_raft(rv), "%s: %s", node->dir.raft_path,
                           node->safe.io.errmsg);
    bw_safe_io_wrap(&node->safe, &safe);
    raft_uv_set_auto_recovery(&node->safe.io, false);
    raft_uv_set_segment_size(&node->safe.io, SEGMENT_BYTES);
    raft_uv_set_disk_retry(&node->safe.io, DISK_RETRY_MS);
    bw_transport_format_address(id, address);
    rv = raft_init(&node->raft, &node->safe.io, bw_fsm_raft(node->fsm), id, address);
    if (rv != 0) {
        enum bw_err err = bw_diag_set(diag, err_of_raft(rv), "%s: %s", node->dir.raft_path,
                                      raft_errmsg(&node->raft));

        raft_uv_close(&node->safe.io);
        return err;
    }
    return BW_OK;
}

/* The uv backend seeds by the second of the start: witnesses that start together, as after a power
 * cut, would draw the same election timeouts for ever, and split every vote. */
static void seed_raft(struct bw_raft_node *node)
{
    unsigned seed = (unsigned)node->identity.witness_id;
    unsigned noise;

    if (getrandom(&noise, sizeof noise, 0) == (ssize_t)sizeof noise)
        seed ^= noise; /* without: the ids still differ */
    raft_seed(&node->raft, seed);
}

static void set_up_raft(struct bw_raft_node *node, const struct bw_node_config *config)
{
    unsigned heartbeat_ms = config->heartbeat_ms;

    if (heartbeat_ms == 0)
        heartbeat_ms = config->election_timeout_ms / 10;
    seed_raft(node);
    /* In this order: libraft triples 150 ms when the heartbeat is 15 ms by then. */
    raft_set_election_timeout(&node->raft, config->election_timeout_ms);
    raft_set_heartbeat_timeout(&node->raft, heartbeat_ms);
    raft_set_install_snapshot_timeout(&node->raft, INSTALL_TIMEOUT_MS);
    raft_set_pre_vote(&node->raft, true);
    raft_set_capacity_threshold(&node->raft, CAPACITY_KIB_MIN);
    raft_set_snapshot_threshold(&node->raft,
                                config->snapshot_threshold > 0 ? config->snapshot_threshold : 1024);
    raft_set_snapshot_trailing(&node->raft,
                               config->snapshot_trailing > 0 ? config->snapshot_trailing : 2048);
    raft_uv_set_connect_retry_delay(&node->safe.io,
                                    config->connect_retry_ms > 0 ? config->connect_retry_ms : 100);
}

static void open_handles(struct bw_raft_node *node, uv_loop_t *loop)
{
    int rv = uv_prepare_init(loop, &node->prepare);

    BW_ASSERT(rv == 0); /* cannot fail */
    rv = uv_check_init(loop, &node->check);
    BW_ASSERT(rv == 0);
    node->prepare.data = node;
    node->check.data = node;
    node->handles = 2;
}

enum bw_err bw_node_open(const struct bw_node_config *config, struct bw_raft_node **out_node,
                         struct bw_diag *diag)
{
    struct bw_raft_node *node;
    enum bw_err err = check_config(config, diag);

    if (err != BW_OK)
        return err;
    node = calloc(1, sizeof *node);
    if (node == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "open data_dir %s", config->data_dir);
    node->log = config->log;
    node->events = config->events;
    node->stop = config->stop;
    node->user = config->user;
    err = bw_data_dir_open(&node->dir, config->data_dir, &node->identity, diag);
    if (err == BW_OK)
        err = check_identity(config, &node->identity, diag);
    if (err != BW_OK)
        goto fail;
    node->fsm = bw_fsm_new(&node->raft, &node->safe, &config->fsm, config->user);
    err = BW_ERR_NOMEM;
    if (node->fsm == NULL)
        goto fail;
    err = open_raft(node, config->loop, bw_transport_raft(config->transport), config->witness_id,
                    diag);
    if (err != BW_OK)
        goto fail;
    set_up_raft(node, config);
    open_handles(node, config->loop);
    *out_node = node;
    return BW_OK;

fail:
    bw_fsm_free(node->fsm);
    bw_data_dir_close(&node->dir);
    free(node);
    return err;
}

enum bw_err bw_node_start(struct bw_raft_node *node, struct bw_diag *diag)
{
    static const struct bw_term_watch_events watch_events = {.on_role = on_role,
                                                             .on_ready_to_lead = on_ready_to_lead};
    bool has_log;
    unsigned cut_count;
    enum bw_err err = bw_data_dir_has_log(&node->dir, &has_log, diag);
    int rv;

    BW_ASSERT(!node->is_started && !node->is_closing);
    if (err == BW_OK)
        err = bw_segment_cut_torn(node->dir.raft_path, &cut_count, diag);
    if (err != BW_OK)
        return err;
    if (cut_count > 0)
        bw_log_warn(node->log, "raft.segment_cut", "dir=%s segments=%u why=\"torn end\"",
                    bw_log_quote(node->dir.raft_path), cut_count);
    if (node->identity.is_founder && !has_log)
        return bw_diag_set(diag, BW_ERR_CORRUPT,
                           "%s holds no log, but this witness had one: wipe it and add it under a "
                           "new id; nothing was started",
                           node->dir.raft_path);
    rv = raft_start(&node->raft);
    if (rv != 0 && bw_fsm_diag(node->fsm)->err != BW_OK)
        return bw_diag_set(diag, bw_fsm_diag(node->fsm)->err, "%s: %s; nothing was started",
                           node->dir.raft_path, bw_fsm_diag(node->fsm)->text);
    if (rv != 0)
        return bw_diag_set(diag, err_of_load(rv, raft_errmsg(&node->raft)),
                           "%s: %s%s; nothing was started", node->dir.raft_path,
                           raft_errmsg(&node->raft),
                           err_of_load(rv, raft_errmsg(&node->raft)) == BW_ERR_CORRUPT
                               ? ": if the disk is damaged, wipe this witness and add it under a "
                                 "new id"
                               : "");
    bw_fsm_started(node->fsm);
    node->is_started = true;
    bw_term_watch_start(&node->watch, &node->raft, &node->safe, &watch_events, node);
    rv = uv_prepare_start(&node->prepare, on_prepare);
    BW_ASSERT(rv == 0);
    rv = uv_check_start(&node->check, on_check);
    BW_ASSERT(rv == 0);
    return BW_OK;
}

/* ---- closing -------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct bw_raft_node *node = handle->data;
    void (*on_closed)(void *user) = node->on_closed;
    void *user = node->on_closed_user;

    if (--node->handles > 0)
        return;
    bw_fsm_free(node->fsm);
    bw_data_dir_close(&node->dir);
    free(node);
    if (on_closed != NULL)
        on_closed(user);
}

static void on_raft_closed(struct raft *raft)
{
    struct bw_raft_node *node = (struct bw_raft_node *)raft;

    raft_uv_close(&node->safe.io);
    uv_close((uv_handle_t *)&node->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&node->check, on_handle_closed);
}

void bw_node_close(struct bw_raft_node *node, void (*on_closed)(void *user), void *user)
{
    if (node->is_closing)
        return;
    node->is_closing = true;
    node->on_closed = on_closed;
    node->on_closed_user = user;
    bw_term_watch_stop(&node->watch);
    (void)uv_prepare_stop(&node->prepare); /* always 0 */
    (void)uv_check_stop(&node->check);
    raft_close(&node->raft, on_raft_closed);
}
_Static_assert(offsetof(struct bw_raft_node, raft) == 0, "on_raft_closed casts");
