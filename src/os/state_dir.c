#include <breakwater/os/state_dir.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/os/durable.h>
#include <breakwater/os/path_owner.h>

/* ---- the lock ---- */

#define LOCK_NAME "lock"
#define TRIES_MAX 16 /* each of which another one has made in vain, who has been there and is gone */

/* The pid in the file, for a message only; 0 when it says none. */
static long holder_of(int fd)
{
    char text[24] = {0};
    long pid;

    if (pread(fd, text, sizeof text - 1, 0) <= 0)
        return 0;
    pid = strtol(text, NULL, 10);
    return pid > 0 ? pid : 0;
}

static void write_pid(int fd)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());

    /* Where there is no room the lock holds all the same, and a reader is misled, or told nothing. */
    (void)!pwrite(fd, text, (size_t)length, 0);
    (void)!ftruncate(fd, length);
}

enum bw_err bw_dir_lock(int dir, const char *path, int *out_lock, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;
    int fd = openat(dir, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return bw_diag_errno(diag, errno, "open %s/%s", path, LOCK_NAME);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        write_pid(fd);
    else if (errno == EWOULDBLOCK)
        err = bw_diag_set(diag, BW_ERR_BUSY,
                          "%s is in use by process %ld; nothing was started (end that process, or "
                          "give this one a directory of its own)",
                          path, holder_of(fd));
    else
        err = bw_diag_errno(diag, errno, "lock %s/%s", path, LOCK_NAME);
    if (err != BW_OK) {
        (void)close(fd); /* the pid is for people: nothing that close could lose */
        return err;
    }
    *out_lock = fd;
    return BW_OK;
}

bool bw_dir_is_held(int dir)
{
    const int fd = openat(dir, LOCK_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    long pid;

    if (fd < 0)
        return errno != ENOENT;
    pid = holder_of(fd);
    (void)close(fd); /* only read from */
    return pid > 0 && pid != (long)getpid() && (kill((pid_t)pid, 0) == 0 || errno != ESRCH);
}

void bw_dir_unlock(int lock)
{
    if (lock >= 0)
        (void)close(lock); /* the lock ends with its last descriptor, whatever close says */
}

/* ---- of a path, for a moment ------------------------------------------------------------------- */

/* Whoever had it before may have removed it since we opened it: then another one locks another file of its name. */
static bool is_still_there(int fd, const char *name)
{
    struct stat ours, there;

    return fstat(fd, &ours) == 0 && lstat(name, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

static enum bw_err check_lock_file(int fd, const char *name, struct bw_diag *diag)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return bw_diag_errno(diag, errno, "look at %s", name);
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
        return bw_diag_set(diag, BW_ERR_EXISTS, "%s is no plain file of user %u; it was left alone (move it away)",
                           name, (unsigned)geteuid());
    return BW_OK;
}

/* `*out_is_lost`: it is that of nobody any more. */
static enum bw_err lock_file(int fd, const char *name, bool *out_is_lost, struct bw_diag *diag)
{
    const enum bw_err err = check_lock_file(fd, name, diag);

    if (err != BW_OK)
        return err;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? bw_diag_set(diag, BW_ERR_BUSY, "process %ld is at it (is it running twice?)", holder_of(fd))
                   : bw_diag_errno(diag, errno, "lock %s", name);
    *out_is_lost = !is_still_there(fd, name);
    if (!*out_is_lost)
        write_pid(fd);
    return BW_OK;
}

enum bw_err bw_path_lock(const char *path, struct bw_path_lock *out_lock, struct bw_diag *diag)
{
    const int length = snprintf(out_lock->name, sizeof out_lock->name, "%s" BW_PATH_LOCK_SUFFIX, path);

    if (length < 0 || (size_t)length >= sizeof out_lock->name)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s is longer than %zu bytes", path,
                           sizeof out_lock->name - sizeof BW_PATH_LOCK_SUFFIX);
    for (int i = 0; i < TRIES_MAX; i++) {
        const int fd = open(out_lock->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        bool is_lost = true;
        enum bw_err err;

        if (fd < 0)
            return bw_diag_errno(diag, errno, "open %s", out_lock->name);
        err = lock_file(fd, out_lock->name, &is_lost, diag);
        if (err == BW_OK && !is_lost) {
            out_lock->fd = fd;
            return BW_OK;
        }
        (void)close(fd); /* nothing was done */
        if (err != BW_OK)
            return err;
    }
    return bw_diag_set(diag, BW_ERR_BUSY, "others come and go there all the time");
}

/* The name goes first: whoever has opened it by now finds that it leads nowhere. */
void bw_path_unlock(const struct bw_path_lock *lock)
{
    (void)unlink(lock->name); /* left behind, the next one uses it up */
    (void)close(lock->fd);    /* a copy that a child may have for a moment locks a file without a name */
}

/* ---- the directory ---- */

static enum bw_err open_directories(const char *state_dir, const char *path, int *out_dir,
                                    struct bw_diag *diag)
{
    int outer;
    enum bw_err err = bw_durable_open_dir(state_dir, &outer, diag);

    if (err != BW_OK)
        return err;
    (void)close(outer); /* it exists now, durably; only read from */
    err = bw_durable_open_dir(path, out_dir, diag);
    if (err == BW_OK)
        err = bw_path_check_dir(state_dir, diag);
    return err == BW_OK ? bw_path_check_dir(path, diag) : err;
}

enum bw_err bw_state_dir_open(const char *state_dir, const char *name, char *out_path,
                              size_t path_bytes, int *out_dir, int *out_lock, struct bw_diag *diag)
{
    const int length = snprintf(out_path, path_bytes, "%s/%s", state_dir, name);
    enum bw_err err;

    if (length < 0 || (size_t)length >= path_bytes)
        return bw_diag_set(diag, BW_ERR_LIMIT, "state_dir %s is longer than %zu bytes", state_dir,
                           path_bytes - sizeof "/" - strlen(name));
    err = open_directories(state_dir, out_path, out_dir, diag);
    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "state_dir");
    return bw_dir_lock(*out_dir, out_path, out_lock, diag);
}
