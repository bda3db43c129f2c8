/* breakwater failover: one grant past the policy, when the holder is lost. Design 4. */
#include <breakwater/base/name.h>

#include "move.h"
#include "verbs.h"

struct failover_values {
    struct bw_move_values move;
    const char *to;
    bool accepts_data_loss;
};

static const struct bw_option failover_options[] = {
    BW_OPTION_TEXT(struct failover_values, to, "to", 0, "SITE",
                   "the site that takes over (the best candidate)"),
    BW_OPTION_FLAG(struct failover_values, accepts_data_loss, "accept-data-loss", 0,
                   "even if writes may be lost; with --to also where a rejoin is owed"),
    BW_MOVE_OPTIONS(struct failover_values, move, "why, for the record",
                    "do not ask for confirmation"),
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
    const char *group;
    enum bw_exit exit;

    if (!bw_move_parse(&failover_command, argc, argv, &values, &group, &exit))
        return exit;
    if (values.to != NULL && !bw_name_is_valid(values.to))
        return bw_usage_error(&failover_command, "--to %s: no name of a site", values.to);
    if (values.accepts_data_loss && values.to == NULL)
        return bw_usage_error(&failover_command,
                              "--accept-data-loss needs --to SITE: what is lost is told of one site, and another "
                              "may lack more");
    return bw_move_run(&(struct bw_move){
        .command = &failover_command,
        .verb = "failover",
        .group = group,
        .word = values.accepts_data_loss ? values.to : "yes",
        .question = values.accepts_data_loss ? "Writes may be LOST." : "Do this?",
        .body = json_pack("{s:s*, s:s*, s:b}", "to", values.to, "reason", values.move.reason,
                          "accept_data_loss", values.accepts_data_loss),
        .values = &values.move,
    });
}
