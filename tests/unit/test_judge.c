/* judge: an overlap of two services is seen in their records, however short (I1, design 7). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/lab/judge.h>

#define MS UINT64_C(1000000)
#define S  (1000 * MS)

/* The records of one process: `count` beats from `from_ns` on, one each `step_ns`. */
static void add(struct bw_judge *judge, const char *site, uint64_t epoch, uint64_t from_ns,
                uint64_t step_ns, int count)
{
    char *text = malloc((size_t)count * 128 + 1);
    size_t used = 0;
    struct bw_diag diag = {0};

    assert_non_null(text);
    for (int i = 0; i < count; i++)
        used += (size_t)sprintf(text + used, "%s %020llu %020llu\n", site,
                                (unsigned long long)epoch,
                                (unsigned long long)(from_ns + (uint64_t)i * step_ns));
    assert_int_equal(bw_judge_add(judge, text, used, &diag), BW_OK);
    free(text);
}

static uint64_t overlap_us(const struct bw_judge *judge)
{
    uint64_t us = UINT64_MAX;

    assert_int_equal(bw_judge_overlap_us(judge, &us), BW_OK);
    return us;
}

static bool epochs_grow(const struct bw_judge *judge)
{
    bool grow = false;

    assert_int_equal(bw_judge_epochs_grow(judge, &grow), BW_OK);
    return grow;
}

static int set_up(void **state)
{
    struct bw_judge *judge = malloc(sizeof *judge);

    if (judge == NULL)
        return -1;
    bw_judge_init(judge);
    *state = judge;
    return 0;
}

static int tear_down(void **state)
{
    bw_judge_deinit(*state);
    free(*state);
    return 0;
}

static void sites_one_after_the_other_do_not_overlap(void **state)
{
    struct bw_judge *judge = *state;

    add(judge, "alpha", 1, 1 * S, 2 * MS, 500);
    add(judge, "beta", 2, 3 * S, 2 * MS, 500);

    assert_int_equal(overlap_us(judge), 0);
    assert_true(epochs_grow(judge));
    assert_int_equal(judge->beat_count, 1000);
}

static void no_records_are_no_overlap(void **state)
{
    struct bw_judge *judge = *state;

    assert_int_equal(overlap_us(judge), 0);
    assert_true(epochs_grow(judge));
}

static void one_beat_of_another_site_is_an_overlap(void **state) /* I1 */
{
    struct bw_judge *judge = *state;

    add(judge, "alpha", 1, 1 * S, 2 * MS, 500);
    add(judge, "beta", 2, 1500 * MS, 2 * MS, 1);

    assert_int_equal(overlap_us(judge), BW_JUDGE_BEAT_US);
}

static void the_last_beat_of_one_and_the_first_of_another_overlap(void **state) /* I1 */
{
    struct bw_judge *judge = *state;

    add(judge, "alpha", 1, 1 * S, 2 * MS, 500); /* the last at 1998 ms, serving until 2000 ms */
    add(judge, "beta", 2, 2000 * MS - 1, 2 * MS, 500);

    assert_int_equal(overlap_us(judge), 1); /* a nanosecond is never rounded to none */
}

static void spans_that_touch_do_not_overlap(void **state)
{
    struct bw_judge *judge = *state;

    add(judge, "alpha", 1, 1 * S, 2 * MS, 500);
    add(judge, "beta", 2, 2000 * MS, 2 * MS, 500);

    assert_int_equal(overlap_us(judge), 0);
}

static void a_process_that_wakes_up_after_the_takeover_overlaps(void **state) /* I1 */
{
    struct bw_judge *judge = *state;
    const char *text = "alpha 1 1000000000\nalpha 1 1002000000\nalpha 1 1600000000\n";
    struct bw_diag diag = {0};

    assert_int_equal(bw_judge_add(judge, text, strlen(text), &diag), BW_OK);
    add(judge, "beta", 2, 1500 * MS, 2 * MS, 500);

    assert_int_equal(overlap_us(judge), BW_JUDGE_BEAT_US);
    assert_false(epochs_grow(judge)); /* epoch 1 began to serve again after epoch 2 */
}

static void a_hole_counts_for_the_longest_beat_only(void **state)
{
    struct bw_judge *judge = *state;

    add(judge, "alpha", 1, 1 * S, 100 * MS, 2); /* a hole of 100 ms */
    add(judge, "beta", 2, 1000 * MS, 2 * MS, 50);

    assert_int_equal(overlap_us(judge), BW_JUDGE_BEAT_US_MAX);
}

static void two_processes_of_one_site_are_one_site(void **state)
{
    struct bw_judge *judge = *state;

    add(judge, "alpha", 1, 1 * S, 2 * MS, 500);
    add(judge, "alpha", 1, 1 * S + MS, 2 * MS, 500);
    add(judge, "beta", 2, 1500 * MS, 2 * MS, 1);

    assert_int_equal(overlap_us(judge), BW_JUDGE_BEAT_US); /* not counted twice */
    assert_int_equal(judge->process_count, 3);
    assert_int_equal(judge->spans[0].process, 0);
    assert_int_equal(judge->spans[judge->span_count - 1].process, 2);
}

static void a_lower_epoch_after_a_higher_is_seen(void **state) /* I2 */
{
    struct bw_judge *judge = *state;

    add(judge, "beta", 5, 1 * S, 2 * MS, 500);
    add(judge, "alpha", 4, 3 * S, 2 * MS, 500);

    assert_int_equal(overlap_us(judge), 0);
    assert_false(epochs_grow(judge));
}

/* Of `alpha` from 1.5 s to 1.7 s nothing is promised. */
static void an_excuse_covers_its_site_and_its_time_alone(void **state) /* I1 */
{
    struct bw_judge *judge = *state;
    const struct bw_judge_excuse excuse = {"alpha", 1500 * MS, 1700 * MS, false};
    uint64_t us = 0;
    uint64_t excused_us = 0;

    add(judge, "alpha", 1, 1 * S, 2 * MS, 500); /* to 2 s */
    add(judge, "beta", 2, 1400 * MS, 2 * MS, 200); /* to 1.8 s: 0.1 s before, 0.1 s after */
    assert_int_equal(bw_judge_overlap_excused_us(judge, &excuse, 1, &us, &excused_us), BW_OK);
    assert_int_equal(us, 200000);
    assert_int_equal(excused_us, 200000);
}

static void two_sites_overlap_while_a_third_is_excused(void **state) /* I1 */
{
    struct bw_judge *judge = *state;
    const struct bw_judge_excuse excuse = {"alpha", 0, 10 * S, false};
    uint64_t us = 0;
    uint64_t excused_us = 0;

    add(judge, "alpha", 1, 1 * S, 2 * MS, 500);
    add(judge, "beta", 2, 1400 * MS, 2 * MS, 100);  /* to 1.6 s */
    add(judge, "gamma", 3, 1500 * MS, 2 * MS, 100); /* to 1.7 s */
    assert_int_equal(bw_judge_overlap_excused_us(judge, &excuse, 1, &us, &excused_us), BW_OK);
    assert_int_equal(us, 100000);
    assert_int_equal(excused_us, 200000);
}

static void an_excused_site_that_begins_late_is_late_outside_of_its_time(void **state) /* I2 */
{
    struct bw_judge *judge = *state;
    const struct bw_judge_excuse during = {"alpha", 1500 * MS, 3 * S, false};
    const struct bw_judge_excuse before = {"alpha", 0, 1500 * MS, false};
    const struct bw_judge_excuse of_another = {"beta", 0, 10 * S, false};
    bool grow = false;

    add(judge, "beta", 2, 1 * S, 2 * MS, 100);
    add(judge, "alpha", 1, 2 * S, 2 * MS, 100);
    assert_int_equal(bw_judge_epochs_grow_excused(judge, &during, 1, &grow), BW_OK);
    assert_true(grow);
    assert_int_equal(bw_judge_epochs_grow_excused(judge, &before, 1, &grow), BW_OK);
    assert_false(grow);
    assert_int_equal(bw_judge_epochs_grow_excused(judge, &of_another, 1, &grow), BW_OK);
    assert_false(grow);
}

static void a_cut_last_line_counts_for_nothing(void **state)
{
    struct bw_judge *judge = *state;
    const char *text = "alpha 1 1000000000\nalpha 1 1002000000\nalpha 1 10040";
    struct bw_diag diag = {0};

    assert_int_equal(bw_judge_add(judge, text, strlen(text), &diag), BW_OK);
    assert_int_equal(judge->beat_count, 2);
}

static void only_a_cut_line_is_no_record(void **state)
{
    struct bw_judge *judge = *state;
    struct bw_diag diag = {0};

    assert_int_equal(bw_judge_add(judge, "alph", 4, &diag), BW_OK);
    assert_int_equal(bw_judge_add(judge, "", 0, &diag), BW_OK);
    assert_int_equal(judge->beat_count, 0);
    assert_int_equal(judge->span_count, 0);
}

static void what_is_no_record_is_refused(void **state)
{
    static const char *const texts[] = {
        "\n",
        "alpha\n",
        "alpha 1\n",
        "alpha 1 \n",
        "alpha one 5\n",
        "alpha 1 5 \n",
        "alpha 1 5 6\n",
        "alpha 1 -5\n",
        "alpha  1 5\n",
        " 1 5\n",
        "al/pha 1 5\n",
        "alpha 1 18446744073709551615\n",
        "alpha 1 99999999999999999999\n",
        "alpha 99999999999999999999 5\n",
        "alpha 1 5\nbeta 1 6\n",
        "alpha 1 5\nalpha 1 4\n",
        "alpha 2 5\nalpha 1 6\n",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1 5\n",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct bw_judge judge;
        struct bw_diag diag = {0};

        bw_judge_init(&judge);
        if (bw_judge_add(&judge, texts[i], strlen(texts[i]), &diag) != BW_ERR_CORRUPT)
            fail_msg("accepted: %s", texts[i]);
        bw_judge_deinit(&judge);
    }
    (void)state;
}

static void more_sites_than_the_limit_are_refused(void **state)
{
    struct bw_judge *judge = *state;
    struct bw_diag diag = {0};
    char text[64];

    for (int i = 0; i < BW_SITES_MAX; i++) {
        (void)snprintf(text, sizeof text, "site-%d 1 5\n", i);
        assert_int_equal(bw_judge_add(judge, text, strlen(text), &diag), BW_OK);
    }
    assert_int_equal(bw_judge_add(judge, "one-more 1 5\n", 13, &diag), BW_ERR_LIMIT);
}

static void serving_again_after_a_fault_is_found(void **state)
{
    struct bw_judge *judge = *state;
    uint64_t at_ns = 0;

    add(judge, "alpha", 1, 1 * S, 2 * MS, 500);
    add(judge, "beta", 2, 3 * S, 2 * MS, 500);

    assert_true(bw_judge_serves_after(judge, "beta", 1500 * MS, &at_ns));
    assert_int_equal(at_ns, 3 * S);
    assert_true(bw_judge_serves_after(judge, "beta", 3500 * MS, &at_ns));
    assert_int_equal(at_ns, 3500 * MS);
    assert_false(bw_judge_serves_after(judge, "alpha", 2000 * MS, &at_ns));
    assert_false(bw_judge_serves_after(judge, "gamma", 0, &at_ns));
    assert_true(bw_judge_served_until(judge, "alpha", &at_ns));
    assert_int_equal(at_ns, 2000 * MS);
}

static void the_longest_time_without_service_is_found(void **state)
{
    struct bw_judge *judge = *state;
    uint64_t us = 0;

    add(judge, "alpha", 1, 1 * S, 2 * MS, 500);
    add(judge, "beta", 2, 3 * S, 2 * MS, 500);

    assert_int_equal(bw_judge_gap_us(judge, 1 * S, 4 * S, &us), BW_OK);
    assert_int_equal(us, 1000000);
    assert_int_equal(bw_judge_gap_us(judge, 1 * S, 2 * S, &us), BW_OK);
    assert_int_equal(us, 0);
    assert_int_equal(bw_judge_gap_us(judge, 0, 10 * S, &us), BW_OK);
    assert_int_equal(us, 6000000);
}

static void files_that_are_no_records_are_passed_over(void **state)
{
    struct bw_judge *judge = *state;
    char dir[] = "/tmp/bw-test-judge-XXXXXX";
    char path[128];
    struct bw_diag diag = {0};
    FILE *file;

    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/alpha-1.beats", dir);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("alpha 1 1000000000\nalpha 1 10020", file) >= 0);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(path, sizeof path, "%s/note.txt", dir);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);

    assert_int_equal(bw_judge_add_dir(judge, dir, &diag), BW_OK);
    assert_int_equal(judge->beat_count, 1);

    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/alpha-1.beats", dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void a_directory_that_is_not_there_is_an_error(void **state)
{
    struct bw_diag diag = {0};

    assert_int_equal(bw_judge_add_dir(*state, "/nonexistent/records", &diag), BW_ERR_NOT_FOUND);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(sites_one_after_the_other_do_not_overlap),
        CASE(no_records_are_no_overlap),
        CASE(one_beat_of_another_site_is_an_overlap),
        CASE(the_last_beat_of_one_and_the_first_of_another_overlap),
        CASE(spans_that_touch_do_not_overlap),
        CASE(a_process_that_wakes_up_after_the_takeover_overlaps),
        CASE(a_hole_counts_for_the_longest_beat_only),
        CASE(two_processes_of_one_site_are_one_site),
        CASE(a_lower_epoch_after_a_higher_is_seen),
        CASE(an_excuse_covers_its_site_and_its_time_alone),
        CASE(two_sites_overlap_while_a_third_is_excused),
        CASE(an_excused_site_that_begins_late_is_late_outside_of_its_time),
        CASE(a_cut_last_line_counts_for_nothing),
        CASE(only_a_cut_line_is_no_record),
        CASE(what_is_no_record_is_refused),
        CASE(more_sites_than_the_limit_are_refused),
        CASE(serving_again_after_a_fault_is_found),
        CASE(the_longest_time_without_service_is_found),
        CASE(files_that_are_no_records_are_passed_over),
        CASE(a_directory_that_is_not_there_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
