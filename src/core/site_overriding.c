/* What a site asks for where a person has overridden (3.8): first it is durable, then the guard has
 * it written down, then it is started; its end is a fence that has seen it. */
#include "site_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>

static bool is_answered(const struct step *step)
{
    const struct bw_site *site = step->site;

    if (!bw_site_leader_answers(site, step->now))
        return false;
    bw_site_wake(step, bw_instant_add(site->leader_answered, bw_site_leader_fresh_ns(site)));
    return true;
}

/* H19: one longest lease after the command, and after its own epoch is over. */
static void advance_waiting(const struct step *step)
{
    struct bw_site *site = step->site;
    uint64_t left_ns;
    const enum bw_override_waits waits = bw_site_override_waits(site, step->now, &left_ns);

    BW_ASSERT(site->tenure == BW_TENURE_NONE); /* its own epoch is given back */
    if (waits == BW_OVERRIDE_WAITS_LEASE)
        bw_site_wake(step, bw_site_override_waited_at(site));
    if (waits != BW_OVERRIDE_WAITS_NOTHING)
        return;
    bw_site_override_move(site, BW_SITE_OVERRIDE_EVENT_DUE);
    site->memory.override = BW_OVERRIDE_OVERRIDING;
    bw_site_save(step, "S71");
}

static void tell_guard(const struct step *step)
{
    struct bw_site *site = step->site;
    struct bw_guard_message *message;

    if (site->override_open)
        return;
    message = &bw_site_emit(step, BW_SITE_ACTION_SEND, "S72")->message;
    message->kind = BW_GUARD_MESSAGE_OVERRIDE;
    memcpy(message->group, site->group, sizeof message->group);
    message->epoch = bw_site_epoch_seen(site);
    site->override_open = true;
}

static void note_serves(const struct step *step)
{
    struct bw_site *site = step->site;

    if (site->override_start == BW_SITE_OVERRIDE_START_SERVES)
        return;
    bw_site_override_start_move(site, BW_SITE_OVERRIDE_START_EVENT_SERVES);
    site->stopped_in_a_row = 0;
    bw_site_alarm(site, BW_ALARM_START_FAILED, false);
    bw_site_alarm(site, BW_ALARM_STOP_FAILED, false);
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S89");
}

static void start(const struct step *step)
{
    struct bw_site *site = step->site;

    /* Durable before the start: what it writes has to follow (4). */
    if (!site->memory.override_wrote) {
        site->memory.override_wrote = true;
        site->memory.rejoined_epoch = 0;
        bw_site_save(step, "S82");
    }
    if (site->save != BW_SITE_SAVE_KEPT)
        return;
    bw_site_override_start_move(site, BW_SITE_OVERRIDE_START_EVENT_ORDERED);
    site->facts = (struct bw_run_facts){.grade = BW_GRADE_NONE};
    bw_site_run(step, BW_ACTION_START, bw_site_epoch_seen(site), "S73");
}

/* 4: what was seen to serve is down once status has said so often enough. */
static bool is_down(const struct bw_site *site)
{
    return site->service == BW_SERVICE_STOPPED &&
           (site->override_start != BW_SITE_OVERRIDE_START_SERVES ||
            site->stopped_in_a_row >= site->limits.failure_threshold);
}

/* 3.8: what an agent finds down as it begins may have been down for long, and another site granted
 * meanwhile. It has to be heard of first: one longest lease without a word of a leader. */
static bool has_waited(const struct step *step)
{
    const struct bw_instant until = bw_site_override_waited_at(step->site);

    if (bw_instant_wait_is_over(step->now, until))
        return true;
    bw_site_wake(step, until);
    return false;
}

/* A fence is its end at the guard: that is told anew, and then it is started again. */
static void clean(const struct step *step)
{
    const struct bw_site *site = step->site;

    if (site->override_start == BW_SITE_OVERRIDE_START_STOP_DUE)
        bw_site_run(step, BW_ACTION_STOP, bw_site_epoch_seen(site), "S79");
    else
        bw_site_run(step, BW_ACTION_FENCE, bw_site_epoch_seen(site), "S97");
}

static void advance_overriding(const struct step *step)
{
    struct bw_site *site = step->site;

    BW_ASSERT(site->kept.override ==
              BW_OVERRIDE_OVERRIDING); /* durable before anything is ordered */
    if (!bw_site_is_greeted(site) || !bw_site_may_retry(step))
        return;
    if (!site->guard.overriding) {
        tell_guard(step);
        return;
    }
    if (site->service == BW_SERVICE_STARTED) {
        note_serves(step);
        return;
    }
    if (site->running != BW_ACTION_NONE)
        return;
    if (site->override_start == BW_SITE_OVERRIDE_START_RAN) {
        if (bw_instant_wait_is_over(step->now, site->start_limit))
            bw_site_override_start_failed(step);
        else
            bw_site_wake(step, site->start_limit);
        return;
    }
    if (!bw_site_override_may_start(site))
        clean(step);
    else if (is_down(site) && has_waited(step) &&
             !is_answered(step)) /* else the witnesses decide */
        start(step);
}

/* Its kills are done within the window, and of its last looks each has its time: a guard that has
 * not answered after twice that stands still, and the two watch each other (3.4). */
static bool is_fence_overdue(const struct step *step)
{
    const struct bw_site *site = step->site;
    const uint64_t window_ns = bw_lease_window_of_ns(site->guard.fence_bound_ms * BW_NS_PER_MS);
    const uint64_t look_ns = site->limits.timeout_ns[BW_ACTION_STATUS];
    const struct bw_instant limit = bw_instant_add(site->override_fence_asked,
                                                   2 * (window_ns + look_ns));

    if (site->running != BW_ACTION_FENCE)
        return false;
    if (bw_instant_wait_is_over(step->now, limit))
        return true;
    bw_site_wake(step, limit);
    return false;
}

/* As long as nobody has seen the end it says that it overrides. Not by both at once. */
static void advance_ending(const struct step *step)
{
    struct bw_site *site = step->site;

    if (site->own_fence != BW_SITE_OWN_FENCE_IDLE)
        return;
    if (!bw_site_is_greeted(site) || is_fence_overdue(step)) {
        if (bw_site_may_fence_itself(step))
            bw_site_fence_override(step);
        return;
    }
    if (site->running == BW_ACTION_FENCE || !bw_site_may_retry(step))
        return;
    site->override_fence_asked = step->now;
    bw_site_run(step, BW_ACTION_FENCE, bw_site_epoch_seen(site), "S75");
}

/* Its guard lets something serve of which this agent knows no word of a person (any more). */
static void advance_unknown(const struct step *step)
{
    struct bw_site *site = step->site;

    if (site->guard.overriding && bw_site_is_greeted(site) && site->running == BW_ACTION_NONE &&
        bw_site_may_retry(step))
        bw_site_run(step, BW_ACTION_FENCE, bw_site_epoch_seen(site), "S81");
}

/* Nobody armed it, nor ever will: no arm of it was sent, and its guard, which is there, knows of
 * none and of no start in it. */
static bool is_epoch_untouched(const struct bw_site *site)
{
    return site->tenure == BW_TENURE_WAITING && bw_site_is_greeted(site) &&
           site->running == BW_ACTION_NONE && site->arm_sent_end.boot_ns == 0 &&
           !site->memory.start_begun && site->guard.start_epoch != site->memory.epoch;
}

bool bw_site_override_outlives_epoch(const struct step *step)
{
    const struct bw_site *site = step->site;

    if (!is_epoch_untouched(site))
        return false;
    switch (site->override) {
    case BW_SITE_OVERRIDE_NONE:
    case BW_SITE_OVERRIDE_BEGINNING:
    case BW_SITE_OVERRIDE_ENDING:
        break;
    case BW_SITE_OVERRIDE_WAITING:
        return has_waited(step);
    case BW_SITE_OVERRIDE_OVERRIDING:
        return !is_answered(step);
    }
    return false;
}

void bw_site_advance_override(const struct step *step)
{
    switch (step->site->override) {
    case BW_SITE_OVERRIDE_NONE:
        advance_unknown(step);
        break;
    case BW_SITE_OVERRIDE_WAITING:
        advance_waiting(step);
        break;
    case BW_SITE_OVERRIDE_BEGINNING: /* until it is on disk */
        break;
    case BW_SITE_OVERRIDE_OVERRIDING:
        advance_overriding(step);
        break;
    case BW_SITE_OVERRIDE_ENDING:
        advance_ending(step);
        break;
    }
}
