/* breakwater report: one failover, moment by moment. Design 3.1. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/name.h>

#include "api.h"
#include "columns.h"
#include "verbs.h"

#define WAIT_MS 5000

struct report_values {
    struct bw_api_values api;
    enum bw_output output;
};

static const struct bw_option report_options[] = {
    BW_OPTION_OUTPUT(struct report_values, output),
    BW_API_OPTIONS(struct report_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command report_command = {
    .name = "report",
    .operands = "GROUP [EPOCH]",
    .operands_min = 1,
    .operands_max = 2,
    .help =
        "Shows the change to the newest epoch of GROUP, or to EPOCH, as a time line: the loss or the\n"
        "stop of the primary before, the end of its epoch, the new primary and its start. Below it:\n"
        "how long no site served, how much data may be lost, which conditions an operator bypassed,\n"
        "and what blocked the other sites. Any witness answers.",
    .options = report_options,
};

/* The number of an epoch: digits alone. */
static bool is_epoch(const char *text)
{
    const size_t size = strlen(text);

    return size > 0 && size <= 19 && strspn(text, "0123456789") == size && strspn(text, "0") < size;
}

static void print(const json_t *report)
{
    bw_show_report(report, stdout);
}

enum bw_exit bw_verb_report(int argc, char **argv)
{
    struct report_values values = {.output = BW_OUTPUT_TABLE};
    struct bw_operands operands;
    char path[192];
    struct bw_api api;
    enum bw_exit exit;

    if (!bw_options_parse(&report_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (!bw_name_is_valid(operands.items[0]))
        return bw_usage_error(&report_command, "\"%s\" is no name of a group", operands.items[0]);
    if (operands.count > 1 && !is_epoch(operands.items[1]))
        return bw_usage_error(&report_command, "\"%s\" is no epoch; history has their numbers",
                              operands.items[1]);
    (void)snprintf(path, sizeof path, "/v1/groups/%s/report%s%s", operands.items[0],
                   operands.count > 1 ? "?epoch=" : "",
                   operands.count > 1 ? operands.items[1] : "");
    if (!bw_api_open(&api, &report_command, &values.api, WAIT_MS, &exit))
        return exit;
    exit = bw_api_show(&api, path, "there is no report to show", values.output, print);
    bw_api_close(&api);
    return exit;
}
