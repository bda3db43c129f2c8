/* check_i1.c - looks at the services themselves, in true time, not at what anybody says of them. */
#include "check_i1.h"

#include <stdio.h>

#include "check_durable.h"
#include "check_recovery.h"
#include "checks_own.h"
#include "guard.h"
#include "site.h"

static uint32_t serving_sites(struct sim_world *world, uint32_t group)
{
    uint32_t sites = 0;

    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if (sim_service_is_serving(sim_site(world, site), group))
            sites |= 1u << site;
    return sites;
}

static void count_override(struct sim_world *world, uint32_t group, uint32_t sites)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if ((sites >> site & 1) != 0 && sim_check_override_excuses(world, site, group))
            sim_count(world, "override:overlap");
}

/* A person has started it where its guard was told to let go: nobody ends it until a quorum has it
 * enforced again (3.9). Or where an agent that was made anew obeys the lost ones, which its guard
 * does not (3.8). */
static bool is_left_to_people(struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_host *host = sim_site(world, site);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(host, group, &memory, &mirror);
    return sim_service_is_by_hand(host, group) &&
           (!memory.enforced || sim_check_obeys_older_than_guard(world, site));
}

/* Its guard is at it, and the script fails: what has begun outside of what is promised may last as long as that. */
static bool is_being_ended(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct bw_guard *guard = sim_guard_machine(world->guards[site], group);

    return guard != NULL && guard->fence != BW_FENCE_NONE && guard->fence != BW_FENCE_DONE;
}

/* Of two that serve one may be outside of what is promised: then it proves nothing. Nor do two that
 * people have started: where nothing was granted yet, breakwater leaves both alone (3.8, 3.9). */
static bool is_excused(struct sim_world *world, uint32_t group, uint32_t sites, bool is_new)
{
    uint32_t others = 0, starts = 0;

    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if ((sites >> site & 1) != 0) {
            others += !sim_checks_is_lapse_excused(world, site, group) &&
                      !sim_check_override_excuses(world, site, group) &&
                      !is_left_to_people(world, site, group) &&
                      (is_new || !is_being_ended(world, site, group));
            starts += !sim_service_is_by_hand(sim_site(world, site), group);
        }
    return others <= 1 || starts == 0;
}

static void fail(struct sim_world *world, uint32_t group, uint32_t sites)
{
    char text[SIM_SITES_MAX][200];

    for (uint32_t site = 0; site < SIM_SITES_MAX; site++) {
        text[site][0] = '\0';
        if (site < sim_machine_count(world) && (sites >> site & 1) != 0)
            sim_site_describe(sim_site(world, site), group, text[site], sizeof text[site]);
    }
    sim_fail(world, "I1", "%s is served twice: %s %s %s %s", world->group_names[group], text[0],
             text[1], text[2], text[3]);
}

void sim_check_overrules(struct sim_world *world, uint32_t group, uint32_t sites)
{
    world->checks->overruled_serving[group] |= sites & serving_sites(world, group);
}

/* What has come up where nobody had heard yet; what has ended is the past. */
static void keep_overruled(struct sim_world *world, uint32_t group, uint32_t sites)
{
    struct sim_checks *checks = world->checks;

    checks->overruled_serving[group] &= sites;
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if (sim_checks_is_outdated(checks, site, group))
            sim_check_overrules(world, group, 1u << site);
}

/* What is acknowledged there is nobody's promise (check_data.c). */
static void note_lapsed(struct sim_world *world, uint32_t group, uint32_t sites)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if ((sites >> site & 1) != 0 && sim_checks_is_lapse_excused(world, site, group))
            world->checks->by_hand_since[group] = true;
}

/* Of which sites serve, for whoever asks later. */
static void note_change(struct sim_world *world, uint32_t group, uint32_t sites)
{
    struct sim_checks *checks = world->checks;

    keep_overruled(world, group, sites);
    checks->serving[group] = sites;
    checks->serving_changed_ns[group] = world->now_ns;
    sim_mix(world, sites);
    note_lapsed(world, group, sites);
}

/* What began outside of what is promised is ended within that, once nothing excuses it any more: somebody has to find
 * out first, at each of them. */
static void keep_excused(struct sim_world *world, uint32_t group, uint32_t sites)
{
    uint64_t until_ns = 0;

    for (uint32_t site = 0; site < sim_machine_count(world); site++) {
        const uint64_t found_out_ns = sim_checks_found_out_ns(world, site);

        if ((sites >> site & 1) != 0 && found_out_ns > until_ns)
            until_ns = found_out_ns;
    }
    world->checks->overlap_ends_ns[group] = until_ns;
}

static void note_overlap(struct sim_world *world, uint32_t group, uint32_t sites)
{
    count_override(world, group, sites);
    world->checks->tally.overlaps_outside++;
    world->checks->by_hand_since[group] = true;
}

void sim_check_i1(struct sim_world *world)
{
    struct sim_checks *checks = world->checks;

    checks->is_served_twice = false;
    for (uint32_t group = 0; group < world->setting.group_count; group++) {
        const uint32_t sites = serving_sites(world, group);
        const bool is_new = sites != checks->serving[group];
        const bool has_joined = (sites & ~checks->serving[group]) != 0;

        if (is_new)
            note_change(world, group, sites);
        if ((sites & (sites - 1)) == 0)
            continue;
        checks->is_served_twice = true;
        if (is_excused(world, group, sites, has_joined)) {
            keep_excused(world, group, sites);
            if (is_new)
                note_overlap(world, group, sites);
        } else if (has_joined || world->now_ns > checks->overlap_ends_ns[group]) {
            fail(world, group, sites);
        }
    }
}
