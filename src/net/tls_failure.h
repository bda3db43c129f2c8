/* tls_failure.h - why TLS failed, in words that a person can act on. */
#ifndef BW_NET_TLS_FAILURE_H
#define BW_NET_TLS_FAILURE_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#include <breakwater/base/err.h>

/* Reads the verification result of `ssl` and OpenSSL's error queue (and leaves it). BW_ERR_AUTH
 * when a certificate was refused, by us or by the peer; BW_ERR_IO otherwise. */
enum bw_err bw_tls_failure(const SSL *ssl, bool handshake, char *out_text, size_t size);

#endif
