/* enforcer.h - the machine of the enforcer: whose deadlines it holds, when it kills, when it may end.
 * Design 3.4 ("nothing that an enforcer needs at the deadline can block"). Pure, and without any memory
 * but its own: what is decided here is decided while everything else of the machine may stand still. */
#ifndef BW_CORE_ENFORCER_H
#define BW_CORE_ENFORCER_H

#include <breakwater/base/err.h>
#include <breakwater/base/limits.h>
#include <breakwater/core/lease.h>

#define BW_ENFORCER_GROUPS_MAX BW_GROUPS_MAX
#define BW_ENFORCER_ORDERS_MAX 64 /* that a guard passes on at a time, in one frame */
/* Between two KILLs of a group from the instant of KILL until its lease has ended: what was forked
 * into its cgroup meanwhile by somebody from outside is ended too. */
#define BW_ENFORCER_AGAIN_NS (100 * BW_NS_PER_MS)

/* A deadline, as its guard passes it on. */
struct bw_enforcer_order {
    char group[BW_NAME_MAX + 1];
    uint64_t epoch;        /* not 0 */
    struct bw_instant end; /* D */
    uint64_t fence_ns;     /* F */
};

/* X(name). In their order, until a higher epoch makes it ARMED again. */
#define BW_ENFORCER_STATE_LIST(X)                                                                 \
    X(IDLE)    /* nothing of it is armed */                                                       \
    X(ARMED)   /* its instant of KILL has not come */                                             \
    X(KILLING) /* it has, and D has not */                                                        \
    X(SPENT)   /* D has come, and after it the last KILL */
enum bw_enforcer_state {
#define X(name) BW_ENFORCER_##name,
    BW_ENFORCER_STATE_LIST(X)
#undef X
};

struct bw_enforced {
    struct bw_enforcer_order order; /* group "": the entry is free */
    enum bw_enforcer_state state;
    struct bw_instant kill_at; /* of the next KILL */
    bool lacks_means;          /* what it was last told to end the group by could not be taken over */
};

struct bw_enforcer {
    struct bw_enforced groups[BW_ENFORCER_GROUPS_MAX];
    uint32_t group_count;
    uint32_t next_look; /* orders come in the order of the entries: where to look first */
    bool is_guard_gone; /* or has handed over */
};

/* Which fact that must hold between two messages does not, of an entry; NULL: all hold. Each step asserts it. */
const char *bw_enforced_unsound(const struct bw_enforced *enforced);

/* In the caller's memory; all zero is the beginning. */
void bw_enforcer_init(struct bw_enforcer *enforcer);

/* The entry of `group`; `group_count`: there is none. */
uint32_t bw_enforcer_find(struct bw_enforcer *enforcer, const char *group);
/* The entry of `group`, made if there is none. BW_ERR_LIMIT: all are taken. */
BW_MUST_CHECK enum bw_err bw_enforcer_add(struct bw_enforcer *enforcer, const char *group,
                                          uint32_t *out_enforced);

/* How its guard's newest word on what ends `group` was taken: with less than was sent no deadline of it is
 * taken, until one was taken whole. */
void bw_enforcer_note_means(struct bw_enforcer *enforcer, const char *group, bool are_taken);

/* Takes a deadline. BW_OK: it is held, or a later one of the same epoch is. Otherwise nothing has
 * changed: BW_ERR_STALE of a lower epoch, or of one whose KILL has begun (3.2.4: a fence that has begun
 * is finished); BW_ERR_LIMIT; BW_ERR_IO of a group whose means it lacks; BW_ERR_INVALID no group or epoch. */
BW_MUST_CHECK enum bw_err bw_enforcer_arm(struct bw_enforcer *enforcer,
                                          const struct bw_enforcer_order *order,
                                          struct bw_instant now);
/* Nothing of `epoch` or below is to be ended any more: it was seen to have ended, or was let go. */
void bw_enforcer_disarm(struct bw_enforcer *enforcer, const char *group, uint64_t epoch);

/* A guard that was started after ours knows `group` up to `epoch`: it holds the deadline in an enforcer of
 * its own, or knows that it is over. False: of a higher epoch it has found no mirror; that one is ours
 * until its D (3.4). */
bool bw_enforcer_hand_over(struct bw_enforcer *enforcer, const char *group, uint64_t epoch);
/* The guard has ended, or its successor has said all that it knows. */
void bw_enforcer_on_guard_gone(struct bw_enforcer *enforcer);

/* Who is to be killed now: at most BW_ENFORCER_GROUPS_MAX places in `out_groups`. `out_wake_at`: when to
 * ask again; never: at the next message. Each KILL that is due is asked for in one call, so that none
 * waits for what another takes. */
uint32_t bw_enforcer_due(struct bw_enforcer *enforcer, struct bw_instant now,
                         uint32_t out_groups[BW_ENFORCER_GROUPS_MAX],
                         struct bw_instant *out_wake_at);

/* Its KILL has begun, and nobody has said that it is over: what is left of it is ended (3.2.4). */
bool bw_enforcer_is_ending(const struct bw_enforced *enforced);
/* Deadlines that are armed or being enforced. */
uint32_t bw_enforcer_held_count(const struct bw_enforcer *enforcer);
/* Nobody needs it any more: its guard is gone, and nothing is held. */
bool bw_enforcer_may_end(const struct bw_enforcer *enforcer);

#endif
