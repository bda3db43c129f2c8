/* pem_file.h - PEM files and what is in them, for the PKI. Private to net. */
#ifndef BW_NET_PEM_FILE_H
#define BW_NET_PEM_FILE_H

#include <stdbool.h>

#include <openssl/x509.h>

#include <breakwater/base/diag.h>

#define BW_PEM_BYTES_MAX (64 * 1024)

/* Reads a regular file whole. `*out_pem` ends in a NUL and goes back to bw_pem_free.
 * `out_is_exposed` (may be NULL): group or others can read it.
 * BW_ERR_LIMIT: too large. BW_ERR_INVALID: not a regular file, or not text. */
BW_MUST_CHECK enum bw_err bw_pem_read(const char *path, char **out_pem, bool *out_is_exposed,
                                      struct bw_diag *diag);
/* Wipes and frees; accepts NULL. */
void bw_pem_free(char *pem);

/* The first private key of `pem`, or NULL; an encrypted one is NULL, nobody is asked for a pass
 * phrase. The caller frees it. */
EVP_PKEY *bw_pem_parse_key(const char *pem);

/* The newest reason in OpenSSL's error queue, which is emptied; never NULL. */
const char *bw_openssl_reason(void);

#endif
