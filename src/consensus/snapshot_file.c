#include "snapshot_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/limits.h>
#include <breakwater/consensus/fsm.h>
#include <breakwater/os/durable.h>

#include "raft_crc.h"

/* raft/uv.h: format 8 | CRC of what follows 8 | index of the configuration 8 | its length 8; the configuration.
 * Little endian. */
#define FORMAT       1
#define HEAD_BYTES   32
#define META_MAX     (HEAD_BYTES + 1024 * 1024)
#define DATA_MAX     (2 * BW_SNAPSHOT_BYTES_MAX) /* more than any that was written */
#define META_SUFFIX  ".meta"
#define NAME_BYTES   128

struct snapshot {
    uint64_t term, index, time;
    char meta[NAME_BYTES]; /* "": none */
    char data[NAME_BYTES];
};

static bool is_newer(const struct snapshot *one, const struct snapshot *other)
{
    if (one->term != other->term)
        return one->term > other->term;
    if (one->index != other->index)
        return one->index > other->index;
    return one->time > other->time;
}

static bool read_name(const char *name, struct snapshot *out_snapshot)
{
    struct snapshot snapshot;
    const size_t size = strlen(name);
    int end = 0;

    /* NOLINTNEXTLINE(cert-err34-c): a number that does not fit was never written */
    if (sscanf(name, "snapshot-%" SCNu64 "-%" SCNu64 "-%" SCNu64 META_SUFFIX "%n", &snapshot.term,
               &snapshot.index, &snapshot.time, &end) != 3 ||
        end <= 0 || (size_t)end != size || !bw_copy_text(snapshot.meta, sizeof snapshot.meta, name))
        return false;
    (void)snprintf(snapshot.data, sizeof snapshot.data, "%.*s",
                   (int)(size - (sizeof META_SUFFIX - 1)), name); /* shorter than `meta` */
    *out_snapshot = snapshot;
    return true;
}

static enum bw_err find_newest(DIR *list, struct snapshot *out_newest, struct bw_diag *diag)
{
    struct dirent *entry;

    *out_newest = (struct snapshot){.meta = ""};
    errno = 0;
    while ((entry = readdir(list)) != NULL) {
        struct snapshot found;

        if (read_name(entry->d_name, &found) &&
            (out_newest->meta[0] == '\0' || is_newer(&found, out_newest))) {
            if (faccessat(dirfd(list), found.data, F_OK, 0) == 0)
                *out_newest = found;
            else if (errno != ENOENT)
                return bw_diag_errno(diag, errno, "look for %s", found.data);
        }
        errno = 0;
    }
    return errno == 0 ? BW_OK : bw_diag_errno(diag, errno, "list its files");
}

/* The caller's to free. */
static enum bw_err read_file(int dir, const char *name, size_t size_max, uint8_t **out_bytes,
                             size_t *out_size, struct bw_diag *diag)
{
    struct stat status;
    uint8_t *bytes;
    enum bw_err err;

    if (fstatat(dir, name, &status, 0) != 0)
        return bw_diag_errno(diag, errno, "look at %s", name);
    if (status.st_size <= 0 || (uint64_t)status.st_size > size_max)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "%s has %" PRIi64 " bytes", name,
                           (int64_t)status.st_size);
    bytes = malloc((size_t)status.st_size);
    if (bytes == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "read %s", name);
    err = bw_durable_read(dir, name, bytes, (size_t)status.st_size, out_size, diag);
    if (err == BW_OK)
        *out_bytes = bytes;
    else
        free(bytes);
    return err;
}

/* As libraft does, and what is behind the configuration is left alone as well. */
static bool is_meta_whole(const uint8_t *bytes, size_t size)
{
    uint64_t length;

    if (size < HEAD_BYTES || bw_get_u64le(bytes) != FORMAT)
        return false;
    length = bw_get_u64le(bytes + 24);
    return length > 0 && length <= size - HEAD_BYTES &&
           bw_raft_crc32(0, bytes + 16, 16 + length) == bw_get_u32le(bytes + 8);
}

static enum bw_err check_meta(int dir, const char *name, struct bw_diag *diag)
{
    uint8_t *bytes;
    size_t size;
    bool is_whole;
    enum bw_err err = read_file(dir, name, META_MAX, &bytes, &size, diag);

    if (err != BW_OK)
        return err;
    is_whole = is_meta_whole(bytes, size);
    free(bytes);
    return is_whole ? BW_OK : bw_diag_set(diag, BW_ERR_CORRUPT, "%s is damaged", name);
}

static enum bw_err check_data(int dir, const char *name, struct bw_diag *diag)
{
    uint8_t *bytes;
    size_t size;
    enum bw_err err = read_file(dir, name, DATA_MAX, &bytes, &size, diag);

    if (err != BW_OK)
        return err;
    err = bw_fsm_check_snapshot(bytes, size, diag);
    free(bytes);
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "%s", name);
}

enum bw_err bw_snapshot_file_check(const char *path, struct bw_diag *diag)
{
    struct snapshot newest;
    DIR *list = opendir(path);
    enum bw_err err;

    if (list == NULL)
        return bw_diag_errno(diag, errno, "list %s", path);
    err = find_newest(list, &newest, diag);
    if (err == BW_OK && newest.meta[0] != '\0')
        err = check_meta(dirfd(list), newest.meta, diag);
    if (err == BW_OK && newest.meta[0] != '\0')
        err = check_data(dirfd(list), newest.data, diag);
    (void)closedir(list); /* only read */
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "%s", path);
}
