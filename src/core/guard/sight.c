/* Where the service of a group was seen to be, and what that makes of a look (3.2.4 "Seen", 3.4
 * "Reach"). */
#include "internal.h"

#include <breakwater/base/assert.h>

/* By other scripts, another `stop_method` or other units it proves nothing. */
static bool is_proved_by_trial(const struct bw_guard *guard)
{
    return guard->limits.proof != 0 && guard->limits.proof == guard->limits.digest;
}

struct bw_reach_sight bw_guard_sight(const struct bw_guard *guard)
{
    struct bw_reach_sight sight = guard->memory.sight;

    if (sight.digest != guard->limits.digest && sight.seen != BW_REACH_OUTSIDE)
        sight = (struct bw_reach_sight){.seen = BW_REACH_UNSEEN}; /* with other scripts: it says nothing */
    sight.digest = guard->limits.digest;
    sight.proved = sight.seen == BW_REACH_INSIDE && (sight.proved || is_proved_by_trial(guard));
    return sight;
}

/* Until it was seen in this epoch, what the last one showed counts; with neither it is outside. */
bool bw_guard_is_inside(const struct bw_guard *guard)
{
    return guard->limits.reach != BW_REACH_REMOTE && bw_guard_sight(guard).seen == BW_REACH_INSIDE;
}

static bool is_proved(const struct bw_guard *guard)
{
    return bw_guard_is_inside(guard) && bw_guard_sight(guard).proved;
}

/* What was ordered elsewhere dies with no process here: of a service outside the reach a look says
 * something only after a fence or stop script has ended by itself with 0. */
bool bw_guard_looks_count(const struct bw_guard *guard)
{
    if (!guard->mirror.script_due)
        return true;
    return bw_guard_is_inside(guard) && (!guard->mirror.left_due || is_proved(guard));
}

bool bw_guard_is_end_seen(const struct bw_guard *guard, enum bw_service service,
                          enum bw_guard_left left)
{
    const bool is_gone = guard->fence_reach != BW_FENCE_REACH_UNKNOWN;

    BW_ASSERT(guard->fence == BW_FENCE_RECHECK);
    if (service == BW_SERVICE_STOPPED && left != BW_GUARD_LEFT_THERE &&
        bw_guard_looks_count(guard))
        return true;
    return service != BW_SERVICE_STARTED && is_gone && is_proved(guard);
}

/* ---- scripts that end a service ------------------------------------------------------------- */

void bw_guard_note_script_ordered(struct bw_guard *guard, enum bw_action_kind action)
{
    switch (action) {
    case BW_ACTION_START:
        guard->mirror.script_begun = false;
        guard->mirror.left_due = false;
        guard->mirror.script_due = true;
        return;
    case BW_ACTION_REJOIN: /* it may order what a start orders */
        guard->mirror.script_due = true;
        return;
    case BW_ACTION_STOP: /* once it goes: what cannot be begun does nothing */
    case BW_ACTION_FENCE:
    case BW_ACTION_NONE:
    case BW_ACTION_STATUS:
    case BW_ACTION_READINESS:
    case BW_ACTION_CONDITION:
    case BW_ACTION_VERIFY:
    case BW_ACTION_REMOTE_FENCE: /* of another site's service */
    case BW_ACTION_COUNT:
        break;
    }
}

void bw_guard_note_script_ended(struct bw_guard *guard, const struct bw_guard_run *run,
                                enum bw_run_result result, bool is_beside_start)
{
    /* Until it had ended it could order more, behind the back of a script that ended before it. */
    if (run->action == BW_ACTION_START || run->action == BW_ACTION_REJOIN) {
        guard->script_again |= !guard->mirror.script_due;
        guard->mirror.script_due = true;
    }
    if ((run->action != BW_ACTION_STOP && run->action != BW_ACTION_FENCE) || result != BW_RUN_OK)
        return;
    /* Nor does one that began beside it, and ends after it, end what was ordered between. */
    guard->script_again = is_beside_start;
    if (guard->script_again)
        return;
    guard->mirror.script_due = false;
    guard->mirror.left_due = false;
}

/* What a start has left may order the service once more when the script that ended it is over. It is
 * ended itself, and then the script runs again. Where a kill of the reach alone was seen to end the
 * service, what it orders is in reach too. */
void bw_guard_note_left(struct bw_guard *guard, enum bw_guard_left left)
{
    if (left == BW_GUARD_LEFT_NOTHING || left == BW_GUARD_LEFT_UNSEEN || guard->mirror.script_due)
        return;
    guard->mirror.script_due = true;
    guard->mirror.left_due = true;
    guard->script_again = true;
}

bool bw_guard_is_script_due_again(const struct bw_guard *guard)
{
    const bool is_due = guard->script_again && !bw_guard_looks_count(guard);

    BW_ASSERT(!is_due || guard->mirror.script_due);
    return is_due;
}

void bw_guard_take_script_again(struct bw_guard *guard)
{
    BW_ASSERT(guard->script_again);
    guard->script_again = false;
}

/* ---- looks that said `started` --------------------------------------------------------------- */

static void keep(const struct guard_step *step, const struct bw_reach_sight *sight)
{
    struct bw_guard *guard = step->guard;
    const struct bw_reach_sight *now = &guard->memory.sight;

    BW_ASSERT(!sight->proved || sight->seen == BW_REACH_INSIDE); /* 3.4, Proved */
    if (now->seen == sight->seen && now->proved == sight->proved && now->epoch == sight->epoch &&
        now->digest == sight->digest)
        return;
    if (guard->wants != BW_GUARD_WANTS_NOTHING) {
        bw_guard_sight_unsaved(guard, sight); /* the next look writes it */
        return;
    }
    bw_guard_change_memory(guard)->sight = *sight;
    bw_guard_save(step, BW_GUARD_WANTS_SIGHT, "U30");
}

/* Nobody relies on what a restart would forget. What is worse than believed counts all the same. */
void bw_guard_sight_unsaved(struct bw_guard *guard, const struct bw_reach_sight *sight)
{
    if (sight->seen == BW_REACH_INSIDE)
        return;
    guard->memory.sight.seen = sight->seen;
    guard->memory.sight.proved = false;
    guard->memory.sight.digest = sight->digest;
}

/* A script that was edited where it lies is another one, as after a reload: what was seen with the one
 * before, and what a trial has proved of it, is not its own. */
void bw_guard_take_digest(struct bw_guard *guard, uint64_t digest)
{
    if (digest != 0)
        guard->limits.digest = digest;
}

/* What is known of the place of a service is known of the scripts that started it last, so that a
 * change back to them does not speak for what others have started meanwhile. */
void bw_guard_sight_on_start(const struct guard_step *step)
{
    const struct bw_guard *guard = step->guard;
    const struct bw_reach_sight unseen = {.seen = BW_REACH_UNSEEN, .digest = guard->limits.digest};

    if (guard->memory.sight.digest != guard->limits.digest)
        keep(step, &unseen);
}

/* Nor does what runs speak for scripts that came after it was started. Where none is known to have been
 * run, units and containers are where they are seen. */
static uint64_t started_with(const struct bw_guard *guard)
{
    const uint64_t digest = guard->memory.sight.digest;

    return digest == 0 ? guard->limits.digest : digest;
}

/* A trial's proof is over for good where the same scripts have started the service outside: what they call has changed. */
static void refute(struct bw_guard *guard)
{
    if (guard->memory.sight.digest == guard->limits.proof)
        guard->limits.proof = 0;
}

/* A start that still runs is where it was begun, which says nothing of where the service is. */
static bool is_action_beside(const struct bw_guard *guard, enum bw_guard_slot slot)
{
    return guard->slots[BW_GUARD_SLOT_ACTION].state != BW_SLOT_FREE || guard->slots[slot].overlapped;
}

void bw_guard_note_sight(const struct guard_step *step, enum bw_guard_slot slot,
                         enum bw_service service, enum bw_populated populated)
{
    const struct bw_guard *guard = step->guard;
    struct bw_reach_sight sight = bw_guard_sight(guard);

    if (service != BW_SERVICE_STARTED || is_action_beside(guard, slot))
        return;
    if (populated == BW_POPULATED_YES && started_with(guard) == guard->limits.digest)
        sight.seen = BW_REACH_INSIDE;
    else if (populated == BW_POPULATED_NO &&
             guard->slots[slot].was_populated == BW_POPULATED_NO) {
        sight = (struct bw_reach_sight){.seen = BW_REACH_OUTSIDE, .digest = started_with(guard)};
        refute(step->guard);
    } else
        return; /* it may just have ended */
    /* A trial's proof stands beside it and may be taken back: it is not made one's own.
     * not covered: proved, and not inside; what is outside was made anew above. */
    sight.proved = sight.proved && sight.seen == BW_REACH_INSIDE && guard->memory.sight.proved;
    sight.epoch = guard->memory.epoch_seen;
    keep(step, &sight);
}

bool bw_guard_is_untouched(const struct bw_guard *guard)
{
    const struct bw_reach_sight sight = bw_guard_sight(guard);

    /* Its own loop hears that it may not, and may have ended it (3.4, driver). */
    return guard->limits.loop_delay_ns == 0 && !guard->mirror.script_begun && !guard->mirror.stop_seen &&
           !guard->mirror.start_unseen && sight.seen == BW_REACH_INSIDE && sight.epoch == guard->memory.epoch_seen;
}

bool bw_guard_note_proof(const struct guard_step *step, enum bw_service service,
                         enum bw_guard_left left)
{
    const struct bw_guard *guard = step->guard;
    struct bw_reach_sight sight = bw_guard_sight(guard);
    /* The KILL itself has seen that no unit is up. */
    const bool is_left = left == BW_GUARD_LEFT_GONE || left == BW_GUARD_LEFT_THERE;

    if (service != BW_SERVICE_STOPPED || is_left || sight.seen != BW_REACH_INSIDE)
        return false;
    sight.proved = true;
    keep(step, &sight);
    return guard->memory.sight.proved && guard->memory.sight.digest == sight.digest;
}
