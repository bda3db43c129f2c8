/* agent_fence.c - the fence that the agent runs when it cannot rely on its guard (3.4), step by step
 * as in src/agent/own_fence.c. */
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include "agent.h"

#define LEFT_AT_LEAST_NS (100 * SIM_MS)
#define LINGER_NS_MAX    (LEFT_AT_LEAST_NS * 7 / 10) /* what is killed is gone before D */

static void go_to(struct sim_own_fence *fence, enum sim_fence_step step)
{
    fence->step = step;
    fence->is_step_begun = false;
}

/* ---- scripts ------------------------------------------------------------------------------------ */

static void script_ended(struct sim_own_fence *fence)
{
    const struct bw_guard_run_ended *ended = &fence->work.ended;

    if (fence->step == SIM_FENCE_SCRIPT) {
        go_to(fence, SIM_FENCE_LOOK);
        return;
    }
    fence->service = ended->result == BW_RUN_OK ? bw_service_of_line(ended->line)
                                                : BW_SERVICE_UNKNOWN;
    if (fence->step == SIM_FENCE_LOOK && fence->service != BW_SERVICE_STOPPED)
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
                limit_ns < own_limit_ns ? limit_ns : own_limit_ns, LEFT_AT_LEAST_NS);
    return true;
}

/* ---- from step to step -------------------------------------------------------------------------- */

/* Seen, not believed: status says so, or it cannot say and nothing in reach is left (3.2.4). */
static void finish(struct sim_agent *agent, struct sim_agent_place *place)
{
    struct sim_own_fence *fence = &place->fence;
    const bool ok = fence->service == BW_SERVICE_STOPPED ||
                    (fence->service == BW_SERVICE_UNKNOWN && fence->reach_seen_empty);
    const uint64_t epoch = fence->epoch;
    const uint64_t next_epoch = fence->next_epoch;
    struct sim_agent_task *task;

    fence->is_running = false;
    agent->fences_running--;
    if (sim_world_of(agent->process)->tells)
        sim_tell(sim_world_of(agent->process), agent->process->name,
                 "%s: its own fence of epoch %llu has %s", place->site.group,
                 (unsigned long long)epoch, ok ? "ended well" : "failed");
    if (next_epoch != 0)
        sim_own_fence_start(agent, place, next_epoch);
    task = sim_agent_push_event(agent, place, BW_SITE_EVENT_OWN_FENCE_ENDED);
    task->event.epoch = epoch;
    task->event.ok = ok;
}

static void begin_step(struct sim_agent *agent, struct sim_agent_place *place)
{
    struct sim_own_fence *fence = &place->fence;
    const uint64_t left_ns = bw_instant_left_ns(sim_now(agent->process), fence->end);
    const bool has_script = sim_world_of(agent->process)->setting.has_fence_script;

    fence->is_step_begun = true;
    switch (fence->step) {
    case SIM_FENCE_SCRIPT:
        if (left_ns < 2 * LEFT_AT_LEAST_NS || /* late: what cannot be waited for is not tried */
            !run_script(agent, place, has_script ? BW_ACTION_FENCE : BW_ACTION_STOP,
                        left_ns - 2 * LEFT_AT_LEAST_NS))
            go_to(fence, SIM_FENCE_KILL);
        return;
    case SIM_FENCE_LOOK:
        fence->service = BW_SERVICE_UNKNOWN;
        if (left_ns < LEFT_AT_LEAST_NS ||
            !run_script(agent, place, BW_ACTION_STATUS, left_ns - LEFT_AT_LEAST_NS / 2))
            go_to(fence, SIM_FENCE_KILL);
        return;
    case SIM_FENCE_KILL:
        fence->reach_seen_empty = true;
        sim_reach_kill_start(&fence->kill, agent->process, place->group, LINGER_NS_MAX);
        return;
    case SIM_FENCE_KILL_HIDDEN:
        sim_reach_kill_start(&fence->kill, agent->process, place->group, LINGER_NS_MAX);
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

void sim_own_fence_serve(struct sim_agent *agent, struct sim_agent_place *place)
{
    struct sim_own_fence *fence = &place->fence;
    bool ok = false;

    if (!fence->is_running)
        return;
    if (sim_work_serve(&fence->work))
        script_ended(fence);
    if (sim_reach_kill_serve(&fence->kill, agent->process, place->group, &ok)) {
        fence->reach_seen_empty = fence->reach_seen_empty && ok;
        go_to(fence, fence->step == SIM_FENCE_KILL ? SIM_FENCE_KILL_HIDDEN
                                                   : SIM_FENCE_LOOK_AGAIN);
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
    if (!fence->is_step_begun)
        return (struct bw_instant){0, 0}; /* now */
    at = fence->work.stage != SIM_WORK_NONE ? fence->work.wake_at : at;
    return fence->kill.is_running ? bw_instant_min(at, fence->kill.wake_at) : at;
}

void sim_own_fence_start(struct sim_agent *agent, struct sim_agent_place *place, uint64_t epoch)
{
    struct sim_own_fence *fence = &place->fence;

    if (fence->is_running) {
        fence->next_epoch = epoch;
        return;
    }
    if (sim_world_of(agent->process)->tells)
        sim_tell(sim_world_of(agent->process), agent->process->name,
                 "%s: begins a fence of its own, epoch %llu", place->site.group,
                 (unsigned long long)epoch);
    *fence = (struct sim_own_fence){.is_running = true,
                                    .epoch = epoch,
                                    .end = place->site.arm_sent_end,
                                    .step = SIM_FENCE_SCRIPT};
    fence->work.wake_at = BW_INSTANT_NEVER;
    agent->fences_running++;
}
