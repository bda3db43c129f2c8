/* origin.h - from where a connection comes, as far as it costs something to come from elsewhere, and who of those that
 * nobody knows yet makes room for another. Design 5.3. Pure.
 *
 * A connection is accepted once its three packets went to and fro, so an address was not invented. */
#ifndef BW_NET_ORIGIN_H
#define BW_NET_ORIGIN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* A whole IPv4 address, written as one or as ::ffff:A.B.C.D; of IPv6 the /64, since one host may have all of it. 0: of
 * another family. Ports are no part of it. */
uint64_t bw_origin_of(const struct sockaddr *socket_address);

/* `origins`, oldest first, at least one: the index of who goes. The oldest of the origin that has most; where several
 * have as many, the oldest of them all. So whoever comes again and again from few places takes none from others, be
 * they as slow as they may. */
size_t bw_origin_victim(const uint64_t *origins, size_t count);

#endif
