/* recovery.h - the data directory of a witness as the new beginning of its cluster: what is in it is
 * read without taking part, and replaced by one snapshot whose only voter is this witness. Design 3.9.
 *
 * The new files are made whole in recovery.new/ first. The file `recovery` is the point of no return: with
 * it the directory is refused by everything but a recovery, which puts what was there into
 * generation-N/ and the new files in its place, and may be cut short and called again at any step.
 *
 * Synchronous, with loops of their own; for a process that is no daemon. */
#ifndef BW_CONSENSUS_RECOVERY_H
#define BW_CONSENSUS_RECOVERY_H

#include <breakwater/consensus/beginning.h>

/* True: a recovery of `dir` (locked) was begun, and is to be finished. */
bool bw_recovery_is_begun(const struct bw_data_dir *dir);
/* Whose it is, of one that was begun: as it is to be, wherever that lies by now. */
BW_MUST_CHECK enum bw_err bw_recovery_begun_identity(const struct bw_data_dir *dir,
                                                     struct bw_data_dir_identity *out_identity,
                                                     struct bw_diag *diag);
/* Whom the cluster had when it was begun (count 0: its log had no roster): they may have come back, and have
 * decided, ever since. `*out_is_known` false: an older release has begun it, which did not keep that.
 * `*out_is_undo`: what was there before is put back, and nobody is asked. */
BW_MUST_CHECK enum bw_err bw_recovery_begun_roster(const struct bw_data_dir *dir,
                                                   struct bw_roster *out_roster, bool *out_is_known,
                                                   bool *out_is_undo, struct bw_diag *diag);

/* Reads the directory `dir` (locked) whole: the snapshot and all entries, those at the end too that may
 * not have been committed, go to `ops`. Leaves it as a start would, a torn end of the last write cut
 * off, but for the times at which its files were written: these stay. BW_ERR_CORRUPT: what is on disk cannot be trusted, and why; and what bw_data_dir_open says. */
BW_MUST_CHECK enum bw_err bw_recovery_read(struct bw_data_dir *dir, const struct bw_fsm_ops *ops,
                                           void *user, struct bw_recovery_found *out_found,
                                           struct bw_diag *diag);

/* BW_ERR_EXISTS: `dir` (locked) holds something, and what. */
BW_MUST_CHECK enum bw_err bw_recovery_check_empty(const struct bw_data_dir *dir,
                                                  struct bw_diag *diag);

/* Makes `dir` (locked) this beginning. On an error before the point of no return all is as it was;
 * after it, bw_recovery_is_begun. */
BW_MUST_CHECK enum bw_err bw_recovery_write(struct bw_data_dir *dir,
                                            const struct bw_recovery_beginning *beginning,
                                            struct bw_diag *diag);

/* The file `recovery`: two lines, "breakwater recovery 2" and "old generation N", then the bytes of the roster
 * that was found (bw_roster_encode; none: nothing), then the CRC-32C of all before it, 4 bytes, little endian. Of
 * an older release, "breakwater recovery 1": the two lines. Of an undo "breakwater recovery 3", with "back to generation
 * M" as a third line in place of the roster. */
#define BW_RECOVERY_MARK_HEAD_BYTES 64
#define BW_RECOVERY_MARK_BYTES_MAX  (BW_RECOVERY_MARK_HEAD_BYTES + BW_ROSTER_BYTES_MAX + 4)
/* How many. */
size_t bw_recovery_encode_mark(const struct bw_recovery_beginning *beginning,
                               uint8_t out_bytes[BW_RECOVERY_MARK_BYTES_MAX]);

/* True: nobody has led from what a recovery made: the log is that one snapshot, in its term. A witness has the term
 * of its election on its disk before it leads, so no site has heard of this generation (3.9). */
bool bw_recovery_is_unspoken(const struct bw_recovery_found *found, uint64_t generation);
/* The newest generation before `generation` of which `dir` has the files (generation-N); 0: none. */
BW_MUST_CHECK enum bw_err bw_recovery_find_aside(const struct bw_data_dir *dir, uint64_t generation,
                                                 uint64_t *out_aside, struct bw_diag *diag);
/* Puts the files of generation `aside` back, and those of `generation` into generation-N. As bw_recovery_write. */
BW_MUST_CHECK enum bw_err bw_recovery_undo(struct bw_data_dir *dir, uint64_t generation, uint64_t aside,
                                           struct bw_diag *diag);

/* Goes on with one that is begun. */
BW_MUST_CHECK enum bw_err bw_recovery_finish(struct bw_data_dir *dir, struct bw_diag *diag);

#endif
