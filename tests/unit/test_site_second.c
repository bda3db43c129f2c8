/* site: what an agent tells a second enforcer, what it makes of its words, and that nothing starts
 * that none would end (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../src/core/site/internal.h"
#include "override_site.h"

static struct world world;
static struct bw_second_contact second;

static void hear(void)
{
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_SECOND, .second = &second});
}

static struct bw_second_lease lease(void)
{
    struct bw_second_lease of;

    bw_site_second_tell(&world.site, at_ms(world.now_ms), &of);
    return of;
}

static enum bw_second_word word(void)
{
    return reported(&world).second;
}

/* One that is all right, before anything is armed. */
static void make_second(void)
{
    second = (struct bw_second_contact){.session = {{9}},
                                        .runs_elsewhere = true,
                                        .report = {.service = BW_SERVICE_STOPPED,
                                                   .service_age_ms = 100,
                                                   .check_interval_ms = 1000,
                                                   .has_agreed = true}};
}

/* Granted with terms that count on one, and leased. */
static void begin_counted_on(void)
{
    struct bw_order of = order_to(BW_ORDER_RUN, 1);

    of.terms.second_enforcer = true;
    begin(&world);
    make_second();
    tell_order(&world, of);
    confirm(&world, 1, world.now_ms);
    armed(&world);
}

static void order_terms(bool second_enforcer)
{
    struct bw_order of = world.site.order;

    of.index = ++world.index;
    of.terms.second_enforcer = second_enforcer;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
}

static void what_is_left_is_that_of_the_lease(void **state)
{
    (void)state;
    begin(&world);
    assert_int_equal(lease().epoch, 0);
    assert_int_equal(lease().over_epoch, 0);
    begin_leased(&world);
    const uint64_t end_ms = world.now_ms + TTL_MS;

    world.now_ms += 1500;
    assert_int_equal(lease().epoch, 1);
    assert_int_equal(lease().left_ns, (end_ms - world.now_ms) * MS);
    assert_int_equal(lease().fence_ns, FENCE_MS * MS);
    assert_int_equal(lease().over_epoch, 0);
    assert_false(lease().serves);
    world.now_ms = end_ms;
    assert_int_equal(lease().epoch, 0);

    begin_serving(&world);
    assert_true(lease().serves);
    world.site.service = BW_SERVICE_UNKNOWN; /* it is to serve, and nobody knows */
    assert_false(lease().serves);
}

/* Only what is durable is final (3.5). */
static void what_was_given_back_is_over(void **state)
{
    struct bw_site_memory memory = held;

    (void)state;
    memory.given_back = true;
    begin_with(&world, &memory);
    assert_int_equal(lease().over_epoch, 1);
    memory.given_back = false;
    memory.epoch = 5;
    begin_with(&world, &memory);
    assert_int_equal(lease().over_epoch, 4); /* they had ended before this one was accepted */
    world.site.memory.given_back = true;     /* and is not on the disk yet */
    assert_int_equal(lease().over_epoch, 4);
}

/* Whatever is left of its lease: it was given back before. */
static void of_what_was_given_back_no_lease_is_told(void **state)
{
    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    ended(&world, &world.sent_look, BW_RUN_OK, "");
    assert_asked(&world, "END");
    assert_int_equal(lease().epoch, 1);
    from_guard(&world,
               &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1});
    assert_int_equal(lease().epoch, 0);
    assert_int_equal(lease().over_epoch, 1);
}

/* 3.8: of an epoch that the instance before this one held nobody here has any word, and what serves is a person's. */
static void what_a_person_lets_serve_is_of_no_epoch(void **state)
{
    (void)state;
    begin_waited(&world);
    assert_int_equal(world.site.order.epoch, 1);
    assert_int_equal(lease().over_epoch, 0); /* its guard lets nothing serve yet */
    override_done(&world);
    assert_int_equal(lease().over_epoch, 1);
    world.site.kept.override = BW_OVERRIDE_NONE;
    assert_int_equal(lease().over_epoch, 0); /* a person's word is one once it is durable */
    world.site.kept.override = BW_OVERRIDE_OVERRIDING;
    world.site.order.kind = BW_ORDER_RUN; /* of another instance here: it may be alive */
    assert_int_equal(lease().over_epoch, 0);
    world.site.guard.epoch_seen = 7; /* the one before had armed it here, and no order tells of it */
    assert_int_equal(lease().over_epoch, 7);
}

/* I1: it is armed next, and its end has to be seen to. */
static void what_follows_an_override_is_not_over(void **state)
{
    (void)state;
    begin_overriding(&world);
    assert_int_equal(lease().over_epoch, 1);
    adopt(&world, 3);
    assert_int_equal(world.site.memory.epoch, 3);
    assert_int_equal(lease().over_epoch, 2); /* they had ended before this one was granted */
    confirm(&world, 3, world.now_ms);
    assert_int_equal(lease().over_epoch, 2);
    world.site.guard.epoch_seen = 3;
    assert_int_equal(lease().over_epoch, 2);
    armed(&world);
    assert_int_equal(lease().epoch, 3);
    assert_int_equal(lease().over_epoch, 2);
}

static void tell_let_go(uint64_t epoch, uint64_t let_go_epoch)
{
    const struct bw_order of = {.kind = BW_ORDER_LET_GO,
                                .index = world.index,
                                .epoch = epoch,
                                .let_go_epoch = let_go_epoch,
                                .let_go_index = world.index,
                                .spec_version = 2};

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
}

static void let_go_done(void)
{
    from_guard(&world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_LET_GO_DONE, .let_go_index = world.index});
}

/* 3.9: its service is touched by nobody, whichever instance held it. */
static void what_was_let_go_is_over_once_the_guard_has_done_so(void **state)
{
    (void)state;
    begin_standby(&world);
    status(&world, "started");
    world.index++;
    tell_let_go(5, 5);
    assert_int_equal(lease().over_epoch, 0);
    let_go_done();
    assert_int_equal(world.site.service, BW_SERVICE_STARTED);
    assert_int_equal(lease().over_epoch, 5);
    world.site.kept.let_go_index--; /* it is not on the disk yet */
    assert_int_equal(lease().over_epoch, 0);
}

/* ... and of what had ended before something may still have to be ended, as long as anything serves. */
static void what_ended_before_a_let_go_is_over_once_nothing_serves(void **state)
{
    (void)state;
    begin_standby(&world);
    world.index++;
    tell_let_go(5, 3);
    let_go_done();
    status(&world, "started");
    assert_int_equal(lease().over_epoch, 3);
    world.site.service = BW_SERVICE_UNKNOWN;
    assert_int_equal(lease().over_epoch, 3);
    world.site.service = BW_SERVICE_STOPPED;
    assert_int_equal(lease().over_epoch, 5);
}

static void one_that_is_all_right_is_seen(void **state)
{
    (void)state;
    begin(&world);
    assert_int_equal(word(), BW_SECOND_IS_NONE);
    make_second();
    hear();
    assert_asked(&world, "SYNC");
    assert_int_equal(word(), BW_SECOND_IS_SEEN);
    hear();
    assert_not_asked(&world, "SYNC");
}

static void silence_is_no_second_enforcer(void **state)
{
    (void)state;
    begin(&world);
    make_second();
    order(&world, BW_ORDER_STAND_BY, 0); /* terms: fresh for 3 s */
    hear();
    world.now_ms += 2999;
    assert_int_equal(word(), BW_SECOND_IS_SEEN);
    world.now_ms += 1;
    assert_int_equal(word(), BW_SECOND_IS_SILENT);

    begin(&world); /* before any terms are known: for a second */
    make_second();
    hear();
    world.now_ms += 999;
    assert_int_equal(word(), BW_SECOND_IS_SEEN);
    world.now_ms += 1;
    assert_int_equal(word(), BW_SECOND_IS_SILENT);
}

static void one_on_this_machine_would_be_lost_with_it(void **state)
{
    (void)state;
    begin(&world);
    make_second();
    second.runs_elsewhere = false;
    hear();
    assert_int_equal(word(), BW_SECOND_IS_SAME_MACHINE);
}

static void one_that_cannot_look_cannot_fence(void **state)
{
    (void)state;
    begin(&world);
    make_second();
    second.report.service = BW_SERVICE_UNKNOWN;
    hear();
    assert_int_equal(word(), BW_SECOND_IS_BLIND);
    second.report.service = BW_SERVICE_STOPPED;
    second.report.service_age_ms = 7001; /* two of its looks, and what one takes */
    hear();
    assert_int_equal(word(), BW_SECOND_IS_BLIND);
    second.report.service_age_ms = 7000;
    hear();
    assert_int_equal(word(), BW_SECOND_IS_SEEN);
    world.now_ms += 1;
    assert_int_equal(word(), BW_SECOND_IS_BLIND);
}

static void one_that_never_saw_it_serve_is_unproved(void **state)
{
    (void)state;
    begin(&world);
    make_second();
    second.report.has_agreed = false;
    hear();
    assert_int_equal(word(), BW_SECOND_IS_UNPROVED);
}

/* Agreed on what serves, it may still have a fence that ends nothing. Below the level nobody has asked for a proof. */
static void one_whose_fence_was_never_proved_does_not_count(void **state)
{
    (void)state;
    begin(&world);
    make_second();
    hear();
    assert_int_equal(word(), BW_SECOND_IS_SEEN);
    world.site.needs_proof = true;
    assert_int_equal(word(), BW_SECOND_IS_UNTESTED);
    assert_false(reported(&world).second_proved);
    second.report.is_proved = true;
    hear();
    assert_int_equal(word(), BW_SECOND_IS_SEEN);
    assert_true(reported(&world).second_proved);
}

/* 3.4: what was counted on while other scripts lay there is not started beside these. */
static void nothing_starts_beside_one_whose_fence_is_not_proved(void **state)
{
    (void)state;
    begin_counted_on();
    world.site.needs_proof = true;
    second.report.armed_epoch = 1;
    hear();
    status(&world, "stopped");
    assert_int_not_equal(world.sent_run.run.action, BW_ACTION_START);
    second.report.is_proved = true;
    hear();
    tick_at(&world, world.now_ms + 10);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
}

/* What serves it has to see; a moment after the start it may not have looked yet. */
static void one_that_looks_elsewhere_does_not_count(void **state)
{
    (void)state;
    begin_serving(&world);
    make_second();
    second.report.armed_epoch = 1;
    hear();
    assert_int_equal(word(), BW_SECOND_IS_SEEN);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(word(), BW_SECOND_IS_SEEN);
        tick_at(&world, world.now_ms + 750);
        hear();
    }
    assert_int_equal(word(), BW_SECOND_IS_ELSEWHERE);
    second.report.service = BW_SERVICE_STARTED;
    hear();
    assert_int_equal(word(), BW_SECOND_IS_SEEN);

    begin_serving(&world);
    make_second();
    second.report.armed_epoch = 1;
    second.report.has_agreed = false; /* it never has */
    hear();
    assert_int_equal(word(), BW_SECOND_IS_ELSEWHERE);
}

static void one_that_does_not_know_the_deadline_does_not_count(void **state)
{
    (void)state;
    begin_serving(&world);
    make_second();
    second.report.service = BW_SERVICE_STARTED;
    hear();
    assert_int_equal(word(), BW_SECOND_IS_UNARMED);
    second.report.armed_epoch = 1;
    hear();
    assert_int_equal(word(), BW_SECOND_IS_SEEN);
    second.report.armed_epoch = 0;
    second.report.fence_epoch = 1;
    hear();
    assert_int_equal(word(), BW_SECOND_IS_FENCING);
}

/* 3.4: a start waits for it, but not for ever: its disk may keep nothing. */
static void one_that_never_arms_counts_no_more(void **state)
{
    (void)state;
    begin_counted_on();
    for (int i = 0; i < 7; i++) {
        hear();
        confirm(&world, 1, world.now_ms);
        armed(&world);
        assert_not_asked(&world, "RUN:start");
        assert_int_equal(word(), BW_SECOND_IS_SEEN);
        world.now_ms += 1000;
    }
    for (int i = 0; i < 3 && word() == BW_SECOND_IS_SEEN; i++) {
        world.now_ms += 1000;
        hear();
        confirm(&world, 1, world.now_ms);
        armed(&world);
    }
    assert_int_equal(word(), BW_SECOND_IS_UNARMED); /* until the leader has heard that, nothing starts */
    assert_not_asked(&world, "RUN:start");
    order_terms(false);
    assert_asked(&world, "RUN:start");
}

/* By the slower clock, as every wait (design 1). */
static void one_that_has_yet_to_arm_has_until_both_clocks_say_it_is_in_vain(void **state)
{
    const uint64_t wait_ns = (3000 + 5000) * MS; /* what is fresh, and what a disk may take */
    struct bw_instant over;

    (void)state;
    begin_counted_on();
    over = bw_instant_add(at_ms(world.now_ms), wait_ns);
    for (int i = 0; i < 7; i++) {
        confirm(&world, 1, world.now_ms);
        armed(&world);
        world.now_ms += 1000;
    }
    hear();
    assert_int_equal(bw_site_second_word(&world.site, (struct bw_instant){over.boot_ns, over.raw_ns - 1}),
                     BW_SECOND_IS_SEEN);
    assert_int_equal(bw_site_second_word(&world.site, over), BW_SECOND_IS_UNARMED);
}

/* 3.9: what it is to take over serves already. */
static void what_is_adopted_has_begun(void **state)
{
    struct bw_order of = order_to(BW_ORDER_RUN, 1);

    (void)state;
    begin(&world);
    make_second();
    hear();
    order(&world, BW_ORDER_RUN, 1);
    assert_int_equal(word(), BW_SECOND_IS_SEEN); /* nothing of it was started yet */
    begin(&world);
    hear();
    of.adopt = true;
    tell_order(&world, of);
    assert_int_equal(word(), BW_SECOND_IS_UNARMED);
    second.report.armed_epoch = 1;
    hear();
    assert_int_equal(word(), BW_SECOND_IS_SEEN);
}

/* What it knows of an epoch that was given back is of no other one. */
static void of_an_epoch_that_is_over_it_needs_no_deadline(void **state)
{
    struct bw_site_memory memory = held;

    (void)state;
    memory.given_back = true;
    begin_with(&world, &memory);
    make_second();
    hear();
    assert_int_equal(word(), BW_SECOND_IS_SEEN);
    second.report.fence_epoch = 1;
    hear();
    assert_int_equal(word(), BW_SECOND_IS_SEEN);
}

static void of_two_that_do_not_count_the_better_word_is_said(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        begin(&world);
        for (int i = 0; i < 2; i++) {
            make_second();
            second.session.bytes[0] = (uint8_t)(5 + i);
            if ((i == 0) == (first == 0))
                second.report.service = BW_SERVICE_UNKNOWN;
            else
                second.runs_elsewhere = false;
            hear();
        }
        assert_int_equal(word(), BW_SECOND_IS_BLIND);
    }
}

static void of_two_the_better_one_counts(void **state)
{
    (void)state;
    begin(&world);
    make_second();
    hear();
    world.now_ms += 10;
    second.session.bytes[0]++;
    second.report.service = BW_SERVICE_UNKNOWN;
    hear();
    assert_int_equal(word(), BW_SECOND_IS_SEEN);
    second.session.bytes[0]++; /* takes the place of the first */
    hear();
    assert_int_equal(word(), BW_SECOND_IS_BLIND);
}

/* I1, 3.4: the group ends by time as long as it is committed that one is seen. */
static void nothing_starts_before_it_has_the_deadline(void **state)
{
    (void)state;
    begin_counted_on();
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    assert_not_asked(&world, "RUN:start");
    hear();
    assert_not_asked(&world, "RUN:start");
    assert_false(reported(&world).start_begun);
    assert_int_equal(word(), BW_SECOND_IS_SEEN); /* nothing has begun that it would have to end */
    second.report.armed_epoch = 1;
    hear();
    assert_asked(&world, "RUN:start");
    assert_int_equal(word(), BW_SECOND_IS_SEEN);
}

/* An agent that begins anew knows its terms before any order: it waits until it is asked. */
static void after_a_restart_it_waits_by_the_terms_that_were_kept(void **state)
{
    struct bw_site_memory memory = held;
    struct bw_guard_state of = {.reach = BW_REACH_CGROUP,
                                .reach_works = true,
                                .armed_epoch = 1,
                                .armed_instance = instance_a,
                                .epoch_seen = 1,
                                .enforced = true};

    (void)state;
    memory.terms.second_enforcer = true;
    begin_with(&world, &memory);
    of.armed_end = at_ms(world.now_ms + TTL_MS);
    guard_state(&world, &of);
    status(&world, "stopped");
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    make_second();
    second.report.armed_epoch = 1;
    hear();
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
}

/* Or once it is committed that there is none. */
static void without_one_it_starts_when_that_is_committed(void **state)
{
    (void)state;
    begin_counted_on();
    tick_at(&world, world.now_ms + 500);
    assert_not_asked(&world, "RUN:start");
    assert_int_equal(word(), BW_SECOND_IS_NONE);
    order_terms(false);
    assert_asked(&world, "RUN:start");
}

/* And nothing else takes it back: neither an order that is not to run, nor the terms of another epoch. */
static void only_the_order_to_run_the_epoch_takes_the_second_one_back(void **state)
{
    (void)state;
    begin_counted_on();
    world.site.order.terms.second_enforcer = false;
    assert_false(bw_site_second_awaited(&world.site, at_ms(world.now_ms)));
    world.site.order.epoch = 2;
    assert_true(bw_site_second_awaited(&world.site, at_ms(world.now_ms)));
    world.site.order.epoch = 1;
    world.site.order.kind = BW_ORDER_STAND_BY;
    assert_true(bw_site_second_awaited(&world.site, at_ms(world.now_ms)));
}

/* One that is armed and is not believed is none. */
static void armed_alone_lets_nothing_start(void **state)
{
    (void)state;
    begin_counted_on();
    second.report.armed_epoch = 1;
    second.report.service = BW_SERVICE_UNKNOWN;
    hear();
    assert_not_asked(&world, "RUN:start");
    second.report.service = BW_SERVICE_STOPPED;
    second.runs_elsewhere = false;
    hear();
    assert_not_asked(&world, "RUN:start");
}

/* That it has fallen silent is said when its word is no longer fresh: nobody else would wake the site. */
static void it_wakes_when_the_word_of_one_grows_stale(void **state)
{
    struct bw_instant stale;

    (void)state;
    begin(&world);
    make_second();
    order(&world, BW_ORDER_STAND_BY, 0); /* terms: fresh for 3 s */
    hear();
    stale = at_ms(world.now_ms + 3000);
    second.session.bytes[0]++;
    tick_at(&world, world.now_ms + 500);
    hear(); /* another one, later */
    leave_look_open(&world);
    assert_wakes_at(&world, stale);

    tick_at(&world, stale.boot_ns / MS);
    assert_int_equal(word(), BW_SECOND_IS_SEEN); /* by the other one */
    assert_wakes_at(&world, bw_instant_add(stale, 500 * MS));
    tick_at(&world, stale.boot_ns / MS + 500);
    assert_asked(&world, "SYNC");
    assert_int_equal(word(), BW_SECOND_IS_SILENT);
    assert_true(bw_instant_is_later(world.wake_at, at_ms(world.now_ms))); /* nothing is left to grow stale */
}

/* Who asks again with what it was asked before keeps its place; of three the newest two have one. */
static void who_was_heard_longest_ago_makes_room(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) { /* the first of two is heard again, or the second */
        begin(&world);
        for (uint8_t i = 0; i < 4; i++) {
            make_second();
            second.session.bytes[0] = (uint8_t)(i < 2 ? 5 + i : i == 2 ? 5 + again : 7);
            if (second.session.bytes[0] != 5 + again)
                second.report.service = BW_SERVICE_UNKNOWN;
            world.now_ms += 10;
            hear();
        }
        assert_int_equal(word(), BW_SECOND_IS_SEEN);
    }
}

/* As long as three of its looks take: then it looks at something else. */
static void what_serves_it_has_to_see_within_three_of_its_looks(void **state)
{
    uint64_t since_ms;

    (void)state;
    begin_serving(&world);
    make_second();
    second.report.armed_epoch = 1;
    second.report.service = BW_SERVICE_STARTED;
    hear();
    tick_at(&world, world.now_ms + 5000); /* as long as it sees it nothing is counted */
    second.report.service = BW_SERVICE_STOPPED;
    hear();
    since_ms = world.now_ms;
    tick_at(&world, since_ms + 1500);
    hear();
    world.now_ms = since_ms + 2999;
    assert_int_equal(word(), BW_SECOND_IS_SEEN);
    world.now_ms = since_ms + 3000;
    assert_int_equal(word(), BW_SECOND_IS_ELSEWHERE);
}

/* 5.1: nor does a start go on that was interrupted meanwhile. */
static void no_start_goes_on_before_it_has_the_deadline(void **state)
{
    (void)state;
    begin_counted_on();
    world.site.limits.start_goes_on = true;
    second.report.armed_epoch = 1;
    hear();
    assert_asked(&world, "RUN:start");
    ended(&world, &world.sent_run, BW_RUN_INTERRUPTED, "");
    second.report.armed_epoch = 0;
    hear();
    world.sent_run.run.action = BW_ACTION_NONE;
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    second.report.armed_epoch = 1;
    hear();
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_that_of_the_lease),
        cmocka_unit_test(what_was_given_back_is_over),
        cmocka_unit_test(of_what_was_given_back_no_lease_is_told),
        cmocka_unit_test(what_a_person_lets_serve_is_of_no_epoch),
        cmocka_unit_test(what_follows_an_override_is_not_over),
        cmocka_unit_test(what_was_let_go_is_over_once_the_guard_has_done_so),
        cmocka_unit_test(what_ended_before_a_let_go_is_over_once_nothing_serves),
        cmocka_unit_test(one_that_is_all_right_is_seen),
        cmocka_unit_test(silence_is_no_second_enforcer),
        cmocka_unit_test(one_on_this_machine_would_be_lost_with_it),
        cmocka_unit_test(one_that_cannot_look_cannot_fence),
        cmocka_unit_test(one_that_never_saw_it_serve_is_unproved),
        cmocka_unit_test(one_whose_fence_was_never_proved_does_not_count),
        cmocka_unit_test(nothing_starts_beside_one_whose_fence_is_not_proved),
        cmocka_unit_test(one_that_looks_elsewhere_does_not_count),
        cmocka_unit_test(one_that_does_not_know_the_deadline_does_not_count),
        cmocka_unit_test(one_that_never_arms_counts_no_more),
        cmocka_unit_test(one_that_has_yet_to_arm_has_until_both_clocks_say_it_is_in_vain),
        cmocka_unit_test(what_is_adopted_has_begun),
        cmocka_unit_test(of_an_epoch_that_is_over_it_needs_no_deadline),
        cmocka_unit_test(of_two_that_do_not_count_the_better_word_is_said),
        cmocka_unit_test(of_two_the_better_one_counts),
        cmocka_unit_test(nothing_starts_before_it_has_the_deadline),
        cmocka_unit_test(after_a_restart_it_waits_by_the_terms_that_were_kept),
        cmocka_unit_test(without_one_it_starts_when_that_is_committed),
        cmocka_unit_test(only_the_order_to_run_the_epoch_takes_the_second_one_back),
        cmocka_unit_test(armed_alone_lets_nothing_start),
        cmocka_unit_test(it_wakes_when_the_word_of_one_grows_stale),
        cmocka_unit_test(who_was_heard_longest_ago_makes_room),
        cmocka_unit_test(what_serves_it_has_to_see_within_three_of_its_looks),
        cmocka_unit_test(no_start_goes_on_before_it_has_the_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
