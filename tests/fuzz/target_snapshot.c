/* A snapshot, or the text that one is saved in. First byte odd: the bytes as they are, as both.
 * Even: records, put into frames here, because a checksum cannot be guessed: field 1 the head, 2 a
 * group, 3 an end, 4 a block of the record; a right end follows without one. */
#include <stdlib.h>
#include <string.h>

#include <breakwater/core/record_line.h>
#include <breakwater/wire/frame.h>
#include <breakwater/wire/record_event.h>
#include <breakwater/wire/snapshot.h>
#include <breakwater/witness/saved.h>

#include "fuzz.h"

#define GROUPS      4
#define BLOCKS      16
#define FRAMES_MAX  (4 * FUZZ_INPUT_BYTES_MAX + 4096)
#define BYTES_MAX   (256 * 1024)

static struct bw_group groups[GROUPS];
static struct bw_group groups_before[GROUPS];
static struct bw_group groups_again[GROUPS];
static struct bw_record_room room;
static struct bw_record_room room_again;

struct frames {
    size_t size;
    uint32_t group_count;
    bool has_end;
    uint8_t bytes[FRAMES_MAX];
};

static void put(struct frames *frames, uint32_t magic, const uint8_t *data, size_t size)
{
    if (frames->size + BW_FRAME_HEAD_BYTES + size > sizeof frames->bytes)
        return; /* the input is longer than any of ours */
    if (size > 0)
        memcpy(frames->bytes + frames->size + BW_FRAME_HEAD_BYTES, data, size);
    bw_frame_seal(frames->bytes + frames->size, magic, size);
    frames->size += BW_FRAME_HEAD_BYTES + size;
}

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t size = 0;

    for (; value >= 0x80; value >>= 7)
        out[size++] = (uint8_t)(value | 0x80);
    out[size++] = (uint8_t)value;
    return size;
}

static void put_end(struct frames *frames)
{
    uint8_t end[32] = {0x08};
    size_t size = 1;

    size += put_varint(end + size, frames->group_count);
    end[size++] = 0x10;
    size += put_varint(end + size, frames->size);
    put(frames, BW_FRAME_SNAPSHOT_END, end, size);
}

static void assemble(const uint8_t *data, size_t size, struct frames *out_frames)
{
    struct fuzz_records records = {data, size};
    struct fuzz_record record;

    out_frames->size = 0;
    out_frames->group_count = 0;
    out_frames->has_end = false;
    while (fuzz_record_next(&records, &record)) {
        if (record.data == NULL)
            continue;
        if (record.number == 2)
            out_frames->group_count++;
        out_frames->has_end = record.number == 3 || record.number > 4;
        put(out_frames,
            record.number == 1   ? BW_FRAME_SNAPSHOT_HEAD
            : record.number == 2 ? BW_FRAME_SNAPSHOT_GROUP
            : record.number == 4 ? BW_FRAME_SNAPSHOT_BLOCK
                                 : BW_FRAME_SNAPSHOT_END,
            record.data, record.size);
    }
    if (!out_frames->has_end)
        put_end(out_frames);
}

static void begin_again(struct bw_cluster *again)
{
    bw_record_init(&room_again.record, &bw_record_codec, room_again.blocks, BLOCKS);
    bw_cluster_init(again, groups_again, GROUPS);
    bw_cluster_keep_record(again, &room_again.record);
}

/* Every line can be read. */
static void check_record(const struct bw_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->record->chain_count; i++) {
        struct bw_record_at at = bw_record_begin(&cluster->record->chains[i]);
        struct bw_record_mark mark = {0};
        struct bw_record_line line;

        while (bw_record_next_line(cluster->record, &at, &mark)) {
            bw_record_read_line(cluster->record, &mark, &line);
            FUZZ_CHECK(line.event.index == mark.index);
        }
    }
}

/* The state was sound, and gives the same bytes again. */
static void check_round_trip(const struct bw_cluster *cluster)
{
    static uint8_t first[BYTES_MAX];
    static uint8_t second[BYTES_MAX];
    struct bw_cluster again;
    struct bw_diag diag = {0};
    size_t first_size;
    size_t second_size;

    FUZZ_CHECK(cluster->groups == groups && cluster->group_capacity == GROUPS);
    FUZZ_CHECK(cluster->group_count <= GROUPS);
    for (uint32_t i = 0; i < cluster->group_count; i++)
        FUZZ_CHECK(groups[i].spec.name[0] == '\0' || bw_group_is_sound(&groups[i]));
    FUZZ_CHECK(bw_snapshot_encode(cluster, first, sizeof first, &first_size, &diag) == BW_OK);
    begin_again(&again);
    FUZZ_CHECK(bw_snapshot_decode(first, first_size, &again, &diag) == BW_OK);
    FUZZ_CHECK(bw_snapshot_encode(&again, second, sizeof second, &second_size, &diag) == BW_OK);
    FUZZ_CHECK(first_size == second_size && memcmp(first, second, first_size) == 0);
}

/* What was saved is read as the same state, unless no cluster comes to it: then it is refused for
 * that, as a new beginning refuses it (3.9). */
static void check_saved(const struct bw_cluster *cluster)
{
    const struct bw_roster roster = {.count = 1, .members = {{.id = 4, .incarnation = {{7}}}}};
    json_t *document = bw_saved_encode(cluster, &roster, 3, "w1", 5);
    struct bw_saved saved;
    struct bw_cluster again;
    struct bw_diag diag = {0};
    enum bw_err judged;

    FUZZ_CHECK(document != NULL);
    begin_again(&again);
    if (bw_id_is_none(cluster->id) || cluster->name[0] == '\0') {
        json_decref(document); /* none that has begun: nobody saves it */
        return;
    }
    judged = bw_cluster_judge_saved(cluster, &diag);
    FUZZ_CHECK(bw_saved_decode(document, &saved, &again, &diag) == judged);
    if (judged != BW_OK) {
        json_decref(document);
        return;
    }
    FUZZ_CHECK(saved.term == 3 && saved.unix_ms == 5 && strcmp(saved.witness, "w1") == 0);
    FUZZ_CHECK(saved.roster.count == 1 && saved.roster.members[0].id == 4);
    FUZZ_CHECK(again.applied_index == cluster->applied_index);
    json_decref(document);
}

static void run_text(const uint8_t *data, size_t size)
{
    json_t *document = json_loadb((const char *)data, size, 0, NULL);
    struct bw_saved saved;
    struct bw_cluster cluster;
    struct bw_diag diag = {0};

    bw_cluster_init(&cluster, groups, GROUPS);
    if (document != NULL)
        fuzz_check_outcome(bw_saved_decode(document, &saved, &cluster, &diag), &diag);
    json_decref(document);
}

/* What is read of them is what they say, to the bit. */
static void run_event(const uint8_t *data, size_t size)
{
    static uint8_t again[BW_RECORD_EVENT_BYTES_MAX];
    struct bw_record_event event;
    struct bw_record_event same;
    struct bw_diag diag = {0};
    size_t again_size;
    const enum bw_err err = bw_record_event_decode(data, size, &event, &diag);

    fuzz_check_outcome(err, &diag);
    if (err != BW_OK)
        return;
    FUZZ_CHECK(bw_record_event_unsound(&event) == NULL);
    FUZZ_CHECK(bw_record_event_encode(&event, again, sizeof again, &again_size, &diag) == BW_OK);
    FUZZ_CHECK(again_size == size && memcmp(again, data, size) == 0);
    bw_record_codec.decode(data, size, &same);
    FUZZ_CHECK(memcmp(&same, &event, sizeof event) == 0);
}

static void run(const uint8_t *data, size_t size)
{
    struct bw_cluster cluster;
    struct bw_cluster before;
    struct bw_diag diag = {0};
    enum bw_err err;

    memset(groups, 0, sizeof groups);
    memset(groups_again, 0, sizeof groups_again);
    bw_record_init(&room.record, &bw_record_codec, room.blocks, BLOCKS);
    bw_cluster_init(&cluster, groups, GROUPS);
    bw_cluster_keep_record(&cluster, &room.record);
    memcpy(&before, &cluster, sizeof before);
    memcpy(groups_before, groups, sizeof groups);
    run_event(data, size);
    err = bw_snapshot_decode(data, size, &cluster, &diag);
    fuzz_check_outcome(err, &diag);
    if (err == BW_OK) {
        check_round_trip(&cluster);
        check_record(&cluster);
        check_saved(&cluster);
        return;
    }
    FUZZ_CHECK(memcmp(&before, &cluster, sizeof before) == 0);
    FUZZ_CHECK(memcmp(groups_before, groups, sizeof groups) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct frames frames;

    if (size == 0)
        return 0;
    if (data[0] % 2 == 1) {
        run(data + 1, size - 1);
        run_text(data + 1, size - 1);
        return 0;
    }
    assemble(data + 1, size - 1, &frames);
    run(frames.bytes, frames.size);
    return 0;
}
