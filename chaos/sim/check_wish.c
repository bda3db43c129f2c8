/* check_wish.c - a move that was told as asked for is so at each later leader until it is done,
 * taken back or has ended for a reason that the state has (4). */
#include "check_wish.h"

#include <inttypes.h>

#include <breakwater/machine/witness.h>

#include "check.h"
#include "checks_own.h"
#include "coverage.h"

void sim_check_wish_accepted(struct sim_process *witness, uint32_t group, uint64_t index)
{
    struct sim_checks *checks = sim_world_of(witness)->checks;
    const struct sim_generation *generation = sim_generation_of(witness);

    if (generation->generation < checks->wished_generation[group] ||
        (generation->generation == checks->wished_generation[group] &&
         index < checks->wished_index[group]))
        return; /* another was told meanwhile */
    checks->wished_generation[group] = generation->generation;
    checks->wished_index[group] = index;
}

void sim_check_wish_gone(struct sim_world *world, const char *group, uint64_t index)
{
    const int found = sim_group_find(world, group);

    if (found >= 0 && world->checks->wished_index[found] < index)
        world->checks->wished_index[found] = 0;
}

/* A force-release stands before it until it is over, too. */
static bool acts_on(const struct bw_watch *watch, const struct bw_wish *wish)
{
    return watch->wish.kind == BW_WISH_FORCE_RELEASE || wish->index == watch->wish.index;
}

static void look_at(struct sim_process *witness, const struct bw_group *group,
                    const struct bw_watch *watch, uint64_t accepted_index)
{
    struct sim_world *world = sim_world_of(witness);
    const struct bw_wish *wish = bw_group_wish(group);
    const struct bw_wish_over *over = bw_group_wish_over(group);

    if (wish != NULL && !acts_on(watch, wish))
        sim_fail(world, "wish",
                 "%s leads, and does not act on the %s of %s that entry %" PRIu64 " asks for",
                 witness->name, bw_wish_word(wish->kind), group->spec.name, wish->index);
    if (accepted_index != 0 && (wish == NULL || wish->index < accepted_index) &&
        (over == NULL || over->index < accepted_index))
        sim_fail(world, "wish",
                 "%s leads, and knows nothing of the move of %s that was told as taken by entry "
                 "%" PRIu64,
                 witness->name, group->spec.name, accepted_index);
    if (wish != NULL)
        sim_count(world, "wish:outlives");
}

void sim_check_wishes_led(struct sim_process *witness, const struct bw_witness_machine *machine)
{
    const struct sim_world *world = sim_world_of(witness);
    const struct bw_cluster *cluster = &machine->cluster;

    for (uint32_t i = 0; i < cluster->group_count; i++) {
        const int group = sim_group_find(world, cluster->groups[i].spec.name);
        const bool is_accepted = group >= 0 &&
                                 world->checks->wished_generation[group] == cluster->generation;

        if (group >= 0)
            look_at(witness, &cluster->groups[i], &machine->core.watches[i],
                    is_accepted ? world->checks->wished_index[group] : 0);
    }
}
