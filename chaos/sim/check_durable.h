/* check_durable.h - what was said, or committed, survives a crash right after it: it is on disk. */
#ifndef BW_SIM_CHECK_DURABLE_H
#define BW_SIM_CHECK_DURABLE_H

#include <breakwater/core/guard.h>

#include "checks.h"

/* What the disk of a site's machine holds of its guard; all zero: nothing that can be read. */
void sim_check_read_guard(const struct sim_host *host, uint32_t group,
                          struct bw_guard_memory *out_memory, struct bw_guard_mirror *out_mirror);

/* The highest generation that the disk of a site's machine knows, its agent's or its guard's; 0: none. */
uint64_t sim_check_generation_kept(const struct sim_host *host);
/* That of its guard's disk alone: it welcomes no agent of a lower one. */
uint64_t sim_check_generation_pinned(const struct sim_host *host);

/* A hash of bytes, never 0. */
uint64_t sim_check_hash(const void *bytes, size_t size);
/* This very entry, or a snapshot of a state after it. */
bool sim_check_is_on_disk(const struct sim_raft_disk *disk, uint64_t index, uint64_t term,
                          uint64_t entry_hash);

#endif
