/* By which descriptors the enforcer ends a group. Design 3.4: opened here, while there is time. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <breakwater/sys/cgroup.h>

struct list {
    int *fds;
    enum bw_enforcer_means *kinds;
    uint32_t count;
    bool is_short; /* something that is there could not be opened */
    bool is_full;  /* there is more than there is room for */
};

static void add(struct list *list, int fd, enum bw_enforcer_means kind)
{
    if (list->count == BW_ENFORCER_MEANS_MAX) {
        (void)close(fd); /* whoever asks is told */
        list->is_full = true;
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

/* Read from once: what the kernel needs for that it then has, and asks for no memory at the deadline. */
static int open_list(const struct bw_cgroup *cgroup, bool *out_is_readable)
{
    const int fd = open_in(cgroup, "cgroup.procs", O_RDONLY);
    char byte;

    *out_is_readable = fd >= 0 && (read(fd, &byte, sizeof byte) >= 0 || errno == ENODEV); /* gone since */
    return fd;
}

/* For the moment: there is something to be opened, and later it can be. */
static bool is_scarcity(int os_errno)
{
    return os_errno == EMFILE || os_errno == ENFILE || os_errno == ENOMEM;
}

/* False, by errno: it cannot be opened. What is listed in it is ended one by one, for which nobody waits. The
 * kernel (Linux 5.14, cgroup v2) also ends a cgroup with all below it, in its own time: where it has no such
 * file, or none that we may write to, the list has to do. */
static bool add_cgroup(struct list *list, const struct bw_cgroup *cgroup)
{
    bool is_readable;
    int fd = open_list(cgroup, &is_readable);

    if (fd < 0)
        return false;
    add(list, fd, BW_ENFORCER_BY_PROCS);
    fd = open_in(cgroup, "cgroup.kill", O_WRONLY);
    if (fd < 0 && !is_readable)
        errno = EOPNOTSUPP; /* a threaded one says nobody: neither ends it */
    if (fd < 0)
        return is_readable && !is_scarcity(errno);
    add(list, fd, BW_ENFORCER_BY_KILL_FILE);
    return true;
}

/* Its looks and its fence script are no part of what serves: they may run on. */
static const enum bw_reach_slot ended_slots[] = {BW_REACH_SERVICE, BW_REACH_ACTION};
#define ENDED_SLOTS (sizeof ended_slots / sizeof ended_slots[0])

bool bw_guard_cgroups_make_again(const struct bw_guard_group *group)
{
    if (!bw_reach_make_again(&group->reach))
        return false;
    bw_log_warn(&group->program->log, "reach.vanished",
                "group=%s does=\"its cgroups are made anew\"", group->config->name);
    return true;
}

/* Somebody may have removed them. */
static void add_own_cgroup(struct list *list, const struct bw_guard_group *group, const struct bw_cgroup *cgroup)
{
    if (!add_cgroup(list, cgroup) &&
        (errno != ENOENT || !bw_guard_cgroups_make_again(group) || !add_cgroup(list, cgroup)))
        list->is_short = true;
}

/* Each lists its own alone, and most run in what lies in the service's. */
static void add_own_cgroups(struct list *list, const struct bw_guard_group *group)
{
    add_own_cgroup(list, group, &group->reach.begun);
    for (size_t i = 0; i < ENDED_SLOTS; i++)
        add_own_cgroup(list, group, &group->reach.slots[ended_slots[i]]);
}

static void add_process(struct list *list, pid_t pid)
{
    const int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (fd >= 0)
        add(list, fd, BW_ENFORCER_BY_PIDFD);
    else if (errno != ESRCH) /* else it has ended */
        list->is_short = true;
}

static void add_processes(struct list *list, const struct bw_guard_group *group)
{
    static pid_t pids[BW_ENFORCER_MEANS_MAX]; /* one loop, one thread */

    for (size_t i = 0; i < ENDED_SLOTS; i++) {
        size_t count = 0;

        if (bw_reach_list(&group->reach, ended_slots[i], pids, BW_ENFORCER_MEANS_MAX, &count,
                          NULL) != BW_OK) {
            list->is_short = true;
            continue;
        }
        list->is_full = list->is_full || count > BW_ENFORCER_MEANS_MAX;
        for (size_t n = 0; n < count && n < BW_ENFORCER_MEANS_MAX; n++)
            add_process(list, pids[n]);
    }
}

/* The cgroup of a unit that has ended is gone; its next start makes another, which is looked for by its path. */
static void add_units(struct list *list, const struct bw_units *units)
{
    for (size_t i = 0; i < units->count; i++) {
        struct bw_cgroup cgroup;
        enum bw_err err;

        if (units->units[i].cgroup[0] == '\0')
            continue;
        err = bw_cgroup_find(&cgroup, units->units[i].cgroup, NULL);
        if (err == BW_OK ? !add_cgroup(list, &cgroup) && errno != ENOENT : err != BW_ERR_NOT_FOUND)
            list->is_short = true;
    }
}

/* False: there is no room. */
static bool add_path(struct bw_enforcer_message *message, const char *path)
{
    const size_t bytes = strlen(path) + 1;

    if (message->path_bytes + bytes > sizeof message->paths)
        return false;
    memcpy(message->paths + message->path_bytes, path, bytes);
    message->path_bytes += (uint32_t)bytes;
    return true;
}

static bool add_own_paths(const struct bw_guard_group *group, struct bw_enforcer_message *message)
{
    bool has_room = true;

    for (size_t i = 0; i < ENDED_SLOTS && group->reach.means == BW_REACH_BY_CGROUP; i++)
        has_room = has_room && add_path(message, group->reach.slots[ended_slots[i]].path);
    return has_room;
}

bool bw_guard_means_paths(const struct bw_guard_group *group, struct bw_enforcer_message *out_message,
                          bool *out_is_full)
{
    const struct bw_units *units = group->unit_reach == NULL ? NULL : &group->unit_reach->units;
    bool is_short = false;

    out_message->path_bytes = 0;
    *out_is_full = !add_own_paths(group, out_message);
    for (size_t i = 0; units != NULL && i < units->count; i++) {
        struct bw_cgroup cgroup;
        enum bw_err err;

        if (units->units[i].cgroup[0] == '\0')
            continue; /* systemd has not said where it will be */
        err = bw_cgroup_place(&cgroup, units->units[i].cgroup, NULL);
        is_short = is_short || (err != BW_OK && err != BW_ERR_NOT_FOUND);
        *out_is_full = *out_is_full || (err == BW_OK && !add_path(out_message, cgroup.path));
    }
    return !is_short;
}

/* NOLINTBEGIN(readability-non-const-parameter): written to through the list */
bool bw_guard_means_open(const struct bw_guard_group *group, int *out_fds,
                         enum bw_enforcer_means *out_kinds, uint32_t *out_count, bool *out_is_full)
/* NOLINTEND(readability-non-const-parameter) */
{
    struct list list = {.fds = out_fds, .kinds = out_kinds};

    if (group->unit_reach != NULL)
        add_units(&list, &group->unit_reach->units);
    if (group->reach.means == BW_REACH_BY_CGROUP)
        add_own_cgroups(&list, group);
    else
        add_processes(&list, group);
    *out_count = list.count;
    *out_is_full = list.is_full;
    return !list.is_short && !list.is_full;
}
