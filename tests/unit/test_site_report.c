/* site: what its report says while something goes on there, for those who decide by it (design 3.6, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

/* 4: who starts or stops is no candidate, and is seen not to be one. */
static void a_start_and_a_stop_make_the_guard_busy(void **state)
{
    struct world world;

    (void)state;
    begin_leased(&world);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_true(reported(&world).guard_busy);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    assert_false(reported(&world).guard_busy);

    order(&world, BW_ORDER_STOP, 1);

    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    assert_true(reported(&world).guard_busy);
}

/* 3.6: a stop that has begun is finished; a move is given up only before. */
static void a_stop_that_has_begun_is_said_until_its_epoch_is_given_back(void **state)
{
    struct bw_guard_message over = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    assert_int_equal(reported(&world).stop_begun_epoch, 0);

    order(&world, BW_ORDER_STOP, 1);
    assert_int_equal(reported(&world).stop_begun_epoch, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(reported(&world).stop_begun_epoch, 1);
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=128");
    from_guard(&world, &over);

    assert_int_equal(released(&world).epoch, 1);
    assert_int_equal(reported(&world).stop_begun_epoch, 0);
}

/* 3.2.4: nor is there a way back once its fence has begun. */
static void a_fence_that_has_begun_is_a_stop_that_has_begun(void **state)
{
    struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);

    from_guard(&world, &begun);

    assert_int_equal(reported(&world).stop_begun_epoch, 1);
}

/* 3.9: nobody has stopped it: what it has written since may be newer than all that others have. */
static void what_was_let_go_may_have_passed_its_point_of_no_return(void **state)
{
    struct bw_order of = {
        .kind = BW_ORDER_LET_GO, .index = 50, .let_go_index = 50, .let_go_epoch = 1};
    struct bw_guard_message done = {.kind = BW_GUARD_MESSAGE_LET_GO_DONE, .let_go_index = 50};
    struct world world;

    (void)state;
    begin_serving(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_false(world.site.memory.past_no_return);

    from_guard(&world, &done);

    assert_true(world.site.memory.given_back);
    assert_int_equal(world.site.memory.reason, BW_REASON_LET_GO);
    assert_true(world.site.memory.past_no_return);
}

/* 4: an agent that begins anew does not know what its condition script said before. */
static void a_condition_that_has_not_run_is_no_yes(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_CONDITION] = true;
    assert_int_equal(reported(&world).condition, BW_CONDITION_FAILED);

    look(&world, BW_ACTION_CONDITION, BW_RUN_OK, "start");

    assert_int_equal(reported(&world).condition, BW_CONDITION_START);
    world.site.limits.condition_is_shown = true; /* it is no veto */
    assert_int_equal(reported(&world).condition, BW_CONDITION_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_condition_that_has_not_run_is_no_yes),
        cmocka_unit_test(a_start_and_a_stop_make_the_guard_busy),
        cmocka_unit_test(a_stop_that_has_begun_is_said_until_its_epoch_is_given_back),
        cmocka_unit_test(a_fence_that_has_begun_is_a_stop_that_has_begun),
        cmocka_unit_test(what_was_let_go_may_have_passed_its_point_of_no_return),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
