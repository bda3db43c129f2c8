/* sync.c - whether what a witness tells a site can be true. A key may be in wrong hands, and what a site takes is on its
 * disk for good. Design 3.9. */
#include <breakwater/core/sync.h>

#include <breakwater/core/counters.h>

/* Each is kept, by agent or guard, or is compared with what is: a lower one is heard no more. */
static bool indexes_may_be(const struct bw_sync_answer_group *said, uint64_t last)
{
    const struct bw_order *order = &said->order;

    return order->index <= last && order->spec_version <= last && order->let_go_index <= last &&
           order->held_index <= last && said->remote_fence.held_index <= last;
}

static bool epochs_may_be(const struct bw_sync_answer_group *said, uint64_t last)
{
    return said->order.epoch <= last && said->order.let_go_epoch <= last && said->confirmed_epoch <= last &&
           said->other_serves_epoch <= last && said->remote_fence.epoch <= last;
}

/* Its terms become limits, intervals and deadlines. Only who is to run or to stop holds any: a group that is not there has
 * none. */
static bool terms_may_be(const struct bw_order *order)
{
    const bool is_held = order->kind == BW_ORDER_RUN || order->kind == BW_ORDER_STOP;

    return bw_terms_may_be(&order->terms) || (!is_held && bw_terms_are_unsaid(&order->terms));
}

const char *bw_sync_answer_made_up(const struct bw_sync_answer *answer)
{
    const uint64_t index_last = bw_counter_index_last(answer->generation);
    const uint64_t epoch_last = bw_counter_epoch_last(answer->generation);

    for (uint32_t i = 0; i < answer->group_count; i++) {
        const struct bw_sync_answer_group *said = &answer->groups[i];

        if (!indexes_may_be(said, index_last))
            return "a log index above all of its generation: it was made up";
        if (!epochs_may_be(said, epoch_last))
            return "an epoch above all of its generation: it was made up";
        if (!terms_may_be(&said->order))
            return "terms that no spec may have: they were made up";
    }
    return NULL;
}
