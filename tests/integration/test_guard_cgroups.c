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
#include "patience.h"
#include "steps_world.h"
#include "text_file.h"

#define TTL_MS 60000

static void serve(struct rig *rig)
{
    (void)rig_serve(rig, TTL_MS, FENCE_MS);
    if (rig_has(rig, "log", "event=reach.by_scan"))
        skip_lacking("cgroups");
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
    pid_t stranger;

    edit_config(rig, "s/stop_timeout: .*/stop_timeout: 2s/");
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

/* ---- threads --------------------------------------------------------------------------------- */

/* As libvirt does it for the emulator and each processor of a guest. */
static void threads_in_cgroups_of_their_own_hide_no_process_and_feign_none(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_run_ended looks[2];
    char procs[PATH_MAX];

    rig_put(rig, "vcpu.sh", 0755,
            "#!/bin/sh\ncd \"${0%/*}\"\nmkdir \"$BREAKWATER_CGROUP/vcpu0\" &&\n"
            "echo threaded >\"$BREAKWATER_CGROUP/vcpu0/cgroup.type\" &&\n"
            "echo $$ >\"$BREAKWATER_CGROUP/vcpu0/cgroup.threads\" || exit 1\nexec ./start.sh\n");
    edit_config(rig, "s/start_script: .*/start_script: vcpu.sh/");
    serve(rig);
    path_in_begun(rig, "vcpu0/cgroup.procs", procs);
    assert_false(text_file_has(procs, "1")); /* nobody can read it, though the service is there */

    looks[0] = rig_run(&rig->agent, 1, BW_ACTION_STATUS);
    const struct bw_guard_run_ended stop = rig_run(&rig->agent, 1, BW_ACTION_STOP);
    looks[1] = rig_run(&rig->agent, 1, BW_ACTION_STATUS);

    assert_string_equal(looks[0].line, "started");
    assert_int_equal(looks[0].sight.seen, BW_REACH_INSIDE);
    assert_int_equal(stop.result, BW_RUN_OK);
    assert_string_equal(looks[1].line, "stopped");
}

/* ---- who is frozen --------------------------------------------------------------------------- */

/* Once the stop that follows a fence is over. */
static void end_epoch(struct rig *rig, uint64_t epoch)
{
    const struct bw_guard_message end = {.kind = BW_GUARD_MESSAGE_END, .epoch = epoch, .group = "g"};
    const unsigned *ended = &rig->agent.count[BW_GUARD_MESSAGE_EPOCH_ENDED];
    const unsigned *refused = &rig->agent.count[BW_GUARD_MESSAGE_END_REFUSED];
    struct patience patience = patience_begin(RIG_PATIENCE_MS);

    while (*ended == 0) {
        const unsigned before = *refused;

        rig_send(&rig->agent, &end);
        while (*ended == 0 && *refused == before) {
            if (patience_is_over(&patience))
                patience_fail("the epoch ends");
            rig_turn(rig);
        }
        if (patience_is_over(&patience))
            patience_fail("the guard lets the epoch end");
        rig_turn(rig); /* not as fast as it answers */
    }
    assert_int_equal(*ended, 1);
}

/* What a KILL empties stays frozen, and whoever enters it then. */
static void where_a_frozen_service_was_ended_the_next_one_starts(void **state)
{
    struct rig *rig = *state;
    char freeze[PATH_MAX];

    serve(rig);
    path_in_begun(rig, "cgroup.freeze", freeze);
    if (access(freeze, W_OK) != 0)
        skip_lacking("cgroups"); /* before Linux 5.2 */
    assert_true(has_written(freeze, "1"));
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_FENCE).result, BW_RUN_OK);
    end_epoch(rig, 1);
    rig_put(rig, "beats", 0644, "");
    (void)rig_arm(&rig->agent, 2, TTL_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 2);

    assert_int_equal(rig_run(&rig->agent, 2, BW_ACTION_START).result, BW_RUN_OK);

    rig_wait_beat(rig, 0);
}

/* Above what is the group's own nothing is thawed: others may be in it. */
static void a_start_that_was_frozen_before_its_script_says_so(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_run_ended start;
    char freeze[PATH_MAX];

    edit_config(rig, "s/start_timeout: .*/start_timeout: 2s/");
    serve(rig);
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_OK);
    path_in_begun(rig, "../../../cgroup.freeze", freeze);
    if (access(freeze, W_OK) != 0)
        skip_lacking("cgroups"); /* before Linux 5.2 */
    assert_true(has_written(freeze, "1"));

    start = rig_run(&rig->agent, 1, BW_ACTION_START);
    assert_true(has_written(freeze, "0"));

    assert_int_equal(start.result, BW_RUN_TIMED_OUT);
    assert_non_null(strstr(start.tail, "is its cgroup frozen?"));
    assert_non_null(strstr(start.outcome.words, "is its cgroup frozen?"));
    assert_true(rig_has(rig, "log", "is its cgroup frozen?"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_process_of_another_pid_namespace_is_there_until_it_has_ended),
        TEST(threads_in_cgroups_of_their_own_hide_no_process_and_feign_none),
        TEST(where_a_frozen_service_was_ended_the_next_one_starts),
        TEST(a_start_that_was_frozen_before_its_script_says_so),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
