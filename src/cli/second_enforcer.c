/* breakwater second-enforcer -c site.yaml: the second enforcer of one site. */
#include <breakwater/second/second.h>

#include "options.h"
#include "verbs.h"

struct second_values {
    const char *config;
};

static const struct bw_option second_options[] = {
    BW_OPTION_TEXT(struct second_values, config, "config", 'c', "FILE",
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
    struct second_values values = {0};
    struct bw_operands operands;
    enum bw_exit status;

    if (!bw_options_parse(&second_command, argc, argv, &values, &operands, &status))
        return status;
    if (values.config == NULL)
        return bw_usage_error(&second_command, "-c FILE is needed");
    switch (bw_second_run(values.config)) {
    case BW_SECOND_STOPPED:
        return BW_EXIT_FINE;
    case BW_SECOND_CONFIG:
        return BW_EXIT_CONFIG;
    case BW_SECOND_RESTART:
        return BW_EXIT_RESTART;
    }
    return BW_EXIT_FAILED;
}
