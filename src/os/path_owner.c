#include <breakwater/os/path_owner.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>

#define LINKS_MAX 40 /* as the kernel's own */

/* A path that is walked as the kernel would: `done` holds no symbolic link, `left` is still to go. */
struct walk {
    char done[PATH_MAX]; /* "" is the root */
    char left[PATH_MAX];
    char target[PATH_MAX];
};

/* ---- one file or directory ----------------------------------------------------------------------- */

static bool is_of_another(const struct stat *st)
{
    return st->st_uid != 0 && st->st_uid != geteuid();
}

static bool is_mode_open(const struct stat *st)
{
    return (st->st_mode & (S_IWGRP | S_IWOTH)) != 0 && !S_ISLNK(st->st_mode);
}

/* What is on the way to a file. */
static bool can_others_replace(const struct stat *st)
{
    const bool is_sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0;

    return (is_mode_open(st) && !is_sticky) || is_of_another(st);
}

/* Who may speak to a socket is asked when he does. */
static bool can_others_write(const struct stat *st)
{
    return !S_ISSOCK(st->st_mode) && (is_mode_open(st) || is_of_another(st));
}

/* ---- in words
 * ---------------------------------------------------------------------------------------- */

/* From the machine's own list alone: a directory service that does not answer would hold a daemon
 * up. */
void bw_path_user_name(uid_t uid, char out_name[BW_PATH_USER_BYTES])
{
    FILE *list = fopen("/etc/passwd", "re");
    struct passwd *entry = NULL;
    struct passwd room;
    char text[1024];

    (void)snprintf(out_name, BW_PATH_USER_BYTES, "%u", (unsigned)uid);
    while (list != NULL && fgetpwent_r(list, &room, text, sizeof text, &entry) == 0) {
        if (entry->pw_uid != uid || strlen(entry->pw_name) >= BW_PATH_USER_BYTES)
            continue;
        (void)snprintf(out_name, BW_PATH_USER_BYTES, "%.*s", BW_PATH_USER_BYTES - 1,
                       entry->pw_name);
        break;
    }
    if (list != NULL)
        (void)fclose(list); /* only read from */
}

/* How it was met: what a daemon keeps is its user's; a file, or what is on the way to one, is
 * whoever's. */
enum met { KEPT, A_FILE, ON_THE_WAY };

/* Who is wrong here, this process or whose it is, nobody can tell: so the first advice is to be
 * that user, and no command takes from a daemon what it keeps. */
static enum bw_err refuse_owner(const char *where, const struct stat *st, enum met met,
                                struct bw_diag *diag)
{
    const bool is_for_all = (st->st_mode & (S_IRGRP | S_IROTH)) !=
                            0; /* root's, it can be read still */
    const char *as_root = geteuid() == 0 ? "" : "as root: ";
    char owner[BW_PATH_USER_BYTES];
    char self[BW_PATH_USER_BYTES];
    char or_else[PATH_MAX + NAME_MAX + 256];

    bw_path_user_name(st->st_uid, owner);
    bw_path_user_name(geteuid(), self);
    if (met == KEPT)
        (void)snprintf(or_else, sizeof or_else, "only if no daemon runs as %s, give it to %s",
                       owner, self);
    else if (met == A_FILE)
        (void)snprintf(or_else, sizeof or_else,
                       "only if nothing that needs it runs as %s, %schown %s %s", owner, as_root,
                       is_for_all ? "root" : self, where);
    else
        (void)snprintf(or_else, sizeof or_else,
                       "or keep it where only root%s%s can change the way to it",
                       geteuid() == 0 ? "" : " and ", geteuid() == 0 ? "" : self);
    return bw_diag_set(
        diag, BW_ERR_REFUSED,
        "others can change it: %s belongs to user %s, and this runs as %s: run it as that "
        "user (%srunuser -u %s -- breakwater ...); %s",
        where, owner, self, as_root, owner, or_else);
}

static enum bw_err refuse(const char *where, const struct stat *st, enum met met,
                          struct bw_diag *diag)
{
    if (is_of_another(st))
        return refuse_owner(where, st, met, diag);
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "others can change it: %s has mode %04o; run: chmod go-w %s", where,
                       (unsigned)(st->st_mode & 07777), where);
}

/* ---- the way to it --------------------------------------------------------------------------------- */

/* Moves the next name of `left` to `done`. False: none is left, or it does not fit. */
static bool step(struct walk *walk)
{
    const size_t done = strlen(walk->done);
    const char *name = walk->left + strspn(walk->left, "/");
    const size_t length = strcspn(name, "/");
    char *slash;

    if (length == 0 || done + length + 2 > sizeof walk->done)
        return false;
    if (length == 2 && name[0] == '.' && name[1] == '.') {
        slash = strrchr(walk->done, '/');
        if (slash != NULL)
            *slash = '\0';
    } else if (length != 1 || name[0] != '.') {
        walk->done[done] = '/';
        memcpy(walk->done + done + 1, name, length);
        walk->done[done + 1 + length] = '\0';
    }
    memmove(walk->left, name + length, strlen(name + length) + 1);
    return true;
}

/* `done` is a link: on from where it points to. False: it cannot be read, or does not fit. */
static bool follow(struct walk *walk)
{
    const ssize_t got = readlink(walk->done, walk->target, sizeof walk->target - 1);
    const size_t left = strlen(walk->left);
    const size_t bytes = got > 0 ? (size_t)got : 0;
    char *slash = strrchr(walk->done, '/');

    if (bytes == 0 || bytes + 1 + left + 1 > sizeof walk->left)
        return false;
    memmove(walk->left + bytes + 1, walk->left, left + 1);
    memcpy(walk->left, walk->target, bytes);
    walk->left[bytes] = '/';
    if (walk->target[0] == '/')
        walk->done[0] = '\0';
    else if (slash != NULL)
        *slash = '\0';
    return true;
}

/* The first thing on the way that others can change. False: there is none, or it cannot be looked at. */
static bool find_open(struct walk *walk, struct stat *out_st)
{
    int links = 0;

    do {
        if (lstat(walk->done[0] == '\0' ? "/" : walk->done, out_st) != 0)
            return false;
        if (can_others_replace(out_st))
            return true;
        if (S_ISLNK(out_st->st_mode) && (++links > LINKS_MAX || !follow(walk)))
            return false;
    } while (step(walk));
    return false;
}

/* False: it does not fit, and cannot be opened either. */
static bool begin(const char *path, struct walk *walk)
{
    size_t used = 0;

    *walk = (struct walk){.done = ""};
    if (path[0] != '/') {
        if (getcwd(walk->left, sizeof walk->left) == NULL)
            return false;
        used = strlen(walk->left);
        walk->left[used++] = '/';
    }
    return bw_copy_text(walk->left + used, sizeof walk->left - used, path);
}

static const char *found(const struct walk *walk)
{
    return walk->done[0] == '\0' ? "/" : walk->done;
}

bool bw_path_is_writable(const char *path, char out_path[BW_PATH_OWNER_BYTES])
{
    struct walk walk;
    struct stat st;

    if (!begin(path, &walk) || !find_open(&walk, &st))
        return false;
    (void)snprintf(out_path, BW_PATH_OWNER_BYTES, "%.*s", BW_PATH_OWNER_BYTES - 1, found(&walk));
    return true;
}

/* `end`: what the path leads to. */
static enum bw_err check_way(const char *path, enum met end, struct bw_diag *diag)
{
    struct walk walk;
    struct stat st;
    bool is_end;

    if (!begin(path, &walk) || !find_open(&walk, &st))
        return BW_OK;
    is_end = walk.left[strspn(walk.left, "/")] == '\0' && !S_ISLNK(st.st_mode);
    return refuse(found(&walk), &st, is_end ? end : ON_THE_WAY, diag);
}

enum bw_err bw_path_check_file(const char *path, struct bw_diag *diag)
{
    return check_way(path, A_FILE, diag);
}

/* ---- a directory of this program's ------------------------------------------------------------------ */

enum bw_err bw_path_check_opened_dir(const char *path, const struct stat *st, struct bw_diag *diag)
{
    return can_others_write(st) ? refuse(path, st, KEPT, diag) : BW_OK;
}

static enum bw_err check_entry(const char *path, int dir, const char *name, struct bw_diag *diag)
{
    char where[PATH_MAX + NAME_MAX + 2];
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !can_others_write(&st))
        return BW_OK;
    (void)snprintf(where, sizeof where, "%s/%s", path, name); /* fits: both could be opened */
    return refuse(where, &st, KEPT, diag);
}

enum bw_err bw_path_check_dir(const char *path, struct bw_diag *diag)
{
    const struct dirent *entry;
    enum bw_err err = check_way(path, KEPT, diag);
    struct stat st;
    DIR *list;

    if (err != BW_OK)
        return err;
    list = opendir(path);
    if (list == NULL)
        return BW_OK;
    if (fstat(dirfd(list), &st) == 0)
        err = bw_path_check_opened_dir(path, &st, diag);
    while (err == BW_OK && (entry = readdir(list)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            err = check_entry(path, dirfd(list), entry->d_name, diag);
    (void)closedir(list); /* only read from */
    return err;
}

/* ---- whether a file was replaced or changed ---- */

struct bw_file_look bw_file_look_at(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return (struct bw_file_look){0};
    return (struct bw_file_look){
        .device = status.st_dev,
        .inode = status.st_ino,
        .size = (uint64_t)status.st_size,
        .mode = status.st_mode,
        .user = status.st_uid,
        .group = status.st_gid,
        .modified_ns = status.st_mtim.tv_sec * 1000000000LL + status.st_mtim.tv_nsec,
    };
}

bool bw_file_looks_equal(struct bw_file_look a, struct bw_file_look b)
{
    return a.device == b.device && a.inode == b.inode && a.size == b.size &&
           a.mode == b.mode && a.user == b.user && a.group == b.group &&
           a.modified_ns == b.modified_ns;
}
