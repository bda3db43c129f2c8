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

/* ---- whom a site file takes back (5.3) ---------------------------------------------------------- */

static bool says_files_silent(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=config.read_stalled");
}

static bool says_files_answer(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=files.answer");
}

static bool says_config_loaded_twice(const struct agent_world *world)
{
    return agent_world_log_has_times(world, "event=config.loaded", 2);
}

static bool syncs_once_more(const struct agent_world *world)
{
    return world->sync_count > syncs_before;
}

static void assert_no_witness_is_heard(struct agent_world *world)
{
    syncs_before = world->sync_count;
    assert_true(agent_world_never(world, syncs_once_more, 2000));
}

static void hang_identity(const struct agent_world *world)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/agent.pem", world->pki.dir);
    hang(world, path);
}

/* In its site file, which it then reads. */
static void edit(const struct agent_world *world, const char *how)
{
    char command[256];

    (void)snprintf(command, sizeof command, "sed -i '%s' '%s/site.yaml'", how, world->dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(kill(world->agent, SIGHUP), 0);
}

#define TAKES_THE_WITNESSES_BACK "s|^tls: {|tls: {revoked: [witness/w1], |"
#define TAKES_NOBODY_BACK        "s|revoked: [^]]*], ||"

static void whom_it_takes_back_is_out_though_its_certificate_hangs(void **state)
{
    struct agent_world *world = *state;

    agent_world_until(world, reports_stopped, "it reports a stopped service");
    hang_identity(world);
    agent_world_until(world, says_files_silent, "a look at its certificate hangs");
    edit(world, TAKES_THE_WITNESSES_BACK);

    agent_world_until(world, agent_world_says_revoked, "the witnesses' certificate is refused");
    assert_no_witness_is_heard(world);
    assert_false(says_certificate_loaded(world));
    assert_false(says_files_answer(world));

    faults_say(faults_path(world), "");
    agent_world_until(world, says_certificate_loaded, "its certificate is read once it answers");
    assert_no_witness_is_heard(world);
}

/* The list of before may be of another authority. */
static void whom_it_takes_back_no_more_waits_for_its_certificate(void **state)
{
    struct agent_world *world = *state;

    agent_world_until(world, reports_stopped, "it reports a stopped service");
    edit(world, TAKES_THE_WITNESSES_BACK);
    agent_world_until(world, says_certificate_loaded, "the file and its certificate are in force");
    hang_identity(world);
    edit(world, TAKES_NOBODY_BACK);
    agent_world_until(world, says_config_loaded_twice, "the file is in force");
    assert_no_witness_is_heard(world);

    faults_say(faults_path(world), "");
    syncs_before = world->sync_count;
    agent_world_until(world, syncs_once_more, "the witnesses are heard again");
}

/* It has the list of that file. */
static void a_certificate_that_was_read_for_an_older_file_is_not_taken(void **state)
{
    struct agent_world *world = *state;

    agent_world_until(world, reports_stopped, "it reports a stopped service");
    hang_identity(world);
    edit(world, "");
    agent_world_until(world, says_files_silent, "the certificate of the first file hangs");
    edit(world, TAKES_THE_WITNESSES_BACK);
    agent_world_until(world, says_config_loaded_twice, "the second file is in force");

    faults_say(faults_path(world), "");
    agent_world_until(world, says_files_answer, "its certificate answers");
    assert_true(says_certificate_loaded(world));
    assert_false(agent_world_log_has_times(world, "event=certificate.loaded", 2));
    assert_no_witness_is_heard(world);
}

/* ---- its guard's mirror -------------------------------------------------------------------------- */

static bool says_mirror_silent(const struct agent_world *world)
{
    return agent_world_log_has(world, "its file system does not answer");
}

static bool fences_by_itself(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=fence.begun");
}

/* Its guard is gone, and what that has armed cannot be read. An agent that begins then needs its run_dir (3.7), and
 * waits for it. */
static void mirrors_that_hang_hold_up_no_fence(void **state)
{
    struct agent_world *world = *state;
    char path[128];

    serve(world);
    (void)snprintf(path, sizeof path, "%s/run", world->dir);
    hang(world, path);
    agent_world_guard_listen(world, false);

    agent_world_until(world, says_mirror_silent, "it says that the mirror does not answer");
    assert_syncs_go_on(world);
    agent_world_until(world, fences_by_itself, "it fences by the latest end that it ever sent");
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
        cmocka_unit_test_setup_teardown(whom_it_takes_back_is_out_though_its_certificate_hangs,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(whom_it_takes_back_no_more_waits_for_its_certificate,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_certificate_that_was_read_for_an_older_file_is_not_taken,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(mirrors_that_hang_hold_up_no_fence, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
