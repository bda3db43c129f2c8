/* tls_context.h - OpenSSL contexts as breakwater wants them: TLS 1.3 only, no tickets, no session
 * cache (a resumed session would skip a new certificate check), buffers released when idle. */
#ifndef BW_NET_TLS_CONTEXT_H
#define BW_NET_TLS_CONTEXT_H

#include <breakwater/net/credentials.h>

struct ssl_ctx_st; /* OpenSSL's SSL_CTX, counted: a live stream keeps the context it began with */

enum bw_tls_context_kind {
    BW_TLS_SERVER_OPTIONAL, /* a peer may come without a certificate; the route decides by role */
    BW_TLS_SERVER_REQUIRED, /* Raft: a peer without a certificate is refused in the handshake */
    BW_TLS_SERVER_ALONE,    /* no peer is asked for a certificate: it may have one of others */
    BW_TLS_CLIENT,          /* shows our certificate, requires the server's */
};

/* A peer's certificate is accepted when one of our CAs issued it, for this use, it is valid now,
 * and it is not revoked. *Who* it names is the caller's to judge (roles.h). Copies what it needs
 * from `credentials`. Give back with bw_tls_context_free. */
BW_MUST_CHECK enum bw_err bw_tls_context_new(const struct bw_credentials *credentials,
                                             enum bw_tls_context_kind kind,
                                             struct ssl_ctx_st **out_context, struct bw_diag *diag);

/* One more owner of `context`; returns it. */
struct ssl_ctx_st *bw_tls_context_keep(struct ssl_ctx_st *context);
/* One owner less; accepts NULL. */
void bw_tls_context_free(struct ssl_ctx_st *context);

#endif
