/* breakwater guard. */
#include <breakwater/guard/guard.h>

#include "options.h"
#include "verbs.h"

struct guard_values {
    const char *config;
};

static const struct bw_option guard_options[] = {
    BW_OPTION_TEXT(struct guard_values, config, "config", 'c', "FILE",
                   "the site's file, site.yaml"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command guard_command = {
    .name = "guard",
    .operands = "",
    .help = "Runs the guard of a site until SIGTERM: it runs all scripts of the site's groups,\n"
            "as the agent orders, and ends the service itself when its lease ends.\n"
            "A service unit of its own; SIGHUP reads the file again.",
    .options = guard_options,
};

enum bw_exit bw_verb_guard(int argc, char **argv)
{
    struct guard_values values = {0};
    struct bw_operands operands;
    enum bw_exit status;

    if (!bw_options_parse(&guard_command, argc, argv, &values, &operands, &status))
        return status;
    if (values.config == NULL)
        return bw_usage_error(&guard_command, "needs -c FILE");
    switch (bw_guard_program_run(values.config)) {
    case BW_GUARD_STOPPED:
        return BW_EXIT_FINE;
    case BW_GUARD_CONFIG:
        return BW_EXIT_CONFIG;
    case BW_GUARD_RESTART:
        return BW_EXIT_RESTART;
    }
    return BW_EXIT_FAILED;
}
