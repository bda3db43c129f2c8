/* breakwater people: who may do what, in the form that apply reads. Design 5.3. */
#include <inttypes.h>
#include <stdio.h>

#include "api.h"
#include "verbs.h"

#define WAIT_MS 10000

struct people_values {
    struct bw_api_values api;
    enum bw_output output;
};

static const struct bw_option people_options[] = {
    BW_OPTION_OUTPUT(struct people_values, output),
    BW_API_OPTIONS(struct people_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command people_command = {
    .name = "people",
    .operands = "",
    .help = "Prints the rights of operators and viewers, as a file for `breakwater apply -f`. Until a list\n"
            "is applied, prints the list in the leader's file.",
    .options = people_options,
};

static void print_person(json_t *person)
{
    json_t *groups = json_object_get(person, "groups");
    json_t *group;
    size_t i;

    (void)printf("  - name: \"%s\"\n", bw_json_member(person, "name"));
    if (groups == NULL)
        return;
    (void)fputs("    groups: [", stdout);
    json_array_foreach(groups, i, group) {
        (void)printf("%s\"%s\"", i > 0 ? ", " : "", bw_json_shown(group));
    }
    (void)puts("]");
}

static void print_people(const json_t *document)
{
    json_t *people = json_object_get(document, "people");
    json_t *person;
    size_t i;

    if (bw_json_number(document, "version") > 0)
        (void)printf("# applied, version %" PRId64 "\n", bw_json_number(document, "version"));
    else if (json_array_size(people) > 0)
        (void)printf("# not applied: from the file of %s\n", bw_json_member(document, "witness"));
    else
        (void)puts("# no list: every operator and viewer with a certificate of the cluster has all rights of the "
                   "role");
    (void)puts(json_array_size(people) > 0 ? "people:" : "people: []");
    json_array_foreach(people, i, person) {
        print_person(person);
    }
}

enum bw_exit bw_verb_people(int argc, char **argv)
{
    struct people_values values = {.output = BW_OUTPUT_TABLE};
    struct bw_operands operands;
    struct bw_api api;
    enum bw_exit exit;

    if (!bw_options_parse(&people_command, argc, argv, &values, &operands, &exit) ||
        !bw_api_open(&api, &people_command, &values.api, WAIT_MS, &exit))
        return exit;
    exit = bw_api_show(&api, "/v1/people", NULL, values.output, print_people);
    bw_api_close(&api);
    return exit;
}
