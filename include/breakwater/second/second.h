/* second.h - the second enforcer of one site as a program: on another machine than its guard it fences a
 * service that outlives that machine, when its agent has no more lease to tell of. Design 3.4. */
#ifndef BW_SECOND_SECOND_H
#define BW_SECOND_SECOND_H

#include <breakwater/base/err.h>
#include <breakwater/config/site_config.h>

/* Runs the second enforcer of the site file `config_file` on a loop of its own until it is told to end, after
 * a fence that is under way; BW_DAEMON_RESTART too when it was told (SIGHUP) of a file that it begins anew with. Logs to
 * stderr. The process must start no children but through it and ignore SIGPIPE. */
enum bw_daemon_end bw_second_run(const char *config_file);

#endif
