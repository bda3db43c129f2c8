#include "inherited.h"

#include <signal.h>
#include <sys/stat.h>

#include <breakwater/sys/core_dump.h>

static struct sigaction pipe_before;
static mode_t umask_before;

bool bw_inherited_change(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    (void)sigaction(SIGPIPE, &ignore, &pipe_before); /* fails only for numbers that are no signals */
    umask_before = umask(022);
    (void)umask(umask_before | 022); /* else we would refuse what we have made (5.4) */
    return bw_core_dump_forbid();
}

void bw_inherited_give_back(void)
{
    (void)sigaction(SIGPIPE, &pipe_before, NULL); /* as above */
    (void)umask(umask_before);
    bw_core_dump_allow_again();
}
