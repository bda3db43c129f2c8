#include <breakwater/net/revoked.h>

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509.h>

#include <breakwater/base/bytes.h>
#include <breakwater/net/roles.h>

#define SERIAL_PREFIX "serial:"

struct entry {
    struct bw_identity identity; /* cluster "": a serial instead */
    size_t serial_size;
    uint8_t serial[BW_REVOKED_SERIAL_MAX]; /* big endian, without leading zeros */
};

struct bw_revoked {
    atomic_uint owners;
    size_t count;
    struct entry entries[];
};

/* Hexadecimal digits in pairs, colons between them allowed. */
static bool parse_serial(const char *text, struct entry *out_entry)
{
    char digits[2 * BW_REVOKED_SERIAL_MAX + 1];
    size_t size = 0;

    for (; *text != '\0'; text++) {
        if (*text == ':')
            continue;
        if (size == sizeof digits - 1)
            return false;
        digits[size++] = (char)tolower((unsigned char)*text);
    }
    digits[size] = '\0';
    if (size == 0 || size % 2 != 0 || !bw_hex_decode(digits, out_entry->serial, size / 2))
        return false;
    size /= 2;
    while (size > 0 && out_entry->serial[0] == 0)
        memmove(out_entry->serial, out_entry->serial + 1, --size);
    out_entry->serial_size = size;
    return size > 0;
}

/* The cluster is that of whoever asks: its CA vouches for no other. */
static bool parse_name(const char *text, struct bw_identity *out_identity)
{
    char uri[BW_REVOKED_ENTRY_BYTES + 24];
    const int size = snprintf(uri, sizeof uri, "breakwater://any/%s", text);

    return size > 0 && (size_t)size < sizeof uri &&
           bw_identity_parse(uri, (size_t)size, out_identity);
}

static bool parse_entry(const char *text, struct entry *out_entry)
{
    if (strncmp(text, SERIAL_PREFIX, strlen(SERIAL_PREFIX)) == 0)
        return parse_serial(text + strlen(SERIAL_PREFIX), out_entry);
    return parse_name(text, &out_entry->identity);
}

enum bw_err bw_revoked_new(const char *const *entries, size_t count,
                           struct bw_revoked **out_revoked, struct bw_diag *diag)
{
    struct bw_revoked *revoked;

    if (count > BW_REVOKED_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "revoked: %zu entries, and at most %d are taken",
                           count, BW_REVOKED_MAX);
    revoked = calloc(1, sizeof *revoked + count * sizeof revoked->entries[0]);
    if (revoked == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "revoked: out of memory");
    atomic_init(&revoked->owners, 1);
    revoked->count = count;
    for (size_t i = 0; i < count; i++) {
        if (parse_entry(entries[i], &revoked->entries[i]))
            continue;
        bw_revoked_free(revoked);
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "revoked: \"%.*s\" is neither a name (operator/anna, agent/SITE/NAME) nor "
                           "serial:HEX as `breakwater pki show` prints it",
                           BW_REVOKED_ENTRY_BYTES, entries[i]);
    }
    *out_revoked = revoked;
    return BW_OK;
}

struct bw_revoked *bw_revoked_keep(struct bw_revoked *revoked)
{
    if (revoked != NULL)
        atomic_fetch_add(&revoked->owners, 1);
    return revoked;
}

void bw_revoked_free(struct bw_revoked *revoked)
{
    if (revoked != NULL && atomic_fetch_sub(&revoked->owners, 1) == 1)
        free(revoked);
}

/* Without leading zeros. */
static const uint8_t *serial_of(const X509 *certificate, size_t *out_size)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    const uint8_t *data = ASN1_STRING_get0_data(serial);
    size_t size = (size_t)ASN1_STRING_length(serial);

    for (; size > 0 && data[0] == 0; size--)
        data++;
    *out_size = size;
    return data;
}

static bool is_serial_of(const struct entry *entry, const X509 *certificate)
{
    size_t size;
    const uint8_t *data = serial_of(certificate, &size);

    return size == entry->serial_size && memcmp(data, entry->serial, size) == 0;
}

static bool is_name_of(const struct entry *entry, const struct bw_identity *identity)
{
    return entry->identity.role == identity->role &&
           strcmp(entry->identity.site, identity->site) == 0 &&
           strcmp(entry->identity.name, identity->name) == 0;
}

static bool is_same(const struct entry *a, const struct entry *b)
{
    if (a->serial_size != b->serial_size)
        return false;
    return a->serial_size > 0 ? memcmp(a->serial, b->serial, a->serial_size) == 0
                              : is_name_of(a, &b->identity);
}

bool bw_revoked_has_entry(const struct bw_revoked *revoked, const char *text)
{
    struct entry wanted = {.serial_size = 0};

    if (!parse_entry(text, &wanted))
        return false;
    for (size_t i = 0; revoked != NULL && i < revoked->count; i++)
        if (is_same(&revoked->entries[i], &wanted))
            return true;
    return false;
}

bool bw_revoked_has(const struct bw_revoked *revoked, const struct x509_st *certificate)
{
    struct bw_identity identity;
    const bool is_ours = bw_identity_of_certificate(certificate, &identity, NULL) == BW_OK;

    for (size_t i = 0; revoked != NULL && i < revoked->count; i++) {
        const struct entry *entry = &revoked->entries[i];

        if (entry->serial_size > 0 ? is_serial_of(entry, certificate)
                                   : is_ours && is_name_of(entry, &identity))
            return true;
    }
    return false;
}
