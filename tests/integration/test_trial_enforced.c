/* `breakwater-chaos scripts` where a group is enforced: it starts nothing, for another site may serve it (3.9). By what
 * a real guard, and a real agent, have kept. */
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

#include "agent_life.h"
#include "guard_rig.h"

#define LONG_MS  1900000 /* no test takes that long */
#define FENCE_MS 5000

/* Its exit status, and what it says. */
static int try_scripts(const char *dir, char *out_said, size_t size)
{
    char command[512];
    size_t said;
    FILE *from;
    int status;

    (void)snprintf(command, sizeof command,
                   "cd '%s' && \"$BREAKWATER_BUILD/breakwater-chaos\" scripts -c site.yaml --yes 2>&1 </dev/null",
                   dir);
    from = popen(command, "r");
    assert_non_null(from);
    said = fread(out_said, 1, size - 1, from);
    out_said[said] = '\0';
    status = pclose(from);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void assert_refused(const char *dir, const char *group)
{
    char said[8192];
    char wanted[128];
    const int status = try_scripts(dir, said, sizeof said);

    (void)snprintf(wanted, sizeof wanted, "error: scripts: group %s is enforced: ", group);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_guard_has_armed_is_not_tried, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(what_an_agent_knows_to_be_enforced_is_not_tried, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
