#include "test_https.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/err.h>

#define MUST(fact)                                                                                 \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #fact);                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

void test_https_dial_from(struct test_https *client, uint32_t host, uint16_t port)
{
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(host)}};
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(port),
                                        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    struct timeval limit = {.tv_sec = 20};

    client->ssl = NULL;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(client->fd >= 0);
    MUST(setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    MUST(setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
    MUST(bind(client->fd, (const struct sockaddr *)&from, sizeof from) == 0);
    MUST(connect(client->fd, (const struct sockaddr *)&address, sizeof address) == 0);
}

void test_https_dial(struct test_https *client, uint16_t port)
{
    test_https_dial_from(client, INADDR_LOOPBACK, port);
}

void test_https_dial_from_elsewhere(struct test_https *client, uint16_t port)
{
    test_https_dial_from(client, INADDR_LOOPBACK + 1, port);
}

bool test_https_open(struct test_https *client, uint16_t port, SSL_CTX *context)
{
    test_https_dial(client, port);
    return test_https_shake(client, context);
}

bool test_https_shake(struct test_https *client, SSL_CTX *context)
{
    client->ssl = SSL_new(context);
    MUST(client->ssl != NULL && SSL_set_fd(client->ssl, client->fd) == 1);
    if (SSL_connect(client->ssl) == 1)
        return true;
    ERR_clear_error();
    return false;
}

void test_https_close(struct test_https *client)
{
    SSL_free(client->ssl);
    client->ssl = NULL;
    if (client->fd >= 0)
        (void)close(client->fd); /* nothing is left to lose */
    client->fd = -1;
    ERR_clear_error();
}

void test_https_reset(struct test_https *client)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    MUST(setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    test_https_close(client);
}

bool test_https_send(struct test_https *client, const void *data, size_t size)
{
    ERR_clear_error();
    if (client->ssl != NULL)
        return SSL_write(client->ssl, data, (int)size) == (int)size;
    return send(client->fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

bool test_https_say(struct test_https *client, const char *text)
{
    return test_https_send(client, text, strlen(text));
}

size_t test_https_read(struct test_https *client, char *out, size_t size)
{
    ssize_t got;

    ERR_clear_error();
    if (client->ssl != NULL)
        got = SSL_read(client->ssl, out, (int)size - 1);
    else
        got = recv(client->fd, out, size - 1, 0);
    ERR_clear_error();
    out[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

bool test_https_is_at_end(struct test_https *client)
{
    char byte[2];

    return test_https_read(client, byte, sizeof byte) == 0;
}

/* Byte by byte, so that nothing after the head is taken. */
static bool hear_head(struct test_https *client, struct test_answer *answer)
{
    size_t used = 0;

    while (used < sizeof answer->head - 1) {
        char byte[2];

        if (test_https_read(client, byte, sizeof byte) == 0)
            return false;
        answer->head[used++] = byte[0];
        answer->head[used] = '\0';
        if (used >= 4 && memcmp(answer->head + used - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

void test_https_hear(struct test_https *client, bool head_only, struct test_answer *out_answer)
{
    struct test_answer answer = {0};
    const char *length;
    size_t left = 0;

    if (!hear_head(client, &answer)) {
        *out_answer = answer;
        return;
    }
    MUST(sscanf(answer.head, "HTTP/1.1 %d ", &answer.status) == 1);
    answer.closes = strstr(answer.head, "\r\nConnection: close\r\n") != NULL;
    length = strstr(answer.head, "\r\nContent-Length: ");
    if (length != NULL && !head_only)
        left = strtoul(length + strlen("\r\nContent-Length: "), NULL, 10);
    while (left > 0) {
        char piece[4096];
        size_t got = test_https_read(client, piece, left < 4095 ? left + 1 : 4096);
        size_t room = sizeof answer.body - 1 - (answer.body_size < 4095 ? answer.body_size : 4095);

        if (got == 0)
            break;
        if (room > 0)
            memcpy(answer.body + answer.body_size, piece, got < room ? got : room);
        answer.body_size += got;
        left -= got;
    }
    *out_answer = answer;
}
