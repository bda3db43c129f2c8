/* Witnesses that go: nobody at a site notices. Design 4, on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>

#include "cluster_life.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_one_witness_may_go_and_no_script_runs, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
