/* override_site.h - a site at which a person overrides (3.8), in the shell of site_shell.h. For the
 * tests of what comes of that; include it after cmocka.h. */
#ifndef BW_TEST_OVERRIDE_SITE_H
#define BW_TEST_OVERRIDE_SITE_H

#include "site_shell.h"

#define WAIT_MS 12000
#define FOR_MS  3600000 /* no test but those of its end lives so long */

static inline void ask(struct world *world)
{
    const struct bw_override_wish wish = {.wait_ms = WAIT_MS, .for_ms = FOR_MS, .unix_ms = 1};

    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OVERRIDE, .wish = &wish});
}

/* What has begun is stopped in order before it is fenced: here that stop ends well at once. */
static inline void ask_end(struct world *world)
{
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OVERRIDE_END});
    if (world->site.override_stop_due && world->site.running == BW_ACTION_STOP)
        ended(world, &world->sent_run, BW_RUN_OK, "");
}

static inline void leader_answers(struct world *world)
{
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_LEADER_ANSWERED});
}

static inline void override_done(struct world *world)
{
    from_guard(world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_ARMED,
                                                 .epoch = world->site.memory.override_epoch,
                                                 .armed = {.number = world->site.memory.override_serial,
                                                           .end = world->site.memory.override_end}});
}

/* A standby of epoch 1, which another site has held. */
static inline void begin_standby(struct world *world)
{
    struct bw_order of = {.kind = BW_ORDER_STAND_BY,
                          .index = 11,
                          .epoch = 1,
                          .spec_version = 1,
                          .others_epoch = true,
                          .newest_is_open = true,
                          .restart_allowed = true,
                          .terms = {.ttl_ms = TTL_MS,
                                    .fence_ms = FENCE_MS,
                                    .request_timeout_ms = 1000,
                                    .renew_interval_ms = 1000}};

    begin(world);
    world->index = 11;
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_true(world->site.memory.enforced);
}

/* Looks go on as the clock does. */
static inline void pass(struct world *world, uint64_t ms, const char *word)
{
    const uint64_t until = world->now_ms + ms;

    while (world->now_ms < until) {
        for (int other = 0; other < BW_ACTION_COUNT; other++)
            if (world->site.observation[other].running)
                ended(world, &world->sent_look, BW_RUN_OK, other == BW_ACTION_STATUS ? word : "");
        tick_at(world, world->now_ms + 100);
    }
}

static inline void begin_waited(struct world *world)
{
    begin_standby(world);
    ask(world);
    pass(world, WAIT_MS - 100, "stopped");
    assert_int_equal(world->site.memory.override, BW_OVERRIDE_WAITING);
    pass(world, 200, "stopped");
    assert_int_equal(world->site.kept.override, BW_OVERRIDE_OVERRIDING);
}

static inline void begin_overriding(struct world *world)
{
    begin_waited(world);
    override_done(world);
    assert_int_equal(world->sent_run.run.action, BW_ACTION_START);
    ended(world, &world->sent_run, BW_RUN_OK, "");
    status(world, "started");
    assert_int_equal(world->site.override_start, BW_SITE_OVERRIDE_START_SERVES);
}

static inline void adopt(struct world *world, uint64_t epoch)
{
    struct bw_order of = {.kind = BW_ORDER_RUN,
                          .index = ++world->index,
                          .epoch = epoch,
                          .spec_version = 1,
                          .instance = instance_a,
                          .adopt = true,
                          .adopting = true,
                          .restart_allowed = true,
                          .terms = {.ttl_ms = TTL_MS,
                                    .fence_ms = FENCE_MS,
                                    .request_timeout_ms = 1000,
                                    .renew_interval_ms = 1000}};

    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
}

#endif
