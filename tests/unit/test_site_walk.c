/* site: whatever may come, in each state. A walk in breadth, as test_guard_walk: of the states that are alike in
 * what the tables and the rules decide by (key_of) one is kept, and every order, every word of a guard, every
 * answer of the shell, a restart and the clock are tried in it. That a step leaves the machine sound it asserts
 * itself (bw_site_unsound); here, what must hold of each step, by what was said and not by what it remembers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../../src/core/site/states.h"
#include "site_right.h"
#include "walk.h"

#define STATES_MAX 1200 /* gone on from in one walk: five walks take a second or two */
#define EPOCHS     2 /* ... that are ever granted here */

static struct place *places;
static uint32_t place_count;
static uint32_t place_done;
static uint32_t keys[4 * STATES_MAX];
static uint32_t rows_taken[BW_SITE_TABLES];
static uint32_t given[BW_ORDER_LET_GO + 1]; /* in which tenures, in bits */
static uint64_t step_count;
static uint32_t state_count;

static const struct bw_terms terms = {.ttl_ms = TTL_MS,
                                      .fence_ms = FENCE_MS,
                                      .request_timeout_ms = 1000,
                                      .renew_interval_ms = 1000};

/* ---- what makes a state another one ---- */

static uint32_t key_of(const struct place *place)
{
    const struct bw_site *site = &place->site;
    const struct bw_instant now = at_ms(place->now_ms);
    uint32_t key = walk_mix(0, site->tenure);

#define MIX(TABLE, member, type, P) key = walk_mix(key, (uint64_t)site->member);
    BW_SITE_TABLE_LIST(MIX)
#undef MIX
    key = walk_mix(walk_mix(walk_mix(key, site->running), site->over), site->old_epoch != 0);
    key = walk_mix(walk_mix(key, (uint64_t)phase_of(now, site->lease.end)), site->memory.epoch);
    key = walk_mix(walk_mix(key, (uint64_t)phase_of(now, site->arm_sent_end)), site->end_open);
    key = walk_mix(key, site->memory.override != BW_OVERRIDE_NONE && site->guard.armed_serial != 0);
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

/* ---- what was said ---- */

static bool is_sight(const struct bw_site *before, const struct bw_guard_message *message)
{
    const struct bw_observation *status = &before->observation[BW_ACTION_STATUS];

    return message->kind == BW_GUARD_MESSAGE_RUN_ENDED && message->ended.action == BW_ACTION_STATUS &&
           status->running && message->ended.run_id == status->run_id &&
           message->ended.result == BW_RUN_OK && strcmp(message->ended.line, "started") == 0;
}

static void hear_message(struct seen *seen, const struct bw_site *before,
                         const struct bw_guard_message *message)
{
    const bool is_ours = message->epoch == before->memory.epoch && is_open(before);

    if (!bw_site_is_greeted(before))
        return; /* void */
    if (is_ours && (message->kind == BW_GUARD_MESSAGE_FENCE_BEGUN ||
                    message->kind == BW_GUARD_MESSAGE_FENCE_ENDED))
        seen->fence_begun = true;
    if (is_ours && message->kind == BW_GUARD_MESSAGE_FENCE_ENDED && message->fence.ok)
        seen->fence_ended = true;
    if (is_sight(before, message) || (message->kind == BW_GUARD_MESSAGE_END_REFUSED &&
                                      message->refused.why == BW_REFUSAL_NOT_STOPPED))
        seen->fence_ended = seen->own_ended = seen->own_is_clean = false;
}

static void hear(struct seen *seen, const struct bw_site *before, const struct bw_site_event *event)
{
    const struct bw_guard_state *state = event->state;

    switch (event->kind) {
    case BW_SITE_EVENT_GUARD_STATE:
        seen->fence_ended = false;
        if (state->armed_epoch == before->memory.epoch && state->fence_begun &&
            bw_id_equal(state->armed_instance, instance_a)) {
            seen->fence_begun = true;
            seen->fence_ended = state->fence_ended && state->fence_ok;
        }
        break;
    case BW_SITE_EVENT_GUARD_MESSAGE:
        hear_message(seen, before, event->message);
        break;
    case BW_SITE_EVENT_OWN_FENCE_ENDED:
        if (event->ok && seen->own_is_clean && event->epoch == before->memory.epoch)
            seen->own_ended = true;
        seen->own_runs = false;
        break;
    default:
        break;
    }
}

static void take_actions(struct place *to, const struct bw_site *before,
                         const struct bw_site_actions *out)
{
    bool saves = false;

    for (uint32_t i = 0; i < out->count; i++) {
        const struct bw_site_action *action = &out->list[i];

        saves = saves || action->kind == BW_SITE_ACTION_SAVE;
        if (action->kind == BW_SITE_ACTION_SEND)
            assert_sent_in_right(to, &action->message);
        if (action->kind != BW_SITE_ACTION_OWN_FENCE)
            continue;
        assert_false(to->seen.own_runs); /* one at a time */
        assert_true(action->epoch != 0 && (action->epoch >= to->site.memory.epoch || /* H10 */
                                           action->epoch == to->site.override_fence_epoch)); /* 3.8 */
        to->seen.own_runs = to->seen.own_is_clean = true;
        if (action->epoch == to->site.memory.epoch)
            to->seen.fence_begun = true;
    }
    if (!saves)
        assert_true(is_same_memory_here(&before->memory, &to->site.memory)); /* 3.4 */
}

static void note_place(const struct place *to)
{
    for (size_t i = 0; i < BW_SITE_TABLES; i++)
        rows_taken[i] |= to->site.rows_taken[i];
    keep(to);
}

/* What a claim that fails was tried in. */
static void tell_step(const struct place *from, const struct bw_site_event *event)
{
    const struct bw_site *site = &from->site;

    print_message("in: epoch %lu %s", (unsigned long)site->memory.epoch, bw_tenure_word(site->tenure));
#define TELL(TABLE, member, type, P) print_message(" " #member " %d", (int)site->member);
    BW_SITE_TABLE_LIST(TELL)
#undef TELL
    print_message("; said begun %d ended %d own %d %d %d;", from->seen.fence_begun, from->seen.fence_ended,
                  from->seen.own_runs, from->seen.own_is_clean, from->seen.own_ended);
    print_message(" given_back %d begun %d adopt %d enforced %d over %d; event %d",
                  site->memory.given_back, site->memory.start_begun, site->memory.adopt,
                  site->memory.enforced, site->over, (int)event->kind);
    if (event->kind == BW_SITE_EVENT_GUARD_MESSAGE)
        print_message(" message %d of %lu", (int)event->message->kind,
                      (unsigned long)event->message->epoch);
    if (event->kind == BW_SITE_EVENT_GUARD_STATE)
        print_message(" state armed %lu ended %lu fence %d%d%d", (unsigned long)event->state->armed_epoch,
                      (unsigned long)event->state->ended_epoch, event->state->fence_begun,
                      event->state->fence_ended, event->state->fence_ok);
    print_message("\n");
}

static const struct place *tried_in;
static const struct bw_site_event *tried;

static void try_in(const struct place *from, const struct bw_site_event *event, uint64_t now_ms)
{
    static struct bw_site_actions out;
    static struct place to;

    tried_in = from;
    tried = event;
    to.site = from->site;
    to.seen = from->seen;
    to.now_ms = now_ms;
    step_count++;
    bw_site_step(&to.site, event, at_ms(now_ms), &out);
    hear(&to.seen, &from->site, event);
    assert_only_grows(&from->site.memory, &to.site.memory);
    assert_kept_in_right(&from->site, &to.site, event);
    assert_lease_in_right(&from->site, &to.site, event);
    assert_ends_in_right(&from->site, &to.site, event);
    assert_overrides_in_right(&from->site, &to.site, event, now_ms);
    assert_obeys(&to.site, event);
    assert_given_back_in_right(&from->site, &to, event);
    if (to.site.memory.epoch != from->site.memory.epoch)
        to.seen = (struct seen){.own_runs = to.seen.own_runs};
    take_actions(&to, &from->site, &out);
    assert_fences_in_time(&to);
    assert_seen_in_right(&to);
    note_place(&to);
}

/* ---- everything that may come ---- */

static void give(const struct place *from, const struct bw_order *order)
{
    given[order->kind] |= 1u << from->site.tenure;
    try_in(from, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = order}, from->now_ms);
}

static void give_orders(const struct place *from)
{
    const uint64_t epoch = from->site.memory.epoch;
    const uint64_t index = 1 + (from->site.order.index > from->site.memory.order_index
                                    ? from->site.order.index
                                    : from->site.memory.order_index);

    for (int kind = BW_ORDER_NONE; kind <= BW_ORDER_LET_GO; kind++)
        for (uint64_t of = epoch > 0 ? epoch - 1 : 1; of <= epoch + 1 && of <= EPOCHS; of++) {
            struct bw_order order = {.kind = (enum bw_order_kind)kind, .index = index, .epoch = of,
                                     .instance = instance_a, .restart_allowed = true,
                                     .spec_version = 1, .terms = terms,
                                     .reason = BW_REASON_SWITCHOVER, .others_epoch = true};

            give(from, &order);
            order.instance = instance_b;
            order.let_go_index = index;
            order.let_go_epoch = of;
            give(from, &order);
            order.instance = instance_a;
            order.closed = order.prepare = order.adopt = true;
            order.held_index = 7;
            give(from, &order);
            order.index = 0; /* overtaken */
            give(from, &order);
        }
}

static void say(const struct place *from, const struct bw_guard_message *message)
{
    const struct bw_site_event event = {.kind = BW_SITE_EVENT_GUARD_MESSAGE, .message = message};

    try_in(from, &event, from->now_ms);
}

static void refuse(const struct place *from, enum bw_guard_message_kind kind, uint64_t epoch)
{
    static const enum bw_refusal why[] = {BW_REFUSAL_NOT_STOPPED, BW_REFUSAL_NOT_DURABLE,
                                          BW_REFUSAL_OLD_EPOCH, BW_REFUSAL_EPOCH_ENDING,
                                          BW_REFUSAL_BUSY};

    for (size_t i = 0; i < sizeof why / sizeof why[0]; i++)
        say(from, &(struct bw_guard_message){.kind = kind, .epoch = epoch, .refused.why = why[i]});
}

static void say_of_epoch(const struct place *from, uint64_t epoch)
{
    struct bw_guard_message of = {.epoch = epoch};

    of.kind = BW_GUARD_MESSAGE_ARMED;
    of.armed.end = from->site.arm_sent_end;
    say(from, &of);
    refuse(from, BW_GUARD_MESSAGE_ARM_REFUSED, epoch);
    refuse(from, BW_GUARD_MESSAGE_END_REFUSED, epoch);
    say(from, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = epoch,
                                         .epoch_ended.served = BW_SERVED_NEVER});
    say(from, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = epoch});
    for (int ok = 0; ok < 2; ok++)
        say(from, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = epoch,
                                             .fence = {.ok = ok != 0, .duration_ms = 10}});
    say(from, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_RUN_BEGUN, .epoch = epoch,
                                         .begun = {.action = BW_ACTION_STOP}});
    say(from, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_RUN_BEGUN, .epoch = epoch,
                                         .begun = {.run_id = 1, .action = BW_ACTION_START}});
}

/* Of what runs, and of what never did. */
static void end_runs(const struct place *from)
{
    static const char *const lines[] = {"stopped", "started", "?", "position=4"};
    const struct bw_site *site = &from->site;

    for (int action = BW_ACTION_START; action < BW_ACTION_COUNT; action++) {
        const bool is_action = bw_action_is_action((enum bw_action_kind)action);
        const bool is_remote = action == BW_ACTION_REMOTE_FENCE;
        const uint64_t epoch = is_remote ? site->remote_fence.ask.epoch : site->memory.epoch;
        const uint64_t run_id = is_remote   ? site->remote_fence.run_id
                                : is_action ? site->running_run_id
                                            : site->observation[action].run_id;
        struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .epoch = epoch};

        if (!is_action && !site->observation[action].running)
            continue;
        for (int result = 0; result <= BW_RUN_REFUSED; result++)
            for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
                if (i > 0 && (is_action || result != BW_RUN_OK))
                    break;
                of.ended = (struct bw_guard_run_ended){
                    .epoch = epoch, .action = (enum bw_action_kind)action,
                    .run_id = run_id, .result = (enum bw_run_result)result};
                of.ended.refusal = result == BW_RUN_REFUSED ? BW_REFUSAL_OLD_EPOCH : BW_REFUSAL_NONE;
                of.ended.exit_status = result == BW_RUN_FAILED ? 1 : 0;
                (void)snprintf(of.ended.line, sizeof of.ended.line, "%s", lines[i]);
                (void)snprintf(of.ended.tail, sizeof of.ended.tail, "%s", lines[i]);
                say(from, &of);
                of.ended.exit_status = BW_START_EXIT_NOTHING_CHANGED;
                if (result == BW_RUN_FAILED)
                    say(from, &of);
                of.ended.run_id = 0; /* the guard's own */
                if (is_action)
                    say(from, &of);
            }
    }
}

static void say_everything(const struct place *from)
{
    const uint64_t epoch = from->site.memory.epoch;

    for (uint64_t of = epoch; of <= epoch + 1; of++)
        say_of_epoch(from, of);
    if (from->site.memory.let_go_index < 3)
        say(from, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_LET_GO_DONE,
                                             .let_go_index = from->site.memory.let_go_index + 1});
    for (int kind = 0; kind <= BW_GUARD_MESSAGE_WELCOME_DONE; kind++)
        say(from, &(struct bw_guard_message){.kind = (enum bw_guard_message_kind)kind, .epoch = epoch});
    end_runs(from);
}

static void greet_with(const struct place *from, const struct bw_guard_state *state)
{
    const struct bw_site_event event = {.kind = BW_SITE_EVENT_GUARD_STATE, .state = state};

    try_in(from, &event, from->now_ms);
}

static void greet(const struct place *from)
{
    const uint64_t epoch = from->site.memory.epoch;
    struct bw_guard_state of = {.reach = BW_REACH_CGROUP,
                                .reach_works = true,
                                .epoch_seen = epoch,
                                .remote_fence_ms = 1000};
    const struct bw_site_event lost = {.kind = BW_SITE_EVENT_GUARD_LOST};

    memset(of.has_script, true, sizeof of.has_script);
    try_in(from, &lost, from->now_ms);
    greet_with(from, &of);
    of.enforced = true;
    of.start_epoch = epoch;
    greet_with(from, &of);
    of.ended_epoch = epoch;
    greet_with(from, &of);
    of.armed_serial = 1;
    greet_with(from, &of);
    of.armed_serial = 0;
    of.ended_epoch = 0;
    of.armed_epoch = epoch + 1; /* by another instance of this site */
    of.armed_instance = instance_b;
    of.armed_end = at_ms(from->now_ms + TTL_MS);
    greet_with(from, &of);
    of.armed_epoch = epoch;
    of.armed_instance = instance_a;
    of.armed_end = from->site.arm_sent_end.boot_ns != 0 ? from->site.arm_sent_end : of.armed_end;
    greet_with(from, &of);
    of.arm_pending = true;
    greet_with(from, &of);
    of.arm_pending = false;
    of.running = BW_ACTION_STOP;
    greet_with(from, &of);
    of.fence_begun = true;
    of.running = BW_ACTION_NONE;
    greet_with(from, &of);
    of.fence_ended = true;
    greet_with(from, &of);
    of.fence_ok = true;
    greet_with(from, &of);
}

static void answer_everything(const struct place *from)
{
    const struct bw_site *site = &from->site;

    for (int ok = 0; ok < 2; ok++) {
        struct bw_site_event event = {.kind = BW_SITE_EVENT_SAVED, .ok = ok != 0};

        event.number = site->save_number;
        try_in(from, &event, from->now_ms);
        event.number = site->save_number - 1; /* of an older one */
        try_in(from, &event, from->now_ms);
        event.kind = BW_SITE_EVENT_OWN_FENCE_ENDED;
        for (event.epoch = 0; from->seen.own_runs && event.epoch <= site->memory.epoch + 1;
             event.epoch++)
            try_in(from, &event, from->now_ms);
        event.kind = BW_SITE_EVENT_MIRROR_READ;
        event.mirror_epoch = site->memory.epoch;
        event.mirror_end = at_ms(from->now_ms + TTL_MS);
        event.mirror_fence_ns = FENCE_MS * MS;
        try_in(from, &event, from->now_ms);
    }
    try_in(from, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ,
                                         .mirror_is_anothers = true,
                                         .mirror_epoch = site->memory.epoch + 1,
                                         .mirror_fence_ns = FENCE_MS * MS,
                                         .mirror_end = at_ms(from->now_ms + FENCE_MS)},
           from->now_ms);
}

static void confirm_everything(const struct place *from)
{
    static const uint64_t sent_before_ms[] = {0, 1000, TTL_MS};
    const uint64_t epoch = from->site.memory.epoch;

    for (uint64_t of = epoch; of <= epoch + 1; of++) {
        for (size_t i = 0; i < sizeof sent_before_ms / sizeof sent_before_ms[0]; i++)
            try_in(from, &(struct bw_site_event){.kind = BW_SITE_EVENT_CONFIRMED, .epoch = of,
                                                 .number = from->now_ms,
                                                 .sent = at_ms(from->now_ms - sent_before_ms[i])},
                   from->now_ms);
        try_in(from, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = of},
               from->now_ms);
    }
}

/* Of its own epoch, of another site's, and late. */
static void ask_for_remote_fences(const struct place *from)
{
    for (uint64_t number = 1; number <= 2; number++) {
        const struct bw_remote_fence_ask ask = {
            .epoch = from->site.order.epoch, .term = 1, .number = number, .site = "dc-a"};

        try_in(from, &(struct bw_site_event){.kind = BW_SITE_EVENT_REMOTE_FENCE, .ask = &ask},
               from->now_ms);
    }
}

/* A person, and what speaks against him. */
static void override(const struct place *from)
{
    const struct bw_override_wish wish = {.wait_ms = TTL_MS, .for_ms = 5 * TTL_MS, .unix_ms = 1};

    if (from->site.memory.epoch == EPOCHS) /* so that the states stay few enough */
        return;
    try_in(from, &(struct bw_site_event){.kind = BW_SITE_EVENT_OVERRIDE, .wish = &wish},
           from->now_ms);
    try_in(from, &(struct bw_site_event){.kind = BW_SITE_EVENT_OVERRIDE_END}, from->now_ms);
    try_in(from, &(struct bw_site_event){.kind = BW_SITE_EVENT_OVERRIDE_LATE}, from->now_ms);
    if (from->site.memory.override != BW_OVERRIDE_NONE)
        try_in(from, &(struct bw_site_event){.kind = BW_SITE_EVENT_LEADER_ANSWERED}, from->now_ms);
    try_in(from,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ, .mirror_overrides = true},
           from->now_ms);
}

static void pass_time(const struct place *from)
{
    static const uint64_t later_ms[] = {0, 100, 1000, TTL_MS - FENCE_MS, TTL_MS, 6 * TTL_MS};
    const struct bw_site_event event = {.kind = BW_SITE_EVENT_TICK};
    static struct place lived; /* it has looked at its clock all the time; `from` stood still */

    for (size_t i = 0; i < sizeof later_ms / sizeof later_ms[0]; i++) {
        if (from->now_ms + later_ms[i] >= 100000 + 40 * TTL_MS)
            continue;
        try_in(from, &event, from->now_ms + later_ms[i]);
        lived = *from;
        lived.site.override_stepped = at_ms(from->now_ms + later_ms[i]);
        try_in(&lived, &event, from->now_ms + later_ms[i]);
    }
}

static void begin_here(struct place *place, const struct bw_site_memory *memory, uint64_t now_ms)
{
    struct bw_site_limits with = limits;

    with.failure_threshold = 1;
    with.has_script[BW_ACTION_REJOIN] = true;
    with.has_script[BW_ACTION_REMOTE_FENCE] = true;
    memset(place, 0, sizeof *place);
    place->now_ms = now_ms;
    bw_site_init(&place->site, "g", instance_a, this_boot, &with, memory, at_ms(now_ms));
}

/* With what was durable then. */
static void restart(const struct place *from)
{
    static struct place to;

    begin_here(&to, &from->site.kept, from->now_ms);
    note_place(&to);
}

static void walk(const struct place *begin)
{
    static struct place from;

    memset(keys, 0, sizeof keys);
    place_count = place_done = 0;
    note_place(begin);
    while (place_done < place_count) {
        from = places[place_done++];
        pass_time(&from);
        give_orders(&from);
        greet(&from);
        say_everything(&from);
        answer_everything(&from);
        confirm_everything(&from);
        ask_for_remote_fences(&from);
        override(&from);
        restart(&from);
    }
    print_message("%u states%s\n", (unsigned)place_count,
                  place_count < STATES_MAX ? "" : ", which is the bound: others were not gone on from");
    state_count += place_count;
}

/* ---- the claims ---- */

#define WORDS_OF_ROW(P, from, event, to, why) #P ": " #event " -> " #to ", " why,
#define WORDS_OF_TABLE(TABLE, member, type, P)                                                    \
    static const char *const member##_words[] = {BW_SITE_##TABLE##_ROWS(WORDS_OF_ROW, P)};
BW_SITE_TABLE_LIST(WORDS_OF_TABLE)

static uint32_t count_missing(const char *const *words, size_t count, uint32_t taken)
{
    uint32_t missing = 0;

    for (size_t i = 0; i < count; i++)
        if ((taken >> i & 1) == 0) {
            print_message("never taken: %s\n", words[i]);
            missing++;
        }
    return missing;
}

static void assert_all_rows_taken(void)
{
    uint32_t rows = 0;
    uint32_t missing = 0;

#define COUNT_MISSING(TABLE, member, type, P)                                                     \
    rows += sizeof member##_words / sizeof member##_words[0];                                     \
    missing += count_missing(member##_words, sizeof member##_words / sizeof member##_words[0],    \
                             rows_taken[BW_SITE_TABLE_##TABLE]);
    BW_SITE_TABLE_LIST(COUNT_MISSING)
#undef COUNT_MISSING
    print_message("%u of %u rows taken\n", (unsigned)(rows - missing), (unsigned)rows);
    assert_int_equal(missing, 0);
}

static int tell_where(void **state)
{
    (void)state;
    if (tried != NULL)
        tell_step(tried_in, tried);
    return 0;
}

/* Standing by after its own epoch 1: a person lets it serve. */
static void begin_asked(struct world *world)
{
    const struct bw_override_wish wish = {.wait_ms = TTL_MS, .for_ms = 5 * TTL_MS, .unix_ms = 1};

    begin(world);
    world->site.memory.enforced = true;
    world->site.memory.epoch = 1;
    world->site.memory.given_back = true;
    world->site.lease.epoch = 1;
    world->site.kept = world->site.saving = world->site.memory;
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OVERRIDE, .wish = &wish});
    assert_int_equal(world->site.kept.override, BW_OVERRIDE_WAITING);
}

/* ... and its start was ordered. */
static void begin_started(struct world *world)
{
    begin_asked(world);
    for (int i = 0; i < 20 && world->site.kept.override == BW_OVERRIDE_WAITING; i++)
        status(world, "stopped");
    from_guard(world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_ARMED,
                                                 .epoch = world->site.memory.override_epoch});
    assert_int_equal(world->sent_run.run.action, BW_ACTION_START);
}

/* Standing by where another site holds epoch 1, which a leader asks it to fence. */
static void begin_fencing_another(struct world *world)
{
    const struct bw_order order = {.kind = BW_ORDER_STAND_BY, .index = 1, .epoch = 1,
                                   .spec_version = 1, .terms = terms,
                                   .others_epoch = true, .newest_is_open = true};
    const struct bw_remote_fence_ask ask = {.epoch = 1, .term = 1, .number = 1, .site = "dc-a"};

    begin(world);
    world->site.limits.has_script[BW_ACTION_REMOTE_FENCE] = true;
    guard_state(world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP,
                                                .reach_works = true,
                                                .remote_fence_ms = 1000});
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &order});
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_REMOTE_FENCE, .ask = &ask});
    assert_int_equal(world->site.remote_fenced, BW_REMOTE_FENCE_RUNNING);
}

static void walk_on(const struct world *world, const struct bw_site_limits *with)
{
    static struct place begin_at;

    begin_at = (struct place){.site = world->site, .now_ms = world->now_ms};
    begin_at.site.limits = *with;
    walk(&begin_at);
}

static void everything_may_come_in_each_state(void **state)
{
    static struct place begin_at;
    static struct world world;
    struct bw_site_memory memories[] = {{0}, held, held, held, held};

    (void)state;
    memories[2].boot_id = last_boot;
    memories[3].given_back = true;
    memories[4].given_back = true;
    memories[4].override = BW_OVERRIDE_OVERRIDING;
    memories[4].override_wait_ms = TTL_MS;
    memories[4].override_serial = 1;
    memories[4].override_epoch = 1;
    memories[4].override_boot_id = this_boot;
    memories[4].override_end = at_ms(BEGIN_MS + 5 * TTL_MS);
    memories[4].override_fence_ms = FENCE_MS;
    places = calloc(STATES_MAX, sizeof *places);
    assert_non_null(places);
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++) {
        begin_here(&begin_at, &memories[i], 100000);
        walk(&begin_at);
    }
    begin_serving(&world);
    walk_on(&world, &begin_at.site.limits);
    begin_asked(&world); /* 3.8 */
    walk_on(&world, &begin_at.site.limits);
    begin_started(&world);
    walk_on(&world, &begin_at.site.limits);
    begin_fencing_another(&world); /* 3.3 */
    walk_on(&world, &begin_at.site.limits);
    free(places);
    tried = NULL;
    print_message("%u states, %lu steps\n", (unsigned)state_count, (unsigned long)step_count);
    assert_in_range(state_count, 5000, UINT32_MAX);
    assert_all_rows_taken();
    for (int kind = BW_ORDER_NONE; kind <= BW_ORDER_LET_GO; kind++)
        assert_int_equal(given[kind], (1u << (BW_TENURE_STUCK + 1)) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(everything_may_come_in_each_state, tell_where),
    };

    return cmocka_run_group_tests_name("site_walk", tests, NULL, NULL);
}
