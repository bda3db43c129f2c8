/* breakwater agent -c site.yaml: the agent of one site. */
#include <breakwater/agent/agent.h>

#include "options.h"
#include "verbs.h"

static const struct bw_option agent_options[] = {
    BW_OPTION_TEXT(struct bw_daemon_values, config, "config", 'c', "FILE", "the site file (site.yaml)"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command agent_command = {
    .name = "agent",
    .operands = "",
    .help = "Runs the agent of a site: it holds the leases of its groups and orders the guard.\n"
            "SIGTERM ends it and leaves guard and service alone; SIGHUP reads the file again.\n"
            "Exit status: 0 told to end, 75 to be restarted, 78 a person must act.",
    .options = agent_options,
};

enum bw_exit bw_verb_agent(int argc, char **argv)
{
    return bw_daemon_verb(&agent_command, argc, argv, "-c FILE is needed", bw_agent_run);
}
