/* A stream of TLS, from the dialing of its peer to its end. lint: a machine. */
#include "tls_stream_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

#include <breakwater/base/assert.h>
#include <breakwater/net/address.h>

#include "names_private.h"
#include "peer_trust.h"

static BIO *tls_bio_new(struct bw_tls_io *io);
static enum bw_err tls_failure(const SSL *ssl, bool handshake, char *out_text, size_t size);
static void tls_dial_abandon(struct bw_tls_stream *stream);

/* ---- streams ---- */

#define READ_BYTES_MAX   (32 * 1024) /* one read from a socket */
#define RECORD_BYTES_MAX (16 * 1024) /* plaintext of one TLS record (RFC 8446, 5.1) */
#define RECORD_OVERHEAD  64          /* ciphertext of one record beyond its plaintext, at most */

struct write {
    uv_write_t request;
    size_t size;
    uint8_t data[];
};

/* One loop, one thread: libuv hands the buffer back before it asks for it again. */
static _Thread_local uint8_t read_buffer[READ_BYTES_MAX];

static void on_timer(uv_timer_t *timer);
static void start_reading(struct bw_tls_stream *stream);
static void hold_rest(struct bw_tls_stream *stream);
static void pump(struct bw_tls_stream *stream);

/* ---- life ---- */

/* The closed-callback of both handles: the last one ends the stream. */
static void tls_stream_on_handle_closed(uv_handle_t *handle)
{
    struct bw_tls_stream *stream = handle->data;

    if (--stream->handles_open > 0)
        return;
    BW_ASSERT(stream->queued_bytes == 0);
    stream->events->on_closed(stream, stream->why, stream->text, stream->user);
    SSL_free(stream->ssl);
    ERR_clear_error();
    free(stream->held);
    free(stream);
}

void bw_tls_stream_close(struct bw_tls_stream *stream, enum bw_err why, const char *text)
{
    if (stream->state == STATE_CLOSING)
        return;
    if (stream->host[0] != '\0' && stream->state != STATE_DIALLING && !stream->is_proved)
        bw_names_note(stream->names, stream->host, (const struct sockaddr *)&stream->peer, false);
    stream->state = STATE_CLOSING;
    stream->why = why;
    (void)snprintf(stream->text, sizeof stream->text, "%s", text);
    tls_dial_abandon(stream);
    uv_close((uv_handle_t *)&stream->timer, tls_stream_on_handle_closed);
    uv_close((uv_handle_t *)&stream->expiry, tls_stream_on_handle_closed);
    uv_close((uv_handle_t *)&stream->tcp, tls_stream_on_handle_closed);
}

static void close_errno(struct bw_tls_stream *stream, const char *what, int uv_error)
{
    char text[128];
    enum bw_err why = uv_error == UV_ETIMEDOUT ? BW_ERR_TIMEOUT : BW_ERR_IO;

    (void)snprintf(text, sizeof text, "%s: %s", what, uv_strerror(uv_error));
    bw_tls_stream_close(stream, why, text);
}

static void start_timer(struct bw_tls_stream *stream, uint32_t ms)
{
    if (ms > 0)
        (void)uv_timer_start(&stream->timer, on_timer, ms, 0); /* fails only without a callback */
    else
        (void)uv_timer_stop(&stream->timer); /* always 0 */
}

static void on_shutdown_done(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown, (void)status; /* the peer's end or the linger timer closes */
}

/* FINISHING, and nothing queued any more: our end of stream. */
static void send_end(struct bw_tls_stream *stream)
{
    start_timer(stream, BW_STREAM_LINGER_MS);
    if (stream->peer_ended ||
        uv_shutdown(&stream->shutdown, (uv_stream_t *)&stream->tcp, on_shutdown_done) != 0)
        bw_tls_stream_close(stream, BW_OK, "done");
}

static void on_timer(uv_timer_t *timer)
{
    struct bw_tls_stream *stream = timer->data;

    switch (stream->state) {
    case STATE_DIALLING: /* has callbacks of its own */
        break;
    case STATE_HANDSHAKE:
        bw_tls_stream_close(stream, BW_ERR_TIMEOUT, "the TLS handshake took too long");
        break;
    case STATE_OPEN:
        if (stream->events->on_deadline != NULL)
            stream->events->on_deadline(stream, stream->user);
        else
            bw_tls_stream_close(stream, BW_ERR_TIMEOUT, "the deadline has passed");
        break;
    case STATE_FINISHING:
        bw_tls_stream_close(stream, BW_OK, "done (the peer did not close in time)");
        break;
    case STATE_CLOSING:
        break;
    }
}

/* ---- sending ---- */

static void on_written(uv_write_t *request, int status)
{
    struct write *write = (struct write *)request;
    struct bw_tls_stream *stream = request->handle->data;

    stream->queued_bytes -= write->size;
    free(write);
    if (stream->state == STATE_CLOSING)
        return;
    if (status < 0)
        close_errno(stream, "write", status);
    else if (stream->queued_bytes > 0)
        return;
    else if (stream->state == STATE_FINISHING)
        send_end(stream);
    else if (stream->state == STATE_OPEN && stream->events->on_drained != NULL)
        stream->events->on_drained(stream, stream->user);
}

/* Queues bytes for the socket. False: broken; the caller closes. */
static bool send_bytes(void *user, const void *data, size_t size)
{
    struct bw_tls_stream *stream = user;
    struct write *write;
    uv_buf_t buffer;

    /* Writes of ours were checked before; what OpenSSL answers by itself (key updates) is bounded
     * here, or a peer that asks and never reads could fill the memory. */
    if (stream->state == STATE_CLOSING ||
        stream->queued_bytes + size > stream->queue_bytes_max + RECORD_BYTES_MAX)
        return false;
    write = malloc(sizeof *write + size);
    if (write == NULL)
        return false;
    write->size = size;
    memcpy(write->data, data, size);
    buffer = uv_buf_init((char *)write->data, (unsigned)size);
    if (uv_write(&write->request, (uv_stream_t *)&stream->tcp, &buffer, 1, on_written) != 0) {
        free(write);
        return false;
    }
    stream->queued_bytes += size;
    return true;
}

static size_t ciphertext_bytes(size_t size)
{
    return size + (size / RECORD_BYTES_MAX + 1) * RECORD_OVERHEAD;
}

enum bw_err bw_tls_stream_write(struct bw_tls_stream *stream, const void *data, size_t size)
{
    bool sent;

    if (stream->state != STATE_OPEN)
        return BW_ERR_CANCELED;
    if (size == 0)
        return BW_OK;
    if (size > stream->queue_bytes_max ||
        stream->queued_bytes + ciphertext_bytes(size) > stream->queue_bytes_max)
        return BW_ERR_LIMIT;
    ERR_clear_error();
    /* Our BIO takes everything or fails: it never asks for a retry. */
    sent = SSL_write(stream->ssl, data, (int)size) > 0;
    ERR_clear_error();
    if (sent)
        return BW_OK;
    bw_tls_stream_close(stream, BW_ERR_IO, "writing to the connection failed");
    return BW_ERR_IO;
}

size_t bw_tls_stream_writable_bytes(const struct bw_tls_stream *stream)
{
    size_t free_bytes = stream->queue_bytes_max > stream->queued_bytes
                            ? stream->queue_bytes_max - stream->queued_bytes
                            : 0;
    size_t overhead = ciphertext_bytes(free_bytes) - free_bytes;

    if (stream->state != STATE_OPEN || free_bytes <= overhead)
        return 0;
    return free_bytes - overhead;
}

size_t bw_tls_stream_waiting_bytes(const struct bw_tls_stream *stream)
{
    uv_os_fd_t fd;
    int unacknowledged = 0;

    if (uv_fileno((const uv_handle_t *)&stream->tcp, &fd) != 0 || ioctl(fd, SIOCOUTQ, &unacknowledged) != 0)
        unacknowledged = 0; /* it is closed, or not there yet */
    return stream->queued_bytes + (size_t)unacknowledged;
}

bool bw_tls_stream_is_drained(const struct bw_tls_stream *stream)
{
    return stream->queued_bytes == 0;
}

void bw_tls_stream_finish(struct bw_tls_stream *stream)
{
    if (stream->state == STATE_FINISHING || stream->state == STATE_CLOSING)
        return;
    if (stream->state != STATE_OPEN) {
        bw_tls_stream_close(stream, BW_OK, "done");
        return;
    }
    ERR_clear_error();
    (void)SSL_shutdown(stream->ssl); /* the alert is a courtesy: the end of stream follows */
    ERR_clear_error();
    if (stream->state == STATE_CLOSING)
        return;
    stream->state = STATE_FINISHING;
    stream->paused = false;
    if (!stream->pumping)
        hold_rest(stream); /* drops what a pause has kept */
    start_reading(stream); /* to notice the peer's end */
    start_timer(stream, BW_STREAM_FLUSH_MS);
    if (stream->queued_bytes == 0)
        send_end(stream);
}

/* ---- receiving ---- */

static void on_buffer_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buffer)
{
    (void)handle, (void)suggested;
    *out_buffer = uv_buf_init((char *)read_buffer, sizeof read_buffer);
}

static void on_peer_end(struct bw_tls_stream *stream)
{
    if (stream->state == STATE_HANDSHAKE) {
        bw_tls_stream_close(stream, BW_ERR_IO, "the peer closed during the handshake");
    } else if (stream->queued_bytes > 0) {
        stream->peer_ended = true;
        bw_tls_stream_finish(stream); /* it may still read what is queued */
    } else {
        bw_tls_stream_close(stream, BW_OK, "the peer closed the connection");
    }
}

static void on_read(uv_stream_t *tcp, ssize_t size, const uv_buf_t *buffer)
{
    struct bw_tls_stream *stream = tcp->data;

    if (stream->state == STATE_CLOSING || size == 0)
        return;
    if (size == UV_EOF) {
        on_peer_end(stream);
        return;
    }
    if (size < 0) {
        close_errno(stream, "read", (int)size);
        return;
    }
    if (stream->state == STATE_FINISHING)
        return;
    BW_ASSERT(stream->io.in_size == 0); /* OpenSSL takes all, or reading is paused */
    stream->io.in = (const uint8_t *)buffer->base;
    stream->io.in_size = (size_t)size;
    pump(stream);
}

static void start_reading(struct bw_tls_stream *stream)
{
    int result;

    if (stream->reading || stream->state == STATE_CLOSING || stream->state == STATE_DIALLING)
        return;
    result = uv_read_start((uv_stream_t *)&stream->tcp, on_buffer_wanted, on_read);
    if (result != 0)
        close_errno(stream, "read", result);
    else
        stream->reading = true;
}

void bw_tls_stream_pause(struct bw_tls_stream *stream)
{
    if (stream->state != STATE_OPEN)
        return;
    stream->paused = true;
    if (stream->reading)
        (void)uv_read_stop((uv_stream_t *)&stream->tcp); /* always 0 */
    stream->reading = false;
}

void bw_tls_stream_resume(struct bw_tls_stream *stream)
{
    if (stream->state == STATE_CLOSING || !stream->paused)
        return;
    stream->paused = false;
    pump(stream);
    if (!stream->paused)
        start_reading(stream);
}

/* Keeps what a pause left in the shared buffer. */
static void hold_rest(struct bw_tls_stream *stream)
{
    uint8_t *rest = NULL;

    if (stream->state != STATE_OPEN)
        stream->io.in_size = 0; /* nobody will want it */
    if (stream->io.in_size > 0) {
        rest = malloc(stream->io.in_size);
        if (rest == NULL) {
            stream->io.in_size = 0;
            bw_tls_stream_close(stream, BW_ERR_NOMEM, "out of memory while paused");
        } else {
            memcpy(rest, stream->io.in, stream->io.in_size);
        }
    }
    free(stream->held);
    stream->held = rest;
    stream->io.in = rest;
}

/* OpenSSL said no: closes with the reason in words. */
static void close_failed(struct bw_tls_stream *stream, bool handshake)
{
    char text[384]; /* with the name of a certificate */
    enum bw_err why = tls_failure(stream->ssl, handshake, text, sizeof text);

    ERR_clear_error();
    bw_tls_stream_close(stream, why, text);
}

/* ---- whom we talk to ---- */

/* It may have another one since, which it shows as it dials again. */
#define SHOWN "the certificate that the peer showed as this connection was made "

static void on_expiry(uv_timer_t *timer)
{
    struct bw_tls_stream *stream = timer->data;

    if (stream->state != STATE_CLOSING)
        bw_tls_stream_close(stream, BW_ERR_AUTH, SHOWN "has expired");
}

/* Counted from now, not read from the wall clock again: a step of that one ends no lease
 * (design 3.8). */
static void start_expiry(struct bw_tls_stream *stream)
{
    const uint64_t left_ms = bw_peer_left_ms(SSL_get0_verified_chain(stream->ssl));

    if (left_ms != UINT64_MAX)
        (void)uv_timer_start(&stream->expiry, on_expiry, left_ms, 0); /* has a callback */
}

void bw_tls_stream_judge(struct bw_tls_stream *stream, struct ssl_ctx_st *context)
{
    const char *why;
    char text[160];

    if (stream->state == STATE_CLOSING)
        return;
    if (stream->state == STATE_DIALLING || stream->state == STATE_HANDSHAKE) {
        bw_tls_stream_close(stream, BW_ERR_CANCELED, "whom we trust has changed meanwhile");
    } else if (stream->has_certificate && !bw_peer_still_qualifies(stream->ssl, context, &why)) {
        (void)snprintf(text, sizeof text, SHOWN "counts no more: %s", why);
        bw_tls_stream_close(stream, BW_ERR_AUTH, text);
    }
}

/* True: there may be more to do with the bytes at hand. */
static bool step_handshake(struct bw_tls_stream *stream)
{
    int result;

    ERR_clear_error();
    result = SSL_do_handshake(stream->ssl); /* an alert of ours leaves by itself, through the BIO */
    if (stream->state == STATE_CLOSING)
        return false;
    if (result != 1) {
        if (SSL_get_error(stream->ssl, result) != SSL_ERROR_WANT_READ)
            close_failed(stream, true);
        return false;
    }
    const X509 *certificate = SSL_get0_peer_certificate(stream->ssl);

    stream->has_certificate = certificate != NULL;
    stream->has_identity = certificate != NULL &&
                           bw_identity_of_certificate(certificate, &stream->identity, NULL) ==
                               BW_OK;
    stream->state = STATE_OPEN;
    start_timer(stream, 0);
    start_expiry(stream);
    stream->events->on_ready(stream, stream->user);
    return true;
}

static bool step_read(struct bw_tls_stream *stream)
{
    uint8_t plain[RECORD_BYTES_MAX];
    int size;

    ERR_clear_error();
    size = SSL_read(stream->ssl, plain, sizeof plain);
    if (stream->state == STATE_CLOSING)
        return false;
    if (size > 0) {
        stream->events->on_data(stream, plain, (size_t)size, stream->user);
        return true;
    }
    switch (SSL_get_error(stream->ssl, size)) {
    case SSL_ERROR_WANT_READ:
        return false;
    case SSL_ERROR_ZERO_RETURN:
        on_peer_end(stream);
        return false;
    default:
        close_failed(stream, false);
        return false;
    }
}

/* Works on the bytes at hand until there are none, or the stream is paused or over. */
static void pump(struct bw_tls_stream *stream)
{
    bool more = true;

    if (stream->pumping)
        return; /* called from a callback of the loop below, which goes on by itself */
    stream->pumping = true;
    while (more) {
        if (stream->state == STATE_HANDSHAKE)
            more = step_handshake(stream);
        else if (stream->state != STATE_OPEN || stream->paused)
            more = false;
        else
            more = step_read(stream);
    }
    stream->pumping = false;
    hold_rest(stream);
}

/* ---- beginning ---- */

/* Of a stream whose handles were never made. */
static void tls_stream_free_unborn(struct bw_tls_stream *stream)
{
    SSL_free(stream->ssl);
    ERR_clear_error();
    free(stream);
}

/* Without handles yet; NULL when out of memory. */
static struct bw_tls_stream *tls_stream_new(const struct bw_tls_stream_config *config, bool server)
{
    struct bw_tls_stream *stream = calloc(1, sizeof *stream);

    BW_ASSERT(config->context != NULL);
    BW_ASSERT(config->handshake_ms > 0);
    BW_ASSERT(config->events->on_ready != NULL && config->events->on_data != NULL);
    BW_ASSERT(config->events->on_closed != NULL);
    if (stream == NULL)
        return NULL;
    stream->events = config->events;
    stream->user = config->user;
    stream->handshake_ms = config->handshake_ms;
    stream->user_timeout_ms = config->user_timeout_ms;
    stream->queue_bytes_max = config->queue_bytes_max > 0 ? config->queue_bytes_max
                                                          : BW_STREAM_QUEUE_BYTES_MAX;
    stream->io.write = send_bytes;
    stream->io.user = stream;
    (void)snprintf(stream->remote, sizeof stream->remote, "unknown");
    ERR_clear_error();
    stream->ssl = SSL_new(config->context);
    BIO *bio = stream->ssl != NULL ? tls_bio_new(&stream->io) : NULL;

    if (bio == NULL) {
        tls_stream_free_unborn(stream);
        return NULL;
    }
    SSL_set_bio(stream->ssl, bio, bio);
    if (server)
        SSL_set_accept_state(stream->ssl);
    else
        SSL_set_connect_state(stream->ssl);
    return stream;
}

static void tls_stream_init_handles(struct bw_tls_stream *stream, uv_loop_t *loop)
{
    BW_ASSERT(uv_tcp_init(loop, &stream->tcp) == 0); /* makes no socket yet: cannot fail */
    BW_ASSERT(uv_timer_init(loop, &stream->timer) == 0);
    BW_ASSERT(uv_timer_init(loop, &stream->expiry) == 0);
    stream->tcp.data = stream;
    stream->timer.data = stream;
    stream->expiry.data = stream;
    stream->handles_open = 3;
}

/* Connected: options, the peer's address, and the handshake. Connected: options, the peer's address, and the handshake. */
static void tls_stream_begin(struct bw_tls_stream *stream)
{
    struct sockaddr *peer = (struct sockaddr *)&stream->peer;
    int size = sizeof stream->peer;
    int fd;

    if (uv_tcp_getpeername(&stream->tcp, peer, &size) == 0) {
        bw_address_format(peer, stream->remote);
        stream->origin = bw_origin_of(peer);
    }
    (void)uv_tcp_nodelay(&stream->tcp, 1); /* only slower without it */
    if (stream->user_timeout_ms > 0 && uv_fileno((uv_handle_t *)&stream->tcp, &fd) == 0) {
        unsigned ms = stream->user_timeout_ms;

        if (setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms) != 0) {
            close_errno(stream, "set TCP_USER_TIMEOUT", uv_translate_sys_error(errno));
            return;
        }
    }
    stream->state = STATE_HANDSHAKE;
    start_timer(stream, stream->handshake_ms);
    start_reading(stream);
    pump(stream); /* a client speaks first */
}

enum bw_err bw_tls_stream_accept(uv_stream_t *listener, const struct bw_tls_stream_config *config,
                                 struct bw_tls_stream **out_stream, struct bw_diag *diag)
{
    struct bw_tls_stream *stream = tls_stream_new(config, true);
    int result;

    if (stream == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "accept: out of memory");
    tls_stream_init_handles(stream, listener->loop);
    result = uv_accept(listener, (uv_stream_t *)&stream->tcp);
    /* From here on the handles are the loop's: a failure ends like any other, by on_closed. */
    *out_stream = stream;
    stream->state = STATE_HANDSHAKE;
    if (result != 0)
        close_errno(stream, "accept", result);
    else
        tls_stream_begin(stream);
    return BW_OK;
}

void bw_tls_stream_set_deadline(struct bw_tls_stream *stream, uint32_t ms)
{
    if (stream->state == STATE_OPEN)
        start_timer(stream, ms);
}

void bw_tls_stream_prove(struct bw_tls_stream *stream)
{
    BW_ASSERT(stream->host[0] != '\0');
    stream->is_proved = true;
    bw_names_note(stream->names, stream->host, (const struct sockaddr *)&stream->peer, true);
}

const struct bw_identity *bw_tls_stream_peer(const struct bw_tls_stream *stream)
{
    return stream->has_identity ? &stream->identity : NULL;
}

const struct x509_st *bw_tls_stream_peer_certificate(const struct bw_tls_stream *stream)
{
    return stream->has_identity ? SSL_get0_peer_certificate(stream->ssl) : NULL;
}

bool bw_tls_stream_has_certificate(const struct bw_tls_stream *stream)
{
    return stream->has_certificate;
}

const char *bw_tls_stream_remote(const struct bw_tls_stream *stream)
{
    return stream->remote;
}

uint64_t bw_tls_stream_origin(const struct bw_tls_stream *stream)
{
    return stream->origin;
}

/* ---- why TLS failed ---- */

struct reason {
    int code; /* SSL_R_* */
    enum bw_err err;
    const char *text;
};

static const struct reason reasons[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, BW_ERR_AUTH, "the peer showed no certificate"},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, BW_ERR_AUTH, "the peer wants our certificate"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, BW_ERR_AUTH,
     "the peer refused our certificate: it does not know our CA"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, BW_ERR_AUTH,
     "the peer refused our certificate: expired, or not yet valid (check both clocks)"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, BW_ERR_AUTH,
     "the peer refused our certificate: revoked"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, BW_ERR_AUTH, "the peer refused our certificate"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, BW_ERR_AUTH,
     "the peer refused our certificate: not made for this use"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, BW_ERR_AUTH, "the peer refused our certificate"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, BW_ERR_IO, "the peer does not speak TLS 1.3"},
    {SSL_R_UNSUPPORTED_PROTOCOL, BW_ERR_IO, "the peer does not speak TLS 1.3"},
    {SSL_R_HTTP_REQUEST, BW_ERR_IO, "the peer speaks plain HTTP to a TLS port"},
    {SSL_R_WRONG_VERSION_NUMBER, BW_ERR_IO, "the peer does not speak TLS"},
};

/* Reads the verification result of `ssl` and OpenSSL's error queue (and leaves it). BW_ERR_AUTH
 * when a certificate was refused, by us or by the peer; BW_ERR_IO otherwise. */
static enum bw_err tls_failure(const SSL *ssl, bool handshake, char *out_text, size_t size)
{
    unsigned long error = ERR_peek_error();
    long verified = SSL_get_verify_result(ssl);
    const char *text = ERR_reason_error_string(error);
    const char *name = bw_peer_refused_name(ssl);

    if (handshake && ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
        verified != X509_V_OK) {
        (void)snprintf(out_text, size, "the peer's certificate was refused: %s%s%s",
                       X509_verify_cert_error_string(verified), name != NULL ? "; it says " : "",
                       name != NULL ? name : "");
        return BW_ERR_AUTH;
    }
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == reasons[i].code) {
            (void)snprintf(out_text, size, "%s", reasons[i].text);
            return reasons[i].err;
        }
    }
    (void)snprintf(out_text, size, "%s: %s",
                   handshake ? "the TLS handshake failed" : "the TLS connection failed",
                   text != NULL ? text : "no reason given");
    return BW_ERR_IO;
}

/* ---- how OpenSSL reaches the network ---- */

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

/* A BIO on `io`, which must outlive it. NULL when out of memory. */
static BIO *tls_bio_new(struct bw_tls_io *io)
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

/* ---- from HOST:PORT to a connection ---- */

/* From HOST:PORT to a connection. Addresses are tried side by side, each a little after the one before
 * (RFC 8305), beginning with the one that was good last, while the name is looked up anew (names.h). */

#define ATTEMPT_MS 250 /* RFC 8305, 5: the next address is tried though the one before has not failed yet */

_Static_assert(BW_NAME_ADDRESSES_MAX > 1, "a name that has moved has an address of before and one of now");

/* One address. Its handle becomes the stream's by its file descriptor. */
struct attempt {
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct dial *dial;
    bool is_open; /* the handle; it was begun and has not failed */
};

/* Outlives the stream until the last handle is closed; `stream` is NULL then. */
struct dial {
    struct bw_names_wait wait; /* first */
    struct bw_tls_stream *stream;
    uv_loop_t *loop;
    uint16_t port;
    struct sockaddr_storage addresses[BW_NAME_ADDRESSES_MAX];
    size_t count;
    size_t next;
    struct attempt attempts[BW_NAME_ADDRESSES_MAX]; /* of the address with the same index */
    unsigned open;    /* attempts */
    unsigned closing; /* handles that are not closed yet */
    uint32_t dial_ms; /* from the first address on; 0: end_ms stands */
    uint64_t end_ms;  /* on the loop's clock */
    uint64_t next_ms; /* when the next address is tried */
    char why[160];    /* the attempt that failed last */
};

static void go_on(struct dial *dial);

/* ---- the end of a dial ----------------------------------------------------------------------- */

static void free_if_done(struct dial *dial)
{
    if (dial->stream == NULL && dial->closing == 0)
        free(dial);
}

static void on_attempt_closed(uv_handle_t *handle)
{
    struct attempt *attempt = handle->data;

    attempt->dial->closing--;
    free_if_done(attempt->dial);
}

static void close_attempt(struct attempt *attempt)
{
    if (!attempt->is_open)
        return;
    attempt->is_open = false;
    attempt->dial->open--;
    attempt->dial->closing++;
    uv_close((uv_handle_t *)&attempt->tcp, on_attempt_closed);
}

/* The stream closes, or has its connection: the dial ends by itself. */
static void tls_dial_abandon(struct bw_tls_stream *stream)
{
    struct dial *dial = stream->dial;

    if (dial == NULL)
        return;
    stream->dial = NULL;
    dial->stream = NULL;
    bw_names_give_up(&dial->wait);
    for (size_t i = 0; i < dial->next; i++)
        close_attempt(&dial->attempts[i]);
    free_if_done(dial);
}

/* ---- one address ----------------------------------------------------------------------------- */

static struct sockaddr *address_of(struct attempt *attempt)
{
    return (struct sockaddr *)&attempt->dial->addresses[attempt - attempt->dial->attempts];
}

static void fail_attempt(struct attempt *attempt, int uv_error)
{
    struct dial *dial = attempt->dial;

    (void)snprintf(dial->why, sizeof dial->why, "%s%s", uv_strerror(uv_error),
                   uv_error == UV_ECONNREFUSED ? " (nobody listens there)"
                   : uv_error == UV_ETIMEDOUT  ? " (partition, or a firewall that drops)"
                                               : "");
    bw_names_note(dial->stream->names, dial->stream->host, address_of(attempt), false);
    close_attempt(attempt);
}

/* Its connection becomes the stream's. */
static int hand_over(struct attempt *attempt, struct bw_tls_stream *stream)
{
    int from;
    int fd;
    int result = uv_fileno((uv_handle_t *)&attempt->tcp, &from);

    if (result != 0)
        return result;
    fd = fcntl(from, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return UV_EMFILE;
    result = uv_tcp_open(&stream->tcp, fd);
    if (result != 0)
        (void)close(fd); /* nothing was said over it */
    return result;
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct attempt *attempt = connect->data;
    struct dial *dial = attempt->dial;
    struct bw_tls_stream *stream = dial->stream;

    if (!attempt->is_open)
        return; /* it was closed */
    if (status == 0)
        status = hand_over(attempt, stream);
    if (status != 0) {
        fail_attempt(attempt, status);
        dial->next_ms = uv_now(dial->loop); /* at once */
        go_on(dial);
        return;
    }
    (void)uv_timer_stop(&stream->timer); /* always 0 */
    tls_dial_abandon(stream);
    tls_stream_begin(stream);
}

static void begin_attempt(struct dial *dial)
{
    struct attempt *attempt = &dial->attempts[dial->next];
    struct sockaddr_storage *address = &dial->addresses[dial->next++];
    int result;

    if (address->ss_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons(dial->port);
    else
        ((struct sockaddr_in6 *)address)->sin6_port = htons(dial->port);
    attempt->dial = dial;
    BW_ASSERT(uv_tcp_init(dial->loop, &attempt->tcp) == 0); /* makes no socket yet: cannot fail */
    attempt->tcp.data = attempt;
    attempt->connect.data = attempt;
    attempt->is_open = true;
    dial->open++;
    dial->next_ms = uv_now(dial->loop) + ATTEMPT_MS;
    result = uv_tcp_connect(&attempt->connect, &attempt->tcp, (const struct sockaddr *)address, on_connected);
    if (result != 0)
        fail_attempt(attempt, result);
}

/* ---- one after another ----------------------------------------------------------------------- */

static const char *describe_end(const struct dial *dial)
{
    if (dial->next == 0)
        return "its name was not resolved in time";
    return dial->open > 0 ? "connection timed out (partition, or a firewall that drops)" : dial->why;
}

static void on_dial_timer(uv_timer_t *timer)
{
    struct bw_tls_stream *stream = timer->data;

    go_on(stream->dial);
}

/* Begins what is due, and sets the timer to what comes next. May close the stream. */
static void go_on(struct dial *dial)
{
    struct bw_tls_stream *stream = dial->stream;
    const uint64_t now_ms = uv_now(dial->loop);
    uint64_t wake_ms = dial->end_ms;

    while (dial->next < dial->count && now_ms < dial->end_ms && (dial->open == 0 || now_ms >= dial->next_ms))
        begin_attempt(dial);
    if (now_ms >= dial->end_ms || (dial->open == 0 && dial->wait.previous == NULL)) {
        bw_tls_stream_close(stream, BW_ERR_UNREACHABLE, describe_end(dial));
        return;
    }
    if (dial->next < dial->count && dial->next_ms < wake_ms)
        wake_ms = dial->next_ms;
    (void)uv_timer_start(&stream->timer, on_dial_timer, wake_ms - now_ms, 0); /* has a callback */
}

/* Those of the newest answer that are not being tried. */
static void take_addresses(struct dial *dial)
{
    struct sockaddr_storage known[BW_NAME_ADDRESSES_MAX];
    const size_t count = bw_names_get(dial->stream->names, dial->stream->host, known);

    if (dial->count == 0 && count > 0 && dial->dial_ms > 0)
        dial->end_ms = uv_now(dial->loop) + dial->dial_ms;
    for (size_t i = 0; i < count && dial->count < BW_NAME_ADDRESSES_MAX; i++)
        if (!bw_names_has(dial->addresses, dial->count, &known[i]))
            dial->addresses[dial->count++] = known[i];
}

static void on_looked_up(struct bw_names_wait *wait, const char *failure)
{
    struct dial *dial = (struct dial *)wait;

    if (failure != NULL && dial->next == 0)
        (void)snprintf(dial->why, sizeof dial->why, "its name cannot be resolved: %s", failure);
    take_addresses(dial);
    if (failure != NULL && dial->count == 0) {
        bw_tls_stream_close(dial->stream, BW_ERR_UNREACHABLE, dial->why);
        return;
    }
    go_on(dial);
}

/* From the loop: nothing is told before connect has returned. */
static void on_first_turn(uv_timer_t *timer)
{
    struct bw_tls_stream *stream = timer->data;
    struct dial *dial = stream->dial;

    take_addresses(dial);
    if (dial->count == 0 && dial->wait.previous == NULL)
        bw_tls_stream_close(stream, BW_ERR_UNREACHABLE, "its name cannot be resolved: no thread is left for it");
    else
        go_on(dial);
}

enum bw_err bw_tls_stream_connect(uv_loop_t *loop, const char *address_text,
                                  const struct bw_tls_stream_config *config,
                                  struct bw_tls_stream **out_stream, struct bw_diag *diag)
{
    struct bw_tls_stream *stream;
    struct bw_address address;
    struct dial *dial;
    enum bw_err err = bw_address_parse(address_text, &address, diag);

    BW_ASSERT(config->dial_ms > 0 && config->names != NULL);
    if (err != BW_OK)
        return err;
    stream = tls_stream_new(config, false);
    dial = calloc(1, sizeof *dial);
    if (stream == NULL || dial == NULL) {
        if (stream != NULL)
            tls_stream_free_unborn(stream);
        free(dial);
        return bw_diag_set(diag, BW_ERR_NOMEM, "dial %s: out of memory", address_text);
    }
    memcpy(stream->host, address.host, sizeof stream->host);
    stream->names = config->names;
    stream->dial = dial;
    dial->stream = stream;
    dial->loop = loop;
    dial->port = address.port;
    dial->dial_ms = config->lookup_ms > 0 ? config->dial_ms : 0;
    dial->end_ms = uv_now(loop) + (config->lookup_ms > 0 ? config->lookup_ms : config->dial_ms);
    dial->wait.on_end = on_looked_up;
    tls_stream_init_handles(stream, loop);
    stream->state = STATE_DIALLING;
    *out_stream = stream;
    (void)bw_names_look(config->names, stream->host, &dial->wait); /* false: what is known is new, or will have to do */
    (void)uv_timer_start(&stream->timer, on_first_turn, 0, 0); /* has a callback */
    return BW_OK;
}
