/* check.h - the properties that every run is held against, each in a file of its own. They see what
 * happens in the world from outside, in true time; no process of the world can see them.
 *
 *   check_durable.c       nobody is granted beside a site that knows of a lost decision (3.9)
 *   check_invariants.c          at most one site serves a group at any instant (design 3, I1)
 *   check_invariants.c       and none any more once an epoch has ended safely (3.1)
 *   check_invariants.c          no start of epoch e begins after one of e' > e; epochs only grow (I2)
 *   check_site.c        nothing that was acknowledged is lost by a planned move (3.6); whose it is is known (4)
 *   check_invariants.c          what was committed stays, everywhere the same (I3), one leader a term
 *   witness_agents.c    no site is called slow or fast whose clocks were not (3.8)
 *   check_durable.c     what is said rests on the disk of whoever says it (3.4, 3.5, I3)
 *   check_lease.c       nobody serves, starts or is confirmed beyond a lease (3.2 to 3.4)
 *   check_cluster.c       nobody reads what is above the feature level that it knows (5.3)
 *   check_cluster.c         a command changes only what it names (3.1)
 *   check_cluster.c     no decision is contradicted by later members, none of those that are gone
 * decides (3.9) check_override.c    an override begins after every lease of before, bars all
 * others, and is left alone (3.8) check_cluster.c    what is begun anew is above all that was, and
 * who has heard of it obeys nobody older (3.9) check_site.c a fence from another site
 * begins when its epoch can do nothing more (3.3) check_lease.c     what a leader proposes rests
 * on what it has heard (3.3, 3.9) check_site.c     what scripts have said counts, and restarts
 * are bounded (4) check_cluster.c        a move that was told as taken is asked for at whoever leads
 * (4) check_second.c      what outlives its machine is ended in time by a second enforcer (3.4)
 *   check_site.c        a guard's words are true, and its rules are kept by what runs (3.4, 3.5)
 *   checks.c    liveness runs: one primary in calm, none changed without a cause (4) */
#ifndef BW_SIM_CHECK_H
#define BW_SIM_CHECK_H

#include "world.h"

struct bw_guard_hello;
struct bw_guard_message;
struct bw_sync;
struct bw_sync_answer;
struct bw_terms;
struct bw_roster;
struct raft_buffer;
struct bw_commit_mark;
struct raft_message;
struct raft_snapshot;
struct bw_cluster;
struct sim_raft_disk;
struct sim_run_order;

/* The services at a site may have begun or ended serving: looked at after the present event. */
void sim_check_serving_changed(struct sim_world *world);
/* A start script of `epoch` (what its environment says) begins to run at `site`, now. */
void sim_check_start_begun(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch);
/* A service is about to serve at this site: a start of `epoch` (0: a person) has brought it up, and it
 * lacks so much of what was acknowledged. */
void sim_check_data(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch,
                    uint64_t missing_ms);
/* This witness applies entry `index` (bytes as they were given to the replicated state). */
void sim_check_applied(struct sim_process *witness, uint64_t index, uint64_t term,
                       const void *bytes, size_t size);
/* Nobody has applied this entry of its generation before: asked once for each. */
bool sim_check_is_first_to_apply(struct sim_world *world, uint64_t index);
/* This witness was told that its submission of these bytes has committed as entry `index`. */
void sim_check_acknowledged(struct sim_process *witness, uint64_t index, const void *bytes,
                            size_t size);
/* This witness has become the leader of `term`. */
void sim_check_leader(struct sim_process *witness, uint64_t term);
/* A leader whose barrier of its own term was applied. */
void sim_check_ready_to_lead(struct sim_process *witness, uint64_t term);
/* These leave their process now. */
void sim_check_sync_leaves(struct sim_process *agent, const struct bw_sync *sync);
void sim_check_guard_welcomes(struct sim_process *guard, const struct bw_guard_hello *hello);
void sim_check_guard_says(struct sim_process *guard, uint32_t group,
                          const struct bw_guard_message *message);
void sim_check_raft_says(struct sim_process *witness, const struct sim_raft_disk *disk,
                         const struct raft_message *message);
/* It writes down that this entry was decided, and is on its disk (L33). */
void sim_check_marks(struct sim_process *witness, const struct sim_raft_disk *disk,
                     struct bw_commit_mark mark);
/* This witness, the leader of `term`, confirms a renewal, which `sync` asked for when it was received. */
void sim_check_confirms(struct sim_process *witness, const struct bw_sync *sync, uint32_t group,
                        uint64_t epoch, const struct bw_terms *terms, uint64_t term,
                        struct bw_instant received);
/* This agent reads an answer. */
void sim_check_answered(struct sim_process *agent, const struct bw_sync_answer *answer);
/* A script of the guard's gets its go-ahead. */
void sim_check_guard_goes(struct sim_process *guard, const struct sim_run_order *order);
/* A configuration is appended to the log of this witness; it has learned that one is committed; it has applied
 * this roster; it ends since it was removed. */
void sim_check_configuration(struct sim_process *witness, uint64_t index, uint64_t term,
                             const struct raft_buffer *encoded);
void sim_check_configuration_committed(struct sim_process *witness);
void sim_check_roster(struct sim_process *witness, const struct bw_roster *applied);
void sim_check_removed(struct sim_process *witness);
/* The cluster begins anew in this state, on the disk of this witness, with this snapshot (3.9). */
void sim_check_recovered(struct sim_process *witness, const struct bw_cluster *cluster,
                         const struct raft_snapshot *snapshot);
/* How often that can be in one run. */
bool sim_check_may_recover(const struct sim_world *world);
/* The witness of this id was removed, and that is committed: it never counts again. */
bool sim_check_is_past(const struct sim_world *world, uint64_t id);
/* It has restored a snapshot, or begun anew: what it applies goes on after `index`. */
void sim_check_restored(struct sim_process *witness, uint64_t index);

#endif
