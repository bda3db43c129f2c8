/* utf8: what comes from elsewhere and is shown to people moves no cursor, turns no text and is
 * bounded. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/utf8.h>

static char shown[32];

static const char *plain(const char *bytes, size_t count)
{
    memset(shown, 'x', sizeof shown);
    bw_utf8_plain(shown, sizeof shown, bytes, count);
    return shown;
}

#define PLAIN(text) plain(text, sizeof(text) - 1)

static void what_people_read_stays_as_it_is(void **state)
{
    (void)state;
    assert_string_equal(PLAIN("cannot open \"h\xc3\xa4us\""), "cannot open \"h\xc3\xa4us\"");
    assert_string_equal(PLAIN(""), "");
    assert_string_equal(PLAIN("\xf0\x9f\x90\x98 \xe2\x82\xac"), "\xf0\x9f\x90\x98 \xe2\x82\xac");
}

static void what_a_terminal_would_obey_or_hide_is_a_question_mark(void **state)
{
    (void)state;
    assert_string_equal(PLAIN("a\0b\tc\x1b[2J\x7f\r\n"), "a?b c?[2J???");
    assert_string_equal(PLAIN("\xc2\x9b"
                              "2J"),
                        "?2J");
    assert_string_equal(PLAIN("a\xe2\x80\xae"
                              "b\xe2\x81\xa6"
                              "c\xd8\x9c"),
                        "a?b?c?");
    assert_string_equal(PLAIN("a\xe2\x80\xa8"
                              "b\xe2\x80\x8b"
                              "c\xef\xbb\xbf\xf3\xa0\x80\xa0"),
                        "a?b?c??");
    assert_string_equal(PLAIN("a\xe3\x85\xa4"
                              "b\xcd\x8f"
                              "c\xef\xb8\x8f"),
                        "a?b?c?");
}

static void bytes_that_are_no_text_are_question_marks(void **state)
{
    (void)state;
    assert_string_equal(PLAIN("\xff"
                              "a\xc3"),
                        "?a?");
    assert_string_equal(PLAIN("\xc1\xbf\xed\xa0\x80\xf4\x90\x80\x80"), "?????????");
    assert_string_equal(PLAIN("\xe0\x9f\xbf\xf0\x8f\xbf\xbf"), "???????");
}

static void a_cut_is_seen_and_falls_between_characters(void **state)
{
    char large[4096];

    (void)state;
    assert_string_equal(PLAIN("0123456789012345678901234567890"),
                        "0123456789012345678901234567890");
    assert_string_equal(PLAIN("01234567890123456789012345678901"),
                        "0123456789012345678901234567...");
    assert_string_equal(PLAIN("012345678901234567890123456\xe2\x82\xac"
                              "12345678"),
                        "012345678901234567890123456...");
    memset(large, '\xe2', sizeof large);
    assert_int_equal(strlen(plain(large, sizeof large)), sizeof shown - 1);
}

static void a_copy_ends_before_a_character_that_does_not_fit(void **state)
{
    char copy[4];

    (void)state;
    bw_utf8_copy(copy, sizeof copy, "h\xe2\x82\xac");
    assert_string_equal(copy, "h");
    bw_utf8_copy(copy, sizeof copy, "\xe2\x82\xac");
    assert_string_equal(copy, "\xe2\x82\xac");
    assert_int_equal(bw_utf8_whole("\x80\x80\x80\x80\x80\x80", 5), 2); /* no UTF-8: not all of it goes */
}

static void a_character_takes_one_column_whatever_its_bytes(void **state)
{
    (void)state;
    assert_int_equal(bw_utf8_columns("h\xc3\xa4us \xe2\x82\xac", 9), 6);
    assert_int_equal(bw_utf8_columns("abc", 2), 2);
    assert_int_equal(bw_utf8_columns("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_people_read_stays_as_it_is),
        cmocka_unit_test(what_a_terminal_would_obey_or_hide_is_a_question_mark),
        cmocka_unit_test(bytes_that_are_no_text_are_question_marks),
        cmocka_unit_test(a_cut_is_seen_and_falls_between_characters),
        cmocka_unit_test(a_copy_ends_before_a_character_that_does_not_fit),
        cmocka_unit_test(a_character_takes_one_column_whatever_its_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
