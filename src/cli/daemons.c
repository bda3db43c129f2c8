/* The verbs that run a daemon, or a program that one starts. */
#include "verbs.h"

#include <stdio.h>
#include <string.h>

#include <breakwater/agent/agent.h>
#include <breakwater/enforcer/enforcer.h>
#include <breakwater/guard/guard.h>
#include <breakwater/second/second.h>
#include <breakwater/standalone/standalone.h>
#include <breakwater/steps/steps.h>

#include "options.h"

/* ---- agent ---- */

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

/* ---- guard ---- */

/* breakwater guard. */

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

/* ---- enforcer ---- */

/* breakwater enforcer: what a guard starts beside itself. It is in no list of verbs: nobody runs it. */

enum bw_exit bw_verb_enforcer(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (bw_enforcer_run())
        return BW_EXIT_FINE;
    (void)fputs("error: enforcer: only a guard starts it (see: breakwater guard --help)\n", stderr);
    return BW_EXIT_USAGE;
}

/* ---- second-enforcer ---- */

/* breakwater second-enforcer -c site.yaml: the second enforcer of one site. */

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

/* ---- standalone ---- */

/* breakwater standalone, also called as disaster-recovery: the program that breakwater replaces.
 * Design 5.2. */

static const struct bw_option standalone_options[] = {
    BW_OPTION_TEXT(struct bw_daemon_values, config, "config", 'c', "FILE",
                   "the file with the seven keys; also as -config FILE"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command standalone_command = {
    .name = "standalone",
    .operands = "",
    .help =
        "Runs the check loop of the program that breakwater replaces, with its file unchanged:\n"
        "the condition script says start or stop, the status script what there is, and start or\n"
        "stop script is called where they differ. No lease is held and no witness asked: where\n"
        "the condition is wrong two sites may serve at once. Until SIGTERM.",
    .options = standalone_options,
};

#define ARGUMENTS_MAX 16
#define TEXT_BYTES    4096

/* `-config` is spelt `--config` here, `-config=F` `--config=F`. */
static char *respell(char *argument, char out_text[TEXT_BYTES])
{
    const bool is_ours = strcmp(argument, "-config") == 0 || strcmp(argument, "-help") == 0 ||
                         strncmp(argument, "-config=", sizeof "-config=" - 1) == 0;

    if (!is_ours || strlen(argument) + 2 > TEXT_BYTES)
        return argument;
    (void)snprintf(out_text, TEXT_BYTES, "-%s", argument);
    return out_text;
}

enum bw_exit bw_verb_standalone(int argc, char **argv)
{
    char *respelt[ARGUMENTS_MAX + 1] = {0};
    static char texts[ARGUMENTS_MAX][TEXT_BYTES];

    if (argc > ARGUMENTS_MAX)
        return bw_usage_error(&standalone_command, "more than %d arguments", ARGUMENTS_MAX);
    for (int i = 0; i < argc; i++)
        respelt[i] = respell(argv[i], texts[i]);
    return bw_daemon_verb(&standalone_command, argc, respelt, "needs -config FILE",
                          bw_standalone_run);
}

/* ---- steps ---- */

/* breakwater steps: what a guard starts in place of a script. It is in no list of verbs: nobody
 * runs it. */

int bw_verb_steps(void)
{
    const int status = bw_steps_run();

    if (status >= 0)
        return status;
    (void)fputs("error: steps: only a guard starts it (see: breakwater guard --help)\n", stderr);
    return BW_EXIT_USAGE;
}
