/* What rests on the tenure of an epoch: until when it is renewed, and how its end begins. */
#include "site_internal.h"

#include <breakwater/base/assert.h>

/* 3.5, 3.7: no more start of this epoch; what runs is stopped, then the epoch is given back. */
void bw_site_begin_stop(const struct step *step, enum bw_reason reason, const char *rule)
{
    struct bw_site *site = step->site;

    switch (site->tenure) {
    case BW_TENURE_WAITING:
    case BW_TENURE_STARTING:
    case BW_TENURE_SERVING:
        break;
    case BW_TENURE_NONE:
    case BW_TENURE_ACCEPTING:
    case BW_TENURE_STOPPING: /* a stop that has begun is finished */
    case BW_TENURE_FENCING:
    case BW_TENURE_ENDING:
    case BW_TENURE_STUCK:
        return;
    }
    BW_ASSERT(site->stop == BW_SITE_STOP_NONE); /* 3.5: what has ended is started no more */
    if (site->tenure == BW_TENURE_SERVING && site->seen_epoch == site->memory.epoch &&
        site->seen_goes_on)
        site->seen_at = step->now; /* until here nothing of ours has ended it */
    bw_site_tenure_move(site, BW_TENURE_EVENT_STOP);
    site->ending_reason = reason;
    bw_site_emit(step, BW_SITE_ACTION_TRACE, rule)->epoch = site->memory.epoch;
}

/* It may be that it was never durable: what was found to serve was fenced before it was (3.8). */
static bool may_renew(const struct bw_site *site)
{
    return bw_site_epoch_is_open(site) && site->kept.epoch == site->memory.epoch && !site->over &&
           site->fence == BW_SITE_FENCE_NONE;
}

/* 3.2, 3.4: an epoch that is not durable yet, is being fenced, has been stopped or given back, is
 * neither renewed nor armed. */
bool bw_site_tenure_renews(const struct bw_site *site)
{
    switch (site->tenure) {
    case BW_TENURE_WAITING:
        return site->running != BW_ACTION_FENCE && /* of a rogue: first it has to be gone (3.8) */
               may_renew(site);
    case BW_TENURE_STARTING:
    case BW_TENURE_SERVING:
    case BW_TENURE_STOPPING: /* a planned stop: renewals go on (3.6); not one after a fence (3.4) */
        return may_renew(site);
    case BW_TENURE_NONE:
    case BW_TENURE_ACCEPTING:
    case BW_TENURE_FENCING:
    case BW_TENURE_ENDING:
    case BW_TENURE_STUCK:
        break;
    }
    return false;
}
