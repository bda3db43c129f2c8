#include <breakwater/consensus/data_dir.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/consensus/stop.h>
#include <breakwater/consensus/vote_store.h>
#include <breakwater/os/durable.h>
#include <breakwater/os/path_owner.h>
#include <breakwater/os/state_dir.h>

#define LOCK_NAME          BW_DATA_DIR_LOCK
#define IDENTITY_NAME      BW_DATA_DIR_IDENTITY
#define IDENTITY_BYTES_MAX 512
#define IDENTITY_HEAD      "breakwater witness identity 2\n"
#define IDENTITY_HEAD_0_1  "breakwater witness identity 1\n"
#define JOINS              "joins 1\n"
#define REMOVED_NAME       "removed"
#define UNFINISHED_NAME    "unfinished" /* the identity, before the directory is whole */
#define FIRST_SEGMENT      "0000000000000001-0000000000000001"
#define NAME_BYTES         256 /* of a directory entry, with its NUL */
#define PROBE_BYTES        4096

/* What others can write is nobody's vote (5.4). */
static enum bw_err check_owners(const struct bw_data_dir *dir, struct bw_diag *diag)
{
    enum bw_err err = bw_path_check_dir(dir->path, diag);

    if (err == BW_OK)
        err = bw_path_check_dir(dir->raft_path, diag);
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "data_dir");
}

enum bw_err bw_data_dir_lock(struct bw_data_dir *dir, const char *path, struct bw_diag *diag)
{
    char called[BW_DATA_DIR_PATH_MAX + 16];
    enum bw_err err;

    *dir = (struct bw_data_dir){.fd = -1, .lock = -1};
    if (!bw_copy_text(dir->path, sizeof dir->path, path))
        return bw_diag_set(diag, BW_ERR_LIMIT, "data_dir is longer than %d bytes",
                           BW_DATA_DIR_PATH_MAX);
    (void)snprintf(dir->raft_path, sizeof dir->raft_path, "%s/%s", dir->path, BW_DATA_DIR_RAFT);
    dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0 && errno == ENOENT)
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "there is no data_dir %s: " BW_WITNESS_NEW,
                           path);
    if (dir->fd < 0)
        return bw_diag_errno(diag, errno, "open data_dir %s", path);
    (void)snprintf(called, sizeof called, "data_dir %s", path);
    err = check_owners(dir, diag);
    if (err == BW_OK)
        err = bw_dir_lock(dir->fd, called, &dir->lock, diag);
    if (err != BW_OK)
        bw_data_dir_close(dir);
    return err;
}

void bw_data_dir_close(struct bw_data_dir *dir)
{
    if (dir->path[0] == '\0')
        return;
    bw_dir_unlock(dir->lock);
    if (dir->fd >= 0)
        (void)close(dir->fd); /* only read */
    *dir = (struct bw_data_dir){.fd = -1, .lock = -1};
}

/* ---- what is in it -------------------------------------------------------------------------- */

typedef bool (*entry_fn)(const char *name);

/* Finds the first entry of `path_fd` for which `is_wanted`; "" when there is none. */
static enum bw_err find_entry(int path_fd, const char *sub, entry_fn is_wanted,
                              char out_name[NAME_BYTES], struct bw_diag *diag)
{
    int fd = openat(path_fd, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct dirent *entry;
    DIR *list;

    if (fd < 0)
        return bw_diag_errno(diag, errno, "open directory %s", sub);
    list = fdopendir(fd);
    if (list == NULL) {
        int saved = errno;

        (void)close(fd); /* only read */
        return bw_diag_errno(diag, saved, "list directory %s", sub);
    }
    out_name[0] = '\0';
    errno = 0;
    while ((entry = readdir(list)) != NULL) {
        if (is_wanted(entry->d_name)) {
            (void)snprintf(out_name, NAME_BYTES, "%s", entry->d_name); /* it fits */
            break;
        }
    }
    if (entry == NULL && errno != 0) {
        int saved = errno;

        (void)closedir(list); /* only read */
        return bw_diag_errno(diag, saved, "list directory %s", sub);
    }
    (void)closedir(list); /* only read */
    return BW_OK;
}

static bool is_any(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool is_foreign(const char *name)
{
    return is_any(name) && strcmp(name, "lost+found") != 0 && strcmp(name, LOCK_NAME) != 0 &&
           strcmp(name, UNFINISHED_NAME) != 0 && strcmp(name, UNFINISHED_NAME ".tmp") != 0;
}

/* None of what the making of a witness puts there before its identity. */
static bool is_foreign_beside_mark(const char *name)
{
    return is_foreign(name) && strcmp(name, BW_DATA_DIR_RAFT) != 0 &&
           strcmp(name, BW_VOTE_FILE) != 0 && strcmp(name, BW_VOTE_FILE ".tmp") != 0;
}

/* Nor this in raft/: a witness that runs makes its next segments at once. */
static bool is_foreign_in_raft(const char *name)
{
    return is_any(name) && strcmp(name, ".probe") != 0 && strcmp(name, "metadata1") != 0 &&
           strcmp(name, FIRST_SEGMENT) != 0 && strcmp(name, "tmp-" FIRST_SEGMENT) != 0;
}

/* Segments are `open-N` and `FIRST-LAST`, snapshots `snapshot-...`. */
static bool is_log(const char *name)
{
    return strncmp(name, "open-", 5) == 0 || strncmp(name, "snapshot-", 9) == 0 ||
           (name[0] >= '0' && name[0] <= '9');
}

enum bw_err bw_data_dir_has_log(const struct bw_data_dir *dir, bool *out_has_log,
                                struct bw_diag *diag)
{
    char name[NAME_BYTES];
    enum bw_err err = find_entry(dir->fd, BW_DATA_DIR_RAFT, is_log, name, diag);

    if (err == BW_OK)
        *out_has_log = name[0] != '\0';
    return err;
}

/* ---- the identity --------------------------------------------------------------------------- */

/* The one text of an identity. A file is believed only if it is, byte for byte, the text of what
 * was read from it. */
static size_t format_identity(const struct bw_data_dir_identity *identity,
                              char out_text[IDENTITY_BYTES_MAX])
{
    char id[BW_ID_TEXT_BYTES];
    char incarnation[BW_ID_TEXT_BYTES];
    int size;

    bw_id_format(identity->cluster_id, id);
    bw_id_format(identity->incarnation, incarnation);
    size = snprintf(out_text, IDENTITY_BYTES_MAX,
                    IDENTITY_HEAD "cluster_id %s\ncluster %s\nwitness %" PRIu64
                                  "\nelection_timeout_ms %u\nincarnation %s\nfounder %d\n%s",
                    id, identity->cluster, identity->witness_id, identity->election_timeout_ms,
                    incarnation, identity->origin == BW_ROLL_FOUNDER ? 1 : 0,
                    identity->origin == BW_ROLL_JOINING ? JOINS : "");
    size += snprintf(out_text + size, IDENTITY_BYTES_MAX - (size_t)size, "crc32c %08" PRIx32 "\n",
                     bw_crc32c(0, out_text, (size_t)size));
    return (size_t)size;
}

static bool is_identity_valid(const struct bw_data_dir_identity *identity)
{
    return bw_name_is_valid(identity->cluster) && identity->witness_id > 0 &&
           identity->election_timeout_ms > 0 && !bw_id_is_none(identity->cluster_id) &&
           !bw_id_is_none(identity->incarnation);
}

static enum bw_err write_identity(struct bw_data_dir *dir, const char *name,
                                  const struct bw_data_dir_identity *identity, struct bw_diag *diag)
{
    char text[IDENTITY_BYTES_MAX];

    if (!is_identity_valid(identity))
        return bw_diag_set(diag, BW_ERR_INVALID, "the identity of the witness is not complete");
    return bw_durable_write(dir->fd, name, text, format_identity(identity, text), diag);
}

enum bw_err bw_data_dir_write_identity(struct bw_data_dir *dir,
                                       const struct bw_data_dir_identity *identity,
                                       struct bw_diag *diag)
{
    return write_identity(dir, IDENTITY_NAME, identity, diag);
}

/* What cannot be seen is not there: then what is there is left alone. */
static bool is_unfinished(const struct bw_data_dir *dir)
{
    return faccessat(dir->fd, UNFINISHED_NAME, F_OK, 0) == 0 &&
           faccessat(dir->fd, IDENTITY_NAME, F_OK, 0) != 0 && errno == ENOENT;
}

enum bw_err bw_data_dir_read_identity(const struct bw_data_dir *dir,
                                      struct bw_data_dir_identity *out_identity,
                                      struct bw_diag *diag)
{
    struct bw_data_dir_identity identity = {0};
    char text[IDENTITY_BYTES_MAX + 1];
    char again[IDENTITY_BYTES_MAX];
    char id[BW_ID_TEXT_BYTES];
    char incarnation[BW_ID_TEXT_BYTES];
    int founder = 0;
    size_t size;
    enum bw_err err = bw_durable_read(dir->fd, IDENTITY_NAME, text, IDENTITY_BYTES_MAX, &size,
                                      diag);

    if (err == BW_ERR_NOT_FOUND && is_unfinished(dir))
        return bw_diag_set(diag, err,
                           "data_dir %s holds a witness that was not finished: run "
                           "`breakwater witness init` once more, as the witness's user",
                           dir->path);
    if (err == BW_ERR_NOT_FOUND)
        return bw_diag_set(diag, err, "data_dir %s holds no witness: " BW_WITNESS_NEW, dir->path);
    if (err != BW_OK && err != BW_ERR_LIMIT)
        return err;
    if (err == BW_OK)
        text[size] = '\0';
    if (err == BW_OK && strncmp(text, IDENTITY_HEAD_0_1, sizeof IDENTITY_HEAD_0_1 - 1) == 0)
        return bw_diag_set(diag, BW_ERR_OUTDATED,
                           "data_dir %s was made by version 0.1, which this version does not "
                           "continue; nothing was started: stop all witnesses, and found a new "
                           "cluster in empty directories",
                           dir->path);
    if (err != BW_OK ||
        /* NOLINTNEXTLINE(cert-err34-c): what was read is written again below, and must be the same */
        sscanf(text,
               IDENTITY_HEAD "cluster_id %32s\ncluster %63s\nwitness %" SCNu64
                             "\nelection_timeout_ms %u\nincarnation %32s\nfounder %d\n",
               id, identity.cluster, &identity.witness_id, &identity.election_timeout_ms,
               incarnation, &founder) != 6 ||
        !bw_id_parse(id, &identity.cluster_id) || !bw_id_parse(incarnation, &identity.incarnation))
        goto damaged;
    if (founder == 1)
        identity.origin = BW_ROLL_FOUNDER;
    else if (strstr(text, JOINS) != NULL)
        identity.origin = BW_ROLL_JOINING;
    if (!is_identity_valid(&identity) || format_identity(&identity, again) != size ||
        memcmp(text, again, size) != 0)
        goto damaged;
    *out_identity = identity;
    return BW_OK;

damaged:
    return bw_diag_set(diag, BW_ERR_CORRUPT,
                       "%s/%s is damaged; nothing was started: %s", dir->path, IDENTITY_NAME,
                       BW_WITNESS_LOST);
}

enum bw_err bw_data_dir_mark_removed(struct bw_data_dir *dir, struct bw_diag *diag)
{
    static const char text[] = "removed from the cluster\n";

    return bw_durable_write(dir->fd, REMOVED_NAME, text, sizeof text - 1, diag);
}

/* That there is a mark is enough. */
enum bw_err bw_data_dir_check_removed(const struct bw_data_dir *dir, struct bw_diag *diag)
{
    if (faccessat(dir->fd, REMOVED_NAME, F_OK, 0) != 0)
        return errno == ENOENT ? BW_OK
                               : bw_diag_errno(diag, errno, "look for %s/%s", dir->path,
                                               REMOVED_NAME);
    return bw_diag_set(diag, BW_ERR_CORRUPT, "data_dir %s: %s; nothing was started", dir->path,
                       BW_WITNESS_REMOVED);
}

static enum bw_err check_recovery(const struct bw_data_dir *dir, struct bw_diag *diag)
{
    if (faccessat(dir->fd, BW_DATA_DIR_RECOVERY, F_OK, 0) != 0)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "data_dir %s: a recovery was begun and is not finished; nothing was "
                       "started: run `breakwater recover` once more, as this user: it "
                       "goes on where it was, unless another witness of the cluster answers by then",
                       dir->path);
}

/* What keeps a witness from starting in it; and who it belongs to. */
static enum bw_err read_owner(const struct bw_data_dir *dir,
                              struct bw_data_dir_identity *out_identity, struct bw_diag *diag)
{
    enum bw_err err = check_recovery(dir, diag);

    if (err == BW_OK)
        err = bw_data_dir_check_removed(dir, diag);
    return err == BW_OK ? bw_data_dir_read_identity(dir, out_identity, diag) : err;
}

enum bw_err bw_data_dir_open(struct bw_data_dir *dir, const char *path,
                             struct bw_data_dir_identity *out_identity, struct bw_diag *diag)
{
    enum bw_err err = bw_data_dir_lock(dir, path, diag);

    if (err != BW_OK)
        return err;
    err = read_owner(dir, out_identity, diag);
    if (err != BW_OK)
        bw_data_dir_close(dir);
    return err;
}

enum bw_err bw_data_dir_look(const char *path, struct bw_data_dir_identity *out_identity,
                             struct bw_diag *diag)
{
    struct bw_data_dir dir = {.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .lock = -1};
    enum bw_err err;

    if (dir.fd < 0)
        return bw_diag_errno(diag, errno, "open data_dir %s", path);
    if (!bw_copy_text(dir.path, sizeof dir.path, path))
        err = bw_diag_set(diag, BW_ERR_LIMIT, "data_dir %s: longer than %d bytes", path,
                          BW_DATA_DIR_PATH_MAX);
    else
        err = read_owner(&dir, out_identity, diag);
    (void)close(dir.fd); /* only read */
    return err;
}

enum bw_err bw_data_dir_is_meant(const char *path, const struct bw_data_dir_identity *identity,
                                 const struct bw_data_dir_identity *wanted, struct bw_diag *diag)
{
    if (strcmp(identity->cluster, wanted->cluster) != 0)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "data_dir %s belongs to cluster %s, not to %s; nothing was started",
                           path, identity->cluster, wanted->cluster);
    if (identity->witness_id != wanted->witness_id)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "data_dir %s belongs to witness %" PRIu64 ", not to %" PRIu64
                           "; nothing was started",
                           path, identity->witness_id, wanted->witness_id);
    if (identity->election_timeout_ms != wanted->election_timeout_ms)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "election_timeout is %u ms, but `witness init` has set %u ms for the "
                           "whole cluster; put that into the file; nothing was started",
                           wanted->election_timeout_ms, identity->election_timeout_ms);
    return BW_OK;
}

/* ---- making it -------------------------------------------------------------------------------- */

/* The first name of what nobody knows to be left of a making; "" when there is none. Beside the mark
 * all of that is looked at: what was a witness for a moment must not be cleared. */
static enum bw_err find_foreign(const struct bw_data_dir *dir, bool has_mark,
                                char out_name[NAME_BYTES], struct bw_diag *diag)
{
    enum bw_err err = find_entry(dir->fd, ".", has_mark ? is_foreign_beside_mark : is_foreign,
                                 out_name, diag);

    if (err == BW_OK && out_name[0] == '\0' && has_mark &&
        faccessat(dir->fd, BW_DATA_DIR_RAFT, F_OK, 0) == 0)
        err = find_entry(dir->fd, BW_DATA_DIR_RAFT, is_foreign_in_raft, out_name, diag);
    return err;
}

static enum bw_err clear_raft(const struct bw_data_dir *dir, struct bw_diag *diag)
{
    char path[sizeof BW_DATA_DIR_RAFT + NAME_BYTES];
    char name[NAME_BYTES] = "";
    enum bw_err err;

    while ((err = find_entry(dir->fd, BW_DATA_DIR_RAFT, is_any, name, diag)) == BW_OK &&
           name[0] != '\0') {
        (void)snprintf(path, sizeof path, BW_DATA_DIR_RAFT "/%s", name);
        if (unlinkat(dir->fd, path, 0) != 0)
            return bw_diag_errno(diag, errno, "remove %s/%s", dir->path, path);
    }
    if (err == BW_OK && unlinkat(dir->fd, BW_DATA_DIR_RAFT, AT_REMOVEDIR) != 0)
        err = bw_diag_errno(diag, errno, "remove %s", dir->raft_path);
    return err;
}

static enum bw_err clear_unfinished(const struct bw_data_dir *dir, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    if (faccessat(dir->fd, BW_DATA_DIR_RAFT, F_OK, 0) == 0)
        err = clear_raft(dir, diag);
    if (err == BW_OK)
        err = bw_durable_remove(dir->fd, BW_VOTE_FILE ".tmp", diag);
    return err == BW_OK ? bw_durable_remove(dir->fd, BW_VOTE_FILE, diag) : err;
}

/* Leaves nothing in it but the lock, and perhaps the mark. */
static enum bw_err make_room(const struct bw_data_dir *dir, struct bw_diag *diag)
{
    const bool has_mark = is_unfinished(dir);
    char name[NAME_BYTES];
    enum bw_err err = check_recovery(dir, diag);

    if (err == BW_OK)
        err = find_foreign(dir, has_mark, name, diag);
    if (err == BW_OK && name[0] != '\0')
        err = bw_diag_set(diag, BW_ERR_EXISTS,
                          "data_dir %s is not empty (it holds %s): a witness is made once, in an "
                          "empty directory; nothing was changed",
                          dir->path, name);
    return err == BW_OK && has_mark ? clear_unfinished(dir, diag) : err;
}

enum bw_err bw_data_dir_create(struct bw_data_dir *dir, const char *path,
                               const struct bw_data_dir_identity *identity, struct bw_diag *diag)
{
    enum bw_err err;

    *dir = (struct bw_data_dir){.fd = -1, .lock = -1};
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return bw_diag_errno(diag, errno, "make data_dir %s", path);
    err = bw_data_dir_lock(dir, path, diag);
    if (err != BW_OK)
        return err;
    err = make_room(dir, diag);
    if (err == BW_OK) /* else it would run, and its log would never be cut (L3) */
        err = bw_room_try_nameless(path, PROBE_BYTES, diag);
    if (err == BW_OK) /* before anything else, so that nothing of ours is there without it */
        err = write_identity(dir, UNFINISHED_NAME, identity, diag);
    if (err == BW_OK && mkdirat(dir->fd, BW_DATA_DIR_RAFT, 0700) != 0)
        err = bw_diag_errno(diag, errno, "make %s", dir->raft_path);
    if (err != BW_OK)
        bw_data_dir_close(dir);
    return err;
}

enum bw_err bw_data_dir_finish(struct bw_data_dir *dir, struct bw_diag *diag)
{
    if (renameat(dir->fd, UNFINISHED_NAME, dir->fd, IDENTITY_NAME) != 0)
        return bw_diag_errno(diag, errno, "name %s/%s", dir->path, IDENTITY_NAME);
    return fsync(dir->fd) == 0 ? BW_OK : bw_diag_errno(diag, errno, "fsync %s", dir->path);
}
