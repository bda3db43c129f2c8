/* state.h - the files at a site as payloads (proto/state.proto): what agent and guard must not
 * forget. Framing, fsync and places are those of os/durable. Design 3.4, 3.5, 3.7.
 *
 * Encoding writes to `out` of `out_max` bytes. BW_ERR_INVALID: a value that could not be read again, or
 * that contradicts itself (bw_site_memory_unsound, bw_guard_memory_unsound, bw_guard_mirror_unsound).
 * BW_ERR_LIMIT, BW_ERR_NOMEM. On an error *out_size is untouched, `out` is not.
 * Decoding: BW_ERR_CORRUPT (one that contradicts itself too), BW_ERR_VERSION (of a newer breakwater:
 * unknown fields too, since to forget them may be unsafe), BW_ERR_LIMIT, BW_ERR_NOMEM; the output is then
 * untouched. Whether the file is of this machine, cluster, site or boot is the caller's business. */
#ifndef BW_WIRE_STATE_H
#define BW_WIRE_STATE_H

#include <breakwater/core/guard.h>
#include <breakwater/core/site.h>
#include <breakwater/core/sync.h>

#define BW_AGENT_STATE_BYTES_MAX (256 * 1024)
#define BW_GUARD_FILE_BYTES_MAX  2048 /* memory and mirror */

/* The mirror of group G is RUN_DIR/SITE-guard/G.mirror, framed by os/durable with these: the guard
 * writes it, an agent whose guard does not answer reads it. */
#define BW_GUARD_MIRROR_SUFFIX  ".mirror"
#define BW_GUARD_MIRROR_MAGIC   "BWGR"
#define BW_GUARD_MIRROR_VERSION 2
/* Likewise its memory, STATE_DIR/guard/G.memory, and the agent's file, STATE_DIR/agent/CLUSTER.state: a trial of its
 * scripts asks them whether the group is enforced. */
#define BW_GUARD_MEMORY_SUFFIX  ".memory"
#define BW_GUARD_MEMORY_MAGIC   "BWGM"
#define BW_GUARD_MEMORY_VERSION 2
#define BW_AGENT_STATE_SUFFIX   ".state"
#define BW_AGENT_STATE_MAGIC    "BWAS"
#define BW_AGENT_STATE_VERSION  2

/* The agent's file: all its groups, so that an order never finds one of them old. */
struct bw_agent_group {
    char name[BW_NAME_MAX + 1];
    struct bw_site_memory memory;
};
struct bw_agent_state {
    struct bw_id cluster_id; /* none: no witness has answered yet */
    uint64_t generation;     /* the highest seen; a lower one is refused (3.9) */
    char site[BW_NAME_MAX + 1];
    struct bw_id instance;   /* made with the state directory (3.7) */
    struct bw_id machine_id; /* none: the machine has none */
    uint32_t group_count;
    struct bw_agent_group *groups;
};
BW_MUST_CHECK enum bw_err bw_agent_state_encode(const struct bw_agent_state *state, void *out,
                                                size_t out_max, size_t *out_size,
                                                struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_agent_state_decode(const void *data, size_t size,
                                                struct bw_agent_state *out_state,
                                                struct bw_diag *diag);
/* Frees the groups of a decoded state; NULL and a zeroed state too. */
void bw_agent_state_deinit(struct bw_agent_state *state);

/* The members as a leader of this cluster told them last, in a file beside the agent's: whom to ask after a
 * restart, never whom to believe. STATE_DIR/agent/CLUSTER.witnesses, framed by os/durable with these. Nothing
 * that keeps a service safe rests on it: damaged it counts as none, and a release that does not know it leaves it
 * alone. */
#define BW_KEPT_MEMBERS_SUFFIX    ".witnesses"
#define BW_KEPT_MEMBERS_MAGIC     "BWAM"
#define BW_KEPT_MEMBERS_VERSION   2
#define BW_KEPT_MEMBERS_BYTES_MAX (8 * 1024)
struct bw_kept_members {
    struct bw_id cluster_id;
    uint32_t member_count;
    struct bw_member members[BW_WITNESSES_MAX]; /* by id, as they were told */
    uint32_t feature_level;                     /* told with them; 0: it was not */
    uint32_t longest_wait_ms; /* likewise: after which no lease of the cluster lives (3.8) */
};
BW_MUST_CHECK enum bw_err bw_kept_members_encode(const struct bw_kept_members *members, void *out,
                                                 size_t out_max, size_t *out_size,
                                                 struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_kept_members_decode(const void *data, size_t size,
                                                 struct bw_kept_members *out_members,
                                                 struct bw_diag *diag);

/* The guard's durable file of one group. */
struct bw_guard_memory_file {
    char group[BW_NAME_MAX + 1];
    struct bw_guard_memory memory;
};
BW_MUST_CHECK enum bw_err bw_guard_memory_encode(const struct bw_guard_memory_file *file, void *out,
                                                 size_t out_max, size_t *out_size,
                                                 struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_guard_memory_decode(const void *data, size_t size,
                                                 struct bw_guard_memory_file *out_file,
                                                 struct bw_diag *diag);

/* The guard's mirror of one group: its instants mean nothing in another boot or time namespace. */
struct bw_guard_mirror_file {
    char group[BW_NAME_MAX + 1];
    struct bw_id boot_id;
    uint64_t time_namespace;
    struct bw_guard_mirror mirror;
    struct bw_id cluster_id; /* whose epochs these are; none: nothing was armed */
};
BW_MUST_CHECK enum bw_err bw_guard_mirror_encode(const struct bw_guard_mirror_file *file, void *out,
                                                 size_t out_max, size_t *out_size,
                                                 struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_guard_mirror_decode(const void *data, size_t size,
                                                 struct bw_guard_mirror_file *out_file,
                                                 struct bw_diag *diag);

/* By what a group is ended, for a guard whose site file does not name it (any more), or cannot be read:
 * G.reach beside its mirror and beside its memory. Design 3.4. */
#define BW_GUARD_REACH_SUFFIX    ".reach"
#define BW_GUARD_REACH_BYTES_MAX (96 * 1024)
#define BW_GUARD_SCRIPTS_MAX     4
#define BW_GUARD_VARIABLES_MAX   64
struct bw_guard_script {
    enum bw_action_kind action;
    uint32_t timeout_ms;
    char path[1024];
};
struct bw_guard_unit {
    char name[256];
};
struct bw_guard_variable {
    char text[1024]; /* NAME=VALUE */
};
struct bw_guard_reach_file {
    char group[BW_NAME_MAX + 1];
    char cluster[BW_NAME_MAX + 1];
    char site[BW_NAME_MAX + 1];
    enum bw_reach_kind enforce;
    uint32_t kill_grace_ms;
    uint32_t script_count;
    struct bw_guard_script scripts[BW_GUARD_SCRIPTS_MAX];
    uint32_t unit_count;
    struct bw_guard_unit units[BW_UNITS_MAX];
    uint32_t variable_count;
    struct bw_guard_variable variables[BW_GUARD_VARIABLES_MAX];
    bool allow_writable_scripts;
    char container_tool[1024]; /* "": none was given */
};
BW_MUST_CHECK enum bw_err bw_guard_reach_encode(const struct bw_guard_reach_file *file, void *out,
                                                size_t out_max, size_t *out_size,
                                                struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_guard_reach_decode(const void *data, size_t size,
                                                struct bw_guard_reach_file *out_file,
                                                struct bw_diag *diag);

#endif
