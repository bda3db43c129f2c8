/* machine.h - what runs on a site's machine beside agent and guard: services, scripts, and the kernel
 * that delivers signals to both.
 *
 *   machine.c   services, what they have replicated, signals and what is in reach
 *   script.c    scripts as actors: forked, told to go, at work, ended
 *   units.c     services that are units of systemd
 *   work.c      the side of whoever runs a script: its limit, TERM, KILL, its result
 *
 * Two processes of the world stand for all of it: `scripts` (frozen: every script and service of the
 * machine is) and `kernel`, which never is alone. */
#ifndef BW_SIM_MACHINE_H
#define BW_SIM_MACHINE_H

#include <breakwater/core/enforcer.h>
#include <breakwater/core/guard.h>
#include <breakwater/core/script_end.h>

#include "site.h"

/* ---- where something runs (sys/reach.h) ---- */

enum sim_slot {
    SIM_SLOT_SERVICE = 1, /* start and rejoin scripts, what they leave behind, the service */
    SIM_SLOT_ACTION = 2,
    SIM_SLOT_OBSERVE = 4,
    SIM_SLOT_FENCE = 8,
    SIM_SLOT_OWN = 16, /* the agent's own scripts: in nobody's reach */
    /* For signals only: its units, as far as who sends them knows where they come up (units.h). */
    SIM_SLOT_UNITS_GUARD = 32,
    SIM_SLOT_UNITS_AGENT = 64,
    SIM_SLOT_UNITS_ENFORCER = 128,
};
#define SIM_SLOTS_IN_REACH 15
#define SIM_SLOTS_SERVED   (SIM_SLOT_SERVICE | SIM_SLOT_ACTION) /* what a fence ends */

/* ---- scripts ---- */

enum sim_run_how { SIM_RUN_EXITED, SIM_RUN_SIGNALED, SIM_RUN_TOO_LATE, SIM_RUN_OTHER_SCRIPTS };

/* How a script ended, as its parent hears of it. */
struct sim_run_end {
    uint64_t serial;
    uint32_t group, key; /* of the order */
    uint32_t found;      /* of the run */
    enum sim_run_how how;
    int code;
    char line[32];
    char tail[96];
};

struct sim_run_order {
    struct sim_process *parent;
    uint32_t group, key; /* `key`: for the parent, to find it again */
    enum sim_slot slot;
    enum bw_action_kind action;
    uint64_t epoch;
    uint32_t scripts, files; /* which the guard wants, and by what name; 0: whatever there is */
    char target_position[BW_POSITION_MAX + 1];
    char previous_site[BW_NAME_MAX + 1];
    sim_later_fn on_end; /* for the parent, which frees its payload: a struct sim_run_end */
    bool holds;          /* a start by steps: before its effect it waits for sim_run_pass */
    sim_later_fn on_waits; /* likewise: that it does; the payload is its group */
};

/* What the seed has drawn for one run. */
struct sim_run_plan {
    uint64_t effect_ns, end_ns; /* from its exec */
    bool has_effect, hangs, ignores_term, lies, forks, speaks_nonsense, is_ended;
    int code;
};

struct sim_run {
    bool is_used, has_go, saw_up;
    bool waits;     /* before its point of no return */
    uint32_t found; /* the scripts that were there when it began; 0: not looked at */
    bool is_dying; /* KILL has reached it: it does nothing more, and is still there */
    uint64_t began_ns; /* true time of its exec */
    uint64_t serial; /* of which the place in the table is the remainder */
    uint32_t parent_life;
    struct bw_instant not_after;
    struct sim_run_order order;
    struct sim_run_plan plan;
};

/* ---- the machine ---- */

struct sim_service {
    bool is_up, ignores_term;
    /* It runs where no signal from here reaches it (a container daemon, another machine's API): only a
     * stop or fence script ends it. */
    bool is_outside;
    bool is_in_unit; /* in no cgroup of the guard's: what ends it has looked for it (units.h) */
    bool is_twice; /* outside, of a machine that is there twice: what the other says of its own is no end */
    bool is_masked; /* outside, and a look has found a process that a start has left in the reach: "inside" to
                     * whoever cannot tell the two apart (3.4), until its next start */
    uint64_t epoch; /* whose start brought it up; 0: a person */
    bool is_of_override; /* and that start was ordered while its site overrode */
    bool is_lag_known;
    uint64_t lag_ms, natural_lag_ms;
    uint64_t has_ms; /* what it has received for certain of the group's data: never less again */
};

/* How far a group's data has come: grows while its service is up anywhere. Kept at the first site. */
struct sim_data {
    uint64_t reached_ms, since_ns;
    uint32_t writers;
};

enum sim_unit_observer { SIM_UNITS_OF_GUARD, SIM_UNITS_OF_AGENT, SIM_UNIT_OBSERVERS };
struct sim_unit_sight {
    bool is_looking, is_look_again;
    bool has_seen; /* and knows from then on by which path its cgroup is found, whenever it comes up */
    uint64_t looks, looked_ns, seen_ns; /* when the newest began; when that began which has ended last */
    uint64_t told;                      /* which of `looks` that was */
    uint32_t seen_life;                 /* what that saw up; 0: nothing */
};
struct sim_unit {
    bool is_unit, comes_again; /* the group's nature; systemd starts it again after its end (Restart=) */
    uint32_t life;             /* grows with each start, which makes a cgroup */
    uint64_t orders;           /* start and stop */
    bool is_pending;           /* systemd is about to start it again: "activating", which is no end */
    struct sim_unit_sight sights[SIM_UNIT_OBSERVERS];
};

#define SIM_RUNS_MAX      256
#define SIM_ENFORCERS_MAX 4
struct sim_machine {
    struct sim_host *host;
    struct sim_process *scripts, *kernel;
    struct sim_process *enforcers[SIM_ENFORCERS_MAX]; /* each dead, or some guard's */
    struct bw_enforcer_order held[SIM_GROUPS_MAX];    /* the newest deadline that one of them has taken */
    struct sim_service services[SIM_GROUPS_MAX];
    struct sim_unit units[SIM_GROUPS_MAX];
    struct sim_data data[SIM_GROUPS_MAX];
    bool is_certificate_over; /* the agent's: no new connection is taken, an open one goes on (3.8) */
    bool is_site_file_bad; /* who begins now, or is to read it anew, cannot */
    bool is_unnamed[SIM_GROUPS_MAX];           /* by the site file that its guard reads */
    bool is_state_unreadable[SIM_GROUPS_MAX];  /* its guard's memory: the disk does not give it */
    uint32_t scripts_named[SIM_GROUPS_MAX]; /* by the site file: which of these files */
    uint32_t script_bytes[SIM_GROUPS_MAX][SIM_SCRIPTS_MAX]; /* what is in each */
    enum sim_condition conditions[SIM_GROUPS_MAX];
    bool starts_outside[SIM_GROUPS_MAX]; /* the group's nature: its first scripts do */
    uint32_t tried_scripts[SIM_GROUPS_MAX]; /* with which a trial has proved that a kill ends it (3.4); 0: none was made */
    /* At the API of what serves here, which outlives this machine: the newest epoch that a start
     * has told it, whether a stop or a fence of it has come since, and the newest that was fenced from
     * another machine. It refuses what is older (3.3). */
    uint64_t named_epoch[SIM_GROUPS_MAX], fenced_epoch[SIM_GROUPS_MAX];
    bool named_is_over[SIM_GROUPS_MAX];
    struct sim_run runs[SIM_RUNS_MAX];
    uint64_t forks;
    /* Its nature, in some runs: start scripts leave a daemon behind that takes its time; nothing but
     * KILL ends a service that is to be fenced, so that it serves as long as it ever may. */
    bool forks_always, is_stubborn;
    struct sim_script_faults faults;
};

static inline struct sim_machine *sim_machine(const struct sim_host *host)
{
    return host->services;
}
/* Whose limits these are: true `percent` times of a hundred. */
static inline bool sim_percent(struct sim_machine *machine, uint32_t percent)
{
    return percent != 0 && bw_prng_below(&machine->host->chance, 100) < percent;
}

/* The fact of guard/run.c: is something there that a start has left? */
enum bw_populated sim_reach_populated(struct sim_machine *machine, uint32_t group);
bool sim_service_is_here(const struct sim_service *service); /* up, in a cgroup of the guard's */
void sim_service_up(struct sim_machine *machine, uint32_t group, uint64_t epoch, bool is_outside);
/* Do these scripts start it where no signal from the guard reaches it? */
bool sim_scripts_start_outside(const struct sim_machine *machine, uint32_t group, uint32_t scripts);
void sim_service_down(struct sim_machine *machine, uint32_t group, const char *why);
/* The same by a stop or a fence of `epoch`: from then on it is over where what serves here has its API. */
void sim_service_ended(struct sim_machine *machine, uint32_t group, uint64_t epoch, const char *why);
/* Through that API, from another site or by a second enforcer: it may know of a newer epoch, and then
 * false says that nothing was done. */
bool sim_service_refuses_fence(struct sim_world *world, const char *site, uint32_t group,
                               uint64_t epoch);
bool sim_service_fenced(struct sim_world *world, const char *site, uint32_t group, uint64_t epoch,
                        const char *why);
/* What the group's data has reached at this site, in ms of service. */
uint64_t sim_service_position(const struct sim_machine *machine, uint32_t group);

/* One round of a signal to all in `slots` of the group. What it ends is gone within some ms, and now
 * and then only after almost `linger_ns_max`, in which it still serves. */
#define SIM_LINGER_NS_MAX (5 * SIM_MS)
void sim_reach_signal(struct sim_machine *machine, uint32_t group, uint32_t slots, bool is_kill,
                      uint64_t linger_ns_max);
bool sim_reach_is_empty(const struct sim_machine *machine, uint32_t group, uint32_t slots);

/* Forks a script that waits for its go-ahead. 0: no place for one more process. */
uint64_t sim_run_fork(struct sim_machine *machine, const struct sim_run_order *order);
/* Its go-ahead: it looks at the clocks and begins before `not_after`, or not at all. */
void sim_run_go(struct sim_machine *machine, uint64_t serial, struct bw_instant not_after);
bool sim_run_is_alive(const struct sim_machine *machine, uint64_t serial);
/* A signal reaches one script now. */
/* What lies behind its point of no return may begin. */
void sim_run_pass(struct sim_machine *machine, uint64_t serial);
void sim_run_signal(struct sim_machine *machine, uint64_t serial, bool is_kill);
/* Ended without anybody being told. */
void sim_run_vanish(struct sim_machine *machine, uint64_t serial);
/* `parent` has died: those that wait for its go-ahead exit, the others are orphans. */
void sim_runs_orphan(struct sim_machine *machine, const struct sim_process *parent);

/* ---- the side of whoever runs a script (sys/script.c) ---- */

enum sim_work_stage {
    SIM_WORK_NONE,
    SIM_WORK_WAITING,     /* forked; no go-ahead yet */
    SIM_WORK_RUNNING,     /* until its limit */
    SIM_WORK_TERMINATING, /* TERM was sent; KILL follows after the grace */
    SIM_WORK_KILLING,     /* KILL goes out until none is left in its slot */
};
struct sim_work {
    enum sim_work_stage stage;
    struct sim_run_order order;
    uint64_t serial, limit_ns, grace_ns;
    struct bw_instant went_at, kill_at;
    struct bw_instant wake_at; /* serve it then; never: nothing is due */
    uint32_t found; /* as the run has told */
    bool is_reaped, is_dropped; /* dropped: it never got its go-ahead */
    bool is_killed;             /* by us, or its limit came: `end.how` is settled */
    struct bw_script_end end;   /* as far as it is known */
    uint32_t rounds;
    struct bw_guard_run_ended ended; /* good once a call below has said that it is over */
};
/* False: nothing was forked. */
bool sim_work_start(struct sim_work *work, const struct sim_run_order *order);
void sim_work_go(struct sim_work *work, struct bw_instant not_after, uint64_t limit_ns,
                 uint64_t grace_ns);
/* KILL to its whole slot, again until none is left; or, before its go-ahead, its end. */
void sim_work_kill(struct sim_work *work);
/* Each returns true when the run is over with this; it is then NONE. */
bool sim_work_on_end(struct sim_work *work, const struct sim_run_end *end);
bool sim_work_serve(struct sim_work *work);

/* KILL to all in reach of a group, in rounds (sys/reach.c). */
struct sim_reach_kill {
    bool is_running;
    uint32_t slots;
    uint64_t began_ns; /* units must be seen down by a look since then */
    uint32_t rounds;
    uint64_t linger_ns_max;
    struct bw_instant wake_at;
};
void sim_reach_kill_start(struct sim_reach_kill *kill, struct sim_process *process,
                          uint32_t group, uint32_t slots, uint64_t linger_ns_max);
/* True: it is over; *out_ok: nothing was left. */
bool sim_reach_kill_serve(struct sim_reach_kill *kill, struct sim_process *process,
                          uint32_t group, bool *out_ok);

#endif
