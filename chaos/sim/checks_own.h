/* checks_own.h - what the checkers remember. Only check*.c include this. */
#ifndef BW_SIM_CHECKS_OWN_H
#define BW_SIM_CHECKS_OWN_H

#include "checks.h"

struct sim_committed {
    uint64_t hash, term; /* of its bytes; 0: nobody has applied this index yet */
};
struct sim_acknowledged {
    uint64_t index, hash;
};

struct sim_checks {
    struct sim_tally tally;
    uint64_t excused_until_ns[SIM_SITES_MAX];
    uint64_t disturbed_until_ns[SIM_SITES_MAX];
    uint64_t by_hand_ns[SIM_SITES_MAX]; /* when it must have been found out, if nothing disturbs */
    /* I1 */
    bool is_serving_dirty;
    uint32_t serving[SIM_GROUPS_MAX]; /* bits: sites that serve, as last seen */
    uint64_t serving_changed_ns[SIM_GROUPS_MAX];
    uint64_t ended_epoch[SIM_GROUPS_MAX]; /* newest end that was looked at */
    /* I2 */
    uint32_t applied_by; /* bits: witnesses that have applied something in the present event */
    uint64_t started_epoch[SIM_GROUPS_MAX]; /* highest that a start began for, and where */
    uint32_t started_site[SIM_GROUPS_MAX];
    uint64_t epoch_seen[SIM_WITNESSES][SIM_GROUPS_MAX];
    uint32_t epoch_life[SIM_WITNESSES]; /* of that process */
    uint64_t newest_epoch[SIM_GROUPS_MAX];
    char newest_site[SIM_GROUPS_MAX][BW_NAME_MAX + 1];
    /* I3 */
    struct sim_committed *committed; /* by index */
    uint64_t committed_max, committed_capacity;
    struct sim_acknowledged *acknowledged;
    uint64_t acknowledged_count, acknowledged_capacity;
    uint8_t *leaders; /* by term: witness number + 1 */
    uint64_t leaders_capacity;
    uint64_t applied_index[SIM_WITNESSES];
    /* liveness: what was there when everything should have been well again */
    bool is_settled; /* false: the bound was longer than the calm, nothing was judged */
    uint32_t settled_serving[SIM_GROUPS_MAX]; /* bits */
    uint64_t settled_epoch[SIM_GROUPS_MAX];
};

#endif
