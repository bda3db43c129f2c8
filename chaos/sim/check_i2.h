/* check_i2.h - I2: epochs only grow; no start of epoch e begins after a start of e' > e has begun
 * anywhere. */
#ifndef BW_SIM_CHECK_I2_H
#define BW_SIM_CHECK_I2_H

#include "checks.h"

/* This witness has applied something: its groups are sound, and no epoch has gone back. */
void sim_check_i2_states(struct sim_world *world, uint32_t witness);

#endif
