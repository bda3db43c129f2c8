/* How long a report is fresh, and a lease lives, by the terms of the newest epoch and by the spec. Design 3.3, 4. */
#include "policy.h"

#include <string.h>

#include <breakwater/base/limits.h>
#include <breakwater/core/arbiter.h>
#include <breakwater/core/expiry.h>

uint64_t bw_policy_freshness_ns(const struct bw_group *group)
{
    return bw_expiry_freshness_ns(group->spec.renew_interval_ms, group->spec.request_timeout_ms);
}

uint64_t bw_policy_longer_freshness_ns(const struct bw_group *group)
{
    return bw_max(bw_expiry_freshness_ns(group->terms.renew_interval_ms, group->terms.request_timeout_ms),
                  bw_policy_freshness_ns(group));
}

uint64_t bw_policy_longer_ttl_ns(const struct bw_group *group)
{
    return bw_ms_to_ns(bw_max(group->terms.ttl_ms, group->spec.lease_ttl_ms));
}

uint64_t bw_policy_freshness_of_ns(const struct bw_group *group, int site)
{
    return strcmp(group->holder_site, group->spec.sites[site].name) == 0 ? bw_policy_longer_freshness_ns(group)
                                                                         : bw_policy_freshness_ns(group);
}

/* 3.1, 3.5: the end of this epoch and of those below is committed, or another site has held it. */
static uint64_t over_epoch(const struct bw_group *group, int site)
{
    const bool is_open = group->epoch != 0 && group->phase != BW_PHASE_VACANT &&
                         strcmp(group->holder_site, group->spec.sites[site].name) == 0;

    return is_open ? group->epoch - 1 : group->epoch;
}

const struct bw_contact *bw_policy_fresh(const struct bw_group *group, const struct bw_watch *watch, int site,
                                         struct bw_instant now, bool *out_several)
{
    return bw_site_reports_fresh(&watch->reports[site], now, bw_policy_freshness_of_ns(group, site),
                                 over_epoch(group, site), out_several);
}

bool bw_policy_site_has_let_go(const struct bw_group *group, const struct bw_watch *watch, int site,
                               struct bw_instant now)
{
    bool has_several = false;
    const struct bw_contact *fresh = bw_policy_fresh(group, watch, site, now, &has_several);

    return group->spec.mode == BW_MODE_OBSERVE && fresh != NULL &&
           fresh->report.let_go_index >= group->let_go_index;
}
