/* cgroup.h - a directory of cgroup v2 that holds the processes of one group: a process cannot leave
 * it by forking away, and the kernel ends all in it at once. */
#ifndef BW_SYS_CGROUP_H
#define BW_SYS_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>

#define BW_CGROUP_ROOT_BYTES 256

struct bw_cgroup {
    char path[512]; /* absolute; "" when not open */
};

/* Makes (or finds again, after a restart) `breakwater-<tag>/<name>` in the first writable cgroup2
 * mount: at its top, where stopping our own unit leaves it alone, else below our own cgroup. `tag`
 * and `name` are valid names (name.h). BW_ERR_NOT_FOUND: no cgroup2 here, or none that we may write
 * to; the diag says which. */
BW_MUST_CHECK enum bw_err bw_cgroup_open(struct bw_cgroup *cgroup, const char *tag,
                                         const char *name, struct bw_diag *diag);
/* Finds what another process has made so at the top of a mount, and makes nothing. Not below our own cgroup: what lies
 * there another one has not made, and would not end. BW_ERR_NOT_FOUND: there is none that we may write to. */
BW_MUST_CHECK enum bw_err bw_cgroup_find_made(struct bw_cgroup *cgroup, const char *tag,
                                              const char *name, struct bw_diag *diag);
/* Finds one that exists, by the path that systemd gives for a unit (ControlGroup). Of version 1,
 * too: then only list and signal work, in rounds. BW_ERR_NOT_FOUND: there is no such cgroup. */
BW_MUST_CHECK enum bw_err bw_cgroup_find(struct bw_cgroup *cgroup, const char *control_group,
                                         struct bw_diag *diag);
/* Where one is, or will be once it is made: below the nearest of those above it that exist. */
BW_MUST_CHECK enum bw_err bw_cgroup_place(struct bw_cgroup *cgroup, const char *control_group,
                                          struct bw_diag *diag);
/* What systemd puts before each of its units' cgroups: "" but in a container that sees its host's. */
void bw_cgroup_manager_root(char out_root[BW_CGROUP_ROOT_BYTES]);
/* A sub-directory, made if missing. It may exist. */
BW_MUST_CHECK enum bw_err bw_cgroup_open_below(struct bw_cgroup *cgroup,
                                               const struct bw_cgroup *parent, const char *name,
                                               struct bw_diag *diag);
/* One that was open is there again, with all that it lies in; false with errno. */
bool bw_cgroup_make_again(const struct bw_cgroup *cgroup);
/* Removes the directory if nothing is left in it; a populated one stays. Accepts one never opened.
 */
void bw_cgroup_remove_if_empty(struct bw_cgroup *cgroup);

/* Moves who is in it itself, not below it, to `to`, again until nobody is found, or eight times: BW_ERR_TIMEOUT. One
 * that cannot be moved: the kernel's word. */
BW_MUST_CHECK enum bw_err bw_cgroup_move(const struct bw_cgroup *cgroup, const struct bw_cgroup *to,
                                         struct bw_diag *diag);

/* A descriptor for bw_cgroup_enter, to be opened before fork and closed after. */
BW_MUST_CHECK enum bw_err bw_cgroup_open_door(const struct bw_cgroup *cgroup, int *out_fd,
                                              struct bw_diag *diag);
/* Whoever enters a frozen one stands still, and it stays frozen though all in it were killed. Only one that is frozen is
 * written to, which may wait for the lock of the whole tree of cgroups. Frozen from above it stays so. */
void bw_cgroup_thaw(const struct bw_cgroup *cgroup);
/* Puts the calling process in. Async-signal-safe; false with errno. */
bool bw_cgroup_enter(int door);

/* Sends `signal` to every process in it and below. SIGKILL goes by cgroup.kill where the kernel has
 * it, so that nothing can fork past it; any other way it is one round, to be repeated. */
BW_MUST_CHECK enum bw_err bw_cgroup_signal(const struct bw_cgroup *cgroup, int signal,
                                           struct bw_diag *diag);
/* KILL to all in it and below at once, by cgroup.kill: may wait for the lock of the whole tree of cgroups. False: there
 * is none, it is gone, or we may not. */
bool bw_cgroup_kill_all(const struct bw_cgroup *cgroup);
/* KILL to who is listed in it and below, one by one, until nobody is, or eight times: no lock of the kernel's is
 * waited for but those of opening. Where there is none nobody is. */
void bw_cgroup_kill_listed(const struct bw_cgroup *cgroup);
/* At most `pids_max` pids of living processes in it and below, and how many there are. */
BW_MUST_CHECK enum bw_err bw_cgroup_list(const struct bw_cgroup *cgroup, pid_t *out_pids,
                                         size_t pids_max, size_t *out_count, struct bw_diag *diag);
/* The same but for what is in `but` and below, a cgroup somewhere below it. */
BW_MUST_CHECK enum bw_err bw_cgroup_list_but(const struct bw_cgroup *cgroup, const struct bw_cgroup *but,
                                             pid_t *out_pids, size_t pids_max, size_t *out_count,
                                             struct bw_diag *diag);
/* True: nothing that runs is in it or below (the kernel's own word, cgroup.events). */
BW_MUST_CHECK enum bw_err bw_cgroup_is_empty(const struct bw_cgroup *cgroup, bool *out_empty,
                                             struct bw_diag *diag);

#endif
