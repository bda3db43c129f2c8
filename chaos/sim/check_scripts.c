/* check_scripts.c - what scripts have said counts (4): a site whose condition said `stop` is granted
 * nothing, one whose condition fails nothing by itself; and a service that dies is started again at its
 * site no more often than the site file allows. */
#include "check_scripts.h"

#include <inttypes.h>
#include <string.h>

#include <breakwater/core/command.h>
#include <breakwater/core/group.h>

#include "checks_own.h"

void sim_check_condition_changes(struct sim_world *world, uint32_t site, uint32_t group)
{
    world->checks->conditions[site][group] = (struct sim_script_verdict){
        .verdict = SIM_VERDICT_NONE};
}

void sim_check_condition_answered(struct sim_world *world, uint32_t site, uint32_t group,
                                  enum sim_verdict verdict)
{
    struct sim_script_verdict *condition = &world->checks->conditions[site][group];

    if (condition->verdict != verdict)
        *condition = (struct sim_script_verdict){.verdict = verdict, .since_ns = world->now_ns};
}

void sim_check_condition_silent(struct sim_world *world, uint32_t site, uint32_t group)
{
    if (world->checks->conditions[site][group].verdict == SIM_VERDICT_STOP)
        sim_check_condition_answered(world, site, group, SIM_VERDICT_FAILS);
}

/* Until whoever decides has heard of it, and nothing older is fresh any more. */
static uint64_t news_ns(const struct sim_setting *setting, const struct bw_terms *terms)
{
    return (2 * (uint64_t)terms->renew_interval_ms + terms->request_timeout_ms +
            setting->check_interval_ms) *
               SIM_MS +
           2 * SIM_S;
}

/* What a copy of the machine says is its own condition. */
static bool speaks_for_a_copy(const struct sim_world *world, uint32_t site, uint64_t within_ns)
{
    const struct sim_checks *checks = world->checks;

    return checks->cloned_site == site && checks->cloned_until_ns != 0 &&
           world->now_ns < checks->cloned_until_ns + within_ns;
}

void sim_check_condition_grant(struct sim_process *witness, uint32_t group,
                               const struct bw_group *state, const struct bw_command *command)
{
    struct sim_world *world = sim_world_of(witness);
    const bool is_asked = command->planned || command->adopt || command->by[0] != '\0' ||
                          command->reason == BW_REASON_OVERRIDE ||
                          state->initial_primary[0] != '\0';

    if (!world->setting.has_condition_script || world->setting.condition_is_shown)
        return;
    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        const struct sim_script_verdict *condition = &world->checks->conditions[site][group];

        if (strcmp(sim_site(world, site)->name, command->site) != 0 ||
            condition->since_ns + news_ns(&world->setting, &command->terms) > world->now_ns ||
            speaks_for_a_copy(world, site, news_ns(&world->setting, &command->terms)))
            continue;
        if (condition->verdict == SIM_VERDICT_STOP ||
            (condition->verdict == SIM_VERDICT_FAILS && !is_asked))
            sim_fail(world, "scripts", "%s grants %s to %s, whose condition %s for %" PRIu64 " ms",
                     witness->name, world->group_names[group], command->site,
                     condition->verdict == SIM_VERDICT_STOP ? "has said stop" : "fails",
                     (world->now_ns - condition->since_ns) / BW_NS_PER_MS);
        else
            sim_count(world, "condition:granted");
    }
}

/* How often may it be seen in a row before its restarts are forgotten: almost that long. */
#define FORGOTTEN_LOOKS 50
/* Each change of a spec asks for a look: so many in between may have made that many. */
#define FORGOTTEN_CHANGES 10

/* Who begins anew, or has lost its guard and is not told how a start has ended, counts anew. */
static uint32_t lives_at(const struct sim_world *world, uint32_t site)
{
    return world->agents[site][0]->life + world->checks->greetings[site];
}

void sim_check_greeted(struct sim_world *world, uint32_t site)
{
    world->checks->greetings[site]++;
}

void sim_check_restarts(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch)
{
    struct sim_starts *starts = &world->checks->starts[site][group];
    const uint32_t life = lives_at(world, site);
    const uint64_t forgotten_ns = FORGOTTEN_LOOKS * (uint64_t)world->setting.check_interval_ms *
                                  SIM_MS;

    if (sim_check_overrides(world, site, group))
        return; /* as often as it takes: no other site may serve (3.8) */
    if (starts->epoch != epoch || starts->life != life ||
        world->now_ns - starts->newest_ns > forgotten_ns ||
        world->checks->spec_version[group] - starts->spec_version > FORGOTTEN_CHANGES)
        *starts = (struct sim_starts){.epoch = epoch, .life = life};
    starts->spec_version = world->checks->spec_version[group];
    starts->newest_ns = world->now_ns;
    if (++starts->count > 1)
        sim_count(world, "restart:local");
    if (starts->count > 1 + world->setting.local_restarts)
        sim_fail(world, "scripts",
                 "%s starts %s for the %" PRIu32 ". time under epoch %" PRIu64
                 ", and may restart it %" PRIu32 " times",
                 sim_site(world, site)->name, world->group_names[group], starts->count, epoch,
                 world->setting.local_restarts);
}
