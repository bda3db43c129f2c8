/* path_owner.h - who else could change what a path means? Design 5.1, 5.4: what others can change is neither
 * run nor believed.
 *
 * Others are all but root and this process's user: one of them owns the file, or a directory or symbolic link
 * on the way to it, up to the root, or its mode lets its group or all write it. The group counts also where it
 * is this process's own: who is in it tomorrow is nobody's promise. A sticky directory, as /tmp, lets others
 * add, but not replace. POSIX access lists are not read: where a file has one, the group's bits of its mode are
 * the most that it allows, so one that lets others write is refused too. Those of NFSv4 are not seen.
 *
 * What cannot be looked at is not judged here: to read or to run it fails by itself. Where nobody else can
 * change the way, nobody can change it between this look and the use. Blocks as long as the file system does. */
#ifndef BW_OS_PATH_OWNER_H
#define BW_OS_PATH_OWNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <breakwater/base/diag.h>

#define BW_PATH_OWNER_BYTES 512

/* True: others can change what `path` is. `out_path` is the first thing on the way that lets them, cut to its
 * size. Async-signal-safe for an absolute path. */
bool bw_path_is_writable(const char *path, char out_path[BW_PATH_OWNER_BYTES]);

#define BW_PATH_USER_BYTES 64

/* Its name on this machine, else its number. */
void bw_path_user_name(uid_t uid, char out_name[BW_PATH_USER_BYTES]);

/* BW_ERR_REFUSED when others can change the file: "others can change it: ...", and what to do,
 * before which the caller says what it is. Of another user's the first advice is to run it as that
 * user: who runs it may be the one who is wrong. */
BW_MUST_CHECK enum bw_err bw_path_check_file(const char *path, struct bw_diag *diag);

/* The same for a directory that this program keeps: nobody else may add to it either, and each file in it, at
 * one level, is looked at. One that is not there has nothing in it. */
BW_MUST_CHECK enum bw_err bw_path_check_dir(const char *path, struct bw_diag *diag);

/* The same for the directory alone, from a look at what was opened. */
BW_MUST_CHECK enum bw_err bw_path_check_opened_dir(const char *path, const struct stat *st,
                                                   struct bw_diag *diag);

/* What a file looked like: another look means that it was replaced, written again, or
 * given to somebody else: what others can change is not believed, and a chmod may be what mends it. */

struct bw_file_look {
    uint64_t device, inode, size;
    uint32_t mode, user, group;
    int64_t modified_ns;
};

/* One that cannot be seen looks like nothing: all zero. Asks the file system, which may hang. */
struct bw_file_look bw_file_look_at(const char *path);
bool bw_file_looks_equal(struct bw_file_look a, struct bw_file_look b);

#endif
