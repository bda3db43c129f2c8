/* state_dir.h - the directory of a daemon in `state_dir`: made if it is missing, writable by no other user
 * (5.4), locked by one process (design 3.7). And one process at a time that makes something at a path. */
#ifndef BW_OS_STATE_DIR_H
#define BW_OS_STATE_DIR_H

#include <stdbool.h>
#include <stddef.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>

/* Opens `state_dir`/`name`, whose path goes to `out_path` (`path_bytes`; BW_ERR_LIMIT where that is
 * too short). Both directories are durable before it returns. `*out_dir` and `*out_lock`
 * (os/state_dir.h) are the caller's as soon as they are set, also when it fails later. Blocks as
 * long as the file system does. */
BW_MUST_CHECK enum bw_err bw_state_dir_open(const char *state_dir, const char *name, char *out_path,
                                            size_t path_bytes, int *out_dir, int *out_lock,
                                            struct bw_diag *diag);

/* One process per state directory (design 3.7), and one at a time that makes something at a path. */

/* Locks the directory `dir` (`path` is for the diag) by flock of its file "lock", which then holds
 * this process's pid for people. BW_ERR_BUSY names the process that holds it. The lock ends with
 * the process or with bw_dir_unlock, not before; a script's child gives its copy up at once. */
BW_MUST_CHECK enum bw_err bw_dir_lock(int dir, const char *path, int *out_lock,
                                      struct bw_diag *diag);
/* Another process: who has locked it last, by the number in its file, still runs. Takes no lock, so it is in the way of
 * nobody who begins just now; a number that is another process's by now makes it true. */
bool bw_dir_is_held(int dir);
/* The file stays: removing it would let two processes lock two files of one name. -1 is accepted.
 */
void bw_dir_unlock(int lock);

/* For as long as it takes to look whether what is at `path` is abandoned, and to put one's own there: no two
 * processes that lock it do both at once. By flock of a file beside it, `path` with this at its end, which
 * bw_path_unlock removes; one that was killed in between has left it, and the next one uses it up. */
#define BW_PATH_LOCK_SUFFIX ".breakwater-lock"
#define BW_PATH_LOCK_BYTES  256 /* of its name */
struct bw_path_lock {
    int fd;
    char name[BW_PATH_LOCK_BYTES];
};
/* Waits for nobody. BW_ERR_BUSY names the process that has it; BW_ERR_EXISTS: what has the lock's name is no
 * plain file of our user's, and was left alone. */
BW_MUST_CHECK enum bw_err bw_path_lock(const char *path, struct bw_path_lock *out_lock,
                                       struct bw_diag *diag);
void bw_path_unlock(const struct bw_path_lock *lock);

#endif
