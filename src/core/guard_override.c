/* What serves at a site without a lease, by a person's word (3.8): said by the agent, kept in the
 * mirror, over with the first lease, with a fence that has seen the end, and with the instance that
 * was told. */
#include "guard_internal.h"

#include <breakwater/base/assert.h>

bool bw_guard_overrides(const struct bw_guard *guard)
{
    const struct bw_guard_mirror *mirror = &guard->mirror;

    return mirror->overriding && !guard->override_mirroring && !bw_guard_is_armed(guard) &&
           bw_id_equal(mirror->override_instance, guard->agent.instance);
}

void bw_guard_override_end(struct bw_guard *guard)
{
    guard->mirror.overriding = false;
    guard->mirror.override_instance = (struct bw_id){{0}};
    guard->override_mirroring = false;
}

/* Beside nothing that a lease, a fence or an action of before has left: that is ended first. */
static enum bw_refusal judge_override(const struct bw_guard *guard, uint64_t epoch)
{
    if (bw_id_is_none(guard->agent.session))
        return BW_REFUSAL_NO_HELLO;
    if (epoch < guard->memory.epoch_seen)
        return BW_REFUSAL_OLD_EPOCH;
    if (bw_guard_is_fencing(guard) || guard->fence == BW_FENCE_FAILED)
        return BW_REFUSAL_FENCING;
    if (bw_guard_is_armed(guard) || guard->wants != BW_GUARD_WANTS_NOTHING ||
        guard->slots[BW_GUARD_SLOT_ACTION].state != BW_SLOT_FREE ||
        guard->stop != BW_GUARD_STOP_NONE)
        return BW_REFUSAL_BUSY;
    return BW_REFUSAL_NONE;
}

void bw_guard_on_override(const struct guard_step *step, uint64_t epoch)
{
    struct bw_guard *guard = step->guard;
    enum bw_refusal why;

    if (bw_guard_overrides(guard)) { /* its answer was lost */
        (void)bw_guard_send(step, BW_GUARD_MESSAGE_OVERRIDE_DONE, epoch, "U70");
        return;
    }
    if (guard->override_mirroring)
        return; /* the answer follows */
    why = judge_override(guard, epoch);
    if (why != BW_REFUSAL_NONE) {
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_OVERRIDE_REFUSED, epoch, 0, why, "U71");
        return;
    }
    BW_ASSERT(!bw_guard_is_armed(guard)); /* 3.8: its own epoch is over */
    guard->mirror.overriding = true;
    guard->mirror.override_instance = guard->agent.instance;
    guard->check_at_start = false;
    guard->override_mirroring = true;
    bw_guard_mirror_now(step, "U72");
    guard->override_number = guard->mirror_number;
}

void bw_guard_on_override_mirrored(const struct guard_step *step, uint64_t number, bool ok)
{
    struct bw_guard *guard = step->guard;

    if (!guard->override_mirroring || number < guard->override_number)
        return;
    guard->override_mirroring = false;
    if (ok) {
        (void)bw_guard_send(step, BW_GUARD_MESSAGE_OVERRIDE_DONE, guard->memory.epoch_seen, "U73");
        return;
    }
    bw_guard_override_end(guard);
    bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_OVERRIDE_REFUSED, guard->memory.epoch_seen, 0,
                          BW_REFUSAL_NOT_DURABLE, "U74");
}
