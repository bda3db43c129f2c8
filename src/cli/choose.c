/* Who of the witnesses that answered is believed, and who of them leads. Design 3.9. */
#include <stdio.h>
#include <string.h>

#include <breakwater/core/counters.h>

#include "api.h"

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
                       "%s was left behind by a recovery (it is of generation %lld, the cluster of %lld): stop it",
                       name, generation, (long long)newest);
    else
        (void)snprintf(witness->why, sizeof witness->why,
                       "%s is of generation %lld, which is too far above the cluster's %lld: no site follows it; it was made up",
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
