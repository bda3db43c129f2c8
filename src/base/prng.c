#include <breakwater/base/prng.h>

#include <breakwater/base/assert.h>

static uint64_t rotate_left(uint64_t value, int bits)
{
    return (value << bits) | (value >> (64 - bits));
}

/* splitmix64 spreads the seed: xoshiro must not start from zeros (Blackman and Vigna, 2018). */
void bw_prng_init(struct bw_prng *prng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        prng->state[i] = z ^ (z >> 31);
    }
}

uint64_t bw_prng_next(struct bw_prng *prng)
{
    uint64_t *s = prng->state;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* Rejects the uneven tail, so that the result is uniform. */
uint64_t bw_prng_below(struct bw_prng *prng, uint64_t bound)
{
    BW_ASSERT(bound > 0);
    const uint64_t threshold = (0 - bound) % bound;
    uint64_t value;

    do
        value = bw_prng_next(prng);
    while (value < threshold);
    return value % bound;
}
