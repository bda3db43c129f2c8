/* site: a person lets it serve without a quorum (design 3.8): waited for, durable, then ordered.
 * How it is over is test_site_override_end's. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "override_site.h"

/* ---- refused --------------------------------------------------------------------------------- */

static void refused_while_a_leader_answers_or_nothing_is_held_back(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    assert_int_equal(bw_site_judge_override(&world.site, UINT64_MAX),
                     BW_OVERRIDE_REFUSAL_NOT_ENFORCED);
    assert_int_equal(bw_site_judge_override_end(&world.site), BW_OVERRIDE_REFUSAL_NONE_TO_END);
    ask(&world); /* it has changed since it was judged */
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);

    begin_standby(&world);
    assert_int_equal(bw_site_judge_override(&world.site, 2999 * MS), BW_OVERRIDE_REFUSAL_WITNESSES);
    assert_int_equal(bw_site_judge_override(&world.site, 3000 * MS), BW_OVERRIDE_REFUSAL_NONE);

    /* 3.9: its guard was let go, and the agent went before it could keep that. */
    guard_state(&world, &(struct bw_guard_state){.epoch_seen = 1, .let_go_index = 20});
    assert_int_equal(bw_site_judge_override(&world.site, UINT64_MAX),
                     BW_OVERRIDE_REFUSAL_NOT_ENFORCED);
    ask(&world);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);

    begin_standby(&world);
    guard_lost(&world);
    assert_int_equal(bw_site_judge_override(&world.site, UINT64_MAX), BW_OVERRIDE_REFUSAL_GUARD);
    begin_standby(&world);
    ask(&world);
    assert_int_equal(bw_site_judge_override(&world.site, UINT64_MAX), BW_OVERRIDE_REFUSAL_EXISTS);
}

/* ---- the wait (H19) -------------------------------------------------------------------------- */

static void nothing_is_ordered_before_one_longest_lease_is_over(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    assert_int_equal(reported(&world).override, BW_OVERRIDE_WAITING);

    for (int i = 0; i < WAIT_MS / 100 - 1; i++) {
        pass(&world, 100, "stopped");
        assert_not_asked(&world, "MANUAL");
        assert_not_asked(&world, "RUN:start");
    }
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_WAITING);
}

static void a_restart_in_the_wait_begins_it_anew(void **state)
{
    struct bw_site_memory memory;
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    pass(&world, WAIT_MS - 1000, "stopped");
    memory = world.site.kept;

    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1});
    pass(&world, WAIT_MS - 200, "stopped");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_WAITING);
    pass(&world, 400, "stopped");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);
}

static void a_leader_that_answers_in_the_wait_ends_it(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);

    leader_answers(&world);

    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.kept.override, BW_OVERRIDE_NONE);
    pass(&world, 2 * WAIT_MS, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

static void a_second_enforcer_that_asks_restarts_no_wait(void **state)
{
    const struct bw_second_contact contact = {.session = {{9}}, .runs_elsewhere = true};
    struct bw_instant since;
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    since = world.site.override_since;
    pass(&world, 5000, "stopped");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_SECOND, .second = &contact});
    assert_memory_equal(&world.site.override_since, &since, sizeof since);
}

/* Whoever has told of it: the witnesses decide again. */
static void a_grant_in_the_wait_ends_it(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);

    order(&world, BW_ORDER_RUN, 2);

    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
    assert_int_equal(world.site.kept.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_GRANTED);
}

static void let_go_in_the_wait_it_never_begins(void **state)
{
    struct bw_order of = {.kind = BW_ORDER_LET_GO, .index = 20, .let_go_index = 20, .epoch = 1};
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_asked(&world, "LET_GO");
    assert_int_equal(world.site.kept.override, BW_OVERRIDE_NONE);

    of.kind = BW_ORDER_STAND_BY; /* enforced again, before the guard has let it go */
    of.index = 21;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    ask(&world);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_WAITING);
    from_guard(&world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_LET_GO_DONE,
                                                  .let_go_index = 20});
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_LET_GO);
}

/* What it let serve is people's from then on (3.9). */
static void a_guard_that_has_let_go_lets_nothing_serve_by_a_persons_word(void **state)
{
    struct bw_order of = {.kind = BW_ORDER_LET_GO, .index = 20, .let_go_index = 20, .epoch = 1};
    struct world world;

    (void)state;
    begin_standby(&world);
    guard_state(&world,
                &(struct bw_guard_state){.enforced = true, .epoch_seen = 1, .armed_serial = 1});
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_int_equal(reported(&world).override, BW_OVERRIDE_ENDING);
    from_guard(&world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_LET_GO_DONE,
                                                  .let_go_index = 20});
    assert_int_equal(reported(&world).override, BW_OVERRIDE_NONE);
}

static void an_end_in_the_wait_is_no_end_of_its_own_epoch(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    ask(&world);
    assert_int_equal(bw_site_judge_override_end(&world.site), BW_OVERRIDE_REFUSAL_NONE);
    ask_end(&world);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
}

/* Its own epoch is open: the lease ends, the fence is seen, it is given back; then it may. */
static void its_own_epoch_is_given_back_first(void **state)
{
    const struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    ask(&world);
    from_guard(&world, &begun);
    pass(&world, 2 * WAIT_MS, "unknown");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_WAITING);

    of.fence.ok = true;
    from_guard(&world, &of);
    of.kind = BW_GUARD_MESSAGE_EPOCH_ENDED;
    pass(&world, 1000, "stopped");
    from_guard(&world, &of);
    assert_true(world.site.memory.given_back);
    pass(&world, 1000, "stopped");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_WAITING); /* its own fence runs yet */
    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    pass(&world, 2000, "stopped");

    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);
}

static void what_serves_without_a_word_is_fenced_in_the_wait_too(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    status(&world, "started");
    status(&world, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
}

/* ---- durable, then ordered ------------------------------------------------------------------- */

static void the_guard_hears_of_it_once_it_is_durable(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    world.save_hangs = true;
    pass(&world, WAIT_MS + 1000, "stopped");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);
    assert_int_equal(world.site.kept.override, BW_OVERRIDE_WAITING);
    assert_int_equal(reported(&world).override, BW_OVERRIDE_WAITING);

    saved(&world, true);

    assert_asked(&world, "MANUAL");
    assert_not_asked(&world, "RUN:start");
    override_done(&world);
    assert_not_asked(&world, "RUN:start"); /* that it writes is being saved */
    saved(&world, true);
    assert_asked(&world, "RUN:start");
    assert_int_equal(reported(&world).override, BW_OVERRIDE_OVERRIDING);
}

static void a_guard_that_refuses_is_asked_again(void **state)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_ARM_REFUSED, .epoch = 1};
    struct world world;

    (void)state;
    begin_waited(&world);
    of.refused.why = BW_REFUSAL_BUSY;
    from_guard(&world, &of);
    assert_not_asked(&world, "MANUAL");
    tick_at(&world, world.now_ms + 300);
    assert_asked(&world, "MANUAL");
}

static bool says_not_durable(struct world *world)
{
    return (reported(world).alarms & 1u << BW_ALARM_STATE_NOT_DURABLE) != 0;
}

/* A site whose state is not durable is granted nothing: it may not say so for longer than it is true. */
static void a_guard_that_keeps_it_at_the_second_try_is_durable_again(void **state)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_ARM_REFUSED, .epoch = 1};
    struct world world;

    (void)state;
    begin_waited(&world);
    of.refused.why = BW_REFUSAL_NOT_DURABLE;
    from_guard(&world, &of);
    assert_true(says_not_durable(&world));
    tick_at(&world, world.now_ms + 300);
    assert_asked(&world, "MANUAL");

    override_done(&world);

    assert_false(says_not_durable(&world));
}

/* The guard says nothing of what a fence has ended before it was kept. */
static void one_that_ended_unanswered_leaves_the_next_to_be_told(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    ask_end(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);

    ask(&world);
    for (int i = 0; i < WAIT_MS / 100 + 2 && world.site.memory.override != BW_OVERRIDE_OVERRIDING; i++)
        pass(&world, 100, "stopped");

    assert_asked(&world, "MANUAL");
}

/* A new hello voids what was asked before it (3.4). */
static void a_guard_that_greets_anew_is_told_anew(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1});
    assert_asked(&world, "MANUAL");
}

/* ---- serving under it ------------------------------------------------------------------------- */

static void what_serves_by_a_persons_word_is_no_rogue(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    for (int i = 0; i < 5; i++) {
        status(&world, "started");
        assert_not_asked(&world, "RUN:fence");
    }
    for (int i = 0; i < 2; i++) {
        status(&world, "nonsense");
        assert_not_asked(&world, "RUN:fence");
    }
    assert_false(renews(&world));
    assert_int_equal(reported(&world).override, BW_OVERRIDE_OVERRIDING);
    assert_int_equal(reported(&world).service, BW_SERVICE_UNKNOWN);
}

static void a_start_that_fails_is_reported_stopped_and_repeated(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    override_done(&world);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    assert_true((reported(&world).alarms & 1u << BW_ALARM_START_FAILED) != 0);
    pass(&world, 1200, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_asked(&world, "RUN:start");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    assert_true((reported(&world).alarms & 1u << BW_ALARM_START_FAILED) == 0);
}

static void a_start_that_fails_is_cleaned_after_no_sooner_than_the_next_look(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    override_done(&world);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    assert_asked(&world, "SYNC");
    assert_not_asked(&world, "RUN:stop");
    tick_at(&world, world.now_ms + 900);
    assert_not_asked(&world, "RUN:stop");
    tick_at(&world, world.now_ms + 100);
    assert_asked(&world, "RUN:stop");
}

static void without_a_stop_a_start_that_failed_is_repeated_alone(void **state)
{
    struct world world;
    uint64_t first;

    (void)state;
    begin_waited(&world);
    world.site.limits.has_script[BW_ACTION_STOP] = false;
    override_done(&world);
    first = world.sent_run.run.run_id;
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    pass(&world, 1200, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_true(world.sent_run.run.run_id > first);
}

static void refused(struct world *world, enum bw_refusal why)
{
    from_guard(world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_RUN_ENDED,
                                                 .ended = {.action = BW_ACTION_START,
                                                           .run_id = world->sent_run.run.run_id,
                                                           .result = BW_RUN_REFUSED,
                                                           .refusal = why}});
}

/* A start that was refused has not begun: it is no failure, and it is asked for again. */
static void a_start_that_is_refused_is_asked_for_again(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    override_done(&world);
    refused(&world, BW_REFUSAL_BUSY);
    assert_not_asked(&world, "RUN:start");
    assert_true((reported(&world).alarms & 1u << BW_ALARM_START_FAILED) == 0);
    tick_at(&world, world.now_ms + 200);
    assert_asked(&world, "RUN:start");

    for (int again = 0; again < 2; again++) { /* its guard has begun anew, or had ended what it was told: it is told again */
        refused(&world, again == 0 ? BW_REFUSAL_NOT_ARMED : BW_REFUSAL_EPOCH_ENDING);
        tick_at(&world, world.now_ms + 200);
        assert_asked(&world, "MANUAL");
        assert_not_asked(&world, "RUN:start");
        override_done(&world);
        assert_asked(&world, "RUN:start");
    }
}

/* Exit 0 alone proves nothing (4). */
static void after_a_start_status_is_asked_at_once(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    override_done(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_asked(&world, "RUN:status");
    assert_int_equal(reported(&world).service, BW_SERVICE_UNKNOWN);
}

/* What started with 0 and never says so has failed, too. */
static void a_start_is_believed_when_status_says_so(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    override_done(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    pass(&world, 2500, "stopped"); /* it has the time of a start */
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    pass(&world, 2000, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    ended(&world, &world.sent_run, BW_RUN_KILLED, ""); /* and is tried again */
    world.sent_run.run.action = BW_ACTION_NONE;
    pass(&world, 1500, "unknown");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
}

/* 3.5: as in an epoch, and that is its end. */
static void a_stop_that_fails_is_followed_by_the_fence(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    override_done(&world);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    pass(&world, 1200, "unknown");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    assert_asked(&world, "RUN:fence");
    assert_true((reported(&world).alarms & 1u << BW_ALARM_STOP_FAILED) != 0);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_ENDING);

    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    world.sent_run.run.action = BW_ACTION_NONE;
    pass(&world, 1200, "unknown");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE); /* again */
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(world.site.kept.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_FENCED);
}

static void a_service_that_goes_down_is_started_again(void **state)
{
    struct world world;
    uint64_t first;

    (void)state;
    begin_overriding(&world);
    first = world.sent_run.run.run_id;
    status(&world, "stopped");
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.run_id, first);
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_true(world.sent_run.run.run_id > first);
}

/* The witnesses decide again: who starts next is theirs to say. */
static void while_a_leader_answers_nothing_is_started_without_a_lease(void **state)
{
    struct world world;
    uint64_t first;

    (void)state;
    begin_overriding(&world);
    first = world.sent_run.run.run_id;
    for (int i = 0; i < 6; i++) {
        leader_answers(&world);
        status(&world, "stopped");
    }
    assert_int_equal(world.sent_run.run.run_id, first);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);
    pass(&world, 4000, "stopped");
    assert_true(world.sent_run.run.run_id > first);
}

/* What was written without an epoch has to follow whoever serves next (4). */
static void its_data_has_to_follow_the_next_who_serves(void **state)
{
    struct bw_site_limits with_rejoin = limits;
    struct world world;

    (void)state;
    with_rejoin.has_script[BW_ACTION_REJOIN] = true;
    begin_overriding(&world);
    world.site.limits = with_rejoin;
    assert_true(world.site.kept.override_wrote);
    assert_int_equal(reported(&world).joined_epoch, 0);
}

/* It has written in an override, under no epoch of its own, and another site serves now. */
static void follow_after_an_override(struct world *world)
{
    const struct bw_site_memory memory = {.enforced = true, .override_wrote = true};
    struct bw_site_limits with_rejoin = limits;

    with_rejoin.has_script[BW_ACTION_REJOIN] = true;
    begin_with(world, &memory);
    world->site.limits = with_rejoin;
    guard_state(world, &(struct bw_guard_state){.enforced = true});
    status(world, "stopped");
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});
}

/* ... also where it never held an epoch. */
static void what_overrode_without_an_epoch_of_its_own_follows_too(void **state)
{
    struct world world;

    (void)state;
    follow_after_an_override(&world);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_REJOIN);
    assert_int_equal(world.sent_run.run.epoch, 2);
}

/* ... once: what it wrote is gone then, and the epochs after that are none of its business. */
static void what_has_followed_after_an_override_follows_no_more(void **state)
{
    struct world world;

    (void)state;
    follow_after_an_override(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_false(world.site.kept.override_wrote);
    assert_int_equal(reported(&world).joined_epoch, UINT64_MAX);
    status(&world, "stopped");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 3});
    assert_not_asked(&world, "RUN:rejoin");
}

static void an_override_is_told_as_an_alarm_as_long_as_there_is_one(void **state)
{
    const uint32_t alarm = UINT32_C(1) << BW_ALARM_OVERRIDE;
    struct world world;

    (void)state;
    begin_standby(&world);
    assert_false(reported(&world).alarms & alarm);
    ask(&world);
    assert_true(reported(&world).alarms & alarm);
    ask_end(&world);
    assert_false(reported(&world).alarms & alarm);
}

/* ---- a restart ------------------------------------------------------------------------------- */

static void after_a_restart_it_goes_on(void **state)
{
    struct bw_site_memory memory;
    struct world world;

    (void)state;
    begin_overriding(&world);
    memory = world.site.kept;

    begin_with(&world, &memory);
    guard_state(&world,
                &(struct bw_guard_state){.enforced = true, .epoch_seen = 1, .armed_serial = 1});
    for (int i = 0; i < 4; i++) {
        status(&world, "started");
        assert_not_asked(&world, "RUN:start");
        assert_not_asked(&world, "RUN:fence");
    }
    assert_int_equal(reported(&world).override, BW_OVERRIDE_OVERRIDING);
}

/* 3.8: it ends with its boot. What outlived the machine is fenced, and nothing starts before a person types again. */
static void after_a_reboot_it_is_over(void **state)
{
    struct bw_site_memory memory;
    struct world world;

    (void)state;
    begin_overriding(&world);
    memory = world.site.kept;
    memory.override_boot_id = last_boot;

    begin_with(&world, &memory);
    assert_int_equal(reported(&world).override, BW_OVERRIDE_ENDING);
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1, .serial = 1, .serial_over = 1});
    assert_not_asked(&world, "MANUAL");
    assert_asked(&world, "RUN:fence");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(world.site.kept.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_REBOOT);
    world.sent_run.run.action = BW_ACTION_NONE;
    pass(&world, 2 * WAIT_MS, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);

    ask(&world); /* and the next one has a higher serial */
    assert_int_equal(world.site.memory.override_serial, 2);
}

static void a_wait_of_another_boot_is_over_and_fences_nothing(void **state)
{
    struct bw_site_memory memory;
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    memory = world.site.kept;
    memory.override_boot_id = last_boot;

    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1});
    pass(&world, 2 * WAIT_MS, "stopped");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.kept.override, BW_OVERRIDE_NONE);
    assert_int_equal(reported(&world).override, BW_OVERRIDE_NONE);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

/* It has no end: it is over, as in another boot. */
static void what_an_earlier_release_has_kept_is_over(void **state)
{
    struct bw_site_memory memory;
    struct world world;

    (void)state;
    begin_overriding(&world);
    memory = world.site.kept;
    memory.override_serial = 0;
    memory.override_end = (struct bw_instant){0, 0};

    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1});
    assert_asked(&world, "RUN:fence");
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_OLDER);
}

/* ---- its end --------------------------------------------------------------------------------- */

#define END_MS (world.site.memory.override_end.boot_ns / MS)

static void at_its_end_it_is_fenced_and_started_no_more(void **state)
{
    struct world world;
    uint64_t window_ms;

    (void)state;
    begin_overriding(&world);
    window_ms = END_MS - world.site.memory.override_fence_ms;
    world.now_ms = window_ms - 1000;
    leader_answers(&world); /* it stood still: heard anew */
    pass(&world, 900, "started");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);

    tick_at(&world, window_ms);

    assert_int_equal(world.site.memory.override, BW_OVERRIDE_ENDING);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_TIME);
    assert_asked(&world, "RUN:fence");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    world.sent_run.run.action = BW_ACTION_NONE;
    pass(&world, 2 * WAIT_MS, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

/* H6: a quarter into the window the agent fences by itself, whatever its guard is at. */
static void a_guard_that_has_not_fenced_in_time_is_not_waited_for(void **state)
{
    struct world world;
    uint64_t window_ms, fence_ms;

    (void)state;
    begin_overriding(&world);
    fence_ms = world.site.memory.override_fence_ms;
    window_ms = END_MS - fence_ms;
    tick_at(&world, window_ms);
    assert_not_asked(&world, "OWN_FENCE");
    tick_at(&world, window_ms + fence_ms / 4 - 1);
    assert_not_asked(&world, "OWN_FENCE");
    tick_at(&world, window_ms + fence_ms / 4);
    assert_asked(&world, "OWN_FENCE");
}

static void the_fence_of_its_guard_is_its_end(void **state)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    struct world world;

    (void)state;
    begin_overriding(&world);
    from_guard(&world, &of);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_ENDING);
    of.kind = BW_GUARD_MESSAGE_FENCE_ENDED;
    from_guard(&world, &of);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_ENDING); /* it has failed */
    assert_true((reported(&world).alarms & 1u << BW_ALARM_FENCE_FAILED) != 0);
    of.fence.ok = true;
    from_guard(&world, &of);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
}

/* 3.8: a machine that was paused finds its own clocks where they were; its wall clock only ever ends it earlier. */
static void the_wall_clock_ends_it_too(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OVERRIDE_LATE});
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_ENDING);

    begin_standby(&world);
    ask(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OVERRIDE_LATE});
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
}

/* An agent that restarts counts the wait anew; the end stays. */
static void a_wait_that_does_not_end_before_it_never_begins(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    tick_at(&world, END_MS); /* it stood still */
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_TIME);
}

/* It is armed once: what its guard had and has no more is over. */
static void what_its_guard_has_no_deadline_of_is_over(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1, .serial = 1, .serial_over = 1});
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_ENDING);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_GUARD);
    assert_asked(&world, "RUN:fence");
}

static void what_is_left_of_it_is_reported(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    assert_int_equal(reported(&world).manual_serial, 0);
    ask(&world);
    assert_int_equal(reported(&world).manual_serial, 1);
    assert_int_equal(reported(&world).manual_left_ms, FOR_MS);
    assert_false(reported(&world).manual_proved);
    pass(&world, 1000, "stopped");
    world.site.memory.override_end.raw_ns += MS; /* the slower of both clocks */
    assert_int_equal(reported(&world).manual_left_ms, FOR_MS - 1000 + 1);
    world.site.memory.override_end.raw_ns -= MS;
    world.site.guard.reach_works = true;
    world.site.guard.sight = (struct bw_reach_sight){.seen = BW_REACH_INSIDE, .proved = true};
    assert_true(reported(&world).manual_proved);
    ask_end(&world);
    assert_int_equal(reported(&world).manual_serial, 0);
}

/* A lost agent's serials are known to its guard. */
static void the_next_serial_is_above_all_that_is_known_here(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1, .serial = 7, .serial_over = 7});
    ask(&world);
    assert_int_equal(world.site.memory.override_serial, 8);
    assert_int_equal(world.site.memory.override_epoch, 1); /* what an order has named counts as seen */
    assert_int_equal(world.site.memory.override_end.boot_ns, at_ms(world.now_ms + FOR_MS).boot_ns);
    assert_int_equal(world.site.memory.override_end_unix_ms, 1 + FOR_MS);
}

static void what_the_guard_lets_serve_and_nobody_knows_of_is_fenced(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    guard_state(&world,
                &(struct bw_guard_state){.enforced = true, .epoch_seen = 1, .armed_serial = 1});
    pass(&world, 500, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(world.site.guard.armed_serial, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_while_a_leader_answers_or_nothing_is_held_back),
        cmocka_unit_test(nothing_is_ordered_before_one_longest_lease_is_over),
        cmocka_unit_test(a_restart_in_the_wait_begins_it_anew),
        cmocka_unit_test(a_leader_that_answers_in_the_wait_ends_it),
        cmocka_unit_test(a_second_enforcer_that_asks_restarts_no_wait),
        cmocka_unit_test(a_grant_in_the_wait_ends_it),
        cmocka_unit_test(let_go_in_the_wait_it_never_begins),
        cmocka_unit_test(a_guard_that_has_let_go_lets_nothing_serve_by_a_persons_word),
        cmocka_unit_test(an_end_in_the_wait_is_no_end_of_its_own_epoch),
        cmocka_unit_test(its_own_epoch_is_given_back_first),
        cmocka_unit_test(what_serves_without_a_word_is_fenced_in_the_wait_too),
        cmocka_unit_test(the_guard_hears_of_it_once_it_is_durable),
        cmocka_unit_test(a_guard_that_refuses_is_asked_again),
        cmocka_unit_test(a_guard_that_keeps_it_at_the_second_try_is_durable_again),
        cmocka_unit_test(one_that_ended_unanswered_leaves_the_next_to_be_told),
        cmocka_unit_test(a_guard_that_greets_anew_is_told_anew),
        cmocka_unit_test(what_serves_by_a_persons_word_is_no_rogue),
        cmocka_unit_test(a_start_that_fails_is_reported_stopped_and_repeated),
        cmocka_unit_test(a_start_that_fails_is_cleaned_after_no_sooner_than_the_next_look),
        cmocka_unit_test(without_a_stop_a_start_that_failed_is_repeated_alone),
        cmocka_unit_test(a_start_that_is_refused_is_asked_for_again),
        cmocka_unit_test(after_a_start_status_is_asked_at_once),
        cmocka_unit_test(a_start_is_believed_when_status_says_so),
        cmocka_unit_test(a_stop_that_fails_is_followed_by_the_fence),
        cmocka_unit_test(a_service_that_goes_down_is_started_again),
        cmocka_unit_test(while_a_leader_answers_nothing_is_started_without_a_lease),
        cmocka_unit_test(its_data_has_to_follow_the_next_who_serves),
        cmocka_unit_test(what_overrode_without_an_epoch_of_its_own_follows_too),
        cmocka_unit_test(what_has_followed_after_an_override_follows_no_more),
        cmocka_unit_test(an_override_is_told_as_an_alarm_as_long_as_there_is_one),
        cmocka_unit_test(after_a_restart_it_goes_on),
        cmocka_unit_test(after_a_reboot_it_is_over),
        cmocka_unit_test(a_wait_of_another_boot_is_over_and_fences_nothing),
        cmocka_unit_test(what_an_earlier_release_has_kept_is_over),
        cmocka_unit_test(at_its_end_it_is_fenced_and_started_no_more),
        cmocka_unit_test(a_guard_that_has_not_fenced_in_time_is_not_waited_for),
        cmocka_unit_test(the_fence_of_its_guard_is_its_end),
        cmocka_unit_test(the_wall_clock_ends_it_too),
        cmocka_unit_test(a_wait_that_does_not_end_before_it_never_begins),
        cmocka_unit_test(what_its_guard_has_no_deadline_of_is_over),
        cmocka_unit_test(what_is_left_of_it_is_reported),
        cmocka_unit_test(the_next_serial_is_above_all_that_is_known_here),
        cmocka_unit_test(what_the_guard_lets_serve_and_nobody_knows_of_is_fenced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
