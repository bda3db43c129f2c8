/* instant: rights end with the first clock, waits with the last (design 1). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/base/instant.h>

static struct bw_instant at(uint64_t boot_ns, uint64_t raw_ns)
{
    return (struct bw_instant){boot_ns, raw_ns};
}

static void right_ends_when_either_clock_reaches_its_end(void **state)
{
    (void)state;
    assert_false(bw_instant_right_is_over(at(9, 9), at(10, 10)));
    assert_true(bw_instant_right_is_over(at(10, 9), at(10, 10)));
    assert_true(bw_instant_right_is_over(at(9, 10), at(10, 10)));
}

static void wait_is_over_when_both_clocks_reached_it(void **state)
{
    (void)state;
    assert_false(bw_instant_wait_is_over(at(10, 9), at(10, 10)));
    assert_false(bw_instant_wait_is_over(at(9, 10), at(10, 10)));
    assert_true(bw_instant_wait_is_over(at(10, 10), at(10, 10)));
}

static void later_means_no_member_smaller_and_one_larger(void **state)
{
    (void)state;
    assert_true(bw_instant_is_later(at(2, 1), at(1, 1)));
    assert_false(bw_instant_is_later(at(1, 1), at(1, 1)));
    assert_false(bw_instant_is_later(at(3, 1), at(1, 2)));
}

static void elapsed_is_the_smaller_and_left_is_the_smaller(void **state)
{
    (void)state;
    assert_int_equal(bw_instant_elapsed_ns(at(110, 105), at(100, 100)), 5);
    assert_int_equal(bw_instant_elapsed_ns(at(90, 105), at(100, 100)), 0);
    assert_int_equal(bw_instant_left_ns(at(100, 100), at(110, 105)), 5);
    assert_int_equal(bw_instant_left_ns(at(100, 106), at(110, 105)), 0);
    assert_int_equal(bw_instant_wait_left_ns(at(100, 106), at(110, 105)), 10);
}

static void sums_saturate_at_never(void **state)
{
    (void)state;
    assert_true(bw_instant_is_never(bw_instant_add(at(5, 5), UINT64_MAX)));
    assert_int_equal(bw_instant_sub(at(5, 7), 6).boot_ns, 0);
    assert_int_equal(bw_instant_sub(at(5, 7), 6).raw_ns, 1);
}

static void a_duration_is_converted_whole_or_saturates(void **state)
{
    (void)state;
    assert_int_equal(bw_ms_to_ns(1500), 1500000000);
    assert_true(bw_ms_to_ns(UINT64_MAX / BW_NS_PER_MS) == UINT64_MAX / BW_NS_PER_MS * BW_NS_PER_MS);
    assert_true(bw_ms_to_ns(UINT64_MAX / BW_NS_PER_MS + 1) == UINT64_MAX);
    assert_int_equal(bw_ns_to_ms(1999999), 1);
    assert_int_equal(bw_ns_to_ms(2000000), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_duration_is_converted_whole_or_saturates),
        cmocka_unit_test(right_ends_when_either_clock_reaches_its_end),
        cmocka_unit_test(wait_is_over_when_both_clocks_reached_it),
        cmocka_unit_test(later_means_no_member_smaller_and_one_larger),
        cmocka_unit_test(elapsed_is_the_smaller_and_left_is_the_smaller),
        cmocka_unit_test(sums_saturate_at_never),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
