/* operator_upgrade.c - a rolling upgrade, and back before the feature level is raised: machine by machine the other
 * release is installed, daemon by daemon it begins, in any order, while everything else goes wrong. At last, and now
 * and then too early, the level is raised; then an older release is put back on some machine, by mistake. Design 5.3.
 * `a`: the level that is rolled to; `b`: how often that may turn round; `c`: when it last went back; `others`: the
 * machine with the mistake, plus one. */
#include "upgrade.h"

#include <inttypes.h>
#include <string.h>

#include "check.h"
#include "checks.h"
#include "operator.h"
#include "witness_members.h"

#define TURNS_MAX       3
#define MISTAKES_MAX    3
#define PACE_MS         8000 /* between two steps, at most */
#define RESTART_NS      (5 * SIM_S)
#define SETTLED_NS      (60 * SIM_S) /* nobody counts on what was heard of a release before that */
#define EARLY_PER_MILLION   150000
#define TURN_PER_MILLION    60000
#define TERM_PER_MILLION    600000
#define MISTAKE_PER_MILLION 30000
#define MENDED_PER_MILLION  150000

enum { STAGE_ROLL, STAGE_RAISE, STAGE_RAISED };

/* ---- who runs what ------------------------------------------------------------------------------- */

/* Its daemons, which begin with what is installed. */
static bool is_daemon(const struct sim_process *process)
{
    return strcmp(process->ops->role, "witness") == 0 || strcmp(process->ops->role, "agent") == 0 ||
           strcmp(process->ops->role, "guard") == 0;
}

static bool is_behind(const struct sim_process *process)
{
    return process->health != SIM_DEAD && is_daemon(process) &&
           process->level != process->host->installed;
}

bool sim_upgrade_is_done(struct sim_world *world, const char *name)
{
    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++) {
        const struct sim_host *host = &world->hosts[i];
        const bool is_gone = host == sim_clone(world) && !host->is_up;

        if (strcmp(host->name, name) == 0 && !is_gone && host->installed != BW_FEATURE_LEVEL_NEWEST)
            return false;
    }
    for (uint32_t i = 0; i < world->process_count; i++)
        if (strcmp(world->processes[i]->host->name, name) == 0 && is_behind(world->processes[i]))
            return false;
    return true;
}

bool sim_upgrade_is_too_old(const struct sim_process *process)
{
    return process->level < sim_world_of(process)->upgrade.level;
}

/* Any that fits, from a random one on; NULL: none. */
static struct sim_host *find_host(struct sim_world *world, struct sim_incident *incident,
                                  bool (*fits)(const struct sim_host *host, uint32_t level),
                                  uint32_t level)
{
    const uint32_t count = sim_host_count(world);
    const uint32_t first = (uint32_t)bw_prng_below(&incident->chance, count);

    for (uint32_t i = 0; i < count; i++) {
        struct sim_host *host = &world->hosts[sim_host_index(world, (first + i) % count)];

        if (fits(host, level))
            return host;
    }
    return NULL;
}

/* A directory that asks to join is none of the older release's. */
static bool lacks(const struct sim_host *host, uint32_t level)
{
    if (level == SIM_OLD_LEVEL && host->kind == SIM_HOST_WITNESS &&
        host->number >= host->world->setting.founder_count)
        return false;
    return host->installed != level;
}

static bool runs_another(const struct sim_host *host, uint32_t level)
{
    (void)level;
    for (uint32_t i = 0; i < host->world->process_count; i++)
        if (host->world->processes[i]->host == host && is_behind(host->world->processes[i]))
            return true;
    return false;
}

static bool is_old(const struct sim_host *host, uint32_t level)
{
    return host->installed < level || runs_another(host, level);
}

/* ---- steps --------------------------------------------------------------------------------------- */

static void install(struct sim_world *world, const struct sim_incident *incident,
                    struct sim_host *host, uint32_t level)
{
    sim_plan_tell(world, incident, host,
                  level == BW_FEATURE_LEVEL_NEWEST ? "the new release is installed"
                                                   : "the old release is installed again");
    sim_count(world, level == BW_FEATURE_LEVEL_NEWEST ? "upgrade:forward" : "upgrade:back");
    host->installed = level;
    if (host->kind == SIM_HOST_WITNESS && (world->upgrade.ended >> host->number & 1) != 0) {
        world->upgrade.ended &= ~(1u << host->number);
        sim_process_let_return(world->witnesses[host->number]);
    }
}

/* As a package does it, or a crash. False: not now. */
static bool restart(struct sim_world *world, struct sim_incident *incident,
                    struct sim_process *process)
{
    const struct sim_host *host = process->host;

    if (host->kind == SIM_HOST_SITE && host->number < world->setting.site_count &&
        !sim_plan_takes_site(world, host->number, RESTART_NS))
        return false;
    sim_plan_tell(world, incident, host, "a daemon begins with what is installed");
    sim_count(world, "upgrade:restart");
    if (host->kind == SIM_HOST_WITNESS && sim_chance(&incident->chance, TERM_PER_MILLION))
        sim_witness_leave(process);
    else
        sim_process_kill(process);
    return true;
}

static void restart_one(struct sim_world *world, struct sim_incident *incident,
                        const struct sim_host *host)
{
    const uint32_t first = (uint32_t)bw_prng_below(&incident->chance, world->process_count);

    for (uint32_t i = 0; i < world->process_count; i++) {
        struct sim_process *process = world->processes[(first + i) % world->process_count];

        if (process->host == host && is_behind(process) && restart(world, incident, process))
            return;
    }
}

/* The other way, as long as no order to raise the level can come true. */
static void turn_round(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->b == 0 || world->upgrade.is_ordered || world->upgrade.orders_open > 0)
        return;
    incident->b--;
    incident->a = incident->a == BW_FEATURE_LEVEL_NEWEST ? SIM_OLD_LEVEL : BW_FEATURE_LEVEL_NEWEST;
    if (incident->a == SIM_OLD_LEVEL)
        sim_count(world, "upgrade:rolled_back");
}

static void try_to_raise(struct sim_world *world, const struct sim_incident *incident)
{
    struct sim_process *leader = sim_operator_leader(world);

    if (leader != NULL && incident->a == BW_FEATURE_LEVEL_NEWEST &&
        world->now_ns - incident->c >= SETTLED_NS)
        (void)sim_level_raise(leader);
}

static void roll(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *begun = find_host(world, incident, runs_another, incident->a);
    struct sim_host *next = find_host(world, incident, lacks, incident->a);

    if (incident->a == SIM_OLD_LEVEL)
        incident->c = world->now_ns;
    if (begun != NULL && (next == NULL || sim_chance(&incident->chance, 700000)))
        restart_one(world, incident, begun);
    else if (next != NULL)
        install(world, incident, next, incident->a);
    else if (incident->a == SIM_OLD_LEVEL || sim_chance(&incident->chance, 400000))
        turn_round(world, incident);
    else
        incident->stage = STAGE_RAISE;
    if (incident->a == SIM_OLD_LEVEL && incident->b == 0 && begun == NULL && next == NULL)
        incident->a = BW_FEATURE_LEVEL_NEWEST; /* forward for good */
    if (sim_chance(&incident->chance, TURN_PER_MILLION))
        turn_round(world, incident);
    if (sim_chance(&incident->chance, EARLY_PER_MILLION) &&
        find_host(world, incident, is_old, BW_FEATURE_LEVEL_NEWEST) != NULL)
        try_to_raise(world, incident);
    if (world->upgrade.is_ordered)
        incident->stage = STAGE_RAISE;
}

/* What comes of it is seen by the level. Machines that are made meanwhile have the newest release. */
static void raise(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = BW_FEATURE_LEVEL_NEWEST;
    if (world->upgrade.level == BW_FEATURE_LEVEL_NEWEST) {
        incident->stage = STAGE_RAISED;
        incident->b = MISTAKES_MAX;
        sim_count(world, "upgrade:done");
        return;
    }
    try_to_raise(world, incident);
}

/* ---- after the raise: the older release again, by mistake ----------------------------------------- */

static bool is_anything(const struct sim_host *host, uint32_t level)
{
    (void)level;
    return host->is_up && (host->kind == SIM_HOST_SITE || host->services != NULL);
}

/* It stays until somebody mends it: a daemon that begins meanwhile is refused, or ends. */
static void mend(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->others == 0)
        return;
    install(world, incident, &world->hosts[incident->others - 1], BW_FEATURE_LEVEL_NEWEST);
    incident->others = 0;
}

static void err_again(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *behind = find_host(world, incident, runs_another, 0);

    if (behind != NULL)
        restart_one(world, incident, behind);
    else if (incident->others != 0 && sim_chance(&incident->chance, MENDED_PER_MILLION))
        mend(world, incident);
    else if (incident->others == 0 && incident->b > 0 &&
             sim_chance(&incident->chance, MISTAKE_PER_MILLION)) {
        struct sim_host *host = find_host(world, incident, is_anything, 0);

        if (host == NULL)
            return;
        incident->b--;
        incident->others = host->index + 1;
        install(world, incident, host, SIM_OLD_LEVEL);
        sim_count(world, "upgrade:mistake");
    }
}

/* ---- as an incident that lasts ------------------------------------------------------------------- */

static uint64_t go_on(struct sim_world *world, struct sim_incident *incident)
{
    switch (incident->stage) {
    case STAGE_ROLL:
        roll(world, incident);
        break;
    case STAGE_RAISE:
        raise(world, incident);
        break;
    default:
        err_again(world, incident);
        break;
    }
    return (100 + bw_prng_below(&incident->chance, PACE_MS)) * SIM_MS;
}

static bool upgrade(struct sim_world *world, struct sim_incident *incident)
{
    incident->look = go_on;
    incident->stage = STAGE_ROLL;
    incident->a = BW_FEATURE_LEVEL_NEWEST;
    incident->b = (uint32_t)bw_prng_below(&incident->chance, TURNS_MAX + 1);
    incident->others = 0;
    incident->until_ns = world->plan->calm_ns[0];
    return true;
}

/* What is mixed may stay so; but nobody leaves a daemon that is refused. */
static void upgrade_is_over(struct sim_world *world, struct sim_incident *incident)
{
    mend(world, incident);
    for (uint32_t i = 0; i < world->process_count; i++)
        if (is_behind(world->processes[i]) && sim_upgrade_is_too_old(world->processes[i]))
            sim_process_kill(world->processes[i]);
}

const struct sim_incident_kind sim_operator_upgrade[] = {
    {SIM_UPGRADE, SIM_PEOPLE, true, 0, 0, 0, upgrade, upgrade_is_over},
    {.name = NULL},
};
