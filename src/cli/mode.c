/* breakwater mode: who decides for a group. Design 3.9. */
#include <breakwater/core/spec.h>

#include "change.h"
#include "verbs.h"

struct mode_values {
    struct bw_change_values change;
};

static const struct bw_option mode_options[] = {
    BW_CHANGE_OPTIONS(struct mode_values, change),
    BW_OPTIONS_END,
};

static const struct bw_cli_command mode_command = {
    .name = "mode",
    .operands = "GROUP auto|manual|paused|observe",
    .operands_min = 2,
    .operands_max = 2,
    .help = "Says who decides for GROUP: its policy (auto), a person by switchover and failover\n"
            "(manual), nobody while leases and fences stay in force (paused), or nobody at all:\n"
            "observe lets every site go, leaves the service as it is, and only looks on.\n"
            "The file that GROUP was applied from has a mode, too: apply sets that one again.",
    .options = mode_options,
};

enum bw_exit bw_verb_mode(int argc, char **argv)
{
    struct mode_values values = {0};
    struct bw_operands operands;
    enum bw_mode mode;
    enum bw_exit exit;

    if (!bw_options_parse(&mode_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (!bw_mode_parse(operands.items[1], &mode))
        return bw_usage_error(&mode_command, "\"%s\": expected auto, manual, paused or observe",
                              operands.items[1]);
    return bw_change_run_alone(&(struct bw_change){
        .command = &mode_command,
        .verb = "mode",
        .group = operands.items[0],
        .word = mode == BW_MODE_OBSERVE ? operands.items[0] : "yes",
        .done = bw_mode_word(mode),
        .body = json_pack("{s:s}", "mode", bw_mode_word(mode)),
        .values = &values.change,
    });
}
