/* site: what belongs to one epoch, one event or one instance says nothing of another; and what is told of a
 * site that has begun nothing (design 3.2 to 3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

#define RETRY_MS 200

static void end_epoch(struct world *world, uint64_t epoch)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = epoch};

    of.epoch_ended.served = BW_SERVED_MAYBE;
    from_guard(world, &of);
}

/* Ordered to stop, it has stopped and given back what it serves. */
static void stop_and_give_back(struct world *world, uint64_t epoch)
{
    order(world, BW_ORDER_STOP, epoch);
    assert_int_equal(world->sent_run.run.action, BW_ACTION_STOP);
    ended(world, &world->sent_run, BW_RUN_OK, "");
    look(world, BW_ACTION_READINESS, BW_RUN_OK, "position=7\n");
    end_epoch(world, epoch);
    assert_true(world->site.memory.given_back);
    assert_int_equal(world->site.tenure, BW_TENURE_NONE);
}

/* ---- epochs ---- */

/* 3.5: an epoch begins as the first one did, whatever came of the one before. */
static void an_epoch_begins_with_nothing_of_the_one_before(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    for (int i = 0; i < 3; i++)
        status(&world, "stopped");
    assert_int_equal(world.site.restarts_used, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    status(&world, "started");
    world.site.memory.fenced_index = 5;
    stop_and_give_back(&world, 1);
    world.site.alarms = UINT32_MAX; /* whatever there is */
    world.site.arm_open = world.site.end_open = world.site.mirror_reread = true;
    world.site.verified = true;
    world.site.started_in_a_row = world.site.stopped_in_a_row = world.site.restarts_used = 7;
    assert_string_equal(released(&world).position, "7");
    assert_int_equal(released(&world).held_index, 5);
    assert_true(released(&world).past_no_return);

    order(&world, BW_ORDER_RUN, 2);
    assert_int_equal(world.site.memory.epoch, 2);
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
    assert_int_equal(world.site.restarts_used, 0);
    assert_int_equal(world.site.stopped_in_a_row, 0);
    assert_int_equal(world.site.started_in_a_row, 0);
    assert_int_equal(world.site.rogue_in_a_row, 0);
    assert_int_equal(world.site.ending_reason, BW_REASON_NONE);
    assert_int_equal(world.site.arm_sent_end.boot_ns, 0);
    assert_int_equal(world.site.alarms, 0);
    assert_false(world.site.arm_open || world.site.end_open || world.site.mirror_reread);
    assert_false(world.site.verified || world.site.over);
    assert_int_equal(world.site.memory.reason, BW_REASON_NONE);
    assert_string_equal(world.site.memory.position, "");
    assert_int_equal(world.site.memory.fenced_index, 0);
    assert_false(world.site.memory.past_no_return);
    assert_int_equal(released(&world).epoch, 0);
    assert_int_equal(reported(&world).stop_begun_epoch, 0);
}

/* 4: local restarts are each epoch's own. */
static void what_was_restarted_in_an_epoch_may_be_in_the_next(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    for (int i = 0; i < 3; i++)
        status(&world, "stopped");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    stop_and_give_back(&world, 1);
    status(&world, "stopped");
    order(&world, BW_ORDER_RUN, 2);
    confirm(&world, 2, world.now_ms);
    armed(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    world.sent_run.run.action = BW_ACTION_NONE;
    for (int i = 0; i < 3; i++)
        status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    assert_int_equal(reported(&world).restarts.epoch, 1); /* that of the epoch before, still */
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    assert_int_equal(reported(&world).restarts.epoch, 2);
    assert_int_equal(reported(&world).restarts.count, 1);
}

/* 3.5: the end of a stop that is not this epoch's is no end of its stop. */
static void a_stop_of_another_epoch_that_failed_orders_no_fence(void **state)
{
    struct bw_guard_message of;
    struct world world;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    of = world.sent_run;
    of.run.epoch = 9;
    of.run.run_id += 100;
    ended(&world, &of, BW_RUN_FAILED, "");
    assert_not_asked(&world, "RUN:fence");
    assert_int_equal(reported(&world).alarms & UINT32_C(1) << BW_ALARM_STOP_FAILED, 0);
    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);

    of.run.epoch = 1;
    ended(&world, &of, BW_RUN_FAILED, "");
    assert_asked(&world, "RUN:fence");
}

/* 3.9: what is adopted was begun by somebody, whatever the guard has seen of it. */
static void what_was_adopted_and_never_started_here_is_past_no_return(void **state)
{
    struct bw_order of = {.kind = BW_ORDER_RUN,
                          .index = 20,
                          .epoch = 1,
                          .spec_version = 1,
                          .instance = instance_a,
                          .adopt = true,
                          .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS}};
    struct world world;

    (void)state;
    begin(&world);
    status(&world, "started");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    world.index = 20;
    assert_true(world.site.memory.adopt);
    confirm(&world, 1, world.now_ms);
    armed(&world);
    world.site.memory.start_begun = false;
    world.site.guard.start_epoch = 0;
    stop_and_give_back(&world, 1);
    assert_int_not_equal(released(&world).reason, BW_REASON_NEVER_STARTED);
    assert_true(released(&world).past_no_return);
}

/* 4: who never served follows as it is, whatever scripts it has. */
static void who_never_served_owes_no_rejoin(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    assert_int_equal(reported(&world).joined_epoch, UINT64_MAX);
    begin_serving(&world);
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    assert_int_equal(reported(&world).joined_epoch, 1);
    world.site.limits.has_script[BW_ACTION_REJOIN] = false;
    assert_int_equal(reported(&world).joined_epoch, UINT64_MAX);
}

/* 3.4, 3.7: what a site may have had armed in an earlier boot, or in a run_dir that is gone, nobody knows: without its guard
 * the agent fences at once, and gives back as if it had armed a lease now. */
static void after_a_reboot_without_its_guard_the_agent_fences_and_gives_back(void **state)
{
    const struct bw_site_memory rebooted = {.epoch = 1,
                                            .boot_id = {{4}},
                                            .enforced = true,
                                            .start_begun = true,
                                            .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS}};
    struct world world;
    uint64_t begun_ms;

    (void)state;
    begin_with(&world, &rebooted);
    guard_lost(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ});
    assert_asked(&world, "OWN_FENCE");
    begun_ms = world.now_ms;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    tick_at(&world, begun_ms + TTL_MS - 1);
    assert_false(world.site.memory.given_back);

    tick_at(&world, begun_ms + TTL_MS + 1);

    assert_true(world.site.memory.given_back);
    assert_int_equal(released(&world).reason, BW_REASON_REBOOT);
}

/* 3.7: looks are back to back while the stop after a reboot is awaited, and no longer. */
static void after_the_stop_that_a_reboot_asks_for_looks_are_as_rare_as_ever(void **state)
{
    const struct bw_site_memory rebooted = {.epoch = 1,
                                            .boot_id = {{4}},
                                            .start_begun = true,
                                            .enforced = true,
                                            .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS}};
    struct world world;
    uint64_t seen_ms;

    (void)state;
    begin_with(&world, &rebooted);
    guard_state(&world, &(struct bw_guard_state){
                            .reach = BW_REACH_CGROUP, .reach_works = true, .epoch_seen = 1});
    for (int i = 0; i < 50 && !world.site.memory.given_back; i++) {
        if (world.site.running == BW_ACTION_STOP)
            ended(&world, &world.sent_run, BW_RUN_OK, "");
        if (world.site.observation[BW_ACTION_STATUS].running ||
            world.site.observation[BW_ACTION_READINESS].running)
            ended(&world, &world.sent_look, BW_RUN_OK, "stopped");
        end_epoch(&world, 1);
        tick_at(&world, world.now_ms + 50);
    }
    assert_true(world.site.memory.given_back);
    assert_int_equal(released(&world).reason, BW_REASON_REBOOT);
    status(&world, "stopped");
    status(&world, "stopped");
    seen_ms = world.now_ms;
    while (!world.site.observation[BW_ACTION_STATUS].running) {
        for (int kind = 0; kind < BW_ACTION_COUNT; kind++)
            if (world.site.observation[kind].running)
                ended(&world, &world.sent_look, BW_RUN_OK, "");
        tick_at(&world, world.now_ms + 50);
    }
    assert_in_range(world.now_ms - seen_ms, 900, 1100);
}

/* ---- events ---- */

/* Each event is about what it names: none of them says which epoch another site serves, whose disk has
 * written what, or which fence has ended. */
static void an_event_says_nothing_of_what_it_is_not_about(void **state)
{
    struct bw_guard_message looked = {.kind = BW_GUARD_MESSAGE_RUN_BEGUN, .epoch = 1};
    const struct bw_order again = order_to(BW_ORDER_RUN, 1);
    const struct bw_site_event events[] = {
        {.kind = BW_SITE_EVENT_ORDER, .order = &again, .epoch = 1, .sent = at_ms(BEGIN_MS + 50000)},
        {.kind = BW_SITE_EVENT_TICK, .epoch = 9, .number = 1, .ok = true},
        {.kind = BW_SITE_EVENT_CONFIRMED, .epoch = 9, .number = 1, .ok = true},
        {.kind = BW_SITE_EVENT_SAVED, .epoch = 9, .number = 99, .ok = true},
        {.kind = BW_SITE_EVENT_GUARD_LOST, .epoch = 9, .number = 1, .ok = true},
        {.kind = BW_SITE_EVENT_GUARD_MESSAGE, .epoch = 9, .ok = true, .message = &looked},
        {.kind = BW_SITE_EVENT_MIRROR_READ, .epoch = 9, .number = 1},
        {.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 9, .number = 1, .ok = true},
    };

    (void)state;
    looked.begun.action = BW_ACTION_STATUS;
    looked.begun.run_id = 1;
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        const bool is_lost = events[i].kind == BW_SITE_EVENT_GUARD_LOST;
        struct world world;

        begin_serving(&world);
        if (events[i].kind == BW_SITE_EVENT_OWN_FENCE_ENDED) {
            tick_at(&world, world.site.arm_sent_end.boot_ns / MS - FENCE_MS / 2);
            assert_asked(&world, "OWN_FENCE");
        }
        happen(&world, &events[i]);
        assert_not_asked(&world, "ARM");
        assert_int_equal(world.site.other_serves_epoch, 0);
        assert_int_equal(world.site.link == BW_SITE_LINK_LOST, is_lost);
        assert_int_equal((reported(&world).alarms & UINT32_C(1) << BW_ALARM_GUARD_LOST) != 0,
                         is_lost);
        assert_int_equal(world.site.deadline, BW_SITE_DEADLINE_KNOWN);
    }
}

/* 3.4: what was saved last is what the newest save asked for; the answer to an earlier one is old. */
static void an_event_of_the_witnesses_saves_nothing_by_itself(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_hangs = true;
    order(&world, BW_ORDER_RUN, 1);
    assert_int_equal(world.site.tenure, BW_TENURE_ACCEPTING);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_CONFIRMED,
                                           .epoch = 1,
                                           .number = world.save_number,
                                           .sent = at_ms(world.now_ms),
                                           .ok = true});
    assert_int_equal(world.site.tenure, BW_TENURE_ACCEPTING);
    saved(&world, true);
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
}

/* ---- rejoins ---- */

static void begin_rejoining(struct world *world)
{
    begin_serving(world);
    stop_and_give_back(world, 1);
    world->site.limits.has_script[BW_ACTION_REJOIN] = true;
    order(world, BW_ORDER_STAND_BY, 2);
    status(world, "stopped");
    if (world->site.observation[BW_ACTION_READINESS].running)
        ended(world, &world->sent_look, BW_RUN_OK, "");
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});
    assert_int_equal(world->sent_run.run.action, BW_ACTION_REJOIN);
}

/* 4: destructive and slow: one that fails is not begun again at once. */
static void a_rejoin_that_fails_is_begun_again_after_a_pause(void **state)
{
    uint64_t failed_ms;
    struct world world;

    (void)state;
    begin_rejoining(&world);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    failed_ms = world.now_ms;
    world.sent_run.run.action = BW_ACTION_NONE;
    while (world.now_ms < failed_ms + 950) {
        happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});
        assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
        for (int kind = 0; kind < BW_ACTION_COUNT; kind++)
            if (world.site.observation[kind].running)
                ended(&world, &world.sent_look, BW_RUN_OK, "stopped");
        assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
        tick_at(&world, world.now_ms + 50);
    }
    for (int i = 0; i < 4; i++) {
        tick_at(&world, world.now_ms + 50);
        if (world.site.observation[BW_ACTION_STATUS].running)
            ended(&world, &world.sent_look, BW_RUN_OK, "stopped");
        if (world.site.observation[BW_ACTION_READINESS].running)
            ended(&world, &world.sent_look, BW_RUN_OK, "");
    }
    assert_int_equal(world.sent_run.run.action, BW_ACTION_REJOIN);
}

/* 4: the agent before this one has begun it, and nobody has said yet who serves. */
static void a_rejoin_that_runs_already_is_told(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    assert_false(reported(&world).rejoining);
    guard_state(&world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP,
                                                 .reach_works = true,
                                                 .running = BW_ACTION_REJOIN,
                                                 .running_epoch = 2,
                                                 .running_run_id = 4});
    assert_true(reported(&world).rejoining);
}

/* ---- the guard ---- */

static struct bw_guard_state armed_by_another(const struct world *world)
{
    return (struct bw_guard_state){.reach = BW_REACH_CGROUP,
                                   .reach_works = true,
                                   .epoch_seen = 2,
                                   .armed_epoch = 2,
                                   .armed_instance = instance_b,
                                   .armed_end = at_ms(world->now_ms + 5000)};
}

/* 3.4: of what another instance armed only an end that was seen is an end. */
static void a_fence_of_another_instance_that_failed_is_watched_on(void **state)
{
    static const struct {
        bool has_ended;
        bool ok;
    } fences[] = {{false, false}, {true, false}, {true, true}};

    (void)state;
    for (size_t i = 0; i < sizeof fences / sizeof fences[0]; i++) {
        struct world world;
        struct bw_guard_state of;

        begin(&world);
        of = armed_by_another(&world);
        of.fence_begun = of.fence_ended = fences[i].has_ended;
        of.fence_ok = fences[i].ok;
        guard_state(&world, &of);
        if (fences[i].ok)
            assert_not_asked(&world, "READ_MIRROR");
        else
            assert_asked(&world, "READ_MIRROR");
    }
}

/* 3.4: the deadline that counts is that of our instance and our epoch: what one of both is not says that
 * nothing of ours is armed. */
static void what_another_instance_armed_of_our_epoch_is_not_our_lease(void **state)
{
    static const struct {
        uint64_t epoch;
        bool is_ours;
    } arms[] = {{1, true}, {1, false}, {0, true}};

    (void)state;
    for (size_t i = 0; i < sizeof arms / sizeof arms[0]; i++) {
        struct bw_guard_state of;
        struct world world;

        begin_with(&world, &held);
        of = armed_by_another(&world);
        of.epoch_seen = 1;
        of.start_epoch = 1;
        of.armed_epoch = arms[i].epoch;
        of.armed_instance = arms[i].is_ours ? instance_a : instance_b;
        guard_state(&world, &of);
        assert_int_equal(world.site.arm_sent_end.boot_ns != 0, arms[i].is_ours && arms[i].epoch == 1);
        assert_int_equal(reported(&world).armed_epoch != 0, arms[i].is_ours && arms[i].epoch == 1);
    }
}

/* 3.4: what is refused may have been written down first, but for what could not be. */
static void what_could_not_be_written_down_has_shown_the_guard_no_epoch(void **state)
{
    struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_RUN_ENDED};
    struct bw_guard_message of;
    struct world world;

    (void)state;
    begin_leased(&world);
    of = world.sent_run;
    of.run.run_id += 100;
    refused.ended = (struct bw_guard_run_ended){.epoch = 7,
                                                .action = BW_ACTION_REJOIN,
                                                .run_id = of.run.run_id,
                                                .result = BW_RUN_REFUSED,
                                                .refusal = BW_REFUSAL_NOT_DURABLE};
    from_guard(&world, &refused);
    assert_true(world.site.guard.epoch_seen < 7);
    refused.ended.refusal = BW_REFUSAL_BUSY;
    from_guard(&world, &refused);
    assert_int_equal(world.site.guard.epoch_seen, 7);
    of.run.epoch = 1;
    world.site.guard.epoch_seen = 5;
    ended(&world, &of, BW_RUN_KILLED, "");
    assert_int_equal(world.site.guard.epoch_seen, 5);
    of.run.epoch = 7;
    ended(&world, &of, BW_RUN_KILLED, "");
    assert_int_equal(world.site.guard.epoch_seen, 7);
}

/* 3.4: what the guard cleans up by itself is over for a guard that greets anew: its state says what runs. */
static void a_guard_that_greets_anew_cleans_nothing_up(void **state)
{
    struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_RUN_BEGUN, .epoch = 1};
    struct world world;

    (void)state;
    begin(&world);
    assert_false(reported(&world).guard_busy);
    begun.begun.action = BW_ACTION_STOP;
    from_guard(&world, &begun);
    assert_true(world.site.guard_cleans);
    guard_state(&world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP, .reach_works = true});
    assert_false(world.site.guard_cleans);
}

/* 3.2.4: proved counts of a service that is inside alone. */
static void what_was_seen_outside_is_fenced_as_outside_whatever_was_proved(void **state)
{
    static const enum bw_reach_seen seen[] = {BW_REACH_UNSEEN, BW_REACH_INSIDE, BW_REACH_OUTSIDE};

    (void)state;
    for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
        struct bw_site_actions out;
        struct world world;
        bool is_asked = false;

        begin_serving(&world);
        world.site.guard.sight = (struct bw_reach_sight){.seen = seen[i], .proved = true, .epoch = 1};
        world.now_ms = world.site.arm_sent_end.boot_ns / MS - FENCE_MS / 2;
        bw_site_step(&world.site, &(struct bw_site_event){.kind = BW_SITE_EVENT_TICK},
                     at_ms(world.now_ms), &out);
        for (uint32_t j = 0; j < out.count; j++) {
            if (out.list[j].kind != BW_SITE_ACTION_OWN_FENCE)
                continue;
            is_asked = true;
            assert_int_equal(out.list[j].is_inside, seen[i] == BW_REACH_INSIDE);
            assert_int_equal(out.list[j].is_proved, seen[i] == BW_REACH_INSIDE);
        }
        assert_true(is_asked);
    }
}

/* 3.4: where the other instance has renewed since, its mirror is read again in the new window; the same
 * deadline once more is none. */
static void the_mirror_of_another_is_read_once_in_each_of_its_windows(void **state)
{
    struct bw_site_event mirror = {.kind = BW_SITE_EVENT_MIRROR_READ,
                                   .mirror_epoch = 2,
                                   .mirror_fence_ns = FENCE_MS * MS,
                                   .mirror_is_anothers = true};
    struct world world;

    (void)state;
    begin(&world);
    mirror.mirror_end = at_ms(world.now_ms + 5000);
    happen(&world, &mirror);
    tick_at(&world, world.now_ms + 3100);
    assert_asked(&world, "READ_MIRROR");
    happen(&world, &mirror); /* as it was */
    assert_not_asked(&world, "READ_MIRROR");
    mirror.mirror_end = at_ms(world.now_ms + 2100);
    happen(&world, &mirror);
    assert_not_asked(&world, "READ_MIRROR");
    tick_at(&world, world.now_ms + 200);
    assert_asked(&world, "READ_MIRROR");
    tick_at(&world, world.now_ms + 50);
    assert_not_asked(&world, "READ_MIRROR");
}

/* 3.2.4: a fence may be told to have taken 1 ms; told to have taken none it took some. */
static void a_fence_takes_some_time(void **state)
{
    struct bw_guard_message fenced = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    fenced.fence.ok = true;
    for (uint32_t ms = 0; ms < 4; ms++) {
        fenced.fence.duration_ms = ms;
        from_guard(&world, &fenced);
        assert_int_equal(reported(&world).fence_took_ms, ms == 0 ? 1 : ms);
    }
}

/* 3.8: only one that was too slow is given another chance by time; what kept F is known for good. */
static void a_fence_in_time_is_not_forgotten(void **state)
{
    struct bw_guard_message fenced = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    stop_and_give_back(&world, 1);
    fenced.fence.ok = true;
    fenced.fence.duration_ms = 700;
    from_guard(&world, &fenced);
    for (int hours = 0; hours < 5; hours++) {
        tick_at(&world, world.now_ms + 3600 * UINT64_C(1000));
        assert_int_equal(reported(&world).fence_took_ms, 700);
    }
}

/* 3.3: an end that the guard says in spite of a fence that failed is asked for again after a pause. */
static void an_end_in_spite_of_a_failed_fence_is_asked_for_after_a_pause(void **state)
{
    struct world world;
    uint64_t asked_ms;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=7\n");
    assert_int_equal(world.site.tenure, BW_TENURE_ENDING);
    world.site.fence_failed = true;
    world.site.fence_failed_epoch = 1;
    end_epoch(&world, 1);
    asked_ms = world.now_ms;
    assert_false(world.site.memory.given_back);
    assert_int_equal(world.site.tenure, BW_TENURE_STUCK);
    assert_not_asked(&world, "RUN:fence");
    tick_at(&world, asked_ms + RETRY_MS - 1);
    assert_not_asked(&world, "RUN:fence");
    for (int kind = 0; kind < BW_ACTION_COUNT; kind++)
        if (world.site.observation[kind].running)
            ended(&world, &world.sent_look, BW_RUN_OK, "");
    assert_not_asked(&world, "RUN:fence");
    tick_at(&world, asked_ms + RETRY_MS);
    assert_asked(&world, "RUN:fence");
}

/* 3.8: a pause is over once both clocks say so. */
static void a_rogue_is_fenced_once_its_pause_is_over_by_both_clocks(void **state)
{
    (void)state;
    for (uint64_t slow = 0; slow <= 50; slow += 50) {
        struct world world;
        uint64_t paused_ms;

        raw_slow_permille = slow;
        begin(&world);
        guard_state(&world, &(struct bw_guard_state){
                                .reach = BW_REACH_CGROUP, .reach_works = true, .enforced = true});
        assert_true(world.site.memory.enforced);
        paused_ms = world.now_ms + RETRY_MS;
        world.site.retry_at = bw_instant_add(at_ms(world.now_ms), RETRY_MS * MS);
        world.site.rogue_in_a_row = 2;
        for (int kind = 0; kind < BW_ACTION_COUNT; kind++)
            world.site.observation[kind].due = at_ms(world.now_ms + 10000);
        tick_at(&world, paused_ms - 1);
        assert_not_asked(&world, "RUN:fence");
        tick_at(&world, paused_ms);
        if (slow != 0)
            assert_not_asked(&world, "RUN:fence");
        else
            assert_asked(&world, "RUN:fence");
        tick_at(&world, paused_ms + RETRY_MS);
        assert_int_equal(world.site.running, BW_ACTION_FENCE);
    }
    raw_slow_permille = 0;
}

/* 3.4: whose start is over renews on, whatever its disk does, and though nobody knows whether it serves. */
static void who_serves_renews_on_beside_a_disk_that_fails(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.save = BW_SITE_SAVE_FAILED;
    world.site.unsaved_own_since = at_ms(world.now_ms);
    world.site.retry_at = at_ms(world.now_ms + 3600000);
    for (int i = 0; i < 30; i++) {
        confirm(&world, 1, world.now_ms);
        armed(&world);
        status(&world, "unknown");
        assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
        assert_true(renews(&world));
    }
}

/* ---- what is seen ---- */

/* 3.3: only what serves after the lease is a fence that failed, and the witnesses hear of it at once. */
static void what_is_seen_after_the_lease_is_a_failed_fence_where_it_serves(void **state)
{
    static const char *const words[] = {"stopped", "unknown", "started"};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const bool serves = i == 2;
        struct world world;

        begin_serving(&world);
        for (int ticks = 0; ticks < 3 && !world.site.observation[BW_ACTION_STATUS].running; ticks++) {
            tick_at(&world, world.site.arm_sent_end.boot_ns / MS + 1000 * (uint64_t)(ticks + 1));
            for (int kind = 0; kind < BW_ACTION_COUNT; kind++)
                if (world.site.observation[kind].running && kind != BW_ACTION_STATUS)
                    ended(&world, &world.sent_look, BW_RUN_OK, "");
        }
        assert_true(world.site.observation[BW_ACTION_STATUS].running);
        world.now_ms += 10;
        ended(&world, &world.sent_look, BW_RUN_OK, words[i]);
        assert_int_equal(reported(&world).fence_failed, serves);
        if (serves)
            assert_asked(&world, "SYNC");
    }
}

/* 3.9: of a fence that did not fail there is nothing to take back, and nothing to say. */
static void what_is_not_enforced_says_nothing_anew_with_each_look(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    for (int i = 0; i < 4; i++) {
        status(&world, "stopped");
        assert_not_asked(&world, "SYNC");
    }
}

/* 4: a lag is rounded up by each digit that it has. */
static void each_digit_of_a_lag_counts(void **state)
{
    static const struct {
        const char *output;
        uint64_t lag_ms;
    } lags[] = {{"lag_seconds=0.999\n", 999},    {"lag_seconds=9.09\n", 9090},
                {"lag_seconds=0.0009\n", 1},     {"lag_seconds=0.0090\n", 9},
                {"lag_seconds=19.9991\n", 20000}, {"lag_seconds=0.0000\n", 0},
                {"lag_seconds=1.00001\n", 1001}, {"lag_seconds=0.00010\n", 1}};
    struct world world;

    (void)state;
    begin(&world);
    for (size_t i = 0; i < sizeof lags / sizeof lags[0]; i++) {
        look(&world, BW_ACTION_READINESS, BW_RUN_OK, lags[i].output);
        assert_true(reported(&world).has_lag);
        assert_int_equal(reported(&world).lag_ms, lags[i].lag_ms);
    }
}

/* 3.4: other scripts than those that the reach is committed of make a site wait with its start, and say
 * `outside` while it does; who has nothing to start yet says what it has seen. */
static void who_does_not_start_yet_says_what_it_has_seen(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.site.guard.sight = (struct bw_reach_sight){.seen = BW_REACH_INSIDE, .digest = 7};
    order(&world, BW_ORDER_RUN, 1);
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
    assert_int_equal(reported(&world).sight.seen, BW_REACH_INSIDE);
    confirm(&world, 1, world.now_ms);
    armed(&world);
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    assert_int_equal(reported(&world).sight.seen, BW_REACH_OUTSIDE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_begins_with_nothing_of_the_one_before),
        cmocka_unit_test(what_was_restarted_in_an_epoch_may_be_in_the_next),
        cmocka_unit_test(a_stop_of_another_epoch_that_failed_orders_no_fence),
        cmocka_unit_test(what_was_adopted_and_never_started_here_is_past_no_return),
        cmocka_unit_test(who_never_served_owes_no_rejoin),
        cmocka_unit_test(after_a_reboot_without_its_guard_the_agent_fences_and_gives_back),
        cmocka_unit_test(after_the_stop_that_a_reboot_asks_for_looks_are_as_rare_as_ever),
        cmocka_unit_test(an_event_says_nothing_of_what_it_is_not_about),
        cmocka_unit_test(an_event_of_the_witnesses_saves_nothing_by_itself),
        cmocka_unit_test(a_rejoin_that_fails_is_begun_again_after_a_pause),
        cmocka_unit_test(a_rejoin_that_runs_already_is_told),
        cmocka_unit_test(a_fence_of_another_instance_that_failed_is_watched_on),
        cmocka_unit_test(what_another_instance_armed_of_our_epoch_is_not_our_lease),
        cmocka_unit_test(what_could_not_be_written_down_has_shown_the_guard_no_epoch),
        cmocka_unit_test(a_guard_that_greets_anew_cleans_nothing_up),
        cmocka_unit_test(what_was_seen_outside_is_fenced_as_outside_whatever_was_proved),
        cmocka_unit_test(the_mirror_of_another_is_read_once_in_each_of_its_windows),
        cmocka_unit_test(a_fence_takes_some_time),
        cmocka_unit_test(what_is_seen_after_the_lease_is_a_failed_fence_where_it_serves),
        cmocka_unit_test(what_is_not_enforced_says_nothing_anew_with_each_look),
        cmocka_unit_test(each_digit_of_a_lag_counts),
        cmocka_unit_test(who_does_not_start_yet_says_what_it_has_seen),
        cmocka_unit_test(a_fence_in_time_is_not_forgotten),
        cmocka_unit_test(an_end_in_spite_of_a_failed_fence_is_asked_for_after_a_pause),
        cmocka_unit_test(a_rogue_is_fenced_once_its_pause_is_over_by_both_clocks),
        cmocka_unit_test(who_serves_renews_on_beside_a_disk_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
