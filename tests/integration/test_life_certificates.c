/* A certificate that ends soon is told of 30, 7 and 1 days before: in the log, in status and in
 * metrics. Design 3.8, on real processes and certificates. */
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
#include <unistd.h>

#include "cluster_life.h"
#include "patience.h"

#define DAY_S    86400
#define PAUSE_US 100000

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

static bool has_logged(const char *name, const char *text)
{
    static char log[1024 * 1024];
    char path[REAL_PATH_BYTES];
    FILE *file;
    size_t size;

    (void)snprintf(path, sizeof path, "%s/%s.log", cluster.sites[1].dir, name);
    file = fopen(path, "re");
    assert_non_null(file);
    size = fread(log, 1, sizeof log - 1, file);
    log[size] = '\0';
    (void)fclose(file); /* only read from */
    return strstr(log, text) != NULL;
}

static bool agent_has_logged(const char *text)
{
    return has_logged("agent", text);
}

static void metrics_name_its_end(double days)
{
    char wanted[192];
    char *text = real_get(&cluster, "/metrics");
    const char *line;

    assert_non_null(text);
    (void)snprintf(
        wanted, sizeof wanted,
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
    assert_true(agent_has_logged("certificate_left_days=29 does="));
    issue_agent(6.5);
    real_until(&cluster, ends_within_7_days, 1, "status says that it ends in 6 days");
    assert_true(agent_has_logged("certificate_left_days=6 does="));
    metrics_name_its_end(6.5);
    issue_agent(0.5);
    real_until(&cluster, ends_within_a_day, 1, "status says that it ends in hours");
    assert_true(agent_has_logged("certificate_left_days=0 does="));

    issue_agent(90);
    real_until(&cluster, ends_later, 1, "the new one is taken");
    assert_true(real_keeps_epoch_1(&cluster, 0));
}

static bool counts_as_ended(struct real_cluster *of, int site)
{
    return json_is_integer(json_object_get(real_site_json(of, site), "certificate_left_s")) && left_s(of, site) <= 1;
}

/* It would be found by the next start, which ends with 78. */
static void a_certificate_of_another_role_over_an_agents_is_told_while_it_runs(void **state)
{
    char file[64];

    (void)state;
    real_serve(&cluster);
    real_until(&cluster, ends_later, 1, "a certificate of 90 days is nobody's worry");

    (void)snprintf(file, sizeof file, "%s.pem", cluster.sites[1].name);
    issue(file, "breakwater://prod/witness/w1", 90);
    real_until(&cluster, counts_as_ended, 1, "status warns of it");
    assert_true(agent_has_logged("event=certificate.refused"));

    issue_agent(90);
    real_until(&cluster, ends_later, 1, "one that can be used ends that");
    assert_true(real_keeps_epoch_1(&cluster, 0));
}

static void second_enforcer_logs(const char *text)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);

    while (!has_logged("enforcer", text)) {
        if (patience_is_over(&patience))
            patience_fail("the enforcer logs %s", text);
        (void)usleep(PAUSE_US);
    }
}

static void the_end_of_a_second_enforcers_certificate_is_told_before(void **state) /* 3.4 */
{
    (void)state;
    real_use_second_enforcer(&cluster, 1);
    real_start_second_enforcer(&cluster, 1, false);
    issue_agent(29.5); /* who enforces for a site has the name of its agent */
    second_enforcer_logs("certificate_left_days=29 does=");
    issue_agent(0.5);
    second_enforcer_logs("certificate_left_days=0 does=");
}

/* By the words of whoever leads, who has them from the witness itself. */
static int64_t witness_left_s(struct real_cluster *of, int witness)
{
    char *text = real_get(of, "/v1/status");
    json_t *status = text != NULL ? json_loads(text, 0, NULL) : NULL;
    const json_t *left = json_object_get(
        json_array_get(json_object_get(status, "witnesses"), (size_t)witness),
        "certificate_left_s");
    const int64_t left_s = json_is_integer(left) ? json_integer_value(left) : INT64_MAX;

    json_decref(status);
    free(text);
    return left_s;
}

static bool witness_ends_within_7_days(struct real_cluster *of, int witness)
{
    return witness_left_s(of, witness) > 2 * DAY_S && witness_left_s(of, witness) < 7 * DAY_S;
}

static void a_certificate_of_another_role_over_a_witnesss_is_told_while_it_runs(void **state)
{
    const int witness = trio_follower(&cluster.trio);
    struct patience patience = patience_begin(REAL_WAIT_MS);
    char file[24];

    (void)state;
    (void)snprintf(file, sizeof file, "w%d.pem", witness + 1);
    issue(file, "breakwater://prod/operator/anna", 90);
    while (witness_left_s(&cluster, witness) != 0) { /* the leader says it of another */
        if (patience_is_over(&patience))
            patience_fail("the status warns of the certificate of w%d", witness + 1);
        (void)usleep(PAUSE_US);
    }
}

static void the_end_of_a_witnesss_certificate_is_told_before(void **state) /* 3.8 */
{
    const int witness = trio_follower(&cluster.trio);
    struct patience patience;
    char file[24];
    char uri[64];

    (void)state;
    (void)snprintf(file, sizeof file, "w%d.pem", witness + 1);
    (void)snprintf(uri, sizeof uri, "breakwater://prod/witness/w%d", witness + 1);
    issue(file, uri, 6.5);
    trio_logs(&cluster.trio, witness, "certificate.ends");
    assert_true(trio_has_logged(&cluster.trio, witness, "certificate_left_days=6 next="));
    patience = patience_begin(REAL_WAIT_MS);
    while (!witness_ends_within_7_days(&cluster, witness)) { /* the leader says it of another */
        if (patience_is_over(&patience))
            patience_fail("the status says when the certificate of w%d ends", witness + 1);
        (void)usleep(PAUSE_US);
    }
    issue(file, uri, 0.5);
    trio_logs(&cluster.trio, witness, "certificate_left_days=0 next=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_end_of_an_agents_certificate_is_told_before, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_end_of_a_witnesss_certificate_is_told_before, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_certificate_of_another_role_over_an_agents_is_told_while_it_runs, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_certificate_of_another_role_over_a_witnesss_is_told_while_it_runs, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_end_of_a_second_enforcers_certificate_is_told_before,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
