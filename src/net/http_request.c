#include "http_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <breakwater/base/assert.h>

#define BODY_BYTES_FIRST                                                                           \
    4096 /* a body's memory grows with what has come, not with what is said                        \
          */

static struct connection *connection_of(llhttp_t *parser)
{
    return parser->data;
}

/* For callbacks of the parser: 0, or stop with connection->refusal. */
static int stop(struct connection *connection, int status, const char *error, const char *hint)
{
    (void)bw_http_refuse(&connection->refusal, status, error, hint); /* always false */
    return -1;
}

void bw_http_exchange_free(struct connection *connection)
{
    if (connection->exchange == NULL)
        return;
    free(connection->exchange->body);
    free(connection->exchange);
    connection->exchange = NULL;
}

/* An identity of another cluster is none. */
const struct bw_identity *bw_http_peer_of(const struct connection *connection)
{
    const struct bw_identity *peer = bw_tls_stream_peer(connection->stream);

    if (peer == NULL || strcmp(peer->cluster, connection->server->config.cluster) != 0)
        return NULL;
    return peer;
}

static int on_message_begin(llhttp_t *parser)
{
    struct connection *connection = connection_of(parser);
    struct exchange *exchange = calloc(1, sizeof *exchange);

    BW_ASSERT(connection->exchange == NULL);
    if (exchange == NULL)
        return stop(connection, 503, "out of memory", NULL);
    connection->exchange = exchange;
    bw_http_connection_enter(connection, PHASE_READING);
    exchange->connection = connection;
    exchange->request.path = exchange->target;
    exchange->request.query = "";
    exchange->request.peer = bw_http_peer_of(connection);
    exchange->request.named = bw_tls_stream_peer(connection->stream);
    exchange->request.certificate = bw_tls_stream_peer_certificate(connection->stream);
    exchange->request.remote = bw_tls_stream_remote(connection->stream);
    bw_tls_stream_set_deadline(connection->stream, connection->server->config.request_ms);
    return 0;
}

static int on_url(llhttp_t *parser, const char *text, size_t size)
{
    struct connection *connection = connection_of(parser);
    struct exchange *exchange = connection->exchange;

    if (size > BW_HTTP_TARGET_BYTES_MAX - exchange->target_size)
        return stop(connection, 414, "the target is longer than 1024 bytes", NULL);
    memcpy(exchange->target + exchange->target_size, text, size);
    exchange->target_size += size;
    return 0;
}

/* Appends to a small buffer; what does not fit is dropped, and a full buffer matches nothing. */
static void append(char *buffer, size_t capacity, size_t *used, const char *text, size_t size)
{
    size_t room = capacity - 1 - *used;
    size_t take = size < room ? size : room;

    memcpy(buffer + *used, text, take);
    *used += take;
    buffer[*used] = '\0';
}

static int on_field(llhttp_t *parser, const char *text, size_t size)
{
    struct exchange *exchange = connection_of(parser)->exchange;

    append(exchange->field, sizeof exchange->field, &exchange->field_size, text, size);
    return 0;
}

static int on_field_complete(llhttp_t *parser)
{
    struct connection *connection = connection_of(parser);
    struct exchange *exchange = connection->exchange;

    if (++exchange->field_count > BW_HTTP_FIELDS_MAX)
        return stop(connection, 431, "more than 64 header fields", NULL);
    if (strcasecmp(exchange->field, "host") == 0)
        exchange->host_count++;
    else if (strcasecmp(exchange->field, "transfer-encoding") == 0)
        exchange->has_transfer_encoding = true;
    return 0;
}

static int on_value(llhttp_t *parser, const char *text, size_t size)
{
    struct exchange *exchange = connection_of(parser)->exchange;

    append(exchange->value, sizeof exchange->value, &exchange->value_size, text, size);
    return 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct exchange *exchange = connection_of(parser)->exchange;

    if (strcasecmp(exchange->field, "expect") == 0)
        memcpy(exchange->expect, exchange->value, sizeof exchange->expect);
    else if (strcasecmp(exchange->field, "content-type") == 0)
        memcpy(exchange->content_type, exchange->value, sizeof exchange->content_type);
    exchange->field_size = 0;
    exchange->value_size = 0;
    exchange->field[0] = '\0';
    exchange->value[0] = '\0';
    return 0;
}

static int refuse_body(struct connection *connection, bool is_get)
{
    struct refusal *refusal = &connection->refusal;

    (void)stop(connection, 413, refusal->text, is_get ? "GET has none" : NULL);
    (void)snprintf(refusal->text, sizeof refusal->text,
                   "the body is too large: at most %zu bytes are taken",
                   is_get ? 0 : connection->server->config.body_bytes_max);
    return -1;
}

/* With or without parameters, such as a charset. */
static bool is_json(const char *content_type)
{
    static const char json[] = "application/json";
    const char *after = content_type + sizeof json - 1;

    return strncasecmp(content_type, json, sizeof json - 1) == 0 &&
           (*after == '\0' || *after == ';' || *after == ' ');
}

/* What is left to judge of the head once the peer has the right to ask at all. */
static int check_body_fields(struct connection *connection, llhttp_t *parser)
{
    struct exchange *exchange = connection->exchange;
    bool get = parser->method == HTTP_GET || parser->method == HTTP_HEAD;
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (exchange->has_transfer_encoding)
        return stop(connection, 411, "a body needs a Content-Length", "no Transfer-Encoding here");
    if (parser->content_length > (get ? 0 : connection->server->config.body_bytes_max))
        return refuse_body(connection, get);
    if ((exchange->request.route->roles & BW_HTTP_JSON) != 0 && !is_json(exchange->content_type))
        return stop(connection, 415, "what is sent here is JSON, and says so",
                    "Content-Type: application/json");
    if (exchange->expect[0] == '\0' || parser->http_minor == 0)
        return 0;
    if (strcasecmp(exchange->expect, "100-continue") != 0)
        return stop(connection, 417, "the only Expect known here is 100-continue", NULL);
    if (parser->content_length > 0 &&
        bw_tls_stream_write(connection->stream, go_on, sizeof go_on - 1) != BW_OK)
        return stop(connection, 503, "the connection is not writable", NULL);
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct connection *connection = connection_of(parser);
    const struct bw_http_server_config *config = &connection->server->config;
    struct exchange *exchange = connection->exchange;

    exchange->head_complete = true;
    parser->upgrade = 0; /* no other protocol here: the answer stays HTTP/1.1 */
    if (parser->http_major != 1 || parser->http_minor != 1)
        return stop(connection, 505, "HTTP/1.1 only", NULL);
    if (exchange->host_count != 1)
        return stop(connection, 400, "exactly one Host field is needed", NULL);
    if (!bw_http_route_request(config, exchange, llhttp_method_name(parser->method),
                               bw_tls_stream_has_certificate(connection->stream),
                               &connection->refusal))
        return -1;
    return check_body_fields(connection, parser);
}

static int on_body(llhttp_t *parser, const char *data, size_t size)
{
    struct connection *connection = connection_of(parser);
    struct exchange *exchange = connection->exchange;
    struct bw_http_request *request = &exchange->request;
    size_t wanted = request->body_size + size;
    size_t capacity = exchange->body_capacity > 0 ? exchange->body_capacity : BODY_BYTES_FIRST;
    uint8_t *body;

    BW_ASSERT(wanted <= connection->server->config.body_bytes_max); /* checked with the head */
    if (wanted > exchange->body_capacity) {
        while (capacity < wanted)
            capacity *= 2;
        body = realloc(exchange->body, capacity);
        if (body == NULL)
            return stop(connection, 503, "out of memory", NULL);
        exchange->body = body;
        exchange->body_capacity = capacity;
        request->body = body;
    }
    memcpy(exchange->body + request->body_size, data, size);
    request->body_size = wanted;
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct connection *connection = connection_of(parser);

    if (llhttp_should_keep_alive(parser) == 0)
        connection->close_after = true;
    return HPE_PAUSED; /* the handler runs outside of the parser */
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_field_complete = on_field_complete,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void bw_http_connection_init_parser(struct connection *connection)
{
    llhttp_init(&connection->parser, HTTP_REQUEST, &settings);
    connection->parser.data = connection;
}

/* The bytes of a complete request have been read just now: this is the instant of receipt. */
static void run_handler(struct connection *connection)
{
    const struct bw_http_server_config *config = &connection->server->config;
    struct exchange *exchange = connection->exchange;

    bw_http_connection_enter(connection, PHASE_HANDLING);
    connection->head_bytes = 0;
    bw_tls_stream_set_deadline(connection->stream, 0);
    exchange->request.received = config->clock(config->user);
    exchange->request.route->handler(&exchange->request, config->user);
    /* Answered, or promised: a handler that does neither is a fault of ours. */
    BW_ASSERT(connection->exchange == NULL || connection->exchange->later != NULL);
}

static void refuse_bytes(struct connection *connection, llhttp_errno_t error)
{
    if (connection->refusal.error == NULL) {
        bool encoded = connection->exchange != NULL && connection->exchange->has_transfer_encoding;

        if (encoded)
            (void)stop(connection, 411, "a body needs a Content-Length",
                       "no Transfer-Encoding here");
        else if (error == HPE_INVALID_VERSION)
            (void)stop(connection, 505, "HTTP/1.1 only", NULL);
        else
            (void)stop(connection, 400, "this is not HTTP/1.1",
                       llhttp_get_error_reason(&connection->parser));
    }
    bw_http_answer_refusal(connection);
}

/* Parses one piece, and counts what it took. False: the connection ends. */
static bool parse_piece(struct connection *connection, const char *data, size_t size,
                        size_t *out_taken)
{
    bool head = connection->exchange == NULL || !connection->exchange->head_complete;
    size_t head_left = BW_HTTP_HEAD_BYTES_MAX - connection->head_bytes;
    size_t piece = head && size > head_left ? head_left : size;
    llhttp_errno_t error = llhttp_execute(&connection->parser, data, piece);

    if (error == HPE_PAUSED) {
        const char *end = llhttp_get_error_pos(&connection->parser);

        BW_ASSERT(end >= data && end <= data + piece);
        llhttp_resume(&connection->parser);
        *out_taken = (size_t)(end - data);
        run_handler(connection);
        return true;
    }
    if (error != HPE_OK) {
        refuse_bytes(connection, error);
        return false;
    }
    *out_taken = piece;
    if (connection->exchange != NULL && connection->exchange->head_complete)
        return true;
    connection->head_bytes += piece;
    if (connection->head_bytes < BW_HTTP_HEAD_BYTES_MAX)
        return true;
    (void)stop(connection, 431, "the head is larger than 8 KiB", NULL);
    bw_http_answer_refusal(connection);
    return false;
}

void bw_http_connection_take(struct connection *connection, const uint8_t *data, size_t size)
{
    size_t taken = 0;

    while (taken < size) {
        size_t piece = 0;

        if (connection->phase != PHASE_WAITING && connection->phase != PHASE_READING) {
            connection->close_after = true; /* pipelined: thrown away, see http_server.h */
            return;
        }
        if (!parse_piece(connection, (const char *)data + taken, size - taken, &piece))
            return;
        taken += piece;
    }
}
