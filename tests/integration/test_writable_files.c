/* What others than root and the daemon's user can change is refused by `check` and by the daemon alike, in the
 * same words, and the command in them mends it. Design 5.4. What a guard enforces that refuses to begin is in
 * test_guard_mirrors, an agent's and a guard's reload in test_agent_program and test_guard_program. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lacking.h"
#include "shell_outcome.h"
#include "trio.h"

#define STATUS_CONFIG 78
#define OUT_BYTES     16384
#define COMMAND_BYTES 1024

static struct trio trio;
static char output[OUT_BYTES]; /* by the last run */

/* In the directory of the trio; its exit status. */
static int run(const char *command)
{
    char line[COMMAND_BYTES];

    (void)snprintf(line, sizeof line, "cd '%s' && { %s ; } 2>&1", trio.pki.dir, command);
    return outcome_of(line, output, sizeof output);
}

static void do_in(const char *command)
{
    if (run(command) != 0)
        fail_msg("%s: %s", command, output);
}

static int breakwater(const char *words)
{
    char command[COMMAND_BYTES];

    (void)snprintf(command, sizeof command,
                   "timeout -s KILL 30 \"$BREAKWATER_BUILD/breakwater\" %s", words);
    return run(command);
}

static const char site_text[] =
    "cluster: prod\\nsite: dc-a\\nname: agent-1\\nstate_dir: state\\nrun_dir: run\\n"
    "guard_socket: guard.sock\\ntls: {ca: ca.pem, identity: agent.pem}\\n"
    "witnesses: [\"127.0.0.1:1\"]\\n"
    "groups:\\n  - name: harbor\\n    stop_method: cgroup\\n    legacy_config: seven.yaml\\n";

static int set_up(void **state)
{
    char path[TEST_PKI_PATH_BYTES];
    char command[COMMAND_BYTES];

    (void)state;
    trio_init(&trio);
    test_pki_issue_uri(&trio.pki, "agent.pem", "breakwater://prod/agent/dc-a/agent-1", path);
    (void)snprintf(command, sizeof command, "printf '%s' >site.yaml", site_text);
    do_in(command);
    do_in("printf '#!/bin/sh\\necho stopped\\n' >s.sh && cp s.sh t.sh && cp s.sh u.sh && cp s.sh v.sh && chmod 755 *.sh");
    do_in("printf 'status_script: s.sh\\nstart_script: t.sh\\nstop_script: u.sh\\ncondition_check_script: v.sh\\n' >seven.yaml");
    do_in("mkdir -m 700 -p state/agent state/guard run/dc-a-guard && chmod 700 state && chmod 755 run && "
          "touch state/agent/prod.state state/guard/cluster run/dc-a-guard/harbor.mirror");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    do_in("rm -rf state run new lab");
    trio_deinit(&trio);
    return 0;
}

/* What is between "run: " and the end of the words. */
static void take_command(char out_command[COMMAND_BYTES])
{
    const char *from = strstr(output, "; run: ");
    size_t length;

    assert_non_null(from);
    from += strlen("; run: ");
    length = strcspn(from, "\"\n");
    assert_true(length < COMMAND_BYTES);
    memcpy(out_command, from, length);
    out_command[length] = '\0';
}

struct spoiled {
    const char *file; /* of the trio; "": its directory */
    const char *mode; /* of the words */
    const char *words[2]; /* `check` of what, and the daemons that refuse it */
    const char *more;
};

static void assert_refused(const struct spoiled *spoiled)
{
    const char *const daemons[] = {spoiled->words[1], spoiled->more};
    char words[COMMAND_BYTES];
    char command[COMMAND_BYTES];

    (void)snprintf(command, sizeof command, "chmod g+w '%s/%s'", trio.pki.dir, spoiled->file);
    do_in(command);
    (void)snprintf(words, sizeof words, "others can change it: %s%s%s has mode %s; run: chmod go-w %s%s%s",
                   trio.pki.dir, spoiled->file[0] == '\0' ? "" : "/", spoiled->file, spoiled->mode,
                   trio.pki.dir, spoiled->file[0] == '\0' ? "" : "/", spoiled->file);
    for (size_t i = 0; i < sizeof daemons / sizeof daemons[0] && daemons[i] != NULL; i++) {
        const int status = breakwater(daemons[i]);

        if (status != STATUS_CONFIG || strstr(output, words) == NULL)
            fail_msg("%s: %d, and \"%s\" is not in:\n%s", daemons[i], status, words, output);
    }
    if (breakwater(spoiled->words[0]) != 1 || strstr(output, words) == NULL)
        fail_msg("%s: \"%s\" is not in:\n%s", spoiled->words[0], words, output);
    take_command(command);
    do_in(command);
    if (breakwater(spoiled->words[0]) != 0)
        fail_msg("%s after \"%s\":\n%s", spoiled->words[0], command, output);
}

static void what_others_can_change_starts_no_witness(void **state)
{
    static const struct spoiled files[] = {
        {"", "0720", {"check w1.yaml", "witness -c w1.yaml"}, NULL},
        {"w1.yaml", "0664", {"check w1.yaml", "witness -c w1.yaml"}, NULL},
        {"ca.pem", "0664", {"check w1.yaml", "witness -c w1.yaml"}, NULL},
        {"data1", "0720", {"check w1.yaml", "witness -c w1.yaml"}, NULL},
        {"data1/identity", "0620", {"check w1.yaml", "witness -c w1.yaml"}, NULL},
        {"data1/raft", "0720", {"check w1.yaml", "witness -c w1.yaml"}, NULL},
        {"data1/raft/any", "0620", {"check w1.yaml", "witness -c w1.yaml"}, NULL},
    };

    (void)state;
    do_in("chmod 644 ca.pem w1.yaml && touch data1/raft/any && chmod 600 data1/raft/any");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_refused(&files[i]);
}

static void what_others_can_change_starts_neither_agent_nor_guard(void **state)
{
    static const struct spoiled files[] = {
        {"site.yaml", "0664", {"check site.yaml", "agent -c site.yaml"}, "guard -c site.yaml"},
        {"seven.yaml", "0664", {"check site.yaml", "agent -c site.yaml"}, "guard -c site.yaml"},
        {"ca.pem", "0664", {"check site.yaml", "agent -c site.yaml"}, NULL},
        {"state", "0720", {"check site.yaml", "agent -c site.yaml"}, "guard -c site.yaml"},
        {"state/agent", "0720", {"check site.yaml", "agent -c site.yaml"}, NULL},
        {"state/agent/prod.state", "0620", {"check site.yaml", "agent -c site.yaml"}, NULL},
        {"state/guard", "0720", {"check site.yaml", "guard -c site.yaml"}, NULL},
        {"state/guard/cluster", "0620", {"check site.yaml", "guard -c site.yaml"}, NULL},
        {"run", "0775", {"check site.yaml", "guard -c site.yaml"}, NULL},
        {"run/dc-a-guard/harbor.mirror", "0620", {"check site.yaml", "guard -c site.yaml"}, NULL},
    };

    (void)state;
    do_in("chmod 600 state/*/* run/*/* && chmod 644 ca.pem site.yaml seven.yaml");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_refused(&files[i]);
}

/* Design 5.4: a bad file leaves the old one in force. */
static void a_witness_that_is_to_reload_such_a_file_goes_on_with_the_old(void **state)
{
    (void)state;
    trio_start(&trio, 0, TRIO_EXECUTED);
    trio_logs(&trio, 0, "event=witness.started");

    do_in("chmod o+w w1.yaml");
    trio_signal(&trio, 0, SIGHUP);
    trio_logs(&trio, 0, "error=\"others can change it: ");
    trio_logs(&trio, 0, "event=config.reload_failed");
    do_in("chmod o-w w1.yaml && chmod g+w ca.pem");
    trio_signal(&trio, 0, SIGHUP);
    trio_logs_times(&trio, 0, "event=config.reload_failed", 2);
    trio_logs(&trio, 0, "/ca.pem: others can change it: ");
    do_in("chmod g-w ca.pem");
    trio_signal(&trio, 0, SIGHUP);
    trio_logs(&trio, 0, "event=config.reloaded");
    assert_int_equal(trio_stop(&trio, 0, SIGTERM), 0);
}

/* Without a signal: a running witness says so soon, and the command that it names is enough. */
static void a_chmod_alone_is_noticed(void **state)
{
    (void)state;
    trio_start(&trio, 0, TRIO_EXECUTED);
    trio_logs(&trio, 0, "event=witness.started");
    do_in("chmod g+w ca.pem");
    trio_logs(&trio, 0, "event=config.reload_failed component=witness what=certificates");
    trio_logs(&trio, 0, "/ca.pem: others can change it: ");
    do_in("chmod g-w ca.pem");
    trio_logs(&trio, 0, "event=config.reloaded component=witness what=certificates");
    assert_int_equal(trio_stop(&trio, 0, SIGTERM), 0);
}

/* A command neither shows its key to whom others could name, nor asks those. */
static void what_others_can_change_is_no_commands_either(void **state)
{
    static const struct {
        const char *command;
        const char *says;
    } spoiled[] = {
        {"chmod g+w cli.yaml", "cli.yaml: error: others can change it: "},
        {"chmod go-w cli.yaml && chmod o+w ca.pem", "ca.pem: others can change it: "},
        {"chmod o-w ca.pem && chmod o+w viewer.pem", "viewer.pem: others can change it: "},
        {"chmod 644 viewer.pem", "lets others at it; run: chmod 600 "},
        {"chmod 600 viewer.pem && chmod 777 .", "others can change it: "},
    };

    (void)state;
    do_in("printf 'endpoints: [\"127.0.0.1:1\"]\\ntls: {ca: ca.pem, identity: viewer.pem}\\n' >cli.yaml && "
          "chmod 644 cli.yaml ca.pem");
    assert_int_equal(breakwater("status --config cli.yaml"), 5); /* it was asked for: nobody is there */
    for (size_t i = 0; i < sizeof spoiled / sizeof spoiled[0]; i++) {
        do_in(spoiled[i].command);
        assert_int_equal(breakwater("status --config cli.yaml"), 1);
        if (strstr(output, spoiled[i].says) == NULL || strstr(output, "127.0.0.1:1") != NULL)
            fail_msg("%s: %s", spoiled[i].command, output);
        assert_int_equal(breakwater("check cli.yaml"), 1);
        if (strstr(output, spoiled[i].says) == NULL)
            fail_msg("%s: check: %s", spoiled[i].command, output);
    }
    assert_int_equal(
        breakwater("status --endpoint 127.0.0.1:1 --ca ca.pem --identity viewer.pem"), 1);
    assert_non_null(strstr(output, "others can change it: "));
    do_in("chmod 700 .");
    assert_int_equal(breakwater("status --config cli.yaml"), 5);
}

/* As root before the first start: what the witness may is judged as the user that it will be. */
static void root_checks_a_witness_as_the_user_who_owns_its_key(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip_lacking("root");
    do_in("chmod 755 . && chmod 644 ca.pem w1.yaml && chown 65534 w1.pem");
    assert_int_equal(breakwater("check w1.yaml"), 1);
    assert_non_null(strstr(output, "judged as nobody, who owns the key: the witness has to run as that user"));
    assert_non_null(strstr(
        output, "data1: cannot be used: Permission denied; it belongs to user root and is judged "
                "as nobody"));

    do_in("chown -R 65534 data1");
    if (breakwater("check w1.yaml") != 0)
        fail_msg("%s", output);

    do_in("chown 1 data1/identity");
    assert_int_equal(breakwater("check w1.yaml"), 1);
    assert_non_null(strstr(
        output, "/identity belongs to user daemon, and this runs as nobody: run it as that user "
                "(as root: runuser -u daemon -- breakwater ...); only if no daemon runs as "
                "daemon, give it to nobody"));
    assert_null(strstr(output, "chown"));
}

/* Its key is not there yet, or was copied as root: whose it is the data directory says. */
static void root_checks_a_witness_without_its_key_as_the_owner_of_its_data(void **state)
{
    static const char *const keys[] = {"mv w1.pem away.pem",
                                       "mv away.pem w1.pem && chown 0 w1.pem"};

    (void)state;
    if (geteuid() != 0)
        skip_lacking("root");
    do_in("chmod 755 . && chmod 644 ca.pem w1.yaml && chown -R 65534 data1");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        do_in(keys[i]);
        assert_int_equal(breakwater("check w1.yaml"), 1);
        if (strstr(output,
                   "judged as nobody, who owns the data directory: the witness has to run as "
                   "that user") == NULL ||
            strstr(output, "w1.pem") == NULL || strstr(output, "chown") != NULL)
            fail_msg("%s: %s", keys[i], output);
    }
    do_in("chown -R 0 data1");
}

/* What a chown would take away from its witness, which then could not start. */
static void root_is_told_whose_data_it_is_and_to_take_it_from_nobody(void **state)
{
    static const char *const verbs[] = {
        "recover -c w1.yaml --plan",
        "witness init --join -c w1.yaml --cluster-id 00000000000000000000000000000001",
        "witness -c w1.yaml",
    };

    (void)state;
    if (geteuid() != 0)
        skip_lacking("root");
    do_in("chmod 755 . && chmod 644 ca.pem w1.yaml && chown -R 65534 data1");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        assert_int_not_equal(breakwater(verbs[i]), 0);
        if (strstr(output, "belongs to user nobody, and this runs as root: run it as that user "
                           "(runuser -u nobody -- "
                           "breakwater ...)") == NULL ||
            strstr(output, "chown") != NULL)
            fail_msg("%s: %s", verbs[i], output);
    }
    do_in("chown -R 0 data1");
}

/* Whose data it is, and whether a start would be refused for it. */
static void check_looks_into_the_data_directory(void **state)
{
    static const struct {
        const char *spoils, *says, *mends;
        int status;
    } cases[] = {
        {"mv data1 away", "data1: No such file or directory; `breakwater witness init` makes it;",
         "mv away data1", 0},
        {"mv data1/identity away", "holds no witness", "mv away data1/identity", 0},
        {"touch data1/recovery", "a recovery was begun and is not finished", "rm data1/recovery",
         1},
        {"mv data1 away && cp -a data2 data1", "belongs to witness 2, not to 1",
         "rm -r data1 && mv away data1", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        do_in(cases[i].spoils);
        if (breakwater("check w1.yaml") != cases[i].status || strstr(output, cases[i].says) == NULL)
            fail_msg("%s: \"%s\" is not in:\n%s", cases[i].spoils, cases[i].says, output);
        do_in(cases[i].mends);
    }
    assert_int_equal(breakwater("check w1.yaml"), 0);
}

/* Whose umask is 002 makes nothing that he is refused for afterwards. */
static void what_the_programs_make_nobody_else_can_change(void **state)
{
    (void)state;
    do_in("umask 000 && \"$BREAKWATER_BUILD/breakwater\" pki init --cluster prod --dir new && "
          "\"$BREAKWATER_BUILD/breakwater\" pki issue witness/w1 --dir new --san ip:127.0.0.1 && "
          "sed 's/data1/new\\/data/; s/ca: .*ca.pem/ca: new\\/ca.pem/; s/identity: [^,}]*/identity: new\\/w1.pem/' "
          "w1.yaml >new.yaml && chmod go-w new.yaml && "
          "\"$BREAKWATER_BUILD/breakwater\" witness init -c new.yaml");
    do_in("! find new -perm /022 | grep .");
    do_in("umask 000 && \"$BREAKWATER_BUILD/breakwater\" dev --dir lab --scenario switchover");
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(what_others_can_change_starts_no_witness),
        CLAIM(what_others_can_change_starts_neither_agent_nor_guard),
        CLAIM(a_witness_that_is_to_reload_such_a_file_goes_on_with_the_old),
        CLAIM(a_chmod_alone_is_noticed),
        CLAIM(what_others_can_change_is_no_commands_either),
        CLAIM(root_checks_a_witness_as_the_user_who_owns_its_key),
        CLAIM(root_checks_a_witness_without_its_key_as_the_owner_of_its_data),
        CLAIM(root_is_told_whose_data_it_is_and_to_take_it_from_nobody),
        CLAIM(check_looks_into_the_data_directory),
        CLAIM(what_the_programs_make_nobody_else_can_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
