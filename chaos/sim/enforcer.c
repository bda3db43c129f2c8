/* enforcer.c - the life of an enforcer, and its guard's side, as src/enforcer and src/guard have them. */
#include "enforcer.h"

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#include "checks.h"

#define TELL_AGAIN_NS  (5 * SIM_MS)
#define MAKE_AGAIN_NS  (500 * SIM_MS)
#define LINGER_PERCENT 70 /* of the grace between KILL and D, as after a guard's KILL */

struct sim_enforcer {
    struct sim_process *process;
    struct bw_enforcer machine;
    bool is_handed_over;
};

/* ---- its own life -------------------------------------------------------------------------------- */

static struct sim_enforcer *able(const struct sim_process *process)
{
    return process != NULL && process->health == SIM_ABLE && !sim_is_doomed(process) ? process->state
                                                                                     : NULL;
}

static void kill_group(struct sim_enforcer *enforcer, const struct bw_enforcer_order *order)
{
    struct sim_world *world = sim_world_of(enforcer->process);
    const int group = sim_group_find(world, order->group);

    BW_ASSERT(group >= 0);
    sim_count(world, "enforcer:kill");
    if (enforcer->machine.is_guard_gone)
        sim_count(world, "enforcer:kill_alone");
    if (world->tells)
        sim_tell(world, enforcer->process->name, "%s: KILL to all in reach, epoch %llu",
                 order->group, (unsigned long long)order->epoch);
    sim_reach_signal(sim_machine(enforcer->process->host), (uint32_t)group, SIM_SLOTS_SERVED, true,
                     bw_lease_kill_grace_ns(order->fence_ns) * LINGER_PERCENT / 100);
}

static void serve(struct sim_enforcer *enforcer)
{
    uint32_t due[BW_ENFORCER_GROUPS_MAX];
    struct bw_instant wake_at;
    const uint32_t count =
        bw_enforcer_due(&enforcer->machine, sim_now(enforcer->process), due, &wake_at);

    for (uint32_t i = 0; i < count; i++)
        kill_group(enforcer, &enforcer->machine.places[due[i]].order);
    if (bw_enforcer_may_end(&enforcer->machine))
        sim_process_kill(enforcer->process);
    else if (wake_at.boot_ns != enforcer->process->wake_at.boot_ns ||
             wake_at.raw_ns != enforcer->process->wake_at.raw_ns)
        sim_wake_at(enforcer->process, wake_at);
}

static bool is_wanted_by_none(const struct sim_process *process)
{
    const struct sim_guard *guard =
        sim_world_of(process)->guards[process->host->number]->state;

    return guard == NULL || guard->enforcer.process != process ||
           guard->enforcer.life != process->life;
}

static void on_start(struct sim_process *process)
{
    struct sim_enforcer *enforcer = calloc(1, sizeof *enforcer);

    BW_ASSERT(enforcer != NULL);
    enforcer->process = process;
    bw_enforcer_init(&enforcer->machine);
    process->state = enforcer;
    if (is_wanted_by_none(process)) /* its guard died while it began */
        sim_process_kill(process);
}

static void on_wake(struct sim_process *process)
{
    serve(process->state);
}

static void on_message(struct sim_process *process, const struct sim_message *message)
{
    (void)process;
    (void)message;
}

static void on_death(struct sim_process *process)
{
    free(process->state);
    process->state = NULL;
}

const struct sim_process_ops sim_enforcer_ops = {.role = "enforcer",
                                                 .on_start = on_start,
                                                 .on_wake = on_wake,
                                                 .on_message = on_message,
                                                 .on_death = on_death};

static void on_guard_gone(struct sim_process *process, void *payload)
{
    struct sim_enforcer *enforcer = process->state;

    (void)payload;
    bw_enforcer_on_guard_gone(&enforcer->machine);
    serve(enforcer);
}

void sim_enforcer_guard_gone(struct sim_guard *guard)
{
    struct sim_process *process = guard->enforcer.process;

    if (process != NULL && process->health != SIM_DEAD && process->life == guard->enforcer.life)
        sim_later(process, 0, on_guard_gone, NULL, NULL);
}

/* ---- its guard's side ---------------------------------------------------------------------------- */

static bool has_one(const struct sim_guard *guard)
{
    const struct sim_process *process = guard->enforcer.process;

    return process != NULL && process->health != SIM_DEAD && process->life == guard->enforcer.life;
}

/* What one that has died was told, its successor is told again. */
static void make(struct sim_guard *guard)
{
    struct sim_process *const *pool = guard->machine->enforcers;
    const struct sim_world *world = sim_world_of(guard->process);

    if (world->now_ns < guard->enforcer.make_after_ns)
        return;
    guard->enforcer.make_after_ns = world->now_ns + MAKE_AGAIN_NS;
    for (uint32_t i = 0; i < SIM_ENFORCERS_MAX; i++)
        if (pool[i]->health == SIM_DEAD && !pool[i]->is_kept_down) {
            sim_process_start(pool[i]);
            guard->enforcer.process = pool[i];
            guard->enforcer.life = pool[i]->life + (pool[i]->health == SIM_DEAD); /* soon */
            for (uint32_t group = 0; group < guard->place_count; group++)
                guard->places[group].told = (struct bw_enforcer_order){.epoch = 0};
            return;
        }
    sim_count(sim_world_of(guard->process), "enforcer:none_free");
}

static bool is_over(const struct sim_guard_place *place)
{
    return place->machine.mirror.armed_epoch == 0 || place->machine.fence == BW_FENCE_DONE;
}
static bool is_wanted(const struct sim_guard_place *place)
{
    return !is_over(place) && place->mirrored.epoch == place->machine.mirror.armed_epoch;
}
static bool is_told(const struct sim_guard_place *place)
{
    if (is_over(place))
        return place->told.epoch == 0;
    return place->told.epoch == place->mirrored.epoch &&
           place->told.end.boot_ns == place->mirrored.end.boot_ns &&
           place->told.end.raw_ns == place->mirrored.end.raw_ns;
}

bool sim_enforcer_has(const struct sim_guard *guard, const struct sim_guard_place *place)
{
    return is_over(place) || (has_one(guard) && is_wanted(place) && is_told(place));
}

/* True: something has changed. */
static bool tell(struct sim_guard *guard, struct sim_guard_place *place,
                 struct sim_enforcer *enforcer)
{
    const bool was_told = place->told.epoch != 0;

    struct bw_enforcer_order order = place->mirrored;

    if (is_over(place)) {
        if (place->told.epoch != 0)
            bw_enforcer_disarm(&enforcer->machine, place->machine.group, place->told.epoch);
        place->told.epoch = 0;
        return was_told;
    }
    if (!is_wanted(place) || is_told(place))
        return false;
    BW_ASSERT(bw_copy_text(order.group, sizeof order.group, place->machine.group));
    place->told = order;
    if (bw_enforcer_arm(&enforcer->machine, &order, sim_now(guard->process)) != BW_OK) {
        sim_count(sim_world_of(guard->process), "enforcer:refused");
        place->is_refused = true;
    }
    return true;
}

/* The deadline that this guard has found in a mirror, or that it is over. */
static uint64_t known_epoch(const struct sim_guard_place *place)
{
    const uint64_t ended = place->machine.memory.ended_epoch;

    return place->found_epoch > ended ? place->found_epoch : ended;
}

/* Until each is, no later deadline is passed on: one of theirs would end at the earlier one what was
 * renewed since. */
static bool relieve(struct sim_guard *guard)
{
    bool are_all_relieved = true;

    for (uint32_t i = 0; i < SIM_ENFORCERS_MAX; i++) {
        struct sim_process *process = guard->machine->enforcers[i];
        struct sim_enforcer *enforcer = able(process);

        if (process->health == SIM_DEAD || process == guard->enforcer.process)
            continue;
        if (enforcer == NULL) {
            are_all_relieved = false;
            continue;
        }
        if (enforcer->is_handed_over)
            continue;
        enforcer->is_handed_over = true;
        for (uint32_t group = 0; group < guard->place_count; group++)
            (void)bw_enforcer_hand_over(&enforcer->machine, guard->places[group].machine.group,
                                        known_epoch(&guard->places[group]));
        bw_enforcer_on_guard_gone(&enforcer->machine);
        serve(enforcer);
    }
    return are_all_relieved;
}

static void flush_again(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;

    (void)payload;
    guard->enforcer.is_asked_again = false;
    sim_guard_look(guard);
}

void sim_enforcer_flush(struct sim_guard *guard)
{
    struct sim_enforcer *enforcer;
    bool is_all_told = true, has_changed = false;

    if (!has_one(guard))
        make(guard);
    enforcer = has_one(guard) ? able(guard->enforcer.process) : NULL;
    for (uint32_t i = 0; i < guard->place_count && enforcer != NULL; i++)
        if (!guard->enforcer.has_told_all || guard->enforcer.is_relieved)
            has_changed |= tell(guard, &guard->places[i], enforcer);
    if (enforcer != NULL) {
        guard->enforcer.has_told_all = true;
        if (!guard->enforcer.is_relieved)
            guard->enforcer.is_relieved = relieve(guard);
        if (has_changed)
            serve(enforcer);
    }
    for (uint32_t i = 0; i < guard->place_count; i++)
        is_all_told &= is_told(&guard->places[i]) || !is_wanted(&guard->places[i]);
    if ((is_all_told && has_one(guard) && guard->enforcer.is_relieved) ||
        guard->enforcer.is_asked_again)
        return;
    guard->enforcer.is_asked_again = true;
    sim_later(guard->process, TELL_AGAIN_NS, flush_again, NULL, NULL);
}

void sim_enforcer_link_init(struct sim_guard *guard)
{
    for (uint32_t i = 0; i < guard->place_count; i++) {
        struct sim_guard_place *place = &guard->places[i];
        const struct bw_guard_mirror *mirror = &place->machine.mirror;

        place->asked = *mirror;
        place->found_epoch = mirror->armed_epoch;
        place->mirrored = (struct bw_enforcer_order){.epoch = mirror->armed_epoch,
                                                     .end = mirror->armed_end,
                                                     .fence_ns = mirror->fence_ns};
    }
}
