/* report: the newest that a witness heard of a site, and whether one voice speaks for it (3.7, 4).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <breakwater/core/report.h>

#define S         BW_NS_PER_S
#define FRESHNESS (3 * S)

static struct bw_contact contact_from(uint8_t instance, uint8_t session, uint64_t second)
{
    return (struct bw_contact){
        .instance = {.bytes = {instance}},
        .session = {.bytes = {session}},
        .received = {second * S, second * S},
        .answered_number = second,
    };
}

static void put(struct bw_site_reports *reports, struct bw_contact contact)
{
    bw_site_reports_put(reports, &contact);
}

static const struct bw_contact *fresh(const struct bw_site_reports *reports, uint64_t second,
                                      bool *several)
{
    return bw_site_reports_fresh(reports, (struct bw_instant){second * S, second * S}, FRESHNESS, 0,
                                 several);
}

static void nothing_heard_is_nothing_known(void **state)
{
    const struct bw_site_reports reports = {0};
    bool several = true;

    (void)state;
    assert_null(fresh(&reports, 1, &several));
    assert_false(several);
    assert_null(bw_site_reports_newest(&reports));
}

static void a_report_is_fresh_until_either_clock_says_no(void **state) /* 3.3, design 1 */
{
    struct bw_site_reports reports = {0};
    bool several;

    (void)state;
    put(&reports, contact_from(1, 1, 10));

    assert_non_null(fresh(&reports, 12, &several));
    assert_null(fresh(&reports, 13, &several));
    assert_false(several);
    assert_null(
        bw_site_reports_fresh(&reports, (struct bw_instant){10 * S, 13 * S}, FRESHNESS, 0, &several));
    assert_int_equal(bw_site_reports_newest(&reports)->answered_number, 10);
}

static void the_newest_replaces_and_an_older_one_does_not(void **state)
{
    struct bw_site_reports reports = {0};
    bool several;

    (void)state;
    put(&reports, contact_from(1, 1, 10));
    put(&reports, contact_from(1, 1, 11));
    put(&reports, contact_from(1, 1, 9));

    assert_int_equal(fresh(&reports, 12, &several)->answered_number, 11);
}

static void two_fresh_instances_are_several(void **state) /* 3.7 */
{
    struct bw_site_reports reports = {0};
    bool several;

    (void)state;
    put(&reports, contact_from(1, 1, 10));
    put(&reports, contact_from(2, 2, 11));

    assert_null(fresh(&reports, 12, &several));
    assert_true(several);
    assert_int_equal(fresh(&reports, 13, &several)->answered_number, 11);
    assert_false(several);
}

static void a_restarted_agent_is_one_voice(void **state) /* 3.7 */
{
    struct bw_site_reports reports = {0};
    bool several;

    (void)state;
    put(&reports, contact_from(1, 1, 10));
    put(&reports, contact_from(1, 2, 11));

    assert_int_equal(fresh(&reports, 12, &several)->answered_number, 11);
    assert_false(several);
}

static void two_sessions_that_both_go_on_are_several(void **state) /* 3.7 */
{
    struct bw_site_reports reports = {0};
    bool several;

    (void)state;
    put(&reports, contact_from(1, 1, 10));
    put(&reports, contact_from(1, 2, 11));
    put(&reports, contact_from(1, 1, 12));
    put(&reports, contact_from(1, 2, 13));

    assert_null(fresh(&reports, 13, &several));
    assert_true(several);
}

static void a_fifth_voice_replaces_the_one_heard_longest_ago(void **state)
{
    struct bw_site_reports reports = {0};

    (void)state;
    put(&reports, contact_from(1, 1, 12));
    put(&reports, contact_from(2, 1, 10));
    put(&reports, contact_from(3, 1, 11));
    put(&reports, contact_from(4, 1, 13));
    put(&reports, contact_from(5, 1, 14));

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++)
        assert_int_not_equal(reports.by_instance[i].instance.bytes[0], 2);
    assert_int_equal(bw_site_reports_newest(&reports)->instance.bytes[0], 5);
}

static void a_site_where_it_runs_already_is_named(void **state) /* 3.9 */
{
    const struct bw_instant now = {11 * S, 11 * S};
    struct bw_site_reports reports[2] = {0};
    struct bw_contact contact = contact_from(1, 1, 10);
    struct bw_spec spec;

    (void)state;
    bw_spec_defaults(&spec);
    spec.site_count = 2;
    (void)strcpy(spec.sites[0].name, "dc-a");
    (void)strcpy(spec.sites[1].name, "dc-b");
    assert_null(bw_reports_started_elsewhere(&spec, reports, "dc-a", now));
    contact.report.service = BW_SERVICE_STARTED;
    put(&reports[1], contact);
    assert_string_equal(bw_reports_started_elsewhere(&spec, reports, "dc-a", now), "dc-b");
    assert_null(bw_reports_started_elsewhere(&spec, reports, "dc-b", now)); /* where it is wanted */
    assert_null(bw_reports_started_elsewhere(&spec, reports, "dc-a",
                                             (struct bw_instant){60 * S, 60 * S})); /* long ago */
    contact.report.service = BW_SERVICE_UNKNOWN;
    contact.received = now;
    put(&reports[1], contact);
    assert_null(bw_reports_started_elsewhere(&spec, reports, "dc-a", now)); /* nobody knows */
}

/* A copy of a machine has its session too: an instance is another life all the same. */
static void two_instances_of_one_session_are_several(void **state) /* 3.7 */
{
    struct bw_site_reports reports = {0};
    bool several;

    (void)state;
    put(&reports, contact_from(1, 1, 10));
    put(&reports, contact_from(2, 1, 11));

    assert_null(fresh(&reports, 12, &several));
    assert_true(several);
}

static void the_word_of_a_service_is_the_whole_line(void **state) /* 3.4 */
{
    static const char *const none[] = {"", "s", "Xtarted", "starte", "startedX", "started ",
                                       " started", "stoppedX", "Xtopped", "unknown"};

    (void)state;
    assert_int_equal(bw_service_of_line("started"), BW_SERVICE_STARTED);
    assert_int_equal(bw_service_of_line("STARTED"), BW_SERVICE_STARTED);
    assert_int_equal(bw_service_of_line("Stopped"), BW_SERVICE_STOPPED);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(bw_service_of_line(none[i]), BW_SERVICE_UNKNOWN);
}

/* 3.7: who takes the place of another has been there since it came, and no longer. */
static void a_speaker_that_takes_the_place_of_another_begins_anew(void **state)
{
    struct bw_site_reports reports = {0};

    (void)state;
    for (uint8_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++)
        put(&reports, contact_from((uint8_t)(i + 1), (uint8_t)(i + 1), 10 + i));
    put(&reports, contact_from(99, 99, 50));

    assert_int_equal(bw_site_reports_newest(&reports)->answered_number, 50);
    assert_int_equal(bw_site_reports_newest(&reports)->first_received.boot_ns, 50 * S);
}

/* A place that nobody has spoken from says nothing of when a speaker was heard first. */
static void whoever_speaks_first_is_heard_from_then_on(void **state)
{
    struct bw_site_reports reports = {0};

    (void)state;
    put(&reports, contact_from(0, 0, 10));
    assert_int_equal(bw_site_reports_newest(&reports)->first_received.boot_ns, 10 * S);
    put(&reports, contact_from(0, 0, 12));
    assert_int_equal(bw_site_reports_newest(&reports)->first_received.boot_ns, 10 * S);
}

static void words_are_heard_in_letters_of_either_size(void **state)
{
    (void)state;
    for (char c = 'a'; c <= 'z'; c++) {
        const char small[] = {c, '\0'};
        const char large[] = {(char)(c - 'a' + 'A'), '\0'};

        assert_true(bw_line_is_word(small, small));
        assert_true(bw_line_is_word(large, small));
        assert_false(bw_line_is_word(c == 'a' ? "B" : "A", small));
    }
    assert_false(bw_line_is_word("@", "`")); /* what lies beside the letters is none */
    assert_false(bw_line_is_word("[", "{"));
}

/* 3.7: as many as there is room for are kept side by side. */
static void four_speakers_are_kept_side_by_side(void **state)
{
    struct bw_site_reports reports = {0};

    (void)state;
    for (uint8_t i = 1; i <= BW_AGENTS_PER_SITE_MAX; i++)
        put(&reports, contact_from(i, i, 10 + i));
    for (uint8_t i = 1; i <= BW_AGENTS_PER_SITE_MAX; i++) {
        int count = 0;

        for (size_t at = 0; at < BW_AGENTS_PER_SITE_MAX; at++)
            count += reports.by_instance[at].used && reports.by_instance[at].instance.bytes[0] == i;
        assert_int_equal(count, 1);
    }
    put(&reports, contact_from(9, 9, 30));
    for (size_t at = 0; at < BW_AGENTS_PER_SITE_MAX; at++)
        assert_int_not_equal(reports.by_instance[at].instance.bytes[0], 1); /* heard longest ago */
}

/* 3.9: of the first site of the list as of any other. */
static void the_first_site_serves_elsewhere_too(void **state)
{
    struct bw_site_reports reports[2] = {0};
    struct bw_contact contact = contact_from(1, 1, 10);
    struct bw_spec spec;

    (void)state;
    bw_spec_defaults(&spec);
    spec.site_count = 2;
    (void)strcpy(spec.sites[0].name, "dc-a");
    (void)strcpy(spec.sites[1].name, "dc-b");
    contact.report.service = BW_SERVICE_STARTED;
    put(&reports[0], contact);
    assert_string_equal(bw_reports_started_elsewhere(&spec, reports, "dc-b",
                                                     (struct bw_instant){10 * S, 10 * S}),
                        "dc-a");
}

/* 3.9: whoever names another site the first answers for this one, unless it says now that it serves nothing. */
static void who_does_not_say_that_it_has_stopped_is_vouched_for(void **state)
{
    const struct bw_spec spec = {.name = "harbor", .renew_interval_ms = 1000, .request_timeout_ms = 1000};
    const struct bw_instant at_10 = {10 * S, 10 * S}, at_18 = {18 * S, 18 * S};
    struct bw_site_reports reports = {0};
    struct bw_contact contact = contact_from(1, 1, 10);
    char text[BW_VOUCHED_TEXT_BYTES];

    (void)state;
    assert_true(bw_reports_vouched_text(&spec, NULL, "dc-b", at_10, text));
    assert_string_equal(text, "dc-b is not connected: you confirm that harbor does not run there; if it does, two sites serve (split-brain)");
    assert_true(bw_reports_vouched_text(&spec, &reports, "dc-b", at_10, text));
    contact.report.service = BW_SERVICE_UNKNOWN;
    put(&reports, contact);
    assert_true(bw_reports_vouched_text(&spec, &reports, "dc-b", at_10, text));
    assert_string_equal(text, "dc-b is not confirmed to have stopped it (last said unknown, 0 s ago): you confirm that harbor "
                              "does not run there; if it does, two sites serve (split-brain)");
    contact.report.service = BW_SERVICE_STOPPED;
    put(&reports, contact);
    assert_false(bw_reports_vouched_text(&spec, &reports, "dc-b", at_10, text));
    contact.report.service = BW_SERVICE_STARTED;
    put(&reports, contact);
    assert_true(bw_reports_vouched_text(&spec, &reports, "dc-b", at_18, text));
    assert_string_equal(text, "dc-b is not connected (last said started, 8 s ago): you confirm that harbor does not run "
                              "there; if it does, two sites serve (split-brain)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_heard_is_nothing_known),
        cmocka_unit_test(a_report_is_fresh_until_either_clock_says_no),
        cmocka_unit_test(the_newest_replaces_and_an_older_one_does_not),
        cmocka_unit_test(two_fresh_instances_are_several),
        cmocka_unit_test(a_restarted_agent_is_one_voice),
        cmocka_unit_test(two_sessions_that_both_go_on_are_several),
        cmocka_unit_test(a_fifth_voice_replaces_the_one_heard_longest_ago),
        cmocka_unit_test(a_site_where_it_runs_already_is_named),
        cmocka_unit_test(two_instances_of_one_session_are_several),
        cmocka_unit_test(the_word_of_a_service_is_the_whole_line),
        cmocka_unit_test(a_speaker_that_takes_the_place_of_another_begins_anew),
        cmocka_unit_test(whoever_speaks_first_is_heard_from_then_on),
        cmocka_unit_test(four_speakers_are_kept_side_by_side),
        cmocka_unit_test(the_first_site_serves_elsewhere_too),
        cmocka_unit_test(who_does_not_say_that_it_has_stopped_is_vouched_for),
        cmocka_unit_test(words_are_heard_in_letters_of_either_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
