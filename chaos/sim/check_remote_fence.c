/* check_remote_fence.c - a fence from another site begins once its epoch is closed and no lease of
 * it lives, ends no service of a newer epoch, and is what every end of that grade rests on (3.3).
 * That the service has ended then, check_ended.c looks at. */
#include "check_remote_fence.h"

#include <inttypes.h>
#include <string.h>

#include <breakwater/core/group.h>

#include "checks_own.h"
#include "guard.h"
#include "site.h"

/* By what some witness has applied, of whichever generation. */
void sim_check_remote_closed(struct sim_world *world, uint32_t group, const struct bw_group *state)
{
    uint64_t *closed = &world->checks->closed_epoch[group];

    if ((state->phase == BW_PHASE_CLOSING || state->phase == BW_PHASE_VACANT) &&
        state->epoch > *closed)
        *closed = state->epoch;
}

/* A manual lease has that epoch, too, and is none of what was closed: who fences has heard of no claim (3.8). */
static bool lives(const struct sim_host *host, uint32_t group, uint64_t epoch)
{
    const struct bw_guard *guard = sim_guard_machine(host->world->guards[host->number], group);

    return guard != NULL && guard->mirror.armed_epoch == epoch && guard->mirror.armed_serial == 0 &&
           guard->memory.ended_epoch < epoch &&
           !bw_instant_right_is_over(sim_clock_now(host), guard->mirror.armed_end);
}

void sim_check_remote_fence_begins(const struct sim_host *host, uint32_t group, uint64_t epoch,
                                   const char *fenced)
{
    struct sim_world *world = host->world;

    sim_count(world, "remote_fence:begins");
    if (world->checks->closed_epoch[group] < epoch)
        world->checks->remote_unclosed[group] = epoch;
    for (uint32_t site = 0; site < sim_machine_count(world); site++) {
        const struct sim_host *other = sim_site(world, site);

        if (strcmp(other->name, fenced) == 0 && lives(other, group, epoch) &&
            !sim_checks_is_lapse_excused(world, site, group))
            sim_fail(world, "remote_fence",
                     "%s fences epoch %" PRIu64 " of %s at %s, and a lease of it lives there",
                     host->name, epoch, world->group_names[group], fenced);
    }
}

void sim_check_remote_fence_saw(struct sim_world *world, uint32_t group, uint64_t epoch)
{
    sim_count(world, "remote_fence:sees");
    if (epoch > world->checks->remote_seen[group])
        world->checks->remote_seen[group] = epoch;
}

void sim_check_remote_fenced(struct sim_world *world, uint32_t group, uint64_t epoch)
{
    sim_count(world, "remote_fence:counts");
    if (world->checks->remote_seen[group] < epoch)
        sim_fail(world, "remote_fence",
                 "epoch %" PRIu64 " of %s has ended (fenced), and no script has seen that", epoch,
                 world->group_names[group]);
    if (world->checks->remote_unclosed[group] == epoch)
        sim_fail(world, "remote_fence",
                 "epoch %" PRIu64
                 " of %s has ended (fenced) by a script that began before the Close",
                 epoch, world->group_names[group]);
}
