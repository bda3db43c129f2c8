/* Stories of a guard, each the whole of what its machine asks for: tests/golden/guard/STORY.txt holds one
 * event per line and when it wakes next, beneath it, indented, each action with the id of its rule and all
 * that it carries, and after `=` what the guard knows then, where that has changed.
 * BREAKWATER_GOLDEN=write writes them anew. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_world.h"
#include "story.h"

static struct story story;
static char known_last[1024];
static struct bw_instant wakes_last;

/* ---- telling ---- */

static const char *slot_word(enum bw_guard_slot slot)
{
    static const char *const words[] = {[BW_GUARD_SLOT_ACTION] = "action",
                                        [BW_GUARD_SLOT_OBSERVATION] = "observation",
                                        [BW_GUARD_SLOT_FENCE] = "fence"};

    return words[slot];
}

static void tell_sight(const struct bw_reach_sight *sight)
{
    tell(&story, " %s%s@%" PRIu64 "/%" PRIu64, bw_reach_seen_word(sight->seen),
         sight->proved ? " proved" : "", sight->epoch, sight->digest);
}

static void tell_message(const struct bw_guard_message *message)
{
    static const char *const kinds[] = {
#define X(name) [BW_GUARD_MESSAGE_##name] = #name,
        BW_GUARD_MESSAGE_LIST(X)
#undef X
    };

    tell(&story, " %s epoch=%" PRIu64, kinds[message->kind], message->epoch);
    switch (message->kind) {
    case BW_GUARD_MESSAGE_ARM:
        tell(&story, " number=%" PRIu64, message->arm.number);
        tell_instant(&story, "end", message->arm.end);
        break;
    case BW_GUARD_MESSAGE_RUN:
        tell(&story, " %s id=%" PRIu64, bw_action_word(message->run.action), message->run.run_id);
        break;
    case BW_GUARD_MESSAGE_ARMED:
        tell(&story, " number=%" PRIu64, message->armed.number);
        tell_instant(&story, "end", message->armed.end);
        break;
    case BW_GUARD_MESSAGE_ARM_REFUSED:
    case BW_GUARD_MESSAGE_END_REFUSED:
        tell(&story, " number=%" PRIu64 " %s", message->refused.number,
             bw_refusal_word(message->refused.why));
        break;
    case BW_GUARD_MESSAGE_RUN_BEGUN:
        tell(&story, " %s id=%" PRIu64, bw_action_word(message->begun.action),
             message->begun.run_id);
        break;
    case BW_GUARD_MESSAGE_RUN_ENDED:
        tell(&story, "/%" PRIu64 " %s id=%" PRIu64 " %s %s status=%d %u ms '%s'",
             message->ended.epoch, bw_action_word(message->ended.action), message->ended.run_id,
             bw_run_result_word(message->ended.result), bw_refusal_word(message->ended.refusal),
             message->ended.exit_status, message->ended.duration_ms, message->ended.line);
        tell_sight(&message->ended.sight);
        break;
    case BW_GUARD_MESSAGE_FENCE_ENDED:
        tell(&story, " ok=%d %u ms", message->fence.ok, message->fence.duration_ms);
        break;
    case BW_GUARD_MESSAGE_EPOCH_ENDED:
        tell(&story, " served=%d", (int)message->epoch_ended.served);
        break;
    case BW_GUARD_MESSAGE_LET_GO:
    case BW_GUARD_MESSAGE_LET_GO_DONE:
        tell(&story, " index=%" PRIu64, message->let_go_index);
        break;
    default:
        break;
    }
}

static void tell_event(const struct world *world, const struct bw_guard_event *event)
{
    static const char *const kinds[] = {
        [BW_GUARD_EVENT_TICK] = "tick",
        [BW_GUARD_EVENT_HELLO] = "hello",
        [BW_GUARD_EVENT_AGENT_GONE] = "agent_gone",
        [BW_GUARD_EVENT_MESSAGE] = "agent",
        [BW_GUARD_EVENT_SAVED] = "saved",
        [BW_GUARD_EVENT_MIRRORED] = "mirrored",
        [BW_GUARD_EVENT_SPAWNED] = "spawned",
        [BW_GUARD_EVENT_RUN_ENDED] = "run_ended",
        [BW_GUARD_EVENT_REACH_KILLED] = "reach_killed",
    };

    tell(&story, "%s", kinds[event->kind]);
    tell_instant(&story, "at", at_ms(world->now_ms));
    if (event->message != NULL)
        tell_message(event->message);
    if (event->kind == BW_GUARD_EVENT_SPAWNED || event->kind == BW_GUARD_EVENT_RUN_ENDED)
        tell(&story, " %s%s", slot_word(event->slot), event->is_left ? " left" : "");
    if (event->kind == BW_GUARD_EVENT_RUN_ENDED)
        tell(&story, " %s '%s'", bw_run_result_word(event->ended.result), event->ended.line);
    if (event->kind == BW_GUARD_EVENT_SAVED || event->kind == BW_GUARD_EVENT_MIRRORED ||
        event->kind == BW_GUARD_EVENT_REACH_KILLED)
        tell(&story, " ok=%d", event->ok);
}

static void tell_action(const struct bw_guard_action *action)
{
    static const char *const kinds[] = {
        [BW_GUARD_ACTION_SAVE] = "save",
        [BW_GUARD_ACTION_MIRROR] = "mirror",
        [BW_GUARD_ACTION_SPAWN] = "spawn",
        [BW_GUARD_ACTION_GO] = "go",
        [BW_GUARD_ACTION_KILL_RUN] = "kill_run",
        [BW_GUARD_ACTION_TERM_STARTED] = "term_started",
        [BW_GUARD_ACTION_TERM_REACH] = "term_reach",
        [BW_GUARD_ACTION_KILL_REACH] = "kill_reach",
        [BW_GUARD_ACTION_SEND] = "send",
        [BW_GUARD_ACTION_PASS] = "pass",
    };

    tell(&story, "    %s: %s", action->rule, kinds[action->kind]);
    switch (action->kind) {
    case BW_GUARD_ACTION_SPAWN:
        tell(&story, " %s %s epoch=%" PRIu64 " id=%" PRIu64, slot_word(action->slot),
             bw_action_word(action->run.action), action->run.epoch, action->run.run_id);
        break;
    case BW_GUARD_ACTION_GO:
        tell(&story, " %s limit=%" PRIu64 " ms", slot_word(action->slot), action->limit_ns / MS);
        tell_instant(&story, "not_after", action->run_not_after);
        break;
    case BW_GUARD_ACTION_KILL_RUN:
        tell(&story, " %s", slot_word(action->slot));
        break;
    case BW_GUARD_ACTION_MIRROR:
        tell(&story, " %" PRIu64, action->number);
        break;
    case BW_GUARD_ACTION_SEND:
        tell_message(&action->message);
        break;
    default:
        break;
    }
    tell(&story, "\n");
}

/* What its files hold, unless that was told. */
static void tell_known(const struct bw_guard *guard)
{
    const struct bw_guard_memory *memory = &guard->memory;
    const struct bw_guard_mirror *mirror = &guard->mirror;
    const size_t begin = story.size;

    tell(&story, "    = seen=%" PRIu64 " ended=%" PRIu64 "%s let_go=%" PRIu64, memory->epoch_seen,
         memory->ended_epoch, memory->enforced ? " enforced" : "", memory->let_go_index);
    tell_sight(&memory->sight);
    tell(&story, " armed=%" PRIu64 " number=%" PRIu64, mirror->armed_epoch, mirror->armed_number);
    tell_instant(&story, "end", mirror->armed_end);
    tell(&story, "%s%s%s%s%s%s%s start=%" PRIu64 "/%d ran_out=%" PRIu64,
         mirror->fence_begun ? " fence_begun" : "", mirror->stop_seen ? " stop_seen" : "",
         mirror->start_unseen ? " start_unseen" : "", mirror->script_due ? " script_due" : "",
         mirror->left_due ? " left_due" : "", mirror->script_begun ? " script_begun" : "",
         mirror->stopped_after_start ? " stopped_after_start" : "", mirror->start_epoch,
         (int)mirror->served, mirror->stop_ran_out_epoch);
    for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++)
        if (mirror->children[i].action != BW_ACTION_NONE)
            tell(&story, " %s:%s/%" PRIu64 "/%" PRIu64, slot_word((enum bw_guard_slot)i),
                 bw_action_word(mirror->children[i].action), mirror->children[i].epoch,
                 mirror->children[i].run_id);
    tell(&story, "\n");
    if (strcmp(known_last, story.bytes + begin) == 0) {
        story.size = begin;
        story.bytes[begin] = '\0';
    } else {
        assert_true((size_t)snprintf(known_last, sizeof known_last, "%s", story.bytes + begin) <
                    sizeof known_last);
    }
}

static void tell_step(const struct world *world, const struct bw_guard_event *event,
                      const struct bw_guard_actions *out)
{
    if ((event->kind == BW_GUARD_EVENT_TICK || event->kind == BW_GUARD_EVENT_MIRRORED) &&
        out->count == 0 && memcmp(&wakes_last, &out->wake_at, sizeof wakes_last) == 0) {
        tell_known(&world->guard);
        return; /* nothing has happened */
    }
    wakes_last = out->wake_at;
    tell_event(world, event);
    tell_instant(&story, "wakes", out->wake_at);
    tell(&story, "\n");
    for (uint32_t i = 0; i < out->count; i++)
        tell_action(&out->list[i]);
    tell_known(&world->guard);
}

static int listen_to_it(void **state)
{
    (void)state;
    memset(&story, 0, sizeof story);
    known_last[0] = '\0';
    memset(&wakes_last, 0, sizeof wakes_last);
    raw_slow_permille = 0;
    on_guard_step = tell_step;
    return 0;
}

/* The clocks go apart: what is right ends by the first of them, what is waited for by the last. */
static int listen_to_two_clocks(void **state)
{
    (void)listen_to_it(state);
    raw_slow_permille = 20;
    return 0;
}

static void the_end(const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof path, "guard/%s%s", name,
                   raw_slow_permille != 0 ? "_by_two_clocks" : "");
    story_ends(&story, path);
}

/* ---- what comes in ---- */

static bool runs(const struct world *world, enum bw_guard_slot slot)
{
    return world->guard.slots[slot].state == BW_SLOT_RUNNING ||
           world->guard.slots[slot].state == BW_SLOT_ENDING;
}

/* Turns for so long. What the guard runs takes 150 ms: looks say `word`, what ends a service ends with
 * `result`; what is in reach dies with the KILL. */
static void go_on(struct world *world, uint64_t ms, enum bw_run_result result, const char *word)
{
    const uint64_t end_ms = world->now_ms + ms;
    uint64_t since_ms[BW_GUARD_SLOT_COUNT] = {0};

    while (world->now_ms < end_ms) {
        tick_at(world, world->now_ms + 50);
        for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++) {
            const enum bw_guard_slot slot = (enum bw_guard_slot)i;
            const enum bw_action_kind action = world->guard.slots[i].run.action;

            since_ms[i] = runs(world, slot) ? since_ms[i] + 50 : 0;
            if (since_ms[i] < 150)
                continue;
            since_ms[i] = 0;
            ended(world, slot,
                  world->guard.slots[i].state == BW_SLOT_ENDING ? BW_RUN_KILLED
                  : bw_action_is_action(action)                 ? result
                                                                : BW_RUN_OK,
                  bw_action_is_action(action) ? "" : word);
        }
        if (strstr(world->log, "KILL_REACH") != NULL)
            reach_killed(world, result == BW_RUN_OK);
    }
}

static void begin_started(struct world *world)
{
    begin_armed(world);
    run(world, 1, BW_ACTION_START, 7);
    world->now_ms += 100;
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    run(world, 1, BW_ACTION_STATUS, 8);
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
}

static void let_go_of(struct world *world, uint64_t epoch, uint64_t index)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = epoch};

    of.let_go_index = index;
    message(world, &of);
}

/* ---- stories ---- */

static void served_and_stopped(void **state) /* 3.5 */
{
    struct world world;

    (void)state;
    begin_started(&world);
    world.now_ms = 101000;
    (void)arm(&world, 1, 100999);
    (void)arm(&world, 1, 101001);
    (void)end(&world, 1);
    run(&world, 1, BW_ACTION_STOP, 9);
    run(&world, 1, BW_ACTION_STOP, 10);
    run(&world, 1, BW_ACTION_STATUS, 11);
    go_on(&world, 1000, BW_RUN_OK, "stopped");
    (void)end(&world, 1);
    (void)end(&world, 1);
    (void)arm(&world, 1, 101900);
    run(&world, 1, BW_ACTION_START, 12);
    let_go_of(&world, 1, 40);
    let_go_of(&world, 1, 40);
    (void)arm(&world, 2, 102000);
    the_end("served_and_stopped");
}

static void stop_that_fails(void **state) /* 3.2.4, 3.5 */
{
    struct world world;

    (void)state;
    begin_started(&world);
    run(&world, 1, BW_ACTION_STOP, 9);
    go_on(&world, 500, BW_RUN_FAILED, "started");
    run(&world, 1, BW_ACTION_STOP, 10);
    go_on(&world, 500, BW_RUN_TIMED_OUT, "started");
    run(&world, 1, BW_ACTION_STOP, 11);
    world.is_left = true;
    go_on(&world, 500, BW_RUN_OK, "stopped");
    run(&world, 1, BW_ACTION_FENCE, 12);
    go_on(&world, 500, BW_RUN_OK, "started");
    world.is_left = false;
    run(&world, 1, BW_ACTION_FENCE, 13);
    go_on(&world, 500, BW_RUN_OK, "stopped");
    (void)end(&world, 1);
    the_end("stop_that_fails");
}

static void fence_that_works(void **state) /* 3.2.4 */
{
    struct world world;

    (void)state;
    begin_started(&world);
    run(&world, 1, BW_ACTION_STATUS, 9);
    go_on(&world, 9000, BW_RUN_OK, "stopped");
    (void)arm(&world, 1, 102000);
    (void)end(&world, 1);
    the_end("fence_that_works");
}

static void fence_beside_a_start(void **state) /* 3.4 */
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.now_ms = 107000;
    run(&world, 1, BW_ACTION_START, 7);
    tick_at(&world, 107950);
    world.is_left = true;
    go_on(&world, 400, BW_RUN_OK, "stopped");
    world.is_left = false;
    go_on(&world, 3000, BW_RUN_OK, "stopped");
    (void)end(&world, 1);
    the_end("fence_beside_a_start");
}

static void fence_that_sees_it_serve(void **state) /* 3.2.4 */
{
    struct world world;

    (void)state;
    begin_started(&world);
    go_on(&world, 9800, BW_RUN_OK, "started");
    go_on(&world, 2500, BW_RUN_FAILED, "unknown");
    go_on(&world, 3000, BW_RUN_OK, "stopped");
    (void)end(&world, 1);
    the_end("fence_that_sees_it_serve");
}

static void fence_whose_script_hangs(void **state) /* 3.2.4 */
{
    struct world world;

    (void)state;
    begin_started(&world);
    for (uint64_t ms = 107500; ms < 109900; ms += 50)
        tick_at(&world, ms);
    reach_killed(&world, false);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_KILLED, "");
    go_on(&world, 3000, BW_RUN_FAILED, "started");
    go_on(&world, 3000, BW_RUN_OK, "stopped");
    (void)end(&world, 1);
    the_end("fence_whose_script_hangs");
}

static void disk_that_fails(void **state) /* 3.4 */
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_fails = true;
    (void)arm(&world, 1, 100000);
    go_on(&world, 500, BW_RUN_OK, "stopped");
    world.save_fails = false;
    world.mirror_fails = true;
    (void)arm(&world, 1, 100400);
    run(&world, 1, BW_ACTION_START, 7);
    world.mirror_fails = false;
    (void)arm(&world, 1, 100500);
    run(&world, 1, BW_ACTION_START, 8);
    go_on(&world, 500, BW_RUN_FAILED, "stopped");
    run(&world, 1, BW_ACTION_STOP, 9);
    go_on(&world, 500, BW_RUN_OK, "stopped");
    world.save_fails = true;
    (void)end(&world, 1);
    go_on(&world, 500, BW_RUN_OK, "stopped");
    world.save_fails = false;
    (void)end(&world, 1);
    the_end("disk_that_fails");
}

static void what_is_refused(void **state) /* 3.4 */
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.now_ms = 100500;
    (void)arm(&world, 0, 100100);
    (void)arm(&world, 1, 100000);
    (void)arm(&world, 1, 99999);
    (void)arm(&world, 1, 100501);
    (void)arm(&world, 1, 100001);
    run(&world, 2, BW_ACTION_START, 7);
    run(&world, 1, BW_ACTION_REJOIN, 8);
    run(&world, 1, BW_ACTION_READINESS, 9);
    hello(&world, instance_b);
    (void)arm(&world, 1, 100300);
    run(&world, 1, BW_ACTION_START, 10);
    run(&world, 1, BW_ACTION_STATUS, 11);
    (void)arm(&world, 2, 100300);
    (void)end(&world, 1);
    (void)arm(&world, 1, 100400);
    run(&world, 1, BW_ACTION_STOP, 12);
    run(&world, 2, BW_ACTION_START, 13);
    run(&world, 2, BW_ACTION_START, 14);
    tick_at(&world, 108300);
    (void)arm(&world, 2, 108300);
    run(&world, 2, BW_ACTION_STATUS, 15);
    the_end("what_is_refused");
}

#define STORY(name) cmocka_unit_test_setup(name, listen_to_it)
#define STORY_OF_CLOCKS(name) STORY(name), cmocka_unit_test_setup(name, listen_to_two_clocks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(served_and_stopped),
        STORY(stop_that_fails),
        STORY_OF_CLOCKS(fence_that_works),
        STORY_OF_CLOCKS(fence_beside_a_start),
        STORY_OF_CLOCKS(fence_that_sees_it_serve),
        STORY_OF_CLOCKS(fence_whose_script_hangs),
        STORY(disk_that_fails),
        STORY(what_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
