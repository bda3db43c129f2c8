/* guard_proof.c - what shows that a guard can end what it starts, as src/guard/guard_group.c does. */
#include "guard.h"
#include "units.h"

static void set_proved(struct sim_guard *guard, struct sim_guard_group *guarded)
{
    guarded->machine.limits.reach_works = bw_guard_reach_works(
        guarded->is_proved, guard->machine->units[guarded->group].is_unit,
        sim_unit_is_seen(guard->machine, guarded->group));
}

enum bw_guard_proof sim_guard_prove(struct sim_guard *guard, struct sim_guard_group *guarded)
{
    const struct bw_guarded *because_of;
    const struct bw_guard_proof_facts facts = {
        .is_proved = guarded->is_proved,
        .is_action_running = guarded->work[BW_GUARD_SLOT_ACTION].stage != SIM_WORK_NONE,
        .is_means_proved = guard->is_means_proved,
        .limit_ms = bw_guard_machine_proof_ms(&guard->daemon, sim_now(guard->process),
                                              &because_of)};

    switch (bw_guard_proof_next(&facts)) {
    case BW_GUARD_PROOF_REST:
    case BW_GUARD_PROOF_NEAR:
        return BW_GUARD_PROOF_UNTRIED;
    case BW_GUARD_PROOF_TAKE:
    case BW_GUARD_PROOF_TRY:
        break;
    }
    guard->is_means_proved = true;
    guarded->is_proved = true;
    set_proved(guard, guarded);
    return guarded->machine.limits.reach_works ? BW_GUARD_PROOF_WORKS : BW_GUARD_PROOF_UNTRIED;
}

void sim_guard_on_units_seen(struct sim_guard *guard, uint32_t group)
{
    if (!guard->groups[group].is_open)
        return;
    set_proved(guard, &guard->groups[group]);
    bw_guard_machine_greet_again(&guard->daemon);
}
