/* own_process.h - what a daemon changes of its own process (core dumps, the limit of descriptors, the
 * order in which the kernel ends processes, signals), and how a forked child undoes that before it becomes another program.
 *
 * Core dumps: the private keys that a process holds are in none. Design 5.3.
 * There are two ways, since neither is enough alone. The soft limit of a core becomes 1 byte: so short a file is not
 * written, and a program to which core_pattern pipes is not begun (a limit of 0 does not keep the kernel from
 * that). And no kind of memory goes into one, for hosts where one is made all the same: into a socket, by a hard
 * limit of 0, after somebody raised the limit. Keys are copied by the libraries that use them, so that no
 * part of the memory could be left out alone. A debugger may still attach, and LeakSanitizer. */
#ifndef BW_SYS_OWN_PROCESS_H
#define BW_SYS_OWN_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>

/* Once, before a key is read. False: neither could be had. */
bool bw_core_dump_forbid(void);
/* Before another program takes the place of this process, a script in a forked child, say: as it was before, if that was
 * called. Async-signal-safe. */
void bw_core_dump_allow_again(void);

/* How many descriptors a process may have open. A guard needs some for each group, and more
 * while it fences all of them; what it starts must not inherit a limit that nobody gave it. */

#define BW_FILES_MAX 65536
/* Of each group at the worst moment: timer, an action, an observation and a fence with their pipes. */
#define BW_FILES_PER_GROUP 24

/* Raises this process's limit as far as it is allowed, up to BW_FILES_MAX. Returns how many it may have. */
uint64_t bw_files_raise(void);
/* In a forked child: back to what it was before bw_files_raise, if that was called.
 * Async-signal-safe. */
void bw_files_lower(void);

/* Out of memory, the kernel ends others first: who enforces must be the last to go. Its
 * scripts, and the service they start, must not inherit that. */

/* Sets this process's oom_score_adj to -1000, for which it must be root (BW_ERR_REFUSED or so: it
 * stays as it was). */
BW_MUST_CHECK enum bw_err bw_oom_protect(struct bw_diag *diag);
/* In a forked child: back to what it was before bw_oom_protect, if that was called.
 * Async-signal-safe. */
void bw_oom_unprotect(void);

/* The signals that a program is begun with: is SIGHUP, by which a terminal ends what was begun at it, to be ignored? Whoever begins a program
 * with nohup, or as a job that outlives its shell, has it inherit that. */

/* Asked before a handler is installed, and before it is blocked to be waited for: either takes it away. */
bool bw_hangup_is_ignored(void);

/* In a child, which is born with what its parent has blocked. Async-signal-safe. */
void bw_signals_unblock(void);

#endif
