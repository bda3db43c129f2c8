/* site: an order is accepted, obeyed, refused; the epoch is given back; the site rejoins (design
 * 3.2, 3.4-3.6, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

/* ---- accepting (3.4, start order) ------------------------------------------------------------ */

static void epoch_is_durable_before_it_is_renewed(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_fails = true;

    order(&world, BW_ORDER_RUN, 1);
    assert_false(renews(&world));
    world.save_fails = false;
    tick_at(&world, world.now_ms + 500);

    assert_true(renews(&world));
}

static struct bw_report report_of(const struct world *world)
{
    struct bw_sync_group group;

    bw_site_sync_get(&world->site, at_ms(world->now_ms), &group);
    return group.report;
}

/* 3.9: what a witness may lose, a site that stands by still knows; and a lower epoch of later is of another history. */
static void highest_epoch_that_it_was_told_is_durable_and_never_given_up(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.site.keeps_told = true;
    order(&world, BW_ORDER_STAND_BY, 7);
    assert_int_equal(report_of(&world).told_epoch, 7);
    assert_int_equal(report_of(&world).told_index, world.site.order.index);
    world.save_fails = true;
    order(&world, BW_ORDER_STAND_BY, 8);
    assert_int_equal(report_of(&world).told_epoch, 7);
    world.save_fails = false;
    tick_at(&world, world.now_ms + 500);
    assert_int_equal(report_of(&world).told_epoch, 8);
    order(&world, BW_ORDER_STAND_BY, 3);
    assert_int_equal(report_of(&world).told_epoch, 8);
    assert_int_equal(report_of(&world).told_index, world.site.order.index);
    assert_int_equal(world.site.kept.told_epoch, 8);
}

/* An older release reads no state with it. */
static void below_the_level_nothing_of_it_is_kept(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_STAND_BY, 7);
    assert_int_equal(world.site.memory.told_epoch | world.site.memory.told_index, 0);
}

static void order_of_a_lower_index_never_replaces_a_higher(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    world.index -= 2;

    order(&world, BW_ORDER_STAND_BY, 1);

    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
    assert_false(world.site.over);
}

static void grant_of_another_instance_is_not_ours(void **state)
{
    struct world world;
    struct bw_order of = {.kind = BW_ORDER_RUN, .index = 99, .epoch = 1, .instance = instance_b};

    (void)state;
    begin(&world);

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});

    assert_int_equal(world.site.tenure, BW_TENURE_NONE);
    assert_false(renews(&world));
}

/* 3.7: ours of that epoch or below is over, though no word of its end has come. */
static void grant_of_another_instance_ends_what_is_ours(void **state)
{
    struct bw_order of = {.kind = BW_ORDER_RUN, .index = 50, .epoch = 2, .spec_version = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    of.instance = instance_b;

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});

    assert_asked(&world, "RUN:stop");
    assert_false(renews(&world));
    assert_int_equal(world.site.memory.epoch, 1);
}

/* 3.5: first our old epoch ends, then the new one is accepted. */
static void higher_epoch_is_accepted_once_the_old_one_was_given_back(void **state)
{
    struct bw_guard_message over = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);

    order(&world, BW_ORDER_RUN, 2);

    assert_asked(&world, "RUN:stop");
    assert_false(renews(&world));
    assert_int_equal(world.site.memory.epoch, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    if (world.site.observation[BW_ACTION_READINESS].running)
        look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=128");
    from_guard(&world, &over);
    assert_int_equal(world.site.memory.epoch, 2);
    assert_true(renews(&world));
}

static void start_waits_for_the_first_confirmed_renewal(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    confirm(&world, 1, world.now_ms);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE); /* not acknowledged by the guard */

    armed(&world);

    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
}

static void unknown_status_starts_nothing(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    look(&world, BW_ACTION_STATUS, BW_RUN_FAILED, "stopped");
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);
    armed(&world);

    status(&world, "wat");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

static void service_that_runs_is_adopted_without_a_script(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    status(&world, "started");
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);

    armed(&world);

    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

/* ---- final refusals (3.2.3) ------------------------------------------------------------------ */

static void epoch_that_is_over_is_stopped_at_once_and_not_renewed(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);

    order(&world, BW_ORDER_STAND_BY, 1);

    assert_asked(&world, "RUN:stop");
    assert_false(renews(&world));
}

static void closed_epoch_is_stopped_and_not_renewed(void **state)
{
    struct world world;
    struct bw_order of;

    (void)state;
    begin_serving(&world);
    of = world.site.order;
    of.kind = BW_ORDER_STOP;
    of.closed = true;
    of.index = ++world.index;

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});

    assert_asked(&world, "RUN:stop");
    assert_false(renews(&world));
}

static void revoked_epoch_is_stopped_while_renewals_go_on(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);

    order(&world, BW_ORDER_STOP, 1);

    assert_asked(&world, "RUN:stop");
    assert_true(renews(&world));
}

/* ---- giving back (3.5) ----------------------------------------------------------------------- */

static void given_back_is_durable_before_released_leaves_and_final(void **state)
{
    struct world world;
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=42\n");
    assert_asked(&world, "END");
    world.save_fails = true;
    from_guard(&world, &of);
    assert_int_equal(released(&world).epoch, 0);
    world.save_fails = false;

    tick_at(&world, world.now_ms + 500);

    assert_int_equal(released(&world).epoch, 1);
    assert_string_equal(released(&world).position, "42");
    assert_false(renews(&world));
    confirm(&world, 1, world.now_ms);
    assert_not_asked(&world, "ARM");
}

/* I1, 3.5: Released may be on its way, and commit at any moment. */
static void restarted_agent_does_not_take_back_what_was_given_back(void **state)
{
    struct world world;
    const struct bw_site_memory memory = {.epoch = 3,
                                          .boot_id = this_boot,
                                          .given_back = true,
                                          .start_begun = true,
                                          .enforced = true,
                                          .reason = BW_REASON_SWITCHOVER,
                                          .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS}};

    (void)state;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.enforced = true,
                                                 .epoch_seen = 3,
                                                 .reach = BW_REACH_CGROUP,
                                                 .reach_works = true});
    status(&world, "stopped");

    order(&world, BW_ORDER_RUN, 3);
    confirm(&world, 3, world.now_ms);

    assert_false(renews(&world));
    assert_not_asked(&world, "ARM");
    assert_int_equal(world.site.tenure, BW_TENURE_NONE);
    assert_int_equal(released(&world).epoch, 3);
}

static void stop_that_fails_is_followed_by_the_fence_at_once(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);

    ended(&world, &world.sent_run, BW_RUN_FAILED, "");

    assert_asked(&world, "RUN:fence");
}

static void fence_that_fails_too_holds_the_epoch_and_is_reported(void **state)
{
    struct world world;
    struct bw_sync_group group;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");

    ended(&world, &world.sent_run, BW_RUN_FAILED, "");

    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    assert_true(group.report.fence_failed);
    assert_false(renews(&world));
    assert_int_equal(group.released.epoch, 0);
}

/* 4: what the script says, and that it says neither. */
static void condition_is_read_from_its_script(void **state)
{
    static const struct {
        enum bw_run_result result;
        const char *line;
        enum bw_condition condition;
    } cases[] = {{BW_RUN_OK, "start", BW_CONDITION_START},
                 {BW_RUN_OK, "STOP", BW_CONDITION_STOP},
                 {BW_RUN_OK, "perhaps", BW_CONDITION_FAILED},
                 {BW_RUN_FAILED, "start", BW_CONDITION_FAILED},
                 {BW_RUN_TIMED_OUT, "stop", BW_CONDITION_FAILED}};
    struct bw_sync_group group;
    struct world world;

    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_CONDITION] = true;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        look(&world, BW_ACTION_CONDITION, cases[i].result, cases[i].line);
        bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
        assert_int_equal(group.report.condition, cases[i].condition);
        assert_int_equal((group.report.alarms & 1u << BW_ALARM_CONDITION_FAILED) != 0,
                         cases[i].condition == BW_CONDITION_FAILED);
        world.site.limits.condition_is_shown = true; /* of a file with the seven keys */
        bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
        assert_int_equal(group.report.condition, BW_CONDITION_NONE);
        world.site.limits.condition_is_shown = false;
    }
}

/* 3.2.4: writes were acknowledged between the newest measurement and the fence. */
static void position_of_before_a_fence_is_not_given_back(void **state)
{
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    for (int measured = 0; measured < 2; measured++) {
        begin_serving(&world);
        snprintf(world.site.final_position, sizeof world.site.final_position, "64"); /* of an epoch before */
        look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=100");
        order(&world, BW_ORDER_STOP, 1);
        world.site.ending_reason = BW_REASON_SWITCHOVER;
        ended(&world, &world.sent_run, BW_RUN_TIMED_OUT, "");
        assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
        ended(&world, &world.sent_run, BW_RUN_OK, "");
        assert_int_equal(world.site.tenure, BW_TENURE_ENDING);
        look(&world, BW_ACTION_READINESS, measured ? BW_RUN_OK : BW_RUN_TIMED_OUT, "position=128");
        from_guard(&world, &of);

        assert_int_equal(released(&world).epoch, 1);
        assert_string_equal(released(&world).position, measured ? "128" : "");
    }
}

/* 3.6: begun before the end, it tells of before. */
static void position_of_a_look_begun_before_the_stop_is_not_final(void **state)
{
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    world.site.ending_reason = BW_REASON_SWITCHOVER;
    world.site.observation[BW_ACTION_READINESS].running = true;
    world.site.observation[BW_ACTION_READINESS].run_id = 77;
    world.site.observation[BW_ACTION_READINESS].begun = at_ms(world.now_ms - 50);
    world.now_ms += 10;
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    world.sent_look.run.action = BW_ACTION_READINESS;
    world.sent_look.run.run_id = 77;
    ended(&world, &world.sent_look, BW_RUN_OK, "position=100");
    assert_int_equal(world.site.final, BW_SITE_FINAL_DUE);
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=128");
    from_guard(&world, &of);

    assert_string_equal(released(&world).position, "128");
}

/* 3.2.4: the guard cleans up by itself: the epoch is not asked to end before, and others are told. */
static void guard_that_cleans_up_is_waited_for_and_reported(void **state)
{
    struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_RUN_BEGUN,
                                     .epoch = 1,
                                     .begun = {.action = BW_ACTION_STOP}};
    struct bw_guard_message over = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .epoch = 1};
    struct bw_sync_group group;
    struct world world;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    from_guard(&world, &begun);
    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    assert_true(group.report.guard_busy);
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=128");
    assert_null(strstr(world.log, "END"));

    over.ended = (struct bw_guard_run_ended){
        .epoch = 1, .action = BW_ACTION_STOP, .result = BW_RUN_OK};
    from_guard(&world, &over);
    assert_asked(&world, "END");
    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    assert_false(group.report.guard_busy);
}

static void failed_start_is_stopped_and_given_back_with_its_reason(void **state)
{
    struct world world;
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};

    (void)state;
    begin_leased(&world);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "");

    from_guard(&world, &of);

    assert_int_equal(released(&world).reason, BW_REASON_START_FAILED);
    assert_true(released(&world).past_no_return); /* it may have promoted: nobody knows */
}

/* 4: what the guard saw of the epoch's starts decides whose data is the newest; of exit 69 the script
 * says so itself, unless another start of the epoch may have served. */
static void what_never_served_leaves_the_data_alone(void **state)
{
    static const struct {
        enum bw_served served;
        int exit_status;
        bool worked_before;
        bool is_past;
    } cases[] = {
        {BW_SERVED_NEVER, 1, false, false},    {BW_SERVED_NOT_SEEN, 1, false, true},
        {BW_SERVED_MAYBE, 1, false, true},     {BW_SERVED_NOT_SEEN, 69, false, false},
        {BW_SERVED_NEVER, 69, false, false},   {BW_SERVED_MAYBE, 69, true, true},
    };
    struct world world;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_RUN_BEGUN,
                                         .epoch = 1,
                                         .begun = {.action = BW_ACTION_START}};
        struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};

        begin_leased(&world);
        from_guard(&world, &begun);
        if (cases[i].worked_before) {
            ended(&world, &world.sent_run, BW_RUN_OK, "");
            status(&world, "started");
            for (int down = 0; down < 3; down++) {
                confirm(&world, 1, world.now_ms);
                armed(&world);
                status(&world, "stopped");
            }
            from_guard(&world, &begun);
        }
        assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
        of.ended.epoch = 1;
        of.kind = BW_GUARD_MESSAGE_RUN_ENDED;
        of.ended.action = BW_ACTION_START;
        of.ended.run_id = world.sent_run.run.run_id;
        of.ended.result = BW_RUN_FAILED;
        of.ended.exit_status = cases[i].exit_status;
        from_guard(&world, &of);
        ended(&world, &world.sent_run, BW_RUN_OK, "");
        look(&world, BW_ACTION_READINESS, BW_RUN_OK, "");
        of = (struct bw_guard_message){.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
        of.epoch_ended.served = cases[i].served;
        from_guard(&world, &of);

        assert_int_equal(released(&world).reason, BW_REASON_START_FAILED);
        assert_int_equal(released(&world).past_no_return, cases[i].is_past);
    }
}

/* 4: a start is believed when status says `started` and verify passes; in each epoch anew. */
static void start_is_believed_once_it_was_verified(void **state)
{
    struct bw_guard_message over = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_leased(&world);
    world.site.limits.has_script[BW_ACTION_VERIFY] = true;
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    look(&world, BW_ACTION_VERIFY, BW_RUN_FAILED, "");
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    assert_false(reported(&world).verified);
    status(&world, "started");
    look(&world, BW_ACTION_VERIFY, BW_RUN_OK, "");
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_true(reported(&world).verified);

    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=128");
    from_guard(&world, &over);
    order(&world, BW_ORDER_RUN, 2);

    assert_false(reported(&world).verified);
}

/* 3.5: what an agent without memory of it hears first may be that it is to stop. */
static void epoch_that_is_to_stop_when_it_is_first_heard_of_is_ended_at_once(void **state)
{
    struct world world;

    (void)state;
    begin(&world);

    order(&world, BW_ORDER_STOP, 1);

    assert_asked(&world, "SAVE");
    assert_int_equal(world.site.memory.epoch, 1);
    assert_true(world.site.tenure == BW_TENURE_STOPPING || world.site.tenure == BW_TENURE_ENDING);
    assert_false(renews(&world));
}

static void start_that_never_says_started_has_failed(void **state)
{
    struct world world;

    (void)state;
    begin_leased(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    for (int i = 0; i < 40 && world.site.tenure == BW_TENURE_STARTING; i++) {
        confirm(&world, 1, world.now_ms);
        armed(&world);
        status(&world, "stopped");
        tick_at(&world, world.now_ms + 200);
    }

    assert_int_equal(world.site.ending_reason, BW_REASON_START_FAILED);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
}

/* 3.5, 3.6: the agent died between the guard's ended(e) and its own save. A planned move without
 * the position would wait for a person, and the service that has stopped can still say it. */
static void agent_that_finds_its_epoch_ended_reads_the_position_first(void **state)
{
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .start_begun = true, .enforced = true};
    const struct bw_guard_state after = {.ended_epoch = 1, .epoch_seen = 1, .stop_seen = true};
    const struct bw_guard_message ended_there = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_with(&world, &memory);
    guard_state(&world, &after);
    assert_int_equal(released(&world).epoch, 0);
    assert_false(renews(&world));
    order(&world, BW_ORDER_STOP, 1);
    world.site.order.reason = BW_REASON_SWITCHOVER;
    guard_lost(&world); /* once more */
    guard_state(&world, &after);
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=0/16B3748");
    assert_asked(&world, "END");
    from_guard(&world, &ended_there);

    assert_int_equal(released(&world).epoch, 1);
    assert_string_equal(released(&world).position, "0/16B3748");
    assert_int_equal(released(&world).reason, BW_REASON_SWITCHOVER);
    assert_true(released(&world).past_no_return);
}

static void epoch_found_ended_is_given_back_at_once_where_nothing_knows_a_position(void **state)
{
    const struct bw_guard_state after = {.ended_epoch = 1, .epoch_seen = 1, .stop_seen = true};
    struct bw_site_memory memory = {.epoch = 1, .boot_id = {{3}}, .enforced = true};
    struct world world;

    (void)state;
    begin_with(&world, &memory); /* nothing was ever started */
    guard_state(&world, &after);
    assert_int_equal(world.site.tenure, BW_TENURE_NONE);

    memory.start_begun = true;
    begin_with(&world, &memory);
    world.site.limits.has_script[BW_ACTION_READINESS] = false;
    guard_state(&world, &after);
    assert_int_equal(world.site.tenure, BW_TENURE_NONE);
}

/* ---- rejoining (4) --------------------------------------------------------------------------- */

/* 4: what served under an adopted epoch has to follow too, though no start of ours began. */
static void site_whose_adopted_epoch_is_over_rejoins(void **state)
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
    assert_int_equal(world.sent_run.run.not_after.boot_ns, at_ms(world.now_ms + 10000).boot_ns);
    ended(&world, &world.sent_run, BW_RUN_TOO_LATE, ""); /* its guard stood still: judged again, and no failure */
    assert_int_equal(reported(&world).alarms & 1u << BW_ALARM_REJOIN_FAILED, 0);
    tick_at(&world, world.now_ms + 1000);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_REJOIN);
}

/* 4: until the rejoin has ended its report goes with the older epoch, whatever it has heard of. */
static void report_names_the_epoch_that_its_data_goes_with(void **state)
{
    struct world world;
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .start_begun = true, .given_back = true, .enforced = true};

    (void)state;
    begin_with(&world, &memory);
    assert_true(reported(&world).joined_epoch == UINT64_MAX); /* no script */
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    guard_state(&world, &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1});
    assert_false(reported(&world).rejoining);
    assert_int_equal(reported(&world).joined_epoch, 1);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});
    assert_true(reported(&world).rejoining);
    assert_int_equal(reported(&world).joined_epoch, 1);

    ended(&world, &world.sent_run, BW_RUN_OK, "");

    assert_false(reported(&world).rejoining);
    assert_int_equal(reported(&world).joined_epoch, 2);
}

/* 4: an epoch that it never started takes back nothing of what it wrote before. */
static void site_that_served_owes_its_rejoin_after_an_epoch_without_a_start(void **state)
{
    struct world world;
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .start_begun = true, .given_back = true, .enforced = true};
    const struct bw_guard_message ended_there = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 3};

    (void)state;
    begin_with(&world, &memory);
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    guard_state(&world, &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1});
    status(&world, "stopped");
    order(&world, BW_ORDER_RUN, 3);
    order(&world, BW_ORDER_STOP, 3);
    from_guard(&world, &ended_there);
    assert_int_equal(released(&world).reason, BW_REASON_NEVER_STARTED);
    assert_int_equal(reported(&world).joined_epoch, 1);

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 4});

    assert_true(reported(&world).rejoining);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_REJOIN);
}

/* 4: what was verified serving may be lost since, and the copy here the last one. */
static void rejoin_begins_only_while_the_other_site_is_heard_to_serve(void **state)
{
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .start_begun = true, .given_back = true, .enforced = true};
    const struct bw_site_event serves = {.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2};
    const struct bw_guard_state back = {.ended_epoch = 1, .epoch_seen = 1};
    struct world world;

    (void)state;
    for (int is_asleep = 0; is_asleep < 2; is_asleep++) { /* a clock stands still in a suspend */
        raw_slow_permille = is_asleep ? 1000 : 0;
        begin_with(&world, &memory);
        world.site.limits.has_script[BW_ACTION_REJOIN] = true;
        order(&world, BW_ORDER_STAND_BY, 2);
        happen(&world, &serves); /* while the guard is away */
        tick_at(&world, world.now_ms + 3000);
        guard_state(&world, &back);
        assert_not_asked(&world, "rejoin");
        assert_true(reported(&world).rejoining);

        happen(&world, &serves);

        assert_asked(&world, "rejoin");
    }
    raw_slow_permille = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epoch_is_durable_before_it_is_renewed),
        cmocka_unit_test(highest_epoch_that_it_was_told_is_durable_and_never_given_up),
        cmocka_unit_test(below_the_level_nothing_of_it_is_kept),
        cmocka_unit_test(order_of_a_lower_index_never_replaces_a_higher),
        cmocka_unit_test(grant_of_another_instance_is_not_ours),
        cmocka_unit_test(grant_of_another_instance_ends_what_is_ours),
        cmocka_unit_test(higher_epoch_is_accepted_once_the_old_one_was_given_back),
        cmocka_unit_test(start_waits_for_the_first_confirmed_renewal),
        cmocka_unit_test(unknown_status_starts_nothing),
        cmocka_unit_test(service_that_runs_is_adopted_without_a_script),
        cmocka_unit_test(epoch_that_is_over_is_stopped_at_once_and_not_renewed),
        cmocka_unit_test(closed_epoch_is_stopped_and_not_renewed),
        cmocka_unit_test(revoked_epoch_is_stopped_while_renewals_go_on),
        cmocka_unit_test(given_back_is_durable_before_released_leaves_and_final),
        cmocka_unit_test(restarted_agent_does_not_take_back_what_was_given_back),
        cmocka_unit_test(stop_that_fails_is_followed_by_the_fence_at_once),
        cmocka_unit_test(fence_that_fails_too_holds_the_epoch_and_is_reported),
        cmocka_unit_test(condition_is_read_from_its_script),
        cmocka_unit_test(position_of_before_a_fence_is_not_given_back),
        cmocka_unit_test(position_of_a_look_begun_before_the_stop_is_not_final),
        cmocka_unit_test(guard_that_cleans_up_is_waited_for_and_reported),
        cmocka_unit_test(failed_start_is_stopped_and_given_back_with_its_reason),
        cmocka_unit_test(what_never_served_leaves_the_data_alone),
        cmocka_unit_test(start_is_believed_once_it_was_verified),
        cmocka_unit_test(epoch_that_is_to_stop_when_it_is_first_heard_of_is_ended_at_once),
        cmocka_unit_test(start_that_never_says_started_has_failed),
        cmocka_unit_test(rejoin_begins_only_while_the_other_site_is_heard_to_serve),
        cmocka_unit_test(agent_that_finds_its_epoch_ended_reads_the_position_first),
        cmocka_unit_test(epoch_found_ended_is_given_back_at_once_where_nothing_knows_a_position),
        cmocka_unit_test(site_whose_adopted_epoch_is_over_rejoins),
        cmocka_unit_test(site_that_served_owes_its_rejoin_after_an_epoch_without_a_start),
        cmocka_unit_test(report_names_the_epoch_that_its_data_goes_with),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
