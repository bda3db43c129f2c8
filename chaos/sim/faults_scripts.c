/* faults_scripts.c - scripts that are exchanged, that say no, and whose looks somebody ends; and whole
 * machines that are there twice. */
#include "checks.h"
#include "net.h"
#include "plan.h"
#include "site.h"

static struct sim_host *draw_site(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = (uint32_t)bw_prng_below(&incident->chance, world->setting.site_count);
    return sim_site(world, incident->a);
}
static uint32_t draw_group(struct sim_world *world, struct sim_incident *incident)
{
    incident->b = (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);
    return incident->b;
}

/* ---- what the condition says (4) ---- */

static bool condition_says(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *host = draw_site(world, incident);
    const uint32_t group = draw_group(world, incident);
    const uint64_t draw = 1 + bw_prng_below(&incident->chance, 3);

    if (!world->setting.has_condition_script)
        return false;
    sim_site_set_condition(host, group, (enum sim_condition)draw);
    return true;
}
static void condition_is_met(struct sim_world *world, struct sim_incident *incident)
{
    sim_site_set_condition(sim_site(world, incident->a), incident->b, SIM_CONDITION_START);
}

/* ---- a service that does not stay up: restarted where it is, and then given back (4) ---- */

static uint64_t crash_again(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *host = sim_site(world, incident->a);

    if (sim_service_is_serving(host, incident->b))
        sim_service_dies(host, incident->b);
    return (1 + bw_prng_below(&incident->chance, 4000)) * SIM_MS;
}
static bool service_crashes(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *host = draw_site(world, incident);

    incident->look = crash_again;
    return sim_service_is_serving(host, draw_group(world, incident));
}

/* ---- a look that somebody ends has seen nothing (3.2.4) ---- */

static bool looks_are_ended(struct sim_world *world, struct sim_incident *incident)
{
    const struct sim_script_faults faults = {
        .ended_percent = (uint8_t)(5 + bw_prng_below(&incident->chance, 96)),
        .ignore_term_percent = (uint8_t)bw_prng_below(&incident->chance, 101)};

    sim_checks_disturb(world, draw_site(world, incident)->number, incident->until_ns);
    sim_site_set_script_faults(sim_site(world, incident->a), &faults);
    return true;
}
static void looks_end_by_themselves(struct sim_world *world, struct sim_incident *incident)
{
    sim_site_clear_script_faults(sim_site(world, incident->a));
}

/* ---- others (3.4) ----
 * Somebody edits the scripts of a group where they lie; or installs others, names them in the site file and
 * has the guard read it: at once, or only when the incident is over, or whenever it is restarted. Perhaps
 * he then goes back. */

static bool change_scripts(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *host = draw_site(world, incident);
    const uint32_t group = draw_group(world, incident);
    const uint32_t step = 1 + (uint32_t)bw_prng_below(&incident->chance, SIM_SCRIPTS_MAX - 1);

    const uint32_t others = (sim_site_scripts(host, group) - 1 + step) % SIM_SCRIPTS_MAX + 1;

    incident->c = sim_site_scripts(host, group);
    if (sim_chance(&incident->chance, 400000)) {
        sim_site_edit_scripts(host, group, others);
        return true;
    }
    sim_site_set_scripts(host, group, others);
    if (sim_chance(&incident->chance, 600000))
        sim_site_reload(host);
    return true;
}
static void scripts_are_known(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *host = sim_site(world, incident->a);

    if (sim_chance(&incident->chance, 500000))
        sim_site_set_scripts(host, incident->b, (uint32_t)incident->c);
    if (sim_chance(&incident->chance, 800000))
        sim_site_reload(host);
}

/* ---- others, of the other nature, start it again in the epoch that is granted; then the site is lost, and
 * no script ends anything: nobody else is granted it by time where it is outside (3.4) ---- */

static uint64_t lose_once_restarted(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *host = sim_site(world, incident->a);

    if (!sim_service_is_serving(host, incident->b))
        return SIM_MS;
    if (incident->stage++ == 0 && (incident->salt & 1) != 0) /* a look or two more: or nobody has looked */
        return 3 * world->setting.check_interval_ms * SIM_MS;
    sim_site_set_script_faults(host, &(struct sim_script_faults){.is_away = true});
    sim_net_cut_around(world, host->index, true, true, true);
    incident->others = 1;
    return 0;
}
static bool restarted_otherwise(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *host = draw_site(world, incident);
    const uint32_t group = draw_group(world, incident);

    if (!sim_service_is_serving(host, group))
        return false;
    sim_checks_disturb(world, incident->a, incident->until_ns);
    incident->look = lose_once_restarted;
    incident->stage = incident->others = 0;
    incident->c = sim_site_scripts(host, group);
    if (sim_chance(&incident->chance, 500000)) {
        sim_site_edit_scripts(host, group, incident->c == 2 ? 1 : 2);
    } else {
        sim_site_set_scripts(host, group, incident->c == 2 ? 1 : 2);
        sim_site_reload(host);
    }
    sim_service_dies(host, group);
    return true;
}
static void found_again(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *host = sim_site(world, incident->a);

    if (incident->others != 0) {
        sim_net_cut_around(world, host->index, true, true, false);
        sim_site_clear_script_faults(host);
    }
    sim_site_set_scripts(host, incident->b, (uint32_t)incident->c);
    sim_site_reload(host);
}

/* ---- a machine is cloned, and both run (3.5, 3.8) ----
 * The original goes on, or is cut off meanwhile, or was switched off first, as one that is moved. A copy beside one that
 * goes on is of its state directories alone every other time, in the same boot of the kernel (3.7). */

static bool clone_site(struct sim_world *world, struct sim_incident *incident)
{
    const bool wants_serving = sim_chance(&incident->chance, 700000);
    const uint64_t draw = bw_prng_below(&incident->chance, 10);

    (void)draw_site(world, incident);
    if (wants_serving && sim_plan_find_serving(world, incident))
        incident->a = incident->b;
    incident->stage = draw < 3 ? 1 : draw < 5 ? 2 : 0;
    if (!sim_clone_begin(world, incident->a, incident->stage == 2 || draw % 2 != 0))
        return false;
    sim_checks_cloned(world, incident->a, incident->until_ns);
    if (incident->stage == 1)
        sim_net_cut_around(world, sim_site(world, incident->a)->index, true, true, true);
    else if (incident->stage == 2)
        sim_host_lose_power(sim_site(world, incident->a));
    return true;
}
static void no_clone(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->stage == 1)
        sim_net_cut_around(world, sim_site(world, incident->a)->index, true, true, false);
    sim_clone_end(world);
    if (incident->stage == 2)
        sim_host_boot(sim_site(world, incident->a));
}

const struct sim_incident_kind sim_faults_of_scripts[] = {
    {"condition-says", SIM_INSIDE, true, 5, 2000, 60000, condition_says, condition_is_met},
    {"service-crashes", SIM_INSIDE, true, 8, 5000, 40000, service_crashes, NULL},
    {"looks-ended", SIM_INSIDE, true, 4, 500, 30000, looks_are_ended, looks_end_by_themselves},
    {"restarted-otherwise", SIM_INSIDE, true, 6, 30000, 90000, restarted_otherwise, found_again},
    {"clone-site", SIM_INSIDE, true, 6, 3000, 90000, clone_site, no_clone},
    {"change-scripts", SIM_INSIDE, true, 6, 100, 60000, change_scripts, scripts_are_known},
    {.name = NULL},
};
