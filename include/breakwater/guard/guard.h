/* guard.h - the guard of one site as a program: it runs all scripts and enforces the deadlines of
 * its groups, whatever the agent does. Design 2, 3.2.4, 3.4, 3.7, 3.8. */
#ifndef BW_GUARD_GUARD_H
#define BW_GUARD_GUARD_H

/* How a run of the guard ended. */
enum bw_guard_end {
    BW_GUARD_STOPPED, /* SIGTERM or SIGINT: the service was left alone, the mirror stays */
    BW_GUARD_CONFIG,  /* the configuration or the kept state is not usable: a person must act, and
                         what to do was said on stderr */
    BW_GUARD_RESTART, /* it could not start now, and may be started again */
};

/* Runs the guard of the site file `config_file` on a loop of its own until it is told to end. Logs
 * to stderr. SIGHUP reads the file again: scripts and limits change, nothing else does, and a bad
 * file leaves the old one in force. The process must start no children but through it and ignore
 * SIGPIPE.
 *
 * Told to end while a fence runs, it first finishes the fence; told twice, it ends at once. */
enum bw_guard_end bw_guard_program_run(const char *config_file);

#endif
