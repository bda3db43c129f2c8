/* breakwater guard. */
#include <breakwater/guard/guard.h>

#include "options.h"
#include "verbs.h"

static const struct bw_option guard_options[] = {
    BW_OPTION_TEXT(struct bw_daemon_values, config, "config", 'c', "FILE",
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
    return bw_daemon_verb(&guard_command, argc, argv, "needs -c FILE", bw_guard_program_run);
}
