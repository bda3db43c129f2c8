/* An agent says that a site is to serve without a lease (3.8): whether that may be, and until its mirror
 * has it. */
#include "guard_internal.h"

#include <breakwater/base/assert.h>

/* Beside nothing that a lease, a fence or an action of before has left: that is ended first. */
static enum bw_refusal judge_override(const struct guard_step *step, uint64_t epoch)
{
    const struct bw_guard *guard = step->guard;

    if (bw_id_is_none(guard->agent.session))
        return BW_REFUSAL_NO_HELLO;
    if (epoch < guard->memory.epoch_seen)
        return BW_REFUSAL_OLD_EPOCH;
    if (bw_guard_is_fencing(guard) || guard->fence == BW_FENCE_FAILED)
        return BW_REFUSAL_FENCING;
    if (bw_guard_has_live_lease(step) || guard->wants != BW_GUARD_WANTS_NOTHING ||
        guard->slots[BW_GUARD_SLOT_ACTION].state != BW_SLOT_FREE ||
        guard->stop != BW_GUARD_STOP_NONE)
        return BW_REFUSAL_BUSY;
    return BW_REFUSAL_NONE;
}

/* Asked for already, of this session: answered once the disk, or the mirror, has answered. */
static bool is_under_way(const struct bw_guard *guard)
{
    return bw_guard_waits(guard, BW_GUARD_WAIT_OVERRIDE) ||
           (guard->wants == BW_GUARD_WANTS_OVERRIDE && !guard->is_void);
}

static void begin_to_override(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;

    /* 3.7: another instance's lease, long over, which nobody else ends; and a fence that has seen the end bounds
     * nothing more, though nobody waits for its answer. */
    bw_guard_disarm(guard);
    BW_ASSERT(!bw_guard_is_armed(guard)); /* 3.8: its own epoch is over */
    guard->mirror.overriding = true;
    guard->mirror.override_instance = guard->agent.instance;
    guard->check_at_start = false;
    bw_guard_mirror_for(step, BW_GUARD_WAIT_OVERRIDE, "U72");
}

void bw_guard_on_override(const struct guard_step *step, uint64_t epoch)
{
    struct bw_guard *guard = step->guard;
    enum bw_refusal why;

    if (bw_guard_overrides(guard) && guard->memory.overridden) { /* its answer was lost */
        (void)bw_guard_send(step, BW_GUARD_MESSAGE_OVERRIDE_DONE, epoch, "U70");
        return;
    }
    if (is_under_way(guard))
        return; /* the answer follows */
    why = judge_override(step, epoch);
    if (why == BW_REFUSAL_BUSY)
        bw_guard_end_remote_fence(step, "U85");
    if (why != BW_REFUSAL_NONE) {
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_OVERRIDE_REFUSED, epoch, 0, why, "U71");
        return;
    }
    /* A boot ends the mirror. 3.9: where nothing was armed yet only the agent knows that the group is enforced; if
     * its state is lost as well, nobody but this guard would end what it has started here. 3.2.4: and what it
     * ordered elsewhere outlives the boot. */
    if (!guard->memory.enforced || !guard->memory.overridden) {
        struct bw_guard_memory *memory = bw_guard_change_memory(guard);

        memory->enforced = true;
        memory->overridden = true;
        bw_guard_save(step, BW_GUARD_WANTS_OVERRIDE, "U86");
        return;
    }
    begin_to_override(step);
}

void bw_guard_override_saved(const struct guard_step *step, bool is_void)
{
    struct bw_guard *guard = step->guard;

    BW_ASSERT(guard->wants == BW_GUARD_WANTS_OVERRIDE);
    BW_ASSERT(guard->memory.enforced && guard->memory.overridden); /* 3.8, 3.9: it was written down */
    bw_guard_save_is_over(guard);
    if (is_void)
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_OVERRIDE_REFUSED, guard->memory.epoch_seen, 0,
                              BW_REFUSAL_BUSY, "U88");
    else
        bw_guard_on_override(step, guard->memory.epoch_seen); /* what has come meanwhile may forbid it */
}

void bw_guard_on_override_mirrored(const struct guard_step *step, uint64_t number, bool ok)
{
    struct bw_guard *guard = step->guard;

    if (!bw_guard_is_wait_over(guard, BW_GUARD_WAIT_OVERRIDE, number))
        return;
    if (ok) {
        (void)bw_guard_send(step, BW_GUARD_MESSAGE_OVERRIDE_DONE, guard->memory.epoch_seen, "U73");
        return;
    }
    bw_guard_override_end(guard);
    bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_OVERRIDE_REFUSED, guard->memory.epoch_seen, 0,
                          BW_REFUSAL_NOT_DURABLE, "U74");
}
