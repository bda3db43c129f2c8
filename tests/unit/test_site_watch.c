/* site: looks at the service and what follows from them, while it serves and while it stands by
 * (design 3.3, 3.8, 3.9, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

/* ---- what a look says (3.3, 3.9) ------------------------------------------------------------- */

/* 3.3: `unknown` counts as stopped after a stop that was seen; `started` since then means that it
 * is not so any more. */
static void unknown_counts_as_stopped_only_until_started_is_seen(void **state)
{
    struct world world;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};

    (void)state;
    begin_serving(&world);
    of.fence.ok = true;
    from_guard(&world,
               &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1});
    from_guard(&world, &of);
    status(&world, "unknown");
    assert_true(reported(&world).has_fence_or_stop_succeeded);

    status(&world, "started");
    status(&world, "unknown");

    assert_false(reported(&world).has_fence_or_stop_succeeded);
}

/* 3.9, H13, H15: what a look saw it may have seen as soon as it began. */
static void an_observation_is_as_old_as_its_beginning(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    for (int i = 0; i < 100 && !world.site.observation[BW_ACTION_STATUS].running; i++) {
        if (world.site.observation[BW_ACTION_READINESS].running)
            ended(&world, &world.sent_look, BW_RUN_OK, "");
        else
            tick_at(&world, world.now_ms + 100);
    }
    world.now_ms += 700;
    ended(&world, &world.sent_look, BW_RUN_OK, "stopped");

    assert_int_equal(reported(&world).service_age_ms, 700);
}

/* 3.1: under which epoch its service was seen to serve last, and how long ago. */
static void a_report_says_when_the_service_was_seen_to_serve_last(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    status(&world, "stopped");
    assert_int_equal(reported(&world).seen_epoch, 0);
    begin_serving(&world);
    status(&world, "started");
    assert_int_equal(reported(&world).seen_epoch, 1);

    world.now_ms += 900;
    assert_in_range(reported(&world).seen_age_ms, 900, 1100);
    status(&world, "unknown"); /* which says neither yes nor no */
    status(&world, "stopped");

    assert_int_equal(reported(&world).seen_epoch, 1);
    assert_true(reported(&world).seen_age_ms >= 900);
}

/* 3.1: what it was told to stop served until then, unless it had been seen stopped by itself. */
static void what_serves_is_seen_to_until_its_stop_begins(void **state)
{
    struct world world;

    (void)state;
    for (int was_stopped = 0; was_stopped < 2; was_stopped++) {
        begin_serving(&world);
        status(&world, "started");
        if (was_stopped != 0)
            status(&world, "stopped");
        world.now_ms += 900;
        order(&world, BW_ORDER_STOP, 1);
        assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
        assert_int_equal(reported(&world).seen_epoch, 1);
        assert_int_equal(reported(&world).seen_age_ms == 0, was_stopped == 0);
    }
}

/* 3.1: one that was let go and adopted may serve on from epoch to epoch. */
static void the_stop_of_an_epoch_says_nothing_of_what_was_seen_in_the_one_before(void **state)
{
    struct world world;

    (void)state;
    begin_leased_of(&world, 2);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    world.site.seen_epoch = 1;
    world.site.seen_goes_on = true;
    world.site.seen_at = at_ms(world.now_ms);
    world.now_ms += 900;
    order(&world, BW_ORDER_STOP, 2);

    assert_int_equal(reported(&world).seen_epoch, 1);
    assert_int_equal(reported(&world).seen_age_ms, 900);
}

static void readiness_lines_are_read_and_lag_is_never_made_smaller(void **state)
{
    struct world world;
    struct bw_sync_group group;

    (void)state;
    begin(&world);

    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "lag_seconds=0.4001\nposition=0/3000060\n");

    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    assert_true(group.report.has_lag);
    assert_int_equal(group.report.lag_ms, 401);
    assert_string_equal(group.report.position, "0/3000060");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "lag_seconds=soon\n");
    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    assert_false(group.report.has_lag);
}

/* 4: half of a position is another position. */
static void a_position_beyond_ascii_is_read_whole_or_not_at_all(void **state)
{
    struct world world;
    struct bw_sync_group group;
    char tail[128];

    (void)state;
    begin(&world);

    look(&world, BW_ACTION_READINESS, BW_RUN_OK,
         "position=0/3\xc3\xa9"
         "7\n");
    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    assert_string_equal(group.report.position, "0/3\xc3\xa9"
                                               "7");

    (void)snprintf(tail, sizeof tail, "position=%.*s\xc3\xa9\n", BW_POSITION_MAX - 1,
                   "0123456789012345678901234567890123456789012345678901234567890123");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, tail);
    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    assert_string_equal(group.report.position, "");
}

/* 3.6: the order to prepare waits for readiness, and nothing else does; status has its turn then,
 * even if readiness takes longer than the pause between two. */
static void readiness_that_a_switchover_waits_for_goes_first_once(void **state)
{
    struct world world;
    struct bw_order of = {
        .kind = BW_ORDER_STAND_BY, .index = 20, .epoch = 1, .spec_version = 1, .prepare = true};

    (void)state;
    begin(&world);
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "");

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});

    assert_asked(&world, "RUN:readiness");
    world.now_ms += 5000;
    ended(&world, &world.sent_look, BW_RUN_OK, "position=7\n");
    assert_asked(&world, "RUN:status");
}

static void final_position_goes_before_status(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    world.now_ms += 2000; /* status is due too */

    ended(&world, &world.sent_run, BW_RUN_OK, "");

    assert_asked(&world, "RUN:readiness");
    ended(&world, &world.sent_look, BW_RUN_OK, "position=7\n");
    assert_asked(&world, "END");
}

/* 3.5: the guard looks for the end itself, once that is durable, and would wait for the end of a look that began before.
 * A guard that hangs there is found by a look that it does not answer. */
static void beside_the_look_for_an_end_none_begins(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    world.now_ms += 2000; /* status is due too */
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    ended(&world, &world.sent_look, BW_RUN_OK, "position=7\n");
    assert_asked(&world, "END");
    assert_not_asked(&world, "RUN:");

    tick_at(&world, world.now_ms + 99);
    assert_not_asked(&world, "RUN:");
    tick_at(&world, world.now_ms + 1);
    assert_asked(&world, "RUN:status");
}

/* 3.6: what it measures before has not known the final position, and would be under way when that is known. */
static void the_target_of_a_move_measures_once_the_epoch_before_is_over(void **state)
{
    struct world world;
    struct bw_order of = {.kind = BW_ORDER_STAND_BY,
                          .index = 20,
                          .epoch = 1,
                          .spec_version = 1,
                          .newest_is_open = true,
                          .prepare = true};

    (void)state;
    begin(&world);
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_not_asked(&world, "RUN:readiness");
    status(&world, "stopped");
    assert_not_asked(&world, "RUN:");
    of.index = 21;
    of.newest_is_open = false;

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});

    assert_asked(&world, "RUN:readiness");
}

/* ---- where it would be started (3.4) --------------------------------------------------------- */

/* The file of its group changed between the grant and the start, or while it serves. */
static void other_scripts_are_started_once_their_reach_is_committed(void **state)
{
    struct world world;
    struct bw_order of;

    (void)state;
    begin(&world);
    world.site.guard.sight = (struct bw_reach_sight){.seen = BW_REACH_UNSEEN, .digest = 2};
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);
    armed(&world);
    status(&world, "stopped");
    assert_int_not_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    assert_int_equal(reported(&world).sight.seen, BW_REACH_OUTSIDE);
    assert_int_equal(reported(&world).sight.epoch, 1);
    assert_int_equal(reported(&world).sight.digest, 2);
    world.site.service = BW_SERVICE_UNKNOWN; /* it may serve, and be no start of these */
    assert_int_equal(reported(&world).sight.seen, BW_REACH_UNSEEN);
    world.site.service = BW_SERVICE_STOPPED;

    of = world.site.order;
    of.index = ++world.index;
    of.reach_digest = 2;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    status(&world, "stopped");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_int_equal(world.sent_run.run.facts.reach_digest, 2);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "stopped");
    world.site.guard.sight.digest = 3; /* since: what has been started waits for no other word */
    assert_int_equal(reported(&world).sight.seen, BW_REACH_UNSEEN);
}

/* It is said of a service that is there, not of one that once was: a standby has nothing to mend. */
static void only_who_serves_or_holds_is_said_to_be_outside(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.guard.sight.seen = BW_REACH_OUTSIDE;
    assert_true(reported(&world).alarms & (1u << BW_ALARM_OUTSIDE_REACH));
    world.site.service = BW_SERVICE_UNKNOWN;
    assert_true(reported(&world).alarms & (1u << BW_ALARM_OUTSIDE_REACH));

    begin(&world);
    world.site.guard.sight.seen = BW_REACH_OUTSIDE;
    world.site.service = BW_SERVICE_STOPPED;
    assert_false(reported(&world).alarms & (1u << BW_ALARM_OUTSIDE_REACH));
    world.site.service = BW_SERVICE_STARTED; /* somebody started it there */
    assert_true(reported(&world).alarms & (1u << BW_ALARM_OUTSIDE_REACH));
}

static void operators_are_told_where_what_serves_was_not_seen(void **state)
{
    static const struct {
        enum bw_reach_seen seen;
        enum bw_reach_kind reach;
        bool serves;
        uint32_t alarms;
    } cases[] = {
        {BW_REACH_UNSEEN, BW_REACH_CGROUP, true, UINT32_C(1) << BW_ALARM_REACH_UNSEEN},
        {BW_REACH_UNSEEN, BW_REACH_CGROUP, false, 0},
        {BW_REACH_UNSEEN, BW_REACH_REMOTE, true, 0},
        {BW_REACH_INSIDE, BW_REACH_CGROUP, true, 0},
        {BW_REACH_OUTSIDE, BW_REACH_CGROUP, false, UINT32_C(1) << BW_ALARM_OUTSIDE_REACH},
        {BW_REACH_OUTSIDE, BW_REACH_REMOTE, true, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;

        begin(&world);
        world.site.tenure = cases[i].serves ? BW_TENURE_SERVING : BW_TENURE_NONE;
        world.site.service = BW_SERVICE_STARTED;
        world.site.guard.reach = cases[i].reach;
        world.site.guard.sight.seen = cases[i].seen;
        assert_int_equal(reported(&world).alarms, cases[i].alarms);
    }
}

/* ---- health (4) ------------------------------------------------------------------------------ */

static void service_that_is_down_is_restarted_and_then_given_up(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    const uint64_t first = world.sent_run.run.run_id;
    for (int i = 0; i < 3; i++)
        status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_true(world.sent_run.run.run_id > first); /* once more */
    assert_int_equal(world.site.restarts_used, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    for (int i = 0; i < 3; i++)
        status(&world, "stopped");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    assert_int_equal(world.site.ending_reason, BW_REASON_SERVICE_DOWN);
}

static void unknown_status_never_counts_as_down(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);

    for (int i = 0; i < 5; i++)
        status(&world, "unknown");

    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_true(world.site.alarms & (1u << BW_ALARM_STATUS_UNKNOWN));
}

static void paused_group_is_not_restarted(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.order.restart_allowed = false;

    for (int i = 0; i < 5; i++)
        status(&world, "stopped");

    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
}

/* ---- standing by (3.8, 3.9) ------------------------------------------------------------------ */

static void enforced_site_that_serves_without_a_lease_is_fenced(void **state)
{
    struct world world;
    struct bw_order of = {.kind = BW_ORDER_STAND_BY,
                          .index = 50,
                          .epoch = 7,
                          .others_epoch = true,
                          .newest_is_open = true};

    (void)state;
    begin(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_true(world.site.memory.enforced);
    status(&world, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE); /* once may be a coincidence */

    status(&world, "started");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    assert_true(world.site.alarms & (1u << BW_ALARM_ROGUE_START));
    assert_int_equal(world.site.rogue_starts, 1);
}

/* An unknown service is fenced, and nobody has started it. */
static void an_unknown_status_is_fenced_and_no_rogue_start(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.site.memory.enforced = true;
    status(&world, "what?");
    status(&world, "what?");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    assert_false(world.site.alarms & (1u << BW_ALARM_ROGUE_START));
    assert_int_equal(world.site.rogue_starts, 0);
}

/* Found by the simulator: the guard that would have repeated the fence had begun anew, and the site was no
 * candidate for ever (3.3). */
static void a_fence_that_failed_is_repeated_until_one_has_seen_the_end(void **state)
{
    const struct bw_site_memory memory = {.epoch = 7, .given_back = true, .enforced = true};
    struct world world;

    (void)state;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.epoch_seen = 7, .enforced = true});
    status(&world, "started");
    status(&world, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    assert_true(world.site.alarms & (1u << BW_ALARM_FENCE_FAILED));

    guard_lost(&world);
    guard_state(&world, &(struct bw_guard_state){.epoch_seen = 7, .enforced = true});
    for (int i = 0; i < 2; i++) { /* one that fails is no end of it */
        world.sent_run.run.action = BW_ACTION_NONE;
        status(&world, "stopped");
        assert_int_equal(reported(&world).service, BW_SERVICE_UNKNOWN); /* between two ends */
        tick_at(&world, world.now_ms + 5000);
        assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
        ended(&world, &world.sent_run, i == 0 ? BW_RUN_FAILED : BW_RUN_OK, "");
    }
    assert_false(world.site.alarms & (1u << BW_ALARM_FENCE_FAILED));
    world.sent_run.run.action = BW_ACTION_NONE;
    status(&world, "stopped");
    assert_int_equal(reported(&world).service, BW_SERVICE_STOPPED);
    tick_at(&world, world.now_ms + 5000);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

/* A site that was granted an epoch and then cut off waits for its first confirmation: another one holds
 * the next, and what somebody starts here by hand is no less a rogue for that (I1, 3.8). */
static void a_rogue_is_fenced_while_the_site_waits_for_its_first_lease(void **state)
{
    struct world world;
    struct bw_sync_group group;

    (void)state;
    begin(&world);
    world.site.memory.enforced = true;
    status(&world, "stopped");
    order(&world, BW_ORDER_RUN, 1);
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
    status(&world, "started");
    status(&world, "started");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    assert_int_equal(world.sent_run.run.epoch, 1);
    assert_true(world.site.alarms & (1u << BW_ALARM_ROGUE_START));
    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    assert_int_equal(group.renew_epoch, 0); /* no lease beside a fence of the same epoch */
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "stopped");
    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    assert_int_equal(group.renew_epoch, 1);
}

static void what_an_epoch_is_to_adopt_is_no_rogue(void **state) /* 3.9 */
{
    struct world world;
    struct bw_order of = {.kind = BW_ORDER_RUN,
                          .index = 9,
                          .epoch = 1,
                          .spec_version = 1,
                          .instance = instance_a,
                          .adopt = true,
                          .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS}};

    (void)state;
    begin(&world);
    world.site.memory.enforced = true;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);

    for (int i = 0; i < 3; i++)
        status(&world, "started");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

/* 3.4, 3.7: a new instance may not end what the old one armed, and calls no alarm for it. */
static void what_another_instance_has_armed_is_rogue_only_after_its_deadline(void **state)
{
    struct world world;
    const struct bw_guard_state of = {.armed_epoch = 1,
                                      .armed_instance = {{2}},
                                      .armed_end = {105000 * MS, 105000 * MS},
                                      .enforced = true};

    (void)state;
    begin(&world);
    guard_state(&world, &of);
    assert_true(world.site.memory.enforced);
    for (int i = 0; i < 3; i++)
        status(&world, "started");
    assert_true(world.now_ms < 105000);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    assert_false(world.site.alarms & (1u << BW_ALARM_ROGUE_START));

    tick_at(&world, 105000);
    while (world.sent_run.run.action == BW_ACTION_NONE && world.now_ms < 110000)
        status(&world, "started");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    assert_true(world.site.alarms & (1u << BW_ALARM_ROGUE_START));
}

/* Found by the simulator: the guard takes no epoch below the one that a rejoin ran under, and the
 * service that somebody started afterwards was never fenced (3.8). */
static void rogue_after_a_rejoin_is_fenced_with_the_epoch_of_the_rejoin(void **state)
{
    struct world world;
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .adopt = true, .given_back = true, .enforced = true};

    (void)state;
    begin_with(&world, &memory);
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    guard_state(&world, &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1});
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});
    assert_int_equal(world.sent_run.run.action, BW_ACTION_REJOIN);
    ended(&world, &world.sent_run, BW_RUN_OK, "");

    for (int i = 0; i < 2; i++)
        status(&world, "started");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    assert_int_equal(world.sent_run.run.epoch, 2);
}

/* Found by the simulator: another instance of this site had held the next epoch meanwhile, and the
 * guard refused the stop of ours for ever: the site stood by no more, and fenced no rogue (3.7). */
static void epoch_that_the_guard_has_outlived_is_given_up_once_it_is_over(void **state)
{
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .start_begun = true, .enforced = true};
    const struct bw_guard_state of = {.epoch_seen = 2, .enforced = true};
    struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_with(&world, &memory);
    guard_state(&world, &of);
    order(&world, BW_ORDER_STAND_BY, 2);
    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    refused.ended = (struct bw_guard_run_ended){.epoch = 1,
                                                .action = BW_ACTION_STOP,
                                                .run_id = world.sent_run.run.run_id,
                                                .result = BW_RUN_REFUSED,
                                                .refusal = BW_REFUSAL_OLD_EPOCH};

    from_guard(&world, &refused);

    assert_int_equal(world.site.tenure, BW_TENURE_NONE);
    assert_true(world.site.memory.given_back);
}

static void epoch_that_the_guard_has_outlived_is_not_ended_again(void **state)
{
    const struct bw_site_memory memory = {.epoch = 1, .boot_id = {{3}}, .enforced = true};
    const struct bw_guard_state of = {.epoch_seen = 2, .enforced = true};
    const struct bw_guard_message refused = {
        .kind = BW_GUARD_MESSAGE_END_REFUSED, .epoch = 1, .refused.why = BW_REFUSAL_OLD_EPOCH};
    struct world world;

    (void)state;
    begin_with(&world, &memory);
    guard_state(&world, &of);
    status(&world, "stopped");
    order(&world, BW_ORDER_STAND_BY, 2);
    assert_asked(&world, "END");

    from_guard(&world, &refused);

    assert_int_equal(world.site.tenure, BW_TENURE_NONE);
    assert_true(world.site.memory.given_back);
}

/* Until committed state says that it is over, a refusal says nothing. */
static void refused_stop_of_an_epoch_that_is_not_over_is_tried_again(void **state)
{
    struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    refused.ended = (struct bw_guard_run_ended){.epoch = 1,
                                                .action = BW_ACTION_STOP,
                                                .run_id = world.sent_run.run.run_id,
                                                .result = BW_RUN_REFUSED,
                                                .refusal = BW_REFUSAL_OLD_EPOCH};

    from_guard(&world, &refused);

    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
    assert_false(world.site.memory.given_back);
}

static void site_that_is_not_enforced_is_never_touched(void **state)
{
    struct world world;

    (void)state;
    begin(&world);

    for (int i = 0; i < 5; i++)
        status(&world, "started");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

/* H14: at the adopting site the bit is set by the first armed(e), not by the grant. */
static void adopting_site_is_enforced_by_its_first_armed(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    assert_false(world.site.memory.enforced);
    confirm(&world, 1, world.now_ms);

    armed(&world);

    assert_true(world.site.memory.enforced);
}

/* 3.9: no fence will see the end of it any more. */
static void a_failed_fence_of_what_was_let_go_is_over_once_status_says_the_same_twice(void **state)
{
    static const char *const words[] = {"stopped", "started"};
    static const enum bw_service services[] = {BW_SERVICE_STOPPED, BW_SERVICE_STARTED};
    const struct bw_site_memory memory = {.epoch = 7, .given_back = true, .enforced = true};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct bw_guard_message done = {.kind = BW_GUARD_MESSAGE_LET_GO_DONE, .let_go_index = 50};
        struct world world;

        begin_with(&world, &memory);
        guard_state(&world, &(struct bw_guard_state){.epoch_seen = 7, .enforced = true});
        status(&world, "started");
        status(&world, "started");
        ended(&world, &world.sent_run, BW_RUN_FAILED, "");
        from_guard(&world, &done);
        assert_int_equal(reported(&world).service, BW_SERVICE_UNKNOWN); /* what was before is no word of now */
        status(&world, words[i]);
        assert_true(reported(&world).fence_failed);
        status(&world, "unknown");
        status(&world, "unknown"); /* twice that nobody knows is no word */
        assert_true(reported(&world).fence_failed);
        status(&world, words[i]);
        assert_true(reported(&world).fence_failed);
        assert_int_not_equal(reported(&world).service, BW_SERVICE_STOPPED);
        status(&world, words[i]);
        assert_false(reported(&world).fence_failed);
        assert_int_equal(reported(&world).service, services[i]);
        assert_false(world.site.alarms & (1u << BW_ALARM_FENCE_FAILED));
    }
}

/* Any news asks for a look at once: two within the pause of a manager are no two. */
static void two_looks_at_once_are_no_end_of_a_failed_fence_of_what_was_let_go(void **state)
{
    const struct bw_site_memory memory = {.epoch = 7, .given_back = true, .enforced = true};
    struct bw_guard_message done = {.kind = BW_GUARD_MESSAGE_LET_GO_DONE, .let_go_index = 50};
    struct world world;

    (void)state;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.epoch_seen = 7, .enforced = true});
    status(&world, "started");
    status(&world, "started");
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    from_guard(&world, &done);
    for (int i = 0; i < 2; i++) {
        world.site.observation[BW_ACTION_STATUS].due = (struct bw_instant){0, 0};
        tick_at(&world, world.now_ms + 5);
        while (!world.site.observation[BW_ACTION_STATUS].running) {
            ended(&world, &world.sent_look, BW_RUN_OK, ""); /* what was due before it */
            world.site.observation[BW_ACTION_STATUS].due = (struct bw_instant){0, 0};
            tick_at(&world, world.now_ms + 5);
        }
        ended(&world, &world.sent_look, BW_RUN_OK, "stopped");
        assert_true(reported(&world).fence_failed);
    }
    status(&world, "stopped");
    status(&world, "stopped");
    assert_false(reported(&world).fence_failed);
}

static void let_go_disarms_and_nothing_is_renewed_or_run(void **state)
{
    struct world world;
    struct bw_order of = {
        .kind = BW_ORDER_LET_GO, .index = 50, .let_go_index = 50, .let_go_epoch = 1};
    struct bw_guard_message done = {.kind = BW_GUARD_MESSAGE_LET_GO_DONE, .let_go_index = 50};

    (void)state;
    begin_serving(&world);
    world.sent_run.run.action = BW_ACTION_NONE;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_asked(&world, "LET_GO");

    from_guard(&world, &done);

    assert_false(world.site.memory.enforced);
    assert_false(renews(&world));
    for (int i = 0; i < 5; i++)
        status(&world, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

/* 3.9: the last renewal and the let-go come in one answer, and the guard reads them one after the other. */
static void nothing_is_armed_once_it_is_to_be_let_go(void **state)
{
    struct world world;
    struct bw_order of = {
        .kind = BW_ORDER_LET_GO, .index = 50, .let_go_index = 50, .let_go_epoch = 1};

    (void)state;
    begin_serving(&world);
    confirm(&world, 1, world.now_ms + 1);
    assert_asked(&world, "ARM");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    confirm(&world, 1, world.now_ms + 2);

    assert_not_asked(&world, "ARM");
}

static void let_go_of_another_epoch_ends_ours_first(void **state)
{
    struct world world;
    struct bw_order of = {.kind = BW_ORDER_LET_GO, .index = 50, .let_go_index = 50};

    (void)state;
    begin_serving(&world);

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});

    assert_asked(&world, "RUN:stop");
    assert_not_asked(&world, "LET_GO");
    assert_false(renews(&world)); /* it is over already */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_counts_as_stopped_only_until_started_is_seen),
        cmocka_unit_test(an_observation_is_as_old_as_its_beginning),
        cmocka_unit_test(other_scripts_are_started_once_their_reach_is_committed),
        cmocka_unit_test(only_who_serves_or_holds_is_said_to_be_outside),
        cmocka_unit_test(operators_are_told_where_what_serves_was_not_seen),
        cmocka_unit_test(service_that_is_down_is_restarted_and_then_given_up),
        cmocka_unit_test(unknown_status_never_counts_as_down),
        cmocka_unit_test(paused_group_is_not_restarted),
        cmocka_unit_test(enforced_site_that_serves_without_a_lease_is_fenced),
        cmocka_unit_test(an_unknown_status_is_fenced_and_no_rogue_start),
        cmocka_unit_test(a_fence_that_failed_is_repeated_until_one_has_seen_the_end),
        cmocka_unit_test(a_rogue_is_fenced_while_the_site_waits_for_its_first_lease),
        cmocka_unit_test(what_an_epoch_is_to_adopt_is_no_rogue),
        cmocka_unit_test(what_another_instance_has_armed_is_rogue_only_after_its_deadline),
        cmocka_unit_test(rogue_after_a_rejoin_is_fenced_with_the_epoch_of_the_rejoin),
        cmocka_unit_test(epoch_that_the_guard_has_outlived_is_given_up_once_it_is_over),
        cmocka_unit_test(epoch_that_the_guard_has_outlived_is_not_ended_again),
        cmocka_unit_test(refused_stop_of_an_epoch_that_is_not_over_is_tried_again),
        cmocka_unit_test(site_that_is_not_enforced_is_never_touched),
        cmocka_unit_test(adopting_site_is_enforced_by_its_first_armed),
        cmocka_unit_test(a_failed_fence_of_what_was_let_go_is_over_once_status_says_the_same_twice),
        cmocka_unit_test(two_looks_at_once_are_no_end_of_a_failed_fence_of_what_was_let_go),
        cmocka_unit_test(let_go_disarms_and_nothing_is_renewed_or_run),
        cmocka_unit_test(nothing_is_armed_once_it_is_to_be_let_go),
        cmocka_unit_test(let_go_of_another_epoch_ends_ours_first),
        cmocka_unit_test(readiness_that_a_switchover_waits_for_goes_first_once),
        cmocka_unit_test(final_position_goes_before_status),
        cmocka_unit_test(beside_the_look_for_an_end_none_begins),
        cmocka_unit_test(the_target_of_a_move_measures_once_the_epoch_before_is_over),
        cmocka_unit_test(a_report_says_when_the_service_was_seen_to_serve_last),
        cmocka_unit_test(what_serves_is_seen_to_until_its_stop_begins),
        cmocka_unit_test(the_stop_of_an_epoch_says_nothing_of_what_was_seen_in_the_one_before),
        cmocka_unit_test(readiness_lines_are_read_and_lag_is_never_made_smaller),
        cmocka_unit_test(a_position_beyond_ascii_is_read_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
