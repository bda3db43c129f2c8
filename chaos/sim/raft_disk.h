/* raft_disk.h - what a witness's disk holds for libraft: log, newest snapshot, libraft's own term
 * and vote. Only what has been synced is in here, so it survives everything. What is still on its
 * way to the disk is raft_io's. */
#ifndef BW_SIM_RAFT_DISK_H
#define BW_SIM_RAFT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <raft.h>

#include <breakwater/consensus/vote_store.h>

struct sim_raft_entry {
    raft_term term;
    enum raft_entry_type type;
    size_t size;
    uint8_t *bytes; /* from malloc */
};

struct sim_raft_snapshot {
    raft_index index; /* 0: none */
    raft_term term;
    raft_index configuration_index;
    struct raft_buffer configuration, data; /* encoded; from malloc */
};

struct sim_raft_disk {
    raft_term term; /* libraft's metadata files; 0: there are none */
    raft_id vote;
    raft_index first;            /* index of the oldest entry, or of the next one */
    size_t count;                /* entries */
    size_t capacity;             /* of the ring: a power of two, or 0 */
    struct sim_raft_entry *ring; /* entry i is at i % capacity */
    struct sim_raft_snapshot snapshot;
    struct bw_commit_mark mark; /* file `committed` (L33): each one arrives, as more than that no disk can keep */
};

void sim_raft_disk_init(struct sim_raft_disk *disk);
void sim_raft_disk_deinit(struct sim_raft_disk *disk);
/* `out_copy` is all of it, with memory of its own. */
void sim_raft_disk_copy(const struct sim_raft_disk *disk, struct sim_raft_disk *out_copy);

/* Index of the entry that would come next. */
static inline raft_index sim_raft_disk_next(const struct sim_raft_disk *disk)
{
    return disk->first + disk->count;
}

/* Entry `index`; NULL: it is not in the log. */
const struct sim_raft_entry *sim_raft_disk_at(const struct sim_raft_disk *disk, raft_index index);
/* Takes the bytes of `entry`, which becomes the next one. */
void sim_raft_disk_append(struct sim_raft_disk *disk, const struct sim_raft_entry *entry);
/* Removes the entries from `index` on. */
void sim_raft_disk_truncate(struct sim_raft_disk *disk, raft_index index);
/* Takes the buffers of `snapshot`, which replaces the one there is. The log stays as it is. */
void sim_raft_disk_put_snapshot(struct sim_raft_disk *disk,
                                const struct sim_raft_snapshot *snapshot);
/* What follows a snapshot: keeps at most `trailing` entries up to its index and all behind it; 0: a
 * leader's snapshot has replaced the log, which begins anew behind it. */
void sim_raft_disk_trim(struct sim_raft_disk *disk, unsigned trailing);

/* Everything, as raft_io's `load` gives it. As libraft's own backend, a log that ends before its
 * snapshot is left behind: a crash came between the two. */
void sim_raft_disk_load(struct sim_raft_disk *disk, struct raft_snapshot **out_snapshot,
                        raft_index *out_start, struct raft_entry **out_entries, size_t *out_count);
/* The snapshot, as raft_io's `snapshot_get` gives it; there is one. */
struct raft_snapshot *sim_raft_disk_get_snapshot(const struct sim_raft_disk *disk);

/* A copy of `size` bytes from malloc; ends the program when there is no memory. */
void *sim_raft_copy(const void *bytes, size_t size);

#endif
