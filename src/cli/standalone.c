/* breakwater standalone, also called as disaster-recovery: the program that breakwater replaces.
 * Design 5.2. */
#include <breakwater/standalone/standalone.h>

#include <stdio.h>
#include <string.h>

#include "options.h"
#include "verbs.h"

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
