/* roles.h - who a peer is: the one URI in its certificate. Design 5.3. Pure, except for
 * bw_identity_of_certificate, which reads OpenSSL's structures (and touches no file or socket).
 *
 *   breakwater://CLUSTER/witness/NAME      breakwater://CLUSTER/operator/NAME
 *   breakwater://CLUSTER/agent/SITE/NAME   breakwater://CLUSTER/viewer/NAME */
#ifndef BW_NET_ROLES_H
#define BW_NET_ROLES_H

#include <stdbool.h>
#include <stddef.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>

/* X(name, word in the URI) */
#define BW_ROLE_LIST(X)                                                                            \
    X(BW_ROLE_WITNESS, "witness")                                                                  \
    X(BW_ROLE_AGENT, "agent")                                                                      \
    X(BW_ROLE_OPERATOR, "operator")                                                                \
    X(BW_ROLE_VIEWER, "viewer")

enum bw_role {
#define X(name, word) name,
    BW_ROLE_LIST(X)
#undef X
};

/* A set of roles, for route tables. */
#define BW_ROLE_BIT(role) (1u << (role))
#define BW_ROLES_ANY                                                                               \
    (BW_ROLE_BIT(BW_ROLE_WITNESS) | BW_ROLE_BIT(BW_ROLE_AGENT) | BW_ROLE_BIT(BW_ROLE_OPERATOR) |   \
     BW_ROLE_BIT(BW_ROLE_VIEWER))

struct bw_identity {
    char cluster[BW_NAME_MAX + 1];
    enum bw_role role;
    char site[BW_NAME_MAX + 1]; /* of an agent; "" for every other role */
    char name[BW_NAME_MAX + 1];
};

/* scheme, three names with their slashes, the longest role word, NUL */
#define BW_IDENTITY_TEXT_BYTES (13 + 3 * (BW_NAME_MAX + 1) + 9 + 1)

/* "witness", "agent", ...; never NULL. */
const char *bw_role_text(enum bw_role role);

/* Reads `size` bytes (not necessarily ended by NUL). False, and `out_identity` untouched, on
 * anything but exactly one of the four forms with valid names (name.h). */
BW_MUST_CHECK bool bw_identity_parse(const char *uri, size_t size,
                                     struct bw_identity *out_identity);

/* The URI of `identity`. */
void bw_identity_format(const struct bw_identity *identity, char out_text[BW_IDENTITY_TEXT_BYTES]);

struct x509_st; /* OpenSSL's X509 */

/* The identity in the certificate's subject alternative names. BW_ERR_AUTH, `out_identity`
 * untouched, when there is not exactly one URI, or it is none of ours: two URIs are no identity,
 * and the common name never counts. Leaves OpenSSL's error queue empty. */
BW_MUST_CHECK enum bw_err bw_identity_of_certificate(const struct x509_st *certificate,
                                                     struct bw_identity *out_identity,
                                                     struct bw_diag *diag);

#endif
