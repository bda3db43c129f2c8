/* Makes the CA and the identities. What shows them is pki_show.c, what renews them pki_renew.c. */
#define OPENSSL_NO_DEPRECATED
#include <breakwater/net/pki.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <breakwater/base/name.h>
#include <breakwater/net/roles.h>

#include "pem_file.h"

#define ORGANIZATION "breakwater"
#define CA_DAYS      3650
#define DAY_S        86400L
#define BACKDATE_S                                                                                 \
    (25 * 3600L) /* a machine a day behind, or in another zone by mistake, may join */
#define SERIAL_BYTES 20

/* ---- subjects -------------------------------------------------------------------------------- */

/* The identity that `subject` ("agent/SITE/NAME", ...) has in `cluster`. */
static enum bw_err parse_subject(const char *cluster, const char *subject,
                                 struct bw_identity *out_identity, struct bw_diag *diag)
{
    char uri[BW_IDENTITY_TEXT_BYTES];
    const int length = snprintf(uri, sizeof uri, "breakwater://%s/%s", cluster, subject);

    if (length >= 0 && (size_t)length < sizeof uri &&
        bw_identity_parse(uri, (size_t)length, out_identity))
        return BW_OK;
    return bw_diag_set(
        diag, BW_ERR_INVALID,
        "\"%.200s\": expected witness/NAME, agent/SITE/NAME, operator/NAME or "
        "viewer/NAME, each name 1 to %d of a-z A-Z 0-9 . _ - beginning with a letter "
        "or digit",
        subject, BW_NAME_MAX);
}

/* ---- subject alternative names --------------------------------------------------------------- */

static bool is_ip_address(const char *text)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static bool push_name(GENERAL_NAMES *names, int type, const char *value)
{
    GENERAL_NAME *name = a2i_GENERAL_NAME(NULL, NULL, NULL, type, value, 0);

    if (name == NULL)
        return false;
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static enum bw_err push_san(GENERAL_NAMES *names, const char *san, struct bw_diag *diag)
{
    bool is_pushed;

    if (strncmp(san, "dns:", 4) == 0) {
        if (!bw_host_name_is_valid(san + 4))
            return bw_diag_set(diag, BW_ERR_INVALID,
                               "%s: not a host name (no wildcards, no port, no address, no dot at the end)",
                               san);
        is_pushed = push_name(names, GEN_DNS, san + 4);
    } else if (strncmp(san, "ip:", 3) == 0) {
        if (!is_ip_address(san + 3))
            return bw_diag_set(diag, BW_ERR_INVALID, "%s: not an IPv4 or IPv6 address", san);
        is_pushed = push_name(names, GEN_IPADD, san + 3);
    } else {
        return bw_diag_set(diag, BW_ERR_INVALID, "%s: expected dns:NAME or ip:ADDRESS", san);
    }
    if (!is_pushed)
        return bw_diag_set(diag, BW_ERR_NOMEM, "%s: %s", san, bw_openssl_reason());
    return BW_OK;
}

static enum bw_err add_sans(X509 *leaf, const char *uri, const struct bw_pki_request *request,
                            struct bw_diag *diag)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    enum bw_err err = BW_OK;

    if (names == NULL || !push_name(names, GEN_URI, uri))
        err = bw_diag_set(diag, BW_ERR_NOMEM, "%s: %s", uri, bw_openssl_reason());
    for (size_t i = 0; err == BW_OK && i < request->sans_count; i++)
        err = push_san(names, request->sans[i], diag);
    if (err == BW_OK && X509_add1_ext_i2d(leaf, NID_subject_alt_name, names, 0, 0) != 1)
        err = bw_diag_set(diag, BW_ERR_NOMEM, "alternative names: %s", bw_openssl_reason());
    GENERAL_NAMES_free(names);
    return err;
}

/* ---- certificates ---------------------------------------------------------------------------- */

struct extension {
    int nid;
    const char *value;
};

static const struct extension ca_extensions[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"},
    {NID_undef, NULL},
};

static const struct extension leaf_extensions[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},   {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth,clientAuth"},   {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"}, {NID_undef, NULL},
};

static bool add_extensions(X509 *certificate, X509 *issuer, const struct extension *extensions)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    for (; extensions->value != NULL; extensions++) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, extensions->nid,
                                                        extensions->value);
        const bool is_added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;

        X509_EXTENSION_free(extension);
        if (!is_added)
            return false;
    }
    return true;
}

static bool set_serial(X509 *certificate)
{
    unsigned char bytes[SERIAL_BYTES];
    BIGNUM *number;
    bool is_set;

    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, and always of full length */
    number = BN_bin2bn(bytes, sizeof bytes, NULL);
    is_set = number != NULL &&
             BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return is_set;
}

static bool set_subject(X509 *certificate, const char *common_name)
{
    X509_NAME *name = X509_NAME_new();
    bool is_set = name != NULL &&
                  X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_UTF8,
                                             (const unsigned char *)ORGANIZATION, -1, -1, 0) == 1 &&
                  X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                             (const unsigned char *)common_name, -1, -1, 0) == 1 &&
                  X509_set_subject_name(certificate, name) == 1;

    X509_NAME_free(name);
    return is_set;
}

/* All but the alternative names and the signature. `ca` NULL: self-signed. */
static X509 *new_certificate(const char *common_name, unsigned days, EVP_PKEY *key, X509 *ca)
{
    X509 *certificate = X509_new();
    X509 *issuer = ca == NULL ? certificate : ca;

    if (certificate == NULL)
        return NULL;
    if (X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), -BACKDATE_S) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * DAY_S) != NULL &&
        set_subject(certificate, common_name) &&
        X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
        X509_set_pubkey(certificate, key) == 1 &&
        add_extensions(certificate, issuer, ca == NULL ? ca_extensions : leaf_extensions))
        return certificate;
    X509_free(certificate);
    return NULL;
}

/* Certificate, key, or both (either may be NULL) as PEM. */
static BIO *new_pem(X509 *certificate, EVP_PKEY *key)
{
    BIO *pem = BIO_new(BIO_s_mem());

    if (pem != NULL && (certificate == NULL || PEM_write_bio_X509(pem, certificate) == 1) &&
        (key == NULL || PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) == 1))
        return pem;
    BIO_free(pem);
    return NULL;
}

/* ---- files ----------------------------------------------------------------------------------- */

static enum bw_err write_all(int fd, const char *data, size_t size, const char *name,
                             struct bw_diag *diag)
{
    while (size > 0) {
        const ssize_t written = write(fd, data, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return bw_diag_errno(diag, errno, "write %s", name);
        data += written;
        size -= (size_t)written;
    }
    if (fsync(fd) != 0)
        return bw_diag_errno(diag, errno, "fsync %s", name);
    return BW_OK;
}

/* What replaces a file is for whom that was: a daemon that runs as another user must be able to read it. */
static enum bw_err keep_owner(int dir, const char *name, int fd, struct bw_diag *diag)
{
    struct stat status;

    if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        status.st_uid == geteuid())
        return BW_OK;
    if (fchown(fd, status.st_uid, (gid_t)-1) != 0) /* its mode lets no group at it */
        return bw_diag_errno(diag, errno, "give the new %s to user %u, whose the old one is", name,
                             (unsigned)status.st_uid);
    return BW_OK;
}

/* Takes the lock of the file that was opened at `name`. It is on that file, for which its mode lets nobody else in who
 * has no business here: one of the directory anybody could hold who may read it, and with it every renewal. (Where a file
 * system has no such locks, as NFS, two runs at once of one name are the caller's to avoid.) */
static enum bw_err take(int dir, const char *name, int fd, struct bw_diag *diag)
{
    const bool is_locked = flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    struct stat opened, there;

    if (is_locked && fstat(fd, &opened) == 0 &&
        fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && opened.st_dev == there.st_dev &&
        opened.st_ino == there.st_ino)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_BUSY,
                       "another run of pki is writing %s, or was stopped as it did; let it end, or end it",
                       name);
}

/* What a killed run has left at `name` goes: it may hold a key. What another is still at is left to it: it would give
 * its name to what is written there next. */
static enum bw_err remove_left(int dir, const char *name, struct bw_diag *diag)
{
    const int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    enum bw_err err = BW_OK;

    if (fd < 0 && errno == ENOENT)
        return BW_OK; /* that run has just ended well */
    if (fd < 0 && errno != ELOOP) /* a link is no run's */
        return bw_diag_errno(diag, errno, "open %s", name);
    if (fd >= 0)
        err = take(dir, name, fd, diag);
    if (err == BW_OK && unlinkat(dir, name, 0) != 0)
        err = bw_diag_errno(diag, errno, "remove %s", name);
    if (fd >= 0)
        (void)close(fd); /* only ever locked */
    return err;
}

/* A file of nobody else's at `name`, until it is closed. */
static enum bw_err create_fresh(int dir, const char *name, mode_t mode, int *out_fd,
                                struct bw_diag *diag)
{
    static const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir, name, flags, mode);
    enum bw_err err = BW_OK;

    if (fd < 0 && errno == EEXIST) {
        err = remove_left(dir, name, diag);
        if (err != BW_OK)
            return err;
        fd = openat(dir, name, flags, mode);
    }
    if (fd < 0)
        return bw_diag_errno(diag, errno, "create %s", name);
    err = take(dir, name, fd, diag);
    if (err != BW_OK) {
        (void)close(fd); /* whoever has it has taken it for left */
        return err;
    }
    *out_fd = fd;
    return BW_OK;
}

/* Put a whole file at `name` in `dir`, durably. `may_replace` false: BW_ERR_EXISTS when there is
 * one, decided by the kernel at the last moment. */
static enum bw_err write_file(int dir, const char *name, mode_t mode, bool may_replace, BIO *pem,
                              struct bw_diag *diag)
{
    char *data;
    const long size = BIO_get_mem_data(pem, &data);
    char temporary[NAME_MAX + 1];
    const int length = snprintf(temporary, sizeof temporary, ".%s.new", name);
    enum bw_err err;
    int fd = -1;

    if (length < 0 || (size_t)length >= sizeof temporary)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s: the file name is too long", name);
    err = create_fresh(dir, temporary, mode, &fd, diag);
    if (err != BW_OK)
        return err;
    err = may_replace ? keep_owner(dir, name, fd, diag) : BW_OK;
    if (err == BW_OK)
        err = write_all(fd, data, (size_t)size, temporary, diag);
    if (err != BW_OK)
        goto fail;
    if (may_replace && renameat(dir, temporary, dir, name) != 0) {
        err = bw_diag_errno(diag, errno, "rename %s to %s", temporary, name);
        goto fail;
    }
    if (!may_replace && linkat(dir, temporary, dir, name, 0) != 0) {
        err = bw_diag_errno(diag, errno, "create %s", name);
        goto fail;
    }
    if (!may_replace)
        (void)unlinkat(dir, temporary, 0); /* a second name of the same file harms nobody */
    (void)close(fd); /* synced; no earlier, for its lock kept the name this run's */
    if (fsync(dir) != 0)
        return bw_diag_errno(diag, errno, "fsync the directory of %s", name);
    return BW_OK;

fail:
    (void)unlinkat(dir, temporary, 0); /* the first error is the one worth reporting */
    (void)close(fd);
    return err;
}

static enum bw_err open_dir(const char *path, int *out_dir, struct bw_diag *diag)
{
    const int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0)
        return bw_diag_errno(diag, errno, "open directory %s", path);
    *out_dir = dir;
    return BW_OK;
}

/* ---- init ------------------------------------------------------------------------------------ */

static enum bw_err check_absent(int dir, const char *dir_path, const char *name,
                                struct bw_diag *diag)
{
    struct stat status;

    if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return bw_diag_set(diag, BW_ERR_EXISTS,
                           "%s/%s exists already and was not touched; give another --dir, or move "
                           "the old CA away if no member of its cluster needs it any more",
                           dir_path, name);
    if (errno != ENOENT)
        return bw_diag_errno(diag, errno, "look at %s/%s", dir_path, name);
    return BW_OK;
}

static enum bw_err write_ca(int dir, BIO *certificate, BIO *key, struct bw_diag *diag)
{
    enum bw_err err = write_file(dir, BW_PKI_CA_KEY_FILE, 0600, false, key, diag);

    if (err != BW_OK)
        return err;
    err = write_file(dir, BW_PKI_CA_FILE, 0644, false, certificate, diag);
    if (err != BW_OK)
        (void)unlinkat(dir, BW_PKI_CA_KEY_FILE, 0); /* ours, a moment old, of no use alone */
    return err;
}

static enum bw_err make_ca(const char *cluster, int dir, struct bw_diag *diag)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *ca = key == NULL ? NULL : new_certificate(cluster, CA_DAYS, key, NULL);
    BIO *ca_pem = NULL;
    BIO *key_pem = NULL;
    enum bw_err err;

    if (ca != NULL && X509_sign(ca, key, EVP_sha256()) > 0) {
        ca_pem = new_pem(ca, NULL);
        key_pem = new_pem(NULL, key);
    }
    if (ca_pem == NULL || key_pem == NULL)
        err = bw_diag_set(diag, BW_ERR_IO, "make the CA: OpenSSL: %s", bw_openssl_reason());
    else
        err = write_ca(dir, ca_pem, key_pem, diag);
    BIO_free(key_pem);
    BIO_free(ca_pem);
    X509_free(ca);
    EVP_PKEY_free(key);
    return err;
}

enum bw_err bw_pki_init(const char *cluster, const char *dir, struct bw_diag *diag)
{
    enum bw_err err;
    int fd = -1;

    if (!bw_name_is_valid(cluster))
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "cluster \"%s\": expected 1 to %d of a-z A-Z 0-9 . _ - beginning with a "
                           "letter or digit",
                           cluster, BW_NAME_MAX);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return bw_diag_errno(diag, errno, "make directory %s", dir);
    err = open_dir(dir, &fd, diag);
    if (err != BW_OK)
        return err;
    ERR_clear_error();
    err = check_absent(fd, dir, BW_PKI_CA_KEY_FILE, diag);
    if (err == BW_OK)
        err = check_absent(fd, dir, BW_PKI_CA_FILE, diag);
    if (err == BW_OK) {
        err = make_ca(cluster, fd, diag);
        if (err != BW_OK)
            err = bw_diag_wrap(diag, err, "%s", dir);
    }
    (void)close(fd); /* only ever read and synced */
    return err;
}

/* ---- issue ----------------------------------------------------------------------------------- */

struct ca {
    X509 *certificate;
    EVP_PKEY *key;
    char cluster[BW_NAME_MAX + 1];
};

static void deinit_ca(struct ca *ca)
{
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key);
}

static bool join_path(char out_path[BW_PKI_PATH_MAX], const char *dir, const char *name)
{
    const int length = snprintf(out_path, BW_PKI_PATH_MAX, "%s/%s", dir, name);

    return length >= 0 && length < BW_PKI_PATH_MAX;
}

static enum bw_err load_ca_key(const char *dir, struct ca *ca, struct bw_diag *diag)
{
    char path[BW_PKI_PATH_MAX];
    char *pem = NULL;
    bool is_exposed = true;
    enum bw_err err;

    if (!join_path(path, dir, BW_PKI_CA_KEY_FILE))
        return bw_diag_set(diag, BW_ERR_LIMIT, "the path of the CA's directory is too long");
    err = bw_pem_read(path, &pem, &is_exposed, diag);
    if (err != BW_OK)
        return err;
    if (is_exposed) {
        bw_pem_free(pem);
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "%s: group or others may read the key of the CA; if nobody has, run: "
                           "chmod 600 %s",
                           path, path);
    }
    ca->key = bw_pem_parse_key(pem);
    bw_pem_free(pem);
    if (ca->key == NULL)
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "%s: no usable private key (%s); an encrypted one is decrypted with "
                           "\"openssl pkey\"",
                           path, bw_openssl_reason());
    return BW_OK;
}

/* The CA file may hold several CAs while one replaces another: ours is the key's. */
static X509 *find_certificate_of(const char *pem, EVP_PKEY *key)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = NULL;

    if (bio == NULL)
        return NULL;
    for (int i = 0; i < BW_PKI_CERTIFICATES_MAX; i++) {
        certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (certificate == NULL || X509_check_private_key(certificate, key) == 1)
            break;
        X509_free(certificate);
        certificate = NULL;
    }
    BIO_free(bio);
    return certificate;
}

static bool get_name_entry(X509 *certificate, int nid, char *out, size_t size)
{
    const X509_NAME *name = X509_get_subject_name(certificate);
    const int index = X509_NAME_get_index_by_NID(name, nid, -1);
    const ASN1_STRING *entry;
    int length;

    if (index < 0 || X509_NAME_get_index_by_NID(name, nid, index) >= 0)
        return false;
    entry = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
    length = ASN1_STRING_length(entry);
    if (length <= 0 || (size_t)length >= size)
        return false;
    memcpy(out, ASN1_STRING_get0_data(entry), (size_t)length);
    out[length] = '\0';
    return strlen(out) == (size_t)length;
}

static enum bw_err check_ca(const char *path, struct ca *ca, struct bw_diag *diag)
{
    char organization[sizeof ORGANIZATION];

    if (X509_check_ca(ca->certificate) != 1)
        return bw_diag_set(diag, BW_ERR_INVALID, "%s: the certificate of ca.key is not a CA", path);
    if (!get_name_entry(ca->certificate, NID_organizationName, organization, sizeof organization) ||
        strcmp(organization, ORGANIZATION) != 0 ||
        !get_name_entry(ca->certificate, NID_commonName, ca->cluster, sizeof ca->cluster) ||
        !bw_name_is_valid(ca->cluster))
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "%s: its subject does not name a cluster (O=" ORGANIZATION
                           ", CN=CLUSTER); make a CA with: breakwater pki init",
                           path);
    return BW_OK;
}

static enum bw_err load_ca(const char *dir, struct ca *ca, struct bw_diag *diag)
{
    char path[BW_PKI_PATH_MAX];
    char *pem = NULL;
    enum bw_err err = load_ca_key(dir, ca, diag);

    if (err == BW_OK && !join_path(path, dir, BW_PKI_CA_FILE))
        err = bw_diag_set(diag, BW_ERR_LIMIT, "the path of the CA's directory is too long");
    if (err == BW_OK)
        err = bw_pem_read(path, &pem, NULL, diag);
    if (err == BW_ERR_NOT_FOUND)
        return bw_diag_wrap(diag, err, "no CA in %s (make one with: breakwater pki init)", dir);
    if (err != BW_OK)
        return err;
    ca->certificate = find_certificate_of(pem, ca->key);
    bw_pem_free(pem);
    ERR_clear_error();
    if (ca->certificate == NULL)
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "%s: holds no certificate that belongs to " BW_PKI_CA_KEY_FILE, path);
    return check_ca(path, ca, diag);
}

/* A leaf that outlives its CA would end on a day that nothing warns of. */
static enum bw_err check_days(const struct ca *ca, unsigned days, struct bw_diag *diag)
{
    time_t end = time(NULL) + (time_t)days * DAY_S;

    if (days == 0 || days > BW_PKI_LEAF_DAYS_MAX)
        return bw_diag_set(diag, BW_ERR_INVALID, "%u days: expected 1 to %d", days,
                           BW_PKI_LEAF_DAYS_MAX);
    if (X509_cmp_time(X509_get0_notAfter(ca->certificate), &end) != 1)
        return bw_diag_set(
            diag, BW_ERR_INVALID,
            "%u days: the CA of cluster %s ends before that; make a new CA in another "
            "directory, append its ca.pem to every trust file, then reissue",
            days, ca->cluster);
    return BW_OK;
}

/* The URI of the first certificate in the file; "" when there is none. */
static void read_uri(const char *path, char out_uri[BW_IDENTITY_TEXT_BYTES])
{
    struct bw_identity identity;
    char *pem = NULL;
    BIO *bio = NULL;
    X509 *certificate = NULL;

    out_uri[0] = '\0';
    if (bw_pem_read(path, &pem, NULL, NULL) == BW_OK)
        bio = BIO_new_mem_buf(pem, -1);
    if (bio != NULL)
        certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (certificate != NULL && bw_identity_of_certificate(certificate, &identity, NULL) == BW_OK)
        bw_identity_format(&identity, out_uri);
    X509_free(certificate);
    BIO_free(bio);
    bw_pem_free(pem);
    ERR_clear_error();
}

/* What is already at the path may only be an older file of the same identity. */
static enum bw_err check_replaceable(const char *path, const char *uri, struct bw_diag *diag)
{
    char old_uri[BW_IDENTITY_TEXT_BYTES];
    struct stat status;

    if (lstat(path, &status) != 0 && errno == ENOENT)
        return BW_OK;
    read_uri(path, old_uri);
    if (strcmp(old_uri, uri) == 0)
        return BW_OK;
    return bw_diag_set(
        diag, BW_ERR_EXISTS,
        "%s exists, is not a file of %s, and was not touched; give another path with "
        "--out",
        path, uri);
}

static enum bw_err save_leaf(const char *path, const char *uri, X509 *leaf, EVP_PKEY *key,
                             struct bw_diag *diag)
{
    char dir_path[BW_PKI_PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    enum bw_err err = check_replaceable(path, uri, diag);
    BIO *pem;
    int dir = -1;

    if (err != BW_OK)
        return err;
    (void)snprintf(dir_path, sizeof dir_path, "%.*s", slash == NULL ? 1 : (int)(slash - path + 1),
                   slash == NULL ? "." : path); /* fits: part of a path that fits */
    err = open_dir(dir_path, &dir, diag);
    if (err != BW_OK)
        return err;
    pem = new_pem(leaf, key);
    if (pem == NULL)
        err = bw_diag_set(diag, BW_ERR_NOMEM, "OpenSSL: %s", bw_openssl_reason());
    else
        err = write_file(dir, name, 0600, true, pem, diag);
    BIO_free(pem);
    (void)close(dir); /* only ever read and synced */
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "save %s", path);
}

static enum bw_err make_leaf(const struct ca *ca, const struct bw_identity *identity,
                             const struct bw_pki_request *request, const char *path,
                             struct bw_diag *diag)
{
    char uri[BW_IDENTITY_TEXT_BYTES];
    const unsigned days = request->days == 0 ? BW_PKI_LEAF_DAYS : request->days;
    enum bw_err err = check_days(ca, days, diag);
    EVP_PKEY *key = NULL;
    X509 *leaf = NULL;

    if (err != BW_OK)
        return err;
    bw_identity_format(identity, uri);
    key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    if (key != NULL)
        leaf = new_certificate(identity->name, days, key, ca->certificate);
    if (leaf == NULL)
        err = bw_diag_set(diag, BW_ERR_IO, "make a certificate: OpenSSL: %s", bw_openssl_reason());
    if (err == BW_OK)
        err = add_sans(leaf, uri, request, diag);
    if (err == BW_OK && X509_sign(leaf, ca->key, EVP_sha256()) <= 0)
        err = bw_diag_set(diag, BW_ERR_IO, "sign: OpenSSL: %s", bw_openssl_reason());
    if (err == BW_OK)
        err = save_leaf(path, uri, leaf, key, diag);
    X509_free(leaf);
    EVP_PKEY_free(key);
    return err;
}

/* NAME.pem in the CA's directory, SITE-NAME.pem for an agent, unless a path is asked for. */
static bool choose_path(const struct bw_pki_request *request, const struct bw_identity *identity,
                        char out_path[BW_PKI_PATH_MAX])
{
    char name[2 * (BW_NAME_MAX + 1) + sizeof ".pem"];

    if (request->out_path != NULL)
        return snprintf(out_path, BW_PKI_PATH_MAX, "%s", request->out_path) < BW_PKI_PATH_MAX;
    (void)snprintf(name, sizeof name, "%s%s%s.pem", identity->site,
                   identity->site[0] == '\0' ? "" : "-", identity->name); /* sized by the names */
    return join_path(out_path, request->dir, name);
}

enum bw_err bw_pki_issue(const struct bw_pki_request *request, char out_path[BW_PKI_PATH_MAX],
                         struct bw_diag *diag)
{
    struct bw_identity identity;
    struct ca ca = {0};
    char path[BW_PKI_PATH_MAX];
    enum bw_err err = parse_subject("x", request->subject, &identity, diag); /* before any file */

    if (err != BW_OK)
        return err;
    if (request->sans_count >= BW_PKI_SANS_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%zu alternative names: at most %d",
                           request->sans_count, BW_PKI_SANS_MAX - 1);
    if (!choose_path(request, &identity, path))
        return bw_diag_set(diag, BW_ERR_LIMIT, "the path of the new file is too long");
    ERR_clear_error();
    err = load_ca(request->dir, &ca, diag);
    if (err == BW_OK)
        err = parse_subject(ca.cluster, request->subject, &identity, diag);
    if (err == BW_OK)
        err = make_leaf(&ca, &identity, request, path, diag);
    if (err == BW_OK)
        memcpy(out_path, path, sizeof path);
    deinit_ca(&ca);
    return err;
}
