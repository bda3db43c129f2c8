/* durable.h - small files that survive a crash: each is the old one or the new one, whole.
 *
 * Written to NAME.tmp, fsynced, renamed, and the directory fsynced. `dir` is an open descriptor of
 * a directory that only this process uses (state_dir.h); `name` a plain file name. Blocking: a few
 * milliseconds on a healthy disk. Diags name the file, the caller adds the directory. */
#ifndef BW_OS_DURABLE_H
#define BW_OS_DURABLE_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>

/* Opens `path`, made (mode 0700, parent fsynced) if missing. BW_ERR_REFUSED when another user owns
 * it or can write to it: what it says would then be anyone's word. */
BW_MUST_CHECK enum bw_err bw_durable_open_dir(const char *path, int *out_dir, struct bw_diag *diag);

/* Replaces `name` by `size` bytes of `data`, mode 0600. BW_OK: it is on the disk. BW_ERR_UNKNOWN:
 * the new file is in place but may be the old one again after a crash; the caller must stop, not
 * retry (a failed fsync leaves nothing to rely on). Any other error: the old file is untouched. */
BW_MUST_CHECK enum bw_err bw_durable_write(int dir, const char *name, const void *data, size_t size,
                                           struct bw_diag *diag);

/* Reads all of `name` into `out_data` of `size_max` bytes. BW_ERR_NOT_FOUND, or BW_ERR_LIMIT when
 * the file is larger. On an error `out_data` may hold part of it. */
BW_MUST_CHECK enum bw_err bw_durable_read(int dir, const char *name, void *out_data,
                                          size_t size_max, size_t *out_size, struct bw_diag *diag);

/* Removes `name`, for good when BW_OK; one that was not there is removed too. BW_ERR_UNKNOWN: as
 * for write. */
BW_MUST_CHECK enum bw_err bw_durable_remove(int dir, const char *name, struct bw_diag *diag);

/* A kind of state file: magic (4 bytes), version, length (u32 LE each), payload, CRC-32C of all
 * before it. */
struct bw_durable_kind {
    char magic[5];    /* 4 characters and a NUL */
    uint32_t version; /* the newest this program knows, and the one it writes */
    uint32_t oldest;  /* that it reads; 0: any */
};
/* Of 0.1, whose state files had version 1, nothing is read. */
#define BW_DURABLE_OLDEST 2

/* As bw_durable_write, framed. `size` at most BW_DURABLE_PAYLOAD_BYTES_MAX: BW_ERR_LIMIT. */
#define BW_DURABLE_PAYLOAD_BYTES_MAX (256 * 1024)
BW_MUST_CHECK enum bw_err bw_durable_save(int dir, const char *name,
                                          const struct bw_durable_kind *kind, const void *payload,
                                          size_t size, struct bw_diag *diag);

/* As bw_durable_save of each, with one fsync of the directory for all: a disk takes many at once in little
 * more time than one. Of each item its own `err` and diag. No name twice. */
#define BW_DURABLE_ITEMS_MAX 32
struct bw_durable_item {
    const char *name;
    const struct bw_durable_kind *kind;
    const void *payload;
    size_t size;
    enum bw_err err;
    struct bw_diag *diag;
};
void bw_durable_save_all(int dir, struct bw_durable_item *items, size_t count);

/* As bw_durable_save, for what means nothing after a reboot: it outlives this process, and nothing
 * waits for a disk. After a crash of the machine the file is the old one, the new one, or corrupt.
 * Never BW_ERR_UNKNOWN. */
BW_MUST_CHECK enum bw_err bw_durable_save_for_boot(int dir, const char *name,
                                                   const struct bw_durable_kind *kind,
                                                   const void *payload, size_t size,
                                                   struct bw_diag *diag);

/* Reads what bw_durable_save wrote, and the version it was written with. BW_ERR_NOT_FOUND: there is
 * no such file. BW_ERR_CORRUPT: not this kind, cut, lengthened or changed. BW_ERR_VERSION: whole,
 * but of a newer program; BW_ERR_OUTDATED: of one too old. BW_ERR_LIMIT: whole, but larger than `size_max`. The diag says what to
 * do. On an error `out_payload` may hold part of it. */
BW_MUST_CHECK enum bw_err bw_durable_load(int dir, const char *name,
                                          const struct bw_durable_kind *kind, void *out_payload,
                                          size_t size_max, size_t *out_size, uint32_t *out_version,
                                          struct bw_diag *diag);

/* The calls by which this module reaches the disk. Tests of faults put their own here (the n-th
 * fails); NULL restores the system's. */
struct bw_durable_calls {
    int (*openat)(int dir, const char *name, int flags, mode_t mode);
    ssize_t (*read)(int fd, void *data, size_t size);
    ssize_t (*write)(int fd, const void *data, size_t size);
    int (*fstat)(int fd, struct stat *out);
    int (*fsync)(int fd);
    int (*renameat)(int dir, const char *from, const char *to);
    int (*unlinkat)(int dir, const char *name);
};
extern const struct bw_durable_calls bw_durable_system_calls;
void bw_durable_set_calls(const struct bw_durable_calls *calls);

/* Can a file system take what is written into it as libraft writes a snapshot: into a file that has no name
 * before it is whole? Blocking: as long as the disk takes. */

/* So many bytes (at least 1) in such a file of the directory `path`, of which one is written and synced; given back at
 * once. BW_ERR_INVALID: its file system knows no such files, and never will; any other error: there is no room, or the disk
 * fails. */
BW_MUST_CHECK enum bw_err bw_room_try_nameless(const char *path, size_t bytes, struct bw_diag *diag);

#endif
