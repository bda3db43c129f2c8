/* timeline: the phases of a move, read from log lines. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <breakwater/dev/timeline.h>

static void a_value_is_found_and_unquoted(void **state)
{
    const char *line = "ts=2024-01-01T00:00:00Z level=info event=command.applied site=\"dc a\" "
                       "why=\"say \\\"x=1\\\" twice\" empty= last=7\n";
    char value[64];

    (void)state;
    assert_true(bw_log_line_get(line, "event", value, sizeof value));
    assert_string_equal(value, "command.applied");
    assert_true(bw_log_line_get(line, "site", value, sizeof value));
    assert_string_equal(value, "dc a");
    assert_true(bw_log_line_get(line, "empty", value, sizeof value));
    assert_string_equal(value, "");
    assert_true(bw_log_line_get(line, "last", value, sizeof value));
    assert_string_equal(value, "7");
}

static void what_stands_in_quotes_is_no_key(void **state)
{
    const char *line = "event=x text=\"epoch=9 \\\" epoch=8\" epoch=3";
    char value[64];

    (void)state;
    assert_true(bw_log_line_get(line, "epoch", value, sizeof value));
    assert_string_equal(value, "3");
    assert_false(bw_log_line_get(line, "och", value, sizeof value));
}

static void odd_lines_have_no_values(void **state)
{
    static const char *const lines[] = {
        "", "\n", "word", "= = =", "a=\"open", "==ERROR: x=1", "x y z\n", "key"};
    char value[8];

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_false(bw_log_line_get(lines[i], "key", value, sizeof value));
    assert_false(bw_log_line_get("key=123456789", "key", value, sizeof value));
}

static void the_last_renewal_of_the_old_epoch_counts(void **state)
{
    struct bw_timeline timeline = {.old_epoch = 1, .new_epoch = 2};
    static const char *const lines[] = {
        "event=renewal.confirmed group=g epoch=1 number=1 sent_boot_ns=100 at_boot_ns=110",
        "event=renewal.confirmed group=g epoch=1 number=2 sent_boot_ns=300 at_boot_ns=310",
        "event=renewal.confirmed group=g epoch=1 number=3 sent_boot_ns=200 at_boot_ns=320",
        "event=renewal.confirmed group=g epoch=3 number=4 sent_boot_ns=900 at_boot_ns=910",
    };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        bw_timeline_take(&timeline, BW_TIMELINE_OLD_AGENT, lines[i]);
        bw_timeline_take(&timeline, BW_TIMELINE_NEW_AGENT, lines[i]); /* not its to say */
    }

    assert_true(timeline.is_known[BW_PHASE_OF_MOVE_LAST_RENEWAL]);
    assert_int_equal(timeline.boot_ns[BW_PHASE_OF_MOVE_LAST_RENEWAL], 300);
}

static void the_first_witness_to_apply_an_entry_counts(void **state)
{
    struct bw_timeline timeline = {.old_epoch = 1, .new_epoch = 2};

    (void)state;
    bw_timeline_take(
        &timeline, BW_TIMELINE_WITNESS,
        "event=command.applied command=Expired group=\"g\" epoch=1 at_boot_ns=5000000");
    bw_timeline_take(
        &timeline, BW_TIMELINE_WITNESS,
        "event=command.applied command=Expired group=\"g\" epoch=1 at_boot_ns=4000000");
    bw_timeline_take(&timeline, BW_TIMELINE_WITNESS,
                     "event=command.applied command=Grant group=\"g\" epoch=1 at_boot_ns=1");
    bw_timeline_take(&timeline, BW_TIMELINE_WITNESS,
                     "event=command.applied command=Grant group=\"g\" epoch=2 at_boot_ns=7500000");
    timeline.origin = BW_PHASE_OF_MOVE_EXPIRED;

    assert_int_equal(timeline.boot_ns[BW_PHASE_OF_MOVE_EXPIRED], 4000000);
    assert_true(bw_timeline_at_ms(&timeline, BW_PHASE_OF_MOVE_GRANTED) == 3.5);
    assert_false(timeline.is_known[BW_PHASE_OF_MOVE_LEASE]);
}

static void an_instant_before_the_origin_is_negative(void **state)
{
    struct bw_timeline timeline = {.origin = BW_PHASE_OF_MOVE_LAST_RENEWAL};

    (void)state;
    bw_timeline_set(&timeline, BW_PHASE_OF_MOVE_LAST_RENEWAL, 10000000);
    bw_timeline_set(&timeline, BW_PHASE_OF_MOVE_LAST_BEAT, 8000000);

    assert_true(bw_timeline_at_ms(&timeline, BW_PHASE_OF_MOVE_LAST_BEAT) == -2.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_found_and_unquoted),
        cmocka_unit_test(what_stands_in_quotes_is_no_key),
        cmocka_unit_test(odd_lines_have_no_values),
        cmocka_unit_test(the_last_renewal_of_the_old_epoch_counts),
        cmocka_unit_test(the_first_witness_to_apply_an_entry_counts),
        cmocka_unit_test(an_instant_before_the_origin_is_negative),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
