/* check_data.c - what was acknowledged is there after a planned move: its target waits until it is
 * ready at the position that the origin had last (3.6). */
#include <inttypes.h>
#include <string.h>

#include "check_override.h"
#include "checks_own.h"
#include "machine.h"

/* A copy of the origin has what the origin had when it was copied, and may be the one that gets the group
 * back, from its own data (3.6, 3.8). */
static bool is_of_two(struct sim_world *world, uint32_t site)
{
    const struct sim_host *clone = sim_clone(world);

    return clone->is_up && strcmp(clone->name, sim_site(world, site)->name) == 0;
}

/* What a service acknowledges that nobody can end, or that systemd starts again after each end (3.4, of which
 * `check` warns), beside the one that is moved, is nobody's promise. */
static bool is_written_beside(struct sim_world *world, uint32_t group)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if (world->checks->unfenced_until_ns[site][group] >= world->now_ns ||
            sim_machine(sim_site(world, site))->units[group].comes_again)
            return true;
    return false;
}

void sim_check_data(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch,
                    uint64_t missing_ms)
{
    if (epoch == 0 || epoch != world->checks->planned_epoch[group] ||
        world->checks->by_hand_since[group] || sim_check_overrides(world, site, group))
        return; /* by hand, or unplanned: the limits of on_lag are for that (4) */
    sim_count(world, "data:planned");
    if (missing_ms > 0 && world->setting.has_readiness_script &&
        !sim_checks_is_excused(world, site, group) && !is_of_two(world, site) &&
        !is_written_beside(world, group))
        sim_fail(world, "data",
                 "%s serves %s under epoch %" PRIu64 " after a planned move, and %" PRIu64
                 " ms of what was acknowledged are not there",
                 sim_site(world, site)->name, world->group_names[group], epoch, missing_ms);
}
