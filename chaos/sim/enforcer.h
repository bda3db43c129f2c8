/* enforcer.h - enforcers in the simulator: the product's machine (core/enforcer.h), each in a process of
 * its own that outlives its guard and can be killed and frozen like any other. What guard and enforcer say
 * to each other takes no time; one that is frozen takes nothing. */
#ifndef BW_SIM_ENFORCER_H
#define BW_SIM_ENFORCER_H

#include <breakwater/core/enforcer.h>

#include "guard.h"

extern const struct sim_process_ops sim_enforcer_ops;

/* A guard begins: its deadlines of before go to an enforcer of its own. */
void sim_enforcer_link_init(struct sim_guard *guard);
/* After whatever happened: makes an enforcer if there is none, tells it what it does not hold, relieves those
 * of guards before, and lets the places know whose deadline is held now. */
void sim_enforcer_flush(struct sim_guard *guard);
/* The guard has died. */
void sim_enforcer_guard_gone(struct sim_guard *guard);
/* True: it holds what the mirror of the place says, or nothing has to be held. */
bool sim_enforcer_has(const struct sim_guard *guard, const struct sim_guard_place *place);

#endif
