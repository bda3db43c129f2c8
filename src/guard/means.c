/* By which descriptors the enforcer ends a group. Design 3.4: opened here, while there is time. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <breakwater/sys/cgroup.h>

struct list {
    int *fds;
    enum bw_enforcer_means *kinds;
    uint32_t count;
};

static void add(struct list *list, int fd, enum bw_enforcer_means kind)
{
    if (fd < 0)
        return;
    if (list->count == BW_ENFORCER_MEANS_MAX) {
        (void)close(fd); /* the limit is said by whoever counts */
        return;
    }
    list->fds[list->count] = fd;
    list->kinds[list->count++] = kind;
}

static int open_in(const struct bw_cgroup *cgroup, const char *name, int flags)
{
    char path[sizeof cgroup->path + 32];

    (void)snprintf(path, sizeof path, "%s/%s", cgroup->path, name); /* fits by its size */
    return open(path, flags | O_CLOEXEC);
}

/* Since Linux 5.14 the kernel ends a cgroup with all below it; before, and in the hierarchies of
 * version 1, what is listed in it is ended one by one. */
static void add_cgroup(struct list *list, const struct bw_cgroup *cgroup)
{
    const int by_kernel = open_in(cgroup, "cgroup.kill", O_WRONLY);

    if (by_kernel >= 0)
        add(list, by_kernel, BW_ENFORCER_BY_KILL_FILE);
    else
        add(list, open_in(cgroup, "cgroup.procs", O_RDONLY), BW_ENFORCER_BY_PROCS);
}

/* Its looks and its fence script are no part of what serves: they may run on. */
static const enum bw_reach_slot ended_slots[] = {BW_REACH_SERVICE, BW_REACH_ACTION};
#define ENDED_SLOTS (sizeof ended_slots / sizeof ended_slots[0])

static void add_processes(struct list *list, const struct bw_guard_place *place)
{
    static pid_t pids[BW_ENFORCER_MEANS_MAX]; /* one loop, one thread */

    for (size_t i = 0; i < ENDED_SLOTS; i++) {
        size_t count = 0;

        if (bw_reach_list(&place->reach, ended_slots[i], pids, BW_ENFORCER_MEANS_MAX, &count,
                          NULL) != BW_OK)
            continue;
        for (size_t n = 0; n < count && n < BW_ENFORCER_MEANS_MAX; n++)
            add(list, (int)syscall(SYS_pidfd_open, pids[n], 0), BW_ENFORCER_BY_PIDFD);
    }
}

static void add_units(struct list *list, const struct bw_units *units)
{
    for (size_t i = 0; i < units->count; i++) {
        struct bw_cgroup cgroup;

        if (units->units[i].cgroup[0] != '\0' &&
            bw_cgroup_find(&cgroup, units->units[i].cgroup, NULL) == BW_OK)
            add_cgroup(list, &cgroup);
    }
}

uint32_t bw_guard_means_open(const struct bw_guard_place *place, int *out_fds,
                             enum bw_enforcer_means *out_kinds)
{
    struct list list = {out_fds, out_kinds, 0};

    if (place->unit_reach != NULL)
        add_units(&list, &place->unit_reach->units);
    if (place->reach.means == BW_REACH_BY_CGROUP)
        for (size_t i = 0; i < ENDED_SLOTS; i++)
            add_cgroup(&list, &place->reach.slots[ended_slots[i]]);
    else
        add_processes(&list, place);
    return list.count;
}
