/* report.h - what a site says of a group, and the newest that a witness has heard. Design 4. Pure. */
#ifndef BW_CORE_REPORT_H
#define BW_CORE_REPORT_H

#include <breakwater/core/command.h>
#include <breakwater/core/override.h>
#include <breakwater/core/script_outcome.h>
#include <breakwater/core/steps_progress.h>

#define BW_SERVICE_LIST(X) X(UNKNOWN, "unknown") X(STOPPED, "stopped") X(STARTED, "started")
enum bw_service {
#define X(name, word) BW_SERVICE_##name,
    BW_SERVICE_LIST(X)
#undef X
};

/* Unknown is never yes: 0 is "not known" everywhere. */
enum bw_condition {
    BW_CONDITION_NONE,
    BW_CONDITION_START,
    BW_CONDITION_STOP,
    BW_CONDITION_FAILED /* it ran, and said neither */
};

#define BW_ALARM_LIST(X)                                                                           \
    X(ROGUE_START, "unauthorized_start") /* served without a lease and was fenced */               \
    X(FENCE_FAILED, "fence_failed")                                                                \
    X(GUARD_LOST, "guard_lost")                                                                    \
    X(FENCE_TOO_SLOW, "fence_too_slow") /* measured longer than F */                               \
    X(STATUS_UNKNOWN, "status_unknown") /* for failure_threshold checks */                         \
    X(CONDITION_FAILED, "condition_failed")                                                        \
    X(STATE_NOT_DURABLE, "state_not_durable")                                                      \
    X(START_FAILED, "start_failed")                                                                \
    X(STOP_FAILED, "stop_failed")                                                                  \
    X(REJOIN_FAILED, "rejoin_failed")                                                              \
    X(OUTSIDE_REACH, "cannot_stop_service") /* serves where its guard can end nothing */           \
    X(REACH_UNSEEN, "kill_unverified") /* serves, and other scripts may have started it */         \
    X(OVERRIDE, "override")            /* it has a manual lease, or waits for one (3.8) */
enum bw_alarm {
#define X(name, word) BW_ALARM_##name,
    BW_ALARM_LIST(X)
#undef X
};

/* What served under an epoch had ended at its site, and was started there again (4). For people and
 * for the record (3.1). */
struct bw_restarts {
    uint64_t epoch;  /* the newest of which this is known; 0: it never was */
    uint32_t count;  /* since the agent began */
    uint32_t age_ms; /* how long ago it was seen to serve again */
};

/* A leader asks this site to end what a closed epoch has left at another one (3.3). Term and number
 * are of the asking: no two are the same. */
struct bw_remote_fence_ask {
    uint64_t epoch;             /* 0: nothing is asked */
    uint64_t held_index;        /* of the failed fence for which the epoch is held; 0: it is not */
    uint64_t term;              /* of the leader that asks */
    uint64_t number;            /* of the asking in that term */
    char site[BW_NAME_MAX + 1]; /* whose epoch it is */
};

enum bw_remote_fence_state {
    BW_REMOTE_FENCE_NONE, /* it has not begun */
    BW_REMOTE_FENCE_RUNNING,
    BW_REMOTE_FENCE_SEEN,   /* the script has ended with 0: it has seen the end of the service */
    BW_REMOTE_FENCE_FAILED, /* it has ended otherwise, or was not run */
};

/* What a site says of that. */
struct bw_remote_fence_report {
    uint32_t limit_ms; /* of its remote_fence_script; 0: it has none */
    enum bw_remote_fence_state state;
    struct bw_remote_fence_ask ask; /* the one that `state` is of */
};

/* Why a second enforcer of the site cannot be counted on to end what outlives the machine of its guard, or
 * that one can (3.4). Of several the best word counts; NONE: none has ever asked this agent. */
#define BW_SECOND_WORD_LIST(X)                                                                     \
    X(NONE, "none")                                                                                \
    X(SILENT, "silent")             /* it has not asked lately */                                  \
    X(SAME_MACHINE, "same_machine") /* it would be lost with the guard */                          \
    X(BLIND, "blind")               /* it has not seen lately what the service does */             \
    X(ELSEWHERE, "elsewhere")       /* it sees something else than its guard */                    \
    X(UNPROVED, "unproved")         /* with its scripts it has never seen what its guard saw serve */ \
    X(FENCING, "fencing")           /* it has begun to fence this epoch */                         \
    X(UNARMED, "unarmed")           /* it does not know the deadline yet */                        \
    X(SEEN, "seen")                                                                                \
    X(UNTESTED, "fence_untested")   /* its fence has never ended what serves; from BW_PROOF_LEVEL on */
enum bw_second_word {
#define X(name, word) BW_SECOND_IS_##name,
    BW_SECOND_WORD_LIST(X)
#undef X
};

/* Why a site that holds a group cannot show that it serves (4). */
#define BW_UNHEALTHY_LIST(X)                                                                       \
    X(NOT, "healthy")         /* it can, or holds nothing */                                       \
    X(UNKNOWN, "unknown")     /* its status says nothing */                                        \
    X(UNHEALTHY, "unhealthy") /* its status says that it runs and does not do its work */          \
    X(CONDITION, "condition") /* its condition script, where that speaks for its health, says stop */
enum bw_unhealthy {
#define X(name, word) BW_UNHEALTHY_##name,
    BW_UNHEALTHY_LIST(X)
#undef X
};
const char *bw_unhealthy_word(enum bw_unhealthy why);

/* One group as its site sees it, in one sync. Ages are measured at the site, at sending. */
struct bw_report {
    uint64_t spec_version;      /* the newest that the site knows: observations below were made
                                   after it had heard of it (3.9) */
    uint64_t epoch_seen;        /* highest epoch that the site knows */
    uint64_t let_go_index;      /* let-go that it has carried out; 0 none */
    bool guard_alive;
    bool enforced;
    enum bw_service service;    /* newest status; UNKNOWN when the script failed */
    uint32_t service_age_ms;
    bool verified;              /* verify_script, if there is one, passed since the start */
    bool has_fence_or_stop_succeeded; /* a stop or fence was seen to succeed after the last start */
    bool fence_failed;          /* a fence of fence_epoch failed, or the service was `started`
                                   after the lease */
    uint64_t fence_epoch;
    enum bw_condition condition;
    bool has_readiness;         /* it has a readiness script. Without one at any site the service has
                                   no replication that anybody could judge: no lag, no position */
    bool ready;                 /* readiness script exited 0 */
    uint32_t ready_age_ms;      /* UINT32_MAX: never measured */
    uint32_t seen_age_ms;       /* how long ago its service was seen to serve under seen_epoch */
    uint64_t prepared_index;    /* order index that the newest successful readiness run was begun
                                   under: it knew that order's target position (3.6) */
    bool has_lag;
    uint64_t lag_ms;
    char position[BW_POSITION_MAX + 1];
    uint32_t check_interval_ms;
    enum bw_reach_kind reach;
    bool reach_works;
    uint32_t loop_delay_ms; /* the service's own loop starts it (3.4, driver); 0: its guard does.
                               For people */
    struct bw_reach_sight sight; /* what was seen with the scripts that it has now */
    enum bw_second_word second;  /* SEEN: one is counted on, as long as that is committed (3.4) */
    bool second_proved;          /* the fence of one that can be asked is proved. For people */
    bool has_point; /* its starts hold before a step that is marked as their point of no return (4)
                     */
    uint32_t rogue_starts; /* that were fenced since its agent began, for people */
    uint64_t asks_to_pass; /* of this epoch: its start waits there, or it serves already; 0: it does
                              not */
    uint32_t fence_bound_ms;    /* the limit of what its fence runs; 0: not known */
    uint32_t fence_took_ms;     /* the newest one that was measured; 0: none since its agent began */
    uint64_t armed_epoch;       /* the epoch its guard has armed, 0 none */
    uint64_t stop_begun_epoch;  /* the stop of this epoch has begun */
    bool serving_epoch_started; /* start of armed_epoch has ended well, status says started */
    bool rejoining;             /* a rejoin runs or is due: not eligible */
    uint64_t joined_epoch;      /* newest epoch behind which its data stands without a rejoin, or
                                   after one; UINT64_MAX: it owes none, whoever serves (4) */
    bool start_begun;           /* a start of armed_epoch has begun */
    uint32_t alarms;            /* bit set of enum bw_alarm */
    bool guard_busy;            /* its guard still runs a start or a stop */
    bool gives_position;        /* its readiness script has given a position since its agent began,
                                   and no other scripts have run well without since */
    enum bw_override override;  /* what becomes of a manual lease (3.8) */
    uint64_t manual_serial;     /* of that one; 0: there is none */
    uint32_t manual_left_ms;    /* until its end by the slower clock, read before the sync leaves; 0: it is over */
    bool manual_proved;         /* its guard can end what it lets serve, and that was proved (3.4) */
    uint32_t failure_count; /* scripts whose newest run has failed; the newest first. For people */
    struct bw_script_failure failures[BW_SCRIPT_FAILURES_MAX];
    uint64_t told_epoch; /* the highest epoch of its orders of this group, and the highest index: on its disk. What the log
                            lacks of these was lost (3.9). 0: below BW_AHEAD_LEVEL */
    uint64_t told_index;
    uint64_t seen_epoch;  /* under which its service was seen to serve last; 0: not known. For the
                             record alone (3.1), as seen_age_ms */
    struct bw_restarts restarts;
    struct bw_remote_fence_report remote_fence;
    enum bw_unhealthy unhealthy; /* of the site that holds it, failure_threshold looks in a row */
    uint32_t unhealthy_ms; /* since the newest look that saw it serve; 0: it is NOT */
    struct bw_steps_progress steps;         /* of the start or stop that runs; for people */
    uint32_t phase_ms[BW_STEP_PHASE_COUNT]; /* of the newest start by steps that ended well, as
                                               there; for the record */
    uint64_t phases_epoch;                  /* whose; 0: it is not known */
};

/* A give-back that is repeated in every sync until committed state shows it (3.5). */
struct bw_released {
    uint64_t epoch; /* 0: none */
    enum bw_reason reason;
    bool past_no_return;
    char position[BW_POSITION_MAX + 1];
    uint64_t held_index; /* of the failed fence that a later one of this site has answered; 0 none */
};

/* When a sync of this session was received here: what an agent's exchange with this witness is looked up in. */
struct bw_receipt {
    uint64_t number; /* 0: free */
    struct bw_instant received;
    bool is_late; /* of a copy that another witness has held, after a newer sync had come */
};
#define BW_RECEIPTS_MAX 8

/* By whom a give-back came: only what came directly is the agent's own word for certain. */
struct bw_released_by {
    bool directly;
    uint32_t count;
    uint64_t witnesses[BW_WITNESSES_MAX]; /* ids of those that passed it on */
};

struct bw_contact {
    bool used;
    struct bw_receipt receipts[BW_RECEIPTS_MAX]; /* newest first; [0] is this sync itself */
    struct bw_id instance;
    struct bw_id session;
    struct bw_id boot_id;
    uint64_t relayed_by; /* id of the witness that passed this sync on; 0: it came directly */
    char agent[BW_NAME_MAX + 1];
    uint32_t feature_level; /* the newest that the agent knows; 0: it does not say */
    uint32_t guard_level;   /* that its guard knows; 0: its guard is away */
    struct bw_instant received;
    struct bw_instant first_received; /* of this session; kept by bw_site_reports_put */
    uint64_t answered_number; /* newest answer of ours that the site surely heard: connected is two-way */
    struct bw_instant answered_received; /* when we received the sync that this answer belongs to: what
                                            the site sends after it was made later than that */
    uint64_t certificate_left_s; /* of its agent, at receipt; 0: it did not say */
    uint64_t renew_epoch;        /* what it asks to renew; 0: nothing */
    /* 3.9: the highest epoch and index that the site names; 0: none, or above all of its generation. Since when this session
     * names these, and the leader's proof that was asked for then; 0: it did not lead, or lacked neither. */
    uint64_t named_epoch;
    uint64_t named_index;
    struct bw_instant named_since;
    uint64_t named_proof;
    struct bw_report report;
    struct bw_released released; /* what came directly stands, whatever is passed on later */
    struct bw_released_by released_by;
};

/* The newest report of each (instance, session, boot) of one site for one group; volatile, never
 * replicated. */
struct bw_site_reports {
    struct bw_contact by_instance[BW_AGENTS_PER_SITE_MAX];
};

/* What the site serves is where TERM and KILL of its guard end it; what nobody has seen counts as outside (3.4). */
bool bw_report_is_inside(const struct bw_report *report);

/* 4: its site has heard an answer of ours to what it sent within `freshness_ns`. */
bool bw_contact_is_two_way(const struct bw_contact *contact, struct bw_instant now,
                           uint64_t freshness_ns);
/* Of any session: an agent that was restarted has not yet heard an answer. */
bool bw_site_reports_are_two_way(const struct bw_site_reports *reports, struct bw_instant now,
                                 uint64_t freshness_ns);
/* Keeps the newest of its (instance, session, boot); a fifth speaker replaces the one heard longest ago. */
void bw_site_reports_put(struct bw_site_reports *reports, const struct bw_contact *contact);

/* The newest of an agent, however old: what a site has, and had, a second enforcer does not know. NULL: none was heard. */
const struct bw_contact *bw_site_reports_newest_agent(const struct bw_site_reports *reports);

/* A second enforcer's word that its fence has not seen the end (3.4): its session is its instance, which no agent's is, and it
 * renews nothing, gives nothing back, has no guard and names an epoch. */
bool bw_contact_is_second(const struct bw_contact *contact);

/* The one fresh report of a site. A second enforcer's word of an epoch up to `over_epoch` is none: the end of these is known,
 * and the service refuses what it fences them by (3.4). Fresh is a right: over when either clock has reached
 * received + freshness. NULL when there is none or, with *out_several = true, when more than one
 * speaks for the site: then it is not eligible (3.7). Several are: two instances both fresh, or two
 * sessions of one instance of which the older spoke again after the newer had begun (an agent that
 * was restarted is one). */
const struct bw_contact *bw_site_reports_fresh(const struct bw_site_reports *reports,
                                               struct bw_instant now, uint64_t freshness_ns,
                                               uint64_t over_epoch, bool *out_several);

/* A site of `spec` that `next` leaves out, and that is not freshly seen to have stopped; NULL: none is. One that
 * is silent counts only where the group `was_granted`. */
const char *bw_reports_leaves_unstopped(const struct bw_spec *spec, const struct bw_site_reports *reports,
                                        const struct bw_spec *next, bool was_granted,
                                        struct bw_instant now);

/* A site of `spec` other than `site` whose one fresh report says that the service runs there already: then
 * nobody may name `site` the first primary (3.9). `reports` by index in the spec. NULL: none says so. */
const char *bw_reports_started_elsewhere(const struct bw_spec *spec,
                                         const struct bw_site_reports *reports, const char *site,
                                         struct bw_instant now);
#define BW_VOUCHED_TEXT_BYTES (3 * BW_NAME_MAX + 192)
/* What a person vouches for of this site who has another one begin the group: `reports` are the site's, NULL: it was in no
 * spec before. False: of nothing, for it says freshly that it has stopped (3.9). */
bool bw_reports_vouched_text(const struct bw_spec *spec, const struct bw_site_reports *reports, const char *site,
                             struct bw_instant now, char out_text[BW_VOUCHED_TEXT_BYTES]);
/* The newest, however old; NULL: none ever. */
const struct bw_contact *bw_site_reports_newest(const struct bw_site_reports *reports);

/* One asking: that of another epoch, of another failed fence, of another leader or of another time
 * is not the same (3.3). */
bool bw_remote_fence_ask_is_same(const struct bw_remote_fence_ask *a,
                                 const struct bw_remote_fence_ask *b);

const char *bw_service_word(enum bw_service service);
const char *bw_second_word(enum bw_second_word word);
/* The first line of a status script (5.1), any case; any other word is UNKNOWN. */
enum bw_service bw_service_of_line(const char *line);
/* It is STARTED then, and does not do its work: no start is done by that, and nobody is to be sent there (4). */
bool bw_line_is_unhealthy(const char *line);
/* `line` is `word`, any case. */
bool bw_line_is_word(const char *line, const char *word);
const char *bw_alarm_word(enum bw_alarm alarm);

#endif
