/* guard.h - the guard's machine for one group: deadlines, the fence window, one action at a time.
 * Design 3.2.4, 3.4. Pure: a step takes an event and the instant that belongs to it and yields
 * actions. Safety at a site rests on this file, whatever the agent does. */
#ifndef BW_CORE_GUARD_H
#define BW_CORE_GUARD_H

#include <breakwater/core/guard_link.h>
#include <breakwater/core/lease.h>
#include <breakwater/core/turn.h>

/* ---- what is kept ---- */

/* Durable: fsynced in the guard's state directory before anything rests on it. */
struct bw_guard_memory {
    uint64_t epoch_seen;
    uint64_t ended_epoch;  /* of it and of those below no arm or run is taken any more. That it has ended,
                              and nothing serves, is another thing (end_seen_epoch) */
    bool enforced;
    uint64_t let_go_index;
    struct bw_id instance; /* the agent instance that armed epoch_seen */
    struct bw_reach_sight sight; /* the newest look that said `started` (3.4) */
    uint64_t serial;             /* newest manual lease that was armed since the newest granted one (3.8); 0: none.
                                    Its orders elsewhere may outlive a boot */
};

/* One action, one observation, and the guard's own fence, which waits for neither: what it kills
 * may take its time to die. */
enum bw_guard_slot {
    BW_GUARD_SLOT_ACTION,
    BW_GUARD_SLOT_OBSERVATION,
    BW_GUARD_SLOT_FENCE,
    BW_GUARD_SLOT_COUNT
};

/* A run as the mirror knows it: written before the child gets its go-ahead. */
struct bw_guard_child {
    enum bw_action_kind action; /* NONE: none */
    uint64_t epoch;
    uint64_t run_id;
    int32_t pid;
    uint64_t start_time; /* field 22 of /proc/PID/stat: a pid alone may be somebody else's */
};

/* Kept in /run: outlives the guard, not the boot. */
struct bw_guard_mirror {
    uint64_t armed_epoch;
    uint64_t armed_serial; /* of the manual lease that is armed (3.8); 0: a granted one is */
    struct bw_id armed_instance;
    uint64_t armed_number;
    struct bw_instant armed_end;
    uint64_t ttl_ns;
    uint64_t fence_ns;
    bool fence_begun;
    bool stop_seen; /* a stop or fence was seen to succeed, or status said stopped, since the last
                       start began and since status last said started */
    bool start_unseen; /* a start has begun, and since then status has not said started, nor has a stop
                          or fence succeeded: the service may yet come */
    bool script_due; /* something was ordered to serve, or was seen to, and since then no stop or fence
                        script has ended by itself with 0, as far as is known after a boot: of a service
                        outside the reach `stopped` says nothing (3.2.4) */
    bool left_due;     /* the same of a service inside: what a start had left ran on beyond the end of
                          such a script, and may have ordered it again (3.2.4) */
    bool script_begun; /* a stop or fence script has begun since the last start (3.4, proved) */
    struct bw_guard_child children[BW_GUARD_SLOT_COUNT];
    uint64_t start_epoch;     /* of the newest start that was begun; 0 none */
    enum bw_served served;    /* of it, as far as its looks and the ends of its starts tell */
    uint64_t stop_ran_out_epoch; /* its stop ran into its limit: it is not run again; 0 none */
    bool stopped_after_start; /* a look that began after the newest start had ended said `stopped` */
    /* Where the service is started by its own loop (3.4, driver): */
    uint64_t loop_delay_ns;       /* it may be, by a start that is over so long after the loop has
                                     asked; 0: it may not */
    struct bw_instant loop_until; /* it may not any more, and such a start may be under way until
                                     then; 0: none can */
    uint64_t loop_taken_epoch;    /* newest in which that was taken back: no look gives it again */
};

/* ---- what it is told once ---- */
struct bw_guard_limits {
    bool has_script[BW_ACTION_COUNT];
    uint64_t timeout_ns[BW_ACTION_COUNT];
    uint64_t kill_grace_ns; /* between TERM and KILL of an action that overruns its limit */
    enum bw_reach_kind reach;
    bool reach_works; /* a process of ours was put there, seen, ended and seen gone */
    uint64_t digest;  /* of scripts, `stop_method` and units as they are in force; 0: not known before the first look, of a
                         group that is known by what was kept of it */
    uint64_t proof;   /* the digest with which a trial has proved the reach (3.4); 0: none has */
    bool has_point; /* its start is a list with a step that is marked as the point of no return (4)
                     */
    uint64_t loop_delay_ns; /* the service's own loop starts it, and has done so that long after it
                               asked whether it may (3.4, driver); 0: start_script does */
};

/* Does anything that a start has left run in the group's reach, or is one of its units up? */
enum bw_populated { BW_POPULATED_UNKNOWN, BW_POPULATED_NO, BW_POPULATED_YES };

/* What is known of a group's units, or containers, right now. Their manager is asked beside all else, look
 * after look, which are counted. All 0: it has none. */
struct bw_units_sight {
    bool may_hold_orders; /* what was ordered of their manager it may carry out later, and it alone says so:
                             systemd. What Docker has in hand no look shows */
    enum bw_populated coming; /* by the newest look that has ended: one is on its way up or down, or ordered up */
    bool is_up_bare; /* likewise: one is up, and has no process now (it never had, or was moved elsewhere) */
    bool is_restarted; /* likewise: one is up, and its manager has started it again by itself since the newest stop
                          or fence began */
    bool may_be_newer; /* what runs in one of them now its manager may have started since that look */
    uint64_t ended;  /* which look that is; 0: none */
    uint64_t begun;  /* the newest that has begun */
    bool is_any;     /* a process runs in one of them, or that can't be known */
    uint64_t oldest; /* the first of their start times, as bw_guard_is_of_start has it; 0: not known */
};

/* ---- what happens ---- */
enum bw_guard_event_kind {
    BW_GUARD_EVENT_TICK,  /* the wake-up asked for, or any other turn */
    BW_GUARD_EVENT_HELLO, /* a valid hello; an older connection is closed by the shell */
    BW_GUARD_EVENT_AGENT_GONE,
    BW_GUARD_EVENT_MESSAGE,      /* ARM RUN END LET_GO PASS */
    BW_GUARD_EVENT_SAVED,        /* result of SAVE */
    BW_GUARD_EVENT_MIRRORED,     /* result of MIRROR */
    BW_GUARD_EVENT_SPAWNED,      /* the child exists and waits for its go-ahead */
    BW_GUARD_EVENT_RUN_ENDED,    /* the run of a slot is over, its tree ended where it had to be */
    BW_GUARD_EVENT_REACH_KILLED, /* result of KILL_REACH: nothing is left in reach, or it failed */
};
struct bw_guard_event {
    enum bw_guard_event_kind kind;
    enum bw_guard_slot slot;      /* SPAWNED RUN_ENDED */
    bool ok;                      /* SAVED MIRRORED SPAWNED REACH_KILLED */
    uint64_t number;              /* MIRRORED: of the newest MIRROR that it answers, with all before */
    bool is_left;                 /* SPAWNED and RUN_ENDED of a status: right now a process runs where
                                     starts begin, or beside that one for which bw_guard_is_of_start
                                     holds, or that can't be known; false where the reach tells no group's processes apart */
    enum bw_populated populated;  /* likewise; what an action that still runs has begun counts as well */
    struct bw_units_sight units;  /* SPAWNED and RUN_ENDED: right now; before the look that begins with a
                                     status */
    struct bw_guard_hello hello;  /* HELLO */
    const struct bw_guard_message *message; /* MESSAGE: borrowed for the step */
    struct bw_guard_child child;  /* SPAWNED */
    struct bw_guard_run_ended ended; /* RUN_ENDED: result, exit_status, duration, line, tail */
    uint64_t digest;              /* RUN_ENDED: as limits.digest, of the bytes that were there when the
                                     script ran; 0: not looked at */
};

/* ---- what it asks for, to be carried out in order ---- */
enum bw_guard_action_kind {
    BW_GUARD_ACTION_SAVE, /* fsync memory as it is now; SAVED follows, soon or late, and until then
                             no other SAVE is asked for. Nothing that ends a service waits for it */
    BW_GUARD_ACTION_MIRROR, /* write the mirror as it is by then, and have the enforcer hold what it
                               says; MIRRORED follows, soon or late: nothing that ends a service
                               waits for it */
    BW_GUARD_ACTION_SPAWN,  /* fork the script of `run`; it waits; answer with SPAWNED */
    BW_GUARD_ACTION_GO,     /* the child may exec, before run_not_after (never: no limit); after
                               limit_ns its tree gets TERM, kill_grace later KILL */
    BW_GUARD_ACTION_KILL_RUN,     /* end the slot's run, whole tree, at once; RUN_ENDED follows */
    BW_GUARD_ACTION_TERM_STARTED, /* TERM to what runs where starts run; what the manager of its units has
                                     yet to begin is canceled */
    BW_GUARD_ACTION_TERM_REACH, /* TERM to all that starts and actions have begun; never to a look,
                                   nor to the scripts of a fence (3.2.4) */
    BW_GUARD_ACTION_KILL_REACH, /* KILL to the same; REACH_KILLED follows: one that is under way begins anew */
    BW_GUARD_ACTION_SEND,       /* a message to the agent, if one is connected */
    BW_GUARD_ACTION_PASS, /* the start in the slot may begin what lies behind its point of no return
                           */
};
struct bw_guard_action {
    enum bw_guard_action_kind kind;
    enum bw_guard_slot slot;
    const char *rule;                /* stable id of the rule that asked */
    struct bw_guard_run run;         /* SPAWN */
    struct bw_instant run_not_after; /* GO: exec only before (design 3.4) */
    uint64_t limit_ns;               /* GO */
    uint64_t number;                 /* MIRROR */
    struct bw_guard_message message; /* SEND */
};
#define BW_GUARD_ACTIONS_MAX 24
struct bw_guard_actions {
    uint32_t count;
    struct bw_guard_action list[BW_GUARD_ACTIONS_MAX];
    struct bw_instant wake_at; /* step with TICK then, if nothing happens; never: BW_INSTANT_NEVER */
};

/* ---- the machine ---- */

/* The fence, step by step (3.2.4). TERM and KILL of everything in reach come at fixed instants
 * before D, whatever step it is in. */
#define BW_FENCE_STATE_LIST(X)                                                                    \
    X(NONE)                                                                                       \
    X(SCRIPT)   /* fence_script, or without one stop_script */                                    \
    X(CHECK)    /* status: does anything serve? */                                                \
    X(TERM)     /* everything in reach got TERM */                                                \
    X(KILL)     /* everything in reach is being killed */                                         \
    X(RECHECK)  /* status once more */                                                            \
    X(DONE)     /* seen that nothing serves */                                                    \
    X(FAILED)   /* something may serve: tried again, and reported */
enum bw_fence_state {
#define X(name) BW_FENCE_##name,
    BW_FENCE_STATE_LIST(X)
#undef X
};

/* A stop beyond its script in the action slot. */
#define BW_GUARD_STOP_LIST(X)                                                                     \
    X(NONE)                                                                                       \
    X(WAITING)  /* for the end of the action that it had killed */                                \
    X(KILLING)  /* in place of its script everything in reach is being killed, for the proof (3.4) */ \
    X(CHECKING) /* its script has ended well; status has to say so (4) */                         \
    X(AGAIN)    /* its script runs once more, for what the first could not end (3.2.4) */
enum bw_guard_stop {
#define X(name) BW_GUARD_STOP_##name,
    BW_GUARD_STOP_LIST(X)
#undef X
    BW_GUARD_STOP_COUNT
};

/* What waits for the mirror that has it: until then nobody hears of it (H11). */
enum bw_guard_wait {
    BW_GUARD_WAIT_ARM,      /* 3.4 */
    BW_GUARD_WAIT_LOOP,     /* that the service's own loop may start it (3.4, driver) */
    BW_GUARD_WAIT_COUNT
};

/* What the SAVE that is under way is for. */
enum bw_guard_wants {
    BW_GUARD_WANTS_NOTHING, /* none is: what the memory says is durable */
    BW_GUARD_WANTS_ARM,
    BW_GUARD_WANTS_END,
    BW_GUARD_WANTS_LET_GO,
    BW_GUARD_WANTS_RUN,
    BW_GUARD_WANTS_SIGHT,
    BW_GUARD_WANTS_STOP, /* of a newer epoch: it runs all the same */
};

/* What its KILL has left in reach. */
enum bw_fence_reach {
    BW_FENCE_REACH_UNKNOWN,   /* it was not killed yet, or that has failed */
    BW_FENCE_REACH_EMPTY,
    BW_FENCE_REACH_EMPTY_LAST /* likewise, and its script runs once more: until D */
};

/* A run, from its order to its end. */
#define BW_SLOT_STATE_LIST(X)                                                                     \
    X(FREE)                                                                                       \
    X(SPAWNING)  /* forked, and not yet there */                                                  \
    X(MIRRORING) /* its child waits for the go-ahead, which waits for its mirror (H11) */         \
    X(RUNNING)   /* it may exec */                                                                \
    X(ENDING)    /* killed: whatever it says, its result is KILLED */
enum bw_slot_state {
#define X(name) BW_SLOT_##name,
    BW_SLOT_STATE_LIST(X)
#undef X
    BW_SLOT_STATE_COUNT
};

struct bw_guard_run_slot {
    enum bw_slot_state state;
    struct bw_guard_run run;    /* run_id 0: the guard's own */
    uint64_t go_number;         /* MIRRORING: the mirror that it waits for */
    bool overlapped;            /* a look beside a start or rejoin: `stopped` proves nothing */
    bool beside_start;          /* begun while a start or rejoin ran, or died */
    bool beside_loop;           /* begun while the service's own loop may have been starting it */
    bool was_left;              /* something of a start was there when it was spawned: as above */
    enum bw_populated was_populated; /* when it was spawned */
    uint64_t ending_epoch;      /* the newest whose end was durable then */
};

struct bw_guard {
    char group[BW_NAME_MAX + 1];
    struct bw_guard_limits limits;
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;
    struct bw_guard_hello agent;     /* session none: no agent is connected */
    struct bw_guard_run_slot slots[BW_GUARD_SLOT_COUNT];

    enum bw_fence_state fence;
    uint64_t fence_epoch;
    bool fence_ordered;              /* by the agent's run, not by a deadline */
    uint64_t fence_run_id;
    enum bw_fence_reach fence_reach;
    struct bw_instant fence_begun_at;
    struct bw_instant fence_end;     /* by which all its kills are done */
    struct bw_instant fence_term_at;
    struct bw_instant fence_kill_at;
    uint64_t fence_grace_ns;         /* between its TERM and its KILL */
    struct bw_instant fence_look_limit; /* RECHECK: until when the last look may take */
    struct bw_instant fence_again_at; /* FAILED: when it is tried again */
    struct bw_instant fence_gone_at; /* when it was */
    struct bw_script_outcome fence_outcome; /* by its newest script */

    enum bw_guard_stop stop;
    struct bw_guard_run waiting_run; /* WAITING: the stop */
    struct bw_instant stop_limit;
    struct bw_instant stop_look_limit; /* CHECKING: until when what runs in the observation slot may take */
    struct bw_instant stop_check_at;
    struct bw_guard_run stop_run;
    struct bw_guard_run_ended stop_ended;

    bool end_looking;        /* `ended_epoch` is durable; a look that begins now says whether it has ended */
    uint64_t end_seen_epoch; /* it has ended: such a look saw nothing serve; a restart looks again */

    uint64_t end_start_time; /* of the newest action's script, a stop or fence; 0: no such */
    bool has_left;           /* a look at its end saw that something of a start is left */
    bool were_units_coming;  /* when that script began, or nobody knew: what is up since may be a start's */
    bool has_acted;          /* since a status began an action, or the loop, may have ordered its units up */
    uint64_t acted_before;   /* looks at them up to this one began before that was over */
    bool has_ordered;        /* likewise, and also what a start has left running */
    uint64_t units_before;   /* looks at them up to this one began before that was over, and say nothing */
    bool script_again;       /* a stop or fence script that ended well does not count: it runs once more */

    struct bw_guard_memory memory_before; /* while a SAVE is under way: what is durable */
    enum bw_guard_wants wants;
    uint64_t let_go_epoch; /* the newest that this agent has had let go: none up to it is armed */
    bool is_void; /* what it is for was asked for before the newest hello */
    struct bw_guard_arm arm_wanted;
    struct bw_guard_run run_wanted;
    uint64_t mirror_number;              /* of the newest MIRROR */
    uint64_t waits[BW_GUARD_WAIT_COUNT]; /* for the end of the MIRROR of this number; 0: for none */
    struct bw_guard_mirror mirror_before; /* its deadline, as it was last acknowledged or mirrored */
    uint64_t serial_over; /* no manual lease up to it is armed again: each was, or nobody knows (3.8) */
    bool loop_is_new;             /* while it waits for its mirror: its own loop might not before */
    struct bw_guard_run loop_run; /* the start that was ordered; run_id 0: none was, a look gave it */
    bool has_found_armed;            /* the mirror that it began with has a deadline, be that over */
    bool check_at_start;             /* status has to be asked: enforced, and nothing is armed */
    struct bw_instant start_look_at; /* not before it: others look as well */
    struct bw_guard_child interrupted; /* reported at the next hello; action NONE: none */
};

/* Starts from what was kept. `mirror` NULL: there is none of this boot and time namespace. With a
 * mirrored child the shell first ends it (its tree), then calls this; it is reported INTERRUPTED and
 * the rules of 3.4 (restart) apply at the first TICK. */
void bw_guard_init(struct bw_guard *guard, const char *group, const struct bw_guard_limits *limits,
                   const struct bw_guard_memory *memory, const struct bw_guard_mirror *mirror,
                   struct bw_instant now);

/* One step. `now` is read for this event: for a message right before it is handled (3.4: "the clock
 * is read per message; timers are served before sockets"). Actions are carried out in order. */
void bw_guard_step(struct bw_guard *guard, const struct bw_guard_event *event,
                   struct bw_instant now, struct bw_guard_actions *out_actions);

/* What must hold of it between steps: the sentence of a fact that does not, or NULL. Checked after each
 * step; what is read from disk is judged by the first two before a machine begins with it. A mirror is
 * judged by itself: the shell sees to it that what it has armed was seen (bw_guard_init's memory). */
const char *bw_guard_memory_unsound(const struct bw_guard_memory *memory);
const char *bw_guard_mirror_unsound(const struct bw_guard_mirror *mirror);
const char *bw_guard_unsound(const struct bw_guard *guard);

/* Is a process in reach, but not where starts begin, and that began at `start_time` (field 22 of /proc/PID/stat), left
 * of a start? What the newest stop or fence has begun itself, a server that follows the new primary, is
 * what it was asked for; everything older is, and without a stop or fence everything (3.2.4). */
bool bw_guard_is_of_start(const struct bw_guard *guard, uint64_t start_time);

/* Is a deadline yet to come? Not where the end of what is armed has come and it was seen to end: that
 * nobody could end (3.7), and nothing is due of it any more. */
bool bw_guard_has_deadline(const struct bw_guard *guard, struct bw_instant now);

/* A fence has begun and has not ended. */
bool bw_guard_is_fencing(const struct bw_guard *guard);

/* What counts of where its service is: what the newest look that said `started` has shown, as long as
 * the scripts, `stop_method` and units are those that it was seen with (3.4). */
struct bw_reach_sight bw_guard_sight(const struct bw_guard *guard);

/* What WELCOME's GROUP_STATE says. */
void bw_guard_state_get(const struct bw_guard *guard, struct bw_guard_state *out_state);

/* Would it say other limits? Then an agent that was told of those before has to be told anew (5.4).
 */
bool bw_guard_says_otherwise(const struct bw_guard_limits *before,
                             const struct bw_guard_limits *now);

/* The limit of what a fence runs, for the report (3.2.4): the fence script's, or without one the stop
 * script's. In a fence window it is cut to the instant of TERM. */
uint32_t bw_guard_fence_bound_ms(const struct bw_guard_limits *limits);

/* One step of a group's machine at a guard, and all that follows from it in its place. Pure. */

/* All zero: nothing is under way. One of a guard serves all its groups: their steps never nest. */
struct bw_guard_turn {
    struct bw_turn turn;
    struct bw_guard_actions lists[BW_TURN_DEPTH_MAX];
    struct bw_instant wake_at; /* of the newest step */
};

/* A step: an event, or the answer to the action that was handed out last. */
void bw_guard_turn_step(struct bw_guard_turn *turn, struct bw_guard *guard,
                        const struct bw_guard_event *event, struct bw_instant now);
/* What is to be carried out now, valid until the next call; NULL: nothing is left of the turn. */
const struct bw_guard_action *bw_guard_turn_next(struct bw_guard_turn *turn);
/* At the end of a turn: when the machine wants its next TICK. One that waits for an instant that only one
 * clock has reached (after a suspend the two are far apart) is asked again soon, not without pause. */
struct bw_instant bw_guard_turn_wake(const struct bw_guard_turn *turn, struct bw_instant now);

#endif
