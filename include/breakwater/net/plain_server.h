/* plain_server.h - plain HTTP for load balancers: GET and HEAD, one line of text as the answer, one
 * request a connection. Design 5.3. The loop's thread only.
 *
 * It has no identities, so it tells nobody anything that is not everybody's, and changes nothing.
 * HTTP/1.0 and 1.1 are taken, without a Host field too: load balancers ask like that. Who is slow
 * or rude costs the loop little: at most 64 connections, of which the oldest that has not said what
 * it wants makes room for a new one, and that of the origin (net/address.h) that has most of these; at most 640 that are accepted a second; 8 KiB of a head, and 2
 * s for it. What else comes waits in the kernel.
 *
 * Answers by itself: 400 what is no such request, 405 another method, 408, 414, 431; 503 a request
 * that the program has not answered in time. SIGPIPE must be ignored by the program. */
#ifndef BW_NET_PLAIN_SERVER_H
#define BW_NET_PLAIN_SERVER_H

#include <stdint.h>

#include <uv.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>

#define BW_PLAIN_CONNECTIONS_MAX 64
#define BW_PLAIN_TEXT_BYTES_MAX  512 /* of an answer's line; what is longer is cut */

struct bw_plain_server;
/* The server's; good until it was answered, or on_gone was called. */
struct bw_plain_request;

struct bw_plain_server_config {
    const char *listen; /* "HOST:PORT", numeric host */
    /* GET or HEAD of `path`, which is as it was sent, without the query, and good until return.
     * Answer with bw_plain_respond, here or later. */
    void (*on_request)(struct bw_plain_request *request, const char *path, void *user);
    /* Never answer this request: its client is gone, or has been told 503. Exactly once, and only
     * if it was not answered. */
    void (*on_gone)(struct bw_plain_request *request, void *user);
    void *user;
    /* 0: the default in brackets */
    uint32_t request_ms; /* [2 s] for the head, from the connection's beginning */
    uint32_t answer_ms;  /* [5 s] for the program's answer */
};

/* Binds and listens. BW_ERR_INVALID: `listen` is no numeric HOST:PORT; BW_ERR_IO: bind or listen
 * failed, and `diag` says why; nothing is left behind then (the loop must turn once more to free
 * the handles). */
BW_MUST_CHECK enum bw_err bw_plain_server_open(uv_loop_t *loop,
                                               const struct bw_plain_server_config *config,
                                               struct bw_plain_server **out_server,
                                               struct bw_diag *diag);
/* Stops listening, at once, and closes every connection (on_gone is called for what was not
 * answered); then frees itself. */
void bw_plain_server_close(struct bw_plain_server *server);

/* One line, without its end; made by us alone. `status` is 200, 404 or 503. */
void bw_plain_respond(struct bw_plain_request *request, int status, const char *text);

#endif
