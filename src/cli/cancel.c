/* breakwater cancel: what a person has asked for is taken back. Design 3.6, 4. */
#include "change.h"
#include "verbs.h"

struct cancel_values {
    struct bw_change_values change;
};

static const struct bw_option cancel_options[] = {
    BW_CHANGE_OPTIONS(struct cancel_values, change),
    BW_OPTIONS_END,
};

static const struct bw_cli_command cancel_command = {
    .name = "cancel",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Takes back what was asked for of GROUP and still waits: a switchover, a failover, a\n"
            "force-release. A move that is on its way is given up as long as its site has not\n"
            "begun to stop the service.",
    .options = cancel_options,
};

enum bw_exit bw_verb_cancel(int argc, char **argv)
{
    struct cancel_values values = {0};
    struct bw_operands operands;
    enum bw_exit exit;

    if (!bw_options_parse(&cancel_command, argc, argv, &values, &operands, &exit))
        return exit;
    return bw_change_run_alone(&(struct bw_change){
        .command = &cancel_command,
        .verb = "cancel",
        .group = operands.items[0],
        .word = "yes",
        .done = "nothing that was asked for waits any more",
        .body = json_object(),
        .values = &values.change,
    });
}
