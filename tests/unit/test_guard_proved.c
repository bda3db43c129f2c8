/* guard_machine: when a group's reach is tried, and from when on it works (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/machine/guard_machine.h>

static enum bw_guard_proof_next next(struct bw_guard_proof_facts facts)
{
    return bw_guard_proof_next(&facts);
}

static void it_is_tried_where_there_is_time(void **state)
{
    (void)state;
    assert_int_equal(next((struct bw_guard_proof_facts){.limit_ms = 1}), BW_GUARD_PROOF_TRY);
    assert_int_equal(next((struct bw_guard_proof_facts){.limit_ms = 0}), BW_GUARD_PROOF_NEAR);
}

static void what_another_group_has_proved_needs_no_time(void **state)
{
    (void)state;
    assert_int_equal(next((struct bw_guard_proof_facts){.is_means_proved = true}),
                     BW_GUARD_PROOF_TAKE);
    assert_int_equal(next((struct bw_guard_proof_facts){.is_means_proved = true, .limit_ms = 1000}),
                     BW_GUARD_PROOF_TAKE);
}

static void beside_an_action_or_once_proved_nothing_is_tried(void **state)
{
    (void)state;
    assert_int_equal(
        next((struct bw_guard_proof_facts){.is_action_running = true, .limit_ms = 1000}),
        BW_GUARD_PROOF_REST);
    assert_int_equal(
        next((struct bw_guard_proof_facts){.is_action_running = true, .is_means_proved = true}),
        BW_GUARD_PROOF_REST);
    assert_int_equal(next((struct bw_guard_proof_facts){.is_proved = true, .limit_ms = 1000}),
                     BW_GUARD_PROOF_REST);
    assert_int_equal(
        next((struct bw_guard_proof_facts){.is_proved = true, .is_means_proved = true}),
        BW_GUARD_PROOF_REST);
}

static void a_reach_works_with_its_proof_and_its_units_seen(void **state)
{
    (void)state;
    assert_true(bw_guard_reach_works(true, false, false));
    assert_true(bw_guard_reach_works(true, true, true));
    assert_false(bw_guard_reach_works(true, true, false));
    assert_false(bw_guard_reach_works(false, false, false));
    assert_false(bw_guard_reach_works(false, true, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_tried_where_there_is_time),
        cmocka_unit_test(what_another_group_has_proved_needs_no_time),
        cmocka_unit_test(beside_an_action_or_once_proved_nothing_is_tried),
        cmocka_unit_test(a_reach_works_with_its_proof_and_its_units_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
