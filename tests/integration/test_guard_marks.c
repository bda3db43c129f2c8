/* breakwater guard without cgroups: whose processes a mark makes the group's, and how many there may be. The real
 * program. Design 3.4, 3.8. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/wire/guard_message.h>

#include "guard_rig.h"
#include "lacking.h"
#include "steps_world.h"

#define LEASE_MS 10000
#define PLANTED  (BW_ENFORCER_MEANS_MAX + 50)
#define NOBODY   65534

static pid_t planted[PLANTED];

static void hide_cgroups(void)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        skip_lacking("mounts");
    (void)umount2("/sys/fs/cgroup", MNT_DETACH); /* where none is mounted there are none */
}

/* As another user of the machine may, who knows the names of all. */
static void plant(const struct rig *rig)
{
    char mark[160];
    char *const argv[] = {(char *)"sleep", (char *)"600", NULL};
    char *const envp[] = {mark, NULL};

    (void)snprintf(mark, sizeof mark, "BREAKWATER_REACH=%s@prod/g/served/service", rig->site);
    for (size_t i = 0; i < PLANTED; i++) {
        planted[i] = fork();
        assert_true(planted[i] >= 0);
        if (planted[i] > 0)
            continue;
        if (setsid() < 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
            _exit(126);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execve("/bin/sleep", argv, envp);
        _exit(127);
    }
}

static size_t reap_planted(void)
{
    size_t lived = 0;

    for (size_t i = 0; i < PLANTED; i++) {
        lived += waitpid(planted[i], NULL, WNOHANG) == 0;
        (void)kill(planted[i], SIGKILL); /* our child */
        (void)waitpid(planted[i], NULL, 0);
    }
    return lived;
}

/* Nor does anything end them, or count them as the service. */
static void marks_that_another_user_has_planted_keep_no_service_from_its_end(void **state)
{
    struct rig *rig = *state;
    uint64_t end_ms;

    hide_cgroups();
    plant(rig);
    end_ms = rig_serve(rig, LEASE_MS, FENCE_MS).boot_ns / BW_NS_PER_MS;
    rig_agent_close(&rig->agent);
    assert_int_equal(rig_guard_end(rig, SIGKILL), SIGKILL);

    rig_assert_silent_since(rig, end_ms);

    assert_true(rig_has(rig, "log", "event=reach.by_scan"));
    assert_int_equal(reap_planted(), PLANTED);
}

/* A list that is full is no list: what it lacks would outlive the deadline. */
static void a_service_of_more_processes_than_the_enforcer_can_hold_is_armed_no_longer(void **state)
{
    struct rig *rig = *state;

    hide_cgroups();
    rig_put(rig, "many.sh", 0755,
            "#!/bin/sh\ncd \"${0%/*}\"\ni=0\nwhile [ $i -lt 300 ]; do sleep 600 & i=$((i + 1)); done\nexec ./start.sh\n");
    edit_config(rig, "s/start_script: .*/start_script: many.sh/");
    (void)rig_serve(rig, LEASE_MS, FENCE_MS);
    rig_wait_log(rig, "event=enforcer.means_full");

    (void)rig_arm(&rig->agent, 1, 2 * LEASE_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARM_REFUSED, 1);

    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_ARM_REFUSED].refused.why, BW_REFUSAL_NOT_DURABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(marks_that_another_user_has_planted_keep_no_service_from_its_end),
        TEST(a_service_of_more_processes_than_the_enforcer_can_hold_is_armed_no_longer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
