/* Who else serves: what a witness tells a site of the others, so that it follows them (4), or makes
 * way for them (3.8). */
#include <stdio.h>
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

/* The grant is on its way to it: whoever is let go before it has taken that is ended like the others (S86). */
static bool is_granted(const struct bw_group *group, int site)
{
    return group->phase != BW_PHASE_VACANT && bw_spec_find_site(&group->spec, group->holder_site) == site;
}

bool bw_witness_override_let_go_text(const struct bw_witness *witness, int group, int site, struct bw_instant now,
                                     char *out_text, size_t size)
{
    BW_ASSERT(group >= 0 && group < (int)witness->cluster->group_count);
    const struct bw_group *state = &witness->cluster->groups[group];
    const char *name = state->spec.sites[site].name;

    switch (bw_policy_override_said(state, &witness->watches[group], site, now)) {
    case BW_OVERRIDE_WAITING:
        (void)snprintf(out_text, size,
                       "but %s waits to override: that is given up, and nothing is fenced for it, unless it has begun by "
                       "then: what it serves is FENCED then",
                       name);
        return true;
    case BW_OVERRIDE_ENDING:
        (void)snprintf(out_text, size, "but %s ends its override: what it serves by that is FENCED, as it would be "
                                       "without this",
                       name);
        return true;
    case BW_OVERRIDE_OVERRIDING:
        (void)snprintf(out_text, size,
                       is_granted(state, site)
                           ? "but %s overrides, and may not have taken its epoch yet: what it serves is FENCED then; to "
                             "keep it, first wait until it is adopted"
                           : "but %s overrides, and holds no epoch: what it serves is FENCED; to keep it, first wait until "
                             "it is adopted",
                       name);
        return true;
    case BW_OVERRIDE_NONE:
    case BW_OVERRIDE_COUNT:
        break;
    }
    return false;
}

const char *bw_witness_override_does(const struct bw_witness *witness, int group, const char *site,
                                     struct bw_instant now)
{
    BW_ASSERT(group >= 0 && group < (int)witness->cluster->group_count);
    const struct bw_group *state = &witness->cluster->groups[group];

    switch (bw_policy_override_said(state, &witness->watches[group], bw_spec_find_site(&state->spec, site), now)) {
    case BW_OVERRIDE_WAITING:
        return "is to override";
    case BW_OVERRIDE_ENDING:
        return "ends its override";
    case BW_OVERRIDE_OVERRIDING:
    case BW_OVERRIDE_NONE:
    case BW_OVERRIDE_COUNT:
        break;
    }
    return "overrides";
}
