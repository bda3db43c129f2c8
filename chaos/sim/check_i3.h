/* check_i3.h - I3: every committed decision survives any crash of any minority, and every restart;
 * each witness applies the same entry at the same index; a term has one leader. */
#ifndef BW_SIM_CHECK_I3_H
#define BW_SIM_CHECK_I3_H

#include "checks.h"

void sim_check_i3_at_end(struct sim_world *world);
void sim_check_i3_free(struct sim_checks *checks);

#endif
