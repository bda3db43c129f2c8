/* What a site says of itself to the witnesses: renewals (3.2), what was given back (3.5), its report. */
#include "site_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/limits.h>

/* 3.4: an epoch that its guard does not arm for so long, whatever it refuses it by, would be held by a site
 * that can never start it; unrenewed, it ends, and goes to another one. A fence that runs has its time. */
static bool is_never_armed(const struct bw_site *site, struct bw_instant now)
{
    const uint64_t refused_ns = site->memory.terms.fence_ms * BW_NS_PER_MS + BW_SITE_UNSAVED_NS;

    if (site->tenure != BW_TENURE_WAITING || bw_lease_is_alive(&site->lease, now))
        return false;
    return (site->guard_unsaved &&
            bw_instant_elapsed_ns(now, site->unsaved_since) >= BW_SITE_UNSAVED_NS) ||
           (site->arm_refused &&
            bw_instant_elapsed_ns(now, site->arm_refused_since) >= refused_ns);
}

/* 3.4: the start of an epoch waits until it is durable that it was begun. Where the disk does not keep
 * that for so long, this site holds what it cannot serve: unrenewed, it ends, and goes to another one. */
static bool is_never_kept(const struct bw_site *site, struct bw_instant now)
{
    return (site->tenure == BW_TENURE_WAITING || site->tenure == BW_TENURE_STARTING) &&
           site->service != BW_SERVICE_STARTED && site->save != BW_SITE_SAVE_KEPT &&
           bw_instant_elapsed_ns(now, site->unsaved_own_since) >= BW_SITE_UNSAVED_NS;
}

/* The conditions under which this site asks for its lease to go on: of this boot (3.7), and with a
 * guard that is there and can keep it (3.4). */
static bool renews(const struct bw_site *site, struct bw_instant now)
{
    return bw_site_tenure_renews(site) && !is_never_armed(site, now) && !is_never_kept(site, now) &&
           bw_id_equal(site->memory.boot_id, site->boot_id) && bw_site_is_greeted(site) &&
           !bw_site_guard_is_silent(site, now);
}

static uint32_t since_ms(struct bw_instant now, struct bw_instant at)
{
    const uint64_t ms = bw_instant_elapsed_ns(now, at) / BW_NS_PER_MS;

    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

static uint32_t age_ms(struct bw_instant now, const struct bw_observation *observation)
{
    return observation->has_result ? since_ms(now, observation->at) : UINT32_MAX;
}

/* 3.8: its fences do not keep F, by the newest that was measured, against the terms that it would be
 * granted with. The margin is what a wait for the end allows for. */
static bool is_fence_too_slow(const struct bw_site *site)
{
    const struct bw_terms *terms = site->order.kind != BW_ORDER_NONE ? &site->order.terms
                                                                     : &site->memory.terms;

    return terms->fence_ms != 0 &&
           site->fence_took_ms > (uint64_t)terms->fence_ms + terms->margin_ms;
}

/* A site that holds nothing runs no fence that could show better. So it is not believed for ever that it
 * cannot: the first time for a minute, then for twice as long each time, up to about an hour. Until then
 * it is no candidate (3.8). What a fence that takes too long must not let live, the kills before D end. */
#define SLOW_FENCE_NS   (60 * BW_NS_PER_S)
#define SLOW_FENCES_MAX 7

void bw_site_note_fence_time(const struct step *step, uint64_t epoch, uint32_t took_ms)
{
    struct bw_site *site = step->site;

    site->fence_took_ms = took_ms > 0 ? took_ms : 1; /* 0 is none */
    site->fence_took_at = step->now;
    if (!is_fence_too_slow(site)) {
        site->fence_slow_count = 0;
        site->fence_slow_epoch = 0;
    } else if (site->fence_slow_epoch != epoch) { /* a failed one is tried again and again */
        site->fence_slow_epoch = epoch;
        site->fence_slow_count += site->fence_slow_count < SLOW_FENCES_MAX;
    }
    BW_ASSERT(site->fence_slow_count <= SLOW_FENCES_MAX);
}

static bool is_fence_time_old(const struct bw_site *site, struct bw_instant now)
{
    const uint64_t counts_ns = site->fence_slow_count > 0
                                   ? SLOW_FENCE_NS << (site->fence_slow_count - 1)
                                   : SLOW_FENCE_NS;

    return is_fence_too_slow(site) && !bw_site_epoch_is_open(site) &&
           bw_instant_wait_is_over(now, bw_instant_add(site->fence_took_at, counts_ns));
}

/* One that has not ended since this agent began, or that its guard cannot run (any more), says neither yes nor no, as
 * one that fails (4). */
static enum bw_condition condition_of(const struct bw_site *site)
{
    const bool is_unknown = site->limits.has_script[BW_ACTION_CONDITION] &&
                            (site->condition == BW_CONDITION_NONE ||
                             !bw_site_has_script(site, BW_ACTION_CONDITION));

    if (site->limits.condition_is_shown)
        return BW_CONDITION_NONE;
    return is_unknown ? BW_CONDITION_FAILED : site->condition;
}

/* What is killed and begun again is stopped for a moment: before a fence has seen the end such a look is no
 * word that another site may begin by (3.2.4, 3.9). */
static enum bw_service service_of(const struct bw_site *site)
{
    const bool is_fenced = site->tenure == BW_TENURE_FENCING || site->tenure == BW_TENURE_STUCK ||
                           site->fence_failed;

    return is_fenced && site->service == BW_SERVICE_STOPPED ? BW_SERVICE_UNKNOWN : site->service;
}

static void say_released(const struct bw_site *site, struct bw_sync_group *out_group)
{
    const struct bw_site_memory *kept = &site->kept;

    if (kept->epoch != 0 && kept->epoch == site->memory.epoch && kept->given_back) {
        /* "given back" is on disk before Released leaves (3.5) */
        out_group->released.epoch = kept->epoch;
        out_group->released.reason = kept->reason;
        out_group->released.past_no_return = kept->past_no_return;
        memcpy(out_group->released.position, kept->position, sizeof out_group->released.position);
        /* What was seen to serve since takes it back at once, whatever the disk says (3.3). */
        if (site->memory.fenced_index == kept->fenced_index)
            out_group->released.held_index = kept->fenced_index;
    }
}

enum bw_override bw_site_override_report(const struct bw_site *site)
{
    if (site->memory.override == BW_OVERRIDE_OVERRIDING)
        return bw_site_override_has_begun(site) ? BW_OVERRIDE_OVERRIDING : BW_OVERRIDE_WAITING;
    if (site->memory.override != BW_OVERRIDE_NONE)
        return site->memory.override;
    /* Or its guard has one armed that nobody knows (any more). */
    if (site->override_on_disk > BW_OVERRIDE_WAITING || site->guard.armed_serial != 0)
        return BW_OVERRIDE_ENDING;
    return site->override_on_disk;
}

/* The end is fixed, so what is left bounds it wherever this is read (3.8). */
static void say_manual_lease(const struct bw_site *site, struct bw_instant now, struct bw_report *report)
{
    const uint64_t left_ms = (bw_site_override_left_ns(site, now) + BW_NS_PER_MS - 1) / BW_NS_PER_MS;
    const struct bw_reach_sight sight = bw_site_sight(site);

    report->override = bw_site_override_report(site);
    if (report->override == BW_OVERRIDE_NONE)
        return;
    report->manual_serial = bw_max(site->memory.override_serial, site->guard.armed_serial);
    report->manual_left_ms = (uint32_t)left_ms; /* a day at most */
    report->manual_proved = site->guard.reach_works && sight.seen == BW_REACH_INSIDE && sight.proved;
}

static void say_failures(const struct bw_site *site, struct bw_instant now,
                         struct bw_report *report)
{
    report->failure_count = site->failures.count;
    for (uint32_t i = 0; i < site->failures.count; i++) {
        report->failures[i] = site->failures.list[i].what;
        report->failures[i].age_ms = since_ms(now, site->failures.list[i].at);
    }
}

static void say_restarts(const struct bw_site *site, struct bw_instant now,
                         struct bw_restarts *restarts)
{
    BW_ASSERT((site->restarts_epoch == 0) == (site->restarts == 0));
    if (site->restarts_epoch == 0)
        return;
    *restarts = (struct bw_restarts){.epoch = site->restarts_epoch,
                                     .count = site->restarts,
                                     .age_ms = since_ms(now, site->restarted_at)};
}

static void say_steps(const struct bw_site *site, struct bw_instant now,
                      struct bw_steps_progress *steps)
{
    const uint64_t more_ms = since_ms(now, site->steps_at);

    if (site->steps.count == 0)
        return;
    *steps = site->steps;
    steps->age_ms = more_ms < UINT32_MAX - steps->age_ms ? steps->age_ms + (uint32_t)more_ms
                                                         : UINT32_MAX;
}

/* The knowledge that this site cannot lose any more (3.4, 3.9). */
static void say_numbers(const struct bw_site *site, struct bw_report *report)
{
    report->epoch_seen = bw_site_epoch_seen(site);
    report->let_go_index = site->kept.let_go_index;
    report->told_epoch = site->kept.told_epoch;
    report->told_index = site->kept.told_index;
}

void bw_site_sync_get(const struct bw_site *site, struct bw_instant now,
                      struct bw_sync_group *out_group)
{
    /* What this site says of itself is what it cannot forget any more (3.4). */
    const struct bw_site_memory *kept = &site->kept;
    struct bw_report *report = &out_group->report;

    memset(out_group, 0, sizeof *out_group);
    memcpy(out_group->name, site->group, sizeof out_group->name);
    if (renews(site, now))
        out_group->renew_epoch = site->memory.epoch;
    say_released(site, out_group);
    BW_ASSERT(out_group->renew_epoch == 0 ||
              out_group->released.epoch != out_group->renew_epoch); /* 3.5: final */
    report->spec_version = site->observed_spec_version;
    say_numbers(site, report);
    report->guard_alive = bw_site_is_greeted(site) && !bw_site_guard_is_silent(site, now) &&
                          !bw_site_look_is_overdue(site, now);
    report->enforced = kept->enforced;
    report->service = service_of(site);
    report->service_age_ms = age_ms(now, &site->observation[BW_ACTION_STATUS]);
    report->verified = site->verified || !site->limits.has_script[BW_ACTION_VERIFY];
    report->has_fence_or_stop_succeeded = site->guard.stop_seen ||
                                          site->own_end == BW_SITE_OWN_END_SEEN ||
                                          site->own_end == BW_SITE_OWN_END_DENIED;
    report->fence_failed = site->fence_failed;
    report->fence_epoch = site->fence_failed_epoch;
    report->condition = condition_of(site);
    report->has_readiness = site->limits.has_script[BW_ACTION_READINESS];
    report->ready = site->ready;
    report->ready_age_ms = age_ms(now, &site->observation[BW_ACTION_READINESS]);
    report->prepared_index = site->ready ? site->ready_order_index : 0;
    report->has_lag = site->has_lag;
    report->lag_ms = site->lag_ms;
    memcpy(report->position, site->position, sizeof report->position);
    report->check_interval_ms = (uint32_t)(site->limits.check_interval_ns / BW_NS_PER_MS);
    report->reach = site->guard.reach;
    report->reach_works = site->guard.reach_works;
    report->sight = bw_site_sight(site);
    report->fence_bound_ms = site->guard.fence_bound_ms;
    report->armed_epoch = bw_site_epoch_is_open(site) && bw_lease_is_alive(&site->lease, now)
                              ? site->memory.epoch
                              : 0;
    report->stop_begun_epoch = site->tenure == BW_TENURE_STOPPING ||
                                       site->tenure == BW_TENURE_ENDING ||
                                       site->tenure == BW_TENURE_FENCING
                                   ? site->memory.epoch
                                   : 0;
    report->start_begun = site->memory.start_begun && bw_site_epoch_is_open(site);
    report->serving_epoch_started = site->tenure == BW_TENURE_SERVING;
    report->rejoining = site->running == BW_ACTION_REJOIN ||
                        bw_site_joined_epoch(site, kept) < site->other_serves_epoch;
    report->joined_epoch = bw_site_joined_epoch(site, kept);
    report->fence_took_ms = is_fence_time_old(site, now) ? 0 : site->fence_took_ms;
    report->alarms = site->alarms;
    report->rogue_starts = site->rogue_starts;
    report->gives_position = site->gives_position;
    say_failures(site, now, report);
    say_manual_lease(site, now, report);
    report->loop_delay_ms = site->guard.loop_delay_ms;
    report->seen_epoch = site->seen_epoch;
    report->seen_age_ms = site->seen_epoch != 0 ? since_ms(now, site->seen_at) : 0;
    say_restarts(site, now, &report->restarts);
    report->remote_fence = bw_site_remote_fence_report(site);
    report->second = bw_site_second_word(site, now);
    report->has_point = bw_site_is_greeted(site) && site->guard.has_point;
    report->asks_to_pass = bw_site_asks_to_pass(site);
    say_steps(site, now, &report->steps);
    report->unhealthy = bw_site_health(site);
    if (report->unhealthy != BW_UNHEALTHY_NOT)
        report->unhealthy_ms = since_ms(now, site->healthy_at);
    report->phases_epoch = site->phases_epoch;
    if (site->phases_epoch != 0)
        memcpy(report->phase_ms, site->phase_ms, sizeof report->phase_ms);
    report->alarms |= bw_site_reach_alarms(site);
    if (report->override != BW_OVERRIDE_NONE)
        report->alarms |= UINT32_C(1) << BW_ALARM_OVERRIDE;
    report->guard_busy = site->guard_cleans || site->running == BW_ACTION_STOP ||
                         site->running == BW_ACTION_START;
    if (is_fence_too_slow(site) && report->fence_took_ms != 0)
        report->alarms |= UINT32_C(1) << BW_ALARM_FENCE_TOO_SLOW;
}
