/* agent_fence.c - what carries out the fence that the agent runs when it cannot rely on its guard: the
 * product's machine (core/own_fence.h) in a shell that does what src/agent/own_fence.c does. */
#include <stdlib.h>

#include <breakwater/base/assert.h>

#include "agent.h"

/* Of what is left between KILL and D: what is killed is gone before. */
#define LINGER_PERCENT 70

/* As src/agent has it for a group without units: the guard's own reach, and the same by marks. Here
 * both see the same. */
#define MEANS_COUNT 2

/* ---- what it asks for --------------------------------------------------------------------------- */

static void on_script_ended(struct sim_process *process, void *payload);

static struct sim_own_fence *fence_of(struct sim_agent *agent, uint32_t group)
{
    return &agent->fences[group];
}

/* Before the next event. */
static void answer(struct sim_own_fence *fence, enum bw_own_fence_event_kind kind, bool ok)
{
    BW_ASSERT(!fence->has_answer);
    fence->has_answer = true;
    fence->answer = (struct bw_own_fence_event){.kind = kind, .ok = ok};
}

static void run_script(struct sim_agent *agent, uint32_t group,
                       const struct bw_own_fence_action *action)
{
    const struct sim_setting *setting = &sim_world_of(agent->process)->setting;
    struct sim_own_fence *fence = fence_of(agent, group);
    const struct sim_run_order order = {.parent = agent->process,
                                        .group = group,
                                        .slot = SIM_SLOT_OWN,
                                        .action = action->script,
                                        .epoch = fence->machine.epoch,
                                        .on_end = on_script_ended};

    if (sim_crash_point(agent->process, "crash:agent-fence"))
        return;
    if (sim_work_start(&fence->work, &order))
        sim_work_go(&fence->work, BW_INSTANT_NEVER, action->limit_ns,
                    bw_lease_kill_grace_ns(setting->terms.fence_ms * SIM_MS)); /* as the guard's */
    else
        answer(fence, BW_OWN_FENCE_EVENT_RUN_UNBEGUN, false);
}

static void term_reach(struct sim_agent *agent, uint32_t group)
{
    sim_reach_signal(agent->machine, group, SIM_SLOTS_SERVED, false, SIM_LINGER_NS_MAX);
}

static void kill_reach(struct sim_agent *agent, uint32_t group)
{
    const struct bw_fence_plan *plan = &fence_of(agent, group)->machine.plan;

    sim_reach_kill_start(&fence_of(agent, group)->kill, agent->process, group,
                         bw_instant_left_ns(plan->kill_at, plan->end) * LINGER_PERCENT / 100);
}

static void end(struct sim_agent *agent, uint32_t group, const struct bw_own_fence_action *action)
{
    struct sim_world *world = sim_world_of(agent->process);
    struct sim_own_fence *fence = fence_of(agent, group);

    if (world->tells)
        sim_tell(world, agent->process->name, "%s: its own fence of epoch %llu has %s (%s)",
                 world->group_names[group], (unsigned long long)action->epoch,
                 action->ok ? "ended well" : "failed", action->rule);
    BW_ASSERT(!fence->has_ended);
    fence->has_ended = true;
    fence->ended_epoch = action->epoch;
    fence->ended_ok = action->ok;
}

static void carry_out(struct sim_agent *agent, uint32_t group,
                      const struct bw_own_fence_action *action)
{
    switch (action->kind) {
    case BW_OWN_FENCE_ACTION_RUN:
        run_script(agent, group, action);
        break;
    case BW_OWN_FENCE_ACTION_KILL_RUN:
        sim_work_kill(&fence_of(agent, group)->work);
        break;
    case BW_OWN_FENCE_ACTION_SEE_STARTS:
        answer(fence_of(agent, group), BW_OWN_FENCE_EVENT_STARTS_SEEN,
               sim_reach_is_empty(agent->machine, group, SIM_SLOT_SERVICE));
        break;
    case BW_OWN_FENCE_ACTION_TERM_REACH:
        term_reach(agent, group);
        break;
    case BW_OWN_FENCE_ACTION_KILL_REACH:
        kill_reach(agent, group);
        break;
    case BW_OWN_FENCE_ACTION_ENDED:
        end(agent, group, action);
        break;
    }
}

/* ---- a step ------------------------------------------------------------------------------------- */

static void step_once(struct sim_agent *agent, uint32_t group,
                      const struct bw_own_fence_event *event)
{
    const struct bw_instant now = sim_now(agent->process);
    struct sim_own_fence *fence = fence_of(agent, group);
    struct bw_own_fence_actions actions;

    bw_own_fence_step(&fence->machine, event, now, &actions);
    fence->wake_at = bw_instant_right_is_over(now, actions.wake_at) ? (struct bw_instant){0, 0}
                                                                    : actions.wake_at;
    for (uint32_t i = 0; i < actions.count; i++) {
        sim_count(sim_world_of(agent->process), actions.list[i].rule);
        carry_out(agent, group, &actions.list[i]);
    }
}

static void step(struct sim_agent *agent, uint32_t group,
                 const struct bw_own_fence_event *event)
{
    struct sim_own_fence *fence = fence_of(agent, group);

    if (sim_is_doomed(agent->process))
        return;
    step_once(agent, group, event);
    while (fence->has_answer) { /* what follows from one has no answer: it waits for the next turn */
        const struct bw_own_fence_event following = fence->answer;

        fence->has_answer = false;
        step_once(agent, group, &following);
    }
}

static void tick(struct sim_agent *agent, uint32_t group)
{
    const struct bw_own_fence_event event = {.kind = BW_OWN_FENCE_EVENT_TICK};

    step(agent, group, &event);
}

/* ---- what happens ------------------------------------------------------------------------------- */

static void script_ended(struct sim_agent *agent, uint32_t group)
{
    const struct sim_own_fence *fence = fence_of(agent, group);
    const struct bw_guard_run_ended *ended = &fence->work.ended;
    const struct bw_own_fence_event event = {.kind = BW_OWN_FENCE_EVENT_RUN_ENDED,
                                             .ok = ended->result == BW_RUN_OK,
                                             .was_signaled = fence->work.was_signaled,
                                             .line = ended->line};

    step(agent, group, &event);
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

static bool is_due(struct sim_agent *agent, uint32_t group)
{
    return bw_instant_right_is_over(sim_now(agent->process), fence_of(agent, group)->wake_at);
}

/* What is due goes before what a script or a signal has come to. Of two states that follow each other
 * by themselves each has a turn of its own. */
void sim_own_fence_serve(struct sim_agent *agent, uint32_t group)
{
    struct bw_own_fence_event killed = {.kind = BW_OWN_FENCE_EVENT_REACH_KILLED};
    struct sim_own_fence *fence = fence_of(agent, group);
    const bool was_due = is_due(agent, group);

    if (!bw_own_fence_is_running(&fence->machine))
        return;
    if (was_due)
        tick(agent, group);
    if (sim_work_serve(&fence->work))
        script_ended(agent, group);
    if (sim_reach_kill_serve(&fence->kill, agent->process, group, &killed.ok))
        step(agent, group, &killed);
    if (!was_due && is_due(agent, group))
        tick(agent, group);
}

struct bw_instant sim_own_fence_wake(const struct sim_own_fence *fence)
{
    struct bw_instant at = fence->wake_at;

    if (!bw_own_fence_is_running(&fence->machine))
        return BW_INSTANT_NEVER;
    if (fence->work.stage != SIM_WORK_NONE)
        at = bw_instant_min(at, fence->work.wake_at);
    return fence->kill.is_running ? bw_instant_min(at, fence->kill.wake_at) : at;
}

void sim_own_fence_start(struct sim_agent *agent, uint32_t group,
                         const struct bw_site_action *action)
{
    const struct bw_own_fence_event event = {.kind = BW_OWN_FENCE_EVENT_START,
                                             .epoch = action->epoch,
                                             .plan = action->fence,
                                             .is_inside = action->is_inside,
                                             .is_proved = action->is_proved};
    struct sim_world *world = sim_world_of(agent->process);

    if (world->tells)
        sim_tell(world, agent->process->name, "%s: is to run a fence of its own, epoch %llu",
                 world->group_names[group], (unsigned long long)action->epoch);
    step(agent, group, &event);
}

void sim_own_fence_open(struct sim_agent *agent, uint32_t group)
{
    struct sim_own_fence *fence = fence_of(agent, group);

    bw_own_fence_init(&fence->machine, &agent->groups[group].site.limits, MEANS_COUNT);
    fence->wake_at = BW_INSTANT_NEVER;
    fence->work.wake_at = BW_INSTANT_NEVER;
}

bool sim_own_fences_run(const struct sim_agent *agent)
{
    for (uint32_t i = 0; i < agent->program.group_count; i++)
        if (bw_own_fence_is_running(&agent->fences[i].machine))
            return true;
    return false;
}
