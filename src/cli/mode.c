/* breakwater mode: who decides for a group. Design 3.9. */
#include <string.h>

#include <breakwater/base/name.h>
#include <breakwater/core/spec.h>

#include "change.h"
#include "confirm.h"
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

static bool is_mode(const char *word)
{
    for (int mode = 0; mode <= BW_MODE_PAUSED; mode++)
        if (strcmp(word, bw_mode_word((enum bw_mode)mode)) == 0)
            return true;
    return false;
}

enum bw_exit bw_verb_mode(int argc, char **argv)
{
    struct mode_values values = {0};
    struct bw_operands operands;
    struct bw_api api;
    enum bw_exit exit;

    if (!bw_options_parse(&mode_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (!bw_name_is_valid(operands.items[0]))
        return bw_usage_error(&mode_command, "\"%s\" is no name of a group", operands.items[0]);
    if (!is_mode(operands.items[1]))
        return bw_usage_error(&mode_command, "\"%s\": expected auto, manual, paused or observe",
                              operands.items[1]);
    if (!bw_confirm_is_possible(&mode_command, values.change.is_yes || values.change.is_plan))
        return BW_EXIT_USAGE;
    if (!bw_api_open(&api, &mode_command, &values.change.api, BW_CHANGE_WAIT_MS, &exit))
        return exit;
    exit = bw_change_run(
        &api, &(struct bw_change){
                  .command = &mode_command,
                  .verb = "mode",
                  .group = operands.items[0],
                  .word = strcmp(operands.items[1], "observe") == 0 ? operands.items[0] : "yes",
                  .done = operands.items[1],
                  .body = json_pack("{s:s}", "mode", operands.items[1]),
                  .values = &values.change,
              });
    bw_api_close(&api);
    return exit;
}
