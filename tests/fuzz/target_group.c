/* The log applied: any commands in any order to a cluster of three groups' places. Records: 1 a log
 * entry's message, put into its frame; 2 bits that make the next one fit the group as it is (1 epoch,
 * 2 the next epoch, 4 spec_version, 8 holder's instance, 16 terms of the spec, 32 its own name). */
#include <stdlib.h>
#include <string.h>

#include <breakwater/core/cluster.h>
#include <breakwater/core/order.h>
#include <breakwater/wire/frame.h>
#include <breakwater/wire/log_entry.h>
#include <breakwater/wire/snapshot.h>

#include "../support/wire_fill.h"
#include "fuzz.h"

#define GROUPS       3
#define COMMANDS_MAX 200

static struct bw_group groups[GROUPS];
static struct bw_group restored[GROUPS];

static void fit(struct bw_command *command, const struct bw_cluster *cluster, uint64_t bits)
{
    const struct bw_group *group;
    int number;

    if ((bits & 32) != 0 && command->kind != BW_COMMAND_FOUND)
        (void)strcpy(command->group, "harbor");
    number = bw_cluster_find(cluster, command->group);
    if (number < 0)
        return;
    group = &cluster->groups[number];
    if ((bits & 3) != 0)
        command->epoch = group->epoch + ((bits & 2) != 0 ? 1 : 0);
    if ((bits & 4) != 0)
        command->spec_version = group->spec_version;
    if ((bits & 8) != 0)
        command->instance = group->holder_instance;
    if ((bits & 16) != 0)
        command->terms = bw_terms_of_spec(&group->spec);
}

/* I2, and that what the table keeps true is true. */
static void check_group(const struct bw_group *before, const struct bw_group *after,
                        const struct bw_command *command, const struct bw_group_rule *rule)
{
    FUZZ_CHECK(bw_group_is_sound(after));
    FUZZ_CHECK(after->epoch >= before->epoch);
    FUZZ_CHECK(after->epoch == before->epoch || command->kind == BW_COMMAND_GRANT);
    FUZZ_CHECK(after->spec_version >= before->spec_version);
    FUZZ_CHECK(after->let_go_index >= before->let_go_index);
    FUZZ_CHECK(after->history_count <= BW_HISTORY_MAX && after->history_first < BW_HISTORY_MAX);
    FUZZ_CHECK((after->phase == BW_PHASE_VACANT) == (after->holder_site[0] == '\0'));
    FUZZ_CHECK(rule != NULL || memcmp(before, after, sizeof *after) == 0);
    FUZZ_CHECK(rule == NULL || before->phase == rule->phase);
    FUZZ_CHECK(rule == NULL || command->kind == rule->command);
    /* Nobody holds a group who is not in its spec, and a held epoch ends by nobody's waiting. */
    FUZZ_CHECK(after->holder_site[0] == '\0' ||
               bw_spec_find_site(&after->spec, after->holder_site) >= 0);
    FUZZ_CHECK(!(before->held && command->kind == BW_COMMAND_EXPIRED && rule != NULL));
}

/* At most one site is told to run. */
static void check_orders(const struct bw_cluster *cluster, const struct bw_group *group)
{
    unsigned runs = 0;

    for (uint32_t i = 0; i < group->spec.site_count; i++) {
        struct bw_order order;

        bw_order_derive(group, group->spec.sites[i].name, cluster->applied_index, &order);
        FUZZ_CHECK(order.kind <= BW_ORDER_LET_GO && order.kind != BW_ORDER_NONE);
        runs += order.kind == BW_ORDER_RUN;
    }
    FUZZ_CHECK(runs <= 1);
}

static void check_snapshot(const struct bw_cluster *cluster)
{
    static uint8_t bytes[128 * 1024];
    struct bw_cluster again;
    struct bw_diag diag = {0};
    size_t size;

    FUZZ_CHECK(bw_snapshot_encode(cluster, bytes, sizeof bytes, &size, &diag) == BW_OK);
    bw_cluster_init(&again, restored, GROUPS);
    FUZZ_CHECK(bw_snapshot_decode(bytes, size, &again, &diag) == BW_OK);
    FUZZ_CHECK(again.applied_index == cluster->applied_index &&
               again.epoch_floor == cluster->epoch_floor &&
               again.let_go_wait_ms == cluster->let_go_wait_ms);
    for (uint32_t i = 0; i < cluster->group_count; i++)
        FUZZ_CHECK(restored[i].epoch == groups[i].epoch && restored[i].phase == groups[i].phase);
}

static void apply(struct bw_cluster *cluster, const struct bw_command *command)
{
    static struct bw_group before[GROUPS];
    const int number = bw_cluster_find(cluster, command->group);
    const uint64_t index = cluster->applied_index + 1;
    const uint64_t floor = cluster->epoch_floor;
    const struct bw_group_rule *wanted = NULL;
    struct bw_applied applied;

    memcpy(before, groups, sizeof before);
    if (number >= 0 && command->kind != BW_COMMAND_FOUND)
        wanted = bw_group_match(&groups[number], command);
    applied = bw_cluster_apply(cluster, index, command);
    FUZZ_CHECK(cluster->applied_index == index && cluster->epoch_floor >= floor);
    FUZZ_CHECK((applied.rule != NULL) == (applied.err == BW_OK));
    FUZZ_CHECK(applied.rule == NULL || number < 0 || applied.rule == wanted);
    FUZZ_CHECK(applied.group < (int)cluster->group_count);
    for (int i = 0; i < GROUPS; i++) {
        if (groups[i].spec.name[0] == '\0')
            continue;
        if (before[i].spec.name[0] == '\0') {
            FUZZ_CHECK(groups[i].epoch >= floor && bw_group_is_sound(&groups[i]));
            FUZZ_CHECK(groups[i].first_grant && groups[i].phase == BW_PHASE_VACANT);
        } else {
            check_group(&before[i], &groups[i], command, i == number ? applied.rule : NULL);
        }
        check_orders(cluster, &groups[i]);
    }
}

static bool read_command(const struct fuzz_record *record, struct bw_command *out_command)
{
    uint8_t frame[BW_FRAME_HEAD_BYTES + FUZZ_INPUT_BYTES_MAX + 8] = {0};
    struct bw_diag diag = {0};

    if (record->data == NULL || record->size > FUZZ_INPUT_BYTES_MAX)
        return false;
    memcpy(frame + BW_FRAME_HEAD_BYTES, record->data, record->size);
    bw_frame_seal(frame, BW_FRAME_LOG_ENTRY, record->size);
    return bw_log_entry_decode(frame, (BW_FRAME_HEAD_BYTES + record->size + 7) / 8 * 8, out_command,
                               &diag) == BW_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_records records = {data + 1, size - 1};
    struct fuzz_record record;
    struct bw_cluster cluster;
    struct bw_command command;
    uint64_t bits = 0;
    unsigned count = 0;

    if (size == 0)
        return 0;
    memset(groups, 0, sizeof groups);
    memset(restored, 0, sizeof restored);
    bw_cluster_init(&cluster, groups, GROUPS);
    while (count < COMMANDS_MAX && fuzz_record_next(&records, &record)) {
        if (record.number == 2)
            bits = record.value;
        if (record.number != 1 || !read_command(&record, &command))
            continue;
        fit(&command, &cluster, bits);
        apply(&cluster, &command);
        bw_log_entry_release(&command);
        bits = 0;
        count++;
    }
    check_snapshot(&cluster);
    return 0;
}
