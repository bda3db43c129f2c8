/* site: what it says of an epoch that it gives back, and what its guard's word changes (3.5, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

/* A site without a script that tells a final position: what has ended is given back at once. */
static void begin_again(struct world *world, const struct bw_site_memory *memory)
{
    begin_with(world, memory);
    world->site.limits.has_script[BW_ACTION_READINESS] = false;
}

/* What the guard knows of an epoch 1 that has ended there. */
static struct bw_guard_state ended_state(uint64_t start_epoch, enum bw_served served)
{
    return (struct bw_guard_state){.reach = BW_REACH_CGROUP,
                                   .reach_works = true,
                                   .enforced = true,
                                   .epoch_seen = 1,
                                   .ended_epoch = 1,
                                   .stop_seen = true,
                                   .start_epoch = start_epoch,
                                   .served = served};
}

/* 4: the newest data is here, unless no start was begun, or none came to serve. */
static void an_epoch_is_past_no_return_unless_nothing_of_it_can_have_served(void **state)
{
    static const struct {
        bool start_begun;
        bool adopt;
        uint64_t start_epoch;
        enum bw_served served;
        bool is_past;
        enum bw_reason reason;
    } cases[] = {
        {false, false, 0, BW_SERVED_MAYBE, false, BW_REASON_NEVER_STARTED},
        {true, false, 1, BW_SERVED_NEVER, false, BW_REASON_LEASE_LOST},
        {true, false, 1, BW_SERVED_NOT_SEEN, true, BW_REASON_LEASE_LOST},
        {true, false, 1, BW_SERVED_MAYBE, true, BW_REASON_LEASE_LOST},
        {true, false, 0, BW_SERVED_NEVER, true,
         BW_REASON_LEASE_LOST}, /* of another epoch's starts */
        {false, true, 1, BW_SERVED_NEVER, true, BW_REASON_LEASE_LOST},  /* it served before */
        {false, false, 1, BW_SERVED_MAYBE, true, BW_REASON_LEASE_LOST}, /* the guard's word */
        {false, false, 1, BW_SERVED_NEVER, false, BW_REASON_LEASE_LOST},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct bw_guard_state reported = ended_state(cases[i].start_epoch, cases[i].served);
        struct bw_site_memory memory = held;
        struct world world;

        memory.start_begun = cases[i].start_begun;
        memory.adopt = cases[i].adopt;
        (void)strcpy(memory.position, "42"); /* of an epoch before */
        begin_again(&world, &memory);
        guard_state(&world, &reported);

        assert_true(world.site.memory.given_back);
        assert_int_equal(world.site.memory.past_no_return, cases[i].is_past);
        assert_int_equal(world.site.memory.reason, cases[i].reason);
        assert_string_equal(world.site.memory.position, "");
    }
}

/* What an agent before this one has obeyed is why; an order of another epoch or kind says nothing
 * of it. */
static void an_epoch_is_given_back_for_the_order_that_ended_it(void **state)
{
    static const struct {
        enum bw_order_kind kind;
        uint64_t epoch;
        enum bw_reason reason;
    } cases[] = {{BW_ORDER_STOP, 1, BW_REASON_SWITCHOVER},
                 {BW_ORDER_STOP, 2, BW_REASON_LEASE_LOST},
                 {BW_ORDER_STAND_BY, 1, BW_REASON_LEASE_LOST},
                 {BW_ORDER_RUN, 1, BW_REASON_LEASE_LOST}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct bw_guard_state reported = ended_state(1, BW_SERVED_MAYBE);
        struct world world;

        begin_again(&world, &held);
        world.site.order.kind = cases[i].kind;
        world.site.order.epoch = cases[i].epoch;
        world.site.order.reason = BW_REASON_SWITCHOVER;
        guard_state(&world, &reported);

        assert_true(world.site.memory.given_back);
        assert_int_equal(world.site.memory.reason, cases[i].reason);
    }
}

/* An adoption was not begun here, whatever the guard has begun of it since. */
static void an_adoption_is_not_remembered_as_a_start(void **state)
{
    struct bw_site_memory memory = held;
    struct bw_guard_state reported = ended_state(1, BW_SERVED_MAYBE);
    struct world world;

    (void)state;
    reported.ended_epoch = 0;
    memory.start_begun = false;
    begin_with(&world, &memory);
    guard_state(&world, &reported);
    assert_true(world.site.memory.start_begun); /* ours is an older copy */

    memory.adopt = true;
    begin_with(&world, &memory);
    guard_state(&world, &reported);
    assert_false(world.site.memory.start_begun);
}

/* ---- the guard's word ---- */

static void a_guard_that_is_back_is_not_lost_any_more(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    guard_lost(&world);
    for (int i = 0; i < 100 && (reported(&world).alarms & 1u << BW_ALARM_GUARD_LOST) == 0; i++)
        tick_at(&world, world.now_ms + 100);
    assert_true((reported(&world).alarms & 1u << BW_ALARM_GUARD_LOST) != 0);

    guard_state(&world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP, .reach_works = true});

    assert_false((reported(&world).alarms & 1u << BW_ALARM_GUARD_LOST) != 0);
}

/* Its guard says all of it. */
static void a_site_that_its_guard_answers_reads_no_mirror(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    for (int i = 0; i < 50; i++) {
        tick_at(&world, world.now_ms + 100);
        assert_not_asked(&world, "READ_MIRROR");
    }
}

/* 3.1: an answer that comes late lets nothing go that was granted since. */
static void a_let_go_that_was_done_before_is_done(void **state)
{
    struct bw_guard_message done = {.kind = BW_GUARD_MESSAGE_LET_GO_DONE};
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.memory.let_go_index = 7;
    done.let_go_index = 7;
    from_guard(&world, &done);

    assert_false(world.site.memory.given_back);
    assert_true(world.site.memory.enforced);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
}

/* 3.9: nor one whose guard's disk stood still from then on until the site was granted again. */
static void a_let_go_that_is_older_than_the_epoch_ends_no_epoch(void **state)
{
    const struct bw_guard_message done = {.kind = BW_GUARD_MESSAGE_LET_GO_DONE, .let_go_index = 7};
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.memory.order_index = 8;
    from_guard(&world, &done);

    assert_int_equal(world.site.memory.let_go_index, 7);
    assert_false(world.site.memory.given_back);
    assert_true(world.site.memory.enforced);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
}

static void let_go_now(struct world *world)
{
    struct bw_order of = order_to(BW_ORDER_LET_GO, 1);

    of.let_go_index = 20;
    of.let_go_epoch = 1;
    tell_order(world, of);
    from_guard(world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_LET_GO_DONE,
                                                 .let_go_index = 20});
    assert_int_equal(world->site.tenure, BW_TENURE_NONE);
}

/* 3.4: it disarms, and answers an arm that was on its way by nothing else: who went on waiting for that would
 * say of a guard that is well that it is none. */
static void who_lets_go_waits_for_the_answer_of_no_arm(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.now_ms += 1000;
    confirm(&world, 1, world.now_ms);
    assert_asked(&world, "ARM");
    let_go_now(&world);
    tick_at(&world, world.now_ms + TTL_MS);
    status(&world, "started"); /* its looks are answered */
    assert_true(reported(&world).guard_alive);
}

/* What its guard told of as armed when it came is let go as well: nobody has that ended. */
static void what_was_let_go_is_owed_no_end(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    guard_state(&world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP,
                                                 .reach_works = true,
                                                 .enforced = true,
                                                 .epoch_seen = 1,
                                                 .armed_epoch = 1,
                                                 .armed_instance = world.site.instance,
                                                 .armed_end = at_ms(world.now_ms + TTL_MS),
                                                 .start_epoch = 1,
                                                 .served = BW_SERVED_MAYBE});
    let_go_now(&world);
    for (int i = 0; i < 20; i++) {
        assert_not_asked(&world, "END");
        tick_at(&world, world.now_ms + 500);
    }
}

/* ---- an epoch that its guard does not arm (3.4) ---- */

/* In a second each: renewed, confirmed, and refused. False: it was renewed no more. */
static bool refuse_for(struct world *world, enum bw_refusal why, uint64_t ms)
{
    struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_ARM_REFUSED, .epoch = 2};

    refused.refused.why = why;
    for (uint64_t waited = 0; waited < ms && renews(world); waited += 1000) {
        world->now_ms += 1000;
        confirm(world, 2, world->now_ms);
        from_guard(world, &refused);
    }
    return renews(world);
}

/* It can never start it, and another site can. */
static void an_epoch_that_its_guard_never_arms_is_not_held_for_ever(void **state)
{
    static const enum bw_refusal whys[] = {BW_REFUSAL_FENCING, BW_REFUSAL_OLD_EPOCH,
                                           BW_REFUSAL_WRONG_INSTANCE, BW_REFUSAL_BAD_TERMS};

    (void)state;
    for (size_t i = 0; i < sizeof whys / sizeof whys[0]; i++) {
        struct world world;

        begin(&world);
        order(&world, BW_ORDER_RUN, 2);
        assert_true(renews(&world));
        assert_true(refuse_for(&world, whys[i], FENCE_MS)); /* a fence that runs has its time */
        assert_false(refuse_for(&world, whys[i], 60000));
    }
}

/* What it does has a limit of its own. */
static void an_epoch_waits_for_a_guard_that_is_busy(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 2);
    assert_true(refuse_for(&world, BW_REFUSAL_BUSY, 60000));
    assert_true(refuse_for(&world, BW_REFUSAL_FENCING, 2000)); /* counted from here on */
}

/* Another one may arm it. */
static void an_epoch_that_a_guard_did_not_arm_waits_for_the_next_one(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 2);
    assert_false(refuse_for(&world, BW_REFUSAL_FENCING, 60000));
    guard_lost(&world);
    guard_state(&world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP, .reach_works = true});
    assert_true(renews(&world));
}

/* Its child could not be mirrored, and so was never let go on: with the disk as it is the next one would
 * end in the same way. */
static void a_start_whose_child_was_killed_is_begun_again_in_a_moment(void **state)
{
    struct world world;

    (void)state;
    begin_leased(&world);
    assert_asked(&world, "RUN:start");
    ended(&world, &world.sent_run, BW_RUN_KILLED, "");
    assert_not_asked(&world, "RUN:start");
    tick_at(&world, world.now_ms + 1);
    assert_not_asked(&world, "RUN:start");
    tick_at(&world, world.now_ms + 500);
    assert_asked(&world, "RUN:start");
}

/* A guard that refuses a stop is asked again in a moment, and not without pause. */
static void a_stop_that_was_refused_is_asked_for_again_in_a_moment(void **state)
{
    struct world world;
    int waited_ms = 0;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    assert_asked(&world, "RUN:stop");
    ended(&world, &world.sent_run, BW_RUN_REFUSED, "");
    assert_not_asked(&world, "RUN:stop");
    tick_at(&world, world.now_ms + 1);
    assert_not_asked(&world, "RUN:stop");
    for (; waited_ms < 5000 && strstr(world.log, "RUN:stop") == NULL; waited_ms += 50)
        tick_at(&world, world.now_ms + 50);

    assert_in_range(waited_ms, 50, 2000);
}

static void a_fence_that_failed_leaves_its_site_stuck(void **state) /* 3.2.4 */
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    from_guard(&world, &of);
    assert_int_equal(world.site.tenure, BW_TENURE_FENCING);
    of.kind = BW_GUARD_MESSAGE_FENCE_ENDED;
    of.fence.ok = false;
    from_guard(&world, &of);

    assert_int_equal(world.site.tenure, BW_TENURE_STUCK);
}

/* 3.4: after a power cut nothing is armed, and of what its guard fences unarmed the next guard knows nothing. */
static void a_fence_that_ended_with_its_guard_is_ordered_anew(void **state)
{
    const struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    const struct bw_guard_state unarmed = {.enforced = true, .epoch_seen = 1};
    struct world world;

    (void)state;
    begin_with(&world, &held);
    guard_state(&world, &unarmed);
    from_guard(&world, &begun);
    assert_int_equal(world.site.tenure, BW_TENURE_FENCING);
    assert_int_equal(world.site.arm_sent_end.boot_ns, 0);
    guard_lost(&world);
    guard_state(&world, &unarmed);
    assert_int_equal(world.site.tenure, BW_TENURE_STUCK);
    for (int i = 0; i < 200 && world.sent_run.run.action != BW_ACTION_FENCE; i++)
        tick_at(&world, world.now_ms + 100);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    assert_int_equal(world.sent_run.run.epoch, 1);
}

/* ---- looks ---- */

static void a_lag_is_a_number_and_nothing_else(void **state) /* 4 */
{
    static const struct {
        const char *tail;
        bool has_lag;
        uint64_t lag_ms;
    } cases[] = {{"lag_seconds=5", true, 5000},
                 {"lag_seconds=5\n", true, 5000},
                 {"lag_seconds=0.25", true, 250},
                 {"lag_seconds=5x", false, 0},
                 {"lag_seconds=", false, 0},
                 {"lag_seconds=-1", false, 0},
                 {"lag_seconds=0.0001", true, 1},
                 {"lag_seconds=123456789012", true, UINT64_C(123456789012000)},
                 {"lag_seconds=1234567890123", false, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;

        begin(&world);
        look(&world, BW_ACTION_READINESS, BW_RUN_OK, cases[i].tail);
        assert_int_equal(world.site.has_lag, cases[i].has_lag);
        if (cases[i].has_lag)
            assert_int_equal(world.site.lag_ms, cases[i].lag_ms);
    }
}

/* 4: one look an interval while it serves; only what is awaited is looked at without pause. */
static void a_service_that_serves_is_looked_at_once_an_interval(void **state)
{
    struct world world;
    uint64_t seen_ms;

    (void)state;
    begin_serving(&world);
    status(&world, "started");
    seen_ms = world.now_ms;
    while (!world.site.observation[BW_ACTION_STATUS].running) {
        assert_true(world.now_ms < seen_ms + 2000);
        if (world.site.observation[BW_ACTION_READINESS].running)
            ended(&world, &world.sent_look, BW_RUN_OK, "");
        else
            tick_at(&world, world.now_ms + 50);
    }

    assert_in_range(world.now_ms - seen_ms, 900, 1100);
}

/* 3.9: a service that should not be there is fenced once two looks that follow one another have
 * seen it. */
static void what_serves_without_a_right_is_fenced_after_two_looks_in_a_row(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.site.memory.enforced = true;
    status(&world, "started");
    status(&world, "stopped");
    status(&world, "started");
    assert_not_asked(&world, "RUN:fence");
    assert_int_equal(world.site.rogue_in_a_row, 1);

    status(&world, "started");

    assert_asked(&world, "RUN:fence");
}

/* ---- what it reports ---- */

static void a_site_that_serves_reports_that_it_does_and_by_which_means(void **state)
{
    struct world world;
    struct bw_report report;

    (void)state;
    begin(&world);
    report = reported(&world);
    assert_false(report.serving_epoch_started);
    assert_int_equal(report.service, BW_SERVICE_STOPPED);
    assert_int_equal(report.armed_epoch, 0);
    begin_serving(&world);
    assert_int_equal(reported(&world).service, BW_SERVICE_STARTED);
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "");
    report = reported(&world);

    assert_true(report.serving_epoch_started);
    assert_int_equal(report.armed_epoch, 1);
    assert_int_equal(report.epoch_seen, 1);
    assert_true(report.start_begun);
    assert_int_equal(report.stop_begun_epoch, 0);
    assert_int_equal(report.reach, BW_REACH_CGROUP);
    assert_true(report.reach_works);
    assert_true(report.has_readiness && report.ready);
    assert_int_equal(report.ready_age_ms, 0);
    assert_int_equal(report.check_interval_ms, 1000);
    world.now_ms += 250;
    assert_int_equal(reported(&world).ready_age_ms, 250);
}

/* 3.2.4: before a fence has seen the end, a look that says `stopped` is no word to begin by
 * elsewhere. */
static void what_is_being_fenced_is_not_called_stopped(void **state)
{
    const struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    from_guard(&world, &begun);
    assert_int_equal(world.site.tenure, BW_TENURE_FENCING);
    assert_false(world.site.fence_failed);
    world.site.service = BW_SERVICE_STOPPED;

    assert_int_equal(reported(&world).service, BW_SERVICE_UNKNOWN);
}

static void a_stop_that_failed_is_an_alarm_and_fenced_at_once(void **state) /* 3.5 */
{
    struct world world;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    assert_asked(&world, "RUN:stop");
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");

    assert_asked(&world, "RUN:fence");
    assert_true((reported(&world).alarms & 1u << BW_ALARM_STOP_FAILED) != 0);
}

/* 3.2.4: the enforcer kills what runs in reach, a stop as well. */
static void a_stop_that_met_the_kill_of_the_deadline_has_not_failed(void **state)
{
    static const struct {
        uint64_t before_end_ms; /* of the fence window it is F before the end */
        uint32_t signal;
        bool is_failure;
    } cases[] = {{100, 9, false}, {FENCE_MS + 1000, 9, true}, {100, 0, true}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        struct bw_guard_message of;

        begin_serving(&world);
        order(&world, BW_ORDER_STOP, 1);
        of = (struct bw_guard_message){.kind = BW_GUARD_MESSAGE_RUN_ENDED,
                                       .epoch = 1,
                                       .ended = {.epoch = 1,
                                                 .action = BW_ACTION_STOP,
                                                 .run_id = world.sent_run.run.run_id,
                                                 .result = BW_RUN_FAILED,
                                                 .exit_status = -1,
                                                 .outcome.signal = cases[i].signal}};
        world.now_ms = world.site.arm_sent_end.boot_ns / BW_NS_PER_MS - cases[i].before_end_ms;
        from_guard(&world, &of);

        assert_asked(&world, "RUN:fence");
        assert_int_equal((reported(&world).alarms & 1u << BW_ALARM_STOP_FAILED) != 0, cases[i].is_failure);
        assert_int_equal(reported(&world).failure_count, cases[i].is_failure);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_is_past_no_return_unless_nothing_of_it_can_have_served),
        cmocka_unit_test(an_epoch_is_given_back_for_the_order_that_ended_it),
        cmocka_unit_test(an_adoption_is_not_remembered_as_a_start),
        cmocka_unit_test(a_guard_that_is_back_is_not_lost_any_more),
        cmocka_unit_test(a_site_that_its_guard_answers_reads_no_mirror),
        cmocka_unit_test(a_let_go_that_was_done_before_is_done),
        cmocka_unit_test(a_let_go_that_is_older_than_the_epoch_ends_no_epoch),
        cmocka_unit_test(who_lets_go_waits_for_the_answer_of_no_arm),
        cmocka_unit_test(what_was_let_go_is_owed_no_end),
        cmocka_unit_test(an_epoch_that_its_guard_never_arms_is_not_held_for_ever),
        cmocka_unit_test(an_epoch_waits_for_a_guard_that_is_busy),
        cmocka_unit_test(an_epoch_that_a_guard_did_not_arm_waits_for_the_next_one),
        cmocka_unit_test(a_start_whose_child_was_killed_is_begun_again_in_a_moment),
        cmocka_unit_test(a_stop_that_was_refused_is_asked_for_again_in_a_moment),
        cmocka_unit_test(a_fence_that_failed_leaves_its_site_stuck),
        cmocka_unit_test(a_fence_that_ended_with_its_guard_is_ordered_anew),
        cmocka_unit_test(a_lag_is_a_number_and_nothing_else),
        cmocka_unit_test(a_service_that_serves_is_looked_at_once_an_interval),
        cmocka_unit_test(what_serves_without_a_right_is_fenced_after_two_looks_in_a_row),
        cmocka_unit_test(a_site_that_serves_reports_that_it_does_and_by_which_means),
        cmocka_unit_test(what_is_being_fenced_is_not_called_stopped),
        cmocka_unit_test(a_stop_that_failed_is_an_alarm_and_fenced_at_once),
        cmocka_unit_test(a_stop_that_met_the_kill_of_the_deadline_has_not_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
