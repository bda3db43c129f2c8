/* Who else serves: what a witness tells a site of the others, so that it follows them (4), or makes
 * way for them (3.8). */
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/witness.h>

#include "claims.h"
#include "policy.h"

static enum bw_err refuse(const struct bw_group *group, const struct bw_claimed *claimed, struct bw_diag *diag)
{
    if (claimed->site[0] == '\0')
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "more sites of %s have claims than are kept; end each one: breakwater confirm-fenced %s --site SITE",
                           group->spec.name, group->spec.name);
    if (claimed->kind == BW_CLAIM_AHEAD)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "%s names a decision about %s that the witnesses have lost; see: breakwater status; if what %s "
                           "reports is false: breakwater confirm-fenced %s --site %s",
                           claimed->site, group->spec.name, claimed->site, group->spec.name, claimed->site);
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "%s reported that it %s %s, and has not reported the end: it may serve. End it on %s: breakwater "
                       "override %s -c FILE --stop; if its machine is off: breakwater confirm-fenced %s --site %s",
                       claimed->site, claimed->kind == BW_CLAIM_WAITS ? "waits to override" : "overrides", group->spec.name,
                       claimed->site, group->spec.name, group->spec.name, claimed->site);
}

bool bw_witness_claim_at(const struct bw_witness *witness, int group, uint32_t number, struct bw_claimed *out_claimed)
{
    BW_ASSERT(group >= 0 && group < (int)witness->cluster->group_count);
    return bw_claims_at(&witness->cluster->groups[group], &witness->watches[group], number, out_claimed);
}

void bw_witness_forget_claims(struct bw_witness *witness, int group, const char *site)
{
    bw_claims_forget(&witness->watches[group], site);
}

uint64_t bw_witness_other_serves(const struct bw_witness *witness, int group, const char *site,
                                 struct bw_instant now)
{
    BW_ASSERT(group >= 0 && group < (int)witness->cluster->group_count);
    const struct bw_group *state = &witness->cluster->groups[group];
    const struct bw_watch *watch = &witness->watches[group];
    const int holder = bw_spec_find_site(&state->spec, state->holder_site);
    const struct bw_contact *contact;

    if (holder < 0 || strcmp(state->holder_site, site) == 0)
        return 0;
    /* 3.8: it may serve at any moment, and a site with a claim must not beside it. What this leader has confirmed may be
     * armed, however silent its site is, for as long as a lease of it may live. */
    if (bw_claims_may_serve(state, watch, site) && watch->confirmed_epoch == state->epoch &&
        bw_arbiter_lease_may_live_ns(state, watch, &witness->leadership, now) > 0)
        return state->epoch;
    contact = bw_policy_connected(state, watch, holder, now);
    if (contact == NULL || !bw_id_equal(contact->instance, state->holder_instance) ||
        contact->report.armed_epoch != state->epoch)
        return 0;
    if (bw_claims_may_serve(state, watch, site))
        return state->epoch;
    return contact->report.serving_epoch_started && contact->report.verified ? state->epoch : 0;
}

enum bw_err bw_witness_refuse_claimed(const struct bw_witness *witness, int group, const struct bw_spec *next,
                                      struct bw_diag *diag)
{
    BW_ASSERT(group >= 0 && group < (int)witness->cluster->group_count);
    const struct bw_group *state = &witness->cluster->groups[group];
    struct bw_claimed claimed;
    int site = -1;

    if (next == NULL && bw_claims_find_any(state, &witness->watches[group], &claimed))
        return refuse(state, &claimed, diag);
    for (site = 0; next != NULL && site < (int)state->spec.site_count; site++)
        if (bw_spec_find_site(next, state->spec.sites[site].name) < 0 &&
            bw_claims_find_of(state, &witness->watches[group], state->spec.sites[site].name, &claimed))
            return refuse(state, &claimed, diag);
    return BW_OK;
}
