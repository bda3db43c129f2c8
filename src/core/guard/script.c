/* A script in its slot: ordered, ended, and what it has come to. Who may have one run is judged before. */
#include "internal.h"

#include <breakwater/base/assert.h>
#include <breakwater/core/report.h>

void bw_guard_answer_run(const struct guard_step *step, const struct bw_guard_run *run,
                         const struct bw_guard_run_ended *ended, const char *rule)
{
    struct bw_guard_message *message =
        bw_guard_send(step, BW_GUARD_MESSAGE_RUN_ENDED, run->epoch, rule);

    if (message == NULL)
        return;
    message->ended = *ended;
    message->ended.epoch = run->epoch;
    message->ended.action = run->action;
    message->ended.run_id = run->run_id;
}

/* The words of design 5.1, any case; a failed script, or any other word, is unknown. */
enum bw_service bw_guard_service_of(const struct bw_guard_run_ended *ended)
{
    return ended->result == BW_RUN_OK ? bw_service_of_line(ended->line) : BW_SERVICE_UNKNOWN;
}

/* What a look saw may be older than what a start, or a stop, beside it has begun since (3.4, ended). */
static void note_overlap(struct bw_guard *guard, enum bw_guard_slot slot)
{
    const struct bw_guard_run_slot *action = &guard->slots[BW_GUARD_SLOT_ACTION];

    guard->slots[slot].beside_loop = bw_guard_loop_may_start(guard);
    guard->slots[slot].beside_start = guard->slots[slot].beside_loop;
    if (slot != BW_GUARD_SLOT_ACTION) {
        guard->slots[slot].overlapped = action->state != BW_SLOT_FREE;
        guard->slots[slot].beside_start |= action->state != BW_SLOT_FREE &&
                                           (action->run.action == BW_ACTION_START ||
                                            action->run.action == BW_ACTION_REJOIN);
    } else {
        for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++)
            guard->slots[i].overlapped = true;
    }
}

static void note_start_begun(struct bw_guard *guard, uint64_t epoch)
{
    if (guard->mirror.start_epoch != epoch) {
        guard->mirror.start_epoch = epoch;
        guard->mirror.served = BW_SERVED_NEVER; /* so far */
    }
    guard->mirror.stopped_after_start = false;
}

bool bw_guard_stop_ran_out(const struct bw_guard *guard, uint64_t epoch)
{
    return epoch != 0 && guard->mirror.stop_ran_out_epoch == epoch;
}

void bw_guard_note_served(struct bw_guard *guard, enum bw_served at_most)
{
    _Static_assert(BW_SERVED_MAYBE < BW_SERVED_NOT_SEEN && BW_SERVED_NOT_SEEN < BW_SERVED_NEVER,
                   "from what is known least");
    if (at_most < guard->mirror.served)
        guard->mirror.served = at_most;
}

enum bw_served bw_guard_served(const struct bw_guard *guard, uint64_t epoch)
{
    const struct bw_guard_mirror *mirror = &guard->mirror;

    if (mirror->start_epoch != epoch)
        return BW_SERVED_MAYBE;
    if (mirror->served == BW_SERVED_NEVER && !mirror->stopped_after_start)
        return BW_SERVED_NOT_SEEN;
    return mirror->served;
}

/* What an order means for what will be seen, whoever carries it out. */
static void note_ordered(const struct guard_step *step, const struct bw_guard_run *run)
{
    bw_guard_note_script_ordered(step->guard, run->action);
    if (run->action == BW_ACTION_REMOTE_FENCE)
        return; /* it begins and ends nothing here (3.3) */
    if (bw_action_is_action(run->action)) {
        step->guard->end_start_time = 0;
        step->guard->has_left = false;
        bw_guard_units_note_ordered(step->guard);
    }
    if (run->action != BW_ACTION_START)
        return;
    /* From here something may begin to serve: only what is seen later counts (3.4, ended). */
    step->guard->script_again = false;
    step->guard->mirror.stop_seen = false;
    step->guard->mirror.start_unseen = true;
    note_start_begun(step->guard, run->epoch);
    bw_guard_sight_on_start(step);
}

const struct bw_guard_run_ended bw_guard_too_late = {.result = BW_RUN_TOO_LATE, .exit_status = -1};

/* 3.8: a guard that stood still begins nothing that it was told long before. What a child begins compares by itself. */
bool bw_guard_is_late(const struct guard_step *step, const struct bw_guard_run *run)
{
    return run->not_after.boot_ns != 0 && bw_instant_right_is_over(step->now, run->not_after);
}

/* 3.4, driver: its own loop starts it, and nothing of this guard ever does. What it came to nobody
 * sees end, so it may have served (4). */
static void order_of_loop(const struct guard_step *step, const struct bw_guard_run *run,
                          const char *rule)
{
    if (bw_guard_is_late(step, run)) {
        bw_guard_answer_run(step, run, &bw_guard_too_late, rule);
        return;
    }
    note_ordered(step, run);
    bw_guard_note_served(step->guard, BW_SERVED_MAYBE);
    bw_guard_loop_give(step, run, rule);
}

void bw_guard_spawn(const struct guard_step *step, enum bw_guard_slot slot,
                    const struct bw_guard_run *run, const char *rule)
{
    struct bw_guard_action *action;

    BW_ASSERT(run->action != BW_ACTION_NONE && run->action < BW_ACTION_COUNT);
    BW_ASSERT(slot == BW_GUARD_SLOT_FENCE || !bw_guard_is_fencing(step->guard)); /* 3.2.4 */
    if (run->action == BW_ACTION_START && step->guard->limits.loop_delay_ns != 0) {
        order_of_loop(step, run, rule);
        return;
    }
    note_overlap(step->guard, slot);
    bw_guard_slot_move(step->guard, slot, BW_SLOT_EVENT_SPAWN);
    step->guard->slots[slot].run = *run;
    step->guard->slots[slot].ending_epoch =
        step->guard->wants == BW_GUARD_WANTS_NOTHING ? step->guard->memory.ended_epoch
                                                     : step->guard->memory_before.ended_epoch;
    note_ordered(step, run);
    action = bw_guard_emit(step, BW_GUARD_ACTION_SPAWN, rule);
    action->slot = slot;
    action->run = *run;
}

void bw_guard_spawn_own(const struct guard_step *step, enum bw_guard_slot slot,
                        enum bw_action_kind action, uint64_t epoch, const char *rule)
{
    const struct bw_guard_run run = {.epoch = epoch, .action = action};

    bw_guard_spawn(step, slot, &run, rule);
}

void bw_guard_kill_run(const struct guard_step *step, enum bw_guard_slot slot, const char *rule)
{
    const enum bw_slot_state state = step->guard->slots[slot].state;

    if (state == BW_SLOT_FREE || state == BW_SLOT_ENDING)
        return;
    bw_guard_slot_move(step->guard, slot, BW_SLOT_EVENT_KILL);
    bw_guard_emit(step, BW_GUARD_ACTION_KILL_RUN, rule)->slot = slot;
}

/* 3.3: a fence of another site's service is in the way of nothing that this site does with its own.
 * Whoever wants the slot asks again. */
void bw_guard_end_remote_fence(const struct guard_step *step)
{
    if (step->guard->slots[BW_GUARD_SLOT_ACTION].run.action == BW_ACTION_REMOTE_FENCE)
        bw_guard_kill_run(step, BW_GUARD_SLOT_ACTION, "U83");
}

void bw_guard_note_end(struct bw_guard *guard)
{
    guard->mirror.stop_seen = true;
    guard->mirror.start_unseen = false;
}

/* ---- a stop that is a KILL ---- */

/* A stop whose script is a KILL of everything in reach: the proof that this ends the service (3.4, Proved). An operator
 * has asked for it, and the start of the service follows. What is looked at here is what would be left at the deadline. */

static void answer(const struct guard_step *step, const struct bw_guard_run *run, enum bw_refusal why)
{
    const struct bw_guard_run_ended ended = {.result = BW_RUN_REFUSED, .refusal = why, .exit_status = -1};

    bw_guard_answer_run(step, run, &ended, "V79");
}

bool bw_guard_is_proving(const struct bw_guard *guard)
{
    return (guard->stop == BW_GUARD_STOP_KILLING || guard->stop == BW_GUARD_STOP_CHECKING) && guard->stop_run.by_kill;
}

/* A KILL that could prove nothing is not begun. */
static enum bw_refusal judge(const struct guard_step *step, const struct bw_guard_run *run)
{
    const struct bw_guard *guard = step->guard;

    if (!bw_guard_is_armed(guard) || bw_guard_is_manual(guard) || run->epoch != guard->mirror.armed_epoch)
        return BW_REFUSAL_NOT_ARMED;
    if (guard->fence != BW_FENCE_NONE)
        return BW_REFUSAL_FENCING;
    if (guard->wants != BW_GUARD_WANTS_NOTHING) /* the proof could not be kept */
        return BW_REFUSAL_BUSY;
    return bw_guard_is_inside(guard) && bw_guard_is_untouched(guard) ? BW_REFUSAL_NONE : BW_REFUSAL_NOT_INSIDE;
}

void bw_guard_prove_on_run(const struct guard_step *step, const struct bw_guard_run *run)
{
    struct bw_guard *guard = step->guard;
    const enum bw_refusal why = judge(step, run);

    BW_ASSERT(run->action == BW_ACTION_STOP && run->by_kill);
    BW_ASSERT(guard->stop == BW_GUARD_STOP_NONE); /* 3.4: never two actions of a group at once */
    if (why != BW_REFUSAL_NONE) {
        answer(step, run, why);
        return;
    }
    guard->stop_run = *run;
    guard->end_start_time = 0; /* no script has begun that could have begun anything */
    guard->has_left = false;
    bw_guard_units_note_ordered(guard);
    for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++)
        guard->slots[i].overlapped = true;
    bw_guard_stop_move(guard, BW_STOP_EVENT_KILL);
    (void)bw_guard_emit(step, BW_GUARD_ACTION_KILL_REACH, "V78");
}

void bw_guard_prove_on_reach_killed(const struct guard_step *step, bool ok)
{
    struct bw_guard *guard = step->guard;
    const struct bw_guard_limits *limits = &guard->limits;

    if (guard->stop != BW_GUARD_STOP_KILLING)
        return;
    if (!ok) {
        bw_guard_stop_move(guard, BW_STOP_EVENT_OVER);
        answer(step, &guard->stop_run, BW_REFUSAL_NOT_STOPPED);
        return;
    }
    guard->stop_ended = (struct bw_guard_run_ended){.result = BW_RUN_OK};
    guard->stop_check_at = step->now;
    guard->stop_limit = bw_instant_add(step->now, limits->timeout_ns[BW_ACTION_STATUS] + limits->kill_grace_ns);
    guard->stop_look_limit = guard->stop_limit;
    bw_guard_stop_move(guard, BW_STOP_EVENT_CHECK);
}
