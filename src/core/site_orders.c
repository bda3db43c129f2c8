/* What the witnesses order a site, and what it accepts by that (3.5). */
#include "site_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/limits.h>

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
    if (is_news && order->prepare)
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
