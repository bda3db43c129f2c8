/* breakwater standalone: the replaced program's file and flag, on real processes. Design 5.2. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "janitor.h"
#include "patience.h"
#include "text_file.h"

#define WAIT_MS 20000 /* for what must happen, on an idle machine: patience.h */
#define LOOK_US     20000

struct world {
    char dir[64];
    pid_t program; /* 0: none */
};

static const char *path(const struct world *world, const char *name)
{
    static char texts[4][256];
    static unsigned next;
    char *text = texts[next++ % 4];

    (void)snprintf(text, sizeof texts[0], "%s/%s", world->dir, name);
    return text;
}

static void put(const struct world *world, const char *name, const char *text)
{
    FILE *file = fopen(path(world, "new"), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(path(world, "new"), path(world, name)), 0);
}

static bool has(const struct world *world, const char *name, const char *text)
{
    return text_file_has(path(world, name), text);
}

static void await(const struct world *world, const char *name, const char *text)
{
    struct patience patience = patience_begin(WAIT_MS);

    while (!has(world, name, text)) {
        if (patience_is_over(&patience))
            patience_fail("%s says \"%s\"", name, text);
        (void)usleep(LOOK_US);
    }
}

static void put_config(const struct world *world, const char *interval, const char *timeout)
{
    char text[1024];

    (void)snprintf(text, sizeof text,
                   "condition_check_script: %s/check.sh\nstart_script: %s/start.sh\n"
                   "stop_script: %s/stop.sh\nstatus_script: %s/status.sh\ncheck_interval: %s\n"
                   "failure_threshold: 3\nscript_timeout: %s\n",
                   world->dir, world->dir, world->dir, world->dir, interval, timeout);
    put(world, "config.yaml", text);
}

/* As in a ConfigMap: not executable, and without a first line that says what runs them. */
static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    char text[512];

    if (world == NULL)
        return -1;
    (void)strcpy(world->dir, "/tmp/breakwater-standalone-XXXXXX");
    if (mkdtemp(world->dir) == NULL)
        return -1;
    janitor_add_dir(world->dir);
    (void)snprintf(text, sizeof text, "%s/breakwater", getenv("BREAKWATER_BUILD"));
    if (symlink(text, path(world, "disaster-recovery")) != 0)
        return -1;
    put(world, "check.sh", "set -euo pipefail\necho check >> calls\ncat condition\n");
    put(world, "status.sh", "echo status >> calls\ncat status\n");
    put(world, "start.sh", "echo start >> calls\necho up\necho started > status\n");
    put(world, "stop.sh", "echo stop >> calls\necho stopped > status\n");
    put(world, "status", "stopped\n");
    put(world, "condition", "start\n");
    put_config(world, "100ms", "20s");
    *state = world;
    return 0;
}

static int end(struct world *world, int signal)
{
    int status = 0;

    assert_int_equal(kill(world->program, signal), 0);
    assert_int_equal(waitpid(world->program, &status, 0), world->program);
    world->program = 0;
    return status;
}

static int teardown(void **state)
{
    struct world *world = *state;

    if (world->program != 0) {
        (void)kill(world->program, SIGTERM); /* the second signal ends at once what it runs */
        (void)end(world, SIGINT);
    }
    janitor_remove_dir(world->dir);
    janitor_forget(world->dir);
    free(world);
    return 0;
}

static pid_t begin(const struct world *world, const char *program, const char *flag,
                   const char *config)
{
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        const int log = open(path(world, "log"), O_WRONLY | O_CREAT | O_APPEND, 0600);

        if (log >= 0 && dup2(log, 1) >= 0 && dup2(log, 2) >= 0 && chdir(world->dir) == 0)
            (void)execl(path(world, program), program, flag, config, (char *)NULL);
        _exit(127);
    }
    return child;
}

static int run(const struct world *world, const char *flag, const char *config)
{
    const pid_t child = begin(world, "disaster-recovery", flag, config);
    int status = 0;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void start(struct world *world)
{
    world->program = begin(world, "disaster-recovery", "-config", path(world, "config.yaml"));
}

static uint32_t count(const struct world *world, const char *call)
{
    FILE *file = fopen(path(world, "calls"), "r");
    char line[64];
    uint32_t found = 0;

    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        found += strncmp(line, call, strlen(call)) == 0 && line[strlen(call)] == '\n';
    assert_int_equal(fclose(file), 0);
    return found;
}

/* So many checks more have begun, each of them after what is so now. */
static void await_checks(const struct world *world, uint32_t more)
{
    const uint32_t until = count(world, "check") + more;
    struct patience patience = patience_begin(WAIT_MS);

    while (count(world, "check") < until) {
        if (patience_is_over(&patience))
            patience_fail("%u checks more begin", more);
        (void)usleep(LOOK_US);
    }
}

static void it_starts_and_stops_as_the_condition_says(void **state)
{
    struct world *world = *state;
    int status;

    start(world);
    await(world, "status", "started");
    assert_true(has(world, "log", "event=standalone.no_lease"));
    assert_true(has(world, "log", "two sites may serve at once"));
    assert_false(has(world, "log", "event=standalone.writable"));
    await_checks(world, 3);
    assert_int_equal(count(world, "start"), 1);
    assert_int_equal(count(world, "stop"), 0);

    put(world, "condition", "stop\n");
    await(world, "status", "stopped");
    assert_int_equal(count(world, "stop"), 1);
    assert_true(has(world, "log", "stops=2 failure_threshold=3"));
    status = end(world, SIGTERM);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_check_that_fails_calls_nothing(void **state)
{
    struct world *world = *state;

    put(world, "check.sh", "echo check >> calls\necho start\nexit 1\n");
    assert_int_equal(chmod(path(world, "start.sh"), 0766), 0);
    start(world);
    await(world, "calls", "check\n");
    assert_true(has(world, "log", "event=standalone.writable component=standalone action=start"));
    await_checks(world, 4);
    assert_int_equal(count(world, "status"), 0);
    put(world, "check.sh", "echo check >> calls\necho start\n");
    put(world, "status", "unknown\n");
    await(world, "calls", "status\n");
    await_checks(world, 3);
    assert_int_equal(count(world, "start") + count(world, "stop"), 0);
    assert_true(has(world, "log", "event=standalone.action_skipped component=standalone action=start line=\"unknown\""));
}

/* Else the service of both would serve, where a name has moved. */
static void a_service_of_which_status_says_unknown_is_stopped(void **state)
{
    struct world *world = *state;

    put(world, "status", "unknown\n");
    put(world, "condition", "stop\n");
    start(world);
    await(world, "calls", "stop\n");
    put(world, "status.sh", "echo status >> calls\nexit 1\n");
    await(world, "log", "event=standalone.action_skipped component=standalone action=stop");
}

/* One that was killed is there until it has been waited for. */
static void await_gone(pid_t pid)
{
    struct patience patience = patience_begin(WAIT_MS);

    while (kill(pid, 0) == 0) {
        if (patience_is_over(&patience))
            patience_fail("process %d ends", (int)pid);
        (void)usleep(LOOK_US);
    }
}

/* TERM, then KILL, also to what has a session of its own. A busy machine may reach a limit before that says
 * who it is: one of a later check does. */
static void a_script_that_takes_too_long_is_ended_with_its_tree(void **state)
{
    struct world *world = *state;
    FILE *file;
    int pid = 0;

    put_config(world, "100ms", "500ms");
    put(world, "check.sh",
        "echo check >> calls\ntrap '' TERM\nsetsid sh -c 'trap \"\" TERM; echo $$ >> pids; exec "
        "sleep 3600' &\n"
        "sleep 3600\n");
    start(world);
    await(world, "log", "how=\"timed out\"");
    await(world, "pids", "\n");
    file = fopen(path(world, "pids"), "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    assert_int_equal(fclose(file), 0);
    await_gone(pid);
    assert_int_equal(count(world, "status"), 0);
}

/* A signal ends the script that runs, too. */
static void a_signal_ends_what_runs(void **state)
{
    struct world *world = *state;
    int status;

    put(world, "start.sh", "echo start >> calls\nsleep 3600\n");
    start(world);
    await(world, "calls", "start\n");
    status = end(world, SIGINT);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(has(world, "log", "event=standalone.stopped"));
}

/* Who a script has written down in `name`. */
static pid_t noted(const struct world *world, const char *name)
{
    FILE *file = fopen(path(world, name), "r");
    int pid = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    assert_int_equal(fclose(file), 0);
    return pid;
}

/* They are nobody's to end but this test's. */
static void assert_lives_and_end(const struct world *world, const char *name)
{
    const pid_t pid = noted(world, name);

    if (kill(pid, SIGKILL) != 0)
        fail_msg("%s has been ended", name);
}

/* One shows whose it is, as most services do, and one has rewritten its environment. */
#define LEAVES(name)                                                                               \
    "setsid sh -c 'echo $$ > " name "; exec sleep 3600' >&- 2>&- &\n"                              \
    "env -i setsid sh -c 'echo $$ > " name "_bare; exec sleep 3600' >&- 2>&- &\n"                  \
    "until test -s " name " && test -s " name "_bare; do sleep 0.02; done\n"

/* What one start has left is the service, whatever becomes of the next. */
static void what_a_start_has_left_outlives_the_next_one(void **state)
{
    struct world *world = *state;

    put_config(world, "100ms", "3s");
    put(world, "start.sh",
        "echo start >> calls\ntest -e begun && exec sleep 3600\n: > begun\n" LEAVES("service"));
    start(world);
    await(world, "log", "action=start how=\"timed out\"");
    await(world, "log", "run.begun component=standalone action=start");
    while (count(world, "start") < 3) /* the third runs, and is ended by the signal */
        (void)usleep(LOOK_US);
    (void)end(world, SIGTERM);
    assert_true(has(world, "log", "action=start how=\"killed\""));
    assert_lives_and_end(world, "service");
    assert_lives_and_end(world, "service_bare");
}

/* A stop may leave a standby; a look leaves nothing, and that is said. */
static void what_a_stop_leaves_lives_and_what_a_look_leaves_is_told_of(void **state)
{
    struct world *world = *state;

    put(world, "status", "started\n");
    put(world, "condition", "stop\n");
    put(world, "stop.sh", "echo stop >> calls\n" LEAVES("standby") "echo stopped > status\n");
    start(world);
    await(world, "status", "stopped");
    await_checks(world, 2);
    assert_false(has(world, "log", "event=script.left_behind"));
    assert_lives_and_end(world, "standby");
    assert_lives_and_end(world, "standby_bare");

    put(world, "status.sh", "echo status >> calls\nsleep 3600 >&- 2>&- &\ncat status\n");
    await(world, "log", "event=script.left_behind component=standalone action=status");
}

/* Begun by nohup, or in the background of a shell that has gone: its end is not for it. */
static void a_hangup_that_was_to_be_ignored_is(void **state)
{
    struct world *world = *state;

    (void)signal(SIGHUP, SIG_IGN); /* as nohup does; what is begun inherits it */
    start(world);
    (void)signal(SIGHUP, SIG_DFL);
    await(world, "status", "started");
    assert_int_equal(kill(world->program, SIGHUP), 0);
    await_checks(world, 3);
    assert_false(has(world, "log", "event=standalone.stopping"));
    (void)end(world, SIGTERM);
    start(world);
    await_checks(world, 2);
    (void)end(world, SIGHUP);
    assert_true(has(world, "log", "event=standalone.stopping component=standalone signal=HUP"));
}

static void it_runs_once_with_a_file(void **state)
{
    struct world *world = *state;

    start(world);
    await(world, "calls", "check\n");
    assert_int_equal(run(world, "-config", path(world, "config.yaml")), 75);
    assert_true(has(world, "log", "another one runs with this file"));
}

static void a_bad_file_or_flag_starts_nothing(void **state)
{
    struct world *world = *state;

    put(world, "config.yaml", "status_script: /nowhere/status.sh\nlease: 3s\n");
    assert_int_equal(run(world, "-config", path(world, "config.yaml")), 78);
    assert_int_equal(run(world, "--config", path(world, "nowhere.yaml")), 78);
    assert_int_equal(run(world, "-colour", "red"), 2);
    assert_false(has(world, "calls", ""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_starts_and_stops_as_the_condition_says),
        TEST(a_check_that_fails_calls_nothing),
        TEST(a_service_of_which_status_says_unknown_is_stopped),
        TEST(a_script_that_takes_too_long_is_ended_with_its_tree),
        TEST(a_signal_ends_what_runs),
        TEST(what_a_start_has_left_outlives_the_next_one),
        TEST(what_a_stop_leaves_lives_and_what_a_look_leaves_is_told_of),
        TEST(a_hangup_that_was_to_be_ignored_is),
        TEST(it_runs_once_with_a_file),
        TEST(a_bad_file_or_flag_starts_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
