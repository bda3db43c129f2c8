/* site.h - a site in the simulator: agent and guard as the product's core machines with their state
 * files, scripts as actors, and the services that they start. */
#ifndef BW_SIM_SITE_H
#define BW_SIM_SITE_H

#include "world.h"

/* State files on a site's machine. The second agent has a state directory of its own. */
#define SIM_AGENT_FILE     "agent.state"
#define SIM_SECOND_FILE    "second.state"
#define SIM_AGENT_MEMBERS  "agent.witnesses"
#define SIM_SECOND_MEMBERS "second.witnesses"

extern const struct sim_process_ops sim_agent_ops;
extern const struct sim_process_ops sim_guard_ops;

/* Makes what a site's machine holds besides processes: services that are stopped. */
void sim_site_init(struct sim_host *host);
void sim_site_deinit(struct sim_host *host);

/* The service of a group serves at this site in this very instant: it is up, not frozen, and its
 * machine runs. */
bool sim_service_is_serving(const struct sim_host *host, uint32_t group);

/* A person has started it, and no start script since. */
bool sim_service_is_by_hand(const struct sim_host *host, uint32_t group);

/* No kill from its machine reaches it: time alone never ends what it does (3.4). */
bool sim_service_is_outside(const struct sim_host *host, uint32_t group);

/* And when it began, or since, its machine was cloned: the scripts of the copy speak for a service that is
 * not theirs, and nothing but a script ends this one (3.8: state directories are not copied). */
bool sim_service_is_twice(const struct sim_host *host, uint32_t group);
uint64_t sim_service_epoch(const struct sim_host *host, uint32_t group); /* whose start it was; 0: a person's */
/* Its start was an override's: no grant's, whatever epoch it goes by (3.8). */
bool sim_service_is_of_override(const struct sim_host *host, uint32_t group);
void sim_service_note_twice(struct sim_host *host, uint32_t group);
/* A process that a start has left in the reach was taken for it: seen inside, and never proved (3.3). */
bool sim_service_is_masked(const struct sim_host *host, uint32_t group);

/* ---- what faults and people do at a site ---- */

void sim_service_dies(struct sim_host *host, uint32_t group);
void sim_service_started_by_hand(struct sim_host *host, uint32_t group);
void sim_service_freeze(struct sim_host *host, bool is_frozen); /* all groups' services and scripts */
/* The machine loses power: services and children are gone. (The world kills its processes.) */
void sim_site_lost_power(struct sim_host *host);
/* Another disk: what was durable is gone too. For a machine without power. */
void sim_site_lost_disk(struct sim_host *host);
/* How scripts behave from now on; all zero: well. Percentages are per run. */
struct sim_script_faults {
    uint8_t fail_percent, hang_percent, slow_percent, wrong_word_percent;
    uint8_t fork_percent;        /* a start script leaves a child behind that goes on after its end */
    uint8_t ignore_term_percent; /* TERM does not end it or the service, KILL does */
    uint8_t lie_percent;         /* a start or stop exits 0 and has done nothing */
    uint32_t left_takes_ms;      /* that child, until the service is up; 0: as ever */
    bool is_sick;                /* a status of what is up says `unhealthy` */
    bool status_hangs;           /* each status does */
    bool is_away;                /* what the scripts speak to: each fails, no look tells anything */
    bool execs_in_window; /* a start: from the go-ahead until D - F is just over */
    uint32_t start_takes_ms;     /* a start: until it has its effect and ends; 0: as ever */
    uint32_t late_exec_ms;       /* from the go-ahead to exec, at most: a machine that is out of memory */
    uint32_t slow_death_ms;      /* from KILL until an action is gone, at most: its disk hangs */
    uint32_t search_ms;          /* a search through all processes: there are very many; 0: as ever */
    uint8_t ended_percent;       /* a look: somebody's signal ends it before it has said anything */
    uint8_t fence_fails_percent; /* the fence script, and every kill, do not end the service */
    uint64_t unfenced_until_ns;  /* what that has left alive is surely ended by then */
};
void sim_site_set_script_faults(struct sim_host *host, const struct sim_script_faults *faults);
void sim_site_clear_script_faults(struct sim_host *host);
/* What the condition script of a group says at a site, until it says something else. */
enum sim_condition { SIM_CONDITION_START, SIM_CONDITION_STOP, SIM_CONDITION_FAILS, SIM_CONDITION_HANGS };
void sim_site_set_condition(struct sim_host *host, uint32_t group, enum sim_condition condition);
/* Which scripts there are for this group, 1 to SIM_SCRIPTS_MAX: it stands for the digest of their bytes. Some
 * start the service where no signal from its guard reaches it. */
#define SIM_SCRIPTS_MAX 3
uint32_t sim_site_scripts(const struct sim_host *host, uint32_t group); /* in the files that are named */
/* The site file names others. A guard reads it when it begins, or is told to; until then it runs those that
 * it has read of. */
void sim_site_set_scripts(struct sim_host *host, uint32_t group, uint32_t scripts);
/* Those that it names are written over where they lie: the next run is one of these. */
void sim_site_edit_scripts(struct sim_host *host, uint32_t group, uint32_t scripts);
void sim_site_reload(struct sim_host *host); /* SIGHUP to the guard */
/* Readiness as the next runs print it. */
void sim_site_set_lag(struct sim_host *host, uint32_t group, bool is_known, uint64_t lag_ms);

/* For the checkers: the lease as agent and guard of this site believe in it, in words. */
void sim_site_describe(const struct sim_host *host, uint32_t group, char *out, size_t out_max);

#endif
