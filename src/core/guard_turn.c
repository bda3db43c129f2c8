#include <breakwater/core/guard_turn.h>

#include <breakwater/base/assert.h>

#define ASK_AGAIN_NS BW_NS_PER_MS

void bw_guard_turn_step(struct bw_guard_turn *turn, struct bw_guard *guard,
                        const struct bw_guard_event *event, struct bw_instant now)
{
    struct bw_guard_actions *list = &turn->lists[bw_turn_begin(&turn->turn)];

    bw_guard_step(guard, event, now, list);
    BW_ASSERT(list->count <= sizeof list->list / sizeof list->list[0]);
    turn->wake_at = list->wake_at;
    bw_turn_filled(&turn->turn, list->count);
}

const struct bw_guard_action *bw_guard_turn_next(struct bw_guard_turn *turn)
{
    uint32_t list;
    uint32_t action;

    return bw_turn_next(&turn->turn, &list, &action) ? &turn->lists[list].list[action] : NULL;
}

struct bw_instant bw_guard_turn_wake(const struct bw_guard_turn *turn, struct bw_instant now)
{
    return bw_instant_right_is_over(now, turn->wake_at) ? bw_instant_add(now, ASK_AGAIN_NS)
                                                        : turn->wake_at;
}
