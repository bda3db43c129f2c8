/* site: which script is asked when, and what is made of its answer (design 3.6, 3.8, 4). What
 * follows from a status: test_site_watch. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "override_site.h"

static struct world world;

/* ---- verify (4) ------------------------------------------------------------------------------ */

/* It judges a start of this site. What serves while nothing may start any more was not started
 * here. */
static void nothing_is_verified_before_its_start_has_run(void **state)
{
    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_VERIFY] = true;
    world.site.guard.sight = (struct bw_reach_sight){.seen = BW_REACH_UNSEEN, .digest = 2};
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);
    armed(&world); /* of other scripts than those that it would be started by: it waits */
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    tick_at(&world, world.now_ms + TTL_MS - FENCE_MS);
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);

    pass(&world, 400, "started");

    assert_false(world.site.observation[BW_ACTION_VERIFY].has_result);
    assert_int_not_equal(world.sent_look.run.action, BW_ACTION_VERIFY);
}

/* A start that has run is verified at once, and what one verify has answered is not asked again. */
static void what_was_started_serves_once_it_is_verified(void **state)
{
    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_VERIFY] = true;
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);
    armed(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    look(&world, BW_ACTION_VERIFY, BW_RUN_FAILED, "");
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    status(&world, "started");
    look(&world, BW_ACTION_VERIFY, BW_RUN_OK, "");
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);

    world.sent_look.run.action = BW_ACTION_NONE;
    for (int i = 0; i < 3; i++) {
        status(&world, "started");
        assert_int_not_equal(world.sent_look.run.action, BW_ACTION_VERIFY);
    }
}

/* 4: nobody rejoins behind what was adopted before it is verified: as often as status is asked. */
static void what_was_adopted_is_verified_as_often_as_it_is_looked_at(void **state)
{
    uint32_t count[BW_ACTION_COUNT] = {0};

    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_VERIFY] = true;
    status(&world, "started");
    adopt(&world, 1);
    confirm(&world, 1, world.now_ms);
    armed(&world);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);

    for (const uint64_t end = world.now_ms + 6000; world.now_ms < end;) {
        for (int kind = 0; kind < BW_ACTION_COUNT; kind++) {
            if (!world.site.observation[kind].running)
                continue;
            count[kind]++;
            ended(&world, &world.sent_look, kind == BW_ACTION_VERIFY ? BW_RUN_FAILED : BW_RUN_OK,
                  kind == BW_ACTION_STATUS ? "started" : "");
        }
        tick_at(&world, world.now_ms + 100);
    }

    assert_in_range(count[BW_ACTION_STATUS], 5, 7);
    assert_in_range(count[BW_ACTION_VERIFY], 5, 7);
}

/* ---- the final position (3.6) ---------------------------------------------------------------- */

static const char *position_after(enum bw_run_result result)
{
    static struct bw_released of;

    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_asked(&world, "RUN:readiness");
    ended(&world, &world.sent_look, result, "position=4711\n");
    assert_asked(&world, "END");
    from_guard(&world,
               &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1});
    of = released(&world);
    assert_int_equal(of.epoch, 1);
    return of.position;
}

/* It may say that it is not ready, and is: its service was stopped. What was cut off may have
 * printed half. */
static void a_readiness_that_ended_by_itself_has_measured_the_final_position(void **state)
{
    (void)state;
    assert_string_equal(position_after(BW_RUN_OK), "4711");
    assert_string_equal(position_after(BW_RUN_FAILED), "4711");
    assert_string_equal(position_after(BW_RUN_TIMED_OUT), "");
}

/* 3.6: the guard may be long in seeing the end, and readiness runs meanwhile: what that one printed before it was cut
 * off is half of a number, and a target that has that much would be taken for one that has all. */
static void the_final_position_is_the_one_that_was_measured(void **state)
{
    static const struct {
        enum bw_run_result result;
        const char *says, *given_back;
    } later[] = {{BW_RUN_TIMED_OUT, "position=47", "4711"}, {BW_RUN_FAILED, "", "4711"}, {BW_RUN_OK, "position=4712\n", "4712"}};

    (void)state;
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++) {
        begin_serving(&world);
        order(&world, BW_ORDER_STOP, 1);
        ended(&world, &world.sent_run, BW_RUN_OK, "");
        ended(&world, &world.sent_look, BW_RUN_OK, "position=4711\n");
        assert_asked(&world, "END");
        look(&world, BW_ACTION_READINESS, later[i].result, later[i].says);

        from_guard(&world,
                   &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1});

        assert_string_equal(released(&world).position, later[i].given_back);
    }
}

/* One that was cut off by no fault of its own has measured nothing, and is asked again. */
static void a_readiness_that_was_killed_is_asked_again_for_the_final_position(void **state)
{
    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    ended(&world, &world.sent_look, BW_RUN_KILLED, "position=47");
    assert_not_asked(&world, "END");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=4711\n");
    assert_asked(&world, "END");
}

/* Its script was taken away, here or from what its guard has read, while the epoch waits for it. */
static void a_readiness_that_nothing_runs_any_more_is_not_waited_for(void **state)
{
    struct bw_site_limits changed;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .epoch = 1};

    (void)state;
    for (int is_guards = 0; is_guards < 2; is_guards++) {
        begin_serving(&world);
        order(&world, BW_ORDER_STOP, 1);
        ended(&world, &world.sent_run, BW_RUN_OK, "");
        assert_asked(&world, "RUN:readiness");
        of.ended = (struct bw_guard_run_ended){.result = BW_RUN_REFUSED,
                                               .refusal = BW_REFUSAL_NO_SCRIPT,
                                               .run_id = world.sent_look.run.run_id,
                                               .action = BW_ACTION_READINESS,
                                               .exit_status = -1};
        if (!is_guards) {
            of.ended.refusal = BW_REFUSAL_BUSY;
            changed = world.site.limits;
            changed.has_script[BW_ACTION_READINESS] = false;
            bw_site_set_limits(&world.site, &changed);
        }
        from_guard(&world, &of);
        assert_asked(&world, "END");
    }
}

static void without_a_readiness_script_no_position_is_waited_for(void **state)
{
    (void)state;
    begin_serving(&world);
    world.site.limits.has_script[BW_ACTION_READINESS] = false;
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_asked(&world, "END");
}

/* Whose readiness is as it was: a file that was read again takes nothing from what is under way. */
static void a_reload_forgoes_no_position_that_is_measured(void **state)
{
    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_asked(&world, "RUN:readiness");
    bw_site_set_limits(&world.site, &limits);
    tick_at(&world, world.now_ms + 100);
    assert_not_asked(&world, "END");
    ended(&world, &world.sent_look, BW_RUN_OK, "position=4711\n");
    assert_asked(&world, "END");
}

/* 3.2.4: a fence that has begun meanwhile ends it once more, and may move where it stands. */
static void what_is_measured_beside_a_fence_is_no_final_position(void **state)
{
    const struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    ended(&world, &world.sent_look, BW_RUN_KILLED, "");
    assert_int_equal(world.site.final, BW_SITE_FINAL_DUE);
    from_guard(&world, &begun);
    assert_int_equal(world.site.tenure, BW_TENURE_FENCING);
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=4711\n");
    assert_int_equal(world.site.final, BW_SITE_FINAL_DUE);
}

/* ---- rogues (3.8) ---------------------------------------------------------------------------- */

/* I1: under an arm whose answer is on its way the guard may hold a lease of this very epoch. */
static void what_serves_beside_an_arm_on_its_way_is_no_rogue(void **state)
{
    (void)state;
    begin(&world);
    world.site.memory.enforced = true;
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);
    assert_asked(&world, "ARM");
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
    for (int i = 0; i < 3; i++)
        status(&world, "started");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    assert_int_equal(world.site.rogue_starts, 0);
    armed(&world);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
}

/* 3.8: it serves under a manual lease. What was counted then counts against nobody afterwards. */
static void what_a_person_lets_serve_is_no_rogue(void **state)
{
    (void)state;
    begin_overriding(&world);
    assert_true(world.site.memory.enforced);
    world.sent_run.run.action = BW_ACTION_NONE;
    for (int i = 0; i < 4; i++)
        status(&world, "started");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    assert_int_equal(world.site.rogue_in_a_row, 0);
    assert_int_equal(world.site.rogue_starts, 0);
    assert_false(world.site.alarms & (1u << BW_ALARM_ROGUE_START));
    world.site.fence_failed = true; /* of before: it would end what a person has asked for */
    status(&world, "stopped");
    tick_at(&world, world.now_ms + 1000);
    assert_int_not_equal(world.sent_run.run.action, BW_ACTION_FENCE);
}

/* 3.4: a deadline that is armed no more holds nobody back. */
static void what_another_instance_had_armed_protects_no_rogue(void **state)
{
    (void)state;
    for (int armed_epoch = 0; armed_epoch < 2; armed_epoch++) {
        begin_standby(&world);
        world.site.guard.armed_epoch = (uint64_t)armed_epoch;
        world.site.guard.armed_instance = instance_b;
        world.site.guard.armed_end = at_ms(world.now_ms + 60000);
        status(&world, "started");
        status(&world, "started");
        assert_int_equal(world.sent_run.run.action == BW_ACTION_FENCE, armed_epoch == 0);
    }
}

/* Twice in a row: stopped in between is the end of the first. */
static void one_that_is_gone_at_the_next_look_is_not_fenced(void **state)
{
    (void)state;
    begin_standby(&world);
    for (int i = 0; i < 3; i++) {
        status(&world, "started");
        status(&world, "stopped");
    }
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    status(&world, "unknown"); /* which is no better than started */
    status(&world, "unknown");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    assert_asked(&world, "SYNC");
}

/* ---- after the lease (3.3) ------------------------------------------------------------------- */

/* `started` after it is a fact that the witnesses hear at once, and once. */
static void what_serves_after_its_lease_is_told_at_once_and_once(void **state)
{
    uint64_t end_ms;

    (void)state;
    begin_serving(&world);
    end_ms = world.site.arm_sent_end.boot_ns / MS;
    tick_at(&world, end_ms - FENCE_MS / 2); /* its own fence runs from here on, and does not end */
    world.now_ms = end_ms;
    status(&world, "started"); /* by a look that began before */
    assert_false(reported(&world).fence_failed);
    status(&world, "started");
    assert_asked(&world, "SYNC");
    assert_true(reported(&world).fence_failed);
    assert_int_equal(reported(&world).fence_epoch, 1);
    assert_true(reported(&world).alarms & (1u << BW_ALARM_FENCE_FAILED));
    status(&world, "started");
    assert_not_asked(&world, "SYNC");
}

/* 3.4: what was begun before its hello, or by the guard itself, is no look of this agent. */
static void only_the_look_that_was_asked_for_is_heard(void **state)
{
    struct bw_guard_message other;

    (void)state;
    begin(&world);
    for (int i = 0; i < 100 && !world.site.observation[BW_ACTION_STATUS].running; i++)
        pass(&world, 100, "stopped");
    assert_true(world.site.observation[BW_ACTION_STATUS].running);
    other = world.sent_look;
    other.run.run_id--;
    ended(&world, &other, BW_RUN_OK, "started");
    assert_int_equal(world.site.service, BW_SERVICE_STOPPED);
    assert_true(world.site.observation[BW_ACTION_STATUS].running);
    ended(&world, &world.sent_look, BW_RUN_OK, "started");
    assert_int_equal(world.site.service, BW_SERVICE_STARTED);
}

/* 3.1: what serves on while it is fenced served until then; what comes back after that did not. */
static void what_serves_on_was_seen_to_serve_until_it_stopped(void **state)
{
    const struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    struct bw_instant seen_at;

    (void)state;
    begin_serving(&world);
    status(&world, "started");
    seen_at = world.site.seen_at;
    from_guard(&world, &begun);
    assert_int_equal(world.site.tenure, BW_TENURE_FENCING);
    status(&world, "started");
    status(&world, "started"); /* by a look that began since */
    assert_true(bw_instant_is_later(world.site.seen_at, seen_at));

    status(&world, "stopped");
    seen_at = world.site.seen_at;
    status(&world, "started");
    assert_memory_equal(&world.site.seen_at, &seen_at, sizeof seen_at);
}

/* 3.2.4: where it was seen is as new as that it was seen. */
static void a_look_says_where_the_service_is(void **state)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .epoch = 1};

    (void)state;
    begin_serving(&world);
    leave_look_open(&world);
    of.ended = (struct bw_guard_run_ended){.epoch = 1,
                                           .action = BW_ACTION_STATUS,
                                           .run_id = world.site.observation[BW_ACTION_STATUS].run_id,
                                           .result = BW_RUN_OK,
                                           .sight = {.seen = BW_REACH_OUTSIDE, .digest = 9},
                                           .line = "started"};
    from_guard(&world, &of);
    assert_int_equal(reported(&world).sight.seen, BW_REACH_OUTSIDE);
    assert_int_equal(reported(&world).sight.digest, 9);
}

/* 3.7: nobody serves until this is known. */
static void after_a_reboot_it_is_looked_at_back_to_back(void **state)
{
    struct bw_site_memory memory = held;
    const struct bw_observation *status_look = &world.site.observation[BW_ACTION_STATUS];

    (void)state;
    begin_serving(&world);
    leave_look_open(&world);
    assert_int_equal(status_look->due.boot_ns - status_look->begun.boot_ns, 1000 * MS);

    memory.boot_id = last_boot;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1});
    leave_look_open(&world);
    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
    assert_true(status_look->due.boot_ns - status_look->begun.boot_ns < 1000 * MS);
}

/* 4: the word of a script that the site file does not name any more. */
static void a_condition_that_was_taken_away_meanwhile_says_nothing(void **state)
{
    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_CONDITION] = true;
    for (int i = 0; i < 100 && !world.site.observation[BW_ACTION_CONDITION].running; i++) {
        for (int other = 0; other < BW_ACTION_COUNT; other++)
            if (world.site.observation[other].running && other != BW_ACTION_CONDITION)
                ended(&world, &world.sent_look, BW_RUN_OK, "stopped");
        if (!world.site.observation[BW_ACTION_CONDITION].running)
            tick_at(&world, world.now_ms + 100);
    }
    assert_true(world.site.observation[BW_ACTION_CONDITION].running);
    world.site.limits.has_script[BW_ACTION_CONDITION] = false;
    ended(&world, &world.sent_look, BW_RUN_OK, "start");
    assert_int_equal(world.site.condition, BW_CONDITION_NONE);
    assert_false(world.site.alarms & (1u << BW_ALARM_CONDITION_FAILED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_verified_before_its_start_has_run),
        cmocka_unit_test(what_was_started_serves_once_it_is_verified),
        cmocka_unit_test(what_was_adopted_is_verified_as_often_as_it_is_looked_at),
        cmocka_unit_test(a_readiness_that_ended_by_itself_has_measured_the_final_position),
        cmocka_unit_test(a_readiness_that_nothing_runs_any_more_is_not_waited_for),
        cmocka_unit_test(the_final_position_is_the_one_that_was_measured),
        cmocka_unit_test(a_readiness_that_was_killed_is_asked_again_for_the_final_position),
        cmocka_unit_test(without_a_readiness_script_no_position_is_waited_for),
        cmocka_unit_test(what_is_measured_beside_a_fence_is_no_final_position),
        cmocka_unit_test(a_reload_forgoes_no_position_that_is_measured),
        cmocka_unit_test(what_serves_beside_an_arm_on_its_way_is_no_rogue),
        cmocka_unit_test(what_a_person_lets_serve_is_no_rogue),
        cmocka_unit_test(what_another_instance_had_armed_protects_no_rogue),
        cmocka_unit_test(one_that_is_gone_at_the_next_look_is_not_fenced),
        cmocka_unit_test(what_serves_after_its_lease_is_told_at_once_and_once),
        cmocka_unit_test(only_the_look_that_was_asked_for_is_heard),
        cmocka_unit_test(what_serves_on_was_seen_to_serve_until_it_stopped),
        cmocka_unit_test(a_look_says_where_the_service_is),
        cmocka_unit_test(after_a_reboot_it_is_looked_at_back_to_back),
        cmocka_unit_test(a_condition_that_was_taken_away_meanwhile_says_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
