/* guard.h - the guard of one site as a program: it runs all scripts and enforces the deadlines of
 * its groups, whatever the agent does. Design 2, 3.2.4, 3.4, 3.7, 3.8. */
#ifndef BW_GUARD_GUARD_H
#define BW_GUARD_GUARD_H

#include <breakwater/base/err.h>

/* Runs the guard of the site file `config_file` on a loop of its own until it is told to end. Logs
 * to stderr. SIGHUP reads the file again: scripts and limits change, nothing else does, and a bad
 * file leaves the old one in force. The process must start no children but through it and ignore
 * SIGPIPE.
 *
 * Told to end it leaves the service alone, and the mirror stays; while a fence runs, it first finishes the
 * fence. Told twice, it ends at once. */
enum bw_daemon_end bw_guard_program_run(const char *config_file);

#endif
