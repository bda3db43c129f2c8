/* witness_change.c - a group's mode, maintenance and end, as operators order them. Design 3.9, 5.2.
 */
#include <breakwater/machine/witness_operator.h>

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include "witness_internal.h"

static enum bw_err judge_mode(const struct bw_group *group, const struct bw_command *command,
                              struct bw_diag *diag)
{
    if (command->mode == group->spec.mode)
        return bw_diag_set(diag, BW_ERR_EXISTS, "the mode of %s is %s already", group->spec.name,
                           bw_mode_word(command->mode));
    if (command->mode == BW_MODE_OBSERVE && group->phase == BW_PHASE_CLOSING)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "epoch %" PRIu64 " of %s is being closed; wait for its end",
                           group->epoch, group->spec.name);
    return BW_OK;
}

static enum bw_err judge_maintenance(const struct bw_group *group, const struct bw_command *command,
                                     struct bw_diag *diag)
{
    const int site = bw_spec_find_site(&group->spec, command->site);
    const bool is_of_site = command->site[0] != '\0';
    const uint64_t now_ms = !is_of_site ? group->group_maintenance_ms
                            : site >= 0 ? group->maintenance_ms[site]
                                        : 0;

    if (is_of_site && site < 0)
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "%s is no site of %s", command->site,
                           group->spec.name);
    if (command->duration_ms > BW_MAINTENANCE_MS_MAX)
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "a maintenance lasts " BW_MAINTENANCE_MAX_TEXT " at most");
    if (command->duration_ms == 0 && now_ms == 0)
        return bw_diag_set(diag, BW_ERR_EXISTS, "%s is in no maintenance%s%s",
                           is_of_site ? command->site : group->spec.name, is_of_site ? " for " : "",
                           is_of_site ? group->spec.name : "");
    return BW_OK;
}

static enum bw_err judge_delete(const struct bw_group *group, struct bw_diag *diag)
{
    if (group->phase == BW_PHASE_VACANT)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "%s is held by %s in epoch %" PRIu64
                       "; `breakwater mode %s observe` lets it go, and "
                       "leaves the service as it is",
                       group->spec.name, group->holder_site, group->epoch, group->spec.name);
}

static enum bw_err judge_words(const struct bw_group *group, const struct bw_command *command,
                               struct bw_diag *diag)
{
    switch (command->kind) {
    case BW_COMMAND_SET_MODE:
        return judge_mode(group, command, diag);
    case BW_COMMAND_MAINTENANCE:
        return judge_maintenance(group, command, diag);
    default:
        BW_ASSERT(command->kind == BW_COMMAND_DELETE);
        return judge_delete(group, diag);
    }
}

/* Orders speak of the let-go no more, or of the group (3.9). */
static bool ends_observation(const struct bw_group *group, const struct bw_command *command)
{
    return command->kind == BW_COMMAND_DELETE ||
           (command->kind == BW_COMMAND_SET_MODE && group->spec.mode == BW_MODE_OBSERVE);
}

enum bw_err bw_witness_machine_judge_change(const struct bw_witness_machine *machine, int group,
                                            struct bw_group_change *change, struct bw_diag *diag)
{
    const struct bw_group *now = &machine->cluster.groups[group];
    enum bw_err err;

    if (change->command.spec_version != 0 && change->command.spec_version != now->spec_version)
        return bw_diag_set(diag, BW_ERR_STALE, "somebody has changed %s since the plan was shown",
                           now->spec.name);
    memcpy(change->command.group, now->spec.name, sizeof change->command.group);
    err = judge_words(now, &change->command, diag);
    if (err == BW_OK && ends_observation(now, &change->command) &&
        !bw_witness_has_let_go(machine, group))
        err = bw_diag_set(diag, BW_ERR_BUSY, BW_LETTING_GO_TEXT, now->let_go_site, now->spec.name);
    if (err != BW_OK)
        return err;
    err = bw_proposals_try(machine, &change->trial, group, &change->command);
    return err == BW_OK ? BW_OK
                        : bw_diag_set(diag, err, "the state of %s does not take it: %s",
                                      now->spec.name, bw_err_text(err));
}

enum bw_err bw_witness_machine_change(struct bw_witness_machine *machine, int group,
                                      struct bw_group_change *change, struct bw_proposer *proposer,
                                      struct bw_diag *diag)
{
    const enum bw_err err = bw_witness_machine_judge_change(machine, group, change, diag);

    return err == BW_OK ? bw_witness_machine_propose(machine, &change->command, proposer, diag)
                        : err;
}
