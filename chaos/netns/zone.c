#include "zone.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/instant.h>
#include <breakwater/sys/clock.h>

#define PORT          53
#define MESSAGE_BYTES 512 /* of RFC 1035, 4.2.1 */
#define HEAD_BYTES    12
#define NAME_BYTES    256
#define ADDRESSES_MAX 8 /* of one name */
#define LATE_MAX      512 /* answers that wait; the server says nothing to a further question */
#define LATE_MS_MAX   600000
#define TYPE_A        1
#define TYPE_AAAA     28
#define CODE_SERVFAIL 2
#define CODE_NXDOMAIN 3

struct question {
    char name[NAME_BYTES];
    uint16_t type;
    size_t end; /* in the message */
};

/* The file's answer to one question. */
struct saying {
    bool is_silent;
    bool is_failing;
    bool is_nobody;
    bool is_known; /* the name has a line */
    uint32_t late_ms;
    uint8_t addresses[ADDRESSES_MAX][sizeof(struct in6_addr)]; /* of the family that was asked for */
    uint32_t count;
};

struct answer {
    uint64_t at_ns; /* 0: a free place */
    int socket;
    struct sockaddr_in to;
    uint8_t bytes[MESSAGE_BYTES];
    size_t size;
};

/* ---- what is asked --------------------------------------------------------------------------- */

static bool read_question(const uint8_t *message, size_t size, struct question *out)
{
    size_t at = HEAD_BYTES;
    size_t used = 0;

    while (at < size && message[at] != 0) {
        const size_t length = message[at];

        if (length > 63 || at + 1 + length >= size || used + length + 2 > sizeof out->name)
            return false;
        if (used > 0)
            out->name[used++] = '.';
        memcpy(out->name + used, message + at + 1, length);
        used += length;
        at += 1 + length;
    }
    if (at + 5 > size)
        return false;
    out->name[used] = '\0';
    out->type = (uint16_t)(message[at + 1] << 8U | message[at + 2]);
    out->end = at + 5;
    return true;
}

static void take_addresses(struct saying *saying, int family, char *rest)
{
    char *word;

    while ((word = strsep(&rest, " \n")) != NULL && saying->count < ADDRESSES_MAX)
        if (inet_pton(family, word, saying->addresses[saying->count]) == 1)
            saying->count++;
}

static void take_line(struct saying *saying, const struct question *question, char *line)
{
    const int family = question->type == TYPE_A ? AF_INET : question->type == TYPE_AAAA ? AF_INET6 : AF_UNSPEC;
    char *rest = line;
    const char *word = strsep(&rest, " \n");
    const unsigned long late_ms = strcmp(word, "late") == 0 && rest != NULL ? strtoul(rest, NULL, 10) : 0;

    saying->is_silent = saying->is_silent || strcmp(word, "silent") == 0;
    saying->is_failing = saying->is_failing || strcmp(word, "servfail") == 0;
    saying->is_nobody = saying->is_nobody || strcmp(word, "nobody") == 0;
    saying->late_ms = late_ms > 0 && late_ms <= LATE_MS_MAX ? (uint32_t)late_ms : saying->late_ms;
    if (strcasecmp(word, question->name) != 0)
        return;
    saying->is_known = true;
    if (family != AF_UNSPEC && rest != NULL)
        take_addresses(saying, family, rest);
}

/* A file that is missing answers nobody. */
static struct saying look_up(const char *file, const struct question *question)
{
    FILE *lines = fopen(file, "re");
    struct saying saying = {.is_silent = lines == NULL};
    char *line = NULL;
    size_t size = 0;

    while (lines != NULL && getline(&line, &size, lines) > 0)
        take_line(&saying, question, line);
    free(line);
    if (lines != NULL)
        (void)fclose(lines); /* only read from */
    return saying;
}

/* ---- what is answered ------------------------------------------------------------------------ */

static uint8_t *put16(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)(value >> 8U);
    out[1] = (uint8_t)value;
    return out + 2;
}

static uint8_t *put_record(uint8_t *out, uint16_t type, const uint8_t *address, uint32_t size)
{
    out = put16(out, 0xc000 | HEAD_BYTES); /* the name that was asked for */
    out = put16(out, type);
    out = put16(out, 1); /* class IN */
    out = put16(out, 0);
    out = put16(out, 1); /* s: nothing is kept */
    out = put16(out, size);
    memcpy(out, address, size);
    return out + size;
}

static size_t make_answer(const uint8_t *message, const struct question *question, const struct saying *saying,
                          uint8_t out_bytes[MESSAGE_BYTES])
{
    const uint32_t code = saying->is_failing                     ? CODE_SERVFAIL
                          : saying->is_nobody || !saying->is_known ? CODE_NXDOMAIN
                                                                 : 0;
    const uint32_t size = question->type == TYPE_A ? sizeof(struct in_addr) : sizeof(struct in6_addr);
    const uint32_t count = code == 0 ? saying->count : 0;
    uint8_t *out = out_bytes;

    _Static_assert(HEAD_BYTES + NAME_BYTES + 4 + 12 * ADDRESSES_MAX + ADDRESSES_MAX * sizeof(struct in6_addr) <=
                       MESSAGE_BYTES,
                   "an answer fits");
    memcpy(out, message, 2); /* its id */
    out = put16(out + 2, 0x8580 | code); /* an answer with authority, recursion as it was wanted */
    out = put16(out, 1);
    out = put16(out, count);
    out = put16(out, 0);
    out = put16(out, 0);
    memcpy(out, message + HEAD_BYTES, question->end - HEAD_BYTES);
    out += question->end - HEAD_BYTES;
    for (uint32_t i = 0; i < count; i++)
        out = put_record(out, question->type, saying->addresses[i], size);
    return (size_t)(out - out_bytes);
}

static struct answer *find_free(struct answer *answers)
{
    for (uint32_t i = 0; i < LATE_MAX; i++)
        if (answers[i].at_ns == 0)
            return &answers[i];
    return NULL;
}

static void take_question(const char *file, int socket, struct answer *answers)
{
    uint8_t message[MESSAGE_BYTES];
    struct question question;
    struct saying saying;
    struct sockaddr_in from;
    socklen_t from_size = sizeof from;
    const ssize_t size = recvfrom(socket, message, sizeof message, MSG_DONTWAIT, (struct sockaddr *)&from, &from_size);
    struct answer *answer = find_free(answers);

    if (size <= HEAD_BYTES || answer == NULL || !read_question(message, (size_t)size, &question))
        return;
    saying = look_up(file, &question);
    if (saying.is_silent)
        return;
    *answer = (struct answer){.at_ns = bw_clock_now().boot_ns + bw_ms_to_ns(saying.late_ms),
                              .socket = socket,
                              .to = from};
    answer->size = make_answer(message, &question, &saying, answer->bytes);
}

/* Sends what is due; returns when the next one is, at most a second from now. */
static uint64_t send_due(struct answer *answers)
{
    const uint64_t now_ns = bw_clock_now().boot_ns;
    uint64_t next_ns = now_ns + BW_NS_PER_S;

    for (uint32_t i = 0; i < LATE_MAX; i++) {
        struct answer *answer = &answers[i];

        if (answer->at_ns == 0)
            continue;
        if (answer->at_ns > now_ns) {
            next_ns = answer->at_ns < next_ns ? answer->at_ns : next_ns;
            continue;
        }
        /* The asker may be gone. */
        (void)sendto(answer->socket, answer->bytes, answer->size, 0, (const struct sockaddr *)&answer->to,
                     sizeof answer->to);
        answer->at_ns = 0;
    }
    return next_ns - now_ns;
}

/* ---- serving --------------------------------------------------------------------------------- */

int bw_zone_listen(const char *host)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd;

    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        const int kept = errno;

        (void)close(fd); /* only a handle */
        errno = kept;
        return -1;
    }
    return fd;
}

void bw_zone_serve(const char *file, const int *sockets, uint32_t count)
{
    static struct answer answers[LATE_MAX];
    struct pollfd polls[BW_ZONE_SOCKETS_MAX];

    BW_ASSERT(count <= BW_ZONE_SOCKETS_MAX);
    for (uint32_t i = 0; i < count; i++)
        polls[i] = (struct pollfd){.fd = sockets[i], .events = POLLIN};
    for (;;) {
        const uint64_t wait_ns = send_due(answers);
        const struct timespec wait = {.tv_sec = (time_t)(wait_ns / BW_NS_PER_S), .tv_nsec = (long)(wait_ns % BW_NS_PER_S)};

        if (ppoll(polls, count, &wait, NULL) < 0 && errno != EINTR)
            _exit(EXIT_FAILURE);
        for (uint32_t i = 0; i < count; i++)
            if ((polls[i].revents & POLLIN) != 0)
                take_question(file, sockets[i], answers);
    }
}
