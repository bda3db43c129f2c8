/* check_data.c - what was acknowledged is there after a planned move: its target waits until it is
 * ready at the position that the origin had last (3.6). And whose it is is not forgotten (4). */
#include <inttypes.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/core/group.h>

#include "check_override.h"
#include "checks_own.h"
#include "machine.h"

/* A copy of the origin has what the origin had when it was copied, and may be the one that gets the group
 * back, from its own data (3.6, 3.8). */
static bool is_of_two(struct sim_world *world, uint32_t site)
{
    const struct sim_host *clone = sim_clone(world);

    return clone->is_up && strcmp(clone->name, sim_site(world, site)->name) == 0;
}

/* What a service acknowledges that nobody can end, or that systemd starts again after each end (3.4, of which
 * `check` warns), beside the one that is moved, is nobody's promise. */
static bool is_written_beside(struct sim_world *world, uint32_t group)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if (world->checks->unfenced_until_ns[site][group] >= world->now_ns ||
            sim_machine(sim_site(world, site))->units[group].comes_again)
            return true;
    return false;
}

static void note_serves(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch)
{
    struct sim_checks *checks = world->checks;

    if (epoch <= checks->served_epoch[group] || sim_check_overrides(world, site, group))
        return; /* once more, or without an epoch of its own (3.8) */
    checks->served_epoch[group] = epoch;
    (void)bw_copy_text(checks->served_at[group], sizeof checks->served_at[group],
                       sim_site(world, site)->name);
}

/* What others have ended, or time: nobody has heard there that it has left the data alone. */
void sim_check_data_site(struct sim_world *world, uint32_t group, const struct bw_group *found)
{
    const struct sim_checks *checks = world->checks;
    const struct bw_last_end *end = &found->last_end;

    if (found->phase != BW_PHASE_VACANT || end->epoch != checks->served_epoch[group] ||
        (end->grade != BW_GRADE_FENCED && end->grade != BW_GRADE_FORCED &&
         end->grade != BW_GRADE_EXPIRED))
        return;
    sim_count(world, "data:site");
    if (strcmp(found->data_site, checks->served_at[group]) != 0)
        sim_fail(world, "data",
                 "%s served %s under epoch %" PRIu64 ", which was %s, and the newest data is said to be at %s",
                 checks->served_at[group], world->group_names[group], end->epoch,
                 bw_grade_word(end->grade), found->data_site[0] != '\0' ? found->data_site : "no site");
}

void sim_check_data(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch,
                    uint64_t missing_ms)
{
    note_serves(world, group, site, epoch);
    if (epoch == 0 || epoch != world->checks->planned_epoch[group] ||
        world->checks->by_hand_since[group] || sim_check_overrides(world, site, group))
        return; /* by hand, or unplanned: the limits of on_lag are for that (4) */
    sim_count(world, "data:planned");
    if (missing_ms > 0 && world->setting.has_readiness_script &&
        !sim_checks_is_excused(world, site, group) && !is_of_two(world, site) &&
        !is_written_beside(world, group))
        sim_fail(world, "data",
                 "%s serves %s under epoch %" PRIu64 " after a planned move, and %" PRIu64
                 " ms of what was acknowledged are not there",
                 sim_site(world, site)->name, world->group_names[group], epoch, missing_ms);
}
