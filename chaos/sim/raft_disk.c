#include "raft_disk.h"

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#define CAPACITY_MIN 64

void *sim_raft_copy(const void *bytes, size_t size)
{
    void *copy = malloc(size > 0 ? size : 1);

    BW_ASSERT(copy != NULL);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

void sim_raft_disk_init(struct sim_raft_disk *disk)
{
    *disk = (struct sim_raft_disk){.first = 1};
}

static struct sim_raft_entry *entry_at(const struct sim_raft_disk *disk, raft_index index)
{
    return &disk->ring[index & (disk->capacity - 1)];
}

const struct sim_raft_entry *sim_raft_disk_at(const struct sim_raft_disk *disk, raft_index index)
{
    return index < disk->first || index >= sim_raft_disk_next(disk) ? NULL : entry_at(disk, index);
}

static void remove_last(struct sim_raft_disk *disk)
{
    disk->count--;
    free(entry_at(disk, disk->first + disk->count)->bytes);
}

static void remove_first(struct sim_raft_disk *disk)
{
    free(entry_at(disk, disk->first)->bytes);
    disk->first++;
    disk->count--;
}

static void free_snapshot(struct sim_raft_disk *disk)
{
    free(disk->snapshot.configuration.base);
    free(disk->snapshot.data.base);
    disk->snapshot = (struct sim_raft_snapshot){0};
}

void sim_raft_disk_deinit(struct sim_raft_disk *disk)
{
    while (disk->count > 0)
        remove_last(disk);
    free(disk->ring);
    free_snapshot(disk);
    *disk = (struct sim_raft_disk){0};
}

static void grow(struct sim_raft_disk *disk)
{
    struct sim_raft_disk larger = *disk;

    larger.capacity = disk->capacity > 0 ? 2 * disk->capacity : CAPACITY_MIN;
    larger.ring = calloc(larger.capacity, sizeof *larger.ring);
    BW_ASSERT(larger.ring != NULL);
    for (size_t i = 0; i < disk->count; i++)
        *entry_at(&larger, disk->first + i) = *entry_at(disk, disk->first + i);
    free(disk->ring);
    *disk = larger;
}

void sim_raft_disk_append(struct sim_raft_disk *disk, const struct sim_raft_entry *entry)
{
    if (disk->count == disk->capacity)
        grow(disk);
    *entry_at(disk, sim_raft_disk_next(disk)) = *entry;
    disk->count++;
}

static struct raft_buffer copy_buffer(const struct raft_buffer *buffer)
{
    return (struct raft_buffer){.base = sim_raft_copy(buffer->base, buffer->len), .len = buffer->len};
}

void sim_raft_disk_copy(const struct sim_raft_disk *disk, struct sim_raft_disk *out_copy)
{
    *out_copy = *disk;
    out_copy->ring = NULL;
    out_copy->count = out_copy->capacity = 0;
    for (size_t i = 0; i < disk->count; i++) {
        struct sim_raft_entry entry = *entry_at(disk, disk->first + i);

        entry.bytes = sim_raft_copy(entry.bytes, entry.size);
        sim_raft_disk_append(out_copy, &entry);
    }
    if (disk->snapshot.index > 0) {
        out_copy->snapshot.configuration = copy_buffer(&disk->snapshot.configuration);
        out_copy->snapshot.data = copy_buffer(&disk->snapshot.data);
    }
}

void sim_raft_disk_truncate(struct sim_raft_disk *disk, raft_index index)
{
    while (disk->count > 0 && sim_raft_disk_next(disk) > index)
        remove_last(disk);
}

void sim_raft_disk_put_snapshot(struct sim_raft_disk *disk,
                                const struct sim_raft_snapshot *snapshot)
{
    free_snapshot(disk);
    disk->snapshot = *snapshot;
}

void sim_raft_disk_trim(struct sim_raft_disk *disk, unsigned trailing)
{
    raft_index index = disk->snapshot.index;

    if (trailing == 0) {
        while (disk->count > 0)
            remove_last(disk);
        disk->first = index + 1;
        return;
    }
    while (disk->count > 0 && disk->first + trailing <= index)
        remove_first(disk);
}

static struct raft_buffer give(const void *bytes, size_t size)
{
    struct raft_buffer buffer = {.base = raft_malloc(size > 0 ? size : 1), .len = size};

    BW_ASSERT(buffer.base != NULL);
    if (size > 0)
        memcpy(buffer.base, bytes, size);
    return buffer;
}

struct raft_snapshot *sim_raft_disk_get_snapshot(const struct sim_raft_disk *disk)
{
    const struct sim_raft_snapshot *from = &disk->snapshot;
    struct raft_snapshot *snapshot = raft_calloc(1, sizeof *snapshot);

    BW_ASSERT(from->index > 0 && snapshot != NULL);
    snapshot->index = from->index;
    snapshot->term = from->term;
    snapshot->configuration_index = from->configuration_index;
    BW_ASSERT(raft_configuration_decode(&from->configuration, &snapshot->configuration) == 0);
    snapshot->n_bufs = 1;
    snapshot->bufs = raft_malloc(sizeof *snapshot->bufs);
    BW_ASSERT(snapshot->bufs != NULL);
    snapshot->bufs[0] = give(from->data.base, from->data.len);
    return snapshot;
}

/* All entries in one batch, as libraft expects them. */
static struct raft_entry *give_entries(const struct sim_raft_disk *disk)
{
    struct raft_entry *entries = raft_calloc(disk->count, sizeof *entries);
    size_t size = 0;
    uint8_t *batch;

    for (size_t i = 0; i < disk->count; i++)
        size += entry_at(disk, disk->first + i)->size;
    batch = raft_malloc(size > 0 ? size : 1);
    BW_ASSERT(entries != NULL && batch != NULL);
    size = 0;
    for (size_t i = 0; i < disk->count; i++) {
        const struct sim_raft_entry *from = entry_at(disk, disk->first + i);

        memcpy(batch + size, from->bytes, from->size);
        entries[i] = (struct raft_entry){.term = from->term,
                                         .type = from->type,
                                         .buf = {.base = batch + size, .len = from->size},
                                         .batch = batch};
        size += from->size;
    }
    return entries;
}

void sim_raft_disk_load(struct sim_raft_disk *disk, struct raft_snapshot **out_snapshot,
                        raft_index *out_start, struct raft_entry **out_entries, size_t *out_count)
{
    if (disk->snapshot.index > 0 && sim_raft_disk_next(disk) <= disk->snapshot.index)
        sim_raft_disk_trim(disk, 0);
    *out_snapshot = disk->snapshot.index > 0 ? sim_raft_disk_get_snapshot(disk) : NULL;
    *out_start = disk->first;
    *out_entries = disk->count > 0 ? give_entries(disk) : NULL;
    *out_count = disk->count;
}
