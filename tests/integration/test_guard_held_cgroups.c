/* guard: what the kernel does under the lock of the whole tree of cgroups holds up no KILL (3.4). Alone on its machine
 * (CMakeLists.txt): it takes a core from everybody. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>

#include <breakwater/base/limits.h>
#include <breakwater/sys/clock.h>

#include "guard_rig.h"
#include "held_cgroups.h"
#include "lacking.h"

#define TTL_MS   20000 /* the guard is ended and the tree held within it, also where much runs beside */
#define FENCE_MS 1200 /* KILL 200 ms before D: less than anybody waits for a lock that is held */

static struct held_cgroups held;

static bool can_have_cgroups(const struct rig *rig)
{
    struct bw_cgroup probe;

    if (bw_cgroup_open(&probe, rig->site, "probe", NULL) != BW_OK)
        return false;
    bw_cgroup_remove_if_empty(&probe);
    return true;
}

static void who_holds_the_tree_of_cgroups_holds_up_no_kill(void **state)
{
    struct rig *rig = *state;
    struct bw_instant end;

    if (!can_have_cgroups(rig))
        skip_lacking("cgroups");
    if (!held_cgroups_can_begin())
        skip_lacking("realtime");
    end = rig_serve(rig, TTL_MS, FENCE_MS);
    (void)rig_guard_end(rig, SIGKILL);
    held_cgroups_begin(&held, rig->site);
    assert_true(bw_instant_left_ns(bw_clock_now(), end) > FENCE_MS * BW_NS_PER_MS); /* KILL is to come */
    rig_assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

static int let_cgroups_go(void **state)
{
    held_cgroups_end(&held);
    return rig_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_holds_the_tree_of_cgroups_holds_up_no_kill, rig_setup, let_cgroups_go),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
