/* check_recovery.h - the generations of a cluster that was recovered (3.9). */
#ifndef BW_SIM_CHECK_RECOVERY_H
#define BW_SIM_CHECK_RECOVERY_H

#include "check.h"

struct bw_group;

/* A log begins, with a snapshot at `index` (0: with nothing). */
void sim_check_generation_begins(struct sim_checks *checks, uint64_t generation, uint64_t index);

/* This agent names a generation; and reads an answer: false, it must not obey it. */
void sim_check_names(struct sim_process *agent, uint64_t generation, uint64_t kept);
bool sim_check_must_drop(struct sim_process *agent, const struct bw_sync_answer *answer);
/* Made anew, it names a generation that its guard, which has kept a newer one, refuses it for
 * (3.8). */
bool sim_check_obeys_older_than_guard(const struct sim_world *world, uint32_t site);
/* A leader confirms a renewal to this site; the first grant after a recovery is proposed, to
 * `granted`. */
void sim_check_confirms_in(struct sim_process *witness, uint32_t site, uint32_t group);
void sim_check_first_grant(struct sim_process *witness, uint32_t group,
                           const struct bw_cluster *cluster, const struct bw_group *state,
                           const char *granted);

#endif
