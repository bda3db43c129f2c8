/* guard_loop_world.h - a guard of a service that its own loop starts (design 3.4, driver), for its claims. */
#ifndef BW_TEST_GUARD_LOOP_WORLD_H
#define BW_TEST_GUARD_LOOP_WORLD_H

#include <breakwater/core/may_run.h>

#include "guard_world.h"

#define LOOP_MS 1500

static const struct bw_id boot = {{7}};

/* Epoch 1 is armed until 110 s, its fence begins at 108 s. */
static inline void begin_loop(struct world *world)
{
    begin(world);
    world->guard.limits.has_script[BW_ACTION_START] = false;
    world->guard.limits.loop_delay_ns = LOOP_MS * MS;
    assert_true(arm(world, 1, BEGIN_MS));
}

static inline void begin_started(struct world *world)
{
    begin_loop(world);
    run(world, 1, BW_ACTION_START, 7);
    assert_int_equal(world->last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
}

static inline enum bw_may_run may_run(const struct world *world, uint64_t now_ms)
{
    struct bw_guard_shown shown;

    bw_guard_shown_get(&world->guard, &shown);
    shown.boot_id = boot;
    shown.time_namespace = 1;
    return bw_may_run(true, &shown, boot, 1, at_ms(now_ms));
}

static inline void look(struct world *world, const char *says)
{
    run(world, 1, BW_ACTION_STATUS, 90);
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, says);
}

static inline void a_stop_at(struct world *world, uint64_t now_ms)
{
    world->now_ms = now_ms;
    run(world, 1, BW_ACTION_STOP, 8);
}

static inline int two_clocks_as_one(void **state)
{
    (void)state;
    raw_slow_permille = 0;
    return 0;
}

#endif
