/* check_lease.h - nobody serves, starts or is confirmed beyond a lease (3.2 to 3.4). */
#ifndef BW_SIM_CHECK_LEASE_H
#define BW_SIM_CHECK_LEASE_H

#include <breakwater/core/sync.h>

#include "check.h"
#include "checks.h"

/* The leader of `term` has proposed Expired or Close of this epoch: from here it confirms no renewal of
 * it (3.2.2). */
void sim_check_proposes_end(struct sim_process *witness, uint32_t group, uint64_t epoch,
                            uint64_t term);
/* It proposes Expired: it has waited long enough. */
void sim_check_waited(struct sim_process *witness, uint32_t group, uint64_t epoch, uint64_t term,
                      const struct bw_terms *terms);
/* A renewal leaves, now. */
void sim_check_lease_sent(struct sim_process *agent, const struct bw_sync *sync);
/* This witness has read it; one of that term was elected: who confirms has proved that it led after it
 * had received (3.2.2). */
void sim_check_lease_received(struct sim_process *witness, const struct bw_sync *sync);
void sim_check_lease_leader(struct sim_process *witness, uint64_t term);
/* It begins to prove that it leads: returns the newest entry that anybody has applied. It has proved it, in `term`: nobody
 * was elected above it before then, and it has applied that entry, too (3.2.2). */
uint64_t sim_check_begins_to_prove(const struct sim_process *witness);
void sim_check_proves(struct sim_process *witness, uint64_t term, uint64_t begun_ns, uint64_t begun_index);
/* When it left; 0: long ago. */
uint64_t sim_check_sent_ns(struct sim_world *world, const struct bw_sync *sync);
/* The expiry of this epoch is applied for the first time. */
void sim_check_expired(struct sim_world *world, uint64_t generation, uint32_t group, uint64_t epoch);
/* A start script begins to run. */
void sim_check_lease_start(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch);
/* By what this site has heard confirmed of that epoch. */
bool sim_check_lease_lives(const struct sim_world *world, uint32_t site, uint32_t group,
                           uint64_t epoch);
/* When the renewal left, in true time, to which the lease is owed that lives at this site; 0: none
 * does. */
uint64_t sim_check_lease_sent_ns(const struct sim_world *world, uint32_t site, uint32_t group);
/* After each event. */
void sim_check_lease(struct sim_world *world);

/* A leader's proposals rest on what it has heard (3.3, 3.9). */

/* This witness has read a sync, in whatever way it came. */
void sim_check_hears(struct sim_process *witness, const struct bw_sync *sync);
/* It proposes as the leader of `term`, now. */
void sim_check_proposes(struct sim_process *witness, const struct bw_command *command,
                        uint64_t term);
/* A status script begins to look. */
void sim_check_look_begins(struct sim_world *world, uint32_t site, uint32_t group);
/* A group has come to this version of its spec, at some witness. */
void sim_check_spec_changes(struct sim_world *world, uint32_t group, uint64_t version);

#endif
