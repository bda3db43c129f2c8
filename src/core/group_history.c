/* What a group keeps of its epochs that are over, and of who vouched for an end (3.1). */
#include <breakwater/core/group.h>

#include <breakwater/base/assert.h>

const struct bw_history_entry *bw_group_history_at(const struct bw_group *group, uint32_t number)
{
    BW_ASSERT(group->history_first < BW_HISTORY_MAX && group->history_count <= BW_HISTORY_MAX);
    if (number >= group->history_count)
        return NULL;
    return &group->history[(group->history_first + group->history_count - 1 - number) %
                           BW_HISTORY_MAX];
}

const struct bw_voucher *bw_group_voucher(const struct bw_group *group, uint64_t epoch)
{
    for (uint32_t i = 0; i < group->voucher_count; i++)
        if (group->vouchers[i].epoch == epoch)
            return &group->vouchers[i];
    return NULL;
}
