/* Without its guard, frozen or dead, the agent ends everything in reach before D, though no script ends,
 * all of them ignore TERM, and so does the service. Design 3.2.4, 3.4 "They watch each other", 3.7, on
 * real processes; D and the service's own record are compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <breakwater/sys/clock.h>

#include "cluster_life.h"
#include "faults.h"

/* KILL comes as long before D as it ever does (3.2.4), 500 ms: time for a slow machine. */
#define FENCE_MS 5000
#define TTL_MS   12000
#define SLEW_PPM 200000
#define SLEW_MS  100 /* ahead: every program has read of it by then */

static int set_up_terms(void **state)
{
    assert_int_equal(set_up(state), 0);
    real_spec_number(&cluster, "fence_timeout_ms", FENCE_MS);
    real_spec_number(&cluster, "lease_ttl_ms", TTL_MS);
    return 0;
}

/* From here on nothing but KILL ends anything at site 0. */
static void serve_and_hang(void)
{
    real_put(&cluster, 0, "stubborn", "");
    real_serve(&cluster);
    real_put(&cluster, 0, "hangs", "");
}

static void assert_ended_by_d(void)
{
    real_until(&cluster, real_service_is_gone, 0, "the service is ended");
    const uint64_t d_ms = real_lease_end_ms(&cluster, 0);

    print_message("the service was gone %ld ms before D\n",
                  (long)d_ms - (long)real_last_beat_ms(&cluster, 0));
    assert_true(real_last_beat_ms(&cluster, 0) < d_ms); /* I1 */
    real_drop(&cluster, 0, "hangs");
    real_until(&cluster, real_serves, 1, "the other site serves");
    assert_int_equal(real_runs(&cluster, 0, "start"), 1);
    real_assert_no_overlap(&cluster);
}

static void beside_a_dead_guard_scripts_that_hang_delay_no_kill(void **state)
{
    (void)state;
    serve_and_hang();

    (void)real_end(&cluster.sites[0].guard, SIGKILL);

    assert_ended_by_d();
    assert_true(real_runs(&cluster, 0, "fence") > 0);
}

static void beside_a_frozen_guard_scripts_that_hang_delay_no_kill(void **state)
{
    (void)state;
    serve_and_hang();

    assert_int_equal(kill(cluster.sites[0].guard, SIGSTOP), 0);

    assert_ended_by_d();
    assert_true(real_runs(&cluster, 0, "fence") > 0);
}

static void a_restarted_agent_ends_what_its_frozen_guard_had_armed(void **state)
{
    (void)state;
    serve_and_hang();

    (void)real_end(&cluster.sites[0].agent, SIGKILL);
    assert_int_equal(kill(cluster.sites[0].guard, SIGSTOP), 0);
    real_start_agent(&cluster, 0);

    assert_ended_by_d();
}

static bool is_held(struct real_cluster *of, int site)
{
    (void)site;
    return real_look(of) && json_is_true(json_object_get(of->group, "held"));
}

/* What the guard had armed is in its mirror, of which an agent without state must learn (3.7). It ends the
 * service in time; that it is gone a status that hangs does not say, and what the old one held is not the
 * new one's to give back: the group waits for a person (3.3). */
static void a_new_instance_ends_what_the_old_one_had_armed(void **state)
{
    (void)state;
    serve_and_hang();

    (void)real_end(&cluster.sites[0].agent, SIGKILL);
    assert_int_equal(kill(cluster.sites[0].guard, SIGSTOP), 0);
    real_lose_agent_state(&cluster, 0);
    real_start_agent(&cluster, 0);

    real_until(&cluster, real_service_is_gone, 0, "the service is ended");
    assert_true(real_last_beat_ms(&cluster, 0) < real_lease_end_ms(&cluster, 0)); /* I1 */
    real_until(&cluster, is_held, 0, "the epoch is held");
    assert_int_equal(real_runs(&cluster, 1, "start"), 0);
}

/* Nothing says when D is: it may have passed, and every moment counts. */
static void a_restarted_agent_without_a_mirror_kills_at_once(void **state)
{
    (void)state;
    serve_and_hang();

    (void)real_end(&cluster.sites[0].agent, SIGKILL);
    assert_int_equal(kill(cluster.sites[0].guard, SIGSTOP), 0);
    real_clear_run(&cluster, 0);
    real_start_agent(&cluster, 0);

    assert_ended_by_d();
    assert_true(real_last_beat_ms(&cluster, 0) + FENCE_MS < real_lease_end_ms(&cluster, 0));
    assert_true(real_runs(&cluster, 0, "fence") > 0); /* late is better than not at all */
}

/* ---- NTP makes the sites' CLOCK_BOOTTIME too slow by far; CLOCK_MONOTONIC_RAW is true (1) ---- */

static void serve_hang_and_slew(void)
{
    char path[REAL_PATH_BYTES];
    char text[96];

    (void)snprintf(path, sizeof path, "%s/faults", cluster.dir);
    faults_begin(path);
    serve_and_hang(); /* starts the programs of the sites */
    faults_end();
    (void)snprintf(text, sizeof text, "slew %" PRIu64 " -%d 0\n",
                   bw_clock_now().boot_ns + SLEW_MS * BW_NS_PER_MS, SLEW_PPM);
    faults_say(path, text);
}

/* By a clock that nobody slews: this program's. The newest renewal left before `since`. */
static void assert_ended_within_a_lease(struct bw_instant since)
{
    const uint64_t limit_ms = since.boot_ns / BW_NS_PER_MS + TTL_MS;

    real_until(&cluster, real_service_is_gone, 0, "the service is ended");
    print_message("the service was gone %ld ms before D at the latest\n",
                  (long)limit_ms - (long)real_last_beat_ms(&cluster, 0));
    assert_true(real_last_beat_ms(&cluster, 0) < limit_ms); /* I1 */
    real_assert_no_overlap(&cluster);
}

static void on_a_slewed_clock_the_guard_kills_by_the_true_one(void **state)
{
    (void)state;
    serve_hang_and_slew();

    assert_int_equal(kill(cluster.sites[0].agent, SIGSTOP), 0);

    assert_ended_within_a_lease(bw_clock_now());
}

static void on_a_slewed_clock_the_agent_kills_by_the_true_one(void **state)
{
    (void)state;
    serve_hang_and_slew();

    (void)real_end(&cluster.sites[0].guard, SIGKILL);

    assert_ended_within_a_lease(bw_clock_now());
}

#define CASE(claim) cmocka_unit_test_setup_teardown(claim, set_up_terms, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(beside_a_dead_guard_scripts_that_hang_delay_no_kill),
        CASE(beside_a_frozen_guard_scripts_that_hang_delay_no_kill),
        CASE(a_restarted_agent_ends_what_its_frozen_guard_had_armed),
        CASE(a_new_instance_ends_what_the_old_one_had_armed),
        CASE(a_restarted_agent_without_a_mirror_kills_at_once),
        CASE(on_a_slewed_clock_the_guard_kills_by_the_true_one),
        CASE(on_a_slewed_clock_the_agent_kills_by_the_true_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
