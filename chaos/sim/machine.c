/* machine.c - the services of a site, what they have replicated, and signals. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/guard_reach.h>

#include "check_override.h"
#include "check_site.h"
#include "checks.h"
#include "guard.h"
#include "units.h"

#define LINGERS_PERCENT    20
#define NATURAL_LAG_MS_MAX 3000

/* ---- two processes that only carry events ------------------------------------------------------ */

static void nothing_happens(struct sim_process *process)
{
    (void)process;
}

static void no_message(struct sim_process *process, const struct sim_message *message)
{
    (void)process;
    (void)message;
}

static const struct sim_process_ops machine_ops = {.role = "machine",
                                                   .on_start = nothing_happens,
                                                   .on_wake = nothing_happens,
                                                   .on_message = no_message,
                                                   .on_death = nothing_happens};

static struct sim_process *make_process(struct sim_host *host, const char *role)
{
    char name[2 * BW_NAME_MAX + 2];
    struct sim_process *process;

    (void)snprintf(name, sizeof name, "%s%s", role, host->name + strlen("site"));
    process = sim_process_new(host->world, host, name, &machine_ops, NULL);
    process->is_supervised = true;
    return process;
}

/* In some worlds a standby is never quite there. */
static void begin_to_follow(struct sim_machine *machine, uint32_t group)
{
    struct sim_service *service = &machine->services[group];

    service->is_lag_known = true;
    if (machine->host->world->setting.seed % 5 < 2)
        service->natural_lag_ms = bw_prng_below(&machine->host->chance, NATURAL_LAG_MS_MAX);
    service->lag_ms = service->natural_lag_ms;
}

void sim_site_init(struct sim_host *host)
{
    struct sim_machine *machine = calloc(1, sizeof *machine);
    struct bw_prng nature;
    uint64_t outside_percent;

    BW_ASSERT(machine != NULL);
    /* The same at every site: it is the group's nature, in a quarter of the worlds of some groups. */
    bw_prng_init(&nature, host->world->setting.seed * 1000003 + 600);
    outside_percent = bw_prng_below(&nature, 4) == 0 ? 60 : 0;
    machine->host = host;
    machine->forks_always = host->world->setting.seed % 4 == 0;
    machine->is_stubborn = host->world->setting.seed % 3 == 1;
    machine->scripts = make_process(host, "scripts");
    machine->kernel = make_process(host, "kernel");
    host->services = machine;
    sim_units_init(machine);
    if (host->world->setting.has_second_enforcer)
        outside_percent = 100;
    for (uint32_t group = 0; group < SIM_GROUPS_MAX; group++) {
        begin_to_follow(machine, group);
        machine->scripts_named[group] = 1;
        for (uint32_t i = 0; i < SIM_SCRIPTS_MAX; i++)
            machine->script_bytes[group][i] = i + 1;
        machine->starts_outside[group] = bw_prng_below(&nature, 100) < outside_percent;
        machine->services[group].is_outside = machine->starts_outside[group];
        /* Of eight sites one was never tried. */
        if (!sim_scripts_start_outside(machine, group, 1) &&
            (host->world->setting.seed / 3 + host->number + 3 * (uint64_t)group) % 8 != 0)
            machine->tried_scripts[group] = 1;
    }
}

void sim_site_deinit(struct sim_host *host)
{
    free(host->services);
    host->services = NULL;
}

/* ---- services ----------------------------------------------------------------------------------- */

/* It runs elsewhere, and whatever happens to the machine of its guard is nothing to it. */
static bool outlives(const struct sim_host *host, uint32_t group)
{
    return host->world->setting.has_second_enforcer &&
           sim_machine(host)->services[group].is_outside;
}

bool sim_service_is_serving(const struct sim_host *host, uint32_t group)
{
    const struct sim_machine *machine = sim_machine(host);

    if (!machine->services[group].is_up || outlives(host, group))
        return machine->services[group].is_up;
    return host->is_up && !host->is_suspended && machine->scripts->health == SIM_ABLE;
}

bool sim_service_is_by_hand(const struct sim_host *host, uint32_t group)
{
    return sim_machine(host)->services[group].epoch == 0;
}

bool sim_service_is_outside(const struct sim_host *host, uint32_t group)
{
    return sim_machine(host)->services[group].is_outside;
}

bool sim_service_is_twice(const struct sim_host *host, uint32_t group)
{
    return sim_machine(host)->services[group].is_up && sim_machine(host)->services[group].is_twice;
}

uint64_t sim_service_epoch(const struct sim_host *host, uint32_t group)
{
    return sim_machine(host)->services[group].epoch;
}

bool sim_service_is_of_override(const struct sim_host *host, uint32_t group)
{
    return sim_machine(host)->services[group].is_of_override;
}

void sim_service_note_twice(struct sim_host *host, uint32_t group)
{
    sim_machine(host)->services[group].is_twice = true;
}

bool sim_service_is_masked(const struct sim_host *host, uint32_t group)
{
    return sim_machine(host)->services[group].is_up && sim_machine(host)->services[group].is_masked;
}

static struct sim_data *data_of(const struct sim_machine *machine, uint32_t group)
{
    return &sim_machine(sim_site(machine->host->world, 0))->data[group];
}

static uint64_t reached_ms(const struct sim_world *world, const struct sim_data *data)
{
    return data->reached_ms +
           (data->writers > 0 ? (world->now_ns - data->since_ns) / SIM_MS : 0);
}

/* A standby has received what was written up to its lag ago, and keeps it. */
uint64_t sim_service_position(const struct sim_machine *machine, uint32_t group)
{
    const struct sim_world *world = machine->host->world;
    const struct sim_service *service = &machine->services[group];
    const struct sim_data *data = data_of(machine, group);
    const uint64_t reached = reached_ms(world, data);
    uint64_t missing = service->is_up ? 0 : service->lag_ms;
    const uint64_t still_ms = data->writers > 0 ? 0 : (world->now_ns - data->since_ns) / SIM_MS;

    missing = missing > still_ms ? missing - still_ms : 0;
    missing = missing < reached ? missing : reached;
    return reached - missing > service->has_ms ? reached - missing : service->has_ms;
}

static void settle(struct sim_machine *machine, uint32_t group)
{
    machine->services[group].has_ms = sim_service_position(machine, group);
}

/* What was acknowledged anywhere and is not here; nothing is said of it while somebody writes. */
static uint64_t missing_ms(const struct sim_machine *machine, uint32_t group)
{
    const struct sim_data *data = data_of(machine, group);

    return data->writers > 0 ? 0
                             : reached_ms(machine->host->world, data) -
                                   sim_service_position(machine, group);
}

static void note_writers(struct sim_machine *machine, uint32_t group, int change)
{
    const struct sim_world *world = machine->host->world;
    struct sim_data *data = data_of(machine, group);

    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        settle(sim_machine(sim_site(machine->host->world, site)), group);
    data->reached_ms = reached_ms(world, data);
    data->since_ns = world->now_ns;
    data->writers += (uint32_t)change;
}

static void changed(struct sim_machine *machine, uint32_t group)
{
    struct sim_world *world = machine->host->world;
    const struct sim_service *service = &machine->services[group];

    sim_mix(world, (uint64_t)machine->host->index << 8 | group << 1 | service->is_up);
    sim_mix(world, service->epoch);
    sim_check_serving_changed(world);
}

/* The second kind is of the other nature, but where a second enforcer is there to end what outlives
 * its machine. */
bool sim_scripts_start_outside(const struct sim_machine *machine, uint32_t group, uint32_t scripts)
{
    if (machine->host->world->setting.has_second_enforcer)
        return true;
    return machine->starts_outside[group] != (scripts == 2);
}

/* A start that comes after a fence of its epoch; but what a person lets serve has none (3.8). */
static bool is_refused(struct sim_machine *machine, uint32_t group, uint64_t epoch)
{
    struct sim_world *world = machine->host->world;
    const bool is_late = epoch != 0 && epoch <= machine->fenced_epoch[group] &&
                         !sim_check_overrides(world, machine->host->number, group);

    if (is_late)
        sim_count(world, "remote_fence:late_start");
    return is_late;
}

void sim_service_up(struct sim_machine *machine, uint32_t group, uint64_t epoch, bool is_outside)
{
    struct sim_service *service = &machine->services[group];
    struct sim_world *world = machine->host->world;

    if (service->is_up || is_refused(machine, group, epoch))
        return;
    if (epoch != 0 && epoch >= machine->named_epoch[group]) {
        machine->named_epoch[group] = epoch;
        machine->named_is_over[group] = false; /* an override may serve again in one that was */
    }
    sim_check_data(world, group, machine->host->number, epoch, missing_ms(machine, group));
    service->is_up = true;
    service->is_in_unit = machine->units[group].is_unit && !is_outside;
    service->is_outside = is_outside || (service->is_in_unit && machine->units[group].comes_again);
    if (service->is_in_unit)
        sim_unit_up(machine, group);
    service->is_masked = false;
    service->is_twice = service->is_outside && sim_clone(world)->is_up &&
                        strcmp(sim_clone(world)->name, machine->host->name) == 0;
    service->epoch = epoch;
    service->is_of_override = epoch != 0 &&
                              sim_check_overrides(world, machine->host->number, group);
    service->ignores_term = machine->is_stubborn ||
                            sim_percent(machine, machine->faults.ignore_term_percent);
    note_writers(machine, group, 1);
    if (world->tells)
        sim_tell(world, machine->host->name, "%s serves now (epoch %llu)",
                 world->group_names[group], (unsigned long long)epoch);
    changed(machine, group);
}

static void down(struct sim_machine *machine, uint32_t group, const char *why, bool is_ordered)
{
    struct sim_service *service = &machine->services[group];
    struct sim_world *world = machine->host->world;

    if (service->is_up ? service->is_in_unit : is_ordered)
        sim_unit_down(machine, group, is_ordered);
    if (!service->is_up)
        return;
    settle(machine, group); /* all that it has acknowledged */
    service->is_up = false;
    note_writers(machine, group, -1);
    if (world->tells)
        sim_tell(world, machine->host->name, "%s serves no more: %s", world->group_names[group],
                 why);
    changed(machine, group);
}

void sim_service_down(struct sim_machine *machine, uint32_t group, const char *why)
{
    down(machine, group, why, true);
}

void sim_service_ended(struct sim_machine *machine, uint32_t group, uint64_t epoch, const char *why)
{
    if (epoch >= machine->named_epoch[group])
        machine->named_is_over[group] = true;
    sim_service_down(machine, group, why);
}

/* A newer epoch has the service: it was told to begin, and neither a stop nor a fence of it has come. */
static bool is_held_above(const struct sim_machine *machine, uint32_t group, uint64_t epoch)
{
    return machine->named_epoch[group] > epoch && !machine->named_is_over[group];
}

bool sim_service_refuses_fence(struct sim_world *world, const char *site, uint32_t group,
                               uint64_t epoch)
{
    for (uint32_t i = 0; i < sim_machine_count(world); i++)
        if (strcmp(sim_site(world, i)->name, site) == 0 &&
            is_held_above(sim_machine(sim_site(world, i)), group, epoch))
            return true;
    return false;
}

bool sim_service_fenced(struct sim_world *world, const char *site, uint32_t group, uint64_t epoch,
                        const char *why)
{
    if (sim_service_refuses_fence(world, site, group, epoch)) {
        sim_count(world, "remote_fence:refused");
        return false;
    }
    for (uint32_t i = 0; i < sim_machine_count(world); i++) {
        struct sim_machine *machine = sim_machine(sim_site(world, i));

        if (strcmp(machine->host->name, site) != 0)
            continue;
        if (epoch > machine->fenced_epoch[group])
            machine->fenced_epoch[group] = epoch;
        if (machine->services[group].is_up)
            sim_count(world, "remote_fence:ends");
        sim_service_ended(machine, group, epoch, why);
    }
    return true;
}

/* ---- what faults and people do ------------------------------------------------------------------ */

void sim_service_dies(struct sim_host *host, uint32_t group)
{
    down(sim_machine(host), group, "it has crashed", false);
}

/* As the scripts of the site file do it: through the unit that the reach includes, or elsewhere. */
void sim_service_started_by_hand(struct sim_host *host, uint32_t group)
{
    struct sim_machine *machine = sim_machine(host);

    if (host->is_up && !host->is_suspended)
        sim_service_up(machine, group, 0,
                       sim_scripts_start_outside(machine, group, sim_site_scripts(host, group)));
}

void sim_service_freeze(struct sim_host *host, bool is_frozen)
{
    struct sim_machine *machine = sim_machine(host);

    if (is_frozen)
        sim_process_freeze(machine->scripts);
    else
        sim_process_thaw(machine->scripts);
    sim_check_serving_changed(host->world);
}

void sim_site_lost_power(struct sim_host *host)
{
    struct sim_machine *machine = sim_machine(host);

    for (uint32_t group = 0; group < SIM_GROUPS_MAX; group++)
        if (!outlives(host, group))
            sim_service_down(machine, group, "the machine has no power");
        else if (machine->services[group].is_up)
            sim_count(host->world, "second:outlives");
    for (uint32_t i = 0; i < SIM_RUNS_MAX; i++)
        machine->runs[i].is_used = false;
}

void sim_site_lost_disk(struct sim_host *host)
{
    for (uint32_t i = 0; i < SIM_FILES_MAX; i++)
        if (host->files[i].name[0] != '\0')
            sim_file_remove(host, host->files[i].name);
}

void sim_site_set_script_faults(struct sim_host *host, const struct sim_script_faults *faults)
{
    sim_machine(host)->faults = *faults;
    sim_check_override_scripts(host->world, host->number, true);
}

void sim_site_clear_script_faults(struct sim_host *host)
{
    sim_machine(host)->faults = (struct sim_script_faults){.fail_percent = 0};
    sim_check_override_scripts(host->world, host->number, false);
}

void sim_site_set_condition(struct sim_host *host, uint32_t group, enum sim_condition condition)
{
    sim_machine(host)->conditions[group] = condition;
    sim_check_condition_changes(host->world, host->number, group);
}

uint32_t sim_site_scripts(const struct sim_host *host, uint32_t group)
{
    const struct sim_machine *machine = sim_machine(host);

    return machine->script_bytes[group][machine->scripts_named[group] - 1];
}

/* Under a name of their own: those of before stay where they are. */
void sim_site_set_scripts(struct sim_host *host, uint32_t group, uint32_t scripts)
{
    struct sim_machine *machine = sim_machine(host);

    machine->scripts_named[group] = machine->scripts_named[group] % SIM_SCRIPTS_MAX + 1;
    machine->script_bytes[group][machine->scripts_named[group] - 1] = scripts;
}

void sim_site_edit_scripts(struct sim_host *host, uint32_t group, uint32_t scripts)
{
    struct sim_machine *machine = sim_machine(host);

    machine->script_bytes[group][machine->scripts_named[group] - 1] = scripts;
}

void sim_site_reload(struct sim_host *host)
{
    sim_guard_reload(host->world->guards[host->number]);
}

void sim_site_set_lag(struct sim_host *host, uint32_t group, bool is_known, uint64_t lag_ms)
{
    struct sim_service *service = &sim_machine(host)->services[group];

    settle(sim_machine(host), group);
    service->is_lag_known = is_known;
    service->lag_ms = lag_ms + service->natural_lag_ms;
}

/* ---- signals ------------------------------------------------------------------------------------ */

/* What an event of the kernel carries instead of memory of its own. */
static void *packed(uint64_t number, bool is_kill)
{
    return (void *)(uintptr_t)(number << 1 | (is_kill ? 1 : 0));
}

static void reaches_run(struct sim_process *kernel, void *payload)
{
    const uint64_t value = (uintptr_t)payload;

    sim_run_signal(sim_machine(kernel->host), value >> 1, (value & 1) != 0);
}

/* One that is frozen does not act on TERM. */
static void reaches_service(struct sim_process *kernel, void *payload)
{
    const uint64_t value = (uintptr_t)payload;
    const bool is_kill = (value & 1) != 0;
    struct sim_machine *machine = sim_machine(kernel->host);
    const uint32_t group = (uint32_t)(value >> 1);

    if (is_kill)
        down(machine, group, "KILL", false);
    else if (!machine->services[group].ignores_term && machine->scripts->health == SIM_ABLE)
        down(machine, group, "TERM", false);
}

static uint64_t draw_delay(struct bw_prng *chance, uint64_t linger_ns_max)
{
    const bool lingers = linger_ns_max > SIM_LINGER_NS_MAX &&
                         bw_prng_below(chance, 100) < LINGERS_PERCENT;

    return bw_prng_below(chance, lingers ? linger_ns_max : SIM_LINGER_NS_MAX);
}

/* Who tries again when it is over. Where both are gone the enforcer's KILL is the last one (3.4). */
static bool is_anybody_there(const struct sim_machine *machine)
{
    const struct sim_world *world = machine->host->world;
    const uint32_t site = machine->host->number;

    return world->guards[site]->health == SIM_ABLE || world->agents[site][0]->health == SIM_ABLE;
}

/* In a cgroup of the guard's. */
bool sim_service_is_here(const struct sim_service *service)
{
    return service->is_up && !service->is_outside && !service->is_in_unit;
}

static bool is_reached(const struct sim_machine *machine, uint32_t group, uint32_t slots,
                       bool is_kill)
{
    return ((slots & SIM_SLOT_SERVICE) != 0 && sim_service_is_here(&machine->services[group])) ||
           sim_unit_is_reached(machine, group, slots, is_kill);
}

void sim_reach_signal(struct sim_machine *machine, uint32_t group, uint32_t slots, bool is_kill,
                      uint64_t linger_ns_max)
{
    struct bw_prng *chance = &machine->host->chance;

    for (uint32_t i = 0; i < SIM_RUNS_MAX; i++) {
        const struct sim_run *run = &machine->runs[i];

        if (run->is_used && run->order.group == group && (run->order.slot & slots) != 0)
            sim_later(machine->kernel, draw_delay(chance, linger_ns_max), reaches_run,
                      packed(run->serial, is_kill), NULL);
    }
    if (!is_reached(machine, group, slots, is_kill))
        return;
    if (is_anybody_there(machine) && sim_percent(machine, machine->faults.fence_fails_percent)) {
        sim_count(machine->host->world, "script:unkillable");
        sim_checks_unfenced(machine->host->world, machine->host->number, group,
                            machine->faults.unfenced_until_ns);
        return;
    }
    sim_later(machine->kernel, draw_delay(chance, linger_ns_max), reaches_service,
              packed(group, is_kill), NULL);
}

/* What a person starts comes up through the unit that the reach includes. */
enum bw_populated sim_reach_populated(struct sim_machine *machine, uint32_t group)
{
    struct sim_service *service = &machine->services[group];
    const bool is_empty = sim_reach_is_empty(machine, group, SIM_SLOT_SERVICE);
    const struct bw_populated_facts facts = {.here = is_empty ? BW_POPULATED_NO : BW_POPULATED_YES,
                                             .comes_again = machine->units[group].comes_again,
                                             .units = sim_unit_populated(machine, group)};
    const enum bw_populated populated = bw_guard_populated(&facts);

    if (populated != BW_POPULATED_YES || is_empty || !service->is_up || !service->is_outside)
        return populated;
    if (!service->is_masked)
        sim_count(machine->host->world, "site:masked");
    service->is_masked = true;
    return populated;
}

bool sim_reach_is_empty(const struct sim_machine *machine, uint32_t group, uint32_t slots)
{
    if ((slots & SIM_SLOT_SERVICE) != 0 && sim_service_is_here(&machine->services[group]))
        return false;
    for (uint32_t i = 0; i < SIM_RUNS_MAX; i++) {
        const struct sim_run *run = &machine->runs[i];

        if (run->is_used && run->order.group == group && (run->order.slot & slots) != 0)
            return false;
    }
    return true;
}
