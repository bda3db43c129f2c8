/* run.h - one seed, lived through once. */
#ifndef BW_SIM_RUN_H
#define BW_SIM_RUN_H

#include <stdio.h>

#include "checks.h"
#include "coverage.h"

enum sim_mode { SIM_MODE_SAFETY, SIM_MODE_LIVENESS };

/* What to run. `left_out` are numbers of incidents that do not happen, ascending; borrowed. */
struct sim_order {
    uint64_t seed;
    enum sim_mode mode;
    uint64_t length_ns;
    const char *often; /* see struct sim_setting; borrowed */
    uint32_t left_out_count;
    const uint32_t *left_out;
    uint32_t story_lines; /* kept and printed; 0: no story */
};

/* What came of it; no pointers: it goes through a pipe. */
struct sim_result {
    uint64_t seed, length_ns;
    enum sim_mode mode;
    char often[SIM_COVERAGE_NAME_BYTES]; /* as it was ordered; "" none */
    bool has_failed;
    char property[32], failure[512];
    uint64_t lived_ns, events, hash;
    uint32_t incident_count;
    struct sim_tally tally;
};

/* Lives through it. The story, if it is wanted, goes to `out`. `coverage` is added to. */
void sim_run(const struct sim_order *order, struct sim_result *out_result,
             struct sim_coverage *coverage, FILE *out);
/* The same in a child process, so that an abort or a crash is a result too. */
void sim_run_apart(const struct sim_order *order, struct sim_result *out_result);

/* Nothing has come of it yet. */
void sim_result_init(struct sim_result *out_result, const struct sim_order *order);

const char *sim_mode_word(enum sim_mode mode);

#endif
