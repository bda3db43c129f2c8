/* listed.h - worlds of a file that a campaign lives through before its seeds: known to show what
 * few worlds show. A line is `seed mode length [fault]`, with `fault` as --often takes it; # begins
 * a comment. */
#ifndef BW_SIM_LISTED_H
#define BW_SIM_LISTED_H

#include <breakwater/base/diag.h>

#include "run.h"

#define SIM_LISTED_MAX 256

struct sim_listed {
    uint64_t seed, length_ns;
    enum sim_mode mode;
    char often[SIM_COVERAGE_NAME_BYTES]; /* "" none */
};

/* At most SIM_LISTED_MAX of them, of at most a day each. BW_ERR_INVALID says which line is none;
 * both outputs are then untouched. */
BW_MUST_CHECK enum bw_err sim_listed_load(const char *path, struct sim_listed *out_worlds,
                                          uint32_t *out_count, struct bw_diag *diag);

#endif
