/* turn: the one driver of actions: in order, an answer in its place. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/turn.h>

static struct bw_turn turn;

static void fill(uint32_t expected_list, uint32_t count)
{
    assert_int_equal(bw_turn_begin(&turn), expected_list);
    bw_turn_filled(&turn, count);
}

static void assert_next(uint32_t list, uint32_t action)
{
    uint32_t got_list = 99;
    uint32_t got_action = 99;

    assert_true(bw_turn_next(&turn, &got_list, &got_action));
    assert_int_equal(got_list, list);
    assert_int_equal(got_action, action);
}

static void assert_over(void)
{
    uint32_t list;
    uint32_t action;

    assert_false(bw_turn_next(&turn, &list, &action));
    assert_int_equal(turn.depth, 0);
}

static int begin(void **state)
{
    (void)state;
    turn = (struct bw_turn){.depth = 0};
    return 0;
}

static void actions_are_handed_out_in_order(void **state)
{
    (void)state;
    fill(0, 3);

    assert_next(0, 0);
    assert_next(0, 1);
    assert_next(0, 2);
    assert_over();
}

static void what_an_answer_asks_for_comes_before_what_stands_behind(void **state)
{
    (void)state;
    fill(0, 2);
    assert_next(0, 0);

    fill(1, 2); /* the answer to the first */
    assert_next(1, 0);
    fill(2, 1); /* and the answer to that */
    assert_next(2, 0);
    assert_next(1, 1);
    assert_next(0, 1);
    assert_over();
}

static void an_answer_to_the_last_action_is_carried_out_too(void **state)
{
    (void)state;
    fill(0, 1);
    assert_next(0, 0);
    fill(1, 1);

    assert_next(1, 0);
    assert_over();
}

static void a_step_that_asks_for_nothing_is_over_at_once(void **state)
{
    (void)state;
    fill(0, 0);
    assert_over();

    fill(0, 1); /* and the next one begins anew */
    assert_next(0, 0);
    fill(1, 0);
    assert_over();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(actions_are_handed_out_in_order, begin),
        cmocka_unit_test_setup(what_an_answer_asks_for_comes_before_what_stands_behind, begin),
        cmocka_unit_test_setup(an_answer_to_the_last_action_is_carried_out_too, begin),
        cmocka_unit_test_setup(a_step_that_asks_for_nothing_is_over_at_once, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
