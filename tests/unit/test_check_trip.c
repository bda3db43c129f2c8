/* check --connect: which round trips the timings of a group allow (design 4). */
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

/* What it prints of a group with the default timings, and the election timeout of its witnesses. */
static void judge(uint64_t trip_us, uint32_t election_timeout_ms)
{
    const struct bw_check_trip trip = {.us = trip_us, .address = "w3.example:7400", .file = "site.yaml"};
    FILE *file = tmpfile();
    const int kept = dup(STDOUT_FILENO);
    struct bw_spec spec;

    assert_non_null(file);
    bw_spec_defaults(&spec);
    (void)strcpy(spec.name, "shop");
    lines = (struct bw_check_lines){0};
    (void)fflush(stdout);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    bw_check_trip_borne(&lines, &trip, &spec, election_timeout_ms, false);
    (void)fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    (void)close(kept);
    rewind(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    (void)fclose(file);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_trip_of_half_the_limits_is_allowed),
        cmocka_unit_test(a_longer_one_names_what_to_raise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
