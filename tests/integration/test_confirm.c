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
#include "trio.h"

static struct trio trio;

static int setup(void **state)
{
    (void)state;
    trio_init(&trio);
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trio_deinit(&trio);
    return 0;
}

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

/* Two clusters may have a group of one name, and two shells two files. */
static void a_question_says_of_which_cluster_and_by_which_file(void **state)
{
    char config[TRIO_PATH_BYTES];
    char program[512];
    char wanted[TRIO_PATH_BYTES + 64];
    char said[16384] = "";
    int terminal, status;
    pid_t asks;

    (void)state;
    trio_path(&trio, "cli.yaml", config);
    write_config(config);
    (void)snprintf(program, sizeof program, "%s/breakwater", getenv("BREAKWATER_BUILD"));
    asks = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(asks >= 0);
    if (asks == 0) {
        (void)setenv("BREAKWATER_CONFIG", config, 1);
        (void)execl(program, "breakwater", "members", "remove", "w3", (char *)NULL);
        _exit(127);
    }
    hear_until(terminal, "to go on: ", said, sizeof said);
    assert_int_equal(write(terminal, "no\n", 3), 3);
    assert_int_equal(waitpid(asks, &status, 0), asks);
    (void)close(terminal);
    (void)snprintf(wanted, sizeof wanted, "In cluster prod, as operator anna (%s): ", config);
    if (strstr(said, wanted) == NULL)
        fail_msg("%s", said);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_question_says_of_which_cluster_and_by_which_file, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
