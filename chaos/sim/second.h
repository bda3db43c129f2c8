/* second.h - second enforcers in the simulator (3.4): the product's machine (machine/second.h) on a
 * machine of its own beside each site, in worlds that have them (sim_setting.has_second_enforcer).
 *
 *   second.c           life, questions, the file
 *   second_scripts.c   looks and fences, through the API that outlives the machine of the guard
 * (machine.h)
 *
 * On each of their machines two processes: the second enforcer, and one that stands for its
 * scripts. */
#ifndef BW_SIM_SECOND_H
#define BW_SIM_SECOND_H

#include <breakwater/machine/second.h>

#include "world.h"

#define SIM_SECOND_ENFORCER_FILE "second-enforcer.state"
#define SIM_SECOND_MIRROR_FILE   "second-enforcer.mirror"

/* What the API, as it sees it, does to its scripts; all zero: well. Percentages are per run. */
struct sim_second_faults {
    uint8_t fail_percent, hang_percent, slow_percent;
    bool is_away; /* no look and no script gets an answer */
};

/* One script. */
struct sim_second_run {
    bool is_used, is_fence, is_killed, hangs, fails, has_effect, saw_up;
    uint64_t serial;
    uint32_t group, parent_life;
    uint64_t epoch;
    uint64_t effect_ns, end_ns; /* from its beginning */
    struct bw_instant limit;    /* by the clocks of its parent */
};
#define SIM_SECOND_RUNS_MAX (4 * SIM_GROUPS_MAX) /* with those whose parent is gone */

/* What one of these machines has, whoever lives on it. */
struct sim_second_site {
    struct sim_process *enforcer, *scripts;
    struct sim_second_faults faults;
    struct sim_second_run runs[SIM_SECOND_RUNS_MAX];
    uint64_t serials;
};

/* The state of a second enforcer that lives. */
struct sim_second {
    struct sim_process *process;
    struct sim_second_site *site;
    struct bw_second_machine program;
    struct bw_second_state state;
    struct bw_second_group kept[SIM_GROUPS_MAX];
    struct bw_second_ask_group ask_groups[SIM_GROUPS_MAX];
    struct bw_sync_group sync_groups[SIM_GROUPS_MAX];
    struct bw_second_served groups[SIM_GROUPS_MAX];
    uint64_t tag; /* of the question that waits; 0: none */
    struct bw_instant limit;
    uint8_t written[16 * 1024];
    size_t written_size;
    struct bw_second_mirror_file mirror;
    struct bw_second_mirror_group mirrors[SIM_GROUPS_MAX];
    uint8_t mirrored[16 * 1024];
    size_t mirrored_size;
};

void sim_seconds_make(struct sim_world *world);
void sim_seconds_free(struct sim_world *world);

static inline struct sim_second_site *sim_second_site(const struct sim_world *world, uint32_t site)
{
    return &world->seconds[site];
}

/* ---- second.c ---- */

void sim_second_happen(struct sim_second *second, const struct bw_second_machine_event *event);
void sim_second_finish(struct sim_second *second);

/* ---- second_scripts.c ---- */

enum bw_err sim_second_look(struct sim_second *second, uint32_t group);
enum bw_err sim_second_fence(struct sim_second *second, uint32_t group, uint64_t epoch,
                             uint64_t limit_ns);
void sim_second_kill(struct sim_second *second, uint32_t group, bool is_fence);
void sim_second_serve_limits(struct sim_second *second);
struct bw_instant sim_second_limit(const struct sim_second *second);
/* Their parent has died: some die with it. */
void sim_second_orphan(struct sim_second *second);
/* Their machine has lost its power. */
void sim_second_lost_power(struct sim_second_site *site);

#endif
