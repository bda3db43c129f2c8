#include <breakwater/base/instant.h>
#include <breakwater/base/minmax.h>

#define WAKE_FLOOR_NS (BW_NS_PER_MS / 10)

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t sub_saturating(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

struct bw_instant bw_instant_add(struct bw_instant at, uint64_t duration_ns)
{
    return (struct bw_instant){add_saturating(at.boot_ns, duration_ns),
                               add_saturating(at.raw_ns, duration_ns)};
}

struct bw_instant bw_instant_sub(struct bw_instant at, uint64_t duration_ns)
{
    return (struct bw_instant){sub_saturating(at.boot_ns, duration_ns),
                               sub_saturating(at.raw_ns, duration_ns)};
}

bool bw_instant_right_is_over(struct bw_instant now, struct bw_instant end)
{
    return now.boot_ns >= end.boot_ns || now.raw_ns >= end.raw_ns;
}

bool bw_instant_wait_is_over(struct bw_instant now, struct bw_instant end)
{
    return now.boot_ns >= end.boot_ns && now.raw_ns >= end.raw_ns;
}

bool bw_instant_is_same(struct bw_instant a, struct bw_instant b)
{
    return a.boot_ns == b.boot_ns && a.raw_ns == b.raw_ns;
}

bool bw_instant_is_later(struct bw_instant a, struct bw_instant b)
{
    return a.boot_ns >= b.boot_ns && a.raw_ns >= b.raw_ns &&
           (a.boot_ns > b.boot_ns || a.raw_ns > b.raw_ns);
}

bool bw_instant_is_beyond(struct bw_instant a, struct bw_instant limit)
{
    return a.boot_ns > limit.boot_ns || a.raw_ns > limit.raw_ns;
}

uint64_t bw_instant_elapsed_ns(struct bw_instant now, struct bw_instant since)
{
    return bw_min(sub_saturating(now.boot_ns, since.boot_ns),
                  sub_saturating(now.raw_ns, since.raw_ns));
}

uint64_t bw_instant_left_ns(struct bw_instant now, struct bw_instant end)
{
    return bw_min(sub_saturating(end.boot_ns, now.boot_ns),
                  sub_saturating(end.raw_ns, now.raw_ns));
}

uint64_t bw_instant_wait_left_ns(struct bw_instant now, struct bw_instant end)
{
    return bw_max(sub_saturating(end.boot_ns, now.boot_ns),
                  sub_saturating(end.raw_ns, now.raw_ns));
}

struct bw_instant bw_instant_wait_wake(struct bw_instant now, struct bw_instant end)
{
    if (!bw_instant_right_is_over(now, end) || bw_instant_wait_is_over(now, end))
        return end;
    return bw_instant_add(now, bw_max(bw_instant_wait_left_ns(now, end), WAKE_FLOOR_NS));
}

struct bw_instant bw_instant_min(struct bw_instant a, struct bw_instant b)
{
    return (struct bw_instant){bw_min(a.boot_ns, b.boot_ns), bw_min(a.raw_ns, b.raw_ns)};
}

struct bw_instant bw_instant_max(struct bw_instant a, struct bw_instant b)
{
    return (struct bw_instant){bw_max(a.boot_ns, b.boot_ns), bw_max(a.raw_ns, b.raw_ns)};
}

bool bw_instant_is_never(struct bw_instant at)
{
    return at.boot_ns == UINT64_MAX && at.raw_ns == UINT64_MAX;
}
