/* What a step of the site's machine asks for, and may ask of it: everything else rests on this. */
#include "site_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>

struct bw_site_action *bw_site_emit(const struct step *step, enum bw_site_action_kind kind,
                                    const char *rule)
{
    struct bw_site_action *action;

    BW_ASSERT(step->out->count < BW_SITE_ACTIONS_MAX);
    BW_ASSERT(rule != NULL);
    action = &step->out->list[step->out->count++];
    memset(action, 0, sizeof *action);
    action->kind = kind;
    action->rule = rule;
    return action;
}

void bw_site_wake(const struct step *step, struct bw_instant at)
{
    if (bw_instant_left_ns(step->now, at) < bw_instant_left_ns(step->now, step->out->wake_at))
        step->out->wake_at = at;
}

void bw_site_save(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;

    if (!site->save_pending && !site->save_failed)
        site->unsaved_own_since = step->now;
    site->save_pending = true;
    bw_site_emit(step, BW_SITE_ACTION_SAVE, rule)->number = ++site->save_number;
}

void bw_site_alarm(struct bw_site *site, enum bw_alarm alarm, bool on)
{
    const uint32_t bit = UINT32_C(1) << alarm;

    BW_ASSERT((unsigned)alarm < 32); /* a report carries them in 32 bits */
    site->alarms = on ? site->alarms | bit : site->alarms & ~bit;
}

bool bw_site_epoch_is_open(const struct bw_site *site)
{
    return site->memory.epoch != 0 && !site->memory.given_back;
}

uint64_t bw_site_held_index(const struct bw_site *site)
{
    const struct bw_order *order = &site->order;

    return order->kind == BW_ORDER_STOP && order->epoch == site->memory.epoch &&
                   bw_id_equal(order->instance, site->instance)
               ? order->held_index
               : 0;
}

bool bw_site_guard_is_silent(const struct bw_site *site, struct bw_instant now)
{
    const uint64_t limit_ns = site->memory.terms.request_timeout_ms * BW_NS_PER_MS;

    return site->arm_open && bw_instant_elapsed_ns(now, site->arm_open_since) >= limit_ns;
}

void bw_site_run(const struct step *step, enum bw_action_kind action, uint64_t epoch,
                 const char *rule)
{
    struct bw_site *site = step->site;
    struct bw_guard_message *message;

    BW_ASSERT(action != BW_ACTION_NONE && action < BW_ACTION_COUNT);
    BW_ASSERT(site->guard_greeted); /* 3.4: what was read before its welcome is void */
    message = &bw_site_emit(step, BW_SITE_ACTION_SEND, rule)->message;
    message->kind = BW_GUARD_MESSAGE_RUN;
    memcpy(message->group, site->group, sizeof message->group);
    message->epoch = epoch;
    message->run.epoch = epoch;
    message->run.action = action;
    message->run.run_id = site->next_run_id++;
    message->run.facts = site->facts;
    if (action == BW_ACTION_FENCE) {
        site->fence_run_id = message->run.run_id;
        site->fence_run_index = bw_site_held_index(site);
    }
    if (bw_action_is_action(action)) {
        site->running = action;
        site->running_run_id = message->run.run_id;
    } else {
        site->observation[action].running = true;
        site->observation[action].run_id = message->run.run_id;
    }
}
