/* arbiter and table: the point of no return of an epoch, and where it leaves the newest data (4).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/core/expiry.h>

#include "remote_fence_world.h"

#define assert_rule(rule) assert_string_equal(world_decide(&world), rule)
#define assert_acts(rule) assert_string_equal(world_act(&world), rule)

/* dc-a had it; dc-b, whose starts have such a point, was granted. */
static void grant_b(void)
{
    world_begin(&world, 2);
    world.cluster.feature_level = BW_PASS_LEVEL;
    world.sites[B].report.has_point = true;
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_acts("A1");
    world_pass_ms(&world, 3000);
    assert_acts("A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
}

static void ask(int site)
{
    world.sites[site].report.asks_to_pass = world_group(&world)->epoch;
    world_sync_all(&world);
}

static void renew(int site)
{
    world.sites[site].renew_epoch = world_group(&world)->epoch;
    (void)world_sync(&world, site);
}

/* It has renewed, so it may have begun; and its lease is surely over. */
static void lose_b(void)
{
    renew(B);
    world.sites[B].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
    assert_acts("A3");
}

static void a_grant_pins_whether_starts_hold_there(void **state)
{
    (void)state;
    grant_b();
    assert_int_equal(world_group(&world)->terms.no_return, BW_NO_RETURN_AHEAD);
    assert_string_equal(world_group(&world)->data_site, "dc-b");
    world_begin(&world, 2);
    assert_int_equal(world_group(&world)->terms.no_return, BW_NO_RETURN_UNDECLARED);
}

static void it_is_committed_when_the_holder_asks(void **state)
{
    (void)state;
    grant_b();
    assert_rule("A0");
    ask(B);
    assert_acts("A34");
    assert_int_equal(world_group(&world)->terms.no_return, BW_NO_RETURN_PASSED);
    assert_rule("A0"); /* once */
}

/* Until it is committed, and then no more. */
static void a_decision_says_that_a_start_waits_for_it(void **state)
{
    const struct bw_gate *gate;

    (void)state;
    grant_b();
    ask(B);
    assert_acts("A34");
    gate = world_gate(&world, "no_return", -1);
    assert_non_null(gate);
    assert_string_equal(gate->step, "A34");
    assert_int_equal(gate->verdict, BW_GATE_PASS);

    assert_rule("A0");

    assert_null(world_gate(&world, "no_return", -1));
}

/* Only of this epoch, by the instance that holds it. */
static void nobody_else_asks_for_it(void **state)
{
    (void)state;
    grant_b();
    ask(A);
    assert_rule("A0");
    world.sites[B].report.asks_to_pass = world_group(&world)->epoch - 1;
    world_sync_all(&world);
    assert_rule("A0");
    world.sites[B].boot_id.bytes[0]++; /* its machine has booted, and no renewal told of that */
    ask(B);
    assert_string_not_equal(world_decide(&world), "A34");
    world.sites[B].boot_id.bytes[0]--;
    world.sites[B].instance.bytes[0]++;
    world.sites[B].session.bytes[0]++;
    ask(B);
    assert_string_not_equal(world_decide(&world), "A34");
    assert_int_equal(world_group(&world)->terms.no_return, BW_NO_RETURN_AHEAD);
}

/* By whichever clock: it may wait for it no more. */
static void a_report_that_is_not_fresh_asks_for_nothing(void **state)
{
    const struct bw_spec *spec;

    (void)state;
    grant_b();
    ask(B);
    spec = &world_group(&world)->spec;
    world.now.raw_ns += bw_expiry_freshness_ns(spec->renew_interval_ms, spec->request_timeout_ms) - 1;
    assert_rule("A34");
    world.now.raw_ns++;
    assert_string_not_equal(world_decide(&world), "A34");
}

/* 4: what cannot be taken back had not begun. */
static void who_was_lost_before_it_has_left_the_data_alone(void **state)
{
    (void)state;
    grant_b();
    lose_b();
    assert_string_equal(world_group(&world)->data_site, "dc-a");
    assert_false(world_group(&world)->last_end.past_no_return);
}

/* dc-b is lost under the epoch, which only a fence from elsewhere ends; dc-a is back as another machine. */
static void close_and_make_a_anew(void)
{
    world.sites[A].is_mute = true;
    renew(B);
    world_pass_ms(&world, 2000);
    lose(B);
    world.sites[A].is_mute = false;
    world.sites[A].instance.bytes[0] = world.sites[A].session.bytes[0] = 77;
    world_stop(&world, A);
    world.sites[A].released = (struct bw_released){0};
    world.sites[A].report.epoch_seen = 0;
    world_pass_ms(&world, 2000);
}

/* 3.7, 4: the fence would have its guard see an epoch, as if it had written what has the newest data once that is over. */
static void who_has_forgotten_is_not_asked_for_a_fence_that_makes_its_data_the_newest(void **state)
{
    (void)state;
    grant_b();
    close_and_make_a_anew();
    assert_int_equal(asked(A).epoch, 0);
    (void)world_decide(&world);
    assert_non_null(strstr(world_gate(&world, "remote_fence", -1)->word, "its disk may be new"));

    world.sites[A].report.epoch_seen = 1; /* it is who it was */
    world_pass_ms(&world, 1000);
    assert_int_equal(asked(A).epoch, 2);
}

/* Once what dc-b has written stays the newest, nobody takes dc-a's for it. */
static void who_has_forgotten_is_asked_where_its_data_stays_behind(void **state)
{
    (void)state;
    for (int has_passed = 0; has_passed < 2; has_passed++) {
        grant_b();
        if (has_passed != 0) {
            ask(B);
            assert_acts("A34");
        } else {
            world_serve(&world, B);
            world_pass_ms(&world, 1000);
            assert_int_equal(world_watch(&world)->verified_epoch, 2);
        }
        close_and_make_a_anew();
        assert_int_equal(asked(A).epoch, 2);
    }
}

static void who_was_lost_behind_it_has_the_newest_data(void **state)
{
    (void)state;
    grant_b();
    ask(B);
    assert_acts("A34");
    lose_b();
    assert_string_equal(world_group(&world)->data_site, "dc-b");
    assert_true(world_group(&world)->last_end.past_no_return);
}

/* 4: a state that was put back, or an agent that was restarted, may not know it. */
static void a_give_back_that_denies_what_is_committed_is_not_believed(void **state)
{
    (void)state;
    grant_b();
    ask(B);
    assert_acts("A34");
    world_give_back(&world, B, BW_REASON_START_FAILED, false, "");
    assert_acts("A1");
    assert_string_equal(world_group(&world)->data_site, "dc-b");
    assert_true(world_group(&world)->last_end.past_no_return);
}

/* What its site has seen to serve counts all the same. */
static void a_give_back_from_before_it_says_itself_what_it_has_left(void **state)
{
    (void)state;
    for (int is_past = 0; is_past < 2; is_past++) {
        grant_b();
        world_give_back(&world, B, BW_REASON_START_FAILED, is_past != 0, "");
        assert_acts("A1");
        assert_string_equal(world_group(&world)->data_site, is_past != 0 ? "dc-b" : "dc-a");
    }
}

/* 4: its data is written. */
static void what_serves_already_has_none(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.cluster.feature_level = BW_PASS_LEVEL;
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world.sites[A].report.has_point = true;
    world_sync_all(&world);
    assert_acts("A6");
    assert_true(world_group(&world)->adopting);
    assert_int_equal(world_group(&world)->terms.no_return, BW_NO_RETURN_UNDECLARED);
}

/* 5.3: a witness of an older release would stop at the command. */
static void below_its_level_nothing_holds(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_PASS_LEVEL - 1;
    world.sites[B].report.has_point = true;
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_acts("A1");
    world_pass_ms(&world, 3000);
    assert_acts("A9");
    assert_int_equal(world_group(&world)->terms.no_return, BW_NO_RETURN_UNDECLARED);
    world_group(&world)->terms.no_return = BW_NO_RETURN_AHEAD;
    const struct bw_command command = {.kind = BW_COMMAND_PASSED,
                                       .group = "harbor",
                                       .epoch = world_group(&world)->epoch,
                                       .instance = world_group(&world)->holder_instance};

    assert_string_equal(world_apply(&world, &command), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grant_pins_whether_starts_hold_there),
        cmocka_unit_test(it_is_committed_when_the_holder_asks),
        cmocka_unit_test(nobody_else_asks_for_it),
        cmocka_unit_test(who_was_lost_before_it_has_left_the_data_alone),
        cmocka_unit_test(who_has_forgotten_is_not_asked_for_a_fence_that_makes_its_data_the_newest),
        cmocka_unit_test(who_has_forgotten_is_asked_where_its_data_stays_behind),
        cmocka_unit_test(who_was_lost_behind_it_has_the_newest_data),
        cmocka_unit_test(a_give_back_that_denies_what_is_committed_is_not_believed),
        cmocka_unit_test(a_give_back_from_before_it_says_itself_what_it_has_left),
        cmocka_unit_test(what_serves_already_has_none),
        cmocka_unit_test(below_its_level_nothing_holds),
        cmocka_unit_test(a_decision_says_that_a_start_waits_for_it),
        cmocka_unit_test(a_report_that_is_not_fresh_asks_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
