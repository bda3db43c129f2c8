/* http_private.h - what the three files of the server share: http_server.c (listener and
 * connections), http_request.c (bytes to requests), http_answer.c (answers to bytes). */
#ifndef BW_NET_HTTP_PRIVATE_H
#define BW_NET_HTTP_PRIVATE_H

#include <llhttp.h>

#include <breakwater/net/http_server.h>
#include <breakwater/net/tls_stream.h>

#include "http_seats.h"

#define FIELD_NAME_BYTES  24 /* the longest field name that means something to us, and more */
#define FIELD_VALUE_BYTES 32 /* the longest value that means something to us, and more */

enum phase {
    PHASE_WAITING,   /* for the first byte of a request */
    PHASE_READING,   /* head and body */
    PHASE_HANDLING,  /* the handler has it */
    PHASE_ANSWERING, /* an answer larger than the queue is under way */
    PHASE_ENDING,    /* our last words were said, or the stream is closing */
};

/* A request while it is read and handled; from its first byte until it is answered. */
struct exchange {
    struct bw_http_request request; /* first: handlers hold a pointer to it */
    struct connection *connection;
    const struct bw_http_later *later; /* NULL: not deferred */
    void *later_user;
    char target[BW_HTTP_TARGET_BYTES_MAX + 1];
    size_t target_size;
    uint8_t *body;
    size_t body_capacity;
    unsigned field_count;
    unsigned host_count;
    bool has_transfer_encoding;
    bool head_complete;
    char field[FIELD_NAME_BYTES]; /* the name being read; longer ones are cut, and so match none */
    size_t field_size;
    char value[FIELD_VALUE_BYTES];
    size_t value_size;
    char expect[FIELD_VALUE_BYTES];
    char content_type[FIELD_VALUE_BYTES];
};

/* The part of an answer that has not fitted into the stream's queue yet: `data`, then `body`. */
struct rest {
    size_t size; /* of data */
    size_t body_size;
    size_t sent; /* of both */
    struct bw_http_body *body; /* kept; NULL: all is in data */
    uint8_t data[];
};

/* An error found while bytes are parsed; `error` NULL: none. */
struct refusal {
    int status;
    const char *error;
    const char *hint;
    char fields[64]; /* "Allow: …\r\n" or "" */
    char text[64];   /* where `error` points when it has a number in it */
    struct bw_http_refused refused; /* where both point when the program's own `may` said no */
};

struct connection {
    struct bw_http_seat seat; /* first: the list of seats is the list of connections */
    struct bw_http_server *server;
    struct bw_tls_stream *stream;
    llhttp_t parser;
    enum phase phase;
    size_t head_bytes;         /* of the head being read */
    struct exchange *exchange; /* NULL: none begun, or answered */
    struct rest *rest;
    struct refusal refusal;
    uint64_t born_ms;
    uint64_t generation; /* of the server's context */
    bool ready;          /* through the handshake */
    bool close_after;    /* the answer */
};

struct bw_http_server {
    struct bw_http_server_config config; /* defaults filled in */
    char cluster[BW_NAME_MAX + 1];
    uv_tcp_t listener;
    uv_timer_t sweep; /* runs while there are connections of an older context */
    struct bw_http_seats seats;
    unsigned handles_open;
    uint64_t generation;
    struct bw_http_counters counters;
    uint16_t port;
    bool closing;
    bool accept_waiting; /* a connection waits in the kernel until one of ours has left */
    void (*on_closed)(void *user);
    void *closed_user;
};

/* http_request.c */
void bw_http_connection_init_parser(struct connection *connection);
/* Parses, judges, and runs handlers. */
void bw_http_connection_take(struct connection *connection, const uint8_t *data, size_t size);
void bw_http_exchange_free(struct connection *connection);
/* An identity of this cluster; NULL: a stranger. */
const struct bw_identity *bw_http_peer_of(const struct connection *connection);

/* http_route.c */
/* Splits the target, finds the route, checks the peer's rights. False: `refusal` is filled. */
bool bw_http_route_request(const struct bw_http_server_config *config, struct exchange *exchange,
                           const char *method, bool has_certificate, struct refusal *out_refusal);
bool bw_http_refuse(struct refusal *refusal, int status, const char *error, const char *hint);

/* http_answer.c */
/* Answers connection->refusal, and ends the connection. */
void bw_http_answer_refusal(struct connection *connection);
/* The stream has room again. */
void bw_http_answer_go_on(struct connection *connection);
/* What was not sent is forgotten. */
void bw_http_rest_free(struct connection *connection);

/* http_server.c */
/* What its seat has to know of the phase. */
void bw_http_connection_enter(struct connection *connection, enum phase phase);
/* Between two requests: closes if that was the last one. */
void bw_http_connection_wait(struct connection *connection);
/* No more requests: what was said is sent, then the connection ends. */
void bw_http_connection_end(struct connection *connection);

#endif
