#include <breakwater/obs/summary.h>

#include <stdbool.h>

/* Takes one of the burst, after those that have come back with time. */
static bool take(struct bw_summary *summary, uint64_t now_ms)
{
    const uint64_t back = (now_ms - summary->since_ms) / BW_SUMMARY_MS;

    if (back >= summary->spent_count) {
        summary->spent_count = 0;
        summary->since_ms = now_ms;
    } else {
        summary->spent_count -= back;
        summary->since_ms += back * BW_SUMMARY_MS;
    }
    if (summary->spent_count == BW_SUMMARY_BURST)
        return false;
    summary->spent_count++;
    return true;
}

uint64_t bw_summary_flush(struct bw_summary *summary, uint64_t now_ms)
{
    const uint64_t count = summary->suppressed_count;

    if (count == 0 || !take(summary, now_ms))
        return 0;
    summary->suppressed_count = 0;
    return count;
}

uint64_t bw_summary_add(struct bw_summary *summary, uint64_t now_ms)
{
    summary->suppressed_count++;
    return bw_summary_flush(summary, now_ms);
}
