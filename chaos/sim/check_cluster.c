/* check_cluster.c - no committed decision of any generation of members is contradicted, and nobody helps to decide
 * who was removed or has lost its directory (3.9): whom each configuration has, seen where it is appended, and who
 * has voted, seen where the vote leaves. */
#include "check_cluster.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <raft.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/limits.h>
#include <breakwater/core/cluster.h>
#include <breakwater/core/command.h>
#include <breakwater/core/members.h>
#include <breakwater/core/sync.h>
#include <breakwater/machine/witness.h>

#include "check.h"
#include "check_durable.h"
#include "check_invariants.h"
#include "check_lease.h"
#include "checks_own.h"
#include "coverage.h"
#include "guard.h"
#include "raft_disk.h"
#include "witness.h"

/* ---- members ---- */

#define VOTERS_LEAST 2 /* in a cluster of several (L9) */

/* ---- configurations ----------------------------------------------------------------------------- */

static struct sim_configuration voters_of(const struct raft_configuration *configuration)
{
    struct sim_configuration found = {.voter_count = 0};

    for (unsigned i = 0; i < configuration->n; i++)
        if (configuration->servers[i].role == RAFT_VOTER && found.voter_count < SIM_VOTERS_MAX)
            found.voters[found.voter_count++] = configuration->servers[i].id;
    return found;
}

static bool has_voter(const struct sim_configuration *configuration, uint64_t id)
{
    for (uint32_t i = 0; i < configuration->voter_count; i++)
        if (configuration->voters[i] == id)
            return true;
    return false;
}

void sim_check_configuration(struct sim_process *witness, uint64_t index, uint64_t term,
                             const struct raft_buffer *encoded)
{
    struct sim_generation *generation = sim_generation_at(sim_world_of(witness), index);
    struct raft_configuration configuration;
    struct sim_configuration found;

    for (uint32_t i = 0; i < generation->configuration_count; i++)
        if (generation->configurations[i].index == index &&
            generation->configurations[i].term == term)
            return; /* another copy of it */
    BW_ASSERT(raft_configuration_decode(encoded, &configuration) == 0);
    found = voters_of(&configuration);
    raft_configuration_close(&configuration);
    found.index = index;
    found.term = term;
    if (found.voter_count < VOTERS_LEAST && generation->voter_count_max >= VOTERS_LEAST)
        sim_fail(sim_world_of(witness), "members", "%s appends a configuration of %" PRIu32 " voters",
                 witness->name, found.voter_count);
    if (found.voter_count > generation->voter_count_max)
        generation->voter_count_max = found.voter_count;
    generation->configurations =
        realloc(generation->configurations,
                (generation->configuration_count + 1) * sizeof *generation->configurations);
    BW_ASSERT(generation->configurations != NULL);
    generation->configurations[generation->configuration_count++] = found;
    sim_count(sim_world_of(witness), "members:configuration");
}

void sim_check_configuration_committed(struct sim_process *witness)
{
    const struct raft *raft = sim_witness_raft(witness);
    struct sim_generation *generation =
        sim_generation_at(sim_world_of(witness), raft->configuration_committed_index);

    if (raft->configuration_committed_index <= generation->configuration_index)
        return;
    generation->configuration_index = raft->configuration_committed_index;
    generation->configuration_known_term = sim_witness_term(witness);
}

/* ---- commits ------------------------------------------------------------------------------------ */

static uint32_t count_on_disk(const struct sim_world *world,
                              const struct sim_configuration *configuration, uint64_t index,
                              uint64_t term, uint64_t entry_hash)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < configuration->voter_count; i++) {
        const struct sim_process *voter = sim_witness_of_id(world, configuration->voters[i]);

        count += voter != NULL && sim_check_is_on_disk(sim_witness_log(voter), index, term, entry_hash);
    }
    return count;
}

/* Of a configuration that may be in force: the newest that whoever applies it knows to be committed, or one that was
 * appended after that. */
void sim_check_committed_is_durable(struct sim_process *witness, uint64_t index, uint64_t term,
                                    uint64_t entry_hash)
{
    struct sim_world *world = sim_world_of(witness);
    const struct sim_generation *generation = sim_generation_at(world, index);
    const uint64_t from = sim_witness_raft(witness)->configuration_committed_index;

    for (uint32_t i = 0; i < generation->configuration_count; i++) {
        const struct sim_configuration *configuration = &generation->configurations[i];

        if (configuration->index >= from &&
            count_on_disk(world, configuration, index, term, entry_hash) >
                configuration->voter_count / 2)
            return;
    }
    sim_fail(world, "durable",
             "%s applies entry %" PRIu64 ", and it is on the disks of no majority", witness->name,
             index);
}

/* ---- votes -------------------------------------------------------------------------------------- */

void sim_check_vote_leaves(struct sim_process *witness, uint64_t term, uint64_t candidate)
{
    struct sim_generation *generation = sim_generation_of(witness);

    generation->votes[generation->vote_count++ % SIM_VOTES_MAX] =
        (struct sim_vote){.term = term,
                          .candidate = candidate,
                          .voter = sim_witness_id(witness),
                          .is_wiped = sim_witness_is_wiped(witness)};
}

static bool has_voted(const struct sim_generation *generation, uint64_t term, uint64_t candidate,
                      uint64_t voter)
{
    for (uint32_t i = 0; i < SIM_VOTES_MAX; i++) {
        const struct sim_vote *vote = &generation->votes[i];

        if (vote->term == term && vote->candidate == candidate && vote->voter == voter &&
            !vote->is_wiped)
            return true;
    }
    return false;
}

/* It is elected by a majority of the configuration that it has, of members with the directories that they came
 * with; and has every configuration that was committed in an earlier term. */
void sim_check_elected(struct sim_process *witness, uint64_t term)
{
    struct sim_world *world = sim_world_of(witness);
    const struct sim_generation *generation = sim_generation_of(witness);
    const struct raft *raft = sim_witness_raft(witness);
    const struct sim_configuration own = voters_of(&raft->configuration);
    const uint64_t self = sim_witness_id(witness);
    const uint64_t newest = raft->configuration_uncommitted_index != 0
                                ? raft->configuration_uncommitted_index
                                : raft->configuration_committed_index;
    uint32_t count = has_voter(&own, self) && !sim_witness_is_wiped(witness);

    for (uint32_t i = 0; i < own.voter_count; i++)
        count += own.voters[i] != self && has_voted(generation, term, self, own.voters[i]);
    if (count <= own.voter_count / 2)
        sim_fail(world, "members",
                 "%s leads term %" PRIu64 " by %" PRIu32 " votes of %" PRIu32
                 " that count: others were removed, or lost their directory",
                 witness->name, term, count, own.voter_count);
    if (generation->configuration_known_term <= term && newest < generation->configuration_index)
        sim_fail(world, "members",
                 "%s leads term %" PRIu64 " with the configuration of entry %" PRIu64
                 ", and that of entry %" PRIu64 " was committed",
                 witness->name, term, newest, generation->configuration_index);
}

/* ---- removed ------------------------------------------------------------------------------------ */

bool sim_check_is_past(const struct sim_world *world, uint64_t id)
{
    const struct sim_checks *checks = world->checks;

    for (uint32_t i = checks->past_count; i > 0; i--)
        if (checks->past[i - 1] == id)
            return true;
    return false;
}

void sim_check_roster(struct sim_process *witness, const struct bw_roster *applied)
{
    struct sim_world *world = sim_world_of(witness);
    struct sim_checks *checks = world->checks;
    const struct sim_generation *generation = sim_generation_of(witness);

    if (applied->id_max == 0)
        return;
    for (uint32_t i = 0; i < world->witness_count; i++) {
        const struct sim_process *other = world->witnesses[i];
        const uint64_t id = other->host->services == NULL ? 0 : sim_witness_id(other);

        if (id == 0 || !bw_roster_has_removed(applied, id) || sim_check_is_past(world, id))
            continue;
        checks->past = realloc(checks->past, (checks->past_count + 1) * sizeof *checks->past);
        BW_ASSERT(checks->past != NULL);
        checks->past[checks->past_count++] = id;
        for (uint32_t k = 0; k < generation->configuration_count; k++)
            if (generation->configurations[k].index == generation->configuration_index &&
                has_voter(&generation->configurations[k], id))
                sim_fail(world, "members", "%s takes witness %" PRIu64 " for removed, and it votes",
                         witness->name, id);
    }
}

void sim_check_removed(struct sim_process *witness)
{
    if (!sim_check_is_past(sim_world_of(witness), sim_witness_id(witness)))
        sim_fail(sim_world_of(witness), "members", "%s ends as one that was removed, and it was not",
                 witness->name);
}

/* ---- recovery ---- */

/* A cluster is begun anew from what one witness has left (3.9): each generation has a log of its
 * own, whose decisions nothing contradicts. */

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

/* ---- the feature level ---- */

/* Nobody reads what is above the feature level that it knows, and nothing of a level is said before
 * the level is raised (5.3). */

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

/* ---- wishes ---- */

/* A move that was told as asked for is so at each later leader until it is done,
 * taken back or has ended for a reason that the state has (4). */

void sim_check_wish_accepted(struct sim_process *witness, uint32_t group, uint64_t index)
{
    struct sim_checks *checks = sim_world_of(witness)->checks;
    const struct sim_generation *generation = sim_generation_of(witness);

    if (generation->generation < checks->wished_generation[group] ||
        (generation->generation == checks->wished_generation[group] &&
         index < checks->wished_index[group]))
        return; /* another was told meanwhile */
    checks->wished_generation[group] = generation->generation;
    checks->wished_index[group] = index;
}

void sim_check_wish_gone(struct sim_world *world, const char *group, uint64_t index)
{
    const int found = sim_group_find(world, group);

    if (found >= 0 && world->checks->wished_index[found] < index)
        world->checks->wished_index[found] = 0;
}

/* A force-release stands before it until it is over, too. */
static bool acts_on(const struct bw_watch *watch, const struct bw_wish *wish)
{
    return watch->wish.kind == BW_WISH_FORCE_RELEASE || wish->index == watch->wish.index;
}

static void look_at_wish(struct sim_process *witness, const struct bw_group *group,
                    const struct bw_watch *watch, uint64_t accepted_index)
{
    struct sim_world *world = sim_world_of(witness);
    const struct bw_wish *wish = bw_group_wish(group);
    const struct bw_wish_over *over = bw_group_wish_over(group);

    if (wish != NULL && !acts_on(watch, wish))
        sim_fail(world, "wish",
                 "%s leads, and does not act on the %s of %s that entry %" PRIu64 " asks for",
                 witness->name, bw_wish_word(wish->kind), group->spec.name, wish->index);
    if (accepted_index != 0 && (wish == NULL || wish->index < accepted_index) &&
        (over == NULL || over->index < accepted_index))
        sim_fail(world, "wish",
                 "%s leads, and knows nothing of the move of %s that was told as taken by entry "
                 "%" PRIu64,
                 witness->name, group->spec.name, accepted_index);
    if (wish != NULL)
        sim_count(world, "wish:outlives");
}

void sim_check_wishes_led(struct sim_process *witness, const struct bw_witness_machine *machine)
{
    const struct sim_world *world = sim_world_of(witness);
    const struct bw_cluster *cluster = &machine->cluster;

    for (uint32_t i = 0; i < cluster->group_count; i++) {
        const int group = sim_group_find(world, cluster->groups[i].spec.name);
        const bool is_accepted = group >= 0 &&
                                 world->checks->wished_generation[group] == cluster->generation;

        if (group >= 0)
            look_at_wish(witness, &cluster->groups[i], &machine->core.watches[i],
                    is_accepted ? world->checks->wished_index[group] : 0);
    }
}

/* ---- the log ---- */

/* What a committed command changes in its group, held against the command itself: the
 * conditions of design 3.1, counted here from the log and not by the machine's table. */

void sim_group_keep(const struct bw_cluster *cluster, const char *group,
                    struct sim_group_before *out_before)
{
    const int group_index = bw_cluster_find(cluster, group);

    *out_before = (struct sim_group_before){.is_there = group_index >= 0};
    if (group_index < 0)
        return;
    out_before->epoch = out_before->named_epoch = cluster->groups[group_index].epoch;
    for (uint32_t i = 0; i < cluster->groups[group_index].claim_count; i++)
        out_before->named_epoch = bw_max(out_before->named_epoch, cluster->groups[group_index].claims[i].named_epoch);
    out_before->spec_version = cluster->groups[group_index].spec_version;
    out_before->is_open = cluster->groups[group_index].phase != BW_PHASE_VACANT;
}

static bool compares_epoch(enum bw_command_kind kind)
{
    switch (kind) {
    case BW_COMMAND_REVOKE:
    case BW_COMMAND_UNREVOKE:
    case BW_COMMAND_CLOSE:
    case BW_COMMAND_FENCE_FAILED:
    case BW_COMMAND_RELEASED:
    case BW_COMMAND_EXPIRED:
    case BW_COMMAND_ADOPTED:
    case BW_COMMAND_FENCED:
    case BW_COMMAND_FORCED:
    case BW_COMMAND_BOOT:
    case BW_COMMAND_PASSED:
    case BW_COMMAND_REACH:
        return true;
    default: /* the others are about no epoch, or about the next one */
        return false;
    }
}

static bool compares_version(enum bw_command_kind kind)
{
    return kind == BW_COMMAND_GRANT || kind == BW_COMMAND_REVOKE || kind == BW_COMMAND_UNREVOKE;
}

/* Only Released, Fenced, Forced and a let-go end what is held. */
static void look_at_hold(struct sim_process *witness, int group, const struct bw_command *command,
                         const struct sim_group_before *before)
{
    struct sim_checks *checks = sim_world_of(witness)->checks;

    if (command->kind == BW_COMMAND_FENCE_FAILED)
        checks->held_epoch[group] = before->epoch;
    if (command->kind == BW_COMMAND_EXPIRED && checks->held_epoch[group] == before->epoch)
        sim_fail(sim_world_of(witness), "log",
                 "%s: epoch %" PRIu64 " of %s is held, and ends by time", witness->name,
                 before->epoch, command->group);
}

static void note_point(struct sim_checks *checks, int group, const struct bw_command *command)
{
    if (command->kind == BW_COMMAND_GRANT && command->epoch > checks->ahead_epoch[group] &&
        command->terms.no_return == BW_NO_RETURN_AHEAD)
        checks->ahead_epoch[group] = command->epoch;
    if (command->kind == BW_COMMAND_PASSED && command->epoch > checks->passed_epoch[group])
        checks->passed_epoch[group] = command->epoch;
}

void sim_check_took_effect(struct sim_process *witness, const struct bw_command *command,
                           const struct sim_group_before *before)
{
    struct sim_world *world = sim_world_of(witness);
    const int group = sim_group_find(world, command->group);

    if (!before->is_there || group < 0)
        return;
    if ((compares_epoch(command->kind) && (command->epoch != before->epoch || !before->is_open)) ||
        (command->kind == BW_COMMAND_GRANT && command->epoch != before->named_epoch + 1))
        sim_fail(world, "log", "%s: a %s of epoch %" PRIu64 " changes %s in its epoch %" PRIu64,
                 witness->name, bw_command_word(command->kind), command->epoch, command->group,
                 before->epoch);
    if (compares_version(command->kind) && command->spec_version != before->spec_version)
        sim_fail(world, "log",
                 "%s: a %s decided under version %" PRIu64
                 " of the spec changes %s in version %" PRIu64,
                 witness->name, bw_command_word(command->kind), command->spec_version,
                 command->group, before->spec_version);
    sim_check_ahead_took_effect(witness, (uint32_t)group, command);
    look_at_hold(witness, group, command, before);
    note_point(world->checks, group, command);
}
