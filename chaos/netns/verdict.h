/* verdict.h - what the records of the services say of a run. Nothing here asks breakwater. */
#ifndef BW_CHAOS_VERDICT_H
#define BW_CHAOS_VERDICT_H

#include <breakwater/lab/judge.h>

#include "schedule.h"

/* Time in which one site served under one epoch; small holes are passed
 * over: for counting and drawing, not for judging. */
struct bw_chaos_tenure {
    uint32_t site; /* index in the judge */
    uint64_t epoch;
    uint64_t from_ns;
    uint64_t to_ns;
};
#define BW_TENURE_HOLE_MS     50
#define BW_TENURE_ROW_HOLE_MS 1000 /* where a beat is a row that a server has committed */

struct bw_group_verdict {
    char name[BW_NAME_MAX + 1];
    struct bw_judge judge;
    struct bw_chaos_tenure *tenures; /* on the heap, in order of time */
    uint32_t tenure_count;
    uint64_t overlap_us;
    bool epochs_grow;
    uint32_t failover_count;    /* another site served than before */
    uint64_t worst_recovery_ms; /* of all rounds: from calm until it was served */
    uint32_t late_count;        /* rounds after which it was not served within its bound */
};

/* How long nobody served in a round that measures. */
struct bw_measure {
    const char *words;
    uint64_t gap_us;
    uint64_t most_us; /* 0: it is the measure of those after it */
};
#define BW_MEASURES_MAX 16

#define BW_VIOLATIONS_MAX 8
struct bw_verdict {
    struct bw_group_verdict groups[BW_LAB_GROUPS_MAX];
    uint32_t group_count;
    uint64_t overlap_us; /* of all groups */
    uint64_t beyond_us;  /* of a site during a fault outside of what is promised: reported only */
    uint32_t failover_count;
    uint32_t calm_lost_count; /* epochs that ended while nothing was broken (bw_run_calm) */
    uint64_t beat_count;
    uint32_t alone_count;   /* rounds of random with one fault */
    uint64_t alone_gap_us;  /* the longest in which nobody served a group in one of them */
    const char *alone_name; /* the fault; NULL: somebody always did */
    struct bw_measure measures[BW_MEASURES_MAX];
    uint32_t measure_count;
    uint32_t violation_count;
    char violations[BW_VIOLATIONS_MAX][BW_LAB_TEXT_BYTES]; /* the first of them, in words */
};

/* Judges a records directory of one folder for each group. `run` NULL: kept records, of which only
 * I1 and I2 are judged. */
BW_MUST_CHECK enum bw_err bw_verdict_init(struct bw_verdict *verdict, const char *records,
                                          const struct bw_run *run, enum bw_scenario_end end,
                                          struct bw_diag *diag);
void bw_verdict_deinit(struct bw_verdict *verdict);

#endif
