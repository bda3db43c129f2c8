/* tls_bio.h - how OpenSSL reaches the network: it reads from a view of received bytes, and what it
 * writes goes to a function. Unlike OpenSSL's memory BIO it keeps no buffer of its own, which
 * would stay as large as the largest burst for the life of each connection. */
#ifndef BW_NET_TLS_BIO_H
#define BW_NET_TLS_BIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/bio.h>

struct bw_tls_io {
    const uint8_t *in; /* received and not yet taken by OpenSSL; owned by the stream */
    size_t in_size;
    /* Takes all of `data`, or false: the connection is broken. */
    bool (*write)(void *user, const void *data, size_t size);
    void *user;
};

/* A BIO on `io`, which must outlive it. NULL when out of memory. */
BIO *bw_tls_bio_new(struct bw_tls_io *io);

#endif
