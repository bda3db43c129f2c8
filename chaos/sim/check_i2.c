/* check_i2.c - the epochs of starts, and of every witness's replicated state. */
#include "check_i2.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/bytes.h>

#include "check_lease.h"
#include "check_scripts.h"
#include "checks_own.h"
#include "witness.h"

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
