/* breakwater apply: the groups of a file, committed by the witnesses. Design 3.9, 5.2. */
#include <inttypes.h>
#include <string.h>

#include <breakwater/config/groups_config.h>
#include <breakwater/config/problems.h>
#include <breakwater/witness/spec_json.h>

#include "api.h"
#include "confirm.h"
#include "verbs.h"

#define WAIT_MS 30000

struct apply_values {
    struct bw_api_values api;
    const char *file;
    const char *initial_primary;
    bool is_plan;
    bool is_yes;
};

static const struct bw_option apply_options[] = {
    BW_OPTION_TEXT(struct apply_values, file, "file", 'f', "FILE", "groups.yaml"),
    BW_OPTION_TEXT(struct apply_values, initial_primary, "initial-primary", 0, "SITE",
                   "where a group that was never granted begins"),
    BW_OPTION_FLAG(struct apply_values, is_plan, "plan", 0, "say what would change, and stop"),
    BW_OPTION_FLAG(struct apply_values, is_yes, "yes", 0, "do not ask for confirmation"),
    BW_API_OPTIONS(struct apply_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command apply_command = {
    .name = "apply",
    .operands = "",
    .help = "Makes the groups of FILE what FILE says: all of them, or none when any has a problem.\n"
            "A key that FILE does not name has its default, mode too. Groups that FILE does not\n"
            "name stay as they are; none is ever deleted. A holder keeps the terms of its epoch.",
    .options = apply_options,
};

/* The body of PUT /v1/groups; NULL after a message. */
static json_t *make_body(const struct bw_groups_config *config, const char *initial_primary,
                         enum bw_exit *out_exit)
{
    json_t *groups = json_array();
    json_t *initial = json_object();
    bool is_whole = true;

    for (uint32_t i = 0; i < config->group_count; i++) {
        const struct bw_spec *spec = &config->groups[i];

        is_whole = is_whole && json_array_append_new(groups, bw_spec_json_encode(spec)) == 0;
        if (initial_primary != NULL && bw_spec_find_site(spec, initial_primary) >= 0)
            is_whole = is_whole && json_object_set_new(initial, spec->name,
                                                       json_string(initial_primary)) == 0;
    }
    if (is_whole && initial_primary != NULL && json_object_size(initial) == 0) {
        *out_exit = bw_usage_error(&apply_command,
                                   "--initial-primary %s: no group of the file has that site",
                                   initial_primary);
        is_whole = false;
    } else if (!is_whole) {
        (void)fputs("error: apply: out of memory, or --initial-primary is not UTF-8\n", stderr);
        *out_exit = BW_EXIT_FAILED;
    }
    if (is_whole)
        return json_pack("{s:o, s:o}", "groups", groups, "initial_primary", initial);
    json_decref(groups);
    json_decref(initial);
    return NULL;
}

static json_t *load_body(const struct apply_values *values, enum bw_exit *out_exit)
{
    struct bw_groups_config *config = NULL;
    struct bw_problems problems;
    json_t *body = NULL;

    *out_exit = BW_EXIT_FAILED;
    bw_problems_init(&problems);
    if (bw_groups_config_load(values->file, 0, &config, &problems) == BW_OK)
        body = make_body(config, values->initial_primary, out_exit);
    bw_problems_print(&problems, "nothing was changed", stderr);
    bw_problems_deinit(&problems);
    bw_groups_config_free(config);
    return body;
}

static void print_value(const json_t *value)
{
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    (void)fputs(json_is_string(value) ? bw_json_shown(value) : text != NULL ? text : "?", stdout);
    free(text);
}

/* Each group with its outcome and what differs. How many differ. */
static size_t print_groups(const json_t *reply, bool is_plan)
{
    size_t count = 0;
    json_t *group;
    size_t i;

    json_array_foreach(json_object_get(reply, "groups"), i, group) {
        const char *outcome = bw_json_member(group, "outcome");
        const char *initial = bw_json_member(group, "initial_primary");
        json_t *change;
        size_t j;

        count += strcmp(outcome, "unchanged") != 0;
        (void)printf("%-10s %s", outcome, bw_json_member(group, "name"));
        if (!is_plan && json_is_integer(json_object_get(group, "index")))
            (void)printf("   index %" PRId64, bw_json_number(group, "index"));
        if (bw_json_member(group, "why")[0] != '\0')
            (void)printf("   %s", bw_json_member(group, "why"));
        (void)putchar('\n');
        json_array_foreach(json_object_get(group, "changes"), j, change) {
            (void)printf("  %s: ", bw_json_member(change, "key"));
            print_value(json_object_get(change, "from"));
            (void)fputs(" -> ", stdout);
            print_value(json_object_get(change, "to"));
            (void)putchar('\n');
        }
        if (initial[0] != '\0')
            (void)printf("  initial primary: %s\n", initial);
    }
    return count;
}

/* Asks what would change. `*out_count`: how many groups. */
static enum bw_exit plan(struct bw_api *api, const json_t *body, size_t *out_count)
{
    struct bw_api_reply reply = {0};
    enum bw_exit exit = bw_api_ask(api, "PUT", "/v1/groups?plan=1", body, &reply);

    if (exit != BW_EXIT_FINE)
        return exit;
    if (reply.status == 200)
        *out_count = print_groups(reply.body, true);
    else
        exit = bw_api_complain(api, &reply);
    bw_api_reply_deinit(&reply);
    return exit;
}

static enum bw_exit commit(struct bw_api *api, const json_t *body)
{
    struct bw_api_reply reply = {0};
    enum bw_exit exit = bw_api_ask(api, "PUT", "/v1/groups", body, &reply);

    if (exit != BW_EXIT_FINE)
        return exit;
    (void)print_groups(reply.body, false);
    if (reply.status != 200)
        exit = bw_api_complain(api, &reply);
    bw_api_reply_deinit(&reply);
    return exit;
}

static enum bw_exit run(struct bw_api *api, const struct apply_values *values, const json_t *body)
{
    size_t count = 0;
    enum bw_exit exit;

    if (values->is_yes && !values->is_plan)
        return commit(api, body);
    exit = plan(api, body, &count);
    if (exit != BW_EXIT_FINE)
        return exit;
    if (values->is_plan || count == 0) {
        (void)puts(count == 0 ? "Nothing to change."
                              : "Nothing was changed. Run again with --yes to do this.");
        return BW_EXIT_FINE;
    }
    if (!bw_confirm(&apply_command, false, "Commit this?", "yes"))
        return BW_EXIT_FAILED;
    return commit(api, body);
}

enum bw_exit bw_verb_apply(int argc, char **argv)
{
    struct apply_values values = {0};
    struct bw_operands operands;
    struct bw_api api;
    enum bw_exit exit;
    json_t *body;

    if (!bw_options_parse(&apply_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (values.file == NULL)
        return bw_usage_error(&apply_command, "needs -f FILE");
    if (!bw_confirm_is_possible(&apply_command, values.is_yes || values.is_plan))
        return BW_EXIT_USAGE;
    body = load_body(&values, &exit);
    if (body == NULL)
        return exit;
    if (bw_api_open(&api, &apply_command, &values.api, WAIT_MS, &exit)) {
        exit = run(&api, &values, body);
        bw_api_close(&api);
    }
    json_decref(body);
    return exit;
}
