#define OPENSSL_NO_DEPRECATED
#include "http_failure.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <openssl/x509_vfy.h>

/* Why *we* do not accept the server's certificate. */
static const char *text_of_verify_result(long result)
{
    switch (result) {
    case X509_V_OK:              /* the chain is good: libcurl compared the names afterwards */
    case X509_V_ERR_UNSPECIFIED: /* libcurl's first value, before it has read OpenSSL's */
        return "its certificate is for another host name or address; give it one with "
               "\"breakwater pki issue --san\", or correct the address";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "its certificate has expired (or this machine's clock is ahead)";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "its certificate is not valid yet (or this machine's clock is behind)";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return "its certificate was not issued by a CA that we trust";
    default:
        return X509_verify_cert_error_string(result);
    }
}

/* TLS alerts by which the server refuses *us*, as OpenSSL words them. */
static const struct {
    const char *alert;
    const char *text;
} refusals[] = {
    {"alert unknown ca", "it does not trust the CA of our certificate (unknown ca)"},
    {"alert certificate expired", "it says that our certificate has expired"},
    {"alert certificate required", "it requires a certificate and got none"},
    {"alert certificate revoked", "it says that our certificate was revoked"},
    {"alert bad certificate", "it does not accept our certificate (bad certificate)"},
    {"alert unsupported certificate", "it does not accept our kind of certificate"},
    {"alert certificate unknown", "it does not accept our certificate (certificate unknown)"},
    {"alert access denied", "it denies access to our certificate"},
    {"alert decrypt error", "it could not verify our certificate's key"},
    {"alert protocol version", "it does not speak TLS 1.3"},
    {"alert handshake failure", "it found no common kind of encryption"},
    {"unsupported protocol", "it does not speak TLS 1.3"},
    {"wrong version number", "it does not speak TLS: is this the right port?"},
};

static const char *find_refusal(const char *detail)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (strcasestr(detail, refusals[i].alert) != NULL)
            return refusals[i].text;
    }
    return NULL;
}

static curl_off_t get_time_us(CURL *easy, CURLINFO info)
{
    curl_off_t time_us = 0;

    if (curl_easy_getinfo(easy, info, &time_us) != CURLE_OK)
        return 0;
    return time_us;
}

static enum bw_err describe_timeout(const struct bw_http_failure *failure, struct bw_diag *diag)
{
    const char *phase;
    long request_size = 0;

    (void)curl_easy_getinfo(failure->easy, CURLINFO_REQUEST_SIZE, &request_size); /* else 0 */
    if (request_size > 0)
        phase = "the request was sent and no whole answer came";
    else if (get_time_us(failure->easy, CURLINFO_NAMELOOKUP_TIME_T) == 0)
        phase = "its name was not resolved (is the name server reachable?)";
    else if (!failure->has_connected)
        phase = "nothing answered (machine down, or the network drops our packets)";
    else
        phase = "it took the connection and did not finish the TLS handshake";
    return bw_diag_set(diag, BW_ERR_TIMEOUT, "%s: timed out after %" PRIu64 " ms: %s",
                       failure->where, failure->after_ms, phase);
}

static enum bw_err describe_connect(const struct bw_http_failure *failure, struct bw_diag *diag)
{
    long os_errno = 0;

    (void)curl_easy_getinfo(failure->easy, CURLINFO_OS_ERRNO, &os_errno); /* else 0 */
    if (os_errno == ECONNREFUSED)
        return bw_diag_set(diag, BW_ERR_UNREACHABLE,
                           "%s: connection refused (the machine is up, nothing listens there)",
                           failure->where);
    if (os_errno != 0)
        return bw_diag_set(diag, BW_ERR_UNREACHABLE, "%s: cannot connect: %s", failure->where,
                           strerror((int)os_errno));
    return bw_diag_set(diag, BW_ERR_UNREACHABLE, "%s: cannot connect: %s", failure->where,
                       failure->detail);
}

static enum bw_err describe_verification(const struct bw_http_failure *failure,
                                         struct bw_diag *diag)
{
    const char *refusal = find_refusal(failure->detail);
    long result = X509_V_OK;

    if (refusal != NULL)
        return bw_diag_set(diag, BW_ERR_AUTH, "%s: TLS refused by the server: %s", failure->where,
                           refusal);
    (void)curl_easy_getinfo(failure->easy, CURLINFO_SSL_VERIFYRESULT, &result); /* else OK */
    if (result == X509_V_ERR_APPLICATION_VERIFICATION)
        return bw_diag_set(diag, BW_ERR_AUTH,
                           "%s: TLS refused by us: its certificate is not that of a witness of "
                           "cluster %s",
                           failure->where, failure->cluster);
    return bw_diag_set(diag, BW_ERR_AUTH, "%s: TLS refused by us: %s", failure->where,
                       text_of_verify_result(result));
}

/* The connection ended: by an alert that refuses us (TLS 1.3 tells so only after our request), or
 * because the server or the way to it went away. */
static enum bw_err describe_broken(const struct bw_http_failure *failure, struct bw_diag *diag)
{
    const char *refusal = find_refusal(failure->detail);

    if (refusal != NULL)
        return bw_diag_set(diag, BW_ERR_AUTH, "%s: TLS refused by the server: %s", failure->where,
                           refusal);
    if (failure->code == CURLE_GOT_NOTHING)
        return bw_diag_set(diag, BW_ERR_UNREACHABLE,
                           "%s: the server closed the connection without an HTTPS answer: it is ending, or this is a "
                           "witness's raft port, which serves no HTTPS; the port of its `address` is meant",
                           failure->where);
    return bw_diag_set(diag, BW_ERR_UNREACHABLE, "%s: the connection broke: %s", failure->where,
                       failure->detail);
}

/* The detail may quote what a server sent. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || (unsigned char)*text == 0x7f)
            *text = '?';
    }
}

static enum bw_err describe(const struct bw_http_failure *failure, struct bw_diag *diag)
{
    /* libcurl's codes are not ours to enumerate: what is not named here fails as input or output */
    switch ((int)failure->code) {
    case CURLE_OPERATION_TIMEDOUT:
        return describe_timeout(failure, diag);
    case CURLE_COULDNT_CONNECT:
        return describe_connect(failure, diag);
    case CURLE_COULDNT_RESOLVE_HOST:
        return bw_diag_set(diag, BW_ERR_UNREACHABLE, "%s: its name has no address: %s",
                           failure->where, failure->detail);
    case CURLE_PEER_FAILED_VERIFICATION:
        return describe_verification(failure, diag);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return describe_broken(failure, diag);
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return bw_diag_set(diag, BW_ERR_AUTH, "%s: our certificate cannot be used: %s",
                           failure->where, failure->detail);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return bw_diag_set(diag, BW_ERR_CORRUPT, "%s: the answer is not HTTP/1.1: %s",
                           failure->where, failure->detail);
    case CURLE_OUT_OF_MEMORY:
        return bw_diag_set(diag, BW_ERR_NOMEM, "%s: out of memory", failure->where);
    default:
        return bw_diag_set(diag, BW_ERR_IO, "%s: libcurl: %s", failure->where, failure->detail);
    }
}

enum bw_err bw_http_failure_describe(const struct bw_http_failure *failure,
                                     struct bw_diag *out_diag)
{
    struct bw_http_failure known = *failure;
    enum bw_err err;

    if (known.detail[0] == '\0')
        known.detail = curl_easy_strerror(known.code);
    err = describe(&known, out_diag);
    make_printable(out_diag->text);
    return err;
}
