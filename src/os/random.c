#include <breakwater/os/random.h>

#include <errno.h>
#include <stddef.h>
#include <sys/random.h>
#include <sys/types.h>

#include <breakwater/base/assert.h>

/* At most 256 bytes: such requests are never cut (getrandom(2)). */
static void fill(void *out, size_t size)
{
    ssize_t got;

    do
        got = getrandom(out, size, 0);
    while (got < 0 && errno == EINTR);
    BW_ASSERT(got == (ssize_t)size);
}

struct bw_id bw_random_id(void)
{
    struct bw_id id;

    do
        fill(id.bytes, sizeof id.bytes);
    while (bw_id_is_none(id));
    return id;
}

uint64_t bw_random_seed(void)
{
    uint64_t seed;

    fill(&seed, sizeof seed);
    return seed;
}
