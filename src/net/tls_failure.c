#include "tls_failure.h"

#include <stdio.h>

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

#include "peer_trust.h"

struct reason {
    int code; /* SSL_R_* */
    enum bw_err err;
    const char *text;
};

static const struct reason reasons[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, BW_ERR_AUTH, "the peer showed no certificate"},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, BW_ERR_AUTH, "the peer wants our certificate"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, BW_ERR_AUTH,
     "the peer refused our certificate: it does not know our CA"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, BW_ERR_AUTH,
     "the peer refused our certificate: expired, or not yet valid (check both clocks)"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, BW_ERR_AUTH,
     "the peer refused our certificate: revoked"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, BW_ERR_AUTH, "the peer refused our certificate"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, BW_ERR_AUTH,
     "the peer refused our certificate: not made for this use"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, BW_ERR_AUTH, "the peer refused our certificate"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, BW_ERR_IO, "the peer does not speak TLS 1.3"},
    {SSL_R_UNSUPPORTED_PROTOCOL, BW_ERR_IO, "the peer does not speak TLS 1.3"},
    {SSL_R_HTTP_REQUEST, BW_ERR_IO, "the peer speaks plain HTTP to a TLS port"},
    {SSL_R_WRONG_VERSION_NUMBER, BW_ERR_IO, "the peer does not speak TLS"},
};

enum bw_err bw_tls_failure(const SSL *ssl, bool handshake, char *out_text, size_t size)
{
    unsigned long error = ERR_peek_error();
    long verified = SSL_get_verify_result(ssl);
    const char *text = ERR_reason_error_string(error);
    const char *name = bw_peer_refused_name(ssl);

    if (handshake && ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
        verified != X509_V_OK) {
        (void)snprintf(out_text, size, "the peer's certificate was refused: %s%s%s",
                       X509_verify_cert_error_string(verified), name != NULL ? "; it says " : "",
                       name != NULL ? name : "");
        return BW_ERR_AUTH;
    }
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == reasons[i].code) {
            (void)snprintf(out_text, size, "%s", reasons[i].text);
            return reasons[i].err;
        }
    }
    (void)snprintf(out_text, size, "%s: %s",
                   handshake ? "the TLS handshake failed" : "the TLS connection failed",
                   text != NULL ? text : "no reason given");
    return BW_ERR_IO;
}
