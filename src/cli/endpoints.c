/* Which endpoints of the cli file are no witness's any more, and what to write there. Design 3.9. */
#include <stdio.h>
#include <string.h>

#include "api.h"

/* The member that has this address, or that has answered there: names may lead to one place by two ways. */
static bool is_of_a_member(const struct bw_api *api, const struct bw_api_witness *witness)
{
    const char *answered_by = bw_json_member(witness->status, "answered_by");
    const json_t *member;
    size_t i;

    json_array_foreach(json_object_get(api->status, "witnesses"), i, member)
    {
        if (strcmp(bw_json_member(member, "address"), witness->address) == 0 ||
            (answered_by[0] != '\0' &&
             strcmp(bw_json_member(member, "name"), answered_by) == 0))
            return true;
    }
    return false;
}

static void print_list(const struct bw_api *api)
{
    const json_t *member;
    size_t i;

    (void)fprintf(stderr, "  the witnesses now:  endpoints: [");
    json_array_foreach(json_object_get(api->status, "witnesses"), i, member)
        (void)fprintf(stderr, "%s\"%s\"", i > 0 ? ", " : "", bw_json_member(member, "address"));
    (void)fprintf(stderr, "]\n");
}

void bw_api_tell_outdated(const struct bw_api *api)
{
    size_t outdated = 0;

    if (api->config_file[0] == '\0' || api->leader < 0)
        return;
    for (size_t i = 0; i < api->count; i++) {
        const struct bw_api_witness *witness = &api->witnesses[i];

        if (witness->is_learnt || is_of_a_member(api, witness))
            continue;
        (void)fprintf(stderr, "%s%s", outdated == 0 ? "note: no witness has the address " : ", ",
                      witness->address);
        outdated++;
    }
    if (outdated == 0)
        return;
    (void)fprintf(stderr, " (%s)\n", api->config_file);
    print_list(api);
}
