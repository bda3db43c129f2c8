/* plan.c - the schedule of a run. */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include "checks.h"
#include "coverage.h"
#include "guard.h"
#include "net.h"
#include "recovery.h"
#include "story.h"
#include "witness.h"

static const struct sim_incident_kind *const tables[] = {
    sim_net_faults,        sim_process_faults,    sim_machine_faults,   sim_site_faults,
    sim_faults_of_scripts, sim_faults_together,   sim_forced_faults,    sim_faults_of_moments,
    sim_operator_acts,     sim_operator_midway,   sim_operator_release, sim_operator_members,
    sim_operator_recovery, sim_operator_override, sim_operator_upgrade, sim_second_faults,
    sim_sick_faults,       sim_revert_faults /* these two, the last, are drawn where they are wanted alone */};
#define TABLES (sizeof tables / sizeof tables[0])

/* Pauses between incidents: a run has its own pace, between a storm and a quiet day. */
#define PAUSE_MS_MIN 500
#define PAUSE_MS_MAX 30000
#define FIRST_AT_NS  (20 * SIM_S)
#define UPGRADE_AT_NS_MAX (60 * SIM_S)
#define ALONE_NS     (3 * SIM_S) /* until an agent knows that nobody answers its hello, and more */
#define NOTICED_NS   (5 * SIM_S) /* a guard that begins again, and the pause between two tries of a fence */
#define STORM_CRASH_PER_MILLION 3000
#define STORM_PER_MILLION       50000

static uint32_t length_of(const struct sim_incident_kind *table)
{
    uint32_t count = 0;

    while (table[count].name != NULL)
        count++;
    return count;
}

uint32_t sim_incident_kind_count(void)
{
    uint32_t count = 0;

    for (size_t i = 0; i < TABLES; i++)
        count += length_of(tables[i]);
    return count;
}

uint32_t sim_incident_kind_expected_count(void)
{
    return sim_incident_kind_count() - length_of(sim_sick_faults) - length_of(sim_revert_faults);
}

bool sim_plan_is_of_sick(const char *name)
{
    return strncmp(name, SIM_SICK_OFTEN, strlen(SIM_SICK_OFTEN)) == 0;
}

bool sim_plan_is_apart(const char *name)
{
    return sim_plan_is_of_sick(name) || strcmp(name, SIM_REVERT_OFTEN) == 0;
}

const struct sim_incident_kind *sim_incident_kind_at(uint32_t kind)
{
    for (size_t i = 0; i < TABLES; i++) {
        const uint32_t count = length_of(tables[i]);

        if (kind < count)
            return &tables[i][kind];
        kind -= count;
    }
    BW_ASSERT(false);
    return NULL;
}

/* May an incident of this kind be drawn? `only`: one of this name; NULL: any. */
static bool may_draw(const struct sim_incident_kind *kind, bool is_liveness, const char *only)
{
    return (!is_liveness || kind->is_for_liveness) &&
           (only == NULL ? !sim_plan_is_apart(kind->name) : strcmp(only, kind->name) == 0);
}

bool sim_incident_kind_is_drawn(const char *name, bool is_liveness)
{
    for (uint32_t i = 0; i < sim_incident_kind_count(); i++)
        if (may_draw(sim_incident_kind_at(i), is_liveness, name))
            return true;
    return false;
}

/* A kind drawn by weight, of those that this run may have; every second one that it has often. */
static uint32_t draw_kind(struct bw_prng *chance, const struct sim_setting *setting)
{
    const bool is_often = setting->often != NULL && sim_chance(chance, 500000) &&
                          strcmp(setting->often, SIM_UPGRADE) != 0 &&
                          !sim_plan_is_of_second(setting->often);
    const char *only = is_often ? setting->often : NULL;
    const uint32_t count = sim_incident_kind_count();
    uint64_t total = 0, at;

    for (uint32_t i = 0; i < count; i++)
        if (may_draw(sim_incident_kind_at(i), setting->is_liveness, only))
            total += sim_incident_kind_at(i)->weight;
    at = bw_prng_below(chance, total);
    for (uint32_t i = 0; i < count; i++) {
        const struct sim_incident_kind *kind = sim_incident_kind_at(i);

        if (!may_draw(kind, setting->is_liveness, only))
            continue;
        if (at < kind->weight)
            return i;
        at -= kind->weight;
    }
    BW_ASSERT(false);
    return 0;
}

static uint32_t kind_named(const char *name)
{
    uint32_t kind = 0;

    while (strcmp(sim_incident_kind_at(kind)->name, name) != 0)
        kind++;
    return kind;
}

/* Behind all others, so that they keep their numbers. */
static void add_upgrade(struct sim_plan *plan, struct bw_prng *chance)
{
    if (plan->count == SIM_PLAN_MAX)
        plan->count--;
    plan->incidents[plan->count++] = (struct sim_incident){
        .kind = kind_named(SIM_UPGRADE),
        .at_ns = SIM_BEGIN_NS + FIRST_AT_NS + bw_prng_below(chance, UPGRADE_AT_NS_MAX),
        .salt = bw_prng_next(chance)};
}

bool sim_plan_is_of_second(const char *name)
{
    return strncmp(name, SIM_SECOND_OFTEN, strlen(SIM_SECOND_OFTEN)) == 0;
}

static uint32_t draw_second(const struct sim_setting *setting, struct bw_prng *chance)
{
    const uint32_t first = kind_named(sim_second_faults[0].name);
    const bool is_often = setting->often != NULL && sim_plan_is_of_second(setting->often);

    if (is_often && sim_chance(chance, 500000))
        return kind_named(setting->often);
    return first + (uint32_t)bw_prng_below(chance, length_of(sim_second_faults));
}

/* Likewise: these have no weight beside the others, and a pace of their own. */
static void add_seconds(struct sim_plan *plan, const struct sim_setting *setting, uint64_t stop_ns)
{
    struct bw_prng chance;
    uint64_t pause_ms, at_ns = SIM_BEGIN_NS + FIRST_AT_NS;

    bw_prng_init(&chance, setting->seed * 1000003 + 201);
    pause_ms = PAUSE_MS_MIN + bw_prng_below(&chance, 2 * PAUSE_MS_MAX);
    while (at_ns < stop_ns && plan->count < SIM_PLAN_MAX) {
        struct sim_incident *incident = &plan->incidents[plan->count++];

        *incident = (struct sim_incident){
            .kind = draw_second(setting, &chance), .at_ns = at_ns, .salt = bw_prng_next(&chance)};
        at_ns += (1 + bw_prng_below(&chance, 2 * pause_ms)) * SIM_MS;
    }
}

struct sim_plan *sim_plan_new(const struct sim_setting *setting)
{
    const uint64_t length_ns = setting->length_ns;
    const uint64_t stop_ns =
        SIM_BEGIN_NS + (setting->is_liveness ? length_ns / 2 : length_ns);
    struct sim_plan *plan = calloc(1, sizeof *plan);
    struct bw_prng chance;
    uint64_t pause_ms, at_ns = SIM_BEGIN_NS + FIRST_AT_NS;

    if (plan != NULL)
        plan->incidents = calloc(SIM_PLAN_MAX, sizeof *plan->incidents);
    if (plan == NULL || plan->incidents == NULL) {
        free(plan);
        return NULL;
    }
    bw_prng_init(&chance, setting->seed * 1000003 + 200);
    pause_ms = PAUSE_MS_MIN + bw_prng_below(&chance, PAUSE_MS_MAX);
    while (at_ns < stop_ns && plan->count < SIM_PLAN_MAX) {
        struct sim_incident *incident = &plan->incidents[plan->count++];

        *incident = (struct sim_incident){.kind = draw_kind(&chance, setting),
                                          .at_ns = at_ns,
                                          .salt = bw_prng_next(&chance)};
        at_ns += (1 + bw_prng_below(&chance, 2 * pause_ms)) * SIM_MS;
    }
    if (setting->begins_old)
        add_upgrade(plan, &chance);
    if (setting->has_second_enforcer)
        add_seconds(plan, setting, stop_ns);
    plan->calm_ns[0] = stop_ns;
    plan->calm_ns[1] = SIM_BEGIN_NS + length_ns;
    return plan;
}

void sim_plan_free(struct sim_plan *plan)
{
    if (plan != NULL) {
        free(plan->incidents);
        sim_saved_free(plan->saved);
        sim_witness_free_copy(plan->copy);
    }
    free(plan);
}

static void end_incident(struct sim_world *world, uint64_t number)
{
    struct sim_incident *incident = &world->plan->incidents[number];
    const struct sim_incident_kind *kind = sim_incident_kind_at(incident->kind);

    if (!incident->is_active)
        return;
    incident->is_active = false;
    sim_tell(world, "FAULT", "#%u %s is over", (uint32_t)number, kind->name);
    if (kind->end != NULL)
        kind->end(world, incident);
}

static void look(struct sim_world *world, uint64_t number)
{
    struct sim_incident *incident = &world->plan->incidents[number];
    uint64_t again_ns;

    if (!incident->is_active)
        return;
    again_ns = incident->look(world, incident);
    if (again_ns > 0)
        sim_world_at(world, world->now_ns + again_ns, look, number);
}

static void begin_incident(struct sim_world *world, uint64_t number)
{
    struct sim_incident *incident = &world->plan->incidents[number];
    const struct sim_incident_kind *kind = sim_incident_kind_at(incident->kind);
    char name[SIM_COVERAGE_NAME_BYTES];

    if (incident->is_left_out || (world->setting.is_liveness && world->now_ns > world->plan->calm_ns[0]))
        return; /* in a short world one may be planned for the calm */
    bw_prng_init(&incident->chance, incident->salt);
    incident->until_ns = world->now_ns;
    if (kind->ms_max > 0)
        incident->until_ns +=
            (kind->ms_min + bw_prng_below(&incident->chance, kind->ms_max - kind->ms_min + 1)) *
            SIM_MS;
    if (world->setting.is_liveness && incident->until_ns > world->plan->calm_ns[0])
        incident->until_ns = world->plan->calm_ns[0];
    sim_tell(world, "FAULT", "#%u %s, for %.3f s", (uint32_t)number, kind->name,
             (double)(incident->until_ns - world->now_ns) / 1e9);
    if (!kind->begin(world, incident)) {
        sim_tell(world, "FAULT", "#%u does not fit now", (uint32_t)number);
        return;
    }
    (void)snprintf(name, sizeof name, "fault:%s", kind->name);
    sim_count(world, name);
    sim_mix(world, number);
    incident->is_active = true;
    sim_world_at(world, incident->until_ns, end_incident, number);
    if (incident->look != NULL)
        look(world, number);
}

/* A run in which the witnesses have no peace at all: they die wherever it hurts, and what they say to
 * each other is lost, repeated and overtaken. */
static void set_storm(struct sim_world *world, bool is_on)
{
    const uint32_t per_million = is_on ? STORM_PER_MILLION : (uint32_t)-STORM_PER_MILLION;

    for (uint32_t from = 0; from < SIM_WITNESSES_MAX; from++) {
        world->witnesses[from]->crash_per_million = is_on ? STORM_CRASH_PER_MILLION : 0;
        for (uint32_t to = 0; to < SIM_WITNESSES_MAX; to++) {
            struct sim_link *link = sim_link(world, world->witnesses[from]->host->index,
                                             world->witnesses[to]->host->index);

            link->loss_per_million += per_million; /* unsigned: it comes back to what it was */
            link->twice_per_million += per_million;
            link->overtake_per_million += per_million;
        }
    }
}

void sim_plan_calm_down(struct sim_world *world)
{
    if (world->setting.is_storm)
        set_storm(world, false);
}

void sim_plan_begin(struct sim_world *world)
{
    if (world->setting.is_storm)
        set_storm(world, true);
    for (uint32_t i = 0; i < world->plan->count; i++)
        sim_world_at(world, world->plan->incidents[i].at_ns, begin_incident, i);
}

bool sim_plan_takes_site(struct sim_world *world, uint32_t site, uint64_t ns)
{
    uint64_t *until_ns = &world->plan->site_rests_until_ns[site];
    const uint64_t rest_ns = 2 * world->setting.ttl_ms_max * SIM_MS;

    if (*until_ns > world->now_ns)
        return false;
    *until_ns = world->now_ns + ns + rest_ns;
    sim_checks_disturb(world, site, world->now_ns + ns);
    return true;
}

bool sim_plan_takes_both(struct sim_world *world, uint32_t site, uint64_t ns)
{
    const struct bw_instant soon = bw_instant_add(sim_clock_now(sim_site(world, site)), ALONE_NS);

    for (uint32_t group = 0; group < world->setting.group_count; group++) {
        const struct bw_guard *guard = sim_guard_machine(world->guards[site], group);

        if (guard != NULL && guard->mirror.armed_epoch != 0 &&
            bw_instant_right_is_over(soon, bw_instant_sub(guard->mirror.armed_end,
                                                          guard->mirror.fence_ns)))
            return false;
    }
    return sim_plan_takes_site(world, site, ns);
}

bool sim_plan_find_serving(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t first = bw_prng_below(&incident->chance, world->setting.site_count);

    for (uint32_t i = 0; i < world->setting.site_count; i++) {
        incident->b = (uint32_t)((first + i) % world->setting.site_count);
        for (uint32_t group = 0; group < world->setting.group_count; group++)
            if (sim_service_is_serving(sim_site(world, incident->b), group))
                return true;
    }
    return false;
}

bool sim_plan_find_leader(struct sim_world *world, struct sim_incident *incident)
{
    for (incident->a = 0; incident->a < world->witness_count; incident->a++)
        if (sim_witness_leads(world->witnesses[incident->a]))
            return true;
    return false;
}

uint64_t sim_plan_number(const struct sim_world *world, const struct sim_incident *incident)
{
    return (uint64_t)(incident - world->plan->incidents);
}

static void go_on(struct sim_world *world, uint64_t number)
{
    struct sim_incident *incident = &world->plan->incidents[number];

    if (incident->is_active)
        incident->later(world, incident);
}

void sim_plan_later(struct sim_world *world, struct sim_incident *incident, uint64_t at_ns,
                    void (*fn)(struct sim_world *world, struct sim_incident *incident))
{
    incident->later = fn;
    sim_world_at(world, at_ns, go_on, sim_plan_number(world, incident));
}

void sim_plan_tell(struct sim_world *world, const struct sim_incident *incident,
                   const struct sim_host *host, const char *what)
{
    sim_tell(world, "FAULT", "#%u at %s: %s", (uint32_t)sim_plan_number(world, incident),
             host->name, what);
}

uint64_t sim_plan_excused_until(const struct sim_world *world,
                                const struct sim_incident *incident)
{
    return incident->until_ns + 2 * world->setting.terms.fence_ms * SIM_MS + NOTICED_NS;
}
