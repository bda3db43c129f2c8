#include <breakwater/consensus/recovery.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/consensus/vote_store.h>
#include <breakwater/core/counters.h>
#include <breakwater/os/durable.h>

#include "offline.h"

#define STAGING        "recovery.new"
#define MARK_HEAD      "breakwater recovery %d\nold generation %" PRIu64 "\n"
#define MARK_HEAD_SCAN "breakwater recovery %d\nold generation %" SCNu64
#define MARK_FORM      2
#define MARK_FORM_BARE 1 /* of an older release: the head is all */
#define MARK_FORM_UNDO 3 /* a third line says what is put back */
#define MARK_UNDO      "back to generation %" PRIu64 "\n"
#define MARK_UNDO_SCAN "back to generation %" SCNu64
#define MARK_CRC_BYTES 4
#define ASIDE_BYTES    64

/* ---- reading ---------------------------------------------------------------------------------- */

static bool is_later(struct timespec one, struct timespec other)
{
    return one.tv_sec > other.tv_sec || (one.tv_sec == other.tv_sec && one.tv_nsec > other.tv_nsec);
}

static struct timespec newest_write(const char *path)
{
    struct timespec newest = {0};
    struct dirent *entry;
    struct stat look;
    DIR *list = opendir(path);

    while (list != NULL && (entry = readdir(list)) != NULL)
        if (fstatat(dirfd(list), entry->d_name, &look, 0) == 0 && S_ISREG(look.st_mode) &&
            is_later(look.st_mtim, newest))
            newest = look.st_mtim;
    if (list != NULL)
        (void)closedir(list); /* only read */
    return newest;
}

/* A look at what is there is no writing of it: whoever looks again, and confirms, is to read when it was last written by
 * one that took part. Nothing else goes by these times. What had the newest may have been removed, so another file gets
 * it. */
static enum bw_err put_time_back(const char *path, struct timespec newest, struct bw_diag *diag)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, newest};
    bool is_gone = is_later(newest, newest_write(path)); /* then the first one gets it */
    enum bw_err err = BW_OK;
    struct dirent *entry;
    struct stat look;
    DIR *list = opendir(path);

    if (list == NULL)
        return bw_diag_errno(diag, errno, "list %s", path);
    while (err == BW_OK && (entry = readdir(list)) != NULL) {
        if (fstatat(dirfd(list), entry->d_name, &look, 0) != 0 || !S_ISREG(look.st_mode) ||
            !(is_gone || is_later(look.st_mtim, newest)))
            continue;
        is_gone = false;
        if (utimensat(dirfd(list), entry->d_name, times, 0) != 0)
            err = bw_diag_errno(diag, errno, "put back when %s/%s was written", path, entry->d_name);
    }
    (void)closedir(list); /* only read */
    return err;
}

static enum bw_err read_raft(struct bw_data_dir *dir, const struct bw_fsm_ops *ops, void *user,
                             struct bw_recovery_found *found, struct bw_diag *diag)
{
    struct raft_snapshot *snapshot = NULL;
    struct raft_entry *entries = NULL;
    struct bw_offline offline;
    raft_index start = 0;
    raft_term term = 0;
    size_t count = 0;
    raft_id vote = 0;
    enum bw_err err = bw_offline_open(&offline, dir->raft_path, &dir->fd, &found->identity, diag);
    int rv;

    if (err != BW_OK)
        return err;
    rv = offline.safe.io.load(&offline.safe.io, &term, &vote, &snapshot, &start, &entries, &count);
    if (rv != 0) {
        err = bw_diag_set(diag, rv == RAFT_NOMEM ? BW_ERR_NOMEM : BW_ERR_CORRUPT, "%s: %s",
                          dir->raft_path, offline.safe.io.errmsg);
    } else {
        err = bw_beginning_take_log(ops, user, term, snapshot, start, entries, count, found, diag);
        found->roster = offline.roll.roster;
        bw_safe_io_free_log(snapshot, entries, count);
    }
    bw_offline_close(&offline);
    return err;
}

enum bw_err bw_recovery_read(struct bw_data_dir *dir, const struct bw_fsm_ops *ops, void *user,
                             struct bw_recovery_found *out_found, struct bw_diag *diag)
{
    struct bw_recovery_found found = {.term = 0};
    struct bw_offline_mended mended;
    struct timespec written;
    enum bw_err err = bw_data_dir_read_identity(dir, &found.identity, diag);
    enum bw_err err_of_times;

    if (err != BW_OK)
        return err;
    written = newest_write(dir->raft_path);
    err = bw_offline_mend(dir, &mended, diag);
    if (err == BW_OK)
        err = read_raft(dir, ops, user, &found, diag);
    err_of_times = put_time_back(dir->raft_path, written, err == BW_OK ? diag : NULL);
    err = err == BW_OK ? err_of_times : err;
    found.written_unix_s = written.tv_sec;
    found.torn_segments = mended.torn.files;
    found.torn_bytes = mended.torn.bytes;
    found.torn_entries = mended.torn.entries;
    if (err == BW_OK)
        *out_found = found;
    return err;
}

/* ---- writing ---------------------------------------------------------------------------------- */

/* libraft tries again for as long as it may, and tells nobody why. */
#define PUT_LIMIT_MS 120000

/* Stays until libraft is closed. */
struct put {
    struct raft_io_snapshot_put request;
    uv_timer_t limit;
    bool is_done;
    bool is_late;
    int status;
};

static void on_put_late(uv_timer_t *limit)
{
    struct put *put = limit->data;

    put->is_late = true;
}

static void on_put(struct raft_io_snapshot_put *request, int status)
{
    struct put *put = (struct put *)request;

    put->is_done = true;
    put->status = status;
}

/* With a limit: the handle that it needs is closed with libraft. */
static enum bw_err put_until_done(struct bw_offline *offline, const struct raft_snapshot *snapshot, struct put *put,
                                  struct bw_diag *diag)
{
    int rv = uv_timer_init(&offline->loop, &put->limit);

    BW_ASSERT(rv == 0); /* cannot fail */
    put->limit.data = put;
    rv = uv_timer_start(&put->limit, on_put_late, PUT_LIMIT_MS, 0);
    BW_ASSERT(rv == 0);
    rv = offline->safe.backend.snapshot_put(&offline->safe.io, 1, &put->request, snapshot, on_put);
    while (rv == 0 && !put->is_done && !put->is_late)
        (void)uv_run(&offline->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&put->limit, NULL);
    if (rv == 0 && !put->is_done)
        return bw_diag_set(diag, BW_ERR_TIMEOUT, "write the snapshot: the disk has not taken it in %d s", PUT_LIMIT_MS / 1000);
    if (rv == 0)
        rv = put->status;
    return rv == 0 ? BW_OK
                   : bw_diag_set(diag, BW_ERR_IO, "write the snapshot: %s (%s)", raft_strerror(rv),
                                 offline->safe.io.errmsg);
}

static enum bw_err put_snapshot(struct bw_offline *offline, const char *raft_path, const struct raft_snapshot *snapshot,
                                struct put *put, struct bw_diag *diag)
{
    struct raft_io *io = &offline->safe.io;
    struct raft_snapshot *none = NULL;
    struct raft_entry *entries = NULL;
    raft_index start;
    raft_term term;
    size_t count = 0;
    raft_id vote;
    enum bw_err err;
    int rv = io->load(io, &term, &vote, &none, &start, &entries, &count); /* it expects to be asked first */

    if (rv != 0)
        return bw_diag_set(diag, BW_ERR_IO, "%s", io->errmsg);
    bw_safe_io_free_log(none, entries, count);
    rv = io->set_term(io, snapshot->term);
    if (rv != 0 || offline->is_stopped)
        return bw_diag_set(diag, BW_ERR_IO, "write the term: %s", io->errmsg);
    err = bw_room_try_nameless(raft_path, bw_safe_io_snapshot_bytes(snapshot) + BW_SAFE_IO_SNAPSHOT_HEAD_BYTES,
                               diag); /* as libraft does it */
    return err == BW_OK ? put_until_done(offline, snapshot, put, diag)
                        : bw_diag_wrap(diag, err, "write the snapshot");
}

static enum bw_err write_raft(const char *raft_path, int *dir,
                              const struct bw_recovery_beginning *beginning, struct bw_diag *diag)
{
    char address[BW_TRANSPORT_ADDRESS_BYTES];
    static struct put put; /* what is not closed outlives this call: there is one in a process */
    static struct bw_offline offline;
    static struct raft_snapshot snapshot;
    enum bw_err err;

    memset(&put, 0, sizeof put);
    bw_transport_format_address(beginning->identity.witness_id, address);
    err = bw_beginning_snapshot(beginning, address, &snapshot);
    if (err != BW_OK)
        err = bw_diag_set(diag, err, "make the snapshot");
    if (err == BW_OK)
        err = bw_offline_open(&offline, raft_path, dir, &beginning->identity, diag);
    if (err == BW_OK) {
        err = put_snapshot(&offline, raft_path, &snapshot, &put, diag);
        if (err != BW_ERR_TIMEOUT) /* else the disk holds its thread, and whoever closes it waits for that */
            bw_offline_close(&offline);
    }
    if (err != BW_ERR_TIMEOUT)
        bw_beginning_close_snapshot(&snapshot);
    return err;
}

/* ---- names in directories --------------------------------------------------------------------- */

typedef enum bw_err (*entry_fn)(void *user, int dir, const char *name, struct bw_diag *diag);

static enum bw_err for_each(int parent, const char *name, entry_fn each, void *user,
                            struct bw_diag *diag)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    enum bw_err err = BW_OK;

    if (list == NULL) {
        err = bw_diag_errno(diag, errno, "list directory %s", name);
        if (fd >= 0)
            (void)close(fd); /* only read */
        return err;
    }
    while (err == BW_OK && (entry = readdir(list)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            err = each(user, fd, entry->d_name, diag);
    (void)closedir(list); /* only read */
    return err;
}

static enum bw_err sync_dir(int parent, const char *name, struct bw_diag *diag)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum bw_err err = BW_OK;

    if (fd < 0 || fsync(fd) != 0)
        err = bw_diag_errno(diag, errno, "fsync directory %s", name);
    if (fd >= 0)
        (void)close(fd); /* synced */
    return err;
}

static enum bw_err remove_file(void *user, int dir, const char *name, struct bw_diag *diag)
{
    (void)user;
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return BW_OK;
    return errno == EISDIR ? BW_OK : bw_diag_errno(diag, errno, "remove %s", name);
}

/* What an attempt of before has left, which never got as far as the mark. */
static enum bw_err remove_staging(const struct bw_data_dir *dir, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    if (faccessat(dir->fd, STAGING, F_OK, 0) != 0)
        return BW_OK;
    if (faccessat(dir->fd, STAGING "/" BW_DATA_DIR_RAFT, F_OK, 0) == 0)
        err = for_each(dir->fd, STAGING "/" BW_DATA_DIR_RAFT, remove_file, NULL, diag);
    if (err == BW_OK)
        err = for_each(dir->fd, STAGING, remove_file, NULL, diag);
    if (err != BW_OK)
        return err;
    if ((unlinkat(dir->fd, STAGING "/" BW_DATA_DIR_RAFT, AT_REMOVEDIR) != 0 && errno != ENOENT) ||
        unlinkat(dir->fd, STAGING, AT_REMOVEDIR) != 0)
        return bw_diag_errno(diag, errno, "remove %s", STAGING);
    return BW_OK;
}

/* ---- the point of no return, and what is behind it ---------------------------------------------- */

bool bw_recovery_is_begun(const struct bw_data_dir *dir)
{
    return faccessat(dir->fd, BW_DATA_DIR_RECOVERY, F_OK, 0) == 0;
}

enum bw_err bw_recovery_begun_identity(const struct bw_data_dir *dir,
                                       struct bw_data_dir_identity *out_identity, struct bw_diag *diag)
{
    struct bw_data_dir staged = *dir;
    enum bw_err err;

    staged.fd = openat(dir->fd, STAGING, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (staged.fd < 0 && errno != ENOENT)
        return bw_diag_errno(diag, errno, "open %s/" STAGING, dir->path);
    if (staged.fd >= 0) {
        err = bw_data_dir_read_identity(&staged, out_identity, diag);
        (void)close(staged.fd); /* only read from */
        if (err != BW_ERR_NOT_FOUND)
            return err;
    }
    return bw_data_dir_read_identity(dir, out_identity, diag); /* it has moved */
}

struct mark {
    uint64_t old_generation;
    bool has_roster; /* or room for one: older releases kept none */
    struct bw_roster roster;
    uint64_t back_to; /* 0: it is no undo */
};

size_t bw_recovery_encode_mark(const struct bw_recovery_beginning *beginning,
                               uint8_t out_bytes[BW_RECOVERY_MARK_BYTES_MAX])
{
    char head[BW_RECOVERY_MARK_HEAD_BYTES];
    const int length = snprintf(head, sizeof head, MARK_HEAD, MARK_FORM, beginning->old_generation);
    size_t size = (size_t)length;

    BW_ASSERT(length > 0 && size < sizeof head);
    memcpy(out_bytes, head, size);
    if (beginning->old_roster.count > 0)
        size += bw_roster_encode(&beginning->old_roster, out_bytes + size);
    bw_put_u32le(out_bytes + size, bw_crc32c(0, out_bytes, size));
    return size + MARK_CRC_BYTES;
}

/* Behind the second line there are a roster, or nothing, and the checksum of all before it. */
static bool decode_rest(const uint8_t *bytes, size_t size, struct mark *mark)
{
    const uint8_t *end = bytes;
    size_t rest;

    for (int line = 0; end != NULL && line < 2; line++) {
        end = memchr(end, '\n', size - (size_t)(end - bytes));
        end = end != NULL ? end + 1 : NULL;
    }
    if (end == NULL || size - (size_t)(end - bytes) < MARK_CRC_BYTES)
        return false;
    rest = size - (size_t)(end - bytes) - MARK_CRC_BYTES;
    if (bw_get_u32le(end + rest) != bw_crc32c(0, bytes, size - MARK_CRC_BYTES))
        return false;
    mark->has_roster = true;
    return rest == 0 || bw_roster_decode(end, rest, &mark->roster);
}

static bool decode_undo(const uint8_t *bytes, size_t size, struct mark *mark)
{
    char text[2 * BW_RECOVERY_MARK_HEAD_BYTES];
    const char *line;

    if (size <= MARK_CRC_BYTES || size - MARK_CRC_BYTES >= sizeof text ||
        bw_get_u32le(bytes + size - MARK_CRC_BYTES) != bw_crc32c(0, bytes, size - MARK_CRC_BYTES))
        return false;
    memcpy(text, bytes, size - MARK_CRC_BYTES);
    text[size - MARK_CRC_BYTES] = '\0';
    line = strstr(text, "back to");
    mark->has_roster = true; /* nobody is asked */
    /* NOLINTNEXTLINE(cert-err34-c): the checksum says that it was written so */
    return line != NULL && sscanf(line, MARK_UNDO_SCAN, &mark->back_to) == 1 && mark->back_to != 0;
}

static bool decode_mark(const uint8_t *bytes, size_t size, struct mark *out_mark)
{
    char head[BW_RECOVERY_MARK_HEAD_BYTES];
    const size_t length = size < sizeof head ? size : sizeof head - 1;
    int form = 0;

    memcpy(head, bytes, length);
    head[length] = '\0';
    *out_mark = (struct mark){.has_roster = false};
    /* NOLINTNEXTLINE(cert-err34-c): a number that does not fit names another directory, and no more */
    if (sscanf(head, MARK_HEAD_SCAN, &form, &out_mark->old_generation) != 2)
        return false;
    return form == MARK_FORM_BARE || (form == MARK_FORM && decode_rest(bytes, size, out_mark)) ||
           (form == MARK_FORM_UNDO && decode_undo(bytes, size, out_mark));
}

static enum bw_err read_mark(const struct bw_data_dir *dir, struct mark *out_mark,
                             struct bw_diag *diag)
{
    uint8_t bytes[BW_RECOVERY_MARK_BYTES_MAX];
    size_t size;
    enum bw_err err = bw_durable_read(dir->fd, BW_DATA_DIR_RECOVERY, bytes, sizeof bytes, &size, diag);

    if (err == BW_OK && !decode_mark(bytes, size, out_mark))
        err = bw_diag_set(diag, BW_ERR_CORRUPT, "%s/%s is damaged", dir->path,
                          BW_DATA_DIR_RECOVERY);
    return err;
}

enum bw_err bw_recovery_begun_roster(const struct bw_data_dir *dir, struct bw_roster *out_roster,
                                     bool *out_is_known, bool *out_is_undo, struct bw_diag *diag)
{
    struct mark mark;
    const enum bw_err err = read_mark(dir, &mark, diag);

    if (err != BW_OK)
        return err;
    *out_roster = mark.roster;
    *out_is_known = mark.has_roster;
    *out_is_undo = mark.back_to != 0;
    return BW_OK;
}

static enum bw_err move(int dir, const char *from_dir, const char *to_dir, const char *name,
                        struct bw_diag *diag)
{
    char from[ASIDE_BYTES + NAME_MAX + 2];
    char to[ASIDE_BYTES + NAME_MAX + 2];

    (void)snprintf(from, sizeof from, "%s/%s", from_dir, name);
    (void)snprintf(to, sizeof to, "%s/%s", to_dir, name);
    if (renameat(dir, from, dir, to) != 0)
        return bw_diag_errno(diag, errno, "move %s to %s", from, to);
    return BW_OK;
}

struct moving {
    const struct bw_data_dir *dir;
    const char *aside;
};

static bool stays(const char *name)
{
    return strcmp(name, BW_DATA_DIR_LOCK) == 0 || strcmp(name, "lost+found") == 0 ||
           strncmp(name, BW_DATA_DIR_RECOVERY, strlen(BW_DATA_DIR_RECOVERY)) == 0 ||
           strncmp(name, "generation-", 11) == 0;
}

static bool is_made_anew(const char *name)
{
    return strcmp(name, BW_DATA_DIR_IDENTITY) == 0 || strcmp(name, BW_DATA_DIR_RAFT) == 0 ||
           strcmp(name, BW_VOTE_FILE) == 0;
}

static enum bw_err refuse_entry(void *user, int dir, const char *name, struct bw_diag *diag)
{
    const struct bw_data_dir *of = user;

    (void)dir;
    if (stays(name) && strncmp(name, "generation-", 11) != 0)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_EXISTS,
                       "data_dir %s is not empty (it holds %s): a state is restored into an empty "
                       "directory; nothing was changed",
                       of->path, name);
}

enum bw_err bw_recovery_check_empty(const struct bw_data_dir *dir, struct bw_diag *diag)
{
    return for_each(dir->fd, ".", refuse_entry, (void *)(uintptr_t)dir, diag);
}

/* What is made anew goes when the new one comes: what has that name now may be the new one already. */
static enum bw_err put_aside(void *user, int dir, const char *name, struct bw_diag *diag)
{
    const struct moving *moving = user;

    (void)dir;
    if (stays(name) || is_made_anew(name))
        return BW_OK;
    return move(moving->dir->fd, ".", moving->aside, name, diag);
}

static enum bw_err put_in_place(void *user, int staging, const char *name, struct bw_diag *diag)
{
    const struct moving *moving = user;
    enum bw_err err = BW_OK;

    (void)staging;
    if (faccessat(moving->dir->fd, name, F_OK, 0) == 0)
        err = move(moving->dir->fd, ".", moving->aside, name, diag);
    return err == BW_OK ? move(moving->dir->fd, STAGING, ".", name, diag) : err;
}

/* What is put back becomes the new files; what it may hold beside them makes room only for as long as none is in place. */
static enum bw_err stage_undo(const struct moving *moving, uint64_t back_to, struct bw_diag *diag)
{
    const int fd = moving->dir->fd;
    char from[ASIDE_BYTES];
    enum bw_err err;

    (void)snprintf(from, sizeof from, "generation-%" PRIu64, back_to);
    if (faccessat(fd, from, F_OK, 0) != 0)
        return BW_OK; /* it was done before */
    err = for_each(fd, ".", put_aside, (void *)(uintptr_t)moving, diag);
    if (err == BW_OK)
        err = sync_dir(fd, moving->aside, diag);
    if (err == BW_OK && renameat(fd, from, fd, STAGING) != 0)
        err = bw_diag_errno(diag, errno, "move %s to %s", from, STAGING);
    return err == BW_OK ? sync_dir(fd, ".", diag) : err;
}

enum bw_err bw_recovery_finish(struct bw_data_dir *dir, struct bw_diag *diag)
{
    char aside[ASIDE_BYTES];
    struct moving moving = {.dir = dir, .aside = aside};
    struct mark mark = {.old_generation = 0};
    enum bw_err err = read_mark(dir, &mark, diag);

    (void)snprintf(aside, sizeof aside, "generation-%" PRIu64, mark.old_generation);
    if (err == BW_OK && mkdirat(dir->fd, aside, 0700) != 0 && errno != EEXIST)
        err = bw_diag_errno(diag, errno, "make %s", aside);
    if (err == BW_OK)
        err = mark.back_to != 0 ? stage_undo(&moving, mark.back_to, diag) : for_each(dir->fd, ".", put_aside, &moving, diag);
    if (err == BW_OK && faccessat(dir->fd, STAGING, F_OK, 0) == 0) {
        err = for_each(dir->fd, STAGING, put_in_place, &moving, diag);
        if (err == BW_OK && unlinkat(dir->fd, STAGING, AT_REMOVEDIR) != 0)
            err = bw_diag_errno(diag, errno, "remove %s", STAGING);
    }
    if (err == BW_OK)
        err = sync_dir(dir->fd, aside, diag);
    if (err == BW_OK && unlinkat(dir->fd, aside, AT_REMOVEDIR) != 0 && errno != ENOTEMPTY &&
        errno != EEXIST)
        err = bw_diag_errno(diag, errno, "remove the empty %s", aside);
    if (err == BW_OK)
        err = sync_dir(dir->fd, ".", diag);
    if (err == BW_OK)
        err = bw_durable_remove(dir->fd, BW_DATA_DIR_RECOVERY, diag);
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "recover in %s", dir->path);
}

/* ---- all of it -------------------------------------------------------------------------------- */

static enum bw_err make_staging(const struct bw_data_dir *dir,
                                const struct bw_recovery_beginning *beginning, struct bw_diag *diag)
{
    struct bw_data_dir staging = {.fd = -1, .lock = -1};
    int length = snprintf(staging.raft_path, sizeof staging.raft_path, "%s/%s/%s", dir->path,
                          STAGING, BW_DATA_DIR_RAFT);
    enum bw_err err = remove_staging(dir, diag);

    if (err == BW_OK && (length < 0 || (size_t)length >= sizeof staging.raft_path))
        err = bw_diag_set(diag, BW_ERR_LIMIT, "the path of data_dir is too long");
    if (err != BW_OK)
        return err;
    if (mkdirat(dir->fd, STAGING, 0700) != 0 ||
        mkdirat(dir->fd, STAGING "/" BW_DATA_DIR_RAFT, 0700) != 0)
        return bw_diag_errno(diag, errno, "make %s", STAGING);
    staging.fd = openat(dir->fd, STAGING, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (staging.fd < 0)
        return bw_diag_errno(diag, errno, "open %s", STAGING);
    const struct bw_vote_store store = bw_vote_file(&staging.fd);

    err = store.save(store.user, (struct bw_vote){.term = beginning->term - 1}, diag);
    if (err == BW_OK)
        err = write_raft(staging.raft_path, &staging.fd, beginning, diag);
    if (err == BW_OK)
        err = bw_data_dir_write_identity(&staging, &beginning->identity, diag);
    if (err == BW_OK)
        err = sync_dir(dir->fd, STAGING "/" BW_DATA_DIR_RAFT, diag);
    (void)close(staging.fd); /* only read */
    if (err == BW_OK)
        err = sync_dir(dir->fd, STAGING, diag);
    return err;
}

enum bw_err bw_recovery_write(struct bw_data_dir *dir,
                              const struct bw_recovery_beginning *beginning, struct bw_diag *diag)
{
    uint8_t mark[BW_RECOVERY_MARK_BYTES_MAX];
    const size_t size = bw_recovery_encode_mark(beginning, mark);
    enum bw_err err;

    BW_ASSERT(!bw_recovery_is_begun(dir));
    BW_ASSERT(beginning->term > 1 && beginning->index > 1);
    err = make_staging(dir, beginning, diag);
    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "nothing was changed in %s", dir->path);
    err = bw_durable_write(dir->fd, BW_DATA_DIR_RECOVERY, mark, size, diag);
    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "recover in %s", dir->path);
    return bw_recovery_finish(dir, diag);
}

/* ---- taking it back --------------------------------------------------------------------------- */

bool bw_recovery_is_unspoken(const struct bw_recovery_found *found, uint64_t generation)
{
    return found->last_index == bw_counter_index_first(generation) && found->term == found->last_term;
}

struct newest {
    uint64_t below;
    uint64_t found;
};

static enum bw_err note_aside(void *user, int dir, const char *name, struct bw_diag *diag)
{
    struct newest *newest = user;
    uint64_t generation;

    (void)dir, (void)diag;
    /* NOLINTNEXTLINE(cert-err34-c): a number that does not fit names another directory, and no more */
    if (sscanf(name, "generation-%" SCNu64, &generation) == 1 && generation < newest->below && generation > newest->found)
        newest->found = generation;
    return BW_OK;
}

enum bw_err bw_recovery_find_aside(const struct bw_data_dir *dir, uint64_t generation, uint64_t *out_aside,
                                   struct bw_diag *diag)
{
    struct newest newest = {.below = generation};
    const enum bw_err err = for_each(dir->fd, ".", note_aside, &newest, diag);

    *out_aside = newest.found;
    return err;
}

enum bw_err bw_recovery_undo(struct bw_data_dir *dir, uint64_t generation, uint64_t aside, struct bw_diag *diag)
{
    char head[2 * BW_RECOVERY_MARK_HEAD_BYTES];
    uint8_t mark[sizeof head + MARK_CRC_BYTES];
    const int length = snprintf(head, sizeof head, MARK_HEAD MARK_UNDO, MARK_FORM_UNDO, generation, aside);
    const size_t size = (size_t)length;
    enum bw_err err = remove_staging(dir, diag);

    BW_ASSERT(!bw_recovery_is_begun(dir) && aside != 0 && aside < generation);
    BW_ASSERT(length > 0 && size < sizeof head);
    memcpy(mark, head, size);
    bw_put_u32le(mark + size, bw_crc32c(0, mark, size));
    if (err == BW_OK)
        err = bw_durable_write(dir->fd, BW_DATA_DIR_RECOVERY, mark, size + MARK_CRC_BYTES, diag);
    return err == BW_OK ? bw_recovery_finish(dir, diag) : bw_diag_wrap(diag, err, "undo in %s", dir->path);
}
