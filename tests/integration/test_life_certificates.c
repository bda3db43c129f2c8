/* A certificate that ends soon is told of 30, 7 and 1 days before: in the log, in status and in metrics.
 * Design 3.8, on real processes and certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "real_cluster.h"

#define DAY_S 86400

static struct real_cluster cluster;

static int set_up(void **state)
{
    (void)state;
    real_cluster_init(&cluster, 2, false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    real_cluster_deinit(&cluster);
    return 0;
}

/* A new certificate in the file that the agent or the witness reads already. */
static void issue(const char *file, const char *uri, double days)
{
    const struct test_leaf leaf = {
        .uris = {uri}, .begins_s = -90000, .ends_s = (int64_t)(days * DAY_S)};
    char path[TEST_PKI_PATH_BYTES];

    test_pki_issue(&cluster.trio.pki, file, &leaf, path);
}

static void issue_agent(double days)
{
    char file[64];
    char uri[128];

    (void)snprintf(file, sizeof file, "%s.pem", cluster.sites[1].name);
    (void)snprintf(uri, sizeof uri, "breakwater://prod/agent/%s/agent", cluster.sites[1].name);
    issue(file, uri, days);
}

static int64_t left_s(struct real_cluster *of, int site)
{
    return json_integer_value(json_object_get(real_site_json(of, site), "certificate_left_s"));
}

static bool ends_within_30_days(struct real_cluster *of, int site)
{
    return left_s(of, site) > 20 * DAY_S && left_s(of, site) < 30 * DAY_S;
}

static bool ends_within_7_days(struct real_cluster *of, int site)
{
    return left_s(of, site) > 2 * DAY_S && left_s(of, site) < 7 * DAY_S;
}

static bool ends_within_a_day(struct real_cluster *of, int site)
{
    return left_s(of, site) > 0 && left_s(of, site) < DAY_S;
}

static bool ends_later(struct real_cluster *of, int site)
{
    return left_s(of, site) > 30 * DAY_S;
}

static bool agent_has_logged(const char *text)
{
    static char log[1024 * 1024];
    char path[REAL_PATH_BYTES];
    FILE *file;
    size_t size;

    (void)snprintf(path, sizeof path, "%s/agent.log", cluster.sites[1].dir);
    file = fopen(path, "re");
    assert_non_null(file);
    size = fread(log, 1, sizeof log - 1, file);
    log[size] = '\0';
    (void)fclose(file); /* only read from */
    return strstr(log, text) != NULL;
}

static void metrics_name_its_end(double days)
{
    char wanted[192];
    char *text = real_get(&cluster, "/metrics");
    const char *line;

    assert_non_null(text);
    (void)snprintf(wanted, sizeof wanted,
                   "breakwater_site_certificate_expiry_timestamp_seconds{group=\"harbor\",site=\"%s\"} ",
                   cluster.sites[1].name);
    line = strstr(text, wanted);
    assert_non_null(line);
    assert_true(strtod(line + strlen(wanted), NULL) - ((double)time(NULL) + days * DAY_S) < 600);
    assert_true(strtod(line + strlen(wanted), NULL) - ((double)time(NULL) + days * DAY_S) > -600);
    free(text);
}

static void the_end_of_an_agents_certificate_is_told_before(void **state) /* 3.8 */
{
    (void)state;
    real_serve(&cluster);
    real_until(&cluster, ends_later, 1, "a certificate of 90 days is nobody's worry");
    assert_false(agent_has_logged("certificate.expiring"));

    issue_agent(29.5);
    real_until(&cluster, ends_within_30_days, 1, "status says that it ends in 29 days");
    assert_true(agent_has_logged("days_left=29 text="));
    issue_agent(6.5);
    real_until(&cluster, ends_within_7_days, 1, "status says that it ends in 6 days");
    assert_true(agent_has_logged("days_left=6 text="));
    metrics_name_its_end(6.5);
    issue_agent(0.5);
    real_until(&cluster, ends_within_a_day, 1, "status says that it ends in hours");
    assert_true(agent_has_logged("days_left=0 text="));

    issue_agent(90);
    real_until(&cluster, ends_later, 1, "the new one is taken");
    assert_true(real_keeps_epoch_1(&cluster, 0));
}

static void the_end_of_a_witnesss_certificate_is_told_before(void **state) /* 3.8 */
{
    (void)state;
    issue("w1.pem", "breakwater://prod/witness/w1", 6.5);
    assert_true(trio_logs(&cluster.trio, 0, "certificate.ends"));
    assert_true(trio_has_logged(&cluster.trio, 0, "days_left=6 next="));
    issue("w1.pem", "breakwater://prod/witness/w1", 0.5);
    assert_true(trio_logs(&cluster.trio, 0, "days_left=0 next="));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_end_of_an_agents_certificate_is_told_before, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_end_of_a_witnesss_certificate_is_told_before, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
