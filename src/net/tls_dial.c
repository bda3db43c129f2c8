#include "tls_stream_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#define DIAL_ADDRESSES_MAX 4

/* Resolution and the attempts at each address. On its own, because getaddrinfo cannot always be
 * canceled: then it outlives the stream, with `stream` NULL. */
struct dial {
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    struct bw_tls_stream *stream;
    bool resolving;
    struct sockaddr_storage addresses[DIAL_ADDRESSES_MAX];
    size_t count;
    size_t next;
    uint64_t end_ms; /* on the loop's clock */
};

static void start_attempt(struct bw_tls_stream *stream);

void bw_tls_dial_free(struct dial *dial)
{
    free(dial);
}

void bw_tls_dial_abandon(struct bw_tls_stream *stream)
{
    struct dial *dial = stream->dial;

    if (dial == NULL || !dial->resolving)
        return; /* a pending connect ends before the handle's closed-callback */
    dial->stream = NULL;
    (void)uv_cancel((uv_req_t *)&dial->resolve); /* too late is fine: it frees itself either way */
    stream->dial = NULL;
}

static void on_attempt_closed(uv_handle_t *handle)
{
    struct bw_tls_stream *stream = handle->data;

    if (stream->state == STATE_CLOSING) {
        bw_tls_stream_on_handle_closed(handle);
        return;
    }
    BW_ASSERT(uv_tcp_init(handle->loop, &stream->tcp) == 0);
    stream->tcp.data = stream;
    start_attempt(stream);
}

/* This address failed: goes on with the next one if there is one. */
static void end_attempt(struct bw_tls_stream *stream, int uv_error)
{
    const struct dial *dial = stream->dial;
    char text[96];

    (void)uv_timer_stop(&stream->timer); /* always 0 */
    if (dial->next < dial->count) {
        uv_close((uv_handle_t *)&stream->tcp, on_attempt_closed);
        return;
    }
    (void)snprintf(text, sizeof text, "%s%s", uv_strerror(uv_error),
                   uv_error == UV_ECONNREFUSED ? " (nobody listens there)"
                   : uv_error == UV_ETIMEDOUT  ? " (partition, or a firewall that drops)"
                                               : "");
    bw_tls_stream_close(stream, BW_ERR_UNREACHABLE, text);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct dial *dial = connect->data;
    struct bw_tls_stream *stream = dial->stream;

    if (stream->state == STATE_CLOSING || status == UV_ECANCELED)
        return; /* closed, or this address has had its share of the time */
    if (status != 0) {
        end_attempt(stream, status);
        return;
    }
    stream->dial = NULL;
    free(dial);
    bw_tls_stream_begin(stream);
}

static void on_attempt_timeout(uv_timer_t *timer)
{
    end_attempt(timer->data, UV_ETIMEDOUT);
}

static void start_attempt(struct bw_tls_stream *stream)
{
    struct dial *dial = stream->dial;
    const struct sockaddr *address = (const struct sockaddr *)&dial->addresses[dial->next++];
    uint64_t now_ms = uv_now(stream->tcp.loop);
    uint64_t left_ms = dial->end_ms > now_ms ? dial->end_ms - now_ms : 0;
    int result;

    left_ms /= dial->count - dial->next + 1; /* this address's share of it */
    (void)uv_timer_start(&stream->timer, on_attempt_timeout, left_ms, 0);
    dial->connect.data = dial;
    result = uv_tcp_connect(&dial->connect, &stream->tcp, address, on_connected);
    if (result != 0)
        end_attempt(stream, result);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *list)
{
    struct dial *dial = resolve->data;
    struct bw_tls_stream *stream = dial->stream;
    char text[128];

    dial->resolving = false;
    for (const struct addrinfo *item = list; item != NULL && dial->count < DIAL_ADDRESSES_MAX;
         item = item->ai_next) {
        if (item->ai_addrlen <= sizeof dial->addresses[0])
            memcpy(&dial->addresses[dial->count++], item->ai_addr, item->ai_addrlen);
    }
    uv_freeaddrinfo(list);
    if (stream == NULL) { /* the stream was closed meanwhile */
        free(dial);
        return;
    }
    if (status != 0 || dial->count == 0) {
        (void)snprintf(text, sizeof text, "its name cannot be resolved: %s",
                       status != 0 ? uv_strerror(status) : "no address");
        bw_tls_stream_close(stream, BW_ERR_UNREACHABLE, text);
        return;
    }
    start_attempt(stream);
}

static void on_resolve_timeout(uv_timer_t *timer)
{
    bw_tls_stream_close(timer->data, BW_ERR_UNREACHABLE, "its name was not resolved in time");
}

static enum bw_err start_resolving(struct bw_tls_stream *stream, uv_loop_t *loop,
                                   const struct bw_address *address, struct bw_diag *diag)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    char port[8];
    int result;

    hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
    (void)snprintf(port, sizeof port, "%u", address->port);
    stream->dial->resolve.data = stream->dial;
    result = uv_getaddrinfo(loop, &stream->dial->resolve, on_resolved, address->host, port, &hints);
    if (result != 0)
        return bw_diag_set(diag, BW_ERR_IO, "resolve %s: %s", address->host, uv_strerror(result));
    stream->dial->resolving = true;
    return BW_OK;
}

enum bw_err bw_tls_stream_connect(uv_loop_t *loop, const char *address_text,
                                  const struct bw_tls_stream_config *config,
                                  struct bw_tls_stream **out_stream, struct bw_diag *diag)
{
    struct bw_tls_stream *stream;
    struct bw_address address;
    bool numeric;
    enum bw_err err = bw_address_parse(address_text, &address, diag);

    BW_ASSERT(config->dial_ms > 0);
    if (err != BW_OK)
        return err;
    stream = bw_tls_stream_new(config, false);
    if (stream == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "dial %s: out of memory", address_text);
    stream->dial = calloc(1, sizeof *stream->dial);
    if (stream->dial == NULL) {
        bw_tls_stream_free_unborn(stream);
        return bw_diag_set(diag, BW_ERR_NOMEM, "dial %s: out of memory", address_text);
    }
    stream->dial->stream = stream;
    stream->dial->end_ms = uv_now(loop) + config->dial_ms;
    numeric = bw_address_is_numeric(&address, &stream->dial->addresses[0]);
    stream->dial->count = numeric ? 1 : 0;
    if (!numeric) {
        err = start_resolving(stream, loop, &address, diag);
        if (err != BW_OK) {
            free(stream->dial);
            bw_tls_stream_free_unborn(stream);
            return err;
        }
    }
    bw_tls_stream_init_handles(stream, loop);
    stream->state = STATE_DIALLING;
    *out_stream = stream;
    if (numeric)
        start_attempt(stream);
    else
        (void)uv_timer_start(&stream->timer, on_resolve_timeout, config->dial_ms, 0);
    return BW_OK;
}
