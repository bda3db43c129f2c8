#include "tls_bio.h"

#include <string.h>

static int on_bio_read(BIO *bio, char *out, int size)
{
    struct bw_tls_io *io = BIO_get_data(bio);
    size_t take = io->in_size < (size_t)size ? io->in_size : (size_t)size;

    BIO_clear_retry_flags(bio);
    if (take == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, io->in, take);
    io->in += take;
    io->in_size -= take;
    return (int)take;
}

static int on_bio_write(BIO *bio, const char *data, int size)
{
    struct bw_tls_io *io = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    return io->write(io->user, data, (size_t)size) ? size : -1;
}

static long on_bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH; /* every write has left already */
}

static int on_bio_created(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *make_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
                                      "breakwater stream");

    if (method == NULL)
        return NULL;
    if (BIO_meth_set_read(method, on_bio_read) == 1 &&
        BIO_meth_set_write(method, on_bio_write) == 1 &&
        BIO_meth_set_ctrl(method, on_bio_control) == 1 &&
        BIO_meth_set_create(method, on_bio_created) == 1)
        return method;
    BIO_meth_free(method);
    return NULL;
}

BIO *bw_tls_bio_new(struct bw_tls_io *io)
{
    static BIO_METHOD *method; /* one for the process, as long as it lives */
    BIO *bio;

    if (method == NULL)
        method = make_method();
    bio = method != NULL ? BIO_new(method) : NULL;
    if (bio != NULL)
        BIO_set_data(bio, io);
    return bio;
}
