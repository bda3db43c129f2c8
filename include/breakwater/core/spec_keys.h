/* spec_keys.h - the one table of a group's keys: each with its words, range, default and number. Pure.
 *
 * Code that reads, writes, compares, records or describes a key goes by its row. Beside it a key has a member in struct
 * bw_spec and a field in proto/log.proto, whose tags are given there alone. */
#ifndef BW_CORE_SPEC_KEYS_H
#define BW_CORE_SPEC_KEYS_H

#include <breakwater/base/words.h>
#include <breakwater/core/spec.h>

#define BW_SPEC_SECOND UINT32_C(1000)
#define BW_SPEC_MINUTE (60 * BW_SPEC_SECOND)
#define BW_SPEC_HOUR   (60 * BW_SPEC_MINUTE)
#define BW_SPEC_DAY    (24 * BW_SPEC_HOUR)

/* In the order in which people are told of them.
 *
 * NUMBER(member, "word", unit, number, min, max, default, word for 0, "help"): the member is a uint32_t. Its word is that
 *   of groups.yaml; JSON has the name of the member. NONE: 0 has no word.
 * WORD(member, "word", LIST, number, default, what is said in place of the default, "help"): an enum of BW_LIST_LIST.
 * APART: the same, and log.proto has the last value as a flag beside the first one, which is named last.
 * The number is what a key is called by in the record (RecordKey in proto/snapshot.proto): a new key takes the next one,
 * and raises BW_RECORD_KEYS_MAX; 17 was expired_is_enough. A range is checked again by every witness that applies a
 * spec: it changes only with a feature level. */
#define BW_SPEC_KEYS(NUMBER, WORD, APART)                                                                               \
    WORD(mode, "mode", MODE, 1, AUTO, "as it is; of a new group auto",                                                  \
         "auto: breakwater acts; manual: moves need approval; unmanaged (or observe): breakwater only watches and "      \
         "explains; paused: moves stop, leases and fences stay in force")                                               \
    NUMBER(lease_ttl_ms, "lease_ttl", MS, 2, 500, BW_SPEC_HOUR, 15 * BW_SPEC_SECOND, NONE,                              \
           "how long a site may serve after it sent the last confirmed renewal")                                        \
    NUMBER(fence_timeout_ms, "fence_window", MS, 3, 50, 30 * BW_SPEC_MINUTE, 5 * BW_SPEC_SECOND, NONE,                  \
           "last part of the lease, reserved for the fence; all groups of a site may need it at once")                  \
    NUMBER(renew_interval_ms, "renew_interval", MS, 4, 20, BW_PACE_MS_MAX, BW_SPEC_SECOND, NONE,                        \
           "how often a site renews and reports")                                                                       \
    NUMBER(request_timeout_ms, "request_timeout", MS, 5, 20, BW_PACE_MS_MAX, BW_SPEC_SECOND, NONE,                      \
           "how long a site waits for the guard; for a witness three times as long: once each for the connection, "     \
           "the TLS handshake and the answer")                                                                          \
    NUMBER(margin_ms, "lease_margin", MS, 6, (uint32_t)(BW_MARGIN_NS_MIN / 1000000), 10 * BW_SPEC_SECOND, 250, NONE,    \
           "for timers and scheduling, added to every wait for the end of a lease")                                     \
    NUMBER(max_clock_drift_ppm, "max_clock_drift_ppm", PPM, 7, 1, BW_DRIFT_PPM_MAX, 1000, NONE,                         \
           "how far a clock's rate may be off, in parts per million; a slower site is excluded")                        \
    NUMBER(max_lag_ms, "max_lag", MS, 8, 0, BW_SPEC_DAY, 5 * BW_SPEC_SECOND, NONE,                                      \
           "highest lag of a site for an automatic failover")                                                           \
    WORD(on_lag, "on_lag", ON_LAG, 15, REFUSE, NULL,                                                                    \
         "whether a site is eligible if the lag is larger or unknown (no readiness_script, or unreported writes of "    \
         "the old primary)")                                                                                            \
    NUMBER(switchover_timeout_ms, "switchover_timeout", MS, 9, BW_SPEC_SECOND, BW_SPEC_DAY, 120 * BW_SPEC_SECOND, NONE, \
           "longest time of a switchover before the group goes back")                                                   \
    NUMBER(failback_ms, "failback", MS, 10, 0, 7 * BW_SPEC_DAY, 0, NEVER,                                               \
           "how long a preferred site must be connected before the group moves back. The time doubles after each "      \
           "failed move, up to a day")                                                                                  \
    NUMBER(min_primary_time_ms, "min_primary_time", MS, 11, 0, 7 * BW_SPEC_DAY, 0, NONE,                                \
           "time after each change of primary without automatic failover, even if the primary is lost; `failover` "     \
           "overrides it")                                                                                              \
    NUMBER(unhealthy_after_ms, "unhealthy_after", MS, 18, 0, BW_SPEC_DAY, 5 * BW_SPEC_MINUTE, NEVER,                    \
           "how long the primary may be unknown or unhealthy before the group moves to an eligible site. The time "     \
           "doubles after each move, up to a day, until the group was healthy for an hour")                             \
    NUMBER(max_failovers_per_window, "max_failovers_per_window", COUNT, 12, 0, 1000, 0, UNLIMITED,                      \
           "highest number of automatic failovers within failover_window; after that the group waits until the "        \
           "oldest is out of the window, or for `failover`; at most 32")                                                \
    NUMBER(failover_window_ms, "failover_window", MS, 13, 60 * BW_SPEC_SECOND, 7 * BW_SPEC_DAY, BW_SPEC_HOUR, NONE,     \
           "the window of max_failovers_per_window")                                                                    \
    NUMBER(retry_backoff_ms, "retry_backoff", MS, 14, 100, BW_SPEC_HOUR, 10 * BW_SPEC_SECOND, NONE,                     \
           "pause after a failed start, doubled each time")                                                             \
    APART(handover_by_time, "handover_by_time", HANDOVER, 16, PROVED, NULL,                                             \
          "whether an expired lease of a lost primary is enough for a failover. proved: if a kill by the guard was "    \
          "tested; never: always wait for a confirmed stop; always: DANGEROUS, the service may still run", handover_always)

/* The rows' contents, without the help that is for a page. */
enum bw_spec_unit { BW_SPEC_UNIT_MS, BW_SPEC_UNIT_PPM, BW_SPEC_UNIT_COUNT, BW_SPEC_UNIT_WORD };
struct bw_spec_key {
    const char *word; /* in groups.yaml, and in problems */
    const char *json;
    size_t offset;    /* in struct bw_spec, of a uint32_t or of an enum that is as large */
    enum bw_spec_unit unit;
    uint32_t number;  /* in the record */
    uint32_t min;
    uint32_t max;
    uint32_t initial;
    const char *const *words; /* of WORD: by value, from 0 to max */
};

#define BW_SPEC_KEY_ONE(...) +1
enum { BW_SPEC_KEY_COUNT = 0 BW_SPEC_KEYS(BW_SPEC_KEY_ONE, BW_SPEC_KEY_ONE, BW_SPEC_KEY_ONE) };
extern const struct bw_spec_key bw_spec_keys[BW_SPEC_KEY_COUNT];

uint32_t bw_spec_key_get(const struct bw_spec *spec, const struct bw_spec_key *key);
void bw_spec_key_set(struct bw_spec *spec, const struct bw_spec_key *key, uint32_t value);
/* The words of a WORD, separated by ", "; returns `out_words`. */
#define BW_SPEC_WORDS_BYTES 128
const char *bw_spec_key_words(const struct bw_spec_key *key, char out_words[BW_SPEC_WORDS_BYTES]);
/* The key of that number in the record, or NULL. */
const struct bw_spec_key *bw_spec_key_recorded(uint32_t number);

#endif
