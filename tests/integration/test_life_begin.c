/* How a group begins, and what restarts of its programs do to a service that runs: nothing.
 * Design 3.4, 3.7, 3.9, on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include <signal.h>
#include <stdlib.h>

#include "real_cluster.h"

static struct real_cluster cluster;

static int tear_down(void **state)
{
    (void)state;
    real_cluster_deinit(&cluster);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    real_cluster_init(&cluster, 2, false);
    return 0;
}

/* The service lives on as the very process, and no script but looks has run since `starts`. */
static void assert_untouched_since(pid_t service, int starts)
{
    assert_int_equal(real_service(&cluster, 0), service);
    assert_int_equal(real_runs(&cluster, 0, "start"), starts);
    assert_int_equal(real_runs(&cluster, 0, "stop"), 0);
    assert_int_equal(real_runs(&cluster, 0, "fence"), 0);
    assert_true(real_is_untouched(&cluster, 1));
}

/* ---- the first grant ---- */

static bool has_adopted(struct real_cluster *of, int site)
{
    return real_serves(of, site) && json_is_false(json_object_get(of->group, "adopting"));
}

static void a_running_service_is_adopted_untouched_though_another_site_is_preferred(void **state)
{
    pid_t service;

    (void)state;
    real_start_by_hand(&cluster, 1);
    service = real_service(&cluster, 1);
    real_start_sites(&cluster);
    real_apply(&cluster);
    real_until(&cluster, real_serves, 1, "the site that serves holds the group");
    assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 1));
    real_until(&cluster, has_adopted, 1, "the adoption is over, and it serves on");

    assert_int_equal(real_number(&cluster, "epoch"), 1);
    assert_int_equal(real_service(&cluster, 1), service);
    assert_true(real_is_untouched(&cluster, 0)); /* 3.9 */
    assert_true(real_is_untouched(&cluster, 1));
}

static bool is_unreported(struct real_cluster *of, int site)
{
    return real_is_vacant(of, site) && !real_is_connected(of, site) && real_is_connected(of, 0);
}

static void nobody_is_granted_before_every_site_has_reported(void **state)
{
    (void)state;
    real_start_guard(&cluster, 0);
    real_start_agent(&cluster, 0);
    real_apply(&cluster);
    real_until(&cluster, is_unreported, 1, "only one site reports");
    assert_true(real_for_a_lease(&cluster, real_is_vacant, 1));
    real_until(&cluster, is_unreported, 1, "it still reports, and the other one does not");
    assert_int_equal(real_number(&cluster, "epoch"), 0);
    assert_true(real_is_untouched(&cluster, 0)); /* 3.9 */

    real_start_guard(&cluster, 1);
    real_start_agent(&cluster, 1);
    real_until(&cluster, real_some_site_serves, 0, "a site is started");
    assert_int_equal(real_runs(&cluster, 0, "start") + real_runs(&cluster, 1, "start"), 1);
    real_assert_no_overlap(&cluster);
}

/* ---- taken off a running production, and put on again ---- */

static bool serves_by_nobody(struct real_cluster *of, int site)
{
    return real_is_vacant(of, site) && real_says(of, "mode", "observe");
}

static void a_group_that_is_deleted_and_applied_again_adopts_what_serves(void **state)
{
    pid_t service;

    (void)state;
    real_serve(&cluster);
    service = real_service(&cluster, 0);
    assert_int_equal(real_order(&cluster, "delete", "{}"), 409); /* it is held */
    assert_int_equal(real_order(&cluster, "mode", "{\"mode\": \"observe\"}"), 200);
    real_until(&cluster, serves_by_nobody, 0, "the site is let go");
    while (real_order(&cluster, "delete", "{\"reason\": \"moved\"}") ==
           409) /* it has not let go yet */
        (void)usleep(50000);
    assert_int_equal(real_order(&cluster, "delete", "{}"), 404);
    assert_false(real_look(&cluster));

    real_apply(&cluster);
    real_until(&cluster, has_adopted, 0, "what serves is adopted");
    assert_int_equal(real_number(&cluster, "epoch"), 2);
    assert_untouched_since(service, 1);
    real_assert_no_overlap(&cluster);
}

/* ---- restarts ---- */

/* Programs start well within this lease, on a slow machine too. */
static void serve_long(void)
{
    real_spec_number(&cluster, "lease_ttl_ms", 3 * REAL_TTL_MS / 2);
    real_serve(&cluster);
}

static void an_agent_that_comes_back_renews_and_touches_nothing(void **state)
{
    static const int signals[] = {SIGTERM, SIGKILL};
    pid_t service;

    (void)state;
    serve_long();
    service = real_service(&cluster, 0);
    for (int i = 0; i < 2; i++) {
        (void)real_end(&cluster.sites[0].agent, signals[i]);
        real_start_agent(&cluster, 0);
        assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 0));
        real_until(&cluster, real_serves, 0, "the new agent renews");
        assert_untouched_since(service, 1); /* 3.7 */
    }
}

static void a_guard_that_comes_back_resumes_the_deadline_and_touches_nothing(void **state)
{
    static const int signals[] = {SIGTERM, SIGKILL};
    pid_t service;

    (void)state;
    serve_long();
    service = real_service(&cluster, 0);
    for (int i = 0; i < 2; i++) {
        (void)real_end(&cluster.sites[0].guard, signals[i]);
        real_start_guard(&cluster, 0);
        assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 0));
        real_until(&cluster, real_serves, 0, "renewals go on with the new guard");
        assert_untouched_since(service, 1); /* 3.4 */
    }
}

static void both_that_come_back_in_time_touch_nothing(void **state)
{
    pid_t service;

    (void)state;
    serve_long();
    service = real_service(&cluster, 0);

    (void)real_end(&cluster.sites[0].guard, SIGKILL);
    (void)real_end(&cluster.sites[0].agent, SIGKILL);
    real_start_guard(&cluster, 0);
    real_start_agent(&cluster, 0);
    assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 0));
    real_until(&cluster, real_serves, 0, "renewals go on");

    assert_untouched_since(service, 1); /* 3.4, 3.7 */
}

#define CASE(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_running_service_is_adopted_untouched_though_another_site_is_preferred),
        CASE(nobody_is_granted_before_every_site_has_reported),
        CASE(a_group_that_is_deleted_and_applied_again_adopts_what_serves),
        CASE(an_agent_that_comes_back_renews_and_touches_nothing),
        CASE(a_guard_that_comes_back_resumes_the_deadline_and_touches_nothing),
        CASE(both_that_come_back_in_time_touch_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
