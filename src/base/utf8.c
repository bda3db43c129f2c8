#include <breakwater/base/utf8.h>

#include <string.h>

#include <breakwater/base/assert.h>

#define CUT       "..."
#define CUT_BYTES (sizeof CUT - 1)

bool bw_utf8_continues(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

size_t bw_utf8_columns(const char *text, size_t size)
{
    size_t columns = 0;

    for (size_t i = 0; i < size; i++)
        columns += !bw_utf8_continues(text[i]);
    return columns;
}

size_t bw_utf8_whole(const char *text, size_t size)
{
    for (int i = 0; i < 3 && size > 0 && bw_utf8_continues(text[size]); i++)
        size--;
    return size;
}

void bw_utf8_copy(char *out, size_t size, const char *text)
{
    size_t bytes = strnlen(text, size);

    BW_ASSERT(size > 0);
    if (bytes == size)
        bytes = bw_utf8_whole(text, size - 1);
    memcpy(out, text, bytes);
    out[bytes] = '\0';
}

size_t bw_utf8_decode(const char *at, size_t left, uint32_t *out_point)
{
    const unsigned char first = (unsigned char)at[0];
    const size_t length = first < 0x80   ? 1
                          : first < 0xc2 ? 0
                          : first < 0xe0 ? 2
                          : first < 0xf0 ? 3
                          : first < 0xf5 ? 4
                                         : 0;
    uint32_t point;

    if (length == 0 || length > left)
        return 0;
    point = length == 1 ? first : first & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (!bw_utf8_continues(at[i]))
            return 0;
        point = point << 6 | ((unsigned char)at[i] & 0x3fu);
    }
    if ((length == 3 && point < 0x800) || (length == 4 && (point < 0x10000 || point > 0x10ffff)) ||
        (point >= 0xd800 && point < 0xe000))
        return 0;
    *out_point = point;
    return length;
}

bool bw_utf8_turns(uint32_t point)
{
    return point == 0x061c || point == 0x200e || point == 0x200f ||
           (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

/* Default_Ignorable_Code_Point of Unicode 15 (DerivedCoreProperties.txt, UAX #44): a terminal shows none of them. */
static const struct {
    uint32_t first;
    uint32_t last;
} ignorable[] = {{0x00ad, 0x00ad},   {0x034f, 0x034f},   {0x061c, 0x061c},   {0x115f, 0x1160},  {0x17b4, 0x17b5},
                 {0x180b, 0x180f},   {0x200b, 0x200f},   {0x202a, 0x202e},   {0x2060, 0x206f},  {0x3164, 0x3164},
                 {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfff8},  {0x1bca0, 0x1bca3},
                 {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}};

bool bw_utf8_is_hidden(uint32_t point)
{
    for (size_t i = 0; i < sizeof ignorable / sizeof ignorable[0]; i++)
        if (point >= ignorable[i].first && point <= ignorable[i].last)
            return true;
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || (point >= 0x2028 && point <= 0x2029);
}

/* The character at `at` as it is shown, of one to four bytes; how many bytes were taken for it. */
static size_t show(const char *at, size_t left, char out[4], size_t *out_size)
{
    uint32_t point = 0;
    const size_t taken = bw_utf8_decode(at, left, &point);

    *out_size = 1;
    if (taken == 0 || bw_utf8_is_hidden(point)) {
        out[0] = point == '\t' ? ' ' : '?';
        return taken > 0 ? taken : 1;
    }
    *out_size = taken;
    memcpy(out, at, taken);
    return taken;
}

void bw_utf8_plain(char *out, size_t size, const char *bytes, size_t count)
{
    size_t used = 0;
    size_t whole = 0; /* after which "..." still fits */
    size_t taken;

    BW_ASSERT(size > CUT_BYTES);
    for (size_t i = 0; i < count; i += taken) {
        char shown[4];
        size_t shown_size;

        taken = show(bytes + i, count - i, shown, &shown_size);
        if (used + shown_size + 1 > size) {
            memcpy(out + whole, CUT, CUT_BYTES);
            used = whole + CUT_BYTES;
            break;
        }
        memcpy(out + used, shown, shown_size);
        used += shown_size;
        if (used + CUT_BYTES + 1 <= size)
            whole = used;
    }
    out[used] = '\0';
}
