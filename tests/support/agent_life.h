/* agent_life.h - what the tests of the agent as a program begin with, and wait for. Include it after cmocka.h. */
#ifndef AGENT_LIFE_H
#define AGENT_LIFE_H

#include <stdlib.h>

#include "agent_world.h"

static inline int set_up(void **state)
{
    struct agent_world *world = malloc(sizeof *world);

    assert_non_null(world);
    agent_world_init(world);
    *state = world;
    return 0;
}

static inline int tear_down(void **state)
{
    agent_world_deinit(*state);
    free(*state);
    return 0;
}

static inline bool reports_stopped(const struct agent_world *world)
{
    return world->sync_count > 0 && world->group.report.guard_alive &&
           world->group.report.service == BW_SERVICE_STOPPED && world->exchange_count > 0;
}

static inline bool reports_serving(const struct agent_world *world)
{
    return world->group.report.serving_epoch_started;
}

static inline bool reports_given_back(const struct agent_world *world)
{
    return world->group.released.epoch == 1;
}

static inline bool is_armed(const struct agent_world *world)
{
    return world->arms > 0;
}

static inline bool has_exchanged(const struct agent_world *world)
{
    return world->exchange_count > 0;
}

static inline bool reports_no_guard(const struct agent_world *world)
{
    return !world->group.report.guard_alive;
}

static inline void start_standing_by(struct agent_world *world)
{
    agent_world_start_agent(world);
    agent_world_until(world, reports_stopped, "it reports a stopped service");
}

/* A site that serves epoch 1. */
static inline void serve(struct agent_world *world)
{
    start_standing_by(world);
    agent_world_order(world, BW_ORDER_RUN, 1);
    agent_world_until(world, reports_serving, "it serves");
}

#endif
