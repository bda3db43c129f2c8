/* How long a report is fresh. Design 3.3, 4. */
#include "policy.h"

#include <string.h>

#include <breakwater/core/arbiter.h>
#include <breakwater/core/expiry.h>

uint64_t bw_policy_freshness_ns(const struct bw_group *group)
{
    return bw_expiry_freshness_ns(group->spec.renew_interval_ms, group->spec.request_timeout_ms);
}

uint64_t bw_policy_longer_freshness_ns(const struct bw_group *group)
{
    uint64_t pinned_ns = bw_expiry_freshness_ns(group->terms.renew_interval_ms,
                                                group->terms.request_timeout_ms);
    uint64_t spec_ns = bw_policy_freshness_ns(group);

    return pinned_ns > spec_ns ? pinned_ns : spec_ns;
}

uint64_t bw_policy_freshness_of_ns(const struct bw_group *group, int site)
{
    return strcmp(group->holder_site, group->spec.sites[site].name) == 0 ? bw_policy_longer_freshness_ns(group)
                                                                         : bw_policy_freshness_ns(group);
}
