/* What the machine asks for, carried out in order. */
#include "program.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/sys/clock.h>

/* ---- saves --------------------------------------------------------------------------------- */

static void keep(struct bw_guard_place *place)
{
    struct bw_guard_program *program = place->program;

    BW_ASSERT(place->save == NULL); /* the machine asks for one at a time */
    place->save = calloc(1, sizeof *place->save);
    BW_ASSERT(place->save != NULL);
    place->save->place = place;
    place->save->is_nobodys = bw_guard_machine_is_nobodys(&program->machine, &place->at);
    bw_guard_store_prepare(place->config->name, &place->machine.memory, &place->save->file);
    place->save->file.reach = bw_guard_reach_copy(place, place->reach_saved);
    if (place->save->is_nobodys)
        place->save->file.err = BW_OK;
    BW_CRASH_POINT(GUARD_BEFORE_SAVE);
}

/* Nobody waits for the disk here. */
static void write_saves(struct bw_guard_program *program)
{
    struct bw_guard_save_round *round = &program->round;
    const struct bw_guarded *group;

    round->store = &program->store;
    round->count = 0;
    while (round->count < BW_DURABLE_ITEMS_MAX &&
           (group = bw_guard_machine_take_save(&program->machine)) != NULL)
        round->saves[round->count++] = ((struct bw_guard_place *)group->owner)->save;
    bw_worker_begin(program->disk, bw_guard_store_save, round);
}

static void saved(struct bw_guard_save *job)
{
    struct bw_guard_place *place = job->place;
    const bool ok = job->file.err == BW_OK;

    BW_CRASH_POINT(GUARD_AFTER_SAVE);
    if (!ok)
        bw_log_error(&place->program->log, "state.unsaved",
                     "group=%s error=%s does=\"what rests on it is refused; the next one goes into a "
                     "new file\"",
                     place->config->name, bw_log_quote(job->file.diag.text));
    if (ok && job->file.reach.bytes != NULL && !job->is_nobodys)
        place->reach_saved = job->file.reach.version;
    place->save = NULL;
    free(job->file.reach.bytes);
    free(job);
    bw_guard_machine_on_saved(&place->program->machine, &place->at, ok);
}

void bw_guard_places_saved(void *of, void *user)
{
    struct bw_guard_program *program = user;
    const struct bw_guard_save_round *round = of;

    for (uint32_t i = 0; i < round->count; i++)
        saved(round->saves[i]);
    bw_guard_machine_on_round_saved(&program->machine);
    bw_guard_go_on(program, false);
}

/* ---- one group ----------------------------------------------------------------------------- */

static void term_slots(struct bw_guard_place *place, enum bw_reach_slot slots)
{
    struct bw_diag diag = {0};

    if (bw_reach_signal_soon(&place->reach, slots, SIGTERM, &diag) != BW_OK)
        bw_log_error(&place->program->log, "reach.unterminated",
                     "group=%s error=%s does=\"KILL follows\"", place->config->name,
                     bw_log_quote(diag.text));
}

static void term_reach(struct bw_guard_place *place)
{
    struct bw_diag diag = {0};

    BW_CRASH_POINT(GUARD_BEFORE_TERM);
    term_slots(place, BW_REACH_SERVED);
    if (place->unit_reach != NULL && bw_unit_reach_term(place->unit_reach, &diag) != BW_OK)
        bw_log_error(&place->program->log, "units.unterminated",
                     "group=%s error=%s does=\"KILL follows\"", place->config->name,
                     bw_log_quote(diag.text));
    BW_CRASH_POINT(GUARD_AFTER_TERM);
}

/* Where their processes are is learned while there is time: before a fence has to end them. */
static void spawn(struct bw_guard_place *place, const struct bw_guard_action *action)
{
    struct bw_guard_event spawned;

    if (place->unit_reach != NULL && action->slot == BW_GUARD_SLOT_FENCE)
        bw_unit_reach_look(place->unit_reach);
    if (action->slot == BW_GUARD_SLOT_FENCE)
        BW_CRASH_POINT(GUARD_BEFORE_FENCE);
    if (action->slot == BW_GUARD_SLOT_ACTION)
        BW_CRASH_POINT(GUARD_BEFORE_SPAWN);
    bw_guard_work_start(&place->work[action->slot], &action->run, &spawned);
    if (action->slot == BW_GUARD_SLOT_ACTION)
        BW_CRASH_POINT(GUARD_AFTER_SPAWN);
    bw_guard_machine_spawned(&place->program->machine, &place->at, &spawned, bw_clock_now());
}

static void go(struct bw_guard_place *place, const struct bw_guard_action *action)
{
    struct bw_guard_work *work = &place->work[action->slot];

    BW_ASSERT(work->script != NULL); /* it was SPAWNED, and its end was not yet told */
    bw_script_go(work->script, action->run_not_after);
    if (action->slot == BW_GUARD_SLOT_ACTION)
        BW_CRASH_POINT(GUARD_AFTER_GO);
}

static void carry_out(struct bw_guard_place *place, const struct bw_guard_action *action)
{
    switch (action->kind) {
    case BW_GUARD_ACTION_SAVE:
        keep(place);
        break;
    case BW_GUARD_ACTION_MIRROR: /* when the loop is about to wait */
        break;
    case BW_GUARD_ACTION_SPAWN:
        spawn(place, action);
        break;
    case BW_GUARD_ACTION_GO:
        go(place, action);
        break;
    case BW_GUARD_ACTION_KILL_RUN:
        if (place->work[action->slot].script != NULL)
            bw_script_kill(place->work[action->slot].script);
        break;
    case BW_GUARD_ACTION_TERM_STARTED:
        term_slots(place, BW_REACH_SERVICE);
        break;
    case BW_GUARD_ACTION_TERM_REACH:
        term_reach(place);
        break;
    case BW_GUARD_ACTION_KILL_REACH:
        bw_guard_place_kill_reach(place);
        BW_CRASH_POINT(GUARD_AFTER_KILL);
        break;
    case BW_GUARD_ACTION_SEND:
        bw_guard_agents_send(place->program, &action->message);
        break;
    }
}

/* ---- the guard ----------------------------------------------------------------------------- */

static void do_action(struct bw_guard_place *place, const struct bw_guard_machine_action *action)
{
    if (!action->is_late)
        bw_guard_trace_action(place, action->action);
    if (!action->is_idle)
        carry_out(place, action->action);
}

static void tell_end(struct bw_guard_place *place, const struct bw_guard_machine_action *action)
{
    struct bw_guard_event ended;

    bw_guard_work_tell_end(&place->work[action->slot], action->is_given_up, &ended);
    bw_guard_machine_ended(&place->program->machine, &place->at, &ended, bw_clock_now());
}

static void do_next(struct bw_guard_program *program, const struct bw_guard_machine_action *action)
{
    struct bw_guard_place *place = action->group != NULL ? action->group->owner : NULL;

    switch (action->kind) {
    case BW_GUARD_MACHINE_STEPPED:
        bw_guard_trace_step(place, action->before);
        break;
    case BW_GUARD_MACHINE_DO:
        do_action(place, action);
        break;
    case BW_GUARD_MACHINE_TELL_END:
        tell_end(place, action);
        break;
    case BW_GUARD_MACHINE_WRITE_SAVES:
        write_saves(program);
        break;
    case BW_GUARD_MACHINE_PROVE:
        bw_guard_machine_proved(&program->machine, &place->at,
                                bw_guard_place_prove(place, action->is_late), bw_clock_now());
        break;
    case BW_GUARD_MACHINE_REFUSE:
        bw_guard_agents_refuse(program, action);
        break;
    case BW_GUARD_MACHINE_REFUSE_HELLO:
        bw_guard_agents_refuse_hello(program, action->hello);
        break;
    case BW_GUARD_MACHINE_SESSION:
        bw_guard_agents_carry_out(program, &action->session);
        break;
    case BW_GUARD_MACHINE_GREET_AGAIN:
        bw_guard_agents_drop(program, action->connection);
        break;
    case BW_GUARD_MACHINE_FORGOTTEN:
        bw_log_warn(&program->log, "mirror.forgotten", "group=%s epoch=%" PRIu64,
                    place->config->name, action->before->armed_epoch);
        break;
    case BW_GUARD_MACHINE_ENFORCE:
        bw_guard_enforcer_carry_out(program, &action->enforce);
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
