/* sync.c - whether what a witness tells a site can be true. A key may be in wrong hands, and what a site takes is on its
 * disk for good. Design 3.9. */
#include <breakwater/core/sync.h>

/* Its terms become limits, intervals and deadlines. Only who is to run or to stop holds any: a group that is not there has
 * none. */
static bool terms_may_be(const struct bw_order *order)
{
    const bool is_held = order->kind == BW_ORDER_RUN || order->kind == BW_ORDER_STOP;

    return bw_terms_may_be(&order->terms) || (!is_held && bw_terms_are_unsaid(&order->terms));
}

const char *bw_sync_answer_made_up(const struct bw_sync_answer *answer)
{
    for (uint32_t i = 0; i < answer->group_count; i++)
        if (!terms_may_be(&answer->groups[i].order))
            return "terms that no spec may have: they were made up";
    return NULL;
}
