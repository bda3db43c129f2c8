/* faults_machine.c - power, sleep, clocks and disks. */
#include "checks.h"
#include "guard.h"
#include "plan.h"
#include "site.h"

#define BEYOND_PPM 100000
#define SLEW_PPM 80000 /* chrony's limit for slewing; CLOCK_MONOTONIC_RAW is not touched by it */

static struct sim_host *host_of(struct sim_world *world, const struct sim_incident *incident)
{
    return &world->hosts[incident->a];
}
static bool is_of_witness(struct sim_world *world, const struct sim_incident *incident)
{
    return host_of(world, incident)->kind == SIM_HOST_WITNESS;
}
static uint32_t any_host(struct sim_world *world, struct sim_incident *incident)
{
    return sim_host_index(
        world, (uint32_t)bw_prng_below(&incident->chance, sim_host_count(world)));
}
static uint32_t any_witness_host(struct sim_world *world, struct sim_incident *incident)
{
    return sim_witness_host(world, sim_any_witness(world, &incident->chance))->index;
}
static uint32_t any_site(struct sim_world *world, struct sim_incident *incident)
{
    return (uint32_t)bw_prng_below(&incident->chance, world->setting.site_count);
}
static uint32_t any_site_host(struct sim_world *world, struct sim_incident *incident)
{
    return sim_site(world, any_site(world, incident))->index;
}

/* ---- power ---- */

static bool lose_power(struct sim_world *world, struct sim_incident *incident)
{
    if (!host_of(world, incident)->is_up)
        return false;
    sim_host_lose_power(host_of(world, incident));
    return true;
}
static bool power_witness(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = any_witness_host(world, incident);
    return lose_power(world, incident);
}
static bool power_site(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = any_site_host(world, incident);
    return lose_power(world, incident);
}
static void power_back(struct sim_world *world, struct sim_incident *incident)
{
    sim_host_boot(host_of(world, incident));
}
/* All witnesses, or everything; they come back one after another. `c`: which were up. */
static void boot_one(struct sim_world *world, uint64_t host)
{
    sim_host_boot(&world->hosts[host]);
}
static bool power_many(struct sim_world *world, struct sim_incident *incident)
{
    const bool is_all = !sim_chance(&incident->chance, 500000);

    incident->c = 0;
    for (uint32_t i = 0; i < sim_host_count(world); i++) {
        struct sim_host *host = &world->hosts[sim_host_index(world, i)];

        if (!is_all && host->kind != SIM_HOST_WITNESS)
            continue;
        sim_host_lose_power(host);
        incident->c |= UINT64_C(1) << host->index;
    }
    return true;
}
static void power_many_back(struct sim_world *world, struct sim_incident *incident)
{
    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++)
        if ((incident->c >> i & 1) != 0)
            sim_world_at(world, world->now_ns + bw_prng_below(&incident->chance, 3 * SIM_S),
                         boot_one, i);
}

/* ---- sleep ---- */

static bool suspend(struct sim_world *world, struct sim_incident *incident)
{
    if (!host_of(world, incident)->is_up || host_of(world, incident)->is_suspended)
        return false;
    sim_host_suspend(host_of(world, incident));
    return true;
}
static bool suspend_witness(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = any_witness_host(world, incident);
    return suspend(world, incident);
}
/* The service sleeps with its guard, and serves for a moment when both awake: outside (3.8). */
static bool suspend_site(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = any_site_host(world, incident);
    sim_checks_excuse(world, host_of(world, incident)->number,
                      sim_plan_excused_until(world, incident));
    return suspend(world, incident);
}
static void resume(struct sim_world *world, struct sim_incident *incident)
{
    sim_host_resume(host_of(world, incident));
}
/* Frozen whole, its clocks run on: a hypervisor that forgets a machine. */
static void set_frozen(struct sim_host *host, bool is_frozen)
{
    sim_host_freeze(host, is_frozen);
    sim_service_freeze(host, is_frozen);
}
static bool freeze_site(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = any_site_host(world, incident);
    sim_checks_excuse(world, host_of(world, incident)->number,
                      sim_plan_excused_until(world, incident));
    set_frozen(host_of(world, incident), true);
    return true;
}
static void thaw_site(struct sim_world *world, struct sim_incident *incident)
{
    set_frozen(host_of(world, incident), false);
}

/* ---- clocks: inside the bound, and CLOCK_BOOTTIME slewed far beyond it ---- */

static int32_t rate(struct sim_incident *incident, uint32_t bound_ppm)
{
    return (int32_t)bw_prng_below(&incident->chance, 2 * bound_ppm + 1) - (int32_t)bound_ppm;
}
/* Drawn one after the other: the order is the seed's. */
static void set_rates(struct sim_world *world, struct sim_incident *incident, uint32_t boot_ppm,
                      uint32_t raw_ppm)
{
    const int32_t boot = rate(incident, boot_ppm);
    const int32_t raw = rate(incident, raw_ppm);

    sim_clock_set_rates(host_of(world, incident), boot, raw);
}
static void set_rates_within(struct sim_world *world, struct sim_incident *incident)
{
    set_rates(world, incident, world->setting.terms.drift_ppm, world->setting.terms.drift_ppm);
}
static bool drift(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = any_host(world, incident);
    set_rates_within(world, incident);
    return true;
}
/* To the edge of the bound, each clock its own way: what the formula of 3.3 is made for. */
static bool drift_to_the_edge(struct sim_world *world, struct sim_incident *incident)
{
    const int32_t bound_ppm = (int32_t)world->setting.terms.drift_ppm;
    const bool is_fast = sim_chance(&incident->chance, 500000);

    for (uint32_t i = 0; i < sim_host_count(world); i++) {
        incident->a = sim_host_index(world, i);
        const int32_t ppm = is_of_witness(world, incident) == is_fast ? bound_ppm : -bound_ppm;

        sim_clock_set_rates(host_of(world, incident), ppm, ppm);
    }
    return true;
}
static void all_rates_within(struct sim_world *world, struct sim_incident *incident)
{
    for (uint32_t i = 0; i < sim_host_count(world); i++) {
        incident->a = sim_host_index(world, i);
        set_rates_within(world, incident);
    }
}
static bool slew(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = any_host(world, incident);
    set_rates(world, incident, SLEW_PPM, world->setting.terms.drift_ppm);
    return true;
}
static bool drift_beyond(struct sim_world *world, struct sim_incident *incident)
{
    /* Until each lease is over whose length or wait it has counted: with those of a witness anybody's. */
    const uint64_t until_ns = incident->until_ns + 2 * world->setting.ttl_ms_max * SIM_MS;

    incident->a = any_host(world, incident);
    for (uint32_t site = 0; site < sim_machine_count(world); site++) /* a copy's too */
        if (is_of_witness(world, incident) || site == host_of(world, incident)->number)
            sim_checks_excuse(world, site, until_ns);
    set_rates(world, incident, BEYOND_PPM, BEYOND_PPM);
    return true;
}

/* ---- disks ---- */

static void set_disk(struct sim_world *world, const struct sim_incident *incident,
                     const struct sim_disk_faults *faults)
{
    for (uint32_t i = 0; i < world->process_count; i++)
        if (world->processes[i]->host->index == incident->a)
            world->processes[i]->disk = *faults;
}
static bool begin_disk(struct sim_world *world, struct sim_incident *incident,
                       struct sim_disk_faults faults)
{
    incident->a = any_host(world, incident);
    if (!is_of_witness(world, incident))
        sim_checks_disturb(world, host_of(world, incident)->number, incident->until_ns);
    set_disk(world, incident, &faults);
    return true;
}
static void disk_is_well(struct sim_world *world, struct sim_incident *incident)
{
    set_disk(world, incident, &(struct sim_disk_faults){.is_full = false});
}
static bool disk_fails(struct sim_world *world, struct sim_incident *incident)
{
    return begin_disk(
        world, incident,
        (struct sim_disk_faults){
            .fail_percent = (uint8_t)(1 + bw_prng_below(&incident->chance, 100))});
}
static bool run_fails(struct sim_world *world, struct sim_incident *incident)
{
    const bool begun = begin_disk(
        world, incident,
        (struct sim_disk_faults){
            .run_fail_percent = (uint8_t)(1 + bw_prng_below(&incident->chance, 100))});

    return begun && !is_of_witness(world, incident); /* a witness has nothing there */
}
static bool disk_is_full(struct sim_world *world, struct sim_incident *incident)
{
    return begin_disk(world, incident, (struct sim_disk_faults){.is_full = true});
}
/* Not so slow that agent and guard, which share it, both stand still for a part of the window. */
static bool disk_is_slow(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t ms_max = world->setting.terms.fence_ms / 20 + 1;

    return begin_disk(
        world, incident,
        (struct sim_disk_faults){
            .slow_ms = 1 + (uint32_t)bw_prng_below(&incident->chance, ms_max)});
}
/* A failed fsync: what is on the disk is unknown. One process at a time: it ends itself; a guard goes
 * on, and is restarted once somebody has mended the disk. */
static bool disk_is_unknown(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t draw = (uint32_t)bw_prng_below(&incident->chance, 2 * world->witness_count);
    const uint64_t ns = incident->until_ns - world->now_ns;
    struct sim_process *process = draw < world->witness_count ? world->witnesses[draw] : NULL;

    if (process == NULL) {
        const uint32_t site = any_site(world, incident);

        if (!sim_plan_takes_site(world, site, ns))
            return false;
        process = draw % 2 == 0 ? world->guards[site] : world->agents[site][0];
    }
    incident->b = process->index;
    process->disk.unknown_percent = (uint8_t)(1 + bw_prng_below(&incident->chance, 100));
    return true;
}
static void disk_is_known(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *process = world->processes[incident->b];

    process->disk.unknown_percent = 0;
    if (process->ops == &sim_guard_ops && sim_guard_is_broken(process))
        sim_process_kill(process); /* its supervisor starts it again */
}
static bool disk_hangs(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = sim_any_witness(world, &incident->chance);
    world->witnesses[incident->a]->disk.hang_percent = 50;
    return true;
}
static void disk_goes_on(struct sim_world *world, struct sim_incident *incident)
{
    world->witnesses[incident->a]->disk.hang_percent = 0;
}

const struct sim_incident_kind sim_machine_faults[] = {
    {"power-witness", SIM_INSIDE, true, 6, 100, 60000, power_witness, power_back},
    {"power-site", SIM_INSIDE, true, 8, 100, 90000, power_site, power_back},
    {"power-many", SIM_INSIDE, true, 3, 100, 30000, power_many, power_many_back},
    {"suspend-witness", SIM_INSIDE, true, 4, 10, 60000, suspend_witness, resume},
    {"suspend-site", SIM_OUTSIDE, true, 2, 10, 60000, suspend_site, resume},
    {"freeze-site", SIM_OUTSIDE, true, 2, 10, 60000, freeze_site, thaw_site},
    {"drift", SIM_INSIDE, true, 4, 1000, 60000, drift, NULL},
    {"drift-to-the-edge", SIM_INSIDE, true, 4, 5000, 120000, drift_to_the_edge, all_rates_within},
    {"slew", SIM_INSIDE, true, 6, 1000, 60000, slew, set_rates_within},
    {"drift-beyond", SIM_OUTSIDE, true, 1, 1000, 60000, drift_beyond, set_rates_within},
    {"disk-fails", SIM_INSIDE, true, 6, 100, 10000, disk_fails, disk_is_well},
    {"run-fails", SIM_INSIDE, true, 4, 100, 20000, run_fails, disk_is_well},
    {"disk-full", SIM_INSIDE, true, 3, 100, 20000, disk_is_full, disk_is_well},
    {"disk-slow", SIM_INSIDE, true, 4, 100, 30000, disk_is_slow, disk_is_well},
    {"disk-unknown", SIM_INSIDE, true, 3, 100, 10000, disk_is_unknown, disk_is_known},
    {"disk-hangs", SIM_INSIDE, true, 2, 100, 5000, disk_hangs, disk_goes_on},
    {.name = NULL},
};
