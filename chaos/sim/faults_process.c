/* faults_process.c - programs that are killed, frozen, late, or die at the worst place. At a site one
 * of agent, guard and enforcer fails at a time; agent and guard at once are the enforcer's case, all three
 * the supervisor's (design 3.4, 3.8), and have faults of their own. */
#include "agent.h"
#include "checks.h"
#include "guard.h"
#include "machine.h"
#include "plan.h"
#include "witness.h"

#define SEARCH_MS 4000

static uint64_t length_ns(const struct sim_world *world, const struct sim_incident *incident)
{
    return incident->until_ns - world->now_ns;
}

static uint32_t any_site(struct sim_world *world, struct sim_incident *incident)
{
    return (uint32_t)bw_prng_below(&incident->chance, world->setting.site_count);
}

/* The process that an incident is about: of its `a`, by index. */
static struct sim_process *victim(struct sim_world *world, const struct sim_incident *incident)
{
    return world->processes[incident->a];
}

static bool choose(struct sim_incident *incident, const struct sim_process *process)
{
    incident->a = process->index;
    return process->health == SIM_ABLE;
}
static bool choose_witness(struct sim_world *world, struct sim_incident *incident)
{
    return choose(incident, world->witnesses[sim_any_witness(world, &incident->chance)]);
}
static bool choose_at_site(struct sim_world *world, struct sim_incident *incident, bool is_guard)
{
    const uint32_t site = any_site(world, incident);

    return choose(incident, is_guard ? world->guards[site] : world->agents[site][0]) &&
           sim_plan_takes_site(world, site, length_ns(world, incident));
}
static bool choose_any(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t draw = bw_prng_below(&incident->chance, 4);

    return draw < 2 ? choose_witness(world, incident) : choose_at_site(world, incident, draw == 2);
}

/* ---- killed: kept down for as long as the incident lasts ---- */

static bool kill_victim(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_keep_down(victim(world, incident));
    return true;
}
static bool kill_witness(struct sim_world *world, struct sim_incident *incident)
{
    return choose_witness(world, incident) && kill_victim(world, incident);
}
static bool kill_agent(struct sim_world *world, struct sim_incident *incident)
{
    return choose_at_site(world, incident, false) && kill_victim(world, incident);
}
static bool kill_guard(struct sim_world *world, struct sim_incident *incident)
{
    return choose_at_site(world, incident, true) && kill_victim(world, incident);
}
static void start_again(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_let_return(victim(world, incident));
}

/* ---- frozen ---- */

static bool freeze_victim(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_freeze(victim(world, incident));
    return true;
}
static bool freeze_witness(struct sim_world *world, struct sim_incident *incident)
{
    return choose_witness(world, incident) && freeze_victim(world, incident);
}
static bool freeze_agent(struct sim_world *world, struct sim_incident *incident)
{
    return choose_at_site(world, incident, false) && freeze_victim(world, incident);
}
static bool freeze_guard(struct sim_world *world, struct sim_incident *incident)
{
    return choose_at_site(world, incident, true) && freeze_victim(world, incident);
}
static void thaw_victim(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_thaw(victim(world, incident));
}

/* ---- late: many short stalls of one process ---- */

static void stall_again(struct sim_world *world, uint64_t number)
{
    struct sim_incident *incident = &world->plan->incidents[number];
    const uint64_t stall_ns = (1 + bw_prng_below(&incident->chance, 400)) * SIM_MS;
    const uint64_t next_ns = world->now_ns + stall_ns +
                             (1 + bw_prng_below(&incident->chance, 500)) * SIM_MS;

    if (!incident->is_active && incident->until_ns <= world->now_ns)
        return;
    sim_process_stall(victim(world, incident), stall_ns);
    if (next_ns < incident->until_ns)
        sim_world_at(world, next_ns, stall_again, number);
}
static bool stall(struct sim_world *world, struct sim_incident *incident)
{
    if (!choose_any(world, incident))
        return false;
    stall_again(world, sim_plan_number(world, incident));
    return true;
}

/* ---- dies wherever it hurts ---- */

static bool crash_often(struct sim_world *world, struct sim_incident *incident)
{
    if (!choose_any(world, incident))
        return false;
    victim(world, incident)->crash_per_million =
        1000 + (uint32_t)bw_prng_below(&incident->chance, 200000);
    return true;
}
static void crash_no_more(struct sim_world *world, struct sim_incident *incident)
{
    victim(world, incident)->crash_per_million = 0;
}

/* ---- dies at one place, and stays down: as long as the incident lasts ---- */

static bool crash_at(struct sim_world *world, struct sim_incident *incident)
{
    static const char *const of_agent[] = {"crash:agent-sync", "crash:agent-arm",
                                           "crash:agent-run",  "crash:agent-end",
                                           "crash:before-save", "crash:after-save"};
    static const char *const of_guard[] = {"crash:guard-spawn", "crash:guard-go",
                                           "crash:guard-went",  "crash:guard-began",
                                           "crash:guard-armed", "crash:guard-kill",
                                           "crash:before-save",
                                           "crash:after-save"};
    const bool is_guard = sim_chance(&incident->chance, 500000);
    const uint64_t draw = bw_prng_next(&incident->chance);

    if (!choose_at_site(world, incident, is_guard))
        return false;
    victim(world, incident)->crash_at =
        is_guard ? of_guard[draw % (sizeof of_guard / sizeof of_guard[0])]
                 : of_agent[draw % (sizeof of_agent / sizeof of_agent[0])];
    return true;
}
static void crash_over(struct sim_world *world, struct sim_incident *incident)
{
    victim(world, incident)->crash_at = NULL;
    start_again(world, incident);
}

/* ---- both daemons of a site: the enforcer's case (3.4) ---- */

/* Killed and unable to start, or stopped: of each its own half. */
static void take_away(struct sim_process *process, bool is_stopped)
{
    if (is_stopped)
        sim_process_freeze(process);
    else
        sim_process_keep_down(process);
}
static bool kill_both(struct sim_world *world, struct sim_incident *incident)
{
    incident->b = any_site(world, incident);
    if (sim_checks_is_unfenced(world, incident->b) ||
        !sim_plan_takes_site(world, incident->b, length_ns(world, incident)))
        return false;
    take_away(world->guards[incident->b], (incident->salt & 1) != 0);
    take_away(world->agents[incident->b][0], (incident->salt & 2) != 0);
    return true;
}
static void start_both(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_thaw(world->guards[incident->b]);
    sim_process_thaw(world->agents[incident->b][0]);
    sim_process_let_return(world->guards[incident->b]);
    sim_process_let_return(world->agents[incident->b][0]);
}

/* ---- an enforcer: its guard makes another, and waits for one that stands still ---- */

static bool kill_enforcer(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *const *enforcers;

    incident->b = any_site(world, incident);
    enforcers = sim_machine(sim_site(world, incident->b))->enforcers;
    if (world->guards[incident->b]->health != SIM_ABLE ||
        !sim_plan_takes_site(world, incident->b, length_ns(world, incident)))
        return false;
    for (uint32_t i = 0; i < SIM_ENFORCERS_MAX; i++)
        if ((incident->salt & 1) != 0)
            sim_process_kill(enforcers[i]);
        else
            sim_process_freeze(enforcers[i]);
    return true;
}
static void enforcer_goes_on(struct sim_world *world, struct sim_incident *incident)
{
    for (uint32_t i = 0; i < SIM_ENFORCERS_MAX; i++)
        sim_process_thaw(sim_machine(sim_site(world, incident->b))->enforcers[i]);
}

/* ---- a site file that does not parse, as one of them or both begin anew (3.4) ---- */

static void kill_enforcers(struct sim_world *world, uint32_t site)
{
    for (uint32_t i = 0; i < SIM_ENFORCERS_MAX; i++)
        sim_process_kill(sim_machine(sim_site(world, site))->enforcers[i]);
}
/* Or all three, early enough for the supervisor: then the mirrors are all that the next guard has. */
static bool break_site_file(struct sim_world *world, struct sim_incident *incident)
{
    incident->b = any_site(world, incident);
    if (sim_checks_is_unfenced(world, incident->b) ||
        !sim_plan_takes_both(world, incident->b, length_ns(world, incident)))
        return false;
    sim_machine(sim_site(world, incident->b))->is_site_file_bad = true;
    if (incident->salt % 4 != 0)
        sim_process_kill(world->guards[incident->b]);
    if (incident->salt % 4 != 1)
        sim_process_kill(world->agents[incident->b][0]);
    if (incident->salt % 4 == 3)
        kill_enforcers(world, incident->b);
    return true;
}
static void mend_site_file(struct sim_world *world, struct sim_incident *incident)
{
    sim_machine(sim_site(world, incident->b))->is_site_file_bad = false;
}

/* ---- guard and enforcer: the agent's own fence is all that there is (3.4) ---- */

/* That waits for no script, and no search through all processes. */
static void take_guard_and_enforcers(struct sim_world *world, uint32_t site)
{
    sim_process_keep_down(world->guards[site]);
    kill_enforcers(world, site);
}
/* The agent of a site that serves something. */
static struct sim_process *choose_alone(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *agent;

    if (!sim_plan_find_serving(world, incident))
        return NULL;
    agent = world->agents[incident->b][0];
    return agent->health == SIM_ABLE && !sim_checks_is_unfenced(world, incident->b) &&
                   sim_plan_takes_site(world, incident->b, length_ns(world, incident))
               ? agent
               : NULL;
}
static bool leave_agent_alone(struct sim_world *world, struct sim_incident *incident)
{
    const struct sim_script_faults faults = {
        .search_ms = (incident->salt & 1) != 0 ? SEARCH_MS : 0,
        .hang_percent = (incident->salt & 2) != 0 ? 100 : 0,
        .ignore_term_percent = (incident->salt & 2) != 0 ? 100 : 0,
    };

    if (choose_alone(world, incident) == NULL)
        return false;
    take_guard_and_enforcers(world, incident->b);
    sim_site_set_script_faults(sim_site(world, incident->b), &faults);
    return true;
}
/* The same once its agent writes, for one of its groups, what does not reach the disk any more: the fence of
 * another group waits for no disk (3.4). */
static uint64_t await_save(struct sim_world *world, struct sim_incident *incident)
{
    const struct sim_process *process = world->agents[incident->b][0];
    const struct sim_agent *agent = process->state;

    if (process->health == SIM_DEAD)
        return 0;
    if (!agent->program.is_saving)
        return SIM_MS;
    sim_count(world, "agent:alone_and_saving");
    take_guard_and_enforcers(world, incident->b);
    return 0;
}
static bool leave_agent_saving(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *agent = choose_alone(world, incident);

    if (agent == NULL)
        return false;
    agent->disk.hung_until_ns = incident->until_ns;
    incident->look = await_save;
    return true;
}
static void agent_has_its_guard(struct sim_world *world, struct sim_incident *incident)
{
    world->agents[incident->b][0]->disk.hung_until_ns = 0;
    if (incident->look == NULL)
        sim_site_clear_script_faults(sim_site(world, incident->b));
    sim_process_let_return(world->guards[incident->b]);
}

/* ---- the same of a guard: once its disk does not take what it writes for one of its groups, agent and enforcer
 * go. The fence of another waits for no disk, nor does the next enforcer (3.4) ---- */

static uint64_t await_guards_save(struct sim_world *world, struct sim_incident *incident)
{
    const struct sim_process *process = world->guards[incident->b];
    const struct sim_guard *guard = process->state;

    if (process->health == SIM_DEAD)
        return 0;
    if (!guard->daemon.saves.is_writing)
        return SIM_MS;
    sim_count(world, "guard:alone_and_saving");
    sim_process_keep_down(world->agents[incident->b][0]);
    kill_enforcers(world, incident->b);
    return 0;
}
static bool leave_guard_alone(struct sim_world *world, struct sim_incident *incident)
{
    if (choose_alone(world, incident) == NULL || world->guards[incident->b]->health != SIM_ABLE)
        return false;
    world->guards[incident->b]->disk.hung_until_ns = incident->until_ns;
    incident->look = await_guards_save;
    return true;
}
static void guard_has_its_agent(struct sim_world *world, struct sim_incident *incident)
{
    world->guards[incident->b]->disk.hung_until_ns = 0;
    sim_process_let_return(world->agents[incident->b][0]);
}

/* ---- all three: the supervisor's case, and outside of the promise (3.8) ---- */

static bool kill_all_three(struct sim_world *world, struct sim_incident *incident)
{
    incident->b = any_site(world, incident);
    if (!sim_plan_takes_site(world, incident->b, length_ns(world, incident)))
        return false;
    sim_checks_excuse(world, incident->b, sim_plan_excused_until(world, incident));
    sim_process_keep_down(world->agents[incident->b][0]);
    sim_process_keep_down(world->guards[incident->b]);
    kill_enforcers(world, incident->b);
    return true;
}

/* ---- a disk that does not answer: what rests on a save waits, the deadline does not (3.4) ---- */

static bool hang_disk(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t draw = incident->salt % 6; /* both, or one of the two: they may be on different disks */
    struct sim_process *guard, *agent;

    incident->b = any_site(world, incident);
    guard = world->guards[incident->b];
    agent = world->agents[incident->b][0];
    sim_checks_disturb(world, incident->b, incident->until_ns);
    if (draw < 5)
        guard->disk.hung_until_ns = incident->until_ns;
    if (draw >= 3)
        agent->disk.hung_until_ns = incident->until_ns;
    if (incident->salt / 6 % 3 == 0)
        guard->disk.run_hung_until_ns = incident->until_ns;
    return true;
}
static void disk_answers(struct sim_world *world, struct sim_incident *incident)
{
    world->guards[incident->b]->disk.hung_until_ns = 0;
    world->agents[incident->b][0]->disk.hung_until_ns = 0;
    world->guards[incident->b]->disk.run_hung_until_ns = 0;
}

/* ---- its site file names fewer witnesses, while it holds what it holds; then all again. Mostly its guard
 * reads it anew, too ---- */

static bool reload_agent(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t listed = world->witnesses_listed;
    const uint32_t some = listed & (uint32_t)incident->salt;
    const uint32_t fewer = some != 0 ? some : listed & -listed;

    incident->b = any_site(world, incident);
    if (world->agents[incident->b][0]->health == SIM_DEAD)
        return false;
    sim_agent_reload(world->agents[incident->b][0], fewer);
    if (incident->salt % 4 != 0)
        sim_site_reload(sim_site(world, incident->b));
    return true;
}
static void reload_again(struct sim_world *world, struct sim_incident *incident)
{
    sim_agent_reload(world->agents[incident->b][0], world->witnesses_listed);
}

/* ---- a witness is asked to end, as an upgrade does it: the one that leads hands over first ---- */

static bool end_witness(struct sim_world *world, struct sim_incident *incident)
{
    if (!sim_plan_find_leader(world, incident) || incident->salt % 4 == 0)
        incident->a = sim_any_witness(world, &incident->chance);
    if (world->witnesses[incident->a]->health != SIM_ABLE)
        return false;
    sim_witness_leave(world->witnesses[incident->a]);
    if (incident->salt % 8 == 1)
        sim_witness_leave(world->witnesses[incident->a]); /* somebody is impatient */
    return true;
}

/* ---- its configuration says other addresses; or that the witnesses are others, which is refused ---- */

static bool reload_witness(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *witness = world->witnesses[sim_any_witness(world, &incident->chance)];

    incident->a = witness->index;
    if (witness->health != SIM_ABLE)
        return false;
    sim_witness_reload(witness, SIM_WITNESS_PORT + (uint32_t)bw_prng_below(&incident->chance, 100),
                       incident->salt % 3 == 0);
    return true;
}
static void reload_witness_again(struct sim_world *world, struct sim_incident *incident)
{
    sim_witness_reload(victim(world, incident), SIM_WITNESS_PORT, false);
}

/* ---- its certificate ends, or is replaced, while it holds what it holds: then it is another one ---- */

static bool end_certificate(struct sim_world *world, struct sim_incident *incident)
{
    incident->b = any_site(world, incident);
    if (world->agents[incident->b][0]->health == SIM_DEAD)
        return false;
    sim_checks_disturb(world, incident->b, incident->until_ns);
    sim_machine(sim_site(world, incident->b))->is_certificate_over = incident->salt % 3 != 0;
    if (incident->salt % 3 != 1)
        sim_agent_rotate(world->agents[incident->b][0]);
    return true;
}
static void renew_certificate(struct sim_world *world, struct sim_incident *incident)
{
    sim_machine(sim_site(world, incident->b))->is_certificate_over = false;
    sim_agent_rotate(world->agents[incident->b][0]);
}

const struct sim_incident_kind sim_process_faults[] = {
    {"kill-witness", SIM_INSIDE, true, 10, 10, 60000, kill_witness, start_again},
    {"kill-agent", SIM_INSIDE, true, 10, 10, 30000, kill_agent, start_again},
    {"kill-guard", SIM_INSIDE, true, 10, 10, 30000, kill_guard, start_again},
    {"freeze-witness", SIM_INSIDE, true, 8, 10, 30000, freeze_witness, thaw_victim},
    {"freeze-agent", SIM_INSIDE, true, 8, 10, 30000, freeze_agent, thaw_victim},
    {"freeze-guard", SIM_INSIDE, true, 8, 10, 30000, freeze_guard, thaw_victim},
    {"stall", SIM_INSIDE, true, 6, 500, 20000, stall, NULL},
    {"crash-often", SIM_INSIDE, true, 10, 500, 20000, crash_often, crash_no_more},
    {"crash-at", SIM_INSIDE, true, 8, 1000, 40000, crash_at, crash_over},
    {"kill-both", SIM_INSIDE, true, 8, 10, 60000, kill_both, start_both},
    {"kill-enforcer", SIM_INSIDE, true, 5, 10, 30000, kill_enforcer, enforcer_goes_on},
    {"bad-site-file", SIM_INSIDE, true, 6, 1000, 60000, break_site_file, mend_site_file},
    {"agent-alone", SIM_INSIDE, true, 6, 3000, 40000, leave_agent_alone, agent_has_its_guard},
    {"alone-and-saving", SIM_INSIDE, true, 5, 10000, 60000, leave_agent_saving,
     agent_has_its_guard},
    {"guard-alone", SIM_INSIDE, true, 5, 10000, 60000, leave_guard_alone, guard_has_its_agent},
    {"kill-all-three", SIM_OUTSIDE, true, 2, 10, 30000, kill_all_three, start_both},
    {"disk-hangs", SIM_INSIDE, true, 6, 1000, 60000, hang_disk, disk_answers},
    {"certificate-ends", SIM_INSIDE, true, 5, 1000, 60000, end_certificate, renew_certificate},
    {"end-witness", SIM_INSIDE, true, 5, 0, 0, end_witness, NULL},
    {"reload-witness", SIM_INSIDE, true, 3, 100, 60000, reload_witness, reload_witness_again},
    {"reload-agent", SIM_INSIDE, true, 4, 100, 60000, reload_agent, reload_again},
    {.name = NULL},
};
