/* daemon_end.h - how the run of a daemon ended. */
#ifndef BW_BASE_DAEMON_END_H
#define BW_BASE_DAEMON_END_H

enum bw_daemon_end {
    BW_DAEMON_STOPPED, /* it was told to end: SIGTERM or SIGINT */
    BW_DAEMON_CONFIG,  /* the configuration, the certificate or the kept state is not usable: a person must
                          act, and what to do was said on stderr */
    BW_DAEMON_RESTART, /* it cannot start or go on, and may be started again: a failed fsync, say */
};

#endif
