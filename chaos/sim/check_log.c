/* check_log.c - what a committed command changes in its group, held against the command itself: the
 * conditions of design 3.1, counted here from the log and not by the machine's table. */
#include "check_log.h"

#include <inttypes.h>

#include <breakwater/base/limits.h>

#include "check_ahead.h"
#include "checks_own.h"

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
