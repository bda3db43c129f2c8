/* minmax.h - the smaller and the greater of two numbers. */
#ifndef BW_BASE_MINMAX_H
#define BW_BASE_MINMAX_H

#include <stdint.h>

static inline uint64_t bw_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t bw_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
