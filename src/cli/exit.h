/* exit.h - what the program's exit status says. Design 5.2. */
#ifndef BW_CLI_EXIT_H
#define BW_CLI_EXIT_H

#include <breakwater/base/err.h>

enum bw_exit {
    BW_EXIT_FINE = 0,
    BW_EXIT_FAILED = 1,
    BW_EXIT_USAGE = 2,
    BW_EXIT_WARNINGS = 3,  /* it works, and something needs attention */
    BW_EXIT_NO_SITE = 4,   /* no site is active */
    BW_EXIT_NO_QUORUM = 5, /* no quorum, or nobody reachable */
    BW_EXIT_UNSAFE = 6,    /* refused because it is unsafe */
    BW_EXIT_UNKNOWN = 7,   /* timed out, the outcome is not known: ask `history` */
    BW_EXIT_RESTART = 75,  /* a daemon that must be restarted (EX_TEMPFAIL) */
    BW_EXIT_CONFIG = 78,   /* a daemon whose configuration is bad (EX_CONFIG) */
};

/* The status of a command that ended with `err`. BW_ERR_TIMEOUT is BW_EXIT_NO_QUORUM: a command
 * that may have changed something reports BW_ERR_UNKNOWN instead. */
enum bw_exit bw_exit_of_err(enum bw_err err);

#endif
