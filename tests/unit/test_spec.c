/* spec: what a group may be, and what is said about one that may not (design 4, 3.2.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/core/spec_keys.h>

#include "core_fixture.h"
#include "wire_fill.h"

static struct bw_spec_problem problems[32];

static size_t check(const struct bw_spec *spec, uint32_t election_timeout_ms)
{
    return bw_spec_check(spec, election_timeout_ms, problems, 32);
}

static void the_defaults_of_the_design_are_sound(void **state)
{
    struct bw_spec spec = fixture_spec();
    struct bw_spec defaults;

    (void)state;
    bw_spec_defaults(&defaults);
    memcpy(defaults.name, spec.name, sizeof spec.name);
    memcpy(defaults.sites, spec.sites, sizeof spec.sites);
    defaults.site_count = spec.site_count;

    assert_int_equal(check(&defaults, 1000), 0);
    assert_int_equal(defaults.lease_ttl_ms, 15000);
    assert_int_equal(defaults.fence_timeout_ms, 5000);
}

/* 3.9: they come from witnesses and from files, and are judged as those of a spec are. */
static void terms_may_be_those_of_a_spec(void **state)
{
    const struct bw_spec spec = fixture_spec();
    const struct bw_terms said = bw_terms_of_spec(&spec);
    struct bw_terms unsaid = {.reach = BW_REACH_CGROUP, .second_enforcer = true};

    (void)state;
    assert_true(bw_terms_may_be(&said));
    assert_false(bw_terms_are_unsaid(&said));
    assert_true(bw_terms_are_unsaid(&unsaid));
    assert_false(bw_terms_may_be(&unsaid));
#define BREAKS_TERMS(member, last)                                                                 \
    do {                                                                                           \
        struct bw_terms made_up = said;                                                            \
                                                                                                   \
        made_up.member = (last);                                                                   \
        assert_true(bw_terms_may_be(&made_up));                                                    \
        made_up.member = (last) + 1;                                                               \
        assert_false(bw_terms_may_be(&made_up));                                                   \
        made_up.member = 0;                                                                        \
        assert_false(bw_terms_may_be(&made_up));                                                   \
        assert_false(bw_terms_are_unsaid(&made_up));                                               \
        unsaid.member = 1;                                                                         \
        assert_false(bw_terms_are_unsaid(&unsaid));                                                \
        unsaid.member = 0;                                                                         \
    } while (0)
    BREAKS_TERMS(ttl_ms, 3600000);
    BREAKS_TERMS(fence_ms, said.ttl_ms - 1); /* nothing would be left of the lease */
    BREAKS_TERMS(drift_ppm, BW_DRIFT_PPM_MAX);
    BREAKS_TERMS(margin_ms, 10000);
    BREAKS_TERMS(renew_interval_ms, 60000);
    BREAKS_TERMS(request_timeout_ms, 60000);
#undef BREAKS_TERMS
}

static void fast_settings_are_sound(void **state)
{
    const struct bw_spec spec = fixture_spec();

    (void)state;
    assert_int_equal(bw_spec_lease_ttl_ms_min(&spec, 100), 900);
    assert_int_equal(bw_spec_trip_ms_max(&spec, 2 * spec.request_timeout_ms), spec.request_timeout_ms / 2);
    assert_int_equal(bw_spec_trip_ms_max(&spec, spec.request_timeout_ms / 2), spec.request_timeout_ms / 4);
    assert_int_equal(check(&spec, 100), 0);
}

static void a_lease_that_one_lost_witness_could_end_is_refused(void **state) /* design 4 */
{
    struct bw_spec spec = fixture_spec();

    (void)state;
    spec.lease_ttl_ms = 900;
    assert_int_equal(check(&spec, 100), 0);
    spec.lease_ttl_ms = 899;
    assert_int_equal(check(&spec, 100), 1);
    assert_string_equal(problems[0].key, "lease_ttl");
    assert_string_equal(problems[0].text,
                        "lease_ttl 899ms - fence_window 100ms = 799ms is less than "
                        "2*renew_interval 100ms + request_timeout 100ms + 4*election_timeout 100ms "
                        "+ 4*lease_margin 25ms = 800ms; make lease_ttl at least 900ms");
}

static void a_fence_longer_than_the_lease_is_told_with_its_sign(void **state) /* 3.2.4 */
{
    struct bw_spec spec = fixture_spec();

    (void)state;
    spec.lease_ttl_ms = 3000;
    spec.fence_timeout_ms = 5000;
    assert_int_equal(check(&spec, 100), 1);
    assert_non_null(strstr(problems[0].text, "lease_ttl 3s - fence_window 5s = -2s is less than"));
    assert_non_null(strstr(problems[0].text, "make lease_ttl at least 5800ms"));
    assert_int_equal(check(&spec, 0), 1);
    assert_string_equal(problems[0].text, "lease_ttl 3s is not longer than fence_window 5s");
}

static void offline_only_what_needs_the_cluster_stays_unchecked(void **state)
{
    struct bw_spec spec = fixture_spec();

    (void)state;
    spec.lease_ttl_ms = 500;
    assert_int_equal(check(&spec, 0), 0);
    assert_int_equal(check(&spec, 100), 1);
}

static void every_range_is_told_with_its_bounds(void **state) /* 3.3: margin >= 20 ms */
{
    struct bw_spec spec = fixture_spec();

    (void)state;
    spec.margin_ms = 19;
    assert_int_equal(check(&spec, 100), 1);
    assert_string_equal(problems[0].key, "lease_margin");
    assert_string_equal(problems[0].text, "lease_margin 19ms is outside 20ms to 10s");

    spec = fixture_spec();
    spec.max_clock_drift_ppm = BW_DRIFT_PPM_MAX + 1;
    assert_int_equal(check(&spec, 100), 1);
    assert_string_equal(problems[0].text,
                        "max_clock_drift_ppm 100001ppm is outside 1ppm to 100000ppm");
}

/* Both ends are within, and what is beyond them is told of that key. */
static void each_range_ends_where_it_says(void **state)
{
    static const struct {
        const char *key;
        size_t offset;
        uint32_t min;
        uint32_t max;
    } ranges[] = {
#define RANGE(key, field, min, max) {key, offsetof(struct bw_spec, field), min, max}
        RANGE("lease_ttl", lease_ttl_ms, 500, 3600000),
        RANGE("fence_window", fence_timeout_ms, 50, 1800000),
        RANGE("renew_interval", renew_interval_ms, 20, 60000),
        RANGE("request_timeout", request_timeout_ms, 20, 60000),
        RANGE("lease_margin", margin_ms, 20, 10000),
        RANGE("max_clock_drift_ppm", max_clock_drift_ppm, 1, 100000),
        RANGE("max_lag", max_lag_ms, 0, 86400000),
        RANGE("switchover_timeout", switchover_timeout_ms, 1000, 86400000),
        RANGE("failback", failback_ms, 0, 604800000),
        RANGE("min_primary_time", min_primary_time_ms, 0, 604800000),
        RANGE("max_failovers_per_window", max_failovers_per_window, 0, 1000),
        RANGE("failover_window", failover_window_ms, 60000, 604800000),
        RANGE("unhealthy_after", unhealthy_after_ms, 0, 86400000),
        RANGE("retry_backoff", retry_backoff_ms, 100, 3600000),
#undef RANGE
    };

    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        const int64_t values[] = {ranges[i].min, ranges[i].max, (int64_t)ranges[i].min - 1,
                                  (int64_t)ranges[i].max + 1};

        for (size_t v = 0; v < 4; v++) {
            const uint32_t value = (uint32_t)values[v];
            struct bw_spec spec = fixture_spec();
            bool is_found = false;

            if (values[v] < 0)
                continue;
            memcpy((char *)&spec + ranges[i].offset, &value, sizeof value);
            for (size_t n = check(&spec, 0); n > 0; n--)
                is_found = is_found || (strcmp(problems[n - 1].key, ranges[i].key) == 0 &&
                                        strstr(problems[n - 1].text, " is outside ") != NULL);
            assert_int_equal(is_found, v >= 2);
        }
    }
}

/* 3.1: the record of old events goes by these numbers. */
static void each_key_has_words_and_a_number_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < BW_SPEC_KEY_COUNT; i++) {
        const struct bw_spec_key *key = &bw_spec_keys[i];

        assert_ptr_equal(bw_spec_key_recorded(key->number), key);
        for (size_t n = 0; n < i; n++) {
            assert_string_not_equal(bw_spec_keys[n].word, key->word);
            assert_string_not_equal(bw_spec_keys[n].json, key->json);
            assert_int_not_equal(bw_spec_keys[n].offset, key->offset);
        }
    }
    assert_null(bw_spec_key_recorded(17)); /* expired_is_enough */
}

/* Whatever key is another one: no apply takes it for nothing new. */
static void another_value_of_any_key_makes_another_spec(void **state)
{
    const struct bw_spec spec = fixture_spec();

    (void)state;
    for (size_t i = 0; i < BW_SPEC_KEY_COUNT; i++) {
        struct bw_spec other = spec;

        bw_spec_key_set(&other, &bw_spec_keys[i], bw_spec_key_get(&spec, &bw_spec_keys[i]) + 1);
        assert_false(bw_spec_is_equal(&spec, &other));
        bw_spec_key_set(&other, &bw_spec_keys[i], bw_spec_key_get(&spec, &bw_spec_keys[i]));
        assert_true(bw_spec_is_equal(&spec, &other));
    }
}

static void a_site_is_found_by_a_name_of_one_letter(void **state)
{
    struct bw_spec spec = fixture_spec();

    (void)state;
    strcpy(spec.sites[1].name, "b");
    assert_int_equal(bw_spec_find_site(&spec, "b"), 1);
    assert_int_equal(bw_spec_find_site(&spec, ""), -1);
    spec.sites[2].name[0] = '\0';
    assert_int_equal(bw_spec_find_site(&spec, ""), -1);
}

static void extreme_numbers_are_problems_not_overflows(void **state)
{
    struct bw_spec spec = fixture_spec();
    const size_t offset = offsetof(struct bw_spec, lease_ttl_ms);

    (void)state;
    memset((char *)&spec + offset, 0xff,
           offsetof(struct bw_spec, retry_backoff_ms) + sizeof spec.retry_backoff_ms - offset);
    assert_int_equal(check(&spec, UINT32_MAX), 15);
    assert_string_equal(problems[14].text, "the other timings are too long for any lease_ttl");
    memset((char *)&spec + offset, 0,
           offsetof(struct bw_spec, retry_backoff_ms) + sizeof spec.retry_backoff_ms - offset);
    assert_true(check(&spec, 100) > 0);
}

static void names_and_sites_are_checked(void **state)
{
    struct bw_spec spec = fixture_spec();

    (void)state;
    strcpy(spec.name, "../etc");
    strcpy(spec.sites[1].name, "dc-a");
    strcpy(spec.sites[2].name, "\033[2J");
    spec.sites[0].priority = 1001;
    assert_int_equal(check(&spec, 100), 4);
    assert_string_equal(problems[0].key, "name");
    assert_string_equal(problems[1].key, "sites[0].priority");
    assert_string_equal(problems[2].text, "dc-a is also the name of sites[0]");
    assert_string_equal(problems[3].key, "sites[2].name");
    assert_null(strchr(problems[3].text, '\033'));
}

static void a_name_without_an_end_is_not_read_beyond_its_field(void **state)
{
    struct bw_spec spec = fixture_spec();

    (void)state;
    memset(spec.sites[2].name, 'a', sizeof spec.sites[2].name);
    memset(spec.name, 'a', sizeof spec.name);
    assert_int_equal(check(&spec, 100), 2);
}

static void a_group_has_two_sites_and_a_candidate(void **state)
{
    struct bw_spec spec = fixture_spec();

    (void)state;
    spec.site_count = 1;
    assert_int_equal(check(&spec, 100), 1);
    spec.site_count = BW_SITES_MAX + 1;
    assert_int_equal(check(&spec, 100), 1);
    assert_string_equal(problems[0].text, "9 sites; a group has 2 to 8");
    spec.site_count = 2;
    spec.sites[0].never_candidate = spec.sites[1].never_candidate = true;
    assert_int_equal(check(&spec, 100), 1);
    assert_false(bw_spec_is_candidate(&spec, "dc-a"));
    assert_int_equal(bw_spec_find_site(&spec, "dc-b"), 1);
    assert_int_equal(bw_spec_find_site(&spec, ""), -1);
}

static void a_group_may_have_as_many_sites_as_there_is_room_for(void **state)
{
    struct bw_spec spec = fixture_spec();

    (void)state;
    spec.site_count = BW_SITES_MAX;
    for (uint32_t i = 0; i < BW_SITES_MAX; i++) {
        spec.sites[i] = spec.sites[0];
        (void)snprintf(spec.sites[i].name, sizeof spec.sites[i].name, "dc-%c", (char)('a' + i));
    }
    assert_int_equal(check(&spec, 100), 0);
    assert_int_equal(bw_spec_find_site(&spec, "dc-h"), BW_SITES_MAX - 1);
}

/* Of a site that has no name nothing else is said. */
static void a_site_without_a_name_is_one_problem(void **state)
{
    struct bw_spec spec = fixture_spec();

    (void)state;
    spec.sites[1].name[0] = '\0';
    spec.sites[1].priority = UINT32_MAX;
    assert_int_equal(check(&spec, 100), 1);
}

static void words_that_do_not_exist_are_refused(void **state)
{
    struct bw_spec spec = fixture_spec();

    (void)state;
    spec.mode = (enum bw_mode)17;
    spec.on_lag = (enum bw_on_lag)17;
    spec.handover_by_time = (enum bw_handover)17;
    assert_int_equal(check(&spec, 100), 3);
    assert_string_equal(bw_mode_word(spec.mode), "unlisted");
}

static void a_mode_is_read_back_from_its_word_and_from_no_other(void **state)
{
    static const enum bw_mode modes[] = {BW_MODE_AUTO, BW_MODE_MANUAL, BW_MODE_OBSERVE,
                                         BW_MODE_PAUSED};
    enum bw_mode mode;

    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        mode = modes[(i + 1) % 4];
        assert_true(bw_mode_parse(bw_mode_word(modes[i]), &mode));
        assert_int_equal(mode, modes[i]);
    }
    assert_false(bw_mode_parse("unlisted", &mode));
    assert_false(bw_mode_parse("", &mode));
    assert_false(bw_mode_parse(NULL, &mode));
    assert_int_equal(mode, BW_MODE_PAUSED);
}

static void problems_are_counted_beyond_the_room_for_them(void **state)
{
    struct bw_spec spec = fixture_spec();
    struct bw_spec_problem one[1];

    (void)state;
    spec.margin_ms = 0;
    spec.max_clock_drift_ppm = 0;
    assert_int_equal(bw_spec_check(&spec, 100, one, 1), 2);
    assert_int_equal(bw_spec_check(&spec, 100, NULL, 0), 2);
}

/* The end of a name: it has no other byte. */
static bool is_end_of_name(size_t offset)
{
    for (size_t i = 0; i < BW_SITES_MAX; i++)
        if (offset == offsetof(struct bw_spec, sites[i].name) + BW_NAME_MAX)
            return true;
    return offset == offsetof(struct bw_spec, name) + BW_NAME_MAX;
}

/* Whatever is replicated and differs makes another spec: an apply of it is proposed. The tables of src/wire
 * know every field. */
static void any_difference_makes_another_spec(void **state)
{
    struct wire_filler filler = {.is_largest = true};
    size_t differences = 0;
    struct bw_spec spec;
    struct bw_spec other;

    (void)state;
    bw_prng_init(&filler.prng, 1);
    memset(&spec, 0, sizeof spec);
    wire_fill(&filler, &bw_shape_spec, &spec);
    spec.site_count = BW_SITES_MAX - 2;
    for (size_t i = 0; i < sizeof spec; i++) {
        if (is_end_of_name(i))
            continue;
        other = spec;
        ((unsigned char *)&other)[i] ^= 1;
        differences += !wire_is_equal(&bw_shape_spec, &spec, &other);
        assert_int_equal(bw_spec_is_equal(&spec, &other),
                         wire_is_equal(&bw_shape_spec, &spec, &other));
    }
    assert_true(differences > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_of_the_design_are_sound),
        cmocka_unit_test(terms_may_be_those_of_a_spec),
        cmocka_unit_test(fast_settings_are_sound),
        cmocka_unit_test(a_lease_that_one_lost_witness_could_end_is_refused),
        cmocka_unit_test(a_fence_longer_than_the_lease_is_told_with_its_sign),
        cmocka_unit_test(offline_only_what_needs_the_cluster_stays_unchecked),
        cmocka_unit_test(every_range_is_told_with_its_bounds),
        cmocka_unit_test(each_range_ends_where_it_says),
        cmocka_unit_test(each_key_has_words_and_a_number_of_its_own),
        cmocka_unit_test(another_value_of_any_key_makes_another_spec),
        cmocka_unit_test(a_site_is_found_by_a_name_of_one_letter),
        cmocka_unit_test(extreme_numbers_are_problems_not_overflows),
        cmocka_unit_test(names_and_sites_are_checked),
        cmocka_unit_test(a_name_without_an_end_is_not_read_beyond_its_field),
        cmocka_unit_test(a_group_has_two_sites_and_a_candidate),
        cmocka_unit_test(words_that_do_not_exist_are_refused),
        cmocka_unit_test(a_mode_is_read_back_from_its_word_and_from_no_other),
        cmocka_unit_test(problems_are_counted_beyond_the_room_for_them),
        cmocka_unit_test(any_difference_makes_another_spec),
        cmocka_unit_test(a_group_may_have_as_many_sites_as_there_is_room_for),
        cmocka_unit_test(a_site_without_a_name_is_one_problem),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
