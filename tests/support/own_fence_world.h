/* own_fence_world.h - the agent's own fence without processes: a step at an instant, and what it asked for
 * as text. For the tests of own_fence; include it after cmocka.h. */
#ifndef BW_TEST_OWN_FENCE_WORLD_H
#define BW_TEST_OWN_FENCE_WORLD_H

#include <stdio.h>
#include <string.h>

#include <breakwater/core/own_fence.h>

#define MS BW_NS_PER_MS

/* All of it is to be over by 10000: TERM at 9000, KILL at 9500. */
#define BEGIN_MS 1000
#define TERM_MS  9000
#define KILL_MS  9500
#define END_MS   10000

#define FENCE_LIMIT_MS  5000
#define STOP_LIMIT_MS   6000
#define STATUS_LIMIT_MS 2000

struct world {
    struct bw_own_fence fence;
    struct bw_site_limits limits;
    uint64_t now_ms;
    struct bw_own_fence_actions actions;
    char asked[128]; /* of the newest step: "RUN:fence:F1" and so on */
};

static inline struct bw_instant at_ms(uint64_t ms)
{
    return (struct bw_instant){ms * MS, (ms + 77) * MS};
}

static inline struct bw_fence_plan plan_until(uint64_t end_ms)
{
    return (struct bw_fence_plan){.end = at_ms(end_ms),
                                  .term_at = at_ms(end_ms - (END_MS - TERM_MS)),
                                  .kill_at = at_ms(end_ms - (END_MS - KILL_MS))};
}

static inline void note(struct world *world, const struct bw_own_fence_action *action)
{
    static const char *const words[] = {
        [BW_OWN_FENCE_ACTION_RUN] = "RUN",
        [BW_OWN_FENCE_ACTION_KILL_RUN] = "KILL_RUN",
        [BW_OWN_FENCE_ACTION_SEE_STARTS] = "SEE_STARTS",
        [BW_OWN_FENCE_ACTION_TERM_REACH] = "TERM",
        [BW_OWN_FENCE_ACTION_KILL_REACH] = "KILL",
        [BW_OWN_FENCE_ACTION_ENDED] = "ENDED",
    };
    const size_t used = strlen(world->asked);
    char what[32] = "";

    if (action->kind == BW_OWN_FENCE_ACTION_RUN)
        (void)snprintf(what, sizeof what, ":%s", bw_action_word(action->script));
    else if (action->kind == BW_OWN_FENCE_ACTION_KILL_REACH)
        (void)snprintf(what, sizeof what, ":%u", action->means);
    else if (action->kind == BW_OWN_FENCE_ACTION_ENDED)
        (void)snprintf(what, sizeof what, ":%llu:%s", (unsigned long long)action->epoch,
                       action->ok ? "ok" : "failed");
    (void)snprintf(world->asked + used, sizeof world->asked - used, "%s%s%s:%s",
                   used > 0 ? " " : "", words[action->kind], what, action->rule);
}

static inline void happen(struct world *world, const struct bw_own_fence_event *event)
{
    memset(&world->actions, 0xa5, sizeof world->actions); /* an action carries what it says alone */
    bw_own_fence_step(&world->fence, event, at_ms(world->now_ms), &world->actions);
    world->asked[0] = '\0';
    for (uint32_t i = 0; i < world->actions.count; i++)
        note(world, &world->actions.list[i]);
}

static inline void begin_by(struct world *world, uint32_t means_count)
{
    memset(world, 0, sizeof *world);
    world->now_ms = BEGIN_MS;
    world->limits.has_script[BW_ACTION_FENCE] = true;
    world->limits.has_script[BW_ACTION_STOP] = true;
    world->limits.has_script[BW_ACTION_STATUS] = true;
    world->limits.timeout_ns[BW_ACTION_FENCE] = FENCE_LIMIT_MS * MS;
    world->limits.timeout_ns[BW_ACTION_STOP] = STOP_LIMIT_MS * MS;
    world->limits.timeout_ns[BW_ACTION_STATUS] = STATUS_LIMIT_MS * MS;
    bw_own_fence_init(&world->fence, &world->limits, means_count);
}

static inline void start(struct world *world, uint64_t epoch, uint64_t end_ms)
{
    happen(world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_START,
                                               .epoch = epoch,
                                               .is_inside = true,
                                               .plan = plan_until(end_ms)});
}

/* Nothing is asked for but the next turn, and that at once. */
static inline void assert_next_turn(const struct world *world)
{
    assert_string_equal(world->asked, "");
    assert_int_equal(world->actions.wake_at.boot_ns, at_ms(world->now_ms).boot_ns);
    assert_int_equal(world->actions.wake_at.raw_ns, at_ms(world->now_ms).raw_ns);
}

static inline void assert_wakes_at(const struct world *world, uint64_t ms)
{
    assert_int_equal(world->actions.wake_at.boot_ns, at_ms(ms).boot_ns);
    assert_int_equal(world->actions.wake_at.raw_ns, at_ms(ms).raw_ns);
}

/* A turn in which exactly this is asked for. */
static inline void turn(struct world *world, const char *asked)
{
    happen(world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_TICK});
    assert_string_equal(world->asked, asked);
}

static inline void turn_at(struct world *world, uint64_t ms, const char *asked)
{
    world->now_ms = ms;
    turn(world, asked);
}

static inline void run_ended(struct world *world, bool ok, const char *line)
{
    happen(world, &(struct bw_own_fence_event){
                      .kind = BW_OWN_FENCE_EVENT_RUN_ENDED, .ok = ok, .line = line});
}

static inline void run_unbegun(struct world *world)
{
    happen(world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_RUN_UNBEGUN});
}

static inline void starts_seen(struct world *world, bool are_none)
{
    happen(world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_STARTS_SEEN,
                                               .ok = are_none});
}

static inline void reach_killed(struct world *world, bool is_empty)
{
    happen(world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_REACH_KILLED,
                                               .ok = is_empty});
}

/* A fence of epoch 3 whose fence script runs. */
static inline void begin_script(struct world *world)
{
    begin_by(world, 1);
    start(world, 3, END_MS);
    assert_next_turn(world);
    turn(world, "RUN:fence:F1");
}

/* One whose script has ended, and whose status runs. */
static inline void begin_look(struct world *world)
{
    begin_script(world);
    run_ended(world, true, "");
    assert_next_turn(world);
    turn(world, "RUN:status:F2");
}

/* One that has killed what there was by its one means, and looks again. */
static inline void begin_look_again(struct world *world, bool is_empty)
{
    begin_look(world);
    run_ended(world, true, "started");
    turn(world, "KILL:0:F5");
    reach_killed(world, is_empty);
    assert_next_turn(world);
    turn(world, "");
    turn(world, "RUN:status:F10");
}

static inline void start_seen(struct world *world, bool is_inside, bool is_proved)
{
    happen(world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_START,
                                               .epoch = 3,
                                               .is_inside = is_inside,
                                               .is_proved = is_proved,
                                               .plan = plan_until(END_MS)});
}

#endif
