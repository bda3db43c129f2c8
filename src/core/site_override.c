/* What a person has said at a site without a quorum: asked for, waited for, dropped, ended (3.8).
 * Each change is written down with the rest of the memory; what is ordered of it is
 * site_overriding.c's. */
#include "site_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/expiry.h>

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
    return bw_instant_add(site->override_since, site->memory.override_wait_ms * BW_NS_PER_MS);
}

/* An agent that stood still for as long as the answer of a leader counts has heard nobody meanwhile: another site
 * may have been granted, and it counts anew, as one that restarts does (3.8). */
void bw_site_override_watch(const struct step *step)
{
    struct bw_site *site = step->site;
    const uint64_t heard_ns = bw_site_leader_fresh_ns(site);

    if (site->override == BW_SITE_OVERRIDE_NONE || site->override == BW_SITE_OVERRIDE_ENDING)
        return;
    if (bw_instant_right_is_over(step->now, bw_instant_add(site->override_stepped, heard_ns))) {
        site->override_since = step->now;
        (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S58");
    }
    site->override_stepped = step->now;
    bw_site_wake(step, bw_instant_add(step->now, heard_ns / 2));
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
    if (site->override != BW_SITE_OVERRIDE_NONE)
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
    if (site->override == BW_SITE_OVERRIDE_NONE)
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

static enum bw_override_waits waits_to_serve(const struct bw_site *site, struct bw_instant now,
                                             uint64_t left_ns)
{
    const bool is_answered = bw_site_leader_answers(site, now);

    if (site->tenure != BW_TENURE_NONE)
        return BW_OVERRIDE_WAITS_WITNESSES;
    if (site->service == BW_SERVICE_STARTED)
        return is_answered ? BW_OVERRIDE_WAITS_WITNESSES : BW_OVERRIDE_WAITS_NOTHING;
    if (!bw_site_is_greeted(site) || !site->guard.overriding)
        return BW_OVERRIDE_WAITS_GUARD;
    if (site->running != BW_ACTION_NONE || !bw_site_override_may_start(site) ||
        !bw_instant_wait_is_over(now, site->retry_at))
        return BW_OVERRIDE_WAITS_START;
    if (is_answered)
        return BW_OVERRIDE_WAITS_GRANT;
    if (left_ns > 0)
        return BW_OVERRIDE_WAITS_LEASE;
    return site->service == BW_SERVICE_STOPPED ? BW_OVERRIDE_WAITS_START : BW_OVERRIDE_WAITS_STATUS;
}

static enum bw_override_waits waits_for(const struct bw_site *site, struct bw_instant now,
                                        uint64_t left_ns)
{
    switch (site->override) {
    case BW_SITE_OVERRIDE_NONE:
        return site->override_on_disk != BW_OVERRIDE_NONE ? BW_OVERRIDE_WAITS_DISK
                                                          : BW_OVERRIDE_WAITS_NOTHING;
    case BW_SITE_OVERRIDE_WAITING:
        return waits_to_begin(site, left_ns);
    case BW_SITE_OVERRIDE_BEGINNING:
        return BW_OVERRIDE_WAITS_DISK;
    case BW_SITE_OVERRIDE_OVERRIDING:
        return waits_to_serve(site, now, left_ns);
    case BW_SITE_OVERRIDE_ENDING:
        return BW_OVERRIDE_WAITS_END;
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

static void forget(struct bw_site *site, enum bw_site_override_event event)
{
    struct bw_site_memory *memory = &site->memory;

    bw_site_override_move(site, event);
    BW_ASSERT(site->override == BW_SITE_OVERRIDE_NONE);
    memory->override = BW_OVERRIDE_NONE;
    memory->override_boot_id = (struct bw_id){{0}};
    memory->override_wait_ms = 0;
    memory->override_unix_ms = 0;
    site->override_open = false; /* a guard that ended it first answers no more */
    bw_site_override_start_move(site, BW_SITE_OVERRIDE_START_EVENT_ENDED);
}

static void drop(const struct step *step, const char *rule, enum bw_override_over over)
{
    BW_ASSERT(step->site->override != BW_SITE_OVERRIDE_OVERRIDING); /* that is fenced first */
    step->site->override_over = over;
    forget(step->site, BW_SITE_OVERRIDE_EVENT_DROPPED);
    bw_site_save(step, rule);
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, rule);
}

static void end(const struct step *step, const char *rule, enum bw_override_over over)
{
    step->site->override_over = over;
    bw_site_override_move(step->site, BW_SITE_OVERRIDE_EVENT_END);
    BW_ASSERT(step->site->override == BW_SITE_OVERRIDE_ENDING);
    step->site->memory.override = BW_OVERRIDE_ENDING;
    step->site->retry_at = step->now;
    step->site->override_fence_asked = step->now; /* or one that runs already */
    bw_site_save(step, rule); /* the fence does not wait for the disk */
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, rule);
}

void bw_site_on_override(const struct step *step, const struct bw_override_wish *wish)
{
    struct bw_site *site = step->site;

    BW_ASSERT(wish->wait_ms > 0); /* H19: nobody overrides at once */
    if (site->override != BW_SITE_OVERRIDE_NONE || !holds_back(site))
        return; /* judged before: it has changed since */
    BW_ASSERT(site->memory.override == BW_OVERRIDE_NONE); /* as its state */
    bw_site_override_move(site, BW_SITE_OVERRIDE_EVENT_ASKED);
    site->override_over = BW_OVERRIDE_OVER_NONE;
    site->override_since = site->override_stepped = step->now;
    site->leader_answered = (struct bw_instant){0, 0};
    site->memory.override = BW_OVERRIDE_WAITING;
    site->memory.override_boot_id = site->boot_id;
    site->memory.override_wait_ms = wish->wait_ms;
    site->memory.override_unix_ms = wish->unix_ms;
    bw_site_save(step, "S70");
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S65");
}

void bw_site_on_override_end(const struct step *step)
{
    struct bw_site *site = step->site;

    if (bw_site_judge_override_end(site) != BW_OVERRIDE_REFUSAL_NONE)
        return;
    if (site->override == BW_SITE_OVERRIDE_OVERRIDING)
        end(step, "S74", BW_OVERRIDE_OVER_PERSON);
    else if (site->override != BW_SITE_OVERRIDE_ENDING)
        drop(step, "S66", BW_OVERRIDE_OVER_PERSON);
}

/* The witnesses decide again: what has not begun never does; what serves is theirs to take over. */
void bw_site_on_leader_answered(const struct step *step)
{
    struct bw_site *site = step->site;

    site->leader_answered = step->now;
    if (site->override == BW_SITE_OVERRIDE_WAITING || site->override == BW_SITE_OVERRIDE_BEGINNING)
        drop(step, "S77", BW_OVERRIDE_OVER_WITNESSES);
}

bool bw_site_override_yields(const struct step *step, const char *rule, enum bw_override_over over)
{
    struct bw_site *site = step->site;

    switch (site->override) {
    case BW_SITE_OVERRIDE_NONE:
        break;
    case BW_SITE_OVERRIDE_WAITING:
    case BW_SITE_OVERRIDE_BEGINNING:
        drop(step, rule, over);
        break;
    case BW_SITE_OVERRIDE_OVERRIDING:
        if (site->tenure != BW_TENURE_NONE)
            break; /* the newest epoch is its own: what ends that ends it too */
        end(step, rule, over);
        return true;
    case BW_SITE_OVERRIDE_ENDING:
        return true;
    }
    return false;
}

/* What waits waits for just that lease, and counts from here. */
bool bw_site_override_hears_other(const struct step *step)
{
    if (step->site->override == BW_SITE_OVERRIDE_WAITING) {
        step->site->override_since = step->now;
        return true;
    }
    return bw_site_override_yields(step, "S87", BW_OVERRIDE_OVER_ELSEWHERE);
}

void bw_site_override_accepts(const struct step *step)
{
    struct bw_site *site = step->site;

    site->leader_answered = step->now; /* one has decided this, whoever has told of it */
    BW_ASSERT(site->override != BW_SITE_OVERRIDE_ENDING); /* first it is fenced */
    if (site->override != BW_SITE_OVERRIDE_WAITING && site->override != BW_SITE_OVERRIDE_BEGINNING)
        return;
    site->override_over = BW_OVERRIDE_OVER_GRANTED;
    forget(site, BW_SITE_OVERRIDE_EVENT_DROPPED);
}

/* Durably over only after the arm was acknowledged: until then this record is all that it serves
 * by. */
void bw_site_override_leased(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;

    if (!bw_site_overrides(site))
        return;
    site->override_over = BW_OVERRIDE_OVER_GRANTED;
    forget(site, BW_SITE_OVERRIDE_EVENT_LEASED);
    site->guard.overriding = false;
    if (site->memory.adopt)
        site->memory.override_wrote = false; /* its epoch says so from here on */
    bw_site_save(step, rule);
}

void bw_site_override_let_go(struct bw_site *site)
{
    site->guard.overriding = false;
    if (site->override == BW_SITE_OVERRIDE_NONE)
        return;
    site->override_over = BW_OVERRIDE_OVER_LET_GO;
    forget(site, BW_SITE_OVERRIDE_EVENT_DROPPED);
}

void bw_site_override_fenced(const struct step *step)
{
    bw_site_override_start_move(step->site, BW_SITE_OVERRIDE_START_EVENT_ENDED);
    if (step->site->override != BW_SITE_OVERRIDE_ENDING)
        return;
    forget(step->site, BW_SITE_OVERRIDE_EVENT_ENDED);
    bw_site_save(step, "S76");
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S67");
}

void bw_site_override_kept(struct bw_site *site)
{
    site->override_on_disk = site->kept.override;
    if (site->override == BW_SITE_OVERRIDE_BEGINNING &&
        site->kept.override == BW_OVERRIDE_OVERRIDING)
        bw_site_override_move(site, BW_SITE_OVERRIDE_EVENT_KEPT);
    BW_ASSERT(site->override != BW_SITE_OVERRIDE_OVERRIDING ||
              site->override_on_disk >= BW_OVERRIDE_OVERRIDING); /* 3.8 */
}

/* The epoch by which it was to be adopted may have been armed, and its deadline be past, before
 * this boot began: unsure is not overriding. It is written down with the give-back that follows
 * (3.7). */
static bool may_have_been_leased(const struct bw_site *site)
{
    return bw_site_epoch_is_open(site) && !bw_id_equal(site->memory.boot_id, site->boot_id);
}

/* A wait that this agent did not count itself begins anew, whole. Whether the witnesses answer it
 * has to find out: until then it takes it that they do. */
void bw_site_override_found(struct bw_site *site, struct bw_instant now)
{
    BW_ASSERT(site->override == BW_SITE_OVERRIDE_NONE);
    site->override_since = site->override_stepped = now;
    site->leader_answered = now;
    site->override_fence_asked = now;
    site->override_on_disk = site->memory.override;
    switch (site->memory.override) {
    case BW_OVERRIDE_NONE:
    case BW_OVERRIDE_COUNT: /* not covered: judged where it was read */
        break;
    case BW_OVERRIDE_WAITING:
        bw_site_override_move(site, BW_SITE_OVERRIDE_EVENT_FOUND_WAITING);
        break;
    case BW_OVERRIDE_OVERRIDING:
        bw_site_override_move(site, BW_SITE_OVERRIDE_EVENT_FOUND_OVERRIDING);
        if (may_have_been_leased(site))
            forget(site, BW_SITE_OVERRIDE_EVENT_LEASED);
        break;
    case BW_OVERRIDE_ENDING:
        bw_site_override_move(site, BW_SITE_OVERRIDE_EVENT_FOUND_ENDING);
        break;
    }
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
            site->guard.overriding = false; /* it has begun anew: told again */
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return;
    case BW_RUN_FAILED:
    case BW_RUN_TIMED_OUT:
    case BW_RUN_NOT_STARTED:
        break;
    }
    bw_site_override_start_failed(step);
}

/* One that fails is followed by the fence at once, as in an epoch (3.5). */
void bw_site_override_stop_ended(const struct step *step, enum bw_run_result result)
{
    struct bw_site *site = step->site;

    if (bw_site_runs_again(step, result))
        return;
    if (result == BW_RUN_OK) {
        bw_site_override_start_move(site, BW_SITE_OVERRIDE_START_EVENT_ENDED);
        return;
    }
    bw_site_override_start_move(site, BW_SITE_OVERRIDE_START_EVENT_STOP_FAILED);
    bw_site_alarm(site, BW_ALARM_STOP_FAILED, true);
}
