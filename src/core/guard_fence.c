#include "guard_internal.h"

#include <breakwater/base/mutant.h>

bool bw_guard_is_fencing(const struct bw_guard *guard)
{
    switch (guard->fence) {
    case BW_FENCE_SCRIPT:
    case BW_FENCE_CHECK:
    case BW_FENCE_TERM:
    case BW_FENCE_KILL:
    case BW_FENCE_RECHECK:
        return true;
    case BW_FENCE_NONE:
    case BW_FENCE_DONE:
    case BW_FENCE_FAILED:
        break;
    }
    return false;
}

/* ---- begin --------------------------------------------------------------------------------- */

static void look(const struct guard_step *step, enum bw_fence_state state, const char *rule);
static void spawn_script(const struct guard_step *step, const char *rule);

/* Where the stop is the fence, and ran into its limit in this epoch, what is inside is ended without it;
 * what is outside, or remote, nothing else ends. */
static bool is_stop_spared(const struct bw_guard *guard)
{
    return !guard->limits.has_script[BW_ACTION_FENCE] && bw_guard_is_inside(guard) &&
           bw_guard_stop_ran_out(guard, guard->fence_epoch);
}

/* 3.2.4: kills whatever action runs and begins the fence in the same turn. All of it ends by `end`.
 */
static void begin(const struct guard_step *step, uint64_t epoch, struct bw_instant end,
                  uint64_t fence_ns, const char *rule)
{
    struct bw_guard *guard = step->guard;
    const struct bw_fence_plan plan = bw_lease_plan_fence(end, fence_ns);

    guard->fence_epoch = epoch;
    guard->fence_begun_at = step->now;
    guard->fence_end = plan.end;
    guard->fence_term_at = plan.term_at;
    guard->fence_kill_at = plan.kill_at;
    guard->fence_grace_ns = bw_lease_kill_grace_ns(fence_ns);
    guard->fence_reach_killed = false;
    guard->fence_script_again = false;
    guard->stop_checking = false;
    guard->check_at_start = false;
    guard->has_waiting_run = false;
    guard->mirror.fence_begun = true;
    for (int slot = 0; slot < BW_GUARD_SLOT_COUNT; slot++)
        if (!BW_MUTANT(FENCE_KILLS))
            bw_guard_kill_run(step, (enum bw_guard_slot)slot, rule);
    guard->fence = BW_FENCE_SCRIPT;
    if (is_stop_spared(guard))
        look(step, BW_FENCE_CHECK, "V60");
    else if (guard->slots[BW_GUARD_SLOT_FENCE].state == BW_SLOT_FREE)
        spawn_script(step, rule);
    bw_guard_mirror_now(step, rule);
    if (!guard->fence_ordered)
        (void)bw_guard_send(step, BW_GUARD_MESSAGE_FENCE_BEGUN, epoch, rule);
}

/* A fence without a lease to end by: its script has its own limit, then come TERM and KILL. */
static uint64_t own_fence_ns(const struct bw_guard *guard)
{
    return bw_lease_window_of_ns((uint64_t)bw_guard_fence_bound_ms(&guard->limits) * BW_NS_PER_MS);
}

/* By the agent (a stop failed, a rogue start), or by the guard at its start. */
void bw_guard_fence_on_order(const struct guard_step *step, const struct bw_guard_run *run)
{
    struct bw_guard *guard = step->guard;
    const uint64_t fence_ns = own_fence_ns(guard);
    struct bw_instant end = bw_instant_add(step->now, fence_ns);

    /* An order takes no more time than the lease has left. Once that is over, and the service may still
     * be there, a script that was given no time could never end it (3.3: again until one has). */
    if (bw_guard_is_armed(guard) &&
        (!bw_instant_right_is_over(step->now, guard->mirror.armed_end) || BW_MUTANT(FENCE_TIMELESS)))
        end = bw_instant_min(end, guard->mirror.armed_end);
    guard->fence_ordered = true;
    guard->fence_run_id = run->run_id;
    begin(step, run->epoch, end, fence_ns, "W1");
}

/* ---- end ----------------------------------------------------------------------------------- */

static void answer_order(const struct guard_step *step, const struct bw_guard_run_ended *ended,
                         const char *rule)
{
    const struct bw_guard *guard = step->guard;
    const struct bw_guard_run run = {.epoch = guard->fence_epoch,
                                     .action = BW_ACTION_FENCE,
                                     .run_id = guard->fence_run_id};

    bw_guard_answer_run(step, &run, ended, rule);
}

static void finish(const struct guard_step *step, bool ok, const char *rule)
{
    struct bw_guard *guard = step->guard;
    /* What was seen to be gone from the reach serves no more, however long the last look takes. */
    const struct bw_instant over_at = ok && guard->fence_reach_killed ? guard->fence_gone_at
                                                                      : step->now;
    const uint64_t took_ns = bw_instant_elapsed_ns(over_at, guard->fence_begun_at);
    const uint32_t took_ms = (uint32_t)(took_ns / BW_NS_PER_MS);
    struct bw_guard_message *message;

    ok = ok || BW_MUTANT(FENCE_RESULT);
    guard->fence = ok ? BW_FENCE_DONE : BW_FENCE_FAILED;
    if (ok) {
        bw_guard_note_end(guard);
    } else {
        guard->fence_again_at = bw_instant_add(step->now, BW_NS_PER_S);
    }
    bw_guard_mirror_now(step, rule);
    if (guard->fence_ordered) {
        const struct bw_guard_run_ended ended = {.result = ok ? BW_RUN_OK : BW_RUN_FAILED,
                                                 .exit_status = ok ? 0 : -1,
                                                 .duration_ms = took_ms};

        answer_order(step, &ended, rule);
        if (ok && !bw_guard_is_armed(guard))
            guard->fence = BW_FENCE_NONE;
    } else {
        message = bw_guard_send(step, BW_GUARD_MESSAGE_FENCE_ENDED, guard->fence_epoch, rule);
        if (message != NULL) {
            message->fence.ok = ok;
            message->fence.duration_ms = took_ms;
        }
    }
    /* 3.2.4: stop_script follows at once and cleans up within stop_timeout. */
    if (!ok || !guard->limits.has_script[BW_ACTION_FENCE] ||
        bw_guard_stop_ran_out(guard, guard->fence_epoch))
        return;
    if (guard->slots[BW_GUARD_SLOT_ACTION].state == BW_SLOT_FREE) {
        bw_guard_spawn_own(step, BW_GUARD_SLOT_ACTION, BW_ACTION_STOP, guard->fence_epoch, "W2");
        return;
    }
    guard->has_waiting_run = true; /* what the fence killed is still dying */
    guard->waiting_run =
        (struct bw_guard_run){.epoch = guard->fence_epoch, .action = BW_ACTION_STOP};
}

/* ---- step by step -------------------------------------------------------------------------- */

static void look(const struct guard_step *step, enum bw_fence_state state, const char *rule)
{
    struct bw_guard *guard = step->guard;

    guard->fence = state;
    if (guard->slots[BW_GUARD_SLOT_FENCE].state == BW_SLOT_FREE)
        bw_guard_spawn_own(step, BW_GUARD_SLOT_FENCE, BW_ACTION_STATUS, guard->fence_epoch, rule);
}

/* 3.2.4: TERM and KILL of a reach that does not hold the service end nothing of it; the script may yet.
 * So where the service is outside, or remote, it runs on to D. */
static bool runs_on(const struct bw_guard *guard)
{
    const struct bw_guard_run_slot *slot = &guard->slots[BW_GUARD_SLOT_FENCE];

    return slot->state == BW_SLOT_RUNNING && slot->run.action != BW_ACTION_STATUS &&
           (!bw_guard_is_inside(guard) || guard->fence_script_again) && !BW_MUTANT(SCRIPT_CUT_EARLY);
}

/* Harder means do not wait for their instants when a softer one has failed already. */
static void term_reach(const struct guard_step *step, const char *rule)
{
    struct bw_guard *guard = step->guard;
    const struct bw_instant soon = bw_instant_add(step->now, guard->fence_grace_ns);

    guard->fence = BW_FENCE_TERM;
    guard->fence_kill_at = bw_instant_min(guard->fence_kill_at, soon);
    if (!runs_on(guard))
        bw_guard_kill_run(step, BW_GUARD_SLOT_FENCE, rule);
    (void)bw_guard_emit(step, BW_GUARD_ACTION_TERM_REACH, rule);
}

static void kill_reach(const struct guard_step *step, const char *rule)
{
    step->guard->fence = BW_FENCE_KILL;
    if (!runs_on(step->guard))
        bw_guard_kill_run(step, BW_GUARD_SLOT_FENCE, rule);
    (void)bw_guard_emit(step, BW_GUARD_ACTION_KILL_REACH, rule);
}

static void limit_last_look(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;

    guard->fence_look_limit = bw_instant_add(
        step->now, guard->limits.timeout_ns[BW_ACTION_STATUS] + guard->limits.kill_grace_ns);
}

/* The last look, which waits for a script that runs on. */
static void look_last(const struct guard_step *step, const char *rule)
{
    limit_last_look(step);
    look(step, BW_FENCE_RECHECK, rule);
}

static void spawn_script(const struct guard_step *step, const char *rule)
{
    const struct bw_guard *guard = step->guard;

    bw_guard_spawn_own(step, BW_GUARD_SLOT_FENCE,
                       guard->limits.has_script[BW_ACTION_FENCE] ? BW_ACTION_FENCE : BW_ACTION_STOP,
                       guard->fence_epoch, rule);
}

/* What was killed can order nothing more; what it ordered after the script had ended, or what a start did
 * that died beside it, the script ends now. */
static bool runs_script_last(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;

    if (guard->slots[BW_GUARD_SLOT_FENCE].state != BW_SLOT_FREE ||
        guard->slots[BW_GUARD_SLOT_ACTION].state != BW_SLOT_FREE ||
        !bw_guard_takes_script_again(guard))
        return false;
    guard->fence_script_again = true;
    limit_last_look(step);
    guard->fence = BW_FENCE_RECHECK;
    spawn_script(step, "W33");
    return true;
}

void bw_guard_fence_on_reach_killed(const struct guard_step *step, bool ok)
{
    struct bw_guard *guard = step->guard;

    if (guard->fence != BW_FENCE_KILL)
        return;
    guard->fence_reach_killed = ok;
    guard->fence_gone_at = step->now;
    if (!ok || !runs_script_last(step))
        look_last(step, "W3");
}

/* What was killed is not gone, or what a start had left was there when the look began: it could still
 * begin to serve, or have begun, as long as nobody has seen that nothing is left in reach. So it is
 * looked at again, until the next step of the fence is due. */
static bool looks_again(const struct guard_step *step, enum bw_guard_left left)
{
    const struct bw_guard *guard = step->guard;
    const bool is_dying = guard->slots[BW_GUARD_SLOT_ACTION].state != BW_SLOT_FREE &&
                          !BW_MUTANT(FENCE_AWAITS_KILLED);

    if (guard->fence_reach_killed || (!is_dying && left == BW_GUARD_LEFT_NOTHING))
        return false;
    look(step, guard->fence, "W15");
    return true;
}

/* Succeeded only when it was *seen* that nothing serves, nor may yet begin to (3.2.4). */
static void on_checked(const struct guard_step *step, enum bw_service service,
                       enum bw_guard_left left)
{
    struct bw_guard *guard = step->guard;

    bw_guard_note_left(guard, left);
    if (service == BW_SERVICE_STOPPED && left == BW_GUARD_LEFT_THERE) {
        guard->has_left = true;
        term_reach(step, "W16");
    } else if (service == BW_SERVICE_STOPPED &&
               guard->slots[BW_GUARD_SLOT_ACTION].state == BW_SLOT_FREE &&
               bw_guard_takes_script_again(guard)) {
        guard->fence = BW_FENCE_SCRIPT; /* what was left is gone already */
        spawn_script(step, "W34");
    } else if (service != BW_SERVICE_STOPPED || !bw_guard_looks_count(guard)) {
        term_reach(step, "W7");
    } else if (!looks_again(step, left)) {
        finish(step, true, "W6");
    }
}

/* `unknown` is no end that was seen, but for a reach that is proved and was emptied (3.2.4). */
static void on_rechecked(const struct guard_step *step, enum bw_service service,
                         enum bw_guard_left left)
{
    bool ok;

    bw_guard_note_left(step->guard, left);
    ok = bw_guard_is_end_seen(step->guard, service, left);
    if (ok && looks_again(step, left))
        return;
    bw_guard_note_proof(step, service, left);
    finish(step, ok, "W9");
}

/* It serves again: what was seen to end before has not ended (3.3). */
static void note_serves(const struct guard_step *step, enum bw_service service)
{
    struct bw_guard_mirror *mirror = &step->guard->mirror;

    if (service != BW_SERVICE_STARTED || !mirror->stop_seen || BW_MUTANT(FENCE_SEES_STARTED))
        return;
    mirror->stop_seen = false;
    bw_guard_mirror_now(step, "W32");
}

void bw_guard_fence_on_run_ended(const struct guard_step *step, enum bw_action_kind action,
                                 const struct bw_guard_run_ended *ended, enum bw_guard_left left,
                                 enum bw_populated populated)
{
    struct bw_guard *guard = step->guard;
    const enum bw_service service = bw_guard_service_of(ended);

    if (guard->fence == BW_FENCE_RECHECK && action != BW_ACTION_STATUS) {
        look_last(step, "W30"); /* the script is over: the look has its own time */
        return;
    }
    if (guard->fence == BW_FENCE_CHECK || guard->fence == BW_FENCE_RECHECK) {
        bw_guard_note_sight(step, BW_GUARD_SLOT_FENCE, service, populated);
        note_serves(step, service);
    }
    switch (guard->fence) {
    case BW_FENCE_SCRIPT:
        if (ended->result == BW_RUN_KILLED) { /* a fence of before: now ours can begin */
            spawn_script(step, "W4");
            return;
        }
        look(step, BW_FENCE_CHECK, "W5");
        return;
    case BW_FENCE_CHECK:
        if (ended->result == BW_RUN_KILLED && !BW_MUTANT(LOOK_ENDED)) /* by whom ever: it saw nothing */
            look(step, BW_FENCE_CHECK, "W20");
        else
            on_checked(step, service, left);
        return;
    case BW_FENCE_RECHECK:
        if (ended->result == BW_RUN_KILLED)
            look(step, BW_FENCE_RECHECK, "W8");
        else
            on_rechecked(step, service, left);
        return;
    case BW_FENCE_TERM:
    case BW_FENCE_KILL: /* the killed script; the reach goes its own way */
    case BW_FENCE_NONE:
    case BW_FENCE_DONE:
    case BW_FENCE_FAILED:
        return;
    }
}

/* ---- by the clock -------------------------------------------------------------------------- */

/* Everything that a deadline asks for. Called first in each step, so that what is due comes before
 * any message (H8), and last, so that the next wake-up is known. */
static void fence_deadline(const struct guard_step *step)
{
    static const char rule[] = "W10";
    struct bw_guard *guard = step->guard;

    if (!bw_guard_is_armed(guard) || BW_MUTANT(GUARD_FENCE))
        return;
    const bool is_of_armed = guard->fence_epoch == guard->mirror.armed_epoch;

    /* A fence that was ordered for this epoch does what the deadline would; a failed one is tried
     * again by fence_again. */
    if (guard->fence != BW_FENCE_NONE && is_of_armed)
        return;
    if (!bw_instant_right_is_over(step->now, bw_guard_window(guard))) {
        bw_guard_wake(step, bw_guard_window(guard));
        return;
    }
    if (guard->fence_ordered && bw_guard_is_fencing(guard)) { /* of another epoch: it is no more */
        const struct bw_guard_run_ended ended = {.result = BW_RUN_KILLED, .exit_status = -1};

        answer_order(step, &ended, rule);
    }
    guard->fence_ordered = false;
    begin(step, guard->mirror.armed_epoch, guard->mirror.armed_end, guard->mirror.fence_ns, rule);
}

/* Every kill of a fence is done by D, that of a script which runs on too. True: the last look waits for
 * it. */
static bool awaits_script(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;
    const bool is_hard = guard->fence == BW_FENCE_TERM || guard->fence == BW_FENCE_KILL ||
                         guard->fence == BW_FENCE_RECHECK;

    if (!is_hard || !runs_on(guard))
        return false;
    if (bw_instant_right_is_over(step->now, guard->fence_end)) {
        bw_guard_kill_run(step, BW_GUARD_SLOT_FENCE, "W31");
        return true;
    }
    bw_guard_wake(step, guard->fence_end);
    return true;
}

static void fence_escalation(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;
    const bool is_awaiting = awaits_script(step);
    const bool is_soft = guard->fence == BW_FENCE_SCRIPT || guard->fence == BW_FENCE_CHECK;

    if (guard->fence == BW_FENCE_RECHECK) { /* nothing was seen in time: that is no success */
        if (is_awaiting)
            return;
        if (bw_instant_wait_is_over(step->now, guard->fence_look_limit))
            finish(step, false, "W14");
        else
            bw_guard_wake(step, guard->fence_look_limit);
        return;
    }
    if (!is_soft && guard->fence != BW_FENCE_TERM)
        return;
    if (bw_instant_right_is_over(step->now, guard->fence_kill_at)) {
        kill_reach(step, "W11");
        return;
    }
    if (is_soft && bw_instant_right_is_over(step->now, guard->fence_term_at))
        term_reach(step, "W12");
    bw_guard_wake(step, is_soft && guard->fence != BW_FENCE_TERM ? guard->fence_term_at
                                                                 : guard->fence_kill_at);
}

static void fence_again(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;
    const uint64_t fence_ns = own_fence_ns(guard);

    if (guard->fence != BW_FENCE_FAILED)
        return;
    if (!bw_instant_wait_is_over(step->now, guard->fence_again_at)) {
        bw_guard_wake(step, guard->fence_again_at);
        return;
    }
    guard->fence_ordered = false;
    begin(step, guard->fence_epoch, bw_instant_add(step->now, fence_ns), fence_ns, "W13");
}

void bw_guard_fence_timers(const struct guard_step *step)
{
    fence_deadline(step);
    fence_escalation(step);
    fence_again(step);
}
