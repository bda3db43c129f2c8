/* program.h - a running guard: what its files share.
 *
 *   program.c    life: open, signals, close       reload.c      SIGHUP
 *   place.c      one group: its machine, reach    carry_out.c   what the machine asks for
 *   run.c        scripts in their slots           environment.c what a script is told
 *   store.c      memory, mirror, the cluster      agent_link.c  the agents that connect
 *   trace.c      what a step did, as log lines
 *
 * Everything belongs to the loop's thread. The machine (core/guard.h) decides; nothing here does.
 */
#ifndef BW_GUARD_PROGRAM_H
#define BW_GUARD_PROGRAM_H

#include <uv.h>

#include <breakwater/config/site_config.h>
#include <breakwater/core/guard.h>
#include <breakwater/guard/guard.h>
#include <breakwater/obs/log.h>
#include <breakwater/sys/deadline.h>
#include <breakwater/sys/reach.h>
#include <breakwater/sys/script.h>
#include <breakwater/sys/unit_reach.h>
#include <breakwater/sys/unix_socket.h>

struct bw_guard_program;
struct bw_guard_place;

/* ---- store.c ------------------------------------------------------------------------------- */

/* STATE_DIR/guard: `lock`, `cluster`, GROUP.memory. RUN_DIR/SITE-guard: GROUP.mirror. */
struct bw_guard_store {
    char state_path[512];
    char mirror_path[512];
    int state_dir; /* -1: not open */
    int mirror_dir;
    int lock;
    struct bw_id boot_id;
    uint64_t time_namespace;
    char site[BW_NAME_MAX + 1];
    struct bw_id cluster_id; /* the one this guard serves; none: no agent has said it yet */
    uint64_t generation;
    bool
        is_broken; /* a failed fsync: what the disk holds is not known, nothing is saved any more */
};

/* Opens and locks. BW_ERR_BUSY: another guard runs. BW_ERR_CORRUPT, BW_ERR_VERSION, BW_ERR_REFUSED:
 * a person must act, the diag says how. Half-opened on an error: close it. */
BW_MUST_CHECK enum bw_err bw_guard_store_open(struct bw_guard_store *store,
                                              const struct bw_site_config *config,
                                              struct bw_diag *diag);
void bw_guard_store_close(struct bw_guard_store *store);
/* No file: an empty memory, and `out_is_new`. Damaged: an error, never an empty one. */
BW_MUST_CHECK enum bw_err bw_guard_store_load(const struct bw_guard_store *store, const char *group,
                                              struct bw_guard_memory *out_memory, bool *out_is_new,
                                              struct bw_diag *diag);
/* BW_ERR_NOT_FOUND: there is none. BW_ERR_STALE: of another boot or time namespace. Any other
 * error: there is one, and it cannot be read. */
BW_MUST_CHECK enum bw_err bw_guard_store_load_mirror(const struct bw_guard_store *store,
                                                     const char *group,
                                                     struct bw_guard_mirror *out_mirror,
                                                     struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_guard_store_save(struct bw_guard_store *store, const char *group,
                                              const struct bw_guard_memory *memory,
                                              struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_guard_store_save_mirror(struct bw_guard_store *store,
                                                     const char *group,
                                                     const struct bw_guard_mirror *mirror,
                                                     struct bw_diag *diag);
/* From here on agents of another cluster, or of a lower generation, are refused. */
BW_MUST_CHECK enum bw_err bw_guard_store_pin(struct bw_guard_store *store, struct bw_id cluster_id,
                                             uint64_t generation, struct bw_diag *diag);

/* ---- one group: place.c, carry_out.c, run.c, environment.c --------------------------------- */

/* What runs in a slot of the machine. */
struct bw_guard_work {
    struct bw_guard_place *place;
    enum bw_guard_slot slot;
    struct bw_guard_run run;
    struct bw_script_run *script; /* NULL: none */
    bool has_ended;               /* RUN_ENDED waits for the step under way */
    struct bw_guard_run_ended ended;
    size_t tail_bytes; /* of readiness: the last whole lines of its stdout */
    char tail[BW_SCRIPT_TAIL_BYTES_MAX];
};

struct bw_guard_place {
    struct bw_guard_program *program;
    const struct bw_group_config *config; /* in the program's */
    struct bw_guard machine;
    struct bw_reach reach;
    struct bw_reach_kill kill;
    bool is_reach_proved;             /* of what the scripts started */
    struct bw_instant prove_again_at; /* after a failed proof */
    struct bw_unit_reach *unit_reach; /* NULL: the group names no units */
    bool are_units_seen;
    struct bw_deadline deadline;
    bool has_handles; /* deadline and kill are the loop's */
    struct bw_guard_work work[BW_GUARD_SLOT_COUNT];
    struct bw_instant wake_at;
    bool has_warned_shell[BW_ACTION_COUNT];
    enum bw_refusal told_refusal; /* of an arm, as the log last said; NONE: armed since */
};

/* A place of `config` with what is kept of it; what a predecessor left running is ended. */
BW_MUST_CHECK enum bw_err bw_guard_place_open(struct bw_guard_program *program,
                                              const struct bw_group_config *config,
                                              struct bw_guard_place **out_place,
                                              struct bw_diag *diag);
/* The scripts and limits of `config` are in force from here on. */
void bw_guard_place_configure(struct bw_guard_place *place, const struct bw_group_config *config);
/* Shows that everything in reach can be ended, unless a deadline is too near for it. */
void bw_guard_place_prove(struct bw_guard_place *place);
/* The same for a guard that began too near to a deadline: in the first quiet moment after a run. The
 * agent then hears of it in a new welcome. A proof that failed is tried again after a while. */
void bw_guard_place_prove_late(struct bw_guard_place *place);
void bw_guard_place_close(struct bw_guard_place *place); /* its handles; the loop then ends them */
void bw_guard_place_free(struct bw_guard_place *place);

/* Hands `event` to the machine with the instant read now, carries out what it asks for, and does
 * the same for the events that follow from that. Never called from within itself. */
void bw_guard_place_step(struct bw_guard_place *place, const struct bw_guard_event *event);
void bw_guard_place_tick(struct bw_guard_place *place);
/* KILL_REACH: everything, until it was seen gone; REACH_KILLED follows. */
void bw_guard_place_kill_reach(struct bw_guard_place *place);

/* SPAWN: forks the script; SPAWNED says how that went. When it failed, RUN_ENDED follows. */
void bw_guard_work_start(struct bw_guard_work *work, const struct bw_guard_run *run,
                         struct bw_guard_event *out_spawned);
/* True: the run of `work` has ended in the meantime; `out_event` says how. */
bool bw_guard_work_take_end(struct bw_guard_work *work, struct bw_guard_event *out_event);

/* The variables of design 5.1 for one run; the strings live in it. */
#define BW_GUARD_VARIABLES    11
#define BW_GUARD_VARIABLE_MAX 640
struct bw_guard_environment {
    char text[BW_GUARD_VARIABLES][BW_GUARD_VARIABLE_MAX];
    char *own; /* those of `env:`, one after the other */
    const char *list[BW_GUARD_VARIABLES + BW_ENV_MAX + 1];
};
BW_MUST_CHECK enum bw_err bw_guard_environment_init(struct bw_guard_environment *environment,
                                                    const struct bw_guard_place *place,
                                                    const struct bw_guard_run *run,
                                                    struct bw_diag *diag);
void bw_guard_environment_deinit(struct bw_guard_environment *environment);

/* ---- trace.c ------------------------------------------------------------------------------- */

/* What a step may change, as it was before. */
struct bw_guard_seen {
    enum bw_fence_state fence;
    uint64_t armed_epoch;
    uint64_t epoch_seen;
    uint64_t ended_epoch;
    uint64_t let_go_index;
    bool enforced;
    bool has_left;
};
void bw_guard_trace_begin(const struct bw_guard_place *place, struct bw_guard_seen *out_before);
void bw_guard_trace_step(struct bw_guard_place *place, const struct bw_guard_seen *before);
void bw_guard_trace_action(struct bw_guard_place *place, const struct bw_guard_action *action);
void bw_guard_trace_end(struct bw_guard_work *work, const struct bw_script_result *result);
void bw_guard_trace_line(struct bw_guard_work *work, enum bw_script_stream stream, const char *line,
                         size_t bytes);

/* ---- agent_link.c -------------------------------------------------------------------------- */

#define BW_GUARD_STRANGERS_MAX                                                                     \
    4 /* connections that have not said a valid hello; the oldest goes                             \
       */

struct bw_guard_peer {
    struct bw_guard_program *program;
    struct bw_unix_connection *connection;
    struct bw_guard_peer *next; /* the newest first */
    bool is_failing;            /* it is being closed */
};
BW_MUST_CHECK enum bw_err bw_guard_agents_listen(struct bw_guard_program *program,
                                                 struct bw_diag *diag);
void bw_guard_agents_close(struct bw_guard_program *program);
/* What the agent was told at its hello is no longer so: it has to say hello again. */
void bw_guard_agents_greet_again(struct bw_guard_program *program);
/* To the controlling agent, if there is one that reads. */
void bw_guard_agents_send(struct bw_guard_program *program, const struct bw_guard_message *message);

/* ---- the guard ----------------------------------------------------------------------------- */

/* Lists of actions that wait while what an earlier one asked for is carried out: SAVE, SPAWN,
 * MIRROR answer in their place, and an answer may ask for the next. */
#define BW_GUARD_NESTED_MAX 16
struct bw_guard_frame {
    struct bw_guard_actions actions;
    uint32_t next;
};

#define BW_GUARD_SIGNALS 3
struct bw_guard_program {
    uv_loop_t loop;
    const char *config_file;
    struct bw_site_config *config;
    struct bw_log log;
    struct bw_guard_store store;
    struct bw_script_runner runner;
    bool has_runner;
    struct bw_guard_place **places;
    uint32_t place_count;
    struct bw_group_config **forgotten; /* forgotten.c: of groups that the file does not name */
    uint32_t forgotten_count;
    struct bw_guard_frame *frames; /* BW_GUARD_NESTED_MAX */
    bool is_stepping;

    struct bw_unix_listener listener;
    bool is_listening;
    struct bw_guard_peer *peers;
    struct bw_guard_peer *agent;     /* the controlling one; NULL: none */
    struct bw_guard_hello hello;     /* what it said */
    uint32_t welcomed_count;         /* places that it has been told of */
    struct bw_deadline welcome_more; /* when it has read enough to be told more */
    bool has_welcome_more;

    uv_signal_t signals[BW_GUARD_SIGNALS];
    bool has_signals;
    bool is_ending; /* SIGTERM came; fences are finished first */
    bool is_closing;
};

struct bw_guard_place *bw_guard_program_find(const struct bw_guard_program *program,
                                             const char *group);
/* Opens a place for `config` and puts it among the others. */
BW_MUST_CHECK enum bw_err bw_guard_program_add(struct bw_guard_program *program,
                                               const struct bw_group_config *config,
                                               struct bw_diag *diag);
/* forgotten.c: guards the leases of groups that the file does not name any more; of those that have
 * none, the empty cgroups are removed. */
void bw_guard_program_guard_forgotten(struct bw_guard_program *program);
void bw_guard_program_free_forgotten(struct bw_guard_program *program);
/* Serves what is due in every group: deadlines go before messages (design 3.4). */
void bw_guard_program_serve_deadlines(struct bw_guard_program *program);
/* After each step: an end that waits for a fence may be due. */
void bw_guard_program_look(struct bw_guard_program *program);
void bw_guard_program_reload(struct bw_guard_program *program);

#endif
