/* dir_lock.h - one process per state directory (design 3.7). */
#ifndef BW_OS_DIR_LOCK_H
#define BW_OS_DIR_LOCK_H

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>

/* Locks the directory `dir` (`path` is for the diag) by flock of its file "lock", which then holds
 * this process's pid for people. BW_ERR_BUSY names the process that holds it. The lock ends with
 * the process or with bw_dir_unlock, not before; a script's child gives its copy up at once. */
BW_MUST_CHECK enum bw_err bw_dir_lock(int dir, const char *path, int *out_lock,
                                      struct bw_diag *diag);
/* The file stays: removing it would let two processes lock two files of one name. -1 is accepted.
 */
void bw_dir_unlock(int lock);

#endif
