/* summary.h - what others cause as often as they like, told at a bounded rate: BW_SUMMARY_BURST at once,
 * then one every BW_SUMMARY_MS, each with the number that it stands for. So nobody fills a disk by being
 * refused, and a first look at the log still has single events. Pure. */
#ifndef BW_OBS_SUMMARY_H
#define BW_OBS_SUMMARY_H

#include <stdint.h>

#define BW_SUMMARY_BURST 10
#define BW_SUMMARY_MS    10000

/* Zeroed at the beginning. */
struct bw_summary {
    uint64_t suppressed_count;
    uint64_t spent_count; /* of the burst */
    uint64_t since_ms;    /* of the last one that came back to the burst */
};

/* Counts one event. 0: say nothing now, else how many there were since the last that was told.
 * `now_ms` never goes back. */
uint64_t bw_summary_add(struct bw_summary *summary, uint64_t now_ms);
/* The same without a new event: for the last ones of a flood, which no later one tells. */
uint64_t bw_summary_flush(struct bw_summary *summary, uint64_t now_ms);

#endif
