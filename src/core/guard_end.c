/* How an epoch ends at its guard (3.4, ended): every arm and run of it is refused, durably; then a look that
 * begins from then on sees nothing serve; then the agent hears it. */
#include "guard_internal.h"

#include <breakwater/base/assert.h>

/* Nothing serves, and nothing is under way that a service could come of (3.4, ended). */
static enum bw_refusal judge_over(const struct bw_guard *guard)
{
    if (bw_guard_is_fencing(guard) || guard->fence == BW_FENCE_FAILED)
        return BW_REFUSAL_FENCING;
    if (guard->slots[BW_GUARD_SLOT_ACTION].state != BW_SLOT_FREE ||
        guard->stop != BW_GUARD_STOP_NONE)
        return BW_REFUSAL_BUSY; /* no action is left (3.4) */
    if (bw_guard_loop_may_start(guard))
        return BW_REFUSAL_BUSY; /* nor a start that this guard does not see (3.4, driver) */
    if (!guard->mirror.stop_seen)
        return BW_REFUSAL_NOT_STOPPED;
    return BW_REFUSAL_NONE;
}

static enum bw_refusal judge_end(const struct bw_guard *guard, uint64_t epoch)
{
    if (bw_id_is_none(guard->agent.session))
        return BW_REFUSAL_NO_HELLO;
    if (epoch == 0 || epoch < guard->memory.epoch_seen)
        return BW_REFUSAL_OLD_EPOCH;
    if (bw_guard_is_foreign_instance(guard, epoch))
        return BW_REFUSAL_WRONG_INSTANCE;
    return judge_over(guard);
}

static void send_ended(const struct guard_step *step, uint64_t epoch, const char *rule)
{
    struct bw_guard_message *message =
        bw_guard_send(step, BW_GUARD_MESSAGE_EPOCH_ENDED, epoch, rule);

    BW_ASSERT(epoch != 0 && epoch == step->guard->memory.ended_epoch);
    if (message != NULL)
        message->epoch_ended.served = bw_guard_served(step->guard, epoch);
}

/* 3.4, ended: that no arm or run of an epoch is taken any more, durably, is one thing, that it has ended
 * another: it has once a look that begins from then on sees nothing serve. Until then nobody is told. */
bool bw_guard_has_ended(const struct bw_guard *guard, uint64_t epoch)
{
    return guard->end_seen_epoch >= epoch && judge_over(guard) == BW_REFUSAL_NONE;
}

static void look_for_end(const struct guard_step *step)
{
    BW_ASSERT(step->guard->memory.ended_epoch != 0);
    step->guard->end_looking = true;
    step->guard->stop_check_at = step->now;
}

/* All that was seen when it was asked for still holds. */
void bw_guard_end_saved(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;
    const uint64_t epoch = guard->memory.ended_epoch;
    const enum bw_refusal why = judge_over(guard);

    BW_ASSERT(guard->wants == BW_GUARD_WANTS_END);
    if (why != BW_REFUSAL_NONE)
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_END_REFUSED, epoch, 0, why, "U44");
    else
        look_for_end(step);
}

/* Also after a yes of `gate` something may have begun that does not serve yet: it would in an epoch
 * that is over (3.4). */
void bw_guard_end_looked(const struct guard_step *step, uint64_t ending_epoch,
                         enum bw_guard_left left)
{
    struct bw_guard *guard = step->guard;
    const uint64_t epoch = guard->memory.ended_epoch;
    enum bw_refusal why;

    if (!guard->end_looking || ending_epoch < epoch || left == BW_GUARD_LEFT_GONE ||
        left == BW_GUARD_LEFT_UNSEEN)
        return; /* another look is due */
    guard->end_looking = false;
    why = judge_over(guard);
    if (why == BW_REFUSAL_NONE && left == BW_GUARD_LEFT_THERE) {
        why = BW_REFUSAL_NOT_STOPPED;
        guard->mirror.stop_seen = false; /* nor is it the end that a restart would take it for */
        bw_guard_mirror_now(step, "U89");
    }
    if (why != BW_REFUSAL_NONE) {
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_END_REFUSED, epoch, 0, why, "U60");
        return;
    }
    guard->end_seen_epoch = epoch;
    /* A newer epoch may have been armed since the end was durable: its deadline stays (3.4). */
    if (guard->mirror.armed_epoch <= epoch) {
        bw_guard_disarm(guard);
        bw_guard_mirror_now(step, "U14");
    }
    send_ended(step, epoch, "U15");
}

void bw_guard_on_end(const struct guard_step *step, uint64_t epoch)
{
    struct bw_guard *guard = step->guard;
    struct bw_guard_memory *memory;
    enum bw_refusal why;

    if ((guard->wants == BW_GUARD_WANTS_END || guard->end_looking) &&
        epoch == guard->memory.ended_epoch)
        return; /* it is being written down, or looked for; the answer follows */
    if (guard->wants != BW_GUARD_WANTS_NOTHING) {
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_END_REFUSED, epoch, 0, BW_REFUSAL_BUSY, "U43");
        return;
    }
    why = judge_end(guard, epoch);
    if (why == BW_REFUSAL_BUSY)
        bw_guard_end_remote_fence(step);
    if (why == BW_REFUSAL_NONE || why == BW_REFUSAL_BUSY)
        bw_guard_loop_take_back(step); /* who gives it back starts nothing more in it */
    if (why != BW_REFUSAL_NONE) {
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_END_REFUSED, epoch, 0, why, "U7");
        return;
    }
    if (epoch == guard->memory.ended_epoch) { /* it is durable: its answer was lost, or it was refused */
        if (bw_guard_has_ended(guard, epoch))
            send_ended(step, epoch, "U6");
        else
            look_for_end(step);
        return;
    }
    /* Every arm or run <= e is refused from here on, durably, before the agent hears it. */
    memory = bw_guard_change_memory(guard);
    memory->epoch_seen = epoch;
    memory->ended_epoch = epoch;
    bw_guard_save(step, BW_GUARD_WANTS_END, "U8");
}
