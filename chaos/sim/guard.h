/* guard.h - a guard in the simulator: the product's machine (core/guard.h) in a shell that does what
 * src/guard does, with state files of its own format on the simulated disk.
 *
 *   guard.c         life, events one after the other, what the machine asks for
 *   guard_store.c   memory, mirror, the cluster
 *   guard_saves.c   when they are written: by threads of their own
 *   enforcer.c      what machine/enforcing.h has to be done
 *   guard_link.c    the agents that connect
 *
 * Connections: an agent names each of its connections by a tag that is never used again. A message of
 * size 0 is the end of a connection, said by its other side or by the kernel of one that died. */
#ifndef BW_SIM_GUARD_H
#define BW_SIM_GUARD_H

#include <breakwater/core/guard_turn.h>
#include <breakwater/machine/enforcing.h>
#include <breakwater/machine/guard_session.h>
#include <breakwater/machine/rounds.h>

#include "machine.h"

#define SIM_TIME_NAMESPACE 1 /* one for all */
#define SIM_GUARD_CLUSTER_FILE "guard.cluster" /* id, generation (u64 LE), the site's name */

struct sim_guard_place {
    uint32_t group;
    struct bw_guard machine;
    struct bw_instant wake_at;
    struct bw_instant prove_again_at;
    bool is_proved;
    uint32_t files;        /* the scripts that it has read of */
    uint32_t config_number;
    uint32_t run_config_number[BW_GUARD_SLOT_COUNT];
    struct sim_work work[BW_GUARD_SLOT_COUNT];
    bool has_ended[BW_GUARD_SLOT_COUNT]; /* RUN_ENDED waits for the step under way */
    struct sim_reach_kill kill;
    struct bw_enforcing_place enforcing;
    struct bw_guard_mirror asked; /* the newest mirror that was asked for */
    struct bw_guard_memory asked_memory;
    struct bw_round_item save;
};

struct sim_guard_enforcer {
    struct sim_process *process; /* NULL: none was made */
    uint32_t life;
    uint32_t unread; /* answers of it */
};

/* What is still to be done in this event, in order. A slow disk may stop it in the middle; it goes on
 * when the process does. */
enum sim_guard_task_kind {
    SIM_GUARD_TICK,
    SIM_GUARD_PROVE,      /* after a run, or at a hello */
    SIM_GUARD_RUN_ENDED,
    SIM_GUARD_SAVED,
    SIM_GUARD_MIRRORED,
    SIM_GUARD_REACH_KILLED,
    SIM_GUARD_MESSAGE,    /* from an agent */
    SIM_GUARD_CLOSED,     /* its connection has ended */
    SIM_GUARD_AGENT_GONE, /* the machine of a place is told */
    SIM_GUARD_GREET,      /* the machine of a place is told of the hello */
    SIM_GUARD_RELOAD, /* the site file is read anew */
};
struct sim_guard_task {
    enum sim_guard_task_kind kind;
    uint32_t group;
    enum bw_guard_slot slot;
    bool ok;
    uint64_t number;          /* MIRRORED */
    struct sim_process *from; /* MESSAGE CLOSED */
    uint64_t tag;
    struct bw_guard_message message;
};
#define SIM_GUARD_TASKS_MAX (12 * SIM_GROUPS_MAX)

#define SIM_GUARD_CLOSED_MAX 8
struct sim_guard {
    struct sim_process *process;
    struct sim_machine *machine;
    struct sim_guard_place places[SIM_GROUPS_MAX];
    uint32_t place_count;
    /* store */
    bool is_broken;
    bool is_caretaker; /* its site file does not parse: no agent, no memory; it enforces what mirrors say */
    struct bw_rounds saves;
    struct bw_enforcing enforcing;
    struct sim_guard_enforcer enforcer;
    /* the controlling agent */
    struct bw_guard_session session;
    uint64_t closed[SIM_GUARD_CLOSED_MAX]; /* tags that we have closed, a ring */
    uint32_t closed_count;
    /* steps */
    struct sim_guard_task tasks[SIM_GUARD_TASKS_MAX];
    uint32_t task_first, task_count;
    struct sim_guard_place *stepping; /* NULL: no step is under way */
    struct bw_guard_turn turn;
};

/* NULL: it is dead. */
const struct bw_guard *sim_guard_machine(const struct sim_process *guard, uint32_t group);
/* It saves nothing any more until somebody has restarted it. */
bool sim_guard_is_broken(const struct sim_process *guard);
/* It listens to agents. */
bool sim_guard_listens(const struct sim_process *guard);
/* SIGHUP; no-op of one that is dead, or whose site file does not parse. */
void sim_guard_reload(struct sim_process *guard);

/* ---- guard.c ---- */

struct sim_guard_task *sim_guard_push(struct sim_guard *guard, enum sim_guard_task_kind kind,
                                      uint32_t group);
/* Hands `event` to the machine; what it asks for is carried out next. */
void sim_guard_step(struct sim_guard *guard, struct sim_guard_place *place,
                    const struct bw_guard_event *event);

/* Goes on with whatever is to be done now. */
void sim_guard_look(struct sim_guard *guard);

/* ---- guard_saves.c: what a thread of its own writes, soon or late ---- */

void sim_guard_save(struct sim_guard *guard, struct sim_guard_place *place);
void sim_guard_mirror(struct sim_guard *guard, struct sim_guard_place *place, uint64_t number);
/* Which cluster it serves. */
void sim_guard_pin(struct sim_guard *guard);
/* All mirrors that are due. */
void sim_guard_write_mirrors(struct sim_guard *guard);

/* ---- guard_store.c ---- */

/* False: a person must act; said. */
bool sim_guard_store_open(struct sim_guard *guard, struct bw_guard_identity *out_own);
bool sim_guard_store_load(struct sim_guard *guard, uint32_t group,
                          struct bw_guard_memory *out_memory, struct bw_guard_mirror *out_mirror,
                          bool *out_has_mirror);
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
void sim_guard_greet_again(struct sim_guard *guard); /* closes the agent's connection */
void sim_guard_on_letter(struct sim_guard *guard, const struct sim_guard_task *task);
void sim_guard_on_closed(struct sim_guard *guard, uint64_t tag);
void sim_guard_refuse_hello(struct sim_guard *guard, const struct bw_session_refusal *refusal);
/* Carries out what machine/guard_session.h has to be done, until that is a step. */
void sim_guard_session_go_on(struct sim_guard *guard);

#endif
