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
    BW_OPTION_FLAG(struct explain_values, is_all, "all", 0, "also the conditions that are met, and those of a calm group"),
    BW_OPTION_TEXT(struct explain_values, rule, "rule", 0, "ID[,ID...]",
                   "the meaning of a word below BLOCKED BY, or of a rule"),
    BW_OPTION_FLAG(struct explain_values, is_rules, "rules", 0, "the meaning of all of them"),
    BW_API_OPTIONS(struct explain_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command explain_command = {
    .name = "explain",
    .operands = "[GROUP]",
    .operands_max = 1,
    .help = "Shows why the leader acts or waits: each condition that is not met, with the values that\n"
            "it decides by; then, for each site, what blocks an automatic failover to it.\n"
            "--rule ID explains one word, with what to do. --rule and --rules need no witness.",
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

static void add_rule(json_t *list, const struct bw_rule *rule)
{
    (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "id", rule->id, "kind", "rule", "section",
                                                rule->section, "sentence", rule->sentence));
}

static void add_gate(json_t *list, enum bw_gate_id id)
{
    char texts[BW_GATE_FIX + 1][256];

    for (enum bw_gate_text which = 0; which <= BW_GATE_FIX; which++)
        bw_gate_describe(id, which, NULL, NULL, texts[which], sizeof texts[which]);
    (void)json_array_append_new(
        list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", bw_gate_id_text(id), "kind", "gate", "section", "4",
                        "sentence", texts[BW_GATE_PASSES], "blocked_by", bw_gate_word(id), "problem",
                        texts[BW_GATE_PROBLEM], "fix", texts[BW_GATE_FIX]));
}

/* `wanted`: the first `size` bytes of it, a gate's old word or its new one; NULL: all rules and gates. False: there is
 * none. */
static bool add_meanings(json_t *list, const char *wanted, size_t size)
{
    const size_t before = json_array_size(list);
    size_t count;
    const struct bw_rule *rules = bw_rules(&count);

    for (size_t i = 0; i < count; i++)
        if (wanted == NULL || is_word(rules[i].id, wanted, size))
            add_rule(list, &rules[i]);
    for (enum bw_gate_id id = 0; id < BW_GATE_ID_COUNT; id++)
        if (wanted == NULL || is_word(bw_gate_word(id), wanted, size) || is_word(bw_gate_id_text(id), wanted, size))
            add_gate(list, id);
    return json_array_size(list) > before;
}

static void print_meanings(const json_t *list)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (json_object_get(one, "fix") == NULL)
            (void)printf("%s (rule, design %s): %s\n", bw_json_member(one, "id"), bw_json_member(one, "section"),
                         bw_json_member(one, "sentence"));
        else
            (void)printf("%s (in why_not: %s)\n"
                         "  text:   %s\n"
                         "  means:  blocks until %s\n"
                         "  do:     %s\n",
                         bw_json_member(one, "blocked_by"), bw_json_member(one, "id"), bw_json_member(one, "problem"),
                         bw_json_member(one, "sentence"), bw_json_member(one, "fix"));
    }
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
