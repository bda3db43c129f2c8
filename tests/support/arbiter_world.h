/* arbiter_world.h - one group, and by which rule its leader acts. For the tests of arbiter; include
 * it after cmocka.h. */
#ifndef BW_TEST_ARBITER_WORLD_H
#define BW_TEST_ARBITER_WORLD_H

#include <string.h>

#include "core_world.h"

static struct world world;

#define assert_rule(rule) assert_string_equal(world_decide(&world), rule)
#define assert_acts(rule) assert_string_equal(world_act(&world), rule)
#define assert_held(id, site)                                                                      \
    do {                                                                                           \
        assert_string_equal(world_decide(&world), "A0");                                           \
        assert_true(world_holds(&world, id, site));                                                \
    } while (0)

static inline struct bw_spec changed_spec(void)
{
    world_init(&world, 2);
    return world_group(&world)->spec;
}

/* The holder falls silent; the clock stands `ms` before the end of the wait. */
static inline void silence_until_before_lapse(uint64_t ms)
{
    world.sites[A].is_mute = true;
    while (world_wait_of_terms_ms(&world) * BW_NS_PER_MS >
           bw_instant_elapsed_ns(world.now, world_watch(&world)->last_confirmed) +
               (ms + 600) * BW_NS_PER_MS)
        world_pass_ms(&world, 500);
    uint64_t left_ns = world_wait_of_terms_ms(&world) * BW_NS_PER_MS -
                       bw_instant_elapsed_ns(world.now, world_watch(&world)->last_confirmed);
    world_wait_ms(&world, left_ns / BW_NS_PER_MS - ms - 2);
    world_sync_all(&world);
}

#endif
