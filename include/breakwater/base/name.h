/* name.h - the rules for names that people give: of cluster, group, site, witness and agent, and of a host. Pure. */
#ifndef BW_BASE_NAME_H
#define BW_BASE_NAME_H

#include <stdbool.h>

/* 1 to BW_NAME_MAX of a-z A-Z 0-9 . _ - and the first a letter or digit: safe in a URI, a path, a
 * file name, a shell word and a metric label. */
bool bw_name_is_valid(const char *name);

/* A host's name, at most 253 bytes: labels of 1 to 63 letters, digits, `-` and `_`, of which none begins or ends with
 * `-`, joined by dots (RFC 1035 2.3.4, RFC 1123 2.1). One whose last label is a number would be taken for an IPv4
 * address, as inet_aton(3) writes them: it is none. */
bool bw_host_name_is_valid(const char *name);

#endif
