/* term_watch.h - who leads, and from when on a leader may act. Design 3.3.
 *
 * libraft changes its mind in the middle of a step, before term and vote are durable. This looks at
 * it between the steps, and submits a barrier of its own at every election: libraft does so only
 * when there is something uncommitted. Over any backend: node.h and the simulator use it. */
#ifndef BW_CONSENSUS_TERM_WATCH_H
#define BW_CONSENSUS_TERM_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <raft.h>

#include <breakwater/consensus/node_events.h>
#include <breakwater/consensus/safe_io.h>

/* The others may submit to libraft, and may call bw_term_watch_stop. */
struct bw_term_watch_events {
    /* What libraft has said to the own barrier: 0, or a refusal. May be NULL. */
    void (*on_own_barrier)(void *user, int rv);
    /* Every change of (role, term) that was there between two steps. A leader that is elected again
     * passes through follower. */
    void (*on_role)(void *user, enum bw_node_role role, uint64_t term);
    /* Leader of `term`, and a barrier of this term has committed and was applied: once a term. */
    void (*on_ready_to_lead)(void *user, uint64_t term);
};

struct bw_term_watch {
    struct raft *raft;
    struct bw_safe_io *safe;
    struct bw_term_watch_events events;
    void *user;
    enum bw_node_role role; /* last told */
    uint64_t term;
    uint64_t ready_term; /* whose own barrier was applied; 0: none */
    struct raft_barrier barrier;
    uint64_t barrier_term; /* of the own barrier under way; 0: none */
    bool is_running;
};

/* After raft_start. Everything is kept; the watch stays where it is until raft_close is done. */
void bw_term_watch_start(struct bw_term_watch *watch, struct raft *raft, struct bw_safe_io *safe,
                         const struct bw_term_watch_events *events, void *user);

/* Outside of libraft, after each turn of the loop or each event of the simulator. Tells what has
 * changed; submits the own barrier, again if it was refused or lost while this is still a leader.
 */
void bw_term_watch_turn(struct bw_term_watch *watch);

/* Before raft_close: nothing is told any more. */
void bw_term_watch_stop(struct bw_term_watch *watch);

/* Still the leader, and on_ready_to_lead was due for the present term. */
bool bw_term_watch_is_ready(const struct bw_term_watch *watch);

/* The role that libraft is in now. */
enum bw_node_role bw_term_watch_role_of(const struct raft *raft);

/* Whether a submission that returned `rv` was refused as a whole. After anything else but 0 the
 * library's log and memory are at odds: bw_term_watch_stop_for. */
bool bw_term_watch_is_refusal(int rv);
void bw_term_watch_stop_for(struct bw_safe_io *safe, struct raft *raft, int rv);

#endif
