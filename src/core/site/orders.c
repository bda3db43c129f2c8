/* Orders of the witnesses to a site: what it accepts by that (3.5), and what the tenure of an epoch asks for next (3.4, 3.5,
 * 3.7, 4). */
#include "internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/limits.h>

/* ---- orders ---- */

/* 3.8: one whose state was rolled back accepts anew what it has armed. That it may serve, and until when, its guard
 * says, or a mirror: it ends then, although it may not be on disk again. */
static void keep_forgotten_arm(struct bw_site *site)
{
    if (bw_site_is_greeted(site) && site->guard.armed_epoch == site->memory.epoch &&
        bw_id_equal(site->guard.armed_instance, site->instance)) {
        site->arm_sent_end = site->guard.armed_end; /* and it has told of a start */
    } else if (site->old_epoch == site->memory.epoch) {
        site->arm_sent_end = site->old_end;
        site->memory.start_begun = true; /* 4: it may have been; no mirror tells an agent so */
    }
}

static void accept_epoch(const struct step *step, const struct bw_order *order)
{
    struct bw_site *site = step->site;
    struct bw_site_memory *memory = &site->memory;

    BW_ASSERT(site->tenure == BW_TENURE_NONE); /* 3.5: the epoch before was given back */
    BW_ASSERT(order->epoch > memory->epoch);   /* I2 */
    BW_ASSERT(site->own_fence == BW_SITE_OWN_FENCE_IDLE); /* it would end what the new one starts */
    bw_site_override_accepts(step);
    memory->served_epoch = bw_site_served_epoch(memory);
    memory->epoch = order->epoch;
    memory->boot_id = site->boot_id;
    memory->given_back = false;
    memory->reason = BW_REASON_NONE;
    memory->past_no_return = false;
    memory->position[0] = '\0';
    memory->start_begun = false; /* bw_site_is_begun reads both: nothing of the epoch before counts, */
    memory->adopt = false;
    memory->start_begun = bw_site_is_begun(site); /* but its guard may know of a start that we forgot */
    memory->adopt = order->adopt;
    memory->terms = order->terms;
    memory->order_index = order->index;
    memory->fenced_index = 0;
    bw_site_tenure_reset(site);
    keep_forgotten_arm(site);
    bw_site_tenure_move(site, BW_TENURE_EVENT_ACCEPTED);
    site->alarms = 0;
    site->fence_failed = false;
    bw_site_save(step, "S1");
}

static void keep_facts(struct bw_site *site, const struct bw_order *order)
{
    memcpy(site->facts.previous_site, order->previous_site, sizeof site->facts.previous_site);
    site->facts.reason = order->reason;
    site->facts.planned = order->planned;
    site->facts.grade = order->previous_grade;
    site->facts.reach_digest = order->reach_digest;
    memcpy(site->facts.target_position, order->position, sizeof site->facts.target_position);
}

/* RUN or STOP for this site. 3.5: only a grant above what was given back clears it. */
static void obey_holder_order(const struct step *step)
{
    struct bw_site *site = step->site;
    const struct bw_order *order = &site->order;

    if (!bw_id_equal(order->instance, site->instance)) {
        /* Another instance of this site holds it: ours of that epoch or below is over (3.7). */
        if (bw_site_epoch_is_open(site) && order->epoch >= site->memory.epoch) {
            site->over = true;
            bw_site_begin_stop(step, BW_REASON_LEASE_LOST, "S2");
        }
        return;
    }
    if (order->epoch > site->memory.epoch) {
        if (site->tenure == BW_TENURE_NONE && (site->own_fence != BW_SITE_OWN_FENCE_IDLE ||
                                               site->memory.override == BW_OVERRIDE_ENDING))
            return; /* a fence that still runs would end what the new epoch starts */
        if (site->tenure == BW_TENURE_NONE)
            accept_epoch(step, order);
        else { /* first our old epoch ends; then `advance` comes back to this order */
            site->over = true;
            bw_site_begin_stop(step, BW_REASON_LEASE_LOST, "S3");
        }
        return;
    }
    if (order->epoch < site->memory.epoch || site->memory.given_back)
        return;
    keep_facts(site, order);
    if (order->kind != BW_ORDER_STOP)
        return;
    if (order->closed) /* a final refusal: stop in the time left (3.2.3) */
        site->over = true;
    bw_site_begin_stop(step, order->reason, "S4");
}

static void obey_stand_by(const struct step *step)
{
    struct bw_site *site = step->site;
    const struct bw_order *order = &site->order;

    keep_facts(site, order);
    if (bw_site_epoch_is_open(site) && order->epoch >= site->memory.epoch) {
        site->over = true;
        bw_site_begin_stop(step, BW_REASON_LEASE_LOST, "S5");
    }
    /* 3.9: a committed epoch of another site makes this site enforced, durably. */
    if (order->others_epoch && !site->memory.enforced) {
        site->memory.enforced = true;
        bw_site_save(step, "S6");
    }
}

static void obey_let_go(const struct step *step)
{
    struct bw_site *site = step->site;
    struct bw_guard_message *message;

    if (bw_site_epoch_is_open(site) && site->memory.epoch != site->order.let_go_epoch) {
        /* What was let go is another epoch: ours had ended otherwise, and is no one's to keep. */
        site->over = true;
        bw_site_begin_stop(step, BW_REASON_LEASE_LOST, "S41");
        return;
    }
    if (site->order.let_go_index <= site->memory.let_go_index || /* it was carried out long ago */
        bw_site_override_yields(step, "S86", BW_OVERRIDE_OVER_LET_GO) || !bw_site_is_greeted(site))
        return;
    message = &bw_site_emit(step, BW_SITE_ACTION_SEND, "S7")->message;
    message->kind = BW_GUARD_MESSAGE_LET_GO;
    memcpy(message->group, site->group, sizeof message->group);
    message->epoch = site->order.epoch;
    message->let_go_index = site->order.let_go_index;
}

void bw_site_obey(const struct step *step)
{
    switch (step->site->order.kind) {
    case BW_ORDER_RUN:
    case BW_ORDER_STOP:
        obey_holder_order(step);
        break;
    case BW_ORDER_STAND_BY:
        obey_stand_by(step);
        break;
    case BW_ORDER_LET_GO:
        obey_let_go(step);
        break;
    case BW_ORDER_NONE:
        break;
    }
}

/* 3.8: a let-go of which it hears after the fact ends its override too, where nothing serves by
 * that: what was let go may serve elsewhere. One that another site was granted after says who may
 * (S87); and what it was told before a person overrode is no news. */
static void hear_of_let_go(const struct step *step)
{
    const struct bw_site *site = step->site;
    const struct bw_order *order = &site->order;

    if (order->kind == BW_ORDER_STAND_BY && !order->others_epoch &&
        order->let_go_index > site->memory.let_go_index && bw_site_overrides(site) &&
        site->service == BW_SERVICE_STOPPED)
        (void)bw_site_override_yields(step, "S99", BW_OVERRIDE_OVER_LET_GO);
}

/* 3.9: what a witness lost of this, this site still knows. A higher epoch gives way to none of another history. */
static bool keep_told(struct bw_site *site, const struct bw_order *order)
{
    struct bw_site_memory *memory = &site->memory;
    const bool is_news = order->epoch > memory->told_epoch || order->index > memory->told_index;

    if (!site->keeps_told || !is_news)
        return false;
    memory->told_epoch = bw_max(memory->told_epoch, order->epoch);
    memory->told_index = bw_max(memory->told_index, order->index);
    return true;
}

/* 5.3: an order carries the log index that made it; a lower one never replaces a higher. */
void bw_site_on_order(const struct step *step, const struct bw_order *order)
{
    struct bw_site *site = step->site;

    if (order->kind == BW_ORDER_NONE || order->index < site->memory.order_index ||
        order->index < site->order.index)
        return;
    const bool is_news = order->index > site->order.index || site->order.kind == BW_ORDER_NONE;
    uint64_t save_number;
    bool is_told;

    site->order = *order;
    if (order->spec_version > site->spec_version)
        site->spec_version = order->spec_version;
    if (is_news) /* what rests on the newest commit is observed after it (3.9) */
        bw_site_observe_soon(step, BW_ACTION_STATUS);
    if (is_news && bw_site_is_next(site))
        bw_site_observe_soon(step, BW_ACTION_READINESS);
    is_told = keep_told(site, order);
    save_number = site->save_number;
    bw_site_obey(step);
    hear_of_let_go(step);
    if (is_told && site->save_number == save_number)
        bw_site_save(step, "S104");
}

/* The acceptance is on disk: from here the epoch may be renewed (3.4, start order). */
void bw_site_on_saved(const struct step *step, uint64_t number, bool ok)
{
    struct bw_site *site = step->site;

    if (!bw_site_is_saving(site) || number != site->save_number)
        return; /* what was asked for since is not on the disk yet */
    bw_site_save_move(site, ok ? BW_SITE_SAVE_EVENT_KEPT : BW_SITE_SAVE_EVENT_FAILED);
    if (ok)
        site->kept = site->saving;
    bw_site_alarm(site, BW_ALARM_STATE_NOT_DURABLE, !ok || site->guard_unsaved);
    if (!ok) {
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return;
    }
    bw_site_override_kept(site);
    if (site->tenure == BW_TENURE_ACCEPTING) {
        bw_site_tenure_move(site, BW_TENURE_EVENT_KEPT);
        keep_facts(site, &site->order);
    }
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S8");
    bw_site_obey(step); /* a STOP of the epoch may have been what made us accept it */
}

/* ---- what comes next ---- */

/* What the tenure of an epoch asks for next (3.4, 3.5, 3.7, 4): a table, and below it what its words mean. */

/* ---- the table ----------------------------------------------------------------------------- */

static bw_site_requirement is_leased, is_too_late, serves, has_start_run_out, may_start_go_on, has_start_run, is_start_unkept,
    may_start, must_stop_first, may_restart_sick, may_restart, is_down, is_end_seen, may_not_stop, was_never_armed, is_stop_under_way, is_found_stopped,
    is_first_look_awaited, may_not_end, is_final_due, may_fence_again, overrides, may_fence_held_itself, may_fence_held,
    owes_fence, may_end_what_is_owed, is_end_owed, may_override, is_manual_ending, may_rejoin;
static bw_site_effect begin_starting, begin_serving, go_on_with_start, give_up_start, wait_for_start, keep_start, start,
    stop_first, prove, restart_sick, restart, give_up_service, begin_ending, stop, measure_position, send_end, fence, fence_itself, advance_override,
    rejoin, fence_remotely;

#define RULE(id, tenure, requires, effect) {#id, BW_TENURE_##tenure, requires, effect},
/* One that asks for nothing by itself has no id. */
#define ROW(tenure, requires, effect) {NULL, BW_TENURE_##tenure, requires, effect},

/* clang-format off */
/* What has no row waits: an epoch that is not on disk yet (ACCEPTING), and a fence that runs (FENCING). The end of a
 * manual lease beside an epoch waits for neither disk nor renewal (3.8).
 *        id   tenure    requires               effect                                                */
static const struct bw_site_row rows[] = {
    ROW(       ACCEPTING, is_manual_ending,     advance_override)

    ROW(       WAITING,  is_manual_ending,      advance_override)
    ROW(       WAITING,  is_leased,             begin_starting)
    RULE( S96, WAITING,  bw_site_override_outlives_epoch, bw_site_give_back)

    ROW(       STARTING, is_too_late,           bw_site_nothing)
    RULE( S101, STARTING, must_stop_first,      stop_first)
    RULE( S9,  STARTING, serves,                begin_serving)
    RULE( S53, STARTING, may_start_go_on,       go_on_with_start)
    RULE( S10, STARTING, has_start_run_out,     give_up_start)
    ROW(       STARTING, has_start_run,         wait_for_start)
    RULE( S11, STARTING, is_start_unkept,       keep_start)
    RULE( S12, STARTING, may_start,             start)

    RULE( S103, SERVING, bw_site_is_proof_due,  prove)
    RULE( S100, SERVING, may_restart_sick,      restart_sick)
    RULE( S15, SERVING,  may_restart,           restart)
    RULE( S16, SERVING,  is_down,               give_up_service)

    ROW(       STOPPING, is_end_seen,           begin_ending)
    ROW(       STOPPING, may_not_stop,          bw_site_nothing)
    RULE( S48, STOPPING, was_never_armed,       bw_site_give_back)
    ROW(       STOPPING, is_stop_under_way,     bw_site_nothing)
    ROW(       STOPPING, is_found_stopped,      begin_ending)
    ROW(       STOPPING, is_first_look_awaited, bw_site_nothing)
    RULE( S13, STOPPING, bw_site_always,        stop)

    ROW(       ENDING,   may_not_end,           bw_site_nothing)
    ROW(       ENDING,   is_final_due,          measure_position)
    RULE( S14, ENDING,   bw_site_always,        send_end)

    RULE( S19, STUCK,    may_fence_again,       fence)

    ROW(       NONE,     overrides,             advance_override)
    ROW(       NONE,     may_fence_held_itself, fence_itself)
    RULE( S60, NONE,     may_fence_held,        fence)
    ROW(       NONE,     owes_fence,            bw_site_nothing)
    RULE( S42, NONE,     may_end_what_is_owed,  send_end)
    ROW(       NONE,     is_end_owed,           bw_site_nothing)
    ROW(       NONE,     may_override,          advance_override)
    RULE( S17, NONE,     may_rejoin,            rejoin)
    ROW(       NONE,     bw_site_always,        fence_remotely)
};
/* clang-format on */

/* Called at the end of each step: what the tenure still lacks is asked for here again, whichever event
 * asked for it first, so that a lost answer or a restart in the middle leads to the same question.
 * Bounded: a tenure moves at most a few places within one step. */
void bw_site_advance(const struct step *step)
{
    const struct bw_site *site = step->site;

    for (int turn = 0; turn < 4; turn++) {
        const enum bw_tenure before = site->tenure;

        if (before == BW_TENURE_NONE && site->order.kind != BW_ORDER_STAND_BY)
            bw_site_obey(step); /* an order that had to wait for the end of the epoch before */
        bw_site_take_row(step, rows, sizeof rows / sizeof rows[0], site->tenure);
        if (site->tenure == before)
            return;
    }
}

static bool guard_can_act(const struct bw_site *site)
{
    return bw_site_is_greeted(site) && site->running == BW_ACTION_NONE;
}

/* ---- until it serves ----------------------------------------------------------------------- */

static bool is_leased(const struct step *step)
{
    return bw_lease_is_alive(&step->site->lease, step->now);
}

static void begin_starting(const struct step *step, const char *rule)
{
    (void)rule;
    bw_site_tenure_move(step->site, BW_TENURE_EVENT_LEASED);
    step->site->leased_since = step->now;
    step->site->stops_first = false;
    bw_site_begin_health(step->site, step->now);
}

/* 3.4: a start needs the first renewal confirmed, which means armed. The guard fences, and nothing starts any more. */
static bool is_too_late(const struct step *step)
{
    const struct bw_site *site = step->site;

    BW_ASSERT(site->lease.epoch == site->memory.epoch);
    return !bw_lease_is_alive(&site->lease, step->now) ||
           bw_lease_in_fence_window(&site->lease, step->now) || site->over;
}

/* 5.4: one that its guard has not read yet ends no service that runs. It is no proof, either: what is not verified is
 * said to be (4), until it can be. */
static bool is_verify_due(const struct bw_site *site)
{
    return site->service == BW_SERVICE_STARTED && bw_site_has_script(site, BW_ACTION_VERIFY) &&
           site->start == BW_SITE_START_RAN && !site->verified;
}

static bool serves(const struct step *step)
{
    const struct bw_site *site = step->site;

    /* What runs and does not do its work is no start that has come to serve; found so, it is what it is. */
    return site->service == BW_SERVICE_STARTED && !is_verify_due(site) && !site->stops_first &&
           site->proof != BW_SITE_PROOF_DOUBTED &&
           (!site->runs_sick || site->start == BW_SITE_START_NONE);
}

/* 3.1: it serves again by a start of this agent; what came back by itself was started by nobody
 * here. */
static void note_restart(const struct step *step)
{
    struct bw_site *site = step->site;

    BW_ASSERT(site->memory.epoch >= site->restarts_epoch); /* I2 */
    if (site->start != BW_SITE_START_RAN || !site->starts_again)
        return;
    if (site->restarts_epoch != site->memory.epoch)
        site->restarts = 0;
    site->restarts_epoch = site->memory.epoch;
    site->restarts++;
    site->restarted_at = step->now;
    site->starts_again = false;
}

static void begin_serving(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;

    bw_site_tenure_move(site, BW_TENURE_EVENT_SERVES);
    site->stopped_in_a_row = 0;
    note_restart(step);
    if (!site->memory.start_begun && !site->memory.adopt) {
        site->memory.start_begun = true; /* whoever began it: it serves, and writes (4) */
        bw_site_save(step, "S93");
    }
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, rule);
}

static bool has_start_run(const struct step *step)
{
    return step->site->start == BW_SITE_START_RAN;
}

/* What a start waits for, beyond its lease (3.2.4, 3.4, 4). */
static bool is_start_awaited(const struct step *step)
{
    const struct bw_site *site = step->site;

    return bw_site_awaits_reach(site) || bw_site_second_awaited(site, step->now) ||
           bw_site_point_awaited(site);
}

/* 5.1, steps: of what ended with its guard a part is done, and not done again. Where it serves it
 * is taken as it is; what nobody knows is waited for. */
static bool may_start_go_on(const struct step *step)
{
    const struct bw_site *site = step->site;

    return has_start_run(step) && site->start_interrupted && site->service == BW_SERVICE_STOPPED &&
           site->starts_gone_on < BW_SITE_STARTS_GO_ON_MAX && guard_can_act(site) &&
           site->save == BW_SITE_SAVE_KEPT && !is_start_awaited(step);
}

static void go_on_with_start(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;

    site->start_interrupted = false;
    site->starts_gone_on++;
    bw_site_start_move(site, BW_SITE_START_EVENT_RESTARTS);
    bw_site_run(step, BW_ACTION_START, site->memory.epoch, rule);
}

static bool has_start_run_out(const struct step *step)
{
    return has_start_run(step) && bw_instant_wait_is_over(step->now, step->site->start_limit);
}

static void give_up_start(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;

    bw_site_alarm(site, BW_ALARM_START_FAILED, true);
    bw_failures_unseen(&site->failures, BW_ACTION_START, step->now);
    bw_site_begin_stop(step, BW_REASON_START_FAILED, rule);
}

static void wait_for_start(const struct step *step, const char *rule)
{
    (void)rule;
    bw_site_wake(step, step->site->start_limit);
}

/* Unknown never starts anything (4); watch.c asks for a status as often as it takes. */
static bool may_begin(const struct step *step)
{
    const struct bw_site *site = step->site;

    return site->service == BW_SERVICE_STOPPED && !site->stops_first && site->proof != BW_SITE_PROOF_DOUBTED &&
           guard_can_act(site) &&
           bw_site_may_retry(step) && !is_start_awaited(step);
}

static bool is_start_unkept(const struct step *step)
{
    return may_begin(step) && !step->site->memory.start_begun && !bw_site_is_saving(step->site);
}

/* Durable before the start: reason and data site depend on it after a restart. */
static void keep_start(const struct step *step, const char *rule)
{
    step->site->memory.start_begun = true;
    bw_site_save(step, rule);
}

static bool may_start(const struct step *step)
{
    const struct bw_site *site = step->site;

    return may_begin(step) && site->memory.start_begun && site->save == BW_SITE_SAVE_KEPT;
}

/* Not by this agent alone: what the one before it, or another of its boot, had started may end
 * while nobody looks. */
static bool has_served_before(const struct bw_site *site)
{
    return site->restarts_used > 0 ||
           (site->guard.start_epoch == site->memory.epoch && site->guard.served == BW_SERVED_MAYBE);
}

static void start(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;

    site->starts_again = has_served_before(site);
    bw_site_run(step, BW_ACTION_START, site->memory.epoch, rule);
}

/* ---- while it serves ----------------------------------------------------------------------- */

/* 4: consecutive `stopped` while it should run -> local restart, then give the epoch back. */
static bool is_down(const struct step *step)
{
    const struct bw_site *site = step->site;

    return site->stopped_in_a_row >= site->limits.failure_threshold && site->order.restart_allowed;
}

static bool may_restart(const struct step *step)
{
    return is_down(step) && step->site->restarts_used < step->site->limits.local_restarts;
}

static void start_again(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;

    site->stopped_in_a_row = 0;
    bw_site_begin_health(site, step->now);
    bw_site_start_move(site, BW_SITE_START_EVENT_RESTARTS);
    site->verified = false;
    bw_site_tenure_move(site, BW_TENURE_EVENT_RESTARTS);
    bw_site_emit(step, BW_SITE_ACTION_TRACE, rule)->epoch = site->memory.epoch;
}

static void restart(const struct step *step, const char *rule)
{
    step->site->restarts_used++;
    start_again(step, rule);
}

/* 3.4: an operator's, so it is none of those that a site has before the service goes elsewhere (4). */
static void prove(const struct step *step, const char *rule)
{
    if (!bw_site_begin_proof(step))
        return;
    start_again(step, rule);
    step->site->stops_first = true; /* by its KILL, by a second enforcer, or by the script before that */
}

/* 4: it runs, and does not do its work: stopped in order, and started again under the same epoch. Nobody could see the stop
 * of what says nothing. */
static bool may_restart_sick(const struct step *step)
{
    const struct bw_site *site = step->site;

    return bw_site_is_sick(site) && site->order.restart_allowed &&
           site->restarts_used < site->limits.local_restarts && guard_can_act(site);
}

static void restart_sick(const struct step *step, const char *rule)
{
    restart(step, rule);
    step->site->stops_first = true;
}

static bool must_stop_first(const struct step *step)
{
    return step->site->stops_first && step->site->proof != BW_SITE_PROOF_FENCED && guard_can_act(step->site) &&
           bw_site_may_retry(step);
}

static void stop_first(const struct step *step, const char *rule)
{
    bw_site_run(step, BW_ACTION_STOP, step->site->memory.epoch, rule);
    step->out->list[step->out->count - 1].message.run.by_kill = step->site->proof == BW_SITE_PROOF_KILLED;
}

static void give_up_service(const struct step *step, const char *rule)
{
    bw_site_begin_stop(step, BW_REASON_SERVICE_DOWN, rule);
}

/* ---- until it has ended -------------------------------------------------------------------- */

static bool is_end_seen(const struct step *step)
{
    return step->site->stop == BW_SITE_STOP_SEEN;
}

static void begin_ending(const struct step *step, const char *rule)
{
    (void)rule;
    bw_site_begin_ending(step);
}

static bool may_not_stop(const struct step *step)
{
    return !bw_site_is_greeted(step->site) || !bw_site_may_retry(step);
}

/* An adoption that neither we nor the guard, who is there, know of as armed: not by an arm whose
 * answer is on its way, and not by one of an agent before us (3.9, H13, H14): what runs here is not
 * ours to end. Armed, it would override no more: what serves until then does so by a person's word,
 * whatever was granted before it (3.8). */
static bool was_never_armed(const struct step *step)
{
    const struct bw_site *site = step->site;
    const bool is_anothers = site->memory.adopt && !site->memory.enforced;

    return (is_anothers || bw_site_overrides(site)) && !site->memory.start_begun &&
           site->arm_sent_end.boot_ns == 0;
}

static bool is_stop_under_way(const struct step *step)
{
    return step->site->running == BW_ACTION_STOP || step->site->running == BW_ACTION_FENCE;
}

/* After a reboot, and where nothing was ever started, a service found stopped needs no stop script
 * (3.7). */
static bool may_be_untouched(const struct bw_site *site)
{
    return site->stop != BW_SITE_STOP_OWED &&
           (site->ending_reason == BW_REASON_REBOOT ||
            (!site->memory.start_begun && !site->memory.adopt));
}

static bool is_found_stopped(const struct step *step)
{
    const struct bw_site *site = step->site;

    return may_be_untouched(site) && site->service == BW_SERVICE_STOPPED &&
           site->running == BW_ACTION_NONE;
}

static bool is_first_look_awaited(const struct step *step)
{
    return may_be_untouched(step->site) && !step->site->observation[BW_ACTION_STATUS].has_result;
}

/* One that fails is followed by the fence at once (3.5). */
static void stop(const struct step *step, const char *rule)
{
    bw_site_run(step, BW_ACTION_STOP, step->site->memory.epoch, rule);
}

/* 3.5: given back only on the guard's ended(e), after the final position is known. */
static bool may_not_end(const struct step *step)
{
    const struct bw_site *site = step->site;

    return !bw_site_is_greeted(site) || site->end_open || site->running != BW_ACTION_NONE ||
           site->guard_cleans || !bw_site_may_retry(step);
}

static bool is_final_due(const struct step *step)
{
    return step->site->final == BW_SITE_FINAL_DUE;
}

static void measure_position(const struct step *step, const char *rule)
{
    (void)rule;
    if (!step->site->observation[BW_ACTION_READINESS].running)
        bw_site_observe_soon(step, BW_ACTION_READINESS);
}

static void send_end(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;
    struct bw_guard_message *message = &bw_site_emit(step, BW_SITE_ACTION_SEND, rule)->message;

    BW_ASSERT(bw_site_is_greeted(site) && !site->end_open); /* asked once, of a guard that is there */
    BW_ASSERT(site->memory.epoch != 0);
    message->kind = BW_GUARD_MESSAGE_END;
    memcpy(message->group, site->group, sizeof message->group);
    message->epoch = site->memory.epoch;
    site->end_open = true;
    bw_site_look_later(step);
}

/* Reported as failed; tried again until it is seen to succeed. */
static bool may_fence_again(const struct step *step)
{
    return guard_can_act(step->site) && bw_site_may_retry(step);
}

static void fence(const struct step *step, const char *rule)
{
    bw_site_run(step, BW_ACTION_FENCE, step->site->memory.epoch, rule);
}

/* ---- while it holds no epoch --------------------------------------------------------------- */

/* 3.8: what it owes of before waits for its end. */
static bool overrides(const struct step *step)
{
    return bw_site_overrides(step->site);
}

/* 3.8: what a manual lease has left is fenced, also once an epoch was granted that is not armed yet. */
static bool is_manual_ending(const struct step *step)
{
    return step->site->memory.override == BW_OVERRIDE_ENDING;
}

static bool may_override(const struct step *step)
{
    return step->site->memory.override != BW_OVERRIDE_NONE || step->site->guard.armed_serial != 0;
}

static void advance_override(const struct step *step, const char *rule)
{
    (void)rule;
    bw_site_advance_override(step);
}

static bool owes_fence(const struct step *step)
{
    return bw_site_owes_fence(step->site);
}

/* By its guard; by the agent itself where that one is away, or stands still: else the group would
 * be held for as long (3.3). Not by both at once. */
static bool is_guard_out(const struct step *step)
{
    return !bw_site_is_greeted(step->site) || bw_site_guard_is_silent(step->site, step->now);
}

static bool may_fence_held_itself(const struct step *step)
{
    return owes_fence(step) && step->site->own_fence == BW_SITE_OWN_FENCE_IDLE &&
           is_guard_out(step) && bw_site_may_fence_itself(step);
}

static void fence_itself(const struct step *step, const char *rule)
{
    (void)rule;
    bw_site_fence_held(step);
}

static bool may_fence_held(const struct step *step)
{
    return owes_fence(step) && step->site->own_fence == BW_SITE_OWN_FENCE_IDLE &&
           !is_guard_out(step) && may_fence_again(step);
}

/* An epoch that was given back after D, while its guard was away (3.5), is still armed there when
 * it comes back: until that is ended too the guard takes the lease for live, and no rejoin runs
 * beside a live lease. One that could not keep the end is asked until it can: nothing else would show
 * that its disk works again, and this site would be no candidate for ever (4). */
static bool is_end_owed(const struct step *step)
{
    const struct bw_site *site = step->site;
    const bool is_armed = site->guard.armed_epoch == site->memory.epoch &&
                          site->guard.ended_epoch < site->memory.epoch &&
                          bw_id_equal(site->guard.armed_instance, site->instance);

    return bw_site_is_greeted(site) && site->memory.given_back &&
           (is_armed || site->guard_unsaved);
}

static bool may_end_what_is_owed(const struct step *step)
{
    const struct bw_site *site = step->site;

    return is_end_owed(step) && !site->end_open && site->running == BW_ACTION_NONE &&
           bw_site_may_retry(step);
}

static bool is_rejoin_due(const struct bw_site *site)
{
    return bw_site_joined_epoch(site, &site->memory) < site->other_serves_epoch;
}

/* 4: destructive, so only while another site's newer epoch is verified serving. What a witness said before
 * the other site was lost would have this one destroy what may be the last copy. */
static bool may_rejoin(const struct step *step)
{
    const struct bw_site *site = step->site;

    return is_rejoin_due(site) && !bw_site_epoch_is_open(site) &&
           bw_site_is_said_lately(step, site->other_serves_contact) && guard_can_act(site) &&
           bw_site_has_script(site, BW_ACTION_REJOIN) && bw_site_may_retry(step);
}

static void rejoin(const struct step *step, const char *rule)
{
    bw_site_run(step, BW_ACTION_REJOIN, step->site->other_serves_epoch, rule);
}

static void fence_remotely(const struct step *step, const char *rule)
{
    (void)rule;
    bw_site_advance_remote_fence(step);
}
