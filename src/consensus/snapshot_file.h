/* snapshot_file.h - libraft's newest snapshot, looked at before libraft does.
 *
 * libraft 0.22.1 passes over a snapshot that it cannot read, without a word, and begins with the one before
 * (L31). What follows an installed one stands in an open segment, which says no index: it would be numbered from
 * the older snapshot on, and the members would be those of then. So the newest one must be readable, and whole.
 *
 * One is written as `snapshot-TERM-INDEX-TIME.meta`, then as the same name without `.meta`, each whole at once,
 * and removed in this order: where one of the two is missing a crash may have left it so, nothing was built on it,
 * and libraft removes it. */
#ifndef BW_CONSENSUS_SNAPSHOT_FILE_H
#define BW_CONSENSUS_SNAPSHOT_FILE_H

#include <breakwater/base/diag.h>

/* Of the directory `path`. BW_ERR_CORRUPT: the newest is damaged; another error: it cannot be read now. */
BW_MUST_CHECK enum bw_err bw_snapshot_file_check(const char *path, struct bw_diag *diag);

#endif
