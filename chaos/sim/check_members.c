/* check_members.c - no committed decision of any generation of members is contradicted, and nobody helps to decide
 * who was removed or has lost its directory (3.9): whom each configuration has, seen where it is appended, and who
 * has voted, seen where the vote leaves. */
#include "check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <raft.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/members.h>

#include "check_durable.h"
#include "checks_own.h"
#include "raft_disk.h"
#include "witness.h"

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
