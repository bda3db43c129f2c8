/* Witnesses that go: nobody at a site notices. Design 4, on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_life.h"

#define RENEWALS 8 /* in a row, with no entry in the log between */

/* A longer lease than elsewhere: elections on a busy machine take long. */
static void any_one_witness_may_go_and_no_script_runs(void **state)
{
    pid_t service;
    int first;

    (void)state;
    real_spec_number(&cluster, "lease_ttl_ms", 12000);
    real_serve(&cluster);
    service = real_service(&cluster, 0);
    first = trio_leader(&cluster.trio);
    for (int i = 0; i < TRIO_WITNESSES; i++) {
        const int witness = (first + i) % TRIO_WITNESSES; /* the leader is the first to go */

        (void)trio_stop(&cluster.trio, witness, SIGKILL);
        assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 0));
        real_until(&cluster, real_serves, 0, "the lease goes on");
        trio_start(&cluster.trio, witness, TRIO_EXECUTED);
        (void)trio_leader(&cluster.trio);
    }

    assert_int_equal(real_service(&cluster, 0), service); /* 4 */
    assert_int_equal(real_runs(&cluster, 0, "start"), 1);
    assert_int_equal(real_runs(&cluster, 0, "stop") + real_runs(&cluster, 0, "fence"), 0);
    assert_true(real_is_untouched(&cluster, 1));
}

/* The number behind `name` in the metrics of a leader. */
static uint64_t metric(const char *text, const char *name)
{
    const char *line = strstr(text, name);

    assert_non_null(line);
    return strtoull(line + strlen(name), NULL, 10);
}

/* The state of the leader when its log had moved last. */
static struct {
    uint64_t index, renewals, term;
} rest;

static bool renews_with_the_log_at_rest(struct real_cluster *of, int site)
{
    char *text = real_get(of, "/metrics");
    uint64_t index, renewals, term;

    (void)site;
    if (text == NULL)
        return false;
    index = metric(text, "\nbreakwater_raft_commit_index ");
    term = metric(text, "\nbreakwater_raft_term ");
    renewals = metric(text, "\nbreakwater_lease_renewals_total{result=\"confirmed\"} ");
    free(text);
    if (index != rest.index || term != rest.term) {
        rest.index = index;
        rest.term = term;
        rest.renewals = renewals;
    }
    return renewals >= rest.renewals + RENEWALS;
}

/* 3.2.2: no entry is written for a renewal, whoever leads, and while a witness is down or stands still. */
static void renewals_leave_a_log_at_rest_alone(void **state)
{
    pid_t service;

    (void)state;
    real_serve(&cluster);
    service = real_service(&cluster, 0);
    for (int turn = 0; turn < 2; turn++) {
        const int first = trio_leader(&cluster.trio);
        const int other = (first + 1) % TRIO_WITNESSES;

        real_until(&cluster, renews_with_the_log_at_rest, 0, "renewals without an entry");
        (void)trio_stop(&cluster.trio, other, SIGKILL);
        rest.index = 0;
        real_until(&cluster, renews_with_the_log_at_rest, 0, "the same with a witness down");
        trio_start(&cluster.trio, other, TRIO_EXECUTED);
        (void)trio_leader(&cluster.trio);
        trio_signal(&cluster.trio, other, SIGSTOP);
        rest.index = 0;
        real_until(&cluster, renews_with_the_log_at_rest, 0, "the same with a frozen witness");
        trio_signal(&cluster.trio, other, SIGCONT);
        (void)trio_stop(&cluster.trio, first, SIGKILL); /* once: another one leads then */
        trio_start(&cluster.trio, first, TRIO_EXECUTED);
        (void)trio_leader(&cluster.trio);
        rest.index = 0;
    }
    real_until(&cluster, real_serves, 0, "the lease has lived through all of it");
    assert_true(real_keeps_epoch_1(&cluster, 0));
    assert_int_equal(real_service(&cluster, 0), service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_one_witness_may_go_and_no_script_runs, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(renewals_leave_a_log_at_rest_alone, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
