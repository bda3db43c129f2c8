/* enforcing.h - how the deadlines of a guard's groups come to be enforced: mirror, enforcer, answer. Pure.
 *
 * Design 3.4, "nothing that an enforcer needs at the deadline can block". What a machine asks for with MIRROR
 * is answered MIRRORED once two things are so, in this order: the mirror in /run says it, and an enforcer that
 * lives holds it. All that one turn of the loop has changed goes in one round of writes, one at a time, and in
 * as few frames as it takes. The enforcer is made, told everything, replaced when it has ended or says nothing
 * for a second; those of guards before are relieved once ours holds what their mirrors say, and no later
 * deadline is passed on before that.
 *
 * Who drives hands in what has happened (bw_enforcing_on_*), and carries out what bw_enforcing_next hands out,
 * one action at a time, until it has none: after whatever may have changed something and before it waits.
 * MAKE WRITE REPLACE and what was told are answered by later events; REACH OVER HOLD RELIEVE are answered
 * before the next action is asked for. The groups are the caller's, in its memory, and never removed. */
#ifndef BW_MACHINE_ENFORCING_H
#define BW_MACHINE_ENFORCING_H

#include <breakwater/core/enforcer.h>
#include <breakwater/core/guard.h>

/* One group. */
struct bw_enforcing_group {
    const struct bw_guard *guard;    /* its machine */
    void *owner;                     /* the caller's */
    struct bw_enforcing_group *next; /* in the order in which they were added */
    /* the mirror */
    uint64_t wanted;                   /* number of the newest MIRROR */
    bool is_due;                       /* the next round writes it */
    uint64_t written;                  /* number of the newest one that was written */
    struct bw_enforcer_order mirrored; /* the deadline that the newest one says; epoch 0: none */
    bool is_waiting;                   /* MIRRORED of `written` follows when the enforcer has it */
    bool is_refused;                   /* ... or, as it cannot be, now and with ok false */
    /* the enforcer */
    uint64_t found_epoch;          /* armed in the mirror that was found at the start; 0: none was */
    struct bw_enforcer_order sent; /* the deadline that it was told; epoch 0: none */
    uint64_t sent_number;          /* the frame that told it */
    bool is_reach_unsent; /* it does not know by what to end the group: no deadline is passed on */
    bool is_short;        /* ... as that cannot all be opened now */
    bool is_full;         /* ... as there is more than it can be told of: what waits for it is refused */
    bool is_unheld;             /* it has refused what it was told, and may hold an earlier deadline */
    struct bw_instant again_at; /* ... and is told that once more then; a later one at once */
    uint64_t refused_epoch;     /* the newest of which it has refused any */
};

#define BW_ENFORCING_ACTION_LIST(X)                                                               \
    X(MAKE)       /* an enforcer: on_made or on_unmade follows */                                 \
    X(REACH)      /* tell it by what `group` is ended: on_reach */                                \
    X(OVER)       /* tell it that nothing of `orders[0]` is to be ended any more: on_sent */      \
    X(HOLD)       /* tell it `orders` in a frame of `number`: on_sent; on_taken follows */        \
    X(REPLACE)    /* it has said nothing for a second: if no answer can be read, end it; on_lost */ \
    X(RELIEVE)    /* ask, or hear, the enforcers of guards before: on_relief */                   \
    X(UNRELIEVED) /* to be said: one of them does not answer, and is not waited for any longer */ \
    X(WRITE)      /* the mirrors of the groups for which bw_enforcing_begin_write is true, beside the \
                     loop: on_written of each and on_round_written follow */                      \
    X(ANSWER)     /* step the machine of `group` with MIRRORED of `number`, `ok` */
enum bw_enforcing_action_kind {
#define X(name) BW_ENFORCING_##name,
    BW_ENFORCING_ACTION_LIST(X)
#undef X
};
struct bw_enforcing_action {
    enum bw_enforcing_action_kind kind;
    struct bw_enforcing_group *group; /* REACH OVER ANSWER */
    uint64_t number;                  /* HOLD ANSWER */
    bool ok;                          /* ANSWER */
    uint32_t order_count;             /* OVER HOLD */
    const struct bw_enforcer_order *orders; /* valid until the next event or action */
};

/* How it took what it was told by what a group is ended. */
enum bw_enforcing_reach {
    BW_ENFORCING_REACH_TAKEN,
    BW_ENFORCING_REACH_UNTAKEN, /* not now: told again */
    BW_ENFORCING_REACH_SHORT,   /* it cannot all be opened: it keeps what it was told before */
    BW_ENFORCING_REACH_FULL,    /* there is no room for all of it: likewise, and nothing is armed */
};

struct bw_enforcing {
    struct bw_enforcing_group *first;
    struct bw_enforcing_group *last;
    /* mirrors */
    uint32_t due_count; /* groups that the next round writes */
    bool is_writing;
    bool has_answers;   /* a place that waits may be answered */
    /* the enforcer */
    enum { BW_ENFORCER_NONE, BW_ENFORCER_MAKING, BW_ENFORCER_MADE, BW_ENFORCER_LOST } state;
    struct bw_instant make_at;   /* NONE: not before */
    uint64_t sent;               /* number of the newest frame of deadlines */
    uint64_t taken;              /* of the newest one that it has answered */
    struct bw_instant silent_at; /* when it has not answered for too long */
    bool has_sent_all; /* that it was made for; from then on it waits until it is relieved */
    /* telling it */
    bool is_dirty;              /* it is not told everything yet */
    bool is_stuck;              /* it did not take everything: once more with its next answer */
    struct bw_instant again_at; /* it is told then what it could not be told now */
    struct {
        enum { BW_TELLING_NONE, BW_TELLING_PLACE, BW_TELLING_DEADLINE, BW_TELLING_REST,
               BW_TELLING_END } phase;
        struct bw_enforcing_group *group; /* the next one */
        struct bw_enforcing_group *over;  /* the OVER that was handed out; NULL: a HOLD was */
        bool takes_reach;
        bool is_any_short; /* a group whose means cannot be opened stops no other one */
        bool is_taken;
        uint32_t count;
        struct bw_enforcing_group *groups[BW_ENFORCER_ORDERS_MAX];
        struct bw_enforcer_order orders[BW_ENFORCER_ORDERS_MAX];
    } telling;
    /* those before */
    enum { BW_RELIEF_NONE, BW_RELIEF_WAITS, BW_RELIEF_DONE } relief;
    bool is_relieved; /* none of them holds anything that this guard knows of, or it goes on without */
    bool is_unrelieved_due;
    uint32_t relief_looks;
    struct bw_instant relief_at;
};

/* No enforcer is asked for before bw_enforcing_begin. */
void bw_enforcing_init(struct bw_enforcing *enforcing);
void bw_enforcing_begin(struct bw_enforcing *enforcing, struct bw_instant now);
/* A group whose machine has begun, with the mirror that was found of it: what that says is enforced. Its reach
 * is told next, or when an enforcer is made. */
void bw_enforcing_add(struct bw_enforcing *enforcing, struct bw_enforcing_group *group,
                      const struct bw_guard *guard, void *owner);
/* Its machine has begun anew with nothing armed. */
void bw_enforcing_forget(struct bw_enforcing *enforcing, struct bw_enforcing_group *group);

/* ---- what happens ---- */

/* Its machine was stepped. */
void bw_enforcing_on_step(struct bw_enforcing *enforcing, const struct bw_enforcing_group *group);
/* MIRROR: ANSWER of `number` follows, or one of a later number. */
void bw_enforcing_on_mirror(struct bw_enforcing *enforcing, struct bw_enforcing_group *group,
                            uint64_t number);
/* Of WRITE. True: the mirror of `group` as it is now goes with this round; so does what is handed out. */
bool bw_enforcing_begin_write(struct bw_enforcing *enforcing, struct bw_enforcing_group *group,
                              uint64_t *out_number, struct bw_enforcer_order *out_order);
void bw_enforcing_on_written(struct bw_enforcing *enforcing, struct bw_enforcing_group *group,
                             uint64_t number, const struct bw_enforcer_order *order, bool ok);
void bw_enforcing_on_round_written(struct bw_enforcing *enforcing);

void bw_enforcing_on_made(struct bw_enforcing *enforcing);
void bw_enforcing_on_unmade(struct bw_enforcing *enforcing, struct bw_instant now);
/* It has ended, or was ended; another is made once on_gone says that nothing of it is left. */
void bw_enforcing_on_lost(struct bw_enforcing *enforcing);
void bw_enforcing_on_gone(struct bw_enforcing *enforcing, struct bw_instant now);
/* Also unasked: after whatever makes new means. */
void bw_enforcing_on_reach(struct bw_enforcing *enforcing, struct bw_enforcing_group *group,
                           enum bw_enforcing_reach how);
void bw_enforcing_on_sent(struct bw_enforcing *enforcing, bool is_taken, struct bw_instant now);
/* It holds those of the frames up to `number`, but for the `refused` of this one. */
void bw_enforcing_on_taken(struct bw_enforcing *enforcing, uint64_t number,
                           const struct bw_enforcer_order *refused, uint32_t refused_count,
                           struct bw_instant now);
/* `are_done`: none of those before is left that has not answered. */
void bw_enforcing_on_relief(struct bw_enforcing *enforcing, bool are_done, struct bw_instant now);

/* ---- what is to be done ---- */

/* False: nothing, until something happens or bw_enforcing_wake. */
bool bw_enforcing_next(struct bw_enforcing *enforcing, struct bw_instant now,
                       struct bw_enforcing_action *out_action);
struct bw_instant bw_enforcing_wake(const struct bw_enforcing *enforcing, struct bw_instant now);

/* Something that was asked for is not written yet. */
bool bw_enforcing_is_due(const struct bw_enforcing *enforcing);
/* An enforcer that lives holds what the mirror says, or nothing has to be held. */
bool bw_enforcing_has(const struct bw_enforcing *enforcing, const struct bw_enforcing_group *group);
/* Those before are relieved of this: the deadline that was found in a mirror, and that ours has not refused,
 * or what is over since. 0, nothing: no mirror was found that has one. */
uint64_t bw_enforcing_known_epoch(const struct bw_enforcing_group *group);

#endif
