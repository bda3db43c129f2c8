/* outside.c - the sites that a recovered state's spec lacks, and that report of its group all the same. Design 3.9. */
#include "claims.h"

#include <breakwater/core/expiry.h>

#include "policy.h"

#define ABSENT_PACE_MS 1000 /* of an agent that holds nothing: machine/agent_witnesses.c */

/* Returns true if nothing is left to end there. No look of this site's own is asked for after some commit, so whatever is
 * less than `stopped` counts. */
static bool is_all_stopped(const struct bw_report *report)
{
    return report->override == BW_OVERRIDE_NONE && report->armed_epoch == 0 && report->stop_begun_epoch == 0 &&
           !report->guard_busy && !report->fence_failed && report->service == BW_SERVICE_STOPPED;
}

/* 4: a site that wrote in an epoch that the state does not know has the newest data, and others would count as having
 * all of it. What it had armed holds by itself. */
static bool has_newer_data(const struct bw_group *group, const struct bw_released *released)
{
    const struct bw_history_entry *known = bw_group_history_at(group, 0);

    return released->past_no_return && released->epoch > (known != NULL ? known->epoch : 0);
}

void bw_outside_hear(struct bw_watch *watch, const struct bw_group *group, const char *site,
                     const struct bw_contact *contact, uint64_t number, struct bw_instant received)
{
    const bool is_over = is_all_stopped(&contact->report) && !has_newer_data(group, &contact->released);
    const struct bw_claim_word word = {.site = site,
                                       .instance = contact->instance,
                                       .session = contact->session,
                                       .number = number,
                                       .received = received,
                                       .is_claimed = !is_over,
                                       .kind = BW_CLAIM_OUTSIDE,
                                       .is_over = is_over};

    if (group->recovered_index != 0)
        bw_claims_hear(watch, group, &word);
}

static enum bw_claim_kind kind_behind(const struct bw_report *report, bool is_in_spec)
{
    if (!is_in_spec)
        return BW_CLAIM_OUTSIDE;
    return report->override == BW_OVERRIDE_WAITING ? BW_CLAIM_WAITS : BW_CLAIM_OVERRIDES;
}

void bw_outside_hear_behind(struct bw_watch *watch, const struct bw_group *group, const struct bw_sync *sync,
                            const struct bw_report *report, struct bw_instant received)
{
    const int site = bw_spec_find_site(&group->spec, sync->site);
    const struct bw_claim_word word = {.site = sync->site,
                                       .instance = sync->instance,
                                       .session = sync->session,
                                       .number = sync->number,
                                       .received = received,
                                       .is_claimed = true,
                                       .kind = kind_behind(report, site >= 0)};

    if (site >= 0)
        watch->behind[site] = (struct bw_behind){received};
    if (site >= 0 ? report->override != BW_OVERRIDE_NONE : group->recovered_index != 0)
        bw_claims_hear(watch, group, &word);
}

/* A site that has let go, and receives no terms, has reported to a new leader by then. */
static uint64_t first_word_ns(const struct bw_group *group)
{
    const uint64_t own_ns = bw_policy_longer_freshness_ns(group);
    const uint64_t absent_ns = bw_expiry_freshness_ns(ABSENT_PACE_MS, ABSENT_PACE_MS);

    return own_ns > absent_ns ? own_ns : absent_ns;
}

void bw_outside_judge(const struct bw_group *group, const struct bw_watch *watch,
                      const struct bw_leadership *leadership, struct bw_instant now, struct bw_gate_list *list)
{
    const struct bw_instant led = leadership->leader_since;
    struct bw_claimed claimed;

    if (bw_claims_find_outside(group, watch, &claimed))
        (void)bw_gate_plain(list, bw_claims_gate(&claimed), -1, false, bw_claims_word(&claimed));
    else if (group->recovered_index != 0 && !bw_instant_wait_is_over(now, bw_instant_add(led, first_word_ns(group))))
        (void)bw_gate_wait(list, BW_GATE_ID_REPORTS, -1, led, first_word_ns(group), now,
                           "a site that is not in the spec may report yet");
}
