#include "text_check.h"

#include <stdint.h>

bool bw_text_is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* Bytes of the well-formed UTF-8 character at `at` (RFC 3629, no surrogates, shortest form), with
 * its code point. 0: not well-formed. */
static size_t decode(const unsigned char *at, size_t left, uint32_t *out_point)
{
    size_t length = at[0] < 0x80   ? 1
                    : at[0] < 0xc2 ? 0
                    : at[0] < 0xe0 ? 2
                    : at[0] < 0xf0 ? 3
                    : at[0] < 0xf5 ? 4
                                   : 0;
    uint32_t point;

    if (length == 0 || length > left)
        return 0;
    point = length == 1 ? at[0] : at[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (!bw_text_is_continuation((char)at[i]))
            return 0;
        point = point << 6 | (at[i] & 0x3fu);
    }
    if ((length == 3 && point < 0x800) || (length == 4 && (point < 0x10000 || point > 0x10ffff)) ||
        (point >= 0xd800 && point < 0xe000))
        return 0;
    *out_point = point;
    return length;
}

/* What may not stand in a file: it would hide in a terminal, or be a line for YAML but not for
 * people. NULL: fine. */
static const char *refusal(uint32_t point)
{
    if (point == 0)
        return "a NUL character; this is no text file";
    if (point == 0x85 || point == 0x2028 || point == 0x2029)
        return "an unusual line break; end lines with a newline";
    if ((point < 0x20 && point != '\t' && point != '\n') || (point >= 0x7f && point < 0xa0))
        return "a control character";
    if ((point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069))
        return "a character that changes the direction of text";
    if (point == 0xfeff)
        return "a byte order mark inside the file";
    return NULL;
}

const char *bw_text_check(const char *text, size_t size, size_t *out_offset)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length;

    for (size_t i = 0; i < size; i += length) {
        uint32_t point = 0;
        const char *why;

        length = decode(bytes + i, size - i, &point);
        why = length == 0 ? "bytes that are not UTF-8" : refusal(point);
        if (point == '\r' && i + 1 < size && bytes[i + 1] == '\n')
            why = NULL;
        if (why != NULL) {
            *out_offset = i;
            return why;
        }
    }
    return NULL;
}
