/* Certificates of strangers. First byte: 0 DER, 1 a PEM file as `pki show` reads it, 2 a pair of CA
 * and identity files, parted by a NUL, as a program loads them; 3 an identity file beside a CA that
 * is good. */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include <breakwater/base/name.h>
#include <breakwater/net/credentials.h>
#include <breakwater/net/pki.h>
#include <breakwater/net/roles.h>

#include "../../src/net/pem_file.h"
#include "fuzz.h"

static void check_identity(const struct bw_identity *identity)
{
    FUZZ_CHECK(bw_name_is_valid(identity->cluster) && bw_name_is_valid(identity->name));
    FUZZ_CHECK(identity->role <= BW_ROLE_VIEWER && bw_role_text(identity->role)[0] != '\0');
    FUZZ_CHECK((identity->role == BW_ROLE_AGENT) == (identity->site[0] != '\0'));
    FUZZ_CHECK(identity->site[0] == '\0' || bw_name_is_valid(identity->site));
}

static void run_der(const uint8_t *data, size_t size)
{
    const unsigned char *at = data;
    X509 *certificate = d2i_X509(NULL, &at, (long)size);
    struct bw_identity identity;
    struct bw_diag diag = {0};
    enum bw_err err;

    ERR_clear_error();
    if (certificate == NULL)
        return;
    err = bw_identity_of_certificate(certificate, &identity, &diag);
    fuzz_check_outcome(err, &diag);
    FUZZ_CHECK(err == BW_OK || err == BW_ERR_AUTH);
    FUZZ_CHECK(ERR_peek_error() == 0);
    if (err == BW_OK)
        check_identity(&identity);
    X509_free(certificate);
}

/* Safe to print: no byte that a terminal would obey. */
static void check_printable(const char *text, size_t size)
{
    FUZZ_CHECK(fuzz_is_text(text, size));
    for (; *text != '\0'; text++)
        FUZZ_CHECK(*text >= 0x20 && *text < 0x7f);
}

static void run_show(const uint8_t *data, size_t size)
{
    static struct bw_pki_file file;
    const char *path = fuzz_file(0, data, size);
    struct bw_diag diag = {0};
    enum bw_err err;
    char *pem = NULL;

    memset(&file, 0, sizeof file);
    err = bw_pki_show(path, &file, &diag);
    fuzz_check_outcome(err, &diag);
    for (size_t i = 0; err == BW_OK && i < file.count; i++) {
        const struct bw_pki_certificate *certificate = &file.certificates[i];

        check_printable(certificate->identity, sizeof certificate->identity);
        check_printable(certificate->subject, sizeof certificate->subject);
        check_printable(certificate->issuer, sizeof certificate->issuer);
        check_printable(certificate->serial, sizeof certificate->serial);
        FUZZ_CHECK(certificate->sans_count <= BW_PKI_SANS_MAX);
        for (size_t j = 0; j < certificate->sans_count; j++)
            check_printable(certificate->sans[j], sizeof certificate->sans[j]);
    }
    FUZZ_CHECK(err != BW_OK || (file.count >= 1 && file.count <= BW_PKI_CERTIFICATES_MAX));
    err = bw_pem_read(path, &pem, NULL, &diag);
    fuzz_check_outcome(err, &diag);
    if (err == BW_OK)
        EVP_PKEY_free(bw_pem_parse_key(pem));
    bw_pem_free(pem);
    (void)bw_openssl_reason();
    FUZZ_CHECK(ERR_peek_error() == 0);
}

static void load(const char *ca_path, const char *identity_path)
{
    struct bw_credentials *credentials = NULL;
    struct bw_diag diag = {0};
    enum bw_err err = bw_credentials_load(ca_path, identity_path, &credentials, &diag);

    fuzz_check_outcome(err, &diag);
    if (err != BW_OK)
        return;
    check_identity(bw_credentials_identity(credentials));
    FUZZ_CHECK(strstr(bw_credentials_ca_pem(credentials), "BEGIN CERTIFICATE") != NULL);
    FUZZ_CHECK(strstr(bw_credentials_chain_pem(credentials), "BEGIN CERTIFICATE") != NULL);
    FUZZ_CHECK(strstr(bw_credentials_key_pem(credentials), "PRIVATE KEY") != NULL);
    err = bw_credentials_check(credentials, "prod", BW_ROLES_ANY, (struct bw_wall){.unix_ms = 0},
                               &diag);
    FUZZ_CHECK(err == BW_OK || err == BW_ERR_AUTH);
    bw_credentials_free(credentials);
}

/* A CA that is made once; its text is nobody's input. */
static const char *good_ca(void)
{
    static char path[512];
    struct bw_diag diag = {0};

    if (path[0] == '\0') {
        FUZZ_CHECK(bw_pki_init("prod", fuzz_directory(), &diag) == BW_OK);
        (void)snprintf(path, sizeof path, "%s/ca.pem", fuzz_directory());
    }
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end;
    size_t ca_size;

    if (size == 0)
        return 0;
    size--;
    switch (data++[0] % 4) {
    case 0:
        run_der(data, size);
        break;
    case 1:
        run_show(data, size);
        break;
    case 2:
        end = size > 0 ? memchr(data, '\0', size) : NULL;
        ca_size = end != NULL ? (size_t)(end - data) : size;
        load(fuzz_file(0, data, ca_size),
             end != NULL ? fuzz_file(1, end + 1, size - ca_size - 1) : "/proc/self/fd/0/none");
        break;
    default:
        load(good_ca(), fuzz_file(1, data, size));
        break;
    }
    ERR_clear_error();
    return 0;
}
