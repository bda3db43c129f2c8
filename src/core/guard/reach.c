#include <breakwater/core/guard_reach.h>

#include <breakwater/core/report.h>

bool bw_guard_asks_populated(enum bw_action_kind action, bool is_before, const char *line)
{
    return action == BW_ACTION_STATUS &&
           (is_before || bw_service_of_line(line) == BW_SERVICE_STARTED);
}

bool bw_guard_awaits_units(const struct bw_guard *guard)
{
    return guard->stop != BW_GUARD_STOP_NONE || guard->end_looking || bw_guard_is_fencing(guard);
}

enum bw_populated bw_guard_populated(const struct bw_populated_facts *facts)
{
    /* What its manager starts again by itself is not inside of what a KILL ends (3.4). */
    if (facts->comes_again)
        return BW_POPULATED_NO;
    /* A project of which there is nothing may be another one's name: what runs here is not all of
     * it. */
    if (facts->are_containers && facts->units != BW_POPULATED_YES)
        return facts->here == BW_POPULATED_YES ? BW_POPULATED_UNKNOWN : facts->units;
    if (facts->here == BW_POPULATED_YES)
        return facts->here;
    return facts->units == BW_POPULATED_NO ? facts->here : facts->units;
}

bool bw_guard_is_of_start(const struct bw_guard *guard, uint64_t start_time)
{
    return guard->end_start_time == 0 || start_time <= guard->end_start_time;
}

/* What is there as a stop begins is older than its script: it counts as left either way, and so has what it forks. A
 * start that a fence has killed ends beside that fence's script. */
bool bw_guard_gathers(const struct bw_guard *guard, enum bw_action_kind action, bool is_before)
{
    switch (action) {
    case BW_ACTION_STOP:
    case BW_ACTION_FENCE:
        return is_before;
    case BW_ACTION_START:
        return !is_before && !bw_guard_is_fencing(guard);
    case BW_ACTION_NONE:
    case BW_ACTION_REJOIN:
    case BW_ACTION_STATUS:
    case BW_ACTION_READINESS:
    case BW_ACTION_CONDITION:
    case BW_ACTION_VERIFY:
    case BW_ACTION_REMOTE_FENCE:
    case BW_ACTION_COUNT:
        break;
    }
    return false;
}

bool bw_guard_is_left(const struct bw_guard *guard, const struct bw_left_facts *facts)
{
    if (!facts->is_groups_own)
        return false;
    /* However young: what a start has left may fork for as long as it lives. */
    return !facts->is_known || facts->is_begun ||
           (facts->is_other && bw_guard_is_of_start(guard, facts->oldest));
}
