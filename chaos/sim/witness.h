/* witness.h - a witness in the simulator: the product's core machine, codec, fsm adapter, safe_io
 * and term_watch over the real libraft, on an own raft_io (raft_io.h) in virtual time. */
#ifndef BW_SIM_WITNESS_H
#define BW_SIM_WITNESS_H

#include <breakwater/core/witness.h>

#include "raft_disk.h"
#include "world.h"

extern const struct sim_process_ops sim_witness_ops;

/* What the disks of all witnesses hold; after the last of them has died. */
void sim_witness_free_disks(struct sim_world *world);

/* Once, before the first start of each: the founding configuration in its log (`witness init`). */
void sim_witness_bootstrap(struct sim_world *world);

/* ---- for operators: what the people's API does with a request at this witness ---- */

/* Proposes a command as the API does after its checks: in an event of its own, right after the
 * present one. BW_ERR_NOT_LEADER; BW_ERR_UNREACHABLE: the process is not able. Its outcome is known
 * by the cluster's state. */
enum bw_err sim_witness_submit(struct sim_process *witness, const struct bw_command *command);
/* failover or switchover (bw_witness_ask); errors as above, and those of bw_witness_ask. */
enum bw_err sim_witness_ask(struct sim_process *witness, const char *group,
                            const struct bw_wish *wish, struct bw_diag *diag);
/* It is asked to end, as an upgrade does, and hands leadership over first. Killing it is the
 * caller's. */
void sim_witness_hand_over(struct sim_process *witness);
/* A proof of its leadership is on its way: renewals wait for it. */
bool sim_witness_is_proving(const struct sim_process *witness);
/* Leads and may act (own-term barrier applied); false for a process that is not able. */
bool sim_witness_leads(const struct sim_process *witness);
/* A proposal about the group is on its way. */
bool sim_witness_is_proposing(const struct sim_process *witness, const char *group);
/* The replicated state as this witness has applied it; NULL: dead. */
const struct bw_cluster *sim_witness_cluster(const struct sim_process *witness);
/* Its data directory is lost: it is killed, `witness init --cluster-id` makes an empty one anew, and
 * it starts. False: its machine is down, or that was done already. */
bool sim_witness_wipe(struct sim_process *witness);
/* The lost directory is found again, as it was; accepts one that was not lost. */
void sim_witness_unwipe(struct sim_process *witness);
bool sim_witness_is_wiped(const struct sim_process *witness);
/* Of the directory that it has now. */
struct bw_id sim_witness_incarnation(const struct sim_world *world, uint32_t witness);
/* What its disk holds for libraft; of one whose directory is lost, what that one holds. */
const struct sim_raft_disk *sim_witness_log(const struct sim_world *world, uint32_t witness);
/* What was decided last for a group, for the story of a liveness failure. */
void sim_witness_explain(const struct sim_process *witness, const char *group, char *out,
                         size_t out_max);

#endif
