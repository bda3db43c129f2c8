/* second_scripts.c - what a second enforcer runs: looks and fences, which speak to the API of what
 * serves at its site, and end by their limit. */
#include "second.h"

#include <breakwater/base/assert.h>

#include "check_override.h"
#include "check_second.h"
#include "machine.h"

#define LOOK_NS_MAX    (40 * SIM_MS)
#define FENCE_NS_MAX   (300 * SIM_MS)
#define REAP_NS_MAX    (500 * 1000) /* until its parent hears of its end */
#define KILL_NS_MAX    (5 * SIM_MS)
#define ORPHAN_PERCENT 50 /* of its scripts that go on when it is killed */

static struct sim_second_run *find(struct sim_second_site *site, uint64_t serial)
{
    struct sim_second_run *run = &site->runs[serial % SIM_SECOND_RUNS_MAX];

    return run->is_used && run->serial == serial ? run : NULL;
}

static void *packed(uint64_t serial)
{
    return (void *)(uintptr_t)serial;
}

/* ---- its end --------------------------------------------------------------------------------- */

static enum bw_service seen_by(const struct sim_second_run *run)
{
    if (run->is_killed || run->fails || run->hangs)
        return BW_SERVICE_UNKNOWN;
    return run->saw_up ? BW_SERVICE_STARTED : BW_SERVICE_STOPPED;
}

static void is_reaped(struct sim_process *process, void *payload)
{
    struct sim_second *second = process->state;
    struct sim_second_run *run = find(second->site, (uintptr_t)payload);
    struct bw_second_machine_event event = {.kind = BW_SECOND_MACHINE_LOOKED};

    BW_ASSERT(run != NULL); /* nobody else takes its place */
    event.group = run->group;
    event.service = seen_by(run);
    if (run->is_fence)
        event.kind = BW_SECOND_MACHINE_FENCED;
    event.ok = !run->is_killed && !run->fails && !run->hangs;
    run->is_used = false;
    sim_second_happen(second, &event);
    sim_second_finish(second);
}

static void tell_parent(struct sim_second_site *site, struct sim_second_run *run)
{
    struct sim_process *parent = site->enforcer;

    if (parent->health == SIM_DEAD || parent->life != run->parent_life) {
        run->is_used = false; /* an orphan */
        return;
    }
    run->limit = BW_INSTANT_NEVER;
    sim_later(parent, bw_prng_below(&parent->host->chance, REAP_NS_MAX), is_reaped,
              packed(run->serial), NULL);
}

static void finishes(struct sim_process *scripts, void *payload)
{
    struct sim_second_site *site = sim_second_site(sim_world_of(scripts), scripts->host->number);
    struct sim_second_run *run = find(site, (uintptr_t)payload);

    if (run != NULL && !run->is_killed)
        tell_parent(site, run);
}

static void is_gone(struct sim_process *scripts, void *payload)
{
    struct sim_second_site *site = sim_second_site(sim_world_of(scripts), scripts->host->number);
    struct sim_second_run *run = find(site, (uintptr_t)payload);

    if (run != NULL)
        tell_parent(site, run);
}

/* ---- what it does ---------------------------------------------------------------------------- */

static void fence(struct sim_process *scripts, struct sim_second_run *run)
{
    struct sim_world *world = sim_world_of(scripts);
    const uint32_t site = scripts->host->number;

    sim_check_second_fences(world, site, run->group, run->epoch);
    if (!sim_service_fenced(world, sim_site(world, site)->name, run->group, run->epoch,
                            "fenced by its second enforcer"))
        run->fails = true;
}

static void takes_effect(struct sim_process *scripts, void *payload)
{
    struct sim_world *world = sim_world_of(scripts);
    struct sim_second_site *site = sim_second_site(world, scripts->host->number);
    struct sim_second_run *run = find(site, (uintptr_t)payload);

    if (run == NULL || run->is_killed)
        return;
    if (site->faults.is_away) { /* since it began */
        run->fails = true;
        run->has_effect = false;
    }
    if (run->is_fence && run->has_effect)
        fence(scripts, run);
    run->saw_up = sim_machine(sim_site(world, scripts->host->number))->services[run->group].is_up;
    if (!run->hangs)
        sim_later(scripts, run->end_ns - run->effect_ns, finishes, packed(run->serial), NULL);
}

/* ---- its beginning --------------------------------------------------------------------------- */

static bool draw_percent(struct bw_prng *chance, uint8_t percent)
{
    return percent != 0 && bw_prng_below(chance, 100) < percent;
}

static void draw_plan(struct sim_second_site *site, struct sim_second_run *run, uint64_t limit_ns)
{
    struct bw_prng *chance = &site->scripts->host->chance;
    const struct sim_second_faults *faults = &site->faults;
    const uint64_t well_ns = run->is_fence ? FENCE_NS_MAX : LOOK_NS_MAX;
    const uint64_t most_ns = well_ns < limit_ns / 3 ? well_ns : limit_ns / 3;

    run->end_ns = bw_prng_below(chance, most_ns + 1);
    if (draw_percent(chance, faults->slow_percent))
        run->end_ns += bw_prng_below(chance, limit_ns + limit_ns / 2);
    run->effect_ns = bw_prng_below(chance, run->end_ns + 1);
    run->has_effect = true;
    run->fails = draw_percent(chance, faults->fail_percent);
    run->hangs = draw_percent(chance, faults->hang_percent);
    if (faults->is_away)
        run->hangs = bw_prng_below(chance, 2) == 0;
    run->fails |= faults->is_away;
    if (run->fails || run->hangs)
        run->has_effect = !faults->is_away && bw_prng_below(chance, 3) == 0;
}

static enum bw_err start(struct sim_second *second, const struct sim_second_run *wanted,
                         uint64_t limit_ns)
{
    struct sim_second_site *site = second->site;

    for (uint32_t tries = 0; tries < SIM_SECOND_RUNS_MAX; tries++) {
        struct sim_second_run *run = &site->runs[++site->serials % SIM_SECOND_RUNS_MAX];

        if (run->is_used)
            continue;
        *run = *wanted;
        run->is_used = true;
        run->serial = site->serials;
        run->parent_life = second->process->life;
        run->limit = bw_instant_add(sim_now(second->process), limit_ns);
        draw_plan(site, run, limit_ns);
        sim_later(site->scripts, run->effect_ns, takes_effect, packed(run->serial), NULL);
        return BW_OK;
    }
    return BW_ERR_LIMIT;
}

enum bw_err sim_second_look(struct sim_second *second, uint32_t group)
{
    const struct sim_setting *setting = &sim_world_of(second->process)->setting;

    return start(second, &(struct sim_second_run){.group = group},
                 setting->script_limit_ns[BW_ACTION_STATUS]);
}

enum bw_err sim_second_fence(struct sim_second *second, uint32_t group, uint64_t epoch,
                             uint64_t limit_ns)
{
    struct sim_world *world = sim_world_of(second->process);

    sim_check_second_begins(world, second->process->host->number, group, epoch);
    return start(second, &(struct sim_second_run){.group = group, .epoch = epoch, .is_fence = true},
                 limit_ns);
}

static void kill_run(struct sim_second_site *site, struct sim_second_run *run)
{
    if (run->is_killed)
        return;
    run->is_killed = true;
    run->limit = BW_INSTANT_NEVER;
    sim_later(site->scripts, bw_prng_below(&site->scripts->host->chance, KILL_NS_MAX), is_gone,
              packed(run->serial), NULL);
}

static bool is_own(const struct sim_second *second, const struct sim_second_run *run)
{
    return run->is_used && run->parent_life == second->process->life;
}

void sim_second_kill(struct sim_second *second, uint32_t group, bool is_fence)
{
    bool is_there = false;

    for (uint32_t i = 0; i < SIM_SECOND_RUNS_MAX; i++) {
        struct sim_second_run *run = &second->site->runs[i];

        if (!is_own(second, run) || run->group != group || run->is_fence != is_fence)
            continue;
        is_there = true;
        if (!bw_instant_is_never(run->limit)) /* or it has ended already, and that is on its way */
            kill_run(second->site, run);
    }
    if (!is_there)
        sim_fail(sim_world_of(second->process), "shell", "%s kills a script of which it knows the end",
                 second->process->name);
}

void sim_second_serve_limits(struct sim_second *second)
{
    for (uint32_t i = 0; i < SIM_SECOND_RUNS_MAX; i++) {
        struct sim_second_run *run = &second->site->runs[i];

        if (is_own(second, run) && bw_instant_right_is_over(sim_now(second->process), run->limit))
            kill_run(second->site, run);
    }
}

struct bw_instant sim_second_limit(const struct sim_second *second)
{
    struct bw_instant at = BW_INSTANT_NEVER;

    for (uint32_t i = 0; i < SIM_SECOND_RUNS_MAX; i++)
        if (is_own(second, &second->site->runs[i]))
            at = bw_instant_min(at, second->site->runs[i].limit);
    return at;
}

void sim_second_orphan(struct sim_second *second)
{
    struct bw_prng *chance = &second->process->host->chance;

    for (uint32_t i = 0; i < SIM_SECOND_RUNS_MAX; i++) {
        struct sim_second_run *run = &second->site->runs[i];

        if (is_own(second, run) && !draw_percent(chance, ORPHAN_PERCENT))
            run->is_used = false;
    }
}

void sim_second_lost_power(struct sim_second_site *site)
{
    for (uint32_t i = 0; i < SIM_SECOND_RUNS_MAX; i++)
        site->runs[i].is_used = false;
}
