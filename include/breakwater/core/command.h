/* command.h - the log commands: everything that can change replicated state (design 3.1). Pure. */
#ifndef BW_CORE_COMMAND_H
#define BW_CORE_COMMAND_H

#include <breakwater/base/instant.h>
#include <breakwater/base/name.h>
#include <breakwater/core/spec.h>
#include <breakwater/core/steps_progress.h>

/* X(NAME, word) */
#define BW_COMMAND_LIST(X)                                                                         \
    X(FOUND, "Found") /* the cluster's first entry: its id and election timeout */                 \
    X(GRANT, "Grant")                                                                              \
    X(REVOKE, "Revoke")                                                                            \
    X(UNREVOKE, "Unrevoke")                                                                        \
    X(CLOSE, "Close")                                                                              \
    X(FENCE_FAILED, "FenceFailed")                                                                 \
    X(RELEASED, "Released")                                                                        \
    X(EXPIRED, "Expired")                                                                          \
    X(ADOPTED, "Adopted")                                                                          \
    X(FENCED, "Fenced")                                                                            \
    X(FORCED, "Forced")                                                                            \
    X(SET_SPEC, "SetSpec") /* creates the group when there is none of that name */                 \
    X(SET_MODE, "SetMode")                                                                         \
    X(MAINTENANCE, "Maintenance")                                                                  \
    X(DELETE, "Delete")                                                                            \
    X(BOOT, "Boot")                      /* renewals from one more boot are to be confirmed */     \
    X(REACH, "Reach")                    /* where the holder's site has seen its service */        \
    X(RAISE_LEVEL, "RaiseLevel")         /* the cluster's feature level, by one */                 \
    X(NOTE, "Note")                      /* for the record alone: the open epoch serves (3.1) */   \
    X(WISH, "Wish")                      /* a person asks for a move (4) */                        \
    X(WISH_OVER, "WishOver")             /* and it is asked for no more */                         \
    X(SECOND_ENFORCER, "SecondEnforcer") /* whether one of the holder's site is seen (3.4) */      \
    X(PASSED, "Passed") /* the holder may begin what lies behind its point of no return (4) */     \
    X(CLAIM, "Claim")                    /* a site may serve without the open epoch (3.8) */       \
    X(CLAIM_OVER, "ClaimOver")           /* and does no more */                                    \
    X(SET_PEOPLE, "SetPeople")           /* who may do what, of the cluster (5.3) */
enum bw_command_kind {
#define X(name, word) BW_COMMAND_##name,
    BW_COMMAND_LIST(X)
#undef X
    BW_COMMAND_COUNT
};

/* Why an epoch ended or was granted. Stable words: log, history, metric label, explain. `failed`
 * reasons count for the back-off of 4; those that say "never past the point of no return" let the
 * data site stay where it was (design 4, data safety). */
#define BW_REASON_LIST(X)                                                                          \
    X(NONE, "none")                                                                                \
    X(SITE_LOST, "site_lost")       /* the lease lapsed, and nobody there is heard */              \
    X(SERVICE_DOWN, "service_down") /* local restarts are used up */                               \
    X(SWITCHOVER, "switchover")     /* a person asked for it */                                    \
    X(FAILBACK, "failback")                                                                        \
    X(FAILOVER, "failover") /* a person asked for it */                                            \
    X(FIRST_GRANT, "first_grant")                                                                  \
    X(ADOPTION, "adoption")                                                                        \
    X(ROLLBACK, "rollback")           /* of a switchover */                                        \
    X(NEVER_STARTED, "never_started") /* no start began under this epoch */                        \
    X(START_FAILED, "start_failed")   /* a start failed and stop was confirmed */                  \
    X(LEASE_LOST, "lease_lost") /* fenced at its deadline, or lapsed though its site is heard */   \
    X(REBOOT, "reboot")                                                                            \
    X(MAINTENANCE, "maintenance")                                                                  \
    X(OPERATOR, "operator")                                                                        \
    X(LET_GO, "let_go")                                                                            \
    X(TARGET_LOST, "target_lost") /* the origin's again: the target cannot come */                 \
    X(NO_POSITION, "no_position") /* the origin's again: it gave no final position */              \
    X(STOP_FAILED, "stop_failed") /* the stop failed, and the fence was seen to end it */          \
    X(RECOVERED, "recovered")     /* it was open when the cluster was recovered */                 \
    X(OVERRIDE, "override")       /* the site served under a manual lease */           \
    X(UNHEALTHY, "unhealthy")     /* its site could not show that it served */
enum bw_reason {
#define X(name, word) BW_REASON_##name,
    BW_REASON_LIST(X)
#undef X
};

/* How surely an ended epoch is known to have ended (design 3.1). */
#define BW_GRADE_LIST(X)                                                                          \
    X(NONE, "none") X(CONFIRMED, "confirmed") X(FENCED, "fenced") X(EXPIRED, "expired")           \
    X(FORCED, "forced") X(LET_GO, "let_go")
enum bw_grade {
#define X(name, word) BW_GRADE_##name,
    BW_GRADE_LIST(X)
#undef X
};
/* How an epoch ended, as it is shown: "released", "fenced", "expired", "operator", "unmanaged", "none". */
const char *bw_grade_shown(enum bw_grade grade);

/* What a person asks for (4). */
#define BW_WISH_LIST(X)                                                                            \
    X(NONE, "none")                                                                                \
    X(FAILOVER, "failover") X(SWITCHOVER, "switchover") X(FORCE_RELEASE, "force-release")
enum bw_wish_kind {
#define X(name, word) BW_WISH_##name,
    BW_WISH_LIST(X)
#undef X
};

/* Why a wish that is replicated is asked for no more. */
#define BW_WISH_END_LIST(X)                                                                        \
    X(NONE, "none")                                                                                \
    X(GRANTED, "granted")       /* what was asked for is so */                                     \
    X(OVERTAKEN, "overtaken")   /* another site was granted */                                     \
    X(GIVEN_UP, "given_up")     /* its move was (Unrevoke) */                                      \
    X(CANCELED, "canceled")     /* a person took it back */                                        \
    X(REPLACED, "replaced")     /* a person asked for something else */                            \
    X(TIMED_OUT, "timed_out")   /* its time has passed */                                          \
    X(IMPOSSIBLE, "impossible") /* a later leader would refuse it */                               \
    X(SPEC, "spec")             /* its site is no candidate any more, or the group is observed */  \
    X(RECOVERED, "recovered")   /* the cluster began anew (3.9) */
enum bw_wish_end {
#define X(name, word) BW_WISH_END_##name,
    BW_WISH_END_LIST(X)
#undef X
};

/* The kinds of claims (3.8, 3.9). A later kind replaces an earlier one. */
#define BW_CLAIM_LIST(X)                                                                           \
    X(WAITS, "waits")         /* it waits to override: it has begun nothing */                     \
    X(OUTSIDE, "outside")     /* the spec of a recovered group lacks it, and it may serve */       \
    X(OVERRIDES, "overrides") /* it serves by an override, or may */                               \
    X(AHEAD, "ahead")         /* it names a decision that the log lacks; beside the others */
enum bw_claim_kind {
#define X(name, word) BW_CLAIM_##name,
    BW_CLAIM_LIST(X)
#undef X
};

/* Why a claim no longer stands (3.8). */
#define BW_CLAIM_END_LIST(X)                                                                       \
    X(NONE, "none")         /* it stands */                                                        \
    X(REPORTED, "reported") /* its site has reported since that it is over, and was seen to be */  \
    X(ADOPTED, "adopted")   /* its site has armed the open epoch */                                \
    X(OPERATOR, "operator") /* an operator has confirmed that its site is off; AHEAD: that its report is false */
enum bw_claim_end {
#define X(name, word) BW_CLAIM_END_##name,
    BW_CLAIM_END_LIST(X)
#undef X
};

/* How far the starts of an epoch have come (4, data safety). Unknown is never "no": 0 is
 * UNDECLARED. */
#define BW_NO_RETURN_LIST(X)                                                                       \
    X(UNDECLARED, "undeclared") /* no step is marked: any start may have passed it */              \
    X(AHEAD, "ahead")           /* nothing that lies behind it has begun: that waits for Passed */ \
    X(PASSED, "passed")
enum bw_no_return {
#define X(name, word) BW_NO_RETURN_##name,
    BW_NO_RETURN_LIST(X)
#undef X
};

/* The part of a spec that an epoch keeps until it ends, whatever is applied meanwhile (3.1, 3.9). */
struct bw_terms {
    uint32_t ttl_ms;
    uint32_t fence_ms;
    uint32_t drift_ppm;
    uint32_t margin_ms;
    uint32_t renew_interval_ms;
    uint32_t request_timeout_ms;
    enum bw_reach_kind reach;
    bool second_enforcer;        /* one is seen that ends the service when the lease does (3.4):
                                    SecondEnforcer changes        it while the epoch is open */
    enum bw_no_return no_return; /* likewise Passed. UNDECLARED below BW_PASS_LEVEL */
};

/* When the holder of an epoch was heard to have armed it, to have started, and to have verified its
 * start: since its grant, at least 1; 0: not known. */
struct bw_note {
    uint32_t armed_ms;
    uint32_t started_ms;
    uint32_t verified_ms;
    uint64_t outage_ms; /* from when it was seen to serve last until then, at least 1: under the
                           epoch before, or where that has left the data alone under the one before
                           it; 0: not known, as where a person had it serve meanwhile (3.8) */
    uint64_t least_ms;  /* of that nobody served so long at least; 0: not known, or below BW_LEAST_LEVEL */
    bool is_reported;   /* the site before has itself said when it served last, and that it has
                           stopped */
    uint64_t
        late_ms; /* by that it served so long after the end of its epoch, at least; 0: it did not */
    uint32_t restarts;       /* the service had ended and was started again at its site, so often */
    uint32_t restart_age_ms; /* the last time so long before this was said */
    uint32_t phase_ms[BW_STEP_PHASE_COUNT]; /* of its start by steps (5.1); all 0: not known */
};

/* One command. Only the fields of its kind (beside it) mean anything. */
struct bw_command {
    enum bw_command_kind kind;
    char group[BW_NAME_MAX + 1];
    uint64_t epoch;         /* GRANT: the new one; the others: the one they are about */
    uint64_t spec_version;  /* GRANT REVOKE UNREVOKE: compared; SET_SPEC SET_MODE MAINTENANCE
                               DELETE: compared when not 0. WISH: compared. SET_PEOPLE: the list's, compared */
    char site[BW_NAME_MAX + 1];   /* GRANT; MAINTENANCE ("" = the group); SET_SPEC: initial primary */
    char target[BW_NAME_MAX + 1]; /* REVOKE; WISH ("" = the best candidate) */
    struct bw_id instance;        /* GRANT RELEASED */
    struct bw_id boot_id;         /* GRANT BOOT: from which renewals may be confirmed (3.5) */
    bool adopt;                   /* GRANT: the service runs there and is not touched */
    struct bw_terms terms;        /* GRANT: taken from the spec and the site's report */
    enum bw_reason reason;        /* GRANT REVOKE RELEASED EXPIRED CLOSE */
    bool planned;                 /* GRANT: part of a switchover, rollback or failback */
    bool past_no_return;          /* RELEASED EXPIRED: of the whole epoch, not of its last start: true
                                     unless its site, or the leader that never confirmed a renewal of
                                     it, knows better (3.1) */
    char position[BW_POSITION_MAX + 1]; /* RELEASED */
    uint64_t held_index;          /* RELEASED: of the FenceFailed that it answers; 0: none (3.3) */
    struct bw_reach_sight sight;  /* GRANT: what counts until it is seen in that epoch. REACH */
    char by[BW_REASON_MAX + 1];   /* who: "operator/anna", "witness/w2" */
    char text[BW_REASON_MAX + 1]; /* a person's reason */
    int64_t unix_ms;              /* the proposing leader's wall clock: for people only */
    uint32_t silent_ms;           /* EXPIRED, GRANT: since the last renewal that this leader confirmed; 0: none (3.1) */
    struct bw_spec spec;          /* SET_SPEC */
    enum bw_mode mode;            /* SET_MODE */
    uint64_t duration_ms;         /* MAINTENANCE; 0 ends it. WISH: its timeout; 0: the spec's */
    struct bw_id cluster_id;      /* FOUND */
    char cluster_name[BW_NAME_MAX + 1]; /* FOUND */
    uint32_t election_timeout_ms; /* FOUND */
    uint32_t feature_level;       /* FOUND; RAISE_LEVEL: the new one */
    /* For the record alone, from BW_RECORD_LEVEL on; zeros below, and where it is not known. */
    char waived[BW_REASON_MAX + 1]; /* GRANT: the gates that a person's failover has passed */
    char why[BW_WHY_MAX + 1];       /* GRANT: who else was looked at, and which gates held them */
    bool has_lag;                   /* GRANT: how far the site lagged when that was measured last */
    uint64_t lag_ms;                /* GRANT */
    uint32_t lag_age_ms;            /* GRANT: how long before it that was measured */
    struct bw_note note;            /* NOTE */
    /* From BW_WISH_LEVEL on. */
    enum bw_wish_kind wish;    /* WISH: FAILOVER or SWITCHOVER */
    bool accept_data_loss;     /* WISH */
    struct bw_id request_id;   /* WISH: said again it is the same wish; none: it has none */
    uint64_t wish_index;       /* WISH_OVER: log index of the Wish that it ends */
    enum bw_wish_end wish_end; /* WISH_OVER */
    /* From BW_SECOND_LEVEL on. */
    bool is_seen; /* SECOND_ENFORCER */
    /* From BW_CLAIM_LEVEL on. Both have `site`; CLAIM has `instance`, too. */
    struct bw_id session;        /* CLAIM: of the report; CLAIM_OVER: of the one that ended it; none: an operator did */
    uint64_t sync_number;        /* likewise */
    enum bw_claim_kind claim;    /* CLAIM */
    uint64_t named_epoch;        /* CLAIM, AHEAD: what the site named (3.9) */
    uint64_t named_index;        /* likewise */
    uint64_t claim_index;        /* CLAIM_OVER: log index of the Claim; 0: of all claims of the site */
    enum bw_claim_end claim_end; /* CLAIM_OVER */
    /* From BW_PEOPLE_LEVEL on. */
    char *people;       /* SET_PEOPLE: a list (people.h), with its NUL. Of who made the command; of one that was decoded
                           bw_log_entry_release frees it */
    size_t people_size; /* without the NUL */
};

/* The terms that a grant under `spec` pins, as far as the spec has them: reach (NONE),
 * second_enforcer (false) and no_return (UNDECLARED) come from the site's report. */
struct bw_terms bw_terms_of_spec(const struct bw_spec *spec);
/* Nobody has said them: all that a spec pins is 0. */
bool bw_terms_are_unsaid(const struct bw_terms *terms);
/* A spec with these timings may be applied: the ranges of spec.h, and ttl > F. They come from witnesses and from files,
 * and waits, limits and deadlines are made of them. */
bool bw_terms_may_be(const struct bw_terms *terms);

const char *bw_command_word(enum bw_command_kind kind);
const char *bw_reason_word(enum bw_reason reason);
const char *bw_grade_word(enum bw_grade grade);
const char *bw_no_return_word(enum bw_no_return no_return);
/* As the command that asks for it is called; "none". */
const char *bw_wish_word(enum bw_wish_kind kind);
const char *bw_wish_end_word(enum bw_wish_end end);
const char *bw_claim_kind_word(enum bw_claim_kind kind);
const char *bw_claim_end_word(enum bw_claim_end end);

/* NEVER_STARTED and START_FAILED: count for the back-off, and without past_no_return they leave the
 * data site where it was (design 4). */
bool bw_reason_is_failed_start(enum bw_reason reason);

/* How long a group or a site may be left alone. Design 3.9. */

#define BW_MAINTENANCE_MS_MAX   (30ull * 24 * 3600 * 1000) /* it always has an end */
#define BW_MAINTENANCE_MAX_TEXT "720h (30 days)"

#endif
