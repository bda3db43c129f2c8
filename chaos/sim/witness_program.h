/* witness_program.h - a running witness of the simulator: the product's machine (machine/witness.h) on
 * simulated clocks, network, log and processes. What is HTTP there is a message here.
 *
 *   witness.c         life, the log
 *   witness_orders.c  what operators order, its end, its configuration anew
 *   witness_drive.c   what the machine asks for, and what it is seen to do
 *   witness_agents.c  calls of agents and of witnesses that relay
 *   witness_members.c who is a witness, and who is to be one
 *   witness_members.c   what others are heard to know
 *   recovery.c        the beginning of another generation
 *   raft_node.h       the Raft voter beneath
 *
 * Each event ends with sim_witness_turn. */
#ifndef BW_SIM_WITNESS_PROGRAM_H
#define BW_SIM_WITNESS_PROGRAM_H

#include <breakwater/machine/witness_operator.h>

#include "raft_node.h"
#include "witness.h"
#include "witness_members.h"

#define SIM_PLACES (2 * SIM_GROUPS_MAX) /* of groups; a deleted one leaves a gap; < 64 */

/* What `witness init` gave to every founding member. */
struct sim_founding {
    struct bw_witness_founding founding;
    uint64_t id_max; /* the highest that a directory was made with */
};

/* host->services of a witness's machine. */
struct sim_witness_disk {
    struct sim_raft_disk raft;
    uint64_t id;
    struct bw_id incarnation; /* of the data directory */
    enum bw_roll_origin origin;
    struct {
        uint64_t id;
        uint32_t machine;
    } file[SIM_WITNESSES_MAX]; /* `witnesses` in its configuration file */
    uint32_t file_count;
    struct sim_witness_disk *lost; /* NULL: this is the first directory; else where that is */
    struct sim_founding *founding; /* shared; the first machine's to free */
    uint32_t port; /* of the members' addresses in its configuration file */
};

/* Specs that an operator has ordered of it. */
struct sim_apply {
    struct bw_apply order; /* first: the machine hands it back */
    struct sim_apply *next, **previous;
    struct bw_apply_item items[SIM_GROUPS_MAX];
};

/* Who waits for what comes of a move that he has asked for: of each group one. */
struct sim_asker {
    struct bw_proposer proposer; /* first: the machine hands it back */
    uint32_t group;
};

/* A call, and who waits for its answer. */
struct sim_call {
    struct bw_witness_call call; /* first: the machine hands it back */
    struct sim_call *next, **previous;
    struct sim_process *to;
    uint32_t to_life;
    enum sim_channel channel; /* of the answer */
    uint64_t tag;
    struct bw_sync sync;      /* its groups are owned */
    uint64_t relay_number;    /* 0: not relayed */
    const struct sim_message *message; /* that it came with, or the leader's answer; NULL: none any more */
};

/* So little that a world soon knows what goes first. */
#define SIM_RECORD_BLOCKS 8
struct sim_record {
    struct bw_record record;
    struct bw_record_block blocks[SIM_RECORD_BLOCKS];
};

struct sim_witness {
    struct sim_raft_io backend; /* first: raft_io.h */
    struct sim_process *process;
    struct sim_witness_disk *disk;
    struct sim_node node;
    struct bw_witness_machine machine;
    struct sim_members members;
    struct sim_peer_level levels[SIM_LEVELS_MAX]; /* that peers have said in the newest hello */
    struct bw_group groups[SIM_PLACES];
    struct bw_watch watches[SIM_PLACES];
    struct bw_sync_answer_group answer_groups[SIM_PLACES];
    struct sim_record record;
    struct sim_call *calls; /* that were not answered */
    struct sim_apply *applies; /* that are not over */
    struct sim_asker askers[SIM_GROUPS_MAX];
    uint64_t relay_number;  /* of the newest one sent */
    uint8_t bytes[BW_BODY_BYTES_MAX]; /* what is encoded at the moment */
};

/* ---- witness.c ---- */

static inline struct sim_world *sim_witness_world(const struct sim_witness *witness)
{
    return sim_world_of(witness->process);
}
/* NULL: it is not able to answer an operator. */
static inline struct sim_witness *sim_witness_able(const struct sim_process *process)
{
    return process->health == SIM_ABLE && !process->is_doomed ? process->state : NULL;
}
/* The end of each event: what has completed is told, what has changed evaluated, the wake set. */
void sim_witness_turn(struct sim_process *process);

/* A program of that machine that is no daemon, and fails on no disk: what the process meets is put aside until it
 * is closed. The process is dead, and nothing acts. */
struct sim_offline {
    struct sim_disk_faults disk;
    uint32_t crash_per_million;
    const char *crash_at;
};
struct sim_witness *sim_witness_open_offline(struct sim_process *process,
                                             struct sim_offline *out_offline);
void sim_witness_close_offline(struct sim_process *process, const struct sim_offline *offline);
/* An empty data directory, with an incarnation of its own. */
struct sim_witness_disk *sim_witness_new_disk(struct sim_founding *founding, uint64_t id,
                                              struct bw_prng *chance);
/* What the machine has is gone for ever, its process kept down. */
void sim_witness_discard(struct sim_process *process);

/* ---- witness_drive.c ---- */

void sim_witness_init(struct sim_witness *witness);
/* Unless the process has crashed. */
void sim_witness_happen(struct sim_witness *witness, const struct bw_witness_event *event);
void sim_witness_on_role(struct sim_witness *witness, enum bw_node_role role, uint64_t term);
void sim_witness_on_ready_to_lead(struct sim_witness *witness, uint64_t term);

/* ---- witness_orders.c ---- */

/* What the machine asks for. */
void sim_orders_on_applied(struct sim_witness *witness, struct bw_apply *order);
void sim_orders_free(struct sim_witness *witness);

/* ---- witness_agents.c ---- */

void sim_agents_on_message(struct sim_witness *witness, const struct sim_message *message);
/* Those whose process has died since: before each event. */
void sim_agents_forget_gone(struct sim_witness *witness);
void sim_agents_free(struct sim_witness *witness);
/* What the machine asks for about a call; nothing is sent by a process that has crashed. */
void sim_agents_relay(struct sim_witness *witness, struct bw_witness_call *call,
                      const struct bw_member *leader);
void sim_agents_answer(struct sim_witness *witness, struct bw_witness_call *call,
                       const struct bw_sync_answer *answer);
void sim_agents_pass_on(struct sim_witness *witness, struct bw_witness_call *call);
void sim_agents_refuse(struct sim_witness *witness, struct bw_witness_call *call);

#endif
