/* check_scripts.h - see check_scripts.c. */
#ifndef BW_SIM_CHECK_SCRIPTS_H
#define BW_SIM_CHECK_SCRIPTS_H

#include "world.h"

struct bw_command;
struct bw_group;

enum sim_verdict { SIM_VERDICT_NONE, SIM_VERDICT_START, SIM_VERDICT_STOP, SIM_VERDICT_FAILS };

/* A condition script has ended by itself, or at its limit, and said this. */
void sim_check_condition_answered(struct sim_world *world, uint32_t site, uint32_t group,
                                  enum sim_verdict verdict);
/* It was not run, because agent and guard know of different scripts: what it said before is
 * nobody's word any more, and that counts as one that fails (4). */
void sim_check_condition_silent(struct sim_world *world, uint32_t site, uint32_t group);
/* What it would say has changed. */
void sim_check_condition_changes(struct sim_world *world, uint32_t site, uint32_t group);
/* A leader proposes this grant. */
void sim_check_condition_grant(struct sim_process *witness, uint32_t group,
                               const struct bw_group *state, const struct bw_command *command);
/* A guard there has welcomed an agent. */
void sim_check_greeted(struct sim_world *world, uint32_t site);
/* A start script of this epoch begins. */
void sim_check_restarts(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch);

#endif
