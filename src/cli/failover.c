/* breakwater failover: one grant past the policy, when the holder is lost. Design 4. */
#include <breakwater/base/name.h>

#include "confirm.h"
#include "move.h"
#include "verbs.h"

#define WAIT_MS (10 * 60 * 1000)

struct failover_values {
    struct bw_api_values api;
    const char *to;
    const char *reason;
    bool accepts_data_loss;
    bool is_plan;
    bool is_yes;
    bool is_no_wait;
};

static const struct bw_option failover_options[] = {
    BW_OPTION_TEXT(struct failover_values, to, "to", 0, "SITE",
                   "the site that takes over (the best candidate)"),
    BW_OPTION_FLAG(struct failover_values, accepts_data_loss, "accept-data-loss", 0,
                   "even if writes may be lost; with --to also where a rejoin is owed"),
    BW_OPTION_TEXT(struct failover_values, reason, "reason", 0, "TEXT", "why, for the record"),
    BW_OPTION_FLAG(struct failover_values, is_plan, "plan", 0, "say what would happen, and stop"),
    BW_OPTION_FLAG(struct failover_values, is_yes, "yes", 0, "do not ask for confirmation"),
    BW_OPTION_FLAG(struct failover_values, is_no_wait, "no-wait", 0, "do not wait for the outcome"),
    BW_API_OPTIONS(struct failover_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command failover_command = {
    .name = "failover",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Has GROUP granted once past its policy (lag, damping, mode), when no site holds it or\n"
            "the holder is lost. It never shortens the wait for a lease to end; with a holder\n"
            "that is alive use switchover. Waits for the outcome.",
    .options = failover_options,
};

enum bw_exit bw_verb_failover(int argc, char **argv)
{
    struct failover_values values = {0};
    struct bw_operands operands;
    struct bw_api api;
    enum bw_exit exit;
    json_t *body;

    if (!bw_options_parse(&failover_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (!bw_name_is_valid(operands.items[0]))
        return bw_usage_error(&failover_command, "\"%s\" is no name of a group", operands.items[0]);
    if (values.to != NULL && !bw_name_is_valid(values.to))
        return bw_usage_error(&failover_command, "--to %s: no name of a site", values.to);
    if (!bw_confirm_is_possible(&failover_command, values.is_yes || values.is_plan))
        return BW_EXIT_USAGE;
    body = json_pack("{s:s*, s:s*, s:b}", "to", values.to, "reason", values.reason,
                     "accept_data_loss", values.accepts_data_loss);
    if (body == NULL)
        return bw_usage_error(&failover_command, "--reason is not UTF-8");
    if (bw_api_open(&api, &failover_command, &values.api, WAIT_MS, &exit)) {
        const char *site = values.to != NULL ? values.to : operands.items[0];

        exit = bw_move_run(
            &api, &(struct bw_move){.command = &failover_command,
                                    .verb = "failover",
                                    .group = operands.items[0],
                                    .word = values.accepts_data_loss ? site : "yes",
                                    .question = values.accepts_data_loss ? "Writes may be LOST."
                                                                         : "Do this?",
                                    .body = body,
                                    .is_plan = values.is_plan,
                                    .is_yes = values.is_yes,
                                    .is_no_wait = values.is_no_wait});
        bw_api_close(&api);
    }
    json_decref(body);
    return exit;
}
