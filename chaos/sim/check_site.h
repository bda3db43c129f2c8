/* check_site.h - a guard's words are true, and its rules are kept by what runs (3.2.4, 3.4, 3.5). */
#ifndef BW_SIM_CHECK_SITE_H
#define BW_SIM_CHECK_SITE_H

#include <breakwater/core/sync.h>

#include "check.h"
#include "machine.h"
#include "world.h"

void sim_check_site_says(struct sim_process *guard, uint32_t group,
                         const struct bw_guard_message *message);
void sim_check_site_syncs(struct sim_process *agent, const struct bw_sync *sync);
/* The guard is about to write this mirror. */
void sim_check_mirror_changes(struct sim_process *guard, uint32_t group,
                              const struct bw_guard_mirror *before,
                              const struct bw_guard_mirror *next);
/* It is about to write this memory. */
void sim_check_memory_changes(struct sim_process *guard, uint32_t group,
                              const struct bw_guard_memory *next);
/* The guard forks a script that its agent has ordered. */
void sim_check_ordered(struct sim_process *guard, uint32_t group, enum bw_action_kind action,
                       uint64_t epoch);
/* A fence script begins to run; a start script brings its service up, now. */
void sim_check_fence_begins(struct sim_world *world, const struct sim_host *host, uint32_t group);
void sim_check_start_acts(struct sim_world *world, const struct sim_host *host,
                          const struct sim_run *run);
/* Every few milliseconds. */
void sim_check_fences(struct sim_world *world);
/* This agent has read that the fence of this epoch has begun. */
void sim_check_fence_known(struct sim_process *agent, uint32_t group, uint64_t epoch);

/* See check_site.c. */

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

/* See check_site.c. */

struct bw_group;

/* A script at `host` begins to fence what this epoch has left at the site of that name. */
void sim_check_remote_fence_begins(const struct sim_host *host, uint32_t group, uint64_t epoch,
                                   const char *fenced);
/* Some witness has applied this state. */
void sim_check_remote_closed(struct sim_world *world, uint32_t group, const struct bw_group *state);
/* It has ended the service there, and ends with 0. */
void sim_check_remote_fence_saw(struct sim_world *world, uint32_t group, uint64_t epoch);
/* The end of an epoch was applied for the first time: one that is `fenced` was seen so. */
void sim_check_remote_fenced(struct sim_world *world, uint32_t group, uint64_t epoch);

#endif
