/* utf8.h - text that came from elsewhere, before a person is shown it. Pure. */
#ifndef BW_BASE_UTF8_H
#define BW_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed UTF-8 character at `at` (RFC 3629, no surrogates, shortest form) of
 * `left` bytes, at least 1, with its code point. 0: not well-formed. */
size_t bw_utf8_decode(const char *at, size_t left, uint32_t *out_point);
/* It goes on with a character that an earlier byte has begun. */
bool bw_utf8_continues(char byte);
/* How many columns of a terminal `size` bytes take: bytes that go on with a character take none. */
size_t bw_utf8_columns(const char *text, size_t size);
/* It changes the direction of text: a terminal shows something else than was written. */
bool bw_utf8_turns(uint32_t point);
/* A terminal obeys it or does not show it: control characters, separators of lines, and what Unicode calls
 * default-ignorable (those that turn text, fillers, joiners, selectors of a variation). */
bool bw_utf8_is_hidden(uint32_t point);
/* `size` less the first bytes of a character that `text[size]` goes on with; at most three, so that
 * bytes which are no UTF-8 do not hide all the rest. */
size_t bw_utf8_whole(const char *text, size_t size);
/* As much of `text` as fits into `out` of `size` bytes, 1 or more, in whole characters, and a NUL.
 */
void bw_utf8_copy(char *out, size_t size, const char *text);
/* The characters of `bytes` that fit whole into `out` of `size` bytes, at least 4, and a NUL; "..."
 * at its end says that there were more. A tab becomes a space; what is hidden, or no UTF-8, a
 * question mark. */
void bw_utf8_plain(char *out, size_t size, const char *bytes, size_t count);

#endif
