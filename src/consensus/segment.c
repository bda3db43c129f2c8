#include "segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/limits.h>
#include <breakwater/consensus/fsm.h>
#include <breakwater/os/durable.h>

/* raft/uv.h: format 8 | batches: CRC of the header 4, CRC of the data 4, header: count 8, per entry
 * term 8, type 1, unused 3, size 4; data. Little endian. A batch begins at a multiple of 8. */
#define FORMAT         1
#define FORMAT_BYTES   8
#define CHECKSUM_BYTES 8
#define COUNT_BYTES    8
#define ENTRY_BYTES    16
#define ALIGN          8
#define COUNT_MAX      (8 * 1024 * 1024 / 32) /* what libraft takes for a count at most */
#define SEGMENTS_MAX   64                     /* two are kept ready, and one is written */
#define NAME_BYTES     32                     /* open- and 20 digits */

struct bytes {
    const uint8_t *data;
    uint64_t size;
};

/* ---- the checksum ---------------------------------------------------------------------------- */

static uint32_t crc_of_byte[256];

static void fill_crc_table(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte << 24;

        for (int bit = 0; bit < 8; bit++)
            crc = (crc << 1) ^ ((crc >> 31) * UINT32_C(0x04C11DB7));
        crc_of_byte[byte] = crc;
    }
}

/* CRC-32 as libraft counts it: polynomial 0x04C11DB7, high bit first, from 0; `crc` is that of what came before.
 * Not for two threads at once. */
static uint32_t crc32_of(uint32_t crc, const uint8_t *data, uint64_t size)
{
    if (crc_of_byte[1] == 0)
        fill_crc_table();
    for (uint64_t i = 0; i < size; i++)
        crc = (crc << 8) ^ crc_of_byte[(crc >> 24) ^ data[i]];
    return crc;
}

/* ---- one batch ------------------------------------------------------------------------------ */

/* The entries that a header at `at` announces, if it is one that was written; 0: it is none. */
static uint64_t announced_entries(struct bytes file, uint64_t at)
{
    const uint64_t header = at + CHECKSUM_BYTES;
    uint64_t count;
    uint64_t header_bytes;

    if (header + COUNT_BYTES > file.size)
        return 0;
    count = bw_get_u64le(file.data + header);
    header_bytes = COUNT_BYTES + count * ENTRY_BYTES;
    if (count == 0 || count > COUNT_MAX || header_bytes > file.size - header ||
        crc32_of(0, file.data + header, header_bytes) != bw_get_u32le(file.data + at))
        return 0;
    return count;
}

/* Where the whole, undamaged batch at `at` ends, and how many entries it holds; 0: there is none.
 */
static uint64_t end_of_batch(struct bytes file, uint64_t at, uint64_t *out_entries)
{
    const uint64_t count = announced_entries(file, at);
    const uint64_t lengths = at + CHECKSUM_BYTES + COUNT_BYTES;
    const uint64_t data = lengths + count * ENTRY_BYTES;
    uint64_t size = 0;

    if (count == 0)
        return 0;
    for (uint64_t i = 0; i < count; i++)
        size += bw_get_u32le(file.data + lengths + i * ENTRY_BYTES + 12);
    if (size > file.size - data ||
        crc32_of(0, file.data + data, size) != bw_get_u32le(file.data + at + 4))
        return 0;
    *out_entries = count;
    return data + size;
}

/* ---- one file ------------------------------------------------------------------------------- */

/* What is in an open segment: whole batches, then perhaps a bad one, then perhaps more. */
struct finding {
    uint64_t good_bytes; /* up to here libraft can read; 0: nothing */
    uint64_t used_bytes; /* behind here there are only zeros, which were never written */
    bool is_bad;         /* between the two something is */
    uint64_t bad_entries;  /* that the first bad batch announces; 0: that cannot be read */
    uint64_t lost_batches; /* whole ones behind a bad one: no crash left them so */
    uint64_t lost_entries;
};

static uint64_t used_bytes(struct bytes file)
{
    uint64_t size = file.size;

    while (size > 0 && file.data[size - 1] == 0)
        size--;
    return size;
}

/* The length of a bad batch cannot be trusted, so the next good one may begin anywhere. */
static void look_behind(struct bytes file, uint64_t at, struct finding *finding)
{
    while (at < finding->used_bytes) {
        uint64_t entries;
        const uint64_t end = end_of_batch(file, at, &entries);

        if (end == 0) {
            at += ALIGN;
            continue;
        }
        finding->lost_batches++;
        finding->lost_entries += entries;
        at = end;
    }
}

static struct finding look_at(struct bytes file)
{
    struct finding finding = {.used_bytes = used_bytes(file)};
    uint64_t at = FORMAT_BYTES;
    uint64_t entries;
    uint64_t end;

    if (file.size < FORMAT_BYTES) {
        finding.is_bad = finding.used_bytes > 0;
        return finding;
    }
    if (bw_get_u64le(file.data) != FORMAT) { /* never written, damaged, or a later libraft's */
        look_behind(file, at, &finding);
        finding.is_bad = finding.lost_batches > 0;
        finding.good_bytes = finding.is_bad ? 0 : file.size;
        return finding;
    }
    while ((end = end_of_batch(file, at, &entries)) != 0)
        at = end;
    finding.good_bytes = at > FORMAT_BYTES ? at : 0;
    finding.is_bad = at < finding.used_bytes;
    if (finding.is_bad) {
        finding.bad_entries = announced_entries(file, at);
        look_behind(file, at + ALIGN, &finding);
    }
    return finding;
}

/* libraft reads on through zeros, and trips over a file that ends inside a header. */
static bool is_to_be_cut(const struct finding *finding, uint64_t size)
{
    const uint64_t rest = size - finding->good_bytes;

    return finding->is_bad || (size > 0 && size < FORMAT_BYTES) ||
           (rest > 0 && rest < CHECKSUM_BYTES + COUNT_BYTES);
}

static enum bw_err cut_file(int fd, uint64_t size, struct bw_diag *diag)
{
    if (ftruncate(fd, (off_t)size) != 0 || fsync(fd) != 0)
        return bw_diag_errno(diag, errno, "cut its torn end");
    return BW_OK;
}

static enum bw_err map(int fd, struct bytes *out_file, struct bw_diag *diag)
{
    struct stat status;
    void *data;

    *out_file = (struct bytes){0};
    if (fstat(fd, &status) != 0)
        return bw_diag_errno(diag, errno, "look at it");
    if (status.st_size == 0)
        return BW_OK;
    /* Mapped, not read: a segment more in private memory would stay there. */
    data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return bw_diag_errno(diag, errno, "read it");
    *out_file = (struct bytes){data, (uint64_t)status.st_size};
    return BW_OK;
}

/* ---- all of them, in the order in which they were written ----------------------------------- */

struct segment {
    uint64_t number;
    char name[NAME_BYTES];
};

/* The first bad batch of all; behind it nothing may be. */
struct torn_end {
    char name[NAME_BYTES]; /* "": there is none */
    uint64_t at;
};

static enum bw_err refuse(const struct torn_end *end, const struct finding *finding,
                          const char *name, struct bw_diag *diag)
{
    return bw_diag_set(diag, BW_ERR_CORRUPT,
                       "%s is damaged at byte %" PRIu64 ": behind it, in %s, are %" PRIu64
                       " whole batches with %" PRIu64 " log entries, so no crash has torn it; "
                       "these, and what is damaged, are missing from the log",
                       end->name, end->at, name, finding->lost_batches, finding->lost_entries);
}

/* What is to be done with a file that is no damage. */
static enum bw_err settle_file(int dir, int fd, uint64_t size, const char *name,
                               const struct finding *finding, struct bw_segment_cut *cut,
                               struct bw_diag *diag)
{
    const bool is_blank = finding->good_bytes == 0 || finding->used_bytes == 0;

    if (is_to_be_cut(finding, size)) {
        cut->files++;
        if (finding->is_bad)
            cut->bytes += finding->used_bytes - finding->good_bytes;
        cut->entries += finding->bad_entries;
    }
    if (is_blank) /* L23 */
        return unlinkat(dir, name, 0) == 0 ? BW_OK : bw_diag_errno(diag, errno, "remove it");
    return is_to_be_cut(finding, size) ? cut_file(fd, finding->good_bytes, diag) : BW_OK;
}

static enum bw_err judge_file(int dir, int fd, struct bytes file, const char *name,
                              struct torn_end *end, struct bw_segment_cut *cut,
                              struct bw_diag *diag)
{
    struct finding finding = look_at(file);

    if (end->name[0] != '\0') { /* all of this file is behind it */
        finding.lost_batches = 0;
        finding.lost_entries = 0;
        look_behind(file, FORMAT_BYTES, &finding);
    } else if (finding.is_bad) {
        (void)snprintf(end->name, sizeof end->name, "%s", name); /* as long as it */
        end->at = finding.good_bytes;
    }
    if (finding.lost_batches > 0)
        return refuse(end, &finding, name, diag);
    return cut == NULL ? BW_OK : settle_file(dir, fd, file.size, name, &finding, cut, diag);
}

static enum bw_err check_file(int dir, const char *name, struct torn_end *end,
                              struct bw_segment_cut *cut, struct bw_diag *diag)
{
    const int fd = openat(dir, name, O_RDWR | O_CLOEXEC);
    struct bytes file;
    enum bw_err err;

    if (fd < 0)
        return bw_diag_errno(diag, errno, "open %s", name);
    err = map(fd, &file, diag);
    if (err == BW_OK)
        err = judge_file(dir, fd, file, name, end, cut, diag);
    if (file.size > 0)
        (void)munmap((void *)(uintptr_t)file.data, file.size); /* fails only for other arguments */
    (void)close(fd); /* synced if it was changed */
    return err == BW_OK || err == BW_ERR_CORRUPT ? err : bw_diag_wrap(diag, err, "%s", name);
}

static int compare(const void *a, const void *b)
{
    const struct segment *one = a;
    const struct segment *other = b;

    return (one->number > other->number) - (one->number < other->number);
}

static int is_open(const struct dirent *entry)
{
    return strncmp(entry->d_name, "open-", 5) == 0;
}

static enum bw_err list_segments(DIR *list, struct segment *segments, unsigned *out_count,
                                 struct bw_diag *diag)
{
    struct dirent *entry;

    *out_count = 0;
    errno = 0;
    while ((entry = readdir(list)) != NULL) {
        struct segment *segment = &segments[*out_count];
        int end = 0;

        if (is_open(entry)) {
            /* NOLINTNEXTLINE(cert-err34-c): 19 digits always fit */
            if (sscanf(entry->d_name, "open-%19" SCNu64 "%n", &segment->number, &end) != 1 ||
                entry->d_name[end] != '\0' ||
                !bw_copy_text(segment->name, sizeof segment->name, entry->d_name))
                return bw_diag_set(diag, BW_ERR_CORRUPT, "%.64s is no log segment", entry->d_name);
            if (++*out_count == SEGMENTS_MAX)
                return bw_diag_set(diag, BW_ERR_CORRUPT, "there are %d or more open log segments",
                                   SEGMENTS_MAX);
        }
        errno = 0;
    }
    return errno == 0 ? BW_OK : bw_diag_errno(diag, errno, "list its files");
}

/* `cut` NULL: only judges. */
static enum bw_err check_all(int dir, const struct segment *segments, unsigned count,
                             struct bw_segment_cut *cut, struct bw_diag *diag)
{
    struct torn_end end = {.at = 0};
    enum bw_err err = BW_OK;

    for (unsigned i = 0; err == BW_OK && i < count; i++)
        err = check_file(dir, segments[i].name, &end, cut, diag);
    return err;
}

/* ---- closed ones ---------------------------------------------------------------------------- */

#define CLOSED_DIGITS 16 /* FIRST-LAST, both with zeros in front: names sort as the log does */

struct range {
    uint64_t first;
    uint64_t last; /* 0: it is no closed segment */
};

static struct range range_of(const char *name)
{
    struct range range = {0};
    int end = 0;

    /* NOLINTNEXTLINE(cert-err34-c): 16 digits always fit */
    if (sscanf(name, "%16" SCNu64 "-%16" SCNu64 "%n", &range.first, &range.last, &end) != 2 ||
        end != 2 * CLOSED_DIGITS + 1 || name[end] != '\0')
        return (struct range){0};
    return range;
}

/* The index of its last entry; 0: it is no closed segment. */
static uint64_t last_of(const char *name)
{
    return range_of(name).last;
}

static int is_closed(const struct dirent *entry)
{
    return last_of(entry->d_name) > 0;
}

static void free_names(struct dirent **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* L24. The longer one is the log as it was before; what was to be cut off it was never committed. */
static enum bw_err remove_copies(int dir, struct bw_diag *diag)
{
    struct dirent **names;
    const int count = scandirat(dir, ".", &names, is_closed, alphasort);
    enum bw_err err = BW_OK;

    if (count < 0)
        return bw_diag_errno(diag, errno, "list its files");
    for (int i = 0; i + 1 < count; i++) {
        const bool is_copy =
            strncmp(names[i]->d_name, names[i + 1]->d_name, CLOSED_DIGITS + 1) == 0;

        if (err == BW_OK && is_copy && unlinkat(dir, names[i]->d_name, 0) != 0)
            err = bw_diag_errno(diag, errno, "remove %s", names[i]->d_name);
    }
    free_names(names, count);
    return err;
}

static bool holds(struct dirent *const *names, int count, uint64_t index)
{
    for (int i = 0; i < count; i++) {
        const struct range range = range_of(names[i]->d_name);

        if (range.first <= index && index <= range.last)
            return true;
    }
    return false;
}

/* The closed segments of a directory, in their order. */
struct closed {
    int dir;
    int count; /* -1: they cannot be listed */
    struct dirent **names;
};

static enum bw_err open_closed(int at, const char *path, struct closed *out_closed,
                               struct bw_diag *diag)
{
    const int dir = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *out_closed = (struct closed){.dir = dir, .count = -1};
    if (dir >= 0)
        out_closed->count = scandirat(dir, ".", &out_closed->names, is_closed, alphasort);
    return out_closed->count < 0 ? bw_diag_errno(diag, errno, "list %s", path) : BW_OK;
}

static enum bw_err remove_closed(const char *path, const struct closed *closed, int at,
                                 struct bw_diag *diag)
{
    const char *name = closed->names[at]->d_name;

    return unlinkat(closed->dir, name, 0) == 0
               ? BW_OK
               : bw_diag_errno(diag, errno, "remove %s/%s", path, name);
}

static enum bw_err end_closed(const char *path, struct closed *closed, enum bw_err err,
                              struct bw_diag *diag)
{
    if (err == BW_OK && fsync(closed->dir) != 0)
        err = bw_diag_errno(diag, errno, "sync %s", path);
    if (closed->count >= 0)
        free_names(closed->names, closed->count);
    if (closed->dir >= 0)
        (void)close(closed->dir); /* synced */
    return err;
}

/* L30. What they hold is behind a segment that is to be cut: written before the cut, it is to go too;
 * after it, nobody has been told. */
static enum bw_err remove_open(int dir, const char *path, unsigned *files, struct bw_diag *diag)
{
    struct dirent **names;
    const int count = scandirat(dir, ".", &names, is_open, versionsort);
    enum bw_err err = BW_OK;

    if (count < 0)
        return bw_diag_errno(diag, errno, "list %s", path);
    for (int i = count - 1; err == BW_OK && i >= 0; i--, ++*files)
        if (unlinkat(dir, names[i]->d_name, 0) != 0)
            err = bw_diag_errno(diag, errno, "remove %s/%s", path, names[i]->d_name);
    free_names(names, count);
    return err;
}

enum bw_err bw_segment_finish_cut(const char *path, uint64_t index, unsigned *out_files,
                                  struct bw_diag *diag)
{
    struct closed closed;
    enum bw_err err = open_closed(AT_FDCWD, path, &closed, diag);

    *out_files = 0;
    if (closed.count > 0 && index > 0 && holds(closed.names, closed.count, index))
        err = remove_open(closed.dir, path, out_files, diag);
    if (closed.count > 0 && index > 0 && !holds(closed.names, closed.count, index))
        /* The last one first: cut short, this leaves no other picture than libraft does. */
        for (int i = closed.count - 1;
             err == BW_OK && range_of(closed.names[i]->d_name).first > index; i--) {
            err = remove_closed(path, &closed, i, diag);
            ++*out_files;
            if (i == 0)
                break;
        }
    return end_closed(path, &closed, err, diag);
}

enum bw_err bw_segment_forget_stale(const char *path, uint64_t last_index, struct bw_diag *diag)
{
    struct closed closed;
    enum bw_err err = open_closed(AT_FDCWD, path, &closed, diag);

    if (closed.count > 0 && last_of(closed.names[closed.count - 1]->d_name) < last_index)
        for (int i = 0; err == BW_OK && i < closed.count; i++)
            err = remove_closed(path, &closed, i, diag);
    return end_closed(path, &closed, err, diag);
}

enum bw_err bw_segment_check_cut(int at, const char *path, uint64_t index, struct bw_diag *diag)
{
    struct closed closed;
    enum bw_err err = open_closed(at, path, &closed, diag);

    for (int i = 0; err == BW_OK && i < closed.count; i++)
        if (last_of(closed.names[i]->d_name) >= index)
            err = bw_diag_set(diag, BW_ERR_IO, "%s is still there", closed.names[i]->d_name);
    return end_closed(path, &closed, err, diag);
}

enum bw_err bw_segment_check(const char *path, struct bw_segment_cut *out_cut, struct bw_diag *diag)
{
    struct segment segments[SEGMENTS_MAX];
    DIR *list = opendir(path);
    unsigned count;
    enum bw_err err;

    *out_cut = (struct bw_segment_cut){0};
    if (list == NULL)
        return bw_diag_errno(diag, errno, "list %s", path);
    err = list_segments(list, segments, &count, diag);
    if (err == BW_OK)
        qsort(segments, count, sizeof segments[0], compare);
    if (err == BW_OK) /* nothing is cut before all is known: the next start would see no damage */
        err = check_all(dirfd(list), segments, count, NULL, diag);
    if (err == BW_OK)
        err = check_all(dirfd(list), segments, count, out_cut, diag);
    if (err == BW_OK)
        err = remove_copies(dirfd(list), diag);
    if (err == BW_OK && fsync(dirfd(list)) != 0)
        err = bw_diag_errno(diag, errno, "sync it");
    (void)closedir(list); /* only read */
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "%s", path);
}

/* ---- snapshots ---- */

/* raft/uv.h: format 8 | CRC of what follows 8 | index of the configuration 8 | its length 8; the configuration.
 * Little endian. */
#define SNAPSHOT_FORMAT       1
#define HEAD_BYTES   32
#define META_MAX     (HEAD_BYTES + 1024 * 1024)
#define DATA_MAX     (2 * BW_SNAPSHOT_BYTES_MAX) /* more than any that was written */
#define META_SUFFIX  ".meta"
#define SNAPSHOT_NAME_BYTES   128

struct snapshot {
    uint64_t term, index, time;
    char meta[SNAPSHOT_NAME_BYTES]; /* "": none */
    char data[SNAPSHOT_NAME_BYTES];
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

    if (size < HEAD_BYTES || bw_get_u64le(bytes) != SNAPSHOT_FORMAT)
        return false;
    length = bw_get_u64le(bytes + 24);
    return length > 0 && length <= size - HEAD_BYTES &&
           crc32_of(0, bytes + 16, 16 + length) == bw_get_u32le(bytes + 8);
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
