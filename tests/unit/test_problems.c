/* problems: what a daemon finds in a file that it reads again is said in its log (design 5.4). What is printed:
 * test_config_golden. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/config/problems.h>
#include <breakwater/obs/log.h>

/* In the form of the journal, which has no time stamp. */
static const char *logged(struct bw_problems *problems)
{
    static char text[1 << 16];
    FILE *file = tmpfile();
    struct bw_log log = {.level = BW_LOG_INFO, .journal = true, .component = "guard"};

    assert_non_null(file);
    log.fd = fileno(file);
    bw_problems_log(problems, &log);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    return text;
}

static void add(struct bw_problems *problems, bool is_warning, uint32_t line, const char *text)
{
    struct bw_problem *problem = bw_problems_add(problems, is_warning);

    if (problem == NULL)
        return;
    problem->file = bw_problems_file(problems, "/etc/breakwater/site.yaml");
    problem->line = line;
    problem->column = 5;
    (void)snprintf(problem->text, sizeof problem->text, "%s", text);
}

static void each_problem_is_a_line_of_the_log_in_the_order_of_the_file(void **state)
{
    struct bw_problems problems;

    (void)state;
    bw_problems_init(&problems);
    add(&problems, true, 9, "groups[0].fence_timeout: is long");
    add(&problems, false, 2, "groups: wants a list,\nnot \"nonsense\"");
    add(&problems, false, 0, "cannot be read");

    assert_string_equal(logged(&problems),
                        "<3>level=error event=config.problem component=guard error=\"cannot be read\" "
                        "at=\"/etc/breakwater/site.yaml\"\n"
                        "<3>level=error event=config.problem component=guard "
                        "error=\"groups: wants a list,\\x0anot \\\"nonsense\\\"\" "
                        "at=\"/etc/breakwater/site.yaml:2:5\"\n"
                        "<4>level=warn event=config.problem component=guard "
                        "error=\"groups[0].fence_timeout: is long\" at=\"/etc/breakwater/site.yaml:9:5\"\n");
    bw_problems_deinit(&problems);
}

static void those_that_are_not_listed_are_counted_in_the_log(void **state)
{
    struct bw_problems problems;
    const char *text;

    (void)state;
    bw_problems_init(&problems);
    for (uint32_t i = 0; i < BW_PROBLEMS_LISTED_MAX + 3; i++)
        add(&problems, false, i + 1, "wrong");
    text = logged(&problems);

    assert_non_null(strstr(text, "site.yaml:50:5"));
    assert_null(strstr(text, "site.yaml:51:5"));
    assert_non_null(strstr(text, "mistakes=3 error=\"more are not listed\"\n"));
    bw_problems_deinit(&problems);
}

static void file_without_a_problem_logs_nothing(void **state)
{
    struct bw_problems problems;

    (void)state;
    bw_problems_init(&problems);

    assert_string_equal(logged(&problems), "");
    bw_problems_deinit(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_problem_is_a_line_of_the_log_in_the_order_of_the_file),
        cmocka_unit_test(those_that_are_not_listed_are_counted_in_the_log),
        cmocka_unit_test(file_without_a_problem_logs_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
