/* entries: an acknowledged entry that is missing is seen, by who reads and by who writes next. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "entries.h"

static struct bw_entries entries;
static struct bw_diag diag;
static char records[BW_ENTRIES_WRITERS_MAX][4096];

static int set_up(void **state)
{
    (void)state;
    memset(records, 0, sizeof records);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bw_entries_deinit(&entries);
    return 0;
}

static enum bw_err take(uint32_t writer, const char *lines)
{
    char *record = records[writer];

    (void)snprintf(record + strlen(record), sizeof records[0] - strlen(record), "%s", lines);
    return bw_entries_take(&entries, writer, record, strlen(record), &diag);
}

static void write_down(uint32_t writer, const char *lines)
{
    assert_int_equal(take(writer, lines), BW_OK);
}

static void look(uint32_t writer, uint32_t slot, uint64_t number)
{
    bw_entries_expect(&entries);
    bw_entries_judge(&entries, writer, slot, number);
}

static void what_is_there_is_found_and_what_is_not_is_lost_once(void **state)
{
    (void)state;
    write_down(0, "? 1 1\n+ 1 1 10 0 100\n? 2 2\n+ 2 2 12 0 110\n");
    assert_int_equal(entries.acknowledged_count, 2);
    look(0, 1, 1);
    assert_true(bw_entries_are_whole(&entries));
    assert_int_equal(entries.found_count, 1);
    look(0, 2, 0);
    look(0, 2, 0);
    assert_int_equal(entries.lost_count, 1);
    assert_false(bw_entries_are_whole(&entries));
    assert_non_null(strstr(entries.texts[0], "slot 2: entry 2 was acknowledged"));
}

static void an_older_one_in_its_place_is_a_loss(void **state)
{
    (void)state;
    write_down(0, "? 1 1\n+ 1 1 10 0 100\n? 1 17\n+ 1 17 20 1 200\n");
    look(0, 1, 1);
    assert_int_equal(entries.lost_count, 1);
}

static void the_next_write_tells_that_it_was_gone(void **state)
{
    (void)state;
    write_down(0, "? 1 1\n+ 1 1 10 0 100\n? 1 17\n+ 1 17 20 0 200\n");
    assert_int_equal(entries.lost_count, 1);
    assert_non_null(strstr(entries.texts[0], "the next write found 0"));
    write_down(0, "? 1 33\n+ 1 33 30 - 300\n"); /* it did not say */
    assert_int_equal(entries.lost_count, 1);
}

/* What was asked for and never answered may be there, or not; what nobody asked for may not. */
static void what_was_not_acknowledged_may_be_there(void **state)
{
    (void)state;
    write_down(0, "? 1 1\n+ 1 1 10 0 100\n? 1 17\n");
    look(0, 1, 1);
    look(0, 1, 17);
    assert_true(bw_entries_are_whole(&entries));
    write_down(0, "? 1 33\n+ 1 33 40 17 100\n");
    assert_true(bw_entries_are_whole(&entries));
    look(0, 1, 49);
    assert_int_equal(entries.broken_count, 1);
}

/* Acknowledged after the look began. */
static void what_came_during_a_look_need_not_be_seen(void **state)
{
    (void)state;
    write_down(0, "? 1 1\n+ 1 1 10 0 100\n");
    bw_entries_expect(&entries);
    write_down(0, "? 1 17\n+ 1 17 20 1 200\n");
    assert_false(bw_entries_misses(&entries, 0, 1, 1));
    bw_entries_judge(&entries, 0, 1, 1);
    assert_true(bw_entries_are_whole(&entries));
    look(0, 1, 1);
    assert_int_equal(entries.lost_count, 1);
}

/* A log that was cut, and went on with others. */
static void an_index_only_grows_and_is_given_once(void **state)
{
    (void)state;
    write_down(0, "? 1 1\n+ 1 1 10 0 100\n? 2 2\n+ 2 2 9 0 110\n");
    assert_int_equal(entries.broken_count, 1);
    assert_non_null(strstr(entries.texts[0], "has index 9, and an earlier one 10"));
    write_down(1, "? 1 1\n+ 1 1 10 0 120\n");
    assert_int_equal(entries.broken_count, 1);
    bw_entries_end(&entries);
    assert_int_equal(entries.broken_count, 2);
    assert_non_null(strstr(entries.texts[1], "index 10 was given to two entries"));
}

static void the_longest_silence_is_of_all_writers(void **state)
{
    (void)state;
    write_down(0, "? 1 1\n+ 1 1 10 0 100\n? 2 2\n+ 2 2 14 0 900\n");
    write_down(1, "? 1 1\n+ 1 1 12 0 400\n");
    bw_entries_end(&entries);
    assert_int_equal(entries.silence_ns, 500);
    assert_true(bw_entries_are_whole(&entries));
}

static void a_line_that_is_being_written_is_read_once_it_is_whole(void **state)
{
    (void)state;
    write_down(0, "? 1 1\n+ 1 1 1");
    assert_int_equal(entries.acknowledged_count, 0);
    write_down(0, "0 0 100\n");
    assert_int_equal(entries.acknowledged_count, 1);
}

static void no_record_is_no_proof_and_a_strange_line_is_refused(void **state)
{
    (void)state;
    assert_false(bw_entries_are_whole(&entries));
    assert_int_equal(take(0, "+ 1 1 10 0 100\n"), BW_ERR_CORRUPT); /* nobody asked */
    assert_int_equal(take(1, "? 99 1\n"), BW_ERR_CORRUPT);
    assert_int_equal(take(2, "? 1 5\n? 1 4\n"), BW_ERR_CORRUPT);
    assert_non_null(strstr(diag.text, "writer 2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_there_is_found_and_what_is_not_is_lost_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_older_one_in_its_place_is_a_loss, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_next_write_tells_that_it_was_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_not_acknowledged_may_be_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_came_during_a_look_need_not_be_seen, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_index_only_grows_and_is_given_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_longest_silence_is_of_all_writers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_that_is_being_written_is_read_once_it_is_whole,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_record_is_no_proof_and_a_strange_line_is_refused, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
