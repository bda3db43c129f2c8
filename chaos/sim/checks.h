/* checks.h - the checkers as the world runs them; what they are told is check.h. */
#ifndef BW_SIM_CHECKS_H
#define BW_SIM_CHECKS_H

#include "check.h"

struct sim_checks *sim_checks_new(void);
void sim_checks_free(struct sim_checks *checks);
/* Every property that may have changed. */
void sim_checks_after_event(struct sim_world *world);
/* At the end of a run: what can only be known then. */
void sim_checks_at_end(struct sim_world *world);

/* A fault that breaks one of the assumptions of design 3.8 touches this site until `until_ns`, all of
 * it or the service of one group: until then an overlap with it is counted, and not a failure. */
void sim_checks_excuse(struct sim_world *world, uint32_t site, uint64_t until_ns);
void sim_checks_excuse_group(struct sim_world *world, uint32_t site, uint32_t group,
                             uint64_t until_ns);
/* A fence or kill of this service did not end it, now, and will not before `until_ns`. */
void sim_checks_unfenced(struct sim_world *world, uint32_t site, uint32_t group,
                         uint64_t until_ns);

/* One was not, and may be left: who fences it must be there to try again. */
bool sim_checks_is_unfenced(const struct sim_world *world, uint32_t site);

/* Agent, guard, disk or scripts of this site fail until `until_ns`: a service there that a person has
 * started is fenced the later. */
void sim_checks_disturb(struct sim_world *world, uint32_t site, uint64_t until_ns);
/* A person starts a service at this site, against what is assumed (design 3.8). */
void sim_checks_by_hand(struct sim_world *world, uint32_t site, uint32_t group);

/* This site obeys witnesses of an older generation, though another site is granted by a newer one: it was made anew
 * and knows none, or a person has answered for it (3.8). */
void sim_checks_obeys_older(struct sim_world *world, uint32_t site, uint32_t group);
/* A person has answered for this site, whose fence fails now. */
void sim_checks_excuse_overruled(struct sim_world *world, uint32_t site, uint32_t group);

/* This site's machine is there twice until then. What was let go runs under nobody's lease: where one of the
 * two has it, the other says for the site that nothing runs (3.8: state directories are not copied). Of
 * those groups only, and of those that are let go meanwhile. */
void sim_checks_cloned(struct sim_world *world, uint32_t site, uint64_t until_ns);
void sim_checks_let_go(struct sim_world *world, uint32_t site, uint32_t group);

/* The vote file of this witness is away: until it is back it refuses to take part, which is right, and
 * nothing of it may leave. */
void sim_checks_vote_is_away(struct sim_world *world, uint32_t witness, bool is_away);
bool sim_checks_is_vote_away(const struct sim_process *witness);

/* What a run has come to. */
struct sim_tally {
    uint64_t grants, failovers, starts, overlaps_outside, committed, acknowledged, elections;
    uint64_t settled; /* liveness: 1 when the calm was long enough to be judged */
};
const struct sim_tally *sim_checks_tally(const struct sim_world *world);

/* Bounded faults, then calm: each group is served at one site within a bound that is
 * computed from the setting, and from then on nothing moves without a cause (design 4). */

void sim_check_liveness_begin(struct sim_world *world);
void sim_check_liveness_at_end(struct sim_world *world);

#endif
