#include <breakwater/core/turn.h>

#include <breakwater/base/assert.h>

uint32_t bw_turn_begin(const struct bw_turn *turn)
{
    BW_ASSERT(turn->depth < BW_TURN_DEPTH_MAX);
    return turn->depth;
}

void bw_turn_filled(struct bw_turn *turn, uint32_t count)
{
    BW_ASSERT(turn->depth < BW_TURN_DEPTH_MAX);
    turn->lists[turn->depth].count = count;
    turn->lists[turn->depth].next = 0;
    turn->depth++;
}

bool bw_turn_next(struct bw_turn *turn, uint32_t *out_list, uint32_t *out_action)
{
    while (turn->depth > 0) {
        const uint32_t top = turn->depth - 1;

        BW_ASSERT(turn->lists[top].next <= turn->lists[top].count);
        if (turn->lists[top].next < turn->lists[top].count) {
            *out_list = top;
            *out_action = turn->lists[top].next++;
            return true;
        }
        turn->depth--;
    }
    return false;
}
