/* Whether the service's own loop may start it (3.4, driver). The guard runs no start of such a
 * group: it says yes to whoever asks (may_run.h), and as long as it may have said so, and for the
 * loop's delay after it, a start may be under way that nobody here sees begin. */
#include "internal.h"

#include <breakwater/base/assert.h>

static bool is_none(struct bw_instant instant)
{
    return instant.boot_ns == 0;
}

bool bw_guard_loop_may_start(const struct bw_guard *guard)
{
    return guard->mirror.loop_delay_ns != 0 || !is_none(guard->mirror.loop_until);
}

uint64_t bw_guard_loop_delay_ns(const struct bw_guard *guard)
{
    const uint64_t mirrored_ns = guard->mirror.loop_delay_ns;

    return mirrored_ns > guard->limits.loop_delay_ns ? mirrored_ns : guard->limits.loop_delay_ns;
}

/* When the last start is over that rests on a yes of before. Who asks hears no from D - F less the
 * delay on (may_run.h): so at D - F it is. */
static struct bw_instant last_over(const struct guard_step *step, uint64_t delay_ns)
{
    const struct bw_instant until = bw_instant_add(step->now, delay_ns);

    return bw_guard_is_armed(step->guard) ? bw_instant_min(until, bw_guard_window(step->guard))
                                          : until;
}

void bw_guard_loop_give(const struct guard_step *step, const struct bw_guard_run *run,
                        const char *rule)
{
    struct bw_guard *guard = step->guard;

    BW_ASSERT(guard->limits.loop_delay_ns != 0);
    guard->loop_is_new = guard->mirror.loop_delay_ns == 0;
    if (guard->mirror.loop_delay_ns > guard->limits.loop_delay_ns) /* who asked before goes by it */
        guard->mirror.loop_until = bw_instant_max(guard->mirror.loop_until,
                                                  last_over(step, guard->mirror.loop_delay_ns));
    guard->mirror.loop_delay_ns = guard->limits.loop_delay_ns;
    for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++)
        guard->slots[i].beside_loop = true; /* what a look saw may be older than what it starts */
    guard->loop_run = *run;
    bw_guard_mirror_for(step, BW_GUARD_WAIT_LOOP, rule); /* H11: no yes that a restarted guard would not know */
}

static void withdraw(struct bw_guard *guard, struct bw_instant until)
{
    struct bw_guard_mirror *mirror = &guard->mirror;

    mirror->loop_until = bw_instant_max(mirror->loop_until, until);
    mirror->loop_delay_ns = 0;
}

void bw_guard_loop_take_back(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;
    struct bw_guard_mirror *mirror = &guard->mirror;

    if (bw_guard_loop_delay_ns(guard) == 0)
        return; /* the guard starts it */
    if (bw_guard_is_armed(guard))
        mirror->loop_taken_epoch = mirror->armed_epoch;
    if (mirror->loop_delay_ns != 0)
        withdraw(guard, last_over(step, bw_guard_loop_delay_ns(guard)));
    if (bw_instant_wait_is_over(step->now, mirror->loop_until))
        mirror->loop_until = (struct bw_instant){0, 0};
    bw_guard_mirror_now(step, "U80");
}

void bw_guard_loop_on_lease(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;

    if (bw_guard_is_manual(guard) && guard->mirror.loop_delay_ns != 0)
        guard->mirror.loop_until = bw_instant_max(
            guard->mirror.loop_until, bw_instant_add(step->now, bw_guard_loop_delay_ns(guard)));
}

struct bw_instant bw_guard_loop_rest(const struct guard_step *step)
{
    return bw_instant_max(step->now, step->guard->mirror.loop_until);
}

/* What serves under its lease, adopted or begun before its guard was told of a loop, its loop may
 * keep up. Not what a stop, a fence or an end of this lease was to end. */
void bw_guard_loop_on_serving(const struct guard_step *step)
{
    const struct bw_guard *guard = step->guard;
    const struct bw_guard_mirror *mirror = &guard->mirror;
    const struct bw_guard_run none = {.epoch = mirror->armed_epoch, .action = BW_ACTION_START};

    if (guard->limits.loop_delay_ns != 0 && mirror->loop_delay_ns == 0 &&
        mirror->armed_epoch > mirror->loop_taken_epoch)
        bw_guard_loop_give(step, &none, "V70");
}

/* Whoever asked the guard before may be starting it; where its mirror is gone, nobody knows who
 * did. */
void bw_guard_loop_init(struct bw_guard *guard, bool has_mirror, bool is_over,
                        struct bw_instant now)
{
    const bool is_given = guard->mirror.loop_delay_ns != 0;

    if (has_mirror ? is_given && (is_over || guard->limits.loop_delay_ns == 0)
                   : guard->limits.loop_delay_ns != 0)
        withdraw(guard, bw_instant_add(now, bw_guard_loop_delay_ns(guard)));
}

/* ---- units ---- */

/* What a group's units, or containers, have to do with the end of a service (3.2.4, 3.4). A start may leave more than
 * processes of the guard's own: an order that their manager carries out once what it waits for is there, be it hours
 * later, and a unit that comes up while status says `stopped`. */

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
