/* rate: what exchanges prove of a site's clocks (3.8), whatever messages take on their way. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/base/prng.h>
#include <breakwater/core/rate.h>

#define MS    BW_NS_PER_MS
#define S     BW_NS_PER_S
#define DRIFT 1000

static const struct bw_id session = {.bytes = {1}};
static const struct bw_id other_session = {.bytes = {2}};

/* One clock: what it shows, and how far from the truth its rate is. */
struct hand {
    uint64_t shown_ns;
    int32_t ppm; /* -1000000: it stands still */
};

/* A site and a witness; true time passes for both. */
struct pair {
    struct hand site_boot;
    struct hand site_raw;
    struct hand witness_boot;
    struct hand witness_raw;
    uint64_t delay_ns_max; /* of a message */
    struct bw_prng chance;
    struct bw_rate rate;
};

static struct pair pair_of(int32_t site_ppm, int32_t witness_ppm, uint64_t delay_ns_max)
{
    struct pair pair = {.site_boot = {1000 * S, site_ppm},
                        .site_raw = {900 * S, site_ppm},
                        .witness_boot = {5 * S, witness_ppm},
                        .witness_raw = {4 * S, witness_ppm},
                        .delay_ns_max = delay_ns_max};

    bw_prng_init(&pair.chance, 7);
    return pair;
}

static void pass(struct pair *pair, uint64_t ns)
{
    struct hand *hands[] = {&pair->site_boot, &pair->site_raw, &pair->witness_boot,
                            &pair->witness_raw};

    for (size_t i = 0; i < 4; i++)
        hands[i]->shown_ns += (uint64_t)((int64_t)ns + (int64_t)(ns / 1000000) * hands[i]->ppm);
}

static struct bw_instant at_site(const struct pair *pair)
{
    return (struct bw_instant){pair->site_boot.shown_ns, pair->site_raw.shown_ns};
}

static struct bw_instant at_witness(const struct pair *pair)
{
    return (struct bw_instant){pair->witness_boot.shown_ns, pair->witness_raw.shown_ns};
}

static void travel(struct pair *pair)
{
    if (pair->delay_ns_max > 0)
        pass(pair, bw_prng_below(&pair->chance, pair->delay_ns_max) / MS * MS);
}

/* One exchange a second. */
static void exchange_for(struct pair *pair, uint64_t seconds)
{
    for (uint64_t i = 0; i < seconds; i++) {
        struct bw_rate_sample sample = {.sent = at_site(pair)};

        travel(pair);
        sample.received = at_witness(pair);
        travel(pair);
        sample.answered = at_site(pair);
        bw_rate_add(&pair->rate, session, &sample, 3 * S);
        pass(pair, S);
    }
}

static enum bw_rate_verdict verdict_of(const struct pair *pair)
{
    return bw_rate_judge(&pair->rate.bounds, DRIFT);
}

static void nothing_is_said_over_less_than_the_baseline(void **state)
{
    struct pair pair = pair_of(-500000, 0, 0);

    (void)state;
    exchange_for(&pair, 60);
    assert_int_equal(verdict_of(&pair), BW_RATE_UNKNOWN);

    exchange_for(&pair, 40);

    assert_int_equal(verdict_of(&pair), BW_RATE_SLOW);
    assert_int_equal(pair.rate.bounds.lower_ppm, -500000);
    assert_int_equal(pair.rate.bounds.upper_ppm, -500000);
}

static void over_just_the_baseline_something_is_said(void **state)
{
    (void)state;
    for (uint64_t less_ns = 0; less_ns < 2; less_ns++) {
        struct bw_rate rate = {.has_open = false};

        for (uint64_t n = 1; n <= 3; n++) {
            const uint64_t ns = n * (BW_RATE_BASELINE_NS - less_ns);
            const struct bw_instant at = {ns, ns};

            bw_rate_add(&rate, session, &(struct bw_rate_sample){at, at, at}, UINT64_MAX);
        }
        assert_int_equal(rate.bounds.is_known, less_ns == 0);
    }
}

/* The bounds hold whatever messages take: no delay makes a good clock look bad. I1 needs the other
 * half, which is below. */
static void clocks_at_the_edge_are_never_out_of_bound(void **state)
{
    static const int32_t rates[][2] = {{DRIFT, -DRIFT}, {-DRIFT, DRIFT}, {DRIFT, DRIFT}, {0, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
        for (uint64_t delay_ms = 0; delay_ms <= 3000; delay_ms = 10 * delay_ms + 3) {
            struct pair pair = pair_of(rates[i][0], rates[i][1], delay_ms * MS);

            for (int minute = 0; minute < 20; minute++) {
                exchange_for(&pair, 60);
                assert_true(verdict_of(&pair) == BW_RATE_WITHIN || minute < 2);
                assert_true(pair.rate.bounds.lower_ppm <= 2 * rates[0][0] + 4);
            }
        }
}

static void a_slow_clock_is_found_behind_any_delay(void **state) /* I1, 3.8 */
{
    (void)state;
    for (uint64_t delay_ms = 0; delay_ms <= 1000; delay_ms = 10 * delay_ms + 10) {
        struct pair pair = pair_of(-100000, 0, delay_ms * MS);

        exchange_for(&pair, 120);

        assert_int_equal(verdict_of(&pair), BW_RATE_SLOW);
        assert_true(pair.rate.bounds.lower_ppm <= -100000);
        assert_true(pair.rate.bounds.upper_ppm >= -100000);
    }
}

/* A lease ends with the faster clock of its site, a wait with the slower one of its witness. */
static void the_clocks_that_count_are_those_that_a_lease_rests_on(void **state) /* 1 */
{
    struct pair slewed_site = pair_of(0, 0, 0);
    struct pair slewed_witness = pair_of(0, 0, 0);
    struct pair both = pair_of(-80000, 0, 0);

    (void)state;
    slewed_site.site_boot.ppm = -80000;
    slewed_witness.witness_boot.ppm = 80000;
    exchange_for(&slewed_site, 120);
    exchange_for(&slewed_witness, 120);
    exchange_for(&both, 120);

    assert_int_equal(verdict_of(&slewed_site), BW_RATE_WITHIN);
    assert_int_equal(verdict_of(&slewed_witness), BW_RATE_WITHIN);
    assert_int_equal(verdict_of(&both), BW_RATE_SLOW);
}

static void sleep_stops_one_clock_and_proves_nothing(void **state)
{
    struct pair site = pair_of(0, 0, 0);
    struct pair witness = pair_of(0, 0, 0);

    (void)state;
    site.site_raw.ppm = -1000000;
    witness.witness_raw.ppm = -1000000;
    exchange_for(&site, 120);
    exchange_for(&witness, 120);

    assert_true(verdict_of(&site) == BW_RATE_WITHIN);
    assert_true(verdict_of(&witness) != BW_RATE_SLOW && verdict_of(&witness) != BW_RATE_FAST);
}

static void a_fast_site_is_called_so(void **state)
{
    struct pair pair = pair_of(50000, 0, 20 * MS);

    (void)state;
    exchange_for(&pair, 120);

    assert_int_equal(verdict_of(&pair), BW_RATE_FAST);
}

static void what_a_clock_was_before_hides_nothing_and_is_forgotten(void **state)
{
    struct pair pair = pair_of(0, 0, 20 * MS);
    const int32_t slow = -20000;

    (void)state;
    exchange_for(&pair, 600);
    pair.site_boot.ppm = pair.site_raw.ppm = slow;
    exchange_for(&pair, 60);
    assert_int_equal(verdict_of(&pair), BW_RATE_SLOW);

    pair.site_boot.ppm = pair.site_raw.ppm = 0;
    exchange_for(&pair, 150);

    assert_int_equal(verdict_of(&pair), BW_RATE_WITHIN);
}

/* Wherever the oldest slot lies among them: of a window that reaches back to where it was right, only
 * the part over which it was slow counts. */
static void a_clock_that_has_just_become_slow_is_not_averaged(void **state)
{
    (void)state;
    for (uint64_t slot = 0; slot < BW_RATE_SLOTS; slot++) {
        struct pair pair = pair_of(0, 0, 0);

        exchange_for(&pair, 600 + 15 * slot);
        pair.site_boot.ppm = pair.site_raw.ppm = -2500; /* over twice the time: within the bound */
        exchange_for(&pair, 95);

        assert_int_equal(verdict_of(&pair), BW_RATE_SLOW);
    }
}

static void measuring_begins_anew_with_another_session(void **state)
{
    struct pair pair = pair_of(-100000, 0, 0);
    struct bw_rate_sample sample;

    (void)state;
    exchange_for(&pair, 120);
    sample = pair.rate.newest;

    bw_rate_add(&pair.rate, other_session, &sample, 3 * S);

    assert_int_equal(verdict_of(&pair), BW_RATE_UNKNOWN);
    assert_int_equal(pair.rate.closed_count, 0);
}

static void measuring_begins_anew_after_a_pause(void **state)
{
    struct pair pair = pair_of(0, 0, 0);

    (void)state;
    exchange_for(&pair, 120);
    pair.site_boot.ppm = pair.site_raw.ppm = -1000000; /* the whole machine stands still */
    pass(&pair, 20 * S);
    pair.site_boot.ppm = pair.site_raw.ppm = 0;
    exchange_for(&pair, 1);

    assert_int_equal(verdict_of(&pair), BW_RATE_UNKNOWN);
}

/* A pause of just the gap is none; and of what is asked for no less than a slot counts. */
static void a_pause_as_long_as_the_gap_goes_on(void **state)
{
    static const struct {
        uint64_t asked_ns;
        uint64_t gap_ns;
    } gaps[] = {{BW_RATE_SLOT_NS + S, BW_RATE_SLOT_NS + S}, {0, BW_RATE_SLOT_NS},
                {UINT64_MAX, BW_RATE_GAP_NS_MAX}};

    (void)state;
    for (size_t i = 0; i < sizeof gaps / sizeof gaps[0]; i++)
        for (uint64_t over_ns = 0; over_ns < 2; over_ns++) {
            const struct bw_instant first = {9 * S, 9 * S};
            const struct bw_instant second = bw_instant_add(first, gaps[i].gap_ns + over_ns);
            struct bw_rate rate = {.has_open = false};

            bw_rate_add(&rate, session, &(struct bw_rate_sample){first, first, first}, S);
            bw_rate_add(&rate, session, &(struct bw_rate_sample){second, second, second},
                        gaps[i].asked_ns);

            assert_int_equal(rate.closed_count, over_ns == 0 ? 1 : 0);
        }
}

static void clocks_that_go_back_measure_nothing(void **state)
{
    struct pair pair = pair_of(0, 0, 0);
    struct bw_rate_sample sample;

    (void)state;
    exchange_for(&pair, 120);
    sample = pair.rate.newest;
    sample.answered.raw_ns = sample.sent.raw_ns - 1;
    bw_rate_add(&pair.rate, session, &sample, 3 * S);
    assert_int_equal(verdict_of(&pair), BW_RATE_WITHIN); /* it was not taken */

    assert_int_equal(pair.rate.newest.answered.raw_ns, sample.answered.raw_ns + 1);

    sample.answered = sample.sent;
    sample.sent.raw_ns++; /* heard before it was sent, and after the one before: no beginning either */
    sample.sent.boot_ns++;
    bw_rate_add(&pair.rate, session, &sample, 3 * S);
    assert_int_equal(verdict_of(&pair), BW_RATE_WITHIN);
    assert_true(pair.rate.newest.sent.boot_ns < sample.sent.boot_ns);

    for (int is_raw = 0; is_raw < 2; is_raw++) {
        pair = pair_of(0, 0, 0);
        exchange_for(&pair, 120);
        assert_int_equal(verdict_of(&pair), BW_RATE_WITHIN);
        sample = pair.rate.newest;
        if (is_raw)
            sample.sent.raw_ns--;
        else
            sample.sent.boot_ns--;
        bw_rate_add(&pair.rate, session, &sample, 3 * S);

        assert_int_equal(verdict_of(&pair), BW_RATE_UNKNOWN);
    }
}

/* 3.8: outwards, and by no more than there is. 74999925001 in 75000000001 leaves a remainder of 1. */
static void a_bound_is_rounded_outwards_by_the_smallest_remainder_too(void **state)
{
    static const uint64_t witness_ns = 75000000001;
    static const uint64_t site_ns[] = {74999925001, 75000000001};
    static const int32_t upper_ppm[] = {0, 0};
    static const int32_t lower_ppm[] = {-1, 0};

    (void)state;
    for (size_t i = 0; i < sizeof site_ns / sizeof site_ns[0]; i++) {
        struct bw_rate rate = {.has_open = false};

        for (uint64_t n = 1; n <= 3; n++) {
            const struct bw_instant site = {n * site_ns[i], n * site_ns[i]};
            const struct bw_instant witness = {n * witness_ns, n * witness_ns};

            bw_rate_add(&rate, session, &(struct bw_rate_sample){site, site, witness}, UINT64_MAX);
        }
        assert_true(rate.bounds.is_known);
        assert_int_equal(rate.bounds.upper_ppm, upper_ppm[i]);
        assert_int_equal(rate.bounds.lower_ppm, lower_ppm[i]);
    }
}

static void what_an_agent_makes_up_breaks_nothing(void **state)
{
    struct pair pair = pair_of(0, 0, 0);
    struct bw_prng chance;

    (void)state;
    bw_prng_init(&chance, 3);
    for (int i = 0; i < 20000; i++) {
        struct bw_rate_sample sample = {.received = at_witness(&pair)};
        const uint64_t base_ns = bw_prng_below(&chance, 3) == 0 ? UINT64_MAX - 1000 : i * S;

        sample.sent = (struct bw_instant){base_ns, base_ns + bw_prng_below(&chance, 1000)};
        sample.answered = (struct bw_instant){UINT64_MAX, UINT64_MAX - bw_prng_below(&chance, 900)};
        bw_rate_add(&pair.rate, session, &sample, UINT64_MAX);
        (void)verdict_of(&pair);
        pass(&pair, bw_prng_below(&chance, 700) * S);
    }
}

static void the_limits_are_what_two_clocks_can_differ_by(void **state)
{
    (void)state;
    assert_int_equal(bw_rate_slow_limit_ppm(0), 0);
    assert_int_equal(bw_rate_fast_limit_ppm(0), 0);
    assert_int_equal(bw_rate_slow_limit_ppm(1000), -1999); /* 0.999/1.001 - 1 = -1998.002 ppm */
    assert_int_equal(bw_rate_fast_limit_ppm(1000), 2003);  /* 1.001/0.999 - 1 = 2002.002 ppm */
    assert_int_equal(bw_rate_slow_limit_ppm(BW_DRIFT_PPM_MAX), -181819);
    assert_int_equal(bw_rate_fast_limit_ppm(BW_DRIFT_PPM_MAX), 222223);
}

static void what_is_at_the_limit_is_within_it(void **state)
{
    const int32_t slow = bw_rate_slow_limit_ppm(DRIFT);
    const int32_t fast = bw_rate_fast_limit_ppm(DRIFT);
    struct bw_rate_bounds bounds = {.is_known = true, .lower_ppm = slow, .upper_ppm = slow};

    (void)state;
    assert_int_equal(bw_rate_judge(&bounds, DRIFT), BW_RATE_WITHIN);
    bounds.upper_ppm--;
    assert_int_equal(bw_rate_judge(&bounds, DRIFT), BW_RATE_SLOW);
    bounds = (struct bw_rate_bounds){.is_known = true, .lower_ppm = fast, .upper_ppm = fast};
    assert_int_equal(bw_rate_judge(&bounds, DRIFT), BW_RATE_WITHIN);
    bounds.lower_ppm++;
    assert_int_equal(bw_rate_judge(&bounds, DRIFT), BW_RATE_FAST);
}

/* It says the most: of those that came, the bounds are the tightest. */
static void of_a_slot_the_exchange_with_the_shortest_delay_counts(void **state)
{
    static const uint64_t delays_ns[] = {30 * MS, 10 * MS, 10 * MS, 20 * MS};
    struct bw_rate rate = {.has_open = false};

    (void)state;
    for (uint64_t i = 0; i < sizeof delays_ns / sizeof delays_ns[0]; i++) {
        const struct bw_instant at = {(10 + i) * S, (10 + i) * S};

        bw_rate_add(&rate, session,
                    &(struct bw_rate_sample){
                        .sent = at, .received = at, .answered = bw_instant_add(at, delays_ns[i])},
                    3 * S);
    }
    assert_int_equal(rate.open.sent.boot_ns, 11 * S);
    assert_int_equal(rate.open_since.boot_ns, 10 * S);
}

/* ---- the agent's side ---- */

static struct bw_exchange exchange_with(const char *witness, uint64_t number)
{
    struct bw_exchange exchange = {.number = number, .sent = {number, number}};

    (void)snprintf(exchange.witness, sizeof exchange.witness, "%s", witness);
    return exchange;
}

static void note(struct bw_exchanges *exchanges, const char *witness, uint64_t number)
{
    const struct bw_exchange exchange = exchange_with(witness, number);

    bw_exchanges_note(exchanges, &exchange);
}

static void of_each_witness_the_newest_exchange_is_kept(void **state)
{
    struct bw_exchanges exchanges = {.count = 0};

    (void)state;
    note(&exchanges, "w1", 5);
    note(&exchanges, "w2", 4);
    note(&exchanges, "w1", 6);
    note(&exchanges, "w1", 3); /* overtaken */
    note(&exchanges, "", 9);   /* an older witness does not say who it is */
    note(&exchanges, "w", 1);
    note(&exchanges, "w3", 0); /* of no sync */

    assert_int_equal(exchanges.count, 3);
    assert_int_equal(exchanges.list[2].number, 1);
    assert_int_equal(exchanges.list[0].number, 6);
    assert_int_equal(exchanges.list[1].number, 4);
}

/* A later one says less: it took longer. */
static void of_one_sync_the_first_answer_is_kept(void **state)
{
    struct bw_exchanges exchanges = {.count = 0};
    struct bw_exchange again = exchange_with("w1", 6);

    (void)state;
    note(&exchanges, "w1", 6);
    again.sent.boot_ns = 7;
    bw_exchanges_note(&exchanges, &again);
    assert_int_equal(exchanges.list[0].sent.boot_ns, 6);
}

static void what_lies_behind_the_list_says_nothing(void **state)
{
    struct bw_exchanges exchanges = {.count = 0, .list = {[0] = {.number = 9}}};

    (void)state;
    note(&exchanges, "w1", 5);
    assert_int_equal(exchanges.count, 1);
    assert_int_equal(exchanges.list[0].number, 5);
}

static void of_too_many_witnesses_the_one_heard_longest_ago_goes(void **state)
{
    struct bw_exchanges exchanges = {.count = 0};
    char name[8];

    (void)state;
    for (uint64_t i = 0; i < BW_WITNESSES_MAX; i++) {
        (void)snprintf(name, sizeof name, "w%d", (int)i);
        note(&exchanges, name, i == 3 ? 1 : 10 + i);
    }
    note(&exchanges, "new", 2);

    assert_int_equal(exchanges.count, BW_WITNESSES_MAX);
    assert_string_equal(exchanges.list[3].witness, "new");
}

static void that_is_so_of_the_first_one_too(void **state)
{
    struct bw_exchanges exchanges = {.count = 0};
    char name[8];

    (void)state;
    for (uint64_t i = 0; i < BW_WITNESSES_MAX; i++) {
        (void)snprintf(name, sizeof name, "w%d", (int)i);
        note(&exchanges, name, 10 + i);
    }
    note(&exchanges, "new", 1); /* however new its agent is */
    assert_string_equal(exchanges.list[0].witness, "new");
    assert_string_equal(exchanges.list[1].witness, "w1");
}

/* The witness's own clocks: one that has gone back begins the measuring anew. */
static void a_witness_whose_clock_went_back_measures_anew(void **state)
{
    (void)state;
    for (int is_raw = 0; is_raw < 2; is_raw++) {
        struct pair pair = pair_of(0, 0, 0);
        struct bw_rate_sample sample;

        exchange_for(&pair, 120);
        assert_int_equal(verdict_of(&pair), BW_RATE_WITHIN);
        sample = pair.rate.newest;
        sample.sent = bw_instant_add(sample.sent, S);
        sample.answered = bw_instant_add(sample.answered, S);
        if (is_raw)
            sample.received.raw_ns--;
        else
            sample.received.boot_ns--;
        bw_rate_add(&pair.rate, session, &sample, 3 * S);

        assert_int_equal(verdict_of(&pair), BW_RATE_UNKNOWN);
    }
}

/* Down to an exchange that took no time at all. */
static void an_exchange_without_a_delay_is_the_shortest(void **state)
{
    struct bw_rate rate = {.has_open = false};

    (void)state;
    for (uint64_t i = 0; i < 2; i++) {
        const struct bw_instant at = {(10 + i) * S, (10 + i) * S};

        bw_rate_add(&rate, session,
                    &(struct bw_rate_sample){
                        .sent = at, .received = at, .answered = bw_instant_add(at, 1 - i)},
                    3 * S);
    }
    assert_int_equal(rate.open.sent.boot_ns, 11 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_over_less_than_the_baseline),
        cmocka_unit_test(clocks_at_the_edge_are_never_out_of_bound),
        cmocka_unit_test(a_slow_clock_is_found_behind_any_delay),
        cmocka_unit_test(the_clocks_that_count_are_those_that_a_lease_rests_on),
        cmocka_unit_test(sleep_stops_one_clock_and_proves_nothing),
        cmocka_unit_test(a_fast_site_is_called_so),
        cmocka_unit_test(what_a_clock_was_before_hides_nothing_and_is_forgotten),
        cmocka_unit_test(a_clock_that_has_just_become_slow_is_not_averaged),
        cmocka_unit_test(measuring_begins_anew_with_another_session),
        cmocka_unit_test(measuring_begins_anew_after_a_pause),
        cmocka_unit_test(a_pause_as_long_as_the_gap_goes_on),
        cmocka_unit_test(clocks_that_go_back_measure_nothing),
        cmocka_unit_test(a_bound_is_rounded_outwards_by_the_smallest_remainder_too),
        cmocka_unit_test(what_an_agent_makes_up_breaks_nothing),
        cmocka_unit_test(the_limits_are_what_two_clocks_can_differ_by),
        cmocka_unit_test(what_is_at_the_limit_is_within_it),
        cmocka_unit_test(of_a_slot_the_exchange_with_the_shortest_delay_counts),
        cmocka_unit_test(of_each_witness_the_newest_exchange_is_kept),
        cmocka_unit_test(of_too_many_witnesses_the_one_heard_longest_ago_goes),
        cmocka_unit_test(a_witness_whose_clock_went_back_measures_anew),
        cmocka_unit_test(an_exchange_without_a_delay_is_the_shortest),
        cmocka_unit_test(that_is_so_of_the_first_one_too),
        cmocka_unit_test(what_lies_behind_the_list_says_nothing),
        cmocka_unit_test(of_one_sync_the_first_answer_is_kept),
        cmocka_unit_test(over_just_the_baseline_something_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
