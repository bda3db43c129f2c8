/* guard_saves.c - a guard's saves and mirrors, which threads of its own write: each is answered when it is
 * written, and a disk that hangs holds up nothing but what rests on it (3.4). */
#include <stdlib.h>

#include <breakwater/base/assert.h>

#include "check_site.h"
#include "enforcer.h"

struct memory_round {
    uint32_t count;
    struct {
        uint32_t group;
        struct bw_guard_memory memory; /* as it was asked for */
    } saves[SIM_GROUPS_MAX];
};
struct round {
    uint32_t count;
    struct {
        uint32_t group;
        uint64_t number;
        struct bw_enforcer_order order;
        struct bw_guard_mirror mirror;
    } writes[SIM_GROUPS_MAX + 1]; /* and one that is looked at in vain */
};

static void on_saved(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;
    const struct memory_round *round = payload;

    for (uint32_t i = 0; i < round->count && !sim_is_doomed(process); i++) {
        const uint32_t group = round->saves[i].group;

        bw_guard_machine_on_saved(&guard->daemon, &guard->groups[group].at,
                                  sim_guard_store_save(guard, group, &round->saves[i].memory));
    }
    free(payload);
    bw_guard_machine_on_round_saved(&guard->daemon);
    sim_guard_go_on(guard);
}

void sim_guard_write_saves(struct sim_guard *guard)
{
    const uint64_t takes_ns =
        sim_disk_takes_ns(guard->process, false, sim_world_of(guard->process)->now_ns);
    struct memory_round *round = calloc(1, sizeof *round);
    const struct bw_guarded *group;

    BW_ASSERT(round != NULL);
    while ((group = bw_guard_machine_take_save(&guard->daemon)) != NULL) {
        const struct sim_guard_group *guarded = group->owner;

        round->saves[round->count].group = guarded->group;
        round->saves[round->count++].memory = guarded->asked_memory;
    }
    sim_later(guard->process, takes_ns, on_saved, round, free);
}

static void on_pin_written(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;
    const bool ok = sim_guard_store_pin(guard);

    (void)payload;
    if (sim_is_doomed(process))
        return;
    bw_guard_machine_on_pinned(&guard->daemon, ok, "the disk");
    sim_guard_go_on(guard);
}

void sim_guard_pin(struct sim_guard *guard)
{
    sim_later(guard->process,
              sim_disk_takes_ns(guard->process, false, sim_world_of(guard->process)->now_ns),
              on_pin_written, NULL, NULL);
}

static void on_round_written(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;
    const struct round *round = payload;

    for (uint32_t i = 0; i < round->count && !sim_is_doomed(process); i++) {
        struct sim_guard_group *guarded = &guard->groups[round->writes[i].group];
        const bool ok = sim_guard_store_save_mirror(guard, guarded->group,
                                                    &round->writes[i].mirror);

        if (!ok)
            guarded->asked.armed_epoch = 0; /* it is taken back */
        bw_enforcing_on_written(&guard->daemon.enforcing, &guarded->at.enforcing,
                                round->writes[i].number, &round->writes[i].order, ok);
    }
    bw_enforcing_on_round_written(&guard->daemon.enforcing);
    free(payload);
    sim_guard_go_on(guard);
}

void sim_guard_write_mirrors(struct sim_guard *guard)
{
    struct round *round = calloc(1, sizeof *round);

    BW_ASSERT(round != NULL);
    for (uint32_t i = 0; i < guard->group_count; i++) {
        if (!guard->groups[i].is_open ||
            !bw_enforcing_begin_write(&guard->daemon.enforcing, &guard->groups[i].at.enforcing,
                                      &round->writes[round->count].number,
                                      &round->writes[round->count].order))
            continue;
        round->writes[round->count].group = i;
        round->writes[round->count++].mirror = guard->groups[i].machine.mirror;
    }
    sim_later(guard->process,
              sim_disk_takes_ns(guard->process, true, sim_world_of(guard->process)->now_ns),
              on_round_written, round, free);
}
