/* arbiter_moves.h - a planned move from A to B, up to a place that tests of moves begin at. */
#ifndef BW_TEST_ARBITER_MOVES_H
#define BW_TEST_ARBITER_MOVES_H

#include "arbiter_world.h"

static inline void begin_switchover(void)
{
    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_acts("A11");
    assert_non_null(world_gate(&world, "wish", -1)); /* the log tells why */
    assert_int_equal(world_group(&world)->phase, BW_PHASE_REVOKING);
}

static inline void prepare(int site)
{
    world.sites[site].report.prepared_index = world_group(&world)->changed_index;
    world_sync_all(&world);
}

static inline void stop_for_switchover(const char *position)
{
    begin_switchover();
    world.sites[A].report.stop_begun_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, position);
    assert_acts("A1");
}

#endif
