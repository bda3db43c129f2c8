/* state_dir.h - the directory of a daemon in `state_dir`: made where it is missing, nobody else's
 * to change (5.4), locked. */
#ifndef BW_OS_STATE_DIR_H
#define BW_OS_STATE_DIR_H

#include <stddef.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>

/* Opens `state_dir`/`name`, whose path goes to `out_path` (`path_bytes`; BW_ERR_LIMIT where that is
 * too short). Both directories are durable before it returns. `*out_dir` and `*out_lock`
 * (os/dir_lock.h) are the caller's as soon as they are set, also when it fails later. Blocks as
 * long as the file system does. */
BW_MUST_CHECK enum bw_err bw_state_dir_open(const char *state_dir, const char *name, char *out_path,
                                            size_t path_bytes, int *out_dir, int *out_lock,
                                            struct bw_diag *diag);

#endif
