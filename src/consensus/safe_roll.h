/* safe_roll.h - the roll (roll.h) between libraft and its disk and network: rules L20..L22
 * and L25 of safe_io.h. Without a roll nothing is refused. */
#ifndef BW_CONSENSUS_SAFE_ROLL_H
#define BW_CONSENSUS_SAFE_ROLL_H

#include <breakwater/consensus/safe_io.h>

/* Takes the rosters among these entries, the first of them at `index`. BW_ERR_REFUSED: one knows
 * this witness by another directory. */
BW_MUST_CHECK enum bw_err bw_safe_roll_take(struct bw_safe_io *safe,
                                            const struct raft_entry *entries, size_t count,
                                            raft_index index, struct bw_diag *diag);
/* The same of all that is loaded at a start. */
BW_MUST_CHECK enum bw_err bw_safe_roll_load(struct bw_safe_io *safe,
                                            const struct raft_snapshot *snapshot, raft_index start,
                                            const struct raft_entry *entries, size_t count,
                                            struct bw_diag *diag);

/* False: the message must not leave, or libraft must not see it. */
bool bw_safe_roll_may_leave(struct bw_safe_io *safe, const struct raft_message *message);
bool bw_safe_roll_may_enter(struct bw_safe_io *safe, const struct raft_message *message);
/* L25, at each tick: a leader that was not heard for so long as an election takes is none. */
void bw_safe_roll_forget_leader(struct bw_safe_io *safe, raft_time now_ms);
/* L25: before and after libraft reads a message. True: it takes this member for a voter meanwhile. */
bool bw_safe_roll_lend_vote(struct bw_safe_io *safe, const struct raft_message *message);
void bw_safe_roll_end_vote(struct bw_safe_io *safe);
/* L21: a vote that counts only once all have voted. */
bool bw_safe_roll_is_founding_vote(const struct bw_safe_io *safe,
                                   const struct raft_message *message);
/* It is noted; true: now all have (roll->granted). */
bool bw_safe_roll_count_vote(struct bw_safe_io *safe, const struct raft_message *message);

#endif
