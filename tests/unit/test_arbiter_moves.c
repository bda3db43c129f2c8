/* arbiter: planned moves: switchover and its way back (design 3.6, 4); failback: test_arbiter_failback. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "arbiter_moves.h"

/* ---- switchover (3.6) ---- */

/* A move to B is asked for and begun, and A gives back. */
static void give_back_for_b(const char *position)
{
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_acts("A11");
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, position);
    assert_acts("A1");
}

/* 3.6: ready before Revoke. */
static void nothing_is_revoked_for_a_target_that_is_not_ready(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    world.sites[B].report.ready = false;
    world_sync_all(&world);
    assert_held("ready", B);

    world.sites[B].report.ready = true;
    world_sync_all(&world);
    assert_rule("A11");
    assert_string_equal(world.decision.command.target, "dc-b");
    assert_string_equal(world.decision.command.by, "operator/anna");
}

/* 3.6: nobody may see the end of a service whose status says nothing. Whoever asks for its move accepts what may come of
 * that; once it is asked for nothing holds it. */
static void a_holder_whose_status_says_nothing_is_moved_for_who_accepts_that(void **state)
{
    struct bw_wish wish = {.kind = BW_WISH_SWITCHOVER, .to = "dc-b"};
    struct bw_diag diag = {0};

    (void)state;
    world_begin(&world, 2);
    world_group(&world)->sight.proved = world.sites[A].report.sight.proved = false;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_int_equal(bw_witness_ask(&world.witness, 0, &wish, world.now, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "the same with --accept-outage"));
    assert_int_equal(bw_witness_check_wish(&world.witness, 0, &wish, world.now, &diag), BW_OK); /* whoever leads later */

    wish.accept_outage = true;
    assert_int_equal(bw_witness_ask(&world.witness, 0, &wish, world.now, &diag), BW_OK);
    assert_rule("A11");
    assert_string_equal(world.decision.command.target, "dc-b");
}

/* 3.4: a look that hangs says nothing any more, whatever the newest one said, and the one after a stop would hang as
 * well. What its guard has proved to end a last look has to see, too. */
static void nothing_is_revoked_where_a_look_hangs(void **state)
{
    struct bw_wish wish = {.kind = BW_WISH_SWITCHOVER, .to = "dc-b", .accept_outage = true};
    struct bw_diag diag = {0};

    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    world.sites[A].report.guard_alive = false; /* after it was asked for */
    world_sync_all(&world);
    assert_held("guard", -1);
    assert_int_equal(bw_witness_ask(&world.witness, 0, &wish, world.now, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "the guard of dc-a is down, or its probe hangs"));

    world.sites[A].report.sight.proved = true;
    world_sync_all(&world);
    assert_held("guard", -1);

    world.sites[A].report.guard_alive = true;
    world_sync_all(&world);
    assert_rule("A11");
}

/* 4: ineligible until its rejoin has ended. The report that says "no rejoin" was made before its site
 * could know that another one serves, or before that one does. */
static void nothing_is_revoked_for_a_site_that_has_not_rejoined_yet(void **state)
{
    struct bw_diag diag = {0};
    (void)state;
    stop_for_switchover("4711");
    world.sites[B].report.prepared_index = world_group(&world)->changed_index;
    world_stop(&world, A);
    world.sites[A].report.joined_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_acts("A7");

    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-a", false, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "rejoin"));
    world_serve(&world, B);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-a", false, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "rejoin"));

    world.sites[A].report.joined_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-a", false, NULL), BW_OK);
    assert_rule("A11");
}

/* 4: also where the holder is lost before the site could hear that it serves; what never served is
 * not waited for. */
static void after_a_loss_a_site_stands_behind_the_epoch_that_served(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.joined_epoch = world_group(&world)->epoch - 1;
    world_sync_all(&world);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    world.sites[A].report.guard_alive = false;
    world_sync_all(&world);
    assert_acts("A1");
    assert_held("rejoining", B);
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, &diag), BW_ERR_REFUSED);
    world.sites[B].report.joined_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, &diag), BW_OK);
    assert_acts("A9");

    world_give_back(&world, B, BW_REASON_START_FAILED, false, "");
    world.sites[A].report.guard_alive = true;
    world.sites[A].report.joined_epoch = world_group(&world)->epoch - 1;
    world_pass_ms(&world, 10000);
    assert_acts("A1");
    world_pass_ms(&world, 10000);
    assert_rule("A9");
    assert_string_equal(world.decision.command.site, "dc-a");
}

/* 4: a move that was asked for before waits. */
static void a_move_that_was_asked_for_waits_for_the_rejoin(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    world.sites[B].report.joined_epoch = world_group(&world)->epoch - 1;
    world_sync_all(&world);
    assert_held("rejoining", B);

    world.sites[B].report.joined_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_rule("A11");
}

/* 3.6: nobody waits for a target that cannot come, while the service is down. */
static void a_target_that_cannot_come_loses_to_the_origin_at_once(void **state)
{
    (void)state;
    stop_for_switchover("4711");
    assert_held("switchover_timeout", -1);
    world.sites[B].report.joined_epoch = world_group(&world)->epoch - 1;
    world_sync_all(&world);
    assert_rule("A8");
    assert_string_equal(world.decision.command.site, "dc-a");
    assert_string_equal(world.decision.command.by, "operator/anna"); /* who asked for the move */

    stop_for_switchover("4711");
    world.sites[B].report.rejoining = true;
    world_sync_all(&world);
    assert_rule("A8");
}

/* 3.6: it is dark meanwhile, and the origin stands by. Only readiness is waited for. */
static void a_target_that_is_lost_after_the_stop_loses_to_the_origin_at_once(void **state)
{
    (void)state;
    stop_for_switchover("4711");
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 2500);
    assert_held("switchover_timeout", -1); /* it may have been a message */
    world_pass_ms(&world, 1000);
    assert_acts("A8");
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
    assert_int_equal(bw_group_history_at(world_group(&world), 0)->why_granted,
                     BW_REASON_TARGET_LOST);

    stop_for_switchover("4711");
    world.sites[B].report.guard_alive = false;
    world_sync_all(&world);
    assert_rule("A8");
    world.sites[B].report.guard_alive = true;
    world.sites[B].report.ready = false; /* what is waited for */
    world_sync_all(&world);
    assert_held("switchover_timeout", -1);
}

/* 4: who has just come to lead does not know of anybody's silence yet. */
static void a_new_leader_lets_the_target_speak_before_it_is_lost(void **state)
{
    (void)state;
    stop_for_switchover("4711");
    world.sites[B].exchanges[0].number = 0;
    world.sites[B].session.bytes[3]++;
    world_lead_anew(&world);
    (void)world_sync(&world, A);
    (void)world_sync(&world, B); /* it has heard no answer yet */
    (void)world_sync(&world, A);
    assert_held("switchover_timeout", -1);
}

/* 3.6: neither the target nor the origin comes back: a third site does not wait for ever. */
static void a_move_whose_sites_are_both_lost_goes_to_another_site(void **state)
{
    (void)state;
    for (int gone_back = 0; gone_back < 2; gone_back++) {
        world_begin(&world, 3);
        give_back_for_b("4711");
        if (gone_back == 1) { /* the target was granted, and failed early */
            prepare(B);
            assert_acts("A7");
            world_give_back(&world, B, BW_REASON_START_FAILED, false, "");
            assert_acts("A1");
            assert_true(world_group(&world)->rolling_back);
        }
        world.sites[A].is_mute = true;
        world.sites[B].is_mute = true;
        world_pass_ms(&world, 119000);
        assert_held("switchover_timeout", -1);
        world_pass_ms(&world, 2000);
        assert_acts("A9");
        assert_string_equal(world_group(&world)->holder_site, "dc-c");
    }
}

/* 3.6: what goes back is no arrival, however well prepared it is. */
static void the_origin_of_a_move_that_failed_gets_it_back_as_such(void **state)
{
    (void)state;
    world_begin(&world, 2);
    give_back_for_b("4711");
    prepare(B);
    assert_acts("A7");
    world_give_back(&world, B, BW_REASON_START_FAILED, false, "");
    assert_acts("A1");
    prepare(A);
    assert_acts("A8");
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
}

/* A person who asks for a failover asks for it now, wherever a move was going. */
static void a_failover_that_is_asked_for_leaves_a_move_behind(void **state)
{
    (void)state;
    world_begin(&world, 3);
    give_back_for_b("4711");
    prepare(B);
    assert_rule("A7");
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-c", false, NULL), BW_OK);
    assert_acts("A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-c");
}

static void a_target_put_into_maintenance_loses_to_the_origin_at_once(void **state)
{
    struct bw_command maintain = {.kind = BW_COMMAND_MAINTENANCE,
                                  .group = "harbor",
                                  .site = "dc-b",
                                  .duration_ms = 3600000};
    (void)state;
    stop_for_switchover("4711");
    maintain.spec_version = world_group(&world)->spec_version;
    assert_string_not_equal(world_apply(&world, &maintain), "-");
    world_sync_all(&world);
    assert_rule("A8");
    assert_string_equal(world.decision.command.site, "dc-a");
}

/* 3.6: ready by a run that knew the final position. */
static void the_target_is_granted_once_it_was_ready_at_the_position(void **state)
{
    (void)state;
    stop_for_switchover("4711");
    assert_held("prepared", B);

    prepare(B);
    assert_rule("A7");
    assert_string_equal(world.decision.command.site, "dc-b");
    assert_true(world.decision.command.planned);
    assert_int_equal(world.decision.command.reason, BW_REASON_SWITCHOVER);
}

/* Whatever its letters: of one as well. */
static void a_position_of_one_letter_is_given(void **state)
{
    (void)state;
    stop_for_switchover("7");
    assert_held("prepared", B);

    assert_string_equal(world_gate(&world, "position", -1)->word, "given");
}

/* 3.8, 4: all links come back after an hour; who is first may stand beside one that serves by a
 * person's word, the target and the origin of a move too. */
static void lose_all_links_but_then(int first)
{
    world.sites[A].is_mute = world.sites[B].is_mute = true;
    world_wait_ms(&world, 3600 * 1000);
    world.sites[first].is_mute = false;
    world_sync_all(&world);
    assert_held("reports", -1);
    world_pass_ms(&world, 3000);
}

static void a_target_that_is_heard_first_again_is_not_alone(void **state)
{
    (void)state;
    stop_for_switchover("4711");
    world.sites[B].report.prepared_index = world_group(&world)->changed_index;
    lose_all_links_but_then(B);
    assert_rule("A7");
}

static void an_origin_that_is_heard_first_again_is_not_alone(void **state)
{
    (void)state;
    stop_for_switchover("4711");
    lose_all_links_but_then(A);
    assert_rule("A8");
}

/* 3.6: at what it stands nobody can say, so nobody waits for another site to reach it. */
static void a_missing_position_gives_the_group_back_to_the_origin_at_once(void **state)
{
    struct bw_diag diag = {0};
    (void)state;
    stop_for_switchover("");
    prepare(B);
    assert_rule("A8");
    assert_true(world_holds(&world, "position", -1));
    assert_string_equal(world.decision.command.site, "dc-a");
    assert_int_equal(world.decision.command.reason, BW_REASON_NO_POSITION);

    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, &diag), BW_OK);
    assert_rule("A9");
    assert_string_equal(world.decision.command.site, "dc-b");
}

/* 3.6: a readiness script that never gives any is not waited for either. */
static void where_no_readiness_gives_positions_none_is_asked_for(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[A].report.gives_position = false;
    world.sites[B].report.gives_position = false;
    world_sync_all(&world);
    assert_acts("A6");
    world_serve(&world, A);
    give_back_for_b("");
    assert_held("prepared", B);
    prepare(B);
    assert_rule("A7");
}

/* Nor does a site want any of which this witness has heard nothing, as one that was started after it was lost. */
static void a_site_that_was_never_heard_gives_no_position(void **state)
{
    (void)state;
    world_begin(&world, 3);
    world.sites[A].report.gives_position = world.sites[B].report.gives_position = false;
    world.sites[C].is_mute = true;
    world_watch(&world)->reports[C] = (struct bw_site_reports){0};
    world_sync_all(&world);
    give_back_for_b("");
    prepare(B);

    assert_rule("A7");
}

static void without_readiness_scripts_no_position_is_asked_for(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_without_readiness(&world);
    world_sync_all(&world);
    give_back_for_b("");

    assert_rule("A7");
}

static void a_target_that_takes_too_long_loses_to_the_origin(void **state)
{
    (void)state;
    stop_for_switchover("4711");
    world_pass_ms(&world, 119900);
    assert_held("switchover_timeout", -1);
    assert_in_range(world.decision.wake_in_ns, 1, 100 * BW_NS_PER_MS);

    world_pass_ms(&world, 500);
    assert_acts("A8");
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
    assert_int_equal(bw_group_history_at(world_group(&world), 0)->why_granted, BW_REASON_ROLLBACK);
}

/* 3.6: a start that failed before the point of no return, confirmed stopped, goes back at once. */
static void a_start_that_failed_early_goes_back_to_the_origin(void **state)
{
    (void)state;
    stop_for_switchover("4711");
    prepare(B);
    assert_acts("A7");
    world_give_back(&world, B, BW_REASON_START_FAILED, false, "");
    assert_acts("A1");

    assert_rule("A8");
    assert_string_equal(world.decision.command.site, "dc-a");
    assert_true(world.decision.command.planned);
}

/* 3.6: after the point of no return there is no automatic way back. */
static void a_start_that_failed_late_does_not_go_back(void **state)
{
    (void)state;
    stop_for_switchover("4711");
    prepare(B);
    assert_acts("A7");
    world_pass_ms(&world, 6000); /* more than may be lost */
    world_give_back(&world, B, BW_REASON_START_FAILED, true, "");
    assert_acts("A1");
    world_pass_ms(&world, 9000);

    assert_held("lag", A);
}

/* 4: what its site lacks is at most what was written under the epoch that was lost: on_lag decides by
 * that, and a restarted witness, which did not see it granted, does not know it. */
static void lose_the_start_at_the_target(void)
{
    world_sync_all(&world);
    assert_acts("A7");
    world.sites[B].renew_epoch = world_group(&world)->epoch;
    world.sites[B].report.start_begun = true;
    world_pass_ms(&world, 2000);
    world.sites[B].is_mute = true; /* in the middle of its start */
    world_pass_ms(&world, 16000);
    assert_acts("A3");
    assert_string_equal(world_group(&world)->data_site, "dc-b");
    assert_held("lag", A);
    assert_in_range(world_gate(&world, "lag", A)->value, 17000, 19000);
    world_group(&world)->spec.max_lag_ms = 20000;
    assert_rule("A9");
    assert_string_equal(world.decision.command.site, "dc-a");
}

static void after_a_lost_start_the_loss_is_bounded_by_its_grant(void **state)
{
    (void)state;
    stop_for_switchover("4711");
    world.sites[B].report.prepared_index = world_group(&world)->changed_index;
    lose_the_start_at_the_target();

    bw_witness_on_restored(&world.witness, world.now);
    world_pass_ms(&world, 4000);
    assert_held("lag", A);
}

/* 4: that bound needs no script. */
static void without_readiness_scripts_the_loss_is_bounded_as_well(void **state)
{
    (void)state;
    stop_for_switchover("");
    world_without_readiness(&world);
    lose_the_start_at_the_target();
}

/* 3.6: the lease ran out in the middle, of a site that is there and had ended its service: that is no
 * lost site, and whom the move was for is the first choice. */
static void a_move_whose_epoch_expired_is_not_forgotten(void **state)
{
    (void)state;
    begin_switchover();
    world.sites[A].renew_epoch = 0;
    world_stop(&world, A);
    world.sites[A].report.stop_begun_epoch = world_group(&world)->epoch;
    world.sites[A].report.alarms = 1u << BW_ALARM_STOP_FAILED;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 1000);
    assert_acts("A3");

    assert_int_equal(world_group(&world)->last_end.reason, BW_REASON_STOP_FAILED);
    assert_string_equal(world_group(&world)->first_choice, "dc-b");
    assert_acts("A9"); /* dc-a has the higher priority, and its data is the newest */
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    assert_string_equal(world_group(&world)->first_choice, "");
}

/* 3.6: a stop that has begun is finished. */
static void a_move_is_given_up_only_before_the_stop_began(void **state)
{
    (void)state;
    begin_switchover();
    world_pass_ms(&world, 119900);
    assert_held("switchover_timeout", -1);
    world_pass_ms(&world, 500);
    assert_rule("A5");

    world.sites[A].report.stop_begun_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_held("stop_not_begun", -1);
    world.sites[A].is_mute = true;
    world.sites[A].report.stop_begun_epoch = 0;
    world_pass_ms(&world, 4000);
    assert_held("stop_not_begun", -1); /* not known */
}

static void a_move_that_was_given_up_is_not_begun_again(void **state)
{
    (void)state;
    begin_switchover();
    world_pass_ms(&world, 121000);
    assert_acts("A5");

    assert_rule("A0");
    assert_null(world_gate(&world, "wish", -1));
}

/* 3.6: as long as the stop has not begun, and the holder can be asked. */
static void a_move_can_be_given_up_until_its_stop_has_begun(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_string_equal(world_act(&world), "A11");
    world_sync_all(&world);
    assert_true(bw_arbiter_may_give_up(world_group(&world), world_watch(&world), world.now));
    world.sites[A].report.stop_begun_epoch = 1;
    world_sync_all(&world);
    assert_false(bw_arbiter_may_give_up(world_group(&world), world_watch(&world), world.now));
    world.sites[A].report.stop_begun_epoch = 0;
    world_sync_all(&world);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 6000);
    assert_false(bw_arbiter_may_give_up(world_group(&world), world_watch(&world), world.now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_move_can_be_given_up_until_its_stop_has_begun),
        cmocka_unit_test(nothing_is_revoked_for_a_target_that_is_not_ready),
        cmocka_unit_test(a_holder_whose_status_says_nothing_is_moved_for_who_accepts_that),
        cmocka_unit_test(nothing_is_revoked_where_a_look_hangs),
        cmocka_unit_test(nothing_is_revoked_for_a_site_that_has_not_rejoined_yet),
        cmocka_unit_test(a_move_that_was_asked_for_waits_for_the_rejoin),
        cmocka_unit_test(after_a_loss_a_site_stands_behind_the_epoch_that_served),
        cmocka_unit_test(a_target_that_cannot_come_loses_to_the_origin_at_once),
        cmocka_unit_test(a_target_that_is_lost_after_the_stop_loses_to_the_origin_at_once),
        cmocka_unit_test(a_new_leader_lets_the_target_speak_before_it_is_lost),
        cmocka_unit_test(a_move_whose_sites_are_both_lost_goes_to_another_site),
        cmocka_unit_test(the_origin_of_a_move_that_failed_gets_it_back_as_such),
        cmocka_unit_test(a_failover_that_is_asked_for_leaves_a_move_behind),
        cmocka_unit_test(a_target_put_into_maintenance_loses_to_the_origin_at_once),
        cmocka_unit_test(the_target_is_granted_once_it_was_ready_at_the_position),
        cmocka_unit_test(a_position_of_one_letter_is_given),
        cmocka_unit_test(a_target_that_is_heard_first_again_is_not_alone),
        cmocka_unit_test(an_origin_that_is_heard_first_again_is_not_alone),
        cmocka_unit_test(a_missing_position_gives_the_group_back_to_the_origin_at_once),
        cmocka_unit_test(where_no_readiness_gives_positions_none_is_asked_for),
        cmocka_unit_test(a_site_that_was_never_heard_gives_no_position),
        cmocka_unit_test(without_readiness_scripts_no_position_is_asked_for),
        cmocka_unit_test(a_target_that_takes_too_long_loses_to_the_origin),
        cmocka_unit_test(a_start_that_failed_early_goes_back_to_the_origin),
        cmocka_unit_test(a_start_that_failed_late_does_not_go_back),
        cmocka_unit_test(after_a_lost_start_the_loss_is_bounded_by_its_grant),
        cmocka_unit_test(without_readiness_scripts_the_loss_is_bounded_as_well),
        cmocka_unit_test(a_move_whose_epoch_expired_is_not_forgotten),
        cmocka_unit_test(a_move_is_given_up_only_before_the_stop_began),
        cmocka_unit_test(a_move_that_was_given_up_is_not_begun_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
