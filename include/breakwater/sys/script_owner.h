/* script_owner.h - who else could change what a script is? Design 5.1: a file that others can write is
 * not run as root. */
#ifndef BW_SYS_SCRIPT_OWNER_H
#define BW_SYS_SCRIPT_OWNER_H

#include <stdbool.h>

#define BW_SCRIPT_OWNER_PATH_BYTES 512

/* True: `path` (absolute), or a directory or symbolic link on the way to it, up to the root, belongs to
 * somebody who is neither root nor this process's user, or its mode lets its group or all write it. Then
 * `out_path` is the first of these, cut to its size. A sticky directory, as /tmp, lets others add, but
 * not replace. What cannot be looked at is not judged here: to run it fails by itself.
 * Async-signal-safe, blocks as long as the file system does: never called on a loop. */
bool bw_script_is_writable(const char *path, char out_path[BW_SCRIPT_OWNER_PATH_BYTES]);

#endif
