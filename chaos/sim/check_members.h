/* check_members.h - who decides, while members change (3.9). */
#ifndef BW_SIM_CHECK_MEMBERS_H
#define BW_SIM_CHECK_MEMBERS_H

#include "check.h"

struct raft_buffer;

/* Entry `index` is applied for the first time: this very entry is on the disks of a majority. `entry_hash`:
 * of the whole of it. */
void sim_check_committed_is_durable(struct sim_process *witness, uint64_t index, uint64_t term,
                                    uint64_t entry_hash);
/* This vote leaves. */
void sim_check_vote_leaves(struct sim_process *witness, uint64_t term, uint64_t candidate);
/* It has just become the leader of `term`. */
void sim_check_elected(struct sim_process *witness, uint64_t term);

#endif
