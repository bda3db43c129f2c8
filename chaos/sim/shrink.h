/* shrink.h - a shorter schedule that still fails. */
#ifndef BW_SIM_SHRINK_H
#define BW_SIM_SHRINK_H

#include "run.h"

/* Leaves out as many incidents as it can while the run goes on failing the same property; tries at
 * most `tries_max` runs, telling its progress on stderr. `order` fails as it is. On return
 * `out_left_out` (room for SIM_PLAN_MAX) has the numbers of `*out_count` incidents to leave out, and
 * `out_result` what the shrunken run came to. */
void sim_shrink(const struct sim_order *order, uint32_t tries_max, uint32_t *out_left_out,
                uint32_t *out_count, struct sim_result *out_result);

#endif
