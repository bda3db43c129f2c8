/* check_i3.c - the log as the witnesses have applied it, and what they have promised of it. */
#include "check_i3.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <raft.h>

#include <breakwater/base/assert.h>
#include <breakwater/consensus/fsm.h>
#include <breakwater/wire/snapshot.h>

#include "check.h"
#include "check_durable.h"
#include "check_lease.h"
#include "check_recovery.h"
#include "checks_own.h"
#include "witness.h"

/* Of the entry that these bytes are in, as disks have it. */
static uint64_t entry_hash_of(uint64_t term, const void *bytes, size_t size)
{
    struct raft_buffer entry;
    uint64_t hash;

    BW_ASSERT(bw_fsm_encode(term, bytes, size, &entry) == BW_OK);
    hash = sim_check_hash(entry.base, entry.len);
    raft_free(entry.base);
    return hash;
}

/* Doubles it until place `at` is there; what is new is zero. */
static void *grow(void *array, uint64_t *capacity, uint64_t at, size_t size)
{
    uint64_t wanted = *capacity == 0 ? 1024 : *capacity;
    uint8_t *grown = array;

    while (wanted <= at)
        wanted *= 2;
    if (wanted == *capacity)
        return array;
    grown = realloc(array, wanted * size);
    BW_ASSERT(grown != NULL);
    memset(grown + *capacity * size, 0, (wanted - *capacity) * size);
    *capacity = wanted;
    return grown;
}

/* A command that another witness has applied is one for all: what lies between two that are applied one
 * after the other are barriers. So a lost entry is seen even where its place was taken by one. */
static void must_skip_nothing(struct sim_process *witness, uint64_t from, uint64_t to,
                              uint64_t term_max)
{
    struct sim_world *world = sim_world_of(witness);
    const struct sim_generation *generation = sim_generation_at(world, to);
    const uint64_t first = (from > generation->index ? from : generation->index) + 1;

    for (uint64_t i = first; i < to && i - generation->index < generation->committed_capacity; i++)
        if (sim_committed_at(generation, i)->hash != 0 &&
            sim_committed_at(generation, i)->term <= term_max)
            sim_fail(world, "I3", "%s is past entry %" PRIu64 " without it, which was applied before",
                     witness->name, i);
}

void sim_check_applied(struct sim_process *witness, uint64_t index, uint64_t term,
                       const void *bytes, size_t size)
{
    struct sim_world *world = sim_world_of(witness);
    struct sim_checks *checks = world->checks;
    const uint32_t number = witness->host->number;
    const uint64_t hash = sim_check_hash(bytes, size);
    struct sim_generation *generation = sim_generation_at(world, index);
    struct sim_committed *known;

    generation->committed = grow(generation->committed, &generation->committed_capacity,
                                 index - generation->index, sizeof *generation->committed);
    known = sim_committed_at(generation, index);
    if (known->hash == 0) {
        *known = (struct sim_committed){.hash = hash,
                                        .term = term,
                                        .entry_hash = entry_hash_of(term, bytes, size),
                                        .known_term = sim_witness_term(witness)};
        checks->tally.committed++;
        sim_mix(world, hash);
        sim_check_committed_is_durable(witness, index, term, known->entry_hash);
    } else if (known->hash != hash || known->term != term) {
        sim_fail(world, "I3", "%s applies another entry %" PRIu64 " than a witness before it",
                 witness->name, index);
    }
    if (index <= checks->applied_index[number])
        sim_fail(world, "I3", "%s applies entry %" PRIu64 " after %" PRIu64, witness->name, index,
                 checks->applied_index[number]);
    must_skip_nothing(witness, checks->applied_index[number], index, UINT64_MAX);
    checks->applied_index[number] = index;
    if (index > generation->committed_max)
        generation->committed_max = index;
    checks->applied_by |= 1u << number;
}

void sim_check_restored(struct sim_process *witness, uint64_t index)
{
    sim_world_of(witness)->checks->applied_index[witness->host->number] = index;
}

void sim_check_acknowledged(struct sim_process *witness, uint64_t index, const void *bytes,
                            size_t size)
{
    struct sim_generation *generation = sim_generation_at(sim_world_of(witness), index);
    struct sim_acknowledged *acknowledged;

    generation->acknowledged =
        grow(generation->acknowledged, &generation->acknowledged_capacity,
             generation->acknowledged_count, sizeof *generation->acknowledged);
    acknowledged = &generation->acknowledged[generation->acknowledged_count++];
    *acknowledged = (struct sim_acknowledged){.index = index, .hash = sim_check_hash(bytes, size)};
    sim_world_of(witness)->checks->tally.acknowledged++;
}

void sim_check_leader(struct sim_process *witness, uint64_t term)
{
    struct sim_world *world = sim_world_of(witness);
    struct sim_generation *generation = sim_generation_of(witness);
    const uint64_t us = sim_witness_id(witness);

    if (generation->generation < world->generation)
        sim_count(world, "left_behind:leads");
    sim_check_lease_leader(witness, term);
    generation->leaders =
        grow(generation->leaders, &generation->leaders_capacity, term, sizeof *generation->leaders);
    if (generation->leaders[term] == 0)
        world->checks->tally.elections++;
    else if (generation->leaders[term] != us)
        sim_fail(world, "I3", "term %" PRIu64 " has two leaders, witness %" PRIu64 " and %s", term,
                 generation->leaders[term], witness->name);
    generation->leaders[term] = us;
    sim_check_elected(witness, term);
}

/* Of its own term or an earlier one it has everything: what is younger a newer leader has made, of whom
 * this one has not heard. */
void sim_check_ready_to_lead(struct sim_process *witness, uint64_t term)
{
    const struct sim_checks *checks = sim_world_of(witness)->checks;

    must_skip_nothing(witness, checks->applied_index[witness->host->number],
                      sim_generation_of(witness)->committed_max + 1, term);
}

/* Equal logs make equal states. */
static void compare_states(struct sim_world *world, uint32_t a, uint32_t b)
{
    const struct bw_cluster *one = sim_witness_cluster(world->witnesses[a]);
    const struct bw_cluster *two = sim_witness_cluster(world->witnesses[b]);
    struct bw_diag diag = {0};
    size_t sizes[2] = {0};
    uint8_t *bytes[2];
    bool is_same;

    if (one == NULL || two == NULL || one->applied_index != two->applied_index)
        return;
    if (bw_snapshot_encode(one, NULL, 0, &sizes[0], &diag) != BW_OK ||
        bw_snapshot_encode(two, NULL, 0, &sizes[1], &diag) != BW_OK) {
        sim_fail(world, "I3", "a state cannot be written: %s", diag.text);
        return;
    }
    bytes[0] = malloc(sizes[0] + 1);
    bytes[1] = malloc(sizes[1] + 1);
    BW_ASSERT(bytes[0] != NULL && bytes[1] != NULL);
    is_same = sizes[0] == sizes[1] &&
              bw_snapshot_encode(one, bytes[0], sizes[0], &sizes[0], &diag) == BW_OK &&
              bw_snapshot_encode(two, bytes[1], sizes[1], &sizes[1], &diag) == BW_OK &&
              memcmp(bytes[0], bytes[1], sizes[0]) == 0;
    free(bytes[0]);
    free(bytes[1]);
    if (!is_same)
        sim_fail(world, "I3", "w%u and w%u differ after the same %" PRIu64 " entries", a + 1,
                 b + 1, one->applied_index);
}

static void look_at_acknowledged(struct sim_world *world, const struct sim_generation *generation)
{
    for (uint64_t i = 0; i < generation->acknowledged_count; i++) {
        const struct sim_acknowledged *acknowledged = &generation->acknowledged[i];

        if (acknowledged->index - generation->index >= generation->committed_capacity ||
            sim_committed_at(generation, acknowledged->index)->hash != acknowledged->hash)
            sim_fail(world, "I3", "entry %" PRIu64 " was acknowledged and is lost or another one",
                     acknowledged->index);
    }
}

void sim_check_i3_at_end(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->checks->generation_count; i++)
        look_at_acknowledged(world, world->checks->generations[i]);
    for (uint32_t a = 0; a < world->witness_count; a++)
        for (uint32_t b = a + 1; b < world->witness_count; b++)
            compare_states(world, a, b);
}

void sim_check_i3_free(struct sim_checks *checks)
{
    for (uint32_t i = 0; i < checks->generation_count; i++) {
        struct sim_generation *generation = checks->generations[i];

        free(generation->committed);
        free(generation->acknowledged);
        free(generation->leaders);
        free(generation->configurations);
        free(generation);
    }
    free(checks->past);
}
