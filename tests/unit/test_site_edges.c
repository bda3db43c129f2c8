/* site: what one event changes at the edge of what it is about, and what it leaves as it was
 * (design 3.2 to 3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

#define RETRY_MS           200
#define RESTARTS_FORGOTTEN 60
#define SLOW_FENCE_MS      60000
#define SLOW_FENCE_MS_MAX  (SLOW_FENCE_MS << 6) /* about an hour */

static void own_fence_ended(struct world *world, bool ok)
{
    happen(world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = ok});
}

/* One step at an instant of which the two clocks say something else; whether it asks for a run of
 * `action`. */
static bool asks_at(struct world *world, const struct bw_site_event *event, uint64_t boot_ms,
                    uint64_t raw_ms, enum bw_action_kind action)
{
    struct bw_site_actions out;

    bw_site_step(&world->site, event, (struct bw_instant){boot_ms * MS, raw_ms * MS}, &out);
    for (uint32_t i = 0; i < out.count; i++)
        if (out.list[i].kind == BW_SITE_ACTION_SEND &&
            out.list[i].message.kind == BW_GUARD_MESSAGE_RUN &&
            out.list[i].message.run.action == action)
            return true;
    return false;
}

/* ---- its starts ------------------------------------------------------------------------------ */

/* 4: what an earlier epoch came to says nothing of the starts of this one. */
static void the_first_start_of_an_epoch_was_not_seen_to_serve_yet(void **state)
{
    struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_RUN_BEGUN, .epoch = 1};
    struct world world;

    (void)state;
    begin_leased(&world);
    begun.begun.action = BW_ACTION_START;
    begun.begun.run_id = world.sent_run.run.run_id;
    world.site.guard.served = BW_SERVED_MAYBE;
    from_guard(&world, &begun);
    assert_int_equal(world.site.guard.served, BW_SERVED_NOT_SEEN);

    world.site.guard.served = BW_SERVED_MAYBE; /* of the first of two */
    from_guard(&world, &begun);
    assert_int_equal(world.site.guard.served, BW_SERVED_MAYBE);
}

/* 4: whatever status says of it, and whatever a later one of the epoch comes to: its guard may be lost before it says
 * what that was. */
static void a_start_that_ended_well_may_have_served(void **state)
{
    const struct {
        enum bw_run_result result;
        enum bw_served served;
    } cases[] = {{BW_RUN_OK, BW_SERVED_MAYBE},
                 {BW_RUN_INTERRUPTED, BW_SERVED_MAYBE},
                 {BW_RUN_KILLED, BW_SERVED_NOT_SEEN}};
    struct world world;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin_leased(&world);
        world.site.guard.served = BW_SERVED_NOT_SEEN;
        ended(&world, &world.sent_run, cases[i].result, "");
        assert_int_equal(world.site.guard.served, cases[i].served);
    }
}

/* 4: as long as its script may take, by the slower clock (design 1). */
static void a_start_that_never_says_started_wakes_it_when_its_time_is_over(void **state)
{
    struct bw_instant limit;
    struct world world;

    (void)state;
    begin_leased(&world);
    limit = bw_instant_add(at_ms(world.now_ms), limits.timeout_ns[BW_ACTION_START]);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    leave_look_open(&world);
    assert_wakes_at(&world, limit);

    raw_slow_permille = 10;
    tick_at(&world, limit.boot_ns / MS);
    raw_slow_permille = 0;
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    tick_at(&world, limit.boot_ns / MS);
    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
}

/* 4: local restarts are spent by an outage, not by a year. */
static void who_has_served_for_long_may_restart_again(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.restarts_used = 1;
    world.site.started_in_a_row = 0;
    for (int i = 0; i < RESTARTS_FORGOTTEN; i++) {
        assert_int_equal(world.site.restarts_used, 1);
        confirm(&world, 1, world.now_ms);
        armed(&world);
        status(&world, "started");
    }
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(world.site.restarts_used, 0);
}

/* 4: a start that changed nothing does not undo what an earlier one of the epoch may have written.
 */
static void a_restart_that_fails_early_leaves_what_served_before_it(void **state)
{
    struct world world;
    uint64_t d;

    (void)state;
    begin_serving(&world);
    world.site.guard.start_epoch = 1;
    for (int i = 0; i < 3; i++)
        status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    ended(&world, &world.sent_run, BW_RUN_NOT_STARTED, "");
    assert_int_equal(world.site.start, BW_SITE_START_FAILED_EARLY);
    assert_int_equal(world.site.guard.served, BW_SERVED_MAYBE);
    d = world.site.arm_sent_end.boot_ns / MS;
    guard_lost(&world);
    tick_at(&world, d - FENCE_MS / 2);
    assert_asked(&world, "OWN_FENCE");
    own_fence_ended(&world, true);
    tick_at(&world, d + 1);

    assert_int_equal(released(&world).epoch, 1);
    assert_true(released(&world).past_no_return);
}

/* ---- its fences ------------------------------------------------------------------------------ */

static void a_fence_of_the_guard_ends_the_run_beside_it(void **state) /* 3.4 */
{
    const struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    struct world world;

    (void)state;
    begin_leased(&world);
    assert_int_equal(world.site.running, BW_ACTION_START);

    from_guard(&world, &begun);

    assert_int_equal(world.site.running, BW_ACTION_NONE);
}

/* 3.3: what it saw was doubted while it ran: another looks anew, after a pause. */
static void a_doubted_fence_of_its_own_is_followed_by_another_after_a_pause(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    tick_at(&world, world.site.arm_sent_end.boot_ns / MS - FENCE_MS / 2);
    assert_asked(&world, "OWN_FENCE");
    world.site.own_fence = BW_SITE_OWN_FENCE_DOUBTED;

    own_fence_ended(&world, true);
    assert_not_asked(&world, "OWN_FENCE");
    tick_at(&world, world.now_ms + RETRY_MS - 1);
    assert_not_asked(&world, "OWN_FENCE");
    tick_at(&world, world.now_ms + 1);
    assert_asked(&world, "OWN_FENCE");
}

/* 3.3: only an epoch that is held asks for an answer, and only an answer is written down. */
static void a_fence_of_an_epoch_that_nobody_holds_answers_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    status(&world, "started");
    assert_not_asked(&world, "SAVE"); /* nor is anything taken back */
    order(&world, BW_ORDER_STOP, 1);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);

    ended(&world, &world.sent_run, BW_RUN_OK, "");

    assert_not_asked(&world, "SAVE");
    assert_int_equal(world.site.memory.fenced_index, 0);
}

/* 3.3: once it was answered, and the epoch is held no more, no further fence is owed. */
static void an_answer_that_nobody_asks_for_any_more_owes_no_fence(void **state)
{
    struct bw_site_memory memory = held;
    struct world world;

    (void)state;
    memory.given_back = true;
    memory.reason = BW_REASON_LEASE_LOST;
    memory.fenced_index = 77;
    begin_with(&world, &memory);
    guard_state(&world,
                &(struct bw_guard_state){
                    .reach_works = true, .epoch_seen = 1, .ended_epoch = 1, .stop_seen = true});
    order(&world, BW_ORDER_STAND_BY, 2);
    for (int i = 0; i < 4; i++) {
        status(&world, "stopped");
        assert_int_not_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    }
}

/* 3.3: held is an epoch by an order to stop it, and by no other order; nor is it another epoch. */
static void only_the_stop_of_its_own_epoch_asks_for_a_fence_that_answers(void **state)
{
    static const struct {
        enum bw_order_kind kind;
        uint64_t epoch;
        bool is_asked;
    } orders[] = {{BW_ORDER_STOP, 2, true}, {BW_ORDER_RUN, 2, false}, {BW_ORDER_STOP, 1, false}};

    (void)state;
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        struct bw_site_memory memory = held;
        struct bw_order of = {.kind = orders[i].kind,
                              .index = 100,
                              .epoch = orders[i].epoch,
                              .spec_version = 1,
                              .instance = instance_a,
                              .held_index = 77,
                              .closed = true};
        struct world world;

        memory.epoch = 2;
        memory.given_back = true;
        memory.reason = BW_REASON_LEASE_LOST;
        begin_with(&world, &memory);
        guard_state(&world,
                    &(struct bw_guard_state){
                        .reach_works = true, .epoch_seen = 2, .ended_epoch = 2, .stop_seen = true});
        happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
        assert_int_equal(world.sent_run.run.action == BW_ACTION_FENCE, orders[i].is_asked);
    }
}

/* 3.4, H10: without a mirror a lease is as good as over, unless no arm and no start was ever asked
 * for. */
static void without_a_mirror_what_was_enforced_or_started_is_fenced_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct bw_site_memory memory = held;
        struct world world;

        memory.enforced = (i & 1) != 0;
        memory.start_begun = (i & 2) != 0;
        begin_with(&world, &memory);
        happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ, .ok = false});
        if (i == 0)
            assert_not_asked(&world, "OWN_FENCE");
        else
            assert_asked(&world, "OWN_FENCE");
    }
}

/* 3.3: both clocks have to say that the pause is over. */
static void a_failed_fence_is_repeated_when_both_clocks_say_so(void **state)
{
    const struct bw_site_event tick = {.kind = BW_SITE_EVENT_TICK};
    struct world world;
    uint64_t at;

    (void)state;
    begin(&world);
    world.site.memory.enforced = true;
    world.site.fence_failed = true;
    at = world.now_ms + 500;
    world.site.fence_again_at = at_ms(at);

    assert_false(asks_at(&world, &tick, at, at - 1, BW_ACTION_FENCE));
    assert_false(asks_at(&world, &tick, at, at - 1, BW_ACTION_FENCE));
    assert_true(asks_at(&world, &tick, at, at, BW_ACTION_FENCE));
}

/* 3.4: a right is over when one clock says so; from then on what runs there is a rogue. */
static void the_deadline_of_another_instance_is_over_by_one_clock(void **state)
{
    struct bw_guard_state armed_elsewhere = {.reach = BW_REACH_CGROUP,
                                             .reach_works = true,
                                             .enforced = true,
                                             .epoch_seen = 5,
                                             .armed_epoch = 5};
    struct bw_guard_message seen = {.kind = BW_GUARD_MESSAGE_RUN_ENDED};
    const struct bw_site_event event = {.kind = BW_SITE_EVENT_GUARD_MESSAGE, .message = &seen};
    struct world world;
    uint64_t end;

    (void)state;
    begin(&world);
    end = world.now_ms + 60000;
    armed_elsewhere.armed_instance = instance_b;
    armed_elsewhere.armed_end = at_ms(end);
    guard_state(&world, &armed_elsewhere);
    status(&world, "started");
    assert_int_equal(world.site.rogue_in_a_row, 0);

    while (!world.site.observation[BW_ACTION_STATUS].running) {
        if (world.site.observation[BW_ACTION_READINESS].running)
            ended(&world, &world.sent_look, BW_RUN_OK, "");
        tick_at(&world, world.now_ms + 100);
    }
    seen.epoch = seen.ended.epoch = world.sent_look.run.epoch;
    seen.ended.action = BW_ACTION_STATUS;
    seen.ended.run_id = world.sent_look.run.run_id;
    seen.ended.result = BW_RUN_OK;
    (void)strcpy(seen.ended.line, "started");
    (void)asks_at(&world, &event, end, end - 1, BW_ACTION_FENCE);
    assert_int_equal(world.site.rogue_in_a_row, 1);
}

/* 3.8: what is allowed for beside F is allowed for here too; slower than that is slow. */
static void a_fence_within_the_margin_is_not_too_slow(void **state)
{
    struct bw_guard_message fenced = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};
    const uint32_t bit = UINT32_C(1) << BW_ALARM_FENCE_TOO_SLOW;
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.order.terms.margin_ms = 300;
    fenced.fence.ok = true;
    fenced.fence.duration_ms = FENCE_MS + 300;
    from_guard(&world, &fenced);
    assert_int_equal(reported(&world).alarms & bit, 0);
    fenced.fence.duration_ms++;
    from_guard(&world, &fenced);
    assert_int_not_equal(reported(&world).alarms & bit, 0);
}

static void slow_fence_of(struct world *world, uint64_t epoch, uint32_t over_ms)
{
    struct bw_guard_message fenced = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = epoch};

    fenced.fence.ok = true;
    fenced.fence.duration_ms = FENCE_MS + over_ms;
    from_guard(world, &fenced);
}

/* 3.8: a site that holds nothing is given another chance after an hour at the latest. */
static void a_fence_that_is_slow_again_and_again_is_forgotten_within_about_an_hour(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_STAND_BY, 1);
    for (uint64_t epoch = 1; epoch <= 12; epoch++)
        slow_fence_of(&world, epoch, 1);
    world.now_ms += SLOW_FENCE_MS_MAX - 1;
    assert_int_equal(reported(&world).fence_took_ms, FENCE_MS + 1);
    world.now_ms += 1;
    assert_int_equal(reported(&world).fence_took_ms, 0);
}

/* 3.8: one that kept F begins the count anew, of whichever epoch the next slow one is. */
static void a_fence_in_time_begins_the_count_of_slow_ones_anew(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_STAND_BY, 1);
    slow_fence_of(&world, 1, 1);
    slow_fence_of(&world, 1, 0);
    assert_int_equal(world.site.fence_slow_count, 0);
    slow_fence_of(&world, 1, 1);
    assert_int_equal(world.site.fence_slow_count, 1);
}

/* ---- its epoch ------------------------------------------------------------------------------- */

/* 3.7: what another instance held before is no reason to stop what this one holds now. */
static void an_earlier_epoch_of_another_instance_ends_nothing(void **state)
{
    struct bw_order of = {
        .kind = BW_ORDER_RUN, .epoch = 1, .spec_version = 1, .instance = instance_b};
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 2);
    confirm(&world, 2, world.now_ms);
    armed(&world);
    of.index = ++world.index;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});

    assert_false(world.site.over);
    assert_true(renews(&world));
}

/* 3.5: what is given back has no end of a lease any more. */
static void no_deadline_is_left_of_what_was_given_back(void **state)
{
    struct bw_guard_message gone = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_leased(&world);
    assert_true(world.site.arm_sent_end.boot_ns != 0);
    from_guard(&world, &gone);

    assert_int_equal(released(&world).epoch, 1);
    assert_int_equal(world.site.arm_sent_end.boot_ns, 0);
    assert_int_equal(world.site.arm_sent_end.raw_ns, 0);
}

/* 3.2.3, 3.4: one request timeout, not less. */
static void an_arm_is_waited_for_as_long_as_a_request_may_take(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);

    tick_at(&world, world.now_ms + 999);
    assert_true(renews(&world));
    tick_at(&world, world.now_ms + 1);
    assert_false(renews(&world));
}

/* The record of steps names the rule that began a stop, and the epoch. */
static void the_stop_of_an_epoch_is_on_the_record(void **state)
{
    const struct bw_order of = {.kind = BW_ORDER_STOP,
                                .index = 100,
                                .epoch = 1,
                                .spec_version = 1,
                                .instance = instance_a,
                                .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS}};
    const struct bw_site_event event = {.kind = BW_SITE_EVENT_ORDER, .order = &of};
    struct bw_site_actions out;
    struct world world;
    int traces = 0;

    (void)state;
    begin_serving(&world);
    bw_site_step(&world.site, &event, at_ms(world.now_ms), &out);
    for (uint32_t i = 0; i < out.count; i++)
        if (out.list[i].kind == BW_SITE_ACTION_TRACE) {
            assert_string_equal(out.list[i].rule, "S4");
            assert_int_equal(out.list[i].epoch, 1);
            traces++;
        }
    assert_int_equal(traces, 1);
}

/* ---- when it looks --------------------------------------------------------------------------- */

static void after_a_rejoin_it_looks_at_once(void **state)
{
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .adopt = true, .given_back = true, .enforced = true};
    struct world world;

    (void)state;
    begin_with(&world, &memory);
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    guard_state(&world, &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1});
    status(&world, "stopped");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});
    assert_int_equal(world.sent_run.run.action, BW_ACTION_REJOIN);
    world.site.observation[BW_ACTION_STATUS].due = at_ms(world.now_ms + 900);
    world.site.observation[BW_ACTION_READINESS].due = at_ms(world.now_ms + 900);

    ended(&world, &world.sent_run, BW_RUN_OK, "");

    for (int i = 0; i < 2; i++) {
        const enum bw_action_kind kind = i == 0 ? BW_ACTION_STATUS : BW_ACTION_READINESS;

        assert_true(world.site.observation[kind].running ||
                    !bw_instant_is_later(world.site.observation[kind].due, at_ms(world.now_ms)));
    }
}

/* 4: what does not run has nothing to be verified. */
static void what_does_not_run_is_not_verified(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_VERIFY] = true;
    for (int i = 0; i < 50; i++) {
        assert_false(world.site.observation[BW_ACTION_VERIFY].running);
        if (world.site.observation[BW_ACTION_STATUS].running)
            ended(&world, &world.sent_look, BW_RUN_OK, "stopped");
        else if (world.site.observation[BW_ACTION_READINESS].running)
            ended(&world, &world.sent_look, BW_RUN_OK, "");
        else
            tick_at(&world, world.now_ms + 100);
    }
}

/* 3.6: who is not ready is prepared for no order. */
static void who_is_not_ready_has_prepared_nothing(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    look(&world, BW_ACTION_READINESS, BW_RUN_FAILED, "");
    assert_int_equal(reported(&world).prepared_index, 0);
}

/* Of all that it waits for, the first wakes it. */
static void it_wakes_for_what_is_due_first(void **state)
{
    const struct bw_site_event tick = {.kind = BW_SITE_EVENT_TICK};

    (void)state;
    for (uint64_t status_ms = 300; status_ms <= 900; status_ms += 600) {
        struct bw_site_actions out;
        struct world world;

        begin_serving(&world);
        bw_site_step(&world.site, &tick, at_ms(world.now_ms), &out);
        for (int kind = 0; kind < BW_ACTION_COUNT; kind++)
            world.site.observation[kind].running = false; /* its word is lost */
        world.site.observation[BW_ACTION_STATUS].due = at_ms(world.now_ms + status_ms);
        world.site.observation[BW_ACTION_READINESS].due = at_ms(world.now_ms + 1200 - status_ms);

        bw_site_step(&world.site, &tick, at_ms(world.now_ms), &out);

        assert_int_equal(out.wake_at.boot_ns, at_ms(world.now_ms + 300).boot_ns);
        assert_int_equal(out.wake_at.raw_ns, at_ms(world.now_ms + 300).raw_ns);
    }
}

/* ---- what another counts from (3.4, 3.5, 3.8) ------------------------------------------------ */

static void another_instances_epoch_is_fenced_a_quarter_into_its_window(void **state)
{
    struct world world;
    uint64_t end;

    (void)state;
    begin(&world);
    guard_lost(&world);
    end = world.now_ms + 60000;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ,
                                           .mirror_epoch = 5,
                                           .mirror_end = at_ms(end),
                                           .mirror_fence_ns = FENCE_MS * MS,
                                           .mirror_is_anothers = true});

    tick_at(&world, end - FENCE_MS + FENCE_MS / 4 - 1);
    assert_not_asked(&world, "OWN_FENCE");
    tick_at(&world, end - FENCE_MS + FENCE_MS / 4);
    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, end);
}

static void an_end_that_is_said_late_takes_back_no_later_one(void **state)
{
    const struct bw_guard_state done = {
        .reach = BW_REACH_CGROUP, .reach_works = true, .enforced = true, .ended_epoch = 1};
    const struct bw_guard_message older = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 0};
    struct world world;

    (void)state;
    begin_with(&world, &held);
    world.site.limits.has_script[BW_ACTION_READINESS] = false;
    guard_state(&world, &done);
    assert_int_equal(released(&world).epoch, 1);

    from_guard(&world, &older);
    tick_at(&world, world.now_ms + 1000);

    assert_not_asked(&world, "END");
}

static void a_rogue_is_counted_anew_once_its_epoch_is_given_back(void **state)
{
    const struct bw_guard_state over = {
        .reach = BW_REACH_CGROUP, .reach_works = true, .enforced = true, .ended_epoch = 1};
    struct world world;

    (void)state;
    begin(&world);
    world.site.memory.enforced = true;
    order(&world, BW_ORDER_RUN, 1);
    status(&world, "started");
    assert_int_equal(world.site.rogue_in_a_row, 1);
    guard_state(&world, &over);
    assert_int_equal(released(&world).epoch, 1);

    status(&world, "started");
    assert_not_asked(&world, "RUN:fence");
    status(&world, "started");
    assert_asked(&world, "RUN:fence");
}

/* ---- what counts where ----------------------------------------------------------------------- */

/* 3.1: what was started by hand long after its epoch is not what served under it. */
static void what_serves_after_its_epoch_was_not_seen_in_it(void **state)
{
    struct bw_instant seen_at;
    struct world world;

    (void)state;
    begin_serving(&world);
    status(&world, "started");
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "");
    from_guard(&world,
               &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1});
    assert_true(world.site.memory.given_back);
    status(&world, "stopped");
    seen_at = world.site.seen_at;
    assert_int_not_equal(seen_at.boot_ns, 0);

    status(&world, "started");

    assert_memory_equal(&world.site.seen_at, &seen_at, sizeof seen_at);
    assert_false(world.site.seen_goes_on);
}

static void who_stands_by_counts_no_service_as_down(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    for (int i = 0; i < 3; i++)
        status(&world, "stopped");
    assert_int_equal(world.site.stopped_in_a_row, 0);
}

/* 3.9: what rests on the newest commit is observed after it, and said at once, though it is the
 * same. */
static void what_was_observed_of_a_new_spec_is_said_at_once(void **state)
{
    struct bw_order of = order_to(BW_ORDER_STAND_BY, 1);
    struct world world;

    (void)state;
    begin(&world);
    status(&world, "stopped");
    assert_not_asked(&world, "SYNC");
    of.spec_version = 2;
    tell_order(&world, of);
    status(&world, "stopped");
    assert_asked(&world, "SYNC");
}

/* 3.3: its own service is ended by its deadline, or by a stop, and by nothing of an epoch before.
 */
static void a_fence_that_failed_before_is_not_repeated_in_an_epoch_of_its_own(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.fence_failed = true;
    world.site.fence_failed_epoch = 0;
    status(&world, "stopped");
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_not_asked(&world, "RUN:fence");
}

/* 4: what served before it went down says nothing of what serves since. */
static void what_was_restarted_here_is_verified_anew(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.limits.has_script[BW_ACTION_VERIFY] = true;
    look(&world, BW_ACTION_VERIFY, BW_RUN_OK, "");
    assert_true(world.site.verified);
    for (int i = 0; i < 3; i++)
        status(&world, "stopped");
    assert_asked(&world, "RUN:start");
    assert_false(world.site.verified);
}

/* Its look may take long, and what serves then is about to be ended. */
static void what_is_being_fenced_is_verified_no_more(void **state)
{
    const struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    struct world world;

    (void)state;
    begin_leased(&world);
    world.site.limits.has_script[BW_ACTION_VERIFY] = true;
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    from_guard(&world, &begun);
    status(&world, "started");
    for (int i = 0; i < 10; i++) {
        tick_at(&world, world.now_ms + 100);
        assert_false(world.site.observation[BW_ACTION_VERIFY].running);
        for (int other = 0; other < BW_ACTION_COUNT; other++)
            if (world.site.observation[other].running)
                ended(&world, &world.sent_look, BW_RUN_OK,
                      other == BW_ACTION_STATUS ? "started" : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_start_of_an_epoch_was_not_seen_to_serve_yet),
        cmocka_unit_test(a_start_that_ended_well_may_have_served),
        cmocka_unit_test(a_start_that_never_says_started_wakes_it_when_its_time_is_over),
        cmocka_unit_test(who_has_served_for_long_may_restart_again),
        cmocka_unit_test(a_restart_that_fails_early_leaves_what_served_before_it),
        cmocka_unit_test(a_fence_of_the_guard_ends_the_run_beside_it),
        cmocka_unit_test(a_doubted_fence_of_its_own_is_followed_by_another_after_a_pause),
        cmocka_unit_test(a_fence_of_an_epoch_that_nobody_holds_answers_nothing),
        cmocka_unit_test(an_answer_that_nobody_asks_for_any_more_owes_no_fence),
        cmocka_unit_test(only_the_stop_of_its_own_epoch_asks_for_a_fence_that_answers),
        cmocka_unit_test(without_a_mirror_what_was_enforced_or_started_is_fenced_at_once),
        cmocka_unit_test(a_failed_fence_is_repeated_when_both_clocks_say_so),
        cmocka_unit_test(the_deadline_of_another_instance_is_over_by_one_clock),
        cmocka_unit_test(a_fence_within_the_margin_is_not_too_slow),
        cmocka_unit_test(a_fence_that_is_slow_again_and_again_is_forgotten_within_about_an_hour),
        cmocka_unit_test(a_fence_in_time_begins_the_count_of_slow_ones_anew),
        cmocka_unit_test(an_earlier_epoch_of_another_instance_ends_nothing),
        cmocka_unit_test(no_deadline_is_left_of_what_was_given_back),
        cmocka_unit_test(an_arm_is_waited_for_as_long_as_a_request_may_take),
        cmocka_unit_test(the_stop_of_an_epoch_is_on_the_record),
        cmocka_unit_test(after_a_rejoin_it_looks_at_once),
        cmocka_unit_test(what_does_not_run_is_not_verified),
        cmocka_unit_test(who_is_not_ready_has_prepared_nothing),
        cmocka_unit_test(it_wakes_for_what_is_due_first),
        cmocka_unit_test(another_instances_epoch_is_fenced_a_quarter_into_its_window),
        cmocka_unit_test(an_end_that_is_said_late_takes_back_no_later_one),
        cmocka_unit_test(a_rogue_is_counted_anew_once_its_epoch_is_given_back),
        cmocka_unit_test(what_serves_after_its_epoch_was_not_seen_in_it),
        cmocka_unit_test(who_stands_by_counts_no_service_as_down),
        cmocka_unit_test(what_was_observed_of_a_new_spec_is_said_at_once),
        cmocka_unit_test(a_fence_that_failed_before_is_not_repeated_in_an_epoch_of_its_own),
        cmocka_unit_test(what_was_restarted_here_is_verified_anew),
        cmocka_unit_test(what_is_being_fenced_is_verified_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
