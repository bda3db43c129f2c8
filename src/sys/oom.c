#include <breakwater/sys/oom.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SCORE_PATH "/proc/self/oom_score_adj"
#define PROTECTED  "-1000"

static char score_before[16]; /* as the kernel wrote it */
static size_t score_before_bytes;

enum bw_err bw_oom_protect(struct bw_diag *diag)
{
    enum bw_err err = BW_OK;
    int fd = open(SCORE_PATH, O_RDWR | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return bw_diag_errno(diag, errno, "open %s", SCORE_PATH);
    got = read(fd, score_before, sizeof score_before);
    if (got <= 0)
        err = bw_diag_errno(diag, got < 0 ? errno : EIO, "read %s", SCORE_PATH);
    else if (pwrite(fd, PROTECTED, sizeof PROTECTED - 1, 0) < 0)
        err = bw_diag_errno(diag, errno, "write %s to %s", PROTECTED, SCORE_PATH);
    else
        score_before_bytes = (size_t)got;
    (void)close(fd); /* the kernel took it with the write */
    return err;
}

void bw_oom_unprotect(void)
{
    int fd;

    if (score_before_bytes == 0)
        return;
    fd = open(SCORE_PATH, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* no /proc here: it runs protected, like us */
    (void)!write(fd, score_before, score_before_bytes); /* likewise */
    (void)close(fd);
}
