/* check_ahead.h - decisions that were lost with a directory that went back in time, and what a leader does beside a site
 * that knows of them (3.9, claims of the kind AHEAD). */
#ifndef BW_SIM_CHECK_AHEAD_H
#define BW_SIM_CHECK_AHEAD_H

#include "check.h"

struct bw_command;
struct bw_group;

/* The directory of one of the two members that decide is copied now, whose libraft is in `term`; and is put back, now, as
 * nobody else is left who has what was decided since. False: the members have changed meanwhile, so it must not be. */
void sim_check_copies(struct sim_world *world, uint64_t term);
bool sim_check_goes_back(struct sim_world *world);

void sim_check_ahead_free(struct sim_checks *checks);

/* This witness has received a sync. */
void sim_check_ahead_hears(struct sim_process *witness, const struct bw_sync *sync);
/* A leader proposes a grant; a command took effect. */
void sim_check_ahead_proposes(struct sim_process *witness, uint32_t group, const struct bw_command *command);
void sim_check_ahead_took_effect(struct sim_process *witness, uint32_t group, const struct bw_command *command);
/* A lost decision that is not committed as a claim yet: nobody hears of what this site serves by it (3.8). */
bool sim_check_ahead_excuses(const struct sim_world *world, uint32_t site, uint32_t group);

#endif
