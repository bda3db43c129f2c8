/* override.h - an operator gives a site a manual lease where there is no quorum: break-glass. Design 3.8. Pure. */
#ifndef BW_CORE_OVERRIDE_H
#define BW_CORE_OVERRIDE_H

#include <stdbool.h>
#include <stdint.h>

/* What a site keeps of it, and says to the witnesses. 0 is what a file and a report without it say.
 */
#define BW_OVERRIDE_LIST(X)                                                                        \
    X(NONE, "none")                                                                                \
    X(WAITING, "waiting")       /* asked for: one longest lease, and the end of its own epoch */   \
    X(OVERRIDING, "overriding") /* the manual lease has begun: it serves by that, or is to */      \
    X(ENDING, "ending")         /* fenced, until the end was seen */
enum bw_override {
#define X(name, word) BW_OVERRIDE_##name,
    BW_OVERRIDE_LIST(X)
#undef X
        BW_OVERRIDE_COUNT
};

/* The bounds of --for. */
#define BW_OVERRIDE_FOR_MS_MIN (60u * 1000)
#define BW_OVERRIDE_FOR_MS_MAX (24u * 60 * 60 * 1000)

/* Why it is refused; nothing was changed then. */
#define BW_OVERRIDE_REFUSAL_LIST(X)                                                                \
    X(NONE, "none")                                                                                \
    X(LEVEL, "level")               /* the cluster is at feature level 1, or nobody has said */    \
    X(WAIT_UNKNOWN, "wait_unknown") /* no leader has ever told how long a lease may be */          \
    X(NOT_ENFORCED, "not_enforced") /* breakwater does not hold the service back here (3.9) */     \
    X(WITNESSES, "witnesses")       /* a leader has answered within the freshness window */        \
    X(GUARD, "guard")               /* its guard is away, or knows nothing of it */                \
    X(FOR, "for")                   /* no longer than the wait and the fence, or than a day */     \
    X(EXISTS, "exists")             /* it is asked for already */                                  \
    X(NONE_TO_END, "none_to_end")   /* an end of what is not */                                    \
    X(ADOPTED, "adopted")           /* an end of what the witnesses have taken over already */
enum bw_override_refusal {
#define X(name, word) BW_OVERRIDE_REFUSAL_##name,
    BW_OVERRIDE_REFUSAL_LIST(X)
#undef X
        BW_OVERRIDE_REFUSAL_COUNT
};

/* What the next step waits for. */
#define BW_OVERRIDE_WAITS_LIST(X)                                                                  \
    X(NOTHING, "nothing")                                                                          \
    X(LEASE, "lease") /* the longest lease that another site may hold */                           \
    X(EPOCH, "epoch") /* its own epoch is not given back yet */                                    \
    X(DISK, "disk")                                                                                \
    X(GUARD, "guard")                                                                              \
    X(FENCE, "fence")         /* what a fence could not end here */                                \
    X(STATUS, "status")       /* status does not say stopped */                                    \
    X(START, "start")         /* its start runs, or is tried again */                              \
    X(WITNESSES, "witnesses") /* they answer, and take it over */                                  \
    X(GRANT, "grant")         /* it is down, and a leader answers: only a grant starts it */       \
    X(END, "end")             /* the fence that is to see the end */
enum bw_override_waits {
#define X(name, word) BW_OVERRIDE_WAITS_##name,
    BW_OVERRIDE_WAITS_LIST(X)
#undef X
        BW_OVERRIDE_WAITS_COUNT
};

/* Why the last one of this agent's is over, or is being ended. */
#define BW_OVERRIDE_OVER_LIST(X)                                                                   \
    X(NONE, "none") /* there was none, or it goes on */                                            \
    X(PERSON, "person")                                                                            \
    X(WITNESSES, "witnesses") /* they answered before it had begun */                              \
    X(GRANTED, "granted")     /* they have granted this site */                                    \
    X(ELSEWHERE, "elsewhere") /* they say that another site has the newest epoch */                \
    X(LET_GO, "let_go")       /* they had let the group go, or this site is not in it */           \
    X(TIME, "time")           /* its end has come */                                               \
    X(REBOOT, "reboot")       /* it was given in another boot */                                   \
    X(FENCED, "fenced")       /* a start failed, and so did the stop after it: fenced, as in an epoch */ \
    X(GUARD, "guard")         /* its guard has no deadline of it (any more) */                     \
    X(OLDER, "older")         /* an earlier release has kept it: it has no end */
enum bw_override_over {
#define X(name, word) BW_OVERRIDE_OVER_##name,
    BW_OVERRIDE_OVER_LIST(X)
#undef X
        BW_OVERRIDE_OVER_COUNT
};

const char *bw_override_word(enum bw_override override);
const char *bw_override_refusal_word(enum bw_override_refusal refusal);
const char *bw_override_waits_word(enum bw_override_waits waits);
const char *bw_override_over_word(enum bw_override_over over);

#endif
