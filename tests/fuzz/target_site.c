/* The agent's machine: orders as witnesses send them, the guard's messages, results of its own
 * shell, time. Records: 1 a SyncAnswer's message, whose orders are given; 2 a guard's message; 3
 * milliseconds; 4 the newest renewal is confirmed; 5 the next save fails; 6 the guard greets (its
 * message: 2 of kind GROUP_STATE), or with 0 is lost; 7 a mirror was read; 8 the own fence ended; 9
 * the next order or message names our epoch plus this; 10 the newest run that we ordered ends, with
 * this result and word; 11 arm is answered. */
#include <stdlib.h>
#include <string.h>

#include <breakwater/core/site.h>
#include <breakwater/wire/guard_message.h>
#include <breakwater/wire/state.h>
#include <breakwater/wire/sync.h>

#include "fuzz.h"

#define STEPS_MAX 400

static struct {
    struct bw_site site;
    struct bw_site_actions actions;
    uint64_t now_ms;
    unsigned steps;
    bool fails_next;
    bool names_epoch;
    uint64_t epoch_plus;
    struct bw_guard_message arm; /* the newest that was sent */
    struct bw_guard_message run;
    struct bw_instant sent; /* of the newest renewal */
    uint64_t number;
    uint64_t saved_epoch;
} world;

static const struct bw_id instance = {{2}};

static struct bw_instant now(void)
{
    return fuzz_instant_ms(world.now_ms);
}

/* Whatever it says can be said. */
static void check_message(const struct bw_guard_message *message)
{
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size;

    FUZZ_CHECK(bw_guard_message_encode(message, bytes, sizeof bytes, &size, &diag) == BW_OK);
    FUZZ_CHECK(message->kind <= BW_GUARD_MESSAGE_LET_GO);
}

/* 3.2, 3.4, 3.5: what must hold after each step. */
static void check_site(const struct bw_site_memory *before)
{
    const struct bw_site *site = &world.site;

    FUZZ_CHECK(world.actions.count <= BW_SITE_ACTIONS_MAX);
    FUZZ_CHECK(site->memory.epoch >= before->epoch);
    FUZZ_CHECK(site->memory.let_go_index >= before->let_go_index);
    FUZZ_CHECK(site->memory.epoch > before->epoch || !before->given_back ||
               site->memory.given_back);
    FUZZ_CHECK(site->tenure <= BW_TENURE_STUCK && bw_tenure_word(site->tenure)[0] != '\0');
    if ((site->tenure != BW_TENURE_STARTING && site->tenure != BW_TENURE_SERVING) || site->over ||
        !bw_lease_is_alive(&site->lease, now()) || bw_lease_in_fence_window(&site->lease, now()))
        return; /* may not serve */
    FUZZ_CHECK(site->lease.epoch == site->memory.epoch && !site->memory.given_back);
    FUZZ_CHECK(!bw_instant_right_is_over(now(), site->lease.end));
    FUZZ_CHECK(bw_site_is_greeted(site) || site->arm_sent_end.boot_ns != 0);
}

static void check_sync(void)
{
    static uint8_t bytes[16 * 1024];
    struct bw_sync_group group;
    struct bw_sync sync = {.site = "dc-a", .agent = "agent-1", .instance = instance,
                           .session = {{3}}, .boot_id = {{4}}, .number = 1, .group_count = 1, .groups = &group};
    struct bw_diag diag = {0};
    size_t size;

    bw_site_sync_get(&world.site, now(), &group);
    FUZZ_CHECK(bw_sync_encode(&sync, bytes, sizeof bytes, &size, &diag) == BW_OK);
    FUZZ_CHECK(group.renew_epoch == 0 ||
               (group.renew_epoch == world.site.memory.epoch && !world.site.memory.given_back));
    FUZZ_CHECK(group.renew_epoch == 0 || group.released.epoch != group.renew_epoch);
    FUZZ_CHECK(group.renew_epoch == 0 || world.site.memory.epoch == world.saved_epoch);
    if (group.renew_epoch != 0) {
        world.sent = now();
        world.number++;
    }
}

static bool step(const struct bw_site_event *event)
{
    const struct bw_site_memory before = world.site.memory;
    bool saves = false;

    if (world.steps++ >= STEPS_MAX)
        return false;
    bw_site_step(&world.site, event, now(), &world.actions);
    check_site(&before);
    for (uint32_t i = 0; i < world.actions.count; i++) {
        const struct bw_site_action *action = &world.actions.list[i];

        saves = saves || action->kind == BW_SITE_ACTION_SAVE;
        if (action->kind != BW_SITE_ACTION_SEND)
            continue;
        check_message(&action->message);
        if (action->message.kind == BW_GUARD_MESSAGE_ARM)
            world.arm = action->message;
        if (action->message.kind == BW_GUARD_MESSAGE_RUN)
            world.run = action->message;
    }
    return saves;
}

static void settle(const struct bw_site_event *event)
{
    while (step(event)) {
        static struct bw_site_event saved;

        saved = (struct bw_site_event){.kind = BW_SITE_EVENT_SAVED, .ok = !world.fails_next};
        if (saved.ok)
            world.saved_epoch = world.site.memory.epoch;
        world.fails_next = false;
        event = &saved;
    }
    if (world.steps < STEPS_MAX)
        check_sync();
}

static uint64_t named_epoch(uint64_t epoch)
{
    const uint64_t named = world.names_epoch ? world.site.memory.epoch + world.epoch_plus : epoch;

    world.names_epoch = false;
    return named;
}

static void give_orders(const struct fuzz_record *record)
{
    struct bw_sync_answer answer;
    struct bw_diag diag = {0};

    if (bw_sync_answer_decode(record->data, record->size, &answer, &diag) != BW_OK)
        return;
    for (uint32_t i = 0; i < answer.group_count; i++) {
        struct bw_site_event event = {.kind = BW_SITE_EVENT_ORDER,
                                      .order = &answer.groups[i].order};

        if (answer.groups[i].order.kind == BW_ORDER_NONE)
            continue;
        if (world.names_epoch) {
            answer.groups[i].order.instance = instance;
            answer.groups[i].order.index = world.site.order.index + 1;
        }
        answer.groups[i].order.epoch = named_epoch(answer.groups[i].order.epoch);
        settle(&event);
        event = (struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES,
                                       .epoch = answer.groups[i].other_serves_epoch};
        if (event.epoch != 0)
            settle(&event);
    }
    bw_sync_answer_deinit(&answer);
}

static void hear_guard(const struct fuzz_record *record)
{
    struct bw_guard_message message;
    struct bw_site_event event = {.kind = BW_SITE_EVENT_GUARD_MESSAGE, .message = &message};
    struct bw_diag diag = {0};

    if (bw_guard_message_decode(record->data, record->size, &message, &diag) != BW_OK ||
        message.kind < BW_GUARD_MESSAGE_GROUP_STATE || message.kind == BW_GUARD_MESSAGE_WELCOME_DONE ||
        message.kind == BW_GUARD_MESSAGE_HELLO_REFUSED)
        return; /* its shell's business */
    message.epoch = named_epoch(message.epoch);
    if (message.kind == BW_GUARD_MESSAGE_GROUP_STATE) {
        event.kind = BW_SITE_EVENT_GUARD_STATE;
        event.state = &message.state;
    }
    settle(&event);
}

static void end_run(uint64_t value)
{
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_RUN_ENDED,
                                       .group = "harbor",
                                       .epoch = world.run.run.epoch};
    const struct bw_site_event event = {.kind = BW_SITE_EVENT_GUARD_MESSAGE, .message = &message};

    if (world.run.run.run_id == 0)
        return;
    message.ended = (struct bw_guard_run_ended){.epoch = world.run.run.epoch,
                                                .action = world.run.run.action,
                                                .run_id = world.run.run.run_id,
                                                .result = value % (BW_RUN_REFUSED + 1)};
    if (message.ended.result == BW_RUN_REFUSED)
        message.ended.refusal = 1 + (value >> 4) % BW_REFUSAL_BAD_TERMS;
    (void)strcpy(message.ended.line, (value >> 3) % 2 == 0 ? "stopped" : "started");
    settle(&event);
}

static void answer_arm(uint64_t value)
{
    struct bw_guard_message message = {.group = "harbor", .epoch = world.arm.arm.epoch};
    const struct bw_site_event event = {.kind = BW_SITE_EVENT_GUARD_MESSAGE, .message = &message};

    if (world.arm.arm.epoch == 0)
        return;
    message.kind = value % 4 == 3 ? BW_GUARD_MESSAGE_ARM_REFUSED : BW_GUARD_MESSAGE_ARMED;
    if (message.kind == BW_GUARD_MESSAGE_ARMED) {
        message.armed.number = world.arm.arm.number;
        message.armed.end = world.arm.arm.end;
    } else {
        message.refused.number = world.arm.arm.number;
        message.refused.why = 1 + (value >> 2) % BW_REFUSAL_BAD_TERMS;
    }
    settle(&event);
}

static void take(const struct fuzz_record *record)
{
    struct bw_site_event event = {.kind = BW_SITE_EVENT_TICK, .ok = (record->value & 1) != 0};

    if (record->number <= 2 && record->data == NULL)
        return;
    switch (record->number) {
    case 1:
        give_orders(record);
        return;
    case 2:
        hear_guard(record);
        return;
    case 3:
        world.now_ms += record->value % 5000;
        break;
    case 4:
        if (world.number == 0)
            return;
        event.kind = BW_SITE_EVENT_CONFIRMED;
        event.epoch = named_epoch(world.site.memory.epoch);
        event.number = world.number;
        event.sent = world.sent;
        break;
    case 5:
        world.fails_next = true;
        return;
    case 6:
        if (record->value != 0)
            return;
        event.kind = BW_SITE_EVENT_GUARD_LOST;
        break;
    case 7:
        event.kind = BW_SITE_EVENT_MIRROR_READ;
        event.mirror_epoch = named_epoch(record->value);
        event.mirror_end = fuzz_instant_ms(world.now_ms + record->value % 10000);
        event.mirror_fence_ns = BW_NS_PER_S;
        break;
    case 8:
        event.kind = BW_SITE_EVENT_OWN_FENCE_ENDED;
        event.epoch = named_epoch(world.site.memory.epoch);
        break;
    case 9:
        world.names_epoch = true;
        world.epoch_plus = record->value % 3;
        return;
    case 10:
        end_run(record->value);
        return;
    case 11:
        answer_arm(record->value);
        return;
    default:
        return;
    }
    settle(&event);
}

static void open_site(uint8_t how)
{
    struct bw_site_limits limits = {
        .check_interval_ns = BW_NS_PER_S, .failure_threshold = 2, .local_restarts = 1};
    const struct bw_site_memory memory = {.enforced = (how & 1) != 0};

    for (int i = 1; i < BW_ACTION_COUNT; i++) {
        limits.has_script[i] = true;
        limits.timeout_ns[i] = BW_NS_PER_S;
    }
    memset(&world, 0, sizeof world);
    world.now_ms = 100000;
    bw_site_init(&world.site, "harbor", instance, (struct bw_id){{4}}, &limits, &memory, now());
}

static void check_kept(void)
{
    static uint8_t bytes[BW_AGENT_STATE_BYTES_MAX];
    struct bw_agent_group group = {.name = "harbor", .memory = world.site.memory};
    const struct bw_agent_state state = {.site = "dc-a", .instance = instance, .group_count = 1,
                                         .groups = &group};
    struct bw_diag diag = {0};
    size_t size;

    FUZZ_CHECK(bw_agent_state_encode(&state, bytes, sizeof bytes, &size, &diag) == BW_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_records records = {data + 1, size - 1};
    struct fuzz_record record;

    if (size == 0)
        return 0;
    open_site(data[0]);
    while (world.steps < STEPS_MAX && fuzz_record_next(&records, &record))
        take(&record);
    check_kept();
    return 0;
}
