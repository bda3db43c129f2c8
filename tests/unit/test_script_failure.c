/* script_failure: which runs are kept for people as failed, until when, and in which words. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <breakwater/core/script_failure.h>

static struct bw_site_failures failures;
static char text[BW_FAILURE_TEXT_BYTES];

static int begin(void **state)
{
    (void)state;
    memset(&failures, 0, sizeof failures);
    return 0;
}

static void run(enum bw_action_kind action, enum bw_run_result result, const char *line,
                const char *words)
{
    struct bw_guard_run_ended ended = {.action = action, .result = result, .duration_ms = 30040};

    strcpy(ended.line, line);
    strcpy(ended.outcome.words, words);
    ended.outcome.exited = result == BW_RUN_OK || result == BW_RUN_FAILED;
    ended.outcome.exit_status = result == BW_RUN_FAILED;
    bw_failures_on_run(&failures, &ended, (struct bw_instant){1, 1});
}

static const char *text_of(uint32_t number)
{
    assert_true(number < failures.count);
    bw_failure_text(&failures.list[number].what, 12000, text);
    return text;
}

static void a_failure_is_kept_until_the_same_script_ends_well(void **state)
{
    (void)state;
    run(BW_ACTION_START, BW_RUN_FAILED, "", "cannot open database");
    run(BW_ACTION_STOP, BW_RUN_OK, "", "");
    assert_int_equal(failures.count, 1);
    assert_string_equal(text_of(0), "start failed 12 s ago, exit 1: cannot open database");

    run(BW_ACTION_START, BW_RUN_OK, "", "");
    assert_int_equal(failures.count, 0);
}

static void of_each_script_the_newest_is_kept_and_of_many_the_newest_three(void **state)
{
    (void)state;
    run(BW_ACTION_STATUS, BW_RUN_FAILED, "", "1");
    run(BW_ACTION_START, BW_RUN_FAILED, "", "2");
    run(BW_ACTION_START, BW_RUN_FAILED, "", "3");
    run(BW_ACTION_STOP, BW_RUN_FAILED, "", "4");
    assert_int_equal(failures.count, 3);
    assert_string_equal(failures.list[0].what.outcome.words, "4");
    assert_string_equal(failures.list[1].what.outcome.words, "3");
    assert_string_equal(failures.list[2].what.outcome.words, "1");

    run(BW_ACTION_FENCE, BW_RUN_FAILED, "", "5");
    assert_int_equal(failures.count, 3);
    assert_string_equal(failures.list[2].what.outcome.words, "3");
}

static void what_was_refused_or_cut_off_changes_nothing(void **state)
{
    (void)state;
    run(BW_ACTION_START, BW_RUN_REFUSED, "", "x");
    run(BW_ACTION_START, BW_RUN_INTERRUPTED, "", "x");
    run(BW_ACTION_STATUS, BW_RUN_KILLED, "", "x");
    assert_int_equal(failures.count, 0);

    run(BW_ACTION_START, BW_RUN_FAILED, "", "x");
    run(BW_ACTION_START, BW_RUN_REFUSED, "", "x");
    assert_int_equal(failures.count, 1);
}

static void a_look_that_says_no_word_has_failed(void **state)
{
    (void)state;
    run(BW_ACTION_STATUS, BW_RUN_OK, "running", "running");
    assert_string_equal(text_of(0), "status said neither started nor stopped 12 s ago: running");
    run(BW_ACTION_STATUS, BW_RUN_OK, "Stopped", "Stopped");
    assert_int_equal(failures.count, 0);
    run(BW_ACTION_CONDITION, BW_RUN_OK, "yes", "yes");
    assert_string_equal(text_of(0), "condition said neither start nor stop 12 s ago: yes");
    run(BW_ACTION_CONDITION, BW_RUN_OK, "stop", "stop");
    assert_int_equal(failures.count, 0);
    run(BW_ACTION_CONDITION, BW_RUN_OK, "yes", "yes");
    run(BW_ACTION_CONDITION, BW_RUN_OK, "start", "start");
    run(BW_ACTION_READINESS, BW_RUN_OK, "lag_seconds=0", "");
    assert_int_equal(failures.count, 0);
}

static void each_end_has_its_words(void **state)
{
    (void)state;
    run(BW_ACTION_START, BW_RUN_TIMED_OUT, "", "waiting for port 5432");
    assert_string_equal(text_of(0), "start script did not end in 30.0 s and was killed 12 s ago: waiting "
                                    "for port 5432");
    run(BW_ACTION_START, BW_RUN_KILLED, "", "");
    assert_string_equal(text_of(0), "start was killed 12 s ago, after 30.0 s");
    run(BW_ACTION_START, BW_RUN_NOT_STARTED, "", "/x: No such file or directory");
    assert_string_equal(text_of(0),
                        "start could not be run 12 s ago: /x: No such file or directory");
    run(BW_ACTION_START, BW_RUN_TOO_LATE, "", "");
    assert_string_equal(text_of(0), "start was not begun 12 s ago: its lease was about to end");
    bw_failures_unseen(&failures, BW_ACTION_START, (struct bw_instant){1, 1});
    assert_string_equal(text_of(0),
                        "start ended well, but the service was not seen to work in time, 12 s ago");
}

static void its_age_is_told_as_coarsely_as_anybody_needs_it(void **state)
{
    static const struct {
        uint64_t s;
        const char *text;
    } ages[] = {{119, "119 s ago"},     {120, "2 min ago"}, {7199, "119 min ago"},
                {7200, "2 h ago"},      {172799, "47 h ago"}, {172800, "2 days ago"}};
    struct bw_script_failure failure = {.action = BW_ACTION_READINESS, .result = BW_RUN_FAILED};

    (void)state;
    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        failure.age_ms = (uint32_t)(ages[i].s * 1000);
        bw_failure_text(&failure, 0, text);
        assert_string_equal(text + strlen("readiness failed "), ages[i].text);
        failure.age_ms -= 1000; /* what was passed since it was said counts as well */
        bw_failure_text(&failure, 1000, text);
        assert_string_equal(text + strlen("readiness failed "), ages[i].text);
    }
}

static void how_it_ended_is_told_where_it_ended_by_itself(void **state)
{
    struct bw_script_failure failure = {.action = BW_ACTION_READINESS, .result = BW_RUN_FAILED};

    (void)state;
    failure.outcome = (struct bw_script_outcome){.exited = true, .exit_status = 3};
    bw_failure_text(&failure, 0, text);
    assert_string_equal(text, "readiness failed 0 s ago, exit 3");
    failure.outcome.exit_status = 0; /* it said something that nobody could read */
    bw_failure_text(&failure, 0, text);
    assert_string_equal(text, "readiness failed 0 s ago, exit 0");
    failure.action = BW_ACTION_FENCE;
    bw_failure_text(&failure, 0, text);
    assert_string_equal(text, "fence failed 0 s ago, the end of the service was not seen");
    failure.outcome.exit_status = 4;
    bw_failure_text(&failure, 0, text);
    assert_string_equal(text, "fence failed 0 s ago, exit 4");
    failure.action = BW_ACTION_COUNT; /* of a later release */
    bw_failure_text(&failure, 0, text);
    assert_string_equal(text, "a script failed 0 s ago, exit 4");
}

/* 3.2.4: it says that it has ended, and the service is not seen to have. */
static void a_stop_that_ends_well_and_is_not_believed_says_so(void **state)
{
    struct bw_guard_run_ended ended = {
        .action = BW_ACTION_STOP, .result = BW_RUN_FAILED, .outcome = {.exited = true}};

    (void)state;
    bw_failures_on_run(&failures, &ended, (struct bw_instant){1, 1});
    assert_string_equal(text_of(0), "stop failed 12 s ago, the end of the service was not seen");
    ended.outcome = (struct bw_script_outcome){.signal = 11};
    bw_failures_on_run(&failures, &ended, (struct bw_instant){1, 1});
    assert_string_equal(text_of(0), "stop failed 12 s ago, ended by signal 11");
}

/* A site may be anybody's: what it tells is no command for a terminal, and no number is out of
 * place. */
static void what_a_hostile_site_tells_is_harmless(void **state)
{
    struct bw_script_failure failure = {
        .action = UINT32_MAX, .result = UINT32_MAX, .age_ms = UINT32_MAX, .took_ms = UINT32_MAX};

    (void)state;
    memset(failure.outcome.words, '\x1b', sizeof failure.outcome.words);
    failure.outcome.signal = UINT32_MAX;
    bw_failure_text(&failure, UINT64_MAX / 2, text);
    assert_null(strchr(text, '\x1b'));
    assert_non_null(strstr(text, "a script failed"));
    assert_true(strlen(text) < sizeof text);
    failure.result = BW_RUN_TIMED_OUT;
    bw_failure_text(&failure, 0, text);
    assert_non_null(strstr(text, "did not end in 4294967.2 s and was killed 49 days ago: ????"));
}

static void look(enum bw_action_kind unrunnable, bool has_looked)
{
    struct bw_guard_run_ended ended = {.action = BW_ACTION_STATUS,
                                       .result = BW_RUN_OK,
                                       .line = "stopped",
                                       .has_looked = has_looked,
                                       .unrunnable = unrunnable};

    if (unrunnable != BW_ACTION_NONE)
        strcpy(ended.unrunnable_words, "/etc/start.sh: No such file or directory");
    bw_failures_on_look(&failures, &ended, (struct bw_instant){1, 1});
}

/* 4: what kept a run from beginning, as a lack of memory, says nothing of the next one. */
static void what_a_look_finds_unrunnable_stays_until_a_look_finds_otherwise(void **state)
{
    (void)state;
    run(BW_ACTION_START, BW_RUN_NOT_STARTED, "", "fork: no memory");
    assert_null(bw_failures_find_unrunnable(&failures.list[0].what, failures.count));

    look(BW_ACTION_START, true);
    assert_int_equal(failures.count, 1);
    assert_string_equal(text_of(0), "start cannot be run: /etc/start.sh: No such file or directory");
    assert_non_null(bw_failures_find_unrunnable(&failures.list[0].what, failures.count));
    look(BW_ACTION_NONE, false); /* its guard is older, or the look was cut off */
    assert_int_equal(failures.count, 1);
    run(BW_ACTION_STOP, BW_RUN_FAILED, "", "");
    look(BW_ACTION_NONE, true);
    assert_int_equal(failures.count, 1);
    assert_string_equal(text_of(0), "stop failed 12 s ago, exit 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_failure_is_kept_until_the_same_script_ends_well, begin),
        cmocka_unit_test_setup(of_each_script_the_newest_is_kept_and_of_many_the_newest_three,
                               begin),
        cmocka_unit_test_setup(what_was_refused_or_cut_off_changes_nothing, begin),
        cmocka_unit_test_setup(a_look_that_says_no_word_has_failed, begin),
        cmocka_unit_test_setup(each_end_has_its_words, begin),
        cmocka_unit_test(its_age_is_told_as_coarsely_as_anybody_needs_it),
        cmocka_unit_test(how_it_ended_is_told_where_it_ended_by_itself),
        cmocka_unit_test_setup(a_stop_that_ends_well_and_is_not_believed_says_so, begin),
        cmocka_unit_test_setup(what_a_hostile_site_tells_is_harmless, begin),
        cmocka_unit_test_setup(what_a_look_finds_unrunnable_stays_until_a_look_finds_otherwise, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
