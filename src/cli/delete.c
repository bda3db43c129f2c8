/* breakwater delete: the end of a group. Design 3.9. */
#include <breakwater/base/name.h>

#include "change.h"
#include "confirm.h"
#include "verbs.h"

struct delete_values {
    struct bw_change_values change;
};

static const struct bw_option delete_options[] = {
    BW_CHANGE_OPTIONS(struct delete_values, change),
    BW_OPTIONS_END,
};

static const struct bw_cli_command delete_command = {
    .name = "delete",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help =
        "Takes GROUP off the witnesses, its history too. Every site is let go: what serves goes\n"
        "on, and nobody guards it. Asks for the group's name. Refused while a site holds it:\n"
        "`breakwater mode GROUP observe` lets that one go first.",
    .options = delete_options,
};

enum bw_exit bw_verb_delete(int argc, char **argv)
{
    struct delete_values values = {0};
    struct bw_operands operands;
    struct bw_api api;
    enum bw_exit exit;

    if (!bw_options_parse(&delete_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (!bw_name_is_valid(operands.items[0]))
        return bw_usage_error(&delete_command, "\"%s\" is no name of a group", operands.items[0]);
    if (!bw_confirm_is_possible(&delete_command, values.change.is_yes || values.change.is_plan))
        return BW_EXIT_USAGE;
    if (!bw_api_open(&api, &delete_command, &values.change.api, BW_CHANGE_WAIT_MS, &exit))
        return exit;
    exit = bw_change_run(&api, &(struct bw_change){
                                   .command = &delete_command,
                                   .verb = "delete",
                                   .group = operands.items[0],
                                   .word = operands.items[0],
                                   .done = "it is gone",
                                   .body = json_object(),
                                   .values = &values.change,
                               });
    bw_api_close(&api);
    return exit;
}
