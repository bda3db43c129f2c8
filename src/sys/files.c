#include <breakwater/sys/files.h>

#include <stdbool.h>
#include <sys/resource.h>

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
