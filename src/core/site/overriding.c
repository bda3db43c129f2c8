/* The requests of a site under a manual lease (3.8): first it is durable, then the guard has armed it, then the service is
 * started; its end is a fence that has seen it. A table, and below it what its words mean. */
#include "internal.h"

#include <string.h>

#include <breakwater/base/assert.h>

/* ---- the table ----------------------------------------------------------------------------- */

static bw_site_requirement may_fence_unknown, has_waited_for_leases, may_not_order, is_unarmed, is_serving,
    is_running, has_start_run_out, has_start_run, is_stop_due, is_start_unkept, may_start,
    is_fenced_by_agent, may_fence_itself, is_guard_out, may_stop_first, may_fence;
static bw_site_effect fence, arm, note_serves, give_up_start, wait_for_start, stop, keep_start, start,
    fence_itself, stop_first, fence_at_last;

#define RULE(id, override, requires, effect) {#id, BW_OVERRIDE_##override, requires, effect},
#define ROW(override, requires, effect) {NULL, BW_OVERRIDE_##override, requires, effect},

/* clang-format off */
/* What has no row waits.
 *        id   override    requires              effect                                               */
static const struct bw_site_row rows[] = {
    RULE( S81, NONE,       may_fence_unknown,     fence)

    RULE( S71, WAITING,    has_waited_for_leases, bw_site_override_begin)

    ROW(       OVERRIDING, may_not_order,         bw_site_nothing)
    RULE( S72, OVERRIDING, is_unarmed,            arm)
    RULE( S89, OVERRIDING, is_serving,            note_serves)
    ROW(       OVERRIDING, is_running,            bw_site_nothing)
    ROW(       OVERRIDING, has_start_run_out,     give_up_start)
    ROW(       OVERRIDING, has_start_run,         wait_for_start)
    RULE( S79, OVERRIDING, is_stop_due,           stop)
    RULE( S82, OVERRIDING, is_start_unkept,       keep_start)
    RULE( S73, OVERRIDING, may_start,             start)

    ROW(       ENDING,     is_fenced_by_agent,    bw_site_nothing)
    ROW(       ENDING,     may_fence_itself,      fence_itself)
    ROW(       ENDING,     is_guard_out,          bw_site_nothing)
    RULE( S69, ENDING,     may_stop_first,        stop_first)
    RULE( S75, ENDING,     may_fence,             fence_at_last)
};
/* clang-format on */

void bw_site_advance_override(const struct step *step)
{
    bw_site_take_row(step, rows, sizeof rows / sizeof rows[0], step->site->memory.override);
}

/* ---- until it begins ----------------------------------------------------------------------- */

/* The armed one is meant; else nothing below the newest is taken. */
static uint64_t epoch_to_end(const struct bw_site *site)
{
    const bool is_armed = site->guard.armed_serial != 0 && site->memory.override_epoch != 0;

    return is_armed ? site->memory.override_epoch : bw_site_epoch_seen(site);
}

static void fence(const struct step *step, const char *rule)
{
    bw_site_run(step, BW_ACTION_FENCE, epoch_to_end(step->site), rule);
}

/* Its guard has one armed that this agent does not know (any more). */
static bool may_fence_unknown(const struct step *step)
{
    const struct bw_site *site = step->site;

    return site->guard.armed_serial != 0 && bw_site_is_greeted(site) && site->running == BW_ACTION_NONE &&
           bw_site_may_retry(step);
}

/* H19: one longest lease after the command, and after its own epoch is over. */
static bool has_waited_for_leases(const struct step *step)
{
    const struct bw_site *site = step->site;
    uint64_t left_ns;
    const enum bw_override_waits waits = bw_site_override_waits(site, step->now, &left_ns);

    BW_ASSERT(site->tenure == BW_TENURE_NONE); /* its own epoch is given back */
    if (waits == BW_OVERRIDE_WAITS_LEASE)
        bw_site_wake(step, bw_site_override_waited_at(site));
    return waits == BW_OVERRIDE_WAITS_NOTHING;
}

/* ---- while it lives ------------------------------------------------------------------------ */

static bool may_not_order(const struct step *step)
{
    return !bw_site_override_has_begun(step->site) || !bw_site_is_greeted(step->site) || !bw_site_may_retry(step);
}

static bool is_unarmed(const struct step *step)
{
    return step->site->guard.armed_serial != step->site->memory.override_serial;
}

/* Like any other lease, but for its end, which never moves. */
static void arm(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;
    const struct bw_site_memory *memory = &site->memory;
    struct bw_guard_message *message;

    if (site->override_open)
        return;
    message = &bw_site_emit(step, BW_SITE_ACTION_SEND, rule)->message;
    message->kind = BW_GUARD_MESSAGE_ARM;
    memcpy(message->group, site->group, sizeof message->group);
    message->epoch = memory->override_epoch;
    message->arm.epoch = memory->override_epoch;
    message->arm.serial = memory->override_serial;
    message->arm.number = memory->override_serial;
    message->arm.terms = memory->terms;
    message->arm.terms.ttl_ms = (uint32_t)bw_ns_to_ms(bw_instant_wait_left_ns(step->now, memory->override_end)) + 1;
    message->arm.terms.fence_ms = memory->override_fence_ms;
    message->arm.begin = step->now;
    message->arm.end = memory->override_end;
    site->override_open = true;
}

static bool is_serving(const struct step *step)
{
    return step->site->service == BW_SERVICE_STARTED;
}

static void note_serves(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;

    if (site->override_start == BW_SITE_OVERRIDE_START_SERVES)
        return;
    bw_site_override_start_move(site, BW_SITE_OVERRIDE_START_EVENT_SERVES);
    site->stopped_in_a_row = 0;
    bw_site_alarm(site, BW_ALARM_START_FAILED, false);
    bw_site_alarm(site, BW_ALARM_STOP_FAILED, false);
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, rule);
}

static bool is_running(const struct step *step)
{
    return step->site->running != BW_ACTION_NONE;
}

static bool has_start_run(const struct step *step)
{
    return step->site->override_start == BW_SITE_OVERRIDE_START_RAN;
}

static bool has_start_run_out(const struct step *step)
{
    return has_start_run(step) && bw_instant_wait_is_over(step->now, step->site->start_limit);
}

static void give_up_start(const struct step *step, const char *rule)
{
    (void)rule;
    bw_site_override_start_failed(step);
}

static void wait_for_start(const struct step *step, const char *rule)
{
    (void)rule;
    bw_site_wake(step, step->site->start_limit);
}

static bool is_stop_due(const struct step *step)
{
    return step->site->override_start == BW_SITE_OVERRIDE_START_STOP_DUE;
}

static void stop(const struct step *step, const char *rule)
{
    bw_site_run(step, BW_ACTION_STOP, epoch_to_end(step->site), rule);
}

/* 4: what was seen to serve is down once status has said so often enough. */
static bool is_down(const struct bw_site *site)
{
    return site->service == BW_SERVICE_STOPPED &&
           (site->override_start != BW_SITE_OVERRIDE_START_SERVES ||
            site->stopped_in_a_row >= site->limits.failure_threshold);
}

static bool has_waited(const struct step *step)
{
    const struct bw_instant until = bw_site_override_waited_at(step->site);

    if (bw_instant_wait_is_over(step->now, until))
        return true;
    bw_site_wake(step, until);
    return false;
}

static bool is_answered(const struct step *step)
{
    const struct bw_site *site = step->site;

    if (!bw_site_leader_answers(site, step->now))
        return false;
    bw_site_wake(step, bw_instant_add(site->leader_answered, bw_site_leader_fresh_ns(site)));
    return true;
}

/* Else the witnesses decide. */
static bool may_begin(const struct step *step)
{
    return is_down(step->site) && !is_answered(step);
}

static bool is_start_unkept(const struct step *step)
{
    return may_begin(step) && !step->site->memory.override_wrote;
}

/* Durable before the start: what it writes has to follow (4). */
static void keep_start(const struct step *step, const char *rule)
{
    step->site->memory.override_wrote = true;
    step->site->memory.rejoined_epoch = 0;
    bw_site_save(step, rule);
}

static bool may_start(const struct step *step)
{
    return may_begin(step) && step->site->save == BW_SITE_SAVE_KEPT;
}

static void start(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;

    bw_site_override_start_move(site, BW_SITE_OVERRIDE_START_EVENT_ORDERED);
    site->facts = (struct bw_run_facts){.grade = BW_GRADE_NONE, .reach_digest = site->memory.override_digest};
    bw_site_run(step, BW_ACTION_START, site->memory.override_epoch, rule);
}

/* ---- until its end was seen ---------------------------------------------------------------- */

/* As long as nobody has seen the end it says that it overrides. Not by both at once. */
static bool is_fenced_by_agent(const struct step *step)
{
    return step->site->own_fence != BW_SITE_OWN_FENCE_IDLE;
}

static uint64_t stop_ns(const struct bw_site *site)
{
    return site->running == BW_ACTION_STOP ? site->limits.timeout_ns[BW_ACTION_STOP] + site->limits.kill_grace_ns
                                           : 0;
}

/* Its kills are done within the window, and of its last looks each has its time: a guard that has
 * not answered after twice that stands still, and the two watch each other (3.4). */
static bool is_fence_overdue(const struct step *step)
{
    const struct bw_site *site = step->site;
    const uint64_t window_ns = bw_lease_window_of_ns(bw_ms_to_ns(site->guard.fence_bound_ms));
    const uint64_t look_ns = site->limits.timeout_ns[BW_ACTION_STATUS];
    const struct bw_instant limit = bw_instant_add(site->override_fence_asked,
                                                   2 * (window_ns + look_ns) + stop_ns(site));

    if (site->running != BW_ACTION_FENCE && site->running != BW_ACTION_STOP)
        return false;
    if (bw_instant_wait_is_over(step->now, limit))
        return true;
    bw_site_wake(step, limit);
    return false;
}

static bool is_guard_out(const struct step *step)
{
    return !bw_site_is_greeted(step->site) || is_fence_overdue(step) || bw_site_override_is_overdue(step);
}

static bool may_fence_itself(const struct step *step)
{
    return is_guard_out(step) && bw_site_may_fence_itself(step);
}

static void fence_itself(const struct step *step, const char *rule)
{
    (void)rule;
    step->site->override_stop_due = false;
    bw_site_fence_override(step);
}

/* An end by a person is a stop in order; whatever that comes to, a fence has to see the end. */
static bool may_stop_first(const struct step *step)
{
    return step->site->override_stop_due && step->site->running != BW_ACTION_FENCE && bw_site_may_retry(step);
}

static void stop_first(const struct step *step, const char *rule)
{
    if (step->site->running == BW_ACTION_STOP)
        return;
    step->site->override_fence_asked = step->now;
    stop(step, rule);
}

static bool may_fence(const struct step *step)
{
    return step->site->running != BW_ACTION_FENCE && bw_site_may_retry(step);
}

static void fence_at_last(const struct step *step, const char *rule)
{
    step->site->override_fence_asked = step->now;
    fence(step, rule);
}

/* ---- an epoch beside it -------------------------------------------------------------------- */

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
    if (site->memory.override == BW_OVERRIDE_WAITING)
        return has_waited(step);
    return bw_site_override_has_begun(site) && !is_answered(step);
}
