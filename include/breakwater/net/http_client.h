/* http_client.h - HTTPS requests from the loop: mutual TLS 1.3 to witnesses. Design 5.3.
 *
 * One client is one libcurl multi on one loop: connections are kept alive and reused, each request
 * is an exchange. Everything runs on the loop's thread. The process ignores SIGPIPE.
 *
 * The server must present a certificate that a CA of ours signed, for the host in the URL, and
 * whose identity is a witness of our own cluster: another member's certificate (an operator's, an
 * agent's) can never pose as a witness. A second enforcer speaks to an agent of its own site instead. Proxies, redirects, cookies, TLS sessions and the system's
 * CAs are never used.
 *
 * Names are dialed by the addresses that are kept of them (names.h), and looked up anew beside each dial; the loop never
 * waits for that. */
#ifndef BW_NET_HTTP_CLIENT_H
#define BW_NET_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>
#include <breakwater/net/credentials.h>
#include <breakwater/net/names.h>
#include <breakwater/obs/log.h>

#define BW_HTTP_EXCHANGES_MAX 72 /* in flight, per client */
#define BW_HTTP_URL_BYTES_MAX 2047

struct bw_http_exchange; /* one request and its answer; opaque */

/* In the caller's memory from init until its closed-callback; all fields are private. */
struct bw_http_client {
    uv_loop_t *loop;
    struct bw_log *log;
    void *multi; /* CURLM */
    uv_timer_t timer;
    uv_idle_t soon; /* libcurl wants to act at once */
    uv_timer_t limits; /* the first limit of an exchange, or end of a certificate */
    bool is_closing;
    unsigned handle_count;              /* of the loop, not yet closed */
    struct bw_http_identity *identity;  /* NULL until set */
    char agents_of[BW_NAME_MAX + 1];    /* whose agents are spoken to; "": witnesses are */
    uint64_t trust;                     /* number of what new connections are made with */
    uint64_t trust_ends_ms; /* the loop's time: the first server's certificate has ended */
    struct bw_names *names; /* that it dials by */
    bool has_own_names;     /* nobody has given it any */
    struct bw_http_exchange *exchanges; /* in flight, newest first */
    size_t exchange_count;
    void (*on_closed)(void *user);
    void *on_closed_user;
};

/* What to ask. Everything is copied by bw_http_client_send. */
struct bw_http_call {
    const char *method;       /* "GET", "POST", "PUT", "DELETE" */
    const char *url;          /* https only, at most 2047 bytes */
    const char *content_type; /* of the body; NULL without one */
    const void *body;         /* NULL: none */
    size_t body_size;
    /* Each limit counts from the begin of its own part. A limit of all parts together would cut off the
     * first request of each new connection where the network path is long, and so each connection. */
    unsigned connect_timeout_ms;   /* name and TCP, > 0; no matter on a kept connection */
    unsigned handshake_timeout_ms; /* TLS; 0: as long as connect_timeout_ms */
    unsigned timeout_ms; /* request and whole answer, > 0; a long poll: its wait + 5 s */
    /* How long a name of which no address is kept may be looked up, apart from the other limits, which count from then on.
     * 0: within connect_timeout_ms. The lookup goes on when that has passed: a later request has its answer. */
    unsigned lookup_timeout_ms;
    struct bw_names *names; /* of bw_http_client_call alone: not open; keeps what is looked up. NULL: nothing does */
    size_t response_bytes_max;   /* a longer body is BW_ERR_LIMIT */
};

/* How it ended. All pointers are the client's, good until on_done returns. */
struct bw_http_answer {
    enum bw_err err;       /* BW_OK: an HTTP answer came, whatever its status says */
    int status;            /* HTTP status; 0 unless err is BW_OK */
    const char *body;      /* NUL after its end; never NULL */
    size_t body_size;      /* 0 unless err is BW_OK */
    bool may_have_arrived; /* false: the server surely never saw the request */
    uint64_t trip_us;      /* a round trip to the server, as measured; 0: not known */
    const char *text;      /* "HOST:PORT: what happened", for people; "" when err is BW_OK */
};
/* err is one of
 *   BW_ERR_UNREACHABLE  refused, no route, no such name, or the connection broke
 *   BW_ERR_TIMEOUT      a limit passed: the text says in which phase
 *   BW_ERR_AUTH         TLS: we do not accept the server, or it does not accept us; says why
 *   BW_ERR_LIMIT        the answer is longer than allowed
 *   BW_ERR_CANCELED     by bw_http_exchange_cancel or bw_http_client_close
 *   BW_ERR_CORRUPT      not HTTP, or an answer whose end cannot be told from a broken connection
 *   BW_ERR_NOMEM, BW_ERR_IO */
typedef void bw_http_on_done(void *user, const struct bw_http_answer *answer);

/* Make a client on `loop`; `log` is kept (may be NULL). BW_ERR_NOMEM or BW_ERR_IO: nothing is left
 * behind and close must not be called. */
BW_MUST_CHECK enum bw_err bw_http_client_init(struct bw_http_client *client, uv_loop_t *loop,
                                              struct bw_log *log, struct bw_diag *diag);

/* Set, or replace at run time, who we are and whom we trust; copies what it needs. Requests begun
 * before go on with the old credentials where the server's certificate is trusted still, and end
 * with BW_ERR_AUTH where it is not; later ones open new connections if anything differs, and once
 * the certificate of a server has ended, with which its requests in flight end likewise. on_done may be called before this returns. BW_ERR_NOMEM:
 * the old ones stay. */
BW_MUST_CHECK enum bw_err bw_http_client_set_credentials(struct bw_http_client *client,
                                                         const struct bw_credentials *credentials,
                                                         struct bw_diag *diag);

/* From now on servers must be agents of `site`, whatever their host is called: a certificate of one names no host.
 * Before the first request. */
void bw_http_client_expect_agent(struct bw_http_client *client, const char *site);

/* From now on names are dialed by what `names` keeps, which is open on the same loop until the client has closed.
 * Before the first request; without it the client has a memory of its own. */
void bw_http_client_use_names(struct bw_http_client *client, struct bw_names *names);

/* Begin a request; its first byte leaves in the loop's next turn, never before this was called: an
 * instant read just before is "sent" for the lease (3.2.1). `on_done` is called exactly once, from
 * the loop, never before this returns.
 *
 * Returns the exchange, good until its on_done returned; or NULL when it was not begun, `diag` says
 * why and on_done will not be called: BW_ERR_INVALID (url, no credentials set), BW_ERR_LIMIT (too
 * many exchanges), BW_ERR_CANCELED (closing), BW_ERR_NOMEM. */
BW_MUST_CHECK struct bw_http_exchange *bw_http_client_send(struct bw_http_client *client,
                                                           const struct bw_http_call *call,
                                                           bw_http_on_done *on_done, void *user,
                                                           struct bw_diag *diag);

/* How many exchanges wait for an address of their host. */
size_t bw_http_client_looks_up(const struct bw_http_client *client);

/* Give an exchange up: its on_done is called with BW_ERR_CANCELED before this returns. From inside
 * its own on_done nothing happens. */
void bw_http_exchange_cancel(struct bw_http_exchange *exchange);

/* End everything: pending exchanges get BW_ERR_CANCELED before this returns; once the loop has
 * closed all handles, `on_closed` (may be NULL) is called and the memory is the caller's again. May
 * be called inside an on_done; a second call is ignored, its callback too. */
void bw_http_client_close(struct bw_http_client *client, void (*on_closed)(void *user), void *user);

/* The same for a command: one call on a loop of its own; blocks until it ended. The reply is always
 * written and always given back to bw_http_reply_deinit. Returns what bw_http_answer calls err; the
 * text of an error is in `diag`. */
struct bw_http_reply {
    int status;
    char *body; /* NUL after its end; NULL unless BW_OK */
    size_t body_size;
    bool may_have_arrived;
    uint64_t trip_us; /* 0: not known */
};
BW_MUST_CHECK enum bw_err bw_http_client_call(const struct bw_credentials *credentials,
                                              const struct bw_http_call *call,
                                              struct bw_http_reply *out_reply,
                                              struct bw_diag *diag);
void bw_http_reply_deinit(struct bw_http_reply *reply);

#endif
