/* A manual lease, from its command to its end: waited for, begun, dropped, ended (3.8). What becomes of it is
 * memory.override: it has begun once that is durable. What is ordered under it is overriding.c's. */
#include "internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/limits.h>
#include <breakwater/core/expiry.h>

#define FIRST_EPOCH 1 /* where no epoch was seen */
#define FENCE_NS_MIN BW_NS_PER_S /* before terms and guard have told */

#define FRESH_NS_MIN BW_NS_PER_S /* whatever the terms say, or before they are known */

static uint64_t freshness_ns(const struct bw_terms *terms)
{
    return bw_expiry_freshness_ns(terms->renew_interval_ms, terms->request_timeout_ms);
}

uint64_t bw_site_leader_fresh_ns(const struct bw_site *site)
{
    const uint64_t own_ns = freshness_ns(&site->memory.terms);
    const uint64_t ordered_ns = freshness_ns(&site->order.terms);
    const uint64_t longer_ns = own_ns > ordered_ns ? own_ns : ordered_ns;

    return longer_ns > FRESH_NS_MIN ? longer_ns : FRESH_NS_MIN;
}

bool bw_site_leader_answers(const struct bw_site *site, struct bw_instant now)
{
    return !bw_instant_wait_is_over(
        now, bw_instant_add(site->leader_answered, bw_site_leader_fresh_ns(site)));
}

struct bw_instant bw_site_override_waited_at(const struct bw_site *site)
{
    return bw_instant_add(site->override_since, bw_ms_to_ns(site->memory.override_wait_ms));
}

/* ---- how long it lives ------------------------------------------------------------------------- */

static bool waits(const struct bw_site *site)
{
    return site->memory.override == BW_OVERRIDE_WAITING ||
           (site->memory.override == BW_OVERRIDE_OVERRIDING && !bw_site_override_has_begun(site));
}

/* One of another boot, or of an earlier release, has none: it is over. */
static bool has_end(const struct bw_site *site)
{
    return site->memory.override_end.boot_ns != 0 &&
           bw_id_equal(site->memory.override_boot_id, site->boot_id);
}

uint64_t bw_site_override_fence_ns(const struct bw_site *site)
{
    const uint64_t own_ns = bw_ms_to_ns(site->memory.terms.fence_ms);
    const uint64_t ordered_ns = bw_ms_to_ns(site->order.terms.fence_ms);
    const uint64_t script_ns = bw_lease_window_of_ns(bw_ms_to_ns(site->guard.fence_bound_ms));

    return bw_max(bw_max(script_ns, FENCE_NS_MIN), bw_max(own_ns, ordered_ns));
}

/* End - F. */
static struct bw_instant fence_window_of(const struct bw_site *site)
{
    return bw_instant_sub(site->memory.override_end, bw_ms_to_ns(site->memory.override_fence_ms));
}

bool bw_site_override_is_overdue(const struct step *step)
{
    const struct bw_site *site = step->site;
    const struct bw_instant due = bw_instant_add(fence_window_of(site),
                                                 bw_ms_to_ns(site->memory.override_fence_ms) / 4);

    if (!has_end(site))
        return false;
    if (bw_instant_right_is_over(step->now, due))
        return true;
    bw_site_wake(step, due);
    return false;
}

uint64_t bw_site_override_left_ns(const struct bw_site *site, struct bw_instant now)
{
    return site->memory.override != BW_OVERRIDE_NONE && has_end(site)
               ? bw_instant_wait_left_ns(now, site->memory.override_end)
               : 0;
}

static void drop(const struct step *step, const char *rule, enum bw_override_over over);
static void end(const struct step *step, const char *rule, enum bw_override_over over);

/* It is over wherever it has come: what has not begun never does, what has is fenced. */
static void finish(const struct step *step, const char *rule, enum bw_override_over over)
{
    if (waits(step->site))
        drop(step, rule, over);
    else if (step->site->memory.override == BW_OVERRIDE_OVERRIDING)
        end(step, rule, over);
}

static void end_by_time(const struct step *step)
{
    finish(step, "S59", BW_OVERRIDE_OVER_TIME);
}

/* It is armed once: what its guard has had, or may have had, and has no more, is over. */
static void end_without_guard(const struct step *step)
{
    finish(step, "S68", BW_OVERRIDE_OVER_GUARD);
}

/* An agent that stood still for as long as the answer of a leader counts has heard nobody meanwhile: another site
 * may have been granted, and it counts anew, as one that restarts does (3.8). */
static void watch_own_pauses(const struct step *step)
{
    struct bw_site *site = step->site;
    const uint64_t heard_ns = bw_site_leader_fresh_ns(site);

    if (bw_instant_right_is_over(step->now, bw_instant_add(site->override_stepped, heard_ns))) {
        site->override_since = step->now;
        site->leader_answered = step->now;
        (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S58");
    }
    site->override_stepped = step->now;
    bw_site_wake(step, bw_instant_add(step->now, heard_ns / 2));
}

/* The guard fences at the same instant, whatever this agent does. */
void bw_site_override_watch(const struct step *step)
{
    struct bw_site *site = step->site;

    if (site->memory.override == BW_OVERRIDE_NONE || site->memory.override == BW_OVERRIDE_ENDING)
        return;
    if (bw_instant_right_is_over(step->now, fence_window_of(site)))
        end_by_time(step);
    else {
        bw_site_wake(step, fence_window_of(site));
        watch_own_pauses(step);
    }
}

void bw_site_on_override_late(const struct step *step)
{
    end_by_time(step);
}

/* ---- may it? --------------------------------------------------------------------------------- */

/* Not where it is observed, let go (which its guard may have written down alone), or not in the spec (3.9). */
static bool holds_back(const struct bw_site *site)
{
    return site->memory.enforced && site->guard.let_go_index <= site->memory.let_go_index;
}

enum bw_override_refusal bw_site_judge_override(const struct bw_site *site,
                                                uint64_t leader_silent_ns)
{
    if (site->memory.override != BW_OVERRIDE_NONE)
        return BW_OVERRIDE_REFUSAL_EXISTS;
    if (!holds_back(site))
        return BW_OVERRIDE_REFUSAL_NOT_ENFORCED;
    if (leader_silent_ns < bw_site_leader_fresh_ns(site))
        return BW_OVERRIDE_REFUSAL_WITNESSES; /* failover and switchover are the way */
    if (!bw_site_is_greeted(site))
        return BW_OVERRIDE_REFUSAL_GUARD;
    return BW_OVERRIDE_REFUSAL_NONE;
}

enum bw_override_refusal bw_site_judge_override_end(const struct bw_site *site)
{
    if (site->memory.override == BW_OVERRIDE_NONE)
        return BW_OVERRIDE_REFUSAL_NONE_TO_END;
    return site->tenure == BW_TENURE_NONE || !bw_site_overrides(site) ? BW_OVERRIDE_REFUSAL_NONE
                                                                      : BW_OVERRIDE_REFUSAL_ADOPTED;
}

/* ---- what it waits for ----------------------------------------------------------------------- */

static enum bw_override_waits waits_to_begin(const struct bw_site *site, uint64_t left_ns)
{
    if (left_ns > 0)
        return BW_OVERRIDE_WAITS_LEASE;
    if (site->fence_failed || site->own_fence != BW_SITE_OWN_FENCE_IDLE ||
        site->tenure == BW_TENURE_STUCK || bw_site_owes_fence(site))
        return BW_OVERRIDE_WAITS_FENCE;
    if (site->tenure != BW_TENURE_NONE)
        return BW_OVERRIDE_WAITS_EPOCH;
    if (!bw_site_is_greeted(site) || site->running != BW_ACTION_NONE)
        return BW_OVERRIDE_WAITS_GUARD;
    if (site->service != BW_SERVICE_STOPPED)
        return BW_OVERRIDE_WAITS_STATUS;
    return bw_site_is_saving(site) ? BW_OVERRIDE_WAITS_DISK : BW_OVERRIDE_WAITS_NOTHING;
}

static enum bw_override_waits waits_to_serve(const struct bw_site *site, struct bw_instant now)
{
    const bool is_answered = bw_site_leader_answers(site, now);

    if (site->tenure != BW_TENURE_NONE)
        return BW_OVERRIDE_WAITS_WITNESSES;
    if (site->service == BW_SERVICE_STARTED)
        return is_answered ? BW_OVERRIDE_WAITS_WITNESSES : BW_OVERRIDE_WAITS_NOTHING;
    if (!bw_site_is_greeted(site) || site->guard.armed_serial != site->memory.override_serial)
        return BW_OVERRIDE_WAITS_GUARD;
    if (site->running != BW_ACTION_NONE || !bw_site_override_may_start(site) ||
        !bw_instant_wait_is_over(now, site->retry_at))
        return BW_OVERRIDE_WAITS_START;
    if (is_answered)
        return BW_OVERRIDE_WAITS_GRANT;
    return site->service == BW_SERVICE_STOPPED ? BW_OVERRIDE_WAITS_START : BW_OVERRIDE_WAITS_STATUS;
}

static enum bw_override_waits waits_for(const struct bw_site *site, struct bw_instant now,
                                        uint64_t left_ns)
{
    switch (site->memory.override) {
    case BW_OVERRIDE_NONE:
        return site->override_on_disk != BW_OVERRIDE_NONE ? BW_OVERRIDE_WAITS_DISK
                                                          : BW_OVERRIDE_WAITS_NOTHING;
    case BW_OVERRIDE_WAITING:
        return waits_to_begin(site, left_ns);
    case BW_OVERRIDE_OVERRIDING:
        return bw_site_override_has_begun(site) ? waits_to_serve(site, now) : BW_OVERRIDE_WAITS_DISK;
    case BW_OVERRIDE_ENDING:
        return BW_OVERRIDE_WAITS_END;
    case BW_OVERRIDE_COUNT: /* not covered: judged where it was read */
        break;
    }
    return BW_OVERRIDE_WAITS_NOTHING;
}

enum bw_override_waits bw_site_override_waits(const struct bw_site *site, struct bw_instant now,
                                              uint64_t *out_left_ns)
{
    const uint64_t left_ns = bw_instant_wait_left_ns(now, bw_site_override_waited_at(site));
    const enum bw_override_waits waits = waits_for(site, now, left_ns);

    *out_left_ns = waits == BW_OVERRIDE_WAITS_LEASE ? left_ns : 0;
    return waits;
}

/* ---- how it changes -------------------------------------------------------------------------- */

/* Its serial stays: the next one has a higher. */
static void forget(struct bw_site *site)
{
    struct bw_site_memory *memory = &site->memory;

    memory->override = BW_OVERRIDE_NONE;
    memory->override_boot_id = (struct bw_id){{0}};
    memory->override_wait_ms = 0;
    memory->override_unix_ms = 0;
    memory->override_epoch = 0;
    memory->override_end = (struct bw_instant){0, 0};
    memory->override_end_unix_ms = 0;
    memory->override_fence_ms = 0;
    memory->override_digest = 0;
    site->override_open = false; /* a guard that ended it first answers no more */
    site->override_stop_due = false;
    bw_site_override_start_move(site, BW_SITE_OVERRIDE_START_EVENT_ENDED);
}

static void drop(const struct step *step, const char *rule, enum bw_override_over over)
{
    BW_ASSERT(waits(step->site)); /* what has begun is fenced first */
    step->site->override_over = over;
    forget(step->site);
    bw_site_save(step, rule);
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, rule);
}

static void end(const struct step *step, const char *rule, enum bw_override_over over)
{
    struct bw_site *site = step->site;

    BW_ASSERT(site->memory.override == BW_OVERRIDE_OVERRIDING);
    site->override_over = over;
    site->memory.override = BW_OVERRIDE_ENDING;
    site->retry_at = step->now;
    site->override_fence_asked = step->now; /* or one that runs already */
    site->override_stop_due = over == BW_OVERRIDE_OVER_PERSON && site->limits.has_script[BW_ACTION_STOP];
    bw_site_save(step, rule); /* the fence does not wait for the disk */
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, rule);
}

/* That of an order to stand by is over, or another site's: no epoch of our own is ever armed beside it. */
static uint64_t newest_epoch(const struct bw_site *site)
{
    const uint64_t told = site->order.kind == BW_ORDER_STAND_BY ? site->order.epoch : 0;
    const uint64_t seen = bw_max(bw_site_epoch_seen(site), bw_max(told, FIRST_EPOCH));

    return bw_max(seen, site->memory.override_epoch);
}

void bw_site_on_override(const struct step *step, const struct bw_override_wish *wish)
{
    struct bw_site *site = step->site;
    struct bw_site_memory *memory = &site->memory;

    BW_ASSERT(wish->wait_ms > 0); /* H19: nobody overrides at once */
    BW_ASSERT(wish->for_ms > wish->wait_ms && wish->for_ms <= BW_OVERRIDE_FOR_MS_MAX);
    if (memory->override != BW_OVERRIDE_NONE || !holds_back(site))
        return; /* judged before: it has changed since */
    site->override_over = BW_OVERRIDE_OVER_NONE;
    site->override_since = site->override_stepped = step->now;
    site->leader_answered = (struct bw_instant){0, 0};
    memory->override = BW_OVERRIDE_WAITING;
    memory->override_boot_id = site->boot_id;
    memory->override_wait_ms = wish->wait_ms;
    memory->override_unix_ms = wish->unix_ms;
    memory->override_serial = bw_max(memory->override_serial, site->guard.serial) + 1;
    memory->override_epoch = newest_epoch(site);
    memory->override_end = bw_instant_add(step->now, bw_ms_to_ns(wish->for_ms));
    memory->override_end_unix_ms = wish->unix_ms + (int64_t)wish->for_ms;
    memory->override_digest = site->guard.sight.digest;
    bw_site_save(step, "S70");
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S65");
}

void bw_site_override_begin(const struct step *step, const char *rule)
{
    struct bw_site_memory *memory = &step->site->memory;

    BW_ASSERT(memory->override == BW_OVERRIDE_WAITING);
    memory->override = BW_OVERRIDE_OVERRIDING;
    memory->override_epoch = newest_epoch(step->site);
    memory->override_fence_ms = (uint32_t)bw_ns_to_ms(bw_site_override_fence_ns(step->site));
    bw_site_save(step, rule);
}

void bw_site_on_override_end(const struct step *step)
{
    struct bw_site *site = step->site;

    if (bw_site_judge_override_end(site) != BW_OVERRIDE_REFUSAL_NONE)
        return;
    if (bw_site_override_has_begun(site))
        end(step, "S74", BW_OVERRIDE_OVER_PERSON);
    else if (waits(site))
        drop(step, "S66", BW_OVERRIDE_OVER_PERSON);
}

/* The witnesses decide again: what has not begun never does; what serves is theirs to take over. */
void bw_site_on_leader_answered(const struct step *step)
{
    step->site->leader_answered = step->now;
    if (waits(step->site))
        drop(step, "S77", BW_OVERRIDE_OVER_WITNESSES);
}

bool bw_site_override_yields(const struct step *step, const char *rule, enum bw_override_over over)
{
    struct bw_site *site = step->site;

    if (bw_site_override_has_begun(site) && site->tenure != BW_TENURE_NONE)
        return false; /* the newest epoch is its own: what ends that ends it too */
    finish(step, rule, over);
    return site->memory.override == BW_OVERRIDE_ENDING;
}

/* What waits waits for just that lease, and counts from here. */
bool bw_site_override_hears_other(const struct step *step)
{
    if (step->site->memory.override == BW_OVERRIDE_WAITING) {
        step->site->override_since = step->now;
        return true;
    }
    return bw_site_override_yields(step, "S87", BW_OVERRIDE_OVER_ELSEWHERE);
}

void bw_site_override_accepts(const struct step *step)
{
    struct bw_site *site = step->site;

    site->leader_answered = step->now; /* one has decided this, whoever has told of it */
    BW_ASSERT(site->memory.override != BW_OVERRIDE_ENDING); /* first it is fenced */
    if (!waits(site))
        return;
    site->override_over = BW_OVERRIDE_OVER_GRANTED;
    forget(site);
}

/* Durably over only after the arm was acknowledged: until then this record is all that it serves
 * by. */
void bw_site_override_leased(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;

    if (!bw_site_overrides(site))
        return;
    site->override_over = BW_OVERRIDE_OVER_GRANTED;
    forget(site);
    site->guard.armed_serial = 0;
    if (site->memory.adopt)
        site->memory.override_wrote = false; /* its epoch says so from here on */
    bw_site_save(step, rule);
}

void bw_site_override_let_go(struct bw_site *site)
{
    site->guard.armed_serial = 0;
    if (site->memory.override == BW_OVERRIDE_NONE)
        return;
    site->override_over = BW_OVERRIDE_OVER_LET_GO;
    forget(site);
}

void bw_site_override_fenced(const struct step *step)
{
    bw_site_override_start_move(step->site, BW_SITE_OVERRIDE_START_EVENT_ENDED);
    if (step->site->memory.override != BW_OVERRIDE_ENDING)
        return;
    forget(step->site);
    bw_site_save(step, "S76");
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S67");
}

void bw_site_override_kept(struct bw_site *site)
{
    site->override_on_disk = site->kept.override;
}

/* The epoch by which it was to be adopted may have been armed, and its deadline be past, before
 * this boot began: unsure is not overriding. It is written down with the give-back that follows
 * (3.7). */
static bool may_have_been_leased(const struct bw_site *site)
{
    return bw_site_epoch_is_open(site) && !bw_id_equal(site->memory.boot_id, site->boot_id);
}

/* 3.8: a manual lease ends with its boot. What it had begun to serve is fenced: it may outlive the machine. */
static void end_with_boot(struct bw_site *site)
{
    struct bw_site_memory *memory = &site->memory;

    site->override_over = memory->override_serial == 0 ? BW_OVERRIDE_OVER_OLDER : BW_OVERRIDE_OVER_REBOOT;
    if (memory->override == BW_OVERRIDE_WAITING || may_have_been_leased(site)) {
        site->override_on_disk = may_have_been_leased(site) ? memory->override : BW_OVERRIDE_NONE;
        forget(site);
    } else {
        memory->override = BW_OVERRIDE_ENDING;
    }
}

/* A wait that this agent did not count itself begins anew, whole; the end stays. Whether the witnesses answer it
 * has to find out: until then it takes it that they do. */
void bw_site_override_found(struct bw_site *site, struct bw_instant now)
{
    site->override_since = site->override_stepped = now;
    site->leader_answered = now;
    site->override_fence_asked = now;
    site->override_on_disk = site->memory.override;
    if (site->memory.override != BW_OVERRIDE_NONE && !has_end(site))
        end_with_boot(site);
}

/* ---- what its guard says ----------------------------------------------------------------------- */

static bool is_about(const struct bw_site *site, uint64_t epoch)
{
    return site->memory.override >= BW_OVERRIDE_OVERRIDING && epoch == site->memory.override_epoch &&
           !(bw_site_epoch_is_open(site) && epoch == site->memory.epoch);
}

bool bw_site_override_on_armed(const struct step *step, uint64_t epoch)
{
    struct bw_site *site = step->site;

    if (!is_about(site, epoch))
        return false;
    site->override_open = false;
    site->guard.armed_serial = site->memory.override_serial;
    return true;
}

static bool is_lost(enum bw_refusal why)
{
    return why == BW_REFUSAL_EPOCH_ENDING || why == BW_REFUSAL_OLD_EPOCH || why == BW_REFUSAL_FENCE_WINDOW;
}

bool bw_site_override_on_arm_refused(const struct step *step, uint64_t epoch, enum bw_refusal why)
{
    struct bw_site *site = step->site;

    if (!is_about(site, epoch))
        return false;
    site->override_open = false;
    site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
    if (is_lost(why))
        end_without_guard(step);
    return true;
}

bool bw_site_override_on_fence_begun(const struct step *step, uint64_t epoch)
{
    struct bw_site *site = step->site;

    if (!is_about(site, epoch))
        return false;
    if (site->memory.override == BW_OVERRIDE_OVERRIDING)
        end_by_time(step);
    site->running = BW_ACTION_NONE; /* the fence kills what ran */
    site->override_stop_due = false;
    return true;
}

bool bw_site_override_on_fence_ended(const struct step *step, uint64_t epoch, bool ok)
{
    if (!bw_site_override_on_fence_begun(step, epoch)) /* what has ended had begun */
        return false;
    if (!ok) {
        bw_site_note_fence_failed(step, epoch);
        return true;
    }
    bw_site_note_fence_succeeded(step->site);
    step->site->guard.armed_serial = 0;
    bw_site_override_fenced(step);
    return true;
}

void bw_site_override_on_guard_state(const struct step *step)
{
    struct bw_site *site = step->site;

    site->override_open = false;
    if (bw_site_override_has_begun(site) && site->guard.armed_serial != site->memory.override_serial &&
        site->guard.serial_over >= site->memory.override_serial)
        end_without_guard(step);
}

/* ---- its starts ------------------------------------------------------------------------------ */

/* Reported, stopped, and tried again, as in an epoch; only that no other site can get it meanwhile.
 */
void bw_site_override_start_failed(const struct step *step)
{
    struct bw_site *site = step->site;

    bw_site_override_start_move(site, site->limits.has_script[BW_ACTION_STOP]
                                          ? BW_SITE_OVERRIDE_START_EVENT_FAILED
                                          : BW_SITE_OVERRIDE_START_EVENT_ENDED);
    site->retry_at = bw_instant_add(step->now, site->limits.check_interval_ns);
    bw_site_alarm(site, BW_ALARM_START_FAILED, true);
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S88");
}

void bw_site_override_start_ended(const struct step *step, const struct bw_guard_run_ended *ended)
{
    struct bw_site *site = step->site;

    switch (ended->result) {
    case BW_RUN_OK:
    case BW_RUN_INTERRUPTED: /* a service that runs is kept, else it never says started */
        bw_site_override_start_move(site, BW_SITE_OVERRIDE_START_EVENT_RAN);
        site->service = BW_SERVICE_UNKNOWN; /* exit 0 alone proves nothing (4) */
        site->start_limit = bw_instant_add(
            step->now, site->limits.timeout_ns[ended->result == BW_RUN_OK ? BW_ACTION_START
                                                                          : BW_ACTION_STATUS]);
        site->observation[BW_ACTION_STATUS].due = step->now;
        return;
    case BW_RUN_REFUSED:
    case BW_RUN_KILLED:
    case BW_RUN_TOO_LATE:
        if (ended->refusal == BW_REFUSAL_NOT_ARMED || ended->refusal == BW_REFUSAL_EPOCH_ENDING)
            site->guard.armed_serial = 0; /* it has begun anew: told again */
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return;
    case BW_RUN_FAILED:
    case BW_RUN_TIMED_OUT:
    case BW_RUN_NOT_STARTED:
        break;
    }
    bw_site_override_start_failed(step);
}

/* One that fails is followed by the fence at once, as in an epoch (3.5), and that is its end. */
void bw_site_override_stop_ended(const struct step *step, enum bw_run_result result)
{
    struct bw_site *site = step->site;

    if (bw_site_runs_again(step, result))
        return;
    site->override_stop_due = false;
    if (result == BW_RUN_OK) {
        bw_site_override_start_move(site, BW_SITE_OVERRIDE_START_EVENT_ENDED);
        return;
    }
    bw_site_alarm(site, BW_ALARM_STOP_FAILED, true);
    if (bw_site_override_has_begun(site))
        end(step, "S97", BW_OVERRIDE_OVER_FENCED);
}
