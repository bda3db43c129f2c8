/* walk.h - what a generated walk over states remembers: which of them it has met, by a key that the test makes
 * of what the rules decide by. */
#ifndef BW_TEST_WALK_H
#define BW_TEST_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/bytes.h>

/* `key` with one more value in it. */
static inline uint32_t walk_mix(uint32_t key, uint64_t value)
{
    return bw_crc32c(key, &value, sizeof value);
}

/* Where `key`, never 0, is among the `size` keys, more than are ever met; or the free place where it goes. */
static inline uint32_t walk_find(const uint32_t *keys, uint32_t size, uint32_t key)
{
    uint32_t at = key % size;

    while (keys[at] != 0 && keys[at] != key)
        at = (at + 1) % size;
    return at;
}

#endif
