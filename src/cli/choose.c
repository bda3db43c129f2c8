/* Who of the witnesses that answered is believed, and who of them leads. Design 3.9. */
#include "api.h"

#include <stdio.h>
#include <string.h>

#include <breakwater/base/utf8.h>
#include <breakwater/core/counters.h>

/* ---- what of an answer a text names ---- */

/* What of an answer a text names. Design 5.2. */

static bool is(const json_t *value, const char *text)
{
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

bool bw_json_has(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (is(json_array_get(list, i), text))
            return true;
    return false;
}

json_t *bw_json_find(const json_t *list, const char *key, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);

        if (is(json_object_get(item, key), text))
            return item;
    }
    return NULL;
}

json_t *bw_json_find_group(const json_t *status, const char *name)
{
    return bw_json_find(json_object_get(status, "groups"), "name", name);
}

const json_t *bw_json_find_holder(const json_t *group)
{
    return bw_json_find(json_object_get(group, "sites"), "name", bw_json_member(group, "holder"));
}

/* ---- endpoints ---- */

/* Which endpoints of the cli file are no witness's any more, and what to write there. Design 3.9. */

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

/* ---- which witness answers ---- */

static bool is_of_cluster(const json_t *status, const json_t *cluster_id)
{
    return status != NULL && json_equal(json_object_get(status, "cluster_id"), cluster_id);
}

/* One that a site of the cluster would take: of those that answer the lowest may be what it follows. */
static bool may_be(const struct bw_api *api, const json_t *status)
{
    const json_t *cluster_id = json_object_get(status, "cluster_id");
    const int64_t generation = bw_json_number(status, "generation");
    int64_t lowest = generation;

    for (size_t i = 0; i < api->count; i++)
        if (is_of_cluster(api->witnesses[i].status, cluster_id) &&
            bw_json_number(api->witnesses[i].status, "generation") < lowest)
            lowest = bw_json_number(api->witnesses[i].status, "generation");
    return lowest >= 0 && bw_generation_may_follow((uint64_t)lowest, (uint64_t)generation);
}

/* The highest generation of the cluster of `status` in which one of them leads, as a site takes it (3.9); 0: none. */
static int64_t newest_generation(const struct bw_api *api, const json_t *status)
{
    const json_t *cluster_id = json_object_get(status, "cluster_id");
    int64_t newest = 0;

    for (size_t i = 0; i < api->count; i++) {
        const json_t *other = api->witnesses[i].status;
        const int64_t generation = bw_json_number(other, "generation");

        if (generation > newest && bw_json_truth(other, "leads") && is_of_cluster(other, cluster_id) && may_be(api, other))
            newest = generation;
    }
    return newest;
}

static void drop(struct bw_api_witness *witness, int64_t newest)
{
    const long long generation = (long long)bw_json_number(witness->status, "generation");
    const char *name = bw_json_member(witness->status, "answered_by");

    if (generation < newest)
        (void)snprintf(witness->why, sizeof witness->why,
                       "%s was left behind by a recovery (it runs in generation %lld, the cluster in %lld): stop it",
                       name, generation, (long long)newest);
    else
        (void)snprintf(witness->why, sizeof witness->why,
                       "%s reports generation %lld, which is too far above the cluster's %lld: no site follows it; "
                       "it was made up",
                       name, generation, (long long)newest);
    json_decref(witness->status);
    witness->status = NULL;
    witness->err = BW_ERR_REFUSED;
    witness->is_left_behind = true;
}

/* No site obeys it, whatever its term is: of a lower generation, or of one that no site takes. */
static void drop_unheard(struct bw_api *api)
{
    int64_t newest[BW_API_WITNESSES_MAX] = {0};
    bool is_above[BW_API_WITNESSES_MAX] = {false};

    for (size_t i = 0; i < api->count; i++) { /* of all before the first is dropped */
        newest[i] = newest_generation(api, api->witnesses[i].status);
        is_above[i] = !may_be(api, api->witnesses[i].status);
    }
    for (size_t i = 0; i < api->count; i++) {
        struct bw_api_witness *witness = &api->witnesses[i];

        if (witness->status != NULL && newest[i] > 0 &&
            (bw_json_number(witness->status, "generation") < newest[i] || is_above[i]))
            drop(witness, newest[i]);
    }
}

void bw_api_choose(struct bw_api *api)
{
    int64_t best_term = -1;
    bool best_leads = false;

    drop_unheard(api);
    api->status = NULL; /* what was chosen before may have been dropped */
    api->leader = -1;
    for (size_t i = 0; i < api->count; i++) {
        json_t *status = api->witnesses[i].status;
        const bool leads = bw_json_truth(status, "leads");
        const int64_t term = bw_json_number(status, "term");

        if (status == NULL || (best_leads && !leads) || (leads == best_leads && term <= best_term))
            continue;
        best_leads = leads;
        best_term = term;
        api->status = status;
        api->leader = leads ? (int)i : -1;
    }
}

void bw_api_tell_left_behind(struct bw_api *api)
{
    for (size_t i = 0; i < api->count; i++) {
        struct bw_api_witness *witness = &api->witnesses[i];

        if (!witness->is_left_behind || witness->is_left_behind_told)
            continue;
        (void)fprintf(stderr, "warning: %s: %s\n", witness->address, witness->why);
        witness->is_left_behind_told = true;
    }
}

/* ---- members of an answer ---- */

const char *bw_json_shown(const json_t *value)
{
    static char texts[16][512];
    static unsigned next;
    const char *text = json_string_value(value);
    char *copy = texts[next++ % 16];

    bw_utf8_plain(copy, sizeof texts[0], text != NULL ? text : "", text != NULL ? strlen(text) : 0);
    return copy;
}

const char *bw_json_member(const json_t *object, const char *key)
{
    return bw_json_shown(json_object_get(object, key));
}

int64_t bw_json_number(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

bool bw_json_truth(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}
