/* breakwater explain: the leader's own evaluation, gate by gate. Design 4. */
#include <inttypes.h>
#include <string.h>

#include <breakwater/base/name.h>

#include "api.h"
#include "text_table.h"
#include "verbs.h"

#define WAIT_MS 5000

struct explain_values {
    struct bw_api_values api;
    enum bw_output output;
    bool is_all;
};

static const struct bw_option explain_options[] = {
    BW_OPTION_OUTPUT(struct explain_values, output),
    BW_OPTION_FLAG(struct explain_values, is_all, "all", 0, "also the gates that pass"),
    BW_API_OPTIONS(struct explain_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command explain_command = {
    .name = "explain",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Shows what the leader looks at before it acts, in its own order, and what keeps it\n"
            "from acting; then, for each site, what keeps it from being granted.\n"
            "The evaluation is the one that it decides by.",
    .options = explain_options,
};

static enum bw_exit run(struct bw_api *api, const char *group, const struct explain_values *values)
{
    struct bw_api_reply reply = {0};
    char path[128];
    enum bw_exit exit;

    (void)snprintf(path, sizeof path, "/v1/groups/%s/explain", group);
    exit = bw_api_ask(api, "GET", path, NULL, &reply);
    if (exit != BW_EXIT_FINE)
        return exit;
    if (reply.status != 200)
        exit = bw_api_complain(api, &reply);
    else if (values->output == BW_OUTPUT_TABLE)
        bw_show_explain(reply.body, values->is_all, stdout);
    else if (json_dumpf(reply.body, stdout, JSON_INDENT(2)) != 0 || putchar('\n') == EOF)
        exit = BW_EXIT_FAILED;
    bw_api_reply_deinit(&reply);
    return exit;
}

enum bw_exit bw_verb_explain(int argc, char **argv)
{
    struct explain_values values = {.output = BW_OUTPUT_TABLE};
    struct bw_operands operands;
    struct bw_api api;
    enum bw_exit exit;

    if (!bw_options_parse(&explain_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (!bw_name_is_valid(operands.items[0]))
        return bw_usage_error(&explain_command, "\"%s\" is no name of a group", operands.items[0]);
    if (!bw_api_open(&api, &explain_command, &values.api, WAIT_MS, &exit))
        return exit;
    exit = run(&api, operands.items[0], &values);
    bw_api_close(&api);
    return exit;
}
