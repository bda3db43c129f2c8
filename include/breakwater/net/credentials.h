/* credentials.h - what this process is on the network: the CAs it trusts, its certificate chain and
 * its key, read from two files and checked as one. Design 5.2, 5.3. Reads files; no loop, no
 * socket.
 *
 * Immutable once loaded: a reload loads another one beside it, so a bad file changes nothing. */
#ifndef BW_NET_CREDENTIALS_H
#define BW_NET_CREDENTIALS_H

#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/instant.h>
#include <breakwater/net/revoked.h>
#include <breakwater/net/roles.h>
#include <breakwater/os/path_owner.h>

#define BW_CREDENTIALS_FILE_BYTES_MAX (256 * 1024)

struct bw_credentials;

/* `ca_path`: one or more CA certificates in PEM. `identity_path`: a certificate, then the rest of
 * its chain if any, and its key, all PEM in one file that nobody but its owner can read.
 *
 * Refuses, in words that name the file: unreadable, too large, no certificate, not exactly one key,
 * a key that group or others can read, an encrypted key, a key of another certificate, a
 * certificate that no CA in `ca_path` issued, a certificate without a breakwater identity. Dates
 * are not looked at: see bw_credentials_check. Free with bw_credentials_free. */
BW_MUST_CHECK enum bw_err bw_credentials_load(const char *ca_path, const char *identity_path,
                                              struct bw_credentials **out_credentials,
                                              struct bw_diag *diag);

/* Accepts NULL. Wipes the key from memory. */
void bw_credentials_free(struct bw_credentials *credentials);

/* Whatever is made of `credentials` from now on accepts no certificate that one of `entries` means:
 * errors as of bw_revoked_new, and then nothing has changed. */
BW_MUST_CHECK enum bw_err bw_credentials_revoke(struct bw_credentials *credentials,
                                                const char *const *entries, size_t count,
                                                struct bw_diag *diag);
/* NULL: nothing is. Owned by `credentials`. */
struct bw_revoked *bw_credentials_revoked(const struct bw_credentials *credentials);

/* Who we are. */
const struct bw_identity *bw_credentials_identity(const struct bw_credentials *credentials);

/* BW_ERR_AUTH, with what to do next, when the certificate is not for `cluster`, not for one of
 * `roles` (BW_ROLE_BIT), has expired or is not yet valid at `now`. */
BW_MUST_CHECK enum bw_err bw_credentials_check(const struct bw_credentials *credentials,
                                               const char *cluster, unsigned roles,
                                               struct bw_wall now, struct bw_diag *diag);

/* What a daemon's own certificate has to be, by its configuration. */
struct bw_own_certificate {
    const char *ca, *identity;
    const char *const *revoked;
    uint32_t revoked_count;
    const char *cluster;
    enum bw_role role;      /* AGENT or WITNESS */
    const char *site, *name; /* `site`: "" of a witness */
};
/* With all that it points to, in one block: for a thread that may outlive the configuration. Free it with free().
 */
struct bw_own_certificate *bw_own_certificate_copy(const struct bw_own_certificate *own);
/* A copy of `own` that takes back whom `fresh` does, too: in force from when a file was read until the certificate that it
 * names is in, for whom the file names no more may be in the list of another authority. Of more than BW_REVOKED_MAX all
 * of `fresh` are in it, and of `own` the first that fit. NULL: `own` has all of them. Free it with free(). */
struct bw_own_certificate *bw_own_certificate_with(const struct bw_own_certificate *own,
                                                   const struct bw_own_certificate *fresh);
/* BW_ERR_REFUSED when others can change one of the two files (os/path_owner.h): they would choose whom this
 * process believes, or as whom it speaks. */
BW_MUST_CHECK enum bw_err bw_credentials_check_owners(const char *ca_path, const char *identity_path,
                                                      struct bw_diag *diag);
/* Looks whose the files are, loads, revokes, checks at `now`, and compares the names: BW_ERR_AUTH, with what to do next. */
BW_MUST_CHECK enum bw_err bw_credentials_load_own(const struct bw_own_certificate *own,
                                                  struct bw_wall now,
                                                  struct bw_credentials **out_credentials,
                                                  struct bw_diag *diag);

/* What the two files looked like: another look means that they are to be read again. So does that they could not be
 * used: a disk that failed, or a clock before their time, is no longer so without any change to them. */
struct bw_certificate_look {
    struct bw_file_look ca, identity;
    char refused[BW_DIAG_TEXT_BYTES]; /* why they could not be used; "": they could */
};
struct bw_certificate_look bw_certificate_look_at(const struct bw_own_certificate *own);
/* bw_credentials_load_own, where they look otherwise than `*look`, could not be used, or `always`; else NULL and BW_OK,
 * as where they still cannot be used for the reason that was said before, unless `always`. `*look` is then how they
 * looked before they were read: a later change is noticed. May take as long as the file system does. */
BW_MUST_CHECK enum bw_err bw_credentials_read_again(const struct bw_own_certificate *own,
                                                    struct bw_wall now, bool always,
                                                    struct bw_certificate_look *look,
                                                    struct bw_credentials **out_credentials,
                                                    struct bw_diag *diag);

/* BW_ERR_AUTH, with what to do next, when whoever dials `address` (HOST:PORT) would not take the
 * certificate: the host is not among the names and addresses in it. */
BW_MUST_CHECK enum bw_err bw_credentials_check_address(const struct bw_credentials *credentials,
                                                       const char *address, struct bw_diag *diag);

/* First instant at which no trusted CA vouches for the certificate any more: its own end, or an earlier one of its CAs. */
struct bw_wall bw_credentials_expiry(const struct bw_credentials *credentials);
/* Whole seconds left at `now`, rounded down; 0 once it has ended, and in its last second. A
 * duration to tell others, since nobody's wall clock is another's business. */
uint64_t bw_credentials_left_s(const struct bw_credentials *credentials, struct bw_wall now);
/* Whole days left at `now`, rounded down; negative when expired. */
int64_t bw_credentials_days_left(const struct bw_credentials *credentials, struct bw_wall now);
/* Whether the end of its certificate is worth a line in a daemon's log: once for each of 60, 30, 7,
 * 1 and 0 days that is more than what is left. `days_warned` is its note of that, INT64_MAX at first.
 */
bool bw_credentials_end_is_news(const struct bw_credentials *credentials, struct bw_wall now,
                                int64_t *days_warned, int64_t *out_days);

/* The three parts as PEM text, for libraries that take text (libcurl's blobs). Owned by
 * `credentials`; the chain begins with our own certificate. */
const char *bw_credentials_ca_pem(const struct bw_credentials *credentials);
const char *bw_credentials_chain_pem(const struct bw_credentials *credentials);
const char *bw_credentials_key_pem(const struct bw_credentials *credentials);

#endif
