/* A fence of another site's service, because a leader asks for it (3.3). It runs beside all that
 * this site does with its own service, is in the way of nothing of that, and is forgotten with this
 * agent: whoever leads asks the next one anew. */
#include "internal.h"

#include <string.h>

#include <breakwater/base/assert.h>


static bool is_newer(const struct bw_remote_fence_ask *ask, const struct bw_remote_fence_ask *known)
{
    if (ask->epoch != known->epoch)
        return ask->epoch > known->epoch; /* I2 */
    return ask->term != known->term ? ask->term > known->term : ask->number > known->number;
}

/* What was asked before it, and comes late, changes nothing. While one runs the next has to wait:
 * it is said again. */
void bw_site_on_remote_fence(const struct step *step, const struct bw_remote_fence_ask *ask)
{
    struct bw_site *site = step->site;
    struct bw_site_remote_fence *fence = &site->remote_fence;

    if (bw_remote_fence_ask_is_same(ask, &fence->ask))
        fence->last_asked = step->now;
    if (!is_newer(ask, &fence->ask) || site->remote_fenced == BW_REMOTE_FENCE_RUNNING)
        return;
    bw_site_remote_fenced_move(site, BW_REMOTE_FENCE_EVENT_ASKED);
    fence->ask = *ask;
    fence->last_asked = step->now;
    fence->run_id = 0;
}

/* A leader says so as long as it is so: what it said long ago may have been settled since. */
static bool is_asked(const struct step *step)
{
    const struct bw_site *site = step->site;

    return site->remote_fence.ask.epoch != 0 && site->remote_fenced == BW_REMOTE_FENCE_NONE &&
           bw_site_is_said_lately(step, site->remote_fence.last_asked);
}

/* As far as this site knows, that epoch is the newest, another site's, and not over. */
static bool is_open_elsewhere(const struct bw_site *site)
{
    const struct bw_order *order = &site->order;

    return order->kind == BW_ORDER_STAND_BY && order->others_epoch && order->newest_is_open &&
           order->epoch == site->remote_fence.ask.epoch;
}

static bool has_script(const struct bw_site *site)
{
    return site->limits.has_script[BW_ACTION_REMOTE_FENCE] && site->guard.remote_fence_ms != 0;
}

void bw_site_advance_remote_fence(const struct step *step)
{
    struct bw_site *site = step->site;

    if (!is_asked(step) || !is_open_elsewhere(site) || !bw_site_is_greeted(site) ||
        !has_script(site) || site->running != BW_ACTION_NONE)
        return;
    BW_ASSERT(site->tenure == BW_TENURE_NONE && site->memory.override == BW_OVERRIDE_NONE);
    bw_site_run(step, BW_ACTION_REMOTE_FENCE, site->remote_fence.ask.epoch, "S50");
    bw_site_remote_fenced_move(site, BW_REMOTE_FENCE_EVENT_BEGUN);
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S51");
}

/* Only of the run that was begun for what is asked. */
void bw_site_on_remote_fence_ended(const struct step *step, const struct bw_guard_run_ended *ended)
{
    struct bw_site *site = step->site;
    const struct bw_site_remote_fence *fence = &site->remote_fence;

    BW_ASSERT(ended->action == BW_ACTION_REMOTE_FENCE);
    if (site->remote_fenced != BW_REMOTE_FENCE_RUNNING || ended->run_id != fence->run_id ||
        ended->epoch != fence->ask.epoch)
        return;
    bw_site_remote_fenced_move(site, ended->result == BW_RUN_OK ? BW_REMOTE_FENCE_EVENT_SEEN
                                                                : BW_REMOTE_FENCE_EVENT_FAILED);
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S52");
}

/* What it came to nobody tells any more. */
void bw_site_remote_fence_lost(struct bw_site *site)
{
    if (site->remote_fenced == BW_REMOTE_FENCE_RUNNING)
        bw_site_remote_fenced_move(site, BW_REMOTE_FENCE_EVENT_FAILED);
}

struct bw_remote_fence_report bw_site_remote_fence_report(const struct bw_site *site)
{
    return (struct bw_remote_fence_report){
        .limit_ms = bw_site_is_greeted(site) && has_script(site) ? site->guard.remote_fence_ms : 0,
        .state = site->remote_fenced,
        .ask = site->remote_fence.ask,
    };
}
