/* expiry: from when an epoch is surely over, and the proof that this witness still led
 * (3.2.2, 3.3). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <breakwater/core/expiry.h>

#define S BW_NS_PER_S

static struct bw_instant at(uint64_t boot_ns, uint64_t raw_ns)
{
    return (struct bw_instant){boot_ns, raw_ns};
}

static struct bw_terms terms_of(uint32_t ttl_ms, uint32_t drift_ppm, uint32_t margin_ms)
{
    return (struct bw_terms){.ttl_ms = ttl_ms, .drift_ppm = drift_ppm, .margin_ms = margin_ms};
}

/* The smallest whole w with w*(1-ε) >= TTL*(1+ε), then + margin: exact, in 128 bits. */
static uint64_t exact_wait_ns(const struct bw_terms *terms)
{
    const unsigned __int128 top = (unsigned __int128)terms->ttl_ms * 1000000 *
                                  (1000000 + terms->drift_ppm);
    const uint64_t bottom = 1000000 - terms->drift_ppm;

    return (uint64_t)((top + bottom - 1) / bottom) + terms->margin_ms * UINT64_C(1000000);
}

static void the_wait_is_exact_and_rounded_up(void **state) /* I1, 3.3, H1 */
{
    static const uint32_t ttls[] = {1, 500, 1000, 14999, 15000, 90000, 3600000, UINT32_MAX};
    static const uint32_t drifts[] = {0, 1, 3, 999, 1000, 1001, 33333, 99999, BW_DRIFT_PPM_MAX};
    static const uint32_t margins[] = {0, 20, 250, UINT32_MAX};

    (void)state;
    for (size_t t = 0; t < sizeof ttls / sizeof ttls[0]; t++)
        for (size_t d = 0; d < sizeof drifts / sizeof drifts[0]; d++)
            for (size_t m = 0; m < sizeof margins / sizeof margins[0]; m++) {
                const struct bw_terms terms = terms_of(ttls[t], drifts[d], margins[m]);

                assert_int_equal(bw_expiry_wait_ns(&terms), exact_wait_ns(&terms));
            }
}

/* Of a TTL whose remainder is one unit a nanosecond less is too short. */
static void a_wait_is_rounded_up_by_the_smallest_remainder_too(void **state) /* I1, 3.3 */
{
    const uint64_t drift = 999;
    const uint64_t slow = 1000000 - drift;
    uint32_t found = 0;

    (void)state;
    for (uint32_t ttl_ms = 500; ttl_ms < 3600000; ttl_ms++) {
        const uint64_t ttl_ns = ttl_ms * UINT64_C(1000000);
        const struct bw_terms terms = terms_of(ttl_ms, (uint32_t)drift, 20);

        if (ttl_ns % slow * 2 * drift % slow != 1)
            continue;
        found++;
        assert_int_equal(bw_expiry_wait_ns(&terms), exact_wait_ns(&terms));
    }
    assert_true(found > 0);
}

static void known_waits_are_these(void **state) /* 3.3 */
{
    const struct bw_terms perfect = terms_of(15000, 0, 250);
    const struct bw_terms tenth = terms_of(9000, 100000, 20); /* 9 s * 1.1 / 0.9 = 11 s */

    (void)state;
    assert_int_equal(bw_expiry_wait_ns(&perfect), UINT64_C(15250000000));
    assert_int_equal(bw_expiry_wait_ns(&tenth), UINT64_C(11020000000));
}

static void a_drift_that_no_spec_allows_is_never_waited_out(void **state) /* I1 */
{
    const struct bw_terms terms = terms_of(1000, BW_DRIFT_PPM_MAX + 1, 20);
    const struct bw_expiry_base base = {.leader_since = at(1, 1)};

    (void)state;
    assert_int_equal(bw_expiry_wait_ns(&terms), UINT64_MAX);
    assert_false(bw_expiry_is_over(&base, &terms, at(UINT64_MAX - 1, UINT64_MAX - 1)));
}

/* A holder slow by ε and a leader fast by ε start to count at the same moment. */
static void the_slowest_holder_has_stopped_before_the_fastest_leader_acts(void **state) /* H1 */
{
    const struct bw_terms terms = terms_of(10000, 100000, 20);
    const struct bw_expiry_base base = {.leader_since = at(0, 0)};

    (void)state;
    for (uint64_t real_ms = 0; real_ms < 13000; real_ms++) {
        const uint64_t holder_ns = real_ms * 900000;
        const uint64_t leader_ns = real_ms * 1100000;

        if (bw_expiry_is_over(&base, &terms, at(leader_ns, leader_ns)))
            assert_true(holder_ns >= 10 * S);
    }
    assert_true(bw_expiry_is_over(&base, &terms, at(14 * S, 14 * S)));
}

static void the_wait_counts_from_the_latest_base_on_each_clock(void **state) /* I1, 3.3 */
{
    const struct bw_terms terms = terms_of(1000, 0, 20);
    const uint64_t wait = bw_expiry_wait_ns(&terms);
    struct bw_expiry_base base = {
        .last_confirmed = at(5 * S, 1 * S),
        .leader_since = at(3 * S, 3 * S),
        .grant_applied = at(1 * S, 2 * S),
    };

    (void)state;
    assert_int_equal(bw_expiry_counted_from(&base).boot_ns, 5 * S);
    assert_int_equal(bw_expiry_counted_from(&base).raw_ns, 3 * S);
    base.grant_applied = at(9 * S, 9 * S);
    assert_int_equal(bw_expiry_counted_from(&base).boot_ns, 9 * S);
    assert_false(bw_expiry_is_over(&base, &terms, at(9 * S + wait, 9 * S + wait - 1)));
    assert_false(bw_expiry_is_over(&base, &terms, at(9 * S + wait - 1, 9 * S + wait)));
    assert_true(bw_expiry_is_over(&base, &terms, at(9 * S + wait, 9 * S + wait)));
}

static void what_is_left_is_the_slower_clocks(void **state) /* design 1 */
{
    const struct bw_terms terms = terms_of(1000, 0, 20);
    const struct bw_expiry_base base = {.leader_since = at(10 * S, 10 * S)};

    (void)state;
    assert_int_equal(bw_expiry_left_ns(&base, &terms, at(10 * S, 10 * S)),
                     bw_expiry_wait_ns(&terms));
    assert_int_equal(bw_expiry_left_ns(&base, &terms, at(20 * S, 11 * S)), 20 * BW_NS_PER_MS);
    assert_int_equal(bw_expiry_left_ns(&base, &terms, at(20 * S, 20 * S)), 0);
}

static void a_wait_at_the_end_of_the_clocks_is_not_cut_short(void **state) /* I1 */
{
    const struct bw_terms terms = terms_of(UINT32_MAX, BW_DRIFT_PPM_MAX, UINT32_MAX);
    const struct bw_expiry_base base = {.leader_since = at(UINT64_MAX - S, UINT64_MAX - S)};

    (void)state;
    assert_false(bw_expiry_is_over(&base, &terms, at(UINT64_MAX - 1, UINT64_MAX - 1)));
}

static void freshness_is_two_renewals_and_a_request(void **state) /* 3.3 */
{
    (void)state;
    assert_int_equal(bw_expiry_freshness_ns(1000, 1000), 3 * S);
    assert_int_equal(bw_expiry_freshness_ns(UINT32_MAX, UINT32_MAX),
                     3 * (uint64_t)UINT32_MAX * BW_NS_PER_MS);
}

/* ---- the proof (3.2.2) ---- */

static void a_barrier_on_its_way_proves_nothing_about_a_later_renewal(void **state) /* I1, 3.2.2 */
{
    struct bw_proof proof;
    uint64_t early;
    uint64_t late;

    (void)state;
    bw_proof_init(&proof);
    early = bw_proof_want(&proof);
    assert_int_equal(bw_proof_on_submitted(&proof), early);
    late = bw_proof_want(&proof);
    bw_proof_on_applied(&proof, early);

    assert_true(bw_proof_covers(&proof, early));
    assert_false(bw_proof_covers(&proof, late));
}

static void one_barrier_serves_all_that_waited_and_one_is_on_its_way(void **state) /* 3.2.2 */
{
    struct bw_proof proof;
    uint64_t first;

    (void)state;
    bw_proof_init(&proof);
    assert_false(bw_proof_should_submit(&proof));
    first = bw_proof_want(&proof);
    assert_int_equal(bw_proof_want(&proof), first);
    assert_true(bw_proof_should_submit(&proof));
    assert_int_equal(bw_proof_on_submitted(&proof), first);
    (void)bw_proof_want(&proof);
    assert_false(bw_proof_should_submit(&proof));
    bw_proof_on_applied(&proof, first);
    assert_true(bw_proof_should_submit(&proof));
}

static void what_waited_for_a_failed_barrier_is_covered_by_the_next(void **state) /* 3.2.2 */
{
    struct bw_proof proof;
    uint64_t waiting;

    (void)state;
    bw_proof_init(&proof);
    waiting = bw_proof_want(&proof);
    assert_int_equal(bw_proof_on_submitted(&proof), waiting);
    bw_proof_on_failed(&proof, waiting);

    assert_false(bw_proof_covers(&proof, waiting));
    assert_true(bw_proof_should_submit(&proof));
    bw_proof_on_applied(&proof, bw_proof_on_submitted(&proof));
    assert_true(bw_proof_covers(&proof, waiting));
}

static void a_failed_barrier_that_was_applied_proves_nothing_received_later(void **state) /* I1 */
{
    struct bw_proof proof;
    uint64_t failed;
    uint64_t later;

    (void)state;
    bw_proof_init(&proof);
    (void)bw_proof_want(&proof);
    failed = bw_proof_on_submitted(&proof);
    bw_proof_on_failed(&proof, failed);
    later = bw_proof_want(&proof);
    bw_proof_on_applied(&proof, failed);

    assert_false(bw_proof_covers(&proof, later));
}

static void a_barrier_applied_once_more_takes_nothing_back(void **state) /* 3.2.2 */
{
    struct bw_proof proof;
    uint64_t first;
    uint64_t second;

    (void)state;
    bw_proof_init(&proof);
    (void)bw_proof_want(&proof);
    first = bw_proof_on_submitted(&proof);
    bw_proof_on_applied(&proof, first);
    (void)bw_proof_want(&proof);
    second = bw_proof_on_submitted(&proof);
    bw_proof_on_applied(&proof, second);

    bw_proof_on_applied(&proof, first);

    assert_true(bw_proof_covers(&proof, second));
}

/* One barrier at a time, also where one that was given up turns up beside the next. */
static void a_failed_barrier_that_was_applied_takes_no_other_off_its_way(void **state) /* 3.2.2 */
{
    struct bw_proof proof;
    uint64_t failed;

    (void)state;
    bw_proof_init(&proof);
    (void)bw_proof_want(&proof);
    failed = bw_proof_on_submitted(&proof);
    bw_proof_on_failed(&proof, failed);
    (void)bw_proof_on_submitted(&proof);
    (void)bw_proof_want(&proof);

    bw_proof_on_applied(&proof, failed);

    assert_false(bw_proof_should_submit(&proof));
}

static void a_failure_of_a_barrier_that_is_done_takes_no_other_off_its_way(void **state) /* 3.2.2 */
{
    struct bw_proof proof;
    uint64_t first;

    (void)state;
    bw_proof_init(&proof);
    (void)bw_proof_want(&proof);
    first = bw_proof_on_submitted(&proof);
    bw_proof_on_applied(&proof, first);
    (void)bw_proof_want(&proof);
    (void)bw_proof_on_submitted(&proof);
    (void)bw_proof_want(&proof);

    bw_proof_on_failed(&proof, first);

    assert_false(bw_proof_should_submit(&proof)); /* one is on its way */
}

static void nothing_is_proved_without_a_number(void **state)
{
    struct bw_proof proof;

    (void)state;
    bw_proof_init(&proof);
    assert_false(bw_proof_covers(&proof, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wait_is_exact_and_rounded_up),
        cmocka_unit_test(a_wait_is_rounded_up_by_the_smallest_remainder_too),
        cmocka_unit_test(known_waits_are_these),
        cmocka_unit_test(a_drift_that_no_spec_allows_is_never_waited_out),
        cmocka_unit_test(the_slowest_holder_has_stopped_before_the_fastest_leader_acts),
        cmocka_unit_test(the_wait_counts_from_the_latest_base_on_each_clock),
        cmocka_unit_test(what_is_left_is_the_slower_clocks),
        cmocka_unit_test(a_wait_at_the_end_of_the_clocks_is_not_cut_short),
        cmocka_unit_test(freshness_is_two_renewals_and_a_request),
        cmocka_unit_test(a_barrier_on_its_way_proves_nothing_about_a_later_renewal),
        cmocka_unit_test(one_barrier_serves_all_that_waited_and_one_is_on_its_way),
        cmocka_unit_test(what_waited_for_a_failed_barrier_is_covered_by_the_next),
        cmocka_unit_test(a_failed_barrier_that_was_applied_proves_nothing_received_later),
        cmocka_unit_test(a_barrier_applied_once_more_takes_nothing_back),
        cmocka_unit_test(a_failed_barrier_that_was_applied_takes_no_other_off_its_way),
        cmocka_unit_test(a_failure_of_a_barrier_that_is_done_takes_no_other_off_its_way),
        cmocka_unit_test(nothing_is_proved_without_a_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
