/* site_shell.h - a site's machine in a shell that does everything at once and well, unless told
 * otherwise; its guard and its witnesses are what a test makes of them. For the tests of the site;
 * include it after cmocka.h. */
#ifndef BW_TEST_SITE_SHELL_H
#define BW_TEST_SITE_SHELL_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/core/site.h>
#include <breakwater/wire/state.h>

#define MS       BW_NS_PER_MS
#define TTL_MS   10000
#define FENCE_MS 2000

struct world {
    struct bw_site site;
    uint64_t now_ms;
    bool save_fails;
    bool save_hangs; /* a SAVE is not answered: `saved` does it */
    uint64_t save_number; /* of the newest */
    char log[8192];               /* what the newest event asked for: "SAVE SEND:arm SYNC ..." */
    struct bw_guard_message sent; /* newest arm */
    struct bw_guard_message sent_run;  /* newest RUN of an action */
    struct bw_guard_message sent_word; /* newest of another kind */
    struct bw_guard_message sent_look; /* newest RUN of an observation */
    struct bw_fence_plan fence;        /* of the newest OWN_FENCE */
    uint64_t index;                    /* log index of the newest order */
    struct bw_site_memory memory;       /* as the newest step left it */
    struct bw_site_memory memory_saved; /* as it was when the newest SAVE was asked for */
    struct bw_instant wake_at;          /* as the newest step asked for it */
};

static const struct bw_id instance_a = {{1}};
static const struct bw_id instance_b = {{2}};
static const struct bw_id this_boot = {{3}};
static const struct bw_id last_boot = {{4}};

#define BEGIN_MS 100000
static uint64_t raw_slow_permille; /* by how much CLOCK_MONOTONIC_RAW is slower, from BEGIN_MS on */

static inline struct bw_instant at_ms(uint64_t ms)
{
    const uint64_t since_ms = ms > BEGIN_MS ? ms - BEGIN_MS : 0;

    return (struct bw_instant){ms * MS, ms * MS - since_ms * raw_slow_permille * (MS / 1000)};
}

static inline void note(struct world *world, const char *text)
{
    const size_t used = strlen(world->log);

    (void)snprintf(world->log + used, sizeof world->log - used, "%s ", text);
}

static inline void note_message(struct world *world, const struct bw_guard_message *message)
{
    char text[64];

    if (message->kind != BW_GUARD_MESSAGE_ARM && message->kind != BW_GUARD_MESSAGE_RUN)
        world->sent_word = *message;
    switch (message->kind) {
    case BW_GUARD_MESSAGE_ARM:
        world->sent = *message;
        note(world, message->arm.serial != 0 ? "MANUAL" : "ARM");
        return;
    case BW_GUARD_MESSAGE_END:
        note(world, "END");
        return;
    case BW_GUARD_MESSAGE_LET_GO:
        note(world, "LET_GO");
        return;
    case BW_GUARD_MESSAGE_PASS:
        note(world, "PASS");
        return;
    default:
        break;
    }
    (void)snprintf(text, sizeof text, "RUN:%s", bw_action_word(message->run.action));
    note(world, text);
    if (bw_action_is_action(message->run.action))
        world->sent_run = *message;
    else
        world->sent_look = *message;
}

/* As its file has it: two that differ in no field. */
static inline bool is_same_memory(const struct bw_site_memory *a, const struct bw_site_memory *b)
{
    const struct bw_site_memory *const both[] = {a, b};
    uint8_t bytes[2][4096];
    struct bw_diag diag = {0};
    size_t size[2];

    for (int i = 0; i < 2; i++) {
        struct bw_agent_group group = {.name = "g", .memory = *both[i]};
        const struct bw_agent_state state = {.cluster_id = {{1}},
                                             .site = "s",
                                             .instance = {{1}},
                                             .group_count = 1,
                                             .groups = &group};

        if (bw_agent_state_encode(&state, bytes[i], sizeof bytes[i], &size[i], &diag) != BW_OK)
            fail_msg("%s", diag.text);
    }
    return size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0;
}

/* In every step of every test: what a restarted agent is to know is written down in the step that changes
 * it. */
static inline void assert_saved(struct world *world, const struct bw_site_event *event,
                                const struct bw_site_actions *out)
{
    for (uint32_t i = 0; i < out->count; i++)
        if (out->list[i].kind == BW_SITE_ACTION_SAVE)
            world->memory_saved = world->site.memory;
    if (!is_same_memory(&world->memory_saved, &world->site.memory))
        fail_msg("event %d has changed what is to be kept, and asks for no save", (int)event->kind);
    world->memory = world->site.memory;
}

/* Who tells a story hears of each step what it asked for; NULL: nobody does. */
static void (*on_site_step)(const struct world *world, const struct bw_site_event *event,
                            const struct bw_site_actions *out);

static inline void step(struct world *world, const struct bw_site_event *event)
{
    struct bw_site_actions out;

    if (!is_same_memory(&world->memory, &world->site.memory))
        world->memory_saved = world->site.memory; /* the test has changed it */
    memset(&out, 0xa5, sizeof out); /* an action carries what it says, and nothing of an earlier one */
    bw_site_step(&world->site, event, at_ms(world->now_ms), &out);
    world->wake_at = out.wake_at;
    assert_saved(world, event, &out);
    if (on_site_step != NULL)
        on_site_step(world, event, &out);
    for (uint32_t i = 0; i < out.count; i++) {
        const struct bw_site_action *action = &out.list[i];

        switch (action->kind) {
        case BW_SITE_ACTION_SAVE:
            note(world, "SAVE");
            world->save_number = action->number;
            if (world->save_hangs)
                break;
            step(world,
                 &(struct bw_site_event){.kind = BW_SITE_EVENT_SAVED,
                                           .number = action->number,
                                           .ok = !world->save_fails});
            break;
        case BW_SITE_ACTION_SEND:
            note_message(world, &action->message);
            break;
        case BW_SITE_ACTION_SYNC_NOW:
            note(world, "SYNC");
            break;
        case BW_SITE_ACTION_READ_MIRROR:
            note(world, "READ_MIRROR");
            break;
        case BW_SITE_ACTION_OWN_FENCE:
            note(world, "OWN_FENCE");
            world->fence = action->fence;
            break;
        case BW_SITE_ACTION_TRACE:
            break;
        }
    }
}

static inline void happen(struct world *world, const struct bw_site_event *event)
{
    world->log[0] = '\0';
    step(world, event);
}

static inline void saved(struct world *world, bool ok)
{
    happen(world, &(struct bw_site_event){
                      .kind = BW_SITE_EVENT_SAVED, .number = world->save_number, .ok = ok});
}

static inline void tick_at(struct world *world, uint64_t ms)
{
    world->now_ms = ms;
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_TICK});
}

static inline struct bw_order order_to(enum bw_order_kind kind, uint64_t epoch)
{
    return (struct bw_order){.kind = kind,
                             .epoch = epoch,
                             .spec_version = 1,
                             .instance = instance_a,
                             .restart_allowed = true,
                             .terms = {.ttl_ms = TTL_MS,
                                       .fence_ms = FENCE_MS,
                                       .request_timeout_ms = 1000,
                                       .renew_interval_ms = 1000}};
}

/* With the next index. */
static inline void tell_order(struct world *world, struct bw_order of)
{
    of.index = ++world->index;
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
}

static inline void order(struct world *world, enum bw_order_kind kind, uint64_t epoch)
{
    tell_order(world, order_to(kind, epoch));
}

static inline void confirm(struct world *world, uint64_t epoch, uint64_t sent_ms)
{
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_CONFIRMED,
                                          .epoch = epoch,
                                          .number = sent_ms,
                                          .sent = at_ms(sent_ms)});
}

static inline void from_guard(struct world *world, const struct bw_guard_message *message)
{
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_GUARD_MESSAGE, .message = message});
}

/* The guard acknowledges the newest arm. */
static inline void armed(struct world *world)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_ARMED, .epoch = world->sent.epoch};

    assert_int_equal(world->sent.kind, BW_GUARD_MESSAGE_ARM);
    of.armed.number = world->sent.arm.number;
    of.armed.end = world->sent.arm.end;
    from_guard(world, &of);
}

static inline void ended(struct world *world, const struct bw_guard_message *of_run,
                         enum bw_run_result result, const char *line)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .epoch = of_run->run.epoch};

    of.ended.epoch = of_run->run.epoch;
    of.ended.action = of_run->run.action;
    of.ended.run_id = of_run->run.run_id;
    of.ended.result = result;
    of.ended.sight = world->site.guard.sight;
    (void)snprintf(of.ended.line, sizeof of.ended.line, "%s", line);
    (void)snprintf(of.ended.tail, sizeof of.ended.tail, "%s", line);
    from_guard(world, &of);
}

/* Ticks, `ms` apart, until a look at `action` is asked for, and answers it. */
static inline void look(struct world *world, enum bw_action_kind action, enum bw_run_result result,
                        const char *line)
{
    for (int i = 0; i < 100 && !(world->site.observation[action].running); i++) {
        for (int other = 0; other < BW_ACTION_COUNT; other++)
            if (world->site.observation[other].running && other != (int)action)
                ended(world, &world->sent_look, BW_RUN_OK, "");
        if (!world->site.observation[action].running)
            tick_at(world, world->now_ms + 100);
    }
    assert_true(world->site.observation[action].running);
    ended(world, &world->sent_look, result, line);
}

static inline void status(struct world *world, const char *word)
{
    look(world, BW_ACTION_STATUS, BW_RUN_OK, word);
}

/* Of a guard that lacks no script. */
static inline void guard_state(struct world *world, const struct bw_guard_state *of)
{
    struct bw_guard_state with = *of;

    memset(with.has_script, true, sizeof with.has_script);
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_GUARD_STATE, .state = &with});
}

static inline void guard_lost(struct world *world)
{
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_GUARD_LOST});
}

static const struct bw_site_limits limits = {
    .check_interval_ns = 1000 * MS,
    .failure_threshold = 3,
    .local_restarts = 1,
    .has_script = {[BW_ACTION_START] = true,
                   [BW_ACTION_STOP] = true,
                   [BW_ACTION_STATUS] = true,
                   [BW_ACTION_READINESS] = true},
    .timeout_ns = {[BW_ACTION_START] = 3000 * MS,
                   [BW_ACTION_STOP] = 3000 * MS,
                   [BW_ACTION_STATUS] = 1000 * MS},
};

static inline void begin_with(struct world *world, const struct bw_site_memory *memory)
{
    memset(world, 0, sizeof *world);
    world->now_ms = BEGIN_MS;
    world->index = 10;
    bw_site_init(&world->site, "g", instance_a, this_boot, &limits, memory, at_ms(world->now_ms));
}

/* A site that stands by: greeted by its guard, its service seen stopped. */
static inline void begin(struct world *world)
{
    const struct bw_site_memory memory = {0};

    begin_with(world, &memory);
    guard_state(world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP, .reach_works = true});
    status(world, "stopped");
}

/* ... that was granted an epoch and has its first lease, sent at now. */
static inline void begin_leased_of(struct world *world, uint64_t epoch)
{
    begin(world);
    order(world, BW_ORDER_RUN, epoch);
    confirm(world, epoch, world->now_ms);
    armed(world);
}

static inline void begin_leased(struct world *world)
{
    begin_leased_of(world, 1);
}

static inline void begin_serving(struct world *world)
{
    begin_leased(world);
    assert_int_equal(world->sent_run.run.action, BW_ACTION_START);
    ended(world, &world->sent_run, BW_RUN_OK, "");
    status(world, "started");
    assert_int_equal(world->site.tenure, BW_TENURE_SERVING);
}

/* An epoch that was started, in this life of the machine. */
static const struct bw_site_memory held = {
    .epoch = 1,
    .boot_id = {{3}},
    .start_begun = true,
    .enforced = true,
    .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS, .request_timeout_ms = 1000},
};

static inline bool renews(struct world *world)
{
    struct bw_sync_group group;

    bw_site_sync_get(&world->site, at_ms(world->now_ms), &group);
    return group.renew_epoch != 0;
}

static inline struct bw_report reported(struct world *world)
{
    struct bw_sync_group group;

    bw_site_sync_get(&world->site, at_ms(world->now_ms), &group);
    return group.report;
}

static inline struct bw_released released(struct world *world)
{
    struct bw_sync_group group;

    bw_site_sync_get(&world->site, at_ms(world->now_ms), &group);
    return group.released;
}

static inline void assert_asked(const struct world *world, const char *what)
{
    if (strstr(world->log, what) == NULL)
        fail_msg("not asked for: %s; was: %s", what, world->log);
}

static inline void assert_not_asked(const struct world *world, const char *what)
{
    if (strstr(world->log, what) != NULL)
        fail_msg("asked for: %s; was: %s", what, world->log);
}

static inline void assert_wakes_at(const struct world *world, struct bw_instant at)
{
    assert_int_equal(world->wake_at.boot_ns, at.boot_ns);
    assert_int_equal(world->wake_at.raw_ns, at.raw_ns);
}

/* Ticks up to `until_ms` as an agent does that is not stopped: it looks at its clock more often than a leader's answer
 * is fresh for. */
static inline void live_until(struct world *world, uint64_t until_ms)
{
    while (world->now_ms < until_ms)
        tick_at(world, until_ms - world->now_ms > 400 ? world->now_ms + 400 : until_ms);
}

/* Ticks, 100 ms apart, until a look runs, and leaves it without an answer: it wakes for none meanwhile. */
static inline void leave_look_open(struct world *world)
{
    bool runs = false;

    for (int i = 0; i < 100 && !runs; i++) {
        tick_at(world, world->now_ms + 100);
        for (int kind = 0; kind < BW_ACTION_COUNT; kind++)
            runs = runs || world->site.observation[kind].running;
    }
    assert_true(runs);
    tick_at(world, world->now_ms);
}

/* 3.2.4: TERM and KILL at the guard's instants before D. */
static inline void assert_fenced_by(const struct world *world, uint64_t d_ms)
{
    const struct bw_fence_plan plan = bw_lease_plan_fence(at_ms(d_ms), FENCE_MS * MS);

    assert_memory_equal(&world->fence, &plan, sizeof plan);
}

#endif
