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
enum bw_reach_kind {
#define X(name, word) BW_REACH_##name,
    BW_REACH_LIST(X)
#undef X
};

/* Where the service was seen to be (design 3.4), at the newest look of its site that said `started`:
 * INSIDE what its guard can end, or OUTSIDE of it. */
#define BW_REACH_SEEN_LIST(X) X(UNSEEN, "unseen") X(INSIDE, "inside") X(OUTSIDE, "outside")
enum bw_reach_seen {
#define X(name, word) BW_REACH_##name,
    BW_REACH_SEEN_LIST(X)
#undef X
};
struct bw_reach_sight {
    enum bw_reach_seen seen;
    bool proved;     /* a kill of the reach alone was once followed by `stopped` */
    uint64_t epoch;  /* that the site knew as its newest when it was seen */
    uint64_t digest; /* of the scripts' contents, `stop_method` and the units that it was seen with */
};

/* What happens when the only candidate lags more than max_lag, or nobody knows by how much. */
#define BW_ON_LAG_LIST(X) X(REFUSE, "refuse") X(ALLOW, "allow")
enum bw_on_lag {
#define X(name, word) BW_ON_LAG_##name,
    BW_ON_LAG_LIST(X)
#undef X
};

/* When time alone may end an epoch (design 3.3). ALWAYS is a person's word, in red. */
#define BW_HANDOVER_LIST(X) X(PROVED, "proved") X(NEVER, "never") X(ALWAYS, "always")
/* Of the two keys that it replaces. */
#define BW_HANDOVER_IN_PLACE                                                                       \
    "write `handover_by_time: never` for `min_grade: fenced`, `handover_by_time: always` for "     \
    "`expired_is_enough: true`, and nothing for any other value"
enum bw_handover {
#define X(name, word) BW_HANDOVER_##name,
    BW_HANDOVER_LIST(X)
#undef X
};

struct bw_site_spec {
    char name[BW_NAME_MAX + 1];
    uint32_t priority;    /* 0..1000, larger is preferred */
    bool never_candidate; /* `failover_candidate: false` */
};

/* The longest renew_interval, and the longest request_timeout: nobody speaks more seldom, or waits longer for an answer. */
#define BW_PACE_MS_MAX 60000u

/* The words, ranges and defaults of its keys are in core/spec_keys.h. */
struct bw_spec {
    char name[BW_NAME_MAX + 1];
    struct bw_site_spec sites[BW_SITES_MAX];
    uint32_t site_count; /* 2..BW_SITES_MAX */
    enum bw_mode mode;   /* the current one: SetMode changes it here */
    uint32_t lease_ttl_ms;          /* and the inequality at bw_spec_check */
    uint32_t fence_timeout_ms;      /* F, < lease_ttl */
    uint32_t renew_interval_ms;
    uint32_t request_timeout_ms;
    uint32_t margin_ms;
    uint32_t max_clock_drift_ppm;   /* ε */
    uint32_t max_lag_ms;            /* 0: nothing may be lost */
    uint32_t switchover_timeout_ms;
    uint32_t failback_ms;           /* 0: no automatic failback */
    uint32_t min_primary_time_ms;
    uint32_t unhealthy_after_ms;    /* 0: a holder that cannot show that it serves is not moved. 0 below
                                       BW_UNHEALTHY_LEVEL */
    uint32_t max_failovers_per_window; /* per failover_window_ms; 0: no limit */
    uint32_t failover_window_ms;
    uint32_t retry_backoff_ms;      /* first pause after a failed start, doubled each time */
    enum bw_on_lag on_lag;
    enum bw_handover handover_by_time;
};

/* All defaults of design 5.4 (ttl 15 s, F 5 s, renew 1 s, request 1 s, margin 250 ms, 1000 ppm,
 * lag 5 s refuse, switchover 120 s, back-off 10 s, no damping, grade expired, mode auto); name and
 * sites empty. */
void bw_spec_defaults(struct bw_spec *out_spec);

/* One problem of a spec. `key` names the configuration key ("lease_ttl", "sites[2].name"). */
struct bw_spec_problem {
    char key[64];
    char text[320];
};

/* Every rule that a spec must keep, all at once: ranges, names, duplicate sites, one candidate at
 * least, and the inequality of design 4 (any one witness may be lost and no script runs), with its
 * numbers: lease_ttl - F >= 2*renew + request + 4*election + 4*margin.
 * `election_timeout_ms` is the cluster's; 0 (offline) leaves of that inequality only lease_ttl > F.
 * Texts repeat nothing of a name that breaks the rule for names. `out_problems` may be NULL when
 * `problems_max` is 0. Returns how many problems there are; the first `problems_max` are written. */
size_t bw_spec_check(const struct bw_spec *spec, uint32_t election_timeout_ms,
                     struct bw_spec_problem *out_problems, size_t problems_max);

/* Of these rules those that need neither its names nor a cluster: the ranges, and lease_ttl > F. */
bool bw_spec_timings_may_be(const struct bw_spec *spec);

/* The smallest lease_ttl that keeps the inequality of design 4 with the other values of `spec`. */
uint64_t bw_spec_lease_ttl_ms_min(const struct bw_spec *spec, uint32_t election_timeout_ms);

/* The longest round trip between witnesses, and between site and witness, that these timings bear (4). */
uint32_t bw_spec_trip_ms_max(const struct bw_spec *spec, uint32_t election_timeout_ms);

/* Index of the site of that name, or -1. */
int bw_spec_find_site(const struct bw_spec *spec, const char *name);

/* The site is in the spec and not `failover_candidate: false`: a grant may name it (design 3.1). One by override names any that is
 * in the spec (3.8). */
bool bw_spec_is_candidate(const struct bw_spec *spec, const char *name);

/* Both want the same; the order of the sites counts. */
bool bw_spec_is_equal(const struct bw_spec *spec, const struct bw_spec *other);

const char *bw_mode_word(enum bw_mode mode);
/* The mode of that word. False: it is none (NULL is none), and `*out_mode` stays. */
/* The mode as it is shown: `observe` is "unmanaged". bw_mode_parse takes both. */
const char *bw_mode_shown(enum bw_mode mode);
BW_MUST_CHECK bool bw_mode_parse(const char *word, enum bw_mode *out_mode);
const char *bw_reach_word(enum bw_reach_kind reach);
const char *bw_reach_seen_word(enum bw_reach_seen seen);

#endif
