#include <breakwater/net/address.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>

static bool parse_port(const char *text, uint16_t *out_port)
{
    uint32_t port = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    for (size_t i = 0; i < digits; i++)
        port = port * 10 + (uint32_t)(text[i] - '0');
    if (port > UINT16_MAX)
        return false;
    *out_port = (uint16_t)port;
    return true;
}

/* What a terminal or a log would obey: it reaches both. Those of U+0080 to U+009F, in UTF-8, too.
 */
static bool has_control(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const unsigned char byte = (unsigned char)text[i];

        if (byte <= ' ' || byte == 0x7f ||
            (byte == 0xc2 && i + 1 < size && (unsigned char)text[i + 1] < 0xa0))
            return true;
    }
    return false;
}

enum bw_err bw_address_parse(const char *text, struct bw_address *out_address, struct bw_diag *diag)
{
    struct bw_address address;
    const char *host = text;
    const char *colon = strrchr(text, ':');
    size_t size = colon != NULL ? (size_t)(colon - text) : 0;

    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        host++;
        size -= 2;
    } else if (memchr(text, ':', size) != NULL) {
        size = 0; /* a bare IPv6 address: where it ends and the port begins is a guess */
    }
    if (size == 0 || size > BW_ADDRESS_MAX || memchr(host, '/', size) != NULL ||
        has_control(host, size) || !parse_port(colon + 1, &address.port))
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "\"%s\" is not HOST:PORT (like w1.example.net:7400, 192.0.2.1:7400 or "
                           "[2001:db8::1]:7400)",
                           text);
    memcpy(address.host, host, size);
    address.host[size] = '\0';
    *out_address = address;
    return BW_OK;
}

bool bw_address_is_valid(const char *text)
{
    struct bw_address address;

    return bw_address_parse(text, &address, NULL) == BW_OK;
}

bool bw_address_is_numeric(const struct bw_address *address,
                           struct sockaddr_storage *out_socket_address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(address->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(address->port)};

    if (inet_pton(AF_INET, address->host, &v4.sin_addr) == 1) {
        memcpy(out_socket_address, &v4, sizeof v4);
        return true;
    }
    if (inet_pton(AF_INET6, address->host, &v6.sin6_addr) == 1) {
        memcpy(out_socket_address, &v6, sizeof v6);
        return true;
    }
    return false;
}

void bw_address_format(const struct sockaddr *socket_address, char out_text[BW_ADDRESS_TEXT_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "";
    int size;

    if (socket_address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)socket_address;

        BW_ASSERT(inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host) != NULL);
        size = snprintf(out_text, BW_ADDRESS_TEXT_BYTES, "%s:%u", host, ntohs(v4->sin_port));
    } else if (socket_address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)socket_address;

        BW_ASSERT(inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host) != NULL);
        size = snprintf(out_text, BW_ADDRESS_TEXT_BYTES, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        size = snprintf(out_text, BW_ADDRESS_TEXT_BYTES, "unknown");
    }
    BW_ASSERT(size > 0 && size < BW_ADDRESS_TEXT_BYTES);
}

enum bw_err bw_listen(uv_tcp_t *listener, const char *what, const char *listen, const char *example,
                      int backlog, uv_connection_cb on_connection, struct bw_diag *diag)
{
    struct sockaddr_storage socket_address = {0};
    struct bw_address address;
    const enum bw_err err = bw_address_parse(listen, &address, diag);
    int result;

    if (err != BW_OK)
        return err;
    if (!bw_address_is_numeric(&address, &socket_address))
        return bw_diag_set(diag, BW_ERR_INVALID, "%s %s: needs a numeric address%s", what, listen,
                           example);
    result = uv_tcp_bind(listener, (const struct sockaddr *)&socket_address, 0);
    if (result == 0)
        result = uv_listen((uv_stream_t *)listener, backlog, on_connection);
    return result == 0 ? BW_OK
                       : bw_diag_set(diag, BW_ERR_IO, "%s %s: %s", what, listen,
                                     uv_strerror(result));
}

/* ---- origins ---- */

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
