/* agent_override.c - what a person says to an agent at its own machine: `breakwater override`, and
 * its `--end`. */
#include <stdio.h>

#include "agent.h"
#include "check_override.h"
#include "coverage.h"

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
