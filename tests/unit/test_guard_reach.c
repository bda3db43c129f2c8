/* guard_reach: what a guard makes of what is seen in a group's reach (3.2.4, 3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/guard_reach.h>

#define NO      BW_POPULATED_NO
#define YES     BW_POPULATED_YES
#define UNKNOWN BW_POPULATED_UNKNOWN

/* ---- does anything that a start has left run here? ------------------------------------------- */

static void only_a_look_that_says_started_asks(void **state)
{
    (void)state;
    assert_true(bw_guard_asks_populated(BW_ACTION_STATUS, false, "started"));
    assert_false(bw_guard_asks_populated(BW_ACTION_STATUS, false, "stopped"));
    assert_false(bw_guard_asks_populated(BW_ACTION_STATUS, false, ""));
    assert_true(bw_guard_asks_populated(BW_ACTION_STATUS, true, "")); /* it may be that one */
    assert_false(bw_guard_asks_populated(BW_ACTION_START, true, ""));
    assert_false(bw_guard_asks_populated(BW_ACTION_READINESS, false, "started"));
}

static void without_units_it_is_what_runs_here(void **state)
{
    (void)state;
    for (int here = UNKNOWN; here <= YES; here++)
        assert_int_equal(
            bw_guard_populated(&(struct bw_populated_facts){.here = here, .units = NO}), here);
}

static void a_unit_that_is_up_is_enough(void **state)
{
    (void)state;
    for (int here = UNKNOWN; here <= YES; here++)
        assert_int_equal(
            bw_guard_populated(&(struct bw_populated_facts){.here = here, .units = YES}), YES);
}

static void that_nothing_is_there_must_be_known_of_both(void **state)
{
    (void)state;
    assert_int_equal(bw_guard_populated(&(struct bw_populated_facts){.here = NO, .units = UNKNOWN}),
                     UNKNOWN);
    assert_int_equal(bw_guard_populated(&(struct bw_populated_facts){.here = UNKNOWN, .units = NO}),
                     UNKNOWN);
    assert_int_equal(bw_guard_populated(&(struct bw_populated_facts){.here = NO, .units = NO}), NO);
    assert_int_equal(
        bw_guard_populated(&(struct bw_populated_facts){.here = YES, .units = UNKNOWN}), YES);
}

static void what_comes_again_by_itself_is_outside_of_what_a_kill_ends(void **state)
{
    (void)state;
    assert_int_equal(bw_guard_populated(&(struct bw_populated_facts){
                         .here = YES, .comes_again = true, .units = YES}),
                     NO);
}

/* A project of which there is nothing may be another one's name. */
static void what_runs_beside_a_project_is_not_all_of_it(void **state)
{
    struct bw_populated_facts facts = {.here = YES, .are_containers = true};

    (void)state;
    facts.units = NO;
    assert_int_equal(bw_guard_populated(&facts), UNKNOWN);
    facts.units = YES;
    assert_int_equal(bw_guard_populated(&facts), YES);
    facts.here = UNKNOWN;
    facts.units = NO;
    assert_int_equal(bw_guard_populated(&facts), NO);
    facts.units = UNKNOWN;
    assert_int_equal(bw_guard_populated(&facts), UNKNOWN);
}

/* ---- is anything left of a start? ------------------------------------------------------------ */

static bool is_left(uint64_t end_start_time, struct bw_left_facts facts)
{
    static struct bw_guard guard;

    guard.end_start_time = end_start_time;
    return bw_guard_is_left(&guard, &facts);
}

static void what_a_stop_has_begun_itself_is_not_left(void **state)
{
    struct bw_left_facts facts = {
        .is_groups_own = true, .is_known = true, .is_other = true, .oldest = 100};

    (void)state;
    assert_true(is_left(0, facts)); /* there was none */
    assert_true(is_left(100, facts)); /* it has moved there what a start had begun */
    assert_false(is_left(99, facts));
    facts.is_other = false;
    assert_false(is_left(0, facts));
    assert_false(is_left(100, facts));
}

/* What a start has left forks another while the stop runs. */
static void what_runs_where_starts_run_is_left_however_young_it_is(void **state)
{
    (void)state;
    assert_true(is_left(99, (struct bw_left_facts){.is_groups_own = true, .is_known = true, .is_begun = true, .oldest = UINT64_MAX}));
    assert_true(is_left(99, (struct bw_left_facts){.is_groups_own = true,
                                                   .is_known = true,
                                                   .is_begun = true,
                                                   .is_other = true,
                                                   .oldest = 100}));
}

/* What a stop had left, and the next start promoted where it ran, is older than any later script; that of the stop or
 * fence that runs may be what it has brought up to stay. */
static void what_is_beside_a_start_is_gathered_before_an_end_begins(void **state)
{
    struct bw_guard guard = {.fence = BW_FENCE_NONE};

    (void)state;
    for (int action = 0; action < BW_ACTION_COUNT; action++) {
        const bool is_end = action == BW_ACTION_STOP || action == BW_ACTION_FENCE;

        assert_int_equal(bw_guard_gathers(&guard, (enum bw_action_kind)action, true), is_end);
        assert_int_equal(bw_guard_gathers(&guard, (enum bw_action_kind)action, false), action == BW_ACTION_START);
    }
    guard.fence = BW_FENCE_CHECK;
    assert_true(bw_guard_gathers(&guard, BW_ACTION_FENCE, true));
    assert_false(bw_guard_gathers(&guard, BW_ACTION_START, false));
}

static void where_not_all_were_looked_at_something_is_left(void **state)
{
    (void)state;
    assert_true(is_left(99, (struct bw_left_facts){.is_groups_own = true}));
}

static void what_may_be_another_groups_is_not_left(void **state)
{
    struct bw_left_facts facts = {.is_known = true, .is_begun = true};

    (void)state;
    assert_false(is_left(0, facts));
    facts.is_known = false;
    assert_false(is_left(0, facts));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_look_that_says_started_asks),
        cmocka_unit_test(without_units_it_is_what_runs_here),
        cmocka_unit_test(a_unit_that_is_up_is_enough),
        cmocka_unit_test(that_nothing_is_there_must_be_known_of_both),
        cmocka_unit_test(what_comes_again_by_itself_is_outside_of_what_a_kill_ends),
        cmocka_unit_test(what_runs_beside_a_project_is_not_all_of_it),
        cmocka_unit_test(what_a_stop_has_begun_itself_is_not_left),
        cmocka_unit_test(what_runs_where_starts_run_is_left_however_young_it_is),
        cmocka_unit_test(what_is_beside_a_start_is_gathered_before_an_end_begins),
        cmocka_unit_test(where_not_all_were_looked_at_something_is_left),
        cmocka_unit_test(what_may_be_another_groups_is_not_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
