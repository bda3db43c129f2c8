#include "http_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#define HEAD_BYTES_MAX   1024
#define FIELDS_BYTES_MAX 512
#define TEXT_BYTES_MAX   512 /* of an error or a hint, before escaping */

static struct exchange *exchange_of(const struct bw_http_request *request)
{
    return (struct exchange *)request; /* its first member */
}

struct reason {
    int status;
    const char *text;
};

static const struct reason reasons[] = {
    {200, "OK"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *bw_http_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "Other";
}

/* The status line and fields; `size` SIZE_MAX: no body by definition. */
static size_t format_head(const struct connection *connection, int status, const char *fields,
                          const char *content_type, size_t size, char out[HEAD_BYTES_MAX])
{
    char length[48] = "";
    int used;

    if (size != SIZE_MAX)
        (void)snprintf(length, sizeof length, "Content-Length: %zu\r\n", size);
    used = snprintf(out, HEAD_BYTES_MAX,
                    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%sCache-Control: no-store\r\n"
                    "X-Content-Type-Options: nosniff\r\n%s%s\r\n",
                    status, bw_http_reason(status), content_type, length, fields,
                    connection->close_after ? "Connection: close\r\n" : "");
    BW_ASSERT(used > 0 && used < HEAD_BYTES_MAX); /* all of it is made by us */
    return (size_t)used;
}

/* ---- bodies that several answers share ---- */

struct bw_http_body *bw_http_body_new(char *text, size_t size)
{
    struct bw_http_body *body = malloc(sizeof *body);

    if (body == NULL) {
        free(text);
        return NULL;
    }
    *body = (struct bw_http_body){.text = text, .size = size, .keeper_count = 1};
    return body;
}

void bw_http_body_free(struct bw_http_body *body)
{
    if (body == NULL || --body->keeper_count > 0)
        return;
    free(body->text);
    free(body);
}

/* ---- sending ---- */

void bw_http_rest_free(struct connection *connection)
{
    if (connection->rest != NULL)
        bw_http_body_free(connection->rest->body);
    free(connection->rest);
    connection->rest = NULL;
}

/* The answer has left as far as the stream is concerned. */
static void end_answer(struct connection *connection)
{
    bw_http_rest_free(connection);
    if (connection->close_after)
        bw_http_connection_end(connection);
    else
        bw_http_connection_wait(connection);
}

/* What is to be sent next, and how much of it lies there in one piece. */
static const void *next_piece(const struct rest *rest, size_t *out_size)
{
    if (rest->sent < rest->size) {
        *out_size = rest->size - rest->sent;
        return rest->data + rest->sent;
    }
    *out_size = rest->size + rest->body_size - rest->sent;
    BW_ASSERT(*out_size == 0 || rest->body != NULL);
    return *out_size > 0 ? rest->body->text + (rest->sent - rest->size) : NULL;
}

void bw_http_answer_go_on(struct connection *connection)
{
    struct rest *rest = connection->rest;

    for (;;) {
        size_t room = bw_tls_stream_writable_bytes(connection->stream);
        size_t left;
        const void *from = next_piece(rest, &left);
        size_t piece = left < room ? left : room;

        if (left == 0)
            break;
        if (piece == 0) {
            bw_http_connection_enter(connection, PHASE_ANSWERING);
            bw_tls_stream_set_deadline(connection->stream, connection->server->config.answer_ms);
            return;
        }
        if (bw_tls_stream_write(connection->stream, from, piece) != BW_OK) {
            end_answer(connection); /* it is closing: the bytes have nobody to go to */
            return;
        }
        rest->sent += piece;
    }
    /* Whoever sends its next request without having read this answer would have hundreds handled in one turn of the
     * loop, which others need. */
    if (bw_tls_stream_is_drained(connection->stream)) {
        end_answer(connection);
        return;
    }
    bw_http_connection_enter(connection, PHASE_ANSWERING);
    bw_tls_stream_set_deadline(connection->stream, connection->server->config.answer_ms);
}

static void tell_answered(struct connection *connection, int status)
{
    const struct bw_http_server_config *config = &connection->server->config;

    const struct bw_http_route *route = connection->exchange->request.route;

    if (route != NULL && (route->roles & BW_HTTP_KEEPS_SEAT) != 0 && status < 300)
        bw_http_seats_note_useful(&connection->server->seats, &connection->seat);
    if (config->on_answered != NULL)
        config->on_answered(&connection->exchange->request, status, config->user);
}

/* The answer is `rest`, with room for `data_size` after the head; NULL: no memory, the connection
 * closes. The request is not gone yet: `data` may be a part of it. */
static struct rest *begin_answer(struct connection *connection, int status, const char *fields,
                                 const char *content_type, size_t size, size_t data_size)
{
    char head[HEAD_BYTES_MAX];
    size_t head_size = format_head(connection, status, fields, content_type,
                                   status == 204 || status == 304 ? SIZE_MAX : size, head);
    struct rest *rest = malloc(sizeof *rest + head_size + data_size);

    BW_ASSERT(size == 0 || (status != 204 && status != 304)); /* these have no body (RFC 9110) */
    tell_answered(connection, status);
    if (rest == NULL) {
        bw_http_exchange_free(connection);
        bw_tls_stream_close(connection->stream, BW_ERR_NOMEM, "out of memory for the answer");
        return NULL;
    }
    *rest = (struct rest){.size = head_size};
    memcpy(rest->data, head, head_size);
    return rest;
}

static void send_answer(struct connection *connection, struct rest *rest)
{
    bw_http_exchange_free(connection);
    connection->rest = rest;
    bw_http_answer_go_on(connection);
}

void bw_http_respond_with(struct bw_http_request *request, int status, const char *fields,
                          const char *content_type, const void *body, size_t size)
{
    struct connection *connection = exchange_of(request)->connection;
    static const char too_large[] = "{\"error\":\"the answer is larger than 32 MiB\"}\n";
    size_t body_size;
    struct rest *rest;

    BW_ASSERT(connection->rest == NULL);
    BW_ASSERT(strlen(fields) <= FIELDS_BYTES_MAX);
    if (size > BW_HTTP_ANSWER_BYTES_MAX) {
        status = 500;
        content_type = "application/json";
        body = too_large;
        size = sizeof too_large - 1;
    }
    body_size = request->is_head ? 0 : size;
    rest = begin_answer(connection, status, fields, content_type, size, body_size);
    if (rest == NULL)
        return;
    if (body_size > 0)
        memcpy(rest->data + rest->size, body, body_size);
    rest->size += body_size;
    send_answer(connection, rest);
}

void bw_http_respond_body(struct bw_http_request *request, int status, const char *fields,
                          const char *content_type, struct bw_http_body *body)
{
    struct connection *connection = exchange_of(request)->connection;
    const bool is_head = request->is_head;
    struct rest *rest;

    BW_ASSERT(connection->rest == NULL);
    BW_ASSERT(strlen(fields) <= FIELDS_BYTES_MAX);
    if (body->size > BW_HTTP_ANSWER_BYTES_MAX) { /* says so */
        bw_http_respond_with(request, status, "", content_type, body->text, body->size);
        return;
    }
    rest = begin_answer(connection, status, fields, content_type, body->size, 0);
    if (rest == NULL)
        return;
    if (!is_head) {
        body->keeper_count++;
        rest->body = body;
        rest->body_size = body->size;
    }
    send_answer(connection, rest);
}

void bw_http_respond(struct bw_http_request *request, int status, const char *content_type,
                     const void *body, size_t size)
{
    bw_http_respond_with(request, status, "", content_type, body, size);
}

/* Appends `text` as the inside of a JSON string. Bytes that are not ASCII pass as they are: our
 * texts are UTF-8. */
static size_t append_escaped(char *out, size_t used, const char *text)
{
    for (size_t i = 0; text[i] != '\0' && i < TEXT_BYTES_MAX; i++) {
        unsigned char byte = (unsigned char)text[i];

        if (byte == '"' || byte == '\\') {
            out[used++] = '\\';
            out[used++] = (char)byte;
        } else if (byte < 0x20 || byte == 0x7f) {
            used += (size_t)sprintf(out + used, "\\u%04x", byte);
        } else {
            out[used++] = (char)byte;
        }
    }
    return used;
}

static size_t append_plain(char *out, size_t used, const char *text)
{
    return (size_t)(stpcpy(out + used, text) - out);
}

void bw_http_tell_refused(const struct bw_http_request *request, int status, const char *error)
{
    const struct bw_http_server_config *config = &exchange_of(request)->connection->server->config;

    if (config->on_refused != NULL)
        config->on_refused(request, status, error, config->user);
}

static void respond_error_with(struct bw_http_request *request, int status, const char *fields,
                               const char *error, const char *hint)
{
    char body[2 * 6 * TEXT_BYTES_MAX + 64]; /* every byte as \uNNNN, and the frame */
    size_t used = append_plain(body, 0, "{\"error\":\"");

    bw_http_tell_refused(request, status, error);
    used = append_escaped(body, used, error);
    if (hint != NULL) {
        used = append_plain(body, used, "\",\"hint\":\"");
        used = append_escaped(body, used, hint);
    }
    used = append_plain(body, used, "\"}\n");
    bw_http_respond_with(request, status, fields, "application/json", body, used);
}

void bw_http_respond_error(struct bw_http_request *request, int status, const char *error,
                           const char *hint)
{
    respond_error_with(request, status, "", error, hint);
}

void bw_http_answer_refusal(struct connection *connection)
{
    const struct refusal refusal = connection->refusal;

    connection->close_after = true;
    if (connection->exchange == NULL) { /* not a single byte of a request: nobody to answer */
        bw_http_connection_end(connection);
        return;
    }
    respond_error_with(&connection->exchange->request, refusal.status, refusal.fields,
                       refusal.error, refusal.hint);
}

void bw_http_defer(struct bw_http_request *request, uint32_t deadline_ms,
                   const struct bw_http_later *later, void *user)
{
    struct exchange *exchange = exchange_of(request);

    BW_ASSERT(later->on_gone != NULL);
    BW_ASSERT(deadline_ms == 0 || later->on_deadline != NULL);
    exchange->later = later;
    exchange->later_user = user;
    bw_tls_stream_set_deadline(exchange->connection->stream, deadline_ms);
}
