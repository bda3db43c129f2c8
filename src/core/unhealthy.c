/* unhealthy.c - a holder that cannot show that it serves. Design 3.6, 4. Pure. */
#include <breakwater/core/witness.h>

#include "policy.h"

static const struct bw_group *group_at(const struct bw_witness *witness, int index)
{
    return &witness->cluster->groups[index];
}

bool bw_witness_may_end_unseen(const struct bw_witness *witness, int group_index,
                               const struct bw_wish *wish, struct bw_instant now)
{
    const struct bw_group *group = group_at(witness, group_index);
    const struct bw_contact *contact;

    if (wish->kind != BW_WISH_SWITCHOVER || group->phase != BW_PHASE_GRANTED)
        return false;
    contact = bw_policy_connected(group, &witness->watches[group_index],
                                  bw_spec_find_site(&group->spec, group->holder_site), now);
    return contact != NULL && contact->report.service == BW_SERVICE_UNKNOWN;
}

enum bw_err bw_witness_check_outage(const struct bw_witness *witness, int group_index,
                                    const struct bw_wish *wish, struct bw_instant now, struct bw_diag *diag)
{
    const struct bw_group *group = group_at(witness, group_index);

    if (wish->accept_outage || !bw_witness_may_end_unseen(witness, group_index, wish, now))
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "%s does not know whether %s runs there (status unknown): if nobody confirms its end, no site "
                       "serves until a person does. See what would happen: breakwater switchover %s --to %s --plan; "
                       "accept it: the same with --accept-outage",
                       group->holder_site, group->spec.name, group->spec.name, wish->to);
}
