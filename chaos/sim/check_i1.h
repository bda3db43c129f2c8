/* check_i1.h - I1: for each group, at most one site's service is serving at any real instant. */
#ifndef BW_SIM_CHECK_I1_H
#define BW_SIM_CHECK_I1_H

#include "checks.h"

/* Looked at when what serves may have changed; and after each event as long as a group is served
 * twice: what excuses an overlap ends as quietly as the state of an agent does. */
void sim_check_i1(struct sim_world *world);
/* A person has answered for what serves now at these sites (bits). */
void sim_check_overrules(struct sim_world *world, uint32_t group, uint32_t sites);

#endif
