/* The agent as a program: what it promises between witnesses and guard (design 3.2-3.9). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent_world.h"

static int set_up(void **state)
{
    struct agent_world *world = malloc(sizeof *world);

    assert_non_null(world);
    agent_world_init(world);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    agent_world_deinit(*state);
    free(*state);
    return 0;
}

/* ---- conditions -------------------------------------------------------------------------------
 */

static bool reports_stopped(const struct agent_world *world)
{
    return world->sync_count > 0 && world->group.report.guard_alive &&
           world->group.report.service == BW_SERVICE_STOPPED && world->heard_number > 0;
}

static bool reports_serving(const struct agent_world *world)
{
    return world->group.report.serving_epoch_started;
}

static bool reports_given_back(const struct agent_world *world)
{
    return world->group.released.epoch == 1;
}

/* A site that serves epoch 1. */
static void serve(struct agent_world *world)
{
    agent_world_start_agent(world);
    agent_world_until(world, reports_stopped, "it reports a stopped service");
    agent_world_order(world, BW_ORDER_RUN, 1);
    agent_world_until(world, reports_serving, "it serves");
}

/* ---- the ordinary life ------------------------------------------------------------------------
 */

static void an_order_to_run_ends_in_a_service_under_a_lease(void **state)
{
    struct agent_world *world = *state;

    serve(world);

    assert_int_equal(world->runs[BW_ACTION_START], 1);
    assert_int_equal(world->armed_epoch_at_start, 1); /* I1, 3.4: armed before the start */
    assert_int_equal(world->arm.end.boot_ns - world->arm.begin.boot_ns, 2000 * BW_NS_PER_MS);
    assert_true(agent_world_log_has(world, "event=order.received"));
    assert_true(agent_world_log_has(world, "event=lease.first"));
    assert_true(agent_world_log_has(world, "event=start.begun"));
    assert_true(agent_world_log_has(world, "event=service.serving"));
    assert_true(agent_world_log_has(world, "at_boot_ns="));
}

static void a_stop_gives_the_epoch_back_and_repeats_it(void **state)
{
    struct agent_world *world = *state;

    serve(world);
    agent_world_order(world, BW_ORDER_STOP, 1);
    agent_world_until(world, reports_given_back, "it gives the epoch back");

    assert_int_equal(world->runs[BW_ACTION_STOP], 1);
    assert_int_equal(world->guard.ended_epoch, 1); /* 3.5: only on the guard's ended(e) */
}

static void sigterm_leaves_guard_and_service_alone(void **state)
{
    struct agent_world *world = *state;

    serve(world);

    assert_int_equal(agent_world_stop_agent(world, SIGTERM), 0);
    assert_int_equal(world->runs[BW_ACTION_STOP], 0);
    assert_int_equal(world->runs[BW_ACTION_FENCE], 0);
    assert_string_equal(world->service, "started");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_order_to_run_ends_in_a_service_under_a_lease, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_stop_gives_the_epoch_back_and_repeats_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(sigterm_leaves_guard_and_service_alone, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
