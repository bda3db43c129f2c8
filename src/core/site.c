/* What the witnesses order, and the step of a group's machine at the agent (3.5). */
#include "site_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

/* ---- tenure ------------------------------------------------------------------------------ */

/* A tenure of `epoch` begins: everything that belonged to the one before is forgotten. */
static void reset_tenure(struct bw_site *site)
{
    bw_lease_init(&site->lease, site->memory.epoch, &site->memory.terms);
    site->arm_sent_end = (struct bw_instant){0, 0};
    bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_ACCEPTED);
    bw_site_fence_move(site, BW_SITE_FENCE_EVENT_ACCEPTED);
    bw_site_own_end_move(site, BW_SITE_OWN_END_EVENT_ACCEPTED);
    bw_site_start_move(site, BW_SITE_START_EVENT_ACCEPTED);
    bw_site_stop_move(site, BW_SITE_STOP_EVENT_ACCEPTED);
    bw_site_final_move(site, BW_SITE_FINAL_EVENT_ACCEPTED);
    site->arm_open = false;
    site->end_open = false;
    site->mirror_reread = false;
    site->over = false;
    site->restarts_used = 0;
    site->stopped_in_a_row = 0;
    site->started_in_a_row = 0;
    site->rogue_in_a_row = 0;
    site->verified = false;
    site->starts_again = false;
    site->start_interrupted = false;
    site->starts_gone_on = 0;
    site->ending_reason = BW_REASON_NONE;
    site->retry_at = (struct bw_instant){0, 0};
    site->own_fence_again_at = (struct bw_instant){0, 0};
}

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
    reset_tenure(site);
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
                                               site->override == BW_SITE_OVERRIDE_ENDING))
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

static void obey(const struct step *step)
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

/* 5.3: an order carries the log index that made it; a lower one never replaces a higher. */
static void on_order(const struct step *step, const struct bw_order *order)
{
    struct bw_site *site = step->site;

    if (order->kind == BW_ORDER_NONE || order->index < site->memory.order_index ||
        order->index < site->order.index)
        return;
    const bool is_news = order->index > site->order.index || site->order.kind == BW_ORDER_NONE;

    site->order = *order;
    if (order->spec_version > site->spec_version)
        site->spec_version = order->spec_version;
    if (is_news) /* what rests on the newest commit is observed after it (3.9) */
        bw_site_observe_soon(step, BW_ACTION_STATUS);
    if (is_news && order->prepare)
        bw_site_observe_soon(step, BW_ACTION_READINESS);
    obey(step);
    hear_of_let_go(step);
}

/* The acceptance is on disk: from here the epoch may be renewed (3.4, start order). */
static void on_saved(const struct step *step, uint64_t number, bool ok)
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
    obey(step); /* a STOP of the epoch may have been what made us accept it */
}

/* ---- what the tenure asks for next ------------------------------------------------------- */

static bool guard_can_act(const struct bw_site *site)
{
    return bw_site_is_greeted(site) && site->running == BW_ACTION_NONE;
}

/* Not by this agent alone: what the one before it, or another of its boot, had started may end
 * while nobody looks. */
static bool has_served_before(const struct bw_site *site)
{
    return site->restarts_used > 0 ||
           (site->guard.start_epoch == site->memory.epoch && site->guard.served == BW_SERVED_MAYBE);
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

/* 5.1, steps: of what ended with its guard a part is done, and not done again. Where it serves it
 * is taken as it is; what nobody knows is waited for. */
static bool may_start_go_on(const struct bw_site *site, struct bw_instant now)
{
    return site->start_interrupted && site->service == BW_SERVICE_STOPPED &&
           site->starts_gone_on < BW_SITE_STARTS_GO_ON_MAX && guard_can_act(site) &&
           site->save == BW_SITE_SAVE_KEPT && !bw_site_awaits_reach(site) &&
           !bw_site_second_awaited(site, now) && !bw_site_point_awaited(site);
}

static void go_on_with_start(const struct step *step)
{
    struct bw_site *site = step->site;

    site->start_interrupted = false;
    site->starts_gone_on++;
    bw_site_start_move(site, BW_SITE_START_EVENT_RESTARTS);
    bw_site_run(step, BW_ACTION_START, site->memory.epoch, "S53");
}

/* 3.4: a start needs the first renewal confirmed, which means armed; unknown never starts
 * anything (4). */
static void advance_starting(const struct step *step)
{
    struct bw_site *site = step->site;

    BW_ASSERT(site->tenure == BW_TENURE_STARTING);
    BW_ASSERT(site->lease.epoch == site->memory.epoch);
    if (!bw_lease_is_alive(&site->lease, step->now) ||
        bw_lease_in_fence_window(&site->lease, step->now) || site->over)
        return; /* the guard fences; nothing starts any more */
    if (site->service == BW_SERVICE_STARTED) {
        if (site->limits.has_script[BW_ACTION_VERIFY] && site->start == BW_SITE_START_RAN &&
            !site->verified) {
            bw_site_observe_soon(step, BW_ACTION_VERIFY);
        } else {
            bw_site_tenure_move(site, BW_TENURE_EVENT_SERVES);
            site->stopped_in_a_row = 0;
            note_restart(step);
            if (!site->memory.start_begun && !site->memory.adopt) {
                site->memory.start_begun = true; /* whoever began it: it serves, and writes (4) */
                bw_site_save(step, "S93");
            }
            (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S9");
            return;
        }
    }
    if (site->start == BW_SITE_START_RAN) {
        if (may_start_go_on(site, step->now)) {
            go_on_with_start(step);
        } else if (bw_instant_wait_is_over(step->now, site->start_limit)) {
            bw_site_alarm(site, BW_ALARM_START_FAILED, true);
            bw_failures_unseen(&site->failures, BW_ACTION_START, step->now);
            bw_site_begin_stop(step, BW_REASON_START_FAILED, "S10");
        } else {
            bw_site_wake(step, site->start_limit);
        }
        return;
    }
    if (site->service != BW_SERVICE_STOPPED || !guard_can_act(site) || !bw_site_may_retry(step) ||
        bw_site_awaits_reach(site) || bw_site_second_awaited(site, step->now) ||
        bw_site_point_awaited(site))
        return; /* site_watch.c asks for a status as often as it takes */
    if (!site->memory.start_begun) {
        if (!bw_site_is_saving(site)) {
            site->memory.start_begun = true; /* durable before the start: reason and data site */
            bw_site_save(step, "S11");       /* depend on it after a restart */
        }
        return;
    }
    if (site->save != BW_SITE_SAVE_KEPT)
        return;
    site->starts_again = has_served_before(site);
    bw_site_run(step, BW_ACTION_START, site->memory.epoch, "S12");
}

/* An adoption that neither we nor the guard, who is there, know of as armed: not by an arm whose
 * answer is on its way, and not by one of an agent before us (3.9, H13, H14). Armed, it would
 * override no more: what serves until then does so by a person's word, whatever was granted before
 * it (3.8). */
static bool was_never_armed(const struct bw_site *site)
{
    const bool is_anothers = site->memory.adopt && !site->memory.enforced;

    return (is_anothers || bw_site_overrides(site)) && !site->memory.start_begun &&
           site->arm_sent_end.boot_ns == 0;
}

/* A stop that fails is followed by the fence at once (3.5). */
static void advance_stopping(const struct step *step)
{
    struct bw_site *site = step->site;

    BW_ASSERT(site->tenure == BW_TENURE_STOPPING);
    if (site->stop == BW_SITE_STOP_SEEN) {
        bw_site_begin_ending(step);
        return;
    }
    if (!bw_site_is_greeted(site) || !bw_site_may_retry(step))
        return;
    if (was_never_armed(site)) { /* 3.9: what runs here is not ours to end */
        bw_site_give_back(step, "S48");
        return;
    }
    if (site->running == BW_ACTION_STOP || site->running == BW_ACTION_FENCE)
        return;
    /* After a reboot, and where nothing was ever started, a service found stopped needs no stop
     * script (3.7). */
    const bool may_be_untouched = site->stop != BW_SITE_STOP_OWED &&
                                  (site->ending_reason == BW_REASON_REBOOT ||
                                   (!site->memory.start_begun && !site->memory.adopt));

    if (may_be_untouched && site->service == BW_SERVICE_STOPPED &&
        site->running == BW_ACTION_NONE) {
        bw_site_begin_ending(step);
        return;
    }
    if (may_be_untouched && !site->observation[BW_ACTION_STATUS].has_result)
        return; /* the first status is on its way */
    bw_site_run(step, BW_ACTION_STOP, site->memory.epoch, "S13");
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
}

/* 3.5: given back only on the guard's ended(e), after the final position is known. */
static void advance_ending(const struct step *step)
{
    struct bw_site *site = step->site;

    BW_ASSERT(site->tenure == BW_TENURE_ENDING);
    if (!bw_site_is_greeted(site) || site->end_open || site->running != BW_ACTION_NONE ||
        site->guard_cleans || !bw_site_may_retry(step))
        return;
    if (site->final == BW_SITE_FINAL_DUE) {
        if (!site->observation[BW_ACTION_READINESS].running)
            bw_site_observe_soon(step, BW_ACTION_READINESS);
        return;
    }
    send_end(step, "S14");
}

/* 4: consecutive `stopped` while it should run -> local restart, then give the epoch back. */
static void advance_serving(const struct step *step)
{
    struct bw_site *site = step->site;

    BW_ASSERT(site->tenure == BW_TENURE_SERVING);
    if (site->stopped_in_a_row < site->limits.failure_threshold || !site->order.restart_allowed)
        return;
    if (site->restarts_used < site->limits.local_restarts) {
        site->restarts_used++;
        site->stopped_in_a_row = 0;
        bw_site_start_move(site, BW_SITE_START_EVENT_RESTARTS);
        site->verified = false;
        bw_site_tenure_move(site, BW_TENURE_EVENT_RESTARTS);
        bw_site_emit(step, BW_SITE_ACTION_TRACE, "S15")->epoch = site->memory.epoch;
        return;
    }
    bw_site_begin_stop(step, BW_REASON_SERVICE_DOWN, "S16");
}

/* An epoch that was given back after D, while its guard was away (3.5), is still armed there when
 * it comes back: until that is ended too the guard takes the lease for live, and no rejoin runs
 * beside a live lease. One that could not keep the end is asked until it can: nothing else would show
 * that its disk works again, and this site would be no candidate for ever (4). */
static bool is_end_owed(const struct bw_site *site)
{
    const bool is_armed = site->guard.armed_epoch == site->memory.epoch &&
                          site->guard.ended_epoch < site->memory.epoch &&
                          bw_id_equal(site->guard.armed_instance, site->instance);

    return bw_site_is_greeted(site) && site->memory.given_back &&
           (is_armed || site->guard_unsaved);
}

static bool is_rejoin_due(const struct bw_site *site)
{
    return bw_site_joined_epoch(site, &site->memory) < site->other_serves_epoch;
}

/* By its guard; by the agent itself where that one is away, or stands still: else the group would
 * be held for as long (3.3). Not by both at once. */
static void fence_what_is_held(const struct step *step)
{
    const struct bw_site *site = step->site;

    BW_ASSERT(site->memory.given_back);
    if (site->own_fence != BW_SITE_OWN_FENCE_IDLE)
        return;
    if (!bw_site_is_greeted(site) || bw_site_guard_is_silent(site, step->now)) {
        if (bw_site_may_fence_itself(step))
            bw_site_fence_held(step);
    } else if (guard_can_act(site) && bw_site_may_retry(step)) {
        bw_site_run(step, BW_ACTION_FENCE, site->memory.epoch, "S60");
    }
}

/* 4: destructive, so only while another site's newer epoch is verified serving. */
static void advance_standing_by(const struct step *step)
{
    struct bw_site *site = step->site;

    BW_ASSERT(site->tenure == BW_TENURE_NONE);
    if (site->order.kind != BW_ORDER_STAND_BY)
        obey(step); /* an order that had to wait for the end of the epoch before */
    if (site->tenure != BW_TENURE_NONE)
        return;
    if (bw_site_overrides(site)) { /* 3.8: what it owes of before waits for its end */
        bw_site_advance_override(step);
        return;
    }
    if (bw_site_owes_fence(site)) {
        fence_what_is_held(step);
        return;
    }
    if (is_end_owed(site)) {
        if (!site->end_open && site->running == BW_ACTION_NONE && bw_site_may_retry(step))
            send_end(step, "S42");
        return;
    }
    if (site->override != BW_SITE_OVERRIDE_NONE || site->guard.overriding) {
        bw_site_advance_override(step);
        return;
    }
    /* What a witness said before the other site was lost would have this one destroy what may be the last copy. */
    if (is_rejoin_due(site) && !bw_site_epoch_is_open(site) &&
        bw_site_is_said_lately(step, site->other_serves_contact) &&
        guard_can_act(site) && bw_site_may_retry(step))
        bw_site_run(step, BW_ACTION_REJOIN, site->other_serves_epoch, "S17");
    bw_site_advance_remote_fence(step);
}

/* 3.4: a disk that does not answer is seen by all: this site is no candidate then, and what it was
 * granted and cannot start is renewed no more (bw_site_sync_get). */
static void watch_save(const struct step *step)
{
    struct bw_site *site = step->site;
    const struct bw_instant slow = bw_instant_add(site->unsaved_own_since, BW_SITE_SLOW_SAVE_NS);

    if (!bw_site_is_saving(site))
        return;
    if (bw_instant_wait_is_over(step->now, slow))
        bw_site_alarm(site, BW_ALARM_STATE_NOT_DURABLE, true);
    else
        bw_site_wake(step, slow);
}

/* The disk is given what `memory` is when the step ends. */
static void note_saving(const struct step *step)
{
    for (uint32_t i = 0; i < step->out->count; i++)
        if (step->out->list[i].kind == BW_SITE_ACTION_SAVE)
            step->site->saving = step->site->memory;
}

/* Called at the end of each step: what the tenure still lacks is asked for here again, whichever event
 * asked for it first, so that a lost answer or a restart in the middle leads to the same question.
 * Bounded: a tenure moves at most a few places within one step. */
static void advance(const struct step *step)
{
    struct bw_site *site = step->site;

    if (site->save == BW_SITE_SAVE_FAILED && bw_site_may_retry(step))
        bw_site_save(step, "S18");
    watch_save(step);
    bw_site_override_watch(step);
    for (int turn = 0; turn < 4; turn++) {
        const enum bw_tenure before = site->tenure;

        switch (site->tenure) {
        case BW_TENURE_NONE:
            advance_standing_by(step);
            break;
        case BW_TENURE_ACCEPTING: /* until its epoch is on disk */
            break;
        case BW_TENURE_WAITING:
            if (bw_lease_is_alive(&site->lease, step->now))
                bw_site_tenure_move(site, BW_TENURE_EVENT_LEASED);
            else if (bw_site_override_outlives_epoch(step))
                bw_site_give_back(step, "S96");
            break;
        case BW_TENURE_STARTING:
            advance_starting(step);
            break;
        case BW_TENURE_SERVING:
            advance_serving(step);
            break;
        case BW_TENURE_STOPPING:
            advance_stopping(step);
            break;
        case BW_TENURE_ENDING:
            advance_ending(step);
            break;
        case BW_TENURE_STUCK: /* reported as failed; tried again until it is seen to succeed */
            if (guard_can_act(site) && bw_site_may_retry(step))
                bw_site_run(step, BW_ACTION_FENCE, site->memory.epoch, "S19");
            break;
        case BW_TENURE_FENCING:
            break;
        }
        if (site->tenure == before)
            return;
    }
}

/* ---- public ------------------------------------------------------------------------------ */

void bw_site_init(struct bw_site *site, const char *group, struct bw_id instance,
                  struct bw_id boot_id, const struct bw_site_limits *limits,
                  const struct bw_site_memory *memory, struct bw_instant now)
{
    BW_ASSERT_NONE(bw_site_memory_unsound(memory)); /* judged where it was read */
    memset(site, 0, sizeof *site);
    (void)bw_copy_text(site->group, sizeof site->group, group);
    site->instance = instance;
    site->boot_id = boot_id;
    site->limits = *limits;
    site->memory = *memory;
    site->kept = *memory;
    site->saving = *memory;
    site->next_run_id = 1;
    site->position[0] = '\0';
    reset_tenure(site);
    bw_site_override_found(site, now);
    for (int i = 0; i < BW_ACTION_COUNT; i++)
        site->observation[i].due = now;
    if (!bw_site_epoch_is_open(site))
        return;
    if (bw_id_equal(memory->boot_id, boot_id)) {
        bw_site_tenure_move(site, BW_TENURE_EVENT_FOUND);
        bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_FOUND);
        return;
    }
    /* 3.7: after a reboot e is given back, not renewed; nothing armed survived the boot. */
    bw_site_tenure_move(site, BW_TENURE_EVENT_REBOOTED);
    site->ending_reason = BW_REASON_REBOOT;
}

void bw_site_set_limits(struct bw_site *site, const struct bw_site_limits *limits)
{
    site->limits = *limits;
    if (!limits->has_script[BW_ACTION_READINESS])
        bw_site_forgo_final_position(site);
    if (limits->has_script[BW_ACTION_CONDITION])
        return;
    site->condition = BW_CONDITION_NONE;
    bw_site_alarm(site, BW_ALARM_CONDITION_FAILED, false);
}

void bw_site_step(struct bw_site *site, const struct bw_site_event *event, struct bw_instant now,
                  struct bw_site_actions *out_actions)
{
    const struct step step = {site, now, out_actions};

    BW_ASSERT(event->kind != BW_SITE_EVENT_ORDER || event->order != NULL);
    BW_ASSERT(event->kind != BW_SITE_EVENT_GUARD_STATE || event->state != NULL);
    BW_ASSERT(event->kind != BW_SITE_EVENT_GUARD_MESSAGE || event->message != NULL);
    BW_ASSERT(event->kind != BW_SITE_EVENT_OVERRIDE || event->wish != NULL);
    BW_ASSERT(event->kind != BW_SITE_EVENT_REMOTE_FENCE || event->ask != NULL);
    BW_ASSERT(event->kind != BW_SITE_EVENT_SECOND || event->second != NULL);
    out_actions->count = 0;
    out_actions->wake_at = BW_INSTANT_NEVER;
    switch (event->kind) {
    case BW_SITE_EVENT_TICK:
        break;
    case BW_SITE_EVENT_ORDER:
        on_order(&step, event->order);
        break;
    case BW_SITE_EVENT_CONFIRMED:
        bw_site_on_confirmed(&step, event);
        break;
    case BW_SITE_EVENT_SAVED:
        on_saved(&step, event->number, event->ok);
        break;
    case BW_SITE_EVENT_GUARD_STATE:
        bw_site_on_guard_state(&step, event->state);
        obey(&step);
        break;
    case BW_SITE_EVENT_GUARD_LOST:
        bw_site_on_guard_lost(&step);
        break;
    case BW_SITE_EVENT_GUARD_MESSAGE:
        bw_site_on_guard_message(&step, event->message);
        break;
    case BW_SITE_EVENT_MIRROR_READ:
        bw_site_on_mirror_read(&step, event);
        break;
    case BW_SITE_EVENT_OWN_FENCE_ENDED:
        bw_site_on_own_fence_ended(&step, event->epoch, event->ok);
        break;
    case BW_SITE_EVENT_OVERRIDE:
        bw_site_on_override(&step, event->wish);
        break;
    case BW_SITE_EVENT_OVERRIDE_END:
        bw_site_on_override_end(&step);
        break;
    case BW_SITE_EVENT_LEADER_ANSWERED:
        bw_site_on_leader_answered(&step);
        break;
    case BW_SITE_EVENT_REMOTE_FENCE:
        bw_site_on_remote_fence(&step, event->ask);
        break;
    case BW_SITE_EVENT_SECOND:
        bw_site_on_second(&step, event->second);
        break;
    case BW_SITE_EVENT_OTHER_SERVES:
        if (bw_site_override_hears_other(&step))
            break; /* first it is ended; what it has to follow is said again */
        if (event->epoch > site->other_serves_epoch)
            site->other_serves_epoch = event->epoch;
        if (event->epoch == site->other_serves_epoch)
            site->other_serves_contact = now;
        break;
    }
    bw_site_watch_deadline(&step);
    bw_site_watch_old_instance(&step);
    advance(&step);
    bw_site_watch_service(&step);
    bw_site_watch_no_return(&step);
    bw_site_watch_second(&step);
    note_saving(&step);
    BW_ASSERT_NONE(bw_site_unsound(site));
}
