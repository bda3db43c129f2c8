/* lease.h - the holder's side of a lease: until when this site may serve. Design 3.2. Pure. */
#ifndef BW_CORE_LEASE_H
#define BW_CORE_LEASE_H

#include <breakwater/base/err.h>
#include <breakwater/base/instant.h>
#include <breakwater/base/name.h>
#include <breakwater/core/command.h>

struct bw_lease {
    uint64_t epoch;         /* the grant this lease belongs to; 0 = none */
    uint64_t ttl_ns;        /* fixed with the grant; > fence_ns */
    uint64_t fence_ns;      /* F: how long the fence may take */
    struct bw_instant end;  /* D: first instant at which the service must not be serving */
};

/* No lease yet of `epoch`: its end is long past. */
void bw_lease_init(struct bw_lease *lease, uint64_t epoch, const struct bw_terms *terms);

/* The end that a renewal sent at `sent` gives: sent + TTL (3.2.3). */
struct bw_instant bw_lease_end_of(const struct bw_lease *lease, struct bw_instant sent);

/* Extend the lease by a confirmed renewal.
 *
 * `sent` is the instant read just before the renewal left, not that of the answer: a witness starts
 * its wait after `sent`, so a lease counted from `sent` ends here before it can end there (clock
 * rate errors are in that wait, 3.3). An answer overtaken by a newer one changes nothing. The caller
 * drops answers that come inside the fence window: a fence that has begun is finished (3.2.4).
 * Returns BW_OK, or BW_ERR_STALE when `epoch` is not this lease's; the lease is then untouched. */
BW_MUST_CHECK enum bw_err bw_lease_confirm_renewal(struct bw_lease *lease, uint64_t epoch,
                                                   struct bw_instant sent);

/* The lease is alive: there is one, and neither clock has reached its end. */
bool bw_lease_is_alive(const struct bw_lease *lease, struct bw_instant now);

/* In the fence window (from D - F, 3.2.4) or past it: nothing may start, no later confirmation extends anything. */
bool bw_lease_in_fence_window(const struct bw_lease *lease, struct bw_instant now);

/* min(F/6, 2.5 s): between TERM and KILL inside the fence window, and between KILL and D. That long a
 * machine may stall just then, or the killed take to be gone. */
uint64_t bw_lease_kill_grace_ns(uint64_t fence_ns);

/* The instants of a fence, kept whatever it is doing then (3.2.4). */
struct bw_fence_plan {
    struct bw_instant end;     /* D: nothing serves from here on */
    struct bw_instant term_at; /* D - min(F/3, 5 s): TERM to everything in reach */
    struct bw_instant kill_at; /* D - min(F/6, 2.5 s): KILL, so that the killed are gone by D */
};
/* Of a fence that is to be over by `end`. Where `end` has passed, so have the others. */
struct bw_fence_plan bw_lease_plan_fence(struct bw_instant end, uint64_t fence_ns);
/* What the plan leaves the fence's script, from the begin of the window to TERM: F - min(F/3, 5 s). */
uint64_t bw_lease_script_time_ns(uint64_t fence_ns);
/* Where TERM and KILL end the service, it has that; else it runs on to D. */
uint32_t bw_lease_script_ms(uint32_t fence_ms, bool is_inside);
/* A script that may take `limit_ms` is ended by a fence window of `fence_ms`, not by its own limit. */
bool bw_lease_cuts_script(uint32_t fence_ms, uint32_t limit_ms, bool is_inside);
/* How long a window has to be that leaves its script `script_ns` before TERM. */
uint64_t bw_lease_window_of_ns(uint64_t script_ns);

/* ---- the renewals on their way ----
 * An answer names (session, number); the instant comes from here and never from the wire (3.2.3). */
struct bw_renewal {
    uint64_t number; /* 0: free */
    struct bw_instant sent;
};
struct bw_renewals {
    struct bw_id session;
    uint64_t last_number;
    struct bw_renewal open[BW_RENEWALS_MAX]; /* ring: the oldest makes room, its answer is then
                                                unknown and dropped */
};
void bw_renewals_init(struct bw_renewals *renewals, struct bw_id session);
/* A new number for a renewal that leaves now; `sent` was read just before. */
uint64_t bw_renewals_add(struct bw_renewals *renewals, struct bw_instant sent);
/* BW_OK and its instant; BW_ERR_STALE for another session or an unknown number. The number stays
 * known: every witness may answer it. */
BW_MUST_CHECK enum bw_err bw_renewals_find(const struct bw_renewals *renewals, struct bw_id session,
                                           uint64_t number, struct bw_instant *out_sent);

#endif
