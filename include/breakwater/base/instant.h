/* instant.h - points in time that safety may rest on, and points in time for people. Pure.
 *
 * Design 1. An instant is a pair of clocks of one machine in one boot, read together:
 * CLOCK_BOOTTIME counts suspend but is slewed by NTP; CLOCK_MONOTONIC_RAW is not slewed but stops
 * in suspend. A *right* (a lease) has ended when either member has reached its end; a *wait* is
 * over when both have. Instants of two machines, boots or time namespaces are never compared. */
#ifndef BW_BASE_INSTANT_H
#define BW_BASE_INSTANT_H

#include <stdbool.h>
#include <stdint.h>

#define BW_NS_PER_MS UINT64_C(1000000)
#define BW_NS_PER_S UINT64_C(1000000000)

/* Saturates at UINT64_MAX. */
uint64_t bw_ms_to_ns(uint64_t ms);
/* Rounded down. */
uint64_t bw_ns_to_ms(uint64_t ns);

struct bw_instant {
    uint64_t boot_ns; /* CLOCK_BOOTTIME */
    uint64_t raw_ns;  /* CLOCK_MONOTONIC_RAW */
};

/* Wall-clock time, for people only. Nothing is ever decided by it. */
struct bw_wall {
    int64_t unix_ms;
};

/* Adds to both members; saturates at UINT64_MAX ("never"). */
struct bw_instant bw_instant_add(struct bw_instant at, uint64_t duration_ns);
/* Subtracts from both members; saturates at 0. */
struct bw_instant bw_instant_sub(struct bw_instant at, uint64_t duration_ns);

/* A right that lasts until `end` is over: either clock has reached it. */
bool bw_instant_right_is_over(struct bw_instant now, struct bw_instant end);
/* A wait until `end` is over: both clocks have reached it. */
bool bw_instant_wait_is_over(struct bw_instant now, struct bw_instant end);

/* Both members are the same. */
bool bw_instant_is_same(struct bw_instant a, struct bw_instant b);
/* `a` is later than `b`: neither member smaller, and one larger. */
bool bw_instant_is_later(struct bw_instant a, struct bw_instant b);
/* `a` is beyond `limit` on either clock. "Never beyond" holds for both members. */
bool bw_instant_is_beyond(struct bw_instant a, struct bw_instant limit);

/* Elapsed time from `since` to `now`, the smaller of the two clocks; 0 where a clock shows less.
 * For waits: of two answers the one that makes us wait longer. */
uint64_t bw_instant_elapsed_ns(struct bw_instant now, struct bw_instant since);
/* Time left until `end`, the smaller of the two clocks; 0 when the right is over. */
uint64_t bw_instant_left_ns(struct bw_instant now, struct bw_instant end);
/* Time left until both clocks have reached `end`: the larger of the two; 0 when the wait is over. */
uint64_t bw_instant_wait_left_ns(struct bw_instant now, struct bw_instant end);
/* When to look for the end of a wait until `end`. A wake-up comes with the first of the two clocks,
 * and a wait is over with the second: between the two it is later, by at least a tenth of a
 * millisecond. */
struct bw_instant bw_instant_wait_wake(struct bw_instant now, struct bw_instant end);

/* Member-wise minimum and maximum. */
struct bw_instant bw_instant_min(struct bw_instant a, struct bw_instant b);
struct bw_instant bw_instant_max(struct bw_instant a, struct bw_instant b);

#define BW_INSTANT_NEVER ((struct bw_instant){UINT64_MAX, UINT64_MAX})
bool bw_instant_is_never(struct bw_instant at);

/* How a duration is written for people, and read from them. Pure. */

/* `250ms`, `15s`, `2m`, `1h`, `1m30s`: units from large to small, each once; a bare number only as
 * `0`. False, and the output untouched, on anything else or beyond UINT32_MAX milliseconds. */
bool bw_duration_parse(const char *text, uint32_t *out_ms);

#define BW_DURATION_TEXT_BYTES 32
/* The shortest text that bw_duration_parse reads back to the same value. */
void bw_duration_format(uint32_t ms, char out_text[BW_DURATION_TEXT_BYTES]);

#endif
