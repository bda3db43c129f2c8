/* check_reports.c - what a leader has heard when it proposes. 3.3: a fence that a site reports as
 * failed is committed and does not end by time, and a fresh report of a service that runs delays
 * the expiry. 3.9: a first grant rests on looks that were begun after the commit of its spec. */
#include "check_reports.h"

#include <inttypes.h>
#include <string.h>

#include "check_ahead.h"
#include "check_durable.h"
#include "check_lease.h"
#include "check_recovery.h"
#include "check_scripts.h"
#include "checks_own.h"
#include "site.h"
#include "witness.h"

/* Of what is fresh, so that nobody argues about its edge. */
#define FRESH_PERCENT 80

static int agent_of(const struct sim_world *world, uint32_t site, const char *name)
{
    for (int i = 0; i < SIM_AGENTS_MAX; i++)
        if (world->agents[site][i] != NULL && strcmp(world->agents[site][i]->name, name) == 0)
            return i;
    return -1;
}

static void hear(struct sim_process *witness, const struct bw_sync *sync,
                 const struct bw_sync_group *sync_group, struct sim_contact *contact)
{
    const uint64_t sent_ns = sim_check_sent_ns(sim_world_of(witness), sync);

    if (sent_ns == 0 || (contact->life == witness->life && contact->sent_ns >= sent_ns))
        return; /* overtaken, also by another session */
    *contact = (struct sim_contact){
        .sent_ns = sent_ns,
        .life = witness->life,
        .received = sim_now(witness),
        .service = sync_group->report.service,
        .overrides = sync_group->report.override == BW_OVERRIDE_OVERRIDING ||
                     sync_group->report.override == BW_OVERRIDE_ENDING,
        .generation = sync->generation,
        .failed_epoch = sync_group->report.fence_failed ? sync_group->report.fence_epoch : 0};
}

void sim_check_hears(struct sim_process *witness, const struct bw_sync *sync)
{
    struct sim_world *world = sim_world_of(witness);

    sim_check_lease_received(witness, sync);
    sim_check_ahead_hears(witness, sync);
    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        const int agent = strcmp(sim_site(world, site)->name, sync->site) == 0
                              ? agent_of(world, site, sync->agent)
                              : -1;

        for (uint32_t i = 0; agent >= 0 && i < sync->group_count; i++) {
            const int group = sim_group_find(world, sync->groups[i].name);

            if (group >= 0)
                hear(witness, sync, &sync->groups[i],
                     &world->checks->reports[witness->host->number][group][site][agent]);
        }
    }
}

static bool is_fresh(struct sim_process *witness, const struct sim_contact *contact,
                     const struct bw_terms *terms)
{
    const uint64_t fresh_ns = (2 * (uint64_t)terms->renew_interval_ms + terms->request_timeout_ms) *
                              BW_NS_PER_MS;

    return !bw_instant_right_is_over(
        sim_now(witness), bw_instant_add(contact->received, fresh_ns * FRESH_PERCENT / 100));
}

/* By time, or by a person's word: what the holder's site says itself counts more (3.1, 3.3). */
static void look_at_unseen_end(struct sim_process *witness, uint32_t group,
                               const struct bw_group *state, enum bw_command_kind kind)
{
    struct sim_world *world = sim_world_of(witness);

    for (uint32_t site = 0; site < world->setting.site_count; site++)
        for (int agent = 0; agent < SIM_AGENTS_MAX; agent++) {
            const struct sim_contact *contact =
                &world->checks->reports[witness->host->number][group][site][agent];

            if (strcmp(sim_site(world, site)->name, state->holder_site) != 0 ||
                contact->sent_ns == 0 || contact->life != witness->life)
                continue;
            if (kind == BW_COMMAND_EXPIRED && contact->failed_epoch == state->epoch)
                sim_fail(world, "reports",
                         "%s lets epoch %" PRIu64
                         " of %s expire, and has heard that its fence failed",
                         witness->name, state->epoch, world->group_names[group]);
            if (contact->service == BW_SERVICE_STARTED && !state->adopting && !contact->overrides &&
                is_fresh(witness, contact, &state->terms))
                sim_fail(world, "reports",
                         "%s ends epoch %" PRIu64 " of %s (%s), and has heard %" PRIu64
                         " ms ago that it runs",
                         witness->name, state->epoch, world->group_names[group],
                         bw_command_word(kind),
                         bw_instant_elapsed_ns(sim_now(witness), contact->received) / BW_NS_PER_MS);
        }
}

void sim_check_look_begins(struct sim_world *world, uint32_t site, uint32_t group)
{
    world->checks->looked_ns[site][group] = world->now_ns;
}

void sim_check_spec_changes(struct sim_world *world, uint32_t group, uint64_t version)
{
    if (version <= world->checks->spec_version[group])
        return; /* another witness applies it */
    world->checks->spec_version[group] = version;
    world->checks->spec_changed_ns[group] = world->now_ns;
}

/* What was let go may still be held where nobody has heard of it: until its guard has written it
 * down, or the lease is over (3.9). */
static void look_at_let_go(struct sim_process *witness, uint32_t group,
                           const struct bw_group *state)
{
    struct sim_world *world = sim_world_of(witness);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        if (strcmp(sim_site(world, site)->name, state->let_go_site) != 0 ||
            !sim_check_lease_lives(world, site, group, state->let_go_epoch))
            continue;
        sim_check_read_guard(sim_site(world, site), group, &memory, &mirror);
        if (memory.let_go_index < state->let_go_index && memory.ended_epoch < state->let_go_epoch)
            sim_fail(world, "reports",
                     "%s grants %s, and %s has not let go of epoch %" PRIu64 ", whose lease lives",
                     witness->name, world->group_names[group], state->let_go_site,
                     state->let_go_epoch);
    }
}

/* By whichever machine speaks for the site: that of a clone may be the only one that is heard (3.8). */
static uint64_t looked_ns(struct sim_world *world, uint32_t site, uint32_t group)
{
    const uint64_t by_site = world->checks->looked_ns[site][group];
    const struct sim_host *clone = sim_clone(world);
    const uint64_t by_clone = world->checks->looked_ns[clone->number][group];

    return strcmp(clone->name, sim_site(world, site)->name) == 0 && by_clone > by_site ? by_clone
                                                                                      : by_site;
}

/* A person who names the site answers for what nobody has seen. */
static void look_at_first_grant(struct sim_process *witness, uint32_t group,
                                const struct bw_group *state, const struct bw_command *command)
{
    struct sim_world *world = sim_world_of(witness);
    const struct sim_checks *checks = world->checks;

    if (command->reason == BW_REASON_OVERRIDE && command->adopt)
        return; /* it serves by a person's word: the others have to be heard, no more (3.8) */
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        if (bw_spec_find_site(&state->spec, sim_site(world, site)->name) >= 0 &&
            checks->spec_version[group] == state->spec_version &&
            !(strcmp(sim_site(world, site)->name, command->site) == 0 &&
              sim_check_overrides(world, site, group)) && /* a person has (3.8) */
            looked_ns(world, site, group) < checks->spec_changed_ns[group])
            sim_fail(world, "reports",
                     "%s grants %s for the first time, and nobody at %s has looked at it since",
                     witness->name, world->group_names[group], sim_site(world, site)->name);
}

/* 3.9: who has not turned its back on the witnesses of before may yet obey them. */
static void look_at_generations(struct sim_process *witness, uint32_t group,
                                const struct bw_cluster *cluster, const struct bw_group *state)
{
    struct sim_world *world = sim_world_of(witness);

    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        const char *name = sim_site(world, site)->name;
        /* What a clone has said is not noted here. */
        bool has_reported = bw_spec_find_site(&state->spec, name) < 0 ||
                            strcmp(sim_clone(world)->name, name) == 0;

        for (int agent = 0; agent < SIM_AGENTS_MAX; agent++) {
            const struct sim_contact *contact =
                &world->checks->reports[witness->host->number][group][site][agent];

            has_reported |= contact->sent_ns != 0 && contact->life == witness->life &&
                            contact->generation == cluster->generation;
        }
        if (!has_reported)
            sim_fail(world, "recovery",
                     "%s grants %s after a recovery, and nobody at %s has spoken of that generation",
                     witness->name, world->group_names[group], name);
    }
}

/* Made anew after a recovery, and a person says where it begins: of the sites that he answers for,
 * those of the generation before may still be obeyed (3.8). */
static bool is_answered_for(const struct bw_cluster *cluster, const struct bw_group *state)
{
    return cluster->generation > 1 && state->initial_primary[0] != '\0';
}

void sim_check_proposes(struct sim_process *witness, const struct bw_command *command,
                        uint64_t term)
{
    const int found = sim_group_find(sim_world_of(witness), command->group);
    const struct bw_cluster *cluster = sim_witness_cluster(witness);
    const int group_index = bw_cluster_find(cluster, command->group);
    const struct bw_group *state;
    uint32_t group;

    if (found < 0 || group_index < 0)
        return;
    group = (uint32_t)found;
    sim_check_ahead_proposes(witness, group, command);
    state = &cluster->groups[group_index];
    if (command->kind == BW_COMMAND_EXPIRED || command->kind == BW_COMMAND_CLOSE)
        sim_check_proposes_end(witness, group, command->epoch, term);
    if (command->kind == BW_COMMAND_EXPIRED) {
        sim_check_waited(witness, group, command->epoch, term, &state->terms);
        look_at_unseen_end(witness, group, state, command->kind);
    }
    if (command->kind == BW_COMMAND_FORCED)
        look_at_unseen_end(witness, group, state, command->kind);
    if (command->kind == BW_COMMAND_GRANT) {
        sim_check_override_decides(witness, group, command->site, command->epoch, "grants");
        look_at_let_go(witness, group, state);
        sim_check_condition_grant(witness, group, state, command);
    }
    if (command->kind != BW_COMMAND_GRANT || !state->first_grant)
        return;
    if (state->recovered_index != 0 || is_answered_for(cluster, state))
        sim_check_first_grant(witness, group, cluster, state, command->site);
    if (state->initial_primary[0] != '\0')
        return;
    look_at_first_grant(witness, group, state, command);
    if (state->recovered_index != 0)
        look_at_generations(witness, group, cluster, state);
}
