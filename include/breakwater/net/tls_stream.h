/* tls_stream.h - one connection: TLS 1.3 on a libuv loop.
 *
 * All calls and callbacks belong to the loop's thread. Callbacks may call any function here, close
 * included; none may free: the stream frees itself after on_closed has returned, which is called
 * exactly once for every stream that accept or connect gave out, and never before the function
 * that caused it has returned. After on_closed nothing is called any more.
 *
 * SIGPIPE must be ignored by the program. */
#ifndef BW_NET_TLS_STREAM_H
#define BW_NET_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>
#include <breakwater/net/names.h>
#include <breakwater/net/roles.h>
#include <breakwater/net/tls_context.h>

struct bw_tls_stream;

struct bw_tls_stream_events {
    /* The handshake is done and a certificate, if there is one, was verified. There is no deadline
     * until the caller sets one. Required. */
    void (*on_ready)(struct bw_tls_stream *stream, void *user);
    /* `data` is good until return. Required. */
    void (*on_data)(struct bw_tls_stream *stream, const uint8_t *data, size_t size, void *user);
    /* Everything written has been handed to the kernel. May be NULL. */
    void (*on_drained)(struct bw_tls_stream *stream, void *user);
    /* The deadline has passed (never during dial or handshake). NULL: the stream closes with
     * BW_ERR_TIMEOUT by itself. */
    void (*on_deadline)(struct bw_tls_stream *stream, void *user);
    /* The end. `why`: BW_OK the peer closed in good order, BW_ERR_AUTH a certificate was refused
     * (theirs by us, or ours by them), BW_ERR_TIMEOUT, BW_ERR_UNREACHABLE could not be dialled,
     * BW_ERR_IO anything else of the network, or what bw_tls_stream_close was given. `text` says
     * it for a person, good until return. Required. */
    void (*on_closed)(struct bw_tls_stream *stream, enum bw_err why, const char *text, void *user);
};

struct bw_tls_stream_config {
    struct ssl_ctx_st *context; /* kept */
    const struct bw_tls_stream_events *events; /* borrowed for the stream's life */
    void *user;
    uint32_t handshake_ms;    /* > 0; accept: whole handshake; connect: handshake after the dial */
    uint32_t dial_ms;         /* connect: > 0, all addresses together, counted from when the first one is known */
    uint32_t lookup_ms;       /* connect: until then; 0: within dial_ms */
    struct bw_names *names;   /* connect: kept addresses, open on the same loop; outlives the stream's on_closed */
    uint32_t user_timeout_ms; /* TCP_USER_TIMEOUT: unacknowledged data ends it; 0: kernel's */
    size_t queue_bytes_max;   /* ciphertext not yet taken by the kernel; 0: the default,
                               * BW_STREAM_QUEUE_BYTES_MAX */
};

/* Takes the connection that waits at `listener`. BW_ERR_NOMEM: it still waits there (call again),
 * then nothing follows. Any other failure comes as on_closed. */
BW_MUST_CHECK enum bw_err bw_tls_stream_accept(uv_stream_t *listener,
                                               const struct bw_tls_stream_config *config,
                                               struct bw_tls_stream **out_stream,
                                               struct bw_diag *diag);

/* Dials `address` ("HOST:PORT"): the addresses that are kept of a name at once, those of a lookup once it has answered,
 * each 250 ms after the one before or when that has failed; the first that connects is taken (RFC 8305). The lookup goes
 * on when its time has passed: the next dial has its answer. BW_ERR_INVALID: not HOST:PORT; every other
 * failure comes as on_closed. No host name is compared with the certificate: the caller judges
 * bw_tls_stream_peer in on_ready, and closes; or says with bw_tls_stream_prove that it is the one, whose address is then
 * the first that is dialed next time. A connection that ends before that makes its address the last. */
BW_MUST_CHECK enum bw_err bw_tls_stream_connect(uv_loop_t *loop, const char *address,
                                                const struct bw_tls_stream_config *config,
                                                struct bw_tls_stream **out_stream,
                                                struct bw_diag *diag);

void bw_tls_stream_prove(struct bw_tls_stream *stream);

/* Encrypts and queues all of `data` (copied). BW_ERR_LIMIT: the queue would pass its bound;
 * nothing was taken, wait for on_drained. BW_ERR_CANCELED: not open any more (or not yet). A
 * failure of the connection itself comes as on_closed, with BW_ERR_IO here. */
BW_MUST_CHECK enum bw_err bw_tls_stream_write(struct bw_tls_stream *stream, const void *data,
                                              size_t size);
/* Bytes that bw_tls_stream_write will take now: for a sender that cuts its data to fit. */
size_t bw_tls_stream_writable_bytes(const struct bw_tls_stream *stream);
/* Bytes of it that the peer's machine has not acknowledged yet. */
size_t bw_tls_stream_waiting_bytes(const struct bw_tls_stream *stream);
/* All that was written has left. Not yet: on_drained follows, unless it closes before. */
bool bw_tls_stream_is_drained(const struct bw_tls_stream *stream);

/* Flow control: after pause no on_data until resume; the peer's end is not noticed while paused.
 * resume may call on_data, on data already here, before it returns. */
void bw_tls_stream_pause(struct bw_tls_stream *stream);
void bw_tls_stream_resume(struct bw_tls_stream *stream);

/* One deadline, counted from now; 0: none. Ignored during dial and handshake. */
void bw_tls_stream_set_deadline(struct bw_tls_stream *stream, uint32_t ms);

/* Whom we trust has changed: `context` judges the peer's certificate anew, and the stream is closed
 * with BW_ERR_AUTH when it would not be accepted any more. One that is not ready yet is closed with
 * BW_ERR_CANCELED; whoever dialed it dials again. Apart from that, a stream closes by itself with
 * BW_ERR_AUTH when its peer's certificate ends, by the time that has passed since the handshake. */
void bw_tls_stream_judge(struct bw_tls_stream *stream, struct ssl_ctx_st *context);

/* Ends in good order: no more on_data; what is queued is sent, then our end of stream; what the
 * peer still sends is thrown away until it closes, so that a reset cannot overtake our last words.
 * At most BW_STREAM_FLUSH_MS for the first and BW_STREAM_LINGER_MS for the last part, then closed.
 * on_closed gets BW_OK. */
void bw_tls_stream_finish(struct bw_tls_stream *stream);
#define BW_STREAM_FLUSH_MS  10000
#define BW_STREAM_LINGER_MS 1000

/* Ends now, in any state, any number of times; the first reason counts. `text` is copied. */
void bw_tls_stream_close(struct bw_tls_stream *stream, enum bw_err why, const char *text);

/* The peer's identity; NULL before on_ready, without a certificate, or when its certificate names
 * none. Owned by the stream. */
const struct bw_identity *bw_tls_stream_peer(const struct bw_tls_stream *stream);
/* What the peer showed in the handshake; NULL as above, or if it showed none. Owned by the stream. */
const struct x509_st *bw_tls_stream_peer_certificate(const struct bw_tls_stream *stream);
/* True after a handshake in which the peer showed a certificate that we trust. */
bool bw_tls_stream_has_certificate(const struct bw_tls_stream *stream);
/* "ADDRESS:PORT" of the peer ("unknown" before the dial has succeeded). Owned by the stream. */
const char *bw_tls_stream_remote(const struct bw_tls_stream *stream);
/* The peer's port (address.h); 0: not known, as above. */
uint64_t bw_tls_stream_origin(const struct bw_tls_stream *stream);

#endif
