/* site: an operator asks for the proof that what ends the service by time can: a restart whose stop is a KILL, or the fence
 * of a second enforcer (design 3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../src/core/site/internal.h"
#include "site_shell.h"

static struct world world;

/* It serves, started here in epoch 1, and its guard has seen it inside. */
static void begin_inside(void)
{
    begin_serving(&world);
    world.site.guard.reach_works = true;
    world.site.guard.start_epoch = 1;
    world.site.guard.sight = (struct bw_reach_sight){.seen = BW_REACH_INSIDE, .epoch = 1, .digest = 1};
    world.site.order.restart_allowed = true;
    world.site.order.reach_digest = 1;
    confirm(&world, 1, world.now_ms);
    armed(&world);
}

static enum bw_proof_word judged(void)
{
    return bw_site_judge_proof(&world.site, at_ms(world.now_ms));
}

static void ask(void)
{
    const struct bw_site_event asked = {.kind = BW_SITE_EVENT_PROVE};

    assert_int_equal(judged(), BW_PROOF_WORD_NONE);
    happen(&world, &asked);
}

static void refuse_run(enum bw_refusal why)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .epoch = world.sent_run.run.epoch};

    of.ended = (struct bw_guard_run_ended){.epoch = world.sent_run.run.epoch,
                                           .action = world.sent_run.run.action,
                                           .run_id = world.sent_run.run.run_id,
                                           .result = BW_RUN_REFUSED,
                                           .refusal = why,
                                           .exit_status = -1};
    from_guard(&world, &of);
}

/* Killed once a look of its own has said that it serves, renewed meanwhile, and started under the same epoch. */
static void the_service_is_killed_and_started_again_under_its_epoch(void **state)
{
    (void)state;
    begin_inside();
    ask();
    assert_int_equal(judged(), BW_PROOF_WORD_ASKED);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    status(&world, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    assert_true(world.sent_run.run.by_kill);
    assert_int_equal(world.sent_run.run.epoch, 1);
    assert_true(renews(&world));

    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(world.site.proof_word, BW_PROOF_WORD_PROVED);
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_false(world.sent_run.run.by_kill);
    assert_int_equal(world.sent_run.run.epoch, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(world.site.restarts_used, 0); /* it is none of those before the group goes elsewhere */
}

/* A helper was all that the KILL has ended. */
static void what_serves_on_is_left_and_serves(void **state)
{
    (void)state;
    begin_inside();
    ask();
    status(&world, "started");
    refuse_run(BW_REFUSAL_NOT_STOPPED);
    assert_int_equal(world.site.proof_word, BW_PROOF_WORD_SERVES_ON);
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(world.site.restarts_used, 0);
}

static void what_its_guard_refuses_is_left_and_serves(void **state)
{
    (void)state;
    begin_inside();
    ask();
    status(&world, "started");
    refuse_run(BW_REFUSAL_BUSY); /* its disk has a look: it is asked again */
    assert_int_equal(world.site.proof_word, BW_PROOF_WORD_ASKED);
    tick_at(&world, world.now_ms + 300);
    assert_true(world.sent_run.run.by_kill);
    refuse_run(BW_REFUSAL_NOT_INSIDE);
    assert_int_equal(world.site.proof_word, BW_PROOF_WORD_NOT_KILLED);
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
}

/* The look that follows says whether there is anything to kill. */
static void what_does_not_serve_any_more_is_not_killed(void **state)
{
    (void)state;
    begin_inside();
    ask();
    status(&world, "unknown");
    assert_int_equal(world.site.proof_word, BW_PROOF_WORD_SERVICE);
    assert_int_equal(judged(), BW_PROOF_WORD_SERVICE);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
}

/* Adopted, or of scripts as they were: it is stopped and started by them first, which may show it inside. */
static void what_was_not_started_by_these_scripts_is_started_by_them_first(void **state)
{
    (void)state;
    begin_inside();
    world.site.guard.sight.seen = BW_REACH_UNSEEN;
    assert_true(bw_site_proof_restarts(&world.site, at_ms(world.now_ms)));
    ask();
    status(&world, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    assert_false(world.sent_run.run.by_kill);
    assert_true(world.sent_run.run.facts.restarts); /* scripts leave the epoch open */
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_false(world.sent_run.run.facts.restarts);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    world.site.guard.sight.seen = BW_REACH_INSIDE;
    status(&world, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    assert_true(world.sent_run.run.by_kill);
}

/* Started here by these, it was seen outside: another start shows nothing else. */
static void what_these_scripts_start_outside_is_not_restarted_for_nothing(void **state)
{
    (void)state;
    begin_inside();
    world.site.guard.sight.seen = BW_REACH_OUTSIDE;
    assert_int_equal(judged(), BW_PROOF_WORD_OUTSIDE);
}

static void it_is_refused_where_it_could_not_work(void **state)
{
    (void)state;
    begin_inside();
    world.site.guard.sight.proved = true;
    assert_int_equal(judged(), BW_PROOF_WORD_PROVED);

    begin_inside();
    world.site.order.restart_allowed = false;
    assert_int_equal(judged(), BW_PROOF_WORD_ORDER);

    begin_inside();
    world.site.guard.reach = BW_REACH_REMOTE;
    assert_int_equal(judged(), BW_PROOF_WORD_REMOTE);

    begin_inside();
    world.site.guard.loop_delay_ms = 1;
    assert_int_equal(judged(), BW_PROOF_WORD_DRIVER);

    begin_inside();
    world.site.guard.reach_works = false;
    assert_int_equal(judged(), BW_PROOF_WORD_GUARD);

    begin_inside();
    world.site.runs_sick = true;
    assert_int_equal(judged(), BW_PROOF_WORD_SERVICE);

    begin(&world);
    assert_int_equal(judged(), BW_PROOF_WORD_NOT_PRIMARY);
}

/* A start has to be over before D - F: who is not renewed any more begins nothing. */
static void with_less_than_half_of_its_lease_it_is_refused(void **state)
{
    struct bw_instant half;

    (void)state;
    begin_inside();
    half = bw_instant_sub(world.site.lease.end,
                          world.site.lease.fence_ns + (world.site.lease.ttl_ns - world.site.lease.fence_ns) / 2);
    assert_int_equal(bw_site_judge_proof(&world.site, half), BW_PROOF_WORD_NONE);
    assert_int_equal(bw_site_judge_proof(&world.site, bw_instant_add(half, BW_NS_PER_MS)), BW_PROOF_WORD_LEASE);
}

/* 3.5: a planned move that comes in between has its own stop; nothing of it goes by the KILL. */
static void a_move_that_comes_in_between_has_its_own_stop(void **state)
{
    (void)state;
    begin_inside();
    ask();
    status(&world, "started");
    order(&world, BW_ORDER_STOP, 1);
    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(world.site.stop, BW_SITE_STOP_NONE);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    assert_false(world.sent_run.run.by_kill);
    assert_false(world.sent_run.run.facts.restarts); /* this end is final */
}

/* What its guard goes on with ends there; a look says what there is to start. */
static void the_loss_of_its_guard_ends_it(void **state)
{
    (void)state;
    begin_inside();
    ask();
    status(&world, "started");
    guard_lost(&world);
    assert_int_equal(world.site.proof_word, BW_PROOF_WORD_CUT_OFF);
    assert_false(world.site.stops_first);
}

/* ---- by a second enforcer --------------------------------------------------------------------- */

static struct bw_second_contact second;

static void hear(void)
{
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_SECOND, .second = &second});
}

static uint64_t told(struct bw_id session)
{
    return bw_site_proof_number(&world.site, session);
}

/* What serves is outside, and a second enforcer sees it. */
static void begin_outside(void)
{
    begin_inside();
    world.site.guard.reach = BW_REACH_REMOTE;
    world.site.guard.reach_works = false;
    world.site.guard.sight.seen = BW_REACH_OUTSIDE;
    world.site.needs_proof = true;
    second = (struct bw_second_contact){.session = {{9}},
                                        .runs_elsewhere = true,
                                        .report = {.armed_epoch = 1,
                                                   .service = BW_SERVICE_STARTED,
                                                   .service_age_ms = 100,
                                                   .check_interval_ms = 1000,
                                                   .has_agreed = true}};
    hear();
}

/* It is told to fence. */
static void begin_fence(void)
{
    begin_outside();
    assert_true(bw_site_proves_second(&world.site, at_ms(world.now_ms)));
    ask();
    assert_int_equal(told(second.session), 0);
    world.sent_run.run.action = BW_ACTION_NONE; /* that was its start */
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE); /* its guard stops nothing */
    assert_int_not_equal(told(second.session), 0);
    assert_int_equal(told((struct bw_id){{8}}), 0); /* one of two fences alone */
    assert_true(renews(&world));
}

static void say_over(bool is_proved)
{
    second.report.service = is_proved ? BW_SERVICE_STOPPED : BW_SERVICE_STARTED;
    second.report.is_proved = is_proved;
    second.report.proof_ended = told(second.session);
    hear();
}

static void what_a_second_enforcer_has_ended_is_started_again_under_its_epoch(void **state)
{
    (void)state;
    begin_fence();
    status(&world, "stopped"); /* it is not started while the fence may run */
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    assert_int_equal(reported(&world).second, BW_SECOND_IS_UNTESTED);
    say_over(true);
    assert_int_equal(world.site.proof_word, BW_PROOF_WORD_PROVED);
    assert_int_equal(reported(&world).second, BW_SECOND_IS_SEEN);
    assert_int_equal(told(second.session), 0);
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_int_equal(world.sent_run.run.epoch, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    second.report.service = BW_SERVICE_STARTED;
    hear();
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(world.site.restarts_used, 0);
    assert_int_equal(judged(), BW_PROOF_WORD_PROVED);
}

/* Adopted, and seen outside: a start by these scripts would show nothing else. */
static void what_was_adopted_outside_is_fenced_as_it_is(void **state)
{
    (void)state;
    begin_outside();
    world.site.guard.reach = BW_REACH_CGROUP;
    world.site.guard.reach_works = true;
    world.site.guard.start_epoch = 0;
    assert_false(bw_site_proof_restarts(&world.site, at_ms(world.now_ms)));
    ask();
    status(&world, "started");
    assert_int_not_equal(told(second.session), 0);
}

static void what_a_second_enforcer_has_not_ended_serves_on(void **state)
{
    (void)state;
    begin_fence();
    say_over(false);
    assert_int_equal(world.site.proof_word, BW_PROOF_WORD_NOT_FENCED);
    assert_int_equal(reported(&world).second, BW_SECOND_IS_UNTESTED);
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
}

/* The fence has ended a part, and no look says whether it has stopped: nothing else would ever end or start it. */
static void what_a_fence_leaves_in_doubt_is_stopped_and_started(void **state)
{
    (void)state;
    begin_fence();
    say_over(false);
    status(&world, "unknown");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    assert_true(world.sent_run.run.facts.restarts);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
}

static void what_a_fence_was_at_is_doubted_once_the_guard_is_back(void **state)
{
    (void)state;
    begin_fence();
    guard_lost(&world);
    assert_int_equal(world.site.proof_word, BW_PROOF_WORD_CUT_OFF);
    assert_int_equal(world.site.proof, BW_SITE_PROOF_DOUBTED);
    assert_int_equal(told(second.session), 0);
}

/* 3.5: the stop of a restart leaves the epoch open at the resource, where a late start would be taken. */
static void an_end_that_comes_beside_a_restart_has_its_own_stop(void **state)
{
    (void)state;
    begin_fence();
    say_over(false);
    status(&world, "unknown");
    assert_true(world.sent_run.run.facts.restarts);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(world.site.stop, BW_SITE_STOP_NONE);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    assert_false(world.sent_run.run.facts.restarts);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(world.site.stop, BW_SITE_STOP_SEEN);
}

/* Of a proof before: its number is another one. */
static void what_it_says_of_another_proof_is_no_end(void **state)
{
    (void)state;
    begin_fence();
    second.report.is_proved = true;
    second.report.proof_ended = told(second.session) - 1;
    hear();
    assert_int_equal(world.site.proof_word, BW_PROOF_WORD_ASKED);
}

static void one_that_is_lost_is_not_waited_for(void **state)
{
    (void)state;
    begin_fence();
    for (int i = 0; i < 40 && world.site.proof_word == BW_PROOF_WORD_ASKED; i++) {
        confirm(&world, 1, world.now_ms);
        armed(&world);
        tick_at(&world, world.now_ms + 1000);
    }
    assert_int_equal(world.site.proof_word, BW_PROOF_WORD_CUT_OFF);
    assert_int_equal(told(second.session), 0);
    status(&world, "stopped"); /* it began before: the fence may have run beside it */
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    tick_at(&world, world.now_ms + 1000);
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
}

static void a_move_cuts_it_off(void **state)
{
    (void)state;
    begin_fence();
    order(&world, BW_ORDER_STOP, 1);
    assert_int_equal(world.site.proof_word, BW_PROOF_WORD_CUT_OFF);
    assert_int_equal(told(second.session), 0);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
}

static void without_one_that_can_be_asked_it_is_refused(void **state)
{
    (void)state;
    begin_outside();
    second.report.service = BW_SERVICE_UNKNOWN;
    hear();
    assert_int_equal(judged(), BW_PROOF_WORD_REMOTE);

    begin_outside();
    world.site.guard.reach = BW_REACH_CGROUP;
    world.site.guard.reach_works = true;
    assert_int_equal(judged(), BW_PROOF_WORD_NONE);
    second.runs_elsewhere = false;
    hear();
    assert_int_equal(judged(), BW_PROOF_WORD_OUTSIDE);

    begin_outside();
    second.report.armed_epoch = 0;
    hear();
    assert_int_equal(judged(), BW_PROOF_WORD_REMOTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_service_is_killed_and_started_again_under_its_epoch),
        cmocka_unit_test(what_serves_on_is_left_and_serves),
        cmocka_unit_test(what_its_guard_refuses_is_left_and_serves),
        cmocka_unit_test(what_does_not_serve_any_more_is_not_killed),
        cmocka_unit_test(what_was_not_started_by_these_scripts_is_started_by_them_first),
        cmocka_unit_test(what_these_scripts_start_outside_is_not_restarted_for_nothing),
        cmocka_unit_test(it_is_refused_where_it_could_not_work),
        cmocka_unit_test(with_less_than_half_of_its_lease_it_is_refused),
        cmocka_unit_test(a_move_that_comes_in_between_has_its_own_stop),
        cmocka_unit_test(the_loss_of_its_guard_ends_it),
        cmocka_unit_test(what_a_second_enforcer_has_ended_is_started_again_under_its_epoch),
        cmocka_unit_test(what_was_adopted_outside_is_fenced_as_it_is),
        cmocka_unit_test(what_a_second_enforcer_has_not_ended_serves_on),
        cmocka_unit_test(what_a_fence_leaves_in_doubt_is_stopped_and_started),
        cmocka_unit_test(what_a_fence_was_at_is_doubted_once_the_guard_is_back),
        cmocka_unit_test(an_end_that_comes_beside_a_restart_has_its_own_stop),
        cmocka_unit_test(what_it_says_of_another_proof_is_no_end),
        cmocka_unit_test(one_that_is_lost_is_not_waited_for),
        cmocka_unit_test(a_move_cuts_it_off),
        cmocka_unit_test(without_one_that_can_be_asked_it_is_refused),
    };

    return cmocka_run_group_tests_name("site_prove", tests, NULL, NULL);
}
