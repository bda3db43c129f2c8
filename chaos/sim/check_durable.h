/* check_durable.h - what was said, or committed, survives a crash right after it: it is on disk. */
#ifndef BW_SIM_CHECK_DURABLE_H
#define BW_SIM_CHECK_DURABLE_H

#include <breakwater/core/guard.h>

#include "checks.h"

/* What the disk of a site's machine holds of its guard; all zero: nothing that can be read. */
void sim_check_read_guard(const struct sim_host *host, uint32_t group,
                          struct bw_guard_memory *out_memory, struct bw_guard_mirror *out_mirror);

/* Entry `index` is applied for the first time: it is on the disks of a majority. */
void sim_check_committed_is_durable(struct sim_world *world, uint64_t index);

#endif
