/* enforcer.h - enforcers in the simulator: the product's machine (core/enforcer.h), each in a process of
 * its own that outlives its guard and can be killed and frozen like any other. What guard and enforcer say
 * to each other takes no time; one that is frozen reads it when it goes on. */
#ifndef BW_SIM_ENFORCER_H
#define BW_SIM_ENFORCER_H

#include <breakwater/core/enforcer.h>

#include "guard.h"

extern const struct sim_process_ops sim_enforcer_ops;

void sim_enforcer_execute(struct sim_guard *guard, const struct bw_enforcing_action *action);
/* Its first look at the units of `group` has ended: it knows where they come up. */
void sim_enforcer_units_seen(struct sim_process *guard, uint32_t group);
/* The guard has died. */
void sim_enforcer_guard_gone(struct sim_guard *guard);

#endif
