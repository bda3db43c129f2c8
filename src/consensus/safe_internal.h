/* safe_internal.h - what the files between libraft and its disk and network share: safe_io.c (peers, the log, what is decided, the
 * methods), safe_load.c (what a member begins with), safe_message.c (messages, put right), safe_roll.c (the roll). */
#ifndef BW_CONSENSUS_SAFE_INTERNAL_H
#define BW_CONSENSUS_SAFE_INTERNAL_H

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

/* What a member begins with: rules L10 and L28 of safe_io.h. */

/* The methods of raft_io. */
int bw_safe_load(struct raft_io *io, raft_term *term, raft_id *vote, struct raft_snapshot **snapshot,
                 raft_index *start, struct raft_entry *entries[], size_t *count);
int bw_safe_bootstrap(struct raft_io *io, const struct raft_configuration *configuration);

/* What is wrong with libraft's messages, put right as they leave and arrive: rules
 * L5, L7, L12..L16 and L26 of safe_io.h. Each correction is one that Raft allows at any time. */

/* Frees what a received message holds, which libraft would own. */
void bw_safe_message_drop(struct raft_message *message);

/* Of the copy that leaves. */
void bw_safe_message_correct_sent(struct bw_safe_io *safe, struct raft_message *message);
/* Right before libraft gets it; what leaves until bw_safe_message_answered is an answer to it. */
void bw_safe_message_correct_received(struct bw_safe_io *safe, struct raft_message *message);
void bw_safe_message_answered(struct bw_safe_io *safe);

/* What is remembered of the log between libraft and its disk: which entries change the
 * membership (L8 of safe_io.h), and a truncation that is under way (L24). */

/* The entry at `index` changes the membership. */
void bw_safe_log_change(struct bw_safe_io *safe, raft_index index);

/* L33: the newest entry that this witness knows to be decided, and has on its own disk, is written down.
 * A leader that lacks it, or a log that does, is none to build on: a voter has forgotten what it promised. Design 3.9. */

/* Entry `index`, and what follows until the next one that is told, is of `term`. */
void bw_safe_commit_took(struct bw_safe_io *safe, raft_index index, raft_term term);
/* The loaded log ends with entry `last`. False: the log lacks a decided entry; `diag` says which. */
bool bw_safe_commit_judge(struct bw_safe_io *safe, raft_index last, struct bw_diag *diag);

/* safe_io's state of each peer: what is on its way to it, when it was heard, whether it stands still
 * behind what was committed (L11 of safe_io.h). */

/* NULL: not kept. */
struct bw_safe_io_peer *bw_safe_peers_find(struct bw_safe_io *safe, raft_id id);
/* Kept from now on. NULL when all places are taken by peers with unfinished messages. */
struct bw_safe_io_peer *bw_safe_peers_want(struct bw_safe_io *safe, raft_id id);

/* It has answered entries or a snapshot lately: whatever it was sent before that has arrived. */
bool bw_safe_peer_answers(const struct bw_safe_io_peer *peer, raft_time now_ms);
/* The same of one peer, whose log is known up to `match`. True: it is to be told. */
bool bw_safe_peer_count(struct bw_safe_io_peer *peer, uint64_t match, uint64_t commit, bool answers, uint64_t step_ms);

#endif
