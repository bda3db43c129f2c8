/* http_target.h - where a request goes, by its URL. Private to net. */
#ifndef BW_NET_HTTP_TARGET_H
#define BW_NET_HTTP_TARGET_H

#include <stdbool.h>

#include "http_transfer.h"

struct bw_http_target {
    char where[BW_HTTP_WHERE_BYTES]; /* HOST:PORT; IPv6: in brackets */
    char name[BW_ADDRESS_MAX + 1];   /* HOST; "": it is numeric */
    char port[6];
};

/* https://HOST[:PORT]/..., without a user. False: it is none. */
bool bw_http_target_of(const char *url, struct bw_http_target *out);

#endif
