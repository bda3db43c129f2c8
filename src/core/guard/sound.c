/* What must hold of a guard's machine between its steps. What is read from disk is judged here before a
 * machine begins with it; what the agent says is judged by the step. So one that is not sound is a bug:
 * the guard ends, its enforcer keeps the deadline (3.4), and the next guard begins with what was kept. */
#include "facts.h"
#include "internal.h"

const char *bw_guard_memory_unsound(const struct bw_guard_memory *memory)
{
    FACT(memory->ended_epoch <= memory->epoch_seen, /* 3.4: what has ended was seen */
         "the guard's memory: no epoch has ended above the newest that was seen");
    FACT(!memory->sight.proved || memory->sight.seen == BW_REACH_INSIDE, /* 3.4: proved is inside, and */
         "the guard's memory: a reach is proved only of a service inside");
    return NULL;
}

const char *bw_guard_mirror_unsound(const struct bw_guard_mirror *mirror)
{
    const bool is_armed = mirror->armed_epoch != 0;

    FACT(!is_armed || mirror->fence_ns > 0, /* 3.2.4: D - F comes before D */
         "the guard's mirror: what is armed has a fence window");
    FACT(!is_armed || mirror->fence_ns < mirror->ttl_ns, /* 3.1: the terms that may be pinned */
         "the guard's mirror: a fence window is shorter than its lease");
    FACT(mirror->armed_serial == 0 || is_armed, /* 3.8: a lease like any other */
         "the guard's mirror: a manual lease has an epoch, and a deadline");
    FACT(mirror->loop_delay_ns == 0 || is_armed, /* 3.4, driver: as a start is */
         "the guard's mirror: its own loop may start only what a lease lets serve");
    FACT(!mirror->left_due || mirror->script_due, /* 3.2.4: of a service inside, the same */
         "the guard's mirror: what a start left asks for the script that ends it");
    return NULL;
}

/* ---- the slots (3.4: one action, one observation, and the guard's own fence) ----------------- */

static bool is_taken(const struct bw_guard *guard, enum bw_guard_slot slot)
{
    return guard->slots[slot].state != BW_SLOT_FREE;
}

/* Nothing runs there that was not ordered to end. */
static bool is_quiet(const struct bw_guard *guard, enum bw_guard_slot slot)
{
    return guard->slots[slot].state == BW_SLOT_FREE || guard->slots[slot].state == BW_SLOT_ENDING;
}

static bool fits_slot(enum bw_guard_slot slot, enum bw_action_kind action)
{
    switch (slot) {
    case BW_GUARD_SLOT_ACTION:
        return bw_action_is_action(action) && action != BW_ACTION_FENCE;
    case BW_GUARD_SLOT_OBSERVATION:
        return action != BW_ACTION_NONE && !bw_action_is_action(action);
    case BW_GUARD_SLOT_FENCE:
        return action == BW_ACTION_FENCE || action == BW_ACTION_STOP || action == BW_ACTION_STATUS;
    case BW_GUARD_SLOT_COUNT: /* not covered: no slot */
        break;
    }
    return false; /* not covered: no slot */
}

static const char *slots_unsound(const struct bw_guard *guard)
{
    for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++) {
        const enum bw_guard_slot slot = (enum bw_guard_slot)i;

        FACT(!is_taken(guard, slot) || fits_slot(slot, guard->slots[i].run.action), /* 3.4 */
             "the guard's slots: each runs what belongs into it");
        FACT(is_taken(guard, slot) || guard->mirror.children[i].action == BW_ACTION_NONE, /* H11 */
             "the guard's slots: the mirror names no child of a free one");
    }
    return NULL;
}

/* ---- the fence (3.2.4) ------------------------------------------------------------------------ */

static const char *fencing_unsound(const struct bw_guard *guard)
{
    if (!bw_guard_is_fencing(guard))
        return NULL;
    FACT(is_quiet(guard, BW_GUARD_SLOT_ACTION), /* 3.2.4: it kills whatever action runs */
         "the guard's fence: no action runs beside it");
    FACT(is_quiet(guard, BW_GUARD_SLOT_OBSERVATION), /* 3.4: the fence kills both */
         "the guard's fence: no observation runs beside it");
    FACT(guard->stop == BW_GUARD_STOP_NONE, /* 3.2.4: nothing waits for its end */
         "the guard's fence: no stop is under way beside it");
    FACT(!guard->check_at_start, /* 3.4, restart: the fence looks itself */
         "the guard's fence: no look at the start is due beside it");
    FACT(!bw_instant_is_beyond(guard->fence_kill_at, guard->fence_end), /* 3.2.4: KILL before D */
         "the guard's fence: its KILL is not after its end");
    return NULL;
}

static const char *fence_unsound(const struct bw_guard *guard)
{
    const bool acts = guard->fence == BW_FENCE_SCRIPT || guard->fence == BW_FENCE_CHECK ||
                      guard->fence == BW_FENCE_RECHECK;
    const bool was_killed = guard->fence == BW_FENCE_RECHECK || guard->fence == BW_FENCE_DONE ||
                            guard->fence == BW_FENCE_FAILED || guard->fence == BW_FENCE_NONE;
    const bool is_of_armed = bw_guard_is_armed(guard) && guard->fence != BW_FENCE_NONE &&
                             guard->fence_epoch == guard->mirror.armed_epoch;

    FACT(!acts || is_taken(guard, BW_GUARD_SLOT_FENCE), /* 3.2.4: what it waits for has been ordered */
         "the guard's fence: what it waits for is under way");
    FACT(guard->fence != BW_FENCE_DONE || !is_taken(guard, BW_GUARD_SLOT_FENCE), /* 3.2.4: seen */
         "the guard's fence: nothing of one that has ended well is under way");
    FACT(!is_of_armed || guard->mirror.fence_begun, /* 3.4: no agent renews it after a restart either */
         "the guard's fence: the mirror knows that it has begun");
    FACT(was_killed || guard->fence_reach == BW_FENCE_REACH_UNKNOWN, /* 3.2.4: after the last kill */
         "the guard's fence: its reach is empty only after its KILL");
    FACTS(fencing_unsound(guard));
    return NULL;
}

/* ---- what an epoch rests on (3.4, 3.5) -------------------------------------------------------- */

static const char *epochs_unsound(const struct bw_guard *guard)
{
    FACT(guard->mirror.armed_epoch <= guard->memory.epoch_seen, /* 3.4: durable before it is armed */
         "the guard's epochs: what is armed was seen, durably");
    FACT(guard->end_seen_epoch <= guard->memory.ended_epoch, /* 3.4, ended: refused durably, then seen */
         "the guard's epochs: no end is seen before it is durable");
    FACT(!guard->end_looking || guard->memory.ended_epoch != 0, /* 3.4, ended */
         "the guard's epochs: an end is looked for of an epoch that was ended");
    for (int i = 0; i < BW_GUARD_WAIT_COUNT; i++)
        FACT(guard->waits[i] <= guard->mirror_number, /* 3.4: answered by a mirror that was asked for */
             "the guard's epochs: what waits for a mirror waits for one that was asked for");
    FACT(!bw_guard_waits(guard, BW_GUARD_WAIT_ARM) || bw_guard_is_armed(guard), /* 3.4: over with its D */
         "the guard's epochs: what waits for its mirror is armed");
    FACT(!guard->check_at_start || !bw_guard_is_armed(guard), /* 3.4: serves without a deadline */
         "the guard's epochs: what is armed needs no look at the start");
    return NULL;
}

static const char *saves_unsound(const struct bw_guard *guard)
{
    FACT(!guard->is_void || guard->wants != BW_GUARD_WANTS_NOTHING, /* 3.4: hello voids what was read */
         "the guard's saves: only what waits for the disk is void");
    if (guard->wants == BW_GUARD_WANTS_NOTHING)
        return NULL;
    FACTS(bw_guard_memory_unsound(&guard->memory_before)); /* it is what counts if this one fails */
    FACT(guard->memory_before.epoch_seen <= guard->memory.epoch_seen, /* I2 */
         "the guard's saves: the newest epoch that was seen only grows");
    FACT(guard->memory_before.ended_epoch <= guard->memory.ended_epoch, /* 3.4: refused from then on */
         "the guard's saves: what has ended stays ended");
    FACT(guard->memory_before.let_go_index <= guard->memory.let_go_index, /* 3.9 */
         "the guard's saves: what was let go stays let go");
    FACT(guard->mirror.armed_epoch <= guard->memory_before.epoch_seen, /* 3.4: durable, not only asked for */
         "the guard's saves: what is armed is durable already");
    return NULL;
}

/* ---- a stop, and who waits for it (3.4, 4) ---------------------------------------------------- */

static const char *stops_unsound(const struct bw_guard *guard)
{
    const struct bw_guard_run_slot *action = &guard->slots[BW_GUARD_SLOT_ACTION];

    switch (guard->stop) {
    case BW_GUARD_STOP_NONE:
        return NULL;
    case BW_GUARD_STOP_WAITING:
        FACT(action->state == BW_SLOT_ENDING || /* 3.4: never two actions at once */
                 (action->state == BW_SLOT_FREE && bw_guard_loop_may_start(guard)),
             "the guard's stop: it waits for an action that was ordered to end, or its own loop's");
        FACT(guard->waiting_run.action == BW_ACTION_STOP, /* 3.4 */
             "the guard's stop: nothing else waits for a slot");
        return NULL;
    case BW_GUARD_STOP_KILLING:
        FACT(action->state == BW_SLOT_FREE && guard->stop_run.by_kill, /* 3.4: in place of its script */
             "the guard's stop: no action runs while everything in its reach is killed");
        return NULL;
    case BW_GUARD_STOP_CHECKING:
        FACT(action->state == BW_SLOT_FREE, /* 4: a stop is believed when seen */
             "the guard's stop: no action runs while its end is looked for");
        return NULL;
    case BW_GUARD_STOP_AGAIN:
        FACT(action->state != BW_SLOT_FREE && action->run.action == BW_ACTION_STOP, /* 3.2.4 */
             "the guard's stop: one that runs again is under way");
        return NULL;
    case BW_GUARD_STOP_COUNT: /* not covered: no state */
        break;
    }
    return "the guard's stop: its state is one of the list"; /* not covered: it is */
}

const char *bw_guard_unsound(const struct bw_guard *guard)
{
    FACTS(bw_guard_memory_unsound(&guard->memory));
    FACTS(bw_guard_mirror_unsound(&guard->mirror));
    FACTS(slots_unsound(guard));
    FACTS(fence_unsound(guard));
    FACTS(epochs_unsound(guard));
    FACTS(saves_unsound(guard));
    FACTS(stops_unsound(guard));
    return NULL;
}
