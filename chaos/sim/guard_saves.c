/* guard_saves.c - a guard's saves and mirrors, which threads of its own write: each is answered when it is
 * written, and a disk that hangs holds up nothing but what rests on it (3.4). */
#include <stdlib.h>

#include <breakwater/base/assert.h>

#include "check_site.h"
#include "enforcer.h"

struct save {
    uint32_t group;
    struct bw_guard_memory memory;
};
struct round {
    uint32_t count;
    struct {
        uint32_t group;
        uint64_t number;
        struct bw_guard_mirror mirror;
    } writes[SIM_GROUPS_MAX];
};

static void on_saved(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;
    const struct save *save = payload;
    const bool ok = sim_guard_store_save(guard, save->group, &save->memory);

    sim_guard_push(guard, SIM_GUARD_SAVED, save->group)->ok = ok;
    free(payload);
    sim_guard_look(guard);
}

/* One after the other. */
void sim_guard_save(struct sim_guard *guard, const struct sim_guard_place *place)
{
    const uint64_t now_ns = sim_world_of(guard->process)->now_ns;
    struct save *save = malloc(sizeof *save);

    BW_ASSERT(save != NULL);
    *save = (struct save){.group = place->group, .memory = place->machine.memory};
    if (guard->saved_ns < now_ns)
        guard->saved_ns = now_ns;
    guard->saved_ns += sim_disk_takes_ns(guard->process, false, guard->saved_ns);
    sim_later(guard->process, guard->saved_ns - now_ns, on_saved, save, free);
}

static void take(struct sim_guard *guard, uint32_t group, uint64_t number,
                 const struct bw_guard_mirror *mirror)
{
    struct sim_guard_place *place = &guard->places[group];

    place->mirror_number = number;
    place->is_refused = false;
    if (!sim_guard_store_save_mirror(guard, group, mirror)) {
        place->asked.armed_epoch = 0; /* it is taken back */
        sim_guard_push(guard, SIM_GUARD_MIRRORED, group)->ok = false;
        return;
    }
    place->mirrored = (struct bw_enforcer_order){
        .epoch = mirror->armed_epoch, .end = mirror->armed_end, .fence_ns = mirror->fence_ns};
    place->awaits_enforcer = true;
}

static void on_round_written(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;
    const struct round *round = payload;

    guard->is_mirroring = false;
    for (uint32_t i = 0; i < round->count && !sim_is_doomed(process); i++)
        take(guard, round->writes[i].group, round->writes[i].number, &round->writes[i].mirror);
    free(payload);
    sim_guard_look(guard);
}

void sim_guard_mirror(struct sim_guard *guard, struct sim_guard_place *place, uint64_t number)
{
    sim_check_mirror_changes(guard->process, place->group, &place->asked, &place->machine.mirror);
    place->asked = place->machine.mirror;
    place->mirror_wanted = number;
    place->is_mirror_due = true;
}

void sim_guard_mirror_round(struct sim_guard *guard)
{
    struct round *round;

    for (uint32_t i = 0; i < guard->place_count; i++)
        if (guard->places[i].awaits_enforcer &&
            (guard->places[i].is_refused || sim_enforcer_has(guard, &guard->places[i]))) {
            guard->places[i].awaits_enforcer = false;
            sim_guard_push(guard, SIM_GUARD_MIRRORED, i)->ok = !guard->places[i].is_refused;
        }
    if (guard->is_mirroring)
        return;
    round = calloc(1, sizeof *round);
    BW_ASSERT(round != NULL);
    for (uint32_t i = 0; i < guard->place_count; i++)
        if (guard->places[i].is_mirror_due) {
            guard->places[i].is_mirror_due = false;
            round->writes[round->count].group = i;
            round->writes[round->count].number = guard->places[i].mirror_wanted;
            round->writes[round->count++].mirror = guard->places[i].machine.mirror;
        }
    if (round->count == 0) {
        free(round);
        return;
    }
    guard->is_mirroring = true;
    sim_later(guard->process,
              sim_disk_takes_ns(guard->process, true, sim_world_of(guard->process)->now_ns),
              on_round_written, round, free);
}
