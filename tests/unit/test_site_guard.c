/* site and its guard: renewals, what is armed, and the fence, the guard's or the agent's own
 * (design 3.2, 3.4, 3.8). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

/* ---- renewals and the lease (3.2) ------------------------------------------------------------ */

static void arm_carries_the_instant_before_sending(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    world.now_ms += 700;

    confirm(&world, 1, world.now_ms - 700);

    assert_int_equal(world.sent.arm.end.boot_ns, at_ms(world.now_ms - 700 + TTL_MS).boot_ns);
}

static void confirmation_of_another_epoch_arms_nothing(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 2);

    confirm(&world, 1, world.now_ms);

    assert_not_asked(&world, "ARM");
}

static void site_without_guard_renews_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_leased(&world);
    assert_true(renews(&world));

    guard_lost(&world);

    assert_false(renews(&world));
}

static void guard_that_does_not_answer_an_arm_in_time_stops_renewals(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);

    tick_at(&world, world.now_ms + 1000);

    assert_false(renews(&world));
}

static void arm_refused(struct world *world)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_ARM_REFUSED, .epoch = 1};

    assert_int_equal(world->sent.kind, BW_GUARD_MESSAGE_ARM);
    of.refused.number = world->sent.arm.number;
    of.refused.why = BW_REFUSAL_NOT_DURABLE;
    from_guard(world, &of);
}

static bool alarms_not_durable(struct world *world)
{
    struct bw_sync_group group;

    bw_site_sync_get(&world->site, at_ms(world->now_ms), &group);
    return (group.report.alarms & 1u << BW_ALARM_STATE_NOT_DURABLE) != 0;
}

/* 3.4, 4: otherwise the epoch is held for ever by a site that can never start it. */
static void epoch_that_the_guard_cannot_keep_is_renewed_for_a_while_only(void **state)
{
    const struct bw_guard_message ended_1 = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    for (int second = 0; second < 5; second++) {
        confirm(&world, 1, world.now_ms);
        arm_refused(&world);
        assert_true(alarms_not_durable(&world));
        assert_true(renews(&world)); /* it may work again */
        tick_at(&world, world.now_ms + 1000);
    }

    assert_false(renews(&world));

    from_guard(&world, &ended_1);
    assert_false(alarms_not_durable(&world));
}

static void guard_that_can_keep_the_epoch_after_all_arms_it(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);
    arm_refused(&world);
    tick_at(&world, world.now_ms + 1000);
    confirm(&world, 1, world.now_ms);
    armed(&world);

    assert_false(alarms_not_durable(&world));
    tick_at(&world, world.now_ms + 5000);
    assert_true(renews(&world));
}

static void nothing_is_renewed_once_the_fence_has_begun(void **state)
{
    struct world world;
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};

    (void)state;
    begin_serving(&world);

    from_guard(&world, &of);

    assert_false(renews(&world));
    world.now_ms += 1000;
    confirm(&world, 1, world.now_ms); /* on its way when the fence began */
    assert_not_asked(&world, "ARM");
}

/* The guard could not keep that the epoch has ended, and somebody has started the service since:
 * the stop that follows is no planned one (3.4). */
static void stop_after_a_fence_does_not_renew(void **state)
{
    struct world world;
    const struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    const struct bw_guard_message ended = {
        .kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1, .fence.ok = true};
    const struct bw_guard_message refused = {
        .kind = BW_GUARD_MESSAGE_END_REFUSED, .epoch = 1, .refused.why = BW_REFUSAL_NOT_STOPPED};

    (void)state;
    begin_serving(&world);
    from_guard(&world, &begun);
    from_guard(&world, &ended);

    from_guard(&world, &refused);

    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
    assert_false(renews(&world));
    world.now_ms += 1000;
    confirm(&world, 1, world.now_ms); /* on its way when the fence began */
    assert_not_asked(&world, "ARM");
}

/* Its begin was said while this site, whose state was an older copy, did not know the epoch yet. */
static void a_fence_that_has_ended_had_begun(void **state)
{
    struct world world;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};

    (void)state;
    begin(&world);
    from_guard(&world, &of);
    order(&world, BW_ORDER_RUN, 1);
    assert_true(renews(&world));
    of.kind = BW_GUARD_MESSAGE_FENCE_ENDED;
    of.fence.ok = true;

    from_guard(&world, &of);

    assert_false(renews(&world));
    assert_asked(&world, "END");
}

/* H12: an event of an older epoch silences nothing. */
static void fence_events_of_another_epoch_do_not_count(void **state)
{
    struct world world;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 2);
    confirm(&world, 2, world.now_ms);
    armed(&world);
    of.fence.ok = true;

    from_guard(&world, &of);

    assert_int_equal(world.site.fence, BW_SITE_FENCE_NONE);
    assert_true(renews(&world));
}

/* ---- the agent's own fence (3.4) ------------------------------------------------------------- */

static void agent_fences_by_itself_a_quarter_into_the_window(void **state)
{
    struct world world;
    uint64_t d;

    (void)state;
    begin_serving(&world);
    d = world.site.arm_sent_end.boot_ns / MS;
    tick_at(&world, d - FENCE_MS + FENCE_MS / 4 - 1);
    assert_not_asked(&world, "OWN_FENCE");

    tick_at(&world, d - FENCE_MS + FENCE_MS / 4);

    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, d);
}

/* 3.4: however long the guard's own next fence may wait. */
static void a_fence_of_the_guard_that_failed_puts_off_no_own_fence(void **state)
{
    struct world world;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    uint64_t d;

    (void)state;
    begin_serving(&world);
    world.site.limits.check_interval_ns = 30 * 1000 * MS;
    d = world.site.arm_sent_end.boot_ns / MS;
    tick_at(&world, d - FENCE_MS);
    from_guard(&world, &of);
    tick_at(&world, d - FENCE_MS + 10);
    of.kind = BW_GUARD_MESSAGE_FENCE_ENDED; /* it has seen no end */
    from_guard(&world, &of);
    assert_int_equal(world.site.tenure, BW_TENURE_STUCK);
    guard_lost(&world);

    tick_at(&world, d - FENCE_MS + FENCE_MS / 4);

    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, d);
}

/* Its failure changes no instant: of the next one too everything is killed by D. */
static void own_fence_that_is_tried_again_is_to_be_over_by_the_same_d(void **state)
{
    struct world world;
    uint64_t d;

    (void)state;
    begin_serving(&world);
    d = world.site.arm_sent_end.boot_ns / MS;
    tick_at(&world, d - FENCE_MS / 2);
    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = false});

    tick_at(&world, d + 60000);

    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, d);
}

/* H6: whatever it thinks of its guard. fence_begun alone is no fence_ended(ok). */
static void fence_that_was_only_begun_does_not_stop_the_agents_own(void **state)
{
    struct world world;
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};

    (void)state;
    begin_serving(&world);
    from_guard(&world, &of);

    tick_at(&world, world.site.arm_sent_end.boot_ns / MS - FENCE_MS / 2);

    assert_asked(&world, "OWN_FENCE");
}

static void fence_of_the_guard_that_was_read_replaces_the_agents_own(void **state)
{
    struct world world;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};

    (void)state;
    begin_serving(&world);
    of.fence.ok = true;
    from_guard(&world,
               &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1});
    from_guard(&world, &of);
    assert_asked(&world, "END");

    tick_at(&world, world.site.arm_sent_end.boot_ns / MS - 1);

    assert_not_asked(&world, "OWN_FENCE");
}

/* H9: the guard took an arm whose answer was never read. */
static void without_its_guard_d_is_the_latest_end_ever_sent(void **state)
{
    struct world world;
    uint64_t first_d;

    (void)state;
    begin_serving(&world);
    first_d = world.site.arm_sent_end.boot_ns / MS;
    world.now_ms += 3000;
    confirm(&world, 1, world.now_ms);
    guard_lost(&world);

    tick_at(&world, first_d - FENCE_MS / 2);
    assert_not_asked(&world, "OWN_FENCE");
    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    tick_at(&world, first_d + 1);

    assert_int_equal(released(&world).epoch, 0); /* not before the later D */
}

/* In the middle of the window before `d` (ms), where the guard has not ended it. */
static void own_fence_sees_the_end(struct world *world, uint64_t d)
{
    tick_at(world, d - FENCE_MS / 2);
    assert_asked(world, "OWN_FENCE");
    happen(world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
}

static void without_its_guard_a_site_gives_back_only_after_d(void **state)
{
    struct world world;
    uint64_t d;

    (void)state;
    begin_serving(&world);
    d = world.site.arm_sent_end.boot_ns / MS;
    guard_lost(&world);
    own_fence_sees_the_end(&world, d);
    tick_at(&world, d - 1);
    assert_int_equal(released(&world).epoch, 0);

    tick_at(&world, d + 1);

    assert_int_equal(released(&world).epoch, 1);
}

/* It would say no for ever, and nobody else could end the epoch (3.5). */
static void a_guard_that_cannot_keep_the_end_is_not_waited_for_after_d(void **state)
{
    struct world world;
    uint64_t d;

    (void)state;
    begin_serving(&world);
    d = world.site.arm_sent_end.boot_ns / MS;
    world.site.guard_unsaved = true;
    own_fence_sees_the_end(&world, d);
    tick_at(&world, d - 1);
    assert_int_equal(released(&world).epoch, 0);

    tick_at(&world, d + 1);

    assert_int_equal(released(&world).epoch, 1);
}

/* Nothing else shows that its disk works again. */
static void a_guard_that_could_not_keep_the_end_is_asked_until_it_can(void **state)
{
    struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_END_REFUSED, .epoch = 1};
    const struct bw_guard_message ended_1 = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;
    uint64_t d;

    (void)state;
    begin_serving(&world);
    d = world.site.arm_sent_end.boot_ns / MS;
    refused.refused.why = BW_REFUSAL_NOT_DURABLE;
    own_fence_sees_the_end(&world, d);
    assert_asked(&world, "END");
    from_guard(&world, &refused);
    tick_at(&world, d + 1);
    assert_int_equal(released(&world).epoch, 1);

    from_guard(&world, &refused);
    assert_true(alarms_not_durable(&world));
    assert_not_asked(&world, "END"); /* in its time */
    tick_at(&world, world.now_ms + 1000);
    assert_asked(&world, "END");
    from_guard(&world, &ended_1);

    assert_false(alarms_not_durable(&world));
    tick_at(&world, world.now_ms + 1000);
    assert_not_asked(&world, "END");
}

/* It would be said for ever where no look counts, and its site be no candidate for ever. */
static void a_guard_that_refuses_the_end_for_the_service_says_nothing_of_its_disk(void **state)
{
    struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_END_REFUSED, .epoch = 1};
    struct world world;
    uint64_t d;

    (void)state;
    begin_serving(&world);
    d = world.site.arm_sent_end.boot_ns / MS;
    refused.refused.why = BW_REFUSAL_NOT_DURABLE;
    own_fence_sees_the_end(&world, d);
    from_guard(&world, &refused);
    tick_at(&world, d + 1);
    assert_int_equal(released(&world).epoch, 1);
    assert_true(alarms_not_durable(&world));

    refused.refused.why = BW_REFUSAL_NOT_STOPPED;
    from_guard(&world, &refused);
    assert_false(alarms_not_durable(&world));
}

static void a_guard_that_has_kept_a_newer_epoch_since_can_keep_one(void **state)
{
    struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_END_REFUSED, .epoch = 1};
    struct world world;

    (void)state;
    begin(&world);
    world.site.guard_unsaved = true;
    refused.refused.why = BW_REFUSAL_NOT_DURABLE;
    from_guard(&world, &refused);
    assert_true(alarms_not_durable(&world));

    refused.refused.why = BW_REFUSAL_OLD_EPOCH;
    from_guard(&world, &refused);

    assert_false(alarms_not_durable(&world));
}

/* Found with PostgreSQL: the guard that came back took the lease for live, and refused the rejoin.
 */
static void what_was_given_back_without_its_guard_is_ended_there_too(void **state)
{
    const struct bw_guard_state back = {.reach = BW_REACH_CGROUP,
                                        .reach_works = true,
                                        .enforced = true,
                                        .epoch_seen = 1,
                                        .armed_epoch = 1,
                                        .armed_instance = instance_a,
                                        .fence_begun = true,
                                        .fence_ended = true,
                                        .fence_ok = true};
    const struct bw_guard_message ended_there = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    guard_lost(&world);
    own_fence_sees_the_end(&world, world.site.arm_sent_end.boot_ns / MS);
    tick_at(&world, world.site.arm_sent_end.boot_ns / MS + 1);
    assert_int_equal(released(&world).epoch, 1);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});

    guard_state(&world, &back);
    assert_asked(&world, "END");
    assert_not_asked(&world, "rejoin");
    from_guard(&world, &ended_there);

    assert_asked(&world, "rejoin");
}

/* Found on real processes: a guard that is stopped keeps its connection, and says nothing. What it
 * saw last is not so any more, and nobody waits for its ended(e) beyond D (3.3, 3.4, 3.5). */
static void beside_a_silent_guard_a_site_gives_back_after_d(void **state)
{
    struct world world;
    uint64_t d;

    (void)state;
    begin_serving(&world);
    world.now_ms += 500;
    confirm(&world, 1, world.now_ms); /* the arm is not answered */
    d = world.site.arm_sent_end.boot_ns / MS;
    tick_at(&world, d - FENCE_MS / 2);
    assert_asked(&world, "OWN_FENCE");
    assert_int_equal(reported(&world).service, BW_SERVICE_STARTED);

    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    assert_int_equal(reported(&world).service, BW_SERVICE_UNKNOWN);
    assert_true(reported(&world).has_fence_or_stop_succeeded);
    tick_at(&world, d - 1);
    assert_int_equal(released(&world).epoch, 0);
    tick_at(&world, d + 1);

    assert_int_equal(released(&world).epoch, 1);
}

/* Found by the simulator: a disk hung under an arm, its guard fenced and ended the epoch, and never
 * answered that arm: the site was no candidate for ever. */
static void what_was_not_answered_is_over_with_the_epoch(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.now_ms += 500;
    confirm(&world, 1, world.now_ms); /* the arm is not answered */
    assert_true(world.site.arm_open);
    tick_at(&world, world.now_ms + world.site.memory.terms.request_timeout_ms);
    assert_false(reported(&world).guard_alive);
    from_guard(&world,
               &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1});
    assert_true(reported(&world).guard_alive);
}

/* Found by the world of one site: H12 holds for the agent's own fence too. */
static void own_fence_of_an_older_epoch_does_not_count(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 2);
    confirm(&world, 2, world.now_ms);
    armed(&world);

    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    guard_lost(&world);
    tick_at(&world, world.site.arm_sent_end.boot_ns / MS - FENCE_MS / 2);

    assert_asked(&world, "OWN_FENCE");
}

static void own_fence_that_failed_is_reported_and_nothing_is_given_back(void **state)
{
    struct world world;
    struct bw_sync_group group;

    (void)state;
    begin_serving(&world);
    guard_lost(&world);
    tick_at(&world, world.site.arm_sent_end.boot_ns / MS - FENCE_MS / 2);
    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = false});
    tick_at(&world, world.site.arm_sent_end.boot_ns / MS + 1);

    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);

    assert_true(group.report.fence_failed);
    assert_int_equal(group.report.fence_epoch, 1);
    assert_int_equal(group.released.epoch, 0);
}

/* The guard took the last arm with it, and comes back before D: with nothing armed it fences
 * nothing, and has no end to tell of. */
static void own_fence_that_the_guard_slept_through_leads_to_the_end_of_the_epoch(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    guard_lost(&world);
    own_fence_sees_the_end(&world, world.site.arm_sent_end.boot_ns / MS);

    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1});

    assert_asked(&world, "END");
}

/* ---- how long a fence takes (3.8) ------------------------------------------------------------ */

static bool is_too_slow(struct world *world)
{
    return (reported(world).alarms >> BW_ALARM_FENCE_TOO_SLOW & 1) != 0;
}

/* 3.8: a site that cannot keep F says so, by what was measured, until a fence keeps it or F is
 * more. */
static void fence_that_took_longer_than_allowed_is_an_alarm_until_one_keeps_it(void **state)
{
    struct bw_guard_message fenced = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    assert_int_equal(reported(&world).fence_took_ms, 0);
    fenced.fence.ok = true;
    fenced.fence.duration_ms = FENCE_MS;
    from_guard(&world, &fenced);
    assert_int_equal(reported(&world).fence_took_ms, FENCE_MS);
    assert_false(is_too_slow(&world));

    fenced.fence.duration_ms = FENCE_MS + 1;
    from_guard(&world, &fenced);
    assert_true(is_too_slow(&world));
    world.site.order.terms.fence_ms = FENCE_MS + 1;
    assert_false(is_too_slow(&world));
    world.site.order.terms.fence_ms = FENCE_MS;
    assert_true(is_too_slow(&world));

    fenced.fence.ok = false;
    fenced.fence.duration_ms = 0;
    from_guard(&world, &fenced);
    assert_int_equal(reported(&world).fence_took_ms, 1); /* 0: none was measured */
    assert_false(is_too_slow(&world));
}

static void fence_of_epoch_takes(struct world *world, uint64_t epoch, uint32_t ms)
{
    struct bw_guard_message fenced = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = epoch};

    fenced.fence.ok = true;
    fenced.fence.duration_ms = ms;
    from_guard(world, &fenced);
    world->site.memory.given_back = true;
    world->site.tenure = BW_TENURE_NONE;
    world->site.lease.end = (struct bw_instant){0, 0};
}

/* No fence runs there that could show better: it would be no candidate for ever. */
static void a_slow_fence_is_forgotten_in_time_by_a_site_that_holds_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    fence_of_epoch_takes(&world, 1, FENCE_MS + 1);
    world.now_ms += 59999;
    assert_true(is_too_slow(&world));
    world.now_ms += 1;
    assert_false(is_too_slow(&world));
    assert_int_equal(reported(&world).fence_took_ms, 0);

    fence_of_epoch_takes(&world, 2, FENCE_MS + 1); /* and again: it takes longer */
    fence_of_epoch_takes(&world, 2, FENCE_MS + 1);
    world.now_ms += 119999;
    assert_true(is_too_slow(&world));
    world.now_ms += 1;
    assert_false(is_too_slow(&world));

    fence_of_epoch_takes(&world, 3, FENCE_MS);
    fence_of_epoch_takes(&world, 4, FENCE_MS + 1);
    world.now_ms += 60000;
    assert_false(is_too_slow(&world));
}

static void one_that_holds_an_epoch_does_not_forget_it(void **state)
{
    struct bw_guard_message fenced = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    fenced.fence.duration_ms = FENCE_MS + 1;
    from_guard(&world, &fenced);
    world.now_ms += 600000;
    assert_true(is_too_slow(&world));
}

/* 3.4: the lease is what the guard has acknowledged; what it may yet arm ends only by its word. */
static void a_pending_arm_is_no_lease_but_a_deadline(void **state)
{
    struct bw_site_memory memory = held;
    struct world world;

    (void)state;
    memory.start_begun = false;
    memory.enforced = false;
    memory.adopt = true;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.enforced = false,
                                                 .epoch_seen = 1,
                                                 .armed_epoch = 1,
                                                 .armed_instance = instance_a,
                                                 .armed_end = at_ms(world.now_ms + TTL_MS),
                                                 .arm_pending = true});
    assert_false(bw_lease_is_alive(&world.site.lease, at_ms(world.now_ms)));
    assert_int_equal(world.site.lease.end.boot_ns, 0);
    assert_false(world.site.memory.enforced);

    order(&world, BW_ORDER_STOP, 1);
    assert_int_equal(released(&world).epoch, 0); /* it is asked to end it first */
    assert_false(world.site.memory.given_back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arm_carries_the_instant_before_sending),
        cmocka_unit_test(confirmation_of_another_epoch_arms_nothing),
        cmocka_unit_test(site_without_guard_renews_nothing),
        cmocka_unit_test(guard_that_does_not_answer_an_arm_in_time_stops_renewals),
        cmocka_unit_test(epoch_that_the_guard_cannot_keep_is_renewed_for_a_while_only),
        cmocka_unit_test(guard_that_can_keep_the_epoch_after_all_arms_it),
        cmocka_unit_test(nothing_is_renewed_once_the_fence_has_begun),
        cmocka_unit_test(stop_after_a_fence_does_not_renew),
        cmocka_unit_test(a_fence_that_has_ended_had_begun),
        cmocka_unit_test(fence_events_of_another_epoch_do_not_count),
        cmocka_unit_test(agent_fences_by_itself_a_quarter_into_the_window),
        cmocka_unit_test(a_fence_of_the_guard_that_failed_puts_off_no_own_fence),
        cmocka_unit_test(fence_that_was_only_begun_does_not_stop_the_agents_own),
        cmocka_unit_test(fence_of_the_guard_that_was_read_replaces_the_agents_own),
        cmocka_unit_test(without_its_guard_d_is_the_latest_end_ever_sent),
        cmocka_unit_test(without_its_guard_a_site_gives_back_only_after_d),
        cmocka_unit_test(a_guard_that_cannot_keep_the_end_is_not_waited_for_after_d),
        cmocka_unit_test(a_guard_that_could_not_keep_the_end_is_asked_until_it_can),
        cmocka_unit_test(a_guard_that_refuses_the_end_for_the_service_says_nothing_of_its_disk),
        cmocka_unit_test(a_guard_that_has_kept_a_newer_epoch_since_can_keep_one),
        cmocka_unit_test(what_was_given_back_without_its_guard_is_ended_there_too),
        cmocka_unit_test(beside_a_silent_guard_a_site_gives_back_after_d),
        cmocka_unit_test(what_was_not_answered_is_over_with_the_epoch),
        cmocka_unit_test(own_fence_of_an_older_epoch_does_not_count),
        cmocka_unit_test(own_fence_that_is_tried_again_is_to_be_over_by_the_same_d),
        cmocka_unit_test(own_fence_that_failed_is_reported_and_nothing_is_given_back),
        cmocka_unit_test(own_fence_that_the_guard_slept_through_leads_to_the_end_of_the_epoch),
        cmocka_unit_test(fence_that_took_longer_than_allowed_is_an_alarm_until_one_keeps_it),
        cmocka_unit_test(a_slow_fence_is_forgotten_in_time_by_a_site_that_holds_nothing),
        cmocka_unit_test(one_that_holds_an_epoch_does_not_forget_it),
        cmocka_unit_test(a_pending_arm_is_no_lease_but_a_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
