/* coverage.h - how often each rule of each table and each fault has fired. */
#ifndef BW_SIM_COVERAGE_H
#define BW_SIM_COVERAGE_H

#include <stdint.h>
#include <stdio.h>

#define SIM_COVERAGE_MAX        1024 /* a power of two */
#define SIM_COVERAGE_NAME_BYTES 40

struct sim_coverage_entry {
    char name[SIM_COVERAGE_NAME_BYTES]; /* "" free */
    uint64_t count;
};
struct sim_coverage {
    struct sim_coverage_entry entries[SIM_COVERAGE_MAX]; /* by hash, open addressing */
};

void sim_coverage_add(struct sim_coverage *coverage, const char *name, uint64_t count);
uint64_t sim_coverage_get(const struct sim_coverage *coverage, const char *name);

#endif
