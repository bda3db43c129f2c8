/* A site whose clocks are slower than max_clock_drift_ppm allows is shown, and gets nothing. Design 3.8,
 * on real processes, whose clocks a preloaded library slows down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cluster_life.h"
#include "faults.h"
#include "patience.h"

#define SLOW_PPM      (-100000)
#define MEASURE_WAITS 3 /* of REAL_WAIT_MS: the baseline and two slots take longer than other waits */

static int tear_down_clock(void **state)
{
    faults_end();
    return tear_down(state);
}

/* The second site's clocks are slow from now on: both of its programs have the same ones. */
static int set_up_clock(void **state)
{
    char path[128];
    char text[64];
    struct timespec now;

    assert_int_equal(set_up(state), 0);
    (void)snprintf(path, sizeof path, "%s/slow.faults", cluster.dir);
    (void)clock_gettime(CLOCK_BOOTTIME, &now); /* it exists */
    (void)snprintf(text, sizeof text, "drift %" PRIu64 " %d 0\n",
                   (uint64_t)now.tv_sec * BW_NS_PER_S, SLOW_PPM);
    faults_say(path, text);
    real_serve(&cluster);
    (void)real_end(&cluster.sites[1].agent, SIGTERM); /* a standby: how they end is nothing here */
    (void)real_end(&cluster.sites[1].guard, SIGTERM);
    faults_begin(path);
    real_start_guard(&cluster, 1);
    real_start_agent(&cluster, 1);
    faults_end();
    return 0;
}

static bool is_eligible(struct real_cluster *of, int site)
{
    return real_site_flag(of, site, "eligible");
}

static bool is_measured(struct real_cluster *of, int site)
{
    return json_is_object(json_object_get(real_site_json(of, site), "clock_rate"));
}


static bool is_found(struct real_cluster *of, int site)
{
    return !real_site_flag(of, site, "eligible") &&
           real_site_lists(of, site, "blocked_by", "clock_too_slow");
}

static void wait_for_measurement(int site)
{
    struct patience patience = patience_begin(MEASURE_WAITS * REAL_WAIT_MS);

    do {
        if (real_look(&cluster) && is_measured(&cluster, site))
            return;
        (void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL); /* then it looks again */
    } while (!patience_is_over(&patience));
    patience_fail("the clocks of site %d are measured", site);
}

static int64_t rate(int site, const char *key)
{
    return json_integer_value(
        json_object_get(json_object_get(real_site_json(&cluster, site), "clock_rate"), key));
}

static bool is_vacant(struct real_cluster *of, int any)
{
    (void)any;
    return real_says(of, "phase", "VACANT");
}

/* `NAME{group="harbor",site="..."REST`, as /metrics writes it. */
static bool is_exposed(const char *text, const char *name, int site, const char *rest)
{
    char wanted[192];

    (void)snprintf(wanted, sizeof wanted, "%s{group=\"harbor\",site=\"%s\"%s", name,
                   cluster.sites[site].name, rest);
    return strstr(text, wanted) != NULL;
}

static void metrics_name_the_slow_site(void)
{
    char *text = real_get(&cluster, "/metrics");

    assert_non_null(text);
    assert_true(is_exposed(text, "breakwater_site_clock_rate_ppm", 1, ",bound=\"upper\"} -"));
    assert_true(is_exposed(text, "breakwater_site_clock_rate_ok", 1, "} 0\n"));
    assert_true(is_exposed(text, "breakwater_site_clock_rate_ok", 0, "} 1\n"));
    free(text);
}

static void a_site_of_slow_clocks_is_shown_and_gets_nothing(void **state) /* I1, 3.8 */
{
    (void)state;
    real_until(&cluster, is_eligible, 1, "nothing else speaks against the second site");
    wait_for_measurement(0);
    wait_for_measurement(1);
    real_until(&cluster, is_found, 1, "the second site is not eligible");

    assert_true(rate(1, "lower_ppm") <= SLOW_PPM && rate(1, "upper_ppm") >= SLOW_PPM);
    assert_true(rate(0, "lower_ppm") <= 0 && rate(0, "upper_ppm") >= 0);
    metrics_name_the_slow_site();

    (void)real_end(&cluster.sites[0].agent, SIGKILL);
    (void)real_end(&cluster.sites[0].guard, SIGKILL);
    if (real_service_lives(&cluster, 0)) /* its own fence may have been quicker */
        real_kill_service(&cluster, 0);
    real_until(&cluster, is_vacant, 0, "the first site's epoch is over");

    assert_true(real_for_a_lease(&cluster, is_vacant, 0));
    assert_true(real_is_untouched(&cluster, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_site_of_slow_clocks_is_shown_and_gets_nothing,
                                        set_up_clock, tear_down_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
