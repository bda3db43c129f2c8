/* witness.h - a witness in the simulator: the product's core machine, codec, fsm adapter, safe_io
 * and term_watch over the real libraft, on an own raft_io (raft_io.h) in virtual time. */
#ifndef BW_SIM_WITNESS_H
#define BW_SIM_WITNESS_H

#include <breakwater/core/witness.h>
#include <breakwater/machine/witness_operator.h>

#include "raft_disk.h"
#include "world.h"

struct bw_roster;

#define SIM_WITNESS_PORT 7400 /* of the addresses in the configuration, at first */

extern const struct sim_process_ops sim_witness_ops;

/* What the disks of all witnesses hold; after the last of them has died. */
void sim_witness_free_disks(struct sim_world *world);

/* Once, before the first start of each: the founding configuration in its log (`witness init`). */
void sim_witness_bootstrap(struct sim_world *world);

/* ---- for operators: what the people's API does with a request at this witness ---- */

/* `apply`: judged and begun in an event of its own, right after the present one; what comes of it is
 * known by the cluster's state. BW_ERR_NOT_LEADER; BW_ERR_UNREACHABLE: the process is not able. At most
 * SIM_GROUPS_MAX items, of which the machine's own part is not read. */
enum bw_err sim_witness_apply(struct sim_process *witness, const struct bw_apply_item *items,
                              size_t count);
/* A command that has no order of its own yet (SetMode, Delete, Maintenance), proposed likewise. */
enum bw_err sim_witness_submit(struct sim_process *witness, const struct bw_command *command);
/* failover or switchover (bw_witness_ask); errors as above, and those of bw_witness_ask. */
enum bw_err sim_witness_ask(struct sim_process *witness, const char *group,
                            const struct bw_wish *wish, struct bw_diag *diag);
/* cancel: what was asked for last is taken back, if it still waits or its stop has not begun. */
enum bw_err sim_witness_take_back(struct sim_process *witness, const struct bw_command *unrevoke);
/* SIGTERM: it is asked to end, as an upgrade does: it hands leadership over first, and begins again. */
void sim_witness_leave(struct sim_process *witness);
/* A leader is told that this one stands still behind: it hands over, and goes on. */
void sim_witness_say_behind(struct sim_process *witness, uint32_t behind);
/* SIGHUP: its configuration file says another port of all witnesses. `is_bad`: and takes one for another,
 * which must be refused. */
void sim_witness_reload(struct sim_process *witness, uint32_t port, bool is_bad);
/* A proof of its leadership is on its way: renewals wait for it. */
bool sim_witness_is_proving(const struct sim_process *witness);
/* The number of the newest proof that is over. */
uint64_t sim_witness_proved(const struct sim_process *witness);
/* Leads and may act (own-term barrier applied); false for a process that is not able. */
bool sim_witness_leads(const struct sim_process *witness);
/* A proposal about the group is on its way. */
bool sim_witness_is_proposing(const struct sim_process *witness, const char *group);
/* The replicated state as this witness has applied it; NULL: dead. */
const struct bw_cluster *sim_witness_cluster(const struct sim_process *witness);
/* `witness init --join`: a new directory with a new id, whose file names the members of `roster`; whatever its
 * machine had is gone for ever, so nobody may count on that. It boots, and begins. */
void sim_witness_join(struct sim_process *witness, const struct bw_roster *roster);
/* Its data directory is lost: it is killed, `witness init --cluster-id` makes an empty one anew, and
 * it starts. False: its machine is down, or that was done already. */
bool sim_witness_wipe(struct sim_process *witness);
/* The lost directory is found again, as it was; accepts one that was not lost. */
void sim_witness_unwipe(struct sim_process *witness);
bool sim_witness_is_wiped(const struct sim_process *witness);
/* A copy of what its directory holds now; Its vote file is copied on its machine. To be put back, or freed. */
struct sim_raft_disk *sim_witness_copy(struct sim_process *witness);
void sim_witness_free_copy(struct sim_raft_disk *copy);
/* The directory is again as it was then: its machine is down. Takes the copy. */
void sim_witness_put_back(struct sim_process *witness, struct sim_raft_disk *copy);
/* Of the directory that it has now: a machine may have another one, with another id, later. The machine must
 * have one. */
uint64_t sim_witness_id(const struct sim_process *witness);
struct bw_id sim_witness_incarnation(const struct sim_process *witness);
/* libraft's; of one that lives. */
const struct raft *sim_witness_raft(const struct sim_process *witness);
uint64_t sim_witness_term(const struct sim_process *witness);
/* The name of this peer is known to it. */
bool sim_witness_knows(const struct sim_process *witness, uint64_t id);
/* Witness `id` has dialed: if it was removed, by what is applied here, it is told so. */
void sim_witness_part(struct sim_process *witness, uint64_t id);
/* Whose machine has the directory of this id now; NULL: none. */
struct sim_process *sim_witness_of_id(const struct sim_world *world, uint64_t id);
/* What its disk holds for libraft; of one whose directory is lost, what that one holds. */
const struct sim_raft_disk *sim_witness_log(const struct sim_process *witness);
/* What was decided last for a group, for the story of a liveness failure. */
void sim_witness_explain(const struct sim_process *witness, const char *group, char *out,
                         size_t out_max);

#endif
