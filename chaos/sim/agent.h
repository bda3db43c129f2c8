/* agent.h - an agent in the simulator: the product's machine (machine/agent.h) on simulated clocks, disk,
 * network, processes and scripts.
 *
 *   agent.c          life, what the machine asks for
 *   agent_store.c    its files, and the guard's mirrors
 *   agent_talk.c     connections and exchanges
 *   agent_fence.c    the means of the fence without the guard
 *
 * `process->user` is the number of its state directory: two agents of one site may share one, and then
 * the second ends at once. */
#ifndef BW_SIM_AGENT_H
#define BW_SIM_AGENT_H

#include <breakwater/machine/agent.h>

#include "guard.h"

/* ---- the means of the fence without the guard ---- */

struct sim_own_fence {
    struct sim_work work;
    struct sim_reach_kill kill;
    uint64_t searches; /* begun; one that is not the newest is nobody's */
    uint64_t units_asked_ns; /* when it asked what its units do */
};

/* ---- exchanges with one witness, by the machine's number of it ---- */

struct sim_agent_caller {
    struct sim_process *process;
    uint32_t connected_life; /* of the witness to which a connection is open; 0: none */
    struct {
        uint64_t tag; /* 0: free */
        struct bw_instant limit;
    } syncs[BW_AGENT_SYNCS_MAX];
    uint64_t poll_tag;  /* 0: none is under way */
    uint32_t poll_life; /* of the witness that it was sent to */
    struct bw_instant poll_limit;
};

#define SIM_KEPT_MAX (2 * SIM_GROUPS_MAX) /* groups in the state file */
struct sim_agent {
    struct sim_process *process;
    struct sim_machine *machine; /* that it runs on */
    uint64_t directory;
    struct bw_agent_state state; /* its groups: `kept` */
    struct bw_agent_group kept[SIM_KEPT_MAX];
    struct bw_agent_machine program;
    struct bw_group_agent groups[SIM_GROUPS_MAX];
    struct bw_sync_group sync_groups[SIM_GROUPS_MAX];
    struct sim_own_fence fences[SIM_GROUPS_MAX];
    struct sim_agent_caller callers[BW_AGENT_WITNESSES_MAX];
    uint64_t link_tag; /* of the connection to the guard; 0: none */
    bool is_connected; /* the machine is to be told */
    uint64_t tags;     /* connections and requests so far */
    bool is_ending;    /* as its machine has asked for */
    uint8_t sync[16 * 1024];
    size_t sync_size;
    uint8_t written[16 * 1024]; /* by the write under way */
    size_t written_size;
    bool is_writing; /* its thread */
    struct bw_kept_members members; /* as it was found */
    uint8_t members_bytes[BW_KEPT_MEMBERS_BYTES_MAX]; /* on their way to the disk */
    size_t members_size;
    uint32_t read_groups[SIM_GROUPS_MAX]; /* whose mirrors are being read */
    uint32_t read_count;
};

/* NULL: it is dead. */
const struct bw_site *sim_agent_machine(const struct sim_process *agent, uint32_t group);

/* SIGHUP: its site file names these witnesses now, one bit for each, and other limits; no-op of one that is
 * dead. */
void sim_agent_reload(struct sim_process *agent, uint32_t witnesses);
/* It presents another certificate: on new connections, the open ones break. */
void sim_agent_rotate(struct sim_process *process);

/* ---- agent.c ---- */

/* Hands `event` to its machine. */
void sim_agent_happen(struct sim_agent *agent, const struct bw_agent_event *event);
/* What follows from what has happened, and when to wake. */
void sim_agent_finish(struct sim_agent *agent);

/* ---- agent_store.c ---- */

/* False: it ends. */
/* The boot of the site in which the agent of this host runs. */
struct bw_id sim_agent_boot(const struct sim_host *host);
bool sim_agent_store_open(struct sim_agent *agent);
void sim_agent_save(struct sim_agent *agent, const struct bw_agent_state *state);
void sim_agent_keep_members(struct sim_agent *agent, const struct bw_kept_members *members);
struct bw_site_memory *sim_agent_store_memory(struct sim_agent *agent, uint32_t group);
void sim_agent_read_mirrors(struct sim_agent *agent, const uint32_t *groups, uint32_t count);

/* ---- agent_talk.c ---- */

enum bw_err sim_agent_connect(struct sim_agent *agent, struct bw_diag *diag);
void sim_agent_disconnect(struct sim_agent *agent);
enum bw_err sim_agent_tell_guard(struct sim_agent *agent, const struct bw_guard_message *message);
enum bw_err sim_agent_use_witness(struct sim_agent *agent, uint32_t witness, const char *address);
enum bw_err sim_agent_make_sync(struct sim_agent *agent, const struct bw_sync *sync);
void sim_agent_send_sync(struct sim_agent *agent, uint32_t witness, uint32_t limit_ms);
void sim_agent_poll(struct sim_agent *agent, uint32_t witness, uint64_t after, uint32_t limit_ms);
void sim_agent_on_message(struct sim_agent *agent, const struct sim_message *message);
void sim_agent_serve_limits(struct sim_agent *agent); /* what nobody has answered in time */
struct bw_instant sim_agent_limit(const struct sim_agent *agent);

/* ---- agent_fence.c ---- */

enum bw_err sim_own_fence_do(struct sim_agent *agent, const struct bw_agent_action *action);
/* What has come to its end, at the wake-up asked for. */
void sim_own_fence_serve(struct sim_agent *agent, uint32_t group);
struct bw_instant sim_own_fence_wake(const struct sim_own_fence *fence);

#endif
