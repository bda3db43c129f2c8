/* The ground of the site's machine: its states, and what a step asks for, and may ask of it. */
#include "internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/words.h>
#include <breakwater/core/expiry.h>

#include "states.h"

/* ---- states ---- */

/* The doors: a state of a site's machine changes by a row of its table, and in no other way. */

struct row {
    unsigned from; /* bits of states */
    unsigned event;
    unsigned to;
};

/* The one row that `from` has for `event`. */
static unsigned take_row(struct bw_site *site, enum bw_site_table table, const struct row *rows,
                         size_t count, unsigned from, unsigned event)
{
    size_t found = count;

    BW_ASSERT(count <= 32 && from < 32); /* bits of rows_taken, and of a row's states */
    for (size_t i = 0; i < count; i++) {
        if ((rows[i].from & (1u << from)) == 0 || rows[i].event != event)
            continue;
        BW_ASSERT(found == count);
        found = i;
    }
    BW_ASSERT(found < count);
    site->rows_taken[table] |= UINT32_C(1) << found;
    return rows[found].to;
}

#define ROW(P, from, event, to, why) {(from), P##_EVENT_##event, P##_##to},
#define DOOR(TABLE, member, type, P)                                                              \
    void bw_site_##member##_move(struct bw_site *site, enum type##_event event)                   \
    {                                                                                             \
        static const struct row rows[] = {BW_SITE_##TABLE##_ROWS(ROW, P)};                        \
                                                                                                  \
        site->member = (enum type)take_row(site, BW_SITE_TABLE_##TABLE, rows,                     \
                                           sizeof rows / sizeof rows[0], site->member, event);    \
    }
BW_SITE_TABLE_LIST(DOOR)

#define COUNT(TABLE, member, type, P) +1
_Static_assert(BW_SITE_TABLES == 0 BW_SITE_TABLE_LIST(COUNT), "rows_taken has a word for each");
_Static_assert(BW_TENURE_NONE == 0, "a site that begins holds nothing");

BW_NAMES(bw_tenure_word, enum bw_tenure, BW_TENURE_LIST, "?")

/* ---- asking ---- */

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

void bw_site_take_row(const struct step *step, const struct bw_site_row *rows, size_t count, unsigned state)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].state != state || !rows[i].is_met(step))
            continue;
        rows[i].act(step, rows[i].id);
        return;
    }
}

bool bw_site_always(const struct step *step)
{
    (void)step;
    return true;
}

void bw_site_nothing(const struct step *step, const char *rule)
{
    (void)step;
    (void)rule;
}

void bw_site_wake(const struct step *step, struct bw_instant at)
{
    if (bw_instant_left_ns(step->now, at) < bw_instant_left_ns(step->now, step->out->wake_at))
        step->out->wake_at = at;
}

void bw_site_save(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;

    if (site->save == BW_SITE_SAVE_KEPT)
        site->unsaved_own_since = step->now;
    bw_site_save_move(site, BW_SITE_SAVE_EVENT_ASKED);
    if (site->memory.override > site->override_on_disk)
        site->override_on_disk = site->memory.override;
    bw_site_emit(step, BW_SITE_ACTION_SAVE, rule)->number = ++site->save_number;
}

void bw_site_alarm(struct bw_site *site, enum bw_alarm alarm, bool on)
{
    const uint32_t bit = UINT32_C(1) << alarm;

    BW_ASSERT((unsigned)alarm < 32); /* a report carries them in 32 bits */
    site->alarms = on ? site->alarms | bit : site->alarms & ~bit;
}

void bw_site_note_fence_failed(const struct step *step, uint64_t epoch)
{
    struct bw_site *site = step->site;

    site->fence_failed = true;
    site->fence_failed_epoch = epoch;
    bw_site_alarm(site, BW_ALARM_FENCE_FAILED, true);
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S24");
}

void bw_site_note_fence_succeeded(struct bw_site *site)
{
    site->guard.stop_seen = true;
    site->fence_failed = false;
    bw_site_alarm(site, BW_ALARM_FENCE_FAILED, false);
}

bool bw_site_epoch_is_open(const struct bw_site *site)
{
    return site->memory.epoch != 0 && !site->memory.given_back;
}

bool bw_site_may_retry(const struct step *step)
{
    if (bw_instant_wait_is_over(step->now, step->site->retry_at))
        return true;
    bw_site_wake(step, step->site->retry_at);
    return false;
}

bool bw_site_override_has_begun(const struct bw_site *site)
{
    return site->memory.override == BW_OVERRIDE_OVERRIDING && site->kept.override == BW_OVERRIDE_OVERRIDING;
}

bool bw_site_overrides(const struct bw_site *site)
{
    return bw_site_override_has_begun(site) || site->memory.override == BW_OVERRIDE_ENDING;
}

bool bw_site_override_may_start(const struct bw_site *site)
{
    return site->override_start == BW_SITE_OVERRIDE_START_NONE ||
           site->override_start == BW_SITE_OVERRIDE_START_SERVES;
}

bool bw_site_is_greeted(const struct bw_site *site)
{
    return site->link == BW_SITE_LINK_GREETED;
}

bool bw_site_is_saving(const struct bw_site *site)
{
    return site->save == BW_SITE_SAVE_PENDING || site->save == BW_SITE_SAVE_AGAIN;
}

/* Of a guard that was not heard yet it is not known. */
bool bw_site_has_script(const struct bw_site *site, enum bw_action_kind action)
{
    BW_ASSERT(action < BW_ACTION_COUNT && action != BW_ACTION_REMOTE_FENCE);
    return site->limits.has_script[action] &&
           (site->link == BW_SITE_LINK_NONE || site->guard.has_script[action]);
}

bool bw_site_guard_reads_otherwise(const struct bw_site *site)
{
    for (int action = 0; action < BW_ACTION_REMOTE_FENCE; action++)
        if (site->limits.has_script[action] != site->guard.has_script[action])
            return bw_site_is_greeted(site);
    return bw_site_is_greeted(site) && site->limits.has_script[BW_ACTION_REMOTE_FENCE] !=
                                           (site->guard.remote_fence_ms != 0);
}

uint64_t bw_site_epoch_seen(const struct bw_site *site)
{
    return site->memory.epoch > site->guard.epoch_seen ? site->memory.epoch
                                                       : site->guard.epoch_seen;
}

uint64_t bw_site_held_index(const struct bw_site *site)
{
    const struct bw_order *order = &site->order;

    return order->kind == BW_ORDER_STOP && order->epoch == site->memory.epoch &&
                   bw_id_equal(order->instance, site->instance)
               ? order->held_index
               : 0;
}

/* 3.3: whatever was seen before, a fence that begins after this is known has to see the end. */
bool bw_site_owes_fence(const struct bw_site *site)
{
    const uint64_t held_index = bw_site_held_index(site);

    return site->memory.given_back && held_index != 0 && held_index != site->memory.fenced_index;
}

/* H10, for every agent of a site, whatever it knows of the group (3.4): it neither renews nor gives back
 * what another instance armed. But where the guard is not there, or stands still, and the other one is
 * gone, nobody else would end it in time. What was let go, and what is older than an epoch of its own,
 * is over (3.5, 3.9). */
bool bw_site_watches_epoch(const struct bw_site *site, uint64_t epoch)
{
    const bool is_let_go = site->order.kind == BW_ORDER_LET_GO &&
                           site->order.let_go_index <= site->memory.let_go_index &&
                           epoch <= site->order.epoch;

    return epoch > site->memory.epoch && !is_let_go;
}

bool bw_site_guard_is_silent(const struct bw_site *site, struct bw_instant now)
{
    const uint64_t limit_ns = bw_ms_to_ns(site->memory.terms.request_timeout_ms);

    return site->arm_open && bw_instant_elapsed_ns(now, site->arm_open_since) >= limit_ns;
}

/* As far as committed state has told it. */
static enum bw_no_return of_epoch(const struct bw_site *site)
{
    const bool is_ordered = (site->order.kind == BW_ORDER_RUN ||
                             site->order.kind == BW_ORDER_STOP) &&
                            site->order.epoch == site->memory.epoch;

    return is_ordered ? site->order.terms.no_return : site->memory.terms.no_return;
}

bool bw_site_was_held(const struct bw_site *site)
{
    return of_epoch(site) == BW_NO_RETURN_AHEAD;
}

/* A manual lease has no point that anybody would be misled about (3.8). */
bool bw_site_holds_start(const struct bw_site *site)
{
    return bw_site_epoch_is_open(site) && of_epoch(site) == BW_NO_RETURN_AHEAD;
}

/* By what is so now, and no near deadline bounds it: what destroys (3.3, 4), and a start under a manual lease (3.8). */
static bool is_right_only_now(const struct bw_site *site, enum bw_action_kind action)
{
    return action == BW_ACTION_REJOIN || action == BW_ACTION_REMOTE_FENCE ||
           (action == BW_ACTION_START && bw_site_overrides(site));
}

/* How the epoch began is no reason for its end: only an order to stop has a plan of its own (5.1). */
static void tell_why_it_ends(const struct bw_site *site, enum bw_action_kind action,
                             struct bw_run_facts *facts)
{
    const bool is_ordered = site->order.kind == BW_ORDER_STOP && site->order.epoch == site->memory.epoch;

    if ((action != BW_ACTION_STOP && action != BW_ACTION_FENCE) || is_ordered ||
        !bw_site_epoch_is_open(site) || site->ending_reason == BW_REASON_NONE)
        return;
    facts->reason = site->ending_reason;
    facts->planned = false;
}

void bw_site_run(const struct step *step, enum bw_action_kind action, uint64_t epoch,
                 const char *rule)
{
    struct bw_site *site = step->site;
    struct bw_guard_message *message;

    BW_ASSERT(action != BW_ACTION_NONE && action < BW_ACTION_COUNT);
    BW_ASSERT(bw_site_is_greeted(site)); /* 3.4: what was read before its welcome is void */
    message = &bw_site_emit(step, BW_SITE_ACTION_SEND, rule)->message;
    message->kind = BW_GUARD_MESSAGE_RUN;
    memcpy(message->group, site->group, sizeof message->group);
    message->epoch = epoch;
    message->run.epoch = epoch;
    message->run.action = action;
    message->run.run_id = site->next_run_id++;
    message->run.facts = site->facts;
    tell_why_it_ends(site, action, &message->run.facts);
    message->run.facts.holds = action == BW_ACTION_START && bw_site_holds_start(site);
    message->run.facts.restarts = action == BW_ACTION_STOP && site->tenure == BW_TENURE_STARTING;
    if (is_right_only_now(site, action))
        message->run.not_after = bw_instant_add(step->now, BW_SITE_RUNS_WITHIN_NS);
    if (action == BW_ACTION_FENCE) {
        site->fence_run_id = message->run.run_id;
        site->fence_run_index = bw_site_held_index(site);
    }
    if (action == BW_ACTION_REMOTE_FENCE) { /* beside what is done with its own service (3.3) */
        BW_COPY_FIELD(message->run.facts.previous_site, site->remote_fence.ask.site);
        site->remote_fence.run_id = message->run.run_id;
    } else if (bw_action_is_action(action)) {
        site->running = action;
        site->running_run_id = message->run.run_id;
    } else {
        site->observation[action].running = true;
        site->observation[action].run_id = message->run.run_id;
    }
}

#define SAID_NS_MIN BW_NS_PER_S /* whatever the terms say, or before they are known */

bool bw_site_is_said_lately(const struct step *step, struct bw_instant said)
{
    const struct bw_terms *terms = &step->site->order.terms;
    const uint64_t fresh_ns = bw_expiry_freshness_ns(terms->renew_interval_ms,
                                                     terms->request_timeout_ms);

    return !bw_instant_right_is_over(
        step->now, bw_instant_add(said, fresh_ns > SAID_NS_MIN ? fresh_ns : SAID_NS_MIN));
}

bool bw_site_runs_again(const struct step *step, enum bw_run_result result)
{
    switch (result) {
    case BW_RUN_REFUSED:
    case BW_RUN_KILLED:
    case BW_RUN_INTERRUPTED:
        step->site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return true;
    case BW_RUN_OK:
    case BW_RUN_FAILED:
    case BW_RUN_TIMED_OUT:
    case BW_RUN_NOT_STARTED:
    case BW_RUN_TOO_LATE:
        break;
    }
    return false;
}
