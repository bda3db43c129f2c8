/* credentials_private.h - the parsed parts, for the TLS contexts that are made of them. */
#ifndef BW_NET_CREDENTIALS_PRIVATE_H
#define BW_NET_CREDENTIALS_PRIVATE_H

#include <openssl/x509.h>

#include <breakwater/net/credentials.h>

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
    int64_t not_after_s;
    char path[256]; /* of the identity, for messages; cut if longer */
};

#endif
