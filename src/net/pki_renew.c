/* A new certificate, with a new key, in the place of one that ends. */
#define OPENSSL_NO_DEPRECATED
#include <breakwater/net/pki.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <breakwater/base/bytes.h>

#include "pem_file.h"

#define DAY_S      86400
#define BACKDATE_S (25 * 3600) /* as each of ours begins before it was issued */
#define SCHEME     "breakwater://"

/* ---- who has issued it ----------------------------------------------------------------------------- */

/* All that are in the file, up to the limit; fewer when one is damaged. */
static STACK_OF(X509) * read_certificates(const char *path, struct bw_diag *diag)
{
    STACK_OF(X509) *certificates = sk_X509_new_null();
    char *pem = NULL;
    BIO *bio = NULL;
    X509 *certificate;

    if (bw_pem_read(path, &pem, NULL, diag) == BW_OK)
        bio = BIO_new_mem_buf(pem, -1);
    for (int i = 0; bio != NULL && certificates != NULL && i < BW_PKI_CERTIFICATES_MAX; i++) {
        certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (certificate == NULL)
            break;
        if (sk_X509_push(certificates, certificate) <= 0)
            X509_free(certificate);
    }
    BIO_free(bio);
    bw_pem_free(pem);
    ERR_clear_error();
    return certificates;
}

/* Does one of `cas` vouch for it? One that has ended is renewed all the same. */
static bool is_issued_by(STACK_OF(X509) * cas, X509 *certificate)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *verify = X509_STORE_CTX_new();
    bool is_ready = store != NULL && verify != NULL;

    for (int i = 0; is_ready && i < sk_X509_num(cas); i++)
        is_ready = X509_STORE_add_cert(store, sk_X509_value(cas, i)) == 1;
    is_ready = is_ready && X509_STORE_CTX_init(verify, store, certificate, NULL) == 1;
    if (is_ready) {
        X509_STORE_CTX_set_flags(verify, X509_V_FLAG_NO_CHECK_TIME);
        is_ready = X509_verify_cert(verify) == 1;
    }
    X509_STORE_CTX_free(verify);
    X509_STORE_free(store);
    ERR_clear_error();
    return is_ready;
}

static enum bw_err check_issuer(const char *dir, const char *file, struct bw_diag *diag)
{
    char path[BW_PKI_PATH_MAX];
    STACK_OF(X509) *cas = NULL;
    STACK_OF(X509) *own = NULL;
    enum bw_err err = BW_OK;

    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, BW_PKI_CA_FILE) >= sizeof path)
        return bw_diag_set(diag, BW_ERR_LIMIT, "the path of the CA's directory is too long");
    cas = read_certificates(path, diag);
    own = read_certificates(file, diag);
    if (cas == NULL || own == NULL)
        err = bw_diag_set(diag, BW_ERR_NOMEM, "%s: out of memory", file);
    else if (sk_X509_num(cas) == 0)
        err = bw_diag_set(diag, BW_ERR_NOT_FOUND, "no CA in %s (make one with: breakwater pki init)",
                          dir);
    else if (sk_X509_num(own) == 0 || !is_issued_by(cas, sk_X509_value(own, 0)))
        err = bw_diag_set(diag, BW_ERR_REFUSED,
                          "%s: no CA in %s has issued this certificate, so it was not touched (where "
                          "one CA replaces another, %s has to hold both)",
                          file, path, path);
    sk_X509_pop_free(cas, X509_free);
    sk_X509_pop_free(own, X509_free);
    return err;
}

/* ---- the same again -------------------------------------------------------------------------------- */

/* As long as it was valid when it was new, within what is allowed. */
static unsigned days_of(const struct bw_pki_certificate *certificate)
{
    const int64_t days =
        (certificate->not_after_s - certificate->not_before_s - BACKDATE_S + DAY_S / 2) / DAY_S;

    return days < 1 ? 1 : days > BW_PKI_LEAF_DAYS_MAX ? BW_PKI_LEAF_DAYS_MAX : (unsigned)days;
}

static enum bw_err read_old(const char *file, struct bw_pki_file *out_old, struct bw_diag *diag)
{
    const enum bw_err err = bw_pki_show(file, out_old, diag);

    if (err != BW_OK)
        return err;
    if (out_old->certificates[0].is_ca)
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "%s: a CA is not renewed, it is replaced: breakwater-pki(1), \"REPLACE THE CA\"",
                           file);
    if (strncmp(out_old->certificates[0].identity, SCHEME, strlen(SCHEME)) != 0 ||
        strchr(out_old->certificates[0].identity + strlen(SCHEME), '/') == NULL)
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "%s: the certificate has no breakwater identity, so there is nothing to renew",
                           file);
    return BW_OK;
}

static enum bw_err issue_again(const char *dir, const char *path, unsigned days,
                               const struct bw_pki_certificate *old, struct bw_diag *diag)
{
    const char *sans[BW_PKI_SANS_MAX];
    char written[BW_PKI_PATH_MAX];
    struct bw_pki_request request = {
        .dir = dir,
        .subject = strchr(old->identity + strlen(SCHEME), '/') + 1,
        .sans = sans,
        .days = days != 0 ? days : days_of(old),
        .out_path = path,
    };

    for (size_t i = 0; i < old->sans_count; i++)
        if (strncmp(old->sans[i], "uri:", 4) != 0)
            sans[request.sans_count++] = old->sans[i];
    return bw_pki_issue(&request, written, diag);
}

static void note_old(const struct bw_pki_certificate *old, struct bw_pki_renewed *out)
{
    (void)bw_copy_text(out->identity, sizeof out->identity, old->identity); /* of the same sizes */
    (void)bw_copy_text(out->old_serial, sizeof out->old_serial, old->serial);
    out->old_not_after_s = old->not_after_s;
}

enum bw_err bw_pki_renew(const char *dir, const char *file, unsigned days,
                         struct bw_pki_renewed *out_renewed, struct bw_diag *diag)
{
    struct bw_pki_file *shown = malloc(sizeof *shown);
    char *path = realpath(file, NULL); /* a link stays one */
    enum bw_err err;

    if (shown == NULL || (path == NULL && errno == ENOMEM))
        err = bw_diag_set(diag, BW_ERR_NOMEM, "%s: out of memory", file);
    else if (path == NULL)
        err = bw_diag_errno(diag, errno, "%s", file);
    else
        err = read_old(path, shown, diag);
    if (err == BW_OK)
        err = check_issuer(dir, path, diag);
    if (err == BW_OK) {
        note_old(&shown->certificates[0], out_renewed);
        err = issue_again(dir, path, days, &shown->certificates[0], diag);
    }
    if (err == BW_OK)
        err = bw_pki_show(path, shown, diag);
    if (err == BW_OK)
        out_renewed->not_after_s = shown->certificates[0].not_after_s;
    free(path);
    free(shown);
    return err;
}
