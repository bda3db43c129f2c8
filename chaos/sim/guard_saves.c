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

static void begin_next_save(struct sim_guard *guard);

static void on_saved(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;
    const struct memory_round *round = payload;

    for (uint32_t i = 0; i < round->count && !sim_is_doomed(process); i++) {
        const uint32_t group = round->saves[i].group;

        sim_guard_push(guard, SIM_GUARD_SAVED, group)->ok =
            sim_guard_store_save(guard, group, &round->saves[i].memory);
    }
    free(payload);
    sim_guard_look(guard);
    if (sim_is_doomed(process))
        return;
    bw_rounds_end(&guard->saves);
    begin_next_save(guard);
}

static void begin_next_save(struct sim_guard *guard)
{
    struct memory_round *round;
    const struct bw_round_item *item;

    if (!bw_rounds_begin(&guard->saves))
        return;
    round = calloc(1, sizeof *round);
    BW_ASSERT(round != NULL);
    while ((item = bw_rounds_take(&guard->saves)) != NULL) {
        const struct sim_guard_place *place = item->owner;

        round->saves[round->count].group = place->group;
        round->saves[round->count++].memory = place->asked_memory;
    }
    sim_later(guard->process,
              sim_disk_takes_ns(guard->process, false, sim_world_of(guard->process)->now_ns),
              on_saved, round, free);
}

void sim_guard_save(struct sim_guard *guard, struct sim_guard_place *place)
{
    place->asked_memory = place->machine.memory;
    place->save.owner = place;
    bw_rounds_ask(&guard->saves, &place->save);
    begin_next_save(guard);
}

static void on_pin_written(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;
    const bool ok = sim_guard_store_pin(guard);
    struct bw_session_refusal refusal;

    (void)payload;
    if (sim_is_doomed(process))
        return;
    if (!bw_guard_session_on_pinned(&guard->session, ok, "the disk", &refusal))
        sim_guard_refuse_hello(guard, &refusal);
    sim_guard_look(guard);
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
        struct sim_guard_place *place = &guard->places[round->writes[i].group];
        const bool ok = sim_guard_store_save_mirror(guard, place->group, &round->writes[i].mirror);

        if (!ok)
            place->asked.armed_epoch = 0; /* it is taken back */
        bw_enforcing_on_written(&guard->enforcing, &place->enforcing, round->writes[i].number,
                                &round->writes[i].order, ok);
    }
    bw_enforcing_on_round_written(&guard->enforcing);
    free(payload);
    sim_guard_look(guard);
}

void sim_guard_mirror(struct sim_guard *guard, struct sim_guard_place *place, uint64_t number)
{
    sim_check_mirror_changes(guard->process, place->group, &place->asked, &place->machine.mirror);
    place->asked = place->machine.mirror;
    bw_enforcing_on_mirror(&guard->enforcing, &place->enforcing, number);
}

void sim_guard_write_mirrors(struct sim_guard *guard)
{
    struct round *round = calloc(1, sizeof *round);

    BW_ASSERT(round != NULL);
    for (uint32_t i = 0; i < guard->place_count; i++) {
        if (!bw_enforcing_begin_write(&guard->enforcing, &guard->places[i].enforcing,
                                      &round->writes[round->count].number,
                                      &round->writes[round->count].order))
            continue;
        round->writes[round->count].group = i;
        round->writes[round->count++].mirror = guard->places[i].machine.mirror;
    }
    sim_later(guard->process,
              sim_disk_takes_ns(guard->process, true, sim_world_of(guard->process)->now_ns),
              on_round_written, round, free);
}
