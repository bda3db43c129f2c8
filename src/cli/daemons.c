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
    .help = "Runs the agent of a site until SIGTERM. The agent holds the leases of the site's groups, and\n"
            "orders the guard to run scripts. SIGTERM leaves guard and service alone; SIGHUP reads FILE\n"
            "again.\n"
            "Exit status: 0 ended by a signal, 75 has to be restarted, 78 an operator has to act.",
    .options = agent_options,
};

enum bw_exit bw_verb_agent(int argc, char **argv)
{
    return bw_daemon_verb(&agent_command, argc, argv, "needs -c FILE", bw_agent_run);
}

/* ---- guard ---- */

/* breakwater guard. */

static const struct bw_option guard_options[] = {
    BW_OPTION_TEXT(struct bw_daemon_values, config, "config", 'c', "FILE",
                   "the site file (site.yaml)"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command guard_command = {
    .name = "guard",
    .operands = "",
    .help = "Runs the guard of a site until SIGTERM. The guard runs all scripts of the site's groups, as\n"
            "the agent orders, and fences the service when the lease ends, even if the agent is down.\n"
            "Needs a service unit of its own. SIGHUP reads FILE again.",
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
    (void)fputs("error: enforcer: only a guard starts this program (see: breakwater guard --help)\n", stderr);
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
        "Runs the second enforcer of a site until SIGTERM, on another machine than the guard: for a\n"
        "service that outlives the guard's machine. It asks the agent for the time left of the lease,\n"
        "and runs fence_script when the lease ends. It never starts the service.\n"
        "SIGTERM waits for a running fence; SIGHUP reads FILE again.\n"
        "Exit status: 0 ended by a signal, 75 has to be restarted, 78 an operator has to act.",
    .options = second_options,
};

enum bw_exit bw_verb_second_enforcer(int argc, char **argv)
{
    return bw_daemon_verb(&second_command, argc, argv, "needs -c FILE", bw_second_run);
}

/* ---- standalone ---- */

/* breakwater standalone, also called as disaster-recovery: the program that breakwater replaces.
 * Design 5.2. */

static const struct bw_option standalone_options[] = {
    BW_OPTION_TEXT(struct bw_daemon_values, config, "config", 'c', "FILE",
                   "the file with the seven keys; -config FILE works as well"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command standalone_command = {
    .name = "standalone",
    .operands = "",
    .help =
        "Runs the check loop of the replaced program until SIGTERM, with its file unchanged: if the\n"
        "condition script prints start or stop, and the status script reports the opposite, the loop\n"
        "runs the start or stop script.\n"
        "Warning: the loop has no lease and asks no witness. If the condition is wrong, two sites may\n"
        "serve at once (split-brain).",
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
    (void)fputs("error: steps: only a guard starts this program (see: breakwater guard --help)\n", stderr);
    return BW_EXIT_USAGE;
}
