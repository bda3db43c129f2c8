/* box.h - a place on this machine that leaves nothing behind: its own processes, mounts, network
 * and cgroups, all of which end with it, however it ends.
 *
 * What runs inside is the first process of a new PID namespace and dies with the process that made
 * the box (PR_SET_PDEATHSIG): the kernel then ends every other process in there, and with the last
 * of them go the mount and network namespaces. Two cgroup directories are all that is seen outside;
 * a watcher in a session of its own removes them should the maker be killed. */
#ifndef BW_CHAOS_BOX_H
#define BW_CHAOS_BOX_H

#include <stdbool.h>

#include <breakwater/base/diag.h>

/* Where the box keeps its files: a tmpfs on /run, seen inside only. */
#define BW_BOX_DIR           "/run/chaos"
#define BW_BOX_DIR_BYTES_MAX "2g"

/* Inside: what the box has. */
struct bw_box {
    char cgroup[256];     /* the mount of cgroup v2, whose top is the box's own; "": none here */
    char cpu_cgroup[256]; /* a directory of the version 1 controller `cpu`; "": none here */
    bool has_names;       /* names are looked up at 127.0.0.1 of whatever network a process is in */
};

typedef int (*bw_box_inside)(const struct bw_box *box, void *user);

/* Runs `inside` in a new box and returns once all in it has ended. `out_status` is what it
 * returned; 128 + N when signal N ended it. SIGINT, SIGTERM and SIGHUP end the box at once; then
 * BW_ERR_CANCELED, with 128 + N as the status. BW_ERR_AUTH: not root. */
BW_MUST_CHECK enum bw_err bw_box_run(bw_box_inside inside, void *user, int *out_status,
                                     struct bw_diag *diag);

#endif
