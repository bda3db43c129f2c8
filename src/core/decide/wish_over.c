/* wish_over.c - when a leader gives up what a person asked for. Design 4. */
#include <breakwater/core/foretell.h>
#include <breakwater/core/witness.h>

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/utf8.h>

#include "policy.h"

/* A move that has begun has a target, and its own end: a Grant, or Unrevoke (3.6). Where the epoch
 * was lost before it began, none does any more. */
static bool is_waiting(const struct bw_group *group, const struct bw_wish *wish)
{
    return wish->kind != BW_WISH_SWITCHOVER || group->target[0] == '\0';
}

/* 4: neither `paused` nor a maintenance ends anything; what they hold up is not judged meanwhile.
 */
static bool is_put_off(const struct bw_group *group, const struct bw_wish *wish)
{
    const int target = bw_spec_find_site(&group->spec, wish->to);

    if (group->spec.mode == BW_MODE_PAUSED || group->group_maintenance_ms != 0)
        return true;
    for (int site = 0; site < (int)group->spec.site_count; site++)
        if (group->maintenance_ms[site] != 0 && (target < 0 || target == site))
            return true;
    return false;
}

/* As if it were just asked, by what this leader has heard. BW_ERR_BUSY: not for the moment. */
static enum bw_err judge_anew(struct bw_witness *witness, int group_index, struct bw_instant now,
                              struct bw_foretelling *room, struct bw_diag *diag)
{
    const struct bw_group *group = &witness->cluster->groups[group_index];
    struct bw_watch *watch = &witness->watches[group_index];
    const struct bw_wish *wish = bw_group_wish(group);
    enum bw_err err = BW_ERR_BUSY;

    if (!is_put_off(group, wish))
        err = bw_witness_check_wish(witness, group_index, wish, now, diag);
    if (err == BW_OK)
        err = bw_foretell_judge_wish(group, watch, &witness->leadership, now, wish, room, diag);
    watch->wish_judged = err == BW_OK;
    return err;
}

/* What this leader took it has judged then. */
static bool is_of_earlier_leader(const struct bw_witness *witness, const struct bw_watch *watch)
{
    return !watch->wish_judged &&
           !bw_instant_is_later(watch->wish_since, witness->leadership.leader_since);
}

static enum bw_wish_end find_end(struct bw_witness *witness, int group_index, struct bw_instant now,
                                 struct bw_foretelling *room, struct bw_diag *diag,
                                 uint64_t *out_wake_in_ns)
{
    const struct bw_group *group = &witness->cluster->groups[group_index];
    const struct bw_watch *watch = &witness->watches[group_index];
    const struct bw_instant reports_due = bw_instant_add(witness->leadership.leader_since,
                                                         bw_policy_longer_freshness_ns(group));
    enum bw_err err;

    if (watch->wish.index != bw_group_wish(group)->index)
        return BW_WISH_END_REPLACED;
    if (!is_waiting(group, &watch->wish))
        return BW_WISH_END_NONE;
    if (bw_policy_wish(group, watch, now) == BW_WISH_NONE)
        return BW_WISH_END_TIMED_OUT;
    if (!is_of_earlier_leader(witness, watch))
        return BW_WISH_END_NONE;
    if (!bw_instant_wait_is_over(now, reports_due)) {
        *out_wake_in_ns = bw_instant_wait_left_ns(now, reports_due);
        return BW_WISH_END_NONE;
    }
    err = judge_anew(witness, group_index, now, room, diag);
    return err == BW_OK || err == BW_ERR_BUSY ? BW_WISH_END_NONE : BW_WISH_END_IMPOSSIBLE;
}

/* As far as it fits, by whole clauses and sentences: half of a command is another command. */
static void put_reason(struct bw_command *command, const char *text)
{
    static const char rest[] = "; ...";
    char *end = NULL;

    bw_utf8_copy(command->text, sizeof command->text - sizeof rest, text);
    if (strcmp(command->text, text) == 0)
        return;
    for (char *at = command->text; *at != '\0'; at++)
        if ((at[0] == ';' || at[0] == '.') && at[1] == ' ')
            end = at;
    if (end == NULL)
        end = command->text + strlen(command->text);
    memcpy(end, rest, sizeof rest);
}

bool bw_witness_wish_over_due(struct bw_witness *witness, int group, struct bw_instant now,
                              struct bw_foretelling *room, struct bw_command *out_command,
                              uint64_t *out_wake_in_ns)
{
    const struct bw_group *state = &witness->cluster->groups[group];
    const struct bw_watch *watch = &witness->watches[group];
    struct bw_command command = {.kind = BW_COMMAND_WISH_OVER};
    struct bw_diag diag = {0};

    *out_wake_in_ns = UINT64_MAX;
    if (bw_group_wish(state) == NULL || !witness->leadership.leads ||
        watch->proposing_count != 0)
        return false;
    command.wish_end = find_end(witness, group, now, room, &diag, out_wake_in_ns);
    if (command.wish_end == BW_WISH_END_NONE)
        return false;
    command.wish_index = bw_group_wish(state)->index;
    BW_COPY_FIELD(command.group, state->spec.name);
    if (command.wish_end == BW_WISH_END_REPLACED) /* by what this leader alone was told */
        BW_COPY_FIELD(command.by, watch->wish.by);
    put_reason(&command, diag.text);
    *out_command = command;
    return true;
}
