/* check_invariants.h - I1: for each group, at most one site's service is serving at any real instant. */
#ifndef SIM_CHECK_INVARIANTS_H
#define SIM_CHECK_INVARIANTS_H

#include "checks.h"

/* Looked at when what serves may have changed; and after each event as long as a group is served
 * twice: what excuses an overlap ends as quietly as the state of an agent does. */
void sim_check_i1(struct sim_world *world);
/* A person has answered for what serves now at these sites (bits). */
void sim_check_overrules(struct sim_world *world, uint32_t group, uint32_t sites);

/* I2: epochs only grow; no start of epoch e begins after a start of e' > e has begun
 * anywhere. */

/* This witness has applied something: its groups are sound, and no epoch has gone back. */
void sim_check_i2_states(struct sim_world *world, uint32_t witness);

/* I3: every committed decision survives any crash of any minority, and every restart;
 * each witness applies the same entry at the same index; a term has one leader. */

void sim_check_i3_at_end(struct sim_world *world);
void sim_check_i3_free(struct sim_checks *checks);

/* An epoch that has ended safely is served by nobody. */

/* This witness has applied something in the present event. */
void sim_check_ended(struct sim_world *world, uint32_t witness);

#endif
