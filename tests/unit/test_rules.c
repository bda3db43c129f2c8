/* core/rules.c: every id that a log may show has its words. tests/lint holds the list against the
 * sources; here it is held against the group's table, and what people get of it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/core/explain.h>
#include <breakwater/core/group.h>
#include <breakwater/core/rules.h>

#include "verbs.h"

#define SENTENCE_BYTES_MAX 110 /* one line of a terminal, with its id */

static char printed[65536];

/* What `breakwater explain ARGUMENT...` prints; its exit status is compared. */
static const char *explain(const char *const *arguments, int fd, enum bw_exit expected)
{
    char *argv[8] = {"explain"};
    FILE *kept = tmpfile();
    const int before = dup(fd);
    int argc = 1;
    size_t size;

    assert_non_null(kept);
    assert_true(before >= 0);
    for (; arguments[argc - 1] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)arguments[argc - 1];
    (void)fflush(stdout);
    assert_int_equal(dup2(fileno(kept), fd), fd);
    const enum bw_exit exit = bw_verb_explain(argc, argv);

    (void)fflush(stdout);
    assert_int_equal(dup2(before, fd), fd);
    (void)close(before);
    rewind(kept);
    size = fread(printed, 1, sizeof printed - 1, kept);
    printed[size] = '\0';
    (void)fclose(kept);
    assert_int_equal(exit, expected);
    return printed;
}

static void each_rule_has_its_words_once(void **state)
{
    size_t count;
    const struct bw_rule *rules = bw_rules(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(bw_rule_find(rules[i].id), &rules[i]);
        assert_true(isdigit((unsigned char)rules[i].section[0]));
        assert_in_range(strlen(rules[i].sentence), 10, SENTENCE_BYTES_MAX);
        assert_true(rules[i].rare == NULL || rules[i].rare[0] != '\0');
    }
    assert_null(bw_rule_find("A99"));
    assert_null(bw_rule_find(""));
}

static void each_row_of_the_group_has_its_words(void **state)
{
    size_t count;
    const struct bw_group_rule *rows = bw_group_rules(&count);

    (void)state;
    for (size_t i = 0; i < count; i++)
        assert_non_null(bw_rule_find(rows[i].id));
}

static void explain_says_what_a_rule_means(void **state)
{
    (void)state;
    assert_string_equal(explain((const char *const[]){"--rule", "S31", NULL}, STDOUT_FILENO,
                                BW_EXIT_FINE),
                        "S31 (rule, design 3.5): the guard had ended the epoch and its answer was "
                        "lost: the epoch is given back\n");
    assert_string_equal(explain((const char *const[]){"--rule", "w10", NULL}, STDOUT_FILENO,
                                BW_EXIT_FINE),
                        "W10 (rule, design 3.2): D - F without a newer confirmation: what runs is "
                        "killed, the fence begins\n");
    assert_string_equal(explain((const char *const[]){"--rule", "guard_down", NULL}, STDOUT_FILENO, BW_EXIT_FINE),
                        "guard_down (in why_not: guard)\n"
                        "  text:   the guard does not answer\n"
                        "  means:  blocks until the guard answers\n"
                        "  do:     on the site: systemctl status breakwater-guard\n");
    assert_non_null(strstr(explain((const char *const[]){"--rule", "lapse", NULL}, STDOUT_FILENO, BW_EXIT_FINE),
                           "lease_not_expired (in why_not: lapse)\n"));
    (void)explain((const char *const[]){"--rule", "LAG", NULL}, STDOUT_FILENO, BW_EXIT_FINE);
    assert_non_null(strstr(printed, "lag_too_high (in why_not: lag)\n")); /* one old word, two problems */
    assert_non_null(strstr(printed, "lag_unknown (in why_not: lag)\n"));
    assert_string_equal(explain((const char *const[]){"--rule", "V15,A0", NULL}, STDOUT_FILENO,
                                BW_EXIT_FINE),
                        "V15 (rule, design 3.4): a script has ended: the mirror is written\n"
                        "A0 (rule, design 4): nothing to do\n");
    assert_string_equal(explain((const char *const[]){"--rule", "G4", "-o", "json", NULL},
                                STDOUT_FILENO, BW_EXIT_FINE),
                        "{\n  \"schema\": \"breakwater.rules/v1\",\n  \"rules\": [\n    {\n"
                        "      \"id\": \"G4\",\n      \"kind\": \"rule\",\n"
                        "      \"section\": \"3.1\",\n"
                        "      \"sentence\": \"the lease is surely over: Expired\"\n    }\n  ]\n}\n");
}

static void explain_lists_all_of_them(void **state)
{
    const char *const all[] = {"--rules", NULL};
    size_t rule_count;
    size_t line_count = 0;

    (void)state;
    (void)bw_rules(&rule_count);
    for (const char *line = explain(all, STDOUT_FILENO, BW_EXIT_FINE); (line = strchr(line, '\n'));
         line++)
        line_count++;
    assert_int_equal(line_count, rule_count + 4 * (size_t)BW_GATE_ID_COUNT);
    assert_non_null(strstr(printed, "A0 (rule, design 4): nothing to do\n"));
    assert_non_null(strstr(printed, "\nstop_unverifiable (in why_not: stop_seen)\n"));
}

static void an_id_that_is_none_is_said_to_be(void **state)
{
    (void)state;
    assert_non_null(strstr(explain((const char *const[]){"--rule", "S999", NULL}, STDERR_FILENO,
                                   BW_EXIT_USAGE),
                           "--rule S999: no such rule or gate; `breakwater explain --rules` lists"));
    assert_non_null(strstr(explain((const char *const[]){"--rule", "S1,S999", NULL}, STDERR_FILENO,
                                   BW_EXIT_USAGE),
                           "--rule S999: no such rule"));
    assert_non_null(strstr(explain((const char *const[]){"--rule", "S1,", NULL}, STDERR_FILENO,
                                   BW_EXIT_USAGE),
                           "--rule : no such rule"));
    assert_non_null(strstr(explain((const char *const[]){NULL}, STDERR_FILENO, BW_EXIT_USAGE),
                           "needs one of GROUP, --rule ID, --rules"));
    assert_non_null(strstr(explain((const char *const[]){"harbor", "--rule", "S1", NULL},
                                   STDERR_FILENO, BW_EXIT_USAGE),
                           "needs one of GROUP, --rule ID, --rules"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_has_its_words_once),
        cmocka_unit_test(each_row_of_the_group_has_its_words),
        cmocka_unit_test(explain_says_what_a_rule_means),
        cmocka_unit_test(explain_lists_all_of_them),
        cmocka_unit_test(an_id_that_is_none_is_said_to_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
