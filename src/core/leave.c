/* May a site file that is read anew no longer name a group (3.2.4, 5.4)? */
#include <breakwater/core/leave.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/words.h>

/* An order may be older than what it names: an epoch that was given back is over, whatever it says. */
static bool is_granted(const struct bw_site *site)
{
    return (site->order.kind == BW_ORDER_RUN || site->order.kind == BW_ORDER_STOP) &&
           site->order.epoch > site->memory.epoch;
}

/* Also of what another instance of this site has armed, while its guard is away: ours ends it (3.4). */
static bool is_fencing(const struct bw_site *site)
{
    return site->own_fence != BW_SITE_OWN_FENCE_IDLE ||
           (!bw_site_is_greeted(site) && site->old_epoch != 0);
}

enum bw_keeps bw_site_keeps(const struct bw_site *site)
{
    if (site->memory.override != BW_OVERRIDE_NONE)
        return BW_KEEPS_OVERRIDE;
    if (site->tenure != BW_TENURE_NONE) /* 3.5: there is one until the epoch is given back */
        return BW_KEEPS_EPOCH;
    if (is_granted(site))
        return BW_KEEPS_GRANT;
    if (is_fencing(site))
        return BW_KEEPS_FENCE;
    if (site->running != BW_ACTION_NONE || site->remote_fenced == BW_REMOTE_FENCE_RUNNING)
        return BW_KEEPS_RUN;
    return site->save == BW_SITE_SAVE_KEPT ? BW_KEEPS_NOTHING : BW_KEEPS_SAVE;
}

static bool is_looking(const struct bw_guard *guard)
{
    const bool is_at_start = guard->check_at_start &&
                             guard->slots[BW_GUARD_SLOT_OBSERVATION].state != BW_SLOT_FREE;

    return is_at_start || guard->stop != BW_GUARD_STOP_NONE || guard->end_looking;
}

enum bw_keeps bw_guard_keeps(const struct bw_guard *guard)
{
    const struct bw_guard_mirror *mirror = &guard->mirror;

    if (mirror->armed_serial != 0)
        return BW_KEEPS_OVERRIDE;
    if (bw_guard_is_fencing(guard) || guard->fence == BW_FENCE_FAILED ||
        guard->slots[BW_GUARD_SLOT_FENCE].state != BW_SLOT_FREE)
        return BW_KEEPS_FENCE;
    if (mirror->armed_epoch != 0)
        return BW_KEEPS_EPOCH;
    if (guard->slots[BW_GUARD_SLOT_ACTION].state != BW_SLOT_FREE || is_looking(guard))
        return BW_KEEPS_RUN;
    if (guard->check_at_start && guard->memory.epoch_seen > guard->memory.ended_epoch)
        return BW_KEEPS_UNSEEN; /* 3.4: it serves without a deadline, if it serves */
    return guard->wants == BW_GUARD_WANTS_NOTHING && guard->waits[BW_GUARD_WAIT_ARM] == 0 ? BW_KEEPS_NOTHING
                                                                           : BW_KEEPS_SAVE;
}

void bw_guard_leave(struct bw_guard *guard)
{
    BW_ASSERT(guard->mirror.armed_epoch == 0); /* 3.2.4: its deadline would be nobody's */
    guard->check_at_start = false;
}

BW_WORDS(bw_keeps_sentence, enum bw_keeps, BW_KEEPS_LIST, "unlisted")
