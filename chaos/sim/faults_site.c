/* faults_site.c - scripts and services that misbehave, state that is lost, agents that run twice. */
#include "agent.h"
#include "checks.h"
#include "machine.h"
#include "override.h"
#include "plan.h"

#define COPY_FILE "copy-of-agent.state"

static uint32_t draw_site(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = (uint32_t)bw_prng_below(&incident->chance, world->setting.site_count);
    return incident->a;
}
static struct sim_host *site_of(struct sim_world *world, const struct sim_incident *incident)
{
    return sim_site(world, incident->a);
}

/* ---- scripts ---- */

static bool begin_scripts(struct sim_world *world, struct sim_incident *incident,
                          struct sim_script_faults faults)
{
    sim_checks_disturb(world, draw_site(world, incident), incident->until_ns);
    sim_site_set_script_faults(site_of(world, incident), &faults);
    return true;
}
static void scripts_are_well(struct sim_world *world, struct sim_incident *incident)
{
    sim_site_clear_script_faults(site_of(world, incident));
}
static uint8_t percent(struct sim_incident *incident)
{
    return (uint8_t)(5 + bw_prng_below(&incident->chance, 96));
}
static bool scripts_fail(struct sim_world *world, struct sim_incident *incident)
{
    return begin_scripts(world, incident,
                         (struct sim_script_faults){.fail_percent = percent(incident)});
}
static bool scripts_hang(struct sim_world *world, struct sim_incident *incident)
{
    const uint8_t hang_percent = percent(incident); /* one after the other: the order is the seed's */
    const uint8_t ignore_term_percent = percent(incident);

    return begin_scripts(world, incident,
                         (struct sim_script_faults){.hang_percent = hang_percent,
                                                    .ignore_term_percent = ignore_term_percent});
}
static bool scripts_are_slow(struct sim_world *world, struct sim_incident *incident)
{
    return begin_scripts(world, incident,
                         (struct sim_script_faults){.slow_percent = percent(incident)});
}
static bool scripts_fork(struct sim_world *world, struct sim_incident *incident)
{
    return begin_scripts(world, incident,
                         (struct sim_script_faults){.fork_percent = percent(incident)});
}
static bool scripts_mumble(struct sim_world *world, struct sim_incident *incident)
{
    return begin_scripts(world, incident,
                         (struct sim_script_faults){.wrong_word_percent = percent(incident)});
}
static bool scripts_lie(struct sim_world *world, struct sim_incident *incident)
{
    return begin_scripts(world, incident,
                         (struct sim_script_faults){.lie_percent = percent(incident)});
}
/* Long between go-ahead and exec, so that what was true at the one is not at the other; and the guard
 * that would see to it may be dead by then. */
static bool exec_late(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t ns = incident->until_ns - world->now_ns;
    const uint32_t late_ms = (uint32_t)(100 + bw_prng_below(&incident->chance,
                                                            world->setting.ttl_ms_max));
    struct sim_process *guard;

    (void)begin_scripts(world, incident, (struct sim_script_faults){.late_exec_ms = late_ms});
    guard = world->guards[incident->a];
    if (sim_chance(&incident->chance, 500000) && sim_plan_takes_site(world, incident->a, ns))
        guard->crash_at = "crash:guard-began";
    return true;
}
static void exec_in_time(struct sim_world *world, struct sim_incident *incident)
{
    scripts_are_well(world, incident);
    world->guards[incident->a]->crash_at = NULL;
    sim_process_let_return(world->guards[incident->a]);
}
static bool fence_fails(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t until_ns = sim_plan_excused_until(world, incident);

    return begin_scripts(world, incident,
                         (struct sim_script_faults){.fence_fails_percent = 100,
                                                    .fail_percent = 50,
                                                    .unfenced_until_ns = until_ns});
}

/* A service that is outside cannot be ended then, nor seen: its group is held, however long it lasts,
 * and nobody else is granted anything (3.2.4, 3.3). */
static bool api_away(struct sim_world *world, struct sim_incident *incident)
{
    return begin_scripts(world, incident, (struct sim_script_faults){.is_away = true});
}

/* ---- services ---- */

static uint32_t any_group(struct sim_world *world, struct sim_incident *incident)
{
    return (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);
}
static bool service_dies(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t group = any_group(world, incident);

    for (uint32_t site = 0; site < world->setting.site_count; site++)
        if (sim_service_is_serving(sim_site(world, site), group)) {
            sim_service_dies(sim_site(world, site), group);
            return true;
        }
    return false;
}
static bool started_by_hand(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t site = draw_site(world, incident);
    const uint32_t group = any_group(world, incident);

    if (!site_of(world, incident)->is_up)
        return false;
    sim_checks_by_hand(world, site, group);
    sim_service_started_by_hand(site_of(world, incident), group);
    return true;
}
static bool lags(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t lag_ms = bw_prng_below(&incident->chance, 20000);

    (void)draw_site(world, incident);
    incident->b = any_group(world, incident);
    sim_site_set_lag(site_of(world, incident), incident->b,
                     sim_chance(&incident->chance, 700000), lag_ms);
    return true;
}
static void lags_no_more(struct sim_world *world, struct sim_incident *incident)
{
    sim_site_set_lag(site_of(world, incident), incident->b, true, 0);
}

/* ---- state ---- */

/* The directory is gone: a new instance comes (design 3.7). */
static bool lose_agent_state(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t site = draw_site(world, incident);

    if (!sim_plan_takes_site(world, site, incident->until_ns - world->now_ns))
        return false;
    sim_process_keep_down(world->agents[site][0]);
    sim_file_remove(site_of(world, incident), SIM_AGENT_FILE);
    sim_file_remove(site_of(world, incident), SIM_AGENT_MEMBERS);
    return true;
}
static void agent_returns(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_let_return(world->agents[incident->a][0]);
}
/* Likewise, at once; and the guard that knows what was armed falls silent: the new instance reads its
 * mirror, and fences what nobody else does (3.4). */
static bool alone_with_mirror(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t site = draw_site(world, incident);
    struct sim_process *agent = world->agents[site][0];

    if (agent->health != SIM_ABLE || world->guards[site]->health != SIM_ABLE ||
        !sim_plan_takes_both(world, site, incident->until_ns - world->now_ns))
        return false;
    sim_process_kill(agent);
    sim_file_remove(site_of(world, incident), SIM_AGENT_FILE);
    sim_file_remove(site_of(world, incident), SIM_AGENT_MEMBERS);
    sim_process_start(agent);
    sim_process_freeze(world->guards[site]);
    return true;
}
static void guard_returns(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_thaw(world->guards[incident->a]);
}
/* ---- what a guard finds as it begins (3.4) ---- */

/* Whose guard begins anew; perhaps all who knew of its deadlines are gone, but for its mirrors. */
static bool begin_anew(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t site = incident->b;

    if (world->guards[site]->health != SIM_ABLE || sim_checks_is_unfenced(world, site) ||
        !sim_plan_takes_both(world, site, incident->until_ns - world->now_ns))
        return false;
    incident->others = sim_chance(&incident->chance, 500000);
    if (incident->others != 0) {
        sim_process_keep_down(world->agents[site][0]);
        for (uint32_t i = 0; i < SIM_ENFORCERS_MAX; i++)
            sim_process_kill(sim_machine(sim_site(world, site))->enforcers[i]);
    }
    sim_process_kill(world->guards[site]);
    return true;
}
static void set_unnamed(struct sim_world *world, const struct sim_incident *incident, bool is_so)
{
    sim_machine(sim_site(world, incident->b))->is_unnamed[incident->a] = is_so;
}
static bool find_group_that_serves(struct sim_world *world, struct sim_incident *incident)
{
    if (!sim_plan_find_serving(world, incident))
        return false;
    incident->a = any_group(world, incident);
    return sim_service_is_serving(sim_site(world, incident->b), incident->a);
}
/* Both read their file, in either order, or one of them does not. */
static void reload_site(struct sim_world *world, struct sim_incident *incident)
{
    const bool is_agent_first = sim_chance(&incident->chance, 500000);

    if (is_agent_first)
        sim_agent_reload(world->agents[incident->b][0], world->witnesses_listed);
    if (sim_chance(&incident->chance, 800000))
        sim_site_reload(sim_site(world, incident->b));
    if (!is_agent_first && sim_chance(&incident->chance, 800000))
        sim_agent_reload(world->agents[incident->b][0], world->witnesses_listed);
}
/* The site file names a group no more, mostly one that this site holds: its guard is told to read it anew, and
 * refuses, or begins anew. */
static bool forget_group(struct sim_world *world, struct sim_incident *incident)
{
    const bool is_reload = sim_chance(&incident->chance, 300000);

    if (sim_chance(&incident->chance, 300000)) {
        incident->b = (uint32_t)bw_prng_below(&incident->chance, world->setting.site_count);
        incident->a = any_group(world, incident);
    } else if (!find_group_that_serves(world, incident)) {
        return false;
    }
    incident->stage = is_reload;
    incident->others = 0;
    if (!is_reload && !begin_anew(world, incident))
        return false;
    sim_checks_disturb(world, incident->b, incident->until_ns); /* nobody there looks at it */
    set_unnamed(world, incident, true);
    if (is_reload)
        reload_site(world, incident);
    return true;
}
static void name_group_again(struct sim_world *world, struct sim_incident *incident)
{
    set_unnamed(world, incident, false);
    sim_agent_reload(world->agents[incident->b][0], world->witnesses_listed);
    if (incident->stage != 0 || sim_chance(&incident->chance, 500000))
        sim_site_reload(sim_site(world, incident->b));
    else
        sim_process_kill(world->guards[incident->b]);
    if (incident->others != 0)
        sim_process_let_return(world->agents[incident->b][0]);
}
/* The disk does not give what its guard keeps of one group, or of any. */
static void set_unreadable(struct sim_world *world, const struct sim_incident *incident, bool is_so)
{
    struct sim_machine *machine = sim_machine(sim_site(world, incident->b));

    for (uint32_t group = 0; group < world->setting.group_count; group++)
        if (group == incident->a || incident->stage != 0)
            machine->is_state_unreadable[group] = is_so;
}
static bool lose_sight_of_state(struct sim_world *world, struct sim_incident *incident)
{
    incident->stage = sim_chance(&incident->chance, 250000);
    if (!find_group_that_serves(world, incident) || !begin_anew(world, incident))
        return false;
    set_unreadable(world, incident, true);
    return true;
}
static void state_is_seen(struct sim_world *world, struct sim_incident *incident)
{
    set_unreadable(world, incident, false);
    sim_process_kill(world->guards[incident->b]);
    if (incident->others != 0)
        sim_process_let_return(world->agents[incident->b][0]);
}
/* Nobody else knows that it was told to override: who makes the machine anew has ended what
 * outlives it (3.8). */
static void end_overridden(struct sim_world *world, struct sim_host *host)
{
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        if (sim_service_is_serving(host, group) && sim_service_is_of_override(host, group))
            sim_service_down(sim_machine(host), group, "somebody has ended it");
}
/* The machine is made anew: power off, another disk, power on. */
static bool lose_machine(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *host;

    (void)draw_site(world, incident);
    host = site_of(world, incident);
    if (!host->is_up)
        return false;
    sim_host_lose_power(host);
    end_overridden(world, host);
    sim_site_lost_disk(host);
    return true;
}
static void machine_returns(struct sim_world *world, struct sim_incident *incident)
{
    sim_host_boot(site_of(world, incident));
}
/* What a person has said nothing else tells, neither that he has nor that it is over (3.8). */
static bool overrides(struct sim_world *world, const struct sim_incident *incident)
{
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        if (sim_override_kept(site_of(world, incident), group) != SIM_OVERRIDE_NONE)
            return true;
    return false;
}
/* State rolled back to an older copy: outside (3.8), and not excused: what its guard keeps is not, and the
 * guard refuses what is over. */
static bool copy_state(struct sim_world *world, struct sim_incident *incident)
{
    (void)draw_site(world, incident);
    return !overrides(world, incident) &&
           sim_file_copy(site_of(world, incident), SIM_AGENT_FILE, COPY_FILE);
}
static void roll_back_state(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *agent = world->agents[incident->a][0];

    if (sim_file_load(site_of(world, incident), COPY_FILE) == NULL ||
        world->guards[incident->a]->is_kept_down || /* nobody would be left (3.8) */
        overrides(world, incident))
        return;
    sim_process_kill(agent);
    (void)sim_file_copy(site_of(world, incident), COPY_FILE, SIM_AGENT_FILE);
    sim_file_remove(site_of(world, incident), COPY_FILE);
    sim_process_start(agent);
}
/* A second agent of the same site, with a state directory of its own. */
static bool second_agent(struct sim_world *world, struct sim_incident *incident)
{
    sim_checks_disturb(world, draw_site(world, incident), incident->until_ns);
    world->agents[incident->a][1]->is_supervised = true;
    sim_process_start(world->agents[incident->a][1]);
    return true;
}
static void no_second_agent(struct sim_world *world, struct sim_incident *incident)
{
    world->agents[incident->a][1]->is_supervised = false;
    sim_process_kill(world->agents[incident->a][1]);
}

const struct sim_incident_kind sim_site_faults[] = {
    {"scripts-fail", SIM_INSIDE, true, 4, 500, 30000, scripts_fail, scripts_are_well},
    {"scripts-hang", SIM_INSIDE, true, 4, 500, 30000, scripts_hang, scripts_are_well},
    {"scripts-slow", SIM_INSIDE, true, 3, 500, 30000, scripts_are_slow, scripts_are_well},
    {"scripts-fork", SIM_INSIDE, true, 4, 500, 60000, scripts_fork, scripts_are_well},
    {"scripts-mumble", SIM_INSIDE, true, 3, 500, 30000, scripts_mumble, scripts_are_well},
    {"scripts-lie", SIM_INSIDE, true, 3, 500, 30000, scripts_lie, scripts_are_well},
    {"exec-late", SIM_INSIDE, true, 5, 2000, 40000, exec_late, exec_in_time},
    {"api-away", SIM_INSIDE, true, 6, 2000, 60000, api_away, scripts_are_well},
    {"fence-fails", SIM_OUTSIDE, true, 2, 500, 30000, fence_fails, scripts_are_well},
    {"service-dies", SIM_INSIDE, true, 5, 0, 0, service_dies, NULL},
    /* Before a first grant a person has to look (3.9). */
    {"started-by-hand", SIM_OUTSIDE, false, 2, 0, 0, started_by_hand, NULL},
    {"lags", SIM_INSIDE, true, 3, 1000, 60000, lags, lags_no_more},
    {"lose-agent-state", SIM_INSIDE, true, 3, 10, 10000, lose_agent_state, agent_returns},
    {"alone-with-mirror", SIM_INSIDE, true, 4, 1000, 30000, alone_with_mirror, guard_returns},
    {"group-forgotten", SIM_INSIDE, true, 8, 8000, 60000, forget_group, name_group_again},
    {"state-unreadable", SIM_INSIDE, true, 8, 8000, 60000, lose_sight_of_state, state_is_seen},
    {"lose-machine", SIM_INSIDE, true, 2, 100, 30000, lose_machine, machine_returns},
    {"roll-back-state", SIM_INSIDE, true, 1, 1000, 60000, copy_state, roll_back_state},
    {"second-agent", SIM_INSIDE, true, 3, 100, 60000, second_agent, no_second_agent},
    {.name = NULL},
};
