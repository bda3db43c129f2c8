/* checks.c - which property is looked at when, and which sites are excused for a while. */
#include "check_ahead.h"
#include "check_durable.h"
#include "check_ended.h"
#include "check_i1.h"
#include "check_i2.h"
#include "check_i3.h"
#include "check_lease.h"
#include "check_liveness.h"
#include "check_recovery.h"
#include "check_second.h"
#include "checks_own.h"
#include "units.h"

#include <stdlib.h>

/* A site that is frozen and then cut off hears so late of what was granted elsewhere: the longest of each. */
#define SILENT_NS (120 * SIM_S)

struct sim_checks *sim_checks_new(void)
{
    struct sim_checks *checks = calloc(1, sizeof *checks);

    if (checks != NULL)
        sim_check_generation_begins(checks, 1, 0);
    return checks;
}

void sim_checks_free(struct sim_checks *checks)
{
    sim_check_ahead_free(checks);
    sim_check_i3_free(checks);
    free(checks);
}

void sim_check_serving_changed(struct sim_world *world)
{
    world->checks->is_serving_dirty = true;
}

void sim_checks_after_event(struct sim_world *world)
{
    struct sim_checks *checks = world->checks;

    if (checks->is_serving_dirty || checks->is_served_twice) {
        checks->is_serving_dirty = false;
        sim_check_i1(world);
    }
    if (world->setting.has_second_enforcer)
        sim_check_second(world);
    sim_check_lease(world);
    for (uint32_t i = 0; checks->applied_by != 0; i++, checks->applied_by >>= 1)
        if ((checks->applied_by & 1) != 0) {
            sim_check_i2_states(world, i);
            sim_check_ended(world, i);
        }
}

void sim_checks_at_end(struct sim_world *world)
{
    sim_check_i3_at_end(world);
    if (world->setting.is_liveness)
        sim_check_liveness_at_end(world);
}

/* The look that follows each event is what it is there for: an overlap that was excused until now
 * must be over. */
static void look_again(struct sim_world *world, uint64_t argument)
{
    (void)world;
    (void)argument;
}

static void excuse(struct sim_world *world, uint64_t *until, uint64_t until_ns)
{
    if (until_ns <= *until)
        return;
    *until = until_ns;
    sim_world_at(world, until_ns + 1, look_again, 0);
}

void sim_checks_excuse_group(struct sim_world *world, uint32_t site, uint32_t group,
                             uint64_t until_ns)
{
    excuse(world, &world->checks->excused_until_ns[site][group], until_ns);
}

void sim_checks_excuse(struct sim_world *world, uint32_t site, uint64_t until_ns)
{
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        sim_checks_excuse_group(world, site, group, until_ns);
}

void sim_checks_unfenced(struct sim_world *world, uint32_t site, uint32_t group,
                         uint64_t until_ns)
{
    excuse(world, &world->checks->unfenced_until_ns[site][group], until_ns);
}

bool sim_checks_is_unfenced(const struct sim_world *world, uint32_t site)
{
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        if (world->checks->unfenced_until_ns[site][group] >= world->now_ns)
            return true;
    return false;
}

/* A lease that is on its way is over, it is seen twice, and fenced. */
static uint64_t find_out_ns(const struct sim_world *world)
{
    const struct sim_setting *setting = &world->setting;

    return (setting->ttl_ms_max + 3 * setting->check_interval_ms + 2 * setting->terms.fence_ms) *
               SIM_MS +
           3 * setting->script_limit_ns[BW_ACTION_STATUS];
}

void sim_checks_disturb(struct sim_world *world, uint32_t site, uint64_t until_ns)
{
    struct sim_checks *checks = world->checks;

    if (until_ns > checks->disturbed_until_ns[site])
        checks->disturbed_until_ns[site] = until_ns;
    for (uint32_t group = 0; group < world->setting.group_count; group++) {
        if (checks->by_hand_ns[site][group] < world->now_ns)
            continue; /* nobody has started anything, or it was found out long ago */
        checks->by_hand_ns[site][group] = until_ns + find_out_ns(world);
        sim_checks_excuse_group(world, site, group, checks->by_hand_ns[site][group]);
    }
}

uint64_t sim_checks_found_out_ns(const struct sim_world *world, uint32_t site)
{
    const uint64_t disturbed_ns = world->checks->disturbed_until_ns[site];

    return (disturbed_ns > world->now_ns ? disturbed_ns : world->now_ns) + find_out_ns(world);
}

void sim_checks_by_hand(struct sim_world *world, uint32_t site, uint32_t group)
{
    struct sim_checks *checks = world->checks;

    checks->by_hand_since[group] = true;
    checks->by_hand_ns[site][group] = sim_checks_found_out_ns(world, site);
    sim_checks_excuse_group(world, site, group, checks->by_hand_ns[site][group]);
}

void sim_checks_obeys_older(struct sim_world *world, uint32_t site, uint32_t group)
{
    sim_count(world, "left_behind:obeyed");
    sim_checks_excuse_group(world, site, group, sim_checks_found_out_ns(world, site));
}

void sim_checks_excuse_overruled(struct sim_world *world, uint32_t site, uint32_t group)
{
    sim_count(world, "recovery:vouched_wrongly");
    sim_checks_excuse_group(world, site, group, sim_checks_found_out_ns(world, site));
}

bool sim_checks_is_lapse_excused(struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_host *host = sim_site(world, site);

    if (sim_checks_is_excused_anywhere(world, site, group))
        return true;
    if (world->setting.begins_old && sim_service_is_masked(host, group))
        return true; /* below the level "inside" is enough (5.3) */
    if (sim_service_is_outside(host, group))
        return sim_service_is_by_hand(host, group) || sim_check_second_excuses(world, site, group);
    return world->checks->unfenced_until_ns[site][group] >= world->now_ns;
}

void sim_checks_let_go(struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_checks *checks = world->checks;

    if (world->now_ns < checks->cloned_until_ns &&
        (site == checks->cloned_site || site == sim_clone(world)->number))
        sim_checks_excuse_group(world, site, group,
                                checks->cloned_until_ns + find_out_ns(world) + SILENT_NS);
}

void sim_checks_cloned(struct sim_world *world, uint32_t site, uint64_t until_ns)
{
    struct sim_checks *checks = world->checks;

    checks->cloned_site = site;
    checks->cloned_until_ns = until_ns;
    for (uint32_t group = 0; group < world->setting.group_count; group++) {
        struct bw_guard_memory memory;
        struct bw_guard_mirror mirror;

        sim_check_read_guard(sim_site(world, site), group, &memory, &mirror);
        /* What serves there without a lease, also of an adoption that was never armed: the copy speaks for its site. */
        if (!memory.enforced || mirror.armed_epoch <= memory.ended_epoch)
            sim_checks_let_go(world, site, group);
    }
}

void sim_checks_vote_is_away(struct sim_world *world, uint32_t witness, bool is_away)
{
    const uint32_t bit = 1u << witness;

    world->checks->votes_away = (world->checks->votes_away & ~bit) | (is_away ? bit : 0);
}

bool sim_checks_is_vote_away(const struct sim_process *witness)
{
    return (sim_world_of(witness)->checks->votes_away >> witness->host->number & 1) != 0;
}

const struct sim_tally *sim_checks_tally(const struct sim_world *world)
{
    return &world->checks->tally;
}
