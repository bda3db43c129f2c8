#include "rude_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#define REQUEST_BYTES 4096

struct connection {
    struct rude_server *server;
    int fd;
    size_t number;
};

static void say(SSL *ssl, const char *text)
{
    (void)SSL_write(ssl, text, (int)strlen(text)); /* the client may be gone: that is its test */
}

static void answer(SSL *ssl, const char *status, const char *body)
{
    char text[2 * REQUEST_BYTES];

    (void)snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status,
                   strlen(body), body);
    say(ssl, text);
}

static void answer_echo(SSL *ssl, const struct connection *connection, const char *request)
{
    char text[REQUEST_BYTES];

    (void)snprintf(text, sizeof text, "%zu %.*s %s", connection->number, (int)strcspn(request, " "),
                   request, strstr(request, "\r\n\r\n") + 4);
    answer(ssl, "200 OK", text);
}

static void send_long_head(SSL *ssl)
{
    say(ssl, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 1000; i++)
        say(ssl, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
}

static bool asks_for(const char *request, const char *path)
{
    const char *target = strchr(request, ' ') + 1;

    return strcspn(target, " ") == strlen(path) && strncmp(target, path, strlen(path)) == 0;
}

/* False: nothing was told it to say. */
static bool serve_as_told(SSL *ssl, const struct rude_server *server, const char *request,
                          bool *out_is_kept)
{
    const char *body = "";
    const char *status = server->tell != NULL ? server->tell(server->user, request, &body) : NULL;

    if (status == NULL)
        return false;
    *out_is_kept = status[0] != '\0';
    if (*out_is_kept)
        answer(ssl, status, body);
    return true;
}

/* True: the connection is kept. */
static bool serve_well(SSL *ssl, const struct connection *connection, const char *request)
{
    if (asks_for(request, "/echo"))
        answer_echo(ssl, connection, request);
    else if (asks_for(request, "/elsewhere"))
        say(ssl, "HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n");
    else if (asks_for(request, "/421"))
        answer(ssl, "421 Misdirected Request", "w2:7400");
    else if (asks_for(request, "/chunked"))
        say(ssl, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    else if (asks_for(request, "/v1/agent/sync")) {
        (void)atomic_fetch_add(&connection->server->sync_count, 1);
        answer(ssl, "200 OK", "");
    } else
        return false;
    return true;
}

static void serve_rudely(SSL *ssl, const char *request)
{
    char waste[16];

    if (asks_for(request, "/hang"))
        (void)SSL_read(ssl, waste, sizeof waste); /* until the client goes */
    else if (asks_for(request, "/cut"))
        say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
    else if (asks_for(request, "/endless"))
        say(ssl, "HTTP/1.1 200 OK\r\n\r\nhello");
    else if (asks_for(request, "/head"))
        send_long_head(ssl);
    else if (asks_for(request, "/garbage"))
        say(ssl, "\x01\x02\x03 SSH-2.0-x\r\n\r\n");
    else if (asks_for(request, "/status"))
        say(ssl, "HTTP/20 01.0 OK\r\nContent-Length: 2\r\n\r\nhi");
}

/* One request, whole, with a NUL after it. */
static bool read_request(SSL *ssl, char request[REQUEST_BYTES])
{
    size_t size = 0;

    while (size < REQUEST_BYTES - 1) {
        const int got = SSL_read(ssl, request + size, (int)(REQUEST_BYTES - 1 - size));
        const char *body;
        const char *length;

        if (got <= 0)
            return false;
        size += (size_t)got;
        request[size] = '\0';
        body = strstr(request, "\r\n\r\n");
        length = strcasestr(request, "content-length: ");
        if (body != NULL &&
            size - (size_t)(body + 4 - request) >=
                (length == NULL ? 0 : strtoul(length + 16, NULL, 10)))
            return true;
    }
    return false;
}

/* Reads what the client still sends: closing over it would reset the connection, and the reset
 * may overtake the alert that says why. */
static void drain(int fd)
{
    char waste[REQUEST_BYTES];

    (void)shutdown(fd, SHUT_WR); /* the client may have been first */
    while (read(fd, waste, sizeof waste) > 0)
        ;
}

static void *run_connection(void *argument)
{
    struct connection *connection = argument;
    SSL *ssl = SSL_new(connection->server->context);
    char request[REQUEST_BYTES];

    (void)usleep(connection->server->handshake_delay_ms * 1000);
    if (ssl != NULL && SSL_set_fd(ssl, connection->fd) == 1 && SSL_accept(ssl) == 1) {
        bool is_kept = true;

        while (is_kept && read_request(ssl, request)) {
            (void)usleep(connection->server->answer_delay_ms * 1000);
            if (serve_as_told(ssl, connection->server, request, &is_kept))
                continue;
            is_kept = serve_well(ssl, connection, request);
            if (!is_kept)
                serve_rudely(ssl, request);
        }
    }
    SSL_free(ssl);
    ERR_clear_error();
    drain(connection->fd);
    free(connection);
    return NULL;
}

static void take_connection(struct rude_server *server, int fd)
{
    struct connection *connection = malloc(sizeof *connection);

    (void)pthread_mutex_lock(&server->lock);
    if (server->is_stopping || server->count == RUDE_CONNECTIONS_MAX || connection == NULL) {
        free(connection);
        (void)close(fd);
    } else {
        *connection = (struct connection){.server = server, .fd = fd, .number = server->count};
        server->fds[server->count] = fd;
        if (pthread_create(&server->threads[server->count], NULL, run_connection, connection) != 0)
            abort();
        server->count++;
    }
    (void)pthread_mutex_unlock(&server->lock);
}

static void *run_acceptor(void *argument)
{
    struct rude_server *server = argument;
    int fd;

    while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        take_connection(server, fd);
    return NULL; /* stop has shut the listener down */
}

int rude_server_listen(unsigned *out_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, RUDE_CONNECTIONS_MAX), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *out_port = ntohs(address.sin_port);
    return fd;
}

void rude_server_start(struct rude_server *server, const char *identity_path, const char *ca_path)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    assert_non_null(context);
    assert_int_equal(SSL_CTX_use_certificate_chain_file(context, identity_path), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(context, identity_path, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_load_verify_locations(context, ca_path, NULL), 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    memset(server, 0, sizeof *server);
    server->context = context;
    assert_int_equal(pthread_mutex_init(&server->lock, NULL), 0);
    server->listener = rude_server_listen(&server->port);
    assert_int_equal(pthread_create(&server->acceptor, NULL, run_acceptor, server), 0);
}

void rude_server_stop(struct rude_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    server->is_stopping = true;
    for (size_t i = 0; i < server->count; i++)
        (void)shutdown(server->fds[i], SHUT_RDWR); /* may have ended by itself */
    (void)pthread_mutex_unlock(&server->lock);
    (void)shutdown(server->listener, SHUT_RDWR); /* ends its accept */
    assert_int_equal(pthread_join(server->acceptor, NULL), 0);
    for (size_t i = 0; i < server->count; i++) {
        assert_int_equal(pthread_join(server->threads[i], NULL), 0);
        (void)close(server->fds[i]);
    }
    (void)close(server->listener);
    SSL_CTX_free(server->context);
    assert_int_equal(pthread_mutex_destroy(&server->lock), 0);
}
