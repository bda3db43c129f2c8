#include "text_check.h"

#include <stdint.h>

#include <breakwater/base/utf8.h>

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
    if (bw_utf8_turns(point))
        return "a character that changes the direction of text";
    if (point == 0xfeff)
        return "a byte order mark inside the file";
    return NULL;
}

const char *bw_text_check(const char *text, size_t size, size_t *out_offset)
{
    size_t length;

    for (size_t i = 0; i < size; i += length) {
        uint32_t point = 0;
        const char *why;

        length = bw_utf8_decode(text + i, size - i, &point);
        why = length == 0 ? "bytes that are not UTF-8" : refusal(point);
        if (point == '\r' && i + 1 < size && text[i + 1] == '\n')
            why = NULL;
        if (why != NULL) {
            *out_offset = i;
            return why;
        }
    }
    return NULL;
}
