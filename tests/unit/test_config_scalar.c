/* config scalars: a value means what a person reads, and nothing else is taken for one. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <breakwater/config/scalar.h>

static void durations_need_units_from_large_to_small(void **state)
{
    static const struct good {
        const char *text;
        uint32_t ms;
    } good[] = {{"0", 0},
                {"250ms", 250},
                {"15s", 15000},
                {"2m", 120000},
                {"1h", 3600000},
                {"1m30s", 90000},
                {"1h1m1s1ms", 3661001},
                {"0s", 0},
                {"90s", 90000},
                {"4294967295ms", UINT32_MAX}};
    static const char *const bad[] = {"",
                                      "5",
                                      "15 s",
                                      "s",
                                      "-1s",
                                      "+1s",
                                      "1.5s",
                                      "1s1m",
                                      "1s1s",
                                      "1d",
                                      "1sec",
                                      "1S",
                                      "0x1s",
                                      "1s ",
                                      " 1s",
                                      "00",
                                      "4294967296ms",
                                      "1194h",
                                      "1m30",
                                      "99999999999999999999s",
                                      "1ms1"};
    uint32_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(bw_duration_parse(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ms = 77;
        assert_false(bw_duration_parse(bad[i], &ms));
        assert_int_equal(ms, 77);
    }
}

static void a_formatted_duration_reads_back(void **state)
{
    static const uint32_t values[] = {0,     1,      999,     1000,    1001,      60000,
                                      90000, 120500, 3600000, 3661001, UINT32_MAX};
    char text[BW_DURATION_TEXT_BYTES];
    uint32_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        bw_duration_format(values[i], text);
        assert_true(bw_duration_parse(text, &ms));
        assert_int_equal(ms, values[i]);
    }
    bw_duration_format(90250, text);
    assert_string_equal(text, "1m30s250ms");
}

static void numbers_are_decimal_and_plain(void **state)
{
    static const char *const bad[] = {"",   "01", "010", "0x10", "1_000",      "1e3", "-1",
                                      "+1", " 1", "1 ",  "1.0",  "4294967296", "one"};
    uint32_t number = 0;

    (void)state;
    assert_true(bw_number_parse("0", &number));
    assert_int_equal(number, 0);
    assert_true(bw_number_parse("4294967295", &number));
    assert_int_equal(number, UINT32_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(bw_number_parse(bad[i], &number));
}

static void truth_is_true_or_false_only(void **state)
{
    static const char *const bad[] = {"yes", "no", "on", "off", "True", "FALSE", "1", "0", "", "y"};
    bool truth = false;

    (void)state;
    assert_true(bw_truth_parse("true", &truth) && truth);
    assert_true(bw_truth_parse("false", &truth) && !truth);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(bw_truth_parse(bad[i], &truth));
}

static void addresses_are_host_and_port(void **state)
{
    static const char *const good[] = {"w1.example.net:7400", "127.0.0.1:1", "[::1]:65535",
                                       "localhost:80",        "w_1-a:7400",  "[2001:db8::3]:7400"};
    static const char *const bad[] = {
        "",     ":",      ":1",     "a",          "a:",          "a:0",   "a:65536", "a:01",
        "a:b",  "::1:80", "[::1]",  "[]:1",       "[:1",         "a b:1", "a/b:1",   "-a:1",
        ".a:1", "a.:1",   "a..b:1", "http://a:1", "[1.2.3.4]:1", "a-:1",  "a:1:2",   "a-.b:1",
        "192.0.2.01:1", "192.0.2:1", "192.0.2.256:1", "1.2.3.4.5:1", "12345:1", "0x7f000001:1"};
    const char *why;
    char text[300];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(bw_address_check(good[i], false, &why));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        why = NULL;
        assert_false(bw_address_check(bad[i], false, &why));
        assert_non_null(why);
    }
    assert_true(bw_address_check("0.0.0.0:0", true, &why));
    memset(text, 'a', 64);
    memcpy(text + 63, ".b:80", 6);
    assert_true(bw_address_check(text, false, &why));
    memcpy(text + 63, "a.b:80", 7);
    assert_false(bw_address_check(text, false, &why));
    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - 4, ":80", 4);
    assert_false(bw_address_check(text, false, &why));
}

static void variable_names_are_those_of_a_shell(void **state)
{
    (void)state;
    assert_true(bw_env_name_is_valid("HARBOR_DOMAIN"));
    assert_true(bw_env_name_is_valid("_a1"));
    assert_false(bw_env_name_is_valid(""));
    assert_false(bw_env_name_is_valid("1A"));
    assert_false(bw_env_name_is_valid("A=B"));
    assert_false(bw_env_name_is_valid("A-B"));
}

static void distance_counts_edits_and_swaps(void **state)
{
    char text[100];

    (void)state;
    assert_int_equal(bw_word_distance("lease_ttl", "lease_ttl"), 0);
    assert_int_equal(bw_word_distance("lease_tll", "lease_ttl"), 1);
    assert_int_equal(bw_word_distance("nmae", "name"), 1);
    assert_int_equal(bw_word_distance("data-dir", "data_dir"), 0);
    assert_int_equal(bw_word_distance("NAME", "name"), 0);
    assert_int_equal(bw_word_distance("", "abc"), 3);
    assert_int_equal(bw_word_distance("kitten", "sitting"), 3);
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(bw_word_distance(text, "a"), UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_need_units_from_large_to_small),
        cmocka_unit_test(a_formatted_duration_reads_back),
        cmocka_unit_test(numbers_are_decimal_and_plain),
        cmocka_unit_test(truth_is_true_or_false_only),
        cmocka_unit_test(addresses_are_host_and_port),
        cmocka_unit_test(variable_names_are_those_of_a_shell),
        cmocka_unit_test(distance_counts_edits_and_swaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
