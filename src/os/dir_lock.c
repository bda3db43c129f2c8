#include <breakwater/os/dir_lock.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define LOCK_NAME "lock"

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

void bw_dir_unlock(int lock)
{
    if (lock >= 0)
        (void)close(lock); /* the lock ends with its last descriptor, whatever close says */
}
