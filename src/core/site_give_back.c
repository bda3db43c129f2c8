/* What a site says of an epoch when it gives it back (3.5, 4). */
#include "site_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>

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
