/* wish.c - what an operator asks a leader for: it is noted, or refused with the reason and the next step. Design 3.6, 4. */
#include <breakwater/core/witness.h>

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include "claims.h"
#include "evaluation.h"
#include "policy.h"

#define PROBLEM_BYTES 384

/* "dc-b: not connected: last report 8.0 s ago, limit 3.0 s (not_connected)" */
static const char *first_problem(const struct bw_candidacy *candidacy, const struct bw_group *group,
                                 char out_text[PROBLEM_BYTES])
{
    for (uint32_t i = 0; i < candidacy->gate_count; i++)
        if (candidacy->gates[i].verdict == BW_GATE_HOLD) {
            bw_gate_tell(&candidacy->gates[i], group, out_text, PROBLEM_BYTES);
            return out_text;
        }
    return "it is not eligible";
}

/* Without an operator's word the site would wait for ever: no site serves that it could follow. */
static enum bw_err check_rejoin(const struct bw_witness *witness, int group_index,
                                const struct bw_wish *wish, struct bw_diag *diag)
{
    const struct bw_group *group = bw_group_at(witness, group_index);
    const struct bw_watch *watch = &witness->watches[group_index];
    int site = bw_spec_find_site(&group->spec, wish->to);

    if (site < 0 || wish->accept_data_loss || !bw_policy_owes_rejoin(group, watch, site))
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "%s must rejoin first: another site of %s has written data that it does not have. Bring that "
                       "site back, or accept the data of %s as it is: breakwater failover %s --to %s "
                       "--accept-data-loss",
                       wish->to, group->spec.name, wish->to, group->spec.name, wish->to);
}

static enum bw_err check_failover(const struct bw_witness *witness, int group_index,
                                  const struct bw_wish *wish, struct bw_instant now,
                                  struct bw_diag *diag)
{
    const struct bw_group *group = bw_group_at(witness, group_index);
    const struct bw_watch *watch = &witness->watches[group_index];
    struct bw_expiry_base base = {.leader_since = witness->leadership.leader_since,
                                  .grant_applied = watch->grant_applied};
    int site = bw_spec_find_site(&group->spec, wish->to);
    int holder = bw_spec_find_site(&group->spec, group->holder_site);
    struct bw_end_waits waits;

    if (wish->to[0] != '\0' && group->spec.sites[site].never_candidate)
        return bw_diag_set(
            diag, BW_ERR_REFUSED,
            "%s has `failover_candidate: false` in the spec of %s; to allow it, change the spec (breakwater apply)",
            wish->to,
            group->spec.name);
    if (group->phase == BW_PHASE_VACANT)
        return check_rejoin(witness, group_index, wish, diag);
    if (watch->confirmed_epoch == group->epoch)
        base.last_confirmed = watch->last_confirmed;
    if (group->held || bw_expiry_is_over(&base, &group->terms, now) ||
        bw_policy_connected(group, watch, holder, now) == NULL) {
        if (bw_arbiter_end_waits_for(group, watch, &witness->leadership, &waits))
            return bw_forced_refuse_waiting(group, &waits, diag);
        return check_rejoin(witness, group_index, wish, diag);
    }
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "%s is primary of %s in epoch %" PRIu64 " and is alive (%" PRIu64 " ms of lease left); use "
                       "switchover",
                       group->holder_site, group->spec.name, group->epoch,
                       bw_witness_lease_left_ms(witness, group_index, now));
}

static enum bw_err check_switchover(const struct bw_witness *witness, int group_index,
                                    const struct bw_wish *wish, struct bw_instant now,
                                    struct bw_diag *diag)
{
    const struct bw_group *group = bw_group_at(witness, group_index);
    const struct bw_watch *watch = &witness->watches[group_index];
    int site = bw_spec_find_site(&group->spec, wish->to);
    int holder = bw_spec_find_site(&group->spec, group->holder_site);
    const struct bw_contact *contact;
    struct bw_candidacy candidacy;
    struct bw_end_waits waits;
    char problem[PROBLEM_BYTES];

    if (wish->to[0] == '\0')
        return bw_diag_set(diag, BW_ERR_INVALID, "switchover needs a target; use --to SITE");
    if (group->phase == BW_PHASE_CLOSING &&
        bw_arbiter_end_waits_for(group, watch, &witness->leadership, &waits))
        return bw_forced_refuse_waiting(group, &waits, diag);
    if (group->phase == BW_PHASE_VACANT || group->phase == BW_PHASE_CLOSING)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "%s has no primary, so there is nothing to move; use failover",
                           group->spec.name);
    if (group->phase == BW_PHASE_REVOKING)
        return bw_diag_set(diag, BW_ERR_BUSY, "a move of %s to %s is in progress; wait for its end",
                           group->spec.name, group->target);
    if (group->adopting)
        return bw_diag_set(diag, BW_ERR_BUSY, "%s is still adopting %s; wait for its end",
                           group->holder_site, group->spec.name);
    if (group->spec.mode == BW_MODE_PAUSED)
        return bw_diag_set(diag, BW_ERR_REFUSED, "%s is paused; first: breakwater resume %s",
                           group->spec.name, group->spec.name);
    if (strcmp(group->holder_site, wish->to) == 0)
        return bw_diag_set(diag, BW_ERR_EXISTS, "%s is primary of %s already", wish->to, group->spec.name);
    contact = bw_policy_connected(group, watch, holder, now);
    if (contact != NULL && !contact->report.guard_alive)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "the guard of %s is down, or its probe hangs. It would stop %s, but could not confirm "
                           "the stop, and no other site could take over. Repair it first; on that site:  systemctl "
                           "status breakwater-guard",
                           group->holder_site, group->spec.name);
    bw_policy_judge(group, watch, &witness->leadership, site, true, now, &candidacy);
    if (!candidacy.eligible)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "%s. See: breakwater explain %s", first_problem(&candidacy, group, problem),
                           group->spec.name);
    return BW_OK;
}

static bool is_of_claim(const struct bw_witness *witness, int group_index, const struct bw_wish *wish)
{
    return wish->kind == BW_WISH_FORCE_RELEASE &&
           bw_claims_find_of(bw_group_at(witness, group_index), &witness->watches[group_index], wish->to, NULL);
}

enum bw_err bw_witness_check_wish(const struct bw_witness *witness, int group_index,
                                  const struct bw_wish *wish, struct bw_instant now,
                                  struct bw_diag *diag)
{
    const struct bw_group *group = bw_group_at(witness, group_index);

    if (!witness->leadership.leads)
        return bw_diag_set(diag, BW_ERR_NOT_LEADER, "this witness does not lead; ask the leader");
    if (group->spec.name[0] == '\0')
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "there is no such group; see: breakwater status");
    if (is_of_claim(witness, group_index, wish)) /* 3.8: of whichever site, in whichever mode */
        return bw_forced_check(witness, group_index, wish, now, diag);
    if (group->spec.mode == BW_MODE_OBSERVE)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "%s is unmanaged, so no request is carried out; first: breakwater mode %s auto",
                           group->spec.name, group->spec.name);
    if (wish->to[0] != '\0' && bw_spec_find_site(&group->spec, wish->to) < 0)
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "%s is not a site of %s; see: breakwater status %s", wish->to,
                           group->spec.name, group->spec.name);
    switch (wish->kind) {
    case BW_WISH_FAILOVER:
        return check_failover(witness, group_index, wish, now, diag);
    case BW_WISH_SWITCHOVER:
        return check_switchover(witness, group_index, wish, now, diag);
    case BW_WISH_FORCE_RELEASE:
        return bw_forced_check(witness, group_index, wish, now, diag);
    case BW_WISH_NONE:
        break;
    }
    return bw_diag_set(diag, BW_ERR_INVALID, "nothing was asked for");
}

enum bw_err bw_witness_ask(struct bw_witness *witness, int group, const struct bw_wish *wish,
                           struct bw_instant now, struct bw_diag *diag)
{
    enum bw_err err = bw_witness_check_wish(witness, group, wish, now, diag);
    struct bw_watch *watch = &witness->watches[group];

    if (err == BW_OK)
        err = bw_witness_check_outage(witness, group, wish, now, diag);
    if (err != BW_OK)
        return err;
    watch->wish = *wish;
    watch->wish.epoch = bw_group_at(witness, group)->epoch;
    watch->wish_since = now;
    return BW_OK;
}
