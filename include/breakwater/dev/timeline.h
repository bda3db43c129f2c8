/* timeline.h - what happened in a move from one site to another, read from the structured logs of
 * witnesses and agents and from what the services recorded. Pure, but for reading files.
 *
 * Every instant is CLOCK_BOOTTIME of the one machine that all processes run on (`at_boot_ns=` in
 * the log lines): a development cluster needs no comparison of two machines' clocks. */
#ifndef BW_DEV_TIMELINE_H
#define BW_DEV_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>

/* X(NAME, word), in the order in which they are shown. */
#define BW_PHASE_OF_MOVE_LIST(X)                                                                   \
    X(REQUEST, "request")                                                                          \
    X(LAST_RENEWAL, "last confirmed renewal")                                                      \
    X(REVOKED, "revoked")                                                                          \
    X(LAPSE, "lapse")                                                                              \
    X(LAST_BEAT, "last record of the old service")                                                 \
    X(RELEASED, "given back")                                                                      \
    X(EXPIRABLE, "expiry possible")                                                                \
    X(EXPIRED, "expiry committed")                                                                 \
    X(GRANTED, "granted")                                                                          \
    X(ORDER, "order received")                                                                     \
    X(LEASE, "first lease")                                                                        \
    X(START, "start begun")                                                                        \
    X(SERVING, "serving")                                                                          \
    X(CONFIRMED, "serving confirmed")
enum bw_phase_of_move {
#define X(name, word) BW_PHASE_OF_MOVE_##name,
    BW_PHASE_OF_MOVE_LIST(X)
#undef X
        BW_PHASE_OF_MOVE_COUNT
};
const char *bw_phase_of_move_word(enum bw_phase_of_move phase);

/* The move from epoch `old_epoch` to `new_epoch`. */
struct bw_timeline {
    uint64_t old_epoch;
    uint64_t new_epoch;
    bool is_known[BW_PHASE_OF_MOVE_COUNT];
    uint64_t boot_ns[BW_PHASE_OF_MOVE_COUNT];
    enum bw_phase_of_move origin; /* what at_ms counts from */
};

/* Whose log a line is from. */
enum bw_timeline_role { BW_TIMELINE_WITNESS, BW_TIMELINE_OLD_AGENT, BW_TIMELINE_NEW_AGENT };

/* The value of `key` in a logfmt line, unquoted where it stands in quotes (escapes are kept as they
 * are). False: there is none, or it does not fit. What stands inside of another value's quotes is
 * never taken for a key. */
bool bw_log_line_get(const char *line, const char *key, char *out_value, size_t size);

/* Takes what a log line says about the move. A line of something else changes nothing. */
void bw_timeline_take(struct bw_timeline *timeline, enum bw_timeline_role role, const char *line);
/* All lines of a log file. */
BW_MUST_CHECK enum bw_err bw_timeline_take_file(struct bw_timeline *timeline,
                                                enum bw_timeline_role role, const char *path,
                                                struct bw_diag *diag);
/* A fact from elsewhere: the request, the records of the services. */
void bw_timeline_set(struct bw_timeline *timeline, enum bw_phase_of_move phase, uint64_t boot_ns);

/* Milliseconds of a known phase since the origin, which must be known too. */
double bw_timeline_at_ms(const struct bw_timeline *timeline, enum bw_phase_of_move phase);

#endif
