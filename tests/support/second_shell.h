/* second_shell.h - a second enforcer's machine (3.4) in a shell that saves at once, unless told
 * otherwise; what its looks and fences come to is the test's to say. Include it after cmocka.h. */
#ifndef BW_TEST_SECOND_SHELL_H
#define BW_TEST_SECOND_SHELL_H

#include <stdio.h>
#include <string.h>

#include <breakwater/core/second.h>

#define MS       BW_NS_PER_MS
#define FENCE_MS 3000

static const struct bw_second_limits limits = {
    .check_interval_ns = 1000 * MS, .fence_limit_ns = 2500 * MS, .digest = 5};

static struct world {
    struct bw_second second;
    struct bw_id cluster_id; /* of its agent; none: that says none */
    uint64_t now_ms;
    uint64_t raw_lag_ms; /* of CLOCK_MONOTONIC_RAW: the machine was suspended */
    bool save_fails;
    bool save_hangs;
    uint64_t save_number;
    char log[1024];
    uint64_t fence_epoch;
    uint64_t fence_limit_ms;
    bool restarts;
    struct bw_instant wake_at;
    bool is_news; /* the newest event brought some for the agent */
} world;

static inline struct bw_instant now(void)
{
    return (struct bw_instant){world.now_ms * MS, (world.now_ms - world.raw_lag_ms) * MS};
}

static inline void note(const char *text)
{
    const size_t used = strlen(world.log);

    (void)snprintf(world.log + used, sizeof world.log - used, "%s ", text);
}

static inline void step(const struct bw_second_event *event)
{
    struct bw_second_actions out;

    bw_second_step(&world.second, event, now(), &out);
    world.wake_at = out.wake_at;
    for (uint32_t i = 0; i < out.count; i++) {
        const struct bw_second_action *action = &out.list[i];

        switch (action->kind) {
        case BW_SECOND_ACTION_SAVE:
            note("SAVE");
            world.save_number = action->number;
            if (!world.save_hangs)
                step(&(struct bw_second_event){.kind = BW_SECOND_EVENT_SAVED,
                                               .number = action->number,
                                               .ok = !world.save_fails});
            break;
        case BW_SECOND_ACTION_MIRROR:
            note("MIRROR");
            break;
        case BW_SECOND_ACTION_LOOK:
            note("LOOK");
            break;
        case BW_SECOND_ACTION_KILL_LOOK:
            note("KILL_LOOK");
            break;
        case BW_SECOND_ACTION_FENCE:
            note("FENCE");
            world.fence_epoch = action->epoch;
            world.fence_limit_ms = action->limit_ns / MS;
            world.restarts = action->restarts;
            break;
        case BW_SECOND_ACTION_KILL_FENCE:
            note("KILL_FENCE");
            break;
        case BW_SECOND_ACTION_ASK_NOW:
            world.is_news = true;
            break;
        }
    }
}

static inline void happen(const struct bw_second_event *event)
{
    world.log[0] = '\0';
    world.is_news = false;
    step(event);
}

static inline void tick_at(uint64_t ms)
{
    world.now_ms = ms;
    happen(&(struct bw_second_event){.kind = BW_SECOND_EVENT_TICK});
}

static inline void tell_since(uint64_t asked_ms, const struct bw_second_lease *lease)
{
    happen(&(struct bw_second_event){.kind = BW_SECOND_EVENT_ANSWERED,
                                     .lease = lease,
                                     .cluster_id = world.cluster_id,
                                     .asked = {asked_ms * MS, (asked_ms - world.raw_lag_ms) * MS}});
}

static inline void tell(uint64_t epoch, uint64_t left_ms)
{
    const struct bw_second_lease lease = {
        .epoch = epoch, .left_ns = left_ms * MS, .fence_ns = FENCE_MS * MS, .serves = true};

    tell_since(world.now_ms, &lease);
}

static inline void tell_over(uint64_t epoch)
{
    tell_since(world.now_ms, &(struct bw_second_lease){.over_epoch = epoch});
}

static inline void looked(enum bw_service service)
{
    happen(&(struct bw_second_event){.kind = BW_SECOND_EVENT_LOOKED, .service = service});
}

static inline void looked_with(enum bw_service service, uint64_t digest)
{
    happen(&(struct bw_second_event){
        .kind = BW_SECOND_EVENT_LOOKED, .service = service, .digest = digest});
}

static inline void fenced(bool ok)
{
    happen(&(struct bw_second_event){.kind = BW_SECOND_EVENT_FENCED, .ok = ok});
}

static inline struct bw_second_report reported(void)
{
    struct bw_second_report of;

    bw_second_say(&world.second, now(), &of);
    return of;
}

static inline void begin_beside(const struct bw_second_memory *memory,
                                const struct bw_second_mirror *mirror)
{
    memset(&world, 0, sizeof world);
    world.now_ms = 100000;
    bw_second_init(&world.second, &limits, memory, mirror, 2000 * MS, now());
    tick_at(world.now_ms);
}

static inline void begin_with(const struct bw_second_memory *memory)
{
    begin_beside(memory, &(struct bw_second_mirror){0});
}

/* It has taken epoch 3, of which 10 s are left, and has seen what serves. */
static inline void begin(void)
{
    begin_with(&(struct bw_second_memory){0});
    assert_non_null(strstr(world.log, "LOOK"));
    looked(BW_SERVICE_STOPPED);
    tell(3, 10000);
    assert_int_equal(reported().armed_epoch, 3);
    tick_at(world.now_ms + 1000);
    looked(BW_SERVICE_STARTED);
}

#define assert_log(text) assert_string_equal(world.log, text)

static inline struct bw_second_mirror mirror_of(uint64_t epoch, uint64_t end_ms)
{
    return (struct bw_second_mirror){
        .epoch = epoch, .fence_ns = FENCE_MS * MS, .end = {end_ms * MS, end_ms * MS}};
}

#endif
