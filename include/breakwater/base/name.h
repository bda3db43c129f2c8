/* name.h - the names that people give, and the ids that nobody does. Names: of cluster, group, site, witness and agent, and
 * of a host. Ids: random, of 128 bits, a cluster's, an instance's (made with a state directory), a session's (made at each
 * start of an agent). The core compares ids and never makes one. Pure. */
#ifndef BW_BASE_NAME_H
#define BW_BASE_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/limits.h>

/* 1 to BW_NAME_MAX of a-z A-Z 0-9 . _ - and the first a letter or digit: safe in a URI, a path, a
 * file name, a shell word and a metric label. */
bool bw_name_is_valid(const char *name);

/* A host's name, at most 253 bytes: labels of 1 to 63 letters, digits, `-` and `_`, of which none begins or ends with
 * `-`, joined by dots (RFC 1035 2.3.4, RFC 1123 2.1). One whose last label is a number would be taken for an IPv4
 * address, as inet_aton(3) writes them: it is none. */
bool bw_host_name_is_valid(const char *name);

/* Random 128-bit ids: a cluster's, an instance's (made with a state directory), a session's
 * (made at each start of an agent). The core compares them and never makes one. Pure. */

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
