/* The fence of the agent's own, where its guard is away or stands still: "they watch each other" (3.4). */
#include "site_internal.h"

#include <breakwater/base/assert.h>
#include <breakwater/base/limits.h>

static void again_soon(const struct step *step)
{
    step->site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
    step->site->own_fence_again_at = step->site->retry_at;
}

bool bw_site_may_fence_itself(const struct step *step)
{
    if (bw_instant_wait_is_over(step->now, step->site->own_fence_again_at))
        return true;
    bw_site_wake(step, step->site->own_fence_again_at);
    return false;
}

static void on_old_instance_fenced(const struct step *step, bool ok)
{
    struct bw_site *site = step->site;

    BW_ASSERT(site->old_epoch != 0);
    if (!ok) {
        bw_site_note_fence_failed(step, site->old_epoch);
        again_soon(step);
        return;
    }
    site->old_fenced_epoch = site->old_epoch;
    site->old_epoch = 0;
    site->service = BW_SERVICE_UNKNOWN; /* what the guard saw before, if it sees no more (3.3) */
    bw_site_note_fence_succeeded(site);
}

static void on_override_fenced(const struct step *step, uint64_t epoch, bool ok)
{
    struct bw_site *site = step->site;

    site->override_fence_epoch = 0;
    if (!ok) {
        bw_site_note_fence_failed(step, epoch);
        again_soon(step);
        return;
    }
    site->service = BW_SERVICE_UNKNOWN; /* what the guard saw before, if it sees no more (3.3) */
    bw_site_note_fence_succeeded(site);
    bw_site_override_fenced(step);
}

/* Of what was given back only a fence that was begun to answer says something, and while it is
 * owed. */
static bool is_answer_owed(const struct bw_site *site)
{
    return bw_site_owes_fence(site) && site->own_fence_index != 0;
}

/* Like every event of a fence it carries its epoch (H12): one that ends late says nothing about the
 * epoch that was granted meanwhile. */
void bw_site_on_own_fence_ended(const struct step *step, uint64_t epoch, bool ok)
{
    struct bw_site *site = step->site;
    const bool is_doubted = site->own_fence == BW_SITE_OWN_FENCE_DOUBTED;
    const bool was_denied = site->own_end == BW_SITE_OWN_END_DENIED;

    bw_site_own_fence_move(site, BW_SITE_OWN_FENCE_EVENT_ENDED);
    if (ok && is_doubted) { /* another has to look from here on */
        again_soon(step);
        return;
    }
    if (epoch != 0 && epoch == site->override_fence_epoch) {
        on_override_fenced(step, epoch, ok);
        return;
    }
    if (epoch != 0 && epoch == site->old_epoch) {
        on_old_instance_fenced(step, ok);
        return;
    }
    if (epoch != site->memory.epoch || !(bw_site_epoch_is_open(site) || is_answer_owed(site)))
        return;
    if (!ok) {
        bw_site_note_fence_failed(step, epoch);
        again_soon(step);
        return;
    }
    bw_site_own_end_move(site, BW_SITE_OWN_END_EVENT_SEEN);
    bw_site_note_answered(step, site->own_fence_index);
    site->service = BW_SERVICE_UNKNOWN; /* what the guard saw before, if it sees no more (3.3) */
    bw_site_note_fence_succeeded(site);
    if (!bw_site_is_greeted(site) || site->tenure != BW_TENURE_FENCING)
        return;
    if (was_denied) /* 3.4, ended: its guard may owe a script, which no fence of this agent's is */
        bw_site_tenure_move(site, BW_TENURE_EVENT_STOP_OWED);
    else
        bw_site_begin_ending(step);
}

static void ask_own_fence(const struct step *step, uint64_t epoch, struct bw_instant end,
                          uint64_t fence_ns, const char *rule)
{
    struct bw_site_action *action = bw_site_emit(step, BW_SITE_ACTION_OWN_FENCE, rule);

    BW_ASSERT(epoch != 0);
    bw_site_own_fence_move(step->site, BW_SITE_OWN_FENCE_EVENT_BEGUN);
    bw_site_own_end_move(step->site, BW_SITE_OWN_END_EVENT_BEGUN);
    action->epoch = epoch;
    action->fence = bw_lease_plan_fence(end, fence_ns);
    step->site->own_fence_index = bw_site_held_index(step->site);
    action->is_inside = step->site->guard.reach != BW_REACH_REMOTE &&
                        step->site->guard.sight.seen == BW_REACH_INSIDE;
    action->is_proved = action->is_inside && step->site->guard.sight.proved;
}

/* 3.3: what was given back and is held. No deadline hastens it: it has the time that F gives it. */
void bw_site_fence_held(const struct step *step)
{
    const uint64_t fence_ns = step->site->memory.terms.fence_ms * BW_NS_PER_MS;

    BW_ASSERT(step->site->memory.given_back);
    ask_own_fence(step, step->site->memory.epoch, bw_instant_add(step->now, fence_ns), fence_ns,
                  "S95");
}

#define FIRST_EPOCH 1 /* of an override that an earlier release has kept */

/* 3.8: what serves under a manual lease ends where its guard is away, or stands still, too. */
void bw_site_fence_override(const struct step *step)
{
    struct bw_site *site = step->site;
    const uint32_t fence_ms = site->memory.override_fence_ms;
    const uint64_t fence_ns = fence_ms != 0 ? fence_ms * BW_NS_PER_MS : bw_site_override_fence_ns(site);
    const uint64_t kept = bw_max(bw_site_epoch_seen(site), FIRST_EPOCH);
    const uint64_t epoch = site->memory.override_epoch != 0 ? site->memory.override_epoch : kept;

    BW_ASSERT(site->memory.override == BW_OVERRIDE_ENDING);
    site->override_fence_epoch = epoch;
    ask_own_fence(step, epoch, bw_instant_add(step->now, fence_ns), fence_ns, "S80");
}

static void begin_own_fence(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;

    BW_ASSERT(bw_site_epoch_is_open(site));
    if (site->ending_reason == BW_REASON_NONE)
        site->ending_reason = BW_REASON_LEASE_LOST;
    bw_site_override_leased(step, "S84");
    bw_site_fence_move(site, BW_SITE_FENCE_EVENT_BEGUN);
    bw_site_tenure_move(site, BW_TENURE_EVENT_FENCE_BEGUN);
    ask_own_fence(step, site->memory.epoch,
                  site->deadline == BW_SITE_DEADLINE_PAST ? step->now : site->arm_sent_end, site->lease.fence_ns,
                  rule);
}

/* The agent's own fence is due in the first part of the window, F/4
 * into it, unless fence_ended(e, ok) was read: whatever it thinks of its guard (H6). Without its
 * guard, gone or silent, the site gives back only after D, the latest end that it ever sent (H9). */
void bw_site_watch_deadline(const struct step *step)
{
    struct bw_site *site = step->site;
    const uint64_t fence_ns = site->lease.fence_ns;
    struct bw_instant window;
    struct bw_instant due;

    if (!bw_site_epoch_is_open(site) || site->arm_sent_end.boot_ns == 0)
        return;
    if (site->fence == BW_SITE_FENCE_ENDED || site->own_end == BW_SITE_OWN_END_SEEN) {
        /* One that cannot keep an end says no to each: after D it is as good as away, and what it has
         * forgotten by then this site keeps itself (3.5). */
        if (bw_site_is_greeted(site) && !bw_site_guard_is_silent(site, step->now) &&
            !site->guard_unsaved)
            return; /* it is asked for ended(e) */
        if (bw_instant_wait_is_over(step->now, site->arm_sent_end))
            bw_site_give_back(step, "S25");
        else
            bw_site_wake(step, bw_instant_max(site->arm_sent_end,
                                              bw_instant_add(step->now, BW_NS_PER_MS)));
        return;
    }
    window = bw_instant_sub(site->arm_sent_end, fence_ns);
    due = bw_instant_add(window, fence_ns / 4);
    if (bw_instant_right_is_over(step->now, window) && !bw_site_is_greeted(site) &&
        !site->mirror_reread) {
        site->mirror_reread = true; /* the guard may have taken an arm whose answer was lost */
        (void)bw_site_emit(step, BW_SITE_ACTION_READ_MIRROR, "S26");
    }
    if (site->deadline != BW_SITE_DEADLINE_PAST && !bw_instant_right_is_over(step->now, due)) {
        bw_site_wake(step, bw_instant_right_is_over(step->now, window) ? due : window);
        return;
    }
    if (site->own_fence != BW_SITE_OWN_FENCE_IDLE)
        return;
    if (bw_site_may_fence_itself(step))
        begin_own_fence(step, "S27");
}

/* Until the guard is back: what another agent arms is only to be read in its mirror. */
static void read_mirror_now_and_then(const struct step *step)
{
    struct bw_site *site = step->site;

    if (site->link != BW_SITE_LINK_LOST)
        return;
    if (bw_instant_wait_is_over(step->now, site->mirror_due)) {
        (void)bw_site_emit(step, BW_SITE_ACTION_READ_MIRROR, "S90");
        site->mirror_due = bw_instant_add(step->now, BW_SITE_MIRROR_NS);
    }
    bw_site_wake(step, site->mirror_due);
}

static void on_old_instance_mirror(struct bw_site *site, const struct bw_site_event *event)
{
    BW_ASSERT(event->mirror_epoch > site->memory.epoch); /* ours, and what is older, is no other's */
    if (event->mirror_epoch == site->old_fenced_epoch &&
        !bw_instant_is_later(event->mirror_end, site->old_end))
        return; /* it was ended by us, and the mirror is its guard's to change */
    if (!bw_instant_right_is_over(site->old_end, event->mirror_end))
        site->old_reread = false; /* it was renewed: there is another window */
    site->old_epoch = event->mirror_epoch;
    site->old_end = bw_instant_max(site->old_end, event->mirror_end);
    site->old_fence_ns = event->mirror_fence_ns;
}

void bw_site_watch_old_instance(const struct step *step)
{
    struct bw_site *site = step->site;
    struct bw_instant window;
    struct bw_instant due;

    read_mirror_now_and_then(step);
    if (site->old_epoch != 0 && !bw_site_watches_epoch(site, site->old_epoch))
        site->old_epoch = 0; /* 3.9: it was let go, or is over, since its mirror was read */
    if (site->old_epoch == 0 || site->own_fence != BW_SITE_OWN_FENCE_IDLE)
        return;
    window = bw_instant_sub(site->old_end, site->old_fence_ns);
    due = bw_instant_add(window, site->old_fence_ns / 4);
    if (bw_instant_right_is_over(step->now, window) && !site->old_reread) {
        site->old_reread = true; /* the guard may have read what the old agent sent last */
        (void)bw_site_emit(step, BW_SITE_ACTION_READ_MIRROR, "S43");
    }
    if (!bw_instant_right_is_over(step->now, due)) {
        bw_site_wake(step, bw_instant_right_is_over(step->now, window) ? due : window);
        return;
    }
    if (!bw_site_may_fence_itself(step))
        return;
    ask_own_fence(step, site->old_epoch, site->old_end, site->old_fence_ns, "S44");
}

void bw_site_on_mirror_read(const struct step *step, const struct bw_site_event *event)
{
    struct bw_site *site = step->site;

    /* One above ours that is our own: the state of this site was rolled back since (3.8), and what it thinks open is
     * over. */
    const bool is_forgotten = event->ok;

    if ((event->mirror_is_anothers || is_forgotten) && bw_site_watches_epoch(site, event->mirror_epoch)) {
        if (is_forgotten && bw_site_epoch_is_open(site))
            bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_LEARNT);
        on_old_instance_mirror(site, event);
        return;
    }
    if (!bw_site_epoch_is_open(site))
        return;
    if (event->ok && event->mirror_epoch == site->memory.epoch) {
        bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_LEARNT);
        site->arm_sent_end = bw_instant_max(site->arm_sent_end, event->mirror_end);
    }
    if (site->deadline != BW_SITE_DEADLINE_UNKNOWN)
        return;
    if ((!site->memory.enforced && !site->memory.start_begun) ||
        (event->mirror_overrides && bw_site_overrides(site))) {
        bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_LEARNT);
        return; /* nothing was ever armed: what runs here is not ours to end (3.8, 3.9) */
    }
    /* 3.4, H10: no guard, no mirror, no deadline: fence at once, as if D had passed, and give back
     * after now + TTL. */
    bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_LOST);
    site->arm_sent_end = bw_instant_add(step->now, site->lease.ttl_ns);
    if (site->own_fence == BW_SITE_OWN_FENCE_IDLE)
        begin_own_fence(step, "S28");
}
