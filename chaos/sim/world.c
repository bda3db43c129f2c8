/* world.c - machines and processes of one world, and its life from event to event. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include "checks.h"
#include "coverage.h"
#include "enforcer.h"
#include "net.h"
#include "operator.h"
#include "plan.h"
#include "queue.h"
#include "second.h"
#include "site.h"
#include "story.h"
#include "upgrade.h"
#include "witness.h"

int sim_group_find(const struct sim_world *world, const char *name)
{
    for (uint32_t i = 0; i < world->setting.group_count; i++)
        if (strcmp(world->group_names[i], name) == 0)
            return (int)i;
    return -1;
}

struct sim_host *sim_site(struct sim_world *world, uint32_t number)
{
    return &world->hosts[SIM_FIRST_WITNESSES + number];
}

struct sim_host *sim_witness_host(struct sim_world *world, uint32_t number)
{
    return &world->hosts[number < SIM_FIRST_WITNESSES ? number
                                                      : SIM_SPARES_AT + number - SIM_FIRST_WITNESSES];
}

void sim_mix(struct sim_world *world, uint64_t value)
{
    uint64_t hash = world->hash ^ value;

    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    world->hash = hash * UINT64_C(0xc4ceb9fe1a85ec53);
}

void sim_world_at(struct sim_world *world, uint64_t at_ns, sim_world_fn fn, uint64_t argument)
{
    const struct sim_event event = {
        .kind = SIM_EVENT_WORLD, .call.world_fn = fn, .argument = argument};

    BW_ASSERT(at_ns >= world->now_ns);
    sim_queue_push(world, at_ns, &event);
}

/* ---- machines ----------------------------------------------------------------------------------- */

void sim_host_boot(struct sim_host *host)
{
    if (host->is_up || host->is_lost)
        return;
    host->is_up = true;
    host->boots++;
    host->boot_id = sim_new_id(&host->chance);
    if (host->kernel_of != NULL)
        host->boot_id = host->kernel_of->boot_id;
    sim_clock_boot(host, SIM_S + bw_prng_below(&host->chance, 5 * SIM_S));
    sim_tell(host->world, host->name, "boots");
    for (uint32_t i = 0; i < host->world->process_count; i++)
        if (host->world->processes[i]->host == host && host->world->processes[i]->is_supervised)
            sim_process_start(host->world->processes[i]);
}

void sim_host_lose_power(struct sim_host *host)
{
    if (!host->is_up)
        return;
    sim_tell(host->world, host->name, "loses power");
    host->is_suspended = false;
    for (uint32_t i = 0; i < host->world->process_count; i++)
        if (host->world->processes[i]->host == host)
            sim_process_kill(host->world->processes[i]);
    host->is_up = false;
    for (uint32_t i = 0; i < SIM_FILES_MAX; i++)
        if (host->files[i].is_volatile)
            sim_file_remove(host, host->files[i].name);
    if (host->kind == SIM_HOST_SITE)
        sim_site_lost_power(host);
}

void sim_host_freeze(struct sim_host *host, bool is_frozen)
{
    for (uint32_t i = 0; i < host->world->process_count; i++) {
        struct sim_process *process = host->world->processes[i];

        if (process->host != host)
            continue;
        if (is_frozen)
            sim_process_freeze(process);
        else
            sim_process_thaw(process);
    }
}

void sim_host_suspend(struct sim_host *host)
{
    if (!host->is_up || host->is_suspended)
        return;
    sim_tell(host->world, host->name, "is suspended");
    sim_host_freeze(host, true);
    host->is_suspended = true;
    sim_clock_sleep(host, true);
    sim_check_serving_changed(host->world);
}

void sim_host_resume(struct sim_host *host)
{
    if (!host->is_suspended)
        return;
    sim_tell(host->world, host->name, "resumes");
    host->is_suspended = false;
    sim_clock_sleep(host, false);
    sim_host_freeze(host, false);
    sim_check_serving_changed(host->world);
}

static int32_t rate_within(struct bw_prng *chance, uint32_t bound_ppm)
{
    return (int32_t)bw_prng_below(chance, 2 * bound_ppm + 1) - (int32_t)bound_ppm;
}

static void make_host(struct sim_world *world, struct sim_host *host, enum sim_host_kind kind,
                      uint32_t number)
{
    const uint32_t drift_ppm = world->setting.terms.drift_ppm;

    host->world = world;
    host->kind = kind;
    host->number = number;
    host->installed = world->setting.begins_old ? SIM_OLD_LEVEL : BW_FEATURE_LEVEL_NEWEST;
    host->index = host->machine = (uint32_t)(host - world->hosts);
    (void)snprintf(host->name, sizeof host->name,
                   kind == SIM_HOST_WITNESS ? "w%u"
                   : kind == SIM_HOST_SITE  ? "site-%c"
                                            : "next-%c",
                   kind == SIM_HOST_WITNESS ? number + 1 : 'a' + number);
    bw_prng_init(&host->chance, world->setting.seed * 1000003 + 400 + host->index);
    host->boot.rate_ppm = rate_within(&host->chance, drift_ppm);
    host->raw.rate_ppm = rate_within(&host->chance, drift_ppm);
    if (kind == SIM_HOST_SITE)
        sim_site_init(host);
}

/* ---- the world ---------------------------------------------------------------------------------- */

static struct sim_process *make_process(struct sim_world *world, struct sim_host *host,
                                        const char *role, const struct sim_process_ops *ops,
                                        uintptr_t number)
{
    char name[2 * BW_NAME_MAX + 2];
    struct sim_process *process;

    (void)snprintf(name, sizeof name, "%s%s", role, host->name + (role[0] != '\0' ? 4 : 0));
    process = sim_process_new(world, host, name, ops, (void *)number);
    process->is_supervised = true;
    return process;
}

static void make_processes(struct sim_world *world)
{
    for (uint32_t i = 0; i < SIM_FIRST_WITNESSES; i++)
        world->witnesses[i] = make_process(world, &world->hosts[i], "", &sim_witness_ops, i);
    for (uint32_t i = 0; i < sim_machine_count(world); i++) {
        struct sim_host *host = sim_site(world, i);

        world->guards[i] = make_process(world, host, "guard", &sim_guard_ops, 0);
        world->agents[i][0] = make_process(world, host, "agent", &sim_agent_ops, 0);
        world->agents[i][1] = make_process(world, host, "second", &sim_agent_ops, 1);
        world->agents[i][1]->is_supervised = false; /* a fault starts it */
    }
    for (uint32_t i = 0; i < sim_machine_count(world); i++)
        for (uint32_t k = 0; k < SIM_ENFORCERS_MAX; k++) {
            struct sim_machine *machine = sim_machine(sim_site(world, i));

            machine->enforcers[k] =
                make_process(world, sim_site(world, i), "enforcer", &sim_enforcer_ops, k);
            machine->enforcers[k]->is_supervised = false; /* its guard makes it */
        }
    for (uint32_t i = SIM_FIRST_WITNESSES; i < SIM_WITNESSES_MAX; i++)
        world->witnesses[i] =
            make_process(world, sim_witness_host(world, i), "", &sim_witness_ops, i);
    if (world->setting.has_second_enforcer)
        sim_seconds_make(world);
}

static void make_hosts(struct sim_world *world)
{
    const uint32_t site_count = world->setting.site_count;

    for (uint32_t i = 0; i < SIM_WITNESSES_MAX; i++)
        make_host(world, sim_witness_host(world, i), SIM_HOST_WITNESS, i);
    for (uint32_t i = 0; i <= site_count; i++) /* the last one is for a clone */
        make_host(world, sim_site(world, i), SIM_HOST_SITE, i);
    for (uint32_t i = 0; world->setting.has_second_enforcer && i < site_count; i++)
        make_host(world, sim_second_host(world, i), SIM_HOST_SECOND, i);
    world->witness_count = world->setting.founder_count;
    world->witnesses_listed = (1u << world->setting.founder_count) - 1;
    world->host_count = SIM_FIRST_WITNESSES + site_count;
}

struct sim_world *sim_world_new(const struct sim_setting *setting)
{
    struct sim_world *world = calloc(1, sizeof *world);

    if (world == NULL)
        return NULL;
    world->setting = *setting;
    world->now_ns = SIM_BEGIN_NS;
    world->queue = calloc(1, sizeof *world->queue);
    world->net = calloc(1, sizeof *world->net);
    world->story = calloc(1, sizeof *world->story);
    world->coverage = calloc(1, sizeof *world->coverage);
    world->checks = sim_checks_new();
    world->plan = sim_plan_new(setting);
    BW_ASSERT(world->queue != NULL && world->net != NULL && world->story != NULL &&
              world->coverage != NULL && world->checks != NULL && world->plan != NULL);
    bw_prng_init(&world->chance, setting->seed * 1000003 + 100);
    sim_net_init(world, world->net);
    make_hosts(world);
    sim_net_part(world);
    for (uint32_t i = 0; i < setting->group_count; i++)
        (void)snprintf(world->group_names[i], sizeof world->group_names[i], "group-%u", i + 1);
    make_processes(world);
    sim_witness_bootstrap(world);
    return world;
}

void sim_world_free(struct sim_world *world)
{
    if (world == NULL)
        return;
    for (uint32_t i = 0; i < world->process_count; i++)
        world->processes[i]->is_supervised = false;
    for (uint32_t i = 0; i < world->process_count; i++)
        sim_process_kill(world->processes[i]);
    sim_queue_free(world);
    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++) {
        struct sim_host *host = &world->hosts[i];

        if (host->kind == SIM_HOST_SITE && host->world != NULL)
            sim_site_deinit(host);
        for (uint32_t f = 0; f < SIM_FILES_MAX; f++)
            free(host->files[f].bytes);
    }
    sim_seconds_free(world);
    sim_witness_free_disks(world);
    for (uint32_t i = 0; i < world->process_count; i++)
        free(world->processes[i]);
    sim_plan_free(world->plan);
    sim_checks_free(world->checks);
    free(world->coverage);
    free(world->story);
    free(world->net);
    free(world);
}

void sim_world_run(struct sim_world *world, uint64_t until_ns)
{
    struct sim_event *event;

    if (world->hosts[0].boots == 0) {
        for (uint32_t i = 0; i < sim_host_count(world); i++)
            sim_host_boot(&world->hosts[sim_host_index(world, i)]);
        sim_count(world, world->setting.founder_count == 5 ? "founders:five" : "founders:three");
        sim_operator_begin(world);
        sim_plan_begin(world);
        if (world->setting.has_second_enforcer)
            sim_count(world, "second:world");
        if (world->setting.is_liveness)
            sim_check_liveness_begin(world);
    }
    while (!world->has_failed && (event = sim_queue_pop(world, until_ns)) != NULL) {
        world->now_ns = event->at_ns;
        sim_event_happens(world, event);
        sim_checks_after_event(world);
    }
    if (!world->has_failed)
        world->now_ns = until_ns;
}
