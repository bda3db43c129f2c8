/* `breakwater-chaos scripts` where a group is enforced: it starts nothing, for another site may serve it (3.9). By what
 * a real guard, and a real agent, have kept; and a guard does not begin beside it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_life.h"
#include "guard_rig.h"
#include "shell_outcome.h"

#define LONG_MS  1900000 /* no test takes that long */
#define FENCE_MS 5000

/* Its exit status, and what it says. */
static int try_scripts(const char *dir, char *out_said, size_t size)
{
    char command[512];

    (void)snprintf(command, sizeof command,
                   "cd '%s' && \"$BREAKWATER_BUILD/breakwater-chaos\" scripts -c site.yaml --yes 2>&1 </dev/null",
                   dir);
    return outcome_of(command, out_said, size);
}

static void assert_refused(const char *dir, const char *group)
{
    char said[8192];
    char wanted[128];
    const int status = try_scripts(dir, said, sizeof said);

    (void)snprintf(wanted, sizeof wanted, "error: scripts: the witnesses manage group %s: ", group);
    if (status != 6 || strstr(said, wanted) == NULL || strstr(said, "nothing was run") == NULL)
        fail_msg("%d: %s", status, said);
}

static void what_a_guard_has_armed_is_not_tried(void **state)
{
    struct rig *rig = *state;

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    (void)rig_guard_end(rig, SIGTERM);
    assert_refused(rig->dir, "g");
}

/* Where a guard has kept nothing, as the test's own: a site that only stood by. */
static void what_an_agent_knows_to_be_enforced_is_not_tried(void **state)
{
    struct agent_world *world = *state;

    serve(world);
    assert_int_equal(agent_world_stop_agent(world, SIGTERM), 0);
    agent_world_guard_listen(world, false);
    assert_refused(world->dir, "harbor");
}

/* In the order of README.md: before any guard was ever here. */
static void a_guard_that_begins_during_a_first_trial_ends(void **state)
{
    struct rig *rig = *state;
    char wanted[64];
    pid_t trial;

    rig_put(rig, "status.sh", 0755,
            "#!/bin/sh\ncd \"${0%/*}\"\necho it is asked >>asked\nwhile [ ! -e told ]; do sleep 0.05; done\necho unknown\n");
    trial = fork();
    assert_true(trial >= 0);
    if (trial == 0) {
        char program[512];

        (void)snprintf(program, sizeof program, "%s/breakwater-chaos", getenv("BREAKWATER_BUILD"));
        if (chdir(rig->dir) == 0)
            (void)execl(program, "breakwater-chaos", "scripts", "-c", "site.yaml", "--yes", "--other-sites-are-off",
                        (char *)NULL);
        _exit(127);
    }
    while (!rig_has(rig, "asked", "it is asked") && waitpid(trial, NULL, WNOHANG) == 0)
        rig_turn(rig);

    rig_guard_start(rig);
    assert_true(WIFEXITED(rig_guard_end(rig, 0)));
    (void)snprintf(wanted, sizeof wanted, "is in use by process %ld;", (long)trial);
    assert_true(rig_has(rig, "log", wanted));

    rig_put(rig, "told", 0644, "");
    assert_int_equal(waitpid(trial, NULL, 0), trial);
    rig_guard_start(rig);
    rig_greet(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_guard_has_armed_is_not_tried, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(what_an_agent_knows_to_be_enforced_is_not_tried, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_guard_that_begins_during_a_first_trial_ends, rig_setup, rig_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
