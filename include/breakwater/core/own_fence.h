/* own_fence.h - the fence that the agent runs when it cannot rely on its guard, for one group.
 * Design 3.4, 3.2.4. Pure: a step takes an event and the instant that belongs to it and yields
 * actions. What can be ended, and whether it is gone, only the shell can see: it comes in events. */
#ifndef BW_CORE_OWN_FENCE_H
#define BW_CORE_OWN_FENCE_H

#include <breakwater/core/site.h>

/* ---- what happens ---- */
enum bw_own_fence_event_kind {
    BW_OWN_FENCE_EVENT_TICK,         /* the wake-up asked for, or any other turn */
    BW_OWN_FENCE_EVENT_START,        /* a fence is wanted; while one runs, after that */
    BW_OWN_FENCE_EVENT_RUN_UNBEGUN,  /* result of RUN: no script runs */
    BW_OWN_FENCE_EVENT_RUN_ENDED,    /* the run is over, its tree ended where it had to be */
    BW_OWN_FENCE_EVENT_STARTS_SEEN,  /* result of SEE_STARTS */
    BW_OWN_FENCE_EVENT_REACH_KILLED, /* result of KILL_REACH */
};
struct bw_own_fence_event {
    enum bw_own_fence_event_kind kind;
    uint64_t epoch;            /* START: not 0 */
    struct bw_fence_plan plan; /* START */
    bool is_inside;            /* START: the service was seen inside the reach (3.4) */
    bool is_proved;            /* START: and a kill of the reach alone ends it */
    bool was_signaled;         /* RUN_ENDED: by a TERM or KILL that was not asked for here */
    bool ok;                   /* RUN_ENDED: it exited with 0. STARTS_SEEN REACH_KILLED: it was seen that
                                  nothing is left; what could not be seen is not seen */
    const char *line;          /* RUN_ENDED: the first of its output; borrowed for the step */
};

/* ---- what it asks for, to be carried out in order ---- */
enum bw_own_fence_action_kind {
    BW_OWN_FENCE_ACTION_RUN,        /* begin the script of `script`, out of the reach of this fence and
                                       of the guard's; after limit_ns its tree gets TERM, kill_grace
                                       later KILL; RUN_ENDED follows. Where it cannot be begun answer
                                       with RUN_UNBEGUN before the next event */
    BW_OWN_FENCE_ACTION_KILL_RUN,   /* end that run, whole tree, at once; RUN_ENDED still follows */
    BW_OWN_FENCE_ACTION_SEE_STARTS, /* does anything run where start scripts do? STARTS_SEEN follows,
                                       or is the answer before the next event */
    BW_OWN_FENCE_ACTION_TERM_REACH, /* TERM to everything in reach, by all means */
    BW_OWN_FENCE_ACTION_KILL_REACH, /* KILL by `means`, again until nothing is left; REACH_KILLED
                                       follows. The first one sends it by all means once, before it
                                       waits for anything */
    BW_OWN_FENCE_ACTION_ENDED,      /* the fence of `epoch` is over: `ok` or failed. The last one */
};
struct bw_own_fence_action {
    enum bw_own_fence_action_kind kind;
    const char *rule;           /* stable id of the rule that asked */
    enum bw_action_kind script; /* RUN: FENCE, STOP or STATUS */
    uint64_t limit_ns;          /* RUN */
    uint32_t means;             /* KILL_REACH: counted from 0 */
    uint64_t epoch;             /* ENDED */
    bool ok;                    /* ENDED */
};
#define BW_OWN_FENCE_ACTIONS_MAX 4
struct bw_own_fence_actions {
    uint32_t count;
    struct bw_own_fence_action list[BW_OWN_FENCE_ACTIONS_MAX];
    struct bw_instant wake_at; /* step with TICK then, if nothing happens; never: BW_INSTANT_NEVER */
};

/* ---- the machine ---- */

/* In their order. A state is entered in one turn and acts in the next, which is asked for at once:
 * so what the shell answers while it carries out a step never meets the following one. TERM and KILL
 * come at the instants of the plan at the latest, whatever state it is in (3.2.4); from KILL on the
 * clock has nothing more to ask for. */
#define BW_OWN_FENCE_STATE_LIST(X)                                                                \
    X(NONE)        /* no fence runs */                                                            \
    X(SCRIPT)      /* fence_script, or without one stop_script */                                 \
    X(LOOK)        /* status: does anything serve? */                                             \
    X(STARTS)      /* `stopped`; may something begin to serve? */                                 \
    X(KILL)        /* everything in reach, by one of the means after the other */                 \
    X(LATE_SCRIPT) /* the script, where there was no time for it before the KILL */               \
    X(LOOK_AGAIN)  /* status once more */                                                         \
    X(END)
enum bw_own_fence_state {
#define X(name) BW_OWN_FENCE_##name,
    BW_OWN_FENCE_STATE_LIST(X)
#undef X
};

struct bw_own_fence {
    const struct bw_site_limits *limits; /* the shell's; may change between steps */
    uint32_t means_count;
    enum bw_own_fence_state state;
    bool is_due; /* the state has been entered and has not acted */
    uint64_t epoch;
    struct bw_fence_plan plan;
    uint64_t next_epoch; /* 0: none waits */
    struct bw_fence_plan next_plan;
    bool is_inside;
    bool is_proved;
    bool next_is_inside;
    bool next_is_proved;
    bool is_script_well; /* it ended by itself with 0, and nothing of a start was seen beyond its end */
    bool left_due;       /* something was: it runs again after the KILL, and inside has to end well too */
    uint32_t looks;      /* of this state that a signal has ended: they are repeated */
    bool is_termed;
    bool runs_on;        /* the script of a service outside runs beside the KILL, until plan.end */
    bool has_script_run;
    enum { BW_OWN_FENCE_RUN_NONE, BW_OWN_FENCE_RUN_UNDER_WAY, BW_OWN_FENCE_RUN_CUT_OFF } run;
    const char *kill_rule; /* what asked for the KILL */
    uint32_t means;        /* KILL: the one at work */
    bool was_killed;       /* a look alone was not enough */
    bool is_reach_empty;   /* seen so by each of the means, after their KILL */
    enum bw_service service;
};

/* No fence runs yet. `limits` is kept: of them, which scripts there are and how long they may take.
 * `means_count`: in how many ways the shell can end and see what the guard ever started; at least 1.
 */
void bw_own_fence_init(struct bw_own_fence *fence, const struct bw_site_limits *limits,
                       uint32_t means_count);

/* One step. `now` is read for this event. Of several STARTs while a fence runs the last one counts.
 * An event that nothing was asked for changes nothing. */
void bw_own_fence_step(struct bw_own_fence *fence, const struct bw_own_fence_event *event,
                       struct bw_instant now, struct bw_own_fence_actions *out_actions);

/* A look at the units of its group, or its containers, as the shell has it. */
struct bw_own_fence_units {
    bool are_containers;
    bool is_told;  /* their manager has told of all, in answer to a look that was asked for after everything else */
    bool are_down; /* likewise: none is up, or ordered up */
    bool is_any;   /* a process runs in one that is known here, or that can't be known */
};
/* Nothing of them serves, or will (3.2.4). */
bool bw_own_fence_are_units_down(const struct bw_own_fence *fence, const struct bw_own_fence_units *units);

/* What must hold of it between steps, asserted after each: which of it does not, NULL: all of it. */
const char *bw_own_fence_unsound(const struct bw_own_fence *fence);

/* A fence has begun and has not ended. */
bool bw_own_fence_is_running(const struct bw_own_fence *fence);

#endif
