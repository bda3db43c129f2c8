/* text_check.h - which characters a configuration may hold. Pure. */
#ifndef BW_CONFIG_TEXT_CHECK_H
#define BW_CONFIG_TEXT_CHECK_H

#include <stddef.h>

/* NULL when `text` is UTF-8 without anything that would hide in a terminal or be a line break for
 * YAML but not for people (CR LF is one). Otherwise what is wrong, and the offset where. */
const char *bw_text_check(const char *text, size_t size, size_t *out_offset);

#endif
