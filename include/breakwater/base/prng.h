/* prng.h - a seeded generator (xoshiro256**), for jitter and for the simulator. Never for ids or
 * keys. Pure: same seed, same numbers, on every machine. */
#ifndef BW_BASE_PRNG_H
#define BW_BASE_PRNG_H

#include <stdint.h>

struct bw_prng {
    uint64_t state[4];
};

void bw_prng_init(struct bw_prng *prng, uint64_t seed);
uint64_t bw_prng_next(struct bw_prng *prng);
/* Uniform in [0, bound); bound > 0. */
uint64_t bw_prng_below(struct bw_prng *prng, uint64_t bound);

#endif
