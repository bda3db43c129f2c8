/* a group's mode, its maintenance and its end, by the real commands on three real witnesses.
 * Design 3.9, 5.2, 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/sys/clock.h>
#include <breakwater/sys/script.h>

#include "operator.h"
#include "patience.h"

static int run(const char *words)
{
    return operator_run("cli.yaml", words);
}

static int post(const struct bw_credentials *who, const char *path, const char *body)
{
    return operator_ask_leader(who, "POST", path, body, strlen(body));
}

static void until_status_says(int exit, const char *part)
{
    operator_until_it_says("cli.yaml", "status harbor", exit, part);
}

/* ---- mode */

static void a_plan_tells_and_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(run("mode harbor paused --plan"), 0);
    assert_says(operator.out, "no new primary, no switchover, no local restart");
    assert_says(operator.out, "Nothing was changed");
    until_status_says(0, "mode auto");
}

static void the_mode_is_another_and_again_there_is_nothing_to_do(void **state)
{
    (void)state;
    assert_int_equal(run("mode harbor manual --yes --reason tonight"), 0);
    assert_says(operator.out, "mode of harbor: done: manual");
    until_status_says(0, "mode manual");
    assert_says(operator.out, "if the primary is lost, run `breakwater failover harbor`");
    assert_int_equal(run("mode harbor manual --yes"), 0);
    assert_says(operator.out, "nothing to do");
    assert_int_equal(run("mode harbor auto --yes"), 0);
}

static void without_a_terminal_and_without_yes_nothing_changes(void **state)
{
    (void)state;
    assert_int_equal(run("mode harbor paused"), 2);
    assert_int_equal(run("delete harbor"), 2);
    assert_int_equal(run("maintenance harbor --for 1h"), 2);
    until_status_says(0, "mode auto");
}

static void what_is_no_mode_and_no_group_is_told(void **state)
{
    (void)state;
    assert_int_equal(run("mode harbor sleeping --yes"), 2);
    assert_says(operator.errors, "auto, manual, paused or unmanaged");
    assert_int_equal(run("mode nosuch auto --yes"), 1);
    assert_says(operator.errors, "there is no group \"nosuch\"");
}

/* What was shown is what is done: whoever was faster is not overruled by an old look. */
static void a_change_is_bound_to_what_was_looked_at(void **state)
{
    (void)state;
    assert_int_equal(post(operator.operator, "/v1/groups/harbor/mode",
                          "{\"mode\": \"paused\", \"spec_version\": 1}"),
                     409);
    assert_says(operator.reply.body, "\"stale\"");
    until_status_says(0, "mode auto");
    for (size_t i = 0; i < 2; i++) { /* another epoch may have other writes to lose, and another holder */
        assert_int_equal(post(operator.operator,
                              i == 0 ? "/v1/groups/harbor/failover" : "/v1/groups/harbor/switchover",
                              "{\"to\": \"dc-b\", \"epoch\": 4711}"),
                         409);
        assert_says(operator.reply.body, "\"stale\"");
        assert_says(operator.reply.body, "has begun since the plan was shown");
    }
}

/* ---- maintenance */

static void a_site_in_maintenance_is_no_candidate_until_it_ends(void **state)
{
    (void)state;
    assert_int_equal(run("maintenance --site dc-b --for 2h --yes"), 0);
    assert_says(operator.out, "dc-b is not eligible");
    assert_says(operator.out, "it ends automatically after 2h");
    until_status_says(3, "harbor: dc-b is in maintenance for another 1h");
    assert_says(operator.out, "no standby is eligible for automatic failover");
    assert_int_equal(operator_ask_leader(operator.operator, "GET", "/metrics", NULL, 0), 200);
    assert_says(operator.reply.body,
                "breakwater_maintenance_expiry_timestamp_seconds{group=\"harbor\",site=\"dc-b\"} ");

    assert_int_equal(run("maintenance harbor --site dc-b --end --yes"), 0);
    until_status_says(0, "Failover: automatic to dc-b");
    assert_int_equal(run("maintenance harbor --site dc-b --end --yes"), 0);
    assert_says(operator.out, "nothing to do: dc-b is not in maintenance for harbor");
}

static void its_end_is_announced(void **state)
{
    (void)state;
    assert_int_equal(run("maintenance harbor --for 5m --yes"), 0);
    assert_says(operator.out, "no automatic move, and no local restart");
    until_status_says(3, "harbor is in maintenance, which ends in ");
    assert_says(operator.out, "\n           breakwater maintenance harbor --for DURATION\n");
}

/* Of the maintenance before: an alarm that is on. */
static void an_alarm_that_somebody_has_seen_is_told_and_warns_no_more(void **state)
{
    (void)state;
    until_status_says(3, "(maintenance_expiring, alarm on for ");
    assert_int_equal(run("ack harbor maintenance_ends --plan"), 0); /* its former word */
    assert_int_equal(run("ack harbor maintenance_expiring --plan"), 0);
    assert_says(operator.out, "the leader, which alone remembers it");
    assert_int_equal(post(operator.operator, "/v1/groups/harbor/ack",
                          "{\"alarm\": \"maintenance_ends\", \"site\": \"\", \"count\": 4711}"),
                     409); /* of another beginning than the one that was looked at */
    assert_says(operator.reply.body, "the alarm has begun again since");
    assert_int_equal(run("ack harbor maintenance_expiring --yes --reason rehearsal"), 0);
    assert_says(operator.out, "ack of harbor: done: it is a warning again when its cause comes back");
    until_status_says(3, ": rehearsal)"); /* nobody could take over, either */
    assert_says(operator.out, "- harbor is in maintenance");
    assert_int_equal(run("ack harbor maintenance_ends --yes"), 0);
    assert_says(operator.out, "has acknowledged it");
    assert_int_equal(run("maintenance harbor --end --yes"), 0);
    operator_until_it_says("cli.yaml", "ack harbor maintenance_ends --plan", 6, "");
    assert_says(operator.errors, "harbor has no alarm maintenance_expiring now");

    assert_int_equal(run("ack harbor nonsense --yes"), 6);
    assert_says(operator.errors, "there is no alarm \"nonsense\"");
    assert_int_equal(run("ack harbor unauthorized_start --site dc-b --yes"), 6);
    assert_says(operator.errors, "harbor at dc-b has no alarm unauthorized_start now");
}

static void it_ends_by_itself(void **state)
{
    struct patience patience;

    (void)state;
    assert_int_equal(run("maintenance harbor --site dc-b --for 1s --yes"), 0);
    patience = patience_begin(OPERATOR_WAIT_MS);
    do {
        if (patience_is_over(&patience))
            patience_fail("the maintenance ends:\n%s", operator.out);
        until_status_says(0, "Failover: automatic to dc-b"); /* its end is foretold before it is committed */
    } while (strstr(operator.out, "maintenance") != NULL);
}

static void what_cannot_be_a_maintenance_is_told(void **state)
{
    static const struct {
        const char *words;
        int exit;
        const char *says;
    } wrong[] = {
        {"maintenance harbor --yes", 2, "needs --for D, or --stop"},
        {"maintenance harbor --for 1h --end --yes", 2, "needs --for D, or --stop"},
        {"maintenance --for 1h --yes", 2, "needs GROUP, or --site SITE"},
        {"maintenance harbor --for soon --yes", 2, "expected a duration such as 2h"},
        {"maintenance harbor --for 721h --yes", 2,
         "--for 721h: expected a duration such as 2h, at "
         "most 720h (30 days)"},
        {"maintenance harbor --for 9000h --yes", 2,
         "--for 9000h: expected a duration such as 2h, at "
         "most 720h (30 days)"},
        {"maintenance harbor --site dc-z --for 1h --yes", 6, "dc-z is not a site of harbor"},
        {"maintenance --site dc-z --for 1h --yes", 1, "no group has a site \"dc-z\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(run(wrong[i].words), wrong[i].exit);
        assert_says(operator.errors, wrong[i].says);
    }
}

/* ---- bodies */

static void a_viewer_and_a_body_that_nobody_understands_change_nothing(void **state)
{
    static const struct {
        const char *path;
        const char *body;
    } wrong[] = {
        {"/v1/groups/harbor/mode", "{}"},
        {"/v1/groups/harbor/mode", "{\"mode\": 7}"},
        {"/v1/groups/harbor/mode", "{\"mode\": \"auto\", \"site\": \"dc-a\"}"},
        {"/v1/groups/harbor/mode", "{\"mode\": \"auto\", \"spec_version\": -1}"},
        {"/v1/groups/harbor/maintenance", "{\"site\": \"dc-a\"}"},
        {"/v1/groups/harbor/maintenance", "{\"duration_ms\": 2592000001}"},
        {"/v1/groups/harbor/maintenance", "{\"duration_ms\": 1.5}"},
        {"/v1/groups/harbor/delete", "{\"reason\": \"a\\u0001b\"}"},
        {"/v1/groups/harbor/delete", "{\"sure\": true}"},
        {"/v1/groups/harbor/ack", "{\"alarm\": 7}"},
        {"/v1/groups/harbor/ack", "{\"alarm\": \"relayed\", \"sure\": true}"},
        {"/v1/groups/harbor/ack", "{\"alarm\": \"relayed\", \"reason\": \"a\\u202eb\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(post(operator.operator, wrong[i].path, wrong[i].body), 422);
    assert_int_equal(post(operator.trio.viewer, "/v1/groups/harbor/delete", "{}"), 403);
    until_status_says(0, "mode auto");
}

/* ---- the file that apply reads */

static void what_groups_prints_is_what_apply_reads(void **state)
{
    (void)state;
    assert_int_equal(run("groups"), 0);
    operator_put("printed.yaml", "%s", operator.out);
    assert_int_equal(operator_apply("printed.yaml", "--plan"), 0);
    assert_says(operator.out, "unchanged  harbor");
    assert_int_equal(run("groups nosuch"), 1);
    assert_says(operator.errors, "there is no group \"nosuch\"");
}

static void a_pause_ends_with_the_mode_of_before(void **state)
{
    (void)state;
    assert_int_equal(run("resume harbor --yes"), 0);
    assert_says(operator.out, "nothing to do: its mode is auto");
    assert_int_equal(run("mode harbor manual --yes"), 0);
    assert_int_equal(run("pause harbor --yes --reason works"), 0);
    until_status_says(0, "mode paused");
    assert_int_equal(run("resume harbor --plan"), 0);
    assert_says(operator.out, "resume of harbor: back to mode manual");
    assert_int_equal(run("resume harbor --yes"), 0);
    until_status_says(0, "mode manual");
    assert_int_equal(run("mode harbor auto --yes"), 0);
    until_status_says(0, "mode auto");
}

/* 3.9: who applies what he made from an older spec would undo what somebody else has done since. */
static void a_file_that_somebody_was_faster_than_is_refused(void **state)
{
    char *version;

    (void)state;
    assert_int_equal(run("groups"), 0);
    version = strstr(operator.out, "version: ");
    assert_non_null(version);
    operator_put("printed.yaml", "%s", operator.out);
    assert_int_equal(run("mode harbor paused --yes"), 0);
    assert_int_equal(operator_apply("printed.yaml", "--yes"), 1);
    assert_says(operator.errors, "harbor has changed: it is at version");
    assert_says(operator.errors, "start again from the present file, and look at the plan: breakwater groups harbor");
    until_status_says(0, "mode paused");

    assert_int_equal(operator_apply("groups.yaml", "--plan"), 0); /* it names no mode: that stays */
    assert_says(operator.out, "unchanged  harbor");
    assert_int_equal(run("mode harbor auto --yes"), 0);
    until_status_says(0, "mode auto");
}

/* A file of before is applied again: what an operator has set since, and what its change means, is told first. */
static void a_plan_says_who_set_what_it_undoes_and_what_that_means(void **state)
{
    char text[4096];
    char *site;

    (void)state;
    assert_int_equal(run("mode harbor manual --yes --reason rehearsal"), 0);
    assert_int_equal(run("groups"), 0);
    (void)snprintf(text, sizeof text, "%s", operator.out);
    assert_non_null(strstr(text, "mode: manual"));
    memcpy(strstr(text, "mode: manual"), "mode:   auto", strlen("mode: manual"));
    operator_put("old.yaml", "%s", text);

    assert_int_equal(operator_apply("old.yaml", "--plan"), 0);
    assert_says(operator.out, "mode: manual -> auto");
    assert_says(operator.out, "mode auto means: failover is automatic again");
    assert_says(operator.out, "! mode was set by ");
    assert_says(operator.out, ": rehearsal; this change undoes it");
    assert_int_equal(run("mode harbor auto --yes"), 0);
    until_status_says(0, "mode auto");

    operator_put("newer.yaml", operator_groups_text, "26s");
    assert_int_equal(operator_apply("newer.yaml", "--yes"), 0);
    operator_put("newer.yaml", operator_groups_text, "25s");
    assert_int_equal(operator_apply("newer.yaml", "--plan"), 0);
    assert_says(operator.out, "! lease_ttl_ms was set by ");
    assert_int_equal(operator_apply("newer.yaml", "--yes"), 0);

    assert_int_equal(run("groups"), 0);
    (void)snprintf(text, sizeof text, "%s", operator.out);
    site = strstr(text, "dc-b");
    assert_non_null(site);
    memcpy(site, "dc-z", strlen("dc-z"));
    operator_put("old.yaml", "%s", text);
    assert_int_equal(operator_apply("old.yaml", "--plan"), 0);
    assert_says(operator.out, "! dc-b is connected, and loses its place in harbor");
    assert_int_equal(operator_apply("old.yaml", "--yes"), 6);
    assert_says(operator.errors, "the file has no site dc-b, which is connected now; nothing was changed");
}

/* ---- files that name witnesses, dialled */

static int check_connect(const char *file, const char *other)
{
    char paths[2][TRIO_PATH_BYTES];
    char *argv[] = {NULL, (char[]){"check"}, (char[]){"--connect"}, paths[0], paths[1], NULL};

    trio_path(&operator.trio, file, paths[0]);
    trio_path(&operator.trio, other, paths[1]);
    return trio_run(&operator.trio, argv, operator.out, sizeof operator.out);
}

static void check_dials_what_its_files_name(void **state)
{
    char expected[128];

    (void)state;
    (void)check_connect("cli.yaml", "w1.yaml"); /* this machine may lack what the rest asks for */
    for (int i = 0; i < TRIO_WITNESSES; i++) {
        (void)snprintf(expected, sizeof expected,
                       "dialled a witness: 127.0.0.1:%d answers, round trip ", operator.trio.api[i]);
        assert_says(operator.out, expected);
        if (i == 0)
            continue;
        (void)snprintf(expected, sizeof expected,
                       ", Raft: 127.0.0.1:%d answers", operator.trio.raft[i]);
        assert_says(operator.out, expected);
    }

    assert_says(operator.out, "ms (127.0.0.1:"); /* the longest round trip, of how many */
    assert_says(operator.out, "; the default timings allow up to 150ms"); /* TRIO_ELECTION_MS */

    operator_put("closed.yaml",
                 "endpoints: [\"127.0.0.1:1\"]\ntls: {ca: %s/ca.pem, identity: %s/%s}\n",
                 operator.trio.pki.dir, operator.trio.pki.dir, "operator.pem");
    assert_int_equal(check_connect("closed.yaml", "w1.yaml"), 1);
    assert_says(operator.out, "FAIL");
    assert_says(operator.out, "dialled a witness: 127.0.0.1:1: ");
}

/* ---- what was asked for, and is taken back */

static void ask_for_a_move_and_take_it_back(void)
{
    static const char *const of[] = {"maintenance harbor --for 1h --plan", "maintenance harbor --site dc-a --for 1h --plan",
                                     "maintenance harbor --site dc-b --for 1h --plan"};
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);

    operator.a_holds_on = true;
    while (run("switchover harbor --to dc-b --yes --no-wait") != 0) { /* dc-b is ready by and by */
        if (patience_is_over(&patience))
            patience_fail("dc-b is ready:\n%s", operator.errors);
        (void)usleep(OPERATOR_PAUSE_US);
    }
    patience = patience_begin(OPERATOR_WAIT_MS);
    do { /* the wish first, and then the move */
        if (run("cancel harbor --plan") != 0)
            fail_msg("%s", operator.errors);
        if (patience_is_over(&patience))
            patience_fail("the move begins:\n%s", operator.out);
    } while (strstr(operator.out, "the switchover to dc-b is canceled") == NULL);
    assert_says(operator.out, "dc-a, which has not begun to stop, stays primary");
    assert_int_equal(run("pause harbor --plan"), 0); /* which keeps nothing from stopping */
    assert_says(operator.out, "but dc-a continues to stop for the switchover to dc-b, and until the mode changes only a "
                              "failover makes a site primary; to cancel the switchover: breakwater cancel harbor");
    assert_int_equal(run("maintenance harbor --for 1h --plan"), 0);
    assert_says(operator.out, "but dc-a continues to stop for the switchover to dc-b; to cancel the switchover: breakwater cancel");
    assert_int_equal(run("mode harbor manual --plan"), 0);
    assert_says(operator.out, "but dc-a continues to stop for the switchover to dc-b; to cancel the switchover: breakwater cancel");
    assert_int_equal(run("maintenance harbor --site dc-b --for 1h --plan"), 0);
    assert_says(operator.out, "but the switchover to dc-b ends where it began: dc-a stops, and becomes primary again; to cancel "
                              "the switchover: breakwater cancel harbor");
    assert_int_equal(run("mode harbor observe --plan"), 0);
    assert_says(operator.out, "but dc-a may begin to stop before it receives this, for the switchover to dc-b, and it is "
                              "not started again; to cancel the switchover: breakwater cancel harbor");
    assert_int_equal(run("pause harbor --yes"), 0); /* then neither goes to its target nor back */
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        assert_int_equal(run(of[i]), 0);
        assert_says(operator.out, "but dc-a continues to stop for the switchover to dc-b, and until the mode changes only a "
                                  "failover makes a site primary; to cancel the switchover: breakwater cancel harbor");
    }
    assert_int_equal(run("maintenance harbor --site dc-b --for 1h --yes"), 0);
    assert_int_equal(run("mode harbor auto --plan"), 0);
    assert_says(operator.out, "but the switchover to dc-b ends where it began: dc-a stops, and becomes primary again");
    assert_int_equal(run("maintenance harbor --site dc-b --end --yes"), 0);
    assert_int_equal(run("mode harbor auto --yes"), 0);
    assert_int_equal(run("cancel harbor --yes --reason mistaken"), 0);
    assert_says(operator.out, "cancel of harbor: done: no request is pending any more");
    operator_wait_for_round(); /* the order to stop that is under way yet would be obeyed */
    operator.a_holds_on = false;
    operator_wait_until_serving("dc-a");
    until_status_says(0, "epoch 1");
}

static void a_move_whose_stop_has_not_begun_is_taken_back(void **state)
{
    (void)state;
    assert_int_equal(run("cancel harbor --yes"), 0);
    assert_says(operator.out, "nothing to do: harbor has no pending request");
    ask_for_a_move_and_take_it_back();
}

/* 3.9: it says that one was begun for the whole epoch, also of a service that an agent which began anew cannot see. */
static void the_plan_of_observe_says_of_a_start_what_is_known(void **state)
{
    (void)state;
    atomic_store(&operator.a_start, OPERATOR_START_RUNS);
    operator_wait_for_round();
    operator_until_it_says("cli.yaml", "mode harbor observe --plan", 0,
                           "but a start is under way at dc-a: it continues while the lease lasts, and is fenced then");
    atomic_store(&operator.a_start, OPERATOR_START_UNSEEN);
    operator_wait_for_round();
    operator_until_it_says("cli.yaml", "mode harbor observe --plan", 0,
                           "but if a start has not been confirmed yet at dc-a, it continues while the lease "
                           "lasts, and is fenced then");
    atomic_store(&operator.a_start, OPERATOR_START_SERVES);
    operator_wait_for_round();
    operator_wait_until_serving("dc-a");
    assert_int_equal(run("mode harbor observe --plan"), 0);
    assert_null(strstr(operator.out, "fenced"));
}

/* ---- the end of a group */

/* ---- on_event */

#define EVENTS_SCRIPT "event.sh"
#define EVENTS_FILE   "told"

/* The same at every witness, by a reload; 5.3. */
static void set_on_event(void)
{
    static bool is_set;
    char script[TRIO_PATH_BYTES];

    if (is_set)
        return;
    is_set = true;
    trio_path(&operator.trio, EVENTS_SCRIPT, script);
    assert_int_equal(chmod(script, 0755), 0);
    for (int i = 0; i < TRIO_WITNESSES; i++) {
        char name[16];
        char file[TRIO_PATH_BYTES];
        FILE *stream;

        (void)snprintf(name, sizeof name, "w%d.yaml", i + 1);
        trio_path(&operator.trio, name, file);
        stream = fopen(file, "a");
        assert_non_null(stream);
        assert_true(fprintf(stream, "event_script: %s\n", script) > 0);
        assert_int_equal(fclose(stream), 0);
        trio_signal(&operator.trio, i, SIGHUP);
        trio_logs(&operator.trio, i, "event=config.reloaded");
    }
}

/* The first line with `part` of what the script has written; waits until so many have it. How many.
 */
static unsigned count_events(const char *part, unsigned wanted, char *out_line, size_t size)
{
    static char text[64 * 1024];
    char path[TRIO_PATH_BYTES];
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);
    unsigned count = 0;

    trio_path(&operator.trio, EVENTS_FILE, path);
    while (count < wanted) {
        FILE *stream = fopen(path, "r");

        if (patience_is_over(&patience))
            patience_fail("%u events have %s, %u do", wanted, part, count);
        (void)usleep(OPERATOR_PAUSE_US);
        if (stream == NULL)
            continue;
        count = 0;
        text[fread(text, 1, sizeof text - 1, stream)] = '\0';
        assert_int_equal(fclose(stream), 0);
        for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
            if (strstr(line, part) != NULL && count++ == 0)
                (void)snprintf(out_line, size, "%s", line);
    }
    return count;
}

static void the_leader_alone_tells_its_script_what_was_committed(void **state)
{
    char line[BW_SCRIPT_INPUT_BYTES_MAX + 1] = "";
    char path[TRIO_PATH_BYTES];
    json_t *event;

    (void)state;
    trio_path(&operator.trio, EVENTS_FILE, path);
    operator_put(EVENTS_SCRIPT, "#!/bin/sh\n(cat; echo) >>%s\n", path);
    set_on_event();

    assert_int_equal(run("mode harbor manual --yes"), 0);
    assert_int_equal(run("mode harbor auto --yes"), 0);

    assert_int_equal(count_events("\"event\":\"SetMode\"", 2, line, sizeof line),
                     2); /* each by one witness */
    operator_keep_answer("on_event", line);
    event = operator_parse(line);
    assert_string_equal(json_string_value(json_object_get(event, "group")), "harbor");
    assert_string_equal(json_string_value(json_object_get(event, "holder")), "dc-a");
    assert_string_equal(json_string_value(json_object_get(event, "by")), "operator/anna");
    json_decref(event);
}

static void what_is_asked_for_is_told_as_what_it_is(void **state)
{
    char line[BW_SCRIPT_INPUT_BYTES_MAX + 1] = "";
    json_t *event;
    const json_t *wish;

    (void)state;
    ask_for_a_move_and_take_it_back();
    assert_int_equal(count_events("\"event\":\"Wish\"", 1, line, sizeof line), 1);
    operator_keep_answer("on_event", line);
    event = operator_parse(line);
    wish = json_object_get(event, "wish");
    assert_string_equal(json_string_value(json_object_get(wish, "kind")), "switchover");
    assert_true(json_is_null(json_object_get(wish, "end")));
    json_decref(event);
}

static void alarms_are_told_too_and_who_has_seen_them(void **state)
{
    char line[BW_SCRIPT_INPUT_BYTES_MAX + 1] = "";
    json_t *event;

    (void)state;
    assert_int_equal(run("maintenance harbor --for 5m --yes"), 0);
    assert_int_equal(count_events("{\"alarm\":\"maintenance_ends\"", 1, line, sizeof line), 1);
    operator_keep_answer("on_event", line);
    event = operator_parse(line);
    assert_string_equal(json_string_value(json_object_get(json_object_get(event, "alarm"), "name")), "maintenance_expiring");
    assert_string_equal(json_string_value(json_object_get(event, "event")), "AlarmBegan");
    assert_string_equal(json_string_value(json_object_get(event, "group")), "harbor");
    json_decref(event);

    assert_int_equal(run("ack harbor maintenance_ends --yes --reason rehearsal"), 0);
    assert_int_equal(count_events("\"event\":\"AlarmAcknowledged\"", 1, line, sizeof line), 1);
    operator_keep_answer("on_event", line);
    event = operator_parse(line);
    assert_string_equal(json_string_value(json_object_get(event, "by")), "operator/anna");
    assert_string_equal(json_string_value(json_object_get(event, "text")), "rehearsal");
    json_decref(event);
    assert_int_equal(run("maintenance harbor --end --yes"), 0);
    until_status_says(0, "Failover: automatic to dc-b");
}

#define FLOOD 90 /* more than the queue of 64 has room for */

/* Its script waits meanwhile. What is lost of the one group is told with what came before it. */
static void who_changes_one_group_without_end_takes_no_event_of_another(void **state)
{
    char hold[TRIO_PATH_BYTES], told[TRIO_PATH_BYTES];
    char line[BW_SCRIPT_INPUT_BYTES_MAX + 1] = "";

    (void)state;
    trio_path(&operator.trio, "hold", hold);
    trio_path(&operator.trio, EVENTS_FILE, told);
    operator_put("hold", "yes\n");
    operator_put(EVENTS_SCRIPT, "#!/bin/sh\nwhile [ -e %s ]; do sleep 0.1; done\n(cat; echo) >>%s\n", hold, told);
    set_on_event();
    (void)unlink(told); /* alone, it was not made yet */
    for (int i = 0; i < FLOOD; i++)
        assert_int_equal(post(operator.operator, "/v1/groups/harbor/mode",
                              i % 2 == 0 ? "{\"mode\":\"manual\"}" : "{\"mode\":\"auto\"}"),
                         200);
    operator_put("depot.yaml", "groups:\n  - {name: depot, mode: observe, sites: [{name: dc-a}, {name: dc-b}]}\n");
    assert_int_equal(operator_apply("depot.yaml", "--yes"), 0);
    assert_int_equal(unlink(hold), 0);

    assert_int_equal(count_events("\"group\":\"depot\"", 1, line, sizeof line), 1);
    assert_non_null(strstr(line, "\"lost\":0"));
    assert_int_equal(count_events("\"lost\":", 1, line, sizeof line) -
                         count_events("\"lost\":0", 1, line, sizeof line),
                     1);
    operator_keep_answer("on_event", line);
    assert_int_equal(run("delete depot --yes"), 0);
}

static void a_held_group_is_not_deleted(void **state)
{
    (void)state;
    assert_int_equal(run("delete harbor --yes"), 6);
    assert_says(operator.errors,
                "harbor has a primary, dc-a, in epoch 1. First release it");
    until_status_says(0, "dc-a");
}

static void one_that_was_let_go_is(void **state)
{
    (void)state;
    operator.a_is_mute = operator.b_is_mute = true;
    assert_int_equal(run("mode harbor observe --yes"), 0);
    assert_int_equal(run("delete harbor --yes --wait-timeout 1s"), OPERATOR_REFUSED);
    assert_says(operator.out,
                "waiting; nothing has changed yet (Ctrl-C stops it here): dc-a has not "
                "released harbor to manual control yet");
    assert_says(operator.errors, "refused: dc-a has not released harbor to manual control yet");
    assert_int_equal(run("mode harbor auto --plan"), OPERATOR_REFUSED); /* told at once */
    operator.a_is_mute = false;
    operator_wait_for_round();
    operator_wait_for_round(); /* and in this one it says so */
    assert_int_equal(run("delete harbor --yes --reason moved"), 0); /* once dc-a has let go */
    operator.b_is_mute = false;
    assert_says(operator.out, "starts above epoch 1");
    assert_says(operator.out, "every connected site releases the service to manual control");
    assert_says(operator.out, "dc-b has not reported that it released the service: if its guard starts before its agent "
                              "receives this, a running service is fenced there");
    assert_null(strstr(operator.out, "dc-a has not reported"));
    assert_says(operator.out, "delete of harbor: done: the group is deleted");
    assert_int_equal(run("groups"), 0);
    assert_says(operator.out, "groups: []");
    assert_int_equal(run("delete harbor --yes"), 1);
    assert_says(operator.errors, "there is no group \"harbor\"");
}

/* It has half a minute; what is decided meanwhile is so at once, and what has no place is dropped.
 * It ends with its file. */
static void a_script_that_hangs_keeps_nothing_waiting(void **state)
{
    char text[16 * 1024] = "groups:\n";
    uint64_t begun_ns;

    (void)state;
    operator_put(EVENTS_SCRIPT, "#!/bin/sh\nwhile [ -e \"$0\" ]; do sleep 0.2; done\n");
    for (int i = 0; i < 2 * 64; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text),
                       "  - {name: many-%d, mode: observe, sites: [{name: dc-a}, {name: dc-b}]}\n",
                       i);
    operator_put("many.yaml", "%s", text);
    begun_ns = bw_clock_now().boot_ns;

    assert_int_equal(operator_apply("many.yaml", "--yes"), 0);

    assert_in_range((bw_clock_now().boot_ns - begun_ns) / BW_NS_PER_S, 0, 20);
    trio_logs(&operator.trio, trio_leader(&operator.trio), "event=event.dropped");
}

/* ---- the file of a witness */

static void edit_file(const char *edit)
{
    char command[TRIO_PATH_BYTES + 128];
    char file[TRIO_PATH_BYTES];

    trio_path(&operator.trio, "w1.yaml", file);
    (void)snprintf(command, sizeof command, "sed -i '%s' '%s'", edit, file);
    assert_int_equal(system(command), 0);
    trio_signal(&operator.trio, 0, SIGHUP);
}

static bool was_last_reload_successful(void)
{
    assert_int_equal(operator_ask(operator.trio.viewer, 0, "GET", "/metrics", NULL, 0), 200);
    return strstr(operator.reply.body, "\nbreakwater_config_last_reload_successful 1\n") != NULL;
}

/* 5.4: the alarm of it waits for minutes, and certificates are renewed by a job. */
static void a_file_that_was_refused_stays_so_when_a_new_certificate_is_taken(void **state)
{
    static const char taken[] = "event=config.reloaded component=witness what=configuration";
    const unsigned before = trio_times_logged(&operator.trio, 0, taken);
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    edit_file("$a log_level: none");
    trio_logs(&operator.trio, 0, "event=config.reload_failed");
    assert_false(was_last_reload_successful());

    test_pki_issue_uri(&operator.trio.pki, "w1.pem", "breakwater://prod/witness/w1", path);
    trio_logs(&operator.trio, 0, "event=config.reloaded component=witness what=certificates");
    assert_false(was_last_reload_successful());

    edit_file("$d");
    trio_logs_times(&operator.trio, 0, taken, before + 1); /* it ends handshakes */
    assert_true(was_last_reload_successful());
}

/* Who follows the line has a witness that starts. */
static void a_key_that_no_reload_changes_says_what_does(void **state)
{
    static const struct {
        const char *edit, *back, *says;
    } changes[] = {
        {"s/^name: w1$/name: w2/", "s/^name: w2$/name: w1/",
         "`breakwater witness init` has fixed name: no restart changes it; take that back"},
        {"s/^cluster: prod$/cluster: dorp/", "s/^cluster: dorp$/cluster: prod/",
         "`breakwater witness init` has fixed cluster: no restart changes it; take that back"},
        {"s/^election_timeout: /&1/", "s/^election_timeout: 1/election_timeout: /",
         "`breakwater witness init` has fixed election_timeout: no restart changes it; take that back"},
        {"s|^data_dir: .|&/there|", "s|/there||",
         "data_dir changes only with a restart, and with the directory moved there while the witness is stopped"},
        {"s/^metrics_anonymous: .*//; $a metrics_anonymous: true", "$d", "metrics_anonymous changes only with a restart"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        edit_file(changes[i].edit);
        trio_logs(&operator.trio, 0, changes[i].says);
        edit_file(changes[i].back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_tells_and_changes_nothing),
        cmocka_unit_test(the_mode_is_another_and_again_there_is_nothing_to_do),
        cmocka_unit_test(without_a_terminal_and_without_yes_nothing_changes),
        cmocka_unit_test(what_is_no_mode_and_no_group_is_told),
        cmocka_unit_test(a_change_is_bound_to_what_was_looked_at),
        cmocka_unit_test(a_site_in_maintenance_is_no_candidate_until_it_ends),
        cmocka_unit_test(its_end_is_announced),
        cmocka_unit_test(an_alarm_that_somebody_has_seen_is_told_and_warns_no_more),
        cmocka_unit_test(it_ends_by_itself),
        cmocka_unit_test(what_cannot_be_a_maintenance_is_told),
        cmocka_unit_test(a_viewer_and_a_body_that_nobody_understands_change_nothing),
        cmocka_unit_test(what_groups_prints_is_what_apply_reads),
        cmocka_unit_test(a_pause_ends_with_the_mode_of_before),
        cmocka_unit_test(a_file_that_somebody_was_faster_than_is_refused),
        cmocka_unit_test(a_plan_says_who_set_what_it_undoes_and_what_that_means),
        cmocka_unit_test(check_dials_what_its_files_name),
        cmocka_unit_test(a_move_whose_stop_has_not_begun_is_taken_back),
        cmocka_unit_test(the_plan_of_observe_says_of_a_start_what_is_known),
        cmocka_unit_test(the_leader_alone_tells_its_script_what_was_committed),
        cmocka_unit_test(what_is_asked_for_is_told_as_what_it_is),
        cmocka_unit_test(alarms_are_told_too_and_who_has_seen_them),
        cmocka_unit_test(who_changes_one_group_without_end_takes_no_event_of_another),
        cmocka_unit_test(a_held_group_is_not_deleted),
        cmocka_unit_test(one_that_was_let_go_is),
        cmocka_unit_test(a_script_that_hangs_keeps_nothing_waiting),
        cmocka_unit_test(a_file_that_was_refused_stays_so_when_a_new_certificate_is_taken),
        cmocka_unit_test(a_key_that_no_reload_changes_says_what_does),
        cmocka_unit_test(every_answer_is_as_its_schema_says),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, operator_set_up_serving, operator_tear_down);
}
