#include <breakwater/base/duration.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/base/bytes.h>

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
