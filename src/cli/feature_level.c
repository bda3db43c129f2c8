/* breakwater feature-level: what everybody knows, and raising it. Design 5.3. */
#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/core/spec.h>
#include <breakwater/witness/json.h>

#include "api.h"
#include "columns.h"
#include "verbs.h"

#define WAIT_MS   10000
#define PATH      "/v1/feature-level"
#define TRY_MS    250
#define QUESTION  "After the raise, older releases cannot take part any more."

struct level_values {
    struct bw_api_values api;
    enum bw_output output;
    struct bw_option_list without;
    const char *reason;
    bool is_plan;
    bool is_yes;
    bool is_accepted;
};

static const struct bw_option show_options[] = {
    BW_OPTION_OUTPUT(struct level_values, output),
    BW_API_OPTIONS(struct level_values, api),
    BW_OPTIONS_END,
};
static const struct bw_option raise_options[] = {
    BW_OPTION_LIST(struct level_values, without, "skip", 0, "NAME",
                   "a witness or site that is not connected; may be repeated"),
    BW_OPTION_TEXT(struct level_values, reason, "reason", 0, "TEXT", "reason, for the record"),
    BW_OPTION_FLAG(struct level_values, is_accepted, "accept", 0,
                   "raise it although at some sites no kill or fence is tested"),
    BW_OPTION_FLAG(struct level_values, is_plan, "plan", 0, "show what would happen, and stop"),
    BW_OPTION_FLAG(struct level_values, is_yes, "yes", 0, "skip the confirmation"),
    BW_OPTION_OUTPUT(struct level_values, output),
    BW_API_OPTIONS(struct level_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command show_command = {
    .name = "feature-level",
    .operands = "",
    .help = "Shows the feature level of the cluster, and the highest level that each witness, agent and\n"
            "guard knows. The cluster uses the features of a newer release after\n"
            "`breakwater feature-level raise`.",
    .options = show_options,
};
static const struct bw_cli_command raise_command = {
    .name = "feature-level raise",
    .operands = "",
    .help = "Raises the feature level by one. Refused if a witness, agent or guard knows only a lower level,\n"
            "or is not connected; the answer names it.",
    .options = raise_options,
};

static json_int_t number(const json_t *value, const char *key)
{
    return json_integer_value(json_object_get(value, key));
}

static void show_table(const json_t *document)
{
    size_t i;
    const json_t *party;

    (void)printf("feature level %lld, the newest that %s knows is %lld\n\n",
                 (long long)number(document, "level"), bw_json_member(document, "witness"),
                 (long long)number(document, "newest"));
    (void)printf("%-8s  %-24s  %s\n", "KIND", "WITNESS OR SITE", "KNOWS");
    json_array_foreach(json_object_get(document, "known_by"), i, party) {
        const json_t *level = json_object_get(party, "level");

        (void)printf("%-8s  %-24s  ", bw_json_member(party, "kind"), bw_json_member(party, "name"));
        if (json_is_integer(level))
            (void)printf("%lld\n", (long long)json_integer_value(level));
        else
            (void)puts("not connected");
    }
}

/* It was taken. It commits at once, or, where its leader is lost, with the next one, or never: whoever answers, what it
 * has applied is committed. */
static enum bw_exit wait_for(struct bw_api *api, json_int_t to)
{
    const uint64_t end_ms = bw_api_now_ms() + api->wait_ms;

    do {
        (void)bw_api_survey(api); /* without a leader there is one again in a moment */
        if (number(api->status, "feature_level") >= to) {
            (void)printf("The feature level is %lld.\n", (long long)to);
            return BW_EXIT_FINE;
        }
        bw_api_pause(TRY_MS);
    } while (bw_api_now_ms() < end_ms);
    (void)fputs("error: the outcome is not known; see breakwater feature-level\n", stderr);
    return BW_EXIT_UNKNOWN;
}

/* 3.3: from that level on time ends only what was proved. Returns how many of its sites are not. */
static size_t tell_unproved(const json_t *group)
{
    const json_t *site;
    size_t count = 0;
    size_t i;

    if (strcmp(bw_json_member(group, "mode"), "observe") == 0)
        return 0;
    json_array_foreach(json_object_get(group, "sites"), i, site) {
        const bool is_remote = strcmp(bw_json_member(site, "reach"), bw_reach_word(BW_REACH_REMOTE)) == 0;
        const bool is_outside = is_remote || strcmp(bw_json_member(site, "reach_seen"), bw_reach_seen_word(BW_REACH_OUTSIDE)) == 0;
        const bool has_second = is_outside && strcmp(bw_json_member(site, "second_enforcer"), bw_second_word(BW_SECOND_IS_NONE)) != 0;

        if (bw_json_truth(site, "reach_proved") || bw_json_truth(site, "second_proved") || (is_remote && !has_second))
            continue;
        count++;
        (void)printf("group %s at %s: the %s was never tested\n", bw_json_member(group, "name"), bw_json_member(site, "name"),
                     has_second ? "fence of the second enforcer" : "kill of this service");
    }
    return count;
}

static bool is_unproved_accepted(struct bw_api *api, const struct level_values *values)
{
    const json_t *group;
    size_t count = 0;
    size_t i;

    (void)bw_api_survey(api); /* without an answer there is nothing to name, and the order fails */
    json_array_foreach(json_object_get(api->status, "groups"), i, group)
        count += tell_unproved(group);
    if (count == 0)
        return true;
    (void)puts("  effect:  when such a site is primary and is lost, an operator has to confirm that it is off\n"
               "  fix:     at the primary, which restarts the service once:  breakwater prove GROUP -c /etc/breakwater/site.yaml\n"
               "           a kill also at a standby, while the service is stopped everywhere:  breakwater-chaos scripts --reach -c "
               "/etc/breakwater/site.yaml");
    if (values->is_accepted || values->is_plan)
        return true;
    (void)fputs("refused: at these sites nothing is tested that ends the service; test it, or raise the level with --accept\n", stderr);
    return false;
}

static enum bw_exit raise_planned(struct bw_api *api, const struct level_values *values,
                                  json_t *body, const json_t *plan)
{
    const json_t *wish = json_object_get(plan, "raise");
    const json_int_t to = number(wish, "to");
    json_t *accepted = NULL;
    enum bw_exit exit;

    if (json_is_null(json_object_get(wish, "to"))) {
        (void)printf("%s\n", bw_json_member(wish, "why"));
        return BW_EXIT_FINE;
    }
    if (!json_is_true(json_object_get(wish, "possible"))) {
        (void)fprintf(stderr, "refused: %s\n", bw_json_member(wish, "why"));
        return BW_EXIT_UNSAFE;
    }
    (void)printf("The feature level would become %lld.\n", (long long)to);
    if (to == BW_PROOF_LEVEL && !is_unproved_accepted(api, values))
        return BW_EXIT_UNSAFE;
    if (values->is_plan)
        return BW_EXIT_FINE;
    if (!bw_api_confirm(api, values->is_yes, QUESTION, "yes"))
        return BW_EXIT_FAILED;
    exit = bw_api_fetch(api, "POST", PATH "/raise", body, &accepted);
    json_decref(accepted);
    return exit == BW_EXIT_FINE ? wait_for(api, to) : exit;
}

static json_t *make_body(const struct level_values *values, json_int_t to)
{
    json_t *names = json_array();

    for (size_t i = 0; i < values->without.count; i++)
        names = bw_json_append(names, json_string(values->without.items[i]));
    return json_pack("{s:I, s:o, s:s*}", "to", to, "without", names, "reason", values->reason);
}

static enum bw_exit raise_level(struct bw_api *api, const struct level_values *values)
{
    json_t *now = NULL;
    json_t *plan = NULL;
    json_t *body = NULL;
    enum bw_exit exit = bw_api_fetch(api, "GET", PATH, NULL, &now);

    if (exit != BW_EXIT_FINE)
        return exit;
    body = make_body(values, number(now, "level") + 1);
    json_decref(now);
    if (body == NULL)
        return bw_usage_error(&raise_command, "--skip or --reason is not UTF-8");
    exit = bw_api_fetch(api, "POST", PATH "/raise?plan=1", body, &plan);
    if (exit == BW_EXIT_FINE && values->output == BW_OUTPUT_JSON && values->is_plan)
        exit = bw_json_print(plan);
    else if (exit == BW_EXIT_FINE)
        exit = raise_planned(api, values, body, plan);
    json_decref(plan);
    json_decref(body);
    return exit;
}

enum bw_exit bw_verb_feature_level(int argc, char **argv)
{
    const bool is_raise = argc > 1 && strcmp(argv[1], "raise") == 0;
    const struct bw_cli_command *command = is_raise ? &raise_command : &show_command;
    struct level_values values = {.output = BW_OUTPUT_TABLE};
    struct bw_operands operands;
    struct bw_api api;
    enum bw_exit exit;

    if (!bw_options_parse(command, argc - is_raise, argv + is_raise, &values, &operands, &exit))
        return exit;
    if (is_raise && !bw_confirm_is_possible(command, values.is_yes || values.is_plan))
        return BW_EXIT_USAGE;
    if (!bw_api_open(&api, command, &values.api, WAIT_MS, &exit))
        return exit;
    exit = is_raise ? raise_level(&api, &values)
                    : bw_api_show(&api, PATH, NULL, values.output, show_table);
    bw_api_close(&api);
    return exit;
}
