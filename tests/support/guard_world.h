/* guard_world.h - a guard's machine without processes: a shell that does everything at once and well,
 * unless told otherwise, and an agent's messages. For the tests of the guard; include it after
 * cmocka.h. */
#ifndef BW_TEST_GUARD_WORLD_H
#define BW_TEST_GUARD_WORLD_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/core/guard.h>
#include <breakwater/wire/state.h>

#define MS BW_NS_PER_MS
#define TTL_MS 10000
#define FENCE_MS 2000

/* A guard whose shell does everything at once and well, unless told otherwise. */
struct world {
    struct bw_guard guard;
    struct bw_guard_actions out;
    uint64_t now_ms;
    struct bw_instant wake_at;
    bool save_fails;
    bool save_hangs;   /* no SAVED */
    bool mirror_fails;
    bool mirror_hangs; /* no MIRRORED */
    bool spawn_hangs; /* no SPAWNED */
    bool end_look_hangs; /* the look for an end goes on; else it says `stopped` at once */
    bool is_left;     /* something of a start runs in reach, at any look */
    enum bw_populated populated; /* at any look */
    struct bw_units_sight units; /* likewise */
    char log[8192];   /* what was asked for, in order: "MIRROR SPAWN:start GO ..." */
    struct bw_guard_message last[BW_GUARD_MESSAGE_SHOWN + 1]; /* newest of each kind */
    uint32_t sent[BW_GUARD_MESSAGE_SHOWN + 1];
    struct bw_instant go_not_after;
    struct bw_guard_memory memory;   /* as the newest step left them */
    struct bw_guard_mirror mirror;
    struct bw_guard_mirror mirrored; /* as it was when the newest MIRROR was asked for */
};

static const struct bw_id instance_a = {{1}};
static const struct bw_id instance_b = {{2}};

#define BEGIN_MS 100000
static uint64_t raw_slow_permille; /* by how much CLOCK_MONOTONIC_RAW is slower, from BEGIN_MS on */

static inline struct bw_instant at_ms(uint64_t ms)
{
    const uint64_t since_ms = ms > BEGIN_MS ? ms - BEGIN_MS : 0;

    return (struct bw_instant){ms * MS, ms * MS - since_ms * raw_slow_permille * (MS / 1000)};
}

static inline void note(struct world *world, const char *text, const char *more)
{
    const size_t used = strlen(world->log);

    (void)snprintf(world->log + used, sizeof world->log - used, "%s%s%s ", text,
                   more[0] != '\0' ? ":" : "", more);
}

static inline void step(struct world *world, const struct bw_guard_event *event);

static inline void spawned(struct world *world, enum bw_guard_slot slot,
                           const struct bw_guard_run *run)
{
    struct bw_guard_event event = {
        .kind = BW_GUARD_EVENT_SPAWNED, .slot = slot, .ok = true, .is_left = world->is_left,
        .populated = world->populated, .units = world->units};

    event.child = (struct bw_guard_child){run->action, run->epoch, run->run_id, 4242, 7};
    if (!world->spawn_hangs)
        step(world, &event);
}

/* In every message of every test: of what it has no number, no epoch or no end, it says none. */
static inline void assert_says_no_more_than_it_knows(const struct bw_guard_message *message)
{
    if (message->kind == BW_GUARD_MESSAGE_RUN_ENDED && message->ended.result == BW_RUN_REFUSED)
        assert_int_equal(message->ended.exit_status, -1); /* nothing has run */
    if (message->kind == BW_GUARD_MESSAGE_END_REFUSED)
        assert_int_equal(message->refused.number, 0); /* it answers no arm */
    if (message->kind == BW_GUARD_MESSAGE_LET_GO_DONE)
        assert_int_equal(message->epoch, 0);
}

static inline void perform(struct world *world, const struct bw_guard_action *action)
{
    struct bw_guard_event event = {0};

    assert_int_equal(action->run.action == BW_ACTION_NONE, action->kind != BW_GUARD_ACTION_SPAWN);
    assert_int_equal(action->number == 0, action->kind != BW_GUARD_ACTION_MIRROR);
    switch (action->kind) {
    case BW_GUARD_ACTION_SAVE:
        note(world, "SAVE", "");
        event.kind = BW_GUARD_EVENT_SAVED;
        if (world->save_hangs)
            break;
        event.ok = !world->save_fails;
        step(world, &event);
        break;
    case BW_GUARD_ACTION_MIRROR:
        event.kind = BW_GUARD_EVENT_MIRRORED;
        event.number = action->number;
        if (world->mirror_hangs)
            break;
        event.ok = !world->mirror_fails;
        step(world, &event);
        break;
    case BW_GUARD_ACTION_SPAWN:
        note(world, "SPAWN", bw_action_word(action->run.action));
        spawned(world, action->slot, &action->run);
        if (world->guard.end_looking && action->run.action == BW_ACTION_STATUS &&
            action->run.run_id == 0 && action->slot == BW_GUARD_SLOT_OBSERVATION &&
            world->guard.stop != BW_GUARD_STOP_CHECKING && !world->end_look_hangs) {
            event.kind = BW_GUARD_EVENT_RUN_ENDED;
            event.slot = action->slot;
            event.ended.result = BW_RUN_OK;
            (void)snprintf(event.ended.line, sizeof event.ended.line, "stopped");
            step(world, &event);
        }
        break;
    case BW_GUARD_ACTION_GO:
        note(world, "GO", "");
        world->go_not_after = action->run_not_after;
        break;
    case BW_GUARD_ACTION_KILL_RUN:
        note(world, "KILL_RUN", "");
        break;
    case BW_GUARD_ACTION_PASS:
        note(world, "PASS", "");
        break;
    case BW_GUARD_ACTION_TERM_STARTED:
        note(world, "TERM_STARTED", "");
        break;
    case BW_GUARD_ACTION_TERM_REACH:
        note(world, "TERM_REACH", "");
        break;
    case BW_GUARD_ACTION_KILL_REACH:
        note(world, "KILL_REACH", "");
        break;
    case BW_GUARD_ACTION_SEND:
        assert_string_equal(action->message.group, world->guard.group);
        assert_says_no_more_than_it_knows(&action->message);
        world->last[action->message.kind] = action->message;
        world->sent[action->message.kind]++;
        break;
    }
}

/* As its file has it: two that differ in no field. */
static inline bool is_same_mirror(const struct bw_guard_mirror *a, const struct bw_guard_mirror *b)
{
    const struct bw_guard_mirror *const both[] = {a, b};
    uint8_t bytes[2][BW_GUARD_FILE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size[2];

    for (int i = 0; i < 2; i++) {
        const struct bw_guard_mirror_file file = {
            .group = "g", .boot_id = {{1}}, .time_namespace = 1, .mirror = *both[i]};

        if (bw_guard_mirror_encode(&file, bytes[i], sizeof bytes[i], &size[i], &diag) != BW_OK)
            fail_msg("%s", diag.text);
    }
    return size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0;
}

static inline bool is_same_memory(const struct bw_guard_memory *a, const struct bw_guard_memory *b)
{
    const struct bw_guard_memory *const both[] = {a, b};
    uint8_t bytes[2][BW_GUARD_FILE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size[2];

    for (int i = 0; i < 2; i++) {
        const struct bw_guard_memory_file file = {.group = "g", .memory = *both[i]};

        if (bw_guard_memory_encode(&file, bytes[i], sizeof bytes[i], &size[i], &diag) != BW_OK)
            fail_msg("%s", diag.text);
    }
    return size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0;
}

/* In every step of every test: what a restarted guard is to go by is mirrored in the step that changes
 * it. What a child is about to do waits for the child; what no mirror took is taken back. */
static inline void assert_mirrored(struct world *world, const struct bw_guard_event *event,
                                   const struct bw_guard_actions *out)
{
    const bool is_taken_back = event->kind == BW_GUARD_EVENT_MIRRORED && !event->ok;
    bool waits = is_taken_back;

    for (uint32_t i = 0; i < out->count; i++)
        if (out->list[i].kind == BW_GUARD_ACTION_MIRROR)
            world->mirrored = world->guard.mirror;
    for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++)
        waits = waits || world->guard.slots[i].state == BW_SLOT_SPAWNING;
    if (!waits && !is_same_mirror(&world->mirrored, &world->guard.mirror))
        fail_msg("event %d has changed what is to be mirrored, and asks for no mirror",
                 (int)event->kind);
    if (is_taken_back)
        world->mirrored = world->guard.mirror;
    world->mirror = world->guard.mirror;
}

/* ... and written down what it is to know, but for a sight that is worse than what was believed: it counts
 * at once, and the next look writes it. */
static inline void assert_saved(struct world *world, const struct bw_guard_event *event,
                                const struct bw_guard_actions *out)
{
    struct bw_guard_memory now = world->guard.memory;
    bool is_asked = false;

    for (uint32_t i = 0; i < out->count; i++)
        is_asked = is_asked || out->list[i].kind == BW_GUARD_ACTION_SAVE;
    now.sight = world->memory.sight;
    if (!is_asked && !(event->kind == BW_GUARD_EVENT_SAVED && !event->ok) &&
        !is_same_memory(&now, &world->memory))
        fail_msg("event %d has changed what is to be kept, and asks for no save", (int)event->kind);
    world->memory = world->guard.memory;
}

/* Who tells a story hears of each step what it asked for; NULL: nobody does. */
static void (*on_guard_step)(const struct world *world, const struct bw_guard_event *event,
                             const struct bw_guard_actions *out);

static inline void step(struct world *world, const struct bw_guard_event *event)
{
    struct bw_guard_actions out;

    world->memory = world->guard.memory; /* a test may change it */

    if (!is_same_mirror(&world->mirror, &world->guard.mirror))
        world->mirrored = world->guard.mirror; /* the test has changed it */
    memset(&out, 0xa5, sizeof out); /* an action carries what it says, and nothing of an earlier one */
    bw_guard_step(&world->guard, event, at_ms(world->now_ms), &out);
    assert_mirrored(world, event, &out);
    assert_saved(world, event, &out);
    if (on_guard_step != NULL)
        on_guard_step(world, event, &out);
    world->wake_at = out.wake_at;
    for (uint32_t i = 0; i < out.count; i++)
        perform(world, &out.list[i]);
}

static inline void tick_at(struct world *world, uint64_t ms)
{
    const struct bw_guard_event event = {.kind = BW_GUARD_EVENT_TICK};

    world->now_ms = ms;
    world->log[0] = '\0';
    step(world, &event);
}

/* The disk answers what it was asked, and the next at once. */
static inline void saved(struct world *world, bool ok)
{
    const struct bw_guard_event event = {.kind = BW_GUARD_EVENT_SAVED, .ok = ok};

    world->save_hangs = false;
    world->log[0] = '\0';
    step(world, &event);
}

static inline void message(struct world *world, struct bw_guard_message *of)
{
    const struct bw_guard_event event = {.kind = BW_GUARD_EVENT_MESSAGE, .message = of};

    world->log[0] = '\0';
    step(world, &event);
}

static inline void ended(struct world *world, enum bw_guard_slot slot, enum bw_run_result result,
                         const char *line)
{
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_RUN_ENDED, .slot = slot};

    event.is_left = world->is_left;
    event.populated = world->populated;
    event.units = world->units;
    event.ended.result = result;
    (void)snprintf(event.ended.line, sizeof event.ended.line, "%s", line);
    world->log[0] = '\0';
    step(world, &event);
}

static inline void hello(struct world *world, struct bw_id instance)
{
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_HELLO};

    event.hello.instance = instance;
    event.hello.session = (struct bw_id){{9}};
    step(world, &event);
}

/* Arms with a renewal sent at `sent_ms`; true when the guard said armed. */
static inline bool arm(struct world *world, uint64_t epoch, uint64_t sent_ms)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_ARM, .epoch = epoch};
    const uint32_t before = world->sent[BW_GUARD_MESSAGE_ARMED];

    of.arm.epoch = epoch;
    of.arm.terms.ttl_ms = TTL_MS;
    of.arm.terms.fence_ms = FENCE_MS;
    of.arm.number = sent_ms;
    of.arm.begin = at_ms(sent_ms);
    of.arm.end = at_ms(sent_ms + TTL_MS);
    message(world, &of);
    return world->sent[BW_GUARD_MESSAGE_ARMED] > before;
}

/* Manual lease `serial`, which lives for `for_ms`; true when the guard said armed. */
static inline bool manual_for(struct world *world, uint64_t epoch, uint64_t serial, uint64_t for_ms)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_ARM, .epoch = epoch};
    const uint32_t before = world->sent[BW_GUARD_MESSAGE_ARMED];

    of.arm.epoch = epoch;
    of.arm.serial = serial;
    of.arm.number = serial;
    of.arm.terms.ttl_ms = (uint32_t)for_ms;
    of.arm.terms.fence_ms = FENCE_MS;
    of.arm.begin = at_ms(world->now_ms);
    of.arm.end = at_ms(world->now_ms + for_ms);
    message(world, &of);
    return world->sent[BW_GUARD_MESSAGE_ARMED] > before;
}

static inline enum bw_refusal arm_refusal(const struct world *world)
{
    return world->last[BW_GUARD_MESSAGE_ARM_REFUSED].refused.why;
}

static inline void run(struct world *world, uint64_t epoch, enum bw_action_kind action,
                       uint64_t run_id)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN, .epoch = epoch};

    of.run.epoch = epoch;
    of.run.action = action;
    of.run.run_id = run_id;
    message(world, &of);
}

static inline enum bw_refusal run_refusal(const struct world *world)
{
    return world->last[BW_GUARD_MESSAGE_RUN_ENDED].ended.refusal;
}

static inline bool end(struct world *world, uint64_t epoch)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_END, .epoch = epoch};
    const uint32_t before = world->sent[BW_GUARD_MESSAGE_EPOCH_ENDED];

    message(world, &of);
    return world->sent[BW_GUARD_MESSAGE_EPOCH_ENDED] > before;
}

static const struct bw_guard_limits limits = {
    .has_script = {[BW_ACTION_START] = true,
                   [BW_ACTION_STOP] = true,
                   [BW_ACTION_FENCE] = true,
                   [BW_ACTION_STATUS] = true},
    .timeout_ns = {[BW_ACTION_START] = 5000 * MS,
                   [BW_ACTION_STOP] = 5000 * MS,
                   [BW_ACTION_FENCE] = 1000 * MS,
                   [BW_ACTION_STATUS] = 1000 * MS},
    .kill_grace_ns = 200 * MS,
    .reach = BW_REACH_CGROUP,
    .reach_works = true,
    .digest = 1,
};

/* A fresh guard at 100 s with an agent of instance A. Its service was seen inside its reach. */
static inline void begin(struct world *world)
{
    const struct bw_guard_memory memory = {.sight = {.seen = BW_REACH_INSIDE, .digest = 1}};

    memset(world, 0, sizeof *world);
    world->now_ms = BEGIN_MS;
    bw_guard_init(&world->guard, "g", &limits, &memory, NULL, at_ms(world->now_ms));
    hello(world, instance_a);
}

static inline void begin_armed(struct world *world)
{
    begin(world);
    assert_true(arm(world, 1, 100000));
}

static inline void reach_killed(struct world *world, bool ok)
{
    const struct bw_guard_event event = {.kind = BW_GUARD_EVENT_REACH_KILLED, .ok = ok};

    world->log[0] = '\0';
    step(world, &event);
}

/* Armed, it fences: the script fails late, and what the KILL has ended is looked at next. */
static inline void fence_by_kill(struct world *world, bool all_killed)
{
    tick_at(world, 108000);
    tick_at(world, 109800);
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");
    reach_killed(world, all_killed);
}

/* Of the lease, at its deadline: what it killed serves on. */
static inline void begin_failed_fence(struct world *world)
{
    begin_armed(world);
    fence_by_kill(world, true);
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
    assert_int_equal(world->guard.fence, BW_FENCE_FAILED);
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

#endif
