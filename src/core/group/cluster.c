#include <breakwater/core/cluster.h>

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/base/limits.h>
#include <breakwater/base/name.h>
#include <breakwater/core/counters.h>
#include <breakwater/core/expiry.h>

static const struct bw_group_rule rules[] = {
    {"C1", BW_PHASE_VACANT, BW_COMMAND_FOUND, "cluster_is_new", BW_PHASE_VACANT, "found_cluster"},
    {"C2", BW_PHASE_VACANT, BW_COMMAND_SET_SPEC, "name_is_free", BW_PHASE_VACANT, "create_group"},
    {"C3", BW_PHASE_VACANT, BW_COMMAND_RAISE_LEVEL, "level_is_next", BW_PHASE_VACANT,
     "raise_level"},
    {"C5", BW_PHASE_GRANTED, BW_COMMAND_NOTE, "record_is_kept", BW_PHASE_GRANTED, "note_serving"},
    /* Of any phase, which stays. */
    {"C6", BW_PHASE_GRANTED, BW_COMMAND_WISH, "wish_is_news", BW_PHASE_GRANTED, "take_wish"},
    {"C7", BW_PHASE_GRANTED, BW_COMMAND_WISH_OVER, "wish_is_asked", BW_PHASE_GRANTED, "end_wish"},
    {"C8", BW_PHASE_GRANTED, BW_COMMAND_CLAIM, "claim_is_news", BW_PHASE_GRANTED, "take_claim"},
    {"C9", BW_PHASE_GRANTED, BW_COMMAND_CLAIM_OVER, "claim_stands", BW_PHASE_GRANTED, "end_claim"},
    {"C10", BW_PHASE_VACANT, BW_COMMAND_SET_PEOPLE, "list_can_be_changed", BW_PHASE_VACANT, "set_people"},
};
enum {
    RULE_FOUND,
    RULE_CREATE,
    RULE_RAISE_LEVEL,
    RULE_NOTE,
    RULE_WISH,
    RULE_WISH_OVER,
    RULE_CLAIM,
    RULE_CLAIM_OVER,
    RULE_PEOPLE
};
/* No command: a recovery is what a log begins with. */
const char bw_cluster_recovery_rule[] = "C4";

void bw_cluster_init(struct bw_cluster *cluster, struct bw_group *groups, uint32_t group_capacity)
{
    BW_ASSERT(group_capacity <= BW_GROUPS_MAX);
    *cluster = (struct bw_cluster){.groups = groups, .group_capacity = group_capacity};
}

void bw_cluster_keep_record(struct bw_cluster *cluster, struct bw_record *record)
{
    cluster->record = record;
    cluster->record_blocks = record->block_count;
}

int bw_cluster_find(const struct bw_cluster *cluster, const char *name)
{
    for (uint32_t i = 0; i < cluster->group_count; i++)
        if (name[0] != '\0' && strcmp(cluster->groups[i].spec.name, name) == 0)
            return (int)i;
    return -1;
}

static struct bw_applied refuse(int group, enum bw_err err)
{
    return (struct bw_applied){.group = group, .err = err};
}

static struct bw_applied fired(int group, const struct bw_group_rule *rule)
{
    BW_ASSERT(rule != NULL);
    return (struct bw_applied){.rule = rule, .group = group, .err = BW_OK};
}

static struct bw_applied found_cluster(struct bw_cluster *cluster, const struct bw_command *command)
{
    if (!bw_id_is_none(cluster->id))
        return refuse(-1, BW_ERR_EXISTS);
    if (bw_id_is_none(command->cluster_id) || !bw_name_is_valid(command->cluster_name) ||
        command->election_timeout_ms < BW_ELECTION_TIMEOUT_MS_MIN ||
        command->election_timeout_ms > BW_ELECTION_TIMEOUT_MS_MAX || command->feature_level == 0)
        return refuse(-1, BW_ERR_INVALID);
    cluster->id = command->cluster_id;
    memcpy(cluster->name, command->cluster_name, sizeof cluster->name);
    cluster->election_timeout_ms = command->election_timeout_ms;
    cluster->generation = 1;
    cluster->feature_level = command->feature_level;
    return fired(-1, &rules[RULE_FOUND]);
}

static struct bw_applied raise_level(struct bw_cluster *cluster, const struct bw_command *command)
{
    if (command->feature_level != (uint64_t)cluster->feature_level + 1)
        return refuse(-1, BW_ERR_STALE);
    cluster->feature_level = command->feature_level;
    return fired(-1, &rules[RULE_RAISE_LEVEL]);
}

const char *bw_cluster_people(const struct bw_cluster *cluster, const struct bw_people *of_file)
{
    return cluster->people_version > 0 ? cluster->people.text : of_file->text;
}

static struct bw_applied set_people(struct bw_cluster *cluster, const struct bw_command *command)
{
    const enum bw_err err = bw_people_check(command->people);

    if (cluster->feature_level < BW_PEOPLE_LEVEL)
        return refuse(-1, BW_ERR_REFUSED);
    if (command->spec_version != cluster->people_version)
        return refuse(-1, BW_ERR_STALE);
    if (err != BW_OK)
        return refuse(-1, err);
    memcpy(cluster->people.text, command->people, strlen(command->people) + 1);
    cluster->people_version++;
    return fired(-1, &rules[RULE_PEOPLE]);
}

/* A gap, else a new slot; -1 when there is none. */
static int find_slot(const struct bw_cluster *cluster)
{
    BW_ASSERT(cluster->group_count <= cluster->group_capacity);
    for (uint32_t i = 0; i < cluster->group_count; i++)
        if (cluster->groups[i].spec.name[0] == '\0')
            return (int)i;
    return cluster->group_count < cluster->group_capacity ? (int)cluster->group_count : -1;
}

/* 3.1: below that level an older witness takes the same snapshots, and knows no record. */
static bool keeps_record(const struct bw_cluster *cluster)
{
    return cluster->record != NULL && cluster->feature_level >= BW_RECORD_LEVEL;
}

static struct bw_applied create_group(struct bw_cluster *cluster, uint64_t index,
                                      const struct bw_command *command)
{
    const int group_index = find_slot(cluster);
    struct bw_group *group;

    if (command->spec_version != 0)
        return refuse(-1, BW_ERR_STALE); /* it is about a group that has gone */
    if (group_index < 0)
        return refuse(-1, BW_ERR_LIMIT);
    if ((uint32_t)group_index == cluster->group_count)
        cluster->group_count++;
    group = &cluster->groups[group_index];
    bw_group_init(group, &command->spec, cluster->epoch_floor, index);
    BW_ASSERT(group->epoch >= cluster->epoch_floor); /* no epoch of a deleted one again (3.9) */
    group->let_go_terms.ttl_ms = cluster->let_go_wait_ms;
    memcpy(group->initial_primary, command->site, sizeof group->initial_primary);
    if (keeps_record(cluster))
        bw_record_command(cluster->record, group, NULL, index, command);
    return fired(group_index, &rules[RULE_CREATE]);
}

/* An epoch that goes on has the terms it was granted, under the spec's other values (3.9). */
static bool fits_open_epoch(const struct bw_cluster *cluster, const struct bw_group *group,
                            const struct bw_spec *spec)
{
    struct bw_spec as_pinned = *spec;

    if (group->phase == BW_PHASE_VACANT || spec->mode == BW_MODE_OBSERVE)
        return true;
    as_pinned.fence_timeout_ms = group->terms.fence_ms;
    return group->terms.ttl_ms >=
           bw_spec_lease_ttl_ms_min(&as_pinned, cluster->election_timeout_ms);
}

/* What of a spec can be told without the group that it is for. */
static bool is_spec_valid(const struct bw_cluster *cluster, const struct bw_command *command)
{
    return bw_spec_check(&command->spec, cluster->election_timeout_ms, NULL, 0) == 0 &&
           strcmp(command->group, command->spec.name) == 0 &&
           (command->site[0] == '\0' || bw_spec_is_candidate(&command->spec, command->site));
}

static bool is_about_another_version(const struct bw_group *group, const struct bw_command *command)
{
    switch (command->kind) {
    case BW_COMMAND_GRANT:
        return command->epoch != bw_group_next_epoch(group) || command->spec_version != group->spec_version;
    case BW_COMMAND_REVOKE:
    case BW_COMMAND_UNREVOKE:
    case BW_COMMAND_WISH:
        return command->epoch != group->epoch || command->spec_version != group->spec_version;
    case BW_COMMAND_RELEASED:
        return command->epoch != group->epoch ||
               !bw_id_equal(command->instance, group->holder_instance);
    case BW_COMMAND_CLOSE:
    case BW_COMMAND_FENCE_FAILED:
    case BW_COMMAND_EXPIRED:
    case BW_COMMAND_ADOPTED:
    case BW_COMMAND_FENCED:
    case BW_COMMAND_FORCED:
    case BW_COMMAND_BOOT:
    case BW_COMMAND_REACH:
    case BW_COMMAND_SECOND_ENFORCER:
    case BW_COMMAND_PASSED:
    case BW_COMMAND_NOTE:
        return command->epoch != group->epoch;
    case BW_COMMAND_SET_SPEC:
    case BW_COMMAND_SET_MODE:
    case BW_COMMAND_MAINTENANCE:
    case BW_COMMAND_DELETE:
        return command->spec_version != 0 && command->spec_version != group->spec_version;
    case BW_COMMAND_WISH_OVER:
        return bw_group_wish(group) == NULL || command->wish_index != bw_group_wish(group)->index;
    case BW_COMMAND_CLAIM: /* they are about a site, whatever becomes of the epoch meanwhile */
    case BW_COMMAND_CLAIM_OVER:
    case BW_COMMAND_FOUND:
    case BW_COMMAND_RAISE_LEVEL:
    case BW_COMMAND_SET_PEOPLE:
    case BW_COMMAND_COUNT:
        break;
    }
    return false;
}

/* 49 days at most; a lease is an hour at most. */
static uint32_t wait_ms(const struct bw_terms *terms)
{
    const uint64_t ns = bw_expiry_wait_ns(terms);
    const uint64_t ms = bw_ns_to_ms(ns) + (ns % BW_NS_PER_MS != 0);

    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

/* What outlives it: whoever was let go may hold its last epoch until the wait is over (3.9). */
static void delete_group(struct bw_cluster *cluster, struct bw_group *group)
{
    if (bw_group_next_epoch(group) > cluster->epoch_floor + 1)
        cluster->epoch_floor = bw_group_next_epoch(group) - 1;
    if (wait_ms(&group->let_go_terms) > cluster->let_go_wait_ms)
        cluster->let_go_wait_ms = wait_ms(&group->let_go_terms);
    BW_ASSERT(cluster->epoch_floor >= group->epoch);
    *group = (struct bw_group){0};
}

/* 3.1: it changes nothing but the record. Said twice, it is there twice. */
static struct bw_applied note_serving(struct bw_cluster *cluster, int group_index, uint64_t index,
                                      const struct bw_command *command)
{
    const struct bw_group *group = &cluster->groups[group_index];
    struct bw_record_before before;

    if (!keeps_record(cluster))
        return refuse(group_index, BW_ERR_REFUSED);
    bw_record_look(group, command, &before);
    bw_record_command(cluster->record, group, &before, index, command);
    return fired(group_index, &rules[RULE_NOTE]);
}

static bool is_wish_valid(const struct bw_group *group, const struct bw_command *command)
{
    const bool is_named = command->target[0] != '\0';

    return (command->wish == BW_WISH_FAILOVER ||
            (command->wish == BW_WISH_SWITCHOVER && is_named)) &&
           (!is_named || bw_spec_is_candidate(&group->spec, command->target)) &&
           group->spec.mode != BW_MODE_OBSERVE;
}

/* 4: a request that has made a wish makes no other, be it told twice, late, or after its end. */
static struct bw_applied change_wish(struct bw_cluster *cluster, int group_index, uint64_t index,
                                     const struct bw_command *command)
{
    struct bw_group *group = &cluster->groups[group_index];
    const bool is_end = command->kind == BW_COMMAND_WISH_OVER;
    struct bw_record_before before;

    if (cluster->feature_level < BW_WISH_LEVEL)
        return refuse(group_index, BW_ERR_REFUSED);
    if (!is_end && bw_group_wish_of(group, command->request_id) != 0)
        return refuse(group_index, BW_ERR_EXISTS);
    if (!is_end && !is_wish_valid(group, command))
        return refuse(group_index, BW_ERR_REFUSED);
    bw_record_look(group, command, &before);
    if (keeps_record(cluster))
        bw_record_command(cluster->record, group, &before, index, command);
    if (is_end)
        bw_group_end_wish(group, command->wish_end, command->by, command->text);
    else
        bw_group_take_wish(group, index, command);
    BW_ASSERT_NONE(bw_group_unsound(group));
    return fired(group_index, &rules[is_end ? RULE_WISH_OVER : RULE_WISH]);
}

/* 3.8: of any phase, and nothing else of the group changes. */
static struct bw_applied change_claim(struct bw_cluster *cluster, int group_index, uint64_t index,
                                      const struct bw_command *command)
{
    struct bw_group *group = &cluster->groups[group_index];
    struct bw_record_before before;

    if (cluster->feature_level < BW_CLAIM_LEVEL || !bw_group_takes_claim(group, command))
        return refuse(group_index, BW_ERR_REFUSED);
    bw_record_look(group, command, &before);
    if (keeps_record(cluster))
        bw_record_command(cluster->record, group, &before, index, command);
    bw_group_apply_claim(group, index, command);
    BW_ASSERT_NONE(bw_group_unsound(group));
    return fired(group_index, &rules[command->kind == BW_COMMAND_CLAIM ? RULE_CLAIM : RULE_CLAIM_OVER]);
}

static struct bw_applied change_group(struct bw_cluster *cluster, int group_index, uint64_t index,
                                      const struct bw_command *command)
{
    struct bw_group *group = &cluster->groups[group_index];
    const struct bw_group_rule *rule;
    struct bw_record_before before;

    if (is_about_another_version(group, command))
        return refuse(group_index, BW_ERR_STALE);
    if (command->kind == BW_COMMAND_SET_SPEC && !fits_open_epoch(cluster, group, &command->spec))
        return refuse(group_index, BW_ERR_REFUSED);
    if (command->kind == BW_COMMAND_SECOND_ENFORCER && cluster->feature_level < BW_SECOND_LEVEL)
        return refuse(group_index, BW_ERR_REFUSED);
    if (command->kind == BW_COMMAND_PASSED && cluster->feature_level < BW_PASS_LEVEL)
        return refuse(group_index, BW_ERR_REFUSED);
    if (command->kind == BW_COMMAND_NOTE)
        return note_serving(cluster, group_index, index, command);
    if (command->kind == BW_COMMAND_WISH || command->kind == BW_COMMAND_WISH_OVER)
        return change_wish(cluster, group_index, index, command);
    if (command->kind == BW_COMMAND_CLAIM || command->kind == BW_COMMAND_CLAIM_OVER)
        return change_claim(cluster, group_index, index, command);
    bw_record_look(group, command, &before);
    rule = bw_group_apply(group, index, command);
    if (rule == NULL)
        return refuse(group_index, BW_ERR_REFUSED);
    BW_ASSERT(command->kind == BW_COMMAND_GRANT ? group->epoch > before.epoch /* 3.1: one grant, one epoch */
                                                : group->epoch == before.epoch);
    if (keeps_record(cluster))
        bw_record_command(cluster->record, group, &before, index, command);
    if (command->kind == BW_COMMAND_DELETE)
        delete_group(cluster, group);
    return fired(group_index, rule);
}

static struct bw_applied apply(struct bw_cluster *cluster, uint64_t index,
                               const struct bw_command *command)
{
    int group_index;

    if (command->kind == BW_COMMAND_FOUND)
        return found_cluster(cluster, command);
    if (bw_id_is_none(cluster->id))
        return refuse(-1, BW_ERR_REFUSED);
    if (command->kind == BW_COMMAND_RAISE_LEVEL)
        return raise_level(cluster, command);
    if (command->kind == BW_COMMAND_SET_PEOPLE)
        return set_people(cluster, command);
    if (command->kind == BW_COMMAND_SET_SPEC && !is_spec_valid(cluster, command))
        return refuse(bw_cluster_find(cluster, command->group), BW_ERR_INVALID);
    group_index = bw_cluster_find(cluster, command->group);
    if (group_index >= 0)
        return change_group(cluster, group_index, index, command);
    if (command->kind == BW_COMMAND_SET_SPEC)
        return create_group(cluster, index, command);
    return refuse(-1, BW_ERR_NOT_FOUND);
}

/* More groups leave it less room in a snapshot. */
static void fit_record(struct bw_cluster *cluster)
{
    struct bw_record *record = cluster->record;

    if (record == NULL)
        return;
    bw_record_set_limit(record, bw_record_limit(record->block_max, cluster->group_count));
    cluster->record_blocks = record->block_count;
}

struct bw_applied bw_cluster_apply(struct bw_cluster *cluster, uint64_t index,
                                   const struct bw_command *command)
{
    struct bw_applied applied;

    BW_ASSERT(index > cluster->applied_index);
    applied = apply(cluster, index, command);
    fit_record(cluster);
    cluster->applied_index = index;
    if (applied.rule == NULL)
        cluster->no_op_count++;
    return applied;
}

/* ---- a new beginning (3.9) ------------------------------------------------------------------ */

uint32_t bw_cluster_longest_wait_ms(const struct bw_cluster *cluster)
{
    uint32_t longest_ms = cluster->let_go_wait_ms;

    for (uint32_t i = 0; i < cluster->group_count; i++) {
        const struct bw_group *group = &cluster->groups[i];
        const struct bw_terms of_spec = bw_terms_of_spec(&group->spec);

        longest_ms = (uint32_t)bw_max(longest_ms, wait_ms(&group->terms));
        longest_ms = (uint32_t)bw_max(longest_ms, wait_ms(&of_spec));
        longest_ms = (uint32_t)bw_max(longest_ms, wait_ms(&group->let_go_terms));
    }
    return longest_ms;
}

static uint64_t highest_epoch(const struct bw_cluster *cluster)
{
    uint64_t highest = cluster->epoch_floor;

    for (uint32_t i = 0; i < cluster->group_count; i++)
        highest = bw_max(highest, cluster->groups[i].epoch);
    return highest;
}

static enum bw_err refuse_saved(struct bw_diag *diag, const char *what, uint64_t value,
                                uint64_t max)
{
    return bw_diag_set(diag, BW_ERR_LIMIT,
                       "its %s is %" PRIu64 ", and no cluster comes to more than %" PRIu64
                       ": it was made up",
                       what, value, max);
}

enum bw_err bw_cluster_judge_saved(const struct bw_cluster *cluster, struct bw_diag *diag)
{
    if (cluster->feature_level > BW_FEATURE_LEVEL_NEWEST)
        return bw_diag_set(diag, BW_ERR_VERSION,
                           "it is of feature level %" PRIu32 ", and this release knows %d at most: "
                           "use the release that has saved it",
                           cluster->feature_level, BW_FEATURE_LEVEL_NEWEST);
    if (cluster->election_timeout_ms < BW_ELECTION_TIMEOUT_MS_MIN ||
        cluster->election_timeout_ms > BW_ELECTION_TIMEOUT_MS_MAX)
        return bw_diag_set(
            diag, BW_ERR_LIMIT,
            "its election timeout is %" PRIu32 " ms, and %d to %d ms are allowed: it was made up",
            cluster->election_timeout_ms, BW_ELECTION_TIMEOUT_MS_MIN, BW_ELECTION_TIMEOUT_MS_MAX);
    if (cluster->applied_index >= BW_COUNTER_MAX)
        return refuse_saved(diag, "index", cluster->applied_index, BW_COUNTER_MAX - 1);
    if (cluster->generation > BW_GENERATION_MAX)
        return refuse_saved(diag, "generation", cluster->generation, BW_GENERATION_MAX);
    if (bw_generation_after(cluster->generation, cluster->applied_index, highest_epoch(cluster), 0) == 0)
        return bw_diag_set(diag, BW_ERR_LIMIT,
                           "its index (%" PRIu64 ") or an epoch (%" PRIu64
                           ") is above all that a cluster comes to: it was made up",
                           cluster->applied_index, highest_epoch(cluster));
    if (bw_cluster_longest_wait_ms(cluster) > BW_LONGEST_WAIT_MS_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT,
                           "by it a lease of %" PRIu32 " ms would have to be waited for, and %u ms "
                           "is the longest there is: it was made up",
                           bw_cluster_longest_wait_ms(cluster), BW_LONGEST_WAIT_MS_MAX);
    return BW_OK;
}

enum bw_err bw_cluster_recover(struct bw_cluster *cluster, uint64_t last_index, const struct bw_recovery_way *way,
                               uint64_t *out_index)
{
    struct bw_record_before before;
    uint32_t longest_ms;
    uint64_t generation;
    uint64_t index;
    uint64_t epoch;

    if (bw_id_is_none(cluster->id))
        return BW_ERR_REFUSED;
    if (last_index < cluster->applied_index)
        return BW_ERR_CORRUPT;
    generation = bw_generation_after(bw_max(cluster->generation, way->above), last_index, highest_epoch(cluster),
                                     way->chance);
    if (generation == 0 || last_index >= BW_COUNTER_MAX)
        return BW_ERR_LIMIT;
    longest_ms = bw_cluster_longest_wait_ms(cluster);
    index = bw_counter_index_first(generation); /* C4: above all of before, known here or not */
    epoch = bw_counter_epoch_first(generation);
    for (uint32_t i = 0; i < cluster->group_count; i++) {
        struct bw_group *group = &cluster->groups[i];

        if (group->spec.name[0] == '\0')
            continue;
        bw_record_look(group, NULL, &before);
        bw_group_recover(group, index, epoch, longest_ms, way->unix_ms);
        if (keeps_record(cluster))
            bw_record_recovery(cluster->record, group, &before, index, way->unix_ms);
    }
    fit_record(cluster);
    cluster->epoch_floor = epoch;
    cluster->let_go_wait_ms = longest_ms;
    cluster->generation = generation;
    cluster->applied_index = index;
    *out_index = index;
    return BW_OK;
}
