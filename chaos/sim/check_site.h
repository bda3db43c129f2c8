/* check_site.h - a guard's words are true, and its rules are kept by what runs (3.2.4, 3.4, 3.5). */
#ifndef BW_SIM_CHECK_SITE_H
#define BW_SIM_CHECK_SITE_H

#include <breakwater/core/sync.h>

#include "check.h"
#include "machine.h"

void sim_check_site_says(struct sim_process *guard, uint32_t group,
                         const struct bw_guard_message *message);
void sim_check_site_syncs(struct sim_process *agent, const struct bw_sync *sync);
/* The guard is about to write this mirror. */
void sim_check_mirror_changes(struct sim_process *guard, uint32_t group,
                              const struct bw_guard_mirror *before,
                              const struct bw_guard_mirror *next);
/* It is about to write this memory. */
void sim_check_memory_changes(struct sim_process *guard, uint32_t group,
                              const struct bw_guard_memory *next);
/* The guard forks a script that its agent has ordered. */
void sim_check_ordered(struct sim_process *guard, uint32_t group, enum bw_action_kind action,
                       uint64_t epoch);
/* A fence script begins to run; a start script brings its service up, now. */
void sim_check_fence_begins(struct sim_world *world, const struct sim_host *host, uint32_t group);
void sim_check_start_acts(struct sim_world *world, const struct sim_host *host,
                          const struct sim_run *run);
/* Every few milliseconds. */
void sim_check_fences(struct sim_world *world);
/* This agent has read that the fence of this epoch has begun. */
void sim_check_fence_known(struct sim_process *agent, uint32_t group, uint64_t epoch);

#endif
