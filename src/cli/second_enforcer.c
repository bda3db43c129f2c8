/* breakwater second-enforcer -c site.yaml: the second enforcer of one site. */
#include <breakwater/second/second.h>

#include "options.h"
#include "verbs.h"

static const struct bw_option second_options[] = {
    BW_OPTION_TEXT(struct bw_daemon_values, config, "config", 'c', "FILE",
                   "the site file (site.yaml), with second_enforcer.agent"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command second_command = {
    .name = "second-enforcer",
    .operands = "",
    .help =
        "Runs the second enforcer of a site, on another machine than its guard: for a service\n"
        "that outlives that machine. It asks the agent how much of the lease is left, and runs\n"
        "fence_script when there is no more. It starts nothing.\n"
        "SIGTERM ends it, after a fence that runs; SIGHUP reads the file again.\n"
        "Exit status: 0 told to end, 75 to be restarted, 78 a person must act.",
    .options = second_options,
};

enum bw_exit bw_verb_second_enforcer(int argc, char **argv)
{
    return bw_daemon_verb(&second_command, argc, argv, "-c FILE is needed", bw_second_run);
}
