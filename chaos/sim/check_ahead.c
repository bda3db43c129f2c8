/* check_ahead.c - a directory goes back in time, and what was decided since is lost. Here it is known what that was, and
 * what each leader has heard of it: it commits a claim before anything else, nobody is granted beside one, only a person
 * ends it, and the next epoch is above what it names (3.9). What the log of before had said is forgotten here too. */
#include "check_ahead.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/limits.h>
#include <breakwater/core/cluster.h>
#include <breakwater/core/sync.h>

#include "check_durable.h"
#include "checks.h"
#include "checks_own.h"
#include "coverage.h"
#include "witness.h"

#define PROOFS 3 /* barriers that have committed since: then so has a claim that was submitted before the last of them */

/* A report that names what its receiver lacks. */
struct heard {
    uint32_t life; /* of the witness */
    uint64_t term, proved, epoch;
    uint64_t granted; /* the epoch of a grant that it has proposed nevertheless; 0: none */
};

struct sim_ahead {
    struct sim_checks before; /* as the directory was copied; what it points to is not to be looked at */
    uint64_t generation, index, term, configuration_index;
    struct sim_lease given[SIM_GROUPS_MAX];
    bool is_back;
    uint64_t lost_epoch[SIM_GROUPS_MAX]; /* the newest that was granted by then; those of `before` are not lost */
    uint64_t lost_index;
    bool is_unheard[SIM_GROUPS_MAX];
    uint64_t replaced_epoch[SIM_GROUPS_MAX]; /* the newest lost one that another has taken the place of */
    uint64_t silent_until_ns[SIM_SITES_MAX][SIM_GROUPS_MAX];
    struct heard heard[SIM_WITNESSES_MAX][SIM_GROUPS_MAX][SIM_SITES_MAX];
};

/* ---- what is lost -------------------------------------------------------------------------------- */

void sim_check_ahead_free(struct sim_checks *checks)
{
    free(checks->ahead);
    checks->ahead = NULL;
}

static struct sim_generation *newest(const struct sim_checks *checks)
{
    return checks->generations[checks->generation_count - 1];
}

void sim_check_copies(struct sim_world *world, uint64_t term)
{
    struct sim_checks *checks = world->checks;
    const struct sim_generation *generation = newest(checks);
    struct sim_ahead *ahead = calloc(1, sizeof *ahead);

    BW_ASSERT(ahead != NULL);
    sim_check_ahead_free(checks);
    ahead->before = *checks;
    ahead->generation = generation->generation;
    ahead->index = generation->committed_max;
    ahead->configuration_index = generation->configuration_index;
    ahead->term = term;
    memcpy(ahead->given, generation->given, sizeof ahead->given);
    checks->ahead = ahead;
}

static void forget_entries(struct sim_generation *generation, const struct sim_ahead *ahead)
{
    uint64_t kept = 0;

    for (uint64_t i = ahead->index + 1; i <= generation->committed_max; i++)
        *sim_committed_at(generation, i) = (struct sim_committed){.hash = 0};
    generation->committed_max = ahead->index;
    generation->applied_index = bw_min(generation->applied_index, ahead->index);
    for (uint64_t i = 0; i < generation->acknowledged_count; i++)
        if (generation->acknowledged[i].index <= ahead->index)
            generation->acknowledged[kept++] = generation->acknowledged[i];
    generation->acknowledged_count = kept;
    for (uint64_t term = ahead->term + 1; term < generation->leaders_capacity; term++)
        generation->leaders[term] = 0;
    generation->newest_term = bw_min(generation->newest_term, ahead->term);
}

/* The state's word on this group. */
static void forget_group(struct sim_checks *checks, const struct sim_ahead *ahead, uint32_t group)
{
    const struct sim_checks *before = &ahead->before;
    struct sim_generation *generation = newest(checks);

    if (generation->given[group].epoch != ahead->given[group].epoch)
        generation->given[group] = ahead->given[group];
    checks->expired_epoch[group] = before->expired_epoch[group];
    checks->ended_epoch[group] = before->ended_epoch[group];
    checks->closed_epoch[group] = before->closed_epoch[group];
    checks->remote_seen[group] = before->remote_seen[group];
    checks->remote_unclosed[group] = before->remote_unclosed[group];
    checks->spec_version[group] = before->spec_version[group];
    checks->spec_changed_ns[group] = before->spec_changed_ns[group];
    checks->held_epoch[group] = before->held_epoch[group];
    checks->wished_index[group] = before->wished_index[group];
    checks->wished_generation[group] = before->wished_generation[group];
    checks->newest_epoch[group] = before->newest_epoch[group];
    checks->ahead_epoch[group] = before->ahead_epoch[group];
    checks->passed_epoch[group] = before->passed_epoch[group];
    checks->planned_epoch[group] = before->planned_epoch[group];
    memcpy(checks->newest_site[group], before->newest_site[group], sizeof checks->newest_site[group]);
    checks->by_hand_since[group] = true; /* what was acknowledged under a lost epoch nobody knows of */
}

static bool is_lost_epoch(const struct sim_ahead *ahead, uint32_t group, uint64_t epoch)
{
    return epoch > ahead->before.newest_epoch[group] && epoch <= ahead->lost_epoch[group];
}

bool sim_check_goes_back(struct sim_world *world)
{
    struct sim_checks *checks = world->checks;
    struct sim_ahead *ahead = checks->ahead;
    struct sim_generation *generation = newest(checks);

    if (generation->generation != ahead->generation || generation->configuration_index != ahead->configuration_index ||
        checks->past_count != ahead->before.past_count)
        return false;
    ahead->is_back = true;
    ahead->lost_index = generation->committed_max;
    forget_entries(generation, ahead);
    for (uint32_t group = 0; group < world->setting.group_count; group++) {
        ahead->lost_epoch[group] = checks->newest_epoch[group];
        ahead->is_unheard[group] = true;
        for (uint32_t site = 0; site < sim_machine_count(world); site++)
            if (is_lost_epoch(ahead, group, checks->leases[site][group].epoch))
                ahead->silent_until_ns[site][group] = sim_checks_found_out_ns(world, site);
        if (ahead->lost_epoch[group] > ahead->before.newest_epoch[group])
            sim_count(world, "revert:loses_epoch");
        forget_group(checks, ahead, group);
    }
    return true;
}

/* ---- what is heard of it ------------------------------------------------------------------------- */

static bool lacks(const struct bw_group *group, uint64_t epoch)
{
    uint64_t known = group->epoch;

    for (uint32_t i = 0; i < group->claim_count; i++)
        if (group->claims[i].kind == BW_CLAIM_AHEAD)
            known = bw_max(known, group->claims[i].named_epoch);
    return epoch > known;
}

static const struct bw_group *state_of(struct sim_process *witness, uint32_t group)
{
    const struct bw_cluster *cluster = sim_witness_cluster(witness);
    const int index = cluster == NULL ? -1 : bw_cluster_find(cluster, sim_world_of(witness)->group_names[group]);

    return index < 0 ? NULL : &cluster->groups[index];
}

/* The entry that it has heard of in this term and still lacks; NULL: none. */
static struct heard *heard_by(struct sim_process *witness, uint32_t group, uint32_t site)
{
    struct sim_ahead *ahead = sim_world_of(witness)->checks->ahead;
    struct heard *heard = &ahead->heard[witness->host->number][group][site];
    const struct bw_group *state = state_of(witness, group);

    return state != NULL && heard->life == witness->life && heard->epoch != 0 && heard->term == sim_witness_term(witness) &&
                   lacks(state, heard->epoch)
               ? heard
               : NULL;
}

static void must_commit(struct sim_process *witness, uint32_t group)
{
    struct sim_world *world = sim_world_of(witness);

    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        const struct heard *heard = heard_by(witness, group, site);

        if (heard != NULL && sim_witness_proved(witness) >= heard->proved + PROOFS)
            sim_fail(world, "ahead",
                     "%s was told by %s of epoch %" PRIu64 " of %s, which was lost, and has committed other entries since, "
                     "and no claim",
                     witness->name, sim_site(world, site)->name, heard->epoch, world->group_names[group]);
    }
}

static void hear(struct sim_process *witness, const struct bw_sync *sync, uint32_t site, uint32_t group,
                 const struct bw_report *report)
{
    struct sim_ahead *ahead = sim_world_of(witness)->checks->ahead;
    const uint64_t epoch = bw_max(report->told_epoch, report->epoch_seen);
    const struct bw_group *state = state_of(witness, group);

    if (state == NULL || sync->generation != ahead->generation || !is_lost_epoch(ahead, group, epoch) ||
        !lacks(state, epoch) || heard_by(witness, group, site) != NULL)
        return;
    sim_count(sim_world_of(witness), "revert:heard");
    ahead->heard[witness->host->number][group][site] =
        (struct heard){.life = witness->life, .term = sim_witness_term(witness),
                       .proved = sim_witness_proved(witness), .epoch = epoch};
}

void sim_check_ahead_hears(struct sim_process *witness, const struct bw_sync *sync)
{
    struct sim_world *world = sim_world_of(witness);
    const struct sim_ahead *ahead = world->checks->ahead;

    if (ahead == NULL || !ahead->is_back || !sim_witness_leads(witness) ||
        sim_witness_cluster(witness)->generation != ahead->generation)
        return;
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        for (uint32_t i = 0; i < sync->group_count && strcmp(sim_site(world, site)->name, sync->site) == 0; i++) {
            const int group = sim_group_find(world, sync->groups[i].name);

            if (group >= 0)
                hear(witness, sync, site, (uint32_t)group, &sync->groups[i].report);
        }
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        must_commit(witness, group);
}

/* ---- what is done ---------------------------------------------------------------------------------- */

void sim_check_ahead_proposes(struct sim_process *witness, uint32_t group, const struct bw_command *command)
{
    struct sim_world *world = sim_world_of(witness);
    const struct sim_ahead *ahead = world->checks->ahead;

    if (ahead == NULL || !ahead->is_back || command->kind != BW_COMMAND_GRANT)
        return;
    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        struct heard *heard = heard_by(witness, group, site);

        if (heard != NULL)
            heard->granted = command->epoch;
    }
}

/* A lost epoch that nobody has heard of gives its place to another one: two may serve (3.8). */
static void take_place(struct sim_world *world, uint32_t group, const struct bw_command *command)
{
    struct sim_checks *checks = world->checks;

    if (command->epoch <= checks->ahead->replaced_epoch[group])
        return; /* another witness applies it */
    checks->ahead->replaced_epoch[group] = command->epoch;
    sim_count(world, "revert:unheard");
    if (checks->started_epoch[group] >= command->epoch)
        checks->started_epoch[group] = command->epoch - 1;
    if (checks->served_epoch[group] >= command->epoch)
        checks->served_epoch[group] = command->epoch - 1;
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if (strcmp(sim_site(world, site)->name, command->site) == 0 && checks->leases[site][group].epoch >= command->epoch)
            checks->leases[site][group] = (struct sim_lease){.epoch = 0};
}

static void look_at_claim(struct sim_process *witness, uint32_t group, const struct bw_command *command)
{
    struct sim_world *world = sim_world_of(witness);
    struct sim_ahead *ahead = world->checks->ahead;
    const struct bw_group *state = state_of(witness, group);

    if (ahead == NULL || !ahead->is_back || command->named_index > ahead->lost_index ||
        (command->named_epoch > ahead->lost_epoch[group] && (state == NULL || command->named_epoch > state->epoch)))
        sim_fail(world, "ahead", "%s: %s names epoch %" PRIu64 " and index %" PRIu64 " of %s, and that was not lost",
                 witness->name, command->site, command->named_epoch, command->named_index, command->group);
    else
        ahead->is_unheard[group] = false;
    sim_count(world, "revert:claimed");
}

static void look_at_end(struct sim_process *witness, const struct bw_group *state, const struct bw_command *command)
{
    if (command->claim_end == BW_CLAIM_END_OPERATOR)
        return;
    for (uint32_t i = 0; i < state->claim_count; i++)
        if (state->claims[i].kind == BW_CLAIM_AHEAD && state->claims[i].index == command->claim_index)
            sim_fail(sim_world_of(witness), "ahead", "%s: the claim of %s, which knows of a lost decision of %s, is %s",
                     witness->name, command->site, command->group, bw_claim_end_word(command->claim_end));
}

static void look_at_grant(struct sim_process *witness, uint32_t group, const struct bw_group *state,
                          const struct bw_command *command)
{
    struct sim_world *world = sim_world_of(witness);
    struct sim_ahead *ahead = world->checks->ahead;

    for (uint32_t i = 0; i < state->claim_count; i++) {
        const struct bw_claim *claim = &state->claims[i];

        if (claim->kind == BW_CLAIM_AHEAD && (bw_claim_stands(claim) || command->epoch <= claim->named_epoch))
            sim_fail(world, "ahead",
                     "%s: epoch %" PRIu64 " of %s is granted to %s, and %s knows of epoch %" PRIu64 " and index %" PRIu64
                     ", which were lost",
                     witness->name, command->epoch, command->group, command->site, claim->site, claim->named_epoch,
                     claim->named_index);
    }
    if (ahead == NULL || !ahead->is_back)
        return;
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        if (ahead->heard[witness->host->number][group][site].granted == command->epoch &&
            ahead->heard[witness->host->number][group][site].life == witness->life)
            sim_fail(world, "ahead",
                     "%s grants epoch %" PRIu64 " of %s to %s, and %s has told it of epoch %" PRIu64 ", which was lost",
                     witness->name, command->epoch, command->group, command->site, sim_site(world, site)->name,
                     ahead->heard[witness->host->number][group][site].epoch);
    if (ahead->is_unheard[group] && is_lost_epoch(ahead, group, command->epoch))
        take_place(world, group, command);
}

void sim_check_ahead_took_effect(struct sim_process *witness, uint32_t group, const struct bw_command *command)
{
    const struct bw_group *state = state_of(witness, group);

    if (command->kind == BW_COMMAND_CLAIM && command->claim == BW_CLAIM_AHEAD)
        look_at_claim(witness, group, command);
    if (command->kind == BW_COMMAND_CLAIM_OVER && state != NULL)
        look_at_end(witness, state, command);
    if (command->kind == BW_COMMAND_GRANT && state != NULL)
        look_at_grant(witness, group, state, command);
}

/* It was let go, and that is lost too, and another site was granted unheard: no guard ends it, and no claim. */
static bool is_let_go(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_ahead *ahead = world->checks->ahead;
    const struct sim_host *host = sim_site((struct sim_world *)(uintptr_t)world, site);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    if (ahead->replaced_epoch[group] == 0 || !is_lost_epoch(ahead, group, sim_service_epoch(host, group)))
        return false;
    sim_check_read_guard(host, group, &memory, &mirror);
    return !memory.enforced && memory.let_go_index > ahead->index;
}

bool sim_check_ahead_excuses(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_ahead *ahead = world->checks->ahead;

    if (ahead == NULL || !ahead->is_back)
        return false;
    return (ahead->is_unheard[group] && ahead->silent_until_ns[site][group] >= world->now_ns) ||
           is_let_go(world, site, group);
}
