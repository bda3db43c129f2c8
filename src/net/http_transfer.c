#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include <breakwater/base/bytes.h>
#include <breakwater/net/address.h>

#include "http_transfer.h"

/* ---- targets ---- */

static bool get_part(CURLU *url, CURLUPart part, unsigned flags, char *out, size_t size)
{
    char *text = NULL;
    bool is_got;

    if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
        return false;
    is_got = bw_copy_text(out, size, text);
    curl_free(text);
    return is_got;
}

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    const bool is_there = curl_url_get(url, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return is_there;
}

static void note_name(struct bw_http_target *target)
{
    struct bw_address address;
    struct sockaddr_storage numeric;

    target->name[0] = '\0';
    if (bw_address_parse(target->where, &address, NULL) == BW_OK && !bw_address_is_numeric(&address, &numeric))
        memcpy(target->name, address.host, sizeof target->name);
}

bool bw_http_target_of(const char *text, struct bw_http_target *out)
{
    CURLU *url = curl_url();
    char host[BW_HTTP_WHERE_BYTES - 6]; /* IPv6: in brackets */
    char scheme[8];
    bool is_good = false;

    if (url != NULL && strlen(text) <= BW_HTTP_URL_BYTES_MAX &&
        curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK)
        is_good = get_part(url, CURLUPART_SCHEME, 0, scheme, sizeof scheme) &&
                  strcmp(scheme, "https") == 0 && !has_part(url, CURLUPART_USER) &&
                  get_part(url, CURLUPART_HOST, 0, host, sizeof host) &&
                  get_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, out->port, sizeof out->port);
    if (is_good)
        (void)snprintf(out->where, sizeof out->where, "%s:%s", host, out->port); /* sized for it */
    curl_url_cleanup(url);
    if (is_good)
        note_name(out);
    return is_good;
}

/* ---- transfers ---- */

#define OPENSSL_NO_DEPRECATED

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

#include <breakwater/net/roles.h>

#include "peer_trust.h"

#define READ_BUFFER_BYTES 16384L /* libcurl's default of 16 KiB, whatever a later version says */
#define BODY_BYTES_FIRST  1024
#define CONNECT_MS_MAX    3600000L /* libcurl's; ours ends it before */

/* ---- what libcurl and OpenSSL call ----------------------------------------------------------- */

/* An agent is known by its site alone: nothing else of that site can have such a certificate. */
static bool is_expected(const struct bw_http_client *client, const struct bw_identity *server)
{
    if (strcmp(server->cluster, client->identity->cluster) != 0)
        return false;
    if (client->agents_of[0] == '\0')
        return server->role == BW_ROLE_WITNESS;
    return server->role == BW_ROLE_AGENT && strcmp(server->site, client->agents_of) == 0;
}

static int end_slot = -1; /* of SSL: a uint64_t, the loop's time at which the server's certificate ends */

static void free_end(void *ssl, void *end_ms, CRYPTO_EX_DATA *data, int slot, long argl, void *argp)
{
    (void)ssl, (void)data, (void)slot, (void)argl, (void)argp;
    free(end_ms);
}

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

static void take_slot(void)
{
    end_slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_end);
}

/* Once for each connection: whoever uses it later has no handshake of its own. Counted from now, not read from the
 * wall clock again: a step of that one ends no lease (3.8). */
static bool note_end(X509_STORE_CTX *context, struct bw_http_client *client)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
    const uint64_t left_ms = bw_peer_left_ms(X509_STORE_CTX_get0_chain(context));
    uint64_t *end_ms = malloc(sizeof *end_ms);

    if (end_ms == NULL || ssl == NULL || CRYPTO_THREAD_run_once(&once, take_slot) != 1 ||
        end_slot < 0 || SSL_set_ex_data(ssl, end_slot, end_ms) != 1) {
        free(end_ms);
        X509_STORE_CTX_set_error(context, X509_V_ERR_OUT_OF_MEM);
        return false;
    }
    *end_ms = left_ms < UINT64_MAX - uv_now(client->loop) ? uv_now(client->loop) + left_ms : UINT64_MAX;
    if (*end_ms < client->trust_ends_ms)
        client->trust_ends_ms = *end_ms;
    return true;
}

/* OpenSSL asks whether it may trust the server: as always, and it must be whom we speak to. */
static int verify_server(X509_STORE_CTX *context, void *user)
{
    struct bw_http_client *client = user;
    struct bw_identity server;

    if (bw_peer_verify(context, client->identity->revoked) != 1 || !note_end(context, client))
        return 0;
    if (bw_identity_of_certificate(X509_STORE_CTX_get0_cert(context), &server, NULL) == BW_OK &&
        is_expected(client, &server))
        return 1;
    X509_STORE_CTX_set_error(context, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

/* TCP is there. libcurl has one limit for it and for TLS, and gives each of several addresses its share. */
static CURLcode on_tls_context(CURL *easy, void *context, void *user)
{
    struct bw_http_exchange *exchange = user;

    exchange->has_connected = true;
    bw_http_exchange_limit(exchange, exchange->handshake_timeout_ms);
    SSL_CTX_set_cert_verify_callback(context, verify_server, exchange->client);
    return curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS_MAX);
}

/* The connection is there, new or kept, and the request leaves. */
/* NOLINTNEXTLINE(readability-non-const-parameter): of the type that libcurl asks for */
static int on_connection(void *user, char *remote, char *local, int remote_port, int local_port)
{
    struct bw_http_exchange *exchange = user;

    (void)remote, (void)local, (void)remote_port, (void)local_port;
    bw_http_exchange_limit(exchange, exchange->timeout_ms);
    return CURL_PREREQFUNC_OK;
}

/* NULL: it is in a dial or a handshake, or waits for a connection. */
static SSL *ssl_of(const struct bw_http_exchange *exchange)
{
    struct curl_tlssessioninfo *session = NULL;

    if (curl_easy_getinfo(exchange->easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || session == NULL)
        return NULL;
    return session->internals;
}

uint64_t bw_http_transfer_trust_ends_ms(const struct bw_http_exchange *exchange)
{
    const SSL *ssl = ssl_of(exchange);
    const uint64_t *end_ms = ssl != NULL && end_slot >= 0 ? SSL_get_ex_data(ssl, end_slot) : NULL;

    return end_ms != NULL ? *end_ms : UINT64_MAX;
}

static uint64_t get_time_us(const struct bw_http_exchange *exchange, CURLINFO info)
{
    curl_off_t time_us = 0;

    return curl_easy_getinfo(exchange->easy, info, &time_us) == CURLE_OK && time_us > 0 ? (uint64_t)time_us : 0;
}

uint64_t bw_http_transfer_trip_us(const struct bw_http_exchange *exchange)
{
    const uint64_t found_us = get_time_us(exchange, CURLINFO_NAMELOOKUP_TIME_T);
    const uint64_t connected_us = get_time_us(exchange, CURLINFO_CONNECT_TIME_T);
    const uint64_t asked_us = get_time_us(exchange, CURLINFO_PRETRANSFER_TIME_T);
    const uint64_t answered_us = get_time_us(exchange, CURLINFO_STARTTRANSFER_TIME_T);
    const uint64_t answer_us = answered_us > asked_us ? answered_us - asked_us : 0;

    if (connected_us <= found_us) /* over a connection that was there */
        return answer_us;
    return connected_us - found_us < answer_us || answer_us == 0 ? connected_us - found_us : answer_us;
}

bool bw_http_transfer_is_trusted(const struct bw_http_exchange *exchange, SSL_CTX *context,
                                 const char **out_why)
{
    SSL *ssl = ssl_of(exchange);

    if (context == NULL || ssl == NULL) {
        *out_why = "whom we trust has changed meanwhile";
        return false;
    }
    return bw_peer_still_qualifies(ssl, context, out_why);
}

/* A script that is started while a connection is open must not inherit it. */
static curl_socket_t on_socket_wanted(void *user, curlsocktype purpose,
                                      struct curl_sockaddr *address)
{
    struct bw_http_exchange *exchange = user;

    (void)purpose;
    exchange->has_dialed = true;
    if (exchange->tried_count < BW_NAME_ADDRESSES_MAX && address->addrlen <= sizeof exchange->tried[0])
        memcpy(&exchange->tried[exchange->tried_count++], &address->addr, address->addrlen);
    (void)bw_names_look(exchange->client->names, exchange->host, NULL); /* for the next dial */
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_head(char *data, size_t size, size_t count, void *user)
{
    static const char field[] = "transfer-encoding:";
    struct bw_http_exchange *exchange = user;

    size *= count; /* libcurl: size is 1 */
    exchange->head_size += size;
    if (exchange->head_size > BW_HTTP_HEAD_BYTES_MAX) {
        exchange->stop = BW_HTTP_STOP_HEAD_TOO_LONG;
        return 0;
    }
    if (size > strlen(field) && strncasecmp(data, field, strlen(field)) == 0)
        exchange->is_chunked = true;
    return size;
}

static bool reserve_body(struct bw_http_exchange *exchange, size_t wanted)
{
    size_t capacity = exchange->body_capacity == 0 ? BODY_BYTES_FIRST : exchange->body_capacity;
    char *body;

    if (wanted <= exchange->body_capacity)
        return true;
    while (capacity < wanted)
        capacity *= 2; /* ends: wanted is at most the limit and one packet */
    body = realloc(exchange->body, capacity);
    if (body == NULL)
        return false;
    exchange->body = body;
    exchange->body_capacity = capacity;
    return true;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct bw_http_exchange *exchange = user;

    size *= count; /* libcurl: size is 1 */
    if (size > exchange->body_bytes_max - exchange->body_size) {
        exchange->stop = BW_HTTP_STOP_BODY_TOO_LONG;
        return 0;
    }
    if (!reserve_body(exchange, exchange->body_size + size + 1)) {
        exchange->stop = BW_HTTP_STOP_NOMEM;
        return 0;
    }
    memcpy(exchange->body + exchange->body_size, data, size);
    exchange->body_size += size;
    exchange->body[exchange->body_size] = '\0';
    return size;
}

/* ---- options --------------------------------------------------------------------------------- */

#define SET(option, value) (curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool set_blob(CURL *easy, CURLoption option, char *pem)
{
    struct curl_blob blob = {.data = pem, .len = strlen(pem), .flags = CURL_BLOB_COPY};

    return curl_easy_setopt(easy, option, &blob) == CURLE_OK;
}

/* A connection is reused only for equal blobs: the number, in a line that is no PEM, sees to it
 * that none of an older trust is. */
static bool set_cas(CURL *easy, const struct bw_http_exchange *exchange)
{
    char *text = NULL;
    bool is_set;

    if (asprintf(&text, "# trust %" PRIu64 "\n%s", exchange->trust,
                 exchange->client->identity->ca_pem) < 0)
        return false;
    is_set = set_blob(easy, CURLOPT_CAINFO_BLOB, text);
    free(text);
    return is_set;
}

/* Whom we trust and who we are. */
static bool set_tls(CURL *easy, struct bw_http_exchange *exchange)
{
    const struct bw_http_identity *identity = exchange->client->identity;
    const long verify_host = exchange->client->agents_of[0] == '\0' ? 2L : 0L;

    return set_cas(easy, exchange) && set_blob(easy, CURLOPT_SSLCERT_BLOB, identity->chain_pem) &&
           set_blob(easy, CURLOPT_SSLKEY_BLOB, identity->key_pem) && SET(CURLOPT_CAINFO, NULL) &&
           SET(CURLOPT_CAPATH, NULL) && SET(CURLOPT_CA_CACHE_TIMEOUT, 0L) &&
           SET(CURLOPT_SSL_SESSIONID_CACHE, 0L) &&
           SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3) &&
           SET(CURLOPT_SSL_VERIFYPEER, 1L) && SET(CURLOPT_SSL_VERIFYHOST, verify_host) &&
           SET(CURLOPT_SSL_CTX_FUNCTION, on_tls_context) && SET(CURLOPT_SSL_CTX_DATA, exchange);
}

/* Nothing of the environment, no second request of libcurl's own making. */
static bool set_rules(CURL *easy, struct bw_http_exchange *exchange)
{
    return SET(CURLOPT_NOSIGNAL, 1L) && SET(CURLOPT_PROTOCOLS_STR, "https") &&
           SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) && SET(CURLOPT_PROXY, "") &&
           SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_USERAGENT, "breakwater") &&
           SET(CURLOPT_BUFFERSIZE, READ_BUFFER_BYTES) &&
           SET(CURLOPT_QUICK_EXIT, 1L) && /* else a timeout waits for the resolver's thread */
           SET(CURLOPT_OPENSOCKETFUNCTION, on_socket_wanted) &&
           SET(CURLOPT_OPENSOCKETDATA, exchange) &&
           SET(CURLOPT_DNS_CACHE_TIMEOUT, 0L) && /* names.h remembers */
           SET(CURLOPT_ERRORBUFFER, exchange->error) && SET(CURLOPT_PRIVATE, exchange) &&
           SET(CURLOPT_HEADERFUNCTION, on_head) && SET(CURLOPT_HEADERDATA, exchange) &&
           SET(CURLOPT_WRITEFUNCTION, on_body) && SET(CURLOPT_WRITEDATA, exchange);
}

static bool add_field(struct bw_http_exchange *exchange, const char *name, const char *value)
{
    char field[256];
    const int length = snprintf(field, sizeof field, "%s:%s%s", name, value[0] == '\0' ? "" : " ",
                                value);
    struct curl_slist *fields;

    if (length < 0 || (size_t)length >= sizeof field || strpbrk(value, "\r\n") != NULL)
        return false;
    fields = curl_slist_append(exchange->fields, field);
    if (fields == NULL)
        return false;
    exchange->fields = fields;
    return true;
}

/* "HOST:PORT:ADDRESS,ADDRESS": libcurl tries them in this order, those of both families side by side. */
static bool set_list(struct bw_http_exchange *exchange, const struct sockaddr_storage *addresses, size_t count)
{
    char text[BW_ADDRESS_MAX + 8 + BW_NAME_ADDRESSES_MAX * (INET6_ADDRSTRLEN + 3)];
    int size = snprintf(text, sizeof text, "%s:%s:", exchange->host, exchange->port); /* fits, as all of it does */

    for (size_t i = 0; i < count; i++) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&addresses[i];
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&addresses[i];
        const bool is_v4 = addresses[i].ss_family == AF_INET;
        char address[INET6_ADDRSTRLEN];

        if (inet_ntop(addresses[i].ss_family, is_v4 ? (const void *)&v4->sin_addr : &v6->sin6_addr, address,
                      sizeof address) != NULL)
            size += snprintf(text + size, sizeof text - (size_t)size, is_v4 ? "%s%s" : "%s[%s]", i > 0 ? "," : "",
                             address);
    }
    exchange->addresses = curl_slist_append(NULL, text);
    return exchange->addresses != NULL &&
           curl_easy_setopt(exchange->easy, CURLOPT_RESOLVE, exchange->addresses) == CURLE_OK;
}

bool bw_http_transfer_set_addresses(struct bw_http_exchange *exchange,
                                    const struct sockaddr_storage *addresses, size_t count)
{
    return count == 0 || set_list(exchange, addresses, count);
}

static bool is_primary(const char *primary, const struct sockaddr_storage *address)
{
    char text[BW_ADDRESS_TEXT_BYTES];
    const size_t size = strlen(primary);

    bw_address_format((const struct sockaddr *)address, text);
    return size > 0 && strncmp(text[0] == '[' ? text + 1 : text, primary, size) == 0 &&
           strchr("]:", text[(text[0] == '[') + size]) != NULL;
}

void bw_http_transfer_note_addresses(struct bw_http_exchange *exchange, enum bw_err err)
{
    const char *primary = "";
    long request_size = 0;

    if (!exchange->has_dialed || exchange->addresses == NULL || err == BW_ERR_CANCELED ||
        curl_easy_getinfo(exchange->easy, CURLINFO_PRIMARY_IP, &primary) != CURLE_OK || primary == NULL ||
        curl_easy_getinfo(exchange->easy, CURLINFO_REQUEST_SIZE, &request_size) != CURLE_OK ||
        (err != BW_OK && err != BW_ERR_AUTH && request_size > 0))
        return; /* nothing was dialed, or whoever it is has read the request */
    for (size_t i = 0; i < exchange->tried_count; i++)
        if (is_primary(primary, &exchange->tried[i]) || (err != BW_OK && !exchange->has_connected))
            bw_names_note(exchange->client->names, exchange->host, (const struct sockaddr *)&exchange->tried[i],
                          err == BW_OK);
}

/* The client has them: libcurl's limit for all of it would count from the begin of the dial. */
static bool set_limits(CURL *easy, struct bw_http_exchange *exchange, const struct bw_http_call *call)
{
    return SET(CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_timeout_ms) &&
           SET(CURLOPT_PREREQFUNCTION, on_connection) && SET(CURLOPT_PREREQDATA, exchange);
}

static bool set_request(CURL *easy, struct bw_http_exchange *exchange,
                        const struct bw_http_call *call)
{
    const bool has_body = call->body != NULL || strcmp(call->method, "POST") == 0 ||
                          strcmp(call->method, "PUT") == 0;
    /* An empty value: libcurl sends no such field. Ours are small, nobody waits for a 100. */
    const bool is_set = add_field(exchange, "Expect", "") &&
                        (call->content_type == NULL ||
                         add_field(exchange, "Content-Type", call->content_type)) &&
                        SET(CURLOPT_HTTPHEADER, exchange->fields) && SET(CURLOPT_URL, call->url) &&
                        set_limits(easy, exchange, call);

    if (is_set && has_body)
        return SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_size) &&
               SET(CURLOPT_COPYPOSTFIELDS, call->body == NULL ? "" : call->body) &&
               SET(CURLOPT_CUSTOMREQUEST, call->method);
    return is_set && SET(CURLOPT_HTTPGET, 1L) && SET(CURLOPT_CUSTOMREQUEST, call->method);
}

bool bw_http_transfer_prepare(struct bw_http_exchange *exchange, const struct bw_http_call *call)
{
    exchange->easy = curl_easy_init();
    return exchange->easy != NULL && set_rules(exchange->easy, exchange) &&
           set_tls(exchange->easy, exchange) && set_request(exchange->easy, exchange, call);
}

void bw_http_transfer_release(struct bw_http_exchange *exchange)
{
    curl_easy_cleanup(exchange->easy);
    exchange->easy = NULL;
    curl_slist_free_all(exchange->fields);
    exchange->fields = NULL;
    curl_slist_free_all(exchange->addresses);
    exchange->addresses = NULL;
}
