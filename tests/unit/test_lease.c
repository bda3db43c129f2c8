/* lease: until when a site may serve (design 3.2). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/lease.h>

#define S BW_NS_PER_S
static const struct bw_terms terms = {.ttl_ms = 15000, .fence_ms = 5000};

static struct bw_instant at(uint64_t boot_ns, uint64_t raw_ns)
{
    return (struct bw_instant){boot_ns, raw_ns};
}

static bool is_at(struct bw_instant instant, uint64_t boot_ns, uint64_t raw_ns)
{
    return instant.boot_ns == boot_ns && instant.raw_ns == raw_ns;
}

static struct bw_lease lease_of(uint64_t epoch)
{
    struct bw_lease lease;

    bw_lease_init(&lease, epoch, &terms);
    return lease;
}

static struct bw_id session(uint8_t number)
{
    return (struct bw_id){.bytes = {number}};
}

static void a_lease_without_a_confirmation_is_dead(void **state) /* I1, 3.4: start order */
{
    const struct bw_lease lease = lease_of(3);

    (void)state;
    assert_false(bw_lease_is_alive(&lease, at(0, 0)));
    assert_true(bw_lease_in_fence_window(&lease, at(0, 0)));
}

static void no_lease_is_never_alive(void **state) /* I1 */
{
    struct bw_lease lease = lease_of(0);

    (void)state;
    lease.end = BW_INSTANT_NEVER;

    assert_false(bw_lease_is_alive(&lease, at(1, 1)));
    assert_true(bw_lease_in_fence_window(&lease, at(1, 1)));
    assert_int_equal(bw_lease_confirm_renewal(&lease, 0, at(1, 1)), BW_ERR_STALE);
}

static void a_lease_ends_one_ttl_after_the_sending(void **state) /* I1, 3.2.3 */
{
    struct bw_lease lease = lease_of(3);

    (void)state;
    assert_int_equal(bw_lease_confirm_renewal(&lease, 3, at(100 * S, 90 * S)), BW_OK);

    assert_int_equal(lease.end.boot_ns, 115 * S);
    assert_int_equal(lease.end.raw_ns, 105 * S);
    assert_true(bw_lease_is_alive(&lease, at(115 * S - 1, 105 * S - 1)));
    assert_false(bw_lease_is_alive(&lease, at(115 * S, 104 * S)));
    assert_false(bw_lease_is_alive(&lease, at(114 * S, 105 * S)));
}

static void confirm_of_another_epoch_changes_nothing(void **state) /* I1, 3.2 */
{
    struct bw_lease lease = lease_of(3);

    (void)state;
    assert_int_equal(bw_lease_confirm_renewal(&lease, 2, at(100 * S, 100 * S)), BW_ERR_STALE);
    assert_int_equal(bw_lease_confirm_renewal(&lease, 4, at(100 * S, 100 * S)), BW_ERR_STALE);

    assert_false(bw_lease_is_alive(&lease, at(1, 1)));
}

static void a_confirmation_never_shortens_a_lease(void **state) /* 3.2.3 */
{
    struct bw_lease lease = lease_of(3);

    (void)state;
    assert_int_equal(bw_lease_confirm_renewal(&lease, 3, at(100 * S, 100 * S)), BW_OK);
    assert_int_equal(bw_lease_confirm_renewal(&lease, 3, at(99 * S, 99 * S)), BW_OK);
    assert_int_equal(bw_lease_confirm_renewal(&lease, 3, at(101 * S, 99 * S)), BW_OK);

    assert_int_equal(lease.end.boot_ns, 115 * S);
    assert_int_equal(lease.end.raw_ns, 115 * S);
}

static void the_fence_window_begins_f_before_the_end_on_either_clock(void **state) /* I1, 3.2.4 */
{
    struct bw_lease lease = lease_of(3);

    (void)state;
    assert_int_equal(bw_lease_confirm_renewal(&lease, 3, at(100 * S, 90 * S)), BW_OK);

    assert_false(bw_lease_in_fence_window(&lease, at(110 * S - 1, 100 * S - 1)));
    assert_true(bw_lease_in_fence_window(&lease, at(110 * S, 95 * S)));
    assert_true(bw_lease_in_fence_window(&lease, at(105 * S, 100 * S)));
    assert_true(bw_lease_in_fence_window(&lease, at(500 * S, 500 * S)));
}

static void kill_grace_is_a_sixth_of_f_and_two_and_a_half_s_at_most(void **state) /* 3.2.4 */
{
    (void)state;
    assert_int_equal(bw_lease_kill_grace_ns(600 * BW_NS_PER_MS), 100 * BW_NS_PER_MS);
    assert_int_equal(bw_lease_kill_grace_ns(15 * S), 5 * S / 2);
    assert_int_equal(bw_lease_kill_grace_ns(60 * S), 5 * S / 2);
}

static void a_script_has_the_window_until_its_term(void **state) /* 3.2.4 */
{
    (void)state;
    assert_int_equal(bw_lease_script_time_ns(600 * BW_NS_PER_MS), 400 * BW_NS_PER_MS);
    assert_int_equal(bw_lease_script_time_ns(60 * S), 55 * S);
    assert_int_equal(bw_lease_window_of_ns(400 * BW_NS_PER_MS), 600 * BW_NS_PER_MS);
    assert_int_equal(bw_lease_window_of_ns(55 * S), 60 * S);
    assert_false(bw_lease_cuts_script(600, 400, true));
    assert_true(bw_lease_cuts_script(600, 401, true));
    assert_false(bw_lease_cuts_script(60000, 55000, true));
    assert_true(bw_lease_cuts_script(60000, 55001, true));
    assert_false(bw_lease_cuts_script(600, 600, false)); /* it runs on: TERM ends nothing of it */
    assert_true(bw_lease_cuts_script(600, 601, false));
}

static void a_fence_terms_and_kills_well_before_the_end(void **state) /* 3.2.4 */
{
    const struct bw_fence_plan plan = bw_lease_plan_fence(at(100 * S, 90 * S), 30 * S);
    const struct bw_fence_plan brief =
        bw_lease_plan_fence(at(100 * S, 90 * S), 600 * BW_NS_PER_MS);

    (void)state;
    assert_true(is_at(plan.end, 100 * S, 90 * S));
    assert_true(is_at(plan.term_at, 95 * S, 85 * S));
    assert_true(is_at(plan.kill_at, 97 * S + S / 2, 87 * S + S / 2));
    assert_true(is_at(brief.term_at, 100 * S - 200 * BW_NS_PER_MS, 90 * S - 200 * BW_NS_PER_MS));
    assert_true(is_at(brief.kill_at, 100 * S - 100 * BW_NS_PER_MS, 90 * S - 100 * BW_NS_PER_MS));
}

static void an_answer_finds_the_instant_of_its_own_session_and_number(void **state) /* I1, H4 */
{
    struct bw_renewals renewals;
    struct bw_instant sent = at(7, 7);
    uint64_t first;
    uint64_t second;

    (void)state;
    bw_renewals_init(&renewals, session(1));
    first = bw_renewals_add(&renewals, at(10, 11));
    second = bw_renewals_add(&renewals, at(20, 21));

    assert_int_equal(bw_renewals_find(&renewals, session(1), 0, &sent), BW_ERR_STALE);
    assert_int_equal(bw_renewals_find(&renewals, session(1), second + 1, &sent), BW_ERR_STALE);
    assert_int_equal(bw_renewals_find(&renewals, session(2), first, &sent), BW_ERR_STALE);
    assert_int_equal(sent.boot_ns, 7);
    assert_int_equal(bw_renewals_find(&renewals, session(1), first, &sent), BW_OK);
    assert_int_equal(sent.boot_ns, 10);
    assert_int_equal(sent.raw_ns, 11);
    assert_int_equal(bw_renewals_find(&renewals, session(1), first, &sent), BW_OK);
}

static void the_oldest_renewal_makes_room_and_is_unknown_then(void **state) /* 3.2.3 */
{
    struct bw_renewals renewals;
    struct bw_instant sent;

    (void)state;
    bw_renewals_init(&renewals, session(1));
    for (uint64_t i = 1; i <= BW_RENEWALS_MAX + 1; i++)
        assert_int_equal(bw_renewals_add(&renewals, at(i, i)), i);

    assert_int_equal(bw_renewals_find(&renewals, session(1), 1, &sent), BW_ERR_STALE);
    assert_int_equal(bw_renewals_find(&renewals, session(1), 2, &sent), BW_OK);
    assert_int_equal(sent.boot_ns, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_without_a_confirmation_is_dead),
        cmocka_unit_test(no_lease_is_never_alive),
        cmocka_unit_test(a_lease_ends_one_ttl_after_the_sending),
        cmocka_unit_test(confirm_of_another_epoch_changes_nothing),
        cmocka_unit_test(a_confirmation_never_shortens_a_lease),
        cmocka_unit_test(the_fence_window_begins_f_before_the_end_on_either_clock),
        cmocka_unit_test(kill_grace_is_a_sixth_of_f_and_two_and_a_half_s_at_most),
        cmocka_unit_test(a_script_has_the_window_until_its_term),
        cmocka_unit_test(a_fence_terms_and_kills_well_before_the_end),
        cmocka_unit_test(an_answer_finds_the_instant_of_its_own_session_and_number),
        cmocka_unit_test(the_oldest_renewal_makes_room_and_is_unknown_then),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
