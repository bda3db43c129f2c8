/* Rules F1 to F12, F30, F31. The order of steps, their instants, and what counts as success: all of it is
 * here and nowhere else. */
#include <breakwater/core/own_fence.h>

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/report.h>

#include "facts.h"

struct step {
    struct bw_own_fence *fence;
    struct bw_instant now;
    struct bw_own_fence_actions *out;
};

void bw_own_fence_init(struct bw_own_fence *fence, const struct bw_site_limits *limits,
                       uint32_t means_count)
{
    BW_ASSERT(means_count > 0);
    memset(fence, 0, sizeof *fence);
    fence->limits = limits;
    fence->means_count = means_count;
}

bool bw_own_fence_is_running(const struct bw_own_fence *fence)
{
    return fence->state != BW_OWN_FENCE_NONE;
}

static struct bw_own_fence_action *emit(const struct step *step, enum bw_own_fence_action_kind kind,
                                        const char *rule)
{
    struct bw_own_fence_action *action;

    BW_ASSERT(step->out->count < BW_OWN_FENCE_ACTIONS_MAX);
    action = &step->out->list[step->out->count++];
    memset(action, 0, sizeof *action);
    action->kind = kind;
    action->rule = rule;
    return action;
}

#define TO(state) (1u << BW_OWN_FENCE_##state)

/* Into which state each may go: a pair that is not here is a bug. What may serve is killed (F5,
 * F7), by its plan at the latest (F4); what was killed is looked at once more (F10). */
static const unsigned moves[] = {
    [BW_OWN_FENCE_NONE] = TO(SCRIPT),
    [BW_OWN_FENCE_SCRIPT] = TO(LOOK) | TO(KILL),
    [BW_OWN_FENCE_LOOK] = TO(STARTS) | TO(KILL),
    [BW_OWN_FENCE_STARTS] = TO(END) | TO(KILL),
    [BW_OWN_FENCE_KILL] = TO(KILL) | TO(LATE_SCRIPT), /* by one of the means after the other */
    [BW_OWN_FENCE_LATE_SCRIPT] = TO(LOOK_AGAIN),
    [BW_OWN_FENCE_LOOK_AGAIN] = TO(END),
    [BW_OWN_FENCE_END] = TO(NONE),
};

/* The only way in which the state changes. */
static void enter(struct bw_own_fence *fence, enum bw_own_fence_state to)
{
    BW_ASSERT((moves[fence->state] & (1u << to)) != 0);
    fence->state = to;
}

static void go_on(const struct step *step, enum bw_own_fence_state state)
{
    enter(step->fence, state);
    step->fence->is_due = true;
    step->fence->looks = 0;
}

/* ---- begin and end ------------------------------------------------------------------------- */

static void begin(struct bw_own_fence *fence, uint64_t epoch, const struct bw_fence_plan *plan,
                  bool is_inside, bool is_proved)
{
    bw_own_fence_init(fence, fence->limits, fence->means_count);
    fence->epoch = epoch;
    fence->plan = *plan;
    fence->is_inside = is_inside;
    fence->is_proved = is_proved;
    enter(fence, BW_OWN_FENCE_SCRIPT);
    fence->is_due = true;
}

/* A fence that has begun is finished (3.2.4): that of another epoch waits for its end. */
static void on_start(const struct step *step, const struct bw_own_fence_event *event)
{
    struct bw_own_fence *fence = step->fence;

    BW_ASSERT(event->epoch != 0);
    if (fence->state == BW_OWN_FENCE_NONE) {
        begin(fence, event->epoch, &event->plan, event->is_inside, event->is_proved);
        return;
    }
    fence->next_epoch = event->epoch;
    fence->next_plan = event->plan;
    fence->next_is_inside = event->is_inside;
    fence->next_is_proved = event->is_proved;
}

/* What was ordered elsewhere dies with no process here: of a service outside the reach a look says
 * something only after a fence or stop script has ended by itself with 0. */
static bool is_seen_stopped(const struct bw_own_fence *fence)
{
    return fence->service == BW_SERVICE_STOPPED &&
           ((fence->is_inside && !fence->left_due) || fence->is_script_well);
}

/* 3.2.4: seen, not believed. Status itself says `stopped`, and nothing is left in reach that could
 * begin to serve; where it cannot say, only a reach that is proved and was emptied has seen the end.
 * `started` means that the fence failed, whatever was killed. */
static bool has_succeeded(const struct bw_own_fence *fence)
{
    if (fence->service == BW_SERVICE_STARTED)
        return false;
    if (!fence->was_killed)
        return is_seen_stopped(fence);
    return fence->is_reach_empty && (is_seen_stopped(fence) || fence->is_proved);
}

static void finish(const struct step *step)
{
    struct bw_own_fence *fence = step->fence;
    const bool ok = has_succeeded(fence);
    struct bw_own_fence_action *ended = emit(step, BW_OWN_FENCE_ACTION_ENDED, ok ? "F11" : "F12");

    BW_ASSERT(fence->run == BW_OWN_FENCE_RUN_NONE);
    ended->epoch = fence->epoch;
    ended->ok = ok;
    if (fence->next_epoch != 0) {
        const struct bw_fence_plan plan = fence->next_plan;

        begin(fence, fence->next_epoch, &plan, fence->next_is_inside, fence->next_is_proved);
    } else {
        enter(fence, BW_OWN_FENCE_NONE);
    }
}

/* ---- scripts ------------------------------------------------------------------------------- */

static void run(const struct step *step, enum bw_action_kind script, uint64_t limit_ns,
                const char *rule)
{
    struct bw_own_fence *fence = step->fence;
    struct bw_own_fence_action *action = emit(step, BW_OWN_FENCE_ACTION_RUN, rule);
    const uint64_t own_limit_ns = fence->limits->timeout_ns[script];

    BW_ASSERT(fence->run == BW_OWN_FENCE_RUN_NONE); /* one at a time */
    fence->run = BW_OWN_FENCE_RUN_UNDER_WAY;
    action->script = script;
    action->limit_ns = limit_ns < own_limit_ns ? limit_ns : own_limit_ns;
}

static void run_fence_script(const struct step *step, uint64_t limit_ns, const char *rule)
{
    const bool has_fence = step->fence->limits->has_script[BW_ACTION_FENCE];

    step->fence->has_script_run = true; /* where it cannot be begun it would not be later on */
    run(step, has_fence ? BW_ACTION_FENCE : BW_ACTION_STOP, limit_ns, rule);
}

static void look(const struct step *step, uint64_t limit_ns, const char *rule)
{
    step->fence->service = BW_SERVICE_UNKNOWN;
    run(step, BW_ACTION_STATUS, limit_ns, rule);
}

/* ---- KILL ---------------------------------------------------------------------------------- */

/* Harder means do not wait for their instants when a softer one has failed already. */
static void kill_soon(const struct step *step, const char *rule)
{
    step->fence->kill_rule = rule;
    go_on(step, BW_OWN_FENCE_KILL);
}

static void kill_reach(const struct step *step, uint32_t means, const char *rule)
{
    struct bw_own_fence *fence = step->fence;

    enter(fence, BW_OWN_FENCE_KILL);
    fence->is_due = false;
    fence->means = means;
    emit(step, BW_OWN_FENCE_ACTION_KILL_REACH, rule)->means = means;
}

static void kill_first(const struct step *step, const char *rule)
{
    step->fence->was_killed = true;
    step->fence->is_reach_empty = true; /* until one of the means says otherwise */
    kill_reach(step, 0, rule);
}

/* What one of them cannot see another may: only together do they say that nothing is left. */
static void on_reach_killed(const struct step *step, bool ok)
{
    struct bw_own_fence *fence = step->fence;

    if (fence->state != BW_OWN_FENCE_KILL || fence->is_due)
        return;
    fence->is_reach_empty = fence->is_reach_empty && ok;
    if (fence->means + 1 == fence->means_count) {
        go_on(step, BW_OWN_FENCE_LATE_SCRIPT);
        return;
    }
    fence->means++;
    fence->is_due = true;
}

/* ---- what a script has said ---------------------------------------------------------------- */

/* True: it was the run that the KILL had cut off, and which says nothing. A step that waited until
 * its slot is free may begin. */
static bool was_cut_off(const struct step *step)
{
    struct bw_own_fence *fence = step->fence;
    const bool was = fence->run == BW_OWN_FENCE_RUN_CUT_OFF;

    fence->run = BW_OWN_FENCE_RUN_NONE;
    fence->runs_on = false;
    if (was && fence->state == BW_OWN_FENCE_LATE_SCRIPT)
        fence->is_due = true;
    return was;
}

static void on_looked(const struct step *step)
{
    if (!is_seen_stopped(step->fence)) {
        kill_soon(step, "F5");
        return;
    }
    enter(step->fence, BW_OWN_FENCE_STARTS);
    (void)emit(step, BW_OWN_FENCE_ACTION_SEE_STARTS, "F6");
}

#define LOOKS_MAX 50 /* of one state: then it is taken as one that cannot say */

/* A look that a signal of somebody else has ended has seen nothing: it is repeated (3.2.4). */
static bool looks_again(const struct step *step, const struct bw_own_fence_event *event)
{
    struct bw_own_fence *fence = step->fence;

    if (!event->was_signaled || ++fence->looks >= LOOKS_MAX)
        return false;
    fence->is_due = true;
    return true;
}

static void on_run_ended(const struct step *step, const struct bw_own_fence_event *event)
{
    struct bw_own_fence *fence = step->fence;

    if (fence->run == BW_OWN_FENCE_RUN_NONE || was_cut_off(step))
        return;
    if ((fence->state == BW_OWN_FENCE_LOOK || fence->state == BW_OWN_FENCE_LOOK_AGAIN) &&
        looks_again(step, event))
        return;
    switch (fence->state) {
    case BW_OWN_FENCE_SCRIPT: /* its word is not believed: what serves is looked at */
        fence->is_script_well = event->ok;
        go_on(step, BW_OWN_FENCE_LOOK);
        return;
    case BW_OWN_FENCE_LOOK:
        fence->service = event->ok ? bw_service_of_line(event->line) : BW_SERVICE_UNKNOWN;
        on_looked(step);
        return;
    case BW_OWN_FENCE_LATE_SCRIPT:
        fence->is_script_well = event->ok;
        go_on(step, BW_OWN_FENCE_LOOK_AGAIN);
        return;
    case BW_OWN_FENCE_LOOK_AGAIN:
        fence->service = event->ok ? bw_service_of_line(event->line) : BW_SERVICE_UNKNOWN;
        go_on(step, BW_OWN_FENCE_END);
        return;
    case BW_OWN_FENCE_KILL: /* it ran on beside it */
        fence->is_script_well = event->ok;
        return;
    case BW_OWN_FENCE_NONE:
    case BW_OWN_FENCE_STARTS:
    case BW_OWN_FENCE_END: /* none of these runs a script */
        break;
    }
}

static void on_run_unbegun(const struct step *step)
{
    struct bw_own_fence *fence = step->fence;

    if (fence->run == BW_OWN_FENCE_RUN_NONE || was_cut_off(step))
        return;
    switch (fence->state) {
    case BW_OWN_FENCE_SCRIPT:
    case BW_OWN_FENCE_LOOK:
        kill_soon(step, "F5");
        return;
    case BW_OWN_FENCE_LATE_SCRIPT:
        go_on(step, BW_OWN_FENCE_LOOK_AGAIN);
        return;
    case BW_OWN_FENCE_LOOK_AGAIN:
        go_on(step, BW_OWN_FENCE_END);
        return;
    case BW_OWN_FENCE_NONE:
    case BW_OWN_FENCE_STARTS:
    case BW_OWN_FENCE_KILL:
    case BW_OWN_FENCE_END:
        break;
    }
}

/* What a start left may have ordered the service again since the script ended well: once it is killed, the
 * script runs again. Where a kill of the reach alone ends the service, that is in reach too. */
static void note_left(struct bw_own_fence *fence)
{
    if (!fence->is_script_well || (fence->is_inside && fence->is_proved))
        return;
    fence->is_script_well = false;
    fence->has_script_run = false;
    fence->left_due = true;
}

/* 3.2.4: a start that its guard can end no more goes on by itself, and what it has ordered of systemd, too.
 * `stopped` means nothing before the place where starts run is empty, and its units are down. */
static void on_starts_seen(const struct step *step, bool is_empty)
{
    if (step->fence->state != BW_OWN_FENCE_STARTS)
        return;
    if (is_empty) {
        go_on(step, BW_OWN_FENCE_END);
        return;
    }
    note_left(step->fence);
    kill_soon(step, "F7");
}

/* Of containers their processes say it where Docker says nothing: one that hangs holds up no end. Which there are
 * this agent may have been told long ago, so then they are as a service outside: its script has to have ended well. */
bool bw_own_fence_are_units_down(const struct bw_own_fence *fence, const struct bw_own_fence_units *units)
{
    if (units->is_told)
        return units->are_down;
    return units->are_containers && !units->is_any && fence->is_script_well;
}

/* ---- by the clock -------------------------------------------------------------------------- */

/* What the plan asks for next; never: the KILL has begun, or is not needed. */
static struct bw_instant planned_at(const struct bw_own_fence *fence)
{
    if (fence->runs_on)
        return fence->plan.end;
    if (fence->state == BW_OWN_FENCE_NONE || fence->state >= BW_OWN_FENCE_KILL)
        return BW_INSTANT_NEVER;
    return fence->is_termed ? fence->plan.kill_at : fence->plan.term_at;
}

static void cut_off(const struct step *step, const char *rule)
{
    step->fence->runs_on = false;
    step->fence->run = BW_OWN_FENCE_RUN_CUT_OFF;
    (void)emit(step, BW_OWN_FENCE_ACTION_KILL_RUN, rule);
}

/* KILL of a reach that does not hold the service ends nothing of it; the script may yet. */
static void kill_script(const struct step *step)
{
    struct bw_own_fence *fence = step->fence;
    const bool is_script = fence->state == BW_OWN_FENCE_SCRIPT &&
                           fence->run == BW_OWN_FENCE_RUN_UNDER_WAY;

    kill_first(step, "F4");
    fence->runs_on = is_script && !fence->is_inside &&
                     !bw_instant_right_is_over(step->now, fence->plan.end);
    if (fence->run != BW_OWN_FENCE_RUN_NONE && !fence->runs_on)
        cut_off(step, "F4");
}

/* 3.2.4: a script that does not end, or cannot be ended, delays nothing. After TERM the state goes
 * on: a look may yet see that this was enough. */
static void obey_plan(const struct step *step)
{
    struct bw_own_fence *fence = step->fence;

    if (!bw_instant_right_is_over(step->now, planned_at(fence)))
        return;
    if (fence->runs_on) { /* every kill of a fence is done by D */
        cut_off(step, "F30");
        return;
    }
    if (!bw_instant_right_is_over(step->now, fence->plan.kill_at)) {
        fence->is_termed = true;
        (void)emit(step, BW_OWN_FENCE_ACTION_TERM_REACH, "F3");
        return;
    }
    kill_script(step);
}

static uint64_t left_ns(const struct step *step, struct bw_instant end)
{
    return bw_instant_left_ns(step->now, end);
}

/* ---- state by state ------------------------------------------------------------------------ */

static struct bw_instant script_end(const struct bw_own_fence *fence)
{
    return fence->is_inside ? fence->plan.term_at : fence->plan.end;
}

static void run_late_script(const struct step *step)
{
    if (step->fence->run != BW_OWN_FENCE_RUN_NONE)
        return; /* it is still dying, where this one is to run, or runs on */
    if (step->fence->has_script_run)
        go_on(step, BW_OWN_FENCE_LOOK_AGAIN);
    else if (step->fence->left_due && left_ns(step, step->fence->plan.end) > 0)
        run_fence_script(step, left_ns(step, step->fence->plan.end), "F31");
    else
        run_fence_script(step, UINT64_MAX, "F9");
}

static void act(const struct step *step)
{
    struct bw_own_fence *fence = step->fence;

    fence->is_due = false;
    switch (fence->state) {
    case BW_OWN_FENCE_SCRIPT:
        if (left_ns(step, fence->plan.term_at) == 0) /* it comes after the KILL */
            go_on(step, BW_OWN_FENCE_LOOK);
        else
            run_fence_script(step, left_ns(step, script_end(fence)), "F1");
        return;
    case BW_OWN_FENCE_LOOK:
        look(step, left_ns(step, fence->plan.kill_at), "F2");
        return;
    case BW_OWN_FENCE_KILL:
        if (fence->was_killed)
            kill_reach(step, fence->means, "F8");
        else
            kill_first(step, fence->kill_rule);
        return;
    case BW_OWN_FENCE_LATE_SCRIPT:
        run_late_script(step);
        return;
    case BW_OWN_FENCE_LOOK_AGAIN:
        look(step, UINT64_MAX, "F10");
        return;
    case BW_OWN_FENCE_END:
        finish(step);
        return;
    case BW_OWN_FENCE_NONE:
    case BW_OWN_FENCE_STARTS: /* entered and acted in one */
        break;
    }
}

const char *bw_own_fence_unsound(const struct bw_own_fence *fence)
{
    const bool is_running = bw_own_fence_is_running(fence);
    const bool runs = fence->run != BW_OWN_FENCE_RUN_NONE;

    FACT(!is_running || fence->epoch != 0, "the own fence: one that runs is of an epoch");
    FACT(is_running || fence->next_epoch == 0, "the own fence: what waits for its end has one to wait for");
    FACT(is_running || !fence->is_due, "the own fence: nothing is due of one that is over");
    FACT(is_running || !runs, "the own fence: nothing runs of one that is over");
    FACT(fence->state != BW_OWN_FENCE_STARTS || !runs,
         "the own fence: no script runs while it looks where starts run");
    FACT(fence->state != BW_OWN_FENCE_END || !runs, "the own fence: no script runs at its end");
    FACT(!fence->runs_on || fence->run == BW_OWN_FENCE_RUN_UNDER_WAY, /* 3.2.4: until D */
         "the own fence: what runs on is under way");
    FACT(!fence->runs_on || fence->was_killed, "the own fence: only beside the KILL a script runs on");
    FACT(!fence->is_reach_empty || fence->was_killed, /* 3.2.4: seen after the last kill */
         "the own fence: its reach is empty only after its KILL");
    FACT(fence->means < fence->means_count, "the own fence: it kills by a means that is there");
    return NULL;
}

void bw_own_fence_step(struct bw_own_fence *fence, const struct bw_own_fence_event *event,
                       struct bw_instant now, struct bw_own_fence_actions *out_actions)
{
    const struct step step = {.fence = fence, .now = now, .out = out_actions};

    out_actions->count = 0;
    switch (event->kind) {
    case BW_OWN_FENCE_EVENT_TICK:
        obey_plan(&step);
        if (fence->is_due)
            act(&step);
        break;
    case BW_OWN_FENCE_EVENT_START:
        on_start(&step, event);
        break;
    case BW_OWN_FENCE_EVENT_RUN_UNBEGUN:
        on_run_unbegun(&step);
        break;
    case BW_OWN_FENCE_EVENT_RUN_ENDED:
        on_run_ended(&step, event);
        break;
    case BW_OWN_FENCE_EVENT_STARTS_SEEN:
        on_starts_seen(&step, event->ok);
        break;
    case BW_OWN_FENCE_EVENT_REACH_KILLED:
        on_reach_killed(&step, event->ok);
        break;
    }
    BW_ASSERT_NONE(bw_own_fence_unsound(fence));
    out_actions->wake_at = fence->is_due ? now : planned_at(fence);
}
