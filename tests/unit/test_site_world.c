/* One site as a whole: the agent's and the guard's machines, their durable state, the socket between
 * them, scripts that hang and fail, processes that freeze, die and restart; the quorum and the other
 * site are one line each. Checked at every millisecond: nothing serves once the quorum may let the
 * other site begin (I1, 3.2-3.5). A failing seed is printed; run it alone with BREAKWATER_SEED=N. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include <breakwater/base/prng.h>
#include <breakwater/core/guard.h>
#include <breakwater/core/site.h>

#define MS BW_NS_PER_MS
#define TTL_MS 2000
#define FENCE_MS 400
#define RENEW_MS 200
#define MARGIN_MS 100
#define RUN_MS 60000
#define SEEDS 100 /* more with BREAKWATER_SEEDS=N */
#define QUEUE 256

enum health { ABLE, FROZEN, DEAD };

struct letter {
    uint64_t due_ms;
    struct bw_guard_message message;
};
struct queue {
    struct letter letters[QUEUE];
    uint32_t first, count;
};

struct child {
    bool exists, has_go, is_orphan;
    struct bw_guard_run run;
    uint64_t end_ms;
    bool hangs, fails;
    bool saw_up; /* a status script may look first and print late */
    struct bw_instant not_after;
};

struct world {
    struct bw_prng prng;
    uint64_t seed, now_ms;
    /* processes */
    struct bw_site site;
    struct bw_guard guard;
    enum health agent_health, guard_health;
    uint64_t agent_back_ms, guard_back_ms, calm_until_ms;
    struct bw_instant agent_wake, guard_wake;
    bool connected;
    uint64_t reconnect_ms;
    uint64_t session;
    uint64_t own_fence_end_ms; /* 0: none runs */
    uint64_t own_fence_epoch;
    struct queue to_guard, to_agent;
    /* disks */
    struct bw_site_memory agent_disk;
    struct bw_guard_memory guard_disk;
    struct bw_guard_mirror guard_mirror;
    bool has_mirror;
    bool disk_fails;
    /* service */
    bool up;
    struct child children[BW_GUARD_SLOT_COUNT];
    bool reach_ending;
    uint64_t reach_end_ms;
    /* quorum */
    uint64_t epoch;
    bool held; /* by this site */
    bool was_released;
    uint64_t counted_from_ms;
    uint64_t granted_ms;
    uint64_t index;
    uint64_t next_renew_ms, confirm_ms, confirm_sent_ms, confirm_epoch;
    bool link_up;
    uint64_t link_change_ms;
    uint64_t other_until_ms;
    struct bw_order order;
    uint64_t order_due_ms;
    /* what happened */
    uint64_t grants, fences, starts, releases, expiries, adoptions;
};

static uint64_t below(struct world *world, uint64_t bound)
{
    return bw_prng_below(&world->prng, bound);
}

static bool chance(struct world *world, uint64_t percent)
{
    return below(world, 100) < percent;
}

/* With BREAKWATER_TRACE set: what happens, as it happens. */
static void trace(const struct world *world, const char *what, const char *more, uint64_t number)
{
    static int wanted = -1;

    if (wanted < 0)
        wanted = getenv("BREAKWATER_TRACE") != NULL;
    if (wanted)
        (void)fprintf(stderr, "%8llu up=%d epoch=%llu held=%d tenure=%s fence=%d | %s %s %llu\n",
                      (unsigned long long)world->now_ms, world->up,
                      (unsigned long long)world->epoch, world->held,
                      bw_tenure_word(world->site.tenure), (int)world->guard.fence, what, more,
                      (unsigned long long)number);
}

static struct bw_instant at(const struct world *world)
{
    return (struct bw_instant){world->now_ms * MS, world->now_ms * MS};
}

static void push(struct queue *queue, uint64_t due_ms, const struct bw_guard_message *message)
{
    struct letter *letter = &queue->letters[(queue->first + queue->count) % QUEUE];

    assert_true(queue->count < QUEUE);
    if (queue->count > 0) { /* a stream keeps its order */
        const uint64_t last =
            queue->letters[(queue->first + queue->count - 1) % QUEUE].due_ms;
        if (due_ms < last)
            due_ms = last;
    }
    letter->due_ms = due_ms;
    letter->message = *message;
    queue->count++;
}

static bool pop(struct queue *queue, uint64_t now_ms, struct bw_guard_message *out)
{
    if (queue->count == 0 || queue->letters[queue->first].due_ms > now_ms)
        return false;
    *out = queue->letters[queue->first].message;
    queue->first = (queue->first + 1) % QUEUE;
    queue->count--;
    return true;
}

/* ---- the service: I1 ------------------------------------------------------------------------- */

static void check(const struct world *world)
{
    if (world->up && !world->held && world->epoch > 0)
        fail_msg("seed %llu: serves at %llu ms although epoch %llu is over (%s)",
                 (unsigned long long)world->seed, (unsigned long long)world->now_ms,
                 (unsigned long long)world->epoch,
                 world->was_released ? "released" : "expired");
}

/* ---- scripts ---------------------------------------------------------------------------------- */

static void guard_step(struct world *world, struct bw_guard_event *event);
static void agent_step(struct world *world, struct bw_site_event *event);

static void kill_children(struct world *world)
{
    for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++) {
        struct child *child = &world->children[i];

        if (!child->exists)
            continue;
        child->hangs = false;
        child->fails = true;
        child->end_ms = world->now_ms;
    }
}

static void child_acts(struct world *world, const struct child *child)
{
    trace(world, "script ends", bw_action_word(child->run.action), child->fails);
    if (child->fails)
        return;
    switch (child->run.action) {
    case BW_ACTION_START:
        world->up = true;
        world->starts++;
        break;
    case BW_ACTION_STOP:
    case BW_ACTION_FENCE:
        world->up = false;
        break;
    default:
        break;
    }
}

static void child_ended(struct world *world, int slot)
{
    struct child child = world->children[slot];
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_RUN_ENDED,
                                   .slot = (enum bw_guard_slot)slot};

    world->children[slot].exists = false;
    if (child.is_orphan || world->guard_health != ABLE)
        return; /* a frozen guard hears of it when it thaws: see thaw */
    event.ended.result = child.fails ? BW_RUN_FAILED : BW_RUN_OK;
    if (child.run.action == BW_ACTION_STATUS && !child.fails)
        (void)snprintf(event.ended.line, sizeof event.ended.line, "%s",
                       child.saw_up ? "started" : "stopped");
    guard_step(world, &event);
}

static void run_children(struct world *world)
{
    for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++) {
        struct child *child = &world->children[i];

        if (!child->exists || child->hangs || world->now_ms < child->end_ms)
            continue;
        if (child->has_go)
            child_acts(world, child);
        if (world->guard_health == FROZEN && !child->is_orphan) {
            child->hangs = true; /* a zombie that nobody reaps; its work is done */
            continue;
        }
        child_ended(world, i);
    }
    if (world->reach_ending && world->now_ms >= world->reach_end_ms &&
        world->guard_health == ABLE) {
        struct bw_guard_event event = {.kind = BW_GUARD_EVENT_REACH_KILLED, .ok = true};

        world->reach_ending = false;
        guard_step(world, &event);
    }
}

/* ---- the guard's shell ------------------------------------------------------------------------- */

static void spawn(struct world *world, const struct bw_guard_action *action)
{
    struct child *child = &world->children[action->slot];
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_SPAWNED, .slot = action->slot};

    memset(child, 0, sizeof *child);
    child->exists = true;
    child->run = action->run;
    child->hangs = true; /* until its go-ahead */
    event.ok = true;
    event.child = (struct bw_guard_child){action->run.action, action->run.epoch,
                                          action->run.run_id, 4000 + (int32_t)action->slot, 1};
    guard_step(world, &event);
}

static void go(struct world *world, const struct bw_guard_action *action)
{
    struct child *child = &world->children[action->slot];
    const bool is_fence = action->slot == BW_GUARD_SLOT_FENCE;
    const bool is_look = !bw_action_is_action(child->run.action);

    child->has_go = true;
    child->saw_up = world->up;
    child->hangs = chance(world, is_look ? 1 : 5);
    child->fails = chance(world, is_look ? 3 : 8);
    child->end_ms =
        world->now_ms + 1 + below(world, is_look ? 10 : (is_fence ? 60 : 300));
    if (child->hangs)
        child->end_ms = world->now_ms + action->limit_ns / MS;
    /* Just before execve the clocks are read again (3.4, H7). */
    if (bw_instant_right_is_over(at(world), action->run_not_after)) {
        child->fails = true;
        child->hangs = false;
        child->end_ms = world->now_ms;
    }
    if (child->hangs) { /* its limit ends it */
        child->hangs = false;
        child->fails = true;
    }
}

static void guard_perform(struct world *world, const struct bw_guard_action *action)
{
    struct bw_guard_event event = {0};

    if (action->kind == BW_GUARD_ACTION_SEND)
        trace(world, "guard says", action->rule, action->message.kind);
    else
        trace(world, "guard does", action->rule, action->kind);
    switch (action->kind) {
    case BW_GUARD_ACTION_SAVE:
        event.kind = BW_GUARD_EVENT_SAVED;
        event.ok = !world->disk_fails;
        if (event.ok)
            world->guard_disk = world->guard.memory;
        guard_step(world, &event);
        break;
    case BW_GUARD_ACTION_MIRROR:
        event.kind = BW_GUARD_EVENT_MIRRORED;
        event.number = action->number;
        event.ok = !world->disk_fails;
        if (event.ok) {
            world->guard_mirror = world->guard.mirror;
            world->has_mirror = true;
        }
        guard_step(world, &event);
        break;
    case BW_GUARD_ACTION_SPAWN:
        spawn(world, action);
        break;
    case BW_GUARD_ACTION_GO:
        go(world, action);
        break;
    case BW_GUARD_ACTION_KILL_RUN:
        world->children[action->slot].hangs = false;
        world->children[action->slot].fails = true;
        world->children[action->slot].end_ms = world->now_ms;
        break;
    case BW_GUARD_ACTION_PASS:
    case BW_GUARD_ACTION_TERM_STARTED: /* nothing is left of its starts */
        fail();
        break;
    case BW_GUARD_ACTION_TERM_REACH:
        if (chance(world, 50))
            world->up = false;
        break;
    case BW_GUARD_ACTION_KILL_REACH:
        world->up = false;
        kill_children(world);
        world->reach_ending = true;
        world->reach_end_ms = world->now_ms + below(world, 5);
        break;
    case BW_GUARD_ACTION_SEND:
        if (action->message.kind == BW_GUARD_MESSAGE_FENCE_BEGUN)
            world->fences++;
        if (world->connected)
            push(&world->to_agent, world->now_ms + below(world, 3), &action->message);
        break;
    }
}

static void guard_step(struct world *world, struct bw_guard_event *event)
{
    struct bw_guard_actions *out = calloc(1, sizeof *out);

    assert_non_null(out);
    bw_guard_step(&world->guard, event, at(world), out);
    world->guard_wake = out->wake_at;
    for (uint32_t i = 0; i < out->count; i++)
        guard_perform(world, &out->list[i]);
    free(out);
}

/* ---- the agent's shell -------------------------------------------------------------------------- */

static void agent_perform(struct world *world, const struct bw_site_action *action)
{
    struct bw_site_event event = {0};

    trace(world, "agent does", action->rule, action->kind);
    switch (action->kind) {
    case BW_SITE_ACTION_SAVE:
        event.kind = BW_SITE_EVENT_SAVED;
        event.number = action->number;
        event.ok = !world->disk_fails;
        if (event.ok)
            world->agent_disk = world->site.memory;
        agent_step(world, &event);
        break;
    case BW_SITE_ACTION_SEND:
        if (world->connected)
            push(&world->to_guard, world->now_ms + below(world, 3), &action->message);
        break;
    case BW_SITE_ACTION_READ_MIRROR:
        event.kind = BW_SITE_EVENT_MIRROR_READ;
        event.ok = world->has_mirror && world->guard_mirror.armed_epoch != 0;
        event.mirror_epoch = world->guard_mirror.armed_epoch;
        event.mirror_end = world->guard_mirror.armed_end;
        agent_step(world, &event);
        break;
    case BW_SITE_ACTION_OWN_FENCE:
        world->own_fence_end_ms = world->now_ms + 1 + below(world, FENCE_MS / 4);
        world->own_fence_epoch = action->epoch;
        break;
    case BW_SITE_ACTION_SYNC_NOW:
        if (world->next_renew_ms > world->now_ms + 5)
            world->next_renew_ms = world->now_ms + 5;
        break;
    case BW_SITE_ACTION_TRACE:
        break;
    }
}

static void agent_step(struct world *world, struct bw_site_event *event)
{
    struct bw_site_actions *out = calloc(1, sizeof *out);

    assert_non_null(out);
    bw_site_step(&world->site, event, at(world), out);
    world->agent_wake = out->wake_at;
    for (uint32_t i = 0; i < out->count; i++)
        agent_perform(world, &out->list[i]);
    free(out);
}

static void disconnect(struct world *world)
{
    struct bw_site_event lost = {.kind = BW_SITE_EVENT_GUARD_LOST};

    if (!world->connected)
        return;
    world->connected = false;
    world->to_agent.count = 0;
    world->reconnect_ms = world->now_ms + 20;
    if (world->agent_health == ABLE)
        agent_step(world, &lost);
}

static void connect_again(struct world *world)
{
    struct bw_guard_event hello = {.kind = BW_GUARD_EVENT_HELLO};
    struct bw_site_event lost = {.kind = BW_SITE_EVENT_GUARD_LOST};

    if (world->connected || world->now_ms < world->reconnect_ms || world->agent_health != ABLE)
        return;
    world->reconnect_ms = world->now_ms + 20 + below(world, 30);
    if (world->guard_health != ABLE) {
        if (chance(world, 20))
            agent_step(world, &lost);
        return;
    }
    world->to_guard.count = 0; /* the old connection is closed unread */
    world->to_agent.count = 0;
    world->connected = true;
    hello.hello.instance = world->site.instance;
    hello.hello.session = (struct bw_id){{(uint8_t)(world->session + 1), 77}};
    guard_step(world, &hello);
}

static void deliver(struct world *world)
{
    struct bw_guard_message message;

    while (world->guard_health == ABLE && pop(&world->to_guard, world->now_ms, &message)) {
        struct bw_guard_event event = {.kind = BW_GUARD_EVENT_MESSAGE, .message = &message};

        guard_step(world, &event);
    }
    while (world->agent_health == ABLE && world->connected &&
           pop(&world->to_agent, world->now_ms, &message)) {
        struct bw_site_event event = {.kind = BW_SITE_EVENT_GUARD_MESSAGE, .message = &message};

        if (message.kind == BW_GUARD_MESSAGE_GROUP_STATE) {
            event.kind = BW_SITE_EVENT_GUARD_STATE;
            event.state = &message.state;
        }
        agent_step(world, &event);
    }
}

/* ---- processes that come and go ------------------------------------------------------------------ */

static const struct bw_site_limits site_limits = {
    .check_interval_ns = 300 * MS,
    .failure_threshold = 3,
    .local_restarts = 1,
    .has_script = {[BW_ACTION_START] = true, [BW_ACTION_STOP] = true, [BW_ACTION_STATUS] = true},
    .timeout_ns = {[BW_ACTION_START] = 600 * MS, [BW_ACTION_STATUS] = 100 * MS},
};
static const struct bw_guard_limits guard_limits = {
    .has_script = {[BW_ACTION_START] = true,
                   [BW_ACTION_STOP] = true,
                   [BW_ACTION_FENCE] = true,
                   [BW_ACTION_STATUS] = true},
    .timeout_ns = {[BW_ACTION_START] = 600 * MS,
                   [BW_ACTION_STOP] = 600 * MS,
                   [BW_ACTION_FENCE] = 200 * MS,
                   [BW_ACTION_STATUS] = 100 * MS},
    .kill_grace_ns = 40 * MS,
    .reach = BW_REACH_CGROUP,
    .reach_works = true,
};
static const struct bw_id instance = {{1}};
static const struct bw_id boot = {{2}};

static void start_agent(struct world *world)
{
    world->session++;
    world->agent_health = ABLE;
    bw_site_init(&world->site, "g", instance, boot, &site_limits, &world->agent_disk, at(world));
    world->agent_wake = at(world);
    world->own_fence_end_ms = 0;
    world->connected = false;
    world->reconnect_ms = world->now_ms;
    world->confirm_ms = 0; /* another session: what was on its way is dropped */
    world->order_due_ms = world->now_ms + 10;
}

static void start_guard(struct world *world)
{
    world->guard_health = ABLE;
    for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++) /* the mirrored children are ended first */
        if (world->children[i].exists &&
            world->guard_mirror.children[i].action != BW_ACTION_NONE)
            world->children[i].exists = false;
    world->reach_ending = false;
    bw_guard_init(&world->guard, "g", &guard_limits, &world->guard_disk,
                  world->has_mirror ? &world->guard_mirror : NULL, at(world));
    world->guard_wake = at(world);
}

static void kill_guard(struct world *world)
{
    world->guard_health = DEAD;
    for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++) {
        struct child *child = &world->children[i];

        if (child->exists && !child->has_go)
            child->exists = false; /* EOF on its pipe */
        child->is_orphan = child->exists;
    }
    world->to_guard.count = 0;
    disconnect(world);
}

static void thaw_guard(struct world *world)
{
    world->guard_health = ABLE;
    world->guard_wake = at(world);
    for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++)
        if (world->children[i].exists && world->children[i].has_go &&
            world->now_ms >= world->children[i].end_ms)
            world->children[i].hangs = false;
}

/* One process at a time is not able, and the next is not before everything of this one is long over:
 * the assumption of 3.8. */
static void disturb(struct world *world)
{
    uint64_t back_ms;

    if (world->agent_health != ABLE && world->now_ms >= world->agent_back_ms) {
        if (world->agent_health == DEAD)
            start_agent(world);
        else
            world->agent_health = ABLE;
        world->agent_wake = at(world);
        world->calm_until_ms = world->now_ms + 2 * TTL_MS;
    }
    if (world->guard_health != ABLE && world->now_ms >= world->guard_back_ms) {
        if (world->guard_health == DEAD)
            start_guard(world);
        else
            thaw_guard(world);
        world->calm_until_ms = world->now_ms + 2 * TTL_MS;
    }
    if (world->now_ms >= world->link_change_ms) {
        world->link_up = chance(world, 75);
        world->link_change_ms = world->now_ms + 200 + below(world, 4000);
        world->disk_fails = chance(world, 5);
    }
    if (world->agent_health != ABLE || world->guard_health != ABLE ||
        world->now_ms < world->calm_until_ms || !chance(world, 1))
        return;
    back_ms = world->now_ms + 20 + below(world, 3 * TTL_MS);
    trace(world, "fault", "until", back_ms);
    switch (below(world, 5)) {
    case 0:
        world->agent_health = FROZEN;
        world->agent_back_ms = back_ms;
        break;
    case 1: {
        struct bw_guard_event gone = {.kind = BW_GUARD_EVENT_AGENT_GONE};

        world->agent_health = DEAD;
        world->agent_back_ms = back_ms;
        world->connected = false;
        guard_step(world, &gone);
        break;
    }
    case 2:
        world->guard_health = FROZEN;
        world->guard_back_ms = back_ms;
        break;
    case 3:
        kill_guard(world);
        world->guard_back_ms = back_ms;
        break;
    default:
        disconnect(world);
        break;
    }
}

/* ---- the quorum and the other site, in a few lines ------------------------------------------------ */

static void give_order(struct world *world, enum bw_order_kind kind)
{
    struct bw_order *order = &world->order;

    *order = (struct bw_order){.kind = kind,
                               .index = ++world->index,
                               .epoch = world->epoch,
                               .spec_version = 1,
                               .instance = instance,
                               .others_epoch = kind == BW_ORDER_STAND_BY,
                               .restart_allowed = true};
    order->terms = (struct bw_terms){.ttl_ms = TTL_MS,
                                     .fence_ms = FENCE_MS,
                                     .margin_ms = MARGIN_MS,
                                     .renew_interval_ms = RENEW_MS,
                                     .request_timeout_ms = RENEW_MS};
    world->order_due_ms = world->now_ms + 1 + below(world, 30);
}

static void quorum(struct world *world)
{
    struct bw_sync_group *sync = calloc(1, sizeof *sync);
    bool is_fresh = false;

    assert_non_null(sync);
    if (world->agent_health == ABLE)
        bw_site_sync_get(&world->site, at(world), sync);
    if (world->agent_health == ABLE && world->link_up && world->now_ms >= world->next_renew_ms) {
        is_fresh = true;
        world->next_renew_ms = world->now_ms + RENEW_MS;
        world->order_due_ms = world->now_ms + 1;
        if (world->held && sync->renew_epoch == world->epoch && !world->confirm_ms) {
            world->counted_from_ms = world->now_ms + 1; /* receipt */
            world->confirm_sent_ms = world->now_ms;
            world->confirm_epoch = world->epoch;
            world->confirm_ms = world->now_ms + 2 + below(world, 250);
        }
        if (world->held && sync->released.epoch == world->epoch) {
            world->held = false;
            world->was_released = true;
            world->releases++;
            world->other_until_ms = world->now_ms + below(world, 3000);
            give_order(world, BW_ORDER_STAND_BY);
        }
    }
    if (world->held && !(is_fresh && sync->report.service == BW_SERVICE_STARTED) &&
        world->now_ms >= world->counted_from_ms + TTL_MS + MARGIN_MS) {
        world->held = false;
        world->was_released = false;
        world->expiries++;
        trace(world, "quorum", "expired; counted from", world->counted_from_ms);
        world->other_until_ms = world->now_ms + below(world, 3000);
        give_order(world, BW_ORDER_STAND_BY);
    }
    if (!world->held && world->now_ms >= world->other_until_ms && is_fresh &&
        sync->report.service == BW_SERVICE_STOPPED && sync->report.guard_alive) {
        world->epoch++;
        world->held = true;
        world->grants++;
        world->counted_from_ms = world->now_ms;
        world->granted_ms = world->now_ms;
        give_order(world, BW_ORDER_RUN);
    }
    if (world->held && world->order.kind == BW_ORDER_RUN && below(world, 20000) == 0)
        give_order(world, BW_ORDER_STOP); /* somebody asks for a switchover */
    free(sync);
}

static void hear(struct world *world)
{
    if (world->agent_health != ABLE)
        return;
    if (world->order_due_ms != 0 && world->now_ms >= world->order_due_ms && world->link_up &&
        world->order.kind != BW_ORDER_NONE) {
        struct bw_site_event event = {.kind = BW_SITE_EVENT_ORDER, .order = &world->order};

        world->order_due_ms = 0;
        agent_step(world, &event);
    }
    if (world->confirm_ms != 0 && world->now_ms >= world->confirm_ms) {
        const struct bw_instant sent = {world->confirm_sent_ms * MS, world->confirm_sent_ms * MS};
        struct bw_site_event event = {.kind = BW_SITE_EVENT_CONFIRMED,
                                      .epoch = world->confirm_epoch,
                                      .number = world->confirm_sent_ms,
                                      .sent = sent};

        world->confirm_ms = 0;
        if (world->link_up)
            agent_step(world, &event);
    }
}

static void own_fence(struct world *world)
{
    struct bw_site_event event = {.kind = BW_SITE_EVENT_OWN_FENCE_ENDED,
                                  .epoch = world->own_fence_epoch,
                                  .ok = true};

    if (world->own_fence_end_ms == 0 || world->now_ms < world->own_fence_end_ms ||
        world->agent_health != ABLE)
        return;
    world->own_fence_end_ms = 0;
    world->up = false;
    kill_children(world); /* everything in reach, start scripts included */
    agent_step(world, &event);
}

static void live(struct world *world)
{
    struct bw_guard_event guard_tick = {.kind = BW_GUARD_EVENT_TICK};
    struct bw_site_event agent_tick = {.kind = BW_SITE_EVENT_TICK};

    disturb(world);
    connect_again(world);
    if (world->guard_health == ABLE && bw_instant_right_is_over(at(world), world->guard_wake))
        guard_step(world, &guard_tick);
    if (world->agent_health == ABLE && bw_instant_right_is_over(at(world), world->agent_wake))
        agent_step(world, &agent_tick);
    own_fence(world);
    deliver(world);
    run_children(world);
    quorum(world);
    hear(world);
    if (world->up && below(world, 20000) == 0)
        world->up = false; /* the service dies by itself */
    check(world);
    world->now_ms++;
}

static void run_seed(uint64_t seed, struct world *world)
{
    memset(world, 0, sizeof *world);
    bw_prng_init(&world->prng, seed);
    world->seed = seed;
    world->now_ms = 100000;
    world->link_up = true;
    world->link_change_ms = world->now_ms + 3000;
    start_guard(world);
    start_agent(world);
    while (world->now_ms < 100000 + RUN_MS)
        live(world);
}

static void nothing_serves_once_the_other_site_may_begin(void **state)
{
    const char *only = getenv("BREAKWATER_SEED");
    const char *more = getenv("BREAKWATER_SEEDS");
    const uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    const uint64_t seeds = only != NULL ? first : more != NULL ? strtoull(more, NULL, 10) : SEEDS;
    struct world *world = malloc(sizeof *world);
    uint64_t grants = 0, fences = 0, starts = 0, releases = 0, expiries = 0;

    (void)state;
    assert_non_null(world);
    for (uint64_t seed = first; seed <= seeds; seed++) {
        run_seed(seed, world);
        grants += world->grants;
        fences += world->fences;
        starts += world->starts;
        releases += world->releases;
        expiries += world->expiries;
    }
    free(world);
    print_message("%llu seeds, %d s each: %llu grants, %llu starts, %llu fences, %llu given back, "
                  "%llu expired\n",
                  (unsigned long long)seeds, RUN_MS / 1000, (unsigned long long)grants, (unsigned long long)starts,
                  (unsigned long long)fences, (unsigned long long)releases,
                  (unsigned long long)expiries);
    if (only != NULL)
        return;
    /* A world in which nothing happens proves nothing. */
    assert_true(grants > seeds && starts > seeds && fences > seeds && releases > seeds &&
                expiries > seeds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_serves_once_the_other_site_may_begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
