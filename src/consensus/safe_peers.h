/* safe_peers.h - what safe_io keeps of each peer: what is on its way to it, when it was heard, whether it stands still
 * behind what was committed (L11 of safe_io.h). */
#ifndef BW_CONSENSUS_SAFE_PEERS_H
#define BW_CONSENSUS_SAFE_PEERS_H

#include <breakwater/consensus/safe_io.h>

/* NULL: not kept. */
struct bw_safe_io_peer *bw_safe_peers_find(struct bw_safe_io *safe, raft_id id);
/* Kept from now on. NULL when all places are taken by peers with unfinished messages. */
struct bw_safe_io_peer *bw_safe_peers_want(struct bw_safe_io *safe, raft_id id);

/* L11: of a leader, at each tick, `step_ms` after the last. */
void bw_safe_peers_watch(struct bw_safe_io *safe, raft_time now_ms, uint64_t step_ms);
/* It has answered entries or a snapshot lately: whatever it was sent before that has arrived. */
bool bw_safe_peer_answers(const struct bw_safe_io_peer *peer, raft_time now_ms);
/* The same of one peer, whose log is known up to `match`. True: it is to be told. */
bool bw_safe_peer_count(struct bw_safe_io_peer *peer, uint64_t match, uint64_t commit, bool answers, uint64_t step_ms);

#endif
