/* recovered_world.h - a cluster that is begun anew (3.9), in a world of puppets. */
#ifndef BW_TEST_RECOVERED_WORLD_H
#define BW_TEST_RECOVERED_WORLD_H

#include "core_world.h"

#define NOW_MS INT64_C(1800000000000) /* for people */
#define CHANCE 7
/* Of the first recovery. */
#define NEW_GENERATION (1 + BW_GENERATION_LEAP + CHANCE)
#define NEW_INDEX      bw_counter_index_first(NEW_GENERATION)
#define NEW_EPOCH      bw_counter_epoch_first(NEW_GENERATION)

static struct world world;
static uint64_t index_of_recovery;

#define assert_acts(rule) assert_string_equal(world_act(&world), rule)
#define assert_held(id, site)                                                                      \
    do {                                                                                           \
        assert_string_equal(world_decide(&world), "A0");                                           \
        assert_true(world_holds(&world, id, site));                                                \
    } while (0)

/* The state as it is, on a witness that begins with it; nobody has spoken to it yet. */
static inline void recover_at(int64_t unix_ms)
{
    const struct bw_recovery_way way = {.chance = CHANCE, .unix_ms = unix_ms};

    assert_int_equal(bw_cluster_recover(&world.cluster, world.index, &way, &index_of_recovery), BW_OK);
    world.index = index_of_recovery;
    memset(world.watches, 0, sizeof world.watches);
    bw_witness_init(&world.witness, "w3", &world.cluster, world.watches, world.now);
    bw_witness_on_leading(&world.witness, 1, world.now);
}

/* What the sites do as soon as they hear of it: whoever held an epoch has stopped and given it
 * back. */
static inline void everybody_follows(void)
{
    for (int site = 0; site < WORLD_SITES; site++) {
        struct world_site *puppet = &world.sites[site];

        puppet->generation = 0;
        if (puppet->report.armed_epoch != 0)
            puppet->released = (struct bw_released){.epoch = puppet->report.armed_epoch,
                                                    .reason = BW_REASON_LEASE_LOST,
                                                    .past_no_return = true};
        world_stop(&world, site);
        puppet->report.has_lag = true;
    }
    world_know_spec(&world);
}

static inline uint64_t longest_wait_ms(void)
{
    return world.cluster.let_go_wait_ms;
}

#endif
