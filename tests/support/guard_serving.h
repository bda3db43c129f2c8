/* guard_serving.h - a guard whose service runs in epoch 1, and was seen inside its reach. After guard_world.h. */
#ifndef GUARD_SERVING_H
#define GUARD_SERVING_H

#include "guard_world.h"

static inline void look(struct world *world, enum bw_run_result result, const char *word)
{
    run(world, 1, BW_ACTION_STATUS, 100);
    ended(world, BW_GUARD_SLOT_OBSERVATION, result, word);
}

/* It serves in epoch 1, and the newest look has said: inside. */
static inline void begin_serving(struct world *world)
{
    begin_armed(world);
    run(world, 1, BW_ACTION_START, 1);
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    world->populated = BW_POPULATED_YES;
    look(world, BW_RUN_OK, "started");
    assert_int_equal(bw_guard_sight(&world->guard).seen, BW_REACH_INSIDE);
    world->log[0] = '\0';
}

#endif
