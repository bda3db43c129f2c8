/* Good inputs to begin with, made from the tables of src/wire: `fuzz_seeds DIR` writes files into
 * DIR/TARGET. What is written in a text format is in the corpus by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <breakwater/core/spec.h>
#include <breakwater/core/sync.h>
#include <breakwater/wire/frame.h>
#include <breakwater/wire/guard_message.h>
#include <breakwater/wire/log_entry.h>

#include "../support/wire_fill.h"
#include "fuzz.h"

static const char *top;

static void write_seed(const char *target, const char *name, const uint8_t *data, size_t size)
{
    char path[512];
    FILE *out;

    (void)snprintf(path, sizeof path, "%s/%s", top, target);
    (void)mkdir(path, 0777); /* it may be there */
    (void)snprintf(path, sizeof path, "%s/%s/%s", top, target, name);
    if (size > FUZZ_INPUT_BYTES_MAX)
        return; /* the largest of all is no good beginning */
    out = fopen(path, "we");
    FUZZ_CHECK(out != NULL && fwrite(data, 1, size, out) == size && fclose(out) == 0);
}

/* ---- records ---- */

struct input {
    size_t size;
    uint8_t bytes[16 * 1024];
};

static void put_varint(struct input *input, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        input->bytes[input->size++] = (uint8_t)(value | 0x80);
    input->bytes[input->size++] = (uint8_t)value;
}

static void put_number(struct input *input, unsigned field, uint64_t value)
{
    put_varint(input, field << 3);
    put_varint(input, value);
}

static void put_bytes(struct input *input, unsigned field, const void *data, size_t size)
{
    FUZZ_CHECK(input->size + size + 20 < sizeof input->bytes);
    put_varint(input, field << 3 | 2);
    put_varint(input, size);
    memcpy(input->bytes + input->size, data, size);
    input->size += size;
}

static size_t encode(const struct bw_shape *shape, const void *core, uint8_t *out, size_t out_max)
{
    const struct bw_coding coding = {.shape = shape, .what = "seed", .bytes_max = out_max};
    struct bw_diag diag = {0};
    size_t size = 0;

    FUZZ_CHECK(bw_message_encode(&coding, core, 64, out, out_max, &size, &diag) == BW_OK);
    return size;
}

/* ---- one message each ---- */

static void fill_one(const char *target, unsigned kind, const char *name,
                     const struct bw_shape *shape, unsigned variants)
{
    static union {
        uint64_t align;
        uint8_t bytes[512 * 1024];
    } core;
    static uint8_t bytes[512 * 1024];

    FUZZ_CHECK(shape->core_size <= sizeof core.bytes);
    for (unsigned i = 0; i < variants; i++) {
        struct wire_filler filler = {.heap_count = 1 + i % 2, .choice = variants > 4 ? (int)i : -1};
        char file[64];
        size_t size;

        bw_prng_init(&filler.prng, 1000 * kind + i);
        wire_fill(&filler, shape, core.bytes);
        bytes[0] = (uint8_t)kind;
        size = encode(shape, core.bytes, bytes + 1, sizeof bytes - 1);
        (void)snprintf(file, sizeof file, "seed-%s-%u", name, i);
        write_seed(target, file, bytes, size + 1);
        wire_free(shape, core.bytes);
    }
}

/* ---- stories ---- */

static struct bw_command command_of(enum bw_command_kind kind)
{
    struct bw_command command = {.kind = kind, .group = "harbor"};

    if (kind == BW_COMMAND_FOUND) {
        command.group[0] = '\0';
        command.cluster_id.bytes[0] = 7;
        (void)strcpy(command.cluster_name, "prod");
        command.election_timeout_ms = 1000;
        command.feature_level = 1;
    }
    if (kind == BW_COMMAND_SET_SPEC) {
        bw_spec_defaults(&command.spec);
        (void)strcpy(command.spec.name, "harbor");
        command.spec.site_count = 2;
        (void)strcpy(command.spec.sites[0].name, "dc-a");
        (void)strcpy(command.spec.sites[1].name, "dc-b");
    }
    if (kind == BW_COMMAND_GRANT) {
        struct bw_spec spec;

        bw_spec_defaults(&spec);
        command.terms = bw_terms_of_spec(&spec);
    }
    if (kind == BW_COMMAND_GRANT || kind == BW_COMMAND_RELEASED)
        command.instance.bytes[0] = 1;
    if (kind == BW_COMMAND_GRANT || kind == BW_COMMAND_BOOT)
        command.boot_id.bytes[0] = (uint8_t)(1 + kind);
    command.spec_version = kind == BW_COMMAND_FOUND ? 0 : 1;
    command.epoch = 1;
    command.reason = BW_REASON_SITE_LOST;
    (void)strcpy(command.site, kind == BW_COMMAND_GRANT ? "dc-a" : "");
    (void)strcpy(command.target, "dc-b");
    (void)strcpy(command.by, "operator/anna");
    return command;
}

static void put_command(struct input *input, enum bw_command_kind kind, uint64_t bits)
{
    const struct bw_command command = command_of(kind);
    uint8_t entry[4096];
    struct bw_frame frame;
    struct bw_diag diag = {0};
    size_t size;

    FUZZ_CHECK(bw_log_entry_encode(&command, entry, sizeof entry, &size, &diag) == BW_OK);
    FUZZ_CHECK(bw_frame_open(entry, size, BW_FRAME_LOG_ENTRY, sizeof entry, &frame, &diag) ==
               BW_OK);
    put_number(input, 2, bits);
    put_bytes(input, 1, frame.payload, frame.payload_size);
}

static void write_group_stories(void)
{
    static const enum bw_command_kind ends[] = {
        BW_COMMAND_EXPIRED,  BW_COMMAND_RELEASED, BW_COMMAND_REVOKE,      BW_COMMAND_CLOSE,
        BW_COMMAND_FORCED,   BW_COMMAND_FENCED,   BW_COMMAND_FENCE_FAILED, BW_COMMAND_UNREVOKE,
        BW_COMMAND_SET_MODE, BW_COMMAND_DELETE,   BW_COMMAND_MAINTENANCE, BW_COMMAND_ADOPTED};
    const unsigned count = sizeof ends / sizeof ends[0];

    for (unsigned i = 0; i < count; i++) {
        struct input input = {.size = 1};
        char name[64];

        put_command(&input, BW_COMMAND_FOUND, 0);
        put_command(&input, BW_COMMAND_SET_SPEC, 0);
        put_command(&input, BW_COMMAND_GRANT, 2 | 4 | 16);
        put_command(&input, ends[i], 1 | 4 | 8);
        put_command(&input, ends[(i + 1) % count], 1 | 4 | 8);
        put_command(&input, ends[(i + 5) % count], 1 | 4 | 8);
        put_command(&input, BW_COMMAND_GRANT, 2 | 4 | 16);
        (void)snprintf(name, sizeof name, "seed-story-%u", i);
        write_seed("group", name, input.bytes, input.size);
    }
}

static void put_guard(struct input *input, unsigned field, const struct bw_guard_message *message)
{
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size;

    FUZZ_CHECK(bw_guard_message_encode(message, bytes, sizeof bytes, &size, &diag) == BW_OK);
    put_bytes(input, field, bytes, size);
}

static struct bw_guard_message guard_message(enum bw_guard_message_kind kind)
{
    struct bw_guard_message message = {.kind = kind, .group = "harbor", .epoch = 1};

    if (kind == BW_GUARD_MESSAGE_ARM)
        message.arm = (struct bw_guard_arm){.epoch = 1,
                                            .terms = {.ttl_ms = 4000, .fence_ms = 1000,
                                                      .drift_ppm = 1000, .margin_ms = 250,
                                                      .renew_interval_ms = 500,
                                                      .request_timeout_ms = 500,
                                                      .reach = BW_REACH_CGROUP},
                                            .number = 1,
                                            .begin = fuzz_instant_ms(1000),
                                            .end = fuzz_instant_ms(5000)};
    if (kind == BW_GUARD_MESSAGE_RUN)
        message.run = (struct bw_guard_run){.epoch = 1, .action = BW_ACTION_START, .run_id = 9};
    return message;
}

/* hello, arm, start, then what the variant adds, until after the deadline. */
static void write_guard_stories(void)
{
    for (unsigned i = 0; i < 8; i++) {
        struct bw_guard_message run = guard_message(BW_GUARD_MESSAGE_RUN);
        const struct bw_guard_message arm = guard_message(BW_GUARD_MESSAGE_ARM);
        const struct bw_guard_message end = guard_message(BW_GUARD_MESSAGE_END);
        struct input input = {.size = 1, .bytes = {(uint8_t)(i & 3)}};
        char name[64];

        put_number(&input, 5, 1);
        put_number(&input, 8, 1);
        put_guard(&input, 1, &arm);
        put_guard(&input, 1, &run);
        put_number(&input, 4, 0);
        put_number(&input, 3, 100);
        run.run.action = i % 2 == 0 ? BW_ACTION_STOP : BW_ACTION_STATUS;
        run.run.run_id = 10;
        put_guard(&input, 1, &run);
        put_number(&input, 4, i % 2 | (i & 1) << 5);
        put_number(&input, 8, 1);
        put_guard(&input, 1, &arm);
        put_guard(&input, 1, &end);
        for (unsigned j = 0; i >= 4 && j < 6; j++) {
            put_number(&input, 3, 1000);
            put_number(&input, 4, 2);
            put_number(&input, 4, 1);
            put_number(&input, 10, 1);
        }
        (void)snprintf(name, sizeof name, "seed-story-%u", i);
        write_seed("guard_socket", name, input.bytes, input.size);
    }
}

/* An order to run, the guard's greeting, a lease, a start, and an end of each kind. */
static void write_site_stories(void)
{
    for (unsigned i = 0; i < 8; i++) {
        struct bw_sync_answer_group group = {
            .name = "harbor",
            .order = {.kind = BW_ORDER_RUN, .index = 5, .epoch = 1, .spec_version = 1,
                      .instance = {{2}}, .restart_allowed = true,
                      .terms = guard_message(BW_GUARD_MESSAGE_ARM).arm.terms}};
        struct bw_sync_answer answer = {.cluster_id = {{1}}, .generation = 1, .is_leader = true,
                                        .group_count = 1, .groups = &group};
        struct bw_guard_message state = guard_message(BW_GUARD_MESSAGE_GROUP_STATE);
        const struct bw_guard_message begun = guard_message(BW_GUARD_MESSAGE_FENCE_BEGUN);
        struct bw_guard_message fenced = guard_message(BW_GUARD_MESSAGE_FENCE_ENDED);
        struct input input = {.size = 1, .bytes = {(uint8_t)(i & 1)}};
        uint8_t bytes[4096];
        char name[64];

        state.state.reach = BW_REACH_CGROUP;
        state.state.reach_works = true;
        state.state.fence_bound_ms = 500;
        memset(state.state.has_script, true, BW_ACTION_REMOTE_FENCE);
        fenced.fence.ok = i % 2 == 0;
        put_guard(&input, 2, &state);
        put_number(&input, 10, 0);
        put_number(&input, 9, 1);
        put_bytes(&input, 1, bytes, encode(&bw_shape_sync_answer, &answer, bytes, sizeof bytes));
        put_number(&input, 4, 0);
        put_number(&input, 11, 0);
        put_number(&input, 10, 0);
        put_number(&input, 3, 300);
        put_number(&input, 10, 8);
        group.order.kind = i % 4 == 0   ? BW_ORDER_STOP
                           : i % 4 == 1 ? BW_ORDER_STAND_BY
                                        : BW_ORDER_LET_GO;
        group.order.index = 6;
        if (i % 4 != 3)
            put_bytes(&input, 1, bytes,
                      encode(&bw_shape_sync_answer, &answer, bytes, sizeof bytes));
        for (unsigned j = 0; j < 4; j++) {
            put_number(&input, 3, 1200);
            put_number(&input, 10, i >= 4 ? 1 : 0);
        }
        put_guard(&input, 2, &begun);
        put_guard(&input, 2, &fenced);
        put_number(&input, 3, 4000);
        (void)snprintf(name, sizeof name, "seed-story-%u", i);
        write_seed("site", name, input.bytes, input.size);
    }
}

static void put_block(struct input *input, const char *group, const struct bw_record_event *event)
{
    static uint8_t bytes[BW_RECORD_EVENT_BYTES_MAX];
    struct input block = {0};

    put_bytes(&block, 1, group, strlen(group));
    put_bytes(&block, 2, bytes, encode(&bw_shape_record_event, event, bytes, sizeof bytes));
    put_bytes(input, 4, block.bytes, block.size);
}

/* Of each kind, as it is. */
static void write_events(void)
{
    static uint8_t bytes[1 + BW_RECORD_EVENT_BYTES_MAX] = {1};
    struct wire_filler filler = {0};
    struct bw_record_event event;
    char name[32];

    bw_prng_init(&filler.prng, 8);
    for (filler.choice = BW_RECORD_NONE + 1; filler.choice <= BW_RECORD_PASSED;
         filler.choice++) {
        wire_fill(&filler, &bw_shape_record_event, &event);
        for (uint32_t i = 0; i < event.key_count; i++)
            event.keys[i].key = i + 1;
        (void)snprintf(name, sizeof name, "seed-event-%d", filler.choice);
        write_seed("snapshot", name, bytes,
                   1 + encode(&bw_shape_record_event, &event, bytes + 1, sizeof bytes - 1));
    }
}

/* Two groups on record, neither of which is there. */
static void write_recorded(const struct bw_cluster *head)
{
    static uint8_t bytes[BW_RECORD_BLOCK_BYTES];
    const struct bw_record_event grant = {.kind = BW_RECORD_GRANTED,
                                          .index = 5,
                                          .unix_ms = 1800000000000,
                                          .epoch = 1,
                                          .reason = BW_REASON_SITE_LOST,
                                          .site = "dc-a",
                                          .by = "witness/w1"};
    const struct bw_record_event spec = {.kind = BW_RECORD_SPEC,
                                         .index = 7,
                                         .key_count = 1,
                                         .keys = {{.key = 8, .before = 5000, .after = 7000}},
                                         .site_count = 1,
                                         .sites = {{.name = "dc-c", .is = true}}};
    const struct bw_record_event over = {.kind = BW_RECORD_WISH_OVER,
                                         .index = 8,
                                         .wish = BW_WISH_SWITCHOVER,
                                         .wish_end = BW_WISH_END_CANCELED,
                                         .site = "dc-c"};
    struct bw_cluster cluster = *head;
    struct input input = {.size = 1};

    cluster.group_count = 0;
    cluster.record_blocks = 3;
    put_bytes(&input, 1, bytes, encode(&bw_shape_snapshot_head, &cluster, bytes, sizeof bytes));
    put_block(&input, "a", &grant);
    put_block(&input, "b", &spec);
    put_block(&input, "b", &over);
    write_seed("snapshot", "seed-recorded", input.bytes, input.size);
}

static void write_snapshots(void)
{
    static struct bw_snapshot_group group;
    static uint8_t bytes[64 * 1024];
    struct bw_cluster head = {.id = {{7}}, .name = "prod", .generation = 1,
                              .election_timeout_ms = 1000, .applied_index = 9, .group_count = 1};
    const struct bw_command spec = command_of(BW_COMMAND_SET_SPEC);
    struct bw_command grant = command_of(BW_COMMAND_GRANT);
    struct input input = {.size = 1};

    bw_group_init(&group.group, &spec.spec, 0, 5);
    put_bytes(&input, 1, bytes, encode(&bw_shape_snapshot_head, &head, bytes, sizeof bytes));
    write_seed("snapshot", "seed-empty", input.bytes, input.size);
    put_bytes(&input, 2, bytes, encode(&bw_shape_snapshot_group, &group, bytes, sizeof bytes));
    write_seed("snapshot", "seed-vacant", input.bytes, input.size);
    grant.spec_version = group.group.spec_version;
    FUZZ_CHECK(bw_group_apply(&group.group, 6, &grant) != NULL);
    input.size = 1;
    put_bytes(&input, 1, bytes, encode(&bw_shape_snapshot_head, &head, bytes, sizeof bytes));
    put_bytes(&input, 2, bytes, encode(&bw_shape_snapshot_group, &group, bytes, sizeof bytes));
    write_seed("snapshot", "seed-granted", input.bytes, input.size);
    write_recorded(&head);
    write_events();
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: fuzz_seeds DIR\n");
        return 2;
    }
    top = argv[1];
    fill_one("wire", 0, "sync", &bw_shape_sync, 3);
    fill_one("wire", 1, "answer", &bw_shape_sync_answer, 3);
    fill_one("wire", 2, "relay", &bw_shape_relay, 1);
    fill_one("wire", 3, "guard", &bw_shape_guard_message, BW_GUARD_MESSAGE_SHOWN + 1);
    fill_one("wire", 4, "command", &bw_shape_log_entry, BW_COMMAND_COUNT);
    fill_one("state", 0, "agent", &bw_shape_agent_state, 2);
    fill_one("state", 1, "memory", &bw_shape_guard_memory_file, 1);
    fill_one("state", 2, "mirror", &bw_shape_guard_mirror_file, 1);
    fill_one("state", 3, "reach", &bw_shape_guard_reach_file, 1);
    fill_one("state", 4, "told", &bw_shape_kept_members, 1);
    fill_one("state", 5, "second", &bw_shape_second_state, 2);
    fill_one("state", 6, "second_mirror", &bw_shape_second_mirror_file, 2);
    fill_one("wire", 6, "second_ask", &bw_shape_second_ask, 2);
    fill_one("wire", 7, "second_answer", &bw_shape_second_answer, 2);
    write_group_stories();
    write_guard_stories();
    write_site_stories();
    write_snapshots();
    return 0;
}
