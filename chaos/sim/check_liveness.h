/* check_liveness.h - bounded faults, then calm: each group is served at one site within a bound that is
 * computed from the setting, and from then on nothing moves without a cause (design 4). */
#ifndef BW_SIM_CHECK_LIVENESS_H
#define BW_SIM_CHECK_LIVENESS_H

#include "checks.h"

void sim_check_liveness_begin(struct sim_world *world);
void sim_check_liveness_at_end(struct sim_world *world);

#endif
