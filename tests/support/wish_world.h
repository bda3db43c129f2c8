/* wish_world.h - a group whose people ask for moves (design 4), for the claims about wishes. */
#ifndef BW_TEST_WISH_WORLD_H
#define BW_TEST_WISH_WORLD_H

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/core/foretell.h>

#include "core_world.h"

static struct world world;
static struct bw_foretelling *room;

static inline int set_up(void **state)
{
    (void)state;
    room = calloc(1, sizeof *room);
    assert_non_null(room);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    free(room);
    return 0;
}

static inline void begin(uint32_t site_count)
{
    const struct bw_command raise = {.kind = BW_COMMAND_RAISE_LEVEL,
                                     .feature_level = BW_WISH_LEVEL};

    world_begin(&world, site_count);
    assert_string_equal(world_apply(&world, &raise), "C3");
}

static inline struct bw_command wish(enum bw_wish_kind kind, const char *to, uint8_t id)
{
    struct bw_command command = {.kind = BW_COMMAND_WISH,
                                 .group = "harbor",
                                 .wish = kind,
                                 .epoch = world_group(&world)->epoch,
                                 .spec_version = world_group(&world)->spec_version,
                                 .by = "operator/anna",
                                 .text = "the roof leaks",
                                 .request_id = {{id}}};

    (void)strcpy(command.target, to);
    return command;
}

static inline const char *ask(enum bw_wish_kind kind, const char *to, uint8_t id)
{
    const struct bw_command command = wish(kind, to, id);

    return world_apply(&world, &command);
}

static inline const char *take_back(uint64_t wish_index)
{
    const struct bw_command command = {.kind = BW_COMMAND_WISH_OVER,
                                       .group = "harbor",
                                       .wish_index = wish_index,
                                       .wish_end = BW_WISH_END_CANCELED,
                                       .by = "operator/bob",
                                       .text = "not now"};

    return world_apply(&world, &command);
}

static inline void assert_over(enum bw_wish_end end, const char *words)
{
    const struct bw_wish_over *over = bw_group_wish_over(world_group(&world));

    assert_null(bw_group_wish(world_group(&world)));
    assert_non_null(over);
    assert_string_equal(bw_wish_end_word(over->end), bw_wish_end_word(end));
    assert_string_equal(over->words, words);
    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_NONE);
}

/* What the leader ends by itself; NONE: nothing. */
static inline enum bw_wish_end over_due(uint64_t *out_wake_ms)
{
    struct bw_command command;
    uint64_t wake_ns;

    if (!bw_witness_wish_over_due(&world.witness, 0, world.now, room, &command, &wake_ns)) {
        *out_wake_ms = wake_ns / BW_NS_PER_MS;
        return BW_WISH_END_NONE;
    }
    assert_string_equal(world_apply(&world, &command), "C7");
    return command.wish_end;
}

static inline void lose_holder(void)
{
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
    assert_string_equal(world_act(&world), "A3");
}

#endif
