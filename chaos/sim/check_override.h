/* check_override.h - what an override is bound to, and what it excuses (3.8). */
#ifndef BW_SIM_CHECK_OVERRIDE_H
#define BW_SIM_CHECK_OVERRIDE_H

#include "checks.h"
#include "override.h"

struct bw_group;
struct bw_sync_answer;

/* A person has ordered it at this site, or its end, and it was taken. */
void sim_check_override_ordered(struct sim_world *world, uint32_t site, uint32_t group);
void sim_check_override_to_end(struct sim_world *world, uint32_t site, uint32_t group);
/* Its guard says that an epoch is armed. */
void sim_check_override_armed(struct sim_world *world, uint32_t site, uint32_t group,
                              uint64_t epoch);
/* The record on the disk may have changed. */
void sim_check_override_kept(const struct sim_host *host);
/* This agent reads an answer: it hears. */
void sim_check_override_answered(struct sim_process *agent, const struct bw_sync_answer *answer);
/* A leader grants the group to the site of that name, or confirms to it the first renewal of an
 * epoch that it has heard of. */
void sim_check_override_decides(struct sim_process *witness, uint32_t group, const char *site,
                                uint64_t epoch, const char *what);
/* The scripts of this site begin to misbehave, or are well again. */
void sim_check_override_scripts(struct sim_world *world, uint32_t site, bool are_bad);
/* Something ends what serves at this site: a stop or fence script, or a KILL to all in reach. */
void sim_check_override_fences(struct sim_world *world, uint32_t site, uint32_t group,
                               const char *what);
/* Now and then. */
void sim_check_override(struct sim_world *world);
/* The calm has lasted long enough for everything. */
void sim_check_override_settled(struct sim_world *world);

/* It overrides now, by what its disk says. */
bool sim_check_overrides(const struct sim_world *world, uint32_t site, uint32_t group);
/* True time since when; 0: it never has. */
uint64_t sim_check_override_since(const struct sim_world *world, uint32_t site, uint32_t group);
/* It is to end, by a person's word or since nobody there knows of one, and its fence script hangs, whatever serves. */
bool sim_check_override_ends_in_vain(const struct sim_host *host, uint32_t group);
/* And that another site serves beside it is what a person has to know: somebody overrides there
 * too, or this one hears nothing of what was decided since. */
bool sim_check_override_excuses(const struct sim_world *world, uint32_t site, uint32_t group);

#endif
