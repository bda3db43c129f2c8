/* How long a report is fresh, and a lease lives, by the terms of the newest epoch and by the spec. Design 3.3, 4. */
#include "policy.h"

#include <string.h>

#include <breakwater/core/arbiter.h>
#include <breakwater/core/expiry.h>

static uint64_t longer(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t bw_policy_freshness_ns(const struct bw_group *group)
{
    return bw_expiry_freshness_ns(group->spec.renew_interval_ms, group->spec.request_timeout_ms);
}

uint64_t bw_policy_longer_freshness_ns(const struct bw_group *group)
{
    return longer(bw_expiry_freshness_ns(group->terms.renew_interval_ms, group->terms.request_timeout_ms),
                  bw_policy_freshness_ns(group));
}

uint64_t bw_policy_longer_ttl_ns(const struct bw_group *group)
{
    return bw_ms_to_ns(longer(group->terms.ttl_ms, group->spec.lease_ttl_ms));
}

uint64_t bw_policy_freshness_of_ns(const struct bw_group *group, int site)
{
    return strcmp(group->holder_site, group->spec.sites[site].name) == 0 ? bw_policy_longer_freshness_ns(group)
                                                                         : bw_policy_freshness_ns(group);
}
