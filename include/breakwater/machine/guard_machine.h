/* guard_machine.h - the guard of a site as one machine, without processes, sockets and disks: the machines of
 * its groups (core/guard.h) and what is between them: whose deadline is served first, who controls it, what is
 * saved together, which look may begin, what is answered once mirror and enforcer have it. Design 3.4, 3.9.
 *
 * The product (src/guard) and the simulator (chaos/sim) run this same code. Who drives it owns clocks,
 * processes, files and sockets, and decides nothing: it hands in what has happened (bw_guard_machine_on_*), and
 * carries out what bw_guard_machine_next hands out, one action at a time, until it has none. It hands in what
 * happens only when there is none left. Pure: no clock, no I/O, no heap. */
#ifndef BW_MACHINE_GUARD_MACHINE_H
#define BW_MACHINE_GUARD_MACHINE_H

#include <breakwater/core/guard.h>
#include <breakwater/core/looks.h>
#include <breakwater/machine/enforcing.h>
#include <breakwater/machine/guard_session.h>
#include <breakwater/machine/rounds.h>

/* ---- one group -------------------------------------------------------------------------------- */

#define BW_GUARD_MEANS_COUNT 2 /* how all in reach of a group is found and ended */

/* In the caller's memory, and never removed. */
struct bw_guarded {
    struct bw_guard *guard; /* its machine, the caller's: begun before it is added */
    void *owner;            /* the caller's */
    uint32_t number;        /* in the order in which they were added, from 0 */
    struct bw_guarded *next;
    struct bw_instant wake_at;
    struct bw_enforcing_group enforcing;
    /* Of what was found as the guard began. */
    struct bw_id armed_by;       /* cluster of the epoch that its mirror had; none: it had none */
    struct bw_guard_memory kept; /* as it was on the disk */
    bool is_left; /* the site file no longer names it, and nothing of it was kept: no agent
                     hears of it, or may order anything of it, until one does again */
    bool is_unread;              /* it could not be read, and is left as it is: only its mirror is enforced */
    /* saves */
    struct bw_round_item save;
    bool is_saving; /* asked for, and not answered */
    bool is_saved;  /* written: to be answered */
    bool is_saved_well;
    /* its scripts and limits */
    uint32_t config_number;                          /* grows as they change (machine/guard_found.h) */
    uint32_t run_config_number[BW_GUARD_SLOT_COUNT]; /* with which its newest run was begun */
    /* runs */
    bool has_ended[BW_GUARD_SLOT_COUNT]; /* its end is to be told */
    bool look_waits;                     /* `look` has not begun: its SPAWNED comes later */
    bool is_look_given_up;               /* before it began */
    struct bw_guard_run look;
    /* that all in reach can be ended */
    uint32_t means;     /* by which of the machine's, the caller's: what fails with one group fails with all of it */
    bool wants_proof;
    bool is_proof_late; /* after a run: the agent then hears of it in a new welcome */
};

/* What a step may change, as it was before. */
struct bw_guard_seen {
    enum bw_fence_state fence;
    uint64_t armed_epoch;
    uint64_t epoch_seen;
    uint64_t ended_epoch;
    uint64_t let_go_index;
    bool enforced;
    bool has_left;
    enum bw_reach_seen reach;
    bool is_reach_proved;
};

/* ---- what it asks for ------------------------------------------------------------------------- */

#define BW_GUARD_MACHINE_ACTION_LIST(X)                                                           \
    X(STEPPED)     /* nothing to do: the machine of `group` was stepped; it was as `before` */    \
    X(DO)          /* what the machine of `group` asks for, `action`, unless it `is_idle`: it waits, was \
                      never begun, or nobody hears it. SPAWN is answered by _spawned before the next \
                      action. SAVE: keep the memory as it is now. MIRROR: nothing, ENFORCE follows */ \
    X(TELL_END)    /* how did the run in `slot` of `group` end, and what is left? _ended answers  \
                      before the next action. `is_given_up`: a look that never began */           \
    X(WRITE_SAVES) /* what was kept of the groups that _take_save names, beside the loop: _on_saved \
                      of each and _on_round_saved follow */                                       \
    X(PROVE)       /* try that all in reach of `group` can be ended, after a run if it `is_late`: \
                      _proved answers before the next action */                                   \
    X(REFUSE)      /* tell `connection` `refusal`, if that is not NULL: no machine hears `message`, for `why` */ \
    X(REFUSE_HELLO) /* tell the connection of `hello` HELLO_REFUSED, and close it */              \
    X(SESSION)     /* PIN CLOSE WELCOME DONE of `session` */                                      \
    X(GREET_AGAIN) /* close the connection that controls, if one does: what a welcome says has changed */ \
    X(FORGOTTEN)   /* nothing to do: what another cluster's guard had armed in `group` is over */ \
    X(ENFORCE)     /* `enforce`, but ANSWER (machine/enforcing.h) */
enum bw_guard_machine_action_kind {
#define X(name) BW_GUARD_MACHINE_##name,
    BW_GUARD_MACHINE_ACTION_LIST(X)
#undef X
};

/* All pointers are good until the next action. */
struct bw_guard_machine_action {
    enum bw_guard_machine_action_kind kind;
    struct bw_guarded *group;
    const struct bw_guard_seen *before;
    const struct bw_guard_action *action;
    bool is_idle;
    bool is_late; /* DO: a look that has waited, of which was told before */
    enum bw_guard_slot slot;
    bool is_given_up;
    uint64_t connection;
    const struct bw_guard_message *message;
    const struct bw_guard_message *refusal;
    enum bw_refusal why;
    const struct bw_session_refusal *hello;
    struct bw_session_action session;
    struct bw_enforcing_action enforce;
};

/* ---- the machine ------------------------------------------------------------------------------ */

struct bw_guard_machine {
    struct bw_guarded *first;
    struct bw_guarded *last;
    uint32_t group_count;
    struct bw_guarded *last_found; /* of the last lookup: messages come in the agent's order */
    /* the step under way */
    struct bw_guard_turn turn;
    struct bw_guarded *stepping; /* NULL: none is */
    bool is_step_unsent;
    struct bw_guard_seen before;
    struct bw_guard_action late_look; /* a look that has waited, as it is handed out */
    /* deadlines */
    struct bw_instant wake_at; /* no group wants to be woken before */
    /* what has happened, and is still to be told to machines */
    struct bw_guarded *gone_from; /* from this one on, machines are told that the agent is gone; NULL: all were */
    struct bw_guarded *greeted;   /* the newest; NULL: none was */
    bool has_message;
    uint64_t message_from;
    struct bw_guard_message message;
    struct bw_guard_message refusal;
    bool is_hello_refused;
    struct bw_session_refusal unwelcome;
    uint32_t end_count;   /* runs whose end is to be told */
    uint32_t saved_count; /* saves that are to be answered */
    uint32_t proof_count; /* groups that want one */
    struct bw_instant prove_again_at[BW_GUARD_MEANS_COUNT]; /* after one that failed */
    bool wants_greeting;  /* GREET_AGAIN is due */
    bool has_foreign;     /* groups may hold another cluster's epoch */
    /* parts */
    struct bw_guard_session session;
    struct bw_enforcing enforcing;
    struct bw_rounds saves;
    bool is_answering_saves;
    struct bw_looks looks;
    uint32_t look_budget;      /* looks that may begin in this turn of the loop */
    struct bw_instant look_at; /* when one that waits may begin */
};

/* `own`: of a guard that no agent may connect to, whose mirrors it cares for, all zero. */
void bw_guard_machine_init(struct bw_guard_machine *machine, const struct bw_guard_identity *own);
/* A group, with its machine as it has begun; what is overdue, and its proof, come next. `group` is all zero but
 * for what was found as the guard began. */
void bw_guard_machine_add(struct bw_guard_machine *machine, struct bw_guarded *group,
                          struct bw_guard *guard, void *owner);
/* The site file that was read again names `group` no more, of which nothing is kept
 * (machine/guard_found.h); or names it again, as it was left. The agent that is here hears of it in
 * a new welcome. */
void bw_guard_machine_leave(struct bw_guard_machine *machine, struct bw_guarded *group);
void bw_guard_machine_take_again(struct bw_guard_machine *machine, struct bw_guarded *group);
/* NULL: there is no such group. */
struct bw_guarded *bw_guard_machine_find(struct bw_guard_machine *machine, const char *group);

/* ---- what happens: before it, whoever drives has carried out all there was ---- */

/* bw_guard_machine_wake may be reached; never harmful. */
void bw_guard_machine_on_wake(struct bw_guard_machine *machine);
/* The deadlines that are due go before it (3.4). */
void bw_guard_machine_on_message(struct bw_guard_machine *machine, uint64_t connection,
                                 const struct bw_guard_message *message);
void bw_guard_machine_on_closed(struct bw_guard_machine *machine, uint64_t connection);
void bw_guard_machine_on_pinned(struct bw_guard_machine *machine, bool ok, const char *text);
void bw_guard_machine_on_saved(struct bw_guard_machine *machine, struct bw_guarded *group, bool ok);
void bw_guard_machine_on_round_saved(struct bw_guard_machine *machine);
void bw_guard_machine_on_reach_killed(struct bw_guard_machine *machine, struct bw_guarded *group,
                                      bool ok, struct bw_instant now);
/* The run in `slot` has ended. Also within a step, by what that asked for: TELL_END follows. */
void bw_guard_machine_on_end(struct bw_guard_machine *machine, struct bw_guarded *group,
                             enum bw_guard_slot slot);
/* What a welcome says of the groups has changed. */
void bw_guard_machine_greet_again(struct bw_guard_machine *machine);

/* ---- what is answered in its place ---- */

void bw_guard_machine_spawned(struct bw_guard_machine *machine, struct bw_guarded *group,
                              const struct bw_guard_event *event, struct bw_instant now);
void bw_guard_machine_ended(struct bw_guard_machine *machine, struct bw_guarded *group,
                            const struct bw_guard_event *event, struct bw_instant now);
enum bw_guard_proof { BW_GUARD_PROOF_WORKS, BW_GUARD_PROOF_FAILED, BW_GUARD_PROOF_UNTRIED };
void bw_guard_machine_proved(struct bw_guard_machine *machine, struct bw_guarded *group,
                             enum bw_guard_proof how, struct bw_instant now);
/* WRITE_SAVES: the next one of the round; NULL: that were all. The rest of more than the caller has room for
 * goes with the next round. */
struct bw_guarded *bw_guard_machine_take_save(struct bw_guard_machine *machine);

/* ---- what is to be done ---- */

/* False: nothing. `may_greet`: the agent has read what it was told. `is_turn_over`: the loop is about to wait:
 * all that one turn has changed goes in as few writes and frames as it takes. */
bool bw_guard_machine_next(struct bw_guard_machine *machine, bool may_greet, bool is_turn_over,
                           struct bw_instant now, struct bw_guard_machine_action *out_action);
struct bw_instant bw_guard_machine_wake(const struct bw_guard_machine *machine,
                                        struct bw_instant now);

/* ---- what is so ---- */

/* What is armed is an epoch of another cluster, whose guard is gone: it is enforced, and then forgotten. No
 * agent hears of the group before. */
bool bw_guard_machine_is_foreign(const struct bw_guard_machine *machine,
                                 const struct bw_guarded *group);
/* Enforced to its deadline, and unheard of by any agent; its memory is not written. */
bool bw_guard_machine_is_nobodys(const struct bw_guard_machine *machine,
                                 const struct bw_guarded *group);
/* Likewise unheard of, also because the site file no longer names it. */
bool bw_guard_machine_is_known(const struct bw_guard_machine *machine,
                               const struct bw_guarded *group);
/* Nothing of it is to be enforced any more, and nothing of it runs. */
bool bw_guarded_is_over(const struct bw_guarded *group, struct bw_instant now);
/* A guard that was told to end: a fence that has begun is finished, and what is known goes to its successor. */
bool bw_guard_machine_may_end(const struct bw_guard_machine *machine);
/* How long a proof may block: half of the time that is left until the first fence window of any group, so that
 * no deadline waits for it, however short the leases are. 0: none may be begun, for that of `out_of`. */
uint32_t bw_guard_machine_proof_ms(const struct bw_guard_machine *machine, struct bw_instant now,
                                   const struct bw_guarded **out_of);

struct bw_guard_proof_facts {
    bool is_proved;         /* the group's: what its scripts start can be ended */
    bool is_action_running;
    bool is_means_proved;   /* by any group: the means is the machine's */
    uint32_t limit_ms;      /* bw_guard_machine_proof_ms */
};
enum bw_guard_proof_next {
    BW_GUARD_PROOF_REST, /* nothing; after an action has ended it is asked for again */
    BW_GUARD_PROOF_TAKE, /* it is proved without being tried */
    BW_GUARD_PROOF_NEAR, /* not now: a fence window is near, or has begun */
    BW_GUARD_PROOF_TRY,
};
/* What is next of the proof of a group's reach (3.4). */
enum bw_guard_proof_next bw_guard_proof_next(const struct bw_guard_proof_facts *facts);
/* It works where its proof is there and its units, if it has any, were seen (3.4). */
bool bw_guard_reach_works(bool is_proved, bool has_units, bool are_units_seen);

#endif
