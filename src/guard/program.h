/* program.h - a running guard: what its files share.
 *
 *   program.c        life: open, signals, close; groups that no file names; mirrors whose guard cannot start
 *   reload.c         SIGHUP
 *   guard_group.c    one group: its machine, reach
 *   execute.c        what the machine asks for
 *   run.c, steps.c   scripts in their slots, and lists of steps
 *   store.c          memory, mirror, the cluster; by what a group is ended
 *   mirrors.c        mirrors on their way to /run, and those of other names
 *   agent_link.c     the agents that connect
 *   enforcer_link.c, relief.c, means.c  the process that kills at D, those of earlier guards, by which descriptors
 *   step_log.c       what a step did, as log lines
 *   shown.c          what it shows to who only looks
 *
 * Everything belongs to the loop's thread. The machine (machine/guard_machine.h, and before it
 * begins machine/guard_found.h) decides; nothing here does. */
#ifndef BW_GUARD_PROGRAM_H
#define BW_GUARD_PROGRAM_H

#include <uv.h>

#include <breakwater/config/site_config.h>
#include <breakwater/guard/guard.h>
#include <breakwater/machine/guard_found.h>
#include <breakwater/obs/log.h>
#include <breakwater/os/durable.h>
#include <breakwater/steps/steps.h>
#include <breakwater/sys/deadline.h>
#include <breakwater/sys/heartbeat.h>
#include <breakwater/sys/kept_listener.h>
#include <breakwater/sys/process_tree.h>
#include <breakwater/sys/reach.h>
#include <breakwater/sys/script.h>
#include <breakwater/sys/unit_reach.h>
#include <breakwater/sys/unix_socket.h>
#include <breakwater/sys/worker.h>
#include <breakwater/wire/guard_message.h>
#include <breakwater/wire/state.h>

struct bw_guard_program;
struct bw_guard_group;

/* ---- store.c ------------------------------------------------------------------------------- */

/* STATE_DIR/guard: `lock`, `cluster`, GROUP.memory. RUN_DIR/SITE-guard: GROUP.mirror. */
struct bw_guard_store {
    char state_path[512];
    char mirror_path[512];
    int state_dir; /* -1: not open */
    int mirror_dir;
    int lock;
    int mirror_lock;
    struct bw_id boot_id;
    uint64_t time_namespace;
    char site[BW_NAME_MAX + 1];
    struct bw_id cluster_id; /* the one this guard serves; none: no agent has said it yet */
    uint64_t generation;
    char reach_key[BW_REACH_KEY_BYTES]; /* of the marks of what it begins */
};

/* The jobs of the workers are theirs, with a copy of the store's descriptors and paths: a thread that hangs
 * outlives the guard. */

/* Which cluster the store is of, on its way to the disk. */
struct bw_guard_pin {
    struct bw_guard_store store; /* as it is to be */
    enum bw_err err;
    struct bw_diag diag;
};

/* What a guard leaves in the directory of its mirrors where another process has it: a caretaker makes room. */
#define BW_GUARD_WANTED_NAME "wanted"

/* Opens and locks. BW_ERR_BUSY: another guard runs. BW_ERR_CORRUPT, BW_ERR_VERSION, BW_ERR_REFUSED:
 * a person must act, the diag says how. Half-opened on an error: close it. */
BW_MUST_CHECK enum bw_err bw_guard_store_open(struct bw_guard_store *store,
                                              const struct bw_site_config *config,
                                              struct bw_diag *diag);
/* The mirrors in `path` alone, of a site whose guard cannot start: nothing is kept beyond the boot.
 * BW_ERR_BUSY: their guard lives, they are its. */
BW_MUST_CHECK enum bw_err bw_guard_store_open_mirrors(struct bw_guard_store *store,
                                                      const char *path, struct bw_diag *diag);
void bw_guard_store_close(struct bw_guard_store *store);
/* Another guard may begin: whoever still has its descriptors only reads. */
void bw_guard_store_unlock(struct bw_guard_store *store);
/* What is there of `group`: memory and mirror, and why one of them cannot be read. No memory is an empty one; one
 * that is damaged never is. */
void bw_guard_store_find(const struct bw_guard_store *store, const char *group,
                         struct bw_guard_found *out_found, struct bw_diag *out_memory_diag,
                         struct bw_diag *out_mirror_diag);
/* What is there of a group that is to be opened: all that an opening needs of a disk. */
struct bw_guard_files {
    struct bw_guard_found found;
    struct bw_diag memory_diag, mirror_diag; /* of its two errors */
    bool has_broken_start; /* its mirror names a start by steps that is not whole (5.1) */
    uint64_t proof;        /* what a trial has proved; 0: nothing, and the diag is empty where there was none */
    struct bw_diag proof_diag;
};
/* May take as long as the disk does. `site`: whose `group` is. */
void bw_guard_files_read(const struct bw_guard_store *store, const struct bw_site_config *site,
                         const struct bw_group_config *group, struct bw_guard_files *out_files);
#define BW_GUARD_FILE_NAME_BYTES (BW_NAME_MAX + 16)
/* By what a group is ended, on its way to a file: written before what it stands beside. */
struct bw_guard_reach_copy {
    char name[BW_GUARD_FILE_NAME_BYTES];
    uint8_t *bytes; /* NULL: it is there already */
    size_t size;
    uint64_t version;
};
/* What a file is to say, on its way there: made on the loop, written by a worker. */
struct bw_guard_file_copy {
    char name[BW_GUARD_FILE_NAME_BYTES];
    uint8_t bytes[BW_GUARD_FILE_BYTES_MAX];
    size_t size;
    struct bw_guard_reach_copy reach;
    enum bw_err err; /* what has failed so far: nothing is written then */
    struct bw_diag diag;
};
/* A memory on its way to the disk. */
struct bw_guard_save {
    struct bw_guard_group *group;
    bool is_nobodys; /* of an epoch that is not ours to remember: nothing is written */
    char refuted[BW_NAME_MAX + 1]; /* the group whose trial's proof is over (3.4): its file goes first; "": none */
    struct bw_guard_file_copy file;
};
/* Fills all of `out_file` but its reach. */
void bw_guard_store_prepare(const char *group, const struct bw_guard_memory *memory,
                            struct bw_guard_file_copy *out_file);
/* What waits goes together: the disk takes many in little more time than one. */
struct bw_guard_save_round {
    struct bw_guard_store store;
    uint32_t count;
    struct bw_guard_save saves[BW_DURABLE_ITEMS_MAX];
};
/* Of a struct bw_guard_save_round; may take as long as the disk does. */
void bw_guard_store_save(void *of);
/* A mirror on its way to /run. */
struct bw_guard_mirror_write {
    struct bw_guard_group *group;
    uint64_t number;                /* of the MIRROR that it answers, with all before */
    struct bw_enforcer_order order; /* the deadline that it says */
    struct bw_guard_file_copy file;
};
/* Fills all of `out_file` but its reach. */
void bw_guard_store_prepare_mirror(const struct bw_guard_store *store, const char *group,
                                   const struct bw_guard_mirror *mirror, struct bw_id cluster_id,
                                   struct bw_guard_file_copy *out_file);
/* May take as long as the file system of /run does. */
void bw_guard_store_write_mirror(const struct bw_guard_store *store,
                                 struct bw_guard_file_copy *file);
/* Somebody has removed their directory: makes it again, empty, and locks it. BW_ERR_BUSY: another guard has
 * it now. May take as long as the file system does. */
BW_MUST_CHECK enum bw_err bw_guard_store_make_mirrors_again(struct bw_guard_store *store,
                                                            struct bw_diag *diag);
/* A bw_guard_pin to the disk, which may hang: on a worker. */
void bw_guard_store_pin(void *of);

/* ---- one group: guard_group.c, execute.c, run.c ---------------------------------------------- */

/* What runs in a slot of the machine. */
struct bw_guard_work {
    struct bw_guard_group *group;
    enum bw_guard_slot slot;
    struct bw_guard_run run;
    struct bw_script_run *script; /* NULL: none */
    struct bw_guard_steps *steps; /* of the run; NULL: it is a script, or was */
    uint64_t interrupted;         /* the run after whose steps it goes on; 0: none */
    struct bw_guard_run_ended ended;
    uint64_t digest;              /* of the scripts as they were when it ran; 0: not looked at */
    size_t tail_bytes; /* of readiness: the last whole lines of its stdout */
    char tail[BW_SCRIPT_TAIL_BYTES_MAX];
};

struct bw_guard_group {
    struct bw_guard_program *program;
    const struct bw_group_config *config; /* in the program's */
    struct bw_guard machine;
    struct bw_guarded at; /* its part of the program's machine */
    struct bw_reach reach;
    struct bw_reach_kill kill;
    bool has_trial;                   /* the proof of a trial lies beside its memory */
    bool is_reach_proved;             /* of what the scripts started */
    bool has_logged_unproved;         /* why that waits */
    struct bw_unit_reach *unit_reach; /* NULL: the group names no units */
    bool are_units_seen;
    bool has_warned_restart;            /* of a unit that systemd starts again */
    struct bw_instant units_looked_at;
    struct bw_process left_process; /* by a scan: one that a start has left; pid 0: none is known */
    bool has_handles; /* `kill` is the loop's */
    struct bw_guard_work work[BW_GUARD_SLOT_COUNT];
    bool has_warned_shell[BW_ACTION_COUNT];
    struct bw_steps_interrupted interrupted; /* a start by steps, by the guard before this one */
    bool has_logged_unreadable; /* why its status says nothing */
    enum bw_refusal logged_refusal; /* of an arm, as the log last said; NONE: armed since */
    bool are_means_short; /* what ends it cannot all be opened now; has been logged */
    bool are_means_full;  /* there may be more than it can hold; has been logged */
    bool are_paths_full;  /* likewise of its units */
    uint8_t *reach_bytes;          /* store.c: by what it is ended */
    size_t reach_size;
    bool is_reach_kept;            /* by more than its names */
    uint64_t reach_version;        /* of these bytes, from 1 */
    uint64_t reach_saved;          /* the one beside its memory; 0: none that we know of */
    uint64_t reach_mirrored;       /* the one beside its mirror */
    struct bw_group_config
        *left; /* while the site file does not name it: what it was, its own; else NULL */
    struct bw_guard_save save;     /* its newest SAVE, until a round takes it */
    struct {                       /* shown.c */
        enum bw_service service;
        struct bw_instant service_at;
        struct bw_guard_script_end action;
        struct bw_guard_script_end failure;
    } shown;
};

/* The group of `config` with what is kept of it, `files`; what a predecessor left running is ended. `is_kept`: where its
 * memory cannot be read, what is armed in its mirror is enforced, and no more. */
BW_MUST_CHECK enum bw_err bw_guard_group_open(struct bw_guard_program *program,
                                              const struct bw_group_config *config,
                                              const struct bw_guard_files *files, bool is_kept,
                                              struct bw_guard_group **out_group,
                                              struct bw_diag *diag);
/* The scripts and limits of `config` are in force from here on. */
void bw_guard_group_configure(struct bw_guard_group *group, const struct bw_group_config *config);
/* PROVE: shows that everything in reach can be ended, unless a deadline is too near for it: then `is_late`, in
 * the first quiet moment after a run. */
enum bw_guard_proof bw_guard_group_prove(struct bw_guard_group *group, bool is_late);
/* Whether it can go on without the site file, by what is kept of its configuration; and from here
 * on it does. */
bool bw_guard_group_may_part(const struct bw_guard_group *group);
void bw_guard_group_part(struct bw_guard_group *group);
void bw_guard_group_close(struct bw_guard_group *group); /* its handles; the loop then ends them */
void bw_guard_group_free(struct bw_guard_group *group);

/* Carries out what the machine has to be done: after whatever has happened, and before the loop waits. */
void bw_guard_go_on(struct bw_guard_program *program, bool is_turn_over);
BW_MUST_CHECK enum bw_err bw_guard_saves_open(struct bw_guard_program *program,
                                              struct bw_diag *diag);
/* Asks systemd for its units, unless that was done a moment ago. */
void bw_guard_units_look_again(struct bw_guard_group *group);
/* KILL_REACH: everything, until it was seen gone; REACH_KILLED follows. */
void bw_guard_group_kill_reach(struct bw_guard_group *group);

/* SPAWN: forks the script; SPAWNED says how that went. When it failed, its end follows. */
void bw_guard_work_start(struct bw_guard_work *work, const struct bw_guard_run *run,
                         struct bw_guard_event *out_spawned);
/* TELL_END: how its run has ended, and what is left now. */
void bw_guard_work_tell_end(struct bw_guard_work *work, bool is_given_up,
                            struct bw_guard_event *out_event);

/* ---- steps.c --------------------------------------------------------------------------------- */

/* What is known of a list while it runs. */
struct bw_guard_step {
    char name[BW_NAME_MAX + 1];
    enum bw_step_phase phase;
    enum bw_step_state state;
    uint32_t attempt;
    uint32_t limit_ms; /* of each try */
    struct bw_instant begun;
};
struct bw_guard_steps {
    struct bw_guard_group *group;
    enum bw_action_kind action;
    uint64_t epoch;
    uv_poll_t poll;
    int fd; /* -1: closed */
    uint64_t run_id;
    uint32_t phase_ms[BW_STEP_PHASE_COUNT];
    bool asks_to_pass; /* it waits before its point of no return */
    struct bw_instant passed_at; /* when it was last told that it may */
    bool has_kept; /* a run before this one has done some of it: how long is not known */
    struct bw_instant reported_at; /* when its agent was told last how far it has come */
    uint32_t count;
    struct bw_guard_step items[BW_STEPS_MAX];
};

/* Has `spec` run the list that the group has for the action of `work`; `plan` is room for it, used
 * until the script was started, and `out_channel` the child's end of where it tells what happens,
 * the caller's to close. */
BW_MUST_CHECK enum bw_err bw_guard_steps_open(struct bw_guard_work *work,
                                              struct bw_steps_plan *plan,
                                              struct bw_script_spec *spec, int *out_channel,
                                              struct bw_diag *diag);
/* What lies behind its point of no return may begin (4). */
void bw_guard_steps_pass(const struct bw_guard_work *work);
/* To the agent: how far it has come. Without steps it does nothing. */
void bw_guard_steps_tell(const struct bw_guard_work *work);
/* Its run has ended, or was never begun. Without steps it does nothing. */
void bw_guard_steps_close(struct bw_guard_work *work);

/* ---- enforcer_link.c, relief.c, means.c ---------------------------------------------------------- */

struct bw_enforcer_link {
    bool is_open;
    uv_poll_t poll;
    bool is_poll_closing;
    int fd; /* -1: there is none */
    pid_t pid;
    int process; /* its pidfd: a number alone may be another's once it was reaped; open as long as fd */
    char name[32]; /* prefix and 16 hex digits */
    struct bw_enforcer_message message; /* being sent */
    struct bw_enforcer_message answer;  /* being read */
};

#define BW_RELIEF_MAX 8
struct bw_relief {
    bool is_incomplete; /* one could not be asked */
    uint32_t count;     /* have been asked, and have not answered */
    int fds[BW_RELIEF_MAX];
};

/* Makes the enforcer and tells it what is armed. From then on there always is one, or another is being
 * made, until close: which leaves it to what it holds. */
void bw_guard_enforcer_open(struct bw_guard_program *program);
void bw_guard_enforcer_close(struct bw_guard_program *program);
/* Ends it, also where it is frozen, and makes another; no deadline is acknowledged before that has it. */
void bw_guard_enforcer_replace(struct bw_guard_program *program);
/* ENFORCE. */
void bw_guard_enforcer_execute(struct bw_guard_program *program,
                                 const struct bw_enforcing_action *action);
/* By which descriptors it ends the group, from here on: after whatever makes new ones. */
void bw_guard_enforcer_tell_reach(struct bw_guard_group *group);
/* At most BW_ENFORCER_MEANS_MAX, to be closed by the caller. False: something that is there could not be
 * opened, as no descriptor is free, or (`out_is_full`) there is more; these are then no reach. */
BW_MUST_CHECK bool bw_guard_means_open(const struct bw_guard_group *group, int *out_fds,
                                       enum bw_enforcer_means *out_kinds, uint32_t *out_count,
                                       bool *out_is_full);
/* Its own cgroups and those in which its units are, or come up, as the paths of `out_message`. False: where one is could
 * not be looked up, as no descriptor is free. `out_is_full`: there is no room for them all. */
BW_MUST_CHECK bool bw_guard_means_paths(const struct bw_guard_group *group,
                                        struct bw_enforcer_message *out_message, bool *out_is_full);
/* True: cgroups of its own were gone, and are there again. */
bool bw_guard_cgroups_make_again(const struct bw_guard_group *group);

/* RELIEVE: asks the enforcers of guards before, or hears what they have answered. */
void bw_guard_relief_ask(struct bw_guard_program *program);
void bw_guard_relief_close(struct bw_guard_program *program);

/* ---- store.c ------------------------------------------------------------------------------ */

/* What is kept of `group`'s configuration changes with it. */
void bw_guard_reach_keep(struct bw_guard_group *group);
/* A copy to be written where `known` is not the newest; its owner frees the bytes. */
struct bw_guard_reach_copy bw_guard_reach_copy(const struct bw_guard_group *group, uint64_t known);
/* The group as `group` was kept: scripts, units, variables, limits. One block, to be freed. BW_ERR_NOT_FOUND:
 * nothing of it was. `out_file` points into it; without a script in it no more than names could be kept. */
BW_MUST_CHECK enum bw_err bw_guard_reach_config(const struct bw_guard_store *store,
                                                const char *group,
                                                struct bw_group_config **out_config,
                                                const struct bw_guard_reach_file **out_file,
                                                struct bw_diag *diag);

/* Likewise of a group that is open: without the site file. NULL: it cannot be kept. */
struct bw_group_config *bw_guard_reach_copy_config(const struct bw_guard_group *group);

/* ---- mirrors.c ------------------------------------------------------------------------------ */

#define BW_GUARD_DIR_SUFFIX "-guard" /* after the site's name */
#define BW_GUARD_DIRS_MAX   16       /* that one guard looks at */
struct bw_guard_dirs {
    char paths[BW_GUARD_DIRS_MAX][512];
    uint32_t count;
};
/* Adds those in `run_dir` that are not in `dirs` yet. */
void bw_guard_dirs_find(const char *run_dir, struct bw_guard_dirs *dirs);
/* Says which leases of other sites lie beside its own, with nobody who guards them. */
void bw_guard_dirs_say_unguarded(struct bw_guard_program *program);
/* Waits for the guard whose mirrors lie in `path`, a directory that may be another site's. True: it is to be opened, since
 * what is armed there is to be enforced, or a guard has it. False: nothing is. */
BW_MUST_CHECK bool bw_guard_dirs_await(struct bw_guard_program *program, const char *path);

/* All mirrors that changed while one round was on its way go with the next: however many groups there
 * are, one thread at most waits for /run, and the loop never does. */
struct bw_guard_mirror_round {
    struct bw_guard_store store;
    bool is_made_again; /* their directory: those of this round are all that it has */
    uint32_t count;
    struct bw_guard_mirror_write *writes; /* the round's */
};
BW_MUST_CHECK enum bw_err bw_guard_mirrors_open(struct bw_guard_program *program,
                                                struct bw_diag *diag);
/* Opened or not. True: a thread still uses the store's descriptors. */
bool bw_guard_mirrors_close(struct bw_guard_program *program);
/* WRITE: all mirrors that are due. */
void bw_guard_mirrors_write(struct bw_guard_program *program);

/* ---- step_log.c ------------------------------------------------------------------------------ */

void bw_guard_log_step(struct bw_guard_group *group, const struct bw_guard_seen *before);
void bw_guard_log_action(struct bw_guard_group *group, const struct bw_guard_action *action);
void bw_guard_log_end(struct bw_guard_work *work, const struct bw_script_result *result);
/* Says that its scripts are others than the machine goes by. */
void bw_guard_log_digest(const struct bw_guard_work *work);
void bw_guard_log_line(struct bw_guard_work *work, enum bw_script_stream stream, const char *line,
                       size_t bytes);

/* ---- shown.c ------------------------------------------------------------------------------- */

/* A run has ended: what it came to is shown from here on. */
void bw_guard_shown_note_end(struct bw_guard_work *work);
/* The answer to a SHOW: of one group, from memory. */
void bw_guard_shown_answer(struct bw_guard_program *program, const struct bw_guard_message *message,
                           struct bw_guard_message *out_answer);

/* ---- agent_link.c -------------------------------------------------------------------------- */

#define BW_GUARD_STRANGERS_MAX                                                                     \
    4 /* connections that have not said a valid hello; the oldest goes                             \
       */

#define BW_GUARD_READERS_MAX      8           /* that only look; the oldest goes */
#define BW_GUARD_READER_BYTES_MAX (64 * 1024) /* that one has not read; then it goes */

struct bw_guard_peer {
    struct bw_guard_program *program;
    struct bw_unix_connection *connection;
    struct bw_guard_peer *next; /* the newest first */
    uint64_t number;            /* by which the session knows it */
    bool is_failing;            /* it is being closed */
    bool is_reader;             /* it has asked to be shown something, and says nothing else */
    bool is_agent;              /* it has said anything else */
};
/* What no machine hears; a hello that is not welcome; PIN CLOSE WELCOME DONE. */
void bw_guard_agents_refuse(struct bw_guard_program *program,
                            const struct bw_guard_machine_action *action);
void bw_guard_agents_refuse_hello(struct bw_guard_program *program,
                                  const struct bw_session_refusal *refusal);
void bw_guard_agents_execute(struct bw_guard_program *program,
                               const struct bw_session_action *action);
/* Closes the connection `number`, if it is there. */
void bw_guard_agents_drop(struct bw_guard_program *program, uint64_t number);
/* False: the agent has to read what it was told before it is told more; or it is being closed. */
bool bw_guard_agents_may_greet(struct bw_guard_program *program);
BW_MUST_CHECK enum bw_err bw_guard_agents_listen(struct bw_guard_program *program,
                                                 struct bw_diag *diag);
void bw_guard_agents_close(struct bw_guard_program *program);
/* To the controlling agent, if there is one that reads. */
void bw_guard_agents_send(struct bw_guard_program *program, const struct bw_guard_message *message);

/* ---- reload.c ------------------------------------------------------------------------------ */

/* The site file and what it names are read by a thread: a file system that hangs holds up no deadline. */
struct bw_guard_reload {
    struct bw_worker *files; /* NULL: not open */
    uv_timer_t timer;        /* of a reading that takes long */
    bool is_wanted;          /* once more: it changed while it was read */
    bool is_slow;            /* and that was said */
};
BW_MUST_CHECK enum bw_err bw_guard_reload_open(struct bw_guard_program *program,
                                               struct bw_diag *diag);
/* True: its thread still reads by the store's descriptors. */
bool bw_guard_reload_close(struct bw_guard_program *program);
/* SIGHUP. */
void bw_guard_reload(struct bw_guard_program *program);

/* ---- the guard ----------------------------------------------------------------------------- */

#define BW_GUARD_SIGNALS 3
struct bw_guard_program {
    uv_loop_t loop;
    const char *config_file;
    struct bw_site_config *config;
    struct bw_log log;
    struct bw_guard_store store;
    struct bw_script_runner runner;
    bool has_runner;
    struct bw_instant left_behind_until; /* for what a predecessor left to die; 0: nobody waited */
    bool is_means_proved[2]; /* by enum bw_reach_means: a test child was seen, ended, seen to be gone */
    struct bw_guard_group **groups;
    uint32_t group_count;
    struct bw_group_config **forgotten; /* program.c: of groups that the file does not name */
    uint32_t forgotten_count;
    struct bw_guard_machine machine;
    struct bw_instant agent_contact_at; /* when the agent that controls it has said anything */
    struct bw_deadline wake; /* when the machine wants to go on by itself */
    uv_prepare_t prepare;    /* ... and before the loop waits */
    bool has_turns;          /* both are open */
    bool is_going_on;

    struct bw_kept_listener socket;
    struct bw_guard_peer *peers;
    uint64_t peer_count;             /* that ever were */
    struct bw_deadline welcome_more; /* when it has read enough to be told more */
    bool has_welcome_more;

    struct bw_enforcer_link enforcer;
    struct bw_relief relief;
    struct bw_worker *disk; /* of saves, one round at a time: at most one thread hangs; NULL: not open */
    struct bw_worker *pins;
    struct bw_worker *mirrors;
    struct bw_worker *looks; /* whether what is mirrored is still there */
    uv_timer_t look_timer;
    uint32_t dir_missed; /* looks in a row that did not find their directory */
    struct bw_guard_reload reload;
    bool is_at_work; /* at the end: one of them still uses the store's descriptors */
    bool is_reading; /* at the end: so does the reload's thread */

    uv_signal_t signals[BW_GUARD_SIGNALS];
    bool has_signals;
    struct bw_heartbeat heartbeat;
    struct bw_guard_opening opening;
    bool is_caretaker; /* of mirrors whose guard cannot start: no agent, no memory */
    bool is_beside;    /* of another name than the file's, which says who may serve here by now */
    bool is_ending; /* SIGTERM came; fences are finished first */
    bool is_closing;
};

struct bw_guard_group *bw_guard_program_find(const struct bw_guard_program *program,
                                             const char *group);
/* Opens a group for `config` and puts it among the others; `files` and `is_kept` as in bw_guard_group_open. */
BW_MUST_CHECK enum bw_err bw_guard_program_add(struct bw_guard_program *program,
                                               const struct bw_group_config *config,
                                               const struct bw_guard_files *files, bool is_kept,
                                               struct bw_diag *diag);
/* The group of a file whose name ends in `suffix`; false: it is none. */
bool bw_guard_file_group(const char *file, const char *suffix, char out_group[BW_NAME_MAX + 1]);
/* After each step: an end that waits for a fence may be due. */
void bw_guard_program_look(struct bw_guard_program *program);

#endif
