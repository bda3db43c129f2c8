#include "test_pki.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "janitor.h"

#define MUST(fact)                                                                                 \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #fact);                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define DAY_S 86400

static X509 *begin_certificate(EVP_PKEY *key, const char *common_name, int64_t begins_s,
                               int64_t ends_s)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_NAME_new();
    BIGNUM *serial = BN_new();
    time_t now = time(NULL);

    MUST(certificate != NULL && name != NULL && serial != NULL);
    MUST(X509_set_version(certificate, X509_VERSION_3) == 1);
    MUST(BN_rand(serial, 120, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1);
    MUST(BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != NULL);
    MUST(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                    -1, -1, 0) == 1);
    MUST(X509_set_subject_name(certificate, name) == 1);
    MUST(ASN1_TIME_set(X509_getm_notBefore(certificate), now + begins_s) != NULL);
    MUST(ASN1_TIME_set(X509_getm_notAfter(certificate), now + ends_s) != NULL);
    MUST(X509_set_pubkey(certificate, key) == 1);
    X509_NAME_free(name);
    BN_free(serial);
    return certificate;
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    MUST(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static void push_name(GENERAL_NAMES *names, int type, const void *data, size_t size)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = type == GEN_IPADD ? ASN1_OCTET_STRING_new()
                                           : (ASN1_STRING *)ASN1_IA5STRING_new();

    MUST(name != NULL && value != NULL && ASN1_STRING_set(value, data, (int)size) == 1);
    GENERAL_NAME_set0_value(name, type, value);
    MUST(sk_GENERAL_NAME_push(names, name) > 0);
}

static void add_names(X509 *certificate, const struct test_leaf *leaf)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    const unsigned char loopback[4] = {127, 0, 0, 1};

    for (size_t i = 0; i < TEST_PKI_URIS_MAX && leaf->uris[i] != NULL; i++) {
        size_t size = i == 0 && leaf->uri_bytes > 0 ? leaf->uri_bytes : strlen(leaf->uris[i]);

        push_name(names, GEN_URI, leaf->uris[i], size);
    }
    push_name(names, GEN_DNS, "localhost", strlen("localhost"));
    push_name(names, GEN_IPADD, loopback, sizeof loopback);
    MUST(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1);
    GENERAL_NAMES_free(names);
}

static void write_pem(const char *dir, const char *file, X509 *const *certificates, size_t count,
                      EVP_PKEY *key, char out_path[TEST_PKI_PATH_BYTES])
{
    char temporary[TEST_PKI_PATH_BYTES + 8];
    FILE *stream;
    int fd;

    MUST(snprintf(out_path, TEST_PKI_PATH_BYTES, "%s/%s", dir, file) < TEST_PKI_PATH_BYTES);
    (void)snprintf(temporary, sizeof temporary, "%s.tmp", out_path);
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST(fd >= 0);
    stream = fdopen(fd, "w");
    MUST(stream != NULL);
    for (size_t i = 0; i < count; i++)
        MUST(PEM_write_X509(stream, certificates[i]) == 1);
    if (key != NULL)
        MUST(PEM_write_PKCS8PrivateKey(stream, key, NULL, NULL, 0, NULL, NULL) == 1);
    MUST(fclose(stream) == 0);
    MUST(rename(temporary, out_path) == 0);
}

static X509 *make_ca(EVP_PKEY *key, int64_t ends_s)
{
    X509 *ca = begin_certificate(key, "breakwater test CA", -2 * DAY_S, ends_s);

    MUST(X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1);
    add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(ca, ca, NID_subject_key_identifier, "hash");
    MUST(X509_sign(ca, key, EVP_sha256()) > 0);
    return ca;
}

void test_pki_init(struct test_pki *pki)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *ca;

    MUST(key != NULL);
    (void)snprintf(pki->dir, sizeof pki->dir, "/tmp/breakwater-pki-XXXXXX");
    MUST(mkdtemp(pki->dir) != NULL);
    janitor_add_dir(pki->dir);
    ca = make_ca(key, 3650 * (int64_t)DAY_S);
    pki->ca = ca;
    pki->ca_key = key;
    write_pem(pki->dir, "ca.pem", &ca, 1, NULL, pki->ca_path);
}

void test_pki_write_ca(struct test_pki *pki, const char *file, int64_t ends_s, char out_path[TEST_PKI_PATH_BYTES])
{
    X509 *ca = make_ca(pki->ca_key, ends_s);

    write_pem(pki->dir, file, &ca, 1, NULL, out_path);
    X509_free(ca);
}

void test_pki_deinit(struct test_pki *pki)
{
    DIR *dir = opendir(pki->dir);
    const struct dirent *entry;

    MUST(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            MUST(unlinkat(dirfd(dir), entry->d_name, 0) == 0);
    }
    MUST(closedir(dir) == 0);
    MUST(rmdir(pki->dir) == 0);
    janitor_forget(pki->dir);
    X509_free(pki->ca);
    EVP_PKEY_free(pki->ca_key);
}

void test_pki_issue(struct test_pki *pki, const char *file, const struct test_leaf *leaf,
                    char out_path[TEST_PKI_PATH_BYTES])
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    bool dated = leaf->begins_s != 0 || leaf->ends_s != 0;
    X509 *certificate;

    MUST(key != NULL);
    certificate = begin_certificate(key, leaf->common_name != NULL ? leaf->common_name : "leaf",
                                    dated ? leaf->begins_s : -25 * 3600,
                                    dated ? leaf->ends_s : 90 * (int64_t)DAY_S);
    MUST(X509_set_issuer_name(certificate, X509_get_subject_name(pki->ca)) == 1);
    add_extension(certificate, pki->ca, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(certificate, pki->ca, NID_key_usage, "critical,digitalSignature");
    add_extension(certificate, pki->ca, NID_ext_key_usage, "serverAuth,clientAuth");
    /* Without it two CAs of one name in one file cannot be told apart. */
    add_extension(certificate, pki->ca, NID_authority_key_identifier, "keyid:always");
    add_names(certificate, leaf);
    MUST(X509_sign(certificate, pki->ca_key, EVP_sha256()) > 0);
    write_pem(pki->dir, file, &certificate, 1, key, out_path);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void test_pki_issue_uri(struct test_pki *pki, const char *file, const char *uri,
                        char out_path[TEST_PKI_PATH_BYTES])
{
    const struct test_leaf leaf = {.uris = {uri}};

    test_pki_issue(pki, file, &leaf, out_path);
}

void test_pki_join_cas(struct test_pki *a, const struct test_pki *b, const char *file,
                       char out_path[TEST_PKI_PATH_BYTES])
{
    X509 *both[] = {a->ca, b->ca};

    write_pem(a->dir, file, both, 2, NULL, out_path);
}

struct ssl_ctx_st *test_pki_client(const char *ca_path, const char *identity_path)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    MUST(context != NULL);
    MUST(SSL_CTX_load_verify_locations(context, ca_path, NULL) == 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (identity_path != NULL) {
        MUST(SSL_CTX_use_certificate_chain_file(context, identity_path) == 1);
        MUST(SSL_CTX_use_PrivateKey_file(context, identity_path, SSL_FILETYPE_PEM) == 1);
    }
    return context;
}
