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

#include <breakwater/os/durable.h>
#include <breakwater/os/random.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/state.h>

#include "agent_life.h"
#include "lacking.h"

/* ---- the ordinary life ----------------------------------------------------------------------- */

static void an_order_to_run_ends_in_a_service_under_a_lease(void **state)
{
    struct agent_world *world = *state;

    serve(world);

    assert_int_equal(world->runs[BW_ACTION_START], 1);
    assert_int_equal(world->armed_epoch_at_start, 1); /* I1, 3.4: armed before the start */
    assert_int_equal(world->arm.end.boot_ns - world->arm.begin.boot_ns, world->ttl_ms * BW_NS_PER_MS);
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

static bool reports_started(const struct agent_world *world)
{
    return world->sync_count > 0 && world->group.report.guard_alive &&
           world->group.report.service == BW_SERVICE_STARTED;
}

static bool has_exchanged_with_all(const struct agent_world *world)
{
    return world->exchange_count == AGENT_WORLD_WITNESSES;
}

static bool has_long_polled(const struct agent_world *world)
{
    for (int i = 0; i < AGENT_WORLD_WITNESSES; i++)
        if (world->witnesses[i].poll == NULL || world->witnesses[i].polls < 2)
            return false;
    return true;
}

static bool says_generation_refused(const struct agent_world *world)
{
    return agent_world_log_has(world, "a generation that was recovered from since");
}

static bool says_cluster_refused(const struct agent_world *world)
{
    return agent_world_log_has(world, "why=\"another cluster\"");
}

/* What its clocks are measured by: by whom a sync was answered, when it left, when that was read. */
static void each_witness_is_told_of_its_newest_exchange(void **state) /* 3.8 */
{
    struct agent_world *world = *state;
    const struct bw_instant began = bw_clock_now();

    serve(world);
    agent_world_until(world, has_exchanged_with_all, "it tells of an exchange with each witness");

    for (uint32_t i = 0; i < world->exchange_count; i++) {
        const struct bw_exchange *exchange = &world->exchanges[i];

        assert_true(exchange->number > 0 && exchange->number <= world->sync_count);
        assert_true(bw_instant_is_later(exchange->sent, began));
        assert_true(bw_instant_is_later(exchange->answered, exchange->sent));
        assert_true(bw_instant_is_later(bw_clock_now(), exchange->answered));
        for (uint32_t j = 0; j < i; j++)
            assert_string_not_equal(exchange->witness, world->exchanges[j].witness);
    }
}

/* One that its file does not name is asked like the others, for as long as they tell of it. */
static bool has_synced_with_the_third(const struct agent_world *world)
{
    return world->witnesses[2].syncs >= 20;
}

static void a_witness_that_others_tell_of_is_asked_and_kept(void **state)
{
    struct agent_world *world = *state;
    char command[256];

    (void)snprintf(command, sizeof command, "sed -i 's/, \"127.0.0.1:%u\"]/]/' %s",
                   world->witnesses[2].port, world->config_path);
    assert_int_equal(system(command), 0);
    world->tells_members = true;
    serve(world);
    agent_world_until(world, has_synced_with_the_third, "it syncs with a witness of the members");

    assert_in_range(world->witnesses[2].polls, 1, 4); /* of which each waits for news */
}

/* ---- durable before it counts ---------------------------------------------------------------- */

static bool has_renewed(const struct agent_world *world)
{
    return world->renewals > 0;
}

static bool alarms_not_durable(const struct agent_world *world)
{
    return (world->group.report.alarms >> BW_ALARM_STATE_NOT_DURABLE & 1) != 0;
}

/* I1, 3.4: the agent fsyncs the epoch, then renews it. */
static void an_epoch_that_cannot_be_kept_is_not_renewed(void **state)
{
    struct agent_world *world = *state;
    const struct rlimit nothing = {0, RLIM_INFINITY};
    const struct rlimit anything = {RLIM_INFINITY, RLIM_INFINITY};

    agent_world_start_agent(world);
    agent_world_until(world, reports_stopped, "it reports a stopped service");
    assert_int_equal(prlimit(world->agent, RLIMIT_FSIZE, &nothing, NULL), 0);
    agent_world_order(world, BW_ORDER_RUN, 1);
    agent_world_until(world, alarms_not_durable, "it reports that it cannot keep the epoch");

    assert_true(agent_world_never(world, has_renewed, 500));

    assert_int_equal(prlimit(world->agent, RLIMIT_FSIZE, &anything, NULL), 0);
    agent_world_until(world, reports_serving, "it serves once the epoch is kept");
}

/* Bytes of the state file; the caller frees them. */
static uint8_t *read_state(const struct agent_world *world, size_t *out_size)
{
    char path[160];
    uint8_t *bytes = malloc(65536);
    FILE *in;

    (void)snprintf(path, sizeof path, "%s/state/agent/prod.state", world->dir);
    in = fopen(path, "r");
    assert_non_null(in);
    assert_non_null(bytes);
    *out_size = fread(bytes, 1, 65536, in);
    assert_int_equal(fclose(in), 0);
    assert_in_range(*out_size, 1, 65535);
    return bytes;
}

static void write_state(const struct agent_world *world, const uint8_t *bytes, size_t size)
{
    char path[160];
    FILE *out;

    (void)snprintf(path, sizeof path, "%s/state/agent/prod.state", world->dir);
    out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
}

/* I2, I3, 3.7: damaged state is never taken for an empty one. */
static void state_cut_at_any_byte_starts_nothing(void **state)
{
    struct agent_world *world = *state;
    uint8_t *bytes;
    size_t size;

    serve(world);
    assert_int_equal(agent_world_stop_agent(world, SIGTERM), 0);
    bytes = read_state(world, &size);
    for (size_t cut = 0; cut < size; cut++) {
        write_state(world, bytes, cut);
        assert_int_equal(agent_world_run_agent(world), 78);
    }
    assert_true(agent_world_log_has(world, "nothing was started"));
    free(bytes);
}

/* Nothing of 0.1 is read, and nothing of it is touched. */
static void state_of_0_1_starts_nothing_and_says_what_to_do(void **state)
{
    static const struct bw_durable_kind old = {.magic = "BWAS", .version = 1};
    struct agent_world *world = *state;
    struct bw_diag diag = {0};
    char path[160];
    int dir;

    serve(world);
    assert_int_equal(agent_world_stop_agent(world, SIGTERM), 0);
    (void)snprintf(path, sizeof path, "%s/state/agent", world->dir);
    assert_int_equal(bw_durable_open_dir(path, &dir, &diag), BW_OK);
    assert_int_equal(bw_durable_save(dir, "prod.state", &old, "anything", 8, &diag), BW_OK);
    (void)close(dir);

    assert_int_equal(agent_world_run_agent(world), 78);

    assert_true(agent_world_log_has(world, "prod.state: written by breakwater 0.1"));
    assert_true(agent_world_log_has(world, "nothing was started"));
    assert_true(agent_world_log_has(world, "move the file away"));
}

/* 3.7: a new instance neither renews nor gives back an epoch of the old one. */
static void state_of_another_machine_makes_a_new_instance(void **state)
{
    static const struct bw_durable_kind kind = {.magic = "BWAS", .version = 2};
    struct agent_world *world = *state;
    struct bw_agent_state kept;
    struct bw_diag diag = {0};
    struct bw_id old;
    char path[160];
    uint8_t bytes[4096];
    size_t size;
    uint32_t version;
    int dir;

    if (access("/etc/machine-id", R_OK) != 0 && access("/var/lib/dbus/machine-id", R_OK) != 0)
        skip_lacking("machineid");
    serve(world);
    old = world->instance;
    assert_int_equal(agent_world_stop_agent(world, SIGKILL), 128 + SIGKILL);
    (void)snprintf(path, sizeof path, "%s/state/agent", world->dir);
    assert_int_equal(bw_durable_open_dir(path, &dir, &diag), BW_OK);
    assert_int_equal(
        bw_durable_load(dir, "prod.state", &kind, bytes, sizeof bytes, &size, &version, &diag),
        BW_OK);
    assert_int_equal(bw_agent_state_decode(bytes, size, &kept, &diag), BW_OK);
    kept.machine_id = bw_random_id();
    assert_int_equal(bw_agent_state_encode(&kept, bytes, sizeof bytes, &size, &diag), BW_OK);
    assert_int_equal(bw_durable_save(dir, "prod.state", &kind, bytes, size, &diag), BW_OK);
    bw_agent_state_deinit(&kept);
    (void)close(dir);
    memset(&world->group, 0, sizeof world->group);
    world->renewals = 0;
    world->sync_count = 0;

    agent_world_start_agent(world);
    agent_world_until(world, reports_started, "the new instance reports");

    assert_false(bw_id_equal(old, world->instance));
    assert_true(agent_world_log_has(world, "event=state.foreign"));
    assert_true(agent_world_never(world, has_renewed, 300));
    assert_int_equal(world->group.released.epoch, 0);
    assert_int_equal(world->runs[BW_ACTION_STOP], 0);
}

/* 3.7: the same instance in the same boot renews first and adopts what runs. */
static void a_killed_agent_comes_back_and_touches_nothing(void **state)
{
    struct agent_world *world = *state;
    struct bw_id session;

    serve(world);
    session = world->session;
    assert_int_equal(agent_world_stop_agent(world, SIGKILL), 128 + SIGKILL);
    memset(&world->group, 0, sizeof world->group);
    world->arms = 0;

    agent_world_start_agent(world);
    agent_world_until(world, reports_serving, "it serves again");
    agent_world_until(world, is_armed, "it renews");

    assert_false(bw_id_equal(session, world->session));
    assert_int_equal(world->runs[BW_ACTION_START], 1);
    assert_int_equal(world->runs[BW_ACTION_STOP], 0);
    assert_int_equal(world->runs[BW_ACTION_FENCE], 0);
}

/* ---- what counts as a confirmation (I1, 3.2) ------------------------------------------------- */

static bool has_renewed_often(const struct agent_world *world)
{
    return world->renewals >= 9;
}

static void expect_no_arm(struct agent_world *world)
{
    agent_world_order(world, BW_ORDER_RUN, 1);
    agent_world_until(world, has_renewed_often, "it renews");
    assert_true(agent_world_never(world, is_armed, 300));
    assert_int_equal(world->runs[BW_ACTION_START], 0);
}

static void an_answer_to_another_session_arms_nothing(void **state)
{
    struct agent_world *world = *state;

    start_standing_by(world);
    world->says_other_session = true;
    expect_no_arm(world);
}

static void an_answer_to_an_unknown_number_arms_nothing(void **state)
{
    struct agent_world *world = *state;

    start_standing_by(world);
    world->says_other_number = true;
    expect_no_arm(world);
}

static void a_follower_confirms_nothing(void **state)
{
    struct agent_world *world = *state;

    start_standing_by(world);
    world->leader = -1;
    expect_no_arm(world);
}

static void another_cluster_and_an_older_generation_confirm_nothing(void **state)
{
    struct agent_world *world = *state;
    const struct bw_id ours = world->cluster_id;

    start_standing_by(world);
    agent_world_order(world, BW_ORDER_RUN, 1);
    agent_world_until(world, is_armed, "it is armed");

    world->generation = 0;
    agent_world_until(world, says_generation_refused, "it refuses an older generation");
    world->generation = 1;
    world->cluster_id = bw_random_id();
    agent_world_until(world, says_cluster_refused, "it refuses another cluster");
    assert_false(bw_id_equal(ours, world->cluster_id));
}

/* ---- faults of witnesses --------------------------------------------------------------------- */

static void one_reachable_witness_is_enough_when_it_relays(void **state)
{
    struct agent_world *world = *state;

    start_standing_by(world);
    agent_world_set_reachable(world, 0, false); /* the leader */
    agent_world_set_reachable(world, 1, false);
    world->relays = true;
    agent_world_order(world, BW_ORDER_RUN, 1);

    agent_world_until(world, reports_serving, "it serves by way of a follower");

    assert_true(world->relays_wanted > 0);
}

static void garbage_and_errors_of_two_witnesses_do_no_harm(void **state)
{
    struct agent_world *world = *state;

    const struct bw_instant begin = bw_clock_now();

    world->witnesses[1].manner = AGENT_WORLD_GARBLES;
    world->witnesses[2].manner = AGENT_WORLD_FAILS;
    serve(world);

    assert_true(agent_world_log_has(world, "event=answer.decode_failed"));
    /* It backs off: by the back-off, and by that alone, the number of its polls is bounded. */
    assert_true(world->witnesses[1].polls <
                40 + 2 * bw_instant_elapsed_ns(bw_clock_now(), begin) / BW_NS_PER_S);
}

static bool has_synced_long(const struct agent_world *world)
{
    return world->witnesses[0].syncs > 30;
}

static void a_witness_that_hangs_holds_four_syncs_and_nobody_up(void **state)
{
    struct agent_world *world = *state;

    world->witnesses[2].manner = AGENT_WORLD_HOLDS;
    serve(world);
    agent_world_until(world, has_synced_long, "the others are asked on");

    assert_int_equal(world->witnesses[2].held_most, 4);
}

static void an_order_comes_by_long_poll_not_with_the_next_renewal(void **state)
{
    struct agent_world *world = *state;
    struct bw_instant begin;

    world->interval_ms = 60000;
    start_standing_by(world);
    agent_world_order(world, BW_ORDER_STAND_BY, 0);
    agent_world_until(world, has_long_polled, "it polls with the newest index");
    begin = bw_clock_now();
    agent_world_order(world, BW_ORDER_RUN, 1);
    agent_world_until(world, is_armed, "the order is obeyed");

    assert_in_range(bw_instant_elapsed_ns(bw_clock_now(), begin), 0, 20 * BW_NS_PER_S);
}

/* ---- starting, reloading --------------------------------------------------------------------- */

static void what_a_person_must_repair_ends_with_78(void **state)
{
    struct agent_world *world = *state;
    char path[TEST_PKI_PATH_BYTES];
    char wanted[96];

    agent_world_configure(world, "    no_such_key: 1\n");
    assert_int_equal(agent_world_run_agent(world), 78);
    agent_world_configure(world, NULL);
    agent_world_issue(world, "dc-b");
    assert_int_equal(agent_world_run_agent(world), 78);
    (void)snprintf(wanted, sizeof wanted, "pki issue agent/%s/agent-1", world->site);
    assert_true(agent_world_log_has(world, wanted));
    test_pki_issue_uri(&world->pki, "agent.pem", "breakwater://prod/operator/anna", path);
    assert_int_equal(agent_world_run_agent(world), 78);
}

static void a_second_agent_on_the_same_state_ends_with_75(void **state)
{
    struct agent_world *world = *state;
    pid_t first;

    start_standing_by(world);
    first = world->agent;
    assert_int_equal(agent_world_run_agent(world), 75);
    world->agent = first;
}

static bool says_certificate_refused(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=certificate.refused");
}

static bool says_certificate_loaded(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=certificate.loaded");
}

static bool says_config_refused(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=config.refused");
}

static bool says_reach_refused(const struct agent_world *world)
{
    return agent_world_log_has(world, "its `started_by`, `stop_method` or `units` have changed");
}

static uint32_t arms_before;

static bool is_armed_again(const struct agent_world *world)
{
    return world->arms > arms_before;
}

static void another_reach_needs_a_restart(void **state)
{
    struct agent_world *world = *state;
    char command[256];

    serve(world);
    (void)snprintf(command, sizeof command,
                   "sed -i 's/stop_method: cgroup/stop_method: units\\n    units: [x.service]/' '%s/site.yaml'",
                   world->dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(kill(world->agent, SIGHUP), 0);
    agent_world_until(world, says_reach_refused, "another reach is refused");
    arms_before = world->arms;
    agent_world_until(world, is_armed_again, "renewals go on");

    assert_int_equal(world->runs[BW_ACTION_FENCE], 0);
}

static bool says_writable_refused(const struct agent_world *world)
{
    return agent_world_log_has(world, "error=\"others can change it: ");
}

static void bad_files_leave_the_old_ones_running(void **state)
{
    struct agent_world *world = *state;
    char command[256];

    serve(world);
    agent_world_issue(world, "dc-b");
    assert_int_equal(kill(world->agent, SIGHUP), 0);
    agent_world_until(world, says_certificate_refused, "another site's certificate is refused");
    agent_world_configure(world, "    no_such_key: 1\n");
    assert_int_equal(kill(world->agent, SIGHUP), 0);
    agent_world_until(world, says_config_refused, "a bad file is refused");
    agent_world_configure(world, NULL);
    (void)snprintf(command, sizeof command, "chmod g+w '%s/site.yaml'", world->dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(kill(world->agent, SIGHUP), 0);
    agent_world_until(world, says_writable_refused, "a file that others can change is refused");
    (void)snprintf(command, sizeof command, "chmod g-w '%s/site.yaml'", world->dir);
    assert_int_equal(system(command), 0);
    agent_world_issue(world, NULL);
    assert_int_equal(kill(world->agent, SIGHUP), 0);
    agent_world_until(world, says_certificate_loaded, "a good certificate is taken");
    arms_before = world->arms;
    agent_world_until(world, is_armed_again, "renewals go on");

    assert_true(world->group.report.serving_epoch_started);
    assert_int_equal(world->runs[BW_ACTION_FENCE], 0);
}

/* A certificate of its own, beside the first. */
static bool says_loaded_again(const struct agent_world *world)
{
    return agent_world_log_has_times(world, "event=certificate.loaded", 2);
}

static uint64_t syncs_before;

static bool has_synced_again(const struct agent_world *world)
{
    return world->sync_count > syncs_before;
}

/* 5.3: whoever is named in tls.revoked is refused from the reload on, also once the agent's own certificate was
 * renewed. */
static void whom_a_reload_takes_back_is_refused_from_then_on(void **state)
{
    struct agent_world *world = *state;
    char command[256];

    start_standing_by(world);
    (void)snprintf(command, sizeof command,
                   "sed -i 's|^tls: {|tls: {revoked: [witness/w1], |' '%s/site.yaml'", world->dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(kill(world->agent, SIGHUP), 0);
    agent_world_until(world, agent_world_says_revoked, "the witnesses' certificate is refused");
    agent_world_until(world, says_certificate_loaded, "its own is read, as the reload wants it");
    agent_world_issue(world, NULL);
    agent_world_until(world, says_loaded_again, "the agent's own new one is taken");
    syncs_before = world->sync_count;
    assert_true(agent_world_never(world, has_synced_again, 2000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_order_to_run_ends_in_a_service_under_a_lease, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_stop_gives_the_epoch_back_and_repeats_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(sigterm_leaves_guard_and_service_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_witness_is_told_of_its_newest_exchange, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_witness_that_others_tell_of_is_asked_and_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_epoch_that_cannot_be_kept_is_not_renewed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(state_cut_at_any_byte_starts_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(state_of_0_1_starts_nothing_and_says_what_to_do, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(state_of_another_machine_makes_a_new_instance, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_killed_agent_comes_back_and_touches_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_answer_to_another_session_arms_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_answer_to_an_unknown_number_arms_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_follower_confirms_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_cluster_and_an_older_generation_confirm_nothing,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_reachable_witness_is_enough_when_it_relays, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(garbage_and_errors_of_two_witnesses_do_no_harm, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_witness_that_hangs_holds_four_syncs_and_nobody_up,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_order_comes_by_long_poll_not_with_the_next_renewal,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_person_must_repair_ends_with_78, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_agent_on_the_same_state_ends_with_75, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(another_reach_needs_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_files_leave_the_old_ones_running, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whom_a_reload_takes_back_is_refused_from_then_on, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
