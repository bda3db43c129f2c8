/* names_file.c - last good addresses on the disk, so that a restart does not wait for a name server. */
#include "names_private.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/net/address.h>
#include <breakwater/os/durable.h>

static const struct bw_durable_kind kind = {.magic = "BWNA", .version = 2, .oldest = BW_DURABLE_OLDEST};

#define LINE_BYTES (BW_ADDRESS_MAX + 1 + INET6_ADDRSTRLEN + 1)

static void format(const struct sockaddr_storage *address, char out[INET6_ADDRSTRLEN])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    const void *bytes = address->ss_family == AF_INET ? (const void *)&v4->sin_addr : &v6->sin6_addr;

    BW_ASSERT(inet_ntop(address->ss_family, bytes, out, INET6_ADDRSTRLEN) != NULL);
}

size_t bw_names_encode(const struct bw_name_kept *kept, size_t count, char out[BW_NAMES_BYTES_MAX])
{
    size_t size = 0;

    for (size_t i = 0; i < count && BW_NAMES_BYTES_MAX - size > LINE_BYTES; i++) {
        char address[INET6_ADDRSTRLEN];

        format(&kept[i].address, address);
        size += (size_t)sprintf(out + size, "%s %s\n", kept[i].host, address); /* fits: LINE_BYTES are left */
    }
    return size;
}

/* A part of a line, as the host of an address. */
static bool take_host(const char *text, size_t size, struct bw_address *out)
{
    char whole[BW_ADDRESS_MAX + 8];
    struct sockaddr_storage numeric;

    memset(out, 0, sizeof *out);
    if (size == 0 || size > BW_ADDRESS_MAX || memchr(text, '\0', size) != NULL)
        return false;
    memcpy(out->host, text, size);
    if (bw_address_is_numeric(out, &numeric))
        return true;
    (void)snprintf(whole, sizeof whole, "%s:0", out->host); /* fits */
    return out->host[0] != '[' && bw_address_parse(whole, out, NULL) == BW_OK;
}

/* "HOST ADDRESS"; false: it is nothing that encode writes. */
static bool decode_line(const char *line, size_t size, struct bw_name_kept *out)
{
    const char *blank = memchr(line, ' ', size);
    const size_t host_size = blank != NULL ? (size_t)(blank - line) : 0;
    struct bw_address host;
    struct bw_address address;
    struct sockaddr_storage numeric = {.ss_family = AF_UNSPEC};

    memset(out, 0, sizeof *out);
    if (blank == NULL || !take_host(line, host_size, &host) || bw_address_is_numeric(&host, &numeric) ||
        !take_host(blank + 1, size - host_size - 1, &address))
        return false;
    memcpy(out->host, host.host, sizeof out->host);
    return bw_address_is_numeric(&address, &out->address);
}

enum bw_err bw_names_decode(const char *bytes, size_t size, struct bw_name_kept out[BW_NAMES_MAX], size_t *out_count,
                            struct bw_diag *diag)
{
    size_t count = 0;

    *out_count = 0;
    for (size_t at = 0; at < size; count++) {
        const char *end = memchr(bytes + at, '\n', size - at);

        if (count == BW_NAMES_MAX || end == NULL ||
            !decode_line(bytes + at, (size_t)(end - bytes) - at, &out[count]))
            return bw_diag_set(diag, BW_ERR_CORRUPT, "line %zu is no name with its address", count + 1);
        at = (size_t)(end - bytes) + 1;
    }
    *out_count = count;
    return BW_OK;
}

enum bw_err bw_names_file_save(const struct bw_names_file *file, const char *bytes, size_t size, struct bw_diag *diag)
{
    return bw_durable_save(file->dir, file->name, &kind, bytes, size, diag);
}

enum bw_err bw_names_file_load(const struct bw_names_file *file, struct bw_name_kept out[BW_NAMES_MAX],
                               size_t *out_count, struct bw_diag *diag)
{
    char bytes[BW_NAMES_BYTES_MAX];
    size_t size;
    uint32_t version;
    enum bw_err err = bw_durable_load(file->dir, file->name, &kind, bytes, sizeof bytes, &size, &version, diag);

    *out_count = 0;
    return err == BW_OK ? bw_names_decode(bytes, size, out, out_count, diag) : err;
}
