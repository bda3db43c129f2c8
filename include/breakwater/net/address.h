/* address.h - HOST:PORT as people write it: a name, an IPv4 address, or [IPv6]. Pure, but for bw_listen. */
#ifndef BW_NET_ADDRESS_H
#define BW_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <uv.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>

struct bw_address {
    char host[BW_ADDRESS_MAX + 1]; /* without brackets */
    uint16_t port;
};

/* "HOST:PORT", port 0 to 65535 in decimal, without blanks and control characters: it is shown and
 * logged. BW_ERR_INVALID, `out_address` untouched, otherwise. */
BW_MUST_CHECK enum bw_err bw_address_parse(const char *text, struct bw_address *out_address,
                                           struct bw_diag *diag);

bool bw_address_is_valid(const char *text);

/* True, and `out_socket_address` filled, when `host` is a numeric address; nothing is resolved. */
bool bw_address_is_numeric(const struct bw_address *address,
                           struct sockaddr_storage *out_socket_address);

#define BW_ADDRESS_TEXT_BYTES 64
/* "192.0.2.1:7400" or "[2001:db8::1]:7400"; "unknown" for another family. */
void bw_address_format(const struct sockaddr *socket_address, char out_text[BW_ADDRESS_TEXT_BYTES]);

/* Binds `listener`, which was initialised, to a numeric address. `what` and `example` are for the diag, as in "listen on" and
 * " (like 0.0.0.0:7400)". BW_ERR_INVALID, BW_ERR_IO: `listener` is then to be closed. */
BW_MUST_CHECK enum bw_err bw_listen(uv_tcp_t *listener, const char *what, const char *listen,
                                    const char *example, int backlog,
                                    uv_connection_cb on_connection, struct bw_diag *diag);

/* From where a connection comes, as far as it costs something to come from elsewhere, and who of those that
 * nobody knows yet makes room for another. Design 5.3. Pure.
 *
 * A connection is accepted once its three packets went to and fro, so an address was not invented. */

/* A whole IPv4 address, written as one or as ::ffff:A.B.C.D; of IPv6 the /64, since one host may have all of it. 0: of
 * another family. Ports are no part of it. */
uint64_t bw_origin_of(const struct sockaddr *socket_address);

/* `origins`, oldest first, at least one: the index of who goes. The oldest of the origin that has most; where several
 * have as many, the oldest of them all. So whoever comes again and again from few places takes none from others, be
 * they as slow as they may. */
size_t bw_origin_victim(const uint64_t *origins, size_t count);

#endif
