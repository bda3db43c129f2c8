/* room.h - can a file system take what is written into it as libraft writes a snapshot: into a file that has no name
 * before it is whole? Blocking: as long as the disk takes. */
#ifndef BW_OS_ROOM_H
#define BW_OS_ROOM_H

#include <stddef.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>

/* So many bytes (at least 1) in such a file of the directory `path`, of which one is written and synced; given back at
 * once. BW_ERR_INVALID: its file system knows no such files, and never will; any other error: there is no room, or the disk
 * fails. */
BW_MUST_CHECK enum bw_err bw_room_try_nameless(const char *path, size_t bytes, struct bw_diag *diag);

#endif
