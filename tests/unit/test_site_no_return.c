/* site: what of a start waits until the witnesses have committed that it may pass its point of no
 * return (4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../src/core/site/internal.h"
#include "override_site.h"

static struct world world;

static void order_point(enum bw_no_return no_return)
{
    struct bw_order of = order_to(BW_ORDER_RUN, 1);

    of.terms.no_return = no_return;
    tell_order(&world, of);
}

static void begin_granted(enum bw_no_return no_return, bool has_point)
{
    begin(&world);
    world.site.guard.has_point = has_point;
    order_point(no_return);
    confirm(&world, 1, world.now_ms);
    armed(&world);
}

/* Its list has come there. */
static void wait_at_point(void)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN_BEGUN, .epoch = 1};

    of.begun.run_id = world.sent_run.run.run_id;
    of.begun.action = BW_ACTION_START;
    of.begun.steps.count = 2;
    of.begun.asks_to_pass = true;
    from_guard(&world, &of);
}

static void a_start_of_an_epoch_that_is_ahead_of_it_holds_there(void **state)
{
    (void)state;
    begin_granted(BW_NO_RETURN_AHEAD, true);
    assert_asked(&world, "RUN:start");
    assert_true(world.sent_run.run.facts.holds);
    assert_int_equal(reported(&world).asks_to_pass, 0);

    begin_granted(BW_NO_RETURN_PASSED, true);
    assert_false(world.sent_run.run.facts.holds);
    begin_granted(BW_NO_RETURN_UNDECLARED, true);
    assert_asked(&world, "RUN:start");
    assert_false(world.sent_run.run.facts.holds);
    assert_int_equal(world.sent_run.run.not_after.boot_ns, 0); /* its deadline bounds it */
}

/* What is told of an epoch that it has not taken, or by an order that holds nothing, says nothing of its own. */
static void where_another_epoch_stands_says_nothing_of_its_own(void **state)
{
    (void)state;
    begin_granted(BW_NO_RETURN_PASSED, true);
    assert_false(bw_site_was_held(&world.site));
    world.site.order.terms.no_return = BW_NO_RETURN_AHEAD;
    assert_true(bw_site_was_held(&world.site)); /* the newest word of its own */
    world.site.order.epoch++;
    assert_false(bw_site_was_held(&world.site));
    world.site.order.epoch--;
    world.site.order.kind = BW_ORDER_STAND_BY;
    assert_false(bw_site_was_held(&world.site));
}

/* Its looks pass nothing, and its stop has none to hold at. */
static void nothing_but_a_start_holds_there(void **state)
{
    (void)state;
    begin_granted(BW_NO_RETURN_AHEAD, true);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    assert_int_equal(world.sent_look.run.action, BW_ACTION_STATUS);
    assert_false(world.sent_look.run.facts.holds);
    order(&world, BW_ORDER_STOP, 1);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    assert_false(world.sent_run.run.facts.holds);
}

static void what_waits_there_is_asked_for_at_once_and_told_once_it_is_committed(void **state)
{
    (void)state;
    begin_granted(BW_NO_RETURN_AHEAD, true);
    wait_at_point();
    assert_asked(&world, "SYNC");
    assert_int_equal(reported(&world).asks_to_pass, 1);
    assert_not_asked(&world, "PASS");
    order_point(BW_NO_RETURN_AHEAD); /* something else was committed */
    assert_not_asked(&world, "PASS");

    order_point(BW_NO_RETURN_PASSED);

    assert_asked(&world, "PASS");
    assert_int_equal(reported(&world).asks_to_pass, 0);
    tick_at(&world, world.now_ms + 100);
    assert_not_asked(&world, "PASS");
    wait_at_point(); /* it has not heard it */
    assert_asked(&world, "PASS");
}

/* Its configuration is another than when it was granted. */
static void a_guard_without_such_a_point_starts_nothing_before_it_is_passed(void **state)
{
    (void)state;
    begin_granted(BW_NO_RETURN_AHEAD, false);
    status(&world, "stopped");
    assert_int_not_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_int_equal(reported(&world).asks_to_pass, 1);

    order_point(BW_NO_RETURN_PASSED);
    status(&world, "stopped");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_false(world.sent_run.run.facts.holds);
}

static void a_guard_that_has_lost_its_point_meanwhile_is_believed(void **state)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .epoch = 1};

    (void)state;
    begin_granted(BW_NO_RETURN_AHEAD, true);
    of.ended = (struct bw_guard_run_ended){.epoch = 1,
                                           .action = BW_ACTION_START,
                                           .run_id = world.sent_run.run.run_id,
                                           .result = BW_RUN_REFUSED,
                                           .refusal = BW_REFUSAL_NO_POINT,
                                           .exit_status = -1};
    from_guard(&world, &of);
    assert_int_equal(reported(&world).asks_to_pass, 1);
    assert_false(reported(&world).has_point);
}

/* Whoever started it: the data may be written. */
static void what_serves_before_it_has_passed_it(void **state)
{
    (void)state;
    begin_granted(BW_NO_RETURN_AHEAD, true);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    assert_int_equal(reported(&world).asks_to_pass, 1);
    assert_asked(&world, "SYNC");
    tick_at(&world, world.now_ms); /* said at once, and once */
    assert_not_asked(&world, "SYNC");
}

/* 4: of a list that failed before its point no look is needed that says that nothing has served. */
static void an_epoch_that_ends_before_it_is_not_past_it(void **state)
{
    static const struct {
        enum bw_no_return no_return;
        enum bw_served served;
        bool is_past;
    } cases[] = {
        {BW_NO_RETURN_AHEAD, BW_SERVED_NOT_SEEN, false},
        {BW_NO_RETURN_PASSED, BW_SERVED_NOT_SEEN, true},
        {BW_NO_RETURN_UNDECLARED, BW_SERVED_NOT_SEEN, true},
        {BW_NO_RETURN_AHEAD, BW_SERVED_MAYBE, true}, /* a look has said started */
        {BW_NO_RETURN_AHEAD, BW_SERVED_NEVER, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct bw_guard_message begun = {
            .kind = BW_GUARD_MESSAGE_RUN_BEGUN, .epoch = 1, .begun = {.action = BW_ACTION_START}};
        struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};

        begin_granted(cases[i].no_return, true);
        from_guard(&world, &begun);
        ended(&world, &world.sent_run, BW_RUN_FAILED, "");
        ended(&world, &world.sent_run, BW_RUN_OK, ""); /* the stop */
        look(&world, BW_ACTION_READINESS, BW_RUN_OK, "");
        of.epoch_ended.served = cases[i].served;
        from_guard(&world, &of);
        assert_int_equal(released(&world).epoch, 1);
        assert_int_equal(released(&world).past_no_return, cases[i].is_past);
    }
}

/* 3.8: without an epoch nobody is asked. */
static void who_overrides_holds_nothing(void **state)
{
    (void)state;
    begin_overriding(&world);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_false(world.sent_run.run.facts.holds);
}

/* 4: an epoch that nothing was started under yet, and one that is being ended, have nothing to pass. */
static void only_an_epoch_that_is_being_started_or_serves_asks_to_pass(void **state)
{
    (void)state;
    begin(&world);
    world.site.guard.has_point = false;
    order_point(BW_NO_RETURN_AHEAD);
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
    assert_int_equal(reported(&world).asks_to_pass, 0);
    confirm(&world, 1, world.now_ms);
    armed(&world);
    assert_int_equal(reported(&world).asks_to_pass, 1);

    begin_granted(BW_NO_RETURN_AHEAD, true);
    wait_at_point();
    assert_int_equal(reported(&world).asks_to_pass, 1);
    order(&world, BW_ORDER_STOP, 1);
    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
    world.site.order.terms.no_return = BW_NO_RETURN_AHEAD;
    assert_int_equal(reported(&world).asks_to_pass, 0);
}

/* Whether its list waits there yet nobody says. */
static void without_its_guard_nothing_asks_to_pass(void **state)
{
    (void)state;
    begin_granted(BW_NO_RETURN_AHEAD, true);
    wait_at_point();
    assert_int_equal(reported(&world).asks_to_pass, 1);
    guard_lost(&world);
    assert_int_equal(reported(&world).asks_to_pass, 0);
}

/* What was committed of it last came with the order to stop. */
static void an_order_to_stop_tells_how_far_its_epoch_has_come(void **state)
{
    static const enum bw_no_return words[] = {BW_NO_RETURN_AHEAD, BW_NO_RETURN_PASSED};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct bw_guard_message begun = {
            .kind = BW_GUARD_MESSAGE_RUN_BEGUN, .epoch = 1, .begun = {.action = BW_ACTION_START}};
        struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
        struct bw_order stop = order_to(BW_ORDER_STOP, 1);

        begin_granted(BW_NO_RETURN_AHEAD, true);
        from_guard(&world, &begun);
        stop.terms.no_return = words[i];
        tell_order(&world, stop);
        assert_asked(&world, "RUN:stop");
        ended(&world, &world.sent_run, BW_RUN_OK, "");
        look(&world, BW_ACTION_READINESS, BW_RUN_OK, "");
        of.epoch_ended.served = BW_SERVED_NOT_SEEN;
        from_guard(&world, &of);
        assert_int_equal(released(&world).epoch, 1);
        assert_int_equal(released(&world).past_no_return, words[i] == BW_NO_RETURN_PASSED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_of_an_epoch_that_is_ahead_of_it_holds_there),
        cmocka_unit_test(where_another_epoch_stands_says_nothing_of_its_own),
        cmocka_unit_test(nothing_but_a_start_holds_there),
        cmocka_unit_test(what_waits_there_is_asked_for_at_once_and_told_once_it_is_committed),
        cmocka_unit_test(a_guard_without_such_a_point_starts_nothing_before_it_is_passed),
        cmocka_unit_test(a_guard_that_has_lost_its_point_meanwhile_is_believed),
        cmocka_unit_test(what_serves_before_it_has_passed_it),
        cmocka_unit_test(an_epoch_that_ends_before_it_is_not_past_it),
        cmocka_unit_test(who_overrides_holds_nothing),
        cmocka_unit_test(only_an_epoch_that_is_being_started_or_serves_asks_to_pass),
        cmocka_unit_test(without_its_guard_nothing_asks_to_pass),
        cmocka_unit_test(an_order_to_stop_tells_how_far_its_epoch_has_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
