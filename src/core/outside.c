/* outside.c - the sites that a recovered state's spec lacks, and that speak of its group all the same. Design 3.9. */
#include "outside.h"

#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/expiry.h>

#include "policy.h"

#define ABSENT_PACE_MS 1000 /* of an agent that holds nothing: machine/agent_sync.c */

/* What keeps another site from the grant; NULL: all is stopped there, and nothing is left to end. Nobody asks this
 * site for a look of its own after some commit, so whatever is less than `stopped` counts. */
static const char *may_serve(const struct bw_report *report)
{
    if (report->override != BW_OVERRIDE_NONE)
        return "serves by a person's word (override), or is to";
    if (report->armed_epoch != 0)
        return "still has a lease of before";
    if (report->stop_begun_epoch != 0 || report->guard_busy)
        return "still ends what it held, or its guard runs a start or a stop";
    if (report->fence_failed)
        return "says that a fence of it has failed";
    if (report->service == BW_SERVICE_STOPPED)
        return NULL;
    return report->service == BW_SERVICE_STARTED ? "says that it serves" : "does not know whether it serves";
}

/* 4: whoever wrote in an epoch that the state does not know has the newest data, and others would be believed to have it
 * all. What it had armed holds by itself. */
static bool has_newer_data(const struct bw_group *group, const struct bw_released *released)
{
    const struct bw_history_entry *known = bw_group_history_at(group, 0);

    return released->past_no_return && released->epoch > (known != NULL ? known->epoch : 0);
}

static void hear(struct bw_watch *watch, const char *site, const char *why, struct bw_instant received)
{
    struct bw_outside *outside = &watch->outside;

    outside->at = bw_instant_max(outside->at, received);
    BW_ASSERT(strlen(site) <= BW_NAME_MAX); /* what was read of a sync is no longer */
    (void)snprintf(outside->text, sizeof outside->text,
                   "%s, which the spec lacks, %s: apply the spec that has it, or see that it is off and take the "
                   "group out of its site file",
                   site, why);
}

void bw_outside_hear(struct bw_watch *watch, const struct bw_group *group, const char *site,
                     const struct bw_contact *contact, struct bw_instant received)
{
    const char *why = may_serve(&contact->report);

    if (why == NULL && has_newer_data(group, &contact->released))
        why = "has written in an epoch that this state does not know";
    if (why != NULL && bw_contact_is_second(contact))
        why = "is spoken for by its second enforcer, which has seen no end (stop that too, once it is off)";
    if (group->recovered_index != 0 && why != NULL)
        hear(watch, site, why, received);
}

void bw_outside_hear_behind(struct bw_watch *watch, const struct bw_group *group, const char *site,
                            struct bw_instant received)
{
    if (group->recovered_index != 0)
        hear(watch, site, "may still obey the witnesses of before", received);
}

/* It speaks at the pace of terms that this state does not know: as long as any may be (3.3). */
static uint64_t heard_ns(void)
{
    return bw_expiry_freshness_ns(BW_PACE_MS_MAX, BW_PACE_MS_MAX);
}

bool bw_outside_is_heard(const struct bw_group *group, const struct bw_watch *watch, struct bw_instant now)
{
    return group->recovered_index != 0 && watch->outside.text[0] != '\0' &&
           !bw_instant_wait_is_over(now, bw_instant_add(watch->outside.at, heard_ns()));
}

/* Who has let go, and is told no terms, has spoken to a new leader by then. */
static uint64_t first_word_ns(const struct bw_group *group)
{
    const uint64_t own_ns = bw_policy_longer_freshness_ns(group);
    const uint64_t absent_ns = bw_expiry_freshness_ns(ABSENT_PACE_MS, ABSENT_PACE_MS);

    return own_ns > absent_ns ? own_ns : absent_ns;
}

/* A new leader has perhaps not been told what the one before was. */
void bw_outside_judge(const struct bw_group *group, const struct bw_watch *watch,
                      const struct bw_leadership *leadership, struct bw_instant now, struct bw_gate_list *list)
{
    const struct bw_instant led = leadership->leader_since;

    if (bw_outside_is_heard(group, watch, now))
        (void)bw_gate_wait(list, BW_GATE_ID_OUTSIDE, -1, watch->outside.at, heard_ns(), now, watch->outside.text);
    else if (group->recovered_index != 0 && !bw_instant_wait_is_over(now, bw_instant_add(led, first_word_ns(group))))
        (void)bw_gate_wait(list, BW_GATE_ID_OUTSIDE, -1, led, first_word_ns(group), now,
                           "a site that the spec lacks may yet speak");
}
