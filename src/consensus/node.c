#include <breakwater/consensus/node.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <raft.h>
#include <raft/uv.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/consensus/vote_store.h>
#include <breakwater/consensus/voter.h>
#include <breakwater/core/counters.h>
#include <breakwater/os/durable.h>
#include <breakwater/os/random.h>

#include "offline.h"
#include "room_watch.h"
#include "trace_watch.h"

/* libraft keeps two open segments ready; three of them are the disk that an idle witness takes. */
#define SEGMENT_BYTES (1024 * 1024)
/* What a start takes: the segments that are kept ready, and as much for a snapshot and what is mended. */
#define ROOM_BYTES    (4 * (size_t)SEGMENT_BYTES)
#define SLOW_VOTE_AGAIN_NS UINT64_C(60000000000)

struct bw_raft_node {
    struct bw_voter voter;
    struct bw_data_dir dir;
    struct bw_data_dir_identity identity;
    struct bw_log *log;
    uv_prepare_t prepare;
    uv_check_t check;
    struct bw_trace_watch trace_watch;
    struct bw_room_watch room_watch, snapshot_watch;
    enum bw_err (*save_vote)(void *user, struct bw_vote vote, struct bw_diag *diag); /* the store's own */
    unsigned election_timeout_ms;
    struct bw_transport *transport;
    bw_node_say_fn say;
    void *say_user;
    struct {
        uint64_t count, worst_ms; /* not told of yet */
        uint64_t told_ns;         /* 0: never */
    } slow_votes;
    uv_work_t mark_work; /* L33 */
    struct bw_commit_mark mark;
    bool is_marking;
    unsigned handles; /* not yet closed */
    bool is_closing;
    void (*on_closed)(void *user);
    void *on_closed_user;
};

/* ---- each turn of the loop ------------------------------------------------------------------ */

static void on_prepare(uv_prepare_t *handle)
{
    struct bw_raft_node *node = handle->data;

    bw_trace_watch_turn(&node->trace_watch);
    bw_voter_turn(&node->voter);
}

static void on_check(uv_check_t *handle)
{
    struct bw_raft_node *node = handle->data;

    bw_trace_watch_turn(&node->trace_watch);
    bw_voter_turn(&node->voter);
}

/* ---- submitting ----------------------------------------------------------------------------- */

enum bw_err bw_node_apply(struct bw_raft_node *node, const uint8_t *data, size_t size,
                          bw_node_done_fn on_done, void *user)
{
    return bw_voter_apply(&node->voter, data, size, on_done, user);
}

enum bw_err bw_node_barrier(struct bw_raft_node *node, bw_node_done_fn on_done, void *user)
{
    return bw_voter_barrier(&node->voter, on_done, user);
}

enum bw_err bw_node_prove(struct bw_raft_node *node, bw_node_done_fn on_done, void *user)
{
    return bw_voter_prove(&node->voter, on_done, user);
}

void bw_node_hear_term(struct bw_raft_node *node, uint64_t peer, const struct bw_term_word *word)
{
    bw_voter_hear_term(&node->voter, peer, word);
}

enum bw_err bw_node_transfer(struct bw_raft_node *node, uint64_t id)
{
    return bw_voter_transfer(&node->voter, id);
}

/* ---- members -------------------------------------------------------------------------------- */

const struct bw_roster *bw_node_roster(const struct bw_raft_node *node)
{
    return &node->voter.roll.roster;
}

uint64_t bw_node_roster_version(const struct bw_raft_node *node)
{
    return node->voter.roll.version;
}

const struct bw_roster *bw_node_applied_roster(const struct bw_raft_node *node)
{
    return &node->voter.roll.applied;
}

void bw_node_look_at_members(const struct bw_raft_node *node, uint64_t live_ms,
                             struct bw_members_facts *out_facts)
{
    bw_voter_look_at_members(&node->voter, uv_now(node->prepare.loop), live_ms, out_facts);
}

enum bw_err bw_node_change(struct bw_raft_node *node, enum bw_members_step_kind kind, uint64_t id)
{
    return bw_voter_change(&node->voter, kind, id);
}

enum bw_err bw_node_apply_roster(struct bw_raft_node *node, const struct bw_roster *roster,
                                 bw_node_done_fn on_done, void *user)
{
    return bw_voter_apply_roster(&node->voter, roster, on_done, user);
}

bool bw_node_is_removed(const struct bw_raft_node *node)
{
    return bw_roll_is_removed(&node->voter.roll);
}

enum bw_err bw_node_mark_removed(struct bw_raft_node *node, struct bw_diag *diag)
{
    return bw_data_dir_mark_removed(&node->dir, diag);
}

/* ---- looking -------------------------------------------------------------------------------- */

uint64_t bw_node_follows(const struct bw_raft_node *node)
{
    return bw_voter_follows(&node->voter);
}

bool bw_node_is_ready(const struct bw_raft_node *node)
{
    return bw_voter_is_ready(&node->voter);
}

static void look_at_peer(const struct bw_raft_node *node, const struct raft_server *server,
                         struct bw_node_peer *out_peer)
{
    raft_time last_contact_ms = bw_safe_io_last_contact_ms(&node->voter.safe, server->id);
    raft_time now_ms = uv_now(node->prepare.loop);

    *out_peer = (struct bw_node_peer){.id = server->id,
                                      .is_voter = server->role == RAFT_VOTER,
                                      .is_in_contact = last_contact_ms != 0};
    if (bw_term_watch_role_of(&node->voter.raft) == BW_NODE_LEADER)
        (void)raft_match_index(&node->voter.raft, server->id,
                               (raft_index *)&out_peer->match_index); /* it is a server */
    if (last_contact_ms != 0 && now_ms > last_contact_ms)
        out_peer->last_contact_ms = now_ms - last_contact_ms;
}

void bw_node_get_status(const struct bw_raft_node *node, struct bw_node_status *out_status)
{
    struct raft *raft = (struct raft *)(uintptr_t)&node->voter.raft; /* nothing below changes it */
    const struct raft_configuration *configuration = &raft->configuration;

    *out_status = (struct bw_node_status){.role = BW_NODE_FOLLOWER};
    if (!bw_voter_is_running(&node->voter))
        return;
    out_status->role = bw_term_watch_role_of(&node->voter.raft);
    out_status->term = raft_current_term(raft);
    out_status->leader_id = bw_voter_leader(&node->voter);
    out_status->is_ready = bw_node_is_ready(node);
    out_status->is_handing_over = node->voter.is_transferring;
    out_status->commit_index = raft_commit_index(raft);
    out_status->applied_index = raft_last_applied(raft);
    out_status->last_index = raft_last_index(raft);
    out_status->stalled_ms = bw_safe_io_stalled_ms(&node->voter.safe);
    out_status->is_stuck = bw_safe_io_is_stuck(&node->voter.safe);
    out_status->is_capacity_low = node->voter.safe.io.capacity < BW_SAFE_IO_CAPACITY_KIB_MIN;
    out_status->lacks_room = bw_safe_io_lacks_room(&node->voter.safe);
    out_status->is_snapshot_stalled = bw_safe_io_is_put_stalled(&node->voter.safe);
    for (unsigned i = 0; i < configuration->n; i++) {
        const struct raft_server *server = &configuration->servers[i];

        out_status->voter_count += server->role == RAFT_VOTER;
        if (server->id == raft->id)
            out_status->is_voter = server->role == RAFT_VOTER;
        else if (out_status->peer_count < BW_NODE_PEERS_MAX)
            look_at_peer(node, server, &out_status->peers[out_status->peer_count++]);
    }
}

void bw_node_get_end(const struct bw_raft_node *node, uint64_t *out_term, uint64_t *out_index)
{
    struct raft *raft = (struct raft *)(uintptr_t)&node->voter.raft; /* nothing below changes it */
    const bool is_running = bw_voter_is_running(&node->voter);

    *out_term = is_running ? raft_current_term(raft) : 0;
    *out_index = is_running ? raft_last_index(raft) : 0;
}

const struct bw_node_peer *bw_node_peer(const struct bw_node_status *status, uint64_t id)
{
    for (unsigned i = 0; i < status->peer_count; i++)
        if (status->peers[i].id == id)
            return &status->peers[i];
    return NULL;
}

uint64_t bw_node_peer_behind(const struct bw_node_status *status, const struct bw_node_peer *peer)
{
    return peer != NULL && status->last_index > peer->match_index
               ? status->last_index - peer->match_index
               : 0;
}

const struct bw_data_dir_identity *bw_node_identity(const struct bw_raft_node *node)
{
    return &node->identity;
}

static struct bw_hello hello_of(const struct bw_raft_node *node, enum bw_hello_word word,
                                uint64_t to)
{
    return (struct bw_hello){.word = word,
                             .cluster_id = node->identity.cluster_id,
                             .incarnation = node->identity.incarnation,
                             .expected = bw_roll_expects(&node->voter.roll, to),
                             .from = node->identity.witness_id,
                             .to = to,
                             .feature_level = BW_FEATURE_LEVEL_NEWEST};
}

void bw_node_say_hello(const struct bw_raft_node *node, uint64_t to, uint8_t out[BW_HELLO_BYTES])
{
    const struct bw_hello hello = hello_of(node, BW_HELLO_JOIN, to);

    bw_hello_encode(&hello, out);
}

static bool say_term(void *user, uint64_t to, const struct bw_term_word *word)
{
    const struct bw_raft_node *node = user;
    struct bw_hello term = hello_of(node, BW_HELLO_TERM, to);
    uint8_t words[BW_HELLO_BYTES];

    term.term = *word;
    bw_hello_encode(&term, words);
    return node->say != NULL && node->say(node->say_user, to, words);
}

static struct bw_hello removal_of(const struct bw_raft_node *node, uint64_t to, uint64_t generation)
{
    struct bw_hello removal = hello_of(node, BW_HELLO_REMOVED, to);

    removal.generation = generation;
    removal.id_max = node->voter.roll.applied.id_max;
    return removal;
}

void bw_node_say_removed(const struct bw_raft_node *node, uint64_t to, uint64_t generation,
                         uint8_t out[BW_HELLO_BYTES])
{
    const struct bw_hello removal = removal_of(node, to, generation);

    bw_hello_encode(&removal, out);
}

void bw_node_say_release(const struct bw_raft_node *node, uint64_t to, const char *text,
                         uint8_t out[BW_HELLO_BYTES])
{
    struct bw_hello release = hello_of(node, BW_HELLO_RELEASE, to);

    BW_ASSERT(bw_copy_text(release.release, sizeof release.release, text));
    bw_hello_encode(&release, out);
}

void bw_node_say_certificate(const struct bw_raft_node *node, uint64_t to, uint64_t left_s,
                             uint8_t out[BW_HELLO_BYTES])
{
    struct bw_hello certificate = hello_of(node, BW_HELLO_CERTIFICATE, to);

    certificate.certificate_left_s = left_s < BW_HELLO_CERTIFICATE_S_MAX
                                         ? left_s
                                         : BW_HELLO_CERTIFICATE_S_MAX;
    bw_hello_encode(&certificate, out);
}

bool bw_node_say_committed(const struct bw_raft_node *node, uint64_t to, uint8_t out[BW_HELLO_BYTES])
{
    struct bw_hello committed = hello_of(node, BW_HELLO_COMMITTED, to);

    committed.committed = node->voter.safe.mark;
    bw_hello_encode(&committed, out);
    return committed.committed.index != 0;
}

bool bw_node_lacks(const struct bw_raft_node *node, struct bw_commit_mark mark)
{
    return bw_safe_io_lacks_entry(&node->voter.safe, mark);
}

enum bw_err bw_node_hear_hello(struct bw_raft_node *node, uint64_t peer, uint64_t generation,
                               const uint8_t words[BW_HELLO_BYTES], bool *out_is_ask,
                               uint8_t out_answer[BW_HELLO_BYTES], struct bw_diag *diag)
{
    struct bw_hello answer = hello_of(node, BW_HELLO_WELCOME, peer);
    struct bw_hello theirs;

    if (!bw_hello_decode(words, &theirs) || theirs.word > BW_HELLO_ASK)
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "its first words are no hello: is it of another version?");
    answer.word = bw_hello_judge(&answer, &node->voter.roll, peer, &theirs, diag);
    if (answer.word == BW_HELLO_REMOVED)
        answer = removal_of(node, theirs.from, generation);
    else if (peer == 0)
        return bw_diag_set(diag, BW_ERR_AUTH, "its certificate is of no other member");
    bw_hello_encode(&answer, out_answer);
    *out_is_ask = theirs.word == BW_HELLO_ASK;
    return answer.word == BW_HELLO_WELCOME || *out_is_ask ? BW_OK : BW_ERR_REFUSED;
}

enum bw_err bw_node_hear_answer(struct bw_raft_node *node, uint64_t peer,
                                const uint8_t words[BW_HELLO_BYTES], struct bw_diag *diag)
{
    const struct bw_hello self = hello_of(node, BW_HELLO_JOIN, peer);
    struct bw_hello answer;

    if (!bw_hello_decode(words, &answer) || answer.word < BW_HELLO_WELCOME)
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "its first words are no answer: is it of another version?");
    return bw_hello_take_answer(&self, &node->voter.roll, peer, &answer, diag);
}

struct bw_members_hearer bw_node_hearer(const struct bw_raft_node *node, uint64_t generation)
{
    return bw_voter_hearer(&node->voter, node->identity.cluster_id, generation);
}

bool bw_node_hears_removal(const struct bw_raft_node *node, uint64_t peer, uint64_t generation,
                           const uint8_t words[BW_HELLO_BYTES])
{
    const struct bw_members_hearer hearer = bw_node_hearer(node, generation);
    struct bw_hello hello;

    return bw_hello_decode(words, &hello) && bw_hello_is_removal(peer, &hello, &hearer);
}

bool bw_node_has_met(const struct bw_raft_node *node, uint64_t id)
{
    return bw_roll_has_met(&node->voter.roll, id);
}

bool bw_node_is_bare(const struct bw_raft_node *node)
{
    return bw_roll_is_bare(&node->voter.roll);
}

/* ---- opening -------------------------------------------------------------------------------- */

static enum bw_err check_config(const struct bw_node_config *config, struct bw_diag *diag)
{
    BW_ASSERT(config->loop != NULL && config->transport != NULL);
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
    struct bw_data_dir_identity wanted = {.witness_id = config->witness_id,
                                          .election_timeout_ms = config->election_timeout_ms};

    BW_ASSERT(bw_copy_text(wanted.cluster, sizeof wanted.cluster, config->cluster));
    return bw_data_dir_is_meant(config->data_dir, identity, &wanted, diag);
}

/* The uv backend would seed by the second of the start: witnesses that start together, as after a power
 * cut, would draw the same election timeouts for ever, and split every vote. */
static void set_up(struct bw_raft_node *node, const struct bw_node_config *config)
{
    const struct bw_voter_settings settings = {.election_timeout_ms = config->election_timeout_ms,
                                               .heartbeat_ms = config->heartbeat_ms,
                                               .snapshot_threshold = config->snapshot_threshold,
                                               .snapshot_trailing = config->snapshot_trailing,
                                               .seed = (unsigned)bw_random_seed()};

    bw_voter_set_up(&node->voter, &settings);
    raft_uv_set_connect_retry_delay(&node->voter.safe.io,
                                    config->connect_retry_ms > 0 ? config->connect_retry_ms : 100);
}

static bool has_room(void *user)
{
    struct bw_raft_node *node = user;

    return bw_room_watch_has_room(&node->room_watch, ROOM_BYTES);
}

/* The candidate saves its vote, then each of the others does, and each of these is three syncs, while the candidate's
 * time runs. */
static void watch_save(struct bw_raft_node *node, uint64_t took_ms)
{
    const unsigned limit_ms = node->election_timeout_ms / 10;
    const uint64_t now_ns = uv_hrtime();

    if (took_ms <= limit_ms)
        return;
    node->slow_votes.count++;
    if (took_ms > node->slow_votes.worst_ms)
        node->slow_votes.worst_ms = took_ms;
    if (node->slow_votes.told_ns != 0 && now_ns - node->slow_votes.told_ns < SLOW_VOTE_AGAIN_NS)
        return;
    bw_log_warn(node->log, "raft.vote_slow", "file=%s/" BW_VOTE_FILE " took_ms=%" PRIu64 " limit_ms=%u count=%" PRIu64 " does=%s",
                node->dir.path, node->slow_votes.worst_ms, limit_ms, node->slow_votes.count,
                bw_log_quote("goes on; while a majority needs so long no leader may be elected, and no lease be renewed"));
    node->slow_votes.told_ns = now_ns;
    node->slow_votes.count = 0;
    node->slow_votes.worst_ms = 0;
}

/* The store of votes knows the directory alone (bw_vote_file). */
static struct bw_raft_node *node_of_store(void *user)
{
    return (struct bw_raft_node *)((char *)user - offsetof(struct bw_raft_node, dir.fd));
}

static enum bw_err save_timed(void *user, struct bw_vote vote, struct bw_diag *diag)
{
    struct bw_raft_node *node = node_of_store(user);
    const uint64_t begin_ns = uv_hrtime();
    const enum bw_err err = node->save_vote(user, vote, diag);

    watch_save(node, (uv_hrtime() - begin_ns) / 1000000);
    return err;
}

static void close_one(void *user);

static void write_mark(uv_work_t *work)
{
    const struct bw_raft_node *node = work->data;

    bw_vote_file_write_commit(node->dir.fd, node->mark);
}

static void on_mark_written(uv_work_t *work, int status)
{
    struct bw_raft_node *node = work->data;

    (void)status; /* not begun: the mark of before says less, and nothing wrong */
    node->is_marking = false;
    close_one(node);
}

/* L33: beside the loop, one at a time. A disk that hangs keeps the mark of before. */
static void note_commit(void *user, struct bw_commit_mark mark)
{
    struct bw_raft_node *node = node_of_store(user);

    if (node->is_marking || node->is_closing)
        return;
    node->mark = mark;
    node->mark_work.data = node;
    node->is_marking = uv_queue_work(node->prepare.loop, &node->mark_work, write_mark, on_mark_written) == 0;
    node->handles += node->is_marking;
}

static struct bw_vote_store timed_store(struct bw_raft_node *node)
{
    struct bw_vote_store store = bw_vote_file(&node->dir.fd);

    store.note_commit = note_commit;
    node->save_vote = store.save;
    store.save = save_timed;
    return store;
}

/* libraft tries again by itself, whatever comes of this: it is asked for what it says. */
static void on_snapshot_stalled(void *user, size_t bytes)
{
    struct bw_raft_node *node = user;

    (void)bw_room_watch_has_room(&node->snapshot_watch, bytes + BW_SAFE_IO_SNAPSHOT_HEAD_BYTES);
}

static size_t waiting_bytes(void *user, uint64_t peer)
{
    const struct bw_raft_node *node = user;

    return bw_transport_waiting_bytes(node->transport, peer);
}

static enum bw_err open_voter(struct bw_raft_node *node, const struct bw_node_config *config,
                              struct bw_diag *diag)
{
    char address[BW_TRANSPORT_ADDRESS_BYTES];
    const struct bw_voter_config voter = {.id = config->witness_id,
                                          .incarnation = node->identity.incarnation,
                                          .origin = node->identity.origin,
                                          .address = address,
                                          .store = timed_store(node),
                                          .fsm = config->fsm,
                                          .events = config->events,
                                          .stop = config->stop,
                                          .user = config->user,
                                          .has_room = has_room,
                                          .on_snapshot_stalled = on_snapshot_stalled,
                                          .waiting_bytes = waiting_bytes,
                                          .say_term = say_term,
                                          .room_user = node,
                                          .log = config->log};

    bw_transport_format_address(config->witness_id, address);
    return bw_voter_open(&node->voter, &voter, diag);
}

/* Everything that can be undone without the loop. Leaves the backend open on BW_OK. */
static enum bw_err open_raft(struct bw_raft_node *node, const struct bw_node_config *config,
                             struct bw_diag *diag)
{
    struct raft_io *io = &node->voter.safe.io;
    int rv = raft_uv_init(io, config->loop, node->dir.raft_path,
                          bw_transport_raft(config->transport));
    enum bw_err err;

    if (rv != 0)
        return bw_diag_set(diag, bw_voter_err_of(rv), "%s: %s", node->dir.raft_path, io->errmsg);
    raft_uv_set_auto_recovery(io, false);
    raft_uv_set_segment_size(io, SEGMENT_BYTES);
    raft_uv_set_disk_retry(io, BW_TRACE_WATCH_RETRY_MS);
    err = open_voter(node, config, diag);
    if (err != BW_OK) {
        raft_uv_close(io);
        return bw_diag_wrap(diag, err, "%s", node->dir.raft_path);
    }
    set_up(node, config);
    return BW_OK;
}

static void open_handles(struct bw_raft_node *node, uv_loop_t *loop)
{
    int rv = uv_prepare_init(loop, &node->prepare);

    BW_ASSERT(rv == 0); /* cannot fail */
    rv = uv_check_init(loop, &node->check);
    BW_ASSERT(rv == 0);
    node->prepare.data = node;
    node->check.data = node;
    bw_trace_watch_open(&node->trace_watch, loop, &node->voter.safe);
    raft_uv_set_tracer(&node->voter.safe.io, &node->trace_watch.tracer);
    bw_room_watch_open(&node->room_watch, loop, BW_ROOM_LOG, node->dir.raft_path, node->log);
    bw_room_watch_open(&node->snapshot_watch, loop, BW_ROOM_SNAPSHOT, node->dir.raft_path, node->log);
    node->handles = 5;
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
    node->election_timeout_ms = config->election_timeout_ms;
    node->transport = config->transport;
    node->say = config->say;
    node->say_user = config->user;
    err = bw_data_dir_open(&node->dir, config->data_dir, &node->identity, diag);
    if (err == BW_OK)
        err = check_identity(config, &node->identity, diag);
    if (err == BW_OK)
        err = open_raft(node, config, diag);
    if (err != BW_OK)
        goto fail;
    open_handles(node, config->loop);
    *out_node = node;
    return BW_OK;

fail:
    bw_data_dir_close(&node->dir);
    free(node);
    return err;
}

/* Says what it has mended, too. */
static enum bw_err mend(struct bw_raft_node *node, struct bw_diag *diag)
{
    const char *path = node->dir.raft_path;
    struct bw_offline_mended mended;
    struct bw_diag why = {0};
    const enum bw_err err = bw_offline_mend(&node->dir, &mended, &why);

    if (mended.torn.bytes > 0)
        bw_log_warn(node->log, "raft.segment_cut",
                    "dir=%s segments=%u bytes=%" PRIu64 " entries=%" PRIu64 " why=%s",
                    bw_log_quote(path), mended.torn.files, mended.torn.bytes, mended.torn.entries,
                    bw_log_quote("torn end of the last write; entries: as far as it says"));
    if (mended.cut_files > 0)
        bw_log_info(node->log, "raft.cut_finished", "dir=%s index=%" PRIu64 " segments=%u",
                    bw_log_quote(path), mended.cut_index, mended.cut_files);
    if (err == BW_ERR_CORRUPT)
        return bw_diag_set(diag, err, "%s; nothing was started: %s", why.text, BW_WITNESS_LOST);
    return err == BW_OK ? BW_OK : bw_diag_set(diag, err, "%s; nothing was started", why.text);
}

/* It was made to join, and has taken and promised nothing yet, but perhaps heard of a term. In a directory that
 * has lost its log it would forget what it has taken. */
static enum bw_err check_bare(struct bw_raft_node *node, struct bw_diag *diag)
{
    const struct bw_vote_store store = bw_vote_file(&node->dir.fd);
    struct bw_vote vote;
    const enum bw_err err = store.load(store.user, &vote, NULL);

    if (node->identity.origin == BW_ROLL_JOINING && err == BW_ERR_NOT_FOUND)
        return bw_vote_file_mark_bare(node->dir.fd, diag);
    if (node->identity.origin == BW_ROLL_JOINING && err == BW_OK && vote.vote == 0 &&
        bw_vote_file_is_bare(node->dir.fd))
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_CORRUPT,
                       "%s holds no log, but this witness had one; nothing was started: %s",
                       node->dir.raft_path, BW_WITNESS_LOST);
}

/* What a run before has written, and a crash has kept it from saying so, a leader may count on from now on. */
static enum bw_err begun_log(struct bw_raft_node *node, struct bw_diag *diag)
{
    const struct bw_vote_store store = bw_vote_file(&node->dir.fd);

    return store.begin_log(store.user, diag);
}

/* 3.9: no message of a term above that is believed, so no election is won with it. */
static enum bw_err check_term(const struct bw_raft_node *node, struct bw_diag *diag)
{
    const struct bw_vote_store store = bw_vote_file(
        (int *)(uintptr_t)&node->dir.fd); /* only read */
    struct bw_vote vote;

    if (store.load(store.user, &vote, NULL) != BW_OK || vote.term < BW_COUNTER_MAX)
        return BW_OK; /* what cannot be read is said by the start itself */
    return bw_diag_set(
        diag, BW_ERR_CORRUPT,
        "data_dir %s: it has promised term %" PRIu64
        ", where no elections lead: somebody has made it up; nothing was started. "
        "While the others have a leader: %s. Else stop them all, and begin the "
        "cluster anew from one, as its user (runuser -u breakwater --): breakwater recover -c FILE",
        node->dir.path, vote.term, BW_WITNESS_LOST);
}

/* A witness that has run so far goes on: without a vote of it there may be no leader, and its log only grows. */
static void warn_of_snapshots(struct bw_raft_node *node)
{
    struct bw_diag why = {0};

    if (bw_room_try_nameless(node->dir.raft_path, BW_SAFE_IO_SNAPSHOT_HEAD_BYTES, &why) == BW_ERR_INVALID)
        bw_log_error(node->log, "raft.no_snapshots", "dir=%s error=%s does=%s", bw_log_quote(node->dir.raft_path),
                     bw_log_quote(why.text),
                     bw_log_quote("takes part, but its log takes ever more of the disk and of memory, and who is far behind it is "
                                  "not caught up"));
}

enum bw_err bw_node_start(struct bw_raft_node *node, struct bw_diag *diag)
{
    struct bw_diag why = {0};
    bool has_log;
    enum bw_err err = bw_data_dir_has_log(&node->dir, &has_log, diag);
    int rv;

    BW_ASSERT(!node->is_closing && !bw_voter_is_running(&node->voter));
    if (err == BW_OK)
        err = check_term(node, diag);
    if (err == BW_OK)
        err = mend(node, diag);
    if (err != BW_OK)
        return err;
    if (!has_log)
        err = check_bare(node, diag);
    if (err != BW_OK)
        return err;
    err = bw_voter_start(&node->voter, &why);
    if (err != BW_OK)
        return bw_diag_set(diag, err, "%s: %s; nothing was started", node->dir.raft_path, why.text);
    err = bw_segment_forget_stale(node->dir.raft_path, raft_last_index(&node->voter.raft), diag);
    if (err == BW_OK && raft_last_index(&node->voter.raft) > 0)
        err = begun_log(node, diag);
    if (err != BW_OK)
        return err;
    warn_of_snapshots(node);
    rv = uv_prepare_start(&node->prepare, on_prepare);
    BW_ASSERT(rv == 0);
    rv = uv_check_start(&node->check, on_check);
    BW_ASSERT(rv == 0);
    return BW_OK;
}

/* ---- closing -------------------------------------------------------------------------------- */

static void close_one(void *user)
{
    struct bw_raft_node *node = user;
    void (*on_closed)(void *user) = node->on_closed;
    void *on_closed_user = node->on_closed_user;

    if (--node->handles > 0)
        return;
    bw_voter_deinit(&node->voter);
    bw_data_dir_close(&node->dir);
    free(node);
    if (on_closed != NULL)
        on_closed(on_closed_user);
}

static void on_handle_closed(uv_handle_t *handle)
{
    close_one(handle->data);
}

static void on_voter_closed(void *user)
{
    struct bw_raft_node *node = user;

    raft_uv_close(&node->voter.safe.io);
    uv_close((uv_handle_t *)&node->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&node->check, on_handle_closed);
    bw_trace_watch_close(&node->trace_watch, node, on_handle_closed);
    bw_room_watch_close(&node->room_watch, close_one, node);
    bw_room_watch_close(&node->snapshot_watch, close_one, node);
}

void bw_node_close(struct bw_raft_node *node, void (*on_closed)(void *user), void *user)
{
    if (node->is_closing)
        return;
    node->is_closing = true;
    node->on_closed = on_closed;
    node->on_closed_user = user;
    (void)uv_prepare_stop(&node->prepare); /* always 0 */
    (void)uv_check_stop(&node->check);
    bw_voter_close(&node->voter, on_voter_closed, node);
}
