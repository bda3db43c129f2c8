/* counters.c - how far numbers that only grow may go. Design 3.9. */
#include <breakwater/core/counters.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/minmax.h>

bool bw_counter_may_follow(uint64_t own, uint64_t claimed, uint64_t jump_max)
{
    BW_ASSERT(jump_max <= BW_COUNTER_MAX); /* what a cluster can come to, and no more */
    if (claimed > BW_COUNTER_MAX)
        return false;
    return own == 0 || claimed <= own || claimed - own <= jump_max;
}

static uint64_t second_of(int64_t unix_ms)
{
    return unix_ms > 0 ? (uint64_t)unix_ms / 1000 : 0; /* before 1970: it has no clock */
}

bool bw_generation_may_be(uint64_t claimed, int64_t unix_ms)
{
    return claimed <= second_of(unix_ms) + BW_GENERATION_AHEAD_S;
}

/* Until when a cluster of this generation can have been recovered, and its log have grown. */
static uint64_t last_second(uint64_t generation, int64_t unix_ms)
{
    const uint64_t begun_s = bw_max(generation, second_of(BW_RECOVERY_UNIX_MS_MIN));
    const uint64_t last_s = bw_min(bw_max(begun_s, second_of(unix_ms)), BW_COUNTER_MAX);

    return last_s + BW_GENERATION_AHEAD_S;
}

uint64_t bw_counter_index_last(uint64_t generation, int64_t unix_ms)
{
    return bw_min(last_second(generation, unix_ms), BW_COUNTER_MAX / 1000) * 1000;
}

uint64_t bw_counter_epoch_last(uint64_t generation, int64_t unix_ms)
{
    const uint64_t steps = BW_RECOVERIES_AHEAD * (uint64_t)BW_RECOVERY_EPOCHS;

    return bw_min(last_second(generation, unix_ms) + steps, BW_COUNTER_MAX);
}

uint64_t bw_counter_term_after(uint64_t found)
{
    const uint64_t first =
        2; /* its log begins with a snapshot, and the vote file with the term before */

    if (found < first || found >= BW_COUNTER_MAX / 2)
        return first;
    return found + 1;
}
