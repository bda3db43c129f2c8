/* What a verb that changes something asks on a terminal: of which cluster, and as whom. Design 5.2. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "on_terminal.h"
#include "trio_life.h"

static void write_config(const char *path)
{
    char identity[TEST_PKI_PATH_BYTES];
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    test_pki_issue_uri(&trio.pki, "anna.pem", "breakwater://prod/operator/anna", identity);
    assert_true(fprintf(out, "endpoints: [\"127.0.0.1:%u\"]\ntls: {ca: %s, identity: %s}\n", (unsigned)trio.api[0],
                        trio.pki.ca_path, identity) > 0);
    assert_int_equal(fclose(out), 0);
}

static void write_groups(const char *path, const char *mode)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_true(fprintf(out, "groups:\n  - name: harbor\n    sites: [{name: dc-a}, {name: dc-b}]\n    mode: %s\n", mode) >
                0);
    assert_int_equal(fclose(out), 0);
}

static void become(const char *const *words, const char *config)
{
    char program[512];

    (void)snprintf(program, sizeof program, "%s/breakwater", getenv("BREAKWATER_BUILD"));
    (void)setenv("BREAKWATER_CONFIG", config, 1);
    (void)execv(program, (char *const *)(uintptr_t)words);
    _exit(127);
}

/* Its exit. */
static int run(const char *const *words, const char *config)
{
    const pid_t runs = fork();
    int status;

    assert_true(runs >= 0);
    if (runs == 0)
        become(words, config);
    assert_int_equal(waitpid(runs, &status, 0), runs);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What `breakwater` asks; the answer is no. */
static void ask(const char *const *words, const char *config, char *said, size_t size)
{
    pid_t asks;
    int terminal, status;

    said[0] = '\0';
    asks = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(asks >= 0);
    if (asks == 0)
        become(words, config);
    hear_until(terminal, "to go on: ", said, size);
    assert_int_equal(write(terminal, "no\n", 3), 3);
    assert_int_equal(waitpid(asks, &status, 0), asks);
    (void)close(terminal);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

/* Two clusters may have a group of one name, and two shells two files. */
static void a_question_says_of_which_cluster_and_by_which_file(void **state)
{
    const char *const words[] = {"breakwater", "members", "remove", "w3", NULL};
    char config[TRIO_PATH_BYTES];
    char wanted[TRIO_PATH_BYTES + 64];
    char said[16384] = "";

    (void)state;
    trio_path(&trio, "cli.yaml", config);
    write_config(config);
    ask(words, config, said, sizeof said);
    (void)snprintf(wanted, sizeof wanted, "In cluster prod, as operator anna (%s): ", config);
    if (strstr(said, wanted) == NULL)
        fail_msg("%s", said);
}

/* 3.9: a `yes` that is typed by habit lets nothing go, and vouches for nobody. */
static void what_may_end_in_two_sites_that_serve_asks_for_a_name(void **state)
{
    char config[TRIO_PATH_BYTES];
    char groups[TRIO_PATH_BYTES];
    const char *words[] = {"breakwater", "apply", "-f", groups, NULL, NULL, NULL};
    char said[16384] = "";

    (void)state;
    trio_path(&trio, "cli.yaml", config);
    write_config(config);
    trio_path(&trio, "groups.yaml", groups);
    write_groups(groups, "auto");
    ask(words, config, said, sizeof said);
    assert_non_null(strstr(said, "Commit this? Type \"yes\" to go on: "));
    words[4] = "--initial-primary";
    words[5] = "dc-a";
    ask(words, config, said, sizeof said);
    assert_non_null(strstr(said, "! dc-b is not connected: you confirm"));
    assert_non_null(strstr(said, "Commit this, and confirm that the service is stopped at each other site? Type \"dc-a\" to go on: "));
    words[4] = "--yes";
    words[5] = NULL;
    assert_int_equal(run(words, config), 0);
    words[4] = NULL;
    write_groups(groups, "observe");
    ask(words, config, said, sizeof said);
    assert_non_null(strstr(said, "1 every site releases the service to manual control"));
    assert_non_null(strstr(said, "Commit this? Type \"harbor\" to go on: "));
}

/* It asks nothing, and changes nothing. */
static void expect_no_change(const char *const *words, const char *config)
{
    char said[16384] = "";
    pid_t looks;
    int terminal, status;

    looks = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(looks >= 0);
    if (looks == 0)
        become(words, config);
    hear_until(terminal, NULL, said, sizeof said);
    assert_int_equal(waitpid(looks, &status, 0), looks);
    (void)close(terminal);
    if (strstr(said, "Nothing to change.") == NULL)
        fail_msg("%s", said);
}

static void write_modeless(const char *path)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_true(fputs("groups:\n  - name: harbor\n    sites: [{name: dc-a}, {name: dc-b}]\n", out) >= 0);
    assert_int_equal(fclose(out), 0);
}

/* A file that is applied again, with or without --unmanaged, undoes no `mode`. */
static void a_new_group_begins_unmanaged_and_a_known_one_keeps_its_mode(void **state)
{
    char config[TRIO_PATH_BYTES];
    char groups[TRIO_PATH_BYTES];
    const char *words[] = {"breakwater", "apply", "-f", groups, "--unmanaged", "--yes", NULL};
    char said[16384] = "";

    (void)state;
    trio_path(&trio, "cli.yaml", config);
    write_config(config);
    trio_path(&trio, "groups.yaml", groups);
    write_groups(groups, "manual"); /* a mode of the file is for later, too */
    assert_int_equal(run(words, config), 0);
    words[5] = NULL;
    ask(words, config, said, sizeof said);
    assert_non_null(strstr(said, "mode: observe -> manual")); /* the group is there now: the file counts */
    write_modeless(groups);
    expect_no_change(words, config);
    write_groups(groups, "manual");
    words[4] = "--yes";
    assert_int_equal(run(words, config), 0);
    write_modeless(groups);
    words[4] = "--unmanaged";
    expect_no_change(words, config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_question_says_of_which_cluster_and_by_which_file, trio_set_up_led, trio_tear_down),
        cmocka_unit_test_setup_teardown(what_may_end_in_two_sites_that_serve_asks_for_a_name, trio_set_up_led, trio_tear_down),
        cmocka_unit_test_setup_teardown(a_new_group_begins_unmanaged_and_a_known_one_keeps_its_mode, trio_set_up_led,
                                        trio_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
