/* site: what a person who lets it serve without a quorum (design 3.8) is told that it waits for,
 * and what is kept of it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "override_site.h"

static void assert_waits(const struct bw_site *site, uint64_t now_ms, enum bw_override_waits waits)
{
    uint64_t left_ns;

    assert_int_equal(bw_site_override_waits(site, at_ms(now_ms), &left_ns), waits);
    assert_int_equal(left_ns != 0, waits == BW_OVERRIDE_WAITS_LEASE);
}

static void what_it_waits_for_is_said(void **state)
{
    struct world world;
    uint64_t left_ns;

    (void)state;
    begin_standby(&world);
    assert_waits(&world.site, world.now_ms, BW_OVERRIDE_WAITS_NOTHING);
    ask(&world);
    assert_int_equal(bw_site_override_waits(&world.site, at_ms(world.now_ms), &left_ns),
                     BW_OVERRIDE_WAITS_LEASE);
    assert_int_equal(left_ns, WAIT_MS * MS);
    begin_waited(&world);
    assert_waits(&world.site, world.now_ms, BW_OVERRIDE_WAITS_GUARD);
    override_done(&world);
    assert_waits(&world.site, world.now_ms, BW_OVERRIDE_WAITS_START);
    begin_overriding(&world);
    assert_waits(&world.site, world.now_ms, BW_OVERRIDE_WAITS_NOTHING);
    leader_answers(&world);
    assert_waits(&world.site, world.now_ms, BW_OVERRIDE_WAITS_WITNESSES);
    status(&world, "stopped"); /* only a grant starts that */
    leader_answers(&world);
    assert_waits(&world.site, world.now_ms, BW_OVERRIDE_WAITS_GRANT);
    ask_end(&world);
    assert_waits(&world.site, world.now_ms, BW_OVERRIDE_WAITS_END);
}

/* Each of these alone holds it back, and is named. */
static void what_holds_back_its_beginning_is_said(void **state)
{
    struct world world;
    struct bw_site site;
    uint64_t due_ms;

    (void)state;
    begin_standby(&world);
    ask(&world);
    due_ms = world.now_ms + WAIT_MS;
    assert_waits(&world.site, due_ms - 1, BW_OVERRIDE_WAITS_LEASE);
    assert_waits(&world.site, due_ms, BW_OVERRIDE_WAITS_NOTHING);
    world.site.override_since.raw_ns += 1;
    assert_waits(&world.site, due_ms, BW_OVERRIDE_WAITS_LEASE);
    world.site.override_since.raw_ns -= 1;

    site = world.site;
    site.save = BW_SITE_SAVE_PENDING;
    assert_waits(&site, due_ms, BW_OVERRIDE_WAITS_DISK);
    site.service = BW_SERVICE_UNKNOWN;
    assert_waits(&site, due_ms, BW_OVERRIDE_WAITS_STATUS);
    site.running = BW_ACTION_STOP;
    assert_waits(&site, due_ms, BW_OVERRIDE_WAITS_GUARD);
    site.tenure = BW_TENURE_WAITING;
    assert_waits(&site, due_ms, BW_OVERRIDE_WAITS_EPOCH);
    site.tenure = BW_TENURE_STUCK;
    assert_waits(&site, due_ms, BW_OVERRIDE_WAITS_FENCE);
    site = world.site;
    site.own_fence = BW_SITE_OWN_FENCE_RUNNING;
    assert_waits(&site, due_ms, BW_OVERRIDE_WAITS_FENCE);
    site = world.site;
    site.fence_failed = true;
    assert_waits(&site, due_ms, BW_OVERRIDE_WAITS_FENCE);
    site = world.site;
    site.memory.epoch = 1; /* given back, and held until a fence answers (3.3) */
    site.memory.given_back = true;
    site.order.kind = BW_ORDER_STOP;
    site.order.instance = instance_a;
    site.order.held_index = 30;
    assert_waits(&site, due_ms, BW_OVERRIDE_WAITS_FENCE);
    site.memory.given_back = false; /* first it has to be */
    site.tenure = BW_TENURE_STOPPING;
    assert_waits(&site, due_ms, BW_OVERRIDE_WAITS_EPOCH);
    guard_lost(&world);
    assert_waits(&world.site, due_ms, BW_OVERRIDE_WAITS_GUARD);
}

static void what_holds_back_its_start_is_said(void **state)
{
    struct world world;
    struct bw_site site;
    uint64_t now_ms;

    (void)state;
    begin_overriding(&world);
    status(&world, "stopped");
    leader_answers(&world);
    now_ms = world.now_ms;
    assert_waits(&world.site, now_ms, BW_OVERRIDE_WAITS_GRANT);
    assert_waits(&world.site, now_ms + 2999, BW_OVERRIDE_WAITS_GRANT);
    assert_waits(&world.site, now_ms + 3000, BW_OVERRIDE_WAITS_START);

    site = world.site;
    site.retry_at = at_ms(now_ms);
    site.retry_at.raw_ns += 1;
    assert_waits(&site, now_ms, BW_OVERRIDE_WAITS_START);
    site = world.site;
    site.override_start = BW_SITE_OVERRIDE_START_STOP_DUE;
    assert_waits(&site, now_ms, BW_OVERRIDE_WAITS_START);
    site = world.site;
    site.override_start = BW_SITE_OVERRIDE_START_RAN;
    assert_waits(&site, now_ms, BW_OVERRIDE_WAITS_START);
    site = world.site;
    site.running = BW_ACTION_START;
    assert_waits(&site, now_ms, BW_OVERRIDE_WAITS_START);
    site.guard.armed_serial = 0;
    assert_waits(&site, now_ms, BW_OVERRIDE_WAITS_GUARD);
    site.tenure = BW_TENURE_WAITING;
    assert_waits(&site, now_ms + WAIT_MS, BW_OVERRIDE_WAITS_WITNESSES);

    site = world.site;
    site.service = BW_SERVICE_UNKNOWN;
    assert_waits(&site, now_ms + WAIT_MS, BW_OVERRIDE_WAITS_STATUS);
    guard_lost(&world);
    assert_waits(&world.site, now_ms, BW_OVERRIDE_WAITS_GUARD);
}

/* A wait is over with the slower of the two clocks (design 1). */
static void a_wait_is_over_once_both_clocks_say_so(void **state)
{
    struct bw_instant until;
    struct world world;
    uint64_t left_ns;

    (void)state;
    begin_overriding(&world);
    status(&world, "stopped");
    leader_answers(&world);
    until = bw_instant_add(at_ms(world.now_ms), bw_site_leader_fresh_ns(&world.site));
    until.raw_ns -= 1;
    assert_int_equal(bw_site_override_waits(&world.site, until, &left_ns), BW_OVERRIDE_WAITS_GRANT);
}

/* Whether the witnesses answer it is unknown, and so it is taken that they do. */
static void after_a_restart_it_waits_for_a_grant_first(void **state)
{
    struct bw_site_memory memory;
    struct world world;

    (void)state;
    begin_overriding(&world);
    memory = world.site.kept;
    begin_with(&world, &memory);
    guard_state(&world,
                &(struct bw_guard_state){.enforced = true, .epoch_seen = 1, .armed_serial = 1});
    status(&world, "stopped");
    assert_waits(&world.site, BEGIN_MS + 999, BW_OVERRIDE_WAITS_GRANT);
    assert_waits(&world.site, BEGIN_MS + 1000, BW_OVERRIDE_WAITS_START);
}

/* An agent that is stopped, a machine that is paused: nobody was heard meanwhile, and another site may have been
 * granted. */
static void an_agent_that_stood_still_counts_anew(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    pass(&world, WAIT_MS / 2, "stopped");
    tick_at(&world, world.now_ms + WAIT_MS);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_WAITING);
    assert_asked(&world, "SYNC");
    assert_waits(&world.site, world.now_ms + WAIT_MS - 1, BW_OVERRIDE_WAITS_LEASE);
    pass(&world, WAIT_MS + 100, "stopped");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);

    /* What it finds down then is started once a leader would have answered. */
    begin_overriding(&world);
    tick_at(&world, world.now_ms + WAIT_MS);
    for (unsigned i = 0; i < world.site.limits.failure_threshold; i++)
        status(&world, "stopped");
    assert_int_equal(world.site.running, BW_ACTION_NONE);
    assert_waits(&world.site, world.now_ms, BW_OVERRIDE_WAITS_GRANT);
    pass(&world, 3100, "stopped");
    assert_int_equal(world.site.running, BW_ACTION_START);
}

/* As long as it is looked at again within the time that a leader's answer counts it does not. */
static void an_agent_that_is_slow_counts_on(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    for (uint64_t waited_ms = 0; waited_ms < WAIT_MS; waited_ms += 500) {
        status(&world, "stopped");
        tick_at(&world, world.now_ms + 500);
    }
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);
}

/* A guard that stood still may read the order when another site serves. */
static void a_start_without_a_lease_is_right_for_ten_seconds(void **state)
{
    const struct bw_instant *not_after;
    struct world world;

    (void)state;
    begin_waited(&world);
    override_done(&world);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    not_after = &world.sent_run.run.not_after;
    assert_int_equal(not_after->boot_ns, at_ms(world.now_ms + 10000).boot_ns);
    assert_int_equal(not_after->raw_ns, at_ms(world.now_ms + 10000).raw_ns);
}

/* ---- what is kept of it ---------------------------------------------------------------------- */

static void who_asks_anew_waits_a_whole_lease_and_leaves_no_trace_of_before(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    ask_end(&world);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_PERSON);
    pass(&world, 5000, "stopped");
    world.save_hangs = true;

    ask(&world);

    assert_asked(&world, "SYNC"); /* nobody grants another site meanwhile */
    saved(&world, true);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_NONE);
    assert_int_equal(world.site.kept.override_unix_ms, 1);
    assert_true(bw_id_equal(world.site.kept.override_boot_id, this_boot));
    assert_waits(&world.site, world.now_ms + WAIT_MS - 1, BW_OVERRIDE_WAITS_LEASE);
}

/* What was judged as it was asked for is not judged again: no leader has answered since. */
static void an_answer_before_the_command_keeps_no_start_waiting(void **state)
{
    const struct bw_override_wish wish = {.wait_ms = 1000, .for_ms = FOR_MS, .unix_ms = 1};
    struct world world;

    (void)state;
    begin_standby(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OVERRIDE, .wish = &wish});
    pass(&world, 1200, "stopped");
    override_done(&world);
    assert_asked(&world, "RUN:start");
}

/* One that is over has no part in the file (3.8), nor in the next one. */
static void what_is_over_leaves_nothing_behind(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    status(&world, "stopped");
    status(&world, "stopped");
    status(&world, "stopped");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(world.site.override_start, BW_SITE_OVERRIDE_START_RAN);
    ask_end(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");

    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.kept.override_unix_ms, 0);
    assert_true(bw_id_equal(world.site.kept.override_boot_id, (struct bw_id){{0}}));
    assert_int_equal(world.site.override_start, BW_SITE_OVERRIDE_START_NONE);

    begin_overriding(&world);
    ask_end(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(world.site.override_start, BW_SITE_OVERRIDE_START_NONE);

    begin_waited(&world);
    override_done(&world);
    ended(&world, &world.sent_run, BW_RUN_FAILED,
          ""); /* a stop is due, and then its epoch has it */
    adopt(&world, 2);
    confirm(&world, 2, world.now_ms);
    armed(&world);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.override_start, BW_SITE_OVERRIDE_START_NONE);
}

/* Who hears of it decides again, or no more; the disk may take its time. */
static void each_change_of_it_is_said_at_once(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    world.save_hangs = true;
    ask_end(&world);
    assert_asked(&world, "SYNC");

    begin_overriding(&world);
    world.save_hangs = true;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OVERRIDE_END});
    assert_asked(&world, "SYNC");
    ended(&world, &world.sent_run, BW_RUN_OK, ""); /* the stop */
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_asked(&world, "SYNC");
}

/* 3.8: else it would have stood still, by its own count, wherever nothing else wakes it. */
static void it_looks_at_its_clock_twice_while_an_answer_counts(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    leave_look_open(&world);
    assert_wakes_at(&world, at_ms(world.now_ms + 1500)); /* of three seconds */
}

/* 3.3, 3.8: the witnesses ask for a fence of what it held before. What serves since then by a person's word it would
 * end: it is owed until that is over. */
static void a_fence_that_is_owed_waits_for_the_end_of_it(void **state)
{
    struct bw_order of = order_to(BW_ORDER_STOP, 1);
    struct world world;

    (void)state;
    begin_overriding(&world);
    world.site.memory.epoch = 1;
    world.site.memory.given_back = true;
    world.site.saving = world.site.kept = world.site.memory;
    world.site.lease.epoch = 1;
    of.held_index = 30;
    world.sent_run.run.action = BW_ACTION_NONE;
    tell_order(&world, of);
    pass(&world, 3000, "started");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    ask_end(&world);
    assert_asked(&world, "RUN:fence");
}

/* It waits for the longest lease there is, and so for one that was granted after the let-go, too. */
static void a_let_go_that_it_missed_ends_nothing_that_only_waits(void **state)
{
    const struct bw_order of = {.kind = BW_ORDER_STAND_BY, .index = 20, .let_go_index = 20, .epoch = 1};
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_WAITING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_waits_for_is_said),
        cmocka_unit_test(what_holds_back_its_beginning_is_said),
        cmocka_unit_test(what_holds_back_its_start_is_said),
        cmocka_unit_test(a_wait_is_over_once_both_clocks_say_so),
        cmocka_unit_test(after_a_restart_it_waits_for_a_grant_first),
        cmocka_unit_test(an_agent_that_stood_still_counts_anew),
        cmocka_unit_test(an_agent_that_is_slow_counts_on),
        cmocka_unit_test(a_start_without_a_lease_is_right_for_ten_seconds),
        cmocka_unit_test(who_asks_anew_waits_a_whole_lease_and_leaves_no_trace_of_before),
        cmocka_unit_test(an_answer_before_the_command_keeps_no_start_waiting),
        cmocka_unit_test(what_is_over_leaves_nothing_behind),
        cmocka_unit_test(each_change_of_it_is_said_at_once),
        cmocka_unit_test(it_looks_at_its_clock_twice_while_an_answer_counts),
        cmocka_unit_test(a_fence_that_is_owed_waits_for_the_end_of_it),
        cmocka_unit_test(a_let_go_that_it_missed_ends_nothing_that_only_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
