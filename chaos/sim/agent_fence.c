/* agent_fence.c - what the fence without the guard ends, and runs its scripts, by: the machine says what and
 * when, as to src/agent/own_fence.c. */
#include <stdlib.h>

#include <stdio.h>

#include <breakwater/base/assert.h>

#include "agent.h"
#include "check_override.h"
#include "coverage.h"
#include "units.h"

/* Of what is left between KILL and D: what is killed is gone before. */
#define LINGER_PERCENT 70

#define SEARCH_NS_MAX (20 * SIM_MS) /* through all processes */

/* One that is under way. */
struct sim_search {
    uint32_t group;
    uint64_t number;
};

static struct sim_own_fence *fence_of(struct sim_agent *agent, uint32_t group)
{
    return &agent->fences[group];
}

static void happen(struct sim_agent *agent, uint32_t group, enum bw_agent_event_kind kind, bool ok)
{
    sim_agent_happen(agent,
                     &(struct bw_agent_event){.kind = kind, .group = group, .ok = ok});
}

/* ---- scripts ------------------------------------------------------------------------------------ */

static void script_ended(struct sim_agent *agent, uint32_t group)
{
    const struct sim_own_fence *fence = fence_of(agent, group);
    const struct bw_script_end *end = &fence->work.end;

    sim_agent_happen(agent,
                     &(struct bw_agent_event){.kind = BW_AGENT_EVENT_FENCE_RUN_ENDED,
                                              .group = group,
                                              .ok = end->how == BW_SCRIPT_EXITED && end->code == 0,
                                              .was_signaled = end->how == BW_SCRIPT_SIGNALED &&
                                                              bw_script_is_ended_by(end->code),
                                              .line = fence->work.ended.line});
}

static void on_script_ended(struct sim_process *process, void *payload)
{
    struct sim_agent *agent = process->state;
    struct sim_run_end *end = payload;
    const uint32_t group = end->group;

    if (sim_work_on_end(&fence_of(agent, group)->work, end))
        script_ended(agent, group);
    free(end);
    sim_agent_finish(agent);
}

static enum bw_err run_script(struct sim_agent *agent, uint32_t group,
                              const struct bw_own_fence_action *action)
{
    const struct sim_setting *setting = &sim_world_of(agent->process)->setting;
    struct sim_own_fence *fence = fence_of(agent, group);
    const struct sim_run_order order = {.parent = agent->process,
                                        .group = group,
                                        .slot = SIM_SLOT_OWN,
                                        .action = action->script,
                                        .epoch = agent->groups[group].fence.epoch,
                                        .on_end = on_script_ended};

    if (sim_crash_point(agent->process, "crash:agent-fence"))
        return BW_OK;
    if (!sim_work_start(&fence->work, &order))
        return BW_ERR_NOMEM;
    sim_work_go(&fence->work, BW_INSTANT_NEVER, action->limit_ns,
                bw_lease_kill_grace_ns(setting->terms.fence_ms * SIM_MS)); /* as the guard's */
    return BW_OK;
}

/* ---- the reach, and a search through all processes that finds the same --------------------------- */

static void kill_now(struct sim_agent *agent, uint32_t group, uint32_t slots)
{
    const struct bw_fence_plan *plan = &agent->groups[group].fence.plan;

    sim_check_override_fences(sim_world_of(agent->process), agent->process->host->number, group,
                              "has KILL sent to all by its agent while it overrides");
    sim_reach_kill_start(&fence_of(agent, group)->kill, agent->process, group, slots,
                         bw_instant_left_ns(plan->kill_at, plan->end) * LINGER_PERCENT / 100);
}

static bool is_empty(const struct sim_agent *agent, uint32_t group)
{
    return sim_reach_is_empty(agent->machine, group, SIM_SLOT_SERVICE);
}

static void search_for(struct sim_agent *agent, uint32_t group, uint64_t for_ns, sim_later_fn on_found)
{
    struct sim_search *payload = malloc(sizeof *payload);

    BW_ASSERT(payload != NULL);
    *payload = (struct sim_search){.group = group, .number = ++fence_of(agent, group)->searches};
    sim_later(agent->process, for_ns, on_found, payload, free);
}

/* On a thread of its own. */
static void search(struct sim_agent *agent, uint32_t group, sim_later_fn on_found)
{
    const uint64_t most_ns = agent->machine->faults.search_ms * SIM_MS;

    search_for(agent, group,
               bw_prng_below(&agent->process->chance, most_ns > 0 ? most_ns : SEARCH_NS_MAX), on_found);
}

/* False: something else was begun since. */
static bool take_search(struct sim_agent *agent, void *payload, uint32_t *out_group)
{
    const struct sim_search found = *(struct sim_search *)payload;

    free(payload);
    *out_group = found.group;
    return fence_of(agent, found.group)->searches == found.number;
}

static void on_looked(struct sim_process *process, void *payload)
{
    struct sim_agent *agent = process->state;
    uint32_t group;

    if (take_search(agent, payload, &group))
        sim_agent_happen(agent, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_FENCE_LOOKED,
                                                         .means = BW_FENCE_BY_MARKS,
                                                         .group = group,
                                                         .ok = is_empty(agent, group)});
    sim_agent_finish(agent);
}

/* What had begun to be asked before is over within the time of one call of systemctl, and this one in another. */
static void on_units_looked(struct sim_process *process, void *payload)
{
    struct sim_agent *agent = process->state;
    uint32_t group;

    if (take_search(agent, payload, &group))
        sim_agent_happen(
            agent, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_FENCE_LOOKED,
                                            .means = BW_FENCE_BY_UNITS,
                                            .group = group,
                                            .ok = sim_unit_is_seen_down(
                                                agent->machine, group, SIM_UNITS_OF_AGENT,
                                                fence_of(agent, group)->units_asked_ns)});
    sim_agent_finish(agent);
}

static enum bw_err look_at_units(struct sim_agent *agent, uint32_t group)
{
    fence_of(agent, group)->units_asked_ns = sim_world_of(agent->process)->now_ns;
    sim_unit_look(agent->machine, group, SIM_UNITS_OF_AGENT);
    search_for(agent, group, SIM_UNIT_LOOK_NS_MAX * 2, on_units_looked);
    return BW_OK;
}

static void on_searched(struct sim_process *process, void *payload)
{
    struct sim_agent *agent = process->state;
    uint32_t group;

    if (take_search(agent, payload, &group))
        kill_now(agent, group, SIM_SLOTS_SERVED);
    sim_agent_finish(agent);
}

static enum bw_err look(struct sim_agent *agent, uint32_t group, enum bw_fence_means means)
{
    if (means == BW_FENCE_BY_UNITS)
        return look_at_units(agent, group);
    if (means == BW_FENCE_BY_MARKS)
        search(agent, group, on_looked);
    else if (!is_empty(agent, group))
        return BW_ERR_BUSY;
    return BW_OK;
}

static void kill_reach(struct sim_agent *agent, uint32_t group, enum bw_fence_means means)
{
    if (means == BW_FENCE_BY_MARKS)
        search(agent, group, on_searched);
    else
        kill_now(agent, group,
                 means == BW_FENCE_BY_UNITS ? SIM_SLOT_UNITS_AGENT : SIM_SLOTS_SERVED);
}

/* A search finds nothing there that KILL has not reached. */
static void signal_once(const struct sim_agent *agent, uint32_t group, enum bw_fence_means means,
                        bool is_kill)
{
    if (means != BW_FENCE_BY_MARKS)
        sim_reach_signal(agent->machine, group,
                         means == BW_FENCE_BY_UNITS ? SIM_SLOT_UNITS_AGENT : SIM_SLOTS_SERVED,
                         is_kill, SIM_LINGER_NS_MAX);
    if (means == BW_FENCE_BY_UNITS)
        sim_unit_look(agent->machine, group, SIM_UNITS_OF_AGENT); /* where the KILL finds them */
}

/* ---- what the machine asks for -------------------------------------------------------------------- */

static void tell_ended(const struct sim_agent *agent, uint32_t group,
                       const struct bw_own_fence_action *action)
{
    struct sim_world *world = sim_world_of(agent->process);

    if (world->tells)
        sim_tell(world, agent->process->name, "%s: its own fence of epoch %llu has %s (%s)",
                 world->group_names[group], (unsigned long long)action->epoch,
                 action->ok ? "ended well" : "failed", action->rule);
}

enum bw_err sim_own_fence_do(struct sim_agent *agent, const struct bw_agent_action *action)
{
    const uint32_t group = action->group;

    switch (action->kind) {
    case BW_AGENT_ACTION_FENCE_STEPPED:
        sim_count(sim_world_of(agent->process), action->fence->rule);
        return BW_OK;
    case BW_AGENT_ACTION_FENCE_RUN:
        return run_script(agent, group, action->fence);
    case BW_AGENT_ACTION_FENCE_KILL_RUN:
        if (fence_of(agent, group)->work.stage == SIM_WORK_NONE)
            sim_fail(sim_world_of(agent->process), "shell", "%s kills a script of which it knows the end",
                     agent->process->name);
        sim_work_kill(&fence_of(agent, group)->work);
        return BW_OK;
    case BW_AGENT_ACTION_FENCE_LOOK:
        return look(agent, group, action->means);
    case BW_AGENT_ACTION_FENCE_TERM:
        signal_once(agent, group, action->means, false);
        return BW_OK;
    case BW_AGENT_ACTION_FENCE_KILL_ONCE:
        signal_once(agent, group, action->means, true);
        return BW_OK;
    case BW_AGENT_ACTION_FENCE_KILL:
        kill_reach(agent, group, action->means);
        return BW_OK;
    case BW_AGENT_ACTION_FENCE_CLOSE:
        fence_of(agent, group)->searches++;
        tell_ended(agent, group, action->fence);
        return BW_OK;
    default: /* OPEN never fails */
        sim_unit_look(agent->machine, group, SIM_UNITS_OF_AGENT);
        return BW_OK;
    }
}

/* ---- what happens --------------------------------------------------------------------------------- */

void sim_own_fence_serve(struct sim_agent *agent, uint32_t group)
{
    struct sim_own_fence *fence = fence_of(agent, group);
    bool is_killed;

    if (sim_work_serve(&fence->work))
        script_ended(agent, group);
    if (sim_reach_kill_serve(&fence->kill, agent->process, group, &is_killed))
        happen(agent, group, BW_AGENT_EVENT_FENCE_KILLED, is_killed);
}

struct bw_instant sim_own_fence_wake(const struct sim_own_fence *fence)
{
    struct bw_instant at = BW_INSTANT_NEVER;

    if (fence->work.stage != SIM_WORK_NONE)
        at = fence->work.wake_at;
    return fence->kill.is_running ? bw_instant_min(at, fence->kill.wake_at) : at;
}

/* ---- overrides ---- */

/* Orders of an operator to an agent at its own machine: `breakwater override`, and
 * its `--end`. */

static void *packed(uint32_t group, bool is_end)
{
    return (void *)(uintptr_t)(group << 1 | (is_end ? 1 : 0));
}

static void count_refusal(struct sim_world *world, const char *who,
                          enum bw_override_refusal refusal)
{
    char name[SIM_COVERAGE_NAME_BYTES];

    (void)snprintf(name, sizeof name, "override:refused_%s", bw_override_refusal_word(refusal));
    sim_count(world, name);
    sim_tell(world, who, "refuses: %s", bw_override_refusal_word(refusal));
}

/* From the shortest that there is to a few minutes. */
static uint32_t for_ms_of(const struct sim_world *world)
{
    return BW_OVERRIDE_FOR_MS_MIN + (uint32_t)(world->now_ns / SIM_MS % 7) * 30000;
}

static void on_word(struct sim_process *process, void *payload)
{
    struct sim_agent *agent = process->state;
    struct sim_world *world = sim_world_of(process);
    const uint32_t group = (uint32_t)((uintptr_t)payload >> 1);
    const bool is_end = ((uintptr_t)payload & 1) != 0;
    const struct bw_agent_event event = {
        .kind = is_end ? BW_AGENT_EVENT_OVERRIDE_END : BW_AGENT_EVENT_OVERRIDE,
        .group = group,
        .unix_ms = sim_wall_ms(world),
        .for_ms = for_ms_of(world),
    };
    const enum bw_override_refusal refusal =
        is_end ? bw_site_judge_override_end(&agent->groups[group].site)
               : bw_agent_machine_judge_override(&agent->program, group, event.for_ms);

    sim_tell(world, "PEOPLE", "at %s: %s %s", process->host->name,
             is_end ? "override --end" : "override", world->group_names[group]);
    if (refusal != BW_OVERRIDE_REFUSAL_NONE) {
        count_refusal(world, process->name, refusal);
        return;
    }
    if (is_end)
        sim_check_override_to_end(world, process->host->number, group);
    else
        sim_check_override_ordered(world, process->host->number, group);
    sim_agent_happen(agent, &event);
    sim_agent_finish(agent);
}

static void say(struct sim_world *world, uint32_t site, uint32_t group, bool is_end)
{
    struct sim_process *agent = world->agents[site][0];

    if (agent->health == SIM_ABLE)
        sim_later(agent, 0, on_word, packed(group, is_end), NULL);
}

void sim_override_order(struct sim_world *world, uint32_t site, uint32_t group)
{
    say(world, site, group, false);
}

void sim_override_end(struct sim_world *world, uint32_t site, uint32_t group)
{
    say(world, site, group, true);
}
