/* plan.h - what will go wrong, and what people will do, drawn from the seed before the run begins: so
 * that a failing run can be tried again with less of it. */
#ifndef BW_SIM_PLAN_H
#define BW_SIM_PLAN_H

#include "world.h"

#define SIM_PLAN_MAX 8192 /* incidents in one run */
#define SIM_UPGRADE  "upgrade" /* the incident of worlds that begin old: once in each, and drawn in no other */
#define SIM_SICK_OFTEN "sick-" /* what incidents of a holder begin with that cannot show that it serves: with --often alone */
#define SIM_REVERT_OFTEN "revert" /* a directory goes back in time: with --often alone, once in a world */
#define SIM_SECOND_OFTEN "second-enforcer" /* what all incidents of second enforcers begin with */

/* One incident under way. */
struct sim_incident {
    uint32_t kind;    /* in sim_incident_kinds */
    uint64_t at_ns;   /* when it begins */
    uint64_t salt;    /* everything else about it is drawn from this */
    bool is_left_out; /* tried without it: shrinking */
    bool is_active;
    uint64_t until_ns;
    struct bw_prng chance;
    uint32_t a, b; /* which machine, process, ...: of its kind */
    uint64_t c;
    /* Set by its begin, for one that waits for a moment: called at once and again as long as it lasts.
     * Returns in how many ns to look again; 0: no more. */
    uint64_t (*look)(struct sim_world *world, struct sim_incident *incident);
    void (*later)(struct sim_world *world, struct sim_incident *incident); /* sim_plan_later */
    uint32_t stage;  /* of one that waits for its moments, one after another */
    uint32_t others; /* bits: the sites whose agents it has frozen */
};

enum sim_incident_class {
    SIM_INSIDE,  /* the promise holds under it (design 3.8) */
    SIM_OUTSIDE, /* it breaks an assumption of 3.8: an overlap at its site is counted, no failure */
    SIM_PEOPLE   /* somebody does something */
};

struct sim_incident_kind {
    const char *name; /* "cut-host" */
    enum sim_incident_class class;
    bool is_for_liveness; /* leaves nothing behind that a person must mend */
    uint32_t weight;      /* how often, against the others */
    uint32_t ms_min, ms_max; /* how long; 0, 0: at once */
    /* False: it does not fit now (nothing was done, and it is not counted). */
    bool (*begin)(struct sim_world *world, struct sim_incident *incident);
    void (*end)(struct sim_world *world, struct sim_incident *incident); /* NULL: nothing to end */
};

/* faults_*.c and operator*.c; each ends with a kind without a name. */
extern const struct sim_incident_kind sim_net_faults[];
extern const struct sim_incident_kind sim_process_faults[];
extern const struct sim_incident_kind sim_machine_faults[];
extern const struct sim_incident_kind sim_site_faults[];
extern const struct sim_incident_kind sim_faults_of_scripts[];
extern const struct sim_incident_kind sim_faults_together[];
extern const struct sim_incident_kind sim_faults_of_moments[];
extern const struct sim_incident_kind sim_forced_faults[];
extern const struct sim_incident_kind sim_operator_acts[];
extern const struct sim_incident_kind sim_operator_midway[];
extern const struct sim_incident_kind sim_operator_release[];
extern const struct sim_incident_kind sim_operator_members[];
extern const struct sim_incident_kind sim_operator_upgrade[];
extern const struct sim_incident_kind sim_operator_recovery[];
extern const struct sim_incident_kind sim_operator_override[];
extern const struct sim_incident_kind sim_second_faults[];
extern const struct sim_incident_kind sim_sick_faults[];
extern const struct sim_incident_kind sim_revert_faults[];

struct sim_saved; /* recovery.h */
struct sim_raft_disk;

struct sim_plan {
    struct sim_incident *incidents;
    uint32_t count;
    uint64_t calm_ns[2]; /* liveness: from when to when nothing goes wrong */
    bool is_witness_taken[SIM_WITNESSES_MAX]; /* its machine is part of a change of members */
    bool is_recovering; /* a majority is lost, and its machines are not back */
    bool is_overriding; /* somebody overrides while a quorum is away */
    uint32_t override_seen[SIM_SITES_MAX][SIM_GROUPS_MAX]; /* the moment that was seen last */
    struct sim_saved *saved; /* a state of before, which is to be restored; NULL: none */
    struct sim_raft_disk *copy; /* of a directory that is to go back in time; NULL: there is none */
    bool has_gone_back;         /* one has */
    uint64_t site_rests_until_ns[SIM_SITES_MAX]; /* one process of a site fails at a time (3.8) */
};

/* NULL: no memory. */
struct sim_plan *sim_plan_new(const struct sim_setting *setting);
void sim_plan_free(struct sim_plan *plan);
void sim_plan_begin(struct sim_world *world);
/* Liveness: the calm begins, every incident is over. */
void sim_plan_calm_down(struct sim_world *world);

uint32_t sim_incident_kind_count(void);
const struct sim_incident_kind *sim_incident_kind_at(uint32_t kind);
/* One about second enforcers: worlds that have them draw those apart from all others. */
bool sim_plan_is_of_second(const char *name);
bool sim_plan_is_of_sick(const char *name);
/* One that is drawn where it is wanted alone. */
bool sim_plan_is_apart(const char *name);
/* Of them those that a standard campaign fires, which come first. */
uint32_t sim_incident_kind_expected_count(void);
/* Whether incidents of this name are drawn in such a run. */
bool sim_incident_kind_is_drawn(const char *name, bool is_liveness);

/* May agent or guard of this site fail for `ns`? True notes it: neither fails again before the time
 * is over that a fence takes, since both at once are the supervisor's case (3.8). */
bool sim_plan_takes_site(struct sim_world *world, uint32_t site, uint64_t ns);

/* A site that serves anything, into `b`; false: none does. */
bool sim_plan_find_serving(struct sim_world *world, struct sim_incident *incident);

/* The witness that leads, into `a`; false: none does. */
bool sim_plan_find_leader(struct sim_world *world, struct sim_incident *incident);

/* Its place in the plan, which the story calls it by: for what happens later (sim_world_at). */
uint64_t sim_plan_number(const struct sim_world *world, const struct sim_incident *incident);

/* `fn` at that time, if the incident is not over by then. One at a time. */
void sim_plan_later(struct sim_world *world, struct sim_incident *incident, uint64_t at_ns,
                    void (*fn)(struct sim_world *world, struct sim_incident *incident));

/* For the story: what an incident does at its moment, and at which machine. */
void sim_plan_tell(struct sim_world *world, const struct sim_incident *incident,
                   const struct sim_host *host, const char *what);

/* The same for both of them, a guard that stands still beside an agent that begins anew: not where a
 * lease is about to end, before the agent can have found out (3.8). */
bool sim_plan_takes_both(struct sim_world *world, uint32_t site, uint64_t ns);

/* When whoever was left running at a site under this incident has surely been fenced by a guard that knows
 * of nothing but a deadline that is over: one fence that failed under it, and the next. */
uint64_t sim_plan_excused_until(const struct sim_world *world,
                                const struct sim_incident *incident);

#endif
