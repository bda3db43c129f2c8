/* scalar.h - how a configuration writes numbers, truth and addresses; durations are in
 * base/instant.h. YAML's own ideas (no = false, 010 = 8, 1_000) are not followed: a value means
 * what a person reads. Pure. */
#ifndef BW_CONFIG_SCALAR_H
#define BW_CONFIG_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/instant.h>
#include <breakwater/base/limits.h>

/* Decimal digits only, no sign, no leading zero, at most UINT32_MAX. */
bool bw_number_parse(const char *text, uint32_t *out_number);

/* `true` or `false`. */
bool bw_truth_parse(const char *text, bool *out_truth);

/* HOST:PORT with a host name, an IPv4 address or an IPv6 address in brackets, and a port from 1 to
 * 65535 (0 too with `may_be_port_0`, to listen on any free one). On failure names what is wrong. */
bool bw_address_check(const char *text, bool may_be_port_0, const char **out_why);

bool bw_address_is_same_port(const char *address, const char *other);
/* The host of a text that bw_address_check accepts is a numeric address: nothing to resolve. */
bool bw_address_has_numeric_host(const char *text);

/* [A-Za-z_][A-Za-z0-9_]*, at most BW_NAME_MAX bytes. */
bool bw_env_name_is_valid(const char *name);

/* Edits (insert, delete, replace, swap of neighbours) between two words, without regard to case and
 * with `-` equal to `_`. Words over 63 bytes are far from everything: UINT32_MAX. */
uint32_t bw_word_distance(const char *a, const char *b);

#endif
