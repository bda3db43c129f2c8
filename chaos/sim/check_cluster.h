/* check_cluster.h - who decides, while members change (3.9). */
#ifndef SIM_CHECK_CLUSTER_H
#define SIM_CHECK_CLUSTER_H

#include <breakwater/core/cluster.h>

#include "check.h"
#include "world.h"

struct raft_buffer;

/* Entry `index` is applied for the first time: this very entry is on the disks of a majority. `entry_hash`:
 * of the whole of it. */
void sim_check_committed_is_durable(struct sim_process *witness, uint64_t index, uint64_t term,
                                    uint64_t entry_hash);
/* This vote leaves. */
void sim_check_vote_leaves(struct sim_process *witness, uint64_t term, uint64_t candidate);
/* It has just become the leader of `term`. */
void sim_check_elected(struct sim_process *witness, uint64_t term);

/* The generations of a cluster that was recovered (3.9). */

struct bw_group;

/* A log begins, with a snapshot at `index` (0: with nothing). */
void sim_check_generation_begins(struct sim_checks *checks, uint64_t generation, uint64_t index);

/* This agent names a generation; and reads an answer: false, it must not obey it. */
void sim_check_names(struct sim_process *agent, uint64_t generation, uint64_t kept);
bool sim_check_must_drop(struct sim_process *agent, const struct bw_sync_answer *answer);
/* Made anew, it names a generation that its guard, which has kept a newer one, refuses it for
 * (3.8). */
bool sim_check_obeys_older_than_guard(const struct sim_world *world, uint32_t site);
/* A leader confirms a renewal to this site; the first grant after a recovery is proposed, to
 * `granted`. */
void sim_check_confirms_in(struct sim_process *witness, uint32_t site, uint32_t group);
void sim_check_first_grant(struct sim_process *witness, uint32_t group,
                           const struct bw_cluster *cluster, const struct bw_group *state,
                           const char *granted);

/* The feature level (check_cluster.c). */

struct bw_sync;

/* This witness has applied what the cluster's level is now by: a found, a raise, a snapshot, or anything after it. */
void sim_check_level_applied(struct sim_process *witness, uint32_t level);
/* A leader, this one, keeps what it was told. */
void sim_check_level_reported(struct sim_process *witness, const struct bw_sync *sync);
/* It is about to append a roster of the second form, or another configuration. */
void sim_check_level_of_change(struct sim_process *witness);

/* What was told as asked for is asked for at whoever leads (check_cluster.c). */

struct bw_witness_machine;

/* This leader says that the move is taken: entry `index` asks for it. */
void sim_check_wish_accepted(struct sim_process *witness, uint32_t group, uint64_t index);
/* The group was deleted by entry `index`, and what waited with it. */
void sim_check_wish_gone(struct sim_world *world, const char *group, uint64_t index);
/* It leads, and may act. */
void sim_check_wishes_led(struct sim_process *witness, const struct bw_witness_machine *machine);

/* A command changes only what it names (3.1). */

/* A group just before a command is applied. */
struct sim_group_before {
    bool is_there, is_open;
    uint64_t epoch, spec_version;
    uint64_t named_epoch; /* the highest of those that sites know, and that were lost (3.9); or `epoch` */
};
void sim_group_keep(const struct bw_cluster *cluster, const char *group,
                    struct sim_group_before *out_before);
/* The command has changed its group. */
void sim_check_took_effect(struct sim_process *witness, const struct bw_command *command,
                           const struct sim_group_before *before);

#endif
