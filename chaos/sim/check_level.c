/* check_level.c - nobody reads what is above the feature level that it knows, and nothing of a level is said before
 * the level is raised (5.3). */
#include "check_level.h"

#include <inttypes.h>

#include <raft.h>

#include <breakwater/core/command.h>
#include <breakwater/core/members.h>
#include <breakwater/core/sync.h>

#include "check.h"
#include "checks_own.h"
#include "witness.h"

#define NEWS_NS (60 * SIM_S) /* so long what somebody said may be new to a leader */

static bool is_voter(const struct sim_process *applier, const struct sim_process *witness)
{
    const struct raft_configuration *configuration = &sim_witness_raft(applier)->configuration;

    for (unsigned i = 0; witness->host->services != NULL && i < configuration->n; i++)
        if (configuration->servers[i].id == sim_witness_id(witness))
            return configuration->servers[i].role == RAFT_VOTER;
    return false;
}

static void look_at(const struct sim_process *process, uint32_t level)
{
    const uint32_t installed = process->host->installed;

    if (installed < level || (process->health != SIM_DEAD && process->level < level))
        sim_fail(sim_world_of(process), "level",
                 "the feature level is %" PRIu32 ", and %s knows %" PRIu32 " (%" PRIu32
                 " once it begins again)",
                 level, process->name, process->level, installed);
}

/* Two machines speak as one instance: what the one knows is taken for what the other does (3.8: state directories are
 * not copied). */
static bool is_twice(const struct sim_world *world, uint32_t site)
{
    const struct sim_checks *checks = world->checks;

    return checks->cloned_until_ns != 0 && site == checks->cloned_site &&
           world->now_ns < checks->cloned_until_ns + NEWS_NS;
}

/* Everybody whom it concerns: the voters, and at each site its agent and its guard. */
static void look_at_all(const struct sim_process *applier, uint32_t level)
{
    const struct sim_world *world = sim_world_of(applier);

    for (uint32_t i = 0; i < world->witness_count; i++)
        if (is_voter(applier, world->witnesses[i]))
            look_at(world->witnesses[i], level);
    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        if (is_twice(world, site))
            continue;
        look_at(world->agents[site][0], level);
        look_at(world->guards[site], level);
    }
}

void sim_check_level_applied(struct sim_process *witness, uint32_t level)
{
    struct sim_world *world = sim_world_of(witness);

    if (level > witness->level)
        sim_fail(world, "level", "%s applies what is of level %" PRIu32 ", and knows %" PRIu32,
                 witness->name, level, witness->level);
    if (level <= world->upgrade.level)
        return;
    if (world->upgrade.level != 0)
        look_at_all(witness, level);
    world->upgrade.level = level;
}

void sim_check_level_reported(struct sim_process *witness, const struct bw_sync *sync)
{
    const struct bw_cluster *cluster = sim_witness_cluster(witness);

    if ((sync->feature_level != 0 && sync->feature_level < cluster->feature_level) ||
        (sync->guard_level != 0 && sync->guard_level < cluster->feature_level))
        sim_fail(sim_world_of(witness), "level",
                 "%s hears %s at level %" PRIu32 ", whose agent knows %" PRIu32
                 " and whose guard %" PRIu32,
                 witness->name, sync->site, cluster->feature_level, sync->feature_level,
                 sync->guard_level);
}

void sim_check_level_of_change(struct sim_process *witness)
{
    const struct bw_cluster *cluster = sim_witness_cluster(witness);

    if (cluster->feature_level < BW_MEMBERS_LEVEL)
        sim_fail(sim_world_of(witness), "level", "%s changes members at level %" PRIu32,
                 witness->name, cluster->feature_level);
}
