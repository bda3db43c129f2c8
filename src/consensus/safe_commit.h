/* safe_commit.h - L33: the newest entry that this witness knows to be decided, and has on its own disk, is written down.
 * A leader that lacks it, or a log that does, is none to build on: a voter has forgotten what it promised. Design 3.9. */
#ifndef BW_CONSENSUS_SAFE_COMMIT_H
#define BW_CONSENSUS_SAFE_COMMIT_H

#include <breakwater/consensus/safe_io.h>

/* Entry `index`, and what follows until the next one that is told, is of `term`. */
void bw_safe_commit_took(struct bw_safe_io *safe, raft_index index, raft_term term);
/* A leader's snapshot takes the place of the log. False: it lacks what was decided; the witness was stopped. */
bool bw_safe_commit_install(struct bw_safe_io *safe, raft_index index, raft_term term);
/* Entries up to `last` are on the disk for good. */
void bw_safe_commit_written(struct bw_safe_io *safe, raft_index last);
/* Entry `index` and what follows are to go. False: they were decided; the witness was stopped. */
bool bw_safe_commit_cut(struct bw_safe_io *safe, raft_index index);
/* Once a tick. */
void bw_safe_commit_tick(struct bw_safe_io *safe);
/* The loaded log ends with entry `last`. False: the log lacks a decided entry; `diag` says which. */
bool bw_safe_commit_judge(struct bw_safe_io *safe, raft_index last, struct bw_diag *diag);

#endif
