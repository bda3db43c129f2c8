/* arbiter: what limits a planned move (design 3.6, 4): its time, its sites, and what counts as stopping or arriving; how
 * one goes: test_arbiter_moves. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "arbiter_moves.h"

/* A move has the time that was given to it, not what another wish came with. */
static void a_move_has_the_time_of_the_wish_that_asked_for_it(void **state)
{
    static const struct bw_wish others[] = {{.kind = BW_WISH_FAILOVER, .to = "dc-b"},
                                            {.kind = BW_WISH_SWITCHOVER, .to = "dc-c"}};
    const struct bw_gate *gate;

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        world_begin(&world, 3);
        assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
        assert_acts("A11");
        world_watch(&world)->wish = others[i];
        world_watch(&world)->wish.epoch = world_group(&world)->epoch;
        world_watch(&world)->wish.timeout_ms = 7000;

        (void)world_decide(&world);

        gate = world_gate(&world, "switchover_timeout", -1);
        assert_non_null(gate);
        assert_int_equal(gate->threshold, world_group(&world)->spec.switchover_timeout_ms);
    }
}

/* 3.9: a wish does not follow a site out of the spec, and goes to no other one in its place. */
static void a_wished_target_that_left_the_spec_is_no_candidate(void **state)
{
    struct bw_spec spec;

    (void)state;
    world_begin(&world, 3);
    spec = world_group(&world)->spec;
    spec.site_count = 2;
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-c", false, NULL), BW_OK);
    world_set_spec(&world, &spec, "");
    world.sites[C].is_mute = true;
    world_sync_all(&world);

    assert_held("candidate", -1);
    for (uint32_t i = 0; i < world.decision.gate_count; i++)
        assert_in_range(world.decision.gates[i].site + 1, 0, 2); /* nobody is judged who is none */
}

/* 3.6: a target is one by its name, however short that is. */
static void a_move_to_a_site_of_one_letter_is_a_move(void **state)
{
    (void)state;
    stop_for_switchover("0/16");
    (void)strcpy(world_group(&world)->target, "b");
    (void)strcpy(world_group(&world)->spec.sites[B].name, "b");

    (void)world_decide(&world);

    assert_non_null(world_gate(&world, "position", -1));
}

/* 4: a lag that was measured says more than the time since the grant. */
static void after_a_loss_the_lag_that_was_measured_counts(void **state)
{
    (void)state;
    stop_for_switchover("4711");
    prepare(B);
    assert_acts("A7");
    world_serve(&world, B);
    world.sites[A].report.has_lag = true;
    world.sites[A].report.lag_ms = 400;
    world_pass_ms(&world, 5000);
    world.sites[B].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 1000);
    assert_acts("A3");

    (void)world_decide(&world);
    assert_non_null(world_gate(&world, "lag", A));
    assert_int_equal(world_gate(&world, "lag", A)->value, 400);
}

static bool may_be_stopping(void)
{
    return bw_arbiter_may_be_stopping(world_group(&world), world_watch(&world), world.now);
}

/* 3.9: also of a stop that no move has ordered. */
static void a_stop_may_be_under_way_where_its_holder_says_so_or_was_ordered_to_and_is_silent(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_false(may_be_stopping());
    world.sites[A].report.stop_begun_epoch = 1;
    world_sync_all(&world);
    assert_true(may_be_stopping());
    world.sites[A].report.stop_begun_epoch = 0;
    world_sync_all(&world);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_acts("A11");
    assert_false(may_be_stopping());
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 6000);
    assert_true(may_be_stopping());

    world_begin(&world, 2);
    world.sites[A].is_mute = true; /* nobody has ordered it anything */
    world_pass_ms(&world, 6000);
    assert_false(may_be_stopping());

    world_begin(&world, 2);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_acts("A1");
    assert_false(may_be_stopping());
}

static bool is_arriving(void)
{
    return bw_arbiter_is_arriving(world_group(&world), world_watch(&world), world.now);
}

/* 3.9: from the give-back until whoever is granted next serves, and no longer than each may take. */
static void what_was_given_back_for_a_move_arrives_within_its_time(void **state)
{
    const uint64_t time_ms = world_group(&world)->spec.switchover_timeout_ms;

    (void)state;
    begin_switchover();
    assert_false(is_arriving());
    stop_for_switchover("4711");
    assert_true(is_arriving());
    world_group(&world)->spec.mode = BW_MODE_PAUSED; /* nobody is granted */
    assert_false(is_arriving());
    world_group(&world)->spec.mode = BW_MODE_AUTO;
    world_wait_ms(&world, time_ms);
    assert_false(is_arriving());

    for (int is_back = 0; is_back < 2; is_back++) {
        stop_for_switchover("4711");
        if (is_back)
            world.sites[B].report.ready = false;
        else
            prepare(B);
        world_pass_ms(&world, is_back ? time_ms : 0);
        assert_acts(is_back ? "A8" : "A7");
        world_sync_all(&world);
        assert_true(is_arriving());
        world_serve(&world, is_back ? A : B);
        assert_false(is_arriving());
        world.sites[is_back ? A : B].report.serving_epoch_started = false; /* a local restart */
        world_pass_ms(&world, time_ms);
        assert_false(is_arriving());
    }
}

/* 3.9: of a start that no move has ordered, the plan tells. */
static void what_no_move_has_granted_arrives_nowhere(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.serving_epoch_started = false;
    world_sync_all(&world);
    assert_false(is_arriving());
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_acts("A1");
    assert_false(is_arriving());
}

/* 3.6: the site that it came from has left the spec meanwhile: its target is waited for, and then any other. */
static void a_move_whose_origin_is_gone_goes_back_to_nobody(void **state)
{
    struct bw_spec spec;

    (void)state;
    world_begin(&world, 3);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_acts("A11");
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "4711");
    assert_acts("A1");
    spec = world_group(&world)->spec;
    spec.sites[0] = spec.sites[1];
    spec.sites[1] = spec.sites[2];
    spec.site_count = 2;
    world_set_spec(&world, &spec, "");
    world.sites[A].is_mute = true;
    world.sites[B].is_mute = true;
    world_sync_all(&world);

    assert_rule("A0");
    for (uint32_t i = 0; i < world.decision.gate_count; i++)
        assert_string_not_equal(world.decision.gates[i].step, "A8");
    world_pass_ms(&world, world_group(&world)->spec.switchover_timeout_ms);
    assert_acts("A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-c");
}

/* 4: a wish is for one epoch, and so is the time that was given with it. */
static void a_move_has_the_time_of_its_own_wish(void **state)
{
    (void)state;
    for (int is_of_epoch = 0; is_of_epoch < 2; is_of_epoch++) {
        world_begin(&world, 2);
        assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
        assert_acts("A11");
        world_watch(&world)->wish.timeout_ms = 1000;
        if (!is_of_epoch)
            world_watch(&world)->wish.epoch++;
        world_pass_ms(&world, 1500);
        assert_rule(is_of_epoch ? "A5" : "A0");
    }
}

/* 3.6: the target of a move may not have spoken to it yet: whoever leads anew looks again once it has had
 * the time. */
static void a_new_leader_looks_again_once_the_target_has_had_time_to_speak(void **state)
{
    const struct bw_spec *spec = &world_group(&world)->spec;

    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_acts("A11");
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "4711");
    assert_acts("A1");
    world_lead_anew(&world);
    world_wait_ms(&world, 500);
    assert_rule("A0");
    assert_int_equal(world.decision.wake_in_ns,
                     bw_expiry_freshness_ns(spec->renew_interval_ms, spec->request_timeout_ms) -
                         500 * BW_NS_PER_MS);
}

/* 3.2: it renews as they say until its epoch ends, whatever was applied since. */
static void a_holder_is_heard_by_the_terms_of_its_epoch(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_group(&world)->terms.renew_interval_ms = 5000;
    world_group(&world)->spec.renew_interval_ms = 300;
    world_sync_all(&world);
    world_sync_all(&world);
    world_wait_ms(&world, 5000);
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-b", world.now), world_group(&world)->epoch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_move_has_the_time_of_the_wish_that_asked_for_it),
        cmocka_unit_test(a_wished_target_that_left_the_spec_is_no_candidate),
        cmocka_unit_test(a_move_to_a_site_of_one_letter_is_a_move),
        cmocka_unit_test(after_a_loss_the_lag_that_was_measured_counts),
        cmocka_unit_test(a_stop_may_be_under_way_where_its_holder_says_so_or_was_ordered_to_and_is_silent),
        cmocka_unit_test(what_was_given_back_for_a_move_arrives_within_its_time),
        cmocka_unit_test(what_no_move_has_granted_arrives_nowhere),
        cmocka_unit_test(a_move_whose_origin_is_gone_goes_back_to_nobody),
        cmocka_unit_test(a_move_has_the_time_of_its_own_wish),
        cmocka_unit_test(a_new_leader_looks_again_once_the_target_has_had_time_to_speak),
        cmocka_unit_test(a_holder_is_heard_by_the_terms_of_its_epoch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
