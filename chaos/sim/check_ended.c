/* check_ended.c - the other half of I1: in the instant in which the end of an epoch is first applied
 * anywhere (confirmed, fenced, expired: design 3.1), its site serves no more. What starts elsewhere
 * may begin from then on; that it takes a while there is luck, and hides what went wrong. So do
 * fences, which are early: an epoch that has expired has no lease left either (3.3). */
#include "check_ended.h"

#include <inttypes.h>
#include <string.h>

#include "check_durable.h"
#include "check_lease.h"
#include "check_remote_fence.h"
#include "checks_own.h"
#include "guard.h"
#include "site.h"
#include "witness.h"

/* A forced end is a person's word; a let-go leaves the service alone, and so does an adoption that
 * never came to be: the first-grant rules then apply again (3.1, 3.9). */
static bool is_safe_end(const struct bw_group *group)
{
    return !group->first_grant && (group->last_end.grade == BW_GRADE_CONFIRMED ||
                                   group->last_end.grade == BW_GRADE_FENCED ||
                                   group->last_end.grade == BW_GRADE_EXPIRED);
}

/* Started by a person at a site whose guard has not armed that epoch: not by what was granted (3.8). */
static bool is_somebodys(const struct sim_host *host, uint32_t group, uint64_t epoch)
{
    const struct bw_guard *guard = sim_guard_machine(host->world->guards[host->number], group);

    return sim_service_is_by_hand(host, group) && guard != NULL &&
           guard->mirror.armed_epoch != epoch && guard->memory.ended_epoch < epoch;
}

static bool was_cloned(const struct sim_world *world, uint32_t site)
{
    return world->checks->cloned_until_ns != 0 && world->checks->cloned_site == site;
}

/* What a copy has given back of an epoch ends it by time, though its service is outside: a machine that is
 * there twice is beyond what is promised (3.8). */
static bool is_a_copys_word(const struct sim_world *world, uint32_t site, uint32_t group,
                            const struct bw_last_end *end)
{
    return end->reason == BW_REASON_REBOOT && was_cloned(world, site) &&
           sim_service_is_outside(sim_site((struct sim_world *)(uintptr_t)world, site), group);
}

/* That a KILL fails explains an end by time, which nobody could prevent; never one that was seen. What another
 * boot gives back, a copy's too, is believed once no lease of this one can live: by time (3.5). */
static bool is_beyond(struct sim_world *world, uint32_t site, uint32_t group,
                      const struct bw_last_end *end)
{
    const bool is_by_time = end->grade == BW_GRADE_EXPIRED || end->reason == BW_REASON_REBOOT ||
                            (end->reason == BW_REASON_NEVER_STARTED && was_cloned(world, site));

    return is_by_time ? sim_checks_is_lapse_excused(world, site, group)
                      : sim_checks_is_excused(world, site, group);
}

/* The epoch was held by a copy of the machine, or it is what the copy has left behind: both go by one name. */
static bool is_of_its_copy(const struct sim_world *world, uint32_t site, uint32_t group,
                           const struct bw_last_end *end)
{
    return was_cloned(world, site) &&
           sim_service_epoch(sim_site((struct sim_world *)(uintptr_t)world, site), group) < end->epoch;
}

/* Who ends it is left behind by a recovery, and what is served was started under an epoch of that
 * (3.9); or by an override, whose start is ordered only once this one is over there, and an epoch
 * of that has adopted it since (3.8). */
static bool is_of_later_generation(struct sim_world *world, uint32_t site, uint32_t group,
                                   const struct bw_cluster *cluster, uint64_t epoch)
{
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    if (cluster->generation >= world->generation)
        return false;
    if (world->setting.has_second_enforcer && /* it may have outlived what was armed */
        sim_service_epoch(sim_site(world, site), group) > epoch)
        return true;
    sim_check_read_guard(sim_site(world, site), group, &memory, &mirror);
    return mirror.armed_epoch > epoch && (sim_service_epoch(sim_site(world, site), group) > epoch ||
                                          sim_service_is_of_override(sim_site(world, site), group));
}

/* It was ended there before somebody overrode: what serves is his (3.8). */
static bool is_before_override(const struct sim_world *world, uint32_t site, uint32_t group,
                               uint64_t epoch)
{
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(sim_site((struct sim_world *)(uintptr_t)world, site), group, &memory,
                         &mirror);
    return sim_check_overrides(world, site, group) &&
           (memory.ended_epoch >= epoch || mirror.armed_serial != 0 || mirror.armed_epoch < epoch);
}

static void look(struct sim_world *world, uint32_t group, const struct bw_cluster *cluster,
                 const struct bw_group *found)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++) {
        struct sim_host *host = sim_site(world, site);
        char text[200];

        if (strcmp(host->name, found->last_end.site) != 0 ||
            !sim_service_is_serving(host, group) ||
            is_of_later_generation(world, site, group, cluster, found->last_end.epoch))
            continue;
        if (is_a_copys_word(world, site, group, &found->last_end) ||
            is_of_its_copy(world, site, group, &found->last_end))
            sim_service_note_twice(host, group);
        if (is_before_override(world, site, group, found->last_end.epoch))
            continue;
        if (is_beyond(world, site, group, &found->last_end) ||
            is_somebodys(host, group, found->last_end.epoch)) {
            world->checks->tally.overlaps_outside++;
            continue;
        }
        sim_site_describe(host, group, text, sizeof text);
        sim_fail(world, "I1", "epoch %" PRIu64 " of %s has ended (%s), and is served: %s",
                 found->last_end.epoch, world->group_names[group],
                 bw_grade_word(found->last_end.grade), text);
    }
}

/* Where the guard acts by it, and where it should: a lease ends with either clock (1), compared here
 * apart from the function whose faults are looked for. */
static bool lives(const struct bw_guard *guard, uint64_t epoch, struct bw_instant now)
{
    const struct bw_instant end = guard == NULL ? now : guard->mirror.armed_end;

    if (guard == NULL || guard->mirror.armed_epoch != epoch || guard->mirror.armed_serial != 0 ||
        guard->memory.ended_epoch >= epoch)
        return false;
    return !bw_instant_right_is_over(now, end) ||
           (now.boot_ns < end.boot_ns && now.raw_ns < end.raw_ns);
}

static void look_at_lease(struct sim_world *world, uint32_t group, const struct bw_group *found)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++) {
        const struct sim_host *host = sim_site(world, site);
        const struct bw_guard *guard = sim_guard_machine(world->guards[site], group);
        char text[200];

        if (strcmp(host->name, found->last_end.site) != 0 ||
            sim_checks_is_excused(world, site, group) ||
            !lives(guard, found->last_end.epoch, sim_clock_now(host)))
            continue;
        sim_site_describe(host, group, text, sizeof text);
        sim_fail(world, "I1", "epoch %" PRIu64 " of %s has ended (%s), and its lease lives: %s",
                 found->last_end.epoch, world->group_names[group],
                 bw_grade_word(found->last_end.grade), text);
    }
}

void sim_check_ended(struct sim_world *world, uint32_t witness)
{
    const struct bw_cluster *cluster = sim_witness_cluster(world->witnesses[witness]);

    for (uint32_t group = 0; cluster != NULL && group < world->setting.group_count; group++) {
        const int group_index = bw_cluster_find(cluster, world->group_names[group]);
        const struct bw_group *found = group_index < 0 ? NULL : &cluster->groups[group_index];
        uint64_t *ended_epoch = &world->checks->ended_epoch[group];

        if (found != NULL)
            sim_check_remote_closed(world, group, found);

        /* A recovery says of an epoch that it lets nobody renew it, and no more: the first grant waits (3.9). */
        if (found == NULL || found->last_end.epoch <= *ended_epoch ||
            found->last_end.reason == BW_REASON_RECOVERED)
            continue;
        *ended_epoch = found->last_end.epoch;
        if (is_safe_end(found))
            look(world, group, cluster, found);
        if (found->last_end.grade == BW_GRADE_EXPIRED || found->last_end.grade == BW_GRADE_FORCED ||
            found->last_end.grade == BW_GRADE_FENCED)
            look_at_lease(world, group, found); /* whatever a person vouches for (3.1) */
        if (found->last_end.grade == BW_GRADE_FENCED)
            sim_check_remote_fenced(world, group, found->last_end.epoch);
        if (found->last_end.grade == BW_GRADE_EXPIRED)
            sim_check_expired(world, cluster->generation, group, found->last_end.epoch);
    }
}
