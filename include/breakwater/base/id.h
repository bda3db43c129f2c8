/* id.h - random 128-bit ids: a cluster's, an instance's (made with a state directory), a session's
 * (made at each start of an agent). The core compares them and never makes one. Pure. */
#ifndef BW_BASE_ID_H
#define BW_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/limits.h>

struct bw_id {
    uint8_t bytes[BW_ID_BYTES]; /* all zero: none */
};

bool bw_id_equal(struct bw_id a, struct bw_id b);
bool bw_id_is_none(struct bw_id id);

#define BW_ID_TEXT_BYTES (2 * BW_ID_BYTES + 1)
/* 32 hex digits. */
void bw_id_format(struct bw_id id, char out_text[BW_ID_TEXT_BYTES]);
bool bw_id_parse(const char *text, struct bw_id *out_id);

#endif
