/* site: a disk that answers late, or not at all. Nothing is promised, started or released before it is
 * durable (3.4, 3.5), and all else goes on meanwhile. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

static bool has_alarm(struct world *world)
{
    return (reported(world).alarms & UINT32_C(1) << BW_ALARM_STATE_NOT_DURABLE) != 0;
}

static void an_epoch_waits_for_the_disk_and_then_goes_its_way(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_hangs = true;
    order(&world, BW_ORDER_RUN, 1);
    assert_asked(&world, "SAVE");
    assert_false(renews(&world));

    world.now_ms += 500;
    saved(&world, true);
    assert_true(renews(&world));

    confirm(&world, 1, world.now_ms);
    armed(&world); /* enforced is saved, then that a start begins */
    assert_not_asked(&world, "RUN:start");
    saved(&world, true);
    assert_asked(&world, "SAVE");
    assert_not_asked(&world, "RUN:start");
    saved(&world, true);
    assert_asked(&world, "RUN:start");
}

/* What the disk does not hold yet is forgotten by a crash: nobody is told of it. */
static void nothing_is_reported_that_is_not_durable(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_hangs = true;
    order(&world, BW_ORDER_RUN, 1);
    saved(&world, true);
    confirm(&world, 1, world.now_ms);
    armed(&world);
    assert_true(world.site.memory.enforced);
    assert_false(reported(&world).enforced);

    saved(&world, true);
    assert_true(reported(&world).enforced);
}

static void a_rejoin_is_done_when_it_is_durable(void **state)
{
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .start_begun = true, .given_back = true, .enforced = true};
    struct world world;

    (void)state;
    begin_with(&world, &memory);
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    guard_state(&world, &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1});
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});
    world.save_hangs = true;
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_asked(&world, "SAVE");
    assert_int_equal(reported(&world).joined_epoch, 1);
    assert_true(reported(&world).rejoining);

    saved(&world, true);
    assert_int_equal(reported(&world).joined_epoch, 2);
    assert_false(reported(&world).rejoining);
}

static void released_waits_for_the_disk_and_no_renewal_leaves_meanwhile(void **state)
{
    const struct bw_guard_message ended_there = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_leased(&world);
    world.save_hangs = true;
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    if (world.sent_run.run.action == BW_ACTION_STOP)
        ended(&world, &world.sent_run, BW_RUN_OK, "");
    from_guard(&world, &ended_there);
    assert_true(world.site.memory.given_back);
    assert_false(renews(&world));
    assert_int_equal(released(&world).epoch, 0);

    saved(&world, true);
    assert_int_equal(released(&world).epoch, 1);
}

/* What was given back stays so, and is said, while something else is on its way to the disk. */
static void released_goes_on_while_another_save_hangs(void **state)
{
    struct bw_site_memory memory = held;
    struct world world;

    (void)state;
    memory.given_back = true;
    memory.enforced = false;
    begin_with(&world, &memory);
    world.save_hangs = true;
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .ended_epoch = 1, .epoch_seen = 1});
    assert_asked(&world, "SAVE");
    assert_int_equal(released(&world).epoch, 1);
}

/* The service cannot be started before the disk answers: the lease is for a site that can. */
static void a_disk_that_hangs_before_the_start_costs_the_lease_and_is_an_alarm(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    world.save_hangs = true;
    confirm(&world, 1, world.now_ms);
    armed(&world);
    assert_true(renews(&world));
    assert_false(has_alarm(&world));

    tick_at(&world, world.now_ms + 2001);
    assert_true(has_alarm(&world));
    tick_at(&world, world.now_ms + 3000);
    assert_false(renews(&world));

    saved(&world, true);
    assert_false(has_alarm(&world));
}

/* What runs needs no disk to go on: it is renewed, and looked at. */
static void a_disk_that_hangs_takes_nothing_from_a_service_that_runs(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.save_hangs = true;
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1, .armed_epoch = 1,
                                                 .armed_instance = instance_a});
    for (int i = 0; i < 6; i++) {
        world.now_ms += 1000;
        confirm(&world, 1, world.now_ms);
        armed(&world);
        status(&world, "started");
    }
    assert_true(renews(&world));
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
}

static void an_answer_that_nobody_waits_for_says_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    saved(&world, false);
    assert_false(has_alarm(&world));
    assert_not_asked(&world, "SYNC");
}

/* 3.4: the answer to an older write is no word about what was asked for since. */
static void an_older_write_answers_for_nothing_newer(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_hangs = true;
    guard_state(&world, &(struct bw_guard_state){.enforced = true});
    assert_asked(&world, "SAVE");
    const uint64_t older = world.save_number;

    order(&world, BW_ORDER_RUN, 1);
    assert_asked(&world, "SAVE");
    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_SAVED, .number = older, .ok = true});
    assert_false(renews(&world));

    saved(&world, true);
    assert_true(renews(&world));
}

static const struct bw_guard_message not_stopped = {
    .kind = BW_GUARD_MESSAGE_END_REFUSED, .epoch = 1, .refused.why = BW_REFUSAL_NOT_STOPPED};

/* 3.2.4: after a reboot a stop script has to have ended before the guard ends an epoch, whatever came of it. Nobody
 * began it, and it is down: its data is no newer for that (4). */
static void an_end_that_waits_for_a_stop_script_is_no_word_of_a_start(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    order(&world, BW_ORDER_STOP, 1);
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=4");
    assert_asked(&world, "END");
    assert_false(world.site.kept.start_begun);

    from_guard(&world, &not_stopped);

    assert_false(world.site.memory.start_begun);
    tick_at(&world, world.now_ms + 1000);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=4");
    assert_asked(&world, "END");
    from_guard(&world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1});
    assert_true(world.site.memory.given_back);
    assert_int_equal(world.site.memory.reason, BW_REASON_NEVER_STARTED);
    assert_false(world.site.memory.past_no_return);
}

/* 3.4, start order. What was found to serve is fenced while the epoch is written down, and whoever says then
 * that it has not ended has it stopped: not by a stop that one plans, with renewals. */
static void an_epoch_that_was_never_durable_is_not_renewed_while_it_is_stopped(void **state)
{
    const struct bw_site_memory enforced = {.enforced = true};
    struct world world;

    (void)state;
    begin_with(&world, &enforced);
    guard_state(&world, &(struct bw_guard_state){.enforced = true});
    world.save_hangs = true;
    order(&world, BW_ORDER_RUN, 1);
    status(&world, "started");
    status(&world, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    world.sent_run.run.epoch = 1;
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    tick_at(&world, world.now_ms + 1000);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_asked(&world, "END");

    from_guard(&world, &not_stopped);

    assert_true(world.site.memory.start_begun); /* 4: it serves, and a restarted agent would take it for untouched */
    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
    assert_false(renews(&world));
    confirm(&world, 1, world.now_ms);
    assert_not_asked(&world, "ARM");
}

/* 3.4: by the slower clock (design 1), and whatever else it waits for. */
static void a_disk_that_hangs_wakes_it_when_that_is_an_alarm(void **state)
{
    struct world world;
    uint64_t slow_ms;

    (void)state;
    begin(&world);
    world.save_hangs = true;
    order(&world, BW_ORDER_RUN, 1);
    slow_ms = world.now_ms + 2000;
    leave_look_open(&world);
    assert_wakes_at(&world, at_ms(slow_ms));

    raw_slow_permille = 10;
    tick_at(&world, slow_ms);
    raw_slow_permille = 0;
    assert_false(has_alarm(&world));
    tick_at(&world, slow_ms);
    assert_true(has_alarm(&world));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_waits_for_the_disk_and_then_goes_its_way),
        cmocka_unit_test(nothing_is_reported_that_is_not_durable),
        cmocka_unit_test(a_rejoin_is_done_when_it_is_durable),
        cmocka_unit_test(released_waits_for_the_disk_and_no_renewal_leaves_meanwhile),
        cmocka_unit_test(released_goes_on_while_another_save_hangs),
        cmocka_unit_test(a_disk_that_hangs_before_the_start_costs_the_lease_and_is_an_alarm),
        cmocka_unit_test(a_disk_that_hangs_takes_nothing_from_a_service_that_runs),
        cmocka_unit_test(an_answer_that_nobody_waits_for_says_nothing),
        cmocka_unit_test(an_older_write_answers_for_nothing_newer),
        cmocka_unit_test(an_end_that_waits_for_a_stop_script_is_no_word_of_a_start),
        cmocka_unit_test(an_epoch_that_was_never_durable_is_not_renewed_while_it_is_stopped),
        cmocka_unit_test(a_disk_that_hangs_wakes_it_when_that_is_an_alarm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
