/* What goes wrong at a site: a service started by hand, a start that fails, a fence that does not
 * end anything; and witnesses that go. Design 3.2-3.5, 3.8, 4, on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_life.h"
#include "janitor.h"

/* ---- by hand ---- */

static bool has_rogue_alarm(struct real_cluster *of, int site)
{
    return real_site_lists(of, site, "alarms", "unauthorized_start") && real_service(of, site) == 0;
}

static bool has_measured_fence(struct real_cluster *of, int site)
{
    const json_t *took = json_object_get(real_site_json(of, site), "fence_took_ms");

    return json_is_integer(took) && json_integer_value(took) > 0;
}

static void a_service_started_by_hand_at_the_standby_is_fenced_and_shown(void **state)
{
    pid_t service;

    (void)state;
    real_serve(&cluster);
    service = real_service(&cluster, 0);

    real_start_by_hand(&cluster, 1);
    real_until(&cluster, has_rogue_alarm, 1, "it is fenced, and status says so"); /* 3.8 */
    real_until(&cluster, has_measured_fence, 1, "status says how long that took"); /* 3.8 */

    assert_true(real_runs(&cluster, 1, "fence") > 0);
    assert_int_equal(real_runs(&cluster, 1, "start"), 0);
    assert_int_equal(real_service(&cluster, 0), service);
    assert_int_equal(real_runs(&cluster, 0, "stop") + real_runs(&cluster, 0, "fence"), 0);
    assert_int_equal(real_number(&cluster, "epoch"), 1);
}

/* ---- a start that fails ---- */

static bool tells_why(struct real_cluster *of, int site)
{
    const json_t *failure = json_array_get(json_object_get(real_site_json(of, site), "failures"),
                                           0);
    const char *text = json_string_value(json_object_get(failure, "text"));

    return text != NULL && strncmp(text, "start failed ", 13) == 0 &&
           strstr(text, " s ago, exit 1: cannot open ?[1mdatabase") != NULL &&
           json_integer_value(json_object_get(failure, "exit_status")) == 1;
}

static void a_failed_start_is_stopped_and_the_next_site_is_tried(void **state)
{
    (void)state;
    real_put(&cluster, 0, "start_exit", "1\n");
    real_start_sites(&cluster);
    real_apply_first(&cluster);
    real_until(&cluster, real_serves, 1, "the second site serves"); /* 4 */

    assert_true(real_journal_has(&cluster, 0, "start epoch=1 "));
    assert_true(real_journal_has(&cluster, 0, "stop epoch=1 "));
    real_assert_ended(&cluster, 1, "released", "start_failed");
    real_until(&cluster, tells_why, 0, "status has the script's own last words");
    real_assert_no_overlap(&cluster);
}

static bool has_tried_often(struct real_cluster *of, int site)
{
    (void)site;
    return real_number(of, "epoch") >= 4 && real_runs(of, 0, "start") > 0 &&
           real_runs(of, 1, "start") > 0;
}

static bool says_start_failed(struct real_cluster *of, int site)
{
    (void)site;
    return real_site_lists(of, 0, "alarms", "start_failed") ||
           real_site_lists(of, 1, "alarms", "start_failed");
}

static void where_no_site_can_start_it_is_tried_again_until_one_can(void **state)
{
    (void)state;
    real_put(&cluster, 0, "start_exit", "1\n");
    real_put(&cluster, 1, "start_exit", "1\n");
    real_start_sites(&cluster);
    real_apply(&cluster);
    real_until(&cluster, has_tried_often, 0, "both have been tried");
    real_until(&cluster, says_start_failed, 0, "status says that a start failed");

    real_drop(&cluster, 1, "start_exit");
    real_until(&cluster, real_serves, 1, "the site that can start serves");
    real_assert_no_overlap(&cluster);
}

/* ---- a script that cannot be run ---- */

static bool has_failure(struct real_cluster *of, int site, const char *begins, const char *names)
{
    const json_t *failures = json_object_get(real_site_json(of, site), "failures");
    json_t *failure;
    size_t i;

    json_array_foreach(failures, i, failure)
    {
        const char *text = json_string_value(json_object_get(failure, "text"));

        if (text != NULL && strncmp(text, begins, strlen(begins)) == 0 && strstr(text, names) != NULL)
            return true;
    }
    return false;
}

static bool is_kept_from_starting(struct real_cluster *of, int site)
{
    return real_site_lists(of, site, "blocked_by", "script_not_runnable") && !real_site_flag(of, site, "eligible") &&
           has_failure(of, site, "start cannot be run: ", "start.sh: ");
}

static bool is_eligible(struct real_cluster *of, int site)
{
    return real_site_flag(of, site, "eligible");
}

/* 4: else it would be found when the primary is lost. */
static void a_site_whose_start_cannot_be_run_is_not_eligible(void **state)
{
    (void)state;
    real_serve(&cluster);
    real_until(&cluster, is_eligible, 1, "the standby could take over");

    real_drop(&cluster, 1, "start.sh");
    real_until(&cluster, is_kept_from_starting, 1, "status names the script that cannot be run");

    real_write_scripts(&cluster.sites[1]);
    real_until(&cluster, is_eligible, 1, "it could take over again");
}

static bool has_named_status(struct real_cluster *of, int site)
{
    return real_site_lists(of, site, "alarms", "status_unknown") &&
           has_failure(of, site, "status cannot be run: ", "status.sh: ");
}

static void a_status_that_is_missing_is_named_and_no_rogue_start(void **state)
{
    (void)state;
    real_serve(&cluster);

    real_drop(&cluster, 1, "status.sh");
    real_until(&cluster, has_named_status, 1, "status names the script that cannot be run");

    assert_false(real_site_lists(&cluster, 1, "alarms", "unauthorized_start"));
    assert_false(real_for_a_lease(&cluster, has_rogue_alarm, 1));
}

/* ---- a fence that ends nothing ---- */

static bool is_held(struct real_cluster *of, int site)
{
    return real_says(of, "phase", "CLOSING") &&
           json_is_true(json_object_get(of->group, "held")) &&
           real_says(of, "holder", of->sites[site].name);
}

static bool is_held_and_alarmed(struct real_cluster *of, int site)
{
    return is_held(of, site) && real_site_lists(of, site, "alarms", "fence_failed");
}

static bool serves_epoch_2(struct real_cluster *of, int site)
{
    return real_number(of, "epoch") == 2 && real_some_site_serves(of, site);
}

static void a_failed_fence_holds_the_group_until_it_works(void **state)
{
    (void)state;
    real_serve(&cluster);

    real_put(&cluster, 0, "lies", "");
    real_put(&cluster, 0, "say", "started\n");
    real_begin_switchover(&cluster, 1, 60000);
    real_until(&cluster, is_held_and_alarmed, 0, "the group is held, and status says why"); /* 3.1 */
    assert_true(real_for_a_lease(&cluster, is_held, 0)); /* no time ends it */
    assert_true(real_is_untouched(&cluster, 1));
    assert_int_equal(real_number(&cluster, "epoch"), 1);

    real_drop(&cluster, 0, "say");
    real_drop(&cluster, 0, "lies");
    real_until(&cluster, serves_epoch_2, 0, "a new epoch serves once the fence worked");
    real_assert_ended(&cluster, 1, "released", "switchover"); /* Released, not Expired */
    real_assert_no_overlap(&cluster);
}

static void an_agent_whose_own_fence_fails_holds_the_group_too(void **state)
{
    (void)state;
    real_serve(&cluster);

    real_put(&cluster, 0, "lies", "");
    real_put(&cluster, 0, "say", "started\n");
    (void)real_end(&cluster.sites[0].guard, SIGKILL);
    real_until(&cluster, is_held_and_alarmed, 0, "the group is held, and status says why"); /* 3.3, 3.4 */
    real_start_guard(&cluster, 0);
    assert_true(real_for_a_lease(&cluster, is_held, 0));
    assert_true(real_is_untouched(&cluster, 1));

    real_drop(&cluster, 0, "say");
    real_drop(&cluster, 0, "lies");
    real_until(&cluster, serves_epoch_2, 0, "a new epoch serves once the fence worked");
    real_assert_no_overlap(&cluster);
}

/* ---- a start that its guard cannot end ---- */

static bool has_begun_a_start(struct real_cluster *of, int site)
{
    return real_runs(of, site, "start") > 0;
}

/* I1, 3.2.4: that nothing serves yet is no success of a fence while the start may go on. */
static void assert_the_start_is_ended(void (*lose_guard)(void))
{
    real_put(&cluster, 0, "slow", "");
    real_start_sites(&cluster);
    real_apply_first(&cluster);
    real_until(&cluster, has_begun_a_start, 0, "the start of the first site has begun");

    lose_guard();
    real_until(&cluster, real_serves, 1, "the second site serves");
    real_drop(&cluster, 0, "slow");

    assert_true(real_for_a_lease(&cluster, real_service_is_gone, 0));
    real_assert_no_overlap(&cluster);
}

static void kill_guard(void)
{
    (void)real_end(&cluster.sites[0].guard, SIGKILL);
}

static void freeze_guard(void)
{
    assert_int_equal(kill(cluster.sites[0].guard, SIGSTOP), 0);
    janitor_end_enforcers(cluster.sites[0].name); /* which would end it too: a frozen guard makes no other */
}

static void a_start_that_outlives_its_guard_is_ended_by_the_agent(void **state)
{
    (void)state;
    assert_the_start_is_ended(kill_guard);
}

static void a_start_beside_a_frozen_guard_is_ended_by_the_agent(void **state)
{
    (void)state;
    assert_the_start_is_ended(freeze_guard);
}

/* ---- what a start has left behind, and what serves later than anybody waits ---- */

static bool has_left_a_child(struct real_cluster *of, int site)
{
    return real_runs(of, site, "start") > 0;
}

/* The clean-up follows a fence that has seen the end. */
static bool has_fenced(struct real_cluster *of, int site)
{
    return real_runs(of, site, "stop") > 0;
}

static void assert_the_child_is_ended(const char *then)
{
    real_until(&cluster, real_serves, 1, then);
    real_drop(&cluster, 0, "late");

    assert_true(real_for_a_lease(&cluster, real_service_is_gone, 0)); /* I1, 3.2.4 */
    real_assert_no_overlap(&cluster);
}

static void a_fence_ends_what_a_start_has_left_behind(void **state)
{
    (void)state;
    real_put(&cluster, 0, "late", "");
    real_start_sites(&cluster);
    real_apply(&cluster);
    real_until(&cluster, has_left_a_child, 0, "the first site was started");

    assert_int_equal(kill(cluster.sites[0].agent, SIGSTOP), 0);
    real_until(&cluster, has_fenced, 0, "the guard's fence ends what the start has left");
    /* Nobody saw a service in this site's reach yet: only its own word ends the epoch (3.4). */
    assert_int_equal(kill(cluster.sites[0].agent, SIGCONT), 0);

    assert_the_child_is_ended("the second site serves after the fence");
}

static void a_stop_ends_what_a_start_has_left_behind(void **state)
{
    (void)state;
    real_put(&cluster, 0, "late", "");
    real_start_sites(&cluster);
    real_apply(&cluster);

    assert_the_child_is_ended("the second site serves after start_timeout and a stop");
}

#define CASE(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_service_started_by_hand_at_the_standby_is_fenced_and_shown),
        CASE(a_failed_start_is_stopped_and_the_next_site_is_tried),
        CASE(where_no_site_can_start_it_is_tried_again_until_one_can),
        CASE(a_site_whose_start_cannot_be_run_is_not_eligible),
        CASE(a_status_that_is_missing_is_named_and_no_rogue_start),
        CASE(a_failed_fence_holds_the_group_until_it_works),
        CASE(an_agent_whose_own_fence_fails_holds_the_group_too),
        CASE(a_start_that_outlives_its_guard_is_ended_by_the_agent),
        CASE(a_start_beside_a_frozen_guard_is_ended_by_the_agent),
        CASE(a_fence_ends_what_a_start_has_left_behind),
        CASE(a_stop_ends_what_a_start_has_left_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
