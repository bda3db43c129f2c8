/* script.c - the scripts of a site as actors: they take time, and do what scripts do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/site.h>

#include "check_lease.h"
#include "check_override.h"
#include "check_site.h"
#include "checks.h"
#include "guard.h"
#include "machine.h"
#include "units.h"

#define EXEC_NS_MAX      (300 * 1000)   /* from the go-ahead to exec */
#define EXEC_LATE_NS_MAX (50 * SIM_MS)  /* on a machine that has others to serve */
#define EXEC_LATE_PER_MILLION 10000
#define REAP_NS_MAX      (500 * 1000)   /* until its parent hears of its end */
#define LEFT_BEHIND_NS_MAX (800 * SIM_MS) /* a child goes on so long after its start script */
#define LEFT_LATE_ONE_IN   8 /* and of so many one that much longer: nobody waits for it any more */
#define LEFT_LATE_FACTOR   40
#define REMOTE_FAILS_PERCENT  30
#define REMOTE_HANGS_PERCENT  10
#define MISSED_PERCENT     50 /* of what is left behind, by a stop or fence script */
#define QUICK_PERCENT      25             /* of what is well takes no time to speak of */
#define QUICK_NS_MAX       (5 * SIM_MS)

/* How long a well one takes; never more than a third of its limit. */
static const struct {
    uint64_t least_ns, most_ns;
} lasts[BW_ACTION_COUNT] = {
    [BW_ACTION_START] = {50 * SIM_MS, 4 * SIM_S},
    [BW_ACTION_STOP] = {20 * SIM_MS, 1 * SIM_S},
    [BW_ACTION_FENCE] = {5 * SIM_MS, 300 * SIM_MS},
    [BW_ACTION_REJOIN] = {100 * SIM_MS, 3 * SIM_S},
    [BW_ACTION_REMOTE_FENCE] = {50 * SIM_MS, 5 * SIM_S},
    [BW_ACTION_STATUS] = {1 * SIM_MS, 20 * SIM_MS},
    [BW_ACTION_READINESS] = {2 * SIM_MS, 50 * SIM_MS},
    [BW_ACTION_CONDITION] = {1 * SIM_MS, 10 * SIM_MS},
    [BW_ACTION_VERIFY] = {2 * SIM_MS, 50 * SIM_MS},
};

/* ---- the table of what runs --------------------------------------------------------------------- */

static struct sim_run *find(struct sim_machine *machine, uint64_t serial)
{
    struct sim_run *run = &machine->runs[serial % SIM_RUNS_MAX];

    return run->is_used && run->serial == serial ? run : NULL;
}

bool sim_run_is_alive(const struct sim_machine *machine, uint64_t serial)
{
    const struct sim_run *run = &machine->runs[serial % SIM_RUNS_MAX];

    return run->is_used && run->serial == serial;
}

void sim_run_vanish(struct sim_machine *machine, uint64_t serial)
{
    struct sim_run *run = find(machine, serial);

    if (run != NULL)
        run->is_used = false;
}

static struct sim_run *new_run(struct sim_machine *machine, const struct sim_run_order *order)
{
    for (uint64_t tries = 0; tries < SIM_RUNS_MAX; tries++) {
        const uint64_t serial = ++machine->forks;
        struct sim_run *run = &machine->runs[serial % SIM_RUNS_MAX];

        if (run->is_used)
            continue;
        *run = (struct sim_run){.is_used = true, .serial = serial, .order = *order};
        run->parent_life = order->parent != NULL ? order->parent->life : 0;
        return run;
    }
    return NULL;
}

uint64_t sim_run_fork(struct sim_machine *machine, const struct sim_run_order *order)
{
    const struct sim_run *run = new_run(machine, order);

    return run != NULL ? run->serial : 0;
}

void sim_runs_orphan(struct sim_machine *machine, const struct sim_process *parent)
{
    for (uint32_t i = 0; i < SIM_RUNS_MAX; i++) {
        struct sim_run *run = &machine->runs[i];

        if (run->is_used && run->order.parent == parent && !run->has_go)
            run->is_used = false;
    }
}

static void *packed(uint64_t serial)
{
    return (void *)(uintptr_t)serial;
}

/* ---- what it will do ---------------------------------------------------------------------------- */

static void draw_failure(struct sim_machine *machine, struct sim_run *run)
{
    const uint64_t kind = bw_prng_below(&machine->host->chance, 3);

    run->plan.code = 1;
    run->plan.has_effect = kind == 0;
    if (kind == 1 && run->order.action == BW_ACTION_START)
        run->plan.code = BW_START_EXIT_NOTHING_CHANGED;
}

static void draw_condition(const struct sim_machine *machine, struct sim_run *run)
{
    const enum sim_condition condition = machine->conditions[run->order.group];

    if (condition == SIM_CONDITION_FAILS)
        run->plan.code = 1;
    run->plan.hangs |= condition == SIM_CONDITION_HANGS;
}

/* The API that it speaks to is another machine's, in the hour in which that was lost. */
static void draw_remote_fence(struct sim_machine *machine, struct sim_run *run)
{
    const uint64_t percent = bw_prng_below(&machine->host->chance, 100);

    if (percent < REMOTE_FAILS_PERCENT) {
        run->plan.code = 1;
        run->plan.has_effect = percent % 3 == 0;
    }
    run->plan.hangs |= percent >= 100 - REMOTE_HANGS_PERCENT;
}

static void draw_plan(struct sim_machine *machine, struct sim_run *run)
{
    const struct sim_script_faults *faults = &machine->faults;
    const enum bw_action_kind action = run->order.action;
    const uint64_t limit_ns = machine->host->world->setting.script_limit_ns[action];
    struct bw_prng *chance = &machine->host->chance;
    struct sim_run_plan *plan = &run->plan;
    uint64_t most_ns = lasts[action].most_ns;

    most_ns = most_ns < limit_ns / 3 ? most_ns : limit_ns / 3;
    plan->end_ns = lasts[action].least_ns < most_ns ? lasts[action].least_ns : most_ns / 2;
    plan->end_ns += bw_prng_below(chance, most_ns - plan->end_ns + 1);
    if (bw_prng_below(chance, 100) < QUICK_PERCENT)
        plan->end_ns = bw_prng_below(chance, QUICK_NS_MAX);
    if (sim_percent(machine, faults->slow_percent))
        plan->end_ns += bw_prng_below(chance, limit_ns + limit_ns / 2);
    plan->effect_ns = bw_prng_below(chance, plan->end_ns + 1);
    plan->has_effect = true;
    if (faults->start_takes_ms > 0 && action == BW_ACTION_START)
        plan->effect_ns = plan->end_ns = faults->start_takes_ms * SIM_MS;
    if (sim_percent(machine, faults->fail_percent))
        draw_failure(machine, run);
    plan->hangs = sim_percent(machine, faults->hang_percent);
    if (plan->hangs)
        plan->has_effect = bw_prng_below(chance, 2) == 0;
    plan->hangs |= action == BW_ACTION_STATUS && faults->status_hangs;
    plan->ignores_term = sim_percent(machine, faults->ignore_term_percent);
    plan->lies = (action == BW_ACTION_START || action == BW_ACTION_STOP) &&
                 sim_percent(machine, faults->lie_percent);
    plan->forks = action == BW_ACTION_START && (machine->forks_always ||
                                                sim_percent(machine, faults->fork_percent));
    plan->speaks_nonsense = action == BW_ACTION_STATUS &&
                            sim_percent(machine, faults->wrong_word_percent);
    plan->is_ended = (run->order.slot & (SIM_SLOT_OBSERVE | SIM_SLOT_FENCE)) != 0 &&
                     action == BW_ACTION_STATUS && sim_percent(machine, faults->ended_percent);
    if (action == BW_ACTION_CONDITION)
        draw_condition(machine, run);
    if (action == BW_ACTION_REMOTE_FENCE)
        draw_remote_fence(machine, run);
    if (faults->is_away) {
        plan->has_effect = false;
        plan->code = 1;
        plan->lies = plan->forks = false;
        plan->speaks_nonsense = action == BW_ACTION_STATUS;
    }
    if (action == BW_ACTION_FENCE && sim_percent(machine, faults->fence_fails_percent)) {
        plan->has_effect = false;
        plan->code = (int)bw_prng_below(chance, 2);
        if (machine->services[run->order.group].is_up)
            sim_checks_unfenced(machine->host->world, machine->host->number, run->order.group,
                                faults->unfenced_until_ns);
    }
}

/* A service that hangs: its fence script and every look at it hang too, until KILL. Nobody's KILL
 * comes after a fence of the agent's own: that one hangs with the service. */
static void be_stubborn(struct sim_machine *machine, struct sim_run *run)
{
    const enum bw_action_kind action = run->order.action;
    const bool is_up = machine->services[run->order.group].is_up;
    const bool is_own = (run->order.slot & SIM_SLOT_OWN) != 0;
    const bool is_end = action == BW_ACTION_FENCE || action == BW_ACTION_STOP;

    if (!machine->is_stubborn || (run->order.slot & (SIM_SLOT_FENCE | SIM_SLOT_OWN)) == 0 ||
        !(is_up ? is_end || action == BW_ACTION_STATUS : is_end && !is_own))
        return;
    run->plan.has_effect = false;
    run->plan.hangs = true;
    run->plan.ignores_term = true;
}

/* Which of the rarer things a run will do. */
static void count_plan(struct sim_world *world, const struct sim_run *run)
{
    const struct sim_run_plan *plan = &run->plan;

    if (plan->hangs)
        sim_count(world, "script:hangs");
    if (plan->code != 0)
        sim_count(world, "script:fails");
    if (plan->lies)
        sim_count(world, "script:lies");
    if (plan->forks)
        sim_count(world, "script:forks");
    if (plan->speaks_nonsense)
        sim_count(world, "script:nonsense");
    if (plan->is_ended)
        sim_count(world, "script:ended");
}

/* ---- its end ------------------------------------------------------------------------------------ */

/* What somebody has killed, or what was begun too late to end in time, has said nothing; nor has
 * it, where agent and guard know of other scripts: the agent takes it for one that fails (4). */
static void note_condition(const struct sim_machine *machine, const struct sim_run *run,
                           const struct sim_run_end *what)
{
    const bool is_silent = what->how == SIM_RUN_OTHER_SCRIPTS ||
                           (what->how == SIM_RUN_SIGNALED && !run->plan.hangs);
    enum sim_verdict verdict = SIM_VERDICT_FAILS;

    if (run->order.action != BW_ACTION_CONDITION || what->how == SIM_RUN_TOO_LATE)
        return;
    if (is_silent) {
        sim_check_condition_silent(machine->host->world, machine->host->number, run->order.group);
        return;
    }
    if (what->how == SIM_RUN_EXITED && what->code == 0)
        verdict = strcmp(what->line, "stop") == 0 ? SIM_VERDICT_STOP : SIM_VERDICT_START;
    sim_check_condition_answered(machine->host->world, machine->host->number, run->order.group, verdict);
}

static void end(struct sim_machine *machine, struct sim_run *run, struct sim_run_end *what)
{
    struct sim_process *parent = run->order.parent;
    struct sim_run_end *payload;

    note_condition(machine, run, what);
    run->is_used = false;
    sim_mix(machine->host->world, run->serial << 16 | (uint64_t)run->order.action << 8 |
                                      (uint64_t)what->how << 4 | (uint64_t)(what->code & 15));
    if (parent == NULL || parent->health == SIM_DEAD || parent->life != run->parent_life)
        return; /* an orphan */
    payload = malloc(sizeof *payload);
    BW_ASSERT(payload != NULL);
    what->serial = run->serial;
    what->group = run->order.group;
    what->key = run->order.key;
    what->found = run->found;
    *payload = *what;
    sim_later(parent, bw_prng_below(&machine->host->chance, REAP_NS_MAX), run->order.on_end,
              payload, free);
}

static void is_gone(struct sim_process *kernel, void *payload)
{
    struct sim_machine *machine = sim_machine(kernel->host);
    struct sim_run *run = find(machine, (uintptr_t)payload);
    struct sim_run_end what = {.how = SIM_RUN_SIGNALED, .code = 9};

    if (run != NULL)
        end(machine, run, &what);
}

/* In the middle of a call that nothing interrupts. */
static bool dies_slowly(struct sim_machine *machine, struct sim_run *run)
{
    const uint64_t most_ns = machine->faults.slow_death_ms * SIM_MS;

    if (most_ns == 0 || (run->order.slot & (SIM_SLOT_ACTION | SIM_SLOT_SERVICE)) == 0)
        return false;
    run->is_dying = true;
    sim_later(machine->kernel, bw_prng_below(&machine->host->chance, most_ns), is_gone,
              packed(run->serial), NULL);
    return true;
}

void sim_run_signal(struct sim_machine *machine, uint64_t serial, bool is_kill)
{
    struct sim_run *run = find(machine, serial);
    struct sim_run_end what = {.how = SIM_RUN_SIGNALED, .code = is_kill ? 9 : 15};

    if (run == NULL || run->is_dying)
        return;
    if (!is_kill && (run->plan.ignores_term || machine->scripts->health != SIM_ABLE))
        return;
    if (!is_kill || !dies_slowly(machine, run))
        end(machine, run, &what);
}

static void say_status(struct sim_machine *machine, const struct sim_run *run,
                       struct sim_run_end *what)
{
    static const char *const nonsense[] = {"unknown", "", "running", "stoped", "start", "1"};
    const size_t count = sizeof nonsense / sizeof nonsense[0];
    const char *up = machine->faults.is_sick ? "unhealthy" : "started";
    const char *word = run->saw_up ? up : "stopped";

    if (run->plan.speaks_nonsense)
        word = nonsense[bw_prng_below(&machine->host->chance, count)];
    (void)snprintf(what->line, sizeof what->line, "%s", word);
}

static void say_condition(const struct sim_machine *machine, const struct sim_run *run,
                          struct sim_run_end *what)
{
    const bool is_stop = machine->conditions[run->order.group] == SIM_CONDITION_STOP;

    (void)snprintf(what->line, sizeof what->line, "%s", is_stop ? "stop" : "start");
    sim_count(machine->host->world, what->code != 0 ? "condition:fails"
                                    : is_stop       ? "condition:stop"
                                                    : "condition:start");
}

/* Ready when it has reached the target that the run was told. */
static void say_readiness(struct sim_machine *machine, const struct sim_run *run,
                          struct sim_run_end *what)
{
    const struct sim_service *service = &machine->services[run->order.group];
    const uint64_t position = sim_service_position(machine, run->order.group);
    const uint64_t lag_ms = service->is_up ? 0 : service->lag_ms;
    const uint64_t target = strtoull(run->order.target_position, NULL, 10);
    size_t used = 0;

    if (service->is_lag_known || service->is_up)
        used = (size_t)snprintf(what->tail, sizeof what->tail, "lag_seconds=%llu.%03llu\n",
                                (unsigned long long)(lag_ms / 1000),
                                (unsigned long long)(lag_ms % 1000));
    (void)snprintf(what->tail + used, sizeof what->tail - used, "position=%llu\n",
                   (unsigned long long)position);
    if (what->code == 0 && run->order.target_position[0] != '\0' && position < target)
        what->code = 1;
}

static void finishes(struct sim_process *scripts, void *payload)
{
    struct sim_machine *machine = sim_machine(scripts->host);
    struct sim_run *run = find(machine, (uintptr_t)payload);
    struct sim_run_end what = {.how = SIM_RUN_EXITED};

    if (run == NULL || run->is_dying)
        return;
    what.code = run->plan.code;
    if (run->plan.is_ended)
        what = (struct sim_run_end){.how = SIM_RUN_SIGNALED, .code = 9};
    else if (run->order.action == BW_ACTION_STATUS)
        say_status(machine, run, &what);
    else if (run->order.action == BW_ACTION_CONDITION)
        say_condition(machine, run, &what);
    else if (run->order.action == BW_ACTION_READINESS)
        say_readiness(machine, run, &what);
    else if (run->order.action == BW_ACTION_VERIFY &&
             !machine->services[run->order.group].is_up)
        what.code = 1;
    end(machine, run, &what);
}

/* ---- what it does ------------------------------------------------------------------------------- */

static bool starts_outside(const struct sim_machine *machine, const struct sim_run *run)
{
    return sim_scripts_start_outside(machine, run->order.group, run->found);
}

static void left_behind_goes_on(struct sim_process *scripts, void *payload)
{
    struct sim_machine *machine = sim_machine(scripts->host);
    struct sim_run *run = find(machine, (uintptr_t)payload);

    if (run == NULL || run->is_dying)
        return;
    sim_service_up(machine, run->order.group, run->order.epoch, starts_outside(machine, run));
    run->is_used = false;
}

static uint64_t draw_left_ns(struct sim_machine *machine)
{
    const uint64_t ns = bw_prng_below(&machine->host->chance, LEFT_BEHIND_NS_MAX);

    if (machine->faults.left_takes_ms > 0)
        return machine->faults.left_takes_ms * SIM_MS;
    return ns % LEFT_LATE_ONE_IN == 0 ? ns * LEFT_LATE_FACTOR : ns;
}

/* A child that belongs to nobody goes on where the script has ended. */
static void leave_behind(struct sim_machine *machine, const struct sim_run *run)
{
    struct sim_run_order order = run->order;
    struct sim_run *child;
    const uint64_t rest_ns = run->plan.end_ns - run->plan.effect_ns;

    order.parent = NULL;
    child = new_run(machine, &order);
    if (child == NULL)
        return; /* no more processes: it has started nothing */
    child->has_go = true;
    child->found = run->found;
    child->plan.ignores_term = run->plan.ignores_term;
    sim_later(machine->scripts, rest_ns + draw_left_ns(machine), left_behind_goes_on,
              packed(child->serial), NULL);
}

/* A stop or fence script ends also a service that is still beginning, unless that has not written its
 * pid file yet. */
static void end_what_begins(struct sim_machine *machine, uint32_t group)
{
    for (uint32_t i = 0; i < SIM_RUNS_MAX; i++) {
        struct sim_run *run = &machine->runs[i];

        if (!run->is_used || run->order.parent != NULL || run->order.group != group)
            continue;
        if (sim_percent(machine, MISSED_PERCENT))
            sim_count(machine->host->world, "script:misses");
        else
            run->is_used = false;
    }
}

/* What cannot be taken back is the last of its steps. */
static bool waits_at_point(struct sim_machine *machine, struct sim_run *run)
{
    struct sim_process *parent = run->order.parent;

    if (!run->order.holds || !run->plan.has_effect || run->plan.lies)
        return false;
    run->waits = true;
    sim_count(machine->host->world, "point:waits");
    if (parent != NULL && parent->health != SIM_DEAD && parent->life == run->parent_life)
        sim_later(parent, 1, run->order.on_waits, packed(run->order.group), NULL);
    return true;
}

static void takes_effect(struct sim_process *scripts, void *payload)
{
    struct sim_machine *machine = sim_machine(scripts->host);
    struct sim_run *run = find(machine, (uintptr_t)payload);

    if (run == NULL || run->is_dying || waits_at_point(machine, run))
        return;
    if (run->plan.has_effect && !run->plan.lies) {
        switch (run->order.action) {
        case BW_ACTION_START:
            sim_check_start_acts(scripts->host->world, scripts->host, run);
            if (run->plan.forks)
                leave_behind(machine, run);
            else
                sim_service_up(machine, run->order.group, run->order.epoch,
                               starts_outside(machine, run));
            break;
        case BW_ACTION_STOP:
        case BW_ACTION_FENCE:
            end_what_begins(machine, run->order.group);
            sim_service_ended(machine, run->order.group, run->order.epoch, bw_action_word(run->order.action));
            break;
        case BW_ACTION_REMOTE_FENCE:
            if (!sim_service_fenced(scripts->host->world, run->order.previous_site,
                                    run->order.group, run->order.epoch, "fenced from another site"))
                run->plan.code = 1;
            else if (run->plan.code == 0)
                sim_check_remote_fence_saw(scripts->host->world, run->order.group,
                                           run->order.epoch);
            break;
        default: /* looks, and a rejoin: nothing that others see */
            break;
        }
    }
    run->saw_up = machine->services[run->order.group].is_up;
    if (!run->plan.hangs)
        sim_later(scripts, run->plan.end_ns - run->plan.effect_ns, finishes,
                  packed(run->serial), NULL);
}

void sim_run_pass(struct sim_machine *machine, uint64_t serial)
{
    struct sim_run *run = find(machine, serial);

    if (run == NULL)
        return;
    run->order.holds = false;
    if (run->waits)
        sim_later(machine->scripts, 1, takes_effect, packed(serial), NULL);
    run->waits = false;
}

/* ---- its beginning ------------------------------------------------------------------------------ */

/* As the child of src/sys: it looks at the bytes that it is about to run, and a start is of those that were
 * asked for, or does not begin (3.4). */
static bool refuses_others(const struct sim_machine *machine, struct sim_run *run)
{
    const struct sim_run_order *order = &run->order;

    if (order->files == 0 ||
        (order->action != BW_ACTION_START && order->action != BW_ACTION_STATUS))
        return false;
    run->found = machine->script_bytes[order->group][order->files - 1];
    return order->action == BW_ACTION_START && run->found != order->scripts;
}

static void begins(struct sim_process *scripts, void *payload)
{
    struct sim_machine *machine = sim_machine(scripts->host);
    struct sim_world *world = scripts->host->world;
    struct sim_run *run = find(machine, (uintptr_t)payload);
    struct sim_run_end too_late = {.how = SIM_RUN_TOO_LATE};
    struct sim_run_end others = {.how = SIM_RUN_OTHER_SCRIPTS};

    if (run == NULL || run->is_dying)
        return;
    /* Just before execve the clocks are read again (3.4, H7). */
    if (bw_instant_right_is_over(sim_clock_now(scripts->host), run->not_after)) {
        sim_count(world, "script:too_late");
        end(machine, run, &too_late);
        return;
    }
    if (refuses_others(machine, run)) {
        sim_count(world, "script:others");
        end(machine, run, &others);
        return;
    }
    run->began_ns = world->now_ns;
    if (run->order.slot == SIM_SLOT_FENCE)
        sim_check_fence_begins(world, scripts->host, run->order.group);
    draw_plan(machine, run);
    be_stubborn(machine, run);
    count_plan(world, run);
    if (world->tells && bw_action_is_action(run->order.action))
        sim_tell(world, scripts->host->name, "%s: %s of epoch %llu runs",
                 world->group_names[run->order.group], bw_action_word(run->order.action),
                 (unsigned long long)run->order.epoch);
    if (run->order.action == BW_ACTION_STOP || run->order.action == BW_ACTION_FENCE)
        sim_check_override_fences(world, scripts->host->number, run->order.group,
                                  "runs a script that stops while it overrides");
    if (run->order.action == BW_ACTION_REMOTE_FENCE)
        sim_check_remote_fence_begins(scripts->host, run->order.group, run->order.epoch,
                                      run->order.previous_site);
    if (run->order.action == BW_ACTION_STATUS)
        sim_check_look_begins(world, scripts->host->number, run->order.group);
    if (run->order.action == BW_ACTION_START)
        sim_check_start_begun(world, run->order.group, scripts->host->number, run->order.epoch);
    sim_later(scripts, run->plan.effect_ns, takes_effect, packed(run->serial), NULL);
}

/* And a little more, as far as the first part of the window goes (3.4). */
static uint64_t until_window_ns(struct sim_machine *machine, const struct sim_run *run)
{
    const struct sim_host *host = machine->host;
    const struct bw_guard *guard = sim_guard_machine(host->world->guards[host->number],
                                                     run->order.group);
    const uint64_t more_ns =
        guard == NULL ? 1 : bw_prng_below(&machine->host->chance, guard->mirror.fence_ns / 8 + 1);

    return guard == NULL ? more_ns
                         : more_ns + bw_instant_left_ns(sim_clock_now(host),
                                                        bw_instant_sub(guard->mirror.armed_end,
                                                                       guard->mirror.fence_ns));
}

void sim_run_go(struct sim_machine *machine, uint64_t serial, struct bw_instant not_after)
{
    struct bw_prng *chance = &machine->host->chance;
    struct sim_run *run = find(machine, serial);
    uint64_t delay_ns = bw_prng_below(chance, EXEC_NS_MAX);

    if (run == NULL)
        return;
    if (sim_chance(chance, EXEC_LATE_PER_MILLION))
        delay_ns += bw_prng_below(chance, EXEC_LATE_NS_MAX);
    if (machine->faults.execs_in_window && run->order.action == BW_ACTION_START)
        delay_ns += until_window_ns(machine, run);
    if (machine->faults.late_exec_ms > 0)
        delay_ns += bw_prng_below(chance, machine->faults.late_exec_ms * SIM_MS);
    run->has_go = true;
    run->not_after = not_after;
    sim_unit_watch(machine, run);
    sim_later(machine->scripts, delay_ns, begins, packed(serial), NULL);
}
