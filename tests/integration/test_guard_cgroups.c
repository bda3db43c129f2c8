/* breakwater guard: what else may be in a group's own cgroups, or be done to them. The real program. Design 3.2.4, 3.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guard_rig.h"
#include "lacking.h"
#include "steps_world.h"

#define TTL_MS 60000

static void serve(struct rig *rig)
{
    (void)rig_serve(rig, TTL_MS, FENCE_MS);
    if (rig_has(rig, "log", "event=reach.by_scan"))
        skip_lacking("cgroups");
}

/* A file of the cgroup in which starts begin. */
static void path_in_begun(const struct rig *rig, const char *name, char out_path[PATH_MAX])
{
    static const char variable[] = "BREAKWATER_CGROUP=";
    FILE *in = fopen(rig_path(rig, "start.env"), "r");
    char line[PATH_MAX];

    out_path[0] = '\0';
    assert_non_null(in);
    while (fgets(line, sizeof line, in) != NULL)
        if (strncmp(line, variable, strlen(variable)) == 0)
            (void)snprintf(out_path, PATH_MAX, "%.*s/%s", (int)strcspn(line + strlen(variable), "\n"),
                           line + strlen(variable), name);
    (void)fclose(in); /* only read from */
    assert_string_not_equal(out_path, "");
}

static bool has_written(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");

    return out != NULL && fputs(text, out) >= 0 && fclose(out) == 0;
}

/* ---- whom /proc does not show ---------------------------------------------------------------- */

/* The guard, and all that it starts, in a pid namespace of their own, as in a container. */
static void begin_guard_apart(struct rig *rig)
{
    char build[PATH_MAX];
    char wrapper[PATH_MAX + 128];

    if (system("unshare -p -f --mount-proc true 2>/dev/null") != 0)
        skip_lacking("mounts");
    (void)snprintf(build, sizeof build, "%s", getenv("BREAKWATER_BUILD"));
    (void)snprintf(wrapper, sizeof wrapper,
                   "#!/bin/sh\nexec unshare -p -f --mount-proc --kill-child '%s/breakwater' \"$@\"\n", build);
    rig_put(rig, "breakwater", 0755, wrapper);
    assert_int_equal(setenv("BREAKWATER_BUILD", rig->dir, 1), 0);
    serve(rig);
    assert_int_equal(setenv("BREAKWATER_BUILD", build, 1), 0);
}

/* Its number there is 0. No stop is seen to have ended, which is tried until its limit. */
static void a_process_of_another_pid_namespace_is_there_until_it_has_ended(void **state)
{
    struct rig *rig = *state;
    char procs[PATH_MAX];
    char command[256];
    pid_t stranger;

    (void)snprintf(command, sizeof command, "sed -i 's/stop_timeout: .*/stop_timeout: 2s/' '%s'",
                   rig_path(rig, "site.yaml"));
    assert_int_equal(system(command), 0);
    begin_guard_apart(rig);
    path_in_begun(rig, "cgroup.procs", procs);
    stranger = fork();
    if (stranger == 0) {
        if (!has_written(procs, "0"))
            _exit(1);
        rig_put(rig, "placed", 0644, "");
        (void)execl("/bin/sleep", "sleep", "600", (char *)NULL);
        _exit(1);
    }
    wait_file(rig, "placed");

    const struct bw_guard_run_ended stop = rig_run(&rig->agent, 1, BW_ACTION_STOP);
    const bool is_there = waitpid(stranger, NULL, WNOHANG) == 0;

    if (is_there) {
        (void)kill(stranger, SIGKILL); /* our child, not reaped */
        (void)waitpid(stranger, NULL, 0);
    }
    assert_false(is_there && stop.result == BW_RUN_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_process_of_another_pid_namespace_is_there_until_it_has_ended),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
