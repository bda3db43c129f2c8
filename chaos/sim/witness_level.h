/* witness_level.h - the feature level at a witness of the simulator: who was heard to know what, and its raise. */
#ifndef BW_SIM_WITNESS_LEVEL_H
#define BW_SIM_WITNESS_LEVEL_H

#include "world.h"

#define SIM_LEVELS_MAX (2 * SIM_WITNESSES_MAX)

struct sim_witness;

struct sim_peer_level {
    uint64_t id; /* 0: a free place */
    uint32_t level;
};

/* The hello of a connection with this peer said so. */
void sim_level_received(struct sim_witness *witness, uint64_t id, uint32_t level);
/* `feature-level raise`, judged in an event of its own; whom an operator has upgraded and nobody hears is named as
 * one to do without. What comes of it: world->upgrade. False: this process is not able. */
bool sim_level_raise(struct sim_process *process);

#endif
