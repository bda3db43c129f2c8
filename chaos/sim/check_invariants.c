/* check_invariants.c - looks at the services themselves, in true time, not at what anybody says of them. */
#include "check_invariants.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <raft.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/consensus/fsm.h>
#include <breakwater/wire/snapshot.h>

#include "check.h"
#include "check_cluster.h"
#include "check_durable.h"
#include "check_lease.h"
#include "check_site.h"
#include "checks_own.h"
#include "guard.h"
#include "site.h"
#include "witness.h"

/* ---- I1 ---- */

static uint32_t serving_sites(struct sim_world *world, uint32_t group)
{
    uint32_t sites = 0;

    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if (sim_service_is_serving(sim_site(world, site), group))
            sites |= 1u << site;
    return sites;
}

static void count_override(struct sim_world *world, uint32_t group, uint32_t sites)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if ((sites >> site & 1) != 0 && sim_check_override_excuses(world, site, group))
            sim_count(world, "override:overlap");
}

/* A person has started it where its guard was told to let go: nobody ends it until a quorum has it
 * enforced again (3.9). Or where an agent that was made anew obeys the lost ones, which its guard
 * does not (3.8). */
static bool is_left_to_people(struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_host *host = sim_site(world, site);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(host, group, &memory, &mirror);
    return sim_service_is_by_hand(host, group) &&
           (!memory.enforced || sim_check_obeys_older_than_guard(world, site));
}

/* Its guard is at it, and the script fails: what has begun outside of what is promised may last as long as that. */
static bool is_being_ended(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct bw_guard *guard = sim_guard_machine(world->guards[site], group);

    return guard != NULL && guard->fence != BW_FENCE_NONE && guard->fence != BW_FENCE_DONE;
}

/* Of two that serve one may be outside of what is promised: then it proves nothing. Nor do two that
 * people have started: where nothing was granted yet, breakwater leaves both alone (3.8, 3.9). */
static bool is_excused(struct sim_world *world, uint32_t group, uint32_t sites, bool is_new)
{
    uint32_t others = 0, starts = 0;

    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if ((sites >> site & 1) != 0) {
            others += !sim_checks_is_lapse_excused(world, site, group) &&
                      !sim_check_override_excuses(world, site, group) &&
                      !is_left_to_people(world, site, group) &&
                      (is_new || !is_being_ended(world, site, group));
            starts += !sim_service_is_by_hand(sim_site(world, site), group);
        }
    return others <= 1 || starts == 0;
}

static void fail(struct sim_world *world, uint32_t group, uint32_t sites)
{
    char text[SIM_SITES_MAX][200];

    for (uint32_t site = 0; site < SIM_SITES_MAX; site++) {
        text[site][0] = '\0';
        if (site < sim_machine_count(world) && (sites >> site & 1) != 0)
            sim_site_describe(sim_site(world, site), group, text[site], sizeof text[site]);
    }
    sim_fail(world, "I1", "%s is served twice: %s %s %s %s", world->group_names[group], text[0],
             text[1], text[2], text[3]);
}

void sim_check_overrules(struct sim_world *world, uint32_t group, uint32_t sites)
{
    world->checks->overruled_serving[group] |= sites & serving_sites(world, group);
}

/* What has come up where nobody had heard yet; what has ended is the past. */
static void keep_overruled(struct sim_world *world, uint32_t group, uint32_t sites)
{
    struct sim_checks *checks = world->checks;

    checks->overruled_serving[group] &= sites;
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if (sim_checks_is_outdated(checks, site, group))
            sim_check_overrules(world, group, 1u << site);
}

/* What is acknowledged there is nobody's promise (check_site.c). */
static void note_lapsed(struct sim_world *world, uint32_t group, uint32_t sites)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if ((sites >> site & 1) != 0 && sim_checks_is_lapse_excused(world, site, group))
            world->checks->by_hand_since[group] = true;
}

/* Of which sites serve, for whoever asks later. */
static void note_change(struct sim_world *world, uint32_t group, uint32_t sites)
{
    struct sim_checks *checks = world->checks;

    keep_overruled(world, group, sites);
    checks->serving[group] = sites;
    checks->serving_changed_ns[group] = world->now_ns;
    sim_mix(world, sites);
    note_lapsed(world, group, sites);
}

/* What began outside of what is promised is ended within that, once nothing excuses it any more: somebody has to find
 * out first, at each of them. */
static void keep_excused(struct sim_world *world, uint32_t group, uint32_t sites)
{
    uint64_t until_ns = 0;

    for (uint32_t site = 0; site < sim_machine_count(world); site++) {
        const uint64_t found_out_ns = sim_checks_found_out_ns(world, site);

        if ((sites >> site & 1) != 0 && found_out_ns > until_ns)
            until_ns = found_out_ns;
    }
    world->checks->overlap_ends_ns[group] = until_ns;
}

static void note_overlap(struct sim_world *world, uint32_t group, uint32_t sites)
{
    count_override(world, group, sites);
    world->checks->tally.overlaps_outside++;
    world->checks->by_hand_since[group] = true;
}

void sim_check_i1(struct sim_world *world)
{
    struct sim_checks *checks = world->checks;

    checks->is_served_twice = false;
    for (uint32_t group = 0; group < world->setting.group_count; group++) {
        const uint32_t sites = serving_sites(world, group);
        const bool is_new = sites != checks->serving[group];
        const bool has_joined = (sites & ~checks->serving[group]) != 0;

        if (is_new)
            note_change(world, group, sites);
        if ((sites & (sites - 1)) == 0)
            continue;
        checks->is_served_twice = true;
        if (is_excused(world, group, sites, has_joined)) {
            keep_excused(world, group, sites);
            if (is_new)
                note_overlap(world, group, sites);
        } else if (has_joined || world->now_ns > checks->overlap_ends_ns[group]) {
            fail(world, group, sites);
        }
    }
}

/* ---- I2 ---- */

/* The epochs of starts, and of every witness's replicated state. */

void sim_check_start_begun(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch)
{
    struct sim_checks *checks = world->checks;
    const char *name = sim_site(world, site)->name;
    char *started_at = checks->started_at[group];
    const uint64_t highest = checks->started_epoch[group];

    checks->tally.starts++;
    sim_check_restarts(world, group, site, epoch);
    sim_check_lease_start(world, group, site, epoch);
    if (sim_check_overrides(world, site, group)) /* 3.8: the epoch of a manual lease may be another site's */
        return;
    if (epoch > highest) {
        checks->started_epoch[group] = epoch;
        (void)bw_copy_text(started_at, sizeof checks->started_at[group], name);
        return;
    }
    /* A clone may start again what its original held (3.5). */
    if (sim_checks_is_excused(world, site, group) || (epoch == highest && strcmp(name, started_at) == 0))
        return;
    sim_fail(world, "I2",
             "%s starts %s under epoch %" PRIu64 " after a start of epoch %" PRIu64 " at %s", name,
             world->group_names[group], epoch, highest, started_at);
}

#define COPYS_WORD_NS (60 * SIM_S) /* in which its give-back is taken: a lease and more */

/* The origin's final position is that of its copy, which gave the epoch back, and has what was
 * there when it was copied (3.5, 3.8). */
static bool is_position_of_a_copy(struct sim_world *world, const struct bw_last_end *end)
{
    const struct sim_checks *checks = world->checks;

    return end->reason == BW_REASON_REBOOT && checks->cloned_until_ns != 0 &&
           world->now_ns < checks->cloned_until_ns + COPYS_WORD_NS &&
           strcmp(end->site, sim_site(world, checks->cloned_site)->name) == 0;
}

/* A grant that nobody has seen before. */
static void note_grant(struct sim_world *world, uint32_t group, const struct bw_group *found)
{
    struct sim_checks *checks = world->checks;
    char *newest = checks->newest_site[group];

    if (found->phase != BW_PHASE_GRANTED || found->epoch <= checks->newest_epoch[group])
        return;
    checks->newest_epoch[group] = found->epoch;
    checks->tally.grants++;
    /* What a start that failed has acknowledged is lost with its rollback (3.6); what a person has
     * started after the last position was given was never promised. */
    if (!checks->by_hand_since[group] && bw_group_history_at(found, 0)->planned &&
        bw_group_history_at(found, 0)->why_granted != BW_REASON_ROLLBACK &&
        !is_position_of_a_copy(world, &found->last_end))
        checks->planned_epoch[group] = found->epoch;
    checks->by_hand_since[group] = false;
    if (newest[0] != '\0' && strcmp(newest, found->holder_site) != 0)
        checks->tally.failovers++;
    (void)bw_copy_text(newest, sizeof checks->newest_site[group], found->holder_site);
}

void sim_check_i2_states(struct sim_world *world, uint32_t witness)
{
    struct sim_checks *checks = world->checks;
    struct sim_process *process = world->witnesses[witness];
    const struct bw_cluster *cluster = sim_witness_cluster(process);

    if (checks->epoch_life[witness] != process->life) {
        checks->epoch_life[witness] = process->life;
        memset(checks->epoch_seen[witness], 0, sizeof checks->epoch_seen[witness]);
    }
    for (uint32_t group = 0; cluster != NULL && group < world->setting.group_count; group++) {
        const int group_index = bw_cluster_find(cluster, world->group_names[group]);
        const struct bw_group *found = group_index < 0 ? NULL : &cluster->groups[group_index];

        if (found == NULL)
            continue;
        if (!bw_group_is_sound(found))
            sim_fail(world, "I2", "%s: the state of %s is not sound", process->name,
                     world->group_names[group]);
        if (found->epoch < checks->epoch_seen[witness][group])
            sim_fail(world, "I2", "%s: the epoch of %s went back from %" PRIu64 " to %" PRIu64,
                     process->name, world->group_names[group],
                     checks->epoch_seen[witness][group], found->epoch);
        checks->epoch_seen[witness][group] = found->epoch;
        note_grant(world, group, found);
        sim_check_data_site(world, group, found);
    }
}

/* ---- I3 ---- */

/* The log as the witnesses have applied it, and what they have promised of it. */

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

/* ---- ended ---- */

/* The other half of I1: in the instant in which the end of an epoch is first applied
 * anywhere (confirmed, fenced, expired: design 3.1), its site serves no more. What starts elsewhere
 * may begin from then on; that it takes a while there is luck, and hides what went wrong. So do
 * fences, which are early: an epoch that has expired has no lease left either (3.3). */

/* A forced end is a person's word; a let-go leaves the service alone, and so does an adoption that
 * never came to be: the first-grant rules then apply again (3.1, 3.9). */
static bool is_safe_end(const struct bw_group *group)
{
    return !group->first_grant && (group->last_end.grade == BW_GRADE_CONFIRMED ||
                                   group->last_end.grade == BW_GRADE_FENCED ||
                                   group->last_end.grade == BW_GRADE_EXPIRED);
}

/* Started by a person at a site whose guard has not armed that epoch: not by what was granted (3.8). */
static bool is_somebodys(const struct sim_host *host, uint32_t group, uint64_t epoch)
{
    const struct bw_guard *guard = sim_guard_machine(host->world->guards[host->number], group);

    return sim_service_is_by_hand(host, group) && guard != NULL &&
           guard->mirror.armed_epoch != epoch && guard->memory.ended_epoch < epoch;
}

static bool was_cloned(const struct sim_world *world, uint32_t site)
{
    return world->checks->cloned_until_ns != 0 && world->checks->cloned_site == site;
}

/* What a copy has given back of an epoch ends it by time, though its service is outside: a machine that is
 * there twice is beyond what is promised (3.8). */
static bool is_a_copys_word(const struct sim_world *world, uint32_t site, uint32_t group,
                            const struct bw_last_end *end)
{
    return end->reason == BW_REASON_REBOOT && was_cloned(world, site) &&
           sim_service_is_outside(sim_site((struct sim_world *)(uintptr_t)world, site), group);
}

/* That a KILL fails explains an end by time, which nobody could prevent; never one that was seen. What another
 * boot gives back, a copy's too, is believed once no lease of this one can live: by time (3.5). */
static bool is_beyond(struct sim_world *world, uint32_t site, uint32_t group,
                      const struct bw_last_end *end)
{
    const bool is_by_time = end->grade == BW_GRADE_EXPIRED || end->reason == BW_REASON_REBOOT ||
                            (end->reason == BW_REASON_NEVER_STARTED && was_cloned(world, site));

    return is_by_time ? sim_checks_is_lapse_excused(world, site, group)
                      : sim_checks_is_excused(world, site, group);
}

/* The epoch was held by a copy of the machine, or it is what the copy has left behind: both go by one name. */
static bool is_of_its_copy(const struct sim_world *world, uint32_t site, uint32_t group,
                           const struct bw_last_end *end)
{
    return was_cloned(world, site) &&
           sim_service_epoch(sim_site((struct sim_world *)(uintptr_t)world, site), group) < end->epoch;
}

/* Who ends it is left behind by a recovery, and what is served was started under an epoch of that
 * (3.9); or by an override, whose start is ordered only once this one is over there, and an epoch
 * of that has adopted it since (3.8). */
static bool is_of_later_generation(struct sim_world *world, uint32_t site, uint32_t group,
                                   const struct bw_cluster *cluster, uint64_t epoch)
{
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    if (cluster->generation >= world->generation)
        return false;
    if (world->setting.has_second_enforcer && /* it may have outlived what was armed */
        sim_service_epoch(sim_site(world, site), group) > epoch)
        return true;
    sim_check_read_guard(sim_site(world, site), group, &memory, &mirror);
    return mirror.armed_epoch > epoch && (sim_service_epoch(sim_site(world, site), group) > epoch ||
                                          sim_service_is_of_override(sim_site(world, site), group));
}

/* It was ended there before somebody overrode: what serves is his (3.8). */
static bool is_before_override(const struct sim_world *world, uint32_t site, uint32_t group,
                               uint64_t epoch)
{
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(sim_site((struct sim_world *)(uintptr_t)world, site), group, &memory,
                         &mirror);
    return sim_check_overrides(world, site, group) &&
           (memory.ended_epoch >= epoch || mirror.armed_serial != 0 || mirror.armed_epoch < epoch);
}

static void look(struct sim_world *world, uint32_t group, const struct bw_cluster *cluster,
                 const struct bw_group *found)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++) {
        struct sim_host *host = sim_site(world, site);
        char text[200];

        if (strcmp(host->name, found->last_end.site) != 0 ||
            !sim_service_is_serving(host, group) ||
            is_of_later_generation(world, site, group, cluster, found->last_end.epoch))
            continue;
        if (is_a_copys_word(world, site, group, &found->last_end) ||
            is_of_its_copy(world, site, group, &found->last_end))
            sim_service_note_twice(host, group);
        if (is_before_override(world, site, group, found->last_end.epoch))
            continue;
        if (is_beyond(world, site, group, &found->last_end) ||
            is_somebodys(host, group, found->last_end.epoch)) {
            world->checks->tally.overlaps_outside++;
            continue;
        }
        sim_site_describe(host, group, text, sizeof text);
        sim_fail(world, "I1", "epoch %" PRIu64 " of %s has ended (%s), and is served: %s",
                 found->last_end.epoch, world->group_names[group],
                 bw_grade_word(found->last_end.grade), text);
    }
}

/* Where the guard acts by it, and where it should: a lease ends with either clock (1), compared here
 * apart from the function whose faults are looked for. */
static bool lives(const struct bw_guard *guard, uint64_t epoch, struct bw_instant now)
{
    const struct bw_instant end = guard == NULL ? now : guard->mirror.armed_end;

    if (guard == NULL || guard->mirror.armed_epoch != epoch || guard->mirror.armed_serial != 0 ||
        guard->memory.ended_epoch >= epoch)
        return false;
    return !bw_instant_right_is_over(now, end) ||
           (now.boot_ns < end.boot_ns && now.raw_ns < end.raw_ns);
}

static void look_at_lease(struct sim_world *world, uint32_t group, const struct bw_group *found)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++) {
        const struct sim_host *host = sim_site(world, site);
        const struct bw_guard *guard = sim_guard_machine(world->guards[site], group);
        char text[200];

        if (strcmp(host->name, found->last_end.site) != 0 ||
            sim_checks_is_excused(world, site, group) ||
            !lives(guard, found->last_end.epoch, sim_clock_now(host)))
            continue;
        sim_site_describe(host, group, text, sizeof text);
        sim_fail(world, "I1", "epoch %" PRIu64 " of %s has ended (%s), and its lease lives: %s",
                 found->last_end.epoch, world->group_names[group],
                 bw_grade_word(found->last_end.grade), text);
    }
}

void sim_check_ended(struct sim_world *world, uint32_t witness)
{
    const struct bw_cluster *cluster = sim_witness_cluster(world->witnesses[witness]);

    for (uint32_t group = 0; cluster != NULL && group < world->setting.group_count; group++) {
        const int group_index = bw_cluster_find(cluster, world->group_names[group]);
        const struct bw_group *found = group_index < 0 ? NULL : &cluster->groups[group_index];
        uint64_t *ended_epoch = &world->checks->ended_epoch[group];

        if (found != NULL)
            sim_check_remote_closed(world, group, found);

        /* A recovery says of an epoch that it lets nobody renew it, and no more: the first grant waits (3.9). */
        if (found == NULL || found->last_end.epoch <= *ended_epoch ||
            found->last_end.reason == BW_REASON_RECOVERED)
            continue;
        *ended_epoch = found->last_end.epoch;
        if (is_safe_end(found))
            look(world, group, cluster, found);
        if (found->last_end.grade == BW_GRADE_EXPIRED || found->last_end.grade == BW_GRADE_FORCED ||
            found->last_end.grade == BW_GRADE_FENCED)
            look_at_lease(world, group, found); /* whatever a person vouches for (3.1) */
        if (found->last_end.grade == BW_GRADE_FENCED)
            sim_check_remote_fenced(world, group, found->last_end.epoch);
        if (found->last_end.grade == BW_GRADE_EXPIRED)
            sim_check_expired(world, cluster->generation, group, found->last_end.epoch);
    }
}
