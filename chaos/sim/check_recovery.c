/* check_recovery.c - a cluster is begun anew from what one witness has left (3.9): each generation has a log of its
 * own, whose decisions nothing contradicts. */
#include "check_recovery.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/cluster.h>
#include <breakwater/core/sync.h>

#include "check_durable.h"
#include "check_i1.h"
#include "check_lease.h"
#include "check_reports.h"
#include "checks_own.h"
#include "guard.h"
#include "raft_disk.h"
#include "witness.h"

/* ---- generations --------------------------------------------------------------------------------- */

void sim_check_generation_begins(struct sim_checks *checks, uint64_t generation, uint64_t index)
{
    struct sim_generation *begun = calloc(1, sizeof *begun);

    BW_ASSERT(begun != NULL && checks->generation_count < SIM_GENERATIONS_MAX);
    begun->generation = generation;
    begun->index = begun->committed_max = begun->applied_index = index;
    checks->generations[checks->generation_count++] = begun;
}

struct sim_generation *sim_generation_at(const struct sim_world *world, uint64_t index)
{
    const struct sim_checks *checks = world->checks;
    uint32_t i = checks->generation_count - 1;

    while (checks->generations[i]->index > index)
        i--;
    return checks->generations[i];
}

struct sim_generation *sim_generation_of(const struct sim_process *witness)
{
    const struct sim_raft_disk *disk = sim_witness_log(witness);
    const uint64_t last = sim_raft_disk_next(disk) - 1;

    return sim_generation_at(sim_world_of(witness),
                             last > disk->snapshot.index ? last : disk->snapshot.index);
}

struct sim_generation *sim_generation_numbered(const struct sim_world *world, uint64_t generation)
{
    const struct sim_checks *checks = world->checks;

    for (uint32_t i = 0; i < checks->generation_count; i++)
        if (checks->generations[i]->generation == generation)
            return checks->generations[i];
    return NULL;
}

bool sim_check_is_first_to_apply(struct sim_world *world, uint64_t index)
{
    struct sim_generation *generation = sim_generation_at(world, index);

    if (index <= generation->applied_index)
        return false;
    generation->applied_index = index;
    return true;
}

/* ---- a new one ------------------------------------------------------------------------------------ */

/* C4: above all that any site may have seen. */
static void look_at_epochs(struct sim_process *witness, const struct bw_cluster *cluster,
                           const struct sim_generation *last)
{
    struct sim_world *world = sim_world_of(witness);
    const struct sim_checks *checks = world->checks;

    for (uint32_t group = 0; group < world->setting.group_count; group++) {
        const int group_index = bw_cluster_find(cluster, world->group_names[group]);
        const uint64_t epoch = group_index < 0 ? cluster->epoch_floor
                                               : cluster->groups[group_index].epoch;

        if (group_index >= 0)
            sim_check_spec_changes(world, group, cluster->groups[group_index].spec_version);
        if (epoch <= checks->newest_epoch[group] || epoch <= last->given[group].epoch)
            sim_fail(world, "recovery",
                     "%s begins anew with epoch %" PRIu64 " of %s, and epoch %" PRIu64
                     " was granted",
                     witness->name, epoch, world->group_names[group],
                     checks->newest_epoch[group]);
    }
}

void sim_check_recovered(struct sim_process *witness, const struct bw_cluster *cluster,
                         const struct raft_snapshot *snapshot)
{
    struct sim_world *world = sim_world_of(witness);
    struct sim_checks *checks = world->checks;
    const struct sim_generation *last = checks->generations[checks->generation_count - 1];
    struct raft_buffer encoded;

    if (cluster->generation <= last->generation || snapshot->index <= last->committed_max)
        sim_fail(world, "recovery",
                 "%s begins generation %" PRIu64 " at entry %llu, after generation %" PRIu64
                 " with entry %" PRIu64,
                 witness->name, cluster->generation, snapshot->index, last->generation,
                 last->committed_max);
    look_at_epochs(witness, cluster, last);
    checks->recovered_ns = world->now_ns;
    sim_check_generation_begins(checks, cluster->generation, snapshot->index);
    BW_ASSERT(raft_configuration_encode(&snapshot->configuration, &encoded) == 0);
    sim_check_configuration(witness, snapshot->index, snapshot->term, &encoded);
    raft_free(encoded.base);
    sim_count(world, bw_cluster_recovery_rule);
}

bool sim_check_may_recover(const struct sim_world *world)
{
    return world->checks->generation_count < SIM_GENERATIONS_MAX;
}

/* ---- who has heard of it ------------------------------------------------------------------------- */

void sim_check_names(struct sim_process *agent, uint64_t generation, uint64_t kept)
{
    struct sim_checks *checks = sim_world_of(agent)->checks;
    const uint32_t site = agent->host->number;
    struct sim_named *named = &checks->named[site][(uintptr_t)agent->user];

    if (generation > kept)
        sim_fail(sim_world_of(agent), "durable",
                 "%s names generation %" PRIu64 ", and its disk has %" PRIu64, agent->name,
                 generation, kept);
    if (named->life == agent->life && generation < named->generation)
        sim_fail(sim_world_of(agent), "recovery",
                 "%s names generation %" PRIu64 " after generation %" PRIu64, agent->name,
                 generation, named->generation);
    *named = (struct sim_named){.life = agent->life, .generation = generation};
    if (generation > checks->generation_max[site])
        checks->generation_max[site] = generation;
}

bool sim_check_must_drop(struct sim_process *agent, const struct bw_sync_answer *answer)
{
    const struct sim_named *named =
        &sim_world_of(agent)->checks->named[agent->host->number][(uintptr_t)agent->user];
    const bool must_drop = named->life == agent->life && answer->generation < named->generation;

    if (must_drop)
        sim_count(sim_world_of(agent), "left_behind:dropped");
    return must_drop;
}

/* Neither agent nor guard has kept what the site knew, as this machine or as a copy of it (3.8). */
static bool has_forgotten(struct sim_world *world, uint32_t site)
{
    const struct sim_host *host = sim_site(world, site);
    uint64_t newest = 0;

    for (uint32_t i = 0; i < sim_machine_count(world); i++)
        if (strcmp(sim_site(world, i)->name, host->name) == 0 &&
            world->checks->generation_max[i] > newest)
            newest = world->checks->generation_max[i];
    return sim_check_generation_kept(host) < newest;
}

bool sim_check_obeys_older_than_guard(const struct sim_world *world, uint32_t site)
{
    const struct sim_process *agent = world->agents[site][0];
    const struct sim_named *named = &world->checks->named[site][0];

    return named->life == agent->life && named->generation < sim_check_generation_kept(agent->host);
}

void sim_check_confirms_in(struct sim_process *witness, uint32_t site, uint32_t group)
{
    struct sim_world *world = sim_world_of(witness);

    if (sim_witness_cluster(witness)->generation >= world->generation)
        return;
    sim_count(world, "left_behind:confirms");
    world->checks->obeys_older_ns[site][group] = world->now_ns;
    if (world->checks->overruled_generation[group] == world->generation ||
        has_forgotten(world, site))
        sim_checks_obeys_older(world, site, group);
}

/* ---- the first grant ------------------------------------------------------------------------------ */

/* Of an epoch of before: the lease is over there, and no fence has seen the end: it fails, or nobody is there who
 * could (3.8). */
static bool is_unended(struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_host *host = sim_site(world, site);
    const struct bw_guard *guard = sim_guard_machine(world->guards[site], group);
    const uint64_t before = world->checks->overruled_epoch[group];
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    if (sim_service_is_serving(host, group))
        return sim_service_epoch(host, group) < before;
    sim_check_read_guard(host, group, &memory, &mirror);
    return mirror.armed_epoch < before && mirror.armed_epoch > memory.ended_epoch &&
           (guard == NULL || (guard->fence != BW_FENCE_NONE && guard->fence != BW_FENCE_DONE));
}

#define UNENDED_LOOK_NS SIM_S

/* A person has answered for this site: as long as that is so. */
static void excuse_overruled(struct sim_world *world, uint64_t argument)
{
    const uint32_t site = (uint32_t)(argument >> 8), group = (uint32_t)(argument & 0xff);

    if (!is_unended(world, site, group))
        return;
    sim_checks_excuse_overruled(world, site, group);
    sim_world_at(world, world->now_ns + UNENDED_LOOK_NS, excuse_overruled, argument);
}

/* 3.9: its guard has kept this generation, and arms no more by those that it lost. What an agent beside the one that
 * spoke for the site holds of them is then a lease that nothing serves by. */
static bool arms_no_more(struct sim_world *world, uint32_t site, uint32_t group, uint64_t generation,
                         uint64_t epoch)
{
    const struct sim_host *host = sim_site(world, site);
    const struct bw_guard *guard = sim_guard_machine(world->guards[site], group);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(host, group, &memory, &mirror);
    return sim_check_generation_pinned(host) >= generation && mirror.armed_epoch < epoch &&
           (guard == NULL || guard->mirror.armed_epoch < epoch);
}

/* 3.9: by then the longest lease of before is over, also at a site that a person has answered for.
 * What the lost ones have confirmed since is what he vouches for (3.8); so is a lease that a second
 * agent of the site that is granted has of them: it is of one guard. */
void sim_check_first_grant(struct sim_process *witness, uint32_t group,
                           const struct bw_cluster *cluster, const struct bw_group *state,
                           const char *granted)
{
    struct sim_world *world = sim_world_of(witness);
    struct sim_checks *checks = world->checks;
    const bool is_overruled = state->initial_primary[0] != '\0';

    /* Those that he had vouched for may grant by an older word of his, to who has not heard of the newer (3.8). */
    if (is_overruled && cluster->generation >= checks->overruled_generation[group]) {
        checks->overruled_generation[group] = cluster->generation;
        checks->overruled_epoch[group] = state->epoch + 1;
        sim_check_overrules(world, group, UINT32_MAX);
    }
    for (uint32_t site = 0; site < sim_machine_count(world); site++) {
        const uint64_t epoch = checks->leases[site][group].epoch;
        struct bw_guard_memory memory;
        struct bw_guard_mirror mirror;

        if (is_overruled)
            excuse_overruled(world, (uint64_t)site << 8 | group);
        sim_check_read_guard(sim_site(world, site), group, &memory, &mirror);
        if (!sim_check_lease_lives(world, site, group, epoch) || memory.ended_epoch >= epoch ||
            arms_no_more(world, site, group, cluster->generation, epoch))
            continue;
        if ((is_overruled || strcmp(granted, sim_site(world, site)->name) == 0) &&
            checks->obeys_older_ns[site][group] > checks->recovered_ns)
            sim_checks_obeys_older(world, site, group);
        else if (!sim_checks_is_excused(world, site, group))
            sim_fail(world, "recovery",
                     "%s grants %s after a recovery, and the lease of epoch %" PRIu64
                     " at %s lives",
                     witness->name, world->group_names[group], epoch, sim_site(world, site)->name);
    }
}
