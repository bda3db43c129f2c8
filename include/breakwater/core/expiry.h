/* expiry.h - the leader's side of a lease: from when an epoch is surely over. Design 3.3. Pure. */
#ifndef BW_CORE_EXPIRY_H
#define BW_CORE_EXPIRY_H

#include <breakwater/base/instant.h>
#include <breakwater/core/command.h>

/* TTL*(1+ε)/(1-ε) + margin, in ns, rounded up: a holder whose clock is slow by ε stops before this
 * leader, whose clock is fast by ε, has counted it. Model: lease.pml, hole H1. Exact for all terms
 * whose drift is within BW_DRIFT_PPM_MAX; beyond it UINT64_MAX: such a wait is never over. */
uint64_t bw_expiry_wait_ns(const struct bw_terms *terms);

/* The longest wait there is: a lease is an hour at most, and its wait a quarter longer where clocks
 * are as far apart as may be. What says more was made up. */
#define BW_LONGEST_WAIT_MS_MAX (2U * 3600 * 1000)

/* What the wait is counted from: the latest of the three, member by member. A base that never was
 * (no renewal confirmed in this term) is {0, 0}. Nothing of an earlier term may be in here. */
struct bw_expiry_base {
    struct bw_instant last_confirmed; /* receipt of the last renewal confirmed in this term */
    struct bw_instant leader_since;   /* own-term barrier applied */
    struct bw_instant grant_applied;  /* this witness applied the grant of the epoch */
};
struct bw_instant bw_expiry_counted_from(const struct bw_expiry_base *base);

/* The wait is over on both clocks. */
bool bw_expiry_is_over(const struct bw_expiry_base *base, const struct bw_terms *terms,
                       struct bw_instant now);
/* How long until then; 0 when it is over. */
uint64_t bw_expiry_left_ns(const struct bw_expiry_base *base, const struct bw_terms *terms,
                           struct bw_instant now);

/* Fresh (3.3): received within 2*renew_interval + request_timeout. */
uint64_t bw_expiry_freshness_ns(uint32_t renew_interval_ms, uint32_t request_timeout_ms);

/* ---- proof that this witness still led after a renewal was received (3.2.2) ----
 * Which renewals one serves, be it a question (question.h) or a barrier. A renewal received now is covered by the next
 * proof to be *begun*; one already on its way proves nothing about it. */
struct bw_proof {
    uint64_t submitted; /* number of the newest proof begun in this term */
    uint64_t proved;    /* number of the newest one that was made */
    uint64_t on_its_way; /* number of the one that is neither made nor failed; 0 none */
    bool wanted;        /* a renewal waits for a proof that is not begun yet */
};
void bw_proof_init(struct bw_proof *proof);
/* The proof that will cover a renewal received now. */
uint64_t bw_proof_want(struct bw_proof *proof);
/* True when a proof should be begun now: wanted, and none is on its way. */
bool bw_proof_should_submit(const struct bw_proof *proof);
/* Returns the number of the proof that is being begun. */
uint64_t bw_proof_on_submitted(struct bw_proof *proof);
void bw_proof_on_applied(struct bw_proof *proof, uint64_t number);
/* It failed although this witness still leads: what waited for it waits for the next. */
void bw_proof_on_failed(struct bw_proof *proof, uint64_t number);
bool bw_proof_covers(const struct bw_proof *proof, uint64_t number);

#endif
