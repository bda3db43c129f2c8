/* Writes in rounds: one at a time, and all that waits goes with the next. */
#include <breakwater/machine/rounds.h>

#include <breakwater/base/assert.h>

void bw_rounds_ask(struct bw_rounds *rounds, struct bw_round_item *item)
{
    BW_ASSERT(!item->is_waiting);
    item->is_waiting = true;
    item->next = NULL;
    if (rounds->last != NULL)
        rounds->last->next = item;
    else
        rounds->first = item;
    rounds->last = item;
}

bool bw_rounds_begin(struct bw_rounds *rounds)
{
    if (rounds->is_writing || rounds->first == NULL)
        return false;
    rounds->is_writing = true;
    return true;
}

struct bw_round_item *bw_rounds_take(struct bw_rounds *rounds)
{
    struct bw_round_item *item = rounds->first;

    BW_ASSERT(rounds->is_writing);
    if (item == NULL)
        return NULL;
    BW_ASSERT(item->is_waiting);
    rounds->first = item->next;
    if (rounds->first == NULL)
        rounds->last = NULL;
    item->next = NULL;
    item->is_waiting = false;
    return item;
}

void bw_rounds_end(struct bw_rounds *rounds)
{
    BW_ASSERT(rounds->is_writing);
    rounds->is_writing = false;
}
