/* units.h - reaches `units` and `containers`: a service that another manager runs, systemd as units
 * that the group names, or Docker (Podman) as the containers of the compose projects that it names.
 * A container is a unit here. Design 3.4.
 *
 * The manager is asked by its own tool (systemctl, docker), never waited for: each call answers by
 * a callback. What a signal did is only known by a look after it. A unit that its manager may start
 * again by itself after its end cannot be ended by a KILL. Loop rule: all calls on the loop's
 * thread. */
#ifndef BW_SYS_UNITS_H
#define BW_SYS_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>
#include <breakwater/base/limits.h>
#include <breakwater/sys/cgroup.h>
#include <breakwater/sys/script.h>

#define BW_UNIT_NAME_BYTES   256 /* systemd's own limit, with the NUL */
#define BW_UNIT_CGROUP_BYTES 384
#define BW_UNITS_SEEN_MAX    32 /* of containers: more than a group names projects */

enum bw_unit_activity {
    BW_UNIT_UNKNOWN, /* not seen, not loaded, or a word that we do not know: never counts as down */
    BW_UNIT_UP, /* active, or on its way up or down; or systemd has a job for it that has not begun
                 */
    BW_UNIT_DOWN, /* inactive, failed or exited, no job, and no process is left in its cgroup */
};

#define BW_UNIT_AGAIN_BYTES 80
#define BW_UNIT_JOB_BYTES   16 /* 32 bits in digits */
#define BW_UNIT_INVOCATION_BYTES 33

struct bw_unit {
    char name[BW_UNIT_NAME_BYTES];
    /* The last one known; of a systemd unit that was not up yet, where its slice will have it; ""
     * before */
    char cgroup[BW_UNIT_CGROUP_BYTES];
    char slice[BW_UNIT_NAME_BYTES]; /* private: Slice, as seen last */
    char id[BW_UNIT_NAME_BYTES];    /* private: Id, as seen last: what `name` stands for */
    enum bw_unit_activity activity;    /* by the last look */
    char again[BW_UNIT_AGAIN_BYTES];   /* private, see bw_unit_comes_again */
    bool is_loaded;                    /* private: only then its activity means anything */
    bool has_job;                      /* private: what is ordered may begin yet */
    bool is_settled; /* up, and neither on its way nor ordered to be anything else */
    uint32_t restarts; /* private: how often its manager has started it again by itself, as it counts */
    uint32_t restarts_before; /* private: when that was last noted */
    char invocation[BW_UNIT_INVOCATION_BYTES]; /* private: which start of it that look has told of; "": not said */
    pid_t main_pid;           /* private: its main process, as its manager names it, that was there then; 0: none */
    bool is_main_gone;        /* private: it named one, which was there no more */
    uint64_t main_start_ticks;
    char job[BW_UNIT_JOB_BYTES]; /* of one that is inactive: what systemd holds for it; "": nothing */
    bool has_process;                  /* private, of a container: its manager knows one */
};

/* Takes one line KEY=VALUE of `systemctl show` with BW_UNIT_PROPERTIES; what it does not know changes nothing. */
void bw_unit_take_line(struct bw_unit *unit, const char *line, size_t bytes);
#define BW_UNIT_PROPERTIES                                                                    \
    "--property=Id,LoadState,ActiveState,Job,ControlGroup,Slice,Restart,RestartForceExitStatus,TriggeredBy," \
    "UpheldBy,OnFailure,OnSuccess,OnFailureOf,OnSuccessOf,NRestarts,MainPID,InvocationID"
/* What may make its manager start it again by itself after it was ended by TERM, KILL or itself, as
 * its file says it ("Restart=on-failure", "restart: always"); NULL: nothing. */
const char *bw_unit_comes_again(const struct bw_unit *unit);

/* Takes one line of what bw_containers_look prints, as the next of `seen` or of the last of them,
 * of which there are
 * `*count`, at most `max`. False: there is no room, or it is no such line. */
BW_MUST_CHECK bool bw_container_take_line(struct bw_unit *seen, size_t max, size_t *count,
                                          const char *line, size_t bytes);
/* For sh -c, with the path of the tool and then the projects as arguments: of each container a line
 * "container", its id, state, pid, restart policy and name, and then the lines of its
 * /proc/PID/cgroup. */
extern const char bw_containers_look[];

struct bw_units;
struct bw_unit_manager; /* sys/unit_manager.h */
/* BW_OK: the tool did it. Else `diag` says what it said. */
typedef void (*bw_units_on_done)(struct bw_units *units, enum bw_err err,
                                 const struct bw_diag *diag, void *user);

/* One tool at work. Private. */
struct bw_units_call {
    struct bw_script_run *run; /* NULL: none */
    bw_units_on_done on_done;
    void *user;
    char last_line[160]; /* the last line of stderr */
};

/* Who runs them. */
enum bw_units_of { BW_UNITS_OF_SYSTEMD, BW_UNITS_OF_COMPOSE };

/* In the caller's memory, which must outlive its calls. */
struct bw_units {
    struct bw_script_runner *runner;
    const struct bw_unit_manager *manager;
    const char *invocations; /* the folder in which systemd keeps the newest of each unit */
    char tool[256];     /* its path; "": there was none at the last look */
    bool is_tool_given; /* else it is looked for until one is found */
    char names[BW_UNITS_MAX][BW_UNIT_NAME_BYTES]; /* as the group has them: units, or projects */
    size_t name_count;
    /* One for each name; of a compose project those that the last look has seen: none, before */
    struct bw_unit units[BW_UNITS_SEEN_MAX];
    size_t count;
    bool is_seen;                    /* the last look has told of all */
    char root[BW_CGROUP_ROOT_BYTES]; /* of what systemd names as cgroups */
    struct bw_unit
        example;       /* a container whose cgroup was seen: how those of the others are named */
    uint64_t limit_ns; /* for one call of the tool */
    struct bw_units_call look;
    struct bw_units_call signal;
    struct bw_units_call cancel;
    struct bw_unit
        seen[BW_UNITS_SEEN_MAX]; /* of the look at work; taken over whole or not at all */
    size_t seen_count;
    bool is_new_block;
    size_t output_bytes; /* by that look */
    bool is_too_much; /* what was said is not understood, or too much of it */
};

/* `names` as systemd writes them, with their suffix (harbor.service), or compose projects:
 * BW_ERR_INVALID. No more than BW_UNITS_MAX: BW_ERR_LIMIT. `tool`: a path, or NULL for systemctl,
 * and for docker or else podman, where distributions have them.
 * Keeps none of its arguments but the runner. */
BW_MUST_CHECK enum bw_err bw_units_init(struct bw_units *units, struct bw_script_runner *runner,
                                        enum bw_units_of of, const char *const *names, size_t count,
                                        const char *tool, struct bw_diag *diag);
/* The tool that `tool` NULL stands for; NULL: it is not there. */
const char *bw_units_find_tool(enum bw_units_of of);
/* Who runs them, in a sentence: "systemd", "docker". */
const char *bw_units_manager_name(const struct bw_units *units);
/* What a person does so that it starts none of them again. */
const char *bw_units_restart_advice(const struct bw_units *units);

/* Asks for the state of all. On BW_OK `units` holds it; else it is as before, but for
 * activity, which is UNKNOWN. BW_ERR_BUSY: a look is at work. */
BW_MUST_CHECK enum bw_err bw_units_look(struct bw_units *units, bw_units_on_done on_done,
                                        void *user, struct bw_diag *diag);
/* All of them down, by the last look: what a fence must have seen. */
bool bw_units_are_down(const struct bw_units *units);

/* By the last look: one of them is on its way up or down, or ordered up. */
bool bw_units_is_any_coming(const struct bw_units *units);
/* By the last look: one of them is up, settled, and has no process now. */
bool bw_units_is_any_bare(const struct bw_units *units);
/* What comes again by itself from now on is told by is_any_restarted: by the last look, one of them is up, and its
 * manager has started it again since. */
void bw_units_note_restarts(struct bw_units *units);
bool bw_units_is_any_restarted(const struct bw_units *units);
/* What the last look has told may be older than what runs in one of them now: systemd has begun another invocation of it
 * since; where that cannot be read, its main process is another, or was gone already. Of a unit without one nothing tells
 * that there: the next look counts its restarts. */
bool bw_units_is_any_newer(const struct bw_units *units);
/* The last look has told of all. */
bool bw_units_are_known(const struct bw_units *units);

/* One of them that its manager may start again by itself, by the last look; NULL: none. */
const struct bw_unit *bw_units_that_comes_again(const struct bw_units *units);

/* For all, by `systemctl kill`; to containers at once, by their cgroups, and `on_done` is called
 * before it returns. BW_ERR_BUSY: one is at work. */
BW_MUST_CHECK enum bw_err bw_units_signal(struct bw_units *units, int signal,
                                          bw_units_on_done on_done, void *user,
                                          struct bw_diag *diag);
/* Takes back what systemd holds for units that the last look has seen inactive: an order that it has yet to carry
 * out, which no signal ends. Without one nothing is called. BW_ERR_BUSY: one is at work. */
BW_MUST_CHECK enum bw_err bw_units_cancel(struct bw_units *units, bw_units_on_done on_done, void *user,
                                          struct bw_diag *diag);
/* One round of SIGKILL to the cgroups in which they are, or would be if they had come up since the
 * last look, at once and without their manager: for the last moment of a fence, when that may hang.
 * BW_ERR_UNKNOWN: of a unit no cgroup is known. */
BW_MUST_CHECK enum bw_err bw_units_kill_now(const struct bw_units *units, struct bw_diag *diag);
/* The processes in those cgroups, now: at most `pids_max` pids, and how many there are. */
BW_MUST_CHECK enum bw_err bw_units_list(const struct bw_units *units, pid_t *out_pids,
                                        size_t pids_max, size_t *out_count, struct bw_diag *diag);

#endif
