/* The point of no return of a start, at the site: what lies behind it begins once the witnesses
 * have committed that it may (4, data safety). Nothing here is durable: committed state says how
 * far the epoch has come. */
#include "site_internal.h"

/* A guard whose start has no such step would begin behind it at once. */
bool bw_site_point_awaited(const struct bw_site *site)
{
    return bw_site_holds_start(site) && !site->guard.has_point;
}

uint64_t bw_site_asks_to_pass(const struct bw_site *site)
{
    const bool is_at_work = site->tenure == BW_TENURE_STARTING || site->tenure == BW_TENURE_SERVING;

    if (!is_at_work || !bw_site_holds_start(site) || !bw_site_is_greeted(site))
        return 0;
    return site->waits_at_point || !site->guard.has_point || site->service == BW_SERVICE_STARTED
               ? site->memory.epoch
               : 0;
}
