/* breakwater delete: the end of a group. Design 3.9. */
#include "change.h"
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
        "Takes GROUP off the witnesses; its history stays. Every site that is heard is let go: what\n"
        "serves goes on, and nobody guards it. The plan names the sites that have not confirmed that:\n"
        "what serves there when their guard begins is fenced. Asks for the group's name. Refused\n"
        "while a site holds it: `breakwater mode GROUP observe` lets that one go first.",
    .options = delete_options,
};

enum bw_exit bw_verb_delete(int argc, char **argv)
{
    struct delete_values values = {0};
    struct bw_operands operands;
    enum bw_exit exit;

    if (!bw_options_parse(&delete_command, argc, argv, &values, &operands, &exit))
        return exit;
    return bw_change_run_alone(&(struct bw_change){
        .command = &delete_command,
        .verb = "delete",
        .group = operands.items[0],
        .word = operands.items[0],
        .done = "it is gone",
        .body = json_object(),
        .values = &values.change,
    });
}
