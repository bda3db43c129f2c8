/* breakwater groups: what was applied, in the form that apply reads. Design 5.2. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/name.h>
#include <breakwater/config/scalar.h>
#include <breakwater/core/spec_keys.h>
#include <breakwater/witness/json.h>

#include "api.h"
#include "verbs.h"

#define WAIT_MS 10000

struct groups_values {
    struct bw_api_values api;
    enum bw_output output;
};

static const struct bw_option groups_options[] = {
    BW_OPTION_OUTPUT(struct groups_values, output),
    BW_API_OPTIONS(struct groups_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command groups_command = {
    .name = "groups",
    .operands = "[GROUP]...",
    .operands_max = SIZE_MAX,
    .help =
        "Prints the groups as the witnesses have them, or only those named, as a file for\n"
        "`breakwater apply -f`. The file has every key, also those with a default value, and the version\n"
        "of each group: `apply` rejects the file if another operator has changed the group since.",
    .options = groups_options,
};

/* What a number means that is no quantity. */
static const char *word_of(const char *key, const json_t *value)
{
    if (!json_is_integer(value) || json_integer_value(value) != 0)
        return NULL;
    if (strcmp(key, "failback_ms") == 0 || strcmp(key, "unhealthy_after_ms") == 0)
        return "never";
    return strcmp(key, "max_failovers_per_window") == 0 ? "unlimited" : NULL;
}

/* Returns the key of the file for a member. */
static const char *key_of(const char *json)
{
    for (size_t i = 0; i < BW_SPEC_KEY_COUNT; i++)
        if (strcmp(bw_spec_keys[i].json, json) == 0)
            return bw_spec_keys[i].word;
    return strcmp(json, "candidate") == 0 ? "failover_candidate" : json;
}

/* Names and words need no quotes in YAML; a name that reads as something else there gets them. */
static void print_scalar(const char *key, const json_t *value)
{
    static const char unit[] = "_ms";
    const size_t length = strlen(key);
    const bool is_time = length > sizeof unit - 1 &&
                         strcmp(key + length - (sizeof unit - 1), unit) == 0;
    char text[BW_DURATION_TEXT_BYTES];

    (void)printf("%s: ", key_of(key));
    if (strcmp(key, "candidate") == 0) {
        (void)puts(strcmp(json_string_value(value), "never") == 0 ? "false" : "true");
    } else if (word_of(key, value) != NULL) {
        (void)puts(word_of(key, value));
    } else if (is_time) {
        bw_duration_format((uint32_t)json_integer_value(value), text);
        (void)puts(text);
    } else if (json_is_integer(value)) {
        (void)printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
    } else if (json_is_boolean(value)) {
        (void)puts(json_is_true(value) ? "true" : "false");
    } else if (strcmp(key, "name") == 0) {
        (void)printf("\"%s\"\n", json_string_value(value)); /* a checked name: nothing to escape */
    } else {
        (void)puts(json_string_value(value));
    }
}

static void print_sites(json_t *sites)
{
    json_t *site;
    json_t *value;
    const char *key;
    size_t i;

    (void)puts("    sites:");
    json_array_foreach(sites, i, site)
    {
        const char *lead = "      - ";

        json_object_foreach(site, key, value)
        {
            (void)fputs(lead, stdout);
            print_scalar(key, value);
            lead = "        ";
        }
    }
}

static void print_spec(json_t *spec, const json_t *version)
{
    const char *key;
    json_t *value;

    (void)printf("  - name: \"%s\"\n", bw_json_member(spec, "name"));
    (void)printf("    version: %" JSON_INTEGER_FORMAT "\n", json_integer_value(version));
    print_sites(json_object_get(spec, "sites"));
    json_object_foreach(spec, key, value)
    {
        if (json_is_array(value) || strcmp(key, "name") == 0)
            continue;
        (void)fputs("    ", stdout);
        print_scalar(key, value);
    }
}

static bool is_named(const struct bw_operands *operands, const char *group)
{
    for (size_t i = 0; i < operands->count; i++)
        if (strcmp(operands->items[i], group) == 0)
            return true;
    return operands->count == 0;
}

/* All that are named are there; else the first that is not was told. */
static bool are_there(json_t *groups, const struct bw_operands *operands)
{
    for (size_t i = 0; i < operands->count; i++) {
        if (bw_json_find(groups, "name", operands->items[i]) != NULL)
            continue;
        (void)fprintf(stderr,
                      "error: groups: there is no group \"%s\"\n  see:  breakwater status\n",
                      operands->items[i]);
        return false;
    }
    return true;
}

static void print_groups(json_t *groups, const struct bw_operands *operands)
{
    json_t *group;
    size_t i;

    (void)puts(json_array_size(groups) == 0 ? "groups: []" : "groups:");
    json_array_foreach(groups, i, group)
    {
        if (is_named(operands, bw_json_member(group, "name")))
            print_spec(json_object_get(group, "spec"), json_object_get(group, "spec_version"));
    }
}

enum bw_exit bw_verb_groups(int argc, char **argv)
{
    struct groups_values values = {.output = BW_OUTPUT_TABLE};
    struct bw_operands operands;
    json_t *document = NULL;
    struct bw_api api;
    enum bw_exit exit;

    if (!bw_options_parse(&groups_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (!bw_api_open(&api, &groups_command, &values.api, WAIT_MS, &exit))
        return exit;
    exit = bw_api_fetch(&api, "GET", "/v1/groups", NULL, &document);
    if (exit == BW_EXIT_FINE && !are_there(json_object_get(document, "groups"), &operands))
        exit = BW_EXIT_FAILED;
    else if (exit == BW_EXIT_FINE && values.output == BW_OUTPUT_JSON)
        exit = bw_json_print(document);
    else if (exit == BW_EXIT_FINE)
        print_groups(json_object_get(document, "groups"), &operands);
    json_decref(document);
    bw_api_close(&api);
    return exit;
}
