/* voter.h - one Raft voter over any backend: libraft between the wrapper of its I/O (safe_io.h),
 * the adapter of the replicated state (fsm.h) and the watch over its term (term_watch.h), and all
 * that lies between a submission and its outcome.
 *
 * It knows no loop, no file and no socket. node.h puts it onto disk and network; the simulator runs
 * the very same one in virtual time. One thread, the backend's. */
#ifndef BW_CONSENSUS_VOTER_H
#define BW_CONSENSUS_VOTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <raft.h>

#include <breakwater/base/diag.h>
#include <breakwater/consensus/asking.h>
#include <breakwater/consensus/fsm.h>
#include <breakwater/consensus/node_events.h>
#include <breakwater/consensus/safe_io.h>
#include <breakwater/consensus/stop.h>
#include <breakwater/consensus/term_watch.h>
#include <breakwater/consensus/vote_store.h>
#include <breakwater/core/members.h>
#include <breakwater/obs/log.h>

/* `address` is borrowed until bw_voter_open returns; `log` and the users are kept. */
struct bw_voter_config {
    uint64_t id;
    struct bw_id incarnation; /* of its data directory */
    enum bw_roll_origin origin;
    const char *address;
    struct bw_vote_store store;
    struct bw_fsm_ops fsm;
    struct bw_node_events events;
    bw_stop_fn stop;    /* required */
    void *user;         /* of fsm, events and stop */
    bw_has_room_fn has_room; /* may be NULL, as the next three; of `room_user` all four */
    bw_snapshot_stalled_fn on_snapshot_stalled;
    bw_waiting_bytes_fn waiting_bytes;
    bw_say_term_fn say_term;
    void *room_user;
    struct bw_log *log; /* may be NULL */
};

struct bw_voter_settings {
    unsigned election_timeout_ms;
    unsigned heartbeat_ms;       /* 0: a tenth of it; less than half of it */
    unsigned snapshot_threshold; /* entries between snapshots; 0: 1024 */
    unsigned snapshot_trailing;  /* entries kept behind one; 0: 2048 */
    /* Of the election timeouts: another one for each witness and each start, or those that start
     * together split every vote. */
    unsigned seed;
};

/* In the caller's memory; stays where it is from the backend's init until bw_voter_deinit. */
struct bw_voter {
    struct raft raft;       /* first; its `data` is the caller's */
    struct bw_safe_io safe; /* its `io` is the backend's to initialise */
    struct bw_roll roll;    /* peers that have said who they are: bw_roll_meet */
    /* The rest belongs to voter.c. */
    struct bw_fsm *fsm;
    struct bw_term_watch watch;
    struct bw_node_events events;
    bw_stop_fn stop;
    void *user;
    bw_has_room_fn has_room;
    bw_snapshot_stalled_fn on_snapshot_stalled;
    bw_waiting_bytes_fn waiting_bytes;
    void *room_user;
    struct bw_log *log;
    bool is_room_missed; /* a majority lacks it, as the newest submission was told */
    bool is_started, is_closing, is_transferring;
    struct raft_transfer transfer;
    uint64_t transfer_term; /* in which it was begun */
    struct raft_apply founding; /* of the roster */
    bool is_founding;           /* it is on its way */
    struct raft_barrier aging[BW_ROLL_YOUNG_INDEX_MAX]; /* entries after it, on their way */
    unsigned aging_count;
    unsigned requests;
    struct bw_asking asking;
    struct raft_change change;   /* of the configuration */
    bool is_changing;            /* it is on its way, or waits until a new member has caught up */
    struct raft_barrier marking; /* members.h, M2 */
    bool is_marking;
    struct {
        uint64_t term;          /* of this leader; 0: there is none */
        uint64_t configuration; /* index of the configuration that had committed */
        uint64_t index;         /* of the entry that was appended after it */
    } marker;
    struct {
        bool is_due;
        uint64_t peer, match, commit;
    } behind;
    void (*on_closed)(void *user);
    void *on_closed_user;
};

/* ---- life ---------------------------------------------------------------------------------- */

/* Prepares libraft over the backend that was initialised in `voter->safe.io` (raft_uv_init, or a
 * virtual one; `voter` was zero before). After an error nothing is left open but the backend. */
BW_MUST_CHECK enum bw_err bw_voter_open(struct bw_voter *voter,
                                        const struct bw_voter_config *config, struct bw_diag *diag);

/* Once, between open and start. */
void bw_voter_set_up(struct bw_voter *voter, const struct bw_voter_settings *settings);

/* Loads what the backend has (fsm.restore may be called) and takes part. BW_ERR_CORRUPT: it cannot
 * be trusted, and why; any other error: it could not be read. To be closed in any case. */
BW_MUST_CHECK enum bw_err bw_voter_start(struct bw_voter *voter, struct bw_diag *diag);

/* Outside of libraft, after each turn of the loop or each event of the simulator, while it is
 * started: tells what has changed. Events of bw_node_events come from here, and on_ready_to_lead
 * from where the backend completes requests. */
void bw_voter_turn(struct bw_voter *voter);

/* Once, of an open voter. Unanswered submissions end with BW_ERR_UNKNOWN, some of them before this
 * returns. `on_closed` comes, perhaps before this returns too, when libraft has let go of the
 * backend, which is the caller's to close then. No event comes any more. */
void bw_voter_close(struct bw_voter *voter, void (*on_closed)(void *user), void *user);

/* After on_closed; also of what was never opened. */
void bw_voter_deinit(struct bw_voter *voter);

/* ---- submitting ---------------------------------------------------------------------------- */

/* As bw_node_apply, bw_node_barrier, bw_node_prove and bw_node_transfer promise. Where leadership was not given away, who stands still
 * behind is told once more (on_peer_behind). */
BW_MUST_CHECK enum bw_err bw_voter_apply(struct bw_voter *voter, const uint8_t *data, size_t size,
                                         bw_node_done_fn on_done, void *user);
BW_MUST_CHECK enum bw_err bw_voter_barrier(struct bw_voter *voter, bw_node_done_fn on_done,
                                           void *user);
BW_MUST_CHECK enum bw_err bw_voter_prove(struct bw_voter *voter, bw_node_done_fn on_done, void *user);
BW_MUST_CHECK enum bw_err bw_voter_transfer(struct bw_voter *voter, uint64_t id);

/* As bw_asking_hear. */
void bw_voter_hear_term(struct bw_voter *voter, uint64_t peer, const struct bw_term_word *word);

/* ---- members (core/members.h), of a leader that may submit ----------------------------------- */

/* A new roster, as bw_voter_apply submits. */
BW_MUST_CHECK enum bw_err bw_voter_apply_roster(struct bw_voter *voter,
                                                const struct bw_roster *roster,
                                                bw_node_done_fn on_done, void *user);
/* ADD, FEED, PROMOTE, REMOVE of member `id`, and MARK; what became of it is seen by looking. BW_ERR_BUSY: not now. */
BW_MUST_CHECK enum bw_err bw_voter_change(struct bw_voter *voter, enum bw_members_step_kind kind,
                                          uint64_t id);
/* Who was heard within `live_ms` before `now_ms` (the backend's time) is live. */
void bw_voter_look_at_members(const struct bw_voter *voter, uint64_t now_ms, uint64_t live_ms,
                              struct bw_members_facts *out_facts);

/* ---- looking ------------------------------------------------------------------------------- */

/* Between start and close: it may be asked for more than its term. */
bool bw_voter_is_running(const struct bw_voter *voter);
/* Still the leader, and on_ready_to_lead was due for the present term. */
bool bw_voter_is_ready(const struct bw_voter *voter);
/* The id of the leader that it knows of; 0: none. */
uint64_t bw_voter_leader(const struct bw_voter *voter);
/* Likewise, and its own where it leads, also while it hands over. */
uint64_t bw_voter_follows(const struct bw_voter *voter);
/* It, as it judges what is said of its removal; borrows from the voter. `cluster_id`: that its
 * directory was made for; `generation`: of the cluster, as applied here. */
struct bw_members_hearer bw_voter_hearer(const struct bw_voter *voter, struct bw_id cluster_id,
                                         uint64_t generation);

/* What a status of libraft, never 0, is among our own. */
enum bw_err bw_voter_err_of(int raft_status);

#endif
