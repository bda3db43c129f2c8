/* The wall clock is for people: an hour forward and back, at each process in turn, changes nothing.
 * Design 1, 5.3 (certificates begin 25 h in the past), 3.8. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cluster_life.h"
#include "faults.h"

#define SITES     2
#define PROCESSES (TRIO_WITNESSES + 2 * SITES)
#define FAULT_READ_MS 200

static const char *faults_of(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/%s.faults", cluster.dir, name);
    return path;
}

static const char *name_of(int process)
{
    static const char *const names[PROCESSES] = {"w1",     "w2",     "w3",    "guard0",
                                                 "guard1", "agent0", "agent1"};

    return names[process];
}

static int set_up_clocks(void **state)
{
    (void)state;
    real_cluster_init(&cluster, SITES, false);
    for (int i = 0; i < TRIO_WITNESSES; i++) {
        (void)trio_stop(&cluster.trio, i, SIGKILL); /* it has just begun */
        faults_begin(faults_of(name_of(i)));
        trio_start(&cluster.trio, i, TRIO_EXECUTED);
    }
    for (int i = 0; i < SITES; i++) {
        faults_begin(faults_of(name_of(TRIO_WITNESSES + i)));
        real_start_guard(&cluster, i);
        faults_begin(faults_of(name_of(TRIO_WITNESSES + SITES + i)));
        real_start_agent(&cluster, i);
    }
    faults_end();
    real_apply_first(&cluster);
    real_until(&cluster, real_serves, 0, "the first site serves");
    real_until(&cluster, real_is_enforced, 1, "the second site knows of the epoch");
    return 0;
}

static int tear_down_clocks(void **state)
{
    faults_end();
    return tear_down_judged(state);
}

static void assert_nothing_has_happened(void)
{
    assert_true(real_service(&cluster, 0) > 0);
    assert_int_equal(real_runs(&cluster, 0, "start"), 1);
    assert_int_equal(real_runs(&cluster, 0, "stop"), 0);
    assert_int_equal(real_runs(&cluster, 0, "fence"), 0);
    assert_true(real_is_untouched(&cluster, 1));
}

static uint64_t shifted_ms;

static uint64_t now_ms(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Its lease ends later than one could that was confirmed before the shift, or while the faults were
 * being read. */
static bool was_renewed_since(struct real_cluster *of, int site)
{
    return real_serves(of, site) &&
           real_number(of, "lease_remaining_ms") + (int64_t)(now_ms() - shifted_ms) >
               real_number(of, "lease_ttl_ms") + FAULT_READ_MS;
}

/* What leaders report of the moment begins anew with each: an election in between is waited out. */
static void assert_it_goes_on(void)
{
    shifted_ms = now_ms();
    real_until(&cluster, was_renewed_since, 0, "the lease is renewed in another hour");
    real_until(&cluster, real_is_connected, 1, "the standby is connected");
    assert_int_equal(real_number(&cluster, "epoch"), 1);
    assert_nothing_has_happened();
}

static void an_hour_forward_or_back_at_any_process_changes_nothing(void **state)
{
    static const char *const shifts[] = {"wall - 3600\n", "wall - -3600\n"};

    (void)state;
    for (int process = 0; process < PROCESSES; process++) {
        for (int i = 0; i < 2; i++) {
            faults_say(faults_of(name_of(process)), shifts[i]);
            assert_it_goes_on();
        }
        faults_say(faults_of(name_of(process)), "");
    }
}

/* The newest line of a log was written in another hour than this test's: the fault is at work. */
static bool tells_another_hour(const char *path)
{
    char line[4096];
    struct tm wall = {0};
    double seconds = 0;
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "ts=", 3) == 0 && strptime(line + 3, "%Y-%m-%dT%H:%M:%S", &wall) != NULL)
            seconds = difftime(time(NULL), timegm(&wall));
    (void)fclose(file); /* only read from */
    return seconds > 1800;
}

/* New connections, so that certificates are judged anew. */
static void a_process_that_starts_in_another_hour_is_let_in(void **state)
{
    struct real_site *site = &cluster.sites[0];
    char path[TRIO_PATH_BYTES];
    int follower;

    (void)state;
    follower = trio_follower(&cluster.trio);
    faults_say(faults_of(name_of(follower)), "wall - -3600\n");
    assert_int_equal(trio_stop(&cluster.trio, follower, SIGTERM), 0);
    faults_begin(faults_of(name_of(follower)));
    trio_start(&cluster.trio, follower, TRIO_EXECUTED);
    (void)trio_leader(&cluster.trio); /* all of them are ready */

    faults_say(faults_of("agent0"), "wall - -3600\n");
    assert_int_equal(real_end(&site->agent, SIGTERM), 0);
    faults_begin(faults_of("agent0"));
    real_start_agent(&cluster, 0);
    assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 0));
    real_until(&cluster, real_serves, 0, "the first site goes on serving");

    assert_int_equal(real_number(&cluster, "epoch"), 1);
    assert_nothing_has_happened();
    (void)snprintf(path, sizeof path, "%s/w%d.log", cluster.trio.pki.dir, follower + 1);
    assert_true(tells_another_hour(path));
    (void)snprintf(path, sizeof path, "%s/agent.log", site->dir);
    assert_true(tells_another_hour(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_hour_forward_or_back_at_any_process_changes_nothing),
        cmocka_unit_test(a_process_that_starts_in_another_hour_is_let_in),
    };

    return cmocka_run_group_tests(tests, set_up_clocks, tear_down_clocks);
}
