#include <breakwater/sys/own_process.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

/* ---- core dumps ---- */

#define FILTER_FILE  "/proc/self/coredump_filter"
#define FILTER_BYTES 16  /* eight digits */
#define LIMIT_BYTES  1   /* the one limit that a pipe keeps, too */

static struct rlimit limit_before;
static bool is_limited;
static char filter_before[2 + FILTER_BYTES] = "0x"; /* which it is read back without */
static size_t filter_size; /* 0: as it was */

static bool limit(void)
{
    struct rlimit fresh;

    if (getrlimit(RLIMIT_CORE, &fresh) != 0)
        return false;
    limit_before = fresh;
    fresh.rlim_cur = fresh.rlim_max < LIMIT_BYTES ? fresh.rlim_max : LIMIT_BYTES;
    is_limited = setrlimit(RLIMIT_CORE, &fresh) == 0;
    return is_limited;
}

static bool set_filter(const char *text, size_t size)
{
    const int fd = open(FILTER_FILE, O_WRONLY | O_CLOEXEC);
    const bool is_set = fd >= 0 && write(fd, text, size) == (ssize_t)size;

    if (fd >= 0)
        (void)close(fd); /* the kernel has it */
    return is_set;
}

static bool filter(void)
{
    const int fd = open(FILTER_FILE, O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd < 0 ? -1 : read(fd, filter_before + 2, FILTER_BYTES);

    if (fd >= 0)
        (void)close(fd); /* only read from */
    if (got <= 0 || !set_filter("0", 1))
        return false;
    filter_size = 2 + (size_t)got;
    return true;
}

bool bw_core_dump_forbid(void)
{
    const bool is_short = limit();

    return filter() || is_short;
}

void bw_core_dump_allow_again(void)
{
    if (is_limited)
        (void)setrlimit(RLIMIT_CORE, &limit_before); /* it was allowed that */
    if (filter_size > 0)
        (void)set_filter(filter_before, filter_size);
}

/* ---- descriptors ---- */

static struct rlimit before;
static bool is_raised;

uint64_t bw_files_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (is_raised || limit.rlim_cur >= BW_FILES_MAX)
        return limit.rlim_cur;
    before = limit;
    limit.rlim_cur = limit.rlim_max < BW_FILES_MAX ? limit.rlim_max : BW_FILES_MAX;
    is_raised = setrlimit(RLIMIT_NOFILE, &limit) == 0;
    return is_raised ? limit.rlim_cur : before.rlim_cur;
}

void bw_files_lower(void)
{
    if (is_raised)
        (void)setrlimit(RLIMIT_NOFILE, &before); /* it may always have fewer */
}

/* ---- out of memory ---- */

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

/* ---- signals ---- */

bool bw_hangup_is_ignored(void)
{
    struct sigaction inherited;

    return sigaction(SIGHUP, NULL, &inherited) == 0 && inherited.sa_handler == SIG_IGN;
}

void bw_signals_unblock(void)
{
    sigset_t none;

    (void)sigemptyset(&none); /* these cannot fail with these arguments */
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}
