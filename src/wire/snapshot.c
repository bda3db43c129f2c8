#include <breakwater/wire/snapshot.h>

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/wire/frame.h>

#include "shapes.h"

/* A group with 8 sites, 32 history entries and the longest names and texts needs less; 1,024 of
 * these stay below BW_SNAPSHOT_BYTES_MAX. */
#define RECORD_BYTES_MAX (15 * 1024)
#define PAYLOAD_MAX      (RECORD_BYTES_MAX - BW_FRAME_HEAD_BYTES)
_Static_assert((size_t)RECORD_BYTES_MAX *(BW_GROUPS_MAX + 2) <= BW_SNAPSHOT_BYTES_MAX,
               "the largest cluster must fit in a snapshot");

/* The three kinds of record, each with a magic of its own. */
struct record_kind {
    uint32_t magic;
    struct bw_coding coding;
};
#define KIND(frame_magic, name)                                                                    \
    {                                                                                              \
        .magic = (frame_magic), .coding = {                                                        \
            .shape = &bw_shape_snapshot_##name,                                                    \
            .what = "snapshot " #name,                                                             \
            .bytes_max = PAYLOAD_MAX,                                                              \
            .is_strict = true                                                                      \
        }                                                                                          \
    }
static const struct record_kind head_kind = KIND(BW_FRAME_SNAPSHOT_HEAD, head);
static const struct record_kind group_kind = KIND(BW_FRAME_SNAPSHOT_GROUP, group);
static const struct record_kind end_kind = KIND(BW_FRAME_SNAPSHOT_END, end);

/* ---- encode ---- */

struct writer {
    struct bw_arena arena;
    uint8_t *out; /* NULL: only counts */
    size_t out_max;
    size_t size;
    struct bw_diag *diag;
};

static enum bw_err write_record(struct writer *writer, const struct record_kind *kind,
                                const void *core)
{
    const size_t head = writer->size + BW_FRAME_HEAD_BYTES;
    size_t payload_size;
    enum bw_err err;

    if (writer->out != NULL && head > writer->out_max)
        return bw_diag_set(writer->diag, BW_ERR_LIMIT, "snapshot: there is room for %zu bytes",
                           writer->out_max);
    err = bw_shape_encode(
        &kind->coding, core, &writer->arena, writer->out == NULL ? NULL : writer->out + head,
        writer->out == NULL ? 0 : writer->out_max - head, &payload_size, writer->diag);
    if (err != BW_OK)
        return err;
    if (writer->out != NULL)
        bw_frame_seal(writer->out + writer->size, kind->magic, payload_size);
    writer->size = head + payload_size;
    return BW_OK;
}

/* Oldest first from place 0, so that witnesses with the same state write the same bytes. */
static void copy_in_order(const struct bw_group *group, struct bw_group *out_group)
{
    *out_group = *group;
    for (uint32_t i = 0; i < group->history_count; i++)
        out_group->history[i] = group->history[(group->history_first + i) % BW_HISTORY_MAX];
    out_group->history_first = 0;
}

static enum bw_err write_all(struct writer *writer, const struct bw_cluster *cluster)
{
    struct bw_snapshot_group record;
    struct bw_snapshot_end end = {0};
    enum bw_err err = write_record(writer, &head_kind, cluster);

    for (uint32_t i = 0; err == BW_OK && i < cluster->group_count; i++) {
        const struct bw_group *group = &cluster->groups[i];

        if (group->spec.name[0] == '\0')
            continue;
        BW_ASSERT(bw_group_is_sound(group));
        record.place = i;
        copy_in_order(group, &record.group);
        err = write_record(writer, &group_kind, &record);
        end.record_count++;
    }
    if (err != BW_OK)
        return err;
    end.byte_count = writer->size;
    return write_record(writer, &end_kind, &end);
}

enum bw_err bw_snapshot_encode(const struct bw_cluster *cluster, void *out, size_t out_max,
                               size_t *out_size, struct bw_diag *diag)
{
    struct writer writer = {.out = out, .out_max = out_max, .diag = diag};
    enum bw_err err = bw_arena_init(&writer.arena,
                                    bw_coding_encode_memory(BW_SITES_MAX + BW_HISTORY_MAX +
                                                            BW_BOOTS_MAX + BW_VOUCHERS_MAX),
                                    diag);

    if (err != BW_OK)
        return err;
    err = write_all(&writer, cluster);
    bw_arena_deinit(&writer.arena);
    if (err != BW_OK)
        return err;
    BW_ASSERT(writer.size <= BW_SNAPSHOT_BYTES_MAX);
    *out_size = writer.size;
    return BW_OK;
}

/* ---- decode ---- */

struct reader {
    struct bw_arena arena; /* serves both passes, so that the second takes nothing from the heap */
    const uint8_t *data;
    size_t size;
    size_t used;
    struct bw_diag *diag;
};

static enum bw_err read_record(struct reader *reader, const struct record_kind *kind, void *out)
{
    struct bw_frame frame;
    enum bw_err err = bw_frame_open(reader->data + reader->used, reader->size - reader->used,
                                    kind->magic, PAYLOAD_MAX, &frame, reader->diag);

    if (err == BW_OK)
        err = bw_shape_decode(&kind->coding, frame.payload, frame.payload_size, &reader->arena, out,
                              reader->diag);
    if (err != BW_OK)
        return bw_diag_wrap(reader->diag, err, "snapshot: at byte %zu", reader->used);
    reader->used += frame.size;
    return BW_OK;
}

static bool is_group_next(const struct reader *reader)
{
    return reader->size - reader->used >= BW_FRAME_HEAD_BYTES &&
           bw_get_u32le(reader->data + reader->used) == group_kind.magic;
}

static enum bw_err read_end(struct reader *reader, uint32_t record_count)
{
    const size_t begin = reader->used;
    struct bw_snapshot_end end;
    enum bw_err err = read_record(reader, &end_kind, &end);

    if (err != BW_OK)
        return err;
    if (end.record_count != record_count || end.byte_count != begin)
        return bw_diag_set(reader->diag, BW_ERR_CORRUPT,
                           "snapshot: %" PRIu32 " groups in %zu bytes; the end says %" PRIu32
                           " in %" PRIu64,
                           record_count, begin, end.record_count, end.byte_count);
    if (reader->used != reader->size)
        return bw_diag_set(reader->diag, BW_ERR_CORRUPT, "snapshot: something follows it");
    return BW_OK;
}

/* One pass over the whole snapshot. `groups` NULL: only checks. */
static enum bw_err read_all(struct reader *reader, uint32_t capacity, struct bw_cluster *out_head,
                            struct bw_group *groups)
{
    struct bw_snapshot_group record;
    uint32_t record_count = 0;
    uint32_t next_place = 0;
    enum bw_err err;

    reader->used = 0;
    err = read_record(reader, &head_kind, out_head);
    if (err != BW_OK)
        return err;
    if (out_head->group_count > capacity)
        return bw_diag_set(reader->diag, BW_ERR_LIMIT,
                           "snapshot: %" PRIu32 " groups; there is room "
                           "for %" PRIu32,
                           out_head->group_count, capacity);
    for (; is_group_next(reader); record_count++) {
        err = read_record(reader, &group_kind, &record);
        if (err != BW_OK)
            return err;
        if (record.place < next_place || record.place >= out_head->group_count)
            return bw_diag_set(reader->diag, BW_ERR_CORRUPT, "snapshot: no place %" PRIu32 " here",
                               record.place);
        if (!bw_group_is_sound(&record.group))
            return bw_diag_set(reader->diag, BW_ERR_CORRUPT,
                               "snapshot: group %s: its values contradict each other",
                               record.group.spec.name);
        next_place = record.place + 1;
        if (groups != NULL)
            groups[record.place] = record.group;
    }
    return read_end(reader, record_count);
}

/* The second pass, over what the first has checked. */
static void take_over(struct reader *reader, const struct bw_cluster *head,
                      struct bw_cluster *cluster)
{
    const uint32_t capacity = cluster->group_capacity;
    struct bw_group *groups = cluster->groups;
    struct bw_cluster same_head;
    enum bw_err err;

    if (capacity > 0)
        memset(groups, 0, capacity * sizeof *groups); /* gaps, and what was there before */
    err = read_all(reader, capacity, &same_head, groups);
    BW_ASSERT(err == BW_OK);
    *cluster = *head;
    cluster->groups = groups;
    cluster->group_capacity = capacity;
}

enum bw_err bw_snapshot_decode(const void *data, size_t size, struct bw_cluster *cluster,
                               struct bw_diag *diag)
{
    struct reader reader = {.data = data, .size = size, .diag = diag};
    struct bw_cluster head;
    enum bw_err err;

    if (size > BW_SNAPSHOT_BYTES_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "snapshot: %zu bytes; at most %d", size,
                           BW_SNAPSHOT_BYTES_MAX);
    err = bw_arena_init(
        &reader.arena,
        bw_coding_decode_memory(&group_kind.coding, size < PAYLOAD_MAX ? size : PAYLOAD_MAX), diag);
    if (err != BW_OK)
        return err;
    err = read_all(&reader, cluster->group_capacity, &head, NULL);
    if (err == BW_OK)
        take_over(&reader, &head, cluster);
    bw_arena_deinit(&reader.arena);
    return err;
}
