/* tls_stream_private.h - a stream from the inside, for tls_stream.c and its test. */
#ifndef BW_NET_TLS_STREAM_PRIVATE_H
#define BW_NET_TLS_STREAM_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <breakwater/base/err.h>
#include <breakwater/net/address.h>
#include <breakwater/net/names.h>
#include <breakwater/net/tls_stream.h>

/* How OpenSSL reaches the network: it reads from a view of received bytes, and what it
 * writes goes to a function. Unlike OpenSSL's memory BIO it keeps no buffer of its own, which
 * would stay as large as the largest burst for the life of each connection. */

struct bw_tls_io {
    const uint8_t *in; /* received and not yet taken by OpenSSL; owned by the stream */
    size_t in_size;
    /* Takes all of `data`, or false: the connection is broken. */
    bool (*write)(void *user, const void *data, size_t size);
    void *user;
};

/* Why TLS failed, in words that a person can act on. */

struct dial; /* tls_stream.c */

enum state {
    STATE_DIALLING, /* tls_stream.c has the timer */
    STATE_HANDSHAKE,
    STATE_OPEN,
    STATE_FINISHING, /* our last words are under way; what comes in is thrown away */
    STATE_CLOSING,   /* handles are on their way out */
};

struct bw_tls_stream {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_timer_t expiry; /* of the peer's certificate */
    uv_shutdown_t shutdown;
    SSL *ssl;
    struct bw_tls_io io;
    uint8_t *held; /* what io.in points into while paused; NULL: nothing */
    const struct bw_tls_stream_events *events;
    void *user;
    struct dial *dial; /* until connected */
    size_t queued_bytes;
    size_t queue_bytes_max;
    uint32_t handshake_ms;
    uint32_t user_timeout_ms;
    enum state state;
    unsigned handles_open;
    bool reading;
    bool paused;
    bool pumping;
    bool peer_ended;
    bool has_certificate;
    bool has_identity;
    bool is_proved; /* the caller has found whom it dialed */
    enum bw_err why;
    struct bw_names *names; /* dialed: kept addresses */
    char host[BW_ADDRESS_MAX + 1]; /* dialed: of the address; "": accepted */
    struct sockaddr_storage peer;
    struct bw_identity identity;
    char remote[BW_ADDRESS_TEXT_BYTES];
    uint64_t origin;
    char text[384];
};

/* tls_stream.c */

/* tls_stream.c */

#endif
