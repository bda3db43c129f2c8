/* check_wish.h - what was told as asked for is asked for at whoever leads (check_wish.c). */
#ifndef BW_SIM_CHECK_WISH_H
#define BW_SIM_CHECK_WISH_H

#include "world.h"

struct bw_witness_machine;

/* This leader says that the move is taken: entry `index` asks for it. */
void sim_check_wish_accepted(struct sim_process *witness, uint32_t group, uint64_t index);
/* The group was deleted by entry `index`, and what waited with it. */
void sim_check_wish_gone(struct sim_world *world, const char *group, uint64_t index);
/* It leads, and may act. */
void sim_check_wishes_led(struct sim_process *witness, const struct bw_witness_machine *machine);

#endif
