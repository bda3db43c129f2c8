/* second.h - the second enforcer of one site as a program: on another machine than its guard it fences a
 * service that outlives that machine, when its agent has no more lease to tell of. Design 3.4. */
#ifndef BW_SECOND_SECOND_H
#define BW_SECOND_SECOND_H

#include <breakwater/config/site_config.h>

/* How a run of it ended. */
enum bw_second_end {
    BW_SECOND_STOPPED, /* SIGTERM or SIGINT; a fence that was under way has ended */
    BW_SECOND_CONFIG,  /* configuration, certificate or kept state is not usable: a person must act, and what
                          to do was said on stderr */
    BW_SECOND_RESTART, /* it cannot go on, or was told (SIGHUP) of a file that it begins anew with */
};

/* Runs the second enforcer of the site file `config_file` on a loop of its own until it is told to end. Logs to
 * stderr. The process must start no children but through it and ignore SIGPIPE. */
enum bw_second_end bw_second_run(const char *config_file);

#endif
