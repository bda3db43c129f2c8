/* guard.c - the life of a guard, and what its machines ask for, as src/guard carries it out. */
#include "guard.h"

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/core/guard_reach.h>
#include <breakwater/wire/guard_message.h>

#include "check.h"
#include "check_override.h"
#include "check_site.h"
#include "enforcer.h"
#include "units.h"

const struct bw_guard *sim_guard_machine(const struct sim_process *process, uint32_t group)
{
    const struct sim_guard *guard = process->state;

    return guard != NULL && group < guard->group_count && guard->groups[group].is_open
               ? &guard->groups[group].machine
               : NULL;
}

bool sim_guard_listens(const struct sim_process *process)
{
    const struct sim_guard *guard = process->state;

    return process->health != SIM_DEAD && !guard->is_caretaker;
}

bool sim_guard_is_broken(const struct sim_process *process)
{
    const struct sim_guard *guard = process->state;

    return guard != NULL && guard->is_broken;
}

/* ---- scripts ------------------------------------------------------------------------------------ */

static enum sim_slot slot_of(enum bw_guard_slot slot, enum bw_action_kind action)
{
    if (slot == BW_GUARD_SLOT_OBSERVATION)
        return SIM_SLOT_OBSERVE;
    if (slot == BW_GUARD_SLOT_FENCE)
        return SIM_SLOT_FENCE;
    return action == BW_ACTION_START || action == BW_ACTION_REJOIN ? SIM_SLOT_SERVICE
                                                                   : SIM_SLOT_ACTION;
}

static void note_end(struct sim_guard *guard, struct sim_guard_group *guarded,
                     enum bw_guard_slot slot)
{
    bw_guard_machine_on_end(&guard->daemon, &guarded->at, slot);
}

/* The facts of guard/run.c: what a person has started is in no cgroup of the group's, and no stop here starts
 * anything to stay. */
static bool is_left(const struct sim_guard *guard, const struct sim_guard_group *guarded)
{
    const struct sim_service *service = &guard->machine->services[guarded->group];
    struct bw_left_facts facts = {.is_groups_own = true,
                                  .is_known = true,
                                  .is_begun = sim_service_is_here(service) && service->epoch != 0};

    for (uint32_t i = 0; i < SIM_RUNS_MAX; i++) {
        const struct sim_run *run = &guard->machine->runs[i];

        facts.is_begun |= run->is_used && run->order.group == guarded->group &&
                          run->order.slot == SIM_SLOT_SERVICE;
    }
    return bw_guard_is_left(&guarded->machine, &facts);
}

static struct bw_guard_event run_ended(const struct sim_guard *guard,
                                       const struct sim_guard_group *guarded,
                                       enum bw_guard_slot slot)
{
    const struct sim_work *work = &guarded->work[slot];

    return (struct bw_guard_event){
        .kind = BW_GUARD_EVENT_RUN_ENDED,
        .slot = slot,
        .ended = work->ended,
        .digest = bw_guarded_digest(&guarded->at, slot, work->found),
        .is_left = work->order.action == BW_ACTION_STATUS && is_left(guard, guarded),
        .units = sim_unit_sight(guard->machine, guarded->group),
        .populated = bw_guard_asks_populated(work->order.action, false, work->ended.line)
                         ? sim_reach_populated(guard->machine, guarded->group)
                         : BW_POPULATED_UNKNOWN,
    };
}

static void on_script_ended(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;
    struct sim_run_end *end = payload;
    struct sim_guard_group *guarded = &guard->groups[end->group];

    if (sim_work_on_end(&guarded->work[end->key], end))
        note_end(guard, guarded, (enum bw_guard_slot)end->key);
    free(end);
    sim_guard_go_on(guard);
}

static void say_waits(struct sim_guard *guard, const struct sim_guard_group *guarded)
{
    const struct sim_work *work = &guarded->work[BW_GUARD_SLOT_ACTION];
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_RUN_BEGUN,
                                       .epoch = work->order.epoch,
                                       .begun = {.run_id = guarded->asking_run,
                                                 .action = BW_ACTION_START,
                                                 .steps = {.count = 1},
                                                 .asks_to_pass = true}};

    if (guarded->asking_run == 0 || work->stage == SIM_WORK_NONE)
        return;
    BW_ASSERT(bw_copy_text(message.group, sizeof message.group,
                           sim_world_of(guard->process)->group_names[guarded->group]));
    sim_guard_send(guard, &message);
}

void sim_guard_say_waits(struct sim_guard *guard)
{
    for (uint32_t i = 0; i < guard->group_count; i++)
        say_waits(guard, &guard->groups[i]);
}

static void on_start_waits(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;
    struct sim_guard_group *guarded = &guard->groups[(uintptr_t)payload];

    guarded->asking_run = guarded->start_run;
    say_waits(guard, guarded);
    sim_guard_go_on(guard);
}

static void spawn(struct sim_guard *guard, struct sim_guard_group *guarded,
                  const struct bw_guard_action *action, struct bw_guard_event *out_answer)
{
    struct sim_work *work = &guarded->work[action->slot];
    const struct bw_units_sight units = sim_unit_sight(guard->machine, guarded->group);
    struct sim_run_order order = {.parent = guard->process,
                                  .group = guarded->group,
                                  .key = action->slot,
                                  .slot = slot_of(action->slot, action->run.action),
                                  .action = action->run.action,
                                  .epoch = action->run.epoch,
                                  .scripts = (uint32_t)guarded->machine.limits.digest,
                                  .files = guarded->files,
                                  .holds = action->run.facts.holds,
                                  .on_waits = on_start_waits,
                                  .on_end = on_script_ended};

    memcpy(order.target_position, action->run.facts.target_position, sizeof order.target_position);
    memcpy(order.previous_site, action->run.facts.previous_site, sizeof order.previous_site);
    if (action->run.action == BW_ACTION_START) {
        guarded->start_run = action->run.run_id;
        guarded->asking_run = 0;
    }
    if (action->run.run_id != 0)
        sim_check_ordered(guard->process, guarded->group, action->run.action, action->run.epoch);
    *out_answer = (struct bw_guard_event){
        .kind = BW_GUARD_EVENT_SPAWNED,
        .slot = action->slot,
        .ok = true,
        .is_left = action->run.action == BW_ACTION_STATUS && is_left(guard, guarded),
        .units = units,
        .populated = bw_guard_asks_populated(action->run.action, true, "")
                         ? sim_reach_populated(guard->machine, guarded->group)
                         : BW_POPULATED_UNKNOWN,
    };
    if (guarded->machine.limits.has_script[action->run.action] && sim_work_start(work, &order)) {
        out_answer->child = (struct bw_guard_child){.action = action->run.action,
                                                    .epoch = action->run.epoch,
                                                    .run_id = action->run.run_id,
                                                    .pid = (int32_t)(work->serial % SIM_RUNS_MAX) + 2,
                                                    .start_time = work->serial};
        return;
    }
    sim_count(sim_world_of(guard->process), "script:unstartable");
    out_answer->ok = false;
    work->ended = (struct bw_guard_run_ended){.result = BW_RUN_NOT_STARTED, .exit_status = -1};
    note_end(guard, guarded, action->slot);
}

/* ---- what the machine asks for ------------------------------------------------------------------ */

static void tell_action(struct sim_guard *guard, const struct sim_guard_group *guarded,
                        const struct bw_guard_action *action)
{
    static const char *const kinds[BW_GUARD_MESSAGE_SHOWN + 1] = {
        [BW_GUARD_MESSAGE_ARMED] = "armed",
        [BW_GUARD_MESSAGE_ARM_REFUSED] = "refuses to arm",
        [BW_GUARD_MESSAGE_RUN_BEGUN] = "has begun a run",
        [BW_GUARD_MESSAGE_RUN_ENDED] = "a run has ended",
        [BW_GUARD_MESSAGE_EPOCH_ENDED] = "the epoch is ended",
        [BW_GUARD_MESSAGE_END_REFUSED] = "refuses to end the epoch",
        [BW_GUARD_MESSAGE_LET_GO_DONE] = "let go",
        [BW_GUARD_MESSAGE_FENCE_BEGUN] = "a fence begins",
        [BW_GUARD_MESSAGE_FENCE_ENDED] = "a fence has ended",
    };
    struct sim_world *world = sim_world_of(guard->process);
    const char *group = world->group_names[guarded->group];
    const struct bw_guard_message *message = &action->message;
    const char *name = action->kind == BW_GUARD_ACTION_SEND ? kinds[message->kind] : NULL;
    const bool is_action = bw_action_is_action(message->ended.action);
    const bool is_refusal = message->kind == BW_GUARD_MESSAGE_ARM_REFUSED ||
                            message->kind == BW_GUARD_MESSAGE_END_REFUSED;

    if (action->kind == BW_GUARD_ACTION_SPAWN && bw_action_is_action(action->run.action))
        sim_tell(world, guard->process->name, "%s: spawns %s of epoch %llu (%s)", group,
                 bw_action_word(action->run.action), (unsigned long long)action->run.epoch,
                 action->rule);
    else if (action->kind == BW_GUARD_ACTION_TERM_REACH ||
             action->kind == BW_GUARD_ACTION_KILL_REACH)
        sim_tell(world, guard->process->name, "%s: %s to all in reach (%s)", group,
                 action->kind == BW_GUARD_ACTION_TERM_REACH ? "TERM" : "KILL", action->rule);
    else if (action->kind == BW_GUARD_ACTION_TERM_STARTED)
        sim_tell(world, guard->process->name, "%s: TERM to what a start has left (%s)", group,
                 action->rule);
    else if (name != NULL && message->kind == BW_GUARD_MESSAGE_ARMED)
        sim_tell(world, guard->process->name, "%s: epoch %llu armed, %llu ms left", group,
                 (unsigned long long)message->epoch,
                 (unsigned long long)(bw_instant_left_ns(sim_now(guard->process),
                                                         message->armed.end) /
                                      SIM_MS));
    else if (name != NULL && message->kind == BW_GUARD_MESSAGE_RUN_ENDED && is_action)
        sim_tell(world, guard->process->name, "%s: %s of epoch %llu ends: %s%s%s (%s)", group,
                 bw_action_word(message->ended.action), (unsigned long long)message->ended.epoch,
                 bw_run_result_word(message->ended.result),
                 message->ended.refusal != BW_REFUSAL_NONE ? ", " : "",
                 message->ended.refusal != BW_REFUSAL_NONE
                     ? bw_refusal_word(message->ended.refusal)
                     : "",
                 action->rule);
    else if (name != NULL && message->kind != BW_GUARD_MESSAGE_RUN_ENDED &&
             message->kind != BW_GUARD_MESSAGE_RUN_BEGUN)
        sim_tell(world, guard->process->name, "%s: %s, epoch %llu%s%s (%s)", group, name,
                 (unsigned long long)message->epoch, is_refusal ? ", " : "",
                 is_refusal ? bw_refusal_word(message->refused.why) : "", action->rule);
}

/* Where what is said or begun rests on something: a crash there must harm nobody. */
static const char *crash_point_of(const struct bw_guard_action *action)
{
    switch (action->kind) {
    case BW_GUARD_ACTION_GO:
        return "crash:guard-go";
    case BW_GUARD_ACTION_SPAWN:
        return "crash:guard-spawn";
    case BW_GUARD_ACTION_TERM_STARTED:
    case BW_GUARD_ACTION_TERM_REACH:
        return "crash:guard-term";
    case BW_GUARD_ACTION_KILL_REACH:
        return "crash:guard-kill";
    case BW_GUARD_ACTION_SEND:
        if (action->message.kind == BW_GUARD_MESSAGE_ARMED)
            return "crash:guard-armed";
        if (action->message.kind == BW_GUARD_MESSAGE_EPOCH_ENDED)
            return "crash:guard-ended";
        return NULL;
    case BW_GUARD_ACTION_SAVE:
    case BW_GUARD_ACTION_MIRROR:
    case BW_GUARD_ACTION_KILL_RUN:
    case BW_GUARD_ACTION_PASS:
        break;
    }
    return NULL;
}

static void kill_reach(struct sim_guard *guard, struct sim_guard_group *guarded)
{
    sim_check_override_fences(sim_world_of(guard->process), guard->process->host->number,
                              guarded->group, "has KILL sent to all while it overrides");
    /* KILL leaves one grace before D: what it ends is gone before D (3.2.4). */
    sim_reach_kill_start(&guarded->kill, guard->process, guarded->group,
                         SIM_SLOTS_SERVED | SIM_SLOT_UNITS_GUARD,
                         guarded->machine.fence_grace_ns * 70 / 100);
}

static void execute(struct sim_guard *guard, struct sim_guard_group *guarded,
                    const struct bw_guard_action *action)
{
    struct sim_work *work = &guarded->work[action->slot];
    struct bw_guard_event spawned;

    switch (action->kind) {
    case BW_GUARD_ACTION_SAVE:
        guarded->asked_memory = guarded->machine.memory;
        break;
    case BW_GUARD_ACTION_MIRROR:
        sim_check_mirror_changes(guard->process, guarded->group, &guarded->asked,
                                 &guarded->machine.mirror);
        guarded->asked = guarded->machine.mirror;
        break;
    case BW_GUARD_ACTION_SPAWN:
        spawn(guard, guarded, action, &spawned);
        bw_guard_machine_spawned(&guard->daemon, &guarded->at, &spawned, sim_now(guard->process));
        break;
    case BW_GUARD_ACTION_GO:
        sim_check_guard_goes(guard->process, &work->order);
        sim_work_go(work, action->run_not_after, action->limit_ns,
                    guarded->machine.limits.kill_grace_ns);
        break;
    case BW_GUARD_ACTION_KILL_RUN:
        sim_work_kill(work);
        break;
    case BW_GUARD_ACTION_TERM_STARTED:
        sim_reach_signal(guard->machine, guarded->group, SIM_SLOT_SERVICE, false,
                         SIM_LINGER_NS_MAX);
        break;
    case BW_GUARD_ACTION_TERM_REACH:
        sim_check_override_fences(sim_world_of(guard->process), guard->process->host->number,
                                  guarded->group, "has TERM sent to all while it overrides");
        sim_reach_signal(guard->machine, guarded->group, SIM_SLOTS_SERVED | SIM_SLOT_UNITS_GUARD,
                         false, SIM_LINGER_NS_MAX);
        break;
    case BW_GUARD_ACTION_KILL_REACH:
        kill_reach(guard, guarded);
        break;
    case BW_GUARD_ACTION_PASS:
        guarded->asking_run = 0;
        sim_run_pass(guard->machine, work->serial);
        break;
    case BW_GUARD_ACTION_SEND:
        sim_check_guard_says(guard->process, guarded->group, &action->message);
        sim_guard_send(guard, &action->message);
        break;
    }
}

/* A crash may come before it, and after a child was let go. */
static void do_action(struct sim_guard *guard, struct sim_guard_group *guarded,
                      const struct bw_guard_machine_action *step)
{
    struct sim_world *world = sim_world_of(guard->process);
    const struct bw_guard_action *action = step->action;
    const char *where = crash_point_of(action);

    if (!step->is_late)
        sim_count(world, action->rule);
    if (!step->is_late && world->tells)
        tell_action(guard, guarded, action);
    if (step->is_idle) {
        sim_count(world, "guard:idle_action");
        return;
    }
    if (where != NULL && sim_crash_point(guard->process, where))
        return;
    execute(guard, guarded, action);
    if (action->kind == BW_GUARD_ACTION_GO && !sim_is_doomed(guard->process))
        (void)sim_crash_point(guard->process,
                              guarded->work[action->slot].order.action == BW_ACTION_START
                                  ? "crash:guard-began"
                                  : "crash:guard-went");
}

static void tell_end(struct sim_guard *guard, struct sim_guard_group *guarded,
                     const struct bw_guard_machine_action *action)
{
    struct bw_guard_event event;

    if (action->is_given_up)
        guarded->work[action->slot].ended = (struct bw_guard_run_ended){.result = BW_RUN_KILLED,
                                                                        .exit_status = -1};
    event = run_ended(guard, guarded, action->slot);
    if (action->is_given_up)
        event.digest = 0;
    bw_guard_machine_ended(&guard->daemon, &guarded->at, &event, sim_now(guard->process));
}

static void do_next(struct sim_guard *guard, const struct bw_guard_machine_action *action)
{
    struct sim_guard_group *guarded = action->group != NULL ? action->group->owner : NULL;

    switch (action->kind) {
    case BW_GUARD_MACHINE_STEPPED:
        break;
    case BW_GUARD_MACHINE_DO:
        do_action(guard, guarded, action);
        break;
    case BW_GUARD_MACHINE_TELL_END:
        tell_end(guard, guarded, action);
        break;
    case BW_GUARD_MACHINE_WRITE_SAVES:
        sim_guard_write_saves(guard);
        break;
    case BW_GUARD_MACHINE_PROVE:
        bw_guard_machine_proved(&guard->daemon, &guarded->at, sim_guard_prove(guard, guarded),
                                sim_now(guard->process));
        break;
    case BW_GUARD_MACHINE_REFUSE:
        sim_guard_refuse(guard, action);
        break;
    case BW_GUARD_MACHINE_REFUSE_HELLO:
        sim_guard_refuse_hello(guard, action->hello);
        break;
    case BW_GUARD_MACHINE_SESSION:
        sim_guard_session_do(guard, &action->session);
        break;
    case BW_GUARD_MACHINE_GREET_AGAIN:
        sim_guard_close(guard, action->connection);
        break;
    case BW_GUARD_MACHINE_FORGOTTEN: /* there is one cluster */
        break;
    case BW_GUARD_MACHINE_ENFORCE:
        sim_enforcer_execute(guard, &action->enforce);
        break;
    }
}

/* ---- its site file ------------------------------------------------------------------------------ */

/* `is_kept`: of the scripts of a group that the file does not name, those that end it are known. */
static struct bw_guard_limits limits_of(const struct sim_guard *guard, uint32_t group, bool is_kept)
{
    const struct sim_setting *setting = &sim_world_of(guard->process)->setting;
    struct bw_guard_limits limits = {
        .kill_grace_ns = bw_lease_kill_grace_ns(setting->terms.fence_ms * SIM_MS),
        .reach = setting->is_reach_remote               ? BW_REACH_REMOTE
                 : guard->machine->units[group].is_unit ? BW_REACH_UNITS
                                                        : BW_REACH_CGROUP,
        .digest = sim_site_scripts(guard->process->host, group),
        .proof = guard->machine->tried_scripts[group],
        .has_point = !is_kept && setting->has_point &&
                     guard->machine->scripts_named[group] != 2, /* not by every site file */
        .has_script = {[BW_ACTION_START] = !is_kept,
                       [BW_ACTION_STOP] = true,
                       [BW_ACTION_STATUS] = true,
                       [BW_ACTION_FENCE] = setting->has_fence_script,
                       [BW_ACTION_READINESS] = !is_kept && setting->has_readiness_script,
                       [BW_ACTION_VERIFY] = !is_kept && setting->has_verify_script,
                       [BW_ACTION_CONDITION] = !is_kept && setting->has_condition_script,
                       [BW_ACTION_REJOIN] = !is_kept && setting->has_rejoin_script,
                       [BW_ACTION_REMOTE_FENCE] = !is_kept && setting->has_remote_fence_script}};

    for (int action = 0; action < BW_ACTION_COUNT; action++)
        limits.timeout_ns[action] = setting->script_limit_ns[action];
    return limits;
}

static enum bw_guarded_named named(const struct bw_guarded *group, void *user)
{
    const struct sim_guard_group *guarded = group->owner;
    const struct sim_guard *guard = user;

    return guard->machine->is_unnamed[guarded->group] ? BW_GUARDED_MISSING : BW_GUARDED_NAMED;
}

static enum bw_err open_group(struct sim_guard *guard, uint32_t group, bool is_kept);

static void on_hangup(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;

    (void)payload;
    if (guard->is_caretaker)
        return;
    if (bw_guard_machine_refuses(&guard->daemon, named, guard) != NULL) {
        sim_count(sim_world_of(process), "guard:reload_refused");
        return;
    }
    for (uint32_t i = 0; i < guard->group_count; i++) {
        struct sim_guard_group *guarded = &guard->groups[i];
        const struct bw_guard_limits limits = limits_of(guard, i, false);

        if (!guarded->is_open) {
            if (!guard->machine->is_unnamed[i] && open_group(guard, i, false) == BW_OK)
                sim_count(sim_world_of(process), "guard:reload_adds");
            continue;
        }
        if (guard->machine->is_unnamed[i]) {
            if (!guarded->at.is_left)
                sim_count(sim_world_of(process), "guard:reload_leaves");
            bw_guard_machine_leave(&guard->daemon, &guarded->at);
            continue;
        }
        bw_guard_machine_take_again(&guard->daemon, &guarded->at);
        bw_guarded_configure(&guard->daemon, &guarded->at, &limits);
        guarded->files = guard->machine->scripts_named[i];
    }
    sim_guard_go_on(guard);
}

void sim_guard_reload(struct sim_process *process)
{
    if (process->health != SIM_DEAD && !sim_machine(process->host)->is_site_file_bad)
        sim_later(process, 0, on_hangup, NULL, NULL);
}

/* ---- when -------------------------------------------------------------------------------------- */

static void set_wake(struct sim_guard *guard)
{
    struct bw_instant at = bw_guard_machine_wake(&guard->daemon, sim_now(guard->process));

    for (uint32_t i = 0; i < guard->group_count; i++) {
        const struct sim_guard_group *guarded = &guard->groups[i];

        if (!guarded->is_open)
            continue;
        for (int slot = 0; slot < BW_GUARD_SLOT_COUNT; slot++)
            at = bw_instant_min(at, guarded->work[slot].wake_at);
        if (guarded->kill.is_running)
            at = bw_instant_min(at, guarded->kill.wake_at);
    }
    if (at.boot_ns != guard->process->wake_at.boot_ns ||
        at.raw_ns != guard->process->wake_at.raw_ns)
        sim_wake_at(guard->process, at);
}

void sim_guard_go_on(struct sim_guard *guard)
{
    struct bw_guard_machine_action action;

    while (!sim_is_doomed(guard->process) &&
           bw_guard_machine_next(&guard->daemon, true, true, sim_now(guard->process), &action))
        do_next(guard, &action);
    if (sim_is_doomed(guard->process))
        return;
    set_wake(guard);
    if (guard->is_caretaker && bw_guard_machine_is_over(&guard->daemon, sim_now(guard->process)))
        sim_process_kill(guard->process);
}

static void serve_scripts(struct sim_guard *guard)
{
    for (uint32_t i = 0; i < guard->group_count; i++) {
        struct sim_guard_group *guarded = &guard->groups[i];
        bool ok = false;

        if (!guarded->is_open)
            continue;
        for (int slot = 0; slot < BW_GUARD_SLOT_COUNT; slot++)
            if (sim_work_serve(&guarded->work[slot]))
                note_end(guard, guarded, (enum bw_guard_slot)slot);
        sim_guard_go_on(guard);
        if (sim_is_doomed(guard->process))
            return;
        if (sim_reach_kill_serve(&guarded->kill, guard->process, i, &ok))
            bw_guard_machine_on_reach_killed(&guard->daemon, &guarded->at, ok,
                                             sim_now(guard->process));
        sim_guard_go_on(guard);
    }
}

static void on_wake(struct sim_process *process)
{
    struct sim_guard *guard = process->state;

    bw_guard_machine_on_wake(&guard->daemon);
    sim_guard_go_on(guard);
    if (!sim_is_doomed(process))
        serve_scripts(guard);
}

static void on_message(struct sim_process *process, const struct sim_message *message)
{
    struct sim_guard *guard = process->state;
    struct bw_guard_message content;
    struct bw_diag diag = {0};

    BW_ASSERT(message->channel == SIM_CHANNEL_GUARD);
    if (guard->is_caretaker)
        return;
    if (message->size > 0 &&
        bw_guard_message_decode(message->bytes, message->size, &content, &diag) != BW_OK) {
        sim_fail(sim_world_of(process), "codec", "%s cannot read what %s says: %s", process->name,
                 message->from->name, diag.text);
        return;
    }
    if (message->size > 0)
        sim_guard_on_letter(guard, message->tag, &content);
    else
        sim_guard_on_closed(guard, message->tag);
    sim_guard_go_on(guard);
}

/* ---- its life ----------------------------------------------------------------------------------- */

/* What a predecessor left running (3.4): its looks and actions are ended; what a start has left is
 * the service, unless that start still runs. */
static void end_left_behind(struct sim_guard *guard, uint32_t group,
                            const struct bw_guard_mirror *mirror)
{
    struct sim_machine *machine = guard->machine;
    const struct bw_guard_child *action = &mirror->children[BW_GUARD_SLOT_ACTION];
    const bool is_action_alive = action->action != BW_ACTION_NONE &&
                                 sim_run_is_alive(machine, action->start_time);

    for (uint32_t i = 0; i < SIM_RUNS_MAX; i++) {
        const struct sim_run *run = &machine->runs[i];

        if (run->is_used && run->order.group == group &&
            (run->order.slot & SIM_SLOTS_IN_REACH) != 0 &&
            (run->order.slot != SIM_SLOT_SERVICE || is_action_alive))
            sim_run_vanish(machine, run->serial);
    }
    if (is_action_alive && sim_service_is_here(&machine->services[group]) && !sim_percent(machine, machine->faults.fence_fails_percent))
        sim_service_down(machine, group, "killed with the action that a dead guard had begun");
}

static void note_found(const struct sim_guard *guard, uint32_t group,
                       const struct bw_guard_found *found, const struct bw_guarded_start *start)
{
    struct sim_world *world = sim_world_of(guard->process);

    if (start->is_lost)
        sim_count(world, "guard:memory_lost");
    if (start->is_damaged)
        sim_count(world, "guard:memory_unread");
    if (world->tells)
        sim_tell(world, guard->process->name, "%s: loaded, epoch %llu seen, %llu armed%s",
                 world->group_names[group], (unsigned long long)start->memory.epoch_seen,
                 (unsigned long long)found->mirror.armed_epoch,
                 start->has_mirror ? "" : ", no mirror");
}

static enum bw_err open_group(struct sim_guard *guard, uint32_t group, bool is_kept)
{
    struct sim_world *world = sim_world_of(guard->process);
    struct sim_guard_group *guarded = &guard->groups[group];
    const struct bw_guard_limits limits = limits_of(guard, group, is_kept);
    struct bw_guard_found found;
    struct bw_guarded_start start;
    enum bw_err err;

    sim_guard_store_find(guard, group, &found);
    err = bw_guarded_begin(&guard->daemon, &guarded->at, &found, is_kept, &start);
    if (err != BW_OK)
        return err;
    guarded->files = guard->machine->scripts_named[group];
    guarded->group = group;
    guarded->is_open = true;
    sim_unit_forget(guard->machine, group, SIM_UNITS_OF_GUARD);
    sim_unit_look(guard->machine, group, SIM_UNITS_OF_GUARD);
    for (int slot = 0; slot < BW_GUARD_SLOT_COUNT; slot++)
        guarded->work[slot].wake_at = BW_INSTANT_NEVER;
    end_left_behind(guard, group, &found.mirror);
    bw_guard_init(&guarded->machine, world->group_names[group], &limits, &start.memory,
                  start.has_mirror ? &found.mirror : NULL, sim_now(guard->process));
    guarded->asked = guarded->machine.mirror;
    bw_guard_machine_add(&guard->daemon, &guarded->at, &guarded->machine, guarded);
    note_found(guard, group, &found, &start);
    return BW_OK;
}

/* ---- which groups, as in src/guard/program.c ----------------------------------------------------- */

static void look_at(struct sim_guard *guard, uint32_t group)
{
    const bool is_named = !guard->is_caretaker && !guard->machine->is_unnamed[group];
    struct bw_guard_found found;

    if (!bw_guard_opening_looks_at(&guard->opening, guard->groups[group].is_open, is_named))
        return;
    sim_guard_store_find(guard, group, &found);
    if (bw_guard_opening_judge(&guard->opening, &found) != BW_FOUND_GUARDED)
        return;
    sim_count(sim_world_of(guard->process), guard->opening.phase == BW_OPENING_FORGOTTEN
                                                ? "guard:forgotten"
                                                : "guard:mirror_enforced");
    BW_ASSERT(open_group(guard, group, true) == BW_OK);
}

static void open_named(struct sim_guard *guard, uint32_t group)
{
    const enum bw_err err =
        guard->machine->is_unnamed[group] ? BW_OK : open_group(guard, group, false);

    if (err == BW_OK)
        return;
    sim_tell(sim_world_of(guard->process), guard->process->name, "%s: is not loaded",
             sim_world_of(guard->process)->group_names[group]);
    bw_guard_opening_on_failed(&guard->opening, err);
}

static void look_at_all(struct sim_guard *guard)
{
    const enum bw_opening_phase phase = guard->opening.phase;

    for (uint32_t i = 0; i < guard->group_count; i++) {
        const bool is_named = !guard->machine->is_unnamed[i];

        if (phase == BW_OPENING_NAMED)
            open_named(guard, i);
        else if (phase == BW_OPENING_MIRRORS ||
                 (phase == BW_OPENING_FORGOTTEN ? sim_guard_store_has_memory(guard, i) : is_named))
            look_at(guard, i);
    }
}

static bool open_groups(struct sim_guard *guard)
{
    struct bw_guard_opening *opening = &guard->opening;

    bw_guard_opening_init(opening, guard->is_caretaker);
    while (opening->phase != BW_OPENING_READY && opening->phase != BW_OPENING_NOTHING) {
        look_at_all(guard);
        bw_guard_opening_next(opening, guard->daemon.group_count);
    }
    return opening->phase == BW_OPENING_READY;
}

/* Of a guard that cannot begin. False: there is nothing to care for. */
static bool take_care(struct sim_guard *guard)
{
    static const struct bw_guard_identity nobody;

    guard->is_caretaker = true;
    bw_guard_machine_init(&guard->daemon, &nobody);
    if (!open_groups(guard))
        return false;
    sim_count(sim_world_of(guard->process), "guard:caretaker");
    return true;
}

static void on_start(struct sim_process *process)
{
    struct sim_guard *guard = calloc(1, sizeof *guard);
    struct bw_guard_identity own;
    bool is_fine = false;

    BW_ASSERT(guard != NULL);
    guard->process = process;
    guard->machine = sim_machine(process->host);
    guard->group_count = sim_world_of(process)->setting.group_count;
    process->saves_beside = true;
    process->state = guard;
    if (!guard->machine->is_site_file_bad && sim_guard_store_open(guard, &own)) {
        bw_guard_machine_init(&guard->daemon, &own);
        is_fine = open_groups(guard);
    }
    is_fine = is_fine || take_care(guard);
    bw_enforcing_begin(&guard->daemon.enforcing, sim_now(process));
    if (is_fine)
        sim_guard_go_on(guard);
    else
        sim_process_kill(process);
}

/* The kernel closes its pipes and sockets. */
static void on_death(struct sim_process *process)
{
    struct sim_guard *guard = process->state;
    struct sim_process *const *agents = sim_world_of(process)->agents[process->host->number];

    sim_runs_orphan(guard->machine, process);
    sim_enforcer_guard_gone(guard);
    for (int i = 0; i < SIM_AGENTS_MAX; i++)
        if (agents[i] != NULL && agents[i]->health != SIM_DEAD)
            sim_send(process, agents[i], SIM_CHANNEL_GUARD, 0, NULL, 0);
    free(guard);
    process->state = NULL;
}

const struct sim_process_ops sim_guard_ops = {.role = "guard",
                                              .on_start = on_start,
                                              .on_wake = on_wake,
                                              .on_message = on_message,
                                              .on_death = on_death};
