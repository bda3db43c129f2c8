/* ways_greedy.c - one certificate takes all the connections that it can get: a child of the harness,
 * at a site's node, holds three hundred to each witness and dials anew what they close. */
#include "ways.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include <breakwater/base/instant.h>

#define CONNECTIONS (300 * BW_LAB_WITNESSES)
#define API_PORT    7400
#define DIAL_S      2    /* for a dial, a handshake, a write */
#define PAUSE_MS    5000 /* before a connection that was closed is dialled anew */
#define DIALS_MAX   20000

struct held {
    int fd; /* -1: none */
    SSL *ssl;
    uint64_t dial_at_ns;
};

/* Silent, in the middle of a request, waiting for an order, for a document that it does not read. */
static const char *const words[] = {
    "", "G",
    "GET /v1/agent/orders?after=18446744073709551615&wait=20s HTTP/1.1\r\nHost: w\r\n\r\n",
    "GET /v1/status HTTP/1.1\r\nHost: w\r\n\r\n"};

static void let_go(struct held *held)
{
    if (held->ssl != NULL)
        SSL_free(held->ssl);
    if (held->fd >= 0)
        (void)close(held->fd);
    *held = (struct held){.fd = -1,
                          .dial_at_ns = bw_lab_now_ns() + bw_ms_to_ns(PAUSE_MS)};
}

static bool dial(struct held *held, uint32_t number, SSL_CTX *context)
{
    const struct timeval limit = {.tv_sec = DIAL_S};
    const char *word = words[number / BW_LAB_WITNESSES % (sizeof words / sizeof words[0])];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(API_PORT)};
    char text[BW_HUB_ADDRESS_BYTES];

    bw_hub_address(number % BW_LAB_WITNESSES, text);
    (void)inet_pton(AF_INET, text, &address.sin_addr); /* ours: well-formed */
    held->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    held->ssl = SSL_new(context);
    return held->fd >= 0 && held->ssl != NULL &&
           setsockopt(held->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
           setsockopt(held->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
           connect(held->fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
           SSL_set_fd(held->ssl, held->fd) == 1 && SSL_connect(held->ssl) == 1 &&
           (word[0] == '\0' || SSL_write(held->ssl, word, (int)strlen(word)) > 0);
}

/* Until it is killed. */
static int hold_all(SSL_CTX *context)
{
    static struct held all[CONNECTIONS];
    static struct pollfd fds[CONNECTIONS];
    uint32_t dial_count = 0;

    for (uint32_t i = 0; i < CONNECTIONS; i++)
        all[i].fd = -1;
    while (dial_count < DIALS_MAX) {
        for (uint32_t i = 0; i < CONNECTIONS; i++) {
            if (all[i].fd < 0 && bw_lab_now_ns() >= all[i].dial_at_ns) {
                dial_count++;
                if (!dial(&all[i], i, context))
                    let_go(&all[i]);
            }
            fds[i] = (struct pollfd){.fd = all[i].fd, .events = POLLRDHUP};
        }
        if (poll(fds, CONNECTIONS, 100) < 0 && errno != EINTR)
            return 1;
        for (uint32_t i = 0; i < CONNECTIONS; i++)
            if (fds[i].fd >= 0 && fds[i].revents != 0)
                let_go(&all[i]);
    }
    return 0;
}

enum bw_err bw_begin_greedy(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    char file[BW_LAB_PATH_BYTES];
    char name[BW_NAME_MAX + 16];
    enum bw_err err;

    (void)snprintf(name, sizeof name, fault->kind->text, lab->nodes[fault->node].name);
    err = bw_lab_path(file, lab->dir, name, diag);
    if (err != BW_OK)
        return err;
    fault->helper = bw_lab_fork(lab, fault->node);
    if (fault->helper < 0)
        return bw_diag_errno(diag, errno, "fork for %s", fault->kind->name);
    if (fault->helper == 0) {
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());

        (void)signal(SIGPIPE, SIG_IGN);
        if (context == NULL || SSL_CTX_use_certificate_chain_file(context, file) != 1 ||
            SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) != 1)
            _exit(127);
        _exit(hold_all(context));
    }
    return BW_OK;
}

enum bw_err bw_end_greedy(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    (void)lab; /* its turn reaps the child */
    (void)diag;
    (void)kill(fault->helper, SIGKILL);
    return BW_OK;
}
