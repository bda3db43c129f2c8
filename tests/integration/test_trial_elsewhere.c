/* `breakwater-chaos scripts` starts a service without a lease. It asks the witnesses of its site file first, and starts
 * nothing while another site may serve the group. Design 3.9, on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_life.h"
#include "shell_outcome.h"

#define SAID_BYTES 65536
#define REFUSED    6

static char said[SAID_BYTES];

/* Its exit status at site 1; `said` is what it printed. */
static int try_scripts(const char *options)
{
    char command[512];

    (void)snprintf(command, sizeof command,
                   "cd '%s' && \"$BREAKWATER_BUILD/breakwater-chaos\" scripts -c site.yaml %s 2>&1 </dev/null",
                   cluster.sites[1].dir, options);
    return outcome_of(command, said, sizeof said);
}

static void assert_refused(const char *options, const char *why)
{
    const int status = try_scripts(options);

    if (status != REFUSED || strstr(said, why) == NULL)
        fail_msg("%s: %d, wanted \"%s\": %s", options, status, why, said);
    assert_true(real_is_untouched(&cluster, 1)); /* by its journal, and by the service's own record */
    assert_int_equal(real_first_beat_ms(&cluster, 1), 0);
}

/* It started, killed and stopped the service; what it thought of the scripts is not this test's. */
static void assert_tried(const char *options)
{
    const int status = try_scripts(options);

    if (status == REFUSED || status == 2 || real_runs(&cluster, 1, "start") < 3 || real_first_beat_ms(&cluster, 1) == 0)
        fail_msg("%s: %d, %d starts: %s", options, status, real_runs(&cluster, 1, "start"), said);
    real_assert_no_overlap(&cluster);
}

static bool is_service(int site, const char *word)
{
    return real_site_flag(&cluster, site, "connected") &&
           strcmp(json_string_value(json_object_get(real_site_json(&cluster, site), "service")), word) == 0;
}

static bool is_seen_started(struct real_cluster *of, int site)
{
    (void)of;
    return is_service(site, "started");
}

static bool is_seen_stopped(struct real_cluster *of, int site)
{
    (void)of;
    return is_service(site, "stopped");
}

static bool is_seen_unknown(struct real_cluster *of, int site)
{
    (void)of;
    return is_service(site, "unknown");
}

/* The guard of site 1 is down, or nothing could be tried there. */
static void observe(void)
{
    real_spec_text(&cluster, "mode", "observe");
    real_start_sites(&cluster);
    real_apply(&cluster);
    real_until(&cluster, is_seen_stopped, 1, "the group is observed at the second site");
    assert_int_equal(real_end(&cluster.sites[1].guard, SIGTERM), 0);
}

static void end_witnesses(void)
{
    for (int i = 0; i < TRIO_WITNESSES; i++)
        (void)trio_stop(&cluster.trio, i, SIGKILL);
}

static void beside_a_site_that_serves_nothing_is_tried(void **state)
{
    (void)state;
    observe();
    real_start_by_hand(&cluster, 0);
    real_until(&cluster, is_seen_started, 0, "the first site reports that it serves");

    assert_refused("--yes", "reports that its service is started");
    assert_refused("--yes --other-sites-are-off", "reports that its service is started");

    real_put(&cluster, 0, "say", "unknown\n");
    real_until(&cluster, is_seen_unknown, 0, "the first site cannot say what it does");
    assert_refused("--yes", "reports its service as unknown");
    assert_non_null(strstr(said, "--other-sites-are-off"));
}

static void beside_a_lease_nothing_is_tried(void **state)
{
    (void)state;
    real_start_guard(&cluster, 0);
    real_start_agent(&cluster, 0);
    real_apply_first(&cluster);
    real_until(&cluster, real_serves, 0, "the first site serves");

    assert_refused("--yes --other-sites-are-off", "holds epoch 1");
}

static void where_the_witnesses_do_not_answer_an_operator_confirms(void **state)
{
    (void)state;
    observe();
    end_witnesses();

    assert_refused("--yes", "no leader of the witnesses answers");
    assert_non_null(strstr(said, "not asked: "));
    assert_non_null(strstr(said, "--other-sites-are-off"));
}

/* The order of README.md: witnesses, the trial, the daemons, the group. */
static void before_the_group_is_applied_an_operator_confirms(void **state)
{
    (void)state;
    (void)trio_leader(&cluster.trio);
    assert_refused("--yes", "the witnesses do not know this group");
    assert_tried("--yes --no-namespace --other-sites-are-off");
}

static void where_each_site_reports_it_stopped_yes_is_enough(void **state)
{
    (void)state;
    observe();
    real_until(&cluster, is_seen_stopped, 0, "the first site reports that it does not serve");
    assert_tried("--yes --no-namespace");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down_judged)
    const struct CMUnitTest tests[] = {
        CASE(beside_a_site_that_serves_nothing_is_tried),
        CASE(beside_a_lease_nothing_is_tried),
        cmocka_unit_test_setup_teardown(where_the_witnesses_do_not_answer_an_operator_confirms, set_up,
                                        tear_down), /* nobody served */
        CASE(before_the_group_is_applied_an_operator_confirms),
        CASE(where_each_site_reports_it_stopped_yes_is_enough),
    };
#undef CASE

    return cmocka_run_group_tests(tests, NULL, NULL);
}
