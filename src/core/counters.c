/* counters.c - how far numbers that only grow may go. Design 3.9. */
#include <breakwater/core/counters.h>

#include <breakwater/base/assert.h>

bool bw_counter_may_follow(uint64_t own, uint64_t claimed, uint64_t jump_max)
{
    BW_ASSERT(jump_max <= BW_COUNTER_MAX); /* what a cluster can come to, and no more */
    if (claimed > BW_COUNTER_MAX)
        return false;
    return own == 0 || claimed <= own || claimed - own <= jump_max;
}

bool bw_generation_may_be(uint64_t claimed, int64_t unix_ms)
{
    const uint64_t now_s = unix_ms > 0 ? (uint64_t)unix_ms / 1000 : 0; /* before 1970: it has no clock */

    return claimed <= now_s + BW_GENERATION_AHEAD_S;
}

uint64_t bw_counter_term_after(uint64_t found)
{
    const uint64_t first =
        2; /* its log begins with a snapshot, and the vote file with the term before */

    if (found < first || found >= BW_COUNTER_MAX / 2)
        return first;
    return found + 1;
}
