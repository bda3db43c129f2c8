/* breakwater history: what was granted, when, by whom, and how it ended. */
#include <inttypes.h>

#include <breakwater/base/name.h>

#include "api.h"
#include "columns.h"
#include "verbs.h"

#define WAIT_MS     5000
#define COUNT_ABSENT 20
#define COUNT_MAX   100000

struct history_values {
    struct bw_api_values api;
    enum bw_output output;
    uint64_t count;
};

static const struct bw_option history_options[] = {
    BW_OPTION_NUMBER(struct history_values, count, "number", 'n', "N", 1, COUNT_MAX,
                     "how many epochs, newest first (20)"),
    BW_OPTION_OUTPUT(struct history_values, output),
    BW_API_OPTIONS(struct history_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command history_command = {
    .name = "history",
    .operands = "[GROUP]",
    .operands_max = 1,
    .help =
        "Shows each epoch, newest first: which site became primary, why, by whose decision, how long\n"
        "no site served before, and how the epoch ended; and what operators changed in between.\n"
        "Any witness answers. Without GROUP, the history of all groups.",
    .options = history_options,
};

static void print(const json_t *history)
{
    bw_show_history(history, stdout);
}

enum bw_exit bw_verb_history(int argc, char **argv)
{
    struct history_values values = {.output = BW_OUTPUT_TABLE, .count = COUNT_ABSENT};
    struct bw_operands operands;
    char path[128];
    struct bw_api api;
    enum bw_exit exit;

    if (!bw_options_parse(&history_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (operands.count > 0 && !bw_name_is_valid(operands.items[0]))
        return bw_usage_error(&history_command, "\"%s\" is no name of a group", operands.items[0]);
    if (operands.count > 0)
        (void)snprintf(path, sizeof path, "/v1/groups/%s/history?n=%" PRIu64, operands.items[0],
                       values.count);
    else
        (void)snprintf(path, sizeof path, "/v1/history?n=%" PRIu64, values.count);
    if (!bw_api_open(&api, &history_command, &values.api, WAIT_MS, &exit))
        return exit;
    exit = bw_api_show(&api, path, "there is no history to show", values.output, print);
    bw_api_close(&api);
    return exit;
}
