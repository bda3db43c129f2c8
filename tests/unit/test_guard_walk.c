/* guard: whatever may come, in each state. A walk in breadth: of the states that are alike in what the tables
 * and the rules decide by (key_of) one is kept, and everything that an agent may say, a script may come to and
 * a clock may show is tried in it. What must hold is asserted by the step itself (bw_guard_unsound); here, that
 * what is refused is refused with a documented word, that a start goes in time, that each state was reached. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#include <breakwater/core/report.h>

#include "guard_world.h"
#include "walk.h"

#define STATES_MAX 2500 /* gone on from in one walk: three walks take a second or two */
#define EPOCHS     2 /* ... that are ever seen */

struct place {
    struct bw_guard guard;
    uint64_t now_ms;
};

static struct place *places;
static uint32_t place_count;
static uint32_t place_done;
static uint32_t keys[4 * STATES_MAX];
static uint64_t refused[BW_GUARD_MESSAGE_SHOWN + 1]; /* bits of enum bw_refusal, by kind */
static uint32_t fences_seen, slots_seen[BW_GUARD_SLOT_COUNT], stops_seen, wants_seen;
static uint64_t step_count;
static uint32_t state_count;

/* ---- what makes a state another one ---- */

/* By what the rules decide, not by numbers: epochs only as they stand to each other. */
static uint32_t key_of(const struct place *place)
{
    const struct bw_guard *guard = &place->guard;
    const struct bw_guard_mirror *mirror = &guard->mirror;
    uint32_t key = walk_mix(0, guard->fence);

    for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++) {
        const bool is_free = guard->slots[i].state == BW_SLOT_FREE;

        if (i == BW_GUARD_SLOT_OBSERVATION)
            key = walk_mix(key, is_free);
        else
            key = walk_mix(walk_mix(key, guard->slots[i].state), is_free ? 0 : guard->slots[i].run.action);
    }
    key = walk_mix(walk_mix(key, guard->stop), guard->wants);
    key = walk_mix(walk_mix(key, mirror->armed_epoch != 0), guard->end_looking);
    key = walk_mix(key, guard->memory.ended_epoch == guard->memory.epoch_seen);
    key = walk_mix(walk_mix(key, bw_id_is_none(guard->agent.session)), mirror->armed_serial != 0);
    return key == 0 ? 1 : key;
}

static void keep(const struct place *place)
{
    const uint32_t size = sizeof keys / sizeof keys[0];
    const uint32_t key = key_of(place);
    const uint32_t at = walk_find(keys, size, key);

    if (keys[at] == key || place_count == STATES_MAX)
        return;
    keys[at] = key;
    places[place_count++] = *place;
}

/* ---- one step, from where `from` is ---- */

static void note_refusals(const struct bw_guard_actions *out)
{
    for (uint32_t i = 0; i < out->count; i++) {
        const struct bw_guard_message *message = &out->list[i].message;

        if (out->list[i].kind != BW_GUARD_ACTION_SEND)
            continue;
        if (message->kind == BW_GUARD_MESSAGE_ARM_REFUSED ||
            message->kind == BW_GUARD_MESSAGE_END_REFUSED)
            refused[message->kind] |= UINT64_C(1) << message->refused.why;
        if (message->kind == BW_GUARD_MESSAGE_RUN_ENDED && message->ended.result == BW_RUN_REFUSED)
            refused[message->kind] |= UINT64_C(1) << message->ended.refusal;
    }
}

/* 3.4: what starts, starts under its own deadline and before its window. */
static void assert_goes_in_time(const struct bw_guard *guard, const struct bw_guard_action *action)
{
    const struct bw_guard_run *run = &guard->slots[action->slot].run;

    if (action->kind != BW_GUARD_ACTION_GO || run->action != BW_ACTION_START)
        return;
    assert_false(bw_instant_is_beyond(
        action->run_not_after, bw_instant_sub(guard->mirror.armed_end, guard->mirror.fence_ns)));
}

static void try_in(const struct place *from, const struct bw_guard_event *event, uint64_t now_ms)
{
    static struct bw_guard_actions out;
    struct place to = {from->guard, now_ms};

    step_count++;
    bw_guard_step(&to.guard, event, at_ms(now_ms), &out);
    note_refusals(&out);
    for (uint32_t i = 0; i < out.count; i++)
        assert_goes_in_time(&to.guard, &out.list[i]);
    fences_seen |= 1u << to.guard.fence;
    stops_seen |= 1u << to.guard.stop;
    wants_seen |= 1u << to.guard.wants;
    for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++)
        slots_seen[i] |= 1u << to.guard.slots[i].state;
    if (to.guard.memory.epoch_seen <= EPOCHS)
        keep(&to);
}

/* ---- everything that may come ---- */

static void say(const struct place *from, struct bw_guard_message *message)
{
    const struct bw_guard_event event = {.kind = BW_GUARD_EVENT_MESSAGE, .message = message};

    try_in(from, &event, from->now_ms);
}

static void say_arms(const struct place *from, uint64_t epoch)
{
    static const uint64_t sent_before_ms[] = {0, 1000, TTL_MS - FENCE_MS, TTL_MS};

    for (size_t i = 0; i < sizeof sent_before_ms / sizeof sent_before_ms[0]; i++) {
        const uint64_t sent_ms = from->now_ms - sent_before_ms[i];
        struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_ARM, .epoch = epoch};

        of.arm = (struct bw_guard_arm){.epoch = epoch,
                                       .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS},
                                       .number = sent_ms,
                                       .begin = at_ms(sent_ms),
                                       .end = at_ms(sent_ms + TTL_MS)};
        say(from, &of);
        if (i > 0)
            continue;
        of.arm.serial = of.arm.number = 1 + from->guard.serial_over; /* 3.8 */
        if (of.arm.serial <= 2)
            say(from, &of);
        of.arm.serial = 0;
        of.arm.terms.fence_ms = TTL_MS; /* no terms of a lease */
        say(from, &of);
        of.arm.terms = (struct bw_terms){.ttl_ms = 1, .fence_ms = 0};
        say(from, &of);
    }
}

/* The union holds a fitting body for what an agent may say; the rest is not an agent's to say. */
static void say_everything(const struct place *from)
{
    for (uint64_t epoch = 0; epoch <= EPOCHS + 1; epoch++) {
        say_arms(from, epoch);
        for (int action = 0; action <= BW_ACTION_COUNT; action++) {
            struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN, .epoch = epoch};

            of.run = (struct bw_guard_run){.epoch = epoch,
                                           .action = (enum bw_action_kind)action,
                                           .run_id = 1 + (uint64_t)action};
            say(from, &of);
            of.run.by_kill = action == BW_ACTION_STOP;
            if (of.run.by_kill)
                say(from, &of);
        }
        for (int kind = 0; kind <= BW_GUARD_MESSAGE_HELLO_REFUSED; kind++) {
            struct bw_guard_message of = {.kind = (enum bw_guard_message_kind)kind, .epoch = epoch};

            if (kind == BW_GUARD_MESSAGE_ARM || kind == BW_GUARD_MESSAGE_RUN)
                continue;
            of.let_go_index = from->guard.memory.let_go_index + 1;
            if (kind == BW_GUARD_MESSAGE_LET_GO && of.let_go_index > 2)
                continue; /* without end */
            say(from, &of);
        }
    }
}

static void greet(const struct place *from)
{
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_HELLO};

    event.hello.session = (struct bw_id){{9}};
    event.hello.instance = instance_a;
    try_in(from, &event, from->now_ms);
    event.hello.instance = instance_b;
    try_in(from, &event, from->now_ms);
    event.kind = BW_GUARD_EVENT_AGENT_GONE;
    try_in(from, &event, from->now_ms);
}

static void end_a_run(const struct place *from, enum bw_guard_slot slot)
{
    static const char *const lines[] = {"stopped", "started", "?"};
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_RUN_ENDED, .slot = slot};

    for (int result = 0; result <= BW_RUN_INTERRUPTED; result++)
        for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
            if (result != BW_RUN_OK && i > 0)
                break;
            event.ended.result = (enum bw_run_result)result;
            (void)snprintf(event.ended.line, sizeof event.ended.line, "%s", lines[i]);
            event.is_left = false;
            event.populated = BW_POPULATED_YES;
            try_in(from, &event, from->now_ms);
            event.is_left = true;
            event.populated = BW_POPULATED_NO;
            try_in(from, &event, from->now_ms);
        }
}

static void answer(const struct place *from, enum bw_guard_event_kind kind)
{
    struct bw_guard_event event = {.kind = kind, .number = from->guard.mirror_number};

    for (int ok = 0; ok < 2; ok++) {
        event.ok = ok != 0;
        try_in(from, &event, from->now_ms);
    }
}

static void answer_everything(const struct place *from)
{
    if (from->guard.wants != BW_GUARD_WANTS_NOTHING)
        answer(from, BW_GUARD_EVENT_SAVED);
    if (from->guard.mirror_number > 0)
        answer(from, BW_GUARD_EVENT_MIRRORED);
    answer(from, BW_GUARD_EVENT_REACH_KILLED);
    for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++) {
        const struct bw_guard_run *run = &from->guard.slots[i].run;
        struct bw_guard_event event = {
            .kind = BW_GUARD_EVENT_SPAWNED, .slot = (enum bw_guard_slot)i, .ok = true,
            .child = {run->action, run->epoch, run->run_id, 4242, 7}};

        try_in(from, &event, from->now_ms); /* in time, late, or of a slot that is free */
        event.ok = false;
        try_in(from, &event, from->now_ms);
        end_a_run(from, (enum bw_guard_slot)i);
    }
}

static void pass_time(const struct place *from)
{
    static const uint64_t later_ms[] = {0, 100, 1000, TTL_MS - FENCE_MS, TTL_MS, 10 * TTL_MS};
    const struct bw_guard_event event = {.kind = BW_GUARD_EVENT_TICK};

    for (size_t i = 0; i < sizeof later_ms / sizeof later_ms[0]; i++)
        if (from->now_ms + later_ms[i] < 100000 + 40 * TTL_MS)
            try_in(from, &event, from->now_ms + later_ms[i]);
}

static void walk(const struct bw_guard_memory *memory, bool has_fence_script)
{
    struct bw_guard_limits with = limits;
    struct place begin = {.now_ms = 100000};

    with.has_script[BW_ACTION_REJOIN] = with.has_script[BW_ACTION_READINESS] = true;
    with.has_script[BW_ACTION_FENCE] = has_fence_script;
    with.has_script[BW_ACTION_REMOTE_FENCE] = true;
    memset(keys, 0, sizeof keys);
    place_count = place_done = 0;
    bw_guard_init(&begin.guard, "g", &with, memory, NULL, at_ms(begin.now_ms));
    begin.guard.mirror.script_begun = false; /* as once a look has seen what was started inside */
    keep(&begin);
    while (place_done < place_count) {
        const struct place from = places[place_done++];

        pass_time(&from);
        greet(&from);
        say_everything(&from);
        answer_everything(&from);
    }
    print_message("%u states%s\n", (unsigned)place_count,
                  place_count < STATES_MAX ? "" : ", which is the bound: others were not gone on from");
    state_count += place_count;
}

/* ---- the claims ---- */

#define WHY(name) (UINT64_C(1) << BW_REFUSAL_##name)

static void assert_refused_as_documented(void)
{
    const uint64_t arms = WHY(NO_HELLO) | WHY(BAD_TERMS) | WHY(OLD_EPOCH) | WHY(EPOCH_ENDING) |
                          WHY(WRONG_INSTANCE) | WHY(FENCING) | WHY(FENCE_WINDOW) |
                          WHY(END_NOT_LATER) | WHY(END_TOO_FAR) | WHY(BUSY) | WHY(NOT_DURABLE);
    const uint64_t ends = WHY(NO_HELLO) | WHY(OLD_EPOCH) | WHY(WRONG_INSTANCE) | WHY(FENCING) |
                          WHY(BUSY) | WHY(NOT_STOPPED) | WHY(NOT_DURABLE);
    const uint64_t runs = WHY(NO_HELLO) | WHY(NO_SCRIPT) | WHY(OLD_EPOCH) | WHY(WRONG_INSTANCE) |
                          WHY(FENCING) | WHY(BUSY) | WHY(EPOCH_ENDING) | WHY(NOT_ARMED) |
                          WHY(NOT_DURABLE) | WHY(NOT_INSIDE) | WHY(NOT_STOPPED);

    assert_int_equal(refused[BW_GUARD_MESSAGE_ARM_REFUSED] & ~arms, 0);
    assert_int_equal(refused[BW_GUARD_MESSAGE_END_REFUSED] & ~ends, 0);
    assert_int_equal(refused[BW_GUARD_MESSAGE_RUN_ENDED] & ~runs, 0);
}

static void everything_may_come_in_each_state(void **state)
{
    const struct bw_guard_memory fresh = {0};
    const struct bw_guard_memory enforced = {.epoch_seen = 1, .enforced = true,
                                             .instance = {{1}},
                                             .sight = {.seen = BW_REACH_INSIDE, .epoch = 1, .digest = 1}};

    (void)state;
    places = calloc(STATES_MAX, sizeof *places);
    assert_non_null(places);
    walk(&fresh, true);
    walk(&enforced, true);
    walk(&enforced, false);
    free(places);
    assert_refused_as_documented();
    assert_int_equal(fences_seen, (1u << (BW_FENCE_FAILED + 1)) - 1);
    assert_int_equal(stops_seen & ~(1u << BW_GUARD_STOP_AGAIN),
                     (1u << BW_GUARD_STOP_AGAIN) - 1); /* KILLING too: what a fresh look saw inside */
    assert_int_equal(wants_seen, (1u << (BW_GUARD_WANTS_STOP + 1)) - 1);
    assert_int_equal(slots_seen[BW_GUARD_SLOT_ACTION], (1u << BW_SLOT_STATE_COUNT) - 1);
    print_message("%u states, %lu steps\n", (unsigned)state_count, (unsigned long)step_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_may_come_in_each_state),
    };

    return cmocka_run_group_tests_name("guard_walk", tests, NULL, NULL);
}
