/* Reads certificates that anybody may have written, into text that is safe to print. */
#define OPENSSL_NO_DEPRECATED
#include <breakwater/net/pki.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <breakwater/base/bytes.h>

#include "pem_file.h"

#define CUT "..."

/* "PREFIX" and the bytes, escaped; one that does not fit ends in "...". */
static void format_bytes(char *out, size_t size, const char *prefix, const unsigned char *data,
                         size_t data_size)
{
    size_t used = (size_t)snprintf(out, size, "%s", prefix);

    for (size_t i = 0; i < data_size; i++) {
        const unsigned char c = data[i];
        const bool is_plain = c >= 0x20 && c < 0x7f && c != '\\';

        if (used + 5 + strlen(CUT) > size) {
            (void)snprintf(out + used, size - used, CUT);
            return;
        }
        used += (size_t)snprintf(out + used, size - used, is_plain ? "%c" : "\\x%02x", c);
    }
}

static void format_san(const GENERAL_NAME *name, char out[BW_PKI_SAN_MAX + 1])
{
    char address[INET6_ADDRSTRLEN];
    const ASN1_STRING *text;

    if (name->type == GEN_URI || name->type == GEN_DNS) {
        text = name->type == GEN_URI ? name->d.uniformResourceIdentifier : name->d.dNSName;
        format_bytes(out, BW_PKI_SAN_MAX + 1,
                     name->type == GEN_URI ? "uri:" : "dns:", ASN1_STRING_get0_data(text),
                     (size_t)ASN1_STRING_length(text));
        return;
    }
    if (name->type == GEN_IPADD) {
        const int size = ASN1_STRING_length(name->d.iPAddress);
        const int family = size == 4 ? AF_INET : AF_INET6;

        if ((size == 4 || size == 16) &&
            inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), address, sizeof address))
            (void)snprintf(out, BW_PKI_SAN_MAX + 1, "ip:%s", address);
        else
            (void)snprintf(out, BW_PKI_SAN_MAX + 1, "ip:(malformed, %d bytes)", size);
        return;
    }
    (void)snprintf(out, BW_PKI_SAN_MAX + 1, "other:(type %d)", name->type);
}

static enum bw_err read_sans(const X509 *x509, struct bw_pki_certificate *certificate,
                             struct bw_diag *diag)
{
    int critical = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, &critical, NULL);
    size_t uri_count = 0;
    enum bw_err err = BW_OK;

    if (names == NULL && critical != -1) /* -1: there is none */
        return bw_diag_set(diag, BW_ERR_CORRUPT, "its alternative names are damaged or doubled");
    if (sk_GENERAL_NAME_num(names) > BW_PKI_SANS_MAX)
        err = bw_diag_set(diag, BW_ERR_LIMIT, "more than %d alternative names", BW_PKI_SANS_MAX);
    for (int i = 0; err == BW_OK && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char *san = certificate->sans[certificate->sans_count++];

        format_san(name, san);
        if (name->type != GEN_URI)
            continue;
        uri_count++;
        (void)bw_copy_text(certificate->identity, sizeof certificate->identity,
                           san + strlen("uri:")); /* fits: a part of a text of the same size */
    }
    if (uri_count != 1)
        certificate->identity[0] = '\0';
    GENERAL_NAMES_free(names);
    return err;
}

static enum bw_err read_name(const X509_NAME *name, char *out, size_t size, struct bw_diag *diag)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    long length;

    if (bio == NULL || X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) < 0) {
        BIO_free(bio);
        return bw_diag_set(diag, BW_ERR_CORRUPT, "a name in it is damaged");
    }
    length = BIO_get_mem_data(bio, &data);
    if (length > 0)
        format_bytes(out, size, "", (const unsigned char *)data, (size_t)length);
    BIO_free(bio);
    return BW_OK;
}

static bool read_time(const ASN1_TIME *time, int64_t *out_s)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return false;
    *out_s = (int64_t)timegm(&tm);
    return true;
}

static bool read_fingerprint(const X509 *x509, struct bw_pki_certificate *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (X509_digest(x509, EVP_sha256(), digest, &size) != 1 || size != 32)
        return false;
    for (unsigned i = 0; i < size; i++)
        (void)snprintf(certificate->fingerprint + (size_t)3 * i,
                       sizeof certificate->fingerprint - (size_t)3 * i,
                       i + 1 < size ? "%02X:" : "%02X", digest[i]); /* sized for it */
    return true;
}

static bool read_serial(const X509 *x509, struct bw_pki_certificate *certificate)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);
    const int size = ASN1_STRING_length(serial);

    if (size < 0 || (size_t)size > (sizeof certificate->serial - 1) / 2)
        return false;
    bw_hex_encode(ASN1_STRING_get0_data(serial), (size_t)size, certificate->serial);
    return true;
}

static enum bw_err read_certificate(X509 *x509, struct bw_pki_certificate *certificate,
                                    struct bw_diag *diag)
{
    enum bw_err err;

    certificate->is_ca = X509_check_ca(x509) == 1;
    if (!read_time(X509_get0_notBefore(x509), &certificate->not_before_s) ||
        !read_time(X509_get0_notAfter(x509), &certificate->not_after_s))
        return bw_diag_set(diag, BW_ERR_CORRUPT, "its dates are damaged");
    if (!read_serial(x509, certificate))
        return bw_diag_set(diag, BW_ERR_CORRUPT, "its serial number is longer than 20 bytes");
    if (!read_fingerprint(x509, certificate))
        return bw_diag_set(diag, BW_ERR_IO, "SHA-256: %s", bw_openssl_reason());
    err = read_name(X509_get_subject_name(x509), certificate->subject, sizeof certificate->subject,
                    diag);
    if (err == BW_OK)
        err = read_name(X509_get_issuer_name(x509), certificate->issuer, sizeof certificate->issuer,
                        diag);
    if (err == BW_OK)
        err = read_sans(x509, certificate, diag);
    return err;
}

/* The next certificate, NULL at the end; BW_ERR_CORRUPT for one that cannot be read. */
static enum bw_err next_certificate(BIO *bio, X509 **out_x509, struct bw_diag *diag)
{
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    const unsigned long code = ERR_peek_last_error();

    if (x509 == NULL && ERR_GET_LIB(code) == ERR_LIB_PEM &&
        ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
        ERR_clear_error();
        *out_x509 = NULL;
        return BW_OK;
    }
    if (x509 == NULL)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "damaged: %s", bw_openssl_reason());
    *out_x509 = x509;
    return BW_OK;
}

static enum bw_err read_certificates(BIO *bio, EVP_PKEY *key, struct bw_pki_file *file,
                                     struct bw_diag *diag)
{
    for (;;) {
        X509 *x509 = NULL;
        enum bw_err err = next_certificate(bio, &x509, diag);

        if (err == BW_OK && x509 == NULL)
            break;
        if (err == BW_OK && file->count == BW_PKI_CERTIFICATES_MAX)
            err = bw_diag_set(diag, BW_ERR_LIMIT, "more than %d certificates",
                              BW_PKI_CERTIFICATES_MAX);
        if (err == BW_OK)
            err = read_certificate(x509, &file->certificates[file->count], diag);
        if (err == BW_OK && file->count == 0)
            file->has_key = key != NULL && X509_check_private_key(x509, key) == 1;
        X509_free(x509);
        if (err != BW_OK)
            return bw_diag_wrap(diag, err, "certificate %zu", file->count + 1);
        file->count++;
    }
    if (file->count == 0)
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "no certificate in it; expected a file of \"breakwater pki\"");
    return BW_OK;
}

enum bw_err bw_pki_show(const char *path, struct bw_pki_file *out_file, struct bw_diag *diag)
{
    char *pem = NULL;
    bool is_exposed = false;
    EVP_PKEY *key;
    BIO *bio;
    enum bw_err err = bw_pem_read(path, &pem, &is_exposed, diag);

    if (err != BW_OK)
        return err;
    memset(out_file, 0, sizeof *out_file);
    ERR_clear_error();
    key = bw_pem_parse_key(pem);
    ERR_clear_error();
    bio = BIO_new_mem_buf(pem, -1);
    if (bio == NULL)
        err = bw_diag_set(diag, BW_ERR_NOMEM, "out of memory");
    else
        err = read_certificates(bio, key, out_file, diag);
    out_file->key_is_exposed = key != NULL && is_exposed;
    BIO_free(bio);
    EVP_PKEY_free(key);
    bw_pem_free(pem);
    ERR_clear_error();
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "%s", path);
}
