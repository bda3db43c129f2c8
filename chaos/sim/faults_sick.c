/* faults_sick.c - a holder that cannot show that it serves (4): its status says `unhealthy`, or hangs, over a service that
 * lives or is dead; and what both sites share makes all of them sick. */
#include "checks.h"
#include "operator.h"
#include "plan.h"
#include "site.h"

static void set(struct sim_world *world, struct sim_incident *incident, uint32_t site, struct sim_script_faults faults)
{
    sim_checks_disturb(world, site, incident->until_ns);
    sim_site_set_script_faults(sim_site(world, site), &faults);
}

static bool is_sick(struct sim_world *world, struct sim_incident *incident)
{
    if (!sim_plan_find_serving(world, incident))
        return false;
    set(world, incident, incident->b, (struct sim_script_faults){.is_sick = true});
    return true;
}

static bool status_hangs(struct sim_world *world, struct sim_incident *incident)
{
    if (!sim_plan_find_serving(world, incident))
        return false;
    set(world, incident, incident->b, (struct sim_script_faults){.status_hangs = true});
    return true;
}

static bool is_dead_and_hangs(struct sim_world *world, struct sim_incident *incident)
{
    if (!status_hangs(world, incident))
        return false;
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        if (sim_service_is_serving(sim_site(world, incident->b), group))
            sim_service_dies(sim_site(world, incident->b), group);
    return true;
}

static void is_well(struct sim_world *world, struct sim_incident *incident)
{
    sim_site_clear_script_faults(sim_site(world, incident->b));
}

/* ---- all of them ---- */

static uint64_t newest_epoch(struct sim_world *world, uint32_t group)
{
    const struct bw_group *state = sim_operator_group(world, group);

    return state != NULL ? state->epoch : 0;
}

static bool all_are_sick(struct sim_world *world, struct sim_incident *incident)
{
    incident->c = world->now_ns;
    incident->others = (uint32_t)newest_epoch(world, 0);
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        set(world, incident, site, (struct sim_script_faults){.is_sick = true});
    return true;
}

/* Moves of the first group for this reason since it began. */
static uint32_t count_moves(struct sim_world *world, const struct sim_incident *incident)
{
    const struct bw_group *group = sim_operator_group(world, 0);
    uint32_t count = 0;

    for (uint32_t i = 0; group != NULL && i < group->history_count; i++) {
        const struct bw_history_entry *entry = bw_group_history_at(group, i);

        count += (uint32_t)entry->epoch > incident->others && entry->why_granted == BW_REASON_UNHEALTHY;
    }
    return count;
}

/* Each move makes the next one wait twice as long. */
static uint32_t moves_max(uint64_t lasted_ms)
{
    uint64_t wait_ms = SIM_UNHEALTHY_AFTER_MS;
    uint32_t count = 0;

    for (; lasted_ms >= wait_ms; count++, wait_ms *= 2)
        lasted_ms -= wait_ms;
    return count;
}

static void all_are_well(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t moves = count_moves(world, incident);
    const uint32_t most = moves_max((world->now_ns - incident->c) / SIM_MS);

    sim_count(world, moves == 0 ? "sick:stayed" : moves == 1 ? "sick:moved" : "sick:moved-again");
    if (moves > most)
        sim_fail(world, "sick", "what both sites share has moved a group %u times in %llu s, and %u are the most", moves,
                 (unsigned long long)((world->now_ns - incident->c) / SIM_S), most);
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        sim_site_clear_script_faults(sim_site(world, site));
}

const struct sim_incident_kind sim_sick_faults[] = {
    {"sick-service", SIM_INSIDE, true, 1, 5000, 90000, is_sick, is_well},
    {"sick-status", SIM_INSIDE, true, 1, 20000, 120000, status_hangs, is_well},
    {"sick-dead", SIM_INSIDE, true, 1, 20000, 120000, is_dead_and_hangs, is_well},
    {"sick-everywhere", SIM_INSIDE, true, 1, 20000, 600000, all_are_sick, all_are_well},
    {.name = NULL},
};
