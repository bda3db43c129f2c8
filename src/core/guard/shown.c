/* What a guard shows of a group to who looks at it from outside. */
#include "internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/words.h>
#include <breakwater/core/guard_link.h>
#include <breakwater/core/may_run.h>

/* An arm whose mirror is not written yet is no lease (3.4): what was acknowledged before it still
 * counts. */
static const struct bw_guard_mirror *acknowledged(const struct bw_guard *guard)
{
    return bw_guard_waits(guard, BW_GUARD_WAIT_ARM) ? &guard->mirror_before : &guard->mirror;
}

enum bw_action_kind bw_guard_running(const struct bw_guard *guard)
{
    const struct bw_guard_run_slot *slot = &guard->slots[BW_GUARD_SLOT_ACTION];

    if (guard->stop != BW_GUARD_STOP_NONE)
        return BW_ACTION_STOP;
    return slot->state == BW_SLOT_FREE ? BW_ACTION_NONE : slot->run.action;
}

/* What begins after a stop is nothing that a start has left: the epoch may end beside it (3.4). So
 * nobody is to begin, until a start is ordered or something is seen to serve. */
static bool is_stopped(const struct bw_guard *guard)
{
    return guard->end_start_time != 0 && guard->mirror.stop_seen;
}

static bool has_fence_begun(const struct bw_guard *guard, const struct bw_guard_mirror *mirror)
{
    if (bw_guard_is_fencing(guard))
        return true;
    return mirror->armed_epoch != 0 &&
           (mirror->fence_begun ||
            (guard->fence != BW_FENCE_NONE && guard->fence_epoch == mirror->armed_epoch));
}

void bw_guard_shown_get(const struct bw_guard *guard, struct bw_guard_shown *out_shown)
{
    const struct bw_guard_mirror *mirror = acknowledged(guard);

    memset(out_shown, 0, sizeof *out_shown);
    out_shown->enforced = guard->memory.enforced;
    out_shown->epoch_seen = guard->memory.epoch_seen;
    out_shown->ended_epoch = guard->memory.ended_epoch;
    out_shown->armed_epoch = mirror->armed_epoch;
    if (mirror->armed_epoch != 0) {
        out_shown->armed_end = mirror->armed_end;
        out_shown->fence_ms = (uint32_t)bw_ns_to_ms(mirror->fence_ns);
    }
    out_shown->armed_serial = mirror->armed_serial;
    out_shown->loop_delay_ms = (uint32_t)bw_ns_to_ms(bw_guard_loop_delay_ns(guard));
    out_shown->loop_may = guard->mirror.loop_delay_ns != 0 &&
                          !(bw_guard_waits(guard, BW_GUARD_WAIT_LOOP) && guard->loop_is_new);
    out_shown->fence_begun = has_fence_begun(guard, mirror);
    out_shown->fence_failed = guard->fence == BW_FENCE_FAILED;
    out_shown->running = bw_guard_running(guard);
    out_shown->is_stopped = is_stopped(guard);
    out_shown->reach = guard->limits.reach;
    out_shown->reach_works = guard->limits.reach_works;
    out_shown->sight = bw_guard_sight(guard);
}

/* ---- words ---- */

BW_WORDS(bw_action_word, enum bw_action_kind, BW_ACTION_LIST, "?")

bool bw_action_is_action(enum bw_action_kind action)
{
    static const bool takes_the_slot[BW_ACTION_COUNT] = {
#define X(name, word, is_action) [BW_ACTION_##name] = is_action,
        BW_ACTION_LIST(X)
#undef X
    };

    return action < BW_ACTION_COUNT && takes_the_slot[action];
}

BW_WORDS(bw_run_result_word, enum bw_run_result, BW_RUN_LIST, "?")
BW_WORDS(bw_refusal_word, enum bw_refusal, BW_REFUSAL_LIST, "?")
