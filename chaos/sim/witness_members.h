/* witness_members.h - the shell of machine/witness_members.h in the simulator, as src/witness/{members,join,directory,
 * api_members}.c are the product's: a witness that is to join says so, whoever leads brings the configuration to the
 * roster, one that was removed ends. Design 3.9. */
#ifndef BW_SIM_WITNESS_MEMBERS_H
#define BW_SIM_WITNESS_MEMBERS_H

#include <breakwater/machine/witness_members.h>

#include "world.h"

#define SIM_REMOVED_FILE "removed" /* of a data directory: nothing in it is of any use */

struct sim_witness;

/* Of a running witness. */
struct sim_members {
    struct bw_witness_members state; /* what it decides by; milliseconds are those of its clock */
    uint64_t roster_version; /* of what the machine was told */
    uintptr_t tick;          /* number of the one that is due next; others are void */
    struct sim_later_member {
        uint64_t id;
        uint32_t machine;
    } later[SIM_WITNESSES_MAX]; /* what other members have said of still later ones */
    uint32_t later_count;
};

/* It has started. */
void sim_members_begin(struct sim_witness *witness);
/* A word of one that asks to join, or what a member has answered. */
void sim_members_on_message(struct sim_witness *witness, const struct sim_message *message);
/* The members as its machine and its configuration file have them: to the core's machine. */
void sim_members_use(struct sim_witness *witness);
/* What a roster says of a witness on this machine, but for its directory. */
void sim_members_put_texts(struct bw_roster_member *member, const struct sim_host *host);
/* The name of this peer is known to it: by its file, by the roster, or by what another member has said. */
bool sim_members_knows(const struct sim_witness *witness, uint64_t id);

/* ---- for operators ---- */

/* `members add|remove|replace|lead`, judged in an event of its own. `who`: the machine of the witness that is to be
 * added, removed or to lead; `old`: REPLACE. False: this process is not able. */
bool sim_members_order(struct sim_process *process, enum bw_members_order_kind kind, uint32_t who,
                       uint32_t old);
/* The newest roster of this process, of a member that is able; NULL: it has none, or is not able. */
const struct bw_roster *sim_members_roster(const struct sim_process *process);
/* Of a leader: what it sees, and its next step. */
bool sim_members_look(const struct sim_process *process, struct bw_members_facts *out_facts,
                      struct bw_members_step *out_step);
/* This one asks this leader to join. */
bool sim_members_has_asked(const struct sim_process *leader, uint32_t who);

/* The feature level at a witness of the simulator: who was heard to know what, and its raise. */

#define SIM_LEVELS_MAX (2 * SIM_WITNESSES_MAX)

struct sim_witness;

struct sim_peer_level {
    uint64_t id; /* 0: a free place */
    uint32_t level;
};

/* The hello of a connection with this peer said so. */
void sim_level_received(struct sim_witness *witness, uint64_t id, uint32_t level);
/* `feature-level raise`, judged in an event of its own; whom an operator has upgraded and nobody hears is named as
 * one to do without. What comes of it: world->upgrade. False: this process is not able. */
bool sim_level_raise(struct sim_process *process);

#endif
