/* agent.h - the agent of one site as a program: it speaks with the witnesses, holds the leases of
 * its groups and tells the guard what to run. Design 2, 3.2, 3.4-3.9. */
#ifndef BW_AGENT_AGENT_H
#define BW_AGENT_AGENT_H

#include <stdbool.h>

#include <breakwater/base/err.h>
#include <breakwater/config/site_config.h>

/* Where a person at its machine speaks to it: RUN_DIR/SITE-agent.socket. False: that is too long.
 */
#define BW_AGENT_SOCKET_BYTES 108
/* How long a person waits for its answer there; what is older is not carried out any more. */
#define BW_AT_SITE_WAIT_MS 5000
bool bw_agent_socket_path(const struct bw_site_config *config,
                          char out_path[BW_AGENT_SOCKET_BYTES]);

/* Runs the agent of the site file `config_file` on a loop of its own until it is told to end,
 * which leaves guard and service alone. Logs to stderr. The process must start no children but
 * through it and ignore SIGPIPE. */
enum bw_daemon_end bw_agent_run(const char *config_file);

#endif
