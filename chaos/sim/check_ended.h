/* check_ended.h - an epoch that has ended safely is served by nobody. */
#ifndef BW_SIM_CHECK_ENDED_H
#define BW_SIM_CHECK_ENDED_H

#include "checks.h"

/* This witness has applied something in the present event. */
void sim_check_ended(struct sim_world *world, uint32_t witness);

#endif
