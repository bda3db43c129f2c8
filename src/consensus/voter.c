#include <breakwater/consensus/voter.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#define INSTALL_TIMEOUT_MS         3000
#define HEARTBEATS_MISSED          3 /* of whom is heard now */
#define SNAPSHOT_THRESHOLD_DEFAULT 1024
#define SNAPSHOT_TRAILING_DEFAULT  2048

struct request {
    union {
        struct raft_apply apply;
        struct raft_barrier barrier;
    };
    struct bw_voter *voter;
    bw_node_done_fn on_done;
    void *user;
};

enum bw_err bw_voter_err_of(int raft_status)
{
    switch (raft_status) {
    case RAFT_NOMEM:
        return BW_ERR_NOMEM;
    case RAFT_CORRUPT:
    case RAFT_MALFORMED:
        return BW_ERR_CORRUPT;
    case RAFT_NAMETOOLONG:
    case RAFT_TOOBIG:
    case RAFT_TOOMANY:
        return BW_ERR_LIMIT;
    case RAFT_CANTBOOTSTRAP:
        return BW_ERR_EXISTS;
    default: /* RAFT_NOSPACE, too: a full disk may have room again */
        return BW_ERR_IO;
    }
}

/* ---- what happens in libraft ---------------------------------------------------------------- */

static void on_role(void *user, enum bw_node_role role, uint64_t term)
{
    struct bw_voter *voter = user;

    bw_log_info(voter->log, "raft.role_changed", "role=%s term=%" PRIu64, bw_node_role_text(role),
                term);
    voter->events.on_role(voter->user, role, term);
}

static void on_ready_to_lead(void *user, uint64_t term)
{
    struct bw_voter *voter = user;

    bw_log_info(voter->log, "raft.leads", "term=%" PRIu64, term);
    voter->events.on_ready_to_lead(voter->user, term);
}

/* From within a tick: only noted. */
static void on_peer_behind(void *user, uint64_t peer, uint64_t match, uint64_t commit)
{
    struct bw_voter *voter = user;

    bw_log_warn(voter->log, "raft.peer_behind",
                "id=%" PRIu64 " match_index=%" PRIu64 " commit_index=%" PRIu64
                " for_ms=%d next=\"transfer leadership\"",
                peer, match, commit, BW_SAFE_IO_BEHIND_MS);
    voter->behind.is_due = true;
    voter->behind.peer = peer;
    voter->behind.match = match;
    voter->behind.commit = commit;
}

/* Once for each time that a majority is short of disk. */
static void note_room(struct bw_voter *voter, int rv)
{
    const bool is_missed = rv == RAFT_NOSPACE;

    if (rv != 0 && !is_missed)
        return;
    if (is_missed && !voter->is_room_missed)
        bw_log_error(voter->log, "raft.no_room", "term=%" PRIu64 " error=%s does=%s",
                     (uint64_t)raft_current_term(&voter->raft), bw_log_quote(bw_err_text(BW_ERR_NO_ROOM)),
                     bw_log_quote("takes nothing, so that nothing is decided and no lease renewed, until one has"));
    voter->is_room_missed = is_missed;
}

static void on_own_barrier(void *user, int rv)
{
    note_room(user, rv);
}

static bool has_room(void *user)
{
    const struct bw_voter *voter = user;

    return voter->has_room == NULL || voter->has_room(voter->room_user);
}

static void on_snapshot_stalled(void *user, size_t bytes)
{
    const struct bw_voter *voter = user;

    if (voter->on_snapshot_stalled != NULL)
        voter->on_snapshot_stalled(voter->room_user, bytes);
}

static size_t waiting_bytes(void *user, uint64_t peer)
{
    const struct bw_voter *voter = user;

    return voter->waiting_bytes == NULL ? 0 : voter->waiting_bytes(voter->room_user, peer);
}

static void on_stop(void *user, enum bw_stop why, const char *message)
{
    struct bw_voter *voter = user;

    voter->stop(voter->user, why, message);
}

static bool may_lead(const struct bw_voter *voter)
{
    return bw_voter_is_running(voter) && !voter->safe.stopped &&
           bw_term_watch_role_of(&voter->raft) == BW_NODE_LEADER;
}

/* ---- the first entry ------------------------------------------------------------------------- */

static void on_founded(struct raft_apply *apply, int status, void *result)
{
    struct bw_voter *voter = apply->data;

    (void)status; /* lost? Then the next turn tries again, should this still be a leader */
    (void)result;
    voter->is_founding = false;
}

/* L21: a founder that was elected with a bare log writes down who has elected it, before anything
 * else. libraft itself adds nothing then: there is no uncommitted entry. */
static void write_roster(struct bw_voter *voter)
{
    struct raft *raft = &voter->raft;
    uint64_t voters[BW_WITNESSES_MAX];
    struct bw_roster roster;
    struct raft_buffer buffer;
    unsigned count = 0;
    int rv;

    for (unsigned i = 0; i < raft->configuration.n && count < BW_WITNESSES_MAX; i++)
        if (raft->configuration.servers[i].role == RAFT_VOTER)
            voters[count++] = raft->configuration.servers[i].id;
    /* A sole voter elects itself; libraft asks nobody whether it may stand. */
    if (!bw_roll_may_stand(&voter->roll) || !bw_roll_draft(&voter->roll, voters, count, &roster)) {
        bw_safe_io_stop(&voter->safe, BW_STOP_PERSON,
                        "elected with a bare log, though this witness did not found the cluster: "
                        "its log is lost; %s",
                        BW_WITNESS_LOST);
        return;
    }
    if (bw_fsm_encode_roster(raft_current_term(raft), &roster, &buffer) != BW_OK)
        return; /* no memory now: the next turn tries again */
    voter->founding = (struct raft_apply){.data = voter};
    voter->is_founding = true;
    rv = raft_apply(raft, &voter->founding, &buffer, 1, on_founded);
    if (rv == 0) {
        bw_log_info(voter->log, "raft.founded", "term=%" PRIu64 " voters=%u",
                    (uint64_t)raft_current_term(raft), roster.count);
        return;
    }
    voter->is_founding = false;
    if (bw_term_watch_is_refusal(rv))
        raft_free(buffer.base);
    else
        bw_term_watch_stop_for(&voter->safe, raft, rv);
}

/* Each stands for one entry. */
static void on_aged(struct raft_barrier *barrier, int status)
{
    struct bw_voter *voter = barrier->data;

    (void)status; /* lost? Then the next turn adds what is missing, should this still be a leader */
    voter->aging_count--;
}

/* Of a leader: every voter has all up to there on its disk, as far as this one knows. */
static uint64_t index_of_all(const struct raft *raft)
{
    raft_index least = UINT64_MAX;

    for (unsigned i = 0; i < raft->configuration.n; i++) {
        const struct raft_server *server = &raft->configuration.servers[i];
        raft_index match;

        if (server->role != RAFT_VOTER)
            continue;
        if (raft_match_index(raft, server->id, &match) != 0)
            return 0;
        least = match < least ? match : least;
    }
    return least;
}

/* L21: entries without a meaning, until the log is young no more. */
static void outgrow(struct bw_voter *voter)
{
    struct raft *raft = &voter->raft;
    const unsigned missing = bw_roll_lacks(&voter->roll, index_of_all(raft), raft_last_index(raft));

    for (unsigned i = 0; i < missing && voter->aging_count == i; i++) {
        voter->aging[i] = (struct raft_barrier){.data = voter};
        const int rv = raft_barrier(raft, &voter->aging[i], on_aged);

        if (rv == 0)
            voter->aging_count++;
        else if (!bw_term_watch_is_refusal(rv))
            bw_term_watch_stop_for(&voter->safe, raft, rv);
    }
}

/* Nothing else goes into its log as long as it is young: what it commits, a majority remembers. */
static bool is_founded(const struct bw_voter *voter)
{
    const struct raft *raft = &voter->raft;

    return !bw_roll_needs_all(&voter->roll, raft_last_index((struct raft *)(uintptr_t)raft));
}

static void look_at_answers(struct bw_voter *voter)
{
    struct bw_asking_waiter late;
    enum bw_err err = BW_OK;

    if (bw_asking_turn(&voter->asking, &voter->watch, &late))
        err = bw_voter_barrier(voter, late.on_done, late.user);
    if (err != BW_OK)
        late.on_done(late.user, err, 0);
}

void bw_voter_turn(struct bw_voter *voter)
{
    if (may_lead(voter) && bw_roll_is_bare(&voter->roll) && !voter->is_founding)
        write_roster(voter);
    if (may_lead(voter) && voter->aging_count == 0)
        outgrow(voter);
    if (may_lead(voter) && !is_founded(voter))
        return;
    bw_term_watch_turn(&voter->watch);
    look_at_answers(voter);
    if (voter->is_closing || voter->safe.stopped || !voter->behind.is_due)
        return;
    voter->behind.is_due = false;
    if (voter->events.on_peer_behind != NULL)
        voter->events.on_peer_behind(voter->user, voter->behind.peer, voter->behind.match,
                                     voter->behind.commit);
}

/* ---- submitting ----------------------------------------------------------------------------- */

/* It leads, and its log is young no more (L21). */
static bool voter_may_submit(const struct bw_voter *voter)
{
    return may_lead(voter) && is_founded(voter);
}

static void finish_request(struct request *request, int status, uint64_t index)
{
    struct bw_voter *voter = request->voter;
    bw_node_done_fn on_done = request->on_done;
    void *user = request->user;
    enum bw_err err = BW_ERR_UNKNOWN;

    if (status == 0 && !voter->safe.stopped)
        err = BW_OK;
    else if (status == RAFT_NOSPACE)
        err = BW_ERR_NO_ROOM;
    voter->requests--;
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

static enum bw_err new_request(struct bw_voter *voter, bw_node_done_fn on_done, void *user,
                               struct request **out_request)
{
    struct request *request;

    if (!voter_may_submit(voter))
        return BW_ERR_NOT_LEADER;
    if (voter->requests >= BW_NODE_REQUESTS_MAX)
        return BW_ERR_LIMIT;
    request = calloc(1, sizeof *request);
    if (request == NULL)
        return BW_ERR_NOMEM;
    request->voter = voter;
    request->on_done = on_done;
    request->user = user;
    *out_request = request;
    return BW_OK;
}

/* libraft has answered a submission; `request` is freed unless it was taken. */
static enum bw_err judge_submission(struct bw_voter *voter, struct request *request, int rv)
{
    note_room(voter, rv);
    if (rv == 0) {
        bw_safe_io_hurry(&voter->safe);
        voter->requests++;
        return BW_OK;
    }
    free(request);
    if (bw_term_watch_is_refusal(rv))
        return rv == RAFT_NOTLEADER ? BW_ERR_NOT_LEADER : BW_ERR_NO_ROOM;
    bw_term_watch_stop_for(&voter->safe, &voter->raft, rv);
    return BW_ERR_UNKNOWN;
}

/* Takes both; `err` is how the buffer was made. */
static enum bw_err submit(struct bw_voter *voter, struct request *request, enum bw_err err,
                          struct raft_buffer *buffer)
{
    int rv;

    if (err != BW_OK) {
        free(request);
        return err;
    }
    request->apply.data = request;
    rv = raft_apply(&voter->raft, &request->apply, buffer, 1, on_applied);
    if (bw_term_watch_is_refusal(rv))
        raft_free(buffer->base); /* after any other failure nobody knows whose it is */
    return judge_submission(voter, request, rv);
}

enum bw_err bw_voter_apply(struct bw_voter *voter, const uint8_t *data, size_t size,
                           bw_node_done_fn on_done, void *user)
{
    struct request *request;
    struct raft_buffer buffer;
    enum bw_err err = new_request(voter, on_done, user, &request);

    if (err == BW_OK)
        err = submit(voter, request,
                     bw_fsm_encode(raft_current_term(&voter->raft), data, size, &buffer), &buffer);
    return err;
}

enum bw_err bw_voter_apply_roster(struct bw_voter *voter, const struct bw_roster *roster,
                                  bw_node_done_fn on_done, void *user)
{
    struct request *request;
    struct raft_buffer buffer;
    enum bw_err err = new_request(voter, on_done, user, &request);

    if (err == BW_OK)
        err = submit(voter, request,
                     bw_fsm_encode_roster(raft_current_term(&voter->raft), roster, &buffer), &buffer);
    return err;
}

enum bw_err bw_voter_barrier(struct bw_voter *voter, bw_node_done_fn on_done, void *user)
{
    struct request *request;
    enum bw_err err = new_request(voter, on_done, user, &request);

    if (err != BW_OK)
        return err;
    request->barrier.data = request;
    return judge_submission(voter, request,
                            raft_barrier(&voter->raft, &request->barrier, on_barrier));
}

enum bw_err bw_voter_prove(struct bw_voter *voter, bw_node_done_fn on_done, void *user)
{
    const struct bw_asking_waiter waiter = {.on_done = on_done, .user = user};
    const bool is_asked = voter_may_submit(voter) && bw_asking_begin(&voter->asking, &voter->watch, waiter);

    return is_asked ? BW_OK : bw_voter_barrier(voter, on_done, user);
}

void bw_voter_hear_term(struct bw_voter *voter, uint64_t peer, const struct bw_term_word *word)
{
    bw_asking_hear(&voter->asking, &voter->watch, peer, word);
}

static void on_transferred(struct raft_transfer *transfer)
{
    struct bw_voter *voter = transfer->data;

    voter->is_transferring = false;
    if (raft_current_term(&voter->raft) == voter->transfer_term)
        bw_safe_io_tell_again(&voter->safe);
}

struct heir {
    raft_id id; /* 0: nobody */
    bool is_heard_now;
    raft_index match;
};

static bool is_better(const struct heir *heir, const struct heir *than)
{
    if (than->id == 0 || heir->is_heard_now != than->is_heard_now)
        return than->id == 0 || heir->is_heard_now;
    return heir->match > than->match;
}

/* libraft would take the last voter that there is where none has all entries just then, be it dead, or the very one
 * that stands still (L11). 0: nobody. */
static raft_id best_heir(struct bw_voter *voter)
{
    struct raft *raft = &voter->raft;
    struct raft_io *io = &voter->safe.io;
    struct heir best = {0};

    for (unsigned i = 0; i < raft->configuration.n; i++) {
        const struct raft_server *server = &raft->configuration.servers[i];
        const raft_time last_ms = bw_safe_io_last_contact_ms(&voter->safe, server->id);
        const raft_time silent_ms = io->time(io) - last_ms;
        struct heir heir = {.id = server->id, .is_heard_now = silent_ms <= HEARTBEATS_MISSED * raft->heartbeat_timeout};

        if (server->id != raft->id && server->role == RAFT_VOTER && last_ms != 0 &&
            silent_ms <= raft->election_timeout && !bw_safe_io_is_behind(&voter->safe, server->id) &&
            raft_match_index(raft, server->id, &heir.match) == 0 && is_better(&heir, &best))
            best = heir;
    }
    return best.id;
}

static enum bw_err begin_transfer(struct bw_voter *voter, uint64_t id)
{
    int rv;

    if (!voter_may_submit(voter))
        return BW_ERR_NOT_LEADER;
    if (voter->is_transferring)
        return BW_ERR_BUSY;
    if (id == 0)
        id = best_heir(voter);
    if (id == 0)
        return BW_ERR_NOT_FOUND;
    voter->transfer = (struct raft_transfer){.data = voter};
    voter->transfer_term = raft_current_term(&voter->raft);
    rv = raft_transfer(&voter->raft, &voter->transfer, id, on_transferred);
    if (rv == 0) {
        voter->is_transferring = true;
        bw_log_info(voter->log, "raft.transfer_begun", "term=%" PRIu64 " id=%" PRIu64,
                    (uint64_t)raft_current_term(&voter->raft), (uint64_t)voter->transfer.id);
        return BW_OK;
    }
    if (rv == RAFT_NOTLEADER)
        return BW_ERR_BUSY;
    return rv == RAFT_NOTFOUND || rv == RAFT_BADID ? BW_ERR_NOT_FOUND : bw_voter_err_of(rv);
}

enum bw_err bw_voter_transfer(struct bw_voter *voter, uint64_t id)
{
    const enum bw_err err = begin_transfer(voter, id);

    if (err != BW_OK)
        bw_safe_io_tell_again(&voter->safe);
    return err;
}

/* ---- looking -------------------------------------------------------------------------------- */

static unsigned voter_count(const struct raft *raft)
{
    unsigned count = 0;

    for (unsigned i = 0; i < raft->configuration.n; i++)
        count += raft->configuration.servers[i].role == RAFT_VOTER;
    return count;
}

bool bw_voter_is_running(const struct bw_voter *voter)
{
    return voter->is_started && !voter->is_closing;
}

bool bw_voter_is_ready(const struct bw_voter *voter)
{
    return bw_term_watch_is_ready(&voter->watch);
}

uint64_t bw_voter_leader(const struct bw_voter *voter)
{
    raft_id id = 0;
    const char *address = NULL;

    if (bw_voter_is_running(voter)) /* libraft takes no const pointer here; nothing is changed */
        raft_leader((struct raft *)(uintptr_t)&voter->raft, &id, &address);
    return id;
}

uint64_t bw_voter_follows(const struct bw_voter *voter)
{
    const bool leads = bw_voter_is_running(voter) &&
                       bw_term_watch_role_of(&voter->raft) == BW_NODE_LEADER;

    return leads ? voter->roll.self : bw_voter_leader(voter);
}

struct bw_members_hearer bw_voter_hearer(const struct bw_voter *voter, struct bw_id cluster_id,
                                         uint64_t generation)
{
    return (struct bw_members_hearer){.cluster_id = cluster_id,
                                      .id = voter->roll.self,
                                      .generation = generation,
                                      .leader = bw_voter_follows(voter),
                                      .is_bare = bw_roll_is_bare(&voter->roll),
                                      .applied = &voter->roll.applied};
}

/* ---- life ----------------------------------------------------------------------------------- */

enum bw_err bw_voter_open(struct bw_voter *voter, const struct bw_voter_config *config,
                          struct bw_diag *diag)
{
    const struct bw_safe_io_config safe = {.store = config->store,
                                           .roll = &voter->roll,
                                           .stop = on_stop,
                                           .has_room = has_room,
                                           .on_snapshot_stalled = on_snapshot_stalled,
                                           .on_peer_behind = on_peer_behind,
                                           .waiting_bytes = waiting_bytes,
                                           .user = voter};
    int rv;

    BW_ASSERT(config->stop != NULL);
    BW_ASSERT(config->events.on_role != NULL && config->events.on_ready_to_lead != NULL);
    voter->events = config->events;
    voter->stop = config->stop;
    voter->has_room = config->has_room;
    voter->on_snapshot_stalled = config->on_snapshot_stalled;
    voter->waiting_bytes = config->waiting_bytes;
    voter->room_user = config->room_user;
    voter->asking = (struct bw_asking){.say = config->say_term, .say_user = config->room_user};
    voter->user = config->user;
    voter->log = config->log;
    bw_roll_init(&voter->roll, config->id, config->incarnation, config->origin);
    bw_safe_io_wrap(&voter->safe, &safe);
    voter->fsm = bw_fsm_new(&voter->raft, &voter->safe, &config->fsm, config->user);
    if (voter->fsm == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "no memory");
    rv = raft_init(&voter->raft, &voter->safe.io, bw_fsm_raft(voter->fsm), config->id,
                   config->address);
    if (rv != 0) {
        bw_voter_deinit(voter);
        return bw_diag_set(diag, bw_voter_err_of(rv), "%s", raft_errmsg(&voter->raft));
    }
    return BW_OK;
}

void bw_voter_set_up(struct bw_voter *voter, const struct bw_voter_settings *settings)
{
    struct raft *raft = &voter->raft;

    raft_seed(raft, settings->seed); /* first: the next call draws with it */
    /* In this order: libraft triples 150 ms when the heartbeat is 15 ms by then. */
    raft_set_election_timeout(raft, settings->election_timeout_ms);
    raft_set_heartbeat_timeout(raft, settings->heartbeat_ms > 0
                                         ? settings->heartbeat_ms
                                         : settings->election_timeout_ms / 10);
    raft_set_install_snapshot_timeout(raft, INSTALL_TIMEOUT_MS);
    raft_set_pre_vote(raft, true);
    raft_set_capacity_threshold(raft, BW_SAFE_IO_CAPACITY_KIB_MIN);
    raft_set_snapshot_threshold(raft, settings->snapshot_threshold > 0
                                          ? settings->snapshot_threshold
                                          : SNAPSHOT_THRESHOLD_DEFAULT);
    raft_set_snapshot_trailing(raft, settings->snapshot_trailing > 0 ? settings->snapshot_trailing
                                                                     : SNAPSHOT_TRAILING_DEFAULT);
}

/* libraft calls a file that ends too early an I/O error; no new start makes it longer. */
static enum bw_err err_of_load(int status, const char *text)
{
    return status == RAFT_IOERR && strstr(text, "short read") != NULL ? BW_ERR_CORRUPT
                                                                      : bw_voter_err_of(status);
}

static enum bw_err explain_load(const struct bw_voter *voter, int status, struct bw_diag *diag)
{
    const struct bw_diag *why = bw_fsm_diag(voter->fsm);
    const char *text = raft_errmsg((struct raft *)(uintptr_t)&voter->raft); /* changes nothing */
    enum bw_err err = err_of_load(status, text);

    if (why->err != BW_OK)
        return bw_diag_set(diag, why->err, "%s", why->text);
    return bw_diag_set(diag, err, "%s%s", text, err == BW_ERR_CORRUPT ? ": " BW_WITNESS_LOST : "");
}

enum bw_err bw_voter_start(struct bw_voter *voter, struct bw_diag *diag)
{
    static const struct bw_term_watch_events watch_events = {.on_role = on_role,
                                                             .on_own_barrier = on_own_barrier,
                                                             .on_ready_to_lead = on_ready_to_lead};
    int rv;

    BW_ASSERT(!voter->is_started && !voter->is_closing);
    rv = raft_start(&voter->raft);
    if (rv != 0)
        return explain_load(voter, rv, diag);
    bw_fsm_started(voter->fsm);
    voter->is_started = true;
    bw_term_watch_start(&voter->watch, &voter->raft, &voter->safe, &watch_events, voter);
    return BW_OK;
}

static void on_raft_closed(struct raft *raft)
{
    struct bw_voter *voter = (struct bw_voter *)raft;

    voter->on_closed(voter->on_closed_user);
}
_Static_assert(offsetof(struct bw_voter, raft) == 0, "on_raft_closed casts");

void bw_voter_close(struct bw_voter *voter, void (*on_closed)(void *user), void *user)
{
    BW_ASSERT(!voter->is_closing);
    voter->is_closing = true;
    voter->on_closed = on_closed;
    voter->on_closed_user = user;
    bw_term_watch_stop(&voter->watch);
    bw_asking_cancel(&voter->asking);
    raft_close(&voter->raft, on_raft_closed);
}

void bw_voter_deinit(struct bw_voter *voter)
{
    bw_fsm_free(voter->fsm);
    voter->fsm = NULL;
}

/* ---- a change of the configuration: what core/members.h decides, asked of libraft (3.9) ------ */

#define ADDRESS_BYTES 24 /* of 20 digits */

static void on_changed(struct raft_change *change, int status)
{
    struct bw_voter *voter = change->data;

    voter->is_changing = false;
    if (voter->is_closing)
        return;
    bw_log_write(voter->log, status == 0 ? BW_LOG_INFO : BW_LOG_WARN, "raft.change_ended",
                 "outcome=%s voters=%u", bw_log_quote(status == 0 ? "ok" : raft_strerror(status)),
                 voter_count(&voter->raft));
}

static void on_marked(struct raft_barrier *barrier, int status)
{
    struct bw_voter *voter = barrier->data;

    voter->is_marking = false;
    if (status != 0)
        voter->marker.term = 0;
}

/* M2: an entry that was appended after the newest configuration had committed. */
static int mark(struct bw_voter *voter)
{
    struct raft *raft = &voter->raft;
    int rv;

    if (voter->is_marking)
        return RAFT_CANTCHANGE;
    voter->marking = (struct raft_barrier){.data = voter};
    rv = raft_barrier(raft, &voter->marking, on_marked);
    if (rv != 0)
        return rv;
    voter->is_marking = true;
    voter->marker.term = raft_current_term(raft);
    voter->marker.configuration = raft->configuration_committed_index;
    voter->marker.index = raft_last_index(raft);
    return 0;
}

static int change(struct bw_voter *voter, enum bw_members_step_kind kind, uint64_t id)
{
    struct raft *raft = &voter->raft;
    char address[ADDRESS_BYTES];

    voter->change = (struct raft_change){.data = voter};
    switch (kind) {
    case BW_MEMBERS_ADD:
        (void)snprintf(address, sizeof address, "%" PRIu64, id); /* as transport.h has it */
        return raft_add(raft, &voter->change, id, address, on_changed);
    case BW_MEMBERS_FEED:
        return raft_assign(raft, &voter->change, id, RAFT_STANDBY, on_changed);
    case BW_MEMBERS_PROMOTE:
        return raft_assign(raft, &voter->change, id, RAFT_VOTER, on_changed);
    case BW_MEMBERS_REMOVE:
        return raft_remove(raft, &voter->change, id, on_changed);
    case BW_MEMBERS_NOTHING:
    case BW_MEMBERS_WAIT:
    case BW_MEMBERS_MARK:
    case BW_MEMBERS_HAND_OVER:
    case BW_MEMBERS_FORGET:
        break;
    }
    return RAFT_BADROLE;
}

/* Of these nothing was begun. */
static bool is_refusal(int rv)
{
    return rv == RAFT_CANTCHANGE || rv == RAFT_BADROLE || rv == RAFT_NOTFOUND ||
           rv == RAFT_DUPLICATEID || rv == RAFT_NOCONNECTION || rv == RAFT_NOMEM ||
           bw_term_watch_is_refusal(rv);
}

static bool is_changing(const struct bw_voter *voter)
{
    const struct raft *raft = &voter->raft;

    return voter->is_changing || raft->configuration_uncommitted_index != 0 ||
           (raft_state((struct raft *)(uintptr_t)raft) == RAFT_LEADER &&
            raft->leader_state.promotee_id != 0);
}

enum bw_err bw_voter_change(struct bw_voter *voter, enum bw_members_step_kind kind, uint64_t id)
{
    int rv;

    if (!voter_may_submit(voter))
        return BW_ERR_NOT_LEADER;
    if (is_changing(voter))
        return BW_ERR_BUSY;
    rv = kind == BW_MEMBERS_MARK ? mark(voter) : change(voter, kind, id);
    if (rv == 0) {
        voter->is_changing = kind != BW_MEMBERS_MARK;
        return BW_OK;
    }
    if (!is_refusal(rv))
        bw_term_watch_stop_for(&voter->safe, &voter->raft, rv);
    return rv == RAFT_NOTLEADER ? BW_ERR_NOT_LEADER : BW_ERR_BUSY;
}

/* ---- looking -------------------------------------------------------------------------------- */

static bool has_marker(const struct bw_voter *voter)
{
    const struct raft *raft = &voter->raft;

    return voter->marker.term != 0 &&
           voter->marker.term == raft_current_term((struct raft *)(uintptr_t)raft) &&
           voter->marker.configuration == raft->configuration_committed_index;
}

static enum bw_member_role role_of(const struct raft_server *server)
{
    if (server->role == RAFT_VOTER)
        return BW_MEMBER_VOTER;
    return server->role == RAFT_STANDBY ? BW_MEMBER_STANDBY : BW_MEMBER_SPARE;
}

static void look_at(const struct bw_voter *voter, const struct raft_server *server,
                    uint64_t now_ms, uint64_t live_ms, struct bw_member_fact *out_fact)
{
    const raft_time contact_ms = bw_safe_io_last_contact_ms(&voter->safe, server->id);
    raft_index match = 0;

    *out_fact = (struct bw_member_fact){
        .id = server->id,
        .role = role_of(server),
        .is_live = server->id == voter->raft.id ||
                   (contact_ms != 0 && now_ms < contact_ms + live_ms)};
    if (has_marker(voter) && raft_match_index(&voter->raft, server->id, &match) == 0)
        out_fact->has_settled = match >= voter->marker.index;
}

void bw_voter_look_at_members(const struct bw_voter *voter, uint64_t now_ms, uint64_t live_ms,
                              struct bw_members_facts *out_facts)
{
    const struct raft_configuration *configuration = &voter->raft.configuration;
    const unsigned max = sizeof out_facts->list / sizeof out_facts->list[0];

    *out_facts = (struct bw_members_facts){.self = voter->raft.id,
                                           .is_changing = is_changing(voter),
                                           .has_marker = has_marker(voter)};
    for (unsigned i = 0; i < configuration->n && out_facts->count < max; i++)
        look_at(voter, &configuration->servers[i], now_ms, live_ms,
                &out_facts->list[out_facts->count++]);
}
