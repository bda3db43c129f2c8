/* faults_together.c - what each bears alone, at one time and where it hurts most. Drawn one by one,
 * these would meet too rarely to show what a wait is too short by. */
#include "net.h"
#include "plan.h"
#include "site.h"

#define SLEW_PPM      80000 /* as in faults_machine.c */
#define ANSWER_MS_MAX 500

static void cut_it_off(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = 1;
    sim_net_cut_around(world, sim_site(world, incident->b)->index, true, true, true);
}

/* The holder's clocks are as slow and the witnesses' as fast as they may be, its answers are late and
 * its scripts hang; then it is cut off, and serves until the KILL at the end of its lease. */
static bool worst_lapse(struct sim_world *world, struct sim_incident *incident)
{
    const int32_t bound_ppm = (int32_t)world->setting.terms.drift_ppm;
    const bool is_slewed = sim_chance(&incident->chance, 500000);

    if (!sim_plan_find_serving(world, incident))
        return false;
    for (uint32_t i = 0; i < sim_host_count(world); i++) {
        struct sim_host *host = &world->hosts[sim_host_index(world, i)];
        const int32_t sign = host->kind == SIM_HOST_WITNESS ? 1 : -1;

        sim_clock_set_rates(host, sign * (is_slewed ? SLEW_PPM : bound_ppm),
                            sign * bound_ppm);
    }
    incident->a = 0;
    incident->c = bw_prng_below(&incident->chance, ANSWER_MS_MAX) * SIM_MS;
    sim_net_slow_answers(world, sim_site(world, incident->b)->index, (int64_t)incident->c);
    sim_site_set_script_faults(
        sim_site(world, incident->b),
        &(struct sim_script_faults){.hang_percent = 100, .ignore_term_percent = 100});
    sim_plan_later(world, incident,
                   world->now_ns + (1000 + bw_prng_below(&incident->chance, 3000)) * SIM_MS,
                   cut_it_off);
    return true;
}
static void lapse_is_over(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *host = sim_site(world, incident->b);

    if (incident->a == 1)
        sim_net_cut_around(world, host->index, true, true, false);
    sim_net_slow_answers(world, host->index, -(int64_t)incident->c);
    sim_site_clear_script_faults(host);
    for (uint32_t i = 0; i < sim_host_count(world); i++)
        sim_clock_set_rates(&world->hosts[sim_host_index(world, i)], 0, 0);
}

/* A leader stands still while another is elected, and the holder's site hears none but the old one: it
 * thaws in the middle of what has come, before it can know that it leads no more (3.2.2). */
static void set_cut_from_others(struct sim_world *world, const struct sim_incident *incident,
                                bool is_cut)
{
    const uint32_t site = sim_site(world, incident->b)->index;

    for (uint32_t w = 0; w < SIM_WITNESSES_MAX; w++)
        if (w != incident->a) {
            sim_net_cut(world, site, world->witnesses[w]->host->index, is_cut);
            sim_net_cut(world, world->witnesses[w]->host->index, site, is_cut);
        }
}
static void thaw_old_leader(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_thaw(world->witnesses[incident->a]);
}
static bool old_leader(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_terms *terms = &world->setting.terms;
    const uint64_t most_ms = terms->ttl_ms - terms->fence_ms;
    const uint64_t least_ms = 2 * world->setting.election_timeout_ms;

    if (!sim_plan_find_serving(world, incident) || !sim_plan_find_leader(world, incident) ||
        most_ms <= least_ms)
        return false;
    set_cut_from_others(world, incident, true);
    sim_process_freeze(world->witnesses[incident->a]);
    sim_plan_later(world, incident,
                   world->now_ns +
                       (least_ms + bw_prng_below(&incident->chance, most_ms - least_ms)) * SIM_MS,
                   thaw_old_leader);
    return true;
}
static void old_leader_is_over(struct sim_world *world, struct sim_incident *incident)
{
    set_cut_from_others(world, incident, false);
    sim_process_thaw(world->witnesses[incident->a]);
}

const struct sim_incident_kind sim_faults_together[] = {
    {"old-leader", SIM_INSIDE, true, 6, 15000, 45000, old_leader, old_leader_is_over},
    {"worst-lapse", SIM_INSIDE, true, 6, 8000, 40000, worst_lapse, lapse_is_over},
    {.name = NULL},
};
