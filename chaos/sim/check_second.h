/* check_second.h - see check_second.c. */
#ifndef BW_SIM_CHECK_SECOND_H
#define BW_SIM_CHECK_SECOND_H

#include "world.h"

struct bw_second;
struct bw_second_ask;
struct bw_sync;
struct sim_sent;

/* This agent hears a question that left at that true time. */
void sim_check_second_asks(struct sim_process *agent, const struct bw_second_ask *ask,
                           uint64_t asked_ns);
/* A sync leaves: what it says rests on the newest question. */
void sim_check_second_sent(struct sim_process *agent, const struct bw_sync *sync,
                           struct sim_sent *sent);
/* A renewal is confirmed, `counts`: while it is committed that a second enforcer is seen. */
void sim_check_second_confirmed(struct sim_world *world, const struct sim_sent *sent,
                                uint32_t group, uint64_t epoch, struct bw_instant end, bool counts);
/* A step of a second enforcer. */
void sim_check_second_steps(struct sim_process *enforcer, uint32_t group,
                            const struct bw_second *before, const struct bw_second *after);
/* It has heard what its agent answers to a question that left at that true time. */
void sim_check_second_answered(const struct sim_process *enforcer, uint64_t asked_ns);
/* It begins to fence; and its script is about to end what serves. */
void sim_check_second_begins(struct sim_world *world, uint32_t site, uint32_t group,
                             uint64_t epoch);
void sim_check_second_fences(struct sim_world *world, uint32_t site, uint32_t group,
                             uint64_t epoch);
/* After each event: who can act now, and who could not. */
void sim_check_second(struct sim_world *world);
/* What is served at this site outlives its lease by the one assumption that is left to it. */
bool sim_check_second_excuses(const struct sim_world *world, uint32_t site, uint32_t group);
/* In calm: each site that serves has one that is committed as seen. */
void sim_check_second_settled(struct sim_world *world);

#endif
