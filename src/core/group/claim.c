/* claim.c - the committed fact that a site serves without the open epoch, or may: how a claim is made, and
 * what ends it. Design 3.8. */
#include <breakwater/core/group.h>

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/limits.h>
#include <breakwater/base/name.h>
#include <breakwater/base/words.h>

BW_WORDS(bw_claim_kind_word, enum bw_claim_kind, BW_CLAIM_LIST, "?")
BW_WORDS(bw_claim_end_word, enum bw_claim_end, BW_CLAIM_END_LIST, "none")

bool bw_claim_stands(const struct bw_claim *claim)
{
    return claim->end == BW_CLAIM_END_NONE;
}

static const struct bw_claim *find(const struct bw_group *group, const char *site, struct bw_id instance, bool is_ahead)
{
    for (uint32_t i = 0; i < group->claim_count; i++)
        if (strcmp(group->claims[i].site, site) == 0 && bw_id_equal(group->claims[i].instance, instance) &&
            (group->claims[i].kind == BW_CLAIM_AHEAD) == is_ahead)
            return &group->claims[i];
    return NULL;
}

const struct bw_claim *bw_group_claim_of(const struct bw_group *group, const char *site, struct bw_id instance)
{
    return find(group, site, instance, false);
}

uint64_t bw_group_next_epoch(const struct bw_group *group)
{
    uint64_t newest = group->epoch;

    for (uint32_t i = 0; i < group->claim_count; i++)
        newest = bw_max(newest, group->claims[i].named_epoch);
    return newest + 1;
}

bool bw_group_lacks(const struct bw_group *group, uint64_t named_epoch, uint64_t named_index)
{
    uint64_t newest_index = group->changed_index;

    for (uint32_t i = 0; i < group->claim_count; i++)
        newest_index = bw_max(newest_index, group->claims[i].named_index);
    return named_epoch >= bw_group_next_epoch(group) || named_index > newest_index;
}

/* Index of the oldest one that is over; -1: all of them stand. */
static int oldest_over(const struct bw_group *group)
{
    for (uint32_t i = 0; i < group->claim_count; i++)
        if (!bw_claim_stands(&group->claims[i]))
            return (int)i;
    return -1;
}

bool bw_claim_covers(const struct bw_claim *claim, struct bw_id session, uint64_t number)
{
    return bw_id_equal(claim->session, session) && number <= claim->number;
}

static bool takes_new(const struct bw_group *group, const struct bw_command *command)
{
    const bool is_ahead = command->claim == BW_CLAIM_AHEAD;
    const struct bw_claim *claim = find(group, command->site, command->instance, is_ahead);

    if (is_ahead ? !bw_group_lacks(group, command->named_epoch, command->named_index)
                 : command->named_epoch != 0 || command->named_index != 0)
        return false;
    if (!bw_name_is_valid(command->site) || bw_id_is_none(command->instance) || bw_id_is_none(command->session))
        return false;
    if (claim == NULL) /* where none finds a place that is said once */
        return group->claim_count < BW_CLAIMS_MAX || oldest_over(group) >= 0 || !group->has_more_claims;
    if (bw_claim_stands(claim))
        return !is_ahead && command->claim > claim->kind;
    return is_ahead || !bw_claim_covers(claim, command->session, command->sync_number); /* a late copy says what was over by then */
}

/* An operator confirms that the machine is off: that is the end of all that its agents have claimed. */
static bool is_ended_by(const struct bw_claim *claim, const struct bw_command *command)
{
    return bw_claim_stands(claim) && strcmp(claim->site, command->site) == 0 &&
           (command->claim_index == 0 ? command->claim_end == BW_CLAIM_END_OPERATOR
                                      : claim->index == command->claim_index);
}

bool bw_group_takes_claim(const struct bw_group *group, const struct bw_command *command)
{
    if (command->kind == BW_COMMAND_CLAIM)
        return takes_new(group, command);
    BW_ASSERT(command->kind == BW_COMMAND_CLAIM_OVER);
    if (command->claim_end == BW_CLAIM_END_NONE)
        return false;
    for (uint32_t i = 0; i < group->claim_count; i++)
        if (is_ended_by(&group->claims[i], command))
            return true;
    return false;
}

static bool lets_go(const struct bw_group *group, const struct bw_command *command)
{
    return command->kind == BW_COMMAND_DELETE ||
           (group->spec.mode != BW_MODE_OBSERVE &&
            ((command->kind == BW_COMMAND_SET_MODE && command->mode == BW_MODE_OBSERVE) ||
             (command->kind == BW_COMMAND_SET_SPEC && command->spec.mode == BW_MODE_OBSERVE)));
}

bool bw_group_claims_let(const struct bw_group *group, const struct bw_command *command)
{
    for (uint32_t i = 0; i < group->claim_count; i++) {
        const char *site = group->claims[i].site;

        if (!bw_claim_stands(&group->claims[i]))
            continue;
        if (lets_go(group, command) ||
            (command->kind == BW_COMMAND_SET_SPEC && bw_spec_find_site(&group->spec, site) >= 0 &&
             bw_spec_find_site(&command->spec, site) < 0))
            return false;
    }
    return true;
}

static void take_out(struct bw_group *group, int at)
{
    const size_t after = group->claim_count - (size_t)at - 1;

    memmove(&group->claims[at], &group->claims[at + 1], after * sizeof group->claims[0]);
    group->claims[--group->claim_count] = (struct bw_claim){.number = 0};
}

static void take_new(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    const struct bw_claim *before = find(group, command->site, command->instance, command->claim == BW_CLAIM_AHEAD);
    struct bw_claim claim = {.instance = command->instance,
                             .session = command->session,
                             .number = command->sync_number,
                             .index = index,
                             .named_epoch = command->named_epoch,
                             .named_index = command->named_index,
                             .kind = command->claim};

    BW_COPY_FIELD(claim.site, command->site);
    if (before != NULL) {
        claim.named_epoch = bw_max(claim.named_epoch, before->named_epoch);
        claim.named_index = bw_max(claim.named_index, before->named_index);
        take_out(group, (int)(before - group->claims));
    } else if (group->claim_count == BW_CLAIMS_MAX && oldest_over(group) >= 0) {
        take_out(group, oldest_over(group));
    }
    if (group->claim_count == BW_CLAIMS_MAX)
        group->has_more_claims = true;
    else
        group->claims[group->claim_count++] = claim;
}

static void take_end(struct bw_group *group, const struct bw_command *command)
{
    bool is_any_left = false;

    for (uint32_t i = 0; i < group->claim_count; i++) {
        struct bw_claim *claim = &group->claims[i];

        if (is_ended_by(claim, command)) {
            claim->end = command->claim_end;
            if (!bw_id_is_none(command->session)) {
                claim->session = command->session;
                claim->number = command->sync_number;
            }
        }
        is_any_left |= bw_claim_stands(claim);
    }
    if (!is_any_left)
        group->has_more_claims = false;
}

void bw_group_forget_ahead(struct bw_group *group)
{
    for (uint32_t i = group->claim_count; i > 0; i--)
        if (group->claims[i - 1].kind == BW_CLAIM_AHEAD)
            take_out(group, (int)i - 1);
}

void bw_group_apply_claim(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    BW_ASSERT(bw_group_takes_claim(group, command));
    if (command->kind == BW_COMMAND_CLAIM)
        take_new(group, index, command);
    else
        take_end(group, command);
    BW_ASSERT(group->claim_count <= BW_CLAIMS_MAX);
}
