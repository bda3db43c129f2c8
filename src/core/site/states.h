/* states.h - how the states of a site's machine change: a table for each, and one door. A row: from
 * which states, at what event, into which. A pair without a row is a bug. What each state means:
 * breakwater/core/site.h.
 *
 * What is a flag there, and stays one, is no state: what the guard or a script has said of itself, an answer
 * that is awaited beside others, or what is true beside all of these from some moment of a tenure on. */
#ifndef BW_CORE_SITE_STATES_H
#define BW_CORE_SITE_STATES_H

#include <breakwater/core/site.h>

#define BW_SITE_OF(state)   (1u << BW_SITE_##state)
#define BW_SITE_OF_2(a, b)  (BW_SITE_OF(a) | BW_SITE_OF(b))
#define BW_TENURE_OF(state) (1u << BW_TENURE_##state)
#define BW_REMOTE_OF(state) (1u << BW_REMOTE_FENCE_##state)
#define BW_SITE_OF_ANY      (~0u)

/* Before a stop or a fence has begun. */
#define BW_TENURE_HOLDING                                                                         \
    (BW_TENURE_OF(WAITING) | BW_TENURE_OF(STARTING) | BW_TENURE_OF(SERVING))
/* What may be seen to have ended: by a stop, by a fence, or by an agent before us. */
#define BW_TENURE_ENDABLE                                                                         \
    (BW_TENURE_OF(WAITING) | BW_TENURE_OF(STOPPING) | BW_TENURE_OF(FENCING) |                     \
     BW_TENURE_OF(ENDING) | BW_TENURE_OF(STUCK))
#define BW_TENURE_OPEN (BW_TENURE_OF(ACCEPTING) | BW_TENURE_HOLDING | BW_TENURE_ENDABLE)

/* clang-format off */
/* ---- our relation to the newest epoch: X(P, from, event, to, why) ---- */
#define BW_SITE_TENURE_ROWS(X, P)                                                                 \
    X(P, BW_TENURE_OF(NONE),      FOUND,        WAITING,   "3.7: of this boot, it is renewed first") \
    X(P, BW_TENURE_OF(NONE),      REBOOTED,     STOPPING,  "3.7: of another, it is given back")   \
    X(P, BW_TENURE_OF(NONE),      ACCEPTED,     ACCEPTING, "3.5: the one before was given back")  \
    X(P, BW_TENURE_OF(ACCEPTING), KEPT,         WAITING,   "3.4, start order: fsynced, then armed") \
    X(P, BW_TENURE_OF(WAITING),   LEASED,       STARTING,  "3.4: its first renewal is confirmed") \
    X(P, BW_TENURE_OF(STARTING),  SERVES,       SERVING,   "4: status says so")                   \
    X(P, BW_TENURE_OF(SERVING),   RESTARTS,     STARTING,  "4: here, before it goes elsewhere")   \
    X(P, BW_TENURE_HOLDING,       STOP,         STOPPING,  "3.5: no more start of it")            \
    X(P, BW_TENURE_OF(ENDING),    NOT_STOPPED,  STOPPING,  "3.4, ended: it knows of more")        \
    X(P, BW_TENURE_OF(FENCING),   STOP_OWED,    STOPPING,  "3.4, ended: the guard has not seen it") \
    X(P, BW_TENURE_OPEN,          FENCE_BEGUN,  FENCING,   "3.4: from here it is renewed no more") \
    X(P, BW_TENURE_OPEN,          FENCE_FAILED, STUCK,     "3.3: only a fence that sees the end ends it") \
    X(P, BW_TENURE_ENDABLE,       ENDED,        ENDING,    "3.5: seen; the guard has to say so too") \
    X(P, BW_TENURE_OPEN,          GIVEN_BACK,   NONE,      "3.5: final")                          \
    X(P, BW_TENURE_OPEN | BW_TENURE_OF(NONE), LET_GO, NONE, "3.1: whatever it was")

/* ---- the guard is there, or not (3.4) ---- */
#define BW_SITE_LINK_ROWS(X, P)                                                                   \
    X(P, BW_SITE_OF_ANY,                               GREETED,  GREETED, "what was before is void") \
    X(P, BW_SITE_OF_ANY,                               LOST,     LOST,    "its mirror is read")

/* ---- the saves of `memory` (3.4) ---- */
#define BW_SITE_SAVE_ROWS(X, P)                                                                   \
    X(P, BW_SITE_OF_2(SAVE_KEPT, SAVE_PENDING),        ASKED,    PENDING, "the newest counts")    \
    X(P, BW_SITE_OF_2(SAVE_FAILED, SAVE_AGAIN),        ASKED,    AGAIN,   "it is no better yet")  \
    X(P, BW_SITE_OF_2(SAVE_PENDING, SAVE_AGAIN),       KEPT,     KEPT,    "it is durable")        \
    X(P, BW_SITE_OF_2(SAVE_PENDING, SAVE_AGAIN),       FAILED,   FAILED,  "nothing rests on it")

/* ---- what is known of D (3.4, H9, H10) ---- */
#define BW_SITE_DEADLINE_ROWS(X, P)                                                               \
    X(P, BW_SITE_OF_ANY,                               ACCEPTED, KNOWN,   "nothing is armed yet") \
    X(P, BW_SITE_OF(DEADLINE_KNOWN),                   FOUND,    UNKNOWN, "an agent before us knew") \
    X(P, BW_SITE_OF_2(DEADLINE_KNOWN, DEADLINE_UNKNOWN), LEARNT, KNOWN,   "armed, mirrored, or not at all") \
    X(P, BW_SITE_OF(DEADLINE_PAST),                    LEARNT,   PAST,    "it is fenced as if D had passed") \
    X(P, BW_SITE_OF(DEADLINE_UNKNOWN),                 LOST,     PAST,    "no guard, no mirror")

/* ---- a fence of the epoch (3.4, H6) ---- */
#define BW_SITE_FENCE_ROWS(X, P)                                                                  \
    X(P, BW_SITE_OF_ANY,                               ACCEPTED, NONE,    "none of a new one")    \
    X(P, BW_SITE_OF_2(FENCE_NONE, FENCE_BEGUN),        BEGUN,    BEGUN,   "no agent renews it")   \
    X(P, BW_SITE_OF(FENCE_ENDED),                      BEGUN,    ENDED,   "its end was read")     \
    X(P, BW_SITE_OF_2(FENCE_BEGUN, FENCE_ENDED),       ENDED,    ENDED,   "the guard says so")    \
    X(P, BW_SITE_OF(FENCE_NONE),                       DOUBTED,  NONE,    "none has ended")       \
    X(P, BW_SITE_OF_2(FENCE_BEGUN, FENCE_ENDED),       DOUBTED,  BEGUN,   "3.3, H12: it has begun")

/* ---- the agent's own fence (3.3, 3.4) ---- */
#define BW_SITE_OWN_FENCE_ROWS(X, P)                                                              \
    X(P, BW_SITE_OF(OWN_FENCE_IDLE),                   BEGUN,    RUNNING, "one at a time")        \
    X(P, BW_SITE_OF(OWN_FENCE_IDLE),                   DOUBTED,  IDLE,    "the next one looks anew") \
    X(P, BW_SITE_OF_2(OWN_FENCE_RUNNING, OWN_FENCE_DOUBTED), DOUBTED, DOUBTED, "it may have looked before") \
    X(P, BW_SITE_OF_ANY,                               ENDED,    IDLE,    "well or not")

/* ---- ... and what those of this tenure have seen (3.3, 4) ---- */
#define BW_SITE_OWN_END_ROWS(X, P)                                                                \
    X(P, BW_SITE_OF_ANY,                               ACCEPTED, NONE,    "none of a new epoch")  \
    X(P, BW_SITE_OF_2(OWN_END_NONE, OWN_END_LOOKED),   BEGUN,    LOOKED,  "nobody tells the guard") \
    X(P, BW_SITE_OF(OWN_END_SEEN),                     BEGUN,    SEEN,    "of what another instance armed") \
    X(P, BW_SITE_OF(OWN_END_DENIED),                   BEGUN,    DENIED,  "once more")            \
    X(P, BW_SITE_OF_ANY,                               SEEN,     SEEN,    "nothing is left")      \
    X(P, BW_SITE_OF(OWN_END_NONE),                     DENIED,   NONE,    "there was none")       \
    X(P, BW_SITE_OF(OWN_END_LOOKED),                   DENIED,   LOOKED,  "there was none")       \
    X(P, BW_SITE_OF_2(OWN_END_SEEN, OWN_END_DENIED),   DENIED,   DENIED,  "3.4, ended: it knows of more") \
    X(P, BW_SITE_OF(OWN_END_NONE),                     SERVES,   NONE,    "there was none")       \
    X(P, BW_SITE_OF(OWN_END_LOOKED) | BW_SITE_OF_2(OWN_END_SEEN, OWN_END_DENIED),                 \
                                                    SERVES,   LOOKED,  "3.3: it has not stayed so")

/* ---- the start of a tenure (4) ---- */
#define BW_SITE_START_ROWS(X, P)                                                                  \
    X(P, BW_SITE_OF_ANY,                               ACCEPTED, NONE,    "none of a new epoch")  \
    X(P, BW_SITE_OF_2(START_NONE, START_RAN),          RESTARTS, NONE,    "another one")          \
    X(P, BW_SITE_OF_2(START_NONE, START_RAN),          RAN,      RAN,     "status has to say so too") \
    X(P, BW_SITE_OF_2(START_NONE, START_RAN),          FAILED,   FAILED,  "it may have written")  \
    X(P, BW_SITE_OF_2(START_NONE, START_RAN),          FAILED_EARLY, FAILED_EARLY, "it has changed nothing")

/* ---- the end of a tenure (3.5) ---- */
#define BW_SITE_STOP_ROWS(X, P)                                                                   \
    X(P, BW_SITE_OF_ANY,                               ACCEPTED, NONE,    "none of a new epoch")  \
    X(P, BW_SITE_OF_ANY,                               SEEN,     SEEN,    "by a stop or a fence") \
    X(P, BW_SITE_OF(STOP_SEEN),                        DENIED,   OWED,    "3.4, ended: it knows of more")

/* ---- the position that it is given back with (3.2.4, 3.6) ---- */
#define BW_SITE_FINAL_ROWS(X, P)                                                                  \
    X(P, BW_SITE_OF_ANY,                               ACCEPTED, NONE,    "none of a new epoch")  \
    X(P, BW_SITE_OF_ANY,                               ENDED,    NONE,    "nobody waits for one") \
    X(P, BW_SITE_OF_ANY,                               AWAITED,  DUE,     "measured anew")        \
    X(P, BW_SITE_OF(FINAL_DUE)  ,                     MEASURED, KNOWN,   "begun after the end, not cut off") \
    X(P, BW_SITE_OF(FINAL_DUE)  ,                     MISSED,   NONE,    "asked for once")

/* ---- the newest start of a manual lease (3.8, 4) ---- */
#define BW_SITE_OVERRIDE_START_ROWS(X, P)                                                         \
    X(P, BW_SITE_OF_2(OVERRIDE_START_NONE, OVERRIDE_START_SERVES), ORDERED, NONE, "another one")  \
    X(P, BW_SITE_OF_ANY,                               RAN,      RAN,     "status has to say so too") \
    X(P, BW_SITE_OF_ANY,                               SERVES,   SERVES,  "status says so")       \
    X(P, BW_SITE_OF_ANY,                               FAILED,   STOP_DUE, "as in an epoch")      \
    X(P, BW_SITE_OF_ANY,                               ENDED,    NONE,    "by a stop or a fence")

/* ---- the fence of another site's service, as a leader asked for it last (3.3) ---- */
#define BW_SITE_REMOTE_FENCE_ROWS(X, P)                                                           \
    X(P, BW_REMOTE_OF(NONE) | BW_REMOTE_OF(SEEN) | BW_REMOTE_OF(FAILED),                         \
                                                      ASKED,    NONE,    "none of a new ask")     \
    X(P, BW_REMOTE_OF(NONE),                          BEGUN,    RUNNING, "once for each ask")     \
    X(P, BW_REMOTE_OF(RUNNING),                       SEEN,     SEEN,    "the script has seen it") \
    X(P, BW_REMOTE_OF(RUNNING),                       FAILED,   FAILED,  "or nobody tells any more")
/* clang-format on */

/* T(TABLE, member, type, P): P is what its states and events are called by. */
#define BW_SITE_TABLE_LIST(T)                                                                      \
    T(TENURE, tenure, bw_tenure, BW_TENURE)                                                        \
    T(LINK, link, bw_site_link, BW_SITE_LINK)                                                      \
    T(SAVE, save, bw_site_save, BW_SITE_SAVE)                                                      \
    T(DEADLINE, deadline, bw_site_deadline, BW_SITE_DEADLINE)                                      \
    T(FENCE, fence, bw_site_fence, BW_SITE_FENCE)                                                  \
    T(OWN_FENCE, own_fence, bw_site_own_fence, BW_SITE_OWN_FENCE)                                  \
    T(OWN_END, own_end, bw_site_own_end, BW_SITE_OWN_END)                                          \
    T(START, start, bw_site_start, BW_SITE_START)                                                  \
    T(STOP, stop, bw_site_stop, BW_SITE_STOP)                                                      \
    T(FINAL, final, bw_site_final, BW_SITE_FINAL)                                                  \
    T(OVERRIDE_START, override_start, bw_site_override_start, BW_SITE_OVERRIDE_START)              \
    T(REMOTE_FENCE, remote_fenced, bw_remote_fence_state, BW_REMOTE_FENCE)
enum bw_site_table {
#define T(TABLE, member, type, P) BW_SITE_TABLE_##TABLE,
    BW_SITE_TABLE_LIST(T)
#undef T
};

#endif
