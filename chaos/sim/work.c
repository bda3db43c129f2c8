/* work.c - the side of whoever runs a script, as in sys/script.c and sys/reach.c: a limit, TERM, KILL
 * in rounds, and the result in the words of core/guard_link.h. */
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#include "units.h"

#define LOOK_NS         (20 * SIM_MS) /* between looks at a tree that got a signal */
#define FIRST_ROUND_NS  (1 * SIM_MS)
#define KILL_ROUNDS_MAX 100

static struct sim_machine *machine_of(const struct sim_work *work)
{
    return sim_machine(work->order.parent->host);
}

static struct bw_instant now_of(const struct sim_work *work)
{
    return sim_now(work->order.parent);
}

/* ---- its life ----------------------------------------------------------------------------------- */

bool sim_work_start(struct sim_work *work, const struct sim_run_order *order)
{
    const uint64_t serial = sim_run_fork(sim_machine(order->parent->host), order);

    memset(work, 0, sizeof *work);
    work->order = *order;
    work->wake_at = BW_INSTANT_NEVER;
    if (serial == 0)
        return false;
    work->serial = serial;
    work->stage = SIM_WORK_WAITING;
    return true;
}

void sim_work_go(struct sim_work *work, struct bw_instant not_after, uint64_t limit_ns,
                 uint64_t grace_ns)
{
    BW_ASSERT(work->stage != SIM_WORK_NONE); /* it was started, and its end was not yet told */
    if (work->stage != SIM_WORK_WAITING || work->is_dropped)
        return;
    work->stage = SIM_WORK_RUNNING;
    work->limit_ns = limit_ns;
    work->grace_ns = grace_ns;
    work->went_at = now_of(work);
    work->kill_at = bw_instant_add(work->went_at, limit_ns);
    work->wake_at = work->kill_at;
    sim_run_go(machine_of(work), work->serial, not_after);
}

static void settle(struct sim_work *work, enum bw_script_how how)
{
    if (work->is_killed)
        return;
    work->is_killed = true;
    work->end.how = how;
}

static void begin_kill(struct sim_work *work)
{
    work->stage = SIM_WORK_KILLING;
    work->rounds = 0;
    sim_reach_signal(machine_of(work), work->order.group, work->order.slot, true,
                     SIM_LINGER_NS_MAX);
    work->wake_at = bw_instant_add(now_of(work), FIRST_ROUND_NS);
}

void sim_work_kill(struct sim_work *work)
{
    switch (work->stage) {
    case SIM_WORK_WAITING: /* it exits without exec; its parent hears of that */
        work->is_dropped = true;
        settle(work, BW_SCRIPT_NOT_STARTED);
        work->end.got_no_go = true;
        sim_run_signal(machine_of(work), work->serial, true);
        return;
    case SIM_WORK_RUNNING:
    case SIM_WORK_TERMINATING:
        settle(work, BW_SCRIPT_KILLED);
        begin_kill(work);
        return;
    case SIM_WORK_NONE:
    case SIM_WORK_KILLING:
        return;
    }
}

/* ---- its end ------------------------------------------------------------------------------------ */

static bool is_slot_empty(const struct sim_work *work)
{
    return sim_reach_is_empty(machine_of(work), work->order.group, work->order.slot);
}

static bool is_over(struct sim_work *work)
{
    const struct bw_instant now = now_of(work);
    const uint64_t took_ns = now.boot_ns - work->went_at.boot_ns;

    if (work->stage != SIM_WORK_WAITING)
        work->ended.duration_ms = (uint32_t)(took_ns / SIM_MS);
    work->stage = SIM_WORK_NONE;
    work->wake_at = BW_INSTANT_NEVER;
    work->end.is_tree_gone = is_slot_empty(work);
    bw_script_end_judge(work->order.action, &work->end, &work->ended);
    return true;
}

static void note_end(struct sim_work *work, const struct sim_run_end *end)
{
    static const enum bw_script_how hows[] = {[SIM_RUN_EXITED] = BW_SCRIPT_EXITED,
                                              [SIM_RUN_SIGNALED] = BW_SCRIPT_SIGNALED,
                                              [SIM_RUN_TOO_LATE] = BW_SCRIPT_TOO_LATE,
                                              [SIM_RUN_OTHER_SCRIPTS] = BW_SCRIPT_NOT_STARTED};

    work->found = end->found;
    BW_ASSERT(bw_copy_text(work->ended.line, sizeof work->ended.line, end->line));
    BW_ASSERT(bw_copy_text(work->ended.tail, sizeof work->ended.tail, end->tail));
    if (work->is_killed)
        return;
    work->end = (struct bw_script_end){
        .how = hows[end->how], .code = end->code, .is_other = end->how == SIM_RUN_OTHER_SCRIPTS};
}

bool sim_work_on_end(struct sim_work *work, const struct sim_run_end *end)
{
    if (work->stage == SIM_WORK_NONE || end->serial != work->serial || work->is_reaped)
        return false;
    work->is_reaped = true;
    note_end(work, end);
    switch (work->stage) {
    case SIM_WORK_NONE:
    case SIM_WORK_WAITING:
    case SIM_WORK_RUNNING:
        return is_over(work);
    case SIM_WORK_TERMINATING: /* what it left in its slot is looked at in the next rounds */
    case SIM_WORK_KILLING:
        break;
    }
    return false;
}

static bool go_on_terminating(struct sim_work *work)
{
    const struct bw_instant now = now_of(work);

    if (work->is_reaped && is_slot_empty(work))
        return is_over(work);
    if (bw_instant_right_is_over(now, work->kill_at))
        begin_kill(work);
    else
        work->wake_at = bw_instant_min(work->kill_at, bw_instant_add(now, LOOK_NS));
    return false;
}

static bool go_on_killing(struct sim_work *work)
{
    if (is_slot_empty(work) || work->rounds >= KILL_ROUNDS_MAX) {
        if (work->is_reaped)
            return is_over(work);
        work->wake_at = bw_instant_add(now_of(work), FIRST_ROUND_NS); /* it will be told */
        return false;
    }
    work->rounds++;
    sim_reach_signal(machine_of(work), work->order.group, work->order.slot, true,
                     SIM_LINGER_NS_MAX);
    work->wake_at = bw_instant_add(now_of(work), LOOK_NS);
    return false;
}

bool sim_work_serve(struct sim_work *work)
{
    if (work->stage == SIM_WORK_NONE || !bw_instant_right_is_over(now_of(work), work->wake_at))
        return false;
    switch (work->stage) {
    case SIM_WORK_NONE:
    case SIM_WORK_WAITING: /* nothing is due */
        return false;
    case SIM_WORK_RUNNING:
        settle(work, BW_SCRIPT_TIMED_OUT);
        work->stage = SIM_WORK_TERMINATING;
        work->kill_at = bw_instant_add(now_of(work), work->grace_ns);
        work->wake_at = bw_instant_add(now_of(work), FIRST_ROUND_NS);
        sim_reach_signal(machine_of(work), work->order.group, work->order.slot, false,
                         SIM_LINGER_NS_MAX);
        return false;
    case SIM_WORK_TERMINATING:
        return go_on_terminating(work);
    case SIM_WORK_KILLING:
        return go_on_killing(work);
    }
    return false;
}

/* ---- everything in reach ------------------------------------------------------------------------ */

static bool is_all_down(const struct sim_reach_kill *kill, struct sim_machine *machine,
                        uint32_t group)
{
    const uint32_t units = kill->slots & (SIM_SLOT_UNITS_GUARD | SIM_SLOT_UNITS_AGENT);

    if (!sim_reach_is_empty(machine, group, kill->slots))
        return false;
    return units == 0 || !machine->units[group].is_unit ||
           sim_unit_is_seen_down(machine, group,
                                 units == SIM_SLOT_UNITS_GUARD ? SIM_UNITS_OF_GUARD
                                                               : SIM_UNITS_OF_AGENT,
                                 kill->began_ns);
}

static void send_kill(const struct sim_reach_kill *kill, struct sim_machine *machine,
                      uint32_t group)
{
    sim_reach_signal(machine, group, kill->slots, true, kill->linger_ns_max);
    if ((kill->slots & SIM_SLOT_UNITS_GUARD) != 0)
        sim_unit_look(machine, group, SIM_UNITS_OF_GUARD);
    if ((kill->slots & SIM_SLOT_UNITS_AGENT) != 0)
        sim_unit_look(machine, group, SIM_UNITS_OF_AGENT);
}

void sim_reach_kill_start(struct sim_reach_kill *kill, struct sim_process *process, uint32_t group,
                          uint32_t slots, uint64_t linger_ns_max)
{
    kill->slots = slots;
    kill->began_ns = process->host->world->now_ns;
    kill->linger_ns_max = linger_ns_max;
    kill->is_running = true;
    kill->rounds = 0;
    send_kill(kill, sim_machine(process->host), group);
    kill->wake_at = bw_instant_add(sim_now(process), FIRST_ROUND_NS);
}

bool sim_reach_kill_serve(struct sim_reach_kill *kill, struct sim_process *process, uint32_t group,
                          bool *out_ok)
{
    struct sim_machine *machine = sim_machine(process->host);
    bool is_empty;

    if (!kill->is_running || !bw_instant_right_is_over(sim_now(process), kill->wake_at))
        return false;
    is_empty = is_all_down(kill, machine, group);
    if (is_empty || ++kill->rounds >= KILL_ROUNDS_MAX) {
        kill->is_running = false;
        *out_ok = is_empty;
        return true;
    }
    send_kill(kill, machine, group);
    kill->wake_at = bw_instant_add(sim_now(process), LOOK_NS);
    return false;
}
