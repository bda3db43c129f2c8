/* Whether a site can show that what it holds serves (4): what its looks say of that, and since when. The leader moves the
 * group by it; here a service that runs and does not do its work is only started again. */
#include "site_internal.h"

#include <breakwater/base/assert.h>

/* Something is to serve here, and nothing of ours is under way. */
static bool is_to_serve(const struct bw_site *site)
{
    const bool waits_for_word = site->tenure == BW_TENURE_STARTING && site->start == BW_SITE_START_NONE;

    return (site->tenure == BW_TENURE_SERVING || waits_for_word) && site->running == BW_ACTION_NONE &&
           !site->stops_first;
}

bool bw_site_does_its_work(const struct bw_site *site)
{
    return site->service == BW_SERVICE_STARTED && !site->runs_sick &&
           !(site->limits.condition_is_health && site->condition == BW_CONDITION_STOP);
}

static enum bw_unhealthy judge(const struct bw_site *site)
{
    if (!is_to_serve(site))
        return BW_UNHEALTHY_NOT;
    switch (site->service) {
    case BW_SERVICE_UNKNOWN:
        return BW_UNHEALTHY_UNKNOWN;
    case BW_SERVICE_STOPPED: /* that is counted for itself (4) */
        return BW_UNHEALTHY_NOT;
    case BW_SERVICE_STARTED:
        break;
    }
    if (bw_site_does_its_work(site))
        return BW_UNHEALTHY_NOT;
    return site->runs_sick ? BW_UNHEALTHY_UNHEALTHY : BW_UNHEALTHY_CONDITION;
}

/* From here nothing is held against it. */
void bw_site_begin_health(struct bw_site *site, struct bw_instant now)
{
    site->unhealthy = BW_UNHEALTHY_NOT;
    site->unhealthy_in_a_row = 0;
    site->sick_in_a_row = 0;
    site->healthy_at = now;
}

/* A status has ended that began at `at`. */
void bw_site_note_health(struct bw_site *site, struct bw_instant at)
{
    site->unhealthy = judge(site);
    if (site->unhealthy == BW_UNHEALTHY_NOT) {
        bw_site_begin_health(site, at);
        return;
    }
    site->unhealthy_in_a_row += site->unhealthy_in_a_row < UINT32_MAX;
    if (site->unhealthy != BW_UNHEALTHY_UNKNOWN) /* nobody could see the stop of what is unknown */
        site->sick_in_a_row += site->sick_in_a_row < UINT32_MAX;
}

/* Returns what the site reports to the witnesses; a single look without a word is not enough. */
enum bw_unhealthy bw_site_health(const struct bw_site *site)
{
    return is_to_serve(site) && site->unhealthy_in_a_row >= site->limits.failure_threshold ? site->unhealthy
                                                                                            : BW_UNHEALTHY_NOT;
}

bool bw_site_is_sick(const struct bw_site *site)
{
    return site->sick_in_a_row >= site->limits.failure_threshold && site->unhealthy != BW_UNHEALTHY_UNKNOWN;
}
