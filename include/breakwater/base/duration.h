/* duration.h - how a duration is written for people, and read from them. Pure. */
#ifndef BW_BASE_DURATION_H
#define BW_BASE_DURATION_H

#include <stdbool.h>
#include <stdint.h>

/* `250ms`, `15s`, `2m`, `1h`, `1m30s`: units from large to small, each once; a bare number only as
 * `0`. False, and the output untouched, on anything else or beyond UINT32_MAX milliseconds. */
bool bw_duration_parse(const char *text, uint32_t *out_ms);

#define BW_DURATION_TEXT_BYTES 32
/* The shortest text that bw_duration_parse reads back to the same value. */
void bw_duration_format(uint32_t ms, char out_text[BW_DURATION_TEXT_BYTES]);

#endif
