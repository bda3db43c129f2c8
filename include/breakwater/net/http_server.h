/* http_server.h - HTTP/1.1 on TLS streams: one listener, a table of routes, rights before all else.
 * Design 5.3. The loop's thread only.
 *
 * Order of judgement, each an error answer after which the connection closes: the request line and
 * head (400, 414, 431, 505), no usable certificate where one is needed (401, also for unknown
 * paths), path (404), method (405), role (403), what it is about (`may`: 403), body (411, 413, 415,
 * 417). Only then the body is read, and the handler runs. One request at a time per connection: what a peer sends before it has
 * its answer is thrown away, and the connection closes after that answer.
 *
 * SIGPIPE must be ignored by the program. */
#ifndef BW_NET_HTTP_SERVER_H
#define BW_NET_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/instant.h>
#include <breakwater/base/limits.h>
#include <breakwater/net/roles.h>
#include <breakwater/net/tls_context.h>

#define BW_HTTP_TARGET_BYTES_MAX 1024               /* path and query together: 414 */
#define BW_HTTP_SEGMENTS_MAX     2                  /* {…} in one pattern */
#define BW_HTTP_ANSWER_BYTES_MAX (32 * 1024 * 1024) /* an answer; more is 500 */

struct bw_http_server;
struct bw_http_route;

/* One request, complete with its body. Owned by the server: good until it was answered, or until
 * on_gone has returned. Read-only for handlers. */
struct bw_http_request {
    const struct bw_http_route *route; /* its pattern is the label for metrics */
    bool is_head;                      /* HEAD, routed as GET: the answer's body is not sent */
    const char *path;                  /* as sent, without the query */
    const char *query;                 /* as sent; "" if there is none */
    char segments[BW_HTTP_SEGMENTS_MAX][BW_NAME_MAX + 1]; /* what {…} matched, decoded */
    const uint8_t *body;
    size_t body_size;
    const struct bw_identity *peer; /* NULL: no certificate, or none of ours (open routes only) */
    /* What its certificate says, of whatever cluster; NULL: nothing of ours. For logs alone. */
    const struct bw_identity *named;
    const struct x509_st *certificate; /* NULL: none, or it names nobody */
    const char *remote;             /* "ADDRESS:PORT" */
    struct bw_instant received;     /* read from `clock` after the last byte was read */
};

/* Answers with bw_http_respond before it returns, or calls bw_http_defer and answers later. */
typedef void bw_http_handler(struct bw_http_request *request, void *user);

#define BW_HTTP_OPEN 0u /* as `roles`: anybody, even without a certificate */

/* Beside `roles`: a good answer here makes a connection more worth keeping than any other of its
 * identity, because a lease hangs on it. */
#define BW_HTTP_KEEPS_SEAT (1u << 16)
_Static_assert(BW_ROLES_ANY < BW_HTTP_KEEPS_SEAT, "no role's bit");

/* Beside `roles`: the request says that it is application/json, or gets 415. No page of another
 * site can have a browser say that without being asked first (fetch.spec.whatwg.org,
 * "CORS-safelisted"). */
#define BW_HTTP_JSON (1u << 17)

/* What of the cluster a route shows or changes: by this those are judged who may speak for some groups
 * only. Each route says it: a table without does not compile, and a server does not open with UNSET. */
enum bw_http_about {
    BW_HTTP_ABOUT_UNSET,
    BW_HTTP_ABOUT_NOTHING, /* no group, and nothing of the cluster: is this program well? */
    BW_HTTP_ABOUT_SELF,    /* the caller's own: agents and witnesses */
    BW_HTTP_ABOUT_GROUP,   /* the group in segments[0] */
    BW_HTTP_ABOUT_GROUPS,  /* several: the handler leaves out, or refuses, what is not the caller's */
    BW_HTTP_ABOUT_CLUSTER, /* the cluster as a whole */
};

struct bw_http_route {
    const char *method;  /* "GET" (answers HEAD too), "POST", "PUT", "DELETE" */
    const char *pattern; /* "/v1/groups/{name}/history": a whole segment is fixed or {…} */
    unsigned roles;      /* BW_ROLE_BIT set, or BW_HTTP_OPEN; BW_HTTP_KEEPS_SEAT, BW_HTTP_JSON */
    enum bw_http_about about;
    bw_http_handler *handler;
};

/* Why a caller may not, in words; "" for no hint. */
/* What is said of a path that no route has; also of one that this release does not know yet. */
#define BW_HTTP_NO_SUCH_PATH "there is no such path"

struct bw_http_refused {
    char error[256];
    char hint[256];
};

/* Why a connection had to make room. X(NAME, word, text) */
#define BW_HTTP_EVICTION_LIST(X)                                                                   \
    X(ROOM, "room", "closed to make room for another connection")                                  \
    X(IDENTITY, "identity", "closed: this identity has too many connections")                      \
    X(PEOPLE, "people", "closed: operators and viewers have too many connections")                 \
    X(SLOW, "slow", "closed: read too slowly, and newer answers need the memory")                  \
    X(UNTRUSTED, "untrusted", "closed: its certificate counts no more")
enum bw_http_eviction {
#define X(name, word, text) BW_HTTP_EVICTION_##name,
    BW_HTTP_EVICTION_LIST(X)
#undef X
    BW_HTTP_EVICTION_COUNT
};
/* "room", ...: a stable word for logs and metrics. */
const char *bw_http_eviction_word(enum bw_http_eviction why);

struct bw_http_server_config {
    const char *listen;         /* "HOST:PORT", numeric host; port 0 takes a free one */
    struct ssl_ctx_st *context; /* kept */
    const char *cluster;        /* an identity of another cluster is none; borrowed for the call */
    const struct bw_http_route *routes; /* borrowed for the server's life */
    size_t route_count;
    struct bw_instant (*clock)(void *user);
    /* Once the role has the right: whether this caller may what the route is about. False: 403 with what
     * `out_refused` says. The request has no body yet. NULL: the role is enough. */
    bool (*may)(const struct bw_http_request *request, struct bw_http_refused *out_refused,
                void *user);
    /* After each answer, errors included; request->route is NULL if none was found. May be NULL. */
    void (*on_answered)(const struct bw_http_request *request, int status, void *user);
    /* Before an error answer of the server's own, by bw_http_respond_error, or of a handler that calls
     * bw_http_tell_refused. The request is as far as it was read; its route is NULL if none was found.
     * May be NULL. */
    void (*on_refused)(const struct bw_http_request *request, int status, const char *error,
                       void *user);
    /* As the handshake ends: whether `peer` may ask anything here. False, or an identity of no such cluster: its connection
     * is closed at once, as one whose handshake has failed (BW_ERR_AUTH), and holds no seat. NULL: the
     * routes judge, once a request is there. */
    bool (*welcomes)(const struct bw_identity *peer, void *user);
    /* A peer that did not get through the handshake, or is not welcome, and why. May be NULL. */
    void (*on_handshake_failed)(const char *remote, enum bw_err why, const char *text, void *user);
    /* A connection was closed because it took the place of others; `identity` NULL: a stranger's.
     * May be NULL. */
    void (*on_evicted)(const char *remote, const struct bw_identity *identity,
                       enum bw_http_eviction why, void *user);
    void *user; /* for handlers and callbacks */

    /* 0: the default in brackets */
    unsigned connections_max;          /* [BW_CONNECTIONS_MAX] */
    unsigned identity_connections_max; /* [BW_CONNECTIONS_PER_IDENTITY_MAX] */
    unsigned people_connections_max;   /* [BW_CONNECTIONS_PEOPLE_MAX] operators and viewers together */
    size_t body_bytes_max;      /* [BW_BODY_BYTES_MAX] */
    uint32_t handshake_ms;      /* [3 s] */
    uint32_t request_ms;        /* [10 s] head and body together */
    uint32_t idle_ms;           /* [30 s] between requests */
    uint32_t answer_ms;         /* [10 s] for what was sent to be read or acknowledged */
    uint32_t old_connection_ms; /* [1 h] age at which a connection of a replaced context closes */
};

struct bw_http_counters {
    uint64_t accepted;
    uint64_t handshakes_failed;
    uint64_t evicted[BW_HTTP_EVICTION_COUNT]; /* closed for others' sake: http_seats.h */
    uint64_t refused;                         /* no room, and nobody to evict */
};

/* Binds and listens. BW_ERR_INVALID: `listen` is no numeric HOST:PORT; BW_ERR_IO: bind or listen
 * failed; nothing is left behind then (the loop must turn once more to free the handle). */
BW_MUST_CHECK enum bw_err bw_http_server_open(uv_loop_t *loop,
                                              const struct bw_http_server_config *config,
                                              struct bw_http_server **out_server,
                                              struct bw_diag *diag);

/* Stops listening and closes every connection (unanswered requests get on_gone), then calls
 * `on_closed`, once, and frees itself. May be called from a handler; twice does nothing. */
void bw_http_server_close(struct bw_http_server *server, void (*on_closed)(void *user), void *user);

uint16_t bw_http_server_port(const struct bw_http_server *server);
unsigned bw_http_server_connections(const struct bw_http_server *server);
struct bw_http_counters bw_http_server_counters(const struct bw_http_server *server);

/* New connections use `context` (kept) from now on. Old ones whose certificate it does not accept
 * close at once (BW_HTTP_EVICTION_UNTRUSTED). The others keep their identity, and close when they
 * are `old_connection_ms` old: at once if idle, else after the answer they wait for. */
void bw_http_server_set_context(struct bw_http_server *server, struct ssl_ctx_st *context);

/* ---- for handlers ---- */

/* The value of `key` in the query, percent-decoded ('+' is a blank). BW_ERR_NOT_FOUND, or
 * BW_ERR_INVALID when it is there twice, badly escaped, has a control byte or does not fit `size`.
 */
BW_MUST_CHECK enum bw_err bw_http_query(const struct bw_http_request *request, const char *key,
                                        char *out_value, size_t size);

/* Of a status, for people who watch the wire; programs read the number. */
const char *bw_http_reason(int status);

/* Answers, exactly once; the request is gone afterwards. `body` is copied, and may be a part of the
 * request. 204 and 304 have none. */
void bw_http_respond(struct bw_http_request *request, int status, const char *content_type,
                     const void *body, size_t size);
/* The same with more head fields: whole lines, each ending in CRLF, made by us (at most 512 bytes;
 * nothing a peer wrote goes in unchecked). */
void bw_http_respond_with(struct bw_http_request *request, int status, const char *fields,
                          const char *content_type, const void *body, size_t size);
/* A body that several answers share without a copy of their own; on the heap. */
struct bw_http_body {
    char *text;
    size_t size;
    unsigned keeper_count; /* answers under way, and whoever made it */
};
/* Takes `text` (from malloc), also on NULL: no memory. The caller is its first keeper. */
struct bw_http_body *bw_http_body_new(char *text, size_t size);
/* One keeper less; the last one frees it. Accepts NULL. */
void bw_http_body_free(struct bw_http_body *body);
/* Like bw_http_respond_with; `body` is kept until it was sent. */
void bw_http_respond_body(struct bw_http_request *request, int status, const char *fields,
                          const char *content_type, struct bw_http_body *body);
/* Closes every connection to which `body` is still being sent. */
void bw_http_server_drop_readers(struct bw_http_server *server, const struct bw_http_body *body);

/* {"error":TEXT,"hint":HINT}; hint NULL: without. Texts are escaped, each cut at 512 bytes. */
void bw_http_respond_error(struct bw_http_request *request, int status, const char *error,
                           const char *hint);

/* For a handler with error answers of its own form: calls on_refused. */
void bw_http_tell_refused(const struct bw_http_request *request, int status, const char *error);

struct bw_http_later {
    /* The client is gone, or the server closes: never answer this request. Exactly once, and only
     * if it was not answered. Required. */
    void (*on_gone)(struct bw_http_request *request, void *user);
    /* The deadline has passed: answer now, or defer again. Required if a deadline is given. */
    void (*on_deadline)(struct bw_http_request *request, void *user);
};

/* The handler will answer later. `deadline_ms` from now; 0: none. `later` is borrowed until then.
 * May be called again. */
void bw_http_defer(struct bw_http_request *request, uint32_t deadline_ms,
                   const struct bw_http_later *later, void *user);

#endif
