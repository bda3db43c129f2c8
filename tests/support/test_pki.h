/* test_pki.h - a certificate authority for tests: real keys and certificates as PEM files in a
 * directory of its own under /tmp, with every property a test may want to get wrong. Independent of
 * the product's own PKI. Any failure here ends the test program. */
#ifndef TEST_PKI_H
#define TEST_PKI_H

#include <stddef.h>
#include <stdint.h>

#define TEST_PKI_PATH_BYTES 128
#define TEST_PKI_URIS_MAX   2

struct test_pki {
    char dir[64];
    char ca_path[TEST_PKI_PATH_BYTES]; /* DIR/ca.pem */
    void *ca;                          /* X509 */
    void *ca_key;                      /* EVP_PKEY */
};

struct test_leaf {
    const char *uris[TEST_PKI_URIS_MAX]; /* SAN URIs; NULL: none */
    size_t uri_bytes;                    /* of the first one, if it holds a NUL; 0: strlen */
    const char *common_name;             /* NULL: "leaf" */
    int64_t begins_s;                    /* from now; both 0: a valid one, -25 h to +90 days */
    int64_t ends_s;
};

/* Makes the directory and the authority. */
void test_pki_init(struct test_pki *pki);
/* Removes the directory with all that was issued into it. */
void test_pki_deinit(struct test_pki *pki);

/* Writes the authority's certificate as it is with another end (seconds from now) into DIR/`file`. */
void test_pki_write_ca(struct test_pki *pki, const char *file, int64_t ends_s, char out_path[TEST_PKI_PATH_BYTES]);

/* Issues a leaf (P-256, SAN also DNS:localhost and IP:127.0.0.1) into DIR/`file`, mode 0600,
 * certificate and key in one; an existing file is replaced by rename. `out_path` gets its path. */
void test_pki_issue(struct test_pki *pki, const char *file, const struct test_leaf *leaf,
                    char out_path[TEST_PKI_PATH_BYTES]);
/* The common case: one URI, valid. */
void test_pki_issue_uri(struct test_pki *pki, const char *file, const char *uri,
                        char out_path[TEST_PKI_PATH_BYTES]);
/* Writes the CA certificates of `a` and `b` into DIR of `a`. */
void test_pki_join_cas(struct test_pki *a, const struct test_pki *b, const char *file,
                       char out_path[TEST_PKI_PATH_BYTES]);

struct ssl_ctx_st;
/* A plain TLS client's context that trusts `ca_path` and shows `identity_path`, whatever that
 * contains (NULL: nothing). Free with SSL_CTX_free. */
struct ssl_ctx_st *test_pki_client(const char *ca_path, const char *identity_path);

#endif
