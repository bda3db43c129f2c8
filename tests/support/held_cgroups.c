#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <breakwater/base/limits.h>
#include <breakwater/sys/clock.h>

#include "held_cgroups.h"

#define BUSY        6     /* take what a scheduler leaves to ordinary processes of that core */
#define PAUSE_US    30000 /* between two moves: where more move, or oftener, the kernel has an easier way */
#define WAIT_NS_MIN (300 * BW_NS_PER_MS)
#define PATIENCE_S  20

_Static_assert(1 + BUSY + 1 == HELD_CGROUPS_PROCESSES, "each has its place");

static void sit_on_first_core(void)
{
    cpu_set_t first;

    CPU_ZERO(&first);
    CPU_SET(0, &first);
    (void)sched_setaffinity(0, sizeof first, &first); /* else nobody is seen to wait */
}

static bool be_real_time(int priority)
{
    const struct sched_param param = {.sched_priority = priority};

    return sched_setscheduler(0, SCHED_FIFO, &param) == 0;
}

static void spin(const struct held_cgroups *held)
{
    (void)held;
    for (;;)
        __asm__ volatile("");
}

static void spin_in_real_time(const struct held_cgroups *held)
{
    if (be_real_time(1))
        spin(held);
}

static void move(const struct held_cgroups *held)
{
    int doors[2];

    for (int i = 0; i < 2; i++)
        if (bw_cgroup_open_door(&held->cgroups[i], &doors[i], NULL) != BW_OK)
            return;
    for (unsigned i = 0; bw_cgroup_enter(doors[i % 2]); i++)
        (void)usleep(PAUSE_US);
}

static void begin_process(struct held_cgroups *held, void (*work)(const struct held_cgroups *held))
{
    const pid_t parent = getpid();
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) {
            sit_on_first_core();
            work(held);
        }
        _exit(1);
    }
    held->pids[held->count++] = pid;
}

/* In a real-time process: what it waits for is no core. */
static void wait_until_kept_waiting(const struct held_cgroups *held)
{
    const pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        char path[sizeof held->cgroups[1].path + 32];
        int file;

        (void)snprintf(path, sizeof path, "%s/cgroup.max.depth", held->cgroups[1].path);
        file = open(path, O_WRONLY | O_CLOEXEC);
        (void)alarm(PATIENCE_S);
        (void)be_real_time(2);
        for (;;) {
            const struct bw_instant begun = bw_clock_now();

            (void)!write(file, "max", 3); /* under the same lock as cgroup.kill */
            if (!bw_instant_is_beyond(bw_instant_add(begun, WAIT_NS_MIN), bw_clock_now()))
                _exit(0);
        }
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("nobody was seen to wait for the tree of cgroups");
}

static bool can_be_real_time(void)
{
    const int policy = sched_getscheduler(0);
    struct sched_param param;
    bool can;

    assert_true(policy >= 0);
    assert_int_equal(sched_getparam(0, &param), 0);
    can = be_real_time(1);
    assert_int_equal(sched_setscheduler(0, policy, &param), 0);
    return can;
}

bool held_cgroups_can_begin(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN) >= 2 && can_be_real_time();
}

void held_cgroups_begin(struct held_cgroups *held, const char *tag)
{
    static const char *const names[] = {"one", "other"};

    memset(held, 0, sizeof *held);
    for (int i = 0; i < 2; i++)
        assert_int_equal(bw_cgroup_open(&held->cgroups[i], tag, names[i], NULL), BW_OK);
    begin_process(held, move);
    for (int i = 0; i < BUSY; i++)
        begin_process(held, spin);
    begin_process(held, spin_in_real_time);
    wait_until_kept_waiting(held);
}

void held_cgroups_end(struct held_cgroups *held)
{
    while (held->count > 0) { /* first the one that keeps the others */
        const pid_t pid = held->pids[--held->count];

        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    for (int i = 0; i < 2; i++)
        bw_cgroup_remove_if_empty(&held->cgroups[i]);
}
