/* A stop whose script is a KILL of everything in reach: the proof that this ends the service (3.4, Proved). An operator
 * has asked for it, and the start of the service follows. What is looked at here is what would be left at the deadline. */
#include "guard_internal.h"

#include <breakwater/base/assert.h>

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
