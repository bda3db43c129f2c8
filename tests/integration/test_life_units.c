/* A service that systemd runs, `stop_method: units`: its processes are ended by the end of the lease though
 * nothing that the guard started is their parent, systemctl stops nothing, and the fence script lies.
 * Design 3.2.4, 3.4, on real processes and cgroups; systemd itself is played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/sys/clock.h>

#include "cluster_life.h"
#include "faults.h"
#include "janitor.h"
#include "lacking.h"
#include "real_files.h"

/* KILL comes as long before D as it ever does (3.2.4), 500 ms: time for a slow machine. */
#define FENCE_MS 5000
#define TTL_MS   12000

static bool is_played;

static int set_up_units(void **state)
{
    assert_int_equal(set_up(state), 0);
    real_spec_number(&cluster, "fence_timeout_ms", FENCE_MS);
    real_spec_number(&cluster, "lease_ttl_ms", TTL_MS);
    is_played = real_play_systemd(&cluster, 0);
    return 0;
}

static bool is_in_the_unit(pid_t pid)
{
    bool is_in = false;
    pid_t pids[8];
    size_t count;

    assert_int_equal(bw_cgroup_list(&cluster.sites[0].unit, pids, 8, &count, NULL), BW_OK);
    for (size_t i = 0; i < count && i < 8; i++)
        is_in = is_in || pids[i] == pid;
    return is_in;
}

static void serve_as_a_unit(void)
{
    if (!is_played)
        skip_lacking("cgroups or mounts");
    real_serve(&cluster);
    assert_true(is_in_the_unit(real_service(&cluster, 0)));
    assert_string_equal(json_string_value(json_object_get(real_site_json(&cluster, 0), "reach")),
                        "units");
    real_put(&cluster, 0, "lies", "");
}

/* D is at most a TTL after the last renewal that could leave: before `since`. */
static void assert_ended_by_d(struct bw_instant since)
{
    const uint64_t d_ms = since.boot_ns / BW_NS_PER_MS + TTL_MS;

    real_until(&cluster, real_serves, 1, "the other site serves");
    assert_int_equal(real_service(&cluster, 0), 0);
    assert_true(real_runs(&cluster, 0, "fence") > 0);
    assert_int_equal(real_runs(&cluster, 0, "start"), 1);
    print_message("the unit's processes were gone %ld ms before D at the latest\n",
                  (long)d_ms - (long)real_last_beat_ms(&cluster, 0));
    assert_true(real_last_beat_ms(&cluster, 0) < d_ms);
    real_assert_no_overlap(&cluster);
}

static void the_guard_ends_its_units_by_the_end_of_the_lease(void **state)
{
    struct bw_instant since;

    (void)state;
    serve_as_a_unit();

    assert_int_equal(kill(cluster.sites[0].agent, SIGSTOP), 0);
    since = bw_clock_now();

    assert_ended_by_d(since);
}

static void without_its_guard_the_agent_ends_the_units_by_the_end_of_the_lease(void **state)
{
    struct bw_instant since;

    (void)state;
    serve_as_a_unit();

    (void)real_end(&cluster.sites[0].guard, SIGKILL);
    since = bw_clock_now();

    assert_ended_by_d(since);
}

/* The units too end at the instant that is kept whatever a script does (3.2.4). */
static void scripts_that_hang_delay_the_end_of_no_unit(void **state)
{
    (void)state;
    if (is_played)
        real_put(&cluster, 0, "stubborn", "");
    serve_as_a_unit();
    real_put(&cluster, 0, "hangs", "");

    (void)real_end(&cluster.sites[0].guard, SIGKILL);
    real_until(&cluster, real_service_is_gone, 0, "the service is ended");
    const uint64_t d_ms = real_lease_end_ms(&cluster, 0);

    print_message("the unit's processes were gone %ld ms before D\n",
                  (long)d_ms - (long)real_last_beat_ms(&cluster, 0));
    assert_true(real_last_beat_ms(&cluster, 0) < d_ms);
    real_drop(&cluster, 0, "hangs");
    real_until(&cluster, real_serves, 1, "the other site serves");
    real_assert_no_overlap(&cluster);
}

/* Thousands of processes take their time to be looked at: the KILL of what needs no search comes first,
 * and no search stands before it (3.2.4, 3.4). */
static void a_search_through_all_processes_delays_the_end_of_no_unit(void **state)
{
    char path[REAL_PATH_BYTES];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/faults", cluster.dir);
    faults_begin(path);
    if (is_played)
        real_put(&cluster, 0, "stubborn", "");
    serve_as_a_unit();
    faults_end();
    real_put(&cluster, 0, "hangs", "");
    faults_say(path, "list /proc 3000\n");

    (void)real_end(&cluster.sites[0].guard, SIGKILL);
    janitor_end_enforcers(cluster.sites[0].name); /* which would be as early, and needs no search either */
    real_until(&cluster, real_service_is_gone, 0, "the service is ended");
    const uint64_t d_ms = real_lease_end_ms(&cluster, 0);

    print_message("the unit's processes were gone %ld ms before D\n",
                  (long)d_ms - (long)real_last_beat_ms(&cluster, 0));
    assert_true(real_last_beat_ms(&cluster, 0) < d_ms); /* I1 */
}

/* A guard that does not run keeps its connection: for request_timeout the agent knows nothing of it
 * and renews (3.4). */
static void beside_a_frozen_guard_the_agent_ends_the_units_too(void **state)
{
    struct bw_instant since;

    (void)state;
    serve_as_a_unit();

    assert_int_equal(kill(cluster.sites[0].guard, SIGSTOP), 0);
    since = bw_instant_add(bw_clock_now(), REAL_REQUEST_MS * BW_NS_PER_MS);

    assert_ended_by_d(since);
}

static bool has_begun_to_start(struct real_cluster *of, int site)
{
    return real_runs(of, site, "start") > 0;
}

/* systemd has the order to start it, and carries it out when neither guard nor agent is there any more: its cgroup is
 * one that nobody could open before (3.4). */
static void a_unit_that_comes_up_when_both_daemons_are_gone_ends_by_d(void **state)
{
    uint64_t d_ms;

    (void)state;
    if (!is_played)
        skip_lacking("cgroups or mounts");
    real_put(&cluster, 0, "slow", "");
    real_put(&cluster, 0, "stubborn", "");
    real_start_sites(&cluster);
    real_apply_first(&cluster);
    real_until(&cluster, has_begun_to_start, 0, "a start runs");

    (void)real_end(&cluster.sites[0].agent, SIGKILL);
    (void)real_end(&cluster.sites[0].guard, SIGKILL);
    d_ms = real_lease_end_ms(&cluster, 0);
    real_put(&cluster, 0, "unit_wanted", "");
    real_until(&cluster, real_service_lives, 0, "the unit is up");
    assert_true(is_in_the_unit(real_service(&cluster, 0)));
    real_until(&cluster, real_service_is_gone, 0, "the service is ended");

    print_message("the unit's processes were gone %ld ms before D\n",
                  (long)d_ms - (long)real_last_beat_ms(&cluster, 0));
    assert_true(real_last_beat_ms(&cluster, 0) < d_ms);
}

/* The guard that comes back cannot learn where the unit is: it passes nothing on that it could not
 * end, and who knows goes on (3.4). */
static void what_an_earlier_enforcer_can_end_it_ends_while_systemd_says_nothing(void **state)
{
    struct bw_instant since;

    (void)state;
    serve_as_a_unit();
    real_put(&cluster, 0, "hangs", "");
    real_put(&cluster, 0, "systemd_is_mute", "");
    (void)real_end(&cluster.sites[0].agent, SIGKILL);
    (void)real_end(&cluster.sites[0].guard, SIGKILL);
    since = bw_clock_now();
    real_start_guard(&cluster, 0);
    real_start_agent(&cluster, 0);

    real_until(&cluster, real_service_is_gone, 0, "the service is ended");
    const uint64_t d_ms = since.boot_ns / BW_NS_PER_MS + TTL_MS; /* at the latest */

    print_message("the unit's processes were gone %ld ms before D at the latest\n",
                  (long)d_ms - (long)real_last_beat_ms(&cluster, 0));
    assert_true(real_last_beat_ms(&cluster, 0) < d_ms);
}

static bool is_ordered_up(struct real_cluster *of, int site)
{
    char path[REAL_PATH_BYTES];

    real_path(&of->sites[site], "unit_wanted", path);
    return access(path, F_OK) == 0;
}

/* What the unit is ordered after is not there: systemd holds the start, though its script is over. The stop script sees
 * a unit that is not up, and so does status (3.2.4). */
static void a_start_that_systemd_holds_ends_with_its_epoch(void **state)
{
    (void)state;
    if (!is_played)
        skip_lacking("cgroups or mounts");
    real_put(&cluster, 0, "held", "");
    real_start_sites(&cluster);
    real_apply_first(&cluster);
    real_until(&cluster, has_begun_to_start, 0, "systemd has the order");

    real_until(&cluster, real_serves, 1, "the other site serves");
    assert_false(is_ordered_up(&cluster, 0));
    real_drop(&cluster, 0, "held");
    (void)usleep(500000);
    assert_int_equal(real_service(&cluster, 0), 0);
    real_assert_no_overlap(&cluster);
}

static int count_in(const char *text, const char *word)
{
    int count = 0;

    for (; (text = strstr(text, word)) != NULL; text++)
        count++;
    return count;
}

static bool was_asked_often(struct real_cluster *of, int site)
{
    return count_in(real_read(of, site, "asked"), "asked") >= 5;
}

static bool says_seen_again(struct real_cluster *of, int site)
{
    return strstr(real_read(of, site, "guard.log"), "event=units.seen ") != NULL;
}

/* Each status of a site that stands by asks. */
static void a_systemd_that_is_away_is_said_once_and_when_it_is_back(void **state)
{
    (void)state;
    serve_as_a_unit();
    real_drop(&cluster, 0, "lies");
    assert_int_equal(real_switchover(&cluster, 1, 30000), 202);
    real_until(&cluster, real_serves, 1, "the other site serves");

    real_put(&cluster, 0, "systemd_is_away", "");
    real_until(&cluster, was_asked_often, 0, "systemctl was asked five times");
    real_drop(&cluster, 0, "systemd_is_away");
    real_until(&cluster, says_seen_again, 0, "the guard says that they are seen again");
    assert_int_equal(count_in(real_read(&cluster, 0, "guard.log"), "event=units.probe_failed"), 1);
}

#define CASE(claim) cmocka_unit_test_setup_teardown(claim, set_up_units, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_guard_ends_its_units_by_the_end_of_the_lease),
        CASE(without_its_guard_the_agent_ends_the_units_by_the_end_of_the_lease),
        CASE(scripts_that_hang_delay_the_end_of_no_unit),
        CASE(a_search_through_all_processes_delays_the_end_of_no_unit),
        CASE(beside_a_frozen_guard_the_agent_ends_the_units_too),
        CASE(a_unit_that_comes_up_when_both_daemons_are_gone_ends_by_d),
        CASE(a_start_that_systemd_holds_ends_with_its_epoch),
        CASE(a_systemd_that_is_away_is_said_once_and_when_it_is_back),
        CASE(what_an_earlier_enforcer_can_end_it_ends_while_systemd_says_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
