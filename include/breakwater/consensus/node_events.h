/* node_events.h - what a witness learns: its role in Raft, and what became of what it submitted. */
#ifndef BW_CONSENSUS_NODE_EVENTS_H
#define BW_CONSENSUS_NODE_EVENTS_H

#include <stdint.h>

#include <breakwater/base/err.h>

#define BW_NODE_REQUESTS_MAX 2048 /* submitted and not yet answered: one of each group (1024), and what renewals wait for */

#define BW_NODE_ROLE_LIST(X)                                                                       \
    X(FOLLOWER, "follower") X(CANDIDATE, "candidate") X(LEADER, "leader")
enum bw_node_role {
#define X(name, word) BW_NODE_##name,
    BW_NODE_ROLE_LIST(X)
#undef X
};

/* "follower", ...; static. */
const char *bw_node_role_text(enum bw_node_role role);

struct bw_node_events {
    /* Every change of (role, term) that lasts until the step is over. A leader that is elected
     * again passes through follower. Required. */
    void (*on_role)(void *user, enum bw_node_role role, uint64_t term);
    /* Leader of `term`, and a barrier of this term has committed and was applied: only now may it
     * act (design 3.3). At most once a term, after on_role(LEADER). Required. */
    void (*on_ready_to_lead)(void *user, uint64_t term);
    /* Leader only: witness `peer` answers, but its log has stood still behind the committed one for
     * 10 s. It may have lost its last entry to a torn disk; a new leader repairs that: a transfer.
     * May be NULL. */
    void (*on_peer_behind)(void *user, uint64_t peer, uint64_t match, uint64_t commit);
};

/* The outcome, exactly once for each submission that returned BW_OK, never before it returned:
 *   BW_OK           committed and applied here, as entry `index`
 *   BW_ERR_UNKNOWN  leadership was lost, or the node closes: it may commit yet, or never
 *   BW_ERR_NO_ROOM  a majority of the witnesses is short of disk; it was not taken */
typedef void (*bw_node_done_fn)(void *user, enum bw_err err, uint64_t index);

#endif
