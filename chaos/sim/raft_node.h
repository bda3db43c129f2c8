/* raft_node.h - one witness as a Raft voter in virtual time: what consensus/node.h is in
 * production, with the same outcomes, over raft_io. It decides nothing of its own: the wrapper, the
 * watch over the term and the adapter of the replicated state are the product's. */
#ifndef BW_SIM_RAFT_NODE_H
#define BW_SIM_RAFT_NODE_H

#include <raft.h>

#include <breakwater/consensus/fsm.h>
#include <breakwater/consensus/node_role.h>
#include <breakwater/consensus/safe_io.h>
#include <breakwater/consensus/term_watch.h>

#include "raft_io.h"

/* As BW_NODE_REQUESTS_MAX: submitted and not yet answered. */
#define SIM_NODE_REQUESTS_MAX 1024

struct sim_node_events {
    void (*on_role)(void *user, enum bw_node_role role, uint64_t term);
    void (*on_ready_to_lead)(void *user, uint64_t term);
    void (*on_peer_behind)(void *user, uint64_t peer, uint64_t match, uint64_t commit);
    bw_stop_fn on_stop;
};

struct sim_node {
    struct raft raft;
    struct bw_safe_io safe;
    struct sim_raft_io *backend;
    struct bw_fsm *fsm;
    struct bw_term_watch watch;
    struct sim_node_events events;
    void *user;
    struct raft_transfer transfer;
    bool is_started, is_closing, is_transferring;
    unsigned requests;
    struct {
        bool is_due;
        uint64_t peer, match, commit;
    } behind;
    struct bw_safe_io_counts counted; /* what sim_count was told of */
    uint64_t leader_term;             /* the newest that sim_check_leader was told of */
};

/* Prepares `node` (zeroed; keeps everything) for the process of `backend`, which sim_raft_io_init
 * has not seen yet. Ends the program when there is no memory. */
void sim_node_open(struct sim_node *node, struct sim_raft_io *backend, struct sim_process *process,
                   struct sim_raft_disk *disk, void (*on_event)(struct sim_process *process),
                   const struct bw_fsm_ops *fsm, const struct sim_node_events *events, void *user);
/* Loads what is on disk and takes part; BW_ERR_IO: it could not be read, a restart may go on;
 * BW_ERR_CORRUPT: it cannot be trusted. To be closed in any case. */
BW_MUST_CHECK enum bw_err sim_node_start(struct sim_node *node, struct bw_diag *diag);
/* `witness init`: the founding configuration, term 1. Of a node that was opened only. */
void sim_node_bootstrap(struct sim_node *node);
/* The process dies: unanswered submissions end with BW_ERR_UNKNOWN, and nothing is left but `node`.
 */
void sim_node_close(struct sim_node *node);

/* As bw_node_done_fn, bw_node_apply, bw_node_barrier and bw_node_transfer. */
typedef void (*sim_node_done_fn)(void *user, enum bw_err err, uint64_t index);
BW_MUST_CHECK enum bw_err sim_node_apply(struct sim_node *node, const uint8_t *data, size_t size,
                                         sim_node_done_fn on_done, void *user);
BW_MUST_CHECK enum bw_err sim_node_barrier(struct sim_node *node, sim_node_done_fn on_done,
                                           void *user);
BW_MUST_CHECK enum bw_err sim_node_transfer(struct sim_node *node, uint64_t id);

/* Outside of libraft, after each event: completed requests and changes of the role are told. */
void sim_node_turn(struct sim_node *node);

uint64_t sim_node_leader(const struct sim_node *node); /* 0: none known */
bool sim_node_is_ready(const struct sim_node *node);

#endif
