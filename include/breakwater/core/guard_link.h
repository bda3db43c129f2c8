/* guard_link.h - what agent and guard say to each other over the guard's unix socket. Design 3.4.
 * Pure. The wire form is proto/guard.proto. Both are on one machine: instants may be compared when
 * boot id and time namespace are equal, which Hello establishes. */
#ifndef BW_CORE_GUARD_LINK_H
#define BW_CORE_GUARD_LINK_H

#include <breakwater/base/instant.h>
#include <breakwater/base/name.h>
#include <breakwater/core/command.h>
#include <breakwater/core/report.h>
#include <breakwater/core/script_outcome.h>
#include <breakwater/core/steps_progress.h>

/* X(NAME, word, is_action). Two slots a group: one action, one observation; a fence kills both. */
#define BW_ACTION_LIST(X)                                                                          \
    X(NONE, "none", false)                                                                         \
    X(START, "start", true)                                                                        \
    X(STOP, "stop", true)                                                                          \
    X(FENCE, "fence", true)                                                                        \
    X(REJOIN, "rejoin", true)                                                                      \
    X(STATUS, "status", false)                                                                     \
    X(READINESS, "readiness", false)                                                               \
    X(CONDITION, "condition", false)                                                               \
    X(VERIFY, "verify", false)                                                                     \
    X(REMOTE_FENCE, "remote_fence", true) /* of another site's service (3.3) */
enum bw_action_kind {
#define X(name, word, is_action) BW_ACTION_##name,
    BW_ACTION_LIST(X)
#undef X
    BW_ACTION_COUNT
};

/* 3.4: a guard ends a look at its limit, and says so. Beyond that, and `kill_grace`, it is given what a busy machine
 * takes to begin a script and to reap it. One that takes longer hangs, and tells nothing any more. */
#define BW_LOOK_ANSWER_NS (5 * BW_NS_PER_S)

/* How a run ended. Only OK is success; `stop` and `fence` are OK only when nothing was seen to serve
 * afterwards (3.2.4). */
#define BW_RUN_LIST(X)                                                                            \
    X(OK, "ok")                                                                                   \
    X(FAILED, "failed")             /* exit status other than 0, or what it left says otherwise */\
    X(TIMED_OUT, "timed_out")                                                                     \
    X(KILLED, "killed")             /* by the fence, or because the guard ended; a look: by any TERM\
                                       or KILL that its limit did not ask for: it has seen nothing */ \
    X(NOT_STARTED, "not_started")   /* no such file, exec failed, no memory */                    \
    X(TOO_LATE, "too_late")         /* the clocks had reached D - F just before execve */         \
    X(INTERRUPTED, "interrupted")   /* the guard was restarted meanwhile (3.4) */                 \
    X(REFUSED, "refused")           /* a rule forbade it: see why */
enum bw_run_result {
#define X(name, word) BW_RUN_##name,
    BW_RUN_LIST(X)
#undef X
};

/* Why the guard said no. */
#define BW_REFUSAL_LIST(X)                                                                         \
    X(NONE, "none")                                                                                \
    X(NO_HELLO, "no_hello")                                                                        \
    X(OLD_EPOCH, "old_epoch") /* lower than one seen */                                            \
    X(EPOCH_ENDING, "epoch_ending")                                                                \
    X(WRONG_INSTANCE, "wrong_instance")                                                            \
    X(FENCE_WINDOW, "fence_window") /* handled after D - F, fence begun or not */                  \
    X(FENCING, "fencing")                                                                          \
    X(END_NOT_LATER, "end_not_later") /* an armed deadline only moves later */                     \
    X(END_TOO_FAR, "end_too_far")     /* beyond now + TTL */                                       \
    X(NOT_ARMED, "not_armed")                                                                      \
    X(BUSY, "busy")               /* the slot is taken */                                          \
    X(NOT_STOPPED, "not_stopped") /* no stop or fence was seen to succeed since */                 \
    X(NOT_DURABLE, "not_durable") /* its state could not be written */                             \
    X(NO_GROUP, "no_group")                                                                        \
    X(NO_SCRIPT, "no_script")                                                                      \
    X(BAD_TERMS, "bad_terms")                                                                      \
    X(OTHER_SCRIPTS, "other_scripts") /* than those that the epoch's reach is committed for */     \
    X(NO_POINT, "no_point") /* it is to hold at a point of no return that it does not have */      \
    X(NOT_INSIDE, "not_inside") /* a stop by KILL: nobody has seen inside of the reach what it would end */
enum bw_refusal {
#define X(name, word) BW_REFUSAL_##name,
    BW_REFUSAL_LIST(X)
#undef X
};

/* What is known of the starts of an epoch (4, data safety). Unknown is never "no": 0 is MAYBE. */
#define BW_SERVED_LIST(X)                                                                         \
    X(MAYBE, "maybe")       /* a start ended with 0, a look said `started`, or nobody knows */     \
    X(NOT_SEEN, "not_seen") /* neither, but some look was not clear, or none came after */         \
    X(NEVER, "never")       /* every look since the start's begin ended by itself and said        \
                               `stopped`, one of them begun after the start had ended */
enum bw_served {
#define X(name, word) BW_SERVED_##name,
    BW_SERVED_LIST(X)
#undef X
};

/* What a script's environment tells it of the order (5.1). */
struct bw_run_facts {
    char previous_site[BW_NAME_MAX + 1];
    enum bw_reason reason;
    bool planned;
    enum bw_grade grade;
    char target_position[BW_POSITION_MAX + 1];
    uint64_t reach_digest; /* START: of the scripts that the epoch's reach is committed for */
    bool holds; /* START: Passed is not committed, so nothing that lies behind its point of no
                   return begins before PASS (4) */
    bool restarts; /* STOP, FENCE: its site starts the service again under this epoch, which is not over */
};

/* ---- agent -> guard ---- */
struct bw_guard_hello {
    struct bw_id cluster_id;
    uint64_t generation;
    char site[BW_NAME_MAX + 1];
    struct bw_id instance;
    struct bw_id session;
    struct bw_id boot_id;
    uint64_t time_namespace;
};
struct bw_guard_arm {
    uint64_t epoch;
    struct bw_terms terms;
    uint64_t number;         /* of the renewal that it rests on */
    struct bw_instant begin; /* when that renewal was sent */
    struct bw_instant end;   /* D = begin + TTL */
    uint64_t serial;         /* of a manual lease, whose end never moves (3.8); 0: it was granted */
};
struct bw_guard_run {
    uint64_t epoch; /* observations: the epoch seen */
    enum bw_action_kind action;
    uint64_t run_id; /* unique within the agent's session */
    struct bw_run_facts facts;
    struct bw_instant not_after; /* it is not begun then, or later; {0, 0}: whenever (an earlier release) */
    bool by_kill; /* STOP: a KILL of the reach in place of its script; OK: that is the proof (3.4) */
};

/* ---- guard -> agent ---- */
/* One group's part of the answer to hello: everything that the guard knows. */
struct bw_guard_state {
    bool enforced;
    uint64_t epoch_seen;
    uint64_t ended_epoch;
    uint64_t let_go_index;
    uint64_t armed_epoch; /* 0: none */
    struct bw_id armed_instance;
    uint64_t armed_number;
    struct bw_instant armed_end;
    bool arm_pending;     /* it is not acknowledged: ARMED follows, and there is no lease before it */
    uint64_t armed_serial; /* of the manual lease that is armed, of this instance or another (3.8); 0: none is */
    uint64_t serial;       /* newest manual lease that its guard knows of */
    uint64_t serial_over;  /* none up to it is armed again */
    bool fence_begun;     /* of armed_epoch */
    bool fence_ended;
    bool fence_ok;
    bool stop_seen;       /* a stop or fence was seen to succeed after the last start ended */
    enum bw_action_kind running;
    uint64_t running_epoch;
    uint64_t running_run_id;
    enum bw_reach_kind reach;
    bool reach_works; /* shown with a process of the guard's own: it can end what it starts */
    struct bw_reach_sight sight;
    uint32_t fence_bound_ms; /* the limit of what its fence runs; 0: not known */
    uint64_t start_epoch;    /* of the newest start that was begun; 0: none is known of */
    enum bw_served served;   /* of start_epoch */
    bool has_script[BW_ACTION_COUNT];
    uint32_t timeout_ms[BW_ACTION_COUNT];
    uint32_t loop_delay_ms; /* the service's own loop starts it (3.4, driver); 0: the guard does */
    uint32_t remote_fence_ms; /* the limit of its remote_fence_script (3.3); 0: it has none. Neither
                                 has_script nor timeout_ms tell of it: who is older has no place
                                 for one more */
    bool has_point; /* its start is a list with a step that is marked as the point of no return (4)
                     */
};
struct bw_guard_run_ended {
    uint64_t epoch;
    enum bw_action_kind action;
    uint64_t run_id; /* 0: the guard began it by itself */
    enum bw_run_result result;
    enum bw_refusal refusal;     /* of REFUSED */
    int exit_status;             /* of FAILED; -1: ended by a signal or judged by what was seen */
    uint32_t duration_ms;
    char line[128];              /* first line of its standard output, trimmed */
    char tail[BW_SCRIPT_TAIL_BYTES_MAX]; /* the last lines: for readiness the key=value lines */
    struct bw_reach_sight sight; /* STATUS: what counts from this look on */
    struct bw_script_outcome outcome;
    bool has_looked; /* STATUS: whether each script that the group needs can be run: */
    enum bw_action_kind unrunnable; /* whose script cannot be, the first one; NONE: all can */
    char unrunnable_words[BW_SCRIPT_WORDS_MAX + 1]; /* which, and why; cleaned */
};

/* ---- whoever looks at the guard: without a hello, and nothing changes by it ---- */
struct bw_guard_show {
    bool next; /* the group after `group` in the guard's order, of "" its first; else `group` itself
                */
};
/* A script that has ended since the guard began. */
struct bw_guard_script_end {
    enum bw_action_kind action; /* NONE: there was none */
    enum bw_run_result result;
    int exit_status; /* -1: it has none */
    uint32_t duration_ms;
    struct bw_instant ended_at;
    char line[128]; /* the last that it said, or why it could not be run */
};
/* What the guard knows of one group. Its instants mean nothing in another boot or time namespace.
 */
struct bw_guard_shown {
    char site[BW_NAME_MAX + 1];
    struct bw_id boot_id;
    uint64_t time_namespace;
    bool has_agent; /* one controls the guard */
    struct bw_instant
        agent_contact_at; /* the newest that it said; 0: none does, or has said anything */
    bool nobodys; /* another cluster's, or what is kept cannot be read: enforced to its deadline, no
                     more */
    bool enforced;
    uint64_t epoch_seen;
    uint64_t ended_epoch; /* of it and of those below no arm or run is taken any more */
    uint64_t armed_epoch; /* as it was acknowledged; 0: none */
    struct bw_instant armed_end;
    uint32_t fence_ms; /* F of what is armed */
    uint64_t armed_serial; /* of the manual lease that is armed (3.8); 0: none is */
    uint32_t loop_delay_ms; /* its own loop starts it, and has so long after asking (3.4, driver);
                               0: the guard does */
    bool loop_may;          /* a start was ordered of it, or it was seen to serve under its lease */
    bool is_stopped;        /* by a stop or fence whose end was seen; no start was ordered since */
    bool fence_begun; /* of armed_epoch, or of what a person let serve */
    bool fence_failed;
    enum bw_action_kind running; /* NONE: no action does */
    enum bw_reach_kind reach;
    bool reach_works;
    struct bw_reach_sight sight;
    enum bw_service service;            /* by the newest look that ended by itself, */
    struct bw_instant service_at;       /* which was then; 0: none has */
    struct bw_guard_script_end action;  /* the newest that changes the service, or verifies it */
    struct bw_guard_script_end failure; /* the newest of any that did not end well */
};

#define BW_GUARD_MESSAGE_LIST(X)                                                                   \
    X(HELLO)                                                                                       \
    X(ARM)                                                                                         \
    X(RUN)                                                                                         \
    X(END)                                                                                         \
    X(LET_GO) /* agent -> guard */                                                                 \
    X(WELCOME)                                                                                     \
    X(GROUP_STATE)                                                                                 \
    X(WELCOME_DONE) /* guard -> agent, the answer to hello */                                      \
    X(ARMED)                                                                                       \
    X(ARM_REFUSED)                                                                                 \
    X(RUN_BEGUN)                                                                                   \
    X(RUN_ENDED)                                                                                   \
    X(EPOCH_ENDED)                                                                                 \
    X(END_REFUSED) X(LET_GO_DONE) X(FENCE_BEGUN) X(FENCE_ENDED) X(HELLO_REFUSED)                   \
        X(PASS) /* agent -> guard: the start of that epoch may pass its point of no return (4) */  \
        X(SHOW) /* whoever looks -> guard */ X(SHOWN) /* its answer */
enum bw_guard_message_kind {
#define X(name) BW_GUARD_MESSAGE_##name,
    BW_GUARD_MESSAGE_LIST(X)
#undef X
};

/* One message. Only the member of its kind means anything. */
struct bw_guard_message {
    enum bw_guard_message_kind kind;
    char group[BW_NAME_MAX + 1]; /* all but HELLO, WELCOME, WELCOME_DONE, HELLO_REFUSED; of SHOW and
                                    SHOWN "" where there is none */
    uint64_t epoch; /* END EPOCH_ENDED END_REFUSED ARMED ARM_REFUSED FENCE_* RUN_BEGUN PASS */
    union {
        struct bw_guard_hello hello;
        struct bw_guard_arm arm;
        struct bw_guard_run run;
        uint64_t let_go_index; /* LET_GO LET_GO_DONE */
        struct {
            struct bw_id boot_id;
            uint64_t time_namespace;
            uint32_t feature_level; /* the newest that it knows; 0: it does not say */
        } welcome;
        struct bw_guard_state state; /* GROUP_STATE */
        struct {
            uint64_t number;
            struct bw_instant end;
        } armed;
        struct {
            uint64_t number;
            enum bw_refusal why;
        } refused; /* ARM_REFUSED END_REFUSED HELLO_REFUSED */
        struct {
            uint64_t run_id;
            enum bw_action_kind action;
            struct bw_steps_progress steps; /* said again whenever a list has come further */
            bool asks_to_pass;              /* it waits before its point of no return (4) */
        } begun;
        struct bw_guard_run_ended ended; /* RUN_ENDED */
        struct {
            bool ok;
            uint32_t duration_ms;
            struct bw_script_outcome outcome; /* its script */
        } fence; /* FENCE_ENDED */
        struct {
            enum bw_served served; /* what the epoch that ended has come to */
        } epoch_ended;
        struct bw_guard_show show;
        struct bw_guard_shown shown; /* of `group`; "": there is no such group, or no further one */
    };
};

const char *bw_action_word(enum bw_action_kind action);
bool bw_action_is_action(enum bw_action_kind action); /* takes the action slot */
const char *bw_run_result_word(enum bw_run_result result);
const char *bw_refusal_word(enum bw_refusal refusal);

#endif
