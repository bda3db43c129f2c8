#include <breakwater/net/origin.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <breakwater/base/assert.h>

#define IPV4 (UINT64_C(1) << 32) /* as a /64 that nobody has: 0:1::/32 is reserved */

static uint64_t of_ipv4(const void *bytes)
{
    uint32_t address;

    memcpy(&address, bytes, sizeof address);
    return IPV4 | ntohl(address);
}

static uint64_t of_ipv6(const struct in6_addr *address)
{
    uint64_t prefix = 0;

    if (IN6_IS_ADDR_V4MAPPED(address))
        return of_ipv4(&address->s6_addr[12]);
    for (size_t i = 0; i < sizeof prefix; i++)
        prefix = prefix << 8 | address->s6_addr[i];
    return prefix;
}

uint64_t bw_origin_of(const struct sockaddr *socket_address)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;

    switch (socket_address->sa_family) {
    case AF_INET:
        memcpy(&ipv4, socket_address, sizeof ipv4);
        return of_ipv4(&ipv4.sin_addr);
    case AF_INET6:
        memcpy(&ipv6, socket_address, sizeof ipv6);
        return of_ipv6(&ipv6.sin6_addr);
    default:
        return 0;
    }
}

/* Each origin's count is that from its oldest on: from a later one on it is smaller, and does not win. */
size_t bw_origin_victim(const uint64_t *origins, size_t count)
{
    size_t victim = 0;
    size_t most = 0;

    BW_ASSERT(count > 0);
    for (size_t i = 0; i + most < count; i++) {
        size_t same = 0;

        for (size_t j = i; j < count; j++)
            same += origins[j] == origins[i];
        if (same > most) {
            most = same;
            victim = i;
        }
    }
    return victim;
}
