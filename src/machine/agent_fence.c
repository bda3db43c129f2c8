/* The fence that the agent runs when it cannot rely on its guard (3.4). core/own_fence.c says what is wanted
 * and when; here is by which means, in which order, and what follows from their answers. */
#include "agent_internal.h"

#include <breakwater/core/turn.h>

struct fence_turn {
    struct bw_agent_machine *machine;
    uint32_t group;
    struct bw_turn turn;
    struct bw_own_fence_actions lists[BW_TURN_DEPTH_MAX];
};

static struct bw_group_agent *own_group(const struct fence_turn *turn)
{
    return &turn->machine->groups[turn->group];
}

static void step_once(struct fence_turn *turn, const struct bw_own_fence_event *event)
{
    struct bw_own_fence_actions *list = &turn->lists[bw_turn_begin(&turn->turn)];

    bw_own_fence_step(&own_group(turn)->fence, event, bw_agent_now(turn->machine), list);
    own_group(turn)->fence_at = list->wake_at;
    bw_turn_filled(&turn->turn, list->count);
}

/* ---- what it asks for ------------------------------------------------------------------------ */

static enum bw_err ask(const struct fence_turn *turn, enum bw_agent_action_kind kind,
                       enum bw_fence_means means, const struct bw_own_fence_action *fence)
{
    return bw_agent_ask(turn->machine,
                        &(struct bw_agent_action){
                            .kind = kind, .group = turn->group, .means = means, .fence = fence},
                        NULL);
}

static void answer(struct fence_turn *turn, enum bw_own_fence_event_kind kind)
{
    step_once(turn, &(struct bw_own_fence_event){.kind = kind, .ok = false});
}

static bool has_units(const struct fence_turn *turn)
{
    return own_group(turn)->fence.means_count > BW_FENCE_BY_UNITS;
}

/* What the reach itself shows needs no search; where it shows nothing a search may find more. Unknown is
 * never yes. */
static void look_for_starts(struct fence_turn *turn)
{
    if (ask(turn, BW_AGENT_ACTION_FENCE_LOOK, BW_FENCE_BY_REACH, NULL) != BW_OK ||
        ask(turn, BW_AGENT_ACTION_FENCE_LOOK, BW_FENCE_BY_MARKS, NULL) != BW_OK)
        answer(turn, BW_OWN_FENCE_EVENT_STARTS_SEEN);
}

/* Nothing is searched for by marks: that may take longer than what is left until the KILL, which no TERM
 * stands before (3.4). */
static void term(const struct fence_turn *turn)
{
    (void)ask(turn, BW_AGENT_ACTION_FENCE_TERM, BW_FENCE_BY_REACH, NULL); /* the KILL follows */
    if (has_units(turn))
        (void)ask(turn, BW_AGENT_ACTION_FENCE_TERM, BW_FENCE_BY_UNITS, NULL);
}

/* KILL to what needs no search, and then a search: none waits until nothing is left of another. That
 * nothing is left is for the steps to see. */
static void kill_once_by_others(const struct fence_turn *turn)
{
    if (has_units(turn))
        (void)ask(turn, BW_AGENT_ACTION_FENCE_KILL_ONCE, BW_FENCE_BY_UNITS, NULL);
    (void)ask(turn, BW_AGENT_ACTION_FENCE_KILL_ONCE, BW_FENCE_BY_MARKS, NULL);
}

static enum bw_fence_means means_of(const struct bw_own_fence_action *action)
{
    const enum bw_fence_means means = (enum bw_fence_means)action->means;

    return means;
}

static void kill_reach(struct fence_turn *turn, const struct bw_own_fence_action *action)
{
    const enum bw_err err = ask(turn, BW_AGENT_ACTION_FENCE_KILL, means_of(action), NULL);

    if (action->means == 0)
        kill_once_by_others(turn);
    if (err != BW_OK)
        answer(turn, BW_OWN_FENCE_EVENT_REACH_KILLED);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static uint32_t means_count(bool with_units)
{
    return with_units ? BW_FENCE_BY_UNITS + 1 : BW_FENCE_BY_MARKS + 1;
}

void bw_agent_fence_init(struct bw_group_agent *own, bool with_units)
{
    bw_own_fence_init(&own->fence, &own->site.limits, means_count(with_units));
    own->fence_at = BW_INSTANT_NEVER;
}

uint32_t bw_agent_machine_fences(const struct bw_agent_machine *machine)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < machine->group_count; i++)
        count += bw_own_fence_is_running(&machine->groups[i].fence);
    return count;
}

static void end_if_wanted(struct bw_agent_machine *machine)
{
    if (machine->wish != BW_AGENT_GOES_ON && bw_agent_machine_fences(machine) == 0)
        bw_agent_emit(machine, &(struct bw_agent_action){
                                   .kind = BW_AGENT_ACTION_END,
                                   .is_restart = machine->wish == BW_AGENT_WANTS_RESTART});
}

void bw_agent_end(struct bw_agent_machine *machine, bool is_restart)
{
    if (machine->wish != BW_AGENT_GOES_ON)
        return;
    machine->wish = is_restart ? BW_AGENT_WANTS_RESTART : BW_AGENT_WANTS_STOP;
    bw_agent_emit(machine, &(struct bw_agent_action){.kind = BW_AGENT_ACTION_NOTE,
                                                     .note = BW_AGENT_NOTE_STOPPING,
                                                     .number = bw_agent_machine_fences(machine)});
    end_if_wanted(machine);
}

/* An agent that can run none is begun anew: then it fences again (3.4). */
static void open_fence(struct bw_agent_machine *machine, uint32_t group)
{
    struct bw_group_agent *own = &machine->groups[group];
    const struct bw_agent_action open = {.kind = BW_AGENT_ACTION_FENCE_OPEN, .group = group};

    if (bw_agent_ask(machine, &open, NULL) == BW_OK)
        return;
    bw_agent_fence_init(own, own->fence.means_count > BW_FENCE_BY_UNITS);
    bw_agent_end(machine, true);
}

/* The next one, if one waits, has begun already. */
static void end(struct fence_turn *turn, const struct bw_own_fence_action *action)
{
    (void)ask(turn, BW_AGENT_ACTION_FENCE_CLOSE, BW_FENCE_BY_REACH, action);
    if (bw_own_fence_is_running(&own_group(turn)->fence))
        open_fence(turn->machine, turn->group);
    bw_agent_step_group(turn->machine, turn->group,
                        &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED,
                                                .epoch = action->epoch,
                                                .ok = action->ok});
    end_if_wanted(turn->machine);
}

/* ---- a step ---------------------------------------------------------------------------------- */

/* What is due is done before what has come is heard: a kill of the script whose end that is (3.4)
 * has nothing left to end, and its end follows at once. */
static void kill_run(const struct fence_turn *turn)
{
    if (!own_group(turn)->is_run_over)
        (void)ask(turn, BW_AGENT_ACTION_FENCE_KILL_RUN, BW_FENCE_BY_REACH, NULL);
}

static void execute(struct fence_turn *turn, const struct bw_own_fence_action *action)
{
    (void)ask(turn, BW_AGENT_ACTION_FENCE_STEPPED, BW_FENCE_BY_REACH, action);
    switch (action->kind) {
    case BW_OWN_FENCE_ACTION_RUN:
        if (ask(turn, BW_AGENT_ACTION_FENCE_RUN, BW_FENCE_BY_REACH, action) != BW_OK)
            answer(turn, BW_OWN_FENCE_EVENT_RUN_UNBEGUN);
        return;
    case BW_OWN_FENCE_ACTION_KILL_RUN:
        kill_run(turn);
        return;
    case BW_OWN_FENCE_ACTION_SEE_STARTS:
        look_for_starts(turn);
        return;
    case BW_OWN_FENCE_ACTION_TERM_REACH:
        term(turn);
        return;
    case BW_OWN_FENCE_ACTION_KILL_REACH:
        kill_reach(turn, action);
        return;
    case BW_OWN_FENCE_ACTION_ENDED:
        end(turn, action);
        return;
    }
}

/* Units are looked at once nothing of a start is left that could order them up. True: their answer follows. */
static bool looks_at_units(struct bw_agent_machine *machine, const struct bw_agent_event *event,
                           struct bw_own_fence_event *out_seen)
{
    struct fence_turn turn = {.machine = machine, .group = event->group};

    if (!event->ok || event->means == BW_FENCE_BY_UNITS || !has_units(&turn) ||
        own_group(&turn)->fence.state != BW_OWN_FENCE_STARTS)
        return false;
    out_seen->ok = false;
    return ask(&turn, BW_AGENT_ACTION_FENCE_LOOK, BW_FENCE_BY_UNITS, NULL) == BW_OK;
}

static void step(struct bw_agent_machine *machine, uint32_t group,
                 const struct bw_own_fence_event *event)
{
    struct fence_turn turn = {.machine = machine, .group = group};
    uint32_t list;
    uint32_t at;

    step_once(&turn, event);
    while (bw_turn_next(&turn.turn, &list, &at))
        execute(&turn, &turn.lists[list].list[at]);
}

/* A state that is entered acts in a turn of its own: never within what has led to it. */
void bw_agent_fence_start(struct bw_agent_machine *machine, uint32_t group,
                          const struct bw_site_action *action)
{
    const bool was_running = bw_own_fence_is_running(&machine->groups[group].fence);

    step(machine, group,
         &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_START,
                                      .epoch = action->epoch,
                                      .plan = action->fence,
                                      .is_inside = action->is_inside,
                                      .is_proved = action->is_proved});
    if (!was_running)
        open_fence(machine, group);
}

void bw_agent_on_fence(struct bw_agent_machine *machine, const struct bw_agent_event *event)
{
    struct bw_own_fence_event happened = {.kind = BW_OWN_FENCE_EVENT_RUN_ENDED,
                                          .ok = event->ok,
                                          .was_signaled = event->was_signaled,
                                          .line = event->line};

    if (event->kind == BW_AGENT_EVENT_FENCE_LOOKED)
        happened.kind = BW_OWN_FENCE_EVENT_STARTS_SEEN;
    else if (event->kind == BW_AGENT_EVENT_FENCE_KILLED)
        happened.kind = BW_OWN_FENCE_EVENT_REACH_KILLED;
    machine->groups[event->group].is_run_over = false; /* it is told now */
    if (event->kind == BW_AGENT_EVENT_FENCE_LOOKED && looks_at_units(machine, event, &happened))
        return;
    step(machine, event->group, &happened);
}

void bw_agent_fences_serve(struct bw_agent_machine *machine)
{
    const struct bw_own_fence_event tick = {.kind = BW_OWN_FENCE_EVENT_TICK};
    const struct bw_instant now = bw_agent_now(machine);

    for (uint32_t i = 0; i < machine->group_count; i++)
        if (bw_instant_right_is_over(now, machine->groups[i].fence_at))
            step(machine, i, &tick);
}
