#include <breakwater/wire/snapshot.h>

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/wire/frame.h>
#include <breakwater/wire/record_event.h>

#include <snapshot.pb-c.h>

#include "shapes.h"

/* A group with 8 sites, 32 history entries and the longest names and texts needs less; 1,024 of
 * these stay below BW_SNAPSHOT_BYTES_MAX. */
#define PAYLOAD_MAX (BW_SNAPSHOT_GROUP_BYTES_MAX + BW_SNAPSHOT_CLAIMS_BYTES_MAX - BW_FRAME_HEAD_BYTES)
_Static_assert((size_t)BW_SNAPSHOT_GROUP_BYTES_MAX *(BW_GROUPS_MAX + 2) <= BW_SNAPSHOT_RECORD_BYTES_MAX,
               "the largest cluster must fit in a snapshot");

/* A RecordBlock: its group's name, and events. */
#define BLOCK_HEAD_BYTES  2
#define BLOCK_PAYLOAD_MAX (BLOCK_HEAD_BYTES + BW_NAME_MAX + BW_RECORD_BLOCK_BYTES)
_Static_assert(BW_FRAME_HEAD_BYTES + BLOCK_PAYLOAD_MAX <= BW_SNAPSHOT_BLOCK_BYTES_MAX,
               "bw_record_limit leaves room for it");

static const char *head_unsound(const void *core)
{
    const struct bw_cluster *head = core;

    if (head->people_version == 0 ? head->people.text[0] == '\0' : bw_people_check(head->people.text) == BW_OK)
        return NULL;
    return "not a list that was applied";
}

/* The three kinds that are messages, each with a magic of its own. */
struct record_kind {
    uint32_t magic;
    struct bw_coding coding;
};
#define KIND(frame_magic, name, judge)                                                             \
    {                                                                                              \
        .magic = (frame_magic), .coding = {                                                        \
            .shape = &bw_shape_snapshot_##name,                                                    \
            .what = "snapshot " #name,                                                             \
            .bytes_max = PAYLOAD_MAX,                                                              \
            .is_strict = true,                                                                     \
            .unsound = (judge),                                                                    \
            .unsound_head = "snapshot " #name ": people: "                                         \
        }                                                                                          \
    }
static const struct record_kind head_kind = KIND(BW_FRAME_SNAPSHOT_HEAD, head, head_unsound);
static const struct record_kind group_kind = KIND(BW_FRAME_SNAPSHOT_GROUP, group, NULL);
static const struct record_kind end_kind = KIND(BW_FRAME_SNAPSHOT_END, end, NULL);

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

static ProtobufCBinaryData bytes_at(const void *data, size_t size)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)data, .len = size};
}

/* Its events in the bytes that they are kept in: nothing is decoded for it. */
static size_t pack_block(const struct bw_record_chain *chain, const struct bw_record_block *block,
                         uint8_t *out)
{
    ProtobufCBinaryData events[BW_RECORD_BLOCK_EVENTS_MAX];
    Breakwater__V1__RecordBlock message = BREAKWATER__V1__RECORD_BLOCK__INIT;
    size_t offset = 0;

    for (uint32_t i = 0; i < block->count; i++) {
        events[i] = bytes_at(block->bytes + offset, block->slots[i].size);
        offset += block->slots[i].size;
    }
    message.group = bytes_at(chain->group, strlen(chain->group));
    message.n_events = block->count;
    message.events = events;
    return breakwater__v1__record_block__pack(&message, out);
}

static enum bw_err write_block(struct writer *writer, const struct bw_record_chain *chain,
                               const struct bw_record_block *block)
{
    const size_t payload_size = BLOCK_HEAD_BYTES + strlen(chain->group) + block->used;
    const size_t size = BW_FRAME_HEAD_BYTES + payload_size;

    /* not covered: only measured, with a record. */
    if (writer->out != NULL) {
        uint8_t *frame = writer->out + writer->size;
        size_t packed_size;

        /* not covered: no room for a block: who writes has measured before. */
        if (size > writer->out_max - writer->size)
            return bw_diag_set(writer->diag, BW_ERR_LIMIT, "snapshot: there is room for %zu bytes",
                               writer->out_max);
        packed_size = pack_block(chain, block, frame + BW_FRAME_HEAD_BYTES);
        BW_ASSERT(packed_size == payload_size); /* each event was counted as it came */
        bw_frame_seal(frame, BW_FRAME_SNAPSHOT_BLOCK, payload_size);
    }
    writer->size += size;
    return BW_OK;
}

/* As they lie in their chains: which goes next is the same for who restores them. */
static enum bw_err write_blocks(struct writer *writer, const struct bw_record *record)
{
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; record != NULL && i < record->chain_count; i++) {
        const struct bw_record_chain *chain = &record->chains[i];
        const struct bw_record_block *block;

        /* not covered: as above. */
        for (uint16_t at = chain->first; err == BW_OK && at != 0; at = block->next) {
            block = &record->blocks[at - 1];
            err = write_block(writer, chain, block);
        }
    }
    return err;
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
    if (err == BW_OK)
        err = write_blocks(writer, cluster->record);
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

/* Of the block that was read before. */
struct block_before {
    char group[BW_NAME_MAX + 1];
    uint64_t index;
};

static enum bw_err damaged_block(const struct reader *reader, const char *wrong)
{
    return bw_diag_set(reader->diag, BW_ERR_CORRUPT,
                       "snapshot: block of the record at byte %zu: %s", reader->used, wrong);
}

/* The group as that of the block before, or one whose name comes later. */
static enum bw_err read_block_group(const struct reader *reader,
                                    const Breakwater__V1__RecordBlock *block,
                                    struct block_before *before)
{
    char group[BW_NAME_MAX + 1] = "";

    if (block->base.n_unknown_fields > 0)
        return bw_diag_set(reader->diag, BW_ERR_VERSION,
                           "snapshot: block of the record at byte %zu: field %" PRIu32
                           " is not known here; written by a newer breakwater",
                           reader->used, block->base.unknown_fields[0].tag);
    /* not covered: a name of no bytes, or of more than a name has. */
    if (block->group.len > 0 && block->group.len <= BW_NAME_MAX)
        memcpy(group, block->group.data, block->group.len);
    if (!bw_name_is_valid(group) || strlen(group) != block->group.len ||
        strcmp(group, before->group) < 0)
        return damaged_block(reader, "it is of no group, or not in its place");
    if (strcmp(group, before->group) != 0)
        *before = (struct block_before){0};
    memcpy(before->group, group, sizeof group);
    return BW_OK;
}

/* What has passed the first pass is put into `record` by the second; NULL: this is the first. */
static enum bw_err read_event(const struct reader *reader, const ProtobufCBinaryData *bytes,
                              uint64_t applied_index, struct block_before *before,
                              struct bw_record *record)
{
    struct bw_record_event event;
    enum bw_err err = bw_record_event_decode(bytes->data, bytes->len, &event, reader->diag);

    if (err != BW_OK)
        return bw_diag_wrap(reader->diag, err, "snapshot: block of the record at byte %zu",
                            reader->used);
    if (event.index < before->index)
        return damaged_block(reader, "its events are not in order");
    if (event.index > applied_index)
        return damaged_block(reader, "an event in it is later than the state");
    before->index = event.index;
    if (record != NULL)
        bw_record_put_event(record, before->group, &event, bytes->data, bytes->len);
    return BW_OK;
}

static enum bw_err read_events(const struct reader *reader,
                               const Breakwater__V1__RecordBlock *block, size_t payload_size,
                               uint64_t applied_index, struct block_before *before,
                               struct bw_record *record)
{
    size_t used = 0;
    enum bw_err err = BW_OK;

    for (size_t i = 0; i < block->n_events; i++)
        used += bw_record_room_of(block->events[i].len);
    if (used == 0 || used > BW_RECORD_BLOCK_BYTES || block->n_events > BW_RECORD_BLOCK_EVENTS_MAX)
        return damaged_block(reader, "it has no events, or more than a block has room for");
    if (payload_size != BLOCK_HEAD_BYTES + block->group.len + used)
        return damaged_block(reader, "it is not written in the bytes that it has");
    if (record != NULL)
        bw_record_put_block(record, before->group);
    for (size_t i = 0; err == BW_OK && i < block->n_events; i++)
        err = read_event(reader, &block->events[i], applied_index, before, record);
    return err;
}

static enum bw_err read_block(struct reader *reader, uint64_t applied_index,
                              struct block_before *before, struct bw_record *record)
{
    const Breakwater__V1__RecordBlock *block;
    struct bw_frame frame;
    enum bw_err err = bw_frame_open(reader->data + reader->used, reader->size - reader->used,
                                    BW_FRAME_SNAPSHOT_BLOCK, BLOCK_PAYLOAD_MAX, &frame,
                                    reader->diag);

    /* not covered: a block whose frame is cut off or damaged: the fuzzer of snapshots makes them.
     */
    if (err != BW_OK)
        return bw_diag_wrap(reader->diag, err, "snapshot: at byte %zu", reader->used);
    bw_arena_reset(&reader->arena);
    block = breakwater__v1__record_block__unpack(&reader->arena.allocator, frame.payload_size,
                                                 frame.payload);
    if (block == NULL)
        return damaged_block(reader, "it is no RecordBlock");
    err = read_block_group(reader, block, before);
    if (err == BW_OK)
        err = read_events(reader, block, frame.payload_size, applied_index, before, record);
    if (err == BW_OK)
        reader->used += frame.size;
    return err;
}

/* `block_max`: what whoever reads it has room for. */
static enum bw_err read_blocks(struct reader *reader, uint32_t block_max,
                               const struct bw_cluster *head, struct bw_record *record)
{
    struct block_before before = {0};
    uint32_t chain_count = 0;
    enum bw_err err = BW_OK;

    if (head->record_blocks > bw_record_limit(block_max, head->group_count))
        return bw_diag_set(reader->diag, BW_ERR_LIMIT,
                           "snapshot: %" PRIu32 " blocks of the record; there is room for %" PRIu32,
                           head->record_blocks, bw_record_limit(block_max, head->group_count));
    for (uint32_t i = 0; err == BW_OK && i < head->record_blocks; i++) {
        char group[BW_NAME_MAX + 1];

        memcpy(group, before.group, sizeof group);
        err = read_block(reader, head->applied_index, &before, record);
        chain_count += err == BW_OK && strcmp(group, before.group) != 0;
        /* not covered: more groups than there are chains, each with a block. */
        if (chain_count > BW_RECORD_CHAINS_MAX)
            err = bw_diag_set(reader->diag, BW_ERR_LIMIT,
                              "snapshot: a record of more than %d groups", BW_RECORD_CHAINS_MAX);
    }
    return err;
}

/* One pass over the whole snapshot. `groups` NULL: only checks. */
static enum bw_err read_all(struct reader *reader, const struct bw_cluster *room,
                            struct bw_cluster *out_head, struct bw_group *groups,
                            struct bw_record *into)
{
    const uint32_t block_max = room->record != NULL ? room->record->block_max
                                                    : BW_RECORD_BLOCKS_MAX;
    const uint32_t capacity = room->group_capacity;
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
    err = read_blocks(reader, block_max, out_head, into);
    if (err != BW_OK)
        return err;
    return read_end(reader, record_count);
}

/* The second pass, over what the first has checked. */
static void take_over(struct reader *reader, const struct bw_cluster *head,
                      struct bw_cluster *cluster)
{
    const struct bw_cluster room = *cluster;
    struct bw_record *record = room.record;
    struct bw_cluster same_head;
    enum bw_err err;

    if (room.group_capacity > 0)
        memset(room.groups, 0, room.group_capacity * sizeof *room.groups); /* gaps, and what was
                                                                              there before */
    if (record != NULL)
        bw_record_init(record, record->codec, record->blocks, record->block_max);
    err = read_all(reader, &room, &same_head, room.groups, record);
    BW_ASSERT(err == BW_OK);
    *cluster = *head;
    cluster->groups = room.groups;
    cluster->group_capacity = room.group_capacity;
    cluster->record = record;
    cluster->record_blocks = 0;
    if (record == NULL)
        return;
    bw_record_set_limit(record, bw_record_limit(record->block_max, cluster->group_count));
    cluster->record_blocks = record->block_count;
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
    err = read_all(&reader, cluster, &head, NULL, NULL);
    if (err == BW_OK)
        take_over(&reader, &head, cluster);
    bw_arena_deinit(&reader.arena);
    return err;
}
