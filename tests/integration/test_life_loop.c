/* A service that a loop of its own starts, `started_by: external`: it asks `breakwater condition`, and
 * no guard runs a start. Design 3.4, driver, on real processes and cgroups; systemd itself is
 * played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>

#include "cluster_life.h"
#include "lacking.h"

static bool is_played;

static int set_up_loops(void **state)
{
    assert_int_equal(set_up(state), 0);
    is_played = real_play_systemd(&cluster, 0) && real_play_systemd(&cluster, 1);
    for (int i = 0; i < 2 && is_played; i++)
        real_use_loop(&cluster, i);
    return 0;
}

static bool has_no_lease_of_its_loop(struct real_cluster *of, int site)
{
    return !real_serves(of, site) && real_service(of, site) == 0;
}

/* By their loops alone, at one site at a time: begun, moved, and moved on when a site is lost. */
static void its_own_loop_starts_it_wherever_it_is_granted(void **state)
{
    (void)state;
    if (!is_played)
        skip_lacking("cgroups or mounts");
    real_serve(&cluster);
    assert_int_equal(real_runs(&cluster, 0, "loop_start"), 1);
    assert_true(json_is_integer(json_object_get(real_site_json(&cluster, 0), "loop_delay_ms")));

    real_begin_switchover(&cluster, 1, 60000);
    real_until(&cluster, real_serves, 1, "the other site serves");
    assert_int_equal(real_number(&cluster, "epoch"), 2);
    real_assert_ended(&cluster, 1, "released", "switchover");
    assert_true(has_no_lease_of_its_loop(&cluster, 0));
    assert_true(real_runs(&cluster, 0, "stop") > 0);

    real_lose_holder(&cluster, 1);
    real_until(&cluster, real_serves, 0, "the first site serves again");

    assert_int_equal(real_runs(&cluster, 0, "loop_start"), 2);
    assert_int_equal(real_runs(&cluster, 1, "loop_start"), 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(real_runs(&cluster, i, "start"), 0);
    real_assert_no_overlap(&cluster);
}

/* Nobody starts it in the time that it has: the group goes where somebody does. */
static void where_no_loop_lives_the_group_goes_elsewhere(void **state)
{
    (void)state;
    if (!is_played)
        skip_lacking("cgroups or mounts");
    real_serve(&cluster);
    (void)real_end(&cluster.sites[0].loop, SIGKILL);

    real_kill_service(&cluster, 0);
    real_until(&cluster, real_serves, 1, "the other site serves");

    assert_int_equal(real_runs(&cluster, 0, "loop_start"), 1);
    real_assert_no_overlap(&cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(its_own_loop_starts_it_wherever_it_is_granted, set_up_loops,
                                        tear_down),
        cmocka_unit_test_setup_teardown(where_no_loop_lives_the_group_goes_elsewhere, set_up_loops,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
