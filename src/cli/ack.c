/* breakwater ack: somebody has seen an alarm. Design 5.2. */
#include "change.h"
#include "verbs.h"

struct ack_values {
    struct bw_change_values change;
    const char *site;
};

static const struct bw_option ack_options[] = {
    BW_CHANGE_OPTIONS(struct ack_values, change),
    BW_OPTION_TEXT(struct ack_values, site, "site", 0, "SITE",
                   "the site that has it; else it is the group's own"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command ack_command = {
    .name = "ack",
    .operands = "GROUP ALARM",
    .operands_min = 2,
    .operands_max = 2,
    .help = "Says that you have seen ALARM of GROUP: it stays in status, with your name and the\n"
            "reason, until what it is about has ended, and is no warning any more. When it\n"
            "begins anew it is loud again; so it is when another witness leads.",
    .options = ack_options,
};

enum bw_exit bw_verb_ack(int argc, char **argv)
{
    struct ack_values values = {0};
    struct bw_operands operands;
    enum bw_exit exit;

    if (!bw_options_parse(&ack_command, argc, argv, &values, &operands, &exit))
        return exit;
    return bw_change_run_alone(&(struct bw_change){
        .command = &ack_command,
        .verb = "ack",
        .group = operands.items[0],
        .word = "yes",
        .done = "it is a warning again when it begins anew",
        .body = json_pack("{s:s, s:s}", "alarm", operands.items[1], "site",
                          values.site != NULL ? values.site : ""),
        .values = &values.change,
    });
}
