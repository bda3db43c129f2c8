/* breakwater switchover: a planned move to another site. Design 3.6. */
#include <breakwater/base/name.h>
#include <breakwater/config/scalar.h>

#include "move.h"
#include "verbs.h"

struct switchover_values {
    struct bw_move_values move;
    const char *to;
    const char *timeout;
    bool accept_outage;
};

static const struct bw_option switchover_options[] = {
    BW_OPTION_TEXT(struct switchover_values, to, "to", 0, "SITE", "the site that takes over"),
    BW_OPTION_TEXT(struct switchover_values, timeout, "timeout", 0, "D",
                   "give up after this (the group's switchover_timeout)"),
    BW_OPTION_FLAG(struct switchover_values, accept_outage, "accept-outage", 0,
                   "with --yes: although perhaps nobody confirms the holder's end"),
    BW_MOVE_OPTIONS(struct switchover_values, move, "why, for the record",
                    "do not ask for confirmation"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command switchover_command = {
    .name = "switchover",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Moves GROUP from its holder to SITE, in order: the holder stops and gives its epoch\n"
            "back, SITE takes over at the same position. Nobody waits for a lease to end, and\n"
            "nothing is lost. A holder whose status says nothing is fenced where nobody confirms\n"
            "its stop; then it asks for the holder's name. Waits for the outcome.",
    .options = switchover_options,
};

enum bw_exit bw_verb_switchover(int argc, char **argv)
{
    struct switchover_values values = {0};
    const char *group;
    uint32_t timeout_ms = 0;
    enum bw_exit exit;

    if (!bw_move_parse(&switchover_command, argc, argv, &values, &group, &exit))
        return exit;
    if (values.to == NULL || !bw_name_is_valid(values.to))
        return bw_usage_error(&switchover_command, "needs --to SITE");
    if (values.timeout != NULL && !bw_duration_parse(values.timeout, &timeout_ms))
        return bw_usage_error(&switchover_command, "--timeout %s: expected a duration such as 2m",
                              values.timeout);
    return bw_move_run(&(struct bw_move){
        .command = &switchover_command,
        .verb = "switchover",
        .group = group,
        .word = "yes",
        .question = "Do this?",
        .body = json_pack("{s:s, s:s*, s:o*, s:o*}", "to", values.to, "reason", values.move.reason,
                          "timeout_ms", values.timeout != NULL ? json_integer(timeout_ms) : NULL,
                          "accept_outage", values.accept_outage ? json_true() : NULL),
        .values = &values.move,
    });
}
