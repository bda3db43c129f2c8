/* Orders to run a script: whether it may run, and what came of it (3.4). And how an epoch ends. lint: a machine. */
#include "internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/report.h>

/* ---- the end of an epoch ---- */

/* How an epoch ends at its guard (3.4, ended): every arm and run of it is refused, durably; then a look that
 * begins from then on sees nothing serve; then the agent hears it. */

/* Nothing serves, and nothing is under way that a service could come of (3.4, ended). */
static enum bw_refusal judge_over(const struct bw_guard *guard)
{
    if (bw_guard_is_fencing(guard) || guard->fence == BW_FENCE_FAILED)
        return BW_REFUSAL_FENCING;
    if (guard->slots[BW_GUARD_SLOT_ACTION].state != BW_SLOT_FREE ||
        guard->stop != BW_GUARD_STOP_NONE)
        return BW_REFUSAL_BUSY; /* no action is left (3.4) */
    if (bw_guard_loop_may_start(guard))
        return BW_REFUSAL_BUSY; /* nor a start that this guard does not see (3.4, driver) */
    if (!guard->mirror.stop_seen)
        return BW_REFUSAL_NOT_STOPPED;
    return BW_REFUSAL_NONE;
}

static enum bw_refusal judge_end(const struct bw_guard *guard, uint64_t epoch)
{
    if (bw_id_is_none(guard->agent.session))
        return BW_REFUSAL_NO_HELLO;
    if (epoch == 0 || epoch < guard->memory.epoch_seen)
        return BW_REFUSAL_OLD_EPOCH;
    if (bw_guard_is_foreign_instance(guard, epoch))
        return BW_REFUSAL_WRONG_INSTANCE;
    return judge_over(guard);
}

static void send_ended(const struct guard_step *step, uint64_t epoch, const char *rule)
{
    struct bw_guard_message *message =
        bw_guard_send(step, BW_GUARD_MESSAGE_EPOCH_ENDED, epoch, rule);

    BW_ASSERT(epoch != 0 && epoch == step->guard->memory.ended_epoch);
    if (message != NULL)
        message->epoch_ended.served = bw_guard_served(step->guard, epoch);
}

/* 3.4, ended: that no arm or run of an epoch is taken any more, durably, is one thing, that it has ended
 * another: it has once a look that begins from then on sees nothing serve. Until then nobody is told. */
bool bw_guard_has_ended(const struct bw_guard *guard, uint64_t epoch)
{
    return guard->end_seen_epoch >= epoch && judge_over(guard) == BW_REFUSAL_NONE;
}

static void look_for_end(const struct guard_step *step)
{
    BW_ASSERT(step->guard->memory.ended_epoch != 0);
    step->guard->end_looking = true;
    step->guard->stop_check_at = step->now;
}

/* All that was seen when it was asked for still holds. */
void bw_guard_end_saved(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;
    const uint64_t epoch = guard->memory.ended_epoch;
    const enum bw_refusal why = judge_over(guard);

    BW_ASSERT(guard->wants == BW_GUARD_WANTS_END);
    if (why != BW_REFUSAL_NONE)
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_END_REFUSED, epoch, 0, why, "U44");
    else
        look_for_end(step);
}

/* A look has ended by itself that began when the end of `ending_epoch` was durable (3.4, ended). Also after a yes of `gate` something may have begun that does not serve yet: it would in an epoch
 * that is over (3.4). */
static void guard_end_looked(const struct guard_step *step, uint64_t ending_epoch,
                                enum bw_guard_left left)
{
    struct bw_guard *guard = step->guard;
    const uint64_t epoch = guard->memory.ended_epoch;
    enum bw_refusal why;

    if (!guard->end_looking || ending_epoch < epoch || left == BW_GUARD_LEFT_GONE ||
        left == BW_GUARD_LEFT_UNSEEN)
        return; /* another look is due */
    guard->end_looking = false;
    why = judge_over(guard);
    if (why == BW_REFUSAL_NONE && left == BW_GUARD_LEFT_THERE) {
        why = BW_REFUSAL_NOT_STOPPED;
        guard->mirror.stop_seen = false; /* nor is it the end that a restart would take it for */
        bw_guard_mirror_now(step, "U89");
    }
    if (why != BW_REFUSAL_NONE) {
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_END_REFUSED, epoch, 0, why, "U60");
        return;
    }
    guard->end_seen_epoch = epoch;
    /* A newer epoch may have been armed since the end was durable: its deadline stays (3.4). */
    if (guard->mirror.armed_epoch <= epoch) {
        bw_guard_disarm(guard);
        bw_guard_mirror_now(step, "U14");
    }
    send_ended(step, epoch, "U15");
}

void bw_guard_on_end(const struct guard_step *step, uint64_t epoch)
{
    struct bw_guard *guard = step->guard;
    struct bw_guard_memory *memory;
    enum bw_refusal why;

    if ((guard->wants == BW_GUARD_WANTS_END || guard->end_looking) &&
        epoch == guard->memory.ended_epoch)
        return; /* it is being written down, or looked for; the answer follows */
    if (guard->wants != BW_GUARD_WANTS_NOTHING) {
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_END_REFUSED, epoch, 0, BW_REFUSAL_BUSY, "U43");
        return;
    }
    why = judge_end(guard, epoch);
    if (why == BW_REFUSAL_BUSY)
        bw_guard_end_remote_fence(step);
    if (why == BW_REFUSAL_NONE || why == BW_REFUSAL_BUSY)
        bw_guard_loop_take_back(step); /* who gives it back starts nothing more in it */
    if (why != BW_REFUSAL_NONE) {
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_END_REFUSED, epoch, 0, why, "U7");
        return;
    }
    if (epoch == guard->memory.ended_epoch) { /* it is durable: its answer was lost, or it was refused */
        if (bw_guard_has_ended(guard, epoch))
            send_ended(step, epoch, "U6");
        else
            look_for_end(step);
        return;
    }
    /* Every arm or run <= e is refused from here on, durably, before the agent hears it. */
    memory = bw_guard_change_memory(guard);
    memory->epoch_seen = epoch;
    memory->ended_epoch = epoch;
    bw_guard_save(step, BW_GUARD_WANTS_END, "U8");
}

/* ---- runs ---- */

#define LOOK_AT_START_AGAIN_NS (5 * BW_NS_PER_S)

/* ---- answers ------------------------------------------------------------------------------- */

static void refuse(const struct guard_step *step, const struct bw_guard_run *run,
                   enum bw_refusal why)
{
    struct bw_guard_run_ended ended = {.result = BW_RUN_REFUSED, .refusal = why, .exit_status = -1};

    bw_guard_answer_run(step, run, &ended, "V1");
}

/* ---- may it run? (3.4, its rules) ---------------------------------------------------------- */

static enum bw_refusal judge_start(const struct guard_step *step, const struct bw_guard_run *run)
{
    const struct bw_guard *guard = step->guard;

    BW_ASSERT(run->action == BW_ACTION_START);
    if (!bw_guard_is_manual(guard) && run->epoch <= guard->memory.ended_epoch)
        return BW_REFUSAL_EPOCH_ENDING;
    if (!bw_guard_is_armed(guard) || run->epoch != guard->mirror.armed_epoch)
        return BW_REFUSAL_NOT_ARMED;
    if (guard->fence != BW_FENCE_NONE)
        return BW_REFUSAL_FENCING;
    /* not covered: timers come first in a step (H8), so that by now the fence has begun. */
    if (bw_instant_right_is_over(step->now, bw_guard_window(guard)))
        return BW_REFUSAL_FENCE_WINDOW;
    /* 3.4: the epoch ends by what these put there, not by what was seen of others. */
    if (run->facts.reach_digest != 0 && run->facts.reach_digest != guard->limits.digest)
        return BW_REFUSAL_OTHER_SCRIPTS;
    /* 4: what holds nowhere would begin behind it at once. */
    if (run->facts.holds && !guard->limits.has_point)
        return BW_REFUSAL_NO_POINT;
    return BW_REFUSAL_NONE;
}

/* A lease that nobody has ended: over only when its end has come and its fence was seen to succeed.
 * Then an instance that cannot end it, because it was another's, may act again (3.7). */
static bool guard_has_live_lease(const struct guard_step *step)
{
    const struct bw_guard *guard = step->guard;

    return bw_guard_is_armed(guard) &&
           !(guard->fence == BW_FENCE_DONE && guard->fence_epoch == guard->mirror.armed_epoch &&
             bw_instant_wait_is_over(step->now, guard->mirror.armed_end));
}

/* 4: a rejoin is destructive, and 3.3: what is done to another site's service is for a site that
 * has none of its own under way. Neither runs beside a lease of our own. */
static enum bw_refusal judge_standing_by(const struct guard_step *step,
                                         const struct bw_guard_run *run)
{
    const struct bw_guard *guard = step->guard;

    BW_ASSERT(run->action == BW_ACTION_REJOIN || run->action == BW_ACTION_REMOTE_FENCE);
    /* not covered: one at a site whose own loop may yet start: its agent says that the guard is
     * busy. */
    if (run->action == BW_ACTION_REMOTE_FENCE && bw_guard_loop_may_start(guard))
        return BW_REFUSAL_BUSY; /* 3.4, driver: a start that nobody sees end */
    if (guard_has_live_lease(step))
        return BW_REFUSAL_BUSY;
    if (run->epoch <= guard->memory.ended_epoch)
        return BW_REFUSAL_EPOCH_ENDING;
    return BW_REFUSAL_NONE;
}

/* 3.8: it stands until the mirror has the grant that follows it, also where that is seen and ends unarmed. */
static bool is_of_manual_lease(const struct bw_guard *guard, const struct bw_guard_run *run)
{
    return bw_guard_is_manual(guard) && run->epoch == guard->mirror.armed_epoch;
}

static enum bw_refusal judge_action(const struct guard_step *step, const struct bw_guard_run *run)
{
    const struct bw_guard *guard = step->guard;

    BW_ASSERT(bw_action_is_action(run->action));
    if (run->epoch < guard->memory.epoch_seen && !is_of_manual_lease(guard, run))
        return BW_REFUSAL_OLD_EPOCH; /* an epoch lower than one seen is refused */
    if (guard_has_live_lease(step) &&
        !bw_id_equal(guard->mirror.armed_instance, guard->agent.instance))
        return BW_REFUSAL_WRONG_INSTANCE;
    if (bw_guard_is_fencing(guard))
        return BW_REFUSAL_FENCING;
    if (guard->wants == BW_GUARD_WANTS_END && run->action != BW_ACTION_FENCE)
        return BW_REFUSAL_BUSY; /* it is being written down that no action is left */
    switch (run->action) {
    case BW_ACTION_START:
        return judge_start(step, run);
    case BW_ACTION_REJOIN:
    case BW_ACTION_REMOTE_FENCE:
        return judge_standing_by(step, run);
    case BW_ACTION_STOP:
    case BW_ACTION_FENCE:
        return BW_REFUSAL_NONE; /* what ends a service is refused for no other reason */
    case BW_ACTION_NONE: /* not covered: judge_run asks for actions only */
    case BW_ACTION_STATUS:
    case BW_ACTION_READINESS:
    case BW_ACTION_CONDITION:
    case BW_ACTION_VERIFY:
    case BW_ACTION_COUNT:
        break;
    }
    return BW_REFUSAL_NO_SCRIPT; /* not covered: as above */
}

static enum bw_refusal judge_run(const struct guard_step *step, const struct bw_guard_run *run)
{
    const struct bw_guard *guard = step->guard;

    if (bw_id_is_none(guard->agent.session))
        return BW_REFUSAL_NO_HELLO;
    if (run->action <= BW_ACTION_NONE || run->action >= BW_ACTION_COUNT)
        return BW_REFUSAL_NO_SCRIPT;
    /* A fence needs no script: the stop script, and the kill of all in reach, serve. */
    if (!guard->limits.has_script[run->action] && run->action != BW_ACTION_FENCE &&
        (run->action != BW_ACTION_START || guard->limits.loop_delay_ns == 0))
        return BW_REFUSAL_NO_SCRIPT;
    if (bw_action_is_action(run->action))
        return judge_action(step, run);
    if (bw_guard_is_fencing(guard))
        return BW_REFUSAL_FENCING;
    if (guard->slots[BW_GUARD_SLOT_OBSERVATION].state != BW_SLOT_FREE ||
        guard->stop == BW_GUARD_STOP_CHECKING || guard->stop == BW_GUARD_STOP_KILLING)
        return BW_REFUSAL_BUSY;
    return BW_REFUSAL_NONE;
}

/* 3.4: one action at a time. */
static bool is_action_taken(const struct bw_guard *guard, const struct bw_guard_run *run)
{
    return guard->slots[BW_GUARD_SLOT_ACTION].state != BW_SLOT_FREE ||
           guard->stop != BW_GUARD_STOP_NONE ||
           (run->action == BW_ACTION_START && bw_guard_waits(guard, BW_GUARD_WAIT_LOOP));
}

/* What ends no service here: it makes way for a stop, and waits for the mirror (H11). */
static bool is_action_but_no_end(enum bw_action_kind action)
{
    return action == BW_ACTION_START || action == BW_ACTION_REJOIN ||
           action == BW_ACTION_REMOTE_FENCE;
}

/* A stop may end such an action that runs; nothing else waits for a slot. */
static bool preempts(const struct bw_guard *guard, const struct bw_guard_run *run)
{
    const struct bw_guard_run_slot *slot = &guard->slots[BW_GUARD_SLOT_ACTION];

    return slot->state != BW_SLOT_FREE && run->action == BW_ACTION_STOP &&
           guard->stop == BW_GUARD_STOP_NONE && is_action_but_no_end(slot->run.action);
}

/* 3.4, driver: a stop that runs beside a start ends nothing of what that has yet to begin. So
 * whoever asks hears no at once, and its script begins when the last start that rests on a yes is
 * over. */
static bool waits_for_loop(const struct guard_step *step, const struct bw_guard_run *stop)
{
    struct bw_guard *guard = step->guard;

    bw_guard_loop_take_back(step);
    if (!bw_guard_loop_may_start(guard))
        return false;
    guard->waiting_run = *stop;
    bw_guard_stop_move(guard, BW_STOP_EVENT_WAIT);
    return true;
}

static void begin_action(const struct guard_step *step, const struct bw_guard_run *run,
                         const char *rule)
{
    struct bw_guard *guard = step->guard;

    BW_ASSERT(bw_action_is_action(run->action) && run->action != BW_ACTION_FENCE); /* its own slot */
    BW_ASSERT(guard->stop == BW_GUARD_STOP_NONE); /* 3.4: never two actions of a group at once */
    if (run->action == BW_ACTION_STOP && waits_for_loop(step, run))
        return;
    if (run->epoch <= guard->memory.epoch_seen) {
        bw_guard_spawn(step, BW_GUARD_SLOT_ACTION, run, rule);
        return;
    }
    if (guard->wants == BW_GUARD_WANTS_NOTHING) {
        struct bw_guard_memory *memory = bw_guard_change_memory(guard);

        memory->epoch_seen = run->epoch; /* a higher one: seen durably before it runs */
        memset(&memory->instance, 0, sizeof memory->instance);
        guard->run_wanted = *run;
        bw_guard_save(step, run->action == BW_ACTION_STOP ? BW_GUARD_WANTS_STOP : BW_GUARD_WANTS_RUN,
                      "V5");
    } else if (run->action != BW_ACTION_STOP) {
        refuse(step, run, BW_REFUSAL_BUSY);
    }
    /* Only what rests on it waits for the disk: a stop ends a service, and never does. */
    if (run->action == BW_ACTION_STOP)
        bw_guard_spawn(step, BW_GUARD_SLOT_ACTION, run, "V40");
}

/* Its wait is over. */
static void begin_waiting_stop(const struct guard_step *step)
{
    begin_action(step, &step->guard->waiting_run, "V14");
}

/* What was right when it was asked for may not be so any more. */
void bw_guard_run_saved(const struct guard_step *step, const struct bw_guard_run *run)
{
    const enum bw_refusal why = judge_run(step, run);

    BW_ASSERT(step->guard->wants == BW_GUARD_WANTS_RUN);
    BW_ASSERT(run->action != BW_ACTION_STOP); /* which has run, and waits for no disk */
    if (why != BW_REFUSAL_NONE)
        refuse(step, run, why);
    else if (is_action_taken(step->guard, run))
        refuse(step, run, BW_REFUSAL_BUSY);
    else
        bw_guard_spawn(step, BW_GUARD_SLOT_ACTION, run, "U18");
}

void bw_guard_on_run(const struct guard_step *step, const struct bw_guard_run *run)
{
    struct bw_guard *guard = step->guard;
    const enum bw_refusal why = judge_run(step, run);

    if (why != BW_REFUSAL_NONE) {
        refuse(step, run, why);
        return;
    }
    if (run->action == BW_ACTION_FENCE) {
        bw_guard_fence_on_order(step, run);
        return;
    }
    if (!bw_action_is_action(run->action)) {
        bw_guard_spawn(step, BW_GUARD_SLOT_OBSERVATION, run, "V2");
        return;
    }
    if (run->by_kill && !is_action_taken(guard, run)) {
        bw_guard_prove_on_run(step, run);
        return;
    }
    if (is_action_taken(guard, run)) {
        if (run->by_kill || !preempts(guard, run)) {
            if (run->action == BW_ACTION_START || run->action == BW_ACTION_REJOIN)
                bw_guard_end_remote_fence(step);
            refuse(step, run, BW_REFUSAL_BUSY);
            return;
        }
        guard->waiting_run = *run;
        bw_guard_kill_run(step, BW_GUARD_SLOT_ACTION, "V3");
        bw_guard_stop_move(guard, BW_STOP_EVENT_WAIT);
        return;
    }
    begin_action(step, run, "V4");
}

/* ---- its point of no return (4) -------------------------------------------------------------- */

void bw_guard_on_pass(const struct guard_step *step, uint64_t epoch)
{
    struct bw_guard_run_slot *slot = &step->guard->slots[BW_GUARD_SLOT_ACTION];

    if (slot->state == BW_SLOT_FREE || slot->state == BW_SLOT_ENDING ||
        slot->run.action != BW_ACTION_START || slot->run.epoch != epoch || !slot->run.facts.holds)
        return;
    slot->run.facts.holds = false;
    bw_guard_emit(step, BW_GUARD_ACTION_PASS, "V77")->slot = BW_GUARD_SLOT_ACTION;
}

/* ---- what the starts of an epoch came to (4, data safety) ----------------------------------- */

/* A start that ended with 0, and one whose end nobody saw, may have served. */
static void note_start_ended(struct bw_guard *guard, const struct bw_guard_run *run,
                             enum bw_run_result result)
{
    if (run->action == BW_ACTION_START && (result == BW_RUN_OK || result == BW_RUN_INTERRUPTED))
        bw_guard_note_served(guard, BW_SERVED_MAYBE);
}

static void note_look(struct bw_guard *guard, enum bw_guard_slot slot,
                      const struct bw_guard_run_ended *ended)
{
    const enum bw_service service = bw_guard_service_of(ended);

    if (service == BW_SERVICE_STARTED)
        bw_guard_note_served(guard, BW_SERVED_MAYBE);
    else if (service == BW_SERVICE_STOPPED)
        guard->mirror.stopped_after_start |= !guard->slots[slot].overlapped;
    else
        bw_guard_note_served(guard, BW_SERVED_NOT_SEEN);
}

static void go(const struct guard_step *step, enum bw_guard_slot of)
{
    struct bw_guard *guard = step->guard;
    struct bw_guard_run_slot *slot = &guard->slots[of];
    struct bw_guard_message *message;
    struct bw_guard_action *action = bw_guard_emit(step, BW_GUARD_ACTION_GO, "V7");

    BW_ASSERT(guard->mirror.children[of].action == slot->run.action); /* H11: the mirror names it */
    bw_guard_slot_move(guard, of, BW_SLOT_EVENT_GO);
    action->slot = of;
    action->limit_ns = guard->limits.timeout_ns[slot->run.action];
    action->run_not_after = slot->run.not_after.boot_ns != 0 ? slot->run.not_after : BW_INSTANT_NEVER;
    /* H7: the child compares with D - F, like the fence. */
    if (slot->run.action == BW_ACTION_START)
        action->run_not_after = bw_instant_min(action->run_not_after, bw_guard_window(guard));
    if (slot->run.run_id == 0 && of != BW_GUARD_SLOT_ACTION)
        return;
    message = bw_guard_send(step, BW_GUARD_MESSAGE_RUN_BEGUN, slot->run.epoch, "V8");
    if (message == NULL)
        return;
    message->begun.run_id = slot->run.run_id;
    message->begun.action = slot->run.action;
}

/* H11: mirror first, then the go-ahead over the pipe; a child that reads EOF exits. What ends a service, or
 * only looks, waits for no mirror: that could be long in coming. */
void bw_guard_on_spawned(const struct guard_step *step, const struct bw_guard_event *event)
{
    struct bw_guard *guard = step->guard;
    struct bw_guard_run_slot *slot = &guard->slots[event->slot];
    bool waits;

    if (!event->ok || slot->state != BW_SLOT_SPAWNING)
        return; /* RUN_ENDED says why; a slot that was killed meanwhile gets no go-ahead */
    guard->mirror.children[event->slot] = event->child;
    if (slot->run.action == BW_ACTION_STOP || slot->run.action == BW_ACTION_FENCE) {
        guard->end_start_time = event->child.start_time;
        bw_guard_units_note_end_begun(guard, &event->units);
        guard->mirror.script_begun = true;
    }
    slot->was_left = event->is_left;
    if (slot->run.action == BW_ACTION_STATUS)
        bw_guard_units_note_look(guard, &event->units, event->is_left);
    slot->was_populated = event->populated;
    waits = is_action_but_no_end(slot->run.action);
    bw_guard_mirror_now(step, "V6");
    slot->go_number = guard->mirror_number;
    if (waits)
        bw_guard_slot_move(guard, event->slot, BW_SLOT_EVENT_MIRROR);
    else
        go(step, event->slot);
}

/* A child that no mirror knows of could start the service after a restarted guard has said that
 * nothing runs (H11). */
void bw_guard_on_children_mirrored(const struct guard_step *step, uint64_t number, bool ok)
{
    for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++) {
        const struct bw_guard_run_slot *slot = &step->guard->slots[i];

        if (slot->state != BW_SLOT_MIRRORING || number < slot->go_number)
            continue;
        if (!ok)
            bw_guard_kill_run(step, (enum bw_guard_slot)i, "V18");
        else
            go(step, (enum bw_guard_slot)i);
    }
}

/* ---- what its own loop may start (3.4, driver) ----------------------------------------------- */

/* From here on whoever asks hears yes. */
static void tell_loop_begun(const struct guard_step *step, const struct bw_guard_run *run)
{
    struct bw_guard_message *message = bw_guard_send(step, BW_GUARD_MESSAGE_RUN_BEGUN, run->epoch,
                                                     "V72");

    if (message == NULL)
        return;
    message->begun.run_id = run->run_id;
    message->begun.action = BW_ACTION_START;
}

/* That its loop may is all of a start that the guard has: what comes of it status tells. */
void bw_guard_on_loop_mirrored(const struct guard_step *step, uint64_t number, bool ok)
{
    struct bw_guard *guard = step->guard;
    const struct bw_guard_run run = guard->loop_run;
    const char *const rule = "V73";
    struct bw_guard_run_ended ended = {.result = BW_RUN_OK};

    if (!bw_guard_is_wait_over(guard, BW_GUARD_WAIT_LOOP, number))
        return;
    if (guard->mirror.loop_delay_ns == 0) /* taken back meanwhile */
        ended = (struct bw_guard_run_ended){.result = BW_RUN_KILLED, .exit_status = -1};
    else if (!ok) {
        if (guard->loop_is_new)
            guard->mirror.loop_delay_ns = 0; /* nobody has heard of it */
        ended = (struct bw_guard_run_ended){
            .result = BW_RUN_REFUSED, .refusal = BW_REFUSAL_NOT_DURABLE, .exit_status = -1};
    } else if (bw_guard_is_late(step, &run) && guard->loop_is_new) {
        guard->mirror.loop_delay_ns = 0; /* nobody has heard of it */
        bw_guard_mirror_now(step, rule);
        ended = bw_guard_too_late;
    }
    if (run.run_id == 0)
        return; /* a look gave it: nobody has asked */
    if (ended.result == BW_RUN_OK)
        tell_loop_begun(step, &run);
    bw_guard_answer_run(step, &run, &ended, rule);
}

/* No start that rests on a yes can be under way any more: what has waited for that begins. */
void bw_guard_loop_timers(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;
    const struct bw_instant until = guard->mirror.loop_until;

    if (guard->mirror.loop_delay_ns != 0 || until.boot_ns == 0)
        return;
    if (!bw_instant_wait_is_over(step->now, until)) {
        bw_guard_wake(step, until);
        return;
    }
    guard->mirror.loop_until = (struct bw_instant){0, 0};
    bw_guard_mirror_now(step, "V74");
    if (guard->stop != BW_GUARD_STOP_WAITING ||
        guard->slots[BW_GUARD_SLOT_ACTION].state != BW_SLOT_FREE)
        return;
    bw_guard_stop_move(guard, BW_STOP_EVENT_OVER);
    begin_waiting_stop(step);
}

/* 3.9: what is let go is left as it is, so a stop that has waited does not begin any more. What a
 * fence has begun it finishes. */
void bw_guard_run_let_go(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;

    /* not covered: a stop that waits for the loop, and whose run was given up. */
    if (guard->stop != BW_GUARD_STOP_WAITING || guard->waiting_run.run_id == 0)
        return;
    bw_guard_stop_move(guard, BW_STOP_EVENT_OVER);
    refuse(step, &guard->waiting_run, BW_REFUSAL_NOT_ARMED);
}

/* ---- what a start has left behind (3.2.4) --------------------------------------------------- */

/* What an action that is still dying has begun is its own: what ends here waits for it anyway. */
static enum bw_guard_left left_at(const struct bw_guard *guard,
                                  const struct bw_guard_event *event)
{
    if (guard->slots[BW_GUARD_SLOT_ACTION].state != BW_SLOT_FREE &&
        guard->slots[BW_GUARD_SLOT_ACTION].run.action != BW_ACTION_REMOTE_FENCE)
        return BW_GUARD_LEFT_NOTHING;
    const enum bw_guard_left units = bw_guard_units_left(guard, &event->units);

    if (event->is_left || units == BW_GUARD_LEFT_THERE)
        return BW_GUARD_LEFT_THERE;
    return guard->slots[event->slot].was_left ? BW_GUARD_LEFT_GONE : units;
}

/* ---- a stop is believed when status says so (4) --------------------------------------------- */

/* What runs in the observation slot, or begins there: the look after the stop, or one that was there before it. */
static void limit_stop_look(const struct guard_step *step, enum bw_action_kind look)
{
    const struct bw_guard_limits *limits = &step->guard->limits;

    step->guard->stop_look_limit = bw_instant_add(step->now, limits->timeout_ns[look] + limits->kill_grace_ns +
                                                                 BW_LOOK_ANSWER_NS);
}

static void begin_stop_check(const struct guard_step *step, const struct bw_guard_run *run,
                             const struct bw_guard_run_ended *ended)
{
    struct bw_guard *guard = step->guard;

    BW_ASSERT(run->action == BW_ACTION_STOP && ended->result == BW_RUN_OK);
    BW_ASSERT(guard->slots[BW_GUARD_SLOT_ACTION].state == BW_SLOT_FREE);
    guard->stop_run = *run;
    guard->stop_ended = *ended;
    guard->stop_check_at = step->now;
    limit_stop_look(step, guard->slots[BW_GUARD_SLOT_OBSERVATION].run.action);
    if (guard->stop != BW_GUARD_STOP_AGAIN) /* one that runs again has no time of its own */
        guard->stop_limit = bw_instant_add(step->now, guard->limits.timeout_ns[BW_ACTION_STOP]);
    bw_guard_stop_move(guard, BW_STOP_EVENT_CHECK);
}

static void end_stop(const struct guard_step *step, bool is_seen)
{
    struct bw_guard *guard = step->guard;

    BW_ASSERT(guard->stop == BW_GUARD_STOP_CHECKING);
    BW_ASSERT(guard->stop_ended.result == BW_RUN_OK); /* its script has ended well (4) */
    bw_guard_stop_move(guard, BW_STOP_EVENT_OVER);
    if (is_seen) {
        bw_guard_note_end(guard);
        bw_guard_mirror_now(step, "V9");
    } else if (guard->stop_run.by_kill) { /* 3.4: no script of it has failed */
        guard->stop_ended = (struct bw_guard_run_ended){
            .result = BW_RUN_REFUSED, .refusal = BW_REFUSAL_NOT_STOPPED, .exit_status = -1};
    } else {
        guard->stop_ended.result = BW_RUN_FAILED;
        guard->stop_ended.exit_status = -1;
    }
    bw_guard_answer_run(step, &guard->stop_run, &guard->stop_ended, "V10");
}

/* It has no business any more once a stop has ended. It may be what is still writing its last bytes:
 * KILL is left to the fence that follows a stop whose limit comes first. */
static void term_started(const struct guard_step *step)
{
    if (!step->guard->has_left)
        (void)bw_guard_emit(step, BW_GUARD_ACTION_TERM_STARTED, "V19");
    step->guard->has_left = true;
}

/* What a start had left is gone; what it ordered while it was there the script ends now. */
static void stop_again(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;

    BW_ASSERT(guard->stop_run.action == BW_ACTION_STOP);
    bw_guard_take_script_again(guard);
    bw_guard_stop_move(guard, BW_STOP_EVENT_AGAIN);
    bw_guard_spawn(step, BW_GUARD_SLOT_ACTION, &guard->stop_run, "V61");
}

static void on_stop_looked(const struct guard_step *step, enum bw_service service,
                           enum bw_guard_left left)
{
    struct bw_guard *guard = step->guard;
    /* One that began beside the script has seen nothing of what came after it (3.2.4). */
    const bool is_down = service == BW_SERVICE_STOPPED &&
                         !guard->slots[BW_GUARD_SLOT_OBSERVATION].overlapped;

    BW_ASSERT(guard->stop == BW_GUARD_STOP_CHECKING);
    bw_guard_note_left(guard, left);
    guard->stop_check_at = bw_instant_add(step->now, BW_GUARD_LOOK_AGAIN_NS);
    if (is_down && left == BW_GUARD_LEFT_NOTHING && bw_guard_looks_count(guard))
        end_stop(step, true);
    else if (bw_instant_wait_is_over(step->now, guard->stop_limit))
        end_stop(step, false);
    else if (left == BW_GUARD_LEFT_NOTHING && bw_guard_is_script_due_again(guard))
        stop_again(step);
    else if (is_down && left == BW_GUARD_LEFT_THERE)
        term_started(step);
}

/* 3.5: behind a look that hangs none begins, so a stop would be neither believed nor given up: it has failed. */
static void give_up_stop_look(const struct guard_step *step)
{
    const struct bw_instant limit = bw_instant_max(step->guard->stop_limit, step->guard->stop_look_limit);

    BW_ASSERT(step->guard->slots[BW_GUARD_SLOT_OBSERVATION].state != BW_SLOT_FREE);
    if (bw_instant_wait_is_over(step->now, limit))
        end_stop(step, false);
    else
        bw_guard_wake(step, limit);
}

static void note_service(const struct guard_step *step, enum bw_service service,
                         enum bw_guard_left left)
{
    struct bw_guard *guard = step->guard;
    const bool before = guard->mirror.stop_seen;
    const bool was_unseen = guard->mirror.start_unseen;
    const bool was_due = guard->mirror.script_due;

    /* What was seen to end counts until something serves again (3.3). */
    if (service == BW_SERVICE_STARTED) {
        guard->mirror.stop_seen = false;
        guard->mirror.start_unseen = false;
        if (guard->stop != BW_GUARD_STOP_CHECKING) /* whose script has ended well, if the service has not yet */
            guard->mirror.script_due = true;
        bw_guard_loop_on_serving(step);
        /* not covered: an action that runs beside a look which it has not overlapped. */
    } else if (service == BW_SERVICE_STOPPED && left == BW_GUARD_LEFT_NOTHING &&
               bw_guard_looks_count(guard) && !guard->slots[BW_GUARD_SLOT_OBSERVATION].overlapped &&
               !guard->slots[BW_GUARD_SLOT_OBSERVATION].beside_loop &&
               guard->slots[BW_GUARD_SLOT_ACTION].state == BW_SLOT_FREE) {
        guard->mirror.stop_seen = true;
    }
    if (guard->mirror.stop_seen != before || guard->mirror.start_unseen != was_unseen ||
        guard->mirror.script_due != was_due)
        bw_guard_mirror_now(step, "V11");
}

/* A guard that has just started (3.4): what serves without a deadline is fenced. A look that says nothing is none,
 * as while the machine's network comes up, or where a script has to have ended first: there is another. Of those that
 * the agent has asked for an end counts; of what serves it may know more. Beside an end that was seen, now or before,
 * what is left was begun since, to follow another site (rejoin). */
static void judge_at_start(const struct guard_step *step, enum bw_service service, bool is_own)
{
    struct bw_guard *guard = step->guard;

    BW_ASSERT(guard->check_at_start);
    /* not covered: what is armed, or let go: each ends the look at the start. */
    if (service == BW_SERVICE_STOPPED && guard->mirror.stop_seen && bw_guard_looks_count(guard))
        guard->check_at_start = false;
    else if (is_own && service == BW_SERVICE_STARTED && !bw_guard_is_armed(guard) &&
             guard->memory.enforced && guard->slots[BW_GUARD_SLOT_ACTION].state == BW_SLOT_FREE)
        bw_guard_fence_unasked(step);
}

static void on_observation_ended(const struct guard_step *step, const struct bw_guard_run *run,
                                 struct bw_guard_run_ended *ended, enum bw_guard_left left,
                                 enum bw_populated populated)
{
    struct bw_guard *guard = step->guard;
    const enum bw_service service = bw_guard_service_of(ended);
    const bool has_looked = run->action == BW_ACTION_STATUS && ended->result != BW_RUN_KILLED;
    const bool is_within_stop = guard->stop != BW_GUARD_STOP_NONE;

    BW_ASSERT(!bw_action_is_action(run->action));
    if (has_looked) {
        note_service(step, service, left);
        bw_guard_note_sight(step, BW_GUARD_SLOT_OBSERVATION, service, populated);
        guard_end_looked(step, guard->slots[BW_GUARD_SLOT_OBSERVATION].ending_epoch, left);
    }
    if (run->action == BW_ACTION_STATUS)
        ended->sight = bw_guard_sight(guard);
    if (run->run_id != 0)
        bw_guard_answer_run(step, run, ended, "V12");
    else if (bw_guard_is_proving(guard) && has_looked && !guard->slots[BW_GUARD_SLOT_OBSERVATION].overlapped)
        end_stop(step, bw_guard_note_proof(step, service, left)); /* what ends later may end after D */
    else if (guard->stop == BW_GUARD_STOP_CHECKING && !bw_guard_is_proving(guard))
        on_stop_looked(step, service, left);
    else if (bw_guard_is_proving(guard) || guard->end_looking) /* killed, so it saw nothing: another is due */
        guard->stop_check_at = bw_instant_add(step->now, BW_GUARD_LOOK_AGAIN_NS);
    if (run->run_id == 0) /* those of an agent, however many, are no reason to look later */
        guard->start_look_at = bw_instant_add(step->now, LOOK_AT_START_AGAIN_NS);
    if (guard->check_at_start && has_looked && !is_within_stop)
        judge_at_start(step, service, run->run_id == 0);
}

static void on_action_ended(const struct guard_step *step, const struct bw_guard_run *run,
                            const struct bw_guard_run_ended *ended)
{
    struct bw_guard *guard = step->guard;
    const bool lets_one_run = guard->stop == BW_GUARD_STOP_WAITING;

    BW_ASSERT(bw_action_is_action(run->action));
    if (run->action == BW_ACTION_STOP && ended->result == BW_RUN_OK) {
        begin_stop_check(step, run, ended);
        return;
    }
    bw_guard_answer_run(step, run, ended, "V13");
    bw_guard_stop_move(guard, BW_STOP_EVENT_OVER);
    BW_ASSERT(!lets_one_run || !bw_guard_is_fencing(guard)); /* a fence lets nothing wait */
    if (lets_one_run)
        begin_waiting_stop(step);
}

void bw_guard_on_run_ended(const struct guard_step *step, const struct bw_guard_event *event)
{
    struct bw_guard *guard = step->guard;
    struct bw_guard_run_slot *slot = &guard->slots[event->slot];
    const struct bw_guard_run run = slot->run;
    struct bw_guard_run_ended ended = event->ended;

    if (slot->state == BW_SLOT_FREE)
        return;
    if (slot->state == BW_SLOT_ENDING)
        ended.result = BW_RUN_KILLED;
    /* A look that made way before it began has seen nothing, and has left nothing unclear. */
    const bool never_ran = (slot->state == BW_SLOT_SPAWNING || slot->state == BW_SLOT_MIRRORING) &&
                           ended.result == BW_RUN_KILLED;

    bw_guard_slot_move(guard, event->slot, BW_SLOT_EVENT_END);
    bw_guard_take_digest(guard, event->digest);
    note_start_ended(guard, &run, ended.result);
    if (run.action == BW_ACTION_STOP && ended.result == BW_RUN_TIMED_OUT)
        guard->mirror.stop_ran_out_epoch = run.epoch;
    if (run.action == BW_ACTION_STATUS && !never_ran)
        note_look(guard, event->slot, &ended);
    guard->has_ordered |= event->is_left;
    guard->mirror.children[event->slot].action = BW_ACTION_NONE;
    bw_guard_note_script_ended(guard, &run, ended.result, slot->beside_start);
    bw_guard_mirror_now(step, "V15");
    switch (event->slot) {
    case BW_GUARD_SLOT_ACTION:
        on_action_ended(step, &run, &ended);
        break;
    case BW_GUARD_SLOT_OBSERVATION:
        on_observation_ended(step, &run, &ended, left_at(guard, event), event->populated);
        break;
    case BW_GUARD_SLOT_FENCE:
        bw_guard_fence_on_run_ended(step, run.action, &ended, left_at(guard, event),
                                    event->populated);
        break;
    case BW_GUARD_SLOT_COUNT: /* not covered: how many there are is no slot */
        break;
    }
}

/* What is due in the observation slot: the look after a stop, that for an end, the look at the start. */
static void look_at(const struct guard_step *step, struct bw_instant at, uint64_t epoch,
                    const char *rule)
{
    if (bw_instant_wait_is_over(step->now, at)) {
        limit_stop_look(step, BW_ACTION_STATUS);
        bw_guard_spawn_own(step, BW_GUARD_SLOT_OBSERVATION, BW_ACTION_STATUS, epoch, rule);
    } else {
        bw_guard_wake(step, at);
    }
}

/* That which the agent has asked for tells nothing of the end that is looked for. A status may, if it began once the end
 * was durable; and what it would say of a start of which nobody knows yet whether it came to serve is waited for (4). */
static bool is_look_in_the_way(const struct bw_guard *guard)
{
    const struct bw_guard_run_slot *slot = &guard->slots[BW_GUARD_SLOT_OBSERVATION];
    const bool is_checking = guard->stop == BW_GUARD_STOP_CHECKING;

    if (slot->run.run_id == 0 || bw_guard_is_proving(guard) || (!is_checking && !guard->end_looking))
        return false;
    return slot->run.action != BW_ACTION_STATUS ||
           (guard->mirror.served == BW_SERVED_MAYBE &&
            (is_checking || slot->ending_epoch < guard->memory.ended_epoch));
}

void bw_guard_run_timers(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;
    const bool is_checking = guard->stop == BW_GUARD_STOP_CHECKING;

    if (bw_guard_is_fencing(guard))
        return;
    if (guard->slots[BW_GUARD_SLOT_OBSERVATION].state != BW_SLOT_FREE) {
        if (is_look_in_the_way(guard))
            bw_guard_kill_run(step, BW_GUARD_SLOT_OBSERVATION, "V41");
        if (is_checking)
            give_up_stop_look(step);
        return;
    }
    if (is_checking)
        look_at(step, guard->stop_check_at, guard->stop_run.epoch, "V16");
    else if (guard->end_looking)
        look_at(step, guard->stop_check_at, guard->memory.ended_epoch, "V62");
    else if (guard->check_at_start)
        look_at(step, guard->start_look_at, guard->memory.epoch_seen, "V17");
}
