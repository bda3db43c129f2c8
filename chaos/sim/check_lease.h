/* check_lease.h - nobody serves, starts or is confirmed beyond a lease (3.2 to 3.4). */
#ifndef BW_SIM_CHECK_LEASE_H
#define BW_SIM_CHECK_LEASE_H

#include <breakwater/core/sync.h>

#include "checks.h"

/* A renewal leaves, now. */
void sim_check_lease_sent(struct sim_process *agent, const struct bw_sync *sync);
/* The expiry of this epoch is applied for the first time. */
void sim_check_expired(struct sim_world *world, uint32_t group, uint64_t epoch);
/* A start script begins to run. */
void sim_check_lease_start(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch);
/* After each event. */
void sim_check_lease(struct sim_world *world);

#endif
