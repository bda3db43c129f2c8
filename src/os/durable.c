#include <breakwater/os/durable.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/os/path_owner.h>

#define HEAD_BYTES  12
#define CRC_BYTES   4
#define CHUNK_BYTES 1024

static int system_openat(int dir, const char *name, int flags, mode_t mode)
{
    return openat(dir, name, flags, mode);
}

static int system_renameat(int dir, const char *from, const char *to)
{
    return renameat(dir, from, dir, to);
}

static int system_unlinkat(int dir, const char *name)
{
    return unlinkat(dir, name, 0);
}

const struct bw_durable_calls bw_durable_system_calls = {
    .openat = system_openat,
    .read = read,
    .write = write,
    .fstat = fstat,
    .fsync = fsync,
    .renameat = system_renameat,
    .unlinkat = system_unlinkat,
};
static const struct bw_durable_calls *calls = &bw_durable_system_calls;

void bw_durable_set_calls(const struct bw_durable_calls *test_calls)
{
    calls = test_calls != NULL ? test_calls : &bw_durable_system_calls;
}

/* ---- directories ----------------------------------------------------------------------------- */

static enum bw_err sync_parent(const char *path, struct bw_diag *diag)
{
    char copy[PATH_MAX];
    const char *parent;
    enum bw_err err = BW_OK;
    int fd;

    if (!bw_copy_text(copy, sizeof copy, path))
        return bw_diag_set(diag, BW_ERR_LIMIT, "path longer than %d bytes", PATH_MAX - 1);
    parent = dirname(copy);
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return bw_diag_errno(diag, errno, "open %s", parent);
    if (calls->fsync(fd) != 0)
        err = bw_diag_errno(diag, errno, "fsync %s", parent);
    (void)close(fd); /* a directory */
    return err;
}

enum bw_err bw_durable_open_dir(const char *path, int *out_dir, struct bw_diag *diag)
{
    struct stat st;
    enum bw_err err;
    int fd;

    if (mkdir(path, 0700) == 0) {
        err = sync_parent(path, diag);
        if (err != BW_OK)
            return bw_diag_wrap(diag, err, "create state directory %s", path);
    } else if (errno != EEXIST) {
        return bw_diag_errno(diag, errno, "create state directory %s", path);
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return bw_diag_errno(diag, errno, "open state directory %s", path);
    if (fstat(fd, &st) != 0) {
        err = bw_diag_errno(diag, errno, "look at state directory %s", path);
    } else {
        err = bw_path_check_opened_dir(path, &st, diag);
        if (err != BW_OK)
            err = bw_diag_wrap(diag, err, "state directory %s", path);
    }
    if (err == BW_OK)
        *out_dir = fd;
    else
        (void)close(fd); /* a directory */
    return err;
}

static enum bw_err sync_dir(int dir, struct bw_diag *diag)
{
    if (calls->fsync(dir) == 0)
        return BW_OK;
    (void)bw_diag_errno(diag, errno, "fsync the directory");
    return BW_ERR_UNKNOWN;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct part {
    const void *data;
    size_t size;
};

static enum bw_err write_all(int fd, struct part part, struct bw_diag *diag)
{
    const uint8_t *data = part.data;

    for (size_t done = 0; done < part.size;) {
        ssize_t wrote = calls->write(fd, data + done, part.size - done);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return bw_diag_errno(diag, errno, "write");
        if (wrote == 0)
            return bw_diag_set(diag, BW_ERR_IO, "write took nothing of %zu bytes",
                               part.size - done);
        done += (size_t)wrote;
    }
    return BW_OK;
}

/* What the new file must outlive. */
enum outlives { THE_PROCESS, THE_MACHINE };

/* A new file on its way to its name. */
struct fresh {
    char tmp_name[NAME_MAX + 1];
    int fd;
};

static void give_up(int dir, const struct fresh *fresh)
{
    (void)calls->unlinkat(dir, fresh->tmp_name); /* the next write truncates it anyway */
}

static enum bw_err write_fresh(int dir, const char *name, const struct part *parts, size_t count,
                               struct fresh *fresh, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;
    const int length = snprintf(fresh->tmp_name, sizeof fresh->tmp_name, "%s.tmp", name);

    if (length < 0 || (size_t)length >= sizeof fresh->tmp_name)
        return bw_diag_set(diag, BW_ERR_LIMIT, "file name longer than %d bytes", NAME_MAX - 4);
    fresh->fd = calls->openat(dir, fresh->tmp_name,
                              O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fresh->fd < 0)
        return bw_diag_errno(diag, errno, "create %s", fresh->tmp_name);
    for (size_t i = 0; i < count && err == BW_OK; i++)
        err = write_all(fresh->fd, parts[i], diag);
    BW_CRASH_POINT(DURABLE_BEFORE_FSYNC);
    if (err == BW_OK)
        return BW_OK;
    (void)close(fresh->fd); /* given up: nothing is left that close could lose */
    give_up(dir, fresh);
    return err;
}

/* It takes the place of the old one; the directory has to be synced after it. */
static enum bw_err settle_fresh(int dir, const char *name, enum outlives outlives,
                                const struct fresh *fresh, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    if (outlives == THE_MACHINE && calls->fsync(fresh->fd) != 0)
        err = bw_diag_errno(diag, errno, "fsync"); /* before the rename: old or new, each whole */
    (void)close(fresh->fd); /* synced, not to be, or given up */
    BW_CRASH_POINT(DURABLE_BEFORE_RENAME);
    if (err == BW_OK && calls->renameat(dir, fresh->tmp_name, name) != 0)
        err = bw_diag_errno(diag, errno, "rename");
    if (err != BW_OK) {
        give_up(dir, fresh);
        return err;
    }
    BW_CRASH_POINT(DURABLE_AFTER_RENAME);
    return BW_OK;
}

static enum bw_err replace_file(int dir, const char *name, const struct part *parts, size_t count,
                                enum outlives outlives, struct bw_diag *diag)
{
    struct fresh fresh;
    enum bw_err err = write_fresh(dir, name, parts, count, &fresh, diag);

    if (err == BW_OK)
        err = settle_fresh(dir, name, outlives, &fresh, diag);
    if (err != BW_OK)
        return err;
    return outlives == THE_MACHINE ? sync_dir(dir, diag) : BW_OK;
}

enum bw_err bw_durable_write(int dir, const char *name, const void *data, size_t size,
                             struct bw_diag *diag)
{
    const struct part part = {data, size};
    enum bw_err err = replace_file(dir, name, &part, 1, THE_MACHINE, diag);

    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "save %s", name);
}

/* Head, payload, CRC. */
struct framed {
    uint8_t head[HEAD_BYTES];
    uint8_t crc[CRC_BYTES];
    struct part parts[3];
};

static enum bw_err frame(const char *name, const struct bw_durable_kind *kind, struct part payload,
                         struct framed *out, struct bw_diag *diag)
{
    BW_ASSERT(strlen(kind->magic) == 4);
    if (payload.size > BW_DURABLE_PAYLOAD_BYTES_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "save %s: %zu bytes, the limit is %d", name,
                           payload.size, BW_DURABLE_PAYLOAD_BYTES_MAX);
    memcpy(out->head, kind->magic, 4);
    bw_put_u32le(out->head + 4, kind->version);
    bw_put_u32le(out->head + 8, (uint32_t)payload.size);
    bw_put_u32le(out->crc,
                 bw_crc32c(bw_crc32c(0, out->head, HEAD_BYTES), payload.data, payload.size));
    out->parts[0] = (struct part){out->head, HEAD_BYTES};
    out->parts[1] = payload;
    out->parts[2] = (struct part){out->crc, CRC_BYTES};
    return BW_OK;
}

static enum bw_err save(int dir, const char *name, const struct bw_durable_kind *kind,
                        struct part payload, enum outlives outlives, struct bw_diag *diag)
{
    struct framed framed;
    enum bw_err err = frame(name, kind, payload, &framed, diag);

    if (err != BW_OK)
        return err;
    err = replace_file(dir, name, framed.parts, 3, outlives, diag);
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "save %s", name);
}

/* ---- many at once ---- */

static void fail(struct bw_durable_item *item, enum bw_err err)
{
    item->err = bw_diag_wrap(item->diag, err, "save %s", item->name);
}

static void write_item(int dir, struct bw_durable_item *item, struct fresh *fresh)
{
    struct framed framed;
    enum bw_err err;

    item->err = frame(item->name, item->kind, (struct part){item->payload, item->size}, &framed,
                      item->diag);
    if (item->err != BW_OK)
        return;
    err = write_fresh(dir, item->name, framed.parts, 3, fresh, item->diag);
    if (err != BW_OK)
        fail(item, err);
    else /* what it returns is of no use: the fsync of each waits for less, and tells what failed */
        (void)sync_file_range(fresh->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

void bw_durable_save_all(int dir, struct bw_durable_item *items, size_t count)
{
    struct fresh fresh[BW_DURABLE_ITEMS_MAX];
    bool is_any = false;
    enum bw_err err;

    BW_ASSERT(count <= BW_DURABLE_ITEMS_MAX);
    for (size_t i = 0; i < count; i++)
        write_item(dir, &items[i], &fresh[i]);
    for (size_t i = 0; i < count; i++) {
        if (items[i].err != BW_OK)
            continue;
        err = settle_fresh(dir, items[i].name, THE_MACHINE, &fresh[i], items[i].diag);
        if (err != BW_OK)
            fail(&items[i], err);
        is_any = is_any || err == BW_OK;
    }
    if (!is_any || calls->fsync(dir) == 0)
        return;
    const int why = errno;

    for (size_t i = 0; i < count; i++) {
        if (items[i].err != BW_OK)
            continue;
        (void)bw_diag_errno(items[i].diag, why, "fsync the directory");
        fail(&items[i], BW_ERR_UNKNOWN);
    }
}

enum bw_err bw_durable_save(int dir, const char *name, const struct bw_durable_kind *kind,
                            const void *payload, size_t size, struct bw_diag *diag)
{
    return save(dir, name, kind, (struct part){payload, size}, THE_MACHINE, diag);
}

enum bw_err bw_durable_save_for_boot(int dir, const char *name, const struct bw_durable_kind *kind,
                                     const void *payload, size_t size, struct bw_diag *diag)
{
    return save(dir, name, kind, (struct part){payload, size}, THE_PROCESS, diag);
}

enum bw_err bw_durable_remove(int dir, const char *name, struct bw_diag *diag)
{
    enum bw_err err;

    /* Missing: perhaps removed before a crash, and not yet on the disk. */
    if (calls->unlinkat(dir, name) != 0 && errno != ENOENT)
        return bw_diag_errno(diag, errno, "remove %s", name);
    err = sync_dir(dir, diag);
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "remove %s", name);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Reads until `size` bytes are there or the file ends; *out_size says how many. */
static enum bw_err read_up_to(int fd, void *out_data, size_t size, size_t *out_size,
                              struct bw_diag *diag)
{
    uint8_t *data = out_data;
    size_t done = 0;

    while (done < size) {
        ssize_t got = calls->read(fd, data + done, size - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return bw_diag_errno(diag, errno, "read");
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *out_size = done;
    return BW_OK;
}

/* NONBLOCK and the look at its type: a FIFO put in its place must not hang us. */
static enum bw_err open_file(int dir, const char *name, int *out_fd, uint64_t *out_size,
                             struct bw_diag *diag)
{
    struct stat st;
    enum bw_err err;
    int fd = calls->openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);

    if (fd < 0)
        return bw_diag_errno(diag, errno, "open");
    if (calls->fstat(fd, &st) != 0) {
        err = bw_diag_errno(diag, errno, "look at its size");
    } else if (!S_ISREG(st.st_mode)) {
        err = bw_diag_set(diag, BW_ERR_INVALID, "not a plain file");
    } else {
        *out_fd = fd;
        *out_size = (uint64_t)st.st_size;
        return BW_OK;
    }
    (void)close(fd); /* only read from */
    return err;
}

enum bw_err bw_durable_read(int dir, const char *name, void *out_data, size_t size_max,
                            size_t *out_size, struct bw_diag *diag)
{
    uint64_t file_size;
    size_t got = 0;
    size_t rest = 0;
    uint8_t beyond;
    int fd;
    enum bw_err err = open_file(dir, name, &fd, &file_size, diag);

    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "load %s", name);
    err = read_up_to(fd, out_data, size_max, &got, diag);
    if (err == BW_OK)
        err = read_up_to(fd, &beyond, 1, &rest, diag);
    (void)close(fd); /* only read from */
    if (err == BW_OK && rest != 0)
        err = bw_diag_set(diag, BW_ERR_LIMIT, "larger than the %zu bytes allowed", size_max);
    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "load %s", name);
    *out_size = got;
    return BW_OK;
}

struct head {
    uint32_t version;
    uint32_t length;
    uint32_t crc; /* of the head */
};

static enum bw_err read_head(int fd, uint64_t file_size, const struct bw_durable_kind *kind,
                             struct head *out_head, struct bw_diag *diag)
{
    uint8_t bytes[HEAD_BYTES];
    size_t got = 0;
    uint32_t length;
    enum bw_err err = read_up_to(fd, bytes, sizeof bytes, &got, diag);

    if (err != BW_OK)
        return err;
    if (got < sizeof bytes)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "ends after %zu bytes", got);
    if (memcmp(bytes, kind->magic, 4) != 0)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "does not begin with %s", kind->magic);
    length = bw_get_u32le(bytes + 8);
    if (length > BW_DURABLE_PAYLOAD_BYTES_MAX || file_size != HEAD_BYTES + length + CRC_BYTES)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "has %llu bytes, its head says %llu",
                           (unsigned long long)file_size,
                           HEAD_BYTES + (unsigned long long)length + CRC_BYTES);
    *out_head = (struct head){.version = bw_get_u32le(bytes + 4),
                              .length = length,
                              .crc = bw_crc32c(0, bytes, sizeof bytes)};
    return BW_OK;
}

/* The payload is checked whole even where it does not fit or is too new: a damaged file must not be
 * taken for one of a newer version. */
static enum bw_err read_payload(int fd, const struct head *head, uint8_t *out_payload,
                                size_t size_max, struct bw_diag *diag)
{
    uint8_t chunk[CHUNK_BYTES];
    uint32_t crc = head->crc;
    size_t got = 0;
    enum bw_err err;

    for (size_t done = 0; done < head->length; done += got) {
        size_t want = head->length - done;

        if (want > sizeof chunk)
            want = sizeof chunk;
        err = read_up_to(fd, chunk, want, &got, diag);
        if (err != BW_OK)
            return err;
        if (got < want)
            return bw_diag_set(diag, BW_ERR_CORRUPT, "ends too early");
        crc = bw_crc32c(crc, chunk, got);
        if (head->length <= size_max)
            memcpy(out_payload + done, chunk, got);
    }
    err = read_up_to(fd, chunk, CRC_BYTES, &got, diag);
    if (err != BW_OK)
        return err;
    if (got < CRC_BYTES || bw_get_u32le(chunk) != crc)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "its checksum is wrong");
    return BW_OK;
}

static enum bw_err explain_load(enum bw_err err, const char *name,
                                const struct bw_durable_kind *kind, struct bw_diag *diag)
{
    struct bw_diag why = diag != NULL ? *diag : (struct bw_diag){0};

    if (err == BW_ERR_CORRUPT)
        return bw_diag_set(diag, err,
                           "load %s: damaged: %s; it was left as it is and nothing was taken from "
                           "it: look at the disk, then move the state directory away to join anew "
                           "(never restore an old copy)",
                           name, why.text);
    if (err == BW_ERR_VERSION)
        return bw_diag_set(diag, err,
                           "load %s: written by a newer version (%s, this program knows %u); "
                           "it was left as it is: install that version again",
                           name, why.text, (unsigned)kind->version);
    if (err == BW_ERR_OUTDATED)
        return bw_diag_set(diag, err,
                           "load %s: written by breakwater 0.1 (%s, this program reads %u to %u), of "
                           "which nothing is read; it was left as it is: go back to that version, or "
                           "stop the service here and move the state directory away, to join anew",
                           name, why.text, (unsigned)kind->oldest, (unsigned)kind->version);
    return bw_diag_wrap(diag, err, "load %s", name);
}

enum bw_err bw_durable_load(int dir, const char *name, const struct bw_durable_kind *kind,
                            void *out_payload, size_t size_max, size_t *out_size,
                            uint32_t *out_version, struct bw_diag *diag)
{
    struct head head = {0};
    uint64_t file_size;
    int fd;
    enum bw_err err = open_file(dir, name, &fd, &file_size, diag);

    BW_ASSERT(strlen(kind->magic) == 4);
    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "load %s", name);
    err = read_head(fd, file_size, kind, &head, diag);
    if (err == BW_OK)
        err = read_payload(fd, &head, out_payload, size_max, diag);
    (void)close(fd); /* only read from */
    if (err == BW_OK && head.version > kind->version)
        err = bw_diag_set(diag, BW_ERR_VERSION, "version %u", (unsigned)head.version);
    if (err == BW_OK && head.version < kind->oldest)
        err = bw_diag_set(diag, BW_ERR_OUTDATED, "version %u", (unsigned)head.version);
    if (err == BW_OK && head.length > size_max)
        err = bw_diag_set(diag, BW_ERR_LIMIT, "%u bytes, %zu are allowed", (unsigned)head.length,
                          size_max);
    if (err != BW_OK)
        return explain_load(err, name, kind, diag);
    *out_size = head.length;
    *out_version = head.version;
    return BW_OK;
}

/* ---- whether there is room ---- */

enum bw_err bw_room_try_nameless(const char *path, size_t bytes, struct bw_diag *diag)
{
    const int fd = open(path, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    enum bw_err err = BW_OK;
    int error;

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "%s: its file system has no files without a name (O_TMPFILE), as which snapshots are "
                           "written: NFS has none, nor has overlayfs of an older kernel; put data_dir on a local file "
                           "system, as ext4 or xfs",
                           path);
    if (fd < 0)
        return bw_diag_errno(diag, errno, "%s: make a file without a name", path);
    error = posix_fallocate(fd, 0, (off_t)bytes);
    if (error != 0)
        err = bw_diag_errno(diag, error, "%s: reserve %zu bytes", path, bytes);
    else if (pwrite(fd, "", 1, 0) != 1) /* it takes its block along */
        err = bw_diag_errno(diag, errno, "%s: write into a file without a name", path);
    else if (fsync(fd) != 0)
        err = bw_diag_errno(diag, errno, "%s: sync a file without a name", path);
    (void)close(fd); /* nothing of it is kept */
    return err;
}
