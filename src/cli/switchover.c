/* breakwater switchover: a planned move to another site. Design 3.6. */
#include <breakwater/base/name.h>
#include <breakwater/config/scalar.h>

#include "confirm.h"
#include "move.h"
#include "verbs.h"

#define WAIT_MS (10 * 60 * 1000)

struct switchover_values {
    struct bw_api_values api;
    const char *to;
    const char *timeout;
    const char *reason;
    bool is_plan;
    bool is_yes;
    bool is_no_wait;
};

static const struct bw_option switchover_options[] = {
    BW_OPTION_TEXT(struct switchover_values, to, "to", 0, "SITE", "the site that takes over"),
    BW_OPTION_TEXT(struct switchover_values, timeout, "timeout", 0, "D",
                   "give up after this (the group's switchover_timeout)"),
    BW_OPTION_TEXT(struct switchover_values, reason, "reason", 0, "TEXT", "why, for the record"),
    BW_OPTION_FLAG(struct switchover_values, is_plan, "plan", 0, "say what would happen, and stop"),
    BW_OPTION_FLAG(struct switchover_values, is_yes, "yes", 0, "do not ask for confirmation"),
    BW_OPTION_FLAG(struct switchover_values, is_no_wait, "no-wait", 0,
                   "do not wait for the outcome"),
    BW_API_OPTIONS(struct switchover_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command switchover_command = {
    .name = "switchover",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Moves GROUP from its holder to SITE, in order: the holder stops and gives its epoch\n"
            "back, SITE takes over at the same position. Nobody waits for a lease to end, and\n"
            "nothing is lost. Waits for the outcome.",
    .options = switchover_options,
};

enum bw_exit bw_verb_switchover(int argc, char **argv)
{
    struct switchover_values values = {0};
    struct bw_operands operands;
    uint32_t timeout_ms = 0;
    struct bw_api api;
    enum bw_exit exit;
    json_t *body;

    if (!bw_options_parse(&switchover_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (!bw_name_is_valid(operands.items[0]))
        return bw_usage_error(&switchover_command, "\"%s\" is no name of a group",
                              operands.items[0]);
    if (values.to == NULL || !bw_name_is_valid(values.to))
        return bw_usage_error(&switchover_command, "needs --to SITE");
    if (values.timeout != NULL && !bw_duration_parse(values.timeout, &timeout_ms))
        return bw_usage_error(&switchover_command, "--timeout %s: expected a duration such as 2m",
                              values.timeout);
    if (!bw_confirm_is_possible(&switchover_command, values.is_yes || values.is_plan))
        return BW_EXIT_USAGE;
    body = json_pack("{s:s, s:s*, s:o*}", "to", values.to, "reason", values.reason, "timeout_ms",
                     values.timeout != NULL ? json_integer(timeout_ms) : NULL);
    if (body == NULL)
        return bw_usage_error(&switchover_command, "--reason is not UTF-8");
    if (bw_api_open(&api, &switchover_command, &values.api, WAIT_MS, &exit)) {
        exit = bw_move_run(&api, &(struct bw_move){.command = &switchover_command,
                                                   .verb = "switchover",
                                                   .group = operands.items[0],
                                                   .word = "yes",
                                                   .question = "Do this?",
                                                   .body = body,
                                                   .is_plan = values.is_plan,
                                                   .is_yes = values.is_yes,
                                                   .is_no_wait = values.is_no_wait});
        bw_api_close(&api);
    }
    json_decref(body);
    return exit;
}
