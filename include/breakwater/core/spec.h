/* spec.h - what people want of a group: its sites, its timings, its policy. Replicated. Pure. */
#ifndef BW_CORE_SPEC_H
#define BW_CORE_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>

/* X(NAME, word). The words are those of the configuration, the API and the logs. */
#define BW_MODE_LIST(X)                                                                           \
    X(AUTO, "auto") X(MANUAL, "manual") X(OBSERVE, "observe") X(PAUSED, "paused")
enum bw_mode {
#define X(name, word) BW_MODE_##name,
    BW_MODE_LIST(X)
#undef X
};

/* What a site's guard can end by itself (design 3.4). NONE: not known, never enough for a grant. */
#define BW_REACH_LIST(X)                                                                          \
    X(NONE, "none") X(CGROUP, "cgroup") X(UNITS, "units") X(CONTAINERS, "containers")             \
    X(REMOTE, "remote")
enum bw_reach {
#define X(name, word) BW_REACH_##name,
    BW_REACH_LIST(X)
#undef X
};

/* What happens when the only candidate lags more than max_lag, or nobody knows by how much. */
#define BW_ON_LAG_LIST(X) X(REFUSE, "refuse") X(ALLOW, "allow")
enum bw_on_lag {
#define X(name, word) BW_ON_LAG_##name,
    BW_ON_LAG_LIST(X)
#undef X
};

/* How the end of an epoch must be known before another site is granted (design 3.1, 4). */
#define BW_MIN_GRADE_LIST(X) X(EXPIRED, "expired") X(FENCED, "fenced")
enum bw_min_grade {
#define X(name, word) BW_MIN_GRADE_##name,
    BW_MIN_GRADE_LIST(X)
#undef X
};

struct bw_site_spec {
    char name[BW_NAME_MAX + 1];
    uint32_t priority;    /* 0..1000, larger is preferred */
    bool never_candidate; /* `candidate: never` */
};

/* Durations in milliseconds; defaults and ranges are those of bw_spec_defaults and
 * bw_spec_check. */
struct bw_spec {
    char name[BW_NAME_MAX + 1];
    struct bw_site_spec sites[BW_SITES_MAX];
    uint32_t site_count; /* 2..BW_SITES_MAX */
    enum bw_mode mode;
    uint32_t lease_ttl_ms;
    uint32_t fence_timeout_ms; /* F */
    uint32_t renew_interval_ms;
    uint32_t request_timeout_ms;
    uint32_t margin_ms;
    uint32_t max_clock_drift_ppm; /* ε */
    uint32_t max_lag_ms;
    uint32_t switchover_timeout_ms;
    uint32_t failback_after_ms; /* 0: no automatic failback */
    uint32_t min_primary_time_ms;
    uint32_t failovers_max; /* per failover_window_ms; 0: no limit */
    uint32_t failover_window_ms;
    uint32_t retry_backoff_ms; /* first pause after a failed start, doubled each time */
    enum bw_on_lag on_lag;
    enum bw_min_grade min_grade;
    bool expired_is_enough; /* reach `remote` without a second enforcer, in red */
};

/* All defaults of design 5.4 (ttl 15 s, F 5 s, renew 1 s, request 1 s, margin 250 ms, 1000 ppm,
 * lag 5 s refuse, switchover 120 s, back-off 10 s); name and sites empty. */
void bw_spec_defaults(struct bw_spec *out_spec);

/* One problem of a spec. `key` names the configuration key ("lease_ttl", "sites[2].name"). */
struct bw_spec_problem {
    char key[64];
    char text[320];
};

/* Every rule that a spec must keep, all at once: ranges, names, duplicate sites, and the
 * inequalities of design 4 and 3.2.4, each with its numbers:
 *   lease_ttl - F >= 2*renew + request + 4*election + 4*margin;  margin >= 20 ms.
 * `election_timeout_ms` is the cluster's; 0 leaves the inequality that needs it unchecked (offline).
 * Returns how many problems there are; the first `problems_max` are written. */
size_t bw_spec_check(const struct bw_spec *spec, uint32_t election_timeout_ms,
                     struct bw_spec_problem *out_problems, size_t problems_max);

/* Index of the site of that name, or -1. */
int bw_spec_find_site(const struct bw_spec *spec, const char *name);

const char *bw_mode_word(enum bw_mode mode);
const char *bw_reach_word(enum bw_reach reach);
const char *bw_on_lag_word(enum bw_on_lag on_lag);
const char *bw_min_grade_word(enum bw_min_grade grade);

#endif
