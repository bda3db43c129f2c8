/* What rests on the tenure of an epoch: with what it begins, until when it is renewed, and how its end begins. */
#include "internal.h"

#include <string.h>

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

/* ---- giving back ---- */

/* What a site says of an epoch when it gives it back (3.5, 4). */

/* What is known of the starts of our epoch; of what the agent's own fence saw nobody told the guard. */
static enum bw_served served(const struct bw_site *site)
{
    if (site->memory.adopt || site->guard.start_epoch != site->memory.epoch)
        return BW_SERVED_MAYBE;
    return site->own_end != BW_SITE_OWN_END_NONE && site->guard.served == BW_SERVED_NEVER
               ? BW_SERVED_NOT_SEEN
               : site->guard.served;
}

/* What the guard has begun counts, whatever this site remembers: its state may be an older copy. */
bool bw_site_is_begun(const struct bw_site *site)
{
    return site->memory.start_begun || site->memory.adopt ||
           site->guard.start_epoch == site->memory.epoch;
}

/* 4: the data of this site is the newest, unless no start of the epoch was begun, or it was seen that
 * none came to serve. Exit 69 says so of one start: of the epoch it counts only where no other start
 * of it ended well and nobody saw it serve. */
static bool is_past_no_return(const struct bw_site *site)
{
    if (!bw_site_is_begun(site))
        return false;
    switch (served(site)) {
    case BW_SERVED_NEVER:
        return false;
    case BW_SERVED_NOT_SEEN: /* what began before the point is declared to change nothing */
        return site->start != BW_SITE_START_FAILED_EARLY && !bw_site_was_held(site);
    case BW_SERVED_MAYBE:
        break;
    }
    return true;
}

void bw_site_give_back(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;
    struct bw_site_memory *memory = &site->memory;
    const bool never_started = !bw_site_is_begun(site);

    BW_ASSERT(memory->epoch != 0);  /* 3.5: an epoch is given back, */
    BW_ASSERT(!memory->given_back); /* once */
    memory->given_back = true;
    memory->reason = never_started ? BW_REASON_NEVER_STARTED : site->ending_reason;
    if (memory->reason == BW_REASON_NONE)
        memory->reason = site->order.kind == BW_ORDER_STOP && site->order.epoch == memory->epoch
                             ? site->order.reason /* an agent before us obeyed it */
                             : BW_REASON_LEASE_LOST;
    memory->past_no_return = is_past_no_return(site);
    memory->position[0] = '\0';
    if (site->final == BW_SITE_FINAL_KNOWN)
        memcpy(memory->position, site->final_position, sizeof memory->position);
    bw_site_tenure_move(site, BW_TENURE_EVENT_GIVEN_BACK);
    site->lease.end = (struct bw_instant){0, 0};
    site->arm_sent_end = (struct bw_instant){0, 0};
    site->rogue_in_a_row = 0;
    bw_site_save(step, rule);
}

/* ---- what it has served, and what has to follow whom (4) ---------------------------------------- */

uint64_t bw_site_served_epoch(const struct bw_site_memory *memory)
{
    return memory->start_begun || memory->adopt ? memory->epoch : memory->served_epoch;
}

/* 4: what this site may have written in its own epoch has to follow each newer one that another site
 * serves, once. Whoever never served, or has no script for it, follows as it is. */
uint64_t bw_site_joined_epoch(const struct bw_site *site, const struct bw_site_memory *memory)
{
    const uint64_t served = bw_site_served_epoch(memory);
    const uint64_t rejoined = memory->rejoined_epoch;

    if (!site->limits.has_script[BW_ACTION_REJOIN] || (served == 0 && !memory->override_wrote))
        return UINT64_MAX;
    return served > rejoined ? served : rejoined;
}

/* ---- the point of no return ---- */

/* The point of no return of a start, at the site: what lies behind it begins once the witnesses
 * have committed that it may (4, data safety). Nothing here is durable: committed state says how
 * far the epoch has come. */

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
