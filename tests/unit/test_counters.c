/* counters: how far a number that only grows may go at once, and at all. Design 3.9. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/counters.h>

static void what_is_said_counts_up_to_one_step_above_the_own(void **state)
{
    (void)state;
    assert_true(bw_counter_may_follow(7, 0, 10));
    assert_true(bw_counter_may_follow(7, 7, 10));
    assert_true(bw_counter_may_follow(7, 17, 10));
    assert_false(bw_counter_may_follow(7, 18, 10));
    assert_false(bw_counter_may_follow(7, UINT64_MAX, 10));
}

static void nothing_counts_above_the_highest_also_in_small_steps(void **state)
{
    (void)state;
    assert_true(bw_counter_may_follow(BW_COUNTER_MAX - 1, BW_COUNTER_MAX, 10));
    assert_false(bw_counter_may_follow(BW_COUNTER_MAX, BW_COUNTER_MAX + 1, 10));
    assert_false(bw_counter_may_follow(UINT64_MAX, UINT64_MAX, 10));
    assert_true(bw_counter_may_follow(0, BW_COUNTER_MAX, 10)); /* it has none yet */
    assert_false(bw_counter_may_follow(0, BW_COUNTER_MAX + 1, 10));
}

/* From any that may be on a disk: a term of at least 2, and elections for ever after it. */
static void a_new_beginning_has_a_term_with_room_above_it(void **state)
{
    static const uint64_t found[] = {0,
                                     1,
                                     2,
                                     1000,
                                     BW_COUNTER_MAX / 2 - 1,
                                     BW_COUNTER_MAX / 2,
                                     BW_COUNTER_MAX,
                                     UINT64_MAX - 1,
                                     UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++)
        assert_in_range(bw_counter_term_after(found[i]), 2, BW_COUNTER_MAX / 2);
    assert_int_equal(bw_counter_term_after(1), 2);
    assert_int_equal(bw_counter_term_after(2), 3);
    assert_int_equal(bw_counter_term_after(1000), 1001);
    assert_int_equal(bw_counter_term_after(BW_COUNTER_MAX / 2 - 1), BW_COUNTER_MAX / 2);
    assert_int_equal(bw_counter_term_after(UINT64_MAX), 2);
}

static void a_generation_is_taken_by_how_far_it_is_above(void **state)
{
    (void)state;
    assert_true(bw_generation_may_follow(7, 7 + BW_GENERATION_JUMP_MAX));
    assert_false(bw_generation_may_follow(7, 8 + BW_GENERATION_JUMP_MAX));
    assert_true(bw_generation_may_follow(0, BW_GENERATION_MAX)); /* a site that has none */
    assert_false(bw_generation_may_follow(0, BW_GENERATION_MAX + 1));
    assert_false(bw_generation_may_follow(BW_GENERATION_MAX, BW_GENERATION_MAX + 1));
}

static void the_numbers_of_a_generation_end_before_those_of_any_recovery_of_it(void **state)
{
    static const uint64_t generations[] = {1, 1767225600, UINT64_C(1) << 40, BW_GENERATION_MAX - 2 * BW_GENERATION_LEAP};

    (void)state;
    for (size_t i = 0; i < sizeof generations / sizeof generations[0]; i++) {
        const uint64_t own = generations[i];
        const uint64_t index = bw_counter_index_last(own);
        const uint64_t epoch = bw_counter_epoch_last(own);
        const uint64_t lowest = bw_generation_after(own, index, epoch, 0);
        const uint64_t highest = bw_generation_after(own, index, epoch, UINT64_MAX);

        assert_true(bw_counter_index_first(lowest) > index);
        assert_true(bw_counter_epoch_first(lowest) > epoch);
        assert_int_equal(highest - lowest, BW_GENERATION_LEAP - 1);
        assert_true(bw_generation_may_follow(own, highest));
        assert_true(bw_counter_index_last(highest) < BW_COUNTER_MAX);
    }
    /* What 16 years of a thousand entries a second come to, and a release that counted by clocks has left. */
    assert_true(bw_counter_index_last(1) > UINT64_C(1000) * 500000000);
    assert_true(bw_counter_index_last(1800000000) > UINT64_C(1800000000000) + 1000000000000);
    /* A first recovery, as an agent of that release judges it: by the millisecond of its clock. */
    assert_true(bw_counter_index_first(bw_generation_after(1, 7000, 7, UINT64_MAX)) < UINT64_C(1767225600000));
    assert_true(bw_counter_epoch_last(1800000000) > UINT64_C(1800000000) + 10 * UINT64_C(1000000));
}

static void a_log_that_was_led_astray_is_recovered_from_above_it(void **state)
{
    const uint64_t index = bw_counter_index_last(1) + 7;
    const uint64_t epoch = bw_counter_epoch_last(1) + 7;

    (void)state;
    assert_true(bw_counter_index_first(bw_generation_after(1, index, 0, 0)) > index);
    assert_true(bw_counter_epoch_first(bw_generation_after(1, 0, epoch, 0)) > epoch);
    assert_int_equal(bw_generation_after(BW_GENERATION_MAX - BW_GENERATION_LEAP, 0, 0, 0), 0); /* none is left */
    assert_int_equal(bw_generation_after(1, BW_COUNTER_MAX, 0, 0), 0);
    assert_int_equal(bw_generation_after(1, 0, BW_COUNTER_MAX, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_generation_is_taken_by_how_far_it_is_above),
        cmocka_unit_test(the_numbers_of_a_generation_end_before_those_of_any_recovery_of_it),
        cmocka_unit_test(a_log_that_was_led_astray_is_recovered_from_above_it),
        cmocka_unit_test(what_is_said_counts_up_to_one_step_above_the_own),
        cmocka_unit_test(nothing_counts_above_the_highest_also_in_small_steps),
        cmocka_unit_test(a_new_beginning_has_a_term_with_room_above_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
