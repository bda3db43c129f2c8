/* tls_stream_private.h - a stream from the inside, for tls_stream.c (what it does while there is a
 * connection) and tls_dial.c (how it comes to one). */
#ifndef BW_NET_TLS_STREAM_PRIVATE_H
#define BW_NET_TLS_STREAM_PRIVATE_H

#include <openssl/ssl.h>

#include <breakwater/net/address.h>
#include <breakwater/net/names.h>
#include <breakwater/net/tls_stream.h>

#include "tls_bio.h"

struct dial; /* tls_dial.c */

enum state {
    STATE_DIALLING, /* tls_dial.c has the timer */
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
/* Without handles yet; NULL when out of memory. */
struct bw_tls_stream *bw_tls_stream_new(const struct bw_tls_stream_config *config, bool server);
/* Of a stream whose handles were never made. */
void bw_tls_stream_free_unborn(struct bw_tls_stream *stream);
void bw_tls_stream_init_handles(struct bw_tls_stream *stream, uv_loop_t *loop);
/* Connected: options, the peer's address, and the handshake. */
void bw_tls_stream_begin(struct bw_tls_stream *stream);
/* The closed-callback of both handles: the last one ends the stream. */
void bw_tls_stream_on_handle_closed(uv_handle_t *handle);

/* tls_dial.c */
/* The stream closes, or has its connection: the dial ends by itself. */
void bw_tls_dial_abandon(struct bw_tls_stream *stream);

#endif
