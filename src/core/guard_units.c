/* What a group's units, or containers, have to do with the end of a service (3.2.4, 3.4). A start may leave more than
 * processes of the guard's own: an order that their manager carries out once what it waits for is there, be it hours
 * later, and a unit that comes up while status says `stopped`. */
#include "guard_internal.h"

/* Who orders is an action, what a start has left running, or the service's own loop. A remote fence orders nothing
 * here. */
static bool may_order(const struct bw_guard *guard)
{
    const struct bw_guard_run_slot *action = &guard->slots[BW_GUARD_SLOT_ACTION];

    return (action->state != BW_SLOT_FREE && action->run.action != BW_ACTION_REMOTE_FENCE) ||
           bw_guard_loop_may_start(guard);
}

void bw_guard_units_note_ordered(struct bw_guard *guard)
{
    guard->were_units_coming = guard->has_acted;
    guard->has_acted = true;
    guard->has_ordered = true;
}

/* What was ordered since the newest look began no look has shown. What a start has left running is no reason to doubt it
 * here: that may be the service itself, and would be for as long as it serves. */
void bw_guard_units_note_end_begun(struct bw_guard *guard, const struct bw_units_sight *units)
{
    if (units->coming != BW_POPULATED_NO || units->ended <= guard->acted_before)
        guard->were_units_coming = true;
}

void bw_guard_units_note_look(struct bw_guard *guard, const struct bw_units_sight *units, bool is_left)
{
    if (may_order(guard)) {
        guard->has_acted = true;
    } else if (guard->has_acted) {
        guard->has_acted = false;
        guard->acted_before = units->begun;
    }
    if (is_left || may_order(guard)) {
        guard->has_ordered = true;
    } else if (guard->has_ordered) {
        guard->has_ordered = false;
        guard->units_before = units->begun;
    }
}

/* A unit that a stop has brought up itself, a server that follows the new primary, is what it was asked for. One that
 * its manager started again, when the script had ended it by a signal, is not, however young. */
static bool is_process_left(const struct bw_guard *guard, const struct bw_units_sight *units)
{
    return units->is_any && (bw_guard_is_of_start(guard, units->oldest) || guard->were_units_coming ||
                             units->is_restarted);
}

enum bw_guard_left bw_guard_units_left(const struct bw_guard *guard, const struct bw_units_sight *units)
{
    const bool is_told = !guard->has_ordered && units->ended > guard->units_before;

    if (is_process_left(guard, units) ||
        (is_told && (units->coming == BW_POPULATED_YES || units->is_up_bare)))
        return BW_GUARD_LEFT_THERE;
    if (!units->may_hold_orders)
        return BW_GUARD_LEFT_NOTHING;
    /* What runs there now may be a later one than the look has told of: what it has told then says nothing of that. */
    if (is_told && units->coming == BW_POPULATED_NO && !units->may_be_newer)
        return BW_GUARD_LEFT_NOTHING;
    return BW_GUARD_LEFT_UNSEEN;
}
