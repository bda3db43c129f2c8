/* node.h - one witness as a Raft voter on disk and network: its life, what it submits, what it
 * learns (node_events.h). What it is besides loop, files and sockets is in voter.h.
 *
 * Everything belongs to the loop's thread. Callbacks come from the loop's prepare and check phases,
 * after libraft has finished its step, except those of bw_fsm_ops, which come from within it.
 * From a callback of this header any function here may be called. SIGPIPE must be ignored. */
#ifndef BW_CONSENSUS_NODE_H
#define BW_CONSENSUS_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>
#include <breakwater/base/name.h>
#include <breakwater/consensus/data_dir.h>
#include <breakwater/consensus/fsm.h>
#include <breakwater/consensus/hello.h>
#include <breakwater/consensus/node_events.h>
#include <breakwater/consensus/stop.h>
#include <breakwater/consensus/transport.h>
#include <breakwater/obs/log.h>

#define BW_NODE_PEERS_MAX       16
#define BW_NODE_ELECTION_MS_MIN 50
#define BW_NODE_ELECTION_MS_MAX 60000

struct bw_raft_node;

/* ---- beginnings ---------------------------------------------------------------------------- */

struct bw_node_founding {
    const char *data_dir;
    struct bw_data_dir_identity identity;
    /* The founding voters, this witness among them; the same list on each. */
    uint64_t member_ids[BW_WITNESSES_MAX];
    unsigned member_count;
};

/* `witness init`: makes the data directory, the first log entry, and last the identity.
 * Synchronous; once: BW_ERR_EXISTS when the directory holds anything. */
BW_MUST_CHECK enum bw_err bw_node_bootstrap(const struct bw_node_founding *founding,
                                            struct bw_diag *diag);

/* `witness init --join`: the data directory of one that is to be added to a cluster that is there: without a
 * log. Errors as above; `founding` names no members. */
BW_MUST_CHECK enum bw_err bw_node_prepare(const struct bw_node_founding *founding,
                                          struct bw_diag *diag);

/* Sends these words to witness `to` on the connection that it has dialed. False: it has none now that takes them, or knows
 * no BW_QUESTION_LEVEL. */
typedef bool (*bw_node_say_fn)(void *user, uint64_t to, const uint8_t words[BW_HELLO_BYTES]);

/* All pointers but `loop`, `transport`, `log` and the users are borrowed until open returns. */
struct bw_node_config {
    uv_loop_t *loop;
    const char *data_dir;
    const char *cluster;
    uint64_t witness_id;
    unsigned election_timeout_ms; /* must be what init has committed */
    unsigned heartbeat_ms;        /* 0: a tenth of it; less than half of it */
    unsigned snapshot_threshold;  /* entries between snapshots; 0: 1024 */
    unsigned snapshot_trailing;   /* entries kept behind one; 0: 2048 */
    unsigned connect_retry_ms;    /* 0: 100 */
    struct bw_transport *transport;
    struct bw_log *log; /* may be NULL */
    struct bw_fsm_ops fsm;
    struct bw_node_events events;
    bw_node_say_fn say; /* may be NULL: each proof is a barrier */
    bw_stop_fn stop; /* required */
    void *user;      /* of fsm, events, say and stop */
};

/* Locks the data directory, checks whose it is, and prepares libraft. Errors name the directory,
 * what was expected and the next step; then nothing is left open. */
BW_MUST_CHECK enum bw_err bw_node_open(const struct bw_node_config *config,
                                       struct bw_raft_node **out_node, struct bw_diag *diag);

/* Who this directory belongs to. */
const struct bw_data_dir_identity *bw_node_identity(const struct bw_raft_node *node);

/* The first words to peer `to`, and what the other's mean (hello.h): on each connection, in both
 * directions, before it is the transport's. */
void bw_node_say_hello(const struct bw_raft_node *node, uint64_t to, uint8_t out[BW_HELLO_BYTES]);
/* What `peer` (by its certificate; 0: a witness that is no member known here) has dialed with. BW_OK: it is
 * welcome, or has only asked (*out_is_ask); BW_ERR_REFUSED, with why. In each case `out_answer` is to be sent;
 * the connection goes on only where it is welcome to join. BW_ERR_INVALID: these are no such words. BW_ERR_AUTH:
 * it is no member, nor was it removed. `generation`: of the cluster, as applied here. */
BW_MUST_CHECK enum bw_err bw_node_hear_hello(struct bw_raft_node *node, uint64_t peer,
                                             uint64_t generation,
                                             const uint8_t words[BW_HELLO_BYTES], bool *out_is_ask,
                                             uint8_t out_answer[BW_HELLO_BYTES],
                                             struct bw_diag *diag);
/* The answer of `peer`, which was dialed. BW_ERR_REFUSED, BW_ERR_INVALID: to be closed. */
BW_MUST_CHECK enum bw_err bw_node_hear_answer(struct bw_raft_node *node, uint64_t peer,
                                              const uint8_t words[BW_HELLO_BYTES],
                                              struct bw_diag *diag);
/* What `peer`, which was dialed, says with its answer or later: this witness was removed, and that is believed. */
bool bw_node_hears_removal(const struct bw_raft_node *node, uint64_t peer, uint64_t generation,
                           const uint8_t words[BW_HELLO_BYTES]);
/* This witness, as it judges what is said of its removal; borrows from the node. */
struct bw_members_hearer bw_node_hearer(const struct bw_raft_node *node, uint64_t generation);
/* To `to`, which has dialed and was removed since; and `text`, the release of this witness, and how
 * long its certificate holds, to one that is welcome. */
void bw_node_say_removed(const struct bw_raft_node *node, uint64_t to, uint64_t generation,
                         uint8_t out[BW_HELLO_BYTES]);
void bw_node_say_release(const struct bw_raft_node *node, uint64_t to, const char *text,
                         uint8_t out[BW_HELLO_BYTES]);
void bw_node_say_certificate(const struct bw_raft_node *node, uint64_t to, uint64_t left_s,
                             uint8_t out[BW_HELLO_BYTES]);
/* The entry that this witness knows to be decided (L33). False: none. */
bool bw_node_say_committed(const struct bw_raft_node *node, uint64_t to, uint8_t out[BW_HELLO_BYTES]);
/* As a leader: its log lacks what another witness knows to be decided. */
bool bw_node_lacks(const struct bw_raft_node *node, struct bw_commit_mark mark);
/* It has said who it is, since this process started. */
bool bw_node_has_met(const struct bw_raft_node *node, uint64_t id);
/* No roster is in its log or snapshot yet: the cluster begins once all its members are up. */
bool bw_node_is_bare(const struct bw_raft_node *node);

/* Loads snapshot and log (fsm.restore may be called) and begins to take part. After an error the
 * node must still be closed. BW_ERR_CORRUPT: what is on disk cannot be trusted, and why. */
BW_MUST_CHECK enum bw_err bw_node_start(struct bw_raft_node *node, struct bw_diag *diag);

/* In any state, and twice. What was submitted and not answered ends with BW_ERR_UNKNOWN, some of it
 * before this returns. `on_closed` (may be NULL) comes when nothing of the node is left; the
 * transport may be freed in it. */
void bw_node_close(struct bw_raft_node *node, void (*on_closed)(void *user), void *user);

/* ---- submitting ---------------------------------------------------------------------------- */

/* Submits a command of at most BW_COMMAND_BYTES_MAX bytes (copied).
 * BW_ERR_NOT_LEADER · BW_ERR_LIMIT: too large, or too many unanswered · BW_ERR_NO_ROOM: a majority is short of disk
 * · BW_ERR_NOMEM. Nothing was submitted then, and `on_done` is not called. */
BW_MUST_CHECK enum bw_err bw_node_apply(struct bw_raft_node *node, const uint8_t *data, size_t size,
                                        bw_node_done_fn on_done, void *user);

/* BW_OK at `on_done`: this witness was still the leader after the call, and all entries that were
 * committed before it have been applied here. */
BW_MUST_CHECK enum bw_err bw_node_barrier(struct bw_raft_node *node, bw_node_done_fn on_done,
                                          void *user);

/* Likewise, without an entry where that will do (3.2.2): BW_OK at `on_done` with `index` 0 is the word of the others, else
 * that of a barrier. */
BW_MUST_CHECK enum bw_err bw_node_prove(struct bw_raft_node *node, bw_node_done_fn on_done, void *user);
/* Takes a BW_HELLO_TERM of `peer`, which was dialed. */
void bw_node_hear_term(struct bw_raft_node *node, uint64_t peer, const struct bw_term_word *word);

/* Hands leadership to voter `id` (0: to that which is heard, does not stand still behind, and has most of the log);
 * on_role tells the outcome. BW_ERR_NOT_LEADER; BW_ERR_BUSY: one is going on; BW_ERR_NOT_FOUND: no such voter. */
BW_MUST_CHECK enum bw_err bw_node_transfer(struct bw_raft_node *node, uint64_t id);

/* ---- members (core/members.h) -------------------------------------------------------------- */

/* The newest roster in its log or snapshot; count 0: none. `bw_node_roster_version` rises when it changes. */
const struct bw_roster *bw_node_roster(const struct bw_raft_node *node);
uint64_t bw_node_roster_version(const struct bw_raft_node *node);
/* The newest that was committed and applied here. */
const struct bw_roster *bw_node_applied_roster(const struct bw_raft_node *node);
/* As bw_voter_look_at_members, bw_voter_change and bw_voter_apply_roster promise. */
void bw_node_look_at_members(const struct bw_raft_node *node, uint64_t live_ms,
                             struct bw_members_facts *out_facts);
BW_MUST_CHECK enum bw_err bw_node_change(struct bw_raft_node *node, enum bw_members_step_kind kind,
                                         uint64_t id);
BW_MUST_CHECK enum bw_err bw_node_apply_roster(struct bw_raft_node *node,
                                               const struct bw_roster *roster,
                                               bw_node_done_fn on_done, void *user);
/* By what was applied here it was removed. */
bool bw_node_is_removed(const struct bw_raft_node *node);
/* Writes into its directory that it was removed: no start comes after that. */
BW_MUST_CHECK enum bw_err bw_node_mark_removed(struct bw_raft_node *node, struct bw_diag *diag);

/* ---- looking ------------------------------------------------------------------------------- */

struct bw_node_peer {
    uint64_t id;
    bool is_voter;
    uint64_t match_index; /* up to where its log is known to be the same; 0 unless this one leads */
    bool is_in_contact;       /* since this process started */
    uint64_t last_contact_ms; /* milliseconds since the last message from it, if heard */
};

struct bw_node_status {
    enum bw_node_role role;
    uint64_t term;
    uint64_t leader_id; /* 0: none known */
    bool is_ready;      /* leader, and on_ready_to_lead was due */
    bool is_handing_over; /* leader, and a transfer goes on that libraft has not given up */
    bool is_voter;      /* in the configuration that this witness knows */
    unsigned voter_count;
    uint64_t commit_index, applied_index, last_index;
    uint64_t stalled_ms;   /* the disk has taken no log entry, or no snapshot, for so long */
    bool is_stuck;         /* for as long as may be: this process ends itself, or is to be ended */
    bool is_capacity_low;
    bool lacks_room;       /* for long: the disk is full, or not given back to the log yet */
    bool is_snapshot_stalled; /* for long, whatever the reason (raft.snapshot_stalled) */
    struct bw_node_peer peers[BW_NODE_PEERS_MAX]; /* without this witness */
    unsigned peer_count;
};

void bw_node_get_status(const struct bw_raft_node *node, struct bw_node_status *out_status);
/* Whom it knows to lead, itself too; 0: nobody. */
uint64_t bw_node_follows(const struct bw_raft_node *node);
/* Its term, and the index at which its log ends; both 0 while it does not run. */
void bw_node_get_end(const struct bw_raft_node *node, uint64_t *out_term, uint64_t *out_index);
/* NULL: there is none of that id, or it is this witness. */
const struct bw_node_peer *bw_node_peer(const struct bw_node_status *status, uint64_t id);
/* Entries of this one's log that are not known to be in the peer's; NULL: 0. */
uint64_t bw_node_peer_behind(const struct bw_node_status *status, const struct bw_node_peer *peer);
bool bw_node_is_ready(const struct bw_raft_node *node);

#endif
