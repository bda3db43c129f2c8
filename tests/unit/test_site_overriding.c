/* site: what is asked for while it overrides (design 3.8): of whom, when, and what it wakes for meanwhile. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "override_site.h"

#define RETRY_MS 200

static void greet(struct world *world, bool is_armed)
{
    guard_state(world, &(struct bw_guard_state){
                           .enforced = true, .epoch_seen = 1, .armed_serial = is_armed ? 1 : 0});
}

/* An agent that finds that it overrides as it begins, and its service as `word` says. */
static void begin_found(struct world *world, const char *word)
{
    struct bw_site_memory memory;

    begin_overriding(world);
    memory = world->site.kept;
    begin_with(world, &memory);
    greet(world, true);
    status(world, word);
}

static bool starts_failed(struct world *world)
{
    return (reported(world).alarms & UINT32_C(1) << BW_ALARM_START_FAILED) != 0;
}

/* ---- of its guard ---------------------------------------------------------------------------- */

/* It is started once its guard has it written down, and the guard is asked for that once. */
static void until_the_guard_says_so_nothing_is_started(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    pass(&world, 1000, "stopped");
    assert_not_asked(&world, "MANUAL");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    assert_false(world.site.memory.override_wrote);

    override_done(&world);
    assert_asked(&world, "RUN:start");
}

static void the_guard_hears_of_which_group_and_under_which_epoch(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    greet(&world, false);
    assert_asked(&world, "MANUAL");
    assert_string_equal(world.sent.group, "g");
    assert_int_equal(world.sent.epoch, 1);
    assert_int_equal(world.sent.arm.epoch, 1);
    assert_int_equal(world.sent.arm.serial, 1);
    assert_int_equal(world.sent.arm.terms.fence_ms, FENCE_MS);
    assert_true(world.sent.arm.terms.ttl_ms > FENCE_MS && world.sent.arm.terms.ttl_ms <= FOR_MS);
}

/* 3.8: bound to the bytes that lay there at the command. */
static void the_guard_hears_of_the_scripts_of_the_command(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    world.site.guard.sight.digest = 77;
    ask(&world);
    pass(&world, WAIT_MS + 200, "stopped");
    world.site.guard.sight.digest = 78;
    override_done(&world);
    assert_asked(&world, "RUN:start");
    assert_int_equal(world.sent_run.run.facts.reach_digest, 77);
}

/* Nobody would read it, nor answer. */
static void a_guard_that_is_away_is_told_once_it_is_back(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    guard_lost(&world);
    tick_at(&world, world.now_ms + 100);
    assert_not_asked(&world, "MANUAL");

    greet(&world, false);
    assert_asked(&world, "MANUAL");
}

/* 3.4: one action of a group at a time. */
static void what_runs_without_a_lease_is_not_begun_beside_itself(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    override_done(&world);
    assert_asked(&world, "RUN:start");
    tick_at(&world, world.now_ms + 300);
    assert_not_asked(&world, "RUN:start");

    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    tick_at(&world, world.now_ms + 1000);
    assert_asked(&world, "RUN:stop");
    tick_at(&world, world.now_ms + 300);
    assert_not_asked(&world, "RUN:stop");
}

/* What its guard lets serve and nobody here knows of: by that guard, while it is there, and again. */
static void what_nobody_knows_of_is_fenced_by_one_fence_after_the_other(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    tick_at(&world, world.now_ms + 300);
    assert_not_asked(&world, "RUN:fence");
    greet(&world, true);
    assert_asked(&world, "RUN:fence");
    assert_int_equal(world.sent_run.run.epoch, 1);
    tick_at(&world, world.now_ms + 300);
    assert_not_asked(&world, "RUN:fence");

    ended(&world, &world.sent_run, BW_RUN_KILLED, "");
    assert_not_asked(&world, "RUN:fence");
    guard_lost(&world);
    tick_at(&world, world.now_ms + 2000);
    assert_not_asked(&world, "RUN:fence");
    greet(&world, true);
    assert_asked(&world, "RUN:fence");
}

/* ---- its starts ------------------------------------------------------------------------------ */

/* It serves under no epoch: what the order of one has said is of that. */
static void a_start_without_an_epoch_is_told_of_none(void **state)
{
    static const struct bw_run_facts none = {.grade = BW_GRADE_NONE};
    struct bw_order of = {.kind = BW_ORDER_STAND_BY,
                          .index = 12,
                          .epoch = 1,
                          .others_epoch = true,
                          .reason = BW_REASON_SITE_LOST,
                          .previous_site = "dc-b",
                          .position = "9",
                          .planned = true};
    struct world world;

    (void)state;
    begin_standby(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    ask(&world);
    pass(&world, WAIT_MS + 200, "stopped");
    override_done(&world);
    assert_asked(&world, "RUN:start");
    assert_memory_equal(&world.sent_run.run.facts, &none, sizeof none);
}

/* 4: what is written from here on follows nobody, whomever the data before has followed. */
static void a_start_without_an_epoch_takes_back_that_it_has_rejoined(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    world.site.memory.rejoined_epoch = 1;
    ask(&world);
    pass(&world, WAIT_MS + 200, "stopped");
    assert_int_equal(world.site.memory.rejoined_epoch, 1);
    override_done(&world);
    assert_asked(&world, "RUN:start");
    assert_int_equal(world.site.kept.rejoined_epoch, 0);
    assert_int_equal(reported(&world).joined_epoch, 0);
}

/* 4: unknown starts nothing. */
static void what_nobody_knows_to_be_down_is_not_started(void **state)
{
    struct world world;

    (void)state;
    begin_found(&world, "unknown");
    pass(&world, 2 * WAIT_MS, "unknown");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
}

/* Its looks are 100 ms apart, however rare they are else. */
static void after_its_start_it_is_looked_at_back_to_back(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    world.site.limits.check_interval_ns = 10000 * MS;
    override_done(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_asked(&world, "RUN:status");
    ended(&world, &world.sent_look, BW_RUN_OK, "stopped");
    pass(&world, 100, "");
    assert_asked(&world, "RUN:status");
}

/* That it serves is said at once, and once: by the first look, and by that after each start. */
static void that_it_serves_again_is_said_and_ends_the_alarm(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    status(&world, "started");
    assert_not_asked(&world, "SYNC");
    for (int i = 0; i < 3; i++)
        status(&world, "stopped");
    assert_asked(&world, "RUN:start");
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    assert_true(starts_failed(&world));
    tick_at(&world, world.now_ms + 1000);
    assert_asked(&world, "RUN:stop");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_asked(&world, "RUN:start");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    assert_asked(&world, "SYNC");
    assert_false(starts_failed(&world));
    assert_int_equal(world.site.override_start, BW_SITE_OVERRIDE_START_SERVES);
}

/* 4: how often it was seen down before its lease says nothing of what that has started. */
static void what_was_down_by_a_persons_word_is_not_down_in_its_epoch(void **state)
{
    struct world world;
    uint64_t first;

    (void)state;
    begin_overriding(&world);
    leader_answers(&world);
    adopt(&world, 2);
    status(&world, "stopped");
    status(&world, "stopped");
    confirm(&world, 2, world.now_ms);
    armed(&world);
    assert_asked(&world, "RUN:start");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    first = world.sent_run.run.run_id;
    status(&world, "stopped");
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.run_id, first);
    status(&world, "stopped");
    assert_true(world.sent_run.run.run_id > first);
}

/* ---- its fences ------------------------------------------------------------------------------ */

/* By its word nothing that serves by it is a rogue, not even once it is over (3.8). */
static void what_served_by_a_persons_word_is_no_rogue_when_that_ends(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    for (int i = 0; i < 3; i++)
        status(&world, "started");
    ask_end(&world);
    assert_asked(&world, "RUN:fence");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    tick_at(&world, world.now_ms + 100);
    assert_not_asked(&world, "RUN:fence");
    assert_int_equal(world.site.rogue_starts, 0);
}

/* Its kills are done within the window, each look has its time, and that twice (3.4). */
static void a_guard_has_twice_the_time_that_its_fence_takes(void **state)
{
    const uint64_t fence_ms = 1000, look_ms = 1000; /* as the shell's limits have it */
    struct world world;
    uint64_t limit_ms;

    (void)state;
    begin_overriding(&world);
    world.site.guard.fence_bound_ms = (uint32_t)fence_ms;
    ask_end(&world);
    limit_ms = world.now_ms + 2 * (bw_lease_window_of_ns(fence_ms * MS) / MS + look_ms);
    tick_at(&world, limit_ms - 1);
    assert_not_asked(&world, "OWN_FENCE");
    assert_not_asked(&world, "RUN:fence");
    assert_wakes_at(&world, at_ms(limit_ms));

    raw_slow_permille = 100; /* by the slower clock (design 1) */
    tick_at(&world, limit_ms);
    raw_slow_permille = 0;
    assert_not_asked(&world, "OWN_FENCE");
    tick_at(&world, limit_ms);
    assert_asked(&world, "OWN_FENCE");
}

/* Not by both at once. */
static void beside_the_agents_own_fence_its_guard_is_asked_for_none(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    guard_lost(&world);
    ask_end(&world);
    assert_asked(&world, "OWN_FENCE");
    tick_at(&world, world.now_ms + 300);
    assert_not_asked(&world, "OWN_FENCE");
    greet(&world, true);
    assert_not_asked(&world, "RUN:fence");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1});
    assert_not_asked(&world, "RUN:fence"); /* after a pause */
    tick_at(&world, world.now_ms + RETRY_MS);
    assert_asked(&world, "RUN:fence");
}

/* F is that of the newest terms, or what the script of a fence needs: the larger. */
static void its_fence_has_the_time_of_the_newest_terms_or_of_its_script(void **state)
{
    static const struct {
        uint32_t own_ms, ordered_ms, bound_ms;
    } cases[] = {{3000, FENCE_MS, 0}, {0, FENCE_MS, 0}, {0, 0, 1000}, {100, 100, 4000}, {0, 0, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint64_t script_ns = bw_lease_window_of_ns(cases[i].bound_ms * MS);
        const uint64_t terms_ms = cases[i].own_ms > cases[i].ordered_ms ? cases[i].own_ms : cases[i].ordered_ms;
        const uint64_t longer_ns = script_ns > terms_ms * MS ? script_ns : terms_ms * MS;
        const uint64_t fence_ns = longer_ns > 1000 * MS ? longer_ns : 1000 * MS;
        struct bw_fence_plan plan;
        struct world world;

        begin_standby(&world);
        ask(&world);
        world.site.guard.fence_bound_ms = cases[i].bound_ms;
        world.site.order.terms.fence_ms = cases[i].ordered_ms;
        world.site.memory.terms.fence_ms = cases[i].own_ms;
        pass(&world, WAIT_MS + 200, "stopped");
        assert_int_equal(world.site.memory.override_fence_ms, fence_ns / MS);
        guard_lost(&world);
        ask_end(&world);
        assert_asked(&world, "OWN_FENCE");
        plan = bw_lease_plan_fence(bw_instant_add(at_ms(world.now_ms), fence_ns / MS * MS), fence_ns / MS * MS);
        assert_memory_equal(&world.fence, &plan, sizeof plan);
    }
}

/* ---- what it wakes for, while its looks hang ------------------------------------------------- */

static void it_wakes_when_the_wait_is_over(void **state)
{
    struct world world;
    uint64_t asked_ms;

    (void)state;
    begin_standby(&world);
    asked_ms = world.now_ms;
    ask(&world);
    leave_look_open(&world);
    live_until(&world, asked_ms + WAIT_MS - 300);
    assert_wakes_at(&world, at_ms(asked_ms + WAIT_MS));
}

/* An agent that begins has heard nobody yet: a leader would have answered within that. */
static void what_is_found_down_wakes_it_when_a_leader_would_have_answered(void **state)
{
    struct world world;
    uint64_t fresh_ms;

    (void)state;
    begin_found(&world, "stopped");
    fresh_ms = bw_site_leader_fresh_ns(&world.site) / MS;
    leave_look_open(&world);
    live_until(&world, BEGIN_MS + fresh_ms - 300);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    tick_at(&world, BEGIN_MS + fresh_ms);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
}

/* While a leader answers only its grant starts what is down: that may end. */
static void what_is_down_wakes_it_when_the_answer_is_no_longer_fresh(void **state)
{
    struct world world;
    uint64_t answered_ms, first;

    (void)state;
    begin_overriding(&world);
    first = world.sent_run.run.run_id;
    status(&world, "stopped");
    status(&world, "stopped");
    leader_answers(&world);
    answered_ms = world.now_ms;
    status(&world, "stopped");
    leader_answers(&world);
    answered_ms = world.now_ms;
    leave_look_open(&world);
    live_until(&world, answered_ms + bw_site_leader_fresh_ns(&world.site) / MS - 300);
    assert_int_equal(world.sent_run.run.run_id, first);
    assert_wakes_at(&world, bw_instant_add(at_ms(answered_ms), bw_site_leader_fresh_ns(&world.site)));
    tick_at(&world, answered_ms + bw_site_leader_fresh_ns(&world.site) / MS);
    assert_true(world.sent_run.run.run_id > first);
}

static void a_start_that_was_ordered_wakes_it_when_its_time_is_over(void **state)
{
    struct bw_instant limit;
    struct world world;

    (void)state;
    begin_waited(&world);
    override_done(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    limit = world.site.start_limit;
    leave_look_open(&world);
    live_until(&world, limit.boot_ns / MS - 300);
    assert_wakes_at(&world, limit);

    raw_slow_permille = 10; /* by the slower clock (design 1) */
    tick_at(&world, limit.boot_ns / MS);
    raw_slow_permille = 0;
    assert_false(starts_failed(&world));
    tick_at(&world, limit.boot_ns / MS);
    assert_true(starts_failed(&world));
}

/* ---- an epoch that nobody ever armed --------------------------------------------------------- */

/* It is given back for what a person has said only where nobody can have touched it (3.8). */
static void what_may_have_been_touched_is_not_given_back_for_a_person(void **state)
{
    enum { UNTOUCHED, WITHOUT_GUARD, BESIDE_A_RUN, ARMED, BEGUN, BEGUN_AT_GUARD, ANSWERED, WAYS };

    (void)state;
    for (int way = 0; way < WAYS; way++) {
        struct world world;

        begin_overriding(&world);
        leader_answers(&world);
        adopt(&world, 2);
        assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
        tick_at(&world, world.now_ms + 1500);
        world.now_ms += 1500;
        if (way == WITHOUT_GUARD)
            guard_lost(&world);
        if (way == BESIDE_A_RUN)
            world.site.running = BW_ACTION_STOP;
        if (way == ARMED)
            world.site.arm_sent_end = at_ms(world.now_ms + TTL_MS);
        if (way == BEGUN)
            world.site.memory.start_begun = true;
        if (way == BEGUN_AT_GUARD)
            world.site.guard.start_epoch = 2;
        if (way == ANSWERED)
            leader_answers(&world);
        tick_at(&world, world.now_ms);
        assert_int_equal(world.site.memory.given_back, way == UNTOUCHED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(until_the_guard_says_so_nothing_is_started),
        cmocka_unit_test(the_guard_hears_of_which_group_and_under_which_epoch),
        cmocka_unit_test(the_guard_hears_of_the_scripts_of_the_command),
        cmocka_unit_test(a_guard_that_is_away_is_told_once_it_is_back),
        cmocka_unit_test(what_runs_without_a_lease_is_not_begun_beside_itself),
        cmocka_unit_test(what_nobody_knows_of_is_fenced_by_one_fence_after_the_other),
        cmocka_unit_test(a_start_without_an_epoch_is_told_of_none),
        cmocka_unit_test(a_start_without_an_epoch_takes_back_that_it_has_rejoined),
        cmocka_unit_test(what_nobody_knows_to_be_down_is_not_started),
        cmocka_unit_test(after_its_start_it_is_looked_at_back_to_back),
        cmocka_unit_test(that_it_serves_again_is_said_and_ends_the_alarm),
        cmocka_unit_test(what_was_down_by_a_persons_word_is_not_down_in_its_epoch),
        cmocka_unit_test(what_served_by_a_persons_word_is_no_rogue_when_that_ends),
        cmocka_unit_test(a_guard_has_twice_the_time_that_its_fence_takes),
        cmocka_unit_test(beside_the_agents_own_fence_its_guard_is_asked_for_none),
        cmocka_unit_test(its_fence_has_the_time_of_the_newest_terms_or_of_its_script),
        cmocka_unit_test(it_wakes_when_the_wait_is_over),
        cmocka_unit_test(what_is_found_down_wakes_it_when_a_leader_would_have_answered),
        cmocka_unit_test(what_is_down_wakes_it_when_the_answer_is_no_longer_fresh),
        cmocka_unit_test(a_start_that_was_ordered_wakes_it_when_its_time_is_over),
        cmocka_unit_test(what_may_have_been_touched_is_not_given_back_for_a_person),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
