/* rude_server.h - an HTTPS server of blocking threads for tests of a client: it misbehaves on
 * request, as no decent server would. Any failure to start ends the test program.
 *
 *   /echo      200, "N METHOD BODY", N = number of the connection from 0; keeps the connection
 *   /chunked   200, "hello" in chunks; keeps it
 *   /421       421, "w2:7400"; keeps it
 *   /elsewhere 302 to /echo; keeps it
 *   /hang      never answers                 /nothing   closes without an answer
 *   /cut       5 of 100 bytes, then closes   /endless   no length, then closes
 *   /head      a head of 70 kB               /garbage   not HTTP
 *   /status    HTTP/20 01.0, no status
 *   /v1/agent/sync  200, counted; keeps it
 *
 * Or it says what a test has it say: `tell`. */
#ifndef RUDE_SERVER_H
#define RUDE_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define RUDE_CONNECTIONS_MAX 256

/* What is answered to this request, which comes first: a status as in "200 OK", "" to close without one; NULL: the
 * path's own. On the thread of the connection. */
typedef const char *(*rude_tell_fn)(void *user, const char *request, const char **out_body);

struct rude_server {
    void *context; /* SSL_CTX */
    int listener;
    unsigned port; /* on 127.0.0.1 */
    pthread_t acceptor;
    pthread_mutex_t lock; /* for what follows */
    size_t count;
    int fds[RUDE_CONNECTIONS_MAX]; /* closed by stop only, so that a number is never another's */
    pthread_t threads[RUDE_CONNECTIONS_MAX];
    bool is_stopping;
    atomic_uint sync_count; /* so many syncs came */
    unsigned
        handshake_delay_ms; /* set before the first connection: it waits so long with its part */
    unsigned answer_delay_ms; /* likewise: and so long before each answer */
    rude_tell_fn tell; /* likewise; NULL: nothing */
    void *user;        /* of tell */
};

/* Shows the certificate of `identity_path`; demands one that a CA of `ca_path` signed. */
void rude_server_start(struct rude_server *server, const char *identity_path, const char *ca_path);
void rude_server_stop(struct rude_server *server);

/* A listening socket on 127.0.0.1 that nobody accepts from. */
int rude_server_listen(unsigned *out_port);

#endif
