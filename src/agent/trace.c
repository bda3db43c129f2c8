#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RULES_BYTES 128

void bw_agent_trace_begin(const struct bw_agent_place *place, struct bw_instant now,
                          struct bw_agent_trace *out_trace)
{
    const struct bw_site *site = &place->site;

    *out_trace = (struct bw_agent_trace){
        .now = now,
        .tenure = site->tenure,
        .order_index = site->order.index,
        .order_kind = site->order.kind,
        .epoch = site->memory.epoch,
        .given_back = site->memory.given_back,
        .lease_alive = bw_lease_is_alive(&site->lease, now),
        .enforced = site->memory.enforced,
        .alarms = site->alarms,
    };
}

/* "S8,S12": the rules of a step, in order. Rules are short and at most BW_SITE_ACTIONS_MAX. */
static const char *rules_of(const struct bw_site_actions *actions, char out_rules[RULES_BYTES])
{
    size_t used = 0;

    out_rules[0] = '\0';
    for (uint32_t i = 0; i < actions->count; i++) {
        const int length = snprintf(out_rules + used, RULES_BYTES - used, "%s%s", i == 0 ? "" : ",",
                                    actions->list[i].rule);

        if (length < 0 || used + (size_t)length >= RULES_BYTES)
            break;
        used += (size_t)length;
    }
    return out_rules;
}

static uint64_t left_ms(const struct bw_agent_place *place, struct bw_instant now)
{
    return bw_instant_left_ns(now, place->site.lease.end) / BW_NS_PER_MS;
}

/* ---- what came ------------------------------------------------------------------------------- */

static void say_run_ended(const struct bw_agent_place *place,
                          const struct bw_guard_run_ended *ended)
{
    struct bw_log *log = &place->agent->log;
    const bool is_action = bw_action_is_action(ended->action);
    const bool is_fine = ended->result == BW_RUN_OK;
    const enum bw_log_level level = !is_action ? BW_LOG_DEBUG : is_fine ? BW_LOG_INFO : BW_LOG_WARN;

    bw_log_write(log, level, "run.ended",
                 "group=%s epoch=%" PRIu64 " action=%s result=%s refusal=%s exit_status=%d "
                 "duration_ms=%" PRIu32 " line=%s",
                 place->config->name, ended->epoch, bw_action_word(ended->action),
                 bw_run_result_word(ended->result), bw_refusal_word(ended->refusal),
                 ended->exit_status, ended->duration_ms, bw_log_quote(ended->line));
}

static void say_message(const struct bw_agent_place *place, const struct bw_guard_message *message,
                        struct bw_instant now)
{
    struct bw_log *log = &place->agent->log;
    const char *group = place->config->name;

    switch (message->kind) {
    case BW_GUARD_MESSAGE_RUN_BEGUN:
        if (bw_action_is_action(message->begun.action))
            bw_log_info(log, message->begun.action == BW_ACTION_START ? "start.begun" : "run.begun",
                        "group=%s epoch=%" PRIu64 " action=%s at_boot_ns=%" PRIu64, group,
                        message->epoch, bw_action_word(message->begun.action), now.boot_ns);
        break;
    case BW_GUARD_MESSAGE_RUN_ENDED:
        say_run_ended(place, &message->ended);
        break;
    case BW_GUARD_MESSAGE_FENCE_BEGUN:
        bw_log_warn(log, "fence.begun",
                    "group=%s epoch=%" PRIu64 " by=guard left_ms=%" PRIu64 " at_boot_ns=%" PRIu64,
                    group, message->epoch, left_ms(place, now), now.boot_ns);
        break;
    case BW_GUARD_MESSAGE_FENCE_ENDED:
        bw_log_write(log, message->fence.ok ? BW_LOG_WARN : BW_LOG_ERROR, "fence.ended",
                     "group=%s epoch=%" PRIu64 " by=guard ok=%s duration_ms=%" PRIu32
                     " at_boot_ns=%" PRIu64,
                     group, message->epoch, message->fence.ok ? "yes" : "no",
                     message->fence.duration_ms, now.boot_ns);
        break;
    case BW_GUARD_MESSAGE_ARM_REFUSED:
    case BW_GUARD_MESSAGE_END_REFUSED:
        bw_log_warn(log, "guard.refused", "group=%s epoch=%" PRIu64 " what=%s why=%s", group,
                    message->epoch, message->kind == BW_GUARD_MESSAGE_ARM_REFUSED ? "arm" : "end",
                    bw_refusal_word(message->refused.why));
        break;
    case BW_GUARD_MESSAGE_HELLO:
    case BW_GUARD_MESSAGE_ARM:
    case BW_GUARD_MESSAGE_RUN:
    case BW_GUARD_MESSAGE_END:
    case BW_GUARD_MESSAGE_LET_GO:
    case BW_GUARD_MESSAGE_WELCOME:
    case BW_GUARD_MESSAGE_GROUP_STATE:
    case BW_GUARD_MESSAGE_WELCOME_DONE:
    case BW_GUARD_MESSAGE_ARMED:
    case BW_GUARD_MESSAGE_EPOCH_ENDED:
    case BW_GUARD_MESSAGE_LET_GO_DONE:
    case BW_GUARD_MESSAGE_HELLO_REFUSED:
        break; /* what they change is said below */
    }
}

static void say_event(const struct bw_agent_place *place, const struct bw_site_event *event,
                      struct bw_instant now)
{
    struct bw_log *log = &place->agent->log;
    const char *group = place->config->name;

    switch (event->kind) {
    case BW_SITE_EVENT_CONFIRMED:
        bw_log_debug(log, "renewal.confirmed",
                     "group=%s epoch=%" PRIu64 " number=%" PRIu64 " sent_boot_ns=%" PRIu64
                     " at_boot_ns=%" PRIu64,
                     group, event->epoch, event->number, event->sent.boot_ns, now.boot_ns);
        break;
    case BW_SITE_EVENT_GUARD_MESSAGE:
        say_message(place, event->message, now);
        break;
    case BW_SITE_EVENT_MIRROR_READ:
        bw_log_write(log, place->is_mirror_news ? BW_LOG_WARN : BW_LOG_DEBUG, "mirror.read",
                     "group=%s ok=%s epoch=%" PRIu64 " left_ms=%" PRIu64, group,
                     event->ok ? "yes" : "no", event->mirror_epoch,
                     bw_instant_left_ns(now, event->mirror_end) / BW_NS_PER_MS);
        break;
    case BW_SITE_EVENT_OWN_FENCE_ENDED:
        bw_log_write(log, event->ok ? BW_LOG_WARN : BW_LOG_ERROR, "fence.ended",
                     "group=%s epoch=%" PRIu64 " by=agent ok=%s at_boot_ns=%" PRIu64, group,
                     event->epoch, event->ok ? "yes" : "no", now.boot_ns);
        break;
    case BW_SITE_EVENT_TICK:
    case BW_SITE_EVENT_ORDER:
    case BW_SITE_EVENT_SAVED:
    case BW_SITE_EVENT_GUARD_STATE:
    case BW_SITE_EVENT_GUARD_LOST:
    case BW_SITE_EVENT_OTHER_SERVES:
        break;
    }
}

/* ---- what changed ---------------------------------------------------------------------------- */

static void say_order(const struct bw_agent_place *place, const struct bw_agent_trace *trace,
                      const char *rules)
{
    const struct bw_order *order = &place->site.order;

    if (order->index == trace->order_index && order->kind == trace->order_kind)
        return;
    bw_log_info(&place->agent->log, "order.received",
                "group=%s order=%s index=%" PRIu64 " epoch=%" PRIu64
                " reason=%s planned=%s adopt=%s closed=%s previous_site=%s rules=%s "
                "at_boot_ns=%" PRIu64,
                place->config->name, bw_order_word(order->kind), order->index, order->epoch,
                bw_reason_word(order->reason), order->planned ? "yes" : "no",
                order->adopt ? "yes" : "no", order->closed ? "yes" : "no",
                bw_log_quote(order->previous_site), rules, trace->now.boot_ns);
}

static void say_lease(const struct bw_agent_place *place, const struct bw_agent_trace *trace,
                      const char *rules)
{
    const struct bw_site *site = &place->site;
    const bool is_alive = bw_lease_is_alive(&site->lease, trace->now);
    struct bw_log *log = &place->agent->log;

    if (is_alive && !trace->lease_alive)
        bw_log_info(log, "lease.first",
                    "group=%s epoch=%" PRIu64 " left_ms=%" PRIu64 " at_boot_ns=%" PRIu64,
                    place->config->name, site->memory.epoch, left_ms(place, trace->now),
                    trace->now.boot_ns);
    if (!is_alive && trace->lease_alive)
        bw_log_warn(log, "lease.ended", "group=%s epoch=%" PRIu64 " rules=%s at_boot_ns=%" PRIu64,
                    place->config->name, trace->epoch, rules, trace->now.boot_ns);
}

static void say_alarms(const struct bw_agent_place *place, uint32_t before)
{
    const uint32_t changed = place->site.alarms ^ before;

    for (uint32_t alarm = 0; alarm < 32; alarm++) {
        const bool is_on = (place->site.alarms >> alarm & 1) != 0;

        if ((changed >> alarm & 1) != 0)
            bw_log_write(&place->agent->log, is_on ? BW_LOG_ERROR : BW_LOG_INFO,
                         is_on ? "alarm.raised" : "alarm.cleared", "group=%s alarm=%s",
                         place->config->name, bw_alarm_word((enum bw_alarm)alarm));
    }
}

static void say_tenure(const struct bw_agent_place *place, const struct bw_agent_trace *trace,
                       const char *rules)
{
    const struct bw_site *site = &place->site;
    struct bw_log *log = &place->agent->log;
    const char *group = place->config->name;

    if (site->tenure != trace->tenure)
        bw_log_info(log, "tenure.changed", "group=%s epoch=%" PRIu64 " from=%s to=%s rules=%s",
                    group, site->memory.epoch, bw_tenure_word(trace->tenure),
                    bw_tenure_word(site->tenure), rules);
    if (site->tenure == BW_TENURE_SERVING && trace->tenure != BW_TENURE_SERVING)
        bw_log_info(log, "service.serving", "group=%s epoch=%" PRIu64 " at_boot_ns=%" PRIu64, group,
                    site->memory.epoch, trace->now.boot_ns);
    if (site->memory.given_back && (!trace->given_back || site->memory.epoch != trace->epoch))
        bw_log_info(log, "epoch.given_back",
                    "group=%s epoch=%" PRIu64 " reason=%s past_no_return=%s position=%s rules=%s "
                    "at_boot_ns=%" PRIu64,
                    group, site->memory.epoch, bw_reason_word(site->memory.reason),
                    site->memory.past_no_return ? "yes" : "no", bw_log_quote(site->memory.position),
                    rules, trace->now.boot_ns);
    if (site->memory.enforced != trace->enforced)
        bw_log_info(log, "group.enforced", "group=%s enforced=%s rules=%s", group,
                    site->memory.enforced ? "yes" : "no", rules);
}

void bw_agent_trace_end(const struct bw_agent_place *place, const struct bw_agent_trace *trace,
                        const struct bw_site_event *event, const struct bw_site_actions *actions)
{
    char rules[RULES_BYTES];

    (void)rules_of(actions, rules);
    say_event(place, event, trace->now);
    say_order(place, trace, rules);
    say_lease(place, trace, rules);
    say_alarms(place, trace->alarms);
    say_tenure(place, trace, rules);
    for (uint32_t i = 0; i < actions->count; i++)
        if (actions->list[i].kind == BW_SITE_ACTION_OWN_FENCE)
            bw_log_warn(&place->agent->log, "fence.begun",
                        "group=%s epoch=%" PRIu64 " by=agent rule=%s at_boot_ns=%" PRIu64,
                        place->config->name, actions->list[i].epoch, actions->list[i].rule,
                        trace->now.boot_ns);
}
