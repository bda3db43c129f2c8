#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RULES_BYTES 128

/* What a line is about. */
struct subject {
    struct bw_log *log;
    const struct bw_agent_step *step;
    const struct bw_site *site;
    const struct bw_agent_before *before;
    struct bw_instant now;
    char rules[RULES_BYTES];
};

/* "S8,S12": the rules of a step, in order. Rules are short and at most BW_SITE_ACTIONS_MAX. */
static void rules_of(const struct bw_site_actions *actions, char out_rules[RULES_BYTES])
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
}

static uint64_t left_ms(const struct subject *subject)
{
    return bw_ns_to_ms(bw_instant_left_ns(subject->now, subject->site->lease.end));
}

/* ---- what came ------------------------------------------------------------------------------- */

static void say_run_ended(const struct subject *subject, const struct bw_guard_run_ended *ended)
{
    struct bw_log *log = subject->log;
    const bool is_action = bw_action_is_action(ended->action);
    const bool is_fine = ended->result == BW_RUN_OK;
    const enum bw_log_level level = !is_action ? BW_LOG_DEBUG : is_fine ? BW_LOG_INFO : BW_LOG_WARN;

    bw_log_write(log, level, "run.ended",
                 "group=%s epoch=%" PRIu64 " action=%s result=%s refusal=%s exit_status=%d "
                 "took_ms=%" PRIu32 " line=%s",
                 subject->site->group, ended->epoch, bw_action_word(ended->action),
                 bw_run_result_word(ended->result), bw_refusal_word(ended->refusal),
                 ended->exit_status, ended->duration_ms, bw_log_quote(ended->line));
}

static void say_message(const struct subject *subject, const struct bw_guard_message *message)
{
    struct bw_log *log = subject->log;
    const char *group = subject->site->group;

    switch (message->kind) {
    case BW_GUARD_MESSAGE_RUN_BEGUN:
        if (bw_action_is_action(message->begun.action) && message->begun.steps.count == 0)
            bw_log_info(log, message->begun.action == BW_ACTION_START ? "start.begun" : "run.begun",
                        "group=%s epoch=%" PRIu64 " action=%s at_boot_ns=%" PRIu64, group,
                        message->epoch, bw_action_word(message->begun.action),
                        subject->now.boot_ns);
        break;
    case BW_GUARD_MESSAGE_RUN_ENDED:
        say_run_ended(subject, &message->ended);
        break;
    case BW_GUARD_MESSAGE_FENCE_BEGUN:
        bw_log_warn(log, "fence.begun",
                    "group=%s epoch=%" PRIu64 " by=guard left_ms=%" PRIu64 " at_boot_ns=%" PRIu64,
                    group, message->epoch, left_ms(subject), subject->now.boot_ns);
        break;
    case BW_GUARD_MESSAGE_FENCE_ENDED:
        bw_log_write(log, message->fence.ok ? BW_LOG_WARN : BW_LOG_ERROR, "fence.ended",
                     "group=%s epoch=%" PRIu64 " by=guard ok=%s took_ms=%" PRIu32
                     " at_boot_ns=%" PRIu64,
                     group, message->epoch, message->fence.ok ? "yes" : "no",
                     message->fence.duration_ms, subject->now.boot_ns);
        break;
    case BW_GUARD_MESSAGE_ARM_REFUSED:
    case BW_GUARD_MESSAGE_END_REFUSED:
        bw_log_warn(log, "guard.refused", "group=%s epoch=%" PRIu64 " asked=%s refusal=%s", group,
                    message->epoch,
                    message->kind == BW_GUARD_MESSAGE_ARM_REFUSED ? "arm" : "end",
                    bw_refusal_word(message->refused.why));
        break;
    case BW_GUARD_MESSAGE_HELLO:
    case BW_GUARD_MESSAGE_ARM:
    case BW_GUARD_MESSAGE_RUN:
    case BW_GUARD_MESSAGE_END:
    case BW_GUARD_MESSAGE_LET_GO:
    case BW_GUARD_MESSAGE_PASS:
    case BW_GUARD_MESSAGE_SHOW:
    case BW_GUARD_MESSAGE_SHOWN:
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

static void say_event(const struct subject *subject)
{
    const struct bw_site_event *event = subject->step->event;
    struct bw_log *log = subject->log;
    const char *group = subject->site->group;

    switch (event->kind) {
    case BW_SITE_EVENT_PROVE: /* persons.c says who asks */
        break;
    case BW_SITE_EVENT_CONFIRMED:
        bw_log_debug(log, "renewal.confirmed",
                     "group=%s epoch=%" PRIu64 " number=%" PRIu64 " sent_boot_ns=%" PRIu64
                     " at_boot_ns=%" PRIu64,
                     group, event->epoch, event->number, event->sent.boot_ns, subject->now.boot_ns);
        break;
    case BW_SITE_EVENT_GUARD_MESSAGE:
        say_message(subject, event->message);
        break;
    case BW_SITE_EVENT_MIRROR_READ:
        bw_log_write(log, subject->step->is_mirror_news ? BW_LOG_WARN : BW_LOG_DEBUG, "mirror.read",
                     "group=%s ok=%s epoch=%" PRIu64 " left_ms=%" PRIu64, group,
                     event->ok ? "yes" : "no", event->mirror_epoch,
                     bw_ns_to_ms(bw_instant_left_ns(subject->now, event->mirror_end)));
        break;
    case BW_SITE_EVENT_OWN_FENCE_ENDED:
        bw_log_write(log, event->ok ? BW_LOG_WARN : BW_LOG_ERROR, "fence.ended",
                     "group=%s epoch=%" PRIu64 " by=agent ok=%s at_boot_ns=%" PRIu64, group,
                     event->epoch, event->ok ? "yes" : "no", subject->now.boot_ns);
        break;
    case BW_SITE_EVENT_REMOTE_FENCE: /* said again with each answer */
        if (strstr(subject->rules, "S50") != NULL)
            bw_log_warn(log, "fence.asked",
                        "group=%s epoch=%" PRIu64 " site=%s term=%" PRIu64 " number=%" PRIu64,
                        group, event->ask->epoch, event->ask->site, event->ask->term,
                        event->ask->number);
        break;
    case BW_SITE_EVENT_TICK:
    case BW_SITE_EVENT_ORDER:
    case BW_SITE_EVENT_SAVED:
    case BW_SITE_EVENT_GUARD_STATE:
    case BW_SITE_EVENT_GUARD_LOST:
    case BW_SITE_EVENT_OTHER_SERVES:
    case BW_SITE_EVENT_OVERRIDE:
    case BW_SITE_EVENT_OVERRIDE_END:
    case BW_SITE_EVENT_OVERRIDE_LATE:
    case BW_SITE_EVENT_LEADER_ANSWERED:
    case BW_SITE_EVENT_SECOND: /* what it changes is said below */
        break;
    }
}

/* ---- what changed ---------------------------------------------------------------------------- */

static void say_order(const struct subject *subject)
{
    const struct bw_order *order = &subject->site->order;

    if (order->index == subject->before->order_index && order->kind == subject->before->order_kind)
        return;
    bw_log_info(subject->log, "order.received",
                "group=%s order=%s index=%" PRIu64 " epoch=%" PRIu64
                " reason=%s planned=%s adopt=%s closed=%s previous_site=%s rules=%s "
                "at_boot_ns=%" PRIu64,
                subject->site->group, bw_order_word(order->kind), order->index, order->epoch,
                bw_reason_word(order->reason), order->planned ? "yes" : "no",
                order->adopt ? "yes" : "no", order->closed ? "yes" : "no",
                bw_log_quote(order->previous_site), subject->rules, subject->now.boot_ns);
}

static void say_lease(const struct subject *subject)
{
    const struct bw_site *site = subject->site;
    const bool is_alive = bw_lease_is_alive(&site->lease, subject->now);
    struct bw_log *log = subject->log;

    if (is_alive && !subject->before->lease_alive)
        bw_log_info(log, "lease.first",
                    "group=%s epoch=%" PRIu64 " left_ms=%" PRIu64 " at_boot_ns=%" PRIu64,
                    subject->site->group, site->memory.epoch, left_ms(subject),
                    subject->now.boot_ns);
    if (!is_alive && subject->before->lease_alive)
        bw_log_warn(log, "lease.ended", "group=%s epoch=%" PRIu64 " rules=%s at_boot_ns=%" PRIu64,
                    subject->site->group, subject->before->epoch, subject->rules,
                    subject->now.boot_ns);
}

static void say_alarms(const struct subject *subject)
{
    const uint32_t changed = subject->site->alarms ^ subject->before->alarms;

    for (uint32_t alarm = 0; alarm < 32; alarm++) {
        const bool is_on = (subject->site->alarms >> alarm & 1) != 0;

        if ((changed >> alarm & 1) != 0)
            bw_log_write(subject->log, is_on ? BW_LOG_ERROR : BW_LOG_INFO,
                         is_on ? "alarm.raised" : "alarm.cleared", "group=%s alarm=%s",
                         subject->site->group, bw_alarm_word((enum bw_alarm)alarm));
    }
}

static void say_tenure(const struct subject *subject)
{
    const struct bw_site *site = subject->site;
    struct bw_log *log = subject->log;
    const char *group = subject->site->group;

    if (site->tenure != subject->before->tenure)
        bw_log_info(log, "tenure.changed", "group=%s epoch=%" PRIu64 " from=%s to=%s rules=%s",
                    group, site->memory.epoch, bw_tenure_word(subject->before->tenure),
                    bw_tenure_word(site->tenure), subject->rules);
    if (site->tenure == BW_TENURE_SERVING && subject->before->tenure != BW_TENURE_SERVING)
        bw_log_info(log, "service.serving", "group=%s epoch=%" PRIu64 " at_boot_ns=%" PRIu64, group,
                    site->memory.epoch, subject->now.boot_ns);
    if (site->memory.given_back &&
        (!subject->before->given_back || site->memory.epoch != subject->before->epoch))
        bw_log_info(log, "epoch.given_back",
                    "group=%s epoch=%" PRIu64 " reason=%s past_no_return=%s position=%s rules=%s "
                    "at_boot_ns=%" PRIu64,
                    group, site->memory.epoch, bw_reason_word(site->memory.reason),
                    site->memory.past_no_return ? "yes" : "no", bw_log_quote(site->memory.position),
                    subject->rules, subject->now.boot_ns);
    if (site->memory.enforced != subject->before->enforced)
        bw_log_info(log, "group.enforced", "group=%s enforced=%s rules=%s", group,
                    site->memory.enforced ? "yes" : "no", subject->rules);
}

static void say_override(const struct subject *subject)
{
    const struct bw_site *site = subject->site;

    if (site->memory.override != subject->before->override)
        bw_log_warn(subject->log, "override.changed",
                    "group=%s from=%s to=%s serial=%" PRIu64 " epoch=%" PRIu64 " over=%s rules=%s at_boot_ns=%" PRIu64,
                    site->group, bw_override_word(subject->before->override),
                    bw_override_word(site->memory.override), site->memory.override_serial, site->memory.epoch,
                    bw_override_over_word(site->override_over), subject->rules, subject->now.boot_ns);
}

static void say_second(const struct subject *subject)
{
    const enum bw_second_word word = subject->site->second;

    if (word != subject->before->second)
        bw_log_write(subject->log, word == BW_SECOND_IS_SEEN ? BW_LOG_INFO : BW_LOG_WARN,
                     "second.changed", "group=%s from=%s to=%s epoch=%" PRIu64,
                     subject->site->group, bw_second_word(subject->before->second),
                     bw_second_word(word), subject->site->memory.epoch);
}

static void say_own_fence(const struct subject *subject)
{
    const struct bw_site_actions *actions = subject->step->actions;

    for (uint32_t i = 0; i < actions->count; i++)
        if (actions->list[i].kind == BW_SITE_ACTION_OWN_FENCE)
            bw_log_warn(subject->log, "fence.begun",
                        "group=%s epoch=%" PRIu64 " by=agent rule=%s at_boot_ns=%" PRIu64,
                        subject->site->group, actions->list[i].epoch, actions->list[i].rule,
                        subject->now.boot_ns);
}

void bw_agent_say_step(struct bw_agent *agent, const struct bw_agent_step *step)
{
    struct subject subject = {.log = &agent->log,
                              .step = step,
                              .site = step->site,
                              .before = step->before,
                              .now = step->now};

    rules_of(step->actions, subject.rules);
    say_event(&subject);
    say_order(&subject);
    say_lease(&subject);
    say_alarms(&subject);
    say_tenure(&subject);
    say_override(&subject);
    say_second(&subject);
    say_own_fence(&subject);
}

/* ---- witnesses, the guard, the disk ----------------------------------------------------------- */

static void say_refused(struct bw_agent *agent, const char *address,
                        const struct bw_agent_action *note)
{
    char theirs[BW_ID_TEXT_BYTES];
    char ours[BW_ID_TEXT_BYTES];

    bw_id_format(note->answer->cluster_id, theirs);
    bw_id_format(agent->store.state.cluster_id, ours);
    bw_log_error(&agent->log, "witness.refused",
                 "address=%s why=%s cluster_id=%s generation=%" PRIu64 " our_cluster_id=%s "
                 "our_generation=%" PRIu64 " does=\"its answers are dropped\" "
                 "next=\"if no witness is followed: breakwater status --site, on this machine\"",
                 address, bw_log_quote(note->text), theirs, note->answer->generation, ours,
                 agent->store.state.generation);
}

static void say_cluster(struct bw_agent *agent)
{
    char id[BW_ID_TEXT_BYTES];

    bw_id_format(agent->store.state.cluster_id, id);
    bw_log_info(&agent->log, "cluster.known", "cluster_id=%s generation=%" PRIu64, id,
                agent->store.state.generation);
}

/* "w4=10.0.0.4:7400,w5=...": as people write them down. */
#define MEMBERS_BYTES (BW_WITNESSES_MAX * (BW_NAME_MAX + BW_ADDRESS_MAX + 2) + 1)
static const char *list_members(const struct bw_kept_members *kept, char out_list[MEMBERS_BYTES])
{
    size_t used = 0;

    out_list[0] = '\0';
    for (uint32_t i = 0; i < kept->member_count; i++)
        used += (size_t)snprintf(out_list + used, MEMBERS_BYTES - used, "%s%s=%s",
                                 i > 0 ? "," : "", kept->members[i].name,
                                 kept->members[i].address); /* fits */
    return bw_log_quote(out_list);
}

void bw_agent_say_note(struct bw_agent *agent, const struct bw_agent_action *note)
{
    const char *address = agent->machine.witnesses[note->witness].address;
    const char *group = agent->machine.groups[note->group].site.group;
    struct bw_log *log = &agent->log;
    char members[MEMBERS_BYTES];

    switch (note->note) {
    case BW_AGENT_NOTE_WITNESS_ANSWERS:
        bw_log_info(log, "witness.answers", "address=%s", address);
        return;
    case BW_AGENT_NOTE_WITNESS_SILENT:
        bw_log_warn(log, "witness.silent", "address=%s error=%s", address,
                    bw_log_quote(note->text));
        return;
    case BW_AGENT_NOTE_WITNESS_IGNORED:
        bw_log_warn(log, "witness.ignored", "address=%s error=%s", bw_log_quote(note->text),
                    "\"no more places: see the limit of witnesses\"");
        return;
    case BW_AGENT_NOTE_WITNESS_REFUSED:
        say_refused(agent, address, note);
        return;
    case BW_AGENT_NOTE_ANSWER_DROPPED:
        bw_log_debug(log, "answer.dropped", "address=%s number=%" PRIu64, address, note->number);
        return;
    case BW_AGENT_NOTE_MEMBERS_RECALLED:
        bw_log_info(log, "members.recalled", "file=%s members=%s", agent->store.members_file,
                    list_members(note->members, members));
        return;
    case BW_AGENT_NOTE_MEMBERS_CHANGED:
        bw_log_info(log, "members.told", "members=%s file=%s", list_members(note->members, members),
                    agent->store.members_file);
        return;
    case BW_AGENT_NOTE_CLUSTER_KNOWN:
        say_cluster(agent);
        return;
    case BW_AGENT_NOTE_GUARD_LOST:
        bw_log_error(log, "guard.lost", "socket=%s why=%s does=\"no renewals without it\"",
                     bw_log_quote(agent->config->guard_socket), bw_log_quote(note->text));
        return;
    case BW_AGENT_NOTE_GUARD_UNAWARE:
        bw_log_error(log, "guard.group_missing",
                     "group=%s next=\"look for group.load_failed or mirror.foreign in the guard's log; if there is none, SIGHUP "
                     "the guard: it reads the site file again\"",
                     group);
        return;
    case BW_AGENT_NOTE_GUARD_GREETED:
        bw_log_info(log, "guard.greeted", "pid=%d", (int)bw_unix_peer_pid(agent->guard));
        return;
    case BW_AGENT_NOTE_MIRROR_UNREADABLE:
        bw_log_warn(log, "deadline_file.read_failed", "group=%s error=%s", group,
                    bw_log_quote(note->text));
        return;
    case BW_AGENT_NOTE_STOPPING:
        bw_log_info(log, "agent.stopping", "fences=%" PRIu64, note->number);
        return;
    }
}
