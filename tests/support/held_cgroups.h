/* held_cgroups.h - a machine on which the kernel's lock of the whole tree of cgroups is held for most of the time (for
 * 0.95 s at once, three quarters of the time, on Linux 6.18): by an ordinary process that moves between two cgroups, on
 * a core that a real-time one does not give it. After cmocka.h. */
#ifndef TEST_HELD_CGROUPS_H
#define TEST_HELD_CGROUPS_H

#include <stdbool.h>
#include <sys/types.h>

#define HELD_CGROUPS_PROCESSES 8

struct held_cgroups {
    pid_t pids[HELD_CGROUPS_PROCESSES];
    unsigned count;
    char dirs[2][300]; /* "": none */
};

/* Takes the first core, until its end; returns once somebody was seen to wait for that lock. False: this machine
 * cannot show it (no cgroup v2, one core, no right to real-time priority). Fails the test where nobody waits. */
bool held_cgroups_begin(struct held_cgroups *held);
/* Accepts one that was never begun. */
void held_cgroups_end(struct held_cgroups *held);

#endif
