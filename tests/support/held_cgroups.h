/* held_cgroups.h - a machine on which the kernel's lock of the whole tree of cgroups is held for most of the time (for
 * 0.95 s at once, three quarters of the time, on Linux 6.18): by an ordinary process that moves between two cgroups, on
 * a core that a real-time one does not give it. After cmocka.h. */
#ifndef TEST_HELD_CGROUPS_H
#define TEST_HELD_CGROUPS_H

#include <stdbool.h>
#include <sys/types.h>

#include <breakwater/sys/cgroup.h>

#define HELD_CGROUPS_PROCESSES 8

struct held_cgroups {
    pid_t pids[HELD_CGROUPS_PROCESSES];
    unsigned count;
    struct bw_cgroup cgroups[2];
};

/* This machine has two cores, and we have a right to real-time priority. */
bool held_cgroups_can_begin(void);
/* Takes the first core, until its end; returns once somebody was seen to wait for that lock. Its cgroups are those of
 * `tag` (bw_cgroup_open). Fails the test where there can be none, or where nobody waits. */
void held_cgroups_begin(struct held_cgroups *held, const char *tag);
/* Accepts one that is all zero, or has ended. */
void held_cgroups_end(struct held_cgroups *held);

#endif
