/* file_look.h - what a file looked like: another look means that it was replaced, written again, or
 * given to somebody else: what others can change is not believed, and a chmod may be what mends it. */
#ifndef BW_OS_FILE_LOOK_H
#define BW_OS_FILE_LOOK_H

#include <stdbool.h>
#include <stdint.h>

struct bw_file_look {
    uint64_t device, inode, size;
    uint32_t mode, user, group;
    int64_t modified_ns;
};

/* One that cannot be seen looks like nothing: all zero. Asks the file system, which may hang. */
struct bw_file_look bw_file_look_at(const char *path);
bool bw_file_looks_equal(struct bw_file_look a, struct bw_file_look b);

#endif
