/* witness_change.c - a group's mode, maintenance and end, as operators order them. Design 3.9, 5.2.
 */
#include <breakwater/machine/witness_operator.h>

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/feature_level.h>

#include "witness_internal.h"

/* What is being closed is let go by nobody, and some of it no time ends. */
enum bw_err bw_witness_refuse_closing(const struct bw_witness_machine *machine, int group,
                                      struct bw_diag *diag)
{
    const struct bw_group *now = &machine->cluster.groups[group];
    struct bw_end_waits waits;

    BW_ASSERT(now->phase == BW_PHASE_CLOSING);
    if (bw_arbiter_end_waits_for(now, &machine->core.watches[group], &machine->core.leadership,
                                 &waits))
        return bw_forced_refuse_waiting(now, &waits, diag);
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "epoch %" PRIu64 " of %s is being closed; wait for its end", now->epoch,
                       now->spec.name);
}

/* What is on its way commits all the same: of what will be so, only the state after it tells. */
static bool is_in_flight(const struct bw_witness_machine *machine, int group)
{
    return machine->core.watches[group].proposing_count != 0;
}

static enum bw_err refuse_in_flight(const struct bw_group *group, struct bw_diag *diag)
{
    return bw_diag_set(diag, BW_ERR_BUSY, "a decision about %s is being committed; try again in a moment",
                       group->spec.name);
}

/* 3.9: what is let go is left as it is, and this would be down. */
enum bw_err bw_witness_refuse_let_go(const struct bw_witness_machine *machine, int group, struct bw_diag *diag)
{
    const struct bw_group *now = &machine->cluster.groups[group];
    const struct bw_watch *watch = &machine->core.watches[group];

    if (now->spec.mode == BW_MODE_OBSERVE)
        return BW_OK; /* it was let go before */
    if (bw_witness_refuse_claimed(&machine->core, group, NULL, diag) != BW_OK)
        return BW_ERR_REFUSED;
    if (is_in_flight(machine, group)) /* the Revoke or the Grant of a move, say */
        return refuse_in_flight(now, diag);
    if (bw_arbiter_may_be_stopping(now, watch, bw_witness_now(machine)))
        return bw_diag_set(diag, BW_ERR_BUSY,
                           "%s is stopping %s, or may have begun to, and it would not be started again. Try again "
                           "after the stop",
                           now->holder_site, now->spec.name);
    if (bw_arbiter_is_arriving(now, watch, bw_witness_now(machine)))
        return bw_diag_set(diag, BW_ERR_BUSY,
                           "a move of %s to %s is in progress: the service does not run there yet, and would not be "
                           "started. Try again after it runs, or after the switchover has timed out",
                           now->spec.name, now->phase == BW_PHASE_VACANT ? now->target : now->holder_site);
    return BW_OK;
}

static enum bw_err judge_mode(const struct bw_witness_machine *machine, int at,
                              const struct bw_command *command, struct bw_diag *diag)
{
    const struct bw_group *group = &machine->cluster.groups[at];

    if (command->mode == group->spec.mode)
        return bw_diag_set(diag, BW_ERR_EXISTS, "the mode of %s is %s already", group->spec.name,
                           bw_mode_word(command->mode));
    if (command->mode == BW_MODE_OBSERVE && group->phase == BW_PHASE_CLOSING)
        return bw_witness_refuse_closing(machine, at, diag);
    if (command->mode == BW_MODE_OBSERVE)
        return bw_witness_refuse_let_go(machine, at, diag);
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
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "%s is not a site of %s", command->site,
                           group->spec.name);
    if (command->duration_ms > BW_MAINTENANCE_MS_MAX)
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "a maintenance lasts " BW_MAINTENANCE_MAX_TEXT " at most");
    if (command->duration_ms == 0 && now_ms == 0)
        return bw_diag_set(diag, BW_ERR_EXISTS, "%s is not in maintenance%s%s",
                           is_of_site ? command->site : group->spec.name, is_of_site ? " for " : "",
                           is_of_site ? group->spec.name : "");
    return BW_OK;
}

static enum bw_err judge_delete(const struct bw_witness_machine *machine, int at,
                                struct bw_diag *diag)
{
    const struct bw_group *group = &machine->cluster.groups[at];

    if (group->phase == BW_PHASE_VACANT)
        return bw_witness_refuse_claimed(&machine->core, at, NULL, diag);
    if (group->phase == BW_PHASE_CLOSING)
        return bw_witness_refuse_closing(machine, at, diag);
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "%s has a primary, %s, in epoch %" PRIu64 ". First release it, which leaves the service as it "
                       "is: breakwater mode %s unmanaged",
                       group->spec.name, group->holder_site, group->epoch, group->spec.name);
}

/* A move by the group's policy would begin anew, but where that is kept from deciding. */
static bool would_begin_anew(const struct bw_group *group)
{
    const int holder = bw_spec_find_site(&group->spec, group->holder_site);
    const int target = bw_spec_find_site(&group->spec, group->target);

    const bool is_by_policy =
        (group->target_reason == BW_REASON_FAILBACK && group->spec.failback_ms != 0) ||
        (group->target_reason == BW_REASON_UNHEALTHY && group->spec.unhealthy_after_ms != 0);

    return is_by_policy && group->spec.mode == BW_MODE_AUTO && group->group_maintenance_ms == 0 &&
           (holder < 0 || group->maintenance_ms[holder] == 0) && (target < 0 || group->maintenance_ms[target] == 0);
}

static enum bw_err judge_give_up(const struct bw_group *group, const struct bw_watch *watch,
                                 struct bw_instant now, struct bw_diag *diag)
{
    if (would_begin_anew(group))
        return bw_diag_set(
            diag, BW_ERR_REFUSED,
            "the %s policy moves %s to %s, and would start the move again. First: "
            "breakwater maintenance %s --for DURATION; then cancel again",
            group->target_reason == BW_REASON_FAILBACK ? "failback" : "unhealthy_after", group->spec.name, group->target, group->spec.name);
    if (bw_arbiter_may_give_up(group, watch, now))
        return BW_OK;
    return bw_diag_set(
        diag, BW_ERR_REFUSED,
        "%s has begun to stop %s, or may have: the switchover continues. If %s cannot start it, %s becomes primary again",
        group->holder_site, group->spec.name, group->target, group->holder_site);
}

static enum bw_err judge_cancel(const struct bw_group *group, const struct bw_watch *watch,
                                struct bw_instant now, struct bw_diag *diag)
{
    /* 3.6: neither to its target nor back. */
    const char *when = group->spec.mode == BW_MODE_PAUSED ? " after the pause" : "";

    if (group->phase == BW_PHASE_REVOKING)
        return judge_give_up(group, watch, now, diag);
    if (group->phase == BW_PHASE_VACANT && group->rolling_back)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "the switchover of %s has failed, and %s becomes primary again%s; if %s cannot start within "
                           "switchover_timeout, the best candidate does",
                           group->spec.name, group->target, when, group->target);
    if (group->phase == BW_PHASE_VACANT && group->target[0] != '\0') /* A7 looks at no wish */
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "%s is stopped already: the switchover to %s continues%s. If %s cannot start it, the former "
                           "primary becomes primary again",
                           group->spec.name, group->target, when, group->target);
    if (bw_policy_wish(group, watch, now) != BW_WISH_NONE)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_EXISTS,
                       "%s has no pending request, and no switchover is in progress",
                       group->spec.name);
}

static enum bw_err judge_words(const struct bw_witness_machine *machine, int group,
                               const struct bw_command *command, struct bw_diag *diag)
{
    const struct bw_group *now = &machine->cluster.groups[group];

    switch (command->kind) {
    case BW_COMMAND_UNREVOKE:
        return judge_cancel(now, &machine->core.watches[group], bw_witness_now(machine), diag);
    case BW_COMMAND_SET_MODE:
        return judge_mode(machine, group, command, diag);
    case BW_COMMAND_MAINTENANCE:
        return judge_maintenance(now, command, diag);
    default:
        BW_ASSERT(command->kind == BW_COMMAND_DELETE);
        return judge_delete(machine, group, diag);
    }
}

/* Orders speak of the let-go no more, or of the group (3.9). */
static bool ends_observation(const struct bw_group *group, const struct bw_command *command)
{
    return command->kind == BW_COMMAND_DELETE ||
           (command->kind == BW_COMMAND_SET_MODE && group->spec.mode == BW_MODE_OBSERVE);
}

/* A group that was made anew, or recovered, does not know who may hold an epoch of before: any site
 * may (3.9). */
void bw_witness_say_letting_go(const struct bw_witness_machine *machine, int group,
                               struct bw_diag *diag)
{
    const struct bw_group *now = &machine->cluster.groups[group];
    const uint64_t left_ns = bw_arbiter_let_go_left_ns(
        now, &machine->core.watches[group], &machine->core.leadership, bw_witness_now(machine));
    const uint64_t left_s = left_ns / BW_NS_PER_S + 1;

    if (now->let_go_site[0] != '\0')
        (void)bw_diag_set(diag, BW_ERR_BUSY,
                          "%s has not released %s to manual control yet, and would stop the service there. Try again in a "
                          "moment, at the latest after its last lease has expired, in %" PRIu64 " s",
                          now->let_go_site, now->spec.name, left_s);
    else
        (void)bw_diag_set(diag, BW_ERR_BUSY,
                          "a site may still have a lease from before %s was %s, and would stop the service there. Every "
                          "such lease has expired in %" PRIu64 " s; try again then",
                          now->spec.name, now->recovered_index != 0 ? "recovered" : "re-created",
                          left_s);
}

/* No move has begun: what waits is a wish. */
static bool is_wish_only(const struct bw_group *group, const struct bw_command *command)
{
    return command->kind == BW_COMMAND_UNREVOKE && group->phase != BW_PHASE_REVOKING;
}

/* In this leader's memory alone. */
static bool is_only_noted(const struct bw_witness_machine *machine, int group)
{
    return machine->cluster.groups[group].phase != BW_PHASE_REVOKING &&
           machine->core.watches[group].wish.index == 0;
}

/* 4: of a cancel the log has what it ends: the move, or exactly that wish. */
static struct bw_command committed_form(const struct bw_witness_machine *machine, int group,
                                        const struct bw_command *command)
{
    struct bw_command form = *command;

    if (!is_wish_only(&machine->cluster.groups[group], command))
        return form;
    form.kind = BW_COMMAND_WISH_OVER;
    form.wish_index = machine->core.watches[group].wish.index;
    form.wish_end = BW_WISH_END_CANCELED;
    return form;
}

bool bw_witness_machine_forget_wish(struct bw_witness_machine *machine, int group)
{
    if (!is_only_noted(machine, group))
        return false;
    BW_ASSERT(!is_in_flight(machine, group)); /* else it would come true all the same */
    machine->core.watches[group].wish = (struct bw_wish){0};
    bw_agenda_touch(machine, group);
    return true;
}

/* 5.3: who may do what. */
static enum bw_err judge_people(const struct bw_cluster *cluster, const struct bw_command *command,
                                struct bw_diag *diag)
{
    if (cluster->feature_level < BW_PEOPLE_LEVEL)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "people needs feature level %d, and this cluster is at %" PRIu32 "; first: breakwater "
                           "feature-level raise", BW_PEOPLE_LEVEL, cluster->feature_level);
    if (cluster->people_version > 0 && strcmp(cluster->people.text, command->people) == 0)
        return bw_diag_set(diag, BW_ERR_EXISTS, "this list is applied already");
    if (command->spec_version != cluster->people_version)
        return bw_diag_set(diag, BW_ERR_STALE, "another operator has applied a list since; look at the plan again");
    if (bw_people_check(command->people) != BW_OK)
        return bw_diag_set(diag, BW_ERR_REFUSED, "the list " BW_PEOPLE_LOCKED);
    return BW_OK;
}

enum bw_err bw_witness_machine_judge_change(const struct bw_witness_machine *machine, int group,
                                            struct bw_group_change *change, struct bw_diag *diag)
{
    const struct bw_group *now = group >= 0 ? &machine->cluster.groups[group] : NULL;
    const bool is_cancel = change->command.kind == BW_COMMAND_UNREVOKE;
    struct bw_command form;
    enum bw_err err;

    if (group < 0)
        return judge_people(&machine->cluster, &change->command, diag);
    if (change->command.spec_version != 0 && change->command.spec_version != now->spec_version)
        return bw_diag_set(diag, BW_ERR_STALE, "%s was changed after the plan was shown; look at the plan again",
                           now->spec.name);
    memcpy(change->command.group, now->spec.name, sizeof change->command.group);
    if (is_cancel && change->command.wish_index != 0 &&
        change->command.wish_index != machine->core.watches[group].wish.index)
        return bw_diag_set(diag, BW_ERR_STALE,
                           "the pending request of %s is not the one that the plan has shown; look at the plan again",
                           now->spec.name);
    if (is_cancel) { /* of the state that it is judged by */
        change->command.epoch = now->epoch;
        change->command.spec_version = now->spec_version;
    }
    err = bw_witness_may_change(machine, group, diag);
    if (err == BW_OK)
        err = judge_words(machine, group, &change->command, diag);
    if (is_in_flight(machine, group) && (is_cancel || err == BW_ERR_EXISTS))
        return refuse_in_flight(now, diag);
    if (err == BW_OK && ends_observation(now, &change->command) &&
        !bw_witness_has_let_go(machine, group)) {
        bw_witness_say_letting_go(machine, group, diag);
        err = BW_ERR_BUSY;
    }
    if (err != BW_OK || (is_cancel && is_only_noted(machine, group)))
        return err;
    form = committed_form(machine, group, &change->command);
    err = bw_proposals_try(machine, &change->trial, group, &form);
    return err == BW_OK ? BW_OK
                        : bw_diag_set(diag, err, "the state of %s does not allow it: %s",
                                      now->spec.name, bw_err_text(err));
}

enum bw_err bw_witness_machine_change(struct bw_witness_machine *machine, int group,
                                      struct bw_group_change *change, struct bw_proposer *proposer,
                                      struct bw_diag *diag)
{
    const enum bw_err err = bw_witness_machine_judge_change(machine, group, change, diag);
    struct bw_command form;

    if (err != BW_OK)
        return err;
    if (group < 0)
        return bw_witness_machine_propose(machine, &change->command, proposer, diag);
    bw_witness_count_change(machine, group);
    form = committed_form(machine, group, &change->command);
    return bw_witness_machine_propose(machine, &form, proposer, diag);
}
