/* err.h - the one list of outcomes: of a call, and of the run of a daemon. Pure. */
#ifndef BW_BASE_ERR_H
#define BW_BASE_ERR_H

#include <stdbool.h>

#define BW_MUST_CHECK __attribute__((warn_unused_result))

/* X(name, text). `text` completes the sentence "it failed: ...". Foreign codes (errno, uv, raft,
 * curl, ssl) are translated where they enter; the original text is kept in the bw_diag. */
#define BW_ERR_LIST(X)                                                                            \
    X(BW_OK, "fine")                                                                              \
    X(BW_ERR_INVALID, "the input is not valid")                                                   \
    X(BW_ERR_CORRUPT, "stored or received data is damaged")                                       \
    X(BW_ERR_LIMIT, "a limit was met")                                                            \
    X(BW_ERR_NOMEM, "out of memory")                                                              \
    X(BW_ERR_IO, "input or output failed")                                                        \
    X(BW_ERR_NOT_FOUND, "there is no such thing")                                                 \
    X(BW_ERR_EXISTS, "it exists already")                                                         \
    X(BW_ERR_BUSY, "something else is going on")                                                  \
    X(BW_ERR_STALE, "a newer epoch, version or message overtook it")                              \
    X(BW_ERR_REFUSED, "refused because it is unsafe or not allowed")                              \
    X(BW_ERR_AUTH, "the identity is missing, wrong or without the right")                         \
    X(BW_ERR_NOT_LEADER, "another witness leads")                                                 \
    X(BW_ERR_UNREACHABLE, "nobody answered")                                                      \
    X(BW_ERR_TIMEOUT, "it took too long")                                                         \
    X(BW_ERR_UNKNOWN, "the outcome is not known")                                                 \
    X(BW_ERR_CANCELED, "it was canceled")                                                         \
    X(BW_ERR_NO_ROOM, "a majority of the witnesses has no room for the log on its disk")          \
    X(BW_ERR_OUTDATED, "it comes from an older version, of which nothing is read")                \
    X(BW_ERR_VERSION, "it comes from a newer version")

enum bw_err {
#define X(name, text) name,
    BW_ERR_LIST(X)
#undef X
};

/* The text of `err`; never NULL, static. */
const char *bw_err_text(enum bw_err err);
/* What may be well again by itself, or by the end of another process: a daemon that it keeps from
 * beginning is worth a fresh start. All else a person has to change. */
bool bw_err_may_pass(enum bw_err err);

/* How the run of a daemon ended. */

enum bw_daemon_end {
    BW_DAEMON_STOPPED, /* it was told to end: SIGTERM or SIGINT */
    BW_DAEMON_CONFIG,  /* the configuration, the certificate or the kept state is not usable: a person must
                          act, and what to do was said on stderr */
    BW_DAEMON_RESTART, /* it cannot start or go on, and may be started again: a failed fsync, say */
};

#endif
