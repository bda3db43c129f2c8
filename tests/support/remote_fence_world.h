/* remote_fence_world.h - a group whose epoch is closed and that only a fence from another site ends
 * (3.3). For the tests of that; include it after cmocka.h. */
#ifndef BW_TEST_REMOTE_FENCE_WORLD_H
#define BW_TEST_REMOTE_FENCE_WORLD_H

#include <breakwater/core/guard_link.h>

#include "core_world.h"

static struct world world;

static const char *const names[] = {"dc-a", "dc-b", "dc-c"};

static inline struct bw_remote_fence_ask asked(int site)
{
    struct bw_remote_fence_ask ask;

    (void)world_decide(&world);
    bw_witness_remote_fence(&world.witness, 0, names[site], &ask);
    return ask;
}

static inline void assert_nobody_is_asked(void)
{
    for (int site = A; site <= C; site++)
        assert_int_equal(asked(site).epoch, 0);
}

/* The site says that of what it is asked for, and is heard. */
static inline void say(int site, enum bw_remote_fence_state state)
{
    struct bw_remote_fence_report *report = &world.sites[site].report.remote_fence;

    report->ask = asked(site);
    assert_int_not_equal(report->ask.epoch, 0);
    report->state = state;
    world_sync_all(&world);
}

static inline void give_scripts(void)
{
    for (int site = A; site <= C; site++)
        world.sites[site].report.remote_fence.limit_ms = 30000;
    world_sync_all(&world);
}

/* Where time alone ends nothing the site that serves is lost, and its epoch is closed. */
static inline void lose(int site)
{
    world_group(&world)->terms.reach = BW_REACH_REMOTE;
    give_scripts();
    world.sites[site].renew_epoch = 0;
    world.sites[site].is_mute = true;
    world_pass_ms(&world, 25000); /* its lease is over, and what others lack of it is known still */
    assert_string_equal(world_act(&world), "A4");
    assert_int_equal(world_group(&world)->phase, BW_PHASE_CLOSING);
}

/* dc-a serves, and is lost. */
static inline void begin_closed(uint32_t site_count)
{
    world_begin(&world, site_count);
    lose(A);
}

/* Likewise dc-b, by a second epoch. */
static inline void begin_closed_of_second(uint32_t site_count)
{
    world_begin(&world, site_count);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, names[B], false, NULL), BW_OK);
    assert_string_equal(world_act(&world), "A11");
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "4711");
    assert_string_equal(world_act(&world), "A1");
    world.sites[B].report.prepared_index = world_group(&world)->changed_index;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A7");
    world_serve(&world, B);
    lose(B);
}

#endif
