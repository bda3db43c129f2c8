/* random.h - ids from the kernel's generator. */
#ifndef BW_OS_RANDOM_H
#define BW_OS_RANDOM_H

#include <stdint.h>

#include <breakwater/base/name.h>

/* 128 random bits, never the id "none". Blocks until the kernel's generator is seeded; ends the
 * process where the kernel has no generator. */
struct bw_id bw_random_id(void);
/* A seed for a bw_prng. */
uint64_t bw_random_seed(void);

#endif
