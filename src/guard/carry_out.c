/* What the machine asks for, carried out in order. */
#include "program.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/sys/clock.h>

/* ---- one action ---------------------------------------------------------------------------- */

static void begin_next_save(struct bw_guard_program *program)
{
    struct bw_guard_save_round *round = &program->round;
    const struct bw_round_item *item;

    if (!bw_rounds_begin(&program->saves))
        return;
    round->store = &program->store;
    round->count = 0;
    while (round->count < BW_DURABLE_ITEMS_MAX && (item = bw_rounds_take(&program->saves)) != NULL)
        round->saves[round->count++] = item->owner;
    bw_worker_begin(program->disk, bw_guard_store_save, round);
}

/* SAVED follows when the disk has answered: nobody waits for it here. */
static void save(struct bw_guard_place *place)
{
    struct bw_guard_program *program = place->program;

    BW_ASSERT(place->save == NULL); /* the machine asks for one at a time */
    place->save = calloc(1, sizeof *place->save);
    BW_ASSERT(place->save != NULL);
    place->save->place = place;
    place->save->is_nobodys = bw_guard_place_is_nobodys(place);
    bw_guard_store_prepare(place->config->name, &place->machine.memory, &place->save->file);
    place->save->file.reach = bw_guard_reach_copy(place, place->reach_saved);
    if (place->save->is_nobodys)
        place->save->file.err = BW_OK;
    BW_CRASH_POINT(GUARD_BEFORE_SAVE);
    place->save->item.owner = place->save;
    bw_rounds_ask(&program->saves, &place->save->item);
    begin_next_save(program);
}

static void saved(struct bw_guard_save *job)
{
    struct bw_guard_place *place = job->place;
    const bool ok = job->file.err == BW_OK;
    const struct bw_guard_event event = {.kind = BW_GUARD_EVENT_SAVED, .ok = ok};

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
    bw_guard_place_step(place, &event);
}

void bw_guard_places_saved(void *of, void *user)
{
    struct bw_guard_program *program = user;
    const struct bw_guard_save_round *round = of;

    bw_guard_program_serve_deadlines(program); /* they go before what waited */
    for (uint32_t i = 0; i < round->count; i++)
        saved(round->saves[i]);
    bw_rounds_end(&program->saves); /* what was asked for meanwhile goes together */
    if (!program->is_closing)
        begin_next_save(program);
}

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

/* Where their processes are is learned while there is time: before a fence has to end them. False: the
 * answer comes when the look that was asked for has begun. */
static bool spawn(struct bw_guard_place *place, const struct bw_guard_action *action,
                  struct bw_guard_event *out_answer)
{
    if (action->slot == BW_GUARD_SLOT_OBSERVATION && !bw_guard_looks_ask(place, &action->run))
        return false;
    if (action->slot != BW_GUARD_SLOT_OBSERVATION &&
        place->work[BW_GUARD_SLOT_OBSERVATION].is_waiting)
        bw_guard_looks_end(place); /* what changes the service goes first */
    if (place->unit_reach != NULL && action->slot == BW_GUARD_SLOT_FENCE)
        bw_unit_reach_look(place->unit_reach);
    if (action->slot == BW_GUARD_SLOT_FENCE)
        BW_CRASH_POINT(GUARD_BEFORE_FENCE);
    if (action->slot == BW_GUARD_SLOT_ACTION)
        BW_CRASH_POINT(GUARD_BEFORE_SPAWN);
    bw_guard_work_start(&place->work[action->slot], &action->run, out_answer);
    if (action->slot == BW_GUARD_SLOT_ACTION)
        BW_CRASH_POINT(GUARD_AFTER_SPAWN);
    return true;
}

static void kill_run(struct bw_guard_work *work)
{
    if (work->script != NULL)
        bw_script_kill(work->script);
    else if (work->is_waiting)
        bw_guard_looks_end(work->place);
}

/* True: `out_answer` is to be stepped before the next action. */
static bool carry_out(struct bw_guard_place *place, const struct bw_guard_action *action,
                      struct bw_guard_event *out_answer)
{
    struct bw_guard_work *work = &place->work[action->slot];

    bw_guard_trace_action(place, action);
    switch (action->kind) {
    case BW_GUARD_ACTION_SAVE:
        save(place);
        break;
    case BW_GUARD_ACTION_MIRROR:
        bw_enforcing_on_mirror(&place->program->enforcing, &place->enforcing, action->number);
        break;
    case BW_GUARD_ACTION_SPAWN:
        return spawn(place, action, out_answer);
    case BW_GUARD_ACTION_GO:
        BW_ASSERT(work->script != NULL); /* it was SPAWNED, and its end was not yet told */
        bw_script_go(work->script, action->run_not_after);
        if (action->slot == BW_GUARD_SLOT_ACTION)
            BW_CRASH_POINT(GUARD_AFTER_GO);
        break;
    case BW_GUARD_ACTION_KILL_RUN:
        kill_run(work);
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
        if (!bw_guard_place_is_nobodys(place))
            bw_guard_agents_send(place->program, &action->message);
        break;
    }
    return false;
}

/* ---- a step, and what follows from it ------------------------------------------------------ */

static void step_once(struct bw_guard_place *place, const struct bw_guard_event *event)
{
    struct bw_guard_seen before;

    bw_guard_trace_begin(place, &before);
    bw_guard_turn_step(&place->program->turn, &place->machine, event, bw_clock_now());
    bw_guard_trace_step(place, &before);
}

static void step_through(struct bw_guard_place *place, const struct bw_guard_event *event)
{
    const struct bw_guard_action *action;
    struct bw_guard_event answer;

    step_once(place, event);
    while ((action = bw_guard_turn_next(&place->program->turn)) != NULL)
        if (carry_out(place, action, &answer))
            step_once(place, &answer);
}

void bw_guard_place_step(struct bw_guard_place *place, const struct bw_guard_event *event)
{
    struct bw_guard_program *program = place->program;
    struct bw_guard_event ended;
    bool is_settled = false;

    if (program->is_closing)
        return;
    BW_ASSERT(!program->is_stepping);
    program->is_stepping = true;
    step_through(place, event);
    while (!is_settled) {
        is_settled = true;
        for (int slot = 0; slot < BW_GUARD_SLOT_COUNT; slot++) {
            if (bw_guard_work_take_end(&place->work[slot], &ended)) {
                step_through(place, &ended);
                is_settled = false;
            }
        }
    }
    bw_deadline_set(&place->deadline, bw_guard_turn_wake(&program->turn, bw_clock_now()),
                    BW_DEADLINE_RIGHT);
    bw_enforcing_on_step(&program->enforcing, &place->enforcing);
    program->is_stepping = false;
    bw_guard_program_look(program);
}

void bw_guard_place_tick(struct bw_guard_place *place)
{
    const struct bw_guard_event event = {.kind = BW_GUARD_EVENT_TICK};

    bw_guard_place_step(place, &event);
}
