/* proof.h - an operator has a site show that what ends its service by time alone can: a KILL of the reach, or the fence of a
 * second enforcer (design 3.4, Proved). Pure. */
#ifndef BW_CORE_PROOF_H
#define BW_CORE_PROOF_H

/* The reason against it, or the outcome of the newest one of this agent. By an outcome that is not listed as a kill nothing was
 * touched, or (RESTART) nothing but the stop and start that come before. */
#define BW_PROOF_WORD_LIST(X)                                                                      \
    X(NONE, "none")           /* nothing stands against it; or none was asked for yet */           \
    X(ASKED, "asked")         /* one is under way */                                               \
    X(PROVED, "proved")       /* it is; or one has come to that */                                 \
    X(NOT_PRIMARY, "not_primary") /* no epoch is held here under which the service serves */       \
    X(ORDER, "order")         /* paused, observed, in maintenance, or to be stopped: nothing is restarted */ \
    X(REMOTE, "remote")       /* its reach is `remote`: no KILL ends the service, and no second enforcer can be asked */ \
    X(DRIVER, "driver")       /* its own loop starts and stops it */                               \
    X(GUARD, "guard")         /* it is down, of an older release, or cannot kill what is in reach */ \
    X(SERVICE, "service")     /* its status does not say that it serves, and does its work */      \
    X(BUSY, "busy")           /* a script of it runs */                                            \
    X(LEASE, "lease")         /* less is left of it than half of its time before the fence window */ \
    X(OUTSIDE, "outside")     /* what serves is outside of the reach, though it was started here by these scripts; and
                                 no second enforcer can be asked */ \
    X(SERVES_ON, "serves_on") /* killed, and the look after that did not say `stopped` */          \
    X(NOT_FENCED, "not_fenced") /* the second enforcer has not seen its end within F of the begin of its fence */ \
    X(NOT_KILLED, "not_killed") /* the guard has refused it */                                     \
    X(CUT_OFF, "cut_off")     /* a fence, an order, or the loss of its guard came in between */
enum bw_proof_word {
#define X(name, word) BW_PROOF_WORD_##name,
    BW_PROOF_WORD_LIST(X)
#undef X
        BW_PROOF_WORD_COUNT
};

const char *bw_proof_word(enum bw_proof_word word);

#endif
