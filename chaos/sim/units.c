/* units.c - services that are units of systemd: each start makes a cgroup anew, by a path that only who has asked
 * systemd once knows (sys/unit_reach.c, sys/units.c); and some that systemd starts again by itself. */
#include "units.h"

#include <stdlib.h>

#include <breakwater/base/assert.h>

#include "coverage.h"
#include "enforcer.h"

#define WATCH_NS     (250 * SIM_MS) /* between looks while a start runs */
#define AGAIN_NS     (100 * SIM_MS) /* RestartSec= */
#define UNIT_PERCENT 70             /* of the groups, in worlds that have any */
#define COME_AGAIN_PERCENT 15

struct look {
    uint32_t group;
    enum sim_unit_observer observer;
    uint32_t observer_life;
    uint64_t number;
    uint32_t life; /* what was up when it began; 0: nothing */
};

void sim_units_init(struct sim_machine *machine)
{
    const struct sim_world *world = machine->host->world;
    struct bw_prng nature; /* the same at every site */
    bool has_any;

    bw_prng_init(&nature, world->setting.seed * 1000003 + 700);
    has_any = bw_prng_below(&nature, 2) == 0;
    for (uint32_t group = 0; group < SIM_GROUPS_MAX; group++) {
        struct sim_unit *unit = &machine->units[group];

        unit->is_unit = bw_prng_below(&nature, 100) < UNIT_PERCENT && has_any;
        unit->comes_again = bw_prng_below(&nature, 100) < COME_AGAIN_PERCENT && unit->is_unit;
        if (world->setting.has_second_enforcer) /* what it ends is of no machine's systemd */
            unit->is_unit = unit->comes_again = false;
        if (machine
                ->is_stubborn) /* beside a fence script that hangs for ever nobody could end it */
            unit->comes_again = false;
    }
}

static bool is_in_unit(const struct sim_machine *machine, uint32_t group)
{
    return machine->services[group].is_up && machine->services[group].is_in_unit;
}

/* ---- looks -------------------------------------------------------------------------------------- */

static struct sim_process *observer_of(const struct sim_machine *machine,
                                             enum sim_unit_observer observer)
{
    const struct sim_world *world = machine->host->world;
    const uint32_t site = machine->host->number;

    return observer == SIM_UNITS_OF_GUARD ? world->guards[site] : world->agents[site][0];
}

static void on_looked(struct sim_process *kernel, void *payload)
{
    struct sim_machine *machine = sim_machine(kernel->host);
    const struct look look = *(struct look *)payload;
    struct sim_unit *unit = &machine->units[look.group];
    struct sim_unit_sight *sight = &unit->sights[look.observer];
    struct sim_process *process = observer_of(machine, look.observer);
    bool is_first;

    free(payload);
    if (sight->looks != look.number || process->health == SIM_DEAD ||
        process->life != look.observer_life)
        return; /* nobody hears of it */
    sight->is_looking = false;
    is_first = !sight->has_seen;
    sight->has_seen = true;
    sight->told = look.number;
    sight->seen_life = look.life;
    sight->seen_ns = sight->looked_ns;
    if (look.observer == SIM_UNITS_OF_GUARD && is_first)
        sim_enforcer_units_seen(process, look.group);
    if (!sight->is_look_again)
        return;
    sight->is_look_again = false;
    sim_unit_look(machine, look.group, look.observer);
}

/* While one is at work another begins when it has ended: what it saw may be older than the question. */
void sim_unit_look(struct sim_machine *machine, uint32_t group, enum sim_unit_observer observer)
{
    struct sim_unit *unit = &machine->units[group];
    struct sim_unit_sight *sight = &unit->sights[observer];
    struct look *look;

    if (!unit->is_unit)
        return;
    if (sight->is_looking) {
        sight->is_look_again = true;
        return;
    }
    look = malloc(sizeof *look);
    BW_ASSERT(look != NULL);
    sight->is_looking = true;
    sight->looked_ns = machine->host->world->now_ns;
    *look = (struct look){.group = group,
                          .observer = observer,
                          .observer_life = observer_of(machine, observer)->life,
                          .number = ++sight->looks,
                          .life = is_in_unit(machine, group) || unit->is_pending ? unit->life : 0};
    sim_later(machine->kernel, bw_prng_below(&machine->host->chance, SIM_UNIT_LOOK_NS_MAX), on_looked, look,
              free);
}

void sim_unit_forget(struct sim_machine *machine, uint32_t group, enum sim_unit_observer observer)
{
    struct sim_unit_sight *sight = &machine->units[group].sights[observer];

    *sight = (struct sim_unit_sight){.looks = sight->looks + 1};
}

bool sim_unit_is_seen(const struct sim_machine *machine, uint32_t group)
{
    const struct sim_unit *unit = &machine->units[group];

    return !unit->is_unit || unit->sights[SIM_UNITS_OF_GUARD].has_seen;
}

bool sim_unit_is_seen_down(const struct sim_machine *machine, uint32_t group,
                           enum sim_unit_observer observer, uint64_t since_ns)
{
    const struct sim_unit_sight *sight = &machine->units[group].sights[observer];

    return sight->has_seen && sight->seen_life == 0 && sight->seen_ns >= since_ns;
}

enum bw_populated sim_unit_populated(struct sim_machine *machine, uint32_t group)
{
    const struct sim_unit_sight sight = machine->units[group].sights[SIM_UNITS_OF_GUARD];

    if (!machine->units[group].is_unit)
        return BW_POPULATED_NO;
    sim_unit_look(machine, group, SIM_UNITS_OF_GUARD);
    if (is_in_unit(machine, group) && sight.has_seen)
        return BW_POPULATED_YES;
    return sight.has_seen && !sight.is_looking && sight.seen_life == 0 ? BW_POPULATED_NO
                                                                       : BW_POPULATED_UNKNOWN;
}

/* The facts of guard/run.c. What serves was begun before all of the runs. */
struct bw_units_sight sim_unit_sight(const struct sim_machine *machine, uint32_t group)
{
    const struct sim_unit *unit = &machine->units[group];
    const struct sim_unit_sight *sight = &unit->sights[SIM_UNITS_OF_GUARD];
    struct bw_units_sight out_sight = {.may_hold_orders = unit->is_unit};

    if (!unit->is_unit)
        return out_sight;
    out_sight.begun = sight->looks;
    out_sight.ended = sight->told;
    if (sight->has_seen)
        out_sight.coming = sight->seen_life != 0 && !is_in_unit(machine, group) ? BW_POPULATED_YES
                                                                              : BW_POPULATED_NO;
    out_sight.is_any = is_in_unit(machine, group) && sight->has_seen;
    return out_sight;
}

/* ---- while something begins: watched, as the guard does ------------------------------------------ */

static void watch(struct sim_process *kernel, void *payload)
{
    struct sim_machine *machine = sim_machine(kernel->host);
    const uint64_t value = (uintptr_t)payload;
    const bool is_over = !sim_run_is_alive(machine, value / SIM_GROUPS_MAX);

    sim_unit_look(machine, (uint32_t)(value % SIM_GROUPS_MAX), SIM_UNITS_OF_GUARD);
    if (!is_over)
        sim_later(kernel, WATCH_NS, watch, payload, NULL);
}

void sim_unit_watch(struct sim_machine *machine, const struct sim_run *run)
{
    if (machine->units[run->order.group].is_unit && run->order.parent != NULL &&
        run->order.slot == SIM_SLOT_SERVICE)
        sim_later(machine->kernel, WATCH_NS, watch,
                  (void *)(uintptr_t)(run->serial * SIM_GROUPS_MAX + run->order.group), NULL);
}

/* ---- signals ------------------------------------------------------------------------------------ */

bool sim_unit_is_reached(const struct sim_machine *machine, uint32_t group, uint32_t slots,
                         bool is_kill)
{
    const struct sim_unit *unit = &machine->units[group];

    if (!is_in_unit(machine, group))
        return false;
    if (!is_kill) /* by systemctl */
        return (slots & (SIM_SLOT_UNITS_GUARD | SIM_SLOT_UNITS_AGENT)) != 0;
    return ((slots & SIM_SLOT_UNITS_GUARD) != 0 &&
            unit->sights[SIM_UNITS_OF_GUARD].has_seen) ||
           ((slots & SIM_SLOT_UNITS_AGENT) != 0 &&
            unit->sights[SIM_UNITS_OF_AGENT].has_seen) ||
           (slots & SIM_SLOT_UNITS_ENFORCER) != 0;
}

bool sim_unit_is_unseen(const struct sim_machine *machine, uint32_t group)
{
    const struct sim_unit *unit = &machine->units[group];

    return is_in_unit(machine, group) && unit->sights[SIM_UNITS_OF_GUARD].seen_life != unit->life;
}

/* ---- up and down -------------------------------------------------------------------------------- */

void sim_unit_up(struct sim_machine *machine, uint32_t group)
{
    struct sim_unit *unit = &machine->units[group];

    unit->life++;
    unit->orders++;
    unit->is_pending = false;
    sim_count(machine->host->world, "unit:up");
}

static void comes_again(struct sim_process *kernel, void *payload)
{
    struct sim_machine *machine = sim_machine(kernel->host);
    const uint64_t value = (uintptr_t)payload;
    const uint32_t group = (uint32_t)(value % SIM_GROUPS_MAX);
    struct sim_unit *unit = &machine->units[group];
    struct sim_service *service = &machine->services[group];
    const bool was_twice = service->is_twice; /* it is what was there when its machine was cloned */

    if (unit->orders != value / SIM_GROUPS_MAX || service->is_up)
        return;
    unit->is_pending = false;
    sim_count(machine->host->world, "unit:comes_again");
    sim_service_up(machine, group, service->epoch, false);
    service->is_twice |= was_twice;
}

void sim_unit_down(struct sim_machine *machine, uint32_t group, bool is_ordered)
{
    struct sim_unit *unit = &machine->units[group];

    unit->is_pending = unit->comes_again && !is_ordered;
    if (!unit->is_pending)
        unit->orders++;
    else
        sim_later(machine->kernel, AGAIN_NS, comes_again,
                  (void *)(uintptr_t)(unit->orders * SIM_GROUPS_MAX + group), NULL);
}
