/* witness_program.h - a running witness of the simulator: what its files share. The shell of
 * src/witness again, over the same machine, codec and adapter; what is HTTP there is a message
 * here.
 *
 *   witness.c         life, the replicated state, what operators ask for
 *   witness_decide.c  the machine's decisions, proposals, proofs and wake-ups carried out
 *   witness_agents.c  syncs, also through a follower, and long polls
 *   raft_node.h       the Raft voter beneath
 *
 * Each event ends with sim_witness_turn. */
#ifndef BW_SIM_WITNESS_PROGRAM_H
#define BW_SIM_WITNESS_PROGRAM_H

#include <breakwater/core/witness.h>

#include "raft_node.h"
#include "witness.h"

#define SIM_PLACES (2 * SIM_GROUPS_MAX) /* of groups; a deleted one leaves a gap; < 64 */
/* As src/witness/program.h. */
#define SIM_PENDING_MAX   256 /* syncs that wait, and polls */
#define SIM_APPLIED_NOTES (2 * BW_NODE_REQUESTS_MAX)

/* What `witness init` gave to every founding member. */
struct sim_founding {
    struct bw_id cluster_id;
    char cluster[BW_NAME_MAX + 1];
    uint32_t election_timeout_ms;
    uint64_t
        told_index; /* newest entry that was counted and told of, by whoever applied it first */
};

/* host->services of a witness's machine. */
struct sim_witness_disk {
    struct sim_raft_disk raft;
    struct bw_id incarnation; /* of the data directory */
    bool is_founder;
    struct sim_witness_disk *lost; /* NULL: this is the first directory; else where that is */
    struct sim_founding *founding; /* shared; the first machine's to free */
};

struct sim_applied_note {
    uint64_t index;
    struct bw_applied applied;
};

/* A sync or a poll that is answered later. */
struct sim_pending {
    struct sim_pending *next;
    struct sim_process *to; /* who waits for the answer */
    uint32_t to_life;
    enum sim_channel channel; /* of the answer */
    uint64_t tag;
    struct bw_instant until;
    struct bw_instant received;
    struct bw_sync sync;   /* a sync; its groups are owned */
    uint64_t proof;        /* number of the barrier; 0: none is waited for */
    uint64_t relay_number; /* 0: not relayed */
    uint64_t relayed_by;   /* id of the witness that passed it on; 0: it came directly */
    uint64_t after;        /* a poll */
};

struct sim_witness {
    struct sim_raft_io backend; /* first: raft_io.h */
    struct sim_process *process;
    struct sim_witness_disk *disk;
    struct sim_node node;
    struct bw_cluster cluster;
    struct bw_witness machine;
    struct bw_group groups[SIM_PLACES];
    struct bw_watch watches[SIM_PLACES];

    struct bw_instant due[SIM_PLACES]; /* evaluate then at the latest */
    uint64_t dirty, changed;           /* places: evaluate; and tell the polls */
    bool is_founding;                  /* Found is on its way */
    bool is_closing;
    struct bw_decision decision; /* the last one made */
    struct sim_applied_note notes[SIM_APPLIED_NOTES];

    struct sim_pending *syncs, *polls;
    unsigned sync_count, poll_count;
    uint64_t relay_number; /* of the newest one sent */
    struct bw_instant housekeeping;
    uint8_t bytes[BW_BODY_BYTES_MAX]; /* what is encoded at the moment */
};

/* ---- witness.c ---- */

static inline struct sim_world *sim_witness_world(const struct sim_witness *witness)
{
    return sim_world_of(witness->process);
}
/* The end of each event: what has completed is told, what has changed evaluated, the wake set. */
void sim_witness_turn(struct sim_process *process);
/* Number of the leader as far as this witness knows, itself only once it may act; -1: unknown. */
int sim_witness_leader(const struct sim_witness *witness);

/* ---- witness_decide.c ---- */

/* As bw_program_propose. BW_OK: its outcome follows, and is told of. */
BW_MUST_CHECK enum bw_err sim_witness_propose(struct sim_witness *witness,
                                              const struct bw_command *command,
                                              struct bw_diag *diag);
void sim_witness_touch(struct sim_witness *witness, int place);
void sim_witness_change(struct sim_witness *witness, int place); /* -1: all */
void sim_witness_settle(struct sim_witness *witness);            /* evaluates what was touched */
void sim_witness_serve_due(struct sim_witness *witness, struct bw_instant now);
void sim_witness_found(struct sim_witness *witness);
void sim_witness_want_proof(struct sim_witness *witness);
void sim_witness_on_role(struct sim_witness *witness, enum bw_node_role role, uint64_t term);
void sim_witness_on_ready_to_lead(struct sim_witness *witness, uint64_t term);

/* ---- witness_agents.c ---- */

void sim_agents_on_message(struct sim_witness *witness, const struct sim_message *message);
/* Answers the syncs that the newest proof covers; all that wait for one, if it leads no more. */
void sim_agents_on_proved(struct sim_witness *witness);
void sim_polls_on_changed(struct sim_witness *witness, int place);
void sim_agents_serve_due(struct sim_witness *witness, struct bw_instant now);
/* When the first of those who wait has waited long enough. */
struct bw_instant sim_agents_due(const struct sim_witness *witness);
/* Those whose process has died since: before each event. */
void sim_agents_forget_gone(struct sim_witness *witness);
void sim_agents_free(struct sim_witness *witness);

#endif
