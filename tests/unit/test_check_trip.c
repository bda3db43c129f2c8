/* check --connect: which round trips, and which late timers, the timings of a group allow (design 3.3, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../src/cli/check.h"

static struct bw_check_lines lines;
static char said[1024];

/* What is printed of `spec` with that election timeout: of a round trip, or else of timers that are late. */
static void judge_spec(const struct bw_spec *spec, uint64_t trip_us, uint64_t stall_us, uint32_t election_timeout_ms)
{
    const struct bw_check_trip trip = {.us = trip_us, .address = "w3.example:7400", .file = "site.yaml"};
    FILE *file = tmpfile();
    const int kept = dup(STDOUT_FILENO);

    assert_non_null(file);
    lines = (struct bw_check_lines){0};
    (void)fflush(stdout);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    if (trip_us > 0)
        bw_check_trip_borne(&lines, &trip, spec, election_timeout_ms, false);
    else
        bw_check_stall_borne(&lines, &stall_us, spec, election_timeout_ms);
    (void)fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    (void)close(kept);
    rewind(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    (void)fclose(file);
}

/* With the default timings. */
static void judge(uint64_t trip_us, uint32_t election_timeout_ms)
{
    struct bw_spec spec;

    bw_spec_defaults(&spec);
    (void)strcpy(spec.name, "shop");
    judge_spec(&spec, trip_us, 0, election_timeout_ms);
}

static struct bw_spec short_spec(void)
{
    struct bw_spec spec;

    bw_spec_defaults(&spec);
    (void)strcpy(spec.name, "shop");
    spec.lease_ttl_ms = 500;
    spec.fence_timeout_ms = 100;
    spec.renew_interval_ms = 30;
    spec.request_timeout_ms = 50;
    spec.margin_ms = 20;
    return spec;
}

static void a_round_trip_of_half_the_limits_is_allowed(void **state)
{
    (void)state;
    judge(500000, 1000);
    assert_int_equal(lines.warned_count, 0);
    assert_non_null(strstr(said, "longest round trip 500ms (w3.example:7400); its timings allow up to 500ms\n"));
}

static void a_longer_one_names_what_to_raise(void **state)
{
    (void)state;
    judge(500001, 1000);
    assert_int_equal(lines.warned_count, 1);
    assert_non_null(strstr(said, "allow up to 500ms. Leases may end although nothing has failed."));
    assert_non_null(strstr(said, "to at least 1s2ms\n"));
    judge(300000, 500);
    assert_int_equal(lines.warned_count, 1);
    assert_non_null(strstr(said, "allow up to 250ms."));
}

static void a_short_lease_is_refused_where_a_round_trip_is_too_long(void **state)
{
    const struct bw_spec spec = short_spec();

    (void)state;
    judge_spec(&spec, 25000, 0, 50);
    assert_int_equal(lines.failed_count, 0);
    judge_spec(&spec, 25001, 0, 50);
    assert_int_equal(lines.failed_count, 1);
    assert_non_null(strstr(said, "longest round trip 26ms (w3.example:7400); its timings allow up to 25ms. Leases may end"));
}

static void a_short_lease_is_refused_where_timers_are_later_than_its_margin(void **state) /* 3.3 */
{
    struct bw_spec spec = short_spec();

    (void)state;
    judge_spec(&spec, 0, 20000, 50);
    assert_int_equal(lines.failed_count, 0);
    assert_non_null(strstr(said, "timers are up to 20.0 ms late on this machine; lease_margin 20ms leaves 0.0 ms\n"));
    judge_spec(&spec, 0, 20001, 50);
    assert_int_equal(lines.failed_count, 1);
    assert_non_null(strstr(said, "or make lease_margin at least 41ms and lease_ttl at least 574ms\n"));
    spec.lease_ttl_ms = BW_CHECK_SHORT_LEASE_MS;
    judge_spec(&spec, 0, 20001, 50);
    assert_string_equal(said, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_trip_of_half_the_limits_is_allowed),
        cmocka_unit_test(a_longer_one_names_what_to_raise),
        cmocka_unit_test(a_short_lease_is_refused_where_a_round_trip_is_too_long),
        cmocka_unit_test(a_short_lease_is_refused_where_timers_are_later_than_its_margin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
