/* pki.h - the certificates of a cluster: one CA, and one file per identity. Design 5.2, 5.3.
 *
 * A CA carries its cluster's name as the CN of its subject (O is "breakwater"). A leaf carries its
 * identity as the only URI among its subject alternative names: breakwater://CLUSTER/ROLE/NAME, or
 * breakwater://CLUSTER/agent/SITE/NAME. Files appear whole or not at all (temporary name, fsync,
 * rename), and certificate and key share one file, so that a reload can never see halves of two.
 * One run at a time writes a file: another gets BW_ERR_BUSY, and waits for nobody.
 *
 * Everything here blocks and reads the wall clock: for commands and for start and reload. Every
 * error text names the file and the next step. Nothing here is called from a loop's hot path. */
#ifndef BW_NET_PKI_H
#define BW_NET_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>
#include <breakwater/base/limits.h>

#define BW_PKI_CA_FILE          "ca.pem"
#define BW_PKI_CA_KEY_FILE      "ca.key"
#define BW_PKI_LEAF_DAYS        365  /* how long a leaf lasts unless asked otherwise */
#define BW_PKI_LEAF_DAYS_MAX    825  /* longer than that, verifiers refuse server certificates */
#define BW_PKI_PATH_MAX         4096 /* bytes of a path, its NUL included */
#define BW_PKI_CERTIFICATES_MAX 16   /* in one file */
#define BW_PKI_SANS_MAX         32   /* of one certificate */
#define BW_PKI_SAN_MAX          511  /* bytes of "uri:...", "dns:..." or "ip:..." */
#define BW_PKI_TEXT_MAX         511  /* bytes of a subject or issuer, as printed */

/* Make the CA of `cluster` in `dir` (made if missing, its parent must exist): P-256, ten years,
 * pathlen 0; ca.key is 0600 and not encrypted.
 *
 * BW_ERR_INVALID: not a name. BW_ERR_EXISTS: one of the two files is there; nothing was changed. */
BW_MUST_CHECK enum bw_err bw_pki_init(const char *cluster, const char *dir, struct bw_diag *diag);

struct bw_pki_request {
    const char *dir;         /* where ca.pem and ca.key are */
    const char *subject;     /* "witness/NAME", "agent/SITE/NAME", "operator/NAME", "viewer/NAME" */
    const char *const *sans; /* "dns:NAME" or "ip:ADDRESS", besides the identity */
    size_t sans_count;       /* < BW_PKI_SANS_MAX */
    unsigned days;           /* 1 .. BW_PKI_LEAF_DAYS_MAX; 0: BW_PKI_LEAF_DAYS */
    const char *out_path;    /* NULL: NAME.pem in `dir`, SITE-NAME.pem for an agent */
};

/* Issue a certificate with a new key for `request`, signed by the CA in its dir, whose cluster it
 * belongs to. `out_path` receives the path of the file, mode 0600.
 *
 * A file of the same identity is replaced; anything else at that path, the CA's files included, is
 * BW_ERR_EXISTS and stays. BW_ERR_REFUSED: others can read ca.key. BW_ERR_INVALID: a bad name, SAN
 * or number of days, or a ca.pem that is not a usable CA of a cluster. */
BW_MUST_CHECK enum bw_err bw_pki_issue(const struct bw_pki_request *request,
                                       char out_path[BW_PKI_PATH_MAX], struct bw_diag *diag);

/* One certificate, in text safe to print: bytes that are not printable ASCII appear as \xNN. */
struct bw_pki_certificate {
    bool is_ca;
    char identity[BW_PKI_SAN_MAX + 1]; /* the one URI; "" when there is none or more than one */
    char subject[BW_PKI_TEXT_MAX + 1];
    char issuer[BW_PKI_TEXT_MAX + 1];
    int64_t not_before_s; /* seconds since 1970, UTC */
    int64_t not_after_s;
    char fingerprint[3 * 32]; /* SHA-256 of the certificate: AB:CD:... */
    char serial[2 * 20 + 1];  /* hex */
    char sans[BW_PKI_SANS_MAX][BW_PKI_SAN_MAX + 1];
    size_t sans_count;
};

/* What was renewed, and what it replaces. */
struct bw_pki_renewed {
    char identity[BW_PKI_SAN_MAX + 1];
    char old_serial[2 * 20 + 1]; /* hex: as `revoked` takes it */
    int64_t old_not_after_s;
    int64_t not_after_s;
};

/* Replace the certificate and key in `file` by new ones of the same identity and alternative names, from the CA in
 * `dir`, valid for `days` (0: as long as the old one was). The file is the old one or the new one, whole, and stays
 * its owner's; a link stays a link. One that has ended is renewed too.
 *
 * BW_ERR_REFUSED: no CA in ca.pem has issued it, so it is another cluster's, or that file lacks the old CA while the
 * new one replaces it. BW_ERR_INVALID: it is a CA, has no identity, or the CA ends before. Then nothing has
 * changed. */
BW_MUST_CHECK enum bw_err bw_pki_renew(const char *dir, const char *file, unsigned days,
                                       struct bw_pki_renewed *out_renewed, struct bw_diag *diag);

struct bw_pki_file {
    bool has_key;        /* a private key that belongs to the first certificate */
    bool key_is_exposed; /* there is a private key, and group or others can read the file */
    size_t count;
    struct bw_pki_certificate certificates[BW_PKI_CERTIFICATES_MAX];
};

/* Read every certificate of `path`. Nothing is verified: it shows what is there. `out_file` is
 * about 300 KiB: keep it on the heap.
 * BW_ERR_INVALID: no certificate. BW_ERR_CORRUPT: a damaged one. BW_ERR_LIMIT: more than the limits
 * above, or a file over 64 KiB. On an error `out_file` may hold part of it. */
BW_MUST_CHECK enum bw_err bw_pki_show(const char *path, struct bw_pki_file *out_file,
                                      struct bw_diag *diag);

#endif
