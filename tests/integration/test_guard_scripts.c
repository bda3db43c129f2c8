/* breakwater guard: scripts that misbehave. The real program. Design 3.2.4, 5.1. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "guard_rig.h"

#define FENCE_MS 5000
#define LONG_MS  1900000 /* no test takes that long */

static void shorten_start(const struct rig *rig)
{
    char command[256];

    (void)snprintf(command, sizeof command, "sed -i 's/start_timeout: .*/start_timeout: 2s/' '%s'",
                   rig_path(rig, "site.yaml"));
    assert_int_equal(system(command), 0);
}

static void a_start_that_hangs_and_ignores_term_times_out(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "start.sh", 0755, "#!/bin/sh\ntrap '' TERM\nsleep 600 & wait\nsleep 600\n");
    shorten_start(rig);
    rig_guard_start(rig);
    rig_greet(rig);
    (void)rig_arm(&rig->agent, 1, LONG_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_TIMED_OUT);
}

static void a_status_that_prints_100_mb_is_heard_all_the_same(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_run_ended ended;

    rig_put(rig, "status.sh", 0755,
            "#!/bin/sh\necho started\nhead -c 100000000 /dev/zero | tr '\\0' x\n");
    rig_guard_start(rig);
    rig_greet(rig);

    ended = rig_run(&rig->agent, 0, BW_ACTION_STATUS);

    assert_int_equal(ended.result, BW_RUN_OK);
    assert_string_equal(ended.line, "started");
    assert_int_equal(strlen(ended.tail), sizeof ended.tail - 1);
}

static void a_script_that_vanished_is_not_started(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_run_ended ended;

    rig_guard_start(rig);
    rig_greet(rig);
    assert_int_equal(unlink(rig_path(rig, "status.sh")), 0);

    ended = rig_run(&rig->agent, 0, BW_ACTION_STATUS);

    assert_int_equal(ended.result, BW_RUN_NOT_STARTED);
    assert_non_null(strstr(ended.tail, "status.sh"));
}

/* Each script that the group needs is looked at with the status, and found before it is needed (5.1). */
static void what_cannot_be_run_is_found_by_a_status(void **state)
{
    static const struct {
        const char *name;
        enum bw_action_kind action;
        const char *how; /* run by a shell, in the rig's directory */
        const char *says;
    } cases[] = {
        {"start.sh", BW_ACTION_START, "rm start.sh", "No such file"},
        {"stop.sh", BW_ACTION_STOP, "rm stop.sh; mkdir stop.sh", "not a file"},
        {"fence.sh", BW_ACTION_FENCE, "printf '#!/bin/bassh -e\nexit 0\n' >fence.sh", "/bin/bassh"},
        {"fence.sh", BW_ACTION_FENCE, "printf '#!/bin/sh\r\nexit 0\r\n' >fence.sh", "carriage return"},
        {"start.sh", BW_ACTION_START, "chmod 0777 start.sh", "can be changed by others"},
        {"status.sh", BW_ACTION_STATUS, "rm status.sh", "No such file"},
    };
    struct rig *rig = *state;
    char command[512];

    rig_guard_start(rig);
    rig_greet(rig);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bw_guard_run_ended ended = rig_run(&rig->agent, 0, BW_ACTION_STATUS);

        assert_true(ended.has_looked);
        assert_int_equal(ended.unrunnable, BW_ACTION_NONE);
        (void)snprintf(command, sizeof command, "cd '%s' && cp -p %s kept && { %s; }", rig->dir, cases[i].name,
                       cases[i].how);
        assert_int_equal(system(command), 0);

        ended = rig_run(&rig->agent, 0, BW_ACTION_STATUS);

        assert_true(ended.has_looked);
        assert_int_equal(ended.unrunnable, cases[i].action);
        assert_non_null(strstr(ended.unrunnable_words, cases[i].name));
        assert_non_null(strstr(ended.unrunnable_words, cases[i].says));
        (void)snprintf(command, sizeof command, "cd '%s' && rm -rf %s && mv kept %s", rig->dir, cases[i].name,
                       cases[i].name);
        assert_int_equal(system(command), 0);
    }
}

/* While it serves somebody opens the script to others: from then on nothing of it runs. */
static void a_script_that_others_can_write_is_refused_by_and_by(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_run_ended ended;

    rig_guard_start(rig);
    rig_greet(rig);
    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
    assert_int_equal(chmod(rig_path(rig, "status.sh"), 0775), 0);

    ended = rig_run(&rig->agent, 0, BW_ACTION_STATUS);

    assert_int_equal(ended.result, BW_RUN_NOT_STARTED);
    assert_non_null(strstr(ended.tail, "allow_writable_scripts"));
    assert_int_equal(chmod(rig_path(rig, "status.sh"), 0755), 0);
    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
}

/* Nobody has told the guard. */
static void edit(const struct rig *rig, const char *name)
{
    FILE *file = fopen(rig_path(rig, name), "a");

    assert_non_null(file);
    assert_true(fputs("# edited\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* 3.4: what was seen with certain scripts says nothing of others. */
static void a_script_edited_where_it_lies_is_seen_by_the_next_look(void **state)
{
    struct rig *rig = *state;
    struct bw_reach_sight before;
    struct bw_reach_sight after;

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    before = rig_run(&rig->agent, 1, BW_ACTION_STATUS).sight;
    assert_int_equal(before.seen, BW_REACH_INSIDE);

    edit(rig, "stop.sh"); /* how it is stopped says nothing of where it runs */
    assert_true(rig_run(&rig->agent, 1, BW_ACTION_STATUS).sight.digest == before.digest);
    edit(rig, "status.sh");
    after = rig_run(&rig->agent, 1, BW_ACTION_STATUS).sight;

    assert_int_equal(after.seen, BW_REACH_UNSEEN);
    assert_int_not_equal(after.digest, before.digest);
    assert_true(rig_has(rig, "log", "scripts.changed"));
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).sight.seen, BW_REACH_UNSEEN);
}

/* The epoch ends as its reach is committed, of the scripts that were there then. */
static void a_script_edited_where_it_lies_is_not_started_unseen(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_run_ended ended;

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_OK);
    edit(rig, "start.sh");

    ended = rig_run(&rig->agent, 1, BW_ACTION_START);

    assert_int_equal(ended.result, BW_RUN_REFUSED);
    assert_int_equal(ended.refusal, BW_REFUSAL_OTHER_SCRIPTS);
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "stopped");
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK); /* now it is known */
}

static unsigned times_in_log(const struct rig *rig, const char *text)
{
    char line[4096];
    unsigned count = 0;
    FILE *log = fopen(rig_path(rig, "log"), "r");

    assert_non_null(log);
    while (fgets(line, sizeof line, log) != NULL)
        count += strstr(line, text) != NULL;
    (void)fclose(log); /* only read from */
    return count;
}

/* Who reads status_unknown finds here what the script said, and not once a look. */
static void what_an_unreadable_status_printed_is_logged_once(void **state)
{
    struct rig *rig = *state;

    rig_guard_start(rig);
    rig_greet(rig);
    rig_put(rig, "status.sh", 0755, "#!/bin/sh\necho 'psql: no route' >&2\necho down\nexit 3\n");
    for (int i = 0; i < 2; i++)
        assert_int_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).result, BW_RUN_FAILED);
    assert_int_equal(times_in_log(rig, "status.parse_failed"), 1);
    assert_true(rig_has(rig, "log", "code=3 line=\"down\""));
    assert_true(rig_has(rig, "log", "psql: no route"));

    rig_put(rig, "status.sh", 0755, "#!/bin/sh\necho stopped\n");
    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
    rig_put(rig, "status.sh", 0755, "#!/bin/sh\necho down\n");
    (void)rig_run(&rig->agent, 0, BW_ACTION_STATUS);

    assert_int_equal(times_in_log(rig, "status.parse_failed"), 2);
}

static void what_a_stop_leaves_running_is_ended_and_said(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "stop.sh", 0755,
            "#!/bin/sh\nsleep 600 </dev/null >/dev/null 2>&1 &\nexit 0\n");
    rig_guard_start(rig);
    rig_greet(rig);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_OK);

    assert_true(rig_has(rig, "log", "script.left_behind"));
}

static void a_script_that_is_not_executable_runs_by_shell_with_one_warning(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "status.sh", 0644, "echo stopped\n");
    rig_guard_start(rig);
    rig_greet(rig);

    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");

    assert_true(rig_has(rig, "log", "script.by_shell"));
}

/* 3.2.4: a stop succeeds only when nothing was seen to serve. */
static void a_stop_that_exits_0_and_does_nothing_has_failed(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "stop.sh", 0755, "#!/bin/sh\nexit 0\n");
    (void)rig_serve(rig, LONG_MS, FENCE_MS);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_FAILED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_start_that_hangs_and_ignores_term_times_out),
        TEST(a_status_that_prints_100_mb_is_heard_all_the_same),
        TEST(a_script_that_vanished_is_not_started),
        TEST(what_cannot_be_run_is_found_by_a_status),
        TEST(a_script_that_others_can_write_is_refused_by_and_by),
        TEST(a_script_edited_where_it_lies_is_seen_by_the_next_look),
        TEST(a_script_edited_where_it_lies_is_not_started_unseen),
        TEST(what_an_unreadable_status_printed_is_logged_once),
        TEST(what_a_stop_leaves_running_is_ended_and_said),
        TEST(a_script_that_is_not_executable_runs_by_shell_with_one_warning),
        TEST(a_stop_that_exits_0_and_does_nothing_has_failed),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
