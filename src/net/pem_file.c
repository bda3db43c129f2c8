#define OPENSSL_NO_DEPRECATED
#include "pem_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

static enum bw_err read_all(int fd, const char *path, char *data, struct bw_diag *diag)
{
    size_t size = 0;

    while (size <= BW_PEM_BYTES_MAX) {
        const ssize_t got = read(fd, data + size, BW_PEM_BYTES_MAX + 1 - size);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return bw_diag_errno(diag, errno, "read %s", path);
        if (got == 0) {
            data[size] = '\0';
            if (strlen(data) != size)
                return bw_diag_set(diag, BW_ERR_INVALID, "%s: not a PEM file", path);
            return BW_OK;
        }
        size += (size_t)got;
    }
    return bw_diag_set(diag, BW_ERR_LIMIT, "%s: larger than %d bytes, not a PEM file of ours", path,
                       BW_PEM_BYTES_MAX);
}

enum bw_err bw_pem_read(const char *path, char **out_pem, bool *out_is_exposed,
                        struct bw_diag *diag)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a fifo must not hold us up */
    struct stat status;
    char *data = NULL;
    enum bw_err err;

    if (fd < 0)
        return bw_diag_errno(diag, errno, "open %s", path);
    if (fstat(fd, &status) != 0) {
        err = bw_diag_errno(diag, errno, "look at %s", path);
        goto fail;
    }
    if (!S_ISREG(status.st_mode)) {
        err = bw_diag_set(diag, BW_ERR_INVALID, "%s: not a regular file", path);
        goto fail;
    }
    data = calloc(1, BW_PEM_BYTES_MAX + 2);
    if (data == NULL) {
        err = bw_diag_set(diag, BW_ERR_NOMEM, "read %s: out of memory", path);
        goto fail;
    }
    err = read_all(fd, path, data, diag);
    if (err != BW_OK)
        goto fail;
    (void)close(fd); /* only read from */
    *out_pem = data;
    if (out_is_exposed != NULL)
        *out_is_exposed = (status.st_mode & (S_IRWXG | S_IRWXO)) != 0;
    return BW_OK;

fail:
    (void)close(fd); /* only read from */
    bw_pem_free(data);
    return err;
}

void bw_pem_free(char *pem)
{
    if (pem == NULL)
        return;
    OPENSSL_cleanse(pem, strlen(pem));
    free(pem);
}

/* OpenSSL's own would ask at the terminal. */
/* NOLINTNEXTLINE(readability-non-const-parameter): of the type that OpenSSL asks for */
static int refuse_pass_phrase(char *buffer, int size, int is_writing, void *user)
{
    (void)buffer;
    (void)size;
    (void)is_writing;
    (void)user;
    return -1;
}

EVP_PKEY *bw_pem_parse_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key;

    if (bio == NULL)
        return NULL;
    key = PEM_read_bio_PrivateKey(bio, NULL, refuse_pass_phrase, NULL);
    BIO_free(bio);
    return key;
}

const char *bw_openssl_reason(void)
{
    const unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    ERR_clear_error();
    return reason == NULL ? "no reason given" : reason;
}
