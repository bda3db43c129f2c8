/* The agent's state on its way to the disk, and what the answer means to each group. */
#include "agent_internal.h"

#include <breakwater/base/assert.h>

/* ---- asking ---------------------------------------------------------------------------------- */

void bw_agent_saves_group(struct bw_agent_machine *machine, uint32_t group, uint64_t number)
{
    struct bw_group_agent *own = &machine->groups[group];

    own->save_number = number;
    *own->kept = own->site.memory;
    own->save_waits = true;
}

void bw_agent_saves_cluster(struct bw_agent_machine *machine, struct bw_id cluster_id,
                            uint64_t generation)
{
    if (machine->wants_cluster)
        return; /* one after the other: what was dropped is said again */
    machine->wants_cluster = true;
    machine->wanted_cluster_id = cluster_id;
    machine->wanted_generation = generation;
}

static bool anything_waits(const struct bw_agent_machine *machine)
{
    if (machine->wants_cluster)
        return true;
    for (uint32_t i = 0; i < machine->group_count; i++)
        if (machine->groups[i].save_waits)
            return true;
    return false;
}

void bw_agent_saves_serve(struct bw_agent_machine *machine)
{
    struct bw_agent_state state;

    if (machine->is_saving || !anything_waits(machine))
        return;
    state = *machine->setup.state;
    machine->is_saving = true;
    machine->save_has_cluster = machine->wants_cluster;
    if (machine->wants_cluster) {
        state.cluster_id = machine->wanted_cluster_id;
        state.generation = machine->wanted_generation;
    }
    for (uint32_t i = 0; i < machine->group_count; i++) {
        struct bw_group_agent *own = &machine->groups[i];

        own->save_begun = own->save_waits ? own->save_number : 0;
        own->save_waits = false;
    }
    bw_agent_emit(machine,
                  &(struct bw_agent_action){.kind = BW_AGENT_ACTION_SAVE, .state = &state});
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void answer_cluster(struct bw_agent_machine *machine, bool ok)
{
    machine->wants_cluster = false;
    if (!ok)
        return; /* the next answer of a leader tells of it again */
    machine->setup.state->cluster_id = machine->wanted_cluster_id;
    machine->setup.state->generation = machine->wanted_generation;
    bw_agent_note(machine, BW_AGENT_NOTE_CLUSTER_KNOWN, 0, NULL);
    bw_agent_guard_greet_again(machine);
    bw_agent_sync_now(machine); /* what was said until now was dropped */
}

void bw_agent_on_saved(struct bw_agent_machine *machine, enum bw_err err)
{
    BW_ASSERT(machine->is_saving);
    machine->is_saving = false;
    if (err == BW_ERR_UNKNOWN) /* what the disk holds is not known: only a new start can tell */
        bw_agent_end(machine, true);
    if (machine->save_has_cluster)
        answer_cluster(machine, err == BW_OK);
    for (uint32_t i = 0; i < machine->group_count; i++) {
        struct bw_group_agent *own = &machine->groups[i];
        /* A newer SAVE, asked for while this one was under way, is not durable yet. */
        const struct bw_site_event saved = {
            .kind = BW_SITE_EVENT_SAVED, .number = own->save_begun, .ok = err == BW_OK};

        own->save_begun = 0;
        if (saved.number != 0)
            bw_agent_step_group(machine, i, &saved);
    }
}
