#include "peer_trust.h"

#include <stdlib.h>

#include <openssl/err.h>

#include <breakwater/net/roles.h>

static int revoked_slot = -1; /* of SSL_CTX */
static int refused_slot = -1; /* of SSL: what the certificate that was refused calls itself */

static void free_revoked(void *context, void *revoked, CRYPTO_EX_DATA *data, int slot, long argl,
                         void *argp)
{
    (void)context, (void)data, (void)slot, (void)argl, (void)argp;
    bw_revoked_free(revoked);
}

static void free_refused(void *ssl, void *text, CRYPTO_EX_DATA *data, int slot, long argl, void *argp)
{
    (void)ssl, (void)data, (void)slot, (void)argl, (void)argp;
    free(text);
}

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

static void take_slot(void)
{
    revoked_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_revoked);
    refused_slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_refused);
}

/* For the log: an identity has no byte that could forge a line. Best effort, and proof of nothing. */
static void note_refused(X509_STORE_CTX *verify)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(verify, SSL_get_ex_data_X509_STORE_CTX_idx());
    const X509 *certificate = X509_STORE_CTX_get0_cert(verify);
    struct bw_identity identity;
    char *text;

    if (ssl == NULL || certificate == NULL || refused_slot < 0 ||
        SSL_get_ex_data(ssl, refused_slot) != NULL ||
        bw_identity_of_certificate(certificate, &identity, NULL) != BW_OK)
        return;
    text = malloc(BW_IDENTITY_TEXT_BYTES);
    if (text == NULL)
        return;
    bw_identity_format(&identity, text);
    if (SSL_set_ex_data(ssl, refused_slot, text) != 1)
        free(text);
}

const char *bw_peer_refused_name(const SSL *ssl)
{
    return refused_slot >= 0 ? SSL_get_ex_data(ssl, refused_slot) : NULL;
}

static int judge(X509_STORE_CTX *verify, const struct bw_revoked *revoked)
{
    if (X509_verify_cert(verify) != 1)
        return 0;
    if (!bw_revoked_has(revoked, X509_STORE_CTX_get0_cert(verify)))
        return 1;
    X509_STORE_CTX_set_error(verify, X509_V_ERR_CERT_REVOKED);
    return 0;
}

int bw_peer_verify(X509_STORE_CTX *verify, void *revoked)
{
    const int verdict = judge(verify, revoked);

    if (verdict != 1)
        note_refused(verify);
    return verdict;
}

bool bw_peer_trust_set(SSL_CTX *context, struct bw_revoked *revoked)
{
    if (CRYPTO_THREAD_run_once(&once, take_slot) != 1 || revoked_slot < 0 ||
        SSL_CTX_set_ex_data(context, revoked_slot, revoked) != 1)
        return false;
    (void)bw_revoked_keep(revoked);
    SSL_CTX_set_cert_verify_callback(context, bw_peer_verify, revoked);
    return true;
}

bool bw_peer_still_qualifies(SSL *ssl, SSL_CTX *context, const char **out_why)
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    X509_STORE_CTX *verify;
    bool does = false;

    if (certificate == NULL) {
        *out_why = "whom we trust has changed in the handshake";
        return false;
    }
    *out_why = "out of memory";
    verify = X509_STORE_CTX_new();
    if (verify != NULL && X509_STORE_CTX_init(verify, SSL_CTX_get_cert_store(context), certificate,
                                              SSL_get_peer_cert_chain(ssl)) == 1) {
        (void)X509_STORE_CTX_set_default(verify, SSL_is_server(ssl) ? "ssl_client" : "ssl_server");
        X509_STORE_CTX_set_flags(verify, X509_V_FLAG_NO_CHECK_TIME);
        does = bw_peer_verify(verify, SSL_CTX_get_ex_data(context, revoked_slot)) == 1;
        *out_why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(verify));
    }
    X509_STORE_CTX_free(verify);
    ERR_clear_error();
    return does;
}

uint64_t bw_peer_left_ms(const STACK_OF(X509) *chain)
{
    uint64_t least_ms = UINT64_MAX;

    for (int i = 0; i < sk_X509_num(chain); i++) {
        int days;
        int seconds;
        int64_t left_s;

        if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(sk_X509_value(chain, i))) != 1)
            continue;
        left_s = (int64_t)days * 86400 + seconds;
        if (left_s <= 0)
            return 0;
        if ((uint64_t)left_s * 1000 < least_ms)
            least_ms = (uint64_t)left_s * 1000;
    }
    return least_ms;
}
