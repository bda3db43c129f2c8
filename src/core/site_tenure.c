/* What rests on the tenure of an epoch: with what it begins, until when it is renewed, and how its end begins. */
#include "site_internal.h"

#include <breakwater/base/assert.h>

/* A tenure of `epoch` begins: everything that belonged to the one before is forgotten. */
void bw_site_tenure_reset(struct bw_site *site)
{
    bw_lease_init(&site->lease, site->memory.epoch, &site->memory.terms);
    site->arm_sent_end = (struct bw_instant){0, 0};
    bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_ACCEPTED);
    bw_site_fence_move(site, BW_SITE_FENCE_EVENT_ACCEPTED);
    bw_site_own_end_move(site, BW_SITE_OWN_END_EVENT_ACCEPTED);
    bw_site_start_move(site, BW_SITE_START_EVENT_ACCEPTED);
    bw_site_stop_move(site, BW_SITE_STOP_EVENT_ACCEPTED);
    bw_site_final_move(site, BW_SITE_FINAL_EVENT_ACCEPTED);
    site->arm_open = false;
    site->arm_refused = false;
    site->end_open = false;
    site->mirror_reread = false;
    site->over = false;
    site->restarts_used = 0;
    site->stopped_in_a_row = 0;
    site->started_in_a_row = 0;
    site->rogue_in_a_row = 0;
    site->verified = false;
    site->starts_again = false;
    site->starts_gone_on = 0;
    site->ending_reason = BW_REASON_NONE;
    site->retry_at = (struct bw_instant){0, 0};
}

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
    if (site->seen_goes_on && site->seen_epoch == site->memory.epoch && site->service == BW_SERVICE_STARTED)
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
