/* agent.c - the life of an agent, and what its machines ask for, as src/agent carries it out. */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

/* As in src/agent: a machine that asks to be woken at an instant that only one clock has reached is
 * woken this often. */
#define TICK_DISTANCE_NS (1 * SIM_MS)
#define WAIT_FLOOR_NS    (100 * 1000)

const struct bw_site *sim_agent_machine(const struct sim_process *process, uint32_t group)
{
    const struct sim_agent *agent = process->state;

    return agent != NULL && group < agent->place_count ? &agent->places[group].site : NULL;
}

/* ---- tasks -------------------------------------------------------------------------------------- */

struct sim_agent_task *sim_agent_push(struct sim_agent *agent, enum sim_agent_task_kind kind)
{
    struct sim_agent_task *task =
        &agent->tasks[(agent->task_first + agent->task_count) % SIM_AGENT_TASKS_MAX];

    BW_ASSERT(agent->task_count < SIM_AGENT_TASKS_MAX);
    agent->task_count++;
    task->kind = kind;
    return task;
}

struct sim_agent_task *sim_agent_push_event(struct sim_agent *agent, struct sim_agent_place *place,
                                            enum bw_site_event_kind kind)
{
    struct sim_agent_task *task = sim_agent_push(agent, SIM_AGENT_STEP);

    task->place = place;
    task->event = (struct bw_site_event){.kind = kind};
    return task;
}

struct sim_agent_place *sim_agent_find(struct sim_agent *agent, const char *group)
{
    for (uint32_t i = 0; i < agent->place_count; i++)
        if (strcmp(agent->places[i].site.group, group) == 0)
            return &agent->places[i];
    return NULL;
}

uint64_t sim_agent_tag(struct sim_agent *agent)
{
    return (uint64_t)(agent->process->index + 1) << 56 | (uint64_t)agent->process->life << 32 |
           ++agent->tags;
}

void sim_agent_end(struct sim_agent *agent)
{
    agent->is_ending = true;
}

/* ---- what the machine asks for ------------------------------------------------------------------ */

static void tell_action(struct sim_agent *agent, const struct sim_agent_place *place,
                        const struct bw_site_action *action)
{
    static const char *const verbs[] = {
        [BW_GUARD_MESSAGE_ARM] = "asks to arm",
        [BW_GUARD_MESSAGE_RUN] = "orders",
        [BW_GUARD_MESSAGE_END] = "asks to end",
        [BW_GUARD_MESSAGE_LET_GO] = "lets go",
    };
    struct sim_world *world = sim_world_of(agent->process);
    const struct bw_guard_message *message = &action->message;
    const char *what = "";

    if (action->kind == BW_SITE_ACTION_SAVE) {
        sim_tell(world, agent->process->name,
                 "%s: saves epoch %llu%s (%s), %s", place->site.group,
                 (unsigned long long)place->site.memory.epoch,
                 place->site.memory.given_back ? ", given back" : "", action->rule,
                 bw_tenure_word(place->site.tenure));
        return;
    }
    if (action->kind != BW_SITE_ACTION_SEND)
        return;
    if (message->kind == BW_GUARD_MESSAGE_RUN) {
        if (!bw_action_is_action(message->run.action))
            return;
        what = bw_action_word(message->run.action);
    }
    sim_tell(world, agent->process->name, "%s: %s %s, epoch %llu (%s)", place->site.group,
             verbs[message->kind] != NULL ? verbs[message->kind] : "says", what,
             (unsigned long long)(message->kind == BW_GUARD_MESSAGE_RUN ? message->run.epoch
                                                                        : message->epoch),
             action->rule);
}

static const char *crash_point_of(const struct bw_site_action *action)
{
    if (action->kind != BW_SITE_ACTION_SEND)
        return NULL;
    switch (action->message.kind) {
    case BW_GUARD_MESSAGE_ARM:
        return "crash:agent-arm";
    case BW_GUARD_MESSAGE_RUN:
        return "crash:agent-run";
    case BW_GUARD_MESSAGE_END:
        return "crash:agent-end";
    default: /* nothing rests on the others */
        return NULL;
    }
}

static void carry_out(struct sim_agent *agent, struct sim_agent_place *place,
                      const struct bw_site_action *action)
{
    switch (action->kind) {
    case BW_SITE_ACTION_SAVE:
        sim_agent_save_group(agent, place, action->number);
        break;
    case BW_SITE_ACTION_SEND:
        sim_link_send(agent, &action->message);
        break;
    case BW_SITE_ACTION_SYNC_NOW:
        sim_sync_now(agent);
        break;
    case BW_SITE_ACTION_READ_MIRROR:
        sim_agent_read_mirror(agent, place);
        break;
    case BW_SITE_ACTION_OWN_FENCE:
        sim_own_fence_start(agent, place, action);
        break;
    case BW_SITE_ACTION_TRACE:
        break;
    }
}

/* ---- a step, and what follows from it ----------------------------------------------------------- */

static void step_once(struct sim_agent *agent, struct sim_agent_place *place,
                      const struct bw_site_event *event)
{
    agent->stepping = place;
    agent->is_tick = event->kind == BW_SITE_EVENT_TICK;
    agent->next_action = 0;
    bw_site_step(&place->site, event, sim_now(agent->process), &agent->actions);
}

static void end_step(struct sim_agent *agent, struct sim_agent_place *place)
{
    const struct bw_instant now = sim_now(agent->process);

    place->wake_at = agent->actions.wake_at;
    if (agent->is_tick && bw_instant_right_is_over(now, place->wake_at))
        place->wake_at = bw_instant_add(now, TICK_DISTANCE_NS);
    agent->stepping = NULL;
    if (place->has_mirror) {
        place->has_mirror = false;
        step_once(agent, place, &place->mirror);
    }
}

/* The next action of the step under way. */
static void continue_step(struct sim_agent *agent)
{
    struct sim_world *world = sim_world_of(agent->process);
    struct sim_agent_place *place = agent->stepping;
    const struct bw_site_action *action;
    const char *where;

    if (agent->next_action == agent->actions.count) {
        end_step(agent, place);
        return;
    }
    action = &agent->actions.list[agent->next_action++];
    sim_count(world, action->rule);
    if (world->tells)
        tell_action(agent, place, action);
    where = crash_point_of(action);
    if (where == NULL || !sim_crash_point(agent->process, where))
        carry_out(agent, place, action);
}

static void do_task(struct sim_agent *agent, struct sim_agent_task *task)
{
    switch (task->kind) {
    case SIM_AGENT_STEP:
        if (task->event.kind == BW_SITE_EVENT_ORDER)
            task->event.order = &task->order;
        else if (task->event.kind == BW_SITE_EVENT_GUARD_STATE)
            task->event.state = &task->message.state;
        else if (task->event.kind == BW_SITE_EVENT_GUARD_MESSAGE)
            task->event.message = &task->message;
        step_once(agent, task->place, &task->event);
        return;
    case SIM_AGENT_SYNC:
        sim_sync_all(agent);
        return;
    case SIM_AGENT_GREET:
        sim_link_say_hello(agent);
        return;
    case SIM_AGENT_ANSWER:
        sim_sync_answered(agent, task);
        return;
    }
}

/* ---- when --------------------------------------------------------------------------------------- */

struct bw_instant sim_wait_wake(const struct sim_process *process, struct bw_instant at)
{
    const struct bw_instant now = sim_now(process);
    uint64_t left_ns;

    if (!bw_instant_right_is_over(now, at) || bw_instant_wait_is_over(now, at))
        return at;
    left_ns = bw_instant_wait_left_ns(now, at);
    return bw_instant_add(now, left_ns > WAIT_FLOOR_NS ? left_ns : WAIT_FLOOR_NS);
}

static void set_wake(struct sim_agent *agent)
{
    struct bw_instant at = sim_sync_wake(agent);

    for (uint32_t i = 0; i < agent->place_count; i++) {
        at = bw_instant_min(at, agent->places[i].wake_at);
        at = bw_instant_min(at, sim_own_fence_wake(&agent->places[i]));
    }
    at = bw_instant_min(at, sim_wait_wake(agent->process, agent->link.timer));
    if (at.boot_ns != agent->process->wake_at.boot_ns ||
        at.raw_ns != agent->process->wake_at.raw_ns)
        sim_wake_at(agent->process, at);
}

static void resume(struct sim_process *process, void *payload)
{
    (void)payload;
    sim_agent_go_on(process->state);
}

void sim_agent_go_on(struct sim_agent *agent)
{
    while (agent->stepping != NULL || agent->task_count > 0) {
        if (sim_is_doomed(agent->process))
            return;
        if (agent->process->health == SIM_FROZEN) {
            sim_count(sim_world_of(agent->process), "agent:waits_for_disk");
            sim_later(agent->process, 0, resume, NULL, NULL);
            return;
        }
        if (agent->stepping != NULL) {
            continue_step(agent);
        } else {
            struct sim_agent_task *task = &agent->tasks[agent->task_first];

            agent->task_first = (agent->task_first + 1) % SIM_AGENT_TASKS_MAX;
            agent->task_count--;
            do_task(agent, task);
        }
    }
    if (sim_is_doomed(agent->process))
        return;
    if (agent->is_ending && !sim_own_fences_run(agent))
        sim_process_kill(agent->process);
    else
        set_wake(agent);
}

/* Deadlines go before messages: what is due is not undone by what waited in a queue (3.4). */
static void serve_deadlines(struct sim_agent *agent)
{
    for (uint32_t i = 0; i < agent->place_count; i++) {
        struct sim_agent_place *place = &agent->places[i];

        if (!bw_instant_right_is_over(sim_now(agent->process), place->wake_at))
            continue;
        place->wake_at = BW_INSTANT_NEVER;
        (void)sim_agent_push_event(agent, place, BW_SITE_EVENT_TICK);
    }
}

static void on_wake(struct sim_process *process)
{
    struct sim_agent *agent = process->state;

    serve_deadlines(agent);
    sim_link_serve(agent);
    sim_sync_serve(agent);
    for (uint32_t i = 0; i < agent->place_count; i++)
        sim_own_fence_serve(agent, &agent->places[i]);
    sim_agent_go_on(agent);
}

static void on_message(struct sim_process *process, const struct sim_message *message)
{
    struct sim_agent *agent = process->state;

    serve_deadlines(agent);
    if (message->channel == SIM_CHANNEL_GUARD)
        sim_link_on_message(agent, message);
    else
        sim_sync_on_message(agent, message);
    sim_agent_go_on(agent);
}

/* ---- its life ----------------------------------------------------------------------------------- */

static struct bw_site_limits limits_of(const struct sim_setting *setting)
{
    struct bw_site_limits limits = {
        .check_interval_ns = setting->check_interval_ms * SIM_MS,
        .failure_threshold = setting->failure_threshold,
        .local_restarts = setting->local_restarts,
        .condition_is_shown = setting->condition_is_shown,
        .has_script = {[BW_ACTION_START] = true,
                       [BW_ACTION_STOP] = true,
                       [BW_ACTION_STATUS] = true,
                       [BW_ACTION_FENCE] = setting->has_fence_script,
                       [BW_ACTION_READINESS] = setting->has_readiness_script,
                       [BW_ACTION_VERIFY] = setting->has_verify_script,
                       [BW_ACTION_CONDITION] = setting->has_condition_script,
                       [BW_ACTION_REJOIN] = setting->has_rejoin_script}};

    for (int action = 0; action < BW_ACTION_COUNT; action++)
        limits.timeout_ns[action] = setting->script_limit_ns[action];
    return limits;
}

static void open_places(struct sim_agent *agent)
{
    const struct sim_world *world = sim_world_of(agent->process);
    const struct bw_site_limits limits = limits_of(&world->setting);
    const struct bw_instant now = sim_now(agent->process);

    agent->place_count = world->setting.group_count;
    for (uint32_t i = 0; i < agent->place_count; i++) {
        struct sim_agent_place *place = &agent->places[i];

        place->group = i;
        place->wake_at = BW_INSTANT_NEVER;
        bw_site_init(&place->site, world->group_names[i], agent->state.instance,
                     agent->process->host->boot_id, &limits, sim_agent_store_memory(agent, i),
                     now);
        sim_own_fence_open(place);
    }
}

static void on_start(struct sim_process *process)
{
    struct sim_agent *agent = calloc(1, sizeof *agent);

    BW_ASSERT(agent != NULL);
    agent->process = process;
    agent->machine = sim_machine(process->host);
    process->state = agent;
    for (int i = 0; i < BW_ID_BYTES; i++)
        agent->session.bytes[i] = (uint8_t)bw_prng_next(&process->chance);
    agent->session.bytes[0] |= 1; /* never none */
    process->saves_beside = false;
    if (!sim_agent_store_open(agent)) {
        sim_process_kill(process);
        return;
    }
    process->saves_beside = true;
    if (sim_is_doomed(process))
        return;
    open_places(agent);
    sim_sync_open(agent);
    sim_link_open(agent);
    sim_agent_go_on(agent);
}

/* The kernel closes its sockets: what it wrote before is still read. Its scripts go on. */
static void on_death(struct sim_process *process)
{
    struct sim_agent *agent = process->state;
    struct sim_process *guard = sim_world_of(process)->guards[process->host->number];

    sim_runs_orphan(agent->machine, process);
    if (agent->link.tag != 0 && guard->health != SIM_DEAD)
        sim_send(process, guard, SIM_CHANNEL_GUARD, agent->link.tag, NULL, 0);
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
