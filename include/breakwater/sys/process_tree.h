/* process_tree.h - processes as /proc shows them: who is it, is it still the same, who belongs to
 * it. What a group's reach uses where the kernel allows no cgroups. */
#ifndef BW_SYS_PROCESS_TREE_H
#define BW_SYS_PROCESS_TREE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>
#include <breakwater/base/instant.h>

/* A pid alone may be another process tomorrow; with its start time it is this one, in this boot. */
struct bw_process {
    pid_t pid;
    pid_t parent;
    pid_t session;
    bool is_dead;         /* a zombie: it has ended, nobody has asked for its status yet */
    bool is_headless;     /* its first thread has ended, and others go on: what /proc/PID has of that one is empty */
    uint64_t start_ticks; /* since boot, field 22 of /proc/PID/stat */
};

/* BW_ERR_NOT_FOUND: there is no such process, the kernel says so. BW_ERR_REFUSED: there is, and it may not be read. */
BW_MUST_CHECK enum bw_err bw_process_read(pid_t pid, struct bw_process *out_process,
                                          struct bw_diag *diag);

/* Sends `signal` to that very process (pid and start time; by a pidfd, so that it cannot be another
 * one in between). BW_ERR_NOT_FOUND: it has ended. */
BW_MUST_CHECK enum bw_err bw_process_signal(pid_t pid, uint64_t start_ticks, int signal,
                                            struct bw_diag *diag);

/* Which environment marks a tree: `mark` is "NAME=value", or the beginning of it that all slots of
 * a group have in common. */
struct bw_process_tree {
    const char *mark;
    bool with_strays; /* count children of this process that show no mark at all */
    /* ... but these, who are somebody else's, and what is in a session of theirs. */
    const struct bw_process *others;
    size_t other_count;
    /* Nobody is signaled once it says so (NULL: nobody says it), or after `until` (zero: however late). */
    const atomic_bool *is_off;
    struct bw_instant until;
};

#define BW_PROCESS_MARK "BREAKWATER_REACH="
#define BW_PROCESS_MARK_ANY "/*/" /* in the mark of a tree: any one part there, or none */
/* A tool of ours is a child without a reach: with a mark that is nobody's it is no stray either. */
#define BW_PROCESS_MARK_OF_TOOL BW_PROCESS_MARK "tool"

/* The calling process, which was forked and not executed since, shows that mark for the one that it was given, in a
 * session of its own: it is of no tree but by a parent that is. False, by errno: it cannot leave its session. */
bool bw_process_disown(void);

/* Our own environment, which the libraries of this very program may be found by, with `mark` (it begins with
 * BW_PROCESS_MARK) for any that we had. For an execve that follows at once: it borrows the strings, and the
 * caller frees the list alone. NULL: no memory. */
char **bw_process_environment(char *mark);

/* All processes of the machine, however many, with what marks them: read once, asked for many trees.
 * Those that show the mark of one of `to_kill` get SIGKILL as they are found, while the rest is
 * still being looked at; who belongs to them without showing it gets it in the round that follows.
 * Takes 0.1 ms a process, roughly: where a deadline has to be kept, on a thread (scan.h). */
struct bw_process_table;
BW_MUST_CHECK enum bw_err bw_process_table_read(const struct bw_process_tree *to_kill,
                                                size_t kill_count,
                                                struct bw_process_table **out_table,
                                                struct bw_diag *diag);
/* As bw_process_tree_round, of a table that was read just now. */
BW_MUST_CHECK enum bw_err bw_process_table_round(const struct bw_process_table *table,
                                                 const struct bw_process_tree *tree, int signal,
                                                 pid_t *out_pids, size_t pids_max,
                                                 size_t *out_count, struct bw_diag *diag);
void bw_process_table_free(struct bw_process_table *table); /* accepts NULL */

/* Finds the living members of a tree: processes whose environment has the mark, their sessions, and
 * all descendants of these; never this process, nor a child of it before its exec. Writes at most
 * `pids_max` pids to `out_pids`, and how many there are to `out_count`; sends them `signal` unless
 * 0. One round: members may fork while it runs, so that only a round that counts none says "empty".
 *
 * What it cannot see: a process that rewrote its environment, left its session, and lost its
 * parent. As long as this process is the subreaper, such a one is its child: a stray. */
BW_MUST_CHECK enum bw_err bw_process_tree_round(const struct bw_process_tree *tree, int signal,
                                                pid_t *out_pids, size_t pids_max, size_t *out_count,
                                                struct bw_diag *diag);

#endif
