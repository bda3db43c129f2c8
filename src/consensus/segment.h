/* segment.h - libraft's log segments, looked at before libraft does.
 *
 * A crash may leave the last write torn: its batch of entries was never acknowledged, and goes.
 * libraft 0.22.1 drops the first batch whose checksum is wrong and everything behind it, without a
 * word, and aborts when the file ends inside a batch (it frees what it has read twice). So:
 *
 *   a bad batch, and behind it nothing   a torn end: cut off here, and said how much it was
 *   a bad batch, and a good one behind   damage: acknowledged entries are missing. Refused
 *
 * "Behind" is the rest of the file, and the open segments that were written after it.
 *
 * A segment in which nothing whole is goes (L23): libraft keeps blank ones ready, and takes closed
 * segments behind an installed snapshot for damage while it sees an open one beside them. A crash
 * between the snapshot's last fsync and the removal of the old log leaves just that. The
 * closed ones go once libraft has started without them: beside entries that it writes now it would
 * count them in, and number all wrong.
 *
 * A closed segment that begins where a longer one does is what a crash leaves of a truncation (L24):
 * libraft writes the short copy under its last name at once. It goes, whole or not. Then libraft removes
 * the long one, and one after the other what is behind it: a crash between them leaves a hole, which
 * nothing tells from damage but the note of that truncation (vote_store.h).
 *
 * A truncation that fails leaves the long segment, and libraft writes what follows the cut behind it all the
 * same (L30). While the note is there, nobody has been told that any of this was written; open segments
 * behind one that the cut had to shorten go then, whatever wrote them: they were to be cut off themselves, or
 * are sent again. */
#ifndef BW_CONSENSUS_SEGMENT_H
#define BW_CONSENSUS_SEGMENT_H

#include <stdint.h>

#include <breakwater/base/diag.h>

struct bw_segment_cut {
    unsigned files;   /* that were cut, down to nothing too */
    uint64_t bytes;   /* that were not zeros */
    uint64_t entries; /* that the torn batches announced; of a torn head nobody knows how many */
};

/* For all `open-N` in the directory `path`, in order. BW_ERR_CORRUPT: damage, and how much. Call it
 * before raft_start, with the directory locked. */
BW_MUST_CHECK enum bw_err bw_segment_check(const char *path, struct bw_segment_cut *out_cut,
                                           struct bw_diag *diag);

/* What a truncation at `index` had yet to remove when a crash came, or when it failed: the closed segments
 * that begin beyond it, where none holds it any more (L24); else all open ones (L30). Call it after
 * bw_segment_check; 0: none was under way. */
BW_MUST_CHECK enum bw_err bw_segment_finish_cut(const char *path, uint64_t index,
                                                unsigned *out_files, struct bw_diag *diag);

/* BW_OK: no closed segment of the directory `path` (below `at`, if it does not begin with a slash) holds
 * `index` or what is behind it, and none will after a power cut. */
BW_MUST_CHECK enum bw_err bw_segment_check_cut(int at, const char *path, uint64_t index,
                                               struct bw_diag *diag);

/* All closed segments, if they end before `last_index`, the last that libraft has loaded, which then
 * is a snapshot's (L23). Call it after raft_start, before the loop runs. */
BW_MUST_CHECK enum bw_err bw_segment_forget_stale(const char *path, uint64_t last_index,
                                                  struct bw_diag *diag);

/* The checksum of libraft's own files. */

/* Libraft's newest snapshot, looked at before libraft does.
 *
 * libraft 0.22.1 passes over a snapshot that it cannot read, without a word, and begins with the one before
 * (L31). What follows an installed one stands in an open segment, which says no index: it would be numbered from
 * the older snapshot on, and the members would be those of then. So the newest one must be readable, and whole.
 *
 * One is written as `snapshot-TERM-INDEX-TIME.meta`, then as the same name without `.meta`, each whole at once,
 * and removed in this order: where one of the two is missing a crash may have left it so, nothing was built on it,
 * and libraft removes it. */

/* Of the directory `path`. BW_ERR_CORRUPT: the newest is damaged; another error: it cannot be read now. */
BW_MUST_CHECK enum bw_err bw_snapshot_file_check(const char *path, struct bw_diag *diag);

#endif
