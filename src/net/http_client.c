#define OPENSSL_NO_DEPRECATED
#include <breakwater/net/http_client.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <openssl/crypto.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/limits.h>
#include <breakwater/net/tls_context.h>

#include "http_failure.h"
#include "http_transfer.h"

/* To one peer at a time; what is beyond waits, within its own limit. A peer closes those of an
 * identity that has more than BW_CONNECTIONS_PER_IDENTITY_MAX. */
#define CONNECTIONS_PER_PEER 12L
_Static_assert(CONNECTIONS_PER_PEER < BW_CONNECTIONS_PER_IDENTITY_MAX, "with room for one that is late");
#define CONNECTIONS_KEPT 16L /* idle ones; two to each of seven witnesses fit */

/* One socket of libcurl's, watched. */
struct watch {
    uv_poll_t poll;
    struct bw_http_client *client;
    curl_socket_t fd;
};

static CURLM *new_multi(struct bw_http_client *client);
static void close_one_handle(struct bw_http_client *client);
static void finish_with(struct bw_http_exchange *exchange, enum bw_err err, const char *reason);
static void watch_limits(struct bw_http_client *client);

/* ---- credentials ----------------------------------------------------------------------------- */

static void free_identity(struct bw_http_identity *identity)
{
    if (identity == NULL)
        return;
    free(identity->ca_pem);
    free(identity->chain_pem);
    if (identity->key_pem != NULL)
        OPENSSL_cleanse(identity->key_pem, strlen(identity->key_pem));
    free(identity->key_pem);
    bw_revoked_free(identity->revoked);
    free(identity);
}

/* No connection made before is used again; what is in flight over one goes on until its server's certificate ends. */
static void renew_trust(struct bw_http_client *client)
{
    client->trust++;
    client->trust_ends_ms = UINT64_MAX;
    for (const struct bw_http_exchange *exchange = client->exchanges; exchange != NULL;
         exchange = exchange->next) {
        const uint64_t end_ms = bw_http_transfer_trust_ends_ms(exchange);

        client->trust_ends_ms = end_ms < client->trust_ends_ms ? end_ms : client->trust_ends_ms;
    }
}

/* One that was begun under an older trust, and not judged since; NULL: none. */
static struct bw_http_exchange *first_older(const struct bw_http_client *client)
{
    struct bw_http_exchange *exchange = client->exchanges;

    while (exchange != NULL && exchange->trust == client->trust)
        exchange = exchange->next;
    return exchange;
}

/* Those that wait for an answer of somebody whom we trust no more. */
static void end_untrusted(struct bw_http_client *client, const struct bw_credentials *credentials)
{
    struct bw_http_exchange *exchange;
    struct ssl_ctx_st *context;
    const char *why;

    if (bw_tls_context_new(credentials, BW_TLS_CLIENT, &context, NULL) != BW_OK)
        context = NULL; /* nobody can be judged, so nobody is trusted */
    while ((exchange = first_older(client)) != NULL) {
        exchange->trust = client->trust;
        if (!bw_http_transfer_is_trusted(exchange, context, &why))
            finish_with(exchange, BW_ERR_AUTH, why);
    }
    bw_tls_context_free(context);
}

/* Lists are not compared: with one in force each reload opens new connections. */
static bool is_same_trust(const struct bw_http_identity *before, const struct bw_http_identity *now)
{
    return before->revoked == NULL && now->revoked == NULL &&
           strcmp(before->ca_pem, now->ca_pem) == 0;
}

enum bw_err bw_http_client_set_credentials(struct bw_http_client *client,
                                           const struct bw_credentials *credentials,
                                           struct bw_diag *diag)
{
    struct bw_http_identity *identity = calloc(1, sizeof *identity);
    bool is_trust_same;

    if (identity == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "credentials: out of memory");
    identity->ca_pem = strdup(bw_credentials_ca_pem(credentials));
    identity->revoked = bw_revoked_keep(bw_credentials_revoked(credentials));
    identity->chain_pem = strdup(bw_credentials_chain_pem(credentials));
    identity->key_pem = strdup(bw_credentials_key_pem(credentials));
    if (identity->ca_pem == NULL || identity->chain_pem == NULL || identity->key_pem == NULL) {
        free_identity(identity);
        return bw_diag_set(diag, BW_ERR_NOMEM, "credentials: out of memory");
    }
    memcpy(identity->cluster, bw_credentials_identity(credentials)->cluster,
           sizeof identity->cluster);
    is_trust_same = client->identity != NULL && is_same_trust(client->identity, identity);
    free_identity(client->identity);
    client->identity = identity;
    if (!is_trust_same) {
        renew_trust(client);
        end_untrusted(client, credentials);
        watch_limits(client);
    }
    return BW_OK;
}

/* ---- the end of an exchange ------------------------------------------------------------------ */

static void unlink_exchange(struct bw_http_exchange *exchange)
{
    struct bw_http_client *client = exchange->client;

    if (exchange->previous != NULL)
        exchange->previous->next = exchange->next;
    else
        client->exchanges = exchange->next;
    if (exchange->next != NULL)
        exchange->next->previous = exchange->previous;
    client->exchange_count--;
}

static void finish(struct bw_http_exchange *exchange, const struct bw_http_answer *answer)
{
    const CURLMcode code = exchange->is_begun ? curl_multi_remove_handle(exchange->multi, exchange->easy)
                                              : CURLM_OK;

    BW_ASSERT(code == CURLM_OK);
    bw_names_give_up(&exchange->wait);
    bw_http_transfer_note_addresses(exchange, answer->err);
    unlink_exchange(exchange);
    bw_http_transfer_release(exchange);
    exchange->on_done(exchange->user, answer);
    free(exchange->body);
    free(exchange);
}

static void finish_with(struct bw_http_exchange *exchange, enum bw_err err, const char *reason)
{
    char text[BW_DIAG_TEXT_BYTES];
    long request_size = 1;

    (void)snprintf(text, sizeof text, "%s: %s", exchange->where, reason);
    if (curl_easy_getinfo(exchange->easy, CURLINFO_REQUEST_SIZE, &request_size) != CURLE_OK)
        request_size = 1; /* not known */
    finish(exchange,
           &(struct bw_http_answer){
               .err = err, .body = "", .text = text, .may_have_arrived = request_size > 0});
}

/* Why our own callbacks ended it; BW_OK when they did not. */
static enum bw_err describe_stop(const struct bw_http_exchange *exchange, struct bw_diag *diag)
{
    switch (exchange->stop) {
    case BW_HTTP_STOP_NONE:
        return BW_OK;
    case BW_HTTP_STOP_BODY_TOO_LONG:
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s: the answer is longer than %zu bytes",
                           exchange->where, exchange->body_bytes_max);
    case BW_HTTP_STOP_HEAD_TOO_LONG:
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s: the head of the answer is longer than %d bytes",
                           exchange->where, BW_HTTP_HEAD_BYTES_MAX);
    case BW_HTTP_STOP_NOMEM:
        return bw_diag_set(diag, BW_ERR_NOMEM, "%s: out of memory", exchange->where);
    }
    return BW_OK;
}

/* An answer that ends with its connection may have been cut: nobody can tell. */
static enum bw_err check_end(const struct bw_http_exchange *exchange, struct bw_diag *diag)
{
    curl_off_t length = -1;

    if (exchange->is_chunked || exchange->body_size == 0)
        return BW_OK;
    if (curl_easy_getinfo(exchange->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) ==
            CURLE_OK &&
        length >= 0)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_CORRUPT, "%s: the answer does not say how long it is",
                       exchange->where);
}

/* libcurl takes any number for a status ("HTTP/20 01.0"), HTTP has those of three digits. */
static enum bw_err read_status(const struct bw_http_exchange *exchange, int *out_status,
                               struct bw_diag *diag)
{
    long status = 0;

    if (curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK ||
        status < 100 || status > 999)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "%s: not HTTP/1.1: its status is %ld",
                           exchange->where, status);
    *out_status = (int)status;
    return BW_OK;
}

static void finish_transfer(struct bw_http_exchange *exchange, CURLcode code)
{
    struct bw_diag diag = {0};
    struct bw_http_answer answer = {.body = "", .text = diag.text, .may_have_arrived = true};
    long request_size = 1;

    if (curl_easy_getinfo(exchange->easy, CURLINFO_REQUEST_SIZE, &request_size) != CURLE_OK)
        request_size = 1; /* not known */
    answer.err = describe_stop(exchange, &diag);
    if (answer.err == BW_OK && code == CURLE_OK)
        answer.err = check_end(exchange, &diag);
    else if (answer.err == BW_OK)
        answer.err = bw_http_failure_describe(
            &(struct bw_http_failure){.easy = exchange->easy,
                                      .code = code,
                                      .after_ms = uv_now(exchange->client->loop) -
                                                  exchange->begun_ms,
                                      .has_connected = exchange->has_connected,
                                      .detail = exchange->error,
                                      .where = exchange->where,
                                      .cluster = exchange->client->identity->cluster},
            &diag);
    if (answer.err == BW_OK)
        answer.err = read_status(exchange, &answer.status, &diag);
    if (answer.err == BW_OK) {
        answer.body = exchange->body == NULL ? "" : exchange->body;
        answer.body_size = exchange->body_size;
        answer.trip_us = bw_http_transfer_trip_us(exchange);
    }
    /* A server that refuses us in the handshake never reads what came after it. */
    answer.may_have_arrived = request_size > 0 && answer.err != BW_ERR_AUTH;
    finish(exchange, &answer);
}

static void drain(struct bw_http_client *client)
{
    CURLMsg *message;
    int left;

    while (!client->is_closing && client->multi != NULL &&
           (message = curl_multi_info_read(client->multi, &left)) != NULL) {
        CURL *easy = message->easy_handle; /* the message dies when its handle is removed */
        const CURLcode code = message->data.result;
        char *exchange = NULL;
        const CURLcode got = curl_easy_getinfo(easy, CURLINFO_PRIVATE, &exchange);

        BW_ASSERT(got == CURLE_OK);
        BW_ASSERT(exchange != NULL);
        finish_transfer((struct bw_http_exchange *)(void *)exchange, code);
    }
}

/* ---- limits, and the ends of certificates ----------------------------------------------------- */

static struct bw_http_exchange *first_overdue(const struct bw_http_client *client)
{
    struct bw_http_exchange *exchange = client->exchanges;

    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is no longer in the list */
    while (exchange != NULL && exchange->limit_ms > uv_now(client->loop))
        exchange = exchange->next;
    return exchange;
}

static struct bw_http_exchange *first_expired(const struct bw_http_client *client)
{
    struct bw_http_exchange *exchange = client->exchanges;

    while (exchange != NULL &&
           /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is no longer in the list */
           bw_http_transfer_trust_ends_ms(exchange) > uv_now(client->loop))
        exchange = exchange->next;
    return exchange;
}

/* A server's certificate has ended: of whom an answer is awaited still, it is nobody's any more (5.3). */
static void end_expired(struct bw_http_client *client)
{
    struct bw_http_exchange *exchange;

    while ((exchange = first_expired(client)) != NULL)
        finish_with(exchange, BW_ERR_AUTH, "the server's certificate has expired");
    if (!client->is_closing)
        renew_trust(client);
}

static void on_limit(uv_timer_t *timer)
{
    struct bw_http_client *client = timer->data;
    struct bw_http_exchange *exchange;

    if (uv_now(client->loop) >= client->trust_ends_ms)
        end_expired(client);
    while ((exchange = first_overdue(client)) != NULL)
        finish_transfer(exchange, CURLE_OPERATION_TIMEDOUT);
    if (!client->is_closing)
        watch_limits(client);
}

static void watch_limits(struct bw_http_client *client)
{
    const uint64_t now_ms = uv_now(client->loop);
    uint64_t first_ms = client->exchanges != NULL ? client->trust_ends_ms : UINT64_MAX;

    for (const struct bw_http_exchange *exchange = client->exchanges; exchange != NULL;
         exchange = exchange->next)
        first_ms = exchange->limit_ms < first_ms ? exchange->limit_ms : first_ms;
    if (first_ms == UINT64_MAX)
        (void)uv_timer_stop(&client->limits); /* always 0 */
    else
        (void)uv_timer_start(&client->limits, on_limit, first_ms > now_ms ? first_ms - now_ms : 1,
                             0); /* cannot fail: has a callback */
}

void bw_http_exchange_limit(struct bw_http_exchange *exchange, unsigned limit_ms)
{
    exchange->limit_ms = uv_now(exchange->client->loop) + limit_ms;
    watch_limits(exchange->client);
}

/* ---- libcurl on the loop --------------------------------------------------------------------- */

static struct bw_http_exchange *find_exchange_of(struct bw_http_client *client, CURLM *multi)
{
    for (struct bw_http_exchange *exchange = client->exchanges; exchange != NULL;
         exchange = exchange->next) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is no longer in the list */
        if (exchange->multi == multi)
            return exchange;
    }
    return NULL;
}

static void on_timer(uv_timer_t *timer);

/* libcurl has given up on the whole multi (it could not watch a socket, or memory is short): end
 * what it had, and begin with a new one. */
static void restart(struct bw_http_client *client, CURLMcode code)
{
    CURLM *broken = client->multi;
    struct bw_http_exchange *exchange;

    bw_log_warn(client->log, "http.restarted", "exchanges=%zu error=%s", client->exchange_count,
                bw_log_quote(curl_multi_strerror(code)));
    client->multi = new_multi(client); /* NULL: send tries again */
    while ((exchange = find_exchange_of(client, broken)) != NULL) /* those that wait for a name, too */
        finish_with(exchange, BW_ERR_IO, curl_multi_strerror(code));
    (void)curl_multi_cleanup(broken); /* empty; its result could change nothing */
    if (!client->is_closing)
        (void)uv_timer_start(&client->timer, on_timer, 1, 0); /* cannot fail: has a callback */
}

static void act(struct bw_http_client *client, curl_socket_t fd, int events)
{
    const uint64_t trust_ended_ms = client->trust_ends_ms;
    int running;
    CURLMcode code;

    if (client->is_closing || client->multi == NULL)
        return;
    code = curl_multi_socket_action(client->multi, fd, events, &running);
    if (code != CURLM_OK)
        restart(client, code);
    drain(client);
    if (!client->is_closing && client->trust_ends_ms != trust_ended_ms)
        watch_limits(client); /* a handshake has shown a certificate that ends before the others */
}

static void on_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    const struct watch *watch = poll->data;
    int flags = 0;

    if (status < 0)
        flags |= CURL_CSELECT_ERR;
    if ((events & UV_READABLE) != 0)
        flags |= CURL_CSELECT_IN;
    if ((events & UV_WRITABLE) != 0)
        flags |= CURL_CSELECT_OUT;
    act(watch->client, watch->fd, flags);
}

static void on_soon(uv_idle_t *idle)
{
    (void)uv_idle_stop(idle); /* always 0 */
    act(idle->data, CURL_SOCKET_TIMEOUT, 0);
}

/* libcurl forbids to act from here. At once is in the next turn of the loop: a timer of 0 ms would have libuv call us
 * again without end, and one of 1 ms have each request wait for that. */
static int on_timer_wanted(CURLM *multi, long timeout_ms, void *user)
{
    struct bw_http_client *client = user;

    (void)multi;
    if (client->is_closing)
        return 0;
    (void)uv_idle_stop(&client->soon);  /* both always 0 */
    (void)uv_timer_stop(&client->timer);
    if (timeout_ms < 0)
        return 0;
    if (timeout_ms == 0)
        return uv_idle_start(&client->soon, on_soon) == 0 ? 0 : -1;
    uv_update_time(client->loop);
    return uv_timer_start(&client->timer, on_timer, (uint64_t)timeout_ms, 0) == 0 ? 0 : -1;
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct bw_http_client *client = watch->client;

    free(watch);
    close_one_handle(client);
}

/* Stops watching. libcurl forgets the watch after this, and closes the socket itself. */
static void close_watch(struct watch *watch)
{
    if (watch == NULL)
        return;
    (void)uv_poll_stop(&watch->poll); /* always 0 */
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

static struct watch *open_watch(struct bw_http_client *client, CURLM *multi, curl_socket_t fd)
{
    struct watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL)
        return NULL;
    if (uv_poll_init_socket(client->loop, &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->client = client;
    watch->fd = fd;
    client->handle_count++;
    if (curl_multi_assign(multi, fd, watch) == CURLM_OK)
        return watch;
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
    return NULL;
}

/* The multi that works on `easy`; handles of libcurl's own belong to the newest. */
static CURLM *get_multi(struct bw_http_client *client, CURL *easy)
{
    char *exchange = NULL;

    if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &exchange) != CURLE_OK || exchange == NULL)
        return client->multi;
    return ((struct bw_http_exchange *)(void *)exchange)->multi;
}

static int on_socket_changed(CURL *easy, curl_socket_t fd, int what, void *user, void *assigned)
{
    struct bw_http_client *client = user;
    struct watch *watch = assigned;
    int events = 0;

    if (what == CURL_POLL_REMOVE) {
        close_watch(watch);
        return 0;
    }
    if (watch == NULL)
        watch = open_watch(client, get_multi(client, easy), fd);
    if (watch == NULL)
        return -1;
    if (what != CURL_POLL_OUT)
        events |= UV_READABLE;
    if (what != CURL_POLL_IN)
        events |= UV_WRITABLE;
    return uv_poll_start(&watch->poll, events, on_poll) == 0 ? 0 : -1;
}

static CURLM *new_multi(struct bw_http_client *client)
{
    CURLM *multi = curl_multi_init();

    if (multi == NULL)
        return NULL;
    if (curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket_changed) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, CONNECTIONS_PER_PEER) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK)
        return multi;
    (void)curl_multi_cleanup(multi); /* empty */
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

enum bw_err bw_http_client_init(struct bw_http_client *client, uv_loop_t *loop, struct bw_log *log,
                                struct bw_diag *diag)
{
    int status;

    memset(client, 0, sizeof *client);
    client->loop = loop;
    client->log = log;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return bw_diag_set(diag, BW_ERR_IO, "libcurl does not start");
    client->multi = new_multi(client);
    if (client->multi == NULL) {
        curl_global_cleanup();
        return bw_diag_set(diag, BW_ERR_NOMEM, "HTTP client: out of memory");
    }
    status = uv_timer_init(loop, &client->timer);
    BW_ASSERT(status == 0);
    client->timer.data = client;
    status = uv_timer_init(loop, &client->limits);
    BW_ASSERT(status == 0);
    client->limits.data = client;
    status = uv_idle_init(loop, &client->soon);
    BW_ASSERT(status == 0);
    client->soon.data = client;
    client->handle_count = 3;
    return BW_OK;
}

static void close_one_handle(struct bw_http_client *client)
{
    BW_ASSERT(client->handle_count > 0);
    client->handle_count--;
    if (client->handle_count > 0)
        return;
    BW_ASSERT(client->is_closing);
    BW_ASSERT(client->exchange_count == 0);
    free_identity(client->identity);
    client->identity = NULL;
    curl_global_cleanup();
    if (client->on_closed != NULL)
        client->on_closed(client->on_closed_user);
}

static void on_handle_closed(uv_handle_t *handle)
{
    close_one_handle(handle->data);
}

void bw_http_client_close(struct bw_http_client *client, void (*on_closed)(void *user), void *user)
{
    if (client->is_closing)
        return;
    client->is_closing = true;
    client->on_closed = on_closed;
    client->on_closed_user = user;
    while (client->exchanges != NULL)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is no longer in the list */
        finish_with(client->exchanges, BW_ERR_CANCELED, "the client was closed");
    if (client->multi != NULL)
        (void)curl_multi_cleanup(client->multi); /* empty; still calls on_socket_changed */
    client->multi = NULL;
    if (client->has_own_names) {
        bw_names_close(client->names);
        bw_names_free(client->names);
    }
    client->names = NULL;
    uv_close((uv_handle_t *)&client->timer, on_handle_closed);
    uv_close((uv_handle_t *)&client->limits, on_handle_closed);
    uv_close((uv_handle_t *)&client->soon, on_handle_closed);
}

size_t bw_http_client_looks_up(const struct bw_http_client *client)
{
    size_t count = 0;

    for (const struct bw_http_exchange *exchange = client->exchanges; exchange != NULL; exchange = exchange->next)
        count += !exchange->is_begun;
    return count;
}

void bw_http_exchange_cancel(struct bw_http_exchange *exchange)
{
    if (exchange->easy == NULL)
        return;
    finish_with(exchange, BW_ERR_CANCELED, "the request was given up");
}

/* ---- sending --------------------------------------------------------------------------------- */

static enum bw_err open_own_names(struct bw_http_client *client, struct bw_diag *diag)
{
    struct bw_names *names = bw_names_new();
    enum bw_err err = names != NULL ? bw_names_open(names, client->loop, diag)
                                    : bw_diag_set(diag, BW_ERR_NOMEM, "names: out of memory");

    if (err != BW_OK) {
        bw_names_free(names);
        return err;
    }
    client->names = names;
    client->has_own_names = true;
    return BW_OK;
}

static enum bw_err check_call(struct bw_http_client *client, const struct bw_http_call *call,
                              struct bw_http_target *out, struct bw_diag *diag)
{
    BW_ASSERT(call->timeout_ms > 0);
    BW_ASSERT(call->connect_timeout_ms > 0);
    BW_ASSERT(call->body != NULL || call->body_size == 0);
    if (client->is_closing)
        return bw_diag_set(diag, BW_ERR_CANCELED, "%s: the client is closing", call->url);
    if (client->identity == NULL)
        return bw_diag_set(diag, BW_ERR_INVALID, "%s: no credentials are set", call->url);
    if (!bw_http_target_of(call->url, out))
        return bw_diag_set(diag, BW_ERR_INVALID, "\"%.300s\": expected https://HOST:PORT/PATH",
                           call->url);
    if (client->exchange_count == BW_HTTP_EXCHANGES_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s: %d requests are in flight, no more are begun",
                           out->where, BW_HTTP_EXCHANGES_MAX);
    if (client->multi == NULL)
        client->multi = new_multi(client);
    if (client->multi == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "%s: out of memory", out->where);
    return client->names != NULL ? BW_OK : open_own_names(client, diag);
}

void bw_http_client_expect_agent(struct bw_http_client *client, const char *site)
{
    BW_ASSERT(client->exchanges == NULL &&
              bw_copy_text(client->agents_of, sizeof client->agents_of, site));
}

void bw_http_client_use_names(struct bw_http_client *client, struct bw_names *names)
{
    BW_ASSERT(client->names == NULL);
    client->names = names;
}

/* ---- the name first -------------------------------------------------------------------------- */

/* Libcurl gets it. */
static bool begin(struct bw_http_exchange *exchange, const struct sockaddr_storage *addresses, size_t count)
{
    struct bw_http_client *client = exchange->client;

    exchange->is_begun = bw_http_transfer_set_addresses(exchange, addresses, count) &&
                         curl_multi_add_handle(exchange->multi, exchange->easy) == CURLM_OK;
    if (exchange->is_begun)
        watch_limits(client);
    return exchange->is_begun;
}

static void on_looked_up(struct bw_names_wait *wait, const char *failure)
{
    struct bw_http_exchange *exchange =
        (struct bw_http_exchange *)(void *)((char *)wait - offsetof(struct bw_http_exchange, wait));
    struct sockaddr_storage addresses[BW_NAME_ADDRESSES_MAX];
    const size_t count = bw_names_get(exchange->client->names, exchange->host, addresses);
    char text[128];

    if (count == 0) {
        (void)snprintf(text, sizeof text, "its name has no address: %s", failure != NULL ? failure : "none");
        finish_with(exchange, BW_ERR_UNREACHABLE, text);
        return;
    }
    if (exchange->connect_timeout_ms > 0) {
        exchange->begun_ms = uv_now(exchange->client->loop);
        exchange->limit_ms = exchange->begun_ms + exchange->connect_timeout_ms;
    }
    if (!begin(exchange, addresses, count))
        finish_with(exchange, BW_ERR_NOMEM, "libcurl did not take the request");
}

/* At once if an address is known, else as soon as one is. False: neither can be. */
static bool begin_by_name(struct bw_http_exchange *exchange, const struct bw_http_call *call)
{
    struct bw_names *names = exchange->client->names;
    struct sockaddr_storage addresses[BW_NAME_ADDRESSES_MAX];
    const size_t count = bw_names_get(names, exchange->host, addresses);

    if (exchange->host[0] == '\0') /* numeric: the URL has it */
        return begin(exchange, NULL, 0);
    if (count > 0)
        return begin(exchange, addresses, count);
    exchange->wait.on_end = on_looked_up;
    if (call->lookup_timeout_ms > 0) {
        exchange->connect_timeout_ms = call->connect_timeout_ms;
        exchange->limit_ms = exchange->begun_ms + call->lookup_timeout_ms;
    }
    return bw_names_look(names, exchange->host, &exchange->wait);
}

struct bw_http_exchange *bw_http_client_send(struct bw_http_client *client,
                                             const struct bw_http_call *call,
                                             bw_http_on_done *on_done, void *user,
                                             struct bw_diag *diag)
{
    struct bw_http_target target;
    struct bw_http_exchange *exchange;

    if (check_call(client, call, &target, diag) != BW_OK)
        return NULL;
    exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL) {
        (void)bw_diag_set(diag, BW_ERR_NOMEM, "%s: out of memory", target.where);
        return NULL;
    }
    if (uv_now(client->loop) >= client->trust_ends_ms)
        renew_trust(client);
    exchange->client = client;
    exchange->trust = client->trust;
    uv_update_time(client->loop);
    exchange->begun_ms = uv_now(client->loop);
    exchange->limit_ms = exchange->begun_ms + call->connect_timeout_ms;
    exchange->handshake_timeout_ms = call->handshake_timeout_ms != 0 ? call->handshake_timeout_ms
                                                                     : call->connect_timeout_ms;
    exchange->timeout_ms = call->timeout_ms;
    exchange->multi = client->multi;
    exchange->body_bytes_max = call->response_bytes_max;
    exchange->on_done = on_done;
    exchange->user = user;
    memcpy(exchange->where, target.where, sizeof exchange->where);
    memcpy(exchange->host, target.name, sizeof exchange->host);
    memcpy(exchange->port, target.port, sizeof exchange->port);
    if (!bw_http_transfer_prepare(exchange, call) || !begin_by_name(exchange, call)) {
        bw_http_transfer_release(exchange);
        free(exchange);
        (void)bw_diag_set(diag, BW_ERR_NOMEM, "%s: libcurl did not take the request, or its name cannot be looked up",
                          target.where);
        return NULL;
    }
    exchange->next = client->exchanges;
    if (exchange->next != NULL)
        exchange->next->previous = exchange;
    client->exchanges = exchange;
    client->exchange_count++;
    watch_limits(client);
    return exchange;
}
