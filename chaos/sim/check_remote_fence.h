/* check_remote_fence.h - see check_remote_fence.c. */
#ifndef BW_SIM_CHECK_REMOTE_FENCE_H
#define BW_SIM_CHECK_REMOTE_FENCE_H

#include "world.h"

struct bw_group;

/* A script at `host` begins to fence what this epoch has left at the site of that name. */
void sim_check_remote_fence_begins(const struct sim_host *host, uint32_t group, uint64_t epoch,
                                   const char *fenced);
/* Some witness has applied this state. */
void sim_check_remote_closed(struct sim_world *world, uint32_t group, const struct bw_group *state);
/* It has ended the service there, and ends with 0. */
void sim_check_remote_fence_saw(struct sim_world *world, uint32_t group, uint64_t epoch);
/* The end of an epoch was applied for the first time: one that is `fenced` was seen so. */
void sim_check_remote_fenced(struct sim_world *world, uint32_t group, uint64_t epoch);

#endif
