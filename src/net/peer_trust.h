/* peer_trust.h - what credentials are made of, when a peer's certificate is accepted, and how long it stays
 * so: the same for both directions and for libcurl's connections. Private to net. Design 5.3. */
#ifndef BW_NET_PEER_TRUST_H
#define BW_NET_PEER_TRUST_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <breakwater/net/credentials.h>
#include <breakwater/net/revoked.h>

/* As SSL_CTX_set_cert_verify_callback wants it; `revoked` is a struct bw_revoked, or NULL. */
int bw_peer_verify(X509_STORE_CTX *verify, void *revoked);

/* What the certificate calls itself that was refused on `ssl` ("breakwater://..."); NULL: none was, or it has
 * no name of ours. Nobody vouches for it. */
const char *bw_peer_refused_name(const SSL *ssl);

/* `context` judges by `revoked` (kept as long as it lives) from now on. False: out of memory. */
bool bw_peer_trust_set(SSL_CTX *context, struct bw_revoked *revoked);

/* Would `context` still accept the certificate that was shown on `ssl`? Dates aside: those count on from the
 * handshake (bw_peer_left_ms), so that a step of the wall clock ends no connection. *out_why: a constant. */
bool bw_peer_still_qualifies(SSL *ssl, SSL_CTX *context, const char **out_why);

/* Milliseconds until the first certificate of a verified chain has ended, by the wall clock now; 0: one has.
 * UINT64_MAX: there is none, or a date in it cannot be read. */
uint64_t bw_peer_left_ms(const STACK_OF(X509) *chain);

/* The parsed parts, for the TLS contexts that are made of them. */

struct bw_credentials {
    STACK_OF(X509) *cas;   /* at least one */
    STACK_OF(X509) *chain; /* our certificate first */
    EVP_PKEY *key;
    char *ca_pem;
    char *chain_pem;
    char *key_pem;
    struct bw_revoked *revoked; /* NULL: nothing is */
    struct bw_identity identity;
    int64_t not_before_s; /* Unix time */
    int64_t not_after_s;  /* from then on no CA vouches for it */
    bool ends_with_ca;    /* and not because it has ended itself */
    char path[256]; /* of the identity, for messages; cut if longer */
};

#endif
