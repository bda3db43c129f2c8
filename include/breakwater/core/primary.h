/* primary.h - may clients be sent to this site? For load balancers, which ask the agent
 * (`health_listen`). Design 5.3. Pure. It says yes only to what may_run.h lets run and what the
 * newest look of the guard has seen serve: unknown is never yes. */
#ifndef BW_CORE_PRIMARY_H
#define BW_CORE_PRIMARY_H

#include <breakwater/core/may_run.h>

/* X(NAME, word, sentence for people). All but YES are no; of MAY_NOT_RUN, may_run.h has the
 * sentence. */
#define BW_PRIMARY_LIST(X)                                                                         \
    X(MAY_NOT_RUN, "may_not_run", "it may not run here")                                           \
    X(STARTING, "starting", "it is being started here")                                            \
    X(UNVERIFIED, "unverified", "its verify_script has not passed since its start")                \
    X(NOT_SERVING, "not_serving", "the newest look at it did not see it serve")                    \
    X(OLD_LOOK, "old_look", "nobody has looked at it for too long")                                \
    X(YES, "primary", "it may run here, and is seen to serve")
enum bw_primary {
#define X(name, word, sentence) BW_PRIMARY_##name,
    BW_PRIMARY_LIST(X)
#undef X
        BW_PRIMARY_COUNT
};

/* What the site file says of the group. */
struct bw_primary_limits {
    bool has_verify;  /* there is a verify_script */
    bool is_verified; /* its agent has seen it pass in this epoch: a guard that has begun since has not */
    uint64_t look_ns; /* by then the next look has ended: this one is believed no longer */
};

/* `may_run` is of `shown` and `now`, which was read after `shown` had come. */
enum bw_primary bw_primary(enum bw_may_run may_run, const struct bw_guard_shown *shown,
                           const struct bw_primary_limits *limits, struct bw_instant now);
const char *bw_primary_word(enum bw_primary primary);
const char *bw_primary_sentence(enum bw_primary primary);

#endif
