/* agent_store.c - what an agent must not forget on a simulated disk, and what it reads of its guard there. */
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#include "agent.h"

#define READ_NS_MAX (SIM_MS / 4)

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

static enum bw_err write_now(struct sim_agent *agent)
{
    char name[48];

    file_name(agent, name);
    return sim_file_save(agent->process, name, false, agent->written, agent->written_size);
}

/* The thread is back. */
static void on_written(struct sim_process *process, void *payload)
{
    struct sim_agent *agent = process->state;
    const enum bw_err err = write_now(agent);

    (void)payload;
    agent->is_writing = false;
    sim_agent_happen(agent,
                     &(struct bw_agent_event){.kind = BW_AGENT_EVENT_SAVED, .err = err});
    sim_agent_finish(agent);
}

/* False: there is no room, and nothing more is to be done. */
static bool encode(struct sim_agent *agent, const struct bw_agent_state *state)
{
    struct bw_diag diag = {0};

    if (bw_agent_state_encode(state, agent->written, sizeof agent->written, &agent->written_size,
                              &diag) == BW_OK)
        return true;
    damaged(agent, &diag);
    return false;
}

void sim_agent_save(struct sim_agent *agent, const struct bw_agent_state *state)
{
    struct sim_process *process = agent->process;
    const uint64_t takes_ns = sim_disk_takes_ns(process, false, sim_world_of(process)->now_ns);

    if (agent->is_writing)
        sim_fail(sim_world_of(process), "shell", "%s saves while its thread writes", process->name);
    if (!encode(agent, state))
        return;
    agent->is_writing = true;
    sim_later(process, takes_ns, on_written, NULL, NULL);
}

/* ---- the members, over a restart ------------------------------------------------------------------ */

static const char *members_name(const struct sim_agent *agent)
{
    return agent->directory == 0 ? SIM_AGENT_MEMBERS : SIM_SECOND_MEMBERS;
}

/* The thread is back. */
static void on_members_written(struct sim_process *process, void *payload)
{
    struct sim_agent *agent = process->state;
    const enum bw_err err = sim_file_save(process, members_name(agent), false, agent->members_bytes,
                                          agent->members_size);

    (void)payload;
    sim_agent_happen(agent,
                     &(struct bw_agent_event){.kind = BW_AGENT_EVENT_MEMBERS_KEPT, .err = err});
    sim_agent_finish(agent);
}

void sim_agent_keep_members(struct sim_agent *agent, const struct bw_kept_members *members)
{
    struct sim_process *process = agent->process;
    struct bw_diag diag = {0};

    if (bw_kept_members_encode(members, agent->members_bytes, sizeof agent->members_bytes,
                               &agent->members_size, &diag) != BW_OK) {
        damaged(agent, &diag);
        return;
    }
    sim_later(process, sim_disk_takes_ns(process, false, sim_world_of(process)->now_ns),
              on_members_written, NULL, NULL);
}

static void load_members(struct sim_agent *agent)
{
    const struct sim_file *file = sim_file_load(agent->process->host, members_name(agent));
    struct bw_diag diag = {0};

    if (file != NULL &&
        bw_kept_members_decode(file->bytes, file->size, &agent->members, &diag) != BW_OK)
        damaged(agent, &diag);
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
    state->instance = sim_new_id(&agent->process->chance);
    BW_ASSERT(bw_copy_text(state->site, sizeof state->site, host->name));
    sim_count(host->world, "agent:new_instance");
    sim_tell(host->world, agent->process->name, "is a new instance");
    return encode(agent, state) && write_now(agent) == BW_OK;
}

/* Each host has a run_dir of its own, which lasts as long as its boot (3.7). */
struct bw_id sim_agent_boot(const struct sim_host *host)
{
    const struct bw_run_dir run_dir = {.device = 1 + host->index, .inode = host->boots};

    return bw_agent_boot_id(host->boot_id, &run_dir);
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
    load_members(agent);
    file = sim_file_load(host, name);
    if (file == NULL)
        return make_instance(agent);
    if (bw_agent_state_decode(file->bytes, file->size, &found, &diag) != BW_OK) {
        damaged(agent, &diag);
        return false;
    }
    is_kept = found.group_count <= SIM_KEPT_MAX &&
              bw_agent_state_foreigner(&found, host->name, machine_id(host), sim_agent_boot(host)) == NULL;
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

/* ---- the guard's mirrors ------------------------------------------------------------------------ */

static void read_mirror(struct sim_agent *agent, uint32_t group,
                        struct bw_guard_mirror_file *out_file,
                        struct bw_agent_mirror_reading *out_reading)
{
    const struct sim_host *host = agent->process->host;
    const struct sim_file *file;
    struct bw_diag diag = {0};
    char name[48];

    *out_reading = (struct bw_agent_mirror_reading){
        .group = group, .err = BW_ERR_NOT_FOUND, .text = "there is none", .file = out_file};
    sim_guard_mirror_name(host->world, group, name);
    file = sim_file_load(host, name);
    if (file == NULL)
        return;
    out_reading->err = bw_guard_mirror_decode(file->bytes, file->size, out_file, &diag);
    if (out_reading->err != BW_OK)
        damaged(agent, &diag);
}

/* The thread is back: what it has read lies there now. */
static void on_read(struct sim_process *process, void *payload)
{
    struct sim_agent *agent = process->state;
    struct bw_guard_mirror_file files[SIM_GROUPS_MAX];
    struct bw_agent_mirror_reading readings[SIM_GROUPS_MAX];

    (void)payload;
    for (uint32_t i = 0; i < agent->read_count; i++)
        read_mirror(agent, agent->read_groups[i], &files[i], &readings[i]);
    sim_agent_happen(agent, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_MIRRORS_READ,
                                                     .readings = readings,
                                                     .reading_count = agent->read_count});
    sim_agent_finish(agent);
}

/* Where the guard's files hang, they hang for who reads them, too. */
void sim_agent_read_mirrors(struct sim_agent *agent, const uint32_t *groups, uint32_t count)
{
    struct sim_process *process = agent->process;
    const struct sim_world *world = sim_world_of(process);
    const uint64_t hung_until_ns =
        world->guards[process->host->number]->disk.run_hung_until_ns;
    uint64_t ns = bw_prng_below(&process->chance, READ_NS_MAX);

    memcpy(agent->read_groups, groups, count * sizeof groups[0]);
    agent->read_count = count;
    if (hung_until_ns > world->now_ns) {
        sim_count(sim_world_of(process), "agent:mirror_hangs");
        ns += hung_until_ns - world->now_ns;
    }
    sim_later(process, ns, on_read, NULL, NULL);
}
