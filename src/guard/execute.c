/* What the machine asks for, carried out in order. */
#include "program.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/sys/clock.h>

/* ---- saves --------------------------------------------------------------------------------- */

static void keep(struct bw_guard_group *group)
{
    struct bw_guard_save *save = &group->save;

    BW_ASSERT(save->group == NULL); /* the machine asks for one at a time */
    save->group = group;
    save->is_nobodys = bw_guard_machine_is_nobodys(&group->program->machine, &group->at);
    bw_guard_store_prepare(group->config->name, &group->machine.memory, &save->file);
    save->file.reach = bw_guard_reach_copy(group, group->reach_saved);
    save->refuted[0] = '\0';
    if (group->has_trial && group->machine.limits.proof == 0)
        (void)bw_copy_text(save->refuted, sizeof save->refuted, group->config->name); /* of the same size */
    if (save->is_nobodys)
        save->file.err = BW_OK;
    BW_CRASH_POINT(GUARD_BEFORE_SAVE);
}

/* Nobody waits for the disk here. */
static void write_saves(struct bw_guard_program *program)
{
    struct bw_guard_save_round *round = bw_worker_job(program->disk);
    const struct bw_guarded *guarded;

    round->count = 0;
    while (round->count < BW_DURABLE_ITEMS_MAX &&
           (guarded = bw_guard_machine_take_save(&program->machine)) != NULL) {
        struct bw_guard_save *save = &((struct bw_guard_group *)guarded->owner)->save;

        round->saves[round->count++] = *save;
        *save = (struct bw_guard_save){.group = NULL};
    }
    bw_worker_begin(program->disk, bw_guard_store_save);
}

static void saved(const struct bw_guard_save *save)
{
    struct bw_guard_group *group = save->group;
    const bool ok = save->file.err == BW_OK;

    BW_CRASH_POINT(GUARD_AFTER_SAVE);
    if (!ok)
        bw_log_error(
            &group->program->log, "state.write_failed",
            "group=%s error=%s does=\"what rests on it is refused; the next one goes into a "
            "new file\"",
            group->config->name, bw_log_quote(save->file.diag.text));
    if (ok && save->file.reach.bytes != NULL && !save->is_nobodys)
        group->reach_saved = save->file.reach.version;
    group->has_trial &= !(ok && save->refuted[0] != '\0');
    free(save->file.reach.bytes);
    bw_guard_machine_on_saved(&group->program->machine, &group->at, ok);
}

static void on_round_saved(void *of, void *user)
{
    struct bw_guard_program *program = user;
    const struct bw_guard_save_round *round = of;

    for (uint32_t i = 0; i < round->count; i++)
        saved(&round->saves[i]);
    bw_guard_machine_on_round_saved(&program->machine);
    bw_guard_go_on(program, false);
}

static void clear_round(void *of)
{
    const struct bw_guard_save_round *round = of;

    for (uint32_t i = 0; i < round->count; i++)
        free(round->saves[i].file.reach.bytes);
}

enum bw_err bw_guard_saves_open(struct bw_guard_program *program, struct bw_diag *diag)
{
    const enum bw_err err =
        bw_worker_open(&program->disk, &program->loop, sizeof(struct bw_guard_save_round),
                       clear_round, on_round_saved, program, diag);

    if (err == BW_OK)
        ((struct bw_guard_save_round *)bw_worker_job(program->disk))->store = program->store;
    return err;
}

/* ---- one group ----------------------------------------------------------------------------- */

static void term_slots(struct bw_guard_group *group, enum bw_reach_slot slots)
{
    struct bw_diag diag = {0};

    if (bw_reach_signal_soon(&group->reach, slots, SIGTERM, &diag) != BW_OK)
        bw_log_error(&group->program->log, "reach.term_failed",
                     "group=%s error=%s does=\"KILL follows\"", group->config->name,
                     bw_log_quote(diag.text));
}

static void term_reach(struct bw_guard_group *group)
{
    struct bw_diag diag = {0};

    BW_CRASH_POINT(GUARD_BEFORE_TERM);
    term_slots(group, BW_REACH_SERVED);
    if (group->unit_reach != NULL && bw_unit_reach_term(group->unit_reach, &diag) != BW_OK)
        bw_log_error(&group->program->log, "units.term_failed",
                     "group=%s error=%s does=\"KILL follows\"", group->config->name,
                     bw_log_quote(diag.text));
    BW_CRASH_POINT(GUARD_AFTER_TERM);
}

static void spawn(struct bw_guard_group *group, const struct bw_guard_action *action)
{
    struct bw_guard_event spawned;

    if (action->slot == BW_GUARD_SLOT_FENCE)
        BW_CRASH_POINT(GUARD_BEFORE_FENCE);
    if (action->slot == BW_GUARD_SLOT_ACTION)
        BW_CRASH_POINT(GUARD_BEFORE_SPAWN);
    bw_guard_work_start(&group->work[action->slot], &action->run, &spawned);
    if (action->slot == BW_GUARD_SLOT_ACTION)
        BW_CRASH_POINT(GUARD_AFTER_SPAWN);
    bw_guard_machine_spawned(&group->program->machine, &group->at, &spawned, bw_clock_now());
}

static void go(struct bw_guard_group *group, const struct bw_guard_action *action)
{
    struct bw_guard_work *work = &group->work[action->slot];

    BW_ASSERT(work->script != NULL); /* it was SPAWNED, and its end was not yet told */
    bw_script_go(work->script, action->run_not_after);
    if (action->slot == BW_GUARD_SLOT_ACTION)
        BW_CRASH_POINT(GUARD_AFTER_GO);
}

static void execute(struct bw_guard_group *group, const struct bw_guard_action *action)
{
    switch (action->kind) {
    case BW_GUARD_ACTION_SAVE:
        keep(group);
        break;
    case BW_GUARD_ACTION_MIRROR: /* when the loop is about to wait */
        break;
    case BW_GUARD_ACTION_SPAWN:
        spawn(group, action);
        break;
    case BW_GUARD_ACTION_GO:
        go(group, action);
        break;
    case BW_GUARD_ACTION_KILL_RUN:
        if (group->work[action->slot].script != NULL)
            bw_script_kill(group->work[action->slot].script);
        break;
    case BW_GUARD_ACTION_TERM_STARTED:
        bw_steps_forget_interrupted(&group->interrupted);
        term_slots(group, BW_REACH_SERVICE);
        if (group->unit_reach != NULL)
            bw_unit_reach_cancel(group->unit_reach);
        break;
    case BW_GUARD_ACTION_TERM_REACH:
        bw_steps_forget_interrupted(&group->interrupted);
        term_reach(group);
        break;
    case BW_GUARD_ACTION_KILL_REACH:
        bw_steps_forget_interrupted(&group->interrupted);
        bw_guard_group_kill_reach(group);
        BW_CRASH_POINT(GUARD_AFTER_KILL);
        break;
    case BW_GUARD_ACTION_PASS:
        bw_guard_steps_pass(&group->work[action->slot]);
        break;
    case BW_GUARD_ACTION_SEND:
        bw_guard_agents_send(group->program, &action->message);
        break;
    }
}

/* ---- the guard ----------------------------------------------------------------------------- */

static void do_action(struct bw_guard_group *group, const struct bw_guard_machine_action *action)
{
    if (!action->is_late)
        bw_guard_log_action(group, action->action);
    if (!action->is_idle)
        execute(group, action->action);
}

static void tell_end(struct bw_guard_group *group, const struct bw_guard_machine_action *action)
{
    struct bw_guard_event ended;

    bw_guard_work_tell_end(&group->work[action->slot], action->is_given_up, &ended);
    bw_guard_machine_ended(&group->program->machine, &group->at, &ended, bw_clock_now());
}

/* The group of an action that is about one. */
static struct bw_guard_group *group_of(const struct bw_guard_machine_action *action)
{
    BW_ASSERT(action->group != NULL);
    return action->group->owner;
}

static void do_next(struct bw_guard_program *program, const struct bw_guard_machine_action *action)
{
    switch (action->kind) {
    case BW_GUARD_MACHINE_STEPPED:
        bw_guard_log_step(group_of(action), action->before);
        break;
    case BW_GUARD_MACHINE_DO:
        do_action(group_of(action), action);
        break;
    case BW_GUARD_MACHINE_TELL_END:
        tell_end(group_of(action), action);
        break;
    case BW_GUARD_MACHINE_WRITE_SAVES:
        write_saves(program);
        break;
    case BW_GUARD_MACHINE_PROVE:
        bw_guard_machine_proved(&program->machine, action->group,
                                bw_guard_group_prove(group_of(action), action->is_late),
                                bw_clock_now());
        break;
    case BW_GUARD_MACHINE_REFUSE:
        bw_guard_agents_refuse(program, action);
        break;
    case BW_GUARD_MACHINE_REFUSE_HELLO:
        bw_guard_agents_refuse_hello(program, action->hello);
        break;
    case BW_GUARD_MACHINE_SESSION:
        bw_guard_agents_execute(program, &action->session);
        break;
    case BW_GUARD_MACHINE_GREET_AGAIN:
        bw_guard_agents_drop(program, action->connection);
        break;
    case BW_GUARD_MACHINE_FORGOTTEN:
        bw_log_warn(&program->log, "mirror.forgotten", "group=%s epoch=%" PRIu64,
                    group_of(action)->config->name, action->before->armed_epoch);
        break;
    case BW_GUARD_MACHINE_ENFORCE:
        bw_guard_enforcer_execute(program, &action->enforce);
        break;
    }
}

/* Asked in every turn: the timer is touched where something has changed. */
static void set_wake(struct bw_deadline *wake, struct bw_instant at)
{
    const struct bw_instant before = wake->is_set ? wake->at : BW_INSTANT_NEVER;

    if (at.boot_ns != before.boot_ns || at.raw_ns != before.raw_ns)
        bw_deadline_set(wake, at, BW_DEADLINE_RIGHT);
}

void bw_guard_go_on(struct bw_guard_program *program, bool is_turn_over)
{
    struct bw_guard_machine_action action;

    if (program->is_closing || program->is_going_on)
        return; /* what has happened meanwhile is found by the loop below */
    program->is_going_on = true;
    while (!program->is_closing &&
           bw_guard_machine_next(&program->machine, bw_guard_agents_may_greet(program),
                                 is_turn_over, bw_clock_now(), &action))
        do_next(program, &action);
    program->is_going_on = false;
    if (program->has_turns && !program->is_closing)
        set_wake(&program->wake, bw_guard_machine_wake(&program->machine, bw_clock_now()));
    bw_guard_program_look(program);
}
