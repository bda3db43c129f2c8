/* revoked.h - certificates that count no more, whatever their dates: a leaked key, a machine that was given
 * away, a person who has left. Named in the configuration (`tls.revoked`), on every side that is to refuse
 * them. Design 5.3. Immutable; of any thread. */
#ifndef BW_NET_REVOKED_H
#define BW_NET_REVOKED_H

#include <stdbool.h>
#include <stddef.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>

#define BW_REVOKED_SERIAL_MAX  20   /* bytes (RFC 5280, 4.1.2.2) */
#define BW_REVOKED_ENTRY_BYTES 256  /* of an entry's text, at most */

struct bw_revoked;
struct x509_st; /* OpenSSL's X509 */

/* Each entry is a name as in the certificate's URI ("operator/anna", "agent/SITE/NAME"), which is every
 * certificate of that name, older and newer ones; or "serial:" and the hexadecimal number that `pki show`
 * prints, with or without colons: that one certificate. BW_ERR_INVALID names the entry; BW_ERR_LIMIT: more
 * than BW_REVOKED_MAX. Give back with bw_revoked_free. */
BW_MUST_CHECK enum bw_err bw_revoked_new(const char *const *entries, size_t count,
                                         struct bw_revoked **out_revoked, struct bw_diag *diag);

/* One more owner; accepts and returns NULL. */
struct bw_revoked *bw_revoked_keep(struct bw_revoked *revoked);
/* One owner less; accepts NULL. */
void bw_revoked_free(struct bw_revoked *revoked);

/* `revoked` NULL: nothing is. */
bool bw_revoked_has(const struct bw_revoked *revoked, const struct x509_st *certificate);
/* The list has this very name ("operator/anna", "agent/SITE/NAME") or serial ("serial:HEX"): for a
 * certificate that another has seen, and speaks of. What is neither is not in it. */
bool bw_revoked_has_entry(const struct bw_revoked *revoked, const char *text);

#endif
