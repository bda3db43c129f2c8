/* faults_second.c - what goes wrong with second enforcers, and with the guard's machine beside that
 * (3.4). Drawn in worlds that have them alone, apart from all others (plan.c). */
#include <string.h>

#include "checks.h"
#include "net.h"
#include "plan.h"
#include "second.h"
#include "site.h"

static uint32_t draw_site(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = (uint32_t)bw_prng_below(&incident->chance, world->setting.site_count);
    return incident->a;
}
static struct sim_process *enforcer_of(struct sim_world *world, uint32_t site)
{
    return world->second_enforcers[site];
}
static uint8_t percent(struct sim_incident *incident)
{
    return (uint8_t)(5 + bw_prng_below(&incident->chance, 96));
}

/* ---- its process, its machine, its disk
 * ---------------------------------------------------------- */

static bool crashes(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_kill(enforcer_of(world, draw_site(world, incident)));
    return true;
}
/* And its agent, by one cause. */
static bool both_crash(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_kill(world->agents[draw_site(world, incident)][0]);
    sim_process_kill(enforcer_of(world, incident->a));
    return true;
}
static bool dies(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_keep_down(enforcer_of(world, draw_site(world, incident)));
    return true;
}
static void returns(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_let_return(enforcer_of(world, incident->a));
}
static bool stands(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_freeze(enforcer_of(world, draw_site(world, incident)));
    return true;
}
static void goes_on(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_thaw(enforcer_of(world, incident->a));
}
static bool loses_power(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *host = sim_second_host(world, draw_site(world, incident));

    if (!host->is_up)
        return false;
    sim_host_lose_power(host);
    return true;
}
static void boots(struct sim_world *world, struct sim_incident *incident)
{
    sim_host_boot(sim_second_host(world, incident->a));
}
static bool sleeps(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *host = sim_second_host(world, draw_site(world, incident));

    if (!host->is_up || host->is_suspended)
        return false;
    sim_host_suspend(host);
    return true;
}
static void wakes(struct sim_world *world, struct sim_incident *incident)
{
    sim_host_resume(sim_second_host(world, incident->a));
}
static bool disk_fails(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t kind = bw_prng_below(&incident->chance, 4);
    struct sim_disk_faults faults = {.is_full = kind == 0};

    if (kind == 1)
        faults.fail_percent = percent(incident);
    if (kind == 2)
        faults.unknown_percent = percent(incident);
    if (kind == 3)
        faults.hung_until_ns = incident->until_ns;
    enforcer_of(world, draw_site(world, incident))->disk = faults;
    return true;
}
static void disk_is_well(struct sim_world *world, struct sim_incident *incident)
{
    enforcer_of(world, incident->a)->disk = (struct sim_disk_faults){.is_full = false};
}

/* ---- between it and its agent
 * -------------------------------------------------------------------- */

static void set_cut(struct sim_world *world, const struct sim_incident *incident, bool is_cut)
{
    const uint32_t site = sim_site(world, incident->a)->index;
    const uint32_t second = sim_second_host(world, incident->a)->index;

    if (incident->b != 1)
        sim_net_cut(world, site, second, is_cut);
    if (incident->b != 2)
        sim_net_cut(world, second, site, is_cut);
}
static bool cut(struct sim_world *world, struct sim_incident *incident)
{
    (void)draw_site(world, incident);
    incident->b = (uint32_t)bw_prng_below(&incident->chance, 3);
    set_cut(world, incident, true);
    return true;
}
static void heals(struct sim_world *world, struct sim_incident *incident)
{
    set_cut(world, incident, false);
}
/* What it asks is there at once, and what it is answered comes as late as it may. */
static void set_late(struct sim_world *world, const struct sim_incident *incident, int64_t by_ns)
{
    struct sim_link *link = sim_link(world, sim_site(world, incident->a)->index,
                                     sim_second_host(world, incident->a)->index);

    link->delay_ns_min += (uint64_t)by_ns; /* unsigned: it comes back to what it was */
    link->delay_ns_max += (uint64_t)by_ns;
}
static bool answers_late(struct sim_world *world, struct sim_incident *incident)
{
    (void)draw_site(world, incident);
    incident->c = bw_prng_below(&incident->chance, world->setting.terms.request_timeout_ms) *
                  SIM_MS;
    set_late(world, incident, (int64_t)incident->c);
    return true;
}
static void answers_in_time(struct sim_world *world, struct sim_incident *incident)
{
    set_late(world, incident, -(int64_t)incident->c);
}

/* ---- the API
 * ------------------------------------------------------------------------------------- */

static bool scripts_fail(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t kind = bw_prng_below(&incident->chance, 4);
    struct sim_second_faults faults = {.is_away = kind == 0};

    if (kind == 1)
        faults.fail_percent = percent(incident);
    if (kind == 2)
        faults.hang_percent = percent(incident);
    if (kind == 3)
        faults.slow_percent = percent(incident);
    sim_second_site(world, draw_site(world, incident))->faults = faults;
    return true;
}
static void scripts_are_well(struct sim_world *world, struct sim_incident *incident)
{
    memset(&sim_second_site(world, incident->a)->faults, 0, sizeof(struct sim_second_faults));
}
/* For everybody. */
static void set_api(struct sim_world *world, uint32_t site, uint64_t until_ns, bool is_away)
{
    memset(&sim_second_site(world, site)->faults, 0, sizeof(struct sim_second_faults));
    sim_second_site(world, site)->faults.is_away = is_away;
    sim_checks_disturb(world, site, until_ns);
    if (is_away)
        sim_site_set_script_faults(sim_site(world, site),
                                   &(struct sim_script_faults){.is_away = true});
    else
        sim_site_clear_script_faults(sim_site(world, site));
}
static bool api_away(struct sim_world *world, struct sim_incident *incident)
{
    set_api(world, draw_site(world, incident), incident->until_ns, true);
    return true;
}
static void api_is_back(struct sim_world *world, struct sim_incident *incident)
{
    set_api(world, incident->a, world->now_ns, false);
}

/* ---- one after the other
 * ------------------------------------------------------------------------- */

enum {
    OF_ENFORCER_DEATH,
    OF_ENFORCER_STANDS,
    OF_ENFORCER_POWER,
    OF_ENFORCER_CUT,
    OF_API,
    OF_KINDS
};
enum { ENFORCER_FAILED = 1, GUARD_FAILED = 2 }; /* bits in `stage` */

static void fail_enforcer(struct sim_world *world, struct sim_incident *incident, bool is_begin)
{
    struct sim_process *enforcer = enforcer_of(world, incident->a);

    switch (incident->others) {
    case OF_ENFORCER_DEATH:
        if (is_begin)
            sim_process_keep_down(enforcer);
        else
            sim_process_let_return(enforcer);
        return;
    case OF_ENFORCER_STANDS:
        if (is_begin)
            sim_process_freeze(enforcer);
        else
            sim_process_thaw(enforcer);
        return;
    case OF_ENFORCER_POWER:
        if (is_begin)
            sim_host_lose_power(enforcer->host);
        else
            sim_host_boot(enforcer->host);
        return;
    case OF_ENFORCER_CUT:
        sim_net_cut(world, enforcer->host->index, sim_site(world, incident->a)->index, is_begin);
        return;
    default:
        set_api(world, incident->a, is_begin ? incident->until_ns : world->now_ns, is_begin);
    }
}
/* Its machine is lost, or cut off from everybody: the lease does not go on. */
static void fail_guard(struct sim_world *world, const struct sim_incident *incident, bool is_begin)
{
    struct sim_host *host = sim_site(world, incident->a);

    if (incident->b != 0)
        sim_net_cut_around(world, host->index, true, true, is_begin);
    else if (is_begin)
        sim_host_lose_power(host);
    else
        sim_host_boot(host);
}
static void fail_next(struct sim_world *world, struct sim_incident *incident)
{
    const bool is_enforcers = incident->stage == 0 ? (incident->c & 1) != 0
                                                   : incident->stage == GUARD_FAILED;

    incident->stage |= is_enforcers ? ENFORCER_FAILED : GUARD_FAILED;
    if (is_enforcers)
        fail_enforcer(world, incident, true);
    else
        fail_guard(world, incident, true);
}
static uint64_t fail_again(struct sim_world *world, struct sim_incident *incident)
{
    fail_next(world, incident);
    if (incident->stage == (ENFORCER_FAILED | GUARD_FAILED))
        return 0;
    return (1 + bw_prng_below(&incident->chance, 2 * world->setting.terms.ttl_ms)) * SIM_MS;
}
static bool lapses(struct sim_world *world, struct sim_incident *incident)
{
    if (!sim_plan_find_serving(world, incident))
        return false;
    incident->a = incident->b;
    incident->b = sim_chance(&incident->chance, 300000) ? 1 : 0;
    incident->c = bw_prng_next(&incident->chance);
    incident->others = (uint32_t)bw_prng_below(&incident->chance, OF_KINDS);
    incident->stage = 0;
    incident->look = fail_again;
    return sim_site(world, incident->a)->is_up;
}
static void lapse_is_over(struct sim_world *world, struct sim_incident *incident)
{
    if ((incident->stage & ENFORCER_FAILED) != 0)
        fail_enforcer(world, incident, false);
    if ((incident->stage & GUARD_FAILED) != 0)
        fail_guard(world, incident, false);
}

const struct sim_incident_kind sim_second_faults[] = {
    {"second-enforcer-crashes", SIM_INSIDE, true, 0, 0, 0, crashes, NULL},
    {"second-enforcer-and-agent-crash", SIM_INSIDE, true, 0, 0, 0, both_crash, NULL},
    {"second-enforcer-dies", SIM_INSIDE, true, 0, 100, 60000, dies, returns},
    {"second-enforcer-stands", SIM_INSIDE, true, 0, 100, 60000, stands, goes_on},
    {"second-enforcer-power", SIM_INSIDE, true, 0, 100, 90000, loses_power, boots},
    {"second-enforcer-sleeps", SIM_INSIDE, true, 0, 100, 60000, sleeps, wakes},
    {"second-enforcer-disk", SIM_INSIDE, true, 0, 100, 30000, disk_fails, disk_is_well},
    {"second-enforcer-cut", SIM_INSIDE, true, 0, 100, 60000, cut, heals},
    {"second-enforcer-late", SIM_INSIDE, true, 0, 1000, 60000, answers_late, answers_in_time},
    {"second-enforcer-scripts", SIM_INSIDE, true, 0, 500, 60000, scripts_fail, scripts_are_well},
    {"second-enforcer-api", SIM_INSIDE, true, 0, 500, 60000, api_away, api_is_back},
    {"second-enforcer-lapse", SIM_INSIDE, true, 0, 10000, 90000, lapses, lapse_is_over},
    {.name = NULL},
};
