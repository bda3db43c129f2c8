#include "peer_trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/net/address.h>
#include <breakwater/os/path_owner.h>

#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define SECONDS_PER_DAY 86400

static char *pem_of_chain(STACK_OF(X509) * chain);
static char *pem_of_key(EVP_PKEY *key);

/* ---- reading ---- */

static enum bw_err check_file(int fd, const char *path, bool secret, struct bw_diag *diag)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return bw_diag_errno(diag, errno, "%s", path);
    if (!S_ISREG(status.st_mode))
        return bw_diag_set(diag, BW_ERR_INVALID, "%s: not a regular file", path);
    if (status.st_size > BW_CREDENTIALS_FILE_BYTES_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s: %lld bytes, and at most %d are read", path,
                           (long long)status.st_size, BW_CREDENTIALS_FILE_BYTES_MAX);
    if (secret && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "%s: a private key is to be in it, and its mode %04o lets others at it; "
                           "run: chmod 600 %s (if it has one: a CA's certificate has none)",
                           path, (unsigned)(status.st_mode & 07777), path);
    return BW_OK;
}

/* The whole file; *out_text, of *out_size bytes, is the caller's to wipe and free. */
static enum bw_err read_file(const char *path, bool secret, char **out_text, size_t *out_size,
                             struct bw_diag *diag)
{
    enum bw_err err;
    size_t used = 0;
    char *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a fifo must not hold us up */

    if (fd < 0)
        return bw_diag_errno(diag, errno, "open %s", path);
    err = check_file(fd, path, secret, diag);
    if (err != BW_OK)
        goto fail;
    text = malloc(BW_CREDENTIALS_FILE_BYTES_MAX);
    if (text == NULL) {
        err = bw_diag_set(diag, BW_ERR_NOMEM, "read %s: out of memory", path);
        goto fail;
    }
    for (;;) {
        ssize_t got = read(fd, text + used, BW_CREDENTIALS_FILE_BYTES_MAX - used);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            err = bw_diag_errno(diag, errno, "read %s", path);
            goto fail;
        }
        if (got == 0)
            break;
        used += (size_t)got;
    }
    (void)close(fd); /* only read from */
    *out_text = text;
    *out_size = used;
    return BW_OK;

fail:
    free(text);
    (void)close(fd); /* the first error is the one worth reporting */
    return err;
}

static char no_passphrase[] = ""; /* given, so that OpenSSL never asks at a terminal */

static enum bw_err refuse_pem(const char *path, const char *what, struct bw_diag *diag)
{
    char reason[256];

    ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
    ERR_clear_error();
    return bw_diag_set(diag, BW_ERR_INVALID, "%s: %s: %s", path, what, reason);
}

/* Every certificate in `text`; other PEM blocks are passed over. */
static enum bw_err parse_certificates(const char *path, const char *text, size_t size,
                                      STACK_OF(X509) * *out_certificates, struct bw_diag *diag)
{
    STACK_OF(X509) *certificates = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(text, (int)size);
    enum bw_err err = BW_OK;
    X509 *certificate;

    ERR_clear_error();
    if (certificates == NULL || bio == NULL)
        goto no_memory;
    while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, no_passphrase)) != NULL) {
        if (sk_X509_push(certificates, certificate) <= 0) {
            X509_free(certificate);
            goto no_memory;
        }
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        err = refuse_pem(path, "a certificate in it is damaged", diag);
    else if (sk_X509_num(certificates) == 0)
        err = bw_diag_set(diag, BW_ERR_INVALID, "%s: no certificate in it", path);
    if (err != BW_OK)
        goto fail;
    ERR_clear_error();
    BIO_free(bio);
    *out_certificates = certificates;
    return BW_OK;

no_memory:
    err = bw_diag_set(diag, BW_ERR_NOMEM, "%s: out of memory", path);
fail:
    ERR_clear_error();
    sk_X509_pop_free(certificates, X509_free);
    BIO_free(bio);
    return err;
}

/* The only private key in `text`. */
static enum bw_err parse_key(const char *path, const char *text, size_t size, EVP_PKEY **out_key,
                             struct bw_diag *diag)
{
    BIO *bio = BIO_new_mem_buf(text, (int)size);
    EVP_PKEY *second = NULL;
    EVP_PKEY *key;
    enum bw_err err = BW_OK;

    if (bio == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "%s: out of memory", path);
    ERR_clear_error();
    key = PEM_read_bio_PrivateKey(bio, NULL, NULL, no_passphrase);
    if (key == NULL)
        err = refuse_pem(path,
                         "no private key in it that can be read (the file holds the "
                         "certificate and its key; an encrypted key is not supported)",
                         diag);
    else
        second = PEM_read_bio_PrivateKey(bio, NULL, NULL, no_passphrase);
    if (second != NULL)
        err = bw_diag_set(diag, BW_ERR_INVALID,
                          "%s: more than one private key in it, and exactly one is needed", path);
    ERR_clear_error();
    EVP_PKEY_free(second);
    BIO_free(bio);
    if (err == BW_OK)
        *out_key = key;
    else
        EVP_PKEY_free(key);
    return err;
}

static enum bw_err load_cas(struct bw_credentials *credentials, const char *path,
                            struct bw_diag *diag)
{
    char *text = NULL;
    size_t size = 0;
    enum bw_err err = read_file(path, false, &text, &size, diag);

    if (err == BW_OK)
        err = parse_certificates(path, text, size, &credentials->cas, diag);
    free(text);
    if (err != BW_OK)
        return err;
    for (int i = 0; i < sk_X509_num(credentials->cas); i++) {
        if (X509_check_ca(sk_X509_value(credentials->cas, i)) == 0)
            return bw_diag_set(diag, BW_ERR_INVALID,
                               "%s: certificate %d in it is not a CA's; the CA file holds CA "
                               "certificates only",
                               path, i + 1);
    }
    return BW_OK;
}

static enum bw_err load_identity(struct bw_credentials *credentials, const char *path,
                                 struct bw_diag *diag)
{
    char *text = NULL;
    size_t size = 0;
    enum bw_err err = read_file(path, true, &text, &size, diag);

    if (err == BW_OK)
        err = parse_certificates(path, text, size, &credentials->chain, diag);
    if (err == BW_OK)
        err = parse_key(path, text, size, &credentials->key, diag);
    if (text != NULL)
        OPENSSL_cleanse(text, size);
    free(text);
    if (err != BW_OK)
        return err;
    if (X509_check_private_key(sk_X509_value(credentials->chain, 0), credentials->key) != 1) {
        ERR_clear_error();
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "%s: the key does not belong to the (first) certificate", path);
    }
    return BW_OK;
}

/* ---- checking ---- */

/* X509_V_OK if one of our CAs vouches for our certificate at that moment; `at` 0: whatever the dates. -1: out of memory. */
static int vouched(const struct bw_credentials *credentials, time_t at)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *verify = X509_STORE_CTX_new();
    bool ready = store != NULL && verify != NULL;
    int result = -1;

    for (int i = 0; ready && i < sk_X509_num(credentials->cas); i++)
        ready = X509_STORE_add_cert(store, sk_X509_value(credentials->cas, i)) == 1;
    if (ready)
        ready = X509_STORE_CTX_init(verify, store, sk_X509_value(credentials->chain, 0),
                                    credentials->chain) == 1;
    if (ready) {
        if (at == 0)
            X509_STORE_CTX_set_flags(verify, X509_V_FLAG_NO_CHECK_TIME);
        else
            X509_STORE_CTX_set_time(verify, 0, at);
        result = X509_verify_cert(verify) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(verify);
    }
    X509_STORE_CTX_free(verify);
    X509_STORE_free(store);
    ERR_clear_error();
    return result;
}

/* Issued by one of our CAs? Dates are left to bw_credentials_check, so that a clock that is wrong
 * at a start does not look like a foreign CA. */
static enum bw_err check_issuer(const struct bw_credentials *credentials, const char *ca_path,
                                struct bw_diag *diag)
{
    const int result = vouched(credentials, 0);

    if (result == X509_V_OK)
        return BW_OK;
    if (result < 0)
        return bw_diag_set(diag, BW_ERR_NOMEM, "verify %s: out of memory", credentials->path);
    return bw_diag_set(diag, BW_ERR_AUTH, "%s: no CA in %s vouches for this certificate (%s)",
                       credentials->path, ca_path, X509_verify_cert_error_string(result));
}

static bool unix_time_of(const ASN1_TIME *time, int64_t *out_s)
{
    struct tm parts;

    if (ASN1_TIME_to_tm(time, &parts) != 1)
        return false;
    *out_s = (int64_t)timegm(&parts);
    return true;
}

static void end_no_later(struct bw_credentials *credentials, const STACK_OF(X509) *certificates, int64_t own_end_s,
                         int64_t *latest_s)
{
    int64_t end_s;

    for (int i = 0; i < sk_X509_num(certificates); i++)
        if (unix_time_of(X509_get0_notAfter(sk_X509_value(certificates, i)), &end_s) && end_s <= own_end_s &&
            end_s > *latest_s && vouched(credentials, (time_t)(end_s - 1)) == X509_V_OK)
            *latest_s = end_s;
}

/* A certificate ends for every peer when nobody vouches for it any more (5.3): an authority may end before it. Where two can
 * vouch the one that ends last counts. */
static void find_end(struct bw_credentials *credentials)
{
    const int64_t own_end_s = credentials->not_after_s;
    int64_t latest_s = INT64_MIN;

    end_no_later(credentials, credentials->chain, own_end_s, &latest_s);
    end_no_later(credentials, credentials->cas, own_end_s, &latest_s);
    credentials->ends_with_ca = latest_s != INT64_MIN && latest_s < own_end_s;
    if (credentials->ends_with_ca)
        credentials->not_after_s = latest_s;
}

static enum bw_err read_certificate(struct bw_credentials *credentials, struct bw_diag *diag)
{
    const X509 *own = sk_X509_value(credentials->chain, 0);

    if (!unix_time_of(X509_get0_notBefore(own), &credentials->not_before_s) ||
        !unix_time_of(X509_get0_notAfter(own), &credentials->not_after_s))
        return bw_diag_set(diag, BW_ERR_INVALID, "%s: its dates cannot be read", credentials->path);
    find_end(credentials);
    if (bw_identity_of_certificate(own, &credentials->identity, diag) != BW_OK)
        return bw_diag_wrap(diag, BW_ERR_AUTH, "%s", credentials->path);
    credentials->ca_pem = pem_of_chain(credentials->cas);
    credentials->chain_pem = pem_of_chain(credentials->chain);
    credentials->key_pem = pem_of_key(credentials->key);
    if (credentials->ca_pem == NULL || credentials->chain_pem == NULL ||
        credentials->key_pem == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "%s: out of memory", credentials->path);
    return BW_OK;
}

enum bw_err bw_credentials_load(const char *ca_path, const char *identity_path,
                                struct bw_credentials **out_credentials, struct bw_diag *diag)
{
    struct bw_credentials *credentials = calloc(1, sizeof *credentials);
    enum bw_err err;

    if (credentials == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "read %s: out of memory", identity_path);
    (void)snprintf(credentials->path, sizeof credentials->path, "%s", identity_path);
    err = load_cas(credentials, ca_path, diag);
    if (err == BW_OK)
        err = load_identity(credentials, identity_path, diag);
    if (err == BW_OK)
        err = check_issuer(credentials, ca_path, diag);
    if (err == BW_OK)
        err = read_certificate(credentials, diag);
    if (err != BW_OK) {
        bw_credentials_free(credentials);
        return err;
    }
    *out_credentials = credentials;
    return BW_OK;
}

static void free_secret(char *text)
{
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

void bw_credentials_free(struct bw_credentials *credentials)
{
    if (credentials == NULL)
        return;
    sk_X509_pop_free(credentials->cas, X509_free);
    sk_X509_pop_free(credentials->chain, X509_free);
    EVP_PKEY_free(credentials->key);
    bw_revoked_free(credentials->revoked);
    free(credentials->ca_pem);
    free(credentials->chain_pem);
    free_secret(credentials->key_pem);
    free(credentials);
}

enum bw_err bw_credentials_revoke(struct bw_credentials *credentials, const char *const *entries,
                                  size_t count, struct bw_diag *diag)
{
    struct bw_revoked *revoked = NULL;
    enum bw_err err = count > 0 ? bw_revoked_new(entries, count, &revoked, diag) : BW_OK;

    if (err != BW_OK)
        return err;
    bw_revoked_free(credentials->revoked);
    credentials->revoked = revoked;
    return BW_OK;
}

/* ---- what it says ---- */

struct bw_revoked *bw_credentials_revoked(const struct bw_credentials *credentials)
{
    return credentials->revoked;
}

const struct bw_identity *bw_credentials_identity(const struct bw_credentials *credentials)
{
    return &credentials->identity;
}

static void format_date(int64_t unix_s, char out_text[32])
{
    time_t seconds = (time_t)unix_s;
    struct tm parts;

    if (gmtime_r(&seconds, &parts) == NULL || strftime(out_text, 32, "%F %T UTC", &parts) == 0)
        (void)snprintf(out_text, 32, "an unreadable date");
}

enum bw_err bw_credentials_check(const struct bw_credentials *credentials, const char *cluster,
                                 unsigned roles, struct bw_wall now, struct bw_diag *diag)
{
    const struct bw_identity *self = &credentials->identity;
    int64_t now_s = now.unix_ms / 1000;
    char date[32];

    if (strcmp(self->cluster, cluster) != 0)
        return bw_diag_set(diag, BW_ERR_AUTH,
                           "%s: the certificate is for cluster \"%s\", and the configuration says "
                           "\"%s\"",
                           credentials->path, self->cluster, cluster);
    if ((roles & BW_ROLE_BIT(self->role)) == 0)
        return bw_diag_set(diag, BW_ERR_AUTH,
                           "%s: the certificate is for the role %s, which cannot be used here",
                           credentials->path, bw_role_text(self->role));
    if (now_s >= credentials->not_after_s) {
        format_date(credentials->not_after_s, date);
        if (credentials->ends_with_ca)
            return bw_diag_set(diag, BW_ERR_AUTH,
                               "%s: the certificate of the CA that vouches for it expired %s; make another CA "
                               "(breakwater-pki(1)), or check this machine's clock",
                               credentials->path, date);
        return bw_diag_set(diag, BW_ERR_AUTH,
                           "%s: the certificate expired %s; renew it with `breakwater pki renew` "
                           "(or check this machine's clock)",
                           credentials->path, date);
    }
    if (now_s < credentials->not_before_s) {
        format_date(credentials->not_before_s, date);
        return bw_diag_set(diag, BW_ERR_AUTH,
                           "%s: the certificate is not valid before %s; check this machine's clock",
                           credentials->path, date);
    }
    return BW_OK;
}

enum bw_err bw_credentials_check_address(const struct bw_credentials *credentials,
                                         const char *address, struct bw_diag *diag)
{
    X509 *own = sk_X509_value(credentials->chain, 0);
    struct bw_address dialed;
    bool is_numeric;
    enum bw_err err = bw_address_parse(address, &dialed, diag);

    if (err != BW_OK)
        return err;
    is_numeric = bw_address_is_numeric(&dialed, &(struct sockaddr_storage){0});
    if (is_numeric
            ? X509_check_ip_asc(own, dialed.host, 0) == 1
            : X509_check_host(own, dialed.host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1)
        return BW_OK;
    ERR_clear_error();
    return bw_diag_set(
        diag, BW_ERR_AUTH,
        "%s: the certificate does not name %s, at which agents, people and the other "
        "witnesses reach this one: they would refuse it; issue it with: breakwater pki "
        "issue %s/%s --dir DIR --san %s:%s",
        credentials->path, dialed.host, bw_role_text(credentials->identity.role),
        credentials->identity.name, is_numeric ? "ip" : "dns", dialed.host);
}

struct bw_wall bw_credentials_expiry(const struct bw_credentials *credentials)
{
    return (struct bw_wall){.unix_ms = credentials->not_after_s * 1000};
}

uint64_t bw_credentials_left_s(const struct bw_credentials *credentials, struct bw_wall now)
{
    const int64_t left_ms = bw_credentials_expiry(credentials).unix_ms - now.unix_ms;

    return left_ms > 0 ? (uint64_t)left_ms / 1000 : 0;
}

int64_t bw_credentials_days_left(const struct bw_credentials *credentials, struct bw_wall now)
{
    int64_t left_s = credentials->not_after_s - now.unix_ms / 1000;

    return left_s >= 0 ? left_s / SECONDS_PER_DAY
                       : -((-left_s + SECONDS_PER_DAY - 1) / SECONDS_PER_DAY);
}

/* The least that is passed; INT64_MAX: none is. */
static int64_t threshold(int64_t days)
{
    static const int64_t warned[] = {1, 7, 30, BW_CERTIFICATE_ENDS_DAYS};

    for (size_t i = 0; i < sizeof warned / sizeof warned[0] && days >= 0; i++)
        if (days < warned[i])
            return warned[i];
    return days < 0 ? 0 : INT64_MAX;
}

bool bw_credentials_end_is_news(const struct bw_credentials *credentials, struct bw_wall now,
                                int64_t *days_warned, int64_t *out_days)
{
    const int64_t warned = *days_warned;

    *out_days = bw_credentials_days_left(credentials, now);
    *days_warned = threshold(*out_days);
    return *days_warned < warned;
}

/* ---- a daemon's own ---- */

/* Appends `text` at *end. */
static const char *put_text(char **end, const char *text)
{
    const char *at = *end;

    *end = stpcpy(*end, text) + 1;
    return at;
}

struct bw_own_certificate *bw_own_certificate_copy(const struct bw_own_certificate *own)
{
    const size_t list_bytes = own->revoked_count * sizeof own->revoked[0];
    size_t text_bytes = strlen(own->ca) + strlen(own->identity) + strlen(own->cluster) +
                        strlen(own->site) + strlen(own->name) + 5; /* a NUL each */
    struct bw_own_certificate *copy;
    const char **list;
    char *end;

    for (uint32_t i = 0; i < own->revoked_count; i++)
        text_bytes += strlen(own->revoked[i]) + 1;
    copy = malloc(sizeof *copy + list_bytes + text_bytes);
    BW_ASSERT(copy != NULL);
    list = (const char **)(copy + 1);
    end = (char *)list + list_bytes;
    for (uint32_t i = 0; i < own->revoked_count; i++)
        list[i] = put_text(&end, own->revoked[i]);
    *copy = (struct bw_own_certificate){.ca = put_text(&end, own->ca),
                                        .identity = put_text(&end, own->identity),
                                        .revoked = list,
                                        .revoked_count = own->revoked_count,
                                        .cluster = put_text(&end, own->cluster),
                                        .role = own->role,
                                        .site = put_text(&end, own->site),
                                        .name = put_text(&end, own->name)};
    return copy;
}

static bool takes_back(const struct bw_own_certificate *own, const char *entry)
{
    for (uint32_t i = 0; i < own->revoked_count; i++)
        if (strcmp(own->revoked[i], entry) == 0)
            return true;
    return false;
}

struct bw_own_certificate *bw_own_certificate_with(const struct bw_own_certificate *own,
                                                   const struct bw_own_certificate *fresh)
{
    struct bw_own_certificate both = *own;
    struct bw_own_certificate *copy = NULL;
    const char **list = calloc((size_t)fresh->revoked_count + own->revoked_count + 1, sizeof *list);
    bool has_news = false;
    uint32_t count = 0;

    BW_ASSERT(list != NULL); /* whom it names must not stay */
    for (; count < fresh->revoked_count; count++) {
        list[count] = fresh->revoked[count];
        has_news = has_news || !takes_back(own, list[count]);
    }
    for (uint32_t i = 0; i < own->revoked_count && count < BW_REVOKED_MAX; i++)
        if (!takes_back(fresh, own->revoked[i]))
            list[count++] = own->revoked[i];
    both.revoked = list;
    both.revoked_count = count;
    if (has_news)
        copy = bw_own_certificate_copy(&both);
    free(list);
    return copy;
}

static enum bw_err check_names(const struct bw_own_certificate *own,
                               const struct bw_identity *identity, struct bw_diag *diag)
{
    if (strcmp(identity->site, own->site) == 0 && strcmp(identity->name, own->name) == 0)
        return BW_OK;
    if (own->role == BW_ROLE_AGENT)
        return bw_diag_set(diag, BW_ERR_AUTH,
                           "%s is agent %s of site %s, but the site file says agent %s of site %s; "
                           "issue one with: breakwater pki issue agent/%s/%s",
                           own->identity, identity->name, identity->site, own->name, own->site,
                           own->site, own->name);
    return bw_diag_set(diag, BW_ERR_AUTH,
                       "%s: the certificate is of witness %s, and the configuration of %s; issue "
                       "one with: breakwater pki issue witness/%s",
                       own->identity, identity->name, own->name, own->name);
}

enum bw_err bw_credentials_check_owners(const char *ca_path, const char *identity_path,
                                        struct bw_diag *diag)
{
    const char *const paths[] = {ca_path, identity_path};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const enum bw_err err = bw_path_check_file(paths[i], diag);

        if (err != BW_OK)
            return bw_diag_wrap(diag, err, "%s", paths[i]);
    }
    return BW_OK;
}

enum bw_err bw_credentials_load_own(const struct bw_own_certificate *own, struct bw_wall now,
                                    struct bw_credentials **out_credentials, struct bw_diag *diag)
{
    struct bw_credentials *credentials;
    enum bw_err err = bw_credentials_check_owners(own->ca, own->identity, diag);

    if (err == BW_OK)
        err = bw_credentials_load(own->ca, own->identity, &credentials, diag);
    if (err != BW_OK)
        return err;
    err = bw_credentials_revoke(credentials, own->revoked, own->revoked_count, diag);
    if (err == BW_OK)
        err = bw_credentials_check(credentials, own->cluster, BW_ROLE_BIT(own->role), now, diag);
    if (err == BW_OK)
        err = check_names(own, bw_credentials_identity(credentials), diag);
    if (err == BW_OK)
        *out_credentials = credentials;
    else
        bw_credentials_free(credentials);
    return err;
}

struct bw_certificate_look bw_certificate_look_at(const struct bw_own_certificate *own)
{
    return (struct bw_certificate_look){.ca = bw_file_look_at(own->ca),
                                        .identity = bw_file_look_at(own->identity)};
}

enum bw_err bw_credentials_read_again(const struct bw_own_certificate *own, struct bw_wall now,
                                      bool always, struct bw_certificate_look *look,
                                      struct bw_credentials **out_credentials, struct bw_diag *diag)
{
    const struct bw_certificate_look before = *look;
    enum bw_err err;

    BW_ASSERT(diag != NULL); /* it is compared with the one before */
    *out_credentials = NULL;
    *look = bw_certificate_look_at(own);
    if (!always && before.refused[0] == '\0' && bw_file_looks_equal(look->ca, before.ca) &&
        bw_file_looks_equal(look->identity, before.identity))
        return BW_OK;
    err = bw_credentials_load_own(own, now, out_credentials, diag);
    OPENSSL_thread_stop(); /* what it keeps for this thread would outlive it at an exit */
    if (err == BW_OK)
        return BW_OK;
    (void)snprintf(look->refused, sizeof look->refused, "%s", diag->text);
    return !always && strcmp(look->refused, before.refused) == 0 ? BW_OK : err;
}

const char *bw_credentials_ca_pem(const struct bw_credentials *credentials)
{
    return credentials->ca_pem;
}

const char *bw_credentials_chain_pem(const struct bw_credentials *credentials)
{
    return credentials->chain_pem;
}

const char *bw_credentials_key_pem(const struct bw_credentials *credentials)
{
    return credentials->key_pem;
}

/* ---- PEM text ---- */

/* The content of `bio` as a string; frees `bio`. NULL when out of memory. */
static char *text_of_bio(BIO *bio, bool complete)
{
    char *data = NULL;
    long size = bio != NULL ? BIO_get_mem_data(bio, &data) : 0;
    char *text = complete && size > 0 ? strndup(data, (size_t)size) : NULL;

    if (data != NULL)
        OPENSSL_cleanse(data, (size_t)size);
    BIO_free(bio);
    return text;
}

static char *pem_of_chain(STACK_OF(X509) * chain)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool complete = bio != NULL;

    for (int i = 0; complete && i < sk_X509_num(chain); i++)
        complete = PEM_write_bio_X509(bio, sk_X509_value(chain, i)) == 1;
    return text_of_bio(bio, complete);
}

static char *pem_of_key(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool complete = bio != NULL &&
                    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;

    return text_of_bio(bio, complete);
}
