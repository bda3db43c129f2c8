/* plain_client.h - a load balancer of the tests: plain HTTP on 127.0.0.1, one request a connection,
 * blocking. Include it after cmocka.h. */
#ifndef PLAIN_CLIENT_H
#define PLAIN_CLIENT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PLAIN_PATIENCE_S 60

struct plain_answer {
    int status;      /* 0: none came */
    char text[1024]; /* all of it */
};

/* From an address of ours. -1: nobody listens. */
static inline int plain_dial_from(in_addr_t from, uint16_t port)
{
    const struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(from)};
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = PLAIN_PATIENCE_S};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&own, sizeof own), 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    assert_int_equal(close(fd), 0);
    return -1;
}

static inline int plain_dial(uint16_t port)
{
    return plain_dial_from(INADDR_LOOPBACK, port);
}

/* False: the other side has hung up. */
static inline bool plain_say(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* All until the other side closes, which it must. */
static inline struct plain_answer plain_hear(int fd)
{
    struct plain_answer answer = {0};
    size_t used = 0;
    ssize_t got;

    while ((got = recv(fd, answer.text + used, sizeof answer.text - 1 - used, 0)) > 0)
        used += (size_t)got;
    answer.text[used] = '\0';
    if (strncmp(answer.text, "HTTP/1.1 ", 9) == 0)
        answer.status = atoi(answer.text + 9);
    (void)close(fd); /* it was read to its end, or is broken */
    return answer;
}

/* Status 0: nobody listens, or no answer came. */
static inline struct plain_answer plain_ask(uint16_t port, const char *request)
{
    const int fd = plain_dial(port);

    if (fd < 0)
        return (struct plain_answer){0};
    (void)plain_say(fd, request); /* who hangs up early has answered, perhaps */
    return plain_hear(fd);
}

#endif
