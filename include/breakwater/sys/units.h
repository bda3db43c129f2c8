/* units.h - reach `units`: a service that systemd runs, as units that the group names. Design 3.4.
 *
 * systemctl is run as a tool of ours, never waited for: each call answers by a callback. What a
 * signal did is only known by a look after it. A unit that systemd may start again by itself after its
 * end cannot be ended by a KILL. Loop rule: all calls on the loop's thread. */
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

enum bw_unit_activity {
    BW_UNIT_UNKNOWN, /* not seen, not loaded, or a word that we do not know: never counts as down */
    BW_UNIT_UP,      /* active, or on its way up or down; or systemd has a job for it that has not begun */
    BW_UNIT_DOWN,    /* inactive or failed, no job, and no process is left in its cgroup */
};

#define BW_UNIT_AGAIN_BYTES 80

struct bw_unit {
    char name[BW_UNIT_NAME_BYTES];
    /* ControlGroup, the last one known; of a unit that was not up yet, where its slice will have it; "" before */
    char cgroup[BW_UNIT_CGROUP_BYTES];
    char slice[BW_UNIT_NAME_BYTES]; /* private: Slice, as seen last */
    char id[BW_UNIT_NAME_BYTES];    /* private: Id, as seen last: what `name` stands for */
    enum bw_unit_activity activity;    /* by the last look */
    char again[BW_UNIT_AGAIN_BYTES];   /* private, see bw_unit_comes_again */
    bool is_loaded;                    /* private: only then its activity means anything */
    bool has_job;                      /* private: what is ordered may begin yet */
};

/* Takes one line KEY=VALUE of `systemctl show` with BW_UNIT_PROPERTIES; what it does not know changes nothing. */
void bw_unit_take_line(struct bw_unit *unit, const char *line, size_t bytes);
#define BW_UNIT_PROPERTIES                                                                    \
    "--property=Id,LoadState,ActiveState,Job,ControlGroup,Slice,Restart,RestartForceExitStatus,TriggeredBy," \
    "UpheldBy,OnFailure,OnSuccess,OnFailureOf,OnSuccessOf"
/* What may make systemd start it again by itself after it was ended by TERM, KILL or itself, as its file
 * says it ("Restart=on-failure"); NULL: nothing. */
const char *bw_unit_comes_again(const struct bw_unit *unit);

struct bw_units;
/* BW_OK: systemctl did it. Else `diag` says what it said. */
typedef void (*bw_units_on_done)(struct bw_units *units, enum bw_err err,
                                 const struct bw_diag *diag, void *user);

/* One systemctl at work. Private. */
struct bw_units_call {
    struct bw_script_run *run; /* NULL: none */
    bw_units_on_done on_done;
    void *user;
    char said[160]; /* the last line of stderr */
};

/* In the caller's memory, which must outlive its calls. */
struct bw_units {
    struct bw_script_runner *runner;
    const char *systemctl; /* kept; tests put their own here */
    struct bw_unit units[BW_UNITS_MAX];
    size_t count;
    char root[BW_CGROUP_ROOT_BYTES]; /* of what systemd names as cgroups */
    uint64_t limit_ns; /* for one call */
    struct bw_units_call look;
    struct bw_units_call signal;
    struct bw_unit seen[BW_UNITS_MAX]; /* of the look at work; taken over whole or not at all */
    size_t seen_count;
    bool is_new_block;
};

/* `names` as systemd writes them, with their suffix (harbor.service): BW_ERR_INVALID. No more than
 * BW_UNITS_MAX: BW_ERR_LIMIT. BW_ERR_NOT_FOUND: there is no systemctl. */
BW_MUST_CHECK enum bw_err bw_units_init(struct bw_units *units, struct bw_script_runner *runner,
                                        const char *const *names, size_t count, uint64_t limit_ns,
                                        struct bw_diag *diag);

/* Asks systemd for the state of all. On BW_OK `units` holds it; else it is as before, but for
 * activity, which is UNKNOWN. BW_ERR_BUSY: a look is at work. */
BW_MUST_CHECK enum bw_err bw_units_look(struct bw_units *units, bw_units_on_done on_done,
                                        void *user, struct bw_diag *diag);
/* All of them down, by the last look: what a fence must have seen. */
bool bw_units_are_down(const struct bw_units *units);

/* One of them that systemd may start again by itself, by the last look; NULL: none. */
const struct bw_unit *bw_units_that_comes_again(const struct bw_units *units);

/* `systemctl kill` for all. BW_ERR_BUSY: one is at work. */
BW_MUST_CHECK enum bw_err bw_units_signal(struct bw_units *units, int signal,
                                          bw_units_on_done on_done, void *user,
                                          struct bw_diag *diag);
/* One round of SIGKILL to the cgroups in which they are, or would be if they had come up since the last look, at
 * once and without systemd: for the last moment of a fence, when systemd may hang. BW_ERR_UNKNOWN: of a unit no
 * cgroup is known. */
BW_MUST_CHECK enum bw_err bw_units_kill_now(const struct bw_units *units, struct bw_diag *diag);
/* The processes in those cgroups, now: at most `pids_max` pids, and how many there are. */
BW_MUST_CHECK enum bw_err bw_units_list(const struct bw_units *units, pid_t *out_pids,
                                        size_t pids_max, size_t *out_count, struct bw_diag *diag);

#endif
