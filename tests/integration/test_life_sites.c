/* Who of several candidates serves after the holder's site has died. Design 4, on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>

#include "cluster_life.h"

static int set_up_readiness(void **state)
{
    (void)state;
    real_cluster_init(&cluster, 3, true);
    return 0;
}

static bool is_eligible(struct real_cluster *of, int site)
{
    return real_site_flag(of, site, "eligible");
}

static bool is_not_ready(struct real_cluster *of, int site)
{
    return !real_site_flag(of, site, "eligible") && real_site_lists(of, site, "blocked_by", "not_ready");
}

static void both_others_could_take_over(void)
{
    real_until(&cluster, is_eligible, 1, "the second site could take over");
    real_until(&cluster, is_eligible, 2, "the third site could take over");
}

static void the_third_site_serves_when_the_second_cannot_start(void **state)
{
    (void)state;
    real_put(&cluster, 1, "start_exit", "1\n");
    real_serve(&cluster);
    both_others_could_take_over();

    real_lose_holder(&cluster, 0);
    real_until(&cluster, real_serves, 2, "the third site serves");

    assert_int_equal(real_number(&cluster, "epoch"), 3);
    real_assert_ended(&cluster, 1, "expired", "site_lost");
    real_assert_ended(&cluster, 2, "released", "start_failed"); /* 4: stop is run and confirmed */
    assert_true(real_journal_has(&cluster, 1, "start epoch=2 "));
    assert_true(real_journal_has(&cluster, 1, "stop epoch=2 "));
    assert_true(real_journal_has(&cluster, 2, "start epoch=3 "));
    assert_int_equal(real_runs(&cluster, 2, "start"), 1);
    real_assert_no_overlap(&cluster);
}

/* The report of the newest epoch as the leader has it; -1: it does not know how long nobody served.
 */
static int64_t reported_outage_ms(struct real_cluster *of)
{
    char *text = real_get(of, "/v1/groups/harbor/report");
    json_t *report = text == NULL ? NULL : json_loads(text, 0, NULL);
    const json_t *outage = json_object_get(json_object_get(report, "epoch"), "outage_ms");
    const int64_t ms = json_is_integer(outage) ? json_integer_value(outage) : -1;

    json_decref(report);
    free(text);
    return ms;
}

static bool is_outage_known(struct real_cluster *of, int any)
{
    (void)any;
    return reported_outage_ms(of) >= 0;
}

/* Of the service's own record, and of the sites' words as the leader heard them. */
static void assert_outage_is_that_of_the_services(int before, int after)
{
    const int64_t gap_ms = (int64_t)real_first_beat_ms(&cluster, after) -
                           (int64_t)real_last_beat_ms(&cluster, before);

    real_until(&cluster, is_outage_known, after, "the report knows how long nobody served");
    print_message("without service: %lld ms by the services, %lld ms by the report\n",
                  (long long)gap_ms, (long long)reported_outage_ms(&cluster));
    assert_true(reported_outage_ms(&cluster) >= gap_ms - 500);
    assert_true(reported_outage_ms(&cluster) <= gap_ms + 10000);
}

static void of_two_that_are_ready_the_preferred_one_serves(void **state)
{
    (void)state;
    real_serve(&cluster);
    both_others_could_take_over();

    real_lose_holder(&cluster, 0);
    real_until(&cluster, real_serves, 1, "the second site serves: its priority is 90, not 80");

    assert_int_equal(real_number(&cluster, "epoch"), 2);
    assert_outage_is_that_of_the_services(0, 1);
    assert_true(real_is_untouched(&cluster, 2));
    real_assert_no_overlap(&cluster);
}

/* The same with the numbers the other way round: it is the priority, not the order in the spec. */
static void a_new_priority_decides_the_next_failover(void **state)
{
    json_t *sites = json_object_get(cluster.spec, "sites");

    (void)state;
    real_serve(&cluster);
    assert_int_equal(json_object_set_new(json_array_get(sites, 2), "priority", json_integer(95)), 0);
    real_apply(&cluster);
    both_others_could_take_over();

    real_lose_holder(&cluster, 0);
    real_until(&cluster, real_serves, 2, "the third site serves: its priority is 95, not 90");

    assert_int_equal(real_number(&cluster, "epoch"), 2);
    assert_true(real_is_untouched(&cluster, 1));
    real_assert_no_overlap(&cluster);
}

static void priority_counts_only_among_those_that_are_ready(void **state)
{
    (void)state;
    real_serve(&cluster);
    both_others_could_take_over();
    real_put(&cluster, 1, "not_ready", "");
    real_until(&cluster, is_not_ready, 1, "the second site is not ready");

    real_lose_holder(&cluster, 0);
    real_until(&cluster, real_serves, 2, "the third site serves");

    assert_int_equal(real_number(&cluster, "epoch"), 2);
    assert_true(real_is_untouched(&cluster, 1));
    real_assert_no_overlap(&cluster);
}

#define CASE(claim, begin) cmocka_unit_test_setup_teardown(claim, begin, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_third_site_serves_when_the_second_cannot_start, set_up_three_sites),
        CASE(of_two_that_are_ready_the_preferred_one_serves, set_up_three_sites),
        CASE(a_new_priority_decides_the_next_failover, set_up_three_sites),
        CASE(priority_counts_only_among_those_that_are_ready, set_up_readiness),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
