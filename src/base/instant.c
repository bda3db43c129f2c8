#include <stdio.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/instant.h>
#include <breakwater/base/limits.h>

#define WAKE_FLOOR_NS (BW_NS_PER_MS / 10)

uint64_t bw_ms_to_ns(uint64_t ms)
{
    return ms > UINT64_MAX / BW_NS_PER_MS ? UINT64_MAX : ms * BW_NS_PER_MS;
}

uint64_t bw_ns_to_ms(uint64_t ns)
{
    return ns / BW_NS_PER_MS;
}

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

/* ---- durations as people write them ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Largest first: a duration names its units in this order, each at most once. */
static const struct unit {
    const char *name;
    uint32_t ms;
} units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
#define UNIT_COUNT (sizeof units / sizeof units[0])

/* Length of the unit that `text` begins with, which must be one from `*first` on. 0: none. */
static size_t match_unit(const char *text, size_t *first, uint32_t *out_ms)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz");

    for (size_t i = *first; i < UNIT_COUNT; i++) {
        if (strlen(units[i].name) != length || strncmp(text, units[i].name, length) != 0)
            continue;
        *first = i + 1;
        *out_ms = units[i].ms;
        return length;
    }
    return 0;
}

bool bw_duration_parse(const char *text, uint32_t *out_ms)
{
    uint64_t total = 0;
    size_t first = 0;

    if (strcmp(text, "0") == 0) {
        *out_ms = 0;
        return true;
    }
    if (*text == '\0')
        return false;
    while (*text != '\0') {
        uint64_t number = 0;
        uint32_t unit_ms = 0;
        size_t length;

        if (!is_digit(*text))
            return false;
        for (; is_digit(*text); text++) {
            number = number * 10 + (uint64_t)(*text - '0');
            if (number > UINT32_MAX)
                return false;
        }
        length = match_unit(text, &first, &unit_ms);
        if (length == 0)
            return false;
        text += length;
        total += number * unit_ms;
        if (total > UINT32_MAX)
            return false;
    }
    *out_ms = (uint32_t)total;
    return true;
}

void bw_duration_format(uint32_t ms, char out_text[BW_DURATION_TEXT_BYTES])
{
    size_t used = 0;

    if (ms == 0)
        (void)bw_copy_text(out_text, BW_DURATION_TEXT_BYTES, "0");
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        uint32_t count = ms / units[i].ms;

        if (count == 0)
            continue;
        used += (size_t)snprintf(out_text + used, BW_DURATION_TEXT_BYTES - used, "%u%s", count,
                                 units[i].name);
        ms %= units[i].ms;
    }
}
