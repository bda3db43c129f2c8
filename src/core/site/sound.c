/* What must hold of a site's machine between its steps. What is read from disk is judged here before a
 * machine begins with it; what witnesses and guard say is judged by the step. So one that is not sound is
 * a bug: the agent ends, the guard goes on to the deadline and fences (3.4). */
#include "facts.h"
#include "internal.h"

const char *bw_site_memory_unsound(const struct bw_site_memory *memory)
{
    FACT(!memory->given_back || memory->epoch != 0, /* 3.5: an epoch is given back */
         "the site's memory: what was given back is an epoch");
    FACT(memory->served_epoch == 0 || memory->served_epoch < memory->epoch, /* 4: an epoch before */
         "the site's memory: what it served before its epoch is older");
    FACT((unsigned)memory->override < BW_OVERRIDE_COUNT, /* 3.8 */
         "the site's memory: its override is one of the list");
    FACT((memory->override == BW_OVERRIDE_NONE) == (memory->override_wait_ms == 0), /* 3.8 */
         "the site's memory: an override waits for a longest lease, and nothing else does");
    return NULL;
}

/* ---- the tenure: its relation to the newest epoch (3.5, 3.7) ---------------------------------- */

static bool is_leased(const struct bw_site *site)
{
    return site->tenure == BW_TENURE_STARTING || site->tenure == BW_TENURE_SERVING;
}

static bool has_failed(const struct bw_site *site)
{
    return site->start == BW_SITE_START_FAILED || site->start == BW_SITE_START_FAILED_EARLY;
}

static const char *tenure_unsound(const struct bw_site *site)
{
    const bool is_open = site->memory.epoch != 0 && !site->memory.given_back;
    const bool was_kept = site->tenure == BW_TENURE_WAITING || is_leased(site);

    FACT((site->tenure != BW_TENURE_NONE) == is_open, /* 3.5: given back is final */
         "the site's tenure: there is one of each epoch that is open, and of no other");
    FACT(!was_kept || site->kept.epoch == site->memory.epoch, /* 3.4, start order: fsynced, then armed */
         "the site's tenure: what may be armed is durable");
    FACT(!was_kept || !site->kept.given_back, /* 3.5: neither renewed nor started from then on */
         "the site's tenure: what was given back is neither renewed nor started");
    FACT(!was_kept || site->fence == BW_SITE_FENCE_NONE, /* 3.4: no agent renews what is being fenced */
         "the site's tenure: what is fenced is neither renewed nor started");
    FACT(!was_kept || site->stop == BW_SITE_STOP_NONE, /* 3.5: no more start of it */
         "the site's tenure: what was stopped is neither renewed nor started");
    FACT(!is_leased(site) || !has_failed(site), /* 4: not tried again where it may have written */
         "the site's tenure: what could not be started is not started again");
    FACT(site->tenure != BW_TENURE_ENDING || site->stop == BW_SITE_STOP_SEEN, /* 3.5 */
         "the site's tenure: what is given back was seen to have ended");
    FACT(site->tenure != BW_TENURE_ACCEPTING || site->save != BW_SITE_SAVE_KEPT, /* 3.4 */
         "the site's tenure: an epoch that is accepted is being written down");
    return NULL;
}

static const char *lease_unsound(const struct bw_site *site)
{
    const bool has_end = site->lease.end.boot_ns != 0;

    FACT(site->lease.epoch == site->memory.epoch, /* 3.2: a lease is of one epoch */
         "the site's lease: it is of the epoch that was accepted last");
    FACT(!is_leased(site) || has_end, /* 3.4: a start needs its first renewal confirmed */
         "the site's lease: nothing is started without one");
    FACT(site->tenure != BW_TENURE_NONE || !has_end, /* 3.5 */
         "the site's lease: none is left of an epoch that is over");
    FACT(!has_end || site->deadline != BW_SITE_DEADLINE_UNKNOWN, /* 3.4, H10 */
         "the site's lease: where there is one, its deadline is known");
    FACT(site->tenure != BW_TENURE_ACCEPTING || !has_end, /* 3.4: armed only once it is durable */
         "the site's lease: none is of an epoch that is not durable");
    return NULL;
}

/* ---- what is durable (3.4, 3.5) --------------------------------------------------------------- */

static const char *saves_unsound(const struct bw_site *site)
{
    FACTS(bw_site_memory_unsound(&site->memory));
    FACT(site->kept.epoch <= site->saving.epoch, /* I2 */
         "the site's saves: no epoch is saved below the one that is durable");
    FACT(site->saving.epoch <= site->memory.epoch, /* I2 */
         "the site's saves: no epoch is accepted below the one that is saved");
    FACT(site->kept.let_go_index <= site->saving.let_go_index, /* 3.9 */
         "the site's saves: what was let go is saved as such");
    FACT(site->saving.let_go_index <= site->memory.let_go_index, /* 3.9 */
         "the site's saves: what was let go stays let go");
    FACT(!bw_site_is_saving(site) || site->save_number != 0, /* one that was asked for is awaited */
         "the site's saves: what is pending was asked for");
    return NULL;
}

/* ---- the guard, and what it was asked (3.4) --------------------------------------------------- */

static bool asks_guard(const struct bw_site *site)
{
    for (int i = 0; i < BW_ACTION_COUNT; i++)
        if (site->observation[i].running)
            return true;
    return site->running != BW_ACTION_NONE || site->arm_open || site->end_open ||
           site->remote_fenced == BW_REMOTE_FENCE_RUNNING;
}

static const char *guard_unsound(const struct bw_site *site)
{
    FACT(bw_site_is_greeted(site) || !asks_guard(site), /* 3.4: a new hello voids what was before it */
         "the site's guard: nothing is awaited of one that is not there");
    FACT(site->running == BW_ACTION_NONE || bw_action_is_action(site->running), /* 3.4: two slots */
         "the site's guard: an observation is no action");
    return NULL;
}

static const char *own_fence_unsound(const struct bw_site *site)
{
    FACT(site->own_fence == BW_SITE_OWN_FENCE_IDLE ||
             site->own_end != BW_SITE_OWN_END_NONE, /* 4: of what it saw nobody told the guard */
         "the site's own fence: one that runs has begun");
    return NULL;
}

/* ---- a manual lease (3.8) ------------------------------------------------------------------------ */

static const char *override_unsound(const struct bw_site *site)
{
    FACT(!bw_site_overrides(site) || site->lease.end.boot_ns == 0, /* with a granted lease its rules hold */
         "the site's manual lease: it is over with the first granted one");
    FACT(!site->override_open || site->memory.override >= BW_OVERRIDE_OVERRIDING, /* durable, then ordered */
         "the site's manual lease: none is armed before it has begun");
    return NULL;
}

const char *bw_site_unsound(const struct bw_site *site)
{
    FACT((unsigned)site->tenure <= BW_TENURE_STUCK, "the site's tenure: it is one of the list");
    FACTS(saves_unsound(site));
    FACTS(tenure_unsound(site));
    FACTS(lease_unsound(site));
    FACTS(guard_unsound(site));
    FACTS(own_fence_unsound(site));
    FACTS(override_unsound(site));
    return NULL;
}
