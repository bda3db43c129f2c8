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

static void a_generation_is_at_most_a_day_ahead_of_the_clock(void **state)
{
    (void)state;
    assert_true(bw_generation_may_be(1000 + BW_GENERATION_AHEAD_S, 1000999));
    assert_false(bw_generation_may_be(1001 + BW_GENERATION_AHEAD_S, 1000999));
    assert_true(bw_generation_may_be(1, 0)); /* a clock that stands */
    assert_true(bw_generation_may_be(BW_GENERATION_AHEAD_S, -1));
    assert_false(bw_generation_may_be(BW_GENERATION_AHEAD_S + 1, INT64_MIN));
    assert_false(bw_generation_may_be(UINT64_MAX, INT64_MAX));
}

/* Above whatever a site has taken is a recovery that is made so much later, by its clock alone. */
static void an_index_and_an_epoch_are_at_most_so_far_ahead_of_the_clock(void **state)
{
    const uint64_t ahead_s = BW_GENERATION_AHEAD_S;
    const uint64_t now_s = 1800000000;
    const uint64_t written_s = BW_RECOVERY_UNIX_MS_MIN / 1000;

    (void)state;
    assert_int_equal(bw_counter_index_last(1, (int64_t)now_s * 1000 + 999), (now_s + ahead_s) * 1000);
    assert_int_equal(bw_counter_epoch_last(1, (int64_t)now_s * 1000 + 999), now_s + ahead_s + 10000000);
    /* a clock that was set back since: by the generation that was taken */
    assert_int_equal(bw_counter_index_last(now_s + 7, (int64_t)now_s * 1000), (now_s + 7 + ahead_s) * 1000);
    assert_int_equal(bw_counter_epoch_last(now_s + 7, 0), now_s + 7 + ahead_s + 10000000);
    /* one that stands: no recovery was made by one that says so */
    assert_int_equal(bw_counter_index_last(1, 5000), (written_s + ahead_s) * 1000);
    assert_int_equal(bw_counter_index_last(1, INT64_MIN), (written_s + ahead_s) * 1000);
    assert_int_equal(bw_counter_epoch_last(1, -1), written_s + ahead_s + 10000000);
    /* whatever a release took that did not judge it */
    assert_int_equal(bw_counter_index_last(UINT64_MAX, INT64_MAX), BW_COUNTER_MAX / 1000 * 1000);
    assert_int_equal(bw_counter_epoch_last(UINT64_MAX, INT64_MAX), BW_COUNTER_MAX);
    assert_int_equal(bw_counter_epoch_last(BW_COUNTER_MAX - 10000000 - ahead_s - 1, 0), BW_COUNTER_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_generation_is_at_most_a_day_ahead_of_the_clock),
        cmocka_unit_test(an_index_and_an_epoch_are_at_most_so_far_ahead_of_the_clock),
        cmocka_unit_test(what_is_said_counts_up_to_one_step_above_the_own),
        cmocka_unit_test(nothing_counts_above_the_highest_also_in_small_steps),
        cmocka_unit_test(a_new_beginning_has_a_term_with_room_above_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
