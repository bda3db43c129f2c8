/* coverage.c - counts by name. */
#include "coverage.h"

#include <stdbool.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#include "world.h"

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261u;

    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    return hash;
}

/* Its place, or the free one that it would take. */
static uint32_t place_of(const struct sim_coverage *coverage, const char *name)
{
    uint32_t at = hash_of(name);

    for (uint32_t tries = 0; tries < SIM_COVERAGE_MAX; tries++, at++) {
        const char *there = coverage->entries[at % SIM_COVERAGE_MAX].name;

        if (there[0] == '\0' || strcmp(there, name) == 0)
            return at % SIM_COVERAGE_MAX;
    }
    BW_ASSERT(false); /* names are those of tables: they fit */
    return 0;
}

void sim_coverage_add(struct sim_coverage *coverage, const char *name, uint64_t count)
{
    struct sim_coverage_entry *entry;

    if (name == NULL || name[0] == '\0')
        return;
    entry = &coverage->entries[place_of(coverage, name)];
    if (entry->name[0] == '\0')
        BW_ASSERT(bw_copy_text(entry->name, sizeof entry->name, name));
    entry->count += count;
}

uint64_t sim_coverage_get(const struct sim_coverage *coverage, const char *name)
{
    return coverage->entries[place_of(coverage, name)].count;
}

void sim_count(struct sim_world *world, const char *name)
{
    sim_coverage_add(world->coverage, name, 1);
}
