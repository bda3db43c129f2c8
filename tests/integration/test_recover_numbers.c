/* The numbers of a recovery: no clock has a part in them, what nobody has heard of is undone, and a site that follows
 * nobody says so, with the commands that help. Design 3.9, on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster_life.h"
#include "faults.h"
#include "janitor.h"
#include "shell_outcome.h"
#include "patience.h"
#include "real_files.h"
#include "typed_page.h"

#define LAST    2 /* w3 */
#define REFUSED 6

static char out[1 << 16];
static char generation[24]; /* what stands for GENERATION on the page */

/* The exit status of a line of shell, in which W3, DATA and DIR are w3's file and directory, and the first site's. */
__attribute__((format(printf, 1, 2))) static int run(const char *format, ...)
{
    static char text[4096];
    static char command[8192];
    char config[TRIO_PATH_BYTES];
    char data[TRIO_PATH_BYTES];
    va_list list;

    trio_path(&cluster.trio, "w3.yaml", config);
    trio_path(&cluster.trio, "data3", data);
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    (void)snprintf(command, sizeof command, "exec 2>&1; PATH=\"$BREAKWATER_BUILD:$PATH\" W3='%s' DIR='%s' DATA='%s'; %s",
                   config, cluster.sites[0].dir, data, text);
    return outcome_of(command, out, sizeof out);
}

static void assert_ran(int status, int wanted, const char *says)
{
    if (status != wanted || strstr(out, says) == NULL)
        fail_msg("%d, wanted %d and \"%s\": %s", status, wanted, says, out);
}

/* ---- the page ---- */

#define PAGE      "deploy/doc/disaster-recovery.md"
#define AS_USER   "runuser -u breakwater -- "
#define RECOVER   AS_USER "breakwater recover -c /etc/breakwater/witness.yaml"
#define RESTORE   AS_USER "breakwater snapshot restore -c /etc/breakwater/witness.yaml"
#define STATE_DIR "/var/lib/breakwater-agent"

/* Each command of the page is one of these, and a case types it; what systemctl does the case does. */
static const char *const typed[] = {
    RECOVER " --plan", RECOVER, RECOVER " --undo", RECOVER " --above GENERATION", "breakwater status", "breakwater status --site",
    "breakwater check /etc/breakwater/site.yaml", "breakwater snapshot save SAVED", RESTORE " --plan - <SAVED",
    RESTORE " --yes - <SAVED", "rm -r " STATE_DIR "/agent " STATE_DIR "/guard",
};

/* Types a line of the page, with the files of this test in the place of those there; `more` is what a person adds. */
static int type(const char *line, const char *more)
{
    char command[4096];
    char state[REAL_PATH_BYTES];
    bool is_known = false;

    for (size_t i = 0; i < sizeof typed / sizeof typed[0]; i++)
        is_known = is_known || strcmp(typed[i], line) == 0;
    assert_true(is_known);
    real_path(&cluster.sites[0], "state", state);
    (void)snprintf(command, sizeof command, "%s%s", line, more);
    typed_page_put(command, sizeof command, AS_USER, "");
    typed_page_put(command, sizeof command, "/etc/breakwater/witness.yaml", "\"$W3\"");
    typed_page_put(command, sizeof command, "/etc/breakwater/site.yaml", "\"$DIR/site.yaml\"");
    typed_page_put(command, sizeof command, STATE_DIR, state);
    typed_page_put(command, sizeof command, "GENERATION", generation);
    typed_page_put(command, sizeof command, "SAVED", "\"$DIR/saved\"");
    return run("%s", command);
}

static int recover(const char *options)
{
    return run("breakwater recover -c \"$W3\" %s", options);
}

static void each_command_of_the_page_is_typed(void **state)
{
    const struct typed_page page = {PAGE, "```sh recover", typed, sizeof typed / sizeof typed[0]};

    (void)state;
    typed_page_check(&page);
}

/* Whom the command asks, and as whom: what cli.yaml says elsewhere. */
static const char *status_options(void)
{
    static char options[512];
    char ca[TRIO_PATH_BYTES];
    char identity[TRIO_PATH_BYTES];

    trio_path(&cluster.trio, "ca.pem", ca);
    trio_path(&cluster.trio, "operator.pem", identity);
    (void)snprintf(options, sizeof options, " --endpoint 127.0.0.1:%u --ca %s --identity %s",
                   (unsigned)cluster.trio.api[LAST], ca, identity);
    return options;
}

static void lose_all_but_the_last(void)
{
    for (int i = 0; i < TRIO_WITNESSES; i++)
        (void)trio_stop(&cluster.trio, i, i < LAST ? SIGKILL : SIGTERM);
}

static bool serves_anew(struct real_cluster *of, int site)
{
    return real_serves(of, site) && real_number(of, "epoch") > 1 << 24;
}

static void it_serves_anew(void)
{
    trio_start(&cluster.trio, LAST, TRIO_EXECUTED);
    real_until(&cluster, serves_anew, 0, "the first site serves in the new generation");
    real_assert_no_overlap(&cluster);
}

/* As far as its certificate counts by that clock; by years: unit/test_recovery. */
static void recover_at(const char *shift)
{
    char faults[TRIO_PATH_BYTES];
    char says[64];

    real_serve(&cluster);
    lose_all_but_the_last();
    trio_path(&cluster.trio, "faults", faults);
    (void)snprintf(says, sizeof says, "wall - %s\n", shift);
    faults_begin(faults);
    faults_say(faults, says);
    assert_ran(type(RECOVER " --plan", ""), 0, "The cluster restarts as generation");
    assert_ran(type(RECOVER, " --yes"), 0, "The cluster restarts as generation");
    faults_end();
    it_serves_anew();
    (void)type("breakwater status", status_options());
    assert_non_null(strstr(out, "harbor"));
}

static void a_recovery_by_a_clock_two_months_ahead_is_followed_at_once(void **state)
{
    (void)state;
    recover_at("5184000");
}

static void a_recovery_by_a_clock_most_of_a_day_behind_is_followed_at_once(void **state)
{
    (void)state;
    recover_at("-72000");
}

static void what_nobody_has_heard_of_is_undone_and_nothing_else(void **state)
{
    (void)state;
    real_serve(&cluster);
    lose_all_but_the_last();
    assert_ran(recover("--undo --yes"), REFUSED, "has no directory of a generation before 1");
    assert_ran(recover("--yes"), 0, "The cluster restarts");
    assert_ran(recover("--undo --plan"), 0, "No witness has led in generation");
    assert_ran(type(RECOVER " --undo", " --yes"), 0, "Done.");
    assert_ran(run("breakwater recover -c \"$W3\" --plan; ls \"$DATA\""), 0, ", generation 1, ");
    assert_null(strstr(out, "generation-1\n"));

    for (int i = 0; i < TRIO_WITNESSES; i++) /* it is one of the old ones again */
        trio_start(&cluster.trio, i, TRIO_EXECUTED);
    real_until(&cluster, real_serves, 0, "the cluster of before goes on");

    lose_all_but_the_last();
    assert_ran(recover("--yes"), 0, "The cluster restarts");
    it_serves_anew();
    assert_int_equal(trio_stop(&cluster.trio, LAST, SIGTERM), 0);
    assert_ran(recover("--undo --yes"), REFUSED, "has led in generation");
    assert_non_null(strstr(out, "--above "));
}

static bool says_it_follows_none(const char *what)
{
    (void)run("ln -sf run/%s-agent.socket \"$DIR/\"", cluster.sites[0].name);
    return type("breakwater status --site", " --socket \"$DIR/guard.sock\"") == 3 && strstr(out, "! this site follows no witness: ") != NULL && strstr(out, what) != NULL;
}

static void it_says_that_it_follows_none(const char *what)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);

    while (!says_it_follows_none(what)) {
        if (patience_is_over(&patience))
            patience_fail("status --site says that no witness is followed, %s: %s", what, out);
        (void)usleep(100000);
    }
}

/* What was recovered from is older than what sites follow, as a copy of the directory is. */
static void a_site_above_the_recovered_generation_says_what_to_do(void **state)
{
    const char *at;

    (void)state;
    real_serve(&cluster);
    lose_all_but_the_last();
    assert_int_equal(run("cp -a \"$DATA\" \"$DATA.copy\""), 0);
    assert_ran(recover("--yes --above 1000000000"), 0, "The cluster restarts");
    it_serves_anew();
    assert_int_equal(trio_stop(&cluster.trio, LAST, SIGTERM), 0);
    assert_int_equal(run("rm -r \"$DATA\"; mv \"$DATA.copy\" \"$DATA\""), 0);
    assert_ran(recover("--yes"), 0, "The cluster restarts");
    trio_start(&cluster.trio, LAST, TRIO_EXECUTED);

    it_says_that_it_follows_none("this site follows generation 10");
    assert_ran(type("breakwater check /etc/breakwater/site.yaml", " | grep -A 3 'follows no witness'"), 0,
               "this site follows generation 10");
    assert_true(says_it_follows_none("--above "));
    at = strstr(out, "breakwater recover -c /etc/breakwater/witness.yaml --above ");
    assert_non_null(at);
    (void)snprintf(generation, sizeof generation, "%.*s", (int)strspn(strstr(at, "--above ") + 8, "0123456789"),
                   strstr(at, "--above ") + 8);

    assert_int_equal(trio_stop(&cluster.trio, LAST, SIGTERM), 0);
    assert_ran(type(RECOVER " --above GENERATION", " --yes"), 0, "The cluster restarts"); /* as printed, at its own file */
    it_serves_anew();
}

static void end_daemons(int site)
{
    (void)real_end(&cluster.sites[site].agent, SIGTERM);
    (void)real_end(&cluster.sites[site].guard, SIGTERM);
}

static void when_all_witnesses_were_made_anew_the_printed_commands_help(void **state)
{
    char state_dir[REAL_PATH_BYTES];
    char wanted[2 * REAL_PATH_BYTES + 32];

    (void)state;
    real_serve(&cluster);
    trio_found_anew(&cluster.trio);
    trio_start_all(&cluster.trio, TRIO_EXECUTED);
    it_says_that_it_follows_none("if every witness was re-created");
    assert_ran(type("breakwater check /etc/breakwater/site.yaml", ""), 1, "if every witness was re-created");
    assert_true(says_it_follows_none("systemctl stop breakwater-agent breakwater-guard"));
    real_path(&cluster.sites[0], "state", state_dir);
    (void)snprintf(wanted, sizeof wanted, "rm -r %s/agent %s/guard", state_dir, state_dir);
    assert_non_null(strstr(out, wanted));

    for (int site = 0; site < 2; site++)
        end_daemons(site);
    if (real_service(&cluster, 0) != 0)
        real_kill_service(&cluster, 0); /* "stop the service on this machine" */
    assert_int_equal(type("rm -r " STATE_DIR "/agent " STATE_DIR "/guard", ""), 0);
    assert_int_equal(run("rm -r \"$DIR/../b/state/agent\" \"$DIR/../b/state/guard\""), 0);
    real_serve(&cluster);
    real_assert_no_overlap(&cluster);
}

/* Each is lost; one begins with what was saved, above what the sites have come to follow since. */
static void a_saved_state_begins_the_cluster_anew(void **state)
{
    (void)state;
    real_serve(&cluster);
    assert_int_equal(type("breakwater snapshot save SAVED", status_options()), 0);
    for (int i = 0; i < TRIO_WITNESSES; i++)
        (void)trio_stop(&cluster.trio, i, SIGKILL);
    assert_int_equal(run("rm -r \"$DATA\""), 0);
    assert_ran(type(RESTORE " --plan - <SAVED", ""), 0, "The cluster restarts");
    assert_ran(type(RESTORE " --yes - <SAVED", ""), 0, "The cluster restarts");
    it_serves_anew();
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_recovery_by_a_clock_two_months_ahead_is_followed_at_once),
        CASE(a_recovery_by_a_clock_most_of_a_day_behind_is_followed_at_once),
        CASE(what_nobody_has_heard_of_is_undone_and_nothing_else),
        CASE(a_site_above_the_recovered_generation_says_what_to_do),
        CASE(a_saved_state_begins_the_cluster_anew),
        cmocka_unit_test(each_command_of_the_page_is_typed),
        CASE(when_all_witnesses_were_made_anew_the_printed_commands_help),
    };
#undef CASE

    return cmocka_run_group_tests(tests, NULL, NULL);
}
