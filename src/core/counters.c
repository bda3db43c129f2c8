/* counters.c - how far numbers that only grow may go. Design 3.9. */
#include <breakwater/core/counters.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/limits.h>

bool bw_counter_may_follow(uint64_t own, uint64_t claimed, uint64_t jump_max)
{
    BW_ASSERT(jump_max <= BW_COUNTER_MAX); /* what a cluster can come to, and no more */
    if (claimed > BW_COUNTER_MAX)
        return false;
    return own == 0 || claimed <= own || claimed - own <= jump_max;
}

/* Each step of a generation has 2^INDEX_SHIFT indexes, and a whole generation has INDEX_RANGE. */
#define INDEX_SHIFT 14
#define INDEX_RANGE (BW_GENERATION_LEAP << INDEX_SHIFT)

bool bw_generation_may_follow(uint64_t own, uint64_t claimed)
{
    return claimed <= BW_GENERATION_MAX && bw_counter_may_follow(own, claimed, BW_GENERATION_JUMP_MAX);
}

uint64_t bw_counter_index_first(uint64_t generation)
{
    return (bw_min(generation, BW_GENERATION_MAX) << INDEX_SHIFT) + INDEX_RANGE;
}

uint64_t bw_counter_index_last(uint64_t generation)
{
    return bw_counter_index_first(generation) + INDEX_RANGE - 1;
}

uint64_t bw_counter_epoch_first(uint64_t generation)
{
    return bw_min(generation, BW_GENERATION_MAX) + BW_GENERATION_LEAP;
}

uint64_t bw_counter_epoch_last(uint64_t generation)
{
    return bw_counter_epoch_first(generation) + BW_GENERATION_LEAP - 1;
}

uint64_t bw_generation_after(uint64_t before, uint64_t index, uint64_t epoch, uint64_t chance)
{
    uint64_t newest = before;

    if (index > bw_counter_index_last(newest)) /* who had the key of a witness has led its log there */
        newest = (index >> INDEX_SHIFT) + 1;
    if (epoch > bw_counter_epoch_last(newest))
        newest = epoch;
    if (newest > BW_GENERATION_MAX - 2 * BW_GENERATION_LEAP)
        return 0;
    return newest + BW_GENERATION_LEAP + chance % BW_GENERATION_LEAP;
}

uint64_t bw_counter_term_after(uint64_t found)
{
    const uint64_t first =
        2; /* its log begins with a snapshot, and the vote file with the term before */

    if (found < first || found >= BW_COUNTER_MAX / 2)
        return first;
    return found + 1;
}
