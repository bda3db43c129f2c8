/* outside.c - the sites that a recovered state's spec lacks, and that speak of its group all the same. Design 3.9. */
#include "outside.h"

#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include "policy.h"

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
                     const struct bw_report *report, struct bw_instant received)
{
    const char *why = may_serve(report);

    if (group->recovered_index != 0 && why != NULL)
        hear(watch, site, why, received);
}

void bw_outside_hear_behind(struct bw_watch *watch, const struct bw_group *group, const char *site,
                            struct bw_instant received)
{
    if (group->recovered_index != 0)
        hear(watch, site, "may still obey the witnesses of before", received);
}

static uint64_t left_ns(const struct bw_group *group, struct bw_instant since, struct bw_instant now)
{
    return bw_instant_wait_left_ns(now, bw_instant_add(since, bw_policy_longer_freshness_ns(group)));
}

bool bw_outside_is_heard(const struct bw_group *group, const struct bw_watch *watch, struct bw_instant now)
{
    return group->recovered_index != 0 && watch->outside.text[0] != '\0' && left_ns(group, watch->outside.at, now) > 0;
}

/* A new leader has perhaps not been told what the one before was. */
void bw_outside_judge(const struct bw_group *group, const struct bw_watch *watch,
                      const struct bw_leadership *leadership, struct bw_instant now, struct bw_gate_list *list)
{
    const bool is_heard = bw_outside_is_heard(group, watch, now);
    const struct bw_instant since = bw_instant_max(watch->outside.at, leadership->leader_since);

    if (group->recovered_index != 0 && left_ns(group, since, now) > 0)
        (void)bw_gate_wait(list, BW_GATE_ID_OUTSIDE, -1, since, bw_policy_longer_freshness_ns(group), now,
                           is_heard ? watch->outside.text : "a site that the spec lacks may yet speak");
}
