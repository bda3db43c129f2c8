/* rate.h - how fast the clocks of a site run against those of one witness. Design 3.8, row 1. Pure.
 *
 * Nothing here is an estimate. An exchange has three instants in their true order: the agent sent a
 * sync, this witness received it, the agent had read the answer. Between two exchanges the agent's
 * clocks advanced at most from the first `sent` to the second `answered`, and at least from the
 * first `answered` to the second `sent`, while the witness's advanced from receipt to receipt. So
 * the delays of messages widen the bounds, and never move them: what is out of bound by them is so.
 *
 * Of the pairs of clocks those count that a lease rests on (1): a right ends with the faster clock
 * of its site, a wait with the slower one of its witness. */
#ifndef BW_CORE_RATE_H
#define BW_CORE_RATE_H

#include <breakwater/base/instant.h>
#include <breakwater/base/limits.h>
#include <breakwater/base/name.h>

#define BW_RATE_SLOTS         8
#define BW_RATE_SLOT_NS       (15 * BW_NS_PER_S) /* of each the exchange with the shortest delay */
#define BW_RATE_BASELINE_NS   (60 * BW_NS_PER_S) /* over less than this nothing is said */
#define BW_RATE_GAP_NS_MAX    (600 * BW_NS_PER_S)

/* One sync and its answer, by the clocks of the agent. */
struct bw_exchange {
    char witness[BW_NAME_MAX + 1]; /* who answered, by its own words */
    uint64_t number;               /* of the sync */
    struct bw_instant sent;        /* read before it left */
    struct bw_instant answered;    /* read after its answer was read */
    uint64_t receipt; /* as in that answer: of which receipt of the sync it was; 0: it did not say */
};

/* The agent's side: of each witness the newest exchange. It goes into every sync. */
struct bw_exchanges {
    uint32_t count;
    struct bw_exchange list[BW_WITNESSES_MAX];
};
/* A witness without a name (one that knows no such thing yet) and one older than what is kept change
 * nothing; of too many witnesses the one heard longest ago goes. */
void bw_exchanges_note(struct bw_exchanges *exchanges, const struct bw_exchange *exchange);

/* The witness's side: an exchange with when its sync was received here. */
struct bw_rate_sample {
    struct bw_instant sent;
    struct bw_instant answered;
    struct bw_instant received;
};

/* Rate of the site against this witness, less 1, in ppm; rounded outwards. */
struct bw_rate_bounds {
    bool is_known;
    int32_t lower_ppm;
    int32_t upper_ppm;
};

struct bw_rate {
    struct bw_id session; /* what is below belongs to it; a session lives in one boot */
    bool has_open;
    struct bw_rate_sample open;    /* shortest of the slot that is being filled */
    struct bw_rate_sample newest;
    struct bw_instant open_since;  /* receipt of its first */
    uint32_t closed_count;         /* since the beginning; slots: the newest of them */
    struct bw_rate_sample closed[BW_RATE_SLOTS];
    struct bw_rate_bounds bounds;  /* as of the newest slot */
};

/* Takes an exchange of `session`. Measuring begins anew with another session, with clocks that went
 * back, and after a pause between two receipts of more than `gap_ns` (at least one slot, at most
 * BW_RATE_GAP_NS_MAX): how a machine slept is another row of 3.8. */
void bw_rate_add(struct bw_rate *rate, struct bw_id session, const struct bw_rate_sample *sample,
                 uint64_t gap_ns);

#define BW_RATE_LIST(X)                                                                           \
    X(UNKNOWN, "unknown") /* not measured for long enough */                                      \
    X(WITHIN, "within")   /* not proved to be out of bound */                                     \
    X(SLOW, "slow")       /* proved: a lease may outlive the witness's wait for its end */        \
    X(FAST, "fast")       /* proved: leases end early, which endangers nobody */
enum bw_rate_verdict {
#define X(name, word) BW_RATE_##name,
    BW_RATE_LIST(X)
#undef X
};
const char *bw_rate_word(enum bw_rate_verdict verdict);

/* What two clocks, each within `drift_ppm` of the truth, can differ by at most, in ppm; rounded up. */
int32_t bw_rate_slow_limit_ppm(uint32_t drift_ppm); /* below 0: (1-ε)/(1+ε) - 1 */
int32_t bw_rate_fast_limit_ppm(uint32_t drift_ppm); /* (1+ε)/(1-ε) - 1 */
enum bw_rate_verdict bw_rate_judge(const struct bw_rate_bounds *bounds, uint32_t drift_ppm);

#endif
