/* breakwater guard: what it keeps. The real program. Design 3.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <breakwater/os/durable.h>

#include "guard_rig.h"
#include "lacking.h"

#define FENCE_MS 5000
#define LONG_MS  1900000 /* no test takes that long */

/* Never silently empty: an epoch that was ended could be armed again. */
static void a_state_file_cut_anywhere_is_said_and_nothing_starts(void **state)
{
    struct rig *rig = *state;
    uint8_t whole[2048];
    char path[256];
    FILE *file;
    size_t size;
    int status;

    rig_guard_start(rig);
    rig_greet(rig);
    (void)rig_arm(&rig->agent, 1, 3600000, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
    (void)rig_guard_end(rig, SIGTERM);
    /* A lease in the mirror would be enforced all the same. */
    (void)snprintf(path, sizeof path, "rm %s/*-guard/g.mirror", rig_path(rig, "run"));
    assert_int_equal(system(path), 0);
    (void)snprintf(path, sizeof path, "%s", rig_path(rig, "state/guard/g.memory"));
    file = fopen(path, "r");
    assert_non_null(file);
    size = fread(whole, 1, sizeof whole, file);
    assert_int_equal(fclose(file), 0);
    assert_in_range(size, 20, 500);
    for (size_t cut = 0; cut < size; cut++) {
        file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(whole, 1, cut, file), cut);
        assert_int_equal(fclose(file), 0);
        rig_guard_start(rig);
        status = rig_guard_end(rig, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 78)
            fail_msg("cut to %zu bytes: status %x", cut, (unsigned)status);
    }
    assert_true(rig_has(rig, "log", "state/guard/g.memory"));
}

/* Nothing of 0.1 is read, and nothing of it is touched. */
static void a_state_file_of_0_1_is_said_and_nothing_starts(void **state)
{
    static const struct bw_durable_kind old = {.magic = "BWGM", .version = 1};
    struct rig *rig = *state;
    struct bw_diag diag = {0};
    int status;
    int dir;

    rig_guard_start(rig);
    rig_greet(rig);
    (void)rig_guard_end(rig, SIGTERM);
    assert_int_equal(bw_durable_open_dir(rig_path(rig, "state/guard"), &dir, &diag), BW_OK);
    assert_int_equal(bw_durable_save(dir, "g.memory", &old, "anything", 8, &diag), BW_OK);
    assert_int_equal(close(dir), 0);

    rig_guard_start(rig);
    status = rig_guard_end(rig, 0);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 78);
    assert_true(rig_has(rig, "log", "g.memory: written by breakwater 0.1"));
    assert_true(rig_has(rig, "log", "move the state directory away"));
}

static void two_guards_of_one_state_directory_are_refused(void **state)
{
    struct rig *rig = *state;
    pid_t first;
    int status;

    rig_guard_start(rig);
    rig_greet(rig);
    first = rig->guard;
    rig_guard_start(rig);
    status = rig_guard_end(rig, 0);
    rig->guard = first;

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 75);
    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
}

/* As root, on a file system of 64 KiB. */
static void a_full_disk_refuses_the_arm_and_later_works_again(void **state)
{
    struct rig *rig = *state;
    char command[512];

    (void)snprintf(command, sizeof command,
                   "mkdir -m 700 '%s/state' && mount -t tmpfs -o size=64k,mode=700 none '%s/state'",
                   rig->dir, rig->dir);
    /* In a mount namespace of this test's: nothing is left where it is killed over this. */
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || system(command) != 0)
        skip_lacking("mounts");
    rig_guard_start(rig);
    rig_greet(rig);
    (void)snprintf(command, sizeof command, "dd if=/dev/zero of='%s/state/filler' 2>/dev/null",
                   rig->dir);
    (void)!system(command); /* it ends when the disk is full */
    (void)rig_arm(&rig->agent, 1, LONG_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARM_REFUSED, 1);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_ARM_REFUSED].refused.why,
                     BW_REFUSAL_NOT_DURABLE);
    assert_int_equal(unlink(rig_path(rig, "state/filler")), 0);

    (void)rig_arm(&rig->agent, 1, LONG_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);

    rig_agent_close(&rig->agent);
    (void)rig_guard_end(rig, SIGTERM);
    (void)snprintf(command, sizeof command, "umount '%s/state'", rig->dir);
    assert_int_equal(system(command), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_state_file_cut_anywhere_is_said_and_nothing_starts),
        TEST(a_state_file_of_0_1_is_said_and_nothing_starts),
        TEST(two_guards_of_one_state_directory_are_refused),
        TEST(a_full_disk_refuses_the_arm_and_later_works_again),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
