/* http_transfer.h - one exchange as libcurl sees it: its options, and what libcurl calls while it
 * runs. None of that may call libcurl back. Private to net: http_client.c runs the transfers. */
#ifndef BW_NET_HTTP_TRANSFER_H
#define BW_NET_HTTP_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>

#include <curl/curl.h>

#include <breakwater/base/limits.h>
#include <breakwater/net/http_client.h>
#include <breakwater/net/names.h>
#include <breakwater/net/revoked.h>
#include <breakwater/net/tls_context.h>

#define BW_HTTP_WHERE_BYTES (BW_ADDRESS_MAX + 1)

/* What every new connection is made with. */
struct bw_http_identity {
    char *ca_pem;
    char *chain_pem;
    char *key_pem;
    struct bw_revoked *revoked; /* NULL: nothing is */
    char cluster[BW_NAME_MAX + 1];
};

enum bw_http_stop {
    BW_HTTP_STOP_NONE,
    BW_HTTP_STOP_BODY_TOO_LONG,
    BW_HTTP_STOP_HEAD_TOO_LONG,
    BW_HTTP_STOP_NOMEM,
};

struct bw_http_exchange {
    struct bw_http_client *client;
    struct bw_http_exchange *next;
    struct bw_http_exchange *previous;
    uint64_t trust; /* of the client, when it was begun or last judged */
    uint64_t begun_ms; /* the loop's time; so is the next */
    uint64_t limit_ms; /* when the part that is under way ends: dial, handshake, or request and answer */
    unsigned handshake_timeout_ms;
    unsigned timeout_ms;
    CURLM *multi;
    CURL *easy; /* NULL once it ended */
    struct curl_slist *fields;
    struct curl_slist *addresses; /* of its host, for libcurl; NULL: the host is numeric */
    struct bw_names_wait wait;    /* for the first address of its host */
    unsigned connect_timeout_ms;  /* the dial's, once the lookup has ended, which has a limit of its own; 0: one for both */
    bool is_begun;                /* libcurl has it */
    bool has_dialed;              /* a connection of its own */
    struct sockaddr_storage tried[BW_NAME_ADDRESSES_MAX]; /* addresses to which it opened a socket */
    size_t tried_count;
    char host[BW_ADDRESS_MAX + 1];
    char port[6];
    char error[CURL_ERROR_SIZE];
    char where[BW_HTTP_WHERE_BYTES]; /* HOST:PORT */
    char *body;                      /* NUL after its end */
    size_t body_size;
    size_t body_capacity;
    size_t body_bytes_max;
    size_t head_size;
    bool has_connected; /* a new connection of its reached TLS */
    bool is_chunked;
    enum bw_http_stop stop; /* why our own callback ended the transfer */
    bw_http_on_done *on_done;
    void *user;
};

/* The part that is under way now may take so long. Of http_client.c; may be called while libcurl runs. */
void bw_http_exchange_limit(struct bw_http_exchange *exchange, unsigned limit_ms);

/* Make exchange->easy ready to run `call` with the client's identity. False: out of memory, or a
 * libcurl that cannot do what we need; release the transfer then. */
bool bw_http_transfer_prepare(struct bw_http_exchange *exchange, const struct bw_http_call *call);

/* Tells libcurl the addresses of its host, before libcurl gets it. */
bool bw_http_transfer_set_addresses(struct bw_http_exchange *exchange,
                                    const struct sockaddr_storage *addresses, size_t count);

/* As it ends so: which of the addresses that it dialed has led to the server that was meant, or which have not. */
void bw_http_transfer_note_addresses(struct bw_http_exchange *exchange, enum bw_err err);

/* Whether `context` would accept the certificate that the server has shown. */
bool bw_http_transfer_is_trusted(const struct bw_http_exchange *exchange,
                                 struct ssl_ctx_st *context, const char **out_why);

/* The loop's time at which the certificate of the server that it is connected to ends; UINT64_MAX: never, or it
 * is not connected yet. */
uint64_t bw_http_transfer_trust_ends_ms(const struct bw_http_exchange *exchange);

/* A round trip, once an answer came: TCP's beginning, or request and answer, whichever was shorter. What was lost, or
 * what the server did meanwhile, makes one of them longer. 0: not known. */
uint64_t bw_http_transfer_trip_us(const struct bw_http_exchange *exchange);

/* Free what prepare made. The handle must not be in a multi any more. */
void bw_http_transfer_release(struct bw_http_exchange *exchange);

/* Where a request goes, by its URL. Private to net. */

struct bw_http_target {
    char where[BW_HTTP_WHERE_BYTES]; /* HOST:PORT; IPv6: in brackets */
    char name[BW_ADDRESS_MAX + 1];   /* HOST; "": it is numeric */
    char port[6];
};

/* https://HOST[:PORT]/..., without a user. False: it is none. */
bool bw_http_target_of(const char *url, struct bw_http_target *out);

#endif
