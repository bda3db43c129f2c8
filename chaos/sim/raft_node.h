/* raft_node.h - one witness as a Raft voter in virtual time: consensus/voter.h, as it is in
 * production, over raft_io. What is here is the simulator's only: the vote file on its disk, what
 * it checks and counts, and that a process which has crashed submits nothing. */
#ifndef BW_SIM_RAFT_NODE_H
#define BW_SIM_RAFT_NODE_H

#include <raft.h>

#include <breakwater/consensus/voter.h>

#include "raft_io.h"

struct sim_node {
    struct bw_voter voter;
    struct sim_raft_io *backend;
    struct bw_safe_io_counts counted; /* what sim_count was told of */
    uint64_t leader_term;             /* the newest that sim_check_leader was told of */
};

/* What the process of a witness is to its node; `user` is that of all callbacks. */
struct sim_node_owner {
    uint64_t id;
    struct bw_id incarnation;
    enum bw_roll_origin origin;
    struct bw_fsm_ops fsm;
    struct bw_node_events events;
    bw_stop_fn stop;
    void *user;
};

/* Prepares `node` (zeroed; keeps everything but `owner`) for the process of `backend`, which
 * sim_raft_io_init has not seen yet. Ends the program when there is no memory. */
void sim_node_open(struct sim_node *node, struct sim_raft_io *backend, struct sim_process *process,
                   struct sim_raft_disk *disk, void (*on_event)(struct sim_process *process),
                   const struct sim_node_owner *owner);
/* `witness init`: the founding configuration, term 1. Of a node that was opened only. */
void sim_node_bootstrap(struct sim_node *node, uint32_t founder_count);
/* The process dies: unanswered submissions end with BW_ERR_UNKNOWN, and nothing is left but `node`.
 */
void sim_node_close(struct sim_node *node);

/* bw_voter_apply, bw_voter_barrier, bw_voter_prove and bw_voter_transfer of a process that lives. */
BW_MUST_CHECK enum bw_err sim_node_apply(struct sim_node *node, const uint8_t *data, size_t size,
                                         bw_node_done_fn on_done, void *user);
BW_MUST_CHECK enum bw_err sim_node_barrier(struct sim_node *node, bw_node_done_fn on_done,
                                           void *user);
BW_MUST_CHECK enum bw_err sim_node_prove(struct sim_node *node, bw_node_done_fn on_done, void *user);
BW_MUST_CHECK enum bw_err sim_node_transfer(struct sim_node *node, uint64_t id);

/* Outside of libraft, after each event: completed requests and changes of the role are told. */
void sim_node_turn(struct sim_node *node);

#endif
