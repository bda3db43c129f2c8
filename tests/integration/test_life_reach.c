/* A service that no signal of its guard reaches, as one of a container daemon: what ends it, and what
 * does not. Design 3.2.4, 3.3, 3.4, on real processes; the service's own records judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "elsewhere_world.h"

static bool is_held(struct real_cluster *of, int site)
{
    (void)site;
    return json_is_true(json_object_get(of->group, "held"));
}

static bool stays_held(struct real_cluster *of, int site)
{
    return is_held(of, site) && real_number(of, "epoch") == 1;
}

/* The stop fails, the fence fails, and nobody can see what serves: nobody else is granted, until a fence
 * that was begun after that has seen the end. */
static void a_move_whose_stop_fence_and_status_fail_is_held(void **state)
{
    (void)state;
    serve_outside();
    real_put(&cluster, 0, "refuses", "");
    real_begin_switchover(&cluster, 1, 60000); /* refused where nobody knows whether it serves */
    lose_api(0);
    real_until(&cluster, is_held, 0, "the group is held");
    assert_true(real_for_a_lease(&cluster, stays_held, 0));
    assert_true(real_service_lives(&cluster, 0));

    get_api_back(0);
    real_until(&cluster, serves_later, 0, "a fence has seen the end, and a new epoch serves");

    real_assert_ended(&cluster, 1, "released", "switchover");
    real_assert_no_overlap(&cluster);
}

/* Nobody asks for anything: its agent stands still, and its guard fences, which ends nothing and sees
 * nothing. A fence that is ordered long after the lease has its time, and ends the epoch. */
static void a_site_whose_agent_stands_still_is_not_handed_over_by_time(void **state)
{
    (void)state;
    serve_outside();
    lose_api(0);
    assert_int_equal(kill(cluster.sites[0].agent, SIGSTOP), 0);
    for (int lease = 0; lease < 3; lease++)
        assert_true(real_for_a_lease(&cluster, stays_in_its_epoch, 0));
    assert_true(real_service_lives(&cluster, 0));

    assert_int_equal(kill(cluster.sites[0].agent, SIGCONT), 0);
    real_until(&cluster, is_held, 0, "its site says that its fence failed");
    assert_true(real_for_a_lease(&cluster, stays_held, 0));
    assert_true(real_service_lives(&cluster, 0));
    get_api_back(0);
    real_until(&cluster, serves_later, 0, "a fence has seen the end, and a new epoch serves");

    real_assert_no_overlap(&cluster);
}

static bool is_closed(struct real_cluster *of, int site)
{
    (void)site;
    return real_says(of, "phase", "CLOSING");
}

static bool has_failed_remotely(struct real_cluster *of, int site)
{
    const char *fence = json_string_value(
        json_object_get(json_object_get(of->group, "end"), "remote_fence"));

    return fence != NULL && strstr(fence, of->sites[site].name) != NULL &&
           strstr(fence, "no route to its API; next try in") != NULL;
}

static bool is_seen_inside(struct real_cluster *of, int site)
{
    const char *seen = json_string_value(json_object_get(real_site_json(of, site), "reach_seen"));

    return seen != NULL && strcmp(seen, "inside") == 0;
}

static bool is_given_up(struct real_cluster *of, int site)
{
    return is_closed(of, site) || real_number(of, "epoch") > 1;
}

/* I1, 3.3: what its start has left in the reach is a helper, and the service is elsewhere. Guard and agent are gone: their
 * enforcer ends the helper, and time hands nothing over. */
static void a_helper_that_a_start_has_left_hands_nothing_over_by_time(void **state)
{
    (void)state;
    real_put(&cluster, 0, "helper", "");
    real_serve(&cluster);
    real_until(&cluster, is_seen_inside, 0, "a look takes the helper for the service");
    (void)real_end(&cluster.sites[0].agent, SIGKILL);
    (void)real_end(&cluster.sites[0].guard, SIGKILL);
    real_until(&cluster, is_given_up, 0, "its lease is over");
    for (int lease = 0; lease < 2; lease++)
        (void)real_for_a_lease(&cluster, stays_in_its_epoch, 0); /* judged below, by what the services recorded */
    assert_true(real_service_lives(&cluster, 0));

    real_assert_no_overlap(&cluster);
    assert_true(is_closed(&cluster, 0));
}

/* 3.3: its machine is gone and the service is not. The other site ends it from there, and only then
 * has it; nobody is asked. */
static void what_outlives_its_machine_is_fenced_from_the_other_site(void **state)
{
    (void)state;
    real_use_remote_fence(&cluster, 1);
    serve_outside();
    real_put(&cluster, 1, "remote_refuses", "");
    (void)real_end(&cluster.sites[0].agent, SIGKILL);
    (void)real_end(&cluster.sites[0].guard, SIGKILL);
    real_until(&cluster, is_closed, 0, "its epoch is closed");
    real_until(&cluster, has_failed_remotely, 1,
               "the fence from the other site fails, and that is told");
    assert_true(real_for_a_lease(&cluster, stays_in_its_epoch, 0));
    assert_true(real_service_lives(&cluster, 0));

    real_drop(&cluster, 1, "remote_refuses");
    real_until(&cluster, serves_later, 0, "the other site serves");

    real_assert_ended(&cluster, 1, "fenced", "site_lost");
    assert_true(real_service_is_gone(&cluster, 0));
    assert_true(real_journal_has(&cluster, 1, "remote_fence epoch=1 "));
    real_assert_no_overlap(&cluster);
}

/* 3.3: its site lives, and can neither end nor see what serves. So it is held, until the other site
 * has seen the end from there; nothing is asked of a person, and the first site answers all the
 * time. */
static void what_its_own_site_cannot_end_is_fenced_from_the_other_site(void **state)
{
    (void)state;
    real_use_remote_fence(&cluster, 1);
    real_put(&cluster, 1, "remote_refuses", "");
    serve_outside();
    real_put(&cluster, 0, "refuses", "");
    real_begin_switchover(&cluster, 1, 60000);
    lose_api(0);
    real_until(&cluster, is_held, 0, "the group is held");
    assert_true(real_for_a_lease(&cluster, stays_held, 0));
    assert_true(real_service_lives(&cluster, 0));

    real_drop(&cluster, 1, "remote_refuses");
    real_until(&cluster, serves_later, 0, "the other site serves");

    real_assert_ended(&cluster, 1, "fenced", "lease_lost");
    assert_true(real_service_is_gone(&cluster, 0));
    real_assert_no_overlap(&cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_move_whose_stop_fence_and_status_fail_is_held,
                                        set_up_daemons, tear_down_daemons),
        cmocka_unit_test_setup_teardown(a_site_whose_agent_stands_still_is_not_handed_over_by_time,
                                        set_up_daemons, tear_down_daemons),
        cmocka_unit_test_setup_teardown(a_helper_that_a_start_has_left_hands_nothing_over_by_time,
                                        set_up_daemons, tear_down_daemons),
        cmocka_unit_test_setup_teardown(what_outlives_its_machine_is_fenced_from_the_other_site,
                                        set_up_daemons, tear_down_daemons),
        cmocka_unit_test_setup_teardown(what_its_own_site_cannot_end_is_fenced_from_the_other_site,
                                        set_up_daemons, tear_down_daemons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
