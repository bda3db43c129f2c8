/* guard.h - a guard in the simulator: the product's machine (core/guard.h) in a shell that does what
 * src/guard does, with state files of its own format on the simulated disk.
 *
 *   guard.c         life, events one after the other, what the machine asks for
 *   guard_store.c   memory, mirror, the cluster
 *   guard_store.c   when they are written: by threads of their own
 *   enforcer.c      what machine/enforcing.h has to be done
 *   guard_link.c    the agents that connect
 *   guard_store.c   that it can end what it starts
 *
 * Connections: an agent names each of its connections by a tag that is never used again. A message of
 * size 0 is the end of a connection, said by its other side or by the kernel of one that died. */
#ifndef BW_SIM_GUARD_H
#define BW_SIM_GUARD_H

#include <breakwater/machine/guard_found.h>

#include "machine.h"

#define SIM_TIME_NAMESPACE 1 /* one for all */
#define SIM_GUARD_CLUSTER_FILE "guard.cluster" /* id, generation (u64 LE), the site's name */

struct sim_guard_group {
    uint32_t group;
    bool is_open; /* it is guarded; the others of the world are not */
    struct bw_guard machine;
    bool is_proved;
    uint32_t files;        /* the scripts that it has read of */
    struct sim_work work[BW_GUARD_SLOT_COUNT];
    uint64_t
        asking_run; /* the start that runs waits before its point of no return; 0: it does not */
    uint64_t start_run; /* by which its agent knows the newest start */
    struct sim_reach_kill kill;
    struct bw_guarded at; /* its part of the guard's machine */
    struct bw_guard_mirror asked; /* the newest mirror that was asked for */
    struct bw_guard_memory asked_memory;
};

struct sim_guard_enforcer {
    struct sim_process *process; /* NULL: none was made */
    uint32_t life;
    uint32_t unread; /* answers of it */
};

#define SIM_GUARD_CLOSED_MAX 8
struct sim_guard {
    struct sim_process *process;
    struct sim_machine *machine;
    struct sim_guard_group groups[SIM_GROUPS_MAX];
    uint32_t group_count; /* of the world */
    /* store */
    bool is_broken;
    bool is_means_proved; /* by a group's proof, for all */
    struct bw_guard_opening opening;
    bool is_caretaker; /* of a guard that cannot begin: no agent, no memory; it enforces what mirrors say */
    struct bw_guard_machine daemon;
    struct sim_guard_enforcer enforcer;
    /* agents */
    uint64_t closed[SIM_GUARD_CLOSED_MAX]; /* tags that we have closed, a ring */
    uint32_t closed_count;
};

/* NULL: it is dead, or does not guard this group. */
const struct bw_guard *sim_guard_machine(const struct sim_process *guard, uint32_t group);
/* It saves nothing any more until somebody has restarted it. */
bool sim_guard_is_broken(const struct sim_process *guard);
/* It listens to agents. */
bool sim_guard_listens(const struct sim_process *guard);
/* SIGHUP; no-op of one that is dead, or whose site file does not parse. */
void sim_guard_reload(struct sim_process *guard);

/* ---- guard.c ---- */

/* Carries out what the machine has to be done: after whatever has happened. */
void sim_guard_go_on(struct sim_guard *guard);

/* To an agent that has come: which start waits before its point of no return. */
void sim_guard_say_waits(struct sim_guard *guard);

/* ---- guard_store.c: what a thread of its own writes, soon or late ---- */

void sim_guard_write_saves(struct sim_guard *guard);
/* Which cluster it serves. */
void sim_guard_pin(struct sim_guard *guard);
/* All mirrors that are due. */
void sim_guard_write_mirrors(struct sim_guard *guard);

/* ---- guard_store.c ---- */

/* False: a person must act; said. */
bool sim_guard_store_open(struct sim_guard *guard, struct bw_guard_identity *out_own);
bool sim_guard_store_has_memory(struct sim_guard *guard, uint32_t group);
void sim_guard_store_find(struct sim_guard *guard, uint32_t group,
                          struct bw_guard_found *out_found);
bool sim_guard_store_save(struct sim_guard *guard, uint32_t group,
                          const struct bw_guard_memory *memory);
bool sim_guard_store_save_mirror(struct sim_guard *guard, uint32_t group,
                                 const struct bw_guard_mirror *mirror);
bool sim_guard_store_pin(struct sim_guard *guard);
void sim_guard_memory_name(const struct sim_world *world, uint32_t group, char out_name[48]);
/* "guard.mirror.GROUP", which an agent whose guard is silent reads too. */
void sim_guard_mirror_name(const struct sim_world *world, uint32_t group, char out_name[48]);

/* ---- guard_link.c ---- */

void sim_guard_send(struct sim_guard *guard, const struct bw_guard_message *message);
void sim_guard_close(struct sim_guard *guard, uint64_t tag); /* that connection */
void sim_guard_on_letter(struct sim_guard *guard, uint64_t tag,
                         const struct bw_guard_message *message);
void sim_guard_on_closed(struct sim_guard *guard, uint64_t tag);
void sim_guard_refuse(struct sim_guard *guard, const struct bw_guard_machine_action *action);
void sim_guard_refuse_hello(struct sim_guard *guard, const struct bw_session_refusal *refusal);
void sim_guard_session_do(struct sim_guard *guard, const struct bw_session_action *action);

/* ---- guard_store.c ---- */

/* What is tried works. */
enum bw_guard_proof sim_guard_prove(struct sim_guard *guard, struct sim_guard_group *guarded);
/* The units of that group, for the first time. */
void sim_guard_on_units_seen(struct sim_guard *guard, uint32_t group);

#endif
