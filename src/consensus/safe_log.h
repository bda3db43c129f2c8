/* safe_log.h - what is remembered of the log between libraft and its disk: which entries change the
 * membership (L8 of safe_io.h), and a truncation that is under way (L24). */
#ifndef BW_CONSENSUS_SAFE_LOG_H
#define BW_CONSENSUS_SAFE_LOG_H

#include <breakwater/consensus/safe_io.h>

/* The entry at `index` changes the membership. */
void bw_safe_log_change(struct bw_safe_io *safe, raft_index index);

/* The log is about to lose `index` and what follows: written down before it begins, unless there is
 * nothing there to be lost. Stops the witness where that fails. */
void bw_safe_log_cut(struct bw_safe_io *safe, raft_index index);

/* An append at `first`, asked for after `cuts` truncations, is on disk, and they are over: libraft begins
 * none before what came earlier is. Stops the witness where the last one has failed (L30), and its note stays.
 * Call it before anybody hears of the append. */
void bw_safe_log_written(struct bw_safe_io *safe, uint64_t cuts, raft_index first);

#endif
