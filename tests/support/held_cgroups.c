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
#include <sys/stat.h>
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

static int open_in(const char *dir, const char *name)
{
    char path[400];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return open(path, O_WRONLY | O_CLOEXEC);
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
    const int doors[] = {open_in(held->dirs[0], "cgroup.procs"), open_in(held->dirs[1], "cgroup.procs")};

    for (unsigned i = 0;; i++) {
        (void)!write(doors[i % 2], "0", 1);
        (void)usleep(PAUSE_US);
    }
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
        const int file = open_in(held->dirs[1], "cgroup.max.depth");

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
    const struct sched_param ordinary = {0};
    const bool can = be_real_time(1);

    (void)sched_setscheduler(0, SCHED_OTHER, &ordinary); /* downwards is never refused */
    return can;
}

/* At the top of the first cgroup v2 that may be written to. */
static bool make_dirs(struct held_cgroups *held)
{
    char top[256] = "";
    FILE *out = popen("findmnt -nt cgroup2 -O rw -o TARGET", "r");

    assert_non_null(out);
    if (fgets(top, sizeof top, out) == NULL)
        top[0] = '\0';
    (void)pclose(out); /* what it printed counts */
    top[strcspn(top, "\n")] = '\0';
    for (int i = 0; i < 2; i++) {
        (void)snprintf(held->dirs[i], sizeof held->dirs[i], "%s/breakwater-held-%ld-%d", top, (long)getpid(), i);
        if (top[0] != '\0' && mkdir(held->dirs[i], 0755) == 0)
            continue;
        held->dirs[i][0] = '\0';
        return false;
    }
    return true;
}

bool held_cgroups_begin(struct held_cgroups *held)
{
    memset(held, 0, sizeof *held);
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2 || !can_be_real_time() || !make_dirs(held)) {
        held_cgroups_end(held);
        return false;
    }
    begin_process(held, move);
    for (int i = 0; i < BUSY; i++)
        begin_process(held, spin);
    begin_process(held, spin_in_real_time);
    wait_until_kept_waiting(held);
    return true;
}

void held_cgroups_end(struct held_cgroups *held)
{
    for (unsigned i = held->count; i-- > 0;) { /* first the one that keeps the others */
        (void)kill(held->pids[i], SIGKILL);
        (void)waitpid(held->pids[i], NULL, 0);
    }
    held->count = 0;
    for (int i = 0; i < 2; i++)
        if (held->dirs[i][0] != '\0')
            (void)rmdir(held->dirs[i]); /* all that was in it has been waited for */
    memset(held->dirs, 0, sizeof held->dirs);
}
