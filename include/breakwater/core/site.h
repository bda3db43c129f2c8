/* site.h - the agent's machine for one group at its site: orders, renewals, giving back, adopting
 * after a restart, the standby check. Design 3.2, 3.4-3.9. Pure: events and the instant that belongs
 * to them in, actions out. */
#ifndef BW_CORE_SITE_H
#define BW_CORE_SITE_H

#include <breakwater/core/guard_link.h>
#include <breakwater/core/lease.h>
#include <breakwater/core/override.h>
#include <breakwater/core/proof.h>
#include <breakwater/core/script_failure.h>
#include <breakwater/core/second.h>
#include <breakwater/core/sync.h>

/* Durable: fsynced in the agent's state directory before anything rests on it. The file around it
 * also names instance, machine, site and cluster; another machine's file is never loaded (3.7). */
struct bw_site_memory {
    uint64_t epoch;          /* highest epoch accepted by this instance; 0 none */
    struct bw_id boot_id;    /* boot in which it was accepted: never renewed in another (3.7) */
    bool given_back;         /* of `epoch`: final, only a grant above clears it (3.5) */
    enum bw_reason reason;   /* of the give-back */
    bool past_no_return;
    char position[BW_POSITION_MAX + 1];
    bool start_begun;        /* a start of `epoch` was ever ordered */
    bool enforced;           /* 3.9 */
    uint64_t order_index;    /* newest order acted on */
    uint64_t let_go_index;   /* newest let-go carried out */
    uint64_t rejoined_epoch; /* newest foreign epoch after which the rejoin ended well */
    struct bw_terms terms;   /* of `epoch` */
    bool adopt;              /* `epoch` was granted to a running service */
    uint64_t served_epoch;   /* newest epoch before `epoch` in which a start was ordered or a service
                                adopted; 0 none: what was written then outlives an epoch without */
    uint64_t fenced_index;   /* order.held_index that a fence of `epoch`, begun when it was known, has
                                answered, and nothing was seen to serve since; 0 none (3.3) */
    /* 3.8. All zero unless a person has overridden: the file then has none of it. In this file, and
     * in no other, so that an epoch that is accepted and an override that is over are one write. */
    enum bw_override override;     /* what becomes of the manual lease; it has begun once that is durable */
    struct bw_id override_boot_id; /* in which it was asked for */
    uint32_t override_wait_ms;     /* one longest lease */
    int64_t override_unix_ms;      /* when, for people only */
    bool override_wrote; /* a start was ordered under one: its data has to follow (4) */
    uint64_t override_serial;       /* of the newest, also where that is over; 0: there was none */
    uint64_t override_epoch;        /* the newest that was seen here when it was asked for, or began */
    struct bw_instant override_end; /* which never moves */
    int64_t override_end_unix_ms;   /* the same by the wall clock, which may end it earlier */
    uint32_t override_fence_ms;     /* F, from its begin on */
    uint64_t told_epoch;            /* the highest epoch and index of all orders; from BW_AHEAD_LEVEL on (3.9) */
    uint64_t told_index;
    uint64_t override_digest;       /* of the scripts that lay there when it was asked for; 0: not known */
};

/* What a person has asked for: judged by bw_site_judge_override first. */
struct bw_override_wish {
    uint32_t wait_ms; /* > 0 */
    uint32_t for_ms;  /* > wait_ms */
    int64_t unix_ms;
};

/* Told once. */
struct bw_site_limits {
    uint64_t check_interval_ns;
    uint32_t failure_threshold;
    uint32_t local_restarts;
    bool condition_is_shown; /* condition is run and alarms, and is no veto (4) */
    bool condition_is_health; /* its `stop` counts as a status of `unhealthy`, where the service runs (4) */
    bool start_goes_on;      /* a start that was interrupted is ordered again (5.1, steps) */
    bool has_script[BW_ACTION_COUNT];
    uint64_t timeout_ns[BW_ACTION_COUNT]; /* start: also how long status may take to say started */
    uint64_t kill_grace_ns;               /* what a script gets after its limit, before it is killed */
};

/* A start that ends its guard each time is not gone on with for ever. */
#define BW_SITE_STARTS_GO_ON_MAX 3

enum bw_site_event_kind {
    BW_SITE_EVENT_TICK,
    BW_SITE_EVENT_ORDER,       /* an order with its index */
    BW_SITE_EVENT_CONFIRMED,   /* a leader confirmed a renewal sent at `sent` */
    BW_SITE_EVENT_SAVED,       /* result of SAVE `number` */
    BW_SITE_EVENT_GUARD_STATE, /* the guard has answered hello with its state of this group */
    BW_SITE_EVENT_GUARD_LOST,  /* connection closed, or it could not be made */
    BW_SITE_EVENT_GUARD_MESSAGE,
    BW_SITE_EVENT_MIRROR_READ, /* result of READ_MIRROR: what the absent guard had armed */
    BW_SITE_EVENT_OWN_FENCE_ENDED,
    BW_SITE_EVENT_OTHER_SERVES,    /* a witness says: epoch `epoch` of another site is verified
                                      serving; to    one that overrides: is armed there */
    BW_SITE_EVENT_OVERRIDE,        /* a person lets it serve without a quorum (3.8) */
    BW_SITE_EVENT_OVERRIDE_END,    /* ... and no longer */
    BW_SITE_EVENT_OVERRIDE_LATE,   /* its end has come by the wall clock */
    BW_SITE_EVENT_LEADER_ANSWERED, /* a leader has answered a sync: said while there is an override
                                    */
    BW_SITE_EVENT_REMOTE_FENCE, /* a leader asks for a fence of another site's closed epoch (3.3) */
    BW_SITE_EVENT_PROVE,        /* an operator asks for the proof of its reach (3.4) */
    BW_SITE_EVENT_SECOND,       /* a second enforcer of this site has asked (3.4) */
};

/* What it said, and who it is. */
struct bw_second_contact {
    struct bw_id session;
    bool runs_elsewhere; /* in another boot than the agent's kernel */
    struct bw_second_report report;
};
struct bw_site_event {
    enum bw_site_event_kind kind;
    const struct bw_order *order;            /* ORDER: borrowed for the step, like all pointers */
    uint64_t epoch; /* CONFIRMED OTHER_SERVES OWN_FENCE_ENDED: of the fence that was asked for */
    uint64_t number;                         /* CONFIRMED SAVED */
    struct bw_instant sent;                  /* CONFIRMED: from bw_renewals_find */
    bool ok;                                 /* SAVED MIRROR_READ OWN_FENCE_ENDED */
    const struct bw_guard_state *state;      /* GUARD_STATE */
    const struct bw_guard_message *message;  /* GUARD_MESSAGE */
    uint64_t mirror_epoch;                   /* MIRROR_READ */
    struct bw_instant mirror_end;
    uint64_t mirror_fence_ns;
    bool mirror_is_anothers;                 /* armed by another instance; `ok` is false then */
    bool mirror_overrides;               /* a manual lease of this instance is armed (3.8); `ok` is
                                            false then */
    const struct bw_override_wish *wish; /* OVERRIDE */
    const struct bw_remote_fence_ask *ask;  /* REMOTE_FENCE */
    const struct bw_second_contact *second; /* SECOND */
};

enum bw_site_action_kind {
    BW_SITE_ACTION_SAVE,        /* fsync memory as it is after this step; SAVED with its number follows, at
                                   any time. One write may do for several: the newest number counts */
    BW_SITE_ACTION_SEND,        /* a message to the guard */
    BW_SITE_ACTION_SYNC_NOW,    /* do not wait for the next renewal: there is news */
    BW_SITE_ACTION_READ_MIRROR, /* the guard is silent: read its mirror; MIRROR_READ follows */
    BW_SITE_ACTION_OWN_FENCE,   /* run the fence without the guard, TERM and KILL at the instants of
                                   its plan; OWN_FENCE_ENDED follows */
    BW_SITE_ACTION_TRACE,
};
struct bw_site_action {
    enum bw_site_action_kind kind;
    const char *rule;                /* stable id */
    struct bw_guard_message message; /* SEND */
    uint64_t number;                 /* SAVE */
    uint64_t epoch;                  /* OWN_FENCE */
    struct bw_fence_plan fence;      /* OWN_FENCE */
    bool is_inside;                  /* OWN_FENCE: where the service was seen to be, as the guard has */
    bool is_proved;                  /* said to this very process: what nobody said is outside (3.4) */
};
#define BW_SITE_ACTIONS_MAX 16
struct bw_site_actions {
    uint32_t count;
    struct bw_site_action list[BW_SITE_ACTIONS_MAX];
    struct bw_instant wake_at;
};

/* Our relation to the newest epoch that we accepted. */
#define BW_TENURE_LIST(X)                                                                         \
    X(NONE)      /* none, or given back: standing by */                                           \
    X(ACCEPTING) /* its epoch is being fsynced */                                                 \
    X(WAITING)   /* renewing, no lease yet */                                                     \
    X(STARTING)  /* leased; the start runs or its status is awaited */                            \
    X(SERVING)   /* leased, status says started */                                                \
    X(STOPPING)  /* no more start; stop runs, ordered or after a failed start */                  \
    X(FENCING)   /* a fence has begun, by the guard or by us */                                   \
    X(ENDING)    /* stopped; the guard is asked for ended(e), or D is awaited without it */       \
    X(STUCK)     /* stop and fence failed: reported, never renewed, never given back */
enum bw_tenure {
#define X(name) BW_TENURE_##name,
    BW_TENURE_LIST(X)
#undef X
};

/* How each of these changes: a table each (core/site/states.h), and nothing else. */
enum bw_site_link {
    BW_SITE_LINK_NONE,    /* not greeted since this agent began */
    BW_SITE_LINK_GREETED, /* the guard is there, and has said what it knows of this group */
    BW_SITE_LINK_LOST     /* its mirror is read now and then: another agent may have it */
};
enum bw_site_save {
    BW_SITE_SAVE_KEPT,
    BW_SITE_SAVE_PENDING,
    BW_SITE_SAVE_FAILED,
    BW_SITE_SAVE_AGAIN    /* pending, and the one before has failed */
};
enum bw_site_deadline {
    BW_SITE_DEADLINE_KNOWN,
    BW_SITE_DEADLINE_UNKNOWN, /* after a restart, before guard or mirror have told (3.4, H10) */
    BW_SITE_DEADLINE_PAST     /* it never became known: D may have passed */
};
enum bw_site_fence {          /* of this epoch, by the guard or by us */
    BW_SITE_FENCE_NONE,
    BW_SITE_FENCE_BEGUN,      /* it is renewed no more (3.4) */
    BW_SITE_FENCE_ENDED       /* and fence_ended(e, ok) was read (3.4, H6) */
};
enum bw_site_own_fence {
    BW_SITE_OWN_FENCE_IDLE,
    BW_SITE_OWN_FENCE_RUNNING,
    BW_SITE_OWN_FENCE_DOUBTED /* while it ran something was seen to serve: its end tells nothing */
};
enum bw_site_own_end {        /* what the agent's own fences of this tenure have seen */
    BW_SITE_OWN_END_NONE,     /* none has begun */
    BW_SITE_OWN_END_LOOKED,   /* no end, or something was seen to serve since */
    BW_SITE_OWN_END_SEEN,
    BW_SITE_OWN_END_DENIED    /* likewise, and the guard knows of something that has not ended */
};
enum bw_site_start {          /* of this tenure */
    BW_SITE_START_NONE,
    BW_SITE_START_RAN,        /* it has ended well */
    BW_SITE_START_FAILED,
    BW_SITE_START_FAILED_EARLY /* before the point of no return (4) */
};
enum bw_site_stop {           /* of this tenure */
    BW_SITE_STOP_NONE,
    BW_SITE_STOP_SEEN,        /* a stop or a fence was seen to succeed */
    BW_SITE_STOP_OWED         /* `stopped` is not enough for the guard: a stop has to be run */
};
enum bw_site_final {          /* the position that it is given back with (3.6) */
    BW_SITE_FINAL_NONE,
    BW_SITE_FINAL_DUE,     /* readiness runs once more before the epoch is given back */
    BW_SITE_FINAL_KNOWN    /* `final_position` was measured after the newest stop or fence */
};

enum bw_site_override_start { /* OVERRIDING: its newest start */
    BW_SITE_OVERRIDE_START_NONE,
    BW_SITE_OVERRIDE_START_RAN,      /* it has ended well: status has to say so */
    BW_SITE_OVERRIDE_START_SERVES,   /* and has */
    BW_SITE_OVERRIDE_START_STOP_DUE  /* what one that failed has left is ended before the next one */
};

#define BW_SITE_TABLES 12

struct bw_observation {
    bool running;
    uint64_t run_id;
    struct bw_instant due;  /* next run */
    bool has_result;
    struct bw_instant begun; /* the newest run */
    struct bw_instant overdue_at; /* of that: by then a guard that is there has answered (3.4) */
    struct bw_instant at;   /* when the run of the newest result began: what it saw, it may have
                               seen then */
    uint64_t spec_version;  /* known when the run began: what it saw, it saw after that (3.9) */
    uint64_t order_index;   /* likewise */
};

/* What a leader has asked for last (3.3). Not kept: whoever leads asks a new agent anew. */
struct bw_site_remote_fence {
    struct bw_remote_fence_ask ask; /* epoch 0: none */
    struct bw_instant last_asked;   /* when a leader last said so */
    uint64_t run_id;                /* of its script */
};

/* How far a proof is that an operator has asked for (3.4). */
enum bw_site_proof {
    BW_SITE_PROOF_NONE,
    BW_SITE_PROOF_ASKED,     /* SERVING: the next look decides whether, and by what, the service is ended */
    BW_SITE_PROOF_RESTARTED, /* likewise, once it was stopped and started by the scripts as they are now */
    BW_SITE_PROOF_KILLED,    /* `stops_first`, by a KILL of its reach */
    BW_SITE_PROOF_FENCED,    /* `stops_first`, by the fence of a second enforcer */
    BW_SITE_PROOF_DOUBTED,   /* that fence has seen no end: the next look decides whether the service is stopped first */
};

/* One second enforcer, as heard last. Not kept: it asks a new agent anew. */
struct bw_site_second {
    bool used;
    struct bw_id session;
    bool runs_elsewhere;
    struct bw_instant last_contact;
    bool differs; /* it did not see what serves here, since then: */
    struct bw_instant differs_since;
    struct bw_second_report report;
};
#define BW_SECONDS_MAX 2 /* heard at once; one more takes the place of who was heard longest ago */

struct bw_site {
    char group[BW_NAME_MAX + 1];
    struct bw_id instance;
    struct bw_id boot_id;
    struct bw_site_limits limits;
    struct bw_site_memory memory;
    bool keeps_told;                /* the cluster is at BW_AHEAD_LEVEL: an older release reads no such file */
    uint64_t save_number;           /* of the newest SAVE */
    struct bw_site_memory saving;   /* what it asked for */
    struct bw_site_memory kept;     /* what is durable: only that is ever reported (3.4) */
    struct bw_instant unsaved_own_since; /* while a save is pending or has failed */
    enum bw_tenure tenure;
    struct bw_lease lease;          /* end: what the guard acknowledged */
    struct bw_instant arm_sent_end; /* latest end ever sent in an arm of memory.epoch (3.4) */
    enum bw_site_deadline deadline;
    enum bw_site_link link;
    struct bw_guard_state guard;    /* as last heard */
    enum bw_site_fence fence;
    enum bw_site_own_fence own_fence;
    enum bw_site_own_end own_end;
    uint64_t own_fence_index;       /* order.held_index that was known when it began */
    uint64_t fence_run_id;          /* the newest fence that we have ordered, and likewise */
    uint64_t fence_run_index;
    bool fence_failed;
    uint64_t fence_failed_epoch;
    uint32_t fence_took_ms;         /* the newest that the guard has measured; 0 none */
    struct bw_instant fence_took_at;
    uint64_t fence_slow_epoch;      /* of the newest that took too long; 0 none */
    uint32_t fence_slow_count;      /* epochs in a row whose fences did */
    enum bw_site_save save;
    enum bw_override_over override_over; /* for people: why the last one is, or is about to be */
    struct bw_instant override_since;  /* WAITING: from when on the longest lease is counted */
    struct bw_instant override_stepped; /* the newest step with an override: an agent that stood still counts anew */
    struct bw_instant leader_answered; /* while there is an override: when a leader last did */
    uint64_t override_fence_epoch;     /* under which the agent's own fence ends it; 0: none does */
    bool override_stop_due;            /* ENDING by a person: it is stopped in order, before it is fenced */
    struct bw_instant override_fence_asked; /* ENDING: when its guard was asked for the stop or the fence */
    enum bw_site_override_start override_start;
    /* Flags: what the guard has said, what is awaited of it, and what is true from some moment of a
     * tenure on. Each beside all of the states, and beside the others. */
    bool guard_unsaved;             /* the guard could not keep what an arm or an end rests on */
    struct bw_instant unsaved_since;
    bool arm_open;                  /* an arm without answer */
    struct bw_instant arm_open_since;
    bool arm_refused;               /* of memory.epoch, and none was acknowledged since */
    struct bw_instant arm_refused_since;
    struct bw_instant leased_since; /* STARTING: from when on nothing but what a start waits for keeps it */
    enum bw_action_kind running;    /* action that we ordered */
    uint64_t running_run_id;
    uint64_t next_run_id;
    struct bw_run_facts facts;      /* of the newest run order */
    enum bw_reason ending_reason;
    bool over;                      /* committed state says that memory.epoch is over or closed */
    uint32_t restarts_used;
    uint32_t stopped_in_a_row;
    uint32_t unknown_in_a_row;
    /* Can it show that it serves (4)? Of the open epoch; see site/watch.c. */
    bool runs_sick;                /* the newest status said `unhealthy` */
    enum bw_unhealthy unhealthy;   /* by the newest looks */
    uint32_t unhealthy_in_a_row;   /* looks */
    uint32_t sick_in_a_row;        /* of them, that saw it run and not do its work; unknown neither counts nor clears */
    struct bw_instant healthy_at;  /* when the newest look began that saw it serve, or a start was awaited */
    bool stops_first;              /* STARTING: what runs is stopped, then started again */
    /* The proof that what ends it by time can, as an operator asks for it (3.4); see site/prove.c. */
    enum bw_site_proof proof;
    struct bw_instant proof_asked_at;
    struct bw_id proof_second;     /* FENCED: whose fence it is; see `seconds` */
    enum bw_proof_word proof_word; /* what has come of the newest; for people */
    bool needs_proof;              /* the cluster is at BW_PROOF_LEVEL: no second enforcer counts before its fence is proved */
    uint32_t rogue_in_a_row;
    bool rogue_serves; /* one of these said `started` */
    uint32_t rogue_starts; /* fenced, since the agent began */
    enum bw_site_start start;
    enum bw_site_stop stop;
    bool mirror_reread;             /* once more at D - F (3.4) */
    /* What another instance armed, and this one has no epoch open: it ends all the same (3.4, H10). */
    uint64_t old_epoch;             /* 0: nothing of it is known to be armed */
    uint64_t old_fenced_epoch;      /* ended by us, up to old_end */
    struct bw_instant mirror_due;   /* while the guard is lost */
    struct bw_instant old_end;
    uint64_t old_fence_ns;
    bool old_reread;                /* once more at D - F */
    bool end_open;                  /* ended(e) was asked for and not answered */
    enum bw_site_final final;
    char final_position[BW_POSITION_MAX + 1]; /* KNOWN: the newest that a readiness gave that ended by itself */
    struct bw_instant stopped_since; /* since when a readiness run tells the final position */
    bool guard_cleans;              /* the guard runs a stop by itself, after a fence (3.2.4) */
    struct bw_instant retry_at;     /* a refused run or a failed save is tried again then */
    struct bw_instant own_fence_again_at; /* and the agent's own fence: what its guard failed at puts that off by nothing (3.4) */
    struct bw_instant fence_again_at; /* not before: another one where it failed (S63), or that it
                                         is over (S64) */
    uint32_t started_in_a_row;
    struct bw_instant start_limit;  /* status must say started before */
    bool verified;
    enum bw_override override_on_disk; /* the most that the disk may say: after a crash it would */
    bool override_open;     /* the guard was asked to arm it */
    enum bw_service service;
    /* For the record alone (3.1). */
    uint64_t seen_epoch; /* under which its service was seen to serve last; 0: not since the agent
                            began */
    struct bw_instant seen_at; /* when that was, or when the stop of it began */
    bool seen_goes_on;         /* no look since has seen it stopped */
    /* For people and the record: what served under restarts_epoch had ended, was started again, and
     * was seen to serve, the last time at restarted_at. */
    struct bw_steps_progress steps; /* of what its guard runs, as of steps_at; for people */
    struct bw_instant steps_at;
    uint32_t phase_ms[BW_STEP_PHASE_COUNT]; /* of the newest start by steps, of phases_epoch */
    uint64_t phases_epoch;                  /* 0: not known */
    bool waits_at_point; /* a start that its guard runs waits before its point of no return (4) */
    uint64_t asked_to_pass;  /* of which epoch its newest step did */
    bool start_interrupted;  /* its newest start, which may go on (5.1, steps) */
    uint32_t starts_gone_on; /* of this tenure */
    bool starts_again;       /* the start that was ordered last is none of what never served */
    uint64_t restarts_epoch; /* 0: not since the agent began, which it does not outlive */
    uint32_t restarts;
    struct bw_instant restarted_at;
    struct bw_observation observation[BW_ACTION_COUNT]; /* of observations only */
    enum bw_condition condition;
    bool ready;
    bool has_lag;
    uint64_t lag_ms;
    char position[BW_POSITION_MAX + 1];
    bool gives_position;            /* a readiness run has given one since this agent began, */
    uint64_t position_digest;       /* the newest by these scripts; other ones have not run well without */
    uint64_t ready_order_index;     /* order that was known when the readiness run began */
    uint64_t spec_version;          /* newest heard, and that of the newest status observation */
    uint64_t observed_spec_version;
    struct bw_order order;          /* newest */
    uint64_t other_serves_epoch;
    struct bw_instant other_serves_contact; /* when a witness last said so */
    struct bw_site_remote_fence remote_fence;
    enum bw_remote_fence_state remote_fenced; /* what has come of it */
    struct bw_site_second seconds[BW_SECONDS_MAX];
    enum bw_second_word second; /* what was made of them in the newest step */
    uint32_t alarms;
    struct bw_site_failures failures;    /* for people */
    uint32_t rows_taken[BW_SITE_TABLES]; /* of each table, in bits: one that nobody takes is none */
};

/* The guard is there, and has said what it knows of this group. */
bool bw_site_is_greeted(const struct bw_site *site);

/* It has other scripts than the agent: one of them has read the site file anew, and the other has not (5.4). */
bool bw_site_guard_reads_otherwise(const struct bw_site *site);

/* Starts from what was kept. `boot_id` is that of this boot of the site (3.7). */
void bw_site_init(struct bw_site *site, const char *group, struct bw_id instance,
                  struct bw_id boot_id, const struct bw_site_limits *limits,
                  const struct bw_site_memory *memory, struct bw_instant now);
/* A reload: these are in force from here on, and what a condition or a rejoin has come to whose script is gone counts
 * no more (4). */
void bw_site_set_limits(struct bw_site *site, const struct bw_site_limits *limits);

/* One step. Actions are carried out in order: what must be durable comes before what depends on it. */
void bw_site_step(struct bw_site *site, const struct bw_site_event *event, struct bw_instant now,
                  struct bw_site_actions *out_actions);

/* Whether a person may override now, or end it. `leader_silent_ns`: since how long no leader has
 * answered this agent. */
enum bw_override_refusal bw_site_judge_override(const struct bw_site *site,
                                                uint64_t leader_silent_ns);
/* F of a manual lease that begins now. */
uint64_t bw_site_override_fence_ns(const struct bw_site *site);
/* The time left of one by the slower clock: for the report; 0: there is none. */
uint64_t bw_site_override_left_ns(const struct bw_site *site, struct bw_instant now);
enum bw_override_refusal bw_site_judge_override_end(const struct bw_site *site);
/* Whether an operator may have it proved now, by a KILL of its reach or the fence of a second enforcer, and whether it is
 * stopped and started before that (3.4). */
enum bw_proof_word bw_site_judge_proof(const struct bw_site *site, struct bw_instant now);
bool bw_site_proof_restarts(const struct bw_site *site, struct bw_instant now);
bool bw_site_proves_second(const struct bw_site *site, struct bw_instant now);
/* What its next step waits for; `out_left_ns`: of the wait for a lease, else 0. */
enum bw_override_waits bw_site_override_waits(const struct bw_site *site, struct bw_instant now,
                                              uint64_t *out_left_ns);
/* For how long an answer of a leader says that the witnesses decide. */
uint64_t bw_site_leader_fresh_ns(const struct bw_site *site);

/* What must hold of it between steps: the sentence of a fact that does not, or NULL. Checked after each
 * step; what is read from disk is judged by the first before a machine begins with it. */
const char *bw_site_memory_unsound(const struct bw_site_memory *memory);
const char *bw_site_unsound(const struct bw_site *site);

/* sysexits' EX_UNAVAILABLE: with this status a start script says that it failed before its point of no
 * return and has changed nothing (4, data safety). Any other failure counts as past it. */
#define BW_START_EXIT_NOTHING_CHANGED 69

/* This group's part of a sync that leaves right after `now`. A renewal is in it only while the epoch
 * is ours, durable, of this boot, not given back, no fence has begun and the guard is there. */
void bw_site_sync_get(const struct bw_site *site, struct bw_instant now,
                      struct bw_sync_group *out_group);

/* 3.4: what a second enforcer is told that asks now; `now` was read after its question had come. Its `proof` is another's
 * word: */
void bw_site_second_tell(const struct bw_site *site, struct bw_instant now,
                         struct bw_second_lease *out_lease);
/* The proof that the second enforcer of that session shall make now; 0: none. */
uint64_t bw_site_proof_number(const struct bw_site *site, struct bw_id session);
/* The fence of one that can be asked is proved. */
bool bw_site_second_is_proved(const struct bw_site *site, struct bw_instant now);
enum bw_second_word bw_site_second_word(const struct bw_site *site, struct bw_instant now);

/* 3.8: from when it was asked for until it is over, and no crash can bring it back: who hears that
 * there is none may grant another site. Until it is durable that it overrides nothing was ordered.
 */
enum bw_override bw_site_override_report(const struct bw_site *site);

const char *bw_tenure_word(enum bw_tenure tenure);

#endif
