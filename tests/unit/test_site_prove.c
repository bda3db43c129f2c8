/* site: an operator asks for the proof of its reach: a restart whose stop is a KILL (design 3.4). */
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
    assert_false(world.sent_run.run.facts.restarts);
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
    assert_true(world.sent_run.run.facts.restarts); /* scripts keep of an end that no start may come */
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
    assert_true(bw_site_proof_restarts(&world.site));
    ask();
    status(&world, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    assert_false(world.sent_run.run.by_kill);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
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
    };

    return cmocka_run_group_tests_name("site_prove", tests, NULL, NULL);
}
