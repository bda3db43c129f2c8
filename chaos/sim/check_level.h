/* check_level.h - the feature level (check_level.c). */
#ifndef BW_SIM_CHECK_LEVEL_H
#define BW_SIM_CHECK_LEVEL_H

#include "world.h"

struct bw_sync;

/* This witness has applied what the cluster's level is now by: a found, a raise, a snapshot, or anything after it. */
void sim_check_level_applied(struct sim_process *witness, uint32_t level);
/* A leader, this one, keeps what it was told. */
void sim_check_level_reported(struct sim_process *witness, const struct bw_sync *sync);
/* It is about to append a roster of the second form, or another configuration. */
void sim_check_level_of_change(struct sim_process *witness);

#endif
