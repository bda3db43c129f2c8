/* rounds: what waits goes together, one round at a time, and none waits for ever (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/machine/rounds.h>

static struct bw_rounds rounds;
static struct bw_round_item items[4];

static int begin(void **state)
{
    (void)state;
    rounds = (struct bw_rounds){.first = NULL};
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++)
        items[i] = (struct bw_round_item){.owner = NULL};
    return 0;
}

static void what_waits_goes_together_in_the_order_of_asking(void **state)
{
    (void)state;
    assert_false(bw_rounds_begin(&rounds));
    bw_rounds_ask(&rounds, &items[2]);
    bw_rounds_ask(&rounds, &items[0]);

    assert_true(bw_rounds_begin(&rounds));
    assert_ptr_equal(bw_rounds_take(&rounds), &items[2]);
    assert_ptr_equal(bw_rounds_take(&rounds), &items[0]);
    assert_null(bw_rounds_take(&rounds));
}

static void one_round_is_under_way_until_it_was_answered(void **state)
{
    (void)state;
    bw_rounds_ask(&rounds, &items[0]);
    assert_true(bw_rounds_begin(&rounds));
    assert_ptr_equal(bw_rounds_take(&rounds), &items[0]);

    bw_rounds_ask(&rounds, &items[1]);
    bw_rounds_ask(&rounds, &items[0]); /* the same once more, by its answer */
    assert_false(bw_rounds_begin(&rounds));
    bw_rounds_end(&rounds);
    assert_true(bw_rounds_begin(&rounds));
    assert_ptr_equal(bw_rounds_take(&rounds), &items[1]);
    assert_ptr_equal(bw_rounds_take(&rounds), &items[0]);
    assert_null(bw_rounds_take(&rounds));
}

static void what_a_round_has_no_room_for_goes_first_with_the_next(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        bw_rounds_ask(&rounds, &items[i]);
    assert_true(bw_rounds_begin(&rounds));
    assert_ptr_equal(bw_rounds_take(&rounds), &items[0]);
    bw_rounds_ask(&rounds, &items[0]);
    bw_rounds_end(&rounds);

    assert_true(bw_rounds_begin(&rounds));
    assert_ptr_equal(bw_rounds_take(&rounds), &items[1]);
    assert_ptr_equal(bw_rounds_take(&rounds), &items[2]);
    assert_ptr_equal(bw_rounds_take(&rounds), &items[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_waits_goes_together_in_the_order_of_asking, begin),
        cmocka_unit_test_setup(one_round_is_under_way_until_it_was_answered, begin),
        cmocka_unit_test_setup(what_a_round_has_no_room_for_goes_first_with_the_next, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
