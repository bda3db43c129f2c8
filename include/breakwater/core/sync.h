/* sync.h - what an agent sends to every witness at each renewal, and what it gets back. Design 3.2,
 * 4, 5.3. Pure. The wire form is proto/agent.proto. */
#ifndef BW_CORE_SYNC_H
#define BW_CORE_SYNC_H

#include <breakwater/core/order.h>
#include <breakwater/core/rate.h>
#include <breakwater/core/report.h>

struct bw_sync_group {
    char name[BW_NAME_MAX + 1];
    uint64_t renew_epoch;          /* Renew(e, instance, session, number); 0: no renewal */
    struct bw_released released;   /* epoch 0: nothing was given back */
    struct bw_report report;
};

/* `groups` belongs to whoever made the struct. The same bytes go to every witness. */
struct bw_sync {
    struct bw_id cluster_id; /* none: the agent does not know the cluster yet */
    uint64_t generation;
    char site[BW_NAME_MAX + 1];  /* must be the certificate's */
    char agent[BW_NAME_MAX + 1]; /* must be the certificate's */
    struct bw_id instance;
    struct bw_id session;
    struct bw_id boot_id;    /* of the agent's machine: a copy of its state has another (3.5) */
    uint64_t number;         /* of this sync, from 1 */
    bool wants_relay;        /* no leader answered lately but by way of another: a follower should pass it on (5.3) */
    uint32_t group_count;
    struct bw_sync_group *groups;
    uint64_t certificate_left_s; /* until the agent's certificate ends, at least 1; 0: not said */
    uint32_t feature_level;  /* the newest that this agent knows (5.3) */
    uint32_t guard_level;    /* that its guard said it knows; 0: the guard is away */
    uint32_t exchange_count; /* of each witness the newest answer that was heard: connected is two-way
                                (4), and its rate is measured by them (3.8). No lease rests on them */
    struct bw_exchange exchanges[BW_WITNESSES_MAX];
};

struct bw_sync_answer_group {
    char name[BW_NAME_MAX + 1];
    uint64_t confirmed_epoch; /* the renewal of this epoch is confirmed; 0: silence, never a refusal */
    uint64_t other_serves_epoch; /* newest epoch of another site that its own fresh report says is
                                    verified serving (4, rejoin); 0 none known here */
    struct bw_order order;    /* from committed state: says also that an epoch is over */
    struct bw_remote_fence_ask remote_fence; /* of a leader (3.3); epoch 0: nothing is asked */
};

struct bw_member {
    uint64_t id;
    char name[BW_NAME_MAX + 1];
    char address[BW_ADDRESS_MAX + 1]; /* of its API */
};

struct bw_sync_answer {
    struct bw_id cluster_id;
    uint64_t generation;
    struct bw_id session; /* of the sync that is answered */
    uint64_t number;
    bool is_leader;       /* confirmations count only from a leader that says so */
    char leader[BW_NAME_MAX + 1]; /* "" unknown */
    char witness[BW_NAME_MAX + 1]; /* who made this answer; "" one that does not say */
    uint64_t applied_index;
    uint32_t feature_level;   /* of a leader, from level 2 on: of its state; else 0 */
    uint32_t longest_wait_ms; /* likewise: after it the longest lease that its state knows is over
                                 (3.8) */
    uint64_t receipt; /* which of the sync, by who made this answer; the agent says it back. 0: one that does not say */
    uint32_t member_count;
    struct bw_member members[BW_WITNESSES_MAX];
    uint32_t group_count;
    struct bw_sync_answer_group *groups;
};

/* Why an answer of our generation cannot be true, whoever gave it: NULL if it may be (3.9). Nothing of one that cannot is
 * taken. Lives for ever. */
const char *bw_sync_answer_made_up(const struct bw_sync_answer *answer);

#endif
