/* summary: how often what others cause is told. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/obs/log.h>

#define T0 UINT64_C(123456789)

static void the_first_ones_are_told_one_by_one(void **state)
{
    struct bw_summary summary = {0};

    (void)state;
    for (int i = 0; i < BW_SUMMARY_BURST; i++)
        assert_int_equal(bw_summary_add(&summary, T0), 1);
    assert_int_equal(bw_summary_add(&summary, T0), 0);
}

static void a_flood_is_told_once_in_a_while_with_its_number(void **state)
{
    struct bw_summary summary = {0};
    uint64_t logged_lines = 0;
    uint64_t logged = 0;

    (void)state;
    for (uint64_t ms = 0; ms < 1000 * 1000; ms += 10) { /* 100 a second, for a thousand seconds */
        const uint64_t count = bw_summary_add(&summary, T0 + ms);

        logged += count;
        logged_lines += count > 0;
    }
    assert_int_equal(logged_lines, BW_SUMMARY_BURST + 1000 * 1000 / BW_SUMMARY_MS - 1);
    assert_int_equal(logged + summary.suppressed_count, 100 * 1000); /* none is lost */
    assert_in_range(summary.suppressed_count, 1, BW_SUMMARY_MS / 10);
}

static void the_end_of_a_flood_is_told_without_another_event(void **state)
{
    struct bw_summary summary = {0};

    (void)state;
    assert_int_equal(bw_summary_flush(&summary, T0), 0); /* nothing was there */
    for (int i = 0; i < BW_SUMMARY_BURST + 5; i++)
        (void)bw_summary_add(&summary, T0);
    assert_int_equal(bw_summary_flush(&summary, T0 + BW_SUMMARY_MS - 1), 0);
    assert_int_equal(bw_summary_flush(&summary, T0 + BW_SUMMARY_MS), 5);
    assert_int_equal(bw_summary_flush(&summary, T0 + 2 * BW_SUMMARY_MS), 0);
}

static void the_burst_comes_back_with_time_and_is_never_more(void **state)
{
    struct bw_summary summary = {0};
    int logged = 0;

    (void)state;
    for (int i = 0; i < BW_SUMMARY_BURST; i++)
        (void)bw_summary_add(&summary, T0);
    assert_int_equal(bw_summary_add(&summary, T0 + 3 * BW_SUMMARY_MS), 1); /* three are back */
    assert_int_equal(bw_summary_add(&summary, T0 + 3 * BW_SUMMARY_MS), 1);
    assert_int_equal(bw_summary_add(&summary, T0 + 3 * BW_SUMMARY_MS), 1);
    assert_int_equal(bw_summary_add(&summary, T0 + 3 * BW_SUMMARY_MS), 0);
    for (int i = 0; i < 100; i++)
        logged += bw_summary_add(&summary, T0 + 1000 * BW_SUMMARY_MS) > 0;
    assert_int_equal(logged, BW_SUMMARY_BURST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_ones_are_told_one_by_one),
        cmocka_unit_test(a_flood_is_told_once_in_a_while_with_its_number),
        cmocka_unit_test(the_end_of_a_flood_is_told_without_another_event),
        cmocka_unit_test(the_burst_comes_back_with_time_and_is_never_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
