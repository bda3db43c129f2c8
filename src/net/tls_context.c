#include <breakwater/net/tls_context.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "peer_trust.h"

/* Our certificate, the rest of its chain, and the key. */
static bool use_own_certificate(SSL_CTX *context, const struct bw_credentials *credentials)
{
    if (SSL_CTX_use_certificate(context, sk_X509_value(credentials->chain, 0)) != 1 ||
        SSL_CTX_use_PrivateKey(context, credentials->key) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return false;
    for (int i = 1; i < sk_X509_num(credentials->chain); i++) {
        if (SSL_CTX_add1_chain_cert(context, sk_X509_value(credentials->chain, i)) != 1)
            return false;
    }
    return true;
}

static bool trust_cas(SSL_CTX *context, const struct bw_credentials *credentials, bool server)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);

    for (int i = 0; i < sk_X509_num(credentials->cas); i++) {
        X509 *ca = sk_X509_value(credentials->cas, i);

        if (X509_STORE_add_cert(store, ca) != 1)
            return false;
        if (server && SSL_CTX_add_client_CA(context, ca) != 1)
            return false;
    }
    return true;
}

enum bw_err bw_tls_context_new(const struct bw_credentials *credentials,
                               enum bw_tls_context_kind kind, struct ssl_ctx_st **out_context,
                               struct bw_diag *diag)
{
    bool server = kind != BW_TLS_CLIENT;
    int verify = kind == BW_TLS_SERVER_ALONE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    SSL_CTX *context;
    char text[256];

    ERR_clear_error();
    if (kind == BW_TLS_SERVER_REQUIRED)
        verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (context == NULL)
        goto fail;
    SSL_CTX_set_verify(context, verify, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(context, 0) != 1 || !trust_cas(context, credentials, server) ||
        !use_own_certificate(context, credentials) ||
        !bw_peer_trust_set(context, credentials->revoked))
        goto fail;
    *out_context = context;
    return BW_OK;

fail:
    ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
    ERR_clear_error();
    SSL_CTX_free(context);
    return bw_diag_set(diag, BW_ERR_INVALID, "set up TLS: %s", text);
}

struct ssl_ctx_st *bw_tls_context_keep(struct ssl_ctx_st *context)
{
    (void)SSL_CTX_up_ref(context); /* fails only by counter overflow */
    return context;
}

void bw_tls_context_free(struct ssl_ctx_st *context)
{
    SSL_CTX_free(context);
}
