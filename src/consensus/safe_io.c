/* safe_io stands between libraft and its disk and network: the rules are at the head of safe_io.h. lint: a machine. */
#include <breakwater/consensus/safe_io.h>

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include "safe_internal.h"

/* ---- peers ---- */

#define ANSWERED_LATELY_MS 2000

struct bw_safe_io_peer *bw_safe_peers_find(struct bw_safe_io *safe, raft_id id)
{
    for (unsigned i = 0; i < BW_SAFE_IO_PEERS_MAX; i++) {
        if (safe->peers[i].id == id)
            return &safe->peers[i];
    }
    return NULL;
}

struct bw_safe_io_peer *bw_safe_peers_want(struct bw_safe_io *safe, raft_id id)
{
    struct bw_safe_io_peer *peer = bw_safe_peers_find(safe, id);

    for (unsigned i = 0; peer == NULL && i < BW_SAFE_IO_PEERS_MAX; i++) {
        if (safe->peers[i].id == 0)
            peer = &safe->peers[i];
    }
    for (unsigned i = 0; peer == NULL && i < BW_SAFE_IO_PEERS_MAX; i++) {
        if (safe->peers[i].sends == 0)
            peer = &safe->peers[i];
    }
    if (peer != NULL && peer->id != id)
        *peer = (struct bw_safe_io_peer){.id = id};
    return peer;
}

raft_time bw_safe_io_last_contact_ms(const struct bw_safe_io *safe, uint64_t peer)
{
    for (unsigned i = 0; peer != 0 && i < BW_SAFE_IO_PEERS_MAX; i++) {
        if (safe->peers[i].id == peer)
            return safe->peers[i].last_contact_ms;
    }
    return 0;
}

/* ---- L11 -------------------------------------------------------------------------------------- */

bool bw_safe_peer_answers(const struct bw_safe_io_peer *peer, raft_time now_ms)
{
    return peer->answered_ms != 0 && now_ms - peer->answered_ms <= ANSWERED_LATELY_MS;
}

bool bw_safe_peer_count(struct bw_safe_io_peer *peer, uint64_t match, uint64_t commit, bool answers, uint64_t step_ms)
{
    const uint64_t limit_ms = peer->is_again ? BW_SAFE_IO_BEHIND_AGAIN_MS : BW_SAFE_IO_BEHIND_MS;

    if (match >= commit || match != peer->match) {
        peer->match = match;
        peer->behind_ms = 0;
        peer->is_behind = false;
        peer->is_again = false;
        return false;
    }
    if (!answers)
        return false; /* it is away, or still receives what it was sent: both are another story */
    peer->behind_ms += step_ms;
    if (peer->behind_ms < limit_ms || (peer->is_behind && !peer->is_again))
        return false;
    peer->is_behind = true;
    peer->is_again = false;
    return true;
}

bool bw_safe_io_is_behind(const struct bw_safe_io *safe, uint64_t peer)
{
    for (unsigned i = 0; peer != 0 && i < BW_SAFE_IO_PEERS_MAX; i++) {
        if (safe->peers[i].id == peer)
            return safe->peers[i].is_behind;
    }
    return false;
}

void bw_safe_io_tell_again(struct bw_safe_io *safe)
{
    for (unsigned i = 0; i < BW_SAFE_IO_PEERS_MAX; i++) {
        struct bw_safe_io_peer *peer = &safe->peers[i];

        if (!peer->is_behind || peer->is_again)
            continue;
        peer->is_again = true;
        peer->behind_ms = 0;
    }
}

/* L11: of a leader, at each tick, `step_ms` after the last. */
static void safe_peers_watch(struct bw_safe_io *safe, raft_time now_ms, uint64_t step_ms)
{
    struct raft *raft = safe->io.data;

    if (raft == NULL || raft_state(raft) != RAFT_LEADER)
        return;
    for (unsigned i = 0; i < raft->configuration.n; i++) {
        const struct raft_server *server = &raft->configuration.servers[i];
        const raft_index commit = raft_commit_index(raft);
        struct bw_safe_io_peer *peer;
        raft_index match;

        if (server->id == raft->id || server->role == RAFT_SPARE)
            continue;
        peer = bw_safe_peers_want(safe, server->id);
        if (peer == NULL || raft_match_index(raft, server->id, &match) != 0)
            continue;
        if (bw_safe_peer_count(peer, match, commit, bw_safe_peer_answers(peer, now_ms), step_ms) &&
            safe->config.on_peer_behind != NULL)
            safe->config.on_peer_behind(safe->config.user, peer->id, match, commit);
    }
}

/* ---- the log ---- */

void bw_safe_log_change(struct bw_safe_io *safe, raft_index index)
{
    if (safe->change_count == BW_SAFE_IO_CHANGES_MAX) {
        safe->change_forgotten = safe->changes[0];
        memmove(safe->changes, safe->changes + 1,
                (BW_SAFE_IO_CHANGES_MAX - 1) * sizeof safe->changes[0]);
        safe->change_count--;
    }
    safe->changes[safe->change_count++] = index;
}

static void note_cut(struct bw_safe_io *safe, raft_index index)
{
    struct bw_diag diag = {0};

    if (safe->config.store.note_cut(safe->config.store.user, index, &diag) == BW_OK)
        safe->cut_noted = index;
    else
        bw_safe_io_stop(safe, BW_STOP_RESTART, "%s", diag.text);
}

/* The log is about to lose `index` and what follows: written down before it begins, unless there is
 * nothing there to be lost. Stops the witness where that fails. Of two that are under way one note could not tell which is how far: then there is none, and a
 * crash between their steps is taken for damage. */
static void safe_log_cut(struct bw_safe_io *safe, raft_index index)
{
    while (safe->change_count > 0 && safe->changes[safe->change_count - 1] >= index)
        safe->change_count--;
    if (safe->change_forgotten >= index)
        safe->change_forgotten = 0;
    if (index >= safe->next_index || safe->stopped || safe->config.store.note_cut == NULL)
        return;
    safe->cuts++;
    note_cut(safe, safe->cuts_over + 1 == safe->cuts ? index : 0);
}

/* Of two that were under way there may be no note: there is one again. */
static void stop_for_cut(struct bw_safe_io *safe, raft_index index, const char *why)
{
    if (safe->cut_noted != index)
        note_cut(safe, index);
    bw_safe_io_stop(safe, BW_STOP_RESTART,
                    "log entries from %llu on could not be removed (%s); stopped before anything was built "
                    "on it, a restart goes on",
                    index, why);
}

/* An append at `first`, asked for after `cuts` truncations, is on disk, and they are over: libraft begins
 * none before what came earlier is. Stops the witness where the last one has failed (L30), and its note stays.
 * Call it before anybody hears of the append. */
static void safe_log_written(struct bw_safe_io *safe, uint64_t cuts, raft_index first)
{
    const struct bw_vote_store *store = &safe->config.store;
    struct bw_diag diag = {0};

    if (cuts <= safe->cuts_over)
        return;
    if (store->check_cut != NULL && store->check_cut(store->user, first, &diag) != BW_OK) {
        stop_for_cut(safe, first, diag.text);
        return;
    }
    safe->cuts_over = cuts;
    if (safe->cut_noted != 0 && cuts == safe->cuts)
        note_cut(safe, 0);
}

/* ---- what is decided ---- */

#define MARK_MS 1000 /* between two that are written down */

/* Returns the term of entry `index`; 0: `index` is below every term that is known. */
static raft_term term_of(const struct bw_safe_io *safe, raft_index index)
{
    for (unsigned i = safe->term_count; i > 0; i--)
        if (safe->terms[i - 1].index <= index)
            return safe->terms[i - 1].term;
    return 0;
}

void bw_safe_commit_took(struct bw_safe_io *safe, raft_index index, raft_term term)
{
    if (safe->term_count > 0 && safe->terms[safe->term_count - 1].term == term)
        return;
    if (safe->term_count == BW_SAFE_IO_TERMS_MAX) {
        memmove(safe->terms, safe->terms + 1, (BW_SAFE_IO_TERMS_MAX - 1) * sizeof safe->terms[0]);
        safe->term_count--;
    }
    safe->terms[safe->term_count++] = (struct bw_commit_mark){.index = index, .term = term};
}

/* Entries up to `last` are on the disk for good. */
static void safe_commit_written(struct bw_safe_io *safe, raft_index last)
{
    if (last > safe->written)
        safe->written = last;
}

static void stop_for_lost(struct bw_safe_io *safe, const char *what, raft_index index, raft_term term)
{
    safe->counts.decisions_missed++;
    bw_safe_io_stop(safe, BW_STOP_PERSON, "the leader %s %llu (term %llu); entry %" PRIu64 " (term %" PRIu64
                    ") was decided and is on this disk. " BW_DECISIONS_LOST,
                    what, index, term, safe->mark.index, safe->mark.term);
}

/* Entry `index` and what follows are to go. False: they were decided; the witness was stopped. */
static bool safe_commit_cut(struct bw_safe_io *safe, raft_index index)
{
    if (index >= safe->next_index)
        return true; /* as before every append */
    if (index <= safe->mark.index && !safe->stopped) {
        stop_for_lost(safe, "removes the entries from", index, safe->durable.term);
        return false;
    }
    while (safe->term_count > 0 && safe->terms[safe->term_count - 1].index >= index)
        safe->term_count--;
    if (safe->written >= index)
        safe->written = index - 1;
    return true;
}

/* A leader's snapshot takes the place of the log. False: it lacks what was decided; the witness was stopped. Terms in a log only grow, so one that has the entry of the mark is not of an older term there. */
static bool safe_commit_install(struct bw_safe_io *safe, raft_index index, raft_term term)
{
    if (index >= safe->mark.index && term < safe->mark.term && !safe->stopped) {
        stop_for_lost(safe, "sends a snapshot of entry", index, term);
        return false;
    }
    safe->term_count = 0;
    safe->written = 0;
    bw_safe_commit_took(safe, index, term);
    return true;
}

/* Once a tick. */
static void safe_commit_tick(struct bw_safe_io *safe)
{
    const struct bw_vote_store *store = &safe->config.store;
    const struct raft *raft = safe->io.data;
    raft_index index;
    raft_term term;

    if (raft == NULL || safe->ticked_ms < safe->mark_at_ms)
        return;
    index = raft_commit_index(raft);
    if (index > safe->written)
        index = safe->written; /* a leader may count two others */
    term = term_of(safe, index);
    if (index <= safe->mark.index || term == 0)
        return;
    safe->mark = (struct bw_commit_mark){.index = index, .term = term};
    safe->mark_at_ms = safe->ticked_ms + MARK_MS;
    if (store->note_commit != NULL)
        store->note_commit(store->user, safe->mark);
}

/* A log whose next entry is `next`. */
static bool lacks(const struct bw_safe_io *safe, raft_index next, struct bw_commit_mark mark)
{
    const raft_term term = term_of(safe, mark.index);

    return mark.index != 0 && (mark.index >= next || (term != 0 && term != mark.term));
}

bool bw_safe_io_lacks_entry(const struct bw_safe_io *safe, struct bw_commit_mark mark)
{
    return lacks(safe, safe->next_index, mark);
}

bool bw_safe_commit_judge(struct bw_safe_io *safe, raft_index last, struct bw_diag *diag)
{
    const struct bw_vote_store *store = &safe->config.store;
    struct bw_commit_mark mark = {0};

    if (store->load_commit != NULL)
        mark = store->load_commit(store->user);
    safe->mark = mark;
    safe->written = last;
    if (!lacks(safe, last + 1, mark))
        return true;
    safe->counts.decisions_missed++;
    (void)bw_diag_set(diag, BW_ERR_CORRUPT,
                      "the log ends with entry %llu, or has another one of term %llu in place of entry %" PRIu64
                      " (term %" PRIu64 "), which was decided and was on this disk",
                      last, term_of(safe, mark.index), mark.index, mark.term);
    return false;
}

/* ---- the methods of raft_io ---- */

/* A tick counts at most this much towards a stall: a process that was frozen for an hour has not
 * waited an hour for its disk. */
#define STALL_STEP_MS 250
/* The last_index of an InstallSnapshot that must never leave (L6). */
#define NO_SNAPSHOT ULLONG_MAX

/* Each wraps the request of libraft, whose callback the backend would otherwise overwrite. */
struct safe_append {
    struct raft_io_append inner;
    struct raft_io_append *outer;
    struct bw_safe_io *safe;
    uint64_t cuts; /* truncations that were asked for before */
    raft_index first;
    raft_index last;
    struct safe_append *next;
};

struct safe_put {
    struct raft_io_snapshot_put inner;
    struct raft_io_snapshot_put *outer;
    struct bw_safe_io *safe;
    raft_index installed; /* 0: an own one */
    struct safe_put *next;
};

struct safe_get {
    struct raft_io_snapshot_get inner;
    struct raft_io_snapshot_get *outer;
    struct bw_safe_io *safe;
};

struct safe_send {
    struct raft_io_send inner;
    struct raft_io_send *outer; /* NULL: it was told already (L32) */
    struct bw_safe_io *safe;
    raft_id peer;
    bool is_snapshot;
    size_t copied;               /* bytes of `entries`, with what they hold */
    struct raft_entry entries[]; /* L32: what they hold is behind them */
};

static struct bw_safe_io *safe_of(struct raft_io *io)
{
    return (struct bw_safe_io *)io;
}

/* ---- stopping ------------------------------------------------------------------------------- */

void bw_safe_io_stop(struct bw_safe_io *safe, enum bw_stop why, const char *format, ...)
{
    char text[BW_DIAG_TEXT_BYTES];
    va_list args;

    if (safe->stopped)
        return;
    safe->stopped = true;
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, one line above */
    (void)vsnprintf(text, sizeof text, format, args); /* a cut message is still a message */
    va_end(args);
    safe->config.stop(safe->config.user, why, text);
}

static void stop_for_io(struct bw_safe_io *safe, const char *what, int status)
{
    bw_safe_io_stop(safe, BW_STOP_RESTART,
                    "%s failed: %s (%s); stopped before anything was built on it", what,
                    raft_strerror(status), safe->io.errmsg);
}

/* ---- L3: writes that stand still ------------------------------------------------------------ */

uint64_t bw_safe_io_stalled_ms(const struct bw_safe_io *safe)
{
    return safe->appends.stalled_ms > safe->puts.stalled_ms ? safe->appends.stalled_ms : safe->puts.stalled_ms;
}

/* Appends wait behind a snapshot that is installed, and share the disk with any that is there. */
static uint64_t append_limit_ms(const struct bw_safe_io *safe)
{
    const bool is_put_there = safe->puts.count > 0 && safe->ticked_ms >= safe->put_rests_until_ms;

    return is_put_there ? BW_SAFE_IO_SNAPSHOT_STALL_MS : BW_SAFE_IO_STALL_MS;
}

void bw_safe_io_put_rests(struct bw_safe_io *safe, unsigned rest_ms)
{
    if (safe->is_install)
        return;
    safe->put_rests_until_ms = safe->io.time(&safe->io) + rest_ms;
    safe->appends.stalled_ms = 0; /* of those that have shared the disk with it */
}

bool bw_safe_io_is_stuck(const struct bw_safe_io *safe)
{
    return safe->appends.stalled_ms >= append_limit_ms(safe);
}

static void count_stall(struct bw_safe_io_writes *writes, uint64_t step_ms)
{
    if (writes->count > 0)
        writes->stalled_ms += step_ms;
}

/* Each by itself: entries that go on being written say nothing of a snapshot that is not. */
static void watch_writes(struct bw_safe_io *safe, uint64_t step_ms)
{
    count_stall(&safe->appends, step_ms);
    count_stall(&safe->puts, step_ms);
    if (bw_safe_io_is_stuck(safe))
        bw_safe_io_stop(safe, BW_STOP_RESTART,
                        "the disk has taken no log entry for %" PRIu64
                        " ms (full, failing or hanging); free space or repair it, a restart goes on",
                        safe->appends.stalled_ms);
}

bool bw_safe_io_is_put_stalled(const struct bw_safe_io *safe)
{
    return safe->puts.stalled_ms >= BW_SAFE_IO_SNAPSHOT_STALL_MS;
}

bool bw_safe_io_lacks_room(const struct bw_safe_io *safe)
{
    return safe->low_ms >= BW_SAFE_IO_ROOM_MS;
}

/* The library that has met a full disk looks for room for its log again by the retry that is kept away from it, or, at its
 * start, never: a leader takes nothing meanwhile. Without room a restart would fail, and this one still has a vote. */
static void watch_room(struct bw_safe_io *safe, uint64_t step_ms)
{
    const bool is_low = safe->io.capacity < BW_SAFE_IO_CAPACITY_KIB_MIN;

    safe->low_ms = is_low ? safe->low_ms + step_ms : 0;
    if (bw_safe_io_is_put_stalled(safe) && safe->config.on_snapshot_stalled != NULL)
        safe->config.on_snapshot_stalled(safe->config.user, safe->put_bytes);
    if (!bw_safe_io_lacks_room(safe) ||
        (safe->config.has_room != NULL && !safe->config.has_room(safe->config.user)))
        return;
    bw_safe_io_stop(safe, BW_STOP_RESTART,
                    "no room is reserved for the log since %" PRIu64
                    " ms, though the disk has some again; a restart reserves it",
                    safe->low_ms);
}

static void safe_tick(struct raft_io *io)
{
    struct bw_safe_io *safe = safe_of(io);
    raft_time now_ms = io->time(io);
    uint64_t step_max_ms = safe->tick_ms > STALL_STEP_MS ? safe->tick_ms : STALL_STEP_MS;
    uint64_t step_ms = now_ms > safe->ticked_ms ? now_ms - safe->ticked_ms : 0;

    safe->ticked_ms = now_ms;
    if (step_ms > step_max_ms)
        step_ms = step_max_ms;
    if (safe->stopped)
        return;
    watch_writes(safe, step_ms);
    watch_room(safe, step_ms);
    if (safe->stopped)
        return;
    safe_commit_tick(safe);
    safe_peers_watch(safe, now_ms, step_ms);
    bw_safe_roll_forget_leader(safe, now_ms);
    safe->on_tick(io);
}

/* ---- L10, L2: term and vote ----------------------------------------------------------------- */

/* Ours first: what the backend knows is never newer. */
static bool save_vote(struct bw_safe_io *safe, struct bw_vote vote)
{
    struct bw_diag diag = {0};

    if (safe->config.store.save(safe->config.store.user, vote, &diag) == BW_OK)
        return true;
    bw_safe_io_stop(safe, BW_STOP_RESTART,
                    "term %" PRIu64 " and vote %" PRIu64
                    " are not durable: %s; stopped before they were used",
                    vote.term, vote.vote, diag.text);
    return false;
}

/* A step of libraft's that begins a term may vote in it, too, and asks for one after the other before anything of it
 * leaves. The vote is known by then, and saved with the term: on both sides of an election a disk that is slow counts
 * half as much. One that is on disk and was never sent binds this member to more than it has promised. */
static raft_id vote_of_step(const struct bw_safe_io *safe, raft_term term)
{
    const struct raft *raft = safe->io.data;

    return raft != NULL && raft_current_term(raft) == term ? raft_voted_for(raft) : 0;
}

/* Returns 0 even after a stop: libraft frees twice on most errors; a mute member harms nobody.
 *
 * The backend's copy gets the term alone, and at the next load the vote: it is there to show that ours was rolled back,
 * and before a pair that was saved at once ours had an older term. */
static int safe_set_term(struct raft_io *io, raft_term term)
{
    struct bw_safe_io *safe = safe_of(io);
    struct bw_vote next;
    int rv;

    if (safe->stopped)
        return 0;
    if (safe->loaded && term == safe->durable.term) {
        safe->counts.writes_skipped++;
        return 0;
    }
    if (term < safe->durable.term) {
        bw_safe_io_stop(safe, BW_STOP_PERSON, "term %llu was asked for after term %" PRIu64, term,
                        safe->durable.term);
        return 0;
    }
    next = (struct bw_vote){.term = term, .vote = vote_of_step(safe, term)};
    if (!save_vote(safe, next))
        return 0;
    safe->durable = next;
    rv = safe->backend.set_term(io, term);
    if (rv != 0)
        stop_for_io(safe, "writing the term", rv);
    return 0;
}

static int safe_set_vote(struct raft_io *io, raft_id vote)
{
    struct bw_safe_io *safe = safe_of(io);
    int rv;

    if (safe->stopped)
        return 0;
    if (safe->loaded && vote == safe->durable.vote) {
        safe->counts.writes_skipped++;
        return 0;
    }
    if (safe->durable.vote != 0) {
        bw_safe_io_stop(safe, BW_STOP_PERSON,
                        "a second vote in term %" PRIu64 " was asked for: %llu after %" PRIu64,
                        safe->durable.term, vote, safe->durable.vote);
        return 0;
    }
    if (!save_vote(safe, (struct bw_vote){safe->durable.term, vote}))
        return 0;
    safe->durable.vote = vote;
    rv = safe->backend.set_vote(io, vote);
    if (rv != 0)
        stop_for_io(safe, "writing the vote", rv);
    return 0;
}

/* ---- L1: log entries ------------------------------------------------------------------------ */

/* Once in each run, before anybody hears that there is a log to lose. False: it could not be written down, and the
 * witness is stopped. */
static bool begin_log(struct bw_safe_io *safe)
{
    const struct bw_vote_store *store = &safe->config.store;
    struct bw_diag diag = {0};

    if (safe->stopped || safe->has_begun_log)
        return true;
    safe->has_begun_log = true;
    if (store->begin_log == NULL || store->begin_log(store->user, &diag) == BW_OK)
        return true;
    bw_safe_io_stop(safe, BW_STOP_RESTART, "%s; stopped before anybody heard that there is a log", diag.text);
    return false;
}

static void on_append_done(struct raft_io_append *inner, int status)
{
    struct safe_append *append = (struct safe_append *)inner;
    struct bw_safe_io *safe = append->safe;
    struct raft_io_append *outer = append->outer;
    const uint64_t cuts = append->cuts;
    const raft_index first = append->first;
    const raft_index last = append->last;

    safe->appends.count--;
    safe->appends.stalled_ms = 0;
    free(append);
    if (first == safe->fresh.first)
        safe->fresh.entries = NULL; /* libraft frees them below */
    if (status != 0 && status != RAFT_CANCELED) {
        stop_for_io(safe, "writing log entries", status);
        status = RAFT_CANCELED;
    }
    if (status == 0 && begin_log(safe) && !safe->stopped) {
        safe_log_written(safe, cuts, first);
        if (cuts == safe->cuts)
            safe_commit_written(safe, last);
    }
    outer->cb(outer, safe->stopped ? RAFT_CANCELED : status);
}

/* L34: libraft sends them in the same step, after this, or keeps them back. */
static void note_fresh(struct bw_safe_io *safe, const struct raft_entry *entries, unsigned count, raft_index first)
{
    const struct raft *raft = safe->io.data;
    const bool leads = raft != NULL && raft_state((struct raft *)(uintptr_t)raft) == RAFT_LEADER;

    safe->fresh.entries = leads ? entries : NULL;
    safe->fresh.count = count;
    safe->fresh.first = first;
    for (unsigned i = 0; i < BW_SAFE_IO_PEERS_MAX; i++)
        safe->peers[i].has_fresh = false;
}

static int safe_append(struct raft_io *io, struct raft_io_append *outer,
                       const struct raft_entry entries[], unsigned count, raft_io_append_cb done)
{
    struct bw_safe_io *safe = safe_of(io);
    struct safe_append *append = calloc(1, sizeof *append);
    struct bw_diag diag = {0};
    int rv;

    outer->cb = done;
    if (append == NULL) {
        stop_for_io(safe, "writing log entries", RAFT_NOMEM);
        return 0;
    }
    append->outer = outer;
    append->safe = safe;
    append->cuts = safe->cuts;
    append->first = safe->next_index;
    append->last = safe->next_index + count - 1;
    for (unsigned i = 0; i < count; i++) {
        if (entries[i].type == RAFT_CHANGE)
            bw_safe_log_change(safe, safe->next_index + i);
        bw_safe_commit_took(safe, safe->next_index + i, entries[i].term);
    }
    if (bw_safe_roll_take(safe, entries, count, safe->next_index, &diag) != BW_OK)
        bw_safe_io_stop(safe, BW_STOP_PERSON, "%s; %s", diag.text, BW_WITNESS_LOST);
    safe->next_index += count;
    if (!safe->stopped) {
        safe->appends.count++;
        note_fresh(safe, entries, count, append->first);
        rv = safe->backend.append(io, &append->inner, entries, count, on_append_done);
        if (rv == 0)
            return 0;
        safe->fresh.entries = NULL;
        safe->appends.count--;
        stop_for_io(safe, "writing log entries", rv);
    }
    append->next = safe->mute_appends;
    safe->mute_appends = append;
    return 0;
}

/* libraft calls this before every append, with the index of its first entry. */
static int safe_truncate(struct raft_io *io, raft_index index)
{
    struct bw_safe_io *safe = safe_of(io);
    int rv;

    if (!safe_commit_cut(safe, index))
        return 0;
    safe_log_cut(safe, index);
    if (safe->stopped)
        return 0;
    rv = safe->backend.truncate(io, index);
    if (rv != 0)
        stop_for_io(safe, "removing log entries", rv);
    if (safe->config.roll != NULL)
        bw_roll_cut(safe->config.roll, index);
    safe->next_index = index;
    return 0;
}

/* ---- L4, L8, L27: snapshots written ---------------------------------------------------------- */

static void on_put_done(struct raft_io_snapshot_put *inner, int status)
{
    struct safe_put *put = (struct safe_put *)inner;
    struct bw_safe_io *safe = put->safe;
    struct raft_io_snapshot_put *outer = put->outer;

    if (status == 0)
        safe_commit_written(safe, put->installed);
    free(put);
    safe->puts.stalled_ms = 0;
    safe->appends.stalled_ms = 0; /* of those that have waited behind it */
    if (status != 0 && status != RAFT_CANCELED) {
        stop_for_io(safe, "writing a snapshot", status);
        status = RAFT_CANCELED;
    }
    if ((status == 0 && !begin_log(safe)) || safe->closing) /* L27: on the disk it is all the same */
        status = RAFT_CANCELED;
    outer->cb(outer, status);
    safe->puts.count--; /* not before: the library is still busy with it in the callback */
}

/* L8: a configuration entry that the snapshot covers is newer than the configuration in it. */
static bool is_configuration_stale(const struct bw_safe_io *safe,
                                   const struct raft_snapshot *snapshot)
{
    if (safe->change_forgotten > snapshot->configuration_index)
        return true;
    for (unsigned i = 0; i < safe->change_count; i++) {
        if (safe->changes[i] > snapshot->configuration_index && safe->changes[i] <= snapshot->index)
            return true;
    }
    return false;
}

size_t bw_safe_io_snapshot_bytes(const struct raft_snapshot *snapshot)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < snapshot->n_bufs; i++)
        bytes += snapshot->bufs[i].len;
    return bytes;
}

/* `trailing` 0 means that a leader's snapshot is installed: an error would be freed twice, so it
 * may fail only by a stop. An own snapshot may fail: it is tried again after the next event. */
static int safe_snapshot_put(struct raft_io *io, unsigned trailing,
                             struct raft_io_snapshot_put *outer,
                             const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb done)
{
    struct bw_safe_io *safe = safe_of(io);
    bool is_install = trailing == 0;
    struct safe_put *put;
    int rv = RAFT_BUSY;

    if (!is_install && is_configuration_stale(safe, snapshot)) {
        safe->counts.snapshots_refused++;
        return RAFT_BUSY;
    }
    outer->cb = done;
    put = calloc(1, sizeof *put);
    if (put == NULL && is_install)
        stop_for_io(safe, "writing a snapshot", RAFT_NOMEM);
    if (put == NULL)
        return is_install ? 0 : RAFT_NOMEM;
    put->outer = outer;
    put->safe = safe;
    put->installed = is_install ? snapshot->index : 0;
    safe->put_bytes = bw_safe_io_snapshot_bytes(snapshot);
    safe->is_install = is_install;
    safe->put_rests_until_ms = 0;
    if (is_install && safe_commit_install(safe, snapshot->index, snapshot->term)) {
        safe->change_count = 0;
        safe->change_forgotten = 0;
        safe->next_index = snapshot->index + 1;
    }
    if (!safe->stopped) {
        safe->puts.count++;
        rv = safe->backend.snapshot_put(io, trailing, &put->inner, snapshot, on_put_done);
        if (rv == 0)
            return 0;
        safe->puts.count--;
    }
    if (!is_install) {
        free(put);
        return rv;
    }
    stop_for_io(safe, "installing a snapshot", rv);
    put->next = safe->mute_puts;
    safe->mute_puts = put;
    return 0;
}

/* ---- L5, L6: snapshots read ----------------------------------------------------------------- */

/* L6: a snapshot that libraft can own, free and try to send. safe_send drops it. */
static bool give_no_snapshot(struct raft_io_snapshot_get *outer)
{
    struct raft_snapshot *snapshot = raft_calloc(1, sizeof *snapshot);
    struct raft_buffer *buffer = raft_calloc(1, sizeof *buffer);

    if (snapshot == NULL || buffer == NULL) {
        raft_free(snapshot);
        raft_free(buffer);
        return false;
    }
    snapshot->index = NO_SNAPSHOT;
    raft_configuration_init(&snapshot->configuration);
    snapshot->bufs = buffer;
    snapshot->n_bufs = 1;
    outer->cb(outer, snapshot, 0);
    return true;
}

static void on_get_done(struct raft_io_snapshot_get *inner, struct raft_snapshot *snapshot,
                        int status)
{
    struct safe_get *get = (struct safe_get *)inner;
    struct bw_safe_io *safe = get->safe;
    struct raft_io_snapshot_get *outer = get->outer;

    free(get);
    if (status != 0) {
        safe->counts.reads_failed++;
        (void)give_no_snapshot(
            outer); /* without memory the request leaks: better than a free of junk */
        return;
    }
    safe->snapshot_index = snapshot->index;
    safe->snapshot_term = snapshot->term;
    outer->cb(outer, snapshot, 0);
}

static int safe_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *outer,
                             raft_io_snapshot_get_cb done)
{
    struct bw_safe_io *safe = safe_of(io);
    struct safe_get *get = calloc(1, sizeof *get);
    int rv = RAFT_NOMEM;

    outer->cb = done;
    if (get != NULL) {
        get->outer = outer;
        get->safe = safe;
        rv = safe->backend.snapshot_get(io, &get->inner, on_get_done);
        if (rv == 0)
            return 0;
        free(get);
    }
    safe->counts.reads_failed++;
    return give_no_snapshot(outer) ? 0 : rv;
}

/* ---- sending and receiving ------------------------------------------------------------------ */

/* It is under way no more. */
static void forget_send(struct safe_send *send)
{
    struct bw_safe_io_peer *peer = bw_safe_peers_find(send->safe, send->peer);

    BW_ASSERT(peer != NULL && peer->sends > 0 && peer->copied >= send->copied);
    peer->sends--;
    peer->copied -= send->copied;
    if (send->is_snapshot)
        peer->snapshot_in_flight = false;
    free(send);
}

static void on_send_done(struct raft_io_send *inner, int status)
{
    struct safe_send *send = (struct safe_send *)inner;
    struct raft_io_send *outer = send->outer;

    forget_send(send);
    if (outer != NULL)
        outer->cb(outer, status);
}

/* What a copy of the entries takes; 0 when it has none. */
static size_t entry_bytes(const struct raft_message *message)
{
    size_t bytes = 0;

    if (message->type != RAFT_APPEND_ENTRIES)
        return 0;
    for (unsigned i = 0; i < message->append_entries.n_entries; i++)
        bytes += sizeof(struct raft_entry) + message->append_entries.entries[i].buf.len;
    return bytes;
}

/* L32: libraft frees a batch of entries with the last of them that leaves its log, though a message that is still
 * written reads it, and frees it once more as that message ends. What leaves holds a copy of its own. */
static void copy_entries(struct safe_send *send, struct raft_append_entries *append)
{
    uint8_t *at = (uint8_t *)(send->entries + append->n_entries);

    for (unsigned i = 0; i < append->n_entries; i++) {
        const struct raft_buffer *from = &append->entries[i].buf;

        send->entries[i] = append->entries[i];
        send->entries[i].batch = NULL;
        send->entries[i].buf.base = at;
        if (from->len > 0)
            memcpy(at, from->base, from->len);
        at += from->len;
    }
    append->entries = send->entries;
    send->safe->counts.entries_copied += append->n_entries;
}

static bool is_line_full(const struct bw_safe_io *safe, const struct bw_safe_io_peer *peer)
{
    return safe->config.waiting_bytes != NULL &&
           safe->config.waiting_bytes(safe->config.user, peer->id) > BW_SAFE_IO_LINE_BYTES_MAX;
}

/* One peer that takes nothing must not make messages pile up here. A snapshot or entries that take longer than the
 * library's patience must not be queued once more: of entries that is a heartbeat, until the first are answered. */
static bool is_send_wanted(const struct bw_safe_io *safe, const struct bw_safe_io_peer *peer,
                           const struct raft_message *message, size_t copied)
{
    if (safe->stopped || safe->closing || peer == NULL || peer->sends >= BW_SAFE_IO_SENDS_MAX)
        return false;
    if (copied > 0 && peer->copied > 0 && peer->copied + copied > BW_SAFE_IO_COPIES_BYTES)
        return false;
    if (message->type == RAFT_INSTALL_SNAPSHOT &&
        (message->install_snapshot.last_index == NO_SNAPSHOT || peer->snapshot_in_flight))
        return false;
    return (copied == 0 && message->type != RAFT_INSTALL_SNAPSHOT) || !is_line_full(safe, peer);
}

/* True if the fresh entries are among those of this message. */
static bool has_fresh(const struct bw_safe_io *safe, const struct raft_append_entries *append)
{
    return append->n_entries > 0 && append->prev_log_index < safe->fresh.first &&
           append->prev_log_index + append->n_entries >= safe->fresh.first + safe->fresh.count - 1;
}

/* `outer` is told by the end of what has no entries; NULL: nobody is. False: the message is lost. */
static bool leave(struct bw_safe_io *safe, struct raft_io_send *outer, const struct raft_message *message)
{
    struct bw_safe_io_peer *peer = bw_safe_peers_want(safe, message->server_id);
    const bool is_snapshot = message->type == RAFT_INSTALL_SNAPSHOT;
    const size_t copied = entry_bytes(message);
    struct raft_message own = *message;
    struct safe_send *send = NULL;

    if (is_send_wanted(safe, peer, message, copied) && bw_safe_roll_may_leave(safe, message))
        send = calloc(1, sizeof *send + copied);
    if (send == NULL)
        return false;
    *send = (struct safe_send){.outer = copied > 0 ? NULL : outer,
                               .safe = safe,
                               .peer = peer->id,
                               .is_snapshot = is_snapshot,
                               .copied = copied};
    if (copied > 0) {
        copy_entries(send, &own.append_entries);
        peer->has_fresh = peer->has_fresh || has_fresh(safe, &own.append_entries);
    }
    bw_safe_message_correct_sent(safe, &own);
    peer->sends++;
    peer->copied += copied;
    peer->snapshot_in_flight = peer->snapshot_in_flight || is_snapshot;
    if (safe->backend.send(&safe->io, &send->inner, &own, on_send_done) == 0)
        return true;
    forget_send(send);
    return false;
}

/* An error would end the event halfway; a lost message is ordinary. */
static int safe_send(struct raft_io *io, struct raft_io_send *outer,
                     const struct raft_message *message, raft_io_send_cb done)
{
    const bool has_entries = entry_bytes(message) > 0; /* `done` may free the message */

    outer->cb = done;
    if (!leave(safe_of(io), outer, message))
        done(outer, RAFT_CANCELED);
    else if (has_entries)
        done(outer, 0); /* L32: so that libraft's own entries are held no longer than this */
    return 0;
}

/* A leader may send the entries behind one that the follower has at any time, with the term of that one. */
static bool hurry_to(struct bw_safe_io *safe, const struct raft *raft, const struct raft_server *server)
{
    const raft_index before = safe->fresh.first - 1;
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES,
                                   .server_id = server->id,
                                   .server_address = server->address};

    message.append_entries = (struct raft_append_entries){
        .term = raft_current_term(raft),
        .prev_log_index = before,
        .prev_log_term = term_of(safe, before),
        .leader_commit = raft_commit_index(raft),
        .entries = (struct raft_entry *)(uintptr_t)safe->fresh.entries, /* copied (L32) */
        .n_entries = safe->fresh.count};
    return message.append_entries.prev_log_term != 0 && leave(safe, NULL, &message);
}

void bw_safe_io_hurry(struct bw_safe_io *safe)
{
    const struct raft *raft = safe->io.data;

    for (unsigned i = 0; safe->fresh.entries != NULL && i < raft->configuration.n; i++) {
        const struct raft_server *server = &raft->configuration.servers[i];
        const struct bw_safe_io_peer *peer = bw_safe_peers_find(safe, server->id);
        raft_index match;

        if (server->id == raft->id || server->role == RAFT_SPARE || (peer != NULL && peer->has_fresh) ||
            raft_match_index(raft, server->id, &match) != 0 || match != safe->fresh.first - 1)
            continue;
        safe->counts.entries_hurried += hurry_to(safe, raft, server);
    }
    safe->fresh.entries = NULL;
}

static void give(struct bw_safe_io *safe, struct raft_message *message)
{
    const bool is_lent = bw_safe_roll_lend_vote(safe, message);

    bw_safe_message_correct_received(safe, message);
    safe->on_receive(&safe->io, message);
    if (is_lent)
        bw_safe_roll_end_vote(safe);
    bw_safe_message_answered(safe);
}

/* L21: all votes at once, or none. What is in a granted one besides is the same from each. */
static void give_founding_votes(struct bw_safe_io *safe, const struct raft_message *last)
{
    const struct bw_roll *roll = safe->config.roll;

    for (unsigned i = 0; i < roll->granted_count; i++) {
        struct raft_message message = *last; /* libraft asks no vote for its address */

        message.server_id = roll->granted[i];
        give(safe, &message);
    }
}

static void safe_receive(struct raft_io *io, struct raft_message *message)
{
    struct bw_safe_io *safe = safe_of(io);
    struct bw_safe_io_peer *peer;

    if (safe->stopped || safe->closing || !bw_safe_roll_may_enter(safe, message)) {
        bw_safe_message_drop(message);
        return;
    }
    peer = bw_safe_peers_want(safe, message->server_id);
    if (peer != NULL)
        peer->last_contact_ms = io->time(io);
    if (peer != NULL && message->type == RAFT_APPEND_ENTRIES_RESULT)
        peer->answered_ms = io->time(io);
    if (message->type == RAFT_APPEND_ENTRIES || message->type == RAFT_INSTALL_SNAPSHOT)
        safe->led_ms = io->time(io);
    if (message->type == RAFT_INSTALL_SNAPSHOT && safe->puts.count > 0) {
        safe->counts.installs_dropped++;
        bw_safe_message_drop(message);
        return;
    }
    if (!bw_safe_roll_is_founding_vote(safe, message))
        give(safe, message);
    else if (bw_safe_roll_count_vote(safe, message))
        give_founding_votes(safe, message);
}

/* ---- life ----------------------------------------------------------------------------------- */

static int safe_start(struct raft_io *io, unsigned tick_ms, raft_io_tick_cb on_tick,
                      raft_io_recv_cb on_receive)
{
    struct bw_safe_io *safe = safe_of(io);

    safe->on_tick = on_tick;
    safe->on_receive = on_receive;
    safe->tick_ms = tick_ms;
    safe->ticked_ms = io->time(io);
    return safe->backend.start(io, tick_ms, safe_tick, safe_receive);
}

static void safe_close(struct raft_io *io, raft_io_close_cb done)
{
    struct bw_safe_io *safe = safe_of(io);

    /* The uv backend would make a new client for a message sent from here on, whose timer outlives
     * the backend. */
    safe->closing = true;
    while (safe->mute_appends != NULL) {
        struct safe_append *append = safe->mute_appends;
        struct raft_io_append *outer = append->outer;

        safe->mute_appends = append->next;
        free(append);
        outer->cb(outer, RAFT_CANCELED);
    }
    while (safe->mute_puts != NULL) {
        struct safe_put *put = safe->mute_puts;
        struct raft_io_snapshot_put *outer = put->outer;

        safe->mute_puts = put->next;
        free(put);
        outer->cb(outer, RAFT_CANCELED);
    }
    safe->backend.close(io, done);
}

void bw_safe_io_wrap(struct bw_safe_io *safe, const struct bw_safe_io_config *config)
{
    BW_ASSERT(config->stop != NULL);
    BW_ASSERT(config->store.load != NULL && config->store.save != NULL);
    safe->config = *config;
    safe->backend = safe->io;
    safe->io.close = safe_close;
    safe->io.load = bw_safe_load;
    safe->io.start = safe_start;
    safe->io.bootstrap = bw_safe_bootstrap;
    safe->io.set_term = safe_set_term;
    safe->io.set_vote = safe_set_vote;
    safe->io.send = safe_send;
    safe->io.append = safe_append;
    safe->io.truncate = safe_truncate;
    safe->io.snapshot_put = safe_snapshot_put;
    safe->io.snapshot_get = safe_snapshot_get;
}
