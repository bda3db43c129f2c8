/* breakwater guard: what a service prints to the output of the script that started it breaks with no guard. The real
 * program. Design 3.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "guard_rig.h"
#include "lacking.h"
#include "steps_world.h"

/* It prints to both outputs of its start script, and dies of the first that breaks. */
#define PRINTS(more)                                                                                                   \
    "#!/bin/sh\n" RIG_TELL_PID "while :; do echo I serve; echo I serve >&2\n" more                                     \
    "cut -d' ' -f1 /proc/uptime >>beats; sleep 0.1; done\n"
/* 100 times what a pipe holds, each time round. */
#define FLOODS PRINTS("head -c 6400000 /dev/zero\n")
#define STARTS HEAD "setsid sh service.sh </dev/null &\nwhile [ ! -s beats ]; do sleep 0.01; done\n"

static void begin_serving(struct rig *rig, const char *service)
{
    rig_put(rig, "service.sh", 0755, service);
    rig_put(rig, "start.sh", 0755, STARTS);
    (void)rig_serve(rig, LONG_MS, FENCE_MS);
}

/* It has printed several times since. */
static void assert_goes_on(struct rig *rig, const char *pid_file, pid_t pid)
{
    for (int i = 0; i < 3; i++)
        rig_wait_beat(rig, rig_now_ms());
    assert_int_equal(pid_in(rig, pid_file), pid);
}

static void assert_outlives(struct rig *rig, int signal)
{
    const pid_t pid = pid_in(rig, "pid");

    (void)rig_guard_end(rig, signal);
    assert_goes_on(rig, "pid", pid);
    rig_guard_start(rig);
    rig_greet(rig);
    assert_goes_on(rig, "pid", pid);
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
}

static void a_restart_of_the_guard_breaks_no_output(void **state)
{
    struct rig *rig = *state;

    begin_serving(rig, PRINTS(""));

    assert_outlives(rig, SIGTERM);
}

static void the_loss_of_the_guard_breaks_no_output(void **state)
{
    struct rig *rig = *state;

    begin_serving(rig, PRINTS(""));

    assert_outlives(rig, SIGKILL);
    assert_outlives(rig, SIGKILL); /* the guard that comes after has not been given it */
}

static void what_prints_much_is_not_held_up_while_no_guard_is_there(void **state)
{
    struct rig *rig = *state;

    begin_serving(rig, FLOODS);

    assert_outlives(rig, SIGKILL);
}

static void so_it_is_of_what_steps_have_left(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "service.sh", 0755, PRINTS(""));
    rig_put(rig, "a.sh", 0755, STARTS);
    put_steps(rig, "start_steps", "      - {name: a, script: a.sh}\n");
    begin_armed(rig, LONG_MS);
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);

    assert_outlives(rig, SIGKILL);
}

/* What follows another site from now on prints to the script that has ended the service. */
static void so_it_is_of_what_a_stop_leaves_to_stay(void **state)
{
    struct rig *rig = *state;
    pid_t pid;

    rig_put(rig, "follow.sh", 0755,
            "#!/bin/sh\necho $$ >\"$BREAKWATER_CGROUP/cgroup.procs\"\nPID_FILE=follows\n" BW_LAB_SCRIPT_TELL_PID
            "while :; do echo I follow; cut -d' ' -f1 /proc/uptime >>beats; sleep 0.1; done\n");
    rig_put(rig, "stop.sh", 0755,
            HEAD "sleep 0.05\nsetsid sh follow.sh </dev/null &\nwhile [ ! -s follows ]; do sleep 0.01; done\n"
                 "read -r pid begun <pid\nkill -KILL \"$pid\"\n"
                 "while kill -0 \"$pid\" 2>/dev/null; do sleep 0.01; done\nexit 0\n");
    begin_serving(rig, PRINTS(""));
    if (rig_has(rig, "log", "event=reach.by_scan"))
        skip_lacking("cgroups");
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_OK);
    pid = pid_in(rig, "follows");
    assert_goes_on(rig, "follows", pid);

    (void)rig_guard_end(rig, SIGKILL);

    assert_goes_on(rig, "follows", pid);
}

/* ---- the reader ------------------------------------------------------------------------------ */

/* A child of the guard by its name; 0: none. */
static pid_t reader_of(const struct rig *rig)
{
    DIR *dir = opendir("/proc");
    pid_t found = 0;

    assert_non_null(dir);
    for (struct dirent *entry; found == 0 && (entry = readdir(dir)) != NULL;) {
        char path[300];
        char name[32];
        long pid, parent;
        FILE *in;

        (void)snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        in = fopen(path, "r");
        if (in != NULL && fscanf(in, "%ld (%31[^)]) %*c %ld", &pid, name, &parent) == 3 && parent == rig->guard &&
            strcmp(name, "bw-output") == 0)
            found = (pid_t)pid;
        if (in != NULL)
            (void)fclose(in); /* only read from */
    }
    (void)closedir(dir); /* likewise */
    return found;
}

static pid_t wait_reader(struct rig *rig, pid_t not_this)
{
    struct patience patience = patience_begin(RIG_PATIENCE_MS);
    pid_t pid;

    while ((pid = reader_of(rig)) == 0 || pid == not_this) {
        if (patience_is_over(&patience))
            patience_fail("nobody reads what the service prints");
        rig_turn(rig);
    }
    return pid;
}

static void a_reader_that_is_lost_is_made_again(void **state)
{
    struct rig *rig = *state;
    pid_t reader;

    begin_serving(rig, FLOODS);
    reader = wait_reader(rig, 0);
    assert_int_equal(kill(reader, SIGTERM), 0); /* by mistake: it stays */
    assert_goes_on(rig, "pid", pid_in(rig, "pid"));
    assert_int_equal(reader_of(rig), reader);

    assert_int_equal(kill(reader, SIGKILL), 0);
    (void)wait_reader(rig, reader);
    assert_goes_on(rig, "pid", pid_in(rig, "pid"));

    assert_outlives(rig, SIGKILL);
}

/* No descriptor is left for another one: the guard reads itself, and says so. */
static void where_none_can_be_made_the_guard_reads(void **state)
{
    const struct rlimit few = {.rlim_cur = 3, .rlim_max = 4096};
    const struct rlimit enough = {.rlim_cur = 4096, .rlim_max = 4096};
    struct rig *rig = *state;
    pid_t reader;

    begin_serving(rig, FLOODS);
    reader = wait_reader(rig, 0);
    assert_int_equal(prlimit(rig->guard, RLIMIT_NOFILE, &few, NULL), 0);
    assert_int_equal(kill(reader, SIGKILL), 0);
    rig_wait_log(rig, "event=output.reader_failed");
    assert_goes_on(rig, "pid", pid_in(rig, "pid"));

    assert_int_equal(prlimit(rig->guard, RLIMIT_NOFILE, &enough, NULL), 0);
    (void)wait_reader(rig, reader);
    assert_outlives(rig, SIGKILL);
}

static void a_reader_ends_with_what_it_reads(void **state)
{
    struct rig *rig = *state;
    struct patience patience;
    pid_t reader;

    begin_serving(rig, PRINTS(""));
    reader = wait_reader(rig, 0);
    (void)rig_guard_end(rig, SIGKILL);
    assert_goes_on(rig, "pid", pid_in(rig, "pid"));
    assert_int_equal(kill(reader, 0), 0);

    assert_int_equal(kill(pid_in(rig, "pid"), SIGKILL), 0);
    patience = patience_begin(RIG_PATIENCE_MS);
    while (kill(reader, 0) == 0) {
        if (patience_is_over(&patience))
            patience_fail("its reader never ends");
        rig_turn(rig);
    }
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_restart_of_the_guard_breaks_no_output),
        TEST(the_loss_of_the_guard_breaks_no_output),
        TEST(what_prints_much_is_not_held_up_while_no_guard_is_there),
        TEST(so_it_is_of_what_steps_have_left),
        TEST(so_it_is_of_what_a_stop_leaves_to_stay),
        TEST(a_reader_that_is_lost_is_made_again),
        TEST(where_none_can_be_made_the_guard_reads),
        TEST(a_reader_ends_with_what_it_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
