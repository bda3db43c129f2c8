/* report: the newest that a witness heard of a site, and whether one voice speaks for it (3.7, 4).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/report.h>

#define S         BW_NS_PER_S
#define FRESHNESS (3 * S)

static struct bw_heard said(uint8_t instance, uint8_t session, uint64_t second)
{
    return (struct bw_heard){
        .instance = {.bytes = {instance}},
        .session = {.bytes = {session}},
        .received = {second * S, second * S},
        .answered_number = second,
    };
}

static void put(struct bw_site_reports *reports, struct bw_heard heard)
{
    bw_site_reports_put(reports, &heard);
}

static const struct bw_heard *fresh(const struct bw_site_reports *reports, uint64_t second,
                                    bool *several)
{
    return bw_site_reports_fresh(reports, (struct bw_instant){second * S, second * S}, FRESHNESS,
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
    put(&reports, said(1, 1, 10));

    assert_non_null(fresh(&reports, 12, &several));
    assert_null(fresh(&reports, 13, &several));
    assert_false(several);
    assert_null(
        bw_site_reports_fresh(&reports, (struct bw_instant){10 * S, 13 * S}, FRESHNESS, &several));
    assert_int_equal(bw_site_reports_newest(&reports)->answered_number, 10);
}

static void the_newest_replaces_and_an_older_one_does_not(void **state)
{
    struct bw_site_reports reports = {0};
    bool several;

    (void)state;
    put(&reports, said(1, 1, 10));
    put(&reports, said(1, 1, 11));
    put(&reports, said(1, 1, 9));

    assert_int_equal(fresh(&reports, 12, &several)->answered_number, 11);
}

static void two_fresh_instances_are_several(void **state) /* 3.7 */
{
    struct bw_site_reports reports = {0};
    bool several;

    (void)state;
    put(&reports, said(1, 1, 10));
    put(&reports, said(2, 2, 11));

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
    put(&reports, said(1, 1, 10));
    put(&reports, said(1, 2, 11));

    assert_int_equal(fresh(&reports, 12, &several)->answered_number, 11);
    assert_false(several);
}

static void two_sessions_that_both_go_on_are_several(void **state) /* 3.7 */
{
    struct bw_site_reports reports = {0};
    bool several;

    (void)state;
    put(&reports, said(1, 1, 10));
    put(&reports, said(1, 2, 11));
    put(&reports, said(1, 1, 12));
    put(&reports, said(1, 2, 13));

    assert_null(fresh(&reports, 13, &several));
    assert_true(several);
}

static void a_fifth_voice_replaces_the_one_heard_longest_ago(void **state)
{
    struct bw_site_reports reports = {0};

    (void)state;
    put(&reports, said(1, 1, 12));
    put(&reports, said(2, 1, 10));
    put(&reports, said(3, 1, 11));
    put(&reports, said(4, 1, 13));
    put(&reports, said(5, 1, 14));

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++)
        assert_int_not_equal(reports.by_instance[i].instance.bytes[0], 2);
    assert_int_equal(bw_site_reports_newest(&reports)->instance.bytes[0], 5);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
