/* enforcer.c - the life of an enforcer, and the socket between it and its guard: what that says, and when, the
 * product's machine/enforcing.h decides. */
#include "enforcer.h"

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include "check_override.h"
#include "units.h"

#define OVERDUE_NS     (500 * SIM_MS) /* a fork that has not begun by then has failed */
#define LINGER_PERCENT 70 /* of the grace between KILL and D, as after a guard's KILL */

struct sim_enforcer {
    struct sim_process *process;
    struct bw_enforcer machine;
    struct sim_process *guard; /* whose it is, in which of its lives */
    uint32_t guard_life;
    bool knows_units[SIM_GROUPS_MAX]; /* by which path each comes up */
};

static struct sim_enforcer *able(const struct sim_process *process)
{
    return process != NULL && process->health == SIM_ABLE && !sim_is_doomed(process) ? process->state
                                                                                     : NULL;
}

static void kill_group(struct sim_enforcer *enforcer, const struct bw_enforcer_order *order)
{
    struct sim_world *world = sim_world_of(enforcer->process);
    const int group = sim_group_find(world, order->group);

    BW_ASSERT(group >= 0);
    sim_count(world, "enforcer:kill");
    if (enforcer->machine.is_guard_gone)
        sim_count(world, "enforcer:kill_alone");
    if (enforcer->machine.is_guard_gone && enforcer->knows_units[group] &&
        sim_unit_is_unseen(sim_machine(enforcer->process->host), (uint32_t)group))
        sim_count(world, "enforcer:finds_unit");
    if (world->tells)
        sim_tell(world, enforcer->process->name, "%s: KILL to all in reach, epoch %llu",
                 order->group, (unsigned long long)order->epoch);
    sim_check_override_fences(world, enforcer->process->host->number, (uint32_t)group,
                              "has KILL sent to all by its enforcer while it overrides");
    sim_reach_signal(sim_machine(enforcer->process->host), (uint32_t)group,
                     SIM_SLOTS_SERVED |
                         (enforcer->knows_units[group] ? SIM_SLOT_UNITS_ENFORCER : 0),
                     true,
                     bw_lease_kill_grace_ns(order->fence_ns) * LINGER_PERCENT / 100);
}

static void serve(struct sim_enforcer *enforcer)
{
    uint32_t due[BW_ENFORCER_GROUPS_MAX];
    struct bw_instant wake_at;
    const uint32_t count =
        bw_enforcer_due(&enforcer->machine, sim_now(enforcer->process), due, &wake_at);

    for (uint32_t i = 0; i < count; i++)
        kill_group(enforcer, &enforcer->machine.groups[due[i]].order);
    if (bw_enforcer_may_end(&enforcer->machine))
        sim_process_kill(enforcer->process);
    else if (wake_at.boot_ns != enforcer->process->wake_at.boot_ns ||
             wake_at.raw_ns != enforcer->process->wake_at.raw_ns)
        sim_wake_at(enforcer->process, wake_at);
}

/* ---- what it says to its guard ------------------------------------------------------------------- */

struct word {
    enum { WORD_MADE, WORD_TAKEN, WORD_GONE, WORD_OVERDUE } kind;
    struct sim_process *process; /* whose, in which of its lives */
    uint32_t life;
    uint64_t number; /* TAKEN: of the frame; and what of it is not held */
    uint32_t refused_count;
    struct bw_enforcer_order refused[];
};

static struct word *word_of(struct sim_process *process, uint32_t life, int kind, uint32_t room)
{
    struct word *word = calloc(1, sizeof *word + room * sizeof word->refused[0]);

    BW_ASSERT(word != NULL);
    word->kind = kind;
    word->process = process;
    word->life = life;
    return word;
}

static void unmade(struct sim_guard *guard)
{
    guard->enforcer.process = NULL; /* one that begins after all is nobody's, and ends */
    bw_enforcing_on_unmade(&guard->daemon.enforcing, sim_now(guard->process));
}

static void gone(struct sim_guard *guard)
{
    bw_enforcing_on_lost(&guard->daemon.enforcing);
    bw_enforcing_on_gone(&guard->daemon.enforcing, sim_now(guard->process));
}

static void on_word(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;
    struct word *word = payload;
    const bool is_made = guard->daemon.enforcing.state == BW_ENFORCER_MADE;
    const bool is_making = guard->daemon.enforcing.state == BW_ENFORCER_MAKING;

    if (word->process == guard->enforcer.process && word->life == guard->enforcer.life) {
        if (word->kind == WORD_MADE && is_making && word->process->health != SIM_DEAD)
            bw_enforcing_on_made(&guard->daemon.enforcing);
        else if ((word->kind == WORD_GONE || word->kind == WORD_OVERDUE) && is_making)
            unmade(guard);
        else if (word->kind == WORD_GONE && is_made)
            gone(guard);
        if (word->kind == WORD_TAKEN) {
            guard->enforcer.unread--;
            bw_enforcing_on_taken(&guard->daemon.enforcing, word->number, word->refused,
                                  word->refused_count, sim_now(process));
        }
    }
    free(word);
    sim_guard_go_on(guard);
}

static void say(struct sim_enforcer *enforcer, struct word *word)
{
    struct sim_process *guard = enforcer->guard;

    if (guard == NULL || guard->health == SIM_DEAD || guard->life != enforcer->guard_life) {
        free(word);
        return;
    }
    if (word->kind == WORD_TAKEN)
        ((struct sim_guard *)guard->state)->enforcer.unread++;
    sim_later(guard, 0, on_word, word, free);
}

/* ---- its own life -------------------------------------------------------------------------------- */

static bool is_wanted_by(const struct sim_process *process, const struct sim_process *of)
{
    const struct sim_guard *guard = of->state;

    return guard != NULL && guard->enforcer.process == process &&
           guard->enforcer.life == process->life;
}

static void on_start(struct sim_process *process)
{
    struct sim_enforcer *enforcer = calloc(1, sizeof *enforcer);
    struct sim_process *guard = sim_world_of(process)->guards[process->host->number];

    BW_ASSERT(enforcer != NULL);
    enforcer->process = process;
    bw_enforcer_init(&enforcer->machine);
    process->state = enforcer;
    if (!is_wanted_by(process, guard)) { /* its guard died while it began */
        sim_process_kill(process);
        return;
    }
    enforcer->guard = guard;
    enforcer->guard_life = guard->life;
    say(enforcer, word_of(process, process->life, WORD_MADE, 0));
}

static void on_wake(struct sim_process *process)
{
    serve(process->state);
}

static void on_message(struct sim_process *process, const struct sim_message *message)
{
    (void)process;
    (void)message;
}

/* The kernel closes its socket. */
static void on_death(struct sim_process *process)
{
    say(process->state, word_of(process, process->life, WORD_GONE, 0));
    free(process->state);
    process->state = NULL;
}

const struct sim_process_ops sim_enforcer_ops = {.role = "enforcer",
                                                 .on_start = on_start,
                                                 .on_wake = on_wake,
                                                 .on_message = on_message,
                                                 .on_death = on_death};

static void on_guard_gone(struct sim_process *process, void *payload)
{
    struct sim_enforcer *enforcer = process->state;

    (void)payload;
    bw_enforcer_on_guard_gone(&enforcer->machine);
    serve(enforcer);
}

void sim_enforcer_guard_gone(struct sim_guard *guard)
{
    struct sim_process *process = guard->enforcer.process;

    if (process != NULL && process->health != SIM_DEAD && process->life == guard->enforcer.life)
        sim_later(process, 0, on_guard_gone, NULL, NULL);
}

/* ---- what it hears from its guard ---------------------------------------------------------------- */

struct frame {
    bool is_over;
    uint64_t number;
    uint32_t count;
    struct bw_enforcer_order orders[];
};

static bool arm(struct sim_enforcer *enforcer, const struct bw_enforcer_order *order)
{
    struct sim_machine *machine = sim_machine(enforcer->process->host);
    const int group = sim_group_find(machine->host->world, order->group);
    uint32_t at;

    BW_ASSERT(group >= 0);
    if (bw_enforcer_arm(&enforcer->machine, order, sim_now(enforcer->process)) != BW_OK) {
        sim_count(machine->host->world, "enforcer:refused");
        return false;
    }
    at = bw_enforcer_find(&enforcer->machine, order->group);
    machine->held[group] = enforcer->machine.groups[at].order;
    return true;
}

static void on_frame(struct sim_process *process, void *payload)
{
    struct sim_enforcer *enforcer = process->state;
    struct frame *frame = payload;
    struct word *taken = word_of(process, process->life, WORD_TAKEN, frame->count);

    taken->number = frame->number;
    for (uint32_t i = 0; i < frame->count; i++) {
        const struct bw_enforcer_order *order = &frame->orders[i];

        if (frame->is_over)
            bw_enforcer_disarm(&enforcer->machine, order->group, order->epoch);
        else if (!arm(enforcer, order))
            taken->refused[taken->refused_count++] = *order;
    }
    if (frame->is_over)
        free(taken);
    else
        say(enforcer, taken);
    free(frame);
    serve(enforcer);
}

static void on_units(struct sim_process *process, void *payload)
{
    ((struct sim_enforcer *)process->state)->knows_units[(uintptr_t)payload] = true;
}

/* What ends a group can always be opened here; where its units come up the guard may have to ask first. */
static void tell_reach(struct sim_guard *guard, struct bw_enforcing_group *of)
{
    const struct bw_guarded *guarded = of->owner;
    const struct sim_guard_group *own = guarded->owner;
    const uint32_t group = own->group;
    const bool are_asked = sim_unit_is_seen(guard->machine, group);
    struct bw_enforcing *enforcing = &guard->daemon.enforcing;
    struct sim_process *process = guard->enforcer.process;

    if (!are_asked) {
        sim_count(sim_world_of(guard->process), "enforcer:awaits_units");
        bw_enforcing_on_reach(enforcing, of, BW_ENFORCING_REACH_SHORT);
        return;
    }
    if (are_asked && process->health != SIM_DEAD && process->life == guard->enforcer.life)
        sim_later(process, 0, on_units, (void *)(uintptr_t)group, NULL);
    bw_enforcing_on_reach(enforcing, of, BW_ENFORCING_REACH_TAKEN);
}

static void on_units_seen(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;
    const uint32_t group = (uint32_t)(uintptr_t)payload;

    if (guard->daemon.enforcing.state == BW_ENFORCER_MADE)
        tell_reach(guard, &guard->groups[group].at.enforcing);
    sim_guard_on_units_seen(guard, group);
    sim_guard_go_on(guard);
}

void sim_enforcer_units_seen(struct sim_process *guard, uint32_t group)
{
    sim_later(guard, 0, on_units_seen, (void *)(uintptr_t)group, NULL);
}

/* True: it is in its socket; one that stands still reads it when it goes on. */
static bool tell(struct sim_guard *guard, const struct bw_enforcing_action *action)
{
    struct sim_process *process = guard->enforcer.process;
    struct frame *frame;

    if (process->health == SIM_DEAD || process->life != guard->enforcer.life)
        return false; /* its end is closed: that is read next */
    frame = malloc(sizeof *frame + action->order_count * sizeof frame->orders[0]);
    BW_ASSERT(frame != NULL);
    frame->is_over = action->kind == BW_ENFORCING_OVER;
    frame->number = action->number;
    frame->count = action->order_count;
    memcpy(frame->orders, action->orders, action->order_count * sizeof frame->orders[0]);
    sim_later(process, 0, on_frame, frame, free);
    return true;
}

/* ---- what its guard has to do -------------------------------------------------------------------- */

static void make(struct sim_guard *guard)
{
    struct sim_process *const *pool = guard->machine->enforcers;

    for (uint32_t i = 0; i < SIM_ENFORCERS_MAX; i++)
        if (pool[i]->health == SIM_DEAD && !pool[i]->is_kept_down) {
            guard->enforcer = (struct sim_guard_enforcer){.process = pool[i],
                                                          .life = pool[i]->life + 1}; /* soon */
            sim_process_start(pool[i]);
            sim_later(guard->process, OVERDUE_NS, on_word,
                      word_of(pool[i], guard->enforcer.life, WORD_OVERDUE, 0), free);
            return;
        }
    sim_count(sim_world_of(guard->process), "enforcer:none_free");
    unmade(guard);
}

/* One that has answered meanwhile, or has ended, is heard next. */
static void replace(struct sim_guard *guard)
{
    struct sim_process *process = guard->enforcer.process;

    if (guard->enforcer.unread > 0 || process->health == SIM_DEAD ||
        process->life != guard->enforcer.life)
        return;
    sim_count(sim_world_of(guard->process), "enforcer:replaced");
    sim_tell(sim_world_of(guard->process), guard->process->name, "ends its enforcer: it says nothing");
    sim_process_kill(process);
}

static void relieve(struct sim_guard *guard)
{
    bool are_done = true;

    for (uint32_t i = 0; i < SIM_ENFORCERS_MAX; i++) {
        struct sim_process *process = guard->machine->enforcers[i];
        struct sim_enforcer *enforcer = able(process);

        if (process->health == SIM_DEAD || process == guard->enforcer.process)
            continue;
        are_done &= enforcer != NULL;
        if (enforcer == NULL)
            continue;
        for (const struct bw_guarded *at = guard->daemon.first; at != NULL; at = at->next)
            (void)bw_enforcer_hand_over(&enforcer->machine, at->guard->group,
                                        bw_enforcing_known_epoch(&at->enforcing));
        bw_enforcer_on_guard_gone(&enforcer->machine);
        serve(enforcer);
    }
    bw_enforcing_on_relief(&guard->daemon.enforcing, are_done, sim_now(guard->process));
}

void sim_enforcer_execute(struct sim_guard *guard, const struct bw_enforcing_action *action)
{
    struct bw_enforcing *enforcing = &guard->daemon.enforcing;
    const struct bw_instant now = sim_now(guard->process);

    switch (action->kind) {
    case BW_ENFORCING_MAKE:
        make(guard);
        break;
    case BW_ENFORCING_REACH:
        tell_reach(guard, action->group);
        break;
    case BW_ENFORCING_OVER:
    case BW_ENFORCING_HOLD:
        bw_enforcing_on_sent(enforcing, tell(guard, action), now);
        break;
    case BW_ENFORCING_REPLACE:
        replace(guard);
        break;
    case BW_ENFORCING_RELIEVE:
        relieve(guard);
        break;
    case BW_ENFORCING_UNRELIEVED:
        sim_count(sim_world_of(guard->process), "enforcer:unrelieved");
        break;
    case BW_ENFORCING_WRITE:
        sim_guard_write_mirrors(guard);
        break;
    case BW_ENFORCING_ANSWER: /* the machine's own */
        break;
    }
}
