/* metrics: the text is what Prometheus accepts, whatever a label holds, or there is none. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <breakwater/base/limits.h>
#include <breakwater/obs/metrics.h>

#include "lacking.h"

static int new_metrics(void **state)
{
    struct bw_metrics *metrics = calloc(1, sizeof *metrics);

    assert_non_null(metrics);
    bw_metrics_init(metrics);
    *state = metrics;
    return 0;
}

static int free_metrics(void **state)
{
    bw_metrics_deinit(*state);
    free(*state);
    return 0;
}

static void assert_text(const struct bw_metrics *metrics, const char *expected)
{
    const char *text = NULL;
    size_t size = 0;

    assert_int_equal(bw_metrics_get(metrics, &text, &size, NULL), BW_OK);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(text, expected, size);
}

static void family_has_help_and_type_before_its_samples(void **state)
{
    struct bw_metrics *metrics = *state;

    bw_metrics_begin(metrics, "bw_epoch", BW_METRIC_GAUGE, "Epoch of the group.");
    bw_metrics_add_u64(metrics, UINT64_MAX, BW_METRIC_LABELS({"group", "g1"}, {"site", "a"}));
    bw_metrics_add_u64(metrics, 0, BW_METRIC_LABELS({"group", "g2"}));
    bw_metrics_begin(metrics, "bw_grants_total", BW_METRIC_COUNTER, "Grants.");
    bw_metrics_add_u64(metrics, 7, BW_METRIC_NO_LABELS);

    assert_text(metrics, "# HELP bw_epoch Epoch of the group.\n"
                         "# TYPE bw_epoch gauge\n"
                         "bw_epoch{group=\"g1\",site=\"a\"} 18446744073709551615\n"
                         "bw_epoch{group=\"g2\"} 0\n"
                         "# HELP bw_grants_total Grants.\n"
                         "# TYPE bw_grants_total counter\n"
                         "bw_grants_total 7\n");
}

static void hostile_label_stays_inside_its_quotes(void **state)
{
    struct bw_metrics *metrics = *state;

    bw_metrics_begin(metrics, "bw_x", BW_METRIC_GAUGE, "A \"quote\", a \\ and\na line.");
    bw_metrics_add_u64(metrics, 1, BW_METRIC_LABELS({"l", "a\"} 9\nbw_y 1\\\x01\xff\x7f"}));

    assert_text(metrics, "# HELP bw_x A \"quote\", a \\\\ and\\na line.\n"
                         "# TYPE bw_x gauge\n"
                         "bw_x{l=\"a\\\"} 9\\nbw_y 1\\\\???\"} 1\n");
}

static void double_is_written_short_and_exact(void **state)
{
    struct bw_metrics *metrics = *state;
    const double values[] = {0.1, 1.0 / 3.0, 1e300, -0.25, NAN, INFINITY, -INFINITY};

    bw_metrics_begin(metrics, "bw_x", BW_METRIC_GAUGE, "X.");
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        bw_metrics_add_double(metrics, values[i], BW_METRIC_NO_LABELS);

    assert_text(metrics, "# HELP bw_x X.\n# TYPE bw_x gauge\n"
                         "bw_x 0.1\nbw_x 0.3333333333333333\nbw_x 1e+300\nbw_x -0.25\n"
                         "bw_x NaN\nbw_x +Inf\nbw_x -Inf\n");
}

static void no_family_is_an_empty_text(void **state)
{
    assert_text(*state, "");
}

static void text_as_large_as_the_limit_is_given(void **state)
{
    struct bw_metrics *metrics = *state;
    const char *text = NULL;
    size_t size = 0;

    bw_metrics_begin(metrics, "x", BW_METRIC_GAUGE, "XXXXXX"); /* 31 bytes; the limit - 31 = 5 n */
    assert_int_equal((BW_METRICS_BYTES_MAX - metrics->size) % 5, 0);
    while (metrics->size < BW_METRICS_BYTES_MAX)
        bw_metrics_add_u64(metrics, 10, BW_METRIC_NO_LABELS); /* "x 10\n" */

    assert_int_equal(bw_metrics_get(metrics, &text, &size, NULL), BW_OK);
    assert_int_equal(size, BW_METRICS_BYTES_MAX);
    assert_memory_equal(text + size - 5, "x 10\n", 5);
}

static void text_beyond_the_limit_is_an_error_that_names_it(void **state)
{
    struct bw_metrics *metrics = *state;
    const char *text = NULL;
    size_t size = 0;
    struct bw_diag diag = {0};

    bw_metrics_begin(metrics, "bw_x", BW_METRIC_GAUGE, "X.");
    for (int i = 0; i < BW_METRICS_BYTES_MAX / 5; i++)
        bw_metrics_add_u64(metrics, 1, BW_METRIC_NO_LABELS);

    assert_int_equal(bw_metrics_get(metrics, &text, &size, &diag), BW_ERR_LIMIT);
    assert_non_null(strstr(diag.text, "16777216 bytes (BW_METRICS_BYTES_MAX)"));
    assert_null(text);
    assert_int_equal(size, 0);
}

/* The judge is Prometheus' own linter, where it is installed (package prometheus). */
static void promtool_accepts_the_text(void **state)
{
    struct bw_metrics *metrics = *state;
    const char *text = NULL;
    size_t size = 0;
    FILE *promtool;
    int status;

    if (system("command -v promtool >/dev/null") != 0)
        skip_lacking("promtool");
    bw_metrics_begin(metrics, "bw_grants_total", BW_METRIC_COUNTER, "Grants: a \\ and\na line.");
    bw_metrics_add_u64(metrics, UINT64_MAX,
                       BW_METRIC_LABELS({"group", "a\"} 9\nbw_y 1\\\x01\xff"}));
    bw_metrics_begin(metrics, "bw_offset_seconds", BW_METRIC_GAUGE, "Offset.");
    bw_metrics_add_double(metrics, NAN, BW_METRIC_LABELS({"site", "a"}));
    bw_metrics_add_double(metrics, -INFINITY, BW_METRIC_LABELS({"site", "b"}));
    bw_metrics_add_double(metrics, 1e-300, BW_METRIC_LABELS({"site", "c"}));
    assert_int_equal(bw_metrics_get(metrics, &text, &size, NULL), BW_OK);

    promtool = popen("promtool check metrics", "w");
    assert_non_null(promtool);
    assert_int_equal(fwrite(text, 1, size, promtool), size);
    status = pclose(promtool);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
#define WITH_METRICS(test) cmocka_unit_test_setup_teardown(test, new_metrics, free_metrics)
    const struct CMUnitTest tests[] = {
        WITH_METRICS(family_has_help_and_type_before_its_samples),
        WITH_METRICS(hostile_label_stays_inside_its_quotes),
        WITH_METRICS(double_is_written_short_and_exact),
        WITH_METRICS(no_family_is_an_empty_text),
        WITH_METRICS(text_as_large_as_the_limit_is_given),
        WITH_METRICS(text_beyond_the_limit_is_an_error_that_names_it),
        WITH_METRICS(promtool_accepts_the_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
