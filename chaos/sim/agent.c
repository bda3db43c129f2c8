/* agent.c - the life of an agent, and what its machine asks for. */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>

#include <breakwater/base/assert.h>

#include "check_site.h"
#include "units.h"

const struct bw_site *sim_agent_machine(const struct sim_process *process, uint32_t group)
{
    const struct sim_agent *agent = process->state;

    return agent != NULL && group < agent->program.group_count ? &agent->groups[group].site : NULL;
}

/* ---- what it does, in words and numbers --------------------------------------------------------- */

static void tell_action(struct sim_agent *agent, const struct bw_site *site,
                        const struct bw_site_action *action)
{
    static const char *const verbs[BW_GUARD_MESSAGE_SHOWN + 1] = {
        [BW_GUARD_MESSAGE_ARM] = "asks to arm",
        [BW_GUARD_MESSAGE_RUN] = "orders",
        [BW_GUARD_MESSAGE_END] = "asks to end",
        [BW_GUARD_MESSAGE_LET_GO] = "lets go",
        [BW_GUARD_MESSAGE_PASS] = "lets its start pass the point of no return",
    };
    struct sim_world *world = sim_world_of(agent->process);
    const struct bw_guard_message *message = &action->message;
    const char *what = "";

    if (action->kind == BW_SITE_ACTION_SAVE) {
        sim_tell(world, agent->process->name,
                 "%s: saves epoch %llu%s (%s), %s", site->group,
                 (unsigned long long)site->memory.epoch,
                 site->memory.given_back ? ", given back" : "", action->rule,
                 bw_tenure_word(site->tenure));
        return;
    }
    if (action->kind == BW_SITE_ACTION_OWN_FENCE)
        sim_tell(world, agent->process->name, "%s: is to run a fence of its own, epoch %llu",
                 site->group, (unsigned long long)action->epoch);
    if (action->kind != BW_SITE_ACTION_SEND)
        return;
    if (message->kind == BW_GUARD_MESSAGE_RUN) {
        if (!bw_action_is_action(message->run.action))
            return;
        what = bw_action_word(message->run.action);
    }
    sim_tell(world, agent->process->name, "%s: %s%s%s, epoch %llu (%s)", site->group,
             verbs[message->kind] != NULL ? verbs[message->kind] : "says",
             what[0] != '\0' ? " " : "", what,
             (unsigned long long)(message->kind == BW_GUARD_MESSAGE_RUN ? message->run.epoch
                                                                        : message->epoch),
             action->rule);
}

static void watch_step(struct sim_agent *agent, uint32_t group, const struct bw_agent_step *step)
{
    struct sim_world *world = sim_world_of(agent->process);
    const struct bw_site_event *event = step->event;

    if (event->kind == BW_SITE_EVENT_GUARD_MESSAGE &&
        event->message->kind == BW_GUARD_MESSAGE_FENCE_BEGUN)
        sim_check_fence_known(agent->process, group, event->message->epoch);
    for (uint32_t i = 0; i < step->actions->count; i++) {
        sim_count(world, step->actions->list[i].rule);
        if (world->tells)
            tell_action(agent, step->site, &step->actions->list[i]);
    }
}

static void watch_note(struct sim_agent *agent, const struct bw_agent_action *note)
{
    struct sim_world *world = sim_world_of(agent->process);

    if (note->note == BW_AGENT_NOTE_ANSWER_DROPPED)
        sim_count(world, "agent:answer_dropped");
    else if (note->note == BW_AGENT_NOTE_WITNESS_REFUSED)
        sim_count(world, "agent:witness_refused");
    else if (note->note == BW_AGENT_NOTE_MEMBERS_RECALLED)
        sim_count(world, "agent:members_recalled");
    else if (note->note == BW_AGENT_NOTE_MIRROR_UNREADABLE)
        sim_count(world, "agent:mirror_unreadable");
    else if (note->note == BW_AGENT_NOTE_GUARD_LOST)
        sim_tell(world, agent->process->name, "has lost its guard: %s", note->text);
    else if (note->note == BW_AGENT_NOTE_GUARD_GREETED)
        sim_tell(world, agent->process->name, "is welcome at its guard");
}

/* ---- what the machine asks for ------------------------------------------------------------------ */

static struct bw_instant now(void *user)
{
    const struct sim_agent *agent = user;

    return sim_now(agent->process);
}

static int64_t wall_ms(void *user)
{
    struct sim_agent *agent = user;

    return sim_wall_ms(sim_world_of(agent->process));
}

/* What a dead process asks for is nothing. */
static enum bw_err emit(void *user, const struct bw_agent_action *action, struct bw_diag *diag)
{
    struct sim_agent *agent = user;

    if (sim_is_doomed(agent->process))
        return BW_OK;
    switch (action->kind) {
    case BW_AGENT_ACTION_STEPPED:
        watch_step(agent, action->group, action->step);
        break;
    case BW_AGENT_ACTION_NOTE:
        watch_note(agent, action);
        break;
    case BW_AGENT_ACTION_USE_WITNESS:
        return sim_agent_use_witness(agent, action->witness, action->text);
    case BW_AGENT_ACTION_MAKE_SYNC:
        return sim_agent_make_sync(agent, action->sync);
    case BW_AGENT_ACTION_SEND_SYNC:
        sim_agent_send_sync(agent, action->witness, action->limit_ms);
        break;
    case BW_AGENT_ACTION_POLL:
        sim_agent_poll(agent, action->witness, action->number, action->limit_ms);
        break;
    case BW_AGENT_ACTION_CANCEL_POLL:
        if (agent->callers[action->witness].poll_tag == 0)
            sim_fail(sim_world_of(agent->process), "shell", "%s cancels a poll of which it knows the end",
                     agent->process->name);
        agent->callers[action->witness].poll_tag = 0;
        break;
    case BW_AGENT_ACTION_CONNECT_GUARD:
        return sim_agent_connect(agent, diag);
    case BW_AGENT_ACTION_SEND_GUARD:
        return sim_agent_tell_guard(agent, action->message);
    case BW_AGENT_ACTION_CLOSE_GUARD:
        sim_agent_disconnect(agent);
        break;
    case BW_AGENT_ACTION_SAVE:
        sim_agent_save(agent, action->state);
        break;
    case BW_AGENT_ACTION_KEEP_MEMBERS:
        sim_agent_keep_members(agent, action->members);
        break;
    case BW_AGENT_ACTION_READ_MIRRORS:
        sim_agent_read_mirrors(agent, action->groups, action->group_count);
        break;
    case BW_AGENT_ACTION_END:
        agent->is_ending = true;
        break;
    case BW_AGENT_ACTION_FENCE_OPEN:
    case BW_AGENT_ACTION_FENCE_STEPPED:
    case BW_AGENT_ACTION_FENCE_RUN:
    case BW_AGENT_ACTION_FENCE_KILL_RUN:
    case BW_AGENT_ACTION_FENCE_LOOK:
    case BW_AGENT_ACTION_FENCE_TERM:
    case BW_AGENT_ACTION_FENCE_KILL_ONCE:
    case BW_AGENT_ACTION_FENCE_KILL:
    case BW_AGENT_ACTION_FENCE_CLOSE:
        return sim_own_fence_do(agent, action);
    }
    return BW_OK;
}

/* ---- what happens ------------------------------------------------------------------------------- */

void sim_agent_happen(struct sim_agent *agent, const struct bw_agent_event *event)
{
    if (!sim_is_doomed(agent->process))
        bw_agent_machine_step(&agent->program, event);
}

/* What was asked for and has come to its end within the present event. */
static bool tell_next(struct sim_agent *agent)
{
    struct bw_agent_event event = {.kind = BW_AGENT_EVENT_GUARD_CONNECTED};

    if (agent->is_connected) {
        agent->is_connected = false;
        sim_agent_happen(agent, &event);
        return true;
    }
    return false;
}

static void set_wake(struct sim_agent *agent)
{
    struct bw_instant at = bw_instant_min(bw_agent_machine_wake_at(&agent->program),
                                          sim_agent_limit(agent));

    for (uint32_t i = 0; i < agent->program.group_count; i++)
        at = bw_instant_min(at, sim_own_fence_wake(&agent->fences[i]));
    if (at.boot_ns != agent->process->wake_at.boot_ns ||
        at.raw_ns != agent->process->wake_at.raw_ns)
        sim_wake_at(agent->process, at);
}

void sim_agent_finish(struct sim_agent *agent)
{
    while (!sim_is_doomed(agent->process) && tell_next(agent))
        ;
    if (sim_is_doomed(agent->process))
        return;
    if (agent->is_ending)
        sim_process_kill(agent->process);
    else
        set_wake(agent);
}

static void on_wake(struct sim_process *process)
{
    struct sim_agent *agent = process->state;

    sim_agent_happen(agent, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_WAKE});
    sim_agent_serve_limits(agent);
    for (uint32_t i = 0; i < agent->program.group_count; i++)
        sim_own_fence_serve(agent, i);
    sim_agent_finish(agent);
}

static void on_message(struct sim_process *process, const struct sim_message *message)
{
    sim_agent_on_message(process->state, message);
    sim_agent_finish(process->state);
}

/* ---- its life ----------------------------------------------------------------------------------- */

static struct bw_site_limits limits_of(const struct sim_setting *setting)
{
    struct bw_site_limits limits = {
        .check_interval_ns = setting->check_interval_ms * SIM_MS,
        .failure_threshold = setting->failure_threshold,
        .local_restarts = setting->local_restarts,
        .kill_grace_ns = bw_lease_kill_grace_ns(setting->terms.fence_ms * SIM_MS), /* its guard has the same */
        .condition_is_shown = setting->condition_is_shown,
        .has_script = {[BW_ACTION_START] = true,
                       [BW_ACTION_STOP] = true,
                       [BW_ACTION_STATUS] = true,
                       [BW_ACTION_FENCE] = setting->has_fence_script,
                       [BW_ACTION_READINESS] = setting->has_readiness_script,
                       [BW_ACTION_VERIFY] = setting->has_verify_script,
                       [BW_ACTION_CONDITION] = setting->has_condition_script,
                       [BW_ACTION_REJOIN] = setting->has_rejoin_script,
                       [BW_ACTION_REMOTE_FENCE] = setting->has_remote_fence_script}};

    for (int action = 0; action < BW_ACTION_COUNT; action++)
        limits.timeout_ns[action] = setting->script_limit_ns[action];
    return limits;
}

static void add_groups(struct sim_agent *agent)
{
    const struct sim_world *world = sim_world_of(agent->process);
    const struct bw_site_limits limits = limits_of(&world->setting);

    for (uint32_t i = 0; i < world->setting.group_count; i++) {
        bw_agent_machine_add_group(&agent->program, world->group_names[i], &limits,
                                   agent->machine->units[i].is_unit,
                                   sim_agent_store_memory(agent, i));
        if (agent->process != world->agents[agent->process->host->number][0])
            continue;
        sim_unit_forget(agent->machine, i, SIM_UNITS_OF_AGENT);
        sim_unit_look(agent->machine, i, SIM_UNITS_OF_AGENT);
        agent->fences[i].work.wake_at = BW_INSTANT_NEVER;
    }
}

/* One bit for each. */
static void use_witnesses(struct sim_agent *agent, uint32_t witnesses)
{
    static const char *const addresses[SIM_WITNESSES_MAX] = {
        "w1:7400", "w2:7400", "w3:7400", "w4:7400", "w5:7400", "w6:7400", "w7:7400", "w8:7400"};
    const char *named[SIM_WITNESSES_MAX];
    uint32_t count = 0;

    for (int i = 0; i < SIM_WITNESSES_MAX; i++)
        if ((witnesses >> i & 1) != 0)
            named[count++] = addresses[i];
    BW_ASSERT(bw_agent_machine_use_witnesses(&agent->program, named, count, NULL) == BW_OK);
}

/* As in src/agent/groups.c, but that each group is taken or left for itself. */
static void reload_group(struct sim_agent *agent, uint32_t group,
                         const struct bw_site_limits *limits)
{
    struct bw_agent_machine *program = &agent->program;
    struct sim_world *world = sim_world_of(agent->process);
    const bool is_named = !agent->machine->is_unnamed[group];

    if (!program->groups[group].is_left && is_named) {
        bw_agent_machine_set_limits(program, group, limits);
    } else if (is_named) {
        sim_count(world, "agent:reload_takes");
        BW_ASSERT(bw_agent_machine_take_group(program, world->group_names[group], limits,
                                              agent->machine->units[group].is_unit,
                                              sim_agent_store_memory(agent, group)) == (int)group);
    } else if (!program->groups[group].is_left) {
        if (bw_agent_machine_keeps(program, group) != BW_KEEPS_NOTHING) {
            sim_count(world, "agent:reload_refused");
            return;
        }
        sim_count(world, "agent:reload_leaves");
        bw_agent_machine_leave_group(program, group);
    }
}

static void on_reload(struct sim_process *process, void *payload)
{
    struct sim_agent *agent = process->state;
    const uint32_t witnesses = (uint32_t)(uintptr_t)payload;
    struct bw_site_limits limits = limits_of(&sim_world_of(process)->setting);

    limits.failure_threshold += witnesses & 1;
    for (uint32_t i = 0; i < agent->program.group_count; i++)
        reload_group(agent, i, &limits);
    use_witnesses(agent, witnesses);
    sim_agent_finish(agent);
}

void sim_agent_reload(struct sim_process *process, uint32_t witnesses)
{
    if (process->health != SIM_DEAD && !sim_machine(process->host)->is_site_file_bad)
        sim_later(process, 0, on_reload, (void *)(uintptr_t)witnesses, NULL);
}

static void begin(struct sim_process *process, void *payload)
{
    struct sim_agent *agent = process->state;

    (void)payload;
    bw_agent_machine_init(&agent->program,
                          &(struct bw_agent_setup){
                              .driver = {.user = agent, .now = now, .wall_ms = wall_ms, .emit = emit},
                              .site = process->host->name,
                              .name = process->name,
                              .feature_level = process->level,
                              .session = sim_new_id(&agent->process->chance),
                              .kernel_boot_id = process->host->boot_id,
                              .time_namespace = SIM_TIME_NAMESPACE,
                              .boot_id = sim_agent_boot(process->host),
                              .state = &agent->state,
                              .members = &agent->members,
                              .chance = &process->chance,
                              .groups = agent->groups,
                              .sync_groups = agent->sync_groups,
                              .group_max = SIM_GROUPS_MAX,
                          });
    add_groups(agent);
    use_witnesses(agent, sim_world_of(process)->witnesses_listed);
    bw_agent_machine_begin(&agent->program);
    sim_agent_finish(agent);
}

/* What it reads and writes before it begins holds it up. */
static void on_start(struct sim_process *process)
{
    struct sim_agent *agent = calloc(1, sizeof *agent);

    BW_ASSERT(agent != NULL);
    agent->process = process;
    agent->machine = sim_machine(process->host);
    process->state = agent;
    process->saves_beside = false;
    if (agent->machine->is_site_file_bad || !sim_agent_store_open(agent)) {
        sim_process_kill(process);
        return;
    }
    process->saves_beside = true;
    if (sim_is_doomed(process))
        return;
    if (process->health == SIM_FROZEN)
        sim_later(process, 0, begin, NULL, NULL);
    else
        begin(process, NULL);
}

/* The kernel closes its sockets: what it wrote before is still read. Its scripts go on. */
static void on_death(struct sim_process *process)
{
    struct sim_agent *agent = process->state;

    sim_runs_orphan(agent->machine, process);
    sim_agent_disconnect(agent);
    free(agent);
    process->state = NULL;
}

const struct sim_process_ops sim_agent_ops = {.role = "agent",
                                              .on_start = on_start,
                                              .on_wake = on_wake,
                                              .on_message = on_message,
                                              .on_death = on_death};

/* ---- for people --------------------------------------------------------------------------------- */

void sim_site_describe(const struct sim_host *host, uint32_t group, char *out, size_t out_max)
{
    const struct sim_world *world = host->world;
    const struct bw_site *site = sim_agent_machine(world->agents[host->number][0], group);
    const struct bw_guard *guard = sim_guard_machine(world->guards[host->number], group);
    const struct sim_service *service = &sim_machine(host)->services[group];
    const struct bw_instant now = sim_clock_now(host);
    char agent_text[128] = "its agent is dead";
    char guard_text[128] = "its guard is dead";

    if (site != NULL)
        (void)snprintf(agent_text, sizeof agent_text, "agent: epoch %llu %s%s, %llu ms of lease",
                       (unsigned long long)site->memory.epoch, bw_tenure_word(site->tenure),
                       site->memory.given_back ? " given back" : "",
                       (unsigned long long)(bw_instant_left_ns(now, site->lease.end) / SIM_MS));
    if (guard != NULL)
        (void)snprintf(
            guard_text, sizeof guard_text, "guard: epoch %llu armed for %llu ms%s",
            (unsigned long long)guard->mirror.armed_epoch,
            (unsigned long long)(bw_instant_left_ns(now, guard->mirror.armed_end) / SIM_MS),
            bw_guard_is_fencing(guard) ? ", fencing" : "");
    (void)snprintf(out, out_max, "%s %s (epoch %llu); %s; %s", host->name,
                   service->is_up ? "is up" : "is down", (unsigned long long)service->epoch,
                   agent_text, guard_text);
}
