/* judge.h - did two sites ever serve at once? Judged by what the services themselves recorded, and
 * by nothing that breakwater says. Pure, but for the heap.
 *
 * A records file is what one service process wrote: lines `SITE EPOCH BOOT_NS`, one beat each, with
 * CLOCK_BOOTTIME of the one machine that all of them ran on. A file whose last line has no newline
 * was cut by a kill: that line counts for nothing. */
#ifndef BW_LAB_JUDGE_H
#define BW_LAB_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>

/* A beat says that its process serves until its next beat, but for no longer than this. */
#define BW_JUDGE_BEAT_US_MAX 10000
/* The last beat of a process has no next: it counts for the time in which one was due. */
#define BW_JUDGE_BEAT_US 2000

/* A span of time in which one process of one site recorded beats without a hole. */
struct bw_judge_span {
    uint32_t site; /* index in `sites` */
    uint64_t epoch;
    uint64_t from_ns;
    uint64_t to_ns; /* first instant not covered */
    uint32_t process; /* which, in the order in which their records were added */
};

/* In the caller's memory, init to deinit. Fields are for reading. */
struct bw_judge {
    char sites[BW_SITES_MAX][BW_NAME_MAX + 1];
    uint32_t site_count;
    struct bw_judge_span *spans; /* as added; of one process in order of time */
    size_t span_count;
    size_t span_capacity;
    uint64_t beat_count;
    uint32_t process_count; /* those with a beat */
};

void bw_judge_init(struct bw_judge *judge);
/* Accepts an empty one. */
void bw_judge_deinit(struct bw_judge *judge);

/* Adds the records of one process. BW_ERR_CORRUPT, naming the line: not a beat, another site or an
 * earlier time than the line before, or a lower epoch; BW_ERR_LIMIT: more than BW_SITES_MAX sites;
 * BW_ERR_NOMEM. On an error the records before the bad line count. */
BW_MUST_CHECK enum bw_err bw_judge_add(struct bw_judge *judge, const char *text, size_t size,
                                       struct bw_diag *diag);
/* Adds every file `*.beats` of a directory. A file of no bytes is of a process that was ended
 * before its first beat. */
BW_MUST_CHECK enum bw_err bw_judge_add_dir(struct bw_judge *judge, const char *dir,
                                           struct bw_diag *diag);

/* Time during which two sites or more served at once, in microseconds, begun ones counted as whole:
 * an overlap is never rounded to none. BW_ERR_NOMEM. */
BW_MUST_CHECK enum bw_err bw_judge_overlap_us(const struct bw_judge *judge, uint64_t *out_us);

/* I2 as the services saw it: no process of a lower epoch began, or went on after a hole, after one
 * of as high an epoch at another site had begun. BW_ERR_NOMEM. */
BW_MUST_CHECK enum bw_err bw_judge_epochs_grow(const struct bw_judge *judge, bool *out_grow);

/* A site of which nothing is promised for a while: what it does within [from_ns, to_ns) is not held
 * against anybody; what others do meanwhile, and what it does before and after, is. */
struct bw_judge_excuse {
    char site[BW_NAME_MAX + 1];
    uint64_t from_ns;
    uint64_t to_ns;
    bool is_of_order; /* of I2 alone: it starts under a manual lease, whose epoch may be another site's (3.8) */
};

/* As above, with excuses: `out_us` is the time during which two sites without an excuse served at
 * once, `out_excused_us` the other time in which two did. A span that begins during an excuse of
 * its site is not late. */
BW_MUST_CHECK enum bw_err bw_judge_overlap_excused_us(const struct bw_judge *judge,
                                                      const struct bw_judge_excuse *excuses,
                                                      size_t excuse_count, uint64_t *out_us,
                                                      uint64_t *out_excused_us);
BW_MUST_CHECK enum bw_err bw_judge_epochs_grow_excused(const struct bw_judge *judge,
                                                       const struct bw_judge_excuse *excuses,
                                                       size_t excuse_count, bool *out_grow);

/* The first instant at or after `since_ns` at which `site` served; false: it never did. */
bool bw_judge_serves_after(const struct bw_judge *judge, const char *site, uint64_t since_ns,
                           uint64_t *out_ns);
/* The last instant before which `site` served; false: it never did. */
bool bw_judge_served_until(const struct bw_judge *judge, const char *site, uint64_t *out_ns);
/* The longest time within [from_ns, to_ns) in which no site served. */
BW_MUST_CHECK enum bw_err bw_judge_gap_us(const struct bw_judge *judge, uint64_t from_ns,
                                          uint64_t to_ns, uint64_t *out_us);

#endif
