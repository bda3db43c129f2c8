/* agent_store.c - what an agent must not forget, as src/agent/store.c keeps it. */
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#include "agent.h"

static void file_name(const struct sim_agent *agent, char out_name[48])
{
    (void)snprintf(out_name, 48, "%s", agent->directory == 0 ? SIM_AGENT_FILE : SIM_SECOND_FILE);
}

/* One for each machine, never none. */
static struct bw_id machine_id(const struct sim_host *host)
{
    return (struct bw_id){{(uint8_t)(host->machine + 1), 'm'}};
}

static void damaged(struct sim_agent *agent, const struct bw_diag *diag)
{
    sim_fail(sim_world_of(agent->process), "codec", "%s cannot read its own state: %s",
             agent->process->name, diag->text);
}

/* ---- saving ------------------------------------------------------------------------------------- */

/* False: there is no room, and nothing more is to be done. */
static bool encode(struct sim_agent *agent)
{
    struct bw_agent_state state = agent->state;
    struct bw_diag diag = {0};

    agent->write_has_cluster = agent->wants_cluster;
    if (agent->wants_cluster) {
        state.cluster_id = agent->wanted_cluster_id;
        state.generation = agent->wanted_generation;
    }
    if (bw_agent_state_encode(&state, agent->written, sizeof agent->written, &agent->written_size,
                              &diag) == BW_OK)
        return true;
    damaged(agent, &diag);
    return false;
}

static enum bw_err write_now(struct sim_agent *agent)
{
    char name[48];
    enum bw_err err;

    file_name(agent, name);
    err = sim_file_save(agent->process, name, false, agent->written, agent->written_size);
    if (err == BW_ERR_UNKNOWN) /* what the disk holds is not known: only a new start can tell */
        sim_agent_end(agent);
    return err;
}

static bool anything_waits(const struct sim_agent *agent)
{
    for (uint32_t i = 0; i < agent->place_count; i++)
        if (agent->places[i].save_waits)
            return true;
    return agent->wants_cluster;
}

static void begin_next(struct sim_agent *agent);

static void answer_cluster(struct sim_agent *agent, bool ok)
{
    agent->wants_cluster = false;
    if (!ok)
        return;
    agent->state.cluster_id = agent->wanted_cluster_id;
    agent->state.generation = agent->wanted_generation;
    sim_link_greet_again(agent);
    sim_sync_now(agent);
}

/* The thread is back: everything that this write was for is told. */
static void on_written(struct sim_process *process, void *payload)
{
    struct sim_agent *agent = process->state;
    enum bw_err err;

    (void)payload;
    err = write_now(agent);
    if (sim_is_doomed(process))
        return;
    agent->is_saving = false;
    if (agent->write_has_cluster)
        answer_cluster(agent, err == BW_OK);
    for (uint32_t i = 0; i < agent->place_count; i++) {
        struct sim_agent_place *place = &agent->places[i];
        struct sim_agent_task *task;

        if (place->save_begun == 0)
            continue;
        task = sim_agent_push_event(agent, place, BW_SITE_EVENT_SAVED);
        task->event.number = place->save_begun;
        task->event.ok = err == BW_OK;
        place->save_begun = 0;
    }
    begin_next(agent);
    sim_agent_go_on(agent);
}

static void begin_next(struct sim_agent *agent)
{
    struct sim_process *process = agent->process;

    if (agent->is_saving || !anything_waits(agent) || !encode(agent))
        return;
    for (uint32_t i = 0; i < agent->place_count; i++) {
        agent->places[i].save_begun =
            agent->places[i].save_waits ? agent->places[i].save_number : 0;
        agent->places[i].save_waits = false;
    }
    agent->is_saving = true;
    sim_later(process, sim_disk_takes_ns(process, false, sim_world_of(process)->now_ns), on_written,
              NULL, NULL);
}

void sim_agent_save_group(struct sim_agent *agent, struct sim_agent_place *place, uint64_t number)
{
    place->save_number = number;
    *sim_agent_store_memory(agent, place->group) = place->site.memory;
    place->save_waits = true;
    begin_next(agent);
}

void sim_agent_save_cluster(struct sim_agent *agent, const struct bw_sync_answer *answer)
{
    if (agent->wants_cluster)
        return;
    agent->wants_cluster = true;
    agent->wanted_cluster_id = answer->cluster_id;
    agent->wanted_generation = answer->generation;
    begin_next(agent);
}

struct bw_site_memory *sim_agent_store_memory(struct sim_agent *agent, uint32_t group)
{
    const char *name = sim_world_of(agent->process)->group_names[group];
    struct bw_agent_state *state = &agent->state;

    for (uint32_t i = 0; i < state->group_count; i++)
        if (strcmp(state->groups[i].name, name) == 0)
            return &state->groups[i].memory;
    BW_ASSERT(state->group_count < SIM_KEPT_MAX);
    memset(&state->groups[state->group_count], 0, sizeof state->groups[0]);
    BW_ASSERT(bw_copy_text(state->groups[state->group_count].name, BW_NAME_MAX + 1, name));
    return &state->groups[state->group_count++].memory;
}

/* ---- opening ------------------------------------------------------------------------------------ */

static bool is_locked(const struct sim_agent *agent)
{
    const struct sim_world *world = sim_world_of(agent->process);
    struct sim_process *const *agents = world->agents[agent->process->host->number];

    for (int i = 0; i < SIM_AGENTS_MAX; i++)
        if (agents[i] != NULL && agents[i] != agent->process && agents[i]->health != SIM_DEAD &&
            agents[i]->user == agent->process->user)
            return true;
    return false;
}

static bool make_instance(struct sim_agent *agent)
{
    struct bw_agent_state *state = &agent->state;
    const struct sim_host *host = agent->process->host;

    *state = (struct bw_agent_state){.machine_id = machine_id(host), .groups = agent->kept};
    for (int i = 0; i < BW_ID_BYTES; i++)
        state->instance.bytes[i] = (uint8_t)bw_prng_next(&agent->process->chance);
    state->instance.bytes[0] |= 1; /* never none */
    BW_ASSERT(bw_copy_text(state->site, sizeof state->site, host->name));
    sim_count(host->world, "agent:new_instance");
    sim_tell(host->world, agent->process->name, "is a new instance");
    return encode(agent) && write_now(agent) == BW_OK;
}

static bool is_ours(const struct sim_agent *agent, const struct bw_agent_state *state)
{
    const struct sim_host *host = agent->process->host;

    return strcmp(state->site, host->name) == 0 &&
           bw_id_equal(state->machine_id, machine_id(host));
}

bool sim_agent_store_open(struct sim_agent *agent)
{
    struct sim_host *host = agent->process->host;
    struct bw_agent_state found = {.group_count = 0};
    const struct sim_file *file;
    struct bw_diag diag = {0};
    char name[48];
    bool is_kept;

    agent->directory = (uintptr_t)agent->process->user;
    file_name(agent, name);
    if (is_locked(agent)) {
        sim_count(host->world, "agent:locked_out");
        sim_tell(host->world, agent->process->name, "finds its state directory locked and ends");
        return false;
    }
    file = sim_file_load(host, name);
    if (file == NULL)
        return make_instance(agent);
    if (bw_agent_state_decode(file->bytes, file->size, &found, &diag) != BW_OK) {
        damaged(agent, &diag);
        return false;
    }
    is_kept = is_ours(agent, &found) && found.group_count <= SIM_KEPT_MAX;
    if (is_kept) {
        agent->state = found;
        agent->state.groups = agent->kept;
        if (found.group_count > 0)
            memcpy(agent->kept, found.groups, found.group_count * sizeof agent->kept[0]);
    }
    bw_agent_state_deinit(&found);
    if (is_kept)
        return true;
    sim_count(host->world, "agent:foreign_state");
    sim_file_remove(host, name); /* set aside */
    return make_instance(agent);
}

/* ---- the guard's mirror ------------------------------------------------------------------------- */

/* What the absent guard has armed, if it was armed in this boot (3.4). */
void sim_agent_read_mirror(struct sim_agent *agent, struct sim_agent_place *place)
{
    const struct sim_host *host = agent->process->host;
    struct bw_guard_mirror_file content;
    const struct sim_file *file;
    struct bw_diag diag = {0};
    char name[48];

    place->has_mirror = true;
    place->mirror = (struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ};
    sim_guard_mirror_name(host->world, place->group, name);
    file = sim_file_load(host, name);
    if (file == NULL)
        return;
    if (bw_guard_mirror_decode(file->bytes, file->size, &content, &diag) != BW_OK) {
        damaged(agent, &diag);
        return;
    }
    if (!bw_id_equal(content.boot_id, host->boot_id))
        return;
    place->mirror.mirror_is_anothers =
        content.mirror.armed_epoch != 0 &&
        !bw_id_equal(content.mirror.armed_instance, agent->state.instance);
    place->mirror.ok = content.mirror.armed_epoch != 0 && !place->mirror.mirror_is_anothers;
    place->mirror.mirror_epoch = content.mirror.armed_epoch;
    place->mirror.mirror_end = content.mirror.armed_end;
    place->mirror.mirror_fence_ns = content.mirror.fence_ns;
}
