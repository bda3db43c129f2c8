/* Who else serves: what a witness tells a site of the others, so that it follows them (4), or makes
 * way for them (3.8). */
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/witness.h>

#include "policy.h"

uint64_t bw_witness_other_serves(const struct bw_witness *witness, int group, const char *site,
                                 struct bw_instant now)
{
    BW_ASSERT(group >= 0 && group < (int)witness->cluster->group_count);
    const struct bw_group *state = &witness->cluster->groups[group];
    const struct bw_watch *watch = &witness->watches[group];
    const int holder = bw_spec_find_site(&state->spec, state->holder_site);
    const int asking = bw_spec_find_site(&state->spec, site);
    const struct bw_contact *contact;

    if (holder < 0 || holder == asking)
        return 0;
    contact = bw_policy_connected(state, watch, holder, now);
    if (contact == NULL || !bw_id_equal(contact->instance, state->holder_instance) ||
        contact->report.armed_epoch != state->epoch)
        return 0;
    /* 3.8: it may serve at any moment, and who overrides must not beside it. */
    if (asking >= 0 && bw_policy_says_override(state, watch, asking, now))
        return state->epoch;
    return contact->report.serving_epoch_started && contact->report.verified ? state->epoch : 0;
}

const char *bw_witness_leaves_override(const struct bw_witness *witness, int group,
                                       const struct bw_spec *next, struct bw_instant now)
{
    BW_ASSERT(group >= 0 && group < (int)witness->cluster->group_count);
    const struct bw_group *state = &witness->cluster->groups[group];

    for (int site = 0; site < (int)state->spec.site_count; site++)
        if ((next == NULL || bw_spec_find_site(next, state->spec.sites[site].name) < 0) &&
            bw_policy_says_override(state, &witness->watches[group], site, now))
            return state->spec.sites[site].name;
    return NULL;
}
