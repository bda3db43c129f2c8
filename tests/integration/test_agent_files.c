/* The agent as a program whose file systems hang: its loop goes on, and what rests on a file waits for it
 * (design 3.4: "no loop of a daemon that renews, arms or enforces calls fsync, stat, open"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent_world.h"
#include "faults.h"

#define FOR_EVER_MS 3600000

static const char *faults_path(const struct agent_world *world)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/faults", world->dir);
    return path;
}

static void hang(const struct agent_world *world, const char *path)
{
    char text[256];

    (void)snprintf(text, sizeof text, "hang %s %d\n", path, FOR_EVER_MS);
    faults_say(faults_path(world), text);
}

static void hang_state(const struct agent_world *world)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/state", world->dir);
    hang(world, path);
}

static int set_up(void **state)
{
    struct agent_world *world = malloc(sizeof *world);

    assert_non_null(world);
    agent_world_init(world);
    faults_begin(faults_path(world));
    agent_world_start_agent(world);
    faults_end();
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    faults_say(faults_path(*state), "");
    agent_world_deinit(*state);
    free(*state);
    return 0;
}

/* ---- conditions ------------------------------------------------------------------------------- */

static uint64_t syncs_before;
static uint32_t arms_before;

static bool reports_stopped(const struct agent_world *world)
{
    return world->sync_count > 0 && world->group.report.guard_alive &&
           world->group.report.service == BW_SERVICE_STOPPED && world->exchange_count > 0;
}

static bool reports_serving(const struct agent_world *world)
{
    return world->group.report.serving_epoch_started;
}

static bool reports_given_back(const struct agent_world *world)
{
    return world->group.released.epoch == 1;
}

static bool has_alarm(const struct agent_world *world)
{
    return (world->group.report.alarms & UINT32_C(1) << BW_ALARM_STATE_NOT_DURABLE) != 0;
}

static bool renews(const struct agent_world *world)
{
    return world->group.renew_epoch != 0;
}

static bool syncs_go_on(const struct agent_world *world)
{
    return world->sync_count > syncs_before + 30;
}

static bool arms_go_on(const struct agent_world *world)
{
    return world->arms > arms_before + 15;
}

static bool says_certificate_loaded(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=certificate.loaded");
}

static bool has_ended_epoch(const struct agent_world *world)
{
    return world->guard.ended_epoch == 1;
}

static void assert_syncs_go_on(struct agent_world *world)
{
    syncs_before = world->sync_count;
    agent_world_until(world, syncs_go_on, "its loop turns");
}

static void serve(struct agent_world *world)
{
    agent_world_until(world, reports_stopped, "it reports a stopped service");
    agent_world_order(world, BW_ORDER_RUN, 1);
    agent_world_until(world, reports_serving, "it serves");
}

/* ---- what hangs -------------------------------------------------------------------------------- */

static void a_state_directory_that_hangs_holds_up_what_rests_on_it_alone(void **state)
{
    struct agent_world *world = *state;

    agent_world_until(world, reports_stopped, "it reports a stopped service");
    hang_state(world);
    agent_world_order(world, BW_ORDER_RUN, 1);
    agent_world_until(world, has_alarm, "it says that its state is not durable");
    assert_syncs_go_on(world);
    assert_false(renews(world));
    assert_int_equal(world->arms, 0);
    assert_int_equal(world->runs[BW_ACTION_START], 0);

    faults_say(faults_path(world), "");
    agent_world_until(world, reports_serving, "it serves once the epoch is durable");
    assert_false(has_alarm(world));
}

static void nothing_is_given_back_before_the_disk_has_it(void **state)
{
    struct agent_world *world = *state;

    serve(world);
    hang_state(world);
    agent_world_order(world, BW_ORDER_STOP, 1);
    agent_world_until(world, has_ended_epoch, "its guard has ended the epoch");
    assert_syncs_go_on(world);
    assert_int_equal(world->group.released.epoch, 0);
    assert_false(renews(world));

    faults_say(faults_path(world), "");
    agent_world_until(world, reports_given_back, "it gives the epoch back");
}

/* A SIGTERM ends it at once all the same; the service goes on under its guard. */
static void an_agent_whose_disk_hangs_can_be_ended(void **state)
{
    struct agent_world *world = *state;

    agent_world_until(world, reports_stopped, "it reports a stopped service");
    hang_state(world);
    agent_world_order(world, BW_ORDER_RUN, 1);
    agent_world_until(world, has_alarm, "it says that its state is not durable");
    assert_int_equal(agent_world_stop_agent(world, SIGTERM), 0);
}

static void certificates_that_hang_cost_no_renewal(void **state)
{
    struct agent_world *world = *state;

    serve(world);
    hang(world, world->pki.ca_path);
    assert_int_equal(kill(world->agent, SIGHUP), 0);
    arms_before = world->arms;
    agent_world_until(world, arms_go_on, "its lease goes on");
    assert_false(says_certificate_loaded(world));

    faults_say(faults_path(world), "");
    agent_world_until(world, says_certificate_loaded, "the files are read once they answer");
    assert_int_equal(world->runs[BW_ACTION_FENCE], 0);
}

static bool says_mirror_silent(const struct agent_world *world)
{
    return agent_world_log_has(world, "its file system does not answer");
}

static bool fences_by_itself(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=fence.begun");
}

/* Its guard is gone, and what that has armed cannot be read: it is fenced at once, as where there is no mirror. */
static void mirrors_that_hang_hold_up_no_fence(void **state)
{
    struct agent_world *world = *state;
    char path[128];

    serve(world);
    (void)snprintf(path, sizeof path, "%s/run", world->dir);
    hang(world, path);
    assert_int_equal(kill(world->agent, SIGKILL), 0);
    (void)agent_world_wait_agent(world);
    agent_world_guard_listen(world, false);
    faults_begin(faults_path(world));
    agent_world_start_agent(world);
    faults_end();

    agent_world_until(world, says_mirror_silent, "it says that the mirror does not answer");
    assert_syncs_go_on(world);
    agent_world_until(world, fences_by_itself, "it fences what it does not know the deadline of");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_state_directory_that_hangs_holds_up_what_rests_on_it_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_given_back_before_the_disk_has_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_agent_whose_disk_hangs_can_be_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(certificates_that_hang_cost_no_renewal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mirrors_that_hang_hold_up_no_fence, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
