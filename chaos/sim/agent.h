/* agent.h - an agent in the simulator: the product's machine (core/site.h) in a shell that does what
 * src/agent does, with a state file of its own format on the simulated disk.
 *
 *   agent.c          life, events one after the other, what the machine asks for
 *   agent_store.c    what must not be forgotten
 *   agent_link.c     the connection to the guard
 *   agent_sync.c     renewals, polls for orders, and what witnesses answer
 *   agent_fence.c    the fence without the guard
 *
 * `process->user` is the number of its state directory: two agents of one site may share one, and then
 * the second ends at once. */
#ifndef BW_SIM_AGENT_H
#define BW_SIM_AGENT_H

#include <breakwater/core/own_fence.h>
#include <breakwater/core/site.h>
#include <breakwater/wire/state.h>

#include "guard.h"

/* ---- the fence without the guard ---- */

struct sim_own_fence {
    struct bw_own_fence machine;
    struct bw_instant wake_at;
    struct sim_work work;
    struct sim_reach_kill kill;
    bool has_answer; /* to an action of the step that is being carried out */
    struct bw_own_fence_event answer;
};

/* ---- one group ---- */

struct sim_agent_place {
    uint32_t group;
    struct bw_site site;
    struct bw_instant wake_at;
    bool save_waits;                  /* for the next write */
    uint64_t save_number, save_begun; /* the newest; that in the write under way */
    bool has_mirror;
    struct bw_site_event mirror;
    struct sim_own_fence fence;
};

/* ---- the witnesses ---- */

#define SIM_SYNCS_MAX 2 /* unanswered, per witness */
struct sim_agent_witness {
    struct sim_process *process;
    struct {
        uint64_t tag; /* 0: free */
        struct bw_instant limit;
    } syncs[SIM_SYNCS_MAX];
    bool missed_sync;
    uint64_t poll_tag; /* 0: none is under way */
    uint32_t poll_life; /* of the witness that it was sent to */
    struct bw_instant poll_begun, poll_limit;
    struct bw_instant poll_at; /* the next one; never: one is under way */
    uint64_t poll_retry_ns;
};

/* ---- what is still to be done in this event, in order ---- */

enum sim_agent_task_kind {
    SIM_AGENT_STEP, /* `event` for a place; what it points to is in the task */
    SIM_AGENT_SYNC,
    SIM_AGENT_GREET,
    SIM_AGENT_ANSWER, /* its end: what follows from it for the poll or sync that it answered */
};
struct sim_agent_task {
    enum sim_agent_task_kind kind;
    struct sim_agent_place *place;
    struct bw_site_event event;
    struct bw_order order;
    struct bw_guard_message message;
    /* ANSWER */
    struct sim_agent_witness *witness;
    bool is_poll, is_taken;
    uint64_t newest_before;
};
#define SIM_AGENT_TASKS_MAX (12 * SIM_GROUPS_MAX)

enum sim_link_state { SIM_LINK_IDLE, SIM_LINK_GREETING, SIM_LINK_WELCOME, SIM_LINK_OPEN };
struct sim_agent_link {
    enum sim_link_state state;
    uint64_t tag; /* 0: no connection */
    struct bw_instant timer; /* to connect again, or for the answer to hello */
    uint64_t retry_ns;
    struct bw_instant opened;
    bool is_told_lost;
};

#define SIM_KEPT_MAX (2 * SIM_GROUPS_MAX) /* groups in the state file */
struct sim_agent {
    struct sim_process *process;
    struct sim_machine *machine;
    uint64_t directory;
    struct bw_agent_state state; /* its groups: `kept` */
    struct bw_agent_group kept[SIM_KEPT_MAX];
    struct bw_id session;
    struct sim_agent_place places[SIM_GROUPS_MAX];
    uint32_t place_count;
    struct sim_agent_link link;
    struct sim_agent_witness witnesses[SIM_WITNESSES];
    uint64_t tags; /* connections and requests so far */
    /* renewals */
    struct bw_renewals renewals;
    struct bw_instant sync_sent, sync_at;
    bool has_sent;
    struct bw_exchanges exchanges;
    struct bw_instant leader_heard;
    /* steps */
    struct sim_agent_task tasks[SIM_AGENT_TASKS_MAX];
    uint32_t task_first, task_count;
    struct sim_agent_place *stepping; /* NULL: no step is under way */
    bool is_tick;
    uint32_t next_action;
    struct bw_site_actions actions;
    bool is_ending; /* its disk is in doubt; own fences are finished first */
    /* saves: one write under way, the rest waits and goes together */
    bool is_saving, write_has_cluster;
    bool wants_cluster; /* known when it is durable */
    struct bw_id wanted_cluster_id;
    uint64_t wanted_generation;
    uint8_t buffer[16 * 1024];
    uint8_t written[16 * 1024]; /* by the write under way */
    size_t written_size;
};

/* NULL: it is dead. */
const struct bw_site *sim_agent_machine(const struct sim_process *agent, uint32_t group);

/* ---- agent.c ---- */

struct sim_agent_task *sim_agent_push(struct sim_agent *agent, enum sim_agent_task_kind kind);
struct sim_agent_task *sim_agent_push_event(struct sim_agent *agent, struct sim_agent_place *place,
                                            enum bw_site_event_kind kind);
struct sim_agent_place *sim_agent_find(struct sim_agent *agent, const char *group);
/* Until nothing is left to do, or the disk makes it wait. */
void sim_agent_go_on(struct sim_agent *agent);
/* Ends it as a supervisor sees it; own fences are finished first. */
void sim_agent_end(struct sim_agent *agent);
/* A number that no other life of any agent ever has. */
uint64_t sim_agent_tag(struct sim_agent *agent);
/* `at`, or now + what is left until both clocks have reached it: for one wake of either kind. */
struct bw_instant sim_wait_wake(const struct sim_process *process, struct bw_instant at);

/* ---- agent_store.c ---- */

/* False: it ends. */
bool sim_agent_store_open(struct sim_agent *agent);
/* SAVED follows later, once for all that was asked for until then. */
void sim_agent_save_group(struct sim_agent *agent, struct sim_agent_place *place, uint64_t number);
void sim_agent_save_cluster(struct sim_agent *agent, const struct bw_sync_answer *answer);
struct bw_site_memory *sim_agent_store_memory(struct sim_agent *agent, uint32_t group);
void sim_agent_read_mirror(struct sim_agent *agent, struct sim_agent_place *place);

/* ---- agent_link.c ---- */

void sim_link_open(struct sim_agent *agent);
void sim_link_send(struct sim_agent *agent, const struct bw_guard_message *message);
void sim_link_greet_again(struct sim_agent *agent);
void sim_link_say_hello(struct sim_agent *agent);
void sim_link_on_message(struct sim_agent *agent, const struct sim_message *message);
void sim_link_serve(struct sim_agent *agent);

/* ---- agent_sync.c ---- */

void sim_sync_open(struct sim_agent *agent);
void sim_sync_now(struct sim_agent *agent); /* coalesced */
void sim_sync_all(struct sim_agent *agent);
void sim_sync_serve(struct sim_agent *agent); /* what is due of requests and polls */
struct bw_instant sim_sync_wake(const struct sim_agent *agent);
void sim_sync_on_message(struct sim_agent *agent, const struct sim_message *message);
void sim_sync_answered(struct sim_agent *agent, const struct sim_agent_task *task);

/* ---- agent_fence.c ---- */

void sim_own_fence_open(struct sim_agent_place *place);
void sim_own_fence_start(struct sim_agent *agent, struct sim_agent_place *place,
                         const struct bw_site_action *action);
void sim_own_fence_serve(struct sim_agent *agent, struct sim_agent_place *place);
struct bw_instant sim_own_fence_wake(const struct sim_agent_place *place);
bool sim_own_fences_run(const struct sim_agent *agent);

#endif
