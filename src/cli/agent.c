/* breakwater agent -c site.yaml: the agent of one site. */
#include <breakwater/agent/agent.h>

#include "options.h"
#include "verbs.h"

struct agent_values {
    const char *config;
};

static const struct bw_option agent_options[] = {
    BW_OPTION_TEXT(struct agent_values, config, "config", 'c', "FILE", "the site file (site.yaml)"),
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
    struct agent_values values = {0};
    struct bw_operands operands;
    enum bw_exit status;

    if (!bw_options_parse(&agent_command, argc, argv, &values, &operands, &status))
        return status;
    if (values.config == NULL)
        return bw_usage_error(&agent_command, "-c FILE is needed");
    switch (bw_agent_run(values.config)) {
    case BW_AGENT_STOPPED:
        return BW_EXIT_FINE;
    case BW_AGENT_CONFIG:
        return BW_EXIT_CONFIG;
    case BW_AGENT_RESTART:
        return BW_EXIT_RESTART;
    }
    return BW_EXIT_FAILED;
}
