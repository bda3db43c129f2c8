/* Lines of at most 80 columns, and commands that can be copied. Design 5.2. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../src/cli/wrap.h"

static void assert_wrapped(const char *text, const char *expected)
{
    struct bw_wrapped wrapped;
    char *got = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&got, &size);

    assert_non_null(out);
    bw_wrap_begin(&wrapped, out);
    assert_true(fputs(text, wrapped.stream) >= 0);
    bw_wrap_end(&wrapped);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(got, expected);
    free(got);
}

#define TEN     "123456789 "
#define SIX     TEN TEN TEN TEN TEN TEN
#define SEVENTY SIX TEN

static void what_fits_stays_as_it_is(void **state)
{
    (void)state;
    assert_wrapped("", "");
    assert_wrapped("\n\n", "\n\n");
    assert_wrapped("no line end", "no line end");
    assert_wrapped("  " SEVENTY "12345678\nnext\n", "  " SEVENTY "12345678\nnext\n");
}

static void a_longer_line_goes_on_between_two_words(void **state)
{
    (void)state;
    assert_wrapped("! " SEVENTY TEN "end\n", "! " SIX "123456789\n  123456789 end\n");
    assert_wrapped(SEVENTY SEVENTY "end\n", SEVENTY "123456789\n  " SIX "end\n");
}

static void a_gap_of_two_columns_is_the_better_place(void **state)
{
    (void)state;
    assert_wrapped(TEN TEN TEN TEN TEN "  123 456 789 123 456 789 123 456 789\n",
                   "123456789 123456789 123456789 123456789 123456789\n"
                   "  123 456 789 123 456 789 123 456 789\n");
}

static void a_command_is_one_word(void **state)
{
    (void)state;
    assert_wrapped("  once that site is off:  breakwater confirm-fenced harbor --site dc-a --reason "
                   "'it burns'\n",
                   "  once that site is off:\n"
                   "    breakwater confirm-fenced harbor --site dc-a --reason 'it burns'\n");
    assert_wrapped(
        "to lose what it lacks: breakwater failover harbor --to dc-b --accept-data-loss\n",
        "to lose what it lacks: breakwater failover harbor --to dc-b --accept-data-loss\n");
    assert_wrapped("  breakwater failover harbor --to "
                   "a-site-with-a-name-that-is-as-long-as-names-may-be --accept-data-loss\n",
                   "  breakwater failover harbor --to "
                   "a-site-with-a-name-that-is-as-long-as-names-may-be --accept-data-loss\n");
}

static void a_longer_word_has_a_line_of_its_own(void **state)
{
    static const char word[] = "1234567890123456789012345678901234567890123456789012345678901234567"
                               "89012345678901234567890";
    char text[256], expected[256];

    (void)state;
    (void)snprintf(text, sizeof text, "see %s there\n", word);
    (void)snprintf(expected, sizeof expected, "see\n  %s\n  there\n", word);
    assert_wrapped(text, expected);
}

static void characters_are_counted_not_bytes(void **state)
{
    (void)state;
    assert_wrapped("\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4 " SEVENTY "\n",
                   "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4 " SEVENTY "\n");
}

static void another_width_is_taken_from_the_environment(void **state)
{
    (void)state;
    assert_int_equal(setenv("COLUMNS", "40", 1), 0);
    assert_wrapped(SEVENTY "\n", "123456789 123456789 123456789 123456789\n"
                                 "  123456789 123456789 123456789 \n");
    assert_int_equal(setenv("COLUMNS", "wide", 1), 0);
    assert_wrapped(SEVENTY "\n", SEVENTY "\n");
    assert_int_equal(setenv("COLUMNS", "80", 1), 0);
}

/* What the tests hold as what people are shown. */
static void no_golden_text_is_wider(void **state)
{
    char pattern[512], line[1024];
    glob_t found;

    (void)state;
    assert_non_null(getenv("BREAKWATER_SOURCE"));
    (void)snprintf(pattern, sizeof pattern, "%s/tests/golden/cli/*.txt",
                   getenv("BREAKWATER_SOURCE"));
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_true(found.gl_pathc > 20);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        FILE *in = fopen(found.gl_pathv[i], "r");

        assert_non_null(in);
        while (fgets(line, sizeof line, in) != NULL)
            if (strlen(line) > 81 && strncmp(line + strspn(line, " "), "breakwater", 10) != 0)
                fail_msg("%s: %s", found.gl_pathv[i], line);
        assert_int_equal(fclose(in), 0);
    }
    globfree(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_stays_as_it_is),
        cmocka_unit_test(a_longer_line_goes_on_between_two_words),
        cmocka_unit_test(a_gap_of_two_columns_is_the_better_place),
        cmocka_unit_test(a_command_is_one_word),
        cmocka_unit_test(a_longer_word_has_a_line_of_its_own),
        cmocka_unit_test(characters_are_counted_not_bytes),
        cmocka_unit_test(another_width_is_taken_from_the_environment),
        cmocka_unit_test(no_golden_text_is_wider),
    };

    (void)setenv("COLUMNS", "80", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
