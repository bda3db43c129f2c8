/* people.h - operators in the simulator; what they do is drawn with the plan (sim_people_acts). */
#ifndef BW_SIM_PEOPLE_H
#define BW_SIM_PEOPLE_H

#include "world.h"

/* Somebody looks every now and then whether the groups are there, and applies what is missing. */
void sim_people_begin(struct sim_world *world);
/* Before the calm of a liveness run: everything that somebody tried is taken back. */
void sim_people_calm_down(struct sim_world *world);

#endif
