/* second.c - the life of a second enforcer: its questions over the network, its file on a disk of
 * its own. */
#include "second.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/core/guard_link.h>

#include "check_second.h"

#define DIGEST 1 /* of its scripts */

static struct sim_second *state_of(struct sim_process *process)
{
    return process->state;
}

/* ---- questions ------------------------------------------------------------------------------- */

static struct sim_process *agent_of(const struct sim_second *second)
{
    return sim_world_of(second->process)->agents[second->process->host->number][0];
}

static void ask(struct sim_second *second, const struct bw_second_machine_action *action)
{
    static uint8_t bytes[BW_SECOND_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size;

    if (bw_second_ask_encode(action->ask, bytes, sizeof bytes, &size, &diag) != BW_OK) {
        sim_fail(sim_world_of(second->process), "codec", "%s cannot say its question: %s",
                 second->process->name, diag.text);
        return;
    }
    second->tag = sim_world_of(second->process)->now_ns;
    second->limit = bw_instant_add(sim_now(second->process), action->limit_ms * SIM_MS);
    sim_send(second->process, agent_of(second), SIM_CHANNEL_SECOND, second->tag, bytes, size);
}

static void answered(struct sim_second *second, const struct bw_second_answer *answer)
{
    second->tag = 0;
    second->limit = BW_INSTANT_NEVER;
    sim_second_happen(second, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_ANSWERED,
                                                                .answer = answer});
}

static void on_message(struct sim_process *process, const struct sim_message *message)
{
    struct sim_second *second = state_of(process);
    struct bw_second_answer answer = {0};
    struct bw_diag diag = {0};

    if (message->channel != SIM_CHANNEL_SECOND_ANSWER || message->tag != second->tag)
        return; /* nobody waits for it any more */
    if (bw_second_answer_decode(message->bytes, message->size, &answer, &diag) != BW_OK) {
        sim_fail(sim_world_of(process), "codec", "%s cannot read the answer of %s: %s",
                 process->name, message->from->name, diag.text);
        return;
    }
    sim_check_second_answered(process, message->tag);
    answered(second, &answer);
    bw_second_answer_deinit(&answer);
    sim_second_finish(second);
}

/* ---- its file -------------------------------------------------------------------------------- */

/* The thread is back. */
static void on_written(struct sim_process *process, void *payload)
{
    struct sim_second *second = state_of(process);
    const enum bw_err err = sim_file_save(process, SIM_SECOND_ENFORCER_FILE, false, second->written,
                                          second->written_size);

    (void)payload;
    sim_second_happen(second, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_SAVED,
                                                                .ok = err == BW_OK});
    sim_second_finish(second);
}

static void save(struct sim_second *second, const struct bw_second_state *state)
{
    struct sim_process *process = second->process;
    struct bw_diag diag = {0};

    if (bw_second_state_encode(state, second->written, sizeof second->written,
                               &second->written_size, &diag) != BW_OK)
        sim_fail(sim_world_of(process), "codec", "%s cannot write its own state: %s", process->name,
                 diag.text);
    else
        sim_later(process, sim_disk_takes_ns(process, false, sim_world_of(process)->now_ns),
                  on_written, NULL, NULL);
}

/* As in src/second/store.c. */
static bool load(struct sim_second *second)
{
    const struct sim_host *host = second->process->host;
    const struct sim_file *file = sim_file_load(host, SIM_SECOND_ENFORCER_FILE);
    struct bw_second_state found = {0};
    struct bw_diag diag = {0};

    second->state.groups = second->kept;
    BW_ASSERT(bw_copy_text(second->state.site, sizeof second->state.site,
                           sim_site(host->world, host->number)->name));
    if (file == NULL)
        return true;
    if (bw_second_state_decode(file->bytes, file->size, &found, &diag) != BW_OK) {
        sim_fail(host->world, "codec", "%s cannot read its own state: %s", second->process->name,
                 diag.text);
        return false;
    }
    BW_ASSERT(found.group_count <= SIM_GROUPS_MAX);
    second->state.group_count = found.group_count;
    for (uint32_t i = 0; i < found.group_count; i++)
        second->kept[i] = found.groups[i];
    bw_second_state_deinit(&found);
    return true;
}

static struct bw_second_memory *memory_of(struct sim_second *second, const char *group)
{
    struct bw_second_state *state = &second->state;

    for (uint32_t i = 0; i < state->group_count; i++)
        if (strcmp(state->groups[i].name, group) == 0)
            return &state->groups[i].memory;
    state->groups[state->group_count] = (struct bw_second_group){0};
    BW_ASSERT(bw_copy_text(state->groups[state->group_count].name, BW_NAME_MAX + 1, group));
    state->groups[state->group_count].memory.proved_digest = DIGEST; /* by an operator, before this world began */
    return &state->groups[state->group_count++].memory;
}

/* ---- its mirror
 * ----------------------------------------------------------------------------------
 */

static void on_mirrored(struct sim_process *process, void *payload)
{
    struct sim_second *second = state_of(process);
    const enum bw_err err = sim_file_save(process, SIM_SECOND_MIRROR_FILE, true, second->mirrored,
                                          second->mirrored_size);

    (void)payload;
    sim_second_happen(second, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_MIRRORED,
                                                                .ok = err == BW_OK});
    sim_second_finish(second);
}

static void mirror(struct sim_second *second, const struct bw_second_mirror_file *mirror)
{
    struct sim_process *process = second->process;
    struct bw_diag diag = {0};

    if (bw_second_mirror_encode(mirror, second->mirrored, sizeof second->mirrored,
                                &second->mirrored_size, &diag) != BW_OK)
        sim_fail(sim_world_of(process), "codec", "%s cannot write its own mirror: %s",
                 process->name, diag.text);
    else
        sim_later(process, sim_disk_takes_ns(process, true, sim_world_of(process)->now_ns),
                  on_mirrored, NULL, NULL);
}

/* As in src/second/store.c. Each group's place in it, and what was found there. */
static struct bw_second_mirror *find_mirror(struct sim_second *second, const char *group)
{
    const struct sim_host *host = second->process->host;
    const struct sim_file *file = sim_file_load(host, SIM_SECOND_MIRROR_FILE);
    struct bw_second_mirror_group *own = &second->mirrors[second->mirror.group_count++];
    struct bw_second_mirror_file found = {0};
    struct bw_diag diag = {0};

    BW_ASSERT(bw_copy_text(own->name, sizeof own->name, group));
    if (file == NULL)
        return &own->mirror;
    if (bw_second_mirror_decode(file->bytes, file->size, &found, &diag) != BW_OK)
        sim_fail(host->world, "codec", "%s cannot read its own mirror: %s", second->process->name,
                 diag.text);
    own->mirror = bw_second_mirror_of(&found, &second->mirror, group);
    bw_second_mirror_deinit(&found);
    return &own->mirror;
}

/* ---- what its machine asks for --------------------------------------------------------------- */

static struct bw_instant now(void *user)
{
    const struct sim_second *second = user;

    return sim_now(second->process);
}

static void watch_step(struct sim_second *second, const struct bw_second_machine_action *action)
{
    struct sim_world *world = sim_world_of(second->process);
    const struct bw_second *after = action->second;
    const struct bw_second *before = action->before;

    if (action->rule != NULL) {
        sim_count(world, action->rule);
        return;
    }
    if (world->tells &&
        (before->phase != after->phase || before->memory.epoch != after->memory.epoch))
        sim_tell(world, second->process->name, "%s: %s, epoch %llu, %llu ms left",
                 world->group_names[action->group], bw_second_phase_word(after->phase),
                 (unsigned long long)after->memory.epoch,
                 (unsigned long long)(bw_instant_left_ns(sim_now(second->process), after->end) /
                                      SIM_MS));
    sim_check_second_steps(second->process, action->group, before, after);
}

/* What a dead process asks for is nothing. */
static enum bw_err emit(void *user, const struct bw_second_machine_action *action,
                        struct bw_diag *diag)
{
    struct sim_second *second = user;

    (void)diag;
    if (sim_is_doomed(second->process))
        return BW_OK;
    switch (action->kind) {
    case BW_SECOND_MACHINE_STEPPED:
        watch_step(second, action);
        return BW_OK;
    case BW_SECOND_MACHINE_ASK:
        ask(second, action);
        return BW_OK;
    case BW_SECOND_MACHINE_WARN: /* no witness hears it here: it only delays an end by time */
        sim_count(sim_world_of(second->process), "second:warns");
        return BW_OK;
    case BW_SECOND_MACHINE_SAVE:
        save(second, action->state);
        return BW_OK;
    case BW_SECOND_MACHINE_MIRROR:
        mirror(second, action->mirror);
        return BW_OK;
    case BW_SECOND_MACHINE_LOOK:
        return sim_second_look(second, action->group);
    case BW_SECOND_MACHINE_KILL_LOOK:
        sim_second_kill(second, action->group, false);
        return BW_OK;
    case BW_SECOND_MACHINE_FENCE:
        return sim_second_fence(second, action->group, action->epoch, action->limit_ns);
    case BW_SECOND_MACHINE_KILL_FENCE:
        sim_second_kill(second, action->group, true);
        return BW_OK;
    }
    return BW_ERR_INVALID;
}

/* ---- what happens ---------------------------------------------------------------------------- */

void sim_second_happen(struct sim_second *second, const struct bw_second_machine_event *event)
{
    if (!sim_is_doomed(second->process))
        bw_second_machine_step(&second->program, event);
}

void sim_second_finish(struct sim_second *second)
{
    struct bw_instant at;

    if (sim_is_doomed(second->process))
        return;
    at = bw_instant_min(bw_second_machine_wake_at(&second->program),
                        bw_instant_min(second->limit, sim_second_limit(second)));
    if (at.boot_ns != second->process->wake_at.boot_ns ||
        at.raw_ns != second->process->wake_at.raw_ns)
        sim_wake_at(second->process, at);
}

static void on_wake(struct sim_process *process)
{
    struct sim_second *second = state_of(process);

    sim_second_happen(second, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_WAKE});
    if (second->tag != 0 && bw_instant_right_is_over(sim_now(process), second->limit))
        answered(second, NULL);
    sim_second_serve_limits(second);
    sim_second_finish(second);
}

/* ---- its life -------------------------------------------------------------------------------- */

/* What it begins with counts like what it is told. */
static void watch_beginning(struct sim_second *second, uint32_t group)
{
    const struct bw_second *now = &second->groups[group].second;
    const struct bw_second_mirror *mirror = &second->mirrors[group].mirror;
    const struct bw_second before = {0};

    if (now->phase != BW_SECOND_ARMED || mirror->epoch != now->memory.epoch ||
        bw_instant_right_is_over(sim_now(second->process),
                                 bw_instant_sub(mirror->end, mirror->fence_ns)))
        return; /* nothing is open, or nobody knows its deadline */
    sim_count(sim_world_of(second->process), "second:resumes");
    sim_check_second_steps(second->process, group, &before, now);
}

static void begin(struct sim_second *second)
{
    struct sim_process *process = second->process;
    const struct sim_setting *setting = &sim_world_of(process)->setting;
    const struct bw_second_limits limits = {
        .check_interval_ns = setting->check_interval_ms * SIM_MS,
        .fence_limit_ns = setting->script_limit_ns[BW_ACTION_FENCE],
        .digest = DIGEST};

    second->mirror = (struct bw_second_mirror_file){.boot_id = process->host->boot_id,
                                                    .groups = second->mirrors};
    memcpy(second->mirror.site, second->state.site, sizeof second->mirror.site);
    bw_second_machine_init(&second->program,
                           &(struct bw_second_setup){
                               .driver = {.user = second, .now = now, .emit = emit},
                               .site = second->state.site,
                               .name = "second",
                               .feature_level = process->level,
                               .session = sim_new_id(&process->chance),
                               .boot_id = process->host->boot_id,
                               .state = &second->state,
                               .mirror = &second->mirror,
                               .ask_groups = second->ask_groups,
                               .sync_groups = second->sync_groups,
                               .groups = second->groups,
                               .group_max = SIM_GROUPS_MAX,
                           });
    for (uint32_t i = 0; i < setting->group_count; i++) {
        const char *name = sim_world_of(process)->group_names[i];

        bw_second_machine_add_group(&second->program, name, &limits, memory_of(second, name),
                                    find_mirror(second, name));
        watch_beginning(second, i);
    }
    sim_second_happen(second, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_WAKE});
    sim_second_finish(second);
}

static void on_start(struct sim_process *process)
{
    struct sim_second *second = calloc(1, sizeof *second);

    BW_ASSERT(second != NULL);
    second->process = process;
    second->site = sim_second_site(sim_world_of(process), process->host->number);
    second->limit = BW_INSTANT_NEVER;
    process->state = second;
    process->saves_beside = true;
    if (process->level < BW_SECOND_LEVEL ||
        !load(second)) /* an older release has no such program */
        sim_process_kill(process);
    else
        begin(second);
}

static void on_death(struct sim_process *process)
{
    sim_second_orphan(process->state);
    free(process->state);
    process->state = NULL;
}

static const struct sim_process_ops enforcer_ops = {.role = "second-enforcer",
                                                    .on_start = on_start,
                                                    .on_wake = on_wake,
                                                    .on_message = on_message,
                                                    .on_death = on_death};

/* ---- what stands for its scripts ------------------------------------------------------------- */

static void nothing_happens(struct sim_process *process)
{
    (void)process;
}

static void no_message(struct sim_process *process, const struct sim_message *message)
{
    (void)process;
    (void)message;
}

/* With its machine, and with nothing else. */
static void scripts_die(struct sim_process *process)
{
    sim_second_lost_power(sim_second_site(sim_world_of(process), process->host->number));
}

static const struct sim_process_ops scripts_ops = {.role = "second-scripts",
                                                   .on_start = nothing_happens,
                                                   .on_wake = nothing_happens,
                                                   .on_message = no_message,
                                                   .on_death = scripts_die};

static struct sim_process *make(struct sim_world *world, uint32_t site, const char *role,
                                const struct sim_process_ops *ops)
{
    struct sim_host *host = sim_second_host(world, site);
    char name[2 * BW_NAME_MAX + 2];
    struct sim_process *process;

    (void)snprintf(name, sizeof name, "%s%s", role, host->name + strlen("next"));
    process = sim_process_new(world, host, name, ops, NULL);
    process->is_supervised = true;
    return process;
}

void sim_seconds_make(struct sim_world *world)
{
    world->seconds = calloc(SIM_SITES_MAX, sizeof *world->seconds);
    BW_ASSERT(world->seconds != NULL);
    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        struct sim_second_site *at = sim_second_site(world, site);

        at->scripts = make(world, site, scripts_ops.role, &scripts_ops);
        at->enforcer = make(world, site, enforcer_ops.role, &enforcer_ops);
        world->second_enforcers[site] = at->enforcer;
    }
}

void sim_seconds_free(struct sim_world *world)
{
    free(world->seconds);
    world->seconds = NULL;
}
