/* breakwater: the table of verbs. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/steps/steps.h>
#include <breakwater/sys/output_reader.h>
#include <breakwater/sys/reach.h>

#include "inherited.h"
#include "options.h"
#include "verbs.h"

struct verb {
    const char *name;
    const char *help; /* one line, lower case, no full stop */
    enum bw_exit (*run)(int argc, char **argv);
};

static enum bw_exit run_help(int argc, char **argv);

/* In the order in which help lists them. */
static const struct verb verbs[] = {
    {"agent", "run the agent of a site: it holds the leases", bw_verb_agent},
    {"check", "check configuration files and the machine they are on", bw_verb_check},
    {"dev", "try breakwater: a whole cluster on this machine, and what happens when parts of it fail",
     bw_verb_dev},
    {"guard", "run the guard of a site: it runs scripts, and fences when the lease ends", bw_verb_guard},
    {"second-enforcer", "run the second enforcer of a site: it fences from another machine",
     bw_verb_second_enforcer},
    {"generate", "make the files of all machines of a cluster from one file of answers", bw_verb_generate},
    {"pki", "make, renew and show the certificates of a cluster", bw_verb_pki},
    {"apply", "create and change groups from a file", bw_verb_apply},
    {"groups", "print groups as a file for apply", bw_verb_groups},
    {"people", "print the rights of operators and viewers as a file for apply", bw_verb_people},
    {"delete", "remove a group from the witnesses", bw_verb_delete},
    {"status", "show the primary of each group, and what needs attention", bw_verb_status},
    {"explain", "show why the leader acts or waits, and what blocks each site", bw_verb_explain},
    {"switchover", "move a group to another site, as planned", bw_verb_switchover},
    {"failover", "make a site primary although the group's policy blocks it", bw_verb_failover},
    {"cancel", "cancel a request that still waits", bw_verb_cancel},
    {"ack", "acknowledge an alarm", bw_verb_ack},
    {"confirm-fenced", "confirm that a site is off, so that another site can become primary", bw_verb_force_release},
    {"prove", "test at the primary that a kill by its guard stops the service", bw_verb_prove},
    {"override", "let this site serve without a quorum, for a limited time", bw_verb_override},
    {"mode", "set the mode of a group: auto, manual, paused or unmanaged", bw_verb_mode},
    {"pause", "stop failover, moves and restarts of a group until resume", bw_verb_pause},
    {"resume", "end the pause of a group", bw_verb_resume},
    {"maintenance", "suspend failover and restarts of a group or a site for a limited time",
     bw_verb_maintenance},
    {"feature-level", "show and raise the feature level of the cluster after an upgrade",
     bw_verb_feature_level},
    {"recover", "restart the cluster after a majority of the witnesses is lost for good",
     bw_verb_recover},
    {"snapshot", "save the state of the cluster, show a saved state, or restart the cluster from it", bw_verb_snapshot},
    {"members", "show, add, remove and replace witnesses; transfer the leadership",
     bw_verb_members},
    {"gate", "check that this site may run a group now: for units and init containers",
     bw_verb_gate},
    {"enter", "run a command as a part of a group, so that the guard stops it as well", bw_verb_enter},
    {"standalone", "run the check loop of the replaced program, with its file unchanged",
     bw_verb_standalone},
    {"condition", "print start or stop for a loop of your own", bw_verb_condition},
    {"history", "show each change of the primary, with its reason", bw_verb_history},
    {"report", "show one failover as a time line", bw_verb_report},
    {"help", "show the help of a verb", run_help},
    {"witness", "run a witness, or make its data directory (init)", bw_verb_witness},
};
#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static void print_help(FILE *out)
{
    (void)fputs(
        "usage: breakwater VERB [ARGUMENT]...\n"
        "\n"
        "Decides by quorum which site runs a service, and makes sure that no other site does.\n"
        "\n"
        "verbs:\n",
        out);
    for (size_t i = 0; i < VERB_COUNT; i++)
        (void)fprintf(out, "  %-17s%s\n", verbs[i].name, verbs[i].help);
    (void)fputs("\n\"breakwater VERB --help\" shows the options; \"breakwater --version\" the version.\n\nexit status:\n", out);
#define X(name, status, meaning) (void)fprintf(out, "%4d  %s\n", status, meaning);
    BW_EXIT_LIST(X)
#undef X
}

static enum bw_exit complain_unknown(const char *name)
{
    struct bw_suggestion suggestion = {.word = name};

    for (size_t i = 0; i < VERB_COUNT; i++)
        bw_suggestion_consider(&suggestion, verbs[i].name);
    if (suggestion.best != NULL)
        (void)fprintf(stderr, "error: unknown verb \"%s\" (did you mean \"%s\"?)\n", name,
                      suggestion.best);
    else
        (void)fprintf(stderr, "error: unknown verb \"%s\"\n", name);
    (void)fputs("  see:  breakwater --help\n", stderr);
    return BW_EXIT_USAGE;
}

static const struct bw_option help_options[] = {
    BW_OPTIONS_END,
};

static const struct bw_cli_command help_command = {
    .name = "help",
    .operands = "[VERB [WORD]]",
    .operands_max = 2,
    .help = "Shows the help of a verb, like `breakwater VERB --help`. Without VERB, lists all verbs.",
    .options = help_options,
};

static enum bw_exit run_help(int argc, char **argv)
{
    char *asked[4] = {NULL}; /* VERB, WORD, --help */
    struct bw_operands operands;
    enum bw_exit exit;
    int count = 0;

    if (!bw_options_parse(&help_command, argc, argv, NULL, &operands, &exit))
        return exit;
    if (operands.count == 0) {
        print_help(stdout);
        return BW_EXIT_FINE;
    }
    for (size_t i = 0; i < operands.count; i++)
        asked[count++] = operands.items[i];
    asked[count++] = (char[]){"--help"};
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(bw_word_meant(asked[0]), verbs[i].name) == 0)
            return verbs[i].run(count, asked);
    return complain_unknown(asked[0]);
}

/* Data that did not reach its reader is a failure, however well the verb did. */
static enum bw_exit flush_output(enum bw_exit status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    (void)fputs("error: writing the output failed\n", stderr);
    return status == BW_EXIT_FINE ? BW_EXIT_FAILED : status;
}

/* By the name of the program that it replaces it is that program, flag for flag. */
static bool is_called_as(const char *argument, const char *name)
{
    const char *slash = strrchr(argument, '/');

    return strcmp(slash != NULL ? slash + 1 : argument, name) == 0;
}

/* Who began us may have closed one of the three: a file or a pipe of ours would get its number, and what is meant for
 * people would be written into that. What stands there now can be neither read nor written, as before. */
static bool keep_standard(void)
{
    int fd;

    do
        fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 && close(fd) == 0;
}

int main(int argc, char **argv)
{
    if (!keep_standard() || !bw_load_no_modules()) {
        (void)fputs("error: the libraries of this program cannot be set up (out of memory?)\n", stderr);
        return BW_EXIT_FAILED;
    }
    if (!bw_inherited_change())
        (void)fputs("warning: a core dump of this process would contain its private key: the size and content of "
                    "core dumps cannot be limited on this machine\n",
                    stderr);
    if (argc > 0 && is_called_as(argv[0], "disaster-recovery"))
        return (int)flush_output(bw_verb_standalone(argc, argv));
    if (argc < 2) {
        print_help(stderr);
        return BW_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return (int)flush_output(BW_EXIT_FINE);
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)puts("breakwater " BW_VERSION);
        return (int)flush_output(BW_EXIT_FINE);
    }
    if (strcmp(argv[1], "enforcer") == 0) /* a guard's: in no list */
        return (int)bw_verb_enforcer(argc - 1, argv + 1);
    if (strcmp(argv[1], BW_STEPS_VERB) == 0) /* likewise */
        return bw_verb_steps();
    if (strcmp(argv[1], BW_OUTPUT_READER_VERB) == 0) /* any daemon's that runs scripts */
        return bw_output_reader_run() ? BW_EXIT_FINE : BW_EXIT_USAGE;
    if (strcmp(argv[1], BW_REACH_PROBE_VERB) == 0) /* a guard's */
        bw_reach_probe();
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(bw_word_meant(argv[1]), verbs[i].name) == 0)
            return (int)flush_output(verbs[i].run(argc - 1, argv + 1));
    }
    return (int)complain_unknown(argv[1]);
}
