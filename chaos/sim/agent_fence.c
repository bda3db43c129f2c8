/* agent_fence.c - the fence that the agent runs when it cannot rely on its guard (3.4), step by step
 * as in src/agent/own_fence.c. */
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include "agent.h"

/* Of what is left between KILL and D: what is killed is gone before. */
#define LINGER_PERCENT 70

static uint64_t left_ns(const struct sim_agent *agent, struct bw_instant end)
{
    return bw_instant_left_ns(sim_now(agent->process), end);
}

static void go_to(struct sim_own_fence *fence, enum sim_fence_step step)
{
    fence->step = step;
    fence->is_step_begun = false;
}

/* ---- scripts ------------------------------------------------------------------------------------ */

/* A start that its guard can end no more goes on by itself (3.2.4). */
static bool may_begin_to_serve(const struct sim_work *work)
{
    return !sim_reach_is_empty(sim_machine(work->order.parent->host), work->order.group,
                               SIM_SLOT_SERVICE);
}

static void script_ended(struct sim_own_fence *fence)
{
    const struct bw_guard_run_ended *ended = &fence->work.ended;

    if (fence->is_work_cut_off) { /* a step that waited for it may begin */
        fence->is_work_cut_off = false;
        return;
    }
    if (fence->work.order.action != BW_ACTION_STATUS) {
        go_to(fence, fence->step == SIM_FENCE_SCRIPT ? SIM_FENCE_LOOK : SIM_FENCE_LOOK_AGAIN);
        return;
    }
    fence->service = ended->result == BW_RUN_OK ? bw_service_of_line(ended->line)
                                                : BW_SERVICE_UNKNOWN;
    if (fence->step == SIM_FENCE_LOOK &&
        (fence->service != BW_SERVICE_STOPPED || may_begin_to_serve(&fence->work)))
        go_to(fence, SIM_FENCE_KILL);
    else
        go_to(fence, SIM_FENCE_END);
}

static void on_script_ended(struct sim_process *process, void *payload)
{
    struct sim_agent *agent = process->state;
    struct sim_run_end *end = payload;
    struct sim_own_fence *fence = &agent->places[end->group].fence;

    if (fence->is_running && sim_work_on_end(&fence->work, end))
        script_ended(fence);
    free(end);
    sim_agent_go_on(agent);
}

/* False: it could not even be begun. */
static bool run_script(struct sim_agent *agent, struct sim_agent_place *place,
                       enum bw_action_kind action, uint64_t limit_ns)
{
    const struct sim_setting *setting = &sim_world_of(agent->process)->setting;
    const uint64_t own_limit_ns = setting->script_limit_ns[action];
    struct sim_own_fence *fence = &place->fence;
    const struct sim_run_order order = {.parent = agent->process,
                                        .group = place->group,
                                        .slot = SIM_SLOT_OWN,
                                        .action = action,
                                        .epoch = fence->epoch,
                                        .on_end = on_script_ended};

    if (sim_crash_point(agent->process, "crash:agent-fence") ||
        !sim_work_start(&fence->work, &order))
        return false;
    sim_work_go(&fence->work, BW_INSTANT_NEVER,
                limit_ns < own_limit_ns ? limit_ns : own_limit_ns,
                bw_lease_kill_grace_ns(setting->terms.fence_ms * SIM_MS)); /* as the guard's */
    return true;
}

static bool run_fence_script(struct sim_agent *agent, struct sim_agent_place *place,
                             uint64_t limit_ns)
{
    const bool has_script = sim_world_of(agent->process)->setting.has_fence_script;

    place->fence.has_script_run = true;
    return run_script(agent, place, has_script ? BW_ACTION_FENCE : BW_ACTION_STOP, limit_ns);
}

/* ---- from step to step -------------------------------------------------------------------------- */

/* Seen, not believed: status says so, or it cannot say, and nothing in reach is left that could begin
 * to serve (3.2.4). */
static void finish(struct sim_agent *agent, struct sim_agent_place *place)
{
    struct sim_own_fence *fence = &place->fence;
    const bool ok = fence->service != BW_SERVICE_STARTED &&
                    (fence->must_kill ? fence->reach_seen_empty
                                      : fence->service == BW_SERVICE_STOPPED);
    const uint64_t epoch = fence->epoch;
    const uint64_t next_epoch = fence->next_epoch;
    const struct bw_fence_plan next_plan = fence->next_plan;
    struct sim_agent_task *task;

    fence->is_running = false;
    agent->fences_running--;
    if (sim_world_of(agent->process)->tells)
        sim_tell(sim_world_of(agent->process), agent->process->name,
                 "%s: its own fence of epoch %llu has %s", place->site.group,
                 (unsigned long long)epoch, ok ? "ended well" : "failed");
    if (next_epoch != 0)
        sim_own_fence_start(agent, place, next_epoch, &next_plan);
    task = sim_agent_push_event(agent, place, BW_SITE_EVENT_OWN_FENCE_ENDED);
    task->event.epoch = epoch;
    task->event.ok = ok;
}

static void kill_reach(struct sim_agent *agent, struct sim_agent_place *place)
{
    const struct bw_fence_plan *plan = &place->fence.plan;

    sim_reach_kill_start(&place->fence.kill, agent->process, place->group,
                         bw_instant_left_ns(plan->kill_at, plan->end) * LINGER_PERCENT / 100);
}

static void begin_step(struct sim_agent *agent, struct sim_agent_place *place)
{
    struct sim_own_fence *fence = &place->fence;

    fence->is_step_begun = true;
    switch (fence->step) {
    case SIM_FENCE_SCRIPT:
        if (left_ns(agent, fence->plan.term_at) == 0) /* it comes after the KILL */
            go_to(fence, SIM_FENCE_LOOK);
        else if (!run_fence_script(agent, place, left_ns(agent, fence->plan.term_at)))
            go_to(fence, SIM_FENCE_KILL);
        return;
    case SIM_FENCE_LOOK:
        fence->service = BW_SERVICE_UNKNOWN;
        if (!run_script(agent, place, BW_ACTION_STATUS, left_ns(agent, fence->plan.kill_at)))
            go_to(fence, SIM_FENCE_KILL);
        return;
    case SIM_FENCE_KILL:
        fence->must_kill = true;
        fence->reach_seen_empty = true;
        kill_reach(agent, place);
        return;
    case SIM_FENCE_KILL_HIDDEN:
        kill_reach(agent, place);
        return;
    case SIM_FENCE_LATE_SCRIPT:
        if (fence->is_work_cut_off)
            fence->is_step_begun = false; /* its slot is not free */
        else if (fence->has_script_run || !run_fence_script(agent, place, UINT64_MAX))
            go_to(fence, SIM_FENCE_LOOK_AGAIN);
        return;
    case SIM_FENCE_LOOK_AGAIN:
        fence->service = BW_SERVICE_UNKNOWN;
        if (!run_script(agent, place, BW_ACTION_STATUS, UINT64_MAX))
            go_to(fence, SIM_FENCE_END);
        return;
    case SIM_FENCE_END:
        finish(agent, place);
        return;
    }
}

/* What the plan asks for next; never: the KILL has begun, or is not needed. */
static struct bw_instant planned_at(const struct sim_own_fence *fence)
{
    if (fence->step >= SIM_FENCE_KILL)
        return BW_INSTANT_NEVER;
    return fence->is_termed ? fence->plan.kill_at : fence->plan.term_at;
}

/* A script that does not end delays nothing (3.2.4). */
static void obey_plan(struct sim_agent *agent, struct sim_agent_place *place)
{
    const struct bw_instant now = sim_now(agent->process);
    struct sim_own_fence *fence = &place->fence;

    if (!bw_instant_right_is_over(now, planned_at(fence)))
        return;
    if (!bw_instant_right_is_over(now, fence->plan.kill_at)) {
        fence->is_termed = true;
        sim_reach_signal(sim_machine(agent->process->host), place->group, SIM_SLOTS_IN_REACH, false,
                         SIM_LINGER_NS_MAX);
        return;
    }
    go_to(fence, SIM_FENCE_KILL);
    begin_step(agent, place);
    fence->is_work_cut_off = fence->work.stage != SIM_WORK_NONE;
    sim_work_kill(&fence->work);
}

void sim_own_fence_serve(struct sim_agent *agent, struct sim_agent_place *place)
{
    struct sim_own_fence *fence = &place->fence;
    bool ok = false;

    if (!fence->is_running)
        return;
    if (!sim_is_doomed(agent->process))
        obey_plan(agent, place);
    if (sim_work_serve(&fence->work))
        script_ended(fence);
    if (sim_reach_kill_serve(&fence->kill, agent->process, place->group, &ok)) {
        fence->reach_seen_empty = fence->reach_seen_empty && ok;
        go_to(fence, fence->step == SIM_FENCE_KILL ? SIM_FENCE_KILL_HIDDEN
                                                   : SIM_FENCE_LATE_SCRIPT);
    }
    if (!fence->is_step_begun && !sim_is_doomed(agent->process))
        begin_step(agent, place); /* what follows from it comes in another turn */
}

struct bw_instant sim_own_fence_wake(const struct sim_agent_place *place)
{
    const struct sim_own_fence *fence = &place->fence;
    struct bw_instant at = BW_INSTANT_NEVER;

    if (!fence->is_running)
        return at;
    if (!fence->is_step_begun && !(fence->step == SIM_FENCE_LATE_SCRIPT && fence->is_work_cut_off))
        return (struct bw_instant){0, 0}; /* now */
    at = fence->work.stage != SIM_WORK_NONE ? fence->work.wake_at : at;
    at = bw_instant_min(at, planned_at(fence));
    return fence->kill.is_running ? bw_instant_min(at, fence->kill.wake_at) : at;
}

void sim_own_fence_start(struct sim_agent *agent, struct sim_agent_place *place, uint64_t epoch,
                         const struct bw_fence_plan *plan)
{
    struct sim_own_fence *fence = &place->fence;

    if (fence->is_running) {
        fence->next_epoch = epoch;
        fence->next_plan = *plan;
        return;
    }
    if (sim_world_of(agent->process)->tells)
        sim_tell(sim_world_of(agent->process), agent->process->name,
                 "%s: begins a fence of its own, epoch %llu", place->site.group,
                 (unsigned long long)epoch);
    *fence = (struct sim_own_fence){.is_running = true,
                                    .epoch = epoch,
                                    .plan = *plan,
                                    .step = SIM_FENCE_SCRIPT};
    fence->work.wake_at = BW_INSTANT_NEVER;
    agent->fences_running++;
}
