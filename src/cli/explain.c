/* breakwater explain: the leader's own evaluation, gate by gate; what its ids mean. Design 4. */
#include <string.h>
#include <strings.h>

#include <breakwater/base/name.h>
#include <breakwater/core/explain.h>
#include <breakwater/core/rules.h>

#include "api.h"
#include "columns.h"
#include "verbs.h"

#define WAIT_MS 5000

struct explain_values {
    struct bw_api_values api;
    enum bw_output output;
    bool is_all;
    const char *rule;
    bool is_rules;
};

static const struct bw_option explain_options[] = {
    BW_OPTION_OUTPUT(struct explain_values, output),
    BW_OPTION_FLAG(struct explain_values, is_all, "all", 0, "also the gates that pass"),
    BW_OPTION_TEXT(struct explain_values, rule, "rule", 0, "ID[,ID...]",
                   "what a rule or a gate means"),
    BW_OPTION_FLAG(struct explain_values, is_rules, "rules", 0, "what all of them mean"),
    BW_API_OPTIONS(struct explain_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command explain_command = {
    .name = "explain",
    .operands = "[GROUP]",
    .operands_max = 1,
    .help = "Shows what the leader looks at before it acts, in its own order, and what keeps it\n"
            "from acting; then, for each site, what keeps it from being granted.\n"
            "The evaluation is the one that it decides by. With --rule or --rules it asks nobody.",
    .options = explain_options,
};

static enum bw_exit run(struct bw_api *api, const char *group, const struct explain_values *values)
{
    json_t *explanation;
    char path[128];
    enum bw_exit exit;

    (void)snprintf(path, sizeof path, "/v1/groups/%s/explain", group);
    exit = bw_api_fetch(api, "GET", path, NULL, &explanation);
    if (exit != BW_EXIT_FINE)
        return exit;
    if (values->output == BW_OUTPUT_TABLE)
        bw_show_explain(explanation, values->is_all, stdout);
    else
        exit = bw_json_print(explanation);
    json_decref(explanation);
    return exit;
}

/* ---- what a rule means ----------------------------------------------------------------------- */

static bool is_word(const char *id, const char *word, size_t size)
{
    return strlen(id) == size && strncasecmp(id, word, size) == 0;
}

static void add(json_t *list, const char *kind, const char *id, const char *section,
                const char *sentence)
{
    (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "id", id, "kind", kind,
                                                "section", section, "sentence", sentence));
}

/* `wanted`: the first `size` bytes of it; NULL: all rules and gates. False: there is none. */
static bool add_meanings(json_t *list, const char *wanted, size_t size)
{
    const size_t before = json_array_size(list);
    size_t count;
    const struct bw_rule *rules = bw_rules(&count);

    for (size_t i = 0; i < count; i++)
        if (wanted == NULL || is_word(rules[i].id, wanted, size))
            add(list, "rule", rules[i].id, rules[i].section, rules[i].sentence);
    for (int i = 0; i < BW_GATE_ID_COUNT; i++) {
        const char *id = bw_gate_id_text((enum bw_gate_id)i);

        if (wanted == NULL || is_word(id, wanted, size))
            add(list, "gate", id, "4", bw_gate_meaning(id));
    }
    return json_array_size(list) > before;
}

static void print_meanings(const json_t *list)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
        (void)printf("%s (%s, design %s): %s\n", bw_json_member(one, "id"),
                     bw_json_member(one, "kind"), bw_json_member(one, "section"),
                     bw_json_member(one, "sentence"));
}

static enum bw_exit explain_rules(const struct explain_values *values)
{
    json_t *list = json_array();
    json_t *document = json_pack("{s:s, s:o}", "schema", "breakwater.rules/v1", "rules", list);
    const char *wanted = values->rule;
    enum bw_exit exit = BW_EXIT_FINE;

    do {
        const size_t size = wanted != NULL ? strcspn(wanted, ",") : 0;

        if (!add_meanings(list, wanted, size)) {
            exit = bw_usage_error(&explain_command, "--rule %.*s: no such rule or gate; "
                                  "`breakwater explain --rules` lists them", (int)size, wanted);
            break;
        }
        wanted = wanted != NULL && wanted[size] != '\0' ? wanted + size + 1 : NULL;
    } while (wanted != NULL);
    if (exit == BW_EXIT_FINE && values->output == BW_OUTPUT_JSON)
        exit = bw_json_print(document);
    else if (exit == BW_EXIT_FINE)
        print_meanings(list);
    json_decref(document);
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
    if ((values.rule != NULL) + values.is_rules + (operands.count > 0) != 1)
        return bw_usage_error(&explain_command, "needs one of GROUP, --rule ID, --rules");
    if (operands.count == 0)
        return explain_rules(&values);
    if (!bw_name_is_valid(operands.items[0]))
        return bw_usage_error(&explain_command, "\"%s\" is no name of a group", operands.items[0]);
    if (!bw_api_open(&api, &explain_command, &values.api, WAIT_MS, &exit))
        return exit;
    exit = run(&api, operands.items[0], &values);
    bw_api_close(&api);
    return exit;
}
