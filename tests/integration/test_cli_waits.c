/* What a command that waits says of an order that is lost: by a witness that says what it was told to, so that what
 * hardly ever happens happens. Design 3.9, 4, 5.2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pty.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "on_terminal.h"
#include "shell_outcome.h"
#include "rude_server.h"
#include "test_pki.h"

#define OUT_BYTES     8192
#define COMMAND_BYTES 1024
#define FAILED        1
#define UNSAFE        6
#define UNKNOWN       7

/* What is answered where a request begins like this: the first row that fits, and is not used up. */
struct told {
    const char *request;
    const char *status; /* "": closed without an answer */
    const char *body;
    unsigned times; /* 0: again and again */
};

static struct test_pki pki;
static char identity[TEST_PKI_PATH_BYTES];
static struct rude_server witness;
static const struct told *script;
static atomic_uint used[16];
static char out[OUT_BYTES]; /* of the last command, with its errors */

static const char *tell(void *user, const char *request, const char **out_body)
{
    (void)user;
    for (size_t i = 0; script[i].request != NULL; i++) {
        if (strncmp(request, script[i].request, strlen(script[i].request)) != 0)
            continue;
        if (script[i].times != 0 && atomic_fetch_add(&used[i], 1) >= script[i].times)
            continue;
        *out_body = script[i].body;
        return script[i].status;
    }
    return "404 Not Found";
}

static int set_up(void **state)
{
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    test_pki_init(&pki);
    test_pki_issue_uri(&pki, "w1.pem", "breakwater://prod/witness/w1", path);
    test_pki_issue_uri(&pki, "anna.pem", "breakwater://prod/operator/anna", identity);
    rude_server_start(&witness, path, pki.ca_path);
    witness.tell = tell;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rude_server_stop(&witness);
    test_pki_deinit(&pki);
    return 0;
}

/* Its exit status. */
static int run(const struct told *told, const char *words, const char *wait)
{
    char command[COMMAND_BYTES];

    script = told;
    for (size_t i = 0; i < sizeof used / sizeof used[0]; i++)
        atomic_store(&used[i], 0);
    assert_in_range(snprintf(command, sizeof command,
                             "exec '%s/breakwater' %s --wait-timeout %s --endpoint 127.0.0.1:%u --ca '%s' "
                             "--identity '%s' 2>&1",
                             getenv("BREAKWATER_BUILD"), words, wait, witness.port, pki.ca_path, identity),
                    1, sizeof command - 1);
    return outcome_of(command, out, sizeof out);
}

/* What is waited for in vain is so for three seconds, not for ten minutes. */
static void assert_ends(const struct told *told, const char *words, int exit, const char *part)
{
    const int status = run(told, words, exit == UNKNOWN ? "3s" : "60s");

    if (status != exit || strstr(out, part) == NULL)
        fail_msg("%s: %d, and not %d with \"%s\":\n%s", words, status, exit, part, out);
}

#define STATUS_AT(term, level, groups)                                                                                 \
    "{\"schema\": \"breakwater.status/v2\", \"answered_by\": \"w1\", \"leads\": true, \"leader\": \"w1\", "           \
    "\"term\": " term ", \"feature_level\": " level ", \"witnesses\": [], \"groups\": [" groups "]}"
#define STATUS_OF(term, groups) STATUS_AT(term, "9", groups)
#define LEADS       {"GET /v1/status", "200 OK", STATUS_OF("5", ""), 0}
#define ACCEPTED    "{\"schema\": \"breakwater.accepted/v1\"}"
#define NO_LEADER_5 \
    "{\"schema\": \"breakwater.status/v2\", \"answered_by\": \"w1\", \"leads\": false, \"leader\": null, " \
    "\"term\": 5, \"witnesses\": [], \"groups\": []}"

/* ---- members */

#define PLANNED  {"POST /v1/members?plan=1", "200 OK", "{\"possible\": true, \"steps\": []}", 0}
#define TAKEN    {"POST /v1/members ", "202 Accepted", ACCEPTED, 0}
#define MEMBER(name, role) "{\"name\": \"" name "\", \"role\": \"" role "\", \"standing\": \"member\"}"
#define MEMBERS(leader, settled, more, members)                                                                        \
    "{\"witness\": \"w1\", \"leader\": \"" leader "\", \"settled\": " settled ", \"waits_for\": null" more            \
    ", \"members\": [" members "]}"
#define FOUNDERS       MEMBER("w1", "leader") ", " MEMBER("w2", "voter") ", " MEMBER("w3", "voter")
#define NOT_ADDED      MEMBERS("w1", "true", "", FOUNDERS)
#define WITH_A_VOTE    MEMBERS("w1", "true", "", FOUNDERS ", " MEMBER("w4", "voter"))
#define GET_MEMBERS    "GET /v1/members ", "200 OK"
#define NOBODY_GOES_ON "not done, and no leader continues it"

/* Whoever leads now has never heard of it: nothing is under way there, and it is not done. */
static void a_change_that_was_lost_with_its_leader_is_not_waited_for(void **state)
{
    static const struct told lost[] = {LEADS, PLANNED, TAKEN, {GET_MEMBERS, NOT_ADDED, 0}, {0}};

    (void)state;
    assert_ends(lost, "members add w4 --yes", FAILED, NOBODY_GOES_ON);
    assert_non_null(strstr(out, "the leader was lost before a majority had received the change"));
    assert_ends(lost, "members replace w3 w4 --yes", FAILED, NOBODY_GOES_ON);
    assert_ends(lost, "members remove w3 --yes", FAILED, NOBODY_GOES_ON);
}

/* One look may be from between; and one that does not lead any more knows less. */
static void a_change_that_is_under_way_is_waited_for(void **state)
{
    static const struct told under_way[] = {
        LEADS,
        PLANNED,
        TAKEN,
        {GET_MEMBERS, MEMBERS("w1", "false", "", FOUNDERS), 2},
        {GET_MEMBERS, NOT_ADDED, 1},
        {GET_MEMBERS, MEMBERS("w2", "true", "", FOUNDERS), 2},
        {GET_MEMBERS, NOT_ADDED, 1},
        {GET_MEMBERS, MEMBERS("w1", "false", "", FOUNDERS ", " MEMBER("w4", "joining")), 2},
        {GET_MEMBERS, WITH_A_VOTE, 0},
        {0}};
    static const struct told of_before[] = {{"GET /v1/status", "200 OK", STATUS_OF("5", ""), 1},
                                            {"GET /v1/status", "200 OK", STATUS_OF("4", ""), 0},
                                            PLANNED,
                                            TAKEN,
                                            {GET_MEMBERS, NOT_ADDED, 0},
                                            {0}};

    (void)state;
    assert_ends(under_way, "members add w4 --yes", 0, "done: w4 votes");
    assert_ends(of_before, "members add w4 --yes", UNKNOWN, "run the same command again (it repeats a lost change)");
}

#define HANDS_OVER(is) MEMBERS("w1", "true", ", \"handing_over\": " is, FOUNDERS)

static void a_hand_over_that_was_given_up_is_not_waited_for(void **state)
{
    static const struct told given_up[] = {LEADS,
                                           PLANNED,
                                           TAKEN,
                                           {GET_MEMBERS, HANDS_OVER("true"), 3},
                                           {GET_MEMBERS, HANDS_OVER("false"), 0},
                                           {0}};
    static const struct told in_vain[] = {LEADS, PLANNED, TAKEN, {GET_MEMBERS, HANDS_OVER("true"), 0}, {0}};
    static const struct told of_an_old_witness[] = {LEADS, PLANNED, TAKEN, {GET_MEMBERS, NOT_ADDED, 0}, {0}};

    (void)state;
    assert_ends(given_up, "members transfer-leader w2 --yes", FAILED, "w1 is the leader, and the transfer has ended");
    assert_ends(in_vain, "members transfer-leader w2 --yes", UNKNOWN, "not done yet");
    assert_null(strstr(out, "it continues after a change of leader")); /* nobody does */
    assert_ends(of_an_old_witness, "members transfer-leader w2 --yes", UNKNOWN, "not done yet");
}

/* ---- moves */

#define APPLIED(index, groups)                                                                                         \
    "{\"schema\": \"breakwater.status/v2\", \"answered_by\": \"w1\", \"leads\": true, \"leader\": \"w1\", "           \
    "\"term\": 5, \"index\": " index ", \"feature_level\": 9, \"witnesses\": [], \"groups\": [" groups "]}"
#define HARBOR(wish)                                                                                                   \
    "{\"name\": \"harbor\", \"phase\": \"GRANTED\", \"epoch\": 7, \"holder\": \"dc-a\", \"target\": null, \"request\": " wish  \
    ", \"request_result\": null}"
#define OURS     "{\"kind\": \"switchover\", \"index\": 40}"
#define MOVE(verb)                                                                                                     \
    {"POST /v1/groups/harbor/" verb "?plan=1", "200 OK", "{\"possible\": true, \"changes_epoch\": true, \"epoch\": 7}", 0}, \
    {"POST /v1/groups/harbor/" verb " ", "202 Accepted",                                                               \
     "{\"epoch\": 7, \"index\": 40, \"wish_index\": 40, \"term\": 5}", 0}
#define GET_STATUS "GET /v1/status", "200 OK"

/* A leader that has begun a moment ago, and has not applied what was taken yet, knows no better. */
static void whoever_waits_is_told_that_the_group_is_deleted(void **state)
{
    static const struct told deleted[] = {{GET_STATUS, APPLIED("40", HARBOR(OURS)), 2},
                                          {GET_STATUS, APPLIED("41", ""), 0},
                                          MOVE("switchover"),
                                          {0}};
    static const struct told deleted_at_once[] = {{GET_STATUS, APPLIED("40", HARBOR("null")), 1},
                                                  {GET_STATUS, APPLIED("41", ""), 0},
                                                  MOVE("force-release"),
                                                  {0}};
    static const struct told not_applied[] = {{GET_STATUS, APPLIED("39", ""), 0}, MOVE("switchover"), {0}};

    (void)state;
    assert_ends(deleted, "switchover harbor --to dc-b --yes", FAILED,
                "not done: the group no longer exists, or you have no right to see it");
    assert_null(strstr(out, "it continues automatically"));
    assert_ends(deleted_at_once, "force-release harbor --site dc-a --yes", FAILED,
                "not done: the group no longer exists, or you have no right to see it");
    assert_ends(not_applied, "switchover harbor --to dc-b --yes", UNKNOWN, "no result yet");
}

/* It was deleted and made anew meanwhile: neither what waits nor what is over is this wish, or a later one. */
static void whoever_waits_is_told_that_nothing_is_known_of_his_wish(void **state)
{
    static const struct told anew[] = {{GET_STATUS, APPLIED("40", HARBOR(OURS)), 2},
                                       {GET_STATUS, APPLIED("41", HARBOR("null")), 0},
                                       MOVE("switchover"),
                                       {0}};
    static const struct told for_a_moment[] = {{GET_STATUS, APPLIED("40", HARBOR(OURS)), 2},
                                               {GET_STATUS, APPLIED("41", HARBOR("null")), 2},
                                               {GET_STATUS, APPLIED("41", HARBOR(OURS)), 0},
                                               MOVE("switchover"),
                                               {0}};

    (void)state;
    assert_ends(anew, "switchover harbor --to dc-b --yes", FAILED, "not done: it no longer waits; dc-a is primary in epoch 7");
    assert_ends(for_a_moment, "switchover harbor --to dc-b --yes", UNKNOWN, "no result yet: dc-a is primary in epoch 7");
}

#define BACK                                                                                                           \
    "{\"name\": \"harbor\", \"phase\": \"GRANTED\", \"epoch\": 9, \"holder\": \"dc-a\", \"target\": null, \"request\": null, "       \
    "\"request_result\": {\"index\": 40, \"end\": \"granted\"}, \"last\": {\"epoch\": 9, \"site\": \"dc-a\", \"reason\": "            \
    "\"start_failed\"}, \"sites\": [{\"name\": \"dc-a\", \"holder\": true, \"serving\": true}, {\"name\": \"dc-b\", \"failures\": " \
    "[{\"text\": \"start failed, exit status 3: no such volume\"}]}]}"

/* The group is back where it was: that alone says nothing of what is to be mended. */
static void whoever_waits_is_told_which_start_failed_and_how(void **state)
{
    static const struct told back[] = {{GET_STATUS, APPLIED("40", HARBOR(OURS)), 2},
                                       {GET_STATUS, APPLIED("43", BACK), 0},
                                       MOVE("switchover"),
                                       {0}};

    (void)state;
    assert_ends(back, "switchover harbor --to dc-b --yes", FAILED,
                "not done: the start at dc-b failed; dc-a is primary again, in epoch 9\n");
    assert_non_null(strstr(out, "  dc-b: start failed, exit status 3: no such volume\n"
                                "  fix the start on that site, then:  breakwater switchover harbor --to dc-b\n"));
}

/* ---- the feature level, and orders whose answer is lost */

#define NO_LEADER {"GET /v1/status", "200 OK", NO_LEADER_5, 0}
#define RAISABLE                                                                                                       \
    {"GET /v1/feature-level ", "200 OK", "{\"level\": 9}", 1},                                                         \
    {"POST /v1/feature-level/raise?plan=1", "200 OK", "{\"raise\": {\"to\": 10, \"possible\": true}}", 0}
#define KNOWS_NO_LEADER {"GET /v1/feature-level ", "503 Service Unavailable", "{\"code\": \"no_leader\"}", 0}
#define RAISED {"POST /v1/feature-level/raise ", "202 Accepted", ACCEPTED, 0}

/* It may be committed all the same: that is no "nothing was decided". */
static void a_raise_whose_leader_is_lost_is_of_unknown_outcome(void **state)
{
    static const struct told lost[] = {
        {"GET /v1/status", "200 OK", STATUS_OF("5", ""), 1}, NO_LEADER, RAISABLE, KNOWS_NO_LEADER, RAISED, {0}};
    static const struct told led_again[] = {{"GET /v1/status", "200 OK", STATUS_OF("5", ""), 1},
                                            {"GET /v1/status", "200 OK", NO_LEADER_5, 2},
                                            {"GET /v1/status", "200 OK", STATUS_AT("6", "10", ""), 0},
                                            RAISABLE,
                                            KNOWS_NO_LEADER,
                                            RAISED,
                                            {0}};

    (void)state;
    assert_ends(lost, "feature-level raise --yes", UNKNOWN, "the outcome is not known; see breakwater feature-level");
    assert_null(strstr(out, "no leader"));
    assert_ends(led_again, "feature-level raise --yes", 0, "The feature level is 10.");
    assert_null(strstr(out, "error"));
}

/* 3.3: from there on who is not proved is not handed over by time, which a person accepts by name. */
static void a_raise_that_ends_a_handover_by_time_is_accepted_by_name(void **state)
{
    static const struct told unproved[] = {
        {"GET /v1/status", "200 OK",
         STATUS_OF("5", "{\"name\": \"harbor\", \"mode\": \"auto\", \"sites\": ["
                        "{\"name\": \"dc-a\", \"reach\": \"cgroup\", \"reach_proved\": true}, "
                        "{\"name\": \"dc-b\", \"reach\": \"cgroup\", \"reach_proved\": false}]}"), 0},
        {"GET /v1/feature-level ", "200 OK", "{\"level\": 2}", 1},
        {"POST /v1/feature-level/raise?plan=1", "200 OK", "{\"raise\": {\"to\": 3, \"possible\": true}}", 0},
        KNOWS_NO_LEADER,
        RAISED,
        {0}};

    (void)state;
    assert_ends(unproved, "feature-level raise --yes", UNSAFE, "refused: sites have no tested kill");
    assert_non_null(strstr(out, "group harbor at dc-b: the kill"));
    assert_null(strstr(out, "at dc-a"));
    assert_ends(unproved, "feature-level raise --plan", 0, "group harbor at dc-b: the kill");
    assert_ends(unproved, "feature-level raise --accept --yes", 0, "The feature level is 3.");
}

/* The history of groups has neither. */
static void an_order_whose_answer_is_lost_names_what_has_it(void **state)
{
    static const struct told of_members[] = {LEADS, PLANNED, {"POST /v1/members ", "", "", 0}, {0}};
    static const struct told of_level[] = {LEADS, RAISABLE, {"POST /v1/feature-level/raise ", "", "", 0}, {0}};
    static const struct told of_a_move[] = {
        LEADS,
        {"POST /v1/groups/harbor/force-release?plan=1", "200 OK", "{\"possible\": true}", 0},
        {"POST /v1/groups/harbor/force-release ", "", "", 0},
        {0}};

    (void)state;
    assert_ends(of_members, "members add w4 --yes", UNKNOWN, "  see:  breakwater members\n");
    assert_ends(of_level, "feature-level raise --yes", UNKNOWN, "  see:  breakwater feature-level\n");
    assert_ends(of_a_move, "force-release harbor --site dc-a --yes", UNKNOWN,
                "  see:  breakwater history; breakwater status\n");
}

/* ---- resume */

#define CHANGE(kind, keys) "{\"kind\": \"" kind "\", \"changes\": [" keys "]}"
#define PAUSE              CHANGE("mode", "{\"key\": \"mode\", \"from\": \"manual\", \"to\": \"paused\"}")
#define PAUSED_BY(changes)                                                                                             \
    LEADS, {"GET /v1/groups/harbor ", "200 OK", "{\"group\": {\"mode\": \"paused\"}}", 0},                             \
    {                                                                                                                  \
        "GET /v1/groups/harbor/history", "200 OK", "{\"changes\": [" changes "]}", 0                                   \
    }

/* The group of before had the same name, and that is all. */
static void resume_asks_no_group_of_before_for_its_mode(void **state)
{
    static const struct told made_anew[] = {PAUSED_BY(CHANGE("created", "") ", " CHANGE("deleted", "") ", " PAUSE), {0}};
    static const struct told cut_off[] = {PAUSED_BY(CHANGE("apply", "") ", " CHANGE("deleted", "") ", " PAUSE), {0}};
    static const struct told its_own[] = {PAUSED_BY(CHANGE("maintenance", "") ", " PAUSE ", " CHANGE("created", "")),
                                          {"POST /v1/groups/harbor/mode?plan=1", "200 OK", "{\"possible\": true}", 0},
                                          {0}};

    (void)state;
    assert_ends(made_anew, "resume harbor --plan", UNSAFE, "the history does not show the mode of harbor");
    assert_ends(cut_off, "resume harbor --plan", UNSAFE, "the history does not show the mode of harbor");
    assert_ends(its_own, "resume harbor --plan", 0, "back to mode manual");
}

/* ---- a change that is in nobody's way by and by */

#define STEP(text)        "{\"number\": 1, \"text\": \"" text "\", \"within_ms\": null}"
#define MODE_PLAN(text, version, times)                                                                                \
    {"POST /v1/groups/harbor/mode?plan=1", "200 OK",                                                                   \
     "{\"possible\": true, \"spec_version\": " version ", \"steps\": [" STEP(text) "]}", times}
#define MODE_BUSY {"POST /v1/groups/harbor/mode ", "409 Conflict", "{\"code\": \"busy\", \"error\": \"dc-a is stopping it\"}", 1}
#define MODE_DONE {"POST /v1/groups/harbor/mode ", "200 OK", "{}", 0}

static const struct told becomes_another[] = {
    LEADS, MODE_PLAN("dc-a may stop it", "4", 1), MODE_PLAN("a start is under way", "4", 0), MODE_BUSY, MODE_DONE, {0}};

static unsigned count_of(const char *part)
{
    unsigned count = 0;

    for (const char *at = out; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

/* 3.9: what would be done after a wait may be another thing than what was shown before. */
static void what_has_become_another_thing_while_it_waited_is_shown_anew(void **state)
{
    static const struct told stays[] = {LEADS, MODE_PLAN("dc-a may stop it", "4", 0), MODE_BUSY, MODE_DONE, {0}};

    (void)state;
    assert_ends(becomes_another, "mode harbor observe --yes", 0, "the new plan:\n 1 a start is under way\nmode of harbor: done");
    assert_int_equal(count_of("dc-a may stop it"), 1);
    assert_int_equal(count_of("waiting; nothing has changed yet"), 1);
    assert_ends(stays, "mode harbor observe --yes", 0, "mode of harbor: done");
    assert_int_equal(count_of("dc-a may stop it"), 1);
}

static void answer(int terminal, const char *said, const char *line)
{
    hear_until(terminal, said, out, sizeof out);
    assert_int_equal(write(terminal, line, strlen(line)), (ssize_t)strlen(line));
}

static void whoever_has_confirmed_what_it_was_is_asked_what_it_has_become(void **state)
{
    char address[32];
    char program[512];
    pid_t asks;
    int terminal, status;

    (void)state;
    script = becomes_another;
    for (size_t i = 0; i < sizeof used / sizeof used[0]; i++)
        atomic_store(&used[i], 0);
    out[0] = '\0';
    (void)snprintf(program, sizeof program, "%s/breakwater", getenv("BREAKWATER_BUILD"));
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", witness.port);
    asks = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(asks >= 0);
    if (asks == 0) {
        (void)execl(program, program, "mode", "harbor", "observe", "--endpoint", address, "--ca", pki.ca_path, "--identity",
                    identity, (char *)NULL);
        _exit(127);
    }
    answer(terminal, "Type \"harbor\" to go on: ", "harbor\n");
    answer(terminal, "a start is under way", "no\n");
    hear_until(terminal, NULL, out, sizeof out);
    assert_int_equal(waitpid(asks, &status, 0), asks);
    (void)close(terminal);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == FAILED);
    assert_int_equal(count_of("to go on: "), 2);
    assert_int_equal(count_of("done"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_change_that_was_lost_with_its_leader_is_not_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_that_is_under_way_is_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hand_over_that_was_given_up_is_not_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whoever_waits_is_told_that_the_group_is_deleted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whoever_waits_is_told_that_nothing_is_known_of_his_wish, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whoever_waits_is_told_which_start_failed_and_how, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_raise_whose_leader_is_lost_is_of_unknown_outcome, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_raise_that_ends_a_handover_by_time_is_accepted_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_order_whose_answer_is_lost_names_what_has_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_has_become_another_thing_while_it_waited_is_shown_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whoever_has_confirmed_what_it_was_is_asked_what_it_has_become, set_up, tear_down),
        cmocka_unit_test_setup_teardown(resume_asks_no_group_of_before_for_its_mode, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
