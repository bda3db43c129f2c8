#include <breakwater/sys/core_dump.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

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
